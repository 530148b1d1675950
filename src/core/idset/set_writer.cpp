#include "core/idset/set_writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/idset/bitmap_kernels.hpp"

namespace seg::core::idset {
namespace {

std::uint32_t count_runs(const std::uint16_t* values, std::uint32_t count) {
    std::uint32_t breaks = count != 0;
    for (std::uint32_t i = 1; i < count; ++i)
        breaks += values[i] != values[i - 1] + 1;
    return breaks;
}

// The smallest of the three; where two are equal, the one that is read faster.
ChunkKind smallest_kind(std::uint32_t cardinality, std::uint32_t run_count) {
    if (cardinality == kChunkIds)
        return ChunkKind::kFull;
    const std::uint32_t array = 2 * cardinality;
    const std::uint32_t runs = 2 + 4 * run_count;
    if (runs < std::min<std::uint32_t>(array, kBitmapBytes))
        return ChunkKind::kRuns;
    return array < kBitmapBytes ? ChunkKind::kArray : ChunkKind::kBitmap;
}

// Pairs (first, length - 1) of ascending values.
std::uint16_t* runs_of_array(const std::uint16_t* values, std::uint32_t count, std::uint16_t* pairs) {
    for (std::uint32_t i = 0; i < count;) {
        std::uint32_t end = i + 1;
        while (end < count && values[end] == values[end - 1] + 1)
            ++end;
        *pairs++ = values[i];
        *pairs++ = static_cast<std::uint16_t>(end - i - 1);
        i = end;
    }
    return pairs;
}

std::uint16_t* runs_of_bitmap(const std::uint64_t* words, std::uint16_t* pairs) {
    for (std::uint32_t at = find_bit(words, 0, true); at < kChunkIds; at = find_bit(words, at, true)) {
        const std::uint32_t first = at;
        at = find_bit(words, at, false);
        *pairs++ = static_cast<std::uint16_t>(first);
        *pairs++ = static_cast<std::uint16_t>(at - first - 1);
    }
    return pairs;
}

struct Ends {
    std::uint32_t first;
    std::uint32_t last;
};
// The first and last id of one chunk with values or words.
Ends ends_of(const Chunk& chunk) {
    const std::uint16_t* const values = chunk.values;
    if (chunk.kind == ChunkKind::kArray)
        return {values[0], values[chunk.cardinality - 1]};
    if (chunk.kind == ChunkKind::kRuns) {
        const std::uint16_t* const run = values + 2 * (chunk.run_count - 1);
        return {values[0], std::uint32_t{run[0]} + run[1]};
    }
    std::uint32_t first = 0;
    while (chunk.words[first] == 0)
        ++first;
    std::uint32_t last = kBitmapWords - 1;
    while (chunk.words[last] == 0)
        --last;
    return {first * 64 + static_cast<std::uint32_t>(std::countr_zero(chunk.words[first])),
            last * 64 + 63 - static_cast<std::uint32_t>(std::countl_zero(chunk.words[last]))};
}

std::uint64_t word_at(const std::byte* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

// Folded 128-bit products of data and constants, in the manner of wyhash (Wang Yi 2019), two lanes wide.
std::uint64_t hash_bytes(std::span<const std::byte> bytes) {
    constexpr std::uint64_t kA = 0xa0761d6478bd642fULL;
    constexpr std::uint64_t kB = 0xe7037ed1a0b428dbULL;
    constexpr std::uint64_t kC = 0x8ebc6af09c88c6e3ULL;
    constexpr std::uint64_t kD = 0x589965cc75374cc3ULL;
    std::uint64_t left = kA ^ bytes.size();
    std::uint64_t right = kB;
    const std::byte* at = bytes.data();
    std::size_t size = bytes.size();
    for (; size >= 32; size -= 32, at += 32) {
        left = fold(word_at(at) ^ kC, word_at(at + 8) ^ left);
        right = fold(word_at(at + 16) ^ kD, word_at(at + 24) ^ right);
    }
    std::byte tail[32] = {};
    if (size != 0)
        std::memcpy(tail, at, size);
    left = fold(word_at(tail) ^ kC, word_at(tail + 8) ^ left);
    right = fold(word_at(tail + 16) ^ kD, word_at(tail + 24) ^ right);
    return fold(left ^ kA, right ^ kD);
}

void SetWriter::add(std::uint64_t ids, std::int64_t first, std::int64_t last) {
    if (ids > static_cast<std::uint64_t>(INT64_MAX - cardinality_))
        throw Error(Errc::kTooBig, "a set cannot hold more than 9223372036854775807 ids");
    if (cardinality_ == 0)
        lowest_ = first;
    highest_ = last;
    cardinality_ += static_cast<std::int64_t>(ids);
}

void SetWriter::entry(std::uint64_t key, std::uint32_t cardinality, std::uint32_t place) {
    keys_.push_back(key << 16 | (cardinality - 1));
    places_.push_back(place);
}

void SetWriter::finish_span() {
    while (span_count_ != 0) {
        const std::uint64_t count = std::min(span_count_, kMaxSpanChunks);
        keys_.push_back(span_key_ << 16 | (count - 1) >> 30);
        places_.push_back(make_place(ChunkKind::kFull, (count - 1) & ((std::uint64_t{1} << 30) - 1)));
        span_key_ += count;
        span_count_ -= count;
    }
}

void SetWriter::put_array(std::uint64_t key, const std::uint16_t* values, std::uint32_t count) {
    entry(key, count, make_place(ChunkKind::kArray, values_.size()));
    values_.insert(values_.end(), values, values + count);
}

void SetWriter::put_runs(std::uint64_t key, std::uint32_t cardinality, const std::uint16_t* pairs,
                         std::uint32_t run_count) {
    entry(key, cardinality, make_place(ChunkKind::kRuns, values_.size()));
    values_.push_back(static_cast<std::uint16_t>(run_count));
    values_.insert(values_.end(), pairs, pairs + 2 * run_count);
}

std::uint64_t* SetWriter::new_bitmap(std::uint64_t key, std::uint32_t cardinality) {
    entry(key, cardinality, make_place(ChunkKind::kBitmap, bitmaps_.size() / kBitmapWords));
    bitmaps_.resize(bitmaps_.size() + kBitmapWords);
    return bitmaps_.data() + bitmaps_.size() - kBitmapWords;
}

void SetWriter::array(std::uint64_t key, const std::uint16_t* values, std::uint32_t count) {
    if (count == 0)
        return;
    const std::uint32_t run_count = count > kLooseIds ? count_runs(values, count) : 0;
    const ChunkKind kind = smallest_kind(count, run_count);
    if (kind == ChunkKind::kFull)
        return full(key, 1);
    finish_span();
    add(count, id_of(key, values[0]), id_of(key, values[count - 1]));
    if (count <= kLooseIds) {
        for (std::uint32_t i = 0; i < count; ++i)
            loose(key, values[i]);
    } else if (kind == ChunkKind::kArray) {
        put_array(key, values, count);
    } else if (kind == ChunkKind::kRuns) {
        std::uint16_t pairs[kBitmapBytes / 2];
        runs_of_array(values, count, pairs);
        put_runs(key, count, pairs, run_count);
    } else {
        std::uint64_t* const words = new_bitmap(key, count);
        for (std::uint32_t i = 0; i < count; ++i)
            set_bit(words, values[i]);
    }
}

void SetWriter::runs(std::uint64_t key, const std::uint16_t* pairs, std::uint32_t run_count) {
    std::uint32_t cardinality = 0;
    for (std::uint32_t r = 0; r < run_count; ++r)
        cardinality += std::uint32_t{pairs[2 * r + 1]} + 1;
    if (cardinality == 0)
        return;
    const Chunk chunk{key, 1, cardinality, ChunkKind::kRuns, run_count, pairs, nullptr};
    const ChunkKind kind = smallest_kind(cardinality, run_count);
    if (kind == ChunkKind::kFull)
        return full(key, 1);
    finish_span();
    add(cardinality, id_of(key, pairs[0]), id_of(key, ends_of(chunk).last));
    if (cardinality <= kLooseIds) {
        for_each_low(chunk, [&](std::uint32_t low) { loose(key, low); });
    } else if (kind == ChunkKind::kRuns) {
        put_runs(key, cardinality, pairs, run_count);
    } else if (kind == ChunkKind::kArray) {
        entry(key, cardinality, make_place(ChunkKind::kArray, values_.size()));
        for_each_low(chunk, [&](std::uint32_t low) { values_.push_back(static_cast<std::uint16_t>(low)); });
    } else {
        add_to_bitmap(chunk, new_bitmap(key, cardinality));
    }
}

void SetWriter::bitmap(std::uint64_t key, const std::uint64_t* words) {
    const BitmapKernels& kernels = bitmap_kernels();
    const std::uint32_t cardinality = kernels.count(words);
    if (cardinality == 0)
        return;
    const std::uint32_t run_count = kernels.count_runs(words);
    const ChunkKind kind = smallest_kind(cardinality, run_count);
    if (kind == ChunkKind::kFull)
        return full(key, 1);
    finish_span();
    const auto [first, last] = ends_of(Chunk{key, 1, cardinality, ChunkKind::kBitmap, 0, nullptr, words});
    add(cardinality, id_of(key, first), id_of(key, last));
    if (cardinality <= kLooseIds) {
        for_each_bit(words, [&](std::uint32_t low) { loose(key, low); });
    } else if (kind == ChunkKind::kRuns) {
        std::uint16_t pairs[kBitmapBytes / 2];
        runs_of_bitmap(words, pairs);
        put_runs(key, cardinality, pairs, run_count);
    } else if (kind == ChunkKind::kArray) {
        std::uint16_t values[kBitmapBytes / 2];
        std::uint32_t count = 0;
        for_each_bit(words, [&](std::uint32_t low) { values[count++] = static_cast<std::uint16_t>(low); });
        put_array(key, values, count);
    } else {
        std::memcpy(new_bitmap(key, cardinality), words, kBitmapBytes);
    }
}

void SetWriter::full(std::uint64_t key, std::uint64_t count) {
    // Too many for a product of 64 bits are refused as the largest of them.
    const std::uint64_t ids = std::min(count, std::uint64_t{1} << 47) * kChunkIds;
    add(ids, id_of(key, 0), id_of(key + count - 1, kChunkIds - 1));
    if (span_count_ != 0 && span_key_ + span_count_ == key) {
        span_count_ += count;
        return;
    }
    finish_span();
    span_key_ = key;
    span_count_ = count;
}

void SetWriter::copy(const Chunk& chunk) {
    if (chunk.kind == ChunkKind::kFull)
        return full(chunk.key, chunk.count);
    if (chunk.kind == ChunkKind::kArray && chunk.cardinality <= kMaxFlatIds)
        return array(chunk.key, chunk.values, chunk.cardinality);  // perhaps of a flat set
    finish_span();
    const auto [first, last] = ends_of(chunk);
    add(chunk.cardinality, id_of(chunk.key, first), id_of(chunk.key, last));
    if (chunk.kind == ChunkKind::kArray)
        put_array(chunk.key, chunk.values, chunk.cardinality);
    else if (chunk.kind == ChunkKind::kRuns)
        put_runs(chunk.key, chunk.cardinality, chunk.values, chunk.run_count);
    else
        std::memcpy(new_bitmap(chunk.key, chunk.cardinality), chunk.words, kBitmapBytes);
}

std::uint64_t SetWriter::large_size() const {
    const std::uint64_t values = (values_.size() + 1) / 2 * 2;
    return prefix_size() + sizeof(LargeHeader) + 12 * keys_.size() + 8 * loose_.size() + 8 * bitmaps_.size() +
           2 * values;
}

bool SetWriter::is_flat() const {
    return cardinality_ <= static_cast<std::int64_t>(kMaxFlatIds) &&
           prefix_size() + static_cast<std::uint64_t>(cardinality_) * 8 <= large_size();
}

std::uint64_t SetWriter::image_size() {
    finish_span();
    const std::uint64_t size =
        is_flat() ? prefix_size() + static_cast<std::uint64_t>(cardinality_) * 8 : large_size();
    if (size > kMaxImageBytes)
        throw Error(Errc::kTooBig, "the set would be larger than 1 GB",
                    format("It would take %llu MB.", static_cast<unsigned long long>(size >> 20)),
                    "Store one set a bucket of ids, for example (segment, id >> 32, members).");
    return size;
}

void SetWriter::write_image(std::span<std::byte> image) const {
    if (is_flat())
        write_flat(image);
    else
        write_large(image);
}

void SetWriter::write_prefix(Form form, std::span<std::byte> image) const {
    auto& prefix = *reinterpret_cast<Prefix*>(image.data());
    prefix.magic = kMagic;
    prefix.version = kVersion;
    prefix.form = form;
    prefix.has_dictionary = dictionary_ != 0;
    if (dictionary_ != 0) {
        const std::uint64_t number = dictionary_;
        std::memcpy(image.data() + sizeof(Prefix), &number, sizeof number);
    }
}

void SetWriter::write_flat(std::span<std::byte> image) const {
    write_prefix(Form::kFlat, image);
    auto* ids = reinterpret_cast<std::int64_t*>(image.data() + prefix_size());
    // Few ids, so few chunks: loose ones and those of entries, brought into order at the end.
    std::int64_t* end = std::copy(loose_.begin(), loose_.end(), ids);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
        const std::uint64_t key = keys_[i] >> 16;
        const std::uint16_t* const values = values_.data() + (places_[i] >> 2);
        Chunk chunk{key,
                    1,
                    static_cast<std::uint32_t>(keys_[i] & 0xffff) + 1,
                    static_cast<ChunkKind>(places_[i] & 3),
                    0,
                    values,
                    nullptr};
        if (chunk.kind == ChunkKind::kRuns) {
            chunk.run_count = values[0];
            ++chunk.values;
        }
        for_each_low(chunk, [&](std::uint32_t low) { *end++ = id_of(key, low); });
    }
    std::sort(ids, end);
}

void SetWriter::write_large(std::span<std::byte> image) const {
    write_prefix(Form::kLarge, image);
    std::byte* const start = image.data() + prefix_size();
    std::byte* at = start + sizeof(LargeHeader);
    const auto put = [&at](const auto& items) {
        const std::size_t bytes = items.size() * sizeof(items[0]);
        if (bytes != 0)
            std::memcpy(at, items.data(), bytes);
        at += bytes;
    };
    put(keys_);
    put(loose_);
    put(bitmaps_);
    put(values_);
    if (values_.size() % 2 != 0) {
        std::memset(at, 0, 2);
        at += 2;
    }
    // Values come after the bitmaps, whose number was not known before.
    const auto shift = static_cast<std::uint32_t>(bitmaps_.size() * 4) << 2;
    for (std::uint32_t place : places_) {
        const auto kind = static_cast<ChunkKind>(place & 3);
        place += kind == ChunkKind::kArray || kind == ChunkKind::kRuns ? shift : 0;
        std::memcpy(at, &place, sizeof place);
        at += sizeof place;
    }
    auto& header = *reinterpret_cast<LargeHeader*>(start);
    header.chunk_count = static_cast<std::uint32_t>(keys_.size());
    header.loose_count = static_cast<std::uint32_t>(loose_.size());
    header.hash = hash_bytes({start + sizeof(LargeHeader), at});
    header.cardinality = cardinality_;
    header.lowest = lowest_;
    header.highest = highest_;
}

void SetWriter::start(std::uint32_t dictionary) {
    dictionary_ = dictionary;
    cardinality_ = 0;
    span_count_ = 0;
    const auto release = [](auto& items) {
        auto empty = std::remove_reference_t<decltype(items)>(items.get_stored_allocator());
        items.swap(empty);
    };
    release(keys_);
    release(loose_);
    release(bitmaps_);
    release(places_);
    release(values_);
}

}  // namespace seg::core::idset
