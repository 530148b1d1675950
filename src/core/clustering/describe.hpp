// Words for what sets a cluster apart.
#pragma once

#include "core/clustering/clustering.hpp"

namespace seg::core::clustering {

// Appends the name of a feature: of the model's preparation ("age", "city = Berlin", "age is null"), or
// "feature 3".
void append_feature_name(const ClusteringView& model, std::int32_t feature, Vector<char>& out);

// Describes clusters by the features in which their centroids differ most from the mean of all centroids,
// weighted by their rows: "revenue high, city = Berlin, last_order recent", "rarely member"; "average" when
// none does. Three at the most; a feature counts when it makes up a tenth of the centroid's squared distance
// to the mean. O(k * dimensions) to begin with, then O(dimensions) a cluster.
class Describer {
  public:
    Describer(const ClusteringView& model, MemoryResource* memory);

    void append(std::int32_t cluster, Vector<char>& out);

  private:
    const ClusteringView& model_;
    Vector<double> mean_;
    Vector<double> difference_;
};

}  // namespace seg::core::clustering
