// What recency, frequency and monetary value of one customer are made of, gathered row by row: the state of
// segment.rfm_agg. It is one contiguous image that can be a transition value, a stored value and the argument
// of a merge as it stands:
//
//   header (64 bytes) | revenue cells | refund cells | distinct days, sorted (int32)
//
// each region with room to spare while rows are added. Day numbers are whatever the caller counts days by
// (its time zone is the caller's business). Facts depend neither on the order of the rows nor on how they
// were split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/base/codec.hpp"
#include "core/base/exact_sum.hpp"

namespace seg::core::rfm {

enum class AmountKind : std::uint8_t { kNumeric = 1, kFloat8 = 2 };

// The largest image: the server's limit for one value, rounded down to whole cells.
inline constexpr std::size_t kMaxImageBytes = 0x3ffffff8;

// How many cells and days an image has room for.
struct ImageLayout {
    std::size_t revenue_cells = 0;
    std::size_t refund_cells = 0;
    std::size_t days = 0;  // even, so that an image is whole cells

    // Bytes of the image; more than kMaxImageBytes raises kTooBig.
    std::size_t size() const;
};

// The counts. Times and days are meaningful when orders > 0 and are zero otherwise.
struct Facts {
    std::int64_t first_at;  // microseconds, as the rows had them
    std::int64_t last_at;
    std::int64_t orders;
    std::int64_t days;     // distinct days with an order
    std::int64_t skipped;  // rows that could not be used
    std::int32_t first_day;
    std::int32_t last_day;
    std::int32_t previous_day;  // the day before the last one that has an order; meaningful when days > 1

    // Days from the last day but one with an order to the last; nothing when there are fewer than two.
    std::optional<std::int64_t> last_gap_days() const {
        if (days < 2)
            return std::nullopt;
        return std::int64_t{last_day} - previous_day;
    }

    // Mean number of days from one day with an order to the next; nothing when there are fewer than two.
    std::optional<double> mean_gap_days() const {
        if (days < 2)
            return std::nullopt;
        return static_cast<double>(std::int64_t{last_day} - first_day) / static_cast<double>(days - 1);
    }
};

// The start of an image. The first four bytes are the server's (its length word); nothing here reads or
// writes them.
struct FactsHeader {
    union SumMeta {
        DecimalMeta decimal;
        FloatMeta number;
    };

    std::uint32_t server_word;
    std::uint8_t magic;
    std::uint8_t version;
    AmountKind kind;
    std::uint8_t zero;
    std::int64_t first_at;
    std::int64_t last_at;
    std::int64_t orders;
    std::int64_t skipped;
    SumMeta revenue;
    SumMeta refunds;
    std::uint32_t days_count;
    std::uint32_t days_capacity;
};
static_assert(sizeof(FactsHeader) == 64);

// Reads an image, which must be aligned to 8 bytes and outlive the view.
class FactsView {
  public:
    // Checks the sizes of the image and of its regions, so that nothing is read beyond it; a wrong one raises
    // kCorrupted. Constant time.
    explicit FactsView(std::span<const std::byte> image);

    AmountKind kind() const { return header().kind; }
    Facts facts() const;
    std::span<const std::int32_t> days() const;

    // Net sum of the amounts, and the sum of -amount over the negative ones; the one of the image's kind.
    DecimalSumView revenue_decimal() const { return {header().revenue.decimal, revenue_cells()}; }
    DecimalSumView refunds_decimal() const { return {header().refunds.decimal, refund_cells()}; }
    FloatSumView revenue_float() const { return {header().revenue.number, revenue_cells()}; }
    FloatSumView refunds_float() const { return {header().refunds.number, refund_cells()}; }

    // The external form: no slack, canonical sums, so equal facts are equal bytes. Linear.
    std::size_t encoded_size() const;
    void encode(Writer& writer) const;

    // The smallest image with the same facts, without slack and with canonical sums: equal facts give equal
    // bytes after the server's word. out must have compact_size() bytes. Linear.
    std::size_t compact_size() const;
    void compact_into(std::span<std::byte> out) const;

    // Reads the external form, of which every field is checked; anything malformed raises kBadBinary. First
    // the bytes of the image it needs (checked against the bytes that are there), then the image itself, in
    // exactly that many bytes.
    static std::size_t decoded_image_size(Reader reader);
    static void decode_into(Reader& reader, std::span<std::byte> image);

  private:
    friend class FactsState;

    const FactsHeader& header() const { return *reinterpret_cast<const FactsHeader*>(image_.data()); }
    const std::uint64_t* revenue_cells() const {
        return reinterpret_cast<const std::uint64_t*>(image_.data() + sizeof(FactsHeader));
    }
    const std::uint64_t* refund_cells() const { return revenue_cells() + header().revenue.decimal.capacity; }
    const std::int32_t* first_day_slot() const {
        return reinterpret_cast<const std::int32_t*>(refund_cells() + header().refunds.decimal.capacity);
    }
    ImageLayout layout() const;
    ImageLayout compact_layout() const;

    std::span<const std::byte> image_;
};

// Adds to an image in place. An operation that lacks room leaves the facts alone and returns false; the
// caller then provides grown_size() bytes, calls relocate() and repeats the operation, until it returns true.
class FactsState {
  public:
    // The image of no rows, small.
    static std::size_t initial_size(AmountKind kind);
    static void initialise(std::span<std::byte> image, AmountKind kind);

    // Over an existing image, aligned to 8 bytes; errors as FactsView.
    explicit FactsState(std::span<std::byte> image);

    // One order at the given instant, on the given day. An amount that is not finite raises kBadData, one of
    // the wrong kind kInvalidArgument, a count or sum that would not fit kOutOfRange; the facts stay as they
    // were. Constant time when the day is not before the last one, else a binary search, and for a day not
    // seen yet an insertion linear in the days.
    bool add(std::int64_t at, std::int32_t day, const Decimal& amount);
    bool add(std::int64_t at, std::int32_t day, double amount);

    // One row that could not be used.
    void skip();

    // Adds the facts of another image, which may be this one. Errors as for add(). Linear in the days of
    // both.
    bool merge(const FactsView& other);

    // After an operation that returned false: bytes of the image that it needs, with room to spare. An image
    // past kMaxImageBytes raises kTooBig.
    std::size_t grown_size() const { return grown_layout().size(); }

    // Copies everything but the server's word into the new image of grown_size() bytes and works on that from
    // now on; the old one is the caller's to free.
    void relocate(std::span<std::byte> new_image);

    FactsView view() const { return view_; }

  private:
    struct DayPlace {
        std::size_t index;
        bool known;
    };

    FactsHeader& header() const { return *reinterpret_cast<FactsHeader*>(image_.data()); }
    std::uint64_t* revenue_cells() const { return const_cast<std::uint64_t*>(view_.revenue_cells()); }
    std::uint64_t* refund_cells() const { return const_cast<std::uint64_t*>(view_.refund_cells()); }
    std::int32_t* day_slots() const { return const_cast<std::int32_t*>(view_.first_day_slot()); }

    template <typename Sum>
    Sum revenue() const;
    template <typename Sum>
    Sum refunds() const;
    template <typename Sum, typename Amount>
    bool add_row(std::int64_t at, std::int32_t day, const Amount& amount, bool negative);
    template <typename Sum, typename SumView>
    bool merge_sums(const SumView& other_revenue, const SumView& other_refunds);
    template <typename Sum, typename Term>
    bool reserve_refunds(const Term& term);
    template <typename Sum, typename Operation>
    bool change_revenue(const Operation& operation);

    void require_kind(AmountKind kind) const;
    DayPlace find_day(std::int32_t day) const;
    void insert_day(DayPlace place, std::int32_t day);
    void extend_times(std::int64_t first_at, std::int64_t last_at);
    std::size_t merged_days(std::span<const std::int32_t> others) const;
    void merge_days(std::span<const std::int32_t> others, std::size_t total);
    ImageLayout grown_layout() const;

    std::span<std::byte> image_;
    FactsView view_;
    ImageLayout wanted_;  // what the operation that returned false lacked
};

}  // namespace seg::core::rfm
