#include "core/clustering/kmeans.hpp"
#include "core/clustering/nearest_centres.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <vector>

#include "core/base/random.hpp"
#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/kernels.hpp"
#include "core/clustering/kmeans_state.hpp"
#include "core/clustering/lloyd.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clustering;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;
using seg::test::row_of;

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
        std::vector<std::uint64_t> words(model.parts().image_size() / 8);
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
    Lloyd<double> lloyd({points, weights}, 3, 0, &memory, interrupt);
    const double centres[] = {1.0, 100.0, 200.0};
    lloyd.set_centres(centres);
    EXPECT_EQ(lloyd.iterate(1, 0).relocated, 2);
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
    for (std::size_t n : {100u, 5000u, 80000u, 200000u}) {
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
    struct : Interrupt {
        void poll() override { ++polls; }
        int polls = 0;
    } whole;
    train_kmeans(store, 0, options, &memory, whole);
    ASSERT_GT(whole.polls, 100);
    for (int i = 0; i < 60; ++i) {
        const int polls = i * (whole.polls - 1) / 59;  // from the first to the last
        CancelAfter interrupt(polls);
        EXPECT_THROW(train_kmeans(store, 0, options, &memory, interrupt), Cancelled) << polls;
        EXPECT_EQ(memory.live, before);
    }
}

// ---- options

KmeansOptions for_large(std::int32_t k, std::int64_t seed = 1) {
    KmeansOptions options = with_k(k, seed);
    options.n_init = 2;
    return options;
}

// Searching in a sample must end where searching in all rows ends.
TEST(Kmeans, LargeInputsReachTheInertiaOfSmallOnes) {
    const Rows rows = blobs(200000, 4, 3);
    const Model sampled = train(rows, for_large(5));
    KmeansOptions whole = for_large(5);
    whole.weighted = true;  // takes the road over all rows
    Rows weighted = rows;
    for (auto& row : weighted)
        row.push_back(1.0);
    const Model all = train(weighted, whole);
    EXPECT_NEAR(sampled.facts.inertia, all.facts.inertia, 1e-4 * all.facts.inertia);
    EXPECT_EQ(sampled.facts.distinct_rows, 0);  // not counted
}

TEST(Kmeans, RowOrderDoesNotMatterForSamples) {
    Rows rows = blobs(200000, 4, 5);
    const Model first = train(rows, for_large(6));
    shuffle(rows, 2);
    EXPECT_EQ(train(rows, for_large(6)), first);
}

// A budget that all rows do not fit: centres from a part of them, sizes of all.
TEST(Kmeans, SmallBudgetsTakeASampleInAnyOrder) {
    Rows rows = blobs(60000, 3, 7);
    const auto train_within = [&](std::uint64_t budget) {
        CountingResource memory;
        RowStore store(&memory);
        fill(store, rows);
        NoInterrupt interrupt;
        const TrainedKmeans model =
            train_kmeans({{store, {}}, 60000, 0}, for_large(5), budget, &memory, interrupt);
        EXPECT_LT(model.facts.sampled_rows, 60000);
        EXPECT_GT(model.facts.sampled_rows, 5000);
        EXPECT_EQ(std::accumulate(model.sizes.begin(), model.sizes.end(), std::int64_t{0}), 60000);
        return std::vector<double>(model.centres.begin(), model.centres.end());
    };
    const std::vector<double> centres = train_within(1 << 21);
    shuffle(rows, 9);
    EXPECT_EQ(train_within(1 << 21), centres);
    CountingResource memory;
    RowStore store(&memory);
    fill(store, rows);
    NoInterrupt interrupt;
    EXPECT_EQ(error_code([&] {
                  train_kmeans({{store, {}}, 60000, 0}, for_large(5), 1000, &memory, interrupt);
              }),
              Errc::kTooBig);
}

TEST(Kmeans, WeightsCountAsRows) {
    Rows rows = blobs(300, 2, 4);
    Rows repeated;
    Rows weighted;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t j = 0; j <= i % 3; ++j)
            repeated.push_back(rows[i]);
        weighted.push_back({rows[i][0], rows[i][1], static_cast<double>(i % 3 + 1)});
    }
    KmeansOptions options = with_k(4);
    const Model expected = train(repeated, options);
    options.weighted = true;
    const Model model = train(weighted, options);
    EXPECT_EQ(model.centres, expected.centres);
    EXPECT_DOUBLE_EQ(model.facts.inertia, expected.facts.inertia);  // a weight times a square is rounded
    EXPECT_EQ(model.facts.weight, 600);
    EXPECT_EQ(std::accumulate(model.sizes.begin(), model.sizes.end(), std::int64_t{0}), 300);
}

TEST(Kmeans, StartsFromGivenCentresAndKeepsTheirNumbers) {
    KmeansOptions options = with_k(2);
    const double centres[] = {9, 1, 2, 2};  // the larger x first
    options.init = centres;
    const Model model = train(kSixPoints, options);
    EXPECT_EQ(model.centres, (std::vector<double>{10, 2, 1, 2}));
    options.init = {centres, 3};
    EXPECT_EQ(error_code([&] { train(kSixPoints, options); }), Errc::kInvalidArgument);
}

// Training again from the outcome changes nothing, in small inputs and in large ones.
TEST(Kmeans, WarmStartsStayWhereTheyAre) {
    for (std::size_t n : {500u, 150000u}) {
        for (auto standardize : {Standardize::kNone, Standardize::kZscore}) {
            const Rows rows = blobs(n, 3, n);
            KmeansOptions options = for_large(6);
            options.standardize = standardize;
            const Model parent = train(rows, options);
            std::vector<double> centres;
            for (std::size_t i = 0; i < parent.centres.size(); ++i)
                centres.push_back(parent.centres[i] * parent.scale[i % 3] + parent.shift[i % 3]);
            options.init = centres;
            const Model child = train(rows, options);
            EXPECT_EQ(child.sizes, parent.sizes) << n;
            EXPECT_NEAR(child.facts.inertia, parent.facts.inertia, 1e-12 * parent.facts.inertia);
        }
    }
}

TEST(Kmeans, OrdersByAFeature) {
    const Rows rows = blobs(500, 2, 8);
    KmeansOptions options = with_k(4);
    options.order_by = 1;
    const Model ascending = train(rows, options);
    options.order_by = -1;
    const Model descending = train(rows, options);
    for (std::size_t c = 1; c < 4; ++c) {
        EXPECT_LE(ascending.centres[2 * (c - 1)], ascending.centres[2 * c]);
        EXPECT_GE(descending.centres[2 * (c - 1)], descending.centres[2 * c]);
    }
    options.order_by = 3;
    EXPECT_EQ(error_code([&] { train(rows, options); }), Errc::kInvalidArgument);
}

// Directions, not lengths: rows on three rays.
TEST(Kmeans, CosineComparesDirections) {
    Rows rows;
    Random random(3);
    for (int i = 0; i < 300; ++i) {
        const double length = 1 + 100 * random.uniform();
        const double angle = (i % 3) * 1.0 + 0.05 * random.normal();
        rows.push_back({length * std::cos(angle), length * std::sin(angle)});
    }
    KmeansOptions options = with_k(3);
    options.measure = Measure::kCosine;
    const Model model = train(rows, options);
    EXPECT_EQ(model.sizes, (std::vector<std::int64_t>{100, 100, 100}));
    for (std::size_t c = 0; c < 3; ++c)
        EXPECT_NEAR(std::hypot(model.centres[2 * c], model.centres[2 * c + 1]), 1, 1e-12);
    rows.push_back({0, 0});
    EXPECT_EQ(error_code([&] { train(rows, options); }), Errc::kBadData);
}

TEST(Kmeans, BisectingFindsSeparatedClusters) {
    Rows rows;
    Random random(6);
    for (int i = 0; i < 1600; ++i)
        rows.push_back({(i % 16) * 10 + random.normal() * 0.1, random.normal() * 0.1});
    KmeansOptions options = with_k(16);
    options.algorithm = Algorithm::kBisecting;
    const Model model = train(rows, options);
    EXPECT_EQ(model.sizes, std::vector<std::int64_t>(16, 100));
    EXPECT_NEAR(model.facts.inertia, 1600 * 0.02, 3);
}

TEST(Kmeans, RobustAndMinmaxUnits) {
    Rows rows;
    for (int i = 0; i <= 100; ++i)
        rows.push_back({static_cast<double>(i), i == 100 ? 1e6 : 5.0});
    KmeansOptions options = with_k(2);
    options.standardize = Standardize::kRobust;
    const Model robust = train(rows, options);
    EXPECT_EQ(robust.shift[0], 50);
    EXPECT_NEAR(robust.scale[0], 0.7413 * 50, 1e-12);
    EXPECT_EQ(robust.shift[1], 5);
    EXPECT_GT(robust.scale[1], 1e4);  // no spread between the quartiles: the deviation
    options.standardize = Standardize::kMinmax;
    const Model minmax = train(rows, options);
    EXPECT_EQ(minmax.shift, (std::vector<double>{0, 5}));
    EXPECT_EQ(minmax.scale, (std::vector<double>{100, 1e6 - 5}));
}

// ---- the state of the aggregate

GatheringOptions gathering(std::int32_t k, std::uint64_t limit) {
    GatheringOptions options;
    options.kmeans = with_k(k);
    options.limit = limit;
    return options;
}

void add_all(KmeansState& state, const Rows& rows, Interrupt& interrupt) {
    for (const auto& row : rows)
        state.add(row, 1, interrupt);
}

// Many rows of few values fit any limit: nothing is left out.
TEST(KmeansState, CollapsesEqualRowsUnderALimit) {
    CountingResource memory;
    NoInterrupt interrupt;
    KmeansState state(&memory, gathering(3, 1 << 20));
    for (int i = 0; i < 500000; ++i) {
        const double row[] = {static_cast<double>(i % 125), static_cast<double>(i % 5)};
        state.add(row, 1, interrupt);
    }
    state.settle(interrupt);
    EXPECT_LT(memory.peak, std::size_t{1} << 20);
    EXPECT_EQ(state.gathered().divisor, 1u);
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < state.table().size(); ++i)
        rows += state.table().count(i);
    EXPECT_EQ(rows, 500000);
}

// Also rows with weights, where those are equal, too: the model is that of all rows, whatever their order.
TEST(KmeansState, CollapsesEqualWeightedRowsUnderALimit) {
    CountingResource memory;
    NoInterrupt interrupt;
    const auto trained = [&](std::uint64_t limit, int step) {
        GatheringOptions options = gathering(3, limit);
        options.kmeans.weighted = true;
        KmeansState state(&memory, options);
        constexpr int kRows = 200000;
        for (std::int64_t j = 0; j < kRows; ++j) {
            const auto i = static_cast<int>(j * step % kRows);
            const double row[] = {static_cast<double>(i % 125), static_cast<double>(i % 5)};
            state.add(row, 0.1 * static_cast<double>(1 + i % 3), interrupt);
        }
        state.settle(interrupt);
        const TrainedKmeans model =
            train_kmeans(state.gathered(), options.kmeans, ~std::uint64_t{0}, &memory, interrupt);
        EXPECT_EQ(model.facts.rows, kRows);
        EXPECT_EQ(model.facts.sampled_rows, kRows);
        EXPECT_EQ(model.facts.distinct_rows, 125);
        return std::tuple(state.table().size(), model.facts.inertia, model.facts.weight,
                          std::vector<double>(model.centres.begin(), model.centres.end()),
                          std::vector<std::int64_t>(model.sizes.begin(), model.sizes.end()));
    };
    const auto collapsed = trained(1 << 20, 1);
    EXPECT_LT(std::get<0>(collapsed), 20000u);
    EXPECT_EQ(trained(1 << 20, 7919), collapsed);
    const auto whole = trained(~std::uint64_t{0}, 1);
    EXPECT_EQ(std::get<0>(whole), 200000u);
    EXPECT_NEAR(std::get<1>(whole), std::get<1>(collapsed), 1e-9 * std::get<1>(whole));
    EXPECT_NEAR(std::get<2>(whole), std::get<2>(collapsed), 1e-9 * std::get<2>(whole));
    for (std::size_t i = 0; i < std::get<3>(whole).size(); ++i)
        EXPECT_NEAR(std::get<3>(whole)[i], std::get<3>(collapsed)[i], 1e-9);
    EXPECT_EQ(std::get<4>(whole), std::get<4>(collapsed));
}

// Which rows are left does not depend on their order, nor on the states they came through.
TEST(KmeansState, SampleDoesNotDependOnOrderOrParts) {
    Rows rows = blobs(60000, 2, 12);
    for (std::size_t i = 0; i < 20000; ++i)
        rows.push_back(rows[i % 100]);
    NoInterrupt interrupt;
    const auto contents = [&](KmeansState& state) {
        state.settle(interrupt);
        std::vector<std::tuple<double, double, std::int64_t>> result;
        for (std::size_t i = 0; i < state.table().size(); ++i)
            result.emplace_back(row_of(state.table().store, i)[0], row_of(state.table().store, i)[1],
                                state.table().count(i));
        std::sort(result.begin(), result.end());
        // Equal rows may not have been collapsed yet.
        for (std::size_t i = 1; i < result.size(); ++i)
            if (std::get<0>(result[i]) == std::get<0>(result[i - 1]) &&
                std::get<1>(result[i]) == std::get<1>(result[i - 1])) {
                std::get<2>(result[i]) += std::get<2>(result[i - 1]);
                std::get<2>(result[i - 1]) = 0;
            }
        std::erase_if(result, [](const auto& row) { return std::get<2>(row) == 0; });
        return result;
    };
    CountingResource memory;
    KmeansState whole(&memory, gathering(3, 1 << 20));
    add_all(whole, rows, interrupt);
    const auto expected = contents(whole);
    EXPECT_GT(whole.gathered().divisor, 1u);
    EXPECT_EQ(whole.seen(), 80000);

    shuffle(rows, 5);
    KmeansState shuffled(&memory, gathering(3, 1 << 20));
    add_all(shuffled, rows, interrupt);
    EXPECT_EQ(contents(shuffled), expected);

    KmeansState merged(&memory, gathering(3, 1 << 20));
    for (std::size_t part = 0; part < 4; ++part) {
        KmeansState piece(&memory, gathering(3, 1 << 20));
        add_all(piece,
                Rows(rows.begin() + static_cast<std::ptrdiff_t>(part * 20000),
                     rows.begin() + static_cast<std::ptrdiff_t>((part + 1) * 20000)),
                interrupt);
        if (part % 2 == 0) {
            merged.merge(piece, interrupt);
            continue;
        }
        std::vector<std::uint64_t> image(piece.image_size() / 8 + 1);
        const std::span<std::byte> bytes = std::as_writable_bytes(std::span(image)).first(piece.image_size());
        piece.write_image(bytes, interrupt);
        KmeansState::read_options(bytes.subspan(4), interrupt);
        merged.merge_body(bytes.subspan(4), interrupt);
    }
    EXPECT_EQ(contents(merged), expected);
    EXPECT_EQ(merged.seen(), 80000);
}

// Beyond 2^53 the weight of a cluster would not be its size.
TEST(KmeansState, RefusesMoreRowsThanADoubleCounts) {
    CountingResource memory;
    NoInterrupt interrupt;
    KmeansState state(&memory, gathering(1, 1 << 20));
    add_all(state, {{1, 2}}, interrupt);
    std::vector<std::uint64_t> image(state.image_size() / 8 + 1);
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span(image)).first(state.image_size());
    state.write_image(bytes, interrupt);
    const auto body = bytes.subspan(KmeansState::kSlot);
    image[3] = std::uint64_t{1} << 53;  // rows seen
    KmeansState most(&memory, KmeansState::read_options(body, interrupt));
    most.merge_body(body, interrupt);
    EXPECT_EQ(error_code([&] { most.merge(state, interrupt); }), Errc::kOutOfRange);
    ++image[3];
    EXPECT_EQ(error_code([&] { KmeansState::read_options(body, interrupt); }), Errc::kBadBinary);
}

TEST(KmeansState, RefusesBadWeightsAndRows) {
    CountingResource memory;
    NoInterrupt interrupt;
    GatheringOptions options = gathering(2, ~std::uint64_t{0});
    options.kmeans.weighted = true;
    KmeansState state(&memory, options);
    const double row[] = {1, 2};
    state.add(row, 0, interrupt);  // leaves the row out
    EXPECT_EQ(state.seen(), 0);
    EXPECT_EQ(state.skipped(), 1);
    for (double weight : {-1.0, std::nan(""), HUGE_VAL})
        EXPECT_EQ(error_code([&] { state.add(row, weight, interrupt); }), Errc::kBadData);
    for (double weight : {1e13, 5e-324})
        EXPECT_EQ(error_code([&] { state.add(row, weight, interrupt); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([&] { state.add({row, 1}, 1, interrupt); }), Errc::kArrayShape);
}

// At every place of rows of every length, as vector instructions take several values at once.
TEST(KmeansState, RefusesValuesThatAreTooLargeOrNoNumbers) {
    CountingResource memory;
    NoInterrupt interrupt;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    for (std::size_t d = 1; d <= 9; ++d) {
        KmeansState state(&memory, gathering(2, ~std::uint64_t{0}));
        for (std::size_t place = 0; place < d; ++place) {
            std::vector<double> row(d, 1e140);
            for (double good : {1e140, -1e140, 0.0, -0.0, 5e-324, 0.1}) {
                row[place] = good;
                state.add(row, 1, interrupt);
            }
            const std::int64_t seen = state.seen();
            for (double far : {std::nextafter(1e140, 1e141), -std::nextafter(1e140, 1e141), 1e300}) {
                row[place] = far;
                EXPECT_EQ(error_code([&] { state.add(row, 1, interrupt); }), Errc::kOutOfRange);
            }
            for (double none : {kInfinity, -kInfinity, std::nan(""), -std::nan("")}) {
                row[place] = none;
                EXPECT_EQ(error_code([&] { state.add(row, 1, interrupt); }), Errc::kBadData);
            }
            EXPECT_EQ(state.seen(), seen);
        }
    }
}

// Sums about 0.3 of the features of blocks, with weights and without, and the squares.
template <typename T>
std::vector<double> moments_of(const Kernels<T>& kernels, const std::vector<T>& blocks, std::size_t d,
                               const std::vector<double>& weights) {
    using Sum = LaneSum<16>;
    const std::vector<Sum::Unit> units(d, Sum::Unit(16));
    const std::vector<double> middle(d, 0.3);
    std::vector<double> result;
    for (const double* own : {static_cast<const double*>(nullptr), weights.data()}) {
        std::vector<Sum> sums(d);
        for (std::size_t first = 0; first < blocks.size(); first += 16 * d) {
            double squares[16];
            kernels.add_moments(&blocks[first], d, own, middle.data(), units.data(), sums.data(), squares);
            result.insert(result.end(), squares, squares + 16);
        }
        for (Sum& sum : sums)
            result.push_back(sum.value(units[0]));
    }
    return result;
}

// The same bits as one sum after the other, by LaneSum itself.
TEST(Kernels, MomentsAreThoseOfLaneSums) {
    Random random(12);
    for (std::size_t d : {1u, 3u, 8u}) {
        std::vector<double> blocks(5 * 16 * d), weights(16);
        for (double& x : blocks)
            x = random.normal();
        for (double& x : weights)
            x = random.uniform();
        const LaneSum<16>::Unit unit(16);
        std::vector<double> expected;
        for (bool weighted : {false, true}) {
            std::vector<LaneSum<16>> sums(d);
            for (std::size_t b = 0; b < 5; ++b) {
                double squares[16] = {};
                for (std::size_t f = 0; f < d; ++f) {
                    double terms[16];
                    for (std::size_t lane = 0; lane < 16; ++lane) {
                        const double difference = blocks[(b * d + f) * 16 + lane] - 0.3;
                        squares[lane] += difference * difference;
                        terms[lane] = weighted ? weights[lane] * difference : difference;
                    }
                    sums[f].add(terms, unit);
                }
                expected.insert(expected.end(), squares, squares + 16);
            }
            for (auto& sum : sums)
                expected.push_back(sum.value(unit));
        }
        EXPECT_EQ(moments_of(kernels<double>(), blocks, d, weights), expected);
        EXPECT_EQ(moments_of(baseline_kernels<double>(), blocks, d, weights), expected);
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
            std::vector<float> half_squares(k);
            for (std::size_t i = 0; i < k * d; ++i)
                half_squares[i / d] += centres[i] * centres[i] / 2;
            const std::vector<double> origins(16 * d, 0.1), row_weights(112, 0.7);
            struct Out {
                std::vector<std::int32_t> labels = std::vector<std::int32_t>(112);
                std::vector<float> distances = std::vector<float>(112, 3.0f);
                std::vector<double> potentials = std::vector<double>(19);
                std::vector<double> sums = std::vector<double>(7);
                std::vector<float> nearest = std::vector<float>(112), second = std::vector<float>(112);
                std::vector<std::int32_t> own = std::vector<std::int32_t>(112);
                std::vector<std::int32_t> by_products = std::vector<std::int32_t>(112);
                std::vector<float> completed = std::vector<float>(112), grid = std::vector<float>(16 * 33);
                std::vector<double> added = std::vector<double>(19 * 33);
                std::vector<double> moments;
            } fast, plain;
            const auto run = [&](const Kernels<float>& kernels, Out& out) {
                kernels.potentials(points.data(), blocks, d, centres.data(), k, out.distances.data(),
                                   weights.data(), out.potentials.data());
                kernels.lower(points.data(), blocks, d, centres.data(), out.distances.data(), weights.data(),
                              out.sums.data());
                kernels.assign(points.data(), blocks, d, centres.data(), k, out.labels.data(),
                               out.distances.data());
                kernels.assign_by_products(points.data(), blocks, d, centres.data(), half_squares.data(), k,
                                           out.by_products.data(), out.completed.data());
                kernels.to_grid(points.data(), 16 * d, origins.data(), 0.125, out.grid.data());
                kernels.assign_two(points.data(), blocks, d, centres.data(), k, out.own.data(),
                                   out.nearest.data(), out.second.data());
                kernels.add_rows(points.data(), 111, d, out.labels.data(), nullptr, out.added.data());
                kernels.add_rows(points.data(), 111, d, out.labels.data(), row_weights.data(),
                                 out.added.data());
                out.moments = moments_of(kernels, points, d, row_weights);
            };
            run(kernels<float>(), fast);
            run(baseline_kernels<float>(), plain);
            EXPECT_EQ(fast.labels, plain.labels);
            EXPECT_EQ(fast.distances, plain.distances);
            EXPECT_EQ(fast.potentials, plain.potentials);
            EXPECT_EQ(fast.sums, plain.sums);
            EXPECT_EQ(fast.second, plain.second);
            EXPECT_EQ(fast.by_products, plain.by_products);
            EXPECT_EQ(fast.completed, plain.completed);
            EXPECT_EQ(fast.grid, plain.grid);
            EXPECT_EQ(fast.added, plain.added);
            EXPECT_EQ(fast.moments, plain.moments);
            EXPECT_EQ(fast.by_products, fast.labels);
            EXPECT_EQ(fast.completed, fast.distances);
            EXPECT_EQ(fast.own, fast.labels);
            EXPECT_EQ(fast.nearest, fast.distances);
        }
    }
}

// Sums of small whole numbers are exact, whatever their order.
TEST(Kernels, RowsAreAddedToTheSumsOfTheirLabels) {
    for (std::size_t d : {1u, 2u, 3u, 4u, 5u, 8u, 11u}) {
        const std::size_t count = 29, k = 3;
        std::vector<float> rows(count * d);
        std::vector<std::int32_t> labels(count);
        std::vector<double> weights(count), sums(k * d, 1.0), weighted(k * d, 1.0);
        std::vector<double> expected(k * d, 1.0), expected_weighted(k * d, 1.0);
        for (std::size_t i = 0; i < count; ++i) {
            labels[i] = static_cast<std::int32_t>(i * i % k);
            weights[i] = static_cast<double>(i % 4);
            for (std::size_t f = 0; f < d; ++f) {
                rows[i * d + f] = static_cast<float>(i + 100 * f);
                const std::size_t place = static_cast<std::size_t>(labels[i]) * d + f;
                expected[place] += static_cast<double>(i + 100 * f);
                expected_weighted[place] += weights[i] * static_cast<double>(i + 100 * f);
            }
        }
        kernels<float>().add_rows(rows.data(), count, d, labels.data(), nullptr, sums.data());
        kernels<float>().add_rows(rows.data(), count, d, labels.data(), weights.data(), weighted.data());
        EXPECT_EQ(sums, expected);
        EXPECT_EQ(weighted, expected_weighted);
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

// Products are taken only where they tell the centres apart; labels are then those of squared differences,
// but for points on a boundary.
TEST(NearestCentres, TakesProductsWhereTheySuffice) {
    CountingResource memory;
    NoInterrupt interrupt;
    WorkMeter meter(interrupt);
    const std::size_t d = 4, k = 5, blocks = 100;
    Random random(3);
    for (const double apart : {1.0, 1e-3, 1e-5, 0.0}) {
        std::vector<float> points(blocks * 16 * d), centres(k * d);
        for (std::size_t c = 0; c < k; ++c)
            for (std::size_t f = 0; f < d; ++f)
                centres[c * d + f] = static_cast<float>(0.5 + apart * random.normal());
        for (std::size_t i = 0; i < points.size(); ++i)
            points[i] = static_cast<float>(0.5 + apart * random.normal());
        std::vector<std::int32_t> labels(blocks * 16), expected(blocks * 16);
        std::vector<float> distances(blocks * 16);
        NearestCentres<float> nearest(k, d, &memory);
        nearest.prepare(centres.data(), blocks * 16, meter);
        EXPECT_EQ(nearest.by_products(), apart == 1.0) << apart;
        nearest.assign(points.data(), blocks, labels.data(), distances.data());
        kernels<float>().assign(points.data(), blocks, d, centres.data(), k, expected.data(), nullptr);
        const auto same = std::inner_product(labels.begin(), labels.end(), expected.begin(), 0, std::plus<>(),
                                             std::equal_to<>());
        EXPECT_GE(same, static_cast<int>(blocks * 16) - 4) << apart;
        // So few points are not worth a look at all pairs.
        nearest.prepare(centres.data(), 16, meter);
        EXPECT_FALSE(nearest.by_products());
        nearest.assign(points.data(), blocks, labels.data(), distances.data());
        EXPECT_EQ(labels, expected);
    }
}

// A store may keep a row as floats or doubles; which, depends on the other rows.
TEST(ContentHash, IsTheSameForFloatsAndDoubles) {
    Random random(11);
    for (std::size_t d = 1; d <= 9; ++d) {
        std::vector<float> row(d);
        for (float& value : row)
            value = static_cast<float>(random.normal());
        for (std::size_t place = 0; place < d; ++place) {
            std::vector<float> zero = row;
            zero[place] = 0.0f;
            const std::uint64_t hash = content_hash(zero.data(), d);
            zero[place] = -0.0f;
            EXPECT_EQ(content_hash(zero.data(), d), hash);
            EXPECT_EQ(content_hash(std::vector<double>(zero.begin(), zero.end()).data(), d), hash);
            std::vector<double> inexact(zero.begin(), zero.end());
            inexact[(place + 1) % d] += 1e-9;
            const std::uint64_t inexact_hash = content_hash(inexact.data(), d);
            inexact[place] += 0.0;
            EXPECT_EQ(content_hash(inexact.data(), d), inexact_hash);
        }
        const std::vector<double> wide(row.begin(), row.end());
        std::vector<double> other = wide;
        const std::uint64_t hash = content_hash(row.data(), d);
        EXPECT_EQ(content_hash(wide.data(), d), hash);
        for (std::size_t f = 0; f < d; ++f) {
            for (double changed : {wide[f] + 1, std::nextafter(wide[f], 10)}) {
                other = wide;
                other[f] = changed;
                EXPECT_NE(content_hash(other.data(), d), hash) << d << " " << f;
            }
        }
    }
}

// Rows that differ in few bits have hashes of their own, and samples by hash are of the size that chance
// gives.
TEST(ContentHash, TellsRowsOfFewValuesApart) {
    const auto check = [](const Rows& rows) {
        std::vector<std::uint64_t> hashes;
        for (const auto& row : rows)
            hashes.push_back(content_hash(row.data(), row.size()));
        std::sort(hashes.begin(), hashes.end());
        EXPECT_EQ(std::adjacent_find(hashes.begin(), hashes.end()), hashes.end());
        for (std::uint64_t divisor : {4u, 16u, 64u}) {
            const double share = 1 / static_cast<double>(divisor);
            const auto sampled = std::count_if(hashes.begin(), hashes.end(),
                                               [=](std::uint64_t hash) { return is_sampled(hash, divisor); });
            const double expected = share * static_cast<double>(rows.size());
            EXPECT_NEAR(static_cast<double>(sampled), expected, 4.5 * std::sqrt(expected)) << divisor;
        }
    };
    Rows one_hot, binary, integers;
    for (std::size_t a = 0; a < 40; ++a)
        for (std::size_t b = 0; b < 40; ++b)
            for (std::size_t c = 0; c < 10; ++c) {
                one_hot.emplace_back(90, 0.0);
                one_hot.back()[a] = one_hot.back()[40 + b] = one_hot.back()[80 + c] = 1;
            }
    for (unsigned bits = 0; bits < 1u << 15; ++bits) {
        binary.emplace_back();
        for (unsigned f = 0; f < 15; ++f)
            binary.back().push_back(bits >> f & 1);
    }
    for (int i = 0; i < 50000; ++i)
        integers.push_back({static_cast<double>(i % 5), static_cast<double>(i / 5 % 100), i / 500 - 50.0});
    check(one_hot);
    check(binary);
    check(integers);
}

// Whether there is memory for a copy of the rows must not be seen in the model.
TEST(Kmeans, IteratesOverACopyToTheSameBits) {
    CountingResource memory;
    NoInterrupt interrupt;
    RowStore store(&memory);
    store.set_width(1, RowStore::Values::kFloatsWhileExact);
    Random random(8);
    for (int i = 0; i < 1'500'000; ++i) {
        const double row[] = {1.7e12 + random.normal()};  // far out, so that what is rounded on the way shows
        store.append(row);
    }
    KmeansOptions options = with_k(30);
    options.n_init = 1;
    options.tol = 0;
    options.max_iter = 12;  // of the search, and of what follows
    const GatheredRows gathered = {{store, {}}, 1'500'000, 0};
    const std::uint64_t least = price_kmeans(1'500'000, 1, options).total();
    const auto trained = [&](std::uint64_t budget) {
        memory.peak = memory.live;
        const std::size_t before = memory.live;
        const TrainedKmeans model = train_kmeans(gathered, options, budget, &memory, interrupt);
        EXPECT_EQ(model.facts.sampled_rows, 1'500'000);
        EXPECT_LE(memory.peak - before, budget);
        return std::tuple(memory.peak - before, model.facts.iterations,
                          std::vector<double>(model.centres.begin(), model.centres.end()));
    };
    const auto streamed = trained(least);
    const auto copied = trained(2 * least);
    EXPECT_GT(std::get<0>(copied), std::get<0>(streamed));
    EXPECT_GT(std::get<1>(streamed), 12 + 8);
    EXPECT_EQ(std::get<1>(copied), std::get<1>(streamed));
    EXPECT_EQ(std::get<2>(copied), std::get<2>(streamed));
}

TEST(DistinctRows, CollapsesAndCounts) {
    CountingResource memory;
    NoInterrupt interrupt;
    RowStore store(&memory);
    Rows rows;
    for (int i = 0; i < 100000; ++i)
        rows.push_back({static_cast<double>(i * 7919 % 1000), static_cast<double>(i % 2)});
    fill(store, rows);
    const DistinctRows distinct = distinct_rows({store, {}}, &memory, interrupt);
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

}  // namespace
