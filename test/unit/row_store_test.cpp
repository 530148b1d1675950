#include "core/base/row_store.hpp"

#include <cmath>
#include <vector>

#include "core/base/random.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using seg::test::CountingResource;
using seg::test::row_of;

TEST(RowStore, TruncatesAndGoesOn) {
    CountingResource memory;
    RowStore store(&memory);
    store.set_width(1);
    for (std::size_t keep : {0u, 1u, 15u, 16u, 17u, 47u, 48u, 5000u}) {
        for (auto i = static_cast<double>(store.size()); i < 6000; ++i)
            store.append(&i);
        store.truncate(keep);
        EXPECT_EQ(store.size(), keep);
        for (std::size_t i = 0; i < keep; ++i)
            ASSERT_EQ(row_of(store, i)[0], static_cast<double>(i));
    }
}

TEST(RowStore, FindsEveryRow) {
    CountingResource memory;
    {
        RowStore store(&memory);
        store.set_width(2);
        for (int i = 0; i < 60000; ++i) {
            const double row[] = {static_cast<double>(i), -static_cast<double>(i)};
            store.append(row);
        }
        for (std::uint64_t i = 0; i < 60000; ++i) {
            ASSERT_EQ(row_of(store, i)[0], static_cast<double>(i));
            ASSERT_EQ(row_of(store, i)[1], -static_cast<double>(i));
        }
        std::uint64_t visited = 0;
        store.for_each_run([&](const double* run, std::uint64_t count) {
            EXPECT_EQ(run[0], static_cast<double>(visited));
            visited += count;
        });
        EXPECT_EQ(visited, 60000u);
    }
    EXPECT_EQ(memory.live, 0u);
}

// Numbers that a float holds, until one comes that it does not; at any place.
TEST(RowStore, WidensWhenAValueIsNoFloat) {
    for (std::uint64_t inexact : {0u, 1u, 15u, 16u, 47u, 48u, 999u, 70000u}) {
        CountingResource memory;
        RowStore store(&memory);
        store.set_width(3, RowStore::Values::kFloatsWhileExact);
        std::vector<double> expected;
        const auto append = [&](double last) {
            const double row[] = {static_cast<double>(store.size()), -0.0, last};
            expected.insert(expected.end(), row, row + 3);
            store.append(row);
        };
        while (store.size() < inexact)
            append(0.5);
        EXPECT_TRUE(store.is_narrow());
        append(0.1);
        EXPECT_FALSE(store.is_narrow());
        for (int i = 0; i < 100; ++i)
            append(i % 2 == 0 ? 1e300 : 2);
        std::vector<double> visited;
        store.for_each_run([&](const double* run, std::uint64_t count) {
            visited.insert(visited.end(), run, run + count * store.width());
        });
        EXPECT_EQ(visited, expected);
        for (std::uint64_t i = 0; i < store.size(); ++i)
            ASSERT_EQ(row_of(store, i)[0], static_cast<double>(i));
        EXPECT_TRUE(std::signbit(row_of(store, inexact / 2)[1]));
    }
}

TEST(RowStore, NarrowRowsTakeHalfTheMemory) {
    std::size_t live[2];
    for (int wide : {0, 1}) {
        CountingResource memory;
        RowStore store(&memory);
        store.set_width(4, RowStore::Values::kFloatsWhileExact);
        const double row[] = {1, 2, 3, wide == 1 ? 0.1 : 4.0};
        for (int i = 0; i < 100000; ++i)
            store.append(row);
        live[wide] = memory.live;
    }
    EXPECT_NEAR(static_cast<double>(live[1]) / static_cast<double>(live[0]), 2, 0.01);
}

// Whatever allocation fails while the store is widened, no row is lost, and it goes on.
TEST(RowStore, WideningMayFailAtAnyChunk) {
    for (std::size_t failing = 1;; ++failing) {
        CountingResource memory;
        RowStore store(&memory);
        store.set_width(2, RowStore::Values::kFloatsWhileExact);
        for (int i = 0; i < 300; ++i) {
            const double row[] = {static_cast<double>(i), 0.5};
            store.append(row);
        }
        memory.fail_at = memory.allocations + failing;
        const double inexact[] = {300, 0.1};
        bool failed = false;
        try {
            store.append(inexact);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        EXPECT_EQ(store.size(), failed ? 300u : 301u);
        store.move_row(299, 5);
        store.truncate(failing % 2 == 0 ? 290 : 20);
        const double exact[] = {1000, 1};
        store.append(exact);
        store.append(inexact);
        const std::uint64_t size = store.size();
        for (std::uint64_t i = 0; i + 2 < size; ++i)
            ASSERT_EQ(row_of(store, i), (std::vector<double>{i == 5 ? 299.0 : static_cast<double>(i), 0.5}));
        EXPECT_EQ(row_of(store, size - 2), (std::vector<double>{1000, 1}));
        EXPECT_EQ(row_of(store, size - 1), (std::vector<double>{300, 0.1}));
        EXPECT_FALSE(store.is_narrow());
        if (!failed)
            break;
    }
}

TEST(RowStore, WideningCanBeCancelled) {
    CountingResource memory;
    RowStore store(&memory);
    store.set_width(1, RowStore::Values::kFloatsWhileExact);
    for (double i = 0; i < 1000; ++i)
        store.append(&i);
    const double inexact = 0.1;
    for (int polls = 0; polls < 5; ++polls) {
        seg::test::CancelAfter interrupt(0);
        EXPECT_THROW(store.append(&inexact, &interrupt), seg::test::Cancelled);
    }
    EXPECT_EQ(store.size(), 1000u);
    seg::test::CancelAfter later(3);
    EXPECT_THROW(store.append(&inexact, &later), seg::test::Cancelled);
    NoInterrupt interrupt;
    store.append(&inexact, &interrupt);
    EXPECT_EQ(row_of(store, 999)[0], 999);
    EXPECT_EQ(row_of(store, 1000)[0], 0.1);
}

TEST(RowStore, DoublesUnlessToldOtherwise) {
    CountingResource memory;
    RowStore store(&memory);
    store.set_width(1);
    const double one = 1;
    store.append(&one);
    EXPECT_FALSE(store.is_narrow());
}

TEST(RowStore, LongRowsAreWideFromTheStart) {
    CountingResource memory;
    RowStore store(&memory);
    store.set_width(2000, RowStore::Values::kFloatsWhileExact);
    const std::vector<double> row(2000, 1);
    store.append(row.data());
    EXPECT_FALSE(store.is_narrow());
    EXPECT_EQ(row_of(store, 0), row);
}

}  // namespace
