// Rows with the cluster that somebody put them in: what the measures of a labelling are computed from.
#pragma once

#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"

namespace seg::core::clustering {

// Where labels come from. States of different origin do not mix: their distances have different units.
struct LabelOrigin {
    std::uint64_t model = 0;  // fingerprint of the model that labelled the rows; 0: labels came with the rows

    bool operator==(const LabelOrigin&) const = default;
};

// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 'q'   5 version 1   6 zero u16   8 dimensions i32 (0: no row
//  yet)   12 zero u32   16 rows i64   24 skipped i64   32 model u64   40 rows x (dimensions + 1) f64: the
//  features and the label
class LabelledState {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 40;

    LabelledState(MemoryResource* memory, const LabelOrigin& origin)
        : origin_(origin), rows_(memory), row_(memory) {}

    // Reads an image or an external value (both passed without the slot). Validates every field;
    // Errc::kBadBinary otherwise.
    static LabelOrigin read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Adds one row. Errc::kArrayShape when its length differs from the first row's, kBadData for NaN and
    // infinity, kOutOfRange beyond +-1e140 (squared distances would overflow).
    void add(std::span<const double> features, std::int32_t label);
    void skip() { ++skipped_; }  // a row that cannot be used

    // Adds another state's rows; Errc::kInvalidArgument when another model labelled them.
    void merge(const LabelledState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const LabelOrigin& options() const { return origin_; }
    const RowStore& rows() const { return rows_; }  // of dimensions() + 1 values; the last is the label
    std::size_t dimensions() const { return rows_.width() == 0 ? 0 : rows_.width() - 1; }
    std::int64_t skipped() const { return skipped_; }

    std::size_t image_size() const { return kHeaderSize + rows_.size() * rows_.width() * sizeof(double); }
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    void append_rows(const double* rows, std::uint64_t count, WorkMeter& meter);
    void add_skipped(std::int64_t more);
    void check_mergeable(const LabelOrigin& other_origin, std::size_t other_dimensions);

    LabelOrigin origin_;
    RowStore rows_;
    Vector<double> row_;  // the row being added
    std::int64_t skipped_ = 0;
};

}  // namespace seg::core::clustering
