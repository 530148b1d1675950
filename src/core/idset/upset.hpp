// Exclusive intersections of many sets: for each combination of sets that some id is in, and no other, how
// many such ids there are (the data of an UpSet plot: Lex, Gehlenborg, Strobelt, Vuillemot and Pfister 2014).
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

class Upset {
  public:
    struct Intersection {
        std::uint64_t n;
        std::uint64_t first;  // of its sets in the list of all
        std::uint32_t sets;
    };

    // Time: the ids of all sets, and what the combinations take to sort. Memory: 32 bytes for each
    // combination of some of an id's sets that come first, and then the result.
    Upset(std::span<const SetView> sets, MemoryResource* memory, Interrupt& interrupt);

    // Working memory without the combinations, of which the sets alone do not tell the number.
    static Bill price(std::uint64_t sets);

    // Largest first; then those of fewer sets; then as the lists of sets compare.
    std::span<const Intersection> intersections() const { return {rows_.data(), rows_.size()}; }
    // Ascending.
    std::span<const std::uint32_t> sets(const Intersection& row) const {
        return {members_.data() + row.first, row.sets};
    }

  private:
    friend class UpsetCounter;

    Vector<Intersection> rows_;
    Vector<std::uint32_t> members_;
};

}  // namespace seg::core::idset
