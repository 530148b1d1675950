#include "backend/json.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include "core/base/error.hpp"

#include "backend/arguments.hpp"

namespace seg::backend {
namespace {

// Plain data while the server may longjmp.
struct TokenList {
    JsonToken* tokens;
    std::size_t count;
    std::size_t room;
};

JsonToken* append(TokenList& list) {
    if (list.count == list.room) {
        list.room *= 2;
        list.tokens = static_cast<JsonToken*>(repalloc_huge(list.tokens, list.room * sizeof(JsonToken)));
    }
    JsonToken* token = &list.tokens[list.count++];
    *token = {};
    return token;
}

void fill_scalar(JsonToken& token, const JsonbValue& value) {
    switch (value.type) {
        case jbvString:
            token.kind = JsonToken::Kind::kString;
            token.text = value.val.string.val;
            token.length = value.val.string.len;
            break;
        case jbvNumeric:
            token.kind = JsonToken::Kind::kNumber;
            token.text =
                DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
            token.length = static_cast<int>(strlen(token.text));
            break;
        case jbvBool:
            token.kind = JsonToken::Kind::kBool;
            token.truth = value.val.boolean;
            break;
        default:
            token.kind = JsonToken::Kind::kNull;
    }
}

TokenList tokenize(Jsonb* document) {
    TokenList list = {static_cast<JsonToken*>(palloc(32 * sizeof(JsonToken))), 0, 32};
    JsonbIterator* iterator = JsonbIteratorInit(&document->root);
    // A scalar document is stored as an array of one.
    const bool raw_scalar = JB_ROOT_IS_SCALAR(document);
    JsonbValue value;
    int step;
    while ((step = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE) {
        switch (step) {
            case WJB_BEGIN_OBJECT:
                append(list)->kind = JsonToken::Kind::kObject;
                break;
            case WJB_BEGIN_ARRAY:
                if (!raw_scalar)
                    append(list)->kind = JsonToken::Kind::kArray;
                break;
            case WJB_END_OBJECT:
                append(list)->kind = JsonToken::Kind::kEnd;
                break;
            case WJB_END_ARRAY:
                if (!raw_scalar)
                    append(list)->kind = JsonToken::Kind::kEnd;
                break;
            case WJB_KEY: {
                JsonToken* token = append(list);
                token->kind = JsonToken::Kind::kKey;
                token->text = value.val.string.val;
                token->length = value.val.string.len;
                break;
            }
            default:
                fill_scalar(*append(list), value);
        }
    }
    return list;
}

[[noreturn]] void mismatch(const char* what, const char* wanted) {
    throw core::Error(core::Errc::kInvalidArgument, core::format("\"%s\" must be %s", what, wanted));
}

}  // namespace

std::span<const JsonToken> json_tokens(Datum jsonb) {
    const TokenList list =
        call([jsonb]() noexcept { return tokenize(reinterpret_cast<Jsonb*>(PG_DETOAST_DATUM(jsonb))); });
    return {list.tokens, list.count};
}

std::span<const JsonToken> json_tokens_of_text(const char* text) {
    const TokenList list = call([text]() noexcept {
        Datum jsonb = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
        return tokenize(reinterpret_cast<Jsonb*>(PG_DETOAST_DATUM(jsonb)));
    });
    return {list.tokens, list.count};
}

const JsonToken& JsonReader::next() const {
    if (at_ >= tokens_.size())
        mismatch("value", "complete");
    return tokens_[at_];
}

void JsonReader::expect(JsonToken::Kind kind, const char* what, const char* wanted) {
    if (next().kind != kind)
        mismatch(what, wanted);
    ++at_;
}

void JsonReader::skip() {
    std::size_t depth = 0;
    do {
        const JsonToken::Kind kind = next().kind;
        ++at_;
        if (kind == JsonToken::Kind::kObject || kind == JsonToken::Kind::kArray)
            ++depth;
        else if (kind == JsonToken::Kind::kEnd)
            --depth;
    } while (depth > 0);
}

double JsonReader::number(const char* what) {
    expect(JsonToken::Kind::kNumber, what, "a number");
    const std::string_view text = text_of(tokens_[at_ - 1]);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
        mismatch(what, "a number that fits double precision");
    return value;
}

std::int64_t JsonReader::integer(const char* what) {
    expect(JsonToken::Kind::kNumber, what, "an integer");
    const std::string_view text = text_of(tokens_[at_ - 1]);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        mismatch(what, "an integer of 64 bits");
    return value;
}

std::int32_t JsonReader::small_integer(const char* what) {
    const std::int64_t value = integer(what);
    if (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max())
        mismatch(what, "an integer of 32 bits");
    return static_cast<std::int32_t>(value);
}

bool JsonReader::boolean(const char* what) {
    expect(JsonToken::Kind::kBool, what, "true or false");
    return tokens_[at_ - 1].truth;
}

std::string_view JsonReader::string(const char* what) {
    expect(JsonToken::Kind::kString, what, "a string");
    return text_of(tokens_[at_ - 1]);
}

}  // namespace seg::backend
