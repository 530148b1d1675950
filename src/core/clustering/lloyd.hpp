// One restart of k-means over prepared points, in float or double.
#pragma once

#include <algorithm>

#include "core/base/interrupt.hpp"
#include "core/base/random.hpp"
#include "core/clustering/blocks.hpp"
#include "core/clustering/centre_sums.hpp"
#include "core/clustering/nearest_centres.hpp"

namespace seg::core::clustering {

// Weighted points; the padding lanes of weights are zero.
template <typename T>
struct WeightedPoints {
    const Blocks<T>& points;
    const Vector<T>& weights;
};

template <typename T>
class Lloyd {
  public:
    // length: as for CentreSums
    Lloyd(WeightedPoints<T> data, std::size_t k, double length, MemoryResource* memory, Interrupt& interrupt);

    // Chooses k different points as centres: greedy k-means++. Returns the inertia they leave.
    double seed(Random& random);
    void set_centres(const double* centres);

    // See CentreSums.
    LloydOutcome iterate(std::int32_t max_iter, double tol);

    // Visits every point with its nearest centre: visit(index, label, squared distance).
    template <typename Visit>
    void for_each_nearest(Visit&& visit);

    // Sum of weight * squared distance to the nearest centre.
    double inertia();

    const Vector<T>& centres() const { return sums_.centres(); }

    // What the members hold, for the price of a job.
    static void price(Bill& bill, std::uint64_t rows, std::size_t dimensions, std::size_t k);

  private:
    struct Slice {
        std::size_t first_block;
        std::size_t block_count;
    };
    static constexpr std::size_t kSliceBlocks = 64;

    std::size_t slice_blocks(std::size_t centres) const;
    template <typename Visit>
    void for_each_slice(std::size_t centres, Visit&& visit);
    void assign(Slice slice, T* distances);

    std::size_t first_seed(Random& random) const;
    std::size_t draw(Random& random, double total) const;
    std::size_t best_candidate(const Vector<std::size_t>& candidates);
    double lower(std::size_t centre);
    std::size_t unused_point();
    void add_seed(std::size_t cluster, std::size_t point);
    void forget_assignment();

    void reassign();
    void move(std::size_t point, std::int32_t from, std::int32_t to);
    bool precedes(std::size_t a, std::size_t b) const;
    std::int32_t relocate_empty();

    const Blocks<T>& points_;
    const Vector<T>& weights_;
    const Kernels<T>& kernels_;
    std::size_t k_;
    std::size_t d_;
    MemoryResource* memory_;
    WorkMeter meter_;

    CentreSums<T> sums_;
    NearestCentres<T> nearest_;
    Vector<std::int32_t> labels_;  // a point's cluster, -1 before the first assignment
    Vector<T> distances_;          // seeding: squared distance to the nearest centre so far
    Vector<double> block_sums_;    // seeding: weight * distance of each block
    Vector<char> is_seed_;         // seeding: the points chosen
    std::size_t search_from_ = 0;  // seeding: every point before it is chosen
    std::int32_t slice_labels_[kSliceBlocks * kLanes];
    T slice_distances_[kSliceBlocks * kLanes];
};

template <typename T>
template <typename Visit>
void Lloyd<T>::for_each_slice(std::size_t centres, Visit&& visit) {
    const std::size_t step = slice_blocks(centres);
    for (std::size_t b = 0; b < points_.block_count(); b += step) {
        const std::size_t count = b + step < points_.block_count() ? step : points_.block_count() - b;
        visit(Slice{b, count});
        meter_.done(count * kLanes * centres * d_ / 8 + 1);
    }
}

template <typename T>
template <typename Visit>
void Lloyd<T>::for_each_nearest(Visit&& visit) {
    nearest_.prepare(centres().data(), points_.size(), meter_);
    for_each_slice(k_, [&](Slice slice) {
        assign(slice, slice_distances_);
        const std::size_t first = slice.first_block * kLanes;
        const std::size_t end = std::min(first + slice.block_count * kLanes, points_.size());
        for (std::size_t i = first; i < end; ++i)
            visit(i, slice_labels_[i - first], slice_distances_[i - first]);
    });
}

extern template class Lloyd<float>;
extern template class Lloyd<double>;

}  // namespace seg::core::clustering
