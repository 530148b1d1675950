#include "core/clustering/kmeans.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/lloyd.hpp"
#include "core/clustering/swap_search.hpp"

namespace seg::core::clustering {
namespace {

// Below so many values, double precision throughout and iterating to the end cost next to nothing.
constexpr std::uint64_t kLargeInput = 262'144;

// Below this, squared distances are lost among the numbers that double precision holds in part only.
constexpr double kLeastTotal = 1e-290;

// How many swaps are tried on the best of small inputs' restarts.
constexpr std::int32_t kSwapsPerRestart = 5;

// Rounding the points to single precision moves them by a total squared distance Q. By the triangle
// inequality the square root of any partition's cost changes by at most sqrt(Q), so with Q under this share
// of the inertia no partition's cost is off by more than about 2e-5 of itself.
constexpr double kLargestRoundingShare = 1e-10;

bool is_large(std::uint64_t rows, std::size_t dimensions) {
    return rows * dimensions >= kLargeInput;
}

class Trainer {
  public:
    Trainer(const RowStore& rows, std::int64_t skipped, const KmeansOptions& options, MemoryResource* memory,
            Interrupt& interrupt)
        : options_(options),
          memory_(memory),
          interrupt_(interrupt),
          meter_(interrupt),
          data_(distinct_rows(rows, memory, interrupt)),
          k_(static_cast<std::size_t>(options.k)),
          d_(rows.width()),
          model_(memory),
          mean_(d_, 0.0, memory) {
        model_.facts.options = options;
        model_.facts.dimensions = static_cast<std::int32_t>(d_);
        model_.facts.rows = static_cast<std::int64_t>(rows.size());
        model_.facts.skipped = skipped;
        model_.facts.distinct_rows = static_cast<std::int64_t>(data_.points.size());
        if (options.tol == kAutomaticTol)
            model_.facts.options.tol = is_large(data_.points.size(), d_) ? kLargeInputTol : 0.0;
    }

    TrainedKmeans train() {
        check_distinct();
        standardize();
        measure_total();
        Candidate best = {Vector<double>(k_ * d_, 0.0, memory_), 0};
        const bool single = is_large(data_.points.size(), d_) && search_single(best);
        if (!single)
            search_double(best);
        finish(best.centres);
        if (single && rounding_ > kLargestRoundingShare * model_.facts.inertia) {
            search_double(best);
            finish(best.centres);
        }
        return std::move(model_);
    }

  private:
    void check_distinct() const {
        if (k_ <= data_.points.size())
            return;
        throw Error(Errc::kInvalidArgument,
                    format("number of clusters must be between 1 and %zu, not %zu", data_.points.size(), k_),
                    format("There are %lld rows, of which %zu are distinct.",
                           static_cast<long long>(model_.facts.rows), data_.points.size()));
    }

    // ---- preparation

    // The weighted mean of transform(value, feature) over each feature. Sums 16 lanes apart and the lanes in
    // order: the same bits everywhere, and less rounding than one running sum.
    template <typename Transform>
    Vector<double> means_of(Transform transform) {
        Vector<double> lanes(d_ * kLanes, 0.0, memory_);
        for (std::size_t b = 0; b < data_.points.block_count(); ++b) {
            const double* block = data_.points.block(b);
            const double* weights = &data_.weights[b * kLanes];
            for (std::size_t f = 0; f < d_; ++f)
                for (std::size_t lane = 0; lane < kLanes; ++lane)
                    lanes[f * kLanes + lane] += weights[lane] * transform(block[f * kLanes + lane], f);
            meter_.done(kLanes * work_of_row(d_));
        }
        Vector<double> means(d_, 0.0, memory_);
        for (std::size_t f = 0; f < d_; ++f)
            means[f] = std::accumulate(&lanes[f * kLanes], &lanes[f * kLanes] + kLanes, 0.0) /
                       static_cast<double>(model_.facts.rows);
        return means;
    }

    Vector<double> means() {
        return means_of([](double x, std::size_t) { return x; });
    }
    Vector<double> variances(const Vector<double>& means) {
        return means_of([&means](double x, std::size_t f) { return (x - means[f]) * (x - means[f]); });
    }

    bool is_constant(std::size_t feature) {
        for (std::size_t i = 1; i < data_.points.size(); ++i) {
            if (data_.points.at(i, feature) != data_.points.at(0, feature))
                return false;
            meter_.done(1);
        }
        return true;
    }

    void standardize() {
        model_.shift.assign(d_, 0.0);
        model_.scale.assign(d_, 1.0);
        if (options_.standardize == Standardize::kNone)
            return;
        const Vector<double> mean = means();
        const Vector<double> variance = variances(mean);
        for (std::size_t f = 0; f < d_; ++f) {
            model_.shift[f] = mean[f];
            // A constant feature keeps scale 1: what its variance shows is rounding.
            if (variance[f] > 0 && !is_constant(f))
                model_.scale[f] = std::sqrt(variance[f]);
        }
        for (std::size_t b = 0; b < data_.points.block_count(); ++b) {
            double* block = data_.points.block(b);
            for (std::size_t f = 0; f < d_; ++f)
                for (std::size_t lane = 0; lane < kLanes; ++lane)
                    block[f * kLanes + lane] = (block[f * kLanes + lane] - model_.shift[f]) / model_.scale[f];
            meter_.done(kLanes * work_of_row(d_));
        }
    }

    void measure_total() {
        mean_ = means();
        const Vector<double> variance = variances(mean_);
        model_.facts.total_ss =
            std::accumulate(variance.begin(), variance.end(), 0.0) * static_cast<double>(model_.facts.rows);
        if (data_.points.size() > 1 && !(model_.facts.total_ss >= kLeastTotal))
            throw Error(Errc::kOutOfRange, "the rows differ by too little for their distances to be computed",
                        format("The sum of squared distances to the mean is %g.", model_.facts.total_ss),
                        "Multiply the features by a constant.");
    }

    // ---- search

    // The squared movement below which a restart stops: relative to the mean variance of a feature.
    double tolerance() const {
        return model_.facts.options.tol * model_.facts.total_ss / static_cast<double>(model_.facts.rows) /
               static_cast<double>(d_);
    }

    // Runs every restart and keeps the best one; ties go to the earlier.
    template <typename T>
    void restart(Lloyd<T>& lloyd, double tol, Candidate& best) {
        best.inertia = std::numeric_limits<double>::infinity();
        for (std::int32_t i = 0; i < options_.n_init; ++i) {
            Random random(static_cast<std::uint64_t>(options_.seed), static_cast<std::uint64_t>(i));
            lloyd.seed(random);
            const LloydOutcome outcome = lloyd.iterate(options_.max_iter, tol);
            const double inertia = lloyd.inertia();
            if (!(inertia < best.inertia))
                continue;
            best.inertia = inertia;
            std::copy(lloyd.centres().begin(), lloyd.centres().end(), best.centres.begin());
            model_.facts.iterations = outcome.iterations;
            model_.facts.relocated = outcome.relocated;
            model_.facts.converged = outcome.converged;
        }
    }

    void search_double(Candidate& best) {
        const WeightedPoints<double> data = {data_.points, data_.weights};
        Lloyd<double> lloyd(data, k_, memory_, interrupt_);
        restart(lloyd, tolerance(), best);
        if (is_large(data_.points.size(), d_) || k_ == 1 || k_ == data_.points.size())
            return;
        Random random(static_cast<std::uint64_t>(options_.seed), static_cast<std::uint64_t>(options_.n_init));
        SwapSearch(data, lloyd, best, memory_, interrupt_)
            .run(kSwapsPerRestart * options_.n_init, options_.max_iter, tolerance(), random);
    }

    // A power of two that brings every centred value into (-1, 1): multiplying by it rounds nothing.
    double single_scale() {
        double largest[kLanes] = {};
        for (std::size_t b = 0; b < data_.points.block_count(); ++b) {
            const double* block = data_.points.block(b);
            for (std::size_t f = 0; f < d_; ++f)
                for (std::size_t lane = 0; lane < kLanes; ++lane)
                    largest[lane] = std::max(largest[lane], std::fabs(block[f * kLanes + lane] - mean_[f]));
            meter_.done(kLanes * work_of_row(d_));
        }
        int exponent = 0;
        std::frexp(*std::max_element(largest, largest + kLanes), &exponent);
        return std::ldexp(1.0, -exponent);
    }

    // The points centred, scaled and rounded; remembers how much rounding moved them, in the space of
    // distances.
    void round_points(double scale, Blocks<float>& rounded) {
        double moved[kLanes] = {};
        for (std::size_t b = 0; b < rounded.block_count(); ++b) {
            const double* from = data_.points.block(b);
            const double* weights = &data_.weights[b * kLanes];
            float* to = rounded.block(b);
            for (std::size_t f = 0; f < d_; ++f) {
                for (std::size_t lane = 0; lane < kLanes; ++lane) {
                    const double exact = (from[f * kLanes + lane] - mean_[f]) * scale;
                    const float value = static_cast<float>(exact);
                    const double error = exact - static_cast<double>(value);
                    to[f * kLanes + lane] = value;
                    moved[lane] += weights[lane] * error * error;
                }
            }
            meter_.done(kLanes * work_of_row(d_));
        }
        rounding_ = std::accumulate(moved, moved + kLanes, 0.0) / scale / scale;
    }

    // Searches in single precision; false when the spread of the values rules that out from the start.
    bool search_single(Candidate& best) {
        const double scale = single_scale();
        if (!std::isfinite(scale) || scale == 0 || !std::isfinite(scale * scale))
            return false;
        Blocks<float> rounded(data_.points.size(), d_, memory_);
        round_points(scale, rounded);
        Vector<float> weights(data_.weights.size(), 0.0f, memory_);
        std::transform(data_.weights.begin(), data_.weights.end(), weights.begin(),
                       [](double weight) { return static_cast<float>(weight); });
        Lloyd<float> lloyd({rounded, weights}, k_, memory_, interrupt_);
        restart(lloyd, tolerance() * scale * scale, best);
        for (std::size_t i = 0; i < best.centres.size(); ++i)
            best.centres[i] = best.centres[i] / scale + mean_[i % d_];
        return true;
    }

    // ---- result

    // One exact step from the centres found, then sizes and sums from the nearest centre of every row: what
    // scoring the same rows with the model gives.
    void finish(const Vector<double>& centres) {
        Lloyd<double> lloyd({data_.points, data_.weights}, k_, memory_, interrupt_);
        lloyd.set_centres(centres.data());
        double movement = 0;
        lloyd.step(model_.facts.relocated, movement);
        model_.centres.assign(lloyd.centres().begin(), lloyd.centres().end());
        collect(lloyd);
        // Rows as near to two centres go to the lower number, so what was collected holds for one numbering
        // only.
        for (int pass = 0; pass < 2 && order_by_size(); ++pass) {
            lloyd.set_centres(model_.centres.data());
            collect(lloyd);
        }
    }

    // Numbers the clusters from the largest, ties by centre; false when they already were.
    bool order_by_size() {
        Vector<std::size_t> order(k_, std::size_t{0}, memory_);
        std::iota(order.begin(), order.end(), std::size_t{0});
        const double* centres = model_.centres.data();
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            if (model_.sizes[a] != model_.sizes[b])
                return model_.sizes[a] > model_.sizes[b];
            return std::lexicographical_compare(centres + a * d_, centres + (a + 1) * d_, centres + b * d_,
                                                centres + (b + 1) * d_);
        });
        if (std::is_sorted(order.begin(), order.end()))
            return false;
        Vector<double> ordered(k_ * d_, 0.0, memory_);
        for (std::size_t c = 0; c < k_; ++c)
            std::copy_n(centres + order[c] * d_, d_, ordered.data() + c * d_);
        model_.centres.swap(ordered);
        return true;
    }

    void collect(Lloyd<double>& lloyd) {
        model_.within_ss.assign(k_, 0.0);
        model_.radius.assign(k_, 0.0);
        model_.sizes.assign(k_, std::int64_t{0});
        lloyd.for_each_nearest([&](std::size_t i, std::int32_t label, double distance) {
            const auto c = static_cast<std::size_t>(label);
            model_.within_ss[c] += data_.weights[i] * distance;
            model_.radius[c] = std::max(model_.radius[c], distance);
            model_.sizes[c] += static_cast<std::int64_t>(data_.weights[i]);
        });
        for (double& radius : model_.radius)
            radius = std::sqrt(radius);
        model_.facts.inertia = std::accumulate(model_.within_ss.begin(), model_.within_ss.end(), 0.0);
    }

    const KmeansOptions& options_;
    MemoryResource* memory_;
    Interrupt& interrupt_;
    WorkMeter meter_;
    DistinctRows data_;  // standardized in place
    std::size_t k_;
    std::size_t d_;
    TrainedKmeans model_;
    Vector<double> mean_;  // in the space of distances
    double rounding_ = 0;  // sum of weight * squared rounding error of single precision
};

}  // namespace

Bill price_kmeans(std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    const auto k = static_cast<std::size_t>(options.k);
    Bill bill;
    price_distinct_rows(bill, rows, dimensions);
    Lloyd<double>::price(bill, rows, dimensions, k);
    if (is_large(rows, dimensions))
        bill.add((rows + kLanes) * dimensions, sizeof(float));
    else
        bill.add(rows, 2 * sizeof(double) + sizeof(std::size_t));  // the swap search
    bill.add(k, 4 * dimensions * sizeof(double));
    return bill;
}

TrainedKmeans train_kmeans(const RowStore& rows, std::int64_t skipped, const KmeansOptions& options,
                           MemoryResource* memory, Interrupt& interrupt) {
    validate(options);
    return Trainer(rows, skipped, options, memory, interrupt).train();
}

}  // namespace seg::core::clustering
