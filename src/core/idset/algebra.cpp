#include "core/idset/algebra.hpp"

#include <algorithm>
#include <cstring>

#include "core/idset/bitmap_kernels.hpp"

namespace seg::core::idset {
namespace {

// The chunk at the front of a set, which may be taken in part when it stands for several.
class Front {
  public:
    explicit Front(const SetView& set) : cursor_(set) { load(); }

    bool done() const { return cursor_.done(); }
    const Chunk& chunk() const { return chunk_; }
    Chunk first(std::uint64_t count) const {
        Chunk part = chunk_;
        part.count = count;
        return part;
    }
    void drop(std::uint64_t count) {
        if (count < chunk_.count) {
            chunk_.key += count;
            chunk_.count -= count;
            return;
        }
        cursor_.next();
        load();
    }
    void seek(std::uint64_t key) {
        if (done() || chunk_.last_key() < key) {
            cursor_.seek(key);
            load();
        }
        if (!done() && chunk_.key < key)
            drop(key - chunk_.key);
    }

  private:
    void load() {
        if (!done())
            chunk_ = cursor_.chunk();
    }

    ChunkCursor cursor_;
    Chunk chunk_{};
};

// Rough work of looking at one pair of chunks, for the interrupt.
constexpr std::uint64_t kWorkOfPair = 512;
constexpr std::uint64_t kWorkOfOne = 64;

// Walks two sets. Visitor says with kLeft and kRight whether it wants the chunks that only one has, takes
// them with only(), and the pairs with both(), of which either may be full, and several chunks long if both
// are. Stops when a call returns false.
template <typename Visitor>
void walk(const SetView& a, const SetView& b, Visitor& visitor, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    Front x(a);
    Front y(b);
    bool more = true;
    while (more && !x.done() && !y.done()) {
        const std::uint64_t x_key = x.chunk().key;
        const std::uint64_t y_key = y.chunk().key;
        if (x_key == y_key) {
            const std::uint64_t count = std::min(x.chunk().count, y.chunk().count);
            more = visitor.both(x.first(count), y.first(count));
            x.drop(count);
            y.drop(count);
            meter.done(kWorkOfPair);
        } else if (x_key < y_key) {
            if constexpr (Visitor::kLeft) {
                const std::uint64_t count = std::min(x.chunk().count, y_key - x_key);
                more = visitor.left(x.first(count));
                x.drop(count);
            } else {
                x.seek(y_key);
            }
            meter.done(kWorkOfOne);
        } else {
            if constexpr (Visitor::kRight) {
                const std::uint64_t count = std::min(y.chunk().count, x_key - y_key);
                more = visitor.right(y.first(count));
                y.drop(count);
            } else {
                y.seek(x_key);
            }
            meter.done(kWorkOfOne);
        }
    }
    if constexpr (Visitor::kLeft)
        for (; more && !x.done(); x.drop(x.chunk().count), meter.done(kWorkOfOne))
            more = visitor.left(x.chunk());
    if constexpr (Visitor::kRight)
        for (; more && !y.done(); y.drop(y.chunk().count), meter.done(kWorkOfOne))
            more = visitor.right(y.chunk());
}

bool is_full(const Chunk& chunk) {
    return chunk.kind == ChunkKind::kFull;
}
bool is_array(const Chunk& chunk) {
    return chunk.kind == ChunkKind::kArray;
}

// The words of a chunk: its own when it is a bitmap, else written into scratch.
const std::uint64_t* words_of(const Chunk& chunk, std::uint64_t* scratch) {
    if (chunk.kind == ChunkKind::kBitmap)
        return chunk.words;
    std::memset(scratch, 0, kBitmapBytes);
    add_to_bitmap(chunk, scratch);
    return scratch;
}

// Values of a that are (kWanted) or are not in b. out has room for all of a, and may be a's own memory.
template <bool kWanted>
std::uint32_t filter_by_bitmap(const Chunk& a, const std::uint64_t* words, std::uint16_t* out) {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < a.cardinality; ++i) {
        out[count] = a.values[i];
        count += test_bit(words, a.values[i]) == kWanted;
    }
    return count;
}

// The position of the first value >= wanted at or after begin, when it is likely near.
const std::uint16_t* gallop(const std::uint16_t* begin, const std::uint16_t* end, std::uint16_t wanted) {
    std::size_t step = 1;
    while (step < static_cast<std::size_t>(end - begin) && begin[step] < wanted)
        step *= 2;
    const std::uint16_t* const limit = begin + std::min(step + 1, static_cast<std::size_t>(end - begin));
    return std::lower_bound(begin + step / 2, limit, wanted);
}

// Calls found(value) for each shared value of two arrays.
template <typename Found>
void intersect_arrays(const Chunk& a, const Chunk& b, const Found& found) {
    const Chunk& small = a.cardinality < b.cardinality ? a : b;
    const Chunk& large = a.cardinality < b.cardinality ? b : a;
    const std::uint16_t* x = small.values;
    const std::uint16_t* const x_end = x + small.cardinality;
    const std::uint16_t* y = large.values;
    const std::uint16_t* const y_end = y + large.cardinality;
    if (small.cardinality * 32 < large.cardinality) {
        for (; x != x_end; ++x) {
            y = gallop(y, y_end, *x);
            if (y == y_end)
                return;
            if (*y == *x)
                found(*x);
        }
        return;
    }
    while (x != x_end && y != y_end) {
        const std::uint16_t u = *x;
        const std::uint16_t v = *y;
        if (u == v)
            found(u);
        x += u <= v;
        y += v <= u;
    }
}

// Merging two arrays waits for a branch at each value. Through a bitmap none depends on the data, which pays
// from some length on, unless one is so short that it can leap through the other.
bool are_short(const Chunk& a, const Chunk& b) {
    constexpr std::uint32_t kShort = 128;
    return std::min(a.cardinality, b.cardinality) < kShort;
}
bool merge_is_faster(const Chunk& a, const Chunk& b) {
    constexpr std::uint32_t kFewTogether = 2048;
    return a.cardinality + b.cardinality < kFewTogether;
}

// Memory for the chunk that an operation makes.
struct Scratch {
    alignas(64) std::uint64_t left[kBitmapWords];
    alignas(64) std::uint64_t right[kBitmapWords];
    std::uint16_t values[kBitmapBytes];  // two arrays' worth
};

// What the four operations share: the chunks that are in one set only, and the pairs.
template <typename Operation>
struct Combination {
    static constexpr bool kLeft = Operation::kLeft;
    static constexpr bool kRight = Operation::kRight;

    SetWriter& out;
    Scratch scratch;

    bool left(const Chunk& chunk) {
        out.copy(chunk);
        return true;
    }
    bool right(const Chunk& chunk) { return left(chunk); }
    bool both(const Chunk& a, const Chunk& b) {
        if (!Operation::shortcut(a, b, out, scratch))
            combine_bitmaps(a, b);
        return true;
    }
    void combine_bitmaps(const Chunk& a, const Chunk& b) {
        const std::uint64_t* const x = words_of(a, scratch.left);
        const std::uint64_t* const y = words_of(b, scratch.right);
        for (std::size_t w = 0; w < kBitmapWords; ++w)
            scratch.left[w] = Operation::word(x[w], y[w]);
        out.bitmap(a.key, scratch.left);
    }
};

struct Union {
    static constexpr bool kLeft = true;
    static constexpr bool kRight = true;
    static std::uint64_t word(std::uint64_t a, std::uint64_t b) { return a | b; }
    static bool shortcut(const Chunk& a, const Chunk& b, SetWriter& out, Scratch& scratch) {
        if (is_full(a) || is_full(b)) {
            out.full(a.key, a.count);
            return true;
        }
        if (!is_array(a) || !is_array(b) || !merge_is_faster(a, b))
            return false;
        std::uint16_t* const end = std::set_union(a.values, a.values + a.cardinality, b.values,
                                                  b.values + b.cardinality, scratch.values);
        out.array(a.key, scratch.values, static_cast<std::uint32_t>(end - scratch.values));
        return true;
    }
};

struct Intersection {
    static constexpr bool kLeft = false;
    static constexpr bool kRight = false;
    static std::uint64_t word(std::uint64_t a, std::uint64_t b) { return a & b; }
    static bool shortcut(const Chunk& a, const Chunk& b, SetWriter& out, Scratch& scratch) {
        if (is_full(a) || is_full(b)) {
            out.copy(is_full(a) ? b : a);
            return true;
        }
        if (!is_array(a) && !is_array(b))
            return false;
        std::uint32_t count = 0;
        if (is_array(a) && is_array(b) && are_short(a, b)) {
            intersect_arrays(a, b, [&](std::uint16_t value) { scratch.values[count++] = value; });
        } else {
            const Chunk& array = is_array(a) ? a : b;
            const Chunk& other = is_array(a) ? b : a;
            count = filter_by_bitmap<true>(array, words_of(other, scratch.right), scratch.values);
        }
        out.array(a.key, scratch.values, count);
        return true;
    }
};

struct Difference {
    static constexpr bool kLeft = true;
    static constexpr bool kRight = false;
    static std::uint64_t word(std::uint64_t a, std::uint64_t b) { return a & ~b; }
    static bool shortcut(const Chunk& a, const Chunk& b, SetWriter& out, Scratch& scratch) {
        if (is_full(b))
            return true;
        if (!is_array(a))
            return false;
        std::uint16_t* end = scratch.values;
        if (is_array(b) && are_short(a, b))
            end = std::set_difference(a.values, a.values + a.cardinality, b.values, b.values + b.cardinality,
                                      scratch.values);
        else
            end += filter_by_bitmap<false>(a, words_of(b, scratch.right), scratch.values);
        out.array(a.key, scratch.values, static_cast<std::uint32_t>(end - scratch.values));
        return true;
    }
};

struct SymmetricDifference {
    static constexpr bool kLeft = true;
    static constexpr bool kRight = true;
    static std::uint64_t word(std::uint64_t a, std::uint64_t b) { return a ^ b; }
    static bool shortcut(const Chunk& a, const Chunk& b, SetWriter& out, Scratch& scratch) {
        if (is_full(a) && is_full(b))
            return true;
        if (!is_array(a) || !is_array(b))
            return false;
        std::uint16_t* const end = std::set_symmetric_difference(a.values, a.values + a.cardinality, b.values,
                                                                 b.values + b.cardinality, scratch.values);
        out.array(a.key, scratch.values, static_cast<std::uint32_t>(end - scratch.values));
        return true;
    }
};

template <typename Operation>
void combine(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt) {
    Combination<Operation> combination{out, {}};
    walk(a, b, combination, interrupt);
}

// Ids that one chunk of each shares.
std::uint32_t shared_ids(const Chunk& a, const Chunk& b, Scratch& scratch) {
    if (is_full(a))
        return b.cardinality;
    if (is_full(b))
        return a.cardinality;
    std::uint32_t count = 0;
    if (is_array(a) && is_array(b) && are_short(a, b)) {
        intersect_arrays(a, b, [&](std::uint16_t) { ++count; });
        return count;
    }
    if (!is_array(a) && !is_array(b))
        return bitmap_kernels().count_both(words_of(a, scratch.left), words_of(b, scratch.right));
    const Chunk& array = is_array(a) ? a : b;
    const std::uint64_t* const words = words_of(is_array(a) ? b : a, scratch.right);
    for (std::uint32_t i = 0; i < array.cardinality; ++i)
        count += test_bit(words, array.values[i]);
    return count;
}

struct CountShared {
    static constexpr bool kLeft = false;
    static constexpr bool kRight = false;
    std::uint64_t total = 0;
    Scratch scratch;

    bool both(const Chunk& a, const Chunk& b) {
        total += a.count * shared_ids(a, b, scratch);
        return true;
    }
};

struct FindShared {
    static constexpr bool kLeft = false;
    static constexpr bool kRight = false;
    bool found = false;
    Scratch scratch;

    bool both(const Chunk& a, const Chunk& b) {
        found = shared_ids(a, b, scratch) != 0;
        return !found;
    }
};

struct FindMissing {
    static constexpr bool kLeft = false;
    static constexpr bool kRight = true;
    bool missing = false;
    Scratch scratch;

    bool right(const Chunk&) {
        missing = true;
        return false;
    }
    bool both(const Chunk& a, const Chunk& b) {
        missing = shared_ids(a, b, scratch) != b.cardinality;
        return !missing;
    }
};

// The smallest id that is in one set and not in the other.
struct FindDifference {
    static constexpr bool kLeft = true;
    static constexpr bool kRight = true;
    bool found = false;
    bool in_left = false;
    std::int64_t id = 0;
    Scratch scratch;

    static std::uint32_t lowest(const Chunk& chunk) {
        if (chunk.kind == ChunkKind::kFull)
            return 0;
        if (chunk.kind != ChunkKind::kBitmap)
            return chunk.values[0];
        std::uint32_t w = 0;
        while (chunk.words[w] == 0)
            ++w;
        return w * 64 + static_cast<std::uint32_t>(std::countr_zero(chunk.words[w]));
    }
    bool left(const Chunk& chunk) {
        found = in_left = true;
        id = id_of(chunk.key, lowest(chunk));
        return false;
    }
    bool right(const Chunk& chunk) {
        left(chunk);
        in_left = false;
        return false;
    }
    bool both(const Chunk& a, const Chunk& b) {
        if (is_full(a) && is_full(b))
            return true;
        const std::uint64_t* const x = words_of(a, scratch.left);
        const std::uint64_t* const y = words_of(b, scratch.right);
        for (std::uint32_t w = 0; w < kBitmapWords; ++w)
            if (x[w] != y[w]) {
                const auto bit = static_cast<std::uint32_t>(std::countr_zero(x[w] ^ y[w]));
                found = true;
                in_left = x[w] >> bit & 1;
                id = id_of(a.key, w * 64 + bit);
                return false;
            }
        return true;
    }
};

}  // namespace

std::uint32_t combined_dictionary(const SetSummary& a, const SetSummary& b) {
    if (a.dictionary == b.dictionary)
        return a.dictionary;
    if (a.dictionary == 0 && a.cardinality == 0)
        return b.dictionary;
    if (b.dictionary == 0 && b.cardinality == 0)
        return a.dictionary;
    const auto name = [](std::uint32_t dictionary) {
        return dictionary == 0 ? std::string("no dictionary") : format("dictionary %u", dictionary);
    };
    throw Error(Errc::kInvalidArgument, "sets with ids of different dictionaries cannot be combined",
                format("One has ids of %s, the other of %s.", name(a.dictionary).c_str(),
                       name(b.dictionary).c_str()));
}

void unite(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt) {
    combine<Union>(a, b, out, interrupt);
}

void intersect(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt) {
    combine<Intersection>(a, b, out, interrupt);
}

void subtract(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt) {
    combine<Difference>(a, b, out, interrupt);
}

void symmetric_difference(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt) {
    combine<SymmetricDifference>(a, b, out, interrupt);
}

std::int64_t intersection_cardinality(const SetView& a, const SetView& b, Interrupt& interrupt) {
    CountShared counter;
    walk(a, b, counter, interrupt);
    return static_cast<std::int64_t>(counter.total);
}

bool overlaps(const SetView& a, const SetView& b, Interrupt& interrupt) {
    if (a.empty() || b.empty() || a.highest() < b.lowest() || b.highest() < a.lowest())
        return false;
    FindShared finder;
    walk(a, b, finder, interrupt);
    return finder.found;
}

bool includes(const SetView& a, const SetView& b, Interrupt& interrupt) {
    if (b.empty())
        return true;
    if (a.cardinality() < b.cardinality() || b.lowest() < a.lowest() || b.highest() > a.highest())
        return false;
    FindMissing finder;
    walk(a, b, finder, interrupt);
    return !finder.missing;
}

std::strong_ordering compare(const SetView& a, const SetView& b, Interrupt& interrupt) {
    if (a.empty() || b.empty())
        return a.cardinality() <=> b.cardinality();
    FindDifference finder;
    walk(a, b, finder, interrupt);
    if (!finder.found)
        return std::strong_ordering::equal;
    // The set with the id is the smaller one, unless the other has ended.
    const SetView& other = finder.in_left ? b : a;
    const bool other_goes_on = other.highest() > finder.id;
    return finder.in_left == other_goes_on ? std::strong_ordering::less : std::strong_ordering::greater;
}

namespace {

// The ids first..last of one chunk.
void write_part(const Chunk& chunk, std::uint32_t first, std::uint32_t last, SetWriter& out) {
    const std::uint16_t run[2] = {static_cast<std::uint16_t>(first),
                                  static_cast<std::uint16_t>(last - first)};
    const Chunk wanted{chunk.key, 1, last - first + 1, ChunkKind::kRuns, 1, run, nullptr};
    if (is_full(chunk))
        return out.runs(chunk.key, run, 1);
    Scratch scratch;
    const std::uint64_t* const words = words_of(chunk, scratch.left);
    const std::uint64_t* const mask = words_of(wanted, scratch.right);
    for (std::size_t w = 0; w < kBitmapWords; ++w)
        scratch.left[w] = words[w] & mask[w];
    out.bitmap(chunk.key, scratch.left);
}

}  // namespace

void slice(const SetView& set, std::int64_t lowest, std::int64_t highest, SetWriter& out,
           Interrupt& interrupt) {
    if (lowest > highest)
        return;
    const std::uint64_t first_key = key_of(lowest);
    const std::uint64_t last_key = key_of(highest);
    WorkMeter meter(interrupt);
    Front front(set);
    for (front.seek(first_key); !front.done() && front.chunk().key <= last_key; meter.done(kWorkOfOne)) {
        const std::uint64_t key = front.chunk().key;
        const std::uint32_t first = key == first_key ? low_of(lowest) : 0;
        const std::uint32_t last = key == last_key ? low_of(highest) : kChunkIds - 1;
        if (first != 0 || last != kChunkIds - 1) {
            write_part(front.first(1), first, last, out);
            front.drop(1);
            continue;
        }
        // Whole chunks, as many as lie before one that is cut.
        const std::uint64_t count = std::min(front.chunk().count, std::max(last_key - key, std::uint64_t{1}));
        out.copy(front.first(count));
        front.drop(count);
    }
}

void write_range(std::int64_t lowest, std::int64_t highest, SetWriter& out) {
    if (lowest > highest)
        return;
    split_range(lowest, highest, [&out](const Chunk& chunk) {
        if (chunk.kind == ChunkKind::kFull)
            out.full(chunk.key, chunk.count);
        else
            out.runs(chunk.key, chunk.values, chunk.run_count);
    });
}

}  // namespace seg::core::idset
