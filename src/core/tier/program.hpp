// What a loyalty program says: which tiers there are, what earns them, and when they are lost.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/exact_sum.hpp"
#include "core/base/memory.hpp"
#include "core/tier/calendar.hpp"

namespace seg::core::tier {

// What is added up and held against the thresholds.
enum class Metric : std::uint8_t { kAmount, kOrders, kDays };

// Which orders count at a moment: those of the period before it (rolling), those since the last start of a
// period of the calendar, or those since the last start of a period of the membership.
enum class PeriodStart : std::uint8_t { kRolling, kCalendar, kMembership };

// What becomes of a customer whose balance no longer earns the tier: it stays, goes one tier down, or down to
// what the balance earns.
enum class Downgrade : std::uint8_t { kNone, kOneDown, kBalance };

// When the balance is held against the tier the customer has: at each change of the balance, at multiples of
// an interval since the membership began, since the tier was reached, or of the calendar.
enum class Review : std::uint8_t { kRealTime, kMembershipAnniversary, kTierAnniversary, kCalendar };

struct Program {
    // Ascending, none negative. The level of a customer is how many of them the balance reaches.
    std::span<const Decimal> thresholds;
    Metric metric = Metric::kAmount;
    bool lifetime = false;  // all orders count, for ever; else those of a period
    Interval period = {12, 0, 0};
    PeriodStart period_start = PeriodStart::kRolling;
    Downgrade downgrade = Downgrade::kBalance;
    Review review = Review::kRealTime;
    Interval review_every = {12, 0, 0};
    Interval grace;
};

Metric metric_named(std::string_view name);
PeriodStart period_start_named(std::string_view name);
Downgrade downgrade_named(std::string_view name);
Review review_named(std::string_view name);

// Raises kInvalidArgument for thresholds that do not ascend or are negative, and for intervals that are
// shorter than a day (the grace: negative).
void validate(const Program& program, MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::tier
