// JSON text, built front to back.
#pragma once

#include <charconv>
#include <span>
#include <string_view>

#include "core/base/memory.hpp"

namespace seg::core {

// Appends to the caller's buffer. Keys and strings must not need escaping, being names of ours; quoted()
// takes any text.
class JsonWriter {
  public:
    explicit JsonWriter(Vector<char>& out) : out_(out) {}

    JsonWriter& key(std::string_view name) {
        string(name);
        put(':');
        fresh_ = true;
        return *this;
    }
    // A key of any text.
    JsonWriter& quoted_key(std::string_view name) {
        quoted(name);
        put(':');
        fresh_ = true;
        return *this;
    }
    void begin_object() { open('{'); }
    void end_object() { close('}'); }
    void begin_array() { open('['); }
    void end_array() { close(']'); }

    void string(std::string_view text) {
        separate();
        put('"');
        out_.insert(out_.end(), text.begin(), text.end());
        put('"');
    }
    // Any UTF-8 text, escaped where JSON asks for it.
    void quoted(std::string_view text) {
        separate();
        put('"');
        for (char c : text)
            put_escaped(c);
        put('"');
    }
    void boolean(bool value) { word(value ? "true" : "false"); }
    // Shortest text that reads back as the same value; it must be finite.
    template <typename Number>
    void number(Number value) {
        char text[32];
        const auto end = std::to_chars(text, text + sizeof text, value).ptr;
        word({text, static_cast<std::size_t>(end - text)});
    }
    void numbers(std::span<const double> values) {
        begin_array();
        for (double value : values)
            number(value);
        end_array();
    }

  private:
    void put(char c) { out_.push_back(c); }
    void put_escaped(char c) {
        constexpr char kDigits[] = "0123456789abcdef";
        if (c == '"' || c == '\\') {
            put('\\');
            put(c);
        } else if (static_cast<unsigned char>(c) < 0x20) {
            for (char part : {'\\', 'u', '0', '0', c < 0x10 ? '0' : '1', kDigits[c & 15]})
                put(part);
        } else {
            put(c);
        }
    }
    void separate() {
        if (!fresh_)
            put(',');
        fresh_ = false;
    }
    void word(std::string_view text) {
        separate();
        out_.insert(out_.end(), text.begin(), text.end());
    }
    void open(char bracket) {
        separate();
        put(bracket);
        fresh_ = true;
    }
    void close(char bracket) {
        put(bracket);
        fresh_ = false;
    }

    Vector<char>& out_;
    bool fresh_ = true;  // nothing before in this container
};

}  // namespace seg::core
