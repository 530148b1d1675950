// segment.preparation: the value, and rows through it.
#include "core/preparation/preparation.hpp"

#include <new>

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/result.hpp"

#include "functions/preparation_info.hpp"
#include "functions/preparation_json.hpp"
#include "functions/preparation_row.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::preparation::PreparationView;
using functions::RecordPreparation;

PreparationView preparation_argument(FunctionCallInfo fcinfo) {
    return PreparationView(image_of(detoasted(PG_GETARG_DATUM(0))));
}

// What prepare() keeps from row to row, while the bytes of its first argument stay the same. For a toasted
// value these are the bytes of the pointer, so it is fetched once.
class PrepareCache {
  public:
    static RecordPreparation& get(FunctionCallInfo fcinfo) {
        auto* cache = static_cast<PrepareCache*>(fcinfo->flinfo->fn_extra);
        if (cache == nullptr)
            cache = create(fcinfo);
        const auto* raw = reinterpret_cast<const struct varlena*>(PG_GETARG_POINTER(0));
        const Size size = VARSIZE_ANY(raw);
        if (cache->preparation_ == nullptr || cache->raw_size_ != size || memcmp(cache->raw_, raw, size) != 0)
            cache->replace(raw, size);
        return *cache->preparation_;
    }

  private:
    static PrepareCache* create(FunctionCallInfo fcinfo) {
        const MemoryContext home = fcinfo->flinfo->fn_mcxt;
        auto* cache = call([home]() noexcept {
            auto* made = static_cast<PrepareCache*>(MemoryContextAllocZero(home, sizeof(PrepareCache)));
            made->memory_ = AllocSetContextCreate(home, "pg_segment prepare", ALLOCSET_SMALL_SIZES);
            return made;
        });
        fcinfo->flinfo->fn_extra = cache;
        return cache;
    }

    void replace(const struct varlena* raw, Size size) {
        preparation_ = nullptr;
        void* place = call([this, raw, size]() noexcept {
            MemoryContextReset(memory_);
            MemoryContext previous = MemoryContextSwitchTo(memory_);
            raw_ = memcpy(palloc(size), raw, size);
            raw_size_ = size;
            image_ = pg_detoast_datum_copy(const_cast<struct varlena*>(raw));
            void* made = palloc(sizeof(RecordPreparation));
            MemoryContextSwitchTo(previous);
            return made;
        });
        preparation_ =
            new (place) RecordPreparation(image_of(static_cast<const struct varlena*>(image_)), memory_);
    }

    MemoryContext memory_;
    const void* raw_;
    Size raw_size_;
    struct varlena* image_;
    RecordPreparation* preparation_;
};

}  // namespace

PGSEG_FUNCTION(pgseg_preparation_in) {
    JsonReader json(json_tokens_of_text(PG_GETARG_CSTRING(0)));
    TemporaryContext context(ContextResource::Limit::kNone);
    const functions::JsonPreparation preparation = functions::read_preparation(json, &context.resource());
    struct varlena* value = new_varlena(image_size(preparation.parts()));
    write_preparation(preparation.parts(), image_of(value));
    PreparationView::validate(body_of(value));
    PG_RETURN_POINTER(value);
}

PGSEG_FUNCTION(pgseg_preparation_out) {
    const PreparationView preparation = preparation_argument(fcinfo);
    TemporaryContext context(ContextResource::Limit::kNone);
    core::Vector<char> bytes(&context.resource());
    core::JsonWriter json(bytes);
    append_json(preparation, json);
    bytes.push_back(0);
    const char* source = bytes.data();
    PG_RETURN_CSTRING(call([source]() noexcept { return pstrdup(source); }));
}

PGSEG_FUNCTION(pgseg_preparation_recv) {
    const std::span<const std::byte> body = bytes_from_message(fcinfo);
    PreparationView::validate(body);
    const Datum value = bytes_to_message(body);
    functions::check_encoding(
        PreparationView(image_of(reinterpret_cast<const struct varlena*>(DatumGetPointer(value)))));
    return value;
}

PGSEG_FUNCTION(pgseg_preparation_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

// prepare(preparation, row) -> float8[]; NULL when a column that rows must have is NULL
PGSEG_FUNCTION(pgseg_prepare) {
    const ArrayType* features = PrepareCache::get(fcinfo).prepare(PG_GETARG_DATUM(1));
    if (features == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_POINTER(features);
}

// prepare_info(preparation) -> one row a column
PGSEG_FUNCTION(pgseg_prepare_info) {
    return functions::prepare_info(fcinfo, preparation_argument(fcinfo));
}
