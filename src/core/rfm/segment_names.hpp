// The names of one RFM map, ready to be looked up for millions of customers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/base/memory.hpp"

namespace seg::core::rfm {

// Scores from first to last, both included.
struct ScoreRange {
    std::int32_t first;
    std::int32_t last;

    bool holds(std::int32_t score) const { return first <= score && score <= last; }
};

// One row of a map. Rows come in the order in which they win.
struct NameRule {
    ScoreRange r;
    ScoreRange f;
    ScoreRange m;
};

// Which rule wins for three scores. Scores from 0 to 10 are answered from a table, others by going through
// the rules.
class SegmentNames {
  public:
    // The rules must outlive this object.
    SegmentNames(std::span<const NameRule> rules, MemoryResource* memory);

    // The number of the first rule that holds all three scores, if any. Constant time for scores from 0
    // to 10.
    std::optional<std::size_t> find(std::int32_t r, std::int32_t f, std::int32_t m) const;

  private:
    static constexpr std::int32_t kScores = 11;

    std::optional<std::size_t> search(std::int32_t r, std::int32_t f, std::int32_t m) const;

    std::span<const NameRule> rules_;
    Vector<std::uint32_t> winners_;  // number of the rule plus 1 a cell, 0 for none
};

}  // namespace seg::core::rfm
