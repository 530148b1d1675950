// Window functions that look at their whole partition.
#pragma once

#include <type_traits>

#include "core/base/error.hpp"

#include "backend/call.hpp"

extern "C" {
#include "windowapi.h"
}

namespace seg::backend {

// The rows of the partition that the current row belongs to, as one window function sees them. Rows are
// numbered from 0.
class WindowPartition {
  public:
    // Errc::kNotSupported when the function was not called as a window function.
    explicit WindowPartition(FunctionCallInfo fcinfo) : window_(PG_WINDOW_OBJECT()) {
        if (!WindowObjectIsValid(window_))
            throw core::Error(core::Errc::kNotSupported,
                              "window function called in a context that is not a window");
    }

    std::int64_t position() const { return WinGetCurrentPosition(window_); }

    // What the function keeps for the partition, all zero at its first row. It is made by the call at that
    // row, and later calls only read a pointer, so they need no backend::call.
    template <typename Local>
    Local& local() const {
        static_assert(std::is_trivial_v<Local>);
        WindowObject window = window_;
        const auto get = [window]() noexcept {
            return static_cast<Local*>(WinGetPartitionLocalMemory(window, sizeof(Local)));
        };
        return *(position() == 0 ? call(get) : get());
    }

    // Reads the whole partition from the plan below. Errc::kTooBig beyond the 2147483647 rows that the
    // server lets a window function reach.
    std::int64_t count_rows() const {
        WindowObject window = window_;
        const std::int64_t rows = call([window]() noexcept { return WinGetPartitionRowCount(window); });
        if (rows > PG_INT32_MAX)
            throw core::Error(core::Errc::kTooBig, "a partition of the window has too many rows",
                              core::format("It has %lld rows, the limit is %d.", static_cast<long long>(rows),
                                           PG_INT32_MAX));
        return rows;
    }

    // The value of an argument in a row, evaluated in the current memory context. It may point into memory
    // that the next fetch replaces. Only inside backend::call.
    Datum fetch(int argument, std::int64_t row, bool* is_null) const noexcept {
        bool is_out;
        return WinGetFuncArgInPartition(window_, argument, static_cast<int>(row), WINDOW_SEEK_HEAD, false,
                                        is_null, &is_out);
    }

    // The same for the current row, which needs no search. Only inside backend::call.
    Datum fetch_current(int argument, bool* is_null) const noexcept {
        return WinGetFuncArgCurrent(window_, argument, is_null);
    }

  private:
    WindowObject window_;
};

}  // namespace seg::backend
