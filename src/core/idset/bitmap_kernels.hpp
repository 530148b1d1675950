// The hot loops over bitmaps of 1,024 words, compiled for several instruction sets and chosen at run time.
#pragma once

#include <cstdint>

namespace seg::core::idset {

struct BitmapKernels {
    const char* name;

    // Bits set in a bitmap, and in the intersection of two.
    std::uint32_t (*count)(const std::uint64_t* words);
    std::uint32_t (*count_both)(const std::uint64_t* a, const std::uint64_t* b);
    // Stretches of consecutive set bits.
    std::uint32_t (*count_runs)(const std::uint64_t* words);
};

// The fastest variant that this machine runs.
const BitmapKernels& bitmap_kernels();

// Every variant that this machine runs, the one for any machine first, to compare them.
struct BitmapKernelList {
    const BitmapKernels* variants[3];
    int count;
};
BitmapKernelList all_bitmap_kernels();

}  // namespace seg::core::idset
