// log(1 + x) with the same bits on every machine, which libraries do not promise.
#pragma once

#include <bit>
#include <cstdint>

namespace seg::core::preparation {

// For finite x that is not negative; within two units in the last place.
inline double log1p_of(double x) {
    const double u = 1 + x;
    if (u == 1)
        return x;
    // u = m * 2^e with m between the roots of 1/2 and 2.
    auto bits = std::bit_cast<std::uint64_t>(u);
    constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcd;
    const auto e = static_cast<std::int64_t>(bits - kRootHalf) >> 52;
    bits -= static_cast<std::uint64_t>(e) << 52;
    const double m = std::bit_cast<double>(bits);
    // log m = 2 (s + s^3/3 + s^5/5 + ...) with s = (m - 1) / (m + 1), which is at most 0.172.
    const double s = (m - 1) / (m + 1);
    const double z = s * s;
    double tail = 1.0 / 23;
    for (int n = 21; n >= 3; n -= 2)
        tail = tail * z + 1.0 / n;
    // What rounding took from 1 + x.
    const double lost = x < u - x ? x - (u - 1) : 1 - (u - x);
    constexpr double kLn2High = 0x1.62e42fee00000p-1;
    constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
    const auto exponent = static_cast<double>(e);
    return exponent * kLn2High + (2 * s + (2 * s * z * tail + (exponent * kLn2Low + lost / u)));
}

}  // namespace seg::core::preparation
