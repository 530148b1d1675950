// A stored model with the preparation that its rows need.
#pragma once

#include "core/clustering/clustering.hpp"

#include "backend/aggregate.hpp"

#include "functions/preparation_row.hpp"

namespace seg::functions {

// The preparation's image in a model; 22023 for a model that has none.
std::span<const std::byte> preparation_of(const core::clustering::ClusteringView& model);

// Rows in, nearest clusters out. Plain data that may live in a memory context; the image must outlive it.
class Scorer {
  public:
    Scorer(std::span<const std::byte> image, MemoryContext memory)
        : model_(image), rows_(preparation_of(model_), memory) {}

    const core::clustering::ClusteringView& model() const { return model_; }

    // The number of the nearest cluster; 0 for a row that the preparation skips. Errors as of
    // RecordPreparation::prepare and ClusteringView::nearest.
    std::int32_t cluster_of(Datum record) {
        ArrayType* features = rows_.prepare(record);
        if (features == nullptr)
            return 0;
        const auto* values = reinterpret_cast<const double*>(ARR_DATA_PTR(features));
        return model_.nearest({values, static_cast<std::size_t>(model_.dimensions())}).cluster;
    }

  private:
    core::clustering::ClusteringView model_;
    RecordPreparation rows_;
};

}  // namespace seg::functions
