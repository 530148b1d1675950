// The customers of a table as what scores are made from.
#pragma once

#include <cstdint>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/rfm/customer_table.hpp"
#include "core/rfm/scale.hpp"

namespace seg::core::rfm {

// The table's customers with an order. Nothing is copied: each visit reads the table.
class CustomerMeasures final : public MeasureSource {
  public:
    // Frequency in days if the table counts them, else in orders. With mean, the monetary value is divided by
    // the orders. All must outlive this object.
    CustomerMeasures(const CustomerTable& table, bool mean, Interrupt& interrupt);

    std::uint64_t size() const override { return size_; }
    void visit(MeasureConsumer& consumer) const override;

    Measures of(const Customer& customer) const {
        return {static_cast<double>(customer.recency_days), static_cast<double>(frequency(customer)),
                table_.nearest_double(customer, mean_)};
    }
    std::int64_t frequency(const Customer& customer) const {
        return table_.options().count_days ? customer.days : customer.orders;
    }
    bool mean() const { return mean_; }
    const CustomerTable& table() const { return table_; }

  private:
    const CustomerTable& table_;
    bool mean_;
    Interrupt& interrupt_;
    std::uint64_t size_ = 0;
};

// The bytes that NtileScores needs for so many customers.
std::uint64_t ntile_memory(std::uint64_t customers);

// Scores by SQL's ntile() from the worst value up: equal numbers of customers, equal values in the order of
// the keys (numbers by size, bytes by value). O(customers log customers).
class NtileScores {
  public:
    // Of the options, only the bins count; unset ones are 5. kInvalidArgument when they are out of range.
    NtileScores(const CustomerMeasures& customers, const ScaleOptions& options, MemoryResource& memory,
                Interrupt& interrupt);

    // Of a customer with an order, by number in the table.
    Scores score(std::uint64_t number) const;

  private:
    struct Ranked {
        double value;
        std::uint32_t number;
    };

    void rank(const CustomerMeasures& customers, Measure measure, int bins, Vector<Ranked>& order,
              Interrupt& interrupt);

    Vector<std::uint8_t> scores_;  // three a customer
};

}  // namespace seg::core::rfm
