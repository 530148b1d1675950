#include "core/clustering/assessment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/fixed_sum.hpp"
#include "core/clustering/kernels.hpp"
#include "core/clustering/prototypes.hpp"

namespace seg::core::clustering {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Labels of a block: own centre, squared distance to it, and to the centre that would come next.
struct BlockLabels {
    std::int32_t labels[kLanes];
    double distances[kLanes];
    double seconds[kLanes];
    bool tied[kLanes];
};

class Assigner {
  public:
    Assigner(const Centres& centres, std::size_t dimensions, MemoryResource* memory)
        : centres_(centres),
          kernels_(kernels<double>()),
          d_(dimensions),
          k_(centres.values.size() / dimensions),
          row_(dimensions, 0.0, memory) {}

    void assign(const double* block, std::size_t lanes, BlockLabels& out) {
        if (centres_.offsets.empty() && !centres_.prototypes) {
            kernels_.assign_two(block, 1, d_, centres_.values.data(), k_, out.labels, out.distances,
                                out.seconds);
            for (std::size_t lane = 0; lane < lanes; ++lane)
                out.tied[lane] = out.distances[lane] == out.seconds[lane];
            return;
        }
        for (std::size_t lane = 0; lane < lanes; ++lane)
            assign_row(block, lane, out);
    }

    std::size_t work() const { return kLanes * k_ * d_ / 8 + 1; }

  private:
    double squared_distance(std::size_t c) const {
        const double* centre = centres_.values.data() + c * d_;
        if (centres_.prototypes)
            return prototype_squared_distance({row_.data(), d_}, centre, centres_.groups, centres_.gamma);
        double sum = 0;
        for (std::size_t f = 0; f < d_; ++f)
            sum += (row_[f] - centre[f]) * (row_[f] - centre[f]);
        return sum;
    }

    void assign_row(const double* block, std::size_t lane, BlockLabels& out) {
        for (std::size_t f = 0; f < d_; ++f)
            row_[f] = block[f * kLanes + lane];
        double least = kInfinity;
        double next = kInfinity;
        out.distances[lane] = out.seconds[lane] = kInfinity;
        out.labels[lane] = 0;
        for (std::size_t c = 0; c < k_; ++c) {
            const double distance = squared_distance(c);
            const double cost = centres_.offsets.empty() ? distance : distance + centres_.offsets[c];
            if (cost < least) {
                next = least;
                least = cost;
                out.seconds[lane] = std::min(out.seconds[lane], out.distances[lane]);
                out.distances[lane] = distance;
                out.labels[lane] = static_cast<std::int32_t>(c);
            } else {
                next = std::min(next, cost);
                out.seconds[lane] = std::min(out.seconds[lane], distance);
            }
        }
        out.tied[lane] = least == next;
    }

    const Centres& centres_;
    const Kernels<double>& kernels_;
    std::size_t d_;
    std::size_t k_;
    Vector<double> row_;
};

// Sums by cluster that have no order.
class Sums {
  public:
    Sums(std::size_t k, const Space& space, const Spread& spread, MemoryResource* memory)
        : cosine_(space.cosine), weight_unit_(spread.largest_weight), sums_(k, Cluster(), memory) {}

    void add(std::size_t cluster, std::int64_t count, double weight, double square, double second_square) {
        Cluster& sums = sums_[cluster];
        const double distance = distance_of(square);
        const double second = distance_of(second_square);
        const double larger = std::max(distance, second);
        const double silhouette = larger > 0 && second < kInfinity ? (second - distance) / larger : 0.0;
        sums.square.add(weight * square);
        sums.distance.add(weight * distance);
        sums.silhouette.add(weight * silhouette, weight_unit_);
        sums.weight.add(weight, weight_unit_);
        sums.radius = std::max(sums.radius, distance);
        sums.size += count;
    }

    void put(Assessment& result) const {
        WideSum inertia;
        for (std::size_t c = 0; c < sums_.size(); ++c) {
            const Cluster& sums = sums_[c];
            result.within_ss[c] = sums.square.value();
            result.weight[c] = sums.weight.value(weight_unit_);
            result.sizes[c] = sums.size;
            result.radius[c] = sums.radius;
            inertia.merge(sums.square);
            if (result.weight[c] > 0) {
                result.scatter[c] = sums.distance.value() / result.weight[c];
                result.silhouette[c] =
                    std::clamp(sums.silhouette.value(weight_unit_) / result.weight[c], -1.0, 1.0);
            }
        }
        result.inertia = inertia.value();
    }

  private:
    struct Cluster {
        WideSum square, distance;
        FixedSum silhouette, weight;
        double radius = 0;
        std::int64_t size = 0;
    };

    double distance_of(double square) const { return cosine_ ? square / 2 : std::sqrt(square); }

    bool cosine_;
    FixedSum::Unit weight_unit_;
    Vector<Cluster> sums_;
};

}  // namespace

Assessment assess(RowBlocks& rows, const Space& space, const Centres& centres, const Spread& spread,
                  MemoryResource* memory, Interrupt& interrupt) {
    const std::size_t k = centres.values.size() / rows.dimensions();
    WorkMeter meter(interrupt);
    Assigner assigner(centres, rows.dimensions(), memory);
    Sums sums(k, space, spread, memory);
    Assessment result(k, memory);
    BlockLabels labels;
    rows.for_each_block(
        meter, [&](std::size_t first, std::size_t lanes, const double* block, const double* weights) {
            assigner.assign(block, lanes, labels);
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                sums.add(static_cast<std::size_t>(labels.labels[lane]), rows.rows().count(first + lane),
                         weights[lane], labels.distances[lane], labels.seconds[lane]);
                result.ties |= labels.tied[lane];
            }
            meter.done(assigner.work());
        });
    sums.put(result);
    return result;
}

}  // namespace seg::core::clustering
