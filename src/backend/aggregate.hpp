// What every aggregate stands on. States have a SQL type, so partial states travel between workers, shards
// and tables by that type's own functions. Large states are expanded objects that live in one arena per
// aggregate node; small ones are flat values changed in place.
#pragma once

#include <new>
#include <span>
#include <utility>

#include "backend/arguments.hpp"
#include "backend/guard.hpp"
#include "backend/interrupt.hpp"
#include "backend/memory.hpp"

namespace seg::backend {

// The aggregate node's memory, as seen from one of its functions.
class AggregateMemory {
  public:
    // Errc::kNotSupported when the function was not called by an aggregate: states are changed in place, and
    // a state that nobody owns may be a page of a table.
    explicit AggregateMemory(FunctionCallInfo fcinfo) {
        if (AggCheckCallContext(fcinfo, &context_) == 0)
            throw core::Error(core::Errc::kNotSupported,
                              "aggregate function called in non-aggregate context");
    }

    MemoryContext context() const { return context_; }

    // The child context that all expanded states of this node share. One context per state would make hash
    // aggregation quadratic: the node adds up every child's memory each time it meets a new group.
    MemoryContext arena() const;

  private:
    MemoryContext context_;
};

// The bytes of a flat value after its length word, and with it.
inline std::span<const std::byte> body_of(const struct varlena* value) {
    return {reinterpret_cast<const std::byte*>(VARDATA(value)), VARSIZE(value) - VARHDRSZ};
}
inline std::span<const std::byte> image_of(const struct varlena* value) {
    return {reinterpret_cast<const std::byte*>(value), VARSIZE(value)};
}
inline std::span<std::byte> image_of(struct varlena* value) {
    return {reinterpret_cast<std::byte*>(value), VARSIZE(value)};
}

// How many bytes a state's image takes; finding out can be work.
template <typename State>
std::uint64_t image_size_of(State& state, core::Interrupt& interrupt) {
    if constexpr (requires { state.image_size(interrupt); })
        return state.image_size(interrupt);
    else
        return state.image_size();
}

// A core state as an expanded object. State offers image_size(), with or without an interrupt, and
// write_image(image, interrupt), neither of which changes what it stands for. It is
// never destroyed: its memory is the arena's and goes with it. The node keeps the read-write pointer because
// the arena's parent is the aggregate's context, so nobody may delete or transfer the object.
template <typename State>
class ExpandedState {
  public:
    template <typename... Arguments>
    static ExpandedState* create(const AggregateMemory& memory, Arguments&&... arguments) {
        MemoryContext arena = memory.arena();
        void* place = ContextResource(arena).allocate(sizeof(ExpandedState), alignof(ExpandedState));
        return new (place) ExpandedState(arena, std::forward<Arguments>(arguments)...);
    }

    // The object behind a datum, or nullptr when it is a flat value.
    static ExpandedState* of(Datum datum) {
        if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
            return nullptr;
        ExpandedObjectHeader* header = DatumGetEOHP(datum);
        return header->eoh_methods == &kMethods ? reinterpret_cast<ExpandedState*>(header) : nullptr;
    }

    State& state() { return state_; }
    Datum datum() { return EOHPGetRWDatum(&header_); }

  private:
    template <typename... Arguments>
    explicit ExpandedState(MemoryContext arena, Arguments&&... arguments)
        : memory_(arena), state_(&memory_, std::forward<Arguments>(arguments)...) {
        EOH_init_header(&header_, &kMethods, arena);
    }

    static Size flat_size(ExpandedObjectHeader* header) {
        return guarded([header]() {
            ServerInterrupt interrupt;
            const std::uint64_t size =
                image_size_of(reinterpret_cast<ExpandedState*>(header)->state_, interrupt);
            if (size > MaxAllocSize)
                throw core::Error(core::Errc::kTooBig, "a partial aggregate state would be larger than 1 GB",
                                  core::format("It would take %llu MB.",
                                               static_cast<unsigned long long>(size / 1024 / 1024)),
                                  "Aggregate fewer rows, or set max_parallel_workers_per_gather to 0.");
            return static_cast<Size>(size);
        });
    }
    static void flatten(ExpandedObjectHeader* header, void* result, Size size) {
        guarded([=]() {
            auto* image = static_cast<std::byte*>(result);
            prefer_huge_pages(result, size);
            ServerInterrupt interrupt;
            reinterpret_cast<ExpandedState*>(header)->state_.write_image({image, size}, interrupt);
            SET_VARSIZE(result, size);
        });
    }

    static constexpr ExpandedObjectMethods kMethods = {flat_size, flatten};

    ExpandedObjectHeader header_;
    ContextResource memory_;
    State state_;
};

// A flat copy of an expanded state: what a "..._state" aggregate returns.
template <typename State>
struct varlena* flat_copy(State& state) {
    ServerInterrupt interrupt;
    struct varlena* value = new_varlena(image_size_of(state, interrupt));
    state.write_image(image_of(value), interrupt);
    return value;
}

}  // namespace seg::backend
