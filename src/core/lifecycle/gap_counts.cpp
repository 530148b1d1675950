#include "core/lifecycle/gap_counts.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/error.hpp"

namespace seg::core::lifecycle {
namespace {

constexpr std::uint8_t kMagic = 'g';
constexpr std::uint8_t kVersion = 1;

void read_header(Reader& reader) {
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    reader.require(reader.left() % GapCounts::kEntrySize == 0, "wrong length");
}

[[noreturn]] void throw_out_of_range() {
    throw Error(Errc::kOutOfRange, "number of gaps is out of range for type bigint");
}

// How many gaps the wanted one is from the start, from 1 on.
std::int64_t rank_of(double percentile, std::int64_t total) {
    const double place = percentile / 100 * static_cast<double>(total);
    // A product that ought to be whole may lie a rounding error beside it.
    const double whole = std::round(place);
    const double rank = std::fabs(place - whole) <= 1e-9 * std::max(1.0, whole) ? whole : std::ceil(place);
    // Near 2^63 the rank as a double may be past what the integer holds.
    if (rank >= static_cast<double>(total))
        return total;
    return std::max<std::int64_t>(static_cast<std::int64_t>(rank), 1);
}

}  // namespace

// The count of a length, with room made for it.
std::int64_t& GapCounts::slot(std::int32_t days) {
    if (days < kFew) {
        const auto index = static_cast<std::size_t>(days);
        if (index >= few_.size())
            few_.resize(std::bit_ceil(index + 1), 0);
        return few_[index];
    }
    auto place = std::lower_bound(others_.begin(), others_.end(), days,
                                  [](const Entry& entry, std::int32_t value) { return entry.days < value; });
    if (place == others_.end() || place->days != days)
        place = others_.insert(place, Entry{days, 0});
    return place->count;
}

void GapCounts::add(std::int32_t days, std::int64_t count) {
    if (days < 1)
        throw Error(Errc::kInvalidArgument, format("gap must be at least 1 day, not %d", days));
    std::int64_t total = 0;
    if (__builtin_add_overflow(total_, count, &total))
        throw_out_of_range();
    slot(days) += count;
    total_ = total;
}

void GapCounts::add_gaps_of(std::span<const std::int32_t> days, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    for (std::size_t i = 1; i < days.size(); ++i) {
        const std::int64_t gap = std::int64_t{days[i]} - days[i - 1];
        if (gap < 1 || gap > INT32_MAX)
            throw Error(Errc::kInvalidArgument, format("days must ascend, by fewer than 2^31, not by %lld",
                                                       static_cast<long long>(gap)));
        add(static_cast<std::int32_t>(gap));
        meter.done(1);
    }
}

void GapCounts::merge(const GapCounts& other, Interrupt& interrupt) {
    std::int64_t total = 0;
    if (__builtin_add_overflow(total_, other.total_, &total))
        throw_out_of_range();
    if (other.few_.size() > few_.size())
        few_.resize(other.few_.size(), 0);
    merge_others({other.others_.data(), other.others_.size()}, interrupt);
    for (std::size_t days = 1; days < other.few_.size(); ++days)
        few_[days] += other.few_[days];
    total_ = total;
}

// Adds counts of long gaps, ascending, in one walk over both: one by one each would move those behind it.
void GapCounts::merge_others(std::span<const Entry> entries, Interrupt& interrupt) {
    if (entries.empty())
        return;
    WorkMeter meter(interrupt);
    Vector<Entry> merged(others_.get_allocator());
    merged.reserve(others_.size() + entries.size());
    for (const Entry& own : others_) {
        for (; !entries.empty() && entries.front().days < own.days; entries = entries.subspan(1))
            merged.push_back(entries.front());
        merged.push_back(own);
        if (!entries.empty() && entries.front().days == own.days) {
            merged.back().count += entries.front().count;
            entries = entries.subspan(1);
        }
        meter.done(1);
    }
    merged.insert(merged.end(), entries.begin(), entries.end());
    others_.swap(merged);
}

void GapCounts::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, "segment.gap_counts");
    read_header(reader);
    WorkMeter meter(interrupt);
    std::int64_t total = 0;
    GapCounts read(few_.get_allocator().resource());
    for (std::int32_t last = 0; reader.left() != 0;) {
        const auto days = reader.get<std::int32_t>();
        const auto count = reader.get<std::int64_t>();
        reader.require(days > last, "gaps are not in ascending order");
        reader.require(count > 0, "count is not positive");
        reader.require(!__builtin_add_overflow(total, count, &total), "number of gaps is out of range");
        read.add(days, count);  // at the end: constant time
        last = days;
        meter.done(1);
    }
    merge(read, interrupt);
}

std::optional<std::int32_t> GapCounts::percentile(double percentile) const {
    if (!(percentile >= 0 && percentile <= 100))
        throw Error(Errc::kInvalidArgument,
                    std::isfinite(percentile)
                        ? format("percentile must be between 0 and 100, not %g", percentile)
                        : format("percentile must be between 0 and 100, not %s", nonfinite_name(percentile)));
    if (total_ == 0)
        return std::nullopt;
    std::int64_t left = rank_of(percentile, total_);
    std::int32_t found = 0;
    for_each([&](const Entry& entry) {
        found = entry.days;
        left -= entry.count;
        return left > 0;
    });
    return found;
}

std::size_t GapCounts::image_size() const {
    std::size_t entries = 0;
    for_each([&](const Entry&) { return ++entries != 0; });
    return kHeaderSize + entries * kEntrySize;
}

void GapCounts::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(std::uint16_t{0});
    for_each([&](const Entry& entry) {
        writer.put(entry.days);
        writer.put(entry.count);
        meter.done(1);
        return true;
    });
}

}  // namespace seg::core::lifecycle
