#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "core/base/random.hpp"
#include "core/lifecycle/gap_counts.hpp"
#include "core/lifecycle/stage.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core::lifecycle;
using seg::core::Errc;
using seg::core::NoInterrupt;
using seg::core::Random;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

History history(std::int64_t orders, std::int64_t recency) {
    return {.orders = orders, .recency = recency, .last_gap = {}, .mean_gap = {}, .span = {}};
}

TEST(Stage, RetailLimitsAreInclusive) {
    const Rule rule;
    EXPECT_EQ(stage_of(rule, history(1, 0)), Stage::kFirstTime);
    EXPECT_EQ(stage_of(rule, history(1, 90)), Stage::kFirstTime);
    EXPECT_EQ(stage_of(rule, history(2, 90)), Stage::kActive);
    EXPECT_EQ(stage_of(rule, history(1, 91)), Stage::kDefecting);
    EXPECT_EQ(stage_of(rule, history(2, 365)), Stage::kDefecting);
    EXPECT_EQ(stage_of(rule, history(2, 366)), Stage::kInactive);
    EXPECT_EQ(stage_of(rule, history(1, std::numeric_limits<std::int64_t>::max())), Stage::kInactive);
}

TEST(Stage, ReactivatedComesFromTheLastGapAndIsActive) {
    const Rule rule;
    History back = history(3, 10);
    back.last_gap = 365;
    EXPECT_EQ(stage_of(rule, back), Stage::kActive);
    back.last_gap = 366;
    EXPECT_EQ(stage_of(rule, back), Stage::kReactivated);
    back.recency = 91;
    EXPECT_EQ(stage_of(rule, back), Stage::kDefecting);
}

TEST(Stage, OwnGapScalesTheLimits) {
    Rule rule;
    rule.preset = Preset::kOwnGap;
    EXPECT_EQ(stage_of(rule, history(1, 90)), Stage::kFirstTime);  // no gap: days
    History regular = history(4, 15);
    regular.mean_gap = 10;
    EXPECT_EQ(stage_of(rule, regular), Stage::kActive);
    regular.recency = 16;
    EXPECT_EQ(stage_of(rule, regular), Stage::kDefecting);
    regular.recency = 30;
    EXPECT_EQ(stage_of(rule, regular), Stage::kDefecting);
    regular.recency = 31;
    EXPECT_EQ(stage_of(rule, regular), Stage::kInactive);
}

// 1.15 * 100 is a little less than 115 in double precision.
TEST(Stage, OwnGapLimitsForgiveRounding) {
    Rule rule;
    rule.preset = Preset::kOwnGap;
    rule.gaps = {.active = 1.15, .inactive = 1.15};
    History regular = history(4, 115);
    regular.mean_gap = 100;
    EXPECT_EQ(stage_of(rule, regular), Stage::kActive);
    regular.recency = 116;
    EXPECT_EQ(stage_of(rule, regular), Stage::kInactive);
    History back = history(3, 1);
    back.last_gap = 115;
    back.mean_gap = 107.5;
    back.span = 215;
    EXPECT_EQ(stage_of(rule, back), Stage::kActive);
    back.last_gap = 116;
    back.mean_gap = 108;
    back.span = 216;
    EXPECT_EQ(stage_of(rule, back), Stage::kReactivated);
}

// A customer is reactivated exactly if active now and inactive just before the last purchase.
TEST(Stage, ReactivatedAgreesWithTheStageBeforeTheLastPurchase) {
    Random random(1);
    int reactivated = 0;
    for (int round = 0; round < 20000; ++round) {
        Rule rule;
        rule.preset = round % 2 == 0 ? Preset::kRetail : Preset::kOwnGap;
        rule.days = {.active = 40, .inactive = 120};
        const auto days = 2 + static_cast<std::int64_t>(random.below(6));
        std::int64_t span = 0;
        std::int64_t gap = 0;
        for (std::int64_t i = 1; i < days; ++i) {
            gap = 1 + static_cast<std::int64_t>(random.below(i == days - 1 ? 400 : 60));
            span += gap;
        }
        History now = history(days, static_cast<std::int64_t>(random.below(30)));
        now.last_gap = gap;
        now.span = span;
        now.mean_gap = static_cast<double>(span) / static_cast<double>(days - 1);
        History before = history(days - 1, gap);
        if (days > 2)
            before.mean_gap = static_cast<double>(span - gap) / static_cast<double>(days - 2);
        const Stage stage = stage_of(rule, now);
        if (stage != Stage::kActive && stage != Stage::kReactivated)
            continue;
        EXPECT_EQ(stage == Stage::kReactivated, stage_of(rule, before) == Stage::kInactive);
        reactivated += stage == Stage::kReactivated ? 1 : 0;
    }
    EXPECT_GT(reactivated, 1000);
}

TEST(Stage, RefusesWhatCannotBe) {
    const Rule rule;
    EXPECT_EQ(error_code([&] { stage_of(rule, history(0, 1)); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { stage_of(rule, history(1, -1)); }), Errc::kInvalidArgument);
    History odd = history(2, 1);
    odd.last_gap = 0;
    EXPECT_EQ(error_code([&] { stage_of(rule, odd); }), Errc::kInvalidArgument);
    odd.last_gap = 1;
    for (const double gap :
         {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        odd.mean_gap = gap;
        EXPECT_EQ(error_code([&] { stage_of(rule, odd); }), Errc::kInvalidArgument) << gap;
    }
    // A span that the gaps do not add up to is answered somehow, not trusted.
    odd.mean_gap = 1e-300;
    odd.span = 5;
    odd.last_gap = 7;
    EXPECT_NO_THROW(stage_of(rule, odd));
}

TEST(Stage, LimitsMustAscend) {
    const auto refused = [](const Limits& days, const Limits& gaps) {
        Rule rule;
        rule.days = days;
        rule.gaps = gaps;
        return error_code([&] { rule.validate(); }) == Errc::kInvalidArgument;
    };
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinite = std::numeric_limits<double>::infinity();
    EXPECT_TRUE(refused({91, 90}, {1, 2}));
    EXPECT_TRUE(refused({-1, 90}, {1, 2}));
    EXPECT_TRUE(refused({1, 2}, {3, 2}));
    EXPECT_TRUE(refused({1, 2}, {nan, 2}));
    EXPECT_TRUE(refused({1, 2}, {1, nan}));
    EXPECT_TRUE(refused({1, 2}, {1, infinite}));
    Rule equal;
    equal.days = {30, 30};
    EXPECT_NO_THROW(equal.validate());
    EXPECT_EQ(stage_of(equal, history(2, 31)), Stage::kInactive);
}

TEST(Stage, NamesAreKnown) {
    EXPECT_EQ(preset_named("own_gap"), Preset::kOwnGap);
    EXPECT_EQ(preset_named("gaps"), Preset::kGaps);
    EXPECT_EQ(error_code([] { preset_named("Retail"); }), Errc::kInvalidArgument);
    EXPECT_EQ(name_of(Stage::kFirstTime), "first-time");
    EXPECT_EQ(name_of(Stage::kProspect), "prospect");
}

// ---- counts of gaps

using Bytes = std::vector<std::byte>;

Bytes image_of(const GapCounts& counts) {
    NoInterrupt interrupt;
    Bytes image(counts.image_size());
    counts.write_image(image, interrupt);
    return {image.begin() + GapCounts::kSlot, image.end()};
}

std::vector<std::int32_t> some_gaps(std::uint64_t seed, std::size_t count) {
    Random random(seed);
    std::vector<std::int32_t> gaps(count);
    for (std::int32_t& gap : gaps)
        gap = 1 + static_cast<std::int32_t>(random.below(random.below(9) == 0 ? 2000000000 : 300));
    return gaps;
}

TEST(GapCounts, PercentilesAreThoseOfTheSortedGaps) {
    CountingResource memory;
    std::vector<std::int32_t> gaps = some_gaps(3, 1000);
    GapCounts counts(&memory);
    for (const std::int32_t gap : gaps)
        counts.add(gap);
    std::sort(gaps.begin(), gaps.end());
    EXPECT_EQ(counts.total(), 1000);
    EXPECT_EQ(counts.percentile(0), gaps.front());
    EXPECT_EQ(counts.percentile(100), gaps.back());
    for (int percent = 1; percent <= 100; ++percent)
        EXPECT_EQ(counts.percentile(percent), gaps[static_cast<std::size_t>(percent) * 10 - 1]);
    EXPECT_EQ(counts.percentile(99.9), gaps[998]);  // 99.9 % of 1000 is 999, whatever doubles make of it
    EXPECT_EQ(counts.percentile(99.90001), gaps[999]);
}

TEST(GapCounts, AnyOrderAndAnySplitGiveTheSameBytes) {
    CountingResource memory;
    NoInterrupt interrupt;
    std::vector<std::int32_t> gaps = some_gaps(5, 3000);
    GapCounts whole(&memory);
    for (const std::int32_t gap : gaps)
        whole.add(gap);
    const Bytes expected = image_of(whole);
    std::reverse(gaps.begin(), gaps.end());
    GapCounts merged(&memory);
    for (std::size_t part = 0; part < 7; ++part) {
        GapCounts some(&memory);
        for (std::size_t i = part; i < gaps.size(); i += 7)
            some.add(gaps[i]);
        if (part % 2 == 0)
            merged.merge(some, interrupt);
        else
            merged.merge_body(image_of(some), interrupt);
    }
    EXPECT_EQ(image_of(merged), expected);
    EXPECT_EQ(merged.total(), 3000);
}

TEST(GapCounts, MergingManyLongGapsIsCancellable) {
    CountingResource memory;
    NoInterrupt interrupt;
    GapCounts odd(&memory);
    GapCounts even(&memory);
    for (std::int32_t days = 5000; days < 205000; ++days)
        (days % 2 == 0 ? even : odd).add(days);
    CancelAfter cancel(0);
    EXPECT_THROW(odd.merge(even, cancel), Cancelled);
    EXPECT_EQ(odd.total(), 100000);
    odd.merge(even, interrupt);
    EXPECT_EQ(odd.total(), 200000);
    EXPECT_EQ(odd.image_size(), GapCounts::kHeaderSize + 200000 * GapCounts::kEntrySize);
}

TEST(GapCounts, RanksNearTheLargestTotal) {
    CountingResource memory;
    GapCounts counts(&memory);
    counts.add(1, 1);
    counts.add(2, std::numeric_limits<std::int64_t>::max() - 1);
    EXPECT_EQ(counts.percentile(100), 2);
}

TEST(GapCounts, TakesTheGapsBetweenDays) {
    CountingResource memory;
    NoInterrupt interrupt;
    GapCounts counts(&memory);
    counts.add_gaps_of(std::vector<std::int32_t>{-3, 0, 10, 20}, interrupt);
    counts.add_gaps_of(std::vector<std::int32_t>{7}, interrupt);
    counts.add_gaps_of({}, interrupt);
    std::map<std::int32_t, std::int64_t> seen;
    counts.for_each([&](const GapCounts::Entry& entry) {
        seen[entry.days] = entry.count;
        return true;
    });
    EXPECT_EQ(seen, (std::map<std::int32_t, std::int64_t>{{3, 1}, {10, 2}}));
    const std::vector<std::int32_t> twice{5, 5};
    EXPECT_EQ(error_code([&] { counts.add_gaps_of(twice, interrupt); }), Errc::kInvalidArgument);
    const std::vector<std::int32_t> far{std::numeric_limits<std::int32_t>::min(), 5};
    EXPECT_EQ(error_code([&] { counts.add_gaps_of(far, interrupt); }), Errc::kInvalidArgument);
    EXPECT_EQ(counts.total(), 3);
}

TEST(GapCounts, RefusesWhatCannotBe) {
    CountingResource memory;
    GapCounts counts(&memory);
    EXPECT_EQ(counts.percentile(40), std::nullopt);
    EXPECT_EQ(error_code([&] { counts.percentile(-1); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { counts.percentile(std::numeric_limits<double>::quiet_NaN()); }),
              Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { counts.add(0); }), Errc::kInvalidArgument);
    counts.add(5, std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(error_code([&] { counts.add(6); }), Errc::kOutOfRange);
    EXPECT_EQ(counts.total(), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(counts.percentile(100), 5);
}

TEST(GapCounts, MalformedBytesAreRefused) {
    CountingResource memory;
    NoInterrupt interrupt;
    GapCounts counts(&memory);
    counts.add(3);
    counts.add(5000, 2);
    const Bytes good = image_of(counts);
    const auto refused = [&](const Bytes& bytes) {
        GapCounts read(&memory);
        return error_code([&] { read.merge_body(bytes, interrupt); }) == Errc::kBadBinary;
    };
    for (std::size_t size = 0; size < good.size(); ++size)
        if (size != 4 && size != 16) {  // the shorter value of no gap and of one
            EXPECT_TRUE(refused(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))))
                << size;
        }
    for (const std::size_t at : {0, 1, 2, 3, 6, 7, 15}) {
        Bytes bad = good;
        bad[at] = std::byte{0xff};
        EXPECT_TRUE(refused(bad)) << at;
    }
    Bytes none = good;
    none[8] = std::byte{0};
    EXPECT_TRUE(refused(none));
    Bytes many = good;  // counts that do not add up to a bigint
    std::fill(many.begin() + 20, many.begin() + 27, std::byte{0xff});
    many[27] = std::byte{0x7f};
    EXPECT_TRUE(refused(many));
}

TEST(GapCounts, VersionOneIsFixed) {
    CountingResource memory;
    GapCounts counts(&memory);
    counts.add(3);
    counts.add(5000, 2);
    const unsigned char expected[] = {'g', 1, 0,    0,    3, 0, 0, 0, 1, 0, 0, 0, 0, 0,
                                      0,   0, 0x88, 0x13, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
    const Bytes image = image_of(counts);
    ASSERT_EQ(image.size(), sizeof expected);
    EXPECT_EQ(std::memcmp(image.data(), expected, sizeof expected), 0);
}

TEST(GapCounts, CanBeCancelledAndGivesItsMemoryBack) {
    CountingResource memory;
    {
        GapCounts counts(&memory);
        std::vector<std::int32_t> days(300000);
        for (std::size_t i = 0; i < days.size(); ++i)
            days[i] = static_cast<std::int32_t>(i);
        CancelAfter interrupt(2);
        EXPECT_THROW(counts.add_gaps_of(days, interrupt), Cancelled);
        EXPECT_GT(memory.live, 0u);
    }
    EXPECT_EQ(memory.live, 0u);
    memory.fail_at = memory.allocations + 1;
    GapCounts counts(&memory);
    EXPECT_THROW(counts.add(5), std::bad_alloc);
    EXPECT_EQ(counts.total(), 0);
}

}  // namespace
