#include "core/tier/balance.hpp"

namespace seg::core::tier {

void Balance::change(DecimalMeta& meta, Vector<std::uint64_t>& cells, const Decimal& value, bool subtract) {
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
