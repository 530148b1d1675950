// Amounts as integers in a fixed unit, so that adding them up is exact and costs an addition. What does not
// fit goes into an exact sum of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/codec.hpp"
#include "core/base/exact_sum.hpp"
#include "core/base/memory.hpp"
#include "core/rfm/facts.hpp"

namespace seg::core::rfm {

using Int128 = __int128;

// A numeric counts in units of 10000^-groups; groups grow with the amounts, up to here.
inline constexpr int kMaxUnitGroups = 5;

// A double counts in units of 2^-72: every amount of a millionth or more is a whole number of them, and sums
// up to 10^16 fit.
inline constexpr int kFloatUnitExponent = -72;

// 10000^exponent; exponent from 0 to 9.
Int128 power_of_10000(int exponent);

// The digits of base 10000 that the number has after the point.
int fraction_groups(const Decimal& amount);

// The amount in units of 10000^-groups, which must not be fewer than its fraction_groups(); nothing when it
// is 10^36 units or more.
std::optional<Int128> fixed_from(const Decimal& amount, int groups);

// The amount in units of 2^-72; nothing when it is not a whole number of them, or 2^126 or more.
std::optional<Int128> fixed_from(double amount);

// Whether it is below 10^36, as fixed_from() wants it.
bool is_below_limit(Int128 value);

// Doubles as integers of the same order, and back.
std::int64_t ordered_bits(double value);
double from_ordered_bits(std::int64_t bits);

// value * 10000^exponent, or nothing when that does not fit.
std::optional<Int128> scaled_up(Int128 value, int exponent);

// The double nearest to value * 10000^-groups / divisor; divisor > 0.
double nearest_double(Int128 value, int groups, std::uint32_t divisor);

// The double nearest to value * 2^-72.
double nearest_double(Int128 value);

// The decimal digits of a fixed value in the terms of the server's numeric; lives as long as this object.
class FixedDecimal {
  public:
    FixedDecimal(Int128 value, int groups, int display_scale);
    FixedDecimal(const FixedDecimal&) = delete;
    FixedDecimal& operator=(const FixedDecimal&) = delete;

    const Decimal& decimal() const { return decimal_; }

  private:
    static constexpr int kMaxDigits = 10;

    std::int16_t digits_[kMaxDigits];
    Decimal decimal_;
};

// value * 10000^-groups.
struct FixedSum {
    Int128 value;
    int groups;
};

// An exact sum that owns its cells: what a customer's amounts add up to beyond the fixed unit. Of one kind of
// amounts: only the operations of that kind may be called.
class LargeSum {
  public:
    LargeSum(MemoryResource* memory, AmountKind kind) : kind_(kind), cells_(memory) {}

    void add(const Decimal& amount);
    void add(double amount);
    void add_fixed(Int128 value);  // in units of 2^-72
    void merge(const LargeSum& other);

    // A sum of decimals as 128 bits in the largest unit that it takes, if it has that form in at most
    // kMaxUnitGroups groups. It depends on the value only, not on how the sum came about.
    std::optional<FixedSum> fixed() const;

    // Bytes beside the object itself.
    std::size_t memory_used() const;

    // External form: equal sums are equal bytes.
    std::size_t encoded_size() const;
    void encode(Writer& writer) const;
    // Adds an external form; a malformed one raises kBadBinary.
    void merge_encoded(Reader& reader);
    // Passes over an external form.
    static void skip(AmountKind kind, Reader& reader);

    DecimalSumView decimal() const { return {decimal_, cells_.data()}; }
    FloatSumView number() const { return {number_, cells_.data()}; }

  private:
    template <typename Sum, typename Meta, typename Operation>
    void change(Meta& meta, const Operation& operation);
    template <typename View, typename Meta>
    View read_sum(Reader& reader, Meta& meta, Vector<std::uint64_t>& cells, std::size_t max_cells) const;

    AmountKind kind_;
    DecimalMeta decimal_{};
    FloatMeta number_{};
    Vector<std::uint64_t> cells_;
};

}  // namespace seg::core::rfm
