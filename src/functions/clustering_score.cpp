// Scoring rows with a model: segment.cluster_id, cluster_distance, cluster_set, cluster_details.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/clustering/clustering.hpp"
#include "core/clustering/describe.hpp"
#include "core/clustering/prototypes.hpp"

#include "backend/aggregate.hpp"
#include "backend/cached_value.hpp"
#include "backend/result.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::CategoryGroup;
using core::clustering::ClusteringView;
using core::clustering::TwoNearest;

// Soft membership of fuzzy c-means with exponent 2 (Bezdek 1981): inversely proportional to the squared
// distance. Centres that the row coincides with share it.
void soften(core::Vector<double>& squares) {
    const double least = *std::min_element(squares.begin(), squares.end());
    if (!std::isfinite(least))
        throw core::Error(core::Errc::kOutOfRange,
                          "the row is too far from every centroid for its distance to be computed");
    for (double& square : squares)
        square = least > 0 ? least / square : (square == 0 ? 1.0 : 0.0);
    const double sum = std::accumulate(squares.begin(), squares.end(), 0.0);
    for (double& weight : squares)
        weight /= sum;
}

// How much each feature speaks for the first cluster and against the second.
class Details {
  public:
    Details(const ClusteringView& model, std::span<const double> features, core::MemoryResource* memory)
        : model_(model),
          nearest_(model.two_nearest(features)),
          row_(static_cast<std::size_t>(model.dimensions()), 0.0, memory),
          pull_(row_.size(), 0.0, memory),
          order_(row_.size(), 0, memory) {
        model.to_space(features, {row_.data(), row_.size()});
        std::iota(order_.begin(), order_.end(), 0);
        if (nearest_.second.cluster == 0)
            return;
        for (std::size_t f = 0; f < row_.size(); ++f) {
            const double own = row_[f] - model.centre(nearest_.first.cluster)[f];
            const double other = row_[f] - model.centre(nearest_.second.cluster)[f];
            pull_[f] = other * other - own * own;
        }
        for (const CategoryGroup& group : model.facts().options.groups)
            compare_levels(group);
        std::sort(order_.begin(), order_.end(),
                  [this](int a, int b) { return pull(a) != pull(b) ? pull(a) > pull(b) : a < b; });
    }

    void put_all(std::span<const double> features, ResultSet& result, core::Vector<char>& name) const {
        const double total = std::accumulate(pull_.begin(), pull_.end(), 0.0);
        for (int f : order_) {
            name.clear();
            append_feature_name(model_, f + 1, name);
            put_row(f, features[static_cast<std::size_t>(f)], total > 0 ? pull(f) / total : 0, result, name);
        }
    }

  private:
    // k-prototypes compares levels, not features; the category's first feature stands for it.
    void compare_levels(const CategoryGroup& group) {
        const std::int32_t level = level_of(row_, group);
        const auto mismatch = [&](std::int32_t cluster) {
            return level == mode_of(model_.centre(cluster), group)
                       ? 0.0
                       : model_.facts().options.gamma * group.mismatch_cost;
        };
        std::fill_n(&pull_[static_cast<std::size_t>(group.first)], group.count, 0.0);
        pull_[static_cast<std::size_t>(group.first)] =
            mismatch(nearest_.second.cluster) - mismatch(nearest_.first.cluster);
    }

    double pull(int feature) const { return pull_[static_cast<std::size_t>(feature)]; }

    void put_row(int f, double value, double share, ResultSet& result, const core::Vector<char>& name) const {
        const double a = model_.distance(nearest_.first.squared_distance);
        const double b = model_.distance(nearest_.second.squared_distance);
        const bool alone = nearest_.second.cluster == 0;
        const double larger = std::max(a, b);
        result.put<11>([&, this](Datum* values, bool* nulls) {
            values[0] = Int32GetDatum(nearest_.first.cluster);
            values[1] = Int32GetDatum(nearest_.second.cluster);
            values[2] = Float8GetDatum(a);
            values[3] = Float8GetDatum(b);
            values[4] = Float8GetDatum(larger > 0 ? (b - a) / larger : 0);
            values[5] = Int32GetDatum(f + 1);
            values[6] = PointerGetDatum(cstring_to_text_with_len(name.data(), static_cast<int>(name.size())));
            values[7] = Float8GetDatum(value);
            values[8] = Float8GetDatum(model_.centroid(nearest_.first.cluster, f + 1));
            values[9] = Float8GetDatum(alone ? 0 : model_.centroid(nearest_.second.cluster, f + 1));
            values[10] = Float8GetDatum(share);
            for (int column : {1, 3, 4, 9, 10})
                nulls[column] = alone;
        });
    }

    const ClusteringView& model_;
    TwoNearest nearest_;
    core::Vector<double> row_;
    core::Vector<double> pull_;
    core::Vector<int> order_;
};

}  // namespace

// cluster_id(clustering, features) -> int; NULL when a feature is NULL
PGSEG_FUNCTION(pgseg_cluster_id) {
    const ClusteringView& model = CachedValue<ClusteringView>::get(fcinfo, 0);
    const auto features = float8_array(PG_GETARG_DATUM(1), "features");
    if (!features)
        PG_RETURN_NULL();
    PG_RETURN_INT32(model.nearest(*features).cluster);
}

// cluster_distance(clustering, features) -> float8: to the own centre, in the space of distances
PGSEG_FUNCTION(pgseg_cluster_distance) {
    const ClusteringView& model = CachedValue<ClusteringView>::get(fcinfo, 0);
    const auto features = float8_array(PG_GETARG_DATUM(1), "features");
    if (!features)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(model.distance(model.nearest(*features).squared_distance));
}

// cluster_set(clustering, features, top_n) -> (cluster_id, distance, weight), nearest first
PGSEG_FUNCTION(pgseg_cluster_set) {
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) {
        const ResultSet empty(fcinfo);
        PG_RETURN_NULL();
    }
    const ClusteringView model(image_of(detoasted(PG_GETARG_DATUM(0))));
    const auto features = float8_array(PG_GETARG_DATUM(1), "features");
    const int top = PG_ARGISNULL(2) ? model.k() : PG_GETARG_INT32(2);
    if (top < 1)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"top_n\" must be at least 1, not %d", top));
    ResultSet result(fcinfo);
    if (!features)
        PG_RETURN_NULL();
    TemporaryContext context;
    core::Vector<double> squares(static_cast<std::size_t>(model.k()), 0.0, &context.resource());
    model.squared_distances(*features, {squares.data(), squares.size()});
    core::Vector<double> weights(squares.begin(), squares.end(), &context.resource());
    soften(weights);
    core::Vector<std::int32_t> order(squares.size(), 0, &context.resource());
    std::iota(order.begin(), order.end(), 0);
    const auto cost = [&](std::int32_t c) {
        return squares[static_cast<std::size_t>(c)] + model.offset(c + 1);
    };
    std::sort(order.begin(), order.end(),
              [&](std::int32_t a, std::int32_t b) { return cost(a) != cost(b) ? cost(a) < cost(b) : a < b; });
    for (int i = 0; i < std::min(top, model.k()); ++i) {
        const auto c = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
        result.put<3>([c, distance = model.distance(squares[c]), weight = weights[c]](Datum* values, bool*) {
            values[0] = Int32GetDatum(static_cast<std::int32_t>(c) + 1);
            values[1] = Float8GetDatum(distance);
            values[2] = Float8GetDatum(weight);
        });
    }
    PG_RETURN_NULL();
}

// cluster_details(clustering, features) -> a row a feature, those that decided first
PGSEG_FUNCTION(pgseg_cluster_details) {
    const ClusteringView model(image_of(detoasted(PG_GETARG_DATUM(0))));
    const auto features = float8_array(PG_GETARG_DATUM(1), "features");
    ResultSet result(fcinfo);
    if (!features)
        PG_RETURN_NULL();
    TemporaryContext context;
    core::Vector<char> name(&context.resource());
    Details(model, *features, &context.resource()).put_all(*features, result, name);
    PG_RETURN_NULL();
}
