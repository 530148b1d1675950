// segment.kmeans: the aggregate and its state.
#include "core/clustering/kmeans.hpp"
#include "core/clustering/kmeans_state.hpp"

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"
#include "backend/settings.hpp"

#include "functions/kmeans_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::KmeansOptions;

// The state, with the option bytes of the last row: they are parsed once, not once a row.
class KmeansAggregate : public core::clustering::KmeansState {
  public:
    KmeansAggregate(core::MemoryResource* memory, const KmeansOptions& options)
        : KmeansState(memory, options), seen_(memory) {}

    bool has_seen(std::span<const std::byte> options) const {
        return options.size() == seen_.size() &&
               std::memcmp(options.data(), seen_.data(), options.size()) == 0;
    }
    void remember(std::span<const std::byte> options) { seen_.assign(options.begin(), options.end()); }

  private:
    core::Vector<std::byte> seen_;
};

using State = ExpandedState<KmeansAggregate>;

// The options argument may be missing (three arguments) or NULL: both mean the defaults.
bool has_options(FunctionCallInfo fcinfo) {
    return PG_NARGS() > 3 && !PG_ARGISNULL(3);
}

KmeansOptions read_options(FunctionCallInfo fcinfo) {
    KmeansOptions options;
    options.k = DatumGetInt32(required(fcinfo, 2, "k"));
    options.seed = settings::default_seed();
    if (has_options(fcinfo)) {
        JsonReader json(json_tokens(PG_GETARG_DATUM(3)));
        functions::read_kmeans_options(json, options);
    }
    validate(options);
    return options;
}

std::span<const std::byte> option_bytes(FunctionCallInfo fcinfo) {
    if (!has_options(fcinfo))
        return {};
    return image_of(detoasted(PG_GETARG_DATUM(3)));
}

// Every row must ask for the same clustering.
void check_same_options(FunctionCallInfo fcinfo, KmeansAggregate& state) {
    const std::span<const std::byte> bytes = option_bytes(fcinfo);
    const std::int32_t k = DatumGetInt32(required(fcinfo, 2, "k"));
    if (k == state.options().k && state.has_seen(bytes))
        return;
    if (!(read_options(fcinfo) == state.options()))
        throw core::Error(
            core::Errc::kInvalidArgument, "number of clusters and options must be the same in every row",
            core::format("Number of clusters is %d here and %d in earlier rows.", k, state.options().k));
    state.remember(bytes);
}

// The state as this node's own object: the first argument, or a new one holding its rows.
State* own_state(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    if (State* state = State::of(PG_GETARG_DATUM(number)))
        return state;
    const std::span<const std::byte> body = body_of(detoasted(PG_GETARG_DATUM(number)));
    ServerInterrupt interrupt;
    State* state = State::create(memory, KmeansAggregate::read_options(body, interrupt));
    state->state().merge_body(body, interrupt);
    return state;
}

State* own_copy(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    State* other = State::of(PG_GETARG_DATUM(number));
    if (other == nullptr)
        return own_state(fcinfo, memory, number);
    State* state = State::create(memory, other->state().options());
    ServerInterrupt interrupt;
    state->state().merge(other->state(), interrupt);
    return state;
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

// A state that is kept must also have a text form, or its table could not be dumped.
void check_printable(const KmeansAggregate& state) {
    constexpr std::uint64_t kLargest = (MaxAllocSize - 8) / 2;
    if (state.image_size() <= kLargest)
        return;
    throw core::Error(
        core::Errc::kTooBig, "the state is too large to be kept",
        core::format("It would take %llu MB, the limit is %llu MB.",
                     static_cast<unsigned long long>(state.image_size() >> 20),
                     static_cast<unsigned long long>(kLargest >> 20)),
        "Keep several states of fewer rows each and merge them with segment.rollup when training.");
}

Datum decode_state(std::span<const std::byte> body) {
    ServerInterrupt interrupt;
    core::clustering::KmeansState::read_options(body, interrupt);
    return bytes_to_message(body);
}

}  // namespace

// kmeans_transition(state, features, k [, options]) -> state
PGSEG_FUNCTION(pgseg_kmeans_transition) {
    const AggregateMemory memory(fcinfo);
    State* state = nullptr;
    if (PG_ARGISNULL(0)) {
        state = State::create(memory, read_options(fcinfo));
        state->state().remember(option_bytes(fcinfo));
    } else {
        state = own_state(fcinfo, memory, 0);
        check_same_options(fcinfo, state->state());
    }
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
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    if (PG_ARGISNULL(0))
        PG_RETURN_DATUM(own_copy(fcinfo, memory, 1)->datum());
    State* state = own_state(fcinfo, memory, 0);
    ServerInterrupt interrupt;
    if (State* other = State::of(PG_GETARG_DATUM(1)))
        state->state().merge(other->state(), interrupt);
    else
        state->state().merge_body(body_of(detoasted(PG_GETARG_DATUM(1))), interrupt);
    PG_RETURN_DATUM(state->datum());
}

// kmeans_final(state) -> clustering; the state is only read. Also finalize(kmeans_state).
PGSEG_FUNCTION(pgseg_kmeans_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    if (State* state = State::of(PG_GETARG_DATUM(0)))
        return train(fcinfo, state->state());
    const std::span<const std::byte> body = body_of(detoasted(PG_GETARG_DATUM(0)));
    TemporaryContext context;
    ServerInterrupt interrupt;
    core::clustering::KmeansState state(&context.resource(), KmeansAggregate::read_options(body, interrupt));
    state.merge_body(body, interrupt);
    return train(fcinfo, state);
}

// kmeans_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_kmeans_state_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    if (State* state = State::of(PG_GETARG_DATUM(0))) {
        check_printable(state->state());
        PG_RETURN_POINTER(flat_copy(state->state()));
    }
    PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

PGSEG_FUNCTION(pgseg_kmeans_state_in) {
    return decode_state(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_kmeans_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_kmeans_state_recv) {
    return decode_state(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_kmeans_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
