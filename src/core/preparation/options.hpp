// What users want done to columns instead of what the data suggest.
#pragma once

#include <optional>

#include "core/base/codec.hpp"
#include "core/preparation/preparation.hpp"

namespace seg::core::preparation {

enum class ColumnType : std::uint8_t { kCategory = 0, kNumeric = 1, kIgnore = 2 };
ColumnType column_type_named(std::string_view name);

// Between these quantiles; both 0 and 1 for not at all.
struct Quantiles {
    double lower;
    double upper;

    bool operator==(const Quantiles&) const = default;
};
inline constexpr Quantiles kNotWinsorised = {0, 1};

inline constexpr std::int32_t kMaxLevelsOfColumn = 1000;

// What is not set is decided from the data.
struct Rules {
    std::optional<ColumnType> type;
    std::optional<Transform> transform;
    std::optional<Scaling> scaling;
    std::optional<NullTreatment> null;
    std::optional<bool> indicator;
    std::optional<Quantiles> winsorise;
    std::optional<std::int32_t> max_levels;
    std::optional<double> min_share;
    std::optional<double> weight;
};

struct NamedRules {
    std::string_view column;
    Rules rules;
};

struct PreparationOptions {
    explicit PreparationOptions(MemoryResource* memory) : columns(memory) {}

    // Days since 2000-01-01: of a local time, and of an instant.
    std::optional<double> as_of;
    std::optional<double> as_of_instant;
    Rules defaults;
    Vector<NamedRules> columns;  // in the order of their names, once sort() has run

    // Errc::kInvalidArgument for a column that is there twice.
    void sort();

    // The column's own rules, or nullptr.
    const Rules* own_rules(std::string_view column) const;
    // The same, filled up from the defaults.
    Rules rules_of(std::string_view column) const;

    std::size_t encoded_size() const;
    void encode(std::span<std::byte> out) const;
    // Reads the encoded form, of which the names are views; check() keeps nothing. Errc::kBadBinary unless
    // encode() could have written it.
    static PreparationOptions decode(Reader& reader, MemoryResource* memory);
    static void check(Reader& reader);
};

// Raises Errc::kInvalidArgument for the first number outside its domain.
void validate(const Rules& rules);

}  // namespace seg::core::preparation
