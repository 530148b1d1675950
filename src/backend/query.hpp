// Queries of our own, row by row.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "backend/guard.hpp"

namespace seg::backend {

// A parameter of a query.
struct QueryParameter {
    Oid type;
    Datum value;
};

// What the server calls for each row; take may throw.
using TakeRow = void (*)(void* context, TupleTableSlot* row);

// Runs the query with the caller's rights and the statement's snapshot, in parallel where the planner sees
// fit, and hands over each row while the plan still stands: values need not be copied, and what an aggregate
// has built can be read where it is. Must not be called inside call().
void run_query(const char* text, const QueryParameter* parameters, int count, TakeRow take, void* context);

template <typename Take>
void for_each_row(const char* text, std::initializer_list<QueryParameter> parameters, Take&& take) {
    using Function = std::remove_reference_t<Take>;
    run_query(
        text, parameters.begin(), static_cast<int>(parameters.size()),
        [](void* context, TupleTableSlot* row) { (*static_cast<Function*>(context))(row); }, &take);
}

// A column of the row, counted from 1.
inline NullableDatum column(TupleTableSlot* row, int number) {
    NullableDatum result;
    result.value = slot_getattr(row, number, &result.isnull);
    return result;
}

}  // namespace seg::backend
