#include "core/idset/stretch_writer.hpp"

namespace seg::core::idset {

bool StretchWriter::add(const Stretch& stretch) {
    if (has_last_) {
        if (stretch.lowest <= last_.highest)
            return false;
        if (stretch.lowest == last_.highest + 1) {
            last_.highest = stretch.highest;
            return true;
        }
        emit();
    }
    has_last_ = true;
    last_ = stretch;
    return true;
}

void StretchWriter::finish() {
    if (has_last_)
        emit();
    has_last_ = false;
    flush();
}

void StretchWriter::emit() {
    const std::uint64_t first_key = key_of(last_.lowest);
    const std::uint64_t last_key = key_of(last_.highest);
    if (first_key == last_key)
        return part(first_key, low_of(last_.lowest), low_of(last_.highest));
    part(first_key, low_of(last_.lowest), kChunkIds - 1);
    if (last_key - first_key > 1) {
        flush();
        out_.full(first_key + 1, last_key - first_key - 1);
    }
    part(last_key, 0, low_of(last_.highest));
}

void StretchWriter::part(std::uint64_t key, std::uint32_t first, std::uint32_t last) {
    if (key != key_)
        flush();
    key_ = key;
    pairs_.push_back(static_cast<std::uint16_t>(first));
    pairs_.push_back(static_cast<std::uint16_t>(last - first));
}

void StretchWriter::flush() {
    out_.runs(key_, pairs_.data(), static_cast<std::uint32_t>(pairs_.size() / 2));
    pairs_.clear();
}

}  // namespace seg::core::idset
