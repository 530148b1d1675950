// Orders of an imagined shop, for demonstrations and tests. Customers come, buy at a rate of their own and
// leave for good after some purchase, unannounced: the BG/NBD model of Fader, Hardie and Lee ("Counting your
// customers the easy way", Marketing Science 2005), with log-normal baskets and a daily, weekly and yearly
// rhythm.
#pragma once

#include <cstdint>

#include "core/base/random.hpp"

namespace seg::core::demo {

struct ShopOptions {
    std::int64_t customers = 0;  // 0 to 100 million
    std::uint64_t seed = 0;
    std::int64_t from_at = 0;  // microseconds since 2000-01-01 UTC; orders fall into [from_at, to_at)
    std::int64_t to_at = 0;
};

// The texts live as long as the program.
struct Order {
    std::int64_t order_id;     // 1, 2, 3, ... in the order of the output
    std::int64_t customer_id;  // 1 to customers
    std::int64_t at;           // microseconds since 2000-01-01 UTC
    std::int64_t amount_cents;
    const char* category;
    const char* channel;
    const char* country;
};

// Gives the orders one by one, by customer and then by time, in constant memory. Every customer has at least
// one order. The same options give the same orders; a customer's orders depend on the seed, the window and
// its own number only, not on how many customers there are.
class Shop {
  public:
    static constexpr std::int64_t kMaxCustomers = 100'000'000;

    // Options outside their domain raise kInvalidArgument.
    explicit Shop(const ShopOptions& options);

    // The next order; false when there is none left. Constant expected time.
    bool next(Order& order);

  private:
    void greet_customer();
    void schedule_next();
    void fill(Order& order);
    std::int64_t instant() const;

    ShopOptions options_;
    double start_ = 0.0;  // the window in seconds since 2000-01-01, before the rhythm
    double window_ = 0.0;

    Random random_;  // the stream of the current customer
    std::int64_t orders_ = 0;
    std::int64_t customer_ = 0;
    bool active_ = false;  // the current customer has an order at now_
    double now_ = 0.0;     // seconds since the start of the window, before the rhythm
    double rate_ = 0.0;    // orders a second
    double dropout_ = 0.0;
    double basket_ = 0.0;  // logarithm of the customer's median basket, in cents
    int country_ = 0;
    int channel_ = 0;
    int category_ = 0;
};

}  // namespace seg::core::demo
