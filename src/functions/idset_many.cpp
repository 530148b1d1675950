// Aggregates over many sets: overlap, upset and flow give a segment.idset_collection, evaluate and
// at_least_agg one set of it. A collection is the state of all of them.
#include "functions/idset_many.hpp"

#include <algorithm>

#include "core/idset/at_least.hpp"

#include "backend/binary_type.hpp"

#include "functions/idset_arguments.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

using State = ExpandedState<ManySets>;

std::string_view text_argument(FunctionCallInfo fcinfo, int number) {
    const struct varlena* value = detoasted(PG_GETARG_DATUM(number));
    return {VARDATA(value), VARSIZE(value) - VARHDRSZ};
}

// The state as this node's own object: the first argument, or a new one with its sets.
State* own_state(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    if (State* state = State::of(PG_GETARG_DATUM(number)))
        return state;
    const CollectionView view = collection_argument(fcinfo, number);
    State* state = State::create(memory, view.terms());
    ServerInterrupt interrupt;
    state->state().merge(view, interrupt);
    return state;
}

// The state of the rows so far, which must have the same terms as this one; a new one for the first row.
State* state_of_row(FunctionCallInfo fcinfo, const CollectionTerms& terms) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(0))
        return State::create(memory, terms);
    State* state = own_state(fcinfo, memory, 0);
    require_same_terms(state->state().terms(), terms);
    return state;
}

Datum unchanged(FunctionCallInfo fcinfo) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

void add_set(State* state, std::uint32_t side, std::string_view name, FunctionCallInfo fcinfo, int members) {
    ServerInterrupt interrupt;
    state->state().add(side, name, SetArgument(fcinfo, members).view(), interrupt);
}

// Calls use(collection) with a finished state, in either of its forms.
template <typename Use>
Datum with_collection(FunctionCallInfo fcinfo, const Use& use) {
    if (State* state = State::of(PG_GETARG_DATUM(0))) {
        ServerInterrupt interrupt;
        state->state().finish(interrupt);
        return use(state->state());
    }
    return use(collection_argument(fcinfo, 0));
}

// A value that may be kept must also have a text form, or its table could not be dumped.
void check_printable(std::uint64_t size) {
    constexpr std::uint64_t kLargest = (MaxAllocSize - 8) / 2;
    if (size > kLargest)
        throw core::Error(core::Errc::kTooBig, "the collection of sets is too large to be a value",
                          core::format("It would take %llu MB, the limit is %llu MB.",
                                       static_cast<unsigned long long>(size >> 20),
                                       static_cast<unsigned long long>(kLargest >> 20)),
                          "Use fewer sets at a time, or a part of the ids, for example one bucket of a table "
                          "(segment, bucket, members).");
}

// The sets of the expression, in the order of its names; a name without a set is an error.
template <typename Source>
core::Vector<SetView> named_sets(const Source& source, const Expression& expression,
                                 core::MemoryResource* memory) {
    constexpr std::uint32_t kNone = ~std::uint32_t{0};
    core::Vector<std::uint32_t> numbers(expression.names(), kNone, core::Allocator<std::uint32_t>(memory));
    core::Vector<std::string_view> known(memory);
    for (std::uint32_t i = 0; i < source.count(); ++i) {
        known.push_back(source.name(i));
        if (const auto number = expression.find(source.name(i)); number && source.side(i) == 0)
            numbers[*number] = i;
    }
    std::sort(known.begin(), known.end());
    core::Vector<SetView> sets(memory);
    sets.reserve(numbers.size());
    for (std::size_t number = 0; number < numbers.size(); ++number) {
        if (numbers[number] == kNone)
            expression.fail_unknown(number, {known.data(), known.size()});
        sets.push_back(source.set(numbers[number]));
    }
    return sets;
}

template <typename Source>
Datum evaluate(const Source& source, const Expression& expression) {
    TemporaryContext work;
    ServerInterrupt interrupt;
    check_budget(expression.price());
    const core::Vector<SetView> sets = named_sets(source, expression, &work.resource());
    const std::span<const SetView> views(sets.data(), sets.size());
    SetWriter writer(&work.resource(), dictionary_of(views));
    expression.evaluate(views, writer, &work.resource(), interrupt);
    return set_datum(writer);
}

template <typename Source>
Datum find_at_least(const Source& source) {
    const CollectionTerms terms = source.terms();
    require_kind(terms, CollectionKind::kAtLeast);
    core::Bill bill = price_at_least(source.count());
    check_budget(bill.add(source.count(), sizeof(SetView)));
    TemporaryContext work;
    ServerInterrupt interrupt;
    core::Vector<SetView> sets(&work.resource());
    sets.reserve(source.count());
    for (std::uint32_t i = 0; i < source.count(); ++i)
        sets.push_back(source.set(i));
    const std::span<const SetView> views(sets.data(), sets.size());
    SetWriter writer(&work.resource(), dictionary_of(views));
    at_least(views, terms.k, writer, &work.resource(), interrupt);
    return set_datum(writer);
}

// Text that came from outside must be of the database's encoding.
void check_encoding(std::string_view outside) {
    const char* const letters = outside.data();
    const int size = static_cast<int>(outside.size());
    if (size != 0 && !call([letters, size]() noexcept { return pg_verifymbstr(letters, size, true); }))
        core::Reader({}, "segment.idset_collection").fail("a name is not valid in the database's encoding");
}

Datum checked_collection(std::span<const std::byte> body) {
    struct varlena* value = new_varlena(VARHDRSZ + body.size());
    if (!body.empty())
        memcpy(VARDATA(value), body.data(), body.size());
    TemporaryContext work(ContextResource::Limit::kNone);
    ServerInterrupt interrupt;
    CollectionView::validate(image_of(value), character_length, &work.resource(), interrupt);
    const CollectionView view(image_of(value));
    check_encoding(view.terms().text);
    for (std::uint32_t i = 0; i < view.count(); ++i)
        check_encoding(view.name(i));
    PG_RETURN_POINTER(value);
}

}  // namespace

int seg::functions::character_length(const char* letters) {
    return pg_encoding_mblen(GetDatabaseEncoding(), letters);
}

// idset_collection_transition(state, name, members) -> state
PGSEG_FUNCTION(pgseg_idset_collection_transition) {
    if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
        return unchanged(fcinfo);
    State* state = state_of_row(fcinfo, {CollectionKind::kNamed, {}, 0});
    add_set(state, 0, text_argument(fcinfo, 1), fcinfo, 2);
    PG_RETURN_DATUM(state->datum());
}

// idset_flow_transition(state, name_before, set_before, name_after, set_after) -> state
PGSEG_FUNCTION(pgseg_idset_flow_transition) {
    const bool before = !PG_ARGISNULL(1) && !PG_ARGISNULL(2);
    const bool after = !PG_ARGISNULL(3) && !PG_ARGISNULL(4);
    if (!before && !after)
        return unchanged(fcinfo);
    State* state = state_of_row(fcinfo, {CollectionKind::kFlow, {}, 0});
    if (before)
        add_set(state, 0, text_argument(fcinfo, 1), fcinfo, 2);
    if (after)
        add_set(state, 1, text_argument(fcinfo, 3), fcinfo, 4);
    PG_RETURN_DATUM(state->datum());
}

// idset_evaluate_transition(state, expression, name, members) -> state; sets that the expression does not
// name are not even fetched
PGSEG_FUNCTION(pgseg_idset_evaluate_transition) {
    if (PG_ARGISNULL(2) || PG_ARGISNULL(3))
        return unchanged(fcinfo);
    required(fcinfo, 1, "expression");
    State* state = state_of_row(fcinfo, {CollectionKind::kExpression, text_argument(fcinfo, 1), 0});
    const std::string_view name = text_argument(fcinfo, 2);
    if (state->state().expression().find(name))
        add_set(state, 0, name, fcinfo, 3);
    else
        state->state().mention(name);
    PG_RETURN_DATUM(state->datum());
}

// idset_at_least_transition(state, members, k) -> state
PGSEG_FUNCTION(pgseg_idset_at_least_transition) {
    if (PG_ARGISNULL(1))
        return unchanged(fcinfo);
    const std::int32_t k = DatumGetInt32(required(fcinfo, 2, "k"));
    if (k < 1)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("number of sets must be at least 1, not %d", k));
    State* state = state_of_row(fcinfo, {CollectionKind::kAtLeast, {}, k});
    add_set(state, 0, {}, fcinfo, 1);
    PG_RETURN_DATUM(state->datum());
}

// idset_collection_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_idset_collection_combine) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1))
        return unchanged(fcinfo);
    ServerInterrupt interrupt;
    State* other = State::of(PG_GETARG_DATUM(1));
    if (PG_ARGISNULL(0)) {
        if (other == nullptr)
            PG_RETURN_DATUM(own_state(fcinfo, memory, 1)->datum());
        State* state = State::create(memory, other->state().terms());
        state->state().merge(other->state(), interrupt);
        PG_RETURN_DATUM(state->datum());
    }
    State* state = own_state(fcinfo, memory, 0);
    if (other != nullptr)
        state->state().merge(other->state(), interrupt);
    else
        state->state().merge(collection_argument(fcinfo, 1), interrupt);
    PG_RETURN_DATUM(state->datum());
}

// idset_collection_final(state) -> collection, flat
PGSEG_FUNCTION(pgseg_idset_collection_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    State* state = State::of(PG_GETARG_DATUM(0));
    if (state == nullptr)
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    ServerInterrupt interrupt;
    check_printable(state->state().image_size(interrupt));
    PG_RETURN_POINTER(flat_copy(state->state()));
}

// idset_evaluate_final(state) -> idset
PGSEG_FUNCTION(pgseg_idset_evaluate_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return with_collection(fcinfo, [](const auto& source) {
        require_kind(source.terms(), CollectionKind::kExpression);
        if constexpr (std::is_same_v<decltype(source), const ManySets&>) {
            return evaluate(source, source.expression());
        } else {
            TemporaryContext work;
            ServerInterrupt interrupt;
            const Expression expression(source.terms().text, character_length, &work.resource(), interrupt);
            return evaluate(source, expression);
        }
    });
}

// idset_at_least_final(state) -> idset
PGSEG_FUNCTION(pgseg_idset_at_least_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return with_collection(fcinfo, [](const auto& source) { return find_at_least(source); });
}

PGSEG_FUNCTION(pgseg_idset_collection_in) {
    return checked_collection(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_idset_collection_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_idset_collection_recv) {
    return checked_collection(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_idset_collection_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
