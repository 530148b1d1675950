// Where a customer stands between the first order and having left.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace seg::core::lifecycle {

enum class Stage : std::uint8_t { kProspect, kFirstTime, kActive, kDefecting, kInactive, kReactivated };

// retail and gaps compare days with limits in days; own_gap compares days divided by the customer's own mean
// gap with limits in gaps.
enum class Preset : std::uint8_t { kRetail, kGaps, kOwnGap };

// Up to and including the first limit a customer is active, beyond the second one inactive.
struct Limits {
    double active;
    double inactive;
};

struct Rule {
    Preset preset = Preset::kRetail;
    Limits days = {.active = 90, .inactive = 365};
    Limits gaps = {.active = 1.5, .inactive = 3};  // of own_gap

    // kInvalidArgument unless 0 <= active <= inactive, finite, for both.
    void validate() const;
};

// One customer with at least one order, in days.
struct History {
    std::int64_t orders;
    std::int64_t recency;                  // days from the last order to the moment that is asked about, >= 0
    std::optional<std::int64_t> last_gap;  // days between the last two days with an order
    std::optional<double> mean_gap;        // mean days from one day with an order to the next
    std::optional<std::int64_t> span;      // days from the first order to the last
};

// The limits in days that hold for a customer: with own_gap a multiple of the mean gap, and those of the days
// where there is none.
Limits limits_of(const Rule& rule, const std::optional<double>& mean_gap);

// kInvalidArgument for a history that cannot be: no orders, negative days, a mean gap that is not positive.
Stage stage_of(const Rule& rule, const History& history);

std::string_view name_of(Stage stage);

// kInvalidArgument for a name that is none.
Preset preset_named(std::string_view name);

}  // namespace seg::core::lifecycle
