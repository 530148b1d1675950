// The server's numeric in core's terms, and back.
#pragma once

#include <optional>

#include "core/base/exact_sum.hpp"

#include "backend/arguments.hpp"

namespace seg::backend {

// A numeric argument without a call into the server: its digits, copied where they are not aligned.
class DecimalArgument {
  public:
    explicit DecimalArgument(Datum datum);
    DecimalArgument(const DecimalArgument&) = delete;
    DecimalArgument& operator=(const DecimalArgument&) = delete;

    const core::Decimal& value() const { return value_; }

  private:
    static constexpr int kUsualDigits = 32;

    std::int16_t digits_[kUsualDigits];
    core::Decimal value_;
};

// The double nearest to a numeric. Numbers of many digits are left to a function of the server:
// numeric_float8 (22003 beyond the range of doubles) or numeric_float8_no_overflow (infinity).
double numeric_to_double(Datum datum, PGFunction convert);

// The sum as a numeric, exact, shown with at least so many digits after the point.
Datum numeric_datum(const core::DecimalSumView& sum, int display_scale = 0);

// Numerics written in their stored form into a buffer, for functions that make millions of rows: no call into
// the server, no allocation in the usual case. The buffer must outlive the datum.
class NumericBuffer {
  public:
    // The finite number; nothing when it needs the long form.
    std::optional<Datum> write(const core::Decimal& value);

    // The finite double with its shortest decimal digits, as numeric_datum() gives it.
    Datum write(double value);

  private:
    static constexpr int kMaxDigits = 12;

    char bytes_[1 + sizeof(std::uint16_t) + kMaxDigits * sizeof(std::int16_t)];
};

// The double as the numeric with its shortest decimal digits.
Datum numeric_datum(double value);

}  // namespace seg::backend
