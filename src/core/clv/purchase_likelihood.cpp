#include "core/clv/purchase_likelihood.hpp"

#include <algorithm>
#include <cmath>

#include "core/clv/gamma_functions.hpp"
#include "core/clv/pareto_integral.hpp"

namespace seg::core::clv {
namespace {

// ln(gamma(r + x) / gamma(r)) + r ln alpha over all customers.
void add_purchases(const PurchaseSample& sample, double r, double alpha, Derivatives& sum) {
    for (const FrequencyCount& count : sample.frequencies) {
        const LogRising rising = log_rising(r, count.frequency);
        sum.value += count.weight * rising.value;
        sum.gradient[0] += count.weight * rising.first;
        sum.hessian[0][0] += count.weight * rising.second;
    }
    const double n = sample.customers;
    sum.value += n * r * std::log(alpha);
    sum.gradient[0] += n * std::log(alpha);
    sum.gradient[1] += n * r / alpha;
    sum.hessian[1][0] += n / alpha;
    sum.hessian[1][1] -= n * r / (alpha * alpha);
}

// ln(B(a, b + h) / B(a, b)): having stayed h times. With this as a factor, a customer who left at the last of
// them has a / (b + h - 1).
void add_stays(const PurchaseSample& sample, double a, double b, double extra, Derivatives& sum) {
    for (const FrequencyCount& count : sample.frequencies) {
        const double h = count.frequency + extra;
        const LogRising top = log_rising(b, h);
        const LogRising bottom = log_rising(a + b, h);
        sum.value += count.weight * (top.value - bottom.value);
        sum.gradient[2] -= count.weight * bottom.first;
        sum.gradient[3] += count.weight * (top.first - bottom.first);
        sum.hessian[2][2] -= count.weight * bottom.second;
        sum.hessian[3][2] -= count.weight * bottom.second;
        sum.hessian[3][3] += count.weight * (top.second - bottom.second);
    }
}

}  // namespace

void collapse(Vector<FrequencyCount>& counts, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    std::sort(counts.begin(), counts.end(), [&meter](const FrequencyCount& a, const FrequencyCount& b) {
        meter.done(1);
        return a.frequency < b.frequency;
    });
    // Sums of whole numbers do not depend on the order of equals.
    std::size_t kept = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (kept != 0 && counts[kept - 1].frequency == counts[i].frequency)
            counts[kept - 1].weight += counts[i].weight;
        else
            counts[kept++] = counts[i];
        meter.done(1);
    }
    counts.resize(kept);
}

Derivatives BetaGeometricLikelihood::at(const Parameters& parameters, Interrupt& interrupt) const {
    Derivatives sum;
    add_purchases(sample_, parameters[0], parameters[1], sum);
    add_stays(sample_, parameters[2], parameters[3], modified_ ? 1 : 0, sum);
    add_rows(parameters, sum, interrupt);
    return sum;
}

// The rest of a customer's likelihood is a sum of two: e^stayed for one who is still there, e^left for one
// who left at the last purchase; share is what the second one contributes.
void BetaGeometricLikelihood::add_rows(const Parameters& parameters, Derivatives& sum,
                                       Interrupt& interrupt) const {
    const auto [r, alpha, a, b] = parameters;
    const double log_a = std::log(a);
    WorkMeter meter(interrupt);
    double value = 0, g0 = 0, g1 = 0, g2 = 0, g3 = 0;
    double h10 = 0, h11 = 0, h00 = 0, h20 = 0, h21 = 0, h22 = 0, h30 = 0, h31 = 0, h32 = 0, h33 = 0;
    for (const PurchaseRow& row : sample_.rows) {
        meter.done(1);
        const double n = r + row.frequency, w = row.weight;
        const double log_end = std::log(alpha + row.age), per_end = 1 / (alpha + row.age);
        value -= w * n * log_end;
        g0 -= w * log_end;
        g1 -= w * n * per_end;
        h10 -= w * per_end;
        h11 += w * n * per_end * per_end;
        if (!modified_ && row.frequency == 0)
            continue;  // he has not had an occasion to leave
        const double stays = b + row.frequency - (modified_ ? 0 : 1);
        const double log_last = std::log(alpha + row.recency), per_last = 1 / (alpha + row.recency);
        const double d = log_a - std::log(stays) + n * (log_end - log_last);
        const double e = std::exp(-std::fabs(d));
        value += w * ((d > 0 ? d : 0) + std::log1p(e));
        const double share = (d > 0 ? 1 : e) / (1 + e);
        const double d0 = log_end - log_last, d1 = n * (per_end - per_last), d2 = 1 / a, d3 = -1 / stays;
        const double ws = w * share, wv = w * e / ((1 + e) * (1 + e));
        g0 += ws * d0;
        g1 += ws * d1;
        g2 += ws * d2;
        g3 += ws * d3;
        h00 += wv * d0 * d0;
        h10 += wv * d1 * d0 + ws * (per_end - per_last);
        h11 += wv * d1 * d1 - ws * n * (per_end - per_last) * (per_end + per_last);
        h20 += wv * d2 * d0;
        h21 += wv * d2 * d1;
        h22 += wv * d2 * d2 - ws * d2 * d2;
        h30 += wv * d3 * d0;
        h31 += wv * d3 * d1;
        h32 += wv * d3 * d2;
        h33 += wv * d3 * d3 + ws * d3 * d3;
    }
    const double gradient[] = {g0, g1, g2, g3};
    const double hessian[][kMaxParameters] = {
        {h00, 0, 0, 0}, {h10, h11, 0, 0}, {h20, h21, h22, 0}, {h30, h31, h32, h33}};
    sum.value += value;
    for (int i = 0; i < kMaxParameters; ++i) {
        sum.gradient[i] += gradient[i];
        for (int j = 0; j <= i; ++j)
            sum.hessian[i][j] += hessian[i][j];
    }
}

namespace {

// What a customer's likelihood says under one assumption: still there, or gone.
struct Branch {
    Parameters gradient;
    std::array<Parameters, kMaxParameters> hessian;  // of the likelihood, relative to it
};

// Still there: (alpha + T)^-n (beta + T)^-s.
Branch alive_branch(const Parameters& parameters, double n, double age, double& log_value) {
    const double s = parameters[2];
    const double log_a = std::log(parameters[1] + age), per_a = 1 / (parameters[1] + age);
    const double log_b = std::log(parameters[3] + age), per_b = 1 / (parameters[3] + age);
    log_value = -n * log_a - s * log_b;
    Branch branch{{-log_a, -n * per_a, -log_b, -s * per_b}, {}};
    for (int i = 0; i < kMaxParameters; ++i)
        for (int j = 0; j <= i; ++j)
            branch.hessian[i][j] = branch.gradient[i] * branch.gradient[j];
    branch.hessian[1][0] -= per_a;
    branch.hessian[1][1] += n * per_a * per_a;
    branch.hessian[3][2] -= per_b;
    branch.hessian[3][3] += s * per_b * per_b;
    return branch;
}

// Gone: s times the integral. Derivatives of the integrand, averaged under it.
Branch gone_branch(const Parameters& parameters, double n, const ParetoIntegral& integral) {
    const double s = parameters[2];
    const Parameters& m = integral.means;
    const auto& p = integral.products;
    const double factors[] = {-1, -n, -1, -(s + 1)};
    Branch branch{};
    for (int i = 0; i < kMaxParameters; ++i) {
        branch.gradient[i] = factors[i] * m[i];
        for (int j = 0; j <= i; ++j)
            branch.hessian[i][j] = factors[i] * factors[j] * p[i][j];
    }
    branch.hessian[1][0] -= m[1];
    branch.hessian[1][1] += n * p[1][1];
    branch.hessian[3][2] -= m[3];
    branch.hessian[3][3] += (s + 1) * p[3][3];
    // The factor s: adds ln s to the logarithm of the integrand.
    for (int j = 0; j < kMaxParameters; ++j)
        (j <= 2 ? branch.hessian[2][j] : branch.hessian[j][2]) += branch.gradient[j] / s * (j == 2 ? 2 : 1);
    branch.gradient[2] += 1 / s;
    return branch;
}

void add_pareto_row(const Parameters& parameters, const PurchaseRow& row, Derivatives& sum, int& work) {
    const double n = parameters[0] + row.frequency;
    double log_alive = 0;
    const Branch alive = alive_branch(parameters, n, row.age, log_alive);
    const ParetoIntegral integral =
        pareto_integral({parameters[1], parameters[3], n, parameters[2]}, row.recency, row.age);
    work = integral.nodes;
    const double d = std::log(parameters[2]) + integral.log_value - log_alive;
    const double e = std::exp(-std::fabs(d));
    const double share = (d > 0 ? 1 : e) / (1 + e);
    const Branch gone = gone_branch(parameters, n, integral);
    sum.value += row.weight * (log_alive + (d > 0 ? d : 0) + std::log1p(e));
    Parameters mean;
    for (int i = 0; i < kMaxParameters; ++i)
        mean[i] = alive.gradient[i] + share * (gone.gradient[i] - alive.gradient[i]);
    for (int i = 0; i < kMaxParameters; ++i) {
        sum.gradient[i] += row.weight * mean[i];
        for (int j = 0; j <= i; ++j)
            sum.hessian[i][j] +=
                row.weight * (alive.hessian[i][j] + share * (gone.hessian[i][j] - alive.hessian[i][j]) -
                              mean[i] * mean[j]);
    }
}

}  // namespace

Derivatives ParetoLikelihood::at(const Parameters& parameters, Interrupt& interrupt) const {
    Derivatives sum;
    WorkMeter meter(interrupt);
    add_purchases(sample_, parameters[0], parameters[1], sum);
    const double n = sample_.customers, s = parameters[2], beta = parameters[3];
    sum.value += n * s * std::log(beta);
    sum.gradient[2] += n * std::log(beta);
    sum.gradient[3] += n * s / beta;
    sum.hessian[3][2] += n / beta;
    sum.hessian[3][3] -= n * s / (beta * beta);
    for (const PurchaseRow& row : sample_.rows) {
        int work = 0;
        add_pareto_row(parameters, row, sum, work);
        meter.done(static_cast<std::uint64_t>(1 + work));
    }
    return sum;
}

}  // namespace seg::core::clv
