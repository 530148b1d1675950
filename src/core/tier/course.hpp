// A customer's course through the tiers of a program, followed from event to event: orders that come, orders
// that no longer count, reviews, and ends of grace.
//
// At one moment things happen in this order:
//   1. A review that is due, or the end of a grace period, looks at the balance as it was until now.
//   2. All orders of the moment come, and all that end their period go, together.
//   3. A tier that the new balance earns is reached at once. Reviews in real time look at the new balance.
// A moment therefore never sees its own orders: the state at as_of is that of all orders before it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/tier/balance.hpp"
#include "core/tier/program.hpp"

namespace seg::core::tier {

// One order. value counts for Metric::kAmount, day (any numbering of days) for Metric::kDays.
struct Order {
    Instant at = 0;
    std::int32_t day = 0;
    Decimal value;
};

enum class Cause : std::uint8_t {
    kJoined,            // the membership began
    kThresholdReached,  // the balance earns the tier
    kBalanceFell,       // real time: the balance no longer earns the tier
    kStillShort,  // real time, one step after another: the balance has not earned the tier since the last
    kReview,      // an anniversary, or a review of the calendar, found it so
    kGraceEnded,  // the balance stayed short until the grace was over
};

// A customer comes to a level. Levels count from 0, no threshold reached.
struct Change {
    Instant at = 0;
    std::size_t from = 0;
    std::size_t to = 0;
    Cause cause = Cause::kJoined;
    // A loss: since when, in the tier that was lost, the balance had been below it.
    Instant short_since = kNever;
};

class ChangeSink {
  public:
    // The balance is that after the change.
    virtual void put(const Change& change, const DecimalSumView& balance) = 0;

  protected:
    ~ChangeSink() = default;
};

class Course {
  public:
    // Program and calendar must outlive the course.
    Course(const Program& program, Calendar& calendar, MemoryResource* memory, Interrupt& interrupt);

    // Follows a customer from the beginning of the membership, which is the first order unless given, to
    // as_of. Orders before the membership and orders at as_of or later do not count. Orders come in any order
    // and must outlive the course. O(n log n).
    void follow(std::span<const Order> orders, std::optional<Instant> joined, Instant as_of,
                ChangeSink* sink);

    // Goes on without further orders until the present level is lost; kNever if it never is.
    struct Loss {
        Instant at = kNever;
        std::size_t to = 0;
    };
    Loss next_loss();

    // Where the customer stands. A customer who has not joined is no member, at level 0.
    bool member() const { return member_; }
    std::size_t level() const { return level_; }
    Instant since() const { return since_; }
    Instant short_since() const { return short_since_; }
    DecimalSumView balance() const { return balance_.view(); }

  private:
    // What an order is worth, and when: after from, until and including until.
    struct Credit {
        Instant from;
        Instant until;
        const Decimal* value;
        std::int32_t day;
    };

    void give_credits(std::span<const Order> orders, Instant as_of);
    void end_credits();
    Instant end_of_period(Instant from, Instant previous_end);
    void merge_days();
    void advance(Instant limit, std::size_t lowest);
    Instant next_event() const;
    bool apply_credits(Instant at);
    void settle(Instant at);
    void hold_review(Instant at);
    void watch(Instant at, bool balance_changed);
    void lose(Instant at, Cause cause);
    void move(const Change& change);
    std::size_t earned() const;
    Instant review_anchor() const;

    const Program& program_;
    Calendar& calendar_;
    WorkMeter meter_;
    std::size_t floor_;  // the level that needs nothing
    Vector<Credit> credits_;
    Vector<std::uint32_t> by_end_;
    std::size_t next_start_ = 0;
    std::size_t next_end_ = 0;
    Balance balance_;
    ChangeSink* sink_ = nullptr;

    bool member_ = false;
    Instant joined_ = kNever;
    std::size_t level_ = 0;
    Instant since_ = kNever;
    Instant short_since_ = kNever;
    Instant grace_end_ = kNever;
    Instant review_at_ = kNever;
};

}  // namespace seg::core::tier
