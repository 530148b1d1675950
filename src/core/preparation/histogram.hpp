// How often a column took which values, in bounded memory and independently of the order of rows.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

namespace seg::core::preparation {

// Counts values by their bits, put in the order of the numbers, less the lowest shift() of them. The shift
// starts at 0 and is always the least for which at most kMaxBins bins are occupied. That depends on the set
// of values alone, and so does the histogram, however its values arrived and were merged. Up to kMaxBins
// different values it is exact.
class Histogram {
  public:
    static constexpr std::size_t kMaxBins = 65'536;

    struct Bin {
        std::uint64_t prefix;
        std::int64_t count;
    };

    explicit Histogram(MemoryResource* memory) : slots_(memory) {}

    // x is finite; -0.0 counts as 0.0.
    void add(double x);
    void merge(const Histogram& other);
    // Bins as bins() gives them, of a histogram with this shift and these extremes.
    void merge_bins(std::span<const Bin> bins, int shift, double minimum, double maximum);

    std::size_t size() const {  // occupied bins
        settle();
        return size_;
    }
    int shift() const {
        settle();
        return shift_;
    }
    double minimum() const { return minimum_; }  // exact, once there is a value
    double maximum() const { return maximum_; }

    // The occupied bins in the order of the numbers.
    Vector<Bin> bins(MemoryResource* memory) const;

    // The middle of a bin, within the extremes; the value itself while the shift is 0.
    double value_of(std::uint64_t prefix) const;
    // The least and the greatest value of a bin, within the extremes.
    double least_of(std::uint64_t prefix) const;
    double greatest_of(std::uint64_t prefix) const;

    static std::uint64_t key_of(double x);
    static double number_of(std::uint64_t key);

  private:
    // While it gathers, some more bins may be occupied, or each new value could mean to sort them all. The
    // least shift can be found from any smaller one, so nothing that can be seen depends on when that is
    // done.
    static constexpr std::size_t kCrowded = kMaxBins + kMaxBins / 2;

    void count(std::uint64_t prefix, std::int64_t rows) const;
    void grow() const;
    void settle() const {
        if (size_ > kMaxBins)
            coarsen(0);
    }
    void coarsen(int at_least) const;
    Vector<Bin> sorted_slots(MemoryResource* memory) const;
    std::size_t slot_of(std::uint64_t prefix) const;
    double limited(double x) const;

    mutable Vector<Bin> slots_;  // a hash table, count 0 where empty
    mutable std::size_t size_ = 0;
    mutable int slot_bits_ = 0;
    mutable int shift_ = 0;
    double minimum_ = 0;
    double maximum_ = 0;
};

}  // namespace seg::core::preparation
