#include "core/clustering/grid.hpp"

#include <cmath>

namespace seg::core::clustering {
namespace {

constexpr double kStep = 0x1.0p-23;
// Adding and subtracting it rounds to a multiple of the step.
constexpr double kRounder = 0x1.8p52 * kStep;

// Rounds blocks and adds up how far that moved them.
class Rounder {
  public:
    Rounder(const Grid& grid, double largest_weight)
        : grid_(grid),
          unit_(static_cast<double>(grid.origin.size()) * kStep * kStep * largest_weight),
          d_(grid.origin.size()) {}

    void round(const double* from, const double* weights, float* to, float* weights_to) {
        double moved[kLanes] = {};
        for (std::size_t f = 0; f < d_; ++f) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const double exact = (from[f * kLanes + lane] - grid_.origin[f]) * grid_.scale;
                const double rounded = (exact + kRounder) - kRounder;
                to[f * kLanes + lane] = static_cast<float>(rounded);
                moved[lane] += (exact - rounded) * (exact - rounded);
            }
        }
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            weights_to[lane] = static_cast<float>(weights[lane]);
            moved_.add(weights[lane] * moved[lane], unit_);
        }
    }
    double moved() const { return moved_.value(unit_); }

  private:
    Grid grid_;
    FixedSum::Unit unit_;
    std::size_t d_;
    FixedSum moved_;
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

GridPoints to_grid(RowBlocks& rows, const Grid& grid, MemoryResource* memory, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    GridPoints result(rows.size(), rows.dimensions(), memory);
    Rounder rounder(grid, 1);
    rows.for_each_block(
        meter, [&](std::size_t first, std::size_t, const double* block, const double* weights) {
            rounder.round(block, weights, result.points.block(first / kLanes), &result.weights[first]);
        });
    result.rounding = rounder.moved();
    return result;
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
