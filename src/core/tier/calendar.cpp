#include "core/tier/calendar.hpp"

#include <cmath>

namespace seg::core::tier {

Instant next_multiple(Calendar& calendar, Instant anchor, const Interval& interval, Instant after) {
    if (anchor == kNever || after == kNever)
        return kNever;
    // Months differ in length, so the estimate can miss by a few.
    const double distance = static_cast<double>(after) - static_cast<double>(anchor);
    auto times = static_cast<std::int64_t>(std::floor(distance / interval.mean_length()));
    while (calendar.plus(anchor, interval, times) > after)
        --times;
    Instant next = kBefore;
    while (next <= after)
        next = calendar.plus(anchor, interval, ++times);
    return next;
}

}  // namespace seg::core::tier
