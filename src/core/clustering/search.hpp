// The search for centres: restarts and their recombination, or halving; in float or double.
#pragma once

#include <algorithm>

#include "core/clustering/kmeans_options.hpp"
#include "core/clustering/lloyd.hpp"
#include "core/clustering/recombination.hpp"

namespace seg::core::clustering {

struct SearchResult {
    Candidate best;
    LloydOutcome outcome;
};

// What is done beside restarts.
enum class Effort : std::uint8_t {
    kRestarts,    // nothing
    kRecombined,  // they are recombined for as long as they took
    kThorough,    // they are recombined until that brings nothing, or for long
};

// What the search needs to know beside the points.
struct SearchTask {
    const KmeansOptions& options;
    double tol;          // iterations end when the centres' squared movement is at most tol * movement_unit()
    double settled_tol;  // the same for the last ones of a thorough search
    double total;        // the points' sum of squares about their mean
    double length;       // of centres, see Lloyd
    Effort effort;
};

// What the tolerance is multiplied by: the points' sum of squares about their mean, unless that is so much
// more than the inertia that it is due to a few outliers. As a step that moves k x dimensions values by m in
// all lowers the inertia by some m * points / k, more values allow for more.
inline double movement_unit(double total, double inertia, std::size_t values) {
    return std::min(total, std::max(8.0, static_cast<double>(values) / 8) * inertia);
}

// The best of n_init restarts and of what recombining them brings. Ties go to the earlier one.
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
