// id <@ set and set @> id as the planner sees them: rewritten to comparisons that every index and partition
// knows where the set is simple, bounded for index scans where it is not, and with an estimate of the rows.
#include "functions/idset_arguments.hpp"

#include <algorithm>

#include "core/idset/id_cursor.hpp"
#include "core/idset/selectivity.hpp"

#include "backend/guard.hpp"
#include "backend/interrupt.hpp"
#include "backend/planner.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using namespace seg::core::idset;
using namespace seg::functions;

// Up to this many ids become a list in the query: the planner proves, prunes and estimates with each of them.
constexpr std::int64_t kListedIds = 100;
// Consecutive ids become bounds from this many on; a list also prunes partitions by hash.
constexpr std::int64_t kBoundedIds = 10;
// Up to this many ids are looked up in an index one by one, if that skips most of the table and most of what
// lies between the ends of the set.
constexpr std::int64_t kSearchedIds = 10000;
constexpr double kRowsPerSearch = 20;

// The share of rows taken to be in a set that is not known when the query is planned.
constexpr double kUnknownShare = 0.01;
// The share of sets taken to have an id: what the server assumes of containment.
constexpr double kUnknownSets = 0.001;

// The two arguments of a membership test, in either order.
struct Test {
    Node* id;
    Node* set;
    int id_position;
};

Test test_of(List* arguments) {
    auto* first = static_cast<Node*>(linitial(arguments));
    auto* second = static_cast<Node*>(lsecond(arguments));
    return is_integer_expression(first) ? Test{first, second, 0} : Test{second, first, 1};
}

const Const* constant_set(const Node* set) {
    const auto* constant = reinterpret_cast<const Const*>(set);
    return IsA(set, Const) && !constant->constisnull ? constant : nullptr;
}

bool is_stretch(const SetSummary& set) {
    return static_cast<std::uint64_t>(set.cardinality) == ordered(set.highest) - ordered(set.lowest) + 1;
}

// The ids of the set that the expression can have.
core::Vector<std::int64_t> listed(const SetView& set, const IntegerExpression& id,
                                  core::MemoryResource* memory) {
    core::Vector<std::int64_t> ids(memory);
    IdCursor cursor(set);
    for (std::int64_t next = 0; cursor.next(next);)
        if (next >= id.lowest && next <= id.highest)
            ids.push_back(next);
    return ids;
}

// An equivalent of the test for every id, NULL included, or nothing when the set is not simple enough.
Node* simplified(const Test& test, PlannerInfo* root) {
    const Const* constant = constant_set(test.set);
    if (constant == nullptr)
        return nullptr;
    const SetArgument argument(constant->constvalue);
    const SetSummary set = argument.summary();
    const IntegerExpression id = without_widening(test.id);
    if (set.cardinality == 0 || set.highest < id.lowest || set.lowest > id.highest)
        return false_or_null(id);
    if (set.cardinality >= kBoundedIds && is_stretch(set) && cheap_to_repeat(id.node, root))
        return between(id, std::max(set.lowest, id.lowest), std::min(set.highest, id.highest));
    if (set.cardinality > kListedIds)
        return nullptr;
    auto memory = set_memory();
    const auto ids = listed(argument.view(), id, &memory);
    if (ids.empty())
        return false_or_null(id);
    return ids.size() == 1 ? equals(id, ids[0]) : equals_any(id, {ids.data(), ids.size()});
}

// Whether looking up each id beats reading the index from the lowest to the highest.
bool worth_searching(const SetSummary& set, const IndexOptInfo* index) {
    const auto ids = static_cast<double>(set.cardinality);
    return index->amsearcharray && set.cardinality <= kSearchedIds &&
           ids * kRowsPerSearch <= index->rel->tuples &&
           ids * kRowsPerSearch <= static_cast<double>(ordered(set.highest) - ordered(set.lowest));
}

// What an index on the id can search for: the ids, or the bounds of the set. Only for known sets. Bounds that
// are not known when the query is planned would be taken to be narrow, which those of most segments are not.
List* index_condition(SupportRequestIndexCondition* request) {
    List* arguments = IsA(request->node, OpExpr) ? reinterpret_cast<OpExpr*>(request->node)->args
                                                 : reinterpret_cast<FuncExpr*>(request->node)->args;
    const Test test = test_of(arguments);
    const Const* constant = constant_set(test.set);
    if (constant == nullptr || request->indexarg != test.id_position)
        return nullptr;
    const SetArgument argument(constant->constvalue);
    const SetSummary set = argument.summary();
    const IntegerExpression id = of_own_type(test.id);
    if (set.cardinality == 0 || set.highest < id.lowest || set.lowest > id.highest)
        return nullptr;
    List* condition = nullptr;
    if (worth_searching(set, request->index)) {
        auto memory = set_memory();
        const auto ids = listed(argument.view(), id, &memory);
        if (ids.empty())
            return nullptr;
        Node* any = equals_any(id, {ids.data(), ids.size()});
        condition = call([any]() noexcept { return list_make1(any); });
        request->lossy = false;
    } else {
        condition = bounds(id, std::max(set.lowest, id.lowest), std::min(set.highest, id.highest));
        request->lossy = !is_stretch(set);
    }
    return searchable(condition, request->opfamily) ? condition : nullptr;
}

// The share of rows that pass the test.
double selectivity(PlannerInfo* root, const Test& test, int relation) {
    const ColumnStatistics column =
        column_statistics(root, without_widening(test.id).node, test.set, relation);
    if (column.variable == ColumnStatistics::Variable::kCompared)
        return kUnknownSets;
    if (column.compared == nullptr)
        return kUnknownShare;
    if (column.compared->constisnull)
        return 0;
    const SetArgument set(column.compared->constvalue);
    if (set.summary().cardinality == 0)
        return 0;
    if (column.distinct_is_guess)
        return kUnknownShare;
    auto memory = set_memory();
    ServerInterrupt interrupt;
    return share_of_rows(set.view(), column.summary, &memory, interrupt);
}

// Requests that have no answer get NULL, and the planner goes on as if there were no support function.
Datum answer(const void* node) {
    return PointerGetDatum(node);
}

}  // namespace

// Support function of id_in_idset and idset_contains_id.
PGSEG_FUNCTION(pgseg_idset_membership_support) {
    auto* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
    if (IsA(request, SupportRequestSimplify)) {
        const auto* simplify = reinterpret_cast<SupportRequestSimplify*>(request);
        return answer(simplified(test_of(simplify->fcall->args), simplify->root));
    }
    if (IsA(request, SupportRequestIndexCondition))
        return answer(index_condition(reinterpret_cast<SupportRequestIndexCondition*>(request)));
    if (IsA(request, SupportRequestSelectivity)) {
        auto* estimate = reinterpret_cast<SupportRequestSelectivity*>(request);
        estimate->selectivity =
            estimate->is_join ? kUnknownShare
                              : selectivity(estimate->root, test_of(estimate->args), estimate->varRelid);
        return answer(estimate);
    }
    return answer(nullptr);
}

// Restriction estimator of id <@ set and set @> id.
PGSEG_FUNCTION(pgseg_idset_membership_selectivity) {
    auto* root = reinterpret_cast<PlannerInfo*>(PG_GETARG_POINTER(0));
    auto* arguments = reinterpret_cast<List*>(PG_GETARG_POINTER(2));
    PG_RETURN_FLOAT8(selectivity(root, test_of(arguments), PG_GETARG_INT32(3)));
}

// Support function of ids(set): as many rows as the set has ids.
PGSEG_FUNCTION(pgseg_idset_ids_support) {
    auto* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
    if (!IsA(request, SupportRequestRows))
        return answer(nullptr);
    auto* estimate = reinterpret_cast<SupportRequestRows*>(request);
    if (!IsA(estimate->node, FuncExpr))
        return answer(nullptr);
    List* arguments = reinterpret_cast<FuncExpr*>(estimate->node)->args;
    const Const* set = estimated_constant(estimate->root, static_cast<Node*>(linitial(arguments)));
    if (set == nullptr)
        return answer(nullptr);
    estimate->rows =
        set->constisnull ? 0 : static_cast<double>(SetArgument(set->constvalue).summary().cardinality);
    return answer(estimate);
}
