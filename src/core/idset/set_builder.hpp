// Gathers ids and sets in any order, with repeats, into one set: the state of the aggregates. Three stores:
// full chunks as stretches, crowded chunks as bitmaps found by hashing their key, and the rest as a list of
// ids that is sorted when it is full. A chunk is crowded once the list holds as many of its ids as would fill
// a bitmap's memory, so nothing takes more room than it would in the list.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_image.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

class SetBuilder {
  public:
    // Ids of one chunk from which a bitmap takes no more memory than they do.
    static constexpr std::uint32_t kCrowd = kBitmapBytes / sizeof(std::uint64_t);

    explicit SetBuilder(MemoryResource* memory, std::uint32_t dictionary = 0);
    ~SetBuilder();
    SetBuilder(const SetBuilder&) = delete;
    SetBuilder& operator=(const SetBuilder&) = delete;

    // Amortised constant time.
    void add(std::int64_t id, Interrupt& interrupt) {
        if (arrived_ == kArrivals)
            put_away(interrupt);
        arrivals_[arrived_++] = ordered(id);
    }
    // lowest..highest, inclusive; nothing when they are out of order. Constant time per range, and for the
    // chunks at its ends.
    void add_range(std::int64_t lowest, std::int64_t highest, Interrupt& interrupt);
    void add_chunk(const Chunk& chunk, Interrupt& interrupt);
    // Says that what comes next has this summary: takes over its dictionary, or raises kInvalidArgument (see
    // combined_dictionary).
    void join(const SetSummary& summary);
    // Linear in the size of the set. Takes over the set's dictionary as combined_dictionary says.
    void add_set(const SetView& set, Interrupt& interrupt);

    // All that was gathered, into an empty writer of the same dictionary. More may be added afterwards.
    void write(SetWriter& out, Interrupt& interrupt);
    std::int64_t cardinality(Interrupt& interrupt);

    bool empty() const {
        return arrived_ == 0 && listed_ == 0 && crowded_count_ == 0 && spans_.empty() && !only_;
    }
    std::uint32_t dictionary() const { return dictionary_; }

    // The image of all that was gathered, as a pair of calls: its size, then the image in that many bytes.
    std::uint64_t image_size(Interrupt& interrupt);
    void write_image(std::span<std::byte> image, Interrupt& interrupt);

  private:
    struct Crowd {
        std::uint64_t key;
        std::uint64_t* words;  // nullptr: an empty slot
    };
    struct Span {
        std::uint64_t key;
        std::uint64_t count;
    };

    std::size_t slot_of(std::uint64_t key) const { return key * 0x9e3779b97f4a7c15ULL >> shift_; }
    std::uint64_t* find(std::uint64_t key) const {
        for (std::size_t slot = slot_of(key);; slot = (slot + 1) & (crowds_.size() - 1)) {
            const Crowd& crowd = crowds_[slot];
            if (crowd.words == nullptr || crowd.key == key)
                return crowd.words;
        }
    }
    std::uint64_t* find_or_make(std::uint64_t key);
    void insert(Crowd crowd);
    void grow_table();
    void put_away(Interrupt& interrupt);
    void sort_list(Interrupt& interrupt);
    void grow_list(Interrupt& interrupt);
    void make_room(Interrupt& interrupt);
    void promote_crowds(Interrupt& interrupt);
    void join_spans(Interrupt& interrupt);
    void spread_only(Interrupt& interrupt);

    // Ids that just came. What add() touches lies together, in few lines and one page of memory, because
    // groups are visited at random; from here ids go on in a batch, whose cache misses overlap.
    static constexpr std::size_t kArrivals = 31;
    std::size_t arrived_ = 0;
    std::uint64_t arrivals_[kArrivals];

    MemoryResource* memory_;
    std::uint32_t dictionary_;
    Vector<std::uint64_t> list_;  // its size is its capacity
    std::size_t listed_ = 0;
    Vector<Crowd> crowds_;  // open addressing; its size is a power of two or zero
    std::size_t crowded_count_ = 0;
    int shift_ = 64;
    Vector<Span> spans_;
    std::size_t joined_spans_ = 0;  // at the last join
    std::optional<SetImage> only_;  // the first set, as it is, while nothing else has come
    SetWriter writer_;
    bool written_ = false;  // writer_ has all that was put away
};

}  // namespace seg::core::idset
