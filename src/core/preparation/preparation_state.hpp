// What the aggregate has gathered about the columns of its rows: a profile of each, never the rows.
#pragma once

#include <span>

#include "core/base/interrupt.hpp"
#include "core/preparation/histogram.hpp"
#include "core/preparation/levels.hpp"
#include "core/preparation/options.hpp"

namespace seg::core::preparation {

// Where a column's values come from.
enum class Source : std::uint8_t {
    kReal = 0,
    kInteger = 1,
    kDay = 2,      // days of local time
    kInstant = 3,  // days of universal time
    kBoolean = 4,
    kText = 5,
};

// What is gathered of it.
enum class Gathered : std::uint8_t { kNothing = 0, kNumbers = 1, kLevels = 2 };

// Options in their encoded form. Equal bytes are equal options.
struct EncodedOptions {
    std::span<const std::byte> bytes;

    bool operator==(const EncodedOptions& other) const;
};

class ColumnProfile {
  public:
    ColumnProfile(std::string_view name, Source source, Gathered gathered, MemoryResource* memory)
        : name_(name.begin(), name.end(), memory),
          source_(source),
          gathered_(gathered),
          histogram_(memory),
          levels_(memory) {}

    std::string_view name() const { return {name_.data(), name_.size()}; }
    Source source() const { return source_; }
    Gathered gathered() const { return gathered_; }
    std::int64_t nulls() const { return nulls_; }
    const Histogram& histogram() const { return histogram_; }
    const LevelCounts& levels() const { return levels_; }

    void add_nulls(std::int64_t count) { nulls_ += count; }
    Histogram& histogram() { return histogram_; }
    // Errc::kInvalidArgument for too many levels and for one that is too long.
    void add_level(std::string_view text, std::int64_t rows);

  private:
    Vector<char> name_;
    Source source_;
    Gathered gathered_;
    std::int64_t nulls_ = 0;
    Histogram histogram_;
    LevelCounts levels_;
};

// Image (also the external form, less its first four bytes), little-endian:
//   0 slot   4 magic 'p'   5 version 1   6 zero u16   8 rows i64   16 columns u32   20 options size u32
//  24 options, then the columns: source u8   gathered u8   name size u16   name   nulls i64, and
//  numbers: bins u32   shift i32   minimum f64   maximum f64   bins (prefix u64, count i64), ascending
//  levels: levels u32, each size u32   text   count i64, ascending
class PreparationState {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 24;

    PreparationState(MemoryResource* memory, const EncodedOptions& options)
        : memory_(memory), options_(options.bytes.begin(), options.bytes.end(), memory), columns_(memory) {}

    // Checks an image or an external value (passed without the slot); Errc::kBadBinary otherwise.
    static EncodedOptions read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Visits the texts of a body that read_options() has checked.
    static void for_each_text(std::span<const std::byte> body, void (*visit)(std::string_view));

    // The columns of the rows to come, in order; once, unless merge() brought them. Errc::kInvalidArgument
    // for a name that is there twice, for options of a column that is not there, and for too many columns.
    struct NewColumn {
        std::string_view name;
        Source source;
    };
    void set_columns(std::span<const NewColumn> columns);
    bool has_columns() const { return !columns_.empty(); }
    // Errc::kInvalidArgument when the columns are others.
    void check_columns(std::span<const NewColumn> columns) const;

    // The caller's mark of the row type whose columns were checked last, 0 before.
    std::uint64_t row_type() const { return row_type_; }
    void set_row_type(std::uint64_t mark) { row_type_ = mark; }

    // Adds one row. Errc::kBadData for NaN and infinity, kOutOfRange beyond +-1e140.
    void add(std::span<const ColumnValue> values);

    // Adds another state's rows; Errc::kInvalidArgument when options or columns differ.
    void merge(const PreparationState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    EncodedOptions options() const { return {{options_.data(), options_.size()}}; }
    std::int64_t rows() const { return rows_; }
    std::span<const ColumnProfile> columns() const { return {columns_.data(), columns_.size()}; }

    std::uint64_t image_size() const;
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    void add_rows(std::int64_t rows);
    void write_column(const ColumnProfile& column, Writer& writer, WorkMeter& meter) const;

    MemoryResource* memory_;
    Vector<std::byte> options_;
    Vector<ColumnProfile> columns_;
    std::int64_t rows_ = 0;
    std::uint64_t row_type_ = 0;
};

// Refuses NaN, infinity, and what is beyond kLargestValue, naming the column.
void check_number(std::string_view column, double value);

}  // namespace seg::core::preparation
