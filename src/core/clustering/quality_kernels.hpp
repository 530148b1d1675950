// The hot loops of the measures of a labelling, compiled for several instruction sets and chosen at run time,
// like those of kernels.hpp: the same bits on every machine.
#pragma once

#include <cstddef>

namespace seg::core::clustering {

// Blocks are laid out as in blocks.hpp.
struct QualityKernels {
    const char* name;

    // How many queries share the loads of a block.
    static constexpr std::size_t kQueries = 4;

    // Euclidean distances between kQueries queries (rows of dimensions values) and every row of the blocks:
    // adds row weight * distance to the query's 16 lanes of query_sums and, unless that is null, query weight
    // * distance to the row's element of row_sums.
    void (*distance_sums)(const double* queries, const double* query_weights, const double* blocks,
                          std::size_t block_count, std::size_t dimensions, const double* weights,
                          double* query_sums, double* row_sums);

    // distances = min(distances, squared distance to the nearest of the centres), for each row of the blocks.
    void (*least)(const double* blocks, std::size_t block_count, std::size_t dimensions,
                  const double* centres, std::size_t centre_count, double* distances);
};

// The fastest variant that this machine runs, and the one for any machine.
const QualityKernels& quality_kernels();
const QualityKernels& baseline_quality_kernels();

}  // namespace seg::core::clustering
