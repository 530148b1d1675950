// The options of k-means, as jsonb.
#pragma once

#include "core/clustering/kmeans_options.hpp"
#include "core/clustering/kmeans_state.hpp"

#include "backend/json.hpp"

namespace seg::functions {

// Reads the members of an object of options; unknown ones are errors. Lists are put into the current memory
// context, which has to outlive the options.
void read_kmeans_options(backend::JsonReader& json, core::clustering::KmeansOptions& options);

// What the arguments k and options (null: none) of a function ask for, with this session's settings.
core::clustering::GatheringOptions read_kmeans_arguments(std::int32_t k, const NullableDatum* options);

// The model of what a settled state has gathered; it must have seen a row.
Datum train_to_value(const core::clustering::KmeansState& state);

}  // namespace seg::functions
