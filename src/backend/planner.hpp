// What the planner's support functions stand on: comparisons of integer expressions, and what statistics
// know.
#pragma once

#include <span>

#include "core/base/memory.hpp"
#include "core/idset/selectivity.hpp"

#include "backend/call.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
}

namespace seg::backend {

// An integer expression of a query, and the ids that its type can hold.
struct IntegerExpression {
    Node* node;
    Oid type;
    std::int64_t lowest;
    std::int64_t highest;
};

bool is_integer_expression(Node* node);
IntegerExpression of_own_type(Node* node);

// An integer expression; where it is the cast of an integer or smallint one, that one, so that comparisons
// meet the indexes, partitions and statistics of its own type.
IntegerExpression without_widening(Node* node);

// Whether the expression may be evaluated twice: nothing volatile, no subquery, not expensive.
bool cheap_to_repeat(Node* node, PlannerInfo* root);

// expression = value; expression = ANY (values), ascending; both as the type of the expression, which must
// hold them.
Node* equals(const IntegerExpression& expression, std::int64_t value);
Node* equals_any(const IntegerExpression& expression, std::span<const std::int64_t> values);

// expression >= lowest, expression <= highest: as a list of two, as indexes want it, and as one expression.
List* bounds(const IntegerExpression& expression, std::int64_t lowest, std::int64_t highest);
Node* between(const IntegerExpression& expression, std::int64_t lowest, std::int64_t highest);

// False, but NULL where the expression is NULL.
Node* false_or_null(const IntegerExpression& expression);

// Whether all these comparisons are operators that an index column of this family can search for.
bool searchable(const List* comparisons, Oid operator_family);

// The constant that the expression is known to have in this execution, with parameters and stable functions
// taken at their current values; NULL when there is none.
const Const* estimated_constant(PlannerInfo* root, Node* expression);

// What statistics know of the column behind an integer expression that is compared with something else.
struct ColumnStatistics {
    // Which side belongs to the one relation that is being restricted.
    enum class Variable : std::uint8_t { kNeither, kExpression, kCompared };

    Variable variable = Variable::kNeither;
    const Const* compared = nullptr;  // the other side of an expression that varies, if its value is known
    bool distinct_is_guess = true;
    core::idset::ColumnSummary summary;
};
ColumnStatistics column_statistics(PlannerInfo* root, Node* expression, Node* compared, int relation);

}  // namespace seg::backend
