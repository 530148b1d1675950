#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/random.hpp"
#include "core/idset/algebra.hpp"
#include "core/idset/at_least.hpp"
#include "core/idset/chunk_steps.hpp"
#include "core/idset/collection.hpp"
#include "core/idset/expression.hpp"
#include "core/idset/flow.hpp"
#include "core/idset/overlap.hpp"
#include "core/idset/set_builder.hpp"
#include "core/idset/set_image.hpp"
#include "core/idset/upset.hpp"
#include "testing.hpp"

namespace {

using namespace seg::core;
using namespace seg::core::idset;
using seg::test::CancelAfter;
using seg::test::Cancelled;
using seg::test::CountingResource;
using seg::test::error_code;

using Wide = __int128;

// Bytes of a character of UTF-8.
int utf8_length(const char* text) {
    const auto c = static_cast<unsigned char>(*text);
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

// ---- sets as plain ranges, against which everything is held

struct Range {
    std::int64_t lowest;
    std::int64_t highest;
};
using Ranges = std::vector<Range>;

// Stretches of ids between any two ends of ranges: all ids of one stretch are in the same sets.
struct Stretch {
    std::int64_t lowest;
    std::int64_t highest;
    std::vector<bool> in;  // by set
    Wide ids() const { return Wide{highest} - lowest + 1; }
};

std::vector<Stretch> stretches_of(const std::vector<Ranges>& sets) {
    std::set<Wide> ends;
    for (const Ranges& set : sets)
        for (const Range& range : set) {
            ends.insert(range.lowest);
            ends.insert(Wide{range.highest} + 1);
        }
    std::vector<Stretch> out;
    for (auto at = ends.begin(); at != ends.end() && std::next(at) != ends.end(); ++at)
        out.push_back({static_cast<std::int64_t>(*at), static_cast<std::int64_t>(*std::next(at) - 1),
                       std::vector<bool>(sets.size())});
    for (std::size_t s = 0; s < sets.size(); ++s)
        for (const Range& range : sets[s]) {
            auto at = std::lower_bound(out.begin(), out.end(), range.lowest,
                                       [](const Stretch& a, std::int64_t id) { return a.lowest < id; });
            for (; at != out.end() && at->lowest <= range.highest; ++at)
                at->in[s] = true;
        }
    return out;
}

// Sets on their way into core, and the memory they are in.
class Sets {
  public:
    explicit Sets(const std::vector<Ranges>& sets, std::uint32_t dictionary = 0) : ranges(sets) {
        NoInterrupt interrupt;
        for (const Ranges& set : sets) {
            SetBuilder builder(&memory_, dictionary);
            for (const Range& range : set)
                builder.add_range(range.lowest, range.highest, interrupt);
            SetWriter writer(&memory_, dictionary);
            builder.write(writer, interrupt);
            images_.emplace_back(writer, &memory_);
        }
        for (const SetImage& image : images_)
            views.push_back(image.view());
    }

    std::vector<Ranges> ranges;
    std::vector<SetView> views;

  private:
    CountingResource memory_;
    std::deque<SetImage> images_;
};

std::string image_text(const SetView& set) {
    const auto bytes = set.image();
    return {reinterpret_cast<const char*>(bytes.data()) + 4, bytes.size() - 4};
}

// The image of the set of those stretches that are wanted, to compare with.
template <typename Wanted>
std::string expected_image(const std::vector<Stretch>& stretches, const Wanted& wanted) {
    Ranges ranges;
    for (const Stretch& stretch : stretches)
        if (wanted(stretch))
            ranges.push_back({stretch.lowest, stretch.highest});
    return image_text(Sets({ranges}).views[0]);
}

std::string image_of(SetWriter& writer) {
    CountingResource memory;
    return image_text(SetImage(writer, &memory).view());
}

// ---- random sets of all kinds of chunks

class Sampler {
  public:
    explicit Sampler(std::uint64_t seed) : random_(seed) {}

    Ranges set() {
        Ranges out;
        for (std::uint64_t i = random_.below(5); i > 0; --i)
            piece(out);
        return out;
    }
    std::vector<Ranges> sets(std::size_t count) {
        std::vector<Ranges> out(count);
        for (Ranges& one : out)
            one = set();
        return out;
    }

  private:
    // Few chunks, so that sets meet; around 0 and far away.
    std::int64_t chunk() {
        static constexpr std::int64_t kPlaces[] = {-3, -2, -1, 0, 1, 2, 7, std::int64_t{1} << 40};
        return kPlaces[random_.below(std::size(kPlaces))] * 65536;
    }
    std::int64_t low() { return static_cast<std::int64_t>(random_.below(65536)); }
    void add(Ranges& out, std::int64_t lowest, std::int64_t highest) { out.push_back({lowest, highest}); }

    void piece(Ranges& out) {
        const std::int64_t start = chunk();
        switch (random_.below(8)) {
            case 0:  // a few ids, often the same ones
                for (int i = 0; i < 3; ++i)
                    add(out, start + low() % 5, start + low() % 5);
                return;
            case 1:  // a short array
                for (int i = 0; i < 60; ++i) {
                    const std::int64_t id = start + low() % 1000;
                    add(out, id, id);
                }
                return;
            case 2:  // a longer one
                for (int i = 0; i < 500; ++i) {
                    const std::int64_t id = start + low();
                    add(out, id, id);
                }
                return;
            case 3:  // a bitmap
                for (std::int64_t id = start + low() % 4; id < start + 20000; id += 2)
                    add(out, id, id);
                return;
            case 4:  // runs
                for (int i = 0; i < 4; ++i) {
                    const std::int64_t id = start + low();
                    add(out, id, id + low() / 8);
                }
                return;
            case 5:  // full chunks
                return add(out, start, start + 65536 * static_cast<std::int64_t>(1 + random_.below(5)) - 1);
            case 6:  // full chunks and parts of two
                return add(out, start + low(), start + 65536 * 4 + low());
            default:  // very many full chunks
                return add(out, start - (std::int64_t{1} << (20 + random_.below(40))),
                           start + (std::int64_t{1} << (20 + random_.below(40))));
        }
    }

    Random random_;
};

// Calls body(sets, stretches) for many collections of few and of more sets.
template <typename Body>
void for_samples(int count, const Body& body) {
    for (int seed = 1; seed <= count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Sampler sampler(static_cast<std::uint64_t>(seed));
        const Sets sets(sampler.sets(static_cast<std::size_t>(seed % 9)));
        body(sets, stretches_of(sets.ranges));
    }
}

constexpr int kSamples = 45;

template <typename Wanted>
Wide count_ids(const std::vector<Stretch>& stretches, const Wanted& wanted) {
    Wide ids = 0;
    for (const Stretch& stretch : stretches)
        if (wanted(stretch))
            ids += stretch.ids();
    return ids;
}

// ---- overlap

TEST(IdsetOverlap, MatchesPlainCounting) {
    NoInterrupt interrupt;
    for_samples(kSamples, [&](const Sets& sets, const std::vector<Stretch>& stretches) {
        CountingResource memory;
        const Overlaps overlaps(sets.views, &memory, interrupt);
        const Wide any = count_ids(stretches, [](const Stretch& s) {
            return std::find(s.in.begin(), s.in.end(), true) != s.in.end();
        });
        std::size_t pairs = 0;
        overlaps.for_each([&](std::uint32_t a, std::uint32_t b, const Overlap& overlap) {
            ++pairs;
            ASSERT_LT(a, b);
            EXPECT_EQ(overlap.n_a, count_ids(stretches, [a](const Stretch& s) { return s.in[a]; }));
            EXPECT_EQ(overlap.n_b, count_ids(stretches, [b](const Stretch& s) { return s.in[b]; }));
            EXPECT_EQ(overlap.n_ab,
                      count_ids(stretches, [a, b](const Stretch& s) { return s.in[a] && s.in[b]; }));
            EXPECT_EQ(overlap.n, static_cast<double>(any));
        });
        EXPECT_EQ(pairs, sets.views.size() * (sets.views.empty() ? 0 : sets.views.size() - 1) / 2);
    });
}

TEST(IdsetOverlap, Measures) {
    const Overlap overlap{4, 6, 2, 24.0};
    EXPECT_DOUBLE_EQ(*overlap.jaccard(), 0.25);
    EXPECT_DOUBLE_EQ(*overlap.lift(), 2.0);
    const Overlap one_empty{0, 6, 0, 6.0};
    EXPECT_DOUBLE_EQ(*one_empty.jaccard(), 0.0);
    EXPECT_FALSE(one_empty.lift().has_value());
    const Overlap both_empty{0, 0, 0, 6.0};
    EXPECT_FALSE(both_empty.jaccard().has_value());
    const Overlap largest{INT64_MAX, INT64_MAX, INT64_MAX, 0x1p63};
    EXPECT_DOUBLE_EQ(*largest.jaccard(), 1.0);
    EXPECT_DOUBLE_EQ(*largest.lift(), 1.0);
}

// More bitmaps than one tile, more short arrays, and longer arrays that few sets share ids with: compared
// with pairs counted one by one.
TEST(IdsetOverlap, ManySetsInOneChunk) {
    NoInterrupt interrupt;
    for (const std::vector<std::size_t>& sizes : std::vector<std::vector<std::size_t>>{
             {20, 300, 6000}, {150, 120}, {150, 100, 150, 100, 150, 100, 150, 100, 150, 20000}}) {
        std::vector<Ranges> ranges(120);
        Random random(5);
        for (std::size_t s = 0; s < ranges.size(); ++s)
            for (std::size_t i = 0; i < sizes[s % sizes.size()]; ++i) {
                const auto id = static_cast<std::int64_t>(random.below(s % 4 == 0 ? 2000 : 65536));
                ranges[s].push_back({id, id});
            }
        const Sets sets(ranges);
        CountingResource memory;
        const Overlaps overlaps(sets.views, &memory, interrupt);
        overlaps.for_each([&](std::uint32_t a, std::uint32_t b, const Overlap& overlap) {
            EXPECT_EQ(overlap.n_ab, intersection_cardinality(sets.views[a], sets.views[b], interrupt));
        });
        const Flow flow(sets.views, 70, &memory, interrupt);
        flow.for_each([&](const FlowLink& link) {
            if (link.before && link.after) {
                EXPECT_EQ(link.n, overlaps.of(*link.before, *link.after).n_ab);
            }
        });
    }
}

// The halves have 2^63 ids each; a set has one fewer.
TEST(IdsetOverlap, CountsBeyondTheIdsOfOneSet) {
    NoInterrupt interrupt;
    CountingResource memory;
    const Sets sets({{{INT64_MIN + 1, -1}}, {{1, INT64_MAX}}, {{INT64_MIN, -2}}, {{0, 0}}});
    const Overlaps overlaps(sets.views, &memory, interrupt);
    EXPECT_EQ(overlaps.of(0, 1).n, 0x1p64);
    EXPECT_EQ(overlaps.of(0, 2).n_ab, INT64_MAX - 1);
}

// ---- flow

TEST(IdsetFlow, MatchesPlainCounting) {
    NoInterrupt interrupt;
    for_samples(kSamples, [&](const Sets& sets, const std::vector<Stretch>& stretches) {
        const auto count = static_cast<std::uint32_t>(sets.views.size());
        for (std::uint32_t split = 0; split <= count; ++split) {
            SCOPED_TRACE("split " + std::to_string(split));
            const auto in_any = [](const Stretch& s, std::uint32_t from, std::uint32_t to) {
                for (; from < to; ++from)
                    if (s.in[from])
                        return true;
                return false;
            };
            // -1 stands for "in none".
            std::map<std::tuple<int, int>, Wide> expected;
            for (std::uint32_t a = 0; a < split; ++a)
                for (std::uint32_t b = split; b < count; ++b)
                    expected[{a, b}] =
                        count_ids(stretches, [&](const Stretch& s) { return s.in[a] && s.in[b]; });
            for (std::uint32_t a = 0; a < split; ++a)
                expected[{a, -1}] = count_ids(
                    stretches, [&](const Stretch& s) { return s.in[a] && !in_any(s, split, count); });
            for (std::uint32_t b = split; b < count; ++b)
                expected[{-1, b}] =
                    count_ids(stretches, [&](const Stretch& s) { return s.in[b] && !in_any(s, 0, split); });
            std::erase_if(expected, [](const auto& item) { return item.second == 0; });

            CountingResource memory;
            const Flow flow(sets.views, split, &memory, interrupt);
            std::map<std::tuple<int, int>, Wide> found;
            flow.for_each([&](const FlowLink& link) {
                found[{link.before ? static_cast<int>(*link.before) : -1,
                       link.after ? static_cast<int>(*link.after) : -1}] = link.n;
            });
            EXPECT_TRUE(found == expected);
        }
    });
}

// ---- upset

std::map<std::vector<std::uint32_t>, Wide> expected_intersections(const std::vector<Stretch>& stretches) {
    std::map<std::vector<std::uint32_t>, Wide> out;
    for (const Stretch& stretch : stretches) {
        std::vector<std::uint32_t> in;
        for (std::uint32_t s = 0; s < stretch.in.size(); ++s)
            if (stretch.in[s])
                in.push_back(s);
        if (!in.empty())
            out[in] += stretch.ids();
    }
    return out;
}

TEST(IdsetUpset, MatchesPlainCounting) {
    NoInterrupt interrupt;
    for_samples(kSamples, [&](const Sets& sets, const std::vector<Stretch>& stretches) {
        CountingResource memory;
        const Upset upset(sets.views, &memory, interrupt);
        std::map<std::vector<std::uint32_t>, Wide> found;
        const Upset::Intersection* before = nullptr;
        for (const Upset::Intersection& row : upset.intersections()) {
            const auto members = upset.sets(row);
            found[{members.begin(), members.end()}] = row.n;
            if (before != nullptr) {
                EXPECT_TRUE(before->n > row.n || (before->n == row.n && before->sets <= row.sets));
            }
            before = &row;
        }
        EXPECT_EQ(found.size(), upset.intersections().size()) << "each combination once";
        EXPECT_TRUE(found == expected_intersections(stretches));
    });
}

// Most ids part from all others before the last set.
TEST(IdsetUpset, AsManyIntersectionsAsIds) {
    NoInterrupt interrupt;
    CountingResource memory;
    std::vector<Ranges> ranges(16);
    for (std::int64_t id = 0; id < 65536; ++id)
        for (std::size_t s = 0; s < 16; ++s)
            if (id >> s & 1)
                ranges[s].push_back({id, id});
    const Sets sets(ranges);
    const Upset upset(sets.views, &memory, interrupt);
    ASSERT_EQ(upset.intersections().size(), 65535U);
    for (const Upset::Intersection& row : upset.intersections())
        ASSERT_EQ(row.n, 1U);
    EXPECT_EQ(upset.sets(upset.intersections().front()).size(), 1U);
    EXPECT_EQ(upset.sets(upset.intersections().back()).size(), 16U);
}

// ---- at least

TEST(IdsetAtLeast, MatchesPlainCounting) {
    NoInterrupt interrupt;
    for_samples(kSamples, [&](const Sets& sets, const std::vector<Stretch>& stretches) {
        for (std::int64_t k = 1; k <= static_cast<std::int64_t>(sets.views.size()) + 1; ++k) {
            SCOPED_TRACE("k " + std::to_string(k));
            CountingResource memory;
            SetWriter writer(&memory);
            at_least(sets.views, k, writer, &memory, interrupt);
            EXPECT_EQ(image_of(writer), expected_image(stretches, [k](const Stretch& s) {
                          return std::count(s.in.begin(), s.in.end(), true) >= k;
                      }));
        }
    });
}

// More sets than a byte counts, in arrays, runs and bitmaps; and each set given a thousand times.
TEST(IdsetAtLeast, MoreSetsThanAByteCounts) {
    NoInterrupt interrupt;
    CountingResource memory;
    Sampler sampler(3);
    const std::vector<Ranges> ranges = sampler.sets(12);
    const Sets sets(ranges);
    const auto stretches = stretches_of(ranges);
    std::vector<SetView> many;
    for (int i = 0; i < 1000; ++i)
        many.insert(many.end(), sets.views.begin(), sets.views.end());
    for (std::int64_t k : {1, 999, 1000, 1001, 2000, 5001}) {
        SetWriter writer(&memory);
        at_least(many, k, writer, &memory, interrupt);
        EXPECT_EQ(image_of(writer),
                  expected_image(stretches,
                                 [k](const Stretch& s) {
                                     return 1000 * std::count(s.in.begin(), s.in.end(), true) >= k;
                                 }))
            << k;
    }
}

TEST(IdsetAtLeast, VeryManySmallSets) {
    NoInterrupt interrupt;
    CountingResource memory;
    std::vector<Ranges> ranges;
    for (std::int64_t i = 0; i < 100000; ++i)
        ranges.push_back({{i, i}, {i + 1, i + 1}, {i * 100000, i * 100000}});
    const Sets sets(ranges);
    SetWriter writer(&memory);
    at_least(sets.views, 2, writer, &memory, interrupt);
    // 1 to 99,999 are in two neighbours; of the multiples of 100,000 only 0 is met again, in its own set.
    EXPECT_EQ(writer.cardinality(), 99999 + 1);
}

TEST(IdsetAtLeast, RejectsNoSets) {
    NoInterrupt interrupt;
    CountingResource memory;
    SetWriter writer(&memory);
    EXPECT_EQ(error_code([&] { at_least({}, 0, writer, &memory, interrupt); }), Errc::kInvalidArgument);
    at_least({}, INT64_MAX, writer, &memory, interrupt);
    EXPECT_EQ(writer.cardinality(), 0);
}

// ---- expressions

// The obvious way: recursive descent over one stretch's membership, for generated expressions without
// quotes.
class PlainExpression {
  public:
    PlainExpression(const std::string& text, const std::vector<bool>& in) : text_(text), in_(in) {}
    bool value() {
        at_ = 0;
        return level(0);
    }

  private:
    bool level(int tightness) {
        static constexpr char kOperators[] = {'|', '#', '-', '&'};
        if (tightness == 4)
            return operand();
        bool left = level(tightness + 1);
        while (at_ < text_.size() && text_[at_] == kOperators[tightness]) {
            ++at_;
            const bool right = level(tightness + 1);
            left = tightness == 0   ? left || right
                   : tightness == 1 ? left != right
                   : tightness == 2 ? left && !right
                                    : left && right;
        }
        return left;
    }
    bool operand() {
        if (text_[at_] == '(') {
            ++at_;
            const bool value = level(0);
            ++at_;
            return value;
        }
        return in_[static_cast<std::size_t>(text_[at_++] - 'a')];
    }

    const std::string& text_;
    const std::vector<bool>& in_;
    std::size_t at_ = 0;
};

std::string random_expression(Random& random, std::size_t sets, int depth) {
    if (depth == 0 || random.below(5) == 0)
        return std::string(1, static_cast<char>('a' + random.below(sets)));
    const std::string left = random_expression(random, sets, depth - 1);
    const std::string right = random_expression(random, sets, depth - 1);
    const std::string whole = left + "|#-&"[random.below(4)] + right;
    return random.below(2) == 0 ? "(" + whole + ")" : whole;
}

std::string evaluated(const std::string& text, const std::vector<SetView>& all) {
    NoInterrupt interrupt;
    CountingResource memory;
    const Expression expression(text, utf8_length, &memory, interrupt);
    std::vector<SetView> named;
    for (std::size_t i = 0; i < expression.names(); ++i)
        named.push_back(all.at(static_cast<std::size_t>(expression.name(i).at(0) - 'a')));
    SetWriter writer(&memory);
    expression.evaluate(named, writer, &memory, interrupt);
    return image_of(writer);
}

TEST(IdsetExpression, MatchesPlainEvaluation) {
    Random random(17);
    for_samples(kSamples, [&](const Sets& sets, const std::vector<Stretch>& stretches) {
        if (sets.views.empty())
            return;
        for (int i = 0; i < 6; ++i) {
            const std::string text = random_expression(random, sets.views.size(), 4);
            EXPECT_EQ(evaluated(text, sets.views),
                      expected_image(stretches,
                                     [&](const Stretch& s) { return PlainExpression(text, s.in).value(); }))
                << text;
        }
    });
}

TEST(IdsetExpression, Precedence) {
    const Sets sets({{{1, 6}}, {{2, 7}}, {{3, 8}}});
    const auto same = [&](const char* a, const char* b) {
        EXPECT_EQ(evaluated(a, sets.views), evaluated(b, sets.views)) << a;
    };
    same("a | b & c", "a | (b & c)");
    same("a - b & c", "a - (b & c)");
    same("a # b - c", "a # (b - c)");
    same("a | b # c", "a | (b # c)");
    same("a - b - c", "(a - b) - c");
    same("a - b | c", "(a - b) | c");
    same("  a\n-\t( b )  ", "a-b");
}

std::vector<std::string> names_of(const std::string& text) {
    NoInterrupt interrupt;
    CountingResource memory;
    const Expression expression(text, utf8_length, &memory, interrupt);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < expression.names(); ++i) {
        names.emplace_back(expression.name(i));
        EXPECT_EQ(expression.find(expression.name(i)), i);
    }
    EXPECT_FALSE(expression.find("no such name").has_value());
    return names;
}

TEST(IdsetExpression, Names) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(names_of("b|a&b"), (Names{"a", "b"}));
    EXPECT_EQ(names_of("shop.de:vip_1 - 2024"), (Names{"2024", "shop.de:vip_1"}));
    EXPECT_EQ(names_of("größe | 会員"), (Names{"größe", "会員"}));
    EXPECT_EQ(names_of("\"a & b\" | \"say \"\"hi\"\"\" | \"\""), (Names{"", "a & b", "say \"hi\""}));
    EXPECT_EQ(names_of("\"a\"|a"), (Names{"a"})) << "quotes are not part of a name";
    EXPECT_EQ(names_of("Vip|vip"), (Names{"Vip", "vip"})) << "case counts";
}

struct Fault {
    Errc code;
    std::string message, detail, hint;
};
Fault fault_of(const std::string& text) {
    NoInterrupt interrupt;
    CountingResource memory;
    try {
        const Expression expression(text, utf8_length, &memory, interrupt);
    } catch (const Error& error) {
        EXPECT_EQ(memory.live, 0U);
        return {error.code(), error.what(), error.detail(), error.hint()};
    }
    ADD_FAILURE() << "no error in " << text;
    return {};
}

TEST(IdsetExpression, ErrorsNameThePlace) {
    const auto check = [](const char* text, const char* message, const char* detail) {
        const Fault fault = fault_of(text);
        EXPECT_EQ(fault.code, Errc::kSyntax);
        EXPECT_EQ(fault.message, message);
        EXPECT_EQ(fault.detail, detail);
    };
    check("", "syntax error at character 1 of the expression: expected a name or \"(\", found the end",
          "The expression:\n\n^");
    check("a b", "syntax error at character 3 of the expression: expected an operator, found \"b\"",
          "The expression:\na b\n  ^");
    check("a &", "syntax error at character 4 of the expression: expected a name or \"(\", found the end",
          "The expression:\na &\n   ^");
    check("(a | b", "syntax error at character 1 of the expression: \"(\" is not closed",
          "The expression:\n(a | b\n^");
    check("a) | b", "syntax error at character 2 of the expression: \")\" has no \"(\"",
          "The expression:\na) | b\n ^");
    check("ä & \"b", "syntax error at character 5 of the expression: the quoted name is not closed",
          "The expression:\nä & \"b\n    ^");
    check("a ! b", "syntax error at character 3 of the expression: there is no operator \"!\"",
          "The expression:\na ! b\n  ^");
    check("()", "syntax error at character 2 of the expression: expected a name or \"(\", found \")\"",
          "The expression:\n()\n ^");
    check("a\n&\t$", "syntax error at character 5 of the expression: expected a name or \"(\", found \"$\"",
          "The expression:\na & $\n    ^");
    EXPECT_NE(fault_of("a - !b").hint.find("no complement"), std::string::npos);
    EXPECT_NE(fault_of("a + b").hint.find("double quotes"), std::string::npos);
    // Of a long one, the surroundings.
    const Fault far = fault_of(std::string(1000, 'a') + " ? " + std::string(1000, 'b'));
    EXPECT_NE(far.message.find("at character 1002 "), std::string::npos);
    EXPECT_EQ(far.detail, "The expression:\n..." + std::string(29, 'a') + " ? " + std::string(28, 'b') +
                              "...\n" + std::string(33, ' ') + "^");
}

TEST(IdsetExpression, UnknownNames) {
    NoInterrupt interrupt;
    CountingResource memory;
    const Expression expression("vip & ghost", utf8_length, &memory, interrupt);
    const std::vector<std::string_view> known = {"loyal", "vip"};
    try {
        expression.fail_unknown(*expression.find("ghost"), known);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::kInvalidArgument);
        EXPECT_NE(std::string(error.what()).find("\"ghost\""), std::string::npos);
        EXPECT_EQ(error.hint(), "There are \"loyal\", \"vip\".");
    }
}

// Neither reading nor evaluating recurses.
TEST(IdsetExpression, DeepNesting) {
    const Sets sets({{{1, 100000}}, {{5, 6}, {9, 70000}}});
    const std::size_t depth = 1000000;
    EXPECT_NE(fault_of(std::string(depth, '(')).message.find("at character 1000001 "), std::string::npos);
    EXPECT_NE(fault_of(std::string(depth, '(') + "a").message.find("at character 1000000 "),
              std::string::npos);
    EXPECT_EQ(evaluated(std::string(depth, '(') + "a" + std::string(depth, ')'), sets.views),
              evaluated("a", sets.views));
    std::string right;
    for (std::size_t i = 0; i < 100000; ++i)
        right += "a-(";
    right += "b" + std::string(100000, ')');
    EXPECT_EQ(evaluated(right, sets.views), evaluated("a&b", sets.views));
    std::string wide = "a";
    for (std::size_t i = 0; i < 100000; ++i)
        wide += i % 2 == 0 ? "#b" : "|a";
    EXPECT_EQ(evaluated(wide, sets.views), evaluated("a", sets.views));
}

// ---- collections

// An image in aligned memory.
struct Bytes {
    std::vector<std::uint64_t> words;
    std::size_t size = 0;
    std::span<std::byte> span() { return {reinterpret_cast<std::byte*>(words.data()), size}; }
    std::string text() const { return {reinterpret_cast<const char*>(words.data()) + 4, size - 4}; }
};

Bytes write(Collection& collection) {
    NoInterrupt interrupt;
    Bytes bytes;
    bytes.size = collection.image_size(interrupt);
    bytes.words.assign(bytes.size / 8 + 1, 0);
    collection.write_image(bytes.span(), interrupt);
    return bytes;
}

void validate(Bytes& bytes) {
    NoInterrupt interrupt;
    CountingResource memory;
    CollectionView::validate(bytes.span(), utf8_length, &memory, interrupt);
}

struct Member {
    std::uint32_t side;
    std::string name;
    std::size_t set;
};

void add_all(Collection& collection, const std::vector<Member>& members, const Sets& sets) {
    NoInterrupt interrupt;
    for (const Member& member : members)
        collection.add(member.side, member.name, sets.views[member.set], interrupt);
}

std::vector<Member> members_of(const Sets& sets, std::size_t names, std::uint32_t sides) {
    std::vector<Member> members;
    for (std::size_t i = 0; i < sets.views.size(); ++i)
        members.push_back({static_cast<std::uint32_t>(i % sides),
                           "name" + std::string(i % names, 'x') + std::to_string(i % names), i});
    return members;
}

template <typename T>
void shuffle(std::vector<T>& values, Random& random) {
    for (std::size_t i = values.size(); i > 1; --i)
        std::swap(values[i - 1], values[random.below(i)]);
}

TEST(IdsetCollection, UnitesSetsOfOneNameInAnyOrder) {
    NoInterrupt interrupt;
    Random random(4);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const Sets sets(Sampler(seed).sets(14));
        std::vector<Member> members = members_of(sets, 4, 2);
        members.insert(members.end(), members.begin(), members.end());  // and each twice
        std::string first;
        for (int round = 0; round < 4; ++round) {
            CountingResource memory;
            Collection collection(&memory, {CollectionKind::kFlow, {}, 0});
            // In two halves, of which one is merged as it is, or as its image.
            Collection half(&memory, {CollectionKind::kFlow, {}, 0});
            const auto middle = static_cast<std::ptrdiff_t>(random.below(members.size()));
            add_all(collection, {members.begin(), members.begin() + middle}, sets);
            add_all(half, {members.begin() + middle, members.end()}, sets);
            if (round % 2 == 0) {
                collection.merge(half, interrupt);
            } else {
                Bytes flat = write(half);
                collection.merge(CollectionView(flat.span()), interrupt);
            }
            Bytes bytes = write(collection);
            EXPECT_NO_THROW(validate(bytes));
            if (round == 0)
                first = bytes.text();
            EXPECT_EQ(bytes.text(), first);
            shuffle(members, random);
        }
    }
}

TEST(IdsetCollection, HoldsTheUnionOfEachName) {
    NoInterrupt interrupt;
    CountingResource memory;
    const Sets sets(Sampler(99).sets(20));
    Collection collection(&memory, {});
    const std::vector<Member> members = members_of(sets, 3, 1);
    add_all(collection, members, sets);
    Bytes bytes = write(collection);
    const CollectionView view(bytes.span());
    ASSERT_EQ(view.count(), 3U);
    for (std::uint32_t i = 0; i < 3; ++i) {
        std::vector<Ranges> mine;
        for (const Member& member : members)
            if (member.name == view.name(i))
                mine.push_back(sets.ranges[member.set]);
        EXPECT_EQ(image_text(view.set(i)), expected_image(stretches_of(mine), [](const Stretch& s) {
                      return std::find(s.in.begin(), s.in.end(), true) != s.in.end();
                  }));
        EXPECT_EQ(image_text(collection.set(i)), image_text(view.set(i)));
        EXPECT_EQ(collection.name(i), view.name(i));
    }
}

// A table of (segment, bucket, members): many sets of each name, which are not kept apart.
TEST(IdsetCollection, ManyPartsOfOneName) {
    NoInterrupt interrupt;
    CountingResource memory;
    Collection collection(&memory, {});
    std::vector<Ranges> ranges;
    for (std::int64_t i = 0; i < 20000; ++i)
        ranges.push_back({{i * 3, i * 3}});
    const Sets sets(ranges);
    for (const SetView& set : sets.views)
        collection.add(0, "all", set, interrupt);
    EXPECT_LT(memory.peak, 100000U);
    collection.finish(interrupt);
    EXPECT_EQ(collection.set(0).cardinality(), 20000);
}

TEST(IdsetCollection, KeepsSetsWithoutNamesApart) {
    NoInterrupt interrupt;
    const Sets sets({{{1, 3}}, {{2, 2}}, {{1, 3}}, {}});
    std::string first;
    for (const std::vector<std::size_t>& order :
         std::vector<std::vector<std::size_t>>{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}}) {
        CountingResource memory;
        Collection collection(&memory, {CollectionKind::kAtLeast, {}, 2});
        for (std::size_t i : order)
            collection.add(0, {}, sets.views[i], interrupt);
        Bytes bytes = write(collection);
        EXPECT_NO_THROW(validate(bytes));
        EXPECT_EQ(CollectionView(bytes.span()).count(), 4U);
        if (first.empty())
            first = bytes.text();
        EXPECT_EQ(bytes.text(), first);
        Collection twice(&memory, {CollectionKind::kAtLeast, {}, 2});
        twice.merge(collection, interrupt);
        twice.merge(CollectionView(bytes.span()), interrupt);
        twice.finish(interrupt);
        EXPECT_EQ(twice.count(), 8U);
    }
}

TEST(IdsetCollection, MentionsAFewNames) {
    NoInterrupt interrupt;
    const Sets sets({{{1, 3}}});
    Random random(8);
    std::vector<std::string> names;
    for (char c = 'a'; c <= 'z'; ++c)
        names.emplace_back(1, c);
    names.emplace_back(100, 'a');
    std::string first;
    for (int round = 0; round < 3; ++round) {
        shuffle(names, random);
        CountingResource memory;
        Collection collection(&memory, {CollectionKind::kExpression, "vip", 0});
        Collection other(&memory, {CollectionKind::kExpression, "vip", 0});
        for (std::size_t i = 0; i < names.size(); ++i)
            (i % 2 == 0 ? collection : other).mention(names[i]);
        other.add(0, "vip", sets.views[0], interrupt);
        Bytes flat = write(other);
        EXPECT_NO_THROW(validate(flat));
        if (round == 0)
            collection.merge(CollectionView(flat.span()), interrupt);
        else
            collection.merge(other, interrupt);
        Bytes bytes = write(collection);
        EXPECT_NO_THROW(validate(bytes));
        const CollectionView view(bytes.span());
        ASSERT_EQ(view.count(), 1 + Collection::kMentions);
        EXPECT_EQ(view.name(1), "a");
        EXPECT_EQ(view.name(8), "h");
        if (round == 0)
            first = bytes.text();
        EXPECT_EQ(bytes.text(), first);
    }
}

TEST(IdsetCollection, Dictionaries) {
    NoInterrupt interrupt;
    const Sets plain({{{1, 3}}, {}});
    const Sets first({{{1, 3}}, {}}, 1);
    const Sets second({{{1, 3}}}, 2);
    CountingResource memory;
    Collection collection(&memory, {});
    collection.add(0, "a", plain.views[1], interrupt);
    collection.add(0, "b", first.views[1], interrupt);
    collection.add(0, "a", first.views[0], interrupt);
    EXPECT_EQ(error_code([&] { collection.add(0, "c", second.views[0], interrupt); }),
              Errc::kInvalidArgument);
    EXPECT_EQ(error_code([&] { collection.add(0, "c", plain.views[0], interrupt); }), Errc::kInvalidArgument);
    Bytes bytes = write(collection);
    EXPECT_NO_THROW(validate(bytes));
    const CollectionView view(bytes.span());
    ASSERT_EQ(view.count(), 2U);
    EXPECT_EQ(view.set(0).dictionary(), 1U);
}

TEST(IdsetCollection, TermsMustBeTheSame) {
    NoInterrupt interrupt;
    CountingResource memory;
    Collection named(&memory, {});
    Collection flow(&memory, {CollectionKind::kFlow, {}, 0});
    Collection expression(&memory, {CollectionKind::kExpression, "a", 0});
    Collection other_expression(&memory, {CollectionKind::kExpression, "b", 0});
    Collection two(&memory, {CollectionKind::kAtLeast, {}, 2});
    Collection three(&memory, {CollectionKind::kAtLeast, {}, 3});
    for (auto [a, b] : {std::pair{&named, &flow}, std::pair{&expression, &other_expression},
                        std::pair{&two, &three}, std::pair{&expression, &named}})
        EXPECT_EQ(error_code([&] { a->merge(*b, interrupt); }), Errc::kInvalidArgument);
}

std::vector<Bytes> samples_of_all_kinds() {
    NoInterrupt interrupt;
    CountingResource memory;
    const Sets sets({{{1, 3}}, {{-70000, 200000}}, {{7, 7}, {100000, 100100}}, {}});
    std::vector<Bytes> out;
    Collection none(&memory, {});
    out.push_back(write(none));
    for (const CollectionTerms& terms :
         {CollectionTerms{CollectionKind::kNamed, {}, 0}, CollectionTerms{CollectionKind::kFlow, {}, 0},
          CollectionTerms{CollectionKind::kExpression, "(b | c) & d - b", 0},
          CollectionTerms{CollectionKind::kAtLeast, {}, 2}}) {
        Collection collection(&memory, terms);
        const bool flow = terms.kind == CollectionKind::kFlow;
        collection.add(flow, "b", sets.views[0], interrupt);
        collection.add(0, "c", sets.views[1], interrupt);
        collection.add(flow, "d", sets.views[2], interrupt);
        if (terms.kind == CollectionKind::kExpression)
            collection.mention("zeta");
        else
            collection.add(0, "", sets.views[3], interrupt);
        out.push_back(write(collection));
    }
    return out;
}

// Whatever bytes come in, they are refused, or they are exactly what we would write.
TEST(IdsetCollection, MutatedBytes) {
    NoInterrupt interrupt;
    int accepted = 0;
    int refused = 0;
    for (Bytes& original : samples_of_all_kinds()) {
        EXPECT_NO_THROW(validate(original));
        for (std::size_t at = 4; at < original.size; ++at)
            for (unsigned change : {1U, 2U, 0x80U, 0xffU}) {
                Bytes bytes = original;
                bytes.span()[at] ^= static_cast<std::byte>(change);
                try {
                    validate(bytes);
                } catch (const Error& error) {
                    ASSERT_EQ(error.code(), Errc::kBadBinary) << error.what();
                    ++refused;
                    continue;
                }
                ++accepted;
                CountingResource memory;
                const CollectionView view(bytes.span());
                Collection again(&memory, view.terms());
                again.merge(view, interrupt);
                ASSERT_EQ(write(again).text(), bytes.text()) << at;
            }
        for (std::size_t size = 0; size < original.size; ++size) {
            Bytes bytes = original;
            bytes.size = size;
            ASSERT_EQ(error_code([&] { validate(bytes); }), Errc::kBadBinary) << size;
        }
    }
    EXPECT_GT(accepted, 0);
    EXPECT_GT(refused, 1000);
}

TEST(IdsetCollection, CorruptedSizes) {
    Bytes bytes = samples_of_all_kinds()[1];
    const auto damaged = [&](std::size_t at, std::uint32_t value) {
        Bytes copy = bytes;
        std::memcpy(copy.span().data() + at, &value, sizeof value);
        return error_code([&] {
            const CollectionView view(copy.span());
            for (std::uint32_t i = 0; i < view.count(); ++i) {
                (void)view.name(i);
                (void)view.set(i);
            }
        });
    };
    EXPECT_EQ(damaged(8, 0xffffffff), Errc::kCorrupted);   // number of sets
    EXPECT_EQ(damaged(12, 0xffffffff), Errc::kCorrupted);  // size of the text
    EXPECT_EQ(damaged(24, 0xffffffff), Errc::kCorrupted);  // end of the first name
    EXPECT_EQ(damaged(32, 0xfffffff8), Errc::kCorrupted);  // place of the first set
    EXPECT_EQ(damaged(36, 0xffffffff), Errc::kCorrupted);  // its size
}

// ---- interrupts and memory

// Every operation once, over sets of all kinds.
void run_everything(const Sets& sets, MemoryResource* memory, Interrupt& interrupt) {
    (void)Overlaps(sets.views, memory, interrupt);
    (void)Flow(sets.views, 3, memory, interrupt);
    (void)Upset(sets.views, memory, interrupt);
    for (std::int64_t k : {1, 2}) {
        SetWriter writer(memory);
        at_least(sets.views, k, writer, memory, interrupt);
    }
    const Expression expression("a & b | c - (d # e)", utf8_length, memory, interrupt);
    SetWriter writer(memory);
    expression.evaluate(std::span(sets.views).first(5), writer, memory, interrupt);
    Collection collection(memory, {CollectionKind::kFlow, {}, 0});
    for (std::size_t i = 0; i < sets.views.size(); ++i)
        collection.add(i % 2, i % 4 < 2 ? "first" : "second", sets.views[i], interrupt);
    Vector<std::uint64_t> image(collection.image_size(interrupt) / 8 + 1, 0,
                                Allocator<std::uint64_t>(memory));
    const std::span<std::byte> bytes(reinterpret_cast<std::byte*>(image.data()),
                                     collection.image_size(interrupt));
    collection.write_image(bytes, interrupt);
    CollectionView::validate(bytes, utf8_length, memory, interrupt);
}

TEST(IdsetMany, EveryAllocationMayFail) {
    const Sets sets(Sampler(1234).sets(8));
    NoInterrupt interrupt;
    std::size_t total = 0;
    {
        CountingResource memory;
        run_everything(sets, &memory, interrupt);
        EXPECT_EQ(memory.live, 0U);
        total = memory.allocations;
    }
    EXPECT_GT(total, 50U);
    for (std::size_t fail_at = 1; fail_at <= total; ++fail_at) {
        CountingResource memory;
        memory.fail_at = fail_at;
        EXPECT_THROW(run_everything(sets, &memory, interrupt), std::bad_alloc);
        EXPECT_EQ(memory.live, 0U) << fail_at;
    }
}

// Many chunks, so that each operation polls on its own.
TEST(IdsetMany, EveryOperationCanBeCancelled) {
    std::vector<Ranges> ranges(6);
    for (std::int64_t chunk = 0; chunk < 3000; ++chunk)
        for (std::size_t s = 0; s < ranges.size(); ++s) {
            ranges[s].push_back({chunk * 65536 + static_cast<std::int64_t>(s), chunk * 65536 + 40000});
            ranges[s].push_back(
                {chunk * 65536 + 50000, chunk * 65536 + 50001 + static_cast<std::int64_t>(s)});
        }
    const Sets sets(ranges);
    const auto cancelled = [&](const auto& operation) {
        CountingResource memory;
        CancelAfter interrupt(0);
        EXPECT_THROW(operation(&memory, interrupt), Cancelled);
        EXPECT_EQ(memory.live, 0U);
    };
    cancelled([&](auto* memory, auto& interrupt) { Overlaps(sets.views, memory, interrupt); });
    cancelled([&](auto* memory, auto& interrupt) { Flow(sets.views, 2, memory, interrupt); });
    cancelled([&](auto* memory, auto& interrupt) { Upset(sets.views, memory, interrupt); });
    for (std::int64_t k : {1, 2})
        cancelled([&](auto* memory, auto& interrupt) {
            SetWriter writer(memory);
            at_least(sets.views, k, writer, memory, interrupt);
        });
    cancelled([&](auto* memory, auto& interrupt) {
        NoInterrupt none;
        const Expression expression("a & b | c - (d # e) | f", utf8_length, memory, none);
        SetWriter writer(memory);
        expression.evaluate(sets.views, writer, memory, interrupt);
    });
    cancelled([&](auto* memory, auto& interrupt) {
        Expression(std::string(200000, '(') + "a", utf8_length, memory, interrupt);
    });
    cancelled([&](auto* memory, auto& interrupt) {
        NoInterrupt none;
        Collection collection(memory, {});
        collection.add(0, "a", sets.views[0], none);
        collection.add(0, "a", sets.views[1], none);
        collection.finish(interrupt);
    });
}

// A stretch of 2^46 chunks is one step, and not a loop over chunks.
TEST(IdsetMany, LongStretchesAreOneStep) {
    const std::int64_t far = std::int64_t{1} << 61;
    const Sets sets(
        {{{-far, far}}, {{-far + 5, far / 2}}, {{0, far - 7}}, {{3, 3}}, {{-far, -far + 10}, {far, far}}});
    CountingResource memory;
    CancelAfter interrupt(100);
    run_everything(sets, &memory, interrupt);
    ChunkSteps steps(sets.views, &memory);
    int count = 0;
    while (steps.next())
        ++count;
    EXPECT_LT(count, 20);
}

// Budgets are known before anything is spent, and products that do not fit are refused.
TEST(IdsetMany, Prices) {
    EXPECT_GE(Overlaps::price(10000).total(), std::uint64_t{10000} * 9999 / 2 * 8);
    EXPECT_GE(Flow::price(5000, 5000).total(), std::uint64_t{5000} * 5000 * 8);
    EXPECT_LT(price_at_least(100000).total(), std::uint64_t{100} << 20);
    EXPECT_GT(Upset::price(10).total(), 0U);
    EXPECT_EQ(error_code([] { Overlaps::price(std::uint64_t{1} << 32); }), Errc::kTooBig);
}

}  // namespace
