// Improving converged clusterings by recombining them.
#pragma once

#include <compare>

#include "core/base/random.hpp"
#include "core/clustering/lloyd.hpp"

namespace seg::core::clustering {

// A partition: k x d centres and the inertia they leave.
struct Candidate {
    Vector<double> centres;
    double inertia;
};

// When to stop. Work is counted in multiplications.
struct RecombinationLimits {
    std::int32_t children;
    double work;
    std::int32_t max_iter;  // for the iterations over one child, as tol
    double tol;
};

// A centre of each parent; ordered by distance, ties by number.
struct CentrePair {
    double squared_distance;
    std::uint32_t of_one;
    std::uint32_t of_other;
    auto operator<=>(const CentrePair&) const = default;
};

// Whether so many points and centres leave anything to do in reasonable time.
bool pays_to_recombine(std::uint64_t points, std::size_t k);

// The memory that recombination needs beside Lloyd's.
void price_recombination(Bill& bill, std::uint64_t points, std::size_t dimensions, std::size_t k);

// A population of clusterings and their children, after HG-means (Gribel and Vidal, Pattern Recognition 88,
// 2019). The centres of two parents are matched and the child takes one of each pair; one of its centres
// gives way to a point that is drawn with probability proportional to weight * squared distance; Lloyd's
// iterations follow. Finds what restarts do not: how many centres each region should have. O(children *
// (iterations * points * k * dimensions + k^2 * (dimensions + log k))).
template <typename T>
class Recombination {
  public:
    Recombination(WeightedPoints<T> data, Lloyd<T>& lloyd, MemoryResource* memory, Interrupt& interrupt);

    // Takes what lloyd has converged to into the population, where it is better than the worst; it replaces
    // one of the same inertia. Returns whether it is clearly the best so far.
    bool offer(double inertia);

    // Makes children until one of the limits is reached, or half as many as there may be were no better.
    // Returns the work.
    double run(const RecombinationLimits& limits, Random& random);

    // Iterates on from the three best until the centres' squared movement is at most tol.
    void polish(std::int32_t max_iter, double tol);

    // The best of all that were offered and made; ties go to the earlier one.
    const Candidate& best() const { return population_[best_]; }

    bool is_empty() const { return population_.empty(); }

    // Whether there is more than one clustering to start from.
    bool has_parents() const { return population_.size() > 1; }

  private:
    std::size_t place_of(double inertia) const;
    const Candidate& parent(Random& random) const;
    void match(const Candidate& one, const Candidate& other);
    void cross(const Candidate& one, const Candidate& other, Random& random);
    void replace_one(Random& random);
    std::size_t draw_far(Random& random);

    const Blocks<T>& points_;
    const Vector<T>& weights_;
    Lloyd<T>& lloyd_;
    MemoryResource* memory_;
    WorkMeter meter_;
    std::size_t d_;
    std::size_t k_;
    Vector<Candidate> population_;
    std::size_t best_ = 0;
    Vector<double> child_;
    Vector<double> far_;  // weight * squared distance to the nearest centre, by point
    Vector<CentrePair> pairs_;
    Vector<char> matched_;  // centres of both parents
};

extern template class Recombination<float>;
extern template class Recombination<double>;

}  // namespace seg::core::clustering
