// Who went from which set to which: the links of a Sankey diagram.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/idset/pair_counts.hpp"

namespace seg::core::idset {

// Ids in a set of before and a set of after. Nothing stands for "in none of that side's sets".
struct FlowLink {
    std::optional<std::uint32_t> before;
    std::optional<std::uint32_t> after;
    std::int64_t n;
};

class Flow {
  public:
    // The first `split` sets are those of before, the others those of after.
    Flow(std::span<const SetView> sets, std::uint32_t split, MemoryResource* memory, Interrupt& interrupt);

    static Bill price(std::uint64_t before, std::uint64_t after);

    // Calls visit(link) for each link that has ids, ascending by before, then after, "none" last. Indices
    // are those of the sets that were given.
    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (std::uint32_t before = 0; before < split_; ++before) {
            for (std::uint32_t after = split_; after < sets_.size(); ++after)
                if (const std::uint64_t n = counts_.shared(before, after))
                    visit(FlowLink{before, after, static_cast<std::int64_t>(n)});
            if (const std::uint64_t n = outside(before))
                visit(FlowLink{before, std::nullopt, static_cast<std::int64_t>(n)});
        }
        for (std::uint32_t after = split_; after < sets_.size(); ++after)
            if (const std::uint64_t n = outside(after))
                visit(FlowLink{std::nullopt, after, static_cast<std::int64_t>(n)});
    }

  private:
    // Where a side has no sets, there is nothing to count.
    bool one_sided() const { return split_ == 0 || split_ == sets_.size(); }
    std::uint64_t outside(std::uint32_t set) const {
        return one_sided() ? static_cast<std::uint64_t>(sets_[set].cardinality()) : counts_.outside(set);
    }

    std::span<const SetView> sets_;
    std::uint32_t split_;
    PairCounts counts_;
};

}  // namespace seg::core::idset
