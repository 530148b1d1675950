#include "core/idset/selectivity.hpp"

#include <algorithm>
#include <bit>

namespace seg::core::idset {
namespace {

// Bounds that must be expected in the set before their number says anything.
constexpr double kTellingHits = 5;

// Ranks of ascending ids, in one walk over the chunks.
class RankWalk {
  public:
    RankWalk(const SetView& set, Interrupt& interrupt) : chunks_(set), meter_(interrupt) {}

    // Number of ids of the set that are at most id.
    std::uint64_t rank(std::int64_t id) {
        const std::uint64_t key = key_of(id);
        for (; !chunks_.done() && chunks_.chunk().last_key() < key; chunks_.next(), meter_.done(1))
            before_ += chunks_.chunk().ids();
        if (chunks_.done() || chunks_.chunk().key > key)
            return before_;
        const Chunk& chunk = chunks_.chunk();
        return before_ + (key - chunk.key) * kChunkIds + rank_in_chunk(chunk, low_of(id));
    }

  private:
    ChunkCursor chunks_;
    WorkMeter meter_;
    std::uint64_t before_ = 0;  // ids in earlier chunks
};

// The share of all rows that have a common id of the set; these ids into `hits`, ascending.
double common_hits(const SetView& set, const ColumnSummary& column, Vector<std::int64_t>& hits) {
    double share = 0;
    for (std::size_t i = 0; i < column.common.size(); ++i)
        if (set.contains(column.common[i])) {
            share += column.common_shares[i];
            hits.push_back(column.common[i]);
        }
    std::sort(hits.begin(), hits.end());
    return share;
}

// Of the rows whose id is not common, as two models have it.
struct Models {
    double gaps;    // the set's ids are spread over all numbers of their bucket
    double column;  // they are ids of the column as long as it has any left
};

Models share_in_buckets(const SetView& set, const ColumnSummary& column, double distinct,
                        const Vector<std::int64_t>& common_in_set, Interrupt& interrupt) {
    const auto& bounds = column.bounds;
    const auto buckets = static_cast<double>(bounds.size() - 1);
    RankWalk walk(set, interrupt);
    Models sum{0, 0};
    std::uint64_t rank_before = walk.rank(bounds[0]) - (set.contains(bounds[0]) ? 1 : 0);
    auto common = std::lower_bound(common_in_set.begin(), common_in_set.end(), bounds[0]);
    for (std::size_t i = 1; i < bounds.size(); ++i) {
        const std::uint64_t rank = walk.rank(bounds[i]);
        const auto common_end = std::upper_bound(common, common_in_set.end(), bounds[i]);
        const double numbers =
            static_cast<double>(ordered(bounds[i]) - ordered(bounds[i - 1])) + (i == 1 ? 1.0 : 0.0);
        const double ids = static_cast<double>(rank - rank_before) - static_cast<double>(common_end - common);
        if (numbers < 1) {  // one id fills the bucket
            const double hit = set.contains(bounds[i]) ? 1 : 0;
            sum.gaps += hit;
            sum.column += hit;
        } else {
            sum.gaps += std::min(1.0, ids / numbers);
            sum.column += std::min(1.0, ids / std::clamp(distinct / buckets, 1.0, numbers));
        }
        rank_before = rank;
        common = common_end;
    }
    return {sum.gaps / buckets, sum.column / buckets};
}

double share_of_others(const SetView& set, const ColumnSummary& column,
                       const Vector<std::int64_t>& common_in_set, Interrupt& interrupt) {
    const double distinct = std::max(1.0, column.distinct - static_cast<double>(column.common.size()));
    if (column.bounds.size() < 2) {
        const double ids = static_cast<double>(set.cardinality()) - static_cast<double>(common_in_set.size());
        return std::min(1.0, ids / distinct);
    }
    const Models models = share_in_buckets(set, column, distinct, common_in_set, interrupt);
    const auto bounds = static_cast<double>(column.bounds.size());
    if (models.column * bounds < kTellingHits)
        return models.column;
    const auto hits = static_cast<double>(std::count_if(
        column.bounds.begin(), column.bounds.end(), [&set](std::int64_t id) { return set.contains(id); }));
    return std::clamp(hits / bounds, models.gaps, models.column);
}

}  // namespace

double share_of_rows(const SetView& set, const ColumnSummary& column, MemoryResource* memory,
                     Interrupt& interrupt) {
    if (set.empty())
        return 0;
    Vector<std::int64_t> common_in_set(memory);
    const double common = common_hits(set, column, common_in_set);
    double others = 1 - column.null_share;
    for (const float share : column.common_shares)
        others -= share;
    if (others > 0)
        others *= share_of_others(set, column, common_in_set, interrupt);
    return std::clamp(common + std::max(0.0, others), 0.0, 1.0);
}

}  // namespace seg::core::idset
