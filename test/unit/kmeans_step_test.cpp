#include "core/clustering/kmeans_step.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "core/clustering/nearest_two.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clustering;
using seg::test::CountingResource;
using seg::test::error_code;

using Rows = std::vector<std::vector<double>>;

// A model's image, aligned as the server keeps it.
struct Image {
    std::vector<std::uint64_t> words;
    std::size_t size = 0;

    std::span<std::byte> bytes() { return {reinterpret_cast<std::byte*>(words.data()), size}; }
    std::span<const std::byte> view() const {
        return {reinterpret_cast<const std::byte*>(words.data()), size};
    }
};

Image image_of(const ClusteringParts& parts) {
    Image image;
    image.size = parts.image_size();
    image.words.assign((image.size + 7) / 8, 0);
    write_clustering(parts, image.bytes());
    return image;
}

struct Model {
    TrainingFacts facts;
    std::vector<double> shift, scale, centres, zeros, weights;
    std::vector<std::int64_t> sizes;

    explicit Model(const Rows& rows) {
        facts.options.k = static_cast<std::int32_t>(rows.size());
        facts.options.tol = 0;
        facts.options.gamma = 0;
        facts.dimensions = static_cast<std::int32_t>(rows[0].size());
        facts.rows = facts.sampled_rows = facts.distinct_rows = facts.options.k;
        facts.weight = facts.options.k;
        shift.assign(rows[0].size(), 0);
        scale.assign(rows[0].size(), 1);
        for (const auto& row : rows)
            centres.insert(centres.end(), row.begin(), row.end());
        zeros.assign(rows.size(), 0);
        weights.assign(rows.size(), 1);
        sizes.assign(rows.size(), 1);
    }
    Image image() const {
        return image_of(
            {facts, shift, scale, centres, zeros, zeros, zeros, zeros, zeros, weights, sizes, {}, {}});
    }
};

Rows random_rows(std::size_t n, std::size_t d, unsigned seed) {
    std::mt19937_64 random(seed);
    Rows rows(n, std::vector<double>(d));
    for (auto& row : rows)
        for (double& value : row)
            value =
                std::ldexp(static_cast<double>(random() % 100000) - 50000, -static_cast<int>(random() % 40));
    return rows;
}

void add_all(KmeansStep& step, const Rows& rows) {
    for (const auto& row : rows)
        step.add(row);
}

Image after(const KmeansStep& step) {
    CountingResource memory;
    NoInterrupt interrupt;
    return image_of(step.result(&memory, interrupt).parts(step.model()));
}

bool same(const Image& a, const Image& b) {
    return a.size == b.size && std::memcmp(a.words.data(), b.words.data(), a.size) == 0;
}

// What the state of these bytes has.
Image external(const KmeansStep& step) {
    NoInterrupt interrupt;
    Image image;
    image.size = step.image_size(interrupt);
    image.words.assign((image.size + 7) / 8, 0);
    step.write_image(image.bytes(), interrupt);
    return image;
}

TEST(KmeansStep, MovesCentresToMeans) {
    CountingResource memory;
    const Image model = Model({{0, 0}, {10, 0}}).image();
    KmeansStep step(&memory, {model.view(), true});
    add_all(step, {{0, 2}, {2, 2}, {10, 0}, {10, 6}, {13, 0}});
    step.skip();
    const Image image = after(step);
    const ClusteringView moved(image.view());
    EXPECT_EQ(moved.centre(1)[0], 1);
    EXPECT_EQ(moved.centre(1)[1], 2);
    EXPECT_EQ(moved.centre(2)[0], 11);
    EXPECT_EQ(moved.centre(2)[1], 2);
    EXPECT_EQ(moved.size(1), 2);
    EXPECT_EQ(moved.size(2), 3);
    EXPECT_EQ(moved.facts().rows, 5);
    EXPECT_EQ(moved.facts().skipped, 1);
    EXPECT_EQ(moved.facts().iterations, 1);
    EXPECT_TRUE(moved.facts().refined);
    EXPECT_FALSE(moved.facts().converged);
    // Of the rows under the centres as they were.
    EXPECT_EQ(moved.within_ss(1), 4 + 8);
    EXPECT_EQ(moved.within_ss(2), 0 + 36 + 9);
    EXPECT_EQ(moved.facts().inertia, 57);
}

TEST(KmeansStep, MeasuresWithoutMoving) {
    CountingResource memory;
    const Image model = Model({{1, 2}, {11, 2}}).image();
    KmeansStep step(&memory, {model.view(), false});
    const Rows rows = {{0, 2}, {2, 2}, {10, 0}, {10, 6}, {13, 0}};
    add_all(step, rows);
    const Image image = after(step);
    const ClusteringView measured(image.view());
    EXPECT_EQ(measured.centre(2)[0], 11);
    EXPECT_EQ(measured.within_ss(1), 2);
    EXPECT_EQ(measured.within_ss(2), 5 + 17 + 8);
    EXPECT_EQ(measured.radius(2), std::sqrt(17.0));
    EXPECT_DOUBLE_EQ(measured.scatter(2), (std::sqrt(5.0) + std::sqrt(17.0) + std::sqrt(8.0)) / 3);
    double silhouette = 0;
    double total = 0;
    for (const auto& row : rows) {
        const TwoNearest two = measured.two_nearest(row);
        if (two.first.cluster == 1)
            silhouette += 1 - std::sqrt(two.first.squared_distance) / std::sqrt(two.second.squared_distance);
        total += (row[0] - 7) * (row[0] - 7) + (row[1] - 2) * (row[1] - 2);
    }
    EXPECT_DOUBLE_EQ(measured.silhouette(1), silhouette / 2);
    EXPECT_DOUBLE_EQ(measured.facts().total_ss, total);
    EXPECT_FALSE(measured.facts().refined);
}

TEST(KmeansStep, ConvergesWhereLloydDoes) {
    CountingResource memory;
    const Rows rows = random_rows(500, 3, 1);
    Image model = Model({rows[0], rows[1], rows[2], rows[3]}).image();
    double last = INFINITY;
    int passes = 0;
    for (bool converged = false; !converged; ++passes) {
        ASSERT_LT(passes, 200);
        KmeansStep step(&memory, {model.view(), true});
        add_all(step, rows);
        model = after(step);
        const ClusteringView view(model.view());
        EXPECT_LE(view.facts().inertia, last * (1 + 1e-12));
        last = view.facts().inertia;
        converged = view.facts().converged;
    }
    KmeansStep measure(&memory, {model.view(), false});
    add_all(measure, rows);
    const Image final_image = after(measure);
    const ClusteringView end(final_image.view());
    // Every centre is the mean of the rows that scoring gives it.
    for (std::int32_t c = 1; c <= 4; ++c) {
        long double sum = 0;
        std::int64_t count = 0;
        for (const auto& row : rows)
            if (end.nearest(row).cluster == c) {
                sum += row[0];
                ++count;
            }
        EXPECT_EQ(count, end.size(c));
        EXPECT_NEAR(end.centre(c)[0], static_cast<double>(sum / count), 1e-9);
    }
}

TEST(KmeansStep, OrderAndSplitDoNotShow) {
    CountingResource memory;
    NoInterrupt interrupt;
    Rows rows = random_rows(1000, 4, 2);
    rows[7] = {1e140, -1e140, 1e-300, 3};
    const Image model = Model({rows[0], rows[1], rows[2]}).image();
    for (const bool move : {true, false}) {
        KmeansStep all(&memory, {model.view(), move});
        add_all(all, rows);
        const Image expected = after(all);
        std::shuffle(rows.begin(), rows.end(), std::mt19937_64(3));
        KmeansStep first(&memory, {model.view(), move});
        KmeansStep second(&memory, {model.view(), move});
        for (std::size_t i = 0; i < rows.size(); ++i)
            (i % 3 == 0 ? first : second).add(rows[i]);
        const Image bytes = external(second);
        const auto body = bytes.view().subspan(KmeansStep::kSlot);
        KmeansStep merged(&memory, KmeansStep::read_options(body, interrupt));
        merged.merge_body(body, interrupt);
        merged.merge(first, interrupt);
        EXPECT_TRUE(same(after(merged), expected));
        EXPECT_TRUE(same(external(merged), external(all)));
    }
}

TEST(KmeansStep, EmptyClusterStays) {
    CountingResource memory;
    const Image model = Model({{0}, {100}}).image();
    KmeansStep step(&memory, {model.view(), true});
    add_all(step, {{1}, {2}, {3}});
    const Image image = after(step);
    const ClusteringView moved(image.view());
    EXPECT_EQ(moved.centre(1)[0], 2);
    EXPECT_EQ(moved.centre(2)[0], 100);
    EXPECT_EQ(moved.size(2), 0);
    EXPECT_EQ(moved.silhouette(2), 0);
}

TEST(KmeansStep, FewerRowsThanClusters) {
    CountingResource memory;
    const Image model = Model({{0}, {100}, {200}}).image();
    KmeansStep step(&memory, {model.view(), false});
    add_all(step, {{90}});
    const Image image = after(step);
    EXPECT_NO_THROW(ClusteringView::validate(image.view().subspan(ClusteringView::kSlot)));
    const ClusteringView measured(image.view());
    EXPECT_EQ(measured.size(2), 1);
    EXPECT_EQ(measured.facts().rows, 1);
    EXPECT_EQ(measured.facts().total_ss, 0);
}

TEST(KmeansStep, CosineCentresKeepLengthOne) {
    CountingResource memory;
    Model parts({{1, 0}, {0, 1}});
    parts.facts.options.measure = Measure::kCosine;
    const Image model = parts.image();
    KmeansStep step(&memory, {model.view(), true});
    add_all(step, {{5, 0}, {3, 4}, {0, 0.1}, {-0.3, 0.4}});
    const Image image = after(step);
    const ClusteringView moved(image.view());
    for (std::int32_t c : {1, 2})
        EXPECT_DOUBLE_EQ(moved.centre(c)[0] * moved.centre(c)[0] + moved.centre(c)[1] * moved.centre(c)[1],
                         1);
    EXPECT_DOUBLE_EQ(moved.centre(1)[0] / moved.centre(1)[1], 1.0 / 0.0);
    EXPECT_LT(moved.centre(2)[0], moved.centre(2)[1]);
}

TEST(KmeansStep, Refuses) {
    CountingResource memory;
    NoInterrupt interrupt;
    const Image model = Model({{0, 0}, {10, 0}}).image();
    const Image other = Model({{0, 0}, {10, 1}}).image();
    KmeansStep step(&memory, {model.view(), true});
    KmeansStep different(&memory, {other.view(), true});
    EXPECT_EQ(error_code([&] { step.merge(different, interrupt); }), Errc::kInvalidArgument);
    KmeansStep measuring(&memory, {model.view(), false});
    EXPECT_EQ(error_code([&] { step.merge(measuring, interrupt); }), Errc::kInvalidArgument);
    const std::vector<double> short_row = {1};
    EXPECT_EQ(error_code([&] { step.add(short_row); }), Errc::kArrayShape);
    const std::vector<double> nan_row = {1, NAN};
    EXPECT_EQ(error_code([&] { step.add(nan_row); }), Errc::kBadData);
    Model weighted({{0, 0}, {10, 0}});
    weighted.facts.options.weighted = true;
    const Image weighted_image = weighted.image();
    EXPECT_EQ(error_code([&] {
                  KmeansStep(&memory, {weighted_image.view(), true});
              }),
              Errc::kInvalidArgument);
}

// Near its own centre, but too far from the mean of all.
TEST(KmeansStep, RowsTooFarAwayAreRefused) {
    CountingResource memory;
    NoInterrupt interrupt;
    const Image model = Model({{1e200}, {0}}).image();
    KmeansStep step(&memory, {model.view(), true});
    EXPECT_EQ(error_code([&] { step.add(std::vector{1e200}); }), Errc::kOutOfRange);
    EXPECT_EQ(step.rows(), 0);
    EXPECT_NO_THROW(KmeansStep::read_options(external(step).view().subspan(4), interrupt));
}

TEST(KmeansStep, MalformedBytesAreRefused) {
    CountingResource memory;
    NoInterrupt interrupt;
    const Image model = Model({{0.5, 0}, {10, 0}}).image();
    KmeansStep step(&memory, {model.view(), true});
    add_all(step, random_rows(50, 2, 5));
    const Image good = external(step);
    EXPECT_NO_THROW(KmeansStep::read_options(good.view().subspan(4), interrupt));
    int refused = 0;
    for (std::size_t i = 4; i < good.size; ++i) {
        Image bad = good;
        bad.bytes()[i] ^= std::byte{0x81};
        try {
            const auto body = bad.view().subspan(4);
            KmeansStep state(&memory, KmeansStep::read_options(body, interrupt));
            state.merge_body(body, interrupt);
        } catch (const Error& error) {
            EXPECT_TRUE(error.code() == Errc::kBadBinary || error.code() == Errc::kInvalidArgument ||
                        error.code() == Errc::kOutOfRange)
                << error.what();
            ++refused;
        }
    }
    EXPECT_GT(refused, 50);
    for (std::size_t size = 4; size < good.size; size += 5)
        EXPECT_EQ(error_code([&] { KmeansStep::read_options(good.view().subspan(4, size - 4), interrupt); }),
                  Errc::kBadBinary);
}

// What no rows add up to, though every field on its own may be.
TEST(KmeansStep, ImpossibleSumsAreRefused) {
    CountingResource memory;
    NoInterrupt interrupt;
    const Image model = Model({{0, 0}, {10, 0}}).image();
    KmeansStep step(&memory, {model.view(), true});
    add_all(step, {{1, 0}, {11, 0}});
    const Image good = external(step);
    const auto code = [&](Image bad) {
        return error_code([&] { KmeansStep::read_options(bad.view().subspan(4), interrupt); });
    };
    const auto with_sizes = [&](std::int64_t first, std::int64_t second) {
        Image image = good;
        const std::int64_t sizes[] = {first, second};
        std::memcpy(image.bytes().data() + KmeansStep::kHeaderSize + model.size, sizes, sizeof sizes);
        return image;
    };
    constexpr std::int64_t kHalf = std::int64_t{1} << 52;
    EXPECT_EQ(code(with_sizes(kHalf, kHalf + 1)), Errc::kBadBinary);
    EXPECT_EQ(code(with_sizes(INT64_MAX, 0)), Errc::kBadBinary);
    const Image full = with_sizes(kHalf, kHalf);
    KmeansStep most(&memory, KmeansStep::read_options(full.view().subspan(4), interrupt));
    most.merge_body(full.view().subspan(4), interrupt);
    EXPECT_EQ(most.rows(), 2 * kHalf);
    EXPECT_EQ(error_code([&] { most.merge_body(good.view().subspan(4), interrupt); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([&] { most.merge(step, interrupt); }), Errc::kOutOfRange);

    Image negative = good;  // the sum of squares is the last one
    negative.bytes().back() ^= std::byte{0x80};
    EXPECT_EQ(code(negative), Errc::kBadBinary);
    Image weighted = good;
    weighted.bytes()[KmeansStep::kHeaderSize + 6] |= std::byte{8};
    EXPECT_EQ(code(weighted), Errc::kBadBinary);
}

TEST(KmeansStep, NumbersClusters) {
    CountingResource memory;
    Model parts({{5, 1}, {3, 2}, {4, 3}});
    parts.facts.rows = parts.facts.sampled_rows = 6;
    parts.sizes = {1, 2, 3};
    const Image by_size = parts.image();
    const ClusteringView model(by_size.view());
    const OrderedModel order = ordered(model, &memory);
    ASSERT_EQ(order.numbers.size(), 3u);
    const Image image = image_of(order.parts(model));
    const ClusteringView numbered(image.view());
    EXPECT_EQ(numbered.centre(1)[0], 4);
    EXPECT_EQ(numbered.size(1), 3);
    EXPECT_EQ(numbered.centre(3)[1], 1);
    EXPECT_TRUE(ordered(numbered, &memory).numbers.empty());
    parts.facts.options.order_by = -1;
    const Image by_feature = parts.image();
    const ClusteringView descending(by_feature.view());
    const OrderedModel feature_order = ordered(descending, &memory);
    const Image feature_image = image_of(feature_order.parts(descending));
    EXPECT_EQ(ClusteringView(feature_image.view()).centre(1)[0], 5);
    EXPECT_EQ(ClusteringView(feature_image.view()).centre(2)[0], 4);
}

bool same(const Nearest& a, const Nearest& b) {
    return a.cluster == b.cluster && std::memcmp(&a.squared_distance, &b.squared_distance, 8) == 0;
}

TEST(NearestTwo, IsTwoNearest) {
    CountingResource memory;
    const Rows rows = random_rows(300, 5, 7);
    for (const std::size_t k : {1, 2, 7, 8, 9, 20})
        for (const int kind : {0, 1, 2, 3}) {
            Rows centres(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(k));
            centres.back() = centres.front();  // ties
            Model parts(centres);
            if (kind == 1)
                parts.shift[2] = 17;
            if (kind == 2)
                parts.facts.options.measure = Measure::kCosine;
            if (kind == 3)
                parts.zeros[0] = 5;
            const Image image = parts.image();
            const ClusteringView model(image.view());
            NearestTwo two(model, &memory);
            for (const auto& row : rows) {
                const TwoNearest expected = model.two_nearest(row);
                const TwoNearest found = two.find(row);
                EXPECT_TRUE(same(found.first, expected.first)) << k << " " << kind;
                EXPECT_TRUE(same(found.second, expected.second)) << k << " " << kind;
            }
        }
}

TEST(NearestTwo, RefusesWhatTheModelRefuses) {
    CountingResource memory;
    const Image image = Model({{0, 0}, {10, 0}}).image();
    const ClusteringView model(image.view());
    NearestTwo two(model, &memory);
    const std::vector<double> nan_row = {1, NAN};
    const std::vector<double> far_row = {1e200, 0};
    EXPECT_EQ(error_code([&] { two.find(nan_row); }), Errc::kBadData);
    EXPECT_EQ(error_code([&] { two.find(far_row); }), Errc::kOutOfRange);
}

}  // namespace
