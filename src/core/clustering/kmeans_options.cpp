#include "core/clustering/kmeans_options.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/base/error.hpp"

namespace seg::core::clustering {
namespace {

void require(bool condition, const std::string& message) {
    if (!condition)
        throw Error(Errc::kInvalidArgument, message);
}

// The value of that name among the names of an option's values.
template <typename Value, std::size_t N>
Value named(std::string_view name, const char* option, const char* const (&names)[N]) {
    std::string valid;
    for (std::size_t i = 0; i < N; ++i) {
        if (name == names[i])
            return static_cast<Value>(i);
        valid += (i == 0 ? "\"" : i + 1 == N ? " and \"" : ", \"") + std::string(names[i]) + "\"";
    }
    throw Error(
        Errc::kInvalidArgument,
        format("unrecognized value for \"%s\": \"%.*s\"", option, static_cast<int>(name.size()), name.data()),
        {}, "Valid values are " + valid + ".");
}

constexpr const char* kAlgorithms[] = {"kmeans", "bisecting", "kprototypes"};
constexpr const char* kMeasures[] = {"euclidean", "cosine"};
constexpr const char* kStandardizes[] = {"none", "zscore", "robust", "minmax"};

void validate_sizes(const KmeansOptions& options) {
    require(options.min_size >= 0, format("\"min_size\" must not be negative, as %lld is",
                                          static_cast<long long>(options.min_size)));
    require(options.max_size >= 0, format("\"max_size\" must not be negative, as %lld is",
                                          static_cast<long long>(options.max_size)));
    require(options.max_size == 0 || options.min_size <= options.max_size,
            format("\"min_size\" must not be greater than \"max_size\", as %lld and %lld are",
                   static_cast<long long>(options.min_size), static_cast<long long>(options.max_size)));
}

void validate_groups(const KmeansOptions& options) {
    require(options.groups.empty() || options.algorithm == Algorithm::kPrototypes,
            "\"categories\" are for \"algorithm\" \"kprototypes\" only");
    std::int64_t next = 0;
    for (const CategoryGroup& group : options.groups) {
        require(group.first >= next && group.count >= 1 && group.first < kMaxDimensions &&
                    group.count <= kMaxDimensions,
                "\"categories\" must be ranges [first, count] of features, ascending and apart");
        require(std::isfinite(group.mismatch_cost) && group.mismatch_cost >= 0,
                "the cost of a mismatch must be a finite number that is not negative");
        next = std::int64_t{group.first} + group.count;
    }
}

// What is not defined together.
void validate_combination(const KmeansOptions& options) {
    const bool prototypes = options.algorithm == Algorithm::kPrototypes;
    require(!prototypes || options.measure == Measure::kEuclidean,
            "\"kprototypes\" has a measure of its own, \"cosine\" cannot be asked for");
    require(!prototypes || options.standardize == Standardize::kNone,
            "\"standardize\" must be \"none\" for \"kprototypes\"");
    require(options.measure == Measure::kEuclidean || options.standardize == Standardize::kNone,
            "\"standardize\" must be \"none\" for \"cosine\"");
    const bool bounded = options.min_size > 0 || options.max_size > 0;
    require(!bounded || (!prototypes && options.measure == Measure::kEuclidean && !options.weighted),
            "\"min_size\" and \"max_size\" are for unweighted rows and Euclidean distances only");
    require(options.init.empty() || options.algorithm == Algorithm::kKmeans,
            "\"init\" is for \"algorithm\" \"kmeans\" only");
}

}  // namespace

bool KmeansOptions::operator==(const KmeansOptions& other) const {
    return k == other.k && n_init == other.n_init && max_iter == other.max_iter && tol == other.tol &&
           seed == other.seed && standardize == other.standardize && algorithm == other.algorithm &&
           measure == other.measure && weighted == other.weighted && min_size == other.min_size &&
           max_size == other.max_size && order_by == other.order_by && gamma == other.gamma &&
           std::equal(groups.begin(), groups.end(), other.groups.begin(), other.groups.end()) &&
           std::equal(init.begin(), init.end(), other.init.begin(), other.init.end());
}

void validate(const KmeansOptions& options) {
    require(options.k >= 1 && options.k <= kMaxClusters,
            format("number of clusters must be between 1 and %d, not %d", kMaxClusters, options.k));
    require(options.n_init >= 1 && options.n_init <= kMaxRestarts,
            format("\"n_init\" must be between 1 and %d, not %d", kMaxRestarts, options.n_init));
    require(options.max_iter >= 1, format("\"max_iter\" must be at least 1, not %d", options.max_iter));
    require(options.tol == kAutomaticTol || (std::isfinite(options.tol) && options.tol >= 0),
            format("\"tol\" must be a finite number that is not negative, not %g", options.tol));
    require(options.gamma == kAutomaticGamma || (std::isfinite(options.gamma) && options.gamma >= 0),
            format("\"gamma\" must be a finite number that is not negative, not %g", options.gamma));
    require(options.order_by >= -kMaxDimensions && options.order_by <= kMaxDimensions,
            format("\"order_by\" must be a feature's number, not %d", options.order_by));
    validate_sizes(options);
    validate_groups(options);
    validate_combination(options);
    require(options.init.size() % static_cast<std::size_t>(options.k) == 0,
            format("\"init\" must have %d centres", options.k));
}

void validate(const KmeansOptions& options, std::size_t dimensions) {
    const auto d = static_cast<std::int32_t>(dimensions);
    require(std::abs(options.order_by) <= d,
            format("\"order_by\" is feature %d, but there are %d features", std::abs(options.order_by), d));
    if (!options.groups.empty())
        require(options.groups.back().first + options.groups.back().count <= d,
                format("\"categories\" go to feature %d, but there are %d features",
                       options.groups.back().first + options.groups.back().count, d));
    require(options.init.empty() || options.init.size() == static_cast<std::size_t>(options.k) * dimensions,
            format("\"init\" must have %d centres of %zu features", options.k, dimensions));
}

Algorithm algorithm_named(std::string_view name) {
    return named<Algorithm>(name, "algorithm", kAlgorithms);
}
const char* name_of(Algorithm algorithm) {
    return kAlgorithms[static_cast<std::size_t>(algorithm)];
}
Measure measure_named(std::string_view name) {
    return named<Measure>(name, "measure", kMeasures);
}
const char* name_of(Measure measure) {
    return kMeasures[static_cast<std::size_t>(measure)];
}
Standardize standardize_named(std::string_view name) {
    return named<Standardize>(name, "standardize", kStandardizes);
}
const char* name_of(Standardize standardize) {
    return kStandardizes[static_cast<std::size_t>(standardize)];
}

}  // namespace seg::core::clustering
