// Scales: against models that sort and count, on data full of ties.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/base/codec.hpp"
#include "core/rfm/rank_select.hpp"
#include "core/rfm/scale.hpp"
#include "core/rfm/scale_state.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::rfm;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

using Rows = std::vector<Measures>;

class RowSource final : public MeasureSource {
  public:
    explicit RowSource(const Rows& rows, std::size_t batch = 1000) : rows_(rows), batch_(batch) {}
    std::uint64_t size() const override { return rows_.size(); }
    void visit(MeasureConsumer& consumer) const override {
        ++visits;
        for (std::size_t i = 0; i < rows_.size(); i += batch_)
            consumer.take({rows_.data() + i, std::min(batch_, rows_.size() - i)});
    }
    mutable int visits = 0;

  private:
    const Rows& rows_;
    std::size_t batch_;
};

Scale fit(const Rows& rows, const ScaleOptions& options, std::size_t batch = 1000) {
    CountingResource memory;
    NoInterrupt interrupt;
    const RowSource source(rows, batch);
    Scale scale = fit_scale(source, options, memory, interrupt);
    EXPECT_EQ(memory.live, 0u);
    EXPECT_LE(memory.peak, 1'100'000u);
    return scale;
}

std::vector<std::byte> image_of(const Scale& scale) {
    std::vector<std::byte> image(scale.image_size());
    scale.write_image(image);
    return image;
}

ScaleOptions options_of(Method method, int bins) {
    ScaleOptions options;
    options.method = method;
    options.bins = {bins, bins, bins};
    return options;
}

// A column of all customers, more being better.
using Column = std::vector<double>;

struct Columns {
    Column r, f, m;
};

Columns columns_of(const Rows& rows) {
    Columns columns;
    for (const Measures& row : rows) {
        columns.r.push_back(-row.recency);
        columns.f.push_back(row.frequency);
        columns.m.push_back(row.monetary);
    }
    return columns;
}

// The model: scores of a column by counting over all of it.
std::vector<int> model_scores(Method method, const Column& column, int bins) {
    Column sorted = column;
    std::sort(sorted.begin(), sorted.end());
    const auto n = static_cast<std::int64_t>(column.size());
    std::vector<int> scores;
    for (double x : column) {
        const std::int64_t worse = std::lower_bound(sorted.begin(), sorted.end(), x) - sorted.begin();
        const std::int64_t not_better = std::upper_bound(sorted.begin(), sorted.end(), x) - sorted.begin();
        std::int64_t score = 1;
        if (method == Method::kPercentRank) {
            score = n == 1 ? 1 : std::min<std::int64_t>(worse * bins / (n - 1) + 1, bins);
        } else if (method == Method::kCumeDist) {
            score = (not_better * bins + n - 1) / n;
        } else {
            for (int k = 1; k < bins; ++k)
                score += x > sorted[static_cast<std::size_t>((k * n + bins - 1) / bins - 1)];
        }
        scores.push_back(static_cast<int>(score));
    }
    return scores;
}

// Values of a column within the customers that have these scores, and their scores back in place.
void score_within(const std::vector<std::size_t>& members, const Column& column, int bins,
                  std::vector<int>& scores) {
    Column part;
    for (std::size_t i : members)
        part.push_back(column[i]);
    const std::vector<int> part_scores = model_scores(Method::kQuantile, part, bins);
    for (std::size_t i = 0; i < members.size(); ++i)
        scores[members[i]] = part_scores[i];
}

std::vector<Scores> model(Method method, const Rows& rows, const std::array<int, 3>& bins) {
    const Columns columns = columns_of(rows);
    const std::vector<int> r = model_scores(method, columns.r, bins[0]);
    std::vector<int> f = model_scores(method, columns.f, bins[1]);
    std::vector<int> m = model_scores(method, columns.m, bins[2]);
    if (method == Method::kNested) {
        const auto members = [&](int r_score, int f_score) {
            std::vector<std::size_t> found;
            for (std::size_t i = 0; i < rows.size(); ++i)
                if (r[i] == r_score && (f_score == 0 || f[i] == f_score))
                    found.push_back(i);
            return found;
        };
        for (int a = 1; a <= bins[0]; ++a)
            score_within(members(a, 0), columns.f, bins[1], f);
        for (int a = 1; a <= bins[0]; ++a)
            for (int b = 1; b <= bins[1]; ++b)
                score_within(members(a, b), columns.m, bins[2], m);
    }
    std::vector<Scores> scores;
    for (std::size_t i = 0; i < rows.size(); ++i)
        scores.push_back({r[i], f[i], m[i]});
    return scores;
}

void expect_model(const Scale& scale, const Rows& rows, const std::vector<Scores>& expected) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Scores scores = scale.score(rows[i]);
        ASSERT_EQ(scores, expected[i])
            << "customer " << i << " of " << rows.size() << ": " << rows[i].recency << " "
            << rows[i].frequency << " " << rows[i].monetary << " has " << scores.r << scores.f << scores.m
            << ", not " << expected[i].r << expected[i].f << expected[i].m;
    }
}

Rows random_rows(std::mt19937_64& random, std::size_t count, int distinct) {
    Rows rows(count);
    for (Measures& row : rows) {
        const auto draw = [&](int values) {
            return static_cast<double>(random() % static_cast<unsigned>(values));
        };
        row = {draw(distinct) - 2, 1 + draw(distinct) * draw(2), (draw(10 * distinct) - distinct) / 100};
    }
    return rows;
}

constexpr Method kRankMethods[] = {Method::kQuantile, Method::kPercentRank, Method::kCumeDist,
                                   Method::kNested};

TEST(Scale, ScoresAsTheModelsDo) {
    std::mt19937_64 random(20260101);
    for (int trial = 0; trial < 400; ++trial) {
        const Rows rows = random_rows(random, 1 + random() % 200, 1 + static_cast<int>(random() % 60));
        const std::array bins = {2 + static_cast<int>(random() % 9), 2 + static_cast<int>(random() % 9),
                                 2 + static_cast<int>(random() % 9)};
        for (Method method : kRankMethods) {
            SCOPED_TRACE(name_of(method));
            const Scale scale = fit(rows, {.method = method, .bins = bins, .breaks = {}});
            expect_model(scale, rows, model(method, rows, bins));
            EXPECT_EQ(scale.customers(), static_cast<std::int64_t>(rows.size()));
        }
    }
}

// More rows than are collected at once, so that counting passes come first: integers, ties and spread-out
// doubles of every size and sign.
Rows many_rows(std::mt19937_64& random, int kind) {
    Rows rows(100'000);
    for (Measures& row : rows) {
        switch (kind) {
            case 0:  // integers, cents
                row = {static_cast<double>(random() % 3000),
                       static_cast<double>(1 + random() % 20 * (random() % 5)),
                       static_cast<double>(random() % 5'000'000) / 100};
                break;
            case 1:  // any finite doubles
                for (double* x : {&row.recency, &row.frequency, &row.monetary})
                    do
                        *x = std::bit_cast<double>(random());
                    while (!std::isfinite(*x));
                break;
            default:  // most customers the same, others next to them; both zeros
                row = {random() % 3 ? 7.0 : 7.0 + static_cast<double>(random() % 1000) * 1e-13,
                       random() % 2 ? -0.0 : 0.0,
                       random() % 4 ? 9.99 : static_cast<double>(random() % 7) - 3};
        }
    }
    return rows;
}

TEST(Scale, ManyCustomersScoreAsTheModelsDo) {
    std::mt19937_64 random(7);
    for (int kind = 0; kind < 3; ++kind) {
        const Rows rows = many_rows(random, kind);
        for (Method method : kRankMethods) {
            SCOPED_TRACE(testing::Message() << name_of(method) << " " << kind);
            const Scale scale = fit(rows, options_of(method, 7));
            expect_model(scale, rows, model(method, rows, {7, 7, 7}));
        }
    }
}

TEST(Scale, NeedsFewVisits) {
    std::mt19937_64 random(8);
    const Rows rows = many_rows(random, 0);
    CountingResource memory;
    NoInterrupt interrupt;
    const RowSource source(rows);
    fit_scale(source, {}, memory, interrupt);
    EXPECT_LE(source.visits, 2);
    EXPECT_LE(memory.peak, 1'100'000u);
}

TEST(Scale, OrderAndBatchesDoNotMatter) {
    std::mt19937_64 random(3);
    for (int kind = 0; kind < 3; ++kind) {
        Rows rows = many_rows(random, kind);
        for (Method method : {Method::kQuantile, Method::kPercentRank, Method::kCumeDist, Method::kRRfm,
                              Method::kNested, Method::kKlaviyo}) {
            SCOPED_TRACE(name_of(method));
            if (method == Method::kRRfm && kind == 1)
                continue;  // differences of doubles that large are not finite
            const ScaleOptions options = {.method = method, .bins = {}, .breaks = {}};
            const auto image = image_of(fit(rows, options));
            std::shuffle(rows.begin(), rows.end(), random);
            EXPECT_EQ(image_of(fit(rows, options, 1 + random() % 5000)), image);
        }
    }
}

TEST(Scale, CurrencyUnitDoesNotMatterButToRRfm) {
    std::mt19937_64 random(4);
    Rows rows = random_rows(random, 3000, 400);
    for (Method method : {Method::kQuantile, Method::kPercentRank, Method::kCumeDist, Method::kNested,
                          Method::kKlaviyo, Method::kRRfm}) {
        SCOPED_TRACE(name_of(method));
        const ScaleOptions options = {.method = method, .bins = {}, .breaks = {}};
        Rows doubled = rows;
        for (Measures& row : doubled)
            row.monetary *= 2;
        const Scale one = fit(rows, options);
        const Scale two = fit(doubled, options);
        std::size_t changed = 0;
        for (std::size_t i = 0; i < rows.size(); ++i)
            changed += !(one.score(rows[i]) == two.score(doubled[i]));
        if (method == Method::kRRfm)
            EXPECT_GT(changed, 0u);  // one unit of currency is added to each quantile
        else
            EXPECT_EQ(changed, 0u);
    }
}

// R 4: quantile(c(1, 2, 4, 8, 16, 32), seq(0, 1, length.out = 6))[2:5] + 1 is 3 5 9 17 and
// quantile(1:11, seq(0, 1, length.out = 11))[2:10] + 1 is 3 4 ... 11, each but for rounding errors of k * (1
// / n).
TEST(Scale, RRfmCutsAtQuantilesPlusOne) {
    Rows rows;
    for (double x : {4.0, 32.0, 1.0, 16.0, 2.0, 8.0})
        rows.push_back({x, x, x});
    const Scale scale = fit(rows, options_of(Method::kRRfm, 5));
    const double expected[] = {3, 5, 9, 17};
    for (Measure measure : {Measure::kFrequency, Measure::kMonetary})
        EXPECT_TRUE(std::ranges::equal(scale.cuts(measure), expected));
    EXPECT_TRUE(std::equal(std::begin(expected), std::end(expected), scale.cuts(Measure::kRecency).rbegin()));
    EXPECT_EQ(scale.score({3, 3, 3}), (Scores{4, 2, 2}));  // the interval [3, 5)
    EXPECT_EQ(scale.score({2.999, 2.999, 2.999}), (Scores{5, 1, 1}));
    EXPECT_EQ(scale.score({32, 32, 32}), (Scores{1, 5, 5}));
}

TEST(Scale, RRfmTakesTheProbabilitiesThatRTakes) {
    // 3 * (1 / 5) is not 3 / 5: with 1001 customers the position is a little past 601, in R as here.
    Rows rows;
    for (int i = 0; i < 1001; ++i)
        rows.push_back({0, 0, 1000.0 * i});
    const double probability = 3 * (1.0 / 5);
    const double position = 1.0 + 1000.0 * probability;
    const double weight = position - 601;
    ASSERT_GT(weight, 0);
    const Scale scale = fit(rows, options_of(Method::kRRfm, 5));
    EXPECT_EQ(scale.cuts(Measure::kMonetary)[2], ((1 - weight) * 600'000.0 + weight * 601'000.0) + 1);
}

TEST(Scale, BreaksBelongToTheBetterScore) {
    ScaleOptions options;
    options.method = Method::kFixed;
    for (double x : {30, 90, 365})
        options.breaks[0].push_back(x);
    options.breaks[1].push_back(2);
    for (double x : {100, 500})
        options.breaks[2].push_back(x);
    const Scale scale = fit({{1, 1, 1}}, options);
    EXPECT_EQ(scale.bins(Measure::kRecency), 4);
    EXPECT_EQ(scale.bins(Measure::kFrequency), 2);
    EXPECT_EQ(scale.score({30, 2, 100}), (Scores{4, 2, 2}));
    EXPECT_EQ(scale.score({31, 1, 99.99}), (Scores{3, 1, 1}));
    EXPECT_EQ(scale.score({365, 3, 500}), (Scores{2, 2, 3}));
    EXPECT_EQ(scale.score({366, 0, -5}), (Scores{1, 1, 1}));
}

TEST(Scale, KlaviyoFixesRecencyAndCutsTheRestInThirds) {
    Rows rows;
    for (int i = 1; i <= 9; ++i)
        rows.push_back({100, static_cast<double>(i), 10.0 * i});
    const Scale scale = fit(rows, {.method = Method::kKlaviyo, .bins = {}, .breaks = {}});
    EXPECT_EQ(scale.score({180, 3, 30}), (Scores{3, 1, 1}));
    EXPECT_EQ(scale.score({181, 4, 40}), (Scores{2, 2, 2}));
    EXPECT_EQ(scale.score({365, 6, 60}), (Scores{2, 2, 2}));
    EXPECT_EQ(scale.score({366, 7, 70}), (Scores{1, 3, 3}));
}

TEST(Scale, EmptyCellsOfANestedScaleTakeTheCutsOfAll) {
    Rows rows;  // everybody has the same recency and frequency
    for (int i = 1; i <= 10; ++i)
        rows.push_back({10, 2, static_cast<double>(i)});
    const Scale scale = fit(rows, options_of(Method::kNested, 5));
    EXPECT_EQ(scale.score({10, 2, 10}), (Scores{1, 1, 5}));
    EXPECT_EQ(scale.score({9, 3, 5}), (Scores{5, 5, 3}));
}

TEST(Scale, EqualCustomersShareTheScores) {
    const Rows rows(1000, Measures{5, 5, 5});
    for (Method method : {Method::kQuantile, Method::kPercentRank, Method::kNested})
        EXPECT_EQ(fit(rows, options_of(method, 5)).score(rows[0]), (Scores{1, 1, 1})) << name_of(method);
    EXPECT_EQ(fit(rows, options_of(Method::kCumeDist, 5)).score(rows[0]), (Scores{5, 5, 5}));
    EXPECT_EQ(fit(rows, options_of(Method::kRRfm, 5)).score(rows[0]), (Scores{5, 1, 1}));
}

TEST(Scale, RefusesWhatHasNoScore) {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    for (Method method : {Method::kQuantile, Method::kNested, Method::kFixed}) {
        ScaleOptions options = {.method = method, .bins = {}, .breaks = {}};
        if (method == Method::kFixed)
            for (Breaks& breaks : options.breaks)
                breaks.push_back(1);
        for (double bad : {kNaN, kInfinity, -kInfinity})
            for (const Measures& row : {Measures{bad, 1, 1}, Measures{1, bad, 1}, Measures{1, 1, bad}})
                EXPECT_EQ(error_code([&] { fit({{1, 1, 1}, row, {2, 2, 2}}, options); }), Errc::kBadData);
        EXPECT_EQ(error_code([&] { fit({}, options); }), Errc::kInvalidArgument);
    }
}

TEST(Scale, OptionsAreChecked) {
    const auto refused = [](const ScaleOptions& options) {
        return error_code([&] { resolved(options); }) == Errc::kInvalidArgument;
    };
    EXPECT_TRUE(refused(options_of(Method::kNtile, 5)));
    EXPECT_TRUE(refused(options_of(Method::kQuantile, 1)));
    EXPECT_TRUE(refused(options_of(Method::kQuantile, 11)));
    EXPECT_TRUE(refused(options_of(Method::kKlaviyo, 5)));
    EXPECT_EQ(resolved(options_of(Method::kKlaviyo, ScaleOptions::kUnset)).bins, (std::array{3, 3, 3}));
    EXPECT_EQ(resolved({}).bins, (std::array{5, 5, 5}));

    ScaleOptions fixed = options_of(Method::kFixed, ScaleOptions::kUnset);
    EXPECT_TRUE(refused(fixed));
    for (Breaks& breaks : fixed.breaks)
        breaks.push_back(1);
    EXPECT_EQ(resolved(fixed).bins, (std::array{2, 2, 2}));
    ScaleOptions other = fixed;
    other.method = Method::kQuantile;
    EXPECT_TRUE(refused(other));
    other = fixed;
    other.bins[1] = 3;
    EXPECT_TRUE(refused(other));
    for (double bad : {1.0, 0.0, std::numeric_limits<double>::infinity()}) {
        other = fixed;
        other.breaks[2].push_back(bad);
        EXPECT_TRUE(refused(other)) << bad;
    }
    EXPECT_EQ(error_code([] { method_named("median"); }), Errc::kInvalidArgument);
    EXPECT_EQ(method_named("cume_dist"), Method::kCumeDist);
}

TEST(Scale, ImageKeepsEverythingAndIsChecked) {
    std::mt19937_64 random(5);
    const Rows rows = random_rows(random, 500, 50);
    for (Method method : {Method::kQuantile, Method::kNested, Method::kRRfm}) {
        const std::array bins = {3, 4, 2};
        CountingResource memory;
        NoInterrupt interrupt;
        const Scale scale =
            fit_scale(RowSource(rows), {.method = method, .bins = bins, .breaks = {}}, memory, interrupt, 17);
        const std::vector<std::byte> image = image_of(scale);
        const Scale read{std::span<const std::byte>(image)};
        EXPECT_EQ(read.method(), method);
        EXPECT_EQ(read.customers(), 500);
        EXPECT_EQ(read.skipped(), 17);
        EXPECT_EQ(image_of(read), image);
        for (const Measures& row : rows)
            ASSERT_EQ(read.score(row), scale.score(row));
        for (std::size_t size = 0; size < image.size(); ++size)
            EXPECT_EQ(error_code([&] { Scale{std::span<const std::byte>(image).first(size)}; }),
                      Errc::kCorrupted);
    }
}

TEST(Scale, DamagedImagesAreRefused) {
    const auto refused = [](std::size_t at, std::uint8_t value) {
        std::vector<std::byte> image =
            image_of(fit({{1, 1, 1}, {2, 2, 2}, {3, 3, 3}}, options_of(Method::kQuantile, 3)));
        image[at] = std::byte{value};
        return error_code([&] { Scale::validate(std::span<const std::byte>(image).subspan(4)); }) ==
               Errc::kBadBinary;
    };
    EXPECT_TRUE(refused(4, 0));      // magic
    EXPECT_TRUE(refused(5, 2));      // version
    EXPECT_TRUE(refused(6, 0));      // method
    EXPECT_TRUE(refused(6, 2));      // ntile
    EXPECT_TRUE(refused(6, 9));      // unknown method
    EXPECT_TRUE(refused(7, 1));      // reserved
    EXPECT_TRUE(refused(8, 1));      // bins
    EXPECT_TRUE(refused(9, 11));     // bins
    EXPECT_TRUE(refused(15, 1));     // reserved
    EXPECT_TRUE(refused(16, 0));     // no customers
    EXPECT_TRUE(refused(31, 0x80));  // negative count
    EXPECT_TRUE(refused(39, 0x00));  // out of order, by size
    EXPECT_TRUE(refused(39, 0xc0));  // out of order, by sign
}

TEST(Scale, MemoryAndCancelAreHandled) {
    std::mt19937_64 random(6);
    const Rows rows = many_rows(random, 0);
    const RowSource source(rows);
    NoInterrupt interrupt;
    const ScaleOptions options = options_of(Method::kNested, 5);
    CountingResource counting;
    fit_scale(source, options, counting, interrupt);
    ASSERT_GT(counting.allocations, 3u);
    for (std::size_t fail_at = 1; fail_at <= counting.allocations; ++fail_at) {
        CountingResource memory;
        memory.fail_at = fail_at;
        EXPECT_THROW(fit_scale(source, options, memory, interrupt), std::bad_alloc);
        EXPECT_EQ(memory.live, 0u);
    }
    for (int polls = 0; polls < 5; ++polls) {
        CountingResource memory;
        CancelAfter cancel(polls);
        EXPECT_THROW(fit_scale(source, options, memory, cancel), Cancelled);
        EXPECT_EQ(memory.live, 0u);
    }
}

// ---- what the aggregate gathers

ScaleOptions some_breaks() {
    ScaleOptions options;
    options.method = Method::kFixed;
    options.breaks[0].push_back(30);
    options.breaks[1].push_back(-0.0);
    options.breaks[1].push_back(5);
    options.breaks[2].push_back(100.5);
    return resolved(options);
}

// An image that is aligned as the server aligns values.
class StateImage {
  public:
    explicit StateImage(const ScaleState& state) : size_(state.image_size()), words_(size_ / 8 + 1) {
        NoInterrupt interrupt;
        state.write_image(whole(), interrupt);
    }
    std::span<std::byte> whole() { return {reinterpret_cast<std::byte*>(words_.data()), size_}; }
    std::span<std::byte> body() { return whole().subspan(4); }

  private:
    std::size_t size_;
    std::vector<std::uint64_t> words_;
};

TEST(ScaleState, PartsGiveTheScaleOfTheWhole) {
    std::mt19937_64 random(9);
    const Rows rows = random_rows(random, 5000, 300);
    NoInterrupt interrupt;
    for (const ScaleOptions& options : {resolved({}), some_breaks(), resolved(options_of(Method::kNested, 4)),
                                        resolved(options_of(Method::kRRfm, 3))}) {
        SCOPED_TRACE(name_of(options.method));
        const auto whole = image_of(fit(rows, options));
        CountingResource memory;
        {
            ScaleState first(&memory, options);
            ScaleState second(&memory, options);
            for (const Measures& row : rows)
                (random() % 3 ? first : second).add(row);
            StateImage image(second);
            EXPECT_EQ(ScaleState::read_options(image.body(), interrupt), options);
            ScaleState by_state(&memory, options);
            by_state.merge(second, interrupt);
            by_state.merge(first, interrupt);
            EXPECT_EQ(image_of(fit_scale(by_state, options, memory, interrupt)), whole);
            first.merge_body(image.body(), interrupt);
            EXPECT_EQ(first.size(), rows.size());
            EXPECT_EQ(image_of(fit_scale(first, options, memory, interrupt)), whole);
        }
        EXPECT_EQ(memory.live, 0u);
    }
}

TEST(ScaleState, CountsWhatItSkipsAndRefusesOtherOptions) {
    CountingResource memory;
    NoInterrupt interrupt;
    ScaleState one(&memory, resolved({}));
    ScaleState other(&memory, resolved({}));
    one.skip();
    other.skip();
    other.skip();
    one.merge(other, interrupt);
    one.merge_body(StateImage(other).body(), interrupt);
    EXPECT_EQ(one.skipped(), 5);
    EXPECT_EQ(one.size(), 0u);
    ScaleState nested(&memory, resolved(options_of(Method::kNested, 5)));
    EXPECT_EQ(error_code([&] { one.merge(nested, interrupt); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { one.merge_body(StateImage(nested).body(), interrupt); }),
              Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { one.add({1, std::numeric_limits<double>::quiet_NaN(), 1}); }), Errc::kBadData);
    EXPECT_EQ(one.size(), 0u);
}

TEST(ScaleState, DamagedImagesAreRefused) {
    CountingResource memory;
    NoInterrupt interrupt;
    ScaleState state(&memory, some_breaks());
    state.add({1, 2, 3});
    const auto refused = [&](std::size_t at, std::uint8_t value) {
        StateImage image(state);
        image.whole()[at] = std::byte{value};
        return error_code([&] { ScaleState::read_options(image.body(), interrupt); }) == Errc::kBadBinary;
    };
    EXPECT_TRUE(refused(4, 'S'));    // magic
    EXPECT_TRUE(refused(5, 0));      // version
    EXPECT_TRUE(refused(6, 1));      // a method without breaks, so the length is wrong
    EXPECT_TRUE(refused(6, 2));      // ntile
    EXPECT_TRUE(refused(7, 1));      // reserved
    EXPECT_TRUE(refused(9, 11));     // bins
    EXPECT_TRUE(refused(9, 2));      // bins, and so the length
    EXPECT_TRUE(refused(12, 1));     // reserved
    EXPECT_TRUE(refused(16, 2));     // customers
    EXPECT_TRUE(refused(31, 0x80));  // negative count
    EXPECT_TRUE(refused(47, 0x80));  // a break that is negative zero
    EXPECT_TRUE(refused(47, 0x41));  // breaks out of order
    EXPECT_TRUE(refused(71, 0x7f) && refused(71, 0xff)) << "a measure that is infinite";
    StateImage whole(state);
    for (std::size_t size = 0; size < whole.body().size(); ++size)
        EXPECT_EQ(error_code([&] { ScaleState::read_options(whole.body().first(size), interrupt); }),
                  Errc::kBadBinary);
}

// ---- values of released versions stay readable for ever: bytes as each version wrote them

std::vector<std::uint64_t> words_of(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::vector<std::uint64_t> words((hex.size() / 2 + 4) / 8);
    auto* bytes = reinterpret_cast<std::uint8_t*>(words.data()) + 4;
    for (std::size_t i = 0; i < hex.size() / 2; ++i)
        bytes[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
    return words;
}

// Of (1, 1, 10), (2, 2, 20.5) and (3, 3, -30), with one row skipped: quantiles in 2, 3 and 2 scores.
constexpr std::string_view kScaleVersion1 =
    "530101000203020000000000030000000000000001000000000000000000000000000040"
    "000000000000f03f00000000000000400000000000002440";
constexpr std::string_view kScaleStateVersion1 =
    "73010100020302000000000003000000000000000100000000000000000000000000f03f"
    "000000000000f03f00000000000024400000000000000040000000000000004000000000008034400000000000000840"
    "00000000000008400000000000003ec0";

TEST(StoredScale, Version1) {
    const std::vector<std::uint64_t> words = words_of(kScaleVersion1);
    const auto image = std::as_bytes(std::span(words));
    Scale::validate(image.subspan(4));
    const Scale scale{image};
    EXPECT_EQ(scale.method(), Method::kQuantile);
    EXPECT_EQ(scale.bins(Measure::kFrequency), 3);
    EXPECT_EQ(scale.customers(), 3);
    EXPECT_EQ(scale.skipped(), 1);
    EXPECT_EQ(scale.cuts(Measure::kRecency)[0], 2);
    EXPECT_EQ(scale.cuts(Measure::kFrequency)[1], 2);
    EXPECT_EQ(scale.cuts(Measure::kMonetary)[0], 10);
    std::vector<std::byte> written = image_of(scale);
    EXPECT_TRUE(std::equal(image.begin() + 4, image.end(), written.begin() + 4, written.end()));
}

TEST(StoredScale, StateVersion1) {
    const std::vector<std::uint64_t> words = words_of(kScaleStateVersion1);
    const auto image = std::as_bytes(std::span(words));
    NoInterrupt interrupt;
    CountingResource memory;
    const ScaleOptions options = ScaleState::read_options(image.subspan(4), interrupt);
    EXPECT_EQ(options.bins, (std::array{2, 3, 2}));
    ScaleState state(&memory, options);
    state.merge_body(image.subspan(4), interrupt);
    EXPECT_EQ(state.size(), 3u);
    EXPECT_EQ(state.skipped(), 1);
    EXPECT_EQ(image_of(fit_scale(state, options, memory, interrupt, state.skipped())).size(), 64u);
    std::vector<std::byte> written(state.image_size());
    state.write_image(written, interrupt);
    EXPECT_TRUE(std::equal(image.begin() + 4, image.end(), written.begin() + 4, written.end()));
}

TEST(RankSelect, KeysSortAsDoublesDo) {
    const double ascending[] = {
        -std::numeric_limits<double>::max(),       -1.5, -std::numeric_limits<double>::denorm_min(), 0,
        std::numeric_limits<double>::denorm_min(), 1,    std::numeric_limits<double>::max()};
    for (std::size_t i = 0; i + 1 < std::size(ascending); ++i)
        EXPECT_LT(sort_key(ascending[i]), sort_key(ascending[i + 1]));
    for (double x : ascending)
        EXPECT_EQ(value_of_key(sort_key(x)), x);
    EXPECT_EQ(sort_key(-0.0), sort_key(0.0));
    EXPECT_FALSE(std::signbit(value_of_key(sort_key(-0.0))));
}

// Selects every wanted rank of every list and compares with sorting.
void expect_selection(const std::vector<std::vector<std::uint64_t>>& lists, std::size_t ranks_each,
                      std::uint64_t lowest, std::uint64_t highest, std::mt19937_64& random) {
    std::vector<std::uint64_t> sizes;
    for (const auto& list : lists)
        sizes.push_back(list.size());
    CountingResource memory;
    RankSelect select(sizes, memory);
    std::vector<std::pair<std::uint32_t, std::uint64_t>> wanted;
    for (std::uint32_t list = 0; list < lists.size(); ++list)
        for (std::size_t i = 0; i < ranks_each && !lists[list].empty(); ++i)
            wanted.push_back({list, 1 + random() % lists[list].size()});
    for (const auto& [list, rank] : wanted)
        select.want(list, rank);
    for (random() % 2 || lists.size() > 3 ? select.begin(lowest, highest) : select.begin();
         !select.finished(); select.finish_pass())
        for (std::uint32_t list = 0; list < lists.size(); ++list)
            select.add(list, lists[list].size(), [&](std::size_t i) { return lists[list][i]; });
    std::vector<std::vector<std::uint64_t>> sorted = lists;
    for (auto& list : sorted)
        std::sort(list.begin(), list.end());
    for (const auto& [list, rank] : wanted)
        ASSERT_EQ(sort_key(select.value(list, rank)), sorted[list][rank - 1]);
}

TEST(RankSelect, FindsAnyRankOfAnyLists) {
    std::mt19937_64 random(11);
    for (int trial = 0; trial < 60; ++trial) {
        std::vector<std::vector<std::uint64_t>> lists(1 + random() % 100);
        const std::size_t rows = trial % 2 ? 300 : 200'000;
        const int kind = trial % 3;
        const std::uint64_t low = sort_key(-1e6);
        const std::uint64_t high = sort_key(1e6);
        for (std::size_t i = 0; i < rows; ++i) {
            const std::uint64_t draw = random();
            lists[random() % lists.size()].push_back(
                kind == 0   ? sort_key(static_cast<double>(draw % 100))
                : kind == 1 ? low + draw % (high - low + 1)
                            : sort_key(static_cast<double>(draw % 200'000'001) / 100 - 1e6));
        }
        expect_selection(lists, 9, low, high, random);
        expect_selection(lists, 1, 0, ~std::uint64_t{0}, random);
    }
}

}  // namespace
