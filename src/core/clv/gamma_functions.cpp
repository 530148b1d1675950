#include "core/clv/gamma_functions.hpp"

#include <cmath>

namespace seg::core::clv {
namespace {

// From here on seven terms of Stirling's series are exact to the last digits.
constexpr double kAsymptotic = 10;

// ln gamma(z) less (z - 1/2) ln z - z + ln(2 pi) / 2.
double log_gamma_rest(double z) {
    const double y = 1 / (z * z);
    return (1.0 / 12 - y * (1.0 / 360 -
                            y * (1.0 / 1260 - y * (1.0 / 1680 - y * (1.0 / 1188 - y * (691.0 / 360360 -
                                                                                       y * (1.0 / 156))))))) /
           z;
}

// digamma(z) less ln z - 1 / (2 z).
double digamma_rest(double z) {
    const double y = 1 / (z * z);
    return -y *
           (1.0 / 12 -
            y * (1.0 / 120 -
                 y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y * (1.0 / 12)))))));
}

// trigamma(z) less 1 / z + 1 / (2 z^2).
double trigamma_rest(double z) {
    const double y = 1 / (z * z);
    return y / z *
           (1.0 / 6 -
            y * (1.0 / 30 -
                 y * (1.0 / 42 - y * (1.0 / 30 - y * (5.0 / 66 - y * (691.0 / 2730 - y * (7.0 / 6)))))));
}

}  // namespace

GammaFunctions gamma_functions(double z) {
    double product = 1, harmonic = 0, squares = 0;
    for (; z < kAsymptotic; z += 1) {
        product *= z;
        harmonic += 1 / z;
        squares += 1 / (z * z);
    }
    const double log_z = std::log(z);
    constexpr double kHalfLogTwoPi = 0.91893853320467274178;
    return {(z - 0.5) * log_z - z + kHalfLogTwoPi + log_gamma_rest(z) - std::log(product),
            log_z - 0.5 / z + digamma_rest(z) - harmonic, 1 / z + 0.5 / (z * z) + trigamma_rest(z) + squares};
}

LogRising log_rising(double z, double h) {
    double product = 1, first = 0, second = 0;
    for (; z < kAsymptotic; z += 1) {
        const double top = z + h;
        product *= 1 + h / z;
        first += h / (z * top);
        second += 1 / (top * top) - 1 / (z * z);
    }
    const double top = z + h;
    const double growth = std::log1p(h / z);
    const double inverses = h / (z * top);  // 1 / z - 1 / top
    return {
        (z - 0.5) * growth + h * (std::log(top) - 1) + log_gamma_rest(top) - log_gamma_rest(z) -
            std::log(product),
        growth + 0.5 * inverses + digamma_rest(top) - digamma_rest(z) + first,
        -inverses + 0.5 * (1 / (top * top) - 1 / (z * z)) + trigamma_rest(top) - trigamma_rest(z) + second};
}

}  // namespace seg::core::clv
