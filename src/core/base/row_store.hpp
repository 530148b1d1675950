// Rows of equal length, appended one at a time, never moved: what an aggregate gathers.
#pragma once

#include <bit>
#include <cstring>
#include <span>

#include "core/base/memory.hpp"

namespace seg::core {

// Units of work (see WorkMeter) that touching a row of so many values is worth.
constexpr std::uint64_t work_of_row(std::size_t width) {
    return 1 + width / 8;
}

// Chunks of 16, 32, ... rows until one takes 16 MB, then of that size: little slack for small groups, no
// copying for large ones, and a row's place is arithmetic. Needs no destructor when its memory resource frees
// at once.
class RowStore {
  public:
    static constexpr std::uint64_t kLargestChunkBytes = 16 * 1024 * 1024;

    explicit RowStore(MemoryResource* memory) : chunks_(memory) {}
    ~RowStore() {
        for (std::size_t c = 0; c < chunks_.size(); ++c)
            memory()->deallocate(chunks_[c], chunk_capacity(c) * width_ * sizeof(double), alignof(double));
    }
    RowStore(const RowStore&) = delete;
    RowStore& operator=(const RowStore&) = delete;

    // Doubles in a row; set once, before the first append.
    void set_width(std::size_t width) {
        width_ = width;
        const std::uint64_t rows = std::bit_floor(kLargestChunkBytes / (width * sizeof(double)));
        growing_chunks_ =
            rows > kFirstChunk ? static_cast<std::size_t>(std::bit_width(rows / kFirstChunk) - 1) : 0;
    }
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
        auto chunk = static_cast<std::size_t>(std::bit_width(index / kFirstChunk + 1) - 1);
        if (chunk < growing_chunks_)
            return chunks_[chunk] + (index - first_row(chunk)) * width_;
        const std::uint64_t beyond = index - first_row(growing_chunks_);
        chunk = growing_chunks_ + static_cast<std::size_t>(beyond / chunk_capacity(growing_chunks_));
        return chunks_[chunk] + beyond % chunk_capacity(growing_chunks_) * width_;
    }

    // The same, to be overwritten.
    double* row(std::uint64_t index) {
        return const_cast<double*>(static_cast<const RowStore*>(this)->row(index));
    }

    // Keeps the first rows and gives back the chunks behind them.
    void truncate(std::uint64_t size) {
        while (!chunks_.empty()) {
            const std::size_t last = chunks_.size() - 1;
            const std::uint64_t before = size_ + room_ - chunk_capacity(last);
            if (size > before)
                break;
            memory()->deallocate(chunks_[last], chunk_capacity(last) * width_ * sizeof(double),
                                 alignof(double));
            chunks_.pop_back();
            size_ = before;
            room_ = 0;
        }
        room_ += size_ - size;
        size_ = size;
        if (!chunks_.empty())
            end_ = chunks_.back() + (chunk_capacity(chunks_.size() - 1) - room_) * width_;
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
    static constexpr std::uint64_t kFirstChunk = 16;

    std::uint64_t chunk_capacity(std::size_t chunk) const {
        return kFirstChunk << (chunk < growing_chunks_ ? chunk : growing_chunks_);
    }
    // Of a chunk up to the first one of full size.
    static std::uint64_t first_row(std::size_t chunk) {
        return kFirstChunk * ((std::uint64_t{1} << chunk) - 1);
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
    std::size_t growing_chunks_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t room_ = 0;
    double* end_ = nullptr;
};

}  // namespace seg::core
