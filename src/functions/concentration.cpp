// segment.gini, segment.top_share and the values behind them, segment.value_pool.
#include "core/concentration/value_pool.hpp"

#include "backend/binary_type.hpp"
#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::concentration::ValuePool;
using State = ExpandedState<ValuePool>;

State* own_state(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    if (State* state = State::of(PG_GETARG_DATUM(number)))
        return state;
    const std::span<const std::byte> body = body_of(detoasted(PG_GETARG_DATUM(number)));
    ServerInterrupt interrupt;
    State* state = State::create(memory, ValuePool::read_fraction(body, interrupt));
    state->state().merge_body(body, interrupt);
    return state;
}

State* own_copy(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    State* other = State::of(PG_GETARG_DATUM(number));
    if (other == nullptr)
        return own_state(fcinfo, memory, number);
    State* state = State::create(memory, other->state().fraction());
    state->state().merge(other->state());
    return state;
}

// One row into the state; a NULL value is left out.
Datum transition(FunctionCallInfo fcinfo, const std::optional<double>& fraction) {
    const AggregateMemory memory(fcinfo);
    State* state = PG_ARGISNULL(0) ? State::create(memory, fraction) : own_state(fcinfo, memory, 0);
    state->state().require_fraction(fraction);
    if (!PG_ARGISNULL(1))
        state->state().add(PG_GETARG_FLOAT8(1));
    PG_RETURN_DATUM(state->datum());
}

// Calls read(pool) with the values of the first argument, sorted. Sorting changes the order of a state and
// nothing else, so it may be gone on with.
template <typename Read>
Datum with_sorted(FunctionCallInfo fcinfo, const Read& read) {
    ServerInterrupt interrupt;
    if (State* state = State::of(PG_GETARG_DATUM(0))) {
        state->state().sort(interrupt);
        return read(state->state());
    }
    const std::span<const std::byte> body = body_of(detoasted(PG_GETARG_DATUM(0)));
    TemporaryContext memory;
    ValuePool pool(&memory.resource(), ValuePool::read_fraction(body, interrupt));
    pool.merge_body(body, interrupt);
    pool.sort(interrupt);
    return read(pool);
}

Datum share_datum(FunctionCallInfo fcinfo, const std::optional<double>& share) {
    if (!share)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(*share);
}

Datum checked(std::span<const std::byte> body) {
    ServerInterrupt interrupt;
    ValuePool::read_fraction(body, interrupt);
    return bytes_to_message(body);
}

}  // namespace

// value_pool_transition(pool, value) -> pool
PGSEG_FUNCTION(pgseg_value_pool_transition) {
    return transition(fcinfo, std::nullopt);
}

// value_pool_transition(pool, value, fraction) -> pool
PGSEG_FUNCTION(pgseg_value_pool_transition_fraction) {
    return transition(fcinfo, DatumGetFloat8(required(fcinfo, 2, "fraction")));
}

// value_pool_combine(pool, pool) -> pool; the second one is only read
PGSEG_FUNCTION(pgseg_value_pool_combine) {
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
        state->state().merge(other->state());
    else
        state->state().merge_body(body_of(detoasted(PG_GETARG_DATUM(1))), interrupt);
    PG_RETURN_DATUM(state->datum());
}

// value_pool_final(pool) -> pool, flat and sorted
PGSEG_FUNCTION(pgseg_value_pool_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return with_sorted(fcinfo, [](ValuePool& pool) {
        check_printable(pool.image_size());
        return PointerGetDatum(flat_copy(pool));
    });
}

// gini(pool) -> double precision
PGSEG_FUNCTION(pgseg_gini) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return with_sorted(fcinfo, [fcinfo](const ValuePool& pool) {
        ServerInterrupt interrupt;
        return share_datum(fcinfo, pool.gini(interrupt));
    });
}

// top_share_final(pool) -> double precision, of the fraction that the rows gave
PGSEG_FUNCTION(pgseg_top_share_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    return with_sorted(fcinfo, [fcinfo](const ValuePool& pool) {
        ServerInterrupt interrupt;
        if (!pool.fraction())
            return share_datum(fcinfo, std::nullopt);
        return share_datum(fcinfo, pool.top_share(*pool.fraction(), interrupt));
    });
}

// top_share(pool, fraction) -> double precision
PGSEG_FUNCTION(pgseg_top_share) {
    const double fraction = PG_GETARG_FLOAT8(1);
    return with_sorted(fcinfo, [fcinfo, fraction](const ValuePool& pool) {
        ServerInterrupt interrupt;
        return share_datum(fcinfo, pool.top_share(fraction, interrupt));
    });
}

// top_count(fraction, size) -> bigint
PGSEG_FUNCTION(pgseg_top_count) {
    const double fraction = PG_GETARG_FLOAT8(0);
    ValuePool::check_fraction(fraction);
    const std::int64_t size = PG_GETARG_INT64(1);
    if (size < 0)
        throw core::Error(
            core::Errc::kInvalidArgument,
            core::format("\"customers\" must not be negative: %lld", static_cast<long long>(size)));
    PG_RETURN_INT64(static_cast<std::int64_t>(ValuePool::count_of(fraction, static_cast<std::size_t>(size))));
}

PGSEG_FUNCTION(pgseg_value_pool_in) {
    return checked(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_value_pool_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_value_pool_recv) {
    return checked(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_value_pool_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
