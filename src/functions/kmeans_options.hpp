// k-means options as jsonb: {"seed":1,"n_init":10,"max_iter":300,"tol":1e-4,"standardize":"zscore"}.
#pragma once

#include "core/clustering/kmeans_options.hpp"

#include "backend/json.hpp"

namespace seg::functions {

// Reads the members of an options object; 22023 naming an unknown key.
void read_kmeans_options(backend::JsonReader& json, core::clustering::KmeansOptions& options);

}  // namespace seg::functions
