// The hot loops of k-means, compiled for several instruction sets and chosen at run time. All of them do the
// same operations on the same lanes in the same order (and nothing is contracted into fused multiply-add), so
// the results are the same bits on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/fixed_sum.hpp"

namespace seg::core::clustering {

inline constexpr double kGridStep = 0x1.0p-23;
// Adding and subtracting it rounds to a multiple of the step.
inline constexpr double kGridRounder = 0x1.8p52 * kGridStep;

// Blocks are laid out as in blocks.hpp. T is float or double.
template <typename T>
struct Kernels {
    const char* name;

    // Nearest centre of each row of the blocks: its number into labels, the squared distance into distances
    // (16 each a block) unless those are null. Ties go to the lower number. Centres are k x dimensions.
    void (*assign)(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centres,
                   std::size_t k, std::int32_t* labels, T* distances);

    // The same by products, which is faster and less exact; distances are those to the centres of the labels.
    // half_squares: half the squared length of each centre.
    void (*assign_by_products)(const T* blocks, std::size_t block_count, std::size_t dimensions,
                               const T* centres, const T* half_squares, std::size_t k, std::int32_t* labels,
                               T* distances);

    // As assign, and the squared distance to the nearest other centre (infinity when k is 1) into seconds.
    void (*assign_two)(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centres,
                       std::size_t k, std::int32_t* labels, T* distances, T* seconds);

    // For each of the candidates (rows of dimensions values): adds to potentials[c] the sum over rows of
    // weight * min(distance, squared distance to the candidate).
    void (*potentials)(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* candidates,
                       std::size_t candidate_count, const T* distances, const T* weights, double* potentials);

    // distances = min(distances, squared distance to the centre); the sum of weight * distance of each block
    // into block_sums.
    void (*lower)(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centre,
                  T* distances, const T* weights, double* block_sums);

    // Adds rows, which lie one behind the other, to the sums (k x dimensions) of their labels, each times its
    // weight; all weigh 1 where weights is null.
    void (*add_rows)(const T* rows, std::size_t count, std::size_t dimensions, const std::int32_t* labels,
                     const double* weights, double* sums);

    // Adds to the sum of each feature weight * (value - middle), over a block, and puts into squares the
    // squared distances from the middle; all rows weigh 1 where weights is null.
    void (*add_moments)(const T* block, std::size_t dimensions, const double* weights, const double* middle,
                        const LaneSum<16>::Unit* units, LaneSum<16>* sums, double* squares);

    // Brings values to the grid: (value - origin) * scale, rounded to a multiple of kGridStep. As many
    // origins as values.
    void (*to_grid)(const T* values, std::size_t count, const double* origins, double scale, float* points);
};

// The fastest variant that this machine runs.
template <typename T>
const Kernels<T>& kernels();

// The variant for any machine, for comparison.
template <typename T>
const Kernels<T>& baseline_kernels();

}  // namespace seg::core::clustering
