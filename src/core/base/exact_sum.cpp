#include "core/base/exact_sum.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

namespace seg::core {

namespace {

using Limb = std::uint64_t;
using Limbs = std::span<Limb>;
using ConstLimbs = std::span<const Limb>;
using Wide = unsigned __int128;

constexpr int kGroupsPerStep = 4;
constexpr Limb kPowersOf10000[kGroupsPerStep + 1] = {1, 10'000, 100'000'000, 1'000'000'000'000,
                                                     10'000'000'000'000'000};
constexpr int kDigitsPerChunk = 19;
constexpr Limb kChunk = 10'000'000'000'000'000'000ULL;  // 10^19, the largest power of ten in a limb

bool is_negative(ConstLimbs limbs) {
    return !limbs.empty() && static_cast<std::int64_t>(limbs.back()) < 0;
}

Limb sign_extension(ConstLimbs limbs) {
    return is_negative(limbs) ? ~Limb{0} : 0;
}

// The magnitude is at most 2 to this power.
std::size_t bit_length(ConstLimbs limbs) {
    const Limb sign = sign_extension(limbs);
    for (std::size_t i = limbs.size(); i-- > 0;) {
        const Limb bits = limbs[i] ^ sign;
        if (bits != 0)
            return 64 * i + static_cast<std::size_t>(std::bit_width(bits));
    }
    return 0;
}

// Upper bound of the bits of 10000^groups; log2(10000) = 13.28771...
std::size_t bits_of_groups(std::size_t groups) {
    return groups == 0 ? 0 : groups * 13288 / 1000 + 1;
}

// limbs = limbs * factor + carry, modulo 2^(64 n), so right for negative numbers too when carry is zero.
Limb multiply(Limbs limbs, Limb factor, Limb carry) {
    for (Limb& limb : limbs) {
        const Wide product = static_cast<Wide>(limb) * factor + carry;
        limb = static_cast<Limb>(product);
        carry = static_cast<Limb>(product >> 64);
    }
    return carry;
}

// limbs = limbs * 10000^groups.
void scale_up(Limbs limbs, std::size_t groups) {
    for (; groups >= kGroupsPerStep; groups -= kGroupsPerStep)
        multiply(limbs, kPowersOf10000[kGroupsPerStep], 0);
    if (groups != 0)
        multiply(limbs, kPowersOf10000[groups], 0);
}

// Unsigned division in place; returns the remainder.
Limb divide(Limbs limbs, Limb divisor) {
    Limb rest = 0;
    for (std::size_t i = limbs.size(); i-- > 0;) {
        const Wide part = static_cast<Wide>(rest) << 64 | limbs[i];
        limbs[i] = static_cast<Limb>(part / divisor);
        rest = static_cast<Limb>(part % divisor);
    }
    return rest;
}

// The magnitude modulo the divisor; -v is ~v + 1, which saves a copy.
Limb remainder_of_magnitude(ConstLimbs limbs, Limb divisor) {
    const Limb sign = sign_extension(limbs);
    Limb rest = 0;
    for (std::size_t i = limbs.size(); i-- > 0;)
        rest = static_cast<Limb>((static_cast<Wide>(rest) << 64 | (limbs[i] ^ sign)) % divisor);
    return sign == 0 ? rest : (rest + 1) % divisor;
}

void add_limbs_to(Limbs sum, ConstLimbs term) {
    Limb carry = 0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
        const Wide part = static_cast<Wide>(sum[i]) + term[i] + carry;
        sum[i] = static_cast<Limb>(part);
        carry = static_cast<Limb>(part >> 64);
    }
}

void negate(Limbs limbs) {
    Limb carry = 1;
    for (Limb& limb : limbs) {
        limb = ~limb + carry;
        carry = carry != 0 && limb == 0 ? 1 : 0;
    }
}

// Gives the number in the first limbs all of them.
void extend(Limbs limbs, std::size_t used) {
    std::fill(limbs.begin() + static_cast<std::ptrdiff_t>(used), limbs.end(),
              sign_extension(limbs.first(used)));
}

// Copies a number into more limbs (or as many).
void copy_extended(ConstLimbs from, Limbs to) {
    std::copy(from.begin(), from.end(), to.begin());
    extend(to, from.size());
}

// The fewest limbs that hold the number; none for zero.
std::size_t fewest_limbs(ConstLimbs limbs) {
    std::size_t n = limbs.size();
    while (n >= 2 && limbs[n - 1] == sign_extension(limbs.first(n - 1)))
        --n;
    return n == 1 && limbs[0] == 0 ? 0 : n;
}

// Digits in base 10000 as an unsigned number; returns its length in limbs.
std::size_t load_digits(std::span<const std::int16_t> digits, Limb* out) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < digits.size();) {
        const std::size_t count = std::min<std::size_t>(kGroupsPerStep, digits.size() - i);
        Limb chunk = 0;
        for (const std::size_t end = i + count; i < end; ++i)
            chunk = chunk * 10000 + static_cast<Limb>(digits[i]);
        const Limb carry = multiply({out, length}, kPowersOf10000[count], chunk);
        if (carry != 0)
            out[length++] = carry;
    }
    return length;
}

__int128 load_int128(const Limb* cells) {
    return static_cast<__int128>(static_cast<Wide>(cells[1]) << 64 | cells[0]);
}

void store_int128(Limb* cells, __int128 value) {
    cells[0] = static_cast<Limb>(value);
    cells[1] = static_cast<Limb>(static_cast<Wide>(value) >> 64);
}

[[noreturn]] void fail_numeric_overflow() {
    throw Error(Errc::kOutOfRange, "value overflows numeric format");
}

[[noreturn]] void fail_float_overflow() {
    throw Error(Errc::kOutOfRange, "value out of range: overflow");
}

}  // namespace

// ---- decimal sums: reading

bool DecimalSumView::as_int64(std::int64_t& mantissa, int& display_scale) const {
    const ConstLimbs own = limbs();
    if (bit_length(own) > 127)
        return false;
    Limb low[2];
    copy_extended(own.first(std::min<std::size_t>(own.size(), 2)), low);
    __int128 value = load_int128(low);
    const int shift = meta_->display_scale - 4 * meta_->groups;
    for (int i = shift; i < 0 && value != 0; ++i) {  // at most 3 in practice
        if (value % 10 != 0)
            return false;
        value /= 10;
    }
    for (int i = 0; i < shift && value != 0; ++i) {
        if (__builtin_mul_overflow(value, static_cast<__int128>(10), &value))
            return false;
    }
    if (value != static_cast<std::int64_t>(value))
        return false;
    mantissa = static_cast<std::int64_t>(value);
    display_scale = meta_->display_scale;
    return true;
}

std::size_t DecimalSumView::text_size_bound() const {
    // Sign, point, digits of the mantissa (log10(2) < 0.30103), and the digits that may stand without one.
    return 4 + bit_length(limbs()) * 30103 / 100000 + 4U * meta_->groups + meta_->display_scale;
}

std::size_t DecimalSumView::write_text(std::span<char> out, Interrupt& interrupt) const {
    Limb scratch[kMaxLimbs];
    const Limbs magnitude(scratch, meta_->used);
    copy_extended(limbs(), magnitude);
    if (negative())
        negate(magnitude);
    std::size_t used = meta_->used;
    const int fraction = 4 * meta_->groups;  // decimal digits of the mantissa after the point
    const int scale = meta_->display_scale;
    char* const end = out.data() + out.size();
    char* at = end;
    for (int i = fraction; i < scale; ++i)
        *--at = '0';
    WorkMeter meter(interrupt);
    bool more = true;
    for (int i = 0; more;) {  // the mantissa's digits, from the last
        Limb chunk = divide(magnitude.first(used), kChunk);
        meter.done(used + 1);
        while (used > 0 && magnitude[used - 1] == 0)
            --used;
        for (int left = kDigitsPerChunk; left > 0 && more; --left, ++i, chunk /= 10) {
            if (i == fraction && scale > 0)
                *--at = '.';
            if (i >= fraction - scale)
                *--at = static_cast<char>('0' + chunk % 10);
            more = used > 0 || chunk >= 10 || i < fraction;
        }
    }
    if (negative())
        *--at = '-';
    const auto length = static_cast<std::size_t>(end - at);
    std::memmove(out.data(), at, length);
    return length;
}

DecimalMeta DecimalSumView::canonical(std::span<std::uint64_t> out) const {
    const bool minus = negative();
    const Limbs number = out.first(meta_->used);
    std::copy_n(cells_, meta_->used, number.begin());
    std::size_t groups = meta_->groups;
    const auto divisible =
        [&](Limb power) {  // power is a multiple of 16: the last bits rule most numbers out
            return (number[0] & 15) == 0 && remainder_of_magnitude(number, power) == 0;
        };
    if (fewest_limbs(number) == 0) {
        groups = 0;
    } else if (groups != 0 && divisible(10000)) {
        if (minus)
            negate(number);
        for (; groups >= kGroupsPerStep && divisible(kPowersOf10000[kGroupsPerStep]);
             groups -= kGroupsPerStep)
            divide(number, kPowersOf10000[kGroupsPerStep]);
        for (; groups > 0 && divisible(10000); --groups)
            divide(number, 10000);
        if (minus)
            negate(number);
    }
    return {.used = static_cast<std::uint16_t>(fewest_limbs(number)),
            .capacity = 0,
            .groups = static_cast<std::uint16_t>(groups),
            .display_scale = meta_->display_scale};
}

bool DecimalSumView::is_canonical(const DecimalMeta& meta, const std::uint64_t* cells) {
    if (meta.used > kMaxLimbs || meta.groups > Decimal::kMaxGroups ||
        meta.display_scale > Decimal::kMaxDisplayScale)
        return false;
    const ConstLimbs limbs(cells, meta.used);
    if (fewest_limbs(limbs) != meta.used)
        return false;
    if (meta.groups == 0)
        return true;
    if (meta.used == 0 || remainder_of_magnitude(limbs, 10000) == 0)
        return false;
    // No nonzero digit beyond the display scale.
    constexpr Limb kPowers[] = {1, 10, 100, 1000};
    const int hidden = 4 * meta.groups - meta.display_scale;
    return hidden <= 0 || (hidden <= 3 && remainder_of_magnitude(limbs, kPowers[hidden]) == 0);
}

// ---- decimal sums: adding

namespace {

// Digits of base 10000 after the point.
int fraction_groups(const Decimal& value) {
    return static_cast<int>(value.digits.size()) - 1 - value.weight;
}

// The magnitude in units of 10000^-groups; the caller knows that it fits.
template <typename Integer>
Integer scaled(const Decimal& value, int groups) {
    Integer result = 0;
    for (const std::int16_t digit : value.digits)
        result = result * 10000 + digit;
    if (value.digits.empty())
        return 0;
    for (int i = fraction_groups(value); i < groups; ++i)
        result *= 10000;
    return result;
}

// The groups that both the sum and the value can be written in.
int common_groups(const DecimalMeta& meta, const Decimal& value) {
    if (value.weight > Decimal::kMaxWeight || fraction_groups(value) > Decimal::kMaxGroups ||
        value.display_scale > Decimal::kMaxDisplayScale)
        fail_numeric_overflow();
    return std::max<int>(meta.groups, fraction_groups(value));
}

std::size_t bits_of(const Decimal& value, int groups) {
    const int all_groups = value.weight + 1 + groups;
    return bits_of_groups(static_cast<std::size_t>(all_groups));
}

std::size_t bits_of(const DecimalSumView& sum, int groups) {
    return bit_length(sum.limbs()) + bits_of_groups(static_cast<std::size_t>(groups - sum.groups()));
}

}  // namespace

bool DecimalSum::add(const Decimal& value, bool subtract) {
    const int groups = meta_->groups;
    const bool minus = value.negative != subtract;
    if (meta_->used != 2 || fraction_groups(value) > groups || value.weight + 1 + groups > 4)
        return fits_int128(value) ? add_int128(value, minus) : add_limbs(value, minus);
    return add_term(scaled<std::int64_t>(value, groups), value, minus);  // below 10000^4
}

// Adds the value, scaled to the sum's groups, to a sum of two limbs.
template <typename Term>
bool DecimalSum::add_term(Term term, const Decimal& value, bool minus) {
    __int128 sum = 0;
    if (__builtin_add_overflow(load_int128(cells_), minus ? -term : term, &sum))
        return add_limbs(value, minus);
    store_int128(cells_, sum);
    raise_display_scale(value.display_scale);
    return true;
}

// The scaled value is below 10000^9, which is below 2^120.
bool DecimalSum::fits_int128(const Decimal& value) const {
    return meta_->used == 2 && fraction_groups(value) <= meta_->groups &&
           value.weight + 1 + meta_->groups <= 9;
}

[[gnu::noinline]] bool DecimalSum::add_int128(const Decimal& value, bool minus) {
    return add_term(scaled<__int128>(value, meta_->groups), value, minus);
}

// The general road: as many limbs as the terms need.
[[gnu::noinline]] bool DecimalSum::add_limbs(const Decimal& value, bool minus) {
    if (!reserve(value))
        return false;
    raise_display_scale(value.display_scale);
    if (value.digits.empty())
        return true;
    Limb scratch[DecimalSumView::kMaxLimbs];
    const Limbs term(scratch, meta_->used);
    const std::size_t length = load_digits(value.digits, scratch);
    std::fill(term.begin() + static_cast<std::ptrdiff_t>(length), term.end(), Limb{0});
    scale_up(term, static_cast<std::size_t>(meta_->groups - fraction_groups(value)));
    if (minus)
        negate(term);
    add_limbs_to({cells_, meta_->used}, term);
    return true;
}

bool DecimalSum::reserve(const Decimal& value) {
    if (value.digits.empty())
        return true;
    if (fits_int128(value) && bit_length(view().limbs()) <= 125)
        return true;
    const int groups = common_groups(*meta_, value);
    return make_room(groups, bits_of(value, groups));
}

// Makes the sum ready for a term below 2^bits of the given groups, which are at least its own.
bool DecimalSum::make_room(int groups, std::size_t bits) {
    const Limbs own(cells_, meta_->used);
    const std::size_t own_bits = own.empty() ? 0 : bits_of(view(), groups);
    const std::size_t sum_bits = std::max(own_bits, bits) + 2;  // the carry and the sign
    const std::size_t limbs = std::max({std::size_t{2}, own.size(), (sum_bits + 63) / 64});
    if (limbs > DecimalSumView::kMaxLimbs)
        fail_numeric_overflow();
    if (limbs > meta_->capacity) {
        cells_needed_ = limbs;
        return false;
    }
    const Limbs grown(cells_, limbs);
    extend(grown, own.size());
    scale_up(grown, static_cast<std::size_t>(groups - meta_->groups));
    meta_->used = static_cast<std::uint16_t>(limbs);
    meta_->groups = static_cast<std::uint16_t>(groups);
    return true;
}

bool DecimalSum::merge(const DecimalSumView& other) {
    const ConstLimbs others = other.limbs();
    if (others.size() == 2 && meta_->used == 2 && other.groups() == meta_->groups) {
        __int128 sum = 0;
        if (!__builtin_add_overflow(load_int128(cells_), load_int128(others.data()), &sum)) {
            store_int128(cells_, sum);
            raise_display_scale(other.display_scale());
            return true;
        }
    }
    return merge_limbs(other);
}

[[gnu::noinline]] bool DecimalSum::merge_limbs(const DecimalSumView& other) {
    // Terms that cancelled out may have left more limbs than the sum needs, and than there is room for.
    const ConstLimbs others = other.limbs().first(fewest_limbs(other.limbs()));
    const int others_groups = other.groups();
    Limb scratch[DecimalSumView::kMaxLimbs];
    std::copy(others.begin(), others.end(), scratch);  // before anything changes: other may be this sum
    if (!reserve(other))
        return false;
    raise_display_scale(other.display_scale());
    if (others.empty())
        return true;
    const Limbs term(scratch, meta_->used);
    extend(term, others.size());
    scale_up(term, static_cast<std::size_t>(meta_->groups - others_groups));
    add_limbs_to({cells_, meta_->used}, term);
    return true;
}

bool DecimalSum::reserve(const DecimalSumView& other) {
    if (other.limbs().empty())
        return true;
    const int groups = std::max<int>(meta_->groups, other.groups());
    return make_room(groups, bits_of(other, groups));
}

// ---- float sums

namespace {

constexpr Limb kSignBit = Limb{1} << 63;
constexpr Limb kExponentMask = Limb{0x7ff} << 52;
constexpr int kMantissaBits = 52;
constexpr int kCarryBit = 2098;  // 2^1024 in units of 2^-1074

// Any float sum as one fixed-point number: bit 0 is 2^-1074, the smallest subnormal. Lives on the stack.
class FixedPoint {
  public:
    // A finite double, given by its bit pattern.
    void add(Limb pattern) {
        const Limb exponent = (pattern & kExponentMask) >> kMantissaBits;
        if (exponent == 0x7ff)
            throw Error(Errc::kCorrupted, "stored sum holds a number that is not finite");
        const Limb fraction = pattern & ((Limb{1} << kMantissaBits) - 1);
        const bool minus = (pattern & kSignBit) != 0;
        if (exponent == 0)
            add_shifted(fraction, 0, minus);
        else
            add_shifted(fraction | Limb{1} << kMantissaBits, static_cast<int>(exponent) - 1, minus);
    }

    void add_carry(std::int64_t carry) {
        const auto bits = static_cast<Limb>(carry);
        add_shifted(carry < 0 ? 0 - bits : bits, kCarryBit, carry < 0);
    }

    // Takes the multiple of 2^1024 away that leaves at least -2^1023 and less than 2^1023.
    std::int64_t take_carry() {
        add_shifted(1, kCarryBit - 1, false);
        constexpr int kLimb = kCarryBit / 64;
        constexpr int kOffset = kCarryBit % 64;
        const auto carry =
            static_cast<std::int64_t>(limbs_[kLimb] >> kOffset | limbs_[kLimb + 1] << (64 - kOffset));
        add_shifted(1, kCarryBit - 1, true);
        add_carry(-carry);
        return carry;
    }

    // Makes the number positive; returns whether it was negative.
    bool take_sign() {
        const bool minus = is_negative(limbs_);
        if (minus)
            negate(limbs_);
        return minus;
    }

    // The positive number rounded to nearest, ties to even, as the bit pattern of a double; infinity when it
    // does not fit; zero for zero.
    Limb rounded() const {
        const int width = static_cast<int>(bit_length(limbs_));
        if (width > kCarryBit)
            return kExponentMask;
        if (width <= kMantissaBits + 1)
            return limbs_[0];  // a multiple of 2^-1074 below 2^-1021 is its own pattern
        const int shift = width - (kMantissaBits + 1);
        Limb mantissa = bits_from(shift);
        if (bit(shift - 1) && ((mantissa & 1) != 0 || any_below(shift - 1)))
            ++mantissa;
        // A mantissa that was rounded up to 2^53 carries into the exponent, as it should.
        return (static_cast<Limb>(shift) << kMantissaBits) + mantissa;
    }

  private:
    static constexpr int kSize = 35;  // 2098 bits of doubles, 64 of carry, the sign, and to spare

    void add_shifted(Limb magnitude, int shift, bool minus) {
        const int at = shift / 64;
        const int offset = shift % 64;
        const Limb low = magnitude << offset;
        const Limb high = offset == 0 ? 0 : magnitude >> (64 - offset);
        Limb carry = 0;
        for (int i = at; i < kSize; ++i) {
            const Limb term = i == at ? low : i == at + 1 ? high : 0;
            if (i > at + 1 && carry == 0)
                return;
            const Wide part = minus ? static_cast<Wide>(limbs_[i]) - term - carry
                                    : static_cast<Wide>(limbs_[i]) + term + carry;
            limbs_[i] = static_cast<Limb>(part);
            carry = static_cast<Limb>(part >> 64) & 1;
        }
    }

    // 53 bits from the given one up.
    Limb bits_from(int shift) const {
        const int at = shift / 64;
        const int offset = shift % 64;
        Limb bits = limbs_[at] >> offset;
        if (offset != 0)
            bits |= limbs_[at + 1] << (64 - offset);
        return bits & ((Limb{1} << (kMantissaBits + 1)) - 1);
    }
    bool bit(int i) const { return (limbs_[i / 64] >> (i % 64) & 1) != 0; }
    bool any_below(int end) const {
        for (int i = 0; i < end / 64; ++i) {
            if (limbs_[i] != 0)
                return true;
        }
        return (limbs_[end / 64] & ((Limb{1} << (end % 64)) - 1)) != 0;
    }

    Limb limbs_[kSize] = {};
};

FixedPoint fixed_point(ConstLimbs partials, std::int64_t carry) {
    FixedPoint number;
    for (const Limb pattern : partials)
        number.add(pattern);
    number.add_carry(carry);
    return number;
}

// Writes the canonical partials; returns how many. At most 40: each is below half a unit in the last place of
// the one before, so their leading bits are 53 places apart within 2098.
std::size_t peel(FixedPoint& number, Limb* out) {
    std::size_t n = 0;
    bool minus = false;
    for (;;) {
        minus ^= number.take_sign();
        const Limb top = number.rounded();
        if (top == 0)
            break;
        number.add(top | kSignBit);
        out[n++] = minus ? top | kSignBit : top;
    }
    std::reverse(out, out + n);
    return n;
}

// Sums of a few doubles below this are exact and finite at every step of two_sum().
constexpr double kTame = 0x1p1000;

struct TwoSum {
    double high;
    double low;
};

// x + y as its rounded value and the error (Knuth, TAOCP 4.2.2), without a branch on which is larger.
TwoSum two_sum(double x, double y) {
    const double high = x + y;
    const double from_y = high - x;
    return {high, (x - (high - from_y)) + (y - from_y)};
}

std::int32_t checked_carry(std::int64_t carry) {
    if (carry != static_cast<std::int32_t>(carry))
        fail_float_overflow();
    return static_cast<std::int32_t>(carry);
}

}  // namespace

double FloatSumView::value() const {
    double result = 0.0;
    if (meta_->carry == 0 && meta_->used <= 2) {  // one addition rounds once
        for (const Limb pattern : partials())
            result += std::bit_cast<double>(pattern);
    } else {
        FixedPoint number = fixed_point(partials(), meta_->carry);
        const bool minus = number.take_sign();
        result = std::bit_cast<double>(number.rounded() | (minus ? kSignBit : 0));
    }
    if (!std::isfinite(result))
        fail_float_overflow();
    return result;
}

FloatMeta FloatSumView::canonical(std::span<std::uint64_t> out) const {
    if (meta_->carry == 0 && meta_->used <= 2) {
        const double x = meta_->used > 0 ? std::bit_cast<double>(cells_[0]) : 0.0;
        const double y = meta_->used > 1 ? std::bit_cast<double>(cells_[1]) : 0.0;
        if (std::fabs(x) < kTame && std::fabs(y) < kTame) {  // the rounded sum and what it leaves are doubles
            const TwoSum sum = two_sum(x, y);
            std::uint16_t used = 0;
            if (sum.low != 0.0)
                out[used++] = std::bit_cast<Limb>(sum.low);
            if (sum.high != 0.0)
                out[used++] = std::bit_cast<Limb>(sum.high);
            return {.used = used, .capacity = 0, .carry = 0};
        }
    }
    FixedPoint number = fixed_point(partials(), meta_->carry);
    const std::int32_t carry = checked_carry(number.take_carry());
    return {.used = static_cast<std::uint16_t>(peel(number, out.data())), .capacity = 0, .carry = carry};
}

bool FloatSumView::is_canonical(const FloatMeta& meta, const std::uint64_t* cells) {
    if (meta.used > kMaxPartials)
        return false;
    const ConstLimbs partials(cells, meta.used);
    for (const Limb pattern : partials) {
        if ((pattern & kExponentMask) == kExponentMask)
            return false;
    }
    FixedPoint number = fixed_point(partials, meta.carry);
    Limb expected[kMaxPartials];
    return number.take_carry() == meta.carry && peel(number, expected) == meta.used &&
           std::equal(partials.begin(), partials.end(), expected);
}

// A sum being worked out beside the cells, so that a lack of them leaves the sum alone.
struct FloatSum::Draft {
    explicit Draft(const FloatSumView& sum) : used(sum.partials().size()), carry(sum.carry()) {
        if (used != 0)
            std::memcpy(partials, sum.partials().data(), used * sizeof(double));
    }

    void add(double x) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < used; ++i) {
            double y = partials[i];
            if (std::fabs(x) < std::fabs(y))
                std::swap(x, y);
            double high = x + y;
            if (!std::isfinite(high)) [[unlikely]] {
                // Both have the sign of x, and x is at least 2^1023 in magnitude: every step is exact.
                const double half = std::copysign(0x1p1023, x);
                carry += x < 0 ? -1 : 1;
                x = (x - half) - half;
                if (std::fabs(x) < std::fabs(y))
                    std::swap(x, y);
                high = x + y;
            }
            const double low = y - (high - x);
            if (low != 0.0)
                partials[kept++] = low;
            x = high;
        }
        if (x != 0.0)
            partials[kept++] = x;
        used = kept;
        if (used > FloatSumView::kMaxPartials)
            condense();
    }

    void merge(const FloatSumView& other) {
        for (const Limb pattern : other.partials())
            add(std::bit_cast<double>(pattern));
        carry += other.carry();
    }

    // Rare: partials with gaps between their bits are put together.
    void condense() {
        Limb patterns[FloatSumView::kMaxPartials + 1];
        std::memcpy(patterns, partials, used * sizeof(double));
        FixedPoint number = fixed_point({patterns, used}, carry);
        carry = number.take_carry();
        used = peel(number, patterns);
        std::memcpy(partials, patterns, used * sizeof(double));
    }

    double partials[FloatSumView::kMaxPartials + 1];
    std::size_t used;
    std::int64_t carry;
};

bool FloatSum::fits(const Draft& draft) {
    checked_carry(draft.carry);
    cells_needed_ = draft.used;
    return draft.used <= meta_->capacity;
}

bool FloatSum::commit(const Draft& draft) {
    if (!fits(draft))
        return false;
    if (draft.used != 0)
        std::memcpy(cells_, draft.partials, draft.used * sizeof(double));
    meta_->used = static_cast<std::uint16_t>(draft.used);
    meta_->carry = static_cast<std::int32_t>(draft.carry);
    return true;
}

bool FloatSum::add(double value) {
    if (meta_->used < meta_->capacity && meta_->used < 8 && std::fabs(value) < kTame &&
        (meta_->used == 0 || std::fabs(std::bit_cast<double>(cells_[meta_->used - 1])) < kTame)) [[likely]] {
        add_in_place(value);
        return true;
    }
    Draft draft(view());
    draft.add(value);
    return commit(draft);
}

// With room for one partial more and nothing near overflow.
void FloatSum::add_in_place(double x) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < meta_->used; ++i) {
        const TwoSum sum = two_sum(x, std::bit_cast<double>(cells_[i]));
        cells_[kept] = std::bit_cast<Limb>(sum.low);
        kept += sum.low != 0.0 ? 1 : 0;
        x = sum.high;
    }
    cells_[kept] = std::bit_cast<Limb>(x);
    kept += x != 0.0 ? 1 : 0;
    meta_->used = static_cast<std::uint16_t>(kept);
}

bool FloatSum::reserve(double value) {
    Draft draft(view());
    draft.add(value);
    return fits(draft);
}

bool FloatSum::merge(const FloatSumView& other) {
    Draft draft(view());
    draft.merge(other);
    return commit(draft);
}

bool FloatSum::reserve(const FloatSumView& other) {
    Draft draft(view());
    draft.merge(other);
    return fits(draft);
}

}  // namespace seg::core
