// Aggregates that make one set, or a number, of many ids or sets. The state is a segment.idset: a few ids
// flat with room for more, then an expanded object.
#include "functions/idset_arguments.hpp"

#include "core/idset/fold.hpp"
#include "core/idset/gathering.hpp"
#include "core/idset/set_builder.hpp"

#include "backend/aggregate.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

using Builder = ExpandedState<SetBuilder>;
using Intersecting = ExpandedState<IntersectionFold>;
using Differing = ExpandedState<DifferenceFold>;

Gathering gathering_of(const struct varlena* value) {
    return Gathering(image_of(const_cast<struct varlena*>(value)));
}

// A small state with this many bytes, in the current context: the node copies what it keeps.
struct varlena* new_gathering(std::size_t bytes) {
    struct varlena* value = new_varlena(bytes);
    Gathering::initialise(image_of(value));
    return value;
}

// The expanded state of the node, with what a flat one held (nothing when it is NULL).
Builder* expand(const AggregateMemory& memory, bool is_null, Datum flat) {
    Builder* builder = Builder::create(memory);
    if (is_null)
        return builder;
    ServerInterrupt interrupt;
    SetArgument(flat).add_to(builder->state(), interrupt);
    return builder;
}

// Adds to a small state; nothing is returned when it must become an expanded one.
struct varlena* add_small(struct varlena* value, std::int64_t id) {
    Gathering gathering = gathering_of(value);
    if (gathering.add(id))
        return value;
    const std::size_t bytes = 2 * image_of(value).size();
    if (bytes > Gathering::kMostBytes)
        return nullptr;
    struct varlena* larger = new_gathering(bytes);
    Gathering grown = gathering_of(larger);
    for (const std::int64_t held : gathering.ids())
        grown.add(held);
    grown.add(id);
    return larger;
}

Datum add_id(const AggregateMemory& memory, bool is_null, Datum state, std::int64_t id) {
    ServerInterrupt interrupt;
    if (!is_null) {
        if (Builder* builder = Builder::of(state)) {
            builder->state().add(id, interrupt);
            return state;
        }
    }
    // A state may begin as a finished set.
    if (is_null || SetArgument(state).form() == Form::kGathering) {
        auto* small =
            is_null ? new_gathering(Gathering::kFirstBytes) : const_cast<struct varlena*>(detoasted(state));
        if (struct varlena* changed = add_small(small, id))
            return PointerGetDatum(changed);
    }
    Builder* builder = expand(memory, false, state);
    builder->state().add(id, interrupt);
    return builder->datum();
}

// The ids of a value that is small enough to be added one by one; nothing otherwise.
std::span<const std::int64_t> few_ids(const SetArgument& argument) {
    if (argument.form() == Form::kGathering)
        return argument.gathered();
    const SetView set = argument.view();
    if (argument.form() != Form::kFlat || set.dictionary() != 0 || set.cardinality() > 6)
        return {};
    return {reinterpret_cast<const std::int64_t*>(set.contents().data()),
            static_cast<std::size_t>(set.cardinality())};
}

bool is_small(bool is_null, Datum state) {
    return is_null || Builder::of(state) == nullptr;
}

// A union as a state: small while it can be.
Datum add_set_to_union(const AggregateMemory& memory, bool is_null, Datum state, const SetArgument& added) {
    if (is_small(is_null, state)) {
        const std::span<const std::int64_t> ids = few_ids(added);
        if (!ids.empty()) {
            for (const std::int64_t id : ids) {
                state = add_id(memory, is_null, state, id);
                is_null = false;
            }
            return state;
        }
    }
    Builder* builder = is_null ? nullptr : Builder::of(state);
    if (builder == nullptr)
        builder = expand(memory, is_null, state);
    ServerInterrupt interrupt;
    added.add_to(builder->state(), interrupt);
    return builder->datum();
}

// Makes the set of a state that is not NULL.
template <typename Use>
Datum with_union(Datum state, const Use& use) {
    ServerInterrupt interrupt;
    if (Builder* builder = Builder::of(state))
        return use(builder->state());
    auto memory = set_memory();
    SetBuilder builder(&memory);
    SetArgument(state).add_to(builder, interrupt);
    return use(builder);
}

// A fold's transition: the first set makes the state, NULLs are passed over.
template <typename State>
Datum add_set_to_fold(FunctionCallInfo fcinfo) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    ServerInterrupt interrupt;
    State* state = PG_ARGISNULL(0) ? nullptr : State::of(PG_GETARG_DATUM(0));
    if (state == nullptr) {
        state = State::create(memory);
        if (!PG_ARGISNULL(0))
            state->state().add(SetArgument(fcinfo, 0).view(), interrupt);
    }
    const SetArgument added(fcinfo, 1);
    if constexpr (std::is_same_v<State, Intersecting>) {
        const SetSummary summary = added.summary();
        if (state->state().empty() || state->state().misses(summary)) {
            state->state().add_disjoint(summary);
            return state->datum();
        }
    }
    state->state().add(added.view(), interrupt);
    return state->datum();
}

// The set of a fold's state, which is flat where another worker made it and nothing was added.
template <typename State>
Datum fold_final(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    if (State* state = State::of(PG_GETARG_DATUM(0)))
        PG_RETURN_POINTER(flat_copy(state->state()));
    PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

}  // namespace

// idset_transition(state, id) -> state
PGSEG_FUNCTION(pgseg_idset_transition) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    return add_id(memory, PG_ARGISNULL(0), PG_GETARG_DATUM(0), PG_GETARG_INT64(1));
}

// idset_union_transition(state, set) -> state; also the combine function of unions
PGSEG_FUNCTION(pgseg_idset_union_transition) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    return add_set_to_union(memory, PG_ARGISNULL(0), PG_GETARG_DATUM(0), SetArgument(fcinfo, 1));
}

PGSEG_FUNCTION(pgseg_idset_union_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return with_union(PG_GETARG_DATUM(0),
                      [](SetBuilder& builder) -> Datum { return PointerGetDatum(flat_copy(builder)); });
}

PGSEG_FUNCTION(pgseg_idset_union_cardinality_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_INT64(0);
    return with_union(PG_GETARG_DATUM(0), [](SetBuilder& builder) -> Datum {
        ServerInterrupt interrupt;
        PG_RETURN_INT64(builder.cardinality(interrupt));
    });
}

PGSEG_FUNCTION(pgseg_idset_intersection_transition) {
    return add_set_to_fold<Intersecting>(fcinfo);
}
PGSEG_FUNCTION(pgseg_idset_intersection_final) {
    return fold_final<Intersecting>(fcinfo);
}
PGSEG_FUNCTION(pgseg_idset_intersection_cardinality_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    ServerInterrupt interrupt;
    if (Intersecting* state = Intersecting::of(PG_GETARG_DATUM(0)))
        PG_RETURN_INT64(state->state().cardinality(interrupt));
    PG_RETURN_INT64(SetArgument(fcinfo, 0).summary().cardinality);
}

PGSEG_FUNCTION(pgseg_idset_difference_transition) {
    return add_set_to_fold<Differing>(fcinfo);
}
PGSEG_FUNCTION(pgseg_idset_difference_final) {
    return fold_final<Differing>(fcinfo);
}
