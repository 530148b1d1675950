#include "backend/aggregate.hpp"

namespace seg::backend {
namespace {

// Found again by its address, not by its text.
const char* const kArenaName = "pg_segment aggregate states";

}  // namespace

MemoryContext AggregateMemory::arena() const {
    for (MemoryContext child = context_->firstchild; child != nullptr; child = child->nextchild)
        if (child->name == kArenaName)
            return child;
    MemoryContext parent = context_;
    return call([parent]() noexcept {
        return AllocSetContextCreateInternal(parent, kArenaName, ALLOCSET_DEFAULT_SIZES);
    });
}

}  // namespace seg::backend
