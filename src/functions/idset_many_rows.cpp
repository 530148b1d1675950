// What a segment.idset_collection says, as rows: the overlap of each two sets, exclusive intersections, flow.
#include "core/idset/flow.hpp"
#include "core/idset/overlap.hpp"
#include "core/idset/upset.hpp"

#include "backend/result.hpp"

#include "functions/idset_many.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

// A name as a trivial value, to be made a text in a server call.
struct SetName {
    const char* letters;
    int size;

    explicit SetName(std::string_view name) : letters(name.data()), size(static_cast<int>(name.size())) {}
    Datum datum() const { return PointerGetDatum(cstring_to_text_with_len(letters, size)); }
};

core::Vector<SetView> sets_of(const CollectionView& collection, core::MemoryResource* memory) {
    core::Vector<SetView> sets(memory);
    sets.reserve(collection.count());
    for (std::uint32_t i = 0; i < collection.count(); ++i)
        sets.push_back(collection.set(i));
    return sets;
}

// The bill of an operation and of the views of its sets, held against the budget.
void check_bill(core::Bill bill, std::uint64_t sets) {
    check_budget(bill.add(sets, sizeof(SetView)));
}

void put_pair(ResultSet& result, const CollectionView& collection, std::uint32_t a, std::uint32_t b,
              const Overlap& overlap) {
    const auto jaccard = overlap.jaccard();
    const auto lift = overlap.lift();
    result.put<7>([a = SetName(collection.name(a)), b = SetName(collection.name(b)), overlap, jaccard, lift](
                      Datum* values, bool* nulls) {
        values[0] = a.datum();
        values[1] = b.datum();
        values[2] = Int64GetDatum(overlap.n_a);
        values[3] = Int64GetDatum(overlap.n_b);
        values[4] = Int64GetDatum(overlap.n_ab);
        values[5] = Float8GetDatum(jaccard.value_or(0));
        values[6] = Float8GetDatum(lift.value_or(0));
        nulls[5] = !jaccard.has_value();
        nulls[6] = !lift.has_value();
    });
}

void put_intersection(ResultSet& result, std::span<const SetName> names, std::uint64_t n) {
    const SetName* const first = names.data();
    const auto count = static_cast<int>(names.size());
    result.put<2>([first, count, n](Datum* values, bool*) {
        auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * count));
        for (int i = 0; i < count; ++i)
            elements[i] = first[i].datum();
        values[0] = PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
        values[1] = Int64GetDatum(static_cast<std::int64_t>(n));
    });
}

void put_link(ResultSet& result, const CollectionView& collection, const FlowLink& link) {
    const SetName before(link.before ? collection.name(*link.before) : std::string_view());
    const SetName after(link.after ? collection.name(*link.after) : std::string_view());
    const bool entered = !link.before;
    const bool left = !link.after;
    result.put<3>([before, after, entered, left, n = link.n](Datum* values, bool* nulls) {
        nulls[0] = entered;
        nulls[1] = left;
        if (!entered)
            values[0] = before.datum();
        if (!left)
            values[1] = after.datum();
        values[2] = Int64GetDatum(n);
    });
}

}  // namespace

// overlap_pairs(collection) -> (a, b, n_a, n_b, n_ab, jaccard, lift)
PGSEG_FUNCTION(pgseg_overlap_pairs) {
    const CollectionView collection = collection_argument(fcinfo, 0);
    require_kind(collection.terms(), CollectionKind::kNamed);
    check_bill(Overlaps::price(collection.count()), collection.count());
    ResultSet result(fcinfo);
    TemporaryContext work;
    ServerInterrupt interrupt;
    const core::Vector<SetView> sets = sets_of(collection, &work.resource());
    const Overlaps overlaps({sets.data(), sets.size()}, &work.resource(), interrupt);
    overlaps.for_each([&](std::uint32_t a, std::uint32_t b, const Overlap& overlap) {
        put_pair(result, collection, a, b, overlap);
    });
    PG_RETURN_NULL();
}

// upset_intersections(collection) -> (names, n)
PGSEG_FUNCTION(pgseg_upset_intersections) {
    const CollectionView collection = collection_argument(fcinfo, 0);
    require_kind(collection.terms(), CollectionKind::kNamed);
    check_bill(Upset::price(collection.count()), collection.count());
    ResultSet result(fcinfo);
    TemporaryContext work;
    ServerInterrupt interrupt;
    const core::Vector<SetView> sets = sets_of(collection, &work.resource());
    const Upset upset({sets.data(), sets.size()}, &work.resource(), interrupt);
    core::Vector<SetName> names(&work.resource());
    for (const Upset::Intersection& row : upset.intersections()) {
        names.clear();
        for (const std::uint32_t set : upset.sets(row))
            names.push_back(SetName(collection.name(set)));
        put_intersection(result, {names.data(), names.size()}, row.n);
    }
    PG_RETURN_NULL();
}

// flow_links(collection) -> (before, after, n)
PGSEG_FUNCTION(pgseg_flow_links) {
    const CollectionView collection = collection_argument(fcinfo, 0);
    require_kind(collection.terms(), CollectionKind::kFlow);
    std::uint32_t split = 0;
    while (split < collection.count() && collection.side(split) == 0)
        ++split;
    check_bill(Flow::price(split, collection.count() - split), collection.count());
    ResultSet result(fcinfo);
    TemporaryContext work;
    ServerInterrupt interrupt;
    const core::Vector<SetView> sets = sets_of(collection, &work.resource());
    const Flow flow({sets.data(), sets.size()}, split, &work.resource(), interrupt);
    flow.for_each([&](const FlowLink& link) { put_link(result, collection, link); });
    PG_RETURN_NULL();
}
