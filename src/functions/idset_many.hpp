// Collections of named sets on their way between SQL and core.
#pragma once

#include <optional>

#include "core/idset/collection.hpp"
#include "core/idset/expression.hpp"

#include "backend/aggregate.hpp"
#include "backend/interrupt.hpp"

namespace seg::functions {

// Bytes of the character that starts here, in the database's encoding.
int character_length(const char* letters);

inline core::idset::CollectionView collection_argument(FunctionCallInfo fcinfo, int number) {
    return core::idset::CollectionView(backend::image_of(backend::detoasted(PG_GETARG_DATUM(number))));
}

// The state of the aggregates over many sets: the collection, and the expression once it is read.
class ManySets : public core::idset::Collection {
  public:
    ManySets(core::MemoryResource* memory, const core::idset::CollectionTerms& terms)
        : Collection(memory, terms) {
        if (terms.kind != core::idset::CollectionKind::kExpression)
            return;
        backend::ServerInterrupt interrupt;
        expression_.emplace(terms.text, character_length, memory, interrupt);
    }

    const core::idset::Expression& expression() const { return *expression_; }

  private:
    std::optional<core::idset::Expression> expression_;
};

}  // namespace seg::functions
