// Finding the maximum of a log-likelihood of up to four positive parameters.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/interrupt.hpp"

namespace seg::core::clv {

inline constexpr int kMaxParameters = 4;
using Parameters = std::array<double, kMaxParameters>;

// A value with its derivatives; the lower triangle of the second ones counts.
struct Derivatives {
    double value = 0;
    Parameters gradient{};
    std::array<Parameters, kMaxParameters> hessian{};
};

class LogLikelihood {
  public:
    virtual int parameters() const = 0;
    // How many customers the sum is over.
    virtual double weight() const = 0;
    // The sum over customers at these parameters, which are positive and finite.
    virtual Derivatives at(const Parameters& parameters, Interrupt& interrupt) const = 0;

  protected:
    ~LogLikelihood() = default;
};

enum class Ending : std::uint8_t {
    kConverged,
    kRunsAway,    // a parameter goes to zero or to infinity, and the likelihood still rises
    kFlat,        // the likelihood does not depend on some combination of the parameters
    kIterations,  // no end within the iterations allowed
};

struct Maximum {
    Ending ending = Ending::kIterations;
    Parameters parameters{};
    Parameters standard_errors{};  // of the parameters, by the delta method
    double log_likelihood = 0;
    double gradient_norm = 0;  // the largest derivative in the logarithm of a parameter
    std::int32_t iterations = 0;
    int culprit = 0;     // of kRunsAway: the parameter
    bool grows = false;  // ... and where to
};

// Newton's method in the logarithms of the parameters, with exact second derivatives: the step is taken in
// the eigenvectors of the information matrix, uphill also where it is not positive definite, within a radius
// that adapts. Converged when another step could not raise the log-likelihood by 1e-18, or as near
// to that as rounding allows. Parameters should be
// scaled so that values near one are likely; beyond e^+-kFarthest they run away.
inline constexpr double kFarthest = 14;
Maximum maximize(const LogLikelihood& likelihood, const Parameters& start, std::int32_t max_iterations,
                 Interrupt& interrupt);

// The eigenvalues of a symmetric matrix of n rows, of which the lower triangle is read, and its eigenvectors
// in the columns of vectors. Jacobi's method.
void symmetric_eigen(const std::array<Parameters, kMaxParameters>& matrix, int n, Parameters& values,
                     std::array<Parameters, kMaxParameters>& vectors);

// Derivatives in the logarithms of the parameters from those in the parameters.
Derivatives in_logarithms(const Derivatives& natural, const Parameters& parameters, int n);

}  // namespace seg::core::clv
