#include "core/idset/pair_counts.hpp"

#include <algorithm>
#include <cstring>

#include "core/idset/bitmap_kernels.hpp"
#include "core/idset/chunk_steps.hpp"

namespace seg::core::idset {
namespace {

// An array with at most so many ids is looked up in the bitmaps of others; a longer one becomes a bitmap
// itself, unless few sets share ids. About as many lookups cost as much as counting the bits of two bitmaps.
constexpr std::uint32_t kShort = 96;
// What things cost, in units of one lookup: an id put on a list and off again, two sets met in a list, and
// two bitmaps counted.
constexpr std::uint64_t kCostOfId = 16;
constexpr std::uint64_t kCostOfMeeting = 4;
constexpr std::uint64_t kCostOfPair = 110;
// So many bitmaps are met by so many others before the next ones come in: both fit the cache.
constexpr std::size_t kTile = 32;
// For the interrupt: two bitmaps counted, a bitmap filled or merged.
constexpr std::uint64_t kWorkOfPair = 64;
constexpr std::uint64_t kWorkOfBitmap = 1024;

std::uint64_t pairs_of(std::uint64_t sets, std::uint64_t split) {
    return split != 0 ? split * (sets - split) : sets * (sets == 0 ? 0 : sets - 1) / 2;
}

}  // namespace

// The working memory of one count. Ids of sets that are full for many chunks are not added step by step: what
// the other sets have meanwhile is gathered, and added for each full set when the full sets change.
class PairCounter {
  public:
    PairCounter(std::span<const SetView> sets, PairCounts& out, MemoryResource* memory, Interrupt& interrupt)
        : out_(out),
          kernels_(bitmap_kernels()),
          meter_(interrupt),
          steps_(sets, memory),
          short_(memory),
          wide_(memory),
          bitmaps_(memory),
          heads_(kChunkIds, kNone, Allocator<std::uint32_t>(memory)),
          links_(memory),
          full_(memory),
          meanwhile_(sets.size(), 0, Allocator<std::uint64_t>(memory)),
          touched_(memory) {}

    void run() {
        while (steps_.next()) {
            if (steps_.full_changed())
                change_full();
            meanwhile_chunks_ += steps_.count();
            if (steps_.parts().empty())
                no_parts();
            else
                parts();
            meter_.done(kWorkOfPair);
        }
        settle();
    }

  private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};

    // A chunk as a bitmap.
    struct Wide {
        std::uint32_t set;
        std::uint32_t cardinality;
        const std::uint64_t* words;
    };
    // A value of a short array, and the one before it with the same low bits.
    struct Link {
        std::uint32_t set;
        std::uint32_t next;
    };

    // 0 or 1; without a split all sets are on side 0.
    unsigned side_of(std::uint32_t set) const { return out_.split_ != 0 && set >= out_.split_; }
    bool counted(std::uint32_t a, std::uint32_t b) const {
        return out_.split_ == 0 ? a != b : side_of(a) != side_of(b);
    }
    std::uint64_t& shared(std::uint32_t a, std::uint32_t b) {
        return out_.shared_[a < b ? out_.place(a, b) : out_.place(b, a)];
    }

    void change_full() {
        settle();
        full_.assign(steps_.full().begin(), steps_.full().end());
        side_full_[0] = side_full_[1] = false;
        for (std::uint32_t set : full_)
            side_full_[side_of(set)] = true;
    }

    // Adds what was gathered since the full sets changed.
    void settle() {
        for (std::size_t i = 0; i < full_.size(); ++i) {
            const std::uint32_t set = full_[i];
            for (std::size_t j = i + 1; j < full_.size(); ++j)
                if (counted(set, full_[j]))
                    shared(set, full_[j]) += meanwhile_chunks_ * kChunkIds;
            for (std::uint32_t other : touched_)
                if (counted(set, other))
                    shared(set, other) += meanwhile_[other];
            if (out_.split_ != 0)
                out_.outside_[set] += uncovered_[1 - side_of(set)];
            meter_.done(full_.size() - i + touched_.size());
        }
        for (std::uint32_t set : touched_)
            meanwhile_[set] = 0;
        touched_.clear();
        meanwhile_chunks_ = 0;
        uncovered_[0] = uncovered_[1] = 0;
    }

    // Ids of the stretch that some full set has, and the sets of this side do not.
    void add_uncovered(unsigned side, std::uint64_t ids) {
        if (!full_.empty() && !side_full_[side])
            uncovered_[side] += ids;
    }

    void no_parts() {
        const std::uint64_t ids = steps_.count() * kChunkIds;
        out_.united_ += static_cast<unsigned __int128>(steps_.count()) * kChunkIds;
        add_uncovered(0, ids);
        add_uncovered(1, ids);
    }

    void parts() {
        sort_out();
        unite();
        if (out_.split_ != 0)
            count_outside();
        count_wide();
        count_short_in_wide();
        count_short();
        clear();
    }

    std::size_t first_of_side_1(const auto& list) const {
        std::size_t i = 0;
        while (i < list.size() && side_of(list[i].set) == 0)
            ++i;
        return i;
    }

    // Whether to take arrays of any length id by id: it is cheaper than bitmaps when few sets share an id.
    bool are_sparse() {
        std::uint64_t arrays[2] = {0, 0};
        std::uint64_t others[2] = {0, 0};
        std::uint64_t ids = 0;
        for (const ChunkSteps::Part& part : steps_.parts()) {
            const bool array = part.chunk->kind == ChunkKind::kArray;
            ++(array ? arrays : others)[side_of(part.set)];
            ids += array ? part.chunk->cardinality : 0;
        }
        const bool split = out_.split_ != 0;
        const std::uint64_t pairs =
            split ? arrays[0] * arrays[1] + arrays[0] * others[1] + arrays[1] * others[0]
                  : arrays[0] * (arrays[0] + 2 * others[0]) / 2;
        const std::uint64_t with_bitmaps = pairs * kCostOfPair + ids;
        const std::uint64_t with_lists = ids * (kCostOfId + std::max(others[0], others[1]));
        return with_lists < with_bitmaps && count_meetings() < (with_bitmaps - with_lists) / kCostOfMeeting;
    }

    // How often two arrays share an id. An empty list is counted up from.
    std::uint64_t count_meetings() {
        std::uint64_t meetings = 0;
        for (const ChunkSteps::Part& part : steps_.parts())
            if (part.chunk->kind == ChunkKind::kArray) {
                for_each_low(*part.chunk, [&](std::uint32_t low) { meetings += ++heads_[low]; });
                meter_.done(part.chunk->cardinality);
            }
        for (const ChunkSteps::Part& part : steps_.parts())
            if (part.chunk->kind == ChunkKind::kArray)
                for_each_low(*part.chunk, [this](std::uint32_t low) { heads_[low] = kNone; });
        return meetings;
    }

    void sort_out() {
        const std::uint32_t longest = steps_.ids_in_parts() <= kShort || are_sparse() ? kChunkIds : kShort;
        std::size_t to_expand = 0;
        for (const ChunkSteps::Part& part : steps_.parts()) {
            const Chunk& chunk = *part.chunk;
            if (chunk.kind == ChunkKind::kArray && chunk.cardinality <= longest) {
                short_.push_back(part);
                short_ids_ += chunk.cardinality;
            } else {
                wide_.push_back({part.set, chunk.cardinality, chunk.words});
                to_expand += chunk.kind != ChunkKind::kBitmap;
            }
            if (!full_.empty()) {
                if (meanwhile_[part.set] == 0)
                    touched_.push_back(part.set);
                meanwhile_[part.set] += chunk.cardinality;
            }
        }
        if (to_expand != 0)
            expand(to_expand);
    }

    // Gives the wide ones that are not bitmaps bitmaps of ours.
    void expand(std::size_t count) {
        if (bitmaps_.size() < count * kBitmapWords)
            grow(count);
        std::uint64_t* words = bitmaps_.data();
        std::size_t w = 0;
        for (const ChunkSteps::Part& part : steps_.parts()) {
            if (w == wide_.size() || wide_[w].set != part.set)
                continue;
            Wide& wide = wide_[w++];
            if (part.chunk->kind == ChunkKind::kBitmap)
                continue;
            std::memset(words, 0, kBitmapBytes);
            add_to_bitmap(*part.chunk, words);
            wide.words = words;
            words += kBitmapWords;
            meter_.done(kWorkOfBitmap);
        }
    }

    void grow(std::size_t count) {
        const std::size_t wanted = std::max(count, std::min(steps_.parts().size(), 2 * count)) * kBitmapWords;
        Vector<std::uint64_t> empty(bitmaps_.get_stored_allocator());
        bitmaps_.swap(empty);
        Vector<std::uint64_t> larger(wanted, boost::container::default_init, bitmaps_.get_stored_allocator());
        bitmaps_.swap(larger);
    }

    void unite() {
        for (const Wide& wide : wide_) {
            std::uint64_t* const words = united_[side_of(wide.set)];
            for (std::size_t w = 0; w < kBitmapWords; ++w)
                words[w] |= wide.words[w];
            meter_.done(kWorkOfPair);
        }
        std::uint64_t fresh[2] = {0, 0};
        for (const ChunkSteps::Part& part : short_) {
            const unsigned side = side_of(part.set);
            for (std::uint32_t i = 0; i < part.chunk->cardinality; ++i) {
                fresh[side] += !test_bit(united_[side], part.chunk->values[i]);
                set_bit(united_[side], part.chunk->values[i]);
            }
        }
        for (unsigned side : {0U, 1U}) {
            const std::uint64_t ids = wide_.empty() ? fresh[side] : kernels_.count(united_[side]);
            add_uncovered(side, kChunkIds - ids);
            if (side == 0)
                out_.united_ += full_.empty() ? ids : kChunkIds;
        }
    }

    // Ids of the parts that the other side lacks.
    void count_outside() {
        for (const Wide& wide : wide_) {
            const unsigned other = 1 - side_of(wide.set);
            if (!side_full_[other])
                out_.outside_[wide.set] += wide.cardinality - kernels_.count_both(wide.words, united_[other]);
        }
        for (const ChunkSteps::Part& part : short_) {
            const unsigned other = 1 - side_of(part.set);
            if (!side_full_[other])
                out_.outside_[part.set] += part.chunk->cardinality - count_in(*part.chunk, united_[other]);
        }
    }

    static std::uint32_t count_in(const Chunk& array, const std::uint64_t* words) {
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < array.cardinality; ++i)
            count += test_bit(words, array.values[i]);
        return count;
    }

    // Bitmaps with bitmaps, tile by tile.
    void count_wide() {
        const bool split = out_.split_ != 0;
        const std::size_t middle = split ? first_of_side_1(wide_) : 0;
        const std::size_t a_end = split ? middle : wide_.size();
        for (std::size_t b = middle; b < wide_.size(); b += kTile)
            for (std::size_t a = 0; a < a_end && (split || a <= b); a += kTile)
                count_tile(a, std::min(a + kTile, a_end), b, std::min(b + kTile, wide_.size()));
    }

    void count_tile(std::size_t a_begin, std::size_t a_end, std::size_t b_begin, std::size_t b_end) {
        for (std::size_t b = b_begin; b < b_end; ++b) {
            const Wide& wide = wide_[b];
            const std::size_t end = out_.split_ != 0 ? a_end : std::min(a_end, b);
            for (std::size_t a = a_begin; a < end; ++a)
                out_.shared_[out_.place(wide_[a].set, wide.set)] +=
                    kernels_.count_both(wide_[a].words, wide.words);
            meter_.done(kWorkOfPair * (end > a_begin ? end - a_begin : 0));
        }
    }

    void count_short_in_wide() {
        for (const Wide& wide : wide_) {
            for (const ChunkSteps::Part& part : short_)
                if (counted(wide.set, part.set))
                    shared(wide.set, part.set) += count_in(*part.chunk, wide.words);
            meter_.done(short_ids_);
        }
    }

    // Short arrays with short arrays, id by id: the sets that have an id form a list, and each that joins it
    // shares the id with all before it. With a split only side 0 joins.
    void count_short() {
        if (short_.size() < 2)
            return;
        for (const ChunkSteps::Part& part : short_) {
            const bool asks = out_.split_ == 0 || side_of(part.set) == 1;
            const bool joins = out_.split_ == 0 || side_of(part.set) == 0;
            std::uint64_t* const row = asks ? &out_.shared_[0] + row_of(part.set) : nullptr;
            for (std::uint32_t i = 0; i < part.chunk->cardinality; ++i) {
                std::uint32_t& head = heads_[part.chunk->values[i]];
                std::uint64_t met = 1;
                if (asks)
                    for (std::uint32_t at = head; at != kNone; at = links_[at].next, ++met)
                        ++row[links_[at].set];
                if (joins) {
                    links_.push_back({part.set, head});
                    head = static_cast<std::uint32_t>(links_.size() - 1);
                }
                meter_.done(met);
            }
        }
        for (const ChunkSteps::Part& part : short_)
            for (std::uint32_t i = 0; i < part.chunk->cardinality; ++i)
                heads_[part.chunk->values[i]] = kNone;
        links_.clear();
    }

    // Where the pairs with this b start; b > 0 only if there is any.
    std::size_t row_of(std::uint32_t b) const { return b == 0 ? 0 : out_.place(0, b); }

    void clear() {
        if (wide_.empty()) {
            for (const ChunkSteps::Part& part : short_)
                for (std::uint32_t i = 0; i < part.chunk->cardinality; ++i)
                    united_[side_of(part.set)][part.chunk->values[i] >> 6] = 0;
        } else {
            std::memset(united_, 0, sizeof united_);
        }
        wide_.clear();
        short_.clear();
        short_ids_ = 0;
    }

    PairCounts& out_;
    const BitmapKernels& kernels_;
    WorkMeter meter_;
    ChunkSteps steps_;
    Vector<ChunkSteps::Part> short_;  // ascending by set, as the next
    std::uint64_t short_ids_ = 0;
    Vector<Wide> wide_;
    Vector<std::uint64_t> bitmaps_;
    Vector<std::uint32_t> heads_;  // by low bits; all kNone between steps
    Vector<Link> links_;
    alignas(64) std::uint64_t united_[2][kBitmapWords] = {};  // the parts of a side; 0 between steps

    // Since the full sets changed:
    Vector<std::uint32_t> full_;
    bool side_full_[2] = {false, false};
    std::uint64_t meanwhile_chunks_ = 0;
    Vector<std::uint64_t> meanwhile_;      // ids of each set in its parts
    Vector<std::uint32_t> touched_;        // sets with such ids
    std::uint64_t uncovered_[2] = {0, 0};  // ids that no set of the side has
};

PairCounts::PairCounts(std::span<const SetView> sets, std::uint32_t split, MemoryResource* memory,
                       Interrupt& interrupt)
    : split_(split),
      shared_(pairs_of(sets.size(), split), 0, Allocator<std::uint64_t>(memory)),
      outside_(split != 0 ? sets.size() : 0, 0, Allocator<std::uint64_t>(memory)) {
    PairCounter(sets, *this, memory, interrupt).run();
}

Bill PairCounts::price(std::uint64_t sets, std::uint64_t split) {
    Bill bill;
    bill.add(pairs_of(sets, split), sizeof(std::uint64_t));
    bill.add(sets, kBitmapBytes + 64);
    bill.add(kChunkIds, sizeof(std::uint32_t));
    ChunkSteps::price(sets, bill);
    return bill;
}

}  // namespace seg::core::idset
