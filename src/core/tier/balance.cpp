#include "core/tier/balance.hpp"

#include <algorithm>

namespace seg::core::tier {

namespace {

// What it takes to add the value: long ones are converted in time quadratic in their digits, of which those
// before and after the point count, written or not.
std::uint64_t work_of(const Decimal& value) {
    if (value.digits.empty())
        return 1;
    const auto written = static_cast<std::int64_t>(value.digits.size());
    const std::int64_t before = std::max<std::int64_t>(value.weight + std::int64_t{1}, 0);
    const std::int64_t after = std::max<std::int64_t>(written - value.weight - 1, 0);
    const auto groups = static_cast<std::uint64_t>(before + after);
    return groups * groups / 64 + 1;
}

}  // namespace

void Balance::change(DecimalMeta& meta, Vector<std::uint64_t>& cells, const Decimal& value,
                     bool subtract) const {
    meter_->done(work_of(value) + cells.size() / 64);
    for (;;) {
        DecimalSum sum(meta, cells.data());
        if (sum.add(value, subtract))
            return;
        cells.resize(sum.cells_needed());
        meta.capacity = static_cast<std::uint16_t>(cells.size());
    }
}

bool Balance::reaches(const Decimal& threshold) const {
    scratch_ = cells_;
    DecimalMeta rest = meta_;
    change(rest, scratch_, threshold, true);
    return !DecimalSumView(rest, scratch_.data()).negative();
}

}  // namespace seg::core::tier
