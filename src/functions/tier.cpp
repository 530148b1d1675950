// segment.tier_at, segment.tier_history: a customer's orders against the tiers of a loyalty program.
#include "core/tier/course.hpp"

#include <cstring>
#include <new>
#include <string_view>

#include "backend/calendar.hpp"
#include "backend/guard.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"
#include "backend/numeric.hpp"
#include "backend/result.hpp"

extern "C" {
#include "pgtime.h"
#include "utils/datetime.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using core::tier::Cause;
using core::tier::Course;
using core::tier::Instant;
using core::tier::kBefore;
using core::tier::kNever;
using core::tier::Metric;
using core::tier::Program;
using core::tier::Review;

constexpr int kMostTiers = 100;

// The server's calendar in the session's time zone.
class ServerCalendar final : public core::tier::Calendar {
  public:
    Instant plus(Instant at, const core::tier::Interval& interval, std::int64_t times) override {
        // Near the ends of the calendar the server would raise an error.
        constexpr double kMargin = 70.0 * USECS_PER_DAY;
        const double about = static_cast<double>(at) + interval.mean_length() * static_cast<double>(times);
        ::Interval span = {};
        if (about > static_cast<double>(END_TIMESTAMP) - kMargin ||
            __builtin_mul_overflow(interval.microseconds, times, &span.time))
            return kNever;
        if (about < static_cast<double>(MIN_TIMESTAMP) + kMargin)
            return kBefore;
        span.month = static_cast<std::int32_t>(interval.months * times);
        span.day = static_cast<std::int32_t>(interval.days * times);
        const ::Interval* source = &span;
        return call([at, source]() noexcept {
            return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(at),
                                                           IntervalPGetDatum(source)));
        });
    }

    Instant epoch() override {
        if (epoch_ == kNever)
            epoch_ = call([]() noexcept {
                struct pg_tm first = {};
                first.tm_year = 2000;
                first.tm_mon = 1;
                first.tm_mday = 1;
                int offset = DetermineTimeZoneOffset(&first, session_timezone);
                Timestamp result = 0;
                if (tm2timestamp(&first, 0, &offset, &result) != 0)
                    elog(ERROR, "the year 2000 is out of range");
                return result;
            });
        return epoch_;
    }

  private:
    Instant epoch_ = kNever;
};

std::string_view text_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    const struct varlena* value = detoasted(required(fcinfo, number, name));
    return {VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))};
}

core::tier::Interval interval_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    const ::Interval* value = DatumGetIntervalP(required(fcinfo, number, name));
#ifdef INTERVAL_NOT_FINITE
    if (INTERVAL_NOT_FINITE(value))
        throw core::Error(core::Errc::kInvalidArgument, core::format("\"%s\" must be finite", name));
#endif
    return {value->month, value->day, value->time};
}

TimestampTz finite_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    const TimestampTz value = DatumGetTimestampTz(required(fcinfo, number, name));
    if (TIMESTAMP_NOT_FINITE(value))
        throw core::Error(core::Errc::kInvalidArgument, core::format("\"%s\" must be finite", name));
    return value;
}

// A tier as it was named: its name, and its threshold as a numeric.
struct NamedTier {
    const char* name;
    int length;
    Datum threshold;
};

[[noreturn]] void refuse_tiers() {
    throw core::Error(core::Errc::kInvalidArgument, "\"tiers\" must be an object of names and thresholds", {},
                      "Write it like {\"Silver\": 500, \"Gold\": 1500}.");
}

Datum numeric_from(const JsonToken& token) {
    const char* digits = token.text;
    const int length = token.length;
    return call([digits, length]() noexcept {
        return DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(digits, length)),
                                   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    });
}

// Ascending by threshold; few enough for the simplest sort.
void sort_tiers(NamedTier* tiers, std::size_t count) {
    call([tiers, count]() noexcept {
        for (std::size_t i = 1; i < count; ++i)
            for (std::size_t j = i; j > 0; --j) {
                if (DatumGetInt32(
                        DirectFunctionCall2(numeric_cmp, tiers[j - 1].threshold, tiers[j].threshold)) <= 0)
                    break;
                const NamedTier later = tiers[j - 1];
                tiers[j - 1] = tiers[j];
                tiers[j] = later;
            }
    });
}

// Numerics in core's terms, at one place: their digits may be kept within.
class Decimals {
  public:
    explicit Decimals(core::MemoryResource* memory, std::size_t room)
        : values_(static_cast<DecimalArgument*>(
              memory->allocate(room * sizeof(DecimalArgument) + 1, alignof(DecimalArgument)))) {
        static_assert(std::is_trivially_destructible_v<DecimalArgument>);
    }
    const core::Decimal& add(Datum numeric) {
        return (new (values_ + count_++) DecimalArgument(numeric))->value();
    }

  private:
    DecimalArgument* values_;
    std::size_t count_ = 0;
};

// The arguments of both functions, decoded: at, amount, tiers, as_of, metric, period, period_start,
// downgrade, review, review_every, grace, joined.
class TierCall {
  public:
    TierCall(FunctionCallInfo fcinfo, core::MemoryResource* memory)
        : memory_(memory), tiers_(memory), thresholds_(memory), orders_(memory) {
        read_tiers(DatumGetPointer(required(fcinfo, 2, "tiers")));
        as_of_ = finite_argument(fcinfo, 3, "as_of");
        program_.thresholds = {thresholds_.data(), thresholds_.size()};
        program_.metric = core::tier::metric_named(text_argument(fcinfo, 4, "metric"));
        program_.lifetime = PG_ARGISNULL(5);
        if (!program_.lifetime)
            program_.period = interval_argument(fcinfo, 5, "period");
        program_.period_start = core::tier::period_start_named(text_argument(fcinfo, 6, "period_start"));
        program_.downgrade = core::tier::downgrade_named(text_argument(fcinfo, 7, "downgrade"));
        program_.review = core::tier::review_named(text_argument(fcinfo, 8, "review"));
        program_.review_every = interval_argument(fcinfo, 9, "review_every");
        program_.grace = interval_argument(fcinfo, 10, "grace");
        if (!PG_ARGISNULL(11))
            joined_ = finite_argument(fcinfo, 11, "joined");
        ServerInterrupt interrupt;
        validate(program_, memory, interrupt);
        if (!PG_ARGISNULL(0))
            read_orders(fcinfo);
    }

    void follow(Course& course, core::tier::ChangeSink* sink) const {
        course.follow({orders_.data(), orders_.size()}, joined_, as_of_, sink);
    }
    const Program& program() const { return program_; }
    std::size_t count() const { return tiers_.size(); }

    // Levels count from 1; level 0 has no name.
    const NamedTier& tier(std::size_t level) const { return tiers_[level - 1]; }

  private:
    struct Elements {
        Datum* values;
        bool* nulls;
        int count;
    };

    void read_tiers(Pointer jsonb) {
        const std::span<const JsonToken> tokens = json_tokens(PointerGetDatum(jsonb));
        if (tokens.empty() || tokens[0].kind != JsonToken::Kind::kObject)
            refuse_tiers();
        for (std::size_t i = 1; tokens[i].kind != JsonToken::Kind::kEnd; i += 2) {
            if (tokens[i + 1].kind != JsonToken::Kind::kNumber)
                refuse_tiers();
            if (tiers_.size() == kMostTiers)
                throw core::Error(core::Errc::kInvalidArgument,
                                  core::format("there must be at most %d tiers", kMostTiers));
            tiers_.push_back({tokens[i].text, tokens[i].length, numeric_from(tokens[i + 1])});
        }
        sort_tiers(tiers_.data(), tiers_.size());
        Decimals decimals(memory_, tiers_.size());
        for (const NamedTier& tier : tiers_)
            thresholds_.push_back(decimals.add(tier.threshold));
    }

    static Elements elements(Datum datum, Oid type, int size, bool by_value, char align, const char* name) {
        const auto* array = reinterpret_cast<const ArrayType*>(detoasted(datum));
        if (ARR_NDIM(array) > 1)
            throw core::Error(core::Errc::kArrayShape,
                              core::format("\"%s\" must have one dimension, not %d", name, ARR_NDIM(array)));
        return call([array, type, size, by_value, align]() noexcept {
            Elements result;
            deconstruct_array(const_cast<ArrayType*>(array), type, size, by_value, align, &result.values,
                              &result.nulls, &result.count);
            return result;
        });
    }

    void read_orders(FunctionCallInfo fcinfo) {
        const Elements at = elements(PG_GETARG_DATUM(0), TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL,
                                     TYPALIGN_DOUBLE, "at");
        Elements amount = {nullptr, nullptr, 0};
        if (program_.metric == Metric::kAmount || !PG_ARGISNULL(1)) {
            amount = elements(required(fcinfo, 1, "amount"), NUMERICOID, -1, false, TYPALIGN_INT, "amount");
            if (amount.count != at.count)
                throw core::Error(
                    core::Errc::kArrayShape,
                    core::format("\"at\" and \"amount\" must have the same length, not %d and %d", at.count,
                                 amount.count));
        }
        ServerInterrupt interrupt;
        core::WorkMeter meter(interrupt);
        const bool adds_up = program_.metric == Metric::kAmount;
        Decimals decimals(memory_, adds_up ? static_cast<std::size_t>(amount.count) : 0);
        orders_.reserve(static_cast<std::size_t>(at.count));
        for (int i = 0; i < at.count; ++i) {
            meter.done(1);
            if (at.nulls[i] || (amount.nulls != nullptr && amount.nulls[i]))
                continue;
            core::tier::Order order;
            order.at = order_time(at.values[i]);
            if (adds_up)
                order.value = order_amount(decimals.add(amount.values[i]));
            else if (program_.metric == Metric::kDays)
                order.day = local_day(order.at);
            orders_.push_back(order);
        }
    }

    static Instant order_time(Datum datum) {
        const TimestampTz at = DatumGetTimestampTz(datum);
        if (TIMESTAMP_NOT_FINITE(at))
            throw core::Error(core::Errc::kBadData,
                              core::format("order time is not finite: %s",
                                           TIMESTAMP_IS_NOBEGIN(at) ? "-infinity" : "infinity"));
        return at;
    }

    static const core::Decimal& order_amount(const core::Decimal& amount) {
        if (amount.kind != core::DecimalKind::kFinite)
            throw core::Error(core::Errc::kBadData,
                              core::format("order amount is not finite: %s",
                                           amount.kind == core::DecimalKind::kNaN        ? "NaN"
                                           : amount.kind == core::DecimalKind::kInfinity ? "Infinity"
                                                                                         : "-Infinity"));
        return amount;
    }

    core::MemoryResource* memory_;
    core::Vector<NamedTier> tiers_;
    core::Vector<core::Decimal> thresholds_;
    core::Vector<core::tier::Order> orders_;
    Program program_;
    TimestampTz as_of_ = 0;
    std::optional<Instant> joined_;
};

Datum name_datum(const NamedTier& tier) {
    const char* name = tier.name;
    const int length = tier.length;
    return call(
        [name, length]() noexcept { return PointerGetDatum(cstring_to_text_with_len(name, length)); });
}

Datum difference(Datum a, Datum b) {
    return call([a, b]() noexcept { return DirectFunctionCall2(numeric_sub, a, b); });
}

// A change on its way to be a row: a row ends where the next begins.
struct Period {
    core::tier::Change change;
    Datum balance;
};

class Periods final : public core::tier::ChangeSink {
  public:
    explicit Periods(core::MemoryResource* memory) : periods_(memory) {}

    void put(const core::tier::Change& change, const core::DecimalSumView& balance) override {
        // Who reaches a tier with the first order has been in no other.
        if (periods_.size() == 1 && periods_[0].change.at == change.at)
            periods_.clear();
        periods_.push_back({change, numeric_datum(balance)});
    }
    const core::Vector<Period>& periods() const { return periods_; }

  private:
    core::Vector<Period> periods_;
};

const char* reason_of(Cause cause, Review review) {
    switch (cause) {
        case Cause::kJoined:
            return "joined";
        case Cause::kThresholdReached:
            return "threshold reached";
        case Cause::kBalanceFell:
            return "balance fell short";
        case Cause::kStillShort:
            return "balance still short";
        case Cause::kGraceEnded:
            return "grace ended";
        case Cause::kReview:
            break;
    }
    return review == Review::kMembershipAnniversary ? "membership anniversary"
           : review == Review::kTierAnniversary     ? "tier anniversary"
                                                    : "calendar review";
}

// tier, starts, ends, change, reason, balance, threshold, short_since
void put_period(ResultSet& result, const TierCall& arguments, const Period& period, Instant ends) {
    const core::tier::Change change = period.change;
    const bool upgrade = change.cause == Cause::kThresholdReached;
    const bool joined = change.cause == Cause::kJoined;
    const NamedTier* tier = change.to == 0 ? nullptr : &arguments.tier(change.to);
    const NamedTier* decided = joined ? nullptr : &arguments.tier(upgrade ? change.to : change.from);
    const char* kind = joined ? "joined" : upgrade ? "upgrade" : "downgrade";
    const char* reason = reason_of(change.cause, arguments.program().review);
    result.put<8>([=, balance = period.balance](Datum* values, bool* nulls) {
        nulls[0] = tier == nullptr;
        if (tier != nullptr)
            values[0] = PointerGetDatum(cstring_to_text_with_len(tier->name, tier->length));
        values[1] = TimestampTzGetDatum(change.at);
        values[2] = TimestampTzGetDatum(ends);
        nulls[2] = ends == kNever;
        values[3] = CStringGetTextDatum(kind);
        values[4] = CStringGetTextDatum(reason);
        values[5] = balance;
        nulls[6] = decided == nullptr;
        values[6] = decided == nullptr ? 0 : decided->threshold;
        nulls[7] = change.short_since == kNever;
        values[7] = TimestampTzGetDatum(change.short_since);
    });
}

}  // namespace

// tier_at(at, amount, tiers, ...) -> (tier, since, balance, next_tier, missing, short_since, expires_at,
// expires_to)
PGSEG_FUNCTION(pgseg_tier_at) {
    TemporaryContext work;
    ServerInterrupt interrupt;
    ServerCalendar calendar;
    const TierCall arguments(fcinfo, &work.resource());
    Course course(arguments.program(), calendar, &work.resource(), interrupt);
    arguments.follow(course, nullptr);
    if (!course.member())
        PG_RETURN_NULL();
    const std::size_t level = course.level();
    const Datum balance = numeric_datum(course.balance());
    Row<8> row;
    row.set(1, TimestampTzGetDatum(course.since())).set(2, balance);
    if (level > 0)
        row.set(0, name_datum(arguments.tier(level)));
    if (level < arguments.count()) {
        const NamedTier& next = arguments.tier(level + 1);
        row.set(3, name_datum(next)).set(4, difference(next.threshold, balance));
    }
    if (course.short_since() != kNever)
        row.set(5, TimestampTzGetDatum(course.short_since()));
    const Course::Loss loss = course.next_loss();
    if (loss.at != kNever) {
        row.set(6, TimestampTzGetDatum(loss.at));
        if (loss.to > 0)
            row.set(7, name_datum(arguments.tier(loss.to)));
    }
    return composite_result(fcinfo, row);
}

// tier_history(at, amount, tiers, ...) -> rows
PGSEG_FUNCTION(pgseg_tier_history) {
    ResultSet result(fcinfo);
    TemporaryContext work;
    ServerInterrupt interrupt;
    ServerCalendar calendar;
    const TierCall arguments(fcinfo, &work.resource());
    Course course(arguments.program(), calendar, &work.resource(), interrupt);
    Periods sink(&work.resource());
    arguments.follow(course, &sink);
    const core::Vector<Period>& periods = sink.periods();
    for (std::size_t i = 0; i < periods.size(); ++i)
        put_period(result, arguments, periods[i], i + 1 < periods.size() ? periods[i + 1].change.at : kNever);
    PG_RETURN_NULL();
}
