// Sets in the portable Roaring formats, which the Roaring libraries of every language read and write. The
// 32-bit format holds unsigned 32-bit numbers; the 64-bit format holds unsigned 64-bit numbers as one 32-bit
// bitmap for each value of their upper half. Ids are signed: an id below zero is the number of the same bits,
// so that such ids come last there and first here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

// Which ids the numbers of the 32-bit format are: 0 to 4294967295, or those of a 32-bit signed integer.
enum class Roaring32 : std::uint8_t { kUnsigned, kSigned };

// The server's limit for one value, less its length word.
inline constexpr std::uint64_t kMaxRoaringBytes = 0x3fffffff - 4;

// Reads either format into an empty writer. Formats cannot be mistaken for each other: where the first word
// of a 64-bit bitmap, its number of buckets, looks like the start of a 32-bit one, so many buckets take more
// bytes than the longest 32-bit bitmap that starts like this. Everything is checked, and whatever is not
// exactly one well-formed bitmap raises kBadBinary. Linear in the bytes.
void read_roaring(std::span<const std::byte> bytes, Roaring32 numbers, SetWriter& out, Interrupt& interrupt);

// Bytes of a set in the 64-bit format, then the set in exactly that many bytes. Each chunk is in its smallest
// form, the one that optimising for runs gives. More than kMaxRoaringBytes raises kTooBig. Linear in the
// number of chunks, each of consecutive full ones counted, but a set far beyond the limit is refused at once.
std::uint64_t roaring64_size(const SetView& set, Interrupt& interrupt);
void write_roaring64(const SetView& set, std::span<std::byte> out, Interrupt& interrupt);

// The same in the 32-bit format; an id that it cannot hold raises kOutOfRange.
std::uint64_t roaring32_size(const SetView& set, Roaring32 numbers, Interrupt& interrupt);
void write_roaring32(const SetView& set, std::span<std::byte> out, Interrupt& interrupt);

}  // namespace seg::core::idset
