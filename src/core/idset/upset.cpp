#include "core/idset/upset.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/random.hpp"
#include "core/idset/chunk_steps.hpp"

namespace seg::core::idset {
namespace {

constexpr std::uint32_t kRoot = 0;
constexpr std::uint32_t kNoNode = ~std::uint32_t{0};

// Combinations of sets as paths from the root, each node with the number of its own ids.
class ClassTrie {
  public:
    struct Node {
        std::uint32_t parent;
        std::uint32_t set;
        std::uint64_t ids;
    };

    explicit ClassTrie(MemoryResource* memory) : nodes_(memory), slots_(memory) {
        nodes_.push_back({kRoot, 0, 0});
        slots_.resize(kFirstSlots, kNoNode);
    }

    // The combination with one set more. Constant time.
    std::uint32_t child(std::uint32_t parent, std::uint32_t set) {
        std::size_t slot = slot_of(parent, set);
        for (; slots_[slot] != kNoNode; slot = (slot + 1) & (slots_.size() - 1)) {
            const Node& node = nodes_[slots_[slot]];
            if (node.parent == parent && node.set == set)
                return slots_[slot];
        }
        return add({parent, set, 0}, slot);
    }
    void add_ids(std::uint32_t node, std::uint64_t ids) { nodes_[node].ids += ids; }

    std::size_t size() const { return nodes_.size(); }
    const Node& operator[](std::size_t node) const { return nodes_[node]; }

  private:
    static constexpr std::size_t kFirstSlots = 64;

    std::size_t slot_of(std::uint32_t parent, std::uint32_t set) const {
        return mix64(std::uint64_t{parent} << 32 | set) & (slots_.size() - 1);
    }

    std::uint32_t add(const Node& node, std::size_t slot) {
        if (nodes_.size() == kNoNode)
            throw Error(Errc::kTooBig, "the sets have too many different intersections");
        nodes_.push_back(node);
        const auto number = static_cast<std::uint32_t>(nodes_.size() - 1);
        slots_[slot] = number;
        if (2 * nodes_.size() > slots_.size())
            grow();
        return number;
    }

    void grow() {
        Vector<std::uint32_t> larger(2 * slots_.size(), kNoNode, slots_.get_stored_allocator());
        slots_.swap(larger);
        for (std::uint32_t number = 1; number < nodes_.size(); ++number) {
            std::size_t slot = slot_of(nodes_[number].parent, nodes_[number].set);
            while (slots_[slot] != kNoNode)
                slot = (slot + 1) & (slots_.size() - 1);
            slots_[slot] = number;
        }
    }

    Vector<Node> nodes_;
    Vector<std::uint32_t> slots_;
};

}  // namespace

// Within a chunk, ids start in one class and part ways set by set: each id has the number of its class, and
// only a class that a set divides is looked up in the trie.
class UpsetCounter {
  public:
    UpsetCounter(std::span<const SetView> sets, MemoryResource* memory, Interrupt& interrupt)
        : meter_(interrupt),
          steps_(sets, memory),
          trie_(memory),
          labels_(kChunkIds, 0, Allocator<std::uint32_t>(memory)),
          classes_(memory),
          divided_(memory),
          free_(memory),
          full_(memory) {}

    void run() {
        while (steps_.next()) {
            if (steps_.full_changed())
                find_base();
            if (steps_.parts().empty())
                trie_.add_ids(base_, steps_.count() * kChunkIds);
            else if (steps_.parts().size() == 1)
                one_part();
            else
                many_parts();
            meter_.done(64);
        }
    }

    void write(Upset& out) {
        collect(out);
        join_equal(out);
        std::sort(out.rows_.begin(), out.rows_.end(),
                  [this, &out](const Upset::Intersection& a, const Upset::Intersection& b) {
                      meter_.done(16);
                      if (a.n != b.n)
                          return a.n > b.n;
                      return a.sets != b.sets ? a.sets < b.sets : precedes(out, a, b);
                  });
    }

  private:
    struct Class {
        std::uint32_t node;
        std::uint32_t ids;
        std::uint32_t pass;  // the last set that divided it
        std::uint32_t inside;
    };

    // The class of ids that the full sets have, and no other set.
    void find_base() {
        full_.assign(steps_.full().begin(), steps_.full().end());
        std::sort(full_.begin(), full_.end());
        base_ = kRoot;
        for (std::uint32_t set : full_)
            base_ = trie_.child(base_, set);
        meter_.done(4 * full_.size());
    }

    void one_part() {
        const ChunkSteps::Part& part = steps_.parts()[0];
        trie_.add_ids(trie_.child(base_, part.set), part.chunk->cardinality);
        trie_.add_ids(base_, kChunkIds - part.chunk->cardinality);
    }

    void many_parts() {
        classes_.assign(1, Class{base_, kChunkIds, 0, 0});
        free_.clear();
        std::uint32_t pass = 0;
        for (const ChunkSteps::Part& part : steps_.parts())
            divide(part, ++pass);
        for (const Class& one : classes_)
            trie_.add_ids(one.node, one.ids);
        forget_labels();
    }

    // Moves the ids of one set's chunk to classes of their own.
    void divide(const ChunkSteps::Part& part, std::uint32_t pass) {
        for_each_low(*part.chunk, [&](std::uint32_t low) {
            std::uint32_t& label = labels_[low];
            if (classes_[label].pass != pass)
                open(label, part.set, pass);
            Class& from = classes_[label];
            --from.ids;
            label = from.inside;
            ++classes_[label].ids;
        });
        // What all of its ids have left can be used again; never the first, which is every id's first label.
        for (std::uint32_t number : divided_)
            if (number != 0 && classes_[number].ids == 0)
                free_.push_back(number);
        meter_.done(part.chunk->cardinality + 16 * divided_.size());
        divided_.clear();
    }

    void open(std::uint32_t number, std::uint32_t set, std::uint32_t pass) {
        const std::uint32_t node = trie_.child(classes_[number].node, set);
        std::uint32_t inside = 0;
        if (free_.empty()) {
            inside = static_cast<std::uint32_t>(classes_.size());
            classes_.push_back({});
        } else {
            inside = free_.back();
            free_.pop_back();
        }
        classes_[inside] = {node, 0, 0, 0};
        classes_[number].pass = pass;
        classes_[number].inside = inside;
        divided_.push_back(number);
    }

    void forget_labels() {
        if (steps_.ids_in_parts() > kChunkIds / 8) {
            std::memset(labels_.data(), 0, kChunkIds * sizeof labels_[0]);
            return;
        }
        for (const ChunkSteps::Part& part : steps_.parts())
            for_each_low(*part.chunk, [this](std::uint32_t low) { labels_[low] = 0; });
    }

    void collect(Upset& out) {
        for (std::size_t number = 1; number < trie_.size(); ++number) {
            if (trie_[number].ids == 0)
                continue;
            const std::uint64_t first = out.members_.size();
            for (std::size_t at = number; at != kRoot; at = trie_[at].parent)
                out.members_.push_back(trie_[at].set);
            const auto count = static_cast<std::uint32_t>(out.members_.size() - first);
            std::sort(out.members_.end() - count, out.members_.end());
            out.rows_.push_back({trie_[number].ids, first, count});
            meter_.done(4 * std::uint64_t{count});
        }
    }

    static bool precedes(const Upset& out, const Upset::Intersection& a, const Upset::Intersection& b) {
        const auto x = out.sets(a);
        const auto y = out.sets(b);
        return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
    }

    // Full sets come first in a path, wherever they are in the order of sets, so that one combination can
    // have several paths.
    void join_equal(Upset& out) {
        std::sort(out.rows_.begin(), out.rows_.end(),
                  [this, &out](const Upset::Intersection& a, const Upset::Intersection& b) {
                      meter_.done(16);
                      return precedes(out, a, b);
                  });
        std::size_t kept = 0;
        for (const Upset::Intersection& row : out.rows_) {
            if (kept > 0 && std::ranges::equal(out.sets(out.rows_[kept - 1]), out.sets(row)))
                out.rows_[kept - 1].n += row.n;
            else
                out.rows_[kept++] = row;
        }
        out.rows_.resize(kept);
    }

    WorkMeter meter_;
    ChunkSteps steps_;
    ClassTrie trie_;
    Vector<std::uint32_t> labels_;  // by low bits; all 0 between steps
    Vector<Class> classes_;
    Vector<std::uint32_t> divided_;
    Vector<std::uint32_t> free_;
    Vector<std::uint32_t> full_;
    std::uint32_t base_ = kRoot;
};

Upset::Upset(std::span<const SetView> sets, MemoryResource* memory, Interrupt& interrupt)
    : rows_(memory), members_(memory) {
    UpsetCounter counter(sets, memory, interrupt);
    counter.run();
    counter.write(*this);
}

Bill Upset::price(std::uint64_t sets) {
    Bill bill;
    bill.add(kChunkIds, 3 * sizeof(std::uint32_t));
    ChunkSteps::price(sets, bill);
    return bill;
}

}  // namespace seg::core::idset
