#include "core/base/fixed_sum.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "testing.hpp"

namespace seg::core {
namespace {

constexpr std::size_t kLanes = 4;
using Sum = LaneSum<kLanes>;

double sum_of(const std::vector<double>& terms, double bound) {
    const Sum::Unit unit(bound);
    Sum sum;
    for (std::size_t i = 0; i < terms.size(); i += kLanes)
        sum.add(&terms[i], unit);
    return sum.value(unit);
}

TEST(LaneSum, IsExactForTermsOfFewBits) {
    EXPECT_EQ(sum_of({1, 2, 3, -4}, 4), 2);
    EXPECT_EQ(sum_of({0.125, -0.25, 1e-9 * 0, 7}, 7), 6.875);
    EXPECT_EQ(sum_of({0, 0, 0, 0}, 0), 0);
}

TEST(LaneSum, HasNoOrder) {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal(0, 1e5);
    std::vector<double> terms(4000);
    long double expected = 0;
    double bound = 0;
    for (double& term : terms) {
        term = normal(random);
        expected += static_cast<long double>(term);
        bound = std::max(bound, std::fabs(term));
    }
    const double sum = sum_of(terms, bound);
    EXPECT_NEAR(sum, static_cast<double>(expected), 1e-15 * bound);
    for (int i = 0; i < 10; ++i) {
        std::shuffle(terms.begin(), terms.end(), random);
        EXPECT_EQ(sum_of(terms, bound), sum);
    }
}

// Terms of both signs at the bound, and those far below it that only the second part holds.
TEST(LaneSum, HoldsTheBoundAndWhatIsFarBelow) {
    for (double bound : {1.0, 0.75, 3e280, 1e301, 1e-250, 1e-285}) {
        const double small = std::ldexp(bound, -60);
        const std::vector<double> terms = {bound, -bound, small, small, bound, bound, -bound, -bound};
        ASSERT_GT(small, 0);
        EXPECT_NEAR(sum_of(terms, bound) / 2, small, std::ldexp(bound, -74)) << bound;
    }
}

TEST(LaneSum, CarriesBeforeItOverflows) {
    const LaneSum<2>::Unit unit(1);
    const double terms[] = {1, 0.5};
    LaneSum<2> sum;
    constexpr int kAdded = (1 << 26) + 3;
    for (int i = 0; i < kAdded; ++i)
        sum.add(terms, unit);
    EXPECT_EQ(sum.value(unit), 1.5 * kAdded);
    sum.add(terms, unit);
    EXPECT_EQ(sum.value(unit), 1.5 * (kAdded + 1));
}

}  // namespace
}  // namespace seg::core
