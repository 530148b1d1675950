#include "backend/binary_type.hpp"

namespace seg::backend {
namespace {

// Bytes between two looks at whether the query was cancelled.
constexpr std::size_t kPollEvery = 1024 * 1024;

}  // namespace

std::span<const std::byte> bytes_from_text(const char* text) {
    struct varlena* value = call([text]() noexcept {
        return reinterpret_cast<struct varlena*>(
            PG_DETOAST_DATUM(DirectFunctionCall1(byteain, CStringGetDatum(text))));
    });
    return {reinterpret_cast<const std::byte*>(VARDATA(value)), VARSIZE(value) - VARHDRSZ};
}

std::span<const std::byte> bytes_from_message(FunctionCallInfo fcinfo) {
    auto message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    const auto size = static_cast<std::size_t>(message->len - message->cursor);
    const char* bytes = message->data + message->cursor;
    message->cursor = message->len;
    return {reinterpret_cast<const std::byte*>(bytes), size};
}

Datum bytes_to_text(std::span<const std::byte> bytes) {
    const char* data = reinterpret_cast<const char*>(bytes.data());
    const std::size_t size = bytes.size();
    return call([data, size]() noexcept {
        char* text = static_cast<char*>(palloc(2 + 2 * size + 1));
        text[0] = '\\';
        text[1] = 'x';
        char* end = text + 2;
        for (std::size_t at = 0; at < size; at += kPollEvery) {
            CHECK_FOR_INTERRUPTS();
            end += hex_encode(data + at, size - at < kPollEvery ? size - at : kPollEvery, end);
        }
        *end = '\0';
        return CStringGetDatum(text);
    });
}

Datum bytes_to_message(std::span<const std::byte> bytes) {
    struct varlena* value = new_varlena(VARHDRSZ + bytes.size());
    if (!bytes.empty())
        memcpy(VARDATA(value), bytes.data(), bytes.size());
    return PointerGetDatum(value);
}

}  // namespace seg::backend
