// Least and greatest sizes of clusters: prices that are added to squared distances.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/clustering/distinct_rows.hpp"

namespace seg::core::clustering {

// How many rows a cluster may have; 0 means no bound.
struct SizeBounds {
    std::int64_t min_size = 0;
    std::int64_t max_size = 0;

    bool any() const { return min_size > 0 || max_size > 0; }
};

struct ConstrainedClusters {
    explicit ConstrainedClusters(MemoryResource* memory) : centres(memory), offsets(memory), sizes(memory) {}

    Vector<double> centres;      // k x d
    Vector<double> offsets;      // k: added to the squared distance when rows are assigned; the least is 0
    Vector<std::int64_t> sizes;  // k: rows
    double inertia = 0;          // sum of weight * squared distance to the own centre, without offsets
    std::int32_t rounds = 0;     // how often centres were moved to the means of their rows
    bool stable = false;         // the centres are the means of their rows
    bool satisfied = false;      // every size is within the bounds
    std::int64_t violation = 0;  // by how many rows the worst cluster misses its bound
};

// Errc::kInvalidArgument, naming the numbers, when no partition of so many rows into k clusters can keep the
// bounds, or they are negative or contradict each other.
void validate_bounds(const SizeBounds& bounds, std::uint64_t rows, std::int32_t k);

// The memory that constrain_sizes will need at the most besides the rows.
void price_constraints(Bill& bill, std::uint64_t rows, std::size_t dimensions, std::size_t k);

// Moves trained centres so that sizes keep the bounds. Rows go to the centre of least squared distance plus
// the centre's offset, ties to the lower number, the squares summed feature by feature as by the kernels; the
// partitions of least inertia under given sizes are of this form (Aurenhammer, Hoffmann and Aronov,
// Algorithmica 20, 1998). Offsets are found by coordinate ascent on the dual problem and made exact by moves
// along shortest paths between clusters, then centres go to the means of their rows, alternately until both
// stay or for a bounded number of rounds; the best state seen is returned. Where the centres keep the bounds
// as they are, they are returned unchanged with offsets of 0.
//
// A point that stands for many equal rows, and points exactly as near to two clusters, cannot be divided;
// then the bounds are kept as nearly as the search finds and `violation` tells. Depends on the rows and the
// arguments only.
ConstrainedClusters constrain_sizes(const DistinctRows& rows, std::span<const double> centres,
                                    const SizeBounds& bounds, MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::clustering
