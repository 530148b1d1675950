// Writes a set from its stretches of ids, in ascending order.
#pragma once

#include <cstdint>

#include "core/base/memory.hpp"
#include "core/idset/id_cursor.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

class StretchWriter {
  public:
    StretchWriter(SetWriter& out, MemoryResource* memory) : out_(out), pairs_(memory) {}

    // False, and nothing is written, when the stretch begins before the last one has ended.
    bool add(const Stretch& stretch);
    // After the last stretch.
    void finish();

  private:
    void emit();
    void flush();

    SetWriter& out_;
    bool has_last_ = false;
    Stretch last_{};  // may still grow
    std::uint64_t key_ = 0;
    Vector<std::uint16_t> pairs_;  // runs of the chunk that is being filled
};

}  // namespace seg::core::idset
