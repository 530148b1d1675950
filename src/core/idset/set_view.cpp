#include "core/idset/set_view.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/idset/bitmap_kernels.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {
namespace {

[[noreturn]] void corrupted(const char* what) {
    throw Error(Errc::kCorrupted, format("corrupted value of type segment.idset: %s", what));
}

const Prefix& checked_prefix(std::span<const std::byte> image) {
    if (image.size() < sizeof(Prefix))
        corrupted("too short");
    const auto& prefix = *reinterpret_cast<const Prefix*>(image.data());
    if (prefix.magic != kMagic)
        corrupted("wrong magic");
    if (prefix.version != kVersion)
        corrupted("unknown version");
    if (prefix.has_dictionary > 1 || prefix.form > Form::kGathering)
        corrupted("unknown form");
    return prefix;
}

// Where the contents start.
std::size_t contents_start(const Prefix& prefix, std::size_t size) {
    const std::size_t start = sizeof(Prefix) + (prefix.has_dictionary != 0 ? 8 : 0);
    if (size < start)
        corrupted("too short");
    return start;
}

std::uint32_t read_dictionary(const Prefix& prefix) {
    if (prefix.has_dictionary == 0)
        return 0;
    std::uint32_t dictionary = 0;
    std::memcpy(&dictionary, &prefix + 1, sizeof dictionary);
    return dictionary;
}

}  // namespace

SetView::SetView(std::span<const std::byte> image) : image_(image) {
    const Prefix& head = checked_prefix(image);
    const std::size_t start = contents_start(head, image.size());
    dictionary_ = read_dictionary(head);
    if (head.form == Form::kFlat)
        open_flat(start);
    else if (head.form == Form::kLarge)
        open_large(start);
    else
        throw Error(Errc::kCorrupted, "value of type segment.idset is an unfinished state of an aggregate");
}

void SetView::open_flat(std::size_t start) {
    const std::size_t bytes = image_.size() - start;
    if (bytes % 8 != 0 || bytes / 8 > kMaxFlatIds)
        corrupted("wrong size");
    chunk_count_ = 0;
    loose_count_ = static_cast<std::uint32_t>(bytes / 8);
    loose_ = reinterpret_cast<const std::int64_t*>(image_.data() + start);
    keys_ = nullptr;
    places_ = nullptr;
    payload_ = nullptr;
    payload_size_ = 0;
    cardinality_ = loose_count_;
    lowest_ = empty() ? 0 : loose_[0];
    highest_ = empty() ? 0 : loose_[loose_count_ - 1];
}

void SetView::open_large(std::size_t start) {
    const std::size_t keys_at = start + sizeof(LargeHeader);
    if (image_.size() < keys_at)
        corrupted("too short");
    const auto& header = *reinterpret_cast<const LargeHeader*>(image_.data() + start);
    chunk_count_ = header.chunk_count;
    loose_count_ = header.loose_count;
    cardinality_ = header.cardinality;
    lowest_ = header.lowest;
    highest_ = header.highest;
    const std::uint64_t fixed = keys_at + std::uint64_t{chunk_count_} * 12 + std::uint64_t{loose_count_} * 8;
    if (image_.size() < fixed || (image_.size() - fixed) % 4 != 0)
        corrupted("wrong size");
    keys_ = reinterpret_cast<const std::uint64_t*>(image_.data() + keys_at);
    loose_ = reinterpret_cast<const std::int64_t*>(keys_ + chunk_count_);
    payload_ = reinterpret_cast<const std::uint16_t*>(loose_ + loose_count_);
    payload_size_ = (image_.size() - fixed) / 2;
    places_ = reinterpret_cast<const std::uint32_t*>(payload_ + payload_size_);
}

Form SetView::form(std::span<const std::byte> image) {
    return checked_prefix(image).form;
}

SetSummary SetView::summarize(std::span<const std::byte> start_of_image, std::uint64_t image_size) {
    if (start_of_image.size() >= image_size)
        return SetView(start_of_image).summary();
    const Prefix& head = checked_prefix(start_of_image);
    const std::size_t start = contents_start(head, start_of_image.size());
    if (head.form != Form::kLarge || start_of_image.size() < start + sizeof(LargeHeader))
        corrupted("too short");
    const auto& header = *reinterpret_cast<const LargeHeader*>(start_of_image.data() + start);
    return {header.cardinality, header.lowest, header.highest, read_dictionary(head), header.hash};
}

SetSummary SetView::summary() const {
    SetSummary summary{cardinality_, lowest_, highest_, dictionary_, 0};
    const std::span<const std::byte> bytes = contents();
    summary.hash = prefix().form == Form::kFlat ? hash_bytes(bytes)
                                                : reinterpret_cast<const LargeHeader*>(bytes.data())->hash;
    return summary;
}

std::span<const std::byte> SetView::contents() const {
    return image_.subspan(sizeof(Prefix) + (prefix().has_dictionary != 0 ? 8 : 0));
}

std::uint64_t SetView::entry_last_key(std::size_t index) const {
    const std::uint32_t place = places_[index];
    if (static_cast<ChunkKind>(place & 3) != ChunkKind::kFull)
        return entry_key(index);
    return entry_key(index) + ((keys_[index] & 0xffff) << 30 | place >> 2);
}

std::size_t SetView::find_entry(std::uint64_t key, std::size_t from) const {
    // The last entry that starts at or before the key may reach it.
    const std::uint64_t* const next =
        std::upper_bound(keys_ + from, keys_ + chunk_count_, key << 16 | 0xffff);
    const auto index = static_cast<std::size_t>(next - keys_);
    return index > from && entry_last_key(index - 1) >= key ? index - 1 : index;
}

Chunk SetView::entry(std::size_t index) const {
    Chunk chunk{};
    chunk.key = entry_key(index);
    chunk.count = 1;
    chunk.cardinality = static_cast<std::uint32_t>(keys_[index] & 0xffff) + 1;
    chunk.kind = static_cast<ChunkKind>(places_[index] & 3);
    const std::size_t position = places_[index] >> 2;
    const auto require = [this](std::size_t end) {
        if (end > payload_size_)
            corrupted("a chunk reaches beyond the value");
    };
    switch (chunk.kind) {
        case ChunkKind::kArray:
            require(position + chunk.cardinality);
            if (chunk.cardinality >= kBitmapBytes / 2)
                corrupted("an array as large as a bitmap");
            chunk.values = payload_ + position;
            break;
        case ChunkKind::kRuns:
            require(position + 1);
            chunk.run_count = payload_[position];
            if (chunk.run_count == 0)
                corrupted("a chunk without runs");
            require(position + 1 + 2 * std::size_t{chunk.run_count});
            chunk.values = payload_ + position + 1;
            break;
        case ChunkKind::kBitmap:
            require((position + 1) * (kBitmapBytes / 2));
            chunk.words = reinterpret_cast<const std::uint64_t*>(payload_) + position * kBitmapWords;
            break;
        case ChunkKind::kFull:
            chunk.count = entry_last_key(index) - chunk.key + 1;
            chunk.cardinality = kChunkIds;
            break;
    }
    return chunk;
}

bool SetView::contains(std::int64_t id) const {
    if (empty() || id < lowest_ || id > highest_)
        return false;
    const std::size_t index = find_entry(key_of(id), 0);
    if (index < chunk_count_ && entry_key(index) <= key_of(id))
        return chunk_contains(entry(index), low_of(id));
    return std::binary_search(loose_, loose_ + loose_count_, id);
}

namespace {

// The low bits of the id of one chunk with n smaller ones in it.
std::uint32_t select_in(const Chunk& chunk, std::uint32_t n) {
    switch (chunk.kind) {
        case ChunkKind::kArray:
            return chunk.values[n];
        case ChunkKind::kRuns:
            for (std::uint32_t r = 0; r < chunk.run_count; ++r) {
                const std::uint32_t length = std::uint32_t{chunk.values[2 * r + 1]} + 1;
                if (n < length)
                    return chunk.values[2 * r] + n;
                n -= length;
            }
            break;
        case ChunkKind::kBitmap:
            for (std::uint32_t w = 0; w < kBitmapWords; ++w) {
                std::uint64_t rest = chunk.words[w];
                const auto bits = static_cast<std::uint32_t>(std::popcount(rest));
                if (n < bits) {
                    for (; n > 0; --n)
                        rest &= rest - 1;
                    return w * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
                }
                n -= bits;
            }
            break;
        case ChunkKind::kFull:
            return n;
    }
    corrupted("a chunk has fewer ids than it says");
}

}  // namespace

std::uint64_t SetView::entry_ids(std::size_t index) const {
    if (static_cast<ChunkKind>(places_[index] & 3) == ChunkKind::kFull)
        return (entry_last_key(index) - entry_key(index) + 1) * kChunkIds;
    return (keys_[index] & 0xffff) + 1;
}

// The directory alone knows how many ids come before a chunk.
std::int64_t SetView::rank(std::int64_t id) const {
    if (empty() || id < lowest_)
        return 0;
    if (id >= highest_)
        return cardinality_;
    const std::uint64_t key = key_of(id);
    auto rank = static_cast<std::uint64_t>(std::upper_bound(loose_, loose_ + loose_count_, id) - loose_);
    for (std::size_t i = 0; i < chunk_count_ && entry_key(i) <= key; ++i) {
        if (entry_last_key(i) < key)
            rank += entry_ids(i);
        else
            rank += (key - entry_key(i)) * kChunkIds + rank_in_chunk(entry(i), low_of(id));
    }
    return static_cast<std::int64_t>(rank);
}

std::int64_t SetView::select(std::int64_t n) const {
    auto left = static_cast<std::uint64_t>(n);
    std::size_t loose = 0;
    for (std::size_t i = 0; i < chunk_count_; ++i) {
        const std::int64_t first = id_of(entry_key(i), 0);
        for (; loose < loose_count_ && loose_[loose] < first; ++loose)
            if (left-- == 0)
                return loose_[loose];
        if (left < entry_ids(i))
            return id_of(entry_key(i) + left / kChunkIds,
                         select_in(entry(i), static_cast<std::uint32_t>(left % kChunkIds)));
        left -= entry_ids(i);
    }
    if (left >= loose_count_ - loose)
        corrupted("it has fewer ids than it says");
    return loose_[loose + left];
}

void ChunkCursor::load() {
    const SetView& set = *set_;
    const bool has_entry = entry_ < set.chunk_count_;
    const bool has_loose = loose_ < set.loose_count_;
    done_ = !has_entry && !has_loose;
    loose_taken_ = 0;
    if (done_)
        return;
    if (has_entry && (!has_loose || set.entry_key(entry_) < key_of(set.loose_[loose_]))) {
        chunk_ = set.entry(entry_);
        return;
    }
    const std::uint64_t key = key_of(set.loose_[loose_]);
    std::uint32_t count = 0;
    while (count < kMaxFlatIds && loose_ + count < set.loose_count_ &&
           key_of(set.loose_[loose_ + count]) == key) {
        lows_[count] = low_of(set.loose_[loose_ + count]);
        ++count;
    }
    loose_taken_ = count;
    chunk_ = Chunk{key, 1, count, ChunkKind::kArray, 0, lows_.data(), nullptr};
}

void ChunkCursor::next() {
    if (loose_taken_ != 0)
        loose_ += loose_taken_;
    else
        ++entry_;
    load();
}

void ChunkCursor::seek(std::uint64_t key) {
    if (done_ || chunk_.last_key() >= key)
        return;
    const SetView& set = *set_;
    entry_ = static_cast<std::uint32_t>(set.find_entry(key, entry_));
    const std::int64_t* const begin = set.loose_ + loose_;
    const std::int64_t* const end = set.loose_ + set.loose_count_;
    loose_ += static_cast<std::uint32_t>(std::lower_bound(begin, end, id_of(key, 0)) - begin);
    load();
}

namespace {

// Bytes of the image that only this chunk may use.
std::uint64_t own_bytes(const Chunk& chunk) {
    switch (chunk.kind) {
        case ChunkKind::kArray:
            return 2 * std::uint64_t{chunk.cardinality};
        case ChunkKind::kRuns:
            return 2 + 4 * std::uint64_t{chunk.run_count};
        case ChunkKind::kBitmap:
            return kBitmapBytes;
        case ChunkKind::kFull:
            return 0;
    }
    return 0;
}

// Structure first: everything that walking the chunks relies on. Then the contents are written anew and must
// give the same bytes, which leaves no second form of a set.
void validate_chunks(const SetView& set, Interrupt& interrupt) {
    const Reader reader({}, "segment.idset");
    WorkMeter meter(interrupt);
    std::uint64_t bytes = 0;
    std::uint64_t previous = 0;
    bool first = true;
    for (ChunkCursor at(set); !at.done(); at.next()) {
        const Chunk& chunk = at.chunk();
        reader.require(first || chunk.key > previous, "chunks out of order");
        reader.require(chunk.last_key() <= key_of(INT64_MAX), "a chunk beyond the largest id");
        // A few bytes of entries that share one payload must not become gigabytes when written anew.
        bytes += own_bytes(chunk);
        reader.require(bytes <= set.image().size(), "chunks that share their contents");
        if (chunk.kind == ChunkKind::kArray)
            for (std::uint32_t i = 1; i < chunk.cardinality; ++i)
                reader.require(chunk.values[i - 1] < chunk.values[i], "values out of order");
        if (chunk.kind == ChunkKind::kRuns) {
            std::int64_t end = -2;
            for (std::uint32_t r = 0; r < chunk.run_count; ++r) {
                reader.require(chunk.values[2 * r] > end + 1, "runs out of order");
                end = std::int64_t{chunk.values[2 * r]} + chunk.values[2 * r + 1];
                reader.require(end < kChunkIds, "a run beyond its chunk");
            }
        }
        previous = chunk.last_key();
        first = false;
        meter.done(16 + own_bytes(chunk) / 8);
    }
}

}  // namespace

void SetView::validate(std::span<const std::byte> image, MemoryResource* memory, Interrupt& interrupt) {
    const Reader reader({}, "segment.idset");
    try {
        const SetView set(image);
        reader.require(set.prefix().has_dictionary == 0 || set.dictionary_ != 0, "no dictionary");
        for (std::uint32_t i = 1; i < set.loose_count_; ++i)
            reader.require(set.loose_[i - 1] < set.loose_[i], "ids out of order");
        interrupt.poll();
        validate_chunks(set, interrupt);
        WorkMeter meter(interrupt);
        SetWriter writer(memory, set.dictionary_);
        for (ChunkCursor at(set); !at.done(); at.next()) {
            const Chunk& chunk = at.chunk();
            if (chunk.kind == ChunkKind::kArray)
                writer.array(chunk.key, chunk.values, chunk.cardinality);
            else if (chunk.kind == ChunkKind::kRuns)
                writer.runs(chunk.key, chunk.values, chunk.run_count);
            else if (chunk.kind == ChunkKind::kBitmap)
                writer.bitmap(chunk.key, chunk.words);
            else
                writer.full(chunk.key, chunk.count);
            meter.done(1024);
        }
        reader.require(writer.image_size() == image.size(), "not in its canonical form");
        interrupt.poll();
        Vector<std::uint64_t> again(image.size() / 8 + 1, boost::container::default_init,
                                    Allocator<std::uint64_t>(memory));
        const std::span<std::byte> copy(reinterpret_cast<std::byte*>(again.data()), image.size());
        writer.write_image(copy);
        interrupt.poll();
        reader.require(std::memcmp(copy.data() + 4, image.data() + 4, image.size() - 4) == 0,
                       "not in its canonical form");
    } catch (const Error& error) {
        // The same faults in a stored value are corruption; here they came from outside. So did a set that no
        // writer would have finished, for it is too big.
        if (error.code() == Errc::kCorrupted || error.code() == Errc::kTooBig)
            reader.fail("malformed");
        throw;
    }
}

}  // namespace seg::core::idset
