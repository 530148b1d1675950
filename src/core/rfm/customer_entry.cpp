#include "core/rfm/customer_entry.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

namespace seg::core::rfm {

DayBlocks::~DayBlocks() {
    for (const Chunk& chunk : chunks_)
        chunks_.get_stored_allocator().resource()->deallocate(chunk.bytes, chunk.size);
}

std::byte* DayBlocks::new_chunk(std::size_t size) {
    chunks_.reserve(chunks_.size() + 1);
    auto* bytes = static_cast<std::byte*>(chunks_.get_stored_allocator().resource()->allocate(size));
    chunks_.push_back({bytes, size});
    used_ += size;
    return bytes;
}

DayCode* DayBlocks::allocate(int block_class) {
    if (DayCode* block = free_[static_cast<std::size_t>(block_class)]) {
        std::memcpy(&free_[static_cast<std::size_t>(block_class)], block, sizeof(DayCode*));
        return block;
    }
    const std::size_t bytes = capacity(block_class) * sizeof(DayCode);
    if (bytes > kChunkBytes / 4)
        return reinterpret_cast<DayCode*>(new_chunk(bytes));
    if (bytes > left_) {
        next_ = new_chunk(kChunkBytes);
        left_ = kChunkBytes;
    }
    auto* block = reinterpret_cast<DayCode*>(next_);
    next_ += bytes;
    left_ -= bytes;
    return block;
}

void DayBlocks::release(DayCode* block, int block_class) {
    DayCode*& first = free_[static_cast<std::size_t>(block_class)];
    std::memcpy(block, &first, sizeof(DayCode*));
    first = block;
}

DayCode* DayBlocks::copy(const DayCode* block, int block_class) {
    DayCode* made = allocate(block_class);
    std::memcpy(made, block, capacity(block_class) * sizeof(DayCode));
    return made;
}

void DayBlocks::swap(DayBlocks& other) {
    chunks_.swap(other.chunks_);
    free_.swap(other.free_);
    std::swap(next_, other.next_);
    std::swap(left_, other.left_);
    std::swap(used_, other.used_);
}

bool DayBlocks::add(EntryView entry, DayCode code) {
    if (!entry.has(EntryView::kDaysInBlock)) {
        if (entry.inline_matches(code) != 0)
            return false;
        if (const unsigned free = entry.inline_matches(0)) {
            entry.inline_days()[std::countr_zero(free) / 2] = code;
            return true;
        }
        move_to_block(entry);
    }
    const std::span<const DayCode> days = entry.days();
    const auto place = std::lower_bound(days.begin(), days.end(), code, std::greater<>());
    if (place != days.end() && *place == code)
        return false;
    const auto index = static_cast<std::size_t>(place - days.begin());
    const std::size_t count = days.size();
    if (count == capacity(entry.block_class()))
        grow_block(entry);
    DayCode* block = entry.block();
    std::copy_backward(block + index, block + count, block + count + 1);
    block[index] = code;
    ++entry.block_days();
    return true;
}

void DayBlocks::move_to_block(EntryView entry) {
    DayCode* block = allocate(0);
    std::copy_n(entry.inline_days(), EntryView::kInlineDays, block);
    std::sort(block, block + EntryView::kInlineDays, std::greater<>());
    entry.block_class() = 0;
    entry.block_days() = EntryView::kInlineDays;
    entry.block() = block;
    entry.flags() |= EntryView::kDaysInBlock;
}

void DayBlocks::grow_block(EntryView entry) {
    DayCode* old = entry.block();
    const int old_class = entry.block_class();
    DayCode* grown = allocate(old_class + 1);
    std::copy_n(old, entry.block_days(), grown);
    entry.block() = grown;
    entry.block_class() = static_cast<std::uint8_t>(old_class + 1);
    release(old, old_class);
}

std::int64_t KeyBytes::keep(std::span<const std::byte> key) {
    const auto length = static_cast<std::uint32_t>((kLengthWord + key.size()) << 2);
    const std::size_t bytes = (kLengthWord + key.size() + 7) / 8 * 8;
    if (bytes > left_) {
        chunks_.reserve(chunks_.size() + 1);
        const std::size_t size = std::max(bytes, kChunkBytes);
        next_ = static_cast<std::byte*>(chunks_.get_stored_allocator().resource()->allocate(size));
        left_ = size;
        chunks_.push_back({next_, size});
        used_ += size;
    }
    std::byte* place = next_;
    std::memcpy(place, &length, sizeof length);
    if (!key.empty())
        std::memcpy(place + kLengthWord, key.data(), key.size());
    next_ += bytes;
    left_ -= bytes;
    return static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(place));
}

std::span<const std::byte> KeyBytes::bytes(std::int64_t key) {
    const auto* place = reinterpret_cast<const std::byte*>(static_cast<std::intptr_t>(key));
    std::uint32_t length;
    std::memcpy(&length, place, sizeof length);
    return {place + kLengthWord, (length >> 2) - kLengthWord};
}

void KeyBytes::clear() {
    for (const Chunk& chunk : chunks_)
        chunks_.get_stored_allocator().resource()->deallocate(chunk.bytes, chunk.size);
    chunks_.clear();
    next_ = nullptr;
    left_ = 0;
    used_ = 0;
}

void KeyBytes::swap(KeyBytes& other) {
    chunks_.swap(other.chunks_);
    std::swap(next_, other.next_);
    std::swap(left_, other.left_);
    std::swap(used_, other.used_);
}

}  // namespace seg::core::rfm
