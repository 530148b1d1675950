// The kernels' bodies; bitmap_kernels.cpp includes this once per instruction set, after bits_of(vector) and
// total_of(counts): how that set counts bits. Words are taken PGSEG_VECTOR_WORDS at a time.

typedef std::uint64_t Vector __attribute__((vector_size(8 * PGSEG_VECTOR_WORDS)));

inline Vector load(const std::uint64_t* p) {
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

std::uint32_t count(const std::uint64_t* words) {
    Vector sum{};
    for (std::size_t w = 0; w < kBitmapWords; w += PGSEG_VECTOR_WORDS)
        sum += bits_of(load(words + w));
    return total_of(sum);
}

std::uint32_t count_both(const std::uint64_t* a, const std::uint64_t* b) {
    Vector sum{};
    for (std::size_t w = 0; w < kBitmapWords; w += PGSEG_VECTOR_WORDS)
        sum += bits_of(load(a + w) & load(b + w));
    return total_of(sum);
}

// A run starts where a bit is set and the one before it, maybe in the word before, is not.
std::uint32_t count_runs(const std::uint64_t* words) {
    std::uint32_t first = static_cast<std::uint32_t>(words[0] & 1);
    Vector sum{};
    std::uint64_t carried[PGSEG_VECTOR_WORDS] = {};
    for (std::size_t w = 0; w < PGSEG_VECTOR_WORDS; ++w)
        carried[w] = words[w] & ~(words[w] << 1 | (w == 0 ? 1 : words[w - 1] >> 63));
    sum += bits_of(load(carried));
    for (std::size_t w = PGSEG_VECTOR_WORDS; w < kBitmapWords; w += PGSEG_VECTOR_WORDS) {
        const Vector here = load(words + w);
        sum += bits_of(here & ~(here << 1 | load(words + w - 1) >> 63));
    }
    return first + total_of(sum);
}

constexpr BitmapKernels kVariant{PGSEG_VARIANT, count, count_both, count_runs};
