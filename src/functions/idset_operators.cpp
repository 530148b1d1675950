// Operators over two sets of ids: algebra and comparison.
#include "functions/idset_arguments.hpp"

#include <cstring>

#include "core/idset/algebra.hpp"

#include "backend/aggregate.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

using Operation = void (*)(const SetView&, const SetView&, SetWriter&, core::Interrupt&);

Datum combination(FunctionCallInfo fcinfo, Operation operation) {
    const SetView a = SetArgument(fcinfo, 0).view();
    const SetView b = SetArgument(fcinfo, 1).view();
    auto memory = set_memory();
    ServerInterrupt interrupt;
    SetWriter writer(&memory, combined_dictionary(a.summary(), b.summary()));
    operation(a, b, writer, interrupt);
    return set_datum(writer);
}

// Whether the ends alone show that the sets share nothing. Also refuses sets of different dictionaries.
bool disjoint(const SetSummary& a, const SetSummary& b) {
    combined_dictionary(a, b);
    return a.cardinality == 0 || b.cardinality == 0 || a.highest < b.lowest || b.highest < a.lowest;
}

std::int64_t shared(const SetArgument& a, const SetArgument& b) {
    if (disjoint(a.summary(), b.summary()))
        return 0;
    ServerInterrupt interrupt;
    return intersection_cardinality(a.view(), b.view(), interrupt);
}

bool includes_set(const SetArgument& a, const SetArgument& b) {
    const SetSummary outer = a.summary();
    const SetSummary inner = b.summary();
    combined_dictionary(outer, inner);
    if (inner.cardinality == 0)
        return true;
    if (inner.cardinality > outer.cardinality || inner.lowest < outer.lowest || inner.highest > outer.highest)
        return false;
    ServerInterrupt interrupt;
    return includes(a.view(), b.view(), interrupt);
}

bool equal(FunctionCallInfo fcinfo) {
    const SetArgument a(fcinfo, 0);
    const SetArgument b(fcinfo, 1);
    const SetSummary x = a.summary();
    const SetSummary y = b.summary();
    if (x.dictionary != y.dictionary || x.cardinality != y.cardinality || x.hash != y.hash)
        return false;
    const auto left = a.view().contents();
    const auto right = b.view().contents();
    return left.size() == right.size() && memcmp(left.data(), right.data(), left.size()) == 0;
}

// By dictionary, then as the ascending sequences of ids compare.
std::strong_ordering order(FunctionCallInfo fcinfo) {
    const SetView a = SetArgument(fcinfo, 0).view();
    const SetView b = SetArgument(fcinfo, 1).view();
    if (a.dictionary() != b.dictionary())
        return a.dictionary() <=> b.dictionary();
    ServerInterrupt interrupt;
    return compare(a, b, interrupt);
}

}  // namespace

PGSEG_FUNCTION(pgseg_idset_union) {
    return combination(fcinfo, unite);
}
PGSEG_FUNCTION(pgseg_idset_intersection) {
    return combination(fcinfo, intersect);
}
PGSEG_FUNCTION(pgseg_idset_difference) {
    return combination(fcinfo, subtract);
}
PGSEG_FUNCTION(pgseg_idset_symmetric_difference) {
    return combination(fcinfo, symmetric_difference);
}

PGSEG_FUNCTION(pgseg_idset_intersection_cardinality) {
    PG_RETURN_INT64(shared(SetArgument(fcinfo, 0), SetArgument(fcinfo, 1)));
}

PGSEG_FUNCTION(pgseg_idset_jaccard) {
    const SetArgument a(fcinfo, 0);
    const SetArgument b(fcinfo, 1);
    const double both = static_cast<double>(shared(a, b));
    const double either =
        static_cast<double>(a.summary().cardinality) + static_cast<double>(b.summary().cardinality) - both;
    if (either == 0)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(both / either);
}

PGSEG_FUNCTION(pgseg_idset_overlaps) {
    const SetArgument a(fcinfo, 0);
    const SetArgument b(fcinfo, 1);
    if (disjoint(a.summary(), b.summary()))
        PG_RETURN_BOOL(false);
    ServerInterrupt interrupt;
    PG_RETURN_BOOL(overlaps(a.view(), b.view(), interrupt));
}
PGSEG_FUNCTION(pgseg_idset_contains) {
    PG_RETURN_BOOL(includes_set(SetArgument(fcinfo, 0), SetArgument(fcinfo, 1)));
}
PGSEG_FUNCTION(pgseg_idset_contained) {
    PG_RETURN_BOOL(includes_set(SetArgument(fcinfo, 1), SetArgument(fcinfo, 0)));
}

PGSEG_FUNCTION(pgseg_idset_eq) {
    PG_RETURN_BOOL(equal(fcinfo));
}
PGSEG_FUNCTION(pgseg_idset_ne) {
    PG_RETURN_BOOL(!equal(fcinfo));
}
PGSEG_FUNCTION(pgseg_idset_lt) {
    PG_RETURN_BOOL(order(fcinfo) < 0);
}
PGSEG_FUNCTION(pgseg_idset_le) {
    PG_RETURN_BOOL(order(fcinfo) <= 0);
}
PGSEG_FUNCTION(pgseg_idset_gt) {
    PG_RETURN_BOOL(order(fcinfo) > 0);
}
PGSEG_FUNCTION(pgseg_idset_ge) {
    PG_RETURN_BOOL(order(fcinfo) >= 0);
}
PGSEG_FUNCTION(pgseg_idset_cmp) {
    const auto result = order(fcinfo);
    PG_RETURN_INT32(result < 0 ? -1 : result > 0 ? 1 : 0);
}
