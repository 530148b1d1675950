#include "core/tier/program.hpp"

#include "core/tier/balance.hpp"

namespace seg::core::tier {

namespace {

constexpr double kDay = 86400e6;

// A word and what it stands for.
template <typename Value>
struct Word {
    std::string_view name;
    Value value;
};

template <typename Value, std::size_t N>
Value value_named(const char* argument, std::string_view name, const Word<Value> (&words)[N]) {
    std::string valid;
    for (std::size_t i = 0; i < N; ++i) {
        if (words[i].name == name)
            return words[i].value;
        valid += i == 0 ? "\"" : i + 1 == N ? " and \"" : ", \"";
        valid += words[i].name;
        valid += '"';
    }
    throw Error(Errc::kInvalidArgument,
                format("unrecognized value for \"%s\": \"%.*s\"", argument, static_cast<int>(name.size()),
                       name.data()),
                {}, "Valid values are " + valid + ".");
}

void require(bool condition, const char* message) {
    if (!condition)
        throw Error(Errc::kInvalidArgument, message);
}

bool has_negative_part(const Interval& interval) {
    return interval.months < 0 || interval.days < 0 || interval.microseconds < 0;
}

bool is_day_or_longer(const Interval& interval) {
    return !has_negative_part(interval) && interval.mean_length() >= kDay;
}

}  // namespace

Metric metric_named(std::string_view name) {
    return value_named<Metric>(
        "metric", name, {{"amount", Metric::kAmount}, {"orders", Metric::kOrders}, {"days", Metric::kDays}});
}

PeriodStart period_start_named(std::string_view name) {
    return value_named<PeriodStart>("period_start", name,
                                    {{"rolling", PeriodStart::kRolling},
                                     {"calendar", PeriodStart::kCalendar},
                                     {"membership", PeriodStart::kMembership}});
}

Downgrade downgrade_named(std::string_view name) {
    return value_named<Downgrade>(
        "downgrade", name,
        {{"none", Downgrade::kNone}, {"one_down", Downgrade::kOneDown}, {"balance", Downgrade::kBalance}});
}

Review review_named(std::string_view name) {
    return value_named<Review>("review", name,
                               {{"real_time", Review::kRealTime},
                                {"membership_anniversary", Review::kMembershipAnniversary},
                                {"tier_anniversary", Review::kTierAnniversary},
                                {"calendar", Review::kCalendar}});
}

void validate(const Program& program, MemoryResource* memory, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    require(!program.thresholds.empty(), "\"tiers\" must name a tier");
    for (std::size_t i = 0; i < program.thresholds.size(); ++i) {
        const Decimal& threshold = program.thresholds[i];
        require(threshold.kind == DecimalKind::kFinite && !threshold.negative,
                "thresholds of tiers must not be negative");
        Balance earlier(memory, meter);
        if (i > 0)
            earlier.add(program.thresholds[i - 1]);
        require(i == 0 || !earlier.reaches(threshold), "thresholds of tiers must differ");
    }
    require(program.lifetime || is_day_or_longer(program.period), "\"period\" must be a day or longer");
    require(is_day_or_longer(program.review_every), "\"review_every\" must be a day or longer");
    require(!has_negative_part(program.grace), "\"grace\" must not be negative");
}

}  // namespace seg::core::tier
