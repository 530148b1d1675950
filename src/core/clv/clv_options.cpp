#include "core/clv/clv_options.hpp"

#include <cmath>

#include "core/base/error.hpp"

namespace seg::core::clv {
namespace {

// A twelfth of the average year of the Gregorian calendar, 365.2425 days.
constexpr double kDaysInMonth = 30.436875;
constexpr double kWeeksInMonth = 4.348125;

double units_in_month(TimeUnit unit) {
    switch (unit) {
        case TimeUnit::kDay:
            return kDaysInMonth;
        case TimeUnit::kWeek:
            return kWeeksInMonth;
        case TimeUnit::kMonth:
            return 1;
        case TimeUnit::kYear:
            return 1.0 / 12;
    }
    return 0;
}

[[noreturn]] void unknown(const char* option, std::string_view name, const char* valid) {
    throw Error(Errc::kInvalidArgument,
                format("unrecognized value for \"%s\": \"%.*s\"", option,
                       static_cast<int>(name.size() < 64 ? name.size() : 64), name.data()),
                {}, valid);
}

}  // namespace

void validate(ClvOptions& options) {
    if (options.month == 0)
        options.month = units_in_month(options.unit);
    if (!(options.month >= 1e-6 && options.month <= 1e12))
        throw Error(Errc::kInvalidArgument,
                    format("\"month\" must be between 1e-06 and 1e+12 units of time, not %g", options.month));
    if (options.max_iter < 1)
        throw Error(Errc::kInvalidArgument,
                    format("\"max_iter\" must be at least 1, not %d", options.max_iter));
}

PurchaseModel purchase_model_named(std::string_view name) {
    for (const PurchaseModel model :
         {PurchaseModel::kBgNbd, PurchaseModel::kParetoNbd, PurchaseModel::kMbgNbd})
        if (name == name_of(model))
            return model;
    unknown("purchases", name, "Valid values are \"bgnbd\", \"pareto_nbd\" and \"mbgnbd\".");
}

ValueModel value_model_named(std::string_view name) {
    for (const ValueModel model : {ValueModel::kNone, ValueModel::kGammaGamma})
        if (name == name_of(model))
            return model;
    unknown("value", name, "Valid values are \"gamma_gamma\" and \"none\".");
}

TimeUnit time_unit_named(std::string_view name) {
    for (const TimeUnit unit : {TimeUnit::kDay, TimeUnit::kWeek, TimeUnit::kMonth, TimeUnit::kYear})
        if (name == name_of(unit))
            return unit;
    unknown("unit", name, "Valid values are \"day\", \"week\", \"month\" and \"year\".");
}

const char* name_of(PurchaseModel model) {
    switch (model) {
        case PurchaseModel::kBgNbd:
            return "bgnbd";
        case PurchaseModel::kParetoNbd:
            return "pareto_nbd";
        case PurchaseModel::kMbgNbd:
            return "mbgnbd";
    }
    return "";
}

const char* name_of(ValueModel model) {
    return model == ValueModel::kNone ? "none" : "gamma_gamma";
}

const char* name_of(TimeUnit unit) {
    switch (unit) {
        case TimeUnit::kDay:
            return "day";
        case TimeUnit::kWeek:
            return "week";
        case TimeUnit::kMonth:
            return "month";
        case TimeUnit::kYear:
            return "year";
    }
    return "";
}

const char* title_of(PurchaseModel model) {
    switch (model) {
        case PurchaseModel::kBgNbd:
            return "BG/NBD";
        case PurchaseModel::kParetoNbd:
            return "Pareto/NBD";
        case PurchaseModel::kMbgNbd:
            return "MBG/NBD";
    }
    return "";
}

const char* parameter_name(PurchaseModel model, int number) {
    static constexpr const char* kBeta[] = {"r", "alpha", "a", "b"};
    static constexpr const char* kPareto[] = {"r", "alpha", "s", "beta"};
    return model == PurchaseModel::kParetoNbd ? kPareto[number] : kBeta[number];
}

const char* value_parameter_name(int number) {
    static constexpr const char* kNames[] = {"p", "q", "gamma"};
    return kNames[number];
}

}  // namespace seg::core::clv
