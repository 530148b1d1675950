#include "core/clustering/kmeans_state.hpp"

#include <cmath>

#include "core/base/codec.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 'k';
constexpr std::uint8_t kVersion = 1;
constexpr double kLargestFeature = 1e140;
constexpr const char* kTypeName = "segment.kmeans_state";

struct Header {
    KmeansOptions options;
    std::int32_t dimensions;
    std::int64_t rows;
    std::int64_t skipped;
};

Header read_header(Reader& reader) {
    Header header;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    const auto standardize = reader.get<std::uint8_t>();
    reader.require(standardize <= static_cast<std::uint8_t>(Standardize::kZscore), "unknown standardize");
    header.options.standardize = static_cast<Standardize>(standardize);
    reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    header.options.k = reader.get<std::int32_t>();
    header.dimensions = reader.get<std::int32_t>();
    header.rows = reader.get<std::int64_t>();
    header.skipped = reader.get<std::int64_t>();
    header.options.seed = reader.get<std::int64_t>();
    header.options.n_init = reader.get<std::int32_t>();
    header.options.max_iter = reader.get<std::int32_t>();
    header.options.tol = reader.get<double>();
    try {
        validate(header.options);
    } catch (const Error& error) {
        reader.fail(error.what());
    }
    reader.require(header.dimensions >= 0 && header.dimensions <= kMaxDimensions, "dimensions out of range");
    reader.require(header.rows >= 0 && header.skipped >= 0, "negative count");
    reader.require((header.rows == 0) == (header.dimensions == 0), "rows without dimensions");
    const std::uint64_t row_bytes = static_cast<std::uint64_t>(header.dimensions) * sizeof(double);
    reader.require(header.rows == 0
                       ? reader.left() == 0
                       : reader.left() % row_bytes == 0 &&
                             reader.left() / row_bytes == static_cast<std::uint64_t>(header.rows),
                   "wrong length");
    return header;
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

KmeansOptions KmeansState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    WorkMeter meter(interrupt);
    for (std::int64_t i = 0; i < header.rows * header.dimensions; ++i) {
        reader.require(std::fabs(reader.get<double>()) <= kLargestFeature, "feature out of range");
        meter.done(1);
    }
    return header.options;
}

void KmeansState::add_skipped(std::int64_t more) {
    if (__builtin_add_overflow(skipped_, more, &skipped_))
        throw Error(Errc::kOutOfRange, "number of skipped rows is out of range");
}

void KmeansState::add(std::span<const double> features) {
    if (rows_.size() == 0) {
        if (features.empty() || features.size() > static_cast<std::size_t>(kMaxDimensions))
            throw Error(Errc::kArrayShape, format("number of features must be between 1 and %d, not %zu",
                                                  kMaxDimensions, features.size()));
        rows_.set_width(features.size());
    } else if (features.size() != rows_.width()) {
        throw Error(Errc::kArrayShape, format("a row has %zu features where earlier rows have %zu",
                                              features.size(), rows_.width()));
    }
    check_values(features);
    rows_.append(features.data());
}

void KmeansState::check_mergeable(const KmeansOptions& other_options, std::size_t other_dimensions) {
    if (!(other_options == options_))
        throw Error(Errc::kInvalidArgument, "cannot combine k-means states with different options",
                    format("One has k = %d and seed = %lld, the other k = %d and seed = %lld.", options_.k,
                           static_cast<long long>(options_.seed), other_options.k,
                           static_cast<long long>(other_options.seed)));
    if (other_dimensions == 0)
        return;
    if (rows_.size() == 0)
        rows_.set_width(other_dimensions);
    if (rows_.width() != other_dimensions)
        throw Error(Errc::kArrayShape, format("cannot combine k-means states with %zu and %zu features",
                                              rows_.width(), other_dimensions));
}

void KmeansState::append_rows(const double* rows, std::uint64_t count, WorkMeter& meter) {
    for (std::uint64_t i = 0; i < count; ++i) {
        rows_.append(rows + i * rows_.width());
        meter.done(work_of_row(rows_.width()));
    }
}

void KmeansState::merge(const KmeansState& other, Interrupt& interrupt) {
    check_mergeable(other.options_, other.rows_.width());
    WorkMeter meter(interrupt);
    other.rows_.for_each_run(
        [&](const double* rows, std::uint64_t count) { append_rows(rows, count, meter); });
    add_skipped(other.skipped_);
}

void KmeansState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    check_mergeable(header.options, static_cast<std::size_t>(header.dimensions));
    WorkMeter meter(interrupt);
    append_rows(reinterpret_cast<const double*>(body.data() + (kHeaderSize - kSlot)),
                static_cast<std::uint64_t>(header.rows), meter);
    add_skipped(header.skipped);
}

void KmeansState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(options_.standardize));
    writer.put<std::uint8_t>(0);
    writer.put(options_.k);
    writer.put(static_cast<std::int32_t>(rows_.width()));
    writer.put(static_cast<std::int64_t>(rows_.size()));
    writer.put(skipped_);
    writer.put(options_.seed);
    writer.put(options_.n_init);
    writer.put(options_.max_iter);
    writer.put(options_.tol);
    rows_.for_each_run([&](const double* rows, std::uint64_t count) {
        writer.put_all(std::span<const double>(rows, count * rows_.width()));
        meter.done(count * work_of_row(rows_.width()));
    });
}

}  // namespace seg::core::clustering
