#include "core/idset/chunk_steps.hpp"

#include <algorithm>
#include <new>
#include <type_traits>

namespace seg::core::idset {

ChunkSteps::Cursors::Cursors(std::span<const SetView> sets, MemoryResource* memory)
    : memory_(memory),
      size_(sets.size()),
      first_(static_cast<ChunkCursor*>(memory->allocate(size_ * sizeof(ChunkCursor), alignof(ChunkCursor)))) {
    static_assert(std::is_trivially_destructible_v<ChunkCursor>);
    try {
        for (std::size_t set = 0; set < size_; ++set)
            new (first_ + set) ChunkCursor(sets[set]);
    } catch (...) {
        memory_->deallocate(first_, size_ * sizeof(ChunkCursor), alignof(ChunkCursor));
        throw;
    }
}

ChunkSteps::Cursors::~Cursors() {
    memory_->deallocate(first_, size_ * sizeof(ChunkCursor), alignof(ChunkCursor));
}

ChunkSteps::ChunkSteps(std::span<const SetView> sets, MemoryResource* memory)
    : cursors_(sets, memory), waiting_(memory), parts_(memory), full_(memory), full_ends_(memory) {
    waiting_.reserve(sets.size());
    for (std::uint32_t set = 0; set < cursors_.size(); ++set)
        wait(set);
}

void ChunkSteps::price(std::uint64_t sets, Bill& bill) {
    bill.add(sets, sizeof(ChunkCursor) + sizeof(Waiting) + sizeof(Part));
}

void ChunkSteps::wait(std::uint32_t set) {
    if (cursors_[set].done())
        return;
    waiting_.push_back({cursors_[set].chunk().key, set});
    std::push_heap(waiting_.begin(), waiting_.end());
}

// Takes the full ones that end at the key off the list. Each call that does anything drops one at least.
void ChunkSteps::drop_ended(std::uint64_t at) {
    if (first_end_ > at)
        return;
    full_changed_ = true;
    first_end_ = ~std::uint64_t{0};
    std::size_t kept = 0;
    for (std::size_t i = 0; i < full_.size(); ++i) {
        if (full_ends_[i] <= at)
            continue;
        first_end_ = std::min(first_end_, full_ends_[i]);
        full_[kept] = full_[i];
        full_ends_[kept++] = full_ends_[i];
    }
    full_.resize(kept);
    full_ends_.resize(kept);
}

void ChunkSteps::start_span(std::uint32_t set) {
    const std::uint64_t end = cursors_[set].chunk().last_key() + 1;
    full_.push_back(set);
    full_ends_.push_back(end);
    first_end_ = std::min(first_end_, end);
    full_changed_ = true;
    cursors_[set].next();
    wait(set);
}

bool ChunkSteps::next() {
    for (const Part& part : parts_) {
        cursors_[part.set].next();
        wait(part.set);
    }
    parts_.clear();
    ids_in_parts_ = 0;
    full_changed_ = false;
    key_ += count_;
    drop_ended(key_);
    if (full_.empty()) {
        if (waiting_.empty())
            return false;
        key_ = waiting_.front().key;
    }
    while (!waiting_.empty() && waiting_.front().key == key_) {
        std::pop_heap(waiting_.begin(), waiting_.end());
        const std::uint32_t set = waiting_.back().set;
        waiting_.pop_back();
        const Chunk& chunk = cursors_[set].chunk();
        if (chunk.kind == ChunkKind::kFull) {
            start_span(set);
            continue;
        }
        parts_.push_back({set, &chunk});
        ids_in_parts_ += chunk.cardinality;
    }
    count_ = 1;
    if (parts_.empty())
        count_ = std::min(first_end_, waiting_.empty() ? first_end_ : waiting_.front().key) - key_;
    return true;
}

}  // namespace seg::core::idset
