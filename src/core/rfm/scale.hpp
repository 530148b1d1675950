// Scores 1 (worst) to N (best) for recency, frequency and monetary value: cuts between the scores, fitted to
// customers once, kept as a value and applied to any customer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/rfm/scale_options.hpp"

namespace seg::core::rfm {

struct Measures {
    double recency;  // days since the last order: less is better
    double frequency;
    double monetary;
};

// Errc::kBadData, naming the measure, when one is not finite.
void check_finite(const Measures& customer);

struct Scores {
    int r, f, m;

    bool operator==(const Scores&) const = default;
};

// What a source hands its customers to.
class MeasureConsumer {
  public:
    virtual void take(std::span<const Measures> batch) = 0;

  protected:
    ~MeasureConsumer() = default;
};

// The customers to fit to. They are visited a few times, always the same ones, in any order and in batches of
// any size; about a thousand is fast.
class MeasureSource {
  public:
    virtual std::uint64_t size() const = 0;
    virtual void visit(MeasureConsumer& consumer) const = 0;

  protected:
    ~MeasureSource() = default;
};

// A fitted scale. Each measure has bins - 1 cuts, from the worst score's upwards: descending for recency,
// ascending for the others. A score is 1 plus the number of cuts that the customer passes by being better, or
// with inclusive cuts as good. A nested scale has cuts of frequency for each recency score and cuts of
// monetary value for each pair of scores.
class Scale {
  public:
    // 9 cuts of recency, 9 of frequency in 10 recency scores, 9 of monetary value in 100 pairs of scores.
    static constexpr std::size_t kMaxCells = kMaxBins * kMaxBins;
    static constexpr std::size_t kMaxValues = kMaxCuts * (1 + kMaxBins + kMaxCells);

    // From a value with its length word. Errc::kCorrupted when it is not what write_image() writes.
    explicit Scale(std::span<const std::byte> image);
    // A scale whose cuts are all zero. bins must be within their limits.
    Scale(Method method, const std::array<int, kMeasures>& bins, std::int64_t customers,
          std::int64_t skipped);

    // The measures must not be NaN. Constant time, a few nanoseconds.
    Scores score(const Measures& measures) const {
        const int r = recency_score(measures.recency);
        const int f = frequency_score(measures.frequency, r);
        return {r, f, monetary_score(measures.monetary, r, f)};
    }
    int recency_score(double days) const {
        return passed<true>(cuts_.data(), index_of(Measure::kRecency), days);
    }
    // r is the customer's recency score; only a nested scale looks at it.
    int frequency_score(double frequency, int r) const {
        return passed<false>(cuts_.data() + frequency_offset(r), index_of(Measure::kFrequency), frequency);
    }
    int monetary_score(double monetary, int r, int f) const {
        return passed<false>(cuts_.data() + monetary_offset(r, f), index_of(Measure::kMonetary), monetary);
    }

    Method method() const { return method_; }
    bool nested() const { return method_ == Method::kNested; }
    int bins(Measure measure) const { return bins_[index_of(measure)]; }
    std::int64_t customers() const { return customers_; }  // that it was fitted to
    std::int64_t skipped() const { return skipped_; }      // rows that could not be used

    // Cuts of a measure from the worst score's upwards; of a nested scale in the cell of these scores, of
    // others the same for all.
    std::span<const double> cuts(Measure measure, int r = 1, int f = 1) const;
    std::span<double> cuts(Measure measure, int r = 1, int f = 1);

    // Whether a customer exactly at a cut counts as past it.
    bool inclusive(Measure measure) const { return inclusive_[index_of(measure)]; }

    // Image: 8-byte aligned, little-endian, without gaps; equal scales are equal bytes.
    //   0 slot of the server's length word   4 magic 'S'   5 version 1   6 method   7 zero
    //   8 bins u8 x 3   11 zero x 5   16 customers i64   24 skipped i64   32 cuts f64 ...
    // with the cuts of recency, of frequency (nested: recency score by recency score), of monetary value
    // (nested: pair by pair, frequency score running fastest).
    std::size_t image_size() const { return kHeaderSize + value_count() * sizeof(double); }
    void write_image(std::span<std::byte> image) const;

    // Checks every field of an external value, or of an image without its slot; Errc::kBadBinary otherwise.
    static void validate(std::span<const std::byte> body);

  private:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 32;

    Scale() = default;
    static Scale read(std::span<const std::byte> body);
    void set_shape();

    template <bool less_is_better>
    int passed(const double* cuts, std::size_t measure, double x) const {
        const int count = bins_[measure] - 1;
        int score = 1;
        if (inclusive_[measure])
            for (int i = 0; i < count; ++i)
                score += less_is_better ? x <= cuts[i] : x >= cuts[i];
        else
            for (int i = 0; i < count; ++i)
                score += less_is_better ? x < cuts[i] : x > cuts[i];
        return score;
    }
    std::size_t frequency_offset(int r) const {
        return frequency_start_ + static_cast<std::size_t>(r - 1) * frequency_step_;
    }
    std::size_t monetary_offset(int r, int f) const {
        return monetary_start_ + static_cast<std::size_t>(r - 1) * monetary_step_r_ +
               static_cast<std::size_t>(f - 1) * monetary_step_f_;
    }
    std::size_t offset_of(Measure measure, int r, int f) const;
    std::size_t value_count() const;

    Method method_ = Method::kQuantile;
    std::array<int, kMeasures> bins_{};
    std::array<bool, kMeasures> inclusive_{};
    std::int64_t customers_ = 0;
    std::int64_t skipped_ = 0;
    // Where the cuts of a cell are; the steps are zero unless nested.
    std::size_t frequency_start_ = 0;
    std::size_t frequency_step_ = 0;
    std::size_t monetary_start_ = 0;
    std::size_t monetary_step_r_ = 0;
    std::size_t monetary_step_f_ = 0;
    std::array<double, kMaxValues> cuts_;
};

// The scale of the source's customers. options as given by the user, see resolved(). Errc::kBadData for a
// measure that is not finite, kInvalidArgument for no customers. Memory: a megabyte at most, whatever the
// number of customers; time O(customers), two to four visits (nested: about ten). kTooBig for 2^32 customers.
Scale fit_scale(const MeasureSource& customers, const ScaleOptions& options, MemoryResource& memory,
                Interrupt& interrupt, std::int64_t skipped = 0);

}  // namespace seg::core::rfm
