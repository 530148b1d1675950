#include "backend/memory.hpp"

#include <sys/mman.h>

#include <new>

#include "backend/settings.hpp"

namespace seg::backend {
namespace {

constexpr std::size_t kServerAlignment = MAXIMUM_ALIGNOF;

// MemoryContextAllocExtended raises a server error for sizes beyond MaxAllocHugeSize, so those end here.
void* allocate_or_throw(MemoryContext context, std::size_t bytes) {
    if (bytes > MaxAllocHugeSize / 2)
        throw std::bad_alloc();
    void* p = MemoryContextAllocExtended(context, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
    if (p == nullptr)
        throw std::bad_alloc();
    prefer_huge_pages(p, bytes);
    return p;
}

}  // namespace

void prefer_huge_pages(void* p, std::size_t bytes) {
    constexpr std::size_t kWorthwhile = 4 * 1024 * 1024;
    constexpr std::uintptr_t kHugePage = 2 * 1024 * 1024;
    if (bytes < kWorthwhile)
        return;
    const auto begin = (reinterpret_cast<std::uintptr_t>(p) + kHugePage - 1) / kHugePage * kHugePage;
    const auto end = (reinterpret_cast<std::uintptr_t>(p) + bytes) / kHugePage * kHugePage;
    if (begin < end)
        madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

void raise_over_budget(std::uint64_t needed) {
    const auto megabytes = [](std::uint64_t bytes) {
        return static_cast<unsigned long long>((bytes + 1024 * 1024 - 1) / (1024 * 1024));
    };
    throw core::Error(core::Errc::kTooBig, "the job needs more memory than pg_segment.max_memory allows",
                      core::format("It needs about %llu MB, the limit is %llu MB.", megabytes(needed),
                                   megabytes(settings::max_memory())),
                      "Raise pg_segment.max_memory, or use fewer rows.");
}

void check_budget(const core::Bill& bill) {
    if (bill.total() > settings::max_memory())
        raise_over_budget(bill.total());
}

void* ContextResource::do_allocate(std::size_t bytes, std::size_t alignment) {
    const std::uint64_t used = MemoryContextMemAllocated(context_, false);
    if (limit_ == Limit::kMaxMemory &&
        (bytes > settings::max_memory() || used > settings::max_memory() - bytes))
        raise_over_budget(used + bytes);
    if (alignment <= kServerAlignment)
        return allocate_or_throw(context_, bytes);
    // Over-aligned: remember where the chunk starts in the word before what is handed out.
    char* chunk = static_cast<char*>(allocate_or_throw(context_, bytes + alignment));
    const auto address = reinterpret_cast<std::uintptr_t>(chunk + sizeof(void*));
    char* aligned = chunk + sizeof(void*) + (alignment - address % alignment) % alignment;
    reinterpret_cast<void**>(aligned)[-1] = chunk;
    return aligned;
}

void ContextResource::do_deallocate(void* p, std::size_t, std::size_t alignment) {
    pfree(alignment <= kServerAlignment ? p : static_cast<void**>(p)[-1]);
}

bool ContextResource::do_is_equal(const core::MemoryResource& other) const noexcept {
    const auto* resource = dynamic_cast<const ContextResource*>(&other);
    return resource != nullptr && resource->context_ == context_;
}

TemporaryContext::TemporaryContext(ContextResource::Limit limit)
    : resource_(call([]() noexcept {
                    return AllocSetContextCreate(CurrentMemoryContext, "pg_segment job",
                                                 ALLOCSET_DEFAULT_SIZES);
                }),
                limit) {}

}  // namespace seg::backend
