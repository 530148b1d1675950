// What fitted parameters say about a customer.
#pragma once

#include "core/clv/clv_options.hpp"
#include "core/clv/maximum.hpp"

namespace seg::core::clv {

// A customer's history: purchases after the first, the time of the last of them and the age, both counted
// from the first purchase.
struct History {
    double frequency = 0;
    double recency = 0;
    double age = 0;
};

// Raises what cannot be: kBadData for NaN and infinity, and for histories that contradict themselves,
// kOutOfRange for what is negative or beyond 1e9 purchases or 1e12 units of time.
void check(const History& history);

// The mean value of purchases: kBadData for NaN and infinity, kOutOfRange beyond +-1e100.
inline constexpr double kLargestMeanValue = 1e100;
void check_mean_value(double mean_value);

// A stretch of time: as the times of a history.
void check_horizon(double horizon);

class PurchaseForecast {
  public:
    PurchaseForecast(PurchaseModel model, const Parameters& parameters)
        : model_(model), parameters_(parameters) {}

    // The chance that the customer has not left by the end of his history.
    double p_alive(const History& history) const;

    // Expected purchases in the horizon that follows the history; horizon >= 0 and finite.
    double expected(double horizon, const History& history) const {
        return p_alive(history) * expected_if_alive(horizon, history);
    }

    // ... given that he has not left.
    double expected_if_alive(double horizon, const History& history) const;

    // Expected purchases of a new customer in the horizon after the first purchase.
    double expected_new(double horizon) const;

  private:
    PurchaseModel model_;
    Parameters parameters_;
};

// Gamma-Gamma: the expected value of a purchase of a customer with so many purchases of this mean value;
// infinite where the model has no mean (p x + q <= 1). frequency 0: of any customer.
double expected_value(const Parameters& parameters, double frequency, double mean_value);

// Expected value of (1 - (1 + p c)^-n) / p for p beta distributed (a, b): what customers who leave after
// purchases will buy. All positive: a, b, n, c.
double expected_stay(double a, double b, double n, double c);

// The two ways it is computed: a series of positive terms, for moderate n c, and quadrature for any.
double expected_stay_series(double a, double b, double n, double c);
double expected_stay_quadrature(double a, double b, double n, double c);

}  // namespace seg::core::clv
