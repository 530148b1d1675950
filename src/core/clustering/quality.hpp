// How good a labelling is: measures computed from rows and the cluster each of them is in.
#pragma once

#include <optional>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"
#include "core/clustering/distinct_rows.hpp"

namespace seg::core::clustering {

// Labelled rows arranged for the measures: equal rows of one cluster collapsed into a weighted point, the
// points of a cluster side by side, clusters by label. The arrangement depends on the multiset of rows alone,
// and so do the measures.
//
// A cluster of a single row stands apart: its centroid is its row, its silhouette 0 by definition. So a
// labelling with very many of them takes no more room than one without.
class LabelledPoints {
  public:
    // Rows of features with the label in the last column. At least one row.
    LabelledPoints(const RowStore& rows, MemoryResource* memory, Interrupt& interrupt);

    // What the constructor and the measures allocate, clusters of fewer than 16 different rows apart: these
    // take the room of 16.
    static Bill price(std::uint64_t rows, std::size_t dimensions);

    // The measures; nothing where one is not defined.

    // Mean silhouette width (Rousseeuw 1987), Euclidean. A row alone in its cluster counts 0. Not defined for
    // one cluster. O(rows^2 * dimensions / 2) time, memory linear in the rows.
    std::optional<double> silhouette();

    // The same with distances to centroids in the place of mean distances to rows. O(rows * clusters *
    // dimensions).
    std::optional<double> simplified_silhouette();

    // Calinski and Harabasz 1974. Not defined for one cluster, for as many clusters as rows, and when all
    // centroids are equal and so are their rows; infinite when every row equals its centroid.
    std::optional<double> calinski_harabasz();

    // Davies and Bouldin 1979 with mean distances to the centroid as scatter. Not defined for one cluster;
    // infinite when two centroids coincide.
    std::optional<double> davies_bouldin();

    // Sum of squared distances to the centroids.
    double inertia();

    std::size_t cluster_count() const { return clusters_.size() + single_count_; }

  private:
    // A cluster of two rows or more; it takes whole blocks.
    struct Cluster {
        std::size_t first_block;
        std::size_t points;
        double weight;
    };
    // Some blocks of one cluster; only the last of them may have unused lanes.
    struct Slice {
        std::size_t first_block;
        std::size_t points;

        std::size_t blocks() const { return Blocks<double>::blocks_for(points); }
        std::size_t first() const { return first_block * kLanes; }
    };
    static constexpr std::size_t kSliceBlocks = 64;

    void place(const DistinctRows& data, std::span<const std::uint32_t> points, const Cluster& cluster);
    void locate_centroids();
    void measure_own_distances();

    template <typename Visit>
    void for_each_slice(const Cluster& cluster, Visit&& visit) const;
    const double* block(std::size_t b) const { return points_.data() + b * d_ * kLanes; }
    const double* centroid(std::size_t cluster) const { return centroids_.data() + cluster * d_; }

    void add_distances(const Slice& queries, const Slice& others, bool both);
    void sum_distances(const Cluster& a, const Cluster& b);
    void keep_least_mean(const Cluster& cluster, double weight, Vector<double>& least) const;
    void lower(const Slice& slice, const double* rows, std::size_t count, double* distances);
    template <typename Term>
    double sum_over(const Cluster& cluster, const Term& term) const;
    template <typename Term>
    double sum_over_rows(const Term& term) const;
    double weight_of(std::size_t cluster) const;
    double between_ss();

    MemoryResource* memory_;
    WorkMeter meter_;
    std::size_t d_;
    double rows_;
    std::size_t single_count_ = 0;
    Vector<Cluster> clusters_;
    Vector<double> points_;     // [block][feature][lane]
    Vector<double> weights_;    // zero for unused lanes
    Vector<double> centroids_;  // of clusters_, then the rows that are alone
    Vector<double> own_;        // squared distance to the own centroid, once measured
    Vector<double> sums_;       // of distances to the rows of one cluster
};

}  // namespace seg::core::clustering
