// Reading a model: segment.centroids, clusters, model_info, prepare_info.
#include <algorithm>
#include <cmath>

#include "core/base/json_writer.hpp"
#include "core/clustering/clustering.hpp"
#include "core/clustering/describe.hpp"
#include "core/preparation/preparation.hpp"

#include "backend/aggregate.hpp"
#include "backend/result.hpp"

#include "functions/preparation_info.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringView;
using core::clustering::Describer;
using core::clustering::TrainingFacts;
using core::preparation::Column;
using core::preparation::FeatureKind;
using core::preparation::PreparationView;

ClusteringView model_argument(FunctionCallInfo fcinfo, int number) {
    return ClusteringView(image_of(detoasted(PG_GETARG_DATUM(number))));
}

// One row of centroids().
struct CentroidRow {
    std::int32_t cluster;
    std::int32_t feature;
    const char* name;
    int name_size;
    double value;
    bool has_value;
    const char* shares;  // JSON text, or null
};

void put(ResultSet& result, const CentroidRow& row) {
    result.put<5>([row](Datum* values, bool* nulls) {
        values[0] = Int32GetDatum(row.cluster);
        values[1] = Int32GetDatum(row.feature);
        values[2] = PointerGetDatum(cstring_to_text_with_len(row.name, row.name_size));
        values[3] = Float8GetDatum(row.value);
        nulls[3] = !row.has_value;
        nulls[4] = row.shares == nullptr;
        if (!nulls[4])
            values[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(row.shares));
    });
}

// A row a feature: what distances are measured between, or without a preparation the units of the input.
class FeatureRows {
  public:
    FeatureRows(const ClusteringView& model, bool standardized, ResultSet& result,
                core::MemoryResource* memory)
        : model_(model), standardized_(standardized), result_(result), name_(memory) {}

    void put_all() {
        for (std::int32_t c = 1; c <= model_.k(); ++c)
            for (std::int32_t f = 1; f <= model_.dimensions(); ++f) {
                name_.clear();
                append_feature_name(model_, f, name_);
                const double value =
                    standardized_ ? model_.centre(c)[static_cast<std::size_t>(f - 1)] : model_.centroid(c, f);
                put(result_, {c, f, name_.data(), static_cast<int>(name_.size()), value, true, nullptr});
            }
    }

  private:
    const ClusteringView& model_;
    bool standardized_;
    ResultSet& result_;
    core::Vector<char> name_;
};

// A row a column of the preparation, in the units that the columns have.
class ColumnRows {
  public:
    ColumnRows(const ClusteringView& model, ResultSet& result, core::MemoryResource* memory)
        : model_(model), preparation_(model.preparation()), result_(result), shares_(memory), name_(memory) {}

    void put_all() {
        for (std::int32_t c = 1; c <= model_.k(); ++c)
            for (std::int32_t i = 0; i < preparation_.column_count(); ++i) {
                const Column column = preparation_.column(i);
                if (column.kind == core::preparation::ColumnKind::kCategory)
                    put_category(c, column);
                else
                    put_number(c, column);
            }
    }

  private:
    double original(std::int32_t cluster, std::int32_t feature) const {
        return preparation_.original(feature, model_.centroid(cluster, feature + 1));
    }

    void put_row(std::int32_t cluster, std::int32_t feature, std::string_view name, double value,
                 bool has_value, const char* shares) {
        put(result_,
            {cluster, feature + 1, name.data(), static_cast<int>(name.size()), value, has_value, shares});
    }

    void put_number(std::int32_t cluster, const Column& column) {
        for (std::int32_t f = column.first_feature; f < column.first_feature + column.features; ++f) {
            name_.clear();
            append_feature_name(model_, f + 1, name_);
            put_row(cluster, f, {name_.data(), name_.size()}, original(cluster, f), true, nullptr);
        }
    }

    void put_category(std::int32_t cluster, const Column& column) {
        shares_.clear();
        core::JsonWriter json(shares_);
        json.begin_object();
        for (std::int32_t f = column.first_feature; f < column.first_feature + column.features; ++f) {
            json.quoted_key(preparation_.feature(f).level).number(original(cluster, f));
        }
        json.end_object();
        shares_.push_back(0);
        put_row(cluster, column.first_feature, column.name, 0, false, shares_.data());
    }

    const ClusteringView& model_;
    PreparationView preparation_;
    ResultSet& result_;
    core::Vector<char> shares_;
    core::Vector<char> name_;
};

// A label that was given, or words of ours.
void append_label(const ClusteringView& model, std::int32_t cluster, Describer& describer,
                  core::Vector<char>& out) {
    const std::string_view label = model.label(cluster);
    if (label.empty())
        describer.append(cluster, out);
    else
        out.insert(out.end(), label.begin(), label.end());
}

}  // namespace

// centroids(clustering, standardized) -> (cluster_id, feature, name, value, shares)
PGSEG_FUNCTION(pgseg_centroids) {
    const ClusteringView model = model_argument(fcinfo, 0);
    const bool standardized = PG_GETARG_BOOL(1);
    TemporaryContext context;
    ResultSet result(fcinfo);
    if (model.preparation().empty() || standardized)
        FeatureRows(model, standardized, result, &context.resource()).put_all();
    else
        ColumnRows(model, result, &context.resource()).put_all();
    PG_RETURN_NULL();
}

// clusters(clustering) -> (cluster_id, label, size, share, within_ss, radius, scatter, silhouette)
PGSEG_FUNCTION(pgseg_clusters) {
    const ClusteringView model = model_argument(fcinfo, 0);
    TemporaryContext context;
    core::Vector<char> label(&context.resource());
    Describer describer(model, &context.resource());
    ResultSet result(fcinfo);
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        label.clear();
        append_label(model, c, describer, label);
        const char* words = label.data();
        const int size = static_cast<int>(label.size());
        const double weight = model.facts().weight;
        const double share = weight > 0 ? model.weight(c) / weight : 0;
        result.put<8>([&model, c, words, size, share](Datum* values, bool* nulls) {
            values[0] = Int32GetDatum(c);
            values[1] = PointerGetDatum(cstring_to_text_with_len(words, size));
            values[2] = Int64GetDatum(model.size(c));
            values[3] = Float8GetDatum(share);
            values[4] = Float8GetDatum(model.within_ss(c));
            values[5] = Float8GetDatum(model.radius(c));
            values[6] = Float8GetDatum(model.scatter(c));
            values[7] = Float8GetDatum(model.silhouette(c));
            nulls[7] = model.k() == 1 || model.size(c) == 0;
        });
    }
    PG_RETURN_NULL();
}

// model_info(clustering) -> one row
PGSEG_FUNCTION(pgseg_model_info) {
    const ClusteringView model = model_argument(fcinfo, 0);
    const TrainingFacts& facts = model.facts();
    const core::clustering::KmeansOptions& options = facts.options;
    Row<22> row;
    row.set(0, text_datum(name_of(options.algorithm)))
        .set(1, Int32GetDatum(options.k))
        .set(2, Int32GetDatum(facts.dimensions))
        .set(3, Int64GetDatum(facts.rows))
        .set(4, Int64GetDatum(facts.skipped))
        .set(7, Int32GetDatum(facts.iterations))
        .set(8, BoolGetDatum(facts.converged))
        .set(9, Int32GetDatum(facts.relocated))
        .set(10, Float8GetDatum(facts.inertia))
        .set(11, Float8GetDatum(facts.total_ss))
        .set(12, Float8GetDatum(std::max(0.0, facts.total_ss - facts.inertia)))
        .set(13, Int64GetDatum(options.seed))
        .set(14, Int32GetDatum(options.n_init))
        .set(15, Int32GetDatum(options.max_iter))
        .set(16, Float8GetDatum(options.tol))
        .set(17, text_datum(name_of(options.standardize)))
        .set(18, text_datum(name_of(options.measure)))
        .set(20, BoolGetDatum(facts.refined));
    if (facts.distinct_rows > 0)
        row.set(5, Int64GetDatum(facts.distinct_rows));
    if (facts.sampled_rows < facts.rows)
        row.set(6, Int64GetDatum(facts.sampled_rows));
    if (options.min_size > 0 || options.max_size > 0)
        row.set(19, BoolGetDatum(facts.constrained));
    if (options.algorithm == core::clustering::Algorithm::kPrototypes)
        row.set(21, Float8GetDatum(options.gamma));
    return composite_result(fcinfo, row);
}

// prepare_info(clustering) -> a row a column of its preparation
PGSEG_FUNCTION(pgseg_prepare_info_of_model) {
    const ClusteringView model = model_argument(fcinfo, 0);
    if (!model.preparation().empty())
        return functions::prepare_info(fcinfo, PreparationView(model.preparation()));
    const ResultSet none(fcinfo);
    PG_RETURN_NULL();
}
