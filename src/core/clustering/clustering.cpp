#include "core/clustering/clustering.hpp"

#include <cmath>

#include "core/base/codec.hpp"
#include "core/base/json_writer.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 'K';
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kConvergedFlag = 1;

TrainingFacts read_facts(Reader& reader) {
    TrainingFacts facts;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    const auto flags = reader.get<std::uint8_t>();
    reader.require((flags & ~kConvergedFlag) == 0, "unknown flags");
    facts.converged = (flags & kConvergedFlag) != 0;
    const auto standardize = reader.get<std::uint8_t>();
    reader.require(standardize <= static_cast<std::uint8_t>(Standardize::kZscore), "unknown standardize");
    facts.options.standardize = static_cast<Standardize>(standardize);
    facts.options.k = reader.get<std::int32_t>();
    facts.dimensions = reader.get<std::int32_t>();
    facts.rows = reader.get<std::int64_t>();
    facts.skipped = reader.get<std::int64_t>();
    facts.distinct_rows = reader.get<std::int64_t>();
    facts.options.seed = reader.get<std::int64_t>();
    facts.options.n_init = reader.get<std::int32_t>();
    facts.options.max_iter = reader.get<std::int32_t>();
    facts.iterations = reader.get<std::int32_t>();
    facts.relocated = reader.get<std::int32_t>();
    facts.options.tol = reader.get<double>();
    facts.inertia = reader.get<double>();
    facts.total_ss = reader.get<double>();
    return facts;
}

// Finite, not negative, and no -0.0, which has no text form.
bool is_magnitude(double x) {
    return std::isfinite(x) && !std::signbit(x);
}

void check_facts(const TrainingFacts& facts, const Reader& reader) {
    try {
        validate(facts.options);
    } catch (const Error& error) {
        reader.fail(error.what());
    }
    reader.require(facts.dimensions >= 1 && facts.dimensions <= kMaxDimensions, "dimensions out of range");
    reader.require(facts.rows >= 1 && facts.skipped >= 0, "negative count");
    reader.require(facts.distinct_rows >= facts.options.k && facts.distinct_rows <= facts.rows,
                   "distinct rows out of range");
    reader.require(facts.iterations >= 0 && facts.relocated >= 0, "negative count");
    reader.require(is_magnitude(facts.options.tol), "tolerance out of range");
    reader.require(is_magnitude(facts.inertia) && is_magnitude(facts.total_ss),
                   "sum of squares out of range");
}

// So many doubles, each accepted by the predicate.
template <typename Accept>
void check_doubles(Reader& reader, std::int64_t count, const char* what, Accept accept) {
    for (std::int64_t i = 0; i < count; ++i) {
        const double value = reader.get<double>();
        reader.require(accept(value) && !(value == 0 && std::signbit(value)), what);
    }
}

}  // namespace

std::uint64_t ClusteringView::image_size(std::int32_t k, std::int32_t dimensions) {
    const auto clusters = static_cast<std::uint64_t>(k);
    const auto features = static_cast<std::uint64_t>(dimensions);
    return kHeaderSize + 8 * (2 * features + clusters * features + 3 * clusters);
}

ClusteringView::ClusteringView(std::span<const std::byte> image) {
    try {
        if (image.size() < kHeaderSize)
            throw Error(Errc::kBadBinary, "too short");
        Reader reader(image.subspan(kSlot), "segment.clustering");
        facts_ = read_facts(reader);
        check_facts(facts_, reader);
        reader.require(image.size() == image_size(k(), dimensions()), "wrong length");
    } catch (const Error& error) {
        throw Error(Errc::kCorrupted, "stored value of type segment.clustering is corrupted", error.what());
    }
    doubles_ = reinterpret_cast<const double*>(image.data() + kHeaderSize);
}

void ClusteringView::validate(std::span<const std::byte> body) {
    Reader reader(body, "segment.clustering");
    const TrainingFacts facts = read_facts(reader);
    check_facts(facts, reader);
    const std::int64_t k = facts.options.k;
    const std::int64_t d = facts.dimensions;
    reader.require(reader.left() == image_size(facts.options.k, facts.dimensions) - kHeaderSize,
                   "wrong length");
    const auto finite = [](double x) { return std::isfinite(x); };
    check_doubles(reader, d, "shift is not finite", finite);
    check_doubles(reader, d, "scale is not positive", [](double x) { return std::isfinite(x) && x > 0; });
    check_doubles(reader, k * d, "centroid is not finite", finite);
    check_doubles(reader, k, "within_ss is out of range", is_magnitude);
    check_doubles(reader, k, "radius is out of range", is_magnitude);
    std::int64_t left = facts.rows;
    for (std::int64_t i = 0; i < k; ++i) {
        const auto size = reader.get<std::int64_t>();
        reader.require(size >= 0 && size <= left, "cluster sizes do not add up to the rows");
        left -= size;
    }
    reader.require(left == 0, "cluster sizes do not add up to the rows");
    reader.expect_end();
}

std::int64_t ClusteringView::size(std::int32_t cluster) const {
    std::int64_t size;
    std::memcpy(&size, per_cluster() + 2 * k() + cluster - 1, sizeof size);
    return size;
}

double ClusteringView::centroid(std::int32_t cluster, std::int32_t feature) const {
    const auto f = static_cast<std::size_t>(feature - 1);
    return centre(cluster)[f] * scale()[f] + shift()[f];
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

double ClusteringView::squared_distance(std::span<const double> features, std::int32_t cluster) const {
    check(features);
    const double* centre_values = centre(cluster).data();
    double sum = 0;
    for (std::size_t f = 0; f < d(); ++f) {
        const double difference = (features[f] - shift()[f]) / scale()[f] - centre_values[f];
        sum += difference * difference;
    }
    return sum;
}

Nearest ClusteringView::nearest(std::span<const double> features) const {
    check(features);
    // Rows of usual width are standardized once; wider ones again for each centre.
    constexpr std::size_t kBuffered = 256;
    double buffer[kBuffered];
    const bool buffered = d() <= kBuffered;
    if (buffered)
        for (std::size_t f = 0; f < d(); ++f)
            buffer[f] = (features[f] - shift()[f]) / scale()[f];
    Nearest best = {0, std::numeric_limits<double>::infinity()};
    for (std::int32_t c = 1; c <= k(); ++c) {
        double sum = 0;
        if (buffered) {
            const double* centre_values = centre(c).data();
            for (std::size_t f = 0; f < d(); ++f) {
                const double difference = buffer[f] - centre_values[f];
                sum += difference * difference;
            }
        } else {
            sum = squared_distance(features, c);
        }
        if (sum < best.squared_distance)
            best = {c, sum};
    }
    if (best.cluster == 0)
        throw Error(Errc::kOutOfRange,
                    "the row is too far from every centroid for its distance to be computed");
    return best;
}

void write_clustering(const ClusteringParts& parts, std::span<std::byte> image) {
    const TrainingFacts& facts = parts.facts;
    Writer writer(image.subspan(ClusteringView::kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put<std::uint8_t>(facts.converged ? kConvergedFlag : 0);
    writer.put(static_cast<std::uint8_t>(facts.options.standardize));
    writer.put(facts.options.k);
    writer.put(facts.dimensions);
    writer.put(facts.rows);
    writer.put(facts.skipped);
    writer.put(facts.distinct_rows);
    writer.put(facts.options.seed);
    writer.put(facts.options.n_init);
    writer.put(facts.options.max_iter);
    writer.put(facts.iterations);
    writer.put(facts.relocated);
    writer.put(facts.options.tol);
    writer.put(facts.inertia);
    writer.put(facts.total_ss);
    for (std::span<const double> values :
         {parts.shift, parts.scale, parts.centres, parts.within_ss, parts.radius})
        for (double value : values)
            writer.put(value + 0.0);  // text has no -0.0
    writer.put_all(parts.sizes);
}

void append_json(const ClusteringView& model, Vector<char>& out) {
    const TrainingFacts& facts = model.facts();
    JsonWriter json(out);
    json.begin_object();
    json.key("algorithm").string("kmeans");
    json.key("k").number(facts.options.k);
    json.key("dimensions").number(facts.dimensions);
    json.key("rows").number(facts.rows);
    json.key("skipped").number(facts.skipped);
    json.key("distinct_rows").number(facts.distinct_rows);
    json.key("iterations").number(facts.iterations);
    json.key("converged").boolean(facts.converged);
    json.key("relocated").number(facts.relocated);
    json.key("inertia").number(facts.inertia);
    json.key("total_ss").number(facts.total_ss);
    json.key("options").begin_object();
    json.key("seed").number(facts.options.seed);
    json.key("n_init").number(facts.options.n_init);
    json.key("max_iter").number(facts.options.max_iter);
    json.key("tol").number(facts.options.tol);
    json.key("standardize").string(name_of(facts.options.standardize));
    json.end_object();
    json.key("shift").numbers(model.shift());
    json.key("scale").numbers(model.scale());
    json.key("clusters").begin_array();
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        json.begin_object();
        json.key("size").number(model.size(c));
        json.key("within_ss").number(model.within_ss(c));
        json.key("radius").number(model.radius(c));
        json.key("centre").numbers(model.centre(c));
        json.end_object();
    }
    json.end_array();
    json.end_object();
}

}  // namespace seg::core::clustering
