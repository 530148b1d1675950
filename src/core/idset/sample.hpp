// A random sample of a set's ids.
#pragma once

#include <cstdint>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

// count distinct ids, each subset of that size being equally likely; all of them when there are not more. The
// same set, count and seed give the same sample. Floyd's algorithm (Bentley and Floyd 1987) on positions;
// time O(min(count, cardinality - count)) and the chunks.
void sample(const SetView& set, std::int64_t count, std::uint64_t seed, SetWriter& out,
            MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::idset
