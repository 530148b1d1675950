// segment.clustering: the model as a value, and scoring with it.
#include "core/clustering/clustering.hpp"

#include <cmath>

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/cached_value.hpp"
#include "backend/json.hpp"
#include "backend/result.hpp"

#include "functions/kmeans_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringParts;
using core::clustering::ClusteringView;
using core::clustering::TrainingFacts;

ClusteringView model_argument(FunctionCallInfo fcinfo, int number) {
    return ClusteringView(image_of(detoasted(PG_GETARG_DATUM(number))));
}

Datum clustering_from(std::span<const std::byte> body) {
    ClusteringView::validate(body);
    return bytes_to_message(body);
}

// ---- reading the JSON form

struct JsonModel {
    explicit JsonModel(core::MemoryResource* memory)
        : shift(memory), scale(memory), centres(memory), within_ss(memory), radius(memory), sizes(memory) {}

    TrainingFacts facts;
    core::Vector<double> shift, scale, centres, within_ss, radius;
    core::Vector<std::int64_t> sizes;
    bool ragged = false;  // some cluster's centre has another length than the first one's
};

[[noreturn]] void unexpected(std::string_view key) {
    throw core::Error(core::Errc::kInvalidArgument,
                      core::format("unrecognized key \"%.*s\" in a value of type segment.clustering",
                                   static_cast<int>(key.size()), key.data()));
}

void read_numbers(JsonReader& json, const char* name, core::Vector<double>& out) {
    json.array(name, [&] { out.push_back(json.number(name)); });
}

void read_cluster(JsonReader& json, JsonModel& model) {
    model.sizes.push_back(-1);
    model.within_ss.push_back(-1);
    model.radius.push_back(-1);
    const std::size_t before = model.centres.size();
    json.object("clusters", [&](std::string_view key) {
        if (key == "size")
            model.sizes.back() = json.integer("size");
        else if (key == "within_ss")
            model.within_ss.back() = json.number("within_ss");
        else if (key == "radius")
            model.radius.back() = json.number("radius");
        else if (key == "centre")
            read_numbers(json, "centre", model.centres);
        else
            unexpected(key);
    });
    const std::size_t length = model.centres.size() - before;
    if (length * model.sizes.size() != model.centres.size())
        model.ragged = true;
}

void read_member(JsonReader& json, std::string_view key, JsonModel& model) {
    TrainingFacts& facts = model.facts;
    if (key == "algorithm") {
        if (json.string("algorithm") != "kmeans")
            throw core::Error(core::Errc::kInvalidArgument, "\"algorithm\" must be \"kmeans\"");
    } else if (key == "k") {
        facts.options.k = json.small_integer("k");
    } else if (key == "dimensions") {
        facts.dimensions = json.small_integer("dimensions");
    } else if (key == "rows") {
        facts.rows = json.integer("rows");
    } else if (key == "skipped") {
        facts.skipped = json.integer("skipped");
    } else if (key == "distinct_rows") {
        facts.distinct_rows = json.integer("distinct_rows");
    } else if (key == "iterations") {
        facts.iterations = json.small_integer("iterations");
    } else if (key == "converged") {
        facts.converged = json.boolean("converged");
    } else if (key == "relocated") {
        facts.relocated = json.small_integer("relocated");
    } else if (key == "inertia") {
        facts.inertia = json.number("inertia");
    } else if (key == "total_ss") {
        facts.total_ss = json.number("total_ss");
    } else if (key == "options") {
        functions::read_kmeans_options(json, facts.options);
    } else if (key == "shift") {
        read_numbers(json, "shift", model.shift);
    } else if (key == "scale") {
        read_numbers(json, "scale", model.scale);
    } else if (key == "clusters") {
        json.array("clusters", [&] { read_cluster(json, model); });
    } else {
        unexpected(key);
    }
}

// The arrays must fit k and dimensions before they can be laid out; everything else is validate()'s business.
void check_lengths(const JsonModel& model) {
    const auto k = static_cast<std::size_t>(std::max(model.facts.options.k, 0));
    const auto d = static_cast<std::size_t>(std::max(model.facts.dimensions, 0));
    if (model.ragged || k == 0 || d == 0 || model.shift.size() != d || model.scale.size() != d ||
        model.sizes.size() != k || model.centres.size() != k * d)
        throw core::Error(
            core::Errc::kInvalidArgument, "invalid value of type segment.clustering",
            "The numbers of clusters, centres, shifts or scales do not fit \"k\" and \"dimensions\".");
}

ClusteringParts parts_of(const JsonModel& model) {
    const auto view = [](const auto& v) { return std::span(v.data(), v.size()); };
    return {model.facts,           view(model.shift),  view(model.scale), view(model.centres),
            view(model.within_ss), view(model.radius), view(model.sizes)};
}

}  // namespace

PGSEG_FUNCTION(pgseg_clustering_in) {
    JsonReader json(json_tokens_of_text(PG_GETARG_CSTRING(0)));
    TemporaryContext context(ContextResource::Limit::kNone);
    JsonModel model(&context.resource());
    json.object("value of type segment.clustering",
                [&](std::string_view key) { read_member(json, key, model); });
    check_lengths(model);
    struct varlena* value =
        new_varlena(ClusteringView::image_size(model.facts.options.k, model.facts.dimensions));
    write_clustering(parts_of(model), image_of(value));
    ClusteringView::validate(body_of(value));
    PG_RETURN_POINTER(value);
}

PGSEG_FUNCTION(pgseg_clustering_out) {
    const ClusteringView model = model_argument(fcinfo, 0);
    TemporaryContext context(ContextResource::Limit::kNone);
    core::Vector<char> json(&context.resource());
    append_json(model, json);
    json.push_back(0);
    const char* source = json.data();
    PG_RETURN_CSTRING(call([source]() noexcept { return pstrdup(source); }));
}

PGSEG_FUNCTION(pgseg_clustering_recv) {
    return clustering_from(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_clustering_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

// cluster_id(clustering, features) -> int; NULL when a feature is NULL
PGSEG_FUNCTION(pgseg_cluster_id) {
    const ClusteringView& model = CachedValue<ClusteringView>::get(fcinfo, 0);
    const auto features = float8_array(PG_GETARG_DATUM(1), "features");
    if (!features)
        PG_RETURN_NULL();
    PG_RETURN_INT32(model.nearest(*features).cluster);
}

// cluster_distance(clustering, features) -> float8: to the nearest centre, in the space of distances
PGSEG_FUNCTION(pgseg_cluster_distance) {
    const ClusteringView& model = CachedValue<ClusteringView>::get(fcinfo, 0);
    const auto features = float8_array(PG_GETARG_DATUM(1), "features");
    if (!features)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(std::sqrt(model.nearest(*features).squared_distance));
}

// centroids(clustering) -> (cluster_id, feature, value)
PGSEG_FUNCTION(pgseg_centroids) {
    const ClusteringView model = model_argument(fcinfo, 0);
    ResultSet result(fcinfo);
    for (std::int32_t c = 1; c <= model.k(); ++c)
        for (std::int32_t f = 1; f <= model.dimensions(); ++f)
            result.put<3>([c, f, value = model.centroid(c, f)](Datum* values, bool*) {
                values[0] = Int32GetDatum(c);
                values[1] = Int32GetDatum(f);
                values[2] = Float8GetDatum(value);
            });
    PG_RETURN_NULL();
}

// clusters(clustering) -> (cluster_id, size, share, within_ss, radius)
PGSEG_FUNCTION(pgseg_clusters) {
    const ClusteringView model = model_argument(fcinfo, 0);
    ResultSet result(fcinfo);
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        const std::int64_t size = model.size(c);
        const double share = static_cast<double>(size) / static_cast<double>(model.facts().rows);
        result.put<5>(
            [c, size, share, within_ss = model.within_ss(c), radius = model.radius(c)](Datum* values, bool*) {
                values[0] = Int32GetDatum(c);
                values[1] = Int64GetDatum(size);
                values[2] = Float8GetDatum(share);
                values[3] = Float8GetDatum(within_ss);
                values[4] = Float8GetDatum(radius);
            });
    }
    PG_RETURN_NULL();
}

// model_info(clustering) -> one row
PGSEG_FUNCTION(pgseg_model_info) {
    const ClusteringView model = model_argument(fcinfo, 0);
    const TrainingFacts& facts = model.facts();
    Row<17> row;
    row.set(0, text_datum("kmeans"))
        .set(1, Int32GetDatum(facts.options.k))
        .set(2, Int32GetDatum(facts.dimensions))
        .set(3, Int64GetDatum(facts.rows))
        .set(4, Int64GetDatum(facts.skipped))
        .set(5, Int64GetDatum(facts.distinct_rows))
        .set(6, Int32GetDatum(facts.iterations))
        .set(7, BoolGetDatum(facts.converged))
        .set(8, Int32GetDatum(facts.relocated))
        .set(9, Float8GetDatum(facts.inertia))
        .set(10, Float8GetDatum(facts.total_ss))
        .set(11, Float8GetDatum(std::max(0.0, facts.total_ss - facts.inertia)))
        .set(12, Int64GetDatum(facts.options.seed))
        .set(13, Int32GetDatum(facts.options.n_init))
        .set(14, Int32GetDatum(facts.options.max_iter))
        .set(15, Float8GetDatum(facts.options.tol))
        .set(16, text_datum(name_of(facts.options.standardize)));
    return composite_result(fcinfo, row);
}
