#include "core/clustering/sweep_state.hpp"

#include "core/base/codec.hpp"

namespace seg::core::clustering {
namespace {

constexpr std::uint8_t kMagic = 's';
constexpr std::uint8_t kVersion = 1;
constexpr const char* kTypeName = "segment.kmeans_sweep_state";

SweepOptions read_header(Reader& reader) {
    SweepOptions options;
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    options.k_min = reader.get<std::int32_t>();
    options.references = reader.get<std::int32_t>();
    options.replicates = reader.get<std::int32_t>();
    options.sample = reader.get<std::int32_t>();
    options.train_rows = reader.get<std::int32_t>();
    reader.require(reader.get<std::uint32_t>() == 0, "reserved bytes are set");
    reader.require(reader.get<std::uint32_t>() == 0, "reserved bytes are set");
    return options;
}

// The body of the rows' image.
std::span<const std::byte> rows_in(std::span<const std::byte> body) {
    return body.subspan(SweepState::kHeaderSize);
}

SweepGathering options_of(const SweepOptions& header, const GatheringOptions& gathering) {
    SweepGathering options = {header, gathering.limit};
    options.sweep.kmeans = gathering.kmeans;
    options.sweep.k_max = gathering.kmeans.k;
    return options;
}

}  // namespace

GatheringOptions SweepState::gathering_of(const SweepGathering& options) {
    GatheringOptions gathering = {options.sweep.kmeans, options.limit};
    gathering.kmeans.k = options.sweep.k_max;
    return gathering;
}

SweepGathering SweepState::read_options(std::span<const std::byte> body, Interrupt& interrupt) {
    Reader reader(body, kTypeName);
    const SweepOptions header = read_header(reader);
    const SweepGathering options = options_of(header, KmeansState::read_options(rows_in(body), interrupt));
    try {
        validate(options.sweep);
    } catch (const Error& error) {
        reader.fail(error.what());
    }
    reader.require(!options.sweep.kmeans.weighted, "rows have weights");
    return options;
}

void SweepState::check_mergeable(const SweepGathering& other) const {
    if (!(other == options_))
        throw Error(Errc::kInvalidArgument, "cannot combine sweeps with different options");
}

void SweepState::merge(const SweepState& other, Interrupt& interrupt) {
    check_mergeable(other.options_);
    gathered_.merge(other.gathered_, interrupt);
}

void SweepState::merge_body(std::span<const std::byte> body, Interrupt& interrupt) {
    check_mergeable(read_options(body, interrupt));
    gathered_.merge_body(rows_in(body), interrupt);
}

void SweepState::write_image(std::span<std::byte> image, Interrupt& interrupt) const {
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put<std::uint16_t>(0);
    writer.put(options_.sweep.k_min);
    writer.put(options_.sweep.references);
    writer.put(options_.sweep.replicates);
    writer.put(options_.sweep.sample);
    writer.put(options_.sweep.train_rows);
    writer.put<std::uint32_t>(0);
    writer.put<std::uint32_t>(0);  // the slot of the rows' image
    gathered_.write_image(image.subspan(kHeaderSize), interrupt);
}

}  // namespace seg::core::clustering
