// Values as bytes: explicit widths, little-endian, every read checked against the end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <type_traits>

#include "core/base/error.hpp"

namespace seg::core {

static_assert(std::endian::native == std::endian::little, "stored values are little-endian");

template <typename T>
concept Plain = std::is_arithmetic_v<T>;

// Writes into a buffer whose size the caller computed; passing its end is a bug here, not bad input.
class Writer {
  public:
    explicit Writer(std::span<std::byte> buffer) : buffer_(buffer) {}

    template <Plain T>
    void put(T value) {
        put_bytes(&value, sizeof value);
    }
    template <Plain T>
    void put_all(std::span<const T> values) {
        put_bytes(values.data(), values.size_bytes());
    }
    std::size_t size() const { return at_; }

  private:
    void put_bytes(const void* bytes, std::size_t size) {
        if (size > buffer_.size() - at_)
            throw std::logic_error("encoded value is longer than announced");
        if (size != 0)
            std::memcpy(buffer_.data() + at_, bytes, size);
        at_ += size;
    }

    std::span<std::byte> buffer_;
    std::size_t at_ = 0;
};

// Reads untrusted bytes. Running past the end, or expect_end() before it, is malformed input.
class Reader {
  public:
    Reader(std::span<const std::byte> buffer, const char* type_name) : buffer_(buffer), type_(type_name) {}

    template <Plain T>
    T get() {
        T value;
        get_bytes(&value, sizeof value);
        return value;
    }
    template <Plain T>
    void get_all(std::span<T> values) {
        get_bytes(values.data(), values.size_bytes());
    }
    // The next bytes, where they are.
    std::span<const std::byte> take(std::size_t size) {
        if (size > left())
            fail("too short");
        at_ += size;
        return buffer_.subspan(at_ - size, size);
    }
    std::size_t left() const { return buffer_.size() - at_; }
    void expect_end() const {
        if (left() != 0)
            fail("trailing bytes");
    }
    // Rejects the value unless the condition holds.
    void require(bool condition, const char* what) const {
        if (!condition)
            fail(what);
    }
    [[noreturn]] void fail(const char* what) const {
        throw Error(Errc::kBadBinary, format("invalid binary representation of type %s: %s", type_, what));
    }

  private:
    void get_bytes(void* out, std::size_t size) {
        if (size > left())
            fail("too short");
        if (size != 0)
            std::memcpy(out, buffer_.data() + at_, size);
        at_ += size;
    }

    std::span<const std::byte> buffer_;
    const char* type_;
    std::size_t at_ = 0;
};

}  // namespace seg::core
