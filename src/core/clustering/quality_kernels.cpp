#include "core/clustering/quality_kernels.hpp"

#include <cstdint>
#include <cstring>

#include "core/clustering/blocks.hpp"

// One translation unit holds every variant, and nothing inline from a shared header stands between the
// pragmas; see kernels.cpp.
namespace seg::core::clustering {
namespace {

namespace baseline {
#define PGSEG_VECTOR_BYTES 16
#define PGSEG_VARIANT "baseline"
#include "core/clustering/quality_kernels.inl"
#undef PGSEG_VECTOR_BYTES
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
#define PGSEG_VECTOR_BYTES 32
#define PGSEG_VARIANT "avx2"
#include "core/clustering/quality_kernels.inl"
#undef PGSEG_VECTOR_BYTES
#undef PGSEG_VARIANT
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

}  // namespace

const QualityKernels& baseline_quality_kernels() {
    return baseline::kVariant;
}

const QualityKernels& quality_kernels() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return avx2::kVariant;
#endif
    return baseline::kVariant;
}

}  // namespace seg::core::clustering
