// Values of released versions stay readable for ever: bytes as each version wrote them.
#include <string_view>
#include <vector>

#include "core/clustering/clustering.hpp"
#include "core/clustering/kmeans_state.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clustering;
using seg::test::CountingResource;
using seg::test::error_code;

// An image from the hexadecimal digits of its body; the server's length word is left zero.
class Image {
  public:
    explicit Image(std::string_view hex) : size_(hex.size() / 2 + 4), words_(size_ / 8 + 1) {
        const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
        for (std::size_t i = 0; i < hex.size() / 2; ++i)
            bytes()[4 + i] = static_cast<std::byte>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
    }
    std::byte* bytes() { return reinterpret_cast<std::byte*>(words_.data()); }
    std::span<const std::byte> whole() { return {bytes(), size_}; }
    std::span<const std::byte> body() { return whole().subspan(4); }

  private:
    std::size_t size_;
    std::vector<std::uint64_t> words_;
};

// Two rows, (1, 2) and (3, -4.5), and a skipped one.
constexpr std::string_view kKmeansStateVersion1 =
    "6b010100020000000200000002000000000000000100000000000000"
    "07000000000000000300000014000000000000000000e03f"
    "000000000000f03f0000000000000040000000000000084000000000000012c0";

// Of the rows (1, 2), (3, -4.5) and (3, -3.5), k = 2.
constexpr std::string_view kClusteringVersion1 =
    "4b0101000200000002000000030000000000000001000000000000000300000000000000"
    "070000000000000003000000140000000100000000000000000000000000e03f000000000000e03f"
    "aaaaaaaaaa2a3b4000000000000000000000000000000000000000000000f03f000000000000f03f"
    "000000000000084000000000000010c0000000000000f03f0000000000000040"
    "000000000000e03f0000000000000000000000000000e03f0000000000000000"
    "02000000000000000100000000000000";

TEST(StoredFormats, KmeansStateVersion1) {
    Image image(kKmeansStateVersion1);
    NoInterrupt interrupt;
    const KmeansOptions options = KmeansState::read_options(image.body(), interrupt);
    EXPECT_EQ(options.k, 2);
    EXPECT_EQ(options.seed, 7);
    EXPECT_EQ(options.n_init, 3);
    EXPECT_EQ(options.max_iter, 20);
    EXPECT_EQ(options.tol, 0.5);
    EXPECT_EQ(options.standardize, Standardize::kZscore);

    CountingResource memory;
    KmeansState state(&memory, options);
    state.merge_body(image.body(), interrupt);
    EXPECT_EQ(state.skipped(), 1);
    ASSERT_EQ(state.rows().size(), 2u);
    EXPECT_EQ(state.rows().row(1)[0], 3);
    EXPECT_EQ(state.rows().row(1)[1], -4.5);

    std::vector<std::byte> written(state.image_size());
    state.write_image(written, interrupt);
    EXPECT_TRUE(std::equal(image.body().begin(), image.body().end(), written.begin() + 4, written.end()));
}

TEST(StoredFormats, ClusteringVersion1) {
    Image image(kClusteringVersion1);
    ClusteringView::validate(image.body());
    const ClusteringView model(image.whole());
    EXPECT_EQ(model.k(), 2);
    EXPECT_EQ(model.facts().rows, 3);
    EXPECT_EQ(model.facts().skipped, 1);
    EXPECT_EQ(model.facts().inertia, 0.5);
    EXPECT_TRUE(model.facts().converged);
    EXPECT_EQ(model.size(1), 2);
    EXPECT_EQ(model.radius(1), 0.5);
    EXPECT_EQ(model.centroid(1, 2), -4);
    EXPECT_EQ(model.centroid(2, 1), 1);
    const double row[] = {2.5, -3.0};
    EXPECT_EQ(model.nearest(row).cluster, 1);
}

TEST(StoredFormats, EveryTruncationIsRefused) {
    NoInterrupt interrupt;
    for (std::size_t digits = 0; digits < kKmeansStateVersion1.size(); digits += 2) {
        Image image(kKmeansStateVersion1.substr(0, digits));
        EXPECT_EQ(error_code([&] { KmeansState::read_options(image.body(), interrupt); }), Errc::kBadBinary)
            << digits;
    }
    for (std::size_t digits = 0; digits < kClusteringVersion1.size(); digits += 2) {
        Image image(kClusteringVersion1.substr(0, digits));
        EXPECT_EQ(error_code([&] { ClusteringView::validate(image.body()); }), Errc::kBadBinary) << digits;
    }
}

}  // namespace
