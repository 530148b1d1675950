// Set algebra as text: (vip | loyal) & newsletter - churned. Names are bare words of letters, digits, _ . :
// and anything beyond ASCII, or stand in double quotes, where "" is one quote. From the tightest to the
// loosest: & (intersection), - (difference), # (symmetric difference), | (union), each from left to right;
// parentheses. There is no complement.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"
#include "core/idset/set_view.hpp"
#include "core/idset/set_writer.hpp"

namespace seg::core::idset {

// Bytes of the character that starts here, at least 1; depends on the encoding.
using CharacterLength = int (*)(const char* text);

class Expression {
  public:
    // Reads the text, of which a copy is kept. Errors name the place by characters, from 1, and show it.
    // Linear, whatever the nesting, but for sorting the names.
    Expression(std::string_view text, CharacterLength length, MemoryResource* memory, Interrupt& interrupt);

    std::string_view text() const { return {text_.data(), text_.size()}; }

    // The different names, ascending by their bytes.
    std::size_t names() const { return names_.size(); }
    std::string_view name(std::size_t number) const {
        return {letters_.data() + names_[number].at, names_[number].size};
    }
    std::optional<std::uint32_t> find(std::string_view name) const;

    // The set that the expression stands for; sets as names. One walk over all sets at once, each chunk in
    // time linear in the expression. Dictionaries are the caller's business.
    void evaluate(std::span<const SetView> sets, SetWriter& out, MemoryResource* memory,
                  Interrupt& interrupt) const;

    // Working memory of evaluate(), for a budget.
    Bill price() const;

    // An error that no row has the set of this name; known are some names that rows have.
    [[noreturn]] void fail_unknown(std::size_t number, std::span<const std::string_view> known) const;

  private:
    friend class ExpressionParser;
    friend class ExpressionEvaluator;

    struct Name {
        std::uint64_t at;  // in letters_
        std::uint64_t size;
    };

    CharacterLength length_;
    Vector<char> text_;
    Vector<char> letters_;  // of the names
    Vector<Name> names_;
    Vector<std::uint32_t> program_;  // postfix: numbers of names, and operators
    std::size_t depth_ = 0;          // of the operands that wait for their operator
};

}  // namespace seg::core::idset
