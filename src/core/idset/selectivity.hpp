// How many of a column's rows have their id in a set, estimated from the column's statistics.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

// A column of ids, as a sample of its rows describes it.
struct ColumnSummary {
    double null_share = 0;  // of the rows
    double distinct = 1;    // estimated number of different ids
    std::span<const std::int64_t> common;
    std::span<const float> common_shares;  // of the rows, one for each common id
    // Ends of buckets that hold equally many of the rows whose id is not common; ascending. May be empty.
    std::span<const std::int64_t> bounds;
};

// The share of all rows, 0 to 1. Common ids are looked up. For the others each bucket counts the set's ids
// between its ends. Where the bucket's ids leave gaps, the set's ids may be ids of the column (as an IN list
// is taken to be) or fall into the gaps; the bounds, being ids of the column themselves, tell which, once the
// set is large enough for some of them to be in it. Linear in the set's chunks.
double share_of_rows(const SetView& set, const ColumnSummary& column, MemoryResource* memory,
                     Interrupt& interrupt);

}  // namespace seg::core::idset
