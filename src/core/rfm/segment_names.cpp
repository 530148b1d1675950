#include "core/rfm/segment_names.hpp"

#include <algorithm>

namespace seg::core::rfm {

namespace {

bool in_table(std::int32_t score, std::int32_t scores) {
    return score >= 0 && score < scores;
}

}  // namespace

SegmentNames::SegmentNames(std::span<const NameRule> rules, MemoryResource* memory)
    : rules_(rules), winners_(kScores * kScores * kScores, 0u, memory) {
    // Backwards, so that the first rule has the last word.
    for (std::size_t i = rules.size(); i-- > 0;) {
        const NameRule& rule = rules[i];
        for (std::int32_t r = std::max(rule.r.first, 0); r <= std::min(rule.r.last, kScores - 1); ++r)
            for (std::int32_t f = std::max(rule.f.first, 0); f <= std::min(rule.f.last, kScores - 1); ++f)
                for (std::int32_t m = std::max(rule.m.first, 0); m <= std::min(rule.m.last, kScores - 1); ++m)
                    winners_[static_cast<std::size_t>((r * kScores + f) * kScores + m)] =
                        static_cast<std::uint32_t>(i + 1);
    }
}

std::optional<std::size_t> SegmentNames::find(std::int32_t r, std::int32_t f, std::int32_t m) const {
    if (!in_table(r, kScores) || !in_table(f, kScores) || !in_table(m, kScores))
        return search(r, f, m);
    const std::uint32_t winner = winners_[static_cast<std::size_t>((r * kScores + f) * kScores + m)];
    if (winner == 0)
        return std::nullopt;
    return winner - 1;
}

std::optional<std::size_t> SegmentNames::search(std::int32_t r, std::int32_t f, std::int32_t m) const {
    for (std::size_t i = 0; i < rules_.size(); ++i)
        if (rules_[i].r.holds(r) && rules_[i].f.holds(f) && rules_[i].m.holds(m))
            return i;
    return std::nullopt;
}

}  // namespace seg::core::rfm
