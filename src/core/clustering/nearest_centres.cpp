#include "core/clustering/nearest_centres.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/base/row_store.hpp"

namespace seg::core::clustering {
namespace {

// With fewer points a centre, looking at all pairs of centres would cost more than a tenth of the assignment.
constexpr std::size_t kWorthwhile = 256;

// By how much of the distance between two centres rounding may shift the boundary between their clusters. The
// inertia suffers by about the square of it.
constexpr double kLargestShift = 1e-3;

}  // namespace

template <typename T>
void NearestCentres<T>::prepare(const T* centres, std::size_t points, WorkMeter& meter) {
    centres_ = centres;
    by_products_ = std::is_same_v<T, float> && k_ * kWorthwhile <= points && are_far_apart(meter);
    if (!by_products_)
        return;
    for (std::size_t c = 0; c < k_; ++c) {
        double squares = 0;
        for (std::size_t f = 0; f < d_; ++f) {
            const double value = static_cast<double>(centres[c * d_ + f]);
            squares += value * value;
        }
        half_squares_[c] = static_cast<T>(squares / 2);
    }
}

// Points lie about as far from the origin as their centres do, so a product of d terms is off by about
// epsilon * sqrt(d) * |c|^2; the boundary is off by that, divided by the distance between the centres.
template <typename T>
bool NearestCentres<T>::are_far_apart(WorkMeter& meter) const {
    T largest = 0;
    for (std::size_t c = 0; c < k_; ++c) {
        T squares = 0;
        for (std::size_t f = 0; f < d_; ++f)
            squares += centres_[c * d_ + f] * centres_[c * d_ + f];
        largest = std::max(largest, squares);
    }
    const double needed = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                          std::sqrt(static_cast<double>(d_)) * static_cast<double>(largest) / kLargestShift;
    for (std::size_t c = 0; c < k_; ++c) {
        for (std::size_t other = c + 1; other < k_; ++other) {
            T squares = 0;
            for (std::size_t f = 0; f < d_; ++f) {
                const T difference = centres_[c * d_ + f] - centres_[other * d_ + f];
                squares += difference * difference;
            }
            if (!(static_cast<double>(squares) >= needed))
                return false;
        }
        meter.done((k_ - c) * work_of_row(d_));
    }
    return true;
}

template class NearestCentres<float>;
template class NearestCentres<double>;

}  // namespace seg::core::clustering
