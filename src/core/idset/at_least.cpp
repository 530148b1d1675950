#include "core/idset/at_least.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/idset/chunk_steps.hpp"

namespace seg::core::idset {
namespace {

// Up to so many ids of a chunk are sorted; up to so many it is cheaper to undo the counters one by one than
// to read all of them.
constexpr std::uint64_t kVeryFewIds = 256;
constexpr std::uint64_t kFewIds = 4096;
// What counters of one byte can count.
constexpr std::size_t kMostParts = 255;

// The bits of a byte as eight bytes of 0 or 1, the lowest first.
constexpr std::array<std::uint64_t, 256> spread_bits() {
    std::array<std::uint64_t, 256> table{};
    for (std::uint64_t byte = 0; byte < 256; ++byte)
        for (unsigned bit = 0; bit < 8; ++bit)
            table[byte] |= (byte >> bit & 1) << (8 * bit);
    return table;
}
constexpr std::array<std::uint64_t, 256> kSpread = spread_bits();

// Adds 1 to the counter of each id; eight counters are one word, and none of them overflows into the next.
void count_bitmap(const std::uint64_t* words, std::uint8_t* counters) {
    for (std::size_t w = 0; w < kBitmapWords; ++w)
        for (unsigned byte = 0; byte < 8; ++byte) {
            std::uint8_t* const place = counters + w * 64 + byte * 8;
            std::uint64_t eight = 0;
            std::memcpy(&eight, place, sizeof eight);
            eight += kSpread[words[w] >> (8 * byte) & 0xff];
            std::memcpy(place, &eight, sizeof eight);
        }
}

void count_chunk(const Chunk& chunk, std::uint8_t* counters) {
    if (chunk.kind == ChunkKind::kBitmap) {
        count_bitmap(chunk.words, counters);
    } else if (chunk.kind == ChunkKind::kRuns) {
        for (std::uint32_t r = 0; r < chunk.run_count; ++r) {
            std::uint8_t* const first = counters + chunk.values[2 * r];
            for (std::uint32_t i = 0; i <= chunk.values[2 * r + 1]; ++i)
                ++first[i];
        }
    } else {
        for_each_low(chunk, [counters](std::uint32_t low) { ++counters[low]; });
    }
}

// The bits of the counters that reach the number.
template <typename Counter>
void find_enough(const Counter* counters, std::uint64_t needed, std::uint64_t* words) {
    const auto enough = static_cast<Counter>(needed);
    for (std::size_t w = 0; w < kBitmapWords; ++w) {
        std::uint64_t word = 0;
        for (std::size_t bit = 0; bit < 64; ++bit)
            word |= std::uint64_t{counters[w * 64 + bit] >= enough} << bit;
        words[w] = word;
    }
}

class AtLeast {
  public:
    AtLeast(std::span<const SetView> sets, std::uint64_t k, SetWriter& out, MemoryResource* memory,
            Interrupt& interrupt)
        : k_(k), out_(out), meter_(interrupt), steps_(sets, memory), counters_(memory), totals_(memory) {}

    void run() {
        while (steps_.next()) {
            step();
            meter_.done(kWorkOfStep + steps_.parts().size());
        }
    }

  private:
    static constexpr std::uint64_t kWorkOfStep = 32;

    void step() {
        const std::uint64_t full = steps_.full().size();
        if (full >= k_)
            return out_.full(steps_.key(), steps_.count());
        const std::uint64_t needed = k_ - full;
        const std::span<const ChunkSteps::Part> parts = steps_.parts();
        if (parts.size() < needed)
            return;
        if (parts.size() == 1)
            return out_.copy(*parts[0].chunk);
        if (steps_.ids_in_parts() <= kVeryFewIds)
            return sort_few(needed);
        if (needed == 1)
            return unite();
        if (counters_.empty())
            counters_.resize(kChunkIds, 0);
        if (steps_.ids_in_parts() <= kFewIds && parts.size() <= kMostParts)
            count_few(needed);
        else
            count_many(needed);
    }

    void sort_few(std::uint64_t needed) {
        std::size_t count = 0;
        for (const ChunkSteps::Part& part : steps_.parts())
            for_each_low(*part.chunk, [&](std::uint32_t low) {
                if (count < kVeryFewIds)
                    found_[count++] = static_cast<std::uint16_t>(low);
            });
        std::sort(found_, found_ + count);
        std::uint32_t kept = 0;
        for (std::size_t begin = 0; begin < count;) {
            std::size_t end = begin + 1;
            while (end < count && found_[end] == found_[begin])
                ++end;
            if (end - begin >= needed)
                found_[kept++] = found_[begin];
            begin = end;
        }
        out_.array(steps_.key(), found_, kept);
        meter_.done(8 * count);
    }

    void unite() {
        std::memset(words_, 0, sizeof words_);
        for (const ChunkSteps::Part& part : steps_.parts()) {
            add_to_bitmap(*part.chunk, words_);
            meter_.done(work_of(part));
        }
        out_.bitmap(steps_.key(), words_);
    }

    void count_few(std::uint64_t needed) {
        std::uint32_t count = 0;
        for (const ChunkSteps::Part& part : steps_.parts())
            for_each_low(*part.chunk, [&](std::uint32_t low) {
                if (++counters_[low] == needed && count < kFewIds)
                    found_[count++] = static_cast<std::uint16_t>(low);
            });
        for (const ChunkSteps::Part& part : steps_.parts())
            for_each_low(*part.chunk, [&](std::uint32_t low) { counters_[low] = 0; });
        std::sort(found_, found_ + count);
        out_.array(steps_.key(), found_, count);
        meter_.done(2 * steps_.ids_in_parts());
    }

    void count_many(std::uint64_t needed) {
        const std::span<const ChunkSteps::Part> parts = steps_.parts();
        const bool totals = parts.size() > kMostParts;
        if (totals)
            totals_.resize(kChunkIds, 0);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (totals && i % kMostParts == 0)
                carry();
            count_chunk(*parts[i].chunk, counters_.data());
            meter_.done(work_of(parts[i]));
        }
        if (totals) {
            carry();
            find_enough(totals_.data(), needed, words_);
            std::memset(totals_.data(), 0, kChunkIds * sizeof totals_[0]);
        } else {
            find_enough(counters_.data(), needed, words_);
            std::memset(counters_.data(), 0, kChunkIds);
        }
        out_.bitmap(steps_.key(), words_);
        meter_.done(kChunkIds / 2);
    }

    // Empties the counters into the totals.
    void carry() {
        for (std::size_t i = 0; i < kChunkIds; ++i)
            totals_[i] += counters_[i];
        std::memset(counters_.data(), 0, kChunkIds);
    }

    static std::uint64_t work_of(const ChunkSteps::Part& part) {
        return part.chunk->kind == ChunkKind::kArray ? part.chunk->cardinality : 2 * kBitmapWords;
    }

    std::uint64_t k_;
    SetWriter& out_;
    WorkMeter meter_;
    ChunkSteps steps_;
    Vector<std::uint8_t> counters_;  // by low bits; empty, or all 0 between steps
    Vector<std::uint32_t> totals_;   // the same, for more parts than a byte can count
    std::uint64_t words_[kBitmapWords];
    std::uint16_t found_[kFewIds];
};

}  // namespace

Bill price_at_least(std::uint64_t sets) {
    Bill bill;
    bill.add(kChunkIds, sizeof(std::uint8_t) + sizeof(std::uint32_t));
    ChunkSteps::price(sets, bill);
    return bill;
}

void at_least(std::span<const SetView> sets, std::int64_t k, SetWriter& out, MemoryResource* memory,
              Interrupt& interrupt) {
    if (k < 1)
        throw Error(Errc::kInvalidArgument,
                    format("number of sets must be at least 1, not %lld", static_cast<long long>(k)));
    if (sets.size() >= static_cast<std::uint64_t>(k))
        AtLeast(sets, static_cast<std::uint64_t>(k), out, memory, interrupt).run();
}

}  // namespace seg::core::idset
