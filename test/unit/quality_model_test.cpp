// Measures of a model on rows that stream by, and on its training.
#include "core/clustering/quality_model.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/random.hpp"
#include "core/clustering/kmeans.hpp"
#include "core/clustering/quality.hpp"
#include "testing.hpp"

namespace seg::core::clustering {
namespace {

using test::CountingResource;

struct Trained {
    Trained(std::int32_t k, std::size_t dimensions, Standardize standardize = Standardize::kNone)
        : rows(&memory) {
        Random random(7);
        rows.set_width(dimensions);
        std::vector<double> row(dimensions);
        for (int i = 0; i < 300; ++i) {
            for (double& value : row)
                value = random.normal() + 6 * (i % 3);
            rows.append(row.data());
        }
        KmeansOptions options;
        options.k = k;
        options.standardize = standardize;
        NoInterrupt interrupt;
        const TrainedKmeans model = train_kmeans(rows, 0, options, &memory, interrupt);
        image.resize(model.parts().image_size());
        write_clustering(model.parts(), image);
    }
    std::vector<double> row(std::uint64_t i) const { return seg::test::row_of(rows, i); }

    CountingResource memory;
    RowStore rows;
    std::vector<std::byte> image;
};

struct Fit {
    explicit Fit(const MeasuredModel& model) { ModelFit::begin(bytes, model); }
    ModelFit& operator*() { return ModelFit::of(std::span<std::byte>(bytes)); }

    alignas(8) std::byte bytes[sizeof(ModelFit)] = {};
};

TEST(ModelFit, IsWhatTrainingStored) {
    for (Standardize standardize : {Standardize::kNone, Standardize::kZscore})
        for (std::size_t dimensions : {1u, 2u, 7u, 100u})
            for (std::int32_t k : {2, 3, 5, 9}) {
                const Trained trained(k, dimensions, standardize);
                const MeasuredModel model(trained.image);
                Fit fit(model);
                for (std::uint64_t i = 0; i < trained.rows.size(); ++i)
                    (*fit).add(model, trained.row(i));
                EXPECT_NEAR(*(*fit).simplified_silhouette(), *trained_silhouette(model.view), 1e-12);
                EXPECT_NEAR(*(*fit).inertia() / model.view.facts().inertia, 1.0, 1e-12);
            }
}

TEST(ModelFit, OrderAndPartsDoNotMatter) {
    const Trained trained(5, 3);
    const MeasuredModel model(trained.image);
    Fit all(model), first(model), second(model);
    for (std::uint64_t i = 0; i < trained.rows.size(); ++i)
        (*all).add(model, trained.row(i));
    for (std::uint64_t i = trained.rows.size(); i > 0; --i)
        (i % 3 == 0 ? *first : *second).add(model, trained.row(i - 1));
    (*second).skip();
    (*all).skip();
    (*first).merge(*second);
    (*first).make_canonical();
    (*all).make_canonical();
    EXPECT_EQ(std::memcmp(first.bytes, all.bytes, sizeof first.bytes), 0);
}

TEST(ModelFit, OneClusterHasNoSilhouette) {
    const Trained trained(1, 2);
    const MeasuredModel model(trained.image);
    Fit fit(model);
    EXPECT_EQ((*fit).inertia(), std::nullopt);
    (*fit).add(model, trained.row(0));
    EXPECT_EQ((*fit).simplified_silhouette(), std::nullopt);
    EXPECT_TRUE((*fit).inertia().has_value());
    EXPECT_EQ(trained_silhouette(model.view), std::nullopt);
    EXPECT_EQ(trained_calinski_harabasz(model.view), std::nullopt);
}

TEST(ModelFit, RefusesWhatDoesNotFit) {
    const Trained trained(2, 2), other(3, 2);
    const MeasuredModel model(trained.image), another(other.image);
    Fit fit(model), foreign(another);
    EXPECT_EQ(test::error_code([&] { (*fit).add(another, trained.row(0)); }), Errc::kInvalidArgument);
    EXPECT_EQ(test::error_code([&] { (*fit).merge(*foreign); }), Errc::kInvalidArgument);
    EXPECT_EQ(test::error_code([&] { (*fit).add(model, std::vector{1.0}); }), Errc::kArrayShape);
    EXPECT_EQ(test::error_code([&] { (*fit).add(model, std::vector<double>{1.0, NAN}); }), Errc::kBadData);
    EXPECT_EQ(test::error_code([&] { (*fit).add(model, std::vector{1.0, 1e200}); }), Errc::kOutOfRange);
    EXPECT_EQ((*fit).rows, 0);
}

// Each byte set to something else is refused, or reads as some sum.
TEST(ModelFit, MalformedBytes) {
    const Trained trained(3, 2);
    const MeasuredModel model(trained.image);
    Fit fit(model);
    for (std::uint64_t i = 0; i < 20; ++i)
        (*fit).add(model, trained.row(i));
    (*fit).make_canonical();
    const auto body = [](const Fit& any) { return std::span<const std::byte>(any.bytes).subspan(4); };
    EXPECT_NO_THROW(ModelFit::validate(body(fit)));
    int refused = 0;
    for (std::size_t at = 4; at < sizeof fit.bytes; ++at)
        for (int value : {0x01, 0x7f, 0xff}) {
            Fit copy = fit;
            copy.bytes[at] = static_cast<std::byte>(value);
            try {
                ModelFit::validate(body(copy));
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), Errc::kBadBinary);
                ++refused;
                continue;
            }
            (*copy).simplified_silhouette();
            try {
                EXPECT_GE((*copy).inertia().value_or(0), 0.0);
            } catch (const Error& error) {  // the sum is no double, which terms can bring about
                EXPECT_EQ(error.code(), Errc::kOutOfRange);
            }
        }
    EXPECT_GT(refused, 1000);
    EXPECT_EQ(test::error_code([&] { ModelFit::validate(body(fit).subspan(1)); }), Errc::kBadBinary);
}

TEST(TrainedMeasures, AreThoseOfTheRows) {
    const Trained trained(4, 3);
    const MeasuredModel model(trained.image);
    CountingResource memory;
    NoInterrupt interrupt;
    RowStore labelled(&memory);
    labelled.set_width(4);
    for (std::uint64_t i = 0; i < trained.rows.size(); ++i) {
        std::vector<double> row = trained.row(i);
        row.push_back(model.view.nearest(trained.row(i)).cluster);
        labelled.append(row.data());
    }
    LabelledPoints points(labelled, &memory, interrupt);
    EXPECT_NEAR(*points.simplified_silhouette(), *trained_silhouette(model.view), 1e-12);
    EXPECT_NEAR(*points.calinski_harabasz() / *trained_calinski_harabasz(model.view), 1.0, 1e-12);
    EXPECT_NEAR(*points.davies_bouldin() / *trained_davies_bouldin(model.view, interrupt), 1.0, 1e-12);
}

}  // namespace
}  // namespace seg::core::clustering
