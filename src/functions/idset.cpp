// segment.idset: its input and output, and what is asked of one set.
#include "functions/idset_arguments.hpp"

#include "core/base/random.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/id_cursor.hpp"
#include "core/idset/sample.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_image.hpp"
#include "core/idset/text.hpp"

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

// Calls use(set) for an argument that may be the small state of an aggregate.
template <typename Use>
Datum with_any_form(const SetArgument& argument, const Use& use) {
    if (argument.form() != Form::kGathering)
        return use(argument.view());
    auto memory = set_memory();
    ServerInterrupt interrupt;
    SetBuilder builder(&memory);
    argument.add_to(builder, interrupt);
    SetWriter writer(&memory);
    builder.write(writer, interrupt);
    const SetImage set(writer, &memory);
    return use(set.view());
}

Datum checked_set(std::span<const std::byte> body) {
    struct varlena* value = new_varlena(VARHDRSZ + body.size());
    if (!body.empty())
        memcpy(VARDATA(value), body.data(), body.size());
    TemporaryContext work(ContextResource::Limit::kNone);
    ServerInterrupt interrupt;
    SetView::validate(image_of(value), &work.resource(), interrupt);
    PG_RETURN_POINTER(value);
}

// The elements of a one-dimensional bigint[] without NULLs.
std::span<const std::int64_t> bigint_array(Datum datum) {
    const auto* array = reinterpret_cast<const ArrayType*>(detoasted(datum));
    if (ARR_NDIM(array) > 1)
        throw core::Error(core::Errc::kArrayShape,
                          core::format("\"ids\" must have one dimension, not %d", ARR_NDIM(array)));
    if (ARR_HASNULL(array) && array_contains_nulls(const_cast<ArrayType*>(array)))
        throw core::Error(core::Errc::kNullNotAllowed, "\"ids\" must not contain nulls", "",
                          "The aggregate segment.idset_agg skips them.");
    const auto count = ARR_NDIM(array) == 0 ? 0 : static_cast<std::size_t>(ARR_DIMS(array)[0]);
    return {reinterpret_cast<const std::int64_t*>(ARR_DATA_PTR(array)), count};
}

// What ids() keeps from row to row.
struct IdsInProgress {
    explicit IdsInProgress(const struct varlena* value) : set(image_of(value)), ids(set) {}
    SetView set;
    IdCursor ids;
};

}  // namespace

PGSEG_FUNCTION(pgseg_idset_in) {
    const char* const letters = PG_GETARG_CSTRING(0);
    ServerInterrupt interrupt;
    // What our own output gives is read whatever the settings are: a dump must not depend on them.
    TemporaryContext unlimited(ContextResource::Limit::kNone);
    SetWriter ascending(&unlimited.resource());
    if (const auto dictionary = read_ascending_text(letters, ascending, &unlimited.resource(), interrupt)) {
        ascending.set_dictionary(*dictionary);
        return set_datum(ascending);
    }
    TemporaryContext work;
    SetBuilder builder(&work.resource());
    SetWriter writer(&work.resource(), read_text(letters, builder, interrupt));
    builder.write(writer, interrupt);
    return set_datum(writer);
}

PGSEG_FUNCTION(pgseg_idset_out) {
    return with_any_form(SetArgument(fcinfo, 0), [](const SetView& set) {
        ServerInterrupt interrupt;
        const std::uint64_t size = text_size(set, interrupt);
        if (size >= MaxAllocSize)
            throw core::Error(core::Errc::kTooBig, "the text form of the set would be larger than 1 GB", "",
                              "Use the binary form, or segment.ids to read it as rows.");
        char* out = call([size]() noexcept { return static_cast<char*>(palloc(size + 1)); });
        write_text(set, {out, size}, interrupt);
        out[size] = '\0';
        PG_RETURN_CSTRING(out);
    });
}

PGSEG_FUNCTION(pgseg_idset_recv) {
    return checked_set(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_idset_send) {
    return with_any_form(SetArgument(fcinfo, 0),
                         [](const SetView& set) { return bytes_to_message(set.image().subspan(VARHDRSZ)); });
}

// idset(ids bigint[]) -> idset
PGSEG_FUNCTION(pgseg_idset_from_array) {
    TemporaryContext work(ContextResource::Limit::kNone);
    ServerInterrupt interrupt;
    SetBuilder builder(&work.resource());
    for (const std::int64_t id : bigint_array(PG_GETARG_DATUM(0)))
        builder.add(id, interrupt);
    SetWriter writer(&work.resource());
    builder.write(writer, interrupt);
    return set_datum(writer);
}

// idset_range(lowest bigint, highest bigint) -> idset
PGSEG_FUNCTION(pgseg_idset_range) {
    auto memory = set_memory();
    SetWriter writer(&memory);
    write_range(PG_GETARG_INT64(0), PG_GETARG_INT64(1), writer);
    return set_datum(writer);
}

PGSEG_FUNCTION(pgseg_idset_cardinality) {
    PG_RETURN_INT64(SetArgument(fcinfo, 0).summary().cardinality);
}

PGSEG_FUNCTION(pgseg_idset_isempty) {
    PG_RETURN_BOOL(SetArgument(fcinfo, 0).summary().cardinality == 0);
}

PGSEG_FUNCTION(pgseg_idset_lower) {
    const SetSummary summary = SetArgument(fcinfo, 0).summary();
    if (summary.cardinality == 0)
        PG_RETURN_NULL();
    PG_RETURN_INT64(summary.lowest);
}

PGSEG_FUNCTION(pgseg_idset_upper) {
    const SetSummary summary = SetArgument(fcinfo, 0).summary();
    if (summary.cardinality == 0)
        PG_RETURN_NULL();
    PG_RETURN_INT64(summary.highest);
}

// ids(idset) -> setof bigint, one call an id
PGSEG_FUNCTION(pgseg_idset_ids) {
    if (fcinfo->flinfo->fn_extra == nullptr) {
        struct Place {
            void* memory;
            struct varlena* value;
        };
        const Place place = call([fcinfo]() noexcept {
            FuncCallContext* context = init_MultiFuncCall(fcinfo);
            MemoryContext previous = MemoryContextSwitchTo(context->multi_call_memory_ctx);
            Place made;
            made.memory = palloc(sizeof(IdsInProgress));
            made.value = pg_detoast_datum_copy(reinterpret_cast<struct varlena*>(PG_GETARG_POINTER(0)));
            MemoryContextSwitchTo(previous);
            context->user_fctx = made.memory;
            return made;
        });
        new (place.memory) IdsInProgress(place.value);
    }
    auto* context = static_cast<FuncCallContext*>(fcinfo->flinfo->fn_extra);
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    std::int64_t id = 0;
    if (static_cast<IdsInProgress*>(context->user_fctx)->ids.next(id)) {
        result->isDone = ExprMultipleResult;
        PG_RETURN_INT64(id);
    }
    call([fcinfo, context]() noexcept { end_MultiFuncCall(fcinfo, context); });
    result->isDone = ExprEndResult;
    PG_RETURN_NULL();
}

PGSEG_FUNCTION(pgseg_idset_to_array) {
    const SetView set = SetArgument(fcinfo, 0).view();
    const auto most =
        static_cast<std::int64_t>((MaxAllocSize - ARR_OVERHEAD_NONULLS(1)) / sizeof(std::int64_t));
    if (set.cardinality() > most)
        throw core::Error(core::Errc::kTooBig, "the array would be larger than 1 GB",
                          core::format("The set has %lld ids.", static_cast<long long>(set.cardinality())),
                          "Read the ids as rows with segment.ids.");
    const Size count = static_cast<Size>(set.cardinality());
    const Size size = ARR_OVERHEAD_NONULLS(count == 0 ? 0 : 1) + count * sizeof(std::int64_t);
    auto* array = reinterpret_cast<ArrayType*>(new_varlena(size));
    array->ndim = count == 0 ? 0 : 1;
    array->dataoffset = 0;
    array->elemtype = INT8OID;
    if (count != 0) {
        ARR_DIMS(array)[0] = static_cast<int>(count);
        ARR_LBOUND(array)[0] = 1;
        auto* at = reinterpret_cast<std::int64_t*>(ARR_DATA_PTR(array));
        ServerInterrupt interrupt;
        for_each_stretch(set, interrupt, [&at](const Stretch& stretch) {
            *at++ = stretch.lowest;
            for (std::int64_t id = stretch.lowest; id < stretch.highest;)
                *at++ = ++id;
        });
    }
    PG_RETURN_POINTER(array);
}

// nth(set, n bigint) -> bigint: from 1, or from the end for negative n
PGSEG_FUNCTION(pgseg_idset_nth) {
    const SetView set = SetArgument(fcinfo, 0).view();
    const std::int64_t n = PG_GETARG_INT64(1);
    const std::int64_t position = n > 0 ? n - 1 : set.cardinality() + n;
    if (n == 0 || position < 0 || position >= set.cardinality())
        PG_RETURN_NULL();
    PG_RETURN_INT64(set.select(position));
}

// rank(set, id) -> number of ids <= id
PGSEG_FUNCTION(pgseg_idset_rank) {
    PG_RETURN_INT64(SetArgument(fcinfo, 0).view().rank(PG_GETARG_INT64(1)));
}

// slice(set, lowest, highest) -> idset; a NULL bound is open
PGSEG_FUNCTION(pgseg_idset_slice) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const SetView set = SetArgument(fcinfo, 0).view();
    auto memory = set_memory();
    ServerInterrupt interrupt;
    SetWriter writer(&memory, set.dictionary());
    const std::int64_t lowest = PG_ARGISNULL(1) ? INT64_MIN : PG_GETARG_INT64(1);
    const std::int64_t highest = PG_ARGISNULL(2) ? INT64_MAX : PG_GETARG_INT64(2);
    slice(set, lowest, highest, writer, interrupt);
    return set_datum(writer);
}

// sample(set, n bigint, seed bigint) -> idset
PGSEG_FUNCTION(pgseg_idset_sample) {
    const std::int64_t count = PG_GETARG_INT64(1);
    if (count < 0)
        throw core::Error(
            core::Errc::kInvalidArgument,
            core::format("sample size must not be negative, not %lld", static_cast<long long>(count)));
    const SetView set = SetArgument(fcinfo, 0).view();
    TemporaryContext work;
    ServerInterrupt interrupt;
    SetWriter writer(&work.resource(), set.dictionary());
    sample(set, count, static_cast<std::uint64_t>(PG_GETARG_INT64(2)), writer, &work.resource(), interrupt);
    return set_datum(writer);
}

// dictionary_number(set) -> bigint: 0 without one
PGSEG_FUNCTION(pgseg_idset_dictionary) {
    PG_RETURN_INT64(SetArgument(fcinfo, 0).summary().dictionary);
}

// with_dictionary(set, number bigint) -> the same ids, said to come from this dictionary
PGSEG_FUNCTION(pgseg_idset_with_dictionary) {
    const std::int64_t number = PG_GETARG_INT64(1);
    if (number < 0 || number > UINT32_MAX)
        throw core::Error(core::Errc::kInvalidArgument, core::format("%lld is not the number of a dictionary",
                                                                     static_cast<long long>(number)));
    const SetView set = SetArgument(fcinfo, 0).view();
    auto memory = set_memory();
    SetWriter writer(&memory, static_cast<std::uint32_t>(number));
    for (ChunkCursor at(set); !at.done(); at.next())
        writer.copy(at.chunk());
    return set_datum(writer);
}

PGSEG_FUNCTION(pgseg_idset_hash) {
    const SetSummary summary = SetArgument(fcinfo, 0).summary();
    PG_RETURN_UINT32(static_cast<std::uint32_t>(core::mix64(summary.hash + summary.dictionary)));
}

// Its low 32 bits for seed 0 are those of the hash without a seed, as hash operator classes promise.
PGSEG_FUNCTION(pgseg_idset_hash_extended) {
    const SetSummary summary = SetArgument(fcinfo, 0).summary();
    const auto seed = static_cast<std::uint64_t>(PG_GETARG_INT64(1));
    PG_RETURN_UINT64(core::mix64(summary.hash + summary.dictionary) ^ (seed == 0 ? 0 : core::mix64(seed)));
}
