// How many clusters? Measures of the clusterings with k_min to k_max clusters, and a choice among them.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>

#include "core/base/interrupt.hpp"
#include "core/clustering/kmeans.hpp"

namespace seg::core::clustering {

// Some options of k-means have no place here: centres to start from and bounds on sizes, which belong to one
// number of clusters, and k-prototypes, whose distances noise has no counterpart for.
struct SweepOptions {
    KmeansOptions kmeans;  // k is not looked at
    std::int32_t k_min = 0;
    std::int32_t k_max = 0;
    std::int32_t references = 10;      // sets of uniform noise for the gap statistic; 0: no gap
    std::int32_t replicates = 10;      // halves of the rows for stability; 0: no stability
    std::int32_t train_rows = 50'000;  // rows to train with, a sample if there are more
    std::int32_t sample = 5'000;       // rows for the measures that do not bear all of them

    bool operator==(const SweepOptions&) const = default;
};

inline constexpr std::int32_t kMaxSweepWidth = 1'000;      // k_max - k_min + 1
inline constexpr std::int32_t kMaxRepetitions = 10'000;    // references, replicates
inline constexpr std::int32_t kLeastSweepSample = 100;     // sample
inline constexpr std::int32_t kMostSweepSample = 100'000;  // sample

// Raises Errc::kInvalidArgument for the first option outside its domain.
void validate(const SweepOptions& options);

// What is not defined is NaN.
struct KmeansQuality {
    static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

    std::int32_t k = 0;
    double inertia = kUndefined;
    double silhouette = kUndefined;         // exact, of the sample; not for k = 1
    double calinski_harabasz = kUndefined;  // not for k = 1
    double davies_bouldin = kUndefined;     // not for k = 1
    double bic = kUndefined;                // more is better
    double gap = kUndefined;
    double gap_error = kUndefined;
    double stability = kUndefined;  // not for k = 1
};

// The memory that a sweep needs at the most.
Bill price_sweep(std::uint64_t rows, std::size_t dimensions, const SweepOptions& options);

// The last measures take at most so many rows of the sample.
inline constexpr std::int32_t kRepeatedRows = 1'000;

// Trains k-means for every k from k_min to k_max, or to the number of distinct rows if that is less, and
// measures each. There must be at least one row. The result depends on the multiset of rows and the options
// alone. budget: as for train_kmeans.
//
//   inertia, Calinski-Harabasz, Davies-Bouldin: as in quality.hpp, of the rows trained with; sums are scaled
//     to all rows if these are a sample.
//   bic: of the mixture of k spherical Gaussians of one variance s2 = inertia / (d (n - k)) (Pelleg and
//   Moore,
//     ICML 2000): sum n_i ln(n_i / n) - n d / 2 ln(2 pi s2) - d (n - k) / 2 - (k - 1 + k d + 1) / 2 ln n.
//   silhouette: exact, of the sample, with the labels of the model.
//   gap (Tibshirani, Walther and Hastie, JRSS B 63, 2001): mean of ln W of uniform noise in the range of each
//     feature, less ln W; gap_error: their standard deviation times sqrt(1 + 1 / references).
//   stability: the mean adjusted Rand index between the model's labels and those of a clustering of half of
//     the rows, on that half (after Ben-Hur, Elisseeff and Guyon, PSB 2002).
Vector<KmeansQuality> sweep_kmeans(const GatheredRows& gathered, const SweepOptions& options,
                                   std::uint64_t budget, MemoryResource* memory, Interrupt& interrupt);

// Hubert and Arabie 1985: 1 for equal partitions, about 0 for independent ones. Labels are 0-based.
double adjusted_rand_index(std::span<const std::int32_t> a, std::span<const std::int32_t> b,
                           MemoryResource* memory);

struct ChosenK {
    std::int32_t k = 0;
    std::string reason;
};

// One number of clusters for the measures of several; nothing without any. Never the elbow of the inertia.
//
// 1, if k = 1 was measured and no other k fits clearly better than noise would: the gap nowhere rises above
// that of k = 1 by more than its error and kLeastRise. Else the k that most of three name: the largest
// silhouette, the largest Calinski-Harabasz index, and the gap's rule, the least k whose gap is at least the
// next one less its error. A k whose stability is below kLeastStability is not taken while another of the
// three is stable; ties go to the smaller k. Measures that are not there have no vote.
inline constexpr double kLeastRise = 0.1;
inline constexpr double kLeastStability = 0.75;
std::optional<ChosenK> choose_k(std::span<const KmeansQuality> quality);

// Both in one: what training without a given k does.
std::optional<ChosenK> choose_k_for(const GatheredRows& gathered, const SweepOptions& options,
                                    std::uint64_t budget, MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::clustering
