#include "core/idset/sample.hpp"

#include <algorithm>
#include <bit>

#include "core/base/random.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/id_cursor.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_image.hpp"

namespace seg::core::idset {
namespace {

// A set of positions below 2^63, by open addressing.
class Positions {
  public:
    Positions(std::uint64_t most, MemoryResource* memory)
        : slots_(std::bit_ceil(2 * most + 1), kNone, Allocator<std::uint64_t>(memory)) {}

    // False when it was there already.
    bool insert(std::uint64_t position) {
        std::size_t slot = mix64(position) & (slots_.size() - 1);
        while (slots_[slot] != kNone) {
            if (slots_[slot] == position)
                return false;
            slot = (slot + 1) & (slots_.size() - 1);
        }
        slots_[slot] = position;
        return true;
    }

  private:
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    Vector<std::uint64_t> slots_;
};

// count of the positions 0..range - 1, ascending.
Vector<std::uint64_t> draw(std::uint64_t count, std::uint64_t range, std::uint64_t seed,
                           MemoryResource* memory, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    Random random(seed);
    Positions taken(count, memory);
    Vector<std::uint64_t> drawn(memory);
    drawn.reserve(count);
    for (std::uint64_t last = range - count; last < range; ++last, meter.done(1)) {
        std::uint64_t position = random.below(last + 1);
        if (!taken.insert(position)) {
            position = last;
            taken.insert(position);
        }
        drawn.push_back(position);
    }
    std::sort(drawn.begin(), drawn.end());
    return drawn;
}

// The ids at ascending positions.
void write_positions(const SetView& set, const Vector<std::uint64_t>& positions, SetWriter& out,
                     MemoryResource* memory, Interrupt& interrupt) {
    SetBuilder ids(memory);
    auto next = positions.begin();
    std::uint64_t before = 0;
    for_each_stretch(set, interrupt, [&](const Stretch& stretch) {
        const std::uint64_t end = before + (ordered(stretch.highest) - ordered(stretch.lowest)) + 1;
        for (; next != positions.end() && *next < end; ++next)
            ids.add(unordered(ordered(stretch.lowest) + (*next - before)), interrupt);
        before = end;
    });
    ids.write(out, interrupt);
}

}  // namespace

void sample(const SetView& set, std::int64_t count, std::uint64_t seed, SetWriter& out,
            MemoryResource* memory, Interrupt& interrupt) {
    const auto all = static_cast<std::uint64_t>(set.cardinality());
    const std::uint64_t wanted = std::min(static_cast<std::uint64_t>(count), all);
    const std::uint64_t drawn = std::min(wanted, all - wanted);
    if (drawn > kMaxImageBytes)
        throw Error(Errc::kTooBig, "the sample is too large", "", "Take at most a billion ids.");
    const Vector<std::uint64_t> positions = draw(drawn, all, seed, memory, interrupt);
    if (wanted == drawn)
        return write_positions(set, positions, out, memory, interrupt);
    // Most of the set: draw the ids that are left out.
    SetWriter left_out(memory, set.dictionary());
    write_positions(set, positions, left_out, memory, interrupt);
    const SetImage image(left_out, memory);
    subtract(set, image.view(), out, interrupt);
}

}  // namespace seg::core::idset
