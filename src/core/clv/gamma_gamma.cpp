#include "core/clv/gamma_gamma.hpp"

#include <cmath>

#include "core/clv/gamma_functions.hpp"
#include "core/clv/purchase_likelihood.hpp"

namespace seg::core::clv {
namespace {

// -ln B(p x, q) over all customers.
void add_beta(std::span<const FrequencyCount> frequencies, double p, double q, Derivatives& sum) {
    const GammaFunctions of_q = gamma_functions(q);
    for (const FrequencyCount& count : frequencies) {
        const double x = count.frequency, w = count.weight;
        const LogRising rising = log_rising(p * x, q);  // from p x to p x + q
        const GammaFunctions whole = gamma_functions(p * x + q);
        sum.value += w * (rising.value - of_q.log_gamma);
        sum.gradient[0] += w * x * rising.first;
        sum.gradient[1] += w * (whole.digamma - of_q.digamma);
        sum.hessian[0][0] += w * x * x * rising.second;
        sum.hessian[1][0] += w * x * whole.trigamma;
        sum.hessian[1][1] += w * (whole.trigamma - of_q.trigamma);
    }
}

}  // namespace

Derivatives GammaGammaLikelihood::at(const Parameters& parameters, Interrupt& interrupt) const {
    const double p = parameters[0], q = parameters[1], gamma = parameters[2];
    const double log_gamma = std::log(gamma);
    WorkMeter meter(interrupt);
    Derivatives sum;
    add_beta(frequencies_, p, q, sum);
    for (const ValueRow& row : rows_) {
        meter.done(1);
        const double x = row.frequency, w = row.weight;
        const double total = x * row.mean_value;
        const double log_total = std::log(total), log_sum = std::log(gamma + total);
        const double per_sum = 1 / (gamma + total);
        sum.value +=
            w * (q * (log_gamma - log_sum) + p * x * (log_total - log_sum) - std::log(row.mean_value));
        sum.gradient[0] += w * x * (log_total - log_sum);
        sum.gradient[1] += w * (log_gamma - log_sum);
        sum.gradient[2] += w * (q / gamma - (p * x + q) * per_sum);
        sum.hessian[2][0] -= w * x * per_sum;
        sum.hessian[2][1] += w * (1 / gamma - per_sum);
        sum.hessian[2][2] += w * ((p * x + q) * per_sum * per_sum - q / (gamma * gamma));
    }
    return sum;
}

}  // namespace seg::core::clv
