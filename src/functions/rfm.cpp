// segment.rfm_agg: what recency, frequency and monetary value are made of.
#include "core/rfm/facts.hpp"

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/calendar.hpp"
#include "backend/numeric.hpp"
#include "backend/result.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::rfm::AmountKind;
using core::rfm::FactsState;
using core::rfm::FactsView;

// A flat transition value. The node copies whatever new pointer we return and frees the old one, so new
// images come from the current, short-lived context, and only an image that stays is changed in place.
struct varlena* new_state(AmountKind kind) {
    struct varlena* value = new_varlena(FactsState::initial_size(kind));
    FactsState::initialise(image_of(value), kind);
    return value;
}

// Repeats the operation with more room until it has enough.
template <typename Operation>
struct varlena* change(struct varlena* value, Operation&& operation) {
    FactsState state(image_of(value));
    while (!operation(state)) {
        struct varlena* grown = new_varlena(state.grown_size());
        state.relocate(image_of(grown));
        value = grown;
    }
    return value;
}

struct varlena* state_argument(FunctionCallInfo fcinfo, int number) {
    return const_cast<struct varlena*>(detoasted(PG_GETARG_DATUM(number)));
}

TimestampTz order_time(FunctionCallInfo fcinfo) {
    const TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
    if (TIMESTAMP_NOT_FINITE(at))
        throw core::Error(core::Errc::kBadData,
                          core::format("order time is not finite: %s",
                                       TIMESTAMP_IS_NOBEGIN(at) ? "-infinity" : "infinity"));
    return at;
}

// One row into the state; a NULL time or amount is skipped and counted.
template <typename Amount>
Datum transition(FunctionCallInfo fcinfo, AmountKind kind, Amount amount) {
    const AggregateMemory memory(fcinfo);
    struct varlena* value = PG_ARGISNULL(0) ? new_state(kind) : state_argument(fcinfo, 0);
    if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) {
        FactsState(image_of(value)).skip();
        PG_RETURN_POINTER(value);
    }
    const TimestampTz at = order_time(fcinfo);
    const std::int32_t day = local_day(at);
    PG_RETURN_POINTER(amount([&](const auto& x) {
        return change(value, [&](FactsState& state) { return state.add(at, day, x); });
    }));
}

struct varlena* compact(const FactsView& view) {
    struct varlena* value = new_varlena(view.compact_size());
    view.compact_into(image_of(value));
    return value;
}

FactsView view_argument(FunctionCallInfo fcinfo, int number) {
    return FactsView(image_of(detoasted(PG_GETARG_DATUM(number))));
}

Datum decode(std::span<const std::byte> bytes) {
    core::Reader reader(bytes, "segment.rfm_state");
    struct varlena* value = new_varlena(FactsView::decoded_image_size(reader));
    FactsView::decode_into(reader, image_of(value));
    const core::rfm::Facts facts = FactsView(image_of(value)).facts();
    reader.require(
        facts.orders == 0 || (IS_VALID_TIMESTAMP(facts.first_at) && IS_VALID_TIMESTAMP(facts.last_at)),
        "time out of range");
    PG_RETURN_POINTER(value);
}

// The external form of a state as a bytea.
struct varlena* encode(const FactsView& view) {
    struct varlena* value = new_varlena(VARHDRSZ + view.encoded_size());
    core::Writer writer(image_of(value).subspan(VARHDRSZ));
    view.encode(writer);
    return value;
}

// Between any two times the server knows it fits; a state made by hand may say something else.
std::int32_t gap_in_days(std::int64_t gap) {
    if (gap > INT32_MAX)
        throw core::Error(core::Errc::kOutOfRange,
                          core::format("gap of %lld days is out of range", static_cast<long long>(gap)));
    return static_cast<std::int32_t>(gap);
}

}  // namespace

// rfm_transition(state, at, amount numeric) -> state
PGSEG_FUNCTION(pgseg_rfm_transition_numeric) {
    return transition(fcinfo, AmountKind::kNumeric, [&](auto add) {
        const DecimalArgument amount(PG_GETARG_DATUM(2));
        return add(amount.value());
    });
}

// rfm_transition(state, at, amount float8) -> state
PGSEG_FUNCTION(pgseg_rfm_transition_float8) {
    return transition(fcinfo, AmountKind::kFloat8, [&](auto add) { return add(PG_GETARG_FLOAT8(2)); });
}

// rfm_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_rfm_combine) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
        PG_RETURN_NULL();
    if (PG_ARGISNULL(1))
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    if (PG_ARGISNULL(0))
        PG_RETURN_POINTER(compact(view_argument(fcinfo, 1)));
    const FactsView other = view_argument(fcinfo, 1);
    PG_RETURN_POINTER(
        change(state_argument(fcinfo, 0), [&](FactsState& state) { return state.merge(other); }));
}

// rfm_state_final(state) -> state without slack
PGSEG_FUNCTION(pgseg_rfm_state_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    PG_RETURN_POINTER(compact(view_argument(fcinfo, 0)));
}

// rfm_final(state) -> rfm_facts. Also finalize(rfm_state).
PGSEG_FUNCTION(pgseg_rfm_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const FactsView view = view_argument(fcinfo, 0);
    const core::rfm::Facts facts = view.facts();
    Row<9> row;
    row.set(2, Int64GetDatum(facts.orders))
        .set(3, Int64GetDatum(facts.days))
        .set(7, Int64GetDatum(facts.skipped));
    if (facts.orders > 0) {
        const bool decimal = view.kind() == AmountKind::kNumeric;
        row.set(0, TimestampTzGetDatum(facts.first_at)).set(1, TimestampTzGetDatum(facts.last_at));
        row.set(
            4, decimal ? numeric_datum(view.revenue_decimal()) : numeric_datum(view.revenue_float().value()));
        row.set(5, decimal ? numeric_datum(view.refunds_decimal(), view.revenue_decimal().display_scale())
                           : numeric_datum(view.refunds_float().value()));
        if (const auto gap = facts.mean_gap_days())
            row.set(6, Float8GetDatum(*gap));
        if (const auto gap = facts.last_gap_days())
            row.set(8, Int32GetDatum(gap_in_days(*gap)));
    }
    return composite_result(fcinfo, row);
}

PGSEG_FUNCTION(pgseg_rfm_state_in) {
    return decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_rfm_state_out) {
    return bytes_to_text(body_of(encode(view_argument(fcinfo, 0))));
}

PGSEG_FUNCTION(pgseg_rfm_state_recv) {
    return decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_rfm_state_send) {
    PG_RETURN_POINTER(encode(view_argument(fcinfo, 0)));
}
