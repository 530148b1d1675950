#include "core/clustering/lloyd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg::core::clustering {

template <typename T>
Lloyd<T>::Lloyd(WeightedPoints<T> data, std::size_t k, double length, MemoryResource* memory,
                Interrupt& interrupt)
    : points_(data.points),
      weights_(data.weights),
      kernels_(kernels<T>()),
      k_(k),
      d_(data.points.dimensions()),
      memory_(memory),
      meter_(interrupt),
      sums_(k, d_, length, memory),
      nearest_(k, d_, memory),
      labels_(points_.size(), -1, memory),
      distances_(memory),
      block_sums_(memory),
      is_seed_(memory) {}

template <typename T>
void Lloyd<T>::price(Bill& bill, std::uint64_t rows, std::size_t dimensions, std::size_t k) {
    bill.add(rows + kLanes, 2 * sizeof(T) + sizeof(std::int32_t) + 1 + 1);
    CentreSums<T>::price(bill, k, dimensions);
    NearestCentres<T>::price(bill, k);
}

// Blocks that stay in cache and are cheap enough to be one unit of work between polls.
template <typename T>
std::size_t Lloyd<T>::slice_blocks(std::size_t centres) const {
    const std::size_t by_work = 8 * WorkMeter::kUnitsPerPoll / (kLanes * centres * d_ + 1);
    const std::size_t by_cache = 64 * 1024 / (kLanes * d_ * sizeof(T)) + 1;
    return std::clamp<std::size_t>(std::min(by_work, by_cache), 1, kSliceBlocks);
}

template <typename T>
void Lloyd<T>::assign(Slice slice, T* distances) {
    nearest_.assign(points_.block(slice.first_block), slice.block_count, slice_labels_, distances);
}

// ---- seeding

template <typename T>
void Lloyd<T>::set_centres(const double* centres) {
    forget_assignment();
    sums_.set_centres(centres);
}

template <typename T>
std::size_t Lloyd<T>::first_seed(Random& random) const {
    double total = 0;
    for (std::size_t i = 0; i < points_.size(); ++i)
        total += static_cast<double>(weights_[i]);
    double left = random.uniform() * total;
    for (std::size_t i = 0; i < points_.size(); ++i) {
        left -= static_cast<double>(weights_[i]);
        if (left < 0)
            return i;
    }
    return points_.size() - 1;
}

// A point drawn with probability proportional to weight * distance; total is the sum of block_sums_.
template <typename T>
std::size_t Lloyd<T>::draw(Random& random, double total) const {
    double left = random.uniform() * total;
    std::size_t b = 0;
    while (b + 1 < block_sums_.size() && left >= block_sums_[b])
        left -= block_sums_[b++];
    const std::size_t first = b * kLanes;
    const std::size_t end = first + points_.lanes_in(b);
    std::size_t last_possible = first;
    for (std::size_t i = first; i < end; ++i) {
        const double mass = static_cast<double>(weights_[i]) * static_cast<double>(distances_[i]);
        if (mass > 0)
            last_possible = i;
        left -= mass;
        if (left < 0)
            return i;
    }
    return last_possible;  // rounding left a sliver beyond the last point
}

// The candidate whose choice would leave the least inertia; ties go to the one drawn first.
template <typename T>
std::size_t Lloyd<T>::best_candidate(const Vector<std::size_t>& candidates) {
    Vector<T> rows(candidates.size() * d_, T(0), memory_);
    for (std::size_t c = 0; c < candidates.size(); ++c)
        for (std::size_t f = 0; f < d_; ++f)
            rows[c * d_ + f] = points_.at(candidates[c], f);
    Vector<double> potentials(candidates.size(), 0.0, memory_);
    for_each_slice(candidates.size(), [&](Slice slice) {
        const std::size_t first = slice.first_block * kLanes;
        kernels_.potentials(points_.block(slice.first_block), slice.block_count, d_, rows.data(),
                            candidates.size(), &distances_[first], &weights_[first], potentials.data());
    });
    const auto best = std::min_element(potentials.begin(), potentials.end());
    return candidates[static_cast<std::size_t>(best - potentials.begin())];
}

// Lowers every point's distance by the new centre; returns the inertia.
template <typename T>
double Lloyd<T>::lower(std::size_t centre) {
    for_each_slice(1, [&](Slice slice) {
        const std::size_t first = slice.first_block * kLanes;
        kernels_.lower(points_.block(slice.first_block), slice.block_count, d_, sums_.centre(centre),
                       &distances_[first], &weights_[first], &block_sums_[slice.first_block]);
    });
    double total = 0;
    for (double sum : block_sums_)
        total += sum;
    return total;
}

// For when every point coincides with a centre as far as T can tell: the first one that is none itself.
// Points only ever become seeds, so the search goes on where it stopped.
template <typename T>
std::size_t Lloyd<T>::unused_point() {
    while (is_seed_[search_from_])
        ++search_from_;
    return search_from_;
}

template <typename T>
void Lloyd<T>::forget_assignment() {
    std::fill(labels_.begin(), labels_.end(), -1);
    sums_.clear();
}

template <typename T>
void Lloyd<T>::add_seed(std::size_t cluster, std::size_t point) {
    is_seed_[point] = 1;
    for (std::size_t f = 0; f < d_; ++f)
        sums_.centre(cluster)[f] = points_.at(point, f);
}

template <typename T>
double Lloyd<T>::seed(Random& random) {
    forget_assignment();
    const auto trials = static_cast<std::size_t>(2.0 + std::log(static_cast<double>(k_)));
    distances_.assign(points_.block_count() * kLanes, std::numeric_limits<T>::max());
    block_sums_.assign(points_.block_count(), 0.0);
    is_seed_.assign(points_.size(), 0);
    search_from_ = 0;
    Vector<std::size_t> candidates(trials, std::size_t{0}, memory_);

    add_seed(0, first_seed(random));
    for (std::size_t c = 1; c < k_; ++c) {
        const double total = lower(c - 1);
        if (total > 0) {
            for (std::size_t& candidate : candidates)
                candidate = draw(random, total);
            add_seed(c, best_candidate(candidates));
        } else {
            add_seed(c, unused_point());
        }
    }
    return lower(k_ - 1);
}

// ---- iteration

template <typename T>
void Lloyd<T>::move(std::size_t point, std::int32_t from, std::int32_t to) {
    const double weight = static_cast<double>(weights_[point]);
    const T* row = points_.block(point / kLanes) + point % kLanes;
    if (from >= 0)
        sums_.remove(from, row, kLanes, weight);
    sums_.add(to, row, kLanes, weight);
    labels_[point] = to;
}

namespace {

// Without the call that std::equal makes for so few values.
bool are_equal(const std::int32_t* a, const std::int32_t* b, std::size_t count) {
    if (count != kLanes)
        return std::equal(a, a + count, b);
    std::int32_t difference = 0;
    for (std::size_t i = 0; i < kLanes; ++i)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

}  // namespace

template <typename T>
void Lloyd<T>::reassign() {
    nearest_.prepare(centres().data(), points_.size(), meter_);
    for_each_slice(k_, [&](Slice slice) {
        assign(slice, nullptr);
        const std::size_t first = slice.first_block * kLanes;
        const std::size_t end = std::min(first + slice.block_count * kLanes, points_.size());
        for (std::size_t i = first; i < end; i += kLanes) {
            const std::size_t lanes = std::min(kLanes, end - i);
            const std::int32_t* now = slice_labels_ + (i - first);
            if (are_equal(now, &labels_[i], lanes))
                continue;
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                if (now[lane] == labels_[i + lane])
                    continue;
                move(i + lane, labels_[i + lane], now[lane]);
            }
        }
    });
}

// By content: points may be in any order.
template <typename T>
bool Lloyd<T>::precedes(std::size_t a, std::size_t b) const {
    for (std::size_t f = 0; f < d_; ++f)
        if (points_.at(a, f) != points_.at(b, f))
            return points_.at(a, f) < points_.at(b, f);
    return weights_[a] < weights_[b];
}

// Gives each empty cluster the point farthest from its own centre among clusters of more than one point.
// There is one: distinct points are at least as many as clusters.
template <typename T>
std::int32_t Lloyd<T>::relocate_empty() {
    const std::int32_t empty = sums_.count_empty();
    if (empty == 0)
        return 0;
    Vector<T> distances(points_.size(), T(0), memory_);
    for_each_nearest([&](std::size_t i, std::int32_t, T distance) { distances[i] = distance; });
    for (std::int32_t c = 0; c < static_cast<std::int32_t>(k_); ++c) {
        if (sums_.members(c) != 0)
            continue;
        std::size_t farthest = points_.size();
        for (std::size_t i = 0; i < points_.size(); ++i) {
            if (sums_.members(labels_[i]) < 2)
                continue;
            if (farthest == points_.size() || distances[i] > distances[farthest] ||
                (distances[i] == distances[farthest] && precedes(i, farthest)))
                farthest = i;
        }
        meter_.done(points_.size());
        move(farthest, labels_[farthest], c);
        distances[farthest] = T(-1);
    }
    return empty;
}

template <typename T>
LloydOutcome Lloyd<T>::iterate(std::int32_t max_iter, double tol) {
    return sums_.iterate(
        max_iter, tol, [this] { reassign(); }, [this] { return relocate_empty(); });
}

template <typename T>
double Lloyd<T>::inertia() {
    double lanes[kLanes] = {};
    for_each_nearest([&](std::size_t i, std::int32_t, T distance) {
        lanes[i % kLanes] += static_cast<double>(weights_[i]) * static_cast<double>(distance);
    });
    double total = 0;
    for (double lane : lanes)
        total += lane;
    return total;
}

template class Lloyd<float>;
template class Lloyd<double>;

}  // namespace seg::core::clustering
