#include "core/idset/fold.hpp"

#include <algorithm>
#include <optional>

#include "core/idset/algebra.hpp"

namespace seg::core::idset {
namespace {

constexpr std::size_t kManySets = 64;
constexpr std::uint64_t kManyBytes = 32 * 1024 * 1024;

void copy_image(const SetImage& image, std::span<std::byte> out) {
    std::memcpy(out.data() + 4, image.view().image().data() + 4, out.size() - 4);
}

}  // namespace

bool IntersectionFold::misses(const SetSummary& set) const {
    return any_ && (set.cardinality == 0 || set.lowest > highest_ || set.highest < lowest_);
}

void IntersectionFold::add_disjoint(const SetSummary& set) {
    dictionary_ = combined_dictionary({any_ && !empty_, 0, 0, dictionary_, 0}, set);
    become_empty();
}

void IntersectionFold::become_empty() {
    any_ = true;
    empty_ = true;
    waiting_bytes_ = 0;
    waiting_.clear();
    SetWriter nothing(memory_, dictionary_);
    waiting_.emplace_back(nothing, memory_);
}

void IntersectionFold::add(const SetView& set, Interrupt& interrupt) {
    const SetSummary summary = set.summary();
    if (empty_ || misses(summary) || set.empty())
        return add_disjoint(summary);
    dictionary_ = combined_dictionary({any_, 0, 0, dictionary_, 0}, summary);
    any_ = true;
    lowest_ = std::max(lowest_, set.lowest());
    highest_ = std::min(highest_, set.highest());
    waiting_.emplace_back(set, memory_);
    waiting_bytes_ += set.image().size();
    if (waiting_.size() >= kManySets || (waiting_bytes_ >= kManyBytes && waiting_.size() > 1))
        fold(interrupt);
}

void IntersectionFold::fold(Interrupt& interrupt) {
    if (waiting_.size() < 2)
        return;
    std::sort(waiting_.begin(), waiting_.end(), [](const SetImage& a, const SetImage& b) {
        return a.view().cardinality() < b.view().cardinality();
    });
    // The waiting sets stay as they are until all is done: a step may be interrupted.
    std::optional<SetImage> left;
    for (std::size_t i = 1; i < waiting_.size(); ++i) {
        const SetView smaller = left ? left->view() : waiting_.front().view();
        if (smaller.empty())
            break;
        SetWriter writer(memory_, dictionary_);
        intersect(smaller, waiting_[i].view(), writer, interrupt);
        left.emplace(writer, memory_);
    }
    if (left->view().empty())
        return become_empty();
    lowest_ = left->view().lowest();
    highest_ = left->view().highest();
    waiting_bytes_ = left->size();
    waiting_.clear();
    waiting_.push_back(std::move(*left));
}

std::int64_t IntersectionFold::cardinality(Interrupt& interrupt) {
    fold(interrupt);
    return waiting_.front().view().cardinality();
}

std::uint64_t IntersectionFold::image_size(Interrupt& interrupt) {
    fold(interrupt);
    return waiting_.front().size();
}

void IntersectionFold::write_image(std::span<std::byte> image, Interrupt& interrupt) {
    fold(interrupt);
    copy_image(waiting_.front(), image);
}

void DifferenceFold::add(const SetView& set, Interrupt& interrupt) {
    levels_.push_back(Level{SetImage(set, memory_), 1});
    while (levels_.size() > 1 && levels_[levels_.size() - 2].sets <= levels_.back().sets)
        join_last_two(interrupt);
}

void DifferenceFold::join_last_two(Interrupt& interrupt) {
    const Level last = std::move(levels_.back());
    levels_.pop_back();
    Level& level = levels_.back();
    const SetView a = level.image.view();
    const SetView b = last.image.view();
    SetWriter writer(memory_, combined_dictionary(a.summary(), b.summary()));
    symmetric_difference(a, b, writer, interrupt);
    level.image = SetImage(writer, memory_);
    level.sets += last.sets;
}

void DifferenceFold::fold(Interrupt& interrupt) {
    while (levels_.size() > 1)
        join_last_two(interrupt);
}

std::uint64_t DifferenceFold::image_size(Interrupt& interrupt) {
    fold(interrupt);
    return levels_.front().image.size();
}

void DifferenceFold::write_image(std::span<std::byte> image, Interrupt& interrupt) {
    fold(interrupt);
    copy_image(levels_.front().image, image);
}

}  // namespace seg::core::idset
