// The space of distances: rows as they are compared with the centres.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/clustering/blocks.hpp"
#include "core/clustering/kmeans_options.hpp"
#include "core/clustering/row_table.hpp"

namespace seg::core::clustering {

// Row by row: (x - shift) / scale, for cosine brought to length 1. What training and scoring share.
struct Space {
    std::span<const double> shift;
    std::span<const double> scale;
    bool cosine = false;

    std::size_t dimensions() const { return shift.size(); }

    // Whether rows are compared as they are.
    bool is_identity() const {
        return !cosine && std::all_of(shift.begin(), shift.end(), [](double x) { return x == 0; }) &&
               std::all_of(scale.begin(), scale.end(), [](double x) { return x == 1; });
    }

    // Errc::kBadData for a row of length 0 where its direction counts.
    template <typename Row, typename Put>
    void transform(const Row& row, Put&& put) const {
        if (!cosine) {
            for (std::size_t f = 0; f < shift.size(); ++f)
                put(f, (row[f] - shift[f]) / scale[f]);
            return;
        }
        double squares = 0;
        for (std::size_t f = 0; f < shift.size(); ++f) {
            const double value = (row[f] - shift[f]) / scale[f];
            squares += value * value;
        }
        if (!(squares > 0) || !std::isfinite(squares))
            throw Error(Errc::kBadData, "the cosine of a row of length 0 is not defined", {},
                        "Leave such rows out.");
        const double length = std::sqrt(squares);
        for (std::size_t f = 0; f < shift.size(); ++f)
            put(f, (row[f] - shift[f]) / scale[f] / length);
    }
};

// Where features lie and how far they spread; independent of the order of rows.
struct Spread {
    explicit Spread(std::size_t dimensions, MemoryResource* memory)
        : least(dimensions, 0.0, memory), greatest(dimensions, 0.0, memory), mean(dimensions, 0.0, memory) {}

    Vector<double> least;
    Vector<double> greatest;
    Vector<double> mean;  // weighted
    double weight = 0;    // sum of weights
    double largest_weight = 0;
    double total_ss = 0;  // sum of weight * squared distance to the mean

    // An upper bound on the squared distance of a row to any point among the rows.
    double largest_square() const {
        double sum = 0;
        for (std::size_t f = 0; f < mean.size(); ++f)
            sum += (greatest[f] - least[f]) * (greatest[f] - least[f]);
        return sum;
    }
};

// The rows of a store in their order of arrival, as blocks of 16 in the space of distances: a view that makes
// each block when it is asked for.
class RowBlocks {
  public:
    RowBlocks(const RowTable& rows, const Space& space, MemoryResource* memory);

    const RowTable& rows() const { return rows_; }
    bool is_plain() const { return plain_; }  // the space is that of the rows
    std::size_t size() const { return rows_.size(); }
    std::size_t dimensions() const { return space_.dimensions(); }

    // Calls visit(first row, rows, block, weights) for each block; lanes past the last row repeat it, with
    // weight 0.
    template <typename Visit>
    void for_each_block(WorkMeter& meter, Visit&& visit) {
        std::size_t first = 0;
        for (; first < size(); first += kLanes) {
            const std::size_t lanes = fill(first);
            visit(first, lanes, static_cast<const double*>(block_.data()),
                  static_cast<const double*>(weights_));
            meter.done(kLanes * work_of_row(dimensions()));
        }
    }

  private:
    std::size_t fill(std::size_t first);
    void put_row(const double* row, std::size_t lane);
    void put_row(const float* row, std::size_t lane);

    RowTable rows_;
    Space space_;
    bool plain_;
    Vector<double> block_;
    Vector<double> row_;  // of a narrow store
    double weights_[kLanes];
};

// Range, mean and sum of squares. Two passes, or three.
Spread measure_spread(RowBlocks& rows, MemoryResource* memory, Interrupt& interrupt);

// Shift and scale for the rows as they come. A constant feature keeps
// scale 1. zscore: mean and population standard deviation, exact sums; robust: median and 0.7413 times the
// interquartile range, percentiles interpolated, minmax: least value and range. A feature whose
// interquartile range is 0 is scaled by its standard deviation.
void fit_space(const RowTable& rows, const KmeansOptions& options, Vector<double>& shift,
               Vector<double>& scale, MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::clustering
