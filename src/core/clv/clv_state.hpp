// What the customer value aggregate has gathered: options, counts, histories and values.
#pragma once

#include <optional>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"
#include "core/clv/clv_options.hpp"
#include "core/clv/forecast.hpp"

namespace seg::core::clv {

// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 'v'   5 version 1   6 purchases   7 value   8 unit   9 zero
//  12 max_iter i32   16 month f64   24 histories i64   32 values i64   40 skipped i64   48 without_value i64
//  56 histories x (frequency, recency, age) f64, values x (frequency, mean value) f64
class ClvState {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 56;
    static constexpr std::size_t kHistoryWidth = 3;
    static constexpr std::size_t kValueWidth = 2;

    ClvState(MemoryResource* memory, const ClvOptions& options)
        : options_(options), histories_(memory), values_(memory) {
        histories_.set_width(kHistoryWidth);
        values_.set_width(kValueWidth);
    }

    // Reads an image or an external value (both passed without the slot). Validates every field;
    // Errc::kBadBinary otherwise.
    static ClvOptions read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Adds one customer; errors as of check() and check_mean_value(). The value counts where there are repeat
    // purchases and it is above zero.
    void add(const History& history, std::optional<double> mean_value);
    void skip() { ++skipped_; }  // a customer whose history has a NULL

    // Adds another state's customers; Errc::kInvalidArgument when the options differ.
    void merge(const ClvState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const ClvOptions& options() const { return options_; }
    const RowStore& histories() const { return histories_; }
    const RowStore& values() const { return values_; }
    std::int64_t skipped() const { return skipped_; }
    std::int64_t without_value() const { return without_value_; }

    std::size_t image_size() const {
        return kHeaderSize +
               sizeof(double) * (histories_.size() * kHistoryWidth + values_.size() * kValueWidth);
    }
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    void add_value(double frequency, double mean_value);
    void check_mergeable(const ClvOptions& other) const;
    void add_counts(std::int64_t skipped, std::int64_t without_value);

    ClvOptions options_;
    RowStore histories_;
    RowStore values_;
    std::int64_t skipped_ = 0;
    std::int64_t without_value_ = 0;
};

}  // namespace seg::core::clv
