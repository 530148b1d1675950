#include "core/clustering/kmeans.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/base/random.hpp"
#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/kernels.hpp"
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

// What a training run gave, copied out of its memory.
struct Model {
    TrainingFacts facts;
    std::vector<double> shift, scale, centres, within_ss, radius;
    std::vector<std::int64_t> sizes;

    bool operator==(const Model& other) const {
        return shift == other.shift && scale == other.scale && centres == other.centres &&
               within_ss == other.within_ss && radius == other.radius && sizes == other.sizes &&
               facts.inertia == other.facts.inertia && facts.total_ss == other.facts.total_ss &&
               facts.iterations == other.facts.iterations;
    }
};

void fill(RowStore& store, const Rows& rows) {
    store.set_width(rows.at(0).size());
    for (const auto& row : rows)
        store.append(row.data());
}

Model train(const Rows& rows, const KmeansOptions& options, MemoryResource* memory = nullptr) {
    CountingResource own;
    if (memory == nullptr)
        memory = &own;
    RowStore store(memory);
    fill(store, rows);
    NoInterrupt interrupt;
    const TrainedKmeans model = train_kmeans(store, 0, options, memory, interrupt);
    const auto copy = [](const auto& v) { return std::vector(v.begin(), v.end()); };
    return {model.facts,           copy(model.shift),  copy(model.scale), copy(model.centres),
            copy(model.within_ss), copy(model.radius), copy(model.sizes)};
}

KmeansOptions with_k(std::int32_t k, std::int64_t seed = 0) {
    KmeansOptions options;
    options.k = k;
    options.seed = seed;
    return options;
}

// Overlapping blobs; whole numbers when rounded, so that there are duplicates.
Rows blobs(std::size_t n, std::size_t d, std::uint64_t seed, bool rounded = false) {
    Random random(seed);
    Rows rows(n, std::vector<double>(d));
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t f = 0; f < d; ++f) {
            rows[i][f] = static_cast<double>((i * (f + 3)) % 5) * 2 + random.normal();
            if (rounded)
                rows[i][f] = std::round(rows[i][f]);
        }
    return rows;
}

template <typename T>
void shuffle(std::vector<T>& values, std::uint64_t seed) {
    Random random(seed);
    for (std::size_t i = values.size(); i > 1; --i)
        std::swap(values[i - 1], values[random.below(i)]);
}

const Rows kSixPoints = {{1, 2}, {1, 4}, {1, 0}, {10, 2}, {10, 4}, {10, 0}};
const Rows kElki = {{3, 2}, {2, 5}, {2, 7}, {1, 8}, {2, 9}, {2, 8}, {3, 9},   {7, 9},   {6, 2},   {7, 1},
                    {7, 3}, {7, 2}, {8, 3}, {9, 2}, {8, 2}, {8, 1}, {10, 10}, {10, 11}, {11, 10}, {11, 11}};

TEST(Kmeans, SixPointsHaveOneAnswer) {
    const Model model = train(kSixPoints, with_k(2));
    EXPECT_EQ(model.facts.inertia, 16);
    EXPECT_EQ(model.facts.total_ss, 137.5);
    EXPECT_EQ(model.sizes, (std::vector<std::int64_t>{3, 3}));
    EXPECT_EQ(model.centres, (std::vector<double>{1, 2, 10, 2}));
    EXPECT_EQ(model.within_ss, (std::vector<double>{8, 8}));
    EXPECT_EQ(model.radius, (std::vector<double>{2, 2}));
    EXPECT_TRUE(model.facts.converged);
}

TEST(Kmeans, KnownOptimaForAnySeed) {
    for (int seed = 0; seed < 50; ++seed) {
        EXPECT_NEAR(train(kElki, with_k(3, seed)).facts.inertia, 54.9333333333333, 1e-9) << seed;
        EXPECT_NEAR(train(kElki, with_k(4, seed)).facts.inertia, 33.4, 1e-9) << seed;
    }
    EXPECT_EQ(train(kElki, with_k(3)).sizes, (std::vector<std::int64_t>{9, 6, 5}));
}

TEST(Kmeans, OneClusterIsTheMean) {
    const Model model = train({{1, 10}, {2, 20}, {6, 60}}, with_k(1));
    EXPECT_EQ(model.centres, (std::vector<double>{3, 30}));
    EXPECT_EQ(model.facts.inertia, model.facts.total_ss);
}

TEST(Kmeans, AsManyClustersAsDistinctRowsLeaveNothing) {
    const Model model = train({{1}, {1}, {2}, {4}, {4}, {4}}, with_k(3));
    EXPECT_EQ(model.facts.inertia, 0);
    EXPECT_EQ(model.facts.distinct_rows, 3);
    EXPECT_EQ(model.sizes, (std::vector<std::int64_t>{3, 2, 1}));
    EXPECT_EQ(model.centres, (std::vector<double>{4, 1, 2}));
}

TEST(Kmeans, MoreClustersThanDistinctRowsIsAnError) {
    EXPECT_EQ(error_code([] { train({{1}, {1}, {2}}, with_k(3)); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([] { train({{1}, {2}}, with_k(0)); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([] { train({{1}, {2}}, with_k(-1)); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([] { train({{0.0}, {-0.0}}, with_k(2)); }), Errc::kInvalidArgument);
}

TEST(Kmeans, RowOrderDoesNotMatter) {
    for (bool rounded : {false, true}) {
        Rows rows = blobs(3000, 3, 11, rounded);
        KmeansOptions options = with_k(5, 3);
        options.standardize = Standardize::kZscore;
        const Model model = train(rows, options);
        for (std::uint64_t round = 0; round < 5; ++round) {
            shuffle(rows, round);
            EXPECT_TRUE(train(rows, options) == model) << rounded << round;
        }
    }
}

// Large enough for the search in single precision.
TEST(Kmeans, RowOrderDoesNotMatterForLargeInputs) {
    Rows rows = blobs(70000, 4, 12);
    KmeansOptions options = with_k(6, 3);
    options.n_init = 2;
    const Model model = train(rows, options);
    shuffle(rows, 99);
    EXPECT_TRUE(train(rows, options) == model);
    EXPECT_EQ(model.facts.options.tol, kLargeInputTol);
}

// A row a thousand times is a point of weight a thousand.
TEST(Kmeans, DuplicatesCountAsWeights) {
    Rows many;
    for (int i = 0; i < 1000; ++i)
        many.push_back({0, 0});
    many.push_back({1, 0});
    many.push_back({5, 5});
    const Model model = train(many, with_k(2));
    EXPECT_EQ(model.facts.distinct_rows, 3);
    EXPECT_EQ(model.sizes, (std::vector<std::int64_t>{1001, 1}));
    EXPECT_DOUBLE_EQ(model.centres[0], 1.0 / 1001);
    EXPECT_NEAR(model.facts.inertia, 1000.0 / 1001, 1e-12);
}

TEST(Kmeans, ZscoreDividesByThePopulationDeviation) {
    KmeansOptions options = with_k(1);
    options.standardize = Standardize::kZscore;
    const Model model = train({{1, 7}, {3, 7}, {5, 7}}, options);
    EXPECT_EQ(model.shift, (std::vector<double>{3, 7}));
    EXPECT_DOUBLE_EQ(model.scale[0], std::sqrt(8.0 / 3.0));
    EXPECT_EQ(model.scale[1], 1);  // constant
    EXPECT_NEAR(model.facts.inertia, 3, 1e-12);
}

// Doubling a unit must not change a standardized clustering but for its units.
TEST(Kmeans, ZscoreDoesNotCareForUnits) {
    Rows rows = blobs(500, 2, 5);
    KmeansOptions options = with_k(4, 1);
    options.standardize = Standardize::kZscore;
    const Model model = train(rows, options);
    for (auto& row : rows)
        row[1] *= 1024;
    const Model scaled = train(rows, options);
    EXPECT_EQ(model.sizes, scaled.sizes);
    EXPECT_NEAR(model.facts.inertia, scaled.facts.inertia, 1e-9 * model.facts.inertia);
}

// Structure far below the data's extent is out of reach of single precision, and must be found all the same.
TEST(Kmeans, FarOutlierDoesNotBlurTheRest) {
    Rows rows;
    Random random(4);
    for (int i = 0; i < 100000; ++i)
        rows.push_back({static_cast<double>(i % 3) * 10 + random.normal(), random.normal(), random.normal()});
    rows.push_back({1e12, 0, 0});
    KmeansOptions options = with_k(4, 1);
    options.n_init = 2;
    const Model model = train(rows, options);
    EXPECT_NEAR(model.facts.inertia, 300000, 3000);
    EXPECT_EQ(model.sizes[3], 1);
}

TEST(Kmeans, TinyAndHugeValues) {
    EXPECT_EQ(error_code([] { train({{1e-200}, {2e-200}, {4e-200}}, with_k(2)); }), Errc::kOutOfRange);
    for (double unit : {1e-140, 1e-30, 1e30, 1e139}) {
        Rows rows;
        for (const auto& point : kSixPoints)
            rows.push_back({point[0] * unit / 10, point[1] * unit / 10});
        const Model model = train(rows, with_k(2));
        EXPECT_EQ(model.sizes, (std::vector<std::int64_t>{3, 3})) << unit;
        EXPECT_TRUE(std::isfinite(model.facts.inertia));
    }
}

// The model scores the rows that it was trained on into clusters of the sizes that it states.
TEST(Kmeans, ScoringAgreesWithTraining) {
    for (auto standardize : {Standardize::kNone, Standardize::kZscore}) {
        const Rows rows = blobs(40000, 7, 21);
        KmeansOptions options = with_k(9, 2);
        options.standardize = standardize;
        options.n_init = 1;
        CountingResource memory;
        RowStore store(&memory);
        fill(store, rows);
        NoInterrupt interrupt;
        const TrainedKmeans model = train_kmeans(store, 0, options, &memory, interrupt);
        std::vector<std::uint64_t> words(ClusteringView::image_size(9, 7) / 8);
        write_clustering(model.parts(), std::as_writable_bytes(std::span(words)));
        const ClusteringView view(std::as_bytes(std::span<const std::uint64_t>(words)));
        std::vector<std::int64_t> sizes(9);
        std::vector<double> radius(9);
        double inertia = 0;
        for (const auto& row : rows) {
            const Nearest nearest = view.nearest(row);
            const auto c = static_cast<std::size_t>(nearest.cluster - 1);
            ++sizes[c];
            inertia += nearest.squared_distance;
            radius[c] = std::max(radius[c], std::sqrt(nearest.squared_distance));
        }
        for (std::size_t c = 0; c < 9; ++c) {
            EXPECT_EQ(sizes[c], model.sizes[c]);
            EXPECT_EQ(radius[c], model.radius[c]);  // bit for bit
        }
        EXPECT_NEAR(inertia, model.facts.inertia, 1e-9 * inertia);
    }
}

TEST(Kmeans, EmptyClustersAreGivenTheFarthestRow) {
    // Sixteen equal heaps and as many clusters: seeding by distance alone cannot miss, random restarts may.
    Rows rows;
    for (int i = 0; i < 64; ++i)
        rows.push_back({static_cast<double>(i % 16)});
    for (int seed = 0; seed < 20; ++seed) {
        const Model model = train(rows, with_k(16, seed));
        EXPECT_EQ(model.facts.inertia, 0);
        EXPECT_EQ(*std::min_element(model.sizes.begin(), model.sizes.end()), 4);
    }
    // Centres that attract nothing: relocated by one step.
    CountingResource memory;
    NoInterrupt interrupt;
    Blocks<double> points(4, 1, &memory);
    for (std::size_t i = 0; i < 4; ++i)
        points.at(i, 0) = static_cast<double>(i);
    points.pad();
    Vector<double> weights(16, 0.0, &memory);
    std::fill_n(weights.begin(), 4, 1.0);
    Lloyd<double> lloyd({points, weights}, 3, &memory, interrupt);
    const double centres[] = {1.0, 100.0, 200.0};
    lloyd.set_centres(centres);
    std::int32_t relocated = 0;
    double movement = 0;
    lloyd.step(relocated, movement);
    EXPECT_EQ(relocated, 2);
    std::vector<double> found(lloyd.centres().begin(), lloyd.centres().end());
    std::sort(found.begin(), found.end());
    // Farthest from 1 is 3, then (equally far, lower first) 0; the mean of 1 and 2 is left.
    EXPECT_EQ(found, (std::vector<double>{0, 1.5, 3}));
}

TEST(Kmeans, EveryAllocationMayFail) {
    CountingResource counting;
    const Rows rows = blobs(300, 2, 1);
    train(rows, with_k(3), &counting);
    EXPECT_EQ(counting.live, 0u);
    const std::size_t allocations = counting.allocations;
    for (std::size_t i = 1; i <= allocations; ++i) {
        CountingResource failing;
        failing.fail_at = i;
        EXPECT_THROW(train(rows, with_k(3), &failing), std::bad_alloc) << i;
        EXPECT_EQ(failing.live, 0u) << i;
    }
}

TEST(Kmeans, ThePriceCoversThePeak) {
    for (std::size_t n : {100u, 5000u, 80000u}) {
        const Rows rows = blobs(n, 4, 1);
        CountingResource memory;
        RowStore store(&memory);
        fill(store, rows);
        const std::size_t before = memory.live;
        KmeansOptions options = with_k(5);
        options.n_init = 1;
        NoInterrupt interrupt;
        memory.peak = memory.live;
        train_kmeans(store, 0, options, &memory, interrupt);
        const std::uint64_t price = price_kmeans(n, 4, options).total();
        EXPECT_LE(memory.peak - before, price + 65536) << n;
        EXPECT_GE(2 * (memory.peak - before) + 65536, price) << n;  // and is no fantasy
    }
}

TEST(Kmeans, CancelsAtAnyPoll) {
    const Rows rows = blobs(100000, 3, 1);
    KmeansOptions options = with_k(8);
    options.n_init = 1;
    CountingResource memory;
    RowStore store(&memory);
    fill(store, rows);
    const std::size_t before = memory.live;
    for (int polls = 0; polls < 60; ++polls) {
        CancelAfter interrupt(polls);
        EXPECT_THROW(train_kmeans(store, 0, options, &memory, interrupt), Cancelled) << polls;
        EXPECT_EQ(memory.live, before);
    }
}

TEST(Kernels, EveryVariantGivesTheSameBits) {
    Random random(9);
    for (std::size_t d : {1u, 3u, 8u, 33u}) {
        for (std::size_t k : {1u, 2u, 5u, 8u, 19u}) {
            const std::size_t blocks = 7;
            std::vector<float> points(blocks * 16 * d), centres(k * d), weights(blocks * 16, 1.5f);
            for (float& x : points)
                x = static_cast<float>(random.normal());
            for (float& x : centres)
                x = static_cast<float>(random.normal());
            struct Out {
                std::vector<std::int32_t> labels = std::vector<std::int32_t>(112);
                std::vector<float> distances = std::vector<float>(112, 3.0f);
                std::vector<double> potentials = std::vector<double>(19);
                std::vector<double> sums = std::vector<double>(7);
            } fast, plain;
            const auto run = [&](const Kernels<float>& kernels, Out& out) {
                kernels.potentials(points.data(), blocks, d, centres.data(), k, out.distances.data(),
                                   weights.data(), out.potentials.data());
                kernels.lower(points.data(), blocks, d, centres.data(), out.distances.data(), weights.data(),
                              out.sums.data());
                kernels.assign(points.data(), blocks, d, centres.data(), k, out.labels.data(),
                               out.distances.data());
            };
            run(kernels<float>(), fast);
            run(baseline_kernels<float>(), plain);
            EXPECT_EQ(fast.labels, plain.labels);
            EXPECT_EQ(fast.distances, plain.distances);
            EXPECT_EQ(fast.potentials, plain.potentials);
            EXPECT_EQ(fast.sums, plain.sums);
        }
    }
}

TEST(Kernels, AssignAgreesWithTheDefinition) {
    Random random(10);
    const std::size_t d = 5, k = 7, blocks = 3;
    std::vector<double> points(blocks * 16 * d), centres(k * d);
    for (double& x : points)
        x = random.normal();
    for (double& x : centres)
        x = random.normal();
    std::vector<std::int32_t> labels(48);
    std::vector<double> distances(48);
    kernels<double>().assign(points.data(), blocks, d, centres.data(), k, labels.data(), distances.data());
    for (std::size_t row = 0; row < 48; ++row) {
        std::int32_t best = 0;
        double least = 1e300;
        for (std::size_t c = 0; c < k; ++c) {
            double sum = 0;
            for (std::size_t f = 0; f < d; ++f) {
                const double x = points[row / 16 * d * 16 + f * 16 + row % 16] - centres[c * d + f];
                sum += x * x;
            }
            if (sum < least) {
                least = sum;
                best = static_cast<std::int32_t>(c);
            }
        }
        EXPECT_EQ(labels[row], best);
        EXPECT_EQ(distances[row], least);
    }
}

TEST(DistinctRows, CollapsesAndCounts) {
    CountingResource memory;
    NoInterrupt interrupt;
    RowStore store(&memory);
    Rows rows;
    for (int i = 0; i < 100000; ++i)
        rows.push_back({static_cast<double>(i * 7919 % 1000), static_cast<double>(i % 2)});
    fill(store, rows);
    const DistinctRows distinct = distinct_rows(store, &memory, interrupt);
    EXPECT_EQ(distinct.points.size(), 1000u);  // the parity of i follows from i * 7919 mod 1000
    EXPECT_EQ(std::accumulate(distinct.weights.begin(), distinct.weights.end(), 0.0), 100000);
    EXPECT_EQ(*std::min_element(distinct.weights.begin(), distinct.weights.begin() + 1000), 100);
    EXPECT_EQ(distinct.weights.size(), 1008u);  // zeros for the padding lanes
    std::vector<double> seen;
    for (std::size_t i = 0; i < distinct.points.size(); ++i)
        seen.push_back(distinct.points.at(i, 0));
    std::sort(seen.begin(), seen.end());
    for (std::size_t i = 0; i < seen.size(); ++i)
        EXPECT_EQ(seen[i], static_cast<double>(i));
}

TEST(RowStore, FindsEveryRow) {
    CountingResource memory;
    {
        RowStore store(&memory);
        store.set_width(2);
        for (int i = 0; i < 60000; ++i) {
            const double row[] = {static_cast<double>(i), -static_cast<double>(i)};
            store.append(row);
        }
        for (std::uint64_t i = 0; i < 60000; ++i) {
            ASSERT_EQ(store.row(i)[0], static_cast<double>(i));
            ASSERT_EQ(store.row(i)[1], -static_cast<double>(i));
        }
        std::uint64_t visited = 0;
        store.for_each_run([&](const double* run, std::uint64_t count) {
            EXPECT_EQ(run[0], static_cast<double>(visited));
            visited += count;
        });
        EXPECT_EQ(visited, 60000u);
    }
    EXPECT_EQ(memory.live, 0u);
}

}  // namespace
