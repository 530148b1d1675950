#include "functions/preparation_info.hpp"

#include <cmath>

#include "backend/result.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace seg::functions {
namespace {

using namespace seg::backend;
using core::preparation::Column;
using core::preparation::ColumnKind;
using core::preparation::NullTreatment;
using core::preparation::PreparationView;

constexpr int kColumns = 20;

Datum text_of(std::string_view text) {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

// The kept levels as a text[].
Datum levels_of(const PreparationView& preparation, const Column& column) {
    auto* texts = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(Max(column.levels, 1))));
    for (std::int32_t l = 0; l < column.levels; ++l)
        texts[l] = text_of(preparation.level(column.first_level + l).text);
    return PointerGetDatum(construct_array(texts, column.levels, TEXTOID, -1, false, TYPALIGN_INT));
}

// Local time; the columns whose values are instants have it in UTC.
bool timestamp_of(double days, Datum* value) {
    const double microseconds = std::round(days * static_cast<double>(USECS_PER_DAY));
    if (!(std::fabs(microseconds) < 9e18) || !IS_VALID_TIMESTAMP(static_cast<Timestamp>(microseconds)))
        return false;
    *value = TimestampGetDatum(static_cast<Timestamp>(microseconds));
    return true;
}

void fill_value(const Column& column, Datum* values, bool* nulls) {
    values[6] = text_of(name_of(column.transform));
    values[9] = text_of(name_of(column.scaling));
    values[10] = Float8GetDatum(column.shift);
    values[11] = Float8GetDatum(column.scale);
    for (int i : {6, 9, 10, 11})
        nulls[i] = false;
    if (column.winsorised) {
        values[7] = Float8GetDatum(column.lower);
        values[8] = Float8GetDatum(column.upper);
        nulls[7] = nulls[8] = false;
    }
    if (column.null <= NullTreatment::kZero) {
        values[13] = Float8GetDatum(column.fill);
        nulls[13] = false;
    }
    if (column.kind == ColumnKind::kAge)
        nulls[16] = !timestamp_of(column.as_of, &values[16]);
}

void fill(const PreparationView& preparation, const Column& column, std::string_view treatment, Datum* values,
          bool* nulls) {
    for (int i = 0; i < kColumns; ++i)
        nulls[i] = true;
    values[0] = text_of(column.name);
    values[1] = text_of(name_of(column.kind));
    values[2] = text_of(treatment);
    values[3] = text_of(column.reason);
    values[4] = Int32GetDatum(column.first_feature + 1);
    values[5] = Int32GetDatum(column.features);
    values[12] = text_of(name_of(column.null));
    values[14] = BoolGetDatum(column.indicator);
    values[15] = Float8GetDatum(column.constant ? 0 : column.weight);
    values[17] = Int64GetDatum(column.nulls);
    for (int i : {0, 1, 2, 3, 4, 5, 12, 14, 15, 17})
        nulls[i] = false;
    if (column.kind == ColumnKind::kCategory) {
        values[18] = levels_of(preparation, column);
        values[19] = Int64GetDatum(column.other_rows);
        nulls[18] = nulls[19] = false;
    } else {
        fill_value(column, values, nulls);
    }
}

}  // namespace

Datum prepare_info(FunctionCallInfo fcinfo, const PreparationView& preparation) {
    ResultSet result(fcinfo);
    TemporaryContext context;
    core::Vector<char> treatment(&context.resource());
    for (std::int32_t c = 0; c < preparation.column_count(); ++c) {
        const Column column = preparation.column(c);
        treatment.clear();
        append_treatment(column, treatment);
        const std::string_view words(treatment.data(), treatment.size());
        const PreparationView* source = &preparation;
        result.put<kColumns>([&column, source, words](Datum* values, bool* nulls) {
            fill(*source, column, words, values, nulls);
        });
    }
    PG_RETURN_NULL();
}

}  // namespace seg::functions
