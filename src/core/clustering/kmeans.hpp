// k-means clustering.
#pragma once

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"
#include "core/clustering/clustering.hpp"

namespace seg::core::clustering {

// A finished model, its clusters ordered by size (largest first, ties by centroid).
struct TrainedKmeans {
    explicit TrainedKmeans(MemoryResource* memory)
        : shift(memory), scale(memory), centres(memory), within_ss(memory), radius(memory), sizes(memory) {}

    TrainingFacts facts;
    Vector<double> shift;
    Vector<double> scale;
    Vector<double> centres;
    Vector<double> within_ss;
    Vector<double> radius;
    Vector<std::int64_t> sizes;

    ClusteringParts parts() const {
        return {facts, view(shift), view(scale), view(centres), view(within_ss), view(radius), view(sizes)};
    }

  private:
    template <typename T>
    static std::span<const T> view(const Vector<T>& values) {
        return {values.data(), values.size()};
    }
};

// The memory that train_kmeans will need at the most.
Bill price_kmeans(std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options);

// Partitions rows into k clusters of least inertia that n_init restarts find: Lloyd's algorithm (IEEE Trans.
// Inf. Theory 1982) from greedy k-means++ seeds (Arthur and Vassilvitskii, SODA 2007; 2 + ln k candidates
// each); a cluster that loses all its rows takes the row farthest from its centre. Equal rows are collapsed
// into weighted points. The result depends on the multiset of rows, the options and nothing else: not on
// their order, nor on the machine's instruction set.
//
// Large inputs iterate in single precision and finish with exact steps in double precision; where single
// precision could have changed the outcome (see kmeans.cpp) everything is done in double.
//
// Errc::kInvalidArgument when there are fewer distinct rows than clusters, kOutOfRange when the rows differ
// by so little that squares underflow. The store must hold at least one row. O(n_init * iterations * rows * k
// * dimensions) time.
TrainedKmeans train_kmeans(const RowStore& rows, std::int64_t skipped, const KmeansOptions& options,
                           MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::clustering
