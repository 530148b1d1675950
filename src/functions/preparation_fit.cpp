// segment.preparation_fit: the aggregate and its state.
#include <new>

#include "core/preparation/fit.hpp"
#include "core/preparation/preparation_state.hpp"

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"

#include "functions/preparation_json.hpp"
#include "functions/preparation_options.hpp"
#include "functions/preparation_row.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::preparation::ColumnValue;
using core::preparation::EncodedOptions;
using core::preparation::Gathered;
using core::preparation::PreparationState;
using functions::RowColumn;
using functions::RowType;

using PreparationGathering = Gathering<PreparationState>;

constexpr int kOptionsArgument = 2;

EncodedOptions read_options(FunctionCallInfo fcinfo) {
    if (!PreparationGathering::has_options(fcinfo, kOptionsArgument))
        return functions::read_preparation_options(nullptr);
    JsonReader json(json_tokens(PG_GETARG_DATUM(kOptionsArgument)));
    return functions::read_preparation_options(&json);
}

// The row type, and room for a row's values.
struct RowCache {
    MemoryContext memory;
    RowType type;
    ColumnValue* values;
};

RowCache& row_cache(FunctionCallInfo fcinfo) {
    if (fcinfo->flinfo->fn_extra == nullptr) {
        const MemoryContext home = fcinfo->flinfo->fn_mcxt;
        fcinfo->flinfo->fn_extra = call([home]() noexcept {
            auto* made = static_cast<RowCache*>(MemoryContextAllocZero(home, sizeof(RowCache)));
            made->memory = AllocSetContextCreate(home, "pg_segment row type", ALLOCSET_SMALL_SIZES);
            return made;
        });
    }
    return *static_cast<RowCache*>(fcinfo->flinfo->fn_extra);
}

void open(RowCache& cache, Datum record) {
    if (!functions::open_row(record, cache.memory, cache.type, 0).new_type)
        return;
    const MemoryContext memory = cache.memory;
    const Size size = sizeof(ColumnValue) * static_cast<Size>(Max(cache.type.count, 1));
    const std::uint64_t identifier = cache.type.identifier;
    cache.type.identifier = 0;  // known only once there is room
    cache.values =
        call([=]() noexcept { return static_cast<ColumnValue*>(MemoryContextAlloc(memory, size)); });
    for (int c = 0; c < cache.type.count; ++c)
        new (&cache.values[c]) ColumnValue;
    cache.type.identifier = identifier;
}

// The state's columns are those of its first row, and later rows must have them, too.
void match_columns(PreparationState& state, const RowType& type) {
    if (state.row_type() == type.identifier)
        return;
    TemporaryContext context;
    core::Vector<PreparationState::NewColumn> columns(&context.resource());
    for (int c = 0; c < type.count; ++c)
        columns.push_back({type.columns[c].name, source_of(type.columns[c])});
    if (state.has_columns())
        state.check_columns({columns.data(), columns.size()});
    else
        state.set_columns({columns.data(), columns.size()});
    state.set_row_type(type.identifier);
}

void add_row(PreparationState& state, RowCache& cache) {
    const std::span<const core::preparation::ColumnProfile> columns = state.columns();
    for (std::size_t c = 0; c < columns.size(); ++c) {
        RowColumn& column = cache.type.columns[c];
        ColumnValue& value = cache.values[c];
        value.null = cache.type.nulls[column.attribute];
        if (value.null || columns[c].gathered() == Gathered::kNothing)
            continue;
        if (columns[c].gathered() == Gathered::kNumbers)
            value.number = number_of(column, cache.type.values[column.attribute]);
        else
            value.text = text_of(column, cache.type.values[column.attribute]);
    }
    state.add({cache.values, columns.size()});
}

// The preparation, or NULL when there was no row.
Datum fit(FunctionCallInfo fcinfo, const PreparationState& state) {
    if (state.rows() == 0)
        PG_RETURN_NULL();
    TemporaryContext context;
    ServerInterrupt interrupt;
    const core::preparation::FittedPreparation preparation =
        fit_preparation(state, &context.resource(), interrupt);
    struct varlena* value = new_varlena(image_size(preparation.parts()));
    write_preparation(preparation.parts(), image_of(value));
    PG_RETURN_POINTER(value);
}

// The texts in a state's bytes are valid in the database's encoding.
Datum checked_state(std::span<const std::byte> body) {
    const Datum value = PreparationGathering::decode(body);
    PreparationState::for_each_text(
        body, [](std::string_view text) { functions::check_encoding(text, "segment.preparation_state"); });
    return value;
}

}  // namespace

// preparation_transition(state, row [, options]) -> state
PGSEG_FUNCTION(pgseg_preparation_transition) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {  // no row, such as an outer join's
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    auto* state = PreparationGathering::state_of_row(
        fcinfo, memory, kOptionsArgument, [&] { return read_options(fcinfo); },
        [](const PreparationState&) { return true; },
        [](const PreparationState&) {
            throw core::Error(core::Errc::kInvalidArgument, "options must be the same in every row");
        });
    RowCache& cache = row_cache(fcinfo);
    open(cache, PG_GETARG_DATUM(1));
    match_columns(state->state(), cache.type);
    add_row(state->state(), cache);
    PG_RETURN_DATUM(state->datum());
}

// preparation_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_preparation_combine) {
    return PreparationGathering::combine(fcinfo);
}

// preparation_final(state) -> preparation; the state is only read. Also finalize(preparation_state).
PGSEG_FUNCTION(pgseg_preparation_final) {
    return PreparationGathering::final(fcinfo, fit);
}

// preparation_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_preparation_state_final) {
    return PreparationGathering::state_final(fcinfo);
}

PGSEG_FUNCTION(pgseg_preparation_state_in) {
    return checked_state(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_preparation_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_preparation_state_recv) {
    return checked_state(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_preparation_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
