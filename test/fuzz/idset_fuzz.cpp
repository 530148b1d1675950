// Sets of ids: any sequence of operations agrees with a model, and any mutated image is refused or canonical.
#include <cstdio>

#include "idset_sequence.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::span<const std::uint8_t> bytes(data + 1, size - 1);
    try {
        if (data[0] < 128)
            seg::test::Sequence(bytes).run();
        else
            seg::test::Mutation(bytes).run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        __builtin_trap();
    }
    return 0;
}
