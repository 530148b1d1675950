// segment.kmeans_cluster: the cluster of every row of a window's partition, without keeping a model.
#include <algorithm>
#include <optional>

#include "core/clustering/kernels.hpp"
#include "core/clustering/kmeans_state.hpp"
#include "core/clustering/space.hpp"

#include "backend/aggregate.hpp"
#include "backend/settings.hpp"
#include "backend/window.hpp"

#include "functions/kmeans_options.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clustering::ClusteringView;
using core::clustering::GatheringOptions;
using core::clustering::kLanes;
using core::clustering::KmeansState;
using core::clustering::RowBlocks;

constexpr int kFeatures = 0;
constexpr int kClusters = 1;
constexpr int kOptions = 2;

// What the function keeps for a partition: the cluster of each row, 0 for none, or where those do not fit or
// training saw a sample of the rows, the model, with which each row is scored when its turn comes. Neither
// for a partition without a usable row.
struct Numbers {
    bool done;
    std::int32_t* of_row;
    const ClusteringView* model;
};

// The rows of a partition, read many at a time: a call into the server costs more than fetching a row.
//
// A batch ends before a row whose number of clusters or options are not, byte for byte, those of the rows
// before it, and after a row whose features are not plainly so many numbers; these take the road of the
// aggregate, with its errors.
class PartitionReader {
  public:
    PartitionReader(FunctionCallInfo fcinfo, const WindowPartition& partition, std::int64_t rows,
                    std::int32_t* labels)
        : partition_(partition),
          rows_(rows),
          labels_(labels),
          has_options_(PG_NARGS() > kOptions),
          constant_(get_fn_expr_arg_stable(fcinfo->flinfo, kClusters) &&
                    (!has_options_ || get_fn_expr_arg_stable(fcinfo->flinfo, kOptions))),
          seen_options_(&memory_.resource()),
          values_(&memory_.resource()) {}

    // Gathers all rows. Afterwards labels, unless null, has 1 for each row that was added, and 0 for each
    // that was skipped.
    const KmeansState& gather() {
        while (next_ < rows_) {
            interrupt_.poll();
            call([this]() noexcept { fetch_batch(); });
            add_batch();
            if (stop_ == Stop::kOtherOptions)
                accept_options();
            else if (stop_ == Stop::kOddFeatures)
                add_odd_row();
        }
        state_->settle(interrupt_);
        return *state_;
    }

    // Replaces the 1 of every row by its number in the model: what scoring gives. Only when the state holds
    // all rows that were added.
    void label(const ClusteringView& model) {
        next_label_ = labels_;
        if (model.has_offsets() || model.is_prototypes())
            label_by_row(model);
        else
            label_by_block(model);
    }

    // Whether the state has the rows as they came: neither collapsed nor a sample.
    bool has_all() const { return state_->table().counts.empty() && state_->table().size() == added_; }

  private:
    enum class Stop { kNone, kOtherOptions, kOddFeatures };

    // ---- inside backend::call: trivial types only

    void fetch_batch() noexcept {
        MemoryContextReset(batch_.resource().context());
        MemoryContext previous = MemoryContextSwitchTo(batch_.resource().context());
        first_ = next_;
        fetched_ = 0;
        stop_ = Stop::kNone;
        while (next_ < rows_ && next_ - first_ < batch_rows_ && stop_ == Stop::kNone)
            fetch_row();
        MemoryContextSwitchTo(previous);
    }

    void fetch_row() noexcept {
        if (!(known_ && constant_) && !fetch_options()) {
            stop_ = Stop::kOtherOptions;
            return;
        }
        bool is_null;
        const Datum features = partition_.fetch(kFeatures, next_, &is_null);
        mark(next_, 0);
        if (!is_null && !unpack(features)) {
            odd_ = PointerGetDatum(pg_detoast_datum_copy(reinterpret_cast<struct varlena*>(features)));
            stop_ = Stop::kOddFeatures;
        }
        ++next_;
    }

    // Whether number of clusters and options are those of the rows before; otherwise keeps them.
    bool fetch_options() noexcept {
        k_.value = partition_.fetch(kClusters, next_, &k_.isnull);
        bool same = known_ && !k_.isnull && DatumGetInt32(k_.value) == seen_k_;
        options_ = {0, true};
        if (has_options_) {
            const Datum value = partition_.fetch(kOptions, next_, &options_.isnull);
            if (!options_.isnull)
                options_.value =
                    PointerGetDatum(pg_detoast_datum_copy(reinterpret_cast<struct varlena*>(value)));
        }
        const std::span<const std::byte> bytes = option_bytes();
        return same && bytes.size() == seen_options_.size() &&
               (bytes.empty() || memcmp(bytes.data(), seen_options_.data(), bytes.size()) == 0);
    }

    // Appends the values of an array as most rows have them; false for any other.
    bool unpack(Datum features) noexcept {
        const auto* array =
            reinterpret_cast<const ArrayType*>(pg_detoast_datum(reinterpret_cast<struct varlena*>(features)));
        if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) || ARR_ELEMTYPE(array) != FLOAT8OID || width_ == 0 ||
            static_cast<std::size_t>(ARR_DIMS(array)[0]) != width_)
            return false;
        memcpy(values_.data() + fetched_ * width_, ARR_DATA_PTR(array), width_ * sizeof(double));
        mark(next_, 1);
        ++fetched_;
        return true;
    }

    void mark(std::int64_t row, std::int32_t label) noexcept {
        if (labels_ != nullptr)
            labels_[row] = label;
    }

    // ---- numbers

    void label_by_row(const ClusteringView& model) {
        core::WorkMeter meter(interrupt_);
        const std::uint64_t work = static_cast<std::uint64_t>(model.k()) * core::work_of_row(width_);
        state_->table().store.for_each_run([&](const double* rows, std::uint64_t count) {
            for (std::uint64_t i = 0; i < count; ++i) {
                put_label(model.nearest({rows + i * width_, width_}).cluster);
                meter.done(work);
            }
        });
    }

    // What nearest() computes, in the same order, for many rows at once.
    void label_by_block(const ClusteringView& model) {
        const auto& kernels = core::clustering::kernels<double>();
        const auto k = static_cast<std::size_t>(model.k());
        core::WorkMeter meter(interrupt_);
        RowBlocks blocks(state_->table(), {model.shift(), model.scale(), model.is_cosine()},
                         &memory_.resource());
        blocks.for_each_block(meter, [&](std::size_t, std::size_t rows, const double* block, const double*) {
            std::int32_t labels[kLanes];
            double distances[kLanes];
            kernels.assign(block, 1, width_, model.centre(1).data(), k, labels, distances);
            for (std::size_t lane = 0; lane < rows; ++lane)
                put_label(labels[lane] + 1);
            meter.done(kLanes * k * core::work_of_row(width_));
        });
    }

    // Of the next row that was added.
    void put_label(std::int32_t cluster) {
        while (*next_label_ == 0)
            ++next_label_;
        *next_label_++ = cluster;
    }

    // ---- outside

    std::span<const std::byte> option_bytes() const {
        if (options_.isnull)
            return {};
        return image_of(reinterpret_cast<const struct varlena*>(DatumGetPointer(options_.value)));
    }

    GatheringOptions read_options() const {
        if (k_.isnull)
            throw core::Error(core::Errc::kNullNotAllowed, "\"k\" must not be null");
        const GatheringOptions options =
            functions::read_kmeans_arguments(DatumGetInt32(k_.value), options_.isnull ? nullptr : &options_);
        validate(options.kmeans);
        return options;
    }

    // The first row's options are everybody's.
    void accept_options() {
        const GatheringOptions options = read_options();
        if (!state_)
            state_.emplace(&memory_.resource(), options);
        else if (!(options == state_->options()))
            throw core::Error(core::Errc::kInvalidArgument,
                              "number of clusters and options must be the same in every row",
                              core::format("Number of clusters is %d here and %d in earlier rows.",
                                           options.kmeans.k, state_->options().kmeans.k));
        const std::span<const std::byte> bytes = option_bytes();
        seen_options_.assign(bytes.begin(), bytes.end());
        seen_k_ = options.kmeans.k;
        known_ = true;
    }

    void add_batch() {
        for (std::size_t i = 0; i < fetched_; ++i)
            state_->add({values_.data() + i * width_, width_}, 1.0, interrupt_);
        added_ += fetched_;
        const auto read = static_cast<std::size_t>(next_ - first_) - (stop_ == Stop::kOddFeatures ? 1 : 0);
        for (std::size_t i = fetched_; i < read; ++i)
            state_->skip();
    }

    void add_odd_row() {
        const auto features = float8_array(odd_, "features");
        if (!features) {
            state_->skip();
            return;
        }
        state_->add(*features, 1.0, interrupt_);
        ++added_;
        mark(next_ - 1, 1);
        set_width(features->size());
    }

    // As many rows a batch as fit the first block of its memory context, but at least one.
    void set_width(std::size_t width) {
        constexpr std::size_t kBytes = 7000, kOverhead = 64;
        width_ = width;
        batch_rows_ = static_cast<std::int64_t>(
            std::max<std::size_t>(kBytes / (kOverhead + width * sizeof(double)), 1));
        values_.resize(static_cast<std::size_t>(batch_rows_) * width);
    }

    WindowPartition partition_;
    std::int64_t rows_;
    std::int32_t* labels_;
    std::int32_t* next_label_ = nullptr;
    bool has_options_;
    bool constant_;  // number of clusters and options are the same in every row by their form
    ServerInterrupt interrupt_;
    TemporaryContext memory_;  // of what is gathered
    TemporaryContext batch_;   // of what the arguments' expressions allocate
    std::optional<KmeansState> state_;

    bool known_ = false;  // the first row's number of clusters and options have been read
    std::int32_t seen_k_ = 0;
    core::Vector<std::byte> seen_options_;

    std::size_t width_ = 0;
    std::int64_t batch_rows_ = 1;
    core::Vector<double> values_;  // of the batch's rows, packed
    std::int64_t first_ = 0;       // row of the batch
    std::int64_t next_ = 0;        // row to fetch
    std::size_t fetched_ = 0;      // rows in values_
    std::uint64_t added_ = 0;      // rows given to the state
    Stop stop_ = Stop::kNone;
    Datum odd_ = 0;
    NullableDatum k_ = {0, true};  // of the row that ended the batch
    NullableDatum options_ = {0, true};
};

// A model that lives in the memory.
const ClusteringView& keep(const struct varlena* model, core::MemoryResource& memory) {
    const std::span<const std::byte> image = image_of(model);
    void* copy = memcpy(memory.allocate(image.size(), alignof(double)), image.data(), image.size());
    void* place = memory.allocate(sizeof(ClusteringView), alignof(ClusteringView));
    return *new (place) ClusteringView(std::span(static_cast<const std::byte*>(copy), image.size()));
}

std::int32_t* allocate_labels(std::int64_t rows, core::MemoryResource& memory) {
    const std::uint64_t bytes = static_cast<std::uint64_t>(rows) * sizeof(std::int32_t);
    if (bytes > settings::max_memory() / 2)
        return nullptr;
    return static_cast<std::int32_t*>(memory.allocate(bytes, alignof(std::int32_t)));
}

void number_rows(FunctionCallInfo fcinfo, const WindowPartition& partition, Numbers& result) {
    ContextResource memory(GetMemoryChunkContext(&result));
    const std::int64_t rows = partition.count_rows();
    std::int32_t* labels = allocate_labels(rows, memory);
    PartitionReader reader(fcinfo, partition, rows, labels);
    const KmeansState& state = reader.gather();
    if (state.seen() > 0) {
        const auto* model =
            reinterpret_cast<const struct varlena*>(DatumGetPointer(functions::train_to_value(state)));
        if (labels != nullptr && reader.has_all()) {
            reader.label(ClusteringView(image_of(model)));
            result.of_row = labels;
        } else {
            result.model = &keep(model, memory);
        }
    }
    result.done = true;
}

// The number of the current row.
Datum score_current(FunctionCallInfo fcinfo, const WindowPartition& partition, const ClusteringView& model) {
    bool is_null;
    const Datum value =
        call([&partition, &is_null]() noexcept { return partition.fetch_current(kFeatures, &is_null); });
    if (is_null)
        PG_RETURN_NULL();
    const auto features = float8_array(value, "features");
    if (!features)
        PG_RETURN_NULL();
    PG_RETURN_INT32(model.nearest(*features).cluster);
}

}  // namespace

// kmeans_cluster(features, k [, options]) OVER (...) -> int
PGSEG_FUNCTION(pgseg_kmeans_cluster) {
    const WindowPartition partition(fcinfo);
    auto& numbers = partition.local<Numbers>();
    if (!numbers.done)
        number_rows(fcinfo, partition, numbers);
    if (numbers.model != nullptr)
        return score_current(fcinfo, partition, *numbers.model);
    const std::int32_t cluster = numbers.of_row == nullptr ? 0 : numbers.of_row[partition.position()];
    if (cluster == 0)
        PG_RETURN_NULL();
    PG_RETURN_INT32(cluster);
}
