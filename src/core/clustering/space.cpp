#include "core/clustering/space.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/base/fixed_sum.hpp"
#include "core/clustering/kernels.hpp"
#include "core/clustering/transpose.hpp"

namespace seg::core::clustering {

RowBlocks::RowBlocks(const RowTable& rows, const Space& space, MemoryResource* memory)
    : rows_(rows),
      space_(space),
      plain_(space.is_identity()),
      block_(space.dimensions() * kLanes, 0.0, memory),
      row_(space.dimensions(), 0.0, memory) {}

void RowBlocks::put_row(const double* row, std::size_t lane) {
    double* to = block_.data() + lane;
    space_.transform(row, [to](std::size_t f, double value) { to[f * kLanes] = value + 0.0; });
}

void RowBlocks::put_row(const float* row, std::size_t lane) {
    std::copy_n(row, row_.size(), row_.begin());
    put_row(row_.data(), lane);
}

std::size_t RowBlocks::fill(std::size_t first) {
    const std::size_t lanes = std::min(kLanes, size() - first);
    // Chunks of the store hold multiples of 16 rows, so a block never spans two.
    rows_.store.visit_rows(first, [&](const auto* row) {
        const std::size_t width = rows_.store.width();
        if (plain_)
            to_block(row, width, lanes, dimensions(), block_.data());
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            if (!plain_)
                put_row(row + lane * width, lane);
            weights_[lane] = rows_.weight(first + lane, row + lane * width);
        }
    });
    for (std::size_t lane = lanes; lane < kLanes; ++lane) {
        weights_[lane] = 0;
        for (std::size_t f = 0; f < dimensions(); ++f)
            block_[f * kLanes + lane] = block_[f * kLanes + lanes - 1];
    }
    return lanes;
}

namespace {

// Ranges of features over the lanes, and of weights.
class Ranges {
  public:
    Ranges(std::size_t dimensions, MemoryResource* memory)
        : least_(dimensions * kLanes, 0.0, memory), greatest_(dimensions * kLanes, 0.0, memory) {}

    void take(const double* block, const double* weights) {
        if (std::exchange(fresh_, false)) {
            std::copy_n(block, least_.size(), least_.begin());
            std::copy_n(block, least_.size(), greatest_.begin());
        }
        for (std::size_t i = 0; i < least_.size(); ++i) {
            least_[i] = std::min(least_[i], block[i]);
            greatest_[i] = std::max(greatest_[i], block[i]);
        }
        largest_weight_ = std::max(largest_weight_, *std::max_element(weights, weights + kLanes));
    }
    void put(Spread& spread) const {
        for (std::size_t f = 0; f < spread.least.size(); ++f) {
            spread.least[f] = *std::min_element(&least_[f * kLanes], &least_[f * kLanes] + kLanes);
            spread.greatest[f] = *std::max_element(&greatest_[f * kLanes], &greatest_[f * kLanes] + kLanes);
        }
        spread.largest_weight = largest_weight_;
    }

  private:
    Vector<double> least_;
    Vector<double> greatest_;
    double largest_weight_ = 0;
    bool fresh_ = true;
};

// Extremes are kept for 16 rows at a time, so that the loop is long enough to be vectorized.
template <typename T>
class PlainRanges {
  public:
    PlainRanges(std::size_t dimensions, MemoryResource* memory)
        : d_(dimensions),
          least_(kLanes * dimensions, std::numeric_limits<T>::infinity(), memory),
          greatest_(kLanes * dimensions, -std::numeric_limits<T>::infinity(), memory) {}

    void take(const T* rows, std::uint64_t count) {
        for (std::uint64_t first = 0; first < count; first += kLanes, rows += kLanes * d_) {
            const std::size_t values = std::min<std::uint64_t>(kLanes, count - first) * d_;
            T* __restrict least = least_.data();
            T* __restrict greatest = greatest_.data();
            for (std::size_t i = 0; i < values; ++i) {
                least[i] = std::min(least[i], rows[i]);
                greatest[i] = std::max(greatest[i], rows[i]);
            }
        }
    }
    double least(std::size_t feature) const {
        double result = static_cast<double>(least_[feature]);
        for (std::size_t i = feature + d_; i < least_.size(); i += d_)
            result = std::min(result, static_cast<double>(least_[i]));
        return result;
    }
    double greatest(std::size_t feature) const {
        double result = static_cast<double>(greatest_[feature]);
        for (std::size_t i = feature + d_; i < greatest_.size(); i += d_)
            result = std::max(result, static_cast<double>(greatest_[i]));
        return result;
    }

  private:
    std::size_t d_;
    Vector<T> least_;
    Vector<T> greatest_;
};

// The ranges of rows that are compared as they are and all weigh 1: no need to make blocks of them.
void measure_plain_ranges(const RowTable& rows, Spread& spread, MemoryResource* memory, WorkMeter& meter) {
    const std::size_t d = rows.dimensions();
    PlainRanges<float> narrow(d, memory);
    PlainRanges<double> wide(d, memory);
    rows.store.for_each_stored_run([&](const auto* run, std::uint64_t count) {
        if constexpr (std::is_same_v<decltype(run), const float*>)
            narrow.take(run, count);
        else
            wide.take(run, count);
        meter.done(count * work_of_row(d));
    });
    for (std::size_t f = 0; f < d; ++f) {
        spread.least[f] = std::min(narrow.least(f), wide.least(f)) + 0.0;  // no negative zero
        spread.greatest[f] = std::max(narrow.greatest(f), wide.greatest(f)) + 0.0;
    }
    spread.largest_weight = 1;
}

void measure_ranges(RowBlocks& rows, Spread& spread, MemoryResource* memory, WorkMeter& meter) {
    const RowTable& table = rows.rows();
    if (rows.is_plain() && table.weigh_alike()) {
        measure_plain_ranges(table, spread, memory, meter);
        return;
    }
    Ranges ranges(rows.dimensions(), memory);
    rows.for_each_block(meter, [&](std::size_t, std::size_t, const double* block, const double* weights) {
        ranges.take(block, weights);
    });
    ranges.put(spread);
}

// Sums over rows of weight, weight * (x - middle) for each feature, and weight * |x - middle|^2.
class Moments {
  public:
    Moments(const Spread& spread, MemoryResource* memory)
        : kernels_(kernels<double>()),
          d_(spread.mean.size()),
          middle_(d_, 0.0, memory),
          sums_(d_, LaneSum<kLanes>(), memory),
          units_(memory),
          weight_unit_(spread.largest_weight),
          square_unit_(spread.largest_square() * spread.largest_weight) {
        for (std::size_t f = 0; f < d_; ++f) {
            middle_[f] = spread.least[f] + (spread.greatest[f] - spread.least[f]) / 2;
            units_.push_back(Unit((spread.greatest[f] - spread.least[f]) * spread.largest_weight));
        }
    }

    // Lanes past the last row weigh nothing. alike: all lanes weigh 1.
    void take(const double* block, const double* weights, bool alike) {
        double squares[kLanes];
        kernels_.add_moments(block, d_, alike ? nullptr : weights, middle_.data(), units_.data(),
                             sums_.data(), squares);
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            squares[lane] *= weights[lane];
        weight_.add(weights, weight_unit_);
        square_.add(squares, square_unit_);
    }

    // False when the middle lies so far from the mean, seen from the rows, that the sum of squares about the
    // mean is lost in the difference.
    bool put(Spread& spread) {
        spread.weight = weight_.value(weight_unit_);
        double shifted = 0;
        for (std::size_t f = 0; f < d_; ++f) {
            spread.mean[f] = std::clamp(middle_[f] + sums_[f].value(units_[f]) / spread.weight,
                                        spread.least[f], spread.greatest[f]);
            shifted += (spread.mean[f] - middle_[f]) * (spread.mean[f] - middle_[f]);
        }
        constexpr double kLargestLoss = 100;
        const double about_middle = square_.value(square_unit_);
        spread.total_ss = about_middle - shifted * spread.weight;
        return spread.total_ss * kLargestLoss > about_middle;
    }

  private:
    using Unit = LaneSum<kLanes>::Unit;

    const Kernels<double>& kernels_;
    std::size_t d_;
    Vector<double> middle_;
    Vector<LaneSum<kLanes>> sums_;
    Vector<Unit> units_;
    Unit weight_unit_;
    Unit square_unit_;
    LaneSum<kLanes> weight_;
    LaneSum<kLanes> square_;
};

double squares_about_mean(RowBlocks& rows, const Spread& spread, WorkMeter& meter) {
    const std::size_t d = rows.dimensions();
    WideSum total;
    rows.for_each_block(meter,
                        [&](std::size_t, std::size_t lanes, const double* block, const double* weights) {
                            double squares[kLanes] = {};
                            for (std::size_t f = 0; f < d; ++f)
                                for (std::size_t lane = 0; lane < kLanes; ++lane) {
                                    const double difference = block[f * kLanes + lane] - spread.mean[f];
                                    squares[lane] += difference * difference;
                                }
                            for (std::size_t lane = 0; lane < lanes; ++lane)
                                total.add(weights[lane] * squares[lane]);
                        });
    return total.value();
}

}  // namespace

Spread measure_spread(RowBlocks& rows, MemoryResource* memory, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    Spread spread(rows.dimensions(), memory);
    measure_ranges(rows, spread, memory, meter);
    const double largest = spread.largest_square() * spread.largest_weight;
    constexpr double kLargest = 0x1p1000;
    if (!(largest <= kLargest) || !std::isfinite(largest * static_cast<double>(rows.size())))
        throw Error(Errc::kOutOfRange,
                    "the rows are too far from each other for their distances to be computed");
    Moments moments(spread, memory);
    const bool alike = rows.rows().weigh_alike();
    rows.for_each_block(meter,
                        [&](std::size_t, std::size_t lanes, const double* block, const double* weights) {
                            moments.take(block, weights, alike && lanes == kLanes);
                        });
    if (!moments.put(spread))
        spread.total_ss = squares_about_mean(rows, spread, meter);
    return spread;
}

namespace {

// A feature's values in ascending order with their weights, for percentiles.
class SortedFeature {
  public:
    SortedFeature(std::uint64_t rows, MemoryResource* memory) : values_(memory) {
        values_.reserve(static_cast<std::size_t>(rows));
    }

    void load(const RowTable& rows, std::size_t feature, WorkMeter& meter) {
        values_.clear();
        std::size_t index = 0;
        rows.store.for_each_run([&](const double* run, std::uint64_t count) {
            for (std::uint64_t i = 0; i < count; ++i, ++index) {
                const double* row = run + i * rows.store.width();
                values_.push_back({row[feature] + 0.0, rows.weight(index, row)});
                meter.done(1);
            }
        });
        std::sort(values_.begin(), values_.end(), [&meter](const Value& a, const Value& b) {
            meter.done(1);
            return a.value != b.value ? a.value < b.value : a.weight < b.weight;
        });
    }

    // Interpolated between order statistics; with weights the least value that has the share below it.
    double percentile(double share, bool weighted) const {
        if (weighted)
            return weighted_percentile(share);
        double total = 0;
        for (const Value& value : values_)
            total += value.weight;
        const double position = share * (total - 1);
        const double below = std::floor(position);
        const double fraction = position - below;
        return value_at(below) * (1 - fraction) + value_at(below + 1) * fraction;
    }

  private:
    struct Value {
        double value;
        double weight;
    };

    // The value of that place, from 0, where each is repeated as often as it counts.
    double value_at(double place) const {
        double before = 0;
        for (const Value& value : values_) {
            before += value.weight;
            if (before > place)
                return value.value;
        }
        return values_.back().value;
    }

    double weighted_percentile(double share) const {
        double total = 0;
        for (const Value& value : values_)
            total += value.weight;
        double sum = 0;
        for (const Value& value : values_) {
            sum += value.weight;
            if (sum >= share * total)
                return value.value;
        }
        return values_.back().value;
    }

    Vector<Value> values_;
};

void fit_zscore(const RowTable& rows, const Spread& spread, Vector<double>& scale, MemoryResource* memory,
                WorkMeter& meter) {
    const std::size_t d = scale.size();
    Vector<LaneSum<kLanes>> sums(d, LaneSum<kLanes>(), memory);
    Vector<double> ones(d, 1.0, memory);
    RowBlocks centred(rows, {{spread.mean.data(), d}, {ones.data(), d}, false}, memory);
    Vector<LaneSum<kLanes>::Unit> units(memory);
    for (std::size_t f = 0; f < d; ++f) {
        const double range = spread.greatest[f] - spread.least[f];
        units.push_back(LaneSum<kLanes>::Unit(range * range * spread.largest_weight));
    }
    centred.for_each_block(meter, [&](std::size_t, std::size_t, const double* block, const double* weights) {
        double terms[kLanes];
        for (std::size_t f = 0; f < d; ++f) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const double value = block[f * kLanes + lane];
                terms[lane] = weights[lane] * (value * value);
            }
            sums[f].add(terms, units[f]);
        }
    });
    for (std::size_t f = 0; f < d; ++f) {
        const double variance = sums[f].value(units[f]) / spread.weight;
        if (variance > 0)
            scale[f] = std::sqrt(variance);
    }
}

void fit_robust(const RowTable& rows, Vector<double>& shift, Vector<double>& scale, MemoryResource* memory,
                WorkMeter& meter) {
    // The interquartile range of a normal distribution is 1.349 standard deviations.
    constexpr double kNormal = 0.7413;
    const bool weighted = rows.weighted;
    SortedFeature sorted(rows.size(), memory);
    for (std::size_t f = 0; f < shift.size(); ++f) {
        sorted.load(rows, f, meter);
        shift[f] = sorted.percentile(0.5, weighted);
        const double range = sorted.percentile(0.75, weighted) - sorted.percentile(0.25, weighted);
        if (range > 0)
            scale[f] = kNormal * range;
    }
}

}  // namespace

void fit_space(const RowTable& rows, const KmeansOptions& options, Vector<double>& shift,
               Vector<double>& scale, MemoryResource* memory, Interrupt& interrupt) {
    const std::size_t d = rows.dimensions();
    shift.assign(d, 0.0);
    scale.assign(d, 1.0);
    if (options.standardize == Standardize::kNone)
        return;
    WorkMeter meter(interrupt);
    RowBlocks raw(rows, {{shift.data(), d}, {scale.data(), d}, false}, memory);
    const Spread spread = measure_spread(raw, memory, interrupt);
    if (options.standardize == Standardize::kMinmax) {
        for (std::size_t f = 0; f < d; ++f) {
            shift[f] = spread.least[f];
            if (spread.greatest[f] > spread.least[f])
                scale[f] = spread.greatest[f] - spread.least[f];
        }
        return;
    }
    shift.assign(spread.mean.begin(), spread.mean.end());
    fit_zscore(rows, spread, scale, memory, meter);
    if (options.standardize == Standardize::kRobust)
        fit_robust(rows, shift, scale, memory, meter);
}

}  // namespace seg::core::clustering
