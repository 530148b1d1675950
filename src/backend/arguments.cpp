#include "backend/arguments.hpp"

namespace seg::backend {

std::optional<std::span<const double>> float8_array(Datum datum, const char* name) {
    const auto* array = reinterpret_cast<const ArrayType*>(detoasted(datum));
    if (ARR_ELEMTYPE(array) != FLOAT8OID)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"%s\" must be of type float8[]", name));
    if (ARR_NDIM(array) == 0)
        throw core::Error(core::Errc::kArrayShape, core::format("\"%s\" must not be empty", name));
    if (ARR_NDIM(array) != 1)
        throw core::Error(core::Errc::kArrayShape,
                          core::format("\"%s\" must have one dimension, not %d", name, ARR_NDIM(array)));
    if (ARR_HASNULL(array) && array_contains_nulls(const_cast<ArrayType*>(array)))
        return std::nullopt;
    const auto count = static_cast<std::size_t>(ARR_DIMS(array)[0]);
    return std::span<const double>(reinterpret_cast<const double*>(ARR_DATA_PTR(array)), count);
}

struct varlena* new_varlena(Size size) {
    if (size > MaxAllocSize)
        throw core::Error(core::Errc::kTooBig, "the value would be larger than 1 GB",
                          core::format("It would take %zu bytes.", size));
    auto* value = call([size]() noexcept { return static_cast<struct varlena*>(palloc0(size)); });
    SET_VARSIZE(value, size);
    return value;
}

}  // namespace seg::backend
