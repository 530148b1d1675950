// The values at given ranks of several unsorted lists, found together in a few passes over rows that are
// never copied.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "core/base/memory.hpp"

namespace seg::core::rfm {

// Doubles as integers of the same order; both zeros are the same one. Not for NaN.
inline std::uint64_t sort_key(double value) {
    const auto bits = std::bit_cast<std::int64_t>(value + 0.0);
    return static_cast<std::uint64_t>(bits ^ ((bits >> 63) | INT64_MIN));
}
inline double value_of_key(std::uint64_t key) {
    const bool negative = key >> 63 == 0;
    return std::bit_cast<double>(negative ? ~key : key ^ (std::uint64_t{1} << 63));
}

// Radix selection. A pass over all rows either counts, for every interval of keys that holds a wanted rank,
// how many rows fall into each of its equal parts, which are the next intervals; or it collects the rows of
// all intervals and sorts them, once they are few. So:
//
//   RankSelect select(sizes, memory);
//   select.want(list, rank); ...
//   for (select.begin(); !select.finished(); select.finish_pass())
//       for each list: select.add(list, count, key_of);
//   select.value(list, rank) ...
//
// Integers up to 4,095 take one pass, most other numbers two or three.
class RankSelect {
  public:
    // sizes: the number of rows in each list, fewer than kMaxRows; must outlive the object.
    RankSelect(std::span<const std::uint64_t> sizes, MemoryResource& memory);

    // Asks for the value at a rank, from 1, of the list sorted ascending. At most 10,000 different ones.
    void want(std::uint32_t list, std::uint64_t rank) { targets_.push_back({list, rank, 0}); }

    // Nothing more is wanted. The first form is for up to three lists of any keys; the second one needs to
    // know that all keys lie between the two.
    void begin();
    void begin(std::uint64_t lowest_key, std::uint64_t highest_key);
    bool finished() const { return intervals_.empty(); }

    // Rows of a list, their keys being key_of(0) to key_of(count - 1).
    template <typename KeyOf>
    void add(std::uint32_t list, std::size_t count, const KeyOf& key_of) {
        const std::uint32_t first = list_starts_[list];
        const std::uint32_t end = list_starts_[list + 1];
        if (first == end)
            return;
        switch (pass_) {
            case Pass::kWindow:
                count_in_window(intervals_[first], count, key_of);
                break;
            case Pass::kCount:
                for_each_hit(first, end, count, key_of, [](Interval& interval, std::uint64_t offset) {
                    ++interval.counters[offset >> interval.shift];
                    interval.any |= offset;
                    interval.every &= offset;
                });
                break;
            case Pass::kCollect:
                for_each_hit(first, end, count, key_of, keep);
        }
    }
    void finish_pass();

    // An answer; the rank must have been wanted.
    double value(std::uint32_t list, std::uint64_t rank) const;

    static constexpr std::uint64_t kMaxRows = UINT32_MAX;

  private:
    enum class Pass { kWindow, kCount, kCollect };

    // The first pass over keys of which nothing is known: doubles from 2^-4 to 2^28, where measures of
    // customers are, in steps of 2^-11 of their size, and one part each for what is beyond.
    static constexpr unsigned kWindowShift = 52 - 11;
    static constexpr std::size_t kWindowParts = std::size_t{32} << 11;
    static constexpr std::uint64_t kWindowFirst = (std::uint64_t{0x8000 + ((1023 - 4) << 4)}) << 48;
    static constexpr std::uint64_t kWindowLast =
        kWindowFirst + ((std::uint64_t{kWindowParts} - 1) << kWindowShift);

    static constexpr std::size_t kCounters = 3 * kWindowParts;  // 768 KB
    static constexpr std::size_t kKeys = 32768;                 // 256 KB

    struct Target {
        std::uint32_t list;
        std::uint64_t rank;
        std::uint64_t key;

        bool operator<(const Target& other) const {
            return list != other.list ? list < other.list : rank < other.rank;
        }
        bool operator==(const Target& other) const { return list == other.list && rank == other.rank; }
    };

    // The keys from base to base + span.
    struct Interval {
        std::uint64_t base;
        std::uint64_t span;
        std::uint64_t below;  // rows of the list before base
        std::uint64_t rows;   // rows in the interval
        std::uint32_t list;
        std::uint32_t first_target;
        std::uint32_t end_target;
        // This pass:
        unsigned shift = 0;                 // a part is so many bits wide
        std::uint32_t* counters = nullptr;  // rows in each part
        std::uint64_t any = 0;              // bits set in some offset from base,
        std::uint64_t every = 0;            // and in all of them
        std::uint64_t* keys = nullptr;      // or the keys
        std::uint64_t* end = nullptr;       // and where the next one goes
    };

    template <typename KeyOf>
    static void count_in_window(Interval& interval, std::size_t count, const KeyOf& key_of) {
        std::uint32_t* counters = interval.counters;
        std::uint64_t any = interval.any;
        std::uint64_t every = interval.every;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t offset = std::clamp(key_of(i), kWindowFirst, kWindowLast) - kWindowFirst;
            ++counters[offset >> kWindowShift];
            any |= offset;
            every &= offset;
        }
        interval.any = any;
        interval.every = every;
    }

    // Finds the interval that each key may be in: the last one that does not begin after it. Without
    // branches, because nobody can predict them.
    template <typename KeyOf, typename Hit>
    void for_each_hit(std::uint32_t first, std::uint32_t end, std::size_t count, const KeyOf& key_of,
                      const Hit& hit) {
        const std::uint64_t* bases = &bases_[first];
        Interval* intervals = &intervals_[first];
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t key = key_of(i);
            std::size_t found = 0;
            for (std::size_t other = 1; other < end - first; ++other)
                found += key >= bases[other];
            const std::uint64_t offset = key - bases[found];
            if (offset <= intervals[found].span)
                hit(intervals[found], offset);
        }
    }
    static void keep(Interval& interval, std::uint64_t offset);

    // What a counter counts.
    struct Part {
        std::uint64_t base;
        std::uint64_t span;
        bool equal;  // as wide as the others
    };

    void make_intervals(std::uint64_t base, std::uint64_t span);
    void start_pass();
    void share_counters();
    void share_keys(std::uint64_t rows);
    Part part_of(const Interval& interval, std::uint64_t number) const;
    void split(const Interval& interval);
    void sort_collected(const Interval& interval);

    std::span<const std::uint64_t> sizes_;
    Pass pass_ = Pass::kCount;
    Vector<Target> targets_;
    Vector<Interval> intervals_;  // by list, then base
    Vector<std::uint64_t> bases_;
    Vector<Interval> next_;
    Vector<std::uint32_t> list_starts_;  // in intervals_
    Vector<std::uint32_t> counters_;
    Vector<std::uint64_t> keys_;
};

}  // namespace seg::core::rfm
