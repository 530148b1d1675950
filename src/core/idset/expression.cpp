#include "core/idset/expression.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/idset/chunk_steps.hpp"

namespace seg::core::idset {
namespace {

// Operators in a program, above all numbers of names.
constexpr std::uint32_t kUnion = 0xfffffff0;
constexpr std::uint32_t kSymmetricDifference = 0xfffffff1;
constexpr std::uint32_t kDifference = 0xfffffff2;
constexpr std::uint32_t kIntersection = 0xfffffff3;
constexpr std::uint32_t kOpen = 0xffffffff;  // a parenthesis, while parsing

constexpr bool is_operator(std::uint32_t code) {
    return code >= kUnion;
}

// How many characters of an expression an error shows, and of a name.
constexpr std::size_t kShown = 60;
constexpr std::size_t kNameShown = 40;
constexpr std::size_t kKnownShown = 5;

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

std::uint32_t operator_of(char c) {
    switch (c) {
        case '|':
            return kUnion;
        case '#':
            return kSymmetricDifference;
        case '-':
            return kDifference;
        case '&':
            return kIntersection;
        default:
            return 0;
    }
}

// Characters of a text, one by one.
class Characters {
  public:
    Characters(std::string_view text, CharacterLength length) : text_(text), length_(length) {}

    bool done() const { return at_ >= text_.size(); }
    std::size_t at() const { return at_; }
    std::string_view next() {
        const auto wanted = static_cast<std::size_t>(std::max(1, length_(text_.data() + at_)));
        const std::string_view character = text_.substr(at_, wanted);
        at_ += character.size();
        return character;
    }

  private:
    std::string_view text_;
    CharacterLength length_;
    std::size_t at_ = 0;
};

// The text's start, with dots where something is left out.
std::string shortened(std::string_view text, CharacterLength length, std::size_t most) {
    Characters characters(text, length);
    std::string out;
    for (std::size_t i = 0; i < most && !characters.done(); ++i)
        out += characters.next();
    return characters.done() ? out : out + "...";
}

std::string quoted(std::string_view text, CharacterLength length, std::size_t most) {
    std::string out(1, '"');
    out += shortened(text, length, most);
    out += '"';
    return out;
}

// The expression around a place, and a caret below it.
std::string pointed_at(std::string_view text, CharacterLength length, std::size_t place) {
    std::size_t before = 0;
    for (Characters all(text.substr(0, place), length); !all.done(); all.next())
        ++before;
    const std::size_t left_out = before > kShown / 2 ? before - kShown / 2 : 0;
    Characters characters(text, length);
    for (std::size_t i = 0; i < left_out; ++i)
        characters.next();
    std::string line = left_out != 0 ? "..." : "";
    const std::size_t caret = line.size() + before - left_out;
    std::string_view rest = text.substr(characters.at());
    std::string shown = shortened(rest, length, kShown);
    std::replace_if(shown.begin(), shown.end(), is_space, ' ');
    return "The expression:\n" + line + shown + "\n" + std::string(caret, ' ') + "^";
}

}  // namespace

// Operators wait on a stack of their own until one of lower precedence comes (Dijkstra 1961), so nothing
// recurses.
class ExpressionParser {
  public:
    ExpressionParser(Expression& out, MemoryResource* memory, Interrupt& interrupt)
        : out_(out),
          text_(out.text()),
          length_(out.length_),
          meter_(interrupt),
          operands_(memory),
          waiting_(memory),
          opened_(memory) {}

    void parse() {
        bool operand_next = true;
        for (skip_spaces(); at_ < text_.size(); skip_spaces()) {
            operand_next = operand_next ? operand() : operation();
            meter_.done(1);
        }
        if (operand_next)
            fail(at_, "expected a name or \"(\", found the end");
        if (!opened_.empty())
            fail(opened_.back(), "\"(\" is not closed");
        while (!waiting_.empty())
            emit_waiting();
        number_names();
    }

  private:
    using Name = Expression::Name;

    [[noreturn]] void fail(std::size_t place, const std::string& what, const char* hint = "") const {
        std::size_t character = 1;
        for (Characters all(text_.substr(0, place), length_); !all.done(); all.next())
            ++character;
        throw Error(Errc::kSyntax,
                    "syntax error at character " + std::to_string(character) + " of the expression: " + what,
                    pointed_at(text_, length_, place), hint);
    }

    std::string here() const { return quoted(Characters(text_.substr(at_), length_).next(), length_, 1); }

    // What is no operator and no name.
    [[noreturn]] void fail_here(const char* expected) const {
        const char c = text_[at_];
        if (c == '!' || c == '~' || c == '^')
            fail(at_, "there is no operator " + here(),
                 "Operators are & - # | and parentheses. There is no complement: subtract from a set of "
                 "all ids, as in everyone - churned.");
        fail(at_, std::string("expected ") + expected + ", found " + here(),
             is_name_character(c) || c == '"' || c == ')' || operator_of(c) != 0
                 ? ""
                 : "Names with other characters than letters, digits, _ . : need double quotes.");
    }

    void skip_spaces() {
        while (at_ < text_.size() && is_space(text_[at_]))
            ++at_;
    }

    // Each reads one item, and says whether an operand must come next.
    bool operand() {
        const char c = text_[at_];
        if (c == '(') {
            waiting_.push_back(kOpen);
            opened_.push_back(at_++);
            return true;
        }
        if (c == '"')
            quoted_name();
        else if (is_name_character(c))
            bare_name();
        else
            fail_here("a name or \"(\"");
        return false;
    }

    bool operation() {
        if (text_[at_] == ')') {
            close();
            return false;
        }
        const std::uint32_t code = operator_of(text_[at_]);
        if (code == 0)
            fail_here("an operator");
        while (!waiting_.empty() && waiting_.back() != kOpen && waiting_.back() >= code)
            emit_waiting();
        waiting_.push_back(code);
        ++at_;
        return true;
    }

    void close() {
        if (opened_.empty())
            fail(at_, "\")\" has no \"(\"");
        while (waiting_.back() != kOpen)
            emit_waiting();
        waiting_.pop_back();
        opened_.pop_back();
        ++at_;
    }

    void emit_waiting() {
        out_.program_.push_back(waiting_.back());
        waiting_.pop_back();
        --depth_;
    }

    void bare_name() {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_name_character(text_[at_]))
            ++at_;
        add_name(text_.substr(begin, at_ - begin));
    }

    void quoted_name() {
        const std::size_t begin = at_++;
        const std::size_t start = out_.letters_.size();
        for (;; ++at_) {
            if (at_ == text_.size())
                fail(begin, "the quoted name is not closed");
            if (text_[at_] == '"' && (++at_ == text_.size() || text_[at_] != '"'))
                break;
            out_.letters_.push_back(text_[at_]);
            meter_.done(1);
        }
        add_operand({start, out_.letters_.size() - start});
    }

    void add_name(std::string_view name) {
        const std::size_t start = out_.letters_.size();
        out_.letters_.insert(out_.letters_.end(), name.begin(), name.end());
        add_operand({start, name.size()});
    }

    void add_operand(const Name& name) {
        if (operands_.size() >= kUnion - 1)
            throw Error(Errc::kTooBig, "the expression has too many names");
        out_.program_.push_back(static_cast<std::uint32_t>(operands_.size()));
        operands_.push_back(name);
        out_.depth_ = std::max(out_.depth_, ++depth_);
    }

    std::string_view letters(const Name& name) const { return {out_.letters_.data() + name.at, name.size}; }

    // Operands have numbers in the order of the text; now they get those of the sorted different names.
    void number_names() {
        Vector<Name>& names = out_.names_;
        names.assign(operands_.begin(), operands_.end());
        std::sort(names.begin(), names.end(), [this](const Name& a, const Name& b) {
            meter_.done(4);
            return letters(a) < letters(b);
        });
        const auto equal = [this](const Name& a, const Name& b) { return letters(a) == letters(b); };
        names.erase(std::unique(names.begin(), names.end(), equal), names.end());
        for (std::uint32_t& code : out_.program_) {
            if (!is_operator(code))
                code = *out_.find(letters(operands_[code]));
            meter_.done(4);
        }
    }

    Expression& out_;
    std::string_view text_;
    CharacterLength length_;
    WorkMeter meter_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    Vector<Name> operands_;
    Vector<std::uint32_t> waiting_;  // operators and open parentheses
    Vector<std::size_t> opened_;     // places of the open parentheses
};

// One walk over the named sets. Where few ids have a set of their own, each is one bit of a word, and the
// program runs once over words; elsewhere it runs over the bitmaps of whole chunks. The highest bit stands
// for all ids that no part has.
class ExpressionEvaluator {
  public:
    ExpressionEvaluator(const Expression& expression, std::span<const SetView> sets, SetWriter& out,
                        MemoryResource* memory, Interrupt& interrupt)
        : program_(expression.program_.data(), expression.program_.size()),
          out_(out),
          memory_(memory),
          meter_(interrupt),
          steps_(sets, memory),
          masks_(sets.size(), 0, Allocator<std::uint64_t>(memory)),
          full_(memory),
          words_(memory),
          operands_(memory),
          leaves_(sets.size(), nullptr, Allocator<const std::uint64_t*>(memory)),
          bitmaps_(memory),
          free_(memory) {
        words_.reserve(expression.depth_);
        operands_.reserve(expression.depth_);
    }
    ~ExpressionEvaluator() {
        for (std::uint64_t* bitmap : bitmaps_)
            if (bitmap != nullptr)
                memory_->deallocate(bitmap, kBitmapBytes, kAlignment);
    }
    ExpressionEvaluator(const ExpressionEvaluator&) = delete;
    ExpressionEvaluator& operator=(const ExpressionEvaluator&) = delete;

    void run() {
        while (steps_.next()) {
            if (steps_.full_changed())
                change_full();
            if (steps_.parts().empty())
                stretch();
            else if (steps_.parts().size() == 1)
                one_part();
            else if (steps_.ids_in_parts() < kOthers)
                few_ids();
            else
                many_ids();
            meter_.done(32 + steps_.parts().size());
        }
    }

  private:
    static constexpr unsigned kOthers = 63;
    static constexpr std::uint64_t kOthersMask = std::uint64_t{1} << kOthers;
    static constexpr std::size_t kAlignment = 64;
    static constexpr std::uint64_t kWorkOfBitmap = 256;

    // What a part of the expression stands for in one chunk: all ids, some, or none.
    struct Operand {
        const std::uint64_t* words;  // nullptr for all and none
        std::uint64_t* own;          // the same, when it is scratch memory
        bool all;
    };

    void change_full() {
        for (std::uint32_t set : full_)
            masks_[set] = 0;
        full_.assign(steps_.full().begin(), steps_.full().end());
        for (std::uint32_t set : full_)
            masks_[set] = ~std::uint64_t{0};
        meter_.done(full_.size());
    }

    // Calls use(f) with the operator as a function of two words.
    template <typename Use>
    static auto with_operator(std::uint32_t code, const Use& use) {
        switch (code) {
            case kUnion:
                return use([](std::uint64_t a, std::uint64_t b) { return a | b; });
            case kSymmetricDifference:
                return use([](std::uint64_t a, std::uint64_t b) { return a ^ b; });
            case kDifference:
                return use([](std::uint64_t a, std::uint64_t b) { return a & ~b; });
            default:
                return use([](std::uint64_t a, std::uint64_t b) { return a & b; });
        }
    }
    static std::uint64_t apply(std::uint32_t code, std::uint64_t a, std::uint64_t b) {
        return with_operator(code, [a, b](auto f) { return f(a, b); });
    }

    std::uint64_t run_on_words() {
        words_.clear();
        for (std::uint32_t code : program_) {
            if (is_operator(code)) {
                const std::uint64_t b = words_.back();
                words_.pop_back();
                words_.back() = apply(code, words_.back(), b);
            } else {
                words_.push_back(masks_[code]);
            }
            meter_.done(1);
        }
        return words_.back();
    }

    void stretch() {
        if (run_on_words() & 1)
            out_.full(steps_.key(), steps_.count());
    }

    // Bit 0 stands for the ids of the part.
    void one_part() {
        const ChunkSteps::Part& part = steps_.parts()[0];
        masks_[part.set] = 1;
        const std::uint64_t result = run_on_words();
        masks_[part.set] = 0;
        const bool ids = result & 1;
        if (result & kOthersMask)
            ids ? out_.full(steps_.key(), 1) : complement(*part.chunk);
        else if (ids)
            out_.copy(*part.chunk);
    }

    void complement(const Chunk& chunk) {
        std::fill(std::begin(bits_), std::end(bits_), 0);
        add_to_bitmap(chunk, bits_);
        for (std::uint64_t& word : bits_)
            word = ~word;
        out_.bitmap(chunk.key, bits_);
        meter_.done(kWorkOfBitmap);
    }

    // Bit i stands for the i-th of the ids that some part has.
    void few_ids() {
        std::uint16_t lows[kOthers];
        std::uint32_t count = 0;
        for (const ChunkSteps::Part& part : steps_.parts())
            for_each_low(*part.chunk, [&](std::uint32_t low) {
                if (count < kOthers)
                    lows[count++] = static_cast<std::uint16_t>(low);
            });
        std::sort(lows, lows + count);
        count = static_cast<std::uint32_t>(std::unique(lows, lows + count) - lows);
        for (const ChunkSteps::Part& part : steps_.parts())
            for_each_low(*part.chunk, [&](std::uint32_t low) {
                masks_[part.set] |= std::uint64_t{1} << (std::lower_bound(lows, lows + count, low) - lows);
            });
        const std::uint64_t result = run_on_words();
        for (const ChunkSteps::Part& part : steps_.parts())
            masks_[part.set] = 0;
        write_few(lows, count, result);
        meter_.done(8 * count);
    }

    void write_few(const std::uint16_t* lows, std::uint32_t count, std::uint64_t result) {
        if (result & kOthersMask) {
            std::fill(std::begin(bits_), std::end(bits_), ~std::uint64_t{0});
            for (std::uint32_t i = 0; i < count; ++i)
                if ((result >> i & 1) == 0)
                    bits_[lows[i] >> 6] &= ~(std::uint64_t{1} << (lows[i] & 63));
            out_.bitmap(steps_.key(), bits_);
            return;
        }
        std::uint16_t found[kOthers];
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < count; ++i)
            if (result >> i & 1)
                found[kept++] = lows[i];
        out_.array(steps_.key(), found, kept);
    }

    std::uint64_t* take_bitmap() {
        if (free_.empty()) {
            bitmaps_.push_back(nullptr);
            free_.reserve(bitmaps_.capacity());
            bitmaps_.back() = static_cast<std::uint64_t*>(memory_->allocate(kBitmapBytes, kAlignment));
            return bitmaps_.back();
        }
        std::uint64_t* const bitmap = free_.back();
        free_.pop_back();
        return bitmap;
    }

    void many_ids() {
        for (const ChunkSteps::Part& part : steps_.parts()) {
            if (part.chunk->kind == ChunkKind::kBitmap) {
                leaves_[part.set] = part.chunk->words;
                continue;
            }
            std::uint64_t* const bitmap = take_bitmap();
            std::fill(bitmap, bitmap + kBitmapWords, 0);
            add_to_bitmap(*part.chunk, bitmap);
            leaves_[part.set] = bitmap;
            meter_.done(kWorkOfBitmap + std::min<std::uint32_t>(part.chunk->cardinality, kBitmapWords));
        }
        const Operand result = run_on_bitmaps();
        if (result.words != nullptr)
            out_.bitmap(steps_.key(), result.words);
        else if (result.all)
            out_.full(steps_.key(), 1);
        for (const ChunkSteps::Part& part : steps_.parts())
            leaves_[part.set] = nullptr;
        free_.assign(bitmaps_.begin(), bitmaps_.end());
    }

    Operand run_on_bitmaps() {
        operands_.clear();
        for (std::uint32_t code : program_) {
            if (is_operator(code)) {
                const Operand b = operands_.back();
                operands_.pop_back();
                operands_.back() = combine(code, operands_.back(), b);
            } else {
                operands_.push_back({leaves_[code], nullptr, masks_[code] != 0});
            }
            meter_.done(1);
        }
        return operands_.back();
    }

    Operand combine(std::uint32_t code, const Operand& a, const Operand& b) {
        if (a.words == nullptr || b.words == nullptr)
            return combine_simple(code, a, b);
        std::uint64_t* const out = a.own != nullptr ? a.own : b.own != nullptr ? b.own : take_bitmap();
        with_operator(code, [&](auto f) {
            for (std::size_t w = 0; w < kBitmapWords; ++w)
                out[w] = f(a.words[w], b.words[w]);
        });
        if (a.own != nullptr && b.own != nullptr)
            free_.push_back(b.own);
        meter_.done(kWorkOfBitmap);
        return {out, out, false};
    }

    // With an operand that is all or nothing, the result is that, or the other operand, or what it lacks.
    Operand combine_simple(std::uint32_t code, const Operand& a, const Operand& b) {
        const bool left_known = a.words == nullptr;
        const Operand& known = left_known ? a : b;
        const Operand& other = left_known ? b : a;
        const bool if_in = (left_known ? apply(code, known.all, 1) : apply(code, 1, known.all)) & 1;
        const bool if_out = (left_known ? apply(code, known.all, 0) : apply(code, 0, known.all)) & 1;
        if (other.words == nullptr)
            return {nullptr, nullptr, other.all ? if_in : if_out};
        if (if_in && !if_out)
            return other;
        if (if_out && !if_in)
            return inverted(other);
        if (other.own != nullptr)
            free_.push_back(other.own);
        return {nullptr, nullptr, if_in};
    }

    Operand inverted(const Operand& operand) {
        std::uint64_t* const out = operand.own != nullptr ? operand.own : take_bitmap();
        for (std::size_t w = 0; w < kBitmapWords; ++w)
            out[w] = ~operand.words[w];
        meter_.done(kWorkOfBitmap);
        return {out, out, false};
    }

    std::span<const std::uint32_t> program_;
    SetWriter& out_;
    MemoryResource* memory_;
    WorkMeter meter_;
    ChunkSteps steps_;
    Vector<std::uint64_t> masks_;  // all ones for full sets; 0 for the others between steps
    Vector<std::uint32_t> full_;
    Vector<std::uint64_t> words_;
    Vector<Operand> operands_;
    Vector<const std::uint64_t*> leaves_;  // bitmaps of the parts; nullptr between steps
    Vector<std::uint64_t*> bitmaps_;       // all that were allocated
    Vector<std::uint64_t*> free_;
    alignas(64) std::uint64_t bits_[kBitmapWords];
};

Expression::Expression(std::string_view text, CharacterLength length, MemoryResource* memory,
                       Interrupt& interrupt)
    : length_(length),
      text_(text.begin(), text.end(), Allocator<char>(memory)),
      letters_(memory),
      names_(memory),
      program_(memory) {
    ExpressionParser(*this, memory, interrupt).parse();
}

std::optional<std::uint32_t> Expression::find(std::string_view wanted) const {
    std::size_t begin = 0;
    std::size_t end = names_.size();
    while (begin < end) {
        const std::size_t middle = begin + (end - begin) / 2;
        if (name(middle) < wanted)
            begin = middle + 1;
        else
            end = middle;
    }
    if (begin == names_.size() || name(begin) != wanted)
        return std::nullopt;
    return static_cast<std::uint32_t>(begin);
}

void Expression::evaluate(std::span<const SetView> sets, SetWriter& out, MemoryResource* memory,
                          Interrupt& interrupt) const {
    ExpressionEvaluator(*this, sets, out, memory, interrupt).run();
}

void Expression::fail_unknown(std::size_t number, std::span<const std::string_view> known) const {
    const auto shown = [this](std::string_view one) { return quoted(one, length_, kNameShown); };
    std::string hint;
    for (std::size_t i = 0; i < std::min(known.size(), kKnownShown); ++i)
        hint += (i == 0 ? "There are " : ", ") + shown(known[i]);
    if (!known.empty())
        hint += known.size() > kKnownShown ? " and others." : ".";
    throw Error(Errc::kInvalidArgument,
                "the expression names a set that there is not: " + shown(name(number)), "", hint);
}

Bill Expression::price() const {
    Bill bill;
    bill.add(names_.size(), kBitmapBytes + sizeof(std::uint64_t));
    bill.add(depth_, sizeof(std::uint64_t) + 32);
    ChunkSteps::price(names_.size(), bill);
    return bill;
}

}  // namespace seg::core::idset
