// The rows of segment.prepare_info.
#pragma once

#include "core/preparation/preparation.hpp"

#include "backend/postgres.hpp"

namespace seg::functions {

// What is done to each column, as the result of a set-returning function of the columns of
// segment.prepare_info.
Datum prepare_info(FunctionCallInfo fcinfo, const core::preparation::PreparationView& preparation);

}  // namespace seg::functions
