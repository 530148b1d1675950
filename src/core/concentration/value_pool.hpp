// How unevenly values are spread over those who have them: the state of segment.gini and segment.top_share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

namespace seg::core::concentration {

// The values themselves: both figures need all of them in order. They depend on nothing but the values, not
// on their order or on how they were split.
//
// Image (also the external form, less its first four bytes), little-endian:
//   0 slot of the server's length word   4 magic 'v'   5 version 1   6 zero u16
//   8 fraction f64, NaN where none is asked for   16 values f64
class ValuePool {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 16;

    explicit ValuePool(MemoryResource* memory, std::optional<double> fraction = std::nullopt);

    // The fraction of an image or an external value (both passed without the slot); kBadBinary when it is
    // malformed in any place.
    static std::optional<double> read_fraction(std::span<const std::byte> body, Interrupt& interrupt);

    // kBadData for NaN and infinity.
    void add(double value);

    // kInvalidArgument when the fractions differ.
    void merge(const ValuePool& other);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);
    void require_fraction(const std::optional<double>& fraction) const;

    std::size_t size() const { return values_.size(); }
    const std::optional<double>& fraction() const { return fraction_; }

    // Sorts ascending, so that equal pools are equal bytes.
    void sort(Interrupt& interrupt);

    // Half the mean absolute difference of all pairs (with repetition) over the mean. Nothing when there are
    // no values or they add up to zero or less. The pool must be sorted.
    std::optional<double> gini(Interrupt& interrupt) const;

    // What part of the sum the largest values hold: as many as count_of() says. Nothing as above. The pool
    // must be sorted.
    std::optional<double> top_share(double fraction, Interrupt& interrupt) const;

    // How many of so many make up the fraction, at least: rounded up to whole ones.
    static std::size_t count_of(double fraction, std::size_t size);
    // kInvalidArgument unless within [0, 1].
    static void check_fraction(double fraction);

    std::size_t image_size() const { return kHeaderSize + values_.size() * sizeof(double); }
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    double scale() const;

    MemoryResource* memory_;
    std::optional<double> fraction_;
    Vector<double> values_;
};

}  // namespace seg::core::concentration
