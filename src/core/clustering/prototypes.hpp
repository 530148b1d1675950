// k-prototypes: clusters of rows that have numeric features and categories (Huang, Data Mining and Knowledge
// Discovery 2, 1998). A centre holds means of the numeric features and the most frequent level of each
// category.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/kmeans_options.hpp"

namespace seg::core::clustering {

struct PrototypesOptions {
    std::int32_t k = 0;
    std::int32_t n_init = 10;
    std::int32_t max_iter = 300;
    double tol = 0;  // a restart stops when all centres' squared movement is at most this (and no mode moves)
    double gamma = 0;  // weight of the categories against squared distance; 0 or less: chosen from the data
    std::int64_t seed = 0;
};

struct Prototypes {
    explicit Prototypes(MemoryResource* memory) : groups(memory), centres(memory) {}

    Vector<CategoryGroup> groups;  // as given, mismatch_cost filled in: 2 * value^2, as in Euclid's square
    Vector<double> centres;       // k x d: means; for a level its share of the cluster's rows times the value
    double gamma = 0;             // the one used
    double cost = 0;              // sum of weight * distance to the own centre
    std::int32_t iterations = 0;  // of the winning restart, and with all rows after a sample
    std::int32_t relocated = 0;   // empty clusters that were given a row, winning restart
    bool converged = false;
};

// The centre's level of a group, counted from the group's first: of the largest share, ties to the lower.
// Row is anything that a feature's number indexes. O(count).
template <typename Row>
std::int32_t mode_of(const Row& centre, const CategoryGroup& group) {
    std::int32_t mode = 0;
    for (std::int32_t level = 1; level < group.count; ++level)
        if (centre[group.first + level] > centre[group.first + mode])
            mode = level;
    return mode;
}

// The row's level of a group, or -1 (which matches no mode) where every feature is 0: a level that training
// did not see.
template <typename Row>
std::int32_t level_of(const Row& row, const CategoryGroup& group) {
    const std::int32_t largest = mode_of(row, group);
    return row[group.first + largest] > 0 ? largest : -1;
}

// Squared distance over the numeric features + gamma * the mismatch costs of the groups whose level is not
// the centre's mode. Groups are in ascending order. Bit for bit what training computed. O(dimensions).
inline double prototype_squared_distance(std::span<const double> features, const double* centre,
                                         std::span<const CategoryGroup> groups, double gamma) {
    double numeric = 0;
    double mismatches = 0;
    std::size_t f = 0;
    const auto add_numeric = [&](std::size_t end) {
        for (; f < end; ++f) {
            const double difference = features[f] - centre[f];
            numeric += difference * difference;
        }
    };
    for (const CategoryGroup& group : groups) {
        add_numeric(static_cast<std::size_t>(group.first));
        if (level_of(features.data(), group) != mode_of(centre, group))
            mismatches += group.mismatch_cost;
        f += static_cast<std::size_t>(group.count);
    }
    add_numeric(features.size());
    return numeric + gamma * mismatches;
}

// Errc::kInvalidArgument when groups are empty, overlap, leave the features or are not in ascending order.
void validate_groups(std::span<const CategoryGroup> groups, std::size_t dimensions);

// The memory that train_prototypes needs at the most besides the rows.
void price_prototypes(Bill& bill, std::uint64_t rows, std::size_t dimensions,
                      std::span<const CategoryGroup> groups, std::size_t k);

// The clustering of least cost that n_init restarts find, each from k-means++ draws in this distance, and for
// small inputs exchanges of single centres; for large ones the restarts are made with a sample and the best
// is iterated with all rows. With no numeric feature this is k-modes, with no group k-means. Assigning the
// rows to the result and taking means and shares gives the result again, if it converged. It depends on the
// rows and options only, not on the machine.
//
// gamma chosen from the data is half the mean standard deviation of the numeric features (each with divisor
// n), Huang's suggestion as it is usually implemented; 1 where that is 0 or there is no numeric feature.
//
// Errc::kInvalidArgument for wrong groups or fewer points than clusters, kBadData for a row that is not
// one-hot over a group. O(n_init * iterations * points * k * (numeric features + groups)) time, for large
// inputs O(iterations * points * k * (numeric features + groups)).
Prototypes train_prototypes(const DistinctRows& rows, std::span<const CategoryGroup> groups,
                            const PrototypesOptions& options, MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::clustering
