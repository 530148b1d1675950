#include "core/clv/clv_state.hpp"

#include <cmath>

#include "core/base/codec.hpp"

namespace seg::core::clv {
namespace {

constexpr std::uint8_t kMagic = 'v';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.clv_state";

struct Header {
    ClvOptions options;
    std::int64_t histories;
    std::int64_t values;
    std::int64_t skipped;
    std::int64_t without_value;
};

ClvOptions read_choice(Reader& reader) {
    ClvOptions options;
    const auto purchases = reader.get<std::uint8_t>();
    reader.require(purchases >= 1 && purchases <= 3, "unknown purchase model");
    options.purchases = static_cast<PurchaseModel>(purchases);
    const auto value = reader.get<std::uint8_t>();
    reader.require(value <= 1, "unknown value model");
    options.value = static_cast<ValueModel>(value);
    const auto unit = reader.get<std::uint8_t>();
    reader.require(unit >= 1 && unit <= 4, "unknown unit");
    options.unit = static_cast<TimeUnit>(unit);
    for (int i = 0; i < 3; ++i)
        reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is set");
    options.max_iter = reader.get<std::int32_t>();
    options.month = reader.get<double>();
    reader.require(options.month >= 1e-6 && options.month <= 1e12, "month out of range");
    reader.require(options.max_iter >= 1, "max_iter out of range");
    return options;
}

Header read_header(Reader& reader) {
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    Header header;
    header.options = read_choice(reader);
    header.histories = reader.get<std::int64_t>();
    header.values = reader.get<std::int64_t>();
    header.skipped = reader.get<std::int64_t>();
    header.without_value = reader.get<std::int64_t>();
    reader.require(
        header.histories >= 0 && header.values >= 0 && header.skipped >= 0 && header.without_value >= 0,
        "negative count");
    const std::uint64_t doubles = reader.left() / sizeof(double);
    const auto histories = static_cast<std::uint64_t>(header.histories);
    reader.require(reader.left() % sizeof(double) == 0 && histories <= doubles / ClvState::kHistoryWidth &&
                       (doubles - histories * ClvState::kHistoryWidth) % ClvState::kValueWidth == 0 &&
                       (doubles - histories * ClvState::kHistoryWidth) / ClvState::kValueWidth ==
                           static_cast<std::uint64_t>(header.values),
                   "wrong length");
    reader.require(
        header.values <= header.histories && header.without_value <= header.histories - header.values,
        "more values than customers");
    reader.require(header.options.value != ValueModel::kNone || header.values + header.without_value == 0,
                   "values of no value model");
    return header;
}

// A frequency is a whole number, so that every row is one that add() could have stored.
void check_rows(Reader& reader, const Header& header, WorkMeter& meter) {
    std::int64_t repeating = 0;
    for (std::int64_t i = 0; i < header.histories; ++i) {
        History history;
        history.frequency = reader.get<double>();
        history.recency = reader.get<double>();
        history.age = reader.get<double>();
        try {
            reader.require(std::floor(history.frequency) == history.frequency, "frequency is not whole");
            check(history);
        } catch (const Error& error) {
            reader.fail("impossible history");
        }
        repeating += history.frequency > 0;
        meter.done(1);
    }
    reader.require(
        header.options.value == ValueModel::kNone || header.values + header.without_value == repeating,
        "another number of values than of repeat customers");
    for (std::int64_t i = 0; i < header.values; ++i) {
        const double frequency = reader.get<double>();
        const double value = reader.get<double>();
        reader.require(frequency >= 1 && frequency <= 1e9 && std::floor(frequency) == frequency,
                       "frequency out of range");
        reader.require(value > 0 && value <= kLargestMeanValue, "value out of range");
        meter.done(1);
    }
}

void append_rows(RowStore& store, const double* rows, std::uint64_t count, WorkMeter& meter) {
    for (std::uint64_t i = 0; i < count; ++i) {
        store.append(rows + i * store.width());
        meter.done(1);
    }
}

void append_store(RowStore& store, const RowStore& other, WorkMeter& meter) {
    other.for_each_run(
        [&](const double* rows, std::uint64_t count) { append_rows(store, rows, count, meter); });
}

}  // namespace

ClvOptions ClvState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    WorkMeter meter(interrupt);
    const Header header = read_header(reader);
    check_rows(reader, header, meter);
    return header.options;
}

void ClvState::add(const History& history, std::optional<double> mean_value) {
    check(history);
    const bool valued = options_.value != ValueModel::kNone && history.frequency > 0;
    if (valued && mean_value)
        check_mean_value(*mean_value);
    const double row[] = {history.frequency, history.recency + 0.0, history.age + 0.0};
    histories_.append(row);
    if (valued)
        add_value(history.frequency, mean_value.value_or(0));
}

void ClvState::add_value(double frequency, double mean_value) {
    if (mean_value <= 0) {
        ++without_value_;
        return;
    }
    const double row[] = {frequency, mean_value};
    values_.append(row);
}

void ClvState::check_mergeable(const ClvOptions& other) const {
    if (other == options_)
        return;
    throw Error(Errc::kInvalidArgument, "cannot combine customer value states with different options",
                format("One is for %s and %s in units of a %s, the other for %s and %s in units of a %s.",
                       name_of(options_.purchases), name_of(options_.value), name_of(options_.unit),
                       name_of(other.purchases), name_of(other.value), name_of(other.unit)));
}

void ClvState::add_counts(std::int64_t skipped, std::int64_t without_value) {
    if (__builtin_add_overflow(skipped_, skipped, &skipped_) ||
        __builtin_add_overflow(without_value_, without_value, &without_value_))
        throw Error(Errc::kOutOfRange, "number of skipped rows is out of range");
}

void ClvState::merge(const ClvState& other, Interrupt& interrupt) {
    check_mergeable(other.options_);
    WorkMeter meter(interrupt);
    append_store(histories_, other.histories_, meter);
    append_store(values_, other.values_, meter);
    add_counts(other.skipped_, other.without_value_);
}

void ClvState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    check_mergeable(header.options);
    WorkMeter meter(interrupt);
    const auto* rows = reinterpret_cast<const double*>(body.data() + (kHeaderSize - kSlot));
    append_rows(histories_, rows, static_cast<std::uint64_t>(header.histories), meter);
    append_rows(values_, rows + static_cast<std::uint64_t>(header.histories) * kHistoryWidth,
                static_cast<std::uint64_t>(header.values), meter);
    add_counts(header.skipped, header.without_value);
}

void ClvState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(options_.purchases));
    writer.put(static_cast<std::uint8_t>(options_.value));
    writer.put(static_cast<std::uint8_t>(options_.unit));
    for (int i = 0; i < 3; ++i)
        writer.put<std::uint8_t>(0);
    writer.put(options_.max_iter);
    writer.put(options_.month);
    writer.put(static_cast<std::int64_t>(histories_.size()));
    writer.put(static_cast<std::int64_t>(values_.size()));
    writer.put(skipped_);
    writer.put(without_value_);
    for (const RowStore* store : {&histories_, &values_})
        store->for_each_run([&](const double* rows, std::uint64_t count) {
            writer.put_all(std::span<const double>(rows, count * store->width()));
            meter.done(count);
        });
}

}  // namespace seg::core::clv
