// Walks many sets at once: stretches of chunks, in ascending order, in which each set is absent, full, or has
// one chunk of its own to look at. A stretch in which nothing changes is one step, however long.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

class ChunkSteps {
  public:
    struct Part {
        std::uint32_t set;
        const Chunk* chunk;
    };

    // The sets must outlive the walk.
    ChunkSteps(std::span<const SetView> sets, MemoryResource* memory);

    // What the walk itself needs.
    static void price(std::uint64_t sets, Bill& bill);

    // Moves to the next stretch that some set has ids in. False: there is none. A set's move costs the
    // logarithm of the number of sets.
    bool next();

    std::uint64_t key() const { return key_; }
    std::uint64_t count() const { return count_; }
    // Sets with a chunk that is not full, ascending; if there are any, the stretch is one chunk. Valid until
    // the next move.
    std::span<const Part> parts() const { return {parts_.data(), parts_.size()}; }
    // Sets that are full in the whole stretch, in no order; and whether they are others than a step ago.
    std::span<const std::uint32_t> full() const { return {full_.data(), full_.size()}; }
    bool full_changed() const { return full_changed_; }
    // Ids of all parts together.
    std::uint64_t ids_in_parts() const { return ids_in_parts_; }

  private:
    struct Waiting {
        std::uint64_t key;
        std::uint32_t set;
        // The heap has its largest at the top, and we want the smallest.
        bool operator<(const Waiting& other) const {
            return key != other.key ? key > other.key : set > other.set;
        }
    };

    // Cursors cannot move, so they are not a vector.
    class Cursors {
      public:
        Cursors(std::span<const SetView> sets, MemoryResource* memory);
        ~Cursors();
        Cursors(const Cursors&) = delete;
        Cursors& operator=(const Cursors&) = delete;

        std::size_t size() const { return size_; }
        ChunkCursor& operator[](std::size_t set) { return first_[set]; }

      private:
        MemoryResource* memory_;
        std::size_t size_;
        ChunkCursor* first_;
    };

    void wait(std::uint32_t set);
    void drop_ended(std::uint64_t at);
    void start_span(std::uint32_t set);

    Cursors cursors_;
    Vector<Waiting> waiting_;
    Vector<Part> parts_;
    Vector<std::uint32_t> full_;
    Vector<std::uint64_t> full_ends_;
    std::uint64_t first_end_ = ~std::uint64_t{0};  // of the full ones
    std::uint64_t key_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t ids_in_parts_ = 0;
    bool full_changed_ = false;
};

}  // namespace seg::core::idset
