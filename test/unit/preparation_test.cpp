// Preparation: profiles that do not depend on the order of rows, decisions, the value, and rows through it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/preparation/distribution.hpp"
#include "core/preparation/fit.hpp"
#include "core/preparation/logarithm.hpp"
#include "testing.hpp"

namespace seg {
namespace {

using namespace core::preparation;
using core::Errc;
using test::CountingResource;

core::NoInterrupt no_interrupt;

class Preparation : public ::testing::Test {
  protected:
    void TearDown() override { EXPECT_EQ(memory.live, 0u); }

    // Encoded, for states; the bytes live as long as the test.
    EncodedOptions encoded(const PreparationOptions& options) {
        kept_.emplace_back(options.encoded_size());
        options.encode(kept_.back());
        return {kept_.back()};
    }
    EncodedOptions defaults() { return encoded(PreparationOptions(&memory)); }
    EncodedOptions with(const char* column, const Rules& rules) {
        PreparationOptions options(&memory);
        options.columns.push_back({column, rules});
        return encoded(options);
    }

    CountingResource memory;

  private:
    std::vector<std::vector<std::byte>> kept_;
};

template <typename Function>
Errc error_of(const Function& function) {
    try {
        function();
    } catch (const core::Error& error) {
        return error.code();
    }
    ADD_FAILURE() << "no error";
    return Errc::kCorrupted;
}

std::vector<std::byte> image_of(const PreparationState& state) {
    std::vector<std::byte> image(state.image_size());
    state.write_image(image, no_interrupt);
    return image;
}

// 8-byte aligned, as in the server.
struct Image {
    std::vector<double> storage;
    std::size_t size = 0;

    std::span<std::byte> bytes() { return {reinterpret_cast<std::byte*>(storage.data()), size}; }
    std::span<const std::byte> body() { return bytes().subspan(4); }
    PreparationView view() { return PreparationView(bytes()); }
};

Image write(const PreparationParts& parts) {
    Image image;
    image.size = image_size(parts);
    image.storage.resize((image.size + 7) / 8);
    write_preparation(parts, image.bytes());
    return image;
}

Image fitted(const PreparationState& state, CountingResource& memory) {
    Image image = write(fit_preparation(state, &memory, no_interrupt).parts());
    PreparationView::validate(image.body());  // whatever is decided can be read back
    return image;
}

ColumnValue number(double x) {
    return {false, x, {}};
}
ColumnValue text(std::string_view t) {
    return {false, 0, t};
}
const ColumnValue kNull = {true, 0, {}};

// A preparation of one column.
Image fit_column(Source source, const std::vector<ColumnValue>& values, const EncodedOptions& options,
                 CountingResource& memory) {
    PreparationState state(&memory, options);
    const PreparationState::NewColumn column = {"x", source};
    state.set_columns({&column, 1});
    for (const ColumnValue& value : values)
        state.add({&value, 1});
    return fitted(state, memory);
}

std::vector<double> prepared(Image& image, const ColumnValue& value) {
    std::vector<double> out(static_cast<std::size_t>(image.view().feature_count()), -1);
    if (!image.view().prepare_row({&value, 1}, out))
        return {};
    return out;
}

// ---- histogram

std::map<std::uint64_t, std::int64_t> contents(const Histogram& histogram, CountingResource& memory) {
    std::map<std::uint64_t, std::int64_t> bins;
    for (const Histogram::Bin& bin : histogram.bins(&memory))
        bins[bin.prefix] = bin.count;
    return bins;
}

TEST_F(Preparation, KeysKeepTheOrderOfNumbers) {
    const double numbers[] = {-1e140, -3.5, -5e-324, 0.0, 5e-324, 1.0, std::nextafter(1.0, 2.0), 1e140};
    for (std::size_t i = 0; i < std::size(numbers); ++i) {
        EXPECT_EQ(Histogram::number_of(Histogram::key_of(numbers[i])), numbers[i]);
        if (i > 0) {
            EXPECT_LT(Histogram::key_of(numbers[i - 1]), Histogram::key_of(numbers[i]));
        }
    }
    EXPECT_EQ(Histogram::key_of(-0.0), Histogram::key_of(0.0));
}

// The least shift under which at most so many keys differ, found by trying.
int least_shift(const std::vector<double>& values) {
    std::vector<std::uint64_t> keys;
    for (double x : values)
        keys.push_back(Histogram::key_of(x));
    std::sort(keys.begin(), keys.end());
    for (int shift = 0;; ++shift) {
        std::size_t different = 1;
        for (std::size_t i = 1; i < keys.size(); ++i)
            different += keys[i] >> shift != keys[i - 1] >> shift;
        if (different <= Histogram::kMaxBins)
            return shift;
    }
}

TEST_F(Preparation, HistogramDependsOnItsValuesAlone) {
    std::mt19937_64 random(7);
    std::vector<double> values;
    for (int i = 0; i < 100'000; ++i)
        values.push_back(std::exp(std::normal_distribution<double>(0, 3)(random)) * (i % 3 == 0 ? -1 : 1));
    for (int i = 0; i < 90'000; ++i)
        values.push_back(i);
    const int shift = least_shift(values);
    ASSERT_GT(shift, 0);
    std::map<std::uint64_t, std::int64_t> expected;
    for (double x : values)
        ++expected[Histogram::key_of(x) >> shift];
    for (int order = 0; order < 3; ++order) {
        if (order == 1)
            std::sort(values.begin(), values.end());
        else if (order == 2)
            std::shuffle(values.begin(), values.end(), random);
        for (std::size_t parts : {1u, 7u}) {
            std::vector<Histogram> histograms(parts, Histogram(&memory));
            for (std::size_t i = 0; i < values.size(); ++i)
                histograms[i * parts / values.size()].add(values[i]);
            Histogram whole(&memory);
            for (const Histogram& part : histograms)
                whole.merge(part);
            EXPECT_EQ(whole.shift(), shift);
            EXPECT_EQ(contents(whole, memory), expected);
            EXPECT_EQ(whole.minimum(), *std::min_element(values.begin(), values.end()));
            EXPECT_EQ(whole.maximum(), *std::max_element(values.begin(), values.end()));
        }
    }
}

TEST_F(Preparation, HistogramIsExactUpToItsBins) {
    Histogram histogram(&memory);
    for (int i = 0; i < 65'536; ++i)
        histogram.add(i * 0.1);
    EXPECT_EQ(histogram.shift(), 0);
    EXPECT_EQ(histogram.size(), 65'536u);
    histogram.add(0.1);
    EXPECT_EQ(histogram.shift(), 0);
    histogram.add(-1);
    EXPECT_GT(histogram.shift(), 0);
    EXPECT_LE(histogram.size(), 65'536u);
}

// ---- moments

TEST_F(Preparation, MomentsAndQuantiles) {
    Distribution values(&memory, 5);
    core::WorkMeter meter(no_interrupt);
    for (const auto& [value, count] : std::vector<std::pair<double, int>>{{1, 1}, {2, 2}, {4, 3}, {10, 1}})
        values.append(value, count);
    // Of [1, 2, 2, 4, 4, 4, 10]: mean, std, skew, kurtosis, quantiles.
    const Moments moments = values.moments([](double x) { return x; }, meter);
    EXPECT_NEAR(moments.mean, 3.857142857142857, 1e-15);
    EXPECT_NEAR(moments.deviation, 2.747912008810192, 1e-14);
    EXPECT_NEAR(moments.skewness, 1.3471794184317372, 1e-12);
    EXPECT_NEAR(moments.excess_kurtosis, 0.7941417092768441, 1e-12);
    EXPECT_EQ(values.quantile(0), 1);
    EXPECT_EQ(values.quantile(0.25), 2);
    EXPECT_NEAR(values.quantile(0.4), 2.8, 1e-15);
    EXPECT_EQ(values.quantile(0.5), 4);
    EXPECT_EQ(values.quantile(1), 10);
}

TEST_F(Preparation, LogarithmIsAccurate) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 50'000; ++i) {
        const double x = std::exp(std::uniform_real_distribution<double>(-30, 300)(random));
        const double expected = std::log1p(x);
        EXPECT_NEAR(log1p_of(x), expected, 4 * (std::nextafter(expected, 1e300) - expected)) << x;
    }
    EXPECT_EQ(log1p_of(0), 0);
    EXPECT_EQ(log1p_of(5e-324), 5e-324);
}

// ---- decisions

std::vector<ColumnValue> numbers(int count, double (*of)(double)) {
    std::vector<ColumnValue> values;
    for (int i = 0; i < count; ++i)
        values.push_back(number(of((i + 0.5) / count)));
    return values;
}

// The normal quantile, roughly (Tukey's lambda).
double bell(double p) {
    return (std::pow(p, 0.14) - std::pow(1 - p, 0.14)) * 4.91;
}

TEST_F(Preparation, AnOrdinaryNumberIsStandardized) {
    Image image = fit_column(Source::kReal, numbers(1000, [](double p) { return 50 + 10 * bell(p); }),
                             defaults(), memory);
    const Column column = image.view().column(0);
    EXPECT_EQ(column.kind, ColumnKind::kNumeric);
    EXPECT_EQ(column.transform, Transform::kNone);
    EXPECT_FALSE(column.winsorised);
    EXPECT_EQ(column.scaling, Scaling::kZscore);
    EXPECT_NEAR(column.shift, 50, 1e-9);
    EXPECT_NEAR(column.scale, 10, 0.1);
    EXPECT_EQ(column.null, NullTreatment::kMean);
    EXPECT_FALSE(column.indicator);
    const std::vector<double> features = prepared(image, number(60));
    ASSERT_EQ(features.size(), 1u);
    EXPECT_EQ(features[0], (60 - column.shift) / column.scale);
    EXPECT_NEAR(image.view().original(0, features[0]), 60, 1e-12);
}

TEST_F(Preparation, ASkewedNumberBecomesItsLogarithm) {
    std::vector<ColumnValue> values = numbers(1000, [](double p) { return std::exp(4 + 1.5 * bell(p)); });
    for (int i = 0; i < 20; ++i)
        values.push_back(kNull);
    Image image = fit_column(Source::kReal, values, defaults(), memory);
    const Column column = image.view().column(0);
    EXPECT_EQ(column.transform, Transform::kLog1p);
    EXPECT_EQ(column.null, NullTreatment::kMedian);
    EXPECT_NEAR(column.fill, std::exp(4), 0.2);
    EXPECT_TRUE(column.indicator);  // 2 % are NULL
    EXPECT_EQ(column.nulls, 20);
    const std::vector<double> features = prepared(image, kNull);
    ASSERT_EQ(features.size(), 2u);
    EXPECT_EQ(features[0], (log1p_of(column.fill) - column.shift) / column.scale);
    EXPECT_EQ(features[1], 1);
    EXPECT_NEAR(image.view().original(0, features[0]), column.fill, 1e-9);
    EXPECT_EQ(prepared(image, number(-5)), prepared(image, number(0)));  // below zero counts as zero
}

TEST_F(Preparation, HeavyTailsAreLimited) {
    // Symmetric, so no logarithm helps.
    std::vector<ColumnValue> values = numbers(2000, bell);
    for (int i = 0; i < 5; ++i) {
        values.push_back(number(1000 + i));
        values.push_back(number(-1000 - i));
    }
    Image image = fit_column(Source::kReal, values, defaults(), memory);
    const Column column = image.view().column(0);
    EXPECT_TRUE(column.winsorised);
    EXPECT_GT(column.lower, -5);
    EXPECT_LT(column.upper, 5);
    EXPECT_EQ(prepared(image, number(1e100)), prepared(image, number(column.upper)));
    EXPECT_EQ(column.scaling, Scaling::kZscore);
}

TEST_F(Preparation, TailsThatStayHeavyGetARobustScale) {
    // 10 % of the values spread 10 times as wide: the limits leave most of that.
    std::vector<ColumnValue> values = numbers(9000, bell);
    const std::vector<ColumnValue> wide = numbers(1000, [](double p) { return 5 * bell(p); });
    values.insert(values.end(), wide.begin(), wide.end());
    Image image = fit_column(Source::kReal, values, defaults(), memory);
    const Column column = image.view().column(0);
    EXPECT_EQ(column.scaling, Scaling::kRobust);
    EXPECT_NEAR(column.shift, 0, 1e-12);
    EXPECT_NEAR(column.scale, 1.09, 0.05);
}

TEST_F(Preparation, ARareFlagKeepsItsValues) {
    std::vector<ColumnValue> values(1000, number(0));
    for (int i = 0; i < 5; ++i)
        values.push_back(number(1));
    Image image = fit_column(Source::kInteger, values, defaults(), memory);
    const Column column = image.view().column(0);
    EXPECT_FALSE(column.constant);
    EXPECT_FALSE(column.winsorised);
    EXPECT_EQ(column.scaling, Scaling::kZscore);
    EXPECT_NE(prepared(image, number(1)), prepared(image, number(0)));
}

TEST_F(Preparation, AConstantColumnHasNoSay) {
    Image image = fit_column(Source::kReal, std::vector<ColumnValue>(5, number(7)), defaults(), memory);
    EXPECT_TRUE(image.view().column(0).constant);
    EXPECT_EQ(prepared(image, number(99)), std::vector<double>{0});
    EXPECT_EQ(image.view().original(0, 0), 7);
    Image nothing = fit_column(Source::kReal, std::vector<ColumnValue>(5, kNull), defaults(), memory);
    EXPECT_TRUE(nothing.view().column(0).constant);
    EXPECT_EQ(prepared(nothing, number(99)), std::vector<double>{0});
    // So small a spread that its square is zero.
    Image tiny = fit_column(Source::kReal, {number(0), number(1e-200)}, defaults(), memory);
    EXPECT_TRUE(tiny.view().column(0).constant);
}

TEST_F(Preparation, DatesBecomeAges) {
    std::vector<ColumnValue> days;
    for (int i = 0; i < 100; ++i)
        days.push_back(number(9000 + i));
    Image image = fit_column(Source::kDay, days, defaults(), memory);
    Column column = image.view().column(0);
    EXPECT_EQ(column.kind, ColumnKind::kAge);
    EXPECT_EQ(column.as_of, 9099);  // the greatest
    EXPECT_EQ(column.shift, 49.5);
    EXPECT_NEAR(image.view().original(0, prepared(image, number(9089))[0]), 10, 1e-12);
    PreparationOptions options(&memory);
    options.as_of = 9200;
    options.as_of_instant = 9200.5;
    Image later = fit_column(Source::kInstant, days, encoded(options), memory);
    column = later.view().column(0);
    EXPECT_EQ(column.as_of, 9200.5);
    EXPECT_EQ(column.shift, 151);
}

TEST_F(Preparation, BooleansAreZeroAndOne) {
    Image image =
        fit_column(Source::kBoolean, {number(1), number(0), number(1), number(1)}, defaults(), memory);
    EXPECT_EQ(image.view().column(0).kind, ColumnKind::kBoolean);
    EXPECT_EQ(prepared(image, number(1)), std::vector<double>{1});
    EXPECT_EQ(prepared(image, number(0)), std::vector<double>{0});
    EXPECT_EQ(prepared(image, kNull), std::vector<double>{0.75});
    EXPECT_EQ(image.view().original(0, 0.75), 0.75);
    Image constant = fit_column(Source::kBoolean, {number(1), number(1)}, defaults(), memory);
    EXPECT_EQ(prepared(constant, number(0)), std::vector<double>{0});
    EXPECT_EQ(constant.view().original(0, 0), 1);
    // With NULLs a category of three levels.
    Image nulls = fit_column(Source::kBoolean, {number(1), kNull, number(1), number(0)}, defaults(), memory);
    EXPECT_EQ(nulls.view().column(0).kind, ColumnKind::kCategory);
    EXPECT_EQ(nulls.view().feature_count(), 3);
    EXPECT_EQ(nulls.view().feature(0).level, "true");
    EXPECT_EQ(nulls.view().feature(2).kind, FeatureKind::kNullLevel);
    EXPECT_EQ(prepared(nulls, text("true")), (std::vector<double>{std::sqrt(0.5), 0, 0}));
    EXPECT_EQ(prepared(nulls, kNull), (std::vector<double>{0, 0, std::sqrt(0.5)}));
}

// ---- categories

std::vector<ColumnValue> cities() {
    std::vector<ColumnValue> values;
    values.insert(values.end(), 600, text("Paris"));
    values.insert(values.end(), 300, text("Rome"));
    values.insert(values.end(), 300, text("Oslo"));
    values.insert(values.end(), 3, text("Vaduz"));
    values.insert(values.end(), 2, text("other"));
    values.insert(values.end(), 20, kNull);
    return values;
}

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

TEST_F(Preparation, CategoriesAreOneHot) {
    Image image = fit_column(Source::kText, cities(), defaults(), memory);
    const PreparationView view = image.view();
    const Column column = view.column(0);
    EXPECT_EQ(view.feature_count(), 5);
    EXPECT_EQ(column.levels, 3);
    EXPECT_EQ(column.other_rows, 5);
    EXPECT_EQ(view.feature(0).level, "Paris");
    EXPECT_EQ(view.feature(1).level, "Oslo");  // as frequent as Rome
    EXPECT_EQ(view.feature(2).level, "Rome");
    EXPECT_EQ(view.feature(3).kind, FeatureKind::kOther);
    EXPECT_EQ(view.feature(4).kind, FeatureKind::kNullLevel);
    const std::vector<double> paris = prepared(image, text("Paris"));
    EXPECT_EQ(paris, (std::vector<double>{std::sqrt(0.5), 0, 0, 0, 0}));
    for (const char* unlike : {"Rome", "Vaduz", "never seen", ""})
        EXPECT_NEAR(squared_distance(paris, prepared(image, text(unlike))), 1, 1e-15) << unlike;
    EXPECT_NEAR(squared_distance(paris, prepared(image, kNull)), 1, 1e-15);
    EXPECT_EQ(prepared(image, text("Vaduz")), prepared(image, text("other")));
    EXPECT_NEAR(view.original(0, 0.25 * std::sqrt(0.5)), 0.25, 1e-15);
}

TEST_F(Preparation, WeightsScaleMismatches) {
    Rules rules;
    rules.weight = 4;
    Image image = fit_column(Source::kText, cities(), with("x", rules), memory);
    EXPECT_NEAR(squared_distance(prepared(image, text("Paris")), prepared(image, text("Rome"))), 4, 1e-14);
    EXPECT_NEAR(image.view().original(1, prepared(image, text("Oslo"))[1]), 1, 1e-15);
    Image value = fit_column(Source::kReal, {number(1), number(2), number(3)}, with("x", rules), memory);
    EXPECT_NEAR(prepared(value, number(3))[0], 2 * std::sqrt(1.5), 1e-15);
    EXPECT_NEAR(value.view().original(0, prepared(value, number(3))[0]), 3, 1e-15);
}

TEST_F(Preparation, RareLevelsArePooled) {
    std::vector<ColumnValue> values;
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i)
        names.push_back("level " + std::to_string(i));
    for (int i = 0; i < 40; ++i)
        values.insert(values.end(), static_cast<std::size_t>(i + 10),
                      text(names[static_cast<std::size_t>(i)]));
    EXPECT_EQ(fit_column(Source::kText, values, defaults(), memory).view().column(0).levels, 20);
    Rules few;
    few.max_levels = 2;
    Image two = fit_column(Source::kText, values, with("x", few), memory);
    EXPECT_EQ(two.view().feature(0).level, "level 39");
    EXPECT_EQ(two.view().feature(1).level, "level 38");
    Rules frequent;
    frequent.min_share = 0.039;
    EXPECT_EQ(fit_column(Source::kText, values, with("x", frequent), memory).view().column(0).levels, 3);
}

TEST_F(Preparation, IdentifiersAreRefused) {
    std::vector<std::string> names;
    for (int i = 0; i < 21; ++i)
        names.push_back("C" + std::to_string(i));
    std::vector<ColumnValue> values;
    for (const std::string& name : names)
        values.push_back(text(name));
    EXPECT_EQ(error_of([&] { fit_column(Source::kText, values, defaults(), memory); }),
              Errc::kInvalidArgument);
    Rules category;
    category.type = ColumnType::kCategory;
    EXPECT_EQ(fit_column(Source::kText, values, with("x", category), memory).view().column(0).levels, 20);
    values.resize(20);
    EXPECT_EQ(fit_column(Source::kText, values, defaults(), memory).view().column(0).levels, 20);
}

TEST_F(Preparation, TooManyOrTooLongLevelsAreRefused) {
    PreparationState state(&memory, defaults());
    const PreparationState::NewColumn column = {"x", Source::kText};
    state.set_columns({&column, 1});
    for (int i = 0; i < 65'536; ++i) {
        const std::string name = std::to_string(i);
        const ColumnValue value = text(name);
        state.add({&value, 1});
    }
    const ColumnValue more = text("one more");
    EXPECT_EQ(error_of([&] { state.add({&more, 1}); }), Errc::kInvalidArgument);
    const std::string essay(1025, 'x');
    const ColumnValue longer = text(essay);
    EXPECT_EQ(error_of([&] { state.add({&longer, 1}); }), Errc::kInvalidArgument);
}

// ---- what users ask for

TEST_F(Preparation, OverridesAreFollowed) {
    const std::vector<ColumnValue> values = numbers(100, [](double p) { return 10 + 10 * p; });
    Rules rules;
    rules.scaling = Scaling::kMinmax;
    Image minmax = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_EQ(prepared(minmax, number(10.05)), std::vector<double>{0});
    EXPECT_EQ(prepared(minmax, number(19.95)), std::vector<double>{1});
    rules.scaling = Scaling::kNone;
    Image raw = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_EQ(prepared(raw, number(12.5)), std::vector<double>{12.5});
    rules.transform = Transform::kLog1p;
    Image logarithm = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_EQ(prepared(logarithm, number(12.5)), std::vector<double>{log1p_of(12.5)});
    rules = Rules{};
    rules.winsorise = Quantiles{0.25, 0.75};
    rules.scaling = Scaling::kNone;
    Image limited = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_NEAR(prepared(limited, number(100))[0], 17.475, 1e-12);
    rules = Rules{};
    rules.null = NullTreatment::kSkip;
    Image skip = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_TRUE(prepared(skip, kNull).empty());
    rules.null = NullTreatment::kError;
    Image error = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_EQ(error_of([&] { prepared(error, kNull); }), Errc::kNullNotAllowed);
    rules.null = NullTreatment::kZero;
    rules.indicator = true;
    Image zero = fit_column(Source::kReal, values, with("x", rules), memory);
    EXPECT_EQ(prepared(zero, kNull)[0], prepared(zero, number(0))[0]);
    EXPECT_EQ(prepared(zero, kNull)[1], 1);
}

TEST_F(Preparation, OptionsThatDoNotSuitAreRefused) {
    Rules logarithm;
    logarithm.transform = Transform::kLog1p;
    Rules levels;
    levels.max_levels = 5;
    Rules mean;
    mean.null = NullTreatment::kMean;
    const std::vector<ColumnValue> below = {number(-1), number(2)};
    const auto refused = [&](Source source, const std::vector<ColumnValue>& values, const Rules& rules) {
        return error_of([&] { fit_column(source, values, with("x", rules), memory); });
    };
    EXPECT_EQ(refused(Source::kReal, below, logarithm), Errc::kInvalidArgument);
    EXPECT_EQ(refused(Source::kReal, below, levels), Errc::kInvalidArgument);
    EXPECT_EQ(refused(Source::kText, cities(), logarithm), Errc::kInvalidArgument);
    EXPECT_EQ(refused(Source::kText, cities(), mean), Errc::kInvalidArgument);
    EXPECT_EQ(error_of([&] { fit_column(Source::kReal, below, with("y", mean), memory); }),
              Errc::kInvalidArgument);
    Rules ignore;
    ignore.type = ColumnType::kIgnore;
    EXPECT_EQ(refused(Source::kReal, below, ignore), Errc::kInvalidArgument);  // nothing is left
    // As a default for all columns they hold where they suit.
    PreparationOptions options(&memory);
    options.defaults = mean;
    EXPECT_TRUE(fit_column(Source::kText, cities(), encoded(options), memory).view().column(0).null_level);
}

TEST_F(Preparation, ValuesThatAreNoNumbersAreRefused) {
    for (double x : {std::nan(""), HUGE_VAL, -HUGE_VAL})
        EXPECT_EQ(error_of([&] { fit_column(Source::kReal, {number(x)}, defaults(), memory); }),
                  Errc::kBadData);
    EXPECT_EQ(error_of([&] { fit_column(Source::kReal, {number(1e141)}, defaults(), memory); }),
              Errc::kOutOfRange);
    Image image = fit_column(Source::kReal, {number(1), number(2)}, defaults(), memory);
    EXPECT_EQ(error_of([&] { prepared(image, number(std::nan(""))); }), Errc::kBadData);
    EXPECT_EQ(error_of([&] { prepared(image, number(1e200)); }), Errc::kOutOfRange);
    Image extreme = fit_column(Source::kReal, {number(-1e140), number(1e140)}, defaults(), memory);
    EXPECT_NEAR(prepared(extreme, number(1e140))[0], 1, 1e-12);
}

// ---- states

class States : public Preparation {
  protected:
    static constexpr int kRows = 70'000;

    // Three columns whose values depend on the number of the row alone.
    void add_rows(PreparationState& state, int from, int to, int step) {
        for (int i = from; i < to; i += step) {
            std::mt19937 random(static_cast<unsigned>(i));
            const std::string level = "L" + std::to_string(random() % 50);
            const ColumnValue row[] = {
                random() % 10 == 0 ? kNull : number(std::ldexp(random(), -static_cast<int>(random() % 40))),
                random() % 20 == 0 ? kNull : text(level), number(random() % 1000)};
            state.add(row);
        }
    }
    PreparationState make() {
        const PreparationState::NewColumn columns[] = {
            {"amount", Source::kReal}, {"city", Source::kText}, {"last", Source::kDay}};
        PreparationState state(&memory, defaults());
        state.set_columns(columns);
        return state;
    }
};

TEST_F(States, MergeInAnyOrder) {
    PreparationState serial = make();
    add_rows(serial, 0, kRows, 1);
    const std::vector<std::byte> expected = image_of(serial);
    std::vector<std::vector<std::byte>> parts;
    for (int p = 0; p < 4; ++p) {
        PreparationState part = make();
        add_rows(part, p, kRows, 4);
        parts.push_back(image_of(part));
    }
    for (int order = 0; order < 4; ++order) {
        PreparationState merged(&memory, defaults());
        for (int p = 0; p < 4; ++p)
            merged.merge_body(std::span(parts[static_cast<std::size_t>(p ^ order)]).subspan(4), no_interrupt);
        EXPECT_EQ(image_of(merged), expected);
    }
    PreparationState whole = make();
    add_rows(whole, 0, 1000, 1);
    PreparationState rest = make();
    add_rows(rest, 1000, kRows, 1);
    whole.merge(rest, no_interrupt);
    EXPECT_EQ(image_of(whole), expected);
    PreparationState::read_options(std::span(expected).subspan(4), no_interrupt);
}

TEST_F(States, DifferentStatesAreNotMerged) {
    PreparationState state = make();
    add_rows(state, 0, 10, 1);
    PreparationState options(&memory, with("amount", [] {
        Rules rules;
        rules.weight = 2;
        return rules;
    }()));
    EXPECT_EQ(error_of([&] { options.merge(state, no_interrupt); }), Errc::kInvalidArgument);
    PreparationState columns(&memory, defaults());
    const PreparationState::NewColumn other = {"other", Source::kReal};
    columns.set_columns({&other, 1});
    EXPECT_EQ(error_of([&] { columns.merge(state, no_interrupt); }), Errc::kInvalidArgument);
}

// Every single byte changed, and every length: an error of the right kind, or a state that can be used.
TEST_F(States, DamagedBytesAreRefused) {
    PreparationState state = make();
    add_rows(state, 0, 60, 1);
    const std::vector<std::byte> good = image_of(state);
    const auto try_to_read = [&](std::span<const std::byte> body) {
        try {
            PreparationState copy(&memory, PreparationState::read_options(body, no_interrupt));
            copy.merge_body(body, no_interrupt);
            fitted(copy, memory);
            return true;
        } catch (const core::Error& error) {
            EXPECT_TRUE(error.code() == Errc::kBadBinary || error.code() == Errc::kInvalidArgument)
                << error.what();
            return false;
        }
    };
    EXPECT_TRUE(try_to_read(std::span(good).subspan(4)));
    for (std::size_t size = 4; size < good.size(); ++size)
        EXPECT_FALSE(try_to_read(std::span(good).subspan(4, size - 4)));
    for (std::size_t i = 4; i < good.size(); ++i)
        for (int change : {1, 0x80, 0xff}) {
            std::vector<std::byte> bad = good;
            bad[i] ^= static_cast<std::byte>(change);
            try_to_read(std::span(bad).subspan(4));
        }
}

// Bytes of which no aggregate's result is, though each column on its own could be one's.
TEST_F(States, ImpossibleColumnsAreRefused) {
    const PreparationState::NewColumn columns[] = {{"first", Source::kReal}, {"second", Source::kBoolean}};
    PreparationState state(&memory, defaults());
    state.set_columns(columns);
    for (int i = 0; i < 10; ++i)
        state.add(std::vector{number(i), number(i % 2)});
    std::vector<std::byte> good = image_of(state);
    PreparationState::read_options(std::span(good).subspan(4), no_interrupt);
    const auto code = [](const std::vector<std::byte>& bad) {
        return error_of([&] { PreparationState::read_options(std::span(bad).subspan(4), no_interrupt); });
    };
    const auto place_of = [&](std::string_view name) {
        return std::search(good.begin(), good.end(), name.begin(), name.end(),
                           [](std::byte byte, char c) { return byte == static_cast<std::byte>(c); }) -
               good.begin();
    };
    // Ten numbers of a boolean.
    std::vector<std::byte> truths = good;
    truths[static_cast<std::size_t>(place_of("first") - 4)] = static_cast<std::byte>(Source::kBoolean);
    EXPECT_EQ(code(truths), Errc::kBadBinary);

    const PreparationState::NewColumn alike[] = {{"a1", Source::kReal}, {"a2", Source::kReal}};
    PreparationState twice(&memory, defaults());
    twice.set_columns(alike);
    twice.add(std::vector{number(1), number(2)});
    good = image_of(twice);
    std::vector<std::byte> same = good;
    same[static_cast<std::size_t>(place_of("a2") + 1)] = std::byte{'1'};
    EXPECT_EQ(code(same), Errc::kBadBinary);
}

TEST_F(States, NamesMustBeUnique) {
    const PreparationState::NewColumn twice[] = {{"a", Source::kReal}, {"a", Source::kReal}};
    PreparationState state(&memory, defaults());
    EXPECT_EQ(error_of([&] { state.set_columns(twice); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_of([&] { state.set_columns({}); }), Errc::kInvalidArgument);
}

TEST_F(States, NothingLeaksWhenMemoryRunsOut) {
    const EncodedOptions options = defaults();
    for (std::size_t fail_at = 1;; ++fail_at) {
        CountingResource scarce;
        scarce.fail_at = fail_at;
        bool done = false;
        try {
            const PreparationState::NewColumn columns[] = {{"amount", Source::kReal},
                                                           {"city", Source::kText}};
            PreparationState state(&scarce, options);
            state.set_columns(columns);
            const char* names[] = {"a", "b", "c"};
            for (int i = 0; i < 40; ++i) {
                const ColumnValue row[] = {number(i), text(names[i % 3])};
                state.add(row);
            }
            fitted(state, scarce);
            done = true;
        } catch (const std::bad_alloc&) {
        }
        EXPECT_EQ(scarce.live, 0u) << fail_at;
        if (done)
            break;
        ASSERT_LT(fail_at, 1000u);
    }
}

// ---- the value

TEST_F(States, DamagedValuesAreRefused) {
    PreparationState state = make();
    add_rows(state, 0, 500, 1);
    Image good = fitted(state, memory);
    std::vector<double> row(static_cast<std::size_t>(good.view().feature_count()));
    for (std::size_t size = 0; size + 4 < good.size; ++size)
        EXPECT_EQ(error_of([&] { PreparationView::validate(good.body().first(size)); }), Errc::kBadBinary);
    int accepted = 0;
    for (std::size_t i = 4; i < good.size; ++i)
        for (int change : {1, 0x40, 0x80, 0xff}) {
            Image bad = good;
            bad.bytes()[i] ^= static_cast<std::byte>(change);
            try {
                PreparationView::validate(bad.body());
            } catch (const core::Error& error) {
                EXPECT_EQ(error.code(), Errc::kBadBinary);
                continue;
            }
            ++accepted;  // then it can be used
            const PreparationView view = bad.view();
            row.resize(static_cast<std::size_t>(view.feature_count()));
            const ColumnValue values[] = {number(3), text("L7"), number(10)};
            try {
                view.prepare_row(values, row);
                core::Vector<char> out(&memory);
                core::JsonWriter json(out);
                append_json(view, json);
                for (std::int32_t f = 0; f < view.feature_count(); ++f)
                    view.original(f, 0.5);
            } catch (const core::Error& error) {
                EXPECT_EQ(error.code(), Errc::kOutOfRange);
            }
        }
    EXPECT_GT(accepted, 0);
}

// Many levels, all different but for two, which the order by frequency keeps apart.
TEST_F(Preparation, RepeatedLevelsAreRefused) {
    std::vector<std::string> texts;
    std::vector<Level> levels;
    constexpr std::int32_t kLevels = 10'000;
    for (std::int32_t l = 0; l < kLevels; ++l)
        texts.push_back(std::string(100, 'a') + std::to_string(l));
    Column column;
    column.name = "x";
    column.kind = ColumnKind::kCategory;
    column.null = NullTreatment::kLevel;
    column.levels = kLevels;
    PreparationParts parts;
    for (std::int32_t l = 0; l < kLevels; ++l) {
        levels.push_back({texts[static_cast<std::size_t>(l)], kLevels - l});
        parts.rows += kLevels - l;
    }
    parts.columns = {&column, 1};
    parts.levels = levels;
    PreparationView::validate(write(parts).body());
    levels.back().text = levels[1].text;
    EXPECT_EQ(error_of([&] { PreparationView::validate(write(parts).body()); }), Errc::kBadBinary);
}

TEST_F(States, TheImageDoesNotDependOnTheOrderOfRows) {
    PreparationState forwards = make();
    add_rows(forwards, 0, kRows, 1);
    PreparationState backwards = make();
    for (int from = kRows - 1000; from >= 0; from -= 1000)
        add_rows(backwards, from, from + 1000, 1);
    Image a = fitted(forwards, memory);
    Image b = fitted(backwards, memory);
    EXPECT_TRUE(std::ranges::equal(a.body(), b.body()));
}

TEST_F(Preparation, WordsSayWhatIsDone) {
    const auto words = [&](Image& image) {
        core::Vector<char> out(&memory);
        append_treatment(image.view().column(0), out);
        return std::string(out.data(), out.size());
    };
    PreparationOptions options(&memory);
    options.as_of = 9497.5;  // 2026-01-01 12:00
    options.as_of_instant = 9497.5;
    Image age =
        fit_column(Source::kDay, {number(9000), number(9001), number(9003)}, encoded(options), memory);
    EXPECT_EQ(
        words(age),
        "days before 2026-01-01 12:00:00, less the mean, over the standard deviation; NULL counts as the "
        "mean 496.167");
    options.as_of = options.as_of_instant = -1;
    Image century = fit_column(Source::kDay, {number(-9), number(-19)}, encoded(options), memory);
    EXPECT_EQ(words(century).substr(0, 23), "days before 1999-12-31,");
    options.as_of = options.as_of_instant = 59;
    Image leap = fit_column(Source::kDay, {number(-9), number(-19)}, encoded(options), memory);
    EXPECT_EQ(words(leap).substr(0, 23), "days before 2000-02-29,");
    Image city = fit_column(Source::kText, cities(), defaults(), memory);
    EXPECT_EQ(words(city), "one feature for each of 3 levels, for other and for NULL");
    Image constant = fit_column(Source::kReal, {number(7)}, defaults(), memory);
    EXPECT_EQ(words(constant), "not scaled; NULL counts as the mean 7; constant, so always 0");
}

TEST_F(Preparation, NumbersThatCountRowsAreReported) {
    std::vector<ColumnValue> values;
    for (int i = 0; i < 200'000; ++i)
        values.push_back(number(1000 + i));
    const std::string word = "identifier";
    const auto reason = [&] {
        Image image = fit_column(Source::kInteger, values, defaults(), memory);
        return std::string(image.view().column(0).reason);
    };
    EXPECT_NE(reason().find(word), std::string::npos);
    values[7] = values[8];
    EXPECT_EQ(reason().find(word), std::string::npos);
}

TEST_F(Preparation, OptionsSurviveTheirEncoding) {
    PreparationOptions options(&memory);
    options.as_of = 1.5;
    options.as_of_instant = 2.5;
    options.defaults.max_levels = 7;
    Rules rules;
    rules.winsorise = Quantiles{0.05, 0.9};
    rules.null = NullTreatment::kSkip;
    rules.indicator = false;
    options.columns.push_back({"b", rules});
    options.columns.push_back({"a", {}});
    options.sort();
    const EncodedOptions bytes = encoded(options);
    core::Reader reader(bytes.bytes, "options");
    const PreparationOptions back = PreparationOptions::decode(reader, &memory);
    EXPECT_EQ(back.as_of, 1.5);
    EXPECT_EQ(back.as_of_instant, 2.5);
    EXPECT_EQ(back.columns[0].column, "a");
    const Rules b = back.rules_of("b");
    EXPECT_EQ(b.winsorise, (Quantiles{0.05, 0.9}));
    EXPECT_EQ(b.null, NullTreatment::kSkip);
    EXPECT_EQ(b.indicator, false);
    EXPECT_EQ(b.max_levels, 7);
    EXPECT_FALSE(b.scaling);
    options.columns.push_back({"a", {}});
    EXPECT_EQ(error_of([&] { options.sort(); }), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace seg
