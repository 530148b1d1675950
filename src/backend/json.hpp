// jsonb as core code can walk it: the server parses, we read plain tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "backend/call.hpp"

namespace seg::backend {

// One value of a jsonb document in document order; containers are closed by a token of their own.
struct JsonToken {
    enum class Kind : char { kObject, kArray, kEnd, kKey, kString, kNumber, kBool, kNull };
    Kind kind;
    bool truth;
    int length;
    const char* text;  // of a key, a string, or a number in decimal; not terminated
};

// Reads a token list from front to back. Mismatches are 22P02-like bad input, raised as invalid arguments
// that name the place.
class JsonReader {
  public:
    explicit JsonReader(std::span<const JsonToken> tokens) : tokens_(tokens) {}

    // Calls visit(key) for each member of the object; visit must consume the member's value.
    template <typename Visit>
    void object(const char* what, Visit&& visit) {
        expect(JsonToken::Kind::kObject, what, "an object");
        while (next().kind != JsonToken::Kind::kEnd) {
            const std::string_view key = text_of(tokens_[at_++]);
            visit(key);
        }
        ++at_;
    }

    // Calls visit() for each element of the array; visit must consume it.
    template <typename Visit>
    void array(const char* what, Visit&& visit) {
        expect(JsonToken::Kind::kArray, what, "an array");
        while (next().kind != JsonToken::Kind::kEnd)
            visit();
        ++at_;
    }

    // What comes next, for values of several forms.
    JsonToken::Kind kind() const { return next().kind; }
    // Passes over the next value, whatever it is.
    void skip();

    double number(const char* what);
    std::int64_t integer(const char* what);
    std::int32_t small_integer(const char* what);
    bool boolean(const char* what);
    std::string_view string(const char* what);

  private:
    static std::string_view text_of(const JsonToken& token) {
        return {token.text, static_cast<std::size_t>(token.length)};
    }
    const JsonToken& next() const;
    void expect(JsonToken::Kind kind, const char* what, const char* wanted);

    std::span<const JsonToken> tokens_;
    std::size_t at_ = 0;
};

// The tokens of a jsonb value, in the current context.
std::span<const JsonToken> json_tokens(Datum jsonb);

// The tokens of a JSON text; the server raises 22P02 for malformed text.
std::span<const JsonToken> json_tokens_of_text(const char* text);

}  // namespace seg::backend
