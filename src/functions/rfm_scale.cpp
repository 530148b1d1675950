// segment.rfm_scale: the aggregate, its state, and scoring with the scale.
#include "core/rfm/scale.hpp"
#include "core/rfm/scale_state.hpp"

#include <charconv>
#include <cmath>

#include "backend/cached_value.hpp"
#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"
#include "backend/result.hpp"

#include "functions/rfm_scale_options.hpp"

extern "C" {
#include "utils/typcache.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using core::rfm::Measure;
using core::rfm::Measures;
using core::rfm::Scale;
using core::rfm::ScaleOptions;
using core::rfm::ScaleState;

// ---- the aggregate

using ScaleGathering = Gathering<ScaleState>;

constexpr int kOptionsArgument = 4;

ScaleOptions read_options(FunctionCallInfo fcinfo) {
    ScaleOptions options;
    if (ScaleGathering::has_options(fcinfo, kOptionsArgument))
        functions::read_scale_options(json_tokens(PG_GETARG_DATUM(kOptionsArgument)), options);
    return resolved(options);
}

struct varlena* value_of(const Scale& scale) {
    struct varlena* value = new_varlena(scale.image_size());
    scale.write_image(image_of(value));
    return value;
}

// The scale, or NULL when no row could be used.
Datum fit(FunctionCallInfo fcinfo, const ScaleState& state) {
    if (state.size() == 0)
        PG_RETURN_NULL();
    TemporaryContext context;
    ServerInterrupt interrupt;
    PG_RETURN_POINTER(
        value_of(fit_scale(state, state.options(), context.resource(), interrupt, state.skipped())));
}

// ---- the scale

Scale scale_argument(FunctionCallInfo fcinfo) {
    return Scale(image_of(detoasted(PG_GETARG_DATUM(0))));
}

Datum decode_scale(std::span<const std::byte> body) {
    Scale::validate(body);
    return bytes_to_message(body);
}

// A measure in scoring: NULL has no score, NaN and infinity are refused as in fitting.
bool is_given(FunctionCallInfo fcinfo, int number, const char* name) {
    if (PG_ARGISNULL(number))
        return false;
    const double value = PG_GETARG_FLOAT8(number);
    if (!std::isfinite(value))
        throw core::Error(core::Errc::kBadData,
                          core::format("%s is not a finite number: %s", name, core::nonfinite_name(value)));
    return true;
}

// A row of segment.rfm_scores. The place for cached things is taken by the scale, so the row type comes from
// the server's cache each time.
Datum scores_datum(FunctionCallInfo fcinfo, const Row<3>& row) {
    const Row<3>* source = &row;
    return call([fcinfo, source]() noexcept {
        Oid type = get_fn_expr_rettype(fcinfo->flinfo);
        if (!OidIsValid(type))
            type = get_func_rettype(fcinfo->flinfo->fn_oid);
        TupleDesc descriptor = lookup_rowtype_tupdesc(type, -1);
        if (descriptor->natts != 3)
            elog(ERROR, "return type does not match the function's implementation");
        const Datum result = HeapTupleGetDatum(heap_form_tuple(
            descriptor, const_cast<Datum*>(source->values.data()), const_cast<bool*>(source->nulls.data())));
        ReleaseTupleDesc(descriptor);
        return result;
    });
}

// ---- explaining a scale

// The values of a measure that have one score; a side without a bound is open.
struct Range {
    bool has_lower, has_upper;
    double lower, upper;
    bool lower_inclusive, upper_inclusive;
};

Range range_of(const Scale& scale, Measure measure, int r, int f, int score) {
    const std::span<const double> cuts = scale.cuts(measure, r, f);
    const bool inclusive = scale.inclusive(measure);
    const auto cut = [&](int k) { return k >= 1 && k < scale.bins(measure) ? cuts[k - 1] : 0.0; };
    const bool has_worse = score > 1;
    const bool has_better = score < scale.bins(measure);
    if (measure == Measure::kRecency)
        return {has_better, has_worse, cut(score), cut(score - 1), !inclusive, inclusive};
    return {has_worse, has_better, cut(score - 1), cut(score), inclusive, !inclusive};
}

constexpr const char* kArgumentNames[] = {"recency_days", "frequency", "monetary"};

// "frequency > 2 AND frequency <= 5"
void write_condition(const char* name, const Range& range, char (&text)[160]) {
    char lower[32] = "";
    char upper[32] = "";
    *std::to_chars(lower, lower + sizeof lower - 1, range.lower).ptr = '\0';
    *std::to_chars(upper, upper + sizeof upper - 1, range.upper).ptr = '\0';
    const char* above = range.lower_inclusive ? ">=" : ">";
    const char* below = range.upper_inclusive ? "<=" : "<";
    if (range.has_lower && range.has_upper)
        snprintf(text, sizeof text, "%s %s %s AND %s %s %s", name, above, lower, name, below, upper);
    else if (range.has_lower)
        snprintf(text, sizeof text, "%s %s %s", name, above, lower);
    else
        snprintf(text, sizeof text, "%s %s %s", name, below, upper);
}

void put_threshold(ResultSet& result, const Scale& scale, Measure measure, int r, int f, int score) {
    const Range range = range_of(scale, measure, r, f, score);
    const char* name = kArgumentNames[index_of(measure)];
    char condition[160];
    write_condition(name, range, condition);
    const char* text = condition;
    const bool has_r = scale.nested() && measure != Measure::kRecency;
    const bool has_f = scale.nested() && measure == Measure::kMonetary;
    result.put<9>([=](Datum* values, bool* nulls) {
        values[0] = CStringGetTextDatum(name);
        values[1] = Int32GetDatum(r);
        nulls[1] = !has_r;
        values[2] = Int32GetDatum(f);
        nulls[2] = !has_f;
        values[3] = Int32GetDatum(score);
        values[4] = Float8GetDatum(range.lower);
        values[5] = BoolGetDatum(range.lower_inclusive);
        nulls[4] = nulls[5] = !range.has_lower;
        values[6] = Float8GetDatum(range.upper);
        values[7] = BoolGetDatum(range.upper_inclusive);
        nulls[6] = nulls[7] = !range.has_upper;
        values[8] = CStringGetTextDatum(text);
    });
}

}  // namespace

// rfm_scale_transition(state, recency_days, frequency, monetary [, options]) -> state
PGSEG_FUNCTION(pgseg_rfm_scale_transition) {
    const AggregateMemory memory(fcinfo);
    auto* state = ScaleGathering::state_of_row(
        fcinfo, memory, kOptionsArgument, [&] { return read_options(fcinfo); },
        [](const ScaleState&) { return true; },
        [](const ScaleState&) {
            throw core::Error(core::Errc::kInvalidArgument,
                              "options of a scale must be the same in every row");
        });
    if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
        state->state().skip();
    else
        state->state().add({PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2), PG_GETARG_FLOAT8(3)});
    PG_RETURN_DATUM(state->datum());
}

// rfm_scale_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_rfm_scale_combine) {
    return ScaleGathering::combine(fcinfo);
}

// rfm_scale_final(state) -> rfm_scale; the state is only read. Also finalize(rfm_scale_state).
PGSEG_FUNCTION(pgseg_rfm_scale_final) {
    return ScaleGathering::final(fcinfo, fit);
}

// rfm_scale_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_rfm_scale_state_final) {
    return ScaleGathering::state_final(fcinfo);
}

PGSEG_FUNCTION(pgseg_rfm_scale_state_in) {
    return ScaleGathering::decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_rfm_scale_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_rfm_scale_state_recv) {
    return ScaleGathering::decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_rfm_scale_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_rfm_scale_in) {
    return decode_scale(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_rfm_scale_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_rfm_scale_recv) {
    return decode_scale(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_rfm_scale_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

// rfm_score(scale, recency_days, frequency, monetary) -> rfm_scores; a score that cannot be told is NULL
PGSEG_FUNCTION(pgseg_rfm_score) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const Scale& scale = CachedValue<Scale>::get(fcinfo, 0);
    const bool has_r = is_given(fcinfo, 1, "recency");
    const bool has_f = is_given(fcinfo, 2, "frequency") && (has_r || !scale.nested());
    const bool has_m = is_given(fcinfo, 3, "monetary") && (has_f || !scale.nested());
    const int r = has_r ? scale.recency_score(PG_GETARG_FLOAT8(1)) : 1;
    const int f = has_f ? scale.frequency_score(PG_GETARG_FLOAT8(2), r) : 1;
    Row<3> row;
    if (has_r)
        row.set(0, Int32GetDatum(r));
    if (has_f)
        row.set(1, Int32GetDatum(f));
    if (has_m)
        row.set(2, Int32GetDatum(scale.monetary_score(PG_GETARG_FLOAT8(3), r, f)));
    return scores_datum(fcinfo, row);
}

// rfm_thresholds(scale) -> one row a measure, cell and score
PGSEG_FUNCTION(pgseg_rfm_thresholds) {
    const Scale scale = scale_argument(fcinfo);
    ResultSet result(fcinfo);
    for (Measure measure : core::rfm::kEveryMeasure) {
        const int r_cells =
            scale.nested() && measure != Measure::kRecency ? scale.bins(Measure::kRecency) : 1;
        const int f_cells =
            scale.nested() && measure == Measure::kMonetary ? scale.bins(Measure::kFrequency) : 1;
        for (int r = 1; r <= r_cells; ++r)
            for (int f = 1; f <= f_cells; ++f)
                for (int score = 1; score <= scale.bins(measure); ++score)
                    put_threshold(result, scale, measure, r, f, score);
    }
    PG_RETURN_NULL();
}

// scale_info(scale) -> one row
PGSEG_FUNCTION(pgseg_scale_info) {
    const Scale scale = scale_argument(fcinfo);
    Row<6> row;
    row.set(0, text_datum(name_of(scale.method())))
        .set(1, Int32GetDatum(scale.bins(Measure::kRecency)))
        .set(2, Int32GetDatum(scale.bins(Measure::kFrequency)))
        .set(3, Int32GetDatum(scale.bins(Measure::kMonetary)))
        .set(4, Int64GetDatum(scale.customers()))
        .set(5, Int64GetDatum(scale.skipped()));
    return composite_result(fcinfo, row);
}
