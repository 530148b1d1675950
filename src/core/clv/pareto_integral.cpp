#include "core/clv/pareto_integral.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <limits>

namespace seg::core::clv {
namespace {

using Nodes = boost::math::quadrature::gauss<double, 15>;

constexpr double kWidestPanel = 3;     // the nearest singularity is pi away
constexpr double kSteepestPanel = 12;  // e-foldings
constexpr double kNegligible = 42;     // e-foldings below what counts

// The integrand in v, where (small + t) = (small + from) e^v.
class Integrand {
  public:
    Integrand(const ParetoExponents& e, double from)
        : alpha_is_small_(e.alpha < e.beta),
          n_(e.n),
          s_(e.s),
          gap_(std::fabs(e.alpha - e.beta)),
          base_(std::min(e.alpha, e.beta) + from),
          log_base_(std::log(base_)) {}

    double width(double from, double to) const { return std::log1p((to - from) / base_); }

    // What the panels need to know at v: the logarithm of the integrand, and its slope.
    double log_at(double v) const { return log_of(log_base_ + v, std::log(base_ * std::exp(v) + gap_)); }
    double slope_at(double v) const {
        const double small = base_ * std::exp(v);
        const double ratio = small / (small + gap_);
        return alpha_is_small_ ? 1 - n_ - (s_ + 1) * ratio : -s_ - n_ * ratio;
    }

    struct Point {
        double log_value;
        double log_alpha, per_alpha, log_beta, per_beta;
    };
    template <bool kWhole>
    Point point(double v) const {
        const double small = base_ * std::exp(v);
        const double log_small = log_base_ + v;
        const double log_large = std::log(small + gap_);
        Point p;
        p.log_value = log_of(log_small, log_large);
        if constexpr (kWhole) {
            p.log_alpha = alpha_is_small_ ? log_small : log_large;
            p.log_beta = alpha_is_small_ ? log_large : log_small;
            p.per_alpha = 1 / (alpha_is_small_ ? small : small + gap_);
            p.per_beta = 1 / (alpha_is_small_ ? small + gap_ : small);
        }
        return p;
    }

  private:
    double log_of(double log_small, double log_large) const {
        return alpha_is_small_ ? (1 - n_) * log_small - (s_ + 1) * log_large
                               : -n_ * log_large - s_ * log_small;
    }

    bool alpha_is_small_;
    double n_, s_, gap_, base_, log_base_;
};

// Sums over nodes, relative to e^reference.
template <bool kWhole>
struct Sums {
    double reference;
    double total = 0;
    Parameters first{};
    std::array<Parameters, kMaxParameters> second{};

    void add(const Integrand::Point& p, double weight) {
        const double w = weight * std::exp(p.log_value - reference);
        total += w;
        if constexpr (kWhole) {
            const double v[] = {p.log_alpha, p.per_alpha, p.log_beta, p.per_beta};
            for (int i = 0; i < kMaxParameters; ++i) {
                first[i] += w * v[i];
                for (int j = 0; j <= i; ++j)
                    second[i][j] += w * v[i] * v[j];
            }
        }
    }
    void add_panel(const Integrand& f, double from, double to) {
        const double half = (to - from) / 2;
        const double middle = from + half;
        const auto& places = Nodes::abscissa();
        const auto& weights = Nodes::weights();
        add(f.point<kWhole>(middle), weights[0] * half);
        for (std::size_t i = 1; i < places.size(); ++i) {
            add(f.point<kWhole>(middle - half * places[i]), weights[i] * half);
            add(f.point<kWhole>(middle + half * places[i]), weights[i] * half);
        }
    }
};

// The slope only falls, so the integrand rises, if at all, before it falls: what is past the top and low
// stays low.
double panel_end(const Integrand& f, double v, double width) {
    double step = std::min({kWidestPanel, kSteepestPanel / std::fabs(f.slope_at(v)), width - v});
    const double steepness = std::fabs(f.slope_at(v + step));
    if (steepness * step > kSteepestPanel)
        step = kSteepestPanel / steepness;
    return v + step < width ? v + step : width;
}

template <bool kWhole>
ParetoIntegral integrate(const ParetoExponents& exponents, double from, double to) {
    ParetoIntegral result{};
    const Integrand f(exponents, from);
    const double width = f.width(from, to);
    if (!(width > 0)) {
        result.log_value = -std::numeric_limits<double>::infinity();
        return result;
    }
    Sums<kWhole> sums{std::max(f.log_at(0), f.log_at(width))};
    for (double v = 0; v < width;) {
        const double end = panel_end(f, v, width);
        sums.add_panel(f, v, end);
        result.nodes += 15;
        v = end;
        if (f.slope_at(v) < 0 && f.log_at(v) < sums.reference - kNegligible)
            break;
    }
    result.log_value = sums.reference + std::log(sums.total);
    if constexpr (kWhole)
        for (int i = 0; i < kMaxParameters; ++i) {
            result.means[i] = sums.first[i] / sums.total;
            for (int j = 0; j <= i; ++j)
                result.products[i][j] = sums.second[i][j] / sums.total;
        }
    return result;
}

}  // namespace

ParetoIntegral pareto_integral(const ParetoExponents& exponents, double from, double to) {
    return integrate<true>(exponents, from, to);
}

double pareto_log_integral(const ParetoExponents& exponents, double from, double to) {
    return integrate<false>(exponents, from, to).log_value;
}

}  // namespace seg::core::clv
