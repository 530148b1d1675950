// Sets of ids against a model: stretches in a sorted vector, and an encoder of their image that knows the
// format and nothing of the code under test. Short sequences of operations, and mutated images, are both
// decoded from a few bytes, so that a fuzzer and a random generator drive the same checks.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::test {

using namespace seg::core;
using namespace seg::core::idset;

inline void expect(bool condition, const char* what) {
    if (!condition)
        throw std::logic_error(what);
}

class HeapResource final : public MemoryResource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        return ::operator new(bytes, std::align_val_t(alignment));
    }
    void do_deallocate(void* p, std::size_t, std::size_t alignment) override {
        ::operator delete(p, std::align_val_t(alignment));
    }
    bool do_is_equal(const MemoryResource& other) const noexcept override { return this == &other; }
};

// Bytes in an allocation of exactly their size, aligned as the server aligns values, so that AddressSanitizer
// sees the first byte read beyond them.
class Bytes {
  public:
    explicit Bytes(std::size_t size) : size_(size), bytes_(new (std::align_val_t(8)) std::byte[size]{}) {}
    explicit Bytes(std::span<const std::byte> from) : Bytes(from.size()) {
        std::copy(from.begin(), from.end(), bytes_.get());
    }
    std::span<std::byte> span() { return {bytes_.get(), size_}; }
    std::span<const std::byte> span() const { return {bytes_.get(), size_}; }
    // Equal but for the server's word.
    bool operator==(const Bytes& other) const {
        return size_ == other.size_ && std::equal(bytes_.get() + 4, bytes_.get() + size_, &other.bytes_[4]);
    }

  private:
    struct Free {
        void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t(8)); }
    };
    std::size_t size_;
    std::unique_ptr<std::byte[], Free> bytes_;
};

inline Bytes written(SetWriter& writer) {
    Bytes image(writer.image_size());
    writer.write_image(image.span());
    return image;
}

// Ids as numbers in unsigned order, both ends included.
struct Piece {
    std::uint64_t lowest;
    std::uint64_t highest;
    bool operator==(const Piece&) const = default;
};
// Ascending pieces that neither meet nor touch.
using Model = std::vector<Piece>;
using Count = unsigned __int128;

inline Model model_of(std::vector<Piece> pieces) {
    const auto before = [](const Piece& a, const Piece& b) { return a.lowest < b.lowest; };
    if (!std::is_sorted(pieces.begin(), pieces.end(), before))
        std::sort(pieces.begin(), pieces.end(), before);
    Model model;
    for (const Piece& piece : pieces) {
        if (!model.empty() && Count{model.back().highest} + 1 >= piece.lowest)
            model.back().highest = std::max(model.back().highest, piece.highest);
        else
            model.push_back(piece);
    }
    return model;
}

inline Count cardinality_of(const Model& model) {
    Count total = 0;
    for (const Piece& piece : model)
        total += Count{piece.highest - piece.lowest} + 1;
    return total;
}

inline constexpr Count kMostIds = INT64_MAX;

// Sweeps over the ends of both sets' pieces; wanted(in_a, in_b) says what belongs to the result.
template <typename Wanted>
Model combine_models(const Model& a, const Model& b, const Wanted& wanted) {
    std::vector<Count> ends;
    for (const Model* model : {&a, &b})
        for (const Piece& piece : *model) {
            ends.push_back(piece.lowest);
            ends.push_back(Count{piece.highest} + 1);
        }
    std::sort(ends.begin(), ends.end());
    std::vector<Piece> pieces;
    std::size_t x = 0;
    std::size_t y = 0;
    for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
        if (ends[i] == ends[i + 1])
            continue;
        const auto inside = [&](const Model& model, std::size_t& at) {
            while (at < model.size() && model[at].highest < ends[i])
                ++at;
            return at < model.size() && model[at].lowest <= ends[i];
        };
        const bool in_a = inside(a, x);
        const bool in_b = inside(b, y);
        if (wanted(in_a, in_b))
            pieces.push_back(
                {static_cast<std::uint64_t>(ends[i]), static_cast<std::uint64_t>(ends[i + 1] - 1)});
    }
    return model_of(std::move(pieces));
}

inline std::strong_ordering compare_models(const Model& a, const Model& b) {
    std::size_t x = 0;
    std::size_t y = 0;
    std::uint64_t taken = 0;  // ids already compared of both current pieces
    while (x < a.size() && y < b.size()) {
        if (a[x].lowest != b[y].lowest)
            return a[x].lowest <=> b[y].lowest;
        taken = std::min(a[x].highest, b[y].highest);
        if (a[x].highest != b[y].highest) {
            // One piece ends; what follows it is beyond the other's next id, or missing.
            const bool a_ends = a[x].highest == taken;
            const bool follows = a_ends ? x + 1 < a.size() : y + 1 < b.size();
            return a_ends == follows ? std::strong_ordering::greater : std::strong_ordering::less;
        }
        ++x;
        ++y;
    }
    return x < a.size()   ? std::strong_ordering::greater
           : y < b.size() ? std::strong_ordering::less
                          : std::strong_ordering::equal;
}

inline bool model_contains(const Model& model, std::uint64_t id) {
    return std::any_of(model.begin(), model.end(),
                       [id](const Piece& piece) { return piece.lowest <= id && id <= piece.highest; });
}

inline std::uint64_t model_rank(const Model& model, std::uint64_t id) {
    std::uint64_t rank = 0;
    for (const Piece& piece : model)
        if (piece.lowest <= id)
            rank += std::min(piece.highest, id) - piece.lowest + 1;
    return rank;
}

inline std::uint64_t model_select(const Model& model, std::uint64_t n) {
    for (const Piece& piece : model) {
        if (n <= piece.highest - piece.lowest)
            return piece.lowest + n;
        n -= piece.highest - piece.lowest + 1;
    }
    throw std::logic_error("select beyond the model");
}

// The image that the format prescribes, put together without the writer.
class ModelEncoder {
  public:
    explicit ModelEncoder(const Model& model, std::uint32_t dictionary = 0)
        : model_(model), dictionary_(dictionary) {
        for (std::size_t i = 0; i < model.size(); ++i)
            split(model[i]);
        finish_chunk();
    }

    Bytes image() const {
        const std::size_t start = dictionary_ != 0 ? 16 : 8;
        std::vector<std::byte> bytes(start);
        bytes[4] = std::byte{'I'};
        bytes[5] = std::byte{1};
        bytes[7] = std::byte{dictionary_ != 0};
        if (dictionary_ != 0)
            std::memcpy(&bytes[8], &dictionary_, 4);
        std::vector<std::byte> large = body();
        const Count ids = cardinality_of(model_);
        if (ids <= 128 && 8 * static_cast<std::size_t>(ids) <= large.size()) {
            large.clear();
            for (const Piece& piece : model_)
                for (std::uint64_t id = piece.lowest; id - piece.lowest <= piece.highest - piece.lowest;
                     ++id) {
                    put(large, unordered(id));
                    if (id == piece.highest)
                        break;
                }
        } else {
            bytes[6] = std::byte{1};
        }
        bytes.insert(bytes.end(), large.begin(), large.end());
        return Bytes(std::span<const std::byte>(bytes));
    }

  private:
    struct Run {
        std::uint32_t first;
        std::uint32_t last;
    };

    template <typename T>
    static void put(std::vector<std::byte>& out, const T& value) {
        out.resize(out.size() + sizeof value);
        std::memcpy(&out[out.size() - sizeof value], &value, sizeof value);
    }
    template <typename T>
    static void put_all(std::vector<std::byte>& out, const std::vector<T>& values) {
        const auto bytes = std::as_bytes(std::span(values));
        out.insert(out.end(), bytes.begin(), bytes.end());
    }

    void split(const Piece& piece) {
        const std::uint64_t first_key = piece.lowest >> 16;
        const std::uint64_t last_key = piece.highest >> 16;
        std::uint64_t full_from = first_key + (piece.lowest % 65536 != 0);
        std::uint64_t full_to = last_key + (piece.highest % 65536 == 65535);  // exclusive
        if (full_from > first_key)
            run(first_key,
                {static_cast<std::uint32_t>(piece.lowest % 65536),
                 last_key > first_key ? 65535 : static_cast<std::uint32_t>(piece.highest % 65536)});
        if (full_from < full_to)
            full(full_from, full_to - full_from);
        if (full_to == last_key && last_key >= full_from)
            run(last_key, {0, static_cast<std::uint32_t>(piece.highest % 65536)});
    }
    void run(std::uint64_t key, Run run) {
        if (!runs_.empty() && key != key_)
            finish_chunk();
        key_ = key;
        runs_.push_back(run);
    }
    // Pieces do not touch, so no other full chunk is a neighbour.
    void full(std::uint64_t key, std::uint64_t count) {
        finish_chunk();
        for (std::uint64_t part; count != 0; key += part, count -= part) {
            part = std::min(count, std::uint64_t{1} << 46);
            keys_.push_back(key << 16 | (part - 1) >> 30);
            kinds_.push_back(3);
            positions_.push_back((part - 1) & 0x3fffffff);
        }
    }
    void finish_chunk() {
        std::uint32_t ids = 0;
        for (const Run& run : runs_)
            ids += run.last - run.first + 1;
        const std::size_t array_bytes = 2 * ids;
        const std::size_t run_bytes = 2 + 4 * runs_.size();
        if (ids != 0 && ids <= 2)
            each([&](std::uint32_t low) { loose_.push_back(unordered(key_ << 16 | low)); });
        else if (ids != 0 && run_bytes < array_bytes && run_bytes < 8192)
            put_runs(ids);
        else if (ids != 0 && array_bytes < 8192)
            put_array(ids);
        else if (ids != 0)
            put_bitmap(ids);
        runs_.clear();
    }
    template <typename Visit>
    void each(const Visit& visit) const {
        for (const Run& run : runs_)
            for (std::uint32_t low = run.first; low <= run.last; ++low)
                visit(low);
    }
    void entry(std::uint32_t ids, std::uint32_t kind, std::size_t position) {
        keys_.push_back(key_ << 16 | (ids - 1));
        kinds_.push_back(kind);
        positions_.push_back(position);
    }
    void put_array(std::uint32_t ids) {
        entry(ids, 0, values_.size());
        each([&](std::uint32_t low) { values_.push_back(static_cast<std::uint16_t>(low)); });
    }
    void put_runs(std::uint32_t ids) {
        entry(ids, 1, values_.size());
        values_.push_back(static_cast<std::uint16_t>(runs_.size()));
        for (const Run& run : runs_) {
            values_.push_back(static_cast<std::uint16_t>(run.first));
            values_.push_back(static_cast<std::uint16_t>(run.last - run.first));
        }
    }
    void put_bitmap(std::uint32_t ids) {
        entry(ids, 2, bitmaps_.size() / 1024);
        bitmaps_.resize(bitmaps_.size() + 1024);
        std::uint64_t* const words = &bitmaps_[bitmaps_.size() - 1024];
        each([&](std::uint32_t low) { words[low / 64] |= std::uint64_t{1} << low % 64; });
    }

    // Everything after the prefix in the large form.
    std::vector<std::byte> body() const {
        std::vector<std::byte> rest;
        put_all(rest, keys_);
        put_all(rest, loose_);
        put_all(rest, bitmaps_);
        put_all(rest, values_);
        if (values_.size() % 2 != 0)
            put(rest, std::uint16_t{0});
        for (std::size_t i = 0; i < keys_.size(); ++i) {
            const std::size_t before = kinds_[i] < 2 ? bitmaps_.size() * 4 : 0;
            put(rest, static_cast<std::uint32_t>((positions_[i] + before) << 2 | kinds_[i]));
        }
        std::vector<std::byte> out;
        put(out, static_cast<std::uint32_t>(keys_.size()));
        put(out, static_cast<std::uint32_t>(loose_.size()));
        put(out, static_cast<std::int64_t>(cardinality_of(model_)));
        put(out, model_.empty() ? 0 : unordered(model_.front().lowest));
        put(out, model_.empty() ? 0 : unordered(model_.back().highest));
        put(out, hash_bytes(rest));
        out.insert(out.end(), rest.begin(), rest.end());
        return out;
    }

    const Model& model_;
    std::uint32_t dictionary_;
    std::uint64_t key_ = 0;
    std::vector<Run> runs_;  // of the chunk in hand
    std::vector<std::uint64_t> keys_;
    std::vector<std::int64_t> loose_;
    std::vector<std::uint64_t> bitmaps_;
    std::vector<std::uint16_t> values_;
    std::vector<std::uint32_t> kinds_;
    std::vector<std::size_t> positions_;
};

// What walking the chunks of a set gives.
inline Model walked(const SetView& set) {
    std::vector<Piece> pieces;
    for (ChunkCursor at(set); !at.done(); at.next()) {
        const Chunk& chunk = at.chunk();
        if (chunk.kind == ChunkKind::kFull)
            pieces.push_back({chunk.key << 16, chunk.last_key() << 16 | 65535});
        else if (chunk.kind == ChunkKind::kRuns)
            for (std::uint32_t r = 0; r < chunk.run_count; ++r) {
                const std::uint64_t lowest = chunk.key << 16 | chunk.values[2 * r];
                pieces.push_back({lowest, lowest + chunk.values[2 * r + 1]});
            }
        else
            for_each_low(chunk, [&](std::uint32_t low) {
                const std::uint64_t id = chunk.key << 16 | low;
                if (!pieces.empty() && pieces.back().highest + 1 == id)
                    pieces.back().highest = id;
                else
                    pieces.push_back({id, id});
            });
    }
    return model_of(std::move(pieces));
}

// Decisions from bytes; zero for ever at their end.
class Choices {
  public:
    explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    bool any() const { return at_ < bytes_.size(); }
    std::uint32_t byte() { return any() ? bytes_[at_++] : 0; }
    std::uint32_t below(std::uint32_t limit) { return byte() % limit; }
    std::uint32_t two() {
        const std::uint32_t high = byte();
        return high << 8 | byte();
    }
    // An id near a border that matters.
    std::uint64_t id() {
        constexpr std::uint64_t kNear[] = {
            0,                     // the smallest id
            kSignBit - 2 * 65536,  // negative ids
            kSignBit - 65536,      // up to -1
            kSignBit,              // from 0
            kSignBit + 65536,      //
            kSignBit + (std::uint64_t{1} << 62) - 2 * 65536,
            ~std::uint64_t{0} - 4 * 65536 + 1,
            ~std::uint64_t{0} - 65536 + 1,  // up to the largest id
        };
        const std::uint32_t how = byte();
        std::uint64_t id = kNear[how & 7];
        const std::uint64_t next_chunks = id < kNear[7] ? how >> 3 & 3 : 0;
        const std::uint32_t low = how >> 5;
        return id + next_chunks * 65536 + (low == 0 ? two() : low < 6 ? byte() % 16 : 65535 - byte() % 8);
    }

  private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
};

// A few sets, each beside its model; every operation's result is compared with the image the format
// prescribes.
class Sequence {
  public:
    explicit Sequence(std::span<const std::uint8_t> bytes) : choices_(bytes) {
        for (std::uint32_t i = 0; i < kSets; ++i)
            sets_.push_back({{}, ModelEncoder({}).image()});
    }
    void run() {
        while (choices_.any())
            step();
    }

  private:
    static constexpr std::uint32_t kSets = 3;
    struct Set {
        Model model;
        Bytes image;
        SetView view() const { return SetView(image.span()); }
    };

    void step() {
        const std::uint32_t how = choices_.byte();
        Set& target = sets_[how / 16 % kSets];
        const Set& a = sets_[how / 48 % kSets];
        const Set& b = sets_[(how / 16 + how / 48 + 1) % kSets];
        switch (how % 16) {
            case 0:
                return unite_sets(target, a, b);
            case 1:
                return intersect_sets(target, a, b);
            case 2:
                return subtract_sets(target, a, b);
            case 3:
                return differ_sets(target, a, b);
            case 4:
                return relate(a, b);
            case 5:
                return probe(a);
            case 6:
                return range(target);
            case 7:
                return check_whole(a);
            default:
                return build(target, a);
        }
    }

    // What the operation writes must be the model's image, or too big when the model is.
    template <typename Write>
    void replace(Set& target, Model model, const Write& write) {
        SetWriter writer(&memory_);
        try {
            write(writer);
        } catch (const Error& error) {
            expect(error.code() == Errc::kTooBig && cardinality_of(model) > kMostIds, "an unexpected error");
            return;
        }
        expect(cardinality_of(model) <= kMostIds, "a set that is too big was made");
        Bytes image = written(writer);
        expect(image == ModelEncoder(model).image(), "not the image of the expected set");
        target.model = std::move(model);
        target.image = std::move(image);
    }
    void unite_sets(Set& target, const Set& a, const Set& b) {
        replace(target, combine_models(a.model, b.model, [](bool x, bool y) { return x || y; }),
                [&](SetWriter& out) { unite(a.view(), b.view(), out, interrupt_); });
    }
    void intersect_sets(Set& target, const Set& a, const Set& b) {
        replace(target, combine_models(a.model, b.model, [](bool x, bool y) { return x && y; }),
                [&](SetWriter& out) { intersect(a.view(), b.view(), out, interrupt_); });
    }
    void subtract_sets(Set& target, const Set& a, const Set& b) {
        replace(target, combine_models(a.model, b.model, [](bool x, bool y) { return x && !y; }),
                [&](SetWriter& out) { subtract(a.view(), b.view(), out, interrupt_); });
    }
    void differ_sets(Set& target, const Set& a, const Set& b) {
        replace(target, combine_models(a.model, b.model, [](bool x, bool y) { return x != y; }),
                [&](SetWriter& out) { symmetric_difference(a.view(), b.view(), out, interrupt_); });
    }
    void range(Set& target) {
        const std::uint64_t lowest = choices_.id();
        const std::uint64_t highest = choices_.id();
        Model model;
        if (lowest <= highest)
            model.push_back({lowest, highest});
        replace(target, std::move(model),
                [&](SetWriter& out) { write_range(unordered(lowest), unordered(highest), out); });
    }

    void relate(const Set& a, const Set& b) {
        const SetView x = a.view();
        const SetView y = b.view();
        const Count shared =
            cardinality_of(combine_models(a.model, b.model, [](bool in, bool too) { return in && too; }));
        expect(Count(intersection_cardinality(x, y, interrupt_)) == shared, "wrong shared cardinality");
        expect(overlaps(x, y, interrupt_) == (shared != 0), "wrong overlap");
        expect(includes(x, y, interrupt_) == (shared == cardinality_of(b.model)), "wrong inclusion");
        expect(compare(x, y, interrupt_) == compare_models(a.model, b.model), "wrong order");
        expect(compare(y, x, interrupt_) == compare_models(b.model, a.model), "wrong order the other way");
    }
    void probe(const Set& a) {
        const SetView view = a.view();
        for (int i = 0; i < 3; ++i) {
            const std::uint64_t id = choices_.id();
            expect(view.contains(unordered(id)) == model_contains(a.model, id), "wrong membership");
            expect(static_cast<std::uint64_t>(view.rank(unordered(id))) == model_rank(a.model, id),
                   "wrong rank");
        }
        if (view.empty())
            return;
        const auto last = static_cast<std::uint64_t>(view.cardinality()) - 1;
        for (const std::uint64_t n :
             {std::uint64_t{0}, last, choices_.two() * (last / 65536 + 1) % (last + 1)})
            expect(ordered(view.select(static_cast<std::int64_t>(n))) == model_select(a.model, n),
                   "wrong select");
    }
    void check_whole(const Set& a) {
        SetView::validate(a.image.span(), &memory_, interrupt_);
        const SetView view = a.view();
        expect(walked(view) == a.model, "wrong walk");
        const SetSummary summary = view.summary();
        expect(Count(summary.cardinality) == cardinality_of(a.model), "wrong cardinality");
        expect(a.model.empty() || (ordered(summary.lowest) == a.model.front().lowest &&
                                   ordered(summary.highest) == a.model.back().highest),
               "wrong ends");
        const std::size_t start = std::min(kSummaryBytes, a.image.span().size());
        const SetSummary same = SetView::summarize(a.image.span().first(start), a.image.span().size());
        expect(same.cardinality == summary.cardinality && same.hash == summary.hash, "wrong summary");
    }

    void build(Set& target, const Set& other) {
        SetBuilder builder(&memory_);
        std::vector<Piece> pieces;
        for (std::uint32_t count = choices_.below(6) + 1; count != 0; --count)
            gather(builder, pieces, other);
        replace(target, model_of(std::move(pieces)), [&](SetWriter& out) {
            if (choices_.below(2) != 0)
                builder.cardinality(interrupt_);  // must change nothing
            builder.write(out, interrupt_);
        });
    }
    void gather(SetBuilder& builder, std::vector<Piece>& pieces, const Set& other) {
        const std::uint64_t id = choices_.id();
        const std::uint32_t how = choices_.byte();
        if (how < 96) {
            builder.add(unordered(id), interrupt_);
            pieces.push_back({id, id});
        } else if (how < 160) {
            comb(builder, pieces, id, how % 4 + 1, choices_.byte() % 24);
        } else if (how < 161) {
            comb(builder, pieces, id, 2 + choices_.below(4), choices_.byte() * 28);
        } else if (how < 208) {
            stretch(builder, pieces, id, id + std::min<std::uint64_t>(choices_.two(), ~id));
        } else if (how < 232) {
            stretch(builder, pieces, id, choices_.id());
        } else {
            builder.add_set(other.view(), interrupt_);
            pieces.insert(pieces.end(), other.model.begin(), other.model.end());
        }
    }
    void stretch(SetBuilder& builder, std::vector<Piece>& pieces, std::uint64_t lowest,
                 std::uint64_t highest) {
        builder.add_range(unordered(lowest), unordered(highest), interrupt_);
        if (lowest <= highest)
            pieces.push_back({lowest, highest});
    }
    // Every step-th id.
    void comb(SetBuilder& builder, std::vector<Piece>& pieces, std::uint64_t id, std::uint64_t step,
              std::uint32_t count) {
        for (; count != 0; --count) {
            builder.add(unordered(id), interrupt_);
            pieces.push_back({id, id});
            if (~id < step)
                return;
            id += step;
        }
    }

    Choices choices_;
    HeapResource memory_;
    NoInterrupt interrupt_;
    std::vector<Set> sets_;
};

// An image that was accepted must be the one image of what it holds, and every reader must agree on that.
inline void check_accepted(std::span<const std::byte> image) {
    const SetView set(image);
    const Model model = walked(set);
    expect(Bytes(image) == ModelEncoder(model, set.dictionary()).image(), "an image that is not canonical");
    expect(Count(set.cardinality()) == cardinality_of(model), "wrong cardinality");
    for (std::size_t i = 0; i < model.size(); i += model.size() / 8 + 1) {
        const Piece& piece = model[i];
        expect(set.contains(unordered(piece.lowest)) && set.contains(unordered(piece.highest)), "a lost id");
        expect(piece.lowest == 0 || !set.contains(unordered(piece.lowest - 1)), "an id too many");
        const std::uint64_t rank = model_rank(model, model[i].lowest);
        expect(static_cast<std::uint64_t>(set.rank(unordered(model[i].lowest))) == rank, "wrong rank");
        expect(ordered(set.select(static_cast<std::int64_t>(rank - 1))) == model[i].lowest, "wrong select");
    }
}

// True when the bytes were accepted as an image. Nothing but kBadBinary may come out otherwise.
inline bool offer_image(std::span<const std::byte> bytes) {
    HeapResource memory;
    NoInterrupt interrupt;
    try {
        SetView::validate(bytes, &memory, interrupt);
    } catch (const Error& error) {
        expect(error.code() == Errc::kBadBinary, "refused with the wrong code");
        return false;
    }
    check_accepted(bytes);
    return true;
}

// A damaged stored value may give wrong answers or kCorrupted, but its readers stay within it.
inline void read_damaged(std::span<const std::byte> bytes) {
    try {
        const SetView set(bytes);
        for (const std::int64_t id : {set.lowest(), set.highest(), std::int64_t{0}, set.lowest() / 2}) {
            set.contains(id);
            set.rank(id);
        }
        set.select(0);
        set.select(set.cardinality() / 2);
    } catch (const Error& error) {
        expect(error.code() == Errc::kCorrupted, "damage reported with the wrong code");
    }
}

// A small set's image, changed in a few places; sometimes with the header's hash made right again, so that
// the change is judged by what it says. True when the result was accepted.
class Mutation {
  public:
    // The first half of the bytes says what to change, the second what the set is.
    explicit Mutation(std::span<const std::uint8_t> bytes)
        : choices_(bytes.first(bytes.size() / 2)), contents_(bytes.subspan(bytes.size() / 2)) {}

    bool run() {
        const std::uint32_t how = choices_.byte();
        const Bytes start = ModelEncoder(original(), how % 16 < 3 ? 7 : 0).image();
        image_.assign(start.span().begin(), start.span().end());
        do
            change();
        while (choices_.any() && !image_.empty());
        if (how >= 64)
            repair();
        const Bytes mutated{std::span<const std::byte>(image_)};
        read_damaged(mutated.span());
        return offer_image(mutated.span());
    }

  private:
    Model original() {
        std::vector<Piece> pieces;
        while (contents_.any()) {
            const std::uint64_t id = contents_.id();
            const std::uint32_t how = contents_.byte();
            if (how < 128)
                pieces.push_back({id, id});
            else if (how < 240)
                pieces.push_back({id, id + std::min<std::uint64_t>(how % 32, ~id)});
            else if (how < 255)
                pieces.push_back({id, id + std::min<std::uint64_t>(contents_.two() * 4, ~id)});
            else
                for (std::uint64_t i = 0; i < 4200 && 2 * i <= ~id; ++i)
                    pieces.push_back({id + 2 * i, id + 2 * i});
        }
        Model model = model_of(std::move(pieces));
        return cardinality_of(model) <= kMostIds ? model : Model{};
    }
    std::size_t position() { return choices_.two() % image_.size(); }
    void change() {
        const std::uint32_t how = choices_.byte();
        const std::size_t at = position();
        switch (how % 8) {
            case 0:
                image_[at] ^= static_cast<std::byte>(1 << how / 32);
                return;
            case 1:
                image_[at] = static_cast<std::byte>(choices_.byte());
                return;
            case 2:
                image_[at] = static_cast<std::byte>(std::to_integer<int>(image_[at]) + (how < 128 ? 1 : -1));
                return;
            case 3:
                image_.resize(how < 128 ? at
                                        : image_.size() - std::min<std::size_t>(image_.size(), how % 64));
                return;
            case 4:
                image_.resize(image_.size() + how / 8, static_cast<std::byte>(choices_.byte()));
                return;
            case 5:
                return copy_words(at, position());
            case 6:
                // The header's counts and the first keys.
                image_[std::min<std::size_t>(4 + how / 8, image_.size() - 1)] =
                    static_cast<std::byte>(choices_.byte());
                return;
            default:
                // The places, at the end.
                image_[image_.size() - 1 - std::min<std::size_t>(how / 8, image_.size() - 1)] ^=
                    static_cast<std::byte>(choices_.byte());
                return;
        }
    }
    void copy_words(std::size_t from, std::size_t to) {
        from -= from % 2;
        to -= to % 2;
        const std::size_t bytes =
            std::min({std::size_t{2} << choices_.below(4), image_.size() - from, image_.size() - to});
        std::vector<std::byte> part(&image_[from], &image_[from] + bytes);
        std::copy(part.begin(), part.end(), &image_[to]);
    }
    // Cardinality, ends and hash as the chunks would have them, if they can be walked at all.
    void repair() {
        if (image_.size() < 64 || image_[6] != std::byte{1})
            return;
        const std::size_t start = image_[7] == std::byte{1} ? 16 : 8;
        const std::uint64_t hash = hash_bytes(std::span<const std::byte>(image_).subspan(start + 40));
        std::memcpy(&image_[start + 32], &hash, 8);
        std::int64_t cardinality = 0;
        try {
            const Bytes copy{std::span<const std::byte>(image_)};
            const SetView view(copy.span());
            for (ChunkCursor at(view); !at.done(); at.next())
                cardinality += static_cast<std::int64_t>(at.chunk().ids() & INT32_MAX);
        } catch (const Error&) {
            return;
        }
        std::memcpy(&image_[start + 8], &cardinality, 8);
    }

    Choices choices_;
    Choices contents_;
    std::vector<std::byte> image_;
};

}  // namespace seg::test
