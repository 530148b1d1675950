// Improving a converged clustering by moving single centres to other places.
#pragma once

#include "core/base/random.hpp"
#include "core/clustering/lloyd.hpp"

namespace seg::core::clustering {

// A partition: k x d centres and the inertia they leave.
struct Candidate {
    Vector<double> centres;
    double inertia;
};

// Local search by swaps (Lattanzi and Sohler, ICML 2019), each followed by Lloyd iterations: a point drawn
// with probability proportional to weight * squared distance takes the place of the centre whose loss costs
// least; the outcome is kept when it has less inertia. Gets out of most of the local optima that restarts end
// in. O(trials * iterations * points * k * dimensions).
class SwapSearch {
  public:
    SwapSearch(WeightedPoints<double> data, Lloyd<double>& lloyd, Candidate& best, MemoryResource* memory,
               Interrupt& interrupt);

    // Runs so many trials; returns whether any improved the candidate.
    bool run(std::int32_t trials, std::int32_t max_iter, double tol, Random& random);

  private:
    void measure();
    double squared_distance(std::size_t point, const double* centre) const;
    std::size_t draw(Random& random) const;
    std::size_t cheapest_to_lose(std::size_t newcomer);

    const Blocks<double>& points_;
    const Vector<double>& weights_;
    Lloyd<double>& lloyd_;
    Candidate& best_;
    std::size_t d_;
    std::size_t k_;
    WorkMeter meter_;
    Vector<double> first_;   // squared distance to the nearest centre of best_
    Vector<double> second_;  // to the second nearest
    Vector<std::size_t> label_;
    Vector<double> loss_;  // by centre, for one newcomer
    Vector<double> trial_;
};

}  // namespace seg::core::clustering
