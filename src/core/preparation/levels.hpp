// How often a column took which texts.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/memory.hpp"

namespace seg::core::preparation {

class LevelCounts {
  public:
    static constexpr std::size_t kMaxLevels = 65'536;

    struct Entry {
        const char* text;
        std::uint32_t size;
        std::uint32_t hash;
        std::int64_t count;  // 0: an empty slot

        std::string_view view() const { return {text, size}; }
    };

    explicit LevelCounts(MemoryResource* memory) : slots_(memory), chunks_(memory) {}
    ~LevelCounts();
    LevelCounts(LevelCounts&& other) noexcept;
    LevelCounts(const LevelCounts&) = delete;
    LevelCounts& operator=(const LevelCounts&) = delete;

    // False, and nothing done, for a text that would be one level too many.
    bool add(std::string_view text, std::int64_t rows);

    std::size_t size() const { return size_; }
    std::uint64_t text_size() const { return text_size_; }

    // The levels in the order of their bytes.
    Vector<Entry> sorted(MemoryResource* memory) const;

  private:
    struct Chunk {
        char* bytes;
        std::size_t size;
    };
    const char* keep(std::string_view text);
    void grow();
    MemoryResource* memory() const { return slots_.get_allocator().resource(); }

    Vector<Entry> slots_;  // a hash table
    Vector<Chunk> chunks_;
    char* free_ = nullptr;
    std::size_t room_ = 0;
    std::size_t size_ = 0;
    std::uint64_t text_size_ = 0;
};

}  // namespace seg::core::preparation
