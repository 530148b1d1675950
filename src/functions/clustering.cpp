// segment.clustering: the model as a value.
#include "core/clustering/clustering.hpp"

#include <algorithm>

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/json.hpp"

#include "functions/kmeans_options.hpp"
#include "functions/preparation_json.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringParts;
using core::clustering::ClusteringView;
using core::clustering::TrainingFacts;

ClusteringView model_argument(FunctionCallInfo fcinfo, int number) {
    return ClusteringView(image_of(detoasted(PG_GETARG_DATUM(number))));
}

// A value from outside: its bytes, then the encoding of its texts.
Datum clustering_from(std::span<const std::byte> body) {
    const Datum value = bytes_to_message(body);  // aligned, as the message need not be
    ClusteringView::validate(body_of(detoasted(value)));
    const ClusteringView model(image_of(detoasted(value)));
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        const std::string_view label = model.label(c);
        const char* bytes = label.data();
        const int size = static_cast<int>(label.size());
        call([bytes, size]() noexcept { pg_verifymbstr(bytes, size, false); });
    }
    if (!model.preparation().empty())
        functions::check_encoding(core::preparation::PreparationView(model.preparation()));
    return value;
}

// ---- reading the JSON form

struct JsonModel {
    explicit JsonModel(core::MemoryResource* memory)
        : shift(memory),
          scale(memory),
          centres(memory),
          within_ss(memory),
          radius(memory),
          scatter(memory),
          silhouette(memory),
          offset(memory),
          weight(memory),
          sizes(memory),
          labels(memory),
          preparation(memory) {}

    TrainingFacts facts;
    core::Vector<double> shift, scale, centres, within_ss, radius, scatter, silhouette, offset, weight;
    core::Vector<std::int64_t> sizes;
    core::Vector<std::string_view> labels;
    core::Vector<std::byte> preparation;
    bool sampled = false;
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

// A cluster's numbers, each in its list; those that may be missing have what they are then.
void open_cluster(JsonModel& model) {
    model.sizes.push_back(-1);
    for (core::Vector<double>* values : {&model.within_ss, &model.radius, &model.scatter, &model.silhouette})
        values->push_back(-2);
    model.offset.push_back(0);
    model.weight.push_back(-1);
    model.labels.push_back({});
}

bool read_cluster_number(JsonReader& json, std::string_view key, JsonModel& model) {
    if (key == "within_ss")
        model.within_ss.back() = json.number("within_ss");
    else if (key == "radius")
        model.radius.back() = json.number("radius");
    else if (key == "scatter")
        model.scatter.back() = json.number("scatter");
    else if (key == "silhouette")
        model.silhouette.back() = json.number("silhouette");
    else if (key == "offset")
        model.offset.back() = json.number("offset");
    else if (key == "weight")
        model.weight.back() = json.number("weight");
    else
        return false;
    return true;
}

void read_cluster(JsonReader& json, JsonModel& model) {
    open_cluster(model);
    const std::size_t before = model.centres.size();
    json.object("clusters", [&](std::string_view key) {
        if (read_cluster_number(json, key, model))
            return;
        if (key == "size")
            model.sizes.back() = json.integer("size");
        else if (key == "label")
            model.labels.back() = json.string("label");
        else if (key == "centre")
            read_numbers(json, "centre", model.centres);
        else
            unexpected(key);
    });
    if (model.weight.back() == -1)  // rows without weights
        model.weight.back() = static_cast<double>(model.sizes.back());
    const std::size_t length = model.centres.size() - before;
    if (length * model.sizes.size() != model.centres.size())
        model.ragged = true;
}

bool read_count(JsonReader& json, std::string_view key, TrainingFacts& facts) {
    if (key == "k")
        facts.options.k = json.small_integer("k");
    else if (key == "dimensions")
        facts.dimensions = json.small_integer("dimensions");
    else if (key == "rows")
        facts.rows = json.integer("rows");
    else if (key == "skipped")
        facts.skipped = json.integer("skipped");
    else if (key == "distinct_rows")
        facts.distinct_rows = json.integer("distinct_rows");
    else if (key == "iterations")
        facts.iterations = json.small_integer("iterations");
    else if (key == "relocated")
        facts.relocated = json.small_integer("relocated");
    else
        return false;
    return true;
}

bool read_fact(JsonReader& json, std::string_view key, TrainingFacts& facts) {
    if (key == "algorithm")
        facts.options.algorithm = core::clustering::algorithm_named(json.string("algorithm"));
    else if (key == "converged")
        facts.converged = json.boolean("converged");
    else if (key == "refined")
        facts.refined = json.boolean("refined");
    else if (key == "constrained")
        facts.constrained = json.boolean("constrained");
    else if (key == "inertia")
        facts.inertia = json.number("inertia");
    else if (key == "total_ss")
        facts.total_ss = json.number("total_ss");
    else if (key == "options")
        functions::read_kmeans_options(json, facts.options);
    else
        return false;
    return true;
}

void read_preparation_member(JsonReader& json, core::Vector<std::byte>& image) {
    const functions::JsonPreparation preparation =
        functions::read_preparation(json, image.get_stored_allocator().resource());
    image.resize(core::preparation::image_size(preparation.parts()), std::byte{0});
    write_preparation(preparation.parts(), {image.data(), image.size()});
}

void read_member(JsonReader& json, std::string_view key, JsonModel& model) {
    if (read_count(json, key, model.facts) || read_fact(json, key, model.facts))
        return;
    if (key == "sampled_rows") {
        model.facts.sampled_rows = json.integer("sampled_rows");
        model.sampled = true;
    } else if (key == "weight") {
        model.facts.weight = json.number("weight");
        model.facts.options.weighted = true;
    } else if (key == "shift") {
        read_numbers(json, "shift", model.shift);
    } else if (key == "scale") {
        read_numbers(json, "scale", model.scale);
    } else if (key == "clusters") {
        json.array("clusters", [&] { read_cluster(json, model); });
    } else if (key == "preparation") {
        read_preparation_member(json, model.preparation);
    } else {
        unexpected(key);
    }
}

// Members that are left out where they say nothing new.
void complete(JsonModel& model) {
    TrainingFacts& facts = model.facts;
    if (!model.sampled)
        facts.sampled_rows = facts.rows;
    if (!facts.options.weighted)
        for (double weight : model.weight)
            facts.weight += weight;
    if (facts.options.gamma < 0)
        facts.options.gamma = 0;
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

// The labels as the image has them; nothing when no cluster has one.
core::Vector<std::byte> label_bytes(const core::Vector<std::string_view>& labels,
                                    core::MemoryResource* memory) {
    core::Vector<std::byte> bytes(memory);
    if (std::any_of(labels.begin(), labels.end(), [](std::string_view label) { return !label.empty(); }))
        for (std::string_view label : labels)
            core::clustering::append_label(bytes, label);
    return bytes;
}

ClusteringParts parts_of(const JsonModel& model) {
    const auto view = [](const auto& v) { return std::span(v.data(), v.size()); };
    return {model.facts,
            view(model.shift),
            view(model.scale),
            view(model.centres),
            view(model.within_ss),
            view(model.radius),
            view(model.scatter),
            view(model.silhouette),
            view(model.offset),
            view(model.weight),
            view(model.sizes),
            view(model.preparation),
            {}};
}

struct TextElement {
    const char* data;
    std::size_t size;  // 0 for NULL
};

// The elements of a text[], in the current context.
std::span<const TextElement> text_array(Datum datum) {
    struct List {
        TextElement* elements;
        int count;
    };
    const List list = call([datum]() noexcept {
        Datum* values;
        bool* nulls;
        List made;
        deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
                          &made.count);
        made.elements =
            static_cast<TextElement*>(palloc(sizeof(TextElement) * static_cast<Size>(made.count + 1)));
        for (int i = 0; i < made.count; ++i) {
            made.elements[i] = {nullptr, 0};
            if (nulls[i])
                continue;
            text* value = DatumGetTextPP(values[i]);
            made.elements[i] = {VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))};
        }
        return made;
    });
    return {list.elements, static_cast<std::size_t>(list.count)};
}

// The value of these parts, checked where they come from outside.
struct varlena* value_of(const ClusteringParts& parts, bool check) {
    struct varlena* value = new_varlena(parts.image_size());
    write_clustering(parts, image_of(value));
    if (check)
        ClusteringView::validate(body_of(value));
    return value;
}

}  // namespace

PGSEG_FUNCTION(pgseg_clustering_in) {
    JsonReader json(json_tokens_of_text(PG_GETARG_CSTRING(0)));
    TemporaryContext context(ContextResource::Limit::kNone);
    JsonModel model(&context.resource());
    json.object("value of type segment.clustering",
                [&](std::string_view key) { read_member(json, key, model); });
    check_lengths(model);
    complete(model);
    const core::Vector<std::byte> labels = label_bytes(model.labels, &context.resource());
    ClusteringParts parts = parts_of(model);
    parts.labels = {labels.data(), labels.size()};
    PG_RETURN_POINTER(value_of(parts, true));
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

// with_labels(clustering, text[]) -> clustering
PGSEG_FUNCTION(pgseg_with_labels) {
    const ClusteringView model = model_argument(fcinfo, 0);
    const std::span<const TextElement> texts = text_array(PG_GETARG_DATUM(1));
    if (texts.size() != static_cast<std::size_t>(model.k()))
        throw core::Error(
            core::Errc::kArrayShape,
            core::format("the model has %d clusters, there are %zu labels", model.k(), texts.size()));
    TemporaryContext context;
    core::Vector<std::string_view> labels(&context.resource());
    for (const TextElement& label : texts)
        labels.push_back({label.data, label.size});
    const core::Vector<std::byte> bytes = label_bytes(labels, &context.resource());
    ClusteringParts parts = core::clustering::parts_of(model);
    parts.labels = {bytes.data(), bytes.size()};
    PG_RETURN_POINTER(value_of(parts, false));
}

// with_preparation(clustering, preparation) -> clustering
PGSEG_FUNCTION(pgseg_with_preparation) {
    const ClusteringView model = model_argument(fcinfo, 0);
    const std::span<const std::byte> image = image_of(detoasted(PG_GETARG_DATUM(1)));
    const std::int32_t features = core::preparation::PreparationView(image).feature_count();
    if (features != model.dimensions())
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("the model has %d features, the preparation makes %d",
                                       model.dimensions(), features));
    ClusteringParts parts = core::clustering::parts_of(model);
    parts.preparation = image;
    PG_RETURN_POINTER(value_of(parts, false));
}

// preparation_of(clustering) -> preparation, or NULL
PGSEG_FUNCTION(pgseg_preparation_of) {
    const ClusteringView model = model_argument(fcinfo, 0);
    if (model.preparation().empty())
        PG_RETURN_NULL();
    struct varlena* value = new_varlena(model.preparation().size());
    const auto body = model.preparation().subspan(VARHDRSZ);
    std::copy(body.begin(), body.end(), reinterpret_cast<std::byte*>(VARDATA(value)));
    PG_RETURN_POINTER(value);
}
