// What a preparation does, as JSON and in words.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "core/preparation/preparation.hpp"

namespace seg::core::preparation {
namespace {

template <typename Enum, std::size_t N>
Enum named(std::string_view name, const char* what, const char* const (&names)[N]) {
    std::string valid;
    for (std::size_t i = 0; i < N; ++i) {
        if (name == names[i])
            return static_cast<Enum>(i);
        valid += std::string(i == 0 ? "\"" : i + 1 == N ? " and \"" : ", \"") + names[i] + "\"";
    }
    throw Error(Errc::kInvalidArgument,
                format("unrecognized value for \"%s\": \"%.*s\"", what,
                       static_cast<int>(name.size() < 64 ? name.size() : 64), name.data()),
                {}, "Valid values are " + valid + ".");
}

constexpr const char* kKinds[] = {"numeric", "age", "boolean", "category"};
constexpr const char* kTransforms[] = {"none", "log1p"};
constexpr const char* kScalings[] = {"none", "zscore", "robust", "minmax"};
constexpr const char* kNullTreatments[] = {"mean", "median", "zero", "skip", "error", "level"};

void append(Vector<char>& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
}

// Six significant digits are enough for words.
void append_number(Vector<char>& out, double value) {
    char text[32];
    append(out, {text, static_cast<std::size_t>(std::snprintf(text, sizeof text, "%.6g", value))});
}

void append_level(JsonWriter& json, const Level& level) {
    json.begin_object();
    json.key("level").quoted(level.text);
    json.key("rows").number(level.rows);
    json.end_object();
}

void append_category(const PreparationView& preparation, const Column& column, JsonWriter& json) {
    json.key("null_level").boolean(column.null_level);
    json.key("other").boolean(column.other);
    json.key("levels").begin_array();
    for (std::int32_t l = 0; l < column.levels; ++l)
        append_level(json, preparation.level(column.first_level + l));
    json.end_array();
}

void append_value(const Column& column, JsonWriter& json) {
    json.key("fill").number(column.fill);
    json.key("indicator").boolean(column.indicator);
    if (column.kind == ColumnKind::kAge)
        json.key("as_of").number(column.as_of);
    json.key("transform").string(name_of(column.transform));
    if (column.winsorised)
        json.key("winsorise").numbers(std::to_array({column.lower, column.upper}));
    json.key("scaling").string(name_of(column.scaling));
    json.key("shift").number(column.shift);
    json.key("scale").number(column.scale);
}

void append_column(const PreparationView& preparation, const Column& column, JsonWriter& json) {
    json.begin_object();
    json.key("name").quoted(column.name);
    json.key("kind").string(name_of(column.kind));
    json.key("reason").quoted(column.reason);
    json.key("weight").number(column.weight);
    json.key("constant").boolean(column.constant);
    json.key("null").string(name_of(column.null));
    json.key("nulls").number(column.nulls);
    if (column.kind == ColumnKind::kCategory)
        append_category(preparation, column, json);
    else
        append_value(column, json);
    json.end_object();
}

// The day, and the time of day where there is one, of so many days since 2000-01-01.
void append_day(Vector<char>& out, double days) {
    constexpr double kFarthest = 1e8;
    if (!(std::fabs(days) < kFarthest)) {
        append_number(out, days);
        append(out, " days after 2000-01-01");
        return;
    }
    const double whole = std::floor(days);
    // Eras of 400 years that begin in March, so that a leap day is the last of its year.
    const auto from_march = static_cast<std::int64_t>(whole) + 730'425;
    const std::int64_t era = (from_march >= 0 ? from_march : from_march - 146'096) / 146'097;
    const std::int64_t day_of_era = from_march - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month = (5 * day_of_year + 2) / 153;
    const std::int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    const std::int64_t year = era * 400 + year_of_era + (month >= 10 ? 1 : 0);
    append(out,
           format("%04lld-%02lld-%02lld", static_cast<long long>(year),
                  static_cast<long long>(month < 10 ? month + 3 : month - 9), static_cast<long long>(day)));
    const std::int64_t seconds = std::min<std::int64_t>(std::llround((days - whole) * 86'400), 86'399);
    if (seconds != 0)
        append(out, format(" %02lld:%02lld:%02lld", static_cast<long long>(seconds / 3600),
                           static_cast<long long>(seconds / 60 % 60), static_cast<long long>(seconds % 60)));
}

void append_null(const Column& column, Vector<char>& out) {
    switch (column.null) {
        case NullTreatment::kSkip:
            append(out, "; rows with NULL are skipped");
            return;
        case NullTreatment::kError:
            append(out, "; NULL is an error");
            return;
        case NullTreatment::kLevel:
            if (!column.null_level)
                append(out, "; NULL counts as other");
            return;
        default:
            break;
    }
    append(out, "; NULL counts as ");
    if (column.null != NullTreatment::kZero)
        append(out, column.null == NullTreatment::kMean ? "the mean " : "the median ");
    append_number(out, column.fill);
    if (column.indicator)
        append(out, ", with an indicator");
}

void append_levels(const Column& column, Vector<char>& out) {
    append(out, column.levels == 1 ? std::string("one feature for its level")
                                   : format("one feature for each of %d levels", column.levels));
    if (column.other)
        append(out, column.null_level ? ", for other" : " and for other");
    if (column.null_level)
        append(out, " and for NULL");
}

void append_scaling(const Column& column, Vector<char>& out) {
    switch (column.scaling) {
        case Scaling::kZscore:
            append(out, "less the mean, over the standard deviation");
            break;
        case Scaling::kRobust:
            append(out, "less the median, over the interquartile range");
            break;
        case Scaling::kMinmax:
            append(out, "from least to greatest as 0 to 1");
            break;
        case Scaling::kNone:
            append(out, "not scaled");
            break;
    }
}

}  // namespace

const char* name_of(ColumnKind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}
const char* name_of(Transform transform) {
    return kTransforms[static_cast<std::size_t>(transform)];
}
const char* name_of(Scaling scaling) {
    return kScalings[static_cast<std::size_t>(scaling)];
}
const char* name_of(NullTreatment treatment) {
    return kNullTreatments[static_cast<std::size_t>(treatment)];
}

ColumnKind column_kind_named(std::string_view name) {
    return named<ColumnKind>(name, "kind", kKinds);
}
Transform transform_named(std::string_view name) {
    return named<Transform>(name, "transform", kTransforms);
}
Scaling scaling_named(std::string_view name) {
    return named<Scaling>(name, "scale", kScalings);
}
NullTreatment null_treatment_named(std::string_view name) {
    return named<NullTreatment>(name, "null", kNullTreatments);
}

void append_json(const PreparationView& preparation, JsonWriter& json) {
    json.begin_object();
    json.key("rows").number(preparation.rows());
    json.key("columns").begin_array();
    for (std::int32_t c = 0; c < preparation.column_count(); ++c)
        append_column(preparation, preparation.column(c), json);
    json.end_array();
    json.end_object();
}

void append_treatment(const Column& column, Vector<char>& out) {
    if (column.kind == ColumnKind::kCategory) {
        append_levels(column, out);
    } else if (column.kind == ColumnKind::kBoolean) {
        append(out, "0 or 1");
    } else {
        if (column.kind == ColumnKind::kAge) {
            append(out, "days before ");
            append_day(out, column.as_of);
            append(out, ", ");
        }
        if (column.winsorised) {
            append(out, "limited to ");
            append_number(out, column.lower);
            append(out, " to ");
            append_number(out, column.upper);
            append(out, ", ");
        }
        if (column.transform == Transform::kLog1p)
            append(out, "logarithm of 1 + value, ");
        append_scaling(column, out);
    }
    append_null(column, out);
    if (column.constant)
        append(out, "; constant, so always 0");
    else if (column.weight != 1) {
        append(out, "; weight ");
        append_number(out, column.weight);
    }
}

}  // namespace seg::core::preparation
