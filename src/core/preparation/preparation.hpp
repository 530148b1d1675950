// What is done to each column of a row before it is clustered, as a value: one contiguous image, read in
// place.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/json_writer.hpp"
#include "core/base/memory.hpp"

namespace seg::core::preparation {

enum class ColumnKind : std::uint8_t {
    kNumeric = 0,
    kAge = 1,       // dates and timestamps: days before as_of
    kBoolean = 2,   // 0 and 1, as they are
    kCategory = 3,  // one feature a level
};
enum class Transform : std::uint8_t { kNone = 0, kLog1p = 1 };
enum class Scaling : std::uint8_t { kNone = 0, kZscore = 1, kRobust = 2, kMinmax = 3 };
enum class NullTreatment : std::uint8_t {
    kMean = 0,    // counts as the mean of the column
    kMedian = 1,  // as its median
    kZero = 2,    // as zero
    kSkip = 3,    // the row has no features
    kError = 4,
    kLevel = 5,  // a category's NULL: a level of its own, or `other` where training had none
};
enum class FeatureKind : std::uint8_t {
    kValue = 0,      // of a column that is not a category
    kIndicator = 1,  // 1 where the column is NULL
    kLevel = 2,      // of a category: 1/sqrt(2) for rows of the level, times the root of the column's weight
    kOther = 3,      // the same for its rare and unseen levels
    kNullLevel = 4,  // the same for NULL
};

const char* name_of(ColumnKind kind);
const char* name_of(Transform transform);
const char* name_of(Scaling scaling);
const char* name_of(NullTreatment treatment);
ColumnKind column_kind_named(std::string_view name);
Transform transform_named(std::string_view name);
Scaling scaling_named(std::string_view name);
NullTreatment null_treatment_named(std::string_view name);

inline constexpr std::int32_t kMaxColumns = 1600;
inline constexpr std::int32_t kMaxFeatures = 16'000;
inline constexpr std::size_t kMaxNameSize = 1024;
inline constexpr std::size_t kMaxLevelSize = 1024;
inline constexpr std::size_t kMaxReasonSize = 1024;
inline constexpr std::string_view kOtherLevel = "other";
inline constexpr double kLargestValue = 1e140;  // beyond it squared distances would overflow

// One column's part. A value becomes a feature so: an age is as_of - value; winsorised: moved into
// [lower, upper]; log1p of it, nothing below zero; (that - shift) / scale; times the root of weight. The
// feature of a constant column is 0.
struct Column {
    std::string_view name;
    std::string_view reason;  // why it is treated so, in words
    ColumnKind kind = ColumnKind::kNumeric;
    Transform transform = Transform::kNone;
    Scaling scaling = Scaling::kNone;
    NullTreatment null = NullTreatment::kMean;
    bool winsorised = false;
    bool indicator = false;   // a second feature tells NULLs
    bool constant = false;    // nothing to tell rows apart by
    bool null_level = false;  // a category: NULL has a level
    bool other = false;       // a category: rare and unseen levels have one
    std::int32_t first_feature = 0;
    std::int32_t features = 0;
    std::int32_t first_level = 0;  // of all columns' levels
    std::int32_t levels = 0;       // kept ones, most frequent first
    double weight = 1;
    double as_of = 0;  // days since 2000-01-01
    double lower = 0, upper = 0;
    double shift = 0, scale = 1;
    double fill = 0;  // what NULL counts as, in the column's units
    std::int64_t nulls = 0;
    std::int64_t other_rows = 0;
};

struct Level {
    std::string_view text;
    std::int64_t rows;
};

// A feature of the layout. The text of kOther is "other", of kNullLevel "NULL", of the rest empty.
struct Feature {
    std::int32_t column;
    FeatureKind kind;
    std::string_view level;
};

// A column's value in a row. Categories read text, the other kinds a number: days since 2000-01-01 for a
// date, 0 and 1 for a boolean.
struct ColumnValue {
    bool null = false;
    double number = 0;
    std::string_view text;
};

// Image, 8-byte aligned, little-endian; a "body" is the image less its first four bytes.
//   0 slot   4 magic 'P'   5 version 1   6 zero u16   8 columns i32   12 features i32   16 rows i64
//  24 levels i32   28 text bytes u32   32 column records (kColumnSize each)   level records (kLevelSize each)
//  the texts of columns (name, reason) and levels, in this order, and zeros to a multiple of 8
class PreparationView {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 32;
    static constexpr std::size_t kColumnSize = 112;
    static constexpr std::size_t kLevelSize = 16;

    // A trusted image: written by write_preparation(), or checked by validate() when it came in.
    // Errc::kCorrupted when even its header cannot be right.
    explicit PreparationView(std::span<const std::byte> image);

    // Checks every field of an external value, except that its texts are valid in some encoding;
    // Errc::kBadBinary otherwise.
    static void validate(std::span<const std::byte> body);

    // Columns, features and levels are counted from 0.
    std::int32_t column_count() const { return columns_; }
    std::int32_t feature_count() const { return features_; }
    std::int32_t level_count() const { return levels_; }
    std::int64_t rows() const { return rows_; }  // in training
    Column column(std::int32_t index) const;
    ColumnKind kind(std::int32_t index) const {
        return static_cast<ColumnKind>(image_[kHeaderSize + static_cast<std::size_t>(index) * kColumnSize]);
    }
    Level level(std::int32_t index) const;  // column c has levels c.first_level and the c.levels - 1 after it
    Feature feature(std::int32_t index) const;
    std::span<const std::byte> image() const { return image_; }

    // A feature's value, of a row or a mean over rows, in the units of its column: for a value undone scaling
    // and logarithm, days for an age; for an indicator, a level and a boolean the share of rows, 0 to 1.
    double original(std::int32_t feature, double value) const;

    // The features of a row whose columns are given in order; out has feature_count() values. False: a column
    // that rows must have is NULL, the row is to be skipped. Errc::kNullNotAllowed where NULL is an error,
    // kBadData for NaN and infinity, kOutOfRange beyond +-1e140.
    bool prepare_row(std::span<const ColumnValue> values, std::span<double> out) const;

  private:
    std::span<const std::byte> image_;
    std::int32_t columns_;
    std::int32_t features_;
    std::int32_t levels_;
    std::int64_t rows_;
};

// A preparation to be written. first_feature, features, first_level and other_rows of a column need not be
// set.
struct PreparationParts {
    std::int64_t rows = 0;
    std::span<const Column> columns;
    std::span<const Level> levels;  // of all columns, one after another
};

std::uint64_t image_size(const PreparationParts& parts);

// Writes the image, which must have image_size() bytes. Errc::kInvalidArgument for more than kMaxFeatures.
void write_preparation(const PreparationParts& parts, std::span<std::byte> image);

// The preparation as a JSON object, numbers in the shortest form that reads back as the same bits.
void append_json(const PreparationView& preparation, JsonWriter& json);

// What is done to the column, in words.
void append_treatment(const Column& column, Vector<char>& out);

}  // namespace seg::core::preparation
