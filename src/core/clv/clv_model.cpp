#include "core/clv/clv_model.hpp"

#include <cmath>

#include "core/base/codec.hpp"
#include "core/base/json_writer.hpp"

namespace seg::core::clv {
namespace {

constexpr std::uint8_t kMagic = 'V';
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kCorrelationFlag = 1;
constexpr const char* kTypeName = "segment.clv_model";

// Finite and no -0.0, which has no text form.
bool is_number(double x) {
    return std::isfinite(x) && !(x == 0 && std::signbit(x));
}
bool is_magnitude(double x) {
    return is_number(x) && x >= 0;
}

void read_part(Reader& reader, FittedPart& part, int parameters) {
    reader.get_all(std::span(part.parameters.data(), static_cast<std::size_t>(parameters)));
    reader.get_all(std::span(part.standard_errors.data(), static_cast<std::size_t>(parameters)));
    part.log_likelihood = reader.get<double>();
    part.gradient_norm = reader.get<double>();
}

void check_part(const Reader& reader, const FittedPart& part, int parameters) {
    for (int i = 0; i < parameters; ++i) {
        reader.require(part.parameters[i] >= kSmallestParameter && part.parameters[i] <= kLargestParameter,
                       "parameter out of range");
        reader.require(is_magnitude(part.standard_errors[i]), "standard error out of range");
    }
    reader.require(is_number(part.log_likelihood), "log-likelihood out of range");
    reader.require(is_magnitude(part.gradient_norm), "gradient norm out of range");
    reader.require(part.iterations >= 0, "negative count");
}

void check_empty(const Reader& reader, const FittedPart& part) {
    const double zeros[] = {part.log_likelihood, part.gradient_norm};
    bool empty = part.iterations == 0;
    for (const double value : zeros)
        empty &= value == 0 && !std::signbit(value);
    for (int i = 0; i < kValueParameters; ++i)
        empty &= part.parameters[i] == 0 && !std::signbit(part.parameters[i]) &&
                 part.standard_errors[i] == 0 && !std::signbit(part.standard_errors[i]);
    reader.require(empty, "values of no value model");
}

void check_counts(const Reader& reader, const ClvModel& m) {
    reader.require(m.skipped >= 0 && m.value_customers >= 0 && m.without_value >= 0, "negative count");
    reader.require(m.repeat_customers >= 1 && m.repeat_customers <= m.customers, "customers out of range");
    reader.require(m.distinct_customers >= 1 && m.distinct_customers <= m.customers,
                   "distinct customers out of range");
    if (m.value == ValueModel::kNone)
        reader.require(m.value_customers == 0 && m.without_value == 0 && !m.has_correlation,
                       "values of no value model");
    else
        reader.require(m.value_customers >= 1 && m.value_customers <= m.repeat_customers &&
                           m.without_value == m.repeat_customers - m.value_customers,
                       "customers with a value out of range");
    reader.require(is_number(m.correlation) && std::fabs(m.correlation) <= 1 &&
                       (m.has_correlation || m.correlation == 0),
                   "correlation out of range");
    reader.require(m.month >= 1e-6 && m.month <= 1e12, "month out of range");
}

void read_header(Reader& reader, ClvModel& m) {
    reader.require(reader.get<std::uint8_t>() == kMagic, "wrong magic");
    reader.require(reader.get<std::uint8_t>() == kVersion, "unknown version");
    const auto purchases = reader.get<std::uint8_t>();
    reader.require(purchases >= 1 && purchases <= 3, "unknown purchase model");
    m.purchases = static_cast<PurchaseModel>(purchases);
    const auto value = reader.get<std::uint8_t>();
    reader.require(value <= 1, "unknown value model");
    m.value = static_cast<ValueModel>(value);
    const auto unit = reader.get<std::uint8_t>();
    reader.require(unit >= 1 && unit <= 4, "unknown unit");
    m.unit = static_cast<TimeUnit>(unit);
    const auto flags = reader.get<std::uint8_t>();
    reader.require((flags & ~kCorrelationFlag) == 0, "unknown flags");
    m.has_correlation = (flags & kCorrelationFlag) != 0;
    reader.require(reader.get<std::uint16_t>() == 0, "reserved bytes are set");
    m.fit.iterations = reader.get<std::int32_t>();
    m.value_fit.iterations = reader.get<std::int32_t>();
    reader.require(reader.get<std::uint32_t>() == 0, "reserved bytes are set");
    m.month = reader.get<double>();
}

void write_part(Writer& writer, const FittedPart& part, int parameters) {
    writer.put_all(std::span(part.parameters.data(), static_cast<std::size_t>(parameters)));
    writer.put_all(std::span(part.standard_errors.data(), static_cast<std::size_t>(parameters)));
    writer.put(part.log_likelihood);
    writer.put(part.gradient_norm);
}

template <typename Name>
void append_part(JsonWriter& json, const char* model, const FittedPart& part, int parameters, Name name) {
    json.begin_object();
    json.key("model").string(model);
    json.key("parameters").begin_object();
    for (int i = 0; i < parameters; ++i)
        json.key(name(i)).number(part.parameters[i]);
    json.end_object();
    json.key("standard_errors").begin_object();
    for (int i = 0; i < parameters; ++i)
        json.key(name(i)).number(part.standard_errors[i]);
    json.end_object();
    json.key("log_likelihood").number(part.log_likelihood);
    json.key("gradient_norm").number(part.gradient_norm);
    json.key("iterations").number(part.iterations);
    json.end_object();
}

}  // namespace

ClvModel ClvModel::read(std::span<const std::byte> body) {
    Reader reader(body, kTypeName);
    ClvModel m;
    read_header(reader, m);
    m.customers = reader.get<std::int64_t>();
    m.repeat_customers = reader.get<std::int64_t>();
    m.distinct_customers = reader.get<std::int64_t>();
    m.skipped = reader.get<std::int64_t>();
    m.value_customers = reader.get<std::int64_t>();
    m.without_value = reader.get<std::int64_t>();
    m.correlation = reader.get<double>();
    read_part(reader, m.fit, kPurchaseParameters);
    read_part(reader, m.value_fit, kValueParameters);
    reader.expect_end();
    check_counts(reader, m);
    check_part(reader, m.fit, kPurchaseParameters);
    if (m.value == ValueModel::kNone)
        check_empty(reader, m.value_fit);
    else
        check_part(reader, m.value_fit, kValueParameters);
    return m;
}

ClvModel::ClvModel(std::span<const std::byte> image) {
    try {
        *this = read(image.size() >= kSlot ? image.subspan(kSlot) : image);
    } catch (const Error& error) {
        throw Error(Errc::kCorrupted, format("stored value is damaged: %s", error.what()));
    }
}

void ClvModel::write(std::span<std::byte> image) const {
    Writer writer(image.subspan(kSlot));
    writer.put(kMagic);
    writer.put(kVersion);
    writer.put(static_cast<std::uint8_t>(purchases));
    writer.put(static_cast<std::uint8_t>(value));
    writer.put(static_cast<std::uint8_t>(unit));
    writer.put(has_correlation ? kCorrelationFlag : std::uint8_t{0});
    writer.put<std::uint16_t>(0);
    writer.put(fit.iterations);
    writer.put(value_fit.iterations);
    writer.put<std::uint32_t>(0);
    writer.put(month);
    for (const std::int64_t count :
         {customers, repeat_customers, distinct_customers, skipped, value_customers, without_value})
        writer.put(count);
    writer.put(correlation);
    write_part(writer, fit, kPurchaseParameters);
    write_part(writer, value_fit, kValueParameters);
}

double ClvModel::expected_value(double frequency, double mean_value) const {
    if (value == ValueModel::kNone)
        throw Error(Errc::kInvalidArgument, "the model says nothing about the value of purchases", {},
                    "Fit it with mean values and without the option {\"value\": \"none\"}.");
    return clv::expected_value(value_fit.parameters, frequency, mean_value);
}

double ClvModel::lifetime_value(int months, double discount, const History& history,
                                double mean_value) const {
    const double worth = expected_value(history.frequency, mean_value);
    const PurchaseForecast purchase = forecast();
    const double alive = purchase.p_alive(history);
    double before = 0, factor = 1, sum = 0;
    for (int i = 1; i <= months; ++i) {
        const double until = purchase.expected_if_alive(i * month, history);
        factor /= 1 + discount;
        sum += (until - before) * factor;
        before = until;
    }
    // Not infinity times nothing.
    return alive * sum > 0 ? worth * (alive * sum) : 0;
}

void append_json(const ClvModel& model, Vector<char>& out) {
    JsonWriter json(out);
    json.begin_object();
    json.key("purchases");
    append_part(json, name_of(model.purchases), model.fit, kPurchaseParameters,
                [&](int i) { return parameter_name(model.purchases, i); });
    if (model.value != ValueModel::kNone) {
        json.key("value");
        append_part(json, name_of(model.value), model.value_fit, kValueParameters, value_parameter_name);
    }
    json.key("unit").string(name_of(model.unit));
    json.key("month").number(model.month);
    json.key("customers").number(model.customers);
    json.key("repeat_customers").number(model.repeat_customers);
    json.key("distinct_customers").number(model.distinct_customers);
    json.key("skipped").number(model.skipped);
    json.key("value_customers").number(model.value_customers);
    json.key("without_value").number(model.without_value);
    if (model.has_correlation)
        json.key("correlation").number(model.correlation);
    json.end_object();
}

}  // namespace seg::core::clv
