#include "core/idset/sort_ids.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace seg::core::idset {
namespace {

constexpr std::size_t kBuckets = 256;
// Up to so many values for each byte to sort by, comparing is faster.
constexpr std::size_t kFewPerDigit = 64;

// Bits in which some values differ.
std::uint64_t varying_bits(std::span<const std::uint64_t> values) {
    std::uint64_t varying = 0;
    for (const std::uint64_t value : values)
        varying |= value ^ values[0];
    return varying;
}

// Sorts by the byte at the shift from source into target, keeping the order of equals.
void scatter(std::span<const std::uint64_t> source, std::uint64_t* target, int shift, Interrupt& interrupt) {
    const auto bucket_of = [shift](std::uint64_t value) { return value >> shift & (kBuckets - 1); };
    std::array<std::size_t, kBuckets> positions{};
    for (const std::uint64_t value : source)
        ++positions[bucket_of(value)];
    interrupt.poll();
    std::size_t position = 0;
    for (std::size_t& count : positions)
        position += std::exchange(count, position);
    constexpr std::size_t kBlock = WorkMeter::kUnitsPerPoll * 4;
    for (std::size_t begin = 0; begin < source.size(); begin += kBlock) {
        for (const std::uint64_t value : source.subspan(begin, std::min(kBlock, source.size() - begin)))
            target[positions[bucket_of(value)]++] = value;
        interrupt.poll();
    }
}

void radix_sort(std::span<std::uint64_t> values, std::uint64_t varying, MemoryResource* memory,
                Interrupt& interrupt) {
    Vector<std::uint64_t> scratch(values.size(), boost::container::default_init,
                                  Allocator<std::uint64_t>(memory));
    std::span<std::uint64_t> source = values;
    std::span<std::uint64_t> target(scratch.data(), scratch.size());
    for (int shift = 0; shift < 64; shift += 8) {
        if ((varying >> shift & (kBuckets - 1)) == 0)
            continue;
        scatter(source, target.data(), shift, interrupt);
        std::swap(source, target);
    }
    if (source.data() != values.data())
        std::memcpy(values.data(), source.data(), values.size_bytes());
    interrupt.poll();
}

std::size_t varying_bytes(std::uint64_t varying) {
    std::size_t count = 0;
    for (; varying != 0; varying >>= 8)
        count += (varying & (kBuckets - 1)) != 0;
    return count;
}

}  // namespace

void sort_ids(std::span<std::uint64_t> values, MemoryResource* memory, Interrupt& interrupt) {
    if (std::is_sorted(values.begin(), values.end()))
        return;
    interrupt.poll();
    const std::uint64_t varying = varying_bits(values);
    interrupt.poll();
    if (values.size() <= kFewPerDigit * varying_bytes(varying))
        std::sort(values.begin(), values.end());
    else
        radix_sort(values, varying, memory, interrupt);
}

std::size_t drop_repeats(std::span<std::uint64_t> values) {
    return static_cast<std::size_t>(std::unique(values.begin(), values.end()) - values.begin());
}

}  // namespace seg::core::idset
