#include "backend/planner.hpp"

extern "C" {
#include "access/stratnum.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_statistic.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/selfuncs.h"
}

namespace seg::backend {
namespace {

// Everything below runs inside call(): plain C as far as the server is concerned.

// An expression that costs more than this many operators is not worth evaluating twice.
constexpr double kFewOperators = 10;

struct IntegerType {
    Oid array;
    int16 size;
    char alignment;
};

IntegerType integer_type(Oid type) noexcept {
    switch (type) {
        case INT2OID:
            return {INT2ARRAYOID, 2, TYPALIGN_SHORT};
        case INT4OID:
            return {INT4ARRAYOID, 4, TYPALIGN_INT};
        default:
            return {INT8ARRAYOID, 8, TYPALIGN_DOUBLE};
    }
}

Datum integer_datum(Oid type, int64 value) noexcept {
    switch (type) {
        case INT2OID:
            return Int16GetDatum(static_cast<int16>(value));
        case INT4OID:
            return Int32GetDatum(static_cast<int32>(value));
        default:
            return Int64GetDatum(value);
    }
}

int64 integer_value(Oid type, Datum value) noexcept {
    switch (type) {
        case INT2OID:
            return DatumGetInt16(value);
        case INT4OID:
            return DatumGetInt32(value);
        default:
            return DatumGetInt64(value);
    }
}

bool is_integer(Oid type) noexcept {
    return type == INT2OID || type == INT4OID || type == INT8OID;
}

Oid comparison_operator(Oid type, StrategyNumber strategy) noexcept {
    return get_opfamily_member(INTEGER_BTREE_FAM_OID, type, type, strategy);
}

Expr* comparison(const IntegerExpression& expression, StrategyNumber strategy, int64 value) noexcept {
    Const* constant = makeConst(expression.type, -1, InvalidOid, integer_type(expression.type).size,
                                integer_datum(expression.type, value), false, true);
    Expr* made = make_opclause(comparison_operator(expression.type, strategy), BOOLOID, false,
                               reinterpret_cast<Expr*>(copyObjectImpl(expression.node)),
                               reinterpret_cast<Expr*>(constant), InvalidOid, InvalidOid);
    set_opfuncid(reinterpret_cast<OpExpr*>(made));
    return made;
}

Const* array_constant(Oid type, const int64* values, int count) noexcept {
    const IntegerType traits = integer_type(type);
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(count)));
    for (int i = 0; i < count; ++i)
        elements[i] = integer_datum(type, values[i]);
    ArrayType* array = construct_array(elements, count, type, traits.size, true, traits.alignment);
    pfree(elements);
    return makeConst(traits.array, -1, InvalidOid, -1, PointerGetDatum(array), false, false);
}

struct Values {
    int64* at;
    std::size_t count;
};

// The values of a statistics slot; none when they are of another type.
Values slot_values(const AttStatsSlot& slot) noexcept {
    if (!is_integer(slot.valuetype) || slot.nvalues <= 0)
        return {nullptr, 0};
    const auto count = static_cast<std::size_t>(slot.nvalues);
    auto* values = static_cast<int64*>(palloc(count * sizeof(int64)));
    for (std::size_t i = 0; i < count; ++i)
        values[i] = integer_value(slot.valuetype, slot.values[i]);
    return {values, count};
}

void read_common(HeapTuple statistics, core::idset::ColumnSummary& summary) noexcept {
    AttStatsSlot slot;
    if (!get_attstatsslot(&slot, statistics, STATISTIC_KIND_MCV, InvalidOid,
                          ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
        return;
    const Values values = slot_values(slot);
    if (values.count != 0 && slot.nnumbers == slot.nvalues) {
        auto* shares = static_cast<float4*>(palloc(values.count * sizeof(float4)));
        memcpy(shares, slot.numbers, values.count * sizeof(float4));
        summary.common = {values.at, values.count};
        summary.common_shares = {shares, values.count};
    }
    free_attstatsslot(&slot);
}

void read_bounds(HeapTuple statistics, core::idset::ColumnSummary& summary) noexcept {
    AttStatsSlot slot;
    if (!get_attstatsslot(&slot, statistics, STATISTIC_KIND_HISTOGRAM, InvalidOid, ATTSTATSSLOT_VALUES))
        return;
    const Values values = slot_values(slot);
    summary.bounds = {values.at, values.count};
    free_attstatsslot(&slot);
}

// The tests of ids against the set are ours and tell nobody anything but an estimate, so the column's
// statistics are used whoever asks, as for the built-in comparisons.
void read_statistics(VariableStatData& variable, ColumnStatistics& read) noexcept {
    bool is_default = false;
    read.summary.distinct = get_variable_numdistinct(&variable, &is_default);
    read.distinct_is_guess = is_default;
    if (!HeapTupleIsValid(variable.statsTuple))
        return;
    read.summary.null_share =
        reinterpret_cast<Form_pg_statistic>(GETSTRUCT(variable.statsTuple))->stanullfrac;
    read_common(variable.statsTuple, read.summary);
    read_bounds(variable.statsTuple, read.summary);
}

}  // namespace

bool is_integer_expression(Node* node) {
    return call([node]() noexcept { return is_integer(exprType(node)); });
}

IntegerExpression of_own_type(Node* node) {
    switch (call([node]() noexcept { return exprType(node); })) {
        case INT2OID:
            return {node, INT2OID, PG_INT16_MIN, PG_INT16_MAX};
        case INT4OID:
            return {node, INT4OID, PG_INT32_MIN, PG_INT32_MAX};
        default:
            return {node, INT8OID, PG_INT64_MIN, PG_INT64_MAX};
    }
}

IntegerExpression without_widening(Node* node) {
    if (IsA(node, FuncExpr)) {
        const auto* function = reinterpret_cast<const FuncExpr*>(node);
        if (function->funcid == F_INT8_INT4 || function->funcid == F_INT8_INT2)
            return of_own_type(static_cast<Node*>(linitial(function->args)));
    }
    return of_own_type(node);
}

bool cheap_to_repeat(Node* node, PlannerInfo* root) {
    return IsA(node, Var) || call([node, root]() noexcept {
               if (contain_volatile_functions(node) || contain_subplans(node))
                   return false;
               QualCost cost;
               cost_qual_eval_node(&cost, node, root);
               return cost.startup + cost.per_tuple <= kFewOperators * cpu_operator_cost;
           });
}

Node* equals(const IntegerExpression& expression, std::int64_t value) {
    return call([expression, value]() noexcept {
        return reinterpret_cast<Node*>(comparison(expression, BTEqualStrategyNumber, value));
    });
}

Node* equals_any(const IntegerExpression& expression, std::span<const std::int64_t> values) {
    return call([expression, values]() noexcept {
        ScalarArrayOpExpr* made = makeNode(ScalarArrayOpExpr);
        made->opno = comparison_operator(expression.type, BTEqualStrategyNumber);
        made->useOr = true;
        made->args =
            list_make2(copyObjectImpl(expression.node),
                       array_constant(expression.type, values.data(), static_cast<int>(values.size())));
        made->location = -1;
        set_sa_opfuncid(made);
        return reinterpret_cast<Node*>(made);
    });
}

List* bounds(const IntegerExpression& expression, std::int64_t lowest, std::int64_t highest) {
    return call([expression, lowest, highest]() noexcept {
        return list_make2(comparison(expression, BTGreaterEqualStrategyNumber, lowest),
                          comparison(expression, BTLessEqualStrategyNumber, highest));
    });
}

Node* between(const IntegerExpression& expression, std::int64_t lowest, std::int64_t highest) {
    List* both = bounds(expression, lowest, highest);
    return call([both]() noexcept { return reinterpret_cast<Node*>(make_andclause(both)); });
}

Node* false_or_null(const IntegerExpression& expression) {
    return call([expression]() noexcept {
        NullTest* is_null = makeNode(NullTest);
        is_null->arg = reinterpret_cast<Expr*>(copyObjectImpl(expression.node));
        is_null->nulltesttype = IS_NULL;
        is_null->location = -1;
        return reinterpret_cast<Node*>(make_andclause(list_make2(is_null, makeBoolConst(false, true))));
    });
}

bool searchable(const List* comparisons, Oid operator_family) {
    return call([comparisons, operator_family]() noexcept {
        const ListCell* cell;
        foreach (cell, comparisons) {
            const auto* node = static_cast<const Node*>(lfirst(cell));
            const Oid used = IsA(node, OpExpr) ? reinterpret_cast<const OpExpr*>(node)->opno
                                               : reinterpret_cast<const ScalarArrayOpExpr*>(node)->opno;
            if (!op_in_opfamily(used, operator_family))
                return false;
        }
        return true;
    });
}

const Const* estimated_constant(PlannerInfo* root, Node* expression) {
    Node* value = call([root, expression]() noexcept { return estimate_expression_value(root, expression); });
    return value != nullptr && IsA(value, Const) ? reinterpret_cast<const Const*>(value) : nullptr;
}

ColumnStatistics column_statistics(PlannerInfo* root, Node* expression, Node* compared, int relation) {
    ColumnStatistics read;
    ColumnStatistics* out = &read;
    call([root, expression, compared, relation, out]() noexcept {
        VariableStatData variable;
        Node* other = nullptr;
        bool expression_is_variable = false;
        if (!get_restriction_variable(root, list_make2(expression, compared), relation, &variable, &other,
                                      &expression_is_variable))
            return;
        out->variable = expression_is_variable ? ColumnStatistics::Variable::kExpression
                                               : ColumnStatistics::Variable::kCompared;
        if (expression_is_variable) {
            out->compared = IsA(other, Const) ? reinterpret_cast<const Const*>(other) : nullptr;
            read_statistics(variable, *out);
        }
        ReleaseVariableStats(variable);
    });
    return read;
}

}  // namespace seg::backend
