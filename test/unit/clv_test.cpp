#include <algorithm>
#include <boost/math/quadrature/exp_sinh.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/clv/clv_fit.hpp"
#include "core/clv/gamma_functions.hpp"
#include "core/clv/gamma_gamma.hpp"
#include "core/clv/pareto_integral.hpp"
#include "core/clv/purchase_likelihood.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clv;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

// ---- special functions

TEST(Clv, GammaFunctionsAgreeWithBoost) {
    for (double z = 1e-6; z < 1e7; z *= 1.37) {
        const GammaFunctions f = gamma_functions(z);
        const auto near = [](double got, double expected) {
            EXPECT_NEAR(got, expected, 3e-14 * std::max(1.0, std::fabs(expected)));
        };
        SCOPED_TRACE(z);
        near(f.log_gamma, boost::math::lgamma(z));
        near(f.digamma, boost::math::digamma(z));
        near(f.trigamma, boost::math::trigamma(z));
    }
}

TEST(Clv, RisingKeepsItsDigits) {
    // ln(z (z + 1) ... (z + h - 1)), added up.
    for (const double z : {1e-5, 0.3, 9.99, 10.0, 2500.0, 1e9, 1e14})
        for (const int h : {0, 1, 2, 30}) {
            double value = 0, first = 0, second = 0;
            for (int i = 0; i < h; ++i) {
                value += std::log(z + i);
                first += 1 / (z + i);
                second -= 1 / ((z + i) * (z + i));
            }
            const LogRising rising = log_rising(z, h);
            SCOPED_TRACE(std::to_string(z) + " " + std::to_string(h));
            EXPECT_NEAR(rising.value, value, 1e-13 * std::max(1.0, std::fabs(value)));
            EXPECT_NEAR(rising.first, first, 2e-13 * first);
            EXPECT_NEAR(rising.second, second, 2e-12 * std::fabs(second));
        }
    const LogRising large = log_rising(0.25, 5000.5);
    EXPECT_NEAR(large.value, boost::math::lgamma(5000.75) - boost::math::lgamma(0.25), 1e-9);
}

TEST(Clv, EigenvectorsTakeAMatrixApart) {
    const std::array<Parameters, kMaxParameters> m = {
        {{4, 0, 0, 0}, {1, -3, 0, 0}, {0.5, 2, 1e-3, 0}, {-2, 0, 1, 7}}};
    Parameters values;
    std::array<Parameters, kMaxParameters> vectors;
    symmetric_eigen(m, 4, values, vectors);
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j <= i; ++j) {
            double whole = 0, product = 0;
            for (int k = 0; k < 4; ++k) {
                whole += vectors[i][k] * values[k] * vectors[j][k];
                product += vectors[k][i] * vectors[k][j];
            }
            EXPECT_NEAR(whole, m[i][j], 1e-13);
            EXPECT_NEAR(product, i == j ? 1 : 0, 1e-14);
        }
}

TEST(Clv, ParetoIntegralAgreesWithQuadrature) {
    using Quadrature = boost::math::quadrature::gauss_kronrod<double, 61>;
    for (const auto& [alpha, beta] :
         {std::pair{10.5, 11.7}, {2.0, 0.01}, {0.01, 3.0}, {5.0, 5.0}, {900.0, 1.0}})
        for (const double n : {0.2, 1.0, 3.3, 60.0, 2500.0})
            for (const double s : {0.05, 1.0, 6.0})
                for (const auto& [from, to] : {std::pair{0.0, 39.0}, {38.5, 39.0}, {30.0, 1e5}}) {
                    const ParetoExponents e{alpha, beta, n, s};
                    // Relative to the integrand's value at the start, where it is near its largest.
                    const double top = -n * std::log(alpha + from) - (s + 1) * std::log(beta + from);
                    const auto f = [&](double t) {
                        return std::exp(-n * std::log(alpha + t) - (s + 1) * std::log(beta + t) - top);
                    };
                    // Where it decays in a small part of the stretch, that part decides.
                    const double decay = 1 / (n / (alpha + from) + (s + 1) / (beta + from));
                    double expected = 0;
                    double left = from;
                    for (double width = decay; left < to; width *= 2) {
                        const double right = std::min(to, left + width);
                        expected += Quadrature::integrate(f, left, right, 3, 1e-13);
                        left = right;
                    }
                    SCOPED_TRACE(
                        format("alpha %g beta %g n %g s %g from %g to %g", alpha, beta, n, s, from, to));
                    EXPECT_NEAR(pareto_log_integral(e, from, to) - top, std::log(expected), 2e-11);
                    EXPECT_EQ(pareto_log_integral(e, from, to), pareto_integral(e, from, to).log_value);
                }
    EXPECT_TRUE(std::isinf(pareto_log_integral({1, 2, 3, 4}, 5, 5)));
}

// ---- likelihoods

struct Sample {
    std::vector<PurchaseRow> rows;
    std::vector<FrequencyCount> frequencies;
    PurchaseSample view() const {
        double customers = 0;
        for (const PurchaseRow& row : rows)
            customers += row.weight;
        return {rows, frequencies, customers};
    }
};

Sample sample_of(std::vector<PurchaseRow> rows) {
    Sample sample{std::move(rows), {}};
    CountingResource memory;
    Vector<FrequencyCount> counts(&memory);
    for (const PurchaseRow& row : sample.rows)
        counts.push_back({row.frequency, row.weight});
    NoInterrupt interrupt;
    collapse(counts, interrupt);
    sample.frequencies.assign(counts.begin(), counts.end());
    return sample;
}

Sample mixed_sample() {
    return sample_of({{0, 0, 39, 3},
                      {0, 0, 0, 1},
                      {1, 1.5, 30, 2},
                      {2, 30, 39, 1},
                      {7, 35, 35, 4},
                      {26, 30.9, 31, 1},
                      {25, 10, 39, 1},
                      {1, 0, 12, 1},
                      {400, 38, 39, 1}});
}

double value_at(const LogLikelihood& likelihood, Parameters parameters, int i, double di, int j = 0,
                double dj = 0) {
    NoInterrupt interrupt;
    parameters[i] *= std::exp(di);
    parameters[j] *= std::exp(dj);
    return likelihood.at(parameters, interrupt).value;
}

// First derivatives against differences of values, second ones against differences of first ones.
void check_derivatives(const LogLikelihood& likelihood, const Parameters& parameters) {
    NoInterrupt interrupt;
    const int n = likelihood.parameters();
    const Derivatives d = likelihood.at(parameters, interrupt);
    for (int i = 0; i < n; ++i) {
        const double h = 1e-5 * parameters[i];
        Parameters up = parameters, down = parameters;
        up[i] += h;
        down[i] -= h;
        const Derivatives above = likelihood.at(up, interrupt), below = likelihood.at(down, interrupt);
        const double scale = (std::fabs(d.value) + likelihood.weight()) / parameters[i];
        EXPECT_NEAR(d.gradient[i], (above.value - below.value) / (2 * h), 1e-8 * scale) << i;
        for (int j = i; j < n; ++j)
            EXPECT_NEAR(d.hessian[j][i], (above.gradient[j] - below.gradient[j]) / (2 * h),
                        1e-7 * scale / parameters[j])
                << j << i;
    }
}

TEST(Clv, DerivativesAgreeWithDifferences) {
    const Sample sample = mixed_sample();
    for (const Parameters& p : {Parameters{0.24, 4.4, 0.8, 2.4}, {3, 0.5, 0.05, 0.9}, {0.05, 200, 12, 40}}) {
        SCOPED_TRACE(p[0]);
        check_derivatives(BetaGeometricLikelihood(PurchaseModel::kBgNbd, sample.view()), p);
        check_derivatives(BetaGeometricLikelihood(PurchaseModel::kMbgNbd, sample.view()), p);
        check_derivatives(ParetoLikelihood(sample.view()), p);
    }
    const std::vector<ValueRow> values = {{1, 0.2, 2}, {1, 3, 1}, {4, 1.1, 5}, {60, 0.9, 1}, {2, 12, 1}};
    const std::vector<FrequencyCount> counts = {{1, 3}, {2, 1}, {4, 5}, {60, 1}};
    for (const Parameters& p : {Parameters{6.25, 3.74, 0.4}, {0.3, 0.7, 5}, {80, 30, 0.01}})
        check_derivatives(GammaGammaLikelihood(values, counts, 10), p);
}

TEST(Clv, LikelihoodsOfTheLiterature) {
    NoInterrupt interrupt;
    const auto bgnbd = [&](PurchaseRow row) {
        const Sample sample = sample_of({row});
        return BetaGeometricLikelihood(PurchaseModel::kBgNbd, sample.view())
            .at({0.25, 4, 0.8, 2.5}, interrupt)
            .value;
    };
    EXPECT_NEAR(bgnbd({0, 0, 40, 1}), -0.59947382, 1e-8);
    EXPECT_NEAR(bgnbd({200, 38, 40, 1}), 100.7957, 1e-4);
}

// The textbook form of Pareto/NBD, a double integral over the rates of buying and leaving.
TEST(Clv, ParetoAgreesWithTheDoubleIntegral) {
    boost::math::quadrature::exp_sinh<double> outer, inner;
    const double r = 0.55, alpha = 10.6, s = 0.61, beta = 11.7;
    const auto density = [](double x, double shape, double rate) {
        // The quadrature looks far out, where this is zero.
        if (!(x > 1e-200 && x * rate < 600))
            return 0.0;
        return std::exp(shape * std::log(rate * x) - rate * x - boost::math::lgamma(shape)) / x;
    };
    for (const History& h : {History{0, 0, 39}, {2, 30.4, 38.9}, {6, 5, 39}}) {
        const auto given = [&](double lambda, double mu) {
            const double rate = lambda + mu;
            if (!(rate > 1e-280 && rate < 1e6))
                return 0.0;  // as its density is
            const double gone = mu / rate * (std::exp(-rate * h.recency) - std::exp(-rate * h.age));
            return std::pow(lambda, h.frequency) * (gone + std::exp(-rate * h.age));
        };
        const double whole = outer.integrate(
            [&](double lambda) {
                return density(lambda, r, alpha) *
                       inner.integrate([&](double mu) { return density(mu, s, beta) * given(lambda, mu); },
                                       1e-9);
            },
            1e-9);
        const auto buying = [&](double lambda) {
            const double weight = density(lambda, r, alpha);
            return weight == 0 ? 0 : weight * std::pow(lambda, h.frequency) * std::exp(-lambda * h.age);
        };
        const double alive = outer.integrate(buying, 1e-9) * std::pow(beta / (beta + h.age), s);
        NoInterrupt interrupt;
        const Sample sample = sample_of({{h.frequency, h.recency, h.age, 1}});
        const double value = ParetoLikelihood(sample.view()).at({r, alpha, s, beta}, interrupt).value;
        EXPECT_NEAR(value, std::log(whole), 1e-6) << h.frequency;
        EXPECT_NEAR(PurchaseForecast(PurchaseModel::kParetoNbd, {r, alpha, s, beta}).p_alive(h),
                    alive / whole, 1e-6);
    }
}

// ---- forecasts

// P(X(t) = k) of BG/NBD (Fader, Hardie and Lee 2005, equation 8).
double bgnbd_probability(const Parameters& p, double t, int k) {
    const auto [r, alpha, a, b] = p;
    const auto beta = [](double x, double y) {
        return boost::math::lgamma(x) + boost::math::lgamma(y) - boost::math::lgamma(x + y);
    };
    const double stay = std::log(alpha / (alpha + t)), buy = std::log(t / (alpha + t));
    const auto negative_binomial = [&](int j) {
        return std::exp(boost::math::lgamma(r + j) - boost::math::lgamma(r) - boost::math::lgamma(j + 1.0) +
                        r * stay + j * buy);
    };
    double result = std::exp(beta(a, b + k) - beta(a, b)) * negative_binomial(k);
    if (k == 0)
        return result;
    double fewer = 0;
    for (int j = 0; j < k; ++j)
        fewer += negative_binomial(j);
    return result + std::exp(beta(a + 1, b + k - 1) - beta(a, b)) * (1 - fewer);
}

TEST(Clv, ExpectedPurchasesAreTheMeanOfTheirDistribution) {
    for (const Parameters& p : {Parameters{0.243, 4.414, 0.793, 2.426}, {1.2, 2, 1, 3}, {0.4, 5, 2.5, 0.7}})
        for (const double t : {0.5, 10.0, 52.0}) {
            double mean = 0;
            for (int k = 1; k < 2500; ++k) {
                const double term = k * bgnbd_probability(p, t, k);
                mean += term;
                if (k > 200 && std::fabs(term) < 1e-14)
                    break;
            }
            EXPECT_NEAR(PurchaseForecast(PurchaseModel::kBgNbd, p).expected_new(t), mean, 1e-7 * mean) << t;
        }
    EXPECT_NEAR(bgnbd_probability({0.243, 4.414, 0.793, 2.426}, 39, 0), 0.5737864, 1e-7);
}

// Given p, purchases until the customer leaves or t ends are (1 - e^(-lambda p t)) / p on average.
double stay_by_integration(double a, double b, double n, double c) {
    const auto integrate = [&](const std::function<double(double)>& of) {
        // p is the square of a sine, which takes the singularities at both ends away.
        const auto f = [&](double angle) {
            const double sine = std::sin(angle), cosine = std::cos(angle);
            return of(sine * sine) * std::pow(sine, 2 * a - 1) * std::pow(cosine, 2 * b - 1);
        };
        return boost::math::quadrature::gauss_kronrod<double, 31>::integrate(f, 0, std::acos(0), 15, 1e-10);
    };
    return integrate([&](double p) { return p == 0 ? n * c : -std::expm1(-n * std::log1p(p * c)) / p; }) /
           integrate([](double) { return 1.0; });
}

TEST(Clv, ExpectedStayBothWaysAndByIntegration) {
    for (const double a : {0.05, 0.8, 1.0, 1.5, 30.0})
        for (const double b : {0.05, 2.4, 40.0})
            for (const double n : {0.2, 3.0, 60.0})
                for (const double c : {0.01, 0.5, 3.0}) {
                    const double series = expected_stay_series(a, b, n, c);
                    SCOPED_TRACE(format("a %g b %g n %g c %g", a, b, n, c));
                    EXPECT_NEAR(expected_stay_quadrature(a, b, n, c), series, 1e-12 * series);
                    if (a > 0.5 && b > 0.5) {
                        const double integral = stay_by_integration(a, b, n, c);
                        EXPECT_NEAR(series, integral, 1e-6 * integral);
                    }
                }
    EXPECT_EQ(expected_stay(1, 1, 1, 0), 0);
    for (const double c : {5e-324, 1e-310, 1e-300, 1e-17, 1e-8})
        EXPECT_NEAR(expected_stay(1.5, 4, 0.2, c), 0.2 * c, 1e-7 * 0.2 * c + 5e-324) << c;
}

// Given the rate mu of leaving, purchases in t are lambda (1 - e^(-mu t)) / mu on average.
TEST(Clv, ParetoExpectationAgreesWithTheIntegral) {
    boost::math::quadrature::exp_sinh<double> quadrature;
    const double r = 0.55, alpha = 10.6, beta = 11.7, horizon = 52;
    const History history{3, 20, 39};
    for (const double s : {0.6, 1.0, 1.0 + 1e-12, 2.5}) {
        const double end = beta + history.age;
        const double mean = quadrature.integrate(
            [&](double mu) {
                if (!(mu > 1e-200 && mu * end < 600))
                    return 0.0;
                return std::exp(s * std::log(end * mu) - end * mu - boost::math::lgamma(s)) / mu *
                       -std::expm1(-mu * horizon) / mu;
            },
            1e-10);
        const PurchaseForecast forecast(PurchaseModel::kParetoNbd, {r, alpha, s, beta});
        const double expected = (r + history.frequency) / (alpha + history.age) * mean;
        EXPECT_NEAR(forecast.expected_if_alive(horizon, history), expected, 1e-8 * expected) << s;
    }
}

TEST(Clv, PublishedForecasts) {
    const PurchaseForecast bgnbd(PurchaseModel::kBgNbd, {0.2425945, 4.4136019, 0.7929199, 2.4258881});
    EXPECT_NEAR(bgnbd.expected(39, {2, 30.43, 38.86}), 1.226, 5e-4);
    EXPECT_NEAR(bgnbd.expected(52, {26, 30.85714, 31}), 25.75659, 1e-3);
    EXPECT_NEAR(bgnbd.p_alive({26, 30.85714, 31}), 0.9688523, 5e-6);
    EXPECT_NEAR(bgnbd.expected(52, {10, 20, 39}), 0.3474606, 5e-5);
    EXPECT_NEAR(bgnbd.expected(52, {20, 20, 39}), 0.004158973, 1e-6);
    EXPECT_NEAR(bgnbd.expected_new(52), 1.444004, 2e-5);
    EXPECT_NEAR(bgnbd.expected_new(0.1429), 0.0078, 5e-5);
    const PurchaseForecast pareto(PurchaseModel::kParetoNbd, {0.55315, 10.57633, 0.60625, 11.6715});
    EXPECT_NEAR(pareto.expected(52, {26, 30.85714, 31}), 25.45647, 2e-3);
    EXPECT_NEAR(pareto.p_alive({26, 30.85714, 31}), 0.997874, 1e-6);
    // These were published from a run with parameters of its own, near these.
    EXPECT_NEAR(pareto.expected(52, {10, 20, 39}), 0.7062289, 7e-4);
    EXPECT_NEAR(pareto.expected(52, {15, 20, 39}), 0.1442396, 1.5e-4);
    EXPECT_NEAR(pareto.expected(52, {20, 20, 39}), 0.02250658, 2.5e-5);
    EXPECT_NEAR(pareto.expected(52, {25, 20, 39}), 0.00309267, 4e-6);
    EXPECT_NEAR(pareto.expected_new(52), 1.473434, 5e-5);
    EXPECT_NEAR(expected_value({6.25, 3.74, 15.44, 0}, 2, 22.35), 24.65, 0.02);
    EXPECT_NEAR(expected_value({6.25, 3.74, 15.44, 0}, 0, 99), 35.22, 0.05);
}

TEST(Clv, ForecastsAreFiniteAndMonotoneFarOut) {
    for (const PurchaseModel model :
         {PurchaseModel::kBgNbd, PurchaseModel::kMbgNbd, PurchaseModel::kParetoNbd})
        for (const Parameters& p :
             {Parameters{0.24, 4.4, 0.8, 2.4}, {1, 1, 1, 1}, {50, 3, 0.01, 200}, {0.01, 1e4, 30, 0.02}}) {
            const PurchaseForecast forecast(model, p);
            for (const double x : {0.0, 1.0, 50.0, 5000.0, 1e6})
                for (const double age : {0.0, 1e-9, 39.0, 1e6, 1e12})
                    for (const double recency : {0.0, age / 3, age}) {
                        if (x == 0 && recency != 0)
                            continue;
                        const History history{x, recency, age};
                        const double alive = forecast.p_alive(history);
                        SCOPED_TRACE(format("model %d p %g x %g recency %g age %g", static_cast<int>(model),
                                            p[0], x, recency, age));
                        EXPECT_TRUE(alive >= 0 && alive <= 1) << alive;
                        double before = 0;
                        for (const double horizon : {0.0, 5e-324, 1e-300, 1e-6, 1.0, 52.0, 1e5, 1e12}) {
                            const double expected = forecast.expected_if_alive(horizon, history);
                            EXPECT_TRUE(std::isfinite(expected)) << horizon;
                            EXPECT_GE(expected, before * (1 - 1e-12)) << horizon;
                            before = expected;
                        }
                    }
        }
}

TEST(Clv, LifetimeValueAddsUpMonths) {
    ClvModel model;
    model.value = ValueModel::kGammaGamma;
    model.month = 4;
    model.fit.parameters = {0.24, 4.4, 0.8, 2.4};
    model.value_fit.parameters = {6.25, 3.74, 15.44, 0};
    const History history{2, 30, 39};
    const double worth = model.expected_value(2, 20);
    const auto until = [&](int months) { return model.forecast().expected(4.0 * months, history); };
    EXPECT_NEAR(model.lifetime_value(12, 0, history, 20), worth * until(12), 1e-12);
    EXPECT_NEAR(model.lifetime_value(1, 1, history, 20), worth * until(1) / 2, 1e-12);
    EXPECT_NEAR(model.lifetime_value(2, 0.01, history, 20),
                worth * (until(1) / 1.01 + (until(2) - until(1)) / (1.01 * 1.01)), 1e-12);
    EXPECT_EQ(model.lifetime_value(0, 0.01, history, 20), 0);
    model.value_fit.parameters = {0.1, 0.5, 15, 0};
    EXPECT_TRUE(std::isinf(model.lifetime_value(1, 0.01, {}, 0)));
    EXPECT_EQ(model.lifetime_value(0, 0.01, {}, 0), 0);
    model.value = ValueModel::kNone;
    EXPECT_EQ(error_code([&] { model.lifetime_value(1, 0, history, 20); }), Errc::kInvalidArgument);
}

// ---- fits

struct Customer {
    History history;
    std::optional<double> mean_value;
};

ClvOptions options_for(PurchaseModel model, ValueModel value = ValueModel::kNone) {
    ClvOptions options;
    options.purchases = model;
    options.value = value;
    validate(options);
    return options;
}

ClvModel fit_of(const std::vector<Customer>& customers, const ClvOptions& options) {
    CountingResource memory;
    NoInterrupt interrupt;
    ClvState state(&memory, options);
    for (const Customer& customer : customers)
        state.add(customer.history, customer.mean_value);
    return fit_clv(state, &memory, interrupt);
}

// Customers as the models imagine them, with values as Gamma-Gamma does.
std::vector<Customer> simulate(PurchaseModel model, const Parameters& p, int count) {
    Random random(20250101, static_cast<std::uint64_t>(model));
    std::vector<Customer> customers;
    const auto beta = [&](double a, double b) {
        const double x = random.gamma(a, 1);
        return x / (x + random.gamma(b, 1));
    };
    for (int i = 0; i < count; ++i) {
        const double age = 20 + std::floor(random.uniform() * 40);
        const double rate = random.gamma(p[0], p[1]);
        double leaves_at = INFINITY, chance = 0;
        if (model == PurchaseModel::kParetoNbd)
            leaves_at = random.exponential(random.gamma(p[2], p[3]));
        else
            chance = beta(p[2], p[3]);
        History history{0, 0, age};
        bool there = model != PurchaseModel::kMbgNbd || random.uniform() >= chance;
        for (double t = random.exponential(rate); there && t < std::min(age, leaves_at);
             t += random.exponential(rate)) {
            ++history.frequency;
            history.recency = t;
            there = random.uniform() >= chance;
        }
        std::optional<double> mean;
        if (history.frequency > 0) {
            const double level = random.gamma(3.74, 15.44);
            mean = random.gamma(6.25 * history.frequency, level * history.frequency);
        }
        customers.push_back({history, mean});
    }
    return customers;
}

void expect_recovered(const FittedPart& part, const Parameters& truth, int count) {
    for (int i = 0; i < count; ++i) {
        EXPECT_GT(part.standard_errors[i], 0) << i;
        EXPECT_LT(part.standard_errors[i], 0.5 * truth[i]) << i;
        EXPECT_NEAR(part.parameters[i], truth[i], 3 * part.standard_errors[i]) << i;
    }
}

TEST(Clv, SimulatedParametersAreRecovered) {
    for (const PurchaseModel model :
         {PurchaseModel::kBgNbd, PurchaseModel::kMbgNbd, PurchaseModel::kParetoNbd}) {
        SCOPED_TRACE(name_of(model));
        const Parameters truth =
            model == PurchaseModel::kParetoNbd ? Parameters{0.8, 9, 0.9, 12} : Parameters{0.8, 6, 0.9, 2.5};
        const ClvModel fitted =
            fit_of(simulate(model, truth, 6000), options_for(model, ValueModel::kGammaGamma));
        expect_recovered(fitted.fit, truth, kPurchaseParameters);
        expect_recovered(fitted.value_fit, {6.25, 3.74, 15.44, 0}, kValueParameters);
        EXPECT_EQ(fitted.customers, 6000);
        EXPECT_LT(fitted.fit.gradient_norm, 1e-6);
        EXPECT_LT(fitted.value_fit.gradient_norm, 1e-6);
        EXPECT_LT(std::fabs(fitted.correlation), 0.1);
    }
}

// The inverse of a matrix given by differences of values at the maximum.
TEST(Clv, StandardErrorsAgreeWithANumericHessian) {
    const std::vector<Customer> customers = simulate(PurchaseModel::kBgNbd, {0.8, 6, 0.9, 2.5}, 1500);
    for (const PurchaseModel model : {PurchaseModel::kBgNbd, PurchaseModel::kParetoNbd}) {
        const ClvModel fitted = fit_of(customers, options_for(model));
        std::vector<PurchaseRow> rows;
        for (const Customer& customer : customers)
            rows.push_back({customer.history.frequency, customer.history.recency, customer.history.age, 1});
        const Sample sample = sample_of(rows);
        const BetaGeometricLikelihood bgnbd(PurchaseModel::kBgNbd, sample.view());
        const ParetoLikelihood pareto(sample.view());
        const LogLikelihood& likelihood =
            model == PurchaseModel::kBgNbd ? static_cast<const LogLikelihood&>(bgnbd) : pareto;
        const double h = 2e-3;
        std::array<Parameters, kMaxParameters> information{}, vectors;
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j <= i; ++j) {
                const auto at = [&](double di, double dj) {
                    return value_at(likelihood, fitted.fit.parameters, i, di, j, dj);
                };
                information[i][j] = -(at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h);
            }
        Parameters values;
        symmetric_eigen(information, 4, values, vectors);
        for (int k = 0; k < 4; ++k) {
            double variance = 0;
            for (int i = 0; i < 4; ++i)
                variance += vectors[k][i] * vectors[k][i] / values[i];
            const double expected = fitted.fit.parameters[k] * std::sqrt(variance);
            EXPECT_NEAR(fitted.fit.standard_errors[k], expected, 1e-3 * expected) << k;
        }
    }
}

std::string image_of(const ClvModel& model) {
    std::vector<std::byte> image(ClvModel::kImageSize);
    model.write(image);
    return {reinterpret_cast<const char*>(image.data()), image.size()};
}

TEST(Clv, OrderAndSplitDoNotMatter) {
    // More different histories than the first search looks at.
    std::vector<Customer> customers = simulate(PurchaseModel::kBgNbd, {0.8, 6, 0.9, 2.5}, 30000);
    for (std::size_t i = 0; i < customers.size(); i += 3)
        customers[i] = customers[0];
    const ClvOptions options = options_for(PurchaseModel::kBgNbd, ValueModel::kGammaGamma);
    const std::string expected = image_of(fit_of(customers, options));
    Random random(7);
    CountingResource memory;
    NoInterrupt interrupt;
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = customers.size(); i > 1; --i)
            std::swap(customers[i - 1], customers[random.below(i)]);
        ClvState whole(&memory, options), part(&memory, options);
        for (std::size_t i = 0; i < customers.size(); ++i)
            (i % 5 < 2 ? whole : part).add(customers[i].history, customers[i].mean_value);
        if (round == 0) {
            whole.merge(part, interrupt);
        } else {
            std::vector<std::uint64_t> words(part.image_size() / 8 + 1);
            const std::span<std::byte> image(reinterpret_cast<std::byte*>(words.data()), part.image_size());
            part.write_image(image, interrupt);
            whole.merge_body(image.subspan(ClvState::kSlot), interrupt);
        }
        EXPECT_EQ(image_of(fit_clv(whole, &memory, interrupt)), expected) << round;
    }
}

TEST(Clv, TheUnitOfTimeAndMoneyDoesNotMatter) {
    std::vector<Customer> customers = simulate(PurchaseModel::kParetoNbd, {0.8, 9, 0.9, 12}, 2000);
    for (const PurchaseModel model : {PurchaseModel::kBgNbd, PurchaseModel::kParetoNbd}) {
        const ClvOptions options = options_for(model, ValueModel::kGammaGamma);
        const ClvModel weeks = fit_of(customers, options);
        std::vector<Customer> scaled = customers;
        double purchases = 0;
        for (Customer& customer : scaled) {
            customer.history.recency *= 7;
            customer.history.age *= 7;
            if (customer.mean_value)
                *customer.mean_value *= 100;
            purchases += customer.history.frequency;
        }
        const ClvModel days = fit_of(scaled, options);
        for (int i = 0; i < 4; ++i) {
            const double factor = i == 1 || (i == 3 && model == PurchaseModel::kParetoNbd) ? 7 : 1;
            EXPECT_NEAR(days.fit.parameters[i], factor * weeks.fit.parameters[i],
                        1e-7 * days.fit.parameters[i]);
            EXPECT_NEAR(days.fit.standard_errors[i], factor * weeks.fit.standard_errors[i],
                        1e-6 * days.fit.standard_errors[i]);
        }
        EXPECT_NEAR(days.fit.log_likelihood, weeks.fit.log_likelihood - purchases * std::log(7), 1e-6);
        EXPECT_NEAR(days.value_fit.parameters[2], 100 * weeks.value_fit.parameters[2], 1e-4);
        EXPECT_NEAR(days.value_fit.parameters[0], weeks.value_fit.parameters[0], 1e-6);
    }
}

// ---- what cannot be fitted

std::string reason_of(const std::vector<Customer>& customers, const ClvOptions& options) {
    try {
        fit_of(customers, options);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::kBadData);
        return error.what();
    }
    return "fitted";
}

TEST(Clv, DegenerateDataAreRefused) {
    for (const PurchaseModel model :
         {PurchaseModel::kBgNbd, PurchaseModel::kMbgNbd, PurchaseModel::kParetoNbd}) {
        const ClvOptions options = options_for(model);
        SCOPED_TRACE(name_of(model));
        EXPECT_NE(reason_of({{{0, 0, 10}, {}}, {{0, 0, 30}, {}}}, options)
                      .find("no customer has a repeat purchase"),
                  std::string::npos);
        EXPECT_NE(reason_of({{{3, 8, 10}, {}}}, options).find("did not converge"), std::string::npos);
        EXPECT_NE(reason_of(std::vector<Customer>(500, {{3, 8, 10}, {}}), options).find("did not converge"),
                  std::string::npos);
        EXPECT_NE(reason_of(std::vector<Customer>(10, {{2, 0, 0}, {}}), options).find("did not converge"),
                  std::string::npos);
        // Everyone buys at one rate, and nobody leaves.
        std::vector<Customer> regular;
        for (int i = 1; i <= 200; ++i)
            regular.push_back({{static_cast<double>(i), static_cast<double>(i), i + 0.5}, {}});
        EXPECT_NE(reason_of(regular, options).find("did not converge"), std::string::npos);
    }
    std::vector<Customer> customers = simulate(PurchaseModel::kBgNbd, {0.8, 6, 0.9, 2.5}, 500);
    const ClvOptions both = options_for(PurchaseModel::kBgNbd, ValueModel::kGammaGamma);
    for (Customer& customer : customers)
        customer.mean_value = 20;
    EXPECT_NE(reason_of(customers, both).find("Gamma-Gamma did not converge"), std::string::npos);
    for (Customer& customer : customers)
        customer.mean_value = -1;
    EXPECT_NE(reason_of(customers, both).find("has a mean value above zero"), std::string::npos);
    ClvOptions hasty = both;
    hasty.max_iter = 1;
    EXPECT_NE(reason_of(customers, hasty).find("did not converge in"), std::string::npos);
}

TEST(Clv, ExtremeUnitsAreRefusedOrFitted) {
    for (const double unit : {1e-290, 1e-25, 1e10}) {
        std::vector<Customer> customers = simulate(PurchaseModel::kBgNbd, {0.8, 6, 0.9, 2.5}, 500);
        for (Customer& customer : customers) {
            customer.history.recency *= unit;
            customer.history.age *= unit;
        }
        if (unit < 1e-280) {
            EXPECT_EQ(error_code([&] { fit_of(customers, options_for(PurchaseModel::kBgNbd)); }),
                      Errc::kOutOfRange);
            continue;
        }
        const ClvModel fitted = fit_of(customers, options_for(PurchaseModel::kBgNbd));
        const std::string bytes = image_of(fitted);
        EXPECT_EQ(image_of(ClvModel::read(std::as_bytes(std::span(bytes.data(), bytes.size())).subspan(4))),
                  bytes);
    }
}

TEST(Clv, ImpossibleCustomersAreRefused) {
    CountingResource memory;
    ClvState state(&memory, options_for(PurchaseModel::kBgNbd, ValueModel::kGammaGamma));
    const auto code = [&](double x, double recency, double age, double value = 1) {
        return error_code([&] { state.add({x, recency, age}, value); });
    };
    EXPECT_EQ(code(-1, 0, 1), Errc::kOutOfRange);
    EXPECT_EQ(code(2e9, 0, 1), Errc::kOutOfRange);
    EXPECT_EQ(code(1, -1, 1), Errc::kOutOfRange);
    EXPECT_EQ(code(0, 0, -1), Errc::kOutOfRange);
    EXPECT_EQ(code(1, 1, 1e13), Errc::kOutOfRange);
    EXPECT_EQ(code(1, NAN, 1), Errc::kBadData);
    EXPECT_EQ(code(1, 1, INFINITY), Errc::kBadData);
    EXPECT_EQ(code(1, 2, 1), Errc::kBadData);
    EXPECT_EQ(code(0, 1, 2), Errc::kBadData);
    EXPECT_EQ(code(1, 1, 2, NAN), Errc::kBadData);
    EXPECT_EQ(code(1, 1, 2, INFINITY), Errc::kBadData);
    EXPECT_EQ(code(1, 1, 2, 1e101), Errc::kOutOfRange);
    EXPECT_EQ(state.histories().size(), 0u);
    state.add({0, 0, 2}, NAN);  // not looked at
    state.add({1, 1, 2}, 0.0);
    state.add({1, 1, 2}, std::nullopt);
    state.add({1, 1, 2}, -3.0);
    EXPECT_EQ(state.histories().size(), 4u);
    EXPECT_EQ(state.values().size(), 0u);
    EXPECT_EQ(state.without_value(), 3);
}

// ---- memory and cancelling

TEST(Clv, MemoryIsPricedAndGivenBack) {
    const std::vector<Customer> customers = simulate(PurchaseModel::kBgNbd, {0.8, 6, 0.9, 2.5}, 30000);
    CountingResource memory, working;
    NoInterrupt interrupt;
    ClvState state(&memory, options_for(PurchaseModel::kBgNbd, ValueModel::kGammaGamma));
    for (const Customer& customer : customers)
        state.add(customer.history, customer.mean_value);
    fit_clv(state, &working, interrupt);
    EXPECT_EQ(working.live, 0u);
    EXPECT_LE(working.peak, price_clv(state).total());
    EXPECT_GE(working.peak, price_clv(state).total() / 4);
    for (std::size_t fail_at = 1; fail_at <= working.allocations; ++fail_at) {
        CountingResource failing;
        failing.fail_at = fail_at;
        EXPECT_THROW(fit_clv(state, &failing, interrupt), std::bad_alloc) << fail_at;
        EXPECT_EQ(failing.live, 0u);
    }
}

TEST(Clv, FitsCanBeCancelled) {
    const std::vector<Customer> customers = simulate(PurchaseModel::kParetoNbd, {0.8, 9, 0.9, 12}, 20000);
    CountingResource memory, working;
    ClvState state(&memory, options_for(PurchaseModel::kParetoNbd, ValueModel::kGammaGamma));
    for (const Customer& customer : customers)
        state.add(customer.history, customer.mean_value);
    for (const int polls : {0, 1, 20}) {
        CancelAfter interrupt(polls);
        EXPECT_THROW(fit_clv(state, &working, interrupt), Cancelled);
        EXPECT_EQ(working.live, 0u);
    }
}

// ---- stored formats: bytes as version 1 wrote them, readable for ever

// An image from the hexadecimal digits of its body; the server's length word is left zero.
class Image {
  public:
    explicit Image(std::string_view hex) : size_(hex.size() / 2 + 4), words_(size_ / 8 + 1) {
        const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
        for (std::size_t i = 0; i < hex.size() / 2; ++i)
            bytes()[4 + i] = static_cast<std::byte>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
    }
    std::byte* bytes() { return reinterpret_cast<std::byte*>(words_.data()); }
    std::span<const std::byte> whole() { return {bytes(), size_}; }
    std::span<const std::byte> body() { return whole().subspan(4); }

  private:
    std::size_t size_;
    std::vector<std::uint64_t> words_;
};

constexpr std::string_view kModelVersion1 =
    "56010201020100001d000000160000000000000000000000000012403509000000000000b203000000000000"
    "f8030000000000000300000000000000ac030000000000000600000000000000000000000000c03f"
    "000000000000e03f0000000000002440000000000000d03f0000000000002840"
    "000000000000c03f000000000000f03f000000000000e03f0000000000001840"
    "0000000040bdc2c0000000000000503f"
    "00000000000019400000000000000e400000000000002f40"
    "000000000000f43f000000000000e03f0000000000001040"
    "0000000080afafc00000000000000000";

// The histories (0, 0, 5), (3, 2, 4.5) with value 7.5 and (1, 1, 4) without, and a skipped one.
constexpr std::string_view kStateVersion1 =
    "76010301010000004d0000000000000000003e400300000000000000010000000000000001000000000000000100000000000000"
    "000000000000000000000000000000000000000000001440000000000000084000000000000000400000000000001240"
    "000000000000f03f000000000000f03f000000000000104000000000000008400000000000001e40";

TEST(Clv, ModelVersionOneIsFixed) {
    Image image(kModelVersion1);
    const ClvModel model = ClvModel::read(image.body());
    EXPECT_EQ(model.purchases, PurchaseModel::kParetoNbd);
    EXPECT_EQ(model.value, ValueModel::kGammaGamma);
    EXPECT_EQ(model.unit, TimeUnit::kWeek);
    EXPECT_EQ(model.month, 4.5);
    EXPECT_EQ(model.customers, 2357);
    EXPECT_EQ(model.repeat_customers, 946);
    EXPECT_EQ(model.distinct_customers, 1016);
    EXPECT_EQ(model.skipped, 3);
    EXPECT_EQ(model.value_customers, 940);
    EXPECT_EQ(model.without_value, 6);
    EXPECT_EQ(model.correlation, 0.125);
    EXPECT_EQ(model.fit.parameters, (Parameters{0.5, 10, 0.25, 12}));
    EXPECT_EQ(model.fit.standard_errors, (Parameters{0.125, 1, 0.5, 6}));
    EXPECT_EQ(model.fit.log_likelihood, -9594.5);
    EXPECT_EQ(model.fit.iterations, 29);
    EXPECT_EQ(model.value_fit.parameters, (Parameters{6.25, 3.75, 15.5, 0}));
    EXPECT_EQ(model.value_fit.log_likelihood, -4055.75);
    const std::string written = image_of(model);
    EXPECT_EQ(written.substr(4),
              std::string(reinterpret_cast<const char*>(image.body().data()), image.body().size()));
    EXPECT_EQ(image_of(ClvModel(image.whole())), written);
}

TEST(Clv, StateVersionOneIsFixed) {
    Image image(kStateVersion1);
    NoInterrupt interrupt;
    const ClvOptions options = ClvState::read_options(image.body(), interrupt);
    EXPECT_EQ(options.purchases, PurchaseModel::kMbgNbd);
    EXPECT_EQ(options.value, ValueModel::kGammaGamma);
    EXPECT_EQ(options.unit, TimeUnit::kDay);
    EXPECT_EQ(options.month, 30);
    EXPECT_EQ(options.max_iter, 77);
    CountingResource memory;
    ClvState state(&memory, options);
    state.merge_body(image.body(), interrupt);
    ASSERT_EQ(state.histories().size(), 3u);
    EXPECT_EQ(seg::test::row_of(state.histories(), 1)[0], 3);
    EXPECT_EQ(seg::test::row_of(state.histories(), 1)[1], 2);
    EXPECT_EQ(seg::test::row_of(state.histories(), 1)[2], 4.5);
    ASSERT_EQ(state.values().size(), 1u);
    EXPECT_EQ(seg::test::row_of(state.values(), 0)[1], 7.5);
    EXPECT_EQ(state.skipped(), 1);
    EXPECT_EQ(state.without_value(), 1);
    Image written(std::string(kStateVersion1.size(), '0'));
    state.write_image({written.bytes(), image.whole().size()}, interrupt);
    EXPECT_TRUE(std::ranges::equal(written.body(), image.body()));
}

TEST(Clv, MalformedBytesAreRefused) {
    NoInterrupt interrupt;
    for (std::size_t digits = 0; digits < kModelVersion1.size(); digits += 2) {
        Image image(kModelVersion1.substr(0, digits));
        EXPECT_EQ(error_code([&] { ClvModel::read(image.body()); }), Errc::kBadBinary) << digits;
        EXPECT_EQ(error_code([&] { ClvModel(image.whole()); }), Errc::kCorrupted) << digits;
    }
    for (std::size_t digits = 0; digits < kStateVersion1.size(); digits += 2) {
        Image image(kStateVersion1.substr(0, digits));
        EXPECT_EQ(error_code([&] { ClvState::read_options(image.body(), interrupt); }), Errc::kBadBinary)
            << digits;
    }
    // What stands at an offset of the body, and what may not stand there.
    const auto model_with = [](std::size_t at, double value) {
        Image image(kModelVersion1);
        std::memcpy(image.bytes() + 4 + at, &value, sizeof value);
        return error_code([&] { ClvModel::read(image.body()); });
    };
    for (const std::size_t at : {20, 76, 84, 92, 116, 148, 156, 164, 188, 212, 220})
        EXPECT_EQ(model_with(at, NAN), Errc::kBadBinary) << at;
    for (const std::size_t at : {84, 108, 164, 180})
        EXPECT_EQ(model_with(at, 0), Errc::kBadBinary) << at;
    EXPECT_EQ(model_with(28, -1), Errc::kBadBinary);
    EXPECT_EQ(model_with(76, 1.5), Errc::kBadBinary);
    const auto state_with = [&](std::size_t at, double value) {
        Image image(kStateVersion1);
        std::memcpy(image.bytes() + 4 + at, &value, sizeof value);
        return error_code([&] { ClvState::read_options(image.body(), interrupt); });
    };
    EXPECT_EQ(state_with(52, 0.5), Errc::kBadBinary);
    EXPECT_EQ(state_with(60, 1), Errc::kBadBinary);
    EXPECT_EQ(state_with(84, 6), Errc::kBadBinary);
    EXPECT_EQ(state_with(124, 0), Errc::kBadBinary);
    EXPECT_EQ(state_with(132, -7), Errc::kBadBinary);
}

}  // namespace
