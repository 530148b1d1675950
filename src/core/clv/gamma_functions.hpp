// The logarithm of the gamma function, its derivatives, and differences of them that keep their digits.
#pragma once

namespace seg::core::clv {

struct GammaFunctions {
    double log_gamma;
    double digamma;
    double trigamma;
};

// Of z > 0, to about 1e-14 of the larger of the value and 1. Recurrence up to 10, Stirling's series beyond.
GammaFunctions gamma_functions(double z);

// ln(gamma(z + h) / gamma(z)) with its first and second derivative in z; z > 0, h >= 0. A difference of two
// logarithms would lose its digits where z is much larger than h, and there the fits of data without any
// variation go.
struct LogRising {
    double value;
    double first;
    double second;
};
LogRising log_rising(double z, double h);

}  // namespace seg::core::clv
