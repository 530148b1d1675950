// The options of a scale as they come in jsonb: for segment.rfm_scale and segment.rfm.
#pragma once

#include <span>

#include "core/rfm/scale_options.hpp"

#include "backend/json.hpp"

namespace seg::functions {

// Reads an object with "method", "bins" (a number, or one each for recency, frequency and monetary) and
// "breaks" (an object with an array for each) into the options; what is not mentioned stays as it is. 22023
// for anything else. The result is not resolved yet.
void read_scale_options(std::span<const backend::JsonToken> tokens, core::rfm::ScaleOptions& options);

}  // namespace seg::functions
