#include "core/tier/course.hpp"

#include <algorithm>

namespace seg::core::tier {

namespace {

constexpr std::int16_t kOneDigit[] = {1};
const Decimal& one() {
    static constexpr Decimal kOne = {.negative = false, .weight = 0, .display_scale = 0, .digits = kOneDigit};
    return kOne;
}

}  // namespace

Course::Course(const Program& program, Calendar& calendar, MemoryResource* memory, Interrupt& interrupt)
    : program_(program),
      calendar_(calendar),
      meter_(interrupt),
      floor_(Balance(memory, meter_).reaches(program.thresholds.front()) ? 1 : 0),
      credits_(memory),
      by_end_(memory),
      balance_(memory, meter_) {}

void Course::follow(std::span<const Order> orders, std::optional<Instant> joined, Instant as_of,
                    ChangeSink* sink) {
    joined_ = joined.value_or(kNever);
    if (!joined)
        for (const Order& order : orders)
            joined_ = std::min(joined_, order.at);
    if (joined_ >= as_of)
        return;
    member_ = true;
    sink_ = sink;
    give_credits(orders, as_of);
    end_credits();
    level_ = floor_;
    since_ = joined_;
    if (sink_ != nullptr)
        sink_->put({.at = joined_, .from = floor_, .to = floor_}, balance_.view());
    advance(as_of, 0);
}

Course::Loss Course::next_loss() {
    sink_ = nullptr;
    const std::size_t present = level_;
    if (program_.downgrade != Downgrade::kNone && present > floor_)
        advance(kNever, present);
    return level_ < present ? Loss{since_, level_} : Loss{};
}

// The orders that count, in the order of time.
void Course::give_credits(std::span<const Order> orders, Instant as_of) {
    if (orders.size() > std::numeric_limits<std::uint32_t>::max())
        throw Error(Errc::kTooBig, "a customer has too many orders");
    credits_.reserve(orders.size());
    for (const Order& order : orders) {
        meter_.done(1);
        if (order.at < joined_ || order.at >= as_of)
            continue;
        const Decimal* value = program_.metric == Metric::kAmount ? &order.value : &one();
        credits_.push_back({order.at, kNever, value, order.day});
    }
    std::sort(credits_.begin(), credits_.end(), [this](const Credit& a, const Credit& b) {
        meter_.done(1);
        return a.from < b.from;
    });
}

// When each of them ends to count.
void Course::end_credits() {
    if (!program_.lifetime) {
        Instant end = kBefore;
        for (Credit& credit : credits_) {
            meter_.done(1);
            end = end_of_period(credit.from, end);
            credit.until = end;
        }
    }
    if (program_.metric == Metric::kDays)
        merge_days();
    by_end_.resize(credits_.size());
    for (std::size_t i = 0; i < credits_.size(); ++i)
        by_end_[i] = static_cast<std::uint32_t>(i);
    std::sort(by_end_.begin(), by_end_.end(), [this](std::uint32_t a, std::uint32_t b) {
        meter_.done(1);
        return credits_[a].until < credits_[b].until;
    });
}

// Fixed periods end for all their orders at once, so the end of an earlier order often serves.
Instant Course::end_of_period(Instant from, Instant previous_end) {
    if (program_.period_start == PeriodStart::kRolling)
        return calendar_.plus(from, program_.period, 1);
    if (from < previous_end)
        return previous_end;
    const Instant anchor = program_.period_start == PeriodStart::kCalendar ? calendar_.epoch() : joined_;
    return next_multiple(calendar_, anchor, program_.period, from);
}

// A day counts once, from its first order until the last of its orders ends to count. Orders of one day need
// not be neighbours in time: clocks may be set back over midnight.
void Course::merge_days() {
    std::sort(credits_.begin(), credits_.end(), [this](const Credit& a, const Credit& b) {
        meter_.done(1);
        return a.day != b.day ? a.day < b.day : a.from < b.from;
    });
    std::size_t count = 0;
    for (const Credit& credit : credits_) {
        meter_.done(1);
        if (count > 0 && credits_[count - 1].day == credit.day && credit.from <= credits_[count - 1].until)
            credits_[count - 1].until = std::max(credits_[count - 1].until, credit.until);
        else
            credits_[count++] = credit;
    }
    credits_.resize(count);
    std::sort(credits_.begin(), credits_.end(), [this](const Credit& a, const Credit& b) {
        meter_.done(1);
        return a.from < b.from;
    });
}

Instant Course::next_event() const {
    Instant next = std::min(grace_end_, review_at_);
    if (next_start_ < credits_.size())
        next = std::min(next, credits_[next_start_].from);
    if (next_end_ < by_end_.size())
        next = std::min(next, credits_[by_end_[next_end_]].until);
    return next;
}

// All events before the limit, as long as the level is not below the lowest.
void Course::advance(Instant limit, std::size_t lowest) {
    for (;;) {
        const Instant at = next_event();
        if (at >= limit || level_ < lowest)
            return;
        meter_.done(1);
        if (at == grace_end_ || at == review_at_)
            hold_review(at);
        if (apply_credits(at))
            settle(at);
    }
}

bool Course::apply_credits(Instant at) {
    bool changed = false;
    for (; next_start_ < credits_.size() && credits_[next_start_].from == at; ++next_start_) {
        meter_.done(1);
        balance_.add(*credits_[next_start_].value);
        changed = true;
    }
    for (; next_end_ < by_end_.size() && credits_[by_end_[next_end_]].until == at; ++next_end_) {
        meter_.done(1);
        balance_.subtract(*credits_[by_end_[next_end_]].value);
        changed = true;
    }
    return changed;
}

// After the balance has changed.
void Course::settle(Instant at) {
    const std::size_t now = earned();
    if (now > level_)
        move({.at = at, .from = level_, .to = now, .cause = Cause::kThresholdReached});
    watch(at, true);
}

// The balance has been short of the tier until now, else nothing would be due.
void Course::hold_review(Instant at) {
    if (at == grace_end_) {
        lose(at, Cause::kGraceEnded);
        watch(at, false);
        return;
    }
    review_at_ = kNever;
    if (program_.grace.empty()) {
        lose(at, program_.review == Review::kRealTime ? Cause::kStillShort : Cause::kReview);
        watch(at, false);
    } else {
        grace_end_ = calendar_.plus(at, program_.grace, 1);
    }
}

// Notes whether the balance is short of the tier, and what will come of it.
void Course::watch(Instant at, bool balance_changed) {
    const bool is_short = program_.downgrade != Downgrade::kNone && level_ > floor_ &&
                          !balance_.reaches(program_.thresholds[level_ - 1]);
    if (!is_short) {
        short_since_ = grace_end_ = review_at_ = kNever;
        return;
    }
    if (short_since_ == kNever)
        short_since_ = at;
    if (grace_end_ != kNever)
        return;
    if (program_.review != Review::kRealTime) {
        if (review_at_ == kNever)
            review_at_ = next_multiple(calendar_, review_anchor(), program_.review_every, at);
    } else if (!program_.grace.empty()) {
        grace_end_ = calendar_.plus(at, program_.grace, 1);
    } else if (balance_changed && since_ != at) {
        lose(at, Cause::kBalanceFell);
        watch(at, false);
    } else if (review_at_ == kNever) {
        // One step at a moment: what is left to lose waits for the next change, but not for ever.
        review_at_ = calendar_.plus(at, program_.review_every, 1);
    }
}

void Course::lose(Instant at, Cause cause) {
    const std::size_t to =
        program_.downgrade == Downgrade::kOneDown ? level_ - 1 : std::min(earned(), level_ - 1);
    move({.at = at, .from = level_, .to = to, .cause = cause, .short_since = short_since_});
}

void Course::move(const Change& change) {
    level_ = change.to;
    since_ = change.at;
    short_since_ = grace_end_ = review_at_ = kNever;
    if (sink_ != nullptr)
        sink_->put(change, balance_.view());
}

std::size_t Course::earned() const {
    std::size_t level = floor_;
    while (level < program_.thresholds.size() && balance_.reaches(program_.thresholds[level]))
        ++level;
    return level;
}

Instant Course::review_anchor() const {
    switch (program_.review) {
        case Review::kMembershipAnniversary:
            return joined_;
        case Review::kTierAnniversary:
            return since_;
        default:
            return calendar_.epoch();
    }
}

}  // namespace seg::core::tier
