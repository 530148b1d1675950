// The rows of a store in an order that depends on their contents only, equal rows collapsed.
#pragma once

#include "core/base/interrupt.hpp"
#include "core/clustering/blocks.hpp"
#include "core/clustering/row_table.hpp"

namespace seg::core::clustering {

// Distinct rows with their multiplicities, or the sums of their weights. Whatever is computed from them in
// index order is the same for any order of arrival, plan, or number of workers. -0.0 counts as 0.0. The order
// is that of a hash, so that a first part of the rows is a random sample.
struct DistinctRows {
    Blocks<double> points;
    Vector<double> weights;  // what each point stands for; zero for the padding lanes
};

// Sorts by a 64-bit content hash (radix over its upper half, ties by comparing contents) and collapses
// duplicates. O(rows * dimensions) time; needs 16 bytes a row
// besides the points.
DistinctRows distinct_rows(const RowTable& rows, MemoryResource* memory, Interrupt& interrupt);

// What distinct_rows allocates at the most.
void price_distinct_rows(Bill& bill, std::uint64_t rows, std::size_t dimensions);

}  // namespace seg::core::clustering
