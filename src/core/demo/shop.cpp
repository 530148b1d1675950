#include "core/demo/shop.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "core/base/error.hpp"

namespace seg::core::demo {

namespace {

constexpr double kSecond = 1e6;  // microseconds
constexpr double kDay = 86400.0;
constexpr double kWeek = 7 * kDay;
constexpr double kYear = 365.2425 * kDay;

// The shop, as numbers. Two years give about five orders a customer, 40 % of the customers with only one.
constexpr double kArrivals = 0.85;          // newcomers come in this part of the window
constexpr double kRateShape = 0.7;          // orders a day are gamma-distributed over customers
constexpr double kRateScale = 17.0;         // days
constexpr double kDropoutStay = 1.6;        // the chance to leave after a purchase is beta-distributed:
constexpr double kDropoutLeave = 0.7;       // mean 0.7 / (0.7 + 1.6)
constexpr double kMedianBasket = 3400.0;    // cents
constexpr double kBasketOfCustomer = 0.55;  // standard deviations of the logarithm
constexpr double kBasketOfOrder = 0.45;
constexpr double kLoyalToCategory = 0.45;  // else any category, channel
constexpr double kLoyalToChannel = 0.75;

// A name, its weight among all and how much its orders cost against the average.
struct Choice {
    const char* name;
    double weight;
    double price;
};

constexpr Choice kCategories[] = {{"fashion", 0.30, 1.0}, {"home", 0.20, 1.3},        {"beauty", 0.18, 0.6},
                                  {"books", 0.14, 0.5},   {"electronics", 0.10, 3.0}, {"toys", 0.08, 0.8}};
constexpr Choice kChannels[] = {
    {"web", 0.48, 1.0}, {"app", 0.30, 0.9}, {"store", 0.18, 1.1}, {"phone", 0.04, 1.4}};
constexpr Choice kCountries[] = {{"DE", 0.36, 1.0}, {"FR", 0.18, 1.0}, {"GB", 0.14, 1.0}, {"NL", 0.10, 1.0},
                                 {"ES", 0.08, 0.9}, {"IT", 0.07, 0.9}, {"PL", 0.05, 0.7}, {"CH", 0.02, 1.6}};

template <std::size_t N>
int choose(const Choice (&choices)[N], Random& random) {
    double left = random.uniform();
    for (std::size_t i = 0; i + 1 < N; ++i) {
        left -= choices[i].weight;
        if (left < 0.0)
            return static_cast<int>(i);
    }
    return N - 1;
}

// A beta variate is one gamma variate's share of two.
double beta(double a, double b, Random& random) {
    const double x = random.gamma(a, 1.0);
    const double y = random.gamma(b, 1.0);
    return x + y > 0.0 ? x / (x + y) : 0.5;
}

// Moves a time towards the nearest peak: u - amplitude / w * sin(w (u - peak)) grows steadily while the
// amplitude is below 1, and evenly spread times come out densest at the peaks.
double crowd(double seconds, double period, double peak, double amplitude) {
    const double w = 2.0 * std::numbers::pi / period;
    return seconds - amplitude / w * std::sin(w * (seconds - peak));
}

// The shop's rhythm: most orders in early December, on Sundays and at 19:00 UTC. Takes and gives seconds
// since 2000-01-01, a Saturday; never decreases and moves a time by less than kMostMoved.
double rhythm(double seconds) {
    const double yearly = crowd(seconds, kYear, 340.0 * kDay, 0.25);
    const double weekly = crowd(yearly, kWeek, 1.5 * kDay, 0.2);
    return crowd(weekly, kDay, 19.0 / 24.0 * kDay, 0.5);
}

constexpr double kMostMoved = 20.0 * kDay;

// The time that the rhythm moves to the given one, by bisection.
double before_rhythm(double seconds) {
    double low = seconds - kMostMoved;
    double high = seconds + kMostMoved;
    for (int i = 0; i < 60; ++i) {
        const double middle = 0.5 * (low + high);
        (rhythm(middle) < seconds ? low : high) = middle;
    }
    return high;
}

double seconds_of(std::int64_t micros) {
    return static_cast<double>(micros) / kSecond;
}

}  // namespace

Shop::Shop(const ShopOptions& options) : options_(options), random_(0) {
    if (options.customers < 0 || options.customers > kMaxCustomers)
        throw Error(Errc::kInvalidArgument,
                    format("number of customers must be between 0 and %lld: %lld",
                           static_cast<long long>(kMaxCustomers), static_cast<long long>(options.customers)));
    if (options.from_at >= options.to_at)
        throw Error(Errc::kInvalidArgument, "start of the window must be before its end",
                    format("The window is [%lld, %lld) in microseconds since 2000-01-01.",
                           static_cast<long long>(options.from_at), static_cast<long long>(options.to_at)));
    start_ = before_rhythm(seconds_of(options.from_at));
    window_ = before_rhythm(seconds_of(options.to_at)) - start_;
}

bool Shop::next(Order& order) {
    for (;;) {
        if (active_) {
            fill(order);
            schedule_next();
            return true;
        }
        if (customer_ == options_.customers)
            return false;
        ++customer_;
        greet_customer();
    }
}

// Draws what makes the customer, and the first order.
void Shop::greet_customer() {
    random_ = Random(options_.seed, static_cast<std::uint64_t>(customer_));
    now_ = random_.uniform() * kArrivals * window_;
    rate_ = random_.gamma(kRateShape, kRateScale) / kDay;
    dropout_ = beta(kDropoutLeave, kDropoutStay, random_);
    country_ = choose(kCountries, random_);
    channel_ = choose(kChannels, random_);
    category_ = choose(kCategories, random_);
    basket_ = std::log(kMedianBasket * kCountries[country_].price) + kBasketOfCustomer * random_.normal();
    active_ = true;
}

// Either the customer leaves for good, or the next order comes after an exponential time.
void Shop::schedule_next() {
    active_ = false;
    if (random_.uniform() < dropout_)
        return;
    now_ += random_.exponential(rate_);
    active_ = now_ < window_;
}

// The instant of an order: whole seconds after the start of the window.
std::int64_t Shop::instant() const {
    const double seconds = std::floor(rhythm(start_ + now_) - seconds_of(options_.from_at));
    // Unsigned, because a window may be longer than the largest int64.
    const auto from = static_cast<std::uint64_t>(options_.from_at);
    const std::uint64_t last = static_cast<std::uint64_t>(options_.to_at) - from - 1;
    const std::uint64_t micros = static_cast<std::uint64_t>(std::max(0.0, seconds)) * 1'000'000;
    return static_cast<std::int64_t>(from + std::min(micros, last));
}

void Shop::fill(Order& order) {
    const int category = random_.uniform() < kLoyalToCategory ? category_ : choose(kCategories, random_);
    const int channel = random_.uniform() < kLoyalToChannel ? channel_ : choose(kChannels, random_);
    const double cents = std::exp(basket_ + kBasketOfOrder * random_.normal()) * kCategories[category].price *
                         kChannels[channel].price;
    order = {.order_id = ++orders_,
             .customer_id = customer_,
             .at = instant(),
             .amount_cents = std::max<std::int64_t>(1, std::llround(cents)),
             .category = kCategories[category].name,
             .channel = kChannels[channel].name,
             .country = kCountries[country_].name};
}

}  // namespace seg::core::demo
