// segment.demo_orders: a shop to try things on.
#include "core/demo/shop.hpp"

#include <string>

#include "backend/arguments.hpp"
#include "backend/guard.hpp"
#include "backend/result.hpp"
#include "backend/settings.hpp"

namespace {

using namespace seg;
using namespace seg::backend;

TimestampTz finite_time(FunctionCallInfo fcinfo, int number, const char* name) {
    const TimestampTz at = DatumGetTimestampTz(required(fcinfo, number, name));
    if (TIMESTAMP_NOT_FINITE(at))
        throw core::Error(core::Errc::kInvalidArgument, core::format("\"%s\" must be finite", name));
    return at;
}

// Core would state the window in microseconds.
void check_window(TimestampTz starts_at, TimestampTz ends_at) {
    if (starts_at < ends_at)
        return;
    const std::string start = timestamptz_to_str(starts_at);  // copied: the server has one buffer
    throw core::Error(core::Errc::kInvalidArgument, "\"starts_at\" must be before \"ends_at\"",
                      core::format("They are %s and %s.", start.c_str(), timestamptz_to_str(ends_at)));
}

}  // namespace

// demo_orders(customers, seed, starts_at, ends_at) -> orders
PGSEG_FUNCTION(pgseg_demo_orders) {
    core::demo::ShopOptions options;
    options.customers = DatumGetInt32(required(fcinfo, 0, "customers"));
    options.seed =
        static_cast<std::uint64_t>(PG_ARGISNULL(1) ? settings::default_seed() : PG_GETARG_INT64(1));
    options.from_at = finite_time(fcinfo, 2, "starts_at");
    options.to_at = finite_time(fcinfo, 3, "ends_at");
    check_window(options.from_at, options.to_at);
    core::demo::Shop shop(options);
    ResultSet result(fcinfo);
    core::demo::Order order;
    while (shop.next(order)) {
        result.put<7>([&order](Datum* values, bool*) {
            values[0] = Int64GetDatum(order.order_id);
            values[1] = Int64GetDatum(order.customer_id);
            values[2] = TimestampTzGetDatum(order.at);
            values[3] = NumericGetDatum(int64_div_fast_to_numeric(order.amount_cents, 2));
            values[4] = CStringGetTextDatum(order.category);
            values[5] = CStringGetTextDatum(order.channel);
            values[6] = CStringGetTextDatum(order.country);
        });
    }
    PG_RETURN_NULL();
}
