// Measures of a labelling: segment.silhouette(features, cluster) and its kin, and the rows behind them,
// segment.labelled_state.
#include "core/clustering/quality.hpp"
#include "core/clustering/quality_state.hpp"

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::LabelledPoints;
using core::clustering::LabelledState;
using core::clustering::LabelOrigin;

using LabelledGathering = Gathering<LabelledState>;

constexpr int kNoOptions = 100;  // there is no such argument

// What a measure gives for the rows of a state; NULL without rows, and where it is not defined.
template <typename Measure>
Datum measured(FunctionCallInfo info, const Measure& measure) {
    const auto measure_state = [&measure](FunctionCallInfo fcinfo, const LabelledState& state) -> Datum {
        if (state.rows().size() == 0)
            PG_RETURN_NULL();
        check_budget(LabelledPoints::price(state.rows().size(), state.dimensions()));
        TemporaryContext context;
        ServerInterrupt interrupt;
        LabelledPoints points(state.rows(), &context.resource(), interrupt);
        const std::optional<double> value = measure(points);
        if (!value)
            PG_RETURN_NULL();
        PG_RETURN_FLOAT8(*value);
    };
    return LabelledGathering::final(info, measure_state);
}

}  // namespace

// labelled_transition(state, features, cluster) -> state
PGSEG_FUNCTION(pgseg_labelled_transition) {
    const AggregateMemory memory(fcinfo);
    auto* state = LabelledGathering::state_of_row(
        fcinfo, memory, kNoOptions, [] { return LabelOrigin{}; },
        [](const LabelledState& earlier) { return earlier.options() == LabelOrigin{}; },
        [](const LabelledState&) {
            throw core::Error(core::Errc::kInvalidArgument,
                              "cannot add rows with labels of their own to rows that a model labelled");
        });
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(1))
        features = float8_array(PG_GETARG_DATUM(1), "features");
    if (features && !PG_ARGISNULL(2))
        state->state().add(*features, PG_GETARG_INT32(2));
    else
        state->state().skip();
    PG_RETURN_DATUM(state->datum());
}

// labelled_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_labelled_combine) {
    return LabelledGathering::combine(fcinfo);
}

// labelled_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_labelled_state_final) {
    return LabelledGathering::state_final(fcinfo);
}

PGSEG_FUNCTION(pgseg_labelled_state_in) {
    return LabelledGathering::decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_labelled_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_labelled_state_recv) {
    return LabelledGathering::decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_labelled_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

// Each reads a state: the final function of an aggregate, and the function of the same name.

PGSEG_FUNCTION(pgseg_labelled_silhouette) {
    return measured(fcinfo, [](LabelledPoints& points) { return points.silhouette(); });
}

PGSEG_FUNCTION(pgseg_labelled_simplified_silhouette) {
    return measured(fcinfo, [](LabelledPoints& points) { return points.simplified_silhouette(); });
}

PGSEG_FUNCTION(pgseg_labelled_calinski_harabasz) {
    return measured(fcinfo, [](LabelledPoints& points) { return points.calinski_harabasz(); });
}

PGSEG_FUNCTION(pgseg_labelled_davies_bouldin) {
    return measured(fcinfo, [](LabelledPoints& points) { return points.davies_bouldin(); });
}

PGSEG_FUNCTION(pgseg_labelled_inertia) {
    return measured(fcinfo, [](LabelledPoints& points) { return std::optional(points.inertia()); });
}
