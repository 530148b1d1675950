// segment.clv_fit: the aggregate and its state.
#include "core/clv/clv_fit.hpp"

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"

#include "functions/clv_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clv::ClvModel;
using core::clv::ClvOptions;

using ClvGathering = Gathering<core::clv::ClvState>;

constexpr int kOptionsArgument = 5;

ClvOptions read_options(FunctionCallInfo fcinfo) {
    ClvOptions options;
    if (ClvGathering::has_options(fcinfo, kOptionsArgument)) {
        JsonReader json(json_tokens(PG_GETARG_DATUM(kOptionsArgument)));
        functions::read_clv_options(json, options);
    }
    validate(options);
    return options;
}

// The fitted model, or NULL when no row could be used.
Datum fit(FunctionCallInfo fcinfo, const core::clv::ClvState& state) {
    if (state.histories().size() == 0)
        PG_RETURN_NULL();
    check_budget(price_clv(state));
    TemporaryContext context;
    ServerInterrupt interrupt;
    const ClvModel model = fit_clv(state, &context.resource(), interrupt);
    struct varlena* value = new_varlena(ClvModel::kImageSize);
    model.write(image_of(value));
    PG_RETURN_POINTER(value);
}

}  // namespace

// clv_transition(state, frequency, recency, t, mean_value [, options]) -> state
PGSEG_FUNCTION(pgseg_clv_transition) {
    using core::clv::ClvState;
    const AggregateMemory memory(fcinfo);
    auto* state = ClvGathering::state_of_row(
        fcinfo, memory, kOptionsArgument, [&] { return read_options(fcinfo); },
        [](const ClvState&) { return true; },
        [](const ClvState&) {
            throw core::Error(core::Errc::kInvalidArgument, "options must be the same in every row");
        });
    if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3)) {
        state->state().skip();
        PG_RETURN_DATUM(state->datum());
    }
    std::optional<double> mean_value;
    if (!PG_ARGISNULL(4))
        mean_value = PG_GETARG_FLOAT8(4);
    state->state().add({static_cast<double>(PG_GETARG_INT64(1)), PG_GETARG_FLOAT8(2), PG_GETARG_FLOAT8(3)},
                       mean_value);
    PG_RETURN_DATUM(state->datum());
}

// clv_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_clv_combine) {
    return ClvGathering::combine(fcinfo);
}

// clv_final(state) -> clv_model; the state is only read. Also finalize(clv_state).
PGSEG_FUNCTION(pgseg_clv_final) {
    return ClvGathering::final(fcinfo, fit);
}

// clv_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_clv_state_final) {
    return ClvGathering::state_final(fcinfo);
}

PGSEG_FUNCTION(pgseg_clv_state_in) {
    return ClvGathering::decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_clv_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_clv_state_recv) {
    return ClvGathering::decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_clv_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
