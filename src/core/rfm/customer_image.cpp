// The external form of a table of customers: written, read and merged.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/rfm/customer_table.hpp"

namespace seg::core::rfm {
namespace {

constexpr std::uint8_t kMagic = 0xc7;
constexpr std::uint8_t kVersion = 1;

}  // namespace

// One customer as an image has it.
struct CustomerTable::Record {
    static constexpr std::uint8_t kLarge = 1;
    static constexpr std::uint8_t kFar = 2;

    std::int64_t number;
    std::span<const std::byte> bytes;
    std::uint8_t flags;
    std::uint8_t display_scale;
    std::uint32_t orders;
    std::int32_t recency_days;
    Int128 sum;
    std::span<const std::byte> days;      // codes, not aligned
    std::span<const std::byte> far_days;  // days ago, not aligned
    std::optional<Reader> large;          // where the large sum begins
};

namespace {

// magic, version, kinds of keys and amounts, monetary, days, wide, partition bits; groups, partition, day,
// customers
constexpr std::size_t kImageHeader = 8 + 1 + 4 + 4 + 8;

void put_bytes(Writer& writer, std::span<const std::byte> bytes) {
    writer.put_all(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

}  // namespace

std::uint64_t CustomerTable::image_size(Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    const std::size_t fixed = 2 + 2 + 4 + 4 + (layout_.wide ? 16 : 8);
    std::uint64_t size = kImageHeader + size_ * fixed;
    for (std::uint64_t number = 0; number < size_; ++number) {
        const EntryView found = entry(number);
        size += options_.keys == KeyKind::kInteger
                    ? sizeof(std::int64_t)
                    : sizeof(std::uint32_t) + KeyBytes::bytes(found.key()).size();
        if (options_.count_days)
            size += found.days_count() * sizeof(DayCode);
        meter.done(1);
    }
    for (const auto& [number, sum] : large_sums_)
        size += sum.encoded_size();
    std::uint32_t last = kEmpty;
    for (const FarDay& day : far_days_) {
        size += sizeof(std::int32_t) + (day.number == last ? 0 : sizeof(std::uint32_t));
        last = day.number;
    }
    return size;
}

void CustomerTable::write_image(Writer& writer, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(options_.keys));
    writer.put(static_cast<std::uint8_t>(options_.amounts));
    writer.put(static_cast<std::uint8_t>(options_.monetary));
    writer.put(static_cast<std::uint8_t>(options_.count_days));
    writer.put(static_cast<std::uint8_t>(layout_.wide));
    writer.put(options_.partition_bits);
    writer.put(static_cast<std::uint8_t>(groups_));
    writer.put(options_.partition);
    writer.put(options_.as_of_day);
    writer.put(size_);
    for (std::uint64_t number = 0; number < size_; ++number) {
        write_record(writer, static_cast<std::uint32_t>(number));
        meter.done(1);
    }
}

void CustomerTable::write_record(Writer& writer, std::uint32_t number) const {
    const EntryView found = entry(number);
    const bool large = found.has(EntryView::kHasLargeSum);
    const bool far = found.has(EntryView::kHasFarDays);
    const std::span<const DayCode> days = found.days();
    writer.put(static_cast<std::uint8_t>((large ? Record::kLarge : 0) | (far ? Record::kFar : 0)));
    writer.put(found.display_scale());
    writer.put(static_cast<std::uint16_t>(days.size()));
    writer.put(found.orders());
    writer.put(found.recency_days());
    if (options_.keys == KeyKind::kInteger) {
        writer.put(found.key());
    } else {
        const std::span<const std::byte> key = KeyBytes::bytes(found.key());
        writer.put(static_cast<std::uint32_t>(key.size()));
        put_bytes(writer, key);
    }
    writer.put(found.low());
    if (layout_.wide)
        writer.put(found.high());
    put_bytes(writer, std::as_bytes(days));
    if (far) {
        const std::span<const FarDay> far_days = far_days_of(number);
        writer.put(static_cast<std::uint32_t>(far_days.size()));
        for (const FarDay& day : far_days)
            writer.put(day.days_ago);
    }
    if (large)
        large_sums_.find(number)->second.encode(writer);
}

CustomerTable::Header CustomerTable::read_header(Reader& image) {
    image.require(image.get<std::uint8_t>() == kMagic, "not a table of customers");
    image.require(image.get<std::uint8_t>() == kVersion, "unknown version");
    const auto choice = [&](std::uint8_t least, std::uint8_t most) {
        const auto value = image.get<std::uint8_t>();
        image.require(value >= least && value <= most, "unknown option");
        return value;
    };
    Header header;
    header.options.keys = static_cast<KeyKind>(choice(1, 3));
    header.options.amounts = static_cast<AmountKind>(choice(1, 2));
    header.options.monetary = static_cast<Monetary>(choice(1, 2));
    header.options.count_days = choice(0, 1) != 0;
    header.wide = choice(0, 1) != 0;
    header.options.partition_bits = image.get<std::uint8_t>();
    header.groups = image.get<std::uint8_t>();
    header.options.partition = image.get<std::uint32_t>();
    header.options.as_of_day = image.get<std::int32_t>();
    header.customers = image.get<std::uint64_t>();
    const bool decimal = header.options.amounts == AmountKind::kNumeric;
    image.require(header.groups <= (decimal ? kMaxUnitGroups : 0), "unit out of range");
    image.require(header.options.partition_bits <= TableOptions::kMaxPartitionBits &&
                      header.options.partition >> header.options.partition_bits == 0,
                  "partition out of range");
    return header;
}

TableOptions CustomerTable::read_options(Reader image) {
    return read_header(image).options;
}

void CustomerTable::check_days(const Reader& image, const Record& record) {
    for (std::size_t at = 0; at < record.days.size(); at += sizeof(DayCode)) {
        DayCode code;
        std::memcpy(&code, record.days.data() + at, sizeof code);
        image.require(code != 0 && code > record.recency_days, "day out of range");
    }
    for (std::size_t at = 0; at < record.far_days.size(); at += sizeof(std::int32_t)) {
        std::int32_t days_ago;
        std::memcpy(&days_ago, record.far_days.data() + at, sizeof days_ago);
        image.require(days_ago > kMaxCodedDaysAgo && days_ago >= record.recency_days, "day out of range");
    }
}

bool CustomerTable::is_maximum(const Header& header, const Record& record) {
    if (header.options.amounts == AmountKind::kNumeric)
        return is_below_limit(record.sum);
    return !header.wide &&
           (record.orders == 0 || std::isfinite(from_ordered_bits(static_cast<std::int64_t>(record.sum))));
}

CustomerTable::Record CustomerTable::read_record(Reader& image, const Header& header) {
    Record record{};
    record.flags = image.get<std::uint8_t>();
    image.require(record.flags <= (Record::kLarge | Record::kFar), "unknown flags");
    record.display_scale = image.get<std::uint8_t>();
    const auto days = image.get<std::uint16_t>();
    record.orders = image.get<std::uint32_t>();
    record.recency_days = image.get<std::int32_t>();
    if (header.options.keys == KeyKind::kInteger)
        record.number = image.get<std::int64_t>();
    else
        record.bytes = image.take(image.get<std::uint32_t>());
    const auto low = image.get<std::int64_t>();
    record.sum = header.wide
                     ? static_cast<Int128>(image.get<std::int64_t>()) << 64 | static_cast<std::uint64_t>(low)
                     : static_cast<Int128>(low);
    record.days = image.take(days * sizeof(DayCode));
    if (record.flags & Record::kFar)
        record.far_days = image.take(std::size_t{image.get<std::uint32_t>()} * sizeof(std::int32_t));
    image.require(header.options.count_days || (days == 0 && record.far_days.empty()), "days out of place");
    image.require(record.recency_days >= 0, "day out of range");
    check_days(image, record);
    image.require(header.options.monetary == Monetary::kSum || is_maximum(header, record),
                  "amount out of range");
    image.require(record.orders > 0 || (record.flags == 0 && days == 0 && record.sum == 0),
                  "facts of a customer without orders");
    if (record.flags & Record::kLarge) {
        image.require(header.options.monetary == Monetary::kSum, "sum out of place");
        record.large = image;
        LargeSum::skip(header.options.amounts, image);
    }
    return record;
}

void CustomerTable::merge(Reader image, Interrupt& interrupt) {
    const Header header = read_header(image);
    TableOptions theirs = header.options;
    if (theirs.partition != options_.partition)
        theirs.partition_bits = TableOptions::kMaxPartitionBits + 1;
    else
        theirs.partition_bits = options_.partition_bits;
    if (theirs != options_)
        throw Error(Errc::kInvalidArgument,
                    "tables of customers that were gathered differently do not merge");
    settle(interrupt);
    if (header.groups > groups_)
        raise_groups(header.groups, interrupt);
    while (options_.partition_bits < header.options.partition_bits)
        split(interrupt);
    for (std::uint64_t left = header.customers; left > 0;)
        left -= merge_batch(image, header, left, interrupt);
    image.expect_end();
}

// As rows are: first the customers of a batch, whose cache misses overlap, then what is known of each.
std::uint64_t CustomerTable::merge_batch(Reader& image, const Header& header, std::uint64_t left,
                                         Interrupt& interrupt) {
    std::array<Record, kBatch> records;
    std::array<const Pending*, kBatch> rows;
    const std::uint64_t count = std::min(left, kBatch);
    for (std::uint64_t i = 0; i < count; ++i) {
        records[i] = read_record(image, header);
        Pending* row = header.options.keys == KeyKind::kInteger ? pending_for(records[i].number, interrupt)
                                                                : pending_for(records[i].bytes, interrupt);
        if (row != nullptr)
            row->days_ago = kNoOrder;
        rows[i] = row;
    }
    settle(interrupt);
    for (std::uint64_t i = 0; i < count; ++i)
        if (rows[i] != nullptr && rows[i]->number != kEmpty && records[i].orders > 0)
            merge_record(records[i], rows[i]->number, header.groups, interrupt);
    return count;
}

void CustomerTable::merge_record(const Record& record, std::uint32_t number, int groups,
                                 Interrupt& interrupt) {
    Int128 amount = record.sum;
    if (options_.amounts == AmountKind::kNumeric) {
        const std::optional<Int128> scaled = scaled_up(record.sum, groups_ - groups);
        require_comparable(scaled);
        if (!scaled)
            add_beyond_unit(number, record.sum, groups);
        amount = scaled.value_or(0);
    }
    add_orders(number, record.orders, record.recency_days, amount, record.display_scale, interrupt);
    for (std::size_t at = 0; at < record.days.size(); at += sizeof(DayCode)) {
        DayCode code;
        std::memcpy(&code, record.days.data() + at, sizeof code);
        add_day(number, std::int32_t{code} - 1);
    }
    for (std::size_t at = 0; at < record.far_days.size(); at += sizeof(std::int32_t)) {
        std::int32_t days_ago;
        std::memcpy(&days_ago, record.far_days.data() + at, sizeof days_ago);
        add_day(number, days_ago);
    }
    if (record.large)
        add_encoded(number, *record.large);
}

}  // namespace seg::core::rfm
