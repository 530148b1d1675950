// How many gaps of how many days: the state of segment.gap_counts and, as it stands, its value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/base/codec.hpp"
#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

namespace seg::core::lifecycle {

// Depends neither on the order in which gaps came nor on how they were split.
//
// Image (also the external form, less its first four bytes), little-endian, without padding:
//   0 slot of the server's length word   4 magic 'g'   5 version 1   6 zero u16
//   8 for each length of gap, ascending: length i32, 1 or more; count i64, 1 or more
class GapCounts {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 8;
    static constexpr std::size_t kEntrySize = 12;

    struct Entry {
        std::int32_t days;
        std::int64_t count;
    };

    explicit GapCounts(MemoryResource* memory) : few_(memory), others_(memory) {}

    // kInvalidArgument for fewer than one day. Constant time up to kFew days, beyond them linear in the
    // number of different such gaps.
    void add(std::int32_t days, std::int64_t count = 1);

    // The gaps between days in ascending order. kInvalidArgument when they are not.
    void add_gaps_of(std::span<const std::int32_t> days, Interrupt& interrupt);

    // Linear in the different gaps of both; leaves the counts as they were when it throws.
    void merge(const GapCounts& other, Interrupt& interrupt);
    // Reads an image or an external value (both passed without the slot); kBadBinary for a malformed one.
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    std::int64_t total() const { return total_; }

    // The smallest length that at least this share of the gaps does not exceed (definition 1 of Hyndman and
    // Fan). percentile in [0, 100], else kInvalidArgument. Nothing when there is no gap.
    std::optional<std::int32_t> percentile(double percentile) const;

    // Calls visit(entry) in ascending order until it returns false.
    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (std::size_t days = 1; days < few_.size(); ++days)
            if (few_[days] != 0 && !visit(Entry{static_cast<std::int32_t>(days), few_[days]}))
                return;
        for (const Entry& entry : others_)
            if (!visit(entry))
                return;
    }

    std::size_t image_size() const;
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    // Counted in an array by length, which stays short where gaps are: about eleven years.
    static constexpr std::int32_t kFew = 4096;

    std::int64_t& slot(std::int32_t days);
    void merge_others(std::span<const Entry> entries, Interrupt& interrupt);

    Vector<std::int64_t> few_;
    Vector<Entry> others_;  // longer ones, ascending
    std::int64_t total_ = 0;
};

}  // namespace seg::core::lifecycle
