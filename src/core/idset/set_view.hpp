// A set of ids as one contiguous value, read in place. Equal sets have equal bytes: every choice below is a
// function of the contents. Three forms, told apart by a byte:
//
//   flat       prefix | ids                      where that is not longer than the large form, up to 128 ids
//   large      prefix | counts, cardinality, lowest, highest, hash | keys | loose ids | bitmaps | values |
//   places gathering  prefix | ids in any order, with room for more     an aggregate's small state, never
//   stored
//
// In the large form each chunk of 65,536 neighbouring ids is in its smallest representation: one or two ids
// loose, else a directory entry (a key, and a place in the values or bitmaps) for an array, runs or a bitmap;
// consecutive full chunks share one entry. The header alone answers cardinality, lowest and highest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/base/codec.hpp"
#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/chunk.hpp"

namespace seg::core::idset {

inline constexpr std::uint8_t kMagic = 'I';
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kMaxFlatIds = 128;
// The server's limit for one value, rounded down to whole words.
inline constexpr std::uint64_t kMaxImageBytes = 0x3ffffff8;

enum class Form : std::uint8_t { kFlat = 0, kLarge = 1, kGathering = 2 };

// The start of every image. The first four bytes are the server's; nothing here reads or writes them.
struct Prefix {
    std::uint32_t server_word;
    std::uint8_t magic;
    std::uint8_t version;
    Form form;
    std::uint8_t has_dictionary;  // 1 when the next eight bytes are the number of a dictionary
};
static_assert(sizeof(Prefix) == 8);

struct LargeHeader {
    std::uint32_t chunk_count;
    std::uint32_t loose_count;
    std::int64_t cardinality;
    std::int64_t lowest;
    std::int64_t highest;
    std::uint64_t hash;  // of all that follows
};
static_assert(sizeof(LargeHeader) == 40);

// How many bytes of an image answer everything that SetSummary holds: all of a flat one, the header of a
// large one.
inline constexpr std::size_t kSummaryBytes = sizeof(Prefix) + 8 + kMaxFlatIds * 8;

// What is known without reading the chunks.
struct SetSummary {
    std::int64_t cardinality = 0;
    std::int64_t lowest = 0;   // meaningful unless empty
    std::int64_t highest = 0;  // the same
    std::uint32_t dictionary = 0;
    std::uint64_t hash = 0;  // of the contents, without the dictionary
};

// A directory entry is a word of key << 16 | cardinality - 1, and a place: two bits of kind and thirty of
// position in the payload (bitmaps and values), counted in bitmaps for bitmaps and in values (uint16) for
// arrays and for runs, whose pairs follow their number. Full chunks take no payload: their position is the
// low bits of count - 1, and the high bits stand where others have the cardinality.
constexpr std::uint32_t make_place(ChunkKind kind, std::uint64_t position) {
    return static_cast<std::uint32_t>(position << 2) | static_cast<std::uint32_t>(kind);
}

class SetView {
  public:
    // The image must be aligned to 8 bytes and outlive the view. Checks the sizes of its regions against its
    // size (constant time); a wrong one raises kCorrupted. Not for gathering images.
    explicit SetView(std::span<const std::byte> image);

    // The form of any image, also of a gathering one; kCorrupted when it is no image of ours.
    static Form form(std::span<const std::byte> image);

    // From the first kSummaryBytes of an image, or all of a shorter one.
    static SetSummary summarize(std::span<const std::byte> start_of_image, std::uint64_t image_size);

    SetSummary summary() const;
    std::int64_t cardinality() const { return cardinality_; }
    bool empty() const { return cardinality_ == 0; }
    std::int64_t lowest() const { return lowest_; }
    std::int64_t highest() const { return highest_; }
    // Number of the dictionary that the ids come from, or 0.
    std::uint32_t dictionary() const { return dictionary_; }
    std::span<const std::byte> image() const { return image_; }
    // Bytes after the prefix and the dictionary: equal exactly when the ids are.
    std::span<const std::byte> contents() const;

    // Logarithmic in the chunks, then in the chunk.
    bool contains(std::int64_t id) const;
    // Number of ids <= id. Linear in the directory entries before it.
    std::int64_t rank(std::int64_t id) const;
    // The id with n smaller ones; n < cardinality. Linear in the directory entries, and in the loose ids
    // between them.
    std::int64_t select(std::int64_t n) const;

    // Reads an external image, server word excluded from the checks, of which everything is validated so that
    // it is canonical; anything else raises kBadBinary. The image must be aligned to 8 bytes.
    static void validate(std::span<const std::byte> image, MemoryResource* memory, Interrupt& interrupt);

  private:
    friend class ChunkCursor;

    const Prefix& prefix() const { return *reinterpret_cast<const Prefix*>(image_.data()); }
    void open_flat(std::size_t start);
    void open_large(std::size_t start);
    // Index of the first entry that ends at or after the key.
    std::size_t find_entry(std::uint64_t key, std::size_t from) const;
    std::uint64_t entry_key(std::size_t index) const { return keys_[index] >> 16; }
    std::uint64_t entry_last_key(std::size_t index) const;
    std::uint64_t entry_ids(std::size_t index) const;
    Chunk entry(std::size_t index) const;

    std::span<const std::byte> image_;
    std::int64_t cardinality_;
    std::int64_t lowest_;
    std::int64_t highest_;
    std::uint32_t dictionary_;
    std::uint32_t chunk_count_;
    std::uint32_t loose_count_;
    const std::uint64_t* keys_;     // ascending
    const std::int64_t* loose_;     // ascending; all ids of a flat set
    const std::uint16_t* payload_;  // aligned to 8 bytes
    std::size_t payload_size_;      // in values
    const std::uint32_t* places_;
};

// Walks the chunks of a set in ascending order. The current chunk's pointers last until the next move.
class ChunkCursor {
  public:
    explicit ChunkCursor(const SetView& set) : set_(&set) { load(); }
    ChunkCursor(const ChunkCursor&) = delete;  // the current chunk may point into the cursor
    ChunkCursor& operator=(const ChunkCursor&) = delete;

    bool done() const { return done_; }
    const Chunk& chunk() const { return chunk_; }
    void next();
    // Moves to the first chunk that ends at or after the key; never backwards. Logarithmic in the chunks
    // left.
    void seek(std::uint64_t key);

  private:
    void load();

    const SetView* set_;
    std::uint32_t entry_ = 0;
    std::uint32_t loose_ = 0;
    std::uint32_t loose_taken_ = 0;  // loose ids in the current chunk
    bool done_ = false;
    Chunk chunk_{};
    std::array<std::uint16_t, kMaxFlatIds> lows_;
};

}  // namespace seg::core::idset
