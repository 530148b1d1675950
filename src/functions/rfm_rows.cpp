// segment.rfm: from the query that gathers the customers to rows with scores and names.
#include <algorithm>
#include <optional>

#include "core/rfm/customer_measures.hpp"

#include "backend/interrupt.hpp"
#include "backend/json.hpp"
#include "backend/numeric.hpp"
#include "backend/query.hpp"
#include "backend/result.hpp"

#include "functions/rfm_gather.hpp"
#include "functions/rfm_measure_store.hpp"
#include "functions/rfm_scale_options.hpp"

extern "C" {
#include "utils/datum.h"
}

namespace {

using namespace seg;
using namespace seg::backend;
using core::rfm::Customer;
using core::rfm::CustomerMeasures;
using core::rfm::CustomerTable;
using core::rfm::KeyKind;
using core::rfm::Measures;
using core::rfm::Method;
using core::rfm::NtileScores;
using core::rfm::Scale;
using core::rfm::Scores;
using functions::CustomerFacts;
using functions::CustomerState;
using functions::GatherMode;
using functions::MeasureStore;

// ---- what was asked for

enum Argument { kQuery, kAsOf, kMode, kMean, kOptions, kScale, kMap };

struct Request {
    explicit Request(FunctionCallInfo fcinfo);

    const char* query;
    Datum as_of;
    GatherMode mode;
    bool mean;
    core::rfm::ScaleOptions options;
    const struct varlena* scale;  // a stored one, or nullptr
    Datum map;
    Oid key_type;
};

TupleDesc result_type(FunctionCallInfo fcinfo) {
    return reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)->setDesc;
}

const char* text_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    const Datum value = required(fcinfo, number, name);
    return call([value]() noexcept -> const char* { return TextDatumGetCString(value); });
}

// Checked at once: nobody to score is no reason to let a mistake pass.
core::rfm::ScaleOptions scale_options(Datum jsonb) {
    core::rfm::ScaleOptions options;
    functions::read_scale_options(json_tokens(jsonb), options);
    return options.method == Method::kNtile ? options : resolved(options);
}

Request::Request(FunctionCallInfo fcinfo)
    : query(text_argument(fcinfo, kQuery, "query")),
      as_of(required(fcinfo, kAsOf, "as_of")),
      mode(DatumGetInt64(required(fcinfo, kMode, "mode"))),
      mean(DatumGetBool(required(fcinfo, kMean, "mean"))),
      options(scale_options(required(fcinfo, kOptions, "options"))),
      scale(PG_ARGISNULL(kScale) ? nullptr : detoasted(PG_GETARG_DATUM(kScale))),
      map(required(fcinfo, kMap, "map")),
      key_type(TupleDescAttr(result_type(fcinfo), 0)->atttypid) {}

KeyKind key_kind(Oid type) {
    return type == INT8OID ? KeyKind::kInteger : type == UUIDOID ? KeyKind::kUuid : KeyKind::kText;
}

// ---- names

// The name of every combination of scores in a map, asked for once.
class Names {
  public:
    explicit Names(Datum map) {
        MemoryContext home = CurrentMemoryContext;
        for_each_row(
            "SELECT r, f, m, segment.rfm_segment(r, f, m, $1) "
            "FROM pg_catalog.generate_series(1, $2) AS r, pg_catalog.generate_series(1, $2) AS f, "
            "pg_catalog.generate_series(1, $2) AS m",
            {{TEXTOID, map}, {INT4OID, Int32GetDatum(core::rfm::kMaxBins)}}, [&](TupleTableSlot* row) {
                const NullableDatum name = column(row, 4);
                if (!name.isnull)
                    names_[DatumGetInt32(column(row, 1).value)][DatumGetInt32(column(row, 2).value)]
                          [DatumGetInt32(column(row, 3).value)] = copy(name.value, home);
            });
        prospects_ = text_datum("Prospects");
    }

    // A text, or 0 where the map has no name.
    Datum of(const Scores& scores) const { return names_[scores.r][scores.f][scores.m]; }
    Datum prospects() const { return prospects_; }

  private:
    static constexpr int kSize = core::rfm::kMaxBins + 1;

    static Datum copy(Datum name, MemoryContext home) {
        return call([=]() noexcept {
            MemoryContext previous = MemoryContextSwitchTo(home);
            const Datum made = datumCopy(name, false, -1);
            MemoryContextSwitchTo(previous);
            return made;
        });
    }

    Datum names_[kSize][kSize][kSize] = {};
    Datum prospects_ = 0;
};

// ---- rows

// Result rows, handed to the server by the hundred.
class RowWriter {
  public:
    RowWriter(FunctionCallInfo fcinfo, const Names& names)
        : info_(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)), names_(names) {}

    // Where the next row's values that need memory may live.
    NumericBuffer& numeric_buffer() { return numerics_[count_]; }
    MemoryContext memory() { return memory_.resource().context(); }

    void put(const CustomerFacts& facts, const Scores& scores) {
        const Datum name = names_.of(scores);
        Datum row[kColumns] = {facts.key,
                               Int32GetDatum(facts.recency_days),
                               Int64GetDatum(facts.frequency),
                               facts.monetary,
                               Int32GetDatum(scores.r),
                               Int32GetDatum(scores.f),
                               Int32GetDatum(scores.m),
                               name};
        std::copy_n(row, kColumns, values_[count_]);
        std::fill_n(nulls_[count_], kColumns, false);
        nulls_[count_][kColumns - 1] = name == 0;
        finish_row();
    }
    void put_prospect(Datum key) {
        std::fill_n(nulls_[count_], kColumns, true);
        values_[count_][0] = key;
        nulls_[count_][0] = false;
        values_[count_][kColumns - 1] = names_.prospects();
        nulls_[count_][kColumns - 1] = false;
        finish_row();
    }
    void flush() {
        RowWriter* self = this;
        call([self]() noexcept {
            CHECK_FOR_INTERRUPTS();
            for (int i = 0; i < self->count_; ++i)
                tuplestore_putvalues(self->info_->setResult, self->info_->setDesc, self->values_[i],
                                     self->nulls_[i]);
            MemoryContextReset(self->memory());
        });
        count_ = 0;
    }

  private:
    static constexpr int kColumns = 8;
    static constexpr int kRows = 128;

    void finish_row() {
        if (++count_ == kRows)
            flush();
    }

    ReturnSetInfo* info_;
    const Names& names_;
    TemporaryContext memory_;
    int count_ = 0;
    NumericBuffer numerics_[kRows];
    Datum values_[kRows][kColumns];
    bool nulls_[kRows][kColumns];
};

Datum key_datum(KeyKind kind, const Customer& customer) {
    switch (kind) {
        case KeyKind::kInteger:
            return Int64GetDatum(customer.number);
        case KeyKind::kUuid:
            return PointerGetDatum(customer.bytes.data());
        default:
            return PointerGetDatum(customer.bytes.data() - core::rfm::KeyBytes::kLengthWord);
    }
}

Datum divided(Datum sum, std::uint32_t orders) {
    return call([=]() noexcept {
        return DirectFunctionCall2(numeric_div, sum, NumericGetDatum(int64_to_numeric(orders)));
    });
}

// Sum, mean or maximum, exact where amounts are numeric. May allocate in the current context.
Datum monetary_datum(const CustomerMeasures& customers, const Customer& customer, NumericBuffer& buffer) {
    const CustomerTable& table = customers.table();
    if (table.options().amounts == core::rfm::AmountKind::kFloat8)
        return buffer.write(table.nearest_double(customer, customers.mean()));
    std::optional<Datum> sum;
    if (customer.large == nullptr) {
        const core::rfm::FixedDecimal fixed(customer.fixed, table.groups(), customer.display_scale);
        sum = buffer.write(fixed.decimal());
    }
    if (!sum)
        sum = numeric_datum(table.exact_sum(customer).decimal(), customer.display_scale);
    return customers.mean() ? divided(*sum, customer.orders) : *sum;
}

CustomerFacts facts_of(const CustomerMeasures& customers, const Customer& customer, NumericBuffer& buffer) {
    return {key_datum(customers.table().options().keys, customer), customer.recency_days,
            customers.frequency(customer), monetary_datum(customers, customer, buffer)};
}

// ---- the job

class Job {
  public:
    Job(FunctionCallInfo fcinfo, const Request& request)
        : request_(request), names_(request.map), rows_(fcinfo, names_) {}

    // Gathers everyone in one pass, or where they do not fit the memory, part by part.
    void run() {
        core::Vector<Part> parts(&memory_.resource());
        parts.push_back({0, 0});
        while (!parts.empty()) {
            const Part part = parts.back();
            parts.pop_back();
            gather(part, parts);
        }
        if (store_)
            score_stored();
        rows_.flush();
    }

  private:
    struct Part {
        int bits;
        std::uint32_t number;
    };

    void gather(Part part, core::Vector<Part>& parts) {
        const GatherMode mode(request_.mode.flags(), part.bits, part.number);
        int rows = 0;
        for_each_row(request_.query,
                     {{TIMESTAMPTZOID, request_.as_of}, {INT8OID, Int64GetDatum(mode.value())}},
                     [&](TupleTableSlot* row) {
                         check_row_type(row->tts_tupleDescriptor);
                         if (++rows > 1)
                             refuse_query();
                         const NullableDatum state = column(row, 1);
                         if (!state.isnull)
                             take(state.value, part, parts);
                     });
    }

    [[noreturn]] static void refuse_query() {
        throw core::Error(core::Errc::kInvalidArgument,
                          "\"query\" must return one row, what segment.rfm_gather has gathered");
    }
    // Anything of variable length can be asked whether it is a table of customers.
    static void check_row_type(TupleDesc type) {
        if (type->natts != 1 || TupleDescAttr(type, 0)->attlen != -1)
            refuse_query();
    }

    void take(Datum datum, Part part, core::Vector<Part>& parts) {
        CustomerState* state = CustomerState::of(datum);
        if (state == nullptr)
            refuse_query();
        functions::CustomerAggregate& table = state->state();
        table.finish(interrupt_);
        if (table.options().keys != key_kind(request_.key_type))
            throw core::Error(core::Errc::kInvalidArgument, "\"query\" has customers of another type");
        const CustomerMeasures customers(table, request_.mean, interrupt_);
        if (part.bits == 0 && table.options().partition_bits == 0) {
            score(customers);
            return;
        }
        store(customers);
        for (int bits = part.bits; bits < table.options().partition_bits; ++bits)
            parts.push_back({bits + 1, part.number | std::uint32_t{1} << bits});
    }

    // Scores customers where they were gathered.
    void score(const CustomerMeasures& customers) {
        if (request_.scale == nullptr && request_.options.method == Method::kNtile) {
            check_budget(core::Bill().add(customers.size(), core::rfm::ntile_memory(1)));
            const NtileScores ranks(customers, request_.options, memory_.resource(), interrupt_);
            put(customers, [&](std::uint64_t number, const Customer&) { return ranks.score(number); });
            return;
        }
        const std::optional<Scale> scale = scale_for(customers);
        put(customers,
            [&](std::uint64_t, const Customer& customer) { return scale->score(customers.of(customer)); });
    }

    template <typename Score>
    void put(const CustomerMeasures& customers, Score&& score) {
        const CustomerTable& table = customers.table();
        MemoryContext previous = MemoryContextSwitchTo(rows_.memory());
        for (std::uint64_t i = 0; i < table.size(); ++i) {
            const Customer customer = table.customer(i);
            if (customer.orders == 0)
                rows_.put_prospect(key_datum(table.options().keys, customer));
            else
                rows_.put(facts_of(customers, customer, rows_.numeric_buffer()), score(i, customer));
        }
        rows_.flush();
        MemoryContextSwitchTo(previous);
    }

    // The stored scale, or one for these customers; none when there is nobody to score.
    std::optional<Scale> scale_for(const core::rfm::MeasureSource& customers) {
        if (request_.scale != nullptr)
            return Scale(image_of(request_.scale));
        if (customers.size() == 0)
            return std::nullopt;
        return fit_scale(customers, request_.options, memory_.resource(), interrupt_);
    }

    // Puts the customers of one part aside, in the server's store that goes to disk.
    void store(const CustomerMeasures& customers) {
        if (request_.scale == nullptr && request_.options.method == Method::kNtile)
            throw core::Error(core::Errc::kTooBig, "method \"ntile\" needs all customers in memory at once",
                              {}, "Raise pg_segment.max_memory, or use a method that shares scores.");
        if (!store_) {
            // It outlives the query whose row this is.
            MemoryContext previous = MemoryContextSwitchTo(memory_.resource().context());
            store_.emplace(request_.key_type);
            MemoryContextSwitchTo(previous);
        }
        const CustomerTable& table = customers.table();
        TemporaryContext row_memory;
        MemoryContext previous = MemoryContextSwitchTo(row_memory.resource().context());
        NumericBuffer buffer;
        for (std::uint64_t i = 0; i < table.size(); ++i) {
            const Customer customer = table.customer(i);
            if (customer.orders == 0)
                store_->put_prospect(key_datum(table.options().keys, customer));
            else
                store_->put(facts_of(customers, customer, buffer), customers.of(customer));
            if (i % 128 == 0)
                reset(row_memory.resource().context());
        }
        MemoryContextSwitchTo(previous);
    }

    static void reset(MemoryContext context) {
        call([context]() noexcept { MemoryContextReset(context); });
    }

    void score_stored() {
        const std::optional<Scale> scale = scale_for(*store_);
        store_->for_each([&](const functions::StoredCustomer& customer) {
            if (customer.has_orders)
                rows_.put(customer.facts, scale->score(customer.measures));
            else
                rows_.put_prospect(customer.facts.key);
            // The row's values are the store's, for now.
            rows_.flush();
        });
    }

    const Request& request_;
    Names names_;
    RowWriter rows_;
    TemporaryContext memory_;
    ServerInterrupt interrupt_;
    std::optional<MeasureStore> store_;
};

Datum score_customers(FunctionCallInfo fcinfo) {
    call([fcinfo]() noexcept { InitMaterializedSRF(fcinfo, 0); });
    const Request request(fcinfo);
    Job(fcinfo, request).run();
    return Datum{0};
}

}  // namespace

// rfm_scored(query, as_of, mode, mean, options, scale, map) -> rows; one function for each type of key
PGSEG_FUNCTION(pgseg_rfm_scored) {
    return score_customers(fcinfo);
}
