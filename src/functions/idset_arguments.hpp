// Sets on their way between SQL and core.
#pragma once

#include "core/idset/set_builder.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

#include "backend/arguments.hpp"
#include "backend/memory.hpp"

namespace seg::functions {

// A segment.idset argument, of which no more is fetched than the question needs.
class SetArgument {
  public:
    explicit SetArgument(Datum datum) : datum_(datum) {}
    SetArgument(FunctionCallInfo fcinfo, int number) : SetArgument(PG_GETARG_DATUM(number)) {}

    // Cardinality, ends and hash: of a value stored out of line, its first kilobyte.
    core::idset::SetSummary summary() const;
    // The whole set, in memory that lasts as long as the argument or the current context.
    core::idset::SetView view() const;
    // The same for a value that may still be a small state of an aggregate, which workers and shards send to
    // each other like any other value.
    core::idset::Form form() const;
    std::span<const std::int64_t> gathered() const;
    void add_to(core::idset::SetBuilder& builder, core::Interrupt& interrupt) const;

  private:
    std::span<const std::byte> image() const;

    Datum datum_;
    mutable const struct varlena* whole_ = nullptr;
};

// Memory for making one set out of others. Not held against pg_segment.max_memory: it is bounded by the
// arguments and by the largest value.
inline backend::ContextResource set_memory() {
    return backend::ContextResource(CurrentMemoryContext, backend::ContextResource::Limit::kNone);
}

// The finished set as a value in the current context.
Datum set_datum(core::idset::SetWriter& writer);

}  // namespace seg::functions
