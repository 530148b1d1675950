// A fitted customer value model as a value.
#pragma once

#include <span>

#include "core/base/memory.hpp"
#include "core/clv/clv_options.hpp"
#include "core/clv/forecast.hpp"

namespace seg::core::clv {

// Parameters outside are neither stored nor accepted: forecasts stay within the reach of doubles.
inline constexpr double kSmallestParameter = 1e-30;
inline constexpr double kLargestParameter = 1e30;

// One fit: what was found and how well it is known.
struct FittedPart {
    Parameters parameters{};
    Parameters standard_errors{};
    double log_likelihood = 0;
    double gradient_norm = 0;
    std::int32_t iterations = 0;
};

// Image, little-endian, of fixed size; a "body" is the image less the four bytes of the server's length word.
//   0 slot   4 magic 'V'   5 version 1   6 purchases   7 value   8 unit   9 flags (1: there is a correlation)
//  10 zero u16   12 iterations i32   16 iterations of value i32   20 zero u32   24 month f64
//  32 customers i64   40 repeat_customers i64   48 distinct_customers i64   56 skipped i64
//  64 value_customers i64   72 without_value i64   80 correlation f64
//  88 parameters f64[4]  120 standard errors f64[4]  152 log-likelihood f64  160 gradient norm f64
// 168 the same of value: f64[3], f64[3], f64, f64; zeros without one
// 232 end
class ClvModel {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kImageSize = 232;

    ClvModel() = default;
    // A trusted image: written by write(), or checked by read() when it came in. Errc::kCorrupted otherwise.
    explicit ClvModel(std::span<const std::byte> image);

    // Checks every field of an external value; Errc::kBadBinary otherwise.
    static ClvModel read(std::span<const std::byte> body);
    void write(std::span<std::byte> image) const;

    PurchaseForecast forecast() const { return {purchases, fit.parameters}; }

    // Errc::kInvalidArgument when the model has no part for values.
    double expected_value(double frequency, double mean_value) const;

    // The sum over the months of the value of the purchases expected in each, divided by (1 + discount) to
    // the number of the month.
    double lifetime_value(int months, double discount, const History& history, double mean_value) const;

    PurchaseModel purchases = PurchaseModel::kBgNbd;
    ValueModel value = ValueModel::kNone;
    TimeUnit unit = TimeUnit::kWeek;
    double month = 0;                     // units of time in a month
    std::int64_t customers = 0;           // fitted
    std::int64_t repeat_customers = 0;    // of those, with more than one purchase
    std::int64_t distinct_customers = 0;  // different histories
    std::int64_t skipped = 0;             // left out because of a NULL
    std::int64_t value_customers = 0;     // whose values were fitted
    std::int64_t without_value = 0;       // repeat customers without a value above zero
    bool has_correlation = false;
    double correlation = 0;  // of frequency and mean value
    FittedPart fit;
    FittedPart value_fit;
};

// The model as JSON text, numbers in the shortest form that reads back as the same bits.
void append_json(const ClvModel& model, Vector<char>& out);

}  // namespace seg::core::clv
