// The one integral that Pareto/NBD needs: over the moments at which a customer may have left.
#pragma once

#include <array>

#include "core/clv/maximum.hpp"

namespace seg::core::clv {

// The integral over t in [from, to] of (alpha + t)^-n (beta + t)^-(s + 1).
struct ParetoIntegral {
    double log_value;  // minus infinity where from = to
    int nodes;         // work done
    // Means and mean products of ln(alpha + t), 1 / (alpha + t), ln(beta + t), 1 / (beta + t) under the
    // integrand; the lower triangle counts.
    Parameters means{};
    std::array<Parameters, kMaxParameters> products{};
};

struct ParetoExponents {
    double alpha;
    double beta;
    double n;  // r + x
    double s;
};

// Gauss-Legendre quadrature over the logarithm of t plus the smaller of alpha and beta, where the integrand
// is analytic within pi of the real line, in panels over which it changes by a factor of e^12 at the most.
// All terms are positive, so that nothing cancels; the difference of two hypergeometric functions, which is
// the textbook form, has no digits left for large n. About 1e-13 of itself. With means and products, or
// without.
ParetoIntegral pareto_integral(const ParetoExponents& exponents, double from, double to);
double pareto_log_integral(const ParetoExponents& exponents, double from, double to);

}  // namespace seg::core::clv
