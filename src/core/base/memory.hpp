// Memory comes from the caller. In the server it is a memory context, in unit tests a counting or failing
// resource.
#pragma once

#include <boost/container/pmr/memory_resource.hpp>
#include <boost/container/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <new>

#include "core/base/error.hpp"

namespace seg::core {

using MemoryResource = boost::container::pmr::memory_resource;

// Allocates from a resource. Unlike polymorphic_allocator it cannot be made without one, so no container
// falls back to malloc unseen, and Boost's compiled library is not needed.
template <typename T>
class Allocator {
  public:
    using value_type = T;

    Allocator(MemoryResource* memory) noexcept : memory_(memory) {}  // implicit, as containers expect
    template <typename U>
    Allocator(const Allocator<U>& other) noexcept : memory_(other.resource()) {}

    T* allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / 2 / sizeof(T))
            throw std::bad_alloc();
        return static_cast<T*>(memory_->allocate(count * sizeof(T), alignof(T)));
    }
    void deallocate(T* p, std::size_t count) { memory_->deallocate(p, count * sizeof(T), alignof(T)); }
    MemoryResource* resource() const noexcept { return memory_; }

    template <typename U>
    bool operator==(const Allocator<U>& other) const noexcept {
        return memory_ == other.resource();
    }

  private:
    MemoryResource* memory_;
};

template <typename T>
using Vector = boost::container::vector<T, Allocator<T>>;

// Adds up what a job will need before it allocates, and refuses sums that do not fit 64 bits.
class Bill {
  public:
    Bill& add(std::uint64_t count, std::uint64_t bytes_each) {
        std::uint64_t bytes = 0;
        if (__builtin_mul_overflow(count, bytes_each, &bytes) ||
            __builtin_add_overflow(total_, bytes, &total_))
            throw Error(Errc::kTooBig, "the job needs more memory than can be addressed");
        return *this;
    }
    std::uint64_t total() const { return total_; }

  private:
    std::uint64_t total_ = 0;
};

}  // namespace seg::core
