#include "core/idset/probe.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/idset/id_cursor.hpp"

namespace seg::core::idset {
namespace {

constexpr std::uint64_t kAlwaysFine = 1024 * 1024;

std::uint64_t* new_bitmap(MemoryResource* memory) {
    auto* words = static_cast<std::uint64_t*>(memory->allocate(kBitmapBytes, alignof(std::uint64_t)));
    std::memset(words, 0, kBitmapBytes);
    return words;
}

}  // namespace

Probe::Probe(const SetView& set, std::uint64_t most_bytes, MemoryResource* memory, Interrupt& interrupt)
    : set_(set) {
    if (set.empty())
        return;
    first_key_ = key_of(set.lowest());
    chunk_count_ = key_of(set.highest()) - first_key_ + 1;
    const std::uint64_t limit =
        std::min(most_bytes, std::max<std::uint64_t>(kAlwaysFine, 64 * set.image().size()));
    if (bitmap_bytes(limit) <= limit)
        make_bitmaps(memory, interrupt);
    else if (table_bytes(limit) <= limit)
        make_hashes(memory, interrupt);
}

// What the table of chunks and their bitmaps take, or more than the limit.
std::uint64_t Probe::bitmap_bytes(std::uint64_t limit) const {
    if (chunk_count_ > limit / 8)
        return limit + 1;
    std::uint64_t bytes = chunk_count_ * 8 + 2 * kBitmapBytes;
    for (ChunkCursor at(set_); !at.done() && bytes <= limit; at.next())
        if (at.chunk().kind == ChunkKind::kArray || at.chunk().kind == ChunkKind::kRuns)
            bytes += kBitmapBytes;
    return bytes;
}

// What the table of ids takes, at most half full, or more than the limit.
std::uint64_t Probe::table_bytes(std::uint64_t limit) const {
    const auto ids = static_cast<std::uint64_t>(set_.cardinality());
    return ids > limit / 16 ? limit + 1 : 8 * std::bit_ceil(2 * ids);
}

void Probe::make_bitmaps(MemoryResource* memory, Interrupt& interrupt) {
    const std::uint64_t* const none = new_bitmap(memory);
    std::uint64_t* const all = new_bitmap(memory);
    std::memset(all, 0xff, kBitmapBytes);
    bitmaps_ = static_cast<const std::uint64_t**>(memory->allocate(chunk_count_ * 8, alignof(void*)));
    std::fill(bitmaps_, bitmaps_ + chunk_count_, none);
    WorkMeter meter(interrupt);
    for (ChunkCursor at(set_); !at.done(); at.next()) {
        const Chunk& chunk = at.chunk();
        const std::uint64_t* words = chunk.kind == ChunkKind::kBitmap ? chunk.words : all;
        if (chunk.kind == ChunkKind::kArray || chunk.kind == ChunkKind::kRuns) {
            std::uint64_t* const own = new_bitmap(memory);
            add_to_bitmap(chunk, own);
            words = own;
        }
        std::fill_n(bitmaps_ + (chunk.key - first_key_), chunk.count, words);
        meter.done(kBitmapWords);
    }
}

void Probe::make_hashes(MemoryResource* memory, Interrupt& interrupt) {
    const std::uint64_t slots = std::bit_ceil(2 * static_cast<std::uint64_t>(set_.cardinality()));
    mask_ = slots - 1;
    shift_ = 64 - std::countr_zero(slots);
    auto* hashes = static_cast<std::uint64_t*>(memory->allocate(slots * 8, alignof(std::uint64_t)));
    std::memset(hashes, 0, slots * 8);
    WorkMeter meter(interrupt);
    IdCursor ids(set_);
    for (std::int64_t id = 0; ids.next(id); meter.done(1)) {
        const std::uint64_t value = ordered(id);
        if (value == kEmptySlot) {
            has_empty_value_ = true;
            continue;
        }
        std::uint64_t slot = slot_of(value);
        while (hashes[slot] != kEmptySlot)
            slot = (slot + 1) & mask_;
        hashes[slot] = value;
    }
    hashes_ = hashes;
}

}  // namespace seg::core::idset
