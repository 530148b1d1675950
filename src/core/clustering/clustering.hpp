// A trained clustering as a value: one contiguous image, read in place.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/memory.hpp"
#include "core/clustering/kmeans_options.hpp"

namespace seg::core::clustering {

// Nearest cluster of a row; number is 1-based.
struct Nearest {
    std::int32_t cluster;
    double squared_distance;
};

// The two clusters a row is nearest to; second is 0 when there is only one.
struct TwoNearest {
    Nearest first;
    Nearest second;
};

// Facts about a training run that the model keeps.
struct TrainingFacts {
    KmeansOptions options;
    std::int32_t dimensions = 0;
    std::int64_t rows = 0;           // rows used
    std::int64_t sampled_rows = 0;   // rows that training kept of them: fewer than rows when it took a sample
    std::int64_t skipped = 0;        // rows left out because a feature was NULL
    std::int64_t distinct_rows = 0;  // different rows among those kept; 0: not counted, nearly all differ
    std::int32_t iterations = 0;     // Lloyd iterations of the winning restart
    std::int32_t relocated = 0;      // empty clusters that were given a new centre, winning restart
    bool converged = false;
    bool constrained = true;  // min_size and max_size hold
    bool refined = false;     // of a sample: iterated further over all rows
    double weight = 0;        // sum of the rows' weights
    double inertia = 0;   // sum of weight * squared distance to the nearest centre, in the space of distances
    double total_ss = 0;  // the same to the one mean of all rows
};

// Image, 8-byte aligned, little-endian; a "body" is the image less the four bytes of the server's length
// word.
//   0 slot   4 magic 'K'   5 version 1   6 flags (1: converged, 2: constraints unmet, 4: refined, 8:
//   weighted) 7 standardize   8 algorithm   9 measure   10 zero (2)   12 k i32
//  16 dimensions i32   20 n_init i32   24 max_iter i32   28 iterations i32   32 relocated i32
//  36 order_by i32   40 rows i64   48 sampled_rows i64   56 skipped i64   64 distinct_rows i64   72 seed i64
//  80 min_size i64   88 max_size i64   96 tol f64   104 gamma f64   112 weight f64   120 inertia f64
// 128 total_ss f64   136 groups i32   140 bytes of the preparation i32   144 bytes of the labels i32
// 148 zero (4)
// 152 shift f64[d]   scale f64[d]   centres f64[k][d]   within_ss, radius, scatter, silhouette, offset,
//     weight f64[k] each   size i64[k]   groups (first i32, count i32, cost f64)[groups]
//     the preparation's image, its slot zero, filled up with zeros to 8 bytes   labels (length u16, UTF-8)[k]
// Distances are measured between (x - shift) / scale and the centres; for cosine that is brought to length 1.
class ClusteringView {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 152;
    static constexpr std::size_t kLongestLabel = 1000;  // bytes

    // A trusted image: written by write_clustering(), or checked by validate() when it came in.
    // Errc::kCorrupted when even its header cannot be right.
    explicit ClusteringView(std::span<const std::byte> image);

    // Checks every field of an external value; Errc::kBadBinary otherwise.
    static void validate(std::span<const std::byte> body);

    std::int32_t k() const { return facts_.options.k; }
    std::int32_t dimensions() const { return facts_.dimensions; }
    const TrainingFacts& facts() const { return facts_; }
    bool is_cosine() const { return facts_.options.measure == Measure::kCosine; }
    bool is_prototypes() const { return facts_.options.algorithm == Algorithm::kPrototypes; }

    std::span<const double> shift() const { return {doubles_, d()}; }
    std::span<const double> scale() const { return {doubles_ + d(), d()}; }
    std::span<const double> centre(std::int32_t cluster) const {
        return {doubles_ + (2 + static_cast<std::size_t>(cluster - 1)) * d(), d()};
    }
    double within_ss(std::int32_t cluster) const { return per_cluster(0, cluster); }
    double radius(std::int32_t cluster) const { return per_cluster(1, cluster); }
    // Mean distance of the rows to the centre.
    double scatter(std::int32_t cluster) const { return per_cluster(2, cluster); }
    // Mean simplified silhouette of the rows: (b - a) / max(a, b) of the distances to the own and the nearest
    // other centre; 0 with one cluster.
    double silhouette(std::int32_t cluster) const { return per_cluster(3, cluster); }
    // Added to the squared distance when rows are assigned: what keeps sizes within their bounds.
    double offset(std::int32_t cluster) const { return per_cluster(4, cluster); }
    double weight(std::int32_t cluster) const { return per_cluster(5, cluster); }
    std::int64_t size(std::int32_t cluster) const;
    bool has_offsets() const { return has_offsets_; }

    // The preparation's image, or nothing.
    std::span<const std::byte> preparation() const { return preparation_; }
    std::span<const std::byte> labels() const { return labels_; }  // as stored
    // Empty when none was given.
    std::string_view label(std::int32_t cluster) const;

    // The centroid's value of a feature (both 1-based) in the units of the rows.
    double centroid(std::int32_t cluster, std::int32_t feature) const;

    // Errc::kArrayShape for a wrong number of features, kBadData for NaN and infinity, and for a row of
    // length 0 where cosines are compared. Ties go to the lower number. O(k * dimensions), bit for bit what
    // training computed.
    Nearest nearest(std::span<const double> features) const;
    TwoNearest two_nearest(std::span<const double> features) const;

    // Squared distances to all centres into out[k]; rows are compared as in nearest(), offsets left out.
    void squared_distances(std::span<const double> features, std::span<double> out) const;

    // The row as it is compared with the centres, into out[dimensions].
    void to_space(std::span<const double> features, std::span<double> out) const;

    // What users call the distance: Euclidean, or 1 - cosine.
    double distance(double squared_distance) const;

  private:
    std::size_t d() const { return static_cast<std::size_t>(facts_.dimensions); }
    double per_cluster(std::size_t array, std::int32_t cluster) const {
        const auto clusters = static_cast<std::size_t>(k());
        return doubles_[(2 + clusters) * d() + array * clusters + static_cast<std::size_t>(cluster - 1)];
    }
    void check(std::span<const double> features) const;
    double squared_distance(const double* row, std::int32_t cluster) const;
    template <typename Take>
    void for_each_distance(std::span<const double> features, Take&& take) const;

    TrainingFacts facts_;
    const double* doubles_;
    std::span<const std::byte> preparation_;
    std::span<const std::byte> labels_;
    bool has_offsets_ = false;
};

// Parts of a clustering to be written; cluster i is number i + 1.
struct ClusteringParts {
    TrainingFacts facts;
    std::span<const double> shift;
    std::span<const double> scale;
    std::span<const double> centres;
    std::span<const double> within_ss;
    std::span<const double> radius;
    std::span<const double> scatter;
    std::span<const double> silhouette;
    std::span<const double> offset;
    std::span<const double> weight;
    std::span<const std::int64_t> sizes;
    std::span<const std::byte> preparation;  // an image, or nothing
    std::span<const std::byte> labels;       // as append_label() writes them, or nothing

    std::uint64_t image_size() const;
};

// The parts of a model, to write it anew with something changed.
ClusteringParts parts_of(const ClusteringView& model);

// Adds a cluster's label to the bytes of all; Errc::kInvalidArgument when it is too long.
void append_label(Vector<std::byte>& labels, std::string_view label);

// Writes the image; its size must be image_size().
void write_clustering(const ClusteringParts& parts, std::span<std::byte> image);

// The model as JSON text, numbers in the shortest form that reads back as the same bits.
void append_json(const ClusteringView& model, Vector<char>& out);

}  // namespace seg::core::clustering
