// segment.rfm_segment: the name of three scores in a map of segment.rfm_map.
#include "core/rfm/segment_names.hpp"

#include <cstring>
#include <new>
#include <string_view>

#include "backend/arguments.hpp"
#include "backend/guard.hpp"
#include "backend/memory.hpp"

extern "C" {
#include "access/xact.h"
#include "executor/spi.h"
#include "utils/snapmgr.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using core::rfm::NameRule;
using core::rfm::SegmentNames;

// Which version of the map table a statement sees: equal keys see the same rows. A snapshot tells what others
// have committed and which of this transaction's own commands count; the subtransaction tells those apart
// that were rolled back since.
struct VersionKey {
    TransactionId xmin;
    TransactionId xmax;
    CommandId command;
    SubTransactionId subtransaction;
    TimestampTz transaction_start;
    uint32 running_count;
    uint32 running_sub_count;
    bool sub_overflowed;
    bool in_recovery;
    const TransactionId* running;
    const TransactionId* running_sub;

    bool operator==(const VersionKey& other) const {
        return xmin == other.xmin && xmax == other.xmax && command == other.command &&
               subtransaction == other.subtransaction && transaction_start == other.transaction_start &&
               running_count == other.running_count && running_sub_count == other.running_sub_count &&
               sub_overflowed == other.sub_overflowed && in_recovery == other.in_recovery &&
               same_ids(running, other.running, running_count) &&
               same_ids(running_sub, other.running_sub, running_sub_count);
    }

  private:
    static bool same_ids(const TransactionId* a, const TransactionId* b, uint32 count) {
        return count == 0 || std::memcmp(a, b, count * sizeof(TransactionId)) == 0;
    }
};

VersionKey current_version() {
    const Snapshot snapshot = GetActiveSnapshot();
    return {snapshot->xmin,
            snapshot->xmax,
            snapshot->curcid,
            GetCurrentSubTransactionId(),
            GetCurrentTransactionStartTimestamp(),
            snapshot->xcnt,
            static_cast<uint32>(snapshot->subxcnt),
            snapshot->suboverflowed,
            snapshot->takenDuringRecovery,
            snapshot->xip,
            snapshot->subxip};
}

// A row of the map as it comes from the server: ends of the three ranges, and the name.
struct LoadedRow {
    std::int64_t ends[6];
    struct varlena* name;
};

struct LoadedRows {
    LoadedRow* rows;
    std::uint64_t count;
};

#define PGSEG_ENDS(score)                                                                  \
    "CASE WHEN pg_catalog.isempty(" score                                                  \
    ") THEN 1 "                                                                            \
    "ELSE COALESCE(pg_catalog.lower(" score                                                \
    "), -2147483648) END::pg_catalog.int8, "                                               \
    "CASE WHEN pg_catalog.isempty(" score ") THEN 0 ELSE COALESCE(pg_catalog.upper(" score \
    ")::pg_catalog.int8 OPERATOR(pg_catalog.-) 1::pg_catalog.int8, 2147483647::pg_catalog.int8) END"

// The winning order: by priority, the fallback last. NULL until the first call; the server keeps the plan
// valid.
SPIPlanPtr load_plan;

// Runs as part of a server call.
SPIPlanPtr plan_of_load() {
    if (load_plan != nullptr)
        return load_plan;
    Oid type = TEXTOID;
    SPIPlanPtr plan = SPI_prepare("SELECT " PGSEG_ENDS("r") ", " PGSEG_ENDS("f") ", " PGSEG_ENDS("m") ", name "
                                  "FROM segment.rfm_map WHERE map OPERATOR(pg_catalog.=) $1 "
                                  "ORDER BY fallback, priority",
                                  1, &type);
    if (plan == nullptr || SPI_keepplan(plan) != 0)
        elog(ERROR, "could not prepare reading an RFM map: %s", SPI_result_code_string(SPI_result));
    load_plan = plan;
    return plan;
}

// Runs as part of a server call.
LoadedRow read_row(HeapTuple tuple, TupleDesc descriptor, MemoryContext home) {
    LoadedRow row;
    bool null = false;
    for (int i = 0; i < 6; ++i)
        row.ends[i] = DatumGetInt64(SPI_getbinval(tuple, descriptor, i + 1, &null));
    MemoryContext previous = MemoryContextSwitchTo(home);
    row.name = pg_detoast_datum_copy(
        reinterpret_cast<struct varlena*>(DatumGetPointer(SPI_getbinval(tuple, descriptor, 7, &null))));
    MemoryContextSwitchTo(previous);
    return row;
}

LoadedRows load_rows(const struct varlena* map, MemoryContext home) {
    return call([map, home]() noexcept {
        SPI_connect();
        Datum argument = PointerGetDatum(map);
        const int code = SPI_execute_plan(plan_of_load(), &argument, nullptr, true, 0);
        if (code != SPI_OK_SELECT)
            elog(ERROR, "could not read an RFM map: %s", SPI_result_code_string(code));
        LoadedRows result = {nullptr, SPI_processed};
        result.rows =
            static_cast<LoadedRow*>(MemoryContextAllocHuge(home, sizeof(LoadedRow) * (SPI_processed + 1)));
        for (std::uint64_t i = 0; i < SPI_processed; ++i)
            result.rows[i] = read_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, home);
        SPI_finish();
        return result;
    });
}

core::rfm::ScoreRange score_range(const std::int64_t* ends) {
    constexpr core::rfm::ScoreRange kNone = {1, 0};
    if (ends[1] < ends[0])
        return kNone;
    return {static_cast<std::int32_t>(ends[0]), static_cast<std::int32_t>(ends[1])};
}

// A map in the memory of a call site.
struct LoadedMap {
    const struct varlena* map;
    const LoadedRow* rows;
    SegmentNames names;
    const LoadedMap* next;

    std::string_view name() const {
        return {VARDATA_ANY(map), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(map))};
    }
};

// The maps that one call site has asked for, as of one version of the table.
class MapCache {
  public:
    static MapCache& of(FunctionCallInfo fcinfo) {
        if (fcinfo->flinfo->fn_extra == nullptr) {
            MemoryContext home = fcinfo->flinfo->fn_mcxt;
            const Places places = call([home]() noexcept {
                MemoryContext memory = AllocSetContextCreate(home, "RFM maps", ALLOCSET_SMALL_SIZES);
                return Places{MemoryContextAlloc(home, sizeof(MapCache)), memory};
            });
            fcinfo->flinfo->fn_extra = new (places.cache) MapCache(places.memory);
        }
        return *static_cast<MapCache*>(fcinfo->flinfo->fn_extra);
    }

    const LoadedMap& get(Datum map) {
        const struct varlena* value = reinterpret_cast<struct varlena*>(DatumGetPointer(map));
        if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value))
            value = detoasted(map);
        const std::string_view name = {VARDATA_ANY(value),
                                       static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))};
        forget_unless_current();
        for (const LoadedMap* known = first_; known != nullptr; known = known->next)
            if (known->name() == name)
                return *known;
        return load(value);
    }

  private:
    struct Places {
        void* cache;
        MemoryContext memory;
    };

    explicit MapCache(MemoryContext memory)
        : memory_(memory), resource_(memory, ContextResource::Limit::kNone) {}

    // Keeps the maps only while the table is certain to look the same.
    void forget_unless_current() {
        if (first_ != nullptr && ActiveSnapshotSet() && version_ == current_version())
            return;
        first_ = nullptr;
        MemoryContext memory = memory_;
        call([memory]() noexcept { MemoryContextReset(memory); });
        if (ActiveSnapshotSet())
            remember_version();
    }

    void remember_version() {
        version_ = current_version();
        version_.running = copy(version_.running, version_.running_count);
        version_.running_sub = copy(version_.running_sub, version_.running_sub_count);
    }

    const TransactionId* copy(const TransactionId* ids, uint32 count) {
        if (count == 0)
            return nullptr;
        void* place = resource_.allocate(count * sizeof(TransactionId), alignof(TransactionId));
        return static_cast<TransactionId*>(std::memcpy(place, ids, count * sizeof(TransactionId)));
    }

    const LoadedMap& load(const struct varlena* map) {
        MemoryContext memory = memory_;
        const LoadedRows loaded = load_rows(map, memory);
        if (loaded.count == 0)
            throw core::Error(core::Errc::kInvalidArgument,
                              core::format("RFM map \"%.*s\" does not exist",
                                           static_cast<int>(VARSIZE_ANY_EXHDR(map)), VARDATA_ANY(map)),
                              {}, "The maps are the rows of segment.rfm_map.");
        auto* rules =
            static_cast<NameRule*>(resource_.allocate(loaded.count * sizeof(NameRule), alignof(NameRule)));
        for (std::uint64_t i = 0; i < loaded.count; ++i) {
            const std::int64_t* ends = loaded.rows[i].ends;
            rules[i] = {score_range(ends), score_range(ends + 2), score_range(ends + 4)};
        }
        const struct varlena* own_map = call([map, memory]() noexcept {
            return static_cast<const struct varlena*>(
                memcpy(MemoryContextAlloc(memory, VARSIZE_ANY(map)), map, VARSIZE_ANY(map)));
        });
        void* place = resource_.allocate(sizeof(LoadedMap), alignof(LoadedMap));
        first_ = new (place)
            LoadedMap{own_map, loaded.rows, SegmentNames({rules, loaded.count}, &resource_), first_};
        return *first_;
    }

    MemoryContext memory_;
    ContextResource resource_;
    VersionKey version_ = {};
    const LoadedMap* first_ = nullptr;
};

}  // namespace

// rfm_segment(r, f, m, map) -> name
PGSEG_FUNCTION(pgseg_rfm_segment) {
    const LoadedMap& map = MapCache::of(fcinfo).get(PG_GETARG_DATUM(3));
    const auto found = map.names.find(PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2));
    if (!found)
        PG_RETURN_NULL();
    // In the caller's memory: the map's own may be gone while the caller still looks at the name.
    const struct varlena* name = map.rows[*found].name;
    ContextResource result(CurrentMemoryContext, ContextResource::Limit::kNone);
    void* copy = result.allocate(VARSIZE_ANY(name), MAXIMUM_ALIGNOF);
    PG_RETURN_POINTER(std::memcpy(copy, name, VARSIZE_ANY(name)));
}
