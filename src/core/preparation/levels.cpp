#include "core/preparation/levels.hpp"

#include <algorithm>
#include <cstring>

namespace seg::core::preparation {
namespace {

constexpr std::size_t kFirstSlots = 16;
constexpr std::size_t kFirstChunk = 256;
constexpr std::size_t kLargestChunk = 65'536;

std::uint32_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325 ^ text.size();
    std::uint64_t word = 0;
    while (text.size() >= sizeof word) {
        std::memcpy(&word, text.data(), sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
        text.remove_prefix(sizeof word);
    }
    word = 0;
    if (!text.empty())
        std::memcpy(&word, text.data(), text.size());
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

LevelCounts::LevelCounts(LevelCounts&& other) noexcept
    : slots_(std::move(other.slots_)),
      chunks_(std::move(other.chunks_)),
      free_(other.free_),
      room_(other.room_),
      size_(other.size_),
      text_size_(other.text_size_) {
    other.chunks_.clear();
    other.slots_.clear();
    other.room_ = other.size_ = 0;
}

LevelCounts::~LevelCounts() {
    for (const Chunk& chunk : chunks_)
        memory()->deallocate(chunk.bytes, chunk.size, alignof(char));
}

const char* LevelCounts::keep(std::string_view text) {
    if (text.size() > room_) {
        const std::size_t usual =
            chunks_.empty() ? kFirstChunk : std::min(2 * chunks_.back().size, kLargestChunk);
        const std::size_t size = std::max(usual, text.size());
        chunks_.reserve(chunks_.size() + 1);
        free_ = static_cast<char*>(memory()->allocate(size, alignof(char)));
        chunks_.push_back({free_, size});
        room_ = size;
    }
    if (text.empty())
        return "";
    std::memcpy(free_, text.data(), text.size());
    free_ += text.size();
    room_ -= text.size();
    return free_ - text.size();
}

bool LevelCounts::add(std::string_view text, std::int64_t rows) {
    if (2 * size_ >= slots_.size())
        grow();
    const std::uint32_t hash = hash_of(text);
    std::size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot].count != 0; slot = (slot + 1) & (slots_.size() - 1))
        if (slots_[slot].hash == hash && slots_[slot].view() == text) {
            slots_[slot].count += rows;
            return true;
        }
    if (size_ == kMaxLevels)
        return false;
    slots_[slot] = {keep(text), static_cast<std::uint32_t>(text.size()), hash, rows};
    ++size_;
    text_size_ += text.size();
    return true;
}

void LevelCounts::grow() {
    Vector<Entry> old(slots_.get_allocator());
    old.swap(slots_);
    slots_.resize(std::max(kFirstSlots, 2 * old.size()), Entry{});
    for (const Entry& entry : old) {
        if (entry.count == 0)
            continue;
        std::size_t slot = entry.hash & (slots_.size() - 1);
        while (slots_[slot].count != 0)
            slot = (slot + 1) & (slots_.size() - 1);
        slots_[slot] = entry;
    }
}

Vector<LevelCounts::Entry> LevelCounts::sorted(MemoryResource* memory) const {
    Vector<Entry> entries(memory);
    entries.reserve(size_);
    for (const Entry& entry : slots_)
        if (entry.count != 0)
            entries.push_back(entry);
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.view() < b.view(); });
    return entries;
}

}  // namespace seg::core::preparation
