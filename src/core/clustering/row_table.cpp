#include "core/clustering/row_table.hpp"

#include <bit>

#include "core/base/random.hpp"

namespace seg::core::clustering {
namespace {

// Calls visit(index, row) for each row of the sample.
template <typename Visit>
void for_each_sampled(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt, Visit&& visit) {
    WorkMeter meter(interrupt);
    const std::size_t dimensions = rows.dimensions();
    std::size_t index = 0;
    rows.store.for_each_run([&](const double* run, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i, ++index) {
            const double* row = run + i * rows.store.width();
            if (is_sampled(content_hash(row, dimensions), divisor))
                visit(index, row);
            meter.done(work_of_row(dimensions));
        }
    });
}

// Both halves of a product, so that every bit of either value counts; -0.0 counts as 0.0. Without the fold
// the products of rows of few different values would add up to few different sums.
std::uint64_t pair_hash(double first, double second, std::uint64_t first_key, std::uint64_t second_key) {
    const auto product =
        static_cast<unsigned __int128>(std::bit_cast<std::uint64_t>(first + 0.0) + first_key) *
        (std::bit_cast<std::uint64_t>(second + 0.0) + second_key);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

// The values of a pair are multiplied, each with a key of its place added, as in NH (Black, Halevi, Krawczyk,
// Krovetz and Rogaway, CRYPTO 1999): half as many multiplications as values, none of which waits for another.
std::uint64_t content_hash(const double* row, std::size_t dimensions) {
    constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
    std::uint64_t key = 0x243f6a8885a308d3ULL;
    std::uint64_t sum = dimensions;
    std::size_t f = 0;
    for (; f + 2 <= dimensions; f += 2, key += 2 * kStep)
        sum += pair_hash(row[f], row[f + 1], key, key + kStep);
    if (f < dimensions)
        sum += pair_hash(row[f], 0, key, key + kStep);
    return mix64(sum);
}

bool is_sampled(std::uint64_t hash, std::uint64_t divisor) {
    const int bits = std::countr_zero(divisor);
    return bits == 0 || hash >> (64 - bits) == 0;
}

void RowSample::take(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt) {
    store_.set_width(rows.store.width(), RowStore::Values::kFloatsWhileExact);
    for_each_sampled(rows, divisor, interrupt, [&](std::size_t index, const double* row) {
        store_.append(row, &interrupt);
        if (!rows.counts.empty())
            counts_.push_back(rows.counts[index]);
    });
}

std::uint64_t count_sample(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt) {
    std::uint64_t count = 0;
    for_each_sampled(rows, divisor, interrupt, [&](std::size_t, const double*) { ++count; });
    return count;
}

}  // namespace seg::core::clustering
