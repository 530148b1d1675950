// The options of preparation_fit from their JSON form.
#pragma once

#include "core/preparation/preparation_state.hpp"

#include "backend/json.hpp"

namespace seg::functions {

// Checked, and encoded in the current context. Without a document: the defaults.
core::preparation::EncodedOptions read_preparation_options(backend::JsonReader* json);

}  // namespace seg::functions
