// Sets of ids: one image a set, and every operation against plain sorted vectors.
#include <array>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "../fuzz/idset_sequence.hpp"
#include "core/base/random.hpp"
#include "core/idset/bitmap_kernels.hpp"
#include "core/idset/sort_ids.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::idset;
using seg::test::Bytes;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;
using seg::test::HeapResource;
using seg::test::Model;
using seg::test::ModelEncoder;
using seg::test::Piece;
using seg::test::written;

using Ids = std::vector<std::int64_t>;

HeapResource heap;
NoInterrupt no_interrupt;

Ids sorted(Ids ids) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

Model model_of_ids(const Ids& ids) {
    std::vector<Piece> pieces;
    for (const std::int64_t id : ids)
        pieces.push_back({ordered(id), ordered(id)});
    return seg::test::model_of(std::move(pieces));
}

Bytes image_of(const Ids& ids, std::uint32_t dictionary = 0) {
    SetBuilder builder(&heap, dictionary);
    for (const std::int64_t id : ids)
        builder.add(id, no_interrupt);
    Bytes image(builder.image_size(no_interrupt));
    builder.write_image(image.span(), no_interrupt);
    return image;
}

Bytes image_of_range(std::int64_t lowest, std::int64_t highest) {
    SetWriter writer(&heap);
    write_range(lowest, highest, writer);
    return written(writer);
}

SetView view_of(const Bytes& image) {
    return SetView(image.span());
}

Ids ids_of(const SetView& set) {
    Ids ids;
    ids.reserve(static_cast<std::size_t>(set.cardinality()));
    for (ChunkCursor at(set); !at.done(); at.next())
        for (std::uint64_t i = 0; i < at.chunk().count; ++i)
            for_each_low(at.chunk(),
                         [&](std::uint32_t low) { ids.push_back(id_of(at.chunk().key + i, low)); });
    return ids;
}

Ids range(std::int64_t first, std::int64_t count, std::int64_t step = 1) {
    Ids ids;
    for (std::int64_t i = 0; i < count; ++i)
        ids.push_back(first + i * step);
    return ids;
}

Ids operator+(Ids a, const Ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Ids random_ids(std::size_t count, std::int64_t first, std::uint64_t span, std::uint64_t seed) {
    Random random(seed);
    Ids ids;
    for (std::size_t i = 0; i < count; ++i)
        ids.push_back(first + static_cast<std::int64_t>(random.below(span)));
    return ids;
}

// The form of an image and the kinds of its entries: "flat", or such as "array runs bitmap full loose:2".
std::string shape_of(const Bytes& image) {
    const auto bytes = image.span();
    if (SetView::form(bytes) == Form::kFlat)
        return "flat";
    const std::size_t start = bytes[7] == std::byte{1} ? 16 : 8;
    const auto& header = *reinterpret_cast<const LargeHeader*>(bytes.data() + start);
    const auto* const places =
        reinterpret_cast<const std::uint32_t*>(bytes.data() + bytes.size()) - header.chunk_count;
    std::string shape;
    for (std::uint32_t i = 0; i < header.chunk_count; ++i)
        shape += std::array{"array ", "runs ", "bitmap ", "full "}[places[i] & 3];
    return shape + "loose:" + std::to_string(header.loose_count);
}

// Many ids far away, so that a set is large and what is looked at keeps its shape.
Ids with_ballast(const Ids& ids) {
    return ids + range(std::int64_t{1} << 40, 129, 65536);
}
constexpr const char* kBallast = "loose:129";

// --- one representation ----------------------------------------------------------------------------------

void expect_canonical(const Ids& ids) {
    const Bytes image = image_of(ids);
    EXPECT_TRUE(image == ModelEncoder(model_of_ids(sorted(ids))).image());
    EXPECT_NO_THROW(SetView::validate(image.span(), &heap, no_interrupt));
    EXPECT_EQ(ids_of(view_of(image)), sorted(ids));
}

TEST(IdsetForm, EmptyAndFew) {
    EXPECT_EQ(image_of({}).span().size(), 8u);
    EXPECT_TRUE(view_of(image_of({})).empty());
    EXPECT_EQ(image_of({-5}).span().size(), 16u);
    expect_canonical({});
    expect_canonical({-5});
    expect_canonical({INT64_MIN, -1, 0, INT64_MAX});
}

TEST(IdsetForm, FlatUpTo128Ids) {
    EXPECT_EQ(shape_of(image_of(range(-70, 128, 65536))), "flat");
    EXPECT_EQ(shape_of(image_of(range(-70, 129, 65536))), "loose:129");
    expect_canonical(range(-70, 128, 65536));
    expect_canonical(range(-70, 129, 65536));
}

TEST(IdsetForm, FlatUnlessTheLargeFormIsShorter) {
    // An array of nine takes as much either way; one of ten is shorter in the large form.
    EXPECT_EQ(shape_of(image_of(range(5, 9, 3))), "flat");
    EXPECT_EQ(shape_of(image_of(range(5, 10, 3))), "array loose:0");
    // One run: seven ids are flat, eight are not.
    EXPECT_EQ(shape_of(image_of(range(5, 7))), "flat");
    EXPECT_EQ(shape_of(image_of(range(5, 8))), "runs loose:0");
    for (std::int64_t count = 0; count < 140; ++count)
        for (const std::int64_t step : {1, 2, 10000, 40000, 65536})
            expect_canonical(range(-300, count, step));
}

TEST(IdsetForm, TwoIdsOfAChunkAreLoose) {
    EXPECT_EQ(shape_of(image_of(with_ballast({10, 20}))), "loose:131");
    EXPECT_EQ(shape_of(image_of(with_ballast({10, 11}))), "loose:131");
    EXPECT_EQ(shape_of(image_of(with_ballast({10, 20, 30}))), std::string("array ") + kBallast);
    expect_canonical(with_ballast({10, 20}));
    expect_canonical(with_ballast({10, 20, 30}));
}

TEST(IdsetForm, RunsOnlyWhereShorterThanTheArray) {
    // A run takes four bytes and their number two; an id takes two.
    const auto shape = [](const Ids& ids) { return shape_of(image_of(with_ballast(ids))); };
    const std::string ballast = kBallast;
    EXPECT_EQ(shape({1, 2, 3}), "array " + ballast);
    EXPECT_EQ(shape({1, 2, 3, 4}), "runs " + ballast);
    EXPECT_EQ(shape({1, 2, 3, 7, 8}), "array " + ballast);
    EXPECT_EQ(shape({1, 2, 3, 7, 8, 9}), "runs " + ballast);
    for (const Ids& ids : {Ids{1, 2, 3}, Ids{1, 2, 3, 4}, Ids{1, 2, 3, 7, 8}, Ids{1, 2, 3, 7, 8, 9}})
        expect_canonical(with_ballast(ids));
}

TEST(IdsetForm, BitmapFrom4096Values) {
    EXPECT_EQ(shape_of(image_of(range(0, 4095, 2))), "array loose:0");
    EXPECT_EQ(shape_of(image_of(range(0, 4096, 2))), "bitmap loose:0");
    expect_canonical(range(0, 4095, 2));
    expect_canonical(range(0, 4096, 2));
    // 2,047 runs take two bytes less than a bitmap, 2,048 two more.
    const Ids runs = range(0, 2047, 5) + range(1, 2047, 5) + range(2, 2047, 5);
    EXPECT_EQ(shape_of(image_of(runs)), "runs loose:0");
    EXPECT_EQ(shape_of(image_of(runs + Ids{20000})), "bitmap loose:0");
    expect_canonical(runs);
    expect_canonical(runs + Ids{20000});
}

TEST(IdsetForm, FullChunksShareAnEntry) {
    EXPECT_EQ(shape_of(image_of_range(0, 65535)), "full loose:0");
    EXPECT_EQ(shape_of(image_of_range(0, 65534)), "runs loose:0");
    EXPECT_EQ(shape_of(image_of_range(-65536, 3 * 65536 - 1)), "full loose:0");
    EXPECT_EQ(shape_of(image_of_range(-65537, 3 * 65536)), "full loose:2");
    expect_canonical(range(-65536, 65536));
    expect_canonical(range(-65537, 65538));
    expect_canonical(range(65536, 65535));
    expect_canonical(range(0, 65535) + range(65536 * 2, 65536));
}

Bytes image_of_full(std::uint64_t key, std::uint64_t count) {
    SetWriter writer(&heap);
    writer.full(key, count);
    return written(writer);
}

TEST(IdsetForm, LongSpansTakeSeveralEntries) {
    const std::uint64_t key = 77;
    EXPECT_EQ(shape_of(image_of_full(key, kMaxSpanChunks)), "full loose:0");
    EXPECT_EQ(shape_of(image_of_full(key, kMaxSpanChunks + 1)), "full full loose:0");
    EXPECT_EQ(shape_of(image_of_full(key, 2 * kMaxSpanChunks - 1)), "full full loose:0");
    for (const std::uint64_t count :
         {std::uint64_t{1}, std::uint64_t{1} << 30, (std::uint64_t{1} << 30) + 1, kMaxSpanChunks - 1,
          kMaxSpanChunks, kMaxSpanChunks + 1, 2 * kMaxSpanChunks - 1}) {
        const Bytes image = image_of_full(key, count);
        const Model model{{key << 16, (key + count) * 65536 - 1}};
        EXPECT_TRUE(image == ModelEncoder(model).image()) << count;
        EXPECT_TRUE(seg::test::offer_image(image.span())) << count;
        EXPECT_EQ(view_of(image).cardinality(), static_cast<std::int64_t>(count * 65536));
    }
}

TEST(IdsetForm, MostIds) {
    const Bytes most = image_of_range(INT64_MIN + 1, -1);
    EXPECT_EQ(view_of(most).cardinality(), INT64_MAX);
    EXPECT_TRUE(seg::test::offer_image(most.span()));
    EXPECT_EQ(view_of(most).select(INT64_MAX - 1), -1);
    EXPECT_EQ(view_of(most).rank(-2), INT64_MAX - 1);
    EXPECT_EQ(error_code([] { image_of_range(INT64_MIN, -1); }), Errc::kTooBig);
    EXPECT_EQ(error_code([] { image_of_range(INT64_MIN, INT64_MAX); }), Errc::kTooBig);
    EXPECT_EQ(error_code([] { image_of_full(0, std::uint64_t{1} << 48); }), Errc::kTooBig);

    SetBuilder builder(&heap);
    builder.add_range(INT64_MIN + 1, -1, no_interrupt);
    EXPECT_EQ(builder.cardinality(no_interrupt), INT64_MAX);
    builder.add(INT64_MIN + 1, no_interrupt);
    EXPECT_EQ(builder.cardinality(no_interrupt), INT64_MAX);
    builder.add(INT64_MAX, no_interrupt);
    EXPECT_EQ(error_code([&] { builder.cardinality(no_interrupt); }), Errc::kTooBig);

    SetWriter sum(&heap);
    const Bytes one = image_of({0});
    EXPECT_EQ(error_code([&] { unite(view_of(most), view_of(one), sum, no_interrupt); }), Errc::kTooBig);
}

TEST(IdsetForm, SizesPromised) {
    EXPECT_LE(image_of_range(1, 5'000'000).span().size(), 100u);
    const Ids ids = random_ids(500'000, 0, std::uint64_t{1} << 63, 42);
    EXPECT_LE(image_of(ids).span().size(), 9 * sorted(ids).size());
}

TEST(IdsetForm, WriterStartsAgain) {
    CountingResource memory;
    SetWriter writer(&memory, 4);
    const std::array<std::uint16_t, 4> lows{1, 3, 5, 7};
    for (std::uint64_t key = 0; key < 1000; ++key)
        writer.array(key, lows.data(), 4);
    EXPECT_EQ(writer.image_size(), 56u + 1000 * 20);
    writer.start(0);
    EXPECT_EQ(memory.live, 0u);
    EXPECT_TRUE(written(writer) == image_of({}));
}

// The same ids of one chunk, given in each representation.
void expect_same_from_every_kind(const Ids& lows) {
    std::vector<std::uint16_t> values;
    std::vector<std::uint16_t> pairs;
    std::vector<std::uint64_t> words(kBitmapWords);
    for (const std::int64_t low : lows) {
        if (values.empty() || values.back() + 1 != low) {
            pairs.push_back(static_cast<std::uint16_t>(low));
            pairs.push_back(0);
        } else {
            ++pairs.back();
        }
        values.push_back(static_cast<std::uint16_t>(low));
        set_bit(words.data(), static_cast<std::uint32_t>(low));
    }
    const std::uint64_t key = key_of(-3 * 65536);
    SetWriter from_values(&heap);
    from_values.array(key, values.data(), static_cast<std::uint32_t>(values.size()));
    SetWriter from_runs(&heap);
    from_runs.runs(key, pairs.data(), static_cast<std::uint32_t>(pairs.size() / 2));
    SetWriter from_words(&heap);
    from_words.bitmap(key, words.data());
    const Bytes image = written(from_values);
    EXPECT_TRUE(image == written(from_runs));
    EXPECT_TRUE(image == written(from_words));
    const SetView view(image.span());
    SetWriter copied(&heap);
    for (ChunkCursor at(view); !at.done(); at.next())
        copied.copy(at.chunk());
    EXPECT_TRUE(image == written(copied));
}

TEST(IdsetForm, SameBytesFromEveryKind) {
    for (const Ids& lows : {Ids{}, Ids{0}, Ids{65535}, Ids{0, 65535}, Ids{3, 4}, Ids{3, 4, 5}, range(7, 4),
                            range(0, 4095, 3), range(0, 4096, 3), range(0, 8190, 8), range(1, 65535),
                            range(0, 65535), range(0, 65536), range(0, 2047, 5) + range(40000, 3000),
                            sorted(random_ids(300, 0, 65536, 1)), sorted(random_ids(9000, 0, 65536, 2))})
        expect_same_from_every_kind(lows);
}

TEST(IdsetForm, DictionaryStaysOutsideTheContents) {
    for (const Ids& ids : {Ids{}, Ids{1, 2, 3}, range(0, 5000, 2)}) {
        const Bytes plain = image_of(ids);
        const Bytes with = image_of(ids, 9);
        EXPECT_EQ(view_of(with).dictionary(), 9u);
        EXPECT_EQ(with.span().size(), plain.span().size() + 8);
        EXPECT_TRUE(std::ranges::equal(view_of(with).contents(), view_of(plain).contents()));
        EXPECT_EQ(view_of(with).summary().hash, view_of(plain).summary().hash);
        EXPECT_NO_THROW(SetView::validate(with.span(), &heap, no_interrupt));
        EXPECT_TRUE(with == ModelEncoder(model_of_ids(ids), 9).image());
    }
}

TEST(IdsetForm, SummaryFromTheStart) {
    for (const Ids& ids : {Ids{}, Ids{-4}, range(-9, 128, 65536), range(-9, 129, 65536), range(0, 70000, 3)})
        for (const std::uint32_t dictionary : {0u, 3u}) {
            const Bytes image = image_of(ids, dictionary);
            const auto start = image.span().first(std::min(kSummaryBytes, image.span().size()));
            const SetSummary summary = SetView::summarize(start, image.span().size());
            EXPECT_EQ(summary.cardinality, static_cast<std::int64_t>(ids.size()));
            EXPECT_EQ(summary.dictionary, dictionary);
            EXPECT_EQ(summary.hash, view_of(image).summary().hash);
            if (!ids.empty()) {
                EXPECT_EQ(summary.lowest, ids.front());
                EXPECT_EQ(summary.highest, ids.back());
            }
        }
}

TEST(IdsetForm, HashesTellSetsApart) {
    std::set<std::uint64_t> hashes;
    for (std::int64_t id = -5000; id < 5000; ++id)
        hashes.insert(view_of(image_of({id})).summary().hash);
    EXPECT_EQ(hashes.size(), 10000u);
}

TEST(IdsetForm, HashIsTheSameForEver) {
    std::vector<std::byte> bytes;
    for (int i = 0; i < 100; ++i)
        bytes.push_back(static_cast<std::byte>(i * 7));
    const std::span<const std::byte> all(bytes);
    EXPECT_EQ(hash_bytes({}), 5249295962102908924U);
    EXPECT_EQ(hash_bytes(all.first(1)), 9655279141500368898U);
    EXPECT_EQ(hash_bytes(all.first(32)), 1087971630890789061U);
    EXPECT_EQ(hash_bytes(all), 10322173802984165796U);
}

// --- two sets --------------------------------------------------------------------------------------------

// Sets that meet in every pair of kinds of chunk, and in chunks that only one has.
struct Zoo {
    std::vector<Ids> ids;
    std::vector<Bytes> images;

    Zoo() {
        const std::int64_t chunk = 65536;
        for (const Ids& animal :
             {Ids{}, Ids{-chunk}, Ids{INT64_MIN, -1, 0, 5, INT64_MAX}, range(-chunk, 6) + Ids{900},
              range(-chunk + 100, 300, 7), range(-chunk, 4000, 16), range(-chunk + 5000, 20000),
              range(-chunk, 1000, 60) + range(-chunk + 1, 1000, 60) + range(-chunk + 2, 1000, 60),
              random_ids(30000, -chunk, chunk, 3), range(-chunk, 32768, 2), range(-chunk + 1, 32768, 2),
              range(-chunk, 65535), range(-chunk, chunk), range(-2 * chunk, 2 * chunk),
              range(-chunk, chunk + 5) + random_ids(200, -9 * chunk, 20 * chunk, 5),
              range(-2 * chunk - 1, chunk + 2) + range(0, 129, chunk)}) {
            ids.push_back(sorted(animal));
            images.push_back(image_of(ids.back()));
        }
    }
};

const Zoo& zoo() {
    static const Zoo animals;
    return animals;
}

template <typename Combine, typename Expected>
void check_operation(const Combine& combine, const Expected& expected) {
    const Zoo& all = zoo();
    for (std::size_t a = 0; a < all.ids.size(); ++a)
        for (std::size_t b = 0; b < all.ids.size(); ++b) {
            Ids wanted;
            wanted.reserve(all.ids[a].size() + all.ids[b].size());
            expected(all.ids[a], all.ids[b], std::back_inserter(wanted));
            SetWriter writer(&heap);
            combine(view_of(all.images[a]), view_of(all.images[b]), writer, no_interrupt);
            const Bytes image = written(writer);
            EXPECT_EQ(ids_of(view_of(image)), wanted) << a << " and " << b;
            EXPECT_NO_THROW(SetView::validate(image.span(), &heap, no_interrupt)) << a << " and " << b;
        }
}

TEST(IdsetAlgebra, Union) {
    check_operation(unite, [](const Ids& a, const Ids& b, auto out) {
        std::set_union(a.begin(), a.end(), b.begin(), b.end(), out);
    });
}
TEST(IdsetAlgebra, Intersection) {
    check_operation(intersect, [](const Ids& a, const Ids& b, auto out) {
        std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), out);
    });
}
TEST(IdsetAlgebra, Difference) {
    check_operation(subtract, [](const Ids& a, const Ids& b, auto out) {
        std::set_difference(a.begin(), a.end(), b.begin(), b.end(), out);
    });
}
TEST(IdsetAlgebra, SymmetricDifference) {
    check_operation(symmetric_difference, [](const Ids& a, const Ids& b, auto out) {
        std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), out);
    });
}

TEST(IdsetAlgebra, Relations) {
    const Zoo& all = zoo();
    for (std::size_t i = 0; i < all.ids.size(); ++i)
        for (std::size_t j = 0; j < all.ids.size(); ++j) {
            SCOPED_TRACE(std::to_string(i) + " and " + std::to_string(j));
            const Ids& a = all.ids[i];
            const Ids& b = all.ids[j];
            const SetView x = view_of(all.images[i]);
            const SetView y = view_of(all.images[j]);
            Ids both;
            both.reserve(std::min(a.size(), b.size()));
            std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
            EXPECT_EQ(intersection_cardinality(x, y, no_interrupt), static_cast<std::int64_t>(both.size()));
            EXPECT_EQ(overlaps(x, y, no_interrupt), !both.empty());
            EXPECT_EQ(includes(x, y, no_interrupt), both.size() == b.size());
            EXPECT_EQ(compare(x, y, no_interrupt),
                      std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end()));
        }
}

TEST(IdsetAlgebra, OrderOfSmallSetsIsLexicographic) {
    // Every subset of ids that lie in several chunks, at their borders.
    const Ids ids{INT64_MIN, -65536, -1, 0, 1, 65535, INT64_MAX};
    std::vector<Ids> sets;
    std::vector<Bytes> images;
    for (std::size_t mask = 0; mask < 128; ++mask) {
        Ids set;
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (mask >> i & 1)
                set.push_back(ids[i]);
        images.push_back(image_of(set));
        sets.push_back(std::move(set));
    }
    for (std::size_t i = 0; i < sets.size(); ++i)
        for (std::size_t j = 0; j < sets.size(); ++j)
            EXPECT_EQ(compare(view_of(images[i]), view_of(images[j]), no_interrupt), sets[i] <=> sets[j]);
}

TEST(IdsetAlgebra, SpansOfManyChunks) {
    const std::int64_t far = std::int64_t{1} << 61;
    const Bytes a = image_of_range(-far - 3, far);
    const Bytes b = image_of_range(-17, far + 100);
    SetWriter writer(&heap);
    intersect(view_of(a), view_of(b), writer, no_interrupt);
    EXPECT_TRUE(written(writer) == image_of_range(-17, far));
    SetWriter left(&heap);
    subtract(view_of(a), view_of(b), left, no_interrupt);
    EXPECT_TRUE(written(left) == image_of_range(-far - 3, -18));
    EXPECT_EQ(intersection_cardinality(view_of(a), view_of(b), no_interrupt), far + 18);
    EXPECT_TRUE(includes(view_of(a), view_of(image_of({0, far / 2, far})), no_interrupt));
    EXPECT_FALSE(includes(view_of(a), view_of(image_of({0, far / 2, far + 1})), no_interrupt));
}

TEST(IdsetAlgebra, Dictionaries) {
    const SetSummary nothing{0, 0, 0, 0, 0};
    const SetSummary plain{5, 0, 9, 0, 0};
    const SetSummary of_one{5, 0, 9, 1, 0};
    const SetSummary of_two{5, 0, 9, 2, 0};
    EXPECT_EQ(combined_dictionary(plain, plain), 0u);
    EXPECT_EQ(combined_dictionary(of_one, of_one), 1u);
    EXPECT_EQ(combined_dictionary(nothing, of_two), 2u);
    EXPECT_EQ(combined_dictionary(of_two, nothing), 2u);
    EXPECT_EQ(error_code([&] { combined_dictionary(plain, of_one); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { combined_dictionary(of_one, of_two); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { combined_dictionary({0, 0, 0, 1, 0}, of_two); }), Errc::kInvalidArgument);
}

TEST(IdsetAlgebra, CanBeCancelled) {
    // Thousands of pairs of chunks.
    const Bytes a = image_of(range(-60'000'000, 2000, 65536) + range(-60'000'001, 2000, 65536));
    const Bytes b = image_of(range(-60'000'002, 2000, 65536));
    SetWriter writer(&heap);
    CancelAfter at_once(0);
    EXPECT_THROW(unite(view_of(a), view_of(b), writer, at_once), Cancelled);
    EXPECT_THROW(overlaps(view_of(a), view_of(b), at_once = CancelAfter(0)), Cancelled);
}

// --- one set's answers -----------------------------------------------------------------------------------

TEST(IdsetView, ContainsRankSelect) {
    const Zoo& all = zoo();
    for (std::size_t i = 0; i < all.ids.size(); ++i) {
        const Ids& ids = all.ids[i];
        const SetView view = view_of(all.images[i]);
        Ids probes{INT64_MIN, INT64_MIN + 1, -131073, -65537, -65536, -1, 0, 65535, 65536, INT64_MAX};
        for (std::size_t n = 0; n < ids.size(); n += ids.size() / 60 + 1) {
            EXPECT_EQ(view.select(static_cast<std::int64_t>(n)), ids[n]);
            probes.push_back(ids[n]);
            probes.push_back(ids[n] == INT64_MAX ? ids[n] : ids[n] + 1);
            probes.push_back(ids[n] == INT64_MIN ? ids[n] : ids[n] - 1);
        }
        for (const std::int64_t id : probes) {
            EXPECT_EQ(view.contains(id), std::binary_search(ids.begin(), ids.end(), id)) << i << " " << id;
            EXPECT_EQ(view.rank(id), std::upper_bound(ids.begin(), ids.end(), id) - ids.begin())
                << i << " " << id;
        }
    }
}

TEST(IdsetView, EveryIdOfAChunk) {
    for (const Ids& ids : {range(0, 3000, 21), range(0, 500, 131) + range(65000, 300),
                           sorted(random_ids(9000, 0, 65536, 8))}) {
        const Bytes image = image_of(ids);
        const SetView view = view_of(image);
        const Ids all = sorted(ids);
        std::size_t next = 0;
        for (std::int64_t id = -1; id <= 65536; ++id) {
            const bool in = next < all.size() && all[next] == id;
            next += in;
            ASSERT_EQ(view.contains(id), in) << id;
            if (id % 97 == 0) {
                ASSERT_EQ(view.rank(id), static_cast<std::int64_t>(next)) << id;
            }
        }
    }
}

TEST(IdsetView, SeekNeverGoesBack) {
    const Bytes image =
        image_of(range(-65536, 65536 * 3) + range(65536 * 9, 129, 65536) + range(65536 * 200, 5, 9));
    const SetView view = view_of(image);
    Random random(11);
    for (int round = 0; round < 200; ++round) {
        ChunkCursor sought(view);
        ChunkCursor stepped(view);
        std::uint64_t key = key_of(-65536 * 3);
        while (!sought.done()) {
            sought.seek(key);
            while (!stepped.done() && stepped.chunk().last_key() < key)
                stepped.next();
            ASSERT_EQ(sought.done(), stepped.done());
            if (!sought.done()) {
                ASSERT_EQ(sought.chunk().key, stepped.chunk().key);
                ASSERT_EQ(sought.chunk().cardinality, stepped.chunk().cardinality);
            }
            key += random.below(40);
        }
    }
}

// --- builder ---------------------------------------------------------------------------------------------

TEST(IdsetBuilder, AnyOrderAndRepeats) {
    for (const std::uint64_t span : {100u, 70'000u, 3'000'000u}) {
        Ids ids = random_ids(20'000, -40'000, span, span);
        const Bytes expected = ModelEncoder(model_of_ids(sorted(ids))).image();
        EXPECT_TRUE(image_of(ids) == expected);
        EXPECT_TRUE(image_of(ids + ids) == expected);
        std::sort(ids.begin(), ids.end(), std::greater<>());
        EXPECT_TRUE(image_of(ids) == expected);
    }
}

TEST(IdsetBuilder, CrowdWithLeftoversOnTheList) {
    SetBuilder builder(&heap);
    const Ids few = range(3, 500, 100);  // not a crowd
    for (const std::int64_t id : few)
        builder.add(id, no_interrupt);
    const Bytes crowd = image_of(range(1, 5000, 2));
    builder.add_set(view_of(crowd), no_interrupt);
    builder.add(2, no_interrupt);
    Bytes image(builder.image_size(no_interrupt));
    builder.write_image(image.span(), no_interrupt);
    EXPECT_EQ(ids_of(view_of(image)), sorted(few + range(1, 5000, 2) + Ids{2}));
    // Twice the same, and more afterwards.
    EXPECT_EQ(builder.cardinality(no_interrupt), view_of(image).cardinality());
    builder.add(-1, no_interrupt);
    EXPECT_EQ(builder.cardinality(no_interrupt), view_of(image).cardinality() + 1);
}

TEST(IdsetBuilder, SpansCoverCrowdsAndList) {
    SetBuilder builder(&heap);
    for (const std::int64_t id : range(-100, 400'000 / 7, 7))
        builder.add(id, no_interrupt);
    builder.add_range(-50, 500'000, no_interrupt);
    builder.add_range(200'000, 700'000, no_interrupt);
    builder.add_range(10, 9, no_interrupt);
    const Ids expected = sorted(range(-100, 8, 7) + range(-50, 700'051));
    EXPECT_EQ(builder.cardinality(no_interrupt), static_cast<std::int64_t>(expected.size()));
    Bytes image(builder.image_size(no_interrupt));
    builder.write_image(image.span(), no_interrupt);
    EXPECT_TRUE(image == ModelEncoder(model_of_ids(expected)).image());
}

TEST(IdsetBuilder, ManySpansAreJoined) {
    SetBuilder builder(&heap);
    for (std::int64_t i = 999; i >= 0; --i)
        builder.add_range(i * 3 * 65536, (i * 3 + 2) * 65536 - 1, no_interrupt);
    for (std::int64_t i = 0; i < 999; ++i)
        builder.add_range((i * 3 + 2) * 65536, (i * 3 + 3) * 65536 - 1, no_interrupt);
    Bytes image(builder.image_size(no_interrupt));
    builder.write_image(image.span(), no_interrupt);
    EXPECT_TRUE(image == image_of_range(0, (999 * 3 + 2) * 65536 - 1));
}

TEST(IdsetBuilder, SetsOfEveryKind) {
    SetBuilder builder(&heap);
    Ids expected;
    for (std::size_t i = 0; i < zoo().ids.size(); ++i) {
        builder.add_set(view_of(zoo().images[i]), no_interrupt);
        expected = sorted(expected + zoo().ids[i]);
        EXPECT_EQ(builder.cardinality(no_interrupt), static_cast<std::int64_t>(expected.size())) << i;
    }
    Bytes image(builder.image_size(no_interrupt));
    builder.write_image(image.span(), no_interrupt);
    EXPECT_TRUE(image == ModelEncoder(model_of_ids(expected)).image());
}

// Lists, crowds, a larger table and spans, then an operation, all from one resource.
void use_everything(MemoryResource* memory, Interrupt& interrupt) {
    SetBuilder builder(memory);
    for (const std::int64_t id : range(0, 3000, 11) + range(65536, 1100) + range(-9, 700, 65536))
        builder.add(id, interrupt);
    builder.add_range(10 << 16, (13 << 16) + 5, interrupt);
    for (std::int64_t chunk = 100; chunk < 120; ++chunk)
        builder.add_range(chunk << 16, (chunk << 16) + 2000, interrupt);
    const Bytes other = image_of(range(1, 5000, 2));
    builder.add_set(view_of(other), interrupt);
    Bytes image(builder.image_size(interrupt));
    builder.write_image(image.span(), interrupt);
    SetWriter writer(memory);
    symmetric_difference(view_of(image), view_of(other), writer, interrupt);
    const Bytes result = written(writer);
    SetView::validate(result.span(), memory, interrupt);
}

TEST(IdsetMemory, NoLeakWhereverAnAllocationFails) {
    CountingResource memory;
    use_everything(&memory, no_interrupt);
    EXPECT_EQ(memory.live, 0u);
    const std::size_t allocations = memory.allocations;
    EXPECT_GT(allocations, 50u);
    for (std::size_t fail_at = 1; fail_at <= allocations; ++fail_at) {
        CountingResource failing;
        failing.fail_at = fail_at;
        EXPECT_THROW(use_everything(&failing, no_interrupt), std::bad_alloc) << fail_at;
        EXPECT_EQ(failing.live, 0u) << fail_at;
    }
}

TEST(IdsetMemory, NoLeakWhereverACancelComes) {
    int polls = 0;
    for (bool finished = false; !finished; ++polls) {
        CountingResource memory;
        CancelAfter interrupt(polls);
        try {
            use_everything(&memory, interrupt);
            finished = true;
        } catch (const Cancelled&) {
        }
        EXPECT_EQ(memory.live, 0u) << polls;
    }
    EXPECT_GT(polls, 5);
}

TEST(IdsetMemory, BuilderCanBeCancelled) {
    Ids ids = random_ids(400'000, INT64_MIN / 4, std::uint64_t{1} << 62, 6);
    SetBuilder builder(&heap);
    CancelAfter interrupt(3);
    EXPECT_THROW(
        {
            for (const std::int64_t id : ids)
                builder.add(id, interrupt);
        },
        Cancelled);
}

// --- sorting and kernels ---------------------------------------------------------------------------------

TEST(IdsetSort, LikeTheLibrary) {
    for (const std::size_t count : {0u, 1u, 2u, 63u, 64u, 65u, 511u, 512u, 513u, 5000u})
        for (const int bits : {1, 8, 9, 16, 40, 64}) {
            Random random(count * 100 + static_cast<std::size_t>(bits));
            std::vector<std::uint64_t> values(count);
            for (std::uint64_t& value : values)
                value = random.next() >> (64 - bits) << (bits % 3 * 8 % (65 - bits));
            std::vector<std::uint64_t> expected = values;
            std::sort(expected.begin(), expected.end());
            sort_ids(values, &heap, no_interrupt);
            EXPECT_EQ(values, expected);
            expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
            values.resize(drop_repeats(values));
            EXPECT_EQ(values, expected);
        }
}

std::vector<std::vector<std::uint64_t>> bitmaps() {
    std::vector<std::vector<std::uint64_t>> all;
    for (const std::uint64_t word : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{0x5555555555555555},
                                     std::uint64_t{0x8000000000000001}, kSignBit, std::uint64_t{1}})
        all.emplace_back(kBitmapWords, word);
    Random random(19);
    for (const int density : {1, 2, 4, 7}) {
        std::vector<std::uint64_t> words(kBitmapWords);
        for (std::uint64_t& word : words) {
            word = random.next();
            for (int i = 1; i < density; ++i)
                word = density % 2 != 0 ? word | random.next() : word & random.next();
        }
        all.push_back(std::move(words));
    }
    for (const std::uint32_t bit : {0u, 63u, 64u, 127u, 511u, 512u, 65535u}) {
        all.emplace_back(kBitmapWords);
        set_bit(all.back().data(), bit);
    }
    return all;
}

TEST(IdsetKernels, EveryVariantCountsRight) {
    const auto all = bitmaps();
    const BitmapKernelList list = all_bitmap_kernels();
    ASSERT_GE(list.count, 1);
    EXPECT_STREQ(bitmap_kernels().name, list.variants[list.count - 1]->name);
    for (const auto& a : all) {
        std::uint32_t count = 0;
        std::uint32_t runs = 0;
        for (std::uint32_t low = 0; low < kChunkIds; ++low) {
            count += test_bit(a.data(), low);
            runs += test_bit(a.data(), low) && (low == 0 || !test_bit(a.data(), low - 1));
        }
        for (int i = 0; i < list.count; ++i) {
            SCOPED_TRACE(list.variants[i]->name);
            EXPECT_EQ(list.variants[i]->count(a.data()), count);
            EXPECT_EQ(list.variants[i]->count_runs(a.data()), runs);
        }
        for (const auto& b : all) {
            std::uint32_t both = 0;
            for (std::size_t w = 0; w < kBitmapWords; ++w)
                both += static_cast<std::uint32_t>(std::popcount(a[w] & b[w]));
            for (int i = 0; i < list.count; ++i)
                EXPECT_EQ(list.variants[i]->count_both(a.data(), b.data()), both) << list.variants[i]->name;
        }
    }
}

TEST(IdsetChunk, SetBits) {
    for (const auto& [first, last] :
         {std::pair{0u, 0u}, std::pair{0u, 63u}, std::pair{63u, 64u}, std::pair{5u, 200u},
          std::pair{64u, 127u}, std::pair{65535u, 65535u}, std::pair{0u, 65535u}}) {
        std::vector<std::uint64_t> words(kBitmapWords);
        set_bits(words.data(), first, last);
        for (std::uint32_t low = 0; low < kChunkIds; ++low)
            ASSERT_EQ(test_bit(words.data(), low), first <= low && low <= last);
    }
}

// --- what comes from outside -----------------------------------------------------------------------------

bool accepted(std::span<const std::byte> bytes) {
    return seg::test::offer_image(Bytes(bytes).span());
}

TEST(IdsetValidate, EveryTruncationIsRefused) {
    for (const Ids& ids : {Ids{}, Ids{1, 2, 3}, range(0, 300, 5), range(0, 5000, 2) + range(1 << 20, 200),
                           range(-65536, 70000)}) {
        const Bytes image = image_of(ids, 5);
        EXPECT_TRUE(accepted(image.span()));
        for (std::size_t size = 0; size < image.span().size(); size += size < 600 ? 1 : 61)
            // Whole ids may be taken from a flat set.
            EXPECT_EQ(accepted(image.span().first(size)),
                      shape_of(image) == "flat" && size >= 16 && size % 8 == 0)
                << size;
    }
}

TEST(IdsetValidate, NoByteOfALargeImageMayChange) {
    for (const Ids& ids : {range(0, 300, 5), range(1, 100) + range(65536, 150, 3) + range(1 << 20, 40, 65536),
                           range(-65536, 65536 * 2 + 1), range(0, 4100, 3)}) {
        const Bytes image = image_of(ids, 5);
        ASSERT_NE(shape_of(image), "flat");
        const std::size_t size = image.span().size();
        for (std::size_t at = 4; at < size; at += at < 700 ? 1 : 37)
            for (const int flip : {1, 2, 128, 255}) {
                if (at >= 8 && at < 12)
                    continue;  // another dictionary is as good
                Bytes mutated(image.span());
                mutated.span()[at] ^= static_cast<std::byte>(flip);
                EXPECT_FALSE(seg::test::offer_image(mutated.span())) << at << " ^ " << flip;
            }
    }
}

std::vector<std::uint8_t> random_bytes(Random& random, std::size_t least, std::size_t most) {
    std::vector<std::uint8_t> bytes(least + random.below(most - least + 1));
    for (std::uint8_t& byte : bytes)
        byte = static_cast<std::uint8_t>(random.next() >> 40);
    return bytes;
}

TEST(IdsetValidate, MutatedImagesAreRefusedOrCanonical) {
    Random random(4);
    int taken = 0;
    for (int i = 0; i < 20'000; ++i)
        taken += seg::test::Mutation(random_bytes(random, 4, 24)).run();
    EXPECT_GT(taken, 100);
    EXPECT_LT(taken, 10'000);
}

// An image put together by hand, with the hash that its contents have.
class Forgery {
  public:
    Forgery(std::int64_t cardinality, std::int64_t lowest, std::int64_t highest)
        : header_{0, 0, cardinality, lowest, highest, 0} {}
    Forgery& entry(std::uint64_t key, std::uint32_t cardinality, ChunkKind kind, std::uint32_t position) {
        keys_.push_back(key << 16 | (cardinality - 1));
        places_.push_back(make_place(kind, position));
        return *this;
    }
    Forgery& loose(Ids ids) {
        loose_ = std::move(ids);
        return *this;
    }
    Forgery& values(std::vector<std::uint16_t> values) {
        values_ = std::move(values);
        return *this;
    }
    bool accepted() { return seg::test::offer_image(image().span()); }
    Bytes image() {
        std::vector<std::byte> rest;
        const auto put = [](std::vector<std::byte>& out, const auto& items) {
            const auto bytes = std::as_bytes(std::span(items));
            out.insert(out.end(), bytes.begin(), bytes.end());
        };
        put(rest, keys_);
        put(rest, loose_);
        put(rest, values_);
        put(rest, places_);
        header_.chunk_count = static_cast<std::uint32_t>(keys_.size());
        header_.loose_count = static_cast<std::uint32_t>(loose_.size());
        header_.hash = hash_bytes(rest);
        std::vector<std::byte> image(8);
        image[4] = std::byte{kMagic};
        image[5] = std::byte{kVersion};
        image[6] = std::byte{1};
        put(image, std::span(&header_, 1));
        image.insert(image.end(), rest.begin(), rest.end());
        return Bytes(std::span<const std::byte>(image));
    }

  private:
    LargeHeader header_;
    std::vector<std::uint64_t> keys_;
    Ids loose_;
    std::vector<std::uint16_t> values_;
    std::vector<std::uint32_t> places_;
};

constexpr std::uint64_t kZero = key_of(0);

TEST(IdsetValidate, ForgeriesAreMadeAsTheWriterDoes) {
    const std::vector<std::uint16_t> ten{0, 2, 4, 6, 8, 10, 12, 14, 16, 18};
    EXPECT_TRUE(Forgery(10, 0, 18).entry(kZero, 10, ChunkKind::kArray, 0).values(ten).accepted());
    EXPECT_TRUE(Forgery(10, 0, 9).entry(kZero, 10, ChunkKind::kRuns, 0).values({1, 0, 9, 0}).accepted());
    EXPECT_TRUE(Forgery(65537, 0, 65536).entry(kZero, 1, ChunkKind::kFull, 0).loose({65536}).accepted());
}

TEST(IdsetValidate, AnotherFormOfTheSameSetIsRefused) {
    const std::vector<std::uint16_t> consecutive{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    // An array where runs are shorter, runs where an array is, runs that touch, runs of a full chunk.
    EXPECT_FALSE(Forgery(10, 0, 9).entry(kZero, 10, ChunkKind::kArray, 0).values(consecutive).accepted());
    EXPECT_FALSE(
        Forgery(3, 0, 9).entry(kZero, 3, ChunkKind::kRuns, 0).values({3, 0, 0, 4, 0, 9, 0, 0}).accepted());
    EXPECT_FALSE(
        Forgery(10, 0, 9).entry(kZero, 10, ChunkKind::kRuns, 0).values({2, 0, 4, 5, 4, 0}).accepted());
    EXPECT_FALSE(Forgery(65536, 0, 65535)
                     .entry(kZero, 65536, ChunkKind::kRuns, 0)
                     .values({1, 0, 65535, 0})
                     .accepted());
    // A span in two entries, loose ids that belong in an entry, a large form of few ids.
    EXPECT_FALSE(Forgery(131072, 0, 131071)
                     .entry(kZero, 1, ChunkKind::kFull, 0)
                     .entry(kZero + 1, 1, ChunkKind::kFull, 0)
                     .accepted());
    EXPECT_FALSE(Forgery(3, 0, 2).loose({0, 1, 2}).accepted());
    EXPECT_FALSE(Forgery(1, 7, 7).loose({7}).accepted());
    // A gap in the payload, and padding that is not zero.
    EXPECT_FALSE(
        Forgery(10, 0, 9).entry(kZero, 10, ChunkKind::kRuns, 2).values({0, 0, 1, 0, 9, 0}).accepted());
    EXPECT_FALSE(Forgery(10, 0, 9).entry(kZero, 10, ChunkKind::kRuns, 0).values({1, 0, 9, 1}).accepted());
}

TEST(IdsetValidate, WrongContentsAreRefused) {
    const std::vector<std::uint16_t> ten{0, 2, 4, 6, 8, 10, 12, 14, 16, 18};
    const auto array = [&](std::int64_t ids, std::int64_t lowest, std::int64_t highest) {
        return Forgery(ids, lowest, highest).entry(kZero, 10, ChunkKind::kArray, 0).values(ten).accepted();
    };
    EXPECT_FALSE(array(11, 0, 18));
    EXPECT_FALSE(array(10, 1, 18));
    EXPECT_FALSE(array(10, 0, 19));
    EXPECT_FALSE(Forgery(10, 0, 18)
                     .entry(kZero, 10, ChunkKind::kArray, 0)
                     .values({0, 2, 4, 6, 8, 10, 12, 14, 18, 16})
                     .accepted());
    EXPECT_FALSE(Forgery(9, 0, 9).entry(kZero, 9, ChunkKind::kRuns, 0).values({1, 0, 9, 0}).accepted());
    EXPECT_FALSE(Forgery(0, 0, 0).entry(kZero, 1, ChunkKind::kRuns, 0).values({0, 0}).accepted());
    EXPECT_FALSE(
        Forgery(11, 65530, 4).entry(kZero, 11, ChunkKind::kRuns, 0).values({1, 65530, 10, 0}).accepted());
    EXPECT_FALSE(Forgery(10, 0, 18).entry(kZero, 10, ChunkKind::kArray, 1).values(ten).accepted());
    EXPECT_FALSE(Forgery(10, 0, 18).entry(kZero, 10, ChunkKind::kBitmap, 0).values(ten).accepted());
    // More ids than a set may have, and beyond the last.
    EXPECT_FALSE(Forgery(-1, INT64_MIN, INT64_MAX)
                     .entry(0, 65536, ChunkKind::kFull, 0x3fffffff)
                     .entry(kMaxSpanChunks, 65536, ChunkKind::kFull, 0x3fffffff)
                     .entry(2 * kMaxSpanChunks, 65536, ChunkKind::kFull, 0x3fffffff)
                     .accepted());
    EXPECT_FALSE(Forgery(131072, INT64_MAX - 65535, INT64_MAX)
                     .entry(key_of(INT64_MAX), 1, ChunkKind::kFull, 1)
                     .accepted());
}

TEST(IdsetValidate, SharedContentsDoNotMultiply) {
    // Twelve bytes an entry, all of one bitmap: written anew they would take hundreds of times the image.
    Forgery forgery(1, 0, 1);
    for (std::uint64_t key = 0; key < 2000; ++key)
        forgery.entry(kZero + key, 32768, ChunkKind::kBitmap, 0);
    const Bytes image = forgery.values(std::vector<std::uint16_t>(4096, 0x5555)).image();
    CountingResource memory;
    EXPECT_EQ(error_code([&] { SetView::validate(image.span(), &memory, no_interrupt); }), Errc::kBadBinary);
    EXPECT_LT(memory.peak, 4 * image.span().size());
}

TEST(IdsetValidate, WrongPrefixes) {
    const Bytes image = image_of({1, 2, 3});
    for (const std::size_t at : {4u, 5u, 6u, 7u})
        for (int value = 0; value < 256; ++value) {
            Bytes mutated(image.span());
            if (mutated.span()[at] == static_cast<std::byte>(value))
                continue;
            mutated.span()[at] = static_cast<std::byte>(value);
            // Read as three bytes of counts or a dictionary, the ids give nothing either, but for one case:
            // the first id is then the number of a dictionary.
            EXPECT_EQ(seg::test::offer_image(mutated.span()), at == 7 && value == 1) << at << " = " << value;
        }
    Bytes zero(16);
    std::copy_n(image.span().begin(), 8, zero.span().begin());
    zero.span()[7] = std::byte{1};
    EXPECT_FALSE(accepted(zero.span()));  // dictionary 0
}

TEST(IdsetValidate, StoredDamageIsCorruption) {
    Bytes image = image_of(range(0, 300, 5));
    EXPECT_EQ(error_code([&] { SetView view(image.span().first(40)); }), Errc::kCorrupted);
    Bytes far(image.span());
    far.span()[far.span().size() - 2] = std::byte{0x7f};  // the place
    EXPECT_EQ(error_code([&] { view_of(far).contains(5); }), Errc::kCorrupted);
    image.span()[6] = std::byte{2};
    EXPECT_EQ(SetView::form(image.span()), Form::kGathering);
    EXPECT_EQ(error_code([&] { SetView view(image.span()); }), Errc::kCorrupted);
}

// --- sequences -------------------------------------------------------------------------------------------

TEST(IdsetSequence, OperationsAgreeWithTheModel) {
    Random random(2);
    for (int i = 0; i < 10'000; ++i)
        seg::test::Sequence(random_bytes(random, 4, 40)).run();
}

// PGSEG_SOAK=N runs N sequences and N mutated images more, from PGSEG_SOAK_SEED on.
TEST(IdsetSequence, Soak) {
    const char* const wanted = std::getenv("PGSEG_SOAK");
    if (wanted == nullptr)
        GTEST_SKIP() << "PGSEG_SOAK is not set";
    const char* const seed = std::getenv("PGSEG_SOAK_SEED");
    Random random(seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1);
    std::uint64_t taken = 0;
    const std::uint64_t count = std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t i = 0; i < count; ++i) {
        SCOPED_TRACE(i);
        ASSERT_NO_THROW(seg::test::Sequence(random_bytes(random, 4, 24)).run());
        bool accepted_one = false;
        ASSERT_NO_THROW(accepted_one = seg::test::Mutation(random_bytes(random, 4, 24)).run());
        taken += accepted_one;
    }
    std::printf("%llu sequences, %llu mutated images, of which %llu were accepted\n",
                static_cast<unsigned long long>(count), static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(taken));
}

}  // namespace
