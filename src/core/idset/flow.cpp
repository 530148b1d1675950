#include "core/idset/flow.hpp"

namespace seg::core::idset {

Flow::Flow(std::span<const SetView> sets, std::uint32_t split, MemoryResource* memory, Interrupt& interrupt)
    : sets_(sets),
      split_(split),
      counts_(one_sided() ? std::span<const SetView>() : sets, one_sided() ? 0 : split, memory, interrupt) {}

Bill Flow::price(std::uint64_t before, std::uint64_t after) {
    return before == 0 || after == 0 ? PairCounts::price(0, 0) : PairCounts::price(before + after, before);
}

}  // namespace seg::core::idset
