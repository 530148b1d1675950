// Customer value options as jsonb: {"purchases":"bgnbd","value":"gamma_gamma","unit":"week"}.
#pragma once

#include "core/clv/clv_options.hpp"

#include "backend/json.hpp"

namespace seg::functions {

// Reads the members of an options object; 22023 naming an unknown key.
void read_clv_options(backend::JsonReader& json, core::clv::ClvOptions& options);

}  // namespace seg::functions
