// What the k-means aggregate has gathered: options, counts and the packed rows.
#pragma once

#include <span>

#include "core/base/interrupt.hpp"
#include "core/clustering/kmeans.hpp"
#include "core/clustering/kmeans_options.hpp"
#include "core/clustering/row_table.hpp"

namespace seg::core::clustering {

// How many bytes the rows of a state may take; its images say so, too.
struct GatheringOptions {
    KmeansOptions kmeans;
    std::uint64_t limit = ~std::uint64_t{0};

    // The limit is not part of what was asked for.
    bool operator==(const GatheringOptions& other) const { return kmeans == other.kmeans; }
};

// Rows are kept one after another until they would pass the limit. Then equal rows are collapsed, each with
// its count; and while there are still too many, the half of them with the larger content hash goes. What is
// left at the end depends on the rows only, not on their order, nor on the states they went through.
// (Rows with weights of their own are equal when those are, too.) Where memory gives out before the limit is
// reached, because the states of other groups have it, half of the rows go at that moment; then what is left
// depends on the other groups, too.
//
// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 'k'   5 version 1   6 standardize   7 algorithm
//   8 k i32   12 dimensions i32 (0: no row yet)   16 rows i64 (in the image)   24 seen i64   32 skipped i64
//  40 seed i64   48 n_init i32   52 max_iter i32   56 tol f64   64 gamma f64   72 min_size i64
//  80 max_size i64   88 limit u64   96 divisor u64   104 order_by i32   108 measure u8
// 109 flags u8 (1: weighted, 2: counts, 4: floats)   110 zero (2)   112 groups i32   116 centres to start
// from i32 120 groups (first i32, count i32, cost f64)[groups]   centres f64[][dimensions of init]
//     rows f64[rows][dimensions + 1 if weighted], f32 if they are floats
//     counts i64[rows] if there are any, not with floats
class KmeansState {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 120;

    KmeansState(MemoryResource* memory, const GatheringOptions& options);

    // Reads an image or an external value (both passed without the slot). Validates every field;
    // Errc::kBadBinary otherwise.
    static GatheringOptions read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Adds one row. Errc::kArrayShape when its length differs from the first row's, kBadData for NaN and
    // infinity, kOutOfRange beyond +-1e140 (squared distances would overflow). A weighted row needs a weight:
    // kBadData unless it is finite and not negative, kOutOfRange beyond 1e12; 0 leaves the row out.
    void add(std::span<const double> features, double weight, Interrupt& interrupt);
    void skip() { ++skipped_; }  // a row that cannot be used

    // Adds another state's rows; Errc::kInvalidArgument when the options differ.
    void merge(const KmeansState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const GatheringOptions& options() const { return options_; }
    std::size_t dimensions() const { return rows_.width() == 0 ? 0 : table().dimensions(); }
    std::int64_t skipped() const { return skipped_; }
    std::int64_t seen() const { return seen_; }  // rows used, whether or not they are still there
    RowTable table() const { return {rows_, {counts_.data(), counts_.size()}, options_.kmeans.weighted}; }

    // After the last row: whether rows have to go is decided by all of them.
    void settle(Interrupt& interrupt);

    // For training, after settle().
    GatheredRows gathered() const { return {table(), seen_, skipped_, divisor_}; }

    std::size_t image_size() const;
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    void set_dimensions(std::size_t dimensions);
    void append(const double* row, std::int64_t count, Interrupt& interrupt);
    template <typename T>
    void merge_rows(std::span<const T> values, std::span<const std::int64_t> counts, Interrupt& interrupt);
    template <typename T>
    std::size_t append_whole(std::span<const T> values, WorkMeter& meter);
    bool is_kept(const double* row) const;
    void store(const double* row, std::int64_t count, Interrupt& interrupt);
    void make_room(Interrupt& interrupt);
    void collapse(Interrupt& interrupt);
    void collapse_equal_rows(Interrupt& interrupt);
    void thin(Interrupt& interrupt);
    void keep(std::size_t from, std::size_t to);
    bool writes_floats() const;
    std::uint64_t bytes_per_row() const;
    void lower_limit(std::uint64_t limit);
    void add_counts(std::int64_t seen, std::int64_t skipped);
    void check_mergeable(const KmeansOptions& other_options, std::size_t other_dimensions);

    GatheringOptions options_;
    RowStore rows_;
    Vector<std::int64_t> counts_;  // empty: all rows stand for themselves
    Vector<CategoryGroup> groups_;
    Vector<double> init_;
    std::int64_t seen_ = 0;
    std::int64_t skipped_ = 0;
    std::uint64_t most_rows_ = 0;  // that the limit has room for
    std::uint64_t divisor_ = 1;    // rows whose hash is not below 2^64 / divisor are left out
    Vector<double> weighted_row_;
    Vector<double> buffer_;  // a row of a narrow store
};

}  // namespace seg::core::clustering
