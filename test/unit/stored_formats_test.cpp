// Values of released versions stay readable for ever: bytes as each version wrote them.
#include <string>
#include <string_view>
#include <vector>

#include "core/clustering/clustering.hpp"
#include "core/clustering/kmeans_state.hpp"
#include "core/clustering/row_table.hpp"
#include "core/idset/set_builder.hpp"
#include "core/preparation/preparation.hpp"
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

std::string repeat(std::string_view part, int times) {
    std::string whole;
    for (; times != 0; --times)
        whole += part;
    return whole;
}

// Two rows, (1, 2) and (3, -4.5), and a skipped one; as floats.
constexpr std::string_view kKmeansStateVersion1 =
    "6b0101000200000002000000020000000000000002000000000000000100000000000000070000000000000003000000"
    "14000000000000000000e03f000000000000f0bf00000000000000000000000000000000000000400000000001000000"
    "00000000000000000004000000000000000000000000803f0000004000004040000090c0";

// The same with 0.1 for -4.5, which is no float.
constexpr std::string_view kWideKmeansStateVersion1 =
    "6b0101000200000002000000020000000000000002000000000000000100000000000000070000000000000003000000"
    "14000000000000000000e03f000000000000f0bf00000000000000000000000000000000000000400000000001000000"
    "0000000000000000000000000000000000000000000000000000f03f000000000000004000000000000008409a999999"
    "9999b93f";

// Of the rows (1, 2), (3, -4.5) and (3, -3.5), k = 2.
constexpr std::string_view kClusteringVersion1 =
    "4b0101000000000002000000020000000300000014000000020000000000000000000000030000000000000003000000"
    "000000000100000000000000030000000000000007000000000000000000000000000000000000000000000000000000"
    "0000e03f00000000000000000000000000000840000000000000e03fabaaaaaaaa2a3b40000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000f03f000000000000f03f000000000000084000000000"
    "000010c0000000000000f03f0000000000000040000000000000e03f0000000000000000000000000000e03f00000000"
    "00000000000000000000e03f00000000000000009abc0544e974ed3f000000000000f03f000000000000000000000000"
    "000000000000000000000040000000000000f03f02000000000000000100000000000000";

// k-prototypes of the rows (1, 0, 1), (3, 1, 0) and (4, 1, 0), the last two features one category; with
// labels.
constexpr std::string_view kPrototypesVersion1 =
    "4b0101000200000002000000030000000a0000002c010000020000000000000000000000030000000000000003000000"
    "000000000000000000000000030000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000dbd49a0b9cf4e33f0000000000000840000000000000e03fe15f91add1a71740010000000000000006000000"
    "00000000000000000000000000000000000000000000000000000000000000000000f03f000000000000f03f00000000"
    "0000f03f0000000000000c40000000000000f03f0000000000000000000000000000f03f000000000000000000000000"
    "0000f03f000000000000e03f0000000000000000000000000000e03f0000000000000000000000000000e03f00000000"
    "000000004ef6fe0d2b02ea3f000000000000f03f00000000000000000000000000000000000000000000004000000000"
    "0000f03f0200000000000000010000000000000001000000020000000000000000000040010061010062";

// Of eight rows: a number that is winsorised and a logarithm, one that is imputed with an indicator, a
// category with rare levels and NULL, a boolean that must be there, and a date.
constexpr std::string_view kPreparationVersion1 =
    "500100000500000009000000080000000000000002000000560100000001010101000000000000000100000000000000"
    "0000000000000000060000004800000000000000000000000000f03f0000000000000000000000000000000000000000"
    "000010400d72323bd382ed3f2a9fbf75d42de43f00000000000000400000000000000000000000000000000000000301"
    "02000000010000000200000000000000000000004e000000060000003f00000000000000000000000000f03f00000000"
    "0000000000000000000000000000000000000000000000000000f03f00000000000010400000000000000c4002000000"
    "000000000000000000000000030000051800000003000000040000000000000002000000930000000400000067000000"
    "000000000000000000001040000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000f03f0000000000000000010000000000000002000000000000000200000300000000070000000100000002000000"
    "0000000005010000060000001d00000000000000000000000000f03f0000000000000000000000000000000000000000"
    "000000000000000000000000000000000000f03f00000000000000000000000000000000000000000000000001000204"
    "000000000800000001000000020000000000000028010000040000002a00000000000000000000000000f03f00000000"
    "80d5c140000000000000000000000000000000000000000000003c40d9cef753e3ad4040000000000000000000000000"
    "000000000000000000000000fe00000003000000030000000000000001010000040000000200000000000000616d6f75"
    "6e747472616e73666f726d206c6f6731702061732061736b65643b206c696d6974656420746f20746865203020252061"
    "6e642037352025207175616e74696c65732061732061736b65647669736974737363616c65206d696e6d617820617320"
    "61736b65643b206e756c6c206d656469616e2061732061736b65643b20696e64696361746f722061732061736b656463"
    "69747968617320342076616c7565733b203220776974682032352025206f662074686520726f77732061726520706f6f"
    "6c65642c206265696e67207261726572207468616e20312025206f72206e6f7420616d6f6e67207468652032206d6f73"
    "74206672657175656e74556c6d426f6e6e6d656d6265726120626f6f6c65616e3b206e756c6c20736b69702061732061"
    "736b65646c6173747363616c6520726f627573742061732061736b65643b206e756c6c206572726f722061732061736b"
    "65640000";

TEST(StoredFormats, KmeansStateVersion1) {
    Image image(kKmeansStateVersion1);
    NoInterrupt interrupt;
    const GatheringOptions gathering = KmeansState::read_options(image.body(), interrupt);
    const KmeansOptions& options = gathering.kmeans;
    EXPECT_EQ(options.k, 2);
    EXPECT_EQ(options.seed, 7);
    EXPECT_EQ(options.n_init, 3);
    EXPECT_EQ(options.max_iter, 20);
    EXPECT_EQ(options.tol, 0.5);
    EXPECT_EQ(options.standardize, Standardize::kZscore);

    CountingResource memory;
    KmeansState state(&memory, gathering);
    state.merge_body(image.body(), interrupt);
    EXPECT_EQ(state.skipped(), 1);
    ASSERT_EQ(state.table().size(), 2u);
    EXPECT_EQ(seg::test::row_of(state.table().store, 1), (std::vector<double>{3, -4.5}));

    std::vector<std::byte> written(state.image_size());
    state.write_image(written, interrupt);
    EXPECT_TRUE(std::equal(image.body().begin(), image.body().end(), written.begin() + 4, written.end()));
}

TEST(StoredFormats, WideKmeansStateVersion1) {
    Image image(kWideKmeansStateVersion1);
    NoInterrupt interrupt;
    CountingResource memory;
    KmeansState state(&memory, KmeansState::read_options(image.body(), interrupt));
    state.merge_body(image.body(), interrupt);
    EXPECT_EQ(seg::test::row_of(state.table().store, 0), (std::vector<double>{1, 2}));
    EXPECT_EQ(seg::test::row_of(state.table().store, 1), (std::vector<double>{3, 0.1}));

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
    EXPECT_EQ(model.scatter(1), 0.5);
    EXPECT_NEAR(model.silhouette(1), 0.9205, 1e-4);
    EXPECT_TRUE(model.label(1).empty());
}

TEST(StoredFormats, PrototypesVersion1) {
    Image image(kPrototypesVersion1);
    ClusteringView::validate(image.body());
    const ClusteringView model(image.whole());
    EXPECT_TRUE(model.is_prototypes());
    ASSERT_EQ(model.facts().options.groups.size(), 1u);
    EXPECT_EQ(model.facts().options.groups[0], (CategoryGroup{1, 2, 2}));
    EXPECT_EQ(model.label(2), "b");
    const double row[] = {1.0, 1.0, 0.0};  // near the single row, but of the others' level
    EXPECT_EQ(model.nearest(row).cluster, 2);
}

void expect_numbers(const preparation::PreparationView& stored) {
    using namespace preparation;
    const Column amount = stored.column(0);
    EXPECT_EQ(amount.name, "amount");
    EXPECT_EQ(amount.kind, ColumnKind::kNumeric);
    EXPECT_EQ(amount.reason, "transform log1p as asked; limited to the 0 % and 75 % quantiles as asked");
    EXPECT_EQ(amount.transform, Transform::kLog1p);
    EXPECT_EQ(amount.scaling, Scaling::kZscore);
    EXPECT_TRUE(amount.winsorised);
    EXPECT_EQ(amount.lower, 0);
    EXPECT_EQ(amount.upper, 4);
    EXPECT_EQ(amount.shift, 0.9222198635284841);
    EXPECT_EQ(amount.scale, 0.6305944728637531);
    const Column visits = stored.column(1);
    EXPECT_EQ(visits.null, NullTreatment::kMedian);
    EXPECT_EQ(visits.scaling, Scaling::kMinmax);
    EXPECT_TRUE(visits.indicator);
    EXPECT_EQ(visits.nulls, 2);
    EXPECT_EQ(visits.fill, 3.5);
    EXPECT_EQ(visits.features, 2);
    const Column last = stored.column(4);
    EXPECT_EQ(last.kind, ColumnKind::kAge);
    EXPECT_EQ(last.as_of, 9131);
    EXPECT_EQ(last.scaling, Scaling::kRobust);
    EXPECT_EQ(last.null, NullTreatment::kError);
}

void expect_levels(const preparation::PreparationView& stored) {
    using namespace preparation;
    const Column city = stored.column(2);
    EXPECT_EQ(city.kind, ColumnKind::kCategory);
    EXPECT_EQ(city.null, NullTreatment::kLevel);
    EXPECT_TRUE(city.other && city.null_level);
    EXPECT_EQ(city.weight, 4);
    EXPECT_EQ(city.nulls, 1);
    EXPECT_EQ(city.other_rows, 2);
    ASSERT_EQ(city.levels, 2);
    EXPECT_EQ(stored.level(0).text, "Ulm");
    EXPECT_EQ(stored.level(1).text, "Bonn");
    EXPECT_EQ(stored.level(1).rows, 2);
    EXPECT_EQ(stored.feature(5).kind, FeatureKind::kOther);
    EXPECT_EQ(stored.feature(6).kind, FeatureKind::kNullLevel);
    const Column member = stored.column(3);
    EXPECT_EQ(member.kind, ColumnKind::kBoolean);
    EXPECT_EQ(member.null, NullTreatment::kSkip);
}

TEST(StoredFormats, PreparationVersion1) {
    using namespace preparation;
    Image image(kPreparationVersion1);
    PreparationView::validate(image.body());
    const PreparationView stored(image.whole());
    EXPECT_EQ(stored.rows(), 8);
    ASSERT_EQ(stored.column_count(), 5);
    ASSERT_EQ(stored.feature_count(), 9);
    expect_numbers(stored);
    expect_levels(stored);

    const ColumnValue row[] = {
        {false, 1000, {}}, {true, 0, {}}, {false, 0, "Kiel"}, {false, 1, {}}, {false, 9121, {}}};
    std::vector<double> features(9);
    EXPECT_TRUE(stored.prepare_row(row, features));
    const double expected[] = {1.0897939618543044,  0.625, 1, 0, 0, 1.4142135623730951, 0, 1,
                               -0.53959260758127614};
    for (std::size_t f = 0; f < features.size(); ++f)
        EXPECT_DOUBLE_EQ(features[f], expected[f]) << f;

    std::vector<Column> columns;
    for (std::int32_t c = 0; c < stored.column_count(); ++c)
        columns.push_back(stored.column(c));
    const std::vector<Level> levels = {stored.level(0), stored.level(1)};
    const PreparationParts parts = {stored.rows(), columns, levels};
    ASSERT_EQ(image_size(parts), image.whole().size());
    Image written(repeat("00", static_cast<int>(image.body().size())));
    write_preparation(parts, {written.bytes(), written.whole().size()});
    EXPECT_TRUE(std::ranges::equal(written.body(), image.body()));
}

// Sets of ids, as ranges beside the bytes that version 1 writes for them.
struct StoredSet {
    std::string hex;
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
    std::uint32_t dictionary = 0;
};

StoredSet array_and_loose_id() {
    StoredSet stored{
        "4901010001000000010000000c00000000000000000000000000000040420f000000000043e984c563cc6214"
        "0a0000000000008040420f00000000000000010008001b0040007d00d80057010002d902e803000000000000",
        {{1'000'000, 1'000'000}}};
    for (std::int64_t i = 0; i <= 10; ++i)
        stored.ranges.push_back({i * i * i, i * i * i});
    return stored;
}

// The even ids of a chunk, then a run, whose place counts from before the bitmap, and two loose ids.
StoredSet bitmap_and_run() {
    StoredSet stored{
        "4901010002000000020000000c800000000000000000000000000000410d030000000000d8d2aed05744dbf6ff7f00000000"
        "00800900010000000080400d030000000000410d030000000000" +
            repeat("55", 8192) + "01000000090000000200000001400000",
        {{65536, 65545}, {200'000, 200'001}}};
    for (std::int64_t id = 0; id < 65536; id += 2)
        stored.ranges.push_back({id, id});
    return stored;
}

std::vector<StoredSet> sets_version1() {
    return {
        {"49010000", {}},
        {"490100010700000000000000", {}, 7},
        {"49010000fbffffffffffffff", {{-5, -5}}},
        {"4901000000000000000000800000000000000000ffffffffffffff7f",
         {{INT64_MIN, INT64_MIN}, {0, 0}, {INT64_MAX, INT64_MAX}}},
        {"490100010700000000000000010000000000000002000000000000000300000000000000", {{1, 3}}, 7},
        array_and_loose_id(),
        // An array and two runs, on both sides of zero.
        {"4901010002000000000000000004000000000000fdffffffffffffffcf0700000000000048fa7d9ccaed9c20"
         "0200ffffffffff7ffc03000000000080fdfffeffffff020000001400e803e703000000000d000000",
         {{-3, 20}, {1000, 1999}}},
        {"4901010100286bee00000000010000000000000088130000000000000100000000000000"
         "88130000000000002c7fbf576fda79398713000000000080010001008713000001000000",
         {{1, 5000}},
         4'000'000'000},
        bitmap_and_run(),
        // Stretches of full chunks, also longer than one entry can say.
        {"490101000300000000000000414b4e00000000000000ffffffffffffffff000000010000cb8c9999d3a1bb38"
         "0000ffffffffff7f404b4c0000000080000000000001008001000000404b0000330100000100000003000000",
         {{-65536, 5'000'000}, {std::int64_t{1} << 40, (std::int64_t{1} << 40) + 65535}}},
        {"490101000300000000000000ffffffffffffff7f0100000000000080ffffffffffffffffbc9f96ba4717e0ed"
         "feff000000000000ffff010000000000ffff01000000004001000100feff000001000000fffffffffbffffff",
         {{-INT64_MAX, -1}}},
    };
}

TEST(StoredFormats, IdsetVersion1) {
    NoInterrupt interrupt;
    CountingResource memory;
    for (const StoredSet& stored : sets_version1()) {
        SCOPED_TRACE(stored.hex.substr(0, 90));
        Image image(stored.hex);
        idset::SetView::validate(image.whole(), &memory, interrupt);
        const idset::SetView set(image.whole());
        EXPECT_EQ(set.dictionary(), stored.dictionary);
        idset::SetBuilder builder(&memory, stored.dictionary);
        std::int64_t cardinality = 0;
        for (const auto& [lowest, highest] : stored.ranges) {
            builder.add_range(lowest, highest, interrupt);
            cardinality += highest - lowest + 1;
            EXPECT_TRUE(set.contains(lowest) && set.contains(highest));
            EXPECT_EQ(set.rank(highest) - set.rank(lowest), highest - lowest);
        }
        EXPECT_EQ(set.cardinality(), cardinality);
        ASSERT_EQ(builder.image_size(interrupt), image.whole().size());
        Image written(repeat("00", static_cast<int>(image.body().size())));
        builder.write_image({written.bytes(), image.whole().size()}, interrupt);
        EXPECT_TRUE(std::ranges::equal(written.body(), image.body()));
    }
}

TEST(StoredFormats, EveryTruncationIsRefused) {
    NoInterrupt interrupt;
    for (std::size_t digits = 0; digits < kKmeansStateVersion1.size(); digits += 2) {
        Image image(kKmeansStateVersion1.substr(0, digits));
        EXPECT_EQ(error_code([&] { KmeansState::read_options(image.body(), interrupt); }), Errc::kBadBinary)
            << digits;
    }
    for (std::string_view whole : {kClusteringVersion1, kPrototypesVersion1})
        for (std::size_t digits = 0; digits < whole.size(); digits += 2) {
            Image image(whole.substr(0, digits));
            EXPECT_EQ(error_code([&] { ClusteringView::validate(image.body()); }), Errc::kBadBinary)
                << digits;
        }
    for (std::size_t digits = 0; digits < kPreparationVersion1.size(); digits += 2) {
        Image image(kPreparationVersion1.substr(0, digits));
        EXPECT_EQ(error_code([&] { preparation::PreparationView::validate(image.body()); }), Errc::kBadBinary)
            << digits;
    }
    CountingResource memory;
    for (const StoredSet& stored : sets_version1())
        // Without whole ids at its end, a flat set with fewer ids is left.
        if (stored.hex.starts_with("490101"))
            for (std::size_t digits = 0; digits < stored.hex.size(); digits += digits < 400 ? 2 : 64) {
                Image image(std::string_view(stored.hex).substr(0, digits));
                EXPECT_EQ(error_code([&] { idset::SetView::validate(image.whole(), &memory, interrupt); }),
                          Errc::kBadBinary)
                    << digits;
            }
}

// A state with a divisor above 1 holds the rows that the content hash samples, and goes on by the same hash.
TEST(StoredFormats, TheContentHashStays) {
    const double floats[] = {1, 2, -4.5}, doubles[] = {1, 0.1, -4.5}, even[] = {1, 2, 3, 4};
    EXPECT_EQ(content_hash(floats, 3), 0x81507e307932089fULL);
    EXPECT_EQ(content_hash(doubles, 3), 0xde55aa5606c2e17bULL);
    EXPECT_EQ(content_hash(even, 4), 0xe077fedbb2e78b66ULL);
}

}  // namespace
