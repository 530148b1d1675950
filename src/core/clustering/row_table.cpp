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

// Of a value as a key makes it; -0.0 counts as 0.0.
std::uint64_t keyed(double value, std::uint64_t key) {
    return std::bit_cast<std::uint64_t>(value + 0.0) + key;
}

}  // namespace

// Sums of products of pairs, NH (Black, Halevi, Krawczyk, Krovetz and Rogaway, CRYPTO 1999): half as many
// multiplications as values, none of which waits for another.
std::uint64_t content_hash(const double* row, std::size_t dimensions) {
    constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
    std::uint64_t key = 0x13198a2e03707344ULL;
    unsigned __int128 sum = dimensions;
    std::size_t f = 0;
    for (; f + 2 <= dimensions; f += 2, key += 2 * kStep)
        sum += static_cast<unsigned __int128>(keyed(row[f], key)) * keyed(row[f + 1], key + kStep);
    if (f < dimensions)
        sum += static_cast<unsigned __int128>(keyed(row[f], key)) * (key + kStep);
    return mix64(static_cast<std::uint64_t>(sum) + static_cast<std::uint64_t>(sum >> 64) * kStep);
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
