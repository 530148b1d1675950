#include "core/clustering/swap_search.hpp"

#include <algorithm>
#include <limits>

namespace seg::core::clustering {

SwapSearch::SwapSearch(WeightedPoints<double> data, Lloyd<double>& lloyd, Candidate& best,
                       MemoryResource* memory, Interrupt& interrupt)
    : points_(data.points),
      weights_(data.weights),
      lloyd_(lloyd),
      best_(best),
      d_(data.points.dimensions()),
      k_(best.centres.size() / d_),
      meter_(interrupt),
      first_(points_.size(), 0.0, memory),
      second_(points_.size(), 0.0, memory),
      label_(points_.size(), std::size_t{0}, memory),
      loss_(k_, 0.0, memory),
      trial_(best.centres.size(), 0.0, memory) {}

double SwapSearch::squared_distance(std::size_t point, const double* centre) const {
    const double* row = points_.block(point / kLanes) + point % kLanes;
    double sum = 0;
    for (std::size_t f = 0; f < d_; ++f) {
        const double difference = row[f * kLanes] - centre[f];
        sum += difference * difference;
    }
    return sum;
}

void SwapSearch::measure() {
    for (std::size_t i = 0; i < points_.size(); ++i) {
        first_[i] = second_[i] = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < k_; ++c) {
            const double distance = squared_distance(i, &best_.centres[c * d_]);
            if (distance < first_[i]) {
                second_[i] = first_[i];
                first_[i] = distance;
                label_[i] = c;
            } else if (distance < second_[i]) {
                second_[i] = distance;
            }
        }
        meter_.done(k_);
    }
}

std::size_t SwapSearch::draw(Random& random) const {
    double total = 0;
    for (std::size_t i = 0; i < points_.size(); ++i)
        total += weights_[i] * first_[i];
    double left = random.uniform() * total;
    for (std::size_t i = 0; i < points_.size(); ++i) {
        left -= weights_[i] * first_[i];
        if (left < 0)
            return i;
    }
    return points_.size() - 1;
}

std::size_t SwapSearch::cheapest_to_lose(std::size_t newcomer) {
    for (std::size_t f = 0; f < d_; ++f)
        trial_[f] = points_.at(newcomer, f);
    std::fill(loss_.begin(), loss_.end(), 0.0);
    for (std::size_t i = 0; i < points_.size(); ++i) {
        const double to_newcomer = squared_distance(i, trial_.data());
        loss_[label_[i]] +=
            weights_[i] * (std::min(second_[i], to_newcomer) - std::min(first_[i], to_newcomer));
    }
    meter_.done(points_.size());
    return static_cast<std::size_t>(std::min_element(loss_.begin(), loss_.end()) - loss_.begin());
}

bool SwapSearch::run(std::int32_t trials, std::int32_t max_iter, double tol, Random& random) {
    bool improved = false;
    measure();
    for (std::int32_t trial = 0; trial < trials; ++trial) {
        const std::size_t newcomer = draw(random);
        const std::size_t loser = cheapest_to_lose(newcomer);
        std::copy(best_.centres.begin(), best_.centres.end(), trial_.begin());
        for (std::size_t f = 0; f < d_; ++f)
            trial_[loser * d_ + f] = points_.at(newcomer, f);
        lloyd_.set_centres(trial_.data());
        lloyd_.iterate(max_iter, tol);
        const double inertia = lloyd_.inertia();
        if (!(inertia < best_.inertia))
            continue;
        improved = true;
        best_.inertia = inertia;
        std::copy(lloyd_.centres().begin(), lloyd_.centres().end(), best_.centres.begin());
        measure();
    }
    return improved;
}

}  // namespace seg::core::clustering
