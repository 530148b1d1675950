// A pass over rows that need not fit memory: what one more iteration makes of a model, or what its clusters
// hold of these rows.
#pragma once

#include <span>

#include "core/base/exact_sum.hpp"
#include "core/base/interrupt.hpp"
#include "core/clustering/clustering.hpp"

namespace seg::core::clustering {

// Which model, and whether its centres move to the means of their rows.
struct StepOptions {
    std::span<const std::byte> model;  // an image
    bool move = true;

    bool operator==(const StepOptions& other) const;
};

// A model written anew after a pass.
struct SteppedModel {
    explicit SteppedModel(MemoryResource* memory)
        : centres(memory),
          within_ss(memory),
          radius(memory),
          scatter(memory),
          silhouette(memory),
          weight(memory),
          sizes(memory) {}

    ClusteringParts parts(const ClusteringView& model) const;

    TrainingFacts facts;
    Vector<double> centres;
    Vector<double> within_ss;
    Vector<double> radius;
    Vector<double> scatter;
    Vector<double> silhouette;
    Vector<double> weight;
    Vector<std::int64_t> sizes;
};

// Many exact sums, each with the same number of cells, which grows when one of them needs more.
class FloatSums {
  public:
    FloatSums(std::size_t count, MemoryResource* memory)
        : metas_(count, FloatMeta{0, kFirstStride, 0}, memory),
          cells_(count * kFirstStride, std::uint64_t{0}, memory) {}

    std::size_t size() const { return metas_.size(); }
    FloatSumView operator[](std::size_t index) const { return {metas_[index], &cells_[index * stride_]}; }
    void add(std::size_t index, double value);
    void merge(std::size_t index, const FloatSumView& other);
    // The sum divided by a count; 0 where that is 0.
    double mean(std::size_t index, std::int64_t count) const;

  private:
    static constexpr std::size_t kFirstStride = 4;

    void widen(std::size_t needed);

    Vector<FloatMeta> metas_;
    Vector<std::uint64_t> cells_;
    std::size_t stride_ = kFirstStride;
};

// What a pass has added up: sums that are exact, so that neither the order of the rows nor how they were
// split among states shows in the result. The size depends on the model only.
//
// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 's'   5 version 1   6 move   7 zero
//   8 bytes of the model i32   12 zero (4)   16 skipped i64
//  24 the model's image, its slot zero, filled up with zeros to 8 bytes
//     size i64[k]   largest squared distance f64[k]
//     sums: used i32, carry i32, partials f64[used], (dimensions + 3) a cluster and one over all rows
class KmeansStep {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 24;

    // Errc::kInvalidArgument for a model of weighted rows.
    KmeansStep(MemoryResource* memory, const StepOptions& options);

    // Reads an image or an external value (both passed without the slot), which must be so aligned that the
    // slot would be at a multiple of 8. Validates every field; Errc::kBadBinary otherwise.
    static StepOptions read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Errors as of ClusteringView::nearest().
    void add(std::span<const double> features);
    void skip();  // a row that cannot be used

    // Errc::kInvalidArgument for another model.
    void merge(const KmeansStep& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const StepOptions& options() const { return options_; }
    const ClusteringView& model() const { return view_; }
    std::int64_t rows() const;

    std::uint64_t image_size(Interrupt& interrupt) const;
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

    // The model after the pass. When centres move: the means of their rows, where a centre that has none
    // stays, and the statistics of the rows under the centres as they were; converged says that the squared
    // movement was within the tolerance. When they do not: statistics that scoring the same rows reproduces.
    // There must be a row.
    SteppedModel result(MemoryResource* memory, Interrupt& interrupt) const;

  private:
    enum PerCluster : std::size_t { kWithin, kDistance, kSilhouette, kPerCluster };

    std::size_t k() const { return static_cast<std::size_t>(view_.k()); }
    std::size_t d() const { return static_cast<std::size_t>(view_.dimensions()); }
    std::size_t sums_per_cluster() const { return d() + kPerCluster; }
    std::size_t squares_index() const { return k() * sums_per_cluster(); }

    double squares_from_reference() const;
    double move_centres(SteppedModel& result, WorkMeter& meter) const;
    void write_statistics(SteppedModel& result) const;
    double total_ss(MemoryResource* memory, WorkMeter& meter) const;
    void merge_sizes(std::span<const std::int64_t> sizes);
    void merge_skipped(std::int64_t more);

    Vector<std::uint64_t> image_;  // of the model
    StepOptions options_;
    ClusteringView view_;
    Vector<std::int64_t> sizes_;
    Vector<double> radii_;      // squared
    FloatSums sums_;            // see PerCluster; the last one over all rows
    Vector<double> reference_;  // squares over all rows are measured from here
    Vector<char> is_numeric_;   // features outside every category
    Vector<double> row_;        // in the space of distances
    Vector<double> distances_;  // squared, to every centre
    std::int64_t skipped_ = 0;
};

// A model whose clusters are numbered by its own rule, size or a feature, when they are not.
struct OrderedModel {
    explicit OrderedModel(MemoryResource* memory)
        : numbers(memory), values(memory), sizes(memory), labels(memory) {}

    ClusteringParts parts(const ClusteringView& model) const;

    Vector<std::int32_t> numbers;  // 0-based old number of each new one; empty: the order is right
    Vector<double> values;         // centres, then the arrays of a value each cluster
    Vector<std::int64_t> sizes;
    Vector<std::byte> labels;
};
OrderedModel ordered(const ClusteringView& model, MemoryResource* memory);

}  // namespace seg::core::clustering
