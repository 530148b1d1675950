// Readers of customer value models and states: anything may come in, only core::Error may come out, and what
// is accepted is written back as it was, forecasts with finite results and can be merged and fitted.
#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/error.hpp"
#include "core/clv/clv_fit.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clv;

// Fits of accepted states stop after so many polls: a long one is no finding.
constexpr int kPolls = 20;

void require(bool condition) {
    if (!condition)
        __builtin_trap();
}

void read_model(std::span<const std::byte> body) {
    const ClvModel model = ClvModel::read(body);
    std::vector<std::byte> image(ClvModel::kImageSize);
    model.write(image);
    require(image.size() == body.size() + ClvModel::kSlot &&
            std::memcmp(image.data() + ClvModel::kSlot, body.data(), body.size()) == 0);
    for (const History& history : {History{}, {3, 20, 39}, {5000, 1, 1e6}}) {
        const double alive = model.forecast().p_alive(history);
        require(alive >= 0 && alive <= 1);
        for (const double horizon : {0.0, 5e-324, 52.0, 1e12})
            require(model.forecast().expected_if_alive(horizon, history) >= 0);
    }
}

void read_state(std::span<const std::byte> body) {
    std::vector<std::uint64_t> words((body.size() + ClvState::kSlot) / 8 + 1);
    auto* aligned = reinterpret_cast<std::byte*>(words.data()) + ClvState::kSlot;
    std::memcpy(aligned, body.data(), body.size());
    seg::test::CountingResource memory;
    NoInterrupt interrupt;
    ClvState state(&memory, ClvState::read_options({aligned, body.size()}, interrupt));
    state.merge_body({aligned, body.size()}, interrupt);
    std::vector<std::byte> image(state.image_size());
    state.write_image(image, interrupt);
    if (state.histories().size() == 0)
        return;
    seg::test::CancelAfter soon(kPolls);
    fit_clv(state, &memory, soon);
}

template <typename Read>
void attempt(Read&& read) {
    try {
        read();
    } catch (const Error&) {
    } catch (const seg::test::Cancelled&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    attempt([&] { read_model(bytes); });
    attempt([&] { read_state(bytes); });
    return 0;
}
