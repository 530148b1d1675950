#include "core/clustering/constraints.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/clustering/kmeans_options.hpp"

namespace seg::core::clustering {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Prices are found on a dense graph of clusters.
constexpr std::int32_t kMostClusters = 1000;

constexpr std::int32_t kMostRounds = 50;     // of prices and centres
constexpr std::int32_t kMostSteps = 60;      // of the prices for given centres
constexpr std::int32_t kPatience = 4;        // steps without a better state
constexpr std::int32_t kMostSweeps = 60;     // over the coordinates of the model of one step
constexpr double kLeastAscent = 1e-5;        // of the dual function of a sample, for another sweep
constexpr std::int32_t kHalvings = 5;        // of a step that makes things worse
constexpr std::uint64_t kRepairPasses = 40;  // work of repairs, in passes over all rows
// Another round needs a gain of this share of inertia: on large inputs the rest is not worth its time.
constexpr double kLeastGain = 1e-9;
constexpr double kLeastGainOfLarge = 1e-4;

constexpr double kSmallGap = 1e-9;  // between inertia and its lower bound

// Prices are found for a small sample first, for a larger one next and then for all rows.
struct Sampling {
    std::size_t costs;  // about so many distances to centres
    std::size_t least;
    std::size_t most;
    std::int32_t sweeps;

    std::size_t size(std::size_t rows, std::size_t k) const {
        return std::min(rows, std::clamp(costs / k, least, most));
    }
};
constexpr Sampling kCoarse = {1 << 17, 2048, 8192, 500};
constexpr Sampling kFine = {1 << 18, 8192, 32768, 30};

// Squared distances of a block's rows to every centre, [centre][lane], by the same operations as the
// kernels'.
void block_distances(const Blocks<double>& points, std::size_t block, const double* centres, std::size_t k,
                     double* out) {
    const std::size_t d = points.dimensions();
    const double* values = points.block(block);
    for (std::size_t c = 0; c < k; ++c) {
        double sums[kLanes] = {};
        for (std::size_t f = 0; f < d; ++f) {
            const double centre = centres[c * d + f];
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const double difference = values[f * kLanes + lane] - centre;
                sums[lane] += difference * difference;
            }
        }
        std::copy_n(sums, kLanes, out + c * kLanes);
    }
}

// The two least of distance + offset of each lane; ties go to the lower number.
struct LeastTwo {
    double value[kLanes];
    double second_value[kLanes];
    std::int32_t label[kLanes] = {};
    std::int32_t second[kLanes] = {};

    LeastTwo(const double* distances, const double* offsets, std::size_t k) {
        std::fill_n(value, kLanes, kInfinity);
        std::fill_n(second_value, kLanes, kInfinity);
        for (std::size_t c = 0; c < k; ++c) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const double now = distances[c * kLanes + lane] + offsets[c];
                const auto number = static_cast<std::int32_t>(c);
                const bool least = now < value[lane];
                const bool next = now < second_value[lane];
                second[lane] = least ? label[lane] : next ? number : second[lane];
                second_value[lane] = least ? value[lane] : next ? now : second_value[lane];
                label[lane] = least ? number : label[lane];
                value[lane] = least ? now : value[lane];
            }
        }
    }
};

// Coordinate ascent on the dual function of an evenly spaced sample of the points, which are in random order:
// each price in turn goes where the function is greatest, all clusters considered.
class SampledPrices {
  public:
    SampledPrices(const Blocks<double>& points, const Vector<double>& weights, std::size_t k,
                  std::size_t sample_size, MemoryResource* memory, WorkMeter& meter)
        : points_(points),
          k_(k),
          n_(sample_size),
          meter_(meter),
          costs_(n_ * k, 0.0, memory),
          weights_(n_, 0.0, memory),
          first_(n_, Choice{}, memory),
          second_(n_, Choice{}, memory),
          thresholds_(memory) {
        thresholds_.reserve(n_);
        for (std::size_t i = 0; i < n_; ++i)
            weights_[i] = weights[point(i)];
        total_ = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    }

    static void price(Bill& bill, std::size_t sample_size, std::size_t k) {
        bill.add(sample_size, (k + 1) * sizeof(double) + 2 * sizeof(Choice) + sizeof(Threshold));
    }

    double total() const { return total_; }

    void load(const Vector<double>& centres) {
        const std::size_t d = points_.dimensions();
        for (std::size_t i = 0; i < n_; ++i) {
            const double* row = points_.block(point(i) / kLanes) + point(i) % kLanes;
            for (std::size_t c = 0; c < k_; ++c) {
                double sum = 0;
                for (std::size_t f = 0; f < d; ++f) {
                    const double difference = row[f * kLanes] - centres[c * d + f];
                    sum += difference * difference;
                }
                costs_[i * k_ + c] = sum;
            }
            meter_.done(k_ * d / 4 + 1);
        }
    }

    // Bounds are on the sample's weight. Starts from the prices given or from none, whichever is better.
    void ascend(Vector<double>& prices, double least, double most, std::int32_t sweeps) {
        const double given = start(prices, least, most);
        Vector<double> none(k_, 0.0, prices.get_stored_allocator());
        double dual = start(none, least, most);
        if (dual > given)
            prices.swap(none);
        else
            dual = start(prices, least, most);
        for (std::int32_t sweep = 0; sweep < sweeps; ++sweep) {
            for (std::size_t c = 0; c < k_; ++c)
                set_price(prices, c, best_price(c, prices[c], least, most));
            const double now = dual_value(prices, least, most);
            if (!(now - dual > kLeastAscent * std::fabs(now)))
                return;
            dual = now;
        }
    }

  private:
    struct Choice {
        double value = 0;
        std::size_t cluster = 0;
    };
    struct Threshold {
        double price;  // below it the row is the cluster's
        double weight;
    };

    std::size_t point(std::size_t i) const {
        return static_cast<std::size_t>(static_cast<unsigned __int128>(i) * points_.size() / n_);
    }

    double start(const Vector<double>& prices, double least, double most) {
        for (std::size_t i = 0; i < n_; ++i)
            choose(i, prices);
        meter_.done(n_ * k_ / 8);
        return dual_value(prices, least, most);
    }

    double dual_value(const Vector<double>& prices, double least, double most) const {
        double dual = 0;
        for (std::size_t i = 0; i < n_; ++i)
            dual += weights_[i] * first_[i].value;
        for (double price : prices)
            dual -= price > 0 ? price * most : price * least;
        return dual;
    }

    void choose(std::size_t row, const Vector<double>& prices) {
        Choice first = {kInfinity, 0};
        Choice second = {kInfinity, 0};
        for (std::size_t c = 0; c < k_; ++c) {
            const Choice now = {costs_[row * k_ + c] + prices[c], c};
            if (now.value < first.value) {
                second = first;
                first = now;
            } else if (now.value < second.value) {
                second = now;
            }
        }
        first_[row] = first;
        second_[row] = second;
    }

    void set_price(Vector<double>& prices, std::size_t cluster, double price) {
        if (price == prices[cluster])
            return;
        prices[cluster] = price;
        for (std::size_t i = 0; i < n_; ++i)
            if (first_[i].cluster == cluster || second_[i].cluster == cluster ||
                costs_[i * k_ + cluster] + price < second_[i].value)
                choose(i, prices);
        meter_.done(n_);
    }

    // The price under which the cluster's weight is within the bounds, nearest to 0, in the middle between
    // two rows.
    double best_price(std::size_t cluster, double price, double least, double most) {
        thresholds_.clear();
        double unpriced = 0;
        double priced = 0;
        for (std::size_t i = 0; i < n_; ++i) {
            const Choice& other = first_[i].cluster == cluster ? second_[i] : first_[i];
            const Threshold now = {other.value - costs_[i * k_ + cluster], weights_[i]};
            unpriced += now.price > 0 ? now.weight : 0;
            priced += now.price > price ? now.weight : 0;
            thresholds_.push_back(now);
        }
        meter_.done(n_ / 4 + 1);
        if (unpriced >= least && unpriced <= most)
            return 0;
        if (price > 0 ? priced == most : price < 0 && priced == least)
            return price;
        const bool too_large = unpriced > most;
        // The rows to be chosen from: those that are the cluster's at a price of 0, or those that are not.
        const auto middle =
            std::partition(thresholds_.begin(), thresholds_.end(),
                           [too_large](const Threshold& t) { return (t.price > 0) == too_large; });
        const auto count = static_cast<std::size_t>(middle - thresholds_.begin());
        const double room = too_large ? most : least - unpriced;
        const std::size_t taken = std::max<std::size_t>(take(count, room, !too_large), 1);
        const auto rest = thresholds_.begin() + static_cast<std::ptrdiff_t>(taken);
        const double last = std::min_element(thresholds_.begin(), rest, lower)->price;
        if (rest != middle)
            return last + (std::max_element(rest, middle, lower)->price - last) / 2;
        return too_large ? last / 2 : 2 * last;
    }

    static bool lower(const Threshold& a, const Threshold& b) { return a.price < b.price; }

    // Brings the greatest of the first count thresholds to the front, as many as weigh no more than room, or
    // with `reach` as few as weigh that. Returns how many.
    std::size_t take(std::size_t count, double room, bool reach) {
        std::size_t first = 0;
        std::size_t last = count;
        const auto at = [this](std::size_t i) {
            return thresholds_.begin() + static_cast<std::ptrdiff_t>(i);
        };
        while (last - first > 1) {
            const std::size_t middle = first + (last - first) / 2;
            std::nth_element(at(first), at(middle), at(last),
                             [](const Threshold& a, const Threshold& b) { return a.price > b.price; });
            double weight = 0;
            for (std::size_t i = first; i < middle; ++i)
                weight += thresholds_[i].weight;
            meter_.done((last - first) / 2);
            if (reach ? weight < room : weight <= room) {
                room -= weight;
                first = middle;
            } else {
                last = middle;
            }
        }
        if (first == last || (!reach && thresholds_[first].weight > room) || (reach && room <= 0))
            return first;
        return first + 1;
    }

    const Blocks<double>& points_;
    std::size_t k_;
    std::size_t n_;
    WorkMeter& meter_;
    double total_;
    Vector<double> costs_;  // n x k
    Vector<double> weights_;
    Vector<Choice> first_;
    Vector<Choice> second_;
    Vector<Threshold> thresholds_;
};

// How sizes answer to changes of prices, as far as it can be told from each row's two nearest clusters: exact
// for changes so small that no third cluster comes in.
class PriceModel {
  public:
    PriceModel(std::size_t k, std::size_t rows, MemoryResource* memory, WorkMeter& meter)
        : k_(k),
          meter_(meter),
          starts_(k * k + 1, std::uint32_t{0}, memory),
          order_(rows, boost::container::default_init, memory),
          margins_(rows, boost::container::default_init, memory),
          weight_before_(rows + 1, boost::container::default_init, memory),
          changes_(k, 0.0, memory) {
        weight_before_[0] = 0;
    }

    // Takes each row's cluster, the next best and by how much that is worse.
    void load(const Vector<std::int32_t>& labels, const Vector<std::int32_t>& seconds,
              const Vector<double>& margins, const Vector<double>& weights) {
        const std::size_t n = order_.size();
        const auto pair_of = [&](std::size_t i) {
            return static_cast<std::size_t>(labels[i]) * k_ + static_cast<std::size_t>(seconds[i]);
        };
        std::fill(starts_.begin(), starts_.end(), std::uint32_t{0});
        for (std::size_t i = 0; i < n; ++i) {
            ++starts_[pair_of(i) + 1];
            meter_.done(1);
        }
        std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
        for (std::size_t i = 0; i < n; ++i) {
            order_[starts_[pair_of(i)]++] = static_cast<std::uint32_t>(i);
            meter_.done(1);
        }
        std::rotate(starts_.begin(), starts_.end() - 1, starts_.end());  // ends are the next one's starts
        starts_[0] = 0;
        for (std::size_t pair = 0; pair < k_ * k_; ++pair)
            std::sort(order_.begin() + starts_[pair], order_.begin() + starts_[pair + 1],
                      [&](std::uint32_t a, std::uint32_t b) {
                          meter_.done(1);
                          return margins[a] != margins[b] ? margins[a] < margins[b] : a < b;
                      });
        for (std::size_t j = 0; j < n; ++j) {
            margins_[j] = margins[order_[j]];
            weight_before_[j + 1] = weight_before_[j] + weights[order_[j]];
            meter_.done(1);
        }
    }

    // Coordinate ascent: each price in turn goes where the dual function is greatest. Returns the changes.
    const Vector<double>& solve(const Vector<double>& prices, const Vector<double>& sizes, double least,
                                double most) {
        std::fill(changes_.begin(), changes_.end(), 0.0);
        for (std::int32_t sweep = 0; sweep < kMostSweeps; ++sweep) {
            bool changed = false;
            for (std::size_t c = 0; c < k_; ++c) {
                const double before = size_after(c, changes_[c], sizes[c]);
                const double change = best_change(c, prices[c], sizes[c], least, most);
                changed |= size_after(c, change, sizes[c]) != before;
                changes_[c] = change;
            }
            if (!changed)
                break;
        }
        return changes_;
    }

  private:
    struct Run {
        const double* first;
        const double* last;
        const double* weights_before;

        // Of the rows whose margin is less than x.
        double weight_below(double x) const {
            return weights_before[std::lower_bound(first, last, x) - first] - weights_before[0];
        }
    };

    // The rows of one cluster for which another is next best.
    Run run(std::size_t from, std::size_t to) const {
        const std::size_t pair = from * k_ + to;
        return {margins_.data() + starts_[pair], margins_.data() + starts_[pair + 1],
                weight_before_.data() + starts_[pair]};
    }

    // The size of a cluster when its price changes by x and the others' by their changes so far.
    double size_after(std::size_t cluster, double x, double size) {
        for (std::size_t b = 0; b < k_; ++b) {
            const double difference = x - changes_[b];
            if (b == cluster)
                continue;
            if (difference > 0)
                size -= run(cluster, b).weight_below(difference);
            else if (difference < 0)
                size += run(b, cluster).weight_below(-difference);
        }
        meter_.done(k_ / 4 + 1);
        return size;
    }

    // The nearest changes at or below x and at or above it where a row would come or go; infinite if none.
    std::pair<double, double> steps_around(std::size_t cluster, double x) const {
        double below = -kInfinity;
        double above = kInfinity;
        const auto step = [&](double at) {
            if (at <= x)
                below = std::max(below, at);
            if (at >= x)
                above = std::min(above, at);
        };
        for (std::size_t b = 0; b < k_; ++b) {
            const auto around = [&](const Run& rows, double sign) {
                const double* at = std::lower_bound(rows.first, rows.last, sign * (x - changes_[b]));
                if (at != rows.first)
                    step(changes_[b] + sign * *(at - 1));
                if (at != rows.last)
                    step(changes_[b] + sign * *at);
            };
            around(run(cluster, b), 1);
            around(run(b, cluster), -1);
        }
        return {below, above};
    }

    // Bounds of all changes where a row would come or go.
    std::pair<double, double> range(std::size_t cluster) const {
        double low = kInfinity;
        double high = -kInfinity;
        for (std::size_t b = 0; b < k_; ++b) {
            const Run out = run(cluster, b);
            const Run in = run(b, cluster);
            if (out.first != out.last) {
                low = std::min(low, changes_[b] + *out.first);
                high = std::max(high, changes_[b] + *(out.last - 1));
            }
            if (in.first != in.last) {
                low = std::min(low, changes_[b] - *(in.last - 1));
                high = std::max(high, changes_[b] - *in.first);
            }
        }
        return {low, high};
    }

    // Where the cluster's size is nearest to its bounds, with a price of 0 if that will do.
    double best_change(std::size_t cluster, double price, double size, double least, double most) {
        const double now_priced = price + changes_[cluster];
        const double now_size = size_after(cluster, changes_[cluster], size);
        if (now_priced > 0 ? now_size == most : now_priced < 0 && now_size == least)
            return changes_[cluster];
        const double unpriced = size_after(cluster, -price, size);
        if (unpriced >= least && unpriced <= most)
            return -price;
        const auto [low, high] = range(cluster);
        if (!(low <= high))
            return changes_[cluster];
        const double margin = (high - low) * 0x1p-20 + std::fabs(high) * 0x1p-50 + 1e-300;
        // Sizes fall as prices rise: between a and b they pass from too large (or large enough) to the rest.
        const bool too_large = unpriced > most;
        double a = too_large ? std::min(-price, low - margin) : low - margin;
        double b = too_large ? high + margin : std::max(-price, high + margin);
        for (int i = 0; i < 80; ++i) {
            const double middle = a + (b - a) / 2;
            if (middle <= a || middle >= b)
                break;
            const double now = size_after(cluster, middle, size);
            const bool left = too_large ? now > most : now >= least;
            (left ? a : b) = middle;
        }
        // In the middle between two rows, so that the step is never vanishingly short.
        const double edge = too_large ? b : a;
        const auto [below, above] = steps_around(cluster, edge);
        const double other = too_large ? above : below;
        return std::isfinite(other) ? edge + (other - edge) / 2 : edge;
    }

    std::size_t k_;
    WorkMeter& meter_;
    Vector<std::uint32_t> starts_;  // k * k + 1: of each pair's run
    Vector<std::uint32_t> order_;   // rows by cluster, next best cluster, margin
    Vector<double> margins_;        // in that order
    Vector<double> weight_before_;  // of the rows before, in that order
    Vector<double> changes_;        // k
};

class Constrainer {
  public:
    Constrainer(const DistinctRows& rows, std::span<const double> centres, const SizeBounds& bounds,
                MemoryResource* memory, Interrupt& interrupt)
        : points_(rows.points),
          weights_(rows.weights),
          n_(rows.points.size()),
          d_(rows.points.dimensions()),
          k_(centres.size() / d_),
          memory_(memory),
          meter_(interrupt),
          total_(std::accumulate(weights_.begin(), weights_.end(), 0.0)),
          // No cluster may lose all its rows: an empty one has no mean.
          least_(std::max(1.0, static_cast<double>(bounds.min_size))),
          most_(bounds.max_size > 0 ? std::min(total_, static_cast<double>(bounds.max_size)) : total_),
          centres_(centres.begin(), centres.end(), memory),
          prices_(k_, 0.0, memory),
          offsets_(k_, 0.0, memory),
          sizes_(k_, 0.0, memory),
          labels_(n_, boost::container::default_init, memory),
          seconds_(n_, boost::container::default_init, memory),
          margins_(n_, boost::container::default_init, memory),
          distances_(k_ * kLanes, 0.0, memory),
          best_prices_(k_, 0.0, memory),
          trial_(k_, 0.0, memory),
          edges_(k_ * k_, kInfinity, memory),
          edge_rows_(k_ * k_, std::uint32_t{0}, memory),
          paths_((k_ + 1) * (k_ + 1), 0.0, memory),
          coarse_(points_, weights_, k_, kCoarse.size(n_, k_), memory, meter_),
          fine_(points_, weights_, k_, kFine.size(n_, k_), memory, meter_),
          model_(k_, n_, memory, meter_),
          result_(memory) {}

    ConstrainedClusters run() {
        assign();
        keep(violation_ == 0);
        if (violation_ > 0)
            alternate();
        finish();
        return std::move(result_);
    }

  private:
    template <typename Visit>
    void for_each_block(Visit&& visit) {
        for (std::size_t b = 0; b < points_.block_count(); ++b) {
            block_distances(points_, b, centres_.data(), k_, distances_.data());
            visit(b);
            meter_.done(kLanes * k_ * d_ / 8 + kLanes * k_ / 4 + 1);
        }
    }

    // ---- the state at the current centres and prices

    void assign() {
        double inertia[kLanes] = {};
        double dual[kLanes] = {};
        bool finite = true;
        const double base = *std::min_element(prices_.begin(), prices_.end());
        for (std::size_t c = 0; c < k_; ++c)
            offsets_[c] = prices_[c] - base;
        std::fill(sizes_.begin(), sizes_.end(), 0.0);
        for_each_block([&](std::size_t b) {
            const LeastTwo two(distances_.data(), offsets_.data(), k_);
            for (std::size_t lane = 0; lane < points_.lanes_in(b); ++lane) {
                const std::size_t i = b * kLanes + lane;
                const auto label = static_cast<std::size_t>(two.label[lane]);
                labels_[i] = two.label[lane];
                seconds_[i] = two.second[lane];
                margins_[i] = two.second_value[lane] - two.value[lane];
                sizes_[label] += weights_[i];
                inertia[lane] += weights_[i] * distances_[label * kLanes + lane];
                dual[lane] += weights_[i] * two.value[lane];
                finite &= k_ == 1 || two.second_value[lane] < kInfinity;
            }
        });
        if (!finite)
            throw Error(Errc::kOutOfRange,
                        "the rows are too far from each other for their distances to be computed");
        inertia_ = std::accumulate(inertia, inertia + kLanes, 0.0);
        dual_ = std::accumulate(dual, dual + kLanes, 0.0) + total_ * base;
        for (std::size_t c = 0; c < k_; ++c)
            dual_ -= prices_[c] > 0 ? prices_[c] * most_ : prices_[c] * least_;
        violation_ = total_violation();
    }

    double miss(double size) const { return std::max({0.0, size - most_, least_ - size}); }

    double total_violation() const {
        double sum = 0;
        for (double size : sizes_)
            sum += miss(size);
        return sum;
    }

    // ---- prices for given centres

    // dual_ is at most the inertia of any partition that keeps the bounds.
    bool is_optimal() const { return violation_ == 0 && inertia_ - dual_ <= kSmallGap * inertia_; }

    // Optimal, or so few rows off that moving them one by one is cheaper than another step.
    bool is_near() const { return is_optimal() || (violation_ > 0 && violation_ <= static_cast<double>(k_)); }

    void balance() {
        if (coarse_.total() < fine_.total())
            ascend(coarse_, kCoarse.sweeps);
        ascend(fine_, kFine.sweeps);
        assign();
        remember();
        std::int32_t waited = 0;
        for (std::int32_t step = 0; step < kMostSteps && waited < kPatience && !is_near(); ++step) {
            if (!descend())
                break;
            const bool better =
                violation_ < best_violation_ || (violation_ == best_violation_ && inertia_ < best_inertia_);
            waited = better ? 0 : waited + 1;
            if (better)
                remember();
        }
        restore();
        if (violation_ > 0)
            repair();
    }

    void ascend(SampledPrices& sample, std::int32_t sweeps) {
        const double share = sample.total() / total_;
        sample.load(centres_);
        sample.ascend(prices_, least_ * share, most_ * share, sweeps);
    }

    void remember() {
        best_prices_.assign(prices_.begin(), prices_.end());
        best_violation_ = violation_;
        best_inertia_ = inertia_;
    }

    void restore() {
        prices_.assign(best_prices_.begin(), best_prices_.end());
        assign();
    }

    // A step by the model, shorter if it does no good; false when even that fails.
    bool descend() {
        const double violation = violation_;
        const double dual = dual_;
        trial_.assign(prices_.begin(), prices_.end());
        model_.load(labels_, seconds_, margins_, weights_);
        const Vector<double>& changes = model_.solve(prices_, sizes_, least_, most_);
        double length = 1;
        for (std::int32_t i = 0; i < kHalvings; ++i, length /= 2) {
            for (std::size_t c = 0; c < k_; ++c)
                prices_[c] = trial_[c] + length * changes[c];
            assign();
            if (violation_ < violation || dual_ > dual)
                return true;
        }
        prices_.assign(trial_.begin(), trial_.end());
        assign();
        return false;
    }

    // ---- exact repair

    // Moves single rows along the cheapest paths from clusters that have too many to ones that may take more
    // (successive shortest paths), then finds prices under which every row prefers its cluster.
    void repair() {
        const double violation = violation_;
        remember();
        find_edges();
        std::uint64_t work = n_;
        Vector<char> touched(k_, char{0}, memory_);
        while (violation_ > 0 && work < kRepairPasses * n_ && move_along_path(touched)) {
            work += find_edges_of(touched);
            violation_ = total_violation();
        }
        if (!(violation_ < violation) || !find_prices()) {
            restore();
            return;
        }
        assign();
        if (violation_ >= violation)
            restore();
    }

    // For each pair of clusters the row that is cheapest to move.
    void find_edges() {
        std::fill(edges_.begin(), edges_.end(), kInfinity);
        for_each_block([this](std::size_t b) {
            for (std::size_t lane = 0; lane < points_.lanes_in(b); ++lane)
                for (std::size_t c = 0; c < k_; ++c)
                    offer_edge(b * kLanes + lane, c, distances_[c * kLanes + lane],
                               distances_[own(b * kLanes + lane) * kLanes + lane]);
        });
    }

    // The same again for the rows of the touched clusters; returns how many there are.
    std::uint64_t find_edges_of(const Vector<char>& touched) {
        std::uint64_t seen = 0;
        for (std::size_t a = 0; a < k_; ++a)
            if (touched[a])
                std::fill_n(edges_.begin() + static_cast<std::ptrdiff_t>(a * k_), k_, kInfinity);
        for (std::size_t i = 0; i < n_; ++i) {
            meter_.done(1);
            if (!touched[own(i)])
                continue;
            ++seen;
            meter_.done(k_ * d_ / 4 + 1);
            const double to_own = squared_distance(i, own(i));
            for (std::size_t c = 0; c < k_; ++c)
                offer_edge(i, c, squared_distance(i, c), to_own);
        }
        return seen;
    }

    std::size_t own(std::size_t row) const { return static_cast<std::size_t>(labels_[row]); }

    double squared_distance(std::size_t row, std::size_t cluster) const {
        const double* values = points_.block(row / kLanes) + row % kLanes;
        double sum = 0;
        for (std::size_t f = 0; f < d_; ++f) {
            const double difference = values[f * kLanes] - centres_[cluster * d_ + f];
            sum += difference * difference;
        }
        return sum;
    }

    void offer_edge(std::size_t row, std::size_t to, double distance, double to_own) {
        const std::size_t edge = own(row) * k_ + to;
        if (to == own(row) || !(distance - to_own < edges_[edge]))
            return;
        edges_[edge] = distance - to_own;
        edge_rows_[edge] = static_cast<std::uint32_t>(row);
    }

    // Moves a row along each edge of the cheapest path that helps; false when it would not help.
    bool move_along_path(Vector<char>& touched) {
        const bool too_many = *std::max_element(sizes_.begin(), sizes_.end()) > most_;
        Vector<double> cost(k_, kInfinity, memory_);
        Vector<std::size_t> from(k_, k_, memory_);
        for (std::size_t c = 0; c < k_; ++c)
            if (too_many ? sizes_[c] > most_ : sizes_[c] > least_)
                cost[c] = 0;
        find_paths(cost, from);
        std::size_t target = k_;
        for (std::size_t c = 0; c < k_; ++c)
            if ((too_many ? sizes_[c] < most_ : sizes_[c] < least_) && from[c] < k_ &&
                (target == k_ || cost[c] < cost[target]))
                target = c;
        if (target == k_)
            return false;
        std::fill(touched.begin(), touched.end(), char{0});
        touched[target] = 1;
        for (std::size_t to = target; from[to] < k_; to = from[to]) {
            if (touched[from[to]])
                return false;  // a cycle, which rounding has made look like a gain
            touched[from[to]] = 1;
        }
        return move_rows(target, from);
    }

    // Bellman and Ford; there is no cycle of negative cost.
    void find_paths(Vector<double>& cost, Vector<std::size_t>& from) {
        bool changed = true;
        for (std::size_t round = 0; round < k_ && changed; ++round) {
            changed = false;
            for (std::size_t a = 0; a < k_; ++a) {
                for (std::size_t b = 0; b < k_ && cost[a] < kInfinity; ++b) {
                    const double now = cost[a] + edges_[a * k_ + b];
                    if (a == b || !(now < cost[b]))
                        continue;
                    cost[b] = now;
                    from[b] = a;
                    changed = true;
                }
            }
            meter_.done(k_ * k_ / 4 + 1);
        }
    }

    bool move_rows(std::size_t target, const Vector<std::size_t>& from) {
        const double before = total_violation();
        const auto shift = [&](double sign) {
            for (std::size_t to = target; from[to] < k_; to = from[to]) {
                const std::uint32_t row = edge_rows_[from[to] * k_ + to];
                sizes_[from[to]] -= sign * weights_[row];
                sizes_[to] += sign * weights_[row];
            }
        };
        shift(1);
        if (!(total_violation() < before)) {
            shift(-1);
            return false;
        }
        for (std::size_t to = target; from[to] < k_; to = from[to])
            labels_[edge_rows_[from[to] * k_ + to]] = static_cast<std::int32_t>(to);
        return true;
    }

    // Prices with price(a) - price(b) <= edge(a, b), strictly if possible: the mean of the shortest paths
    // from every cluster. First with clusters that are off their bounds unpriced.
    bool find_prices() { return find_prices(true) || find_prices(false); }

    bool find_prices(bool anchored) {
        const std::size_t nodes = k_ + 1;  // the last one stands for a price of 0
        std::fill(paths_.begin(), paths_.end(), kInfinity);
        for (std::size_t a = 0; a < k_; ++a) {
            for (std::size_t b = 0; b < k_; ++b)
                paths_[b * nodes + a] = a == b ? 0 : edges_[a * k_ + b];
            if (anchored && sizes_[a] < most_)
                paths_[k_ * nodes + a] = 0;
            if (anchored && sizes_[a] > least_)
                paths_[a * nodes + k_] = 0;
        }
        paths_[k_ * nodes + k_] = 0;
        for (std::size_t via = 0; via < nodes; ++via) {
            for (std::size_t a = 0; a < nodes; ++a)
                for (std::size_t b = 0; b < nodes; ++b)
                    paths_[a * nodes + b] =
                        std::min(paths_[a * nodes + b], paths_[a * nodes + via] + paths_[via * nodes + b]);
            meter_.done(nodes * nodes / 4 + 1);
        }
        // What rounding makes of a cycle of no cost is none of gain.
        double largest = 0;
        for (double edge : edges_)
            largest = edge < kInfinity ? std::max(largest, std::fabs(edge)) : largest;
        for (std::size_t a = 0; a < nodes; ++a)
            if (paths_[a * nodes + a] < -1e-12 * largest)
                return false;
        return average_paths(nodes);
    }

    bool average_paths(std::size_t nodes) {
        for (std::size_t c = 0; c < k_; ++c) {
            double sum = 0;
            double sources = 0;
            for (std::size_t a = 0; a < nodes; ++a) {
                // A place that cannot be reached from anywhere is none of the graph.
                if (a == k_ && !(paths_[k_ * nodes] < kInfinity))
                    continue;
                sum += paths_[a * nodes + c];
                ++sources;
            }
            trial_[c] = sum / sources;
            if (!std::isfinite(trial_[c]))
                return false;
        }
        const double base = anchor(nodes);
        for (std::size_t c = 0; c < k_; ++c)
            prices_[c] = trial_[c] - base;
        return true;
    }

    // The mean path to the place of price 0, by which all prices are measured.
    double anchor(std::size_t nodes) const {
        double sum = 0;
        for (std::size_t a = 0; a < nodes; ++a)
            sum += paths_[a * nodes + k_];
        const double mean = sum / static_cast<double>(nodes);
        return std::isfinite(mean) ? mean : 0.0;
    }

    // ---- rounds

    // Prices for the centres, then centres from the rows, until the rows stay or nothing is gained.
    void alternate() {
        Vector<std::int32_t> before(n_, -1, memory_);
        const double least_gain = is_large(n_, d_) ? kLeastGainOfLarge : kLeastGain;
        std::int32_t waited = 0;
        while (result_.rounds < kMostRounds && waited < kPatience) {
            const double inertia = inertia_;
            balance();
            const bool same = std::equal(before.begin(), before.end(), labels_.begin());
            const bool gained =
                violation_ < kept_violation_ || (violation_ == kept_violation_ && inertia_ < kept_inertia_);
            if (gained || (same && violation_ == kept_violation_))
                keep(same);
            if (same || (result_.rounds > 0 && violation_ == 0 && kept_violation_ == 0 &&
                         inertia - inertia_ <= least_gain * inertia_))
                return;
            waited = gained ? 0 : waited + 1;
            before.assign(labels_.begin(), labels_.end());
            move_centres();
            ++result_.rounds;
        }
    }

    void keep(bool stable) {
        kept_violation_ = violation_;
        kept_inertia_ = inertia_;
        result_.centres.assign(centres_.begin(), centres_.end());
        result_.offsets.assign(offsets_.begin(), offsets_.end());
        result_.stable = stable;
    }

    // The facts, from what scoring with the result gives.
    void finish() {
        centres_.assign(result_.centres.begin(), result_.centres.end());
        prices_.assign(result_.offsets.begin(), result_.offsets.end());
        assign();
        result_.inertia = inertia_;
        result_.satisfied = violation_ == 0;
        for (double size : sizes_) {
            result_.sizes.push_back(static_cast<std::int64_t>(size));
            result_.violation = std::max(result_.violation, static_cast<std::int64_t>(miss(size)));
        }
    }

    void move_centres() {
        Vector<double> weight_of(k_, 0.0, memory_);
        Vector<double> sums(k_ * d_, 0.0, memory_);
        for (std::size_t i = 0; i < n_; ++i) {
            const auto c = static_cast<std::size_t>(labels_[i]);
            weight_of[c] += weights_[i];
            for (std::size_t f = 0; f < d_; ++f)
                sums[c * d_ + f] += weights_[i] * points_.at(i, f);
            meter_.done(work_of_row(d_));
        }
        for (std::size_t c = 0; c < k_; ++c)
            for (std::size_t f = 0; f < d_ && weight_of[c] > 0; ++f)
                centres_[c * d_ + f] = sums[c * d_ + f] / weight_of[c];
    }

    const Blocks<double>& points_;
    const Vector<double>& weights_;
    std::size_t n_;
    std::size_t d_;
    std::size_t k_;
    MemoryResource* memory_;
    WorkMeter meter_;
    double total_;
    double least_;
    double most_;

    Vector<double> centres_;
    Vector<double> prices_;   // added to squared distances; above 0 for too many rows, below for too few
    Vector<double> offsets_;  // the same from 0, as scoring uses them
    Vector<double> sizes_;
    Vector<std::int32_t> labels_;
    Vector<std::int32_t> seconds_;  // the next best cluster
    Vector<double> margins_;        // by how much it is worse
    Vector<double> distances_;      // of one block
    double inertia_ = 0;
    double dual_ = 0;
    double violation_ = 0;  // rows too many or too few, over all clusters

    Vector<double> best_prices_;
    double best_violation_ = 0;
    double best_inertia_ = 0;
    Vector<double> trial_;
    Vector<double> edges_;             // k x k: the least cost of moving a row from one cluster to another
    Vector<std::uint32_t> edge_rows_;  // k x k: that row
    Vector<double> paths_;
    SampledPrices coarse_;
    SampledPrices fine_;
    PriceModel model_;
    ConstrainedClusters result_;
    double kept_violation_ = 0;
    double kept_inertia_ = 0;
};

}  // namespace

void validate_bounds(const SizeBounds& bounds, std::uint64_t rows, std::int32_t k) {
    const auto number = [](std::int64_t value) { return static_cast<long long>(value); };
    if (bounds.min_size < 0 || bounds.max_size < 0)
        throw Error(Errc::kInvalidArgument,
                    format("sizes of clusters must not be negative: min_size %lld, max_size %lld",
                           number(bounds.min_size), number(bounds.max_size)));
    if (bounds.max_size > 0 && bounds.min_size > bounds.max_size)
        throw Error(Errc::kInvalidArgument, format("min_size %lld is greater than max_size %lld",
                                                   number(bounds.min_size), number(bounds.max_size)));
    if (bounds.any() && k > kMostClusters)
        throw Error(Errc::kInvalidArgument,
                    format("bounds on sizes need at most %d clusters, not %d", kMostClusters, k));
    const auto all = static_cast<unsigned __int128>(rows);
    if (static_cast<unsigned __int128>(bounds.min_size) * static_cast<unsigned>(k) > all)
        throw Error(Errc::kInvalidArgument,
                    format("%d clusters of at least %lld rows need more than the %llu rows there are", k,
                           number(bounds.min_size), static_cast<unsigned long long>(rows)));
    if (bounds.max_size > 0 &&
        static_cast<unsigned __int128>(bounds.max_size) * static_cast<unsigned>(k) < all)
        throw Error(Errc::kInvalidArgument,
                    format("%d clusters of at most %lld rows cannot hold the %llu rows there are", k,
                           number(bounds.max_size), static_cast<unsigned long long>(rows)));
}

void price_constraints(Bill& bill, std::uint64_t rows, std::size_t dimensions, std::size_t k) {
    // Labels (this round's and the last one's), margins, and the model.
    for (const Sampling& sampling : {kCoarse, kFine})
        SampledPrices::price(bill, sampling.size(rows, k), k);
    bill.add(rows, 4 * sizeof(std::int32_t) + 3 * sizeof(double));
    bill.add((k + 1) * (k + 1), 2 * sizeof(double) + 2 * sizeof(std::uint32_t));
    bill.add(k, (3 * dimensions + kLanes + 12) * sizeof(double));
}

ConstrainedClusters constrain_sizes(const DistinctRows& rows, std::span<const double> centres,
                                    const SizeBounds& bounds, MemoryResource* memory, Interrupt& interrupt) {
    const auto k = static_cast<std::int32_t>(centres.size() / rows.points.dimensions());
    const double total = std::accumulate(rows.weights.begin(), rows.weights.end(), 0.0);
    validate_bounds(bounds, static_cast<std::uint64_t>(total), k);
    return Constrainer(rows, centres, bounds, memory, interrupt).run();
}

}  // namespace seg::core::clustering
