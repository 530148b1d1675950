#include "core/concentration/value_pool.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/base/codec.hpp"
#include "core/base/error.hpp"
#include "core/base/exact_sum.hpp"
#include "core/idset/sort_ids.hpp"

namespace seg::core::concentration {
namespace {

constexpr std::uint8_t kMagic = 'v';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.value_pool";
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

// Numbers that ascend as the doubles do.
std::uint64_t ordered(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double unordered(std::uint64_t bits) {
    return std::bit_cast<double>((bits & kSign) != 0 ? bits & ~kSign : ~bits);
}

std::optional<double> read_header(Reader& reader) {
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    const auto fraction = reader.get<double>();
    reader.require(reader.left() % sizeof(double) == 0, "wrong length");
    if (std::isnan(fraction))
        return std::nullopt;
    reader.require(fraction >= 0 && fraction <= 1, "fraction out of range");
    return fraction;
}

// The sum of the values times the scale, exact and rounded once.
double sum_of(std::span<const double> values, double scale, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    FloatMeta meta{.used = 0, .capacity = FloatSumView::kMaxPartials, .carry = 0};
    std::uint64_t cells[FloatSumView::kMaxPartials];
    FloatSum sum(meta, cells);
    for (const double value : values) {
        sum.add(value * scale);
        meter.done(1);
    }
    return sum.view().value();
}

// Huge values that cancel to next to nothing make parts of their sum that no number holds.
double finite_part(double part) {
    if (!std::isfinite(part))
        throw Error(Errc::kOutOfRange, "values cancel to a sum too small to take parts of");
    return part;
}

// Sum of terms that are not negative, with what rounding loses carried along.
class CarryingSum {
  public:
    void add(double term) {
        const double next = sum_ + term;
        lost_ += std::fabs(sum_) >= std::fabs(term) ? (sum_ - next) + term : (term - next) + sum_;
        sum_ = next;
    }
    double value() const { return sum_ + lost_; }

  private:
    double sum_ = 0;
    double lost_ = 0;
};

}  // namespace

ValuePool::ValuePool(MemoryResource* memory, std::optional<double> fraction)
    : memory_(memory), fraction_(fraction), values_(memory) {
    if (fraction_)
        check_fraction(*fraction_);
}

void ValuePool::check_fraction(double fraction) {
    if (!(fraction >= 0 && fraction <= 1))
        throw Error(Errc::kInvalidArgument, format("fraction must be between 0 and 1, not %s",
                                                   std::isfinite(fraction) ? format("%g", fraction).c_str()
                                                                           : nonfinite_name(fraction)));
}

std::optional<double> ValuePool::read_fraction(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const std::optional<double> fraction = read_header(reader);
    WorkMeter meter(interrupt);
    while (reader.left() != 0) {
        reader.require(std::isfinite(reader.get<double>()), "value is not finite");
        meter.done(1);
    }
    return fraction;
}

void ValuePool::add(double value) {
    if (!std::isfinite(value))
        throw Error(Errc::kBadData, format("value is not a finite number: %s", nonfinite_name(value)));
    values_.push_back(value + 0.0);  // -0 becomes 0
}

void ValuePool::require_fraction(const std::optional<double>& fraction) const {
    if (fraction != fraction_)
        throw Error(
            Errc::kInvalidArgument, "fraction must be the same in every row",
            format("It is %g here and %g in earlier rows.", fraction.value_or(0), fraction_.value_or(0)));
}

void ValuePool::merge(const ValuePool& other) {
    require_fraction(other.fraction_);
    values_.insert(values_.end(), other.values_.begin(), other.values_.end());
}

void ValuePool::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    require_fraction(read_header(reader));
    WorkMeter meter(interrupt);
    while (reader.left() != 0) {
        const auto value = reader.get<double>();
        reader.require(std::isfinite(value), "value is not finite");
        add(value);
        meter.done(1);
    }
}

void ValuePool::sort(Interrupt& interrupt) {
    Vector<std::uint64_t> keys(values_.size(), boost::container::default_init,
                               Allocator<std::uint64_t>(memory_));
    std::transform(values_.begin(), values_.end(), keys.begin(), ordered);
    idset::sort_ids({keys.data(), keys.size()}, memory_, interrupt);
    std::transform(keys.begin(), keys.end(), values_.begin(), unordered);
    interrupt.poll();
}

// A power of two that brings the largest value below 1, so that no sum of them overflows; exact.
double ValuePool::scale() const {
    const double largest = std::max(std::fabs(values_.front()), std::fabs(values_.back()));
    if (largest == 0)
        return 1;
    return std::ldexp(1.0, std::clamp(-std::ilogb(largest) - 1, -1022, 1022));
}

// Of the sorted values x_1 to x_n, the differences of pairs add up to the sum of
// (n + 1 - 2 i) (x_(n + 1 - i) - x_i) over the lower half: no term is negative, so nothing cancels, and equal
// values give exactly 0.
std::optional<double> ValuePool::gini(Interrupt& interrupt) const {
    if (values_.empty())
        return std::nullopt;
    const double factor = scale();
    const double total = sum_of({values_.data(), values_.size()}, factor, interrupt);
    if (total <= 0)
        return std::nullopt;
    const std::size_t n = values_.size();
    CarryingSum differences;
    WorkMeter meter(interrupt);
    for (std::size_t i = 0; i < n / 2; ++i) {
        const double difference = values_[n - 1 - i] * factor - values_[i] * factor;
        differences.add(static_cast<double>(n - 1 - 2 * i) * difference);
        meter.done(1);
    }
    return finite_part(differences.value() / (static_cast<double>(n) * total));
}

std::optional<double> ValuePool::top_share(double fraction, Interrupt& interrupt) const {
    check_fraction(fraction);
    if (values_.empty())
        return std::nullopt;
    const double factor = scale();
    const std::span<const double> all(values_.data(), values_.size());
    const double total = sum_of(all, factor, interrupt);
    if (total <= 0)
        return std::nullopt;
    return finite_part(sum_of(all.last(count_of(fraction, all.size())), factor, interrupt) / total);
}

std::size_t ValuePool::count_of(double fraction, std::size_t size) {
    const double place = fraction * static_cast<double>(size);
    // A product that ought to be whole may lie a rounding error beside it.
    const double whole = std::round(place);
    const double count = std::fabs(place - whole) <= 1e-9 * std::max(1.0, whole) ? whole : std::ceil(place);
    return std::min(static_cast<std::size_t>(count), size);
}

void ValuePool::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(std::uint16_t{0});
    writer.put(fraction_.value_or(std::numeric_limits<double>::quiet_NaN()));
    constexpr std::size_t kBlock = WorkMeter::kUnitsPerPoll;
    const std::span<const double> all(values_.data(), values_.size());
    for (std::size_t at = 0; at < all.size(); at += kBlock) {
        writer.put_all(all.subspan(at, std::min(kBlock, all.size() - at)));
        interrupt.poll();
    }
}

}  // namespace seg::core::concentration
