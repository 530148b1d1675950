// What a scale was asked to be: the method, the number of scores of each measure, breaks of the user's own.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace seg::core::rfm {

enum class Method : std::uint8_t {
    kQuantile = 1,  // cuts at k/N of the customers; equal values share a score
    kNtile,         // equal numbers of customers, ties by id: needs the ids, so no scale can be fitted
    kPercentRank,   // floor(percent_rank * N) + 1
    kCumeDist,      // ceil(cume_dist * N)
    kRRfm,          // as R's package rfm: type-7 quantiles + 1, half-open intervals
    kFixed,         // breaks given by the user
    kNested,        // frequency within each recency score, monetary within each of those
    kKlaviyo,       // recency at 180 and 365 days, the others by thirds
};

// Throws Errc::kInvalidArgument, with the valid names, for anything else.
Method method_named(std::string_view name);
const char* name_of(Method method);

enum class Measure : std::uint8_t { kRecency, kFrequency, kMonetary };
inline constexpr std::size_t kMeasures = 3;
inline constexpr std::array kEveryMeasure = {Measure::kRecency, Measure::kFrequency, Measure::kMonetary};

constexpr std::size_t index_of(Measure measure) {
    return static_cast<std::size_t>(measure);
}
const char* name_of(Measure measure);

inline constexpr int kMinBins = 2;
inline constexpr int kMaxBins = 10;
inline constexpr int kMaxCuts = kMaxBins - 1;
inline constexpr int kDefaultBins = 5;

// Breaks between the scores of one measure, ascending.
class Breaks {
  public:
    std::span<const double> values() const { return {values_.data(), static_cast<std::size_t>(count_)}; }
    int count() const { return count_; }
    // Throws Errc::kInvalidArgument for more than kMaxCuts.
    void push_back(double value);

    bool operator==(const Breaks&) const = default;

  private:
    std::array<double, kMaxCuts> values_{};
    int count_ = 0;
};

struct ScaleOptions {
    static constexpr int kUnset = 0;

    Method method = Method::kQuantile;
    std::array<int, kMeasures> bins{kUnset, kUnset, kUnset};  // of recency, frequency, monetary
    std::array<Breaks, kMeasures> breaks;                     // kFixed only

    bool operator==(const ScaleOptions&) const = default;
};

// The options with every number of bins set: what the breaks say, what the method says, else 5. Throws
// Errc::kInvalidArgument for numbers out of range, breaks that are missing, not wanted, not finite or not
// ascending, and for the method that has no scale.
ScaleOptions resolved(const ScaleOptions& options);

}  // namespace seg::core::rfm
