// From rows to blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/clustering/blocks.hpp"

namespace seg::core::clustering {

namespace transposing {

typedef float Floats __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(16)));
typedef double FourDoubles __attribute__((vector_size(32)));

#if defined(__clang__)
#define PGSEG_SHUFFLE(Places, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef std::int32_t FloatPlaces __attribute__((vector_size(16)));
typedef std::int64_t DoublePlaces __attribute__((vector_size(16)));
#define PGSEG_SHUFFLE(Places, a, b, ...) __builtin_shuffle(a, b, Places{__VA_ARGS__})
#endif

template <typename Vector, typename T>
inline Vector load(const T* from) {
    Vector vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(float* to, Floats values) {
    values += 0.0f;
    std::memcpy(to, &values, sizeof values);
}
inline void store(double* to, Doubles values) {
    values += 0.0;
    std::memcpy(to, &values, sizeof values);
}
inline void store(double* to, Floats values) {
    const FourDoubles wide = __builtin_convertvector(values, FourDoubles) + 0.0;
    std::memcpy(to, &wide, sizeof wide);
}

// Squares of as many rows and features as a vector holds.
template <typename To>
inline void square(const float* rows, std::size_t width, To* block) {
    const auto a = load<Floats>(rows);
    const auto b = load<Floats>(rows + width);
    const auto c = load<Floats>(rows + 2 * width);
    const auto d = load<Floats>(rows + 3 * width);
    const Floats ab_first = PGSEG_SHUFFLE(FloatPlaces, a, b, 0, 4, 1, 5);
    const Floats cd_first = PGSEG_SHUFFLE(FloatPlaces, c, d, 0, 4, 1, 5);
    const Floats ab_last = PGSEG_SHUFFLE(FloatPlaces, a, b, 2, 6, 3, 7);
    const Floats cd_last = PGSEG_SHUFFLE(FloatPlaces, c, d, 2, 6, 3, 7);
    store(block, PGSEG_SHUFFLE(FloatPlaces, ab_first, cd_first, 0, 1, 4, 5));
    store(block + kLanes, PGSEG_SHUFFLE(FloatPlaces, ab_first, cd_first, 2, 3, 6, 7));
    store(block + 2 * kLanes, PGSEG_SHUFFLE(FloatPlaces, ab_last, cd_last, 0, 1, 4, 5));
    store(block + 3 * kLanes, PGSEG_SHUFFLE(FloatPlaces, ab_last, cd_last, 2, 3, 6, 7));
}
inline void square(const double* rows, std::size_t width, double* block) {
    const auto a = load<Doubles>(rows);
    const auto b = load<Doubles>(rows + width);
    store(block, PGSEG_SHUFFLE(DoublePlaces, a, b, 0, 2));
    store(block + kLanes, PGSEG_SHUFFLE(DoublePlaces, a, b, 1, 3));
}

#undef PGSEG_SHUFFLE

}  // namespace transposing

// Puts the first features of up to 16 rows, which lie width values apart, into the lanes of a block, as 0.0
// what is -0.0 there.
template <typename From, typename To>
void to_block(const From* rows, std::size_t width, std::size_t lanes, std::size_t dimensions, To* block) {
    constexpr std::size_t kSide = 16 / sizeof(From);
    std::size_t f = 0;
    if (lanes == kLanes)
        for (; f + kSide <= dimensions; f += kSide)
            for (std::size_t lane = 0; lane < kLanes; lane += kSide)
                transposing::square(rows + lane * width + f, width, block + f * kLanes + lane);
    for (; f < dimensions; ++f)
        for (std::size_t lane = 0; lane < lanes; ++lane)
            block[f * kLanes + lane] = static_cast<To>(rows[lane * width + f]) + To(0);
}

}  // namespace seg::core::clustering
