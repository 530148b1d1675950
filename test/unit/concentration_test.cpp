#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/base/random.hpp"
#include "core/concentration/value_pool.hpp"
#include "testing.hpp"

namespace {

using seg::core::Errc;
using seg::core::NoInterrupt;
using seg::core::Random;
using seg::core::concentration::ValuePool;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

using Bytes = std::vector<std::byte>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Bytes image_of(const ValuePool& pool) {
    NoInterrupt interrupt;
    Bytes image(pool.image_size());
    pool.write_image(image, interrupt);
    return {image.begin() + ValuePool::kSlot, image.end()};
}

class Concentration : public testing::Test {
  protected:
    ValuePool pool_of(const std::vector<double>& values) {
        ValuePool pool(&memory_);
        for (const double value : values)
            pool.add(value);
        pool.sort(interrupt_);
        return pool;
    }
    std::optional<double> gini(const std::vector<double>& values) { return pool_of(values).gini(interrupt_); }
    std::optional<double> top(const std::vector<double>& values, double fraction) {
        return pool_of(values).top_share(fraction, interrupt_);
    }

    CountingResource memory_;
    NoInterrupt interrupt_;
};

std::vector<double> some_values(std::uint64_t seed, std::size_t count) {
    Random random(seed);
    std::vector<double> values(count);
    for (double& value : values)
        value = std::round(random.exponential(0.01) * 100) / 100;
    return values;
}

TEST_F(Concentration, KnownCoefficients) {
    EXPECT_EQ(gini({1, 2, 3, 4}), 0.25);
    EXPECT_EQ(gini({0, 0, 0, 7}), 0.75);
    EXPECT_EQ(gini({3}), 0.0);
    EXPECT_EQ(gini(std::vector<double>(1000, 0.1)), 0.0);  // equal values: exactly
    EXPECT_EQ(gini({-1, 4}), 5.0 / 6.0);                   // half of 2 * 5 / 4, over 1.5
}

TEST_F(Concentration, NothingToShare) {
    EXPECT_EQ(gini({}), std::nullopt);
    EXPECT_EQ(gini({0, 0}), std::nullopt);
    EXPECT_EQ(gini({-5, 4}), std::nullopt);
    EXPECT_EQ(top({}, 0.5), std::nullopt);
    EXPECT_EQ(top({-1, 1}, 0.5), std::nullopt);
}

TEST_F(Concentration, NextToNothingToShare) {
    const std::vector<double> values{-1e300, 1e-30, 1e300};
    EXPECT_FALSE(gini(values).has_value());  // nothing beside the largest
    const std::vector<double> tiny{-1e8, 4e-301, 1e8};
    EXPECT_EQ(error_code([&] { gini(tiny); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([&] { top(tiny, 0.3); }), Errc::kOutOfRange);
}

TEST_F(Concentration, GiniIsThatOfAllPairs) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const std::vector<double> values = some_values(seed, 100 + seed);
        long double differences = 0;
        long double total = 0;
        for (const double a : values) {
            total += a;
            for (const double b : values)
                differences += std::fabs(a - b);
        }
        const long double n = static_cast<long double>(values.size());
        const auto expected = static_cast<double>(differences / (2 * n * total));
        EXPECT_NEAR(*gini(values), expected, 1e-15 * 4);
    }
}

TEST_F(Concentration, AnyOrderAndAnySplitGiveTheSameBits) {
    std::vector<double> values = some_values(7, 5000);
    values.push_back(-0.0);
    values.push_back(-12.5);
    const Bytes expected = image_of(pool_of(values));
    const std::optional<double> expected_gini = gini(values);
    std::reverse(values.begin(), values.end());
    ValuePool merged(&memory_);
    for (std::size_t part = 0; part < 5; ++part) {
        ValuePool some(&memory_);
        for (std::size_t i = part; i < values.size(); i += 5)
            some.add(values[i]);
        if (part % 2 == 0)
            merged.merge(some);
        else
            merged.merge_body(image_of(some), interrupt_);
    }
    merged.sort(interrupt_);
    EXPECT_EQ(image_of(merged), expected);
    EXPECT_EQ(merged.gini(interrupt_), expected_gini);
}

TEST_F(Concentration, NoUnitAndNoOverflow) {
    EXPECT_EQ(gini({0, 1.7e308, 1.7e308, 1.7e308}), 0.25);
    EXPECT_EQ(gini({0, 0, 0, 5e-324}), 0.75);
    EXPECT_DOUBLE_EQ(*gini({-1.7e308, 1.7e308, 1.7e308}), 4.0 / 3.0);
    EXPECT_EQ(top({1.7e308, 1.7e308, 1.7e308, 1.7e308}, 0.5), 0.5);
    const std::vector<double> values = some_values(11, 700);
    std::vector<double> cents = values;
    for (double& value : cents)
        value *= 0x1p-20;
    EXPECT_EQ(gini(values), gini(cents));
}

TEST_F(Concentration, TheBestAreWholeCustomers) {
    const std::vector<double> values{10, 1, 4, 3, 2};
    EXPECT_EQ(top(values, 0), 0.0);
    EXPECT_EQ(top(values, 0.2), 0.5);
    EXPECT_EQ(top(values, 0.21), 0.7);
    EXPECT_EQ(top(values, 1), 1.0);
    EXPECT_EQ(ValuePool::count_of(0.07, 100), 7u);  // 0.07 * 100 is a little more than 7
    EXPECT_EQ(ValuePool::count_of(0.1, 30), 3u);
    EXPECT_EQ(ValuePool::count_of(0.2, 7), 2u);
    EXPECT_EQ(ValuePool::count_of(1, 7), 7u);
    EXPECT_EQ(ValuePool::count_of(0.5, 0), 0u);
    for (std::size_t size = 1; size < 2000; ++size)
        for (std::size_t count = 0; count <= size; count += 7) {
            const double fraction = static_cast<double>(count) / static_cast<double>(size);
            ASSERT_EQ(ValuePool::count_of(fraction, size), count) << size;
        }
}

TEST_F(Concentration, RefusesWhatCannotBe) {
    ValuePool pool(&memory_);
    for (const double value : {kNaN, kInfinity, -kInfinity})
        EXPECT_EQ(error_code([&] { pool.add(value); }), Errc::kBadData);
    EXPECT_EQ(pool.size(), 0u);
    for (const double fraction : {-0.1, 1.1, kNaN, kInfinity}) {
        EXPECT_EQ(error_code([&] { pool.top_share(fraction, interrupt_); }), Errc::kInvalidArgument);
        EXPECT_EQ(error_code([&] { ValuePool(&memory_, fraction); }), Errc::kInvalidArgument);
    }
    ValuePool half(&memory_, 0.5);
    EXPECT_EQ(error_code([&] { pool.merge(half); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { pool.merge_body(image_of(half), interrupt_); }), Errc::kInvalidArgument);
    EXPECT_EQ(ValuePool::read_fraction(image_of(half), interrupt_), 0.5);
    EXPECT_EQ(ValuePool::read_fraction(image_of(pool), interrupt_), std::nullopt);
}

TEST_F(Concentration, MalformedBytesAreRefused) {
    const Bytes good = image_of(pool_of({1, 2}));
    const auto refused = [&](const Bytes& bytes) {
        ValuePool pool(&memory_);
        const bool by_look =
            error_code([&] { ValuePool::read_fraction(bytes, interrupt_); }) == Errc::kBadBinary;
        const bool by_merge = error_code([&] { pool.merge_body(bytes, interrupt_); }) == Errc::kBadBinary;
        return by_look && by_merge;
    };
    for (std::size_t size = 0; size < good.size(); ++size)
        if (size != 12 && size != 20) {  // the values of none and of one
            EXPECT_TRUE(refused(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))))
                << size;
        }
    for (const std::size_t at : {0, 1, 2, 3}) {
        Bytes bad = good;
        bad[at] = std::byte{0xff};
        EXPECT_TRUE(refused(bad)) << at;
    }
    Bytes fraction = good;
    const double two = 2;
    std::memcpy(fraction.data() + 4, &two, sizeof two);
    EXPECT_TRUE(refused(fraction));
    Bytes value = good;
    std::memcpy(value.data() + 12, &kInfinity, sizeof kInfinity);
    EXPECT_TRUE(refused(value));
}

TEST_F(Concentration, VersionOneIsFixed) {
    ValuePool pool(&memory_, 0.5);
    pool.add(1);
    const unsigned char expected[] = {'v',  1,    0, 0, 0, 0, 0, 0, 0,    0,
                                      0xe0, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f};
    const Bytes image = image_of(pool);
    ASSERT_EQ(image.size(), sizeof expected);
    EXPECT_EQ(std::memcmp(image.data(), expected, sizeof expected), 0);
}

TEST_F(Concentration, CanBeCancelledAndGivesItsMemoryBack) {
    CountingResource memory;
    {
        ValuePool pool(&memory);
        for (const double value : some_values(13, 300000))
            pool.add(value);
        CancelAfter sorting(1);
        EXPECT_THROW(pool.sort(sorting), Cancelled);
        pool.sort(interrupt_);
        EXPECT_EQ(pool.size(), 300000u);
        CancelAfter adding(2);
        EXPECT_THROW(pool.gini(adding), Cancelled);
        CancelAfter topping(2);
        EXPECT_THROW(pool.top_share(0.9, topping), Cancelled);
    }
    EXPECT_EQ(memory.live, 0u);
}

}  // namespace
