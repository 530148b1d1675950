#include "core/rfm/customer_table.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "core/base/random.hpp"

namespace seg::core::rfm {
namespace {

constexpr int kMinIndexBits = 10;

// How many slots of the index may be taken: many, because tags tell most customers apart without a look at
// their entries, and a dense index stays in the cache.
constexpr std::uint64_t usable(int bits) {
    return (std::uint64_t{1} << bits) / 8 * 7;
}

std::uint64_t hash_key(std::int64_t key) {
    return mix64(static_cast<std::uint64_t>(key));
}

std::uint64_t hash_key(std::span<const std::byte> key) {
    std::uint64_t hash = key.size();
    while (key.size() >= 8) {
        std::uint64_t word;
        std::memcpy(&word, key.data(), 8);
        hash = mix64(hash ^ word);
        key = key.subspan(8);
    }
    std::uint64_t rest = 0;
    if (!key.empty())
        std::memcpy(&rest, key.data(), key.size());
    return mix64(hash ^ rest);
}

std::uint8_t shown_digits(const Decimal& amount) {
    return static_cast<std::uint8_t>(std::min(amount.display_scale, 255));
}

std::uint8_t shown_digits(double) {
    return 0;
}

[[noreturn]] void throw_too_many_digits() {
    throw Error(Errc::kOutOfRange, "amounts have too many digits for their maximum",
                "Together, digits before and after the decimal point must not be more than 36, and those "
                "after it not "
                "more than 20.",
                "Round the amounts.");
}

bool fits_int64(Int128 value) {
    return value == static_cast<std::int64_t>(value);
}

}  // namespace

CustomerTable::CustomerTable(MemoryResource* memory, const TableOptions& options, std::uint64_t budget)
    : memory_(memory),
      options_(options),
      budget_(budget),
      layout_(options.count_days,
              options.amounts == AmountKind::kFloat8 && options.monetary == Monetary::kSum),
      chunks_(memory),
      index_(memory),
      blocks_(memory),
      keys_(memory),
      far_days_(memory),
      large_sums_(Allocator<std::pair<const std::uint32_t, LargeSum>>(memory)),
      batches_{Batch(memory), Batch(memory)} {}

CustomerTable::~CustomerTable() {
    for (std::byte* chunk : chunks_)
        memory_->deallocate(chunk, kChunkEntries * layout_.stride);
}

std::uint64_t CustomerTable::memory_used() const {
    return chunks_.size() * kChunkEntries * layout_.stride + index_.capacity() * sizeof(std::uint32_t) +
           blocks_.memory_used() + keys_.memory_used() + far_days_.capacity() * sizeof(FarDay) + large_bytes_;
}

// ---- rows

void CustomerTable::require_finite(const Decimal& amount) {
    if (amount.kind != DecimalKind::kFinite)
        throw Error(Errc::kBadData, format("amount is not finite: %s",
                                           amount.kind == DecimalKind::kNaN        ? "NaN"
                                           : amount.kind == DecimalKind::kInfinity ? "Infinity"
                                                                                   : "-Infinity"));
}

void CustomerTable::require_finite(double amount) {
    if (!std::isfinite(amount))
        throw Error(Errc::kBadData, format("amount is not finite: %s", nonfinite_name(amount)));
}

bool CustomerTable::convert(const Decimal& amount, Int128& fixed, Interrupt& interrupt) {
    const int groups = fraction_groups(amount);
    if (groups > groups_) {
        if (groups > kMaxUnitGroups)
            return false;
        raise_groups(groups, interrupt);
    }
    const std::optional<Int128> value = fixed_from(amount, groups_);
    fixed = value.value_or(0);
    return value.has_value();
}

bool CustomerTable::convert(double amount, Int128& fixed, Interrupt&) {
    if (options_.monetary == Monetary::kMax) {
        fixed = ordered_bits(amount);
        return true;
    }
    const std::optional<Int128> value = fixed_from(amount);
    fixed = value.value_or(0);
    return value.has_value();
}

CustomerTable::Pending& CustomerTable::next_pending(std::uint64_t hash, Interrupt& interrupt) {
    if (arriving().count == kBatch)
        advance(interrupt);
    if (!index_.empty())
        __builtin_prefetch(&index_[home(hash)]);
    Pending& row = arriving().rows[arriving().count++];
    row.hash = hash;
    return row;
}

CustomerTable::Pending* CustomerTable::pending_for(std::int64_t key, Interrupt& interrupt) {
    const std::uint64_t hash = hash_key(key);
    if (!is_ours(hash))
        return nullptr;
    Pending& row = next_pending(hash, interrupt);
    row.key = key;
    return &row;
}

CustomerTable::Pending* CustomerTable::pending_for(std::span<const std::byte> key, Interrupt& interrupt) {
    const std::uint64_t hash = hash_key(key);
    if (!is_ours(hash))
        return nullptr;
    Pending& row = next_pending(hash, interrupt);
    Vector<std::byte>& bytes = arriving().key_bytes;
    row.key = static_cast<std::int64_t>(bytes.size());
    row.length = static_cast<std::uint32_t>(key.size());
    bytes.insert(bytes.end(), key.begin(), key.end());
    return &row;
}

template <typename Key, typename Amount>
void CustomerTable::add(const Key& key, std::int32_t days_ago, const Amount& amount, Interrupt& interrupt) {
    require_finite(amount);
    Int128 fixed = 0;
    const bool fits = convert(amount, fixed, interrupt);
    Pending* row = pending_for(key, interrupt);
    if (row == nullptr)
        return;
    row->days_ago = days_ago;
    row->display_scale = shown_digits(amount);
    row->amount = fixed;
    if (!fits)
        add_large(amount, interrupt);
}

template void CustomerTable::add(const std::int64_t&, std::int32_t, const Decimal&, Interrupt&);
template void CustomerTable::add(const std::int64_t&, std::int32_t, const double&, Interrupt&);
template void CustomerTable::add(const std::span<const std::byte>&, std::int32_t, const Decimal&, Interrupt&);
template void CustomerTable::add(const std::span<const std::byte>&, std::int32_t, const double&, Interrupt&);

template <typename Key>
void CustomerTable::add_customer(const Key& key, Interrupt& interrupt) {
    if (Pending* row = pending_for(key, interrupt)) {
        row->days_ago = kNoOrder;
        row->display_scale = 0;
        row->amount = 0;
    }
}

template void CustomerTable::add_customer(const std::int64_t&, Interrupt&);
template void CustomerTable::add_customer(const std::span<const std::byte>&, Interrupt&);

// The row that was put last waits with an amount of nothing; its real one goes into a sum of its own.
template <typename Amount>
void CustomerTable::add_large(const Amount& amount, Interrupt& interrupt) {
    if (options_.monetary == Monetary::kMax)
        throw_too_many_digits();
    const Pending& row = arriving().rows[arriving().count - 1];
    settle(interrupt);
    if (row.number != kEmpty)
        change_large_sum(row.number, [&](LargeSum& sum) { sum.add(amount); });
}

template <typename Operation>
void CustomerTable::change_large_sum(std::uint32_t number, const Operation& operation) {
    const auto [found, added] = large_sums_.try_emplace(number, memory_, options_.amounts);
    entry(number).flags() |= EntryView::kHasLargeSum;
    if (added)
        large_bytes_ += kLargeSumNode;
    LargeSum& sum = found->second;
    const std::uint64_t before = sum.memory_used();
    operation(sum);
    large_bytes_ += sum.memory_used() - before;
    largest_sum_ = std::max<std::uint64_t>(largest_sum_, sum.memory_used());
}

// Adds the external form of a large sum.
void CustomerTable::add_encoded(std::uint32_t number, Reader large_sum) {
    change_large_sum(number, [&](LargeSum& sum) { sum.merge_encoded(large_sum); });
}

// ---- finding customers

std::uint64_t CustomerTable::hash_of(const EntryView& entry) const {
    return options_.keys == KeyKind::kInteger ? hash_key(entry.key())
                                              : hash_key(KeyBytes::bytes(entry.key()));
}

bool CustomerTable::same_key(const EntryView& entry, const Batch& batch, const Pending& row) const {
    if (options_.keys == KeyKind::kInteger)
        return entry.key() == row.key;
    const std::span<const std::byte> ours = KeyBytes::bytes(entry.key());
    const std::span<const std::byte> theirs = batch.key_of(row);
    return ours.size() == theirs.size() && std::memcmp(ours.data(), theirs.data(), ours.size()) == 0;
}

// The batch that has arrived is looked up; the one that was looked up before has its entries in the cache.
void CustomerTable::advance(Interrupt& interrupt) {
    work_off(looked_up(), interrupt);
    look_up(arriving());
    arriving_ = 1 - arriving_;
}

void CustomerTable::settle(Interrupt& interrupt) {
    work_off(looked_up(), interrupt);
    look_up(arriving());
    work_off(arriving(), interrupt);
}

void CustomerTable::look_up(Batch& batch) {
    for (Pending& row : batch.waiting())
        row.number = index_.empty() ? kEmpty : likely_customer(row.hash);
}

void CustomerTable::work_off(Batch& batch, Interrupt& interrupt) {
    if (batch.count == 0)
        return;
    prepare_batch(interrupt);
    if (options_.count_days)
        for (const Pending& row : batch.waiting())
            if (row.number != kEmpty && entry(row.number).has(EntryView::kDaysInBlock))
                __builtin_prefetch(entry(row.number).block(), 1);
    for (Pending& row : batch.waiting()) {
        row.number = is_ours(row.hash) ? find_or_insert(batch, row) : kEmpty;
        if (row.number != kEmpty && row.days_ago != kNoOrder)
            apply(row, interrupt);
    }
    batch.count = 0;
    batch.key_bytes.clear();
}

// The first customer with the hash's tag, whose entry is on its way to the cache.
std::uint32_t CustomerTable::likely_customer(std::uint64_t hash) const {
    const std::uint32_t mask = number_mask();
    const std::uint32_t tag = slot_of(hash, 0);
    const std::uint64_t last = index_.size() - 1;
    for (std::uint64_t slot = home(hash); index_[slot] != kEmpty; slot = (slot + 1) & last)
        if ((index_[slot] & ~mask) == tag) {
            const std::byte* at = entry(index_[slot] & mask).address();
            __builtin_prefetch(at, 1);
            __builtin_prefetch(at + layout_.stride - 1, 1);
            return index_[slot] & mask;
        }
    return kEmpty;
}

std::uint32_t CustomerTable::find_or_insert(const Batch& batch, const Pending& row) {
    if (row.number != kEmpty && same_key(entry(row.number), batch, row))
        return row.number;
    const std::uint32_t mask = number_mask();
    const std::uint32_t tag = slot_of(row.hash, 0);
    const std::uint64_t last = index_.size() - 1;
    std::uint64_t slot = home(row.hash);
    for (; index_[slot] != kEmpty; slot = (slot + 1) & last)
        if ((index_[slot] & ~mask) == tag && same_key(entry(index_[slot] & mask), batch, row))
            return index_[slot] & mask;
    return insert(batch, row, slot);
}

std::uint32_t CustomerTable::insert(const Batch& batch, const Pending& row, std::uint64_t slot) {
    const std::int64_t key = options_.keys == KeyKind::kInteger ? row.key : keys_.keep(batch.key_of(row));
    if (size_ == chunks_.size() * kChunkEntries) {
        chunks_.reserve(chunks_.size() + 1);
        chunks_.push_back(static_cast<std::byte*>(memory_->allocate(kChunkEntries * layout_.stride)));
    }
    const auto number = static_cast<std::uint32_t>(size_++);
    const EntryView added = entry(number);
    std::memset(added.address(), 0, layout_.stride);
    added.key() = key;
    index_[slot] = slot_of(row.hash, number);
    return number;
}

// ---- what a row does to its customer

void CustomerTable::apply(const Pending& row, Interrupt& interrupt) {
    add_orders(row.number, 1, row.days_ago, row.amount, row.display_scale, interrupt);
    if (options_.count_days)
        add_day(row.number, row.days_ago);
}

void CustomerTable::add_orders(std::uint32_t number, std::uint32_t orders, std::int32_t days_ago,
                               Int128 amount, std::uint8_t display_scale, Interrupt& interrupt) {
    if (options_.monetary == Monetary::kSum)
        add_fixed(number, amount, interrupt);
    else
        raise_maximum(number, amount, interrupt);
    const EntryView found = entry(number);
    found.recency_days() = found.orders() == 0 ? days_ago : std::min(found.recency_days(), days_ago);
    // Written only when it changes: a store here would hold up the read of the days beside it.
    if (display_scale > found.display_scale())
        found.display_scale() = display_scale;
    if (__builtin_add_overflow(found.orders(), orders, &found.orders()))
        throw Error(Errc::kOutOfRange, "a customer has more than 4294967295 orders");
}

void CustomerTable::add_fixed(std::uint32_t number, Int128 amount, Interrupt& interrupt) {
    EntryView found = entry(number);
    if (!layout_.wide) {
        std::int64_t sum = 0;
        if (fits_int64(amount) &&
            !__builtin_add_overflow(found.low(), static_cast<std::int64_t>(amount), &sum)) {
            found.low() = sum;
            return;
        }
        widen(interrupt);
        found = entry(number);
    }
    Int128 sum = 0;
    if (!__builtin_add_overflow(found.sum(), amount, &sum)) {
        found.set_sum(sum);
        return;
    }
    add_beyond_unit(number, amount, groups_);
}

// Maxima have one limit, whichever unit the table has when they come.
void CustomerTable::require_comparable(const std::optional<Int128>& amount) const {
    if (options_.monetary == Monetary::kMax && !(amount && is_below_limit(*amount)))
        throw_too_many_digits();
}

// A fixed amount, in a unit of so many groups, goes to the customer's sum of any size.
void CustomerTable::add_beyond_unit(std::uint32_t number, Int128 amount, int groups) {
    if (options_.monetary == Monetary::kMax)
        throw_too_many_digits();
    change_large_sum(number, [&](LargeSum& sum) {
        if (options_.amounts == AmountKind::kNumeric)
            sum.add(FixedDecimal(amount, groups, entry(number).display_scale()).decimal());
        else
            sum.add_fixed(amount);
    });
}

void CustomerTable::raise_maximum(std::uint32_t number, Int128 amount, Interrupt& interrupt) {
    if (!layout_.wide && !fits_int64(amount))
        widen(interrupt);
    const EntryView found = entry(number);
    if (found.orders() == 0 || amount > found.sum())
        found.set_sum(amount);
}

void CustomerTable::add_day(std::uint32_t number, std::int32_t days_ago) {
    const EntryView found = entry(number);
    if (days_ago <= kMaxCodedDaysAgo) {
        blocks_.add(found, static_cast<DayCode>(days_ago + 1));
        return;
    }
    found.flags() |= EntryView::kHasFarDays;
    if (far_days_.size() == far_days_.capacity() && far_days_.size() >= 2 * far_days_settled_)
        settle_far_days();
    far_days_.push_back({number, days_ago});
}

void CustomerTable::settle_far_days() {
    std::sort(far_days_.begin(), far_days_.end());
    far_days_.erase(std::unique(far_days_.begin(), far_days_.end()), far_days_.end());
    far_days_settled_ = far_days_.size();
}

// ---- room

// Everything that a batch may need is made before it, so that numbers and slots hold while it is worked off.
void CustomerTable::prepare_batch(Interrupt& interrupt) {
    while (memory_used() + headroom_wanted() > budget_)
        split(interrupt);
    if (size_ + kBatch > usable(index_bits_) || index_.empty())
        rebuild_index(index_bits_wanted(), interrupt);
}

int CustomerTable::index_bits_wanted() const {
    int bits = kMinIndexBits;
    while (size_ + kBatch > usable(bits))
        ++bits;
    return bits;
}

std::uint64_t CustomerTable::headroom_wanted() const {
    std::uint64_t bytes = 0;
    if (size_ + kBatch > chunks_.size() * kChunkEntries)
        bytes += kChunkEntries * layout_.stride;
    const std::uint64_t index_bytes = (std::uint64_t{1} << index_bits_wanted()) * sizeof(std::uint32_t);
    if (index_bytes > index_.size() * sizeof(std::uint32_t))
        bytes += index_bytes - index_.size() * sizeof(std::uint32_t);
    if (options_.count_days)
        bytes += DayBlocks::kChunkBytes;
    if (!large_sums_.empty())
        bytes += kBatch * (kLargeSumNode + 2 * largest_sum_);
    if (!far_days_.empty())
        bytes += far_days_.capacity() * sizeof(FarDay);
    if (options_.keys != KeyKind::kInteger)
        bytes += KeyBytes::kChunkBytes + batches_[0].key_bytes.size() + batches_[1].key_bytes.size();
    return bytes;
}

void CustomerTable::rebuild_index(int bits, Interrupt& interrupt) {
    if (bits > kMaxIndexBits)
        throw Error(Errc::kTooBig, "too many customers for one table");
    WorkMeter meter(interrupt);
    Vector<std::uint32_t>(memory_).swap(index_);
    index_.resize(std::size_t{1} << bits, kEmpty);
    index_bits_ = bits;
    const std::uint64_t last = index_.size() - 1;
    std::array<std::uint64_t, kBatch> hashes;
    for (std::uint64_t first = 0; first < size_; first += kBatch) {
        const std::uint64_t count = std::min(size_ - first, kBatch);
        for (std::uint64_t i = 0; i < count; ++i) {
            hashes[i] = hash_of(entry(first + i));
            __builtin_prefetch(&index_[home(hashes[i])], 1);
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            std::uint64_t slot = home(hashes[i]);
            while (index_[slot] != kEmpty)
                slot = (slot + 1) & last;
            index_[slot] = slot_of(hashes[i], first + i);
        }
        meter.done(count);
    }
}

// Entries get room for sums of 128 bits, chunk by chunk.
void CustomerTable::widen(Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    const EntryLayout wide(layout_.days, true);
    // All or nothing: a cancel in the middle must not leave two layouts.
    Vector<std::byte*> grown(memory_);
    grown.reserve(chunks_.capacity());
    try {
        for (std::size_t i = 0; i < chunks_.size(); ++i) {
            grown.push_back(static_cast<std::byte*>(memory_->allocate(kChunkEntries * wide.stride)));
            const std::uint64_t used = std::min(size_ - i * kChunkEntries, kChunkEntries);
            for (std::uint64_t j = 0; j < used; ++j) {
                const EntryView to(grown[i] + j * wide.stride, wide);
                const EntryView from(chunks_[i] + j * layout_.stride, layout_);
                std::memcpy(to.address(), from.address(), layout_.stride);
                to.set_sum(from.sum());
            }
            meter.done(used);
        }
    } catch (...) {
        for (std::byte* chunk : grown)
            memory_->deallocate(chunk, kChunkEntries * wide.stride);
        throw;
    }
    for (std::byte* chunk : chunks_)
        memory_->deallocate(chunk, kChunkEntries * layout_.stride);
    chunks_.swap(grown);
    layout_ = wide;
}

// A smaller unit: every sum grows by powers of 10000.
void CustomerTable::raise_groups(int groups, Interrupt& interrupt) {
    settle(interrupt);
    const int steps = groups - groups_;
    for (std::uint64_t number = 0; number < size_ && !layout_.wide; ++number) {
        const std::optional<Int128> scaled = scaled_up(entry(number).sum(), steps);
        if (!scaled || !fits_int64(*scaled))
            widen(interrupt);
    }
    for (std::uint64_t number = 0; number < size_; ++number) {
        const EntryView found = entry(number);
        const std::optional<Int128> scaled = scaled_up(found.sum(), steps);
        require_comparable(scaled);
        if (scaled) {
            found.set_sum(*scaled);
            continue;
        }
        add_beyond_unit(static_cast<std::uint32_t>(number), found.sum(), groups_);
        found.set_sum(0);
    }
    groups_ = groups;
}

// Moves entries together and takes along what hangs on their numbers.
class CustomerTable::Survivors {
  public:
    explicit Survivors(CustomerTable& table)
        : table_(table),
          keys_(table.memory_),
          blocks_(table.memory_),
          far_days_(table.memory_),
          sums_(table.large_sums_.get_allocator()) {}

    void keep(std::uint32_t number) {
        const EntryView from = table_.entry(number);
        const EntryView to = table_.entry(kept_);
        if (from.has(EntryView::kHasLargeSum)) {
            auto node = table_.large_sums_.extract(number);
            node.key() = kept_;
            large_bytes_ += kLargeSumNode + node.mapped().memory_used();
            sums_.insert(sums_.end(), std::move(node));
        }
        if (table_.options_.keys != KeyKind::kInteger)
            from.key() = keys_.keep(KeyBytes::bytes(from.key()));
        if (from.has(EntryView::kDaysInBlock))
            from.block() = blocks_.copy(from.block(), from.block_class());
        for (; has_far_day(number); ++next_far_day_)
            far_days_.push_back({kept_, table_.far_days_[next_far_day_].days_ago});
        if (kept_ != number)
            std::memcpy(to.address(), from.address(), table_.layout_.stride);
        ++kept_;
    }

    void drop(std::uint32_t number) {
        while (has_far_day(number))
            ++next_far_day_;
    }

    void finish() {
        const std::uint64_t chunks = (kept_ + kChunkEntries - 1) / kChunkEntries;
        for (; table_.chunks_.size() > chunks; table_.chunks_.pop_back())
            table_.memory_->deallocate(table_.chunks_.back(), kChunkEntries * table_.layout_.stride);
        table_.size_ = kept_;
        table_.large_sums_.swap(sums_);
        table_.large_bytes_ = large_bytes_;
        table_.keys_.swap(keys_);
        table_.blocks_.swap(blocks_);
        table_.far_days_.swap(far_days_);
        table_.far_days_settled_ = table_.far_days_.size();
    }

  private:
    bool has_far_day(std::uint32_t number) const {
        return next_far_day_ < table_.far_days_.size() && table_.far_days_[next_far_day_].number == number;
    }

    CustomerTable& table_;
    std::uint32_t kept_ = 0;
    std::uint64_t large_bytes_ = 0;
    std::size_t next_far_day_ = 0;
    KeyBytes keys_;
    DayBlocks blocks_;
    Vector<FarDay> far_days_;
    LargeSums sums_;
};

// Gives up the customers whose next bit of the hash is set.
void CustomerTable::split(Interrupt& interrupt) {
    if (options_.partition_bits == TableOptions::kMaxPartitionBits)
        throw Error(
            Errc::kTooBig, "customers do not fit the memory they may use",
            format("One part in %d of the customers takes more than %llu kB.",
                   1 << TableOptions::kMaxPartitionBits, static_cast<unsigned long long>(budget_ / 1024)),
            "Raise pg_segment.max_memory.");
    const std::uint64_t bit = std::uint64_t{1} << options_.partition_bits;
    settle_far_days();
    Survivors survivors(*this);
    WorkMeter meter(interrupt);
    for (std::uint64_t number = 0; number < size_; ++number) {
        if ((hash_of(entry(number)) & bit) == 0)
            survivors.keep(static_cast<std::uint32_t>(number));
        else
            survivors.drop(static_cast<std::uint32_t>(number));
        meter.done(1);
    }
    survivors.finish();
    ++options_.partition_bits;
    for (Batch& batch : batches_)
        for (Pending& row : batch.waiting())
            row.number = kEmpty;
    rebuild_index(index_bits_wanted(), interrupt);
}

// ---- reading

void CustomerTable::finish(Interrupt& interrupt) {
    settle(interrupt);
    settle_far_days();
}

Customer CustomerTable::customer(std::uint64_t number) const {
    const EntryView found = entry(number);
    Customer result{};
    if (options_.keys == KeyKind::kInteger)
        result.number = found.key();
    else
        result.bytes = KeyBytes::bytes(found.key());
    result.orders = found.orders();
    result.recency_days = found.recency_days();
    result.display_scale = found.display_scale();
    result.fixed = found.sum();
    if (options_.count_days)
        result.days = static_cast<std::uint32_t>(found.days_count());
    if (found.has(EntryView::kHasFarDays))
        result.days += static_cast<std::uint32_t>(far_days_of(static_cast<std::uint32_t>(number)).size());
    if (found.has(EntryView::kHasLargeSum))
        result.large = &large_sums_.find(static_cast<std::uint32_t>(number))->second;
    return result;
}

std::span<const CustomerTable::FarDay> CustomerTable::far_days_of(std::uint32_t number) const {
    const auto [first, end] =
        std::equal_range(far_days_.begin(), far_days_.end(), FarDay{number, 0},
                         [](const FarDay& a, const FarDay& b) { return a.number < b.number; });
    return {first == end ? nullptr : &*first, static_cast<std::size_t>(end - first)};
}

LargeSum CustomerTable::exact_sum(const Customer& customer) const {
    LargeSum sum(memory_, options_.amounts);
    if (options_.amounts == AmountKind::kNumeric)
        sum.add(FixedDecimal(customer.fixed, groups_, customer.display_scale).decimal());
    else
        sum.add_fixed(customer.fixed);
    if (customer.large != nullptr)
        sum.merge(*customer.large);
    return sum;
}

double CustomerTable::nearest_double(const Customer& customer, bool mean) const {
    const std::uint32_t divisor = mean && customer.orders > 0 ? customer.orders : 1;
    if (options_.amounts == AmountKind::kNumeric) {
        if (customer.large == nullptr)
            return rfm::nearest_double(customer.fixed, groups_, divisor);
        // What else the customer bought may have made a small sum large; its double is that of the value.
        const LargeSum sum = exact_sum(customer);
        const std::optional<FixedSum> fixed = sum.fixed();
        return fixed ? rfm::nearest_double(fixed->value, fixed->groups, divisor)
                     : nearest_double(sum.decimal()) / divisor;
    }
    if (options_.monetary == Monetary::kMax)
        return from_ordered_bits(static_cast<std::int64_t>(customer.fixed));
    const double sum = customer.large == nullptr ? rfm::nearest_double(customer.fixed)
                                                 : exact_sum(customer).number().value();
    return sum / divisor;
}

double CustomerTable::nearest_double(const DecimalSumView& sum) const {
    Vector<char> text(memory_);
    text.resize(sum.text_size_bound());
    NoInterrupt interrupt;
    const std::size_t length = sum.write_text({text.data(), text.size()}, interrupt);
    double value = 0;
    const bool out_of_range =
        std::from_chars(text.data(), text.data() + length, value).ec == std::errc::result_out_of_range;
    const std::string_view digits(text.data(), length);
    if (out_of_range && (digits.starts_with("0.") || digits.starts_with("-0.")))
        return 0;
    if (out_of_range)
        throw Error(Errc::kOutOfRange, "a customer's amounts add up to more than double precision holds");
    return value;
}

}  // namespace seg::core::rfm
