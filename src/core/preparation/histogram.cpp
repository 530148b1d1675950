#include "core/preparation/histogram.hpp"

#include <algorithm>
#include <bit>

namespace seg::core::preparation {
namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
constexpr int kFirstSlotBits = 4;

}  // namespace

std::uint64_t Histogram::key_of(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x + 0.0);
    return (bits & kSignBit) != 0 ? ~bits : bits | kSignBit;
}

double Histogram::number_of(std::uint64_t key) {
    return std::bit_cast<double>((key & kSignBit) != 0 ? key & ~kSignBit : ~key);
}

std::size_t Histogram::slot_of(std::uint64_t prefix) const {
    return static_cast<std::size_t>(prefix * 0x9e3779b97f4a7c15 >> (64 - slot_bits_));
}

void Histogram::add(double x) {
    if (size_ == 0)
        minimum_ = maximum_ = x + 0.0;
    minimum_ = std::min(minimum_, x + 0.0);
    maximum_ = std::max(maximum_, x + 0.0);
    count(key_of(x) >> shift_, 1);
}

void Histogram::count(std::uint64_t prefix, std::int64_t rows) const {
    if (4 * size_ >= 3 * slots_.size())
        grow();
    std::size_t slot = slot_of(prefix);
    while (slots_[slot].count != 0 && slots_[slot].prefix != prefix)
        slot = (slot + 1) & (slots_.size() - 1);
    if (slots_[slot].count != 0) {
        slots_[slot].count += rows;
        return;
    }
    slots_[slot] = {prefix, rows};
    if (++size_ == kCrowded)
        coarsen(0);
}

void Histogram::grow() const {
    Vector<Bin> old(slots_.get_allocator());
    old.resize(std::size_t{1} << std::max(kFirstSlotBits, slot_bits_ + 1), Bin{0, 0});
    old.swap(slots_);
    slot_bits_ = std::max(kFirstSlotBits, slot_bits_ + 1);
    size_ = 0;
    for (const Bin& bin : old)
        if (bin.count != 0)
            count(bin.prefix, bin.count);
}

// To the least shift that is allowed, or at_least this one. Neighbours in sorted order share a bin once all
// bits in which they differ are dropped, and every bin of the new shift holds whole bins of the old one.
void Histogram::coarsen(int at_least) const {
    const Vector<Bin> sorted = sorted_slots(slots_.get_allocator().resource());
    std::size_t parted_by[65] = {};  // pairs of neighbours by their highest different bit, counted from 1
    for (std::size_t i = 1; i < sorted.size(); ++i)
        ++parted_by[std::bit_width(sorted[i].prefix ^ sorted[i - 1].prefix)];
    std::size_t occupied = sorted.size();
    int more = 0;
    while (occupied > kMaxBins || shift_ + more < at_least)
        occupied -= parted_by[++more];
    std::fill(slots_.begin(), slots_.end(), Bin{0, 0});
    size_ = 0;
    shift_ += more;
    for (const Bin& bin : sorted)
        count(bin.prefix >> more, bin.count);
}

Vector<Histogram::Bin> Histogram::sorted_slots(MemoryResource* memory) const {
    Vector<Bin> sorted(memory);
    sorted.reserve(size_);
    for (const Bin& bin : slots_)
        if (bin.count != 0)
            sorted.push_back(bin);
    std::sort(sorted.begin(), sorted.end(), [](const Bin& a, const Bin& b) { return a.prefix < b.prefix; });
    return sorted;
}

Vector<Histogram::Bin> Histogram::bins(MemoryResource* memory) const {
    settle();
    return sorted_slots(memory);
}

void Histogram::merge(const Histogram& other) {
    if (other.size_ == 0)
        return;
    const Vector<Bin> theirs = other.bins(slots_.get_allocator().resource());
    merge_bins({theirs.data(), theirs.size()}, other.shift(), other.minimum_, other.maximum_);
}

void Histogram::merge_bins(std::span<const Bin> more, int shift, double minimum, double maximum) {
    if (more.empty())
        return;
    minimum_ = size_ == 0 ? minimum : std::min(minimum_, minimum);
    maximum_ = size_ == 0 ? maximum : std::max(maximum_, maximum);
    if (shift > shift_)
        coarsen(shift);
    for (const Bin& bin : more)
        count(bin.prefix >> (shift_ - shift), bin.count);
}

double Histogram::limited(double x) const {
    return std::clamp(x, minimum_, maximum_);
}

double Histogram::value_of(std::uint64_t prefix) const {
    return limited(shift_ == 0 ? number_of(prefix)
                               : number_of(prefix << shift_ | std::uint64_t{1} << (shift_ - 1)));
}

double Histogram::least_of(std::uint64_t prefix) const {
    return limited(number_of(prefix << shift_));
}

double Histogram::greatest_of(std::uint64_t prefix) const {
    return limited(number_of(prefix << shift_ | ((std::uint64_t{1} << shift_) - 1)));
}

}  // namespace seg::core::preparation
