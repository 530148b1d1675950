#include "core/clustering/kernels.hpp"

#include <cstring>
#include <limits>
#include <type_traits>

#include "core/clustering/blocks.hpp"

// One translation unit holds every variant: whatever is compiled for an instruction set stands between the
// pragmas, and nothing inline from a shared header does, so the linker can never pick a copy that the machine
// cannot run.
namespace seg::core::clustering {
namespace {

namespace baseline {
#define PGSEG_VECTOR_BYTES 16
#define PGSEG_VARIANT "baseline"
#include "core/clustering/kernels.inl"
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
#include "core/clustering/kernels.inl"
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

template <typename T>
const Kernels<T>& baseline_kernels() {
    return baseline::kVariant<T>;
}

template <typename T>
const Kernels<T>& kernels() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return avx2::kVariant<T>;
#endif
    return baseline::kVariant<T>;
}

template const Kernels<float>& baseline_kernels<float>();
template const Kernels<double>& baseline_kernels<double>();
template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

}  // namespace seg::core::clustering
