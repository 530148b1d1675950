#include "core/clv/forecast.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.hpp"
#include "core/clv/pareto_integral.hpp"

namespace seg::core::clv {
namespace {

constexpr double kLargestFrequency = 1e9;
constexpr double kLargestTime = 1e12;

void check_time(double value, const char* name) {
    if (!std::isfinite(value))
        throw Error(Errc::kBadData, format("%s is not a finite number: %s", name, nonfinite_name(value)));
    if (value < 0)
        throw Error(Errc::kOutOfRange, format("%s must not be negative, as %g is", name, value));
    if (value > kLargestTime)
        throw Error(Errc::kOutOfRange,
                    format("%s must not be greater than %g, as %g is", name, kLargestTime, value));
}

// (1 - e^(-u k)) / u, and k where u is zero.
double decayed(double u, double k) {
    return std::fabs(u * k) < 1e-300 ? k : -std::expm1(-u * k) / u;
}

}  // namespace

void check(const History& history) {
    const auto [frequency, recency, age] = history;
    if (frequency < 0 || frequency > kLargestFrequency)
        throw Error(Errc::kOutOfRange,
                    format("frequency must be between 0 and %.0f, not %.0f", kLargestFrequency, frequency));
    check_time(recency, "recency");
    check_time(age, "t");
    if (recency > age)
        throw Error(
            Errc::kBadData, format("recency %.17g is later than t %.17g", recency, age),
            "Both count from a customer's first purchase: recency to the last one, t to the end of the "
            "observation.");
    if (frequency == 0 && recency != 0)
        throw Error(
            Errc::kBadData, format("a customer without repeat purchases has recency 0, not %.17g", recency),
            "Frequency counts purchases after the first one, and recency is the time between the first "
            "and the last one.");
}

void check_mean_value(double mean_value) {
    if (!std::isfinite(mean_value))
        throw Error(Errc::kBadData,
                    format("mean value is not a finite number: %s", nonfinite_name(mean_value)));
    if (std::fabs(mean_value) > kLargestMeanValue)
        throw Error(Errc::kOutOfRange, format("mean value must lie between -%g and %g, not be %g",
                                              kLargestMeanValue, kLargestMeanValue, mean_value));
}

void check_horizon(double horizon) {
    check_time(horizon, "horizon");
}

double PurchaseForecast::p_alive(const History& history) const {
    const auto [r, alpha, a, b] = parameters_;
    const double n = r + history.frequency;
    if (model_ == PurchaseModel::kParetoNbd) {
        const double log_gone =
            std::log(a) + pareto_log_integral({alpha, b, n, a}, history.recency, history.age);
        const double log_alive = -n * std::log(alpha + history.age) - a * std::log(b + history.age);
        return 1 / (1 + std::exp(log_gone - log_alive));
    }
    const bool modified = model_ == PurchaseModel::kMbgNbd;
    if (!modified && history.frequency == 0)
        return 1;
    const double stays = b + history.frequency - (modified ? 0 : 1);
    const double growth = std::log1p((history.age - history.recency) / (alpha + history.recency));
    return 1 / (1 + a / stays * std::exp(n * growth));
}

double PurchaseForecast::expected_if_alive(double horizon, const History& history) const {
    const auto [r, alpha, a, b] = parameters_;
    const double n = r + history.frequency;
    if (model_ == PurchaseModel::kParetoNbd) {
        const double end = b + history.age;
        return n / (alpha + history.age) * end * decayed(a - 1, std::log1p(horizon / end));
    }
    const double stays = b + history.frequency + (model_ == PurchaseModel::kMbgNbd ? 1 : 0);
    return expected_stay(a, stays, n, horizon / (alpha + history.age));
}

double PurchaseForecast::expected_new(double horizon) const {
    const auto [r, alpha, a, b] = parameters_;
    if (model_ == PurchaseModel::kMbgNbd)  // who may leave at once
        return b / (a + b) * expected_stay(a, b + 1, r, horizon / alpha);
    return expected_if_alive(horizon, {});
}

double expected_value(const Parameters& parameters, double frequency, double mean_value) {
    const auto [p, q, gamma, unused] = parameters;
    const double shape = p * frequency + q - 1;
    if (shape <= 0)
        return std::numeric_limits<double>::infinity();
    return p * (gamma + (frequency == 0 ? 0 : frequency * mean_value)) / shape;
}

// Purchases come from a negative binomial distribution with mean n c, one more with each k; S_k, the expected
// number of the first k that happen before the customer leaves, adds up the chances of staying j times.
double expected_stay_series(double a, double b, double n, double c) {
    const double z = c / (1 + c);
    const double mean = n * c;
    double weight = std::exp(-n * std::log1p(c));  // of k = 0
    double stays = 1, happen = 0, sum = 0;
    for (double k = 1;; k += 1) {
        happen += stays;
        stays *= (b + k - 1) / (a + b + k - 1);
        weight *= z * (n + k - 1) / k;
        const double term = weight * happen;
        sum += term;
        if (k <= mean)
            continue;
        // The rest is below that of a geometric series times k + 1, k + 2, ... over k.
        const double rest = 1 - z * (n + k) / (k + 1);
        // Also where all of it is too small for a double: then both sides are zero.
        if (rest > 0 && term <= 1e-16 * sum * rest * rest)
            return sum;
    }
}

namespace {

// The trapezoidal rule over v = ln(p / (1 - p)): the integrand is analytic in a strip around the real line
// and decays exponentially on both sides, so the error falls exponentially with the number of points. What
// lies beyond the outermost points are geometric series.
class StayQuadrature {
  public:
    StayQuadrature(double a, double b, double n, double c) : a_(a), b_(b), n_(n), c_(c) {
        const double middle = std::log(a / b);
        const double deviation = std::sqrt(1 / a + 1 / b);
        step_ = std::min(0.25, 0.6 * deviation);
        // Beyond these points one of ln p and ln(1 - p) is linear in v and the other one nothing, and the
        // integrand proper is constant.
        const double far_left = -40 - std::log(std::max({1.0, n * c, c, b}));
        const double far_right = 40 + std::log(std::max(1.0, a));
        first_ = std::max(far_left, middle - 12 * deviation - 60 / a);
        last_ = std::min(far_right, middle + 12 * deviation + 60 / b);
        log_peak_ = log_weight(middle);
    }

    double value() {
        const double left = weight(first_) / std::expm1(a_ * step_);
        total_ += left;
        sum_ += left * proper(first_);
        double v = first_;
        for (int i = 0; v < last_; ++i, v = first_ + i * step_)
            add(v, weight(v));
        add(v, weight(v) / -std::expm1(-b_ * step_));
        return sum_ / total_;
    }

  private:
    // Logarithm of p^a (1 - p)^b.
    double log_weight(double v) const {
        const double e = std::log1p(std::exp(-std::fabs(v)));
        return v > 0 ? -a_ * e - b_ * (v + e) : a_ * (v - e) - b_ * e;
    }
    double weight(double v) const { return std::exp(log_weight(v) - log_peak_); }
    double proper(double v) const {
        const double p = v > 0 ? 1 / (1 + std::exp(-v)) : std::exp(v) / (1 + std::exp(v));
        return -std::expm1(-n_ * std::log1p(p * c_)) / p;
    }
    void add(double v, double w) {
        total_ += w;
        sum_ += w * proper(v);
    }

    double a_, b_, n_, c_;
    double step_, first_, last_, log_peak_;
    double total_ = 0, sum_ = 0;
};

}  // namespace

double expected_stay_quadrature(double a, double b, double n, double c) {
    return StayQuadrature(a, b, n, c).value();
}

double expected_stay(double a, double b, double n, double c) {
    if (c == 0)
        return 0;
    // So many terms the series needs, about; and its first one must not underflow.
    constexpr double kMostTerms = 1500;
    constexpr double kSmallestLog = -600;
    const double terms = n * c + 10 * std::sqrt(n * c * (1 + c)) + 40 * (1 + c);
    if (terms < kMostTerms && -n * std::log1p(c) > kSmallestLog)
        return expected_stay_series(a, b, n, c);
    return expected_stay_quadrature(a, b, n, c);
}

}  // namespace seg::core::clv
