#include "core/clustering/prototypes.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clustering;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

using Row = std::vector<double>;
using Rows = std::vector<Row>;
using Groups = std::vector<CategoryGroup>;

const double kHalf = 1 / std::sqrt(2.0);

// What training gave, copied out of its memory.
struct Model {
    std::vector<double> centres;
    Groups groups;
    double gamma, cost;
    std::int32_t iterations, relocated;
    bool converged;
    std::vector<std::int32_t> labels;  // of the distinct rows, as are the others
    std::vector<double> distances;
};

DistinctRows distinct(const Rows& rows, MemoryResource* memory) {
    RowStore store(memory);
    store.set_width(rows.at(0).size());
    for (const Row& row : rows)
        store.append(row.data());
    NoInterrupt interrupt;
    return distinct_rows({store, {}}, memory, interrupt);
}

PrototypesOptions with_k(std::int32_t k, double gamma = 0, std::int64_t seed = 0) {
    PrototypesOptions options;
    options.k = k;
    options.gamma = gamma;
    options.seed = seed;
    return options;
}

Model train(const DistinctRows& rows, const Groups& groups, const PrototypesOptions& options,
            MemoryResource* memory) {
    NoInterrupt interrupt;
    const Prototypes found = train_prototypes(rows, groups, options, memory, interrupt);
    const auto copy = [](const auto& v) { return std::vector(v.begin(), v.end()); };
    Model model = {copy(found.centres), copy(found.groups), found.gamma, found.cost, found.iterations,
                   found.relocated,     found.converged,    {},          {}};
    const std::size_t d = rows.points.dimensions();
    for (std::size_t i = 0; i < rows.points.size(); ++i) {
        Row row(d);
        for (std::size_t f = 0; f < d; ++f)
            row[f] = rows.points.at(i, f);
        std::vector<double> distances;
        for (std::size_t c = 0; c < model.centres.size() / d; ++c)
            distances.push_back(
                prototype_squared_distance(row, &model.centres[c * d], model.groups, model.gamma));
        const auto nearest = std::min_element(distances.begin(), distances.end());
        model.labels.push_back(static_cast<std::int32_t>(nearest - distances.begin()));
        model.distances.push_back(*nearest);
    }
    return model;
}

Model train(const Rows& rows, const Groups& groups, const PrototypesOptions& options) {
    CountingResource memory;
    return train(distinct(rows, &memory), groups, options, &memory);
}

// One number and two categories of 3 and 4 levels in the layout number, 3 features, 4 features.
const Groups kMixed = {{1, 3}, {4, 4}};

Row mixed(double number, std::size_t first, std::size_t second, double value = kHalf) {
    Row row(8, 0.0);
    row[0] = number;
    row[1 + first] = value;
    row[4 + second] = value;
    return row;
}

// Three kinds of rows; a tenth of the levels is noise. Rounded numbers repeat.
Rows kinds(std::size_t n, std::uint64_t seed, bool rounded = false) {
    Random random(seed);
    Rows rows;
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t kind = i % 3;
        const double number = static_cast<double>(kind) + random.normal();
        const auto level = [&](std::size_t levels) {
            return random.uniform() < 0.1 ? random.below(levels) : kind;
        };
        const std::size_t first = level(3);
        rows.push_back(mixed(rounded ? std::round(number) : number, first, level(4)));
    }
    return rows;
}

// Least cost over all partitions into at most k clusters, by trying each one.
class Exhaustive {
  public:
    Exhaustive(const Rows& rows, const Groups& groups, std::size_t k, double gamma)
        : rows_(rows), groups_(groups), k_(k), gamma_(gamma), labels_(rows.size()) {
        visit(0, 0);
    }
    double least = std::numeric_limits<double>::infinity();

  private:
    void visit(std::size_t i, std::size_t used) {
        if (i == rows_.size()) {
            double total = 0;
            for (std::size_t c = 0; c < used; ++c)
                total += cost(c);
            least = std::min(least, total);
            return;
        }
        for (std::size_t c = 0; c < std::min(k_, used + 1); ++c) {
            labels_[i] = c;
            visit(i + 1, std::max(used, c + 1));
        }
    }
    bool is_numeric(std::size_t feature) const {
        return std::none_of(groups_.begin(), groups_.end(), [feature](const CategoryGroup& g) {
            return feature >= static_cast<std::size_t>(g.first) &&
                   feature < static_cast<std::size_t>(g.first + g.count);
        });
    }
    double cost(std::size_t cluster) const {
        Row sums(rows_[0].size(), 0.0);
        double n = 0;
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            if (labels_[i] != cluster)
                continue;
            ++n;
            for (std::size_t f = 0; f < sums.size(); ++f)
                sums[f] += is_numeric(f) ? rows_[i][f] : rows_[i][f] != 0;
        }
        double total = 0;
        for (std::size_t f = 0; f < sums.size(); ++f)
            for (std::size_t i = 0; is_numeric(f) && i < rows_.size(); ++i)
                if (labels_[i] == cluster)
                    total += (rows_[i][f] - sums[f] / n) * (rows_[i][f] - sums[f] / n);
        for (const CategoryGroup& g : groups_) {
            const auto first = sums.begin() + g.first;
            total += gamma_ * (n - *std::max_element(first, first + g.count));
        }
        return total;
    }

    const Rows& rows_;
    const Groups& groups_;
    std::size_t k_;
    double gamma_;
    std::vector<std::size_t> labels_;
};

TEST(Prototypes, TwoKindsOfRows) {
    const Model model =
        train({mixed(1, 0, 0), mixed(2, 0, 0), mixed(3, 0, 1), mixed(11, 2, 3), mixed(13, 2, 3)}, kMixed,
              with_k(2, 1));
    // 1, 2, 3 about 2 and one level that is not the mode; 11 and 13 about 12.
    EXPECT_NEAR(model.cost, 2 + 1 + 2, 1e-12);
    EXPECT_TRUE(model.converged);
    const std::size_t low = model.centres[0] < model.centres[8] ? 0 : 8;
    EXPECT_EQ(model.centres[low], 2);
    EXPECT_EQ(model.centres[8 - low], 12);
    EXPECT_DOUBLE_EQ(model.centres[low + 1], kHalf);
    EXPECT_DOUBLE_EQ(model.centres[low + 4], 2 * kHalf / 3);
    EXPECT_DOUBLE_EQ(model.centres[low + 5], kHalf / 3);
    EXPECT_DOUBLE_EQ(model.centres[8 - low + 7], kHalf);
    EXPECT_DOUBLE_EQ(model.groups[0].mismatch_cost, 1);
}

TEST(Prototypes, FindsTheBestOfAllPartitions) {
    // Some optima cannot be reached from single rows as first centres.
    int missed = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Rows rows = kinds(9, seed);
        for (std::int32_t k : {1, 2, 3}) {
            PrototypesOptions options = with_k(k, 0.7);
            options.n_init = 40;
            const double least = Exhaustive(rows, kMixed, static_cast<std::size_t>(k), 0.7).least;
            const double found = train(rows, kMixed, options).cost;
            EXPECT_GE(found, least - 1e-9) << seed << " " << k;
            EXPECT_LE(found, 1.1 * least) << seed << " " << k;
            missed += found > least + 1e-9;
        }
    }
    EXPECT_LE(missed, 2);
}

TEST(Prototypes, OnlyCategoriesIsKModes) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        Rows rows = kinds(9, seed);
        for (Row& row : rows)
            row.erase(row.begin());
        const Groups groups = {{0, 3}, {3, 4}};
        CountingResource memory;
        const DistinctRows data = distinct(rows, &memory);
        const auto k = static_cast<std::int32_t>(std::min<std::size_t>(2, data.points.size()));
        PrototypesOptions options = with_k(k);
        options.n_init = 40;
        const Model model = train(data, groups, options, &memory);
        EXPECT_EQ(model.gamma, 1);
        EXPECT_NEAR(model.cost, Exhaustive(rows, groups, static_cast<std::size_t>(k), 1).least, 1e-9);
    }
}

TEST(Prototypes, NoCategoryIsKMeans) {
    const Rows elki = {{3, 2}, {2, 5}, {2, 7},   {1, 8},   {2, 9},   {2, 8},  {3, 9},
                       {7, 9}, {6, 2}, {7, 1},   {7, 3},   {7, 2},   {8, 3},  {9, 2},
                       {8, 2}, {8, 1}, {10, 10}, {10, 11}, {11, 10}, {11, 11}};
    EXPECT_NEAR(train(elki, {}, with_k(3)).cost, 54.9333333333333, 1e-9);
    EXPECT_NEAR(train(elki, {}, with_k(4)).cost, 33.4, 1e-9);
}

TEST(Prototypes, AsManyClustersAsDistinctRowsLeaveNothing) {
    const Rows rows = {mixed(1, 0, 0), mixed(1, 0, 1), mixed(1, 1, 1), mixed(2, 1, 1), mixed(2, 1, 1)};
    const Model model = train(rows, kMixed, with_k(4, 0.001));
    EXPECT_EQ(model.cost, 0);
    std::vector<std::int32_t> labels = model.labels;
    std::sort(labels.begin(), labels.end());
    EXPECT_EQ(labels, (std::vector<std::int32_t>{0, 1, 2, 3}));
    EXPECT_EQ(error_code([&] { train(rows, kMixed, with_k(5)); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { train(rows, kMixed, with_k(0)); }), Errc::kInvalidArgument);
}

TEST(Prototypes, GammaWeighsCategoriesAgainstNumbers) {
    // The numbers part the rows one way, the categories the other.
    const Rows rows = {mixed(0, 0, 0), mixed(1, 0, 0), mixed(10, 0, 0),
                       mixed(0, 1, 1), mixed(1, 1, 1), mixed(11, 1, 1)};
    const Model by_category = train(rows, kMixed, with_k(2, 1000));
    const Model by_number = train(rows, kMixed, with_k(2, 0.001));
    EXPECT_NEAR(by_category.cost, 60.666666666666664 + 74, 1e-9);
    EXPECT_NEAR(by_number.cost, 1 + 0.5 + 0.001 * 2 * (2 + 1), 1e-9);
}

TEST(Prototypes, AutomaticGammaIsHalfTheMeanDeviation) {
    // Deviations 2 (divisor n, with multiplicities) and 0.
    Rows rows = {{1, 7, kHalf, 0}, {5, 7, 0, kHalf}, {5, 7, 0, kHalf}, {1, 7, kHalf, 0}};
    EXPECT_DOUBLE_EQ(train(rows, {{2, 2}}, with_k(1)).gamma, 0.5 * (2 + 0) / 2);
    EXPECT_DOUBLE_EQ(train(rows, {{2, 2}}, with_k(1, -3)).gamma, 0.5);
    for (Row& row : rows)
        row[0] = 4;
    EXPECT_EQ(train(rows, {{2, 2}}, with_k(1)).gamma, 1);
}

TEST(Prototypes, TheValueOfLevelsIsTheWeightOfTheColumn) {
    // Twice the value: a mismatch costs four times as much.
    const Model model =
        train({mixed(1, 0, 0, 2 * kHalf), mixed(1, 0, 0, 2 * kHalf), mixed(1, 0, 1, 2 * kHalf)}, kMixed,
              with_k(1, 1));
    EXPECT_NEAR(model.groups[1].mismatch_cost, 4, 1e-12);
    EXPECT_NEAR(model.cost, 4, 1e-12);
}

TEST(Prototypes, ScoringRepeatsTraining) {
    for (bool rounded : {false, true}) {
        CountingResource memory;
        const DistinctRows rows = distinct(kinds(500, 3, rounded), &memory);
        const Model model = train(rows, kMixed, with_k(6, 0, 5), &memory);
        ASSERT_TRUE(model.converged);
        std::vector<double> sums(model.centres.size(), 0.0), weights(6, 0.0), costs(kLanes, 0.0);
        for (std::size_t i = 0; i < rows.points.size(); ++i) {
            const auto label = static_cast<std::size_t>(model.labels[i]);
            weights[label] += rows.weights[i];
            costs[i % kLanes] += rows.weights[i] * model.distances[i];
            for (std::size_t f = 0; f < 8; ++f) {
                const double x = rows.points.at(i, f);
                sums[label * 8 + f] += rows.weights[i] * (f == 0 ? x : x != 0);
            }
        }
        for (std::size_t i = 0; i < sums.size(); ++i) {
            const double mean = sums[i] / weights[i / 8];
            EXPECT_EQ(model.centres[i], i % 8 == 0 ? mean : mean * kHalf) << i;
        }
        double cost = 0;
        for (double lane : costs)
            cost += lane;
        EXPECT_EQ(model.cost, cost);
    }
}

TEST(Prototypes, UnseenLevelsMatchNoMode) {
    const Model model = train({mixed(1, 0, 0), mixed(1, 0, 1), mixed(1, 0, 1)}, kMixed, with_k(1, 3));
    const Row unseen(8, 0.0);
    EXPECT_NEAR(prototype_squared_distance(unseen, model.centres.data(), model.groups, 3), 1 + 3 * 2, 1e-12);
    EXPECT_NEAR(prototype_squared_distance(mixed(3, 0, 1), model.centres.data(), model.groups, 3), 4, 1e-12);
}

TEST(Prototypes, ModesTieToTheLowerLevel) {
    const Model model = train({mixed(1, 0, 3), mixed(1, 0, 1)}, kMixed, with_k(1, 1));
    EXPECT_EQ(mode_of(model.centres.data(), kMixed[1]), 1);
    EXPECT_NEAR(model.cost, 1, 1e-12);
}

TEST(Prototypes, RowOrderDoesNotMatter) {
    Rows rows = kinds(2000, 11, true);
    const Model model = train(rows, kMixed, with_k(5, 0, 3));
    Random random(1);
    for (int round = 0; round < 5; ++round) {
        for (std::size_t i = rows.size(); i > 1; --i)
            std::swap(rows[i - 1], rows[random.below(i)]);
        const Model again = train(rows, kMixed, with_k(5, 0, 3));
        EXPECT_EQ(again.centres, model.centres);
        EXPECT_EQ(again.cost, model.cost);
        EXPECT_EQ(again.labels, model.labels);
    }
}

TEST(Prototypes, LargeInputsComeFromASample) {
    CountingResource memory;
    const DistinctRows data = distinct(kinds(120000, 2), &memory);
    PrototypesOptions options = with_k(3);
    options.n_init = 3;
    const Model model = train(data, kMixed, options, &memory);
    EXPECT_TRUE(model.converged);
    double total = 0;
    std::vector<double> weights(3, 0.0);
    for (std::size_t i = 0; i < data.points.size(); ++i) {
        total += data.weights[i] * model.distances[i];
        weights[static_cast<std::size_t>(model.labels[i])] += data.weights[i];
    }
    EXPECT_NEAR(total, model.cost, 1e-9 * total);
    // The three kinds are found again, each with its own modes.
    for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(weights[c], 40000, 8000);
        EXPECT_EQ(mode_of(&model.centres[c * 8], kMixed[0]), mode_of(&model.centres[c * 8], kMixed[1]));
    }
}

TEST(Prototypes, EmptyClustersAreGivenARow) {
    // With a gamma that underflows every row is as near to the first centre as to its own.
    PrototypesOptions options = with_k(3, 5e-324);
    options.max_iter = 7;
    options.n_init = 1;
    const Model model =
        train({mixed(1, 0, 0, 0.1), mixed(1, 1, 1, 0.1), mixed(1, 2, 2, 0.1)}, kMixed, options);
    EXPECT_EQ(model.relocated, 14);
    EXPECT_EQ(model.iterations, 7);
    EXPECT_FALSE(model.converged);
    // Each row kept a centre of its own.
    for (std::size_t g = 0; g < 2; ++g) {
        std::vector<std::int32_t> modes;
        for (std::size_t c = 0; c < 3; ++c)
            modes.push_back(mode_of(&model.centres[c * 8], kMixed[g]));
        std::sort(modes.begin(), modes.end());
        EXPECT_EQ(modes, (std::vector<std::int32_t>{0, 1, 2}));
    }
}

TEST(Prototypes, RowsThatAreNotOneHotAreErrors) {
    const auto message = [](const Row& row) -> std::string {
        try {
            train({mixed(1, 0, 0), mixed(1, 1, 1), row}, kMixed, with_k(1));
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::kBadData);
            return error.what();
        }
        return "no error";
    };
    Row row = mixed(1, 0, 0);
    row[5] = kHalf;
    EXPECT_EQ(message(row), "features 5 to 8 are not a category: a row has several levels");
    row[4] = row[5] = 0;
    EXPECT_EQ(message(row), "features 5 to 8 are not a category: a row has only zeros");
    row[6] = 1;
    EXPECT_EQ(message(row), "features 5 to 8 are not a category: rows have different values");
    row[6] = -1;
    EXPECT_EQ(message(row), "features 5 to 8 are not a category: a row has a negative value");
    EXPECT_EQ(error_code([] { train({{1e200, 0}, {0, 1e200}}, {{0, 2}}, with_k(1)); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([] { train({{1e300}, {-1e300}}, {}, with_k(1)); }), Errc::kOutOfRange);
}

TEST(Prototypes, GroupsMustBeRangesOfFeatures) {
    const auto check = [](const Groups& groups) { return error_code([&] { validate_groups(groups, 8); }); };
    for (const Groups& groups : std::vector<Groups>{
             {{1, 0}}, {{-1, 2}}, {{6, 3}}, {{1, 3}, {3, 2}}, {{4, 4}, {1, 3}}, {{1, 2147483647}}})
        EXPECT_EQ(check(groups), Errc::kInvalidArgument) << groups[0].first;
    validate_groups(kMixed, 8);
    validate_groups({}, 8);
}

TEST(Prototypes, EveryAllocationMayFail) {
    const Rows rows = kinds(300, 1);
    CountingResource storage;
    const DistinctRows data = distinct(rows, &storage);
    CountingResource counting;
    PrototypesOptions options = with_k(3);
    options.n_init = 2;
    train(data, kMixed, options, &counting);
    EXPECT_EQ(counting.live, 0u);
    for (std::size_t i = 1; i <= counting.allocations; ++i) {
        CountingResource failing;
        failing.fail_at = i;
        EXPECT_THROW(train(data, kMixed, options, &failing), std::bad_alloc) << i;
        EXPECT_EQ(failing.live, 0u) << i;
    }
}

TEST(Prototypes, ThePriceCoversThePeak) {
    for (std::size_t n : {100u, 5000u, 20000u}) {
        CountingResource storage;
        const DistinctRows data = distinct(kinds(n, 1), &storage);
        CountingResource memory;
        PrototypesOptions options = with_k(5);
        options.n_init = 1;
        train(data, kMixed, options, &memory);
        Bill bill;
        price_prototypes(bill, n, 8, kMixed, 5);
        EXPECT_LE(memory.peak, bill.total() + 4096) << n;
        EXPECT_GE(2 * memory.peak, bill.total()) << n;
    }
}

TEST(Prototypes, CancelsAtAnyPoll) {
    CountingResource storage;
    const DistinctRows data = distinct(kinds(20000, 1), &storage);
    CountingResource memory;
    PrototypesOptions options = with_k(8);
    options.n_init = 1;
    for (int polls = 0; polls < 40; ++polls) {
        CancelAfter interrupt(polls);
        EXPECT_THROW(train_prototypes(data, kMixed, options, &memory, interrupt), Cancelled) << polls;
        EXPECT_EQ(memory.live, 0u);
    }
}

}  // namespace
