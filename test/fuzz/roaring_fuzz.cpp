// Bitmaps in the Roaring formats from anywhere: each is refused as malformed, or gives a sound set that,
// written in every format that holds it, is read back as the same.
#include <cstring>
#include <vector>

#include "core/idset/roaring.hpp"
#include "core/idset/set_image.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::idset;

class Heap final : public MemoryResource {
    void* do_allocate(std::size_t bytes, std::size_t) override { return ::operator new(bytes); }
    void do_deallocate(void* p, std::size_t, std::size_t) override { ::operator delete(p); }
    bool do_is_equal(const MemoryResource& other) const noexcept override { return this == &other; }
};

void require(bool condition) {
    if (!condition)
        __builtin_trap();
}

SetImage read(std::span<const std::byte> bytes, Roaring32 numbers, Heap& heap) {
    NoInterrupt interrupt;
    SetWriter writer(&heap);
    read_roaring(bytes, numbers, writer, interrupt);
    return SetImage(writer, &heap);
}

void expect_same(const SetView& set, std::span<const std::byte> bytes, Roaring32 numbers, Heap& heap) {
    const SetImage again = read(bytes, numbers, heap);
    const auto a = set.image().subspan(4);
    const auto b = again.view().image().subspan(4);
    require(a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0);
}

void write64(const SetView& set, Heap& heap) {
    NoInterrupt interrupt;
    std::vector<std::byte> bytes(roaring64_size(set, interrupt));
    write_roaring64(set, bytes, interrupt);
    expect_same(set, bytes, Roaring32::kUnsigned, heap);
}

void write32(const SetView& set, Roaring32 numbers, Heap& heap) {
    const bool is_signed = numbers == Roaring32::kSigned;
    const std::int64_t lowest = is_signed ? INT32_MIN : 0;
    const std::int64_t highest = is_signed ? INT32_MAX : std::int64_t{UINT32_MAX};
    const bool fits = set.empty() || (set.lowest() >= lowest && set.highest() <= highest);
    NoInterrupt interrupt;
    try {
        std::vector<std::byte> bytes(roaring32_size(set, numbers, interrupt));
        require(fits);
        write_roaring32(set, bytes, interrupt);
        expect_same(set, bytes, numbers, heap);
    } catch (const Error& error) {
        require(!fits && error.code() == Errc::kOutOfRange);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    NoInterrupt interrupt;
    Heap heap;
    bool refused = false;
    for (const Roaring32 numbers : {Roaring32::kUnsigned, Roaring32::kSigned}) {
        SetWriter writer(&heap);
        try {
            read_roaring(bytes, numbers, writer, interrupt);
        } catch (const Error& error) {
            require(error.code() == Errc::kBadBinary);
            refused = true;
            continue;
        }
        require(!refused);
        const SetImage set(writer, &heap);
        SetView::validate(set.view().image(), &heap, interrupt);
        write64(set.view(), heap);
        write32(set.view(), numbers, heap);
    }
    return 0;
}
