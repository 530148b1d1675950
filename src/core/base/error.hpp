// The one exception core raises, and the codes that the server side maps to SQLSTATEs.
#pragma once

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>

namespace seg::core {

enum class Errc {
    kInvalidArgument,  // an option or parameter outside its domain
    kNullNotAllowed,   // NULL where a value is required
    kBadData,          // a row that cannot be used: NaN, infinity
    kArrayShape,       // wrong number of dimensions or elements
    kOutOfRange,       // a result that does not fit its type
    kTooBig,           // would pass a memory or size limit
    kBadText,          // malformed text form
    kSyntax,           // malformed expression
    kBadBinary,        // malformed external representation
    kCorrupted,        // malformed stored value
    kNotSupported,     // known, but not available in this form
};

// Message in the server's style: lower case, no full stop, with the offending value.
// Detail and hint are sentences and may be empty.
class Error final : public std::exception {
  public:
    Error(Errc code, std::string message, std::string detail = {}, std::string hint = {})
        : code_(code), message_(std::move(message)), detail_(std::move(detail)), hint_(std::move(hint)) {}

    Errc code() const noexcept { return code_; }
    const char* what() const noexcept override { return message_.c_str(); }
    const std::string& detail() const noexcept { return detail_; }
    const std::string& hint() const noexcept { return hint_; }

  private:
    Errc code_;
    std::string message_;
    std::string detail_;
    std::string hint_;
};

// printf into a std::string, for messages.
[[gnu::format(printf, 1, 2)]] inline std::string format(const char* pattern, ...) {
    char buffer[512];
    va_list arguments;
    va_start(arguments, pattern);
    std::vsnprintf(buffer, sizeof buffer, pattern, arguments);
    va_end(arguments);
    return buffer;
}

// How messages spell a value that is not finite.
inline const char* nonfinite_name(double value) {
    return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

}  // namespace seg::core
