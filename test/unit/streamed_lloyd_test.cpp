#include "core/clustering/streamed_lloyd.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "testing.hpp"

#include "core/clustering/lloyd.hpp"

namespace seg::core::clustering {
namespace {

using test::CountingResource;

class StreamedLloydTest : public ::testing::Test {
  protected:
    StreamedLloydTest()
        : rows_(&memory_), counts_(&memory_), shift_(&memory_), scale_(&memory_), origin_(&memory_) {}

    // Rows of blobs, as floats or doubles, in the space of `cosine`, or (x - shift) / scale.
    void make(std::size_t size, std::size_t dimensions, bool floats) {
        d_ = dimensions;
        rows_.set_width(d_, RowStore::Values::kFloatsWhileExact);
        shift_.assign(d_, 0.0);
        scale_.assign(d_, 1.0);
        origin_.assign(d_, 0.25);
        std::mt19937 random(static_cast<unsigned>(size + dimensions));
        std::normal_distribution<double> spread(0, 0.05);
        std::vector<double> row(d_);
        for (std::size_t i = 0; i < size; ++i) {
            for (std::size_t f = 0; f < d_; ++f) {
                row[f] = 0.2 * static_cast<double>((i + f) % 4) + spread(random);
                if (floats)
                    row[f] = static_cast<double>(static_cast<float>(row[f]));
            }
            rows_.append(row.data());
        }
    }

    RowTable table() const { return {rows_, {counts_.data(), counts_.size()}}; }
    Space space() const { return {{shift_.data(), d_}, {scale_.data(), d_}, cosine_}; }
    Grid grid() const { return {{origin_.data(), d_}, 0.25}; }

    // The same points on the grid, put there one by one.
    void expect_what_lloyd_finds(const std::vector<double>& start, double length, std::int32_t max_iter) {
        const std::size_t k = start.size() / d_;
        Blocks<float> points(table().size(), d_, &memory_);
        Vector<float> weights(points.block_count() * kLanes, 0.0f, &memory_);
        std::vector<double> buffer(d_);
        for (std::size_t i = 0; i < points.size(); ++i) {
            space().transform(rows_.row(i, buffer.data()), [&](std::size_t f, double value) {
                const double exact = (value - origin_[f]) * 0.25 / kGridStep;
                points.at(i, f) = static_cast<float>(std::nearbyint(exact) * kGridStep);
            });
            weights[i] = static_cast<float>(table().count(i));
        }
        points.pad();
        Lloyd<float> lloyd({points, weights}, k, length, &memory_, interrupt_);
        lloyd.set_centres(start.data());
        const LloydOutcome expected = lloyd.iterate(max_iter, 0);

        StreamedLloyd streamed(table(), space(), grid(), k, length, &memory_, interrupt_);
        streamed.set_centres(start.data());
        const LloydOutcome outcome = streamed.iterate(max_iter, 0);
        EXPECT_EQ(outcome.iterations, expected.iterations);
        EXPECT_EQ(outcome.relocated, expected.relocated);
        EXPECT_EQ(outcome.converged, expected.converged);
        EXPECT_EQ(streamed.centres(), lloyd.centres());

        GridPoints copy(points.size(), d_, &memory_);
        streamed.copy_to(copy);
        for (std::size_t b = 0; b < points.block_count(); ++b)
            EXPECT_TRUE(std::equal(points.block(b), points.block(b) + kLanes * d_, copy.points.block(b)))
                << b;
        EXPECT_EQ(copy.weights, weights);
    }

    // Centres among the points, on the grid.
    std::vector<double> start(std::size_t k) const {
        std::vector<double> centres;
        for (std::size_t c = 0; c < k; ++c)
            for (std::size_t f = 0; f < d_; ++f)
                centres.push_back(0.05 * static_cast<double>((c + f) % 4) - 0.06 +
                                  0.001 * static_cast<double>(c));
        return centres;
    }

    CountingResource memory_;
    NoInterrupt interrupt_;
    std::size_t d_ = 0;
    bool cosine_ = false;
    RowStore rows_;
    Vector<std::int64_t> counts_;
    Vector<double> shift_;
    Vector<double> scale_;
    Vector<double> origin_;
};

TEST_F(StreamedLloydTest, FindsWhatLloydFinds) {
    make(1003, 3, true);
    expect_what_lloyd_finds(start(4), 0, 50);
}

TEST_F(StreamedLloydTest, FindsWhatLloydFindsInDoubles) {
    make(1003, 9, false);
    expect_what_lloyd_finds(start(5), 0, 50);
}

TEST_F(StreamedLloydTest, FindsWhatLloydFindsInAnotherSpace) {
    make(500, 5, true);
    shift_.assign(d_, 0.1);
    scale_.assign(d_, 0.3);
    expect_what_lloyd_finds(start(4), 0, 50);
}

TEST_F(StreamedLloydTest, FindsWhatLloydFindsByDirection) {
    make(500, 4, true);
    cosine_ = true;
    origin_.assign(d_, 0.0);
    expect_what_lloyd_finds(start(3), 0.25, 50);
}

TEST_F(StreamedLloydTest, CountsRowsThatStandForSeveral) {
    make(300, 2, true);
    for (std::int64_t i = 0; i < 300; ++i)
        counts_.push_back(1 + i * i % 17);
    expect_what_lloyd_finds(start(4), 0, 50);
}

// Most centres attract nothing, so that rows move to them; some rows are equally far.
TEST_F(StreamedLloydTest, RelocatesAsLloydDoes) {
    make(40, 2, true);
    for (int i = 0; i < 40; ++i) {
        const double twice[] = {0.5, i % 2 == 0 ? 1.0 : -1.0};
        rows_.append(twice);
    }
    std::vector<double> centres(2 * 12, 0.9);
    centres[0] = centres[1] = 0;
    expect_what_lloyd_finds(centres, 0, 1);
    expect_what_lloyd_finds(centres, 0, 50);
}

// As many rows as clusters: every cluster keeps its last row.
TEST_F(StreamedLloydTest, LeavesLastRowsWhereTheyAre) {
    make(7, 2, true);
    std::vector<double> centres(2 * 7, 0.9);
    for (std::size_t i = 0; i < 6; ++i)
        centres[i] = 0.01 * static_cast<double>(i);
    expect_what_lloyd_finds(centres, 0, 1);
    expect_what_lloyd_finds(centres, 0, 20);
}

TEST_F(StreamedLloydTest, TakesNoMemoryForRows) {
    make(50'000, 4, true);
    Bill bill;
    StreamedLloyd::price(bill, 4, 8);
    const std::size_t before = memory_.live;
    memory_.peak = before;
    StreamedLloyd streamed(table(), space(), grid(), 8, 0, &memory_, interrupt_);
    streamed.set_centres(start(8).data());
    streamed.iterate(5, 0);
    EXPECT_LE(memory_.peak - before, bill.total());
}

}  // namespace
}  // namespace seg::core::clustering
