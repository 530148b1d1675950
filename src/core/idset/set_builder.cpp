#include "core/idset/set_builder.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/idset/algebra.hpp"
#include "core/idset/sort_ids.hpp"

namespace seg::core::idset {
namespace {

constexpr std::size_t kFirstList = 64;
constexpr std::size_t kFirstTable = 32;

}  // namespace

SetBuilder::SetBuilder(MemoryResource* memory, std::uint32_t dictionary)
    : memory_(memory),
      dictionary_(dictionary),
      list_(memory),
      crowds_(memory),
      spans_(memory),
      writer_(memory, dictionary) {}

SetBuilder::~SetBuilder() {
    for (const Crowd& crowd : crowds_)
        if (crowd.words != nullptr)
            memory_->deallocate(crowd.words, kBitmapBytes, alignof(std::uint64_t));
}

void SetBuilder::add_range(std::int64_t lowest, std::int64_t highest, Interrupt& interrupt) {
    if (lowest > highest)
        return;
    split_range(lowest, highest, [&](const Chunk& chunk) { add_chunk(chunk, interrupt); });
}

void SetBuilder::add_chunk(const Chunk& chunk, Interrupt& interrupt) {
    written_ = false;
    spread_only(interrupt);
    if (chunk.kind == ChunkKind::kFull) {
        spans_.push_back({chunk.key, chunk.count});
        if (spans_.size() > 2 * joined_spans_ + 64)
            join_spans(interrupt);
        return;
    }
    std::uint64_t* words = crowded_count_ != 0 ? find(chunk.key) : nullptr;
    if (words == nullptr && chunk.cardinality >= kCrowd)
        words = find_or_make(chunk.key);
    if (words != nullptr)
        add_to_bitmap(chunk, words);
    else
        for_each_low(chunk, [&](std::uint32_t low) { add(id_of(chunk.key, low), interrupt); });
}

void SetBuilder::join(const SetSummary& summary) {
    dictionary_ = combined_dictionary({!empty(), 0, 0, dictionary_, 0}, summary);
}

// Many forms of a set are far smaller than bitmaps, so the first one waits until there is a second.
void SetBuilder::spread_only(Interrupt& interrupt) {
    if (!only_)
        return;
    const SetImage image = std::move(*only_);
    only_.reset();
    WorkMeter meter(interrupt);
    const SetView set = image.view();
    for (ChunkCursor at(set); !at.done(); at.next()) {
        add_chunk(at.chunk(), interrupt);
        meter.done(64 + std::min<std::uint32_t>(at.chunk().cardinality, kBitmapWords));
    }
}

void SetBuilder::add_set(const SetView& set, Interrupt& interrupt) {
    const bool first = empty();
    join(set.summary());
    if (set.empty())
        return;
    written_ = false;
    if (first) {
        only_.emplace(set, memory_);
        return;
    }
    WorkMeter meter(interrupt);
    for (ChunkCursor at(set); !at.done(); at.next()) {
        add_chunk(at.chunk(), interrupt);
        meter.done(64 + std::min<std::uint32_t>(at.chunk().cardinality, kBitmapWords));
    }
}

std::uint64_t* SetBuilder::find_or_make(std::uint64_t key) {
    if (crowded_count_ != 0)
        if (std::uint64_t* words = find(key))
            return words;
    if (2 * (crowded_count_ + 1) > crowds_.size())
        grow_table();
    auto* words = static_cast<std::uint64_t*>(memory_->allocate(kBitmapBytes, alignof(std::uint64_t)));
    std::memset(words, 0, kBitmapBytes);
    insert({key, words});
    return words;
}

void SetBuilder::insert(Crowd crowd) {
    std::size_t slot = slot_of(crowd.key);
    while (crowds_[slot].words != nullptr)
        slot = (slot + 1) & (crowds_.size() - 1);
    crowds_[slot] = crowd;
    ++crowded_count_;
}

void SetBuilder::grow_table() {
    Vector<Crowd> larger(std::max(kFirstTable, 2 * crowds_.size()), Crowd{0, nullptr},
                         Allocator<Crowd>(memory_));
    crowds_.swap(larger);
    crowded_count_ = 0;
    shift_ = 64 - std::countr_zero(crowds_.size());
    for (const Crowd& crowd : larger)
        if (crowd.words != nullptr)
            insert(crowd);
}

// What has arrived goes to the bitmaps of crowded chunks and on the list.
void SetBuilder::put_away(Interrupt& interrupt) {
    if (arrived_ == 0)
        return;
    written_ = false;
    spread_only(interrupt);
    if (listed_ + arrived_ > list_.size())
        make_room(interrupt);
    for (std::size_t i = 0; i < arrived_; ++i) {
        const std::uint64_t value = arrivals_[i];
        std::uint64_t* const words = crowded_count_ != 0 ? find(value >> 16) : nullptr;
        if (words != nullptr)
            set_bit(words, static_cast<std::uint16_t>(value));
        else
            list_[listed_++] = value;
    }
    arrived_ = 0;
}

void SetBuilder::sort_list(Interrupt& interrupt) {
    sort_ids({list_.data(), listed_}, memory_, interrupt);
    listed_ = drop_repeats({list_.data(), listed_});
    interrupt.poll();
    promote_crowds(interrupt);
}

// The list is sorted: chunks with a crowd move to bitmaps, the others close ranks. Stopped half-way, the list
// still has every id that it had.
void SetBuilder::promote_crowds(Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    std::size_t kept = 0;
    for (std::size_t begin = 0; begin < listed_;) {
        const std::uint64_t key = list_[begin] >> 16;
        std::size_t end = begin + 1;
        while (end < listed_ && list_[end] >> 16 == key)
            ++end;
        meter.done(end - begin);
        if (end - begin >= kCrowd) {
            std::uint64_t* const words = find_or_make(key);
            for (; begin < end; ++begin)
                set_bit(words, static_cast<std::uint16_t>(list_[begin]));
        } else {
            while (begin < end)
                list_[kept++] = list_[begin++];
        }
    }
    listed_ = kept;
}

void SetBuilder::grow_list(Interrupt& interrupt) {
    Vector<std::uint64_t> larger(std::max(kFirstList, 2 * list_.size()), boost::container::default_init,
                                 Allocator<std::uint64_t>(memory_));
    for (std::size_t at = 0; at < listed_; at += WorkMeter::kUnitsPerPoll) {
        std::copy_n(list_.data() + at, std::min<std::size_t>(WorkMeter::kUnitsPerPoll, listed_ - at),
                    larger.data() + at);
        interrupt.poll();
    }
    list_.swap(larger);
}

void SetBuilder::make_room(Interrupt& interrupt) {
    sort_list(interrupt);
    if (2 * (listed_ + kArrivals) > list_.size())
        grow_list(interrupt);
}

void SetBuilder::join_spans(Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    std::sort(spans_.begin(), spans_.end(), [&meter](const Span& a, const Span& b) {
        meter.done(1);
        return a.key < b.key;
    });
    std::size_t kept = 0;
    for (const Span& span : spans_) {
        if (kept > 0 && spans_[kept - 1].key + spans_[kept - 1].count >= span.key) {
            Span& last = spans_[kept - 1];
            last.count = std::max(last.key + last.count, span.key + span.count) - last.key;
        } else {
            spans_[kept++] = span;
        }
    }
    spans_.resize(kept);
    joined_spans_ = kept;
}

void SetBuilder::write(SetWriter& out, Interrupt& interrupt) {
    put_away(interrupt);
    WorkMeter meter(interrupt);
    if (only_) {
        const SetView set = only_->view();
        for (ChunkCursor at(set); !at.done(); at.next(), meter.done(64))
            out.copy(at.chunk());
        return;
    }
    sort_list(interrupt);
    join_spans(interrupt);
    Vector<Crowd> crowds(memory_);
    crowds.reserve(crowded_count_);
    for (const Crowd& crowd : crowds_)
        if (crowd.words != nullptr)
            crowds.push_back(crowd);
    std::sort(crowds.begin(), crowds.end(), [](const Crowd& a, const Crowd& b) { return a.key < b.key; });

    constexpr std::uint64_t kNone = ~std::uint64_t{0};
    std::size_t span = 0;
    std::size_t crowd = 0;
    std::size_t at = 0;
    const auto listed_key = [&] { return at < listed_ ? list_[at] >> 16 : kNone; };
    for (;;) {
        const std::uint64_t span_key = span < spans_.size() ? spans_[span].key : kNone;
        const std::uint64_t crowd_key = crowd < crowds.size() ? crowds[crowd].key : kNone;
        const std::uint64_t list_key = listed_key();
        const std::uint64_t key = std::min({span_key, crowd_key, list_key});
        if (key == kNone)
            return;
        if (key == span_key) {
            const std::uint64_t end = span_key + spans_[span].count;
            out.full(span_key, spans_[span++].count);
            while (crowd < crowds.size() && crowds[crowd].key < end)
                ++crowd;
            while (listed_key() < end)
                ++at;
        } else if (key == crowd_key) {
            // A chunk that became crowded by a set may still have ids on the list.
            for (; listed_key() == key; ++at)
                set_bit(crowds[crowd].words, static_cast<std::uint16_t>(list_[at]));
            out.bitmap(key, crowds[crowd++].words);
            meter.done(kBitmapWords);
        } else {
            std::array<std::uint16_t, kCrowd> values;
            std::uint32_t count = 0;
            for (; listed_key() == key; ++at)
                values[count++] = static_cast<std::uint16_t>(list_[at]);
            out.array(key, values.data(), count);
            meter.done(count);
        }
    }
}

std::int64_t SetBuilder::cardinality(Interrupt& interrupt) {
    SetWriter writer(memory_);
    write(writer, interrupt);
    return writer.cardinality();
}

std::uint64_t SetBuilder::image_size(Interrupt& interrupt) {
    if (!written_ || arrived_ != 0) {
        writer_.start(dictionary_);
        write(writer_, interrupt);
        written_ = true;
    }
    return writer_.image_size();
}

void SetBuilder::write_image(std::span<std::byte> image, Interrupt& interrupt) {
    image_size(interrupt);
    writer_.write_image(image);
    writer_.start(dictionary_);
    written_ = false;
}

}  // namespace seg::core::idset
