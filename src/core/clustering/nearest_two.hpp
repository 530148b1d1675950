// The two nearest clusters of many rows, one after another.
#pragma once

#include <span>

#include "core/clustering/clustering.hpp"

namespace seg::core::clustering {

// What ClusteringView::two_nearest() gives, bit for bit. Where distances are plain squares and nothing is
// added to them, clusters are compared side by side, which compilers make vector instructions of.
class NearestTwo {
  public:
    NearestTwo(const ClusteringView& model, MemoryResource* memory);

    // As ClusteringView::two_nearest(), for as many features as the model has.
    TwoNearest find(std::span<const double> features);

  private:
    bool compare(std::span<const double> features, TwoNearest& best);

    const ClusteringView& model_;
    bool plain_;
    std::size_t k_;
    Vector<double> columns_;  // eight centres after eight, each eight feature by feature
};

}  // namespace seg::core::clustering
