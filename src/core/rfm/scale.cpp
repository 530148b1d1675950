#include "core/rfm/scale.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/base/codec.hpp"

namespace seg::core::rfm {
namespace {

constexpr std::uint8_t kMagic = 'S';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.rfm_scale";

// Whether a customer at the cut has passed it. Cuts by rank are the value of a customer who is the last of
// the worse ones, except for cume_dist, where it is the first of the better ones. Breaks that people write
// down belong to the better score: 30 days is "up to 30 days", 10 orders is "10 and more".
bool is_inclusive(Method method, Measure measure) {
    switch (method) {
        case Method::kCumeDist:
        case Method::kFixed:
            return true;
        case Method::kRRfm:
            return measure != Measure::kRecency;
        case Method::kKlaviyo:
            return measure == Measure::kRecency;
        default:
            return false;
    }
}

bool is_method_of_scale(std::uint8_t method) {
    return method >= static_cast<std::uint8_t>(Method::kQuantile) &&
           method <= static_cast<std::uint8_t>(Method::kKlaviyo) &&
           method != static_cast<std::uint8_t>(Method::kNtile);
}

// Finite, never negative zero, and one after the other from the worst to the best.
bool are_cuts(std::span<const double> cuts, Measure measure) {
    for (std::size_t i = 0; i < cuts.size(); ++i) {
        if (!std::isfinite(cuts[i]) || (cuts[i] == 0 && std::signbit(cuts[i])))
            return false;
        if (i > 0 && (measure == Measure::kRecency ? cuts[i] > cuts[i - 1] : cuts[i] < cuts[i - 1]))
            return false;
    }
    return true;
}

std::span<const std::byte> body_of_image(std::span<const std::byte> image, std::size_t slot) {
    if (image.size() < slot)
        throw Error(Errc::kCorrupted, "a value of type segment.rfm_scale is damaged");
    return image.subspan(slot);
}

}  // namespace

void check_finite(const Measures& customer) {
    const double values[] = {customer.recency, customer.frequency, customer.monetary};
    for (Measure measure : kEveryMeasure) {
        const double value = values[index_of(measure)];
        if (!std::isfinite(value)) [[unlikely]]
            throw Error(Errc::kBadData,
                        format("%s is not a finite number: %s", name_of(measure), nonfinite_name(value)));
    }
}

Scale::Scale(Method method, const std::array<int, kMeasures>& bins, std::int64_t customers,
             std::int64_t skipped)
    : method_(method), bins_(bins), customers_(customers), skipped_(skipped) {
    set_shape();
    std::fill_n(cuts_.begin(), value_count(), 0.0);
}

Scale::Scale(std::span<const std::byte> image) {
    try {
        *this = read(body_of_image(image, kSlot));
    } catch (const Error& error) {
        throw Error(Errc::kCorrupted, "a value of type segment.rfm_scale is damaged",
                    std::string("The bytes are not those of a scale: ") + error.what() + ".");
    }
}

void Scale::set_shape() {
    for (Measure measure : kEveryMeasure)
        inclusive_[index_of(measure)] = is_inclusive(method_, measure);
    const auto cut_count = [this](Measure measure) { return static_cast<std::size_t>(bins(measure) - 1); };
    const auto r_bins = static_cast<std::size_t>(bins(Measure::kRecency));
    const auto f_bins = static_cast<std::size_t>(bins(Measure::kFrequency));
    frequency_start_ = cut_count(Measure::kRecency);
    frequency_step_ = nested() ? cut_count(Measure::kFrequency) : 0;
    monetary_start_ = frequency_start_ + cut_count(Measure::kFrequency) * (nested() ? r_bins : 1);
    monetary_step_f_ = nested() ? cut_count(Measure::kMonetary) : 0;
    monetary_step_r_ = monetary_step_f_ * f_bins;
}

std::size_t Scale::value_count() const {
    const std::size_t cells =
        nested() ? static_cast<std::size_t>(bins(Measure::kRecency) * bins(Measure::kFrequency)) : 1;
    return monetary_start_ + cells * static_cast<std::size_t>(bins(Measure::kMonetary) - 1);
}

std::size_t Scale::offset_of(Measure measure, int r, int f) const {
    switch (measure) {
        case Measure::kRecency:
            return 0;
        case Measure::kFrequency:
            return frequency_offset(r);
        case Measure::kMonetary:
            return monetary_offset(r, f);
    }
    throw std::logic_error("unknown measure");
}

std::span<const double> Scale::cuts(Measure measure, int r, int f) const {
    return std::span(cuts_).subspan(offset_of(measure, r, f), static_cast<std::size_t>(bins(measure) - 1));
}

std::span<double> Scale::cuts(Measure measure, int r, int f) {
    return std::span(cuts_).subspan(offset_of(measure, r, f), static_cast<std::size_t>(bins(measure) - 1));
}

void Scale::write_image(std::span<std::byte> image) const {
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(method_));
    writer.put<std::uint8_t>(0);
    for (int bins : bins_)
        writer.put(static_cast<std::uint8_t>(bins));
    for (int i = 0; i < 5; ++i)
        writer.put<std::uint8_t>(0);
    writer.put(customers_);
    writer.put(skipped_);
    writer.put_all(std::span<const double>(cuts_.data(), value_count()));
}

Scale Scale::read(std::span<const std::byte> body) {
    Reader reader(body, kTypeName);
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    const auto method = reader.get<std::uint8_t>();
    reader.require(is_method_of_scale(method), "unknown method");
    reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    Scale scale;
    scale.method_ = static_cast<Method>(method);
    for (int& bins : scale.bins_) {
        bins = reader.get<std::uint8_t>();
        reader.require(bins >= kMinBins && bins <= kMaxBins, "number of bins is out of range");
    }
    for (int i = 0; i < 5; ++i)
        reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    scale.customers_ = reader.get<std::int64_t>();
    scale.skipped_ = reader.get<std::int64_t>();
    reader.require(scale.customers_ >= 1 && scale.skipped_ >= 0, "number of customers is out of range");
    scale.set_shape();
    reader.get_all(std::span<double>(scale.cuts_.data(), scale.value_count()));
    reader.expect_end();
    for (Measure measure : kEveryMeasure)
        for (int r = 1; r <= (scale.nested() ? scale.bins_[0] : 1); ++r)
            for (int f = 1; f <= (scale.nested() ? scale.bins_[1] : 1); ++f)
                reader.require(are_cuts(std::as_const(scale).cuts(measure, r, f), measure),
                               "cuts are not in order");
    return scale;
}

void Scale::validate(std::span<const std::byte> body) {
    read(body);
}

}  // namespace seg::core::rfm
