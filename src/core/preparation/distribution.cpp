#include "core/preparation/distribution.hpp"

#include <algorithm>

namespace seg::core::preparation {

void Distribution::reverse_with_origin(double origin) {
    std::reverse(values_.begin(), values_.end());
    for (WeightedValue& v : values_)
        v.value = origin - v.value;
}

double Distribution::at_rank(std::int64_t rank) const {
    for (const WeightedValue& v : values_) {
        if (rank < v.count)
            return v.value;
        rank -= v.count;
    }
    return maximum();
}

double Distribution::quantile(double p) const {
    const double position = p * static_cast<double>(total_ - 1);
    const double below = std::floor(position);
    const auto rank = static_cast<std::int64_t>(below);
    const double low = at_rank(rank);
    const double high = at_rank(std::min(rank + 1, total_ - 1));
    return low == high ? low : low + (high - low) * (position - below);
}

}  // namespace seg::core::preparation
