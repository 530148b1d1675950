// Rows as training sees them: a store, and what each of its rows stands for.
#pragma once

#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"

namespace seg::core::clustering {

struct RowTable {
    const RowStore& store;                 // of a weighted table each row ends with its weight
    std::span<const std::int64_t> counts;  // how many rows of equal values each stands for; empty: one
    bool weighted = false;

    std::size_t size() const { return static_cast<std::size_t>(store.size()); }
    std::size_t dimensions() const { return store.width() - (weighted ? 1 : 0); }
    bool weigh_alike() const { return !weighted && counts.empty(); }  // each row 1
    std::int64_t count(std::size_t row) const { return counts.empty() ? 1 : counts[row]; }
    // Of all the rows it stands for. values: those of the row.
    template <typename T>
    double weight(std::size_t row, const T* values) const {
        const auto rows = static_cast<double>(count(row));
        return weighted ? rows * static_cast<double>(values[dimensions()]) : rows;
    }
};

// A table with rows of its own: some of another's.
class RowSample {
  public:
    explicit RowSample(MemoryResource* memory) : store_(memory), counts_(memory) {}

    // Appends the rows whose content hash is below 2^64 / divisor: a part of all that depends on contents
    // only. The divisor is a power of two.
    void take(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt);

    RowTable table(bool weighted) const { return {store_, {counts_.data(), counts_.size()}, weighted}; }

  private:
    RowStore store_;
    Vector<std::int64_t> counts_;
};

// Hash of a row's features; -0.0 counts as 0.0. Values that single precision holds exactly have the same hash
// in either, whichever way a store keeps them.
std::uint64_t content_hash(const double* row, std::size_t dimensions);
std::uint64_t content_hash(const float* row, std::size_t dimensions);

// Whether a hash is below 2^64 / divisor, a power of two.
bool is_sampled(std::uint64_t hash, std::uint64_t divisor);

// How many rows of the store are.
std::uint64_t count_sample(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt);

}  // namespace seg::core::clustering
