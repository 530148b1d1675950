#include "core/rfm/facts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <type_traits>

namespace seg::core::rfm {

namespace {

constexpr std::uint8_t kMagic = 'R';
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kEncodedHeader = 52;

using SumMeta = FactsHeader::SumMeta;
using Scratch = std::uint64_t[DecimalSumView::kMaxLimbs];

static_assert(std::is_trivially_copyable_v<FactsHeader>);
static_assert(DecimalSumView::kMaxLimbs >= FloatSumView::kMaxPartials);

std::size_t even(std::size_t n) {
    return n + n % 2;
}

bool is_kind(AmountKind kind) {
    return kind == AmountKind::kNumeric || kind == AmountKind::kFloat8;
}

const char* kind_name(AmountKind kind) {
    return kind == AmountKind::kNumeric ? "numeric" : "double precision";
}

// The parts of a sum that every access relies on.
bool is_sound(AmountKind kind, const SumMeta& meta) {
    if (kind == AmountKind::kFloat8)
        return meta.number.used <= meta.number.capacity && meta.number.used <= FloatSumView::kMaxPartials;
    return meta.decimal.used <= meta.decimal.capacity && meta.decimal.used != 1 &&
           meta.decimal.used <= DecimalSumView::kMaxLimbs && meta.decimal.groups <= Decimal::kMaxGroups &&
           meta.decimal.display_scale <= Decimal::kMaxDisplayScale;
}

// Limbs in an image come in at least two, those of the external form may be one.
std::size_t cells_in_image(AmountKind kind, std::size_t used) {
    return kind == AmountKind::kNumeric && used == 1 ? 2 : used;
}

[[noreturn]] void fail_not_finite(const char* value) {
    throw Error(Errc::kBadData, format("amount is not a finite number: %s", value));
}

void require_finite(const Decimal& amount) {
    switch (amount.kind) {
        case DecimalKind::kFinite:
            return;
        case DecimalKind::kNaN:
            fail_not_finite("NaN");
        case DecimalKind::kInfinity:
            fail_not_finite("Infinity");
        case DecimalKind::kMinusInfinity:
            fail_not_finite("-Infinity");
    }
}

void require_finite(double amount) {
    if (std::isfinite(amount)) [[likely]]
        return;
    fail_not_finite(std::isnan(amount) ? "NaN" : amount > 0 ? "Infinity" : "-Infinity");
}

void require_size(std::span<const std::byte> image, std::size_t size) {
    if (image.size() != size)
        throw std::logic_error("image of facts has another size than announced");
}

std::int64_t sum_of_counts(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum))
        throw Error(Errc::kOutOfRange, "count of rows is out of range for type bigint");
    return sum;
}

// Writes a header without touching the server's word.
void write_header(std::span<std::byte> image, const FactsHeader& header) {
    constexpr std::size_t kWord = sizeof header.server_word;
    std::memcpy(image.data() + kWord, reinterpret_cast<const std::byte*>(&header) + kWord,
                sizeof header - kWord);
}

// A sum's canonical parts, its cells in the scratch space.
SumMeta canonical_sum(const DecimalSumView& sum, std::uint64_t* scratch) {
    return {.decimal = sum.canonical({scratch, DecimalSumView::kMaxLimbs})};
}

SumMeta canonical_sum(const FloatSumView& sum, std::uint64_t* scratch) {
    return {.number = sum.canonical({scratch, DecimalSumView::kMaxLimbs})};
}

SumMeta canonical_revenue(const FactsView& facts, std::uint64_t* scratch) {
    return facts.kind() == AmountKind::kNumeric ? canonical_sum(facts.revenue_decimal(), scratch)
                                                : canonical_sum(facts.revenue_float(), scratch);
}

SumMeta canonical_refunds(const FactsView& facts, std::uint64_t* scratch) {
    return facts.kind() == AmountKind::kNumeric ? canonical_sum(facts.refunds_decimal(), scratch)
                                                : canonical_sum(facts.refunds_float(), scratch);
}

// Puts a canonical sum's cells into an image that has just enough room for them.
void place_cells(AmountKind kind, SumMeta& meta, const std::uint64_t* from, std::uint64_t* to) {
    const std::size_t used = meta.decimal.used;
    const std::size_t cells = cells_in_image(kind, used);
    if (used != 0)
        std::memcpy(to, from, used * sizeof *to);
    if (cells > used)
        to[used] = static_cast<std::int64_t>(from[0]) < 0 ? ~std::uint64_t{0} : 0;
    meta.decimal.used = static_cast<std::uint16_t>(cells);
    meta.decimal.capacity = static_cast<std::uint16_t>(cells);
}

void put_sum_meta(Writer& writer, AmountKind kind, const SumMeta& meta) {
    writer.put(meta.decimal.used);
    if (kind == AmountKind::kNumeric) {
        writer.put(meta.decimal.groups);
        writer.put(meta.decimal.display_scale);
    } else {
        writer.put(meta.number.carry);
    }
}

SumMeta get_sum_meta(Reader& reader, AmountKind kind) {
    SumMeta meta{.decimal = {}};
    const auto used = reader.get<std::uint16_t>();
    if (kind == AmountKind::kNumeric) {
        const auto groups = reader.get<std::uint16_t>();
        meta.decimal = {.used = used, .capacity = 0, .groups = groups, .display_scale = 0};
        meta.decimal.display_scale = reader.get<std::uint16_t>();
        reader.require(used <= DecimalSumView::kMaxLimbs, "number of limbs is out of range");
    } else {
        meta.number = {.used = used, .capacity = 0, .carry = reader.get<std::int32_t>()};
        reader.require(used <= FloatSumView::kMaxPartials, "number of partial sums is out of range");
    }
    return meta;
}

// The fixed part of the external form; its counts agree with each other and with the bytes that follow.
FactsHeader read_header(Reader& reader) {
    FactsHeader header{};
    header.magic = reader.get<std::uint8_t>();
    reader.require(header.magic == kMagic, "not a set of facts");
    header.version = reader.get<std::uint8_t>();
    reader.require(header.version == kVersion, "unknown version");
    header.kind = static_cast<AmountKind>(reader.get<std::uint8_t>());
    reader.require(is_kind(header.kind), "unknown kind of amount");
    reader.require(reader.get<std::uint8_t>() == 0, "reserved byte is not zero");
    header.first_at = reader.get<std::int64_t>();
    header.last_at = reader.get<std::int64_t>();
    header.orders = reader.get<std::int64_t>();
    header.skipped = reader.get<std::int64_t>();
    header.revenue = get_sum_meta(reader, header.kind);
    header.refunds = get_sum_meta(reader, header.kind);
    header.days_count = reader.get<std::uint32_t>();
    const std::uint64_t cells = std::uint64_t{header.revenue.decimal.used} + header.refunds.decimal.used;
    reader.require(reader.left() == cells * 8 + std::uint64_t{header.days_count} * 4, "wrong length");
    return header;
}

void check_counts(const Reader& reader, const FactsHeader& header) {
    reader.require(header.orders >= 0, "number of orders is negative");
    reader.require(header.skipped >= 0, "number of skipped rows is negative");
    reader.require(header.days_count <= static_cast<std::uint64_t>(header.orders), "more days than orders");
    reader.require((header.days_count == 0) == (header.orders == 0), "orders without days");
    reader.require(header.first_at <= header.last_at, "first time is after last time");
    reader.require(header.orders > 0 || (header.first_at == 0 && header.last_at == 0),
                   "times without orders");
}

// What the sums may be, given the orders they are sums over.
void check_sums(const Reader& reader, const FactsHeader& header, const DecimalSumView& revenue,
                const DecimalSumView& refunds) {
    reader.require(!refunds.negative(), "refunds are negative");
    reader.require(refunds.display_scale() <= revenue.display_scale(),
                   "refunds have a larger scale than revenue");
    reader.require(header.orders > 0 || (revenue.limbs().empty() && refunds.limbs().empty() &&
                                         revenue.display_scale() == 0 && refunds.display_scale() == 0),
                   "sums without orders");
}

void check_sums(const Reader& reader, const FactsHeader& header, const FloatSumView& revenue,
                const FloatSumView& refunds) {
    const auto leads_negative = [&] {  // the last partial has the sign of what the carry leaves
        return !refunds.partials().empty() && static_cast<std::int64_t>(refunds.partials().back()) < 0;
    };
    reader.require(refunds.carry() > 0 || (refunds.carry() == 0 && !leads_negative()),
                   "refunds are negative");
    const std::int64_t carry =
        std::max(std::abs(std::int64_t{revenue.carry()}), std::int64_t{refunds.carry()});
    reader.require(carry <= header.orders, "sums are larger than the orders allow");
    reader.require(header.orders > 0 || (revenue.partials().empty() && refunds.partials().empty()),
                   "sums without orders");
}

bool is_canonical(AmountKind kind, const SumMeta& meta, const std::uint64_t* cells) {
    return kind == AmountKind::kNumeric ? DecimalSumView::is_canonical(meta.decimal, cells)
                                        : FloatSumView::is_canonical(meta.number, cells);
}

// Reads a sum's cells from the external form and puts them into the image.
void read_sum(Reader& reader, AmountKind kind, SumMeta& meta, std::uint64_t* to) {
    Scratch scratch;
    reader.get_all<std::uint64_t>({scratch, meta.decimal.used});
    reader.require(is_canonical(kind, meta, scratch), "sum is not in canonical form");
    place_cells(kind, meta, scratch, to);
}

// 128 bytes of either kind. Prices make two or three partials, and adding one needs another for a moment.
ImageLayout initial_layout(AmountKind kind) {
    return kind == AmountKind::kNumeric ? ImageLayout{.revenue_cells = 2, .refund_cells = 2, .days = 8}
                                        : ImageLayout{.revenue_cells = 4, .refund_cells = 2, .days = 4};
}

ImageLayout decoded_layout(const FactsHeader& header) {
    return {.revenue_cells = cells_in_image(header.kind, header.revenue.decimal.used),
            .refund_cells = cells_in_image(header.kind, header.refunds.decimal.used),
            .days = even(header.days_count)};
}

}  // namespace

std::size_t ImageLayout::size() const {
    // Cells are at most 2^17 and days at most 2^33, so nothing wraps.
    const std::size_t bytes = sizeof(FactsHeader) + (revenue_cells + refund_cells) * sizeof(std::uint64_t) +
                              days * sizeof(std::int32_t);
    if (bytes > kMaxImageBytes)
        throw Error(Errc::kTooBig, format("facts of one group need %zu bytes, more than the limit of %zu",
                                          bytes, kMaxImageBytes));
    return bytes;
}

// ---- reading

FactsView::FactsView(std::span<const std::byte> image) : image_(image) {
    const auto fail = [] { throw Error(Errc::kCorrupted, "stored facts are corrupted"); };
    if (image.size() < sizeof(FactsHeader))
        fail();
    const FactsHeader& head = header();
    if (head.magic != kMagic || head.version != kVersion || !is_kind(head.kind) || head.zero != 0 ||
        !is_sound(head.kind, head.revenue) || !is_sound(head.kind, head.refunds) ||
        head.days_count > head.days_capacity || (head.days_count == 0) != (head.orders == 0))
        fail();
    const std::size_t cells = std::size_t{head.revenue.decimal.capacity} + head.refunds.decimal.capacity;
    if (image.size() - sizeof head != cells * 8 + std::size_t{head.days_capacity} * 4)
        fail();
}

Facts FactsView::facts() const {
    const FactsHeader& head = header();
    const std::span<const std::int32_t> all = days();
    return {.first_at = head.first_at,
            .last_at = head.last_at,
            .orders = head.orders,
            .days = head.days_count,
            .skipped = head.skipped,
            .first_day = all.empty() ? 0 : all.front(),
            .last_day = all.empty() ? 0 : all.back(),
            .previous_day = all.size() < 2 ? 0 : all[all.size() - 2]};
}

std::span<const std::int32_t> FactsView::days() const {
    return {first_day_slot(), header().days_count};
}

ImageLayout FactsView::layout() const {
    const FactsHeader& head = header();
    return {.revenue_cells = head.revenue.decimal.capacity,
            .refund_cells = head.refunds.decimal.capacity,
            .days = head.days_capacity};
}

std::size_t FactsView::encoded_size() const {
    Scratch scratch;
    const std::size_t revenue_cells = canonical_revenue(*this, scratch).decimal.used;
    const std::size_t refund_cells = canonical_refunds(*this, scratch).decimal.used;
    return kEncodedHeader + (revenue_cells + refund_cells) * 8 + days().size_bytes();
}

void FactsView::encode(Writer& writer) const {
    const FactsHeader& head = header();
    Scratch revenue;
    Scratch refunds;
    const SumMeta revenue_meta = canonical_revenue(*this, revenue);
    const SumMeta refunds_meta = canonical_refunds(*this, refunds);
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(head.kind));
    writer.put(std::uint8_t{0});
    writer.put(head.first_at);
    writer.put(head.last_at);
    writer.put(head.orders);
    writer.put(head.skipped);
    put_sum_meta(writer, head.kind, revenue_meta);
    put_sum_meta(writer, head.kind, refunds_meta);
    writer.put(head.days_count);
    writer.put_all<std::uint64_t>({revenue, revenue_meta.decimal.used});
    writer.put_all<std::uint64_t>({refunds, refunds_meta.decimal.used});
    writer.put_all(days());
}

ImageLayout FactsView::compact_layout() const {
    Scratch scratch;
    const AmountKind amounts = kind();
    return {.revenue_cells = cells_in_image(amounts, canonical_revenue(*this, scratch).decimal.used),
            .refund_cells = cells_in_image(amounts, canonical_refunds(*this, scratch).decimal.used),
            .days = even(days().size())};
}

std::size_t FactsView::compact_size() const {
    return compact_layout().size();
}

void FactsView::compact_into(std::span<std::byte> out) const {
    Scratch revenue;
    Scratch refunds;
    FactsHeader head = header();
    head.revenue = canonical_revenue(*this, revenue);
    head.refunds = canonical_refunds(*this, refunds);
    head.days_capacity = static_cast<std::uint32_t>(even(head.days_count));
    const std::size_t refunds_at = cells_in_image(head.kind, head.revenue.decimal.used);
    const std::size_t days_at = refunds_at + cells_in_image(head.kind, head.refunds.decimal.used);
    require_size(out, sizeof head + days_at * 8 + std::size_t{head.days_capacity} * 4);
    auto* cells = reinterpret_cast<std::uint64_t*>(out.data() + sizeof head);
    place_cells(head.kind, head.revenue, revenue, cells);
    place_cells(head.kind, head.refunds, refunds, cells + refunds_at);
    auto* slots = reinterpret_cast<std::int32_t*>(cells + days_at);
    std::int32_t* const end = std::copy(days().begin(), days().end(), slots);
    std::fill(end, slots + head.days_capacity, 0);
    write_header(out, head);
}

std::size_t FactsView::decoded_image_size(Reader reader) {
    return decoded_layout(read_header(reader)).size();
}

void FactsView::decode_into(Reader& reader, std::span<std::byte> image) {
    FactsHeader head = read_header(reader);
    check_counts(reader, head);
    const ImageLayout layout = decoded_layout(head);
    require_size(image, layout.size());
    auto* cells = reinterpret_cast<std::uint64_t*>(image.data() + sizeof head);
    read_sum(reader, head.kind, head.revenue, cells);
    read_sum(reader, head.kind, head.refunds, cells + layout.revenue_cells);
    auto* slots = reinterpret_cast<std::int32_t*>(cells + layout.revenue_cells + layout.refund_cells);
    head.days_capacity = static_cast<std::uint32_t>(layout.days);
    std::fill(slots + head.days_count, slots + head.days_capacity, 0);
    const std::span<std::int32_t> days(slots, head.days_count);
    reader.get_all(days);
    reader.require(std::adjacent_find(days.begin(), days.end(), std::greater_equal<>()) == days.end(),
                   "days are not in ascending order");
    reader.expect_end();
    write_header(image, head);
    const FactsView read(image);
    if (head.kind == AmountKind::kNumeric)
        check_sums(reader, head, read.revenue_decimal(), read.refunds_decimal());
    else
        check_sums(reader, head, read.revenue_float(), read.refunds_float());
}

// ---- adding

std::size_t FactsState::initial_size(AmountKind kind) {
    return initial_layout(kind).size();
}

void FactsState::initialise(std::span<std::byte> image, AmountKind kind) {
    const ImageLayout layout = initial_layout(kind);
    require_size(image, layout.size());
    FactsHeader header{};
    header.magic = kMagic;
    header.version = kVersion;
    header.kind = kind;
    header.revenue.decimal.capacity = static_cast<std::uint16_t>(layout.revenue_cells);
    header.refunds.decimal.capacity = static_cast<std::uint16_t>(layout.refund_cells);
    if (kind == AmountKind::kNumeric)  // two limbs of zero, ready for the fast road
        header.revenue.decimal.used = header.refunds.decimal.used = 2;
    header.days_capacity = static_cast<std::uint32_t>(layout.days);
    write_header(image, header);
    std::fill(image.begin() + sizeof header, image.end(), std::byte{0});
}

FactsState::FactsState(std::span<std::byte> image) : image_(image), view_(image) {}

void FactsState::require_kind(AmountKind kind) const {
    if (header().kind != kind)
        throw Error(Errc::kInvalidArgument, format("cannot add %s amounts to facts of %s amounts",
                                                   kind_name(kind), kind_name(header().kind)));
}

template <>
DecimalSum FactsState::revenue<DecimalSum>() const {
    return {header().revenue.decimal, revenue_cells()};
}
template <>
DecimalSum FactsState::refunds<DecimalSum>() const {
    return {header().refunds.decimal, refund_cells()};
}
template <>
FloatSum FactsState::revenue<FloatSum>() const {
    return {header().revenue.number, revenue_cells()};
}
template <>
FloatSum FactsState::refunds<FloatSum>() const {
    return {header().refunds.number, refund_cells()};
}

template <typename Sum, typename Term>
bool FactsState::reserve_refunds(const Term& term) {
    Sum sum = refunds<Sum>();
    if (sum.reserve(term))
        return true;
    wanted_.refund_cells = sum.cells_needed();
    return false;
}

template <typename Sum, typename Operation>
bool FactsState::change_revenue(const Operation& operation) {
    Sum sum = revenue<Sum>();
    if (operation(sum))
        return true;
    wanted_.revenue_cells = sum.cells_needed();
    return false;
}

namespace {

// Refunds count the other way round.
void subtract(DecimalSum& sum, const Decimal& amount) {
    sum.add(amount, true);
}
void subtract(FloatSum& sum, double amount) {
    sum.add(-amount);
}
const Decimal& opposite(const Decimal& amount) {
    return amount;  // the room it takes is the same
}
double opposite(double amount) {
    return -amount;
}

}  // namespace

template <typename Sum, typename Amount>
bool FactsState::add_row(std::int64_t at, std::int32_t day, const Amount& amount, bool negative) {
    FactsHeader& head = header();
    const std::int64_t orders = sum_of_counts(head.orders, 1);
    const DayPlace place = find_day(day);
    if (!place.known && head.days_count == head.days_capacity) [[unlikely]] {
        wanted_.days = std::size_t{head.days_count} + 1;
        return false;
    }
    // Whatever can fail comes first, so that it leaves the facts alone.
    if (negative && !reserve_refunds<Sum>(opposite(amount)))
        return false;
    if (!change_revenue<Sum>([&](Sum& sum) { return sum.add(amount); }))
        return false;
    if (negative) {
        Sum sum = refunds<Sum>();
        subtract(sum, amount);
    }
    extend_times(at, at);
    if (!place.known)
        insert_day(place, day);
    head.orders = orders;
    return true;
}

bool FactsState::add(std::int64_t at, std::int32_t day, const Decimal& amount) {
    require_kind(AmountKind::kNumeric);
    require_finite(amount);
    return add_row<DecimalSum>(at, day, amount, amount.negative);
}

bool FactsState::add(std::int64_t at, std::int32_t day, double amount) {
    require_kind(AmountKind::kFloat8);
    require_finite(amount);
    return add_row<FloatSum>(at, day, amount, amount < 0.0);
}

void FactsState::skip() {
    header().skipped = sum_of_counts(header().skipped, 1);
}

// Times of more orders; call it before counting them.
void FactsState::extend_times(std::int64_t first_at, std::int64_t last_at) {
    FactsHeader& head = header();
    head.first_at = head.orders == 0 ? first_at : std::min(head.first_at, first_at);
    head.last_at = head.orders == 0 ? last_at : std::max(head.last_at, last_at);
}

FactsState::DayPlace FactsState::find_day(std::int32_t day) const {
    const std::size_t count = header().days_count;
    const std::int32_t* const slots = day_slots();
    if (count == 0 || slots[count - 1] < day)
        return {.index = count, .known = false};
    if (slots[count - 1] == day)
        return {.index = count - 1, .known = true};
    const std::int32_t* const place = std::lower_bound(slots, slots + count, day);
    return {.index = static_cast<std::size_t>(place - slots), .known = *place == day};
}

void FactsState::insert_day(DayPlace place, std::int32_t day) {
    std::int32_t* const slots = day_slots();
    std::size_t count = header().days_count;
    std::copy_backward(slots + place.index, slots + count, slots + count + 1);
    slots[place.index] = day;
    header().days_count = static_cast<std::uint32_t>(++count);
}

// ---- merging

template <typename Sum, typename SumView>
bool FactsState::merge_sums(const SumView& other_revenue, const SumView& other_refunds) {
    if (!reserve_refunds<Sum>(other_refunds))
        return false;
    if (!change_revenue<Sum>([&](Sum& sum) { return sum.merge(other_revenue); }))
        return false;
    refunds<Sum>().merge(other_refunds);
    return true;
}

bool FactsState::merge(const FactsView& other) {
    require_kind(other.kind());
    FactsHeader& head = header();
    const FactsHeader& others = other.header();  // which may be this one's
    const std::int64_t orders = sum_of_counts(head.orders, others.orders);
    const std::int64_t skipped = sum_of_counts(head.skipped, others.skipped);
    const std::size_t days = merged_days(other.days());
    if (days > head.days_capacity) {
        wanted_.days = days;
        return false;
    }
    const bool merged = others.kind == AmountKind::kNumeric
                            ? merge_sums<DecimalSum>(other.revenue_decimal(), other.refunds_decimal())
                            : merge_sums<FloatSum>(other.revenue_float(), other.refunds_float());
    if (!merged)
        return false;
    if (others.orders != 0)
        extend_times(others.first_at, others.last_at);
    merge_days(other.days(), days);
    head.orders = orders;
    head.skipped = skipped;
    return true;
}

// How many distinct days this image and the others have together.
std::size_t FactsState::merged_days(std::span<const std::int32_t> others) const {
    const std::span<const std::int32_t> own = view_.days();
    if (own.empty() || others.empty() || own.back() < others.front())
        return own.size() + others.size();
    std::size_t total = own.size();
    std::size_t i = 0;
    for (const std::int32_t day : others) {
        while (i < own.size() && own[i] < day)
            ++i;
        total += i == own.size() || own[i] != day ? 1 : 0;
    }
    return total;
}

// Merges from the end, where the room is. Every day of this image moves up or stays, so none is overwritten
// before it is read.
void FactsState::merge_days(std::span<const std::int32_t> others, std::size_t total) {
    std::int32_t* const slots = day_slots();
    std::size_t own = header().days_count;
    std::size_t left = others.size();
    for (std::size_t at = total; left > 0;) {
        const std::int32_t day = others[left - 1];
        if (own > 0 && slots[own - 1] >= day) {
            left -= slots[own - 1] == day ? 1 : 0;
            slots[--at] = slots[--own];
        } else {
            slots[--at] = day;
            --left;
        }
    }
    header().days_count = static_cast<std::uint32_t>(total);
}

// ---- growing

ImageLayout FactsState::grown_layout() const {
    ImageLayout layout = view_.layout();
    const auto grow = [](std::size_t& room, std::size_t wanted, std::size_t limit) {
        if (wanted > room)
            room = std::min(std::max(wanted, 2 * room), std::max(wanted, limit));
    };
    const std::size_t most_cells =
        view_.kind() == AmountKind::kNumeric ? DecimalSumView::kMaxLimbs : FloatSumView::kMaxPartials;
    grow(layout.revenue_cells, wanted_.revenue_cells, most_cells);
    grow(layout.refund_cells, wanted_.refund_cells, most_cells);
    // Doubling stops at the largest image, the days that are needed do not: size() refuses those.
    const std::size_t cell_bytes = (layout.revenue_cells + layout.refund_cells) * sizeof(std::uint64_t);
    const std::size_t most_days = (kMaxImageBytes - sizeof(FactsHeader) - cell_bytes) / sizeof(std::int32_t);
    grow(layout.days, wanted_.days, most_days);
    layout.days = even(layout.days);
    return layout;
}

void FactsState::relocate(std::span<std::byte> new_image) {
    const ImageLayout layout = grown_layout();
    require_size(new_image, layout.size());
    FactsHeader head = header();
    const std::span<const std::uint64_t> revenue(revenue_cells(), head.revenue.decimal.used);
    const std::span<const std::uint64_t> refunds(refund_cells(), head.refunds.decimal.used);
    const std::span<const std::int32_t> days = view_.days();
    head.revenue.decimal.capacity = static_cast<std::uint16_t>(layout.revenue_cells);
    head.refunds.decimal.capacity = static_cast<std::uint16_t>(layout.refund_cells);
    head.days_capacity = static_cast<std::uint32_t>(layout.days);
    std::fill(new_image.begin() + sizeof head, new_image.end(), std::byte{0});  // no stale bytes in the slack
    auto* const cells = reinterpret_cast<std::uint64_t*>(new_image.data() + sizeof head);
    std::copy(revenue.begin(), revenue.end(), cells);
    std::copy(refunds.begin(), refunds.end(), cells + layout.revenue_cells);
    std::copy(days.begin(), days.end(),
              reinterpret_cast<std::int32_t*>(cells + layout.revenue_cells + layout.refund_cells));
    write_header(new_image, head);
    image_ = new_image;
    view_ = FactsView(new_image);
    wanted_ = {};
}

}  // namespace seg::core::rfm
