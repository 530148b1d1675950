#include "core/clustering/prototypes.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/base/random.hpp"

namespace seg::core::clustering {
namespace {

// Restarts of large inputs are made with a sample of kLargeInput values, and at least so many points a
// cluster.
constexpr std::size_t kSampledPerCluster = 128;

// How many swaps are tried on the best restart of small inputs.
constexpr std::int32_t kSwapsPerRestart = 5;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::size_t level_count(std::span<const CategoryGroup> groups) {
    std::size_t levels = 0;
    for (const CategoryGroup& group : groups)
        levels += static_cast<std::size_t>(group.count);
    return levels;
}

// The values of one block's row, in the place of a row-major array.
struct LaneRow {
    const double* lane;
    double operator[](std::int32_t feature) const { return lane[static_cast<std::size_t>(feature) * kLanes]; }
};

// Rows as distances need them: the numeric features, then one code a group instead of its one-hot features.
class CodedRows {
  public:
    CodedRows(const DistinctRows& rows, std::span<const CategoryGroup> groups, MemoryResource* memory,
              WorkMeter& meter)
        : groups_(groups),
          numeric_(memory),
          coded_(rows.points.size(), rows.points.dimensions() - level_count(groups) + groups.size(), memory) {
        const auto d = static_cast<std::int32_t>(rows.points.dimensions());
        numeric_.reserve(rows.points.dimensions() - level_count(groups));
        std::int32_t f = 0;
        for (const CategoryGroup& group : groups) {
            for (; f < group.first; ++f)
                numeric_.push_back(f);
            f += group.count;
        }
        for (; f < d; ++f)
            numeric_.push_back(f);
        for (std::size_t b = 0; b < coded_.block_count(); ++b) {
            encode(rows.points.block(b), coded_.block(b));
            meter.done(kLanes * work_of_row(rows.points.dimensions()));
        }
    }

    std::size_t width() const { return coded_.dimensions(); }
    const Vector<std::int32_t>& numeric() const { return numeric_; }
    std::span<const CategoryGroup> groups() const { return groups_; }
    const Blocks<double>& blocks() const { return coded_; }

    // Squared distances of a block's rows to a coded centre, by the same operations as
    // prototype_squared_distance.
    void distances(std::size_t block, const double* centre, double gamma, double* out) const {
        const double* values = coded_.block(block);
        double sums[kLanes] = {};
        for (std::size_t f = 0; f < numeric_.size(); ++f) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const double difference = values[f * kLanes + lane] - centre[f];
                sums[lane] += difference * difference;
            }
        }
        values += numeric_.size() * kLanes;
        centre += numeric_.size();
        double mismatches[kLanes] = {};
        for (std::size_t g = 0; g < groups_.size(); ++g)
            for (std::size_t lane = 0; lane < kLanes; ++lane)
                mismatches[lane] += values[g * kLanes + lane] != centre[g] ? groups_[g].mismatch_cost : 0.0;
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            out[lane] = sums[lane] + gamma * mismatches[lane];
    }

    // A centre's means and modes, from its d values.
    void encode_centre(const double* centre, double* coded) const {
        for (std::size_t f = 0; f < numeric_.size(); ++f)
            coded[f] = centre[numeric_[f]];
        for (std::size_t g = 0; g < groups_.size(); ++g)
            coded[numeric_.size() + g] = mode_of(centre, groups_[g]);
    }

  private:
    void encode(const double* from, double* to) const {
        for (std::size_t f = 0; f < numeric_.size(); ++f)
            std::copy_n(from + static_cast<std::size_t>(numeric_[f]) * kLanes, kLanes, to + f * kLanes);
        to += numeric_.size() * kLanes;
        for (std::size_t g = 0; g < groups_.size(); ++g)
            for (std::size_t lane = 0; lane < kLanes; ++lane)
                to[g * kLanes + lane] = level_of(LaneRow{from + lane}, groups_[g]);
    }

    std::span<const CategoryGroup> groups_;
    Vector<std::int32_t> numeric_;  // numeric features in ascending order
    Blocks<double> coded_;
};

// Calls visit(block, labels, distances) for the first blocks with the nearest centre of each of the 16 rows;
// ties to the lower.
template <typename Visit>
void for_each_block(const CodedRows& rows, std::size_t blocks, const double* centres, std::size_t k,
                    double gamma, WorkMeter& meter, Visit&& visit) {
    for (std::size_t b = 0; b < blocks; ++b) {
        std::int32_t labels[kLanes] = {};
        double nearest[kLanes];
        std::fill_n(nearest, kLanes, kInfinity);
        for (std::size_t c = 0; c < k; ++c) {
            double distances[kLanes];
            rows.distances(b, centres + c * rows.width(), gamma, distances);
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const bool closer = distances[lane] < nearest[lane];
                nearest[lane] = closer ? distances[lane] : nearest[lane];
                labels[lane] = closer ? static_cast<std::int32_t>(c) : labels[lane];
            }
        }
        visit(b, labels, nearest);
        meter.done(kLanes * k * work_of_row(rows.width()) / 4 + 1);
    }
}

// Checks that a group is one-hot in every row and returns the value of its levels.
double one_hot_value(const Blocks<double>& points, const CategoryGroup& group, WorkMeter& meter) {
    const auto bad = [&group](const char* what) {
        return Error(Errc::kBadData,
                     format("features %d to %d are not a category: %s", group.first + 1,
                            group.first + group.count, what),
                     "In each row one feature of a category is a positive value, the same in all rows, and "
                     "its others are 0.");
    };
    double value = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
        std::int32_t levels = 0;
        for (std::int32_t level = 0; level < group.count; ++level) {
            const double x = points.at(i, static_cast<std::size_t>(group.first + level));
            if (x == 0)
                continue;
            if (!(x > 0))
                throw bad("a row has a negative value");
            if (value != 0 && x != value)
                throw bad("rows have different values");
            value = x;
            ++levels;
        }
        if (levels != 1)
            throw bad(levels == 0 ? "a row has only zeros" : "a row has several levels");
        meter.done(work_of_row(static_cast<std::size_t>(group.count)));
    }
    return value;
}

class PrototypesTrainer {
  public:
    PrototypesTrainer(const DistinctRows& rows, std::span<const CategoryGroup> groups,
                      const PrototypesOptions& options, MemoryResource* memory, Interrupt& interrupt)
        : options_(options),
          rows_(rows),
          n_(rows.points.size()),
          d_(rows.points.dimensions()),
          k_(static_cast<std::size_t>(options.k)),
          memory_(memory),
          meter_(interrupt),
          result_(memory),
          values_(memory),
          coded_(rows, with_costs(groups), memory, meter_),
          width_(coded_.width()),
          blocks_(coded_.blocks().block_count()),
          full_(k_ * d_, 0.0, memory),
          centres_(k_ * width_, 0.0, memory),
          weight_of_(k_, 0.0, memory),
          members_(k_, std::size_t{0}, memory),
          labels_(n_, -1, memory),
          distances_(rows.weights.size(), 0.0, memory),
          block_sums_(coded_.blocks().block_count(), 0.0, memory),
          is_seed_(n_, char{0}, memory) {
        result_.gamma = options.gamma > 0 ? options.gamma : automatic_gamma();
    }

    Prototypes train() {
        if (!is_large(n_, width_)) {
            search();
            if (k_ > 1 && k_ < n_)
                swap();
        } else {
            use(std::max<std::size_t>(kLargeInput / width_, kSampledPerCluster * k_));
            search();
            use(rows_.points.size());
            finish_search();
        }
        if (!std::isfinite(result_.cost))
            throw Error(Errc::kOutOfRange,
                        "the rows are too far from each other for their distances to be computed");
        return std::move(result_);
    }

  private:
    // Works with the first points only, which are a random sample, or with all.
    void use(std::size_t points) {
        n_ = std::min(rows_.points.size(), (points + kLanes - 1) / kLanes * kLanes);
        blocks_ = Blocks<double>::blocks_for(n_);
    }

    void search() {
        result_.cost = kInfinity;
        for (std::int32_t i = 0; i < options_.n_init; ++i) {
            Random random(static_cast<std::uint64_t>(options_.seed), static_cast<std::uint64_t>(i));
            seed(random);
            iterate();
        }
    }

    // Goes on from the best centres of the sample with all points.
    void finish_search() {
        const std::int32_t iterations = result_.iterations;
        const std::int32_t relocated = result_.relocated;
        for (std::size_t c = 0; c < k_ && std::isfinite(result_.cost); ++c)
            coded_.encode_centre(&result_.centres[c * d_], &centres_[c * width_]);
        forget_assignment();
        result_.cost = kInfinity;
        iterate();
        result_.iterations += iterations;
        result_.relocated += relocated;
    }

    // ---- preparation

    std::span<const CategoryGroup> with_costs(std::span<const CategoryGroup> groups) {
        result_.groups.assign(groups.begin(), groups.end());
        values_.reserve(groups.size());
        for (CategoryGroup& group : result_.groups) {
            values_.push_back(one_hot_value(rows_.points, group, meter_));
            group.mismatch_cost = 2 * values_.back() * values_.back();
            if (!std::isfinite(group.mismatch_cost) || group.mismatch_cost == 0)
                throw Error(Errc::kOutOfRange,
                            format("the value %g of a category's features has no square", values_.back()));
        }
        return {result_.groups.data(), result_.groups.size()};
    }

    // The mean over all rows of transform(value) of a feature: 16 lanes apart, then the lanes in order.
    template <typename Transform>
    double mean_of(std::size_t coded_feature, double total, Transform transform) {
        double lanes[kLanes] = {};
        for (std::size_t b = 0; b < coded_.blocks().block_count(); ++b) {
            const double* values = coded_.blocks().block(b) + coded_feature * kLanes;
            for (std::size_t lane = 0; lane < kLanes; ++lane)
                lanes[lane] += rows_.weights[b * kLanes + lane] * transform(values[lane]);
            meter_.done(kLanes);
        }
        return std::accumulate(lanes, lanes + kLanes, 0.0) / total;
    }

    double automatic_gamma() {
        const double total = std::accumulate(rows_.weights.begin(), rows_.weights.end(), 0.0);
        const std::size_t numeric = coded_.numeric().size();
        double sum = 0;
        for (std::size_t f = 0; f < numeric; ++f) {
            const double mean = mean_of(f, total, [](double x) { return x; });
            sum += std::sqrt(mean_of(f, total, [mean](double x) { return (x - mean) * (x - mean); }));
        }
        const double gamma = sum / static_cast<double>(numeric) / 2;
        return numeric > 0 && gamma > 0 ? gamma : 1.0;
    }

    // ---- seeding, as for k-means (see lloyd.cpp)

    std::size_t first_seed(Random& random) const {
        const auto end = rows_.weights.begin() + static_cast<std::ptrdiff_t>(n_);
        double left = random.uniform() * std::accumulate(rows_.weights.begin(), end, 0.0);
        for (std::size_t i = 0; i < n_; ++i) {
            left -= rows_.weights[i];
            if (left < 0)
                return i;
        }
        return n_ - 1;
    }

    // A point drawn with probability proportional to weight * distance; total is the sum of block_sums_.
    std::size_t draw(Random& random, double total) const {
        double left = random.uniform() * total;
        std::size_t b = 0;
        while (b + 1 < blocks_ && left >= block_sums_[b])
            left -= block_sums_[b++];
        std::size_t last_possible = b * kLanes;
        for (std::size_t i = b * kLanes; i < std::min(n_, (b + 1) * kLanes); ++i) {
            const double mass = rows_.weights[i] * distances_[i];
            if (mass > 0)
                last_possible = i;
            left -= mass;
            if (left < 0)
                return i;
        }
        return last_possible;  // rounding left a sliver beyond the last point
    }

    void copy_point(std::size_t point, double* to) const {
        for (std::size_t f = 0; f < width_; ++f)
            to[f] = coded_.blocks().at(point, f);
    }

    // What the cost would be with one more centre.
    double potential(const double* centre) {
        double total = 0;
        for (std::size_t b = 0; b < blocks_; ++b) {
            double distances[kLanes];
            coded_.distances(b, centre, result_.gamma, distances);
            for (std::size_t lane = 0; lane < kLanes; ++lane)
                total += rows_.weights[b * kLanes + lane] *
                         std::min(distances[lane], distances_[b * kLanes + lane]);
            meter_.done(kLanes * work_of_row(width_));
        }
        return total;
    }

    // Lowers every point's distance by the new centre; returns the cost.
    double lower(const double* centre) {
        double total = 0;
        for (std::size_t b = 0; b < blocks_; ++b) {
            double distances[kLanes];
            coded_.distances(b, centre, result_.gamma, distances);
            block_sums_[b] = 0;
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                double& distance = distances_[b * kLanes + lane];
                distance = std::min(distance, distances[lane]);
                block_sums_[b] += rows_.weights[b * kLanes + lane] * distance;
            }
            total += block_sums_[b];
            meter_.done(kLanes * work_of_row(width_));
        }
        return total;
    }

    // The best of 2 + ln k draws; the first point that is no centre yet where all distances are 0.
    std::size_t next_seed(Random& random, double total) {
        if (!(total > 0))
            return static_cast<std::size_t>(std::find(is_seed_.begin(), is_seed_.end(), 0) -
                                            is_seed_.begin());
        const auto trials = static_cast<std::int32_t>(2.0 + std::log(static_cast<double>(k_)));
        Vector<double> candidate(width_, 0.0, memory_);
        std::size_t best = n_;
        double least = kInfinity;
        for (std::int32_t trial = 0; trial < trials; ++trial) {
            const std::size_t point = draw(random, total);
            copy_point(point, candidate.data());
            const double cost = potential(candidate.data());
            if (best == n_ || cost < least) {
                best = point;
                least = cost;
            }
        }
        return best;
    }

    void forget_assignment() {
        std::fill(labels_.begin(), labels_.end(), -1);
        std::fill(distances_.begin(), distances_.end(), std::numeric_limits<double>::max());
    }

    void seed(Random& random) {
        forget_assignment();
        std::fill(is_seed_.begin(), is_seed_.end(), char{0});
        std::size_t point = first_seed(random);
        for (std::size_t c = 0; c < k_; ++c) {
            if (c > 0)
                point = next_seed(random, lower(&centres_[(c - 1) * width_]));
            is_seed_[point] = 1;
            copy_point(point, &centres_[c * width_]);
        }
    }

    // ---- iteration

    // Goes on from the best restart with one centre after the other replaced by a draw from the points that
    // the remaining ones leave far away.
    void swap() {
        Random random(static_cast<std::uint64_t>(options_.seed), static_cast<std::uint64_t>(options_.n_init));
        for (std::int32_t trial = 0; trial < kSwapsPerRestart * options_.n_init; ++trial) {
            const std::size_t loser = static_cast<std::size_t>(trial) % k_;
            forget_assignment();
            double total = 0;
            for (std::size_t c = 0; c < k_; ++c) {
                double* centre = &centres_[c * width_];
                coded_.encode_centre(&result_.centres[c * d_], centre);
                if (c != loser)
                    total = lower(centre);
            }
            if (!(total > 0))
                continue;
            copy_point(draw(random, total), &centres_[loser * width_]);
            iterate();
        }
    }

    // Assigns every point; returns how many changed their cluster.
    std::size_t reassign() {
        std::size_t moved = 0;
        std::fill(members_.begin(), members_.end(), std::size_t{0});
        for_each_block(coded_, blocks_, centres_.data(), k_, result_.gamma, meter_,
                       [&](std::size_t b, const std::int32_t* labels, const double* distances) {
                           const std::size_t first = b * kLanes;
                           for (std::size_t lane = 0; lane < coded_.blocks().lanes_in(b); ++lane) {
                               moved += labels_[first + lane] != labels[lane];
                               labels_[first + lane] = labels[lane];
                               distances_[first + lane] = distances[lane];
                               ++members_[static_cast<std::size_t>(labels[lane])];
                           }
                       });
        return moved;
    }

    // Gives each empty cluster the point farthest from its centre among clusters of several points.
    std::int32_t relocate_empty() {
        std::int32_t relocated = 0;
        for (std::size_t c = 0; c < k_; ++c) {
            if (members_[c] != 0)
                continue;
            std::size_t farthest = n_;
            for (std::size_t i = 0; i < n_; ++i) {
                if (members_[static_cast<std::size_t>(labels_[i])] < 2)
                    continue;
                if (farthest == n_ || distances_[i] > distances_[farthest])
                    farthest = i;
            }
            meter_.done(n_);
            --members_[static_cast<std::size_t>(labels_[farthest])];
            labels_[farthest] = static_cast<std::int32_t>(c);
            members_[c] = 1;
            distances_[farthest] = -1;
            ++relocated;
        }
        return relocated;
    }

    // Sums of values and of the weights of levels over each cluster, into full_.
    void add_up() {
        std::fill(full_.begin(), full_.end(), 0.0);
        std::fill(weight_of_.begin(), weight_of_.end(), 0.0);
        const std::size_t numeric = coded_.numeric().size();
        for (std::size_t i = 0; i < n_; ++i) {
            const auto c = static_cast<std::size_t>(labels_[i]);
            const double weight = rows_.weights[i];
            weight_of_[c] += weight;
            for (std::size_t f = 0; f < numeric; ++f)
                full_[c * d_ + static_cast<std::size_t>(coded_.numeric()[f])] +=
                    weight * coded_.blocks().at(i, f);
            for (std::size_t g = 0; g < result_.groups.size(); ++g) {
                const auto level = static_cast<std::int32_t>(coded_.blocks().at(i, numeric + g));
                full_[c * d_ + static_cast<std::size_t>(result_.groups[g].first + level)] += weight;
            }
            meter_.done(work_of_row(width_));
        }
    }

    // Moves the centres to means and shares; returns their squared movement, infinity when a mode changed.
    double update_centres() {
        add_up();
        double movement = 0;
        Vector<double> coded(width_, 0.0, memory_);
        for (std::size_t c = 0; c < k_; ++c) {
            double* centre = &full_[c * d_];
            for (std::size_t f = 0; f < d_; ++f)
                centre[f] /= weight_of_[c];
            for (std::size_t g = 0; g < result_.groups.size(); ++g)
                for (std::int32_t level = 0; level < result_.groups[g].count; ++level)
                    centre[result_.groups[g].first + level] *= values_[g];
            coded_.encode_centre(centre, coded.data());
            for (std::size_t f = 0; f < width_; ++f) {
                double& value = centres_[c * width_ + f];
                const double difference = coded[f] - value;
                if (difference != 0)
                    movement += f < coded_.numeric().size() ? difference * difference : kInfinity;
                value = coded[f];
            }
        }
        return movement;
    }

    double cost() {
        double lanes[kLanes] = {};
        for_each_block(coded_, blocks_, centres_.data(), k_, result_.gamma, meter_,
                       [&](std::size_t b, const std::int32_t*, const double* distances) {
                           for (std::size_t lane = 0; lane < kLanes; ++lane)
                               lanes[lane] += rows_.weights[b * kLanes + lane] * distances[lane];
                       });
        return std::accumulate(lanes, lanes + kLanes, 0.0);
    }

    // One restart from the centres; kept when it is better than those before it.
    void iterate() {
        std::int32_t iterations = 0;
        std::int32_t relocated = 0;
        bool converged = false;
        while (iterations < options_.max_iter && !converged) {
            const std::size_t moved = reassign();
            const std::int32_t now_relocated = relocate_empty();
            const double movement = update_centres();
            converged = now_relocated == 0 && (moved == 0 || movement <= options_.tol);
            relocated += now_relocated;
            ++iterations;
        }
        const double now = cost();
        if (!(now < result_.cost))
            return;
        result_.cost = now;
        result_.centres.assign(full_.begin(), full_.end());
        result_.iterations = iterations;
        result_.relocated = relocated;
        result_.converged = converged;
    }

    const PrototypesOptions& options_;
    const DistinctRows& rows_;
    std::size_t n_;  // points in use
    std::size_t d_;
    std::size_t k_;
    MemoryResource* memory_;
    WorkMeter meter_;
    Prototypes result_;
    Vector<double> values_;  // of each group's levels
    CodedRows coded_;
    std::size_t width_;
    std::size_t blocks_;  // in use

    Vector<double> full_;          // k x d: the centres as the result has them
    Vector<double> centres_;       // k x width: the same coded
    Vector<double> weight_of_;     // k
    Vector<std::size_t> members_;  // k: points, not weights
    Vector<std::int32_t> labels_;  // a point's cluster, -1 before the first assignment
    Vector<double> distances_;     // to the nearest centre (so far, when seeding)
    Vector<double> block_sums_;    // seeding: weight * distance of each block
    Vector<char> is_seed_;         // seeding: the points chosen
};

}  // namespace

void validate_groups(std::span<const CategoryGroup> groups, std::size_t dimensions) {
    std::int64_t next = 0;
    for (const CategoryGroup& group : groups) {
        if (group.count < 1)
            throw Error(Errc::kInvalidArgument,
                        format("a category must have at least 1 feature, not %d", group.count));
        if (group.first < 0 ||
            std::int64_t{group.first} + group.count > static_cast<std::int64_t>(dimensions))
            throw Error(Errc::kInvalidArgument,
                        format("features %lld to %lld of a category are not among the %zu features",
                               static_cast<long long>(group.first) + 1,
                               static_cast<long long>(group.first) + group.count, dimensions));
        if (group.first < next)
            throw Error(
                Errc::kInvalidArgument,
                format("categories overlap or are not in ascending order at feature %d", group.first + 1));
        next = std::int64_t{group.first} + group.count;
    }
}

void price_prototypes(Bill& bill, std::uint64_t rows, std::size_t dimensions,
                      std::span<const CategoryGroup> groups, std::size_t k) {
    const std::size_t width = dimensions - level_count(groups) + groups.size();
    bill.add((rows + kLanes) * width, sizeof(double));
    bill.add(rows + kLanes, sizeof(std::int32_t) + 2 * sizeof(double) + 1);
    bill.add(k * (2 * dimensions + width + 2), sizeof(double));
}

Prototypes train_prototypes(const DistinctRows& rows, std::span<const CategoryGroup> groups,
                            const PrototypesOptions& options, MemoryResource* memory, Interrupt& interrupt) {
    validate_groups(groups, rows.points.dimensions());
    if (options.k < 1 || static_cast<std::size_t>(options.k) > rows.points.size())
        throw Error(
            Errc::kInvalidArgument,
            format("number of clusters must be between 1 and %zu, not %d", rows.points.size(), options.k),
            format("%zu rows are distinct.", rows.points.size()));
    return PrototypesTrainer(rows, groups, options, memory, interrupt).train();
}

}  // namespace seg::core::clustering
