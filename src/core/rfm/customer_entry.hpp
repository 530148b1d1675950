// What a customer table keeps for one customer, and the memory that entries point into.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/base/memory.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace seg::core::rfm {

// Bytes of an entry:
//
//    0  key: a number, or the address of its bytes      24  flags
//    8  sum or maximum, in the table's unit             25  digits after the point to show, at most 255
//   16  orders (uint32)                                 26  seven days (uint16), or from 28 the number of
//   days 20  days since the last order (int32)                   and from 32 the address of their block
//
// then, in a wide table, the upper half of the sum. Without days an entry ends at 32.
struct EntryLayout {
    bool days;
    bool wide = false;
    std::size_t stride = 0;

    EntryLayout(bool with_days, bool with_wide_sums)
        : days(with_days),
          wide(with_wide_sums),
          stride((with_days ? 40u : 32u) + (with_wide_sums ? 8u : 0u)) {}
};

// Days are kept as codes from 1: days before as_of, plus one.
using DayCode = std::uint16_t;
inline constexpr std::int32_t kMaxCodedDaysAgo = 0xfffe;

class EntryView {
  public:
    static constexpr std::uint8_t kDaysInBlock = 1;
    static constexpr std::uint8_t kHasLargeSum = 2;
    static constexpr std::uint8_t kHasFarDays = 4;
    static constexpr int kInlineDays = 7;

    EntryView(std::byte* at, const EntryLayout& layout) : at_(at), layout_(&layout) {}

    std::int64_t& key() const { return field<std::int64_t>(0); }
    std::int64_t& low() const { return field<std::int64_t>(8); }
    std::uint32_t& orders() const { return field<std::uint32_t>(16); }
    std::int32_t& recency_days() const { return field<std::int32_t>(20); }
    std::uint8_t& flags() const { return field<std::uint8_t>(24); }
    std::uint8_t& display_scale() const { return field<std::uint8_t>(25); }
    std::int64_t& high() const { return field<std::int64_t>(layout_->stride - 8); }
    bool has(std::uint8_t flag) const { return (flags() & flag) != 0; }

    __int128 sum() const {
        return layout_->wide ? static_cast<__int128>(high()) << 64 | static_cast<std::uint64_t>(low())
                             : static_cast<__int128>(low());
    }
    // In a narrow table the value must fit 64 bits.
    void set_sum(__int128 value) const {
        low() = static_cast<std::int64_t>(value);
        if (layout_->wide)
            high() = static_cast<std::int64_t>(value >> 64);
    }

    // Days in the entry itself, in order of arrival.
    DayCode* inline_days() const { return &field<DayCode>(26); }
    // Which of the seven are this code, as bits, two a day; the code 0 finds the free ones.
    unsigned inline_matches(DayCode code) const {
        // Eight lanes from the flags on; the first one is not a day.
#ifdef __SSE2__
        const __m128i lanes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_ + 24));
        const __m128i equal = _mm_cmpeq_epi16(lanes, _mm_set1_epi16(static_cast<short>(code)));
        return static_cast<unsigned>(_mm_movemask_epi8(equal)) >> 2;
#else
        unsigned bits = 0;
        for (int i = 0; i < kInlineDays; ++i)
            bits |= (inline_days()[i] == code ? 3u : 0u) << 2 * i;
        return bits;
#endif
    }

    // Days in a block, the longest ago first.
    std::uint8_t& block_class() const {
        return field<std::uint8_t>(26);
    }
    std::uint32_t& block_days() const {
        return field<std::uint32_t>(28);
    }
    DayCode*& block() const {
        return field<DayCode*>(32);
    }

    // The days, wherever they are, but for far ones.
    std::span<const DayCode> days() const {
        if (!layout_->days)
            return {};
        if (has(kDaysInBlock))
            return {block(), block_days()};
        return {inline_days(), days_count()};
    }

    std::size_t days_count() const {
        if (has(kDaysInBlock))
            return block_days();
        const unsigned free = inline_matches(0);
        return free == 0 ? kInlineDays : static_cast<std::size_t>(std::countr_zero(free)) / 2;
    }

    std::byte* address() const {
        return at_;
    }

  private:
    template <typename T>
    T& field(std::size_t offset) const {
        return *reinterpret_cast<T*>(at_ + offset);
    }

    std::byte* at_;
    const EntryLayout* layout_;
};

// Blocks of 16, 32, ... 65,536 day codes.
class DayBlocks {
  public:
    static constexpr int kClasses = 13;
    static std::size_t capacity(int block_class) { return std::size_t{16} << block_class; }

    explicit DayBlocks(MemoryResource* memory) : chunks_(memory) {}
    DayBlocks(const DayBlocks&) = delete;
    DayBlocks& operator=(const DayBlocks&) = delete;
    ~DayBlocks();

    DayCode* allocate(int block_class);
    void release(DayCode* block, int block_class);

    // Gives the entry the day; false when it had it. Constant time for seven days, then a binary search, and
    // for a day that is not the latest an insertion linear in the days.
    bool add(EntryView entry, DayCode code);

    // A copy of another pool's block.
    DayCode* copy(const DayCode* block, int block_class);
    void swap(DayBlocks& other);

    static constexpr std::size_t kChunkBytes = 64 * 1024;
    std::uint64_t memory_used() const { return used_; }

  private:
    struct Chunk {
        std::byte* bytes;
        std::size_t size;
    };

    std::byte* new_chunk(std::size_t size);
    void move_to_block(EntryView entry);
    void grow_block(EntryView entry);

    Vector<Chunk> chunks_;
    std::array<DayCode*, kClasses> free_{};
    std::byte* next_ = nullptr;
    std::size_t left_ = 0;
    std::uint64_t used_ = 0;
};

// The bytes of keys that are not numbers, each after a length word: that of the server's varlena, so that a
// text can be handed back where it lies.
class KeyBytes {
  public:
    explicit KeyBytes(MemoryResource* memory) : chunks_(memory) {}
    KeyBytes(const KeyBytes&) = delete;
    KeyBytes& operator=(const KeyBytes&) = delete;
    ~KeyBytes() { clear(); }

    // Keeps a copy; the number stands for it.
    std::int64_t keep(std::span<const std::byte> key);
    static std::span<const std::byte> bytes(std::int64_t key);

    // Bytes before the key's own.
    static constexpr std::size_t kLengthWord = 4;

    void clear();
    void swap(KeyBytes& other);

    static constexpr std::size_t kChunkBytes = 64 * 1024;
    std::uint64_t memory_used() const { return used_; }

  private:
    struct Chunk {
        std::byte* bytes;
        std::size_t size;
    };

    Vector<Chunk> chunks_;
    std::byte* next_ = nullptr;
    std::size_t left_ = 0;
    std::uint64_t used_ = 0;
};

}  // namespace seg::core::rfm
