// segment.rfm_gather: every customer of an orders table in one aggregate, whose state is a hash table of its
// own.
#include "functions/rfm_gather.hpp"

#include "backend/binary_type.hpp"
#include "backend/calendar.hpp"
#include "backend/interrupt.hpp"
#include "backend/numeric.hpp"
#include "backend/settings.hpp"

namespace seg::functions {

using core::rfm::AmountKind;
using core::rfm::KeyKind;
using core::rfm::TableOptions;

TableOptions GatherMode::table_options(KeyKind keys, AmountKind amounts, std::int32_t as_of_day) const {
    TableOptions options;
    options.keys = keys;
    options.amounts = amounts;
    options.monetary = (value_ & kMax) != 0 ? core::rfm::Monetary::kMax : core::rfm::Monetary::kSum;
    options.count_days = (value_ & kDays) != 0;
    options.partition_bits = static_cast<std::uint8_t>(value_ >> kBitsShift);
    options.partition = static_cast<std::uint32_t>(value_ >> kPartitionShift);
    options.as_of_day = as_of_day;
    if (GatherMode(flags(), options.partition_bits, options.partition).value() != value_ ||
        options.partition_bits > TableOptions::kMaxPartitionBits ||
        options.partition >> options.partition_bits != 0)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("invalid \"mode\": %lld", static_cast<long long>(value_)));
    return options;
}

}  // namespace seg::functions

namespace {

using namespace seg;
using namespace seg::backend;
using core::rfm::AmountKind;
using core::rfm::KeyKind;
using core::rfm::TableOptions;
using functions::CustomerState;
using functions::GatherMode;

// The largest table that a worker may have: its image must fit one value.
constexpr std::uint64_t kMaxShippedTable = std::uint64_t{900} << 20;

bool makes_partial_state(FunctionCallInfo fcinfo) {
    return IsA(fcinfo->context, AggState) &&
           DO_AGGSPLIT_SKIPFINAL(reinterpret_cast<AggState*>(fcinfo->context)->aggsplit);
}

// A quarter of the limit is kept back for what giving up customers takes.
std::uint64_t table_budget(FunctionCallInfo fcinfo) {
    const std::uint64_t budget = settings::max_memory() / 4 * 3;
    return makes_partial_state(fcinfo) ? std::min(budget, kMaxShippedTable) : budget;
}

// The arguments of rfm_transition(state, key, at, amount, as_of, mode).
TableOptions options_of_row(FunctionCallInfo fcinfo, KeyKind keys, AmountKind amounts) {
    const TimestampTz as_of = DatumGetTimestampTz(required(fcinfo, 4, "as_of"));
    if (TIMESTAMP_NOT_FINITE(as_of))
        throw core::Error(core::Errc::kInvalidArgument, "\"as_of\" must be finite");
    const GatherMode mode(DatumGetInt64(required(fcinfo, 5, "mode")));
    return mode.table_options(keys, amounts, local_day(as_of));
}

// A key as core takes it.
struct IntegerKey {
    static constexpr KeyKind kKind = KeyKind::kInteger;
    explicit IntegerKey(Datum datum) : value(DatumGetInt64(datum)) {}
    std::int64_t value;
};

struct UuidKey {
    static constexpr KeyKind kKind = KeyKind::kUuid;
    explicit UuidKey(Datum datum)
        : value(reinterpret_cast<const std::byte*>(DatumGetUUIDP(datum)), UUID_LEN) {}
    std::span<const std::byte> value;
};

struct TextKey {
    static constexpr KeyKind kKind = KeyKind::kText;
    explicit TextKey(Datum datum) {
        const auto* text = reinterpret_cast<const struct varlena*>(DatumGetPointer(datum));
        if (VARATT_IS_EXTERNAL(text) || VARATT_IS_COMPRESSED(text))
            text = detoasted(datum);
        value = {reinterpret_cast<const std::byte*>(VARDATA_ANY(text)), VARSIZE_ANY_EXHDR(text)};
    }
    std::span<const std::byte> value;
};

struct NumericAmount {
    static constexpr AmountKind kKind = AmountKind::kNumeric;
    explicit NumericAmount(Datum datum) : argument(datum) {}
    const core::Decimal& value() const { return argument.value(); }
    DecimalArgument argument;
};

struct FloatAmount {
    static constexpr AmountKind kKind = AmountKind::kFloat8;
    explicit FloatAmount(Datum datum) : number(DatumGetFloat8(datum)) {}
    const double& value() const { return number; }
    double number;
};

template <typename Key, typename Amount>
Datum transition(FunctionCallInfo fcinfo) {
    const AggregateMemory memory(fcinfo);
    CustomerState* state = PG_ARGISNULL(0) ? nullptr : CustomerState::of(PG_GETARG_DATUM(0));
    if (state == nullptr) {
        if (!PG_ARGISNULL(0))
            throw core::Error(core::Errc::kNotSupported, "a stored table of customers cannot take rows");
        state = CustomerState::create(memory, options_of_row(fcinfo, Key::kKind, Amount::kKind),
                                      table_budget(fcinfo));
    }
    if (PG_ARGISNULL(1))
        PG_RETURN_DATUM(state->datum());
    const Key key(PG_GETARG_DATUM(1));
    ServerInterrupt interrupt;
    if (PG_ARGISNULL(2) || PG_ARGISNULL(3)) {
        state->state().add_customer(key.value, interrupt);
        PG_RETURN_DATUM(state->datum());
    }
    const TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
    if (TIMESTAMP_NOT_FINITE(at))
        throw core::Error(core::Errc::kBadData,
                          core::format("order time is not finite: %s",
                                       TIMESTAMP_IS_NOBEGIN(at) ? "-infinity" : "infinity"));
    if (at >= PG_GETARG_TIMESTAMPTZ(4))  // a condition may have let it through
        PG_RETURN_DATUM(state->datum());
    // Where clocks go back over midnight, an order of the day may have a later date than as_of.
    const std::int32_t days_ago = std::max(state->state().options().as_of_day - local_day(at), 0);
    const Amount amount(PG_GETARG_DATUM(3));
    state->state().add(key.value, days_ago, amount.value(), interrupt);
    PG_RETURN_DATUM(state->datum());
}

core::Reader image_reader(const struct varlena* value) {
    return core::Reader(body_of(value), "segment.rfm_customers");
}

// The state as this node's own object: the first argument, or a new one with its customers.
CustomerState* own_state(FunctionCallInfo fcinfo, const AggregateMemory& memory, int number) {
    if (number == 0)
        if (CustomerState* state = CustomerState::of(PG_GETARG_DATUM(0)))
            return state;
    const core::Reader reader = image_reader(detoasted(PG_GETARG_DATUM(number)));
    ServerInterrupt interrupt;
    CustomerState* state = CustomerState::create(memory, functions::CustomerAggregate::read_options(reader),
                                                 table_budget(fcinfo));
    state->state().merge(reader, interrupt);
    return state;
}

bool is_text(std::span<const std::byte> key) {
    const auto* characters = reinterpret_cast<const char*>(key.data());
    const int length = static_cast<int>(key.size());
    return call([=]() noexcept { return pg_verifymbstr(characters, length, true); });
}

void check_keys(const core::Reader& reader, const core::rfm::CustomerTable& table,
                core::Interrupt& interrupt) {
    const KeyKind kind = table.options().keys;
    core::WorkMeter meter(interrupt);
    for (std::uint64_t i = 0; kind != KeyKind::kInteger && i < table.size(); ++i) {
        const std::span<const std::byte> key = table.customer(i).bytes;
        reader.require(kind == KeyKind::kUuid ? key.size() == UUID_LEN : is_text(key), "malformed key");
        meter.done(1);
    }
}

// Reads the whole image, so that a malformed one is refused when it comes in.
Datum decode(std::span<const std::byte> bytes) {
    const core::Reader reader(bytes, "segment.rfm_customers");
    TemporaryContext context(ContextResource::Limit::kNone);
    ServerInterrupt interrupt;
    core::rfm::CustomerTable table(&context.resource(), core::rfm::CustomerTable::read_options(reader),
                                   std::uint64_t{1} << 62);
    table.merge(reader, interrupt);
    check_keys(reader, table, interrupt);
    struct varlena* value = new_varlena(VARHDRSZ + bytes.size());
    std::memcpy(VARDATA(value), bytes.data(), bytes.size());
    PG_RETURN_POINTER(value);
}

}  // namespace

PGSEG_FUNCTION(pgseg_rfm_gather_integer_numeric) {
    return transition<IntegerKey, NumericAmount>(fcinfo);
}

PGSEG_FUNCTION(pgseg_rfm_gather_integer_float8) {
    return transition<IntegerKey, FloatAmount>(fcinfo);
}

PGSEG_FUNCTION(pgseg_rfm_gather_uuid_numeric) {
    return transition<UuidKey, NumericAmount>(fcinfo);
}

PGSEG_FUNCTION(pgseg_rfm_gather_uuid_float8) {
    return transition<UuidKey, FloatAmount>(fcinfo);
}

PGSEG_FUNCTION(pgseg_rfm_gather_text_numeric) {
    return transition<TextKey, NumericAmount>(fcinfo);
}

PGSEG_FUNCTION(pgseg_rfm_gather_text_float8) {
    return transition<TextKey, FloatAmount>(fcinfo);
}

// rfm_gather_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_rfm_gather_combine) {
    const AggregateMemory memory(fcinfo);
    if (PG_ARGISNULL(1)) {
        if (PG_ARGISNULL(0))
            PG_RETURN_NULL();
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    }
    if (PG_ARGISNULL(0))
        PG_RETURN_DATUM(own_state(fcinfo, memory, 1)->datum());
    CustomerState* state = own_state(fcinfo, memory, 0);
    ServerInterrupt interrupt;
    state->state().merge(image_reader(detoasted(PG_GETARG_DATUM(1))), interrupt);
    PG_RETURN_DATUM(state->datum());
}

// rfm_gather_final(state) -> the same table. A new pointer to it in the current context: PostgreSQL 15
// copies, and so flattens, what lies elsewhere.
PGSEG_FUNCTION(pgseg_rfm_gather_final) {
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    if (CustomerState::of(PG_GETARG_DATUM(0)) == nullptr)
        PG_RETURN_DATUM(PG_GETARG_DATUM(0));
    const char* pointer = DatumGetEOHP(PG_GETARG_DATUM(0))->eoh_ro_ptr;
    PG_RETURN_POINTER(call([pointer]() noexcept {
        return memcpy(palloc(EXPANDED_POINTER_SIZE), pointer, EXPANDED_POINTER_SIZE);
    }));
}

PGSEG_FUNCTION(pgseg_rfm_customers_in) {
    return decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_rfm_customers_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_rfm_customers_recv) {
    return decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_rfm_customers_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}
