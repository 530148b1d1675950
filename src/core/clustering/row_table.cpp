#include "core/clustering/row_table.hpp"

#include <bit>
#include <cstring>

#include "core/base/random.hpp"

namespace seg::core::clustering {
namespace {

// Calls visit(index) for each row of the sample.
template <typename Visit>
void for_each_sampled(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt, Visit&& visit) {
    WorkMeter meter(interrupt);
    const std::size_t dimensions = rows.dimensions();
    std::size_t index = 0;
    rows.store.for_each_stored_run([&](const auto* run, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i, ++index) {
            if (is_sampled(content_hash(run + i * rows.store.width(), dimensions), divisor))
                visit(index);
            meter.done(work_of_row(dimensions));
        }
    });
}

// Values as words to be hashed, and how many of them make one. -0.0 counts as 0.0.
struct FloatWords {
    static constexpr std::size_t kValues = 2;
    typedef float Pair __attribute__((vector_size(2 * sizeof(float))));

    std::uint64_t pair(std::size_t first) const {
        Pair values;
        std::memcpy(&values, row + first, sizeof values);
        return std::bit_cast<std::uint64_t>(values + 0.0f);
    }
    std::uint64_t last(std::size_t place) const { return std::bit_cast<std::uint32_t>(row[place] + 0.0f); }
    const float* row;
};

struct NarrowedWords {
    static constexpr std::size_t kValues = 2;

    std::uint64_t pair(std::size_t first) const { return last(first) | last(first + 1) << 32; }
    std::uint64_t last(std::size_t place) const {
        return std::bit_cast<std::uint32_t>(static_cast<float>(row[place] + 0.0));
    }
    const double* row;
};

struct DoubleWords {
    static constexpr std::size_t kValues = 1;

    std::uint64_t pair(std::size_t place) const { return last(place); }
    std::uint64_t last(std::size_t place) const { return std::bit_cast<std::uint64_t>(row[place] + 0.0); }
    const double* row;
};

// Both halves of a product, so that every bit of either word counts. Without the fold the products of rows of
// few different values would add up to few different sums.
std::uint64_t pair_hash(std::uint64_t first, std::uint64_t second, std::uint64_t key, std::uint64_t step) {
    const auto product = static_cast<unsigned __int128>(first + key) * (second + key + step);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Words are multiplied in pairs, each with a key of its place added, as in NH (Black, Halevi, Krawczyk,
// Krovetz and Rogaway, CRYPTO 1999): half as many multiplications as words, none of which waits for another.
template <typename Words>
std::uint64_t hash_of(const Words& words, std::size_t dimensions) {
    constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
    constexpr std::size_t kValues = Words::kValues;
    std::uint64_t key = 0x243f6a8885a308d3ULL;
    std::uint64_t sum = dimensions;
    std::size_t f = 0;
    for (; f + 2 * kValues <= dimensions; f += 2 * kValues, key += 2 * kStep)
        sum += pair_hash(words.pair(f), words.pair(f + kValues), key, kStep);
    if (f + kValues < dimensions)
        sum += pair_hash(words.pair(f), words.last(f + kValues), key, kStep);
    else if (f < dimensions)
        sum += pair_hash(f + kValues == dimensions ? words.pair(f) : words.last(f), 0, key, kStep);
    return mix64(sum);
}

bool are_floats(const double* row, std::size_t dimensions) {
    std::uint64_t differences = 0;
    for (std::size_t f = 0; f < dimensions; ++f)
        differences |= std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<float>(row[f]))) ^
                       std::bit_cast<std::uint64_t>(row[f]);
    return differences == 0;
}

}  // namespace

std::uint64_t content_hash(const float* row, std::size_t dimensions) {
    return hash_of(FloatWords{row}, dimensions);
}

std::uint64_t content_hash(const double* row, std::size_t dimensions) {
    return are_floats(row, dimensions) ? hash_of(NarrowedWords{row}, dimensions)
                                       : hash_of(DoubleWords{row}, dimensions);
}

bool is_sampled(std::uint64_t hash, std::uint64_t divisor) {
    const int bits = std::countr_zero(divisor);
    return bits == 0 || hash >> (64 - bits) == 0;
}

void RowSample::take(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt) {
    store_.set_width(rows.store.width(), RowStore::Values::kFloatsWhileExact);
    Vector<double> buffer(rows.store.width(), 0.0, counts_.get_stored_allocator().resource());
    for_each_sampled(rows, divisor, interrupt, [&](std::size_t index) {
        store_.append(rows.store.row(index, buffer.data()), &interrupt);
        if (!rows.counts.empty())
            counts_.push_back(rows.counts[index]);
    });
}

std::uint64_t count_sample(const RowTable& rows, std::uint64_t divisor, Interrupt& interrupt) {
    std::uint64_t count = 0;
    for_each_sampled(rows, divisor, interrupt, [&](std::size_t) { ++count; });
    return count;
}

}  // namespace seg::core::clustering
