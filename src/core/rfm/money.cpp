#include "core/rfm/money.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace seg::core::rfm {
namespace {

using Unsigned128 = unsigned __int128;

constexpr int kMaxGroups = 9;  // 10000^9 is the largest power below 2^127
constexpr std::uint64_t kExactInDouble = std::uint64_t{1} << 53;

Unsigned128 magnitude(Int128 value) {
    return value < 0 ? -static_cast<Unsigned128>(value) : static_cast<Unsigned128>(value);
}

std::uint64_t bits_of(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

}  // namespace

Int128 power_of_10000(int exponent) {
    Int128 power = 1;
    for (; exponent > 0; --exponent)
        power *= 10000;
    return power;
}

int fraction_groups(const Decimal& amount) {
    const int count = static_cast<int>(amount.digits.size());
    return count == 0 ? 0 : std::max(0, count - 1 - amount.weight);
}

std::optional<Int128> fixed_from(const Decimal& amount, int groups) {
    const int count = static_cast<int>(amount.digits.size());
    if (count == 0)
        return Int128{0};
    if (amount.weight + 1 + groups > kMaxGroups)
        return std::nullopt;
    Int128 value = 0;
    if (amount.weight + groups < 4) {  // the usual amount, in 64 bits
        std::int64_t small = 0;
        for (const std::int16_t digit : amount.digits)
            small = small * 10000 + digit;
        for (int missing = groups - (count - 1 - amount.weight); missing > 0; --missing)
            small *= 10000;
        value = small;
    } else {
        for (const std::int16_t digit : amount.digits)
            value = value * 10000 + digit;
        value *= power_of_10000(groups - (count - 1 - amount.weight));
    }
    return amount.negative ? -value : value;
}

std::optional<Int128> fixed_from(double amount) {
    if (amount == 0)
        return Int128{0};
    constexpr int kMantissaBits = 52;
    const std::uint64_t bits = bits_of(amount);
    const int biased = static_cast<int>(bits >> kMantissaBits & 0x7ff);
    if (biased == 0)
        return std::nullopt;  // subnormal
    std::uint64_t mantissa = (bits & ((std::uint64_t{1} << kMantissaBits) - 1)) | std::uint64_t{1}
                                                                                      << kMantissaBits;
    int shift = biased - 1023 - kMantissaBits - kFloatUnitExponent;
    if (shift < 0) {
        if (-shift > std::countr_zero(mantissa))
            return std::nullopt;
        mantissa >>= -shift;
        shift = 0;
    }
    if (std::bit_width(mantissa) + shift > 126)
        return std::nullopt;
    const Int128 value = static_cast<Int128>(mantissa) << shift;
    return amount < 0 ? -value : value;
}

bool is_below_limit(Int128 value) {
    const Int128 limit = power_of_10000(9);
    return -limit < value && value < limit;
}

std::int64_t ordered_bits(double value) {
    const auto bits = std::bit_cast<std::int64_t>(value == 0 ? 0.0 : value);
    return bits < 0 ? bits ^ 0x7fffffffffffffff : bits;
}

double from_ordered_bits(std::int64_t bits) {
    return std::bit_cast<double>(bits < 0 ? bits ^ 0x7fffffffffffffff : bits);
}

std::optional<Int128> scaled_up(Int128 value, int exponent) {
    Int128 result = 0;
    if (__builtin_mul_overflow(value, power_of_10000(exponent), &result))
        return std::nullopt;
    return result;
}

double nearest_double(Int128 value, int groups, std::uint32_t divisor) {
    // Powers of ten up to 10^22 are doubles, so one division of two exact numbers rounds once.
    if (divisor == 1 && magnitude(value) < kExactInDouble)
        return static_cast<double>(value) / static_cast<double>(power_of_10000(groups));
    Unsigned128 rest = magnitude(value);
    if (rest == 0)
        return 0;
    // Long division to more bits than a double has, with a last one that says whether anything is left: then
    // the conversion rounds once.
    constexpr int kStep = 28;  // below is less than 2^99
    constexpr int kEnoughBits = 55;
    const Unsigned128 below = static_cast<Unsigned128>(power_of_10000(groups)) * divisor;
    Unsigned128 quotient = rest / below;
    rest %= below;
    int exponent = 0;
    for (; quotient >> kEnoughBits == 0; exponent -= kStep) {
        rest <<= kStep;
        quotient = quotient << kStep | rest / below;
        rest %= below;
    }
    quotient |= rest != 0;
    const double result = std::ldexp(static_cast<double>(quotient), exponent);
    return value < 0 ? -result : result;
}

double nearest_double(Int128 value) {
    return std::ldexp(static_cast<double>(value), kFloatUnitExponent);
}

FixedDecimal::FixedDecimal(Int128 value, int groups, int display_scale) {
    Unsigned128 rest = magnitude(value);
    int first = kMaxDigits;
    int end = kMaxDigits;
    while (rest > 0) {
        const auto digit = static_cast<std::int16_t>(rest % 10000);
        rest /= 10000;
        if (digit == 0 && first == end) {  // no zeros at the end
            --groups;
            continue;
        }
        digits_[--first] = digit;
    }
    decimal_.negative = value < 0;
    decimal_.display_scale = display_scale;
    decimal_.digits = {digits_ + first, static_cast<std::size_t>(end - first)};
    decimal_.weight = first == end ? 0 : end - first - 1 - groups;
}

template <typename Sum, typename Meta, typename Operation>
void LargeSum::change(Meta& meta, const Operation& operation) {
    meta.capacity = static_cast<std::uint16_t>(cells_.size());
    Sum sum(meta, cells_.data());
    while (!operation(sum)) {
        cells_.resize(sum.cells_needed());
        meta.capacity = static_cast<std::uint16_t>(cells_.size());
        sum = Sum(meta, cells_.data());
    }
}

void LargeSum::add(const Decimal& amount) {
    change<DecimalSum>(decimal_, [&](DecimalSum& sum) { return sum.add(amount); });
}

void LargeSum::add(double amount) {
    change<FloatSum>(number_, [&](FloatSum& sum) { return sum.add(amount); });
}

void LargeSum::add_fixed(Int128 value) {
    constexpr int kPieceBits = 48;
    Unsigned128 rest = magnitude(value);
    for (int exponent = kFloatUnitExponent; rest != 0; exponent += kPieceBits, rest >>= kPieceBits) {
        const auto piece =
            static_cast<double>(static_cast<std::uint64_t>(rest) & ((std::uint64_t{1} << kPieceBits) - 1));
        add(std::ldexp(value < 0 ? -piece : piece, exponent));
    }
}

void LargeSum::merge(const LargeSum& other) {
    if (kind_ == AmountKind::kNumeric)
        change<DecimalSum>(decimal_, [&](DecimalSum& sum) { return sum.merge(other.decimal()); });
    else
        change<FloatSum>(number_, [&](FloatSum& sum) { return sum.merge(other.number()); });
}

std::optional<FixedSum> LargeSum::fixed() const {
    Vector<std::uint64_t> cells(cells_.get_allocator());
    cells.resize(cells_.size() + 1);
    const DecimalMeta meta = decimal().canonical({cells.data(), cells.size()});
    if (meta.groups > kMaxUnitGroups || meta.used > 2)
        return std::nullopt;
    if (meta.used == 0)
        return FixedSum{0, 0};
    const bool negative = static_cast<std::int64_t>(cells[meta.used - 1u]) < 0;
    const std::uint64_t high = meta.used == 2 ? cells[1] : negative ? ~std::uint64_t{0} : 0;
    return FixedSum{static_cast<Int128>(static_cast<Unsigned128>(high) << 64 | cells[0]), meta.groups};
}

std::size_t LargeSum::memory_used() const {
    // The allocator rounds up to powers of two and keeps a header.
    return cells_.capacity() == 0 ? 0 : std::bit_ceil(cells_.capacity() * sizeof(std::uint64_t)) + 16;
}

std::size_t LargeSum::encoded_size() const {
    Vector<std::uint64_t> cells(cells_.get_allocator());
    cells.resize(cells_.size() + FloatSumView::kMaxPartials);
    const std::span<std::uint64_t> room(cells.data(), cells.size());
    const std::size_t used =
        kind_ == AmountKind::kNumeric ? decimal().canonical(room).used : number().canonical(room).used;
    return sizeof(std::uint16_t) + 4 + used * sizeof(std::uint64_t);
}

void LargeSum::encode(Writer& writer) const {
    Vector<std::uint64_t> cells(cells_.get_allocator());
    cells.resize(cells_.size() + FloatSumView::kMaxPartials);
    const std::span<std::uint64_t> room(cells.data(), cells.size());
    std::size_t used = 0;
    if (kind_ == AmountKind::kNumeric) {
        const DecimalMeta meta = decimal().canonical(room);
        writer.put(meta.used);
        writer.put(meta.groups);
        writer.put(meta.display_scale);
        used = meta.used;
    } else {
        const FloatMeta meta = number().canonical(room);
        writer.put(meta.used);
        writer.put(meta.carry);
        used = meta.used;
    }
    writer.put_all(std::span<const std::uint64_t>(room.data(), used));
}

// Reads the cells that meta announces, and checks them.
template <typename View, typename Meta>
View LargeSum::read_sum(Reader& reader, Meta& meta, Vector<std::uint64_t>& cells,
                        std::size_t max_cells) const {
    reader.require(meta.used <= max_cells && meta.used * sizeof(std::uint64_t) <= reader.left(),
                   "sum is too long");
    cells.resize(meta.used);
    reader.get_all(std::span<std::uint64_t>(cells.data(), cells.size()));
    reader.require(View::is_canonical(meta, cells.data()), "sum is not in canonical form");
    return View(meta, cells.data());
}

void LargeSum::merge_encoded(Reader& reader) {
    Vector<std::uint64_t> cells(cells_.get_allocator());
    if (kind_ == AmountKind::kNumeric) {
        DecimalMeta meta{};
        meta.used = reader.get<std::uint16_t>();
        meta.groups = reader.get<std::uint16_t>();
        meta.display_scale = reader.get<std::uint16_t>();
        const auto other = read_sum<DecimalSumView>(reader, meta, cells, DecimalSumView::kMaxLimbs);
        change<DecimalSum>(decimal_, [&](DecimalSum& sum) { return sum.merge(other); });
    } else {
        FloatMeta meta{};
        meta.used = reader.get<std::uint16_t>();
        meta.carry = reader.get<std::int32_t>();
        const auto other = read_sum<FloatSumView>(reader, meta, cells, FloatSumView::kMaxPartials);
        change<FloatSum>(number_, [&](FloatSum& sum) { return sum.merge(other); });
    }
}

void LargeSum::skip(AmountKind kind, Reader& reader) {
    const auto used = reader.get<std::uint16_t>();
    reader.take(kind == AmountKind::kNumeric ? 2 * sizeof(std::uint16_t) : sizeof(std::int32_t));
    reader.take(used * sizeof(std::uint64_t));
}

}  // namespace seg::core::rfm
