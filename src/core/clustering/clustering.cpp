#include "core/clustering/clustering.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/codec.hpp"
#include "core/base/json_writer.hpp"
#include "core/clustering/prototypes.hpp"
#include "core/preparation/preparation.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 'K';
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kConvergedFlag = 1;
constexpr std::uint8_t kUnmetFlag = 2;
constexpr std::uint8_t kRefinedFlag = 4;
constexpr std::uint8_t kWeightedFlag = 8;
constexpr std::size_t kArraysPerCluster = 7;

static_assert(sizeof(CategoryGroup) == 16 && alignof(CategoryGroup) == 8, "read in place");

// What the header says of the parts behind the numbers.
struct Sections {
    std::int32_t groups = 0;
    std::int32_t preparation = 0;
    std::int32_t labels = 0;
};

std::uint64_t padded(std::uint64_t bytes) {
    return (bytes + 7) / 8 * 8;
}

std::uint64_t numbers_size(std::int32_t k, std::int32_t dimensions) {
    const auto clusters = static_cast<std::uint64_t>(k);
    const auto features = static_cast<std::uint64_t>(dimensions);
    return 8 * (2 * features + clusters * features + kArraysPerCluster * clusters);
}

std::uint64_t total_size(std::int32_t k, std::int32_t dimensions, const Sections& sections) {
    return ClusteringView::kHeaderSize + numbers_size(k, dimensions) +
           sizeof(CategoryGroup) * static_cast<std::uint64_t>(sections.groups) +
           padded(static_cast<std::uint64_t>(sections.preparation)) +
           static_cast<std::uint64_t>(sections.labels);
}

void read_flags(Reader& reader, TrainingFacts& facts) {
    const auto flags = reader.get<std::uint8_t>();
    reader.require((flags & ~(kConvergedFlag | kUnmetFlag | kRefinedFlag | kWeightedFlag)) == 0,
                   "unknown flags");
    facts.converged = (flags & kConvergedFlag) != 0;
    facts.constrained = (flags & kUnmetFlag) == 0;
    facts.refined = (flags & kRefinedFlag) != 0;
    facts.options.weighted = (flags & kWeightedFlag) != 0;
}

template <typename Value>
Value read_choice(Reader& reader, Value last, const char* what) {
    const auto choice = reader.get<std::uint8_t>();
    reader.require(choice <= static_cast<std::uint8_t>(last), what);
    return static_cast<Value>(choice);
}

TrainingFacts read_facts(Reader& reader, Sections& sections) {
    TrainingFacts facts;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    read_flags(reader, facts);
    facts.options.standardize = read_choice(reader, Standardize::kMinmax, "unknown standardize");
    facts.options.algorithm = read_choice(reader, Algorithm::kPrototypes, "unknown algorithm");
    facts.options.measure = read_choice(reader, Measure::kCosine, "unknown measure");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    facts.options.k = reader.get<std::int32_t>();
    facts.dimensions = reader.get<std::int32_t>();
    facts.options.n_init = reader.get<std::int32_t>();
    facts.options.max_iter = reader.get<std::int32_t>();
    facts.iterations = reader.get<std::int32_t>();
    facts.relocated = reader.get<std::int32_t>();
    facts.options.order_by = reader.get<std::int32_t>();
    facts.rows = reader.get<std::int64_t>();
    facts.sampled_rows = reader.get<std::int64_t>();
    facts.skipped = reader.get<std::int64_t>();
    facts.distinct_rows = reader.get<std::int64_t>();
    facts.options.seed = reader.get<std::int64_t>();
    facts.options.min_size = reader.get<std::int64_t>();
    facts.options.max_size = reader.get<std::int64_t>();
    facts.options.tol = reader.get<double>();
    facts.options.gamma = reader.get<double>();
    facts.weight = reader.get<double>();
    facts.inertia = reader.get<double>();
    facts.total_ss = reader.get<double>();
    sections.groups = reader.get<std::int32_t>();
    sections.preparation = reader.get<std::int32_t>();
    sections.labels = reader.get<std::int32_t>();
    reader.require(reader.get<std::int32_t>() == 0, "reserved bytes are set");
    return facts;
}

// Finite, not negative, and no -0.0, which has no text form.
bool is_magnitude(double x) {
    return std::isfinite(x) && !std::signbit(x);
}

void check_facts(const TrainingFacts& facts, const Sections& sections, const Reader& reader) {
    try {
        validate(facts.options);
    } catch (const Error& error) {
        reader.fail(error.what());
    }
    reader.require(facts.dimensions >= 1 && facts.dimensions <= kMaxDimensions, "dimensions out of range");
    reader.require(facts.rows >= 1 && facts.skipped >= 0, "negative count");
    reader.require(facts.sampled_rows >= 1 && facts.sampled_rows <= facts.rows, "sampled rows out of range");
    reader.require(facts.distinct_rows == 0 ||
                       (facts.distinct_rows >= facts.options.k && facts.distinct_rows <= facts.sampled_rows),
                   "distinct rows out of range");
    reader.require(facts.iterations >= 0 && facts.relocated >= 0, "negative count");
    reader.require(is_magnitude(facts.options.tol) && is_magnitude(facts.options.gamma),
                   "tolerance or gamma out of range");
    reader.require(facts.options.algorithm == Algorithm::kPrototypes || facts.options.gamma == 0,
                   "gamma without categories");
    reader.require(is_magnitude(facts.weight) && is_magnitude(facts.inertia) && is_magnitude(facts.total_ss),
                   "weight or sum of squares out of range");
    reader.require(sections.groups >= 0 && sections.groups <= facts.dimensions, "groups out of range");
    reader.require(sections.preparation >= 0 && sections.labels >= 0, "length out of range");
}

// So many doubles, each accepted by the predicate.
template <typename Accept>
void check_doubles(Reader& reader, std::int64_t count, const char* what, Accept accept) {
    for (std::int64_t i = 0; i < count; ++i) {
        const double value = reader.get<double>();
        reader.require(accept(value) && !(value == 0 && std::signbit(value)), what);
    }
}

// Sizes add up to the rows, unless training had a sample only. Rows without weights weigh one each.
void check_sizes(Reader& reader, const TrainingFacts& facts, Reader weights) {
    std::int64_t left = facts.rows;
    for (std::int32_t c = 0; c < facts.options.k; ++c) {
        const auto size = reader.get<std::int64_t>();
        reader.require(size >= 0 && size <= left, "cluster sizes do not add up to the rows");
        left -= size;
        const double weight = weights.get<double>();
        reader.require(facts.options.weighted || weight == static_cast<double>(size),
                       "cluster weight is not its size");
    }
    reader.require(left == 0 || facts.sampled_rows < facts.rows, "cluster sizes do not add up to the rows");
    reader.require(facts.options.weighted || facts.weight == static_cast<double>(facts.rows - left),
                   "weight is not the number of rows");
}

void check_numbers(Reader& reader, const TrainingFacts& facts) {
    const std::int64_t k = facts.options.k;
    const std::int64_t d = facts.dimensions;
    const auto finite = [](double x) { return std::isfinite(x); };
    check_doubles(reader, d, "shift is not finite", finite);
    check_doubles(reader, d, "scale is not positive", [](double x) { return std::isfinite(x) && x > 0; });
    check_doubles(reader, k * d, "centroid is not finite", finite);
    check_doubles(reader, k, "within_ss is out of range", is_magnitude);
    check_doubles(reader, k, "radius is out of range", is_magnitude);
    check_doubles(reader, k, "scatter is out of range", is_magnitude);
    check_doubles(reader, k, "silhouette is out of range", [](double x) { return x >= -1 && x <= 1; });
    check_doubles(reader, k, "offset is out of range", is_magnitude);
    const Reader weights = reader;
    check_doubles(reader, k, "weight is out of range", is_magnitude);
    check_sizes(reader, facts, weights);
}

void check_groups(Reader& reader, TrainingFacts& facts, std::int32_t count) {
    const std::span<const std::byte> bytes =
        reader.take(sizeof(CategoryGroup) * static_cast<std::size_t>(count));
    facts.options.groups = {reinterpret_cast<const CategoryGroup*>(bytes.data()),
                            static_cast<std::size_t>(count)};
    try {
        validate(facts.options);
        validate(facts.options, static_cast<std::size_t>(facts.dimensions));
    } catch (const Error& error) {
        reader.fail(error.what());
    }
}

void check_preparation(Reader& reader, const TrainingFacts& facts, std::int32_t size) {
    if (size == 0)
        return;
    const std::span<const std::byte> section = reader.take(padded(static_cast<std::uint64_t>(size)));
    for (std::size_t i = 0; i < section.size(); ++i)
        reader.require(
            section[i] == std::byte{0} || (i >= ClusteringView::kSlot && i < static_cast<std::size_t>(size)),
            "padding is not zero");
    const auto image = section.first(static_cast<std::size_t>(size));
    reader.require(image.size() > ClusteringView::kSlot, "preparation is too short");
    preparation::PreparationView::validate(image.subspan(ClusteringView::kSlot));
    reader.require(preparation::PreparationView(image).feature_count() == facts.dimensions,
                   "preparation has another number of features");
}

void check_labels(Reader& reader, std::int32_t k, std::int32_t size) {
    if (size == 0)
        return;
    reader.require(static_cast<std::size_t>(size) == reader.left(), "labels have a wrong length");
    reader.require(static_cast<std::size_t>(size) > 2 * static_cast<std::size_t>(k), "labels are all empty");
    for (std::int32_t c = 0; c < k; ++c) {
        const auto length = reader.get<std::uint16_t>();
        reader.require(length <= ClusteringView::kLongestLabel, "label is too long");
        for (std::byte byte : reader.take(length))
            reader.require(byte != std::byte{0}, "label has a zero byte");
    }
}

}  // namespace

ClusteringView::ClusteringView(std::span<const std::byte> image) {
    Sections sections;
    try {
        if (image.size() < kHeaderSize)
            throw Error(Errc::kBadBinary, "too short");
        Reader reader(image.subspan(kSlot), "segment.clustering");
        facts_ = read_facts(reader, sections);
        check_facts(facts_, sections, reader);
        reader.require(image.size() == total_size(k(), dimensions(), sections), "wrong length");
    } catch (const Error& error) {
        throw Error(Errc::kCorrupted, "stored value of type segment.clustering is corrupted", error.what());
    }
    doubles_ = reinterpret_cast<const double*>(image.data() + kHeaderSize);
    const std::byte* next = image.data() + kHeaderSize + numbers_size(k(), dimensions());
    facts_.options.groups = {reinterpret_cast<const CategoryGroup*>(next),
                             static_cast<std::size_t>(sections.groups)};
    next += facts_.options.groups.size_bytes();
    preparation_ = {next, static_cast<std::size_t>(sections.preparation)};
    labels_ = {next + padded(preparation_.size()), static_cast<std::size_t>(sections.labels)};
    for (std::int32_t c = 1; c <= k(); ++c)
        has_offsets_ |= offset(c) != 0;
}

void ClusteringView::validate(std::span<const std::byte> body) {
    Reader reader(body, "segment.clustering");
    Sections sections;
    TrainingFacts facts = read_facts(reader, sections);
    check_facts(facts, sections, reader);
    reader.require(reader.left() == total_size(facts.options.k, facts.dimensions, sections) - kHeaderSize,
                   "wrong length");
    check_numbers(reader, facts);
    check_groups(reader, facts, sections.groups);
    check_preparation(reader, facts, sections.preparation);
    check_labels(reader, facts.options.k, sections.labels);
    reader.expect_end();
}

std::int64_t ClusteringView::size(std::int32_t cluster) const {
    const auto clusters = static_cast<std::size_t>(k());
    std::int64_t size;
    std::memcpy(&size, doubles_ + (2 + clusters) * d() + 6 * clusters + cluster - 1, sizeof size);
    return size;
}

std::string_view ClusteringView::label(std::int32_t cluster) const {
    const std::byte* at = labels_.data();
    for (std::int32_t c = 1; !labels_.empty(); ++c) {
        std::uint16_t length;
        std::memcpy(&length, at, sizeof length);
        at += sizeof length;
        if (c == cluster)
            return {reinterpret_cast<const char*>(at), length};
        at += length;
    }
    return {};
}

double ClusteringView::centroid(std::int32_t cluster, std::int32_t feature) const {
    const auto f = static_cast<std::size_t>(feature - 1);
    return centre(cluster)[f] * scale()[f] + shift()[f];
}

double ClusteringView::distance(double squared_distance) const {
    return is_cosine() ? squared_distance / 2 : std::sqrt(squared_distance);
}

void ClusteringView::check(std::span<const double> features) const {
    if (features.size() != d())
        throw Error(Errc::kArrayShape,
                    format("the model has %zu features, the row has %zu", d(), features.size()));
    for (std::size_t f = 0; f < d(); ++f)
        if (!std::isfinite(features[f]))
            throw Error(Errc::kBadData,
                        format("feature %zu is not a finite number: %s", f + 1, nonfinite_name(features[f])));
}

void ClusteringView::to_space(std::span<const double> features, std::span<double> out) const {
    double squares = 0;
    for (std::size_t f = 0; f < d(); ++f) {
        out[f] = (features[f] - shift()[f]) / scale()[f];
        squares += out[f] * out[f];
    }
    if (!is_cosine())
        return;
    if (!(squares > 0) || !std::isfinite(squares))
        throw Error(Errc::kBadData, "the cosine of a row of length 0 is not defined");
    const double length = std::sqrt(squares);
    for (double& value : out)
        value /= length;
}

double ClusteringView::squared_distance(const double* row, std::int32_t cluster) const {
    const std::span<const double> centre_values = centre(cluster);
    if (is_prototypes())
        return prototype_squared_distance({row, d()}, centre_values.data(), facts_.options.groups,
                                          facts_.options.gamma);
    double sum = 0;
    for (std::size_t f = 0; f < d(); ++f) {
        const double difference = row[f] - centre_values[f];
        sum += difference * difference;
    }
    return sum;
}

// Calls take(cluster, squared distance) for each cluster.
template <typename Take>
void ClusteringView::for_each_distance(std::span<const double> features, Take&& take) const {
    check(features);
    double buffer[kMaxDimensions];
    to_space(features, {buffer, d()});
    for (std::int32_t c = 1; c <= k(); ++c)
        take(c, squared_distance(buffer, c));
}

void ClusteringView::squared_distances(std::span<const double> features, std::span<double> out) const {
    for_each_distance(
        features, [&](std::int32_t c, double distance) { out[static_cast<std::size_t>(c - 1)] = distance; });
}

Nearest ClusteringView::nearest(std::span<const double> features) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    Nearest best = {0, kInfinity};
    double least = kInfinity;
    for_each_distance(features, [&](std::int32_t c, double distance) {
        const double cost = distance + offset(c);
        if (cost < least) {
            least = cost;
            best = {c, distance};
        }
    });
    if (best.cluster == 0)
        throw Error(Errc::kOutOfRange,
                    "the row is too far from every centroid for its distance to be computed");
    return best;
}

TwoNearest ClusteringView::two_nearest(std::span<const double> features) const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    TwoNearest best = {{0, kInfinity}, {0, kInfinity}};
    double least = kInfinity;
    double next = kInfinity;
    for_each_distance(features, [&](std::int32_t c, double distance) {
        const double cost = distance + offset(c);
        if (cost < least) {
            best.second = best.first;
            next = least;
            best.first = {c, distance};
            least = cost;
        } else if (cost < next) {
            best.second = {c, distance};
            next = cost;
        }
    });
    if (best.first.cluster == 0)
        throw Error(Errc::kOutOfRange,
                    "the row is too far from every centroid for its distance to be computed");
    return best;
}

ClusteringParts parts_of(const ClusteringView& model) {
    const auto k = static_cast<std::size_t>(model.k());
    const auto d = static_cast<std::size_t>(model.dimensions());
    const double* after_centres = model.centre(1).data() + k * d;
    const auto array = [&](std::size_t i) { return std::span(after_centres + i * k, k); };
    return {model.facts(),
            model.shift(),
            model.scale(),
            {model.centre(1).data(), k * d},
            array(0),
            array(1),
            array(2),
            array(3),
            array(4),
            array(5),
            {reinterpret_cast<const std::int64_t*>(after_centres + 6 * k), k},
            model.preparation(),
            model.labels()};
}

std::uint64_t ClusteringParts::image_size() const {
    const Sections sections = {static_cast<std::int32_t>(facts.options.groups.size()),
                               static_cast<std::int32_t>(preparation.size()),
                               static_cast<std::int32_t>(labels.size())};
    return total_size(facts.options.k, facts.dimensions, sections);
}

void append_label(Vector<std::byte>& labels, std::string_view label) {
    if (label.size() > ClusteringView::kLongestLabel)
        throw Error(Errc::kInvalidArgument, format("a label must have at most %zu bytes, not %zu",
                                                   ClusteringView::kLongestLabel, label.size()));
    const auto length = static_cast<std::uint16_t>(label.size());
    const auto* bytes = reinterpret_cast<const std::byte*>(&length);
    labels.insert(labels.end(), bytes, bytes + sizeof length);
    bytes = reinterpret_cast<const std::byte*>(label.data());
    labels.insert(labels.end(), bytes, bytes + label.size());
}

namespace {

std::uint8_t flags_of(const TrainingFacts& facts) {
    return static_cast<std::uint8_t>(
        (facts.converged ? kConvergedFlag : 0) | (facts.constrained ? 0 : kUnmetFlag) |
        (facts.refined ? kRefinedFlag : 0) | (facts.options.weighted ? kWeightedFlag : 0));
}

void write_header(Writer& writer, const ClusteringParts& parts) {
    const TrainingFacts& facts = parts.facts;
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(flags_of(facts));
    writer.put(static_cast<std::uint8_t>(facts.options.standardize));
    writer.put(static_cast<std::uint8_t>(facts.options.algorithm));
    writer.put(static_cast<std::uint8_t>(facts.options.measure));
    writer.put<std::uint16_t>(0);
    writer.put(facts.options.k);
    writer.put(facts.dimensions);
    writer.put(facts.options.n_init);
    writer.put(facts.options.max_iter);
    writer.put(facts.iterations);
    writer.put(facts.relocated);
    writer.put(facts.options.order_by);
    writer.put(facts.rows);
    writer.put(facts.sampled_rows);
    writer.put(facts.skipped);
    writer.put(facts.distinct_rows);
    writer.put(facts.options.seed);
    writer.put(facts.options.min_size);
    writer.put(facts.options.max_size);
    for (double value : {facts.options.tol, facts.options.gamma, facts.weight, facts.inertia, facts.total_ss})
        writer.put(value + 0.0);  // text has no -0.0
    writer.put(static_cast<std::int32_t>(facts.options.groups.size()));
    writer.put(static_cast<std::int32_t>(parts.preparation.size()));
    writer.put(static_cast<std::int32_t>(parts.labels.size()));
    writer.put<std::int32_t>(0);
}

void write_bytes(Writer& writer, std::span<const std::byte> bytes) {
    writer.put_all(std::span(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

}  // namespace

void write_clustering(const ClusteringParts& parts, std::span<std::byte> image) {
    Writer writer(image.subspan(ClusteringView::kSlot));
    write_header(writer, parts);
    for (std::span<const double> values :
         {parts.shift, parts.scale, parts.centres, parts.within_ss, parts.radius, parts.scatter,
          parts.silhouette, parts.offset, parts.weight})
        for (double value : values)
            writer.put(value + 0.0);  // text has no -0.0
    writer.put_all(parts.sizes);
    for (const CategoryGroup& group : parts.facts.options.groups) {
        writer.put(group.first);
        writer.put(group.count);
        writer.put(group.mismatch_cost + 0.0);
    }
    if (!parts.preparation.empty()) {
        writer.put<std::uint32_t>(0);  // its slot
        write_bytes(writer, parts.preparation.subspan(ClusteringView::kSlot));
        for (std::size_t i = parts.preparation.size(); i % 8 != 0; ++i)
            writer.put<std::uint8_t>(0);
    }
    write_bytes(writer, parts.labels);
}

namespace {

void append_options(const KmeansOptions& options, JsonWriter& json) {
    json.begin_object();
    json.key("seed").number(options.seed);
    json.key("n_init").number(options.n_init);
    json.key("max_iter").number(options.max_iter);
    json.key("tol").number(options.tol);
    json.key("standardize").string(name_of(options.standardize));
    if (options.measure != Measure::kEuclidean)
        json.key("measure").string(name_of(options.measure));
    if (options.order_by != 0)
        json.key("order_by").number(options.order_by);
    if (options.min_size != 0)
        json.key("min_size").number(options.min_size);
    if (options.max_size != 0)
        json.key("max_size").number(options.max_size);
    if (options.algorithm == Algorithm::kPrototypes) {
        json.key("gamma").number(options.gamma);
        json.key("categories").begin_array();
        for (const CategoryGroup& group : options.groups) {
            json.begin_array();
            json.number(group.first + 1);
            json.number(group.count);
            json.number(group.mismatch_cost);
            json.end_array();
        }
        json.end_array();
    }
    json.end_object();
}

void append_facts(const TrainingFacts& facts, JsonWriter& json) {
    json.key("algorithm").string(name_of(facts.options.algorithm));
    json.key("k").number(facts.options.k);
    json.key("dimensions").number(facts.dimensions);
    json.key("rows").number(facts.rows);
    if (facts.sampled_rows != facts.rows)
        json.key("sampled_rows").number(facts.sampled_rows);
    if (facts.refined)
        json.key("refined").boolean(true);
    if (facts.options.weighted)
        json.key("weight").number(facts.weight);
    json.key("skipped").number(facts.skipped);
    if (facts.distinct_rows != 0)
        json.key("distinct_rows").number(facts.distinct_rows);
    json.key("iterations").number(facts.iterations);
    json.key("converged").boolean(facts.converged);
    json.key("relocated").number(facts.relocated);
    if (!facts.constrained)
        json.key("constrained").boolean(false);
    json.key("inertia").number(facts.inertia);
    json.key("total_ss").number(facts.total_ss);
}

void append_cluster(const ClusteringView& model, std::int32_t c, JsonWriter& json) {
    json.begin_object();
    if (!model.label(c).empty())
        json.key("label").quoted(model.label(c));
    json.key("size").number(model.size(c));
    if (model.facts().options.weighted)
        json.key("weight").number(model.weight(c));
    json.key("within_ss").number(model.within_ss(c));
    json.key("radius").number(model.radius(c));
    json.key("scatter").number(model.scatter(c));
    json.key("silhouette").number(model.silhouette(c));
    if (model.has_offsets())
        json.key("offset").number(model.offset(c));
    json.key("centre").numbers(model.centre(c));
    json.end_object();
}

}  // namespace

void append_json(const ClusteringView& model, Vector<char>& out) {
    JsonWriter json(out);
    json.begin_object();
    append_facts(model.facts(), json);
    json.key("options");
    append_options(model.facts().options, json);
    json.key("shift").numbers(model.shift());
    json.key("scale").numbers(model.scale());
    json.key("clusters").begin_array();
    for (std::int32_t c = 1; c <= model.k(); ++c)
        append_cluster(model, c, json);
    json.end_array();
    if (!model.preparation().empty()) {
        json.key("preparation");
        append_json(preparation::PreparationView(model.preparation()), json);
    }
    json.end_object();
}

}  // namespace seg::core::clustering
