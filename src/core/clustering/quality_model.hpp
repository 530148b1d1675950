// How good a model is: measured on rows as they stream by, and read from what training stored in it.
#pragma once

#include <optional>
#include <span>

#include "core/base/exact_sum.hpp"
#include "core/base/interrupt.hpp"
#include "core/clustering/clustering.hpp"

namespace seg::core::clustering {

// A model with what tells it from others.
struct MeasuredModel {
    explicit MeasuredModel(std::span<const std::byte> image);

    // A row in the space in which the model compares, such that Euclidean distances between rows are the
    // model's: cosine models measure the chord, k-prototypes weighs its categories with sqrt(gamma).
    // Errors as ClusteringView::nearest().
    void to_space(std::span<const double> features, std::span<double> out) const;

    ClusteringView view;
    std::uint64_t fingerprint;
};

// Sums over rows that were compared with a model; a flat state of one size that is also the stored form, less
// its first four bytes. Silhouettes are added as integers in units of 2^-60 (each truncated to 60 binary
// digits), squared distances exactly, so the order of rows cannot matter.
struct ModelFit {
    static constexpr std::uint8_t kMagic = 'm';
    static constexpr std::uint8_t kVersion = 1;
    static constexpr std::uint16_t kOneCluster = 1;

    // Starts an empty sum in the bytes.
    static ModelFit& begin(std::span<std::byte> image, const MeasuredModel& model);
    // Reads an image or an external value (the latter's slot is not looked at). Errc::kCorrupted when it
    // cannot be right.
    static const ModelFit& of(std::span<const std::byte> image);
    static ModelFit& of(std::span<std::byte> image);
    // Checks every field of an external value, without the slot; Errc::kBadBinary otherwise.
    static void validate(std::span<const std::byte> body);

    // Adds one row. Errors as ClusteringView::nearest(); kInvalidArgument for another model.
    void add(const MeasuredModel& model, std::span<const double> features);
    void skip() { ++skipped; }
    void merge(const ModelFit& other);
    // One encoding for one value, for storing.
    void make_canonical();

    // The mean of (b - a) / max(a, b), a and b a row's distance to its own and to the nearest other centre;
    // nothing without rows or with one cluster.
    std::optional<double> simplified_silhouette() const;
    // Sum of squared distances to the own centre; nothing without rows.
    std::optional<double> inertia() const;

    std::uint32_t slot;
    std::uint8_t magic;
    std::uint8_t version;
    std::uint16_t flags;
    std::uint64_t model;  // fingerprint
    std::int64_t rows;
    std::int64_t skipped;
    std::uint64_t widths_low;  // sum of silhouettes, 128 bits
    std::int64_t widths_high;
    FloatMeta squares;
    std::uint64_t cells[FloatSumView::kMaxPartials];
};
static_assert(sizeof(ModelFit) == 56 + 8 * FloatSumView::kMaxPartials);

// What the model tells about the rows it was trained on.

// Mean simplified silhouette; nothing for one cluster.
std::optional<double> trained_silhouette(const ClusteringView& model);
// Calinski and Harabasz 1974; nothing for one cluster, or no weight beyond one a cluster.
std::optional<double> trained_calinski_harabasz(const ClusteringView& model);
// Davies and Bouldin 1979 with mean distances to the centre as scatter; nothing for one cluster, infinite
// when two centres coincide. O(k^2 * dimensions).
std::optional<double> trained_davies_bouldin(const ClusteringView& model, Interrupt& interrupt);

}  // namespace seg::core::clustering
