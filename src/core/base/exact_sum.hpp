// Exact sums that live in 8-byte cells the caller owns. Nothing here allocates: an operation that needs more
// cells changes nothing, returns false and says how many it needs; the caller provides them and repeats it.
// An exact sum depends neither on the order of its terms nor on how they were split and merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/error.hpp"
#include "core/base/interrupt.hpp"

namespace seg::core {

enum class DecimalKind : std::uint8_t { kFinite, kNaN, kInfinity, kMinusInfinity };

// A decimal number in the terms of the server's numeric: digits in base 10000, the first of them worth
// 10000^weight. A finite value has no nonzero digit beyond display_scale decimal digits after the point.
struct Decimal {
    static constexpr int kMaxWeight = 32767;        // 131072 decimal digits before the point
    static constexpr int kMaxDisplayScale = 16383;  // decimal digits after the point
    static constexpr int kMaxGroups = 4096;         // the same, in digits of base 10000

    bool negative = false;
    int weight = 0;
    int display_scale = 0;
    std::span<const std::int16_t> digits;
    DecimalKind kind = DecimalKind::kFinite;
};

// What a decimal sum keeps beside its cells. The value is limbs * 10000^-groups; the limbs are one two's
// complement number, little-endian. used is 0 (the sum is zero) or at least 2.
struct DecimalMeta {
    std::uint16_t used;
    std::uint16_t capacity;
    std::uint16_t groups;
    std::uint16_t display_scale;  // the largest among the terms
};

// Reads a decimal sum.
class DecimalSumView {
  public:
    // Room for any sum of 2^63 numerics at their limits (7,655 limbs).
    static constexpr std::size_t kMaxLimbs = 7680;

    // The cells must hold at least meta.used limbs.
    DecimalSumView(const DecimalMeta& meta, const std::uint64_t* cells) : meta_(&meta), cells_(cells) {}

    int display_scale() const { return meta_->display_scale; }
    int groups() const { return meta_->groups; }
    std::span<const std::uint64_t> limbs() const { return {cells_, meta_->used}; }
    bool negative() const {
        return meta_->used != 0 && static_cast<std::int64_t>(cells_[meta_->used - 1]) < 0;
    }

    // The sum as mantissa * 10^-display_scale, if it has that form in 64 bits. Constant time for a sum of two
    // limbs; false sends the caller to write_text().
    bool as_int64(std::int64_t& mantissa, int& display_scale) const;

    // Upper bound of what write_text() writes, in bytes.
    std::size_t text_size_bound() const;

    // The sum in decimal notation with display_scale digits after the point, without a terminating zero;
    // returns its length. out must have text_size_bound() bytes. Quadratic in the number of limbs, polls the
    // interrupt.
    std::size_t write_text(std::span<char> out, Interrupt& interrupt) const;

    // The one encoding of this value: fewest limbs (none for zero, perhaps one), fewest groups. out must have
    // room for limbs().size() cells and may be the sum's own cells; capacity of the result is 0.
    DecimalMeta canonical(std::span<std::uint64_t> out) const;

    // Whether the parts are what canonical() makes of some sum, within numeric's limits.
    static bool is_canonical(const DecimalMeta& meta, const std::uint64_t* cells);

  private:
    const DecimalMeta* meta_;
    const std::uint64_t* cells_;
};

// Adds to a decimal sum in place.
class DecimalSum {
  public:
    // The cells must hold meta.capacity limbs. A meta of zeros with a capacity is an empty sum.
    DecimalSum(DecimalMeta& meta, std::uint64_t* cells) : meta_(&meta), cells_(cells) {}

    // Adds the finite value, or subtracts it. False: cells_needed() cells are needed, nothing has changed.
    // Constant time while value and sum fit 128 bits, quadratic in the number of digits beyond that. Values
    // past numeric's limits raise kOutOfRange.
    bool add(const Decimal& value, bool subtract = false);

    // Adds another sum, which may be this one. False: as above. Linear in the limbs unless scales differ.
    bool merge(const DecimalSumView& other);

    // Makes sure that add() or merge() with the same argument will succeed; the sum keeps its value. False
    // and errors: as there.
    bool reserve(const Decimal& value);
    bool reserve(const DecimalSumView& other);

    // How many cells the operation that just returned false needs.
    std::size_t cells_needed() const { return cells_needed_; }

    DecimalSumView view() const { return {*meta_, cells_}; }

  private:
    bool fits_int128(const Decimal& value) const;
    template <typename Term>
    bool add_term(Term term, const Decimal& value, bool minus);
    bool add_int128(const Decimal& value, bool minus);
    bool add_limbs(const Decimal& value, bool minus);
    bool merge_limbs(const DecimalSumView& other);
    bool make_room(int groups, std::size_t bits);
    void raise_display_scale(int display_scale) {
        if (display_scale > meta_->display_scale)
            meta_->display_scale = static_cast<std::uint16_t>(display_scale);
    }

    DecimalMeta* meta_;
    std::uint64_t* cells_;
    std::size_t cells_needed_ = 0;
};

// What a float sum keeps beside its cells. The value is the sum of the partials plus carry * 2^1024.
struct FloatMeta {
    std::uint16_t used;
    std::uint16_t capacity;
    std::int32_t carry;
};

// Reads a float sum. Its partials are doubles, kept as bit patterns in ascending magnitude.
class FloatSumView {
  public:
    // More partials than this are never stored; a canonical expansion has at most 40.
    static constexpr std::size_t kMaxPartials = 48;

    // The cells must hold at least meta.used partials.
    FloatSumView(const FloatMeta& meta, const std::uint64_t* cells) : meta_(&meta), cells_(cells) {}

    std::int32_t carry() const { return meta_->carry; }
    std::span<const std::uint64_t> partials() const { return {cells_, meta_->used}; }

    // The exact sum rounded once, to nearest, ties to even; zero is +0. Raises kOutOfRange when that is not
    // finite. Constant time.
    double value() const;

    // The one encoding of this value: carry is the sum divided by 2^1024, rounded to nearest (a tie goes up);
    // the partials are, from the last to the first, the rest rounded to nearest, what that leaves rounded to
    // nearest, and so on until nothing is left. out must have room for kMaxPartials cells and may be the
    // sum's own; capacity of the result is 0.
    FloatMeta canonical(std::span<std::uint64_t> out) const;

    // Whether the parts are what canonical() makes of some sum.
    static bool is_canonical(const FloatMeta& meta, const std::uint64_t* cells);

  private:
    const FloatMeta* meta_;
    const std::uint64_t* cells_;
};

// Adds to a float sum in place: a growing expansion (Shewchuk 1997, "Adaptive precision floating-point
// arithmetic"). A partial that would overflow gives 2^1024 to the carry, so that no order of the terms spoils
// a finite sum.
class FloatSum {
  public:
    // The cells must hold meta.capacity partials. A meta of zeros with a capacity is an empty sum.
    FloatSum(FloatMeta& meta, std::uint64_t* cells) : meta_(&meta), cells_(cells) {}

    // Adds the finite value. False: cells_needed() cells are needed, nothing has changed. Linear in the
    // partials, of which there are two or three in practice. A sum past 2^31 times the largest double raises
    // kOutOfRange.
    bool add(double value);

    // Adds another sum, which may be this one. False and errors: as above.
    bool merge(const FloatSumView& other);

    // Makes sure that add() or merge() with the same argument will succeed. False and errors: as there.
    bool reserve(double value);
    bool reserve(const FloatSumView& other);

    // How many cells the operation that just returned false needs.
    std::size_t cells_needed() const { return cells_needed_; }

    FloatSumView view() const { return {*meta_, cells_}; }

  private:
    struct Draft;
    void add_in_place(double x);
    bool fits(const Draft& draft);
    bool commit(const Draft& draft);

    FloatMeta* meta_;
    std::uint64_t* cells_;
    std::size_t cells_needed_ = 0;
};

}  // namespace seg::core
