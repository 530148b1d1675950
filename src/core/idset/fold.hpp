// Many sets into one by intersection or symmetric difference: the states of those aggregates. (Unions go to a
// SetBuilder.)
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_image.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

// Sets wait until there are many of them, or many bytes; then they are intersected from the smallest on,
// until nothing is left.
class IntersectionFold {
  public:
    explicit IntersectionFold(MemoryResource* memory) : memory_(memory), waiting_(memory) {}

    // Known to be empty: sets of the same dictionary cannot change that.
    bool empty() const { return empty_; }
    void add(const SetView& set, Interrupt& interrupt);
    // As if a set of this summary that shares nothing with the others had been added.
    bool misses(const SetSummary& set) const;
    void add_disjoint(const SetSummary& set);

    std::int64_t cardinality(Interrupt& interrupt);
    std::uint64_t image_size(Interrupt& interrupt);
    void write_image(std::span<std::byte> image, Interrupt& interrupt);

  private:
    void fold(Interrupt& interrupt);
    void become_empty();

    MemoryResource* memory_;
    Vector<SetImage> waiting_;
    std::uint64_t waiting_bytes_ = 0;
    std::int64_t lowest_ = INT64_MIN;  // bounds of what can be left
    std::int64_t highest_ = INT64_MAX;
    std::uint32_t dictionary_ = 0;
    bool any_ = false;
    bool empty_ = false;
};

// Sets are combined with others of the same number of sets behind them, as in a binary counter, so that each
// is read once per doubling of their number.
class DifferenceFold {
  public:
    explicit DifferenceFold(MemoryResource* memory) : memory_(memory), levels_(memory) {}

    void add(const SetView& set, Interrupt& interrupt);
    std::uint64_t image_size(Interrupt& interrupt);
    void write_image(std::span<std::byte> image, Interrupt& interrupt);

  private:
    struct Level {
        SetImage image;
        std::uint64_t sets;
    };

    void join_last_two(Interrupt& interrupt);
    void fold(Interrupt& interrupt);

    MemoryResource* memory_;
    Vector<Level> levels_;
};

}  // namespace seg::core::idset
