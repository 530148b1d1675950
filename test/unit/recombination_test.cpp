#include "core/clustering/recombination.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "core/clustering/search.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::clustering;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;

// Round heaps on the crossings of a lattice.
template <typename T>
struct Lattice {
    static constexpr std::size_t kHeapRows = 40;
    static constexpr double kSpread = 0.2;

    Lattice(std::size_t side, MemoryResource* memory)
        : points(side * side * kHeapRows, 2, memory),
          weights(points.block_count() * kLanes, T(0), memory),
          heaps(side * side) {
        Random random(7);
        for (std::size_t i = 0; i < points.size(); ++i) {
            const std::size_t heap = i % heaps;
            points.at(i, 0) = static_cast<T>(static_cast<double>(heap % side) + kSpread * random.normal());
            points.at(i, 1) = static_cast<T>(static_cast<double>(heap / side) + kSpread * random.normal());
            weights[i] = 1;
        }
        points.pad();
    }

    WeightedPoints<T> view() const { return {points, weights}; }

    // Where Lloyd's iterations lead from a centre at each crossing.
    double optimum() const {
        CountingResource memory;
        NoInterrupt interrupt;
        std::vector<double> centres;
        const auto side = static_cast<std::size_t>(std::lround(std::sqrt(heaps)));
        for (std::size_t heap = 0; heap < heaps; ++heap)
            centres.insert(centres.end(),
                           {static_cast<double>(heap % side), static_cast<double>(heap / side)});
        Lloyd<T> lloyd(view(), heaps, 0, &memory, interrupt);
        lloyd.set_centres(centres.data());
        lloyd.iterate(300, 0);
        return lloyd.inertia();
    }

    Blocks<T> points;
    Vector<T> weights;
    std::size_t heaps;
};

KmeansOptions options_of(std::size_t k, std::int32_t n_init, std::int64_t seed) {
    KmeansOptions options;
    options.k = static_cast<std::int32_t>(k);
    options.n_init = n_init;
    options.seed = seed;
    return options;
}

template <typename T>
double found(const Lattice<T>& lattice, const KmeansOptions& options, Effort effort) {
    CountingResource memory;
    NoInterrupt interrupt;
    const SearchTask task = {options, 1e-8, 0, std::numeric_limits<double>::infinity(), 0, effort};
    return search_centres(lattice.view(), task, &memory, interrupt).best.inertia;
}

// Heaps without a centre are beyond the reach of Lloyd's iterations.
TEST(Recombination, FindsWhatRestartsMiss) {
    CountingResource memory;
    const Lattice<double> lattice(8, &memory);
    const double optimum = lattice.optimum();
    int missed = 0;
    for (int seed = 0; seed < 10; ++seed) {
        const KmeansOptions options = options_of(lattice.heaps, 3, seed);
        missed += found(lattice, options, Effort::kRestarts) > 1.01 * optimum ? 1 : 0;
        EXPECT_LE(found(lattice, options, Effort::kThorough), 1.0001 * optimum) << seed;
    }
    EXPECT_GE(missed, 8);
}

TEST(Recombination, IsNeverWorseThanRestarts) {
    CountingResource memory;
    const Lattice<float> lattice(8, &memory);
    int better = 0;
    for (int seed = 0; seed < 10; ++seed) {
        const KmeansOptions options = options_of(lattice.heaps, 4, seed);
        const double restarts = found(lattice, options, Effort::kRestarts);
        const double recombined = found(lattice, options, Effort::kRecombined);
        EXPECT_LE(recombined, restarts);
        better += recombined < 0.99 * restarts ? 1 : 0;
    }
    EXPECT_GE(better, 1);
}

// A population of clusterings of four points on a line, offered by their centres.
class Population : public ::testing::Test {
  protected:
    Population() : points_(4, 1, &memory_), weights_(kLanes, 0.0, &memory_) {
        for (std::size_t i = 0; i < 4; ++i) {
            points_.at(i, 0) = static_cast<double>(i);
            weights_[i] = 1;
        }
        points_.pad();
    }

    bool offer(double first, double second, double inertia) {
        const double centres[] = {first, second};
        lloyd_.set_centres(centres);
        return recombination_.offer(inertia);
    }

    CountingResource memory_;
    NoInterrupt interrupt_;
    Blocks<double> points_;
    Vector<double> weights_;
    Lloyd<double> lloyd_{{points_, weights_}, 2, 0, &memory_, interrupt_};
    Recombination<double> recombination_{{points_, weights_}, lloyd_, &memory_, interrupt_};
};

TEST_F(Population, KeepsTheBestAndNoneTwice) {
    EXPECT_TRUE(offer(0, 1, 20));
    EXPECT_FALSE(recombination_.has_parents());
    EXPECT_FALSE(offer(7, 8, 20));  // taken for the same
    EXPECT_FALSE(recombination_.has_parents());
    EXPECT_FALSE(offer(0, 2, 21));
    EXPECT_TRUE(recombination_.has_parents());
    EXPECT_TRUE(offer(0, 3, 10));
    EXPECT_EQ(recombination_.best().inertia, 10);
    EXPECT_EQ(recombination_.best().centres[1], 3);
    EXPECT_FALSE(offer(0.25, 3, 9.99999));  // no news, but better
    EXPECT_EQ(recombination_.best().inertia, 9.99999);
    EXPECT_FALSE(offer(0, 0, std::numeric_limits<double>::quiet_NaN()));
    for (int i = 0; i < 40; ++i)
        EXPECT_FALSE(offer(0, 1, 30 + i));
    EXPECT_EQ(recombination_.best().inertia, 9.99999);
    EXPECT_TRUE(offer(0.5, 2.5, 1));
    EXPECT_EQ(recombination_.best().centres[0], 0.5);
}

TEST_F(Population, ChildrenReachTheOptimum) {
    offer(0, 3, 5);
    Random random(1);
    recombination_.run({0, 1e9, 300, 0}, random);
    EXPECT_EQ(recombination_.best().inertia, 5);  // no children were allowed
    recombination_.run({50, 0, 300, 0}, random);
    EXPECT_EQ(recombination_.best().inertia, 5);  // nor any work
    recombination_.run({50, 1e9, 300, 0}, random);
    EXPECT_EQ(recombination_.best().inertia, 1);  // {0, 1} and {2, 3}
}

// Two rows are all there is between three centres: the newcomer is drawn where no distance is left.
TEST(Recombination, RowsThatCoincideWithCentres) {
    CountingResource memory;
    NoInterrupt interrupt;
    Blocks<double> points(3, 1, &memory);
    for (std::size_t i = 0; i < 3; ++i)
        points.at(i, 0) = i < 2 ? 0.0 : 1e-200;
    points.pad();
    Vector<double> weights(kLanes, 0.0, &memory);
    std::fill_n(weights.begin(), 3, 1.0);
    Lloyd<double> lloyd({points, weights}, 2, 0, &memory, interrupt);
    Recombination<double> recombination({points, weights}, lloyd, &memory, interrupt);
    const double centres[] = {0, 1e-200};
    lloyd.set_centres(centres);
    recombination.offer(0);
    Random random(3);
    recombination.run({20, 1e9, 300, 0}, random);
    EXPECT_EQ(recombination.best().inertia, 0);
}

TEST(Recombination, CancelsAtAnyPoll) {
    CountingResource memory;
    const Lattice<double> lattice(10, &memory);
    const KmeansOptions options = options_of(lattice.heaps, 2, 1);
    const SearchTask task = {options, 1e-8, 0, std::numeric_limits<double>::infinity(), 0, Effort::kThorough};
    const std::size_t before = memory.live;
    for (int polls = 0; polls < 150; polls += 7) {
        CancelAfter interrupt(polls);
        EXPECT_THROW(search_centres(lattice.view(), task, &memory, interrupt), Cancelled) << polls;
        EXPECT_EQ(memory.live, before);
    }
}

}  // namespace
