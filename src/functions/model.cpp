// segment.predict: rows through a model that knows how to prepare them.
#include <new>

#include "backend/query.hpp"
#include "backend/result.hpp"
#include "backend/seen_snapshot.hpp"

#include "functions/model_scorer.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringView;
using functions::Scorer;

// What predict keeps from row to row, in fn_extra: the scorer, and what it was asked for.
class ScorerCache {
  public:
    static ScorerCache& of(FunctionCallInfo fcinfo) {
        if (fcinfo->flinfo->fn_extra == nullptr) {
            const MemoryContext home = fcinfo->flinfo->fn_mcxt;
            fcinfo->flinfo->fn_extra = call([home]() noexcept {
                auto* made = static_cast<ScorerCache*>(MemoryContextAllocZero(home, sizeof(ScorerCache)));
                made->memory_ = AllocSetContextCreate(home, "pg_segment predict", ALLOCSET_SMALL_SIZES);
                return made;
            });
        }
        return *static_cast<ScorerCache*>(fcinfo->flinfo->fn_extra);
    }

    // The scorer of a model that is an argument: the one of the last row as long as its bytes are the same.
    Scorer& with_model(const struct varlena* raw) {
        if (!asked_for(raw))
            replace(raw, raw, 0);
        return *scorer_;
    }

    // The scorer of a model by name; version 0 for the latest. Looked up again when a query could see
    // another one: inside PL/pgSQL this cache outlives the statement.
    Scorer& with_name(const struct varlena* name, std::int32_t version) {
        if (asked_for(name) && version_ == version && snapshot_.is_current())
            return *scorer_;
        scorer_ = nullptr;
        const Datum model = look_up(PointerGetDatum(name), version);
        replace(name, reinterpret_cast<const struct varlena*>(DatumGetPointer(model)), version);
        snapshot_.take(memory_);
        return *scorer_;
    }

  private:
    bool asked_for(const struct varlena* raw) const {
        return scorer_ != nullptr && raw_size_ == VARSIZE_ANY(raw) && memcmp(raw_, raw, raw_size_) == 0;
    }

    // With the rights of the caller. In the current context.
    static Datum look_up(Datum name, std::int32_t version) {
        const MemoryContext home = CurrentMemoryContext;
        Datum found = 0;
        auto take = [&](TupleTableSlot* row) {
            auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(column(row, 1).value));
            found = call([home, value]() noexcept {
                MemoryContext previous = MemoryContextSwitchTo(home);
                const Datum copy = PointerGetDatum(pg_detoast_datum_copy(value));
                MemoryContextSwitchTo(previous);
                return copy;
            });
        };
        if (version == 0)
            for_each_row("SELECT segment.model_get($1, NULL::pg_catalog.int4)", {{TEXTOID, name}}, take);
        else
            for_each_row("SELECT segment.model_get($1, $2)",
                         {{TEXTOID, name}, {INT4OID, Int32GetDatum(version)}}, take);
        return found;
    }

    void replace(const struct varlena* raw, const struct varlena* model, std::int32_t version) {
        scorer_ = nullptr;
        const Size size = VARSIZE_ANY(raw);
        void* place = call([this, raw, size, model]() noexcept {
            MemoryContextReset(memory_);
            MemoryContext previous = MemoryContextSwitchTo(memory_);
            raw_ = memcpy(palloc(size), raw, size);
            image_ = pg_detoast_datum_copy(const_cast<struct varlena*>(model));
            void* made = palloc(sizeof(Scorer));
            MemoryContextSwitchTo(previous);
            return made;
        });
        raw_size_ = size;
        version_ = version;
        scorer_ = new (place) Scorer(image_of(static_cast<const struct varlena*>(image_)), memory_);
    }

    MemoryContext memory_;
    const void* raw_;
    Size raw_size_;
    std::int32_t version_;
    struct varlena* image_;
    Scorer* scorer_;
    SeenSnapshot snapshot_;
};

const struct varlena* raw_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    return reinterpret_cast<const struct varlena*>(DatumGetPointer(required(fcinfo, number, name)));
}

}  // namespace

std::span<const std::byte> seg::functions::preparation_of(const ClusteringView& model) {
    if (model.preparation().empty())
        throw core::Error(core::Errc::kInvalidArgument, "the model does not say how to prepare rows", {},
                          "Score arrays of its features with segment.cluster_id, or attach a preparation "
                          "with segment.with_preparation.");
    return model.preparation();
}

// predict(model, row) -> int; NULL for a row that the preparation skips
PGSEG_FUNCTION(pgseg_predict_model) {
    Scorer& scorer = ScorerCache::of(fcinfo).with_model(raw_argument(fcinfo, 0, "model"));
    const std::int32_t cluster = scorer.cluster_of(PG_GETARG_DATUM(1));
    if (cluster == 0)
        PG_RETURN_NULL();
    PG_RETURN_INT32(cluster);
}

// predict(name, row, version) -> int; the same with a stored model, version NULL for the latest
PGSEG_FUNCTION(pgseg_predict_name) {
    const struct varlena* name = raw_argument(fcinfo, 0, "model_name");
    if (PG_ARGISNULL(1))
        PG_RETURN_NULL();
    std::int32_t version = 0;
    if (!PG_ARGISNULL(2)) {
        version = PG_GETARG_INT32(2);
        if (version < 1)
            throw core::Error(core::Errc::kInvalidArgument,
                              core::format("\"version\" must be at least 1, not %d", version));
    }
    const std::int32_t cluster =
        ScorerCache::of(fcinfo).with_name(name, version).cluster_of(PG_GETARG_DATUM(1));
    if (cluster == 0)
        PG_RETURN_NULL();
    PG_RETURN_INT32(cluster);
}

// model_columns(model) -> name[]: the columns that rows must have, in the preparation's order
PGSEG_FUNCTION(pgseg_model_columns) {
    const ClusteringView model(image_of(detoasted(PG_GETARG_DATUM(0))));
    const core::preparation::PreparationView preparation(functions::preparation_of(model));
    const int count = preparation.column_count();
    auto* names = call(
        [count]() noexcept { return static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(count))); });
    for (int c = 0; c < count; ++c) {
        const std::string_view name = preparation.column(c).name;
        const char* letters = name.data();
        const auto length = static_cast<Size>(name.size());
        names[c] = call([letters, length]() noexcept {
            auto* copy = static_cast<NameData*>(palloc0(NAMEDATALEN));
            memcpy(NameStr(*copy), letters, Min(length, NAMEDATALEN - 1));
            return NameGetDatum(copy);
        });
    }
    return call([names, count]() noexcept {
        return PointerGetDatum(construct_array(names, count, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
    });
}
