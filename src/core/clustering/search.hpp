// The search for centres: restarts, swaps, halving, or centres that are given; in float or double.
#pragma once

#include <algorithm>

#include "core/clustering/kmeans_options.hpp"
#include "core/clustering/lloyd.hpp"
#include "core/clustering/swap_search.hpp"

namespace seg::core::clustering {

struct SearchResult {
    Candidate best;
    LloydOutcome outcome;
};

// What the search needs to know beside the points.
struct SearchTask {
    const KmeansOptions& options;
    double tol;    // a restart ends when the centres' squared movement is at most tol * total, or, if that is
    double total;  // less, tol * kInertias * inertia; total: the points' sum of squares about their mean
    double length;  // of centres, see Lloyd
    bool swaps;     // try swaps on the best restart: for small inputs
};

// A sum of squares about the mean that is larger than so many times the inertia is due to a few outliers, and
// no measure for the movement of centres.
inline constexpr double kInertias = 8;

// What the tolerance is multiplied by.
inline double movement_unit(double total, double inertia) {
    return std::min(total, kInertias * inertia);
}

// The best of n_init restarts. Ties go to the earlier one.
template <typename T>
SearchResult search_centres(WeightedPoints<T> points, const SearchTask& task, MemoryResource* memory,
                            Interrupt& interrupt);

// k centres by halving: the cluster of the largest sum of squares is divided in two, k - 1 times (bisecting
// k-means: Steinbach, Karypis and Kumar, KDD Workshop on Text Mining 2000). O(points * log(k) * dimensions)
// for balanced clusters, where restarts take O(points * k * dimensions).
template <typename T>
SearchResult halve(WeightedPoints<T> points, const SearchTask& task, MemoryResource* memory,
                   Interrupt& interrupt);

}  // namespace seg::core::clustering
