#include "core/clustering/streamed_lloyd.hpp"

#include <algorithm>
#include <type_traits>

#include "core/clustering/transpose.hpp"

namespace seg::core::clustering {

StreamedLloyd::StreamedLloyd(const RowTable& rows, const Space& space, const Grid& grid, std::size_t k,
                             double length, MemoryResource* memory, Interrupt& interrupt)
    : rows_(rows),
      space_(space),
      scale_(grid.scale),
      k_(k),
      d_(space.dimensions()),
      memory_(memory),
      meter_(interrupt),
      sums_(k, d_, length, memory),
      nearest_(k, d_, memory),
      origins_(kLanes * d_, 0.0, memory),
      transformed_(space.is_identity() ? 0 : kLanes * d_, 0.0, memory),
      points_(kLanes * d_, 0.0f, memory),
      block_(kLanes * d_, 0.0f, memory) {
    for (std::size_t i = 0; i < origins_.size(); ++i)
        origins_[i] = grid.origin[i % d_];
}

// ---- relocation

class StreamedLloyd::Farthest {
  public:
    struct Row {
        float distance;
        std::int32_t label;
        double weight;
        const float* point;
    };

    // The rows that a relocation into `empty` of k clusters may need: besides those that move, each cluster
    // may have a last row that has to stay.
    Farthest(std::size_t empty, std::size_t k, std::size_t dimensions, MemoryResource* memory)
        : d_(dimensions), most_(empty + k), values_(most_ * d_, 0.0f, memory), heap_(memory) {
        heap_.reserve(most_);
    }

    // The point is copied.
    void offer(Row row) {
        const auto order = [this](const Row& a, const Row& b) { return comes_first(a, b); };
        float* own = values_.data() + heap_.size() * d_;
        if (heap_.size() == most_) {
            if (!comes_first(row, heap_.front()))
                return;
            std::pop_heap(heap_.begin(), heap_.end(), order);
            own = values_.data() + (heap_.back().point - values_.data());
            heap_.pop_back();
        }
        std::copy_n(row.point, d_, own);
        row.point = own;
        heap_.push_back(row);
        std::push_heap(heap_.begin(), heap_.end(), order);
    }

    // To be called once.
    const Vector<Row>& sorted() {
        std::sort(heap_.begin(), heap_.end(),
                  [this](const Row& a, const Row& b) { return comes_first(a, b); });
        return heap_;
    }

  private:
    // By content when distances are equal: rows may be in any order.
    bool comes_first(const Row& a, const Row& b) const {
        if (a.distance != b.distance)
            return a.distance > b.distance;
        const auto [one, other] = std::mismatch(a.point, a.point + d_, b.point);
        return one != a.point + d_ ? *one < *other : a.weight < b.weight;
    }

    std::size_t d_;
    std::size_t most_;
    Vector<float> values_;
    Vector<Row> heap_;  // the nearest of them at its front
};

// Gives each empty cluster the row farthest from its own centre among clusters of more than one row.
std::int32_t StreamedLloyd::relocate_empty() {
    const std::int32_t empty = sums_.count_empty();
    if (empty == 0)
        return 0;
    Farthest farthest(static_cast<std::size_t>(empty), k_, d_, memory_);
    float distances[kLanes];
    for_each_block(distances, [&](std::size_t lanes, const std::int32_t* labels, const double* weights) {
        for (std::size_t lane = 0; lane < lanes; ++lane)
            farthest.offer({distances[lane], labels[lane], weights == nullptr ? 1.0 : weights[lane],
                            &points_[lane * d_]});
    });
    std::int32_t cluster = 0;
    for (const Farthest::Row& row : farthest.sorted()) {
        if (sums_.members(row.label) < 2)
            continue;
        while (cluster < static_cast<std::int32_t>(k_) && sums_.members(cluster) > 0)
            ++cluster;
        if (cluster == static_cast<std::int32_t>(k_))
            break;
        sums_.remove(row.label, row.point, 1, row.weight);
        sums_.add(cluster, row.point, 1, row.weight);
    }
    return empty;
}

// ---- iteration

// Brings rows to the grid, as they lie and as a block.
void StreamedLloyd::load(std::size_t first, std::size_t lanes) {
    // Chunks of the store hold multiples of 16 rows, so they never lie in two.
    rows_.store.visit_rows(first, [&](const auto* row) {
        using T = std::remove_cvref_t<decltype(*row)>;
        if (space_.is_identity()) {
            kernels<T>().to_grid(row, lanes * d_, origins_.data(), scale_, points_.data());
            return;
        }
        for (std::size_t lane = 0; lane < lanes; ++lane, row += d_)
            space_.transform(row,
                             [to = &transformed_[lane * d_]](std::size_t f, double value) { to[f] = value; });
        kernels<double>().to_grid(transformed_.data(), lanes * d_, origins_.data(), scale_, points_.data());
    });
    // Lanes past the last row keep what they had: nobody looks at them.
    to_block(points_.data(), d_, lanes, d_, block_.data());
}

// visit(lanes, labels, weights) for each block, with the nearest centres of its rows, which are in points_.
// weights is null where all weigh 1. Squared distances are put into distances unless that is null.
template <typename Visit>
void StreamedLloyd::for_each_block(float* distances, const Visit& visit) {
    std::int32_t labels[kLanes];
    double weights[kLanes];
    nearest_.prepare(centres().data(), rows_.size(), meter_);
    for (std::size_t first = 0; first < rows_.size(); first += kLanes) {
        const std::size_t lanes = std::min(kLanes, rows_.size() - first);
        load(first, lanes);
        nearest_.assign(block_.data(), 1, labels, distances);
        for (std::size_t lane = 0; lane < lanes && !rows_.counts.empty(); ++lane)
            weights[lane] = static_cast<double>(rows_.counts[first + lane]);
        visit(lanes, labels, rows_.counts.empty() ? nullptr : weights);
        meter_.done(kLanes * work_of_row(k_ * d_));
    }
}

void StreamedLloyd::assign_all() {
    sums_.clear();
    for_each_block(nullptr, [&](std::size_t lanes, const std::int32_t* labels, const double* weights) {
        sums_.add_rows(labels, points_.data(), weights, lanes);
    });
}

LloydOutcome StreamedLloyd::iterate(std::int32_t max_iter, double tol) {
    return sums_.iterate(
        max_iter, tol, [this] { assign_all(); }, [this] { return relocate_empty(); });
}

void StreamedLloyd::copy_to(GridPoints& points) {
    for (std::size_t first = 0; first < rows_.size(); first += kLanes) {
        const std::size_t lanes = std::min(kLanes, rows_.size() - first);
        load(first, lanes);
        std::copy(block_.begin(), block_.end(), points.points.block(first / kLanes));
        for (std::size_t lane = 0; lane < lanes; ++lane)
            points.weights[first + lane] = static_cast<float>(rows_.count(first + lane));
        meter_.done(kLanes * work_of_row(d_));
    }
    points.points.pad();
}

void StreamedLloyd::price(Bill& bill, std::size_t dimensions, std::size_t k) {
    CentreSums<float>::price(bill, k, dimensions);
    NearestCentres<float>::price(bill, k);
    bill.add(dimensions, kLanes * (2 * sizeof(double) + 2 * sizeof(float)));
    bill.add(2 * k, dimensions * sizeof(float) + 32);
}

}  // namespace seg::core::clustering
