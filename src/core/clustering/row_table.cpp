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

}  // namespace

std::uint64_t content_hash(const double* row, std::size_t dimensions) {
    std::uint64_t hash = 0x243f6a8885a308d3ULL ^ dimensions;
    for (std::size_t f = 0; f < dimensions; ++f) {
        const auto bits = std::bit_cast<std::uint64_t>(row[f] + 0.0);  // -0.0 becomes 0.0
        const auto product = static_cast<unsigned __int128>(hash ^ bits) * 0x9e3779b97f4a7c15ULL;
        hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64) ^
               std::rotl(bits, 23);
    }
    return mix64(hash);
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
