// Points in single precision on a grid, half the memory traffic of double precision.
#pragma once

#include "core/base/interrupt.hpp"
#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/lloyd.hpp"
#include "core/clustering/space.hpp"

namespace seg::core::clustering {

// Where the grid lies: a value x of feature f becomes (x - origin[f]) * scale, rounded to a multiple of
// kGridStep (2^-23). scale is a power of two that brings every value into (-1, 1). Sums of points with whole
// weights are exact in double precision (up to 2^30 of them), so they do not depend on the order of the
// points.
struct Grid {
    std::span<const double> origin;
    double scale;
};

// The scale for features of this spread; 0 when no power of two does.
double grid_scale(const Spread& spread, std::span<const double> origin);

struct GridPoints {
    GridPoints(std::size_t size, std::size_t dimensions, MemoryResource* memory)
        : points(size, dimensions, memory), weights(points.block_count() * kLanes, 0.0f, memory) {}

    WeightedPoints<float> view() const { return {points, weights}; }

    Blocks<float> points;
    Vector<float> weights;
    double rounding = 0;  // sum of weight * squared distance that rounding moved points, in units of the grid
};

// The most that this sum can be for points of so much weight in all.
double most_rounding(double weight, std::size_t dimensions);

// The first `count` rows.
GridPoints to_grid(const DistinctRows& rows, std::size_t count, const Grid& grid, MemoryResource* memory,
                   Interrupt& interrupt);

}  // namespace seg::core::clustering
