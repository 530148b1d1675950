// Calling the server from C++. A server error is a longjmp, which would skip destructors; here it becomes a
// C++ exception that unwinds them, and the entry guard raises it again with its SQLSTATE, detail and hint.
#pragma once

#include <type_traits>
#include <utility>

#include "backend/pg_try.h"
#include "backend/postgres.hpp"

namespace seg::backend {

// A server error on its way through C++ frames. Not a std::exception: only the guard may catch it.
struct Error final {
    ErrorData* data;
};

// Runs a noexcept lambda that captures, returns and declares trivial types only, because a longjmp may leave
// it. Throws backend::Error when the server raised one. Costs a sigsetjmp: do not use it per row on a fast
// path.
template <typename F>
auto call(F&& function) -> decltype(function()) {
    using Function = std::remove_reference_t<F>;
    using Result = decltype(function());
    static_assert(noexcept(function()), "the lambda must be noexcept");
    static_assert(std::is_trivially_destructible_v<Function>, "the lambda must capture trivial types");
    if constexpr (std::is_void_v<Result>) {
        auto thunk = [](void* p) noexcept { (*static_cast<Function*>(p))(); };
        if (ErrorData* error = pgseg_pg_try(thunk, &function))
            throw Error{error};
    } else {
        static_assert(std::is_trivially_copyable_v<Result>, "the lambda must return a trivial type");
        struct Frame {
            Function* function;
            Result result;
        } frame{&function, Result{}};
        auto thunk = [](void* p) noexcept {
            auto* f = static_cast<Frame*>(p);
            f->result = (*f->function)();
        };
        if (ErrorData* error = pgseg_pg_try(thunk, &frame))
            throw Error{error};
        return frame.result;
    }
}

}  // namespace seg::backend
