#include "core/rfm/facts.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "testing.hpp"

namespace {

using seg::core::Decimal;
using seg::core::DecimalKind;
using seg::core::Errc;
using seg::core::Error;
using seg::core::NoInterrupt;
using seg::core::Random;
using seg::core::Reader;
using seg::core::Writer;
using seg::core::rfm::AmountKind;
using seg::core::rfm::Facts;
using seg::core::rfm::FactsHeader;
using seg::core::rfm::FactsState;
using seg::core::rfm::FactsView;
using seg::core::rfm::ImageLayout;
using seg::test::error_code;

using Bytes = std::vector<std::byte>;

// Bytes aligned to 8, of exactly the size asked for.
class Image {
  public:
    explicit Image(std::size_t size) : cells_(size / 8) { EXPECT_EQ(size % 8, 0u); }
    std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(cells_)); }
    std::span<const std::byte> bytes() const { return std::as_bytes(std::span(cells_)); }
    std::uint32_t server_word() const {
        std::uint32_t word = 0;
        std::memcpy(&word, cells_.data(), sizeof word);
        return word;
    }
    void set_server_word(std::uint32_t word) { std::memcpy(cells_.data(), &word, sizeof word); }
    // All but the server's word.
    Bytes content() const { return {bytes().begin() + 4, bytes().end()}; }

  private:
    std::vector<std::uint64_t> cells_;
};

// An amount of so many cents, in the server's terms.
struct Cents {
    explicit Cents(std::int64_t cents) : negative(cents < 0) {
        const std::int64_t size = std::abs(cents);
        for (std::int64_t whole = size / 100; whole != 0; whole /= 10000)
            digits.insert(digits.begin(), static_cast<std::int16_t>(whole % 10000));
        weight = static_cast<int>(digits.size()) - 1;
        if (size % 100 != 0)
            digits.push_back(static_cast<std::int16_t>(size % 100 * 100));
        while (!digits.empty() && digits.back() == 0)
            digits.pop_back();
        weight = digits.empty() ? 0 : weight;
    }
    Decimal get() const {
        return {.negative = negative,
                .weight = weight,
                .display_scale = 2,
                .digits = digits,
                .kind = DecimalKind::kFinite};
    }

    bool negative;
    int weight = 0;
    std::vector<std::int16_t> digits;
};

struct Row {
    std::int64_t at;
    std::int32_t day;
    std::int64_t cents;
};

// A group being aggregated, growing as the server would let it grow.
class Group {
  public:
    explicit Group(AmountKind kind) : image_(FactsState::initial_size(kind)) {
        image_.set_server_word(0xdecade);
        FactsState::initialise(image_.bytes(), kind);
    }
    explicit Group(Image image) : image_(std::move(image)) {}

    void add(const Row& row) {
        if (view().kind() == AmountKind::kNumeric)
            change([&](FactsState& state) { return state.add(row.at, row.day, Cents(row.cents).get()); });
        else
            change([&](FactsState& state) {
                return state.add(row.at, row.day, static_cast<double>(row.cents) / 100.0);
            });
    }
    void add(std::int64_t at, std::int32_t day, double amount) {
        change([&](FactsState& state) { return state.add(at, day, amount); });
    }
    void add(std::int64_t at, std::int32_t day, const Decimal& amount) {
        change([&](FactsState& state) { return state.add(at, day, amount); });
    }
    void merge(const FactsView& other) {
        change([&](FactsState& state) { return state.merge(other); });
    }
    void skip() { FactsState(image_.bytes()).skip(); }

    FactsView view() const { return FactsView(image_.bytes()); }
    const Image& image() const { return image_; }
    Image& image() { return image_; }
    FactsHeader& header() { return *reinterpret_cast<FactsHeader*>(image_.bytes().data()); }
    int growths() const { return growths_; }

    Bytes encoded() const {
        Bytes out(view().encoded_size());
        Writer writer(out);
        view().encode(writer);
        EXPECT_EQ(writer.size(), out.size());
        return out;
    }
    Image compact() const {
        Image out(view().compact_size());
        std::fill(out.bytes().begin(), out.bytes().end(), std::byte{0xff});  // nothing of it may be left
        out.set_server_word(7);
        view().compact_into(out.bytes());
        EXPECT_EQ(out.server_word(), 7u);
        return out;
    }

  private:
    template <typename Operation>
    void change(const Operation& operation) {
        FactsState state(image_.bytes());
        for (int tries = 0; tries < 10; ++tries) {
            const Bytes before = encoded();
            if (operation(state))
                return;
            EXPECT_EQ(encoded(), before);
            Image larger(state.grown_size());
            EXPECT_GT(larger.bytes().size(), image_.bytes().size());
            larger.set_server_word(0xdecade);
            state.relocate(larger.bytes());
            EXPECT_EQ(larger.server_word(), 0xdecadeu);
            image_ = std::move(larger);
            EXPECT_EQ(encoded(), before);
            ++growths_;
        }
        FAIL() << "the operation never finds room enough";
    }

    Image image_;
    int growths_ = 0;
};

std::string text_of(const seg::core::DecimalSumView& sum) {
    std::vector<char> out(sum.text_size_bound());
    NoInterrupt interrupt;
    return {out.data(), sum.write_text(out, interrupt)};
}

std::string cents_text(std::int64_t cents) {
    const std::int64_t size = std::abs(cents);
    std::string text = cents < 0 ? "-" : "";
    text += std::to_string(size / 100);
    text += '.';
    text += std::to_string(100 + size % 100).substr(1);
    return text;
}

std::vector<Row> random_rows(Random& random, std::size_t n, std::int32_t days) {
    std::vector<Row> rows;
    for (std::size_t i = 0; i < n; ++i) {
        const auto day = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(days))) - days / 2;
        rows.push_back(
            {.at = std::int64_t{day} * 86400000000 + static_cast<std::int64_t>(random.below(86400000000)),
             .day = day,
             .cents = static_cast<std::int64_t>(random.below(1000000)) - 200000});
    }
    return rows;
}

void shuffle(std::vector<Row>& rows, Random& random) {
    for (std::size_t i = rows.size(); i > 1; --i)
        std::swap(rows[i - 1], rows[random.below(i)]);
}

class FactsOf : public testing::TestWithParam<AmountKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, FactsOf, testing::Values(AmountKind::kNumeric, AmountKind::kFloat8));

TEST_P(FactsOf, NothingYet) {
    const Group group(GetParam());
    EXPECT_LE(group.image().bytes().size(), 128u);
    EXPECT_EQ(group.image().server_word(), 0xdecadeu);
    const Facts facts = group.view().facts();
    EXPECT_EQ(facts.orders, 0);
    EXPECT_EQ(facts.days, 0);
    EXPECT_EQ(facts.skipped, 0);
    EXPECT_EQ(facts.first_at, 0);
    EXPECT_EQ(facts.mean_gap_days(), std::nullopt);
    EXPECT_EQ(group.view().kind(), GetParam());
}

TEST_P(FactsOf, CountsWhatANaiveCountSays) {
    Random random(21);
    for (const std::size_t n : {1, 2, 9, 100, 3000}) {
        const std::vector<Row> rows = random_rows(random, n, static_cast<std::int32_t>(n));
        Group group(GetParam());
        std::set<std::int32_t> days;
        std::int64_t revenue = 0, refunds = 0;
        std::int64_t first_at = rows[0].at, last_at = rows[0].at;
        for (const Row& row : rows) {
            group.add(row);
            days.insert(row.day);
            revenue += row.cents;
            refunds -= std::min<std::int64_t>(row.cents, 0);
            first_at = std::min(first_at, row.at);
            last_at = std::max(last_at, row.at);
        }
        group.skip();
        const Facts facts = group.view().facts();
        EXPECT_EQ(facts.orders, static_cast<std::int64_t>(n));
        EXPECT_EQ(facts.skipped, 1);
        EXPECT_EQ(facts.first_at, first_at);
        EXPECT_EQ(facts.last_at, last_at);
        EXPECT_EQ(facts.first_day, *days.begin());
        EXPECT_EQ(facts.last_day, *days.rbegin());
        EXPECT_TRUE(
            std::equal(days.begin(), days.end(), group.view().days().begin(), group.view().days().end()));
        EXPECT_EQ(facts.days, static_cast<std::int64_t>(days.size()));
        if (GetParam() == AmountKind::kNumeric) {
            EXPECT_EQ(text_of(group.view().revenue_decimal()), cents_text(revenue));
            // The scale of the refunds is that of the refunds alone.
            EXPECT_EQ(text_of(group.view().refunds_decimal()), refunds == 0 ? "0" : cents_text(refunds));
        } else {
            EXPECT_NEAR(group.view().revenue_float().value(), static_cast<double>(revenue) / 100.0, 1e-6);
            EXPECT_NEAR(group.view().refunds_float().value(), static_cast<double>(refunds) / 100.0, 1e-6);
        }
    }
}

TEST_P(FactsOf, AnyOrderAndAnySplitGiveTheSameBytes) {
    Random random(22);
    for (int round = 0; round < 40; ++round) {
        std::vector<Row> rows = random_rows(random, 1 + random.below(60), 40);
        Group whole(GetParam());
        for (const Row& row : rows)
            whole.add(row);
        whole.skip();
        shuffle(rows, random);
        std::vector<Group> parts(1 + random.below(5), Group(GetParam()));
        for (const Row& row : rows)
            parts[random.below(parts.size())].add(row);
        parts[random.below(parts.size())].skip();
        Group merged(GetParam());
        for (const Group& part : parts) {
            const Bytes before = part.image().content();
            if (random.below(2) != 0)
                merged.merge(part.view());
            else
                merged.merge(FactsView(part.compact().bytes()));
            EXPECT_EQ(part.image().content(), before);
        }
        EXPECT_EQ(merged.encoded(), whole.encoded());
        EXPECT_EQ(merged.compact().content(), whole.compact().content());
        EXPECT_EQ(merged.view().facts().orders, static_cast<std::int64_t>(rows.size()));
    }
}

TEST_P(FactsOf, ACompactImageIsSmallAndCanGoOn) {
    Random random(23);
    const std::vector<Row> rows = random_rows(random, 50, 1000);
    Group all(GetParam());
    Group half(GetParam());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        all.add(rows[i]);
        if (i < 25)
            half.add(rows[i]);
    }
    Image compact = half.compact();
    EXPECT_LE(compact.bytes().size(), half.image().bytes().size());
    Group again(std::move(compact));
    EXPECT_EQ(again.encoded(), half.encoded());
    for (std::size_t i = 25; i < rows.size(); ++i)
        again.add(rows[i]);
    EXPECT_EQ(again.encoded(), all.encoded());
    EXPECT_EQ(Group(Group(GetParam()).compact()).encoded(), Group(GetParam()).encoded());
    EXPECT_EQ(Group(GetParam()).compact().bytes().size(), sizeof(FactsHeader));
}

TEST_P(FactsOf, MergesItself) {
    Random random(24);
    Group group(GetParam());
    for (const Row& row : random_rows(random, 20, 30))
        group.add(row);
    group.skip();
    const Facts before = group.view().facts();
    const Group copy = group;
    group.merge(group.view());  // the image may move on the way; the argument stays where it was
    Group twice = copy;
    twice.merge(copy.view());
    EXPECT_EQ(group.encoded(), twice.encoded());
    EXPECT_EQ(group.view().facts().orders, 2 * before.orders);
    EXPECT_EQ(group.view().facts().skipped, 2);
    EXPECT_EQ(group.view().facts().days, before.days);
    EXPECT_EQ(group.view().facts().first_at, before.first_at);
}

TEST_P(FactsOf, MergingNoOrdersChangesNoTimes) {
    for (const std::int64_t sign : {-1, 1}) {
        Group group(GetParam());
        group.add({.at = 500 * sign, .day = 1, .cents = 100});
        Group skipped(GetParam());
        skipped.skip();
        Group other = skipped;
        other.merge(group.view());
        group.merge(skipped.view());
        EXPECT_EQ(group.view().facts().first_at, 500 * sign);
        EXPECT_EQ(group.view().facts().last_at, 500 * sign);
        EXPECT_EQ(group.view().facts().skipped, 1);
        EXPECT_EQ(group.encoded(), other.encoded());
    }
}

TEST_P(FactsOf, GrowsGeometrically) {
    Group up(GetParam());
    Group down(GetParam());
    constexpr std::int32_t kDays = 5000;
    for (std::int32_t day = 0; day < kDays; ++day) {
        up.add({.at = day, .day = day, .cents = -day});
        down.add({.at = kDays - 1 - day, .day = kDays - 1 - day, .cents = -(kDays - 1 - day)});
    }
    EXPECT_LE(up.growths(), 16);
    EXPECT_EQ(up.encoded(), down.encoded());
    EXPECT_LT(up.image().bytes().size(), 3 * up.encoded().size());
}

TEST_P(FactsOf, MergeInterleavesDays) {
    Random random(25);
    for (int round = 0; round < 60; ++round) {
        Group a(GetParam()), b(GetParam());
        std::set<std::int32_t> days;
        for (Group* group : {&a, &b}) {
            const std::size_t n = random.below(30);
            const auto shift = static_cast<std::int32_t>(random.below(3)) * 25;
            for (std::size_t i = 0; i < n; ++i) {
                const auto day = shift + static_cast<std::int32_t>(random.below(50));
                days.insert(day);
                group->add({.at = day, .day = day, .cents = 1});
            }
        }
        a.merge(b.view());
        EXPECT_TRUE(std::equal(days.begin(), days.end(), a.view().days().begin(), a.view().days().end()));
    }
}

TEST_P(FactsOf, ReadsBackWhatItWrote) {
    Random random(26);
    for (const std::size_t n : {0, 1, 2, 7, 200}) {
        Group group(GetParam());
        for (const Row& row : random_rows(random, n, 50))
            group.add(row);
        group.skip();
        const Bytes bytes = group.encoded();
        Reader reader(bytes, "rfm_facts");
        Image image(FactsView::decoded_image_size(reader));
        std::fill(image.bytes().begin(), image.bytes().end(), std::byte{0xff});
        image.set_server_word(3);
        FactsView::decode_into(reader, image.bytes());
        EXPECT_EQ(image.server_word(), 3u);
        EXPECT_EQ(image.content(), group.compact().content());
        EXPECT_EQ(Group(std::move(image)).encoded(), bytes);
    }
}

// Decodes; true when the bytes were a value, which must then be the only bytes of that value.
bool decodes(const Bytes& bytes) {
    try {
        Reader reader(bytes, "rfm_facts");
        Image image(FactsView::decoded_image_size(reader));
        EXPECT_LE(image.bytes().size(), 2 * bytes.size() + 64);
        FactsView::decode_into(reader, image.bytes());
        EXPECT_EQ(Group(std::move(image)).encoded(), bytes);
        return true;
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::kBadBinary) << error.what();
        return false;
    }
}

TEST_P(FactsOf, MalformedBytesAreRefused) {
    Random random(27);
    std::vector<Group> groups(3, Group(GetParam()));
    for (const Row& row : random_rows(random, 6, 10))
        groups[1].add(row);
    for (const Row& row : random_rows(random, 3, 10))
        groups[2].add(row);
    if (GetParam() == AmountKind::kNumeric) {
        const std::vector<std::int16_t> digits(40, 1234);
        groups[2].add(0, 0,
                      Decimal{.negative = true,
                              .weight = 20,
                              .display_scale = 78,
                              .digits = digits,
                              .kind = DecimalKind::kFinite});
    } else {
        for (const double amount : {1e300, -1.7e308, 3e-320, -1.7e308})
            groups[2].add(0, 0, amount);
    }
    for (const Group& group : groups) {
        const Bytes valid = group.encoded();
        ASSERT_TRUE(decodes(valid));
        for (std::size_t size = 0; size < valid.size(); ++size)
            EXPECT_FALSE(decodes(Bytes(valid.begin(), valid.begin() + static_cast<std::ptrdiff_t>(size))));
        Bytes longer = valid;
        longer.resize(valid.size() + 4);
        EXPECT_FALSE(decodes(longer));
        int accepted = 0;
        for (std::size_t at = 0; at < valid.size(); ++at) {
            for (int value = 0; value < 256; ++value) {
                Bytes mutated = valid;
                mutated[at] = static_cast<std::byte>(value);
                accepted += mutated != valid && decodes(mutated) ? 1 : 0;
            }
        }
        EXPECT_LT(accepted, static_cast<int>(valid.size()) * 255);
        for (int round = 0; round < 20000; ++round) {
            Bytes mutated = valid;
            for (int i = 0; i < 3; ++i)
                mutated[random.below(mutated.size())] = static_cast<std::byte>(random.below(256));
            decodes(mutated);
        }
    }
}

TEST_P(FactsOf, EveryFieldIsChecked) {
    Group group(GetParam());
    group.add({.at = 1000, .day = 1, .cents = 1050});
    group.add({.at = 2000, .day = 2, .cents = -25});
    const Bytes valid = group.encoded();
    ASSERT_TRUE(decodes(valid));
    const auto with = [&](std::size_t at, auto value) {
        Bytes bytes = valid;
        std::memcpy(bytes.data() + at, &value, sizeof value);
        return decodes(bytes);
    };
    EXPECT_FALSE(with(0, 'S'));
    EXPECT_FALSE(with(1, std::uint8_t{2}));
    EXPECT_FALSE(with(2, std::uint8_t{0}));
    EXPECT_FALSE(with(2, std::uint8_t{3}));
    EXPECT_FALSE(with(3, std::uint8_t{1}));
    EXPECT_FALSE(with(4, std::int64_t{2001}));  // first after last
    EXPECT_TRUE(with(4, std::int64_t{2000}));
    EXPECT_FALSE(with(20, std::int64_t{1}));  // fewer orders than days
    EXPECT_FALSE(with(20, std::int64_t{0}));
    EXPECT_FALSE(with(20, std::int64_t{-5}));
    EXPECT_TRUE(with(20, std::int64_t{5}));
    EXPECT_FALSE(with(28, std::int64_t{-1}));  // skipped
    EXPECT_FALSE(with(36, std::uint16_t{0}));  // cells
    EXPECT_FALSE(with(36, std::uint16_t{60000}));
    EXPECT_FALSE(with(48, std::uint32_t{1}));  // days
    EXPECT_FALSE(with(48, std::uint32_t{0x40000000}));
    const std::size_t days_at = valid.size() - 8;
    EXPECT_FALSE(with(days_at, std::int32_t{2}));  // not ascending
    EXPECT_FALSE(with(days_at, std::int32_t{3}));
    EXPECT_TRUE(with(days_at, std::int32_t{-3}));
    const std::size_t refunds_at = days_at - 8;
    if (GetParam() == AmountKind::kNumeric) {
        EXPECT_FALSE(with(46, std::uint16_t{3}));             // refunds with a larger scale than revenue
        EXPECT_FALSE(with(refunds_at, std::int64_t{-2500}));  // negative refunds
        EXPECT_FALSE(with(refunds_at, std::int64_t{2550000}));
        EXPECT_TRUE(with(refunds_at, std::int64_t{2600}));
        EXPECT_FALSE(with(refunds_at, std::int64_t{2601}));  // finer than the scale
    } else {
        EXPECT_FALSE(with(38, std::int32_t{3}));  // a carry past the orders
        EXPECT_FALSE(with(refunds_at, -0.25));
        EXPECT_FALSE(with(refunds_at, std::nan("")));
        EXPECT_FALSE(with(refunds_at, std::numeric_limits<double>::infinity()));
        EXPECT_FALSE(with(refunds_at, 0.0));
        EXPECT_TRUE(with(refunds_at, 5e-324));
    }
    Bytes empty = Group(GetParam()).encoded();
    ASSERT_TRUE(decodes(empty));
    empty[4] = empty[12] = std::byte{1};  // times without orders
    EXPECT_FALSE(decodes(empty));
}

TEST_P(FactsOf, CountersDoNotWrap) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    Group group(GetParam());
    group.add({.at = 1, .day = 1, .cents = 100});
    group.skip();
    const Group one = group;
    group.header().orders = most;
    group.header().skipped = most;
    const Bytes before = group.encoded();
    EXPECT_EQ(error_code([&] { group.add({.at = 9, .day = 9, .cents = -100}); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([&] { group.skip(); }), Errc::kOutOfRange);
    EXPECT_EQ(error_code([&] { group.merge(one.view()); }), Errc::kOutOfRange);
    group.header().orders = 1;
    EXPECT_EQ(error_code([&] { group.merge(one.view()); }), Errc::kOutOfRange);
    group.header().orders = most;
    EXPECT_EQ(group.encoded(), before);
}

TEST_P(FactsOf, StoredValuesAreNotTrustedWithSizes) {
    Group group(GetParam());
    group.add({.at = 1, .day = 1, .cents = 100});
    const auto corrupted = [&](auto&& damage) {
        Group damaged = group;
        damage(damaged.header());
        return error_code([&] { (void)damaged.view(); }) == Errc::kCorrupted;
    };
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.magic = 'X'; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.version = 2; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.zero = 1; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.kind = AmountKind{9}; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.days_count = 9; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.days_capacity = 0xffffffff; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.days_count = 0; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.revenue.decimal.used = 5; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.revenue.decimal.capacity = 100; }));
    EXPECT_TRUE(corrupted([](FactsHeader& header) { header.refunds.decimal.capacity = 1; }));
    EXPECT_EQ(error_code([&] { FactsView(group.image().bytes().first(63)); }), Errc::kCorrupted);
    EXPECT_EQ(error_code([&] { FactsView(group.image().bytes().first(120)); }), Errc::kCorrupted);
    EXPECT_EQ(error_code([&] { FactsView(group.image().bytes().first(0)); }), Errc::kCorrupted);
}

TEST(Facts, RefusesAmountsThatAreNotFinite) {
    const auto message = [](auto&& call) -> std::string {
        try {
            call();
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::kBadData);
            return error.what();
        }
        return "no error";
    };
    Group number(AmountKind::kFloat8);
    const Bytes before = number.encoded();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(message([&] { number.add(0, 0, std::nan("")); }), "amount is not a finite number: NaN");
    EXPECT_EQ(message([&] { number.add(0, 0, infinity); }), "amount is not a finite number: Infinity");
    EXPECT_EQ(message([&] { number.add(0, 0, -infinity); }), "amount is not a finite number: -Infinity");
    EXPECT_EQ(number.encoded(), before);
    Group numeric(AmountKind::kNumeric);
    const auto add = [&](DecimalKind kind) {
        Decimal amount;
        amount.kind = kind;
        numeric.add(0, 0, amount);
    };
    EXPECT_EQ(message([&] { add(DecimalKind::kNaN); }), "amount is not a finite number: NaN");
    EXPECT_EQ(message([&] { add(DecimalKind::kInfinity); }), "amount is not a finite number: Infinity");
    EXPECT_EQ(message([&] { add(DecimalKind::kMinusInfinity); }), "amount is not a finite number: -Infinity");
    EXPECT_EQ(numeric.view().facts().orders, 0);
}

TEST(Facts, KindsDoNotMix) {
    Group numeric(AmountKind::kNumeric);
    Group number(AmountKind::kFloat8);
    EXPECT_EQ(error_code([&] { numeric.merge(number.view()); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { number.merge(numeric.view()); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { numeric.add(0, 0, 1.0); }), Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { number.add(0, 0, Cents(100).get()); }), Errc::kInvalidArgument);
}

TEST(Facts, MeanGapCountsDistinctDays) {
    Group group(AmountKind::kNumeric);
    group.add({.at = 1, .day = 10, .cents = 100});
    group.add({.at = 2, .day = 10, .cents = 100});
    EXPECT_EQ(group.view().facts().mean_gap_days(), std::nullopt);
    group.add({.at = 3, .day = 13, .cents = 100});
    group.add({.at = 4, .day = 17, .cents = 100});
    EXPECT_EQ(group.view().facts().mean_gap_days(), 3.5);
    group.add({.at = 5, .day = std::numeric_limits<std::int32_t>::max(), .cents = 100});
    group.add({.at = 6, .day = std::numeric_limits<std::int32_t>::min(), .cents = 100});
    EXPECT_EQ(group.view().facts().mean_gap_days(), 4294967295.0 / 4.0);
}

TEST(Facts, LastGapIsBetweenTheLastTwoDays) {
    Group group(AmountKind::kFloat8);
    group.add({.at = 1, .day = 10, .cents = 100});
    group.add({.at = 2, .day = 10, .cents = 100});
    EXPECT_EQ(group.view().facts().last_gap_days(), std::nullopt);
    group.add({.at = 3, .day = 17, .cents = 100});
    EXPECT_EQ(group.view().facts().last_gap_days(), 7);
    group.add({.at = 4, .day = 12, .cents = 100});
    EXPECT_EQ(group.view().facts().last_gap_days(), 5);
    group.add({.at = 5, .day = 1, .cents = 100});
    EXPECT_EQ(group.view().facts().last_gap_days(), 5);
    Group ends(AmountKind::kNumeric);
    ends.add({.at = 1, .day = std::numeric_limits<std::int32_t>::max(), .cents = 100});
    ends.add({.at = 2, .day = std::numeric_limits<std::int32_t>::min(), .cents = 100});
    EXPECT_EQ(ends.view().facts().last_gap_days(), 4294967295);
}

TEST(Facts, ManyNegativeHugeAmountsLackRoomMoreThanOnce) {
    Random random(28);
    Group group(AmountKind::kNumeric);
    Group backwards(AmountKind::kNumeric);
    std::vector<std::vector<std::int16_t>> amounts;
    for (int i = 0; i < 30; ++i) {
        std::vector<std::int16_t> digits;
        for (int j = 0; j < 4 * i + 1; ++j)
            digits.push_back(static_cast<std::int16_t>(1 + random.below(9999)));
        amounts.push_back(digits);
    }
    const auto add = [&](Group& to, int i) {
        to.add(i, i,
               Decimal{.negative = i % 3 != 0,
                       .weight = 2 * i,
                       .display_scale = 8 * i,
                       .digits = amounts[static_cast<std::size_t>(i)],
                       .kind = DecimalKind::kFinite});
    };
    for (int i = 0; i < 30; ++i) {
        add(group, i);
        add(backwards, 29 - i);
    }
    EXPECT_GT(group.growths(), 3);
    EXPECT_EQ(group.encoded(), backwards.encoded());
    EXPECT_TRUE(group.view().revenue_decimal().negative());
    EXPECT_FALSE(group.view().refunds_decimal().negative());
}

TEST(Facts, MergedSumsLackRoomMoreThanOnce) {
    Random random(29);
    Group numeric(AmountKind::kNumeric), numeric_parts(AmountKind::kNumeric);
    Group number(AmountKind::kFloat8), number_parts(AmountKind::kFloat8);
    for (int i = 0; i < 40; ++i) {
        std::vector<std::int16_t> digits(static_cast<std::size_t>(i + 1), 77);
        const Decimal amount{.negative = random.below(2) != 0,
                             .weight = i / 2,
                             .display_scale = 4 * i,
                             .digits = digits,
                             .kind = DecimalKind::kFinite};
        Group part(AmountKind::kNumeric);
        part.add(i, i % 3, amount);
        numeric.add(i, i % 3, amount);
        numeric_parts.merge(FactsView(part.compact().bytes()));
        const double value = std::ldexp(random.normal(), 30 * (i % 20) - 300);
        Group number_part(AmountKind::kFloat8);
        number_part.add(i, i % 3, value);
        number.add(i, i % 3, value);
        number_parts.merge(number_part.view());
    }
    EXPECT_GT(numeric_parts.growths(), 3);
    EXPECT_GT(number_parts.growths(), 3);
    EXPECT_EQ(numeric.encoded(), numeric_parts.encoded());
    EXPECT_EQ(number.encoded(), number_parts.encoded());
    EXPECT_EQ(number.compact().content(), number_parts.compact().content());
}

TEST(Facts, OverflowOfTheFloatSumsIsTheReadersBusiness) {
    Group group(AmountKind::kFloat8);
    for (int i = 0; i < 5; ++i)
        group.add(i, i, -1.7e308);
    EXPECT_EQ(error_code([&] { (void)group.view().refunds_float().value(); }), Errc::kOutOfRange);
    const Bytes bytes = group.encoded();
    EXPECT_TRUE(decodes(bytes));
    for (int i = 0; i < 4; ++i)
        group.add(i, i, 1.7e308);
    EXPECT_EQ(group.view().revenue_float().value(), -1.7e308);
}

TEST(Facts, ImagesStayBelowTheServersLimit) {
    const std::size_t most = (seg::core::rfm::kMaxImageBytes - sizeof(FactsHeader)) / 4;
    EXPECT_EQ((ImageLayout{.revenue_cells = 0, .refund_cells = 0, .days = most}.size()),
              seg::core::rfm::kMaxImageBytes);
    EXPECT_EQ(error_code(
                  [&] { (void)ImageLayout{.revenue_cells = 0, .refund_cells = 0, .days = most + 2}.size(); }),
              Errc::kTooBig);
}

// The external form of version 1, byte by byte: it stays readable for ever.
TEST(Facts, VersionOneIsFixed) {
    Group group(AmountKind::kNumeric);
    group.add({.at = 0x0102, .day = 3, .cents = 1050});
    group.add({.at = 0x0304, .day = -1, .cents = -25});
    group.skip();
    const std::uint8_t expected[] = {
        'R',  1,    1,    0,                 // magic, version, kind, zero
        0x02, 0x01, 0,    0,    0, 0, 0, 0,  // first_at
        0x04, 0x03, 0,    0,    0, 0, 0, 0,  // last_at
        2,    0,    0,    0,    0, 0, 0, 0,  // orders
        1,    0,    0,    0,    0, 0, 0, 0,  // skipped
        1,    0,    1,    0,    2, 0,        // revenue: limbs, groups, scale
        1,    0,    1,    0,    2, 0,        // refunds
        2,    0,    0,    0,                 // days
        0x64, 0x90, 0x01, 0,    0, 0, 0, 0,  // 10.25
        0xc4, 0x09, 0,    0,    0, 0, 0, 0,  // 0.25
        0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0,  // -1, 3
    };
    const Bytes bytes = group.encoded();
    ASSERT_EQ(bytes.size(), sizeof expected);
    EXPECT_EQ(std::memcmp(bytes.data(), expected, sizeof expected), 0);
}

}  // namespace
