// segment.kmeans_step and segment.kmeans_measure: passes over rows that need not fit memory.
#include "core/clustering/kmeans_step.hpp"

#include "backend/gathering.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::KmeansStep;
using core::clustering::StepOptions;

// The model as it was passed in the last row: for a toasted value the bytes of the pointer, so that it is
// fetched once.
class Step : public KmeansStep {
  public:
    Step(core::MemoryResource* memory, const StepOptions& options)
        : KmeansStep(memory, options), given_(memory) {}

    bool was_given(std::span<const std::byte> raw) const {
        return raw.size() == given_.size() && std::memcmp(raw.data(), given_.data(), raw.size()) == 0;
    }
    void remember_given(std::span<const std::byte> raw) { given_.assign(raw.begin(), raw.end()); }

  private:
    core::Vector<std::byte> given_;
};

using StepGathering = Gathering<Step>;

constexpr int kNoOptions = 1000;  // the model is no jsonb

std::span<const std::byte> raw_model(FunctionCallInfo fcinfo) {
    const auto* raw = reinterpret_cast<const struct varlena*>(DatumGetPointer(required(fcinfo, 1, "model")));
    return {reinterpret_cast<const std::byte*>(raw), VARSIZE_ANY(raw)};
}

Datum transition(FunctionCallInfo fcinfo, bool move) {
    const AggregateMemory memory(fcinfo);
    const std::span<const std::byte> raw = raw_model(fcinfo);
    bool same = false;
    auto* state = StepGathering::state_of_row(
        fcinfo, memory, kNoOptions,
        [&] {
            return StepOptions{image_of(detoasted(PG_GETARG_DATUM(1))), move};
        },
        [&](const Step& earlier) { return same = earlier.was_given(raw); },
        [](const Step&) {
            throw core::Error(core::Errc::kInvalidArgument, "the model must be the same in every row");
        });
    if (!same)
        state->state().remember_given(raw);
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(2))
        features = float8_array(PG_GETARG_DATUM(2), "features");
    if (features)
        state->state().add(*features);
    else
        state->state().skip();
    PG_RETURN_DATUM(state->datum());
}

// The model after the pass, or NULL when no row could be used.
Datum stepped(FunctionCallInfo, const Step& state) {
    if (state.rows() == 0)
        return Datum{0};
    TemporaryContext context;
    ServerInterrupt interrupt;
    const core::clustering::SteppedModel result = state.result(&context.resource(), interrupt);
    const core::clustering::ClusteringParts parts = result.parts(state.model());
    struct varlena* value = new_varlena(parts.image_size());
    write_clustering(parts, image_of(value));
    return PointerGetDatum(value);
}

}  // namespace

// kmeans_step_transition(state, model, features) -> state
PGSEG_FUNCTION(pgseg_kmeans_step_transition) {
    return transition(fcinfo, true);
}

// kmeans_measure_transition(state, model, features) -> state
PGSEG_FUNCTION(pgseg_kmeans_measure_transition) {
    return transition(fcinfo, false);
}

// kmeans_step_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_kmeans_step_combine) {
    return StepGathering::combine(fcinfo);
}

// kmeans_step_final(state) -> clustering; the state is only read
PGSEG_FUNCTION(pgseg_kmeans_step_final) {
    const Datum result = StepGathering::final(fcinfo, stepped);
    if (result == 0)
        PG_RETURN_NULL();
    PG_RETURN_DATUM(result);
}

// kmeans_step_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_kmeans_step_state_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    auto* state = StepGathering::State::of(PG_GETARG_DATUM(0));
    if (state == nullptr)
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    ServerInterrupt interrupt;
    check_printable(state->state().image_size(interrupt));
    PG_RETURN_POINTER(flat_copy(state->state()));
}

PGSEG_FUNCTION(pgseg_kmeans_step_state_in) {
    return StepGathering::decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_kmeans_step_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_kmeans_step_state_recv) {
    return StepGathering::decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_kmeans_step_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
