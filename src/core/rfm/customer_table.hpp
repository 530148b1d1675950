// All customers of an orders table in one pass: how many orders each placed, on how many days, how long ago
// the last one was, and what they add up to. This is what segment.rfm groups by, in place of the server's
// hash aggregation.
//
// An index of 4-byte slots (open addressing, linear probing; a slot holds the customer's number and some bits
// of the hash) leads to dense entries of 32 to 48 bytes. Rows wait in two batches of 16: while one arrives,
// the cache lines that the other needs are on their way. A distinct day takes 2 bytes: seven in the entry,
// more in a block of its own.
//
// A table that would outgrow its budget gives up every second customer (by a bit of the hash of the key) and
// says so: partition_bits() and partition() tell which customers it holds, completely. The caller reads the
// rows once more for the others. Nothing depends on the order of the rows or on how they were split.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "core/base/codec.hpp"
#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/rfm/customer_entry.hpp"
#include "core/rfm/facts.hpp"
#include "core/rfm/money.hpp"

namespace seg::core::rfm {

// A uuid and a text are bytes here; what they mean is the host's business.
enum class KeyKind : std::uint8_t { kInteger = 1, kUuid = 2, kText = 3 };
enum class Monetary : std::uint8_t { kSum = 1, kMax = 2 };

struct TableOptions {
    KeyKind keys = KeyKind::kInteger;
    AmountKind amounts = AmountKind::kNumeric;
    Monetary monetary = Monetary::kSum;
    bool count_days = true;
    std::uint8_t partition_bits = 0;  // only customers whose hash ends in the bits of partition
    std::uint32_t partition = 0;
    std::int32_t as_of_day = 0;  // tables of different days do not merge

    static constexpr int kMaxPartitionBits = 24;

    bool operator==(const TableOptions&) const = default;
};

// One customer. The key is a number, or bytes that live as long as the table is not changed.
struct Customer {
    std::int64_t number;
    std::span<const std::byte> bytes;
    std::uint32_t orders;  // 0: known, but without an order
    std::uint32_t days;
    std::int32_t recency_days;
    int display_scale;
    Int128 fixed;           // what fits the table's unit ...
    const LargeSum* large;  // ... and what does not, or nullptr
};

class CustomerTable {
  public:
    // budget in bytes bounds what the table allocates.
    CustomerTable(MemoryResource* memory, const TableOptions& options, std::uint64_t budget);
    CustomerTable(const CustomerTable&) = delete;
    CustomerTable& operator=(const CustomerTable&) = delete;
    ~CustomerTable();

    // One order, days_ago days before as_of (0 or more). The amount must be of the table's kind and finite,
    // else kBadData, the key of the table's kind: std::int64_t or std::span<const std::byte>.
    template <typename Key, typename Amount>
    void add(const Key& key, std::int32_t days_ago, const Amount& amount, Interrupt& interrupt);

    // A customer who may have no orders.
    template <typename Key>
    void add_customer(const Key& key, Interrupt& interrupt);

    // Works off the rows that wait, and makes the table readable.
    void finish(Interrupt& interrupt);

    // Adds the customers of another table's image. Options other than the partition must be the same
    // (kInvalidArgument); anything malformed raises kBadBinary.
    void merge(Reader image, Interrupt& interrupt);

    // The options in an image; checks only those.
    static TableOptions read_options(Reader image);

    // The external form, after finish(). It keeps the order of arrival, so equal tables may differ in it.
    std::uint64_t image_size(Interrupt& interrupt) const;
    void write_image(Writer& image, Interrupt& interrupt) const;

    // After finish(): 0 <= number < size().
    std::uint64_t size() const { return size_; }
    Customer customer(std::uint64_t number) const;

    // Sum or maximum of a customer's amounts as the double nearest to it; divided by the orders, the mean.
    double nearest_double(const Customer& customer, bool mean) const;
    // The sum with what did not fit the unit; not of maxima.
    LargeSum exact_sum(const Customer& customer) const;
    // The digits of base 10000 after the point in the unit of numeric amounts.
    int groups() const { return groups_; }

    const TableOptions& options() const { return options_; }
    std::uint64_t memory_used() const;

  private:
    static constexpr std::size_t kBatch = 16;
    static constexpr std::int32_t kNoOrder = -1;
    static constexpr std::uint32_t kEmpty = 0xffffffff;
    static constexpr int kChunkBits = 12;
    static constexpr std::uint64_t kChunkEntries = 1 << kChunkBits;
    static constexpr int kMaxIndexBits = 31;
    static constexpr std::uint64_t kLargeSumNode = 256;  // a node of the map, as an allocator rounds it

    struct Batch;
    // A row that waits.
    struct Pending {
        std::uint64_t hash;
        std::int64_t key;  // a number, or where the bytes begin among the batch's
        std::uint32_t length;
        std::int32_t days_ago;  // or kNoOrder
        Int128 amount;
        std::uint8_t display_scale;
        std::uint32_t number;  // of the customer: a guess, then the answer; kEmpty: none
    };
    struct Batch {
        explicit Batch(MemoryResource* memory) : key_bytes(memory) {}

        std::array<Pending, kBatch> rows;
        std::size_t count = 0;
        Vector<std::byte> key_bytes;

        std::span<Pending> waiting() { return {rows.data(), count}; }
        std::span<const std::byte> key_of(const Pending& row) const {
            return {key_bytes.data() + row.key, row.length};
        }
    };
    struct FarDay {
        std::uint32_t number;
        std::int32_t days_ago;
        auto operator<=>(const FarDay&) const = default;
    };
    struct Header {
        TableOptions options;
        bool wide = false;
        int groups = 0;
        std::uint64_t customers = 0;
    };
    struct Record;
    class Survivors;

    static void require_finite(const Decimal& amount);
    static void require_finite(double amount);
    bool convert(const Decimal& amount, Int128& fixed, Interrupt& interrupt);
    bool convert(double amount, Int128& fixed, Interrupt& interrupt);
    Pending* pending_for(std::int64_t key, Interrupt& interrupt);
    Pending* pending_for(std::span<const std::byte> key, Interrupt& interrupt);
    Pending& next_pending(std::uint64_t hash, Interrupt& interrupt);
    void advance(Interrupt& interrupt);
    void settle(Interrupt& interrupt);
    Batch& arriving() { return batches_[arriving_]; }
    Batch& looked_up() { return batches_[1 - arriving_]; }
    void look_up(Batch& batch);
    void work_off(Batch& batch, Interrupt& interrupt);

    bool is_ours(std::uint64_t hash) const {
        return (hash & ((std::uint64_t{1} << options_.partition_bits) - 1)) == options_.partition;
    }
    EntryView entry(std::uint64_t number) const {
        return EntryView(chunks_[number >> kChunkBits] + (number & (kChunkEntries - 1)) * layout_.stride,
                         layout_);
    }
    std::uint64_t home(std::uint64_t hash) const { return hash >> (64 - index_bits_); }
    std::uint32_t number_mask() const { return (std::uint32_t{1} << index_bits_) - 1; }
    // The slot's content: some bits of the hash above the number. Numbers stay under seven eighths of what
    // their bits can hold, so that no slot looks empty.
    std::uint32_t slot_of(std::uint64_t hash, std::uint64_t number) const {
        return static_cast<std::uint32_t>(hash >> TableOptions::kMaxPartitionBits) << index_bits_ |
               static_cast<std::uint32_t>(number);
    }
    std::uint64_t hash_of(const EntryView& entry) const;
    bool same_key(const EntryView& entry, const Batch& batch, const Pending& row) const;
    std::uint32_t likely_customer(std::uint64_t hash) const;
    std::uint32_t find_or_insert(const Batch& batch, const Pending& row);
    std::uint32_t insert(const Batch& batch, const Pending& row, std::uint64_t slot);

    void apply(const Pending& row, Interrupt& interrupt);
    void add_orders(std::uint32_t number, std::uint32_t orders, std::int32_t days_ago, Int128 amount,
                    std::uint8_t display_scale, Interrupt& interrupt);
    void add_fixed(std::uint32_t number, Int128 amount, Interrupt& interrupt);
    void raise_maximum(std::uint32_t number, Int128 amount, Interrupt& interrupt);
    void add_day(std::uint32_t number, std::int32_t days_ago);
    template <typename Amount>
    void add_large(const Amount& amount, Interrupt& interrupt);
    void add_encoded(std::uint32_t number, Reader large_sum);
    void add_beyond_unit(std::uint32_t number, Int128 amount, int groups);
    void require_comparable(const std::optional<Int128>& amount) const;
    template <typename Operation>
    void change_large_sum(std::uint32_t number, const Operation& operation);

    void prepare_batch(Interrupt& interrupt);
    int index_bits_wanted() const;
    std::uint64_t headroom_wanted() const;
    void rebuild_index(int bits, Interrupt& interrupt);
    void widen(Interrupt& interrupt);
    void raise_groups(int groups, Interrupt& interrupt);
    void split(Interrupt& interrupt);
    void settle_far_days();
    std::span<const FarDay> far_days_of(std::uint32_t number) const;
    double nearest_double(const DecimalSumView& sum) const;

    void write_record(Writer& writer, std::uint32_t number) const;
    static Header read_header(Reader& image);
    static void check_days(const Reader& image, const Record& record);
    static bool is_maximum(const Header& header, const Record& record);
    static Record read_record(Reader& image, const Header& header);
    std::uint64_t merge_batch(Reader& image, const Header& header, std::uint64_t left, Interrupt& interrupt);
    void merge_record(const Record& record, std::uint32_t number, int groups, Interrupt& interrupt);

    MemoryResource* memory_;
    TableOptions options_;
    std::uint64_t budget_;
    EntryLayout layout_;
    int groups_ = 0;
    std::uint64_t size_ = 0;

    Vector<std::byte*> chunks_;
    Vector<std::uint32_t> index_;
    int index_bits_ = 0;
    DayBlocks blocks_;
    KeyBytes keys_;
    Vector<FarDay> far_days_;  // days too long ago for two bytes
    std::uint64_t far_days_settled_ = 0;
    using LargeSums =
        std::map<std::uint32_t, LargeSum, std::less<>, Allocator<std::pair<const std::uint32_t, LargeSum>>>;
    LargeSums large_sums_;
    std::uint64_t large_bytes_ = 0;  // that the large sums take, and the most that one does
    std::uint64_t largest_sum_ = 0;

    // One batch arrives while the other, looked up already, waits to be worked off.
    Batch batches_[2];
    int arriving_ = 0;
};

}  // namespace seg::core::rfm
