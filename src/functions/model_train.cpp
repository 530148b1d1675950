// The scans of segment.train: preparation, number of clusters, training, refinement. All of them see the
// snapshot of the statement that calls.
#include <algorithm>
#include <optional>
#include <string>

#include "core/clustering/clustering.hpp"
#include "core/clustering/kmeans_step.hpp"
#include "core/preparation/preparation.hpp"

#include "backend/aggregate.hpp"
#include "backend/json.hpp"
#include "backend/query.hpp"
#include "backend/result.hpp"

#include "functions/model_scorer.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "utils/syscache.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::Algorithm;
using core::clustering::ClusteringView;
using core::clustering::TrainingFacts;
using core::preparation::ColumnKind;
using core::preparation::PreparationView;

// ---- what is to be done: the members of what segment.train_plan returns that are read here

struct TrainPlan {
    explicit TrainPlan(Datum value);

    Datum document;
    std::string_view name;
    std::string source;  // query that gives the rows
    std::string_view order_by;
    std::int32_t k = 0;        // 0: to be chosen
    std::int32_t version = 0;  // of the model to start from; 0: none
    bool categories = false;   // to be told to the training
    bool refine = true;
    bool keeps_numbers = false;  // centroids to start from are given
};

TrainPlan::TrainPlan(Datum value) : document(value) {
    JsonReader json(json_tokens(value));
    json.object("plan", [&](std::string_view key) {
        if (key == "name")
            name = json.string("name");
        else if (key == "source")
            source = json.string("source");
        else if (key == "order_by")
            order_by = json.string("order_by");
        else if (key == "k")
            k = json.small_integer("k");
        else if (key == "warm_version")
            version = json.small_integer("warm_version");
        else if (key == "categories")
            categories = json.boolean("categories");
        else if (key == "keeps_numbers")
            keeps_numbers = json.boolean("keeps_numbers");
        else if (key == "refine")
            refine = json.boolean("refine");
        else
            json.skip();
    });
    if (source.empty() || k < 0)
        throw core::Error(core::Errc::kInvalidArgument, "\"plan\" is not what segment.train_plan makes");
}

// ---- queries

struct varlena* copy_of(Datum value, MemoryContext home) {
    return call([=]() noexcept {
        MemoryContext previous = MemoryContextSwitchTo(home);
        struct varlena* copy =
            pg_detoast_datum_copy(reinterpret_cast<struct varlena*>(DatumGetPointer(value)));
        MemoryContextSwitchTo(previous);
        return copy;
    });
}

// The first column of the one row that the query gives: a value of variable length, in the context that is
// current, or nullptr where it is NULL.
struct varlena* one_value(const std::string& query, std::initializer_list<QueryParameter> parameters) {
    const MemoryContext home = CurrentMemoryContext;
    struct varlena* found = nullptr;
    for_each_row(query.c_str(), parameters, [&](TupleTableSlot* row) {
        const NullableDatum value = column(row, 1);
        if (!value.isnull)
            found = copy_of(value.value, home);
    });
    return found;
}

Oid type_named(const char* name) {
    return call([name]() noexcept {
        const Oid schema = get_namespace_oid("segment", false);
        const Oid type =
            GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name), ObjectIdGetDatum(schema));
        if (!OidIsValid(type))
            elog(ERROR, "type \"segment.%s\" does not exist", name);
        return type;
    });
}

// The rows of a query as the one thing that an expression calls r.*: columns of any name can be told from it.
std::string over_rows(const char* expression, const TrainPlan& plan) {
    return std::string("SELECT ") + expression + " FROM (" + plan.source + "\n) AS r";
}

[[noreturn]] void no_rows() {
    throw core::Error(core::Errc::kBadData, "there is no row to train with", {},
                      "The relation is empty, or \"where\" or NULLs leave out all of its rows.");
}

// ---- the job

struct Trained {
    struct varlena* model = nullptr;
    struct varlena* reason = nullptr;  // text: why this k, or nullptr where it was given
};

class TrainJob {
  public:
    explicit TrainJob(const TrainPlan& plan)
        : plan_(plan), model_type_(type_named("clustering")), preparation_type_(type_named("preparation")) {}

    Trained run() {
        Trained result;
        prepare();
        struct varlena* options = kmeans_options();
        const std::int32_t k = plan_.k > 0 ? plan_.k : chosen_k(result);
        model_ = one_value(over_rows("segment.kmeans(segment.prepare($1, r.*), $2, $3)", plan_),
                           {preparation(), {INT4OID, Int32GetDatum(k)}, {JSONBOID, datum(options)}});
        if (model_ == nullptr)
            no_rows();
        if (plan_.refine && view().facts().sampled_rows < view().facts().rows)
            refine();
        attach();
        result.model = model_;
        return result;
    }

  private:
    static Datum datum(const struct varlena* value) { return PointerGetDatum(value); }
    QueryParameter preparation() const { return {preparation_type_, datum(preparation_)}; }
    QueryParameter model() const { return {model_type_, datum(model_)}; }
    ClusteringView view() const { return ClusteringView(image_of(model_)); }
    PreparationView preparation_view() const { return PreparationView(image_of(preparation_)); }

    // ---- preparation

    void prepare() {
        if (plan_.version > 0)
            take_previous();
        else
            preparation_ = one_value(
                over_rows(
                    "segment.preparation_fit(r.*, $1 OPERATOR(pg_catalog.->) 'prepare'::pg_catalog.text)",
                    plan_),
                {{JSONBOID, plan_.document}});
        if (preparation_ == nullptr)
            no_rows();
    }

    // The model to start from, and its preparation as a value of its own.
    void take_previous() {
        previous_ =
            one_value("SELECT segment.model_get($1 OPERATOR(pg_catalog.->>) 'name'::pg_catalog.text, $2)",
                      {{JSONBOID, plan_.document}, {INT4OID, Int32GetDatum(plan_.version)}});
        const ClusteringView previous(image_of(previous_));
        const std::span<const std::byte> image = functions::preparation_of(previous);
        preparation_ = new_varlena(image.size());
        std::memcpy(VARDATA(preparation_), image.data() + VARHDRSZ, image.size() - VARHDRSZ);
    }

    // ---- options of segment.kmeans

    // Those of the plan with what the layout of the features adds.
    struct varlena* kmeans_options() const {
        TemporaryContext context;
        core::Vector<char> text(&context.resource());
        core::JsonWriter json(text);
        json.begin_object();
        if (plan_.categories)
            append_categories(json);
        if (!plan_.order_by.empty())
            json.key("order_by").number(order_feature());
        json.end_object();
        const Datum layout = jsonb_datum(text);
        if (previous_ == nullptr)
            return one_value(
                "SELECT ($1 OPERATOR(pg_catalog.->) 'kmeans'::pg_catalog.text)"
                " OPERATOR(pg_catalog.||) $2",
                {{JSONBOID, plan_.document}, {JSONBOID, layout}});
        return one_value(
            "SELECT (($1 OPERATOR(pg_catalog.->) 'kmeans'::pg_catalog.text)"
            " OPERATOR(pg_catalog.||) $2) OPERATOR(pg_catalog.||)"
            " pg_catalog.jsonb_build_object('init'::pg_catalog.text,"
            " $3::pg_catalog.text::pg_catalog.jsonb)",
            {{JSONBOID, plan_.document}, {JSONBOID, layout}, {model_type_, datum(previous_)}});
    }

    static Datum jsonb_datum(const core::Vector<char>& json) {
        const char* letters = json.data();
        const auto length = static_cast<int>(json.size());
        return call([letters, length]() noexcept {
            char* text = pnstrdup(letters, static_cast<Size>(length));
            return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
        });
    }

    // [[first, count], ...], from 1: the features of each column that is a category.
    void append_categories(core::JsonWriter& json) const {
        json.key("categories").begin_array();
        const PreparationView view = preparation_view();
        for (std::int32_t c = 0; c < view.column_count(); ++c) {
            const core::preparation::Column column = view.column(c);
            if (column.kind != ColumnKind::kCategory || column.constant)
                continue;
            json.begin_array();
            json.number(column.first_feature + 1);
            json.number(column.features);
            json.end_array();
        }
        json.end_array();
    }

    // The first feature of the column that is to order the clusters; negative for descending order.
    std::int32_t order_feature() const {
        const bool descending = plan_.order_by.front() == '-';
        const std::string_view wanted = plan_.order_by.substr(descending ? 1 : 0);
        const PreparationView view = preparation_view();
        for (std::int32_t c = 0; c < view.column_count(); ++c)
            if (view.column(c).name == wanted && view.column(c).features > 0)
                return (view.column(c).first_feature + 1) * (descending ? -1 : 1);
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"order_by\" must be \"size\" or one of the features, not \"%.*s\"",
                                       static_cast<int>(plan_.order_by.size()), plan_.order_by.data()),
                          {}, "A minus before the name is for descending order.");
    }

    // ---- the number of clusters

    std::int32_t chosen_k(Trained& result) const {
        std::int32_t k = 0;
        const MemoryContext home = CurrentMemoryContext;
        const std::string query =
            "SELECT choice.k, choice.reason FROM segment.choose_k((" +
            over_rows(
                "segment.kmeans_sweep(segment.prepare($1, r.*),"
                " ($2 OPERATOR(pg_catalog.->>) 'k_min'::pg_catalog.text)::pg_catalog.int4,"
                " ($2 OPERATOR(pg_catalog.->>) 'k_max'::pg_catalog.text)::pg_catalog.int4,"
                " $2 OPERATOR(pg_catalog.->) 'sweep'::pg_catalog.text)",
                plan_) +
            ")) AS choice";
        for_each_row(query.c_str(), {preparation(), {JSONBOID, plan_.document}}, [&](TupleTableSlot* row) {
            const NullableDatum number = column(row, 1);
            const NullableDatum reason = column(row, 2);
            if (!number.isnull)
                k = DatumGetInt32(number.value);
            if (!reason.isnull)
                result.reason = copy_of(reason.value, home);
        });
        if (k == 0)
            throw core::Error(core::Errc::kInvalidArgument, "no number of clusters can be chosen", {},
                              "There must be at least \"k_min\" different rows, without those that are "
                              "skipped. Give the number, or a smaller \"k_min\".");
        return k;
    }

    // ---- refinement over all rows of what a sample gave

    void refine() {
        const std::int32_t max_iter = view().facts().options.max_iter;
        for (std::int32_t pass = 0; pass < max_iter; ++pass) {
            scan("segment.kmeans_step($2, segment.prepare($1, r.*))");
            const TrainingFacts facts = view().facts();
            report(pass + 1, facts.inertia);
            if (facts.converged)
                break;
        }
        scan("segment.kmeans_measure($2, segment.prepare($1, r.*))");
        // Clusters that were found in a sample may be of another order now; rows as near to two go to the
        // lower number, so that they are counted again.
        if (plan_.keeps_numbers && view().facts().options.order_by == 0)
            return;
        for (int pass = 0; pass < 2 && number_clusters(); ++pass)
            scan("segment.kmeans_measure($2, segment.prepare($1, r.*))");
    }

    void scan(const char* expression) {
        struct varlena* result = one_value(over_rows(expression, plan_), {preparation(), model()});
        if (result == nullptr)
            no_rows();
        struct varlena* old = model_;
        model_ = result;
        call([old]() noexcept { pfree(old); });
    }

    static void report(std::int32_t pass, double inertia) {
        call([=]() noexcept {
            ereport(DEBUG1, (errmsg_internal("segment.train: pass %d over all rows, inertia before it %g",
                                             pass, inertia)));
        });
    }

    // False when the order is right.
    bool number_clusters() {
        TemporaryContext context;
        const ClusteringView before = view();
        const core::clustering::OrderedModel order = ordered(before, &context.resource());
        if (order.numbers.empty())
            return false;
        write(order.parts(before));
        return true;
    }

    void attach() {
        core::clustering::ClusteringParts parts = parts_of(view());
        parts.preparation = preparation_view().image();
        write(parts);
    }

    void write(const core::clustering::ClusteringParts& parts) {
        struct varlena* value = new_varlena(parts.image_size());
        write_clustering(parts, image_of(value));
        model_ = value;
    }

    const TrainPlan& plan_;
    Oid model_type_;
    Oid preparation_type_;
    struct varlena* preparation_ = nullptr;
    struct varlena* previous_ = nullptr;
    struct varlena* model_ = nullptr;
};

}  // namespace

// train_run(plan) -> (clustering, k_reason, and what of the model's facts is told)
PGSEG_FUNCTION(pgseg_train_run) {
    const TrainPlan plan(PG_GETARG_DATUM(0));
    const Trained trained = TrainJob(plan).run();
    const TrainingFacts facts = ClusteringView(image_of(trained.model)).facts();
    Row<12> row;
    row.set(0, PointerGetDatum(trained.model))
        .set(1, text_datum(name_of(facts.options.algorithm)))
        .set(2, Int32GetDatum(facts.options.k))
        .set(4, Int64GetDatum(facts.rows))
        .set(5, Int64GetDatum(facts.skipped))
        .set(6, Int64GetDatum(facts.sampled_rows))
        .set(7, BoolGetDatum(facts.refined))
        .set(8, Int32GetDatum(facts.iterations))
        .set(9, BoolGetDatum(facts.converged))
        .set(10, Float8GetDatum(facts.inertia));
    if (trained.reason != nullptr)
        row.set(3, PointerGetDatum(trained.reason));
    if (facts.total_ss > 0)
        row.set(11, Float8GetDatum(std::max(0.0, 1 - facts.inertia / facts.total_ss)));
    return composite_result(fcinfo, row);
}
