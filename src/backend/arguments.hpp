// SQL arguments in core's terms.
#pragma once

#include <optional>
#include <span>

#include "core/base/error.hpp"

#include "backend/call.hpp"

namespace seg::backend {

// The argument, or 22004 naming it.
inline Datum required(FunctionCallInfo fcinfo, int number, const char* name) {
    if (PG_ARGISNULL(number))
        throw core::Error(core::Errc::kNullNotAllowed, core::format("\"%s\" must not be null", name));
    return PG_GETARG_DATUM(number);
}

// The value in memory, uncompressed, in one piece and aligned; the datum itself where it already is.
inline const struct varlena* detoasted(Datum datum) {
    auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
    if (!VARATT_IS_EXTENDED(value))
        return value;
    return call([value]() noexcept { return pg_detoast_datum(value); });
}

// A float8[] with one dimension as a view, or nothing when an element is NULL. 2202E for any other shape.
std::optional<std::span<const double>> float8_array(Datum datum, const char* name);

// A new, zeroed varlena of this size in the current context, its length word set.
struct varlena* new_varlena(Size size);

}  // namespace seg::backend
