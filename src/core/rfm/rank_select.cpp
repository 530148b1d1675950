#include "core/rfm/rank_select.hpp"

#include <stdexcept>

namespace seg::core::rfm {
namespace {

[[noreturn]] void fail_different_rows() {
    throw std::logic_error("rows differ from one pass to the next");
}

}  // namespace

RankSelect::RankSelect(std::span<const std::uint64_t> sizes, MemoryResource& memory)
    : sizes_(sizes),
      targets_(&memory),
      intervals_(&memory),
      bases_(&memory),
      next_(&memory),
      list_starts_(&memory),
      counters_(&memory),
      keys_(&memory) {
    for (std::uint64_t size : sizes)
        if (size >= kMaxRows)
            throw Error(Errc::kTooBig, format("more than %llu rows cannot be ranked",
                                              static_cast<unsigned long long>(kMaxRows - 1)));
}

// One interval for each list that has a target.
void RankSelect::make_intervals(std::uint64_t base, std::uint64_t span) {
    std::sort(targets_.begin(), targets_.end());
    targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
    const auto count = static_cast<std::uint32_t>(targets_.size());
    for (std::uint32_t first = 0, end = 0; first < count; first = end) {
        const std::uint32_t list = targets_[first].list;
        for (end = first; end < count && targets_[end].list == list; ++end)
            if (targets_[end].rank == 0 || targets_[end].rank > sizes_[list])
                throw std::logic_error("rank beyond its list");
        intervals_.push_back({.base = base,
                              .span = span,
                              .below = 0,
                              .rows = sizes_[list],
                              .list = list,
                              .first_target = first,
                              .end_target = end});
    }
    start_pass();
}

void RankSelect::begin() {
    make_intervals(0, ~std::uint64_t{0});
    if (pass_ == Pass::kCount && intervals_.size() * kWindowParts <= kCounters) {
        pass_ = Pass::kWindow;
        for (std::size_t i = 0; i < intervals_.size(); ++i) {
            intervals_[i].counters = counters_.data() + i * kWindowParts;
            intervals_[i].shift = kWindowShift;
        }
    }
}

void RankSelect::begin(std::uint64_t lowest_key, std::uint64_t highest_key) {
    make_intervals(lowest_key, highest_key - lowest_key);
}

// Decides what the next pass does, and makes room for it.
void RankSelect::start_pass() {
    list_starts_.assign(sizes_.size() + 1, 0);
    bases_.clear();
    std::uint64_t rows = 0;
    for (const Interval& interval : intervals_) {
        ++list_starts_[interval.list + 1];
        bases_.push_back(interval.base);
        rows += interval.rows;
    }
    for (std::size_t list = 0; list < sizes_.size(); ++list)
        list_starts_[list + 1] += list_starts_[list];
    if (intervals_.empty())
        return;
    pass_ = rows <= kKeys ? Pass::kCollect : Pass::kCount;
    if (pass_ == Pass::kCollect)
        share_keys(rows);
    else
        share_counters();
}

void RankSelect::share_keys(std::uint64_t rows) {
    keys_.resize(rows);
    std::uint64_t* keys = keys_.data();
    for (Interval& interval : intervals_) {
        interval.keys = keys;
        interval.end = keys;
        keys += interval.rows;
    }
}

void RankSelect::share_counters() {
    counters_.assign(kCounters, 0);
    const auto bits_of = [](std::uint64_t x) { return static_cast<int>(std::bit_width(x)); };
    const int part_bits = bits_of(kCounters / intervals_.size()) - 1;
    std::uint32_t* counters = counters_.data();
    for (Interval& interval : intervals_) {
        interval.shift = static_cast<unsigned>(std::max(0, bits_of(interval.span) - part_bits));
        interval.counters = counters;
        interval.any = 0;
        interval.every = ~std::uint64_t{0};
        counters += std::size_t{1} << part_bits;
    }
}

void RankSelect::keep(Interval& interval, std::uint64_t offset) {
    if (interval.end == interval.keys + interval.rows)
        fail_different_rows();
    *interval.end++ = interval.base + offset;
}

void RankSelect::finish_pass() {
    next_.clear();
    for (const Interval& interval : intervals_) {
        if (pass_ == Pass::kCollect)
            sort_collected(interval);
        else
            split(interval);
    }
    intervals_.swap(next_);
    start_pass();
}

void RankSelect::sort_collected(const Interval& interval) {
    if (interval.end != interval.keys + interval.rows)
        fail_different_rows();
    std::sort(interval.keys, interval.end);
    for (std::uint32_t t = interval.first_target; t < interval.end_target; ++t)
        targets_[t].key = interval.keys[targets_[t].rank - interval.below - 1];
}

// The keys of a counted part.
RankSelect::Part RankSelect::part_of(const Interval& interval, std::uint64_t number) const {
    if (pass_ != Pass::kWindow) {
        const std::uint64_t first = number << interval.shift;
        const std::uint64_t last = first | ((std::uint64_t{1} << interval.shift) - 1);
        return {interval.base + first, std::min(last, interval.span) - first, true};
    }
    if (number == 0)
        return {0, kWindowFirst + (std::uint64_t{1} << kWindowShift) - 1, false};
    const std::uint64_t first = kWindowFirst + (number << kWindowShift);
    if (number == kWindowParts - 1)
        return {first, ~first, false};
    return {first, (std::uint64_t{1} << kWindowShift) - 1, true};
}

// Finds the parts that hold wanted ranks. Where all keys have the same low bits, as integers have, a part is
// a single key and the answer.
void RankSelect::split(const Interval& interval) {
    const std::uint64_t parts = pass_ == Pass::kWindow ? kWindowParts : (interval.span >> interval.shift) + 1;
    const std::uint64_t low_mask = (std::uint64_t{1} << interval.shift) - 1;
    const bool exact = ((interval.any ^ interval.every) & low_mask) == 0;
    std::uint64_t below = interval.below;
    std::uint64_t number = 0;
    for (std::uint32_t t = interval.first_target; t < interval.end_target;) {
        while (targets_[t].rank > below + interval.counters[number]) {
            below += interval.counters[number++];
            if (number == parts)
                fail_different_rows();
        }
        const std::uint32_t first = t;
        const std::uint64_t rows = interval.counters[number];
        while (t < interval.end_target && targets_[t].rank <= below + rows)
            ++t;
        const Part part = part_of(interval, number);
        if (exact && part.equal)
            for (std::uint32_t i = first; i < t; ++i)
                targets_[i].key = part.base + (interval.every & low_mask);
        else
            next_.push_back({.base = part.base,
                             .span = part.span,
                             .below = below,
                             .rows = rows,
                             .list = interval.list,
                             .first_target = first,
                             .end_target = t});
    }
}

double RankSelect::value(std::uint32_t list, std::uint64_t rank) const {
    const Target wanted{list, rank, 0};
    const auto found = std::lower_bound(targets_.begin(), targets_.end(), wanted);
    if (found == targets_.end() || !(*found == wanted))
        throw std::logic_error("rank was not asked for");
    return value_of_key(found->key);
}

}  // namespace seg::core::rfm
