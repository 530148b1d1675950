#include "core/clustering/quality.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/clustering/quality_kernels.hpp"

namespace seg::core::clustering {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// In pairs, pairs of pairs, and so on: less rounding than from left to right.
double sum_of_lanes(const double* values) {
    double sums[kLanes];
    std::copy_n(values, kLanes, sums);
    for (std::size_t width = kLanes / 2; width > 0; width /= 2)
        for (std::size_t i = 0; i < width; ++i)
            sums[i] += sums[i + width];
    return sums[0];
}

// Neumaier's compensated sum (1974): what is lost by each addition is kept.
class Sum {
  public:
    void add(double x) {
        const double next = sum_ + x;
        lost_ += std::fabs(sum_) >= std::fabs(x) ? (sum_ - next) + x : (x - next) + sum_;
        sum_ = next;
    }
    double value() const { return sum_ + lost_; }

  private:
    double sum_ = 0;
    double lost_ = 0;
};

// Silhouette of a row at distance own from its cluster and others from the next.
double silhouette_width(double own, double others) {
    const double larger = std::max(own, others);
    return larger > 0 ? (others - own) / larger : 0.0;
}

double squared_distance(const double* a, const double* b, std::size_t dimensions) {
    double sum = 0;
    for (std::size_t f = 0; f < dimensions; ++f)
        sum += (a[f] - b[f]) * (a[f] - b[f]);
    return sum;
}

// The distinct points in the order of their labels; within a label in the order they have.
Vector<std::uint32_t> by_label(const DistinctRows& data, std::size_t label_column, MemoryResource* memory,
                               WorkMeter& meter) {
    Vector<std::uint32_t> order(data.points.size(), boost::container::default_init, memory);
    for (std::uint32_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        meter.done(1);
        const double label_a = data.points.at(a, label_column);
        const double label_b = data.points.at(b, label_column);
        return label_a != label_b ? label_a < label_b : a < b;
    });
    return order;
}

// The points order[begin, begin + points) have one label.
struct Span {
    std::size_t begin;
    std::size_t points;
    double weight;
};

Vector<Span> spans_of_labels(const DistinctRows& data, const Vector<std::uint32_t>& order,
                             std::size_t label_column, MemoryResource* memory, WorkMeter& meter) {
    Vector<Span> spans(memory);
    const auto label = [&](std::size_t i) { return data.points.at(order[i], label_column); };
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
        double weight = 0;
        for (; end < order.size() && label(end) == label(begin); ++end)
            weight += data.weights[order[end]];
        spans.push_back({begin, end - begin, weight});
        meter.done(end - begin);
    }
    return spans;
}

}  // namespace

Bill LabelledPoints::price(std::uint64_t rows, std::size_t dimensions) {
    Bill bill;
    price_distinct_rows(bill, rows, dimensions + 1);
    bill.add(rows, sizeof(std::uint32_t));
    bill.add(rows + kLanes, (dimensions + 4) * sizeof(double));
    return bill;
}

LabelledPoints::LabelledPoints(const RowStore& rows, MemoryResource* memory, Interrupt& interrupt)
    : memory_(memory),
      meter_(interrupt),
      d_(rows.width() - 1),
      rows_(static_cast<double>(rows.size())),
      clusters_(memory),
      points_(memory),
      weights_(memory),
      centroids_(memory),
      own_(memory),
      sums_(memory) {
    const DistinctRows data = distinct_rows({rows, {}}, memory, interrupt);
    const Vector<std::uint32_t> order = by_label(data, d_, memory, meter_);
    const Vector<Span> spans = spans_of_labels(data, order, d_, memory, meter_);
    std::size_t blocks = 0;
    for (const Span& span : spans) {
        if (span.weight > 1) {
            clusters_.push_back({blocks, span.points, span.weight});
            blocks += Blocks<double>::blocks_for(span.points);
        }
    }
    single_count_ = spans.size() - clusters_.size();
    points_.resize(blocks * kLanes * d_, boost::container::default_init);
    weights_.resize(blocks * kLanes, 0.0);
    centroids_.resize(spans.size() * d_, 0.0);
    auto cluster = clusters_.begin();
    double* single = centroids_.data() + clusters_.size() * d_;
    for (const Span& span : spans) {
        if (span.weight > 1) {
            place(data, {order.data() + span.begin, span.points}, *cluster++);
            continue;
        }
        for (std::size_t f = 0; f < d_; ++f)
            *single++ = data.points.at(order[span.begin], f);
    }
    locate_centroids();
}

// Copies the points of a cluster into its blocks; the lanes left over repeat the last one and weigh nothing.
void LabelledPoints::place(const DistinctRows& data, std::span<const std::uint32_t> points,
                           const Cluster& cluster) {
    const std::size_t lanes = Blocks<double>::blocks_for(points.size()) * kLanes;
    for (std::size_t i = 0; i < lanes; ++i) {
        const std::size_t from = points[std::min(i, points.size() - 1)];
        double* to = points_.data() + (cluster.first_block + i / kLanes) * d_ * kLanes + i % kLanes;
        for (std::size_t f = 0; f < d_; ++f)
            to[f * kLanes] = data.points.at(from, f);
        if (i < points.size())
            weights_[cluster.first_block * kLanes + i] = data.weights[from];
        meter_.done(work_of_row(d_));
    }
}

template <typename Visit>
void LabelledPoints::for_each_slice(const Cluster& cluster, Visit&& visit) const {
    constexpr std::size_t kSlicePoints = kSliceBlocks * kLanes;
    for (std::size_t from = 0; from < cluster.points; from += kSlicePoints)
        visit(Slice{cluster.first_block + from / kLanes, std::min(kSlicePoints, cluster.points - from)});
}

void LabelledPoints::locate_centroids() {
    Vector<double> lanes(d_ * kLanes, 0.0, memory_);
    for (std::size_t c = 0; c < clusters_.size(); ++c) {
        std::fill(lanes.begin(), lanes.end(), 0.0);
        for_each_slice(clusters_[c], [&](const Slice& slice) {
            for (std::size_t b = slice.first_block; b < slice.first_block + slice.blocks(); ++b)
                for (std::size_t f = 0; f < d_; ++f)
                    for (std::size_t lane = 0; lane < kLanes; ++lane)
                        lanes[f * kLanes + lane] += weights_[b * kLanes + lane] * block(b)[f * kLanes + lane];
            meter_.done(slice.points * work_of_row(d_));
        });
        for (std::size_t f = 0; f < d_; ++f)
            centroids_[c * d_ + f] = sum_of_lanes(&lanes[f * kLanes]) / clusters_[c].weight;
    }
}

// distances = min(distances, squared distance to the nearest of the rows), for every lane of the slice.
void LabelledPoints::lower(const Slice& slice, const double* rows, std::size_t count, double* distances) {
    constexpr std::size_t kBatch = 64;
    for (std::size_t i = 0; i < count; i += kBatch) {
        const std::size_t batch = std::min(kBatch, count - i);
        quality_kernels().least(block(slice.first_block), slice.blocks(), d_, rows + i * d_, batch,
                                distances);
        meter_.done(slice.points * batch * work_of_row(d_));
    }
}

void LabelledPoints::measure_own_distances() {
    if (own_.size() == weights_.size())
        return;
    own_.assign(weights_.size(), kInfinity);
    for (std::size_t c = 0; c < clusters_.size(); ++c)
        for_each_slice(clusters_[c],
                       [&](const Slice& slice) { lower(slice, centroid(c), 1, &own_[slice.first()]); });
}

// The sum of term(i) over the rows of a cluster, and over all rows but those that are alone.
template <typename Term>
double LabelledPoints::sum_over(const Cluster& cluster, const Term& term) const {
    Sum sum;
    const std::size_t first = cluster.first_block * kLanes;
    for (std::size_t i = first; i < first + cluster.points; ++i)
        sum.add(weights_[i] * term(i));
    return sum.value();
}
template <typename Term>
double LabelledPoints::sum_over_rows(const Term& term) const {
    Sum sum;
    for (const Cluster& cluster : clusters_)
        sum.add(sum_over(cluster, term));
    return sum.value();
}

// ---- silhouette

// Adds the weighted distances between the points of two slices to the sums of the queries, and to those of
// the others as well when both is set.
void LabelledPoints::add_distances(const Slice& queries, const Slice& others, bool both) {
    constexpr std::size_t kQueries = QualityKernels::kQueries;
    Vector<double> rows(kQueries * d_, 0.0, memory_);
    for (std::size_t q = 0; q < queries.points; q += kQueries) {
        const std::size_t first = queries.first() + q;
        for (std::size_t i = 0; i < kQueries; ++i)
            for (std::size_t f = 0; f < d_; ++f)
                rows[i * d_ + f] = block((first + i) / kLanes)[f * kLanes + (first + i) % kLanes];
        double lanes[kQueries * kLanes] = {};
        quality_kernels().distance_sums(rows.data(), &weights_[first], block(others.first_block),
                                        others.blocks(), d_, &weights_[others.first()], lanes,
                                        both ? &sums_[others.first()] : nullptr);
        for (std::size_t i = 0; i < kQueries; ++i)
            sums_[first + i] += sum_of_lanes(lanes + i * kLanes);
        meter_.done(kQueries * others.blocks() * kLanes * work_of_row(d_));
    }
}

// Leaves in sums_, for each point of either cluster, the sum of its distances to the rows of the other; for a
// cluster with itself the sum of the distances to its own rows. Each pair of slices is met once.
void LabelledPoints::sum_distances(const Cluster& a, const Cluster& b) {
    const auto clear = [this](const Cluster& cluster) {
        for_each_slice(cluster, [this](const Slice& slice) {
            std::fill_n(&sums_[slice.first()], slice.blocks() * kLanes, 0.0);
        });
    };
    clear(a);
    clear(b);
    for_each_slice(a, [&](const Slice& first) {
        for_each_slice(b, [&](const Slice& second) {
            if (second.first_block >= first.first_block)
                add_distances(first, second, second.first_block != first.first_block);
        });
    });
}

void LabelledPoints::keep_least_mean(const Cluster& cluster, double weight, Vector<double>& least) const {
    for_each_slice(cluster, [&](const Slice& slice) {
        for (std::size_t i = slice.first(); i < slice.first() + slice.points; ++i)
            least[i] = std::min(least[i], sums_[i] / weight);
    });
}

std::optional<double> LabelledPoints::silhouette() {
    if (cluster_count() < 2)
        return std::nullopt;
    sums_.assign(weights_.size(), 0.0);
    Vector<double> own(weights_.size(), 0.0, memory_);
    Vector<double> others(weights_.size(), kInfinity, memory_);
    for (const Cluster& cluster : clusters_)
        for_each_slice(cluster, [&](const Slice& slice) {
            lower(slice, centroid(clusters_.size()), single_count_, &others[slice.first()]);
        });
    for (double& distance : others)
        distance = std::sqrt(distance);
    for (std::size_t a = 0; a < clusters_.size(); ++a) {
        sum_distances(clusters_[a], clusters_[a]);
        for (std::size_t i = clusters_[a].first_block * kLanes, n = clusters_[a].points; n > 0; ++i, --n)
            own[i] = sums_[i] / (clusters_[a].weight - 1);
        for (std::size_t b = a + 1; b < clusters_.size(); ++b) {
            sum_distances(clusters_[a], clusters_[b]);
            keep_least_mean(clusters_[a], clusters_[b].weight, others);
            keep_least_mean(clusters_[b], clusters_[a].weight, others);
        }
    }
    return sum_over_rows([&](std::size_t i) { return silhouette_width(own[i], others[i]); }) / rows_;
}

std::optional<double> LabelledPoints::simplified_silhouette() {
    if (cluster_count() < 2)
        return std::nullopt;
    measure_own_distances();
    Vector<double> others(weights_.size(), kInfinity, memory_);
    for (std::size_t c = 0; c < clusters_.size(); ++c)
        for_each_slice(clusters_[c], [&](const Slice& slice) {
            lower(slice, centroid(0), c, &others[slice.first()]);
            lower(slice, centroid(c + 1), cluster_count() - c - 1, &others[slice.first()]);
        });
    const auto width = [&](std::size_t i) {
        return silhouette_width(std::sqrt(own_[i]), std::sqrt(others[i]));
    };
    return sum_over_rows(width) / rows_;
}

// ---- sums of squares and scatters

double LabelledPoints::inertia() {
    measure_own_distances();
    return sum_over_rows([&](std::size_t i) { return own_[i]; });
}

double LabelledPoints::weight_of(std::size_t cluster) const {
    return cluster < clusters_.size() ? clusters_[cluster].weight : 1.0;
}

double LabelledPoints::between_ss() {
    Vector<double> mean(d_, 0.0, memory_);
    for (std::size_t f = 0; f < d_; ++f) {
        Sum sum;
        for (std::size_t c = 0; c < cluster_count(); ++c)
            sum.add(weight_of(c) * centroid(c)[f]);
        mean[f] = sum.value() / rows_;
        meter_.done(cluster_count());
    }
    Sum between;
    for (std::size_t c = 0; c < cluster_count(); ++c)
        between.add(weight_of(c) * squared_distance(centroid(c), mean.data(), d_));
    return between.value();
}

std::optional<double> LabelledPoints::calinski_harabasz() {
    const auto k = static_cast<double>(cluster_count());
    if (k < 2 || k == rows_)
        return std::nullopt;
    const double within = inertia();
    const double between = between_ss();
    if (within == 0 && between == 0)
        return std::nullopt;
    return within == 0 ? kInfinity : between / (k - 1) / (within / (rows_ - k));
}

std::optional<double> LabelledPoints::davies_bouldin() {
    if (cluster_count() < 2)
        return std::nullopt;
    measure_own_distances();
    Vector<double> scatter(cluster_count(), 0.0, memory_);
    for (std::size_t c = 0; c < clusters_.size(); ++c)
        scatter[c] =
            sum_over(clusters_[c], [&](std::size_t i) { return std::sqrt(own_[i]); }) / clusters_[c].weight;
    Sum sum;
    for (std::size_t c = 0; c < cluster_count(); ++c) {
        double worst = 0;
        for (std::size_t other = 0; other < cluster_count(); ++other) {
            if (other == c)
                continue;
            const double distance = std::sqrt(squared_distance(centroid(c), centroid(other), d_));
            worst = std::max(worst, distance > 0 ? (scatter[c] + scatter[other]) / distance : kInfinity);
            meter_.done(work_of_row(d_));
        }
        if (worst == kInfinity)
            return kInfinity;
        sum.add(worst);
    }
    return sum.value() / static_cast<double>(cluster_count());
}

}  // namespace seg::core::clustering
