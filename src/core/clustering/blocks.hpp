// Points as kernels read them: blocks of 16 rows, feature by feature, so that one vector holds one feature of
// several rows.
#pragma once

#include <utility>

#include "core/base/memory.hpp"

namespace seg::core::clustering {

inline constexpr std::size_t kLanes = 16;

// size() rows of dimensions() features in blocks [block][feature][lane]. The lanes past the last row repeat
// it; whoever adds up must stop at size().
template <typename T>
class Blocks {
  public:
    Blocks(std::size_t size, std::size_t dimensions, MemoryResource* memory)
        : memory_(memory), size_(size), dimensions_(dimensions) {
        data_ = static_cast<T*>(memory_->allocate(bytes(size, dimensions), kAlignment));
    }
    ~Blocks() {
        if (data_ != nullptr)
            memory_->deallocate(data_, bytes(size_, dimensions_), kAlignment);
    }
    Blocks(const Blocks&) = delete;
    Blocks& operator=(const Blocks&) = delete;
    Blocks(Blocks&& other) noexcept
        : memory_(other.memory_),
          size_(other.size_),
          dimensions_(other.dimensions_),
          data_(std::exchange(other.data_, nullptr)) {}

    std::size_t size() const { return size_; }
    std::size_t dimensions() const { return dimensions_; }
    std::size_t block_count() const { return blocks_for(size_); }
    std::size_t lanes_in(std::size_t block) const {
        const std::size_t left = size_ - block * kLanes;
        return left < kLanes ? left : kLanes;
    }
    T* block(std::size_t b) { return data_ + b * dimensions_ * kLanes; }
    const T* block(std::size_t b) const { return data_ + b * dimensions_ * kLanes; }
    T& at(std::size_t row, std::size_t feature) {
        return block(row / kLanes)[feature * kLanes + row % kLanes];
    }
    T at(std::size_t row, std::size_t feature) const {
        return block(row / kLanes)[feature * kLanes + row % kLanes];
    }
    // -0.0 is stored as 0.0.
    template <typename Row>
    void set_row(std::size_t row, const Row& values) {
        T* lane = block(row / kLanes) + row % kLanes;
        for (std::size_t f = 0; f < dimensions_; ++f)
            lane[f * kLanes] = static_cast<T>(values[f] + 0.0);
    }
    // Fills the lanes past the last row.
    void pad() {
        if (size_ == 0)
            return;
        T* last = block(block_count() - 1);
        const std::size_t used = lanes_in(block_count() - 1);
        for (std::size_t f = 0; f < dimensions_; ++f)
            for (std::size_t lane = used; lane < kLanes; ++lane)
                last[f * kLanes + lane] = last[f * kLanes + used - 1];
    }

    static std::size_t blocks_for(std::size_t rows) { return (rows + kLanes - 1) / kLanes; }
    static std::size_t bytes(std::size_t rows, std::size_t dimensions) {
        return blocks_for(rows) * kLanes * dimensions * sizeof(T);
    }

  private:
    static constexpr std::size_t kAlignment = 64;

    MemoryResource* memory_;
    std::size_t size_;
    std::size_t dimensions_;
    T* data_;
};

}  // namespace seg::core::clustering
