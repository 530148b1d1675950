#include "core/lifecycle/stage.hpp"

#include <cmath>
#include <stdexcept>

#include "core/base/error.hpp"

namespace seg::core::lifecycle {
namespace {

// As messages show a number.
std::string shown(double value) {
    return std::isfinite(value) ? format("%g", value) : nonfinite_name(value);
}

void require_limits(const Limits& limits, const char* active, const char* inactive) {
    if (!std::isfinite(limits.active) || limits.active < 0)
        throw Error(Errc::kInvalidArgument, format("\"%s\" must be a number from 0 up, not %s", active,
                                                   shown(limits.active).c_str()));
    if (!std::isfinite(limits.inactive) || limits.inactive < limits.active)
        throw Error(Errc::kInvalidArgument,
                    format("\"%s\" must be at least \"%s\", which is %g, not %s", inactive, active,
                           limits.active, shown(limits.inactive).c_str()));
}

void require_possible(const History& history) {
    if (history.orders < 1)
        throw Error(Errc::kInvalidArgument, format("number of orders must be positive, not %lld",
                                                   static_cast<long long>(history.orders)));
    if (history.recency < 0)
        throw Error(Errc::kInvalidArgument, "last order is after \"as_of\"", {},
                    "Aggregate only the orders before \"as_of\".");
    if (history.last_gap && *history.last_gap < 1)
        throw Error(Errc::kInvalidArgument, format("\"last_gap\" must be at least 1, not %lld",
                                                   static_cast<long long>(*history.last_gap)));
    if (history.mean_gap && !(std::isfinite(*history.mean_gap) && *history.mean_gap > 0))
        throw Error(Errc::kInvalidArgument, format("\"mean_gap\" must be a positive number, not %s",
                                                   shown(*history.mean_gap).c_str()));
}

// The mean gap as it was before the last purchase; nothing when that was the second one.
std::optional<double> mean_gap_before(const History& history) {
    if (!history.mean_gap || !history.last_gap || !history.span)
        return history.mean_gap;
    const double gaps = std::round(static_cast<double>(*history.span) / *history.mean_gap);
    const std::int64_t earlier = *history.span - *history.last_gap;
    if (gaps < 2 || earlier < 1)
        return std::nullopt;
    return static_cast<double>(earlier) / (gaps - 1);
}

// A limit that is a product may lie a rounding error below the whole number of days that it ought to be.
bool beyond(double days, double limit) {
    return days > limit * (1 + 1e-9);
}

bool was_inactive(const Rule& rule, const History& history) {
    return history.last_gap &&
           beyond(static_cast<double>(*history.last_gap), limits_of(rule, mean_gap_before(history)).inactive);
}

}  // namespace

void Rule::validate() const {
    require_limits(days, "active_days", "inactive_days");
    require_limits(gaps, "active_gaps", "inactive_gaps");
}

Limits limits_of(const Rule& rule, const std::optional<double>& mean_gap) {
    if (rule.preset != Preset::kOwnGap || !mean_gap)
        return rule.days;
    return {.active = rule.gaps.active * *mean_gap, .inactive = rule.gaps.inactive * *mean_gap};
}

Stage stage_of(const Rule& rule, const History& history) {
    require_possible(history);
    const Limits limits = limits_of(rule, history.mean_gap);
    const auto recency = static_cast<double>(history.recency);
    if (beyond(recency, limits.inactive))
        return Stage::kInactive;
    if (beyond(recency, limits.active))
        return Stage::kDefecting;
    if (history.orders == 1)
        return Stage::kFirstTime;
    return was_inactive(rule, history) ? Stage::kReactivated : Stage::kActive;
}

std::string_view name_of(Stage stage) {
    switch (stage) {
        case Stage::kProspect:
            return "prospect";
        case Stage::kFirstTime:
            return "first-time";
        case Stage::kActive:
            return "active";
        case Stage::kDefecting:
            return "defecting";
        case Stage::kInactive:
            return "inactive";
        case Stage::kReactivated:
            return "reactivated";
    }
    throw std::logic_error("unknown lifecycle stage");
}

Preset preset_named(std::string_view name) {
    if (name == "retail")
        return Preset::kRetail;
    if (name == "gaps")
        return Preset::kGaps;
    if (name == "own_gap")
        return Preset::kOwnGap;
    throw Error(
        Errc::kInvalidArgument,
        format("unrecognized value for \"preset\": \"%.*s\"", static_cast<int>(name.size()), name.data()), {},
        "Valid values are \"retail\", \"gaps\" and \"own_gap\".");
}

}  // namespace seg::core::lifecycle
