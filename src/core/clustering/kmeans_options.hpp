// What a k-means run was asked to do.
#pragma once

#include <cstdint>
#include <string_view>

namespace seg::core::clustering {

enum class Standardize : std::uint8_t {
    kNone = 0,    // features as they come
    kZscore = 1,  // (x - mean) / population standard deviation
};

// No tolerance given: small inputs run until no row changes its cluster, large ones to kLargeInputTol.
inline constexpr double kAutomaticTol = -1;
inline constexpr double kLargeInputTol = 1e-4;

struct KmeansOptions {
    std::int32_t k = 0;
    std::int32_t n_init = 10;     // restarts; the one with the least inertia wins
    std::int32_t max_iter = 300;  // Lloyd iterations of one restart
    double tol = kAutomaticTol;   // stop when the centres' squared movement is at most tol * mean variance
    std::int64_t seed = 0;
    Standardize standardize = Standardize::kNone;

    bool operator==(const KmeansOptions&) const = default;
};

inline constexpr std::int32_t kMaxClusters = 1'000'000;
inline constexpr std::int32_t kMaxDimensions = 16'000;
inline constexpr std::int32_t kMaxRestarts = 10'000;

// Raises Errc::kInvalidArgument for the first option outside its domain.
void validate(const KmeansOptions& options);

Standardize standardize_named(std::string_view name);
const char* name_of(Standardize standardize);

}  // namespace seg::core::clustering
