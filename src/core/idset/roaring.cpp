#include "core/idset/roaring.hpp"

#include <array>
#include <cstring>
#include <optional>
#include <type_traits>

#include "core/base/codec.hpp"
#include "core/idset/bitmap_kernels.hpp"

namespace seg::core::idset {
namespace {

// A 32-bit bitmap starts with one of these; the second is followed by one flag a container, set for runs.
constexpr std::uint32_t kCookieWithoutRuns = 12346;
constexpr std::uint32_t kCookieWithRuns = 12347;
// A bitmap with runs lists the places of its containers only from so many on.
constexpr std::uint32_t kOffsetThreshold = 4;
// Containers without runs with more ids than this are bitmaps, others arrays.
constexpr std::uint32_t kMaxArrayIds = 4096;
constexpr std::uint32_t kMaxContainers = 65536;
// A bucket of the 64-bit format with an empty bitmap.
constexpr std::size_t kMinBucketBytes = 12;

// Key of the chunk of id zero. Adding it to a chunk's key, without a carry, gives the upper 48 bits of the
// ids as unsigned numbers, and the other way round.
constexpr std::uint64_t kZeroKey = key_of(0);
constexpr std::uint64_t number_key(std::uint64_t chunk_key) {
    return chunk_key ^ kZeroKey;
}

[[noreturn]] void malformed(const char* what, std::size_t at) {
    throw Error(Errc::kBadBinary, format("invalid Roaring bitmap: %s", what), format("At byte %zu.", at));
}

template <typename T>
T load(const std::byte* bytes) {
    static_assert(std::is_unsigned_v<T>);
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

// Untrusted bytes, read from the front.
class Source {
  public:
    explicit Source(std::span<const std::byte> bytes) : bytes_(bytes) {}

    std::size_t at() const { return at_; }
    std::size_t left() const { return bytes_.size() - at_; }
    std::span<const std::byte> take(std::size_t size) {
        if (size > left())
            malformed("too short", bytes_.size());
        at_ += size;
        return bytes_.subspan(at_ - size, size);
    }
    template <typename T>
    T get() {
        return load<T>(take(sizeof(T)).data());
    }
    void require(bool condition, const char* what) const {
        if (!condition)
            malformed(what, at_);
    }

  private:
    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
};

// What comes before the containers of a 32-bit bitmap.
struct Header {
    std::size_t start = 0;
    std::uint32_t count = 0;
    std::span<const std::byte> run_flags;    // none: no runs
    std::span<const std::byte> descriptors;  // key, cardinality - 1
    std::span<const std::byte> offsets;      // of the containers from the start, or none

    bool has_runs(std::uint32_t i) const {
        return !run_flags.empty() && std::to_integer<unsigned>(run_flags[i / 8] >> (i % 8) & std::byte{1});
    }
    std::uint16_t key(std::uint32_t i) const { return load<std::uint16_t>(&descriptors[4 * i]); }
    std::uint32_t cardinality(std::uint32_t i) const {
        return std::uint32_t{load<std::uint16_t>(&descriptors[4 * i + 2])} + 1;
    }
};

Header read_header(Source& source) {
    Header header;
    header.start = source.at();
    const auto cookie = source.get<std::uint32_t>();
    if (cookie == kCookieWithoutRuns) {
        header.count = source.get<std::uint32_t>();
        source.require(header.count <= kMaxContainers, "too many containers");
    } else {
        source.require((cookie & 0xffff) == kCookieWithRuns, "unknown cookie");
        header.count = (cookie >> 16) + 1;
        header.run_flags = source.take((header.count + 7) / 8);
    }
    header.descriptors = source.take(std::size_t{4} * header.count);
    if (header.run_flags.empty() || header.count >= kOffsetThreshold)
        header.offsets = source.take(std::size_t{4} * header.count);
    return header;
}

struct Container {
    std::uint32_t cardinality;
    bool has_runs;
    std::size_t at;                   // where the body starts
    std::span<const std::byte> body;  // of runs: the pairs
};

Container read_container(Source& source, const Header& header, std::uint32_t index) {
    const std::size_t start = source.at();
    if (!header.offsets.empty())
        source.require(load<std::uint32_t>(&header.offsets[4 * index]) == start - header.start,
                       "a container is not where the header says");
    Container container{header.cardinality(index), header.has_runs(index), start, {}};
    if (container.has_runs)
        container.body = source.take(std::size_t{4} * source.get<std::uint16_t>());
    else if (container.cardinality <= kMaxArrayIds)
        container.body = source.take(std::size_t{2} * container.cardinality);
    else
        container.body = source.take(kBitmapBytes);
    return container;
}

// Checks the bodies of containers and hands them on, out of a buffer because bytes may be anywhere.
class Decoder {
  public:
    Decoder(SetWriter& out, Interrupt& interrupt) : out_(out), meter_(interrupt) {}

    WorkMeter& meter() { return meter_; }
    void decode(std::uint64_t chunk_key, const Container& container) {
        meter_.done(container.body.size() / 2);
        if (container.has_runs)
            decode_runs(chunk_key, container);
        else if (container.cardinality <= kMaxArrayIds)
            decode_array(chunk_key, container);
        else
            decode_bitmap(chunk_key, container);
    }

  private:
    void decode_array(std::uint64_t chunk_key, const Container& container) {
        std::memcpy(values_.data(), container.body.data(), container.body.size());
        bool ascending = true;
        for (std::uint32_t i = 1; i < container.cardinality; ++i)
            ascending &= values_[i - 1] < values_[i];
        if (!ascending)
            malformed("values are not in ascending order", container.at);
        out_.array(chunk_key, values_.data(), container.cardinality);
    }

    void decode_bitmap(std::uint64_t chunk_key, const Container& container) {
        std::memcpy(words_.data(), container.body.data(), kBitmapBytes);
        if (bitmap_kernels().count(words_.data()) != container.cardinality)
            malformed("a bitmap has another number of values than the header says", container.at);
        out_.bitmap(chunk_key, words_.data());
    }

    void decode_runs(std::uint64_t chunk_key, const Container& container) {
        check_runs(container);
        if (container.body.size() <= sizeof values_) {
            std::memcpy(values_.data(), container.body.data(), container.body.size());
            const auto run_count = static_cast<std::uint32_t>(container.body.size() / 4);
            out_.runs(chunk_key, values_.data(), run_count);
            return;
        }
        // More of them than fit the buffer: they take less room as a bitmap.
        words_.fill(0);
        for (std::size_t i = 0; i < container.body.size(); i += 4) {
            const std::uint32_t first = load<std::uint16_t>(&container.body[i]);
            set_bits(words_.data(), first, first + load<std::uint16_t>(&container.body[i + 2]));
        }
        out_.bitmap(chunk_key, words_.data());
    }

    static void check_runs(const Container& container) {
        std::uint32_t cardinality = 0;
        std::uint32_t free = 0;  // the first value that the next run may start at
        for (std::size_t i = 0; i < container.body.size(); i += 4) {
            const std::uint32_t first = load<std::uint16_t>(&container.body[i]);
            const std::uint32_t more = load<std::uint16_t>(&container.body[i + 2]);
            if (first < free)
                malformed("runs overlap, touch or are not in ascending order", container.at);
            if (first + more >= kChunkIds)
                malformed("a run ends beyond its container", container.at);
            cardinality += more + 1;
            free = first + more + 2;
        }
        if (cardinality != container.cardinality)
            malformed("runs have another number of values than the header says", container.at);
    }

    SetWriter& out_;
    WorkMeter meter_;
    std::array<std::uint16_t, kMaxArrayIds> values_;
    std::array<std::uint64_t, kBitmapWords> words_;
};

// Walks one 32-bit bitmap; decodes those of its containers of which chunk_key_of(key) is one of the wanted
// half, the ids below zero or the others.
template <typename ChunkKeyOf>
void read_bitmap(Source& source, bool negative, Decoder& decoder, const ChunkKeyOf& chunk_key_of) {
    const Header header = read_header(source);
    for (std::uint32_t i = 0; i < header.count; ++i) {
        source.require(i == 0 || header.key(i - 1) < header.key(i), "keys are not in ascending order");
        const Container container = read_container(source, header, i);
        const std::uint64_t chunk_key = chunk_key_of(header.key(i));
        if ((chunk_key < kZeroKey) == negative)
            decoder.decode(chunk_key, container);
        decoder.meter().done(1);
    }
}

void read_bitmap32(Source& source, Roaring32 numbers, bool negative, Decoder& decoder) {
    // As signed numbers, those with the highest bit go with the ids just below zero.
    const bool wrap = numbers == Roaring32::kSigned;
    read_bitmap(source, negative, decoder, [wrap](std::uint16_t key) {
        return kZeroKey + key - (wrap && key >= kMaxContainers / 2 ? kMaxContainers : 0);
    });
}

void read_bitmap64(Source& source, bool negative, Decoder& decoder) {
    const auto buckets = source.get<std::uint64_t>();
    source.require(buckets <= source.left() / kMinBucketBytes, "too short for its number of buckets");
    std::int64_t previous = -1;
    for (std::uint64_t i = 0; i < buckets; ++i) {
        const auto upper = source.get<std::uint32_t>();
        source.require(previous < std::int64_t{upper}, "buckets are not in ascending order");
        previous = upper;
        read_bitmap(source, negative, decoder,
                    [upper](std::uint16_t key) { return number_key(std::uint64_t{upper} << 16 | key); });
        decoder.meter().done(1);
    }
}

bool is_bitmap32(std::span<const std::byte> bytes) {
    if (bytes.size() < 8)
        return false;  // too short for either
    const auto buckets = load<std::uint64_t>(bytes.data());
    const auto cookie = static_cast<std::uint32_t>(buckets);
    if (cookie != kCookieWithoutRuns && (cookie & 0xffff) != kCookieWithRuns)
        return false;
    return buckets > (bytes.size() - 8) / kMinBucketBytes;
}

// The shape of one container that is to be written.
struct Shape {
    ChunkKind kind;  // not kFull
    std::uint32_t run_count;

    std::size_t bytes(std::uint32_t cardinality) const {
        switch (kind) {
            case ChunkKind::kArray:
                return std::size_t{2} * cardinality;
            case ChunkKind::kBitmap:
                return kBitmapBytes;
            default:
                return 2 + std::size_t{4} * run_count;
        }
    }
};

std::uint32_t count_runs(const Chunk& array) {
    std::uint32_t count = 1;
    for (std::uint32_t i = 1; i < array.cardinality; ++i)
        count += array.values[i] != array.values[i - 1] + 1;
    return count;
}

// Sets choose as Roaring does, except for full chunks, bitmaps of 4,096 ids, and the arrays that the chunks
// of small sets always are.
Shape shape_of(const Chunk& chunk) {
    switch (chunk.kind) {
        case ChunkKind::kArray: {
            if (chunk.cardinality > kMaxFlatIds)
                return {ChunkKind::kArray, 0};
            const std::uint32_t run_count = count_runs(chunk);
            const bool runs = 2 + 4 * run_count < 2 * chunk.cardinality;
            return {runs ? ChunkKind::kRuns : ChunkKind::kArray, run_count};
        }
        case ChunkKind::kRuns:
            return {ChunkKind::kRuns, chunk.run_count};
        case ChunkKind::kBitmap:
            return {chunk.cardinality > kMaxArrayIds ? ChunkKind::kBitmap : ChunkKind::kArray, 0};
        case ChunkKind::kFull:
            break;
    }
    return {ChunkKind::kRuns, 1};
}

// A set's chunks one by one in the order of unsigned numbers: from zero up, then those below zero.
class ContainerWalk {
  public:
    explicit ContainerWalk(const SetView& set) : set_(set) {
        cursor_.emplace(set);
        cursor_->seek(kZeroKey);
        settle();
    }

    bool done() const { return done_; }
    const Chunk& chunk() const { return cursor_->chunk(); }
    const Shape& shape() const { return shape_; }
    std::size_t bytes() const { return shape_.bytes(chunk().cardinality); }
    // The upper 32 bits of the ids as unsigned numbers, and the 16 bits that follow.
    std::uint64_t bucket() const { return number_key(key_) >> 16; }
    std::uint16_t container_key() const { return static_cast<std::uint16_t>(key_); }

    void next() {
        if (key_ < chunk().last_key() && key_ + 1 != kZeroKey) {
            ++key_;
            return;
        }
        cursor_->next();
        settle();
    }

  private:
    void settle() {
        if (at_end() && !negative_) {
            negative_ = true;
            cursor_.emplace(set_);
        }
        done_ = at_end();
        if (done_)
            return;
        key_ = chunk().key;
        if (!negative_ && key_ < kZeroKey)
            key_ = kZeroKey;  // in the middle of consecutive full chunks
        shape_ = shape_of(chunk());
    }
    bool at_end() const { return cursor_->done() || (negative_ && chunk().key >= kZeroKey); }

    const SetView& set_;
    std::optional<ChunkCursor> cursor_;
    bool negative_ = false;
    bool done_ = false;
    std::uint64_t key_ = 0;
    Shape shape_{};
};

// What the header of one 32-bit bitmap says of its containers together.
struct Outline {
    std::uint32_t count = 0;
    bool has_runs = false;
    std::uint64_t body_bytes = 0;

    void add(const ContainerWalk& container) {
        ++count;
        has_runs |= container.shape().kind == ChunkKind::kRuns;
        body_bytes += container.bytes();
    }
    bool has_offsets() const { return !has_runs || count >= kOffsetThreshold; }
    std::uint64_t header_bytes() const {
        const std::uint64_t lists = std::uint64_t{4} * count * (has_offsets() ? 2 : 1);
        return lists + (has_runs ? 4 + (count + 7) / 8 : 8);
    }
    std::uint64_t bytes() const { return header_bytes() + body_bytes; }
};

[[noreturn]] void too_big(std::uint64_t bytes) {
    throw Error(Errc::kTooBig, "the Roaring bitmap would be larger than 1 GB",
                format("It would take at least %llu MB.", static_cast<unsigned long long>(bytes >> 20)),
                "Write the set in parts, for example one for each range of ids.");
}

// Refuses what cannot fit by its containers alone: a stretch of ids takes no room in a set, but a container
// for each 65,536 of them here.
void check_container_count(const SetView& set, WorkMeter& meter) {
    std::uint64_t bytes = 0;
    for (ChunkCursor at(set); !at.done(); at.next()) {
        bytes += at.chunk().count * (at.chunk().kind == ChunkKind::kFull ? 10 : 6);
        if (bytes > kMaxRoaringBytes)
            too_big(bytes);
        meter.done(1);
    }
}

// The outline of the containers up to the next bucket, or of all when they are not in buckets.
Outline take_outline(ContainerWalk& walk, bool one_bucket, WorkMeter& meter) {
    Outline outline;
    const std::uint64_t bucket = one_bucket ? walk.bucket() : 0;
    for (; !walk.done() && (!one_bucket || walk.bucket() == bucket); walk.next()) {
        outline.add(walk);
        meter.done(16);
    }
    return outline;
}

// The bytes of one container, in its shape.
void write_body(const Chunk& chunk, const Shape& shape, Writer& out) {
    if (shape.kind == ChunkKind::kRuns)
        out.put(static_cast<std::uint16_t>(shape.run_count));
    if (chunk.kind == ChunkKind::kFull) {
        out.put(std::uint16_t{0});
        out.put(static_cast<std::uint16_t>(kChunkIds - 1));
    } else if (chunk.kind == ChunkKind::kRuns) {
        out.put_all(std::span(chunk.values, std::size_t{2} * chunk.run_count));
    } else if (chunk.kind == ChunkKind::kArray && shape.kind == ChunkKind::kArray) {
        out.put_all(std::span(chunk.values, chunk.cardinality));
    } else if (chunk.kind == ChunkKind::kArray) {
        for (std::uint32_t i = 0, end = 0; i < chunk.cardinality; i = end) {
            for (end = i + 1; end < chunk.cardinality && chunk.values[end] == chunk.values[end - 1] + 1;)
                ++end;
            out.put(chunk.values[i]);
            out.put(static_cast<std::uint16_t>(end - i - 1));
        }
    } else if (shape.kind == ChunkKind::kBitmap) {
        out.put_all(std::span(chunk.words, kBitmapWords));
    } else {
        if (bitmap_kernels().count(chunk.words) != chunk.cardinality)
            throw Error(Errc::kCorrupted,
                        "corrupted value of type segment.idset: a bitmap has another number of ids");
        for_each_bit(chunk.words, [&out](std::uint32_t low) { out.put(static_cast<std::uint16_t>(low)); });
    }
}

// Writes the walk's next containers as the 32-bit bitmap of this outline.
void write_bitmap(const Outline& outline, ContainerWalk& walk, std::span<std::byte> out, WorkMeter& meter) {
    Writer start(out.first(8));
    std::span<std::byte> run_flags;
    std::span<std::byte> lists = out.subspan(8);
    if (outline.has_runs) {
        start.put(kCookieWithRuns | (outline.count - 1) << 16);
        run_flags = out.subspan(4, (outline.count + 7) / 8);
        std::memset(run_flags.data(), 0, run_flags.size());
        lists = out.subspan(4 + run_flags.size());
    } else {
        start.put(kCookieWithoutRuns);
        start.put(outline.count);
    }
    const std::size_t list_bytes = std::size_t{4} * outline.count;
    Writer descriptors(lists.first(list_bytes));
    Writer offsets(lists.subspan(list_bytes, outline.has_offsets() ? list_bytes : 0));
    Writer bodies(out.subspan(outline.header_bytes()));
    for (std::uint32_t i = 0; i < outline.count; ++i, walk.next()) {
        descriptors.put(walk.container_key());
        descriptors.put(static_cast<std::uint16_t>(walk.chunk().cardinality - 1));
        if (outline.has_offsets())
            offsets.put(static_cast<std::uint32_t>(outline.header_bytes() + bodies.size()));
        if (walk.shape().kind == ChunkKind::kRuns)
            run_flags[i / 8] |= std::byte{1} << (i % 8);
        write_body(walk.chunk(), walk.shape(), bodies);
        meter.done(16 + walk.bytes() / 4);
    }
}

void check_range32(const SetView& set, Roaring32 numbers) {
    if (set.empty())
        return;
    const bool is_signed = numbers == Roaring32::kSigned;
    const std::int64_t lowest = is_signed ? INT32_MIN : 0;
    const std::int64_t highest = is_signed ? INT32_MAX : std::int64_t{UINT32_MAX};
    if (set.lowest() >= lowest && set.highest() <= highest)
        return;
    const std::int64_t id = set.lowest() < lowest ? set.lowest() : set.highest();
    throw Error(Errc::kOutOfRange,
                format("id %lld does not fit a 32-bit Roaring bitmap", static_cast<long long>(id)),
                format("Ids must be between %lld and %lld.", static_cast<long long>(lowest),
                       static_cast<long long>(highest)),
                "Use segment.to_roaring, which writes the 64-bit format.");
}

}  // namespace

void read_roaring(std::span<const std::byte> bytes, Roaring32 numbers, SetWriter& out, Interrupt& interrupt) {
    const bool short_numbers = is_bitmap32(bytes);
    Decoder decoder(out, interrupt);
    // The ids below zero come last in the bytes and first in the set.
    for (const bool negative : {true, false}) {
        Source source(bytes);
        if (short_numbers)
            read_bitmap32(source, numbers, negative, decoder);
        else
            read_bitmap64(source, negative, decoder);
        source.require(source.left() == 0, "bytes follow its end");
    }
}

std::uint64_t roaring64_size(const SetView& set, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    check_container_count(set, meter);
    std::uint64_t bytes = 8;
    for (ContainerWalk walk(set); !walk.done();) {
        bytes += 4 + take_outline(walk, true, meter).bytes();
        if (bytes > kMaxRoaringBytes)
            too_big(bytes);
    }
    return bytes;
}

void write_roaring64(const SetView& set, std::span<std::byte> out, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    ContainerWalk ahead(set);
    std::uint64_t buckets = 0;
    std::size_t at = 8;
    for (ContainerWalk walk(set); !walk.done(); ++buckets) {
        const Outline outline = take_outline(ahead, true, meter);
        Writer(out.subspan(at, 4)).put(static_cast<std::uint32_t>(walk.bucket()));
        write_bitmap(outline, walk, out.subspan(at + 4, outline.bytes()), meter);
        at += 4 + outline.bytes();
    }
    Writer(out.first(8)).put(buckets);
}

std::uint64_t roaring32_size(const SetView& set, Roaring32 numbers, Interrupt& interrupt) {
    check_range32(set, numbers);
    WorkMeter meter(interrupt);
    check_container_count(set, meter);
    ContainerWalk walk(set);
    return take_outline(walk, false, meter).bytes();
}

void write_roaring32(const SetView& set, std::span<std::byte> out, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    ContainerWalk ahead(set);
    const Outline outline = take_outline(ahead, false, meter);
    ContainerWalk walk(set);
    write_bitmap(outline, walk, out, meter);
}

}  // namespace seg::core::idset
