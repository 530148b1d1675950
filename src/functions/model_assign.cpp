// segment.assign: every row of a relation with its nearest clusters.
#include <algorithm>
#include <cstring>
#include <optional>

#include "core/clustering/nearest_two.hpp"

#include "backend/interrupt.hpp"
#include "backend/query.hpp"
#include "backend/result.hpp"

#include "functions/model_scorer.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringView;
using core::clustering::TwoNearest;
using core::preparation::ColumnKind;
using core::preparation::ColumnValue;
using core::preparation::PreparationView;
using functions::RecordPreparation;
using functions::RowColumn;
using functions::RowType;

// The columns of a query's rows as features, read where the executor has them: no row is made a value.
class SlotPreparation {
  public:
    // The first row, to learn the columns from: the one at column_offset (from 0) is the preparation's first.
    SlotPreparation(std::span<const std::byte> image, TupleTableSlot* first_row, int column_offset,
                    MemoryContext memory)
        : view_(image), offset_(column_offset) {
        MemoryContext own = call([memory]() noexcept {
            return AllocSetContextCreate(memory, "pg_segment assign", ALLOCSET_SMALL_SIZES);
        });
        const Datum record = named_record(first_row);
        // Says what is wrong with a column, as segment.prepare would.
        RecordPreparation(image, memory).prepare(record);
        open_row(record, own, type_, 0);
        const auto columns = static_cast<Size>(view_.column_count());
        const auto features = static_cast<Size>(view_.feature_count());
        values_ = call([=]() noexcept {
            return static_cast<ColumnValue*>(MemoryContextAllocZero(own, columns * sizeof(ColumnValue)));
        });
        features_ = call([=]() noexcept {
            return static_cast<double*>(MemoryContextAllocZero(own, features * sizeof(double)));
        });
    }

    // The features of the row, or none when it is to be skipped.
    std::span<const double> prepare(TupleTableSlot* row) {
        for (std::int32_t c = 0; c < view_.column_count(); ++c) {
            RowColumn& source = type_.columns[offset_ + c];
            ColumnValue& value = values_[c];
            value.null = row->tts_isnull[offset_ + c];
            if (value.null)
                continue;
            const Datum datum = row->tts_values[offset_ + c];
            if (view_.kind(c) == ColumnKind::kCategory)
                value.text = text_of(source, datum);
            else
                value.number = number_of(source, datum);
        }
        const auto features = static_cast<std::size_t>(view_.feature_count());
        const bool usable = view_.prepare_row({values_, static_cast<std::size_t>(view_.column_count())},
                                              {features_, features});
        return usable ? std::span<const double>(features_, features) : std::span<const double>();
    }

  private:
    // The row under the names of the preparation's columns: where it comes through a Gather or an Append, the
    // executor's row has none.
    Datum named_record(TupleTableSlot* row) const {
        TupleDesc type = call([row]() noexcept { return CreateTupleDescCopy(row->tts_tupleDescriptor); });
        for (int a = 0; a < type->natts; ++a) {
            const std::string_view name = a < offset_ ? std::string_view() : view_.column(a - offset_).name;
            char* place = NameStr(TupleDescAttr(type, a)->attname);
            std::memset(place, 0, NAMEDATALEN);
            std::memcpy(place, name.data(), std::min<std::size_t>(name.size(), NAMEDATALEN - 1));
        }
        return call([row, type]() noexcept {
            return heap_copy_tuple_as_datum(ExecCopySlotHeapTuple(row), BlessTupleDesc(type));
        });
    }

    PreparationView view_;
    int offset_;
    RowType type_{};
    ColumnValue* values_ = nullptr;
    double* features_ = nullptr;
};

// Result rows (id, cluster_id, distance, second_id, margin), handed to the server by the hundred.
class RowWriter {
  public:
    RowWriter(FunctionCallInfo fcinfo, MemoryContext memory)
        : info_(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)), keys_(memory) {
        const FormData_pg_attribute* key = TupleDescAttr(info_->setDesc, 0);
        by_value_ = key->attbyval;
        length_ = key->attlen;
    }

    void put(NullableDatum key) {
        std::fill_n(nulls_[count_], kColumns, true);
        nulls_[count_][0] = key.isnull;
        if (!key.isnull)
            values_[count_][0] = by_value_ ? key.value : copied(key.value);
        finish_row();
    }
    void put(NullableDatum key, const ClusteringView& model, const TwoNearest& nearest) {
        Datum* values = values_[count_];
        bool* nulls = nulls_[count_];
        const double distance = model.distance(nearest.first.squared_distance);
        const double second = model.distance(nearest.second.squared_distance);
        values[1] = Int32GetDatum(nearest.first.cluster);
        values[2] = Float8GetDatum(distance);
        values[3] = Int32GetDatum(nearest.second.cluster);
        // Offsets of a model with bounds on sizes may favour the farther one.
        values[4] = Float8GetDatum(second > distance ? (second - distance) / second : 0);
        const bool alone = nearest.second.cluster == 0;
        nulls[0] = key.isnull;
        nulls[1] = nulls[2] = false;
        nulls[3] = nulls[4] = alone;
        if (!key.isnull)
            values[0] = by_value_ ? key.value : copied(key.value);
        finish_row();
    }
    void flush() {
        RowWriter* self = this;
        call([self]() noexcept {
            CHECK_FOR_INTERRUPTS();
            for (int i = 0; i < self->count_; ++i)
                tuplestore_putvalues(self->info_->setResult, self->info_->setDesc, self->values_[i],
                                     self->nulls_[i]);
            MemoryContextReset(self->keys_);
        });
        count_ = 0;
    }

  private:
    static constexpr int kColumns = 5;
    static constexpr int kRows = 128;

    void finish_row() {
        if (++count_ == kRows)
            flush();
    }

    // The row's key lives as long as the row; a copy as long as the batch.
    Datum copied(Datum key) {
        const auto* bytes = DatumGetPointer(key);
        const Size size = length_ > 0 ? static_cast<Size>(length_) : VARSIZE_ANY(bytes);
        ContextResource memory(keys_, ContextResource::Limit::kNone);
        return PointerGetDatum(std::memcpy(memory.allocate(size, alignof(std::max_align_t)), bytes, size));
    }

    ReturnSetInfo* info_;
    MemoryContext keys_;
    bool by_value_;
    int length_;
    int count_ = 0;
    Datum values_[kRows][kColumns];
    bool nulls_[kRows][kColumns];
};

void check_columns(TupleDesc row, TupleDesc result, const PreparationView& preparation) {
    if (row->natts != preparation.column_count() + 1 ||
        TupleDescAttr(row, 0)->atttypid != TupleDescAttr(result, 0)->atttypid)
        throw core::Error(core::Errc::kInvalidArgument,
                          "\"query\" must give keys and the columns that the model needs");
}

}  // namespace

// assigned(query, model) -> rows; one function for each type of key
PGSEG_FUNCTION(pgseg_assigned) {
    call([fcinfo]() noexcept { InitMaterializedSRF(fcinfo, 0); });
    const Datum query_text = required(fcinfo, 0, "query");
    const char* query =
        call([query_text]() noexcept -> const char* { return TextDatumGetCString(query_text); });
    const ClusteringView model(image_of(detoasted(required(fcinfo, 1, "model"))));
    const std::span<const std::byte> image = functions::preparation_of(model);
    TupleDesc result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)->setDesc;
    TemporaryContext memory(ContextResource::Limit::kNone);
    TemporaryContext batch(ContextResource::Limit::kNone);
    RowWriter writer(fcinfo, batch.resource().context());
    core::clustering::NearestTwo clusters(model, &memory.resource());
    std::optional<SlotPreparation> rows;
    for_each_row(query, {}, [&](TupleTableSlot* row) {
        // What reading a row allocates goes with the batch.
        MemoryContext previous = MemoryContextSwitchTo(batch.resource().context());
        const NullableDatum key = column(row, 1);
        if (!rows) {
            check_columns(row->tts_tupleDescriptor, result, PreparationView(image));
            rows.emplace(image, row, 1, memory.resource().context());
        }
        slot_getallattrs(row);
        const std::span<const double> features = rows->prepare(row);
        if (features.empty())
            writer.put(key);
        else
            writer.put(key, model, clusters.find(features));
        MemoryContextSwitchTo(previous);
    });
    writer.flush();
    return Datum{0};
}
