// What the sweep over numbers of clusters has gathered: its options, and rows as k-means gathers them.
#pragma once

#include "core/clustering/kmeans_state.hpp"
#include "core/clustering/sweep.hpp"

namespace seg::core::clustering {

struct SweepGathering {
    SweepOptions sweep;
    std::uint64_t limit = ~std::uint64_t{0};  // bytes that the rows may take; see GatheringOptions

    bool operator==(const SweepGathering& other) const { return sweep == other.sweep; }
};

// Image (also the external form, less its first four bytes): 8-byte aligned, little-endian.
//   0 slot of the server's length word   4 magic 's'   5 version 1   6 zero u16   8 k_min i32
//  12 references i32   16 replicates i32   20 sample i32   24 train_rows i32   28 zero u32   32 the image of
//  a
//     KmeansState whose k is k_max, its slot zero
class SweepState {
  public:
    static constexpr std::size_t kSlot = 4;
    static constexpr std::size_t kHeaderSize = 32;

    SweepState(MemoryResource* memory, const SweepGathering& options)
        : options_(options), gathered_(memory, gathering_of(options)) {}

    // Reads an image or an external value (both passed without the slot). Validates every field;
    // Errc::kBadBinary otherwise.
    static SweepGathering read_options(std::span<const std::byte> body, Interrupt& interrupt);

    // Errors as KmeansState::add().
    void add(std::span<const double> features, Interrupt& interrupt) {
        gathered_.add(features, 1.0, interrupt);
    }
    void skip() { gathered_.skip(); }
    void settle(Interrupt& interrupt) { gathered_.settle(interrupt); }

    // Adds another state's rows; Errc::kInvalidArgument when the options differ.
    void merge(const SweepState& other, Interrupt& interrupt);
    void merge_body(std::span<const std::byte> body, Interrupt& interrupt);

    const SweepGathering& options() const { return options_; }
    const KmeansState& gathered() const { return gathered_; }

    std::size_t image_size() const { return kHeaderSize + gathered_.image_size(); }
    void write_image(std::span<std::byte> image, Interrupt& interrupt) const;

  private:
    static GatheringOptions gathering_of(const SweepGathering& options);
    void check_mergeable(const SweepGathering& other) const;

    SweepGathering options_;
    KmeansState gathered_;
};

}  // namespace seg::core::clustering
