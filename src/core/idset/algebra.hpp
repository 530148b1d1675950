// Two sets: what they make together, how they compare. Each walks the chunks of both once; a set's chunks
// that cannot matter are skipped by search. Dictionaries are the caller's business (see combined_dictionary).
#pragma once

#include <compare>
#include <cstdint>

#include "core/base/interrupt.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

// The dictionary of what two sets make together: the one they share. Sets of different dictionaries, or one
// with and one without, raise kInvalidArgument; an empty set without a dictionary goes with any.
std::uint32_t combined_dictionary(const SetSummary& a, const SetSummary& b);

void unite(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt);
void intersect(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt);
void subtract(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt);
void symmetric_difference(const SetView& a, const SetView& b, SetWriter& out, Interrupt& interrupt);

// Number of ids in both, without making the set.
std::int64_t intersection_cardinality(const SetView& a, const SetView& b, Interrupt& interrupt);

// Stops at the first shared id; at the first id of b that a lacks.
bool overlaps(const SetView& a, const SetView& b, Interrupt& interrupt);
bool includes(const SetView& a, const SetView& b, Interrupt& interrupt);

// As the ascending sequences of ids compare, element by element.
std::strong_ordering compare(const SetView& a, const SetView& b, Interrupt& interrupt);

// The ids of a set from lowest to highest, inclusive. Chunks beyond them are skipped.
void slice(const SetView& set, std::int64_t lowest, std::int64_t highest, SetWriter& out,
           Interrupt& interrupt);

// The ids lowest..highest, inclusive; none when they are out of order.
void write_range(std::int64_t lowest, std::int64_t highest, SetWriter& out);

}  // namespace seg::core::idset
