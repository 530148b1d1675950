#include "backend/aggregate.hpp"

#include "backend/gathering.hpp"

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

void check_printable(std::uint64_t image_size) {
    constexpr std::uint64_t kLargest = (MaxAllocSize - 8) / 2;
    if (image_size <= kLargest)
        return;
    throw core::Error(
        core::Errc::kTooBig, "the state is too large to be kept",
        core::format("It would take %llu MB, the limit is %llu MB.",
                     static_cast<unsigned long long>(image_size >> 20),
                     static_cast<unsigned long long>(kLargest >> 20)),
        "Keep several states of fewer rows each and merge them with segment.rollup at the end.");
}

}  // namespace seg::backend
