// Makes the one image of a set from its chunks, given in ascending order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

// Hash of a set's contents (see LargeHeader); the same on every machine.
std::uint64_t hash_bytes(std::span<const std::byte> bytes);

class SetWriter {
  public:
    explicit SetWriter(MemoryResource* memory, std::uint32_t dictionary = 0)
        : dictionary_(dictionary),
          keys_(memory),
          loose_(memory),
          bitmaps_(memory),
          places_(memory),
          values_(memory) {}

    // Each call gives the ids of one chunk (of `count` for full), in any representation, empty or not; keys
    // ascend. More than 2^63 - 1 ids raise kTooBig.
    void array(std::uint64_t key, const std::uint16_t* values, std::uint32_t count);
    void runs(std::uint64_t key, const std::uint16_t* pairs, std::uint32_t run_count);
    void bitmap(std::uint64_t key, const std::uint64_t* words);
    void full(std::uint64_t key, std::uint64_t count);

    // A chunk of another set, which already has its smallest representation. Constant time and a copy.
    void copy(const Chunk& chunk);

    std::int64_t cardinality() const { return cardinality_; }

    // After the last chunk: bytes of the image, server word included; more than kMaxImageBytes raises
    // kTooBig. Then the image, in exactly that many bytes.
    std::uint64_t image_size();
    void write_image(std::span<std::byte> image) const;

    // Forgets everything, gives the memory back, and begins a set of this dictionary.
    void start(std::uint32_t dictionary);
    std::uint32_t dictionary() const { return dictionary_; }
    void set_dictionary(std::uint32_t dictionary) { dictionary_ = dictionary; }

  private:
    void add(std::uint64_t ids, std::int64_t first, std::int64_t last);
    void entry(std::uint64_t key, std::uint32_t cardinality, std::uint32_t place);
    void loose(std::uint64_t key, std::uint32_t low) { loose_.push_back(id_of(key, low)); }
    void finish_span();
    void put_array(std::uint64_t key, const std::uint16_t* values, std::uint32_t count);
    void put_runs(std::uint64_t key, std::uint32_t cardinality, const std::uint16_t* pairs,
                  std::uint32_t run_count);
    std::uint64_t* new_bitmap(std::uint64_t key, std::uint32_t cardinality);
    std::uint64_t large_size() const;
    bool is_flat() const;
    std::size_t prefix_size() const { return sizeof(Prefix) + (dictionary_ != 0 ? 8 : 0); }
    void write_prefix(Form form, std::span<std::byte> image) const;
    void write_flat(std::span<std::byte> image) const;
    void write_large(std::span<std::byte> image) const;

    std::uint32_t dictionary_;
    std::int64_t cardinality_ = 0;
    std::int64_t lowest_ = 0;
    std::int64_t highest_ = 0;
    std::uint64_t span_key_ = 0;  // full chunks that may still grow; none when the count is 0
    std::uint64_t span_count_ = 0;
    Vector<std::uint64_t> keys_;
    Vector<std::int64_t> loose_;
    Vector<std::uint64_t> bitmaps_;
    Vector<std::uint32_t> places_;
    Vector<std::uint16_t> values_;
};

}  // namespace seg::core::idset
