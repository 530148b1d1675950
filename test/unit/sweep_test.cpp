// The sweep over numbers of clusters, and the choice among them.
#include "core/clustering/sweep.hpp"

#include <cmath>
#include <numbers>
#include <vector>

#include "core/base/random.hpp"
#include "core/clustering/sweep_state.hpp"
#include "testing.hpp"

namespace seg::core::clustering {
namespace {

using test::CancelAfter;
using test::CountingResource;

using Rows = std::vector<std::vector<double>>;

// Spherical Gaussians of variance 1 whose centres are at least `apart` from each other.
Rows blobs(std::size_t k, std::size_t dimensions, double apart, bool unequal, std::uint64_t seed) {
    Random random(seed);
    Rows centres;
    double width = 2 * apart;
    const auto is_far = [&](const std::vector<double>& centre) {
        for (const auto& other : centres) {
            double sum = 0;
            for (std::size_t f = 0; f < dimensions; ++f)
                sum += (centre[f] - other[f]) * (centre[f] - other[f]);
            if (sum < apart * apart)
                return false;
        }
        return true;
    };
    while (centres.size() < k) {
        std::vector<double> centre(dimensions);
        for (double& value : centre)
            value = width * random.uniform();
        if (is_far(centre))
            centres.push_back(centre);
        width *= 1.01;
    }
    Rows rows;
    for (std::size_t c = 0; c < k; ++c) {
        const std::size_t size = unequal ? 200 / (c + 1) + 30 : 100;
        for (std::size_t i = 0; i < size; ++i) {
            rows.push_back(centres[c]);
            for (double& value : rows.back())
                value += random.normal();
        }
    }
    return rows;
}

Rows noise(std::size_t count, std::size_t dimensions, std::uint64_t seed) {
    Random random(seed);
    Rows rows(count, std::vector<double>(dimensions));
    for (auto& row : rows)
        for (double& value : row)
            value = random.uniform();
    return rows;
}

SweepOptions options_for(std::int32_t k_min, std::int32_t k_max) {
    SweepOptions options;
    options.k_min = k_min;
    options.k_max = k_max;
    options.kmeans.k = k_max;
    return options;
}

std::vector<KmeansQuality> sweep(const Rows& rows, const SweepOptions& options) {
    CountingResource memory;
    NoInterrupt interrupt;
    RowStore store(&memory);
    store.set_width(rows[0].size());
    for (const auto& row : rows)
        store.append(row.data());
    const GatheredRows gathered = {{store, {}}, static_cast<std::int64_t>(rows.size()), 0};
    const Vector<KmeansQuality> result =
        sweep_kmeans(gathered, options, std::numeric_limits<std::uint64_t>::max(), &memory, interrupt);
    return {result.begin(), result.end()};
}

std::int32_t chosen(const Rows& rows) {
    SweepOptions options = options_for(1, 10);
    options.references = 5;  // enough here, and sanitizers are slow
    options.replicates = 3;
    options.kmeans.n_init = 3;
    return choose_k(sweep(rows, options))->k;
}

bool same_bits(const std::vector<KmeansQuality>& a, const std::vector<KmeansQuality>& b) {
    const auto same = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
    if (a.size() != b.size())
        return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i].k != b[i].k || !same(a[i].inertia, b[i].inertia) ||
            !same(a[i].silhouette, b[i].silhouette) ||
            !same(a[i].calinski_harabasz, b[i].calinski_harabasz) ||
            !same(a[i].davies_bouldin, b[i].davies_bouldin) || !same(a[i].bic, b[i].bic) ||
            !same(a[i].gap, b[i].gap) || !same(a[i].gap_error, b[i].gap_error) ||
            !same(a[i].stability, b[i].stability))
            return false;
    return true;
}

Rows shuffled(Rows rows, std::uint64_t seed) {
    Random random(seed);
    for (std::size_t i = rows.size(); i > 1; --i)
        std::swap(rows[i - 1], rows[random.below(i)]);
    return rows;
}

// Values from the definition, as scikit-learn's adjusted_rand_score gives them.
TEST(AdjustedRandIndex, KnownValues) {
    CountingResource memory;
    const auto index = [&](std::vector<std::int32_t> a, std::vector<std::int32_t> b) {
        return adjusted_rand_index(a, b, &memory);
    };
    EXPECT_EQ(index({0, 0, 1, 1}, {1, 1, 0, 0}), 1.0);
    EXPECT_NEAR(index({0, 0, 1, 1}, {0, 1, 0, 1}), -0.5, 1e-15);
    EXPECT_NEAR(index({0, 0, 1, 2}, {0, 0, 1, 1}), 4.0 / 7, 1e-15);
    EXPECT_NEAR(index({0, 0, 1, 1}, {0, 0, 1, 2}), 4.0 / 7, 1e-15);
    EXPECT_EQ(index({0, 0, 0}, {0, 0, 0}), 1.0);
    EXPECT_EQ(index({0, 0, 0, 0}, {0, 1, 2, 3}), 0.0);
    EXPECT_EQ(memory.live, 0u);
}

TEST(Sweep, MeasuresOfFourRows) {
    const auto quality = sweep({{0}, {2}, {10}, {12}}, options_for(1, 6));
    ASSERT_EQ(quality.size(), 4u);  // there are no more distinct rows
    EXPECT_EQ(quality[0].k, 1);
    EXPECT_EQ(quality[0].inertia, 104.0);
    EXPECT_TRUE(std::isnan(quality[0].silhouette));
    EXPECT_TRUE(std::isnan(quality[0].calinski_harabasz));
    EXPECT_TRUE(std::isnan(quality[0].davies_bouldin));
    EXPECT_TRUE(std::isnan(quality[0].stability));
    EXPECT_EQ(quality[1].inertia, 4.0);
    EXPECT_NEAR(quality[1].silhouette, (9.0 / 11 + 7.0 / 9) / 2, 1e-15);
    EXPECT_EQ(quality[1].calinski_harabasz, 50.0);
    EXPECT_EQ(quality[1].davies_bouldin, 0.2);
    const double likelihood = 4 * std::log(0.5) - 2 * std::log(2 * std::numbers::pi * 2) - 1;
    EXPECT_NEAR(quality[1].bic, likelihood - 2 * std::log(4.0), 1e-12);
    EXPECT_EQ(quality[3].inertia, 0.0);
    EXPECT_TRUE(std::isnan(quality[3].bic));
    EXPECT_TRUE(std::isnan(quality[3].gap));
}

TEST(Sweep, OrderDoesNotMatter) {
    SweepOptions options = options_for(1, 5);
    const Rows rows = blobs(3, 2, 6, true, 5);
    EXPECT_TRUE(same_bits(sweep(rows, options), sweep(shuffled(rows, 2), options)));
    options.train_rows = 150;  // samples, too
    options.sample = 120;
    const auto sampled = sweep(rows, options);
    EXPECT_TRUE(same_bits(sampled, sweep(shuffled(rows, 3), options)));
    EXPECT_FALSE(same_bits(sampled, sweep(rows, options_for(1, 5))));
}

TEST(Sweep, SampleStandsForAllRows) {
    const Rows rows = blobs(3, 2, 8, false, 6);
    SweepOptions options = options_for(3, 3);
    const KmeansQuality all = sweep(rows, options)[0];
    options.train_rows = 150;
    const KmeansQuality sampled = sweep(rows, options)[0];
    EXPECT_NEAR(sampled.inertia / all.inertia, 1.0, 0.2);
    EXPECT_NEAR(sampled.calinski_harabasz / all.calinski_harabasz, 1.0, 0.2);
    EXPECT_NEAR(sampled.bic / all.bic, 1.0, 0.1);
    EXPECT_NE(sampled.inertia, all.inertia);
}

// A row that makes up half of the table makes up half of the sample.
TEST(Sweep, SampleKeepsFrequentRows) {
    Rows rows = noise(200, 1, 4);
    rows.insert(rows.end(), 200, {50.0});
    SweepOptions options = options_for(1, 2);
    options.train_rows = 100;
    const auto quality = sweep(rows, options);
    EXPECT_NEAR(quality[0].inertia / (100 * 49.5 * 49.5), 1.0, 0.02);
    EXPECT_LT(quality[1].inertia, 30.0);
}

TEST(Sweep, FindsSeparatedBlobs) {
    for (std::size_t k : {1u, 2u, 3u, 5u, 8u})
        for (std::size_t dimensions : {2u, 8u})
            for (bool unequal : {false, true})
                EXPECT_EQ(chosen(blobs(k, dimensions, 9, unequal, 10 * k + dimensions)),
                          static_cast<std::int32_t>(k))
                    << dimensions << unequal;
}

TEST(Sweep, NoiseIsOneCluster) {
    for (std::size_t dimensions : {2u, 8u})
        for (std::uint64_t seed : {1u, 2u, 3u})
            EXPECT_EQ(chosen(noise(400, dimensions, seed)), 1) << dimensions;
}

TEST(Sweep, WithoutRepetitions) {
    SweepOptions options = options_for(2, 4);
    options.references = 0;
    options.replicates = 0;
    const auto quality = sweep(blobs(3, 2, 9, false, 7), options);
    EXPECT_TRUE(std::isnan(quality[1].gap));
    EXPECT_TRUE(std::isnan(quality[1].gap_error));
    EXPECT_TRUE(std::isnan(quality[1].stability));
    EXPECT_EQ(choose_k(quality)->k, 3);
}

TEST(Sweep, EqualRowsOnly) {
    const auto quality = sweep(Rows(50, {1.0, 2.0}), options_for(1, 5));
    ASSERT_EQ(quality.size(), 1u);
    EXPECT_EQ(quality[0].inertia, 0.0);
    EXPECT_EQ(choose_k(quality)->k, 1);
    EXPECT_TRUE(sweep(Rows(50, {1.0, 2.0}), options_for(2, 5)).empty());
}

TEST(Sweep, CosineStaysOnTheSphere) {
    Rows rows;
    Random random(3);
    for (int i = 0; i < 300; ++i) {
        const double angle = (i % 3) * 2.0 + 0.1 * random.normal();
        const double length = 1 + 5 * random.uniform();
        rows.push_back({length * std::cos(angle), length * std::sin(angle)});
    }
    SweepOptions options = options_for(2, 6);
    options.kmeans.measure = Measure::kCosine;
    EXPECT_EQ(choose_k(sweep(rows, options))->k, 3);
}

TEST(Sweep, RefusesOptions) {
    const auto code = [](auto change) {
        SweepOptions options = options_for(2, 5);
        change(options);
        return test::error_code([&] { validate(options); });
    };
    EXPECT_EQ(code([](SweepOptions& o) { o.k_min = 0; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.k_max = 1; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.k_max = std::numeric_limits<std::int32_t>::max(); }),
              Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.references = -1; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.replicates = 1'000'000; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.sample = 5; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.train_rows = 5; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.kmeans.min_size = 5; }), Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.kmeans.algorithm = Algorithm::kPrototypes; }),
              Errc::kInvalidArgument);
    EXPECT_EQ(code([](SweepOptions& o) { o.kmeans.n_init = 0; }), Errc::kInvalidArgument);
}

TEST(Sweep, CancelsAndGivesMemoryBack) {
    CountingResource memory;
    RowStore store(&memory);
    store.set_width(2);
    for (const auto& row : noise(2000, 2, 1))
        store.append(row.data());
    const std::size_t before = memory.live;
    for (int polls : {1, 10, 100}) {
        CancelAfter interrupt(polls);
        EXPECT_THROW(sweep_kmeans({{store, {}}, 2000, 0}, options_for(1, 8),
                                  std::numeric_limits<std::uint64_t>::max(), &memory, interrupt),
                     test::Cancelled);
        EXPECT_EQ(memory.live, before);
    }
}

// ---- the choice

KmeansQuality quality_of(std::int32_t k, double silhouette, double calinski_harabasz, double gap,
                         double stability) {
    KmeansQuality quality;
    quality.k = k;
    quality.silhouette = silhouette;
    quality.calinski_harabasz = calinski_harabasz;
    quality.gap = gap;
    quality.gap_error = 0.01;
    quality.stability = stability;
    return quality;
}

TEST(ChooseK, MostVotesWin) {
    const auto choice = choose_k(std::vector{quality_of(2, 0.7, 100, 0.5, 1), quality_of(3, 0.6, 200, 0.9, 1),
                                             quality_of(4, 0.5, 150, 0.8, 1)});
    EXPECT_EQ(choice->k, 3);
    EXPECT_EQ(choice->reason, "named by Calinski-Harabasz, gap; silhouette would have 2; stability 1.00");
}

TEST(ChooseK, TiesGoToTheSmaller) {
    EXPECT_EQ(choose_k(std::vector{quality_of(2, 0.7, 100, 0.5, 1), quality_of(3, 0.6, 200, 0.6, 1),
                                   quality_of(4, 0.5, 150, 0.7, 1)})
                  ->k,
              2);
}

TEST(ChooseK, UnstableNumbersGiveWay) {
    const auto choice =
        choose_k(std::vector{quality_of(2, 0.7, 100, 0.5, 0.9), quality_of(3, 0.6, 200, 0.9, 0.4),
                             quality_of(4, 0.5, 150, 0.8, 1)});
    EXPECT_EQ(choice->k, 2);
    EXPECT_EQ(choice->reason,
              "named by silhouette; Calinski-Harabasz, gap would have 3, which is not stable (0.40); "
              "stability 0.90");
    EXPECT_EQ(choose_k(std::vector{quality_of(2, 0.7, 100, 0.5, 0.1), quality_of(3, 0.6, 200, 0.9, 0.2),
                                   quality_of(4, 0.5, 150, 0.8, 0.3)})
                  ->k,
              3);
}

TEST(ChooseK, OneWhenNothingFitsBetterThanNoise) {
    const auto one = quality_of(1, KmeansQuality::kUndefined, KmeansQuality::kUndefined, 0.30, 1);
    EXPECT_EQ(
        choose_k(std::vector{one, quality_of(2, 0.7, 100, 0.35, 1), quality_of(3, 0.6, 90, 0.39, 1)})->k, 1);
    EXPECT_EQ(
        choose_k(std::vector{one, quality_of(2, 0.7, 100, 0.45, 1), quality_of(3, 0.6, 90, 0.40, 1)})->k, 2);
    EXPECT_EQ(choose_k(std::vector{one})->k, 1);
}

TEST(ChooseK, NothingFromNothing) {
    EXPECT_EQ(choose_k({}), std::nullopt);
    KmeansQuality empty;
    empty.k = 5;
    EXPECT_EQ(choose_k(std::vector{empty})->k, 5);
}

// ---- the state

TEST(SweepState, RoundTripAndMerge) {
    CountingResource memory;
    NoInterrupt interrupt;
    SweepGathering options;
    options.sweep = options_for(2, 7);
    options.sweep.references = 3;
    options.sweep.train_rows = 1234;
    options.sweep.kmeans.seed = 99;
    options.sweep.kmeans.standardize = Standardize::kZscore;
    SweepState a(&memory, options), b(&memory, options);
    a.add(std::vector{1.0, 2.0}, interrupt);
    b.add(std::vector{3.0, 4.0}, interrupt);
    b.skip();
    std::vector<std::byte> image(b.image_size());
    b.write_image(image, interrupt);
    const auto body = std::span<const std::byte>(image).subspan(SweepState::kSlot);
    EXPECT_TRUE(SweepState::read_options(body, interrupt) == options);
    a.merge_body(body, interrupt);
    a.merge(b, interrupt);
    EXPECT_EQ(a.gathered().seen(), 3);
    EXPECT_EQ(a.gathered().skipped(), 2);
    options.sweep.k_min = 3;
    SweepState other(&memory, options);
    EXPECT_EQ(test::error_code([&] { other.merge(a, interrupt); }), Errc::kInvalidArgument);
}

TEST(SweepState, MalformedBytes) {
    CountingResource memory;
    NoInterrupt interrupt;
    SweepGathering options;
    options.sweep = options_for(2, 7);
    SweepState state(&memory, options);
    state.add(std::vector{1.0, 2.0}, interrupt);
    std::vector<std::byte> image(state.image_size());
    state.write_image(image, interrupt);
    int refused = 0;
    for (std::size_t at = SweepState::kSlot; at < image.size(); ++at) {
        for (int value : {0x00, 0x01, 0x7f, 0xff}) {
            std::vector<std::byte> copy = image;
            copy[at] = static_cast<std::byte>(value);
            const auto body = std::span<const std::byte>(copy).subspan(SweepState::kSlot);
            try {
                SweepState read(&memory, SweepState::read_options(body, interrupt));
                read.merge_body(body, interrupt);
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Errc::kBadBinary);
                ++refused;
            }
        }
        const auto shorter =
            std::span<const std::byte>(image).subspan(SweepState::kSlot, at - SweepState::kSlot);
        EXPECT_EQ(test::error_code([&] { SweepState::read_options(shorter, interrupt); }), Errc::kBadBinary);
    }
    EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace seg::core::clustering
