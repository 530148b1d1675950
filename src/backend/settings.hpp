// The extension's settings: pg_segment.*
#pragma once

#include <cstdint>

namespace seg::backend::settings {

// pg_segment.max_memory in bytes: what one aggregate node or one job may use.
std::uint64_t max_memory();

// pg_segment.default_seed: the seed of whatever is random and was not given one.
std::int64_t default_seed();

// Defines them; called once, when the module is loaded.
void define();

}  // namespace seg::backend::settings
