// Customers on their way from gathering to scoring when they do not fit the memory together: a store of the
// server's, which goes to disk.
#pragma once

#include <cstdint>

#include "core/rfm/scale.hpp"

#include "backend/call.hpp"
#include "backend/memory.hpp"

namespace seg::functions {

// A customer as the result shows it.
struct CustomerFacts {
    Datum key;
    std::int32_t recency_days;
    std::int64_t frequency;
    Datum monetary;
};

struct StoredCustomer {
    CustomerFacts facts;
    core::rfm::Measures measures;
    bool has_orders;
};

class MeasureStore final : public core::rfm::MeasureSource {
  public:
    explicit MeasureStore(Oid key_type);
    ~MeasureStore();
    MeasureStore(const MeasureStore&) = delete;
    MeasureStore& operator=(const MeasureStore&) = delete;

    void put(const CustomerFacts& facts, const core::rfm::Measures& measures);
    void put_prospect(Datum key);

    // Customers with orders, as a scale wants them.
    std::uint64_t size() const override { return with_orders_; }
    void visit(core::rfm::MeasureConsumer& consumer) const override;

    // Calls take(customer) for each, whose values live until the next one.
    template <typename Take>
    void for_each(Take&& take) const {
        rewind();
        StoredCustomer customer;
        while (next(customer))
            take(customer);
    }

  private:
    static constexpr int kColumns = 5;

    void put_row(const Datum* values, const bool* nulls);
    void rewind() const;
    bool next(StoredCustomer& customer) const;

    backend::TemporaryContext memory_;
    TupleDesc descriptor_ = nullptr;
    TupleTableSlot* slot_ = nullptr;
    Tuplestorestate* store_ = nullptr;
    std::uint64_t with_orders_ = 0;
};

}  // namespace seg::functions
