// The text form of a set: {1,5-9,12}, single ids and stretches of consecutive ones, ascending; with @ and the
// number of its dictionary where it has one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/interrupt.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_view.hpp"

namespace seg::core::idset {

// Bytes of the text, and the text itself, without an end mark. A stretch of two ids is written as two.
std::uint64_t text_size(const SetView& set, Interrupt& interrupt);
void write_text(const SetView& set, std::span<char> out, Interrupt& interrupt);

// Reads a text form, in which ids and stretches may come in any order, overlap and repeat. Anything else
// raises kBadText, an id that does not fit 64 bits kOutOfRange. Returns the number of the dictionary, or 0.
std::uint32_t read_text(std::string_view text, SetBuilder& out, Interrupt& interrupt);

// The same for a text in ascending order, as write_text makes it: written as it is read, in memory that the
// set bounds. Nothing when the text is in another order; what was written is then of no use.
std::optional<std::uint32_t> read_ascending_text(std::string_view text, SetWriter& out,
                                                 MemoryResource* memory, Interrupt& interrupt);

}  // namespace seg::core::idset
