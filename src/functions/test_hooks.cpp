// Functions that break the boundary's rules on purpose, so that tests can prove them. Not in the released
// module.
#ifdef PGSEG_TEST_HOOKS

#include <stdexcept>
#include <string>

#include "core/base/error.hpp"
#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

#include "backend/arguments.hpp"
#include "backend/calendar.hpp"
#include "backend/guard.hpp"
#include "backend/interrupt.hpp"
#include "backend/memory.hpp"

namespace {

using namespace seg;
using namespace seg::backend;

// Counts the objects whose destructor has not run.
int live_objects = 0;

class Tracked {
  public:
    Tracked() { ++live_objects; }
    ~Tracked() { --live_objects; }
    Tracked(const Tracked&) = delete;
    Tracked& operator=(const Tracked&) = delete;

  private:
    std::string heap_ = std::string(1000, 'x');  // so that a leak is one of memory, too
};

std::string text_of(Datum datum) {
    const struct varlena* value = detoasted(datum);
    return {VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))};
}

[[noreturn]] void throw_kind(const std::string& kind) {
    const struct {
        const char* name;
        core::Errc code;
    } codes[] = {
        {"invalid_argument", core::Errc::kInvalidArgument},
        {"null_not_allowed", core::Errc::kNullNotAllowed},
        {"bad_data", core::Errc::kBadData},
        {"array_shape", core::Errc::kArrayShape},
        {"out_of_range", core::Errc::kOutOfRange},
        {"too_big", core::Errc::kTooBig},
        {"bad_binary", core::Errc::kBadBinary},
        {"corrupted", core::Errc::kCorrupted},
        {"not_supported", core::Errc::kNotSupported},
    };
    for (const auto& entry : codes)
        if (kind == entry.name)
            throw core::Error(entry.code, "message of " + kind, "Detail.", "Hint.");
    if (kind == "bad_alloc")
        throw std::bad_alloc();
    if (kind == "length_error")
        throw std::length_error("longer than possible");
    if (kind == "logic_error")
        throw std::logic_error("a bug");
    throw 42;
}

}  // namespace

// test_throw(kind): raises the C++ exception with a live object on the stack
PGSEG_FUNCTION(pgseg_test_throw) {
    const Tracked tracked;
    throw_kind(text_of(PG_GETARG_DATUM(0)));
}

// test_server_error(depth): a server error (22012, with detail and hint) under so many frames with live
// objects
PGSEG_FUNCTION(pgseg_test_server_error) {
    const auto descend = [](auto&& self, int depth) -> void {
        const Tracked tracked;
        if (depth > 1)
            return self(self, depth - 1);
        call([]() noexcept {
            ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("server message"),
                            errdetail("Server detail."), errhint("Server hint.")));
        });
    };
    descend(descend, PG_GETARG_INT32(0));
    PG_RETURN_VOID();
}

// test_live_objects(): objects whose destructor was skipped; 0 unless the boundary leaks
PGSEG_FUNCTION(pgseg_test_live_objects) {
    PG_RETURN_INT32(live_objects);
}

// test_allocate(bytes, alignment): allocates through the memory resource; true when the result is aligned
PGSEG_FUNCTION(pgseg_test_allocate) {
    const Tracked tracked;
    TemporaryContext context;
    const auto bytes = static_cast<std::size_t>(PG_GETARG_INT64(0));
    const auto alignment = static_cast<std::size_t>(PG_GETARG_INT32(1));
    void* p = context.resource().allocate(bytes, alignment);
    const bool aligned = reinterpret_cast<std::uintptr_t>(p) % alignment == 0;
    std::memset(p, 1, bytes < 4096 ? bytes : 4096);
    context.resource().deallocate(p, bytes, alignment);
    PG_RETURN_BOOL(aligned);
}

// test_budget(count, bytes_each): prices a job
PGSEG_FUNCTION(pgseg_test_budget) {
    const Tracked tracked;
    core::Bill bill;
    bill.add(static_cast<std::uint64_t>(PG_GETARG_INT64(0)), static_cast<std::uint64_t>(PG_GETARG_INT64(1)));
    check_budget(bill);
    PG_RETURN_VOID();
}

// test_loop(): a core loop that ends only by an interrupt
PGSEG_FUNCTION(pgseg_test_loop) {
    const Tracked tracked;
    ServerInterrupt interrupt;
    core::WorkMeter meter(interrupt);
    for (;;)
        meter.done(1);
}

// test_local_day(at): the day that rfm_agg counts
PGSEG_FUNCTION(pgseg_test_local_day) {
    PG_RETURN_INT32(local_day(PG_GETARG_TIMESTAMPTZ(0)));
}

#endif
