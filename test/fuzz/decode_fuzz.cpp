// Every reader of external bytes: anything may come in, and only core::Error may come out.
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/base/codec.hpp"
#include "core/base/error.hpp"
#include "core/clustering/clustering.hpp"
#include "core/clustering/describe.hpp"
#include "core/clustering/kmeans_state.hpp"
#include "core/clv/clv_model.hpp"
#include "core/clv/clv_state.hpp"
#include "core/concentration/value_pool.hpp"
#include "core/idset/collection.hpp"
#include "core/lifecycle/gap_counts.hpp"
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

template <typename Read>
void attempt(Read&& read) {
    try {
        read();
    } catch (const Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    const Image image(bytes);
    NoInterrupt interrupt;
    attempt([&] { read_clustering(image); });
    attempt([&] { clustering::KmeansState::read_options(image.body(), interrupt); });
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
