// id <@ set and set @> id: the test that runs once a row, mostly against one set for the whole statement.
#include "functions/idset_arguments.hpp"

#include <cstring>
#include <new>
#include <optional>

#include "core/idset/probe.hpp"

#include "backend/aggregate.hpp"
#include "backend/settings.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

// An object in a memory context, with a context of its own below that.
template <typename Object>
Object* make_in(MemoryContext home) {
    struct Place {
        void* object;
        MemoryContext memory;
    };
    const Place place = call([home]() noexcept {
        Place made;
        made.object = MemoryContextAlloc(home, sizeof(Object));
        made.memory = AllocSetContextCreate(home, "pg_segment membership", ALLOCSET_SMALL_SIZES);
        return made;
    });
    return new (place.object) Object(place.memory);
}

// One set, kept as long as the argument comes again. Nothing is fetched before an id falls between its ends,
// and nothing is prepared before the preparation pays.
class Membership {
  public:
    explicit Membership(MemoryContext memory) : memory_(memory) {}

    bool is_for(const struct varlena* raw) const {
        if (raw_ == nullptr || VARSIZE_ANY(raw) != raw_size_)
            return false;
        if (copy_ == nullptr)
            return raw == raw_ && lies_in_memory(raw) && memcmp(raw, start_, kComparedStart) == 0;
        return memcmp(raw, copy_, raw_size_) == 0;
    }

    void start(const struct varlena* raw) {
        forget();
        MemoryContext memory = memory_;
        const Size size = VARSIZE_ANY(raw);
        copy_ = call([memory, raw, size]() noexcept {
            const bool by_address = size > kComparedWhole && lies_in_memory(raw);
            return by_address ? nullptr : memcpy(MemoryContextAlloc(memory, size), raw, size);
        });
        if (copy_ == nullptr)
            memcpy(start_, raw, kComparedStart);
        summary_ = SetArgument(PointerGetDatum(copy_ == nullptr ? raw : copy_)).summary();
        raw_size_ = size;
        raw_ = raw;
    }

    void forget() {
        raw_ = nullptr;
        copy_ = nullptr;
        probe_.reset();
        set_.reset();
        uses_ = 0;
        prepared_ = false;
        MemoryContext memory = memory_;
        call([memory]() noexcept { MemoryContextReset(memory); });
    }

    // May take memory_left bytes for the preparation.
    template <typename MemoryLeft>
    bool contains(std::int64_t id, const MemoryLeft& memory_left) {
        if (summary_.cardinality == 0 || id < summary_.lowest || id > summary_.highest)
            return false;
        if (probe_)
            return probe_->contains(id);
        fetch();
        if (!prepared_ && ++uses_ * kBytesPerUse > set_->image().size() && uses_ > kFewUses)
            prepare(memory_left());
        return set_->contains(id);
    }

  private:
    // Identity: values up to this size are compared whole; larger ones that lie in memory as they are have
    // their address compared, and their start, which holds a 64-bit hash of the rest.
    static constexpr Size kComparedWhole = kSummaryBytes;
    static constexpr Size kComparedStart = sizeof(Prefix) + 8 + sizeof(LargeHeader);
    // Preparing costs about as much as this many searches.
    static constexpr std::uint64_t kFewUses = 16;
    static constexpr std::uint64_t kBytesPerUse = 1024;

    static bool lies_in_memory(const struct varlena* raw) { return !VARATT_IS_EXTENDED(raw); }

    void fetch() {
        if (set_)
            return;
        if (copy_ == nullptr) {
            set_.emplace(image_of(raw_));
            return;
        }
        MemoryContext memory = memory_;
        auto* copy = static_cast<struct varlena*>(copy_);
        const struct varlena* whole = call([memory, copy]() noexcept {
            MemoryContext previous = MemoryContextSwitchTo(memory);
            struct varlena* fetched = pg_detoast_datum(copy);
            MemoryContextSwitchTo(previous);
            return fetched;
        });
        set_.emplace(image_of(whole));
    }

    void prepare(std::uint64_t memory_left) {
        prepared_ = true;
        ContextResource resource(memory_, ContextResource::Limit::kNone);
        ServerInterrupt interrupt;
        probe_.emplace(*set_, memory_left, &resource, interrupt);
    }

    MemoryContext memory_;  // reset with each new set
    const struct varlena* raw_ = nullptr;
    Size raw_size_ = 0;
    void* copy_ = nullptr;
    char start_[kComparedStart];
    SetSummary summary_;
    std::uint64_t uses_ = 0;
    bool prepared_ = false;  // or not worth it
    std::optional<SetView> set_;
    std::optional<Probe> probe_;
};

// The sets that a call site met last: a join of customers with segments meets the same few again and again.
class Memberships {
  public:
    explicit Memberships(MemoryContext memory) : memory_(memory) {}

    static bool contains(FunctionCallInfo fcinfo, int number, std::int64_t id) {
        const auto* raw = reinterpret_cast<const struct varlena*>(PG_GETARG_POINTER(number));
        // An object in memory can change behind its pointer.
        if (VARATT_IS_EXTERNAL_EXPANDED(raw) || VARATT_IS_EXTERNAL_INDIRECT(raw))
            return SetArgument(fcinfo, number).view().contains(id);
        auto* kept = static_cast<Memberships*>(fcinfo->flinfo->fn_extra);
        if (kept == nullptr)
            fcinfo->flinfo->fn_extra = kept = make_in<Memberships>(fcinfo->flinfo->fn_mcxt);
        return kept->find(raw).contains(id, [kept]() { return kept->memory_left(); });
    }

  private:
    static constexpr std::size_t kSlots = 64;

    Membership& find(const struct varlena* raw) {
        if (last_ == nullptr || !last_->is_for(raw))
            last_ = &look_up(raw);
        return *last_;
    }

    // By the start of the value, or of the pointer to where it is stored. Two sets in one slot take turns.
    Membership& look_up(const struct varlena* raw) {
        const Size start = std::min<Size>(VARSIZE_ANY(raw), sizeof(Prefix) + 8 + sizeof(LargeHeader));
        Membership*& slot = slots_[hash_bytes({reinterpret_cast<const std::byte*>(raw), start}) % kSlots];
        if (slot == nullptr)
            slot = make_in<Membership>(memory_);
        if (!slot->is_for(raw)) {
            if (memory_left() == 0)
                forget_all();
            slot->start(raw);
        }
        return *slot;
    }

    // All sets of a call site together take a quarter of pg_segment.max_memory for being prepared.
    std::uint64_t memory_left() const {
        const std::uint64_t limit = settings::max_memory() / 4;
        const std::uint64_t used = MemoryContextMemAllocated(memory_, true);
        return limit > used ? limit - used : 0;
    }

    void forget_all() {
        for (Membership* membership : slots_)
            if (membership != nullptr)
                membership->forget();
    }

    MemoryContext memory_;
    Membership* last_ = nullptr;
    Membership* slots_[kSlots] = {};
};

}  // namespace

// id <@ set
PGSEG_FUNCTION(pgseg_id_in_idset) {
    PG_RETURN_BOOL(Memberships::contains(fcinfo, 1, PG_GETARG_INT64(0)));
}
PGSEG_FUNCTION(pgseg_int4_in_idset) {
    PG_RETURN_BOOL(Memberships::contains(fcinfo, 1, PG_GETARG_INT32(0)));
}
PGSEG_FUNCTION(pgseg_int2_in_idset) {
    PG_RETURN_BOOL(Memberships::contains(fcinfo, 1, PG_GETARG_INT16(0)));
}

// set @> id
PGSEG_FUNCTION(pgseg_idset_contains_id) {
    PG_RETURN_BOOL(Memberships::contains(fcinfo, 0, PG_GETARG_INT64(1)));
}
