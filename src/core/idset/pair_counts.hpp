// How many ids two sets share, for every pair of many sets at once: what overlap and flow count. Goes chunk
// by chunk, so that the bitmaps of all sets' chunks stay in cache while each is met by every other.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

class PairCounts {
  public:
    // Which pairs count: split = 0 means each set with each other one; else each of the first `split` sets
    // (one side) with each of the others (the other side).
    PairCounts(std::span<const SetView> sets, std::uint32_t split, MemoryResource* memory,
               Interrupt& interrupt);

    // Memory for so many sets, for a budget: counts, walk, and the bitmaps if all sets have the same chunk.
    static Bill price(std::uint64_t sets, std::uint64_t split);

    // Ids that two sets of a counted pair share; a < b.
    std::uint64_t shared(std::uint32_t a, std::uint32_t b) const { return shared_[place(a, b)]; }
    // With a split: ids of the set that no set of the other side has.
    std::uint64_t outside(std::uint32_t set) const { return outside_[set]; }
    // Without one: ids in any of the sets, at most 2^64.
    unsigned __int128 united() const { return united_; }

  private:
    friend class PairCounter;

    // Pairs with one b are neighbours.
    std::size_t place(std::uint32_t a, std::uint32_t b) const {
        const std::size_t row = b;
        return split_ != 0 ? (row - split_) * split_ + a : row * (row - 1) / 2 + a;
    }

    std::uint32_t split_;
    Vector<std::uint64_t> shared_;
    Vector<std::uint64_t> outside_;
    unsigned __int128 united_ = 0;
};

}  // namespace seg::core::idset
