#include "core/clustering/grid.hpp"

#include <cmath>

#include "core/base/fixed_sum.hpp"
#include "core/clustering/kernels.hpp"

namespace seg::core::clustering {
namespace {

// Rounds blocks and adds up how far that moved them.
class Rounder {
  public:
    Rounder(const Grid& grid, double largest_weight)
        : grid_(grid),
          unit_(static_cast<double>(grid.origin.size()) * kGridStep * kGridStep * largest_weight),
          d_(grid.origin.size()) {}

    void round(const double* from, const double* weights, float* to, float* weights_to) {
        double moved[kLanes] = {};
        for (std::size_t f = 0; f < d_; ++f) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const double exact = (from[f * kLanes + lane] - grid_.origin[f]) * grid_.scale;
                const double rounded = (exact + kGridRounder) - kGridRounder;
                to[f * kLanes + lane] = static_cast<float>(rounded);
                moved[lane] += (exact - rounded) * (exact - rounded);
            }
        }
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            weights_to[lane] = static_cast<float>(weights[lane]);
            moved[lane] *= weights[lane];
        }
        moved_.add(moved, unit_);
    }
    double moved() { return moved_.value(unit_); }

  private:
    Grid grid_;
    LaneSum<kLanes>::Unit unit_;
    std::size_t d_;
    LaneSum<kLanes> moved_;
};

}  // namespace

double grid_scale(const Spread& spread, std::span<const double> origin) {
    double largest = 0;
    for (std::size_t f = 0; f < origin.size(); ++f)
        largest = std::max({largest, spread.greatest[f] - origin[f], origin[f] - spread.least[f]});
    int exponent = 0;
    std::frexp(largest, &exponent);
    const double scale = std::ldexp(1.0, -exponent);
    const bool usable = std::isfinite(scale) && std::isfinite(scale * scale) && scale * scale > 0;
    return usable ? scale : 0;
}

double most_rounding(double weight, std::size_t dimensions) {
    return weight * static_cast<double>(dimensions) * kGridStep * kGridStep / 4;
}

GridPoints to_grid(const DistinctRows& rows, std::size_t count, const Grid& grid, MemoryResource* memory,
                   Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    GridPoints result(count, rows.points.dimensions(), memory);
    double largest_weight = 0;
    for (std::size_t i = 0; i < count; ++i)
        largest_weight = std::max(largest_weight, rows.weights[i]);
    Rounder rounder(grid, largest_weight);
    for (std::size_t b = 0; b < result.points.block_count(); ++b) {
        double weights[kLanes] = {};
        std::copy_n(&rows.weights[b * kLanes], result.points.lanes_in(b), weights);
        rounder.round(rows.points.block(b), weights, result.points.block(b), &result.weights[b * kLanes]);
        meter.done(kLanes * work_of_row(result.points.dimensions()));
    }
    result.rounding = rounder.moved();
    return result;
}

}  // namespace seg::core::clustering
