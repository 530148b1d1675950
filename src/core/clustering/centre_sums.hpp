// Centres, the sums over their clusters, and the step from these to the next centres: what Lloyd's iterations
// have in common, wherever the points are.
#pragma once

#include "core/base/memory.hpp"
#include "core/clustering/kernels.hpp"

namespace seg::core::clustering {

struct LloydOutcome {
    std::int32_t iterations = 0;
    std::int32_t relocated = 0;
    bool converged = false;
};

template <typename T>
class CentreSums {
  public:
    // length: what centres are brought to after each step, for points that all have it; 0 leaves them.
    CentreSums(std::size_t k, std::size_t dimensions, double length, MemoryResource* memory);

    const Vector<T>& centres() const { return centres_; }
    T* centre(std::size_t cluster) { return &centres_[cluster * d_]; }
    void set_centres(const double* centres);

    // Forgets the points.
    void clear();

    // stride: from one of the point's values to the next; kLanes in a block
    void add(std::int32_t cluster, const T* point, std::size_t stride, double weight) {
        put(cluster, point, stride, weight, 1);
    }
    void remove(std::int32_t cluster, const T* point, std::size_t stride, double weight) {
        put(cluster, point, stride, -weight, -1);
    }
    // Rows that lie one behind the other; weights: null where all weigh 1.
    void add_rows(const std::int32_t* labels, const T* rows, const double* weights, std::size_t count);
    std::int64_t members(std::int32_t cluster) const { return members_[static_cast<std::size_t>(cluster)]; }
    std::int32_t count_empty() const;

    // Iterates until the centres' squared movement would be at most tol, or max_iter. A step within tol is
    // not made: who starts at the centres found stays there. assign() brings the sums to the present centres,
    // relocate() fills empty clusters and returns how many there were.
    template <typename Assign, typename Relocate>
    LloydOutcome iterate(std::int32_t max_iter, double tol, const Assign& assign, const Relocate& relocate) {
        LloydOutcome outcome;
        while (outcome.iterations < max_iter) {
            assign();
            const std::int32_t relocated = relocate();
            const double movement = propose();
            ++outcome.iterations;
            outcome.relocated += relocated;
            outcome.converged = relocated == 0 && movement <= tol;
            if (outcome.converged)
                break;
            centres_.swap(next_);
        }
        return outcome;
    }

    static void price(Bill& bill, std::size_t k, std::size_t dimensions) {
        bill.add(k, (dimensions + 1) * (2 * sizeof(T) + sizeof(double)) + sizeof(std::int64_t));
    }

  private:
    void put(std::int32_t cluster, const T* point, std::size_t stride, double weight, std::int64_t members) {
        const auto c = static_cast<std::size_t>(cluster);
        double* __restrict sums = &sums_[c * d_];
        for (std::size_t f = 0; f < d_; ++f)
            sums[f] += weight * static_cast<double>(point[f * stride]);
        weight_of_[c] += weight;
        members_[c] += members;
    }
    double propose();
    void bring_to_length(std::size_t cluster);

    const Kernels<T>& kernels_;
    std::size_t d_;
    double length_;
    Vector<T> centres_;             // k x d
    Vector<T> next_;                // k x d: where the centres would move
    Vector<double> sums_;           // k x d: sum of weight * point of the cluster
    Vector<double> weight_of_;      // k: sum of weights
    Vector<std::int64_t> members_;  // k: points, not weights
};

extern template class CentreSums<float>;
extern template class CentreSums<double>;

}  // namespace seg::core::clustering
