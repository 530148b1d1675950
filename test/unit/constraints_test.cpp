#include "core/clustering/constraints.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/clustering/lloyd.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clustering;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

using Rows = std::vector<std::vector<double>>;

DistinctRows distinct(const Rows& rows, MemoryResource* memory) {
    RowStore store(memory);
    store.set_width(rows.at(0).size());
    for (const auto& row : rows)
        store.append(row.data());
    NoInterrupt interrupt;
    return distinct_rows({store, {}}, memory, interrupt);
}

std::vector<double> trained_centres(const DistinctRows& data, std::size_t k, std::uint64_t seed) {
    CountingResource memory;
    NoInterrupt interrupt;
    Lloyd<double> lloyd({data.points, data.weights}, k, 0, &memory, interrupt);
    Random random(seed);
    lloyd.seed(random);
    lloyd.iterate(300, 0);
    return {lloyd.centres().begin(), lloyd.centres().end()};
}

// What was found, copied out of its memory.
struct Found {
    std::vector<double> centres, offsets;
    std::vector<std::int64_t> sizes;
    double inertia;
    std::int32_t rounds;
    bool stable, satisfied;
    std::int64_t violation;
};

Found constrain(const DistinctRows& data, const std::vector<double>& centres, SizeBounds bounds,
                MemoryResource* memory) {
    NoInterrupt interrupt;
    const ConstrainedClusters result = constrain_sizes(data, centres, bounds, memory, interrupt);
    const auto copy = [](const auto& v) { return std::vector(v.begin(), v.end()); };
    return {copy(result.centres), copy(result.offsets), copy(result.sizes), result.inertia,
            result.rounds,        result.stable,        result.satisfied,   result.violation};
}

double squared_distance(const DistinctRows& data, std::size_t row, const double* centre) {
    double sum = 0;
    for (std::size_t f = 0; f < data.points.dimensions(); ++f) {
        const double difference = data.points.at(row, f) - centre[f];
        sum += difference * difference;
    }
    return sum;
}

// The facts must be what scoring with the result gives.
void expect_consistent(const DistinctRows& data, const Found& found, SizeBounds bounds) {
    const std::size_t k = found.offsets.size();
    const std::size_t d = data.points.dimensions();
    std::vector<std::int64_t> sizes(k, 0);
    std::vector<double> sums(k * d, 0.0);
    double inertia = 0;
    for (std::size_t i = 0; i < data.points.size(); ++i) {
        std::size_t label = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < k; ++c) {
            const double now = squared_distance(data, i, &found.centres[c * d]) + found.offsets[c];
            label = now < least ? c : label;
            least = std::min(least, now);
        }
        sizes[label] += static_cast<std::int64_t>(data.weights[i]);
        inertia += data.weights[i] * squared_distance(data, i, &found.centres[label * d]);
        for (std::size_t f = 0; f < d; ++f)
            sums[label * d + f] += data.weights[i] * data.points.at(i, f);
    }
    EXPECT_EQ(sizes, found.sizes);
    EXPECT_NEAR(inertia, found.inertia, 1e-9 * inertia + 1e-300);
    EXPECT_EQ(*std::min_element(found.offsets.begin(), found.offsets.end()), 0);
    std::int64_t violation = 0;
    for (std::int64_t size : sizes) {
        violation = std::max(violation, bounds.min_size - size);
        if (bounds.max_size > 0)
            violation = std::max(violation, size - bounds.max_size);
    }
    EXPECT_EQ(violation, found.violation);
    EXPECT_EQ(violation == 0, found.satisfied);
    if (found.stable && found.rounds > 0) {
        for (std::size_t i = 0; i < k * d; ++i)
            EXPECT_EQ(sums[i] / static_cast<double>(sizes[i / d]), found.centres[i]) << i;
    }
}

Rows blobs(std::size_t n, std::size_t d, std::uint64_t seed) {
    Random random(seed);
    Rows rows(n, std::vector<double>(d));
    for (std::size_t i = 0; i < n; ++i) {
        const double blob = std::floor(4 * random.uniform() * random.uniform());
        for (std::size_t f = 0; f < d; ++f)
            rows[i][f] = blob * static_cast<double>(f % 2 == 0 ? 6 : -3) + random.normal();
    }
    return rows;
}

Rows uniform(std::size_t n, std::size_t d, std::uint64_t seed) {
    Random random(seed);
    Rows rows(n, std::vector<double>(d));
    for (auto& row : rows)
        for (double& value : row)
            value = random.uniform();
    return rows;
}

// The least inertia of rows assigned to given centres with sizes within the bounds: dynamic programming over
// how many rows each cluster but the last has so far.
double least_inertia(const DistinctRows& data, const Found& found, SizeBounds bounds) {
    const std::size_t k = found.offsets.size();
    const std::size_t n = data.points.size();
    std::map<std::vector<std::int64_t>, double> states = {{std::vector<std::int64_t>(k, 0), 0.0}};
    const std::int64_t most = bounds.max_size > 0 ? bounds.max_size : static_cast<std::int64_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
        std::map<std::vector<std::int64_t>, double> next;
        for (const auto& [sizes, cost] : states) {
            for (std::size_t c = 0; c < k; ++c) {
                std::vector<std::int64_t> now = sizes;
                if (++now[c] > most)
                    continue;
                const double total =
                    cost + squared_distance(data, i, &found.centres[c * data.points.dimensions()]);
                const auto [at, added] = next.try_emplace(now, total);
                at->second = std::min(at->second, total);
            }
        }
        states.swap(next);
    }
    double least = std::numeric_limits<double>::infinity();
    for (const auto& [sizes, cost] : states)
        if (*std::min_element(sizes.begin(), sizes.end()) >= bounds.min_size)
            least = std::min(least, cost);
    return least;
}

TEST(Constraints, SizesAreWithinTheBounds) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        for (std::size_t d : {1u, 2u, 5u}) {
            for (std::size_t k : {2u, 5u, 12u}) {
                const Rows rows = seed % 2 == 0 ? blobs(600, d, seed) : uniform(600, d, seed);
                CountingResource memory;
                const DistinctRows data = distinct(rows, &memory);
                const auto share = static_cast<std::int64_t>(600 / k);
                for (const SizeBounds& bounds :
                     {SizeBounds{share, share}, SizeBounds{share * 4 / 5, 0}, SizeBounds{0, share * 6 / 5}}) {
                    const Found found = constrain(data, trained_centres(data, k, seed), bounds, &memory);
                    EXPECT_TRUE(found.satisfied) << seed << " " << d << " " << k << " " << bounds.min_size;
                    expect_consistent(data, found, bounds);
                }
            }
        }
    }
}

TEST(Constraints, TheAssignmentIsTheBestForItsCentres) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        CountingResource memory;
        const DistinctRows data =
            distinct(seed % 2 == 0 ? blobs(24, 2, seed) : uniform(24, 2, seed), &memory);
        for (const SizeBounds& bounds :
             {SizeBounds{8, 8}, SizeBounds{7, 0}, SizeBounds{0, 9}, SizeBounds{6, 9}}) {
            const Found found = constrain(data, trained_centres(data, 3, seed), bounds, &memory);
            ASSERT_TRUE(found.satisfied);
            const double least = least_inertia(data, found, bounds);
            EXPECT_NEAR(found.inertia, least, 1e-9 * least) << seed << " " << bounds.min_size;
        }
    }
}

TEST(Constraints, BoundsThatHoldChangeNothing) {
    CountingResource memory;
    const DistinctRows data = distinct(blobs(500, 2, 1), &memory);
    const std::vector<double> centres = trained_centres(data, 4, 1);
    const Found found = constrain(data, centres, {1, 499}, &memory);
    EXPECT_EQ(found.centres, centres);
    EXPECT_EQ(found.offsets, (std::vector<double>(4, 0.0)));
    EXPECT_EQ(found.rounds, 0);
    EXPECT_TRUE(found.satisfied);
    EXPECT_TRUE(found.stable);
}

TEST(Constraints, TenNumbersInTwoHalves) {
    // 1 .. 8 and 20, 21: free clusters have 8 and 2 rows.
    Rows rows;
    for (double x : {1, 2, 3, 4, 5, 6, 7, 8, 20, 21})
        rows.push_back({x});
    CountingResource memory;
    const DistinctRows data = distinct(rows, &memory);
    const Found found = constrain(data, {4.5, 20.5}, {5, 5}, &memory);
    EXPECT_EQ(found.sizes, (std::vector<std::int64_t>{5, 5}));
    EXPECT_EQ(found.centres, (std::vector<double>{3, 12.4}));
    EXPECT_TRUE(found.stable);
    // The boundary lies between 5 and 6: (x - 3)^2 + offset = (x - 12.4)^2.
    const double boundary = (12.4 * 12.4 - 9 - (found.offsets[0] - found.offsets[1])) / (2 * (12.4 - 3));
    EXPECT_GT(boundary, 5);
    EXPECT_LT(boundary, 6);
    EXPECT_NEAR(found.inertia, 10 + 221.2, 1e-9);
}

TEST(Constraints, OneCluster) {
    CountingResource memory;
    const DistinctRows data = distinct(blobs(100, 3, 1), &memory);
    const Found found = constrain(data, {1, 2, 3}, {100, 100}, &memory);
    EXPECT_TRUE(found.satisfied);
    EXPECT_EQ(found.sizes, (std::vector<std::int64_t>{100}));
    expect_consistent(data, found, {100, 100});
}

TEST(Constraints, AClusterOfOutliersGrows) {
    Rows rows = uniform(3000, 2, 3);
    rows.push_back({90, 90});
    CountingResource memory;
    const DistinctRows data = distinct(rows, &memory);
    const Found found = constrain(data, {0.2, 0.2, 0.8, 0.8, 90, 90}, {500, 0}, &memory);
    EXPECT_TRUE(found.satisfied);
    EXPECT_EQ(found.sizes[2], 500);
    expect_consistent(data, found, {500, 0});
}

TEST(Constraints, EqualRowsCannotBeDivided) {
    Rows rows = uniform(400, 2, 7);
    rows.resize(1000, {0.3, 0.3});
    CountingResource memory;
    const DistinctRows data = distinct(rows, &memory);
    const Found found = constrain(data, trained_centres(data, 3, 1), {0, 400}, &memory);
    EXPECT_FALSE(found.satisfied);
    // 200 too many is the least that the 600 equal rows allow.
    EXPECT_GE(found.violation, 200);
    EXPECT_LE(found.violation, 300);
    expect_consistent(data, found, {0, 400});

    // The middle goes one way or the other.
    const DistinctRows three = distinct({{-1}, {-1}, {0}, {0}, {1}, {1}}, &memory);
    const Found halves = constrain(three, {-1, 1}, {3, 3}, &memory);
    EXPECT_EQ(halves.violation, 1);
    expect_consistent(three, halves, {3, 3});
}

TEST(Constraints, FewDifferentRowsComeNear) {
    Random random(5);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Rows rows(2000, std::vector<double>(3));
        for (auto& row : rows)
            for (double& value : row)
                value = static_cast<double>(1 + random.below(5));
        CountingResource memory;
        const DistinctRows data = distinct(rows, &memory);
        const SizeBounds bounds = {180, 220};
        const Found found = constrain(data, trained_centres(data, 10, seed), bounds, &memory);
        // A point stands for about 16 rows.
        EXPECT_LE(found.violation, 40) << seed;
        expect_consistent(data, found, bounds);
    }
}

TEST(Constraints, ImpossibleBoundsAreErrors) {
    const auto message = [](SizeBounds bounds) -> std::string {
        try {
            validate_bounds(bounds, 100, 3);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::kInvalidArgument);
            return error.what();
        }
        return "no error";
    };
    EXPECT_EQ(message({34, 0}), "3 clusters of at least 34 rows need more than the 100 rows there are");
    EXPECT_EQ(message({0, 33}), "3 clusters of at most 33 rows cannot hold the 100 rows there are");
    EXPECT_EQ(message({34, 33}), "min_size 34 is greater than max_size 33");
    EXPECT_EQ(message({-1, 0}), "sizes of clusters must not be negative: min_size -1, max_size 0");
    EXPECT_EQ(message({INT64_MAX, 0}),
              "3 clusters of at least 9223372036854775807 rows need more than the 100 rows there are");
    EXPECT_EQ(message({33, 34}), "no error");
    EXPECT_EQ(message({0, INT64_MAX}), "no error");
    EXPECT_EQ(message({0, 0}), "no error");
    EXPECT_EQ(error_code([] { validate_bounds({1, 0}, 5000, 1001); }), Errc::kInvalidArgument);
    CountingResource memory;
    const DistinctRows data = distinct({{1}, {2}, {2}}, &memory);
    EXPECT_EQ(error_code([&] { constrain(data, {1, 2}, {2, 0}, &memory); }), Errc::kInvalidArgument);
    const DistinctRows far = distinct({{-1e200}, {1e200}, {1}}, &memory);
    EXPECT_EQ(error_code([&] { constrain(far, {-1e200, 1}, {1, 2}, &memory); }), Errc::kOutOfRange);
}

TEST(Constraints, RowOrderDoesNotMatter) {
    Rows rows = blobs(3000, 2, 4);
    const std::vector<double> centres = {0, 0, 6, -3, 12, -6, 18, -9};
    CountingResource memory;
    const Found found = constrain(distinct(rows, &memory), centres, {700, 800}, &memory);
    EXPECT_TRUE(found.satisfied);
    Random random(1);
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = rows.size(); i > 1; --i)
            std::swap(rows[i - 1], rows[random.below(i)]);
        const Found again = constrain(distinct(rows, &memory), centres, {700, 800}, &memory);
        EXPECT_EQ(again.centres, found.centres);
        EXPECT_EQ(again.offsets, found.offsets);
        EXPECT_EQ(again.inertia, found.inertia);
    }
}

TEST(Constraints, EveryAllocationMayFail) {
    CountingResource storage;
    const DistinctRows data = distinct(blobs(300, 2, 1), &storage);
    const std::vector<double> centres = trained_centres(data, 3, 1);
    CountingResource counting;
    constrain(data, centres, {100, 100}, &counting);
    EXPECT_EQ(counting.live, 0u);
    for (std::size_t i = 1; i <= counting.allocations; ++i) {
        CountingResource failing;
        failing.fail_at = i;
        EXPECT_THROW(constrain(data, centres, {100, 100}, &failing), std::bad_alloc) << i;
        EXPECT_EQ(failing.live, 0u) << i;
    }
}

TEST(Constraints, ThePriceCoversThePeak) {
    for (std::size_t n : {100u, 5000u, 20000u}) {
        CountingResource storage;
        const DistinctRows data = distinct(blobs(n, 3, 1), &storage);
        const std::vector<double> centres = trained_centres(data, 5, 1);
        CountingResource memory;
        constrain(data, centres, {static_cast<std::int64_t>(n / 6), 0}, &memory);
        Bill bill;
        price_constraints(bill, n, 3, 5);
        EXPECT_LE(memory.peak, bill.total() + 4096) << n;
        EXPECT_GE(2 * memory.peak, bill.total()) << n;
    }
}

TEST(Constraints, CancelsAtAnyPoll) {
    CountingResource storage;
    const DistinctRows data = distinct(blobs(30000, 3, 1), &storage);
    const std::vector<double> centres = trained_centres(data, 8, 1);
    CountingResource memory;
    for (int polls = 0; polls < 40; ++polls) {
        CancelAfter interrupt(polls);
        EXPECT_THROW(constrain_sizes(data, centres, {3750, 3750}, &memory, interrupt), Cancelled) << polls;
        EXPECT_EQ(memory.live, 0u);
    }
}

}  // namespace
