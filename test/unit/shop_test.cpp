#include "core/demo/shop.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "testing.hpp"

namespace {

using seg::core::Errc;
using seg::core::demo::Order;
using seg::core::demo::Shop;
using seg::core::demo::ShopOptions;
using seg::test::error_code;

constexpr std::int64_t kDay = 86'400'000'000;
constexpr std::int64_t kFrom = 8766 * kDay;  // 2024-01-01

ShopOptions two_years(std::int64_t customers, std::uint64_t seed = 42) {
    return {.customers = customers, .seed = seed, .from_at = kFrom, .to_at = kFrom + 730 * kDay};
}

std::vector<Order> orders_of(const ShopOptions& options) {
    Shop shop(options);
    std::vector<Order> orders;
    for (Order order; shop.next(order);)
        orders.push_back(order);
    Order order{};
    EXPECT_FALSE(shop.next(order));
    return orders;
}

auto as_tuple(const Order& order) {
    return std::tuple(order.order_id, order.customer_id, order.at, order.amount_cents,
                      std::string(order.category), std::string(order.channel), std::string(order.country));
}

bool same(const std::vector<Order>& a, const std::vector<Order>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Order& x, const Order& y) { return as_tuple(x) == as_tuple(y); });
}

TEST(Shop, OrdersComeByCustomerThenTime) {
    const ShopOptions options = two_years(2000);
    const std::vector<Order> orders = orders_of(options);
    for (std::size_t i = 0; i < orders.size(); ++i) {
        EXPECT_EQ(orders[i].order_id, static_cast<std::int64_t>(i) + 1);
        EXPECT_GE(orders[i].at, options.from_at);
        EXPECT_LT(orders[i].at, options.to_at);
        EXPECT_GE(orders[i].amount_cents, 1);
        if (i == 0)
            continue;
        const bool same_customer = orders[i].customer_id == orders[i - 1].customer_id;
        EXPECT_TRUE(same_customer || orders[i].customer_id == orders[i - 1].customer_id + 1);
        EXPECT_TRUE(!same_customer || orders[i].at >= orders[i - 1].at);
    }
    EXPECT_EQ(orders.front().customer_id, 1);
    EXPECT_EQ(orders.back().customer_id, 2000);
}

TEST(Shop, SameSeedSameOrders) {
    const std::vector<Order> orders = orders_of(two_years(300));
    EXPECT_TRUE(same(orders, orders_of(two_years(300))));
    EXPECT_FALSE(same(orders, orders_of(two_years(300, 43))));
    // More customers only add to the end.
    std::vector<Order> more = orders_of(two_years(400));
    ASSERT_GT(more.size(), orders.size());
    more.resize(orders.size());
    EXPECT_TRUE(same(orders, more));
}

TEST(Shop, LooksLikeAShop) {
    for (const std::uint64_t seed : {1u, 42u}) {
        const std::vector<Order> orders = orders_of(two_years(20000, seed));
        EXPECT_GT(orders.size(), 90000u);
        EXPECT_LT(orders.size(), 115000u);
        std::vector<std::int64_t> count(20000), spent(20000), last(20000);
        std::map<std::string, std::map<std::string, int>> seen;
        std::set<std::string> countries;
        std::int64_t revenue = 0;
        for (const Order& order : orders) {
            const auto customer = static_cast<std::size_t>(order.customer_id - 1);
            ++count[customer];
            spent[customer] += order.amount_cents;
            last[customer] = order.at;
            revenue += order.amount_cents;
            ++seen["category"][order.category];
            ++seen["channel"][order.channel];
            ++seen["country"][order.country];
        }
        EXPECT_EQ(seen["category"].size(), 6u);
        EXPECT_EQ(seen["channel"].size(), 4u);
        EXPECT_EQ(seen["country"].size(), 8u);
        const auto once = std::count(count.begin(), count.end(), 1);
        EXPECT_GT(once, 20000 * 0.35);
        EXPECT_LT(once, 20000 * 0.50);
        EXPECT_GE(*std::min_element(count.begin(), count.end()), 1);
        EXPECT_GT(*std::max_element(count.begin(), count.end()), 100);
        std::sort(spent.rbegin(), spent.rend());
        std::int64_t top = 0;
        for (std::size_t i = 0; i < 4000; ++i)
            top += spent[i];
        EXPECT_GT(static_cast<double>(top) / static_cast<double>(revenue), 0.6);  // a fifth brings most of it
        EXPECT_LT(static_cast<double>(top) / static_cast<double>(revenue), 0.85);
        // Last orders all over the window: every quarter of it has at least a tenth of the customers.
        for (int quarter = 0; quarter < 4; ++quarter) {
            const auto within = std::count_if(last.begin(), last.end(), [&](std::int64_t at) {
                return (at - kFrom) / (730 * kDay / 4) == quarter;
            });
            EXPECT_GT(within, 2000) << quarter;
        }
    }
}

TEST(Shop, HasADailyAWeeklyAndAYearlyRhythm) {
    const std::vector<Order> orders = orders_of(two_years(20000));
    std::vector<int> hours(24), weekdays(7);
    for (const Order& order : orders) {
        ++hours[static_cast<std::size_t>(order.at / (kDay / 24) % 24)];
        ++weekdays[static_cast<std::size_t>((order.at / kDay + 6) % 7)];  // Sunday is 0
    }
    EXPECT_GT(hours[19], 2 * hours[7]);
    EXPECT_GT(weekdays[0], weekdays[3] * 1.2);
    // The seasons, in the middle of ten years, where as many customers come as go.
    std::vector<int> months(12);
    ShopOptions decade = two_years(10000);
    decade.to_at = kFrom + 3653 * kDay;
    for (const Order& order : orders_of(decade)) {
        const double years = static_cast<double>(order.at - kFrom) / (365.25 * kDay);
        if (years >= 2.0 && years < 8.0)
            ++months[static_cast<std::size_t>((years - std::floor(years)) * 12.0)];
    }
    EXPECT_GT(months[11], months[5] * 1.3);
    EXPECT_GT(months[10], months[3] * 1.2);
}

TEST(Shop, AnyWindowWorks) {
    // One microsecond; odd bounds; before 2000; all of time.
    const std::pair<std::int64_t, std::int64_t> windows[] = {
        {0, 1},
        {12345, 12345 + kDay + 1},
        {-400 * kDay - 7, -30 * kDay},
        {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}};
    for (const auto& [from, to] : windows) {
        Shop shop({.customers = 50, .seed = 1, .from_at = from, .to_at = to});
        Order order{};
        std::int64_t n = 0;
        std::int64_t before = from;
        for (std::int64_t customer = 0; n < 20000 && shop.next(order); ++n) {
            EXPECT_GE(order.at, order.customer_id == customer ? before : from);
            EXPECT_LT(order.at, to);
            before = order.at;
            customer = order.customer_id;
        }
        EXPECT_GE(n, 50);
    }
}

TEST(Shop, RefusesOptionsOutsideTheirDomain) {
    const auto fails = [](std::int64_t customers, std::int64_t from, std::int64_t to) {
        return error_code([&] {
                   (void)Shop({.customers = customers, .seed = 0, .from_at = from, .to_at = to});
               }) == Errc::kInvalidArgument;
    };
    EXPECT_TRUE(fails(-1, 0, kDay));
    EXPECT_TRUE(fails(100'000'001, 0, kDay));
    EXPECT_TRUE(fails(10, kDay, kDay));
    EXPECT_TRUE(fails(10, kDay, 0));
    EXPECT_TRUE(orders_of({.customers = 0, .seed = 0, .from_at = 0, .to_at = kDay}).empty());
    Shop largest({.customers = 100'000'000, .seed = 0, .from_at = 0, .to_at = kDay});
    Order order{};
    EXPECT_TRUE(largest.next(order));
    try {
        Shop({.customers = -7, .seed = 0, .from_at = 0, .to_at = kDay});
    } catch (const seg::core::Error& error) {
        EXPECT_STREQ(error.what(), "number of customers must be between 0 and 100000000: -7");
    }
}

}  // namespace
