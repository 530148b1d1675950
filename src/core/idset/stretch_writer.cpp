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
    split_range(last_.lowest, last_.highest, [this](const Chunk& chunk) {
        if (chunk.key != key_ || chunk.kind == ChunkKind::kFull)
            flush();
        if (chunk.kind == ChunkKind::kFull)
            return out_.full(chunk.key, chunk.count);
        key_ = chunk.key;
        pairs_.insert(pairs_.end(), chunk.values, chunk.values + 2);
    });
}

void StretchWriter::flush() {
    out_.runs(key_, pairs_.data(), static_cast<std::uint32_t>(pairs_.size() / 2));
    pairs_.clear();
}

}  // namespace seg::core::idset
