// Every reader of external bytes: anything may come in, and only core::Error may come out.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/base/codec.hpp"
#include "core/base/error.hpp"
#include "core/clustering/clustering.hpp"
#include "core/clustering/describe.hpp"
#include "core/clustering/kmeans_state.hpp"
#include "core/clustering/kmeans_step.hpp"
#include "core/clustering/quality.hpp"
#include "core/clustering/quality_model.hpp"
#include "core/clustering/quality_state.hpp"
#include "core/clustering/sweep_state.hpp"
#include "core/clv/clv_model.hpp"
#include "core/clv/clv_state.hpp"
#include "core/concentration/value_pool.hpp"
#include "core/idset/collection.hpp"
#include "core/lifecycle/gap_counts.hpp"
#include "core/preparation/fit.hpp"
#include "core/rfm/customer_table.hpp"
#include "core/rfm/facts.hpp"
#include "core/rfm/scale.hpp"
#include "core/rfm/scale_state.hpp"
#include "idset_sequence.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;

// A copy that is aligned as the server aligns values: the body starts four bytes into a word.
class Image {
  public:
    explicit Image(std::span<const std::byte> body) : size_(body.size() + 4), words_(size_ / 8 + 1) {
        std::memcpy(reinterpret_cast<std::byte*>(words_.data()) + 4, body.data(), body.size());
    }
    std::span<const std::byte> whole() const {
        return {reinterpret_cast<const std::byte*>(words_.data()), size_};
    }
    std::span<const std::byte> body() const { return whole().subspan(4); }

  private:
    std::size_t size_;
    std::vector<std::uint64_t> words_;
};

void read_clustering(const Image& image) {
    clustering::ClusteringView::validate(image.body());
    const clustering::ClusteringView model(image.whole());
    std::vector<double> row(static_cast<std::size_t>(model.dimensions()), 1.0);
    try {
        model.two_nearest(row);
    } catch (const Error&) {
    }
    seg::test::CountingResource memory;
    Vector<char> text(&memory);
    clustering::append_json(model, text);
    clustering::Describer(model, &memory).append(model.k(), text);
}

void read_facts(std::span<const std::byte> bytes) {
    Reader reader(bytes, "segment.rfm_state");
    std::vector<std::uint64_t> words(rfm::FactsView::decoded_image_size(reader) / 8 + 1);
    const std::span<std::byte> image(reinterpret_cast<std::byte*>(words.data()),
                                     rfm::FactsView::decoded_image_size(reader));
    rfm::FactsView::decode_into(reader, image);
    const rfm::FactsView view(image);
    std::vector<std::byte> again(view.encoded_size());
    Writer writer(again);
    view.encode(writer);
    if (again.size() != bytes.size() || std::memcmp(again.data(), bytes.data(), again.size()) != 0)
        __builtin_trap();
}

void read_customers(std::span<const std::byte> bytes) {
    const Reader reader(bytes, "segment.rfm_customers");
    NoInterrupt interrupt;
    seg::test::CountingResource memory;
    rfm::CustomerTable table(&memory, rfm::CustomerTable::read_options(reader), std::uint64_t{1} << 30);
    table.merge(reader, interrupt);
    table.finish(interrupt);
    for (std::uint64_t i = 0; i < table.size(); ++i)
        table.nearest_double(table.customer(i), true);
}

void read_gap_counts(const Image& image) {
    NoInterrupt interrupt;
    seg::test::CountingResource memory;
    lifecycle::GapCounts counts(&memory);
    counts.merge_body(image.body(), interrupt);
}

template <typename Read>
void attempt(Read&& read) {
    try {
        read();
    } catch (const Error&) {
    }
}

// What was accepted once must go on being accepted.
template <typename Read>
auto must(const char* what, Read&& read) {
    try {
        return read();
    } catch (const Error& error) {
        std::fprintf(stderr, "%s: %s\n", what, error.what());
        __builtin_trap();
    }
}

void require(bool condition, const char* what) {
    if (condition)
        return;
    std::fprintf(stderr, "%s\n", what);
    __builtin_trap();
}

// Fails as the server's memory does.
class Budget final : public MemoryResource {
  public:
    static constexpr std::size_t kBytes = std::size_t{64} << 20;

  private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        if (bytes > kBytes - used_)
            throw Error(Errc::kTooBig, "out of memory");
        used_ += bytes;
        return ::operator new(bytes, std::align_val_t(alignment));
    }
    void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
        used_ -= bytes;
        ::operator delete(p, std::align_val_t(alignment));
    }
    bool do_is_equal(const MemoryResource& other) const noexcept override { return this == &other; }

    std::size_t used_ = 0;
};

// The image of what has a size and can be written: room, then body() is what was written.
class Written {
  public:
    explicit Written(std::uint64_t size)
        : size_(static_cast<std::size_t>(size)), words_((size_ + 7) / 8, std::uint64_t{0}) {}
    std::span<std::byte> room() { return {reinterpret_cast<std::byte*>(words_.data()), size_}; }
    std::span<const std::byte> whole() const {
        return {reinterpret_cast<const std::byte*>(words_.data()), size_};
    }
    std::span<const std::byte> body() const { return whole().subspan(4); }
    bool operator==(const Written& other) const { return std::ranges::equal(whole(), other.whole()); }

  private:
    std::size_t size_;
    std::vector<std::uint64_t> words_;
};

template <typename State>
Written written(const State& state) {
    NoInterrupt interrupt;
    const auto size = [&] {
        if constexpr (requires { state.image_size(interrupt); })
            return state.image_size(interrupt);
        else
            return state.image_size();
    };
    Written image(size());
    state.write_image(image.room(), interrupt);
    return image;
}

Written written(const clustering::ClusteringParts& parts) {
    Written image(parts.image_size());
    write_clustering(parts, image.room());
    return image;
}

template <typename State>
bool is_same(const State& a, const State& b) {
    return written(a) == written(b);
}

// Counts that are all 1 need not be there.
bool is_same(const clustering::KmeansState& a, const clustering::KmeansState& b) {
    const clustering::GatheredRows ours = a.gathered();
    const clustering::GatheredRows theirs = b.gathered();
    bool same = ours.seen == theirs.seen && ours.skipped == theirs.skipped &&
                ours.divisor == theirs.divisor && ours.rows.size() == theirs.rows.size() &&
                a.options() == b.options() && a.options().limit == b.options().limit;
    for (std::size_t i = 0; same && i < ours.rows.size(); ++i)
        same = ours.rows.count(i) == theirs.rows.count(i) &&
               seg::test::row_of(ours.rows.store, i) == seg::test::row_of(theirs.rows.store, i);
    return same;
}

bool is_same(const clustering::SweepState& a, const clustering::SweepState& b) {
    return a.options() == b.options() && is_same(a.gathered(), b.gathered());
}

// A state as the server reads it: the bytes say what is in it, in memory that their size bounds. What is then
// written is read as the same state again.
template <typename State, typename Use>
void read_state(std::span<const std::byte> body, Use&& use) {
    NoInterrupt interrupt;
    const auto options = State::read_options(body, interrupt);
    seg::test::CountingResource memory;
    State state(&memory, options);
    must("merge", [&] { state.merge_body(body, interrupt); });
    require(memory.peak <= (std::size_t{1} << 20) + 128 * body.size(), "memory beyond the size");
    const Written first = written(state);
    State again(&memory, must("read again", [&] { return State::read_options(first.body(), interrupt); }));
    must("merge again", [&] { again.merge_body(first.body(), interrupt); });
    require(is_same(state, again), "written differently");
    attempt([&] { again.merge(state, interrupt); });
    use(state);
}

// Training that takes long is left out.
bool is_quick(std::uint64_t rows, std::size_t dimensions, std::int32_t k) {
    return rows * dimensions * static_cast<std::uint64_t>(k) <= 4000;
}

clustering::KmeansOptions quick(clustering::KmeansOptions options) {
    options.n_init = std::min(options.n_init, 2);
    options.max_iter = std::min(options.max_iter, 5);
    return options;
}

void read_kmeans_state(const Image& image) {
    read_state<clustering::KmeansState>(image.body(), [](clustering::KmeansState& state) {
        NoInterrupt interrupt;
        const clustering::KmeansOptions options = quick(state.options().kmeans);
        if (state.seen() == 0 || !is_quick(state.table().size(), state.dimensions(), options.k))
            return;
        state.settle(interrupt);
        Budget memory;
        const Written model = written(
            clustering::train_kmeans(state.gathered(), options, Budget::kBytes, &memory, interrupt).parts());
        must("model", [&] { clustering::ClusteringView::validate(model.body()); });
    });
}

void read_sweep_state(const Image& image) {
    read_state<clustering::SweepState>(image.body(), [](clustering::SweepState& state) {
        NoInterrupt interrupt;
        clustering::SweepOptions options = state.options().sweep;
        options.kmeans = quick(options.kmeans);
        options.references = std::min(options.references, 2);
        options.replicates = std::min(options.replicates, 2);
        const clustering::KmeansState& rows = state.gathered();
        if (rows.seen() == 0 || options.k_max > 4 ||
            !is_quick(rows.table().size(), rows.dimensions(), options.k_max))
            return;
        state.settle(interrupt);
        Budget memory;
        clustering::sweep_kmeans(rows.gathered(), options, Budget::kBytes, &memory, interrupt);
    });
}

void read_kmeans_step(const Image& image) {
    read_state<clustering::KmeansStep>(image.body(), [](clustering::KmeansStep& state) {
        NoInterrupt interrupt;
        Budget memory;
        const auto result = [&] {
            const Written model = written(state.result(&memory, interrupt).parts(state.model()));
            must("stepped", [&] { clustering::ClusteringView::validate(model.body()); });
        };
        if (state.rows() > 0)
            attempt(result);
        // Its own centres are rows that every model can compare.
        const clustering::ClusteringView& model = state.model();
        std::vector<double> row(static_cast<std::size_t>(model.dimensions()));
        for (std::int32_t c = 1; c <= std::min(model.k(), 4); ++c) {
            for (std::int32_t f = 1; f <= model.dimensions(); ++f)
                row[static_cast<std::size_t>(f - 1)] = model.centroid(c, f);
            state.add(row);
        }
        const Written more = written(state);
        must("step", [&] { clustering::KmeansStep::read_options(more.body(), interrupt); });
        result();
    });
}

void read_labelled_state(const Image& image) {
    read_state<clustering::LabelledState>(image.body(), [](clustering::LabelledState& state) {
        if (state.rows().size() == 0)
            return;
        NoInterrupt interrupt;
        Budget memory;
        clustering::LabelledPoints points(state.rows(), &memory, interrupt);
        points.silhouette();
        points.simplified_silhouette();
        points.calinski_harabasz();
        points.davies_bouldin();
        points.inertia();
    });
}

void read_model_fit(const Image& image) {
    using clustering::ModelFit;
    ModelFit::validate(image.body());
    Written copy(image.whole().size());
    std::ranges::copy(image.whole(), copy.room().begin());
    ModelFit& fit = ModelFit::of(copy.room());
    attempt([&] { fit.inertia(); });
    fit.simplified_silhouette();
    fit.make_canonical();
    require(std::ranges::equal(copy.body(), image.body()), "the fit was not canonical");
    attempt([&] {
        fit.merge(ModelFit::of(image.whole()));
        fit.make_canonical();
        must("merged fit", [&] { ModelFit::validate(copy.body()); });
    });
}

Written rewritten(const preparation::PreparationView& view) {
    std::vector<preparation::Column> columns;
    for (std::int32_t c = 0; c < view.column_count(); ++c)
        columns.push_back(view.column(c));
    std::vector<preparation::Level> levels;
    for (std::int32_t l = 0; l < view.level_count(); ++l)
        levels.push_back(view.level(l));
    const preparation::PreparationParts parts = {view.rows(), columns, levels};
    Written image(image_size(parts));
    write_preparation(parts, image.room());
    return image;
}

// A row in which every column has the same number, and the last level of a category.
void prepare_rows(const preparation::PreparationView& view) {
    std::vector<double> features(static_cast<std::size_t>(view.feature_count()));
    for (double number : {0.0, 1.0, -3.5, 1e140, -1e140}) {
        std::vector<preparation::ColumnValue> values(static_cast<std::size_t>(view.column_count()));
        for (std::size_t c = 0; c < values.size(); ++c) {
            const preparation::Column column = view.column(static_cast<std::int32_t>(c));
            values[c].number = number;
            if (column.levels > 0)
                values[c].text = view.level(column.first_level + column.levels - 1).text;
            values[c].null = number == 0;
        }
        attempt([&] {
            view.prepare_row(values, features);
            for (double feature : features)
                require(std::fabs(feature) <= preparation::kLargestValue, "feature out of range");
        });
    }
}

// Words and JSON of an image that validate() accepted, which is the only one of its preparation.
void use_preparation(std::span<const std::byte> whole) {
    const preparation::PreparationView view(whole);
    require(std::ranges::equal(rewritten(view).body(), whole.subspan(4)), "preparation written differently");
    seg::test::CountingResource memory;
    Vector<char> text(&memory);
    JsonWriter json(text);
    append_json(view, json);
    for (std::int32_t c = 0; c < view.column_count(); ++c)
        append_treatment(view.column(c), text);
    for (std::int32_t f = 0; f < view.feature_count(); ++f)
        view.original(f, 0.5);
    prepare_rows(view);
}

void read_preparation(const Image& image) {
    preparation::PreparationView::validate(image.body());
    use_preparation(image.whole());
}

// What is fitted to an accepted state is a preparation that can be read.
void read_preparation_state(const Image& image) {
    read_state<preparation::PreparationState>(image.body(), [](preparation::PreparationState& state) {
        NoInterrupt interrupt;
        Budget memory;
        const preparation::FittedPreparation fitted = fit_preparation(state, &memory, interrupt);
        Written written_image(image_size(fitted.parts()));
        write_preparation(fitted.parts(), written_image.room());
        must("fitted", [&] { preparation::PreparationView::validate(written_image.body()); });
        use_preparation(written_image.whole());
    });
    preparation::PreparationState::for_each_text(image.body(), [](std::string_view) {});
}

// An accepted image must be the only one of its set; one that is not is read as a damaged stored value.
void read_idset(const Image& image) {
    try {
        const seg::test::Bytes whole(image.whole());
        seg::test::read_damaged(whole.span());
        seg::test::offer_image(whole.span());
    } catch (const std::logic_error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        __builtin_trap();
    }
}

void read_collection(const Image& image) {
    seg::test::CountingResource memory;
    NoInterrupt interrupt;
    const auto one_byte = [](const char*) { return 1; };
    idset::CollectionView::validate(image.whole(), one_byte, &memory, interrupt);
    const idset::CollectionView collection(image.whole());
    for (std::uint32_t i = 0; i < collection.count(); ++i)
        collection.set(i).rank(collection.set(i).highest());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    const Image image(bytes);
    NoInterrupt interrupt;
    attempt([&] { read_clustering(image); });
    attempt([&] { read_kmeans_state(image); });
    attempt([&] { read_sweep_state(image); });
    attempt([&] { read_kmeans_step(image); });
    attempt([&] { read_labelled_state(image); });
    attempt([&] { read_model_fit(image); });
    attempt([&] { read_preparation(image); });
    attempt([&] { read_preparation_state(image); });
    attempt([&] { read_facts(bytes); });
    attempt([&] { read_customers(bytes); });
    attempt([&] {
        rfm::Scale::validate(image.body());
        rfm::Scale(image.whole()).score({3, 4, 5});
    });
    attempt([&] { rfm::ScaleState::read_options(image.body(), interrupt); });
    attempt([&] { clv::ClvState::read_options(image.body(), interrupt); });
    attempt([&] { clv::ClvModel::read(image.body()); });
    attempt([&] { concentration::ValuePool::read_fraction(image.body(), interrupt); });
    attempt([&] { read_gap_counts(image); });
    read_idset(image);
    attempt([&] { read_collection(image); });
    return 0;
}
