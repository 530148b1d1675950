#include "core/clustering/quality_state.hpp"

#include <cmath>
#include <limits>

#include "core/base/codec.hpp"
#include "core/clustering/kmeans_options.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 'q';
constexpr std::uint8_t kVersion = 1;
constexpr double kLargestFeature = 1e140;
constexpr const char* kTypeName = "segment.labelled_state";

struct Header {
    std::int32_t dimensions;
    std::int64_t rows;
    std::int64_t skipped;
    LabelOrigin origin;
};

Header read_header(Reader& reader) {
    Header header;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    header.dimensions = reader.get<std::int32_t>();
    reader.require(reader.get<std::uint32_t>() == 0, "reserved bytes are set");
    header.rows = reader.get<std::int64_t>();
    header.skipped = reader.get<std::int64_t>();
    header.origin.model = reader.get<std::uint64_t>();
    reader.require(header.dimensions >= 0 && header.dimensions <= kMaxDimensions, "dimensions out of range");
    reader.require(header.rows >= 0 && header.skipped >= 0, "negative count");
    reader.require((header.rows == 0) == (header.dimensions == 0), "rows without dimensions");
    const std::uint64_t row_bytes = (static_cast<std::uint64_t>(header.dimensions) + 1) * sizeof(double);
    reader.require(reader.left() % row_bytes == 0 &&
                       reader.left() / row_bytes == static_cast<std::uint64_t>(header.rows),
                   "wrong length");
    return header;
}

bool is_label(double value) {
    return value >= std::numeric_limits<std::int32_t>::min() &&
           value <= std::numeric_limits<std::int32_t>::max() && value == std::floor(value);
}

[[noreturn]] void refuse(std::size_t column, double value) {
    if (std::isfinite(value))
        throw Error(Errc::kOutOfRange, format("feature %zu is out of range: %g", column + 1, value), {},
                    "Features must lie between -1e140 and 1e140.");
    throw Error(Errc::kBadData,
                format("feature %zu is not a finite number: %s", column + 1, nonfinite_name(value)));
}

void check_values(std::span<const double> features) {
    bool fine = true;  // one test a row, so that the loop has no branch
    for (double value : features)
        fine &= std::fabs(value) <= kLargestFeature;
    if (fine)
        return;
    for (std::size_t j = 0; j < features.size(); ++j)
        if (!(std::fabs(features[j]) <= kLargestFeature))
            refuse(j, features[j]);
}

}  // namespace

LabelOrigin LabelledState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    WorkMeter meter(interrupt);
    for (std::int64_t i = 0; i < header.rows; ++i) {
        for (std::int32_t f = 0; f < header.dimensions; ++f)
            reader.require(std::fabs(reader.get<double>()) <= kLargestFeature, "feature out of range");
        reader.require(is_label(reader.get<double>()), "label is not an integer");
        meter.done(static_cast<std::uint64_t>(header.dimensions) + 1);
    }
    return header.origin;
}

void LabelledState::add_skipped(std::int64_t more) {
    if (__builtin_add_overflow(skipped_, more, &skipped_))
        throw Error(Errc::kOutOfRange, "number of skipped rows is out of range");
}

void LabelledState::add(std::span<const double> features, std::int32_t label) {
    if (rows_.size() == 0) {
        if (features.empty() || features.size() > static_cast<std::size_t>(kMaxDimensions))
            throw Error(Errc::kArrayShape, format("number of features must be between 1 and %d, not %zu",
                                                  kMaxDimensions, features.size()));
        rows_.set_width(features.size() + 1);
    } else if (features.size() != dimensions()) {
        throw Error(Errc::kArrayShape, format("a row has %zu features where earlier rows have %zu",
                                              features.size(), dimensions()));
    }
    check_values(features);
    row_.assign(features.begin(), features.end());
    row_.push_back(static_cast<double>(label));
    rows_.append(row_.data());
}

void LabelledState::check_mergeable(const LabelOrigin& other_origin, std::size_t other_dimensions) {
    if (!(other_origin == origin_))
        throw Error(Errc::kInvalidArgument, "cannot combine rows that were labelled by different models");
    if (other_dimensions == 0)
        return;
    if (rows_.size() == 0)
        rows_.set_width(other_dimensions + 1);
    if (dimensions() != other_dimensions)
        throw Error(Errc::kArrayShape, format("cannot combine labelled rows with %zu and %zu features",
                                              dimensions(), other_dimensions));
}

void LabelledState::append_rows(const double* rows, std::uint64_t count, WorkMeter& meter) {
    for (std::uint64_t i = 0; i < count; ++i) {
        rows_.append(rows + i * rows_.width());
        meter.done(work_of_row(rows_.width()));
    }
}

void LabelledState::merge(const LabelledState& other, Interrupt& interrupt) {
    check_mergeable(other.origin_, other.dimensions());
    WorkMeter meter(interrupt);
    other.rows_.for_each_run(
        [&](const double* rows, std::uint64_t count) { append_rows(rows, count, meter); });
    add_skipped(other.skipped_);
}

void LabelledState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    check_mergeable(header.origin, static_cast<std::size_t>(header.dimensions));
    WorkMeter meter(interrupt);
    append_rows(reinterpret_cast<const double*>(body.data() + (kHeaderSize - kSlot)),
                static_cast<std::uint64_t>(header.rows), meter);
    add_skipped(header.skipped);
}

void LabelledState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put<std::uint16_t>(0);
    writer.put(static_cast<std::int32_t>(dimensions()));
    writer.put<std::uint32_t>(0);
    writer.put(static_cast<std::int64_t>(rows_.size()));
    writer.put(skipped_);
    writer.put(origin_.model);
    rows_.for_each_run([&](const double* rows, std::uint64_t count) {
        writer.put_all(std::span<const double>(rows, count * rows_.width()));
        meter.done(count * work_of_row(rows_.width()));
    });
}

}  // namespace seg::core::clustering
