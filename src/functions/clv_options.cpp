#include "functions/clv_options.hpp"

#include "core/base/error.hpp"

namespace seg::functions {

namespace {

// Zero means something to core that users cannot ask for.
double read_month(backend::JsonReader& json) {
    const double month = json.number("month");
    if (month <= 0)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"month\" must be greater than zero, not %g", month));
    return month;
}

}  // namespace

void read_clv_options(backend::JsonReader& json, core::clv::ClvOptions& options) {
    json.object("options", [&](std::string_view key) {
        if (key == "purchases")
            options.purchases = core::clv::purchase_model_named(json.string("purchases"));
        else if (key == "value")
            options.value = core::clv::value_model_named(json.string("value"));
        else if (key == "unit")
            options.unit = core::clv::time_unit_named(json.string("unit"));
        else if (key == "month")
            options.month = read_month(json);
        else if (key == "max_iter")
            options.max_iter = json.small_integer("max_iter");
        else
            throw core::Error(
                core::Errc::kInvalidArgument,
                core::format("unrecognized option \"%.*s\"", static_cast<int>(key.size()), key.data()), {},
                "Valid options are \"purchases\", \"value\", \"unit\", \"month\" and \"max_iter\".");
    });
}

}  // namespace seg::functions
