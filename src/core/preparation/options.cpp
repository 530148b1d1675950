#include "core/preparation/options.hpp"

#include <algorithm>
#include <cmath>

namespace seg::core::preparation {
namespace {

constexpr double kLargestWeight = 1e6;

// A byte: 0 for not set, otherwise one more than the value.
template <typename Enum>
void put_choice(Writer& writer, const std::optional<Enum>& choice) {
    writer.put(static_cast<std::uint8_t>(choice ? 1 + static_cast<int>(*choice) : 0));
}

template <typename Enum>
void get_choice(Reader& reader, Enum greatest, std::optional<Enum>& choice) {
    const auto byte = reader.get<std::uint8_t>();
    reader.require(byte <= 1 + static_cast<int>(greatest), "unknown choice among the options");
    if (byte != 0)
        choice = static_cast<Enum>(byte - 1);
}

template <typename Number>
void put_number(Writer& writer, const std::optional<Number>& number) {
    writer.put(static_cast<std::uint8_t>(number ? 1 : 0));
    writer.put(number.value_or(Number{}));
}

template <typename Number>
void get_number(Reader& reader, std::optional<Number>& number) {
    const auto set = reader.get<std::uint8_t>();
    const auto value = reader.get<Number>();
    reader.require(set <= 1, "unknown choice among the options");
    if (set != 0)
        number = value;
    else
        reader.require(value == Number{}, "unused option is set");
}

void put_rules(Writer& writer, const Rules& rules) {
    put_choice(writer, rules.type);
    put_choice(writer, rules.transform);
    put_choice(writer, rules.scaling);
    put_choice(writer, rules.null);
    put_choice(writer, rules.indicator);
    std::optional<double> lower, upper;
    if (rules.winsorise) {
        lower = rules.winsorise->lower;
        upper = rules.winsorise->upper;
    }
    put_number(writer, lower);
    put_number(writer, upper);
    put_number(writer, rules.max_levels);
    put_number(writer, rules.min_share);
    put_number(writer, rules.weight);
}
constexpr std::size_t kRulesSize = 5 + 4 * 9 + 5;

Rules get_rules(Reader& reader) {
    Rules rules;
    get_choice(reader, ColumnType::kIgnore, rules.type);
    get_choice(reader, Transform::kLog1p, rules.transform);
    get_choice(reader, Scaling::kMinmax, rules.scaling);
    get_choice(reader, NullTreatment::kLevel, rules.null);
    get_choice(reader, true, rules.indicator);
    std::optional<double> lower, upper;
    get_number(reader, lower);
    get_number(reader, upper);
    reader.require(lower.has_value() == upper.has_value(), "one quantile without the other");
    if (lower)
        rules.winsorise = {*lower, *upper};
    get_number(reader, rules.max_levels);
    get_number(reader, rules.min_share);
    get_number(reader, rules.weight);
    try {
        validate(rules);
    } catch (const Error& error) {
        reader.fail(error.what());
    }
    return rules;
}

void read_general(Reader& reader, std::optional<double>& as_of, std::optional<double>& as_of_instant,
                  Rules& defaults) {
    get_number(reader, as_of);
    get_number(reader, as_of_instant);
    reader.require(as_of.has_value() == as_of_instant.has_value(), "half of as_of");
    reader.require(std::fabs(as_of.value_or(0)) <= kLargestValue &&
                       std::fabs(as_of_instant.value_or(0)) <= kLargestValue,
                   "as_of out of range");
    defaults = get_rules(reader);
}

template <typename Take>
void read_columns(Reader& reader, const Take& take) {
    const auto count = reader.get<std::uint32_t>();
    std::string_view before;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto size = reader.get<std::uint32_t>();
        reader.require(size >= 1 && size <= kMaxNameSize, "column name of a wrong length");
        const std::span<const std::byte> name = reader.take(size);
        const std::string_view view(reinterpret_cast<const char*>(name.data()), name.size());
        reader.require(i == 0 || before < view, "columns out of order");
        before = view;
        take(NamedRules{view, get_rules(reader)});
    }
    reader.expect_end();
}

template <typename Value>
void prefer(std::optional<Value>& own, const std::optional<Value>& general) {
    if (!own)
        own = general;
}

}  // namespace

ColumnType column_type_named(std::string_view name) {
    if (name == "category")
        return ColumnType::kCategory;
    if (name == "numeric")
        return ColumnType::kNumeric;
    if (name == "ignore")
        return ColumnType::kIgnore;
    throw Error(Errc::kInvalidArgument,
                format("unrecognized value for \"type\": \"%.*s\"",
                       static_cast<int>(std::min<std::size_t>(name.size(), 64)), name.data()),
                {}, "Valid values are \"category\", \"numeric\" and \"ignore\".");
}

void validate(const Rules& rules) {
    const auto require = [](bool condition, const std::string& message) {
        if (!condition)
            throw Error(Errc::kInvalidArgument, message);
    };
    if (const auto& w = rules.winsorise)
        require(w->lower >= 0 && w->upper <= 1 && w->lower < w->upper,
                format("\"winsorise\" must be two rising quantiles between 0 and 1, not %g and %g", w->lower,
                       w->upper));
    if (rules.max_levels)
        require(
            *rules.max_levels >= 1 && *rules.max_levels <= kMaxLevelsOfColumn,
            format("\"max_levels\" must be between 1 and %d, not %d", kMaxLevelsOfColumn, *rules.max_levels));
    if (rules.min_share)
        require(*rules.min_share >= 0 && *rules.min_share <= 1,
                format("\"min_share\" must be between 0 and 1, not %g", *rules.min_share));
    if (rules.weight)
        require(*rules.weight >= 1 / kLargestWeight && *rules.weight <= kLargestWeight,
                format("\"weight\" must be between 0.000001 and 1000000, not %g", *rules.weight));
}

void PreparationOptions::sort() {
    std::sort(columns.begin(), columns.end(),
              [](const NamedRules& a, const NamedRules& b) { return a.column < b.column; });
    for (std::size_t i = 1; i < columns.size(); ++i)
        if (columns[i].column == columns[i - 1].column)
            throw Error(Errc::kInvalidArgument, "a column is there twice among the options");
}

const Rules* PreparationOptions::own_rules(std::string_view column) const {
    for (const NamedRules& named : columns)
        if (named.column == column)
            return &named.rules;
    return nullptr;
}

Rules PreparationOptions::rules_of(std::string_view column) const {
    const Rules* own = own_rules(column);
    Rules rules = own == nullptr ? defaults : *own;
    prefer(rules.type, defaults.type);
    prefer(rules.transform, defaults.transform);
    prefer(rules.scaling, defaults.scaling);
    prefer(rules.null, defaults.null);
    prefer(rules.indicator, defaults.indicator);
    prefer(rules.winsorise, defaults.winsorise);
    prefer(rules.max_levels, defaults.max_levels);
    prefer(rules.min_share, defaults.min_share);
    prefer(rules.weight, defaults.weight);
    return rules;
}

std::size_t PreparationOptions::encoded_size() const {
    std::size_t size = 2 * 9 + kRulesSize + sizeof(std::uint32_t);
    for (const NamedRules& named : columns)
        size += sizeof(std::uint32_t) + named.column.size() + kRulesSize;
    return size;
}

void PreparationOptions::encode(std::span<std::byte> out) const {
    Writer writer(out);
    put_number(writer, as_of);
    put_number(writer, as_of_instant);
    put_rules(writer, defaults);
    writer.put(static_cast<std::uint32_t>(columns.size()));
    for (const NamedRules& named : columns) {
        writer.put(static_cast<std::uint32_t>(named.column.size()));
        writer.put_all(std::span(named.column.data(), named.column.size()));
        put_rules(writer, named.rules);
    }
}

PreparationOptions PreparationOptions::decode(Reader& reader, MemoryResource* memory) {
    PreparationOptions options(memory);
    read_general(reader, options.as_of, options.as_of_instant, options.defaults);
    read_columns(reader, [&](const NamedRules& named) { options.columns.push_back(named); });
    return options;
}

void PreparationOptions::check(Reader& reader) {
    std::optional<double> as_of, as_of_instant;
    Rules defaults;
    read_general(reader, as_of, as_of_instant, defaults);
    read_columns(reader, [](const NamedRules&) {});
}

}  // namespace seg::core::preparation
