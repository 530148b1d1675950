// Sums of doubles that do not depend on the order of their terms, because they are sums of integers.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace seg::core {

// Adds doubles as integers: each term is cut off at 2^-62 of a bound on its size, and sums of integers have
// no order. Up to 2^63 terms. A term costs a multiplication, a conversion and an addition of 128 bits.
class FixedSum {
  public:
    // The unit in which terms of at most this size are counted. Sums that are merged must share it.
    class Unit {
      public:
        explicit Unit(double bound) {
            int exponent = 0;
            std::frexp(bound, &exponent);
            // Terms below 2^-938 would need a factor that is not finite.
            factor_ = std::ldexp(1.0, std::min(62 - exponent, 1000));
        }
        std::int64_t count(double term) const { return static_cast<std::int64_t>(term * factor_); }
        double value(__int128 counted) const { return static_cast<double>(counted) / factor_; }

      private:
        double factor_;
    };

    void add(double term, const Unit& unit) { total_ += unit.count(term); }
    void merge(const FixedSum& other) { total_ += other.total_; }
    double value(const Unit& unit) const { return unit.value(total_); }

  private:
    __int128 total_ = 0;
};

// As many sums side by side as a vector has lanes, for loops that vector instructions can run: a term is
// split into multiples of 2^-38 and of 2^-76 of a bound on its size, and adding a large constant turns each
// into an integer. Terms that differ in the bits behind those are counted alike.
template <std::size_t Lanes>
class LaneSum {
  public:
    class Unit {
      public:
        // The bound is at most 2^1000: what is added to round must be finite.
        explicit Unit(double bound) {
            int exponent = 0;
            std::frexp(bound, &exponent);
            // The low step is at least the least number there is.
            high_step_ = std::ldexp(1.0, std::max(exponent, -998) - kBits);
            low_step_ = std::ldexp(high_step_, -kBits);
        }

        // Adding it rounds to a whole number of steps, which then stands in the last bits of the sum.
        double high_rounder() const { return kRounder * high_step_; }
        double low_rounder() const { return kRounder * low_step_; }

      private:
        friend class LaneSum;
        static constexpr int kBits = 38;
        static constexpr double kRounder = 0x1.8p52;

        double high_step_;
        double low_step_;
    };

    void add(const double* terms, const Unit& unit) {
        const double high_rounder = unit.high_rounder();
        const double low_rounder = unit.low_rounder();
        for (std::size_t lane = 0; lane < Lanes; lane += kPair) {
            Doubles pair;
            std::memcpy(&pair, terms + lane, sizeof pair);
            const Doubles rounded = pair + high_rounder;
            const Doubles rest = pair - (rounded - high_rounder);
            high_[lane / kPair] += std::bit_cast<Counts>(rounded);
            low_[lane / kPair] += std::bit_cast<Counts>(rest + low_rounder);
        }
        count_added(unit);
    }

    // For who adds with wider vectors: the bits of the term rounded to high steps are added to the lane of
    // the one, those of the rest rounded to low steps to that of the other, and then it is counted.
    std::uint64_t* high() { return reinterpret_cast<std::uint64_t*>(high_); }
    std::uint64_t* low() { return reinterpret_cast<std::uint64_t*>(low_); }
    void count_added(const Unit& unit) {
        if (++added_ == kMostAdded)
            carry(unit);
    }

    double value(const Unit& unit) {
        carry(unit);
        return static_cast<double>(high_total_) * unit.high_step_ +
               static_cast<double>(low_total_) * unit.low_step_;
    }

  private:
    static constexpr std::size_t kPair = 2;
    typedef double Doubles __attribute__((vector_size(kPair * sizeof(double))));
    typedef std::uint64_t Counts __attribute__((vector_size(kPair * sizeof(std::uint64_t))));
    static constexpr std::uint64_t kMostAdded = std::uint64_t{1} << 24;  // 2^38 each, in 63 bits

    void carry(const Unit& unit) {
        const std::uint64_t high_bits = added_ * std::bit_cast<std::uint64_t>(unit.high_rounder());
        const std::uint64_t low_bits = added_ * std::bit_cast<std::uint64_t>(unit.low_rounder());
        for (std::size_t lane = 0; lane < Lanes; ++lane) {
            high_total_ += static_cast<std::int64_t>(high_[lane / kPair][lane % kPair] - high_bits);
            low_total_ += static_cast<std::int64_t>(low_[lane / kPair][lane % kPair] - low_bits);
            high_[lane / kPair][lane % kPair] = low_[lane / kPair][lane % kPair] = 0;
        }
        added_ = 0;
    }

    Counts high_[Lanes / kPair] = {};  // with the bits of the rounder, as often as terms were added
    Counts low_[Lanes / kPair] = {};
    std::uint64_t added_ = 0;
    __int128 high_total_ = 0;
    __int128 low_total_ = 0;
};

// Adds doubles of any size that are not negative: terms of 32 neighbouring exponents share an integer, and
// the three highest such integers are kept. What falls below them is left out, at most 2^-64 of the largest
// term for each; whether a term does depends on the largest one only, so the order still does not matter. Up
// to 2^42 terms. A term costs about twice what it costs a FixedSum.
class WideSum {
  public:
    void add(double term) {
        const auto bits = std::bit_cast<std::uint64_t>(term);
        const auto exponent = static_cast<int>(bits >> 52);
        // Numbers too small for the leading bit have exponent 0 and the step of exponent 1.
        const int place = exponent == 0 ? 1 : exponent;
        const std::uint64_t mantissa = (bits & kMantissa) | (exponent == 0 ? 0 : kMantissa + 1);
        add(place / kExponents, static_cast<unsigned __int128>(mantissa) << (place % kExponents));
    }
    void merge(const WideSum& other) {
        for (int i = 0; i < kKept; ++i)
            if (other.sums_[i] != 0)
                add(other.top_ - i, other.sums_[i]);
    }
    // Rounded a few times on the way, always in the same order.
    double value() const {
        double sum = 0;
        for (int i = kKept - 1; i >= 0; --i)
            if (sums_[i] != 0)
                sum += std::ldexp(static_cast<double>(sums_[i]), (top_ - i) * kExponents - 1075);
        return sum;
    }

  private:
    static constexpr int kExponents = 32;
    static constexpr int kKept = 3;
    static constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;

    void add(int bucket, unsigned __int128 counted) {
        if (counted == 0)
            return;
        if (bucket > top_)
            raise(bucket);
        if (top_ - bucket < kKept)
            sums_[top_ - bucket] += counted;
    }
    void raise(int bucket) {
        const int by = std::min(bucket - top_, kKept);
        for (int i = kKept - 1; i >= 0; --i)
            sums_[i] = i >= by ? sums_[i - by] : 0;
        top_ = bucket;
    }

    unsigned __int128 sums_[kKept] = {};  // of bucket top_, top_ - 1, ...
    int top_ = 0;
};

}  // namespace seg::core
