// segment.lifecycle and segment.gap_counts.
#include "core/lifecycle/gap_counts.hpp"
#include "core/lifecycle/stage.hpp"
#include "core/rfm/facts.hpp"

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/calendar.hpp"
#include "backend/interrupt.hpp"
#include "backend/result.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::lifecycle::GapCounts;
using State = ExpandedState<GapCounts>;

// ---- stages

std::string_view text_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    const auto* value =
        reinterpret_cast<const struct varlena*>(DatumGetPointer(required(fcinfo, number, name)));
    if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value))
        value = detoasted(PG_GETARG_DATUM(number));
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

double limit_in_days(FunctionCallInfo fcinfo, int number, const char* name, const core::lifecycle::Rule& rule,
                     double usual) {
    if (!PG_ARGISNULL(number))
        return PG_GETARG_INT32(number);
    if (rule.preset == core::lifecycle::Preset::kGaps)
        throw core::Error(core::Errc::kInvalidArgument, core::format("preset \"gaps\" needs \"%s\"", name),
                          {}, "segment.lifecycle_limits computes it from segment.gap_counts.");
    return usual;
}

core::lifecycle::Rule rule_arguments(FunctionCallInfo fcinfo) {
    core::lifecycle::Rule rule;
    rule.preset = core::lifecycle::preset_named(text_argument(fcinfo, 4, "preset"));
    rule.days.active = limit_in_days(fcinfo, 5, "active_days", rule, rule.days.active);
    rule.days.inactive = limit_in_days(fcinfo, 6, "inactive_days", rule, rule.days.inactive);
    if (!PG_ARGISNULL(9))
        rule.gaps.active = PG_GETARG_FLOAT8(9);
    if (!PG_ARGISNULL(10))
        rule.gaps.inactive = PG_GETARG_FLOAT8(10);
    rule.validate();
    return rule;
}

// A day of the session's calendar; an infinite time is an error of the given kind.
std::int64_t day_of(TimestampTz at, const char* name, core::Errc code) {
    if (TIMESTAMP_NOT_FINITE(at))
        throw core::Error(code, core::format("\"%s\" must be finite", name));
    return local_day(at);
}

core::lifecycle::Stage stage_of_arguments(FunctionCallInfo fcinfo) {
    const core::lifecycle::Rule rule = rule_arguments(fcinfo);
    const std::int64_t today =
        day_of(DatumGetTimestampTz(required(fcinfo, 3, "as_of")), "as_of", core::Errc::kInvalidArgument);
    if (PG_ARGISNULL(1) && (PG_ARGISNULL(2) || PG_GETARG_INT64(2) == 0))
        return core::lifecycle::Stage::kProspect;
    const std::int64_t last =
        day_of(DatumGetTimestampTz(required(fcinfo, 1, "last_at")), "last_at", core::Errc::kBadData);
    core::lifecycle::History history{.orders = DatumGetInt64(required(fcinfo, 2, "orders")),
                                     .recency = today - last,
                                     .last_gap = {},
                                     .mean_gap = {},
                                     .span = {}};
    if (!PG_ARGISNULL(0)) {
        const std::int64_t first = day_of(PG_GETARG_TIMESTAMPTZ(0), "first_at", core::Errc::kBadData);
        if (PG_GETARG_TIMESTAMPTZ(0) > PG_GETARG_TIMESTAMPTZ(1))
            throw core::Error(core::Errc::kInvalidArgument, "first order is after the last one");
        if (first > today)
            return core::lifecycle::Stage::kProspect;
        history.span = last - first;
    }
    if (!PG_ARGISNULL(7))
        history.last_gap = PG_GETARG_INT32(7);
    if (!PG_ARGISNULL(8))
        history.mean_gap = PG_GETARG_FLOAT8(8);
    return core::lifecycle::stage_of(rule, history);
}

// ---- counts of gaps

State* own_state(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    if (State* state = State::of(PG_GETARG_DATUM(number)))
        return state;
    ServerInterrupt interrupt;
    State* state = State::create(memory);
    state->state().merge_body(body_of(detoasted(PG_GETARG_DATUM(number))), interrupt);
    return state;
}

State* state_or_new(FunctionCallInfo fcinfo, const AggregateMemory& memory) {
    return PG_ARGISNULL(0) ? State::create(memory) : own_state(fcinfo, memory, 0);
}

// Calls read(counts) with the counts of an argument, whichever form it has.
template <typename Read>
auto with_counts(FunctionCallInfo fcinfo, const Read& read) {
    if (State* state = State::of(PG_GETARG_DATUM(0)))
        return read(state->state());
    TemporaryContext memory;
    ServerInterrupt interrupt;
    GapCounts counts(&memory.resource());
    counts.merge_body(body_of(detoasted(PG_GETARG_DATUM(0))), interrupt);
    return read(counts);
}

Datum checked(std::span<const std::byte> body) {
    TemporaryContext memory(ContextResource::Limit::kNone);
    ServerInterrupt interrupt;
    GapCounts(&memory.resource()).merge_body(body, interrupt);
    return bytes_to_message(body);
}

}  // namespace

// lifecycle(first_at, last_at, orders, as_of, preset, active_days, inactive_days, last_gap, mean_gap,
// active_gaps, inactive_gaps) -> text
PGSEG_FUNCTION(pgseg_lifecycle) {
    const std::string_view name = core::lifecycle::name_of(stage_of_arguments(fcinfo));
    const char* letters = name.data();
    const auto length = static_cast<int>(name.size());
    return call(
        [letters, length]() noexcept { return PointerGetDatum(cstring_to_text_with_len(letters, length)); });
}

// gap_counts_transition(counts, rfm_state) -> counts
PGSEG_FUNCTION(pgseg_gap_counts_transition_state) {
    const AggregateMemory memory(fcinfo);
    State* state = state_or_new(fcinfo, memory);
    if (!PG_ARGISNULL(1)) {
        ServerInterrupt interrupt;
        const core::rfm::FactsView facts(image_of(detoasted(PG_GETARG_DATUM(1))));
        state->state().add_gaps_of(facts.days(), interrupt);
    }
    PG_RETURN_DATUM(state->datum());
}

// gap_counts_transition(counts, gap_days integer) -> counts
PGSEG_FUNCTION(pgseg_gap_counts_transition_days) {
    const AggregateMemory memory(fcinfo);
    State* state = state_or_new(fcinfo, memory);
    if (!PG_ARGISNULL(1))
        state->state().add(PG_GETARG_INT32(1));
    PG_RETURN_DATUM(state->datum());
}

// gap_counts_combine(counts, counts) -> counts; the second one is only read
PGSEG_FUNCTION(pgseg_gap_counts_combine) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
        PG_RETURN_NULL();
    State* state = state_or_new(fcinfo, memory);
    if (PG_ARGISNULL(1))
        PG_RETURN_DATUM(state->datum());
    ServerInterrupt interrupt;
    if (State* other = State::of(PG_GETARG_DATUM(1)))
        state->state().merge(other->state(), interrupt);
    else
        state->state().merge_body(body_of(detoasted(PG_GETARG_DATUM(1))), interrupt);
    PG_RETURN_DATUM(state->datum());
}

// gap_counts_final(counts) -> counts, flat
PGSEG_FUNCTION(pgseg_gap_counts_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    if (State* state = State::of(PG_GETARG_DATUM(0)))
        PG_RETURN_POINTER(flat_copy(state->state()));
    PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

// gap_percentile(counts, percentile) -> integer
PGSEG_FUNCTION(pgseg_gap_percentile) {
    const double percentile = PG_GETARG_FLOAT8(1);
    const auto found =
        with_counts(fcinfo, [percentile](const GapCounts& counts) { return counts.percentile(percentile); });
    if (!found)
        PG_RETURN_NULL();
    PG_RETURN_INT32(*found);
}

// gap_total(counts) -> bigint
PGSEG_FUNCTION(pgseg_gap_total) {
    PG_RETURN_INT64(with_counts(fcinfo, [](const GapCounts& counts) { return counts.total(); }));
}

// gaps(counts) -> (gap_days, gaps)
PGSEG_FUNCTION(pgseg_gaps) {
    ResultSet result(fcinfo);
    with_counts(fcinfo, [&result](const GapCounts& counts) {
        counts.for_each([&result](const GapCounts::Entry& entry) {
            result.put<2>([&entry](Datum* values, bool*) noexcept {
                values[0] = Int32GetDatum(entry.days);
                values[1] = Int64GetDatum(entry.count);
            });
            return true;
        });
    });
    PG_RETURN_NULL();
}

PGSEG_FUNCTION(pgseg_gap_counts_in) {
    return checked(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_gap_counts_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_gap_counts_recv) {
    return checked(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_gap_counts_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
