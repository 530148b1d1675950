#include "core/rfm/customer_table.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/rfm/customer_measures.hpp"
#include "number.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core::rfm;
using seg::core::Decimal;
using seg::core::DecimalKind;
using seg::core::Errc;
using seg::core::Error;
using seg::core::NoInterrupt;
using seg::core::Random;
using seg::core::Reader;
using seg::core::Writer;
using seg::test::CountingResource;
using seg::test::error_code;
using seg::test::Number;

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

struct Row {
    std::int64_t key;
    std::int32_t days_ago;
    std::string amount;  // numeric
    double number;       // double precision
};

// What a table should say of one customer.
struct Expected {
    std::uint32_t orders = 0;
    std::set<std::int32_t> days;
    std::optional<LargeSum> sum;
    double max = 0;
};

class TableTest : public testing::Test {
  protected:
    std::string key_text(std::int64_t key) const { return "customer " + std::to_string(key); }

    void put(CustomerTable& table, const Row& row) {
        const Number amount(row.amount);
        if (table.options().keys == KeyKind::kInteger) {
            put_row(table, row.key, row, amount.get());
        } else {
            const std::string text = key_text(row.key);
            put_row(table, std::as_bytes(std::span<const char>(text)), row, amount.get());
        }
    }
    template <typename Key>
    void put_row(CustomerTable& table, const Key& key, const Row& row, const Decimal& amount) {
        if (table.options().amounts == AmountKind::kNumeric)
            table.add(key, row.days_ago, amount, interrupt);
        else
            table.add(key, row.days_ago, row.number, interrupt);
    }
    void put_all(CustomerTable& table, const std::vector<Row>& rows) {
        for (const Row& row : rows)
            put(table, row);
        table.finish(interrupt);
    }

    std::map<std::int64_t, Expected> expect(const std::vector<Row>& rows, AmountKind kind) {
        std::map<std::int64_t, Expected> customers;
        for (const Row& row : rows) {
            Expected& customer = customers[row.key];
            if (!customer.sum)
                customer.sum.emplace(&memory, kind);
            customer.max = customer.orders == 0 ? row.number : std::max(customer.max, row.number);
            ++customer.orders;
            customer.days.insert(row.days_ago);
            if (kind == AmountKind::kNumeric)
                customer.sum->add(Number(row.amount).get());
            else
                customer.sum->add(row.number);
        }
        return customers;
    }

    Bytes encoded(const LargeSum& sum) {
        Bytes bytes(sum.encoded_size());
        Writer writer(bytes);
        sum.encode(writer);
        EXPECT_EQ(writer.size(), bytes.size());
        return bytes;
    }

    std::map<std::int64_t, Customer> by_key(const CustomerTable& table) {
        std::map<std::int64_t, Customer> customers;
        for (std::uint64_t i = 0; i < table.size(); ++i) {
            const Customer customer = table.customer(i);
            std::int64_t key = customer.number;
            if (table.options().keys != KeyKind::kInteger)
                key = std::stoll(std::string(reinterpret_cast<const char*>(customer.bytes.data()) + 9,
                                             customer.bytes.size() - 9));
            EXPECT_TRUE(customers.emplace(key, customer).second) << "twice: " << key;
        }
        return customers;
    }

    // Every customer of the table is as expected; returns how many there are.
    std::size_t check(const CustomerTable& table, std::map<std::int64_t, Expected>& expected) {
        const auto customers = by_key(table);
        for (const auto& [key, customer] : customers) {
            Expected& wanted = expected.at(key);
            EXPECT_EQ(customer.orders, wanted.orders) << key;
            EXPECT_EQ(customer.recency_days, *wanted.days.begin()) << key;
            EXPECT_EQ(customer.days, table.options().count_days ? wanted.days.size() : 0u) << key;
            if (table.options().monetary == Monetary::kMax)
                EXPECT_EQ(table.nearest_double(customer, false), wanted.max) << key;
            else
                EXPECT_EQ(encoded(table.exact_sum(customer)), encoded(*wanted.sum)) << key;
        }
        return customers.size();
    }

    Bytes image_of(CustomerTable& table) {
        Bytes image(table.image_size(interrupt));
        Writer writer(image);
        table.write_image(writer, interrupt);
        EXPECT_EQ(writer.size(), image.size());
        return image;
    }

    CountingResource memory;
    NoInterrupt interrupt;
};

// Amounts in cents, with some of many digits; days mostly recent, some far; few keys get many rows.
std::vector<Row> random_rows(std::size_t count, std::uint64_t keys, std::uint64_t seed) {
    Random random(seed);
    std::vector<Row> rows;
    for (std::size_t i = 0; i < count; ++i) {
        const auto key =
            static_cast<std::int64_t>(random.below(4) == 0 ? random.below(3) : random.below(keys));
        const std::int64_t cents = static_cast<std::int64_t>(random.below(2000000)) - 400000;
        char text[64];
        std::snprintf(text, sizeof text, "%s%lld.%02lld", cents < 0 ? "-" : "",
                      static_cast<long long>(std::abs(cents) / 100),
                      static_cast<long long>(std::abs(cents) % 100));
        std::string amount = text;
        if (random.below(200) == 0)
            amount += std::string(random.below(30), '7');
        if (random.below(300) == 0)
            amount =
                std::string(random.below(2) ? "-" : "") + "9" + std::string(random.below(40), '3') + ".5";
        double number = static_cast<double>(cents) / 100;
        if (random.below(100) == 0)
            number = std::ldexp(number, static_cast<int>(random.below(400)) - 200);
        const auto recent = static_cast<std::int32_t>(random.below(random.below(5) == 0 ? 2000 : 40));
        const std::int32_t days =
            random.below(500) == 0 ? 60000 + static_cast<std::int32_t>(random.below(12000)) : recent;
        rows.push_back({random.below(2) ? key * 1'000'003 - 5 : -key, days, amount, number});
    }
    return rows;
}

void shuffle(std::vector<Row>& rows, Random& random) {
    for (std::size_t i = rows.size(); i > 1; --i)
        std::swap(rows[i - 1], rows[random.below(i)]);
}

class CustomerTables : public TableTest, public testing::WithParamInterface<TableOptions> {
  protected:
    // Maxima of amounts with any number of digits are refused, so these rows have plain ones.
    std::vector<Row> rows(std::size_t count, std::uint64_t keys, std::uint64_t seed) {
        std::vector<Row> made = random_rows(count, keys, seed);
        if (GetParam().monetary == Monetary::kMax && GetParam().amounts == AmountKind::kNumeric)
            for (Row& row : made) {
                row.number = std::round(row.number) / 4;
                char text[400];
                std::snprintf(text, sizeof text, "%.2f", std::fmod(row.number, 1e15));
                row.amount = text;
                row.number = std::strtod(text, nullptr);
            }
        return made;
    }
};

TEST_P(CustomerTables, SaysWhatTheRowsSay) {
    const std::vector<Row> all = rows(30000, 4000, 1);
    auto expected = expect(all, GetParam().amounts);
    CustomerTable table(&memory, GetParam(), kPlenty);
    put_all(table, all);
    EXPECT_EQ(check(table, expected), expected.size());
}

TEST_P(CustomerTables, OrderAndSplitDoNotMatter) {
    std::vector<Row> all = rows(6000, 900, 2);
    auto expected = expect(all, GetParam().amounts);
    Random random(3);
    for (int round = 0; round < 6; ++round) {
        shuffle(all, random);
        CustomerTable merged(&memory, GetParam(), kPlenty);
        const std::size_t parts = 1 + random.below(5);
        for (std::size_t part = 0; part < parts; ++part) {
            CustomerTable table(&memory, GetParam(), kPlenty);
            for (std::size_t i = part; i < all.size(); i += parts)
                put(table, all[i]);
            table.finish(interrupt);
            const Bytes image = image_of(table);
            EXPECT_EQ(CustomerTable::read_options(Reader(image, "test")), GetParam());
            merged.merge(Reader(image, "test"), interrupt);
        }
        merged.finish(interrupt);
        EXPECT_EQ(check(merged, expected), expected.size());
    }
}

// With little memory a table keeps a part; all parts together are everyone, once.
TEST_P(CustomerTables, PartsAreWholeAndComplete) {
    const std::vector<Row> all = rows(60000, 50000, 4);
    auto expected = expect(all, GetParam().amounts);
    const std::uint64_t budget = 900 * 1024;
    std::vector<TableOptions> parts{GetParam()};
    std::size_t seen = 0;
    int splits = 0;
    while (!parts.empty()) {
        const TableOptions asked = parts.back();
        parts.pop_back();
        CustomerTable table(&memory, asked, budget);
        put_all(table, all);
        EXPECT_LE(table.memory_used(), budget);
        for (int bits = asked.partition_bits; bits < table.options().partition_bits; ++bits) {
            TableOptions sibling = asked;
            sibling.partition_bits = static_cast<std::uint8_t>(bits + 1);
            sibling.partition = asked.partition | std::uint32_t{1} << bits;
            parts.push_back(sibling);
            ++splits;
        }
        seen += check(table, expected);
    }
    EXPECT_GT(splits, 0);
    EXPECT_EQ(seen, expected.size());
}

// A worker that gave up customers makes the others give them up too.
TEST_P(CustomerTables, PartsMerge) {
    const std::vector<Row> all = rows(40000, 30000, 5);
    auto expected = expect(all, GetParam().amounts);
    CustomerTable small(&memory, GetParam(), 450 * 1024);
    CustomerTable large(&memory, GetParam(), kPlenty);
    for (std::size_t i = 0; i < all.size(); ++i)
        put(i % 2 ? small : large, all[i]);
    small.finish(interrupt);
    large.finish(interrupt);
    ASSERT_GT(small.options().partition_bits, 0);
    const Bytes image = image_of(small);
    large.merge(Reader(image, "test"), interrupt);
    large.finish(interrupt);
    EXPECT_EQ(large.options().partition_bits, small.options().partition_bits);
    const std::size_t kept = check(large, expected);
    EXPECT_GT(kept, 0u);
    EXPECT_LT(kept, expected.size());
}

TEST_P(CustomerTables, DamagedImagesAreRefused) {
    std::vector<Row> all = rows(300, 60, 6);
    CustomerTable table(&memory, GetParam(), kPlenty);
    put_all(table, all);
    const Bytes image = image_of(table);
    for (std::size_t size = 0; size < image.size(); size += 1 + size / 50) {
        CustomerTable other(&memory, GetParam(), kPlenty);
        EXPECT_EQ(error_code([&] { other.merge(Reader(std::span(image).first(size), "test"), interrupt); }),
                  Errc::kBadBinary);
    }
    Random random(7);
    for (int round = 0; round < 2000; ++round) {
        Bytes damaged = image;
        for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips)
            damaged[random.below(damaged.size())] ^= static_cast<std::byte>(1 + random.below(255));
        CustomerTable other(&memory, GetParam(), kPlenty);
        try {
            other.merge(Reader(damaged, "test"), interrupt);
            other.finish(interrupt);
            for (std::uint64_t i = 0; i < other.size(); ++i)
                other.nearest_double(other.customer(i), false);
        } catch (const Error& error) {
            EXPECT_TRUE(error.code() == Errc::kBadBinary || error.code() == Errc::kInvalidArgument ||
                        error.code() == Errc::kOutOfRange)
                << error.what();
        }
    }
}

TEST_P(CustomerTables, EveryAllocationMayFail) {
    const std::vector<Row> all = rows(2000, 700, 8);
    for (std::size_t fail_at = 1;; fail_at += 1 + fail_at / 8) {
        CountingResource failing;
        failing.fail_at = fail_at;
        bool failed = false;
        try {
            CustomerTable table(&failing, GetParam(), kPlenty);
            put_all(table, all);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        EXPECT_EQ(failing.live, 0u);
        if (!failed)
            break;
    }
}

std::vector<TableOptions> option_choices() {
    std::vector<TableOptions> choices;
    for (const KeyKind keys : {KeyKind::kInteger, KeyKind::kText})
        for (const AmountKind amounts : {AmountKind::kNumeric, AmountKind::kFloat8})
            for (const Monetary monetary : {Monetary::kSum, Monetary::kMax})
                for (const bool days : {true, false})
                    choices.push_back(
                        {.keys = keys, .amounts = amounts, .monetary = monetary, .count_days = days});
    return choices;
}
INSTANTIATE_TEST_SUITE_P(EveryChoice, CustomerTables, testing::ValuesIn(option_choices()));

class CustomerTableTest : public TableTest {};

TEST_F(CustomerTableTest, CustomersWithoutOrders) {
    CustomerTable table(&memory, {}, kPlenty);
    table.add_customer(std::int64_t{1}, interrupt);
    table.add_customer(std::int64_t{2}, interrupt);
    put(table, {2, 5, "1.50", 0});
    table.add_customer(std::int64_t{2}, interrupt);
    table.finish(interrupt);
    const auto customers = by_key(table);
    EXPECT_EQ(customers.at(1).orders, 0u);
    EXPECT_EQ(customers.at(2).orders, 1u);
    EXPECT_EQ(customers.at(2).recency_days, 5);
    const CustomerMeasures measures(table, false, interrupt);
    EXPECT_EQ(measures.size(), 1u);
}

TEST_F(CustomerTableTest, SixtyFourBytesACustomer) {
    Random random(1);
    CustomerTable table(&memory, {}, kPlenty);
    constexpr std::uint64_t kCustomers = 300000;
    const Number amount("12.34");
    for (std::uint64_t i = 0; i < 6 * kCustomers; ++i)
        table.add(static_cast<std::int64_t>(random.below(kCustomers)),
                  static_cast<std::int32_t>(random.below(1000)), amount.get(), interrupt);
    table.finish(interrupt);
    EXPECT_LE(memory.peak, 64 * table.size());
    EXPECT_NEAR(static_cast<double>(memory.live), static_cast<double>(table.memory_used()), 8192);
}

TEST_F(CustomerTableTest, RefusesWhatIsNotFinite) {
    CustomerTable numeric(&memory, {}, kPlenty);
    Decimal nan = Number("1").get();
    nan.kind = DecimalKind::kNaN;
    EXPECT_EQ(error_code([&] { numeric.add(std::int64_t{1}, 0, nan, interrupt); }), Errc::kBadData);
    CustomerTable floats(&memory, {.amounts = AmountKind::kFloat8}, kPlenty);
    EXPECT_EQ(error_code([&] { floats.add(std::int64_t{1}, 0, std::nan(""), interrupt); }), Errc::kBadData);
    EXPECT_EQ(error_code([&] { floats.add(std::int64_t{1}, 0, -HUGE_VAL, interrupt); }), Errc::kBadData);
}

TEST_F(CustomerTableTest, MaximaOfManyDigitsAreRefused) {
    CustomerTable table(&memory, {.monetary = Monetary::kMax}, kPlenty);
    EXPECT_EQ(error_code([&] { put(table, {1, 0, "1" + std::string(40, '0'), 0}); }), Errc::kOutOfRange);
}

TEST_F(CustomerTableTest, TablesOfDifferentKindsDoNotMerge) {
    CustomerTable table(&memory, {}, kPlenty);
    put_all(table, {{1, 2, "3", 0}});
    const Bytes image = image_of(table);
    for (const TableOptions& options :
         {TableOptions{.count_days = false}, TableOptions{.amounts = AmountKind::kFloat8},
          TableOptions{.keys = KeyKind::kText}, TableOptions{.as_of_day = 1},
          TableOptions{.partition_bits = 1, .partition = 1}}) {
        CustomerTable other(&memory, options, kPlenty);
        EXPECT_EQ(error_code([&] { other.merge(Reader(image, "test"), interrupt); }), Errc::kInvalidArgument);
    }
}

TEST_F(CustomerTableTest, HopelessBudgetsAreAnError) {
    CustomerTable table(&memory, {}, 1000);
    EXPECT_EQ(error_code([&] {
                  for (std::int64_t key = 0; key < 1000; ++key)
                      put(table, {key, 0, "1", 0});
              }),
              Errc::kTooBig);
}

TEST_F(CustomerTableTest, Cancels) {
    std::vector<Row> all = random_rows(1000, 500, 9);
    CustomerTable table(&memory, {}, kPlenty);
    put_all(table, all);
    for (std::int64_t key = 0; key < 200000; ++key)
        table.add_customer(key, interrupt);
    table.finish(interrupt);
    seg::test::CancelAfter cancel(1);
    EXPECT_THROW(table.image_size(cancel), seg::test::Cancelled);
}

TEST(Money, FixedFromDecimal) {
    EXPECT_TRUE(*fixed_from(Number("12.34").get(), 1) == 123400);
    EXPECT_TRUE(*fixed_from(Number("-0.0001").get(), 1) == -1);
    EXPECT_TRUE(*fixed_from(Number("0").get(), 3) == 0);
    EXPECT_TRUE(*fixed_from(Number("9999999999999999.9999").get(), 5) ==
                (Int128{9999999999999999} * 10000 + 9999) * 10000000000000000);
    EXPECT_FALSE(fixed_from(Number("1" + std::string(36, '0')).get(), 0));
    EXPECT_EQ(fraction_groups(Number("1.00001").get()), 2);
    EXPECT_EQ(fraction_groups(Number("120000").get()), 0);
}

TEST(Money, FixedFromDouble) {
    EXPECT_TRUE(*fixed_from(1.0) == Int128{1} << 72);
    EXPECT_TRUE(*fixed_from(-0.5) == -(Int128{1} << 71));
    EXPECT_TRUE(*fixed_from(0.0) == 0);
    EXPECT_TRUE(fixed_from(std::ldexp(1.0, -72)).has_value());
    EXPECT_FALSE(fixed_from(std::ldexp(1.0, -73)).has_value());
    EXPECT_FALSE(fixed_from(std::ldexp(1.0, 54)).has_value());
    EXPECT_FALSE(fixed_from(5e-324).has_value());
    Random random(1);
    for (int i = 0; i < 10000; ++i) {
        const double x = (random.uniform() - 0.5) * 1e6;
        if (const auto fixed = fixed_from(x))
            EXPECT_EQ(nearest_double(*fixed), x);
        else
            EXPECT_LT(std::abs(x), std::ldexp(1.0, -19));
    }
}

TEST(Money, EqualQuotientsAreEqualDoubles) {
    Random random(2);
    for (int i = 0; i < 20000; ++i) {
        const auto cents = static_cast<std::int64_t>(random.below(10000000)) - 5000000;
        const auto orders = static_cast<std::uint32_t>(1 + random.below(50));
        const auto times = static_cast<std::uint32_t>(1 + random.below(1000000));
        EXPECT_EQ(nearest_double(Int128{cents} * 100, 1, orders),
                  nearest_double(Int128{cents} * 100 * times, 1, orders * times));
    }
    EXPECT_EQ(nearest_double(Int128{101000}, 1, 1), 10.1);
    EXPECT_EQ(nearest_double(Int128{303000}, 1, 3), 10.1);
}

// Long double holds 64 bits, enough to tell which double is nearest for quotients of 64 bits and less.
TEST(Money, DoublesAreTheNearestAndInOrder) {
    EXPECT_LE(nearest_double(Int128{18036302401450305}, 2, 1),
              nearest_double(Int128{18036302401450306}, 2, 1));
    Random random(3);
    for (int i = 0; i < 100000; ++i) {
        const Int128 value =
            static_cast<Int128>((std::uint64_t{1} << 54) + random.below(std::uint64_t{1} << 54));
        const double found = nearest_double(value, 2, 1);
        const auto error = [&](double x) {
            const Int128 scaled = static_cast<Int128>(std::ldexp(static_cast<long double>(x), 26));
            const Int128 wanted = (value << 26) / 100000000;
            return scaled > wanted ? scaled - wanted : wanted - scaled;
        };
        EXPECT_TRUE(error(found) <= error(std::nextafter(found, 0.0)) + 1);
        EXPECT_TRUE(error(found) <= error(std::nextafter(found, HUGE_VAL)) + 1);
        EXPECT_LE(found, nearest_double(value + 1, 2, 1));
        EXPECT_EQ(nearest_double(value * 7, 2, 7), found);
    }
}

TEST(Money, FixedDecimalShowsTheValue) {
    for (const char* text :
         {"0", "1", "-12.34", "10000", "100000000.0001", "0.00000001", "123456789012345.6789"}) {
        const Number number(text);
        const FixedDecimal fixed(*fixed_from(number.get(), 2), 2, number.value.display_scale);
        EXPECT_EQ(fixed.decimal().negative, number.value.negative) << text;
        EXPECT_EQ(fixed.decimal().weight, number.value.weight) << text;
        EXPECT_TRUE(std::equal(number.digits.begin(), number.digits.end(), fixed.decimal().digits.begin(),
                               fixed.decimal().digits.end()))
            << text;
    }
}

TEST_F(CustomerTableTest, NtileScoresAreSqls) {
    CustomerTable table(&memory, {.count_days = false}, kPlenty);
    // Eleven customers in three scores: 4, 4, 3; equal values by id.
    for (std::int64_t key = 11; key >= 1; --key)
        put(table, {key, 10, "5", 0});
    table.finish(interrupt);
    const CustomerMeasures measures(table, false, interrupt);
    ScaleOptions options;
    options.bins = {3, 3, 3};
    const NtileScores scores(measures, options, memory, interrupt);
    std::map<std::int64_t, int> found;
    for (std::uint64_t i = 0; i < table.size(); ++i)
        found[table.customer(i).number] = scores.score(i).m;
    std::vector<int> in_order;
    for (const auto& [key, score] : found)
        in_order.push_back(score);
    EXPECT_EQ(in_order, (std::vector<int>{1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3}));
    options.bins = {3, 11, 3};
    EXPECT_EQ(error_code([&] { NtileScores(measures, options, memory, interrupt); }), Errc::kInvalidArgument);
}

}  // namespace
