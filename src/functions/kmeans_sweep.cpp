// segment.kmeans_sweep: measures of the clusterings with k_min to k_max clusters; segment.choose_k.
#include "core/clustering/sweep.hpp"
#include "core/clustering/sweep_state.hpp"

#include <algorithm>
#include <array>

#include "backend/gathering.hpp"
#include "backend/interrupt.hpp"
#include "backend/json.hpp"
#include "backend/result.hpp"
#include "backend/settings.hpp"

#include "functions/kmeans_options.hpp"

extern "C" {
#include "utils/typcache.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::KmeansQuality;
using core::clustering::SweepGathering;
using core::clustering::SweepOptions;
using core::clustering::SweepState;

using SweepAggregate = Gathering<SweepState>;

constexpr int kOptionsArgument = 4;

// ---- options

// Reads an option of the sweep's own; false for another key.
bool read_own_option(JsonReader& json, std::string_view key, SweepOptions& options) {
    if (key == "references")
        options.references = json.small_integer("references");
    else if (key == "replicates")
        options.replicates = json.small_integer("replicates");
    else if (key == "sample")
        options.sample = json.small_integer("sample");
    else if (key == "train_rows")
        options.train_rows = json.small_integer("train_rows");
    else
        return false;
    return true;
}

// The options of the sweep from the object; the tokens of its other members go to rest.
void read_own_options(std::span<const JsonToken> tokens, SweepOptions& options,
                      core::Vector<JsonToken>& rest) {
    int depth = 0;
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        const JsonToken& token = tokens[at];
        if (depth == 1 && token.kind == JsonToken::Kind::kKey) {
            JsonReader value(tokens.subspan(at + 1));
            if (read_own_option(value, {token.text, static_cast<std::size_t>(token.length)}, options)) {
                ++at;  // numbers all of them: one token
                continue;
            }
        }
        if (token.kind == JsonToken::Kind::kObject || token.kind == JsonToken::Kind::kArray)
            ++depth;
        else if (token.kind == JsonToken::Kind::kEnd)
            --depth;
        rest.push_back(token);
    }
}

SweepGathering read_options(FunctionCallInfo fcinfo) {
    SweepGathering options;
    options.sweep.k_min = DatumGetInt32(required(fcinfo, 2, "k_min"));
    options.sweep.k_max = DatumGetInt32(required(fcinfo, 3, "k_max"));
    options.sweep.kmeans.seed = settings::default_seed();
    options.limit = settings::max_memory();
    if (SweepAggregate::has_options(fcinfo, kOptionsArgument)) {
        TemporaryContext context;
        core::Vector<JsonToken> rest(&context.resource());
        read_own_options(json_tokens(PG_GETARG_DATUM(kOptionsArgument)), options.sweep, rest);
        JsonReader json({rest.data(), rest.size()});
        functions::read_kmeans_options(json, options.sweep.kmeans);
    }
    options.sweep.kmeans.k = options.sweep.k_max;
    validate(options.sweep);
    return options;
}

// ---- segment.kmeans_quality

// The members as they come in the type, behind k.
constexpr std::array kMeasures = {
    &KmeansQuality::inertia,        &KmeansQuality::silhouette, &KmeansQuality::calinski_harabasz,
    &KmeansQuality::davies_bouldin, &KmeansQuality::bic,        &KmeansQuality::gap,
    &KmeansQuality::gap_error,      &KmeansQuality::stability};
constexpr int kColumns = static_cast<int>(kMeasures.size()) + 1;

// An array of the type that the function returns.
Datum quality_array(FunctionCallInfo fcinfo, std::span<const KmeansQuality> quality) {
    return call([fcinfo, quality]() noexcept {
        const Oid type = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
        TupleDesc descriptor = lookup_rowtype_tupdesc_copy(type, -1);
        if (descriptor->natts != kColumns)
            elog(ERROR, "segment.kmeans_quality does not match the function's implementation");
        auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (quality.size() + 1)));
        for (std::size_t i = 0; i < quality.size(); ++i) {
            Datum values[kColumns];
            bool nulls[kColumns] = {};
            values[0] = Int32GetDatum(quality[i].k);
            for (int column = 1; column < kColumns; ++column) {
                const double value = quality[i].*kMeasures[static_cast<std::size_t>(column - 1)];
                nulls[column] = std::isnan(value);
                values[column] = Float8GetDatum(value);
            }
            elements[i] = HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
        }
        return PointerGetDatum(
            construct_array(elements, static_cast<int>(quality.size()), type, -1, false, TYPALIGN_DOUBLE));
    });
}

struct QualityList {
    KmeansQuality* rows;
    int count;
    bool null_k;
};

// The elements of such an array that are not NULL.
QualityList quality_argument(FunctionCallInfo fcinfo, int number) {
    return call([fcinfo, number]() noexcept {
        ArrayType* array = PG_GETARG_ARRAYTYPE_P(number);
        Datum* elements;
        bool* nulls;
        int count;
        deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &elements, &nulls, &count);
        QualityList list = {static_cast<KmeansQuality*>(palloc0(sizeof(KmeansQuality) * (count + 1))), 0,
                            false};
        for (int i = 0; i < count; ++i) {
            if (nulls[i])
                continue;
            HeapTupleHeader row = DatumGetHeapTupleHeader(elements[i]);
            KmeansQuality& quality = list.rows[list.count++];
            bool is_null;
            quality.k = DatumGetInt32(GetAttributeByNum(row, 1, &is_null));
            list.null_k |= is_null;
            for (int column = 1; column < kColumns; ++column) {
                const Datum value = GetAttributeByNum(row, static_cast<AttrNumber>(column + 1), &is_null);
                quality.*kMeasures[static_cast<std::size_t>(column - 1)] =
                    is_null ? KmeansQuality::kUndefined : DatumGetFloat8(value);
            }
        }
        return list;
    });
}

// What the rows of a state show; NULL without rows.
Datum sweep(FunctionCallInfo fcinfo, const SweepState& state) {
    if (state.gathered().seen() == 0)
        PG_RETURN_NULL();
    TemporaryContext context;
    ServerInterrupt interrupt;
    const core::Vector<KmeansQuality> quality =
        sweep_kmeans(state.gathered().gathered(), state.options().sweep, settings::max_memory(),
                     &context.resource(), interrupt);
    return quality_array(fcinfo, {quality.data(), quality.size()});
}

}  // namespace

// kmeans_sweep_transition(state, features, k_min, k_max [, options]) -> state
PGSEG_FUNCTION(pgseg_kmeans_sweep_transition) {
    const AggregateMemory memory(fcinfo);
    const std::int32_t k_min = DatumGetInt32(required(fcinfo, 2, "k_min"));
    const std::int32_t k_max = DatumGetInt32(required(fcinfo, 3, "k_max"));
    auto* state = SweepAggregate::state_of_row(
        fcinfo, memory, kOptionsArgument, [&] { return read_options(fcinfo); },
        [&](const SweepState& earlier) {
            return earlier.options().sweep.k_min == k_min && earlier.options().sweep.k_max == k_max;
        },
        [](const SweepState&) {
            throw core::Error(core::Errc::kInvalidArgument,
                              "numbers of clusters and options must be the same in every row");
        });
    std::optional<std::span<const double>> features;
    if (!PG_ARGISNULL(1))
        features = float8_array(PG_GETARG_DATUM(1), "features");
    ServerInterrupt interrupt;
    if (features)
        state->state().add(*features, interrupt);
    else
        state->state().skip();
    PG_RETURN_DATUM(state->datum());
}

// kmeans_sweep_combine(state, state) -> state; the second one is only read
PGSEG_FUNCTION(pgseg_kmeans_sweep_combine) {
    return SweepAggregate::combine(fcinfo);
}

// kmeans_sweep_final(state) -> kmeans_quality[]; the state is only read. Also finalize(kmeans_sweep_state).
PGSEG_FUNCTION(pgseg_kmeans_sweep_final) {
    return SweepAggregate::final(fcinfo, sweep);
}

// kmeans_sweep_state_final(state) -> state, flat
PGSEG_FUNCTION(pgseg_kmeans_sweep_state_final) {
    return SweepAggregate::state_final(fcinfo);
}

PGSEG_FUNCTION(pgseg_kmeans_sweep_state_in) {
    return SweepAggregate::decode(bytes_from_text(PG_GETARG_CSTRING(0)));
}

PGSEG_FUNCTION(pgseg_kmeans_sweep_state_out) {
    return bytes_to_text(body_of(detoasted(PG_GETARG_DATUM(0))));
}

PGSEG_FUNCTION(pgseg_kmeans_sweep_state_recv) {
    return SweepAggregate::decode(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_kmeans_sweep_state_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

// choose_k(kmeans_quality[]) -> (k, reason)
PGSEG_FUNCTION(pgseg_choose_k) {
    const QualityList list = quality_argument(fcinfo, 0);
    if (list.null_k)
        throw core::Error(core::Errc::kNullNotAllowed, "\"k\" must not be null");
    std::sort(list.rows, list.rows + list.count,
              [](const KmeansQuality& a, const KmeansQuality& b) { return a.k < b.k; });
    if (list.count > 0 && list.rows[0].k < 1)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"k\" must be at least 1, not %d", list.rows[0].k));
    const std::optional<core::clustering::ChosenK> chosen =
        core::clustering::choose_k({list.rows, static_cast<std::size_t>(list.count)});
    if (!chosen)
        PG_RETURN_NULL();
    Row<2> row;
    row.set(0, Int32GetDatum(chosen->k)).set(1, text_datum(chosen->reason.c_str()));
    return composite_result(fcinfo, row);
}
