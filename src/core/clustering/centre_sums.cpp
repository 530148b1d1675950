#include "core/clustering/centre_sums.hpp"

#include <algorithm>
#include <cmath>

namespace seg::core::clustering {

template <typename T>
CentreSums<T>::CentreSums(std::size_t k, std::size_t dimensions, double length, MemoryResource* memory)
    : kernels_(kernels<T>()),
      d_(dimensions),
      length_(length),
      centres_(k * d_, T(0), memory),
      next_(k * d_, T(0), memory),
      sums_(k * d_, 0.0, memory),
      weight_of_(k, 0.0, memory),
      members_(k, std::int64_t{0}, memory) {}

template <typename T>
void CentreSums<T>::set_centres(const double* centres) {
    for (std::size_t i = 0; i < centres_.size(); ++i)
        centres_[i] = static_cast<T>(centres[i]);
}

template <typename T>
void CentreSums<T>::clear() {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    std::fill(weight_of_.begin(), weight_of_.end(), 0.0);
    std::fill(members_.begin(), members_.end(), std::int64_t{0});
}

template <typename T>
void CentreSums<T>::add_rows(const std::int32_t* labels, const T* rows, const double* weights,
                             std::size_t count) {
    kernels_.add_rows(rows, count, d_, labels, weights, sums_.data());
    for (std::size_t i = 0; i < count; ++i) {
        const auto c = static_cast<std::size_t>(labels[i]);
        weight_of_[c] += weights == nullptr ? 1.0 : weights[i];
        ++members_[c];
    }
}

template <typename T>
std::int32_t CentreSums<T>::count_empty() const {
    return static_cast<std::int32_t>(std::count(members_.begin(), members_.end(), std::int64_t{0}));
}

// Works out where the centres would move; returns the squared movement of all of them together.
template <typename T>
double CentreSums<T>::propose() {
    double movement = 0;
    for (std::size_t c = 0; c < members_.size(); ++c) {
        // Weights of very different size may have cancelled out.
        for (std::size_t i = c * d_; i < (c + 1) * d_; ++i)
            next_[i] = weight_of_[c] > 0 ? static_cast<T>(sums_[i] / weight_of_[c]) : centres_[i];
        if (length_ != 0)
            bring_to_length(c);
        for (std::size_t i = c * d_; i < (c + 1) * d_; ++i) {
            const double difference = static_cast<double>(next_[i]) - static_cast<double>(centres_[i]);
            movement += difference * difference;
        }
    }
    return movement;
}

template <typename T>
void CentreSums<T>::bring_to_length(std::size_t cluster) {
    double squares = 0;
    for (std::size_t i = cluster * d_; i < (cluster + 1) * d_; ++i)
        squares += sums_[i] * sums_[i];
    const double sum_length = std::sqrt(squares);
    for (std::size_t i = cluster * d_; i < (cluster + 1) * d_; ++i) {
        // Rows that point everywhere have no direction in common: the centre stays.
        next_[i] = sum_length > 0 ? static_cast<T>(sums_[i] / sum_length * length_) : centres_[i];
    }
}

template class CentreSums<float>;
template class CentreSums<double>;

}  // namespace seg::core::clustering
