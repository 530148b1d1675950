// The arguments of a VARIADIC "any" function as numbers: what would otherwise be an array made for each row.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "backend/arguments.hpp"

namespace seg::backend {

class NumberArguments {
  public:
    static constexpr int kMost = FUNC_MAX_ARGS;

    // The arguments from this one on. Their types are looked up at the first call and kept in fn_extra, so
    // the function must not keep anything else there. 22023 naming the first argument that is none of
    // smallint, integer, bigint, real, double precision, numeric and domains over them, and for an array
    // passed with the keyword VARIADIC.
    static const NumberArguments& of(FunctionCallInfo fcinfo, int first) {
        auto* numbers = static_cast<const NumberArguments*>(fcinfo->flinfo->fn_extra);
        return numbers != nullptr ? *numbers : *look_up(fcinfo, first);
    }

    // This row's numbers, put into a buffer of kMost; nothing when one of them is NULL.
    std::optional<std::span<const double>> read(FunctionCallInfo fcinfo, double* buffer) const;

  private:
    enum class Kind : std::uint8_t { kFloat8, kFloat4, kInt2, kInt4, kInt8, kNumeric };

    static const NumberArguments* look_up(FunctionCallInfo fcinfo, int first);
    static Kind kind_of(FunctionCallInfo fcinfo, int argument, int number);
    static double to_double(Datum datum, Kind kind);

    int first_;
    int count_;
    bool plain_;  // all of them are float8
    Kind kinds_[kMost];
};

}  // namespace seg::backend
