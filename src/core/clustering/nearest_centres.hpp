// Which centre is nearest to each of many points, by the kernel that suits the centres.
#pragma once

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/clustering/kernels.hpp"

namespace seg::core::clustering {

// Squared distances are |x|^2 - 2 xc + |c|^2, and the first term is the same for all centres, so products do,
// at half the additions. What single precision loses of them does not matter as long as the centres are far
// enough from each other, seen from the origin; where they are not, differences are squared. Both are
// deterministic, and so is the choice.
template <typename T>
class NearestCentres {
  public:
    NearestCentres(std::size_t k, std::size_t dimensions, MemoryResource* memory)
        : kernels_(kernels<T>()), k_(k), d_(dimensions), half_squares_(k, T(0), memory) {}

    // Has to be called when the centres (k x dimensions) change. points: how many will be assigned to them,
    // so that the choice does not cost more than it brings.
    void prepare(const T* centres, std::size_t points, WorkMeter& meter);

    // Labels of the blocks' rows, 16 each a block, and squared distances unless distances is null.
    void assign(const T* blocks, std::size_t block_count, std::int32_t* labels, T* distances) const {
        if (by_products_)
            kernels_.assign_by_products(blocks, block_count, d_, centres_, half_squares_.data(), k_, labels,
                                        distances);
        else
            kernels_.assign(blocks, block_count, d_, centres_, k_, labels, distances);
    }

    bool by_products() const { return by_products_; }

    static void price(Bill& bill, std::size_t k) { bill.add(k, sizeof(T)); }

  private:
    bool are_far_apart(WorkMeter& meter) const;

    const Kernels<T>& kernels_;
    std::size_t k_;
    std::size_t d_;
    const T* centres_ = nullptr;
    Vector<T> half_squares_;
    bool by_products_ = false;
};

extern template class NearestCentres<float>;
extern template class NearestCentres<double>;

}  // namespace seg::core::clustering
