// What a k-means run was asked to do.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace seg::core::clustering {

enum class Algorithm : std::uint8_t {
    kKmeans = 0,      // Lloyd's iterations from k-means++ seeds
    kBisecting = 1,   // clusters are halved until there are k
    kPrototypes = 2,  // k-prototypes: numbers and categories
};

enum class Measure : std::uint8_t {
    kEuclidean = 0,
    kCosine = 1,  // rows are brought to length 1: spherical k-means
};

enum class Standardize : std::uint8_t {
    kNone = 0,    // features as they come
    kZscore = 1,  // (x - mean) / population standard deviation
    kRobust = 2,  // (x - median) / (0.7413 * interquartile range)
    kMinmax = 3,  // (x - least) / (greatest - least)
};

// A category as a run of one-hot features: in each row one of them is a positive value, the same in all rows,
// and the others are 0. Features outside every group are numeric.
struct CategoryGroup {
    std::int32_t first = 0;    // 0-based feature
    std::int32_t count = 0;    // levels, at least 1
    double mismatch_cost = 1;  // what another level than the centre's adds to the sum that gamma multiplies

    bool operator==(const CategoryGroup&) const = default;
};

// Rows that a model or a state may count: as weights, doubles, they are exact, too.
inline constexpr std::int64_t kMostRows = std::int64_t{1} << 53;

// Of more values an input is large: fewer are worked through in double precision and to the end at next to no
// cost.
inline constexpr std::uint64_t kLargeInput = 262'144;
constexpr bool is_large(std::uint64_t rows, std::size_t dimensions) {
    return rows * dimensions > kLargeInput;
}

// No tolerance given: small inputs run until no row changes its cluster, large ones to kLargeInputTol.
inline constexpr double kAutomaticTol = -1;
inline constexpr double kLargeInputTol = 1e-4;
// No weight of a mismatch given: half the mean standard deviation of the numeric features.
inline constexpr double kAutomaticGamma = -1;

struct KmeansOptions {
    std::int32_t k = 0;
    std::int32_t n_init = 10;     // restarts; the one with the least inertia wins
    std::int32_t max_iter = 300;  // Lloyd iterations of one restart
    double tol = kAutomaticTol;   // stop when centres would move, squared, by at most tol * mean variance
                                  // within clusters
    std::int64_t seed = 0;
    Standardize standardize = Standardize::kNone;
    Algorithm algorithm = Algorithm::kKmeans;
    Measure measure = Measure::kEuclidean;
    bool weighted = false;      // rows carry a weight after their features
    std::int64_t min_size = 0;  // rows a cluster must have
    std::int64_t max_size = 0;  // rows a cluster may have; 0: any number
    std::int32_t order_by =
        0;  // numbers of clusters by size (0), or by this feature, 1-based; < 0: descending
    double gamma = kAutomaticGamma;  // k-prototypes: what a mismatch costs

    // Views of memory that somebody else keeps.
    std::span<const CategoryGroup> groups;  // k-prototypes: ascending, not overlapping
    std::span<const double> init;           // k x dimensions centres to start from, in units of the input

    bool operator==(const KmeansOptions& other) const;
};

inline constexpr std::int32_t kMaxClusters = 1'000'000;
inline constexpr std::int32_t kMaxDimensions = 16'000;
inline constexpr std::int32_t kMaxRestarts = 10'000;

// Raises Errc::kInvalidArgument for the first option outside its domain.
void validate(const KmeansOptions& options);
// The same for what depends on the number of features.
void validate(const KmeansOptions& options, std::size_t dimensions);

Algorithm algorithm_named(std::string_view name);
const char* name_of(Algorithm algorithm);
Measure measure_named(std::string_view name);
const char* name_of(Measure measure);
Standardize standardize_named(std::string_view name);
const char* name_of(Standardize standardize);

}  // namespace seg::core::clustering
