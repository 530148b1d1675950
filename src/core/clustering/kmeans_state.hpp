// What the k-means aggregate has gathered: options, counts and the packed rows.
#pragma once

#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"
#include "core/clustering/kmeans_options.hpp"

namespace seg::core::clustering {

// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 'k'   5 version 1   6 standardize   7 zero
//   8 k i32   12 dimensions i32 (0: no row yet)   16 rows i64   24 skipped i64   32 seed i64
//  40 n_init i32   44 max_iter i32   48 tol f64   56 rows x dimensions f64, row after row
class KmeansState {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 56;

    KmeansState(MemoryResource* memory, const KmeansOptions& options) : options_(options), rows_(memory) {}

    // Reads an image or an external value (both passed without the slot). Validates every field;
    // Errc::kBadBinary otherwise.
    static KmeansOptions read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Adds one row. Errc::kArrayShape when its length differs from the first row's, kBadData for NaN and
    // infinity, kOutOfRange beyond +-1e140 (squared distances would overflow).
    void add(std::span<const double> features);
    void skip() { ++skipped_; }  // a row that cannot be used

    // Adds another state's rows; Errc::kInvalidArgument when the options differ.
    void merge(const KmeansState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const KmeansOptions& options() const { return options_; }
    const RowStore& rows() const { return rows_; }
    std::size_t dimensions() const { return rows_.width(); }
    std::int64_t skipped() const { return skipped_; }

    std::size_t image_size() const { return kHeaderSize + rows_.size() * rows_.width() * sizeof(double); }
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    void append_rows(const double* rows, std::uint64_t count, WorkMeter& meter);
    void add_skipped(std::int64_t more);
    void check_mergeable(const KmeansOptions& other_options, std::size_t other_dimensions);

    KmeansOptions options_;
    RowStore rows_;
    std::int64_t skipped_ = 0;
};

}  // namespace seg::core::clustering
