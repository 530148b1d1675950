// Rows of SQL as the columns that a preparation is about.
#pragma once

#include "core/preparation/preparation_state.hpp"

#include "backend/arguments.hpp"

namespace seg::functions {

// How a column's datum is read.
enum class ColumnForm : std::uint8_t {
    kInt2,
    kInt4,
    kInt8,
    kFloat4,
    kFloat8,
    kNumeric,
    kMoney,
    kInterval,
    kDate,
    kTimestamp,
    kTimestamptz,
    kBoolean,
    kText,
    kPaddedText,
    kOther,
};

// A column of a row type. Plain data in a memory context.
struct RowColumn {
    int attribute;  // from 0
    ColumnForm form;
    const char* name;
    Oid type;
    double unit;       // of money: how many of it make 1
    FmgrInfo* output;  // text form of kOther, and of other forms than numbers where it is asked for
    char digits[32];   // text of the last integer
};

// A row type: looked up once, and again only when rows of another type come along.
struct RowType {
    Oid type;
    int32 typmod;
    std::uint64_t identifier;  // the server's, 0 before the first row
    TupleDesc descriptor;
    RowColumn* columns;  // those that are not dropped
    int count;
    Datum* values;  // of the current row, by attribute
    bool* nulls;
};

// Opens the record: its columns, in the order of its type, and their values. Everything lives in memory,
// which is reset when the type changes; new_type says so. Also allocates extra bytes in the current context,
// for what the caller makes of the row.
struct OpenedRow {
    bool new_type;
    void* extra;
};
OpenedRow open_row(Datum record, MemoryContext memory, RowType& type, Size extra);

core::preparation::Source source_of(const RowColumn& column);

// The value of a column that is not NULL: as a number (days since 2000-01-01 for dates), or as text, which
// lives until the next row at least.
double number_of(RowColumn& column, Datum value);
std::string_view text_of(RowColumn& column, Datum value);

// Rows through one preparation. Plain data that may live in a memory context; the image must outlive it.
class RecordPreparation {
  public:
    // Keeps what it learns about row types in a child of the context.
    RecordPreparation(std::span<const std::byte> image, MemoryContext memory);

    const core::preparation::PreparationView& view() const { return view_; }

    // The features of the row as a float8[] in the current context, or nullptr when a column that rows must
    // have is NULL. Columns are found by their names, others ignored. 42703 when one is missing, 42804 when
    // its type does not do; errors of values as in PreparationView::prepare_row.
    ArrayType* prepare(Datum record);

  private:
    void find_columns();

    core::preparation::PreparationView view_;
    MemoryContext memory_;
    RowType type_;
    RowColumn** columns_;  // by column of the preparation
    core::preparation::ColumnValue* values_;
};

}  // namespace seg::functions
