// A set prepared for many membership tests, which costs time and memory once. Sets of crowded chunks become
// bitmaps behind a table of chunks, sparse ones a hash table of ids; very large ones are searched as they
// are.
#pragma once

#include <cstdint>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

// Owns memory of the resource that is never given back: it goes with the resource. The image must outlive it.
class Probe {
  public:
    // Takes at most most_bytes, and at most 64 for each byte of the set (but up to 1 MB in any case).
    Probe(const SetView& set, std::uint64_t most_bytes, MemoryResource* memory, Interrupt& interrupt);

    bool contains(std::int64_t id) const {
        const std::uint64_t value = ordered(id);
        if (bitmaps_ != nullptr) {
            const std::uint64_t chunk = (value >> 16) - first_key_;
            return chunk < chunk_count_ && test_bit(bitmaps_[chunk], value & 0xffff);
        }
        return hashes_ != nullptr ? hashed(value) : set_.contains(id);
    }

  private:
    std::uint64_t slot_of(std::uint64_t value) const { return value * 0x9e3779b97f4a7c15ULL >> shift_; }
    bool hashed(std::uint64_t value) const {
        for (std::uint64_t slot = slot_of(value);; slot = (slot + 1) & mask_) {
            if (hashes_[slot] == value)
                return value != kEmptySlot || has_empty_value_;
            if (hashes_[slot] == kEmptySlot)
                return false;
        }
    }
    std::uint64_t bitmap_bytes(std::uint64_t limit) const;
    std::uint64_t table_bytes(std::uint64_t limit) const;
    void make_bitmaps(MemoryResource* memory, Interrupt& interrupt);
    void make_hashes(MemoryResource* memory, Interrupt& interrupt);

    static constexpr std::uint64_t kEmptySlot = 0;  // the lowest id; has_empty_value_ says whether it is in

    SetView set_;
    std::uint64_t first_key_ = 0;
    std::uint64_t chunk_count_ = 0;
    const std::uint64_t** bitmaps_ = nullptr;
    std::uint64_t* hashes_ = nullptr;
    std::uint64_t mask_ = 0;
    int shift_ = 0;
    bool has_empty_value_ = false;
};

}  // namespace seg::core::idset
