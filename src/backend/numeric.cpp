#include "backend/numeric.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/interrupt.hpp"

namespace seg::backend {
namespace {

// The stored form of numeric, which the server keeps private but can never change: tables hold it. A header
// word, for values out of the short range a weight word, then base-10000 digits.
constexpr std::uint16_t kKindMask = 0xC000;
constexpr std::uint16_t kLongNegative = 0x4000;
constexpr std::uint16_t kShort = 0x8000;
constexpr std::uint16_t kSpecial = 0xC000;
constexpr std::uint16_t kSpecialMask = 0xF000;
constexpr std::uint16_t kPlusInfinity = 0xD000;
constexpr std::uint16_t kMinusInfinity = 0xF000;
constexpr std::uint16_t kShortNegative = 0x2000;
constexpr std::uint16_t kShortScaleMask = 0x1F80;
constexpr int kShortScaleShift = 7;
constexpr std::uint16_t kShortWeightSign = 0x0040;
constexpr std::uint16_t kShortWeightMask = 0x003F;
constexpr std::uint16_t kLongScaleMask = 0x3FFF;

std::uint16_t word(const char* p) {
    std::uint16_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

core::DecimalKind special_kind(std::uint16_t header) {
    switch (header & kSpecialMask) {
        case kPlusInfinity:
            return core::DecimalKind::kInfinity;
        case kMinusInfinity:
            return core::DecimalKind::kMinusInfinity;
        default:
            return core::DecimalKind::kNaN;
    }
}

// Zeros after the point up to the scale, as far as the mantissa has room for them.
void append_zeros(std::int64_t& mantissa, int& scale, int wanted_scale) {
    std::int64_t wider = 0;
    while (scale < wanted_scale && !__builtin_mul_overflow(mantissa, 10, &wider)) {
        mantissa = wider;
        ++scale;
    }
}

}  // namespace

DecimalArgument::DecimalArgument(Datum datum) : value_() {
    const auto* raw = reinterpret_cast<const struct varlena*>(DatumGetPointer(datum));
    if (VARATT_IS_EXTERNAL(raw) || VARATT_IS_COMPRESSED(raw))
        raw = detoasted(datum);
    const char* data = VARDATA_ANY(raw);
    std::size_t size = VARSIZE_ANY_EXHDR(raw);
    const std::uint16_t header = word(data);
    if ((header & kKindMask) == kSpecial) {
        value_.kind = special_kind(header);
        return;
    }
    value_.kind = core::DecimalKind::kFinite;
    if ((header & kKindMask) == kShort) {
        value_.negative = (header & kShortNegative) != 0;
        value_.display_scale = (header & kShortScaleMask) >> kShortScaleShift;
        value_.weight = ((header & kShortWeightSign) ? ~static_cast<int>(kShortWeightMask) : 0) |
                        (header & kShortWeightMask);
        data += 2;
        size -= 2;
    } else {
        value_.negative = (header & kKindMask) == kLongNegative;
        value_.display_scale = header & kLongScaleMask;
        value_.weight = static_cast<std::int16_t>(word(data + 2));
        data += 4;
        size -= 4;
    }
    const std::size_t count = size / sizeof(std::int16_t);
    if (count <= kUsualDigits) {
        std::memcpy(digits_, data, size);
        value_.digits = {digits_, count};
        return;
    }
    if (VARATT_IS_SHORT(raw)) {  // not aligned, and too long for the buffer
        auto* copy = static_cast<char*>(call([size]() noexcept { return palloc(size); }));
        data = static_cast<char*>(std::memcpy(copy, data, size));
    }
    value_.digits = {reinterpret_cast<const std::int16_t*>(data), count};
}

Datum numeric_datum(const core::DecimalSumView& sum, int display_scale) {
    std::int64_t mantissa = 0;
    int scale = 0;
    if (sum.as_int64(mantissa, scale)) {
        append_zeros(mantissa, scale, display_scale);
        return call([=]() noexcept { return NumericGetDatum(int64_div_fast_to_numeric(mantissa, scale)); });
    }
    const std::size_t bound = sum.text_size_bound() + 1;
    auto* text = call([bound]() noexcept { return static_cast<char*>(palloc(bound)); });
    ServerInterrupt interrupt;
    text[sum.write_text({text, bound - 1}, interrupt)] = '\0';
    return call([text]() noexcept {
        return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
                                   Int32GetDatum(-1));
    });
}

std::optional<Datum> NumericBuffer::write(const core::Decimal& value) {
    if (value.digits.size() > kMaxDigits || value.display_scale > kShortScaleMask >> kShortScaleShift ||
        value.weight < -kShortWeightMask - 1 || value.weight > kShortWeightMask)
        return std::nullopt;
    const std::size_t size = 1 + sizeof(std::uint16_t) + value.digits.size_bytes();
    SET_VARSIZE_SHORT(bytes_, size);
    const auto header = static_cast<std::uint16_t>(
        kShort | (value.negative ? kShortNegative : 0) | value.display_scale << kShortScaleShift |
        (value.weight < 0 ? kShortWeightSign : 0) | (value.weight & kShortWeightMask));
    std::memcpy(bytes_ + 1, &header, sizeof header);
    if (!value.digits.empty())
        std::memcpy(bytes_ + 1 + sizeof header, value.digits.data(), value.digits.size_bytes());
    return PointerGetDatum(bytes_);
}

Datum NumericBuffer::write(double value) {
    if (!std::isfinite(value))
        return numeric_datum(value);
    // d.dddde+xx: at most 17 digits and the decimal exponent of the first one.
    char text[32];
    const char* end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
    const char* at = text + (value < 0 || text[0] == '-' ? 1 : 0);
    const char* exponent_mark = std::find(at, end, 'e');
    int exponent = 0;
    std::from_chars(exponent_mark[1] == '+' ? exponent_mark + 2 : exponent_mark + 1, end, exponent);
    // Groups of four digits, the first of which may have leading zeros.
    std::int16_t groups[kMaxDigits] = {};
    const int lead = ((exponent % 4) + 4) % 4;
    int position = 3 - lead;
    int digits = 0;
    for (; at < exponent_mark; ++at) {
        if (*at == '.')
            continue;
        static constexpr std::int16_t kWorth[] = {1000, 100, 10, 1};
        groups[position / 4] =
            static_cast<std::int16_t>(groups[position / 4] + (*at - '0') * kWorth[position % 4]);
        ++position;
        ++digits;
    }
    core::Decimal decimal;
    decimal.negative = value < 0;
    decimal.display_scale = std::max(0, digits - 1 - exponent);
    decimal.weight = (exponent - lead) / 4;
    decimal.digits = {groups, value == 0 ? 0 : static_cast<std::size_t>((position + 3) / 4)};
    while (!decimal.digits.empty() && decimal.digits.back() == 0)
        decimal.digits = decimal.digits.first(decimal.digits.size() - 1);
    return write(decimal).value_or(0) != 0 ? PointerGetDatum(bytes_) : numeric_datum(value);
}

Datum numeric_datum(double value) {
    char text[32];
    *std::to_chars(text, text + sizeof text - 1, value).ptr = '\0';
    const char* source = text;
    return call([source]() noexcept {
        return DirectFunctionCall3(numeric_in, CStringGetDatum(source), ObjectIdGetDatum(InvalidOid),
                                   Int32GetDatum(-1));
    });
}

// Correctly rounded: up to 2^53, and divided by a power of ten up to 10^22, both are exact.
double numeric_to_double(Datum datum, PGFunction convert) {
    const DecimalArgument argument(datum);
    const core::Decimal& decimal = argument.value();
    switch (decimal.kind) {
        case core::DecimalKind::kNaN:
            return std::numeric_limits<double>::quiet_NaN();
        case core::DecimalKind::kInfinity:
            return std::numeric_limits<double>::infinity();
        case core::DecimalKind::kMinusInfinity:
            return -std::numeric_limits<double>::infinity();
        case core::DecimalKind::kFinite:
            break;
    }
    static constexpr double kPowers[] = {1, 1e4, 1e8, 1e12, 1e16, 1e20};
    constexpr std::uint64_t kExact = std::uint64_t{1} << 53;
    const int groups_after = static_cast<int>(decimal.digits.size()) - 1 - decimal.weight;
    if (decimal.digits.size() <= 5 && groups_after >= -4 && groups_after <= 5) {
        std::uint64_t mantissa = 0;
        for (std::int16_t digit : decimal.digits)
            mantissa = mantissa * 10'000 + static_cast<std::uint64_t>(digit);
        for (int g = groups_after; g < 0 && mantissa <= kExact; ++g)
            mantissa *= 10'000;
        if (mantissa <= kExact && decimal.digits.size() <= 4) {
            const double value =
                static_cast<double>(mantissa) / (groups_after > 0 ? kPowers[groups_after] : 1);
            return decimal.negative ? -value : value;
        }
    }
    return call([datum, convert]() noexcept { return DatumGetFloat8(DirectFunctionCall1(convert, datum)); });
}

}  // namespace seg::backend
