// Exceptions to SQLSTATEs: the one table.
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "core/base/error.hpp"

#include "backend/call.hpp"
#include "backend/guard.hpp"

namespace seg::backend {
namespace {

int sqlstate_of(core::Errc code) {
    switch (code) {
        case core::Errc::kInvalidArgument:
            return ERRCODE_INVALID_PARAMETER_VALUE;
        case core::Errc::kNullNotAllowed:
            return ERRCODE_NULL_VALUE_NOT_ALLOWED;
        case core::Errc::kBadData:
            return ERRCODE_DATA_EXCEPTION;
        case core::Errc::kArrayShape:
            return ERRCODE_ARRAY_SUBSCRIPT_ERROR;
        case core::Errc::kOutOfRange:
            return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
        case core::Errc::kTooBig:
            return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
        case core::Errc::kSyntax:
            return ERRCODE_SYNTAX_ERROR;
        case core::Errc::kBadText:
            return ERRCODE_INVALID_TEXT_REPRESENTATION;
        case core::Errc::kBadBinary:
            return ERRCODE_INVALID_BINARY_REPRESENTATION;
        case core::Errc::kCorrupted:
            return ERRCODE_DATA_CORRUPTED;
        case core::Errc::kNotSupported:
            return ERRCODE_FEATURE_NOT_SUPPORTED;
    }
    return ERRCODE_INTERNAL_ERROR;
}

void fill(Report& report, int sqlstate, const char* message, const char* detail = "", const char* hint = "") {
    report.sqlstate = sqlstate;
    strlcpy(report.message, message, sizeof report.message);
    strlcpy(report.detail, detail, sizeof report.detail);
    strlcpy(report.hint, hint, sizeof report.hint);
}

// What was cut to its buffer may end in the middle of a character, which a client's encoding could not
// convert.
template <std::size_t N>
void clip(char (&text)[N]) {
    const int length = static_cast<int>(strlen(text));
    if (length + 1 == static_cast<int>(N))
        text[pg_mbcliplen(text, length, length)] = '\0';
}

}  // namespace

void translate(Report& report) noexcept {
    report.data = nullptr;
    try {
        throw;
    } catch (const Error& error) {
        report.data = error.data;
    } catch (const core::Error& error) {
        fill(report, sqlstate_of(error.code()), error.what(), error.detail().c_str(), error.hint().c_str());
    } catch (const std::bad_alloc&) {
        fill(report, ERRCODE_OUT_OF_MEMORY, "out of memory");
    } catch (const std::length_error& error) {
        fill(report, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "a value grew beyond its maximum size", error.what());
    } catch (const std::exception& error) {
        fill(report, ERRCODE_INTERNAL_ERROR, error.what(), "", "Please report this as a bug of pg_segment.");
    } catch (...) {
        fill(report, ERRCODE_INTERNAL_ERROR, "unrecognized C++ exception", "",
             "Please report this as a bug of pg_segment.");
    }
}

void raise(Report& report) {
    if (report.data != nullptr)
        ReThrowError(report.data);
    clip(report.message);
    clip(report.detail);
    clip(report.hint);
    ereport(ERROR, (errcode(report.sqlstate), errmsg("%s", report.message),
                    report.detail[0] ? errdetail("%s", report.detail) : 0,
                    report.hint[0] ? errhint("%s", report.hint) : 0));
    pg_unreachable();
}

}  // namespace seg::backend
