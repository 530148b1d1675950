// Rows of equal length, appended one at a time, never moved: what an aggregate gathers.
#pragma once

#include <bit>
#include <cstring>
#include <span>

#include "core/base/memory.hpp"

namespace seg::core::clustering {

// Chunks of 16, 32, ... kLargestChunk rows, then of kLargestChunk each: little slack for small groups, no
// copying for large ones, and a row's place is arithmetic. Needs no destructor when its memory resource frees
// at once.
class RowStore {
  public:
    static constexpr std::uint64_t kFirstChunk = 16;
    static constexpr std::uint64_t kLargestChunk = 8192;

    explicit RowStore(MemoryResource* memory) : chunks_(memory) {}
    ~RowStore() {
        for (std::size_t c = 0; c < chunks_.size(); ++c)
            memory()->deallocate(chunks_[c], chunk_capacity(c) * width_ * sizeof(double), alignof(double));
    }
    RowStore(const RowStore&) = delete;
    RowStore& operator=(const RowStore&) = delete;

    // Doubles in a row; set once, before the first append.
    void set_width(std::size_t width) { width_ = width; }
    std::size_t width() const { return width_; }
    std::uint64_t size() const { return size_; }

    void append(const double* row) {
        if (room_ == 0)
            add_chunk();
        std::memcpy(end_, row, width_ * sizeof(double));
        end_ += width_;
        --room_;
        ++size_;
    }

    const double* row(std::uint64_t index) const {
        if (index < kGrowingRows) {
            const auto chunk = static_cast<std::size_t>(std::bit_width(index / kFirstChunk + 1) - 1);
            return chunks_[chunk] + (index - kFirstChunk * ((std::uint64_t{1} << chunk) - 1)) * width_;
        }
        const std::uint64_t beyond = index - kGrowingRows;
        return chunks_[kGrowingChunks + beyond / kLargestChunk] + beyond % kLargestChunk * width_;
    }

    // Visits the rows in order, as runs of consecutive rows: visit(first, count).
    template <typename Visit>
    void for_each_run(Visit&& visit) const {
        std::uint64_t left = size_;
        for (std::size_t c = 0; left > 0; ++c) {
            const std::uint64_t count = left < chunk_capacity(c) ? left : chunk_capacity(c);
            visit(static_cast<const double*>(chunks_[c]), count);
            left -= count;
        }
    }

  private:
    static constexpr std::size_t kGrowingChunks = std::bit_width(kLargestChunk / kFirstChunk) - 1;
    static constexpr std::uint64_t kGrowingRows = kFirstChunk * ((std::uint64_t{1} << kGrowingChunks) - 1);

    static std::uint64_t chunk_capacity(std::size_t chunk) {
        return chunk < kGrowingChunks ? kFirstChunk << chunk : kLargestChunk;
    }
    MemoryResource* memory() const { return chunks_.get_stored_allocator().resource(); }

    void add_chunk() {
        const std::uint64_t capacity = chunk_capacity(chunks_.size());
        if (chunks_.size() == chunks_.capacity())
            chunks_.reserve(2 * chunks_.size() + 4);
        end_ = static_cast<double*>(memory()->allocate(capacity * width_ * sizeof(double), alignof(double)));
        chunks_.push_back(end_);
        room_ = capacity;
    }

    Vector<double*> chunks_;
    std::size_t width_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t room_ = 0;
    double* end_ = nullptr;
};

}  // namespace seg::core::clustering
