#include "backend/calendar.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "pgtime.h"
}

namespace seg::backend {
namespace {

// While zone is the session's, instants in [from, to) are offset seconds east of UTC.
struct OffsetSpan {
    const pg_tz* zone;
    TimestampTz from;
    TimestampTz to;
    std::int64_t offset;
};

// A quarter has at most one change of clocks almost everywhere, so an order history stays in the table.
constexpr std::int64_t kQuarter = std::int64_t{91} * USECS_PER_DAY;
constexpr int kSpans = 128;
OffsetSpan spans[kSpans];

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

std::int64_t floor_modulo(std::int64_t a, std::int64_t b) {
    return a - floor_divide(a, b) * b;
}

pg_time_t unix_seconds(TimestampTz at) {
    return floor_divide(at, USECS_PER_SEC) +
           static_cast<std::int64_t>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
}

OffsetSpan look_up(TimestampTz at) {
    const pg_time_t now = unix_seconds(at);
    pg_time_t boundary = 0;
    long before = 0, after = 0;
    int before_dst = 0, after_dst = 0;
    const int found =
        pg_next_dst_boundary(&now, &before, &before_dst, &boundary, &after, &after_dst, session_timezone);
    // A span longer than its place in the table would not be used.
    OffsetSpan span = {session_timezone, at, at + kQuarter, before};
    if (found == 1 && boundary - now < kQuarter / USECS_PER_SEC)
        span.to = (at - floor_modulo(at, USECS_PER_SEC)) + (boundary - now) * USECS_PER_SEC;
    return span;
}

}  // namespace

std::int32_t local_day(TimestampTz at) {
    OffsetSpan& span = spans[static_cast<std::uint64_t>(floor_divide(at, kQuarter)) % kSpans];
    if (span.zone != session_timezone || at < span.from || at >= span.to)
        span = look_up(at);
    return static_cast<std::int32_t>(floor_divide(at + span.offset * USECS_PER_SEC, USECS_PER_DAY));
}

}  // namespace seg::backend
