// A decoded argument kept from row to row: the same model scores millions of rows.
#pragma once

#include <cstring>
#include <new>

#include "backend/arguments.hpp"

namespace seg::backend {

// Keeps Decoded, made from the image of a value, in the function's memory for as long as the argument's bytes
// stay the same. For a toasted value these are the bytes of the pointer, so it is fetched once. Decoded is
// made from std::span<const std::byte> and trivially destructible.
template <typename Decoded>
class CachedValue {
    static_assert(std::is_trivially_destructible_v<Decoded>);

  public:
    static const Decoded& get(FunctionCallInfo fcinfo, int number) {
        auto* cache = static_cast<CachedValue*>(fcinfo->flinfo->fn_extra);
        const auto* raw = reinterpret_cast<const struct varlena*>(PG_GETARG_POINTER(number));
        const Size size = VARSIZE_ANY(raw);
        if (cache != nullptr && cache->raw_size_ == size && memcmp(cache->raw_, raw, size) == 0)
            return cache->decoded_;
        return replace(fcinfo, cache, raw, size)->decoded_;
    }

  private:
    struct Copies {
        void* place;
        void* raw;
        struct varlena* image;
    };

    CachedValue(const void* raw, Size raw_size, const struct varlena* image)
        : raw_(raw),
          raw_size_(raw_size),
          image_(image),
          decoded_(std::span<const std::byte>(reinterpret_cast<const std::byte*>(image), VARSIZE(image))) {}

    static CachedValue* replace(FunctionCallInfo fcinfo, CachedValue* old, const struct varlena* raw,
                                Size size) {
        if (old != nullptr) {
            fcinfo->flinfo->fn_extra = nullptr;
            pfree(const_cast<void*>(old->raw_));
            pfree(const_cast<struct varlena*>(old->image_));
            pfree(old);
        }
        MemoryContext home = fcinfo->flinfo->fn_mcxt;
        const Copies copies = call([home, raw, size]() noexcept {
            MemoryContext previous = MemoryContextSwitchTo(home);
            Copies made;
            made.place = palloc(sizeof(CachedValue));
            made.raw = memcpy(palloc(size), raw, size);
            made.image = pg_detoast_datum_copy(const_cast<struct varlena*>(raw));
            MemoryContextSwitchTo(previous);
            return made;
        });
        auto* cache = new (copies.place) CachedValue(copies.raw, size, copies.image);
        fcinfo->flinfo->fn_extra = cache;
        return cache;
    }

    const void* raw_;
    Size raw_size_;
    const struct varlena* image_;
    Decoded decoded_;
};

}  // namespace seg::backend
