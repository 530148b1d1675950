// What share of a column is in a set: exact where the statistics are, sane everywhere else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/base/random.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/selectivity.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_image.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::idset;

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

class Selectivity : public ::testing::Test {
  protected:
    double share(SetBuilder& ids, const ColumnSummary& column) {
        SetWriter writer(&memory_);
        ids.write(writer, interrupt_);
        const SetImage set(writer, &memory_);
        return share_of_rows(set.view(), column, &memory_, interrupt_);
    }

    double share_of_ids(const std::vector<std::int64_t>& ids, const ColumnSummary& column) {
        SetBuilder builder(&memory_);
        for (const std::int64_t id : ids)
            builder.add(id, interrupt_);
        return share(builder, column);
    }

    double share_of_range(std::int64_t lowest, std::int64_t highest, const ColumnSummary& column) {
        SetBuilder builder(&memory_);
        builder.add_range(lowest, highest, interrupt_);
        return share(builder, column);
    }

    seg::test::CountingResource memory_;
    NoInterrupt interrupt_;
};

// Bounds of `buckets` buckets over each of first..first + count - 1 once.
std::vector<std::int64_t> bounds_of_range(std::int64_t first, std::int64_t count, std::int64_t buckets) {
    std::vector<std::int64_t> bounds;
    for (std::int64_t i = 0; i <= buckets; ++i)
        bounds.push_back(first + i * (count - 1) / buckets);
    return bounds;
}

TEST_F(Selectivity, OfTheEmptySetIsZero) {
    const auto bounds = bounds_of_range(0, 1000, 10);
    ColumnSummary column;
    column.distinct = 1000;
    column.bounds = bounds;
    EXPECT_EQ(share_of_ids({}, column), 0);
}

// Every form of chunk, counted within buckets that end in the middle of it.
TEST_F(Selectivity, OfSetsOverEveryIdIsTheirShare) {
    constexpr std::int64_t kFirst = -300000;
    constexpr std::int64_t kCount = 600000;
    const auto bounds = bounds_of_range(kFirst, kCount, 100);
    ColumnSummary column;
    column.distinct = kCount;
    column.bounds = bounds;
    for (const std::uint64_t one_of : {2U, 3U, 20U, 500U, 20000U}) {
        Random random(one_of);
        std::vector<std::int64_t> ids;
        for (std::int64_t id = kFirst; id < kFirst + kCount; ++id)
            if (random.below(one_of) == 0)
                ids.push_back(id);
        const double exact = static_cast<double>(ids.size()) / kCount;
        EXPECT_NEAR(share_of_ids(ids, column), exact, exact * 1e-3) << "one of " << one_of;
    }
    EXPECT_NEAR(share_of_range(0, 149999, column), 0.25, 1e-4);
    EXPECT_NEAR(share_of_range(kLeast, -150001, column), 0.25, 1e-4);
    EXPECT_NEAR(share_of_range(-150000, kMost - 1000000, column), 0.75, 1e-4);
    EXPECT_NEAR(share_of_range(-1000000, 1000000, column), 1, 1e-9);
    EXPECT_EQ(share_of_range(1000000, 2000000, column), 0);
}

TEST_F(Selectivity, CountsCommonIdsByTheirShare) {
    const std::vector<std::int64_t> common = {7, -3, 500};
    const std::vector<float> shares = {0.25F, 0.125F, 0.0625F};
    ColumnSummary column;
    column.null_share = 0.5;
    column.distinct = 3;
    column.common = common;
    column.common_shares = shares;
    EXPECT_NEAR(share_of_ids({7, 500}, column), 0.3125, 1e-6);
    EXPECT_NEAR(share_of_range(-10, 1000, column), 0.5, 1e-6);
    // With others beside them, of which no bounds are known: 1/16 of the rows, 10 ids.
    column.distinct = 13;
    EXPECT_NEAR(share_of_ids({7, 500, 8}, column), 0.3125 + 0.00625, 1e-6);
    EXPECT_NEAR(share_of_range(-10, 1000, column), 0.5, 1e-6);
}

// A common id is in no bucket, so its place in the set must not count for the others.
TEST_F(Selectivity, DoesNotCountCommonIdsTwice) {
    const auto bounds = bounds_of_range(0, 101, 100);
    const std::vector<std::int64_t> common = {3, 50, 1000};
    const std::vector<float> shares = {0.3F, 0.2F, 0.1F};
    ColumnSummary column;
    column.distinct = 101;
    column.common = common;
    column.common_shares = shares;
    column.bounds = bounds;
    EXPECT_NEAR(share_of_ids({3, 50, 1000}, column), 0.6, 1e-6);
}

// Ids that leave gaps: small sets are taken to be ids of the column; large ones are as the bounds say.
TEST_F(Selectivity, AsksTheBoundsWhereIdsLeaveGaps) {
    constexpr std::int64_t kStep = 1000000;
    std::vector<std::int64_t> bounds;
    for (std::int64_t i = 0; i <= 100; ++i)
        bounds.push_back(i * 1000 * kStep);
    ColumnSummary column;
    column.distinct = 100000;
    column.bounds = bounds;
    std::vector<std::int64_t> few;
    std::vector<std::int64_t> members;
    std::vector<std::int64_t> strangers;
    for (std::int64_t i = 0; i < 100000; ++i) {
        if (i % 1000 == 7)
            few.push_back(i * kStep);
        if (i % 1000 < 500 && i % 2000 < 1000)
            members.push_back(i * kStep);
        strangers.push_back(i * kStep + 1);
    }
    EXPECT_NEAR(share_of_ids(few, column), 0.001, 1e-4);
    // A quarter of the ids, and every other bound.
    EXPECT_NEAR(share_of_ids(members, column), 0.25, 0.05);
    EXPECT_LT(share_of_ids(strangers, column), 1e-5);
}

TEST_F(Selectivity, StaysBetweenZeroAndOne) {
    Random random(11);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::int64_t> bounds;
        for (std::uint64_t i = random.below(12); i > 0; --i)
            bounds.push_back(random.below(2) == 0 ? static_cast<std::int64_t>(random.below(50)) - 25
                                                  : unordered(random.below(~std::uint64_t{0})));
        if (random.below(3) == 0)
            bounds.insert(bounds.end(), {kLeast, kLeast, kMost, kMost});
        std::sort(bounds.begin(), bounds.end());
        const std::vector<std::int64_t> common = {static_cast<std::int64_t>(random.below(50)), kLeast};
        const std::vector<float> shares = {0.7F, 0.6F};  // more than all rows, as stale numbers may be
        ColumnSummary column;
        column.null_share = static_cast<double>(random.below(3)) / 2;
        column.distinct = static_cast<double>(random.below(100));
        column.common = common;
        column.common_shares = shares;
        column.bounds = bounds;
        SetBuilder ids(&memory_);
        ids.add_range(-static_cast<std::int64_t>(random.below(40)),
                      static_cast<std::int64_t>(random.below(40)), interrupt_);
        ids.add(random.below(2) == 0 ? kLeast : kMost, interrupt_);
        if (random.below(3) == 0)
            ids.add_range(kLeast, -1000, interrupt_);
        const double found = share(ids, column);
        EXPECT_GE(found, 0);
        EXPECT_LE(found, 1);
    }
}

}  // namespace
