// Server memory for core: resources over memory contexts, held against pg_segment.max_memory.
#pragma once

#include "core/base/memory.hpp"

#include "backend/call.hpp"

namespace seg::backend {

// Allocates in one memory context. It cannot longjmp: no memory is std::bad_alloc (53200), more than
// pg_segment.max_memory in the context is core::Error (54000). Trivially destructible, so it may live in the
// context that it allocates from.
class ContextResource final : public core::MemoryResource {
  public:
    enum class Limit : bool { kMaxMemory, kNone };

    explicit ContextResource(MemoryContext context, Limit limit = Limit::kMaxMemory)
        : context_(context), limit_(limit) {}
    MemoryContext context() const { return context_; }

  private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override;
    bool do_is_equal(const core::MemoryResource& other) const noexcept override;

    MemoryContext context_;
    Limit limit_;
};

// Asks for huge pages under a large allocation that nobody has written to yet: first touch is a good part of
// the time of a job that streams hundreds of megabytes once. Only advice.
void prefer_huge_pages(void* p, std::size_t bytes);

// Raises 54000 with what is needed, the limit and the setting.
[[noreturn]] void raise_over_budget(std::uint64_t needed);

// Holds a bill, known before anything is spent, against pg_segment.max_memory.
void check_budget(const core::Bill& bill);

// Working memory of one job: a child of the current context, deleted with the object, also by an exception.
class TemporaryContext {
  public:
    // Reading and printing values is not limited: a dump must not depend on a setting.
    explicit TemporaryContext(ContextResource::Limit limit = ContextResource::Limit::kMaxMemory);
    ~TemporaryContext() { MemoryContextDelete(resource_.context()); }
    TemporaryContext(const TemporaryContext&) = delete;
    TemporaryContext& operator=(const TemporaryContext&) = delete;

    ContextResource& resource() { return resource_; }

  private:
    ContextResource resource_;
};

}  // namespace seg::backend
