#include "core/clustering/quality_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "core/base/codec.hpp"
#include "core/base/random.hpp"
#include "core/base/row_store.hpp"

namespace seg::core::clustering {
namespace {

constexpr const char* kTypeName = "segment.model_fit";
constexpr double kWidthUnit = 0x1p60;

// After the slot, which differs between copies.
std::uint64_t fingerprint_of(std::span<const std::byte> image) {
    std::uint64_t hash = mix64(image.size());
    std::size_t at = ClusteringView::kSlot;
    for (std::uint64_t word; at + sizeof word <= image.size(); at += sizeof word) {
        std::memcpy(&word, image.data() + at, sizeof word);
        hash = mix64(hash ^ word) + word;
    }
    std::uint64_t rest = 0;
    std::memcpy(&rest, image.data() + at, image.size() - at);
    return mix64(hash ^ rest) | 1;  // 0 is rows that no model labelled
}

double width_of(double own, double others) {
    if (!std::isfinite(others))  // too far away to be computed
        return 1.0;
    const double larger = std::max(own, others);
    return larger > 0 ? (others - own) / larger : 0.0;
}

constexpr std::int32_t kMostFastDimensions = 64;

// The two nearest of Euclidean centres without offsets: the same bits as two_nearest(), four centres at a
// time, so that their sums do not wait for each other.
TwoNearest two_nearest_centres(const ClusteringView& view, std::span<const double> features) {
    const auto d = static_cast<std::size_t>(view.dimensions());
    const std::int32_t k = view.k();
    const double* centres = view.centre(1).data();
    double row[kMostFastDimensions];
    for (std::size_t f = 0; f < d; ++f)
        row[f] = (features[f] - view.shift()[f]) / view.scale()[f];
    TwoNearest two = {{0, std::numeric_limits<double>::infinity()},
                      {0, std::numeric_limits<double>::infinity()}};
    for (std::int32_t first = 1; first <= k; first += 4) {
        const std::int32_t count = std::min(4, k - first + 1);
        const double* from = centres + static_cast<std::size_t>(first - 1) * d;
        double sums[4] = {};
        for (std::size_t f = 0; f < d; ++f) {
            for (std::int32_t c = 0; c < 4; ++c) {
                const double difference = row[f] - from[static_cast<std::size_t>(c < count ? c : 0) * d + f];
                sums[c] += difference * difference;
            }
        }
        for (std::int32_t c = 0; c < count; ++c) {
            if (sums[c] < two.first.squared_distance) {
                two.second = two.first;
                two.first = {first + c, sums[c]};
            } else if (sums[c] < two.second.squared_distance) {
                two.second = {first + c, sums[c]};
            }
        }
    }
    return two;
}

bool has_plain_centres(const ClusteringView& view) {
    return !view.is_cosine() && !view.is_prototypes() && !view.has_offsets() &&
           view.dimensions() <= kMostFastDimensions;
}

bool all_finite(std::span<const double> features) {
    bool finite = true;
    for (double value : features)
        finite &= std::isfinite(value);
    return finite;
}

// The nearest centre by cost and the least distance to any other.
TwoNearest own_and_other(const ClusteringView& view, std::span<const double> features) {
    if (has_plain_centres(view) && features.size() == static_cast<std::size_t>(view.dimensions()) &&
        all_finite(features)) {
        const TwoNearest two = two_nearest_centres(view, features);
        if (std::isfinite(two.first.squared_distance))
            return two;
    }
    TwoNearest two = view.two_nearest(features);
    if (!view.has_offsets() || view.k() == 1)
        return two;
    double distances[kMaxDimensions];
    const auto k = static_cast<std::size_t>(view.k());
    if (k > std::size(distances))
        return two;  // offsets come from constraints, which nobody puts on so many clusters
    view.squared_distances(features, {distances, k});
    for (std::size_t c = 0; c < k; ++c)
        if (static_cast<std::int32_t>(c) + 1 != two.first.cluster &&
            distances[c] < two.second.squared_distance)
            two.second = {static_cast<std::int32_t>(c) + 1, distances[c]};
    return two;
}

// The distance between two centres, by the measure that rows are compared with.
double centre_distance(const ClusteringView& model, std::int32_t a, std::int32_t b) {
    const std::span<const double> from = model.centre(a);
    const std::span<const double> to = model.centre(b);
    const auto level = [](std::span<const double> centre, const CategoryGroup& group) {
        const auto first = centre.begin() + group.first;
        return std::max_element(first, first + group.count) - first;
    };
    double sum = 0;
    std::size_t f = 0;
    const auto add_numeric = [&](std::size_t end) {
        for (; f < end; ++f)
            sum += (from[f] - to[f]) * (from[f] - to[f]);
    };
    for (const CategoryGroup& group : model.facts().options.groups) {
        add_numeric(static_cast<std::size_t>(group.first));
        if (level(from, group) != level(to, group))
            sum += model.facts().options.gamma * group.mismatch_cost;
        f += static_cast<std::size_t>(group.count);
    }
    add_numeric(from.size());
    return model.distance(sum);
}

}  // namespace

MeasuredModel::MeasuredModel(std::span<const std::byte> image)
    : view(image), fingerprint(fingerprint_of(image)) {}

void MeasuredModel::to_space(std::span<const double> features, std::span<double> out) const {
    view.to_space(features, out);
    const double weight = std::sqrt(view.facts().options.gamma);
    if (!view.is_prototypes())
        return;
    for (const CategoryGroup& group : view.facts().options.groups)
        for (std::int32_t f = group.first; f < group.first + group.count; ++f)
            out[static_cast<std::size_t>(f)] *= weight;
}

ModelFit& ModelFit::begin(std::span<std::byte> image, const MeasuredModel& measured) {
    auto& fit = *reinterpret_cast<ModelFit*>(image.data());
    fit.magic = kMagic;
    fit.version = kVersion;
    fit.flags = measured.view.k() == 1 ? kOneCluster : 0;
    fit.model = measured.fingerprint;
    fit.squares.capacity = FloatSumView::kMaxPartials;
    return fit;
}

const ModelFit& ModelFit::of(std::span<const std::byte> image) {
    const auto& fit = *reinterpret_cast<const ModelFit*>(image.data());
    if (image.size() != sizeof(ModelFit) || fit.magic != kMagic || fit.version != kVersion ||
        fit.squares.used > FloatSumView::kMaxPartials)
        throw Error(Errc::kCorrupted, format("stored value of type %s is corrupted", kTypeName));
    return fit;
}

ModelFit& ModelFit::of(std::span<std::byte> image) {
    return const_cast<ModelFit&>(of(std::span<const std::byte>(image)));
}

void ModelFit::validate(std::span<const std::byte> body) {
    const Reader reader(body, kTypeName);
    reader.require(body.size() == sizeof(ModelFit) - sizeof slot, "wrong length");
    ModelFit fit;
    std::memcpy(reinterpret_cast<std::byte*>(&fit) + sizeof fit.slot, body.data(), body.size());
    reader.require(fit.magic == kMagic, "wrong magic");
    reader.require(fit.version == kVersion, "unknown version");
    reader.require((fit.flags & ~kOneCluster) == 0, "unknown flags");
    reader.require(fit.rows >= 0 && fit.skipped >= 0, "negative count");
    const __int128 widths = (static_cast<__int128>(fit.widths_high) << 64) | fit.widths_low;
    const __int128 most = static_cast<__int128>(fit.rows) << 60;
    reader.require(widths >= -most && widths <= most, "sum of silhouettes out of range");
    reader.require(fit.squares.used <= FloatSumView::kMaxPartials && fit.squares.capacity == 0 &&
                       FloatSumView::is_canonical(fit.squares, fit.cells),
                   "sum is not canonical");
    const bool negative =
        fit.squares.carry < 0 || (fit.squares.carry == 0 && fit.squares.used > 0 &&
                                  std::signbit(std::bit_cast<double>(fit.cells[fit.squares.used - 1])));
    reader.require(!negative, "sum of squared distances out of range");
    reader.require(std::all_of(fit.cells + fit.squares.used, std::end(fit.cells),
                               [](std::uint64_t cell) { return cell == 0; }),
                   "unused bytes are set");
}

void ModelFit::add(const MeasuredModel& measured, std::span<const double> features) {
    if (model != measured.fingerprint)
        throw Error(Errc::kInvalidArgument, "the model must be the same in every row");
    const TwoNearest two = own_and_other(measured.view, features);
    squares.capacity = FloatSumView::kMaxPartials;
    if (!FloatSum(squares, cells).add(two.first.squared_distance))
        throw std::logic_error("a sum of floats needs more partials than there can be");
    ++rows;
    if (flags & kOneCluster)
        return;
    const double width = width_of(measured.view.distance(two.first.squared_distance),
                                  measured.view.distance(two.second.squared_distance));
    __int128 widths = (static_cast<__int128>(widths_high) << 64) | widths_low;
    widths += static_cast<std::int64_t>(width * kWidthUnit);
    widths_low = static_cast<std::uint64_t>(widths);
    widths_high = static_cast<std::int64_t>(widths >> 64);
}

void ModelFit::merge(const ModelFit& other) {
    if (model != other.model)
        throw Error(Errc::kInvalidArgument, "cannot combine rows that were compared with different models");
    if (__builtin_add_overflow(rows, other.rows, &rows) ||
        __builtin_add_overflow(skipped, other.skipped, &skipped))
        throw Error(Errc::kOutOfRange, "number of rows is out of range");
    squares.capacity = FloatSumView::kMaxPartials;
    if (!FloatSum(squares, cells).merge({other.squares, other.cells}))
        throw std::logic_error("a sum of floats needs more partials than there can be");
    const auto low = widths_low + other.widths_low;
    widths_high += other.widths_high + (low < widths_low ? 1 : 0);
    widths_low = low;
}

void ModelFit::make_canonical() {
    squares = FloatSumView(squares, cells).canonical(cells);
    std::fill(cells + squares.used, std::end(cells), 0);
}

std::optional<double> ModelFit::simplified_silhouette() const {
    if (rows == 0 || (flags & kOneCluster))
        return std::nullopt;
    const __int128 widths = (static_cast<__int128>(widths_high) << 64) | widths_low;
    return static_cast<double>(widths) / kWidthUnit / static_cast<double>(rows);
}

std::optional<double> ModelFit::inertia() const {
    if (rows == 0)
        return std::nullopt;
    return FloatSumView(squares, cells).value();
}

std::optional<double> trained_silhouette(const ClusteringView& model) {
    if (model.k() == 1)
        return std::nullopt;
    double sum = 0;
    double weight = 0;
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        sum += model.weight(c) * model.silhouette(c);
        weight += model.weight(c);
    }
    if (!(weight > 0))
        return std::nullopt;
    return sum / weight;
}

std::optional<double> trained_calinski_harabasz(const ClusteringView& model) {
    const double k = model.k();
    const TrainingFacts& facts = model.facts();
    if (k == 1 || !(facts.weight > k))
        return std::nullopt;
    const double between = std::max(0.0, facts.total_ss - facts.inertia);
    if (facts.inertia == 0)
        return between > 0 ? std::optional(std::numeric_limits<double>::infinity()) : std::nullopt;
    return between / (k - 1) / (facts.inertia / (facts.weight - k));
}

std::optional<double> trained_davies_bouldin(const ClusteringView& model, Interrupt& interrupt) {
    if (model.k() == 1)
        return std::nullopt;
    WorkMeter meter(interrupt);
    double sum = 0;
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        double worst = 0;
        for (std::int32_t other = 1; other <= model.k(); ++other) {
            if (other == c)
                continue;
            const double distance = centre_distance(model, c, other);
            const double ratio = distance > 0 ? (model.scatter(c) + model.scatter(other)) / distance
                                              : std::numeric_limits<double>::infinity();
            worst = std::max(worst, ratio);
            meter.done(work_of_row(static_cast<std::size_t>(model.dimensions())));
        }
        sum += worst;
    }
    return sum / model.k();
}

}  // namespace seg::core::clustering
