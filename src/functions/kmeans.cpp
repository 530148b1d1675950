// segment.kmeans: the aggregate and its state.
#include "core/clustering/kmeans.hpp"
#include "core/clustering/kmeans_state.hpp"

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"
#include "backend/settings.hpp"

#include "functions/kmeans_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::KmeansOptions;

using KmeansGathering = Gathering<core::clustering::KmeansState>;

constexpr int kOptionsArgument = 3;

KmeansOptions read_options(FunctionCallInfo fcinfo) {
    KmeansOptions options;
    options.k = DatumGetInt32(required(fcinfo, 2, "k"));
    options.seed = settings::default_seed();
    if (KmeansGathering::has_options(fcinfo, kOptionsArgument)) {
        JsonReader json(json_tokens(PG_GETARG_DATUM(kOptionsArgument)));
        functions::read_kmeans_options(json, options);
    }
    validate(options);
    return options;
}

// The trained model, or NULL when no row could be used.
Datum train(FunctionCallInfo fcinfo, const core::clustering::KmeansState& state) {
    if (state.rows().size() == 0)
        PG_RETURN_NULL();
    check_budget(price_kmeans(state.rows().size(), state.dimensions(), state.options()));
    TemporaryContext context;
    ServerInterrupt interrupt;
    const core::clustering::TrainedKmeans model =
        train_kmeans(state.rows(), state.skipped(), state.options(), &context.resource(), interrupt);
    struct varlena* value =
        new_varlena(core::clustering::ClusteringView::image_size(state.options().k, model.facts.dimensions));
    write_clustering(model.parts(), image_of(value));
    PG_RETURN_POINTER(value);
}

}  // namespace

// kmeans_transition(state, features, k [, options]) -> state
PGSEG_FUNCTION(pgseg_kmeans_transition) {
    using core::clustering::KmeansState;
    const AggregateMemory memory(fcinfo);
    const std::int32_t k = DatumGetInt32(required(fcinfo, 2, "k"));
    auto* state = KmeansGathering::state_of_row(
        fcinfo, memory, kOptionsArgument, [&] { return read_options(fcinfo); },
        [&](const KmeansState& earlier) { return k == earlier.options().k; },
        [&](const KmeansState& earlier) {
            throw core::Error(core::Errc::kInvalidArgument,
                              "number of clusters and options must be the same in every row",
                              core::format("Number of clusters is %d here and %d in earlier rows.", k,
                                           earlier.options().k));
        });
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(1))
        features = float8_array(PG_GETARG_DATUM(1), "features");
    if (features)
        state->state().add(*features);
    else
        state->state().skip();
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
