// What a model says of its rows: sizes, sums of squares, radii, silhouettes.
#pragma once

#include "core/base/interrupt.hpp"
#include "core/clustering/kmeans_options.hpp"
#include "core/clustering/space.hpp"

namespace seg::core::clustering {

// Centres in the space of distances with the rule that rows are assigned by.
struct Centres {
    std::span<const double> values;         // k x dimensions
    std::span<const double> offsets;        // k, or none: added to squared distances
    std::span<const CategoryGroup> groups;  // k-prototypes
    double gamma = 0;
    bool prototypes = false;
};

// By cluster; see ClusteringView for what the arrays hold.
struct Assessment {
    Assessment(std::size_t k, MemoryResource* memory)
        : within_ss(k, 0.0, memory),
          radius(k, 0.0, memory),
          scatter(k, 0.0, memory),
          silhouette(k, 0.0, memory),
          weight(k, 0.0, memory),
          sizes(k, std::int64_t{0}, memory) {}

    Vector<double> within_ss;
    Vector<double> radius;
    Vector<double> scatter;
    Vector<double> silhouette;
    Vector<double> weight;
    Vector<std::int64_t> sizes;
    double inertia = 0;
    bool ties = false;  // some row is as near to another centre: numbering decides where it belongs
};

// Assigns each row as scoring does, and adds up. The result does not depend on the order of rows. O(rows * k
// * dimensions).
Assessment assess(RowBlocks& rows, const Space& space, const Centres& centres, const Spread& spread,
                  MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::clustering
