#include "core/clustering/kmeans_step.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/base/codec.hpp"
#include "core/clustering/prototypes.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 's';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.kmeans_step_state";
constexpr std::size_t kMetaSize = sizeof(std::int32_t) * 2;
constexpr std::size_t kPollEvery = 64;  // sums between two looks at the interrupt, in units of work

std::size_t padded(std::size_t bytes) {
    return (bytes + 7) / 8 * 8;
}

struct Header {
    StepOptions options;
    std::int64_t skipped = 0;
};

Header read_header(Reader& reader) {
    Header header;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    const auto move = reader.get<std::uint8_t>();
    reader.require(move <= 1, "unknown kind of pass");
    header.options.move = move == 1;
    reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    const auto size = reader.get<std::int32_t>();
    reader.require(reader.get<std::int32_t>() == 0, "reserved bytes are set");
    header.skipped = reader.get<std::int64_t>();
    reader.require(header.skipped >= 0, "negative count");
    reader.require(size > static_cast<std::int32_t>(ClusteringView::kSlot), "model is too short");
    const auto bytes = static_cast<std::size_t>(size);
    const std::span<const std::byte> section = reader.take(padded(bytes));
    for (std::size_t i = 0; i < section.size(); ++i)
        reader.require(section[i] == std::byte{0} || (i >= ClusteringView::kSlot && i < bytes),
                       "padding is not zero");
    header.options.model = section.first(bytes);
    return header;
}

// The partials of a sum, checked, in out.
FloatMeta read_sum(Reader& reader, std::span<std::uint64_t> out) {
    const auto used = reader.get<std::int32_t>();
    reader.require(used >= 0 && static_cast<std::size_t>(used) <= FloatSumView::kMaxPartials,
                   "sum is too long");
    FloatMeta meta{static_cast<std::uint16_t>(used), 0, reader.get<std::int32_t>()};
    reader.get_all(out.first(meta.used));
    reader.require(FloatSumView::is_canonical(meta, out.data()), "sum is not canonical");
    return meta;
}

bool is_negative(const FloatMeta& meta, std::span<const std::uint64_t> partials) {
    return meta.carry < 0 || (meta.carry == 0 && meta.used > 0 &&
                              std::signbit(std::bit_cast<double>(partials[meta.used - 1u])));
}

Vector<std::uint64_t> aligned_copy(MemoryResource* memory, std::span<const std::byte> image) {
    Vector<std::uint64_t> copy(padded(image.size()) / 8, std::uint64_t{0}, memory);
    std::memcpy(reinterpret_cast<std::byte*>(copy.data()) + ClusteringView::kSlot,
                image.data() + ClusteringView::kSlot, image.size() - ClusteringView::kSlot);
    return copy;
}

// The weighted mean of the centres: near the mean of the rows, which is all it has to be.
void mean_of_centres(const ClusteringView& model, std::span<double> out) {
    const auto rows = static_cast<double>(model.facts().rows);
    for (std::int32_t c = 1; c <= model.k(); ++c)
        for (std::size_t f = 0; f < out.size(); ++f)
            out[f] += model.centre(c)[f] * (static_cast<double>(model.size(c)) / rows);
}

double separation(double own, double other) {
    const double larger = std::max(own, other);
    return larger > 0 ? (other - own) / larger : 0;
}

template <typename T>
std::span<const T> view(const Vector<T>& values) {
    return {values.data(), values.size()};
}

}  // namespace

// ---- sums

void FloatSums::widen(std::size_t needed) {
    const std::size_t wider = std::clamp(2 * stride_, needed, FloatSumView::kMaxPartials);
    Vector<std::uint64_t> cells(size() * wider, std::uint64_t{0}, cells_.get_stored_allocator().resource());
    for (std::size_t s = 0; s < size(); ++s) {
        std::copy_n(&cells_[s * stride_], metas_[s].used, &cells[s * wider]);
        metas_[s].capacity = static_cast<std::uint16_t>(wider);
    }
    cells_.swap(cells);
    stride_ = wider;
}

void FloatSums::add(std::size_t index, double value) {
    FloatSum target(metas_[index], &cells_[index * stride_]);
    if (target.add(value))
        return;
    widen(target.cells_needed());
    FloatSum(metas_[index], &cells_[index * stride_]).add(value);
}

void FloatSums::merge(std::size_t index, const FloatSumView& other) {
    FloatSum target(metas_[index], &cells_[index * stride_]);
    if (target.merge(other))
        return;
    widen(target.cells_needed());
    FloatSum(metas_[index], &cells_[index * stride_]).merge(other);
}

double FloatSums::mean(std::size_t index, std::int64_t count) const {
    return count == 0 ? 0 : (*this)[index].value() / static_cast<double>(count);
}

// ---- options and results

bool StepOptions::operator==(const StepOptions& other) const {
    // Less the slots, where lengths may stand.
    return move == other.move && model.size() == other.model.size() &&
           std::equal(model.begin() + ClusteringView::kSlot, model.end(),
                      other.model.begin() + ClusteringView::kSlot);
}

ClusteringParts SteppedModel::parts(const ClusteringView& model) const {
    ClusteringParts parts = parts_of(model);
    parts.facts = facts;
    parts.centres = view(centres);
    parts.within_ss = view(within_ss);
    parts.radius = view(radius);
    parts.scatter = view(scatter);
    parts.silhouette = view(silhouette);
    parts.weight = view(weight);
    parts.sizes = view(sizes);
    return parts;
}

KmeansStep::KmeansStep(MemoryResource* memory, const StepOptions& options)
    : image_(aligned_copy(memory, options.model)),
      options_{{reinterpret_cast<const std::byte*>(image_.data()), options.model.size()}, options.move},
      view_(options_.model),
      sizes_(k(), std::int64_t{0}, memory),
      radii_(k(), 0.0, memory),
      sums_(squares_index() + 1, memory),
      reference_(d(), 0.0, memory),
      is_numeric_(d(), char{1}, memory),
      row_(d(), 0.0, memory),
      distances_(k(), 0.0, memory) {
    if (view_.facts().options.weighted)
        throw Error(Errc::kInvalidArgument, "a model of weighted rows cannot be stepped or measured");
    mean_of_centres(view_, {reference_.data(), d()});
    for (const CategoryGroup& group : view_.facts().options.groups)
        std::fill_n(is_numeric_.begin() + group.first, group.count, char{0});
}

// ---- rows

double KmeansStep::squares_from_reference() const {
    double squares = 0;
    for (std::size_t f = 0; f < d(); ++f) {
        if (!is_numeric_[f])
            continue;
        const double difference = row_[f] - reference_[f];
        squares += difference * difference;
    }
    return squares;
}

void KmeansStep::add(std::span<const double> features) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Nearest nearest = view_.nearest(features);
    view_.squared_distances(features, {distances_.data(), k()});
    view_.to_space(features, {row_.data(), d()});
    const double squares = squares_from_reference();
    const auto finite = [](double value) { return std::isfinite(value); };
    if (!finite(squares) || !std::all_of(row_.begin(), row_.end(), finite))
        throw Error(Errc::kOutOfRange,
                    "the row is too far from the centroids for its distance to be computed");
    const auto own = static_cast<std::size_t>(nearest.cluster - 1);
    double other = kInfinity;
    for (std::size_t c = 0; c < k(); ++c)
        if (c != own)
            other = std::min(other, distances_[c]);
    const std::size_t first = own * sums_per_cluster();
    for (std::size_t f = 0; f < d(); ++f)
        sums_.add(first + f, row_[f]);
    const double distance = view_.distance(nearest.squared_distance);
    sums_.add(first + d() + kWithin, nearest.squared_distance);
    sums_.add(first + d() + kDistance, distance);
    if (other < kInfinity)
        sums_.add(first + d() + kSilhouette, separation(distance, view_.distance(other)));
    sums_.add(squares_index(), squares);
    ++sizes_[own];
    radii_[own] = std::max(radii_[own], nearest.squared_distance);
}

void KmeansStep::skip() {
    merge_skipped(1);
}

std::int64_t KmeansStep::rows() const {
    return std::accumulate(sizes_.begin(), sizes_.end(), std::int64_t{0});
}

// ---- merging

void KmeansStep::merge_sizes(std::span<const std::int64_t> sizes) {
    std::int64_t left = kMostRows - rows();
    for (std::size_t c = 0; c < k(); ++c) {
        if (sizes[c] > left)
            throw Error(Errc::kOutOfRange, "number of rows is out of range");
        left -= sizes[c];
        sizes_[c] += sizes[c];
    }
}

void KmeansStep::merge_skipped(std::int64_t more) {
    if (__builtin_add_overflow(skipped_, more, &skipped_))
        throw Error(Errc::kOutOfRange, "number of skipped rows is out of range");
}

void KmeansStep::merge(const KmeansStep& other, Interrupt& interrupt) {
    if (!(other.options_ == options_))
        throw Error(Errc::kInvalidArgument, "cannot combine passes of different models or kinds");
    WorkMeter meter(interrupt);
    merge_sizes(view(other.sizes_));
    for (std::size_t c = 0; c < k(); ++c)
        radii_[c] = std::max(radii_[c], other.radii_[c]);
    for (std::size_t s = 0; s < sums_.size(); ++s) {
        sums_.merge(s, other.sums_[s]);
        meter.done(kPollEvery);
    }
    merge_skipped(other.skipped_);
}

StepOptions KmeansStep::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    ClusteringView::validate(header.options.model.subspan(ClusteringView::kSlot));
    const ClusteringView model(header.options.model);
    reader.require(!model.facts().options.weighted, "model of weighted rows");
    WorkMeter meter(interrupt);
    const auto k = static_cast<std::size_t>(model.k());
    std::int64_t left = kMostRows;
    for (std::size_t c = 0; c < k; ++c) {
        const auto size = reader.get<std::int64_t>();
        reader.require(size >= 0 && size <= left, "number of rows out of range");
        left -= size;
    }
    for (std::size_t c = 0; c < k; ++c) {
        const auto radius = reader.get<double>();
        reader.require(std::isfinite(radius) && radius >= 0, "radius is out of range");
    }
    const auto d = static_cast<std::size_t>(model.dimensions());
    const std::size_t last = k * (d + kPerCluster);
    for (std::size_t s = 0; s <= last; ++s) {
        std::uint64_t cells[FloatSumView::kMaxPartials];
        const FloatMeta meta = read_sum(reader, cells);
        const std::size_t which = s % (d + kPerCluster);
        const bool magnitude = s == last || which == d + kWithin || which == d + kDistance;
        reader.require(!magnitude || !is_negative(meta, cells), "sum of distances out of range");
        meter.done(kPollEvery);
    }
    reader.expect_end();
    return header.options;
}

void KmeansStep::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    if (!(header.options == options_))
        throw Error(Errc::kInvalidArgument, "cannot combine passes of different models or kinds");
    WorkMeter meter(interrupt);
    Vector<std::int64_t> sizes(k(), std::int64_t{0}, sizes_.get_stored_allocator().resource());
    reader.get_all(std::span(sizes.data(), sizes.size()));
    merge_sizes(view(sizes));
    for (std::size_t c = 0; c < k(); ++c)
        radii_[c] = std::max(radii_[c], reader.get<double>());
    for (std::size_t s = 0; s < sums_.size(); ++s) {
        std::uint64_t cells[FloatSumView::kMaxPartials];
        const FloatMeta meta = read_sum(reader, cells);
        sums_.merge(s, {meta, cells});
        meter.done(kPollEvery);
    }
    merge_skipped(header.skipped);
}

std::uint64_t KmeansStep::image_size(Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    std::uint64_t size = kHeaderSize + padded(options_.model.size()) + 2 * sizeof(double) * k();
    for (std::size_t s = 0; s < sums_.size(); ++s) {
        std::uint64_t cells[FloatSumView::kMaxPartials];
        size += kMetaSize + sizeof(double) * sums_[s].canonical(cells).used;
        meter.done(kPollEvery);
    }
    return size;
}

void KmeansStep::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put<std::uint8_t>(options_.move ? 1 : 0);
    writer.put<std::uint8_t>(0);
    writer.put(static_cast<std::int32_t>(options_.model.size()));
    writer.put<std::int32_t>(0);
    writer.put(skipped_);
    writer.put_all(view(image_));
    writer.put_all(view(sizes_));
    writer.put_all(view(radii_));
    for (std::size_t s = 0; s < sums_.size(); ++s) {
        std::uint64_t cells[FloatSumView::kMaxPartials];
        const FloatMeta meta = sums_[s].canonical(cells);
        writer.put<std::int32_t>(meta.used);
        writer.put(meta.carry);
        writer.put_all(std::span<const std::uint64_t>(cells, meta.used));
        meter.done(kPollEvery);
    }
}

// ---- the result

// Returns the squared movement of all centres together.
double KmeansStep::move_centres(SteppedModel& result, WorkMeter& meter) const {
    double movement = 0;
    Vector<double> mean(d(), 0.0, result.centres.get_stored_allocator().resource());
    for (std::size_t c = 0; c < k(); ++c) {
        meter.done(kPollEvery * d());
        if (sizes_[c] == 0)
            continue;
        double* centre = &result.centres[c * d()];
        double squares = 0;
        for (std::size_t f = 0; f < d(); ++f) {
            mean[f] = sums_.mean(c * sums_per_cluster() + f, sizes_[c]);
            squares += mean[f] * mean[f];
        }
        // Opposite rows have no mean direction: their centre stays.
        if (view_.is_cosine() && !(squares > 0))
            continue;
        const double length = view_.is_cosine() ? std::sqrt(squares) : 1;
        for (std::size_t f = 0; f < d(); ++f) {
            const double value = mean[f] / length;
            movement += (value - centre[f]) * (value - centre[f]);
            centre[f] = value;
        }
    }
    return movement;
}

// Sum of squared distances to the one mean of all rows.
double KmeansStep::total_ss(MemoryResource* memory, WorkMeter& meter) const {
    FloatSums all(d(), memory);
    for (std::size_t c = 0; c < k(); ++c) {
        for (std::size_t f = 0; f < d(); ++f)
            all.merge(f, sums_[c * sums_per_cluster() + f]);
        meter.done(kPollEvery * d());
    }
    const std::int64_t count = rows();
    const auto weight = static_cast<double>(count);
    double shift = 0;
    for (std::size_t f = 0; f < d(); ++f) {
        const double difference = all.mean(f, count) - reference_[f];
        shift += is_numeric_[f] ? difference * difference : 0;
    }
    double total = std::max(0.0, sums_[squares_index()].value() - weight * shift);
    for (const CategoryGroup& group : view_.facts().options.groups) {
        // A level's value is the same in all rows, and a mismatch costs twice its square.
        const double level = std::sqrt(group.mismatch_cost / 2);
        double share = 0;
        for (std::int32_t i = 0; i < group.count; ++i)
            share = std::max(share, all.mean(static_cast<std::size_t>(group.first + i), count) / level);
        total += view_.facts().options.gamma * group.mismatch_cost * std::max(0.0, weight * (1 - share));
    }
    return total;
}

void KmeansStep::write_statistics(SteppedModel& result) const {
    for (std::size_t c = 0; c < k(); ++c) {
        const std::size_t first = c * sums_per_cluster() + d();
        result.sizes[c] = sizes_[c];
        result.weight[c] = static_cast<double>(sizes_[c]);
        result.within_ss[c] = sums_[first + kWithin].value();
        result.radius[c] = view_.distance(radii_[c]);
        result.scatter[c] = sums_.mean(first + kDistance, sizes_[c]);
        result.silhouette[c] = std::clamp(sums_.mean(first + kSilhouette, sizes_[c]), -1.0, 1.0);
    }
}

SteppedModel KmeansStep::result(MemoryResource* memory, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    const std::int64_t count = rows();
    SteppedModel result(memory);
    result.facts = view_.facts();
    const std::span<const double> centres = parts_of(view_).centres;
    result.centres.assign(centres.begin(), centres.end());
    for (Vector<double>* values :
         {&result.within_ss, &result.radius, &result.scatter, &result.silhouette, &result.weight})
        values->assign(k(), 0.0);
    result.sizes.assign(k(), std::int64_t{0});
    write_statistics(result);
    TrainingFacts& facts = result.facts;
    facts.rows = count;
    facts.skipped = skipped_;
    facts.weight = static_cast<double>(count);
    facts.sampled_rows = std::min(facts.sampled_rows, count);
    if (facts.distinct_rows > facts.sampled_rows)
        facts.distinct_rows = 0;
    facts.inertia = std::accumulate(result.within_ss.begin(), result.within_ss.end(), 0.0);
    facts.total_ss = total_ss(memory, meter);
    if (!std::isfinite(facts.inertia) || !std::isfinite(facts.total_ss))
        throw Error(Errc::kOutOfRange, "the sum of squared distances is out of range");
    const auto [least, most] = std::minmax_element(sizes_.begin(), sizes_.end());
    facts.constrained =
        *least >= facts.options.min_size && (facts.options.max_size == 0 || *most <= facts.options.max_size);
    if (options_.move) {
        const double variance = facts.total_ss / static_cast<double>(count) / static_cast<double>(d());
        facts.converged = move_centres(result, meter) <= facts.options.tol * variance;
        facts.refined = true;
        ++facts.iterations;
    }
    return result;
}

// ---- numbering

namespace {

// Whether cluster a (0-based) is to have a lower number than b.
bool comes_before(const ClusteringView& model, std::int32_t a, std::int32_t b) {
    const std::int32_t order_by = model.facts().options.order_by;
    const std::span<const double> first = model.centre(a + 1);
    const std::span<const double> second = model.centre(b + 1);
    if (order_by != 0) {
        const auto f = static_cast<std::size_t>(std::abs(order_by) - 1);
        if (first[f] != second[f])
            return order_by > 0 ? first[f] < second[f] : first[f] > second[f];
    }
    if (model.size(a + 1) != model.size(b + 1))
        return model.size(a + 1) > model.size(b + 1);
    return std::lexicographical_compare(first.begin(), first.end(), second.begin(), second.end());
}

}  // namespace

ClusteringParts OrderedModel::parts(const ClusteringView& model) const {
    ClusteringParts parts = parts_of(model);
    const auto k = static_cast<std::size_t>(model.k());
    parts.centres = view(values).first(parts.centres.size());
    std::size_t at = parts.centres.size();
    for (std::span<const double>* array :
         {&parts.within_ss, &parts.radius, &parts.scatter, &parts.silhouette, &parts.offset, &parts.weight}) {
        *array = view(values).subspan(at, k);
        at += k;
    }
    parts.sizes = view(sizes);
    parts.labels = view(labels);
    return parts;
}

OrderedModel ordered(const ClusteringView& model, MemoryResource* memory) {
    OrderedModel result(memory);
    Vector<std::int32_t> numbers(static_cast<std::size_t>(model.k()), 0, memory);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::sort(numbers.begin(), numbers.end(),
              [&](std::int32_t a, std::int32_t b) { return comes_before(model, a, b); });
    if (std::is_sorted(numbers.begin(), numbers.end()))
        return result;
    const ClusteringParts parts = parts_of(model);
    for (std::int32_t old : numbers) {
        const std::span<const double> centre = model.centre(old + 1);
        result.values.insert(result.values.end(), centre.begin(), centre.end());
        result.sizes.push_back(model.size(old + 1));
        if (!model.labels().empty())
            append_label(result.labels, model.label(old + 1));
    }
    for (std::span<const double> array :
         {parts.within_ss, parts.radius, parts.scatter, parts.silhouette, parts.offset, parts.weight})
        for (std::int32_t old : numbers)
            result.values.push_back(array[static_cast<std::size_t>(old)]);
    result.numbers.swap(numbers);
    return result;
}

}  // namespace seg::core::clustering
