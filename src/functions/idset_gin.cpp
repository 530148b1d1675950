// GIN indexes over sets: which rows' sets have these ids. For tables of many small sets.
#include "functions/idset_arguments.hpp"

#include <algorithm>
#include <span>

#include "core/idset/id_cursor.hpp"

#include "backend/guard.hpp"
#include "backend/interrupt.hpp"

extern "C" {
#include "access/gin.h"
#include "access/stratnum.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

// As in the operator class.
constexpr StrategyNumber kOverlaps = 1;
constexpr StrategyNumber kContains = 2;
constexpr StrategyNumber kContainsId = 3;
constexpr StrategyNumber kEquals = 4;
constexpr StrategyNumber kContained = 5;

// A set with more ids would take this many index entries for one row.
constexpr std::int64_t kMostIndexedIds = 1000000;
// What a search looks for: the server compares its keys in pairs, so more of them do not pay. Rows that have
// these ids of the query, or ids in these stretches, are then tested against the query itself.
constexpr std::int64_t kSearchedIds = 100;
constexpr std::uint64_t kSearchedStretches = 1000;

template <typename T>
T* allocated(std::size_t count) {
    return call([count]() noexcept { return static_cast<T*>(palloc0(count * sizeof(T))); });
}

// What extractQuery returns, in the server's arrays.
struct Keys {
    Datum* values = nullptr;
    bool* partial = nullptr;
    Pointer* ends = nullptr;  // of a stretch, its last id
    std::int32_t count = 0;

    explicit Keys(std::size_t most)
        : values(allocated<Datum>(most)), partial(allocated<bool>(most)), ends(allocated<Pointer>(most)) {}

    void add(const Stretch& stretch) {
        values[count] = Int64GetDatum(stretch.lowest);
        if (stretch.lowest != stretch.highest) {
            auto* end = allocated<std::int64_t>(1);
            *end = stretch.highest;
            partial[count] = true;
            ends[count] = reinterpret_cast<Pointer>(end);
        }
        ++count;
    }
};

// The lowest ids, which a set that has them all must have.
Keys some_ids(const SetView& set) {
    Keys keys(static_cast<std::size_t>(std::min(set.cardinality(), kSearchedIds)));
    IdCursor ids(set);
    for (std::int64_t id = 0; keys.count < kSearchedIds && ids.next(id);)
        keys.add({id, id});
    return keys;
}

// Stretches that cover the set: its ids if they are few, its own, or groups of equally many of these.
Keys cover(const SetView& set) {
    if (set.cardinality() <= kSearchedIds)
        return some_ids(set);
    ServerInterrupt interrupt;
    std::uint64_t stretches = 0;
    for_each_stretch(set, interrupt, [&stretches](const Stretch&) { ++stretches; });
    const std::uint64_t group = (stretches + kSearchedStretches - 1) / kSearchedStretches;
    Keys keys(std::min(stretches, kSearchedStretches));
    Stretch gathered{};
    std::uint64_t in_group = 0;
    for_each_stretch(set, interrupt, [&](const Stretch& stretch) {
        if (in_group == 0)
            gathered.lowest = stretch.lowest;
        gathered.highest = stretch.highest;
        if (++in_group == group) {
            keys.add(gathered);
            in_group = 0;
        }
    });
    if (in_group != 0)
        keys.add(gathered);
    return keys;
}

Keys one_id(std::int64_t id) {
    Keys keys(1);
    keys.add({id, id});
    return keys;
}

// How far the index must look when the keys say nothing: everywhere for a query that every set answers, at
// the empty sets where they may be an answer.
std::int32_t search_mode(StrategyNumber strategy, std::int32_t keys) {
    if (strategy == kContains && keys == 0)
        return GIN_SEARCH_MODE_ALL;
    if (strategy == kContained || (strategy == kEquals && keys == 0))
        return GIN_SEARCH_MODE_INCLUDE_EMPTY;
    return GIN_SEARCH_MODE_DEFAULT;
}

Keys keys_of(FunctionCallInfo fcinfo, StrategyNumber strategy) {
    if (strategy == kContainsId)
        return one_id(PG_GETARG_INT64(0));
    const SetView query = SetArgument(fcinfo, 0).view();
    return strategy == kContains || strategy == kEquals ? some_ids(query) : cover(query);
}

// What the keys found in a set say about it.
GinTernaryValue verdict(StrategyNumber strategy, std::span<const GinTernaryValue> found) {
    const auto is = [](GinTernaryValue value) {
        return [value](GinTernaryValue key) { return key == value; };
    };
    switch (strategy) {
        case kContainsId:
            return found[0];
        case kOverlaps:
            return std::all_of(found.begin(), found.end(), is(GIN_FALSE)) ? GIN_FALSE : GIN_MAYBE;
        case kContains:
        case kEquals:
            return std::any_of(found.begin(), found.end(), is(GIN_FALSE)) ? GIN_FALSE : GIN_MAYBE;
        default:
            return GIN_MAYBE;
    }
}

}  // namespace

// extract_value(set, nkeys) -> its ids
PGSEG_FUNCTION(pgseg_idset_gin_extract_value) {
    auto* count = reinterpret_cast<std::int32_t*>(PG_GETARG_POINTER(1));
    const SetArgument argument(fcinfo, 0);
    const std::int64_t cardinality = argument.summary().cardinality;
    if (cardinality > kMostIndexedIds)
        throw core::Error(
            core::Errc::kTooBig,
            core::format("set of %lld ids is too large for a GIN index", static_cast<long long>(cardinality)),
            core::format("A GIN index takes sets of at most %lld ids.",
                         static_cast<long long>(kMostIndexedIds)),
            "GIN indexes are for tables of many small sets; to leave out large ones, give the "
            "index a WHERE clause on segment.cardinality.");
    auto* ids = allocated<Datum>(static_cast<std::size_t>(cardinality));
    *count = 0;
    IdCursor cursor(argument.view());
    for (std::int64_t id = 0; cursor.next(id);)
        ids[(*count)++] = Int64GetDatum(id);
    PG_RETURN_POINTER(ids);
}

// extract_query(set or id, nkeys, strategy, pmatch, extra_data, nullFlags, searchMode) -> keys
PGSEG_FUNCTION(pgseg_idset_gin_extract_query) {
    const StrategyNumber strategy = PG_GETARG_UINT16(2);
    const Keys keys = keys_of(fcinfo, strategy);
    *reinterpret_cast<std::int32_t*>(PG_GETARG_POINTER(1)) = keys.count;
    *reinterpret_cast<bool**>(PG_GETARG_POINTER(3)) = keys.partial;
    *reinterpret_cast<Pointer**>(PG_GETARG_POINTER(4)) = keys.ends;
    *reinterpret_cast<std::int32_t*>(PG_GETARG_POINTER(6)) = search_mode(strategy, keys.count);
    PG_RETURN_POINTER(keys.values);
}

// compare_partial(first id of a stretch, id in the index, strategy, last id of the stretch)
PGSEG_FUNCTION(pgseg_idset_gin_compare_partial) {
    const auto* end = reinterpret_cast<const std::int64_t*>(PG_GETARG_POINTER(3));
    PG_RETURN_INT32(PG_GETARG_INT64(1) <= *end ? 0 : 1);
}

// consistent(check, strategy, query, nkeys, extra_data, recheck, ...). All but a single id is tested again on
// the row: the index knows neither all ids of a query nor the dictionary of a set.
PGSEG_FUNCTION(pgseg_idset_gin_consistent) {
    static_assert(sizeof(bool) == sizeof(GinTernaryValue) && GIN_FALSE == 0 && GIN_TRUE == 1);
    const auto* found = reinterpret_cast<const GinTernaryValue*>(PG_GETARG_POINTER(0));
    const auto strategy = PG_GETARG_UINT16(1);
    *reinterpret_cast<bool*>(PG_GETARG_POINTER(5)) = strategy != kContainsId;
    const auto count = static_cast<std::size_t>(PG_GETARG_INT32(3));
    PG_RETURN_BOOL(verdict(strategy, {found, count}) != GIN_FALSE);
}

// triconsistent(check, strategy, query, nkeys, ...): the same with keys that may not be known yet
PGSEG_FUNCTION(pgseg_idset_gin_triconsistent) {
    const auto* found = reinterpret_cast<const GinTernaryValue*>(PG_GETARG_POINTER(0));
    const auto count = static_cast<std::size_t>(PG_GETARG_INT32(3));
    PG_RETURN_GIN_TERNARY_VALUE(verdict(PG_GETARG_UINT16(1), {found, count}));
}
