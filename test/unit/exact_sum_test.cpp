#include "core/base/exact_sum.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "number.hpp"
#include "testing.hpp"

namespace {

using seg::core::Decimal;
using seg::core::DecimalMeta;
using seg::core::DecimalSum;
using seg::core::DecimalSumView;
using seg::core::Errc;
using seg::core::FloatMeta;
using seg::core::FloatSum;
using seg::core::FloatSumView;
using seg::core::NoInterrupt;
using seg::core::Random;
using seg::test::error_code;
using seg::test::Number;

// A sum with cells of exactly the size it was given, so that a sanitizer sees the first one beyond.
template <typename Meta, typename Sum, typename View>
class Box {
  public:
    explicit Box(std::size_t cells = 0) { grow(cells); }

    template <typename... Term>
    void add(const Term&... term) {
        change([&](Sum& sum) { return sum.add(term...); });
    }
    void merge(const View& other) {
        change([&](Sum& sum) { return sum.merge(other); });
    }
    View view() const { return View(meta_, cells_.data()); }
    int growths() const { return growths_; }

    // The canonical parts as one comparable value.
    std::vector<std::uint64_t> canonical() const {
        std::vector<std::uint64_t> out(std::max<std::size_t>(cells_.size(), 48));
        const Meta meta = view().canonical(out);
        EXPECT_TRUE(View::is_canonical(meta, out.data()));
        EXPECT_EQ(meta.capacity, 0);
        out.resize(meta.used);
        out.push_back(std::bit_cast<std::uint64_t>(meta));
        return out;
    }

  private:
    template <typename Operation>
    void change(const Operation& operation) {
        for (;;) {
            const Meta before = meta_;
            const std::vector<std::uint64_t> cells_before = cells_;
            Sum sum(meta_, cells_.data());
            if (operation(sum))
                return;
            EXPECT_EQ(std::memcmp(&before, &meta_, sizeof before), 0);
            EXPECT_EQ(cells_before, cells_);
            ASSERT_GT(sum.cells_needed(), cells_.size());
            grow(sum.cells_needed());
            ++growths_;
        }
    }
    void grow(std::size_t cells) {
        std::vector<std::uint64_t> larger(cells);
        std::copy(cells_.begin(), cells_.end(), larger.begin());
        cells_ = std::move(larger);
        meta_.capacity = static_cast<std::uint16_t>(cells);
    }

    Meta meta_{};
    std::vector<std::uint64_t> cells_;
    int growths_ = 0;
};

using DecimalBox = Box<DecimalMeta, DecimalSum, DecimalSumView>;
using FloatBox = Box<FloatMeta, FloatSum, FloatSumView>;

std::string text_of(const DecimalSumView& sum) {
    std::vector<char> out(sum.text_size_bound());
    NoInterrupt interrupt;
    return {out.data(), sum.write_text(out, interrupt)};
}

// ---- the reference: how often each digit position was hit, carried over at the end, as on paper

class Paper {
  public:
    Paper(int base, std::size_t positions) : base_(base), digits_(positions) {}

    void add(std::size_t position, int digit, std::int64_t times = 1) {
        digits_.at(position) += static_cast<__int128>(digit) * times;
    }
    // Leaves every position between 0 and the base; returns whether the number was negative.
    bool settle() {
        if (!carry_over())
            return false;
        for (__int128& digit : digits_)
            digit = -digit;
        EXPECT_FALSE(carry_over());
        return true;
    }
    int digit(std::size_t position) const { return static_cast<int>(digits_[position]); }
    std::size_t size() const { return digits_.size(); }

  private:
    bool carry_over() {
        __int128 carry = 0;
        for (__int128& digit : digits_) {
            const __int128 all = digit + carry;
            carry = all / base_ - (all % base_ < 0 ? 1 : 0);
            digit = all - carry * base_;
        }
        EXPECT_TRUE(carry == 0 || carry == -1);
        if (carry == 0)
            return false;
        // Negative: back from the complement, which is what the digits are now.
        digits_.back() -= base_;
        return true;
    }

    int base_;
    std::vector<__int128> digits_;
};

std::size_t scale_of(const std::string& text) {
    const std::size_t point = text.find('.');
    return point == std::string::npos ? 0 : text.size() - point - 1;
}

void add_literal(Paper& paper, const std::string& text, std::size_t scale, std::int64_t times = 1) {
    const bool minus = text[0] == '-';
    std::size_t position = scale - scale_of(text);
    for (std::size_t i = text.size(); i-- > (minus ? 1 : 0);) {
        if (text[i] != '.')
            paper.add(position++, text[i] - '0', minus ? -times : times);
    }
}

std::string text_of(Paper& paper, std::size_t scale) {
    const bool minus = paper.settle();
    std::size_t most = paper.size() - 1;
    while (most > scale && paper.digit(most) == 0)
        --most;
    std::string text = minus ? "-" : "";
    for (std::size_t i = most + 1; i-- > 0;) {
        text += static_cast<char>('0' + paper.digit(i));
        if (i == scale && scale > 0)
            text += '.';
    }
    return text;
}

std::string reference_sum(const std::vector<std::string>& terms) {
    std::size_t scale = 0, length = 0;
    for (const std::string& term : terms) {
        scale = std::max(scale, scale_of(term));
        length = std::max(length, term.size());
    }
    Paper paper(10, length + scale + 20);
    for (const std::string& term : terms)
        add_literal(paper, term, scale);
    return text_of(paper, scale);
}

// So many times the same digit.
std::string repeated(std::size_t times, char digit, const char* before = "") {
    std::string text = before;
    text.append(times, digit);
    return text;
}

std::string random_literal(Random& random, std::size_t most_whole, std::size_t most_fraction) {
    std::string text(random.below(2), '-');
    const std::size_t whole = 1 + random.below(most_whole);
    for (std::size_t i = 0; i < whole; ++i)
        text += static_cast<char>('0' + random.below(10));
    const std::size_t fraction = random.below(most_fraction + 1);
    if (fraction > 0)
        text += '.';
    for (std::size_t i = 0; i < fraction; ++i)
        text += static_cast<char>('0' + random.below(10));
    return text;
}

void shuffle(std::vector<std::string>& terms, Random& random) {
    for (std::size_t i = terms.size(); i > 1; --i)
        std::swap(terms[i - 1], terms[random.below(i)]);
}

void expect_any_split_agrees(std::vector<std::string> terms, Random& random) {
    DecimalBox whole;
    for (const std::string& term : terms)
        whole.add(Number(term).get());
    EXPECT_EQ(text_of(whole.view()), reference_sum(terms));
    for (int round = 0; round < 4; ++round) {
        shuffle(terms, random);
        std::vector<DecimalBox> parts(1 + random.below(5));
        for (const std::string& term : terms)
            parts[random.below(parts.size())].add(Number(term).get());
        for (std::size_t i = 1; i < parts.size(); ++i)
            parts[0].merge(parts[i].view());
        EXPECT_EQ(parts[0].canonical(), whole.canonical());
    }
}

TEST(DecimalSum, CentsStayInTwoLimbs) {
    DecimalBox sum(2);
    std::int64_t expected = 0;
    Random random(1);
    for (int i = 0; i < 10000; ++i) {
        const auto cents = static_cast<std::int64_t>(random.below(200000)) - 100000;
        expected += cents;
        const std::int64_t size = std::abs(cents);
        std::string text = std::to_string(size / 100) + "." + std::to_string(100 + size % 100).substr(1);
        if (cents < 0)
            text.insert(text.begin(), '-');
        sum.add(Number(text).get());
    }
    std::int64_t mantissa = 0;
    int scale = 0;
    ASSERT_TRUE(sum.view().as_int64(mantissa, scale));
    EXPECT_EQ(mantissa, expected);
    EXPECT_EQ(scale, 2);
    EXPECT_EQ(sum.growths(), 0);
}

TEST(DecimalSum, MatchesPaperAtEverySize) {
    Random random(2);
    const std::size_t sizes[][2] = {{3, 2},  {9, 4},    {16, 9},  {20, 20},
                                    {40, 0}, {130, 50}, {1, 400}, {700, 3}};
    for (const auto& [whole, fraction] : sizes) {
        std::vector<std::string> terms;
        for (int i = 0; i < 60; ++i)
            terms.push_back(random_literal(random, whole, fraction));
        expect_any_split_agrees(terms, random);
    }
}

TEST(DecimalSum, MatchesInt128WhereThatIsEnough) {
    Random random(3);
    DecimalBox sum;
    __int128 expected = 0;
    for (int i = 0; i < 5000; ++i) {
        const auto value = static_cast<std::int64_t>(random.next());
        expected += value;
        sum.add(Number(std::to_string(value)).get());
    }
    const auto limbs = sum.view().limbs();
    ASSERT_EQ(limbs.size(), 2u);
    EXPECT_EQ(limbs[0], static_cast<std::uint64_t>(expected));
    EXPECT_EQ(limbs[1], static_cast<std::uint64_t>(expected >> 64));
}

TEST(DecimalSum, CarriesBeyondTwoLimbs) {
    // 2^126 and then some, with either sign: the sum passes the largest and the smallest int128.
    const std::string big = "85070591730234615865843651857942052864";
    for (const std::string sign : {"", "-"}) {
        std::vector<std::string> terms;
        DecimalBox sum(2);
        for (int i = 0; i < 5; ++i) {
            terms.push_back(sign + big);
            sum.add(Number(terms.back()).get());
            EXPECT_EQ(text_of(sum.view()), reference_sum(terms));
        }
        EXPECT_EQ(sum.growths(), 1);
        EXPECT_EQ(sum.view().negative(), sign == "-");
        // A limb that fills up to its last bit, reached in small steps.
        DecimalBox steps(2);
        terms.clear();
        for (int i = 0; i < 300; ++i) {
            terms.push_back(sign + "999999999999999999999999999999999999");
            steps.add(Number(terms.back()).get());
        }
        EXPECT_EQ(text_of(steps.view()), reference_sum(terms));
    }
}

TEST(DecimalSum, TheLastBitOfTwoLimbsOverflowsIntoAThird) {
    for (const std::string sign : {"", "-"}) {
        DecimalBox sum(2);
        for (int i = 0; i < 170; ++i)
            sum.add(Number(sign + std::string(36, '9')).get());
        sum.add(Number(sign + "141183460469231731687303715884105897").get());
        EXPECT_EQ(text_of(sum.view()), sign + "170141183460469231731687303715884105727");  // 2^127 - 1
        EXPECT_EQ(sum.growths(), 0);
        sum.add(Number(sign + "1").get());
        EXPECT_EQ(sum.growths(), sign.empty() ? 1 : 0);  // -2^127 still fits
        sum.add(Number(sign + "1").get());
        EXPECT_EQ(sum.growths(), 1);
        EXPECT_EQ(text_of(sum.view()), sign + "170141183460469231731687303715884105729");
        sum.canonical();
    }
}

TEST(DecimalSum, SubtractsAndCancelsExactly) {
    Random random(4);
    DecimalBox sum;
    std::vector<std::string> terms;
    for (int i = 0; i < 100; ++i) {
        terms.push_back(random_literal(random, 150, 60));
        sum.add(Number(terms.back()).get());
    }
    shuffle(terms, random);
    int scale = 0;
    for (const std::string& term : terms) {
        sum.add(Number(term).get(), true);
        scale = std::max(scale, Number(term).get().display_scale);
    }
    EXPECT_EQ(text_of(sum.view()), repeated(static_cast<std::size_t>(scale), '0', "0."));
    std::vector<std::uint64_t> zero{std::bit_cast<std::uint64_t>(DecimalMeta{
        .used = 0, .capacity = 0, .groups = 0, .display_scale = static_cast<std::uint16_t>(scale)})};
    EXPECT_EQ(sum.canonical(), zero);
}

TEST(DecimalSum, EqualSumsOfDifferentTermsAreEqualBytes) {
    const std::vector<std::vector<std::string>> ways = {
        {"0.5000000001", "0.4999999999", "-2"},
        {"-1.0000000000"},
        {"123456789012345678901234567890.0000000001", "-123456789012345678901234567891.0000000001"}};
    std::vector<std::uint64_t> first;
    for (const auto& terms : ways) {
        DecimalBox sum;
        for (const std::string& term : terms)
            sum.add(Number(term).get());
        EXPECT_EQ(text_of(sum.view()), "-1.0000000000");
        if (first.empty())
            first = sum.canonical();
        EXPECT_EQ(sum.canonical(), first);
    }
    EXPECT_EQ(first.size(), 2u);  // one limb and the meta
}

TEST(DecimalSum, MergesIntoItself) {
    for (const std::string text : {"12.34", "-98765432109876543210987654321098765432109876.54321"}) {
        DecimalBox sum;
        sum.add(Number(text).get());
        std::vector<std::string> terms(1, text);
        for (int i = 0; i < 8; ++i) {
            DecimalBox copy = sum;  // room may be short, so a copy of what the merge started from
            sum.merge(copy.view());
            const std::vector<std::string> again = terms;
            terms.insert(terms.end(), again.begin(), again.end());
        }
        EXPECT_EQ(text_of(sum.view()), reference_sum(terms));
    }
    DecimalMeta meta{.used = 0, .capacity = 4, .groups = 0, .display_scale = 0};
    std::vector<std::uint64_t> cells(4);
    DecimalSum sum(meta, cells.data());
    ASSERT_TRUE(sum.add(Number("123456789012345678901234567890.5").get()));
    ASSERT_TRUE(sum.merge(sum.view()));
    ASSERT_TRUE(sum.merge(sum.view()));
    EXPECT_EQ(text_of(sum.view()), "493827156049382715604938271562.0");
}

// What has cancelled out may have left limbs behind that the other sum has no room for.
TEST(DecimalSum, MergesASumWhoseTermsCancelled) {
    for (const char* kept : {"0", "0.25", "-0.25"}) {
        DecimalBox cancelled;
        cancelled.add(Number("1" + std::string(60, '0')).get());
        cancelled.add(Number(kept).get());
        cancelled.add(Number("-1" + std::string(60, '0')).get());
        ASSERT_GT(cancelled.view().limbs().size(), 2u);
        DecimalBox sum;
        sum.add(Number("1.50").get());
        sum.merge(cancelled.view());
        DecimalBox expected;
        expected.add(Number("1.50").get());
        expected.add(Number(kept).get());
        EXPECT_EQ(sum.canonical(), expected.canonical());
    }
}

TEST(DecimalSum, Int64RoadSaysWhenItDoesNotFit) {
    std::int64_t mantissa = 0;
    int scale = 0;
    const std::vector<std::pair<std::string, bool>> cases = {
        {"92233720368547758.07", true},  {"92233720368547758.08", false},
        {"-92233720368547758.08", true}, {"-92233720368547758.09", false},
        {"9223372036854775807", true},   {"9223372036854775808", false},
        {"0.000000000000000001", true},  {"10.000000000000000001", false},
        {std::string(60, '7'), false},   {"1000000000000000000000000000000000000.0000", false}};
    for (const auto& [text, fits] : cases) {
        DecimalBox sum;
        sum.add(Number(text).get());
        ASSERT_EQ(sum.view().as_int64(mantissa, scale), fits) << text;
        if (fits) {
            std::string digits = text;
            digits.erase(std::remove(digits.begin(), digits.end(), '.'), digits.end());
            EXPECT_EQ(mantissa, std::stoll(digits));
            EXPECT_EQ(scale, Number(text).get().display_scale);
        }
    }
    DecimalBox hundred;
    hundred.add(Number("100.00").get());  // no digit after the point, yet scale 2
    ASSERT_TRUE(hundred.view().as_int64(mantissa, scale));
    EXPECT_EQ(mantissa, 10000);
    EXPECT_EQ(scale, 2);
    DecimalBox zero;
    zero.add(Number("0.0000").get());
    ASSERT_TRUE(zero.view().as_int64(mantissa, scale));
    EXPECT_EQ(mantissa, 0);
    EXPECT_EQ(scale, 4);
    EXPECT_EQ(text_of(zero.view()), "0.0000");
    // More digits than the scale shows, which no numeric has.
    const DecimalMeta meta{.used = 2, .capacity = 2, .groups = 1, .display_scale = 2};
    const std::uint64_t cells[2] = {12345, 0};
    EXPECT_FALSE(DecimalSumView(meta, cells).as_int64(mantissa, scale));
}

TEST(DecimalSum, HoldsNumericsAtTheirLimits) {
    const std::string largest = std::string(131072, '9') + "." + std::string(16383, '9');
    const std::string smallest = repeated(16382, '0', "0.") + "1";
    DecimalBox sum;
    sum.add(Number(largest).get());
    sum.add(Number(smallest).get());
    EXPECT_EQ(text_of(sum.view()), repeated(131072, '0', "1") + repeated(16383, '0', "."));
    // As many as there can be rows: 2^62 of the largest.
    DecimalBox many;
    many.add(Number(largest).get());
    for (int i = 0; i < 62; ++i) {
        const DecimalBox copy = many;
        many.merge(copy.view());
    }
    many.add(Number(smallest).get());
    EXPECT_LE(many.view().limbs().size(), DecimalSumView::kMaxLimbs);
    Paper paper(10, 16383 + 131072 + 30);
    add_literal(paper, largest, 16383, std::int64_t{1} << 62);
    add_literal(paper, smallest, 16383);
    EXPECT_EQ(text_of(many.view()), text_of(paper, 16383));
    // A state that no rows can have led to: full limbs, which leave no room for a finer scale.
    DecimalMeta meta{.used = 7680, .capacity = 7680, .groups = 0, .display_scale = 0};
    std::vector<std::uint64_t> cells(7680, 1);
    DecimalSum full(meta, cells.data());
    EXPECT_EQ(error_code([&] { full.add(Number(smallest).get()); }), Errc::kOutOfRange);
    EXPECT_EQ(cells, std::vector<std::uint64_t>(7680, 1));
}

TEST(DecimalSum, RefusesWhatNoNumericIs) {
    const std::vector<std::int16_t> one{1};
    DecimalBox sum(2);
    const auto add = [&](int weight) {
        return error_code([&] {
            sum.add(Decimal{.negative = false,
                            .weight = weight,
                            .display_scale = 0,
                            .digits = one,
                            .kind = seg::core::DecimalKind::kFinite});
        });
    };
    EXPECT_EQ(add(40000), Errc::kOutOfRange);
    EXPECT_EQ(add(-5000), Errc::kOutOfRange);
    EXPECT_EQ(text_of(sum.view()), "0");
}

TEST(DecimalSum, ReserveMakesTheNextStepSucceed) {
    Random random(5);
    for (int round = 0; round < 300; ++round) {
        DecimalMeta meta{};
        std::vector<std::uint64_t> cells(20);
        meta.capacity = static_cast<std::uint16_t>(2 + random.below(4));
        DecimalSum sum(meta, cells.data());
        for (int i = 0; i < 6; ++i) {
            const Number term(random_literal(random, 1 + random.below(60), random.below(30)));
            const std::string before = text_of(sum.view());
            const bool reserved = sum.reserve(term.get());
            EXPECT_EQ(text_of(sum.view()), before);
            const bool added = sum.add(term.get(), i % 2 == 0);
            EXPECT_TRUE(added || !reserved);
        }
    }
}

TEST(DecimalSum, CanonicalFormIsTheOnlyOne) {
    const auto canonical = [](std::vector<std::uint64_t> limbs, int groups, int scale) {
        const DecimalMeta meta{.used = static_cast<std::uint16_t>(limbs.size()),
                               .capacity = 0,
                               .groups = static_cast<std::uint16_t>(groups),
                               .display_scale = static_cast<std::uint16_t>(scale)};
        return DecimalSumView::is_canonical(meta, limbs.data());
    };
    const std::uint64_t minus_one = ~std::uint64_t{0};
    EXPECT_TRUE(canonical({}, 0, 3));
    EXPECT_FALSE(canonical({}, 1, 3));
    EXPECT_FALSE(canonical({0}, 0, 3));
    EXPECT_TRUE(canonical({minus_one}, 0, 0));
    EXPECT_FALSE(canonical({minus_one, minus_one}, 0, 0));
    EXPECT_FALSE(canonical({1, 0}, 0, 0));
    EXPECT_TRUE(canonical({minus_one, 0}, 0, 0));
    EXPECT_FALSE(canonical({20000}, 1, 2));
    EXPECT_FALSE(canonical({0 - std::uint64_t{20000}}, 1, 2));
    EXPECT_TRUE(canonical({20100}, 1, 2));
    EXPECT_FALSE(canonical({20110}, 1, 2));  // a digit beyond the scale
    EXPECT_TRUE(canonical({20110}, 1, 3));
    EXPECT_FALSE(canonical({20110}, 2, 3));
    EXPECT_FALSE(canonical({1}, 0, 16384));
}

// ---- the same for floats: position 0 is 2^-1074

class FloatPaper {
  public:
    void add(double value, std::int64_t times = 1) {
        int exponent = 0;
        const double fraction = std::frexp(std::fabs(value), &exponent);
        auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
        int position = exponent - 53 + 1074;
        for (; mantissa != 0; mantissa >>= 1, ++position) {  // a subnormal's bits below position 0 are zero
            if ((mantissa & 1) != 0)
                paper_.add(static_cast<std::size_t>(position), 1, value < 0 ? -times : times);
        }
    }

    // To nearest, ties to even.
    double rounded() const {
        Paper paper = paper_;
        const bool minus = paper.settle();
        std::size_t top = paper.size();
        while (top > 0 && paper.digit(top - 1) == 0)
            --top;
        const std::size_t low = top > 53 ? top - 53 : 0;
        std::uint64_t mantissa = 0;
        for (std::size_t i = top; i-- > low;)
            mantissa = mantissa * 2 + static_cast<std::uint64_t>(paper.digit(i));
        bool rest = false;
        for (std::size_t i = 0; i + 1 < low; ++i)
            rest = rest || paper.digit(i) != 0;
        if (low > 0 && paper.digit(low - 1) != 0 && (rest || mantissa % 2 == 1))
            ++mantissa;
        const double result = std::ldexp(static_cast<double>(mantissa), static_cast<int>(low) - 1074);
        return minus ? -result : result;
    }

  private:
    Paper paper_{2, 2200};
};

std::uint64_t bits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

double value_of(const std::vector<double>& terms) {
    FloatBox sum;
    for (const double term : terms)
        sum.add(term);
    return sum.view().value();
}

void expect_exact(std::vector<double> terms, Random& random) {
    FloatPaper paper;
    for (const double term : terms)
        paper.add(term);
    FloatBox whole;
    for (const double term : terms)
        whole.add(term);
    const double result = paper.rounded();
    if (std::isfinite(result))
        EXPECT_EQ(bits(whole.view().value()), bits(result));
    else
        EXPECT_EQ(error_code([&] { (void)whole.view().value(); }), Errc::kOutOfRange);
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = terms.size(); i > 1; --i)
            std::swap(terms[i - 1], terms[random.below(i)]);
        std::vector<FloatBox> parts(1 + random.below(4));
        for (const double term : terms)
            parts[random.below(parts.size())].add(term);
        for (std::size_t i = 1; i < parts.size(); ++i)
            parts[0].merge(parts[i].view());
        EXPECT_EQ(parts[0].canonical(), whole.canonical());
        if (std::isfinite(result)) {
            EXPECT_EQ(bits(parts[0].view().value()), bits(result));
        }
    }
}

TEST(FloatSum, CancelsExactly) {
    EXPECT_EQ(value_of({1e308, 1e308, -1e308}), 1e308);
    EXPECT_EQ(value_of({1e308, 1e308, 1e308, -1e308, -1e308, -1e308, 1.5}), 1.5);
    EXPECT_EQ(value_of({-1e308, -1e308, 5e-324, 1e308, 1e308}), 5e-324);
    EXPECT_EQ(value_of({1.0, 1e100, 1.0, -1e100}), 2.0);
    EXPECT_EQ(value_of({0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}), 1.0);
}

TEST(FloatSum, RoundsOnceAndToEven) {
    const double tiny = 0x1p-53;
    EXPECT_EQ(value_of({1.0, tiny}), 1.0);                         // a tie, down to even
    EXPECT_EQ(value_of({1.0, tiny, 0x1p-120}), 1.0 + 0x1p-52);     // just above it
    EXPECT_EQ(value_of({1.0, tiny, -0x1p-120}), 1.0);              // just below it
    EXPECT_EQ(value_of({1.0, tiny, 5e-324}), 1.0 + 0x1p-52);       // by the smallest double there is
    EXPECT_EQ(value_of({1.0 + 0x1p-52, tiny}), 1.0 + 0x1p-51);     // a tie, up to even
    EXPECT_EQ(value_of({1e16, 1.0, 1e-16}), 10000000000000002.0);  // the last bit needs the third partial
}

TEST(FloatSum, ZeroIsPositive) {
    EXPECT_EQ(bits(value_of({-0.0})), bits(0.0));
    EXPECT_EQ(bits(value_of({-0.0, -0.0})), bits(0.0));
    EXPECT_EQ(bits(value_of({3.5, -3.5})), bits(0.0));
    FloatBox sum;
    sum.add(-0.0);
    EXPECT_EQ(sum.view().partials().size(), 0u);
}

TEST(FloatSum, OverflowIsOnlyThatOfTheResult) {
    constexpr double largest = std::numeric_limits<double>::max();
    EXPECT_EQ(value_of({largest, 0x1p969}), largest);  // below half a unit in the last place
    EXPECT_EQ(error_code([] { value_of({largest, 0x1p970}); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([] { value_of({-largest, -0x1p970}); }), Errc::kOutOfRange);
    EXPECT_EQ(value_of({largest, 0x1p970, -0x1p900}), largest);
    EXPECT_EQ(value_of({-largest, -largest, largest, -0x1p969}), -largest);
    FloatBox roomy(8);
    for (const double term : {0x1p999, largest, largest, -largest, -largest})
        roomy.add(term);
    EXPECT_EQ(roomy.view().value(), 0x1p999);
    FloatBox other(8);
    for (const double term : {largest, 0x1p999, -largest})
        other.add(term);
    EXPECT_EQ(other.canonical(), roomy.canonical());
}

TEST(FloatSum, MatchesPaperInAnyOrderAndSplit) {
    Random random(11);
    const auto any_bits = [&] {  // every exponent, subnormals too
        for (;;) {
            const double value = std::bit_cast<double>(random.next());
            if (std::isfinite(value))
                return value;
        }
    };
    for (int round = 0; round < 150; ++round) {
        std::vector<double> terms;
        const std::size_t n = 1 + random.below(120);
        for (std::size_t i = 0; i < n; ++i) {
            switch (round % 5) {
                case 0:
                    terms.push_back(any_bits());
                    break;
                case 1:
                    terms.push_back(random.normal() * std::pow(10.0, static_cast<double>(random.below(30))));
                    break;
                case 2:  // prices
                    terms.push_back(std::round(random.normal() * 1e4) / 100.0);
                    break;
                case 3:  // subnormals and their neighbours
                    terms.push_back(std::ldexp(random.normal(), -1074 + static_cast<int>(random.below(60))));
                    break;
                default:  // the other end, passing the largest double on the way
                    terms.push_back(std::ldexp(random.normal() < 0 ? -1.5 : 1.25, 1023));
                    terms.push_back(std::ldexp(random.normal(), 900 + static_cast<int>(random.below(120))));
                    break;
            }
        }
        if (round % 2 == 0) {  // leave little of it
            const std::size_t last = terms.size();
            for (std::size_t i = 0; i + 1 < last; ++i)
                terms.push_back(-terms[i]);
        }
        expect_exact(terms, random);
    }
}

TEST(FloatSum, SparseBitsDoNotNeedManyCells) {
    // One bit in 54: as many partials as there can be, and more terms than partials.
    FloatBox sum;
    FloatPaper paper;
    std::vector<double> terms;
    for (int start = 0; start < 6; ++start) {
        for (int exponent = -1074 + 9 * start; exponent < 1024; exponent += 54) {
            terms.push_back(std::ldexp(1.0, exponent));
        }
    }
    for (const double term : terms) {
        sum.add(term);
        paper.add(term);
        ASSERT_LE(sum.view().partials().size(), FloatSumView::kMaxPartials);
        ASSERT_EQ(sum.view().value(), paper.rounded());
    }
    FloatBox copy = sum;
    copy.merge(sum.view());
    EXPECT_EQ(error_code([&] { (void)copy.view().value(); }), Errc::kOutOfRange);
    for (const double term : terms)
        paper.add(term);
    for (const double term : {-0x1p1023, -0x1p1023, -0x1p1000}) {
        copy.add(term);
        paper.add(term);
    }
    EXPECT_EQ(copy.view().value(), paper.rounded());
}

TEST(FloatSum, CarryIsLimitedAndLeavesTheSumAlone) {
    std::vector<std::uint64_t> cells(4);
    FloatMeta meta{.used = 0, .capacity = 4, .carry = std::numeric_limits<std::int32_t>::max()};
    FloatSum sum(meta, cells.data());
    ASSERT_TRUE(sum.add(1.7e308));
    EXPECT_EQ(error_code([&] { sum.add(1.7e308); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([&] { sum.merge(sum.view()); }), Errc::kOutOfRange);
    EXPECT_EQ(meta.used, 1);
    EXPECT_EQ(std::bit_cast<double>(cells[0]), 1.7e308);
}

TEST(FloatSum, StoredNonsenseIsCorruption) {
    const std::uint64_t cells[3] = {bits(1.0), bits(2.0), bits(std::numeric_limits<double>::infinity())};
    const FloatMeta meta{.used = 3, .capacity = 3, .carry = 0};
    std::vector<std::uint64_t> out(FloatSumView::kMaxPartials);
    EXPECT_EQ(error_code([&] { (void)FloatSumView(meta, cells).value(); }), Errc::kCorrupted);
    EXPECT_EQ(error_code([&] { (void)FloatSumView(meta, cells).canonical(out); }), Errc::kCorrupted);
}

TEST(FloatSum, CanonicalFormIsTheOnlyOne) {
    const auto canonical = [](const std::vector<double>& partials, int carry) {
        std::vector<std::uint64_t> cells;
        for (const double partial : partials)
            cells.push_back(bits(partial));
        const FloatMeta meta{.used = static_cast<std::uint16_t>(cells.size()), .capacity = 0, .carry = carry};
        return FloatSumView::is_canonical(meta, cells.data());
    };
    EXPECT_TRUE(canonical({}, 0));
    EXPECT_TRUE(canonical({0x1p-60, 1.0}, 0));
    EXPECT_FALSE(canonical({1.0, 0x1p-60}, 0));  // wrong order
    EXPECT_FALSE(canonical({1.0, 2.0}, 0));      // one double
    EXPECT_FALSE(canonical({0.0}, 0));
    EXPECT_FALSE(canonical({-0.0}, 0));
    EXPECT_FALSE(canonical({std::numeric_limits<double>::infinity()}, 0));
    EXPECT_FALSE(canonical({std::numeric_limits<double>::quiet_NaN()}, 0));
    EXPECT_TRUE(canonical({-1.0}, 1));
    EXPECT_FALSE(canonical({0x1.8p1023}, 0));  // nearer to 2^1024 than to zero
    EXPECT_TRUE(canonical({-0x1p1022}, 1));
    EXPECT_TRUE(canonical({-0x1p1023}, 1));
    EXPECT_FALSE(canonical({0x1p1023}, 0));
    EXPECT_TRUE(canonical({-0x1p-54, 1.0}, 0));
    EXPECT_FALSE(canonical({0x1p-53, 1.0 + 0x1p-52}, 0));  // a tie goes to the even neighbour
    EXPECT_TRUE(canonical({-0x1p-53, 1.0 + 0x1p-51}, 0));
    EXPECT_FALSE(canonical(std::vector<double>(49, 1.0), 0));
    EXPECT_FALSE(canonical(std::vector<double>(48, -1.7e308), std::numeric_limits<std::int32_t>::min()));
}

}  // namespace
