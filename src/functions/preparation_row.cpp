#include "functions/preparation_row.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <new>

#include "backend/numeric.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/bytea.h"
#include "utils/cash.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/numeric.h"
#include "utils/typcache.h"
}

namespace seg::functions {
namespace {

using namespace seg::backend;
using core::preparation::Column;
using core::preparation::ColumnKind;
using core::preparation::ColumnValue;
using core::preparation::PreparationView;
using core::preparation::Source;

constexpr double kDay = static_cast<double>(USECS_PER_DAY);

// ---- row types; this part runs inside calls of the server

ColumnForm form_of(Oid type) {
    switch (type) {
        case INT2OID:
            return ColumnForm::kInt2;
        case INT4OID:
            return ColumnForm::kInt4;
        case INT8OID:
            return ColumnForm::kInt8;
        case FLOAT4OID:
            return ColumnForm::kFloat4;
        case FLOAT8OID:
            return ColumnForm::kFloat8;
        case NUMERICOID:
            return ColumnForm::kNumeric;
        case CASHOID:
            return ColumnForm::kMoney;
        case INTERVALOID:
            return ColumnForm::kInterval;
        case DATEOID:
            return ColumnForm::kDate;
        case TIMESTAMPOID:
            return ColumnForm::kTimestamp;
        case TIMESTAMPTZOID:
            return ColumnForm::kTimestamptz;
        case BOOLOID:
            return ColumnForm::kBoolean;
        case TEXTOID:
        case VARCHAROID:
            return ColumnForm::kText;
        case BPCHAROID:
            return ColumnForm::kPaddedText;
        default:
            return ColumnForm::kOther;
    }
}

// How many of the smallest unit of money make 1 depends on the locale.
double unit_of_money() {
    constexpr std::int64_t kMany = 10'000'000'000;
    const Datum units = DirectFunctionCall1(cash_numeric, Int64GetDatum(kMany));
    return static_cast<double>(kMany) / DatumGetFloat8(DirectFunctionCall1(numeric_float8, units));
}

void describe(RowColumn& column, Form_pg_attribute attribute) {
    column.attribute = attribute->attnum - 1;
    column.name = pstrdup(NameStr(attribute->attname));
    column.type = getBaseType(attribute->atttypid);
    column.form = form_of(column.type);
    column.unit = column.form == ColumnForm::kMoney ? unit_of_money() : 1;
    Oid output = InvalidOid;
    bool is_varlena = false;
    getTypeOutputInfo(column.type, &output, &is_varlena);
    column.output = static_cast<FmgrInfo*>(palloc(sizeof(FmgrInfo)));
    fmgr_info(output, column.output);
}

void look_up(RowType& row, Oid type, int32 typmod, std::uint64_t identifier) {
    row.descriptor = lookup_rowtype_tupdesc_copy(type, typmod);
    const int attributes = row.descriptor->natts;
    row.columns = static_cast<RowColumn*>(palloc0(sizeof(RowColumn) * static_cast<Size>(Max(attributes, 1))));
    row.values = static_cast<Datum*>(palloc0(sizeof(Datum) * static_cast<Size>(Max(attributes, 1))));
    row.nulls = static_cast<bool*>(palloc0(sizeof(bool) * static_cast<Size>(Max(attributes, 1))));
    row.count = 0;
    for (int a = 0; a < attributes; ++a)
        if (!TupleDescAttr(row.descriptor, a)->attisdropped)
            describe(row.columns[row.count++], TupleDescAttr(row.descriptor, a));
    row.type = type;
    row.typmod = typmod;
    row.identifier = identifier;
}

// Anonymous row types never change; those of tables may, and then have another identifier.
bool is_known(const RowType& row, Oid type, int32 typmod) {
    if (row.identifier == 0 || row.type != type || row.typmod != typmod)
        return false;
    return type == RECORDOID || row.identifier == assign_record_type_identifier(type, typmod);
}

// ---- values

[[noreturn]] void refuse_text(const RowColumn& column, std::string_view text) {
    throw core::Error(core::Errc::kBadText,
                      core::format("column \"%s\" is to be a number, which \"%.*s\" is not", column.name,
                                   static_cast<int>(std::min<std::size_t>(text.size(), 64)), text.data()));
}

double number_of_text(const RowColumn& column, std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
    std::string_view rest = text;
    while (!rest.empty() && blank(rest.front()))
        rest.remove_prefix(1);
    while (!rest.empty() && blank(rest.back()))
        rest.remove_suffix(1);
    if (rest.size() > 1 && rest[0] == '+' && rest[1] != '-')
        rest.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || end != rest.data() + rest.size())
        refuse_text(column, text);
    return value;
}

double days_of_interval(const Interval* interval) {
#ifdef INTERVAL_NOT_FINITE
    if (INTERVAL_IS_NOBEGIN(interval))
        return -std::numeric_limits<double>::infinity();
    if (INTERVAL_IS_NOEND(interval))
        return std::numeric_limits<double>::infinity();
#endif
    return static_cast<double>(interval->month) * DAYS_PER_MONTH + interval->day +
           static_cast<double>(interval->time) / kDay;
}

double days_of_date(DateADT date) {
    if (DATE_NOT_FINITE(date))
        return DATE_IS_NOBEGIN(date) ? -std::numeric_limits<double>::infinity()
                                     : std::numeric_limits<double>::infinity();
    return date;
}

double days_of_timestamp(Timestamp at) {
    if (TIMESTAMP_NOT_FINITE(at))
        return TIMESTAMP_IS_NOBEGIN(at) ? -std::numeric_limits<double>::infinity()
                                        : std::numeric_limits<double>::infinity();
    return static_cast<double>(at) / kDay;
}

std::string_view bytes_of_text(Datum datum) {
    const auto* value = reinterpret_cast<const struct varlena*>(DatumGetPointer(datum));
    if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value))
        value = detoasted(datum);
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

void set_for_output(const char* setting, const char* value) {
    set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// A level is the same in every session: its text must not depend on the session's settings. Inside a call.
const char* settled_output(FmgrInfo* output, Datum datum, bool has_zone) {
    const int level = NewGUCNestLevel();
    if (DateStyle != USE_ISO_DATES)
        set_for_output("datestyle", "ISO");
    if (IntervalStyle != INTSTYLE_POSTGRES)
        set_for_output("intervalstyle", "postgres");
    if (extra_float_digits < 1)
        set_for_output("extra_float_digits", "1");
    if (bytea_output != BYTEA_OUTPUT_HEX)
        set_for_output("bytea_output", "hex");
    if (has_zone)
        set_for_output("timezone", "UTC");
    const char* text = OutputFunctionCall(output, datum);
    AtEOXact_GUC(true, level);
    return text;
}

std::string_view text_of_output(RowColumn& column, Datum datum) {
    FmgrInfo* output = column.output;
    const bool has_zone = column.form == ColumnForm::kTimestamptz;
    return call([=]() noexcept -> const char* { return settled_output(output, datum, has_zone); });
}

// 1, 1.0 and 1.00 are one level, and that of the integer 1.
std::string_view text_of_numeric(RowColumn& column, Datum datum) {
    const Datum trimmed =
        call([=]() noexcept -> Datum { return DirectFunctionCall1(numeric_trim_scale, datum); });
    return text_of_output(column, trimmed);
}

std::string_view text_of_integer(RowColumn& column, std::int64_t value) {
    const auto end = std::to_chars(column.digits, column.digits + sizeof column.digits, value).ptr;
    return {column.digits, static_cast<std::size_t>(end - column.digits)};
}

}  // namespace

OpenedRow open_row(Datum record, MemoryContext memory, RowType& type, Size extra) {
    RowType* row = &type;
    return call([=]() noexcept {
        OpenedRow opened = {false, nullptr};
        HeapTupleHeader header = DatumGetHeapTupleHeader(record);
        const Oid row_type = HeapTupleHeaderGetTypeId(header);
        const int32 typmod = HeapTupleHeaderGetTypMod(header);
        if (!is_known(*row, row_type, typmod)) {
            opened.new_type = true;
            row->identifier = 0;
            MemoryContextReset(memory);
            const std::uint64_t identifier = assign_record_type_identifier(row_type, typmod);
            MemoryContext previous = MemoryContextSwitchTo(memory);
            look_up(*row, row_type, typmod, identifier);
            MemoryContextSwitchTo(previous);
        }
        HeapTupleData tuple;
        tuple.t_len = HeapTupleHeaderGetDatumLength(header);
        ItemPointerSetInvalid(&tuple.t_self);
        tuple.t_tableOid = InvalidOid;
        tuple.t_data = header;
        heap_deform_tuple(&tuple, row->descriptor, row->values, row->nulls);
        if (extra != 0)
            opened.extra = palloc(extra);
        return opened;
    });
}

Source source_of(const RowColumn& column) {
    switch (column.form) {
        case ColumnForm::kInt2:
        case ColumnForm::kInt4:
        case ColumnForm::kInt8:
            return Source::kInteger;
        case ColumnForm::kDate:
        case ColumnForm::kTimestamp:
            return Source::kDay;
        case ColumnForm::kTimestamptz:
            return Source::kInstant;
        case ColumnForm::kBoolean:
            return Source::kBoolean;
        case ColumnForm::kText:
        case ColumnForm::kPaddedText:
        case ColumnForm::kOther:
            return Source::kText;
        default:
            return Source::kReal;
    }
}

double number_of(RowColumn& column, Datum value) {
    switch (column.form) {
        case ColumnForm::kInt2:
            return DatumGetInt16(value);
        case ColumnForm::kInt4:
            return DatumGetInt32(value);
        case ColumnForm::kInt8:
            return static_cast<double>(DatumGetInt64(value));
        case ColumnForm::kFloat4:
            return static_cast<double>(DatumGetFloat4(value));
        case ColumnForm::kFloat8:
            return DatumGetFloat8(value);
        case ColumnForm::kNumeric:
            return numeric_to_double(value, numeric_float8_no_overflow);
        case ColumnForm::kMoney:
            return static_cast<double>(DatumGetCash(value)) / column.unit;
        case ColumnForm::kInterval:
            return days_of_interval(DatumGetIntervalP(value));
        case ColumnForm::kDate:
            return days_of_date(DatumGetDateADT(value));
        case ColumnForm::kTimestamp:
            return days_of_timestamp(DatumGetTimestamp(value));
        case ColumnForm::kTimestamptz:
            return days_of_timestamp(DatumGetTimestampTz(value));
        case ColumnForm::kBoolean:
            return DatumGetBool(value) ? 1 : 0;
        default:
            return number_of_text(column, text_of(column, value));
    }
}

std::string_view text_of(RowColumn& column, Datum value) {
    switch (column.form) {
        case ColumnForm::kInt2:
            return text_of_integer(column, DatumGetInt16(value));
        case ColumnForm::kInt4:
            return text_of_integer(column, DatumGetInt32(value));
        case ColumnForm::kInt8:
            return text_of_integer(column, DatumGetInt64(value));
        case ColumnForm::kBoolean:
            return DatumGetBool(value) ? "true" : "false";
        case ColumnForm::kNumeric:
            return text_of_numeric(column, value);
        case ColumnForm::kText:
            return bytes_of_text(value);
        case ColumnForm::kPaddedText: {
            // As a cast to text does.
            std::string_view text = bytes_of_text(value);
            while (!text.empty() && text.back() == ' ')
                text.remove_suffix(1);
            return text;
        }
        default:
            return text_of_output(column, value);
    }
}

// ---- rows through a preparation

namespace {

bool suits(const RowColumn& column, ColumnKind kind) {
    const Source source = source_of(column);
    const bool is_time = source == Source::kDay || source == Source::kInstant;
    if (kind == ColumnKind::kCategory)
        return true;
    if (kind == ColumnKind::kAge)
        return is_time;
    return !is_time;
}

[[noreturn]] void missing(std::string_view name) {
    const char* text = name.data();
    const int size = static_cast<int>(name.size());
    call([=]() noexcept {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("the row has no column \"%.*s\", which the preparation needs", size, text),
                        errhint("Pass a row with the columns that the preparation was made of, by their "
                                "names.")));
    });
    pg_unreachable();
}

[[noreturn]] void unsuitable(const RowColumn* column, const char* wanted) {
    call([=]() noexcept {
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("column \"%s\" is of type %s, the preparation needs %s", column->name,
                               format_type_be(column->type), wanted)));
    });
    pg_unreachable();
}

RowColumn* find(const RowType& type, std::string_view name) {
    RowColumn* found = nullptr;
    for (int c = 0; c < type.count; ++c) {
        if (type.columns[c].name != name)
            continue;
        if (found != nullptr)
            throw core::Error(core::Errc::kInvalidArgument,
                              core::format("the row has two columns \"%s\"", found->name), {},
                              "Give each column of the row a name of its own.");
        found = &type.columns[c];
    }
    if (found == nullptr)
        missing(name);
    return found;
}

void fill_header(ArrayType* array, int count) {
    SET_VARSIZE(array, ARR_OVERHEAD_NONULLS(1) + static_cast<Size>(count) * sizeof(double));
    array->ndim = 1;
    array->dataoffset = 0;
    array->elemtype = FLOAT8OID;
    ARR_DIMS(array)[0] = count;
    ARR_LBOUND(array)[0] = 1;
}

}  // namespace

RecordPreparation::RecordPreparation(std::span<const std::byte> image, MemoryContext memory)
    : view_(image), type_(), columns_(nullptr), values_(nullptr) {
    memory_ = call([memory]() noexcept {
        return AllocSetContextCreate(memory, "pg_segment row type", ALLOCSET_SMALL_SIZES);
    });
}

void RecordPreparation::find_columns() {
    const auto count = static_cast<Size>(view_.column_count());
    const MemoryContext memory = memory_;
    columns_ = call([=]() noexcept {
        return static_cast<RowColumn**>(MemoryContextAlloc(memory, count * sizeof(RowColumn*)));
    });
    values_ = call([=]() noexcept {
        return static_cast<ColumnValue*>(MemoryContextAllocZero(memory, count * sizeof(ColumnValue)));
    });
    for (std::int32_t c = 0; c < view_.column_count(); ++c) {
        const Column column = view_.column(c);
        columns_[c] = find(type_, column.name);
        if (!suits(*columns_[c], column.kind))
            unsuitable(columns_[c], column.kind == ColumnKind::kAge ? "a date or a timestamp" : "a number");
        new (&values_[c]) ColumnValue;
    }
}

ArrayType* RecordPreparation::prepare(Datum record) {
    const int features = view_.feature_count();
    const OpenedRow row = open_row(record, memory_, type_,
                                   ARR_OVERHEAD_NONULLS(1) + static_cast<Size>(features) * sizeof(double));
    if (row.new_type) {
        const std::uint64_t identifier = type_.identifier;
        type_.identifier = 0;  // known only once its columns are found
        find_columns();
        type_.identifier = identifier;
    }
    for (std::int32_t c = 0; c < view_.column_count(); ++c) {
        RowColumn& column = *columns_[c];
        ColumnValue& value = values_[c];
        value.null = type_.nulls[column.attribute];
        if (value.null)
            continue;
        if (view_.kind(c) == ColumnKind::kCategory)
            value.text = text_of(column, type_.values[column.attribute]);
        else
            value.number = number_of(column, type_.values[column.attribute]);
    }
    auto* array = static_cast<ArrayType*>(row.extra);
    fill_header(array, features);
    const std::span<double> out(reinterpret_cast<double*>(ARR_DATA_PTR(array)),
                                static_cast<std::size_t>(features));
    return view_.prepare_row({values_, static_cast<std::size_t>(view_.column_count())}, out) ? array
                                                                                             : nullptr;
}

}  // namespace seg::functions
