#include "core/clv/maximum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace seg::core::clv {
namespace {

using Matrix = std::array<Parameters, kMaxParameters>;

constexpr double kGainLeft = 1e-18;     // converged when a step could not gain more
constexpr double kGainSettled = 1e-12;  // ... or this much, and the last step did not halve it
constexpr double kGainRounding = 1e-6;  // ... or this much, where rounding hides it
constexpr double kFlatness = 1e-11;     // an eigenvalue this small beside the largest is zero
constexpr double kLargestError = 10;    // of a logarithm: the data do not say how large the parameter is
constexpr double kFirstRadius = 1.0;    // of a step, in logarithms
constexpr double kLargestRadius = 3.0;
constexpr double kSmallestRadius = 1e-9;

// One rotation that makes m[p][q] zero (Golub and Van Loan, Matrix Computations, section 8.5).
void rotate(Matrix& m, Matrix& vectors, int n, int p, int q) {
    if (m[p][q] == 0)
        return;
    const double tau = (m[q][q] - m[p][p]) / (2 * m[p][q]);
    const double t = (tau >= 0 ? 1 : -1) / (std::fabs(tau) + std::hypot(1.0, tau));
    const double c = 1 / std::hypot(1.0, t);
    const double s = t * c;
    for (int k = 0; k < n; ++k) {
        const double kp = m[k][p], kq = m[k][q];
        m[k][p] = c * kp - s * kq;
        m[k][q] = s * kp + c * kq;
    }
    for (int k = 0; k < n; ++k) {
        const double pk = m[p][k], qk = m[q][k];
        m[p][k] = c * pk - s * qk;
        m[q][k] = s * pk + c * qk;
    }
    for (int k = 0; k < n; ++k) {
        const double kp = vectors[k][p], kq = vectors[k][q];
        vectors[k][p] = c * kp - s * kq;
        vectors[k][q] = s * kp + c * kq;
    }
}

bool is_finite(const Derivatives& d, int n) {
    bool fine = std::isfinite(d.value);
    for (int i = 0; i < n; ++i) {
        fine &= std::isfinite(d.gradient[i]);
        for (int j = 0; j <= i; ++j)
            fine &= std::isfinite(d.hessian[i][j]);
    }
    return fine;
}

Parameters exponentials(const Parameters& logs, int n) {
    Parameters result{};
    for (int i = 0; i < n; ++i)
        result[i] = std::exp(logs[i]);
    return result;
}

// The curvature at a point, and the Newton step that it asks for.
class Step {
  public:
    Step(const Derivatives& d, int n) : n_(n) {
        Matrix information{};
        for (int i = 0; i < n; ++i)
            for (int j = 0; j <= i; ++j)
                information[i][j] = -d.hessian[i][j];
        symmetric_eigen(information, n, values_, vectors_);
        double largest = 0;
        for (int i = 0; i < n; ++i)
            largest = std::max(largest, std::fabs(values_[i]));
        floor_ = std::max(largest * kFlatness, 1e-300);
        for (int i = 0; i < n; ++i) {
            double along = 0;
            for (int k = 0; k < n; ++k)
                along += vectors_[k][i] * d.gradient[k];
            const double curvature = std::max(std::fabs(values_[i]), floor_);
            gain_ += along * along / curvature / 2;
            for (int k = 0; k < n; ++k)
                step_[k] += vectors_[k][i] * along / curvature;
        }
    }

    // How much the step would gain if the function were as it looks from here.
    double gain() const { return gain_; }
    // Whether some direction is level, or leads up on both sides.
    bool is_flat() const {
        double least = values_[0];
        for (int i = 1; i < n_; ++i)
            least = std::min(least, values_[i]);
        return least <= floor_;
    }

    // The step, shortened to the radius; returns by how much.
    double within(double radius, Parameters& out) const {
        double length = 0;
        for (int i = 0; i < n_; ++i)
            length = std::max(length, std::fabs(step_[i]));
        const double share = length > radius ? radius / length : 1;
        for (int i = 0; i < n_; ++i)
            out[i] = share * step_[i];
        return share;
    }

    // Variances of the logarithms: the diagonal of the inverse.
    double variance(int k) const {
        double sum = 0;
        for (int i = 0; i < n_; ++i)
            sum += vectors_[k][i] * vectors_[k][i] / values_[i];
        return sum;
    }

  private:
    int n_;
    Parameters values_{};
    Matrix vectors_{};
    Parameters step_{};
    double floor_ = 0;
    double gain_ = 0;
};

// Where the search is.
class Search {
  public:
    Search(const LogLikelihood& likelihood, const Parameters& start, Interrupt& interrupt)
        : likelihood_(likelihood), interrupt_(interrupt), n_(likelihood.parameters()) {
        for (int i = 0; i < n_; ++i)
            logs_[i] = std::log(start[i]);
        here_ = evaluate(logs_);
    }

    Maximum run(std::int32_t max_iterations) {
        Maximum result;
        double radius = kFirstRadius;
        while (is_finite(here_, n_)) {
            const Step step(here_, n_);
            if (finished(step, result) || result.iterations == max_iterations)
                break;
            ++result.iterations;
            if (!advance(step, radius)) {
                // Rounding hides what is left to be gained.
                const bool top = !step.is_flat() && step.gain() <= kGainRounding;
                result.ending = top ? Ending::kConverged : Ending::kFlat;
                break;
            }
        }
        describe(result);
        return result;
    }

  private:
    Derivatives evaluate(const Parameters& logs) const {
        const Parameters parameters = exponentials(logs, n_);
        return in_logarithms(likelihood_.at(parameters, interrupt_), parameters, n_);
    }

    bool finished(const Step& step, Maximum& result) {
        for (int i = 0; i < n_; ++i)
            if (std::fabs(logs_[i]) > kFarthest) {
                result.ending = Ending::kRunsAway;
                result.culprit = i;
                result.grows = logs_[i] > 0;
                return true;
            }
        const double before = std::exchange(gain_, step.gain());
        if (gain_ > kGainLeft && !(gain_ <= kGainSettled && gain_ > before / 2))
            return false;
        result.ending = step.is_flat() ? Ending::kFlat : Ending::kConverged;
        return true;
    }

    // One step uphill, within a radius that shrinks until it is one. False when none is.
    bool advance(const Step& step, double& radius) {
        const double rounding = 1e-13 * (std::fabs(here_.value) + likelihood_.weight());
        for (; radius > kSmallestRadius; radius /= 4) {
            Parameters move;
            const double share = step.within(radius, move);
            Parameters there = logs_;
            for (int i = 0; i < n_; ++i)
                there[i] += move[i];
            const Derivatives next = evaluate(there);
            const double expected = share * step.gain();
            if (!is_finite(next, n_) || next.value < here_.value + 1e-4 * expected - rounding)
                continue;
            if (next.value > here_.value + 0.5 * expected)
                radius = std::min(kLargestRadius, 2 * radius);
            logs_ = there;
            here_ = next;
            return true;
        }
        return false;
    }

    void describe(Maximum& result) const {
        result.parameters = exponentials(logs_, n_);
        result.log_likelihood = here_.value;
        for (int i = 0; i < n_; ++i)
            result.gradient_norm = std::max(result.gradient_norm, std::fabs(here_.gradient[i]));
        if (result.ending != Ending::kConverged)
            return;
        const Step step(here_, n_);
        for (int i = 0; i < n_; ++i) {
            const double error = std::sqrt(step.variance(i));
            if (!(error <= kLargestError))
                result.ending = Ending::kFlat;
            result.standard_errors[i] = result.parameters[i] * error;
        }
    }

    const LogLikelihood& likelihood_;
    Interrupt& interrupt_;
    int n_;
    Parameters logs_{};
    Derivatives here_;
    double gain_ = std::numeric_limits<double>::infinity();  // of the last step, as expected
};

}  // namespace

void symmetric_eigen(const Matrix& matrix, int n, Parameters& values, Matrix& vectors) {
    Matrix m = matrix;
    vectors = {};
    for (int i = 0; i < n; ++i) {
        vectors[i][i] = 1;
        for (int j = 0; j < i; ++j)
            m[j][i] = m[i][j];
    }
    constexpr int kSweeps = 20;  // of which about six are needed
    for (int sweep = 0; sweep < kSweeps; ++sweep)
        for (int p = 0; p < n; ++p)
            for (int q = p + 1; q < n; ++q)
                rotate(m, vectors, n, p, q);
    for (int i = 0; i < n; ++i)
        values[i] = m[i][i];
}

Derivatives in_logarithms(const Derivatives& natural, const Parameters& parameters, int n) {
    Derivatives result;
    result.value = natural.value;
    for (int i = 0; i < n; ++i) {
        result.gradient[i] = parameters[i] * natural.gradient[i];
        for (int j = 0; j <= i; ++j)
            result.hessian[i][j] = parameters[i] * parameters[j] * natural.hessian[i][j];
        result.hessian[i][i] += result.gradient[i];
    }
    return result;
}

Maximum maximize(const LogLikelihood& likelihood, const Parameters& start, std::int32_t max_iterations,
                 Interrupt& interrupt) {
    return Search(likelihood, start, interrupt).run(max_iterations);
}

}  // namespace seg::core::clv
