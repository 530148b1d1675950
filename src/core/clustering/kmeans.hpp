// k-means clustering.
#pragma once

#include <limits>

#include "core/base/interrupt.hpp"
#include "core/clustering/clustering.hpp"
#include "core/clustering/row_table.hpp"

namespace seg::core::clustering {

// A finished model.
struct TrainedKmeans {
    explicit TrainedKmeans(MemoryResource* memory)
        : shift(memory),
          scale(memory),
          centres(memory),
          within_ss(memory),
          radius(memory),
          scatter(memory),
          silhouette(memory),
          offset(memory),
          weight(memory),
          sizes(memory),
          groups(memory) {}

    TrainingFacts facts;
    Vector<double> shift;
    Vector<double> scale;
    Vector<double> centres;
    Vector<double> within_ss;
    Vector<double> radius;
    Vector<double> scatter;
    Vector<double> silhouette;
    Vector<double> offset;
    Vector<double> weight;
    Vector<std::int64_t> sizes;
    Vector<CategoryGroup> groups;

    ClusteringParts parts() const;
};

// Rows that were gathered for training.
struct GatheredRows {
    RowTable rows;
    std::int64_t seen;          // rows offered; the table stands for fewer when it is a sample
    std::int64_t skipped;       // rows that could not be used
    std::uint64_t divisor = 1;  // of the sample: rows whose content hash is below 2^64 / divisor
};

// The least memory that train_kmeans needs for so many rows if none is to be left out.
Bill price_kmeans(std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options);

// Partitions rows into k clusters of least inertia that n_init restarts find: Lloyd's algorithm (IEEE Trans.
// Inf. Theory 1982) from greedy k-means++ seeds (Arthur and Vassilvitskii, SODA 2007; 2 + ln k candidates
// each); a cluster that loses all its rows takes the row farthest from its centre. Equal rows are collapsed
// into weighted points. The result depends on the multiset of rows, the options and nothing else: not on
// their order, nor on the machine's instruction set.
//
// Large inputs search in a sample and go on from there with all rows, in single precision on a grid that
// keeps sums exact; where that could have changed the outcome (see kmeans.cpp) everything is done in double.
// What the model says of its rows is computed in double precision in any case.
//
// With more rows than fit the budget (bytes, beside the store), centres come from as many as do, those with
// the least content hash; sizes and sums are still those of all rows in the store.
//
// Clusters are numbered by size, largest first, or by a feature; those from given centres keep their numbers.
//
// Errc::kInvalidArgument when there are fewer distinct rows than clusters, kOutOfRange when the rows differ
// by so little that squares underflow, kTooBig when not even a sample fits. The store must hold at least one
// row. O(n_init * iterations * rows * k * dimensions) time.
TrainedKmeans train_kmeans(const GatheredRows& gathered, const KmeansOptions& options, std::uint64_t budget,
                           MemoryResource* memory, Interrupt& interrupt);

// The same for a store that has all the rows, with no limit to memory.
inline TrainedKmeans train_kmeans(const RowStore& rows, std::int64_t skipped, const KmeansOptions& options,
                                  MemoryResource* memory, Interrupt& interrupt) {
    return train_kmeans({{rows, {}, options.weighted}, static_cast<std::int64_t>(rows.size()), skipped},
                        options, std::numeric_limits<std::uint64_t>::max(), memory, interrupt);
}

}  // namespace seg::core::clustering
