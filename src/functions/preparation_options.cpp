#include "functions/preparation_options.hpp"

#include "backend/memory.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace seg::functions {
namespace {

using namespace seg::backend;
using core::preparation::NullTreatment;
using core::preparation::PreparationOptions;
using core::preparation::Rules;

constexpr const char* kRuleNames =
    "\"type\", \"transform\", \"winsorise\", \"scale\", \"null\", \"indicator\", \"max_levels\", "
    "\"min_share\" and \"weight\"";

[[noreturn]] void unrecognized(std::string_view key, const std::string& valid) {
    throw core::Error(core::Errc::kInvalidArgument,
                      core::format("unrecognized option \"%.*s\"",
                                   static_cast<int>(std::min<std::size_t>(key.size(), 128)), key.data()),
                      {}, valid);
}

std::optional<core::preparation::Quantiles> read_quantiles(JsonReader& json) {
    constexpr const char* kName = "winsorise";
    if (json.kind() == JsonToken::Kind::kBool) {
        if (!json.boolean(kName))
            return core::preparation::kNotWinsorised;
        throw core::Error(core::Errc::kInvalidArgument,
                          "\"winsorise\" must be false or two quantiles, such as [0.01, 0.99]");
    }
    double values[2] = {};
    std::size_t count = 0;
    json.array(kName, [&] {
        const double value = json.number(kName);
        if (count < 2)
            values[count] = value;
        ++count;
    });
    if (count != 2)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"winsorise\" must have two quantiles, not %zu", count));
    return core::preparation::Quantiles{values[0], values[1]};
}

// False when the key is none of a column's.
bool read_rule(JsonReader& json, std::string_view key, Rules& rules) {
    if (key == "type")
        rules.type = core::preparation::column_type_named(json.string("type"));
    else if (key == "transform")
        rules.transform = core::preparation::transform_named(json.string("transform"));
    else if (key == "winsorise")
        rules.winsorise = read_quantiles(json);
    else if (key == "scale")
        rules.scaling = core::preparation::scaling_named(json.string("scale"));
    else if (key == "null")
        rules.null = core::preparation::null_treatment_named(json.string("null"));
    else if (key == "indicator")
        rules.indicator = json.boolean("indicator");
    else if (key == "max_levels")
        rules.max_levels = json.small_integer("max_levels");
    else if (key == "min_share")
        rules.min_share = json.number("min_share");
    else if (key == "weight")
        rules.weight = json.number("weight");
    else
        return false;
    return true;
}

struct Instants {
    Timestamp local;
    TimestampTz instant;
};

// "now" and its like would make the result depend on when it is computed.
void read_as_of(JsonReader& json, PreparationOptions& options) {
    const std::string text(json.string("as_of"));
    const auto refuse = [&] {
        throw core::Error(
            core::Errc::kInvalidArgument,
            core::format("\"as_of\" must be a date or a timestamp, not \"%.64s\"", text.c_str()), {},
            "Write it as \"2026-01-01\" or \"2026-01-01 12:00:00\".");
    };
    if (text.empty() || text[0] < '0' || text[0] > '9')
        refuse();
    const char* source = text.c_str();
    const Instants at = call([source]() noexcept {
        const auto read = [source](PGFunction input) noexcept {
            return DirectFunctionCall3(input, CStringGetDatum(source), ObjectIdGetDatum(InvalidOid),
                                       Int32GetDatum(-1));
        };
        return Instants{DatumGetTimestamp(read(timestamp_in)), DatumGetTimestampTz(read(timestamptz_in))};
    });
    if (TIMESTAMP_NOT_FINITE(at.local) || TIMESTAMP_NOT_FINITE(at.instant))
        refuse();
    options.as_of = static_cast<double>(at.local) / static_cast<double>(USECS_PER_DAY);
    options.as_of_instant = static_cast<double>(at.instant) / static_cast<double>(USECS_PER_DAY);
}

void read_columns(JsonReader& json, PreparationOptions& options) {
    json.object("columns", [&](std::string_view column) {
        if (column.empty() || column.size() > core::preparation::kMaxNameSize)
            throw core::Error(core::Errc::kInvalidArgument, "\"columns\" has a name of a wrong length");
        options.columns.push_back({column, {}});
        json.object("columns", [&](std::string_view key) {
            if (!read_rule(json, key, options.columns.back().rules))
                unrecognized(key, std::string("Valid options of a column are ") + kRuleNames + ".");
        });
        validate(options.columns.back().rules);
    });
}

}  // namespace

core::preparation::EncodedOptions read_preparation_options(JsonReader* json) {
    const MemoryContext home = CurrentMemoryContext;
    TemporaryContext context;
    PreparationOptions options(&context.resource());
    if (json != nullptr)
        json->object("options", [&](std::string_view key) {
            if (key == "as_of")
                read_as_of(*json, options);
            else if (key == "columns")
                read_columns(*json, options);
            else if (!read_rule(*json, key, options.defaults))
                unrecognized(key,
                             std::string("Valid options are \"as_of\", \"columns\", and for all columns ") +
                                 kRuleNames + ".");
        });
    validate(options.defaults);
    options.sort();
    const std::size_t size = options.encoded_size();
    auto* bytes =
        call([home, size]() noexcept { return static_cast<std::byte*>(MemoryContextAlloc(home, size)); });
    options.encode({bytes, size});
    return {{bytes, size}};
}

}  // namespace seg::functions
