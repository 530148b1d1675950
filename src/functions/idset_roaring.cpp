// segment.idset from and to the portable Roaring formats.
#include "core/idset/roaring.hpp"

#include "functions/idset_arguments.hpp"

#include "backend/aggregate.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

Roaring32 numbers_argument(FunctionCallInfo fcinfo) {
    return PG_GETARG_BOOL(1) ? Roaring32::kSigned : Roaring32::kUnsigned;
}

// A new bytea of so many bytes of content, filled by write(bytes).
template <typename Write>
Datum bytea_datum(std::uint64_t size, const Write& write) {
    struct varlena* value = new_varlena(VARHDRSZ + size);
    write(image_of(value).subspan(VARHDRSZ));
    PG_RETURN_POINTER(value);
}

}  // namespace

// from_roaring(bitmap bytea, signed boolean) -> idset
PGSEG_FUNCTION(pgseg_idset_from_roaring) {
    const auto bitmap = image_of(detoasted(PG_GETARG_DATUM(0))).subspan(VARHDRSZ);
    TemporaryContext work(ContextResource::Limit::kNone);
    ServerInterrupt interrupt;
    SetWriter writer(&work.resource());
    read_roaring(bitmap, numbers_argument(fcinfo), writer, interrupt);
    return set_datum(writer);
}

// to_roaring(members idset) -> bytea
PGSEG_FUNCTION(pgseg_idset_to_roaring) {
    const SetView set = SetArgument(fcinfo, 0).view();
    ServerInterrupt interrupt;
    return bytea_datum(roaring64_size(set, interrupt),
                       [&](std::span<std::byte> bytes) { write_roaring64(set, bytes, interrupt); });
}

// to_roaring32(members idset, signed boolean) -> bytea
PGSEG_FUNCTION(pgseg_idset_to_roaring32) {
    const SetView set = SetArgument(fcinfo, 0).view();
    ServerInterrupt interrupt;
    return bytea_datum(roaring32_size(set, numbers_argument(fcinfo), interrupt),
                       [&](std::span<std::byte> bytes) { write_roaring32(set, bytes, interrupt); });
}
