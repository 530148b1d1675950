#include "functions/rfm_measure_store.hpp"

#include <array>

extern "C" {
#include "access/tupdesc.h"
#include "executor/tuptable.h"
}

namespace seg::functions {

using core::rfm::Measures;

MeasureStore::MeasureStore(Oid key_type) {
    MeasureStore* self = this;
    MemoryContext home = memory_.resource().context();
    backend::call([=]() noexcept {
        MemoryContext previous = MemoryContextSwitchTo(home);
        self->descriptor_ = CreateTemplateTupleDesc(kColumns);
        const Oid types[kColumns] = {key_type, INT4OID, INT8OID, NUMERICOID, FLOAT8OID};
        for (int i = 0; i < kColumns; ++i)
            TupleDescInitEntry(self->descriptor_, static_cast<AttrNumber>(i + 1), nullptr, types[i], -1, 0);
        self->slot_ = MakeSingleTupleTableSlot(self->descriptor_, &TTSOpsMinimalTuple);
        self->store_ = tuplestore_begin_heap(true, false, work_mem);
        MemoryContextSwitchTo(previous);
    });
}

// The files behind the store are closed here, or at the end of the transaction that failed.
MeasureStore::~MeasureStore() {
    ExecDropSingleTupleTableSlot(slot_);
    tuplestore_end(store_);
}

void MeasureStore::put(const CustomerFacts& facts, const Measures& measures) {
    const Datum values[kColumns] = {facts.key, Int32GetDatum(facts.recency_days),
                                    Int64GetDatum(facts.frequency), facts.monetary,
                                    Float8GetDatum(measures.monetary)};
    const bool nulls[kColumns] = {};
    put_row(values, nulls);
    ++with_orders_;
}

void MeasureStore::put_prospect(Datum key) {
    const Datum values[kColumns] = {key};
    const bool nulls[kColumns] = {false, true, true, true, true};
    put_row(values, nulls);
}

void MeasureStore::put_row(const Datum* values, const bool* nulls) {
    MeasureStore* self = this;
    backend::call([=]() noexcept {
        CHECK_FOR_INTERRUPTS();
        tuplestore_putvalues(self->store_, self->descriptor_, const_cast<Datum*>(values),
                             const_cast<bool*>(nulls));
    });
}

void MeasureStore::rewind() const {
    Tuplestorestate* store = store_;
    backend::call([store]() noexcept { tuplestore_rescan(store); });
}

bool MeasureStore::next(StoredCustomer& customer) const {
    const MeasureStore* self = this;
    StoredCustomer* out = &customer;
    return backend::call([=]() noexcept {
        CHECK_FOR_INTERRUPTS();
        if (!tuplestore_gettupleslot(self->store_, true, false, self->slot_))
            return false;
        slot_getallattrs(self->slot_);
        const Datum* values = self->slot_->tts_values;
        out->has_orders = !self->slot_->tts_isnull[1];
        out->facts.key = values[0];
        if (!out->has_orders)
            return true;
        out->facts.recency_days = DatumGetInt32(values[1]);
        out->facts.frequency = DatumGetInt64(values[2]);
        out->facts.monetary = values[3];
        out->measures = {static_cast<double>(out->facts.recency_days),
                         static_cast<double>(out->facts.frequency), DatumGetFloat8(values[4])};
        return true;
    });
}

void MeasureStore::visit(core::rfm::MeasureConsumer& consumer) const {
    std::array<Measures, 1024> batch;
    std::size_t count = 0;
    for_each([&](const StoredCustomer& customer) {
        if (!customer.has_orders)
            return;
        batch[count++] = customer.measures;
        if (count == batch.size()) {
            consumer.take(batch);
            count = 0;
        }
    });
    if (count > 0)
        consumer.take({batch.data(), count});
}

}  // namespace seg::functions
