// Gamma-Gamma (Colombo and Jiang 1999; Fader and Hardie 2013): how much a customer's purchases are worth.
#pragma once

#include <span>

#include "core/base/memory.hpp"
#include "core/clv/clv_options.hpp"
#include "core/clv/maximum.hpp"

namespace seg::core::clv {

// Customers with this many purchases of this mean value.
struct ValueRow {
    double frequency;
    double mean_value;
    double weight;
};

struct FrequencyCount;

// The log-likelihood of p, q, gamma.
class GammaGammaLikelihood final : public LogLikelihood {
  public:
    GammaGammaLikelihood(std::span<const ValueRow> rows, std::span<const FrequencyCount> frequencies,
                         double customers)
        : rows_(rows), frequencies_(frequencies), customers_(customers) {}
    int parameters() const override { return kValueParameters; }
    double weight() const override { return customers_; }
    Derivatives at(const Parameters& parameters, Interrupt& interrupt) const override;

  private:
    std::span<const ValueRow> rows_;
    std::span<const FrequencyCount> frequencies_;
    double customers_;
};

}  // namespace seg::core::clv
