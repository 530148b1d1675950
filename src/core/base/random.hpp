// Random numbers that are the same on every machine: std::*_distribution differs between libraries.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace seg::core {

// Spreads any 64-bit value over all bits (finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

// xoshiro256** (Blackman and Vigna, ACM TOMS 2021). Streams with different (seed, stream) are independent.
class Random {
  public:
    explicit Random(std::uint64_t seed, std::uint64_t stream = 0) {
        std::uint64_t x = mix64(seed) ^ mix64(stream + kGolden);
        for (std::uint64_t& word : state_) {
            x += kGolden;
            word = mix64(x);
        }
    }

    std::uint64_t next() {
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    // Uniform in [0, 1), all 53 bits of the mantissa.
    double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

    // Uniform in (0, 1]: safe under a logarithm.
    double uniform_positive() { return static_cast<double>((next() >> 11) + 1) * 0x1.0p-53; }

    // Uniform in [0, bound) without bias; bound > 0 (Lemire, ACM TOMACS 2019).
    std::uint64_t below(std::uint64_t bound) {
        unsigned __int128 product = static_cast<unsigned __int128>(next()) * bound;
        if (static_cast<std::uint64_t>(product) < bound) {
            const std::uint64_t threshold = (0 - bound) % bound;
            while (static_cast<std::uint64_t>(product) < threshold)
                product = static_cast<unsigned __int128>(next()) * bound;
        }
        return static_cast<std::uint64_t>(product >> 64);
    }

    double exponential(double rate) { return -std::log(uniform_positive()) / rate; }

    // Standard normal (Box and Muller 1958).
    double normal() {
        const double radius = std::sqrt(-2.0 * std::log(uniform_positive()));
        return radius * std::cos(2.0 * std::numbers::pi * uniform());
    }

    // Gamma with the given shape and rate (Marsaglia and Tsang, ACM TOMS 2000).
    double gamma(double shape, double rate) {
        if (shape < 1.0)
            return gamma(shape + 1.0, rate) * std::pow(uniform_positive(), 1.0 / shape);
        const double d = shape - 1.0 / 3.0;
        const double c = 1.0 / std::sqrt(9.0 * d);
        for (;;) {
            const double x = normal();
            const double cube = 1.0 + c * x;
            if (cube <= 0.0)
                continue;
            const double v = cube * cube * cube;
            if (std::log(uniform_positive()) < 0.5 * x * x + d - d * v + d * std::log(v))
                return d * v / rate;
        }
    }

  private:
    static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
    static std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

    std::uint64_t state_[4];
};

}  // namespace seg::core
