#include "core/rfm/scale_state.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/codec.hpp"

namespace seg::core::rfm {
namespace {

constexpr std::uint8_t kMagic = 's';
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSlot = 4;
constexpr std::size_t kHeaderSize = 32;
constexpr const char* kTypeName = "segment.rfm_scale_state";

struct Header {
    ScaleOptions options;
    std::int64_t customers;
    std::int64_t skipped;
};

std::size_t breaks_size(const ScaleOptions& options) {
    std::size_t size = 0;
    for (const Breaks& breaks : options.breaks)
        size += breaks.values().size_bytes();
    return size;
}

Method read_method(Reader& reader) {
    const auto method = reader.get<std::uint8_t>();
    reader.require(method >= static_cast<std::uint8_t>(Method::kQuantile) &&
                       method <= static_cast<std::uint8_t>(Method::kKlaviyo),
                   "unknown method");
    return static_cast<Method>(method);
}

// The options must be as resolved() leaves them.
void check_options(Reader& reader, const ScaleOptions& options) {
    try {
        reader.require(resolved(options) == options, "options are incomplete");
    } catch (const Error& error) {
        if (error.code() == Errc::kBadBinary)
            throw;
        reader.fail(error.what());
    }
}

void read_breaks(Reader& reader, ScaleOptions& options) {
    for (std::size_t i = 0; i < kMeasures; ++i)
        for (int k = 1; k < options.bins[i]; ++k) {
            const double value = reader.get<double>();
            reader.require(value != 0 || !std::signbit(value), "a break is negative zero");
            options.breaks[i].push_back(value);
        }
}

Header read_header(Reader& reader) {
    Header header;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    header.options.method = read_method(reader);
    reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    for (int& bins : header.options.bins) {
        bins = reader.get<std::uint8_t>();
        reader.require(bins >= kMinBins && bins <= kMaxBins, "number of bins is out of range");
    }
    for (int i = 0; i < 5; ++i)
        reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    header.customers = reader.get<std::int64_t>();
    header.skipped = reader.get<std::int64_t>();
    reader.require(header.customers >= 0 && header.skipped >= 0, "negative count");
    if (header.options.method == Method::kFixed)
        read_breaks(reader, header.options);
    check_options(reader, header.options);
    reader.require(reader.left() % sizeof(Measures) == 0 &&
                       reader.left() / sizeof(Measures) == static_cast<std::uint64_t>(header.customers),
                   "wrong length");
    return header;
}

}  // namespace

ScaleOptions ScaleState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    WorkMeter meter(interrupt);
    for (std::int64_t i = 0; i < header.customers; ++i) {
        for (std::size_t j = 0; j < kMeasures; ++j)
            reader.require(std::isfinite(reader.get<double>()), "a measure is not finite");
        meter.done(1);
    }
    return header.options;
}

void ScaleState::add_skipped(std::int64_t more) {
    if (__builtin_add_overflow(skipped_, more, &skipped_))
        throw Error(Errc::kOutOfRange, "number of skipped rows is out of range");
}

void ScaleState::add(const Measures& customer) {
    check_finite(customer);
    const double row[kMeasures] = {customer.recency, customer.frequency, customer.monetary};
    rows_.append(row);
}

void ScaleState::check_mergeable(const ScaleOptions& other) const {
    if (other == options_)
        return;
    const auto described = [](const ScaleOptions& options) {
        return format("method \"%s\" with %d, %d and %d bins", name_of(options.method), options.bins[0],
                      options.bins[1], options.bins[2]);
    };
    throw Error(Errc::kInvalidArgument, "cannot combine states of RFM scales with different options",
                "One has " + described(options_) + ", the other " + described(other) + ".");
}

void ScaleState::append(const double* rows, std::uint64_t count, WorkMeter& meter) {
    for (std::uint64_t i = 0; i < count; ++i) {
        rows_.append(rows + i * kMeasures);
        meter.done(1);
    }
}

void ScaleState::merge(const ScaleState& other, Interrupt& interrupt) {
    check_mergeable(other.options_);
    WorkMeter meter(interrupt);
    other.rows_.for_each_run([&](const double* rows, std::uint64_t count) { append(rows, count, meter); });
    add_skipped(other.skipped_);
}

void ScaleState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    check_mergeable(header.options);
    WorkMeter meter(interrupt);
    const std::byte* rows = body.data() + body.size() - reader.left();
    append(reinterpret_cast<const double*>(rows), static_cast<std::uint64_t>(header.customers), meter);
    add_skipped(header.skipped);
}

void ScaleState::visit(MeasureConsumer& consumer) const {
    constexpr std::size_t kBatch = 512;
    Measures batch[kBatch];
    rows_.for_each_run([&](const double* rows, std::uint64_t count) {
        while (count > 0) {
            const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(count, kBatch));
            static_assert(sizeof(Measures) == kMeasures * sizeof(double));
            std::memcpy(batch, rows, size * sizeof(Measures));
            consumer.take({batch, size});
            rows += size * kMeasures;
            count -= size;
        }
    });
}

std::uint64_t ScaleState::image_size() const {
    return kHeaderSize + breaks_size(options_) + rows_.size() * sizeof(Measures);
}

void ScaleState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(options_.method));
    writer.put<std::uint8_t>(0);
    for (int bins : options_.bins)
        writer.put(static_cast<std::uint8_t>(bins));
    for (int i = 0; i < 5; ++i)
        writer.put<std::uint8_t>(0);
    writer.put(static_cast<std::int64_t>(rows_.size()));
    writer.put(skipped_);
    for (const Breaks& breaks : options_.breaks)
        writer.put_all(breaks.values());
    rows_.for_each_run([&](const double* rows, std::uint64_t count) {
        writer.put_all(std::span<const double>(rows, count * kMeasures));
        meter.done(count);
    });
}

}  // namespace seg::core::rfm
