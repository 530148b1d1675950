// Sorting many 64-bit numbers, and dropping repeats.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

namespace seg::core::idset {

// Sorts ascending. Linear: one pass per byte in which the values differ, least significant first, with as
// much scratch memory as there are values; already ascending input costs one look.
void sort_ids(std::span<std::uint64_t> values, MemoryResource* memory, Interrupt& interrupt);

// Keeps the first of each group of equal neighbours; the new size.
std::size_t drop_repeats(std::span<std::uint64_t> values);

}  // namespace seg::core::idset
