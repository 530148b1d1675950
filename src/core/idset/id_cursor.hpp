// The ids of a set one by one, or stretch by stretch, ascending.
#pragma once

#include <cstdint>

#include "core/base/interrupt.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

// A stretch of consecutive ids, both ends included.
struct Stretch {
    std::int64_t lowest;
    std::int64_t highest;
};

// Hands out the longest stretches, across chunks, or pieces of them within one chunk.
class StretchCursor {
  public:
    explicit StretchCursor(const SetView& set) : chunks_(set) {}

    // The next stretch of the set; false at the end.
    bool next(Stretch& stretch);

  private:
    bool next_piece(Stretch& piece);
    bool next_in_bitmap(std::uint32_t& first, std::uint32_t& last) const;

    ChunkCursor chunks_;
    std::uint32_t position_ = 0;  // in the current chunk: a value, a run or a bit
    bool has_piece_ = false;
    Stretch piece_{};
};

class IdCursor {
  public:
    explicit IdCursor(const SetView& set) : stretches_(set) { more_ = stretches_.next(stretch_); }

    // The next id; false at the end.
    bool next(std::int64_t& id) {
        if (!more_)
            return false;
        id = stretch_.lowest;
        if (stretch_.lowest == stretch_.highest)
            more_ = stretches_.next(stretch_);
        else
            ++stretch_.lowest;
        return true;
    }

  private:
    StretchCursor stretches_;
    Stretch stretch_{};
    bool more_;
};

// Calls visit(stretch) for each stretch.
template <typename Visit>
void for_each_stretch(const SetView& set, Interrupt& interrupt, const Visit& visit) {
    WorkMeter meter(interrupt);
    StretchCursor cursor(set);
    for (Stretch stretch; cursor.next(stretch); meter.done(1))
        visit(stretch);
}

}  // namespace seg::core::idset
