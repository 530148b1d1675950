// How much each two of many named sets overlap.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/idset/pair_counts.hpp"

namespace seg::core::idset {

struct Overlap {
    std::int64_t n_a;
    std::int64_t n_b;
    std::int64_t n_ab;
    double n;  // ids in any of the sets

    // Shared ids among the ids of either; nothing for two empty sets (Jaccard 1901).
    std::optional<double> jaccard() const {
        const auto either = static_cast<std::uint64_t>(n_a) + static_cast<std::uint64_t>(n_b) -
                            static_cast<std::uint64_t>(n_ab);
        if (either == 0)
            return std::nullopt;
        return static_cast<double>(n_ab) / static_cast<double>(either);
    }
    // Shared ids against as many as there would be if the two were independent of each other; nothing when
    // one is empty (Brin, Motwani, Ullman and Tsur 1997: interest).
    std::optional<double> lift() const {
        if (n_a == 0 || n_b == 0)
            return std::nullopt;
        return static_cast<double>(n_ab) * n / (static_cast<double>(n_a) * static_cast<double>(n_b));
    }
};

class Overlaps {
  public:
    Overlaps(std::span<const SetView> sets, MemoryResource* memory, Interrupt& interrupt)
        : sets_(sets), counts_(sets, 0, memory, interrupt) {}

    static Bill price(std::uint64_t sets) { return PairCounts::price(sets, 0); }

    // a < b.
    Overlap of(std::uint32_t a, std::uint32_t b) const {
        return {sets_[a].cardinality(), sets_[b].cardinality(),
                static_cast<std::int64_t>(counts_.shared(a, b)), static_cast<double>(counts_.united())};
    }

    // Calls visit(a, b, overlap) for each pair, ascending by a, then b.
    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (std::uint32_t a = 0; a < sets_.size(); ++a)
            for (std::uint32_t b = a + 1; b < sets_.size(); ++b)
                visit(a, b, of(a, b));
    }

  private:
    std::span<const SetView> sets_;
    PairCounts counts_;
};

}  // namespace seg::core::idset
