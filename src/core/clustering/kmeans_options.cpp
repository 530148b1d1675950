#include "core/clustering/kmeans_options.hpp"

#include <cmath>
#include <string>

#include "core/base/error.hpp"

namespace seg::core::clustering {

void validate(const KmeansOptions& options) {
    const auto require = [](bool condition, const std::string& message) {
        if (!condition)
            throw Error(Errc::kInvalidArgument, message);
    };
    require(options.k >= 1 && options.k <= kMaxClusters,
            format("number of clusters must be between 1 and %d, not %d", kMaxClusters, options.k));
    require(options.n_init >= 1 && options.n_init <= kMaxRestarts,
            format("\"n_init\" must be between 1 and %d, not %d", kMaxRestarts, options.n_init));
    require(options.max_iter >= 1, format("\"max_iter\" must be at least 1, not %d", options.max_iter));
    require(options.tol == kAutomaticTol || (std::isfinite(options.tol) && options.tol >= 0),
            format("\"tol\" must be a finite number that is not negative, not %g", options.tol));
}

Standardize standardize_named(std::string_view name) {
    if (name == "none")
        return Standardize::kNone;
    if (name == "zscore")
        return Standardize::kZscore;
    throw Error(Errc::kInvalidArgument,
                format("unrecognized value for \"standardize\": \"%.*s\"", static_cast<int>(name.size()),
                       name.data()),
                {}, "Valid values are \"none\" and \"zscore\".");
}

const char* name_of(Standardize standardize) {
    return standardize == Standardize::kZscore ? "zscore" : "none";
}

}  // namespace seg::core::clustering
