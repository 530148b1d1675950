// Days in the session's time zone.
#pragma once

#include <cstdint>

#include "backend/postgres.hpp"

namespace seg::backend {

// Days from 2000-01-01 to the local date of the instant, as at::date counts them. The instant must be finite.
// Remembers the zone's offsets, so the usual cost is a few nanoseconds.
std::int32_t local_day(TimestampTz at);

}  // namespace seg::backend
