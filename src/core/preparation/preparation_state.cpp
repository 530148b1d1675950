#include "core/preparation/preparation_state.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace seg::core::preparation {
namespace {

constexpr std::uint8_t kMagic = 'p';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.preparation_state";

// Messages name columns without running over their buffer.
int shown(std::string_view name) {
    return static_cast<int>(name.size() < 128 ? name.size() : 128);
}

struct Header {
    std::int64_t rows;
    std::uint32_t columns;
    std::span<const std::byte> options;
};

Header read_header(Reader& reader) {
    Header header;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    header.rows = reader.get<std::int64_t>();
    header.columns = reader.get<std::uint32_t>();
    header.options = reader.take(reader.get<std::uint32_t>());
    reader.require(header.rows >= 1, "number of rows out of range");
    reader.require(header.columns >= 1 && header.columns <= kMaxColumns, "number of columns out of range");
    return header;
}

struct ColumnHeader {
    Source source;
    Gathered gathered;
    std::string_view name;
    std::int64_t nulls;
};

std::string_view take_text(Reader& reader, std::size_t size) {
    const std::span<const std::byte> bytes = reader.take(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ColumnHeader read_column(Reader& reader, std::int64_t rows) {
    ColumnHeader column;
    const auto source = reader.get<std::uint8_t>();
    reader.require(source <= static_cast<std::uint8_t>(Source::kText), "unknown source of a column");
    column.source = static_cast<Source>(source);
    const auto gathered = reader.get<std::uint8_t>();
    reader.require(gathered <= static_cast<std::uint8_t>(Gathered::kLevels), "unknown kind of column");
    column.gathered = static_cast<Gathered>(gathered);
    const auto size = reader.get<std::uint16_t>();
    reader.require(size >= 1 && size <= kMaxNameSize, "column name of a wrong length");
    column.name = take_text(reader, size);
    reader.require(column.name.find('\0') == std::string_view::npos, "zero byte in a text");
    column.nulls = reader.get<std::int64_t>();
    reader.require(column.nulls >= 0 && column.nulls <= rows, "number of NULLs out of range");
    return column;
}

struct NumbersHeader {
    std::uint32_t bins;
    std::int32_t shift;
    double minimum;
    double maximum;
};

NumbersHeader read_numbers(Reader& reader) {
    NumbersHeader numbers;
    numbers.bins = reader.get<std::uint32_t>();
    numbers.shift = reader.get<std::int32_t>();
    numbers.minimum = reader.get<double>();
    numbers.maximum = reader.get<double>();
    reader.require(numbers.bins <= Histogram::kMaxBins, "too many bins");
    reader.require(numbers.shift >= 0 && numbers.shift < 64, "shift out of range");
    for (double x : {numbers.minimum, numbers.maximum})
        reader.require(std::fabs(x) <= kLargestValue && !(x == 0 && std::signbit(x)), "extreme out of range");
    return numbers;
}

bool is_truth_value(std::uint64_t prefix, int shift) {
    return shift == 0 && (prefix == Histogram::key_of(0) || prefix == Histogram::key_of(1));
}

// The rows that the bins hold.
std::int64_t check_bins(Reader& reader, Source source, std::int64_t rows, WorkMeter& meter) {
    const NumbersHeader numbers = read_numbers(reader);
    if (numbers.bins == 0) {
        reader.require(numbers.shift == 0 && numbers.minimum == 0 && numbers.maximum == 0,
                       "extremes without values");
        return 0;
    }
    reader.require(numbers.minimum <= numbers.maximum, "extremes out of order");
    const std::uint64_t first = Histogram::key_of(numbers.minimum) >> numbers.shift;
    const std::uint64_t last = Histogram::key_of(numbers.maximum) >> numbers.shift;
    std::int64_t seen = 0;
    std::uint64_t before = 0;
    for (std::uint32_t b = 0; b < numbers.bins; ++b) {
        const auto prefix = reader.get<std::uint64_t>();
        const auto count = reader.get<std::int64_t>();
        reader.require(b == 0 ? prefix == first : prefix > before, "bins out of order");
        reader.require(source != Source::kBoolean || is_truth_value(prefix, numbers.shift),
                       "boolean is neither 0 nor 1");
        reader.require(count >= 1 && count <= rows - seen, "rows of a bin out of range");
        before = prefix;
        seen += count;
        meter.done(1);
    }
    reader.require(before == last, "bins do not end at the maximum");
    return seen;
}

std::int64_t check_levels(Reader& reader, std::int64_t rows, WorkMeter& meter) {
    const auto levels = reader.get<std::uint32_t>();
    reader.require(levels <= LevelCounts::kMaxLevels, "too many levels");
    std::int64_t seen = 0;
    std::string_view before;
    for (std::uint32_t l = 0; l < levels; ++l) {
        const auto size = reader.get<std::uint32_t>();
        reader.require(size <= kMaxLevelSize, "level of a wrong length");
        const std::string_view text = take_text(reader, size);
        reader.require(l == 0 || before < text, "levels out of order");
        reader.require(text.find('\0') == std::string_view::npos, "zero byte in a text");
        const auto count = reader.get<std::int64_t>();
        reader.require(count >= 1 && count <= rows - seen, "rows of a level out of range");
        before = text;
        seen += count;
        meter.done(1);
    }
    return seen;
}

// Returns its name.
std::string_view check_column(Reader& reader, std::int64_t rows, WorkMeter& meter) {
    const ColumnHeader column = read_column(reader, rows);
    if (column.gathered == Gathered::kNothing) {
        reader.require(column.nulls == 0, "NULLs of a column that is ignored");
        return column.name;
    }
    const std::int64_t seen = column.gathered == Gathered::kNumbers
                                  ? check_bins(reader, column.source, rows, meter)
                                  : check_levels(reader, rows, meter);
    reader.require(seen == rows - column.nulls, "rows of a column do not add up");
    return column.name;
}

void read_bins(Reader& reader, MemoryResource* memory, Histogram& histogram, WorkMeter& meter) {
    const NumbersHeader numbers = read_numbers(reader);
    Vector<Histogram::Bin> bins(memory);
    bins.reserve(numbers.bins);
    for (std::uint32_t b = 0; b < numbers.bins; ++b) {
        const auto prefix = reader.get<std::uint64_t>();
        bins.push_back({prefix, reader.get<std::int64_t>()});
        meter.done(1);
    }
    histogram.merge_bins({bins.data(), bins.size()}, numbers.shift, numbers.minimum, numbers.maximum);
}

void read_levels(Reader& reader, ColumnProfile& column, WorkMeter& meter) {
    const auto levels = reader.get<std::uint32_t>();
    for (std::uint32_t l = 0; l < levels; ++l) {
        const std::string_view text = take_text(reader, reader.get<std::uint32_t>());
        column.add_level(text, reader.get<std::int64_t>());
        meter.done(1);
    }
}

Gathered gathered_of(const Rules& rules, Source source) {
    if (rules.type == ColumnType::kIgnore)
        return Gathered::kNothing;
    if (rules.type == ColumnType::kCategory)
        return Gathered::kLevels;
    return source == Source::kText && rules.type != ColumnType::kNumeric ? Gathered::kLevels
                                                                         : Gathered::kNumbers;
}

[[noreturn]] void unknown_column(std::string_view wanted,
                                 std::span<const PreparationState::NewColumn> columns) {
    std::string valid;
    for (const auto& column : columns)
        valid += (valid.empty() ? "\"" : ", \"") + std::string(column.name) + "\"";
    throw Error(
        Errc::kInvalidArgument,
        format("there are options for column \"%.*s\", which the row has not", shown(wanted), wanted.data()),
        {}, "Its columns are " + valid + ".");
}

void check_names(std::span<const PreparationState::NewColumn> columns) {
    for (std::size_t i = 0; i < columns.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (columns[i].name == columns[j].name)
                throw Error(Errc::kInvalidArgument,
                            format("the row has two columns \"%.*s\"", shown(columns[i].name),
                                   columns[i].name.data()),
                            {}, "Give each column of the row a name of its own.");
}

[[noreturn]] void refuse_merge(const char* what) {
    throw Error(Errc::kInvalidArgument, format("cannot combine preparation states with different %s", what));
}

}  // namespace

bool EncodedOptions::operator==(const EncodedOptions& other) const {
    return bytes.size() == other.bytes.size() &&
           (bytes.empty() || std::memcmp(bytes.data(), other.bytes.data(), bytes.size()) == 0);
}

void check_number(std::string_view column, double value) {
    if (std::fabs(value) <= kLargestValue)
        return;
    if (std::isfinite(value))
        throw Error(Errc::kOutOfRange,
                    format("column \"%.*s\" is out of range: %g", shown(column), column.data(), value), {},
                    "Values must lie between -1e140 and 1e140.");
    throw Error(Errc::kBadData,
                format("column \"%.*s\" is not a finite number: %s", shown(column), column.data(),
                       nonfinite_name(value)),
                {}, "Turn such values into NULL, for example with nullif, or leave the rows out.");
}

void ColumnProfile::add_level(std::string_view text, std::int64_t rows) {
    if (text.size() > kMaxLevelSize)
        throw Error(Errc::kInvalidArgument,
                    format("column \"%.*s\" holds a value of %zu bytes, a category may have %zu",
                           shown(name()), name().data(), text.size(), kMaxLevelSize),
                    {}, "Leave the column out, or group its values.");
    if (!levels_.add(text, rows))
        throw Error(Errc::kInvalidArgument,
                    format("column \"%.*s\" has more than %zu different values", shown(name()), name().data(),
                           LevelCounts::kMaxLevels),
                    "It would be a category, with a feature for each of its frequent values.",
                    "Leave the column out, or group its values.");
}

EncodedOptions PreparationState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    Reader options(header.options, kTypeName);
    PreparationOptions::check(options);
    WorkMeter meter(interrupt);
    std::string_view names[kMaxColumns];
    for (std::uint32_t c = 0; c < header.columns; ++c) {
        names[c] = check_column(reader, header.rows, meter);
        reader.require(std::find(names, names + c, names[c]) == names + c, "duplicate column name");
    }
    reader.expect_end();
    return {header.options};
}

void PreparationState::for_each_text(std::span<const std::byte> body, void (*visit)(std::string_view)) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    for (std::uint32_t c = 0; c < header.columns; ++c) {
        const ColumnHeader column = read_column(reader, header.rows);
        visit(column.name);
        if (column.gathered == Gathered::kNumbers) {
            reader.take(read_numbers(reader).bins * sizeof(Histogram::Bin));
        } else if (column.gathered == Gathered::kLevels) {
            for (auto left = reader.get<std::uint32_t>(); left > 0; --left) {
                visit(take_text(reader, reader.get<std::uint32_t>()));
                reader.get<std::int64_t>();
            }
        }
    }
}

void PreparationState::set_columns(std::span<const NewColumn> columns) {
    if (columns.empty() || columns.size() > static_cast<std::size_t>(kMaxColumns))
        throw Error(Errc::kInvalidArgument, format("number of columns must be between 1 and %d, not %zu",
                                                   kMaxColumns, columns.size()));
    check_names(columns);
    Reader reader({options_.data(), options_.size()}, kTypeName);
    const PreparationOptions options = PreparationOptions::decode(reader, memory_);
    for (const NamedRules& named : options.columns) {
        bool known = false;
        for (const NewColumn& column : columns)
            known |= column.name == named.column;
        if (!known)
            unknown_column(named.column, columns);
    }
    columns_.reserve(columns.size());
    for (const NewColumn& column : columns)
        columns_.emplace_back(column.name, column.source,
                              gathered_of(options.rules_of(column.name), column.source), memory_);
}

void PreparationState::check_columns(std::span<const NewColumn> columns) const {
    bool same = columns.size() == columns_.size();
    for (std::size_t c = 0; same && c < columns.size(); ++c)
        same = columns[c].name == columns_[c].name() && columns[c].source == columns_[c].source();
    if (!same)
        throw Error(Errc::kInvalidArgument, "columns must be the same in every row");
}

void PreparationState::add_rows(std::int64_t rows) {
    if (__builtin_add_overflow(rows_, rows, &rows_))
        throw Error(Errc::kOutOfRange, "number of rows is out of range");
}

void PreparationState::add(std::span<const ColumnValue> values) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        ColumnProfile& column = columns_[c];
        const ColumnValue& value = values[c];
        if (column.gathered() == Gathered::kNothing) {
            continue;
        } else if (value.null) {
            column.add_nulls(1);
        } else if (column.gathered() == Gathered::kNumbers) {
            check_number(column.name(), value.number);
            column.histogram().add(value.number);
        } else {
            column.add_level(value.text, 1);
        }
    }
    add_rows(1);
}

void PreparationState::merge(const PreparationState& other, Interrupt& interrupt) {
    Vector<std::byte> image(memory_);
    image.resize(other.image_size());
    other.write_image({image.data(), image.size()}, interrupt);
    merge_body({image.data() + kSlot, image.size() - kSlot}, interrupt);
}

void PreparationState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const Header header = read_header(reader);
    if (!(options() == EncodedOptions{header.options}))
        refuse_merge("options");
    const bool first = columns_.empty();
    if (!first && columns_.size() != header.columns)
        refuse_merge("columns");
    add_rows(header.rows);
    WorkMeter meter(interrupt);
    columns_.reserve(header.columns);
    for (std::uint32_t c = 0; c < header.columns; ++c) {
        const ColumnHeader theirs = read_column(reader, header.rows);
        if (first)
            columns_.emplace_back(theirs.name, theirs.source, theirs.gathered, memory_);
        ColumnProfile& ours = columns_[c];
        if (ours.name() != theirs.name || ours.source() != theirs.source ||
            ours.gathered() != theirs.gathered)
            refuse_merge("columns");
        ours.add_nulls(theirs.nulls);
        if (theirs.gathered == Gathered::kNumbers)
            read_bins(reader, memory_, ours.histogram(), meter);
        else if (theirs.gathered == Gathered::kLevels)
            read_levels(reader, ours, meter);
    }
}

std::uint64_t PreparationState::image_size() const {
    std::uint64_t size = kHeaderSize + options_.size();
    for (const ColumnProfile& column : columns_) {
        size += 4 + column.name().size() + sizeof(std::int64_t);
        if (column.gathered() == Gathered::kNumbers)
            size += 24 + column.histogram().size() * sizeof(Histogram::Bin);
        else if (column.gathered() == Gathered::kLevels)
            size += 4 + column.levels().size() * 12 + column.levels().text_size();
    }
    return size;
}

void PreparationState::write_column(const ColumnProfile& column, Writer& writer, WorkMeter& meter) const {
    writer.put(static_cast<std::uint8_t>(column.source()));
    writer.put(static_cast<std::uint8_t>(column.gathered()));
    writer.put(static_cast<std::uint16_t>(column.name().size()));
    writer.put_all(std::span(column.name().data(), column.name().size()));
    writer.put(column.nulls());
    if (column.gathered() == Gathered::kNumbers) {
        const Histogram& histogram = column.histogram();
        writer.put(static_cast<std::uint32_t>(histogram.size()));
        writer.put(static_cast<std::int32_t>(histogram.shift()));
        writer.put(histogram.minimum());
        writer.put(histogram.maximum());
        for (const Histogram::Bin& bin : histogram.bins(memory_)) {
            writer.put(bin.prefix);
            writer.put(bin.count);
            meter.done(1);
        }
    } else if (column.gathered() == Gathered::kLevels) {
        writer.put(static_cast<std::uint32_t>(column.levels().size()));
        for (const LevelCounts::Entry& level : column.levels().sorted(memory_)) {
            writer.put(level.size);
            writer.put_all(std::span(level.text, level.size));
            writer.put(level.count);
            meter.done(1);
        }
    }
}

void PreparationState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    WorkMeter meter(interrupt);
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put<std::uint16_t>(0);
    writer.put(rows_);
    writer.put(static_cast<std::uint32_t>(columns_.size()));
    writer.put(static_cast<std::uint32_t>(options_.size()));
    writer.put_all(std::span(reinterpret_cast<const char*>(options_.data()), options_.size()));
    for (const ColumnProfile& column : columns_)
        write_column(column, writer, meter);
}

}  // namespace seg::core::preparation
