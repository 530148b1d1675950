// What the scale aggregate has gathered: options, counts and the customers' measures.
#pragma once

#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/row_store.hpp"
#include "core/rfm/scale.hpp"

namespace seg::core::rfm {

// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 's'   5 version 1   6 method   7 zero
//   8 bins u8 x 3   11 zero x 5   16 customers i64   24 skipped i64
//  32 breaks f64 ... (method fixed: of recency, frequency and monetary value, ascending)
//     recency, frequency, monetary f64 x 3, customer after customer
class ScaleState : public MeasureSource {
  public:
    // The options must be resolved.
    ScaleState(MemoryResource* memory, const ScaleOptions& options) : options_(options), rows_(memory) {
        rows_.set_width(kMeasures);
    }

    // Reads an image or an external value (both passed without the slot). Checks every field;
    // Errc::kBadBinary otherwise.
    static ScaleOptions read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Errc::kBadData for a measure that is not finite.
    void add(const Measures& customer);
    void skip() { ++skipped_; }  // a row that cannot be used

    // Adds another state's customers; Errc::kInvalidArgument when the options differ.
    void merge(const ScaleState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const ScaleOptions& options() const { return options_; }
    std::int64_t skipped() const { return skipped_; }

    std::uint64_t size() const override { return rows_.size(); }
    void visit(MeasureConsumer& consumer) const override;

    std::uint64_t image_size() const;
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    void append(const double* rows, std::uint64_t count, WorkMeter& meter);
    void add_skipped(std::int64_t more);
    void check_mergeable(const ScaleOptions& other) const;

    ScaleOptions options_;
    RowStore rows_;
    std::int64_t skipped_ = 0;
};

}  // namespace seg::core::rfm
