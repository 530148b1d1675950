// segment.kmeans: the aggregate and its state.
#include "core/clustering/kmeans.hpp"
#include "core/clustering/kmeans_state.hpp"

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/settings.hpp"

#include "functions/kmeans_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::GatheringOptions;
using core::clustering::KmeansState;

using KmeansGathering = Gathering<KmeansState>;

constexpr int kOptionsArgument = 3;
constexpr int kWeightArgument = 4;

GatheringOptions read_options(FunctionCallInfo fcinfo) {
    GatheringOptions options = functions::read_kmeans_arguments(
        DatumGetInt32(required(fcinfo, 2, "k")),
        KmeansGathering::has_options(fcinfo, kOptionsArgument) ? &fcinfo->args[kOptionsArgument] : nullptr);
    options.kmeans.weighted = PG_NARGS() > kWeightArgument;
    validate(options.kmeans);
    return options;
}

// The trained model, or NULL when no row could be used.
Datum train(FunctionCallInfo fcinfo, const KmeansState& state) {
    if (state.seen() == 0)
        PG_RETURN_NULL();
    return functions::train_to_value(state);
}

// Adds the row that the arguments are, or counts it as skipped.
void add_row(FunctionCallInfo fcinfo, KmeansState& state) {
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(1))
        features = float8_array(PG_GETARG_DATUM(1), "features");
    const bool weighted = PG_NARGS() > kWeightArgument;
    if (!features || (weighted && PG_ARGISNULL(kWeightArgument))) {
        state.skip();
        return;
    }
    ServerInterrupt interrupt;
    state.add(*features, weighted ? PG_GETARG_FLOAT8(kWeightArgument) : 1.0, interrupt);
}

}  // namespace

namespace seg::functions {

Datum train_to_value(const KmeansState& state) {
    TemporaryContext context;
    ServerInterrupt interrupt;
    const core::clustering::TrainedKmeans model = train_kmeans(
        state.gathered(), state.options().kmeans, settings::max_memory(), &context.resource(), interrupt);
    const core::clustering::ClusteringParts parts = model.parts();
    struct varlena* value = new_varlena(parts.image_size());
    write_clustering(parts, image_of(value));
    PG_RETURN_POINTER(value);
}

}  // namespace seg::functions

// kmeans_transition(state, features, k [, options [, weight]]) -> state
PGSEG_FUNCTION(pgseg_kmeans_transition) {
    const AggregateMemory memory(fcinfo);
    const std::int32_t k = DatumGetInt32(required(fcinfo, 2, "k"));
    auto* state = KmeansGathering::state_of_row(
        fcinfo, memory, kOptionsArgument, [&] { return read_options(fcinfo); },
        [&](const KmeansState& earlier) { return k == earlier.options().kmeans.k; },
        [&](const KmeansState& earlier) {
            throw core::Error(core::Errc::kInvalidArgument,
                              "number of clusters and options must be the same in every row",
                              core::format("Number of clusters is %d here and %d in earlier rows.", k,
                                           earlier.options().kmeans.k));
        });
    add_row(fcinfo, state->state());
    PG_RETURN_DATUM(state->datum());
}

// kmeans_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_kmeans_combine) {
    return KmeansGathering::combine(fcinfo);
}

// kmeans_final(state) -> clustering; the state is only read. Also finalize(kmeans_state).
PGSEG_FUNCTION(pgseg_kmeans_final) {
    return KmeansGathering::final(fcinfo, train);
}

// kmeans_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_kmeans_state_final) {
    return KmeansGathering::state_final(fcinfo);
}

PGSEG_FUNCTION(pgseg_kmeans_state_in) {
    return KmeansGathering::decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_kmeans_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_kmeans_state_recv) {
    return KmeansGathering::decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_kmeans_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
