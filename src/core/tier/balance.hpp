// What a customer has at a moment: an exact sum that grows, shrinks and is held against thresholds.
#pragma once

#include "core/base/exact_sum.hpp"
#include "core/base/memory.hpp"

namespace seg::core::tier {

class Balance {
  public:
    // The meter, which must outlive the balance, learns how long the numbers are.
    Balance(MemoryResource* memory, WorkMeter& meter) : meter_(&meter), cells_(memory), scratch_(memory) {}

    void add(const Decimal& value) { change(meta_, cells_, value, false); }
    void subtract(const Decimal& value) { change(meta_, cells_, value, true); }

    // Whether the balance is the threshold or more.
    bool reaches(const Decimal& threshold) const;

    DecimalSumView view() const { return {meta_, cells_.data()}; }

  private:
    void change(DecimalMeta& meta, Vector<std::uint64_t>& cells, const Decimal& value, bool subtract) const;

    WorkMeter* meter_;
    DecimalMeta meta_ = {};
    Vector<std::uint64_t> cells_;
    mutable Vector<std::uint64_t> scratch_;
};

}  // namespace seg::core::tier
