// Measures of a model: on rows that it has not seen, and on its training.
#include "core/clustering/quality_model.hpp"
#include "core/clustering/quality_state.hpp"

#include "backend/cached_value.hpp"
#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringView;
using core::clustering::LabelledState;
using core::clustering::LabelOrigin;
using core::clustering::MeasuredModel;
using core::clustering::ModelFit;

using LabelledGathering = Gathering<LabelledState>;

constexpr int kNoOptions = 100;  // there is no such argument

const MeasuredModel& model_argument(FunctionCallInfo fcinfo) {
    required(fcinfo, 1, "model");
    return CachedValue<MeasuredModel>::get(fcinfo, 1);
}

Datum nullable(FunctionCallInfo fcinfo, const std::optional<double>& value) {
    if (!value)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(*value);
}

ClusteringView stored_model(FunctionCallInfo fcinfo) {
    return ClusteringView(image_of(detoasted(PG_GETARG_DATUM(0))));
}

// The bytes of a new state in the aggregate's memory.
struct varlena* new_fit(const AggregateMemory& memory) {
    MemoryContext context = memory.context();
    auto* value = call([context]() noexcept {
        return static_cast<struct varlena*>(MemoryContextAllocZero(context, sizeof(ModelFit)));
    });
    SET_VARSIZE(value, sizeof(ModelFit));
    return value;
}

const struct varlena* fit_argument(FunctionCallInfo fcinfo, int number) {
    return detoasted(PG_GETARG_DATUM(number));
}
const ModelFit& read_fit(FunctionCallInfo fcinfo, int number) {
    return ModelFit::of(image_of(fit_argument(fcinfo, number)));
}
// The state that an aggregate gives to its own functions is theirs to change.
ModelFit& own_fit(FunctionCallInfo fcinfo) {
    return ModelFit::of(image_of(const_cast<struct varlena*>(fit_argument(fcinfo, 0))));
}

void copy_fit(const struct varlena* from, struct varlena* to) {
    ModelFit::of(image_of(from));
    std::memcpy(to, from, sizeof(ModelFit));
}

// For keeping: equal sums are equal bytes.
struct varlena* canonical_copy(const struct varlena* fit) {
    struct varlena* copy = new_varlena(sizeof(ModelFit));
    copy_fit(fit, copy);
    ModelFit::of(image_of(copy)).make_canonical();
    return copy;
}

Datum checked_fit(std::span<const std::byte> body) {
    ModelFit::validate(body);
    return bytes_to_message(body);
}

}  // namespace

// labelled_transition(state, model, features) -> state: rows in the model's space, labelled by it
PGSEG_FUNCTION(pgseg_labelled_transition_model) {
    const AggregateMemory memory(fcinfo);
    const MeasuredModel& model = model_argument(fcinfo);
    auto* state = LabelledGathering::state_of_row(
        fcinfo, memory, kNoOptions, [&] { return LabelOrigin{model.fingerprint}; },
        [&](const LabelledState& earlier) { return earlier.options().model == model.fingerprint; },
        [](const LabelledState&) {
            throw core::Error(core::Errc::kInvalidArgument, "the model must be the same in every row");
        });
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(2))
        features = float8_array(PG_GETARG_DATUM(2), "features");
    if (!features) {
        state->state().skip();
        PG_RETURN_DATUM(state->datum());
    }
    const std::int32_t cluster = model.view.nearest(*features).cluster;
    double row[core::clustering::kMaxDimensions];
    const std::span<double> space(row, features->size());
    model.to_space(*features, space);
    state->state().add(space, cluster);
    PG_RETURN_DATUM(state->datum());
}

// model_fit_transition(state, model, features) -> state
PGSEG_FUNCTION(pgseg_model_fit_transition) {
    const AggregateMemory memory(fcinfo);
    const MeasuredModel& model = model_argument(fcinfo);
    struct varlena* fresh = PG_ARGISNULL(0) ? new_fit(memory) : nullptr;
    ModelFit& fit = fresh != nullptr ? ModelFit::begin(image_of(fresh), model) : own_fit(fcinfo);
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(2))
        features = float8_array(PG_GETARG_DATUM(2), "features");
    if (features)
        fit.add(model, *features);
    else
        fit.skip();
    PG_RETURN_POINTER(&fit);
}

// model_fit_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_model_fit_combine) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    if (PG_ARGISNULL(0)) {
        struct varlena* copy = new_fit(memory);
        copy_fit(fit_argument(fcinfo, 1), copy);
        PG_RETURN_POINTER(copy);
    }
    own_fit(fcinfo).merge(read_fit(fcinfo, 1));
    PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

// model_fit_final(state) -> state for keeping
PGSEG_FUNCTION(pgseg_model_fit_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    PG_RETURN_POINTER(canonical_copy(fit_argument(fcinfo, 0)));
}

PGSEG_FUNCTION(pgseg_model_fit_in) {
    return checked_fit(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_model_fit_out) {
    return bytes_to_text(body_of(canonical_copy(fit_argument(fcinfo, 0))));
}

PGSEG_FUNCTION(pgseg_model_fit_recv) {
    return checked_fit(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_model_fit_send) {
    return bytes_to_message(body_of(canonical_copy(fit_argument(fcinfo, 0))));
}

// simplified_silhouette(model_fit) -> float8; also the final function of the aggregate
PGSEG_FUNCTION(pgseg_model_fit_silhouette) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return nullable(fcinfo, read_fit(fcinfo, 0).simplified_silhouette());
}

// inertia(model_fit) -> float8; also the final function of the aggregate
PGSEG_FUNCTION(pgseg_model_fit_inertia) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return nullable(fcinfo, read_fit(fcinfo, 0).inertia());
}

// silhouette(clustering) -> float8: of the rows it was trained on
PGSEG_FUNCTION(pgseg_clustering_silhouette) {
    return nullable(fcinfo, trained_silhouette(stored_model(fcinfo)));
}

PGSEG_FUNCTION(pgseg_clustering_calinski_harabasz) {
    return nullable(fcinfo, trained_calinski_harabasz(stored_model(fcinfo)));
}

PGSEG_FUNCTION(pgseg_clustering_davies_bouldin) {
    ServerInterrupt interrupt;
    return nullable(fcinfo, trained_davies_bouldin(stored_model(fcinfo), interrupt));
}

PGSEG_FUNCTION(pgseg_clustering_inertia) {
    PG_RETURN_FLOAT8(stored_model(fcinfo).facts().inertia);
}
