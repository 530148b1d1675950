// Rows and records on their way back to the server.
#pragma once

#include <array>
#include <cstddef>

#include "backend/call.hpp"
#include "backend/memory.hpp"

namespace seg::backend {

// One row under construction: values by position, NULL until set.
template <std::size_t N>
struct Row {
    std::array<Datum, N> values{};
    std::array<bool, N> nulls;

    Row() { nulls.fill(true); }
    Row& set(std::size_t column, Datum value) {
        values[column] = value;
        nulls[column] = false;
        return *this;
    }
};

// The result of a function that returns one composite value. Its row type is looked up once per call site, in
// fn_extra, so the function must not keep anything else there.
template <std::size_t N>
Datum composite_result(FunctionCallInfo fcinfo, const Row<N>& row) {
    const Row<N>* source = &row;
    return call([fcinfo, source]() noexcept {
        auto descriptor = static_cast<TupleDesc>(fcinfo->flinfo->fn_extra);
        if (descriptor == nullptr) {
            MemoryContext previous = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
            if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE ||
                descriptor->natts != N)
                elog(ERROR, "return type does not match the function's implementation");
            descriptor = BlessTupleDesc(CreateTupleDescCopy(descriptor));
            fcinfo->flinfo->fn_extra = descriptor;
            MemoryContextSwitchTo(previous);
        }
        return HeapTupleGetDatum(heap_form_tuple(descriptor, const_cast<Datum*>(source->values.data()),
                                                 const_cast<bool*>(source->nulls.data())));
    });
}

// The result of a set-returning function: rows into the server's tuplestore, which goes to disk past
// work_mem.
class ResultSet {
  public:
    explicit ResultSet(FunctionCallInfo fcinfo)
        : info_(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)) {
        call([fcinfo]() noexcept { InitMaterializedSRF(fcinfo, 0); });
    }

    // Adds a row of N columns. fill(values, nulls) runs as part of a server call, in memory that is freed
    // after the row; nulls are false beforehand.
    template <std::size_t N, typename Fill>
    void put(const Fill& fill) {
        const Fill* source = &fill;
        ReturnSetInfo* info = info_;
        MemoryContext memory = row_memory_.resource().context();
        call([info, source, memory]() noexcept {
            CHECK_FOR_INTERRUPTS();
            if (info->setDesc->natts != N)
                elog(ERROR, "return type does not match the function's implementation");
            Datum values[N];
            bool nulls[N] = {};
            MemoryContext previous = MemoryContextSwitchTo(memory);
            (*source)(values, nulls);
            tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
            MemoryContextSwitchTo(previous);
            MemoryContextReset(memory);
        });
    }

  private:
    ReturnSetInfo* info_;
    TemporaryContext row_memory_;
};

inline Datum text_datum(const char* text) {
    return call([text]() noexcept { return CStringGetTextDatum(text); });
}

}  // namespace seg::backend
