#include "core/idset/chunk.hpp"

#include <algorithm>
#include <bit>

namespace seg::core::idset {

std::uint32_t find_bit(const std::uint64_t* words, std::uint32_t from, bool set) {
    for (std::uint32_t w = from / 64; w < kBitmapWords; ++w) {
        std::uint64_t rest = set ? words[w] : ~words[w];
        if (w == from / 64)
            rest &= ~std::uint64_t{0} << from % 64;
        if (rest != 0)
            return w * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
    }
    return kChunkIds;
}

void set_bits(std::uint64_t* words, std::uint32_t first, std::uint32_t last) {
    const std::uint64_t from = ~std::uint64_t{0} << (first & 63);
    const std::uint64_t to = ~std::uint64_t{0} >> (63 - (last & 63));
    const std::uint32_t begin = first >> 6;
    const std::uint32_t end = last >> 6;
    if (begin == end) {
        words[begin] |= from & to;
        return;
    }
    words[begin] |= from;
    std::fill(words + begin + 1, words + end, ~std::uint64_t{0});
    words[end] |= to;
}

void add_to_bitmap(const Chunk& chunk, std::uint64_t* words) {
    switch (chunk.kind) {
        case ChunkKind::kArray:
            for (std::uint32_t i = 0; i < chunk.cardinality; ++i)
                set_bit(words, chunk.values[i]);
            return;
        case ChunkKind::kRuns:
            for (std::uint32_t r = 0; r < chunk.run_count; ++r)
                set_bits(
                    words, chunk.values[2 * r],
                    std::min(std::uint32_t{chunk.values[2 * r]} + chunk.values[2 * r + 1], kChunkIds - 1));
            return;
        case ChunkKind::kBitmap:
            for (std::size_t w = 0; w < kBitmapWords; ++w)
                words[w] |= chunk.words[w];
            return;
        case ChunkKind::kFull:
            std::fill(words, words + kBitmapWords, ~std::uint64_t{0});
            return;
    }
}

bool chunk_contains(const Chunk& chunk, std::uint32_t low) {
    const std::uint16_t* const values = chunk.values;
    switch (chunk.kind) {
        case ChunkKind::kArray:
            return std::binary_search(values, values + chunk.cardinality, static_cast<std::uint16_t>(low));
        case ChunkKind::kRuns: {
            // The last run that starts at or before the id.
            std::uint32_t begin = 0;
            std::uint32_t end = chunk.run_count;
            while (begin < end) {
                const std::uint32_t middle = (begin + end) / 2;
                if (values[2 * middle] <= low)
                    begin = middle + 1;
                else
                    end = middle;
            }
            return begin > 0 && low - values[2 * begin - 2] <= values[2 * begin - 1];
        }
        case ChunkKind::kBitmap:
            return test_bit(chunk.words, low);
        case ChunkKind::kFull:
            return true;
    }
    return false;
}

std::uint32_t rank_in_chunk(const Chunk& chunk, std::uint32_t low) {
    switch (chunk.kind) {
        case ChunkKind::kArray:
            return static_cast<std::uint32_t>(
                std::upper_bound(chunk.values, chunk.values + chunk.cardinality, low) - chunk.values);
        case ChunkKind::kRuns: {
            std::uint32_t rank = 0;
            for (std::uint32_t r = 0; r < chunk.run_count && chunk.values[2 * r] <= low; ++r)
                rank += std::min<std::uint32_t>(low - chunk.values[2 * r], chunk.values[2 * r + 1]) + 1;
            return rank;
        }
        case ChunkKind::kBitmap: {
            std::uint32_t rank = 0;
            for (std::uint32_t w = 0; w < low / 64; ++w)
                rank += static_cast<std::uint32_t>(std::popcount(chunk.words[w]));
            return rank + static_cast<std::uint32_t>(std::popcount(chunk.words[low / 64] << (63 - low % 64)));
        }
        case ChunkKind::kFull:
            return low + 1;
    }
    return 0;
}

}  // namespace seg::core::idset
