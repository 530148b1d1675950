#include "backend/number_arguments.hpp"

#include <cstring>

#include "backend/call.hpp"
#include "backend/numeric.hpp"

namespace seg::backend {
namespace {

struct Type {
    Oid base;  // of a domain, what it is made of
    const char* name;
};

}  // namespace

NumberArguments::Kind NumberArguments::kind_of(FunctionCallInfo fcinfo, int argument, int number) {
    const Type type = call([fcinfo, argument]() noexcept {
        const Oid own = get_fn_expr_argtype(fcinfo->flinfo, argument);
        return Type{OidIsValid(own) ? getBaseType(own) : own, format_type_be(own)};
    });
    // NULL as a literal: no row has that feature.
    if (type.base == UNKNOWNOID && PG_ARGISNULL(argument))
        return Kind::kFloat8;
    switch (type.base) {
        case FLOAT8OID:
            return Kind::kFloat8;
        case FLOAT4OID:
            return Kind::kFloat4;
        case INT2OID:
            return Kind::kInt2;
        case INT4OID:
            return Kind::kInt4;
        case INT8OID:
            return Kind::kInt8;
        case NUMERICOID:
            return Kind::kNumeric;
        default:
            throw core::Error(core::Errc::kInvalidArgument,
                              core::format("feature %d is of type %s, which is no number", number, type.name),
                              {}, "Cast it; an array of numbers is for the form that takes one.");
    }
}

const NumberArguments* NumberArguments::look_up(FunctionCallInfo fcinfo, int first) {
    if (get_fn_expr_variadic(fcinfo->flinfo))
        throw core::Error(core::Errc::kInvalidArgument, "features cannot be passed with VARIADIC", {},
                          "Use the form that takes an array.");
    NumberArguments numbers;
    numbers.first_ = first;
    numbers.count_ = PG_NARGS() - first;
    numbers.plain_ = true;
    for (int i = 0; i < numbers.count_; ++i) {
        numbers.kinds_[i] = kind_of(fcinfo, first + i, i + 1);
        numbers.plain_ &= numbers.kinds_[i] == Kind::kFloat8;
    }
    const NumberArguments* found = &numbers;
    fcinfo->flinfo->fn_extra = call([fcinfo, found]() noexcept {
        void* kept = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(NumberArguments));
        return memcpy(kept, found, sizeof(NumberArguments));
    });
    return static_cast<const NumberArguments*>(fcinfo->flinfo->fn_extra);
}

double NumberArguments::to_double(Datum datum, Kind kind) {
    switch (kind) {
        case Kind::kFloat8:
            return DatumGetFloat8(datum);
        case Kind::kFloat4:
            return static_cast<double>(DatumGetFloat4(datum));
        case Kind::kInt2:
            return DatumGetInt16(datum);
        case Kind::kInt4:
            return DatumGetInt32(datum);
        case Kind::kInt8:
            return static_cast<double>(DatumGetInt64(datum));
        case Kind::kNumeric:
            break;
    }
    return numeric_to_double(datum, numeric_float8);
}

std::optional<std::span<const double>> NumberArguments::read(FunctionCallInfo fcinfo, double* buffer) const {
    const NullableDatum* arguments = &fcinfo->args[first_];
    bool null = false;
    for (int i = 0; i < count_; ++i)
        null |= arguments[i].isnull;
    if (null)
        return std::nullopt;
    int i = 0;
    // In pairs: who reads vectors from the buffer next would wait for values that were stored one by one.
    for (; plain_ && i + 2 <= count_; i += 2) {
        typedef double Pair __attribute__((vector_size(2 * sizeof(double))));
        const Pair pair = {DatumGetFloat8(arguments[i].value), DatumGetFloat8(arguments[i + 1].value)};
        std::memcpy(buffer + i, &pair, sizeof pair);
    }
    for (; i < count_; ++i)
        buffer[i] = to_double(arguments[i].value, kinds_[i]);
    return std::span<const double>(buffer, static_cast<std::size_t>(count_));
}

}  // namespace seg::backend
