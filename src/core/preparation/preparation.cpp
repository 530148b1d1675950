#include "core/preparation/preparation.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/base/codec.hpp"
#include "core/preparation/logarithm.hpp"

namespace seg::core::preparation {
namespace {

constexpr std::uint8_t kMagic = 'P';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.preparation";

enum Flags : std::uint8_t { kWinsorised = 1, kIndicator = 2, kConstant = 4, kNullLevel = 8, kOther = 16 };
constexpr std::uint8_t kAllFlags = 31;

// As they lie in the image.
struct ColumnRecord {
    std::uint8_t kind, transform, scaling, null, flags, zero[3];
    std::int32_t first_feature, features, first_level, levels;
    std::uint32_t text, name_size, reason_size, zero_word;
    double weight, as_of, lower, upper, shift, scale, fill;
    std::int64_t nulls, other_rows;

    bool has(Flags flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(ColumnRecord) == PreparationView::kColumnSize);

struct LevelRecord {
    std::uint32_t text, size;
    std::int64_t rows;
};
static_assert(sizeof(LevelRecord) == PreparationView::kLevelSize);

struct Header {
    std::int32_t columns;
    std::int32_t features;
    std::int64_t rows;
    std::int32_t levels;
    std::uint32_t text_size;
};

Header read_header(Reader& reader) {
    Header header;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    header.columns = reader.get<std::int32_t>();
    header.features = reader.get<std::int32_t>();
    header.rows = reader.get<std::int64_t>();
    header.levels = reader.get<std::int32_t>();
    header.text_size = reader.get<std::uint32_t>();
    reader.require(header.columns >= 1 && header.columns <= kMaxColumns, "number of columns out of range");
    reader.require(header.features >= 1 && header.features <= kMaxFeatures,
                   "number of features out of range");
    reader.require(header.levels >= 0 && header.levels <= kMaxFeatures, "number of levels out of range");
    reader.require(header.rows >= 1, "number of rows out of range");
    return header;
}

std::uint64_t padded(std::uint64_t size) {
    return (size + 7) / 8 * 8;
}

std::uint64_t size_of(std::uint64_t columns, std::uint64_t levels, std::uint64_t text_size) {
    return PreparationView::kHeaderSize + columns * PreparationView::kColumnSize +
           levels * PreparationView::kLevelSize + padded(text_size);
}

// Where the parts of an image are.
struct Parts {
    const ColumnRecord* columns;
    const LevelRecord* levels;
    const char* text;

    Parts(std::span<const std::byte> image, std::int32_t column_count, std::int32_t level_count)
        : columns(reinterpret_cast<const ColumnRecord*>(image.data() + PreparationView::kHeaderSize)),
          levels(reinterpret_cast<const LevelRecord*>(columns + column_count)),
          text(reinterpret_cast<const char*>(levels + level_count)) {}

    std::string_view level(std::int32_t index) const {
        return {text + levels[index].text, levels[index].size};
    }
    std::string_view name(const ColumnRecord& column) const { return {text + column.text, column.name_size}; }
};

// ---- what an external value must satisfy

// No -0.0, which has no text form.
bool is_number(double x) {
    return std::isfinite(x) && std::fabs(x) <= kLargestValue * kLargestValue && !(x == 0 && std::signbit(x));
}

class Validation {
  public:
    explicit Validation(std::span<const std::byte> body) : reader_(body, kTypeName), body_(body) {}

    void run() {
        header_ = read_header(reader_);
        // The counts are small, the sum cannot overflow.
        require(body_.size() + PreparationView::kSlot == size_of(static_cast<std::uint64_t>(header_.columns),
                                                                 static_cast<std::uint64_t>(header_.levels),
                                                                 header_.text_size),
                "wrong length");
        for (std::int32_t c = 0; c < header_.columns; ++c)
            check(column_record(c));
        require(next_feature_ == header_.features, "number of features does not fit the columns");
        require(next_level_ == header_.levels, "number of levels does not fit the columns");
        require(next_text_ == header_.text_size, "texts do not fit the columns");
        const std::span<const std::byte> all = texts();
        for (std::size_t i = 0; i < all.size(); ++i)
            require((all[i] == std::byte{0}) == (i >= header_.text_size), "zero byte in a text");
    }

  private:
    void require(bool condition, const char* what) const { reader_.require(condition, what); }

    template <typename Record>
    Record at(std::size_t offset) const {
        Record record;
        std::memcpy(&record, body_.data() + offset - PreparationView::kSlot, sizeof record);
        return record;
    }
    ColumnRecord column_record(std::int32_t index) const {
        return at<ColumnRecord>(PreparationView::kHeaderSize +
                                static_cast<std::size_t>(index) * PreparationView::kColumnSize);
    }
    LevelRecord level_record(std::int32_t index) const {
        return at<LevelRecord>(PreparationView::kHeaderSize +
                               static_cast<std::size_t>(header_.columns) * PreparationView::kColumnSize +
                               static_cast<std::size_t>(index) * PreparationView::kLevelSize);
    }
    std::span<const std::byte> texts() const {
        return body_.last(static_cast<std::size_t>(padded(header_.text_size)));
    }
    std::string_view text(std::uint32_t offset, std::uint32_t size) const {
        require(offset <= header_.text_size && size <= header_.text_size - offset, "text out of range");
        return {reinterpret_cast<const char*>(texts().data()) + offset, size};
    }
    // Texts lie one after another.
    std::string_view next_text(std::uint32_t offset, std::uint32_t size) {
        require(offset == next_text_, "texts out of order");
        next_text_ += size;
        return text(offset, size);
    }

    void check(const ColumnRecord& column) {
        require(column.kind <= static_cast<std::uint8_t>(ColumnKind::kCategory), "unknown kind of column");
        require(column.transform <= static_cast<std::uint8_t>(Transform::kLog1p), "unknown transform");
        require(column.scaling <= static_cast<std::uint8_t>(Scaling::kMinmax), "unknown scaling");
        require(column.null <= static_cast<std::uint8_t>(NullTreatment::kLevel), "unknown treatment of NULL");
        require((column.flags & ~kAllFlags) == 0, "unknown flags");
        require(column.zero[0] == 0 && column.zero[1] == 0 && column.zero[2] == 0 && column.zero_word == 0,
                "reserved bytes are set");
        require(column.name_size >= 1 && column.name_size <= kMaxNameSize, "column name of a wrong length");
        require(column.reason_size <= kMaxReasonSize, "reason of a wrong length");
        const std::string_view name = next_text(column.text, column.name_size);
        for (std::int32_t c = 0; column_record(c).text != column.text; ++c)
            require(text(column_record(c).text, column_record(c).name_size) != name, "duplicate column name");
        next_text(next_text_, column.reason_size);
        check_numbers(column);
        require(column.nulls >= 0 && column.nulls <= header_.rows, "number of NULLs out of range");
        require(column.first_feature == next_feature_, "features out of order");
        require(column.first_level == next_level_, "levels out of order");
        if (static_cast<ColumnKind>(column.kind) == ColumnKind::kCategory)
            check_category(column);
        else
            check_value(column);
        require(column.features <= header_.features - next_feature_, "features out of range");
        next_feature_ += column.features;
    }

    void check_numbers(const ColumnRecord& column) const {
        for (double x : {column.weight, column.as_of, column.lower, column.upper, column.shift, column.scale,
                         column.fill})
            require(is_number(x), "number out of range");
        require(column.weight > 0 && column.scale > 0, "weight or scale is not positive");
        require(column.lower <= column.upper, "limits out of order");
        require(column.has(kWinsorised) || (column.lower == 0 && column.upper == 0), "unused limits");
        const auto kind = static_cast<ColumnKind>(column.kind);
        require(kind == ColumnKind::kAge || column.as_of == 0, "unused as_of");
        if (kind == ColumnKind::kBoolean || kind == ColumnKind::kCategory)
            require(column.transform == 0 && column.scaling == 0 && !column.has(kWinsorised) &&
                        column.scale == 1 &&
                        (column.shift == 0 ||
                         (column.shift == 1 && kind == ColumnKind::kBoolean && column.has(kConstant))),
                    "scaling of a column that is no number");
    }

    void check_value(const ColumnRecord& column) const {
        require(column.features == (column.has(kIndicator) ? 2 : 1), "wrong number of features");
        require(
            column.levels == 0 && column.other_rows == 0 && !column.has(kNullLevel) && !column.has(kOther),
            "levels of a column that is no category");
        require(static_cast<NullTreatment>(column.null) != NullTreatment::kLevel,
                "level for NULL of a column that is no category");
    }

    void check_category(const ColumnRecord& column) {
        const auto null = static_cast<NullTreatment>(column.null);
        require(null >= NullTreatment::kSkip, "NULL of a category replaced by a number");
        require(!column.has(kIndicator) && column.fill == 0, "unused treatment of NULL");
        require(!column.has(kNullLevel) || null == NullTreatment::kLevel, "unused level for NULL");
        require(column.levels >= 0 && column.levels <= header_.levels - next_level_, "levels out of range");
        require(column.features ==
                    column.levels + (column.has(kOther) ? 1 : 0) + (column.has(kNullLevel) ? 1 : 0),
                "wrong number of features");
        require(column.features >= 1, "category without a level");
        std::int64_t left = header_.rows - column.nulls;
        for (std::int32_t l = 0; l < column.levels; ++l) {
            const LevelRecord level = level_record(next_level_ + l);
            require(level.size <= kMaxLevelSize, "level of a wrong length");
            const std::string_view name = next_text(level.text, level.size);
            require(level.rows >= 1 && level.rows <= left, "rows of a level out of range");
            left -= level.rows;
            if (l == 0)
                continue;
            const LevelRecord before = level_record(next_level_ + l - 1);
            require(before.rows > level.rows ||
                        (before.rows == level.rows && text(before.text, before.size) < name),
                    "levels out of order");
        }
        check_distinct(column.levels);
        require(column.other_rows == left && (left == 0 || column.has(kOther)),
                "rows of levels do not add up");
        const int used = column.levels + (left > 0) + (column.nulls > 0);
        require(column.has(kConstant) == (used < 2), "wrongly marked as constant");
        next_level_ += column.levels;
    }
    // Levels of different frequencies may still repeat. Sorted, as comparing all pairs could take seconds.
    void check_distinct(std::int32_t levels) const {
        std::int32_t order[kMaxFeatures];
        std::iota(order, order + levels, next_level_);
        std::sort(order, order + levels,
                  [this](std::int32_t a, std::int32_t b) { return level_text(a) < level_text(b); });
        for (std::int32_t l = 1; l < levels; ++l)
            require(level_text(order[l - 1]) != level_text(order[l]), "duplicate level");
    }
    std::string_view level_text(std::int32_t index) const {
        const LevelRecord level = level_record(index);
        return text(level.text, level.size);
    }

    Reader reader_;
    std::span<const std::byte> body_;
    Header header_{};
    std::int32_t next_feature_ = 0;
    std::int32_t next_level_ = 0;
    std::uint32_t next_text_ = 0;
};

// ---- a row

constexpr double kHalfRoot = 0.70710678118654752440;  // 1 / sqrt(2)

[[noreturn]] void refuse_null(std::string_view name) {
    throw Error(Errc::kNullNotAllowed,
                format("column \"%.*s\" is null", static_cast<int>(name.size()), name.data()), {},
                "The preparation was made with \"null\": \"error\" for this column.");
}

[[noreturn]] void refuse_number(std::string_view name, double value) {
    const int size = static_cast<int>(name.size());
    if (std::isfinite(value))
        throw Error(Errc::kOutOfRange,
                    format("column \"%.*s\" is out of range: %g", size, name.data(), value), {},
                    "Values must lie between -1e140 and 1e140, as prepared and before.");
    throw Error(Errc::kBadData, format("column \"%.*s\" is not a finite number: %s", size, name.data(),
                                       nonfinite_name(value)));
}

double feature_of(const ColumnRecord& column, double value) {
    if (static_cast<ColumnKind>(column.kind) == ColumnKind::kAge)
        value = column.as_of - value;
    if (column.has(kWinsorised))
        value = value < column.lower ? column.lower : value > column.upper ? column.upper : value;
    if (column.transform == static_cast<std::uint8_t>(Transform::kLog1p))
        value = log1p_of(value > 0 ? value : 0);
    const double scaled = (value - column.shift) / column.scale;
    return column.weight == 1 ? scaled : scaled * std::sqrt(column.weight);
}

// NULL counts as a value in the column's units, which for an age is an age.
double value_of_null(const ColumnRecord& column) {
    return static_cast<ColumnKind>(column.kind) == ColumnKind::kAge ? column.as_of - column.fill
                                                                    : column.fill;
}

void prepare_number(const ColumnRecord& column, std::string_view name, const ColumnValue& value,
                    double* out) {
    const double number = value.null ? value_of_null(column) : value.number;
    if (!(std::fabs(number) <= kLargestValue))
        refuse_number(name, number);
    out[0] = column.has(kConstant) ? 0 : feature_of(column, number);
    if (!(std::fabs(out[0]) <= kLargestValue))
        refuse_number(name, number);
    if (column.has(kIndicator))
        out[1] = value.null ? std::sqrt(column.weight) : 0;
}

void prepare_level(const ColumnRecord& column, const Parts& parts, const ColumnValue& value, double* out) {
    for (std::int32_t f = 0; f < column.features; ++f)
        out[f] = 0;
    if (column.has(kConstant))
        return;
    std::int32_t hit = column.has(kOther) ? column.levels : -1;
    if (value.null && column.has(kNullLevel)) {
        hit = column.features - 1;
    } else if (!value.null) {
        for (std::int32_t l = 0; l < column.levels; ++l)
            if (parts.level(column.first_level + l) == value.text) {
                hit = l;
                break;
            }
    }
    if (hit >= 0)
        out[hit] = column.weight == 1 ? kHalfRoot : kHalfRoot * std::sqrt(column.weight);
}

}  // namespace

PreparationView::PreparationView(std::span<const std::byte> image) : image_(image) {
    try {
        if (image.size() < kHeaderSize)
            throw Error(Errc::kBadBinary, "too short");
        Reader reader(image.subspan(kSlot), kTypeName);
        const Header header = read_header(reader);
        columns_ = header.columns;
        features_ = header.features;
        levels_ = header.levels;
        rows_ = header.rows;
        reader.require(image.size() == size_of(static_cast<std::uint64_t>(columns_),
                                               static_cast<std::uint64_t>(levels_), header.text_size),
                       "wrong length");
    } catch (const Error& error) {
        throw Error(Errc::kCorrupted, "stored value of type segment.preparation is corrupted", error.what());
    }
}

void PreparationView::validate(std::span<const std::byte> body) {
    Validation(body).run();
}

Column PreparationView::column(std::int32_t index) const {
    const Parts parts(image_, columns_, levels_);
    const ColumnRecord& record = parts.columns[index];
    Column column;
    column.name = parts.name(record);
    column.reason = {parts.text + record.text + record.name_size, record.reason_size};
    column.kind = static_cast<ColumnKind>(record.kind);
    column.transform = static_cast<Transform>(record.transform);
    column.scaling = static_cast<Scaling>(record.scaling);
    column.null = static_cast<NullTreatment>(record.null);
    column.winsorised = record.has(kWinsorised);
    column.indicator = record.has(kIndicator);
    column.constant = record.has(kConstant);
    column.null_level = record.has(kNullLevel);
    column.other = record.has(kOther);
    column.first_feature = record.first_feature;
    column.features = record.features;
    column.first_level = record.first_level;
    column.levels = record.levels;
    column.weight = record.weight;
    column.as_of = record.as_of;
    column.lower = record.lower;
    column.upper = record.upper;
    column.shift = record.shift;
    column.scale = record.scale;
    column.fill = record.fill;
    column.nulls = record.nulls;
    column.other_rows = record.other_rows;
    return column;
}

Level PreparationView::level(std::int32_t index) const {
    const Parts parts(image_, columns_, levels_);
    return {parts.level(index), parts.levels[index].rows};
}

Feature PreparationView::feature(std::int32_t index) const {
    const Parts parts(image_, columns_, levels_);
    std::int32_t c = 0;
    while (c + 1 < columns_ && parts.columns[c + 1].first_feature <= index)
        ++c;
    const ColumnRecord& column = parts.columns[c];
    const std::int32_t position = index - column.first_feature;
    if (static_cast<ColumnKind>(column.kind) != ColumnKind::kCategory)
        return {c, position == 0 ? FeatureKind::kValue : FeatureKind::kIndicator, {}};
    if (position < column.levels)
        return {c, FeatureKind::kLevel, parts.level(column.first_level + position)};
    if (position == column.levels && column.has(kOther))
        return {c, FeatureKind::kOther, kOtherLevel};
    return {c, FeatureKind::kNullLevel, "NULL"};
}

double PreparationView::original(std::int32_t index, double value) const {
    const Feature which = feature(index);
    const Column of = column(which.column);
    const double root = std::sqrt(of.weight);
    switch (which.kind) {
        case FeatureKind::kValue: {
            const double unscaled = of.constant ? of.shift : value / root * of.scale + of.shift;
            return of.transform == Transform::kLog1p ? std::expm1(unscaled) : unscaled;
        }
        case FeatureKind::kIndicator:
            return value / root;
        default:
            break;
    }
    if (!of.constant)
        return value / (root * kHalfRoot);
    const std::int64_t rows = which.kind == FeatureKind::kLevel   ? rows_ - of.nulls - of.other_rows
                              : which.kind == FeatureKind::kOther ? of.other_rows
                                                                  : of.nulls;
    return static_cast<double>(rows) / static_cast<double>(rows_);
}

bool PreparationView::prepare_row(std::span<const ColumnValue> values, std::span<double> out) const {
    const Parts parts(image_, columns_, levels_);
    bool complete = true;
    for (std::int32_t c = 0; c < columns_; ++c) {
        const ColumnRecord& column = parts.columns[c];
        const ColumnValue& value = values[static_cast<std::size_t>(c)];
        if (value.null && column.null == static_cast<std::uint8_t>(NullTreatment::kError))
            refuse_null(parts.name(column));
        if (value.null && column.null == static_cast<std::uint8_t>(NullTreatment::kSkip))
            complete = false;
        else if (static_cast<ColumnKind>(column.kind) == ColumnKind::kCategory)
            prepare_level(column, parts, value, out.data() + column.first_feature);
        else
            prepare_number(column, parts.name(column), value, out.data() + column.first_feature);
    }
    return complete;
}

// ---- writing

namespace {

std::int32_t feature_count_of(const Column& column) {
    if (column.kind == ColumnKind::kCategory)
        return column.levels + (column.other ? 1 : 0) + (column.null_level ? 1 : 0);
    return column.indicator ? 2 : 1;
}

std::uint64_t text_size_of(const PreparationParts& parts) {
    std::uint64_t size = 0;
    for (const Column& column : parts.columns)
        size += column.name.size() + column.reason.size();
    for (const Level& level : parts.levels)
        size += level.text.size();
    return size;
}

std::uint8_t flags_of(const Column& column) {
    return static_cast<std::uint8_t>((column.winsorised ? kWinsorised : 0) |
                                     (column.indicator ? kIndicator : 0) | (column.constant ? kConstant : 0) |
                                     (column.null_level ? kNullLevel : 0) | (column.other ? kOther : 0));
}

// Lays the columns out one after another.
class Layout {
  public:
    Layout(const PreparationParts& parts, std::span<std::byte> image) : parts_(parts), image_(image) {}

    void run() {
        for (std::size_t c = 0; c < parts_.columns.size(); ++c)
            put(c);
        if (next_feature_ > kMaxFeatures)
            throw Error(Errc::kInvalidArgument,
                        format("the columns would give %lld features, the limit is %d",
                               static_cast<long long>(next_feature_), kMaxFeatures),
                        {}, "Leave columns out, or lower \"max_levels\".");
        put_header();
    }

  private:
    void put_header() {
        Writer writer(image_.subspan(PreparationView::kSlot));
        writer.put(kMagic);
        writer.put(kVersion);
        writer.put<std::uint16_t>(0);
        writer.put(static_cast<std::int32_t>(parts_.columns.size()));
        writer.put(static_cast<std::int32_t>(next_feature_));
        writer.put(parts_.rows);
        writer.put(static_cast<std::int32_t>(parts_.levels.size()));
        writer.put(next_text_);
    }

    void put(std::size_t index) {
        const Column& column = parts_.columns[index];
        ColumnRecord record{};
        record.kind = static_cast<std::uint8_t>(column.kind);
        record.transform = static_cast<std::uint8_t>(column.transform);
        record.scaling = static_cast<std::uint8_t>(column.scaling);
        record.null = static_cast<std::uint8_t>(column.null);
        record.flags = flags_of(column);
        record.first_feature = static_cast<std::int32_t>(next_feature_);
        record.features = feature_count_of(column);
        record.first_level = static_cast<std::int32_t>(next_level_);
        record.levels = column.levels;
        record.text = next_text_;
        record.name_size = static_cast<std::uint32_t>(column.name.size());
        record.reason_size = static_cast<std::uint32_t>(column.reason.size());
        // Text has no -0.0.
        record.weight = column.weight + 0.0;
        record.as_of = column.as_of + 0.0;
        record.lower = column.lower + 0.0;
        record.upper = column.upper + 0.0;
        record.shift = column.shift + 0.0;
        record.scale = column.scale + 0.0;
        record.fill = column.fill + 0.0;
        record.nulls = column.nulls;
        put_text(column.name);
        put_text(column.reason);
        const std::int64_t kept = put_levels(column.levels);
        record.other_rows = column.kind == ColumnKind::kCategory ? parts_.rows - column.nulls - kept : 0;
        next_feature_ += record.features;
        std::memcpy(image_.data() + PreparationView::kHeaderSize + index * sizeof record, &record,
                    sizeof record);
    }

    std::int64_t put_levels(std::int32_t count) {
        std::int64_t rows = 0;
        for (std::int32_t l = 0; l < count; ++l, ++next_level_) {
            const Level& level = parts_.levels[next_level_];
            const LevelRecord record = {next_text_, static_cast<std::uint32_t>(level.text.size()),
                                        level.rows};
            std::memcpy(image_.data() + PreparationView::kHeaderSize +
                            parts_.columns.size() * PreparationView::kColumnSize +
                            next_level_ * sizeof record,
                        &record, sizeof record);
            put_text(level.text);
            // Nonsense from outside may overflow; validate() refuses it afterwards.
            if (__builtin_add_overflow(rows, level.rows, &rows))
                rows = 0;
        }
        return rows;
    }

    void put_text(std::string_view text) {
        const std::size_t start = PreparationView::kHeaderSize +
                                  parts_.columns.size() * PreparationView::kColumnSize +
                                  parts_.levels.size() * PreparationView::kLevelSize;
        if (!text.empty())
            std::memcpy(image_.data() + start + next_text_, text.data(), text.size());
        next_text_ += static_cast<std::uint32_t>(text.size());
    }

    const PreparationParts& parts_;
    std::span<std::byte> image_;
    std::int64_t next_feature_ = 0;
    std::size_t next_level_ = 0;
    std::uint32_t next_text_ = 0;
};

}  // namespace

std::uint64_t image_size(const PreparationParts& parts) {
    return size_of(parts.columns.size(), parts.levels.size(), text_size_of(parts));
}

void write_preparation(const PreparationParts& parts, std::span<std::byte> image) {
    std::memset(image.data() + PreparationView::kSlot, 0, image.size() - PreparationView::kSlot);
    Layout(parts, image).run();
}

}  // namespace seg::core::preparation
