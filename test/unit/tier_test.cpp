#include "core/tier/course.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core::tier;
using seg::core::Decimal;
using seg::core::DecimalSumView;
using seg::core::Errc;
using seg::core::NoInterrupt;
using seg::core::Random;
using seg::test::error_code;

constexpr Instant kDay = 86400000000;

struct Date {
    std::int64_t year;
    std::int64_t month;
    std::int64_t day;
};

bool leap(std::int64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

std::int64_t days_in(std::int64_t year, std::int64_t month) {
    constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return kDays[month - 1] + (month == 2 && leap(year) ? 1 : 0);
}

// Days since 2000-01-01, counted year by year and month by month: slow, and plainly right.
std::int64_t day_number(Date date) {
    std::int64_t days = 0;
    for (std::int64_t year = 2000; year < date.year; ++year)
        days += leap(year) ? 366 : 365;
    for (std::int64_t year = date.year; year < 2000; ++year)
        days -= leap(year) ? 366 : 365;
    for (std::int64_t month = 1; month < date.month; ++month)
        days += days_in(date.year, month);
    return days + date.day - 1;
}

Date date_of(std::int64_t number) {
    Date date = {2000, 1, 1};
    for (; number < 0; ++date.year, date.year -= 2)
        number += leap(date.year - 1) ? 366 : 365;
    for (; number >= (leap(date.year) ? 366 : 365); ++date.year)
        number -= leap(date.year) ? 366 : 365;
    for (; number >= days_in(date.year, date.month); ++date.month)
        number -= days_in(date.year, date.month);
    date.day += number;
    return date;
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

// The calendar without time zones.
class Utc final : public Calendar {
  public:
    int calls = 0;

    Instant plus(Instant at, const Interval& interval, std::int64_t times) override {
        ++calls;
        const std::int64_t day = floor_divide(at, kDay);
        Date date = date_of(day);
        const std::int64_t months = date.year * 12 + date.month - 1 + interval.months * times;
        date.year = floor_divide(months, 12);
        date.month = months - date.year * 12 + 1;
        date.day = std::min(date.day, days_in(date.year, date.month));
        return (day_number(date) + interval.days * times) * kDay + (at - day * kDay) +
               interval.microseconds * times;
    }
    Instant epoch() override { return 0; }
};

Instant on(std::int64_t year, std::int64_t month, std::int64_t day) {
    return day_number({year, month, day}) * kDay;
}

// Whole numbers as decimals, with their digits.
class Whole {
  public:
    explicit Whole(std::int64_t value) : negative_(value < 0) {
        for (std::int64_t rest = std::abs(value); rest != 0; rest /= 10000)
            digits_.insert(digits_.begin(), static_cast<std::int16_t>(rest % 10000));
    }
    Decimal get() const {
        return {.negative = negative_,
                .weight = digits_.empty() ? 0 : static_cast<int>(digits_.size()) - 1,
                .display_scale = 0,
                .digits = digits_};
    }

  private:
    bool negative_;
    std::vector<std::int16_t> digits_;
};

struct Purchase {
    Instant at;
    std::int64_t amount;
};

struct Event {
    Instant at;
    std::size_t to;
    Cause cause;
    Instant short_since;
    std::string balance;

    bool operator==(const Event&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Event& event) {
    const Date date = date_of(floor_divide(event.at, kDay));
    return out << date.year << '-' << date.month << '-' << date.day << " to " << event.to << " because "
               << static_cast<int>(event.cause) << " balance " << event.balance;
}

class Recorder final : public ChangeSink {
  public:
    std::vector<Event> events;

    void put(const Change& change, const DecimalSumView& balance) override {
        std::string text(balance.text_size_bound(), ' ');
        NoInterrupt interrupt;
        text.resize(balance.write_text(text, interrupt));
        events.push_back({change.at, change.to, change.cause, change.short_since, text});
    }
};

// A program with whole thresholds.
struct Rules {
    explicit Rules(std::vector<std::int64_t> levels) {
        for (const std::int64_t level : levels)
            wholes.emplace_back(level);
        for (const Whole& whole : wholes)
            thresholds.push_back(whole.get());
        program.thresholds = thresholds;
    }
    Rules(const Rules&) = delete;

    std::vector<Whole> wholes;
    std::vector<Decimal> thresholds;
    Program program;
};

struct Outcome {
    std::vector<Event> events;
    bool member;
    std::size_t level;
    Instant since;
    Instant short_since;
    Instant lost_at;
    std::size_t lost_to;
};

Outcome run(const Program& program, const std::vector<Purchase>& purchases, Instant as_of,
            std::optional<Instant> joined = {}) {
    std::vector<Whole> amounts;
    for (const Purchase& purchase : purchases)
        amounts.emplace_back(purchase.amount);
    std::vector<Order> orders;
    for (std::size_t i = 0; i < purchases.size(); ++i)
        orders.push_back({.at = purchases[i].at,
                          .day = static_cast<std::int32_t>(floor_divide(purchases[i].at, kDay)),
                          .value = amounts[i].get()});
    seg::test::CountingResource memory;
    NoInterrupt interrupt;
    Utc calendar;
    validate(program, &memory, interrupt);
    Recorder recorder;
    Outcome outcome = {};
    {
        Course course(program, calendar, &memory, interrupt);
        course.follow(orders, joined, as_of, &recorder);
        outcome = {recorder.events,
                   course.member(),
                   course.level(),
                   course.since(),
                   course.short_since(),
                   kNever,
                   0};
        const Course::Loss loss = course.next_loss();
        outcome.lost_at = loss.at;
        outcome.lost_to = loss.to;
    }
    EXPECT_EQ(memory.live, 0u);
    return outcome;
}

// The same by going through the days one by one and adding everything up anew on each of them. Orders are at
// midnight.
class DayByDay {
  public:
    DayByDay(const Program& program, const std::vector<std::int64_t>& levels,
             const std::vector<Purchase>& purchases, Instant joined)
        : program_(program), levels_(levels), purchases_(purchases), joined_(joined) {
        for (const Purchase& purchase : purchases)
            untils_.push_back(until(purchase.at));
    }

    std::vector<Event> events(Instant as_of) {
        std::vector<Event> result;
        std::size_t level = floor();
        Instant since = joined_;
        Instant short_since = kNever;
        Instant deadline = kNever;
        Instant again = kNever;
        std::int64_t before = 0;
        const auto move = [&](Instant at, std::size_t to, Cause cause, std::int64_t balance) {
            result.push_back({at, to, cause, cause == Cause::kThresholdReached ? kNever : short_since,
                              std::to_string(balance)});
            level = to;
            since = at;
            short_since = deadline = again = kNever;
        };
        result.push_back({joined_, level, Cause::kJoined, kNever, "0"});
        for (Instant day = joined_; day < as_of; day += kDay) {
            const auto is_short = [&](std::int64_t balance) {
                return program_.downgrade != Downgrade::kNone && level > floor() &&
                       balance < levels_[level - 1];
            };
            const auto lower = [&](std::int64_t balance) {
                return program_.downgrade == Downgrade::kOneDown ? level - 1 : earned(balance);
            };
            const auto graced = [&] { return calendar_.plus(day, program_.grace, 1); };
            const bool real_time = program_.review == Review::kRealTime;
            bool lost = false;
            if (deadline == day) {
                move(day, lower(before), Cause::kGraceEnded, before);
                lost = true;
            } else if (again == day) {
                move(day, lower(before), Cause::kStillShort, before);
                lost = true;
            } else if (deadline == kNever && !real_time && is_short(before) && is_review(day, since)) {
                if (program_.grace.empty()) {
                    move(day, lower(before), Cause::kReview, before);
                    lost = true;
                } else {
                    deadline = graced();
                }
            }
            if (lost && is_short(before)) {
                short_since = day;
                if (real_time && !program_.grace.empty())
                    deadline = graced();
            }
            const std::int64_t balance = balance_after(day);
            const bool changed = changes_on(day);
            if (changed && earned(balance) > level)
                move(day, earned(balance), Cause::kThresholdReached, balance);
            if (!is_short(balance)) {
                short_since = deadline = again = kNever;
            } else {
                if (short_since == kNever)
                    short_since = day;
                if (real_time && !program_.grace.empty()) {
                    if (changed && deadline == kNever)
                        deadline = graced();
                } else if (real_time) {
                    if (changed && !lost)
                        move(day, lower(balance), Cause::kBalanceFell, balance);
                    if (is_short(balance)) {
                        short_since = std::min(short_since, day);
                        again = again == kNever ? calendar_.plus(day, program_.review_every, 1) : again;
                    }
                }
            }
            before = balance;
        }
        return result;
    }

  private:
    std::size_t floor() const { return levels_.front() == 0 ? 1 : 0; }
    std::size_t earned(std::int64_t balance) const {
        std::size_t level = floor();
        while (level < levels_.size() && balance >= levels_[level])
            ++level;
        return level;
    }
    // The last moment at which an order counts.
    Instant until(Instant at) {
        if (program_.lifetime)
            return kNever;
        if (program_.period_start == PeriodStart::kRolling)
            return calendar_.plus(at, program_.period, 1);
        const Instant anchor = program_.period_start == PeriodStart::kCalendar ? 0 : joined_;
        Instant end = anchor;
        for (int k = 1; end <= at; ++k)
            end = calendar_.plus(anchor, program_.period, k);
        return end;
    }
    bool is_review(Instant day, Instant since) {
        const Instant anchor = program_.review == Review::kMembershipAnniversary ? joined_
                               : program_.review == Review::kTierAnniversary     ? since
                                                                                 : 0;
        Instant at = anchor;
        for (int k = 1; at < day; ++k)
            at = calendar_.plus(anchor, program_.review_every, k);
        return at == day && day > anchor;
    }
    std::int64_t balance_after(Instant day) {
        std::int64_t amount = 0, orders = 0;
        std::map<Instant, int> days;
        for (std::size_t i = 0; i < purchases_.size(); ++i)
            if (purchases_[i].at >= joined_ && purchases_[i].at <= day && day < untils_[i]) {
                amount += purchases_[i].amount;
                ++orders;
                ++days[purchases_[i].at];
            }
        return program_.metric == Metric::kAmount   ? amount
               : program_.metric == Metric::kOrders ? orders
                                                    : static_cast<std::int64_t>(days.size());
    }
    bool changes_on(Instant day) {
        for (std::size_t i = 0; i < purchases_.size(); ++i)
            if (purchases_[i].at >= joined_ && (purchases_[i].at == day || untils_[i] == day))
                return true;
        return false;
    }

    const Program& program_;
    const std::vector<std::int64_t>& levels_;
    const std::vector<Purchase>& purchases_;
    Instant joined_;
    std::vector<Instant> untils_;
    Utc calendar_;
};

TEST(TierCalendar, DatesOfTheTest) {
    EXPECT_EQ(day_number({2001, 3, 1}), 366 + 31 + 28);
    EXPECT_EQ(day_number({1999, 12, 31}), -1);
    for (const std::int64_t number : {-40000, -1, 0, 59, 60, 365, 366, 8000}) {
        const Date date = date_of(number);
        EXPECT_EQ(day_number(date), number);
    }
}

TEST(TierCalendar, NextMultiple) {
    Utc calendar;
    const Interval year = {12, 0, 0};
    EXPECT_EQ(next_multiple(calendar, on(2020, 2, 29), year, on(2021, 2, 28) - 1), on(2021, 2, 28));
    EXPECT_EQ(next_multiple(calendar, on(2020, 2, 29), year, on(2021, 2, 28)), on(2022, 2, 28));
    EXPECT_EQ(next_multiple(calendar, on(2020, 2, 29), year, on(2023, 6, 1)), on(2024, 2, 29));
    EXPECT_EQ(next_multiple(calendar, 0, {3, 0, 0}, on(1998, 12, 31)), on(1999, 1, 1));
    EXPECT_EQ(next_multiple(calendar, 0, {0, 7, 0}, 0), 7 * kDay);
    EXPECT_EQ(next_multiple(calendar, kNever, year, 0), kNever);
    // A day in the far future takes no longer than one nearby.
    calendar.calls = 0;
    EXPECT_EQ(next_multiple(calendar, on(2000, 1, 31), {1, 0, 0}, on(2399, 12, 31)), on(2400, 1, 31));
    EXPECT_LE(calendar.calls, 6);
}

TEST(TierCourse, UpgradesAtOnceAndFallsWhenOrdersLeave) {
    Rules rules({500, 1500});
    const std::vector<Purchase> purchases = {
        {on(2024, 1, 10), 400}, {on(2024, 3, 1), 200}, {on(2024, 5, 1), 1000}, {on(2025, 4, 1), 700}};
    const Outcome outcome = run(rules.program, purchases, on(2027, 1, 1));
    const std::vector<Event> expected = {
        {on(2024, 1, 10), 0, Cause::kJoined, kNever, "0"},
        {on(2024, 3, 1), 1, Cause::kThresholdReached, kNever, "600"},
        {on(2024, 5, 1), 2, Cause::kThresholdReached, kNever, "1600"},
        {on(2025, 1, 10), 1, Cause::kBalanceFell, on(2025, 1, 10), "1200"},
        {on(2025, 4, 1), 2, Cause::kThresholdReached, kNever, "1700"},
        {on(2025, 5, 1), 1, Cause::kBalanceFell, on(2025, 5, 1), "700"},
        {on(2026, 4, 1), 0, Cause::kBalanceFell, on(2026, 4, 1), "0"},
    };
    EXPECT_EQ(outcome.events, expected);
    EXPECT_EQ(outcome.level, 0u);
    EXPECT_EQ(outcome.lost_at, kNever);
}

TEST(TierCourse, SeesNothingOfTheMomentItself) {
    Rules rules({500});
    const std::vector<Purchase> purchases = {{on(2024, 1, 10), 500}};
    EXPECT_FALSE(run(rules.program, purchases, on(2024, 1, 10)).member);
    EXPECT_EQ(run(rules.program, purchases, on(2024, 1, 10) + 1).level, 1u);
    // A year later to the microsecond it still counts.
    EXPECT_EQ(run(rules.program, purchases, on(2025, 1, 10)).level, 1u);
    EXPECT_EQ(run(rules.program, purchases, on(2025, 1, 10) + 1).level, 0u);
    const Outcome outcome = run(rules.program, purchases, on(2024, 6, 1));
    EXPECT_EQ(outcome.lost_at, on(2025, 1, 10));
    EXPECT_EQ(outcome.lost_to, 0u);
}

TEST(TierCourse, AnOrderThatReplacesAnotherKeepsTheTier) {
    Rules rules({500});
    const Outcome outcome =
        run(rules.program, {{on(2024, 1, 10), 500}, {on(2025, 1, 10), 500}}, on(2025, 6, 1));
    ASSERT_EQ(outcome.events.size(), 2u);
    EXPECT_EQ(outcome.since, on(2024, 1, 10));
}

TEST(TierCourse, DowngradePolicies) {
    Rules rules({0, 100, 200, 300});
    const std::vector<Purchase> purchases = {{on(2024, 1, 1), 300}, {on(2024, 8, 1), 10}};
    EXPECT_EQ(run(rules.program, purchases, on(2025, 2, 1)).level, 1u);
    rules.program.downgrade = Downgrade::kOneDown;
    EXPECT_EQ(run(rules.program, purchases, on(2025, 2, 1)).level, 3u);
    // The next change of the balance takes the next step.
    EXPECT_EQ(run(rules.program, purchases, on(2025, 9, 1)).level, 2u);
    // Who never buys again loses the rest step by step.
    rules.program.review_every = {3, 0, 0};
    const Outcome silent = run(rules.program, {{on(2024, 1, 1), 300}}, on(2030, 1, 1));
    ASSERT_EQ(silent.events.size(), 5u);
    EXPECT_EQ(silent.events[2], (Event{on(2025, 1, 1), 3, Cause::kBalanceFell, on(2025, 1, 1), "0"}));
    EXPECT_EQ(silent.events[3], (Event{on(2025, 4, 1), 2, Cause::kStillShort, on(2025, 1, 1), "0"}));
    EXPECT_EQ(silent.events[4], (Event{on(2025, 7, 1), 1, Cause::kStillShort, on(2025, 4, 1), "0"}));
    EXPECT_EQ(run(rules.program, {{on(2024, 1, 1), 300}}, on(2025, 2, 1)).lost_at, on(2025, 4, 1));
    // Who comes back in time keeps what is left, and one moment takes one step.
    EXPECT_EQ(run(rules.program, {{on(2024, 1, 1), 300}, {on(2025, 3, 1), 200}}, on(2025, 12, 1)).level, 3u);
    EXPECT_EQ(run(rules.program, {{on(2024, 1, 1), 300}, {on(2025, 4, 1), 5}}, on(2025, 4, 2)).level, 2u);
    rules.program.review_every = {12, 0, 0};
    rules.program.downgrade = Downgrade::kNone;
    const Outcome kept = run(rules.program, purchases, on(2035, 1, 1));
    EXPECT_EQ(kept.level, 4u);
    EXPECT_EQ(kept.short_since, kNever);
    EXPECT_EQ(kept.lost_at, kNever);
}

TEST(TierCourse, Anniversaries) {
    Rules rules({100, 200});
    const std::vector<Purchase> purchases = {{on(2024, 2, 29), 100}, {on(2024, 6, 15), 100}};
    rules.program.review = Review::kMembershipAnniversary;
    // On the first anniversary both orders are in the period still.
    Outcome outcome = run(rules.program, purchases, on(2030, 1, 1));
    ASSERT_EQ(outcome.events.size(), 4u);
    EXPECT_EQ(outcome.events[2], (Event{on(2024, 6, 15), 2, Cause::kThresholdReached, kNever, "200"}));
    EXPECT_EQ(outcome.events[3], (Event{on(2026, 2, 28), 0, Cause::kReview, on(2025, 2, 28), "0"}));
    rules.program.review = Review::kTierAnniversary;
    rules.program.downgrade = Downgrade::kOneDown;
    outcome = run(rules.program, purchases, on(2030, 1, 1));
    ASSERT_EQ(outcome.events.size(), 5u);
    EXPECT_EQ(outcome.events[3], (Event{on(2025, 6, 15), 1, Cause::kReview, on(2025, 2, 28), "100"}));
    EXPECT_EQ(outcome.events[4], (Event{on(2026, 6, 15), 0, Cause::kReview, on(2025, 6, 15), "0"}));
    const Outcome today = run(rules.program, purchases, on(2025, 3, 1));
    EXPECT_EQ(today.short_since, on(2025, 2, 28));
    EXPECT_EQ(today.lost_at, on(2025, 6, 15));
    EXPECT_EQ(today.lost_to, 1u);
}

// The airlines' way: earn in a year, keep it through the next.
TEST(TierCourse, CalendarYears) {
    Rules rules({100});
    rules.program.period_start = PeriodStart::kCalendar;
    rules.program.review = Review::kCalendar;
    const std::vector<Purchase> purchases = {
        {on(2024, 5, 1), 60}, {on(2024, 12, 31), 40}, {on(2025, 1, 1), 99}};
    const Outcome outcome = run(rules.program, purchases, on(2030, 1, 1));
    ASSERT_EQ(outcome.events.size(), 3u);
    EXPECT_EQ(outcome.events[1].at, on(2024, 12, 31));
    EXPECT_EQ(outcome.events[2], (Event{on(2026, 1, 1), 0, Cause::kReview, on(2025, 1, 1), "99"}));
}

TEST(TierCourse, GraceGivesTimeToMakeUp) {
    Rules rules({500});
    rules.program.grace = {0, 30, 0};
    std::vector<Purchase> purchases = {{on(2024, 1, 10), 500}};
    Outcome outcome = run(rules.program, purchases, on(2025, 1, 20));
    EXPECT_EQ(outcome.level, 1u);
    EXPECT_EQ(outcome.short_since, on(2025, 1, 10));
    EXPECT_EQ(outcome.lost_at, on(2025, 2, 9));
    outcome = run(rules.program, purchases, on(2026, 1, 1));
    EXPECT_EQ(outcome.events.back(), (Event{on(2025, 2, 9), 0, Cause::kGraceEnded, on(2025, 1, 10), "0"}));
    purchases.push_back({on(2025, 2, 8), 500});
    outcome = run(rules.program, purchases, on(2026, 1, 1));
    EXPECT_EQ(outcome.since, on(2024, 1, 10));
    // At the very end of the grace it is too late.
    purchases.back().at = on(2025, 2, 9);
    outcome = run(rules.program, purchases, on(2026, 1, 1));
    EXPECT_EQ(outcome.level, 1u);
    EXPECT_EQ(outcome.events.size(), 4u);
}

TEST(TierCourse, RefundsTakeAndGiveBack) {
    Rules rules({100});
    const std::vector<Purchase> purchases = {
        {on(2024, 1, 1), -50}, {on(2024, 6, 1), 120}, {on(2024, 7, 1), -30}};
    const Outcome outcome = run(rules.program, purchases, on(2025, 1, 2));
    const std::vector<Event> expected = {{on(2024, 1, 1), 0, Cause::kJoined, kNever, "0"}};
    EXPECT_EQ(outcome.events, expected);
    const Outcome later = run(rules.program, {{on(2024, 1, 1), -50}, {on(2024, 6, 1), 120}}, on(2025, 1, 2));
    ASSERT_EQ(later.events.size(), 2u);
    EXPECT_EQ(later.events[1], (Event{on(2025, 1, 1), 1, Cause::kThresholdReached, kNever, "120"}));
}

TEST(TierCourse, CountsOrdersAndDays) {
    Rules rules({2});
    const std::vector<Purchase> purchases = {
        {on(2024, 1, 1), 0}, {on(2024, 1, 1) + 1, 0}, {on(2024, 3, 1) + 5, 0}, {on(2024, 3, 1), 0}};
    rules.program.metric = Metric::kOrders;
    EXPECT_EQ(run(rules.program, purchases, on(2024, 6, 1)).since, on(2024, 1, 1) + 1);
    rules.program.metric = Metric::kDays;
    const Outcome days = run(rules.program, purchases, on(2024, 6, 1));
    EXPECT_EQ(days.since, on(2024, 3, 1));
    // The first day counts until the last of its orders ends to count.
    EXPECT_EQ(days.lost_at, on(2025, 1, 1) + 1);
}

TEST(TierCourse, MembershipMayBeginEarlierOrLater) {
    Rules rules({0, 100});
    const std::vector<Purchase> purchases = {{on(2024, 5, 1), 100}, {on(2024, 7, 1), 50}};
    Outcome outcome = run(rules.program, purchases, on(2024, 8, 1), on(2024, 1, 1));
    ASSERT_EQ(outcome.events.size(), 2u);
    EXPECT_EQ(outcome.events[0].at, on(2024, 1, 1));
    outcome = run(rules.program, purchases, on(2024, 8, 1), on(2024, 6, 1));
    EXPECT_EQ(outcome.level, 1u);  // what was bought before joining does not count
    outcome = run(rules.program, {}, on(2024, 8, 1), on(2024, 6, 1));
    EXPECT_TRUE(outcome.member);
    EXPECT_FALSE(run(rules.program, {}, on(2024, 8, 1)).member);
    EXPECT_FALSE(run(rules.program, purchases, on(2024, 8, 1), on(2024, 8, 1)).member);
}

TEST(TierCourse, RefusesBadPrograms) {
    const auto refused = [](std::vector<std::int64_t> levels, auto&& change) {
        Rules rules(std::move(levels));
        change(rules.program);
        return error_code([&] { run(rules.program, {}, 0); }) == Errc::kInvalidArgument;
    };
    const auto nothing = [](Program&) {};
    EXPECT_TRUE(refused({}, nothing));
    EXPECT_TRUE(refused({-1, 5}, nothing));
    EXPECT_TRUE(refused({5, 5}, nothing));
    EXPECT_TRUE(refused({6, 5}, nothing));
    EXPECT_TRUE(refused({5}, [](Program& program) { program.period = {}; }));
    EXPECT_TRUE(refused({5}, [](Program& program) { program.period = {1, -1, 0}; }));
    EXPECT_TRUE(refused({5}, [](Program& program) { program.review_every = {0, 0, kDay - 1}; }));
    EXPECT_TRUE(refused({5}, [](Program& program) { program.grace = {0, -1, 0}; }));
    EXPECT_EQ(error_code([] { metric_named("points"); }), Errc::kInvalidArgument);
    EXPECT_EQ(downgrade_named("one_down"), Downgrade::kOneDown);
    EXPECT_EQ(review_named("tier_anniversary"), Review::kTierAnniversary);
    EXPECT_EQ(period_start_named("membership"), PeriodStart::kMembership);
}

struct RandomCase {
    std::vector<std::int64_t> levels;
    std::vector<Purchase> purchases;
    Program program;
    Instant joined;
};

RandomCase random_case(Random& random) {
    const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random.below(n)); };
    RandomCase made;
    made.program.metric = static_cast<Metric>(below(3));
    made.program.lifetime = below(8) == 0;
    made.program.period_start = static_cast<PeriodStart>(below(3));
    made.program.downgrade = static_cast<Downgrade>(below(3));
    made.program.review = static_cast<Review>(below(4));
    const Interval periods[] = {{1, 0, 0}, {3, 0, 0}, {12, 0, 0}, {0, 30, 0}, {0, 7, 0}, {1, 3, 0}};
    made.program.period = periods[below(6)];
    made.program.review_every = periods[below(6)];
    const Interval graces[] = {{}, {}, {0, 1, 0}, {0, 14, 0}, {2, 0, 0}};
    made.program.grace = graces[below(5)];
    const std::int64_t unit = made.program.metric == Metric::kAmount ? 40 : 1;
    std::int64_t level = below(3) == 0 ? 0 : unit;
    for (std::int64_t i = 0, count = 1 + below(4); i < count; ++i, level += unit * (1 + below(2)))
        made.levels.push_back(level);
    made.joined = on(2000 + below(4), 1 + below(12), 1 + below(28));
    for (std::int64_t i = 0, count = below(30); i < count; ++i)
        made.purchases.push_back({made.joined + kDay * (below(800) - 20), below(110) - 20});
    return made;
}

TEST(TierCourse, AgreesWithCountingDayByDay) {
    Random random(20240229);
    std::size_t downgrades = 0;
    std::size_t still_short = 0;
    for (int round = 0; round < 1000; ++round) {
        RandomCase one = random_case(random);
        // Steps of their own clock are rare among all the programs there are.
        if (round % 3 == 0) {
            one.program.review = Review::kRealTime;
            one.program.downgrade = Downgrade::kOneDown;
            one.program.grace = {};
        }
        Rules rules(one.levels);
        one.program.thresholds = rules.thresholds;
        const Instant end = one.joined + 1300 * kDay;
        const std::vector<Event> expected =
            DayByDay(one.program, one.levels, one.purchases, one.joined).events(end);
        const Outcome whole = run(one.program, one.purchases, end, one.joined);
        ASSERT_EQ(whole.events, expected) << "round " << round;
        downgrades +=
            static_cast<std::size_t>(std::count_if(expected.begin(), expected.end(), [](const Event& event) {
                return event.cause != Cause::kJoined && event.cause != Cause::kThresholdReached;
            }));
        still_short +=
            static_cast<std::size_t>(std::count_if(expected.begin(), expected.end(), [](const Event& event) {
                return event.cause == Cause::kStillShort;
            }));

        // The order of the rows does not matter.
        for (std::size_t i = one.purchases.size(); i > 1; --i)
            std::swap(one.purchases[i - 1], one.purchases[random.below(i)]);
        ASSERT_EQ(run(one.program, one.purchases, end, one.joined).events, expected) << "round " << round;

        // What is known at an earlier moment is the beginning of it, and without further orders the tier is
        // lost when it said so.
        const Instant moment = one.joined + kDay * static_cast<Instant>(1 + random.below(900));
        const Outcome earlier = run(one.program, one.purchases, moment, one.joined);
        ASSERT_LE(earlier.events.size(), expected.size());
        ASSERT_TRUE(std::equal(earlier.events.begin(), earlier.events.end(), expected.begin()))
            << "round " << round;
        std::erase_if(one.purchases, [moment](const Purchase& purchase) { return purchase.at >= moment; });
        const Outcome silent = run(one.program, one.purchases, end + 2000 * kDay, one.joined);
        const auto loss = std::find_if(silent.events.begin(), silent.events.end(), [&](const Event& event) {
            return event.at >= moment && event.to < earlier.level;
        });
        ASSERT_EQ(loss == silent.events.end() ? kNever : loss->at, earlier.lost_at) << "round " << round;
    }
    EXPECT_GT(downgrades, 500u);
    EXPECT_GT(still_short, 20u);
}

TEST(TierCourse, MemoryAndCancel) {
    Rules rules({10, 20});
    std::vector<Whole> one = {Whole(1)};
    std::vector<Order> orders;
    for (int i = 0; i < 100000; ++i)
        orders.push_back({.at = i * 1000, .day = 0, .value = one[0].get()});
    Utc calendar;
    seg::test::CountingResource memory;
    seg::test::CancelAfter cancel(2);
    rules.program.lifetime = true;
    {
        Course course(rules.program, calendar, &memory, cancel);
        EXPECT_THROW(course.follow(orders, {}, kNever, nullptr), seg::test::Cancelled);
    }
    EXPECT_EQ(memory.live, 0u);
    NoInterrupt interrupt;
    seg::test::CountingResource failing;
    failing.fail_at = 4;
    EXPECT_THROW(
        {
            Course course(rules.program, calendar, &failing, interrupt);
            course.follow(orders, {}, kNever, nullptr);
        },
        std::bad_alloc);
    EXPECT_EQ(failing.live, 0u);
}

// A numeric may have one digit and 131,000 zeros: few additions, each of them long.
TEST(TierCourse, LongNumbersCanBeCancelled) {
    const std::int16_t digit[] = {1};
    const Decimal huge = {.weight = 32749, .display_scale = 0, .digits = digit};
    const std::int16_t last[] = {1};
    const Decimal tiny = {.weight = -4000, .display_scale = 16000, .digits = last};
    const std::vector<Order> orders = {{.at = 0, .value = huge}, {.at = 1, .value = tiny}};
    const Decimal thresholds[] = {tiny, huge};
    Program program;
    program.thresholds = thresholds;
    Utc calendar;
    seg::test::CountingResource memory;
    seg::test::CancelAfter soon(1);
    EXPECT_THROW(validate(program, &memory, soon), seg::test::Cancelled);
    NoInterrupt interrupt;
    validate(program, &memory, interrupt);
    seg::test::CancelAfter cancel(2);
    EXPECT_THROW(
        {
            Course course(program, calendar, &memory, cancel);
            course.follow(orders, {}, 10, nullptr);
        },
        seg::test::Cancelled);
    EXPECT_EQ(memory.live, 0u);
}

// Money is exact: cents that no double holds, far apart in size.
TEST(TierCourse, MoneyIsExact) {
    const std::int16_t tenth[] = {1000};
    const std::int16_t third[] = {3000};
    const Decimal ten_cents = {.weight = -1, .display_scale = 1, .digits = tenth};
    const Decimal thirty_cents = {.weight = -1, .display_scale = 1, .digits = third};
    const std::int16_t huge[] = {1};
    const Decimal big = {.weight = 10, .display_scale = 0, .digits = huge};
    Decimal minus_big = big;
    minus_big.negative = true;
    const Decimal thresholds[] = {thirty_cents};
    Program program;
    program.thresholds = thresholds;
    const std::vector<Order> orders = {{.at = 4, .value = minus_big},
                                       {.at = 1, .value = ten_cents},
                                       {.at = 2, .value = ten_cents},
                                       {.at = 0, .value = big},
                                       {.at = 5, .value = ten_cents}};
    Utc calendar;
    seg::test::CountingResource memory;
    NoInterrupt interrupt;
    program.lifetime = true;
    Course course(program, calendar, &memory, interrupt);
    course.follow(orders, {}, 10, nullptr);
    EXPECT_EQ(course.level(), 1u);
    EXPECT_EQ(course.since(), 5);
}

}  // namespace
