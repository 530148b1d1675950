// Input and output of types whose text form is their binary form in hexadecimal: aggregate states.
#pragma once

#include <span>

#include "backend/arguments.hpp"

namespace seg::backend {

// The bytes of a text argument '\x...' (or any bytea text), in the current context.
std::span<const std::byte> bytes_from_text(const char* text);

// The bytes that are left of a receive function's message.
std::span<const std::byte> bytes_from_message(FunctionCallInfo fcinfo);

Datum bytes_to_text(std::span<const std::byte> bytes);
Datum bytes_to_message(std::span<const std::byte> bytes);

}  // namespace seg::backend
