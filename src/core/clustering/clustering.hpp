// A trained clustering as a value: one contiguous image, read in place.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/memory.hpp"
#include "core/clustering/kmeans_options.hpp"

namespace seg::core::clustering {

// Nearest cluster of a row; number is 1-based.
struct Nearest {
    std::int32_t cluster;
    double squared_distance;
};

// Facts about a training run that the model keeps.
struct TrainingFacts {
    KmeansOptions options;
    std::int32_t dimensions = 0;
    std::int64_t rows = 0;           // rows used
    std::int64_t skipped = 0;        // rows left out because a feature was NULL
    std::int64_t distinct_rows = 0;  // different rows among those used
    std::int32_t iterations = 0;     // Lloyd iterations of the winning restart
    std::int32_t relocated = 0;      // empty clusters that were given a new centre, winning restart
    bool converged = false;
    double inertia = 0;   // sum of squared distances to the nearest centre, in the space of distances
    double total_ss = 0;  // the same to the one mean of all rows
};

// Image, 8-byte aligned, little-endian; a "body" is the image less the four bytes of the server's length
// word.
//   0 slot   4 magic 'K'   5 version 1   6 flags (1: converged)   7 standardize
//   8 k i32   12 dimensions i32   16 rows i64   24 skipped i64   32 distinct_rows i64   40 seed i64
//  48 n_init i32   52 max_iter i32   56 iterations i32   60 relocated i32   64 tol f64   72 inertia f64
//  80 total_ss f64   88 shift f64[d]   scale f64[d]   centres f64[k][d]   within_ss f64[k]   radius f64[k]
//  size i64[k]
// Distances are measured between (x - shift) / scale and the centres.
class ClusteringView {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 88;

    // A trusted image: written by build(), or checked by validate() when it came in. Errc::kCorrupted when
    // even its header cannot be right.
    explicit ClusteringView(std::span<const std::byte> image);

    // Checks every field of an external value; Errc::kBadBinary otherwise.
    static void validate(std::span<const std::byte> body);

    static std::uint64_t image_size(std::int32_t k, std::int32_t dimensions);

    std::int32_t k() const { return facts_.options.k; }
    std::int32_t dimensions() const { return facts_.dimensions; }
    const TrainingFacts& facts() const { return facts_; }
    std::span<const double> shift() const { return {doubles_, d()}; }
    std::span<const double> scale() const { return {doubles_ + d(), d()}; }
    std::span<const double> centre(std::int32_t cluster) const {
        return {doubles_ + (2 + static_cast<std::size_t>(cluster - 1)) * d(), d()};
    }
    double within_ss(std::int32_t cluster) const { return per_cluster()[cluster - 1]; }
    double radius(std::int32_t cluster) const { return per_cluster()[k() + cluster - 1]; }
    std::int64_t size(std::int32_t cluster) const;

    // The centroid's value of a feature (both 1-based) in the units of the input.
    double centroid(std::int32_t cluster, std::int32_t feature) const;

    // Errc::kArrayShape for a wrong number of features, kBadData for NaN and infinity. Ties go to the lower
    // number. O(k * dimensions), bit for bit what training computed.
    Nearest nearest(std::span<const double> features) const;

    // Squared distance to one cluster's centre.
    double squared_distance(std::span<const double> features, std::int32_t cluster) const;

  private:
    std::size_t d() const { return static_cast<std::size_t>(facts_.dimensions); }
    const double* per_cluster() const { return doubles_ + (2 + static_cast<std::size_t>(k())) * d(); }
    void check(std::span<const double> features) const;

    TrainingFacts facts_;
    const double* doubles_;
};

// Parts of a clustering to be written; cluster i is number i + 1.
struct ClusteringParts {
    TrainingFacts facts;
    std::span<const double> shift;
    std::span<const double> scale;
    std::span<const double> centres;
    std::span<const double> within_ss;
    std::span<const double> radius;
    std::span<const std::int64_t> sizes;
};

// Writes the image; its size must be image_size().
void write_clustering(const ClusteringParts& parts, std::span<std::byte> image);

// The model as JSON text, numbers in the shortest form that reads back as the same bits.
void append_json(const ClusteringView& model, Vector<char>& out);

}  // namespace seg::core::clustering
