// The aggregate that segment.rfm groups by, as its other half sees it.
#pragma once

#include "core/rfm/customer_table.hpp"

#include "backend/aggregate.hpp"

namespace seg::functions {

using CustomerState = backend::ExpandedState<class CustomerAggregate>;

// The table of an aggregate, kept with what reading its image takes.
class CustomerAggregate : public core::rfm::CustomerTable {
  public:
    CustomerAggregate(core::MemoryResource* memory, const core::rfm::TableOptions& options,
                      std::uint64_t budget)
        : CustomerTable(memory, options, budget) {}

    // The value's bytes: the server's length word, then the table's image.
    std::uint64_t image_size(core::Interrupt& interrupt) {
        finish(interrupt);
        return VARHDRSZ + CustomerTable::image_size(interrupt);
    }
    void write_image(std::span<std::byte> image, core::Interrupt& interrupt) {
        core::Writer writer(image.subspan(VARHDRSZ));
        CustomerTable::write_image(writer, interrupt);
    }
};

// How segment.rfm tells the aggregate what to gather: one number that its queries carry along.
class GatherMode {
  public:
    static constexpr std::int64_t kDays = 1;  // count distinct days
    static constexpr std::int64_t kMax = 2;   // the largest amount instead of the sum

    explicit GatherMode(std::int64_t value) : value_(value) {}
    GatherMode(std::int64_t flags, int partition_bits, std::uint32_t partition)
        : value_(flags | std::int64_t{partition_bits} << kBitsShift |
                 static_cast<std::int64_t>(std::uint64_t{partition} << kPartitionShift)) {}

    std::int64_t value() const { return value_; }
    std::int64_t flags() const { return value_ & kFlags; }

    // The options it stands for; kInvalidArgument when it stands for none.
    core::rfm::TableOptions table_options(core::rfm::KeyKind keys, core::rfm::AmountKind amounts,
                                          std::int32_t as_of_day) const;

  private:
    static constexpr std::int64_t kFlags = kDays | kMax;
    static constexpr int kBitsShift = 8;
    static constexpr int kPartitionShift = 32;

    std::int64_t value_;
};

}  // namespace seg::functions
