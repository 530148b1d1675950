// The door between the server's C and our C++: every SQL-callable function is made by PGSEG_FUNCTION.
#pragma once

#include "backend/postgres.hpp"

namespace seg::backend {

// What is left of an exception once every C++ frame is gone. Plain data, so that ereport may longjmp over it.
struct Report {
    int sqlstate;
    ErrorData* data;  // a server error to raise again, or NULL
    char message[512];
    char detail[512];
    char hint[512];
};

// Describes the exception in flight; call it inside a catch block.
void translate(Report& report) noexcept;

// Raises the report as a server error. No C++ object with a destructor may be alive.
[[noreturn]] void raise(Report& report);

// Runs body(), and turns any exception into a server error after the catch block has ended.
template <typename Body>
auto guarded(Body&& body) -> decltype(body()) {
    Report report;
    MemoryContext context = CurrentMemoryContext;
    auto* exception_stack = PG_exception_stack;
    auto* context_stack = error_context_stack;
    try {
        return body();
    } catch (...) {
        translate(report);
    }
    PG_exception_stack = exception_stack;
    error_context_stack = context_stack;
    MemoryContextSwitchTo(context);
    raise(report);
}

}  // namespace seg::backend

// On PostgreSQL 15 PG_FUNCTION_INFO_V1 declares the function without PGDLLEXPORT, hence the line before it.
#define PGSEG_FUNCTION(name)                                                      \
    static Datum name##_impl(FunctionCallInfo fcinfo);                            \
    extern "C" {                                                                  \
    PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                     \
    PG_FUNCTION_INFO_V1(name);                                                    \
    Datum name(PG_FUNCTION_ARGS) {                                                \
        return seg::backend::guarded([fcinfo]() { return name##_impl(fcinfo); }); \
    }                                                                             \
    }                                                                             \
    static Datum name##_impl([[maybe_unused]] FunctionCallInfo fcinfo)
