// segment.kmeans: the aggregate and its state.
#include "core/clustering/kmeans.hpp"
#include "core/clustering/kmeans_state.hpp"

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/number_arguments.hpp"
#include "backend/settings.hpp"

#include "functions/kmeans_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::GatheringOptions;
using core::clustering::KmeansState;

using KmeansGathering = Gathering<KmeansState>;

// Where a transition function has its arguments.
struct Signature {
    int k;
    int options;
    int weight;  // 0: none
};

constexpr Signature kArrays = {2, 3, 4};   // (state, features, k [, options [, weight]])
constexpr Signature kColumns = {1, 2, 0};  // (state, k, options, VARIADIC features)

bool is_weighted(FunctionCallInfo fcinfo, const Signature& signature) {
    return signature.weight != 0 && PG_NARGS() > signature.weight;
}

GatheringOptions read_options(FunctionCallInfo fcinfo, const Signature& signature) {
    GatheringOptions options = functions::read_kmeans_arguments(
        DatumGetInt32(required(fcinfo, signature.k, "k")),
        KmeansGathering::has_options(fcinfo, signature.options) ? &fcinfo->args[signature.options] : nullptr);
    options.kmeans.weighted = is_weighted(fcinfo, signature);
    validate(options.kmeans);
    return options;
}

// The trained model, or NULL when no row could be used.
Datum train(FunctionCallInfo fcinfo, const KmeansState& state) {
    if (state.seen() == 0)
        PG_RETURN_NULL();
    return functions::train_to_value(state);
}

// The state of an aggregate that takes its arguments so.
KmeansGathering::State* state_of_row(FunctionCallInfo fcinfo, const Signature& signature) {
    const AggregateMemory memory(fcinfo);
    const std::int32_t k = DatumGetInt32(required(fcinfo, signature.k, "k"));
    return KmeansGathering::state_of_row(
        fcinfo, memory, signature.options, [&] { return read_options(fcinfo, signature); },
        [&](const KmeansState& earlier) { return k == earlier.options().kmeans.k; },
        [&](const KmeansState& earlier) {
            throw core::Error(core::Errc::kInvalidArgument,
                              "number of clusters and options must be the same in every row",
                              core::format("Number of clusters is %d here and %d in earlier rows.", k,
                                           earlier.options().kmeans.k));
        });
}

using Features = std::optional<std::span<const double>>;

// A row without features, or without a weight where it needs one, is counted as skipped.
void add_row(KmeansState& state, const Features& features, const NullableDatum& weight) {
    if (!features || weight.isnull) {
        state.skip();
        return;
    }
    ServerInterrupt interrupt;
    state.add(*features, DatumGetFloat8(weight.value), interrupt);
}

NullableDatum weight_of_row(FunctionCallInfo fcinfo, const Signature& signature) {
    if (is_weighted(fcinfo, signature))
        return fcinfo->args[signature.weight];
    return {Float8GetDatum(1.0), false};
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
    auto* state = state_of_row(fcinfo, kArrays);
    Features features;
    if (!PG_ARGISNULL(1))
        features = float8_array(PG_GETARG_DATUM(1), "features");
    add_row(state->state(), features, weight_of_row(fcinfo, kArrays));
    PG_RETURN_DATUM(state->datum());
}

// kmeans_transition(state, k, options, VARIADIC features) -> state
PGSEG_FUNCTION(pgseg_kmeans_columns_transition) {
    auto* state = state_of_row(fcinfo, kColumns);
    double buffer[NumberArguments::kMost];
    add_row(state->state(), NumberArguments::of(fcinfo, kColumns.options + 1).read(fcinfo, buffer),
            weight_of_row(fcinfo, kColumns));
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
