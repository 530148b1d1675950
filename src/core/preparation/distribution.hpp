// What a column's values look like: moments and quantiles over values with counts.
#pragma once

#include <cmath>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

namespace seg::core::preparation {

struct WeightedValue {
    double value;
    std::int64_t count;
};

struct Moments {
    double mean = 0;
    double deviation = 0;        // of the population
    double skewness = 0;         // third standardized moment; 0 when all values are equal
    double excess_kurtosis = 0;  // fourth one, less the 3 of the normal distribution
};

// Values in ascending order with their counts.
class Distribution {
  public:
    Distribution(MemoryResource* memory, std::size_t size) : values_(memory), total_(0) {
        values_.reserve(size);
    }

    // Not below the values before it.
    void append(double value, std::int64_t count) {
        values_.push_back({value, count});
        total_ += count;
    }
    void reverse_with_origin(double origin);  // each value becomes origin - value

    bool empty() const { return total_ == 0; }
    std::int64_t total() const { return total_; }
    double minimum() const { return values_.front().value; }
    double maximum() const { return values_.back().value; }

    // The values' quantile, between two neighbours by linear interpolation.
    double quantile(double p) const;

    template <typename Map>
    Moments moments(const Map& map, WorkMeter& meter) const;

  private:
    double at_rank(std::int64_t rank) const;

    Vector<WeightedValue> values_;
    std::int64_t total_;
};

// Sums run in the order of the values, and so do not depend on that of the rows.
template <typename Map>
Moments Distribution::moments(const Map& map, WorkMeter& meter) const {
    Moments moments;
    if (empty())
        return moments;
    const auto n = static_cast<double>(total_);
    double sum = 0;
    for (const WeightedValue& v : values_)
        sum += static_cast<double>(v.count) * map(v.value);
    moments.mean = sum / n;
    double squares = 0;
    for (const WeightedValue& v : values_) {
        const double difference = map(v.value) - moments.mean;
        squares += static_cast<double>(v.count) * (difference * difference);
        meter.done(1);
    }
    moments.deviation = std::sqrt(squares / n);
    if (map(minimum()) == map(maximum()) || !std::isnormal(moments.deviation)) {
        moments.deviation = 0;
        return moments;
    }
    double third = 0, fourth = 0;
    for (const WeightedValue& v : values_) {
        const double z = (map(v.value) - moments.mean) / moments.deviation;
        third += static_cast<double>(v.count) * (z * z * z);
        fourth += static_cast<double>(v.count) * (z * z * z * z);
        meter.done(1);
    }
    moments.skewness = third / n;
    moments.excess_kurtosis = fourth / n - 3;
    return moments;
}

}  // namespace seg::core::preparation
