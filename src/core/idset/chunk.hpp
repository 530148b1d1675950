// What sets of ids are made of. The ids, in signed order, fall into chunks of 65,536 neighbours; a chunk
// holds the low 16 bits of its ids in whichever form is smallest.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace seg::core::idset {

inline constexpr std::uint32_t kChunkIds = 65536;
inline constexpr std::size_t kBitmapWords = kChunkIds / 64;
inline constexpr std::size_t kBitmapBytes = kChunkIds / 8;
// A chunk with at most this many ids has no directory entry: the ids themselves take less room.
inline constexpr std::uint32_t kLooseIds = 2;
// An entry for consecutive full chunks counts at most this many; longer stretches take several entries.
inline constexpr std::uint64_t kMaxSpanChunks = std::uint64_t{1} << 46;

// Ids as unsigned numbers in the same order.
inline constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
constexpr std::uint64_t ordered(std::int64_t id) {
    return static_cast<std::uint64_t>(id) ^ kSignBit;
}
constexpr std::int64_t unordered(std::uint64_t value) {
    return static_cast<std::int64_t>(value ^ kSignBit);
}
constexpr std::uint64_t key_of(std::int64_t id) {
    return ordered(id) >> 16;
}
constexpr std::uint16_t low_of(std::int64_t id) {
    return static_cast<std::uint16_t>(id);
}
constexpr std::int64_t id_of(std::uint64_t key, std::uint32_t low) {
    return unordered(key << 16 | low);
}

enum class ChunkKind : std::uint8_t {
    kArray,   // ascending values
    kRuns,    // ascending pairs (first, length - 1) that do not touch
    kBitmap,  // 1,024 words
    kFull,    // every id of `count` consecutive chunks
};

// One chunk as seen by a reader (or `count` full ones). The pointers are somebody else's memory.
struct Chunk {
    std::uint64_t key;          // ordered(id) >> 16 of its ids; of the first chunk when there are several
    std::uint64_t count;        // 1 unless full
    std::uint32_t cardinality;  // of each chunk, 1 to 65,536
    ChunkKind kind;
    std::uint32_t run_count;      // kRuns
    const std::uint16_t* values;  // kArray: cardinality values; kRuns: 2 * run_count
    const std::uint64_t* words;   // kBitmap

    std::uint64_t last_key() const { return key + count - 1; }
    std::uint64_t ids() const { return count * cardinality; }
};

inline bool test_bit(const std::uint64_t* words, std::uint32_t low) {
    return words[low >> 6] >> (low & 63) & 1;
}
inline void set_bit(std::uint64_t* words, std::uint32_t low) {
    words[low >> 6] |= std::uint64_t{1} << (low & 63);
}

// Calls visit(low) for each set bit, ascending.
template <typename Visit>
void for_each_bit(const std::uint64_t* words, const Visit& visit) {
    for (std::uint32_t w = 0; w < kBitmapWords; ++w)
        for (std::uint64_t rest = words[w]; rest != 0; rest &= rest - 1)
            visit(w * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)));
}

// Calls visit(low) for each id of one chunk, ascending.
template <typename Visit>
void for_each_low(const Chunk& chunk, const Visit& visit) {
    switch (chunk.kind) {
        case ChunkKind::kArray:
            for (std::uint32_t i = 0; i < chunk.cardinality; ++i)
                visit(std::uint32_t{chunk.values[i]});
            return;
        case ChunkKind::kRuns:
            for (std::uint32_t r = 0; r < chunk.run_count; ++r)
                for (std::uint32_t low = chunk.values[2 * r], end = low + chunk.values[2 * r + 1]; low <= end;
                     ++low)
                    visit(low);
            return;
        case ChunkKind::kBitmap:
            for_each_bit(chunk.words, visit);
            return;
        case ChunkKind::kFull:
            for (std::uint32_t low = 0; low < kChunkIds; ++low)
                visit(low);
            return;
    }
}

// The first bit at or after `from` that is set, or that is not; kChunkIds when there is none.
std::uint32_t find_bit(const std::uint64_t* words, std::uint32_t from, bool set);

// Sets the bits first..last, inclusive.
void set_bits(std::uint64_t* words, std::uint32_t first, std::uint32_t last);

// words |= the ids of the chunk.
void add_to_bitmap(const Chunk& chunk, std::uint64_t* words);

bool chunk_contains(const Chunk& chunk, std::uint32_t low);

// Number of ids of one chunk that are at most low.
std::uint32_t rank_in_chunk(const Chunk& chunk, std::uint32_t low);

// A range of ids, lowest <= highest, as chunks in ascending order: a part of the first, the full ones
// between, a part of the last. Calls visit(chunk) for each; its values are gone after the call.
template <typename Visit>
void split_range(std::int64_t lowest, std::int64_t highest, const Visit& visit) {
    const auto part = [&visit](std::uint64_t key, std::uint32_t first, std::uint32_t last) {
        const std::uint16_t run[2] = {static_cast<std::uint16_t>(first),
                                      static_cast<std::uint16_t>(last - first)};
        const ChunkKind kind = last - first + 1 == kChunkIds ? ChunkKind::kFull : ChunkKind::kRuns;
        visit(Chunk{key, 1, last - first + 1, kind, 1, run, nullptr});
    };
    const std::uint64_t first_key = key_of(lowest);
    const std::uint64_t last_key = key_of(highest);
    if (first_key == last_key)
        return part(first_key, low_of(lowest), low_of(highest));
    part(first_key, low_of(lowest), kChunkIds - 1);
    if (last_key - first_key > 1)
        visit(
            Chunk{first_key + 1, last_key - first_key - 1, kChunkIds, ChunkKind::kFull, 0, nullptr, nullptr});
    part(last_key, 0, low_of(highest));
}

}  // namespace seg::core::idset
