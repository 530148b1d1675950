// The ids that at least k of many sets have; with k = 1 their union.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

// Working memory, for a budget.
Bill price_at_least(std::uint64_t sets);

// k >= 1, else kInvalidArgument. A set given twice counts twice. Dictionaries are the caller's business.
// Linear in the ids of the sets; stretches where every set is full or absent count as one chunk.
void at_least(std::span<const SetView> sets, std::int64_t k, SetWriter& out, MemoryResource* memory,
              Interrupt& interrupt);

}  // namespace seg::core::idset
