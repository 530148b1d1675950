// Deciding what is done to each column, from its profile.
#pragma once

#include "core/preparation/preparation_state.hpp"

namespace seg::core::preparation {

// A preparation with the memory its parts live in.
class FittedPreparation {
  public:
    explicit FittedPreparation(MemoryResource* memory)
        : columns_(memory), levels_(memory), reasons_(memory) {}

    PreparationParts parts() const {
        return {rows_, {columns_.data(), columns_.size()}, {levels_.data(), levels_.size()}};
    }

  private:
    friend class Fitting;

    std::int64_t rows_ = 0;
    Vector<Column> columns_;
    Vector<Level> levels_;
    Vector<Vector<char>> reasons_;
};

// The texts of the result's names and levels are the state's. Errc::kInvalidArgument for options that do not
// suit a column, for a category with as many levels as rows, and when no column is left.
FittedPreparation fit_preparation(const PreparationState& state, MemoryResource* memory,
                                  Interrupt& interrupt);

}  // namespace seg::core::preparation
