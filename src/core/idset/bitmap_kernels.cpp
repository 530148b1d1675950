#include "core/idset/bitmap_kernels.hpp"

#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/idset/chunk.hpp"

// As with the kernels of k-means, one translation unit holds every variant, each between its pragmas.
namespace seg::core::idset {
namespace {

namespace baseline {
#define PGSEG_VECTOR_WORDS 2
#define PGSEG_VARIANT "baseline"
typedef std::uint64_t Pair __attribute__((vector_size(16)));
// Sums of neighbouring bits, of pairs, of nibbles, of bytes: Warren, Hacker's Delight, 5-1.
inline Pair bits_of(Pair v) {
    v = v - (v >> 1 & 0x5555555555555555ULL);
    v = (v & 0x3333333333333333ULL) + (v >> 2 & 0x3333333333333333ULL);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    v = v + (v >> 8);
    v = v + (v >> 16);
    v = v + (v >> 32);
    return v & 0x7f;
}
inline std::uint32_t total_of(Pair sum) {
    return static_cast<std::uint32_t>(sum[0] + sum[1]);
}
#include "core/idset/bitmap_kernels.inl"
#undef PGSEG_VECTOR_WORDS
#undef PGSEG_VARIANT
}  // namespace baseline

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
namespace avx2 {
#define PGSEG_VECTOR_WORDS 4
#define PGSEG_VARIANT "avx2"
typedef std::uint64_t Quad __attribute__((vector_size(32)));
// A table of sixteen counts, looked up for each half of a byte: Mula, Kurz and Lemire 2018.
inline Quad bits_of(Quad v) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2,
                                           2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i bytes = reinterpret_cast<__m256i>(v);
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, nibble));
    const __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    return reinterpret_cast<Quad>(_mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256()));
}
inline std::uint32_t total_of(Quad sum) {
    return static_cast<std::uint32_t>(sum[0] + sum[1] + sum[2] + sum[3]);
}
#include "core/idset/bitmap_kernels.inl"
#undef PGSEG_VECTOR_WORDS
#undef PGSEG_VARIANT
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512vpopcntdq"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vpopcntdq")
#endif
namespace avx512 {
#define PGSEG_VECTOR_WORDS 8
#define PGSEG_VARIANT "avx512"
typedef std::uint64_t Eight __attribute__((vector_size(64)));
inline Eight bits_of(Eight v) {
    return reinterpret_cast<Eight>(_mm512_popcnt_epi64(reinterpret_cast<__m512i>(v)));
}
inline std::uint32_t total_of(Eight sum) {
    std::uint64_t total = 0;
    for (int i = 0; i < 8; ++i)
        total += sum[i];
    return static_cast<std::uint32_t>(total);
}
#include "core/idset/bitmap_kernels.inl"
#undef PGSEG_VECTOR_WORDS
#undef PGSEG_VARIANT
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

}  // namespace

BitmapKernelList all_bitmap_kernels() {
    BitmapKernelList list{{&baseline::kVariant}, 1};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        list.variants[list.count++] = &avx2::kVariant;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vpopcntdq"))
        list.variants[list.count++] = &avx512::kVariant;
#endif
    return list;
}

const BitmapKernels& bitmap_kernels() {
    const BitmapKernelList list = all_bitmap_kernels();
    return *list.variants[list.count - 1];
}

}  // namespace seg::core::idset
