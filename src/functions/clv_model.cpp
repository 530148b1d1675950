// segment.clv_model: the fitted model as a value, and what it says about customers.
#include "core/clv/clv_model.hpp"

#include <cmath>

#include "backend/aggregate.hpp"
#include "backend/binary_type.hpp"
#include "backend/cached_value.hpp"
#include "backend/json.hpp"
#include "backend/result.hpp"

namespace {

using namespace seg;
using namespace seg::backend;
using core::clv::ClvModel;
using core::clv::FittedPart;
using core::clv::History;
using core::clv::kMaxParameters;
using core::clv::kPurchaseParameters;
using core::clv::kValueParameters;

constexpr int kMostMonths = 1200;

ClvModel model_argument(FunctionCallInfo fcinfo) {
    return ClvModel(image_of(detoasted(PG_GETARG_DATUM(0))));
}

Datum model_datum(const ClvModel& model) {
    struct varlena* value = new_varlena(ClvModel::kImageSize);
    model.write(image_of(value));
    ClvModel::read(body_of(value));
    PG_RETURN_POINTER(value);
}

Datum model_from(std::span<const std::byte> body) {
    ClvModel::read(body);
    return bytes_to_message(body);
}

// ---- reading the JSON form

[[noreturn]] void unexpected(std::string_view key) {
    throw core::Error(core::Errc::kInvalidArgument,
                      core::format("unrecognized key \"%.*s\" in a value of type segment.clv_model",
                                   static_cast<int>(std::min<std::size_t>(key.size(), 64)), key.data()));
}

// Numbers by name; which names there should be depends on the model, which may come later.
struct NamedNumbers {
    std::string_view names[kMaxParameters];
    double numbers[kMaxParameters];
    int count = 0;
};

void read_named(JsonReader& json, const char* what, NamedNumbers& out) {
    json.object(what, [&](std::string_view key) {
        if (out.count == kMaxParameters)
            unexpected(key);
        out.names[out.count] = key;
        out.numbers[out.count++] = json.number(what);
    });
}

template <typename Name>
void place_named(const NamedNumbers& named, int count, Name name, core::clv::Parameters& out) {
    for (int i = 0; i < named.count; ++i) {
        int place = 0;
        while (place < count && named.names[i] != name(place))
            ++place;
        if (place == count)
            unexpected(named.names[i]);
        out[place] = named.numbers[i];
    }
}

struct JsonPart {
    std::string_view model;
    NamedNumbers parameters;
    NamedNumbers standard_errors;
    FittedPart part;

    template <typename Name>
    void place(int count, Name name) {
        place_named(parameters, count, name, part.parameters);
        place_named(standard_errors, count, name, part.standard_errors);
    }
};

void read_part(JsonReader& json, const char* what, JsonPart& out) {
    json.object(what, [&](std::string_view key) {
        if (key == "model")
            out.model = json.string("model");
        else if (key == "parameters")
            read_named(json, "parameters", out.parameters);
        else if (key == "standard_errors")
            read_named(json, "standard_errors", out.standard_errors);
        else if (key == "log_likelihood")
            out.part.log_likelihood = json.number("log_likelihood");
        else if (key == "gradient_norm")
            out.part.gradient_norm = json.number("gradient_norm");
        else if (key == "iterations")
            out.part.iterations = json.small_integer("iterations");
        else
            unexpected(key);
    });
}

void read_purchases(JsonReader& json, ClvModel& model) {
    JsonPart read;
    read_part(json, "purchases", read);
    model.purchases = core::clv::purchase_model_named(read.model);
    read.place(kPurchaseParameters, [&](int i) { return core::clv::parameter_name(model.purchases, i); });
    model.fit = read.part;
}

void read_value(JsonReader& json, ClvModel& model) {
    JsonPart read;
    read_part(json, "value", read);
    model.value = core::clv::value_model_named(read.model);
    read.place(kValueParameters, core::clv::value_parameter_name);
    model.value_fit = read.part;
}

void read_member(JsonReader& json, std::string_view key, ClvModel& model) {
    if (key == "purchases") {
        read_purchases(json, model);
    } else if (key == "value") {
        read_value(json, model);
    } else if (key == "unit") {
        model.unit = core::clv::time_unit_named(json.string("unit"));
    } else if (key == "month") {
        model.month = json.number("month");
    } else if (key == "customers") {
        model.customers = json.integer("customers");
    } else if (key == "repeat_customers") {
        model.repeat_customers = json.integer("repeat_customers");
    } else if (key == "distinct_customers") {
        model.distinct_customers = json.integer("distinct_customers");
    } else if (key == "skipped") {
        model.skipped = json.integer("skipped");
    } else if (key == "value_customers") {
        model.value_customers = json.integer("value_customers");
    } else if (key == "without_value") {
        model.without_value = json.integer("without_value");
    } else if (key == "correlation") {
        model.has_correlation = true;
        model.correlation = json.number("correlation");
    } else {
        unexpected(key);
    }
}

// ---- customers

// The arguments frequency, recency and t, from this one on.
History history_arguments(FunctionCallInfo fcinfo, int first) {
    const History history{static_cast<double>(PG_GETARG_INT64(first)), PG_GETARG_FLOAT8(first + 1),
                          PG_GETARG_FLOAT8(first + 2)};
    core::clv::check(history);
    return history;
}

double horizon_argument(FunctionCallInfo fcinfo, int number) {
    const double horizon = PG_GETARG_FLOAT8(number);
    core::clv::check_horizon(horizon);
    return horizon;
}

bool any_null(FunctionCallInfo fcinfo, int count) {
    for (int i = 0; i < count; ++i)
        if (PG_ARGISNULL(i))
            return true;
    return false;
}

// The mean value of so many purchases. Nothing where it says nothing: NULL, zero or less. Not looked at where
// there are no repeat purchases.
std::optional<double> mean_value_argument(FunctionCallInfo fcinfo, int number, double frequency) {
    if (frequency == 0)
        return 0;
    if (PG_ARGISNULL(number))
        return std::nullopt;
    const double value = PG_GETARG_FLOAT8(number);
    core::clv::check_mean_value(value);
    return value > 0 ? std::optional(value) : std::nullopt;
}

int months_argument(FunctionCallInfo fcinfo, int number) {
    const int months = PG_GETARG_INT32(number);
    if (months < 0 || months > kMostMonths)
        throw core::Error(core::Errc::kInvalidArgument,
                          core::format("\"months\" must be between 0 and %d, not %d", kMostMonths, months));
    return months;
}

double discount_argument(FunctionCallInfo fcinfo, int number) {
    const double discount = PG_GETARG_FLOAT8(number);
    if (!(discount >= 0 && std::isfinite(discount)))
        throw core::Error(
            core::Errc::kInvalidArgument,
            core::format("\"discount\" must be a finite number that is not negative, not %g", discount), {},
            "It is the rate of a month: 0.01 makes the value of the next month 1 / 1.01.");
    return discount;
}

void put_parameters(ResultSet& result, const char* name, const FittedPart& part, int number,
                    const char* parameter) {
    result.put<4>(
        [=, value = part.parameters[number], error = part.standard_errors[number]](Datum* values, bool*) {
            values[0] = CStringGetTextDatum(name);
            values[1] = CStringGetTextDatum(parameter);
            values[2] = Float8GetDatum(value);
            values[3] = Float8GetDatum(error);
        });
}

}  // namespace

PGSEG_FUNCTION(pgseg_clv_model_in) {
    JsonReader json(json_tokens_of_text(PG_GETARG_CSTRING(0)));
    ClvModel model;
    json.object("value of type segment.clv_model",
                [&](std::string_view key) { read_member(json, key, model); });
    return model_datum(model);
}

PGSEG_FUNCTION(pgseg_clv_model_out) {
    const ClvModel model = model_argument(fcinfo);
    TemporaryContext context(ContextResource::Limit::kNone);
    core::Vector<char> json(&context.resource());
    append_json(model, json);
    json.push_back(0);
    const char* source = json.data();
    PG_RETURN_CSTRING(call([source]() noexcept { return pstrdup(source); }));
}

PGSEG_FUNCTION(pgseg_clv_model_recv) {
    return model_from(bytes_from_message(fcinfo));
}

PGSEG_FUNCTION(pgseg_clv_model_send) {
    return bytes_to_message(body_of(detoasted(PG_GETARG_DATUM(0))));
}

// p_alive(model, frequency, recency, t) -> float8
PGSEG_FUNCTION(pgseg_clv_p_alive) {
    const ClvModel& model = CachedValue<ClvModel>::get(fcinfo, 0);
    PG_RETURN_FLOAT8(model.forecast().p_alive(history_arguments(fcinfo, 1)));
}

// expected_purchases(model, horizon, frequency, recency, t) -> float8
PGSEG_FUNCTION(pgseg_clv_expected_purchases) {
    const ClvModel& model = CachedValue<ClvModel>::get(fcinfo, 0);
    const double horizon = horizon_argument(fcinfo, 1);
    PG_RETURN_FLOAT8(model.forecast().expected(horizon, history_arguments(fcinfo, 2)));
}

// expected_purchases(model, horizon) -> float8: of a new customer
PGSEG_FUNCTION(pgseg_clv_expected_purchases_new) {
    const ClvModel& model = CachedValue<ClvModel>::get(fcinfo, 0);
    PG_RETURN_FLOAT8(model.forecast().expected_new(horizon_argument(fcinfo, 1)));
}

// expected_value(model, frequency, mean_value) -> float8
PGSEG_FUNCTION(pgseg_clv_expected_value) {
    if (any_null(fcinfo, 2))
        PG_RETURN_NULL();
    const ClvModel& model = CachedValue<ClvModel>::get(fcinfo, 0);
    const auto frequency = static_cast<double>(PG_GETARG_INT64(1));
    core::clv::check({frequency, 0, 0});
    const std::optional<double> mean_value = mean_value_argument(fcinfo, 2, frequency);
    if (!mean_value)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(model.expected_value(frequency, *mean_value));
}

// clv(model, months, discount, frequency, recency, t, mean_value) -> float8
PGSEG_FUNCTION(pgseg_clv) {
    if (any_null(fcinfo, 6))
        PG_RETURN_NULL();
    const ClvModel& model = CachedValue<ClvModel>::get(fcinfo, 0);
    const int months = months_argument(fcinfo, 1);
    const double discount = discount_argument(fcinfo, 2);
    const History history = history_arguments(fcinfo, 3);
    const std::optional<double> mean_value = mean_value_argument(fcinfo, 6, history.frequency);
    if (!mean_value)
        PG_RETURN_NULL();
    PG_RETURN_FLOAT8(model.lifetime_value(months, discount, history, *mean_value));
}

// clv_parameters(model) -> (part, parameter, value, standard_error)
PGSEG_FUNCTION(pgseg_clv_parameters) {
    const ClvModel model = model_argument(fcinfo);
    ResultSet result(fcinfo);
    for (int i = 0; i < kPurchaseParameters; ++i)
        put_parameters(result, "purchases", model.fit, i, core::clv::parameter_name(model.purchases, i));
    if (model.value != core::clv::ValueModel::kNone)
        for (int i = 0; i < kValueParameters; ++i)
            put_parameters(result, "value", model.value_fit, i, core::clv::value_parameter_name(i));
    PG_RETURN_NULL();
}

// clv_model_info(model) -> one row
PGSEG_FUNCTION(pgseg_clv_model_info) {
    const ClvModel model = model_argument(fcinfo);
    Row<18> row;
    row.set(0, text_datum(name_of(model.purchases)))
        .set(1, text_datum(name_of(model.value)))
        .set(2, text_datum(name_of(model.unit)))
        .set(3, Float8GetDatum(model.month))
        .set(4, Int64GetDatum(model.customers))
        .set(5, Int64GetDatum(model.repeat_customers))
        .set(6, Int64GetDatum(model.distinct_customers))
        .set(7, Int64GetDatum(model.skipped))
        .set(8, Float8GetDatum(model.fit.log_likelihood))
        .set(9, Int32GetDatum(model.fit.iterations))
        .set(10, Float8GetDatum(model.fit.gradient_norm))
        .set(11, BoolGetDatum(true));  // others are errors
    if (model.value != core::clv::ValueModel::kNone)
        row.set(12, Int64GetDatum(model.value_customers))
            .set(13, Int64GetDatum(model.without_value))
            .set(14, Float8GetDatum(model.value_fit.log_likelihood))
            .set(15, Int32GetDatum(model.value_fit.iterations))
            .set(16, Float8GetDatum(model.value_fit.gradient_norm));
    if (model.has_correlation)
        row.set(17, Float8GetDatum(model.correlation));
    return composite_result(fcinfo, row);
}
