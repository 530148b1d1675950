// What a customer value model was asked to be.
#pragma once

#include <cstdint>
#include <string_view>

namespace seg::core::clv {

// How purchases come about. In all three a customer buys at a rate of his own, gamma distributed over
// customers, until he is gone for good.
enum class PurchaseModel : std::uint8_t {
    kBgNbd = 1,      // leaves after a purchase, with a chance of his own: beta distributed
    kParetoNbd = 2,  // leaves at any moment, at a rate of his own: gamma distributed
    kMbgNbd = 3,     // as the first, and may also leave right after the first purchase
};

// How much a purchase is worth.
enum class ValueModel : std::uint8_t { kNone = 0, kGammaGamma = 1 };

// What times are counted in.
enum class TimeUnit : std::uint8_t { kDay = 1, kWeek = 2, kMonth = 3, kYear = 4 };

struct ClvOptions {
    PurchaseModel purchases = PurchaseModel::kBgNbd;
    ValueModel value = ValueModel::kGammaGamma;
    TimeUnit unit = TimeUnit::kWeek;
    double month = 0;  // units in a month; 0 until validate() fills in what the unit says
    std::int32_t max_iter = 500;

    bool operator==(const ClvOptions&) const = default;
};

// Raises Errc::kInvalidArgument for the first option outside its domain.
void validate(ClvOptions& options);

PurchaseModel purchase_model_named(std::string_view name);
ValueModel value_model_named(std::string_view name);
TimeUnit time_unit_named(std::string_view name);
const char* name_of(PurchaseModel model);
const char* name_of(ValueModel model);
const char* name_of(TimeUnit unit);

// How messages call it.
const char* title_of(PurchaseModel model);

// Parameters in the order of the literature. number counts from 0.
inline constexpr int kPurchaseParameters = 4;
inline constexpr int kValueParameters = 3;
const char* parameter_name(PurchaseModel model, int number);
const char* value_parameter_name(int number);

}  // namespace seg::core::clv
