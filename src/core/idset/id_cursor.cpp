#include "core/idset/id_cursor.hpp"

namespace seg::core::idset {

bool StretchCursor::next(Stretch& stretch) {
    if (!has_piece_ && !next_piece(piece_))
        return false;
    stretch = piece_;
    while ((has_piece_ = next_piece(piece_)) && stretch.highest + 1 == piece_.lowest)
        stretch.highest = piece_.highest;
    return true;
}

// What one array value, run, stretch of bits or row of full chunks gives.
bool StretchCursor::next_piece(Stretch& piece) {
    for (; !chunks_.done(); chunks_.next(), position_ = 0) {
        const Chunk& chunk = chunks_.chunk();
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        if (chunk.kind == ChunkKind::kFull) {
            if (position_++ != 0)
                continue;
            piece = {id_of(chunk.key, 0), id_of(chunk.last_key(), kChunkIds - 1)};
            return true;
        }
        if (chunk.kind == ChunkKind::kBitmap) {
            first = position_;
            if (!next_in_bitmap(first, last))
                continue;
            position_ = last + 1;
        } else if (chunk.kind == ChunkKind::kRuns) {
            if (position_ == chunk.run_count)
                continue;
            first = chunk.values[2 * position_];
            last = first + chunk.values[2 * position_ + 1];
            ++position_;
        } else {
            if (position_ == chunk.cardinality)
                continue;
            first = last = chunk.values[position_++];
        }
        piece = {id_of(chunk.key, first), id_of(chunk.key, last)};
        return true;
    }
    return false;
}

// The next stretch of set bits at or after first.
bool StretchCursor::next_in_bitmap(std::uint32_t& first, std::uint32_t& last) const {
    const std::uint64_t* const words = chunks_.chunk().words;
    first = find_bit(words, first, true);
    if (first == kChunkIds)
        return false;
    last = find_bit(words, first, false) - 1;
    return true;
}

}  // namespace seg::core::idset
