// Measures of a labelling, against published values and against their definitions.
#include "core/clustering/quality.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "core/base/random.hpp"
#include "core/clustering/quality_kernels.hpp"
#include "core/clustering/quality_state.hpp"
#include "testing.hpp"

namespace seg::core::clustering {
namespace {

using test::CancelAfter;
using test::CountingResource;

using Rows = std::vector<std::vector<double>>;  // features, then the label

struct Labelled {
    explicit Labelled(const Rows& rows) : store(&memory) {
        store.set_width(rows[0].size());
        for (const auto& row : rows)
            store.append(row.data());
    }
    LabelledPoints points() { return LabelledPoints(store, &memory, interrupt); }

    CountingResource memory;
    NoInterrupt interrupt;
    RowStore store;
};

double distance(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t f = 0; f + 1 < a.size(); ++f)
        sum += (a[f] - b[f]) * (a[f] - b[f]);
    return std::sqrt(sum);
}

// By the definition, row by row.
double silhouette_by_definition(const Rows& rows) {
    std::map<double, double> sizes;
    for (const auto& row : rows)
        ++sizes[row.back()];
    double total = 0;
    for (const auto& row : rows) {
        if (sizes[row.back()] == 1)
            continue;
        std::map<double, double> sums;
        for (const auto& other : rows)
            sums[other.back()] += distance(row, other);
        double others = std::numeric_limits<double>::infinity();
        for (const auto& [label, sum] : sums)
            if (label != row.back())
                others = std::min(others, sum / sizes[label]);
        const double own = sums[row.back()] / (sizes[row.back()] - 1);
        if (std::max(own, others) > 0)
            total += (others - own) / std::max(own, others);
    }
    return total / static_cast<double>(rows.size());
}

// The 20 points of ELKI's tests; noise has label 0.
Rows elki() {
    return {{3, 2, 0}, {2, 5, 0}, {2, 7, 1},   {1, 8, 1},   {2, 9, 1},   {2, 8, 1},  {3, 9, 1},
            {7, 9, 0}, {6, 2, 2}, {7, 1, 2},   {7, 3, 2},   {7, 2, 2},   {8, 3, 2},  {9, 2, 2},
            {8, 2, 2}, {8, 1, 2}, {10, 10, 3}, {10, 11, 3}, {11, 10, 3}, {11, 11, 3}};
}

Rows random_rows(std::size_t count, std::size_t dimensions, int labels, std::uint64_t seed) {
    Random random(seed);
    Rows rows(count, std::vector<double>(dimensions + 1));
    for (auto& row : rows) {
        row.back() = static_cast<double>(random.below(static_cast<std::uint64_t>(labels))) - 2;
        for (std::size_t f = 0; f < dimensions; ++f)
            row[f] = random.normal() + (f == 0 ? row.back() : 0.0);
    }
    return rows;
}

TEST(Quality, ElkiWithNoiseAsOneCluster) {
    Labelled labelled(elki());
    LabelledPoints points = labelled.points();
    EXPECT_EQ(points.cluster_count(), 4u);
    EXPECT_NEAR(*points.silhouette(), 0.589897756171037, 1e-14);
    EXPECT_NEAR(*points.simplified_silhouette(), 0.698584394068721, 1e-14);
    EXPECT_NEAR(points.inertia(), 55.4666666666667, 1e-12);
    EXPECT_NEAR(*points.calinski_harabasz(), 40.7195512820513, 1e-12);
    EXPECT_NEAR(*points.davies_bouldin(), 0.972797120534452, 1e-14);
}

TEST(Quality, ElkiWithNoiseAlone) {
    Rows rows = elki();
    double label = -1;
    for (auto& row : rows)
        if (row.back() == 0)
            row.back() = label--;
    Labelled labelled(rows);
    LabelledPoints points = labelled.points();
    EXPECT_EQ(points.cluster_count(), 6u);
    EXPECT_NEAR(*points.silhouette(), 0.520636492550455, 1e-14);
    EXPECT_NEAR(points.inertia(), 16.8, 1e-13);
    EXPECT_NEAR(*points.calinski_harabasz(), 77.025, 1e-11);
    EXPECT_NEAR(*points.davies_bouldin(), 0.235983288987715, 1e-14);
}

TEST(Quality, SilhouetteIsItsDefinition) {
    for (const auto& [count, dimensions, labels] :
         {std::tuple{6u, 1u, 2}, {17u, 1u, 3}, {100u, 3u, 4}, {700u, 2u, 2}, {3000u, 5u, 3}, {60u, 2u, 50}}) {
        const Rows rows = random_rows(count, dimensions, labels, count);
        Labelled labelled(rows);
        EXPECT_NEAR(labelled.points().silhouette().value_or(0), silhouette_by_definition(rows), 1e-12)
            << count;
    }
}

TEST(Quality, EqualRowsWeighAsMany) {
    Rows rows = random_rows(300, 2, 3, 5);
    for (auto& row : rows)
        for (std::size_t f = 0; f < 2; ++f)
            row[f] = std::round(2 * row[f]);  // few different values, some of them in several clusters
    Labelled labelled(rows);
    EXPECT_NEAR(*labelled.points().silhouette(), silhouette_by_definition(rows), 1e-12);
}

TEST(Quality, OrderDoesNotMatter) {
    Rows rows = random_rows(2000, 3, 5, 9);
    Labelled first(rows);
    Random random(1);
    for (std::size_t i = rows.size(); i > 1; --i)
        std::swap(rows[i - 1], rows[random.below(i)]);
    Labelled second(rows);
    LabelledPoints a = first.points();
    LabelledPoints b = second.points();
    EXPECT_EQ(a.silhouette(), b.silhouette());
    EXPECT_EQ(a.simplified_silhouette(), b.simplified_silhouette());
    EXPECT_EQ(a.calinski_harabasz(), b.calinski_harabasz());
    EXPECT_EQ(a.davies_bouldin(), b.davies_bouldin());
    EXPECT_EQ(a.inertia(), b.inertia());
}

TEST(Quality, WhereMeasuresAreNotDefined) {
    Labelled one({{1, 7}, {2, 7}, {4, 7}});
    LabelledPoints points = one.points();
    EXPECT_EQ(points.silhouette(), std::nullopt);
    EXPECT_EQ(points.simplified_silhouette(), std::nullopt);
    EXPECT_EQ(points.calinski_harabasz(), std::nullopt);
    EXPECT_EQ(points.davies_bouldin(), std::nullopt);
    EXPECT_NEAR(points.inertia(), 14.0 / 3, 1e-14);

    Labelled alone({{1, 1}, {2, 2}, {4, 3}});
    LabelledPoints single = alone.points();
    EXPECT_EQ(single.silhouette(), 0.0);
    EXPECT_EQ(single.simplified_silhouette(), 0.0);
    EXPECT_EQ(single.calinski_harabasz(), std::nullopt);
    EXPECT_EQ(single.davies_bouldin(), 0.0);
    EXPECT_EQ(single.inertia(), 0.0);
}

TEST(Quality, CoincidingClusters) {
    Labelled apart({{1, 1}, {1, 1}, {5, 2}, {5, 2}});
    LabelledPoints points = apart.points();
    EXPECT_EQ(points.silhouette(), 1.0);
    EXPECT_EQ(points.calinski_harabasz(), std::numeric_limits<double>::infinity());
    EXPECT_EQ(points.davies_bouldin(), 0.0);

    Labelled together({{1, 1}, {1, 1}, {1, 2}, {1, 2}});
    LabelledPoints same = together.points();
    EXPECT_EQ(same.silhouette(), 0.0);
    EXPECT_EQ(same.simplified_silhouette(), 0.0);
    EXPECT_EQ(same.calinski_harabasz(), std::nullopt);
    EXPECT_EQ(same.davies_bouldin(), std::numeric_limits<double>::infinity());
}

TEST(Quality, FarFromZero) {
    Rows rows = elki();
    for (auto& row : rows)
        for (std::size_t f = 0; f < 2; ++f)
            row[f] += 1e9;
    Labelled labelled(rows);
    LabelledPoints points = labelled.points();
    EXPECT_NEAR(*points.silhouette(), 0.589897756171037, 1e-9);
    EXPECT_NEAR(points.inertia(), 55.4666666666667, 1e-5);
}

TEST(Quality, MemoryIsLinearAndGivenBack) {
    Labelled labelled(random_rows(4000, 2, 4, 3));
    const std::size_t before = labelled.memory.live;
    {
        LabelledPoints points = labelled.points();
        labelled.memory.peak = before;
        points.silhouette();
        EXPECT_LT(labelled.memory.peak - before, LabelledPoints::price(labelled.store.size(), 2).total());
    }
    EXPECT_EQ(labelled.memory.live, before);
}

TEST(Quality, ManySinglesTakeNoMoreRoom) {
    Rows rows;
    for (int i = 0; i < 3000; ++i)
        rows.push_back({i * 1.5, static_cast<double>(i)});
    rows.push_back({0.25, 0});
    Labelled labelled(rows);
    labelled.memory.peak = 0;
    LabelledPoints points = labelled.points();
    // Of all rows only 0 and 0.25 are not alone; next to them is 1.5.
    EXPECT_NEAR(*points.silhouette(), ((1.5 - 0.25) / 1.5 + (1.25 - 0.25) / 1.25) / 3001, 1e-15);
    EXPECT_LT(labelled.memory.peak, 3001u * 200);
}

TEST(Quality, Cancels) {
    Labelled labelled(random_rows(6000, 2, 3, 4));
    CancelAfter early(3);
    EXPECT_THROW(LabelledPoints(labelled.store, &labelled.memory, early).silhouette(), test::Cancelled);
}

TEST(QualityKernels, EveryVariantGivesTheSameBits) {
    Random random(11);
    for (std::size_t d : {1u, 2u, 3u, 8u, 19u}) {
        const std::size_t blocks = 5;
        std::vector<double> points(blocks * kLanes * d), weights(blocks * kLanes), queries(4 * d);
        for (auto* values : {&points, &weights, &queries})
            for (double& value : *values)
                value = random.normal() * std::exp(random.normal());
        const double query_weights[4] = {1, 2, 0, 7};
        std::vector<double> sums[2], others[2], least[2];
        const QualityKernels* variants[2] = {&quality_kernels(), &baseline_quality_kernels()};
        for (int v = 0; v < 2; ++v) {
            sums[v].assign(4 * kLanes, 0.5);
            others[v].assign(blocks * kLanes, 0.25);
            least[v].assign(blocks * kLanes, 1.0);
            variants[v]->distance_sums(queries.data(), query_weights, points.data(), blocks, d,
                                       weights.data(), sums[v].data(), others[v].data());
            variants[v]->least(points.data(), blocks, d, queries.data(), 4, least[v].data());
        }
        EXPECT_EQ(sums[0], sums[1]);
        EXPECT_EQ(others[0], others[1]);
        EXPECT_EQ(least[0], least[1]);
    }
}

TEST(LabelledState, RoundTripAndMerge) {
    CountingResource memory;
    NoInterrupt interrupt;
    LabelledState a(&memory, LabelOrigin{}), b(&memory, LabelOrigin{});
    a.add(std::vector{1.0, 2.0}, -7);
    b.add(std::vector{3.0, -0.0}, 2'000'000'000);
    b.skip();
    std::vector<std::byte> image(b.image_size());
    b.write_image(image, interrupt);
    const auto body = std::span<const std::byte>(image).subspan(LabelledState::kSlot);
    EXPECT_EQ(LabelledState::read_options(body, interrupt), LabelOrigin{});
    a.merge_body(body, interrupt);
    a.merge(b, interrupt);
    EXPECT_EQ(a.rows().size(), 3u);
    EXPECT_EQ(a.skipped(), 2);
    EXPECT_EQ(a.dimensions(), 2u);
    EXPECT_EQ(seg::test::row_of(a.rows(), 2)[2], 2e9);
}

TEST(LabelledState, RefusesWhatDoesNotFit) {
    CountingResource memory;
    NoInterrupt interrupt;
    LabelledState state(&memory, LabelOrigin{});
    const double infinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(test::error_code([&] { state.add({}, 1); }), Errc::kArrayShape);
    EXPECT_EQ(test::error_code([&] { state.add(std::vector{1.0, infinity}, 1); }), Errc::kBadData);
    EXPECT_EQ(test::error_code([&] { state.add(std::vector{1.0, 1e141}, 1); }), Errc::kOutOfRange);
    state.add(std::vector{1.0, 2.0}, 1);
    EXPECT_EQ(test::error_code([&] { state.add(std::vector{1.0}, 1); }), Errc::kArrayShape);
    LabelledState other(&memory, LabelOrigin{5});
    EXPECT_EQ(test::error_code([&] { state.merge(other, interrupt); }), Errc::kInvalidArgument);
}

// Each byte set to something else is refused or gives a state that reads the same again.
TEST(LabelledState, MalformedBytes) {
    CountingResource memory;
    NoInterrupt interrupt;
    LabelledState state(&memory, LabelOrigin{});
    state.add(std::vector{1.0, 2.0}, 3);
    std::vector<std::byte> image(state.image_size());
    state.write_image(image, interrupt);
    int refused = 0;
    for (std::size_t at = LabelledState::kSlot; at < image.size(); ++at) {
        for (int value : {0x00, 0x01, 0x7f, 0xff}) {
            std::vector<std::byte> copy = image;
            copy[at] = static_cast<std::byte>(value);
            const auto body = std::span<const std::byte>(copy).subspan(LabelledState::kSlot);
            try {
                LabelledState read(&memory, LabelledState::read_options(body, interrupt));
                read.merge_body(body, interrupt);
                EXPECT_EQ(read.rows().size(), 1u);
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Errc::kBadBinary);
                ++refused;
            }
        }
    }
    EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace seg::core::clustering
