// A set that owns its image.
#pragma once

#include <cstring>

#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

class SetImage {
  public:
    SetImage(const SetView& set, MemoryResource* memory) : words_(memory), size_(set.image().size()) {
        words_.resize(size_ / 8 + 1);
        std::memcpy(words_.data(), set.image().data(), size_);
    }
    SetImage(SetWriter& writer, MemoryResource* memory) : words_(memory), size_(writer.image_size()) {
        words_.resize(size_ / 8 + 1);
        writer.write_image({reinterpret_cast<std::byte*>(words_.data()), size_});
    }

    std::uint64_t size() const { return size_; }
    SetView view() const { return SetView({reinterpret_cast<const std::byte*>(words_.data()), size_}); }

  private:
    Vector<std::uint64_t> words_;
    std::uint64_t size_;
};

}  // namespace seg::core::idset
