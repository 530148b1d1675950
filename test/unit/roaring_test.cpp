// Sets in the Roaring formats: bytes as the format's description has them, a plain reader of our own to read
// what is written, and, where PGSEG_ROARING_DATA names a folder with files of other implementations and an
// expected.txt, those too.
#include "core/idset/roaring.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_image.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::idset;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

using Bytes = std::vector<std::byte>;

NoInterrupt no_interrupt;

// Bytes put together by hand, little-endian.
class Layout : public Bytes {
  public:
    Layout& u16(std::uint64_t value) { return put(value, 2); }
    Layout& u32(std::uint64_t value) { return put(value, 4); }
    Layout& u64(std::uint64_t value) { return put(value, 8); }
    Layout& u8(std::uint64_t value) { return put(value, 1); }
    Layout& all(const Bytes& more) {
        insert(end(), more.begin(), more.end());
        return *this;
    }
    Layout& u16s(std::initializer_list<std::uint64_t> values) {
        for (const std::uint64_t value : values)
            u16(value);
        return *this;
    }

  private:
    Layout& put(std::uint64_t value, int size) {
        for (int i = 0; i < size; ++i)
            push_back(static_cast<std::byte>(value >> 8 * i));
        return *this;
    }
};

Layout layout() {
    return {};
}

// A set made of ids, or read from bytes.
class Set {
  public:
    explicit Set(const std::vector<std::int64_t>& ids) : image_(build(ids, &memory_)) {}
    explicit Set(std::span<const std::byte> roaring, Roaring32 numbers = Roaring32::kUnsigned)
        : image_(read(roaring, numbers, &memory_)) {
        // Not the reader's own error: what it lets pass must be sound.
        EXPECT_NO_THROW(SetView::validate(view().image(), &memory_, no_interrupt));
    }
    SetView view() const { return image_.view(); }
    bool operator==(const Set& other) const {
        return std::ranges::equal(view().image().subspan(4), other.view().image().subspan(4));
    }

  private:
    static SetImage build(const std::vector<std::int64_t>& ids, MemoryResource* memory) {
        SetBuilder builder(memory);
        for (const std::int64_t id : ids)
            builder.add(id, no_interrupt);
        SetWriter writer(memory);
        builder.write(writer, no_interrupt);
        return SetImage(writer, memory);
    }
    static SetImage read(std::span<const std::byte> roaring, Roaring32 numbers, MemoryResource* memory) {
        SetWriter writer(memory);
        read_roaring(roaring, numbers, writer, no_interrupt);
        return SetImage(writer, memory);
    }

    CountingResource memory_;
    SetImage image_;
};

class Range {
  public:
    Range(std::int64_t lowest, std::int64_t highest) : image_(make(lowest, highest, &memory_)) {}
    SetView view() const { return image_.view(); }

  private:
    static SetImage make(std::int64_t lowest, std::int64_t highest, MemoryResource* memory) {
        SetWriter writer(memory);
        write_range(lowest, highest, writer);
        return SetImage(writer, memory);
    }
    CountingResource memory_;
    SetImage image_;
};

Bytes roaring64(const SetView& set) {
    Bytes bytes(roaring64_size(set, no_interrupt), std::byte{0xaa});
    write_roaring64(set, bytes, no_interrupt);
    return bytes;
}

Bytes roaring32(const SetView& set, Roaring32 numbers = Roaring32::kUnsigned) {
    Bytes bytes(roaring32_size(set, numbers, no_interrupt), std::byte{0xaa});
    write_roaring32(set, bytes, no_interrupt);
    return bytes;
}

// The plainest reader of well-formed bytes: number by number, each field where the description puts it.
class PlainReader {
  public:
    explicit PlainReader(const Bytes& bytes) : bytes_(bytes) {}

    std::vector<std::int64_t> read64() {
        for (std::uint64_t buckets = take(8); buckets != 0; --buckets) {
            const std::uint64_t upper = take(4);
            read_bitmap(upper << 32);
        }
        return finish();
    }
    std::vector<std::int64_t> read32() {
        read_bitmap(0);
        return finish();
    }

  private:
    std::uint64_t take(std::size_t size) {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value |= std::to_integer<std::uint64_t>(bytes_.at(at_++)) << 8 * i;
        return value;
    }

    void read_bitmap(std::uint64_t upper) {
        const std::size_t start = at_;
        const std::uint64_t cookie = take(4);
        const bool runs = (cookie & 0xffff) == 12347;
        const std::uint64_t count = runs ? (cookie >> 16) + 1 : take(4);
        std::vector<bool> is_run(count + 8);
        if (runs)
            for (std::size_t i = 0; i < count; i += 8)
                for (std::uint64_t flags = take(1), j = 0; j < 8; ++j)
                    is_run[i + j] = flags >> j & 1;
        std::vector<std::uint64_t> keys;
        std::vector<std::uint64_t> sizes;
        for (std::uint64_t i = 0; i < count; ++i) {
            keys.push_back(take(2));
            sizes.push_back(take(2) + 1);
        }
        std::vector<std::uint64_t> offsets;
        if (!runs || count >= 4)
            for (std::uint64_t i = 0; i < count; ++i)
                offsets.push_back(take(4));
        for (std::uint64_t i = 0; i < count; ++i) {
            EXPECT_EQ(offsets.empty() ? at_ - start : offsets[i], at_ - start);
            read_container(upper | keys[i] << 16, sizes[i], is_run[i]);
        }
    }

    void read_container(std::uint64_t upper, std::uint64_t size, bool is_run) {
        const std::size_t before = numbers_.size();
        if (is_run) {
            for (std::uint64_t runs = take(2); runs != 0; --runs) {
                const std::uint64_t first = take(2);
                for (std::uint64_t more = take(2), i = 0; i <= more; ++i)
                    numbers_.push_back(upper | (first + i));
            }
        } else if (size <= 4096) {
            for (std::uint64_t i = 0; i < size; ++i)
                numbers_.push_back(upper | take(2));
        } else {
            for (std::uint64_t byte = 0; byte < 8192; ++byte)
                for (std::uint64_t bits = take(1); bits != 0; bits &= bits - 1)
                    numbers_.push_back(upper | (byte * 8 + std::countr_zero(bits)));
        }
        EXPECT_EQ(numbers_.size() - before, size);
    }

    std::vector<std::int64_t> finish() {
        EXPECT_EQ(at_, bytes_.size());
        EXPECT_TRUE(std::ranges::is_sorted(numbers_));
        std::vector<std::int64_t> ids(numbers_.begin(), numbers_.end());
        std::ranges::sort(ids);
        return ids;
    }

    const Bytes& bytes_;
    std::size_t at_ = 0;
    std::vector<std::uint64_t> numbers_;
};

std::vector<std::int64_t> sorted(std::vector<std::int64_t> ids) {
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    return ids;
}

// Written, these ids are what the plain reader finds, and read again the same set.
void expect_round_trip(const std::vector<std::int64_t>& ids) {
    const Set set(ids);
    const Bytes bytes = roaring64(set.view());
    EXPECT_EQ(PlainReader(bytes).read64(), sorted(ids));
    EXPECT_TRUE(Set(bytes) == set);
    EXPECT_TRUE(Set(bytes, Roaring32::kSigned) == set);
}

void expect_malformed(const Bytes& bytes) {
    EXPECT_EQ(error_code([&] { Set set(bytes); }), Errc::kBadBinary);
}

std::vector<std::int64_t> every(std::int64_t first, std::int64_t last, std::int64_t step = 1) {
    std::vector<std::int64_t> ids;
    for (std::int64_t id = first; id <= last; id += step)
        ids.push_back(id);
    return ids;
}

std::vector<std::int64_t> joined(std::initializer_list<std::vector<std::int64_t>> parts) {
    std::vector<std::int64_t> ids;
    for (const auto& part : parts)
        ids.insert(ids.end(), part.begin(), part.end());
    return ids;
}

// {1, 10, 100}, and the run 1..10.
const Bytes& three_ids() {
    static const Bytes bytes = layout().u32(12346).u32(1).u16s({0, 2}).u32(16).u16s({1, 10, 100});
    return bytes;
}
const Bytes& one_run() {
    static const Bytes bytes = layout().u32(12347).u8(1).u16s({0, 9}).u16s({1, 1, 9});
    return bytes;
}

TEST(Roaring, EmptySets) {
    const Set empty(std::vector<std::int64_t>{});
    EXPECT_EQ(roaring64(empty.view()), layout().u64(0));
    EXPECT_EQ(roaring32(empty.view()), layout().u32(12346).u32(0));
    EXPECT_TRUE(Set(roaring64(empty.view())) == empty);
    EXPECT_TRUE(Set(roaring32(empty.view())) == empty);
    // An empty bucket is odd but says the same.
    EXPECT_TRUE(Set(layout().u64(1).u32(7).u32(12346).u32(0)) == empty);
}

TEST(Roaring, ArrayOfThree) {
    const Set set({1, 10, 100});
    EXPECT_EQ(roaring32(set.view()), three_ids());
    EXPECT_EQ(roaring64(set.view()), layout().u64(1).u32(0).all(three_ids()));
    EXPECT_TRUE(Set(three_ids()) == set);
    EXPECT_TRUE(Set(layout().u64(1).u32(0).all(three_ids())) == set);
}

TEST(Roaring, RunsWhereTheyAreShorter) {
    EXPECT_EQ(roaring32(Set(every(1, 10)).view()), one_run());
    EXPECT_TRUE(Set(one_run()) == Set(every(1, 10)));
    // Three in a row take six bytes either way, four fewer as a run.
    EXPECT_EQ(roaring32(Set({5, 6, 7}).view()),
              layout().u32(12346).u32(1).u16s({0, 2}).u32(16).u16s({5, 6, 7}));
    EXPECT_EQ(roaring32(Set({5, 6, 7, 8}).view()), layout().u32(12347).u8(1).u16s({0, 3, 1, 5, 3}));
}

TEST(Roaring, BitmapBeyond4096Ids) {
    const auto array = every(0, 2 * 4095, 2);
    const Bytes short_bytes = roaring32(Set(array).view());
    EXPECT_EQ(short_bytes.size(), 16 + 2 * 4096u);
    EXPECT_EQ(PlainReader(short_bytes).read32(), array);
    EXPECT_TRUE(Set(short_bytes) == Set(array));

    const auto bitmap = every(0, 2 * 4096, 2);
    const Bytes long_bytes = roaring32(Set(bitmap).view());
    EXPECT_EQ(long_bytes.size(), 16 + kBitmapBytes);
    EXPECT_EQ(PlainReader(long_bytes).read32(), bitmap);
    EXPECT_TRUE(Set(long_bytes) == Set(bitmap));
}

TEST(Roaring, FullContainersAreRuns) {
    EXPECT_EQ(roaring32(Range(0, 131071).view()), layout()
                                                      .u32(12347 | 1 << 16)
                                                      .u8(3)
                                                      .u16s({0, 65535, 1, 65535})
                                                      .u16s({1, 0, 65535})
                                                      .u16s({1, 0, 65535}));
}

TEST(Roaring, PlacesOfContainers) {
    // Three containers with a run among them: no places. Four: places, from the start of the bitmap.
    const auto three = joined({every(0, 9), {65536}, {131072}});
    EXPECT_EQ(roaring32(Set(three).view()),
              layout().u32(12347 | 2 << 16).u8(1).u16s({0, 9, 1, 0, 2, 0}).u16s({1, 0, 9}).u16(0).u16(0));
    const auto four = joined({three, {196608 + 5}});
    const Bytes bitmap = layout()
                             .u32(12347 | 3 << 16)
                             .u8(1)
                             .u16s({0, 9, 1, 0, 2, 0, 3, 0})
                             .u32(37)
                             .u32(43)
                             .u32(45)
                             .u32(47)
                             .u16s({1, 0, 9})
                             .u16s({0, 0, 5});
    EXPECT_EQ(roaring32(Set(four).view()), bitmap);
    EXPECT_TRUE(Set(bitmap) == Set(four));
    // In the second bucket, too, they count from the start of its bitmap.
    auto twice = four;
    for (const std::int64_t id : four)
        twice.push_back(id + (std::int64_t{1} << 32));
    EXPECT_EQ(roaring64(Set(twice).view()), layout().u64(2).u32(0).all(bitmap).u32(1).all(bitmap));
}

TEST(Roaring, NegativeIdsComeLastInTheBytes) {
    const auto one = [](std::uint64_t upper, std::uint64_t key, std::uint64_t low) -> Bytes {
        return layout().u32(upper).u32(12346).u32(1).u16s({key, 0}).u32(16).u16(low);
    };
    const Set set({INT64_MIN, -1, 0, INT64_MAX});
    const Bytes bytes = layout()
                            .u64(4)
                            .all(one(0, 0, 0))
                            .all(one(0x7fffffff, 0xffff, 0xffff))
                            .all(one(0x80000000, 0, 0))
                            .all(one(0xffffffff, 0xffff, 0xffff));
    EXPECT_EQ(roaring64(set.view()), bytes);
    EXPECT_TRUE(Set(bytes) == set);
}

TEST(Roaring, FullChunksOnBothSidesOfZero) {
    const Range set(-200000, 200000);
    const Bytes bytes = roaring64(set.view());
    EXPECT_EQ(PlainReader(bytes).read64(), every(-200000, 200000));
    EXPECT_TRUE(Set(bytes) == Set(every(-200000, 200000)));
}

TEST(Roaring, SignedNumbersOf32Bits) {
    const std::vector<std::int64_t> ids = {INT32_MIN, -65536, -1, 0, 70000, INT32_MAX};
    const Set set(ids);
    const Bytes bytes = roaring32(set.view(), Roaring32::kSigned);
    EXPECT_TRUE(Set(bytes, Roaring32::kSigned) == set);
    std::vector<std::int64_t> numbers;
    for (const std::int64_t id : ids)
        numbers.push_back(static_cast<std::uint32_t>(id));
    EXPECT_EQ(PlainReader(bytes).read32(), sorted(numbers));
    EXPECT_TRUE(Set(bytes) == Set(numbers));
    EXPECT_EQ(roaring32(Set(numbers).view()), bytes);
}

TEST(Roaring, IdsThatTheFormatCannotHold) {
    const auto code = [](std::int64_t id, Roaring32 numbers) {
        return error_code([&] { roaring32_size(Set({5, id}).view(), numbers, no_interrupt); });
    };
    EXPECT_EQ(code(-1, Roaring32::kUnsigned), Errc::kOutOfRange);
    EXPECT_EQ(code(std::int64_t{UINT32_MAX} + 1, Roaring32::kUnsigned), Errc::kOutOfRange);
    EXPECT_EQ(code(std::int64_t{INT32_MIN} - 1, Roaring32::kSigned), Errc::kOutOfRange);
    EXPECT_EQ(code(std::int64_t{INT32_MAX} + 1, Roaring32::kSigned), Errc::kOutOfRange);
    EXPECT_NO_THROW(roaring32(Set({0, UINT32_MAX}).view()));
    EXPECT_NO_THROW(roaring32(Set({INT32_MIN, INT32_MAX}).view(), Roaring32::kSigned));
}

TEST(Roaring, TooLongIsRefusedAtOnce) {
    // Every id there can be in a set, then 2^62 of them, then just too many: no container is looked at.
    CancelAfter none(0);
    for (const std::int64_t highest : {INT64_MAX - 1, std::int64_t{1} << 62, std::int64_t{110} << 36}) {
        const Range set(0, highest);
        EXPECT_EQ(error_code([&] { roaring64_size(set.view(), none); }), Errc::kTooBig);
    }
    // Whole buckets of full chunks: 65,536 times 14 bytes, and what comes before.
    const Range four_buckets(0, (std::int64_t{4} << 32) - 1);
    EXPECT_EQ(roaring64_size(four_buckets.view(), no_interrupt), 8 + 4 * (4 + 4 + 8192 + 65536 * 14u));
}

TEST(Roaring, EveryKindRoundTrips) {
    expect_round_trip({0});
    expect_round_trip({-1});
    expect_round_trip(every(-70000, 70000, 7));
    expect_round_trip(every(-70000, 70000));
    expect_round_trip(
        joined({every(0, 70000), every(1 << 20, (1 << 20) + 40000, 2), {INT64_MIN, INT64_MAX}}));
    expect_round_trip(every(INT64_MIN, INT64_MIN + 9000, 3));
    expect_round_trip(every(INT64_MAX - 200000, INT64_MAX - 1, 1));
    expect_round_trip(every(-std::int64_t{40} * 65536, std::int64_t{40} * 65536, 30000));
}

TEST(Roaring, RandomSetsRoundTrip) {
    Random random(7);
    for (int round = 0; round < 60; ++round) {
        std::vector<std::int64_t> ids;
        const auto pieces = 1 + random.below(6);
        for (std::uint64_t piece = 0; piece < pieces; ++piece) {
            const auto bits = 3 + random.below(61);
            const auto first = static_cast<std::int64_t>(random.next() << (64 - bits)) >> (64 - bits);
            const auto count = 1 + random.below(1 << random.below(14));
            const auto step = 1 + random.below(4);
            for (std::uint64_t i = 0; i < count; ++i)
                ids.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(first) + i * step));
        }
        expect_round_trip(ids);
    }
}

// The first word of a 64-bit bitmap counts its buckets and may look like the start of a 32-bit one.
TEST(Roaring, BucketCountsThatLookLikeCookies) {
    for (const std::int64_t buckets : {12346, 12347}) {
        std::vector<std::int64_t> ids;
        for (std::int64_t i = 0; i < buckets; ++i)
            ids.push_back(i << 32);
        expect_round_trip(ids);
    }
    // And a 32-bit bitmap may start like a count: forty containers, only the last of them a run.
    std::vector<std::int64_t> ids = every(39 * 65536, 39 * 65536 + 9);
    for (std::int64_t i = 0; i < 39; ++i)
        ids.push_back(i * 65536);
    const Bytes bytes = roaring32(Set(ids).view());
    std::uint64_t first_word = 0;
    std::memcpy(&first_word, bytes.data(), sizeof first_word);
    EXPECT_EQ(first_word, 12347u | 39 << 16);
    EXPECT_TRUE(Set(bytes) == Set(ids));
}

TEST(Roaring, FormsThatOthersWriteAreRead) {
    // Not optimised: an array that would be a run, a bitmap that would be one, a run that would be an array.
    const Bytes array = layout().u32(12346).u32(1).u16s({0, 4}).u32(16).u16s({1, 2, 3, 4, 5});
    EXPECT_TRUE(Set(array) == Set(every(1, 5)));
    Layout bitmap;
    bitmap.u32(12346).u32(1).u16s({0, 6399}).u32(16);
    for (int word = 0; word < 1024; ++word)
        bitmap.u64(word < 100 ? ~std::uint64_t{0} : 0);
    EXPECT_TRUE(Set(bitmap) == Set(every(0, 6399)));
    EXPECT_TRUE(Set(layout().u32(12347).u8(1).u16s({0, 1}).u16s({2, 7, 0, 9, 0})) == Set({7, 9}));
    // As many runs as fit a container.
    Layout runs;
    runs.u32(12347).u8(1).u16s({0, 32767}).u16(32768);
    for (int i = 0; i < 32768; ++i)
        runs.u16s({static_cast<std::uint64_t>(2 * i), 0});
    EXPECT_TRUE(Set(runs) == Set(every(0, 65535, 2)));
    // The cookie for runs, and none flagged.
    EXPECT_TRUE(Set(layout().u32(12347).u8(0).u16s({0, 0}).u16(9)) == Set({9}));
}

TEST(Roaring, MalformedBytes) {
    expect_malformed({});
    expect_malformed(layout().u32(12346));
    expect_malformed(layout().u32(12345).u32(0));
    expect_malformed(layout().u64(std::uint64_t{1} << 56));
    expect_malformed(layout().u32(12346).u32(65537).all(Bytes(1 << 20)));
    expect_malformed(layout().u32(12346).u32(0).u8(0));
    expect_malformed(layout().all(three_ids()).u8(0));
    expect_malformed(layout().u64(1).u32(0).all(three_ids()).u8(0));
    const auto array = [](std::initializer_list<std::uint64_t> values) -> Bytes {
        return layout().u32(12346).u32(1).u16s({0, values.size() - 1}).u32(16).u16s(values);
    };
    expect_malformed(array({3, 2, 1}));
    expect_malformed(array({1, 1}));
    const auto runs = [](std::uint64_t cardinality, std::initializer_list<std::uint64_t> pairs) -> Bytes {
        return layout().u32(12347).u8(1).u16s({0, cardinality - 1}).u16(pairs.size() / 2).u16s(pairs);
    };
    EXPECT_NO_THROW(Set(runs(4, {1, 1, 5, 1})));
    expect_malformed(runs(5, {1, 1, 5, 1}));  // wrong cardinality
    expect_malformed(runs(4, {5, 1, 1, 1}));  // not ascending
    expect_malformed(runs(4, {1, 1, 2, 1}));  // overlapping
    expect_malformed(runs(4, {1, 1, 3, 1}));  // touching
    expect_malformed(runs(3, {65534, 2}));    // beyond the container
    expect_malformed(runs(1, {}));
    const auto two_keys = [](std::uint64_t a, std::uint64_t b) -> Bytes {
        return layout().u32(12346).u32(2).u16s({a, 0, b, 0}).u32(24).u32(26).u16s({7, 7});
    };
    EXPECT_NO_THROW(Set(two_keys(1, 2)));
    expect_malformed(two_keys(2, 1));
    expect_malformed(two_keys(1, 1));
    const auto two_buckets = [](std::uint64_t a, std::uint64_t b) -> Bytes {
        return layout().u64(2).u32(a).all(three_ids()).u32(b).all(three_ids());
    };
    EXPECT_NO_THROW(Set(two_buckets(0, 0x80000000)));
    expect_malformed(two_buckets(1, 0));
    expect_malformed(two_buckets(0x80000000, 0));
    expect_malformed(two_buckets(3, 3));
    expect_malformed(layout().u32(12346).u32(1).u16s({0, 0}).u32(15).u16(7));  // elsewhere
    Layout bitmap;
    bitmap.u32(12346).u32(1).u16s({0, 5000}).u32(16);
    for (int word = 0; word < 1024; ++word)
        bitmap.u64(word < 50 ? ~std::uint64_t{0} : 0);
    expect_malformed(bitmap);
}

// A few small bitmaps of every kind.
std::vector<Bytes> samples() {
    const Set mixed(joined({every(-40, -20), {0, 5, 70000, 131072}, every(200000, 200050)}));
    const Set wide({-5, 1, std::int64_t{1} << 33, std::int64_t{1} << 50});
    const Set narrow(joined({{3, 70000, 131072, 196609}, every(300000, 300020)}));
    return {three_ids(), one_run(), roaring64(mixed.view()), roaring64(wide.view()),
            roaring32(narrow.view())};
}

// Whatever comes, an error of the one kind or a sound set that can be written and read again.
bool read_or_refuse(const Bytes& bytes) {
    bool good = false;
    for (const Roaring32 numbers : {Roaring32::kUnsigned, Roaring32::kSigned}) {
        try {
            const Set set(bytes, numbers);
            EXPECT_TRUE(Set(roaring64(set.view())) == set);
            good = true;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::kBadBinary);
            EXPECT_FALSE(good);
        }
    }
    return good;
}

TEST(Roaring, EveryPrefixIsMalformed) {
    for (const Bytes& bytes : samples()) {
        EXPECT_TRUE(read_or_refuse(bytes));
        for (std::size_t size = 0; size < bytes.size(); ++size)
            EXPECT_FALSE(read_or_refuse(Bytes(bytes.begin(), bytes.begin() + size)));
    }
}

TEST(Roaring, EveryChangeOfOneByteIsReadOrRefused) {
    int good = 0;
    int refused = 0;
    for (const Bytes& bytes : samples())
        for (std::size_t i = 0; i < bytes.size(); ++i)
            for (int value = 0; value < 256; ++value) {
                Bytes changed = bytes;
                changed[i] = static_cast<std::byte>(value);
                ++(read_or_refuse(changed) ? good : refused);
            }
    EXPECT_GT(good, 1000);
    EXPECT_GT(refused, 10000);
}

TEST(Roaring, MemoryStaysInProportionAndFailuresAreClean) {
    const Bytes bytes = roaring64(Set(every(-3000000, 3000000, 29)).view());
    CountingResource memory;
    {
        SetWriter writer(&memory);
        read_roaring(bytes, Roaring32::kUnsigned, writer, no_interrupt);
    }
    EXPECT_EQ(memory.live, 0u);
    EXPECT_LT(memory.peak, 6 * bytes.size());
    for (std::size_t fail_at = 1; fail_at <= memory.allocations; ++fail_at) {
        CountingResource failing;
        failing.fail_at = fail_at;
        const auto read = [&] {
            SetWriter writer(&failing);
            read_roaring(bytes, Roaring32::kUnsigned, writer, no_interrupt);
        };
        EXPECT_THROW(read(), std::bad_alloc);
        EXPECT_EQ(failing.live, 0u);
    }
    // A count alone makes nobody allocate.
    CountingResource none;
    SetWriter writer(&none);
    for (const Bytes& lie : {Bytes(layout().u64(0xffffffff).u32(0)), Bytes(layout().u32(12346).u32(65536)),
                             Bytes(layout().u32(0xffff303b).u32(0))})
        EXPECT_EQ(error_code([&] { read_roaring(lie, Roaring32::kUnsigned, writer, no_interrupt); }),
                  Errc::kBadBinary);
    EXPECT_EQ(none.allocations, 0u);
}

TEST(Roaring, CanBeCancelled) {
    const Set set(every(-9000000, 9000000, 3));
    const Bytes bytes = roaring64(set.view());
    CountingResource memory;
    SetWriter writer(&memory);
    CancelAfter read_polls(1);
    EXPECT_THROW(read_roaring(bytes, Roaring32::kUnsigned, writer, read_polls), Cancelled);
    Bytes out(bytes.size());
    CancelAfter write_polls(1);
    EXPECT_THROW(write_roaring64(set.view(), out, write_polls), Cancelled);
    const Range many(0, std::int64_t{1} << 40);
    CancelAfter size_polls(1);
    EXPECT_THROW(roaring64_size(many.view(), size_polls), Cancelled);
}

// Lines of expected.txt: path, 32 or 64, number of values or "malformed", and a remark.
struct Expected {
    std::string path;
    int bits;
    std::string cardinality;
};

std::vector<Expected> read_expected(const std::string& folder) {
    std::ifstream file(folder + "/expected.txt");
    std::vector<Expected> lines;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        Expected expected;
        if (line.starts_with('#') || !(fields >> expected.path >> expected.bits >> expected.cardinality))
            continue;
        lines.push_back(expected);
    }
    return lines;
}

Bytes read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.good()) << path;
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto* start = reinterpret_cast<const std::byte*>(text.data());
    return {start, start + text.size()};
}

void expect_read(const Bytes& bytes, const Expected& expected) {
    const Set set(bytes);
    EXPECT_EQ(std::to_string(set.view().cardinality()), expected.cardinality) << expected.path;
    const Bytes again = expected.bits == 32 ? roaring32(set.view()) : roaring64(set.view());
    PlainReader reader(again);
    PlainReader original(bytes);
    const bool same =
        expected.bits == 32 ? reader.read32() == original.read32() : reader.read64() == original.read64();
    EXPECT_TRUE(same);
    EXPECT_LE(again.size(), bytes.size());
    for (std::size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 500)
        expect_malformed(Bytes(bytes.begin(), bytes.begin() + size));
}

TEST(Roaring, FilesOfOtherImplementations) {
    const char* const folder = std::getenv("PGSEG_ROARING_DATA");
    if (folder == nullptr)
        GTEST_SKIP() << "PGSEG_ROARING_DATA is not set";
    const std::vector<Expected> lines = read_expected(folder);
    ASSERT_FALSE(lines.empty());
    for (const Expected& expected : lines) {
        SCOPED_TRACE(expected.path);
        const Bytes bytes = read_file(std::string(folder) + "/" + expected.path);
        // A header that miscounts the values of runs, which some readers let pass, is refused here.
        const bool miscounts = expected.path.find("incorrect_cardinality_still_allowed") != std::string::npos;
        if (expected.cardinality == "malformed" || miscounts)
            expect_malformed(bytes);
        else
            expect_read(bytes, expected);
    }
}

}  // namespace
