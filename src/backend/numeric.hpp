// The server's numeric in core's terms, and back.
#pragma once

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

// The sum as a numeric, exact, shown with at least so many digits after the point.
Datum numeric_datum(const core::DecimalSumView& sum, int display_scale = 0);

// The double as the numeric with its shortest decimal digits.
Datum numeric_datum(double value);

}  // namespace seg::backend
