// What unit tests share: resources that count or fail, an interrupt that fires, rows by value.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/base/row_store.hpp"

namespace seg::test {

// Counts live bytes; fails the allocation whose number is fail_at (1 is the first).
class CountingResource final : public core::MemoryResource {
  public:
    std::size_t live = 0;
    std::size_t peak = 0;
    std::size_t allocations = 0;
    std::size_t fail_at = 0;

  private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        if (++allocations == fail_at)
            throw std::bad_alloc();
        void* p = ::operator new(bytes, std::align_val_t(alignment));
        live += bytes;
        if (live > peak)
            peak = live;
        return p;
    }
    void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
        live -= bytes;
        ::operator delete(p, std::align_val_t(alignment));
    }
    bool do_is_equal(const core::MemoryResource& other) const noexcept override { return this == &other; }
};

struct Cancelled {};

// Lets so many polls pass, then cancels.
class CancelAfter final : public core::Interrupt {
  public:
    explicit CancelAfter(int polls) : left_(polls) {}
    void poll() override {
        if (left_-- == 0)
            throw Cancelled{};
    }

  private:
    int left_;
};

inline std::vector<double> row_of(const core::RowStore& store, std::uint64_t index) {
    std::vector<double> buffer(store.width());
    const double* row = store.row(index, buffer.data());
    return {row, row + store.width()};
}

// The code of the core::Error that the call raises; fails the test if it raises none.
template <typename F>
core::Errc error_code(F&& call) {
    try {
        call();
    } catch (const core::Error& error) {
        return error.code();
    }
    throw std::runtime_error("no core::Error was raised");
}

}  // namespace seg::test
