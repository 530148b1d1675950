// Lloyd's iterations over rows where they were gathered.
#pragma once

#include "core/clustering/centre_sums.hpp"
#include "core/clustering/grid.hpp"
#include "core/clustering/nearest_centres.hpp"

namespace seg::core::clustering {

// Brings 16 rows at a time to the grid when it comes to them, in every iteration anew, and keeps nothing for
// a row: a copy on the grid would take as much memory as the rows, and touching that for the first time costs
// more than the few iterations that follow a search in a sample. What it finds is what Lloyd<float> finds
// among the same points on the grid, bit for bit.
class StreamedLloyd {
  public:
    // rows: without weights of their own. length: as for CentreSums, on the grid.
    StreamedLloyd(const RowTable& rows, const Space& space, const Grid& grid, std::size_t k, double length,
                  MemoryResource* memory, Interrupt& interrupt);

    void set_centres(const double* centres) { sums_.set_centres(centres); }
    LloydOutcome iterate(std::int32_t max_iter, double tol);
    const Vector<float>& centres() const { return sums_.centres(); }

    // All rows on the grid, for who has to iterate for long.
    void copy_to(GridPoints& points);

    static void price(Bill& bill, std::size_t dimensions, std::size_t k);

  private:
    // Rows on the grid that lie far from their centres, the farthest first.
    class Farthest;

    template <typename Visit>
    void for_each_block(float* distances, const Visit& visit);
    void load(std::size_t first, std::size_t lanes);
    void assign_all();
    std::int32_t relocate_empty();

    RowTable rows_;
    Space space_;
    double scale_;
    std::size_t k_;
    std::size_t d_;
    MemoryResource* memory_;
    WorkMeter meter_;
    CentreSums<float> sums_;
    NearestCentres<float> nearest_;
    Vector<double> origins_;      // the grid's, for each of 16 rows
    Vector<double> transformed_;  // 16 rows in the space of distances, if that is not theirs
    Vector<float> points_;        // the same on the grid
    Vector<float> block_;         // the same as a block
};

}  // namespace seg::core::clustering
