#include "core/clustering/kmeans_state.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/base/codec.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 'k';
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kWeightedFlag = 1;
constexpr std::uint8_t kCountsFlag = 2;
constexpr std::uint8_t kNarrowFlag = 4;    // values are floats; not with counts
constexpr std::uint64_t kFewestRows = 32;  // kept whatever the limit says
constexpr double kLargestFeature = 1e140;
constexpr double kLargestWeight = 1e12;
constexpr double kLeastWeight = 1e-12;  // other than 0
constexpr const char* kTypeName = "segment.kmeans_state";

struct Header {
    GatheringOptions options;  // groups and init are views of the body
    std::int32_t dimensions;
    std::int64_t rows;
    std::int64_t seen;
    std::int64_t skipped;
    std::uint64_t divisor;
    bool counts;
    bool narrow;
};

template <typename Value>
Value read_choice(Reader& reader, Value last, const char* what) {
    const auto choice = reader.get<std::uint8_t>();
    reader.require(choice <= static_cast<std::uint8_t>(last), what);
    return static_cast<Value>(choice);
}

void read_numbers(Reader& reader, Header& header) {
    KmeansOptions& options = header.options.kmeans;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    options.standardize = read_choice(reader, Standardize::kMinmax, "unknown standardize");
    options.algorithm = read_choice(reader, Algorithm::kPrototypes, "unknown algorithm");
    options.k = reader.get<std::int32_t>();
    header.dimensions = reader.get<std::int32_t>();
    header.rows = reader.get<std::int64_t>();
    header.seen = reader.get<std::int64_t>();
    header.skipped = reader.get<std::int64_t>();
    options.seed = reader.get<std::int64_t>();
    options.n_init = reader.get<std::int32_t>();
    options.max_iter = reader.get<std::int32_t>();
    options.tol = reader.get<double>();
    options.gamma = reader.get<double>();
    options.min_size = reader.get<std::int64_t>();
    options.max_size = reader.get<std::int64_t>();
    header.options.limit = reader.get<std::uint64_t>();
    header.divisor = reader.get<std::uint64_t>();
    options.order_by = reader.get<std::int32_t>();
    options.measure = read_choice(reader, Measure::kCosine, "unknown measure");
    const auto flags = reader.get<std::uint8_t>();
    reader.require((flags & ~(kWeightedFlag | kCountsFlag | kNarrowFlag)) == 0, "unknown flags");
    options.weighted = (flags & kWeightedFlag) != 0;
    header.counts = (flags & kCountsFlag) != 0;
    header.narrow = (flags & kNarrowFlag) != 0;
    reader.require(!header.counts || !header.narrow, "flags exclude each other");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
}

// A part of the body that can be read where it is: everything before it takes a multiple of 8 bytes, less the
// slot, and values come in with that alignment.
template <typename T>
std::span<const T> read_array(Reader& reader, std::int64_t count, const char* what) {
    reader.require(count >= 0 && static_cast<std::uint64_t>(count) <= reader.left() / sizeof(T), what);
    const std::span<const std::byte> bytes = reader.take(static_cast<std::size_t>(count) * sizeof(T));
    return {reinterpret_cast<const T*>(bytes.data()), static_cast<std::size_t>(count)};
}

std::size_t row_width(const Header& header) {
    return static_cast<std::size_t>(header.dimensions) + (header.options.kmeans.weighted ? 1 : 0);
}

void check_header(const Header& header, const Reader& reader) {
    try {
        validate(header.options.kmeans);
        if (header.dimensions > 0)
            validate(header.options.kmeans, static_cast<std::size_t>(header.dimensions));
    } catch (const Error& error) {
        reader.fail(error.what());
    }
    reader.require(header.dimensions >= 0 && header.dimensions <= kMaxDimensions, "dimensions out of range");
    reader.require(
        header.rows >= 0 && header.seen >= header.rows && header.seen <= kMostRows && header.skipped >= 0,
        "counts of rows out of range");
    reader.require((header.seen == 0) == (header.dimensions == 0), "rows without dimensions");
    constexpr std::uint64_t kLargestDivisor = std::uint64_t{1} << 40;
    reader.require(std::has_single_bit(header.divisor) && header.divisor <= kLargestDivisor,
                   "divisor is not a power of two, or out of range");
    const std::uint64_t row_bytes =
        header.narrow ? 4 * row_width(header) : 8 * (row_width(header) + (header.counts ? 1 : 0));
    reader.require(header.rows == 0
                       ? reader.left() == 0
                       : reader.left() % row_bytes == 0 &&
                             reader.left() / row_bytes == static_cast<std::uint64_t>(header.rows),
                   "wrong length");
}

Header read_header(Reader& reader) {
    Header header;
    read_numbers(reader, header);
    const auto groups = reader.get<std::int32_t>();
    const auto init = reader.get<std::int32_t>();
    header.options.kmeans.groups = read_array<CategoryGroup>(reader, groups, "groups out of range");
    header.options.kmeans.init = read_array<double>(reader, init, "centres out of range");
    for (double value : header.options.kmeans.init)
        reader.require(std::fabs(value) <= kLargestFeature, "centre out of range");
    check_header(header, reader);
    return header;
}

// Names the first feature that cannot be used.
[[noreturn]] void refuse(std::span<const double> features, std::int64_t row) {
    const auto unusable = [](double value) { return !(std::fabs(value) <= kLargestFeature); };
    const auto first = std::find_if(features.begin(), features.end(), unusable);
    const auto number = static_cast<std::size_t>(first - features.begin()) + 1;
    const std::string detail =
        format("Row %lld of those read has %lld such features.", static_cast<long long>(row),
               static_cast<long long>(std::count_if(features.begin(), features.end(), unusable)));
    if (std::isfinite(*first))
        throw Error(Errc::kOutOfRange, format("feature %zu is out of range: %g", number, *first), detail,
                    "Features must lie between -1e140 and 1e140.");
    throw Error(Errc::kBadData,
                format("feature %zu is not a finite number: %s", number, nonfinite_name(*first)), detail);
}

// Doubles without their signs are in the order of their bits, with NaN and infinity above all others. What is
// too large makes a difference negative; comparing integers, the loop is one of vector instructions.
void check_values(std::span<const double> features, std::int64_t row) {
    constexpr auto kMagnitude = std::numeric_limits<std::int64_t>::max();
    constexpr auto kLargest = std::bit_cast<std::int64_t>(kLargestFeature);
    std::int64_t signs = 0;
    for (double value : features)
        signs |= kLargest - (std::bit_cast<std::int64_t>(value) & kMagnitude);
    if (signs < 0)
        refuse(features, row);
}

void check_weight(double weight) {
    if (!std::isfinite(weight) || weight < 0)
        throw Error(Errc::kBadData,
                    std::isfinite(weight)
                        ? format("a weight must not be negative, as %g is", weight)
                        : format("a weight is not a finite number: %s", nonfinite_name(weight)));
    if (weight > kLargestWeight || (weight > 0 && weight < kLeastWeight))
        throw Error(Errc::kOutOfRange, format("a weight is out of range: %g", weight), {},
                    "Weights must be 0, or lie between 1e-12 and 1e12.");
}

}  // namespace

KmeansState::KmeansState(MemoryResource* memory, const GatheringOptions& options)
    : options_(options),
      rows_(memory),
      counts_(memory),
      groups_(options.kmeans.groups.begin(), options.kmeans.groups.end(), memory),
      init_(options.kmeans.init.begin(), options.kmeans.init.end(), memory),
      weighted_row_(memory),
      buffer_(memory) {
    options_.kmeans.groups = {groups_.data(), groups_.size()};
    options_.kmeans.init = {init_.data(), init_.size()};
}

GatheringOptions KmeansState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    WorkMeter meter(interrupt);
    const auto value = [&] {
        return header.narrow ? static_cast<double>(reader.get<float>()) : reader.get<double>();
    };
    for (std::int64_t i = 0; i < header.rows; ++i) {
        for (std::int32_t f = 0; f < header.dimensions; ++f)
            reader.require(std::fabs(value()) <= kLargestFeature, "feature out of range");
        if (header.options.kmeans.weighted) {
            const double weight = value();
            reader.require(weight >= kLeastWeight && weight <= kLargestWeight, "weight out of range");
        }
        meter.done(work_of_row(row_width(header)));
    }
    std::int64_t left = header.seen;
    for (std::int64_t i = 0; i < (header.counts ? header.rows : 0); ++i) {
        const auto count = reader.get<std::int64_t>();
        reader.require(count >= 1 && count <= left, "counts do not fit the rows");
        left -= count;
    }
    reader.expect_end();
    return header.options;
}

void KmeansState::add_counts(std::int64_t seen, std::int64_t skipped) {
    if (seen > kMostRows - seen_ || __builtin_add_overflow(skipped_, skipped, &skipped_))
        throw Error(Errc::kOutOfRange, "number of rows is out of range");
    seen_ += seen;
}

void KmeansState::set_dimensions(std::size_t dimensions) {
    if (dimensions < 1 || dimensions > static_cast<std::size_t>(kMaxDimensions))
        throw Error(Errc::kArrayShape, format("number of features must be between 1 and %d, not %zu",
                                              kMaxDimensions, dimensions));
    validate(options_.kmeans, dimensions);
    rows_.set_width(dimensions + (options_.kmeans.weighted ? 1 : 0), RowStore::Values::kFloatsWhileExact);
    lower_limit(options_.limit);
    weighted_row_.assign(rows_.width(), 0.0);
    buffer_.assign(rows_.width(), 0.0);
}

void KmeansState::add(std::span<const double> features, double weight, Interrupt& interrupt) {
    if (rows_.width() == 0)
        set_dimensions(features.size());
    else if (features.size() != dimensions())
        throw Error(
            Errc::kArrayShape,
            format("a row has %zu features where earlier rows have %zu", features.size(), dimensions()),
            format("It is row %lld of those read.", static_cast<long long>(seen_ + skipped_ + 1)));
    check_values(features, seen_ + skipped_ + 1);
    const double* row = features.data();
    if (options_.kmeans.weighted) {
        check_weight(weight);
        if (weight == 0) {
            skip();
            return;
        }
        std::copy(features.begin(), features.end(), weighted_row_.begin());
        weighted_row_.back() = weight;
        row = weighted_row_.data();
    }
    // Nearly always there is room, and nothing to decide.
    if (divisor_ > 1 || !counts_.empty() || rows_.size() >= most_rows_ || !rows_.append_beside(row))
        append(row, 1, interrupt);
    ++seen_;
}

void KmeansState::append(const double* row, std::int64_t count, Interrupt& interrupt) {
    if (!is_kept(row))
        return;
    if (rows_.size() >= most_rows_)
        make_room(interrupt);
    for (;;) {
        // The half that has to go may include this row.
        if (!is_kept(row))
            return;
        try {
            store(row, count, interrupt);
            return;
        } catch (const Error& error) {
            // Other states have the memory that this one may take by its own limit.
            if (error.code() != Errc::kTooBig || rows_.size() < 2 * kFewestRows)
                throw;
            counts_.resize(counts_.empty() ? 0 : static_cast<std::size_t>(rows_.size()));
            lower_limit(bytes_per_row() * rows_.size());
            thin(interrupt);
        }
    }
}

bool KmeansState::is_kept(const double* row) const {
    return divisor_ == 1 || is_sampled(content_hash(row, dimensions()), divisor_);
}

void KmeansState::store(const double* row, std::int64_t count, Interrupt& interrupt) {
    if (count > 1 && counts_.empty())
        counts_.assign(static_cast<std::size_t>(rows_.size()), std::int64_t{1});
    if (!counts_.empty() || count > 1)
        counts_.push_back(count);
    rows_.append(row, &interrupt);
}

// ---- too many rows

// Rows, their counts, and the index that collapse() needs for a while.
std::uint64_t KmeansState::bytes_per_row() const {
    return 8 * rows_.width() + sizeof(std::int64_t) + 2 * sizeof(std::uint32_t);
}

// Also works out how many rows there is room for. The last chunk of the store may be empty: as large as all
// before it, and at most kLargestChunkBytes; and while the store is widened, it is there as floats, too.
void KmeansState::lower_limit(std::uint64_t limit) {
    options_.limit = std::min(options_.limit, limit);
    const std::uint64_t bytes = options_.limit / 20 * 17;
    const std::uint64_t small = bytes / (bytes_per_row() + 12 * rows_.width());
    constexpr std::uint64_t kSlack = RowStore::kLargestChunkBytes / 2 * 3;
    const std::uint64_t large = bytes > kSlack ? (bytes - kSlack) / bytes_per_row() : 0;
    most_rows_ = std::max({small, large, kFewestRows});
}

void KmeansState::make_room(Interrupt& interrupt) {
    collapse(interrupt);
    // Three quarters, so that collapsing does not come again soon.
    while (rows_.size() > most_rows_ / 4 * 3)
        thin(interrupt);
}

void KmeansState::settle(Interrupt& interrupt) {
    if (rows_.width() == 0)
        return;
    if (rows_.size() > most_rows_ / 4 * 3)
        make_room(interrupt);
    // Equal rows must not be what makes training take a sample; and once some are collapsed, all are, so that
    // what is left does not depend on when it happened.
    else if (!counts_.empty() ||
             price_kmeans(rows_.size(), dimensions(), options_.kmeans).total() > options_.limit)
        collapse(interrupt);
}

// Moves a row, and its count, to an earlier place.
void KmeansState::keep(std::size_t from, std::size_t to) {
    if (from == to)
        return;
    rows_.move_row(from, to);
    if (!counts_.empty())
        counts_[to] = counts_[from];
}

// Collapses if there is memory for the index.
void KmeansState::collapse(Interrupt& interrupt) {
    try {
        collapse_equal_rows(interrupt);
    } catch (const Error& error) {
        if (error.code() != Errc::kTooBig)
            throw;
    }
}

void KmeansState::collapse_equal_rows(Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    const auto size = static_cast<std::size_t>(rows_.size());
    MemoryResource* memory = counts_.get_stored_allocator().resource();
    if (counts_.empty()) {
        counts_.reserve(static_cast<std::size_t>(most_rows_));
        counts_.assign(size, std::int64_t{1});
    }
    // Open addressing, at most two thirds full; a slot is a row's number + 1.
    Vector<std::uint32_t> slots(std::max<std::size_t>(size + size / 2, 16), std::uint32_t{0}, memory);
    Vector<double> own(rows_.width(), 0.0, memory);
    Vector<double> other(rows_.width(), 0.0, memory);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const double* row = rows_.row(i, own.data());
        auto slot = static_cast<std::size_t>(
            static_cast<unsigned __int128>(content_hash(row, rows_.width()) * divisor_) * slots.size() >> 64);
        const auto same = [&](std::uint32_t number) {
            return std::equal(row, row + rows_.width(), rows_.row(number - 1, other.data()));
        };
        for (; slots[slot] != 0 && !same(slots[slot]); meter.done(1))
            slot = slot + 1 == slots.size() ? 0 : slot + 1;
        if (slots[slot] != 0) {
            counts_[slots[slot] - 1] += counts_[i];
        } else {
            keep(i, kept);
            slots[slot] = static_cast<std::uint32_t>(++kept);
        }
        meter.done(work_of_row(rows_.width()));
    }
    rows_.truncate(kept);
    counts_.resize(kept);
}

void KmeansState::thin(Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    divisor_ *= 2;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (is_sampled(content_hash(rows_.row(i, buffer_.data()), dimensions()), divisor_))
            keep(i, kept++);
        meter.done(work_of_row(rows_.width()));
    }
    rows_.truncate(kept);
    if (!counts_.empty())
        counts_.resize(kept);
}

// ---- merging

void KmeansState::check_mergeable(const KmeansOptions& other_options, std::size_t other_dimensions) {
    if (!(other_options == options_.kmeans))
        throw Error(Errc::kInvalidArgument, "cannot combine k-means states with different options",
                    format("One has k = %d and seed = %lld, the other k = %d and seed = %lld.",
                           options_.kmeans.k, static_cast<long long>(options_.kmeans.seed), other_options.k,
                           static_cast<long long>(other_options.seed)));
    if (other_dimensions == 0)
        return;
    if (rows_.width() == 0)
        set_dimensions(other_dimensions);
    if (dimensions() != other_dimensions)
        throw Error(Errc::kArrayShape, format("cannot combine k-means states with %zu and %zu features",
                                              dimensions(), other_dimensions));
}

void KmeansState::merge(const KmeansState& other, Interrupt& interrupt) {
    check_mergeable(other.options_.kmeans, other.dimensions());
    lower_limit(other.options_.limit);
    add_counts(other.seen_, other.skipped_);
    while (divisor_ < other.divisor_)
        thin(interrupt);
    WorkMeter meter(interrupt);
    std::size_t index = 0;
    other.rows_.for_each_run([&](const double* rows, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i, ++index) {
            append(rows + i * rows_.width(), other.table().count(index), interrupt);
            meter.done(work_of_row(rows_.width()));
        }
    });
}

void KmeansState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    check_mergeable(header.options.kmeans, static_cast<std::size_t>(header.dimensions));
    lower_limit(header.options.limit);
    add_counts(header.seen, header.skipped);
    while (divisor_ < header.divisor)
        thin(interrupt);
    const std::int64_t count = header.rows * static_cast<std::int64_t>(row_width(header));
    if (header.narrow) {
        merge_rows(read_array<float>(reader, count, "wrong length"), {}, interrupt);
    } else {
        const auto values = read_array<double>(reader, count, "wrong length");
        merge_rows(values, read_array<std::int64_t>(reader, header.counts ? header.rows : 0, "wrong length"),
                   interrupt);
    }
}

template <typename T>
void KmeansState::merge_rows(std::span<const T> values, std::span<const std::int64_t> counts,
                             Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    const std::size_t width = rows_.width();
    Vector<double> row(width, 0.0, counts_.get_stored_allocator().resource());
    for (std::size_t i = 0; !values.empty(); ++i) {
        if (counts.empty())
            values = values.subspan(append_whole(values, meter) * width);
        if (values.empty())
            break;
        std::copy_n(values.begin(), width, row.begin());
        append(row.data(), counts.empty() ? 1 : counts[i], interrupt);
        values = values.subspan(width);
        meter.done(work_of_row(width));
    }
}

// Takes the rows as they are, as long as none has to go; returns how many it took.
template <typename T>
std::size_t KmeansState::append_whole(std::span<const T> values, WorkMeter& meter) {
    const std::size_t width = rows_.width();
    const std::size_t size = values.size() / width;
    if (divisor_ > 1 || !counts_.empty() || rows_.size() + size > most_rows_)
        return 0;
    std::size_t taken = 0;
    try {
        while (const std::uint64_t some = rows_.append_some(values.data() + taken * width, size - taken)) {
            taken += some;
            meter.done(some * work_of_row(width) / 8);
        }
    } catch (const Error& error) {
        if (error.code() != Errc::kTooBig)
            throw;
    }
    return taken;
}

// ---- image

bool KmeansState::writes_floats() const {
    return rows_.is_narrow() && counts_.empty();
}

std::size_t KmeansState::image_size() const {
    return kHeaderSize + groups_.size() * sizeof(CategoryGroup) + init_.size() * sizeof(double) +
           rows_.size() * rows_.width() * (writes_floats() ? sizeof(float) : sizeof(double)) +
           counts_.size() * sizeof(std::int64_t);
}

void KmeansState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    const KmeansOptions& options = options_.kmeans;
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(options.standardize));
    writer.put(static_cast<std::uint8_t>(options.algorithm));
    writer.put(options.k);
    writer.put(seen_ == 0 ? std::int32_t{0} : static_cast<std::int32_t>(dimensions()));
    writer.put(static_cast<std::int64_t>(rows_.size()));
    writer.put(seen_);
    writer.put(skipped_);
    writer.put(options.seed);
    writer.put(options.n_init);
    writer.put(options.max_iter);
    writer.put(options.tol);
    writer.put(options.gamma);
    writer.put(options.min_size);
    writer.put(options.max_size);
    writer.put(options_.limit);
    writer.put(divisor_);
    writer.put(options.order_by);
    writer.put(static_cast<std::uint8_t>(options.measure));
    writer.put(static_cast<std::uint8_t>((options.weighted ? kWeightedFlag : 0) |
                                         (counts_.empty() ? 0 : kCountsFlag) |
                                         (writes_floats() ? kNarrowFlag : 0)));
    writer.put<std::uint16_t>(0);
    writer.put(static_cast<std::int32_t>(groups_.size()));
    writer.put(static_cast<std::int32_t>(init_.size()));
    for (const CategoryGroup& group : groups_) {
        writer.put(group.first);
        writer.put(group.count);
        writer.put(group.mismatch_cost);
    }
    writer.put_all(std::span<const double>(init_.data(), init_.size()));
    WorkMeter meter(interrupt);
    const auto put_rows = [&](const auto* rows, std::uint64_t count) {
        writer.put_all(std::span(rows, count * rows_.width()));
        meter.done(count * work_of_row(rows_.width()));
    };
    if (writes_floats())
        rows_.for_each_stored_run(put_rows);
    else
        rows_.for_each_run(put_rows);
    writer.put_all(std::span<const std::int64_t>(counts_.data(), counts_.size()));
}

}  // namespace seg::core::clustering
