// The small state of an aggregate: a few ids in any order in one flat image with room for more, changed in
// place. No dictionary. What outgrows it goes to a SetBuilder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/idset/set_view.hpp"

namespace seg::core::idset {

class Gathering {
  public:
    // Sizes of images that fill the server's allocation classes: 6, 14 and 30 ids.
    static constexpr std::size_t kFirstBytes = 64;
    static constexpr std::size_t kMostBytes = 256;
    static constexpr std::size_t kMostIds = (kMostBytes - 16) / 8;

    // Over an image of form kGathering, aligned to 8 bytes; kCorrupted when the count does not fit.
    explicit Gathering(std::span<std::byte> image) : image_(image) {
        if (image.size() < 16 || count() > capacity())
            throw Error(Errc::kCorrupted, "corrupted value of type segment.idset: wrong count");
    }

    static void initialise(std::span<std::byte> image) {
        auto& prefix = *reinterpret_cast<Prefix*>(image.data());
        prefix.magic = kMagic;
        prefix.version = kVersion;
        prefix.form = Form::kGathering;
        prefix.has_dictionary = 0;
        *reinterpret_cast<std::uint64_t*>(image.data() + 8) = 0;
    }

    std::size_t capacity() const { return (image_.size() - 16) / 8; }
    std::span<std::int64_t> ids() const { return {first(), count()}; }

    // False when there is no room, also after repeats were dropped; then nothing was added.
    bool add(std::int64_t id) {
        if (count() == capacity() && !drop_repeats())
            return false;
        first()[count()++] = id;
        return true;
    }

  private:
    std::uint64_t& count() const { return *reinterpret_cast<std::uint64_t*>(image_.data() + 8); }
    std::int64_t* first() const { return reinterpret_cast<std::int64_t*>(image_.data() + 16); }
    bool drop_repeats() {
        const auto held = ids();
        std::sort(held.begin(), held.end());
        count() = static_cast<std::uint64_t>(std::unique(held.begin(), held.end()) - held.begin());
        return count() < capacity();
    }

    std::span<std::byte> image_;
};

}  // namespace seg::core::idset
