#include "core/base/random.hpp"

#include "testing.hpp"

namespace {

using seg::core::Random;

TEST(Random, SameSeedSameNumbersForEver) {
    Random random(42);
    const std::uint64_t first = random.next();
    EXPECT_EQ(Random(42).next(), first);
    EXPECT_NE(Random(43).next(), first);
    EXPECT_NE(Random(42, 1).next(), first);
}

TEST(Random, MomentsOfTheDistributions) {
    Random random(7);
    constexpr int n = 400000;
    double uniform = 0, exponential = 0, normal = 0, normal_squared = 0, gamma = 0, small_gamma = 0;
    for (int i = 0; i < n; ++i) {
        uniform += random.uniform();
        exponential += random.exponential(4.0);
        const double z = random.normal();
        normal += z;
        normal_squared += z * z;
        gamma += random.gamma(3.0, 2.0);
        small_gamma += random.gamma(0.25, 1.0);
    }
    EXPECT_NEAR(uniform / n, 0.5, 0.003);
    EXPECT_NEAR(exponential / n, 0.25, 0.002);
    EXPECT_NEAR(normal / n, 0.0, 0.008);
    EXPECT_NEAR(normal_squared / n, 1.0, 0.012);
    EXPECT_NEAR(gamma / n, 1.5, 0.008);
    EXPECT_NEAR(small_gamma / n, 0.25, 0.005);
}

TEST(Random, BelowCoversItsRangeEvenly) {
    Random random(1);
    int counts[10] = {};
    for (int i = 0; i < 100000; ++i)
        ++counts[random.below(10)];
    for (int count : counts)
        EXPECT_NEAR(count, 10000, 500);
    EXPECT_EQ(random.below(1), 0u);
}

}  // namespace
