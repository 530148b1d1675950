// Calendar time as tiers need it: intervals added to moments. How many days a month has, and how many hours a
// day, is the host's to know.
#pragma once

#include <cstdint>
#include <limits>

namespace seg::core::tier {

// Microseconds, on the host's scale.
using Instant = std::int64_t;

// Before and after every moment of the calendar.
inline constexpr Instant kBefore = std::numeric_limits<Instant>::min();
inline constexpr Instant kNever = std::numeric_limits<Instant>::max();

// Months, days and microseconds, none of them negative.
struct Interval {
    std::int32_t months = 0;
    std::int32_t days = 0;
    std::int64_t microseconds = 0;

    bool empty() const { return months == 0 && days == 0 && microseconds == 0; }
    // Microseconds in the long run, a month as the 4,800th part of 400 years.
    double mean_length() const {
        constexpr double kDay = 86400e6;
        return (months * (146097.0 / 4800.0) + days) * kDay + static_cast<double>(microseconds);
    }
};

class Calendar {
  public:
    // The moment so many intervals later, each unit added once: months as months, days as days. times may be
    // negative. kNever or kBefore where the calendar ends.
    virtual Instant plus(Instant at, const Interval& interval, std::int64_t times) = 0;

    // Where periods of the calendar are counted from: the local start of a year.
    virtual Instant epoch() = 0;

  protected:
    ~Calendar() = default;
};

// The first of ..., anchor - interval, anchor, anchor + interval, ... that comes after the moment; kNever
// past the calendar's end. The interval must be a day or longer.
Instant next_multiple(Calendar& calendar, Instant anchor, const Interval& interval, Instant after);

}  // namespace seg::core::tier
