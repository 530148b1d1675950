// Likelihoods of the purchase models over grouped customers.
#pragma once

#include <span>

#include "core/base/memory.hpp"
#include "core/clv/clv_options.hpp"
#include "core/clv/maximum.hpp"

namespace seg::core::clv {

// Customers who look alike: purchases after the first, the time of the last and the end of the observation,
// both counted from the first, and how many they are.
struct PurchaseRow {
    double frequency;
    double recency;
    double age;
    double weight;
};

// So many customers have this number of purchases after the first.
struct FrequencyCount {
    double frequency;
    double weight;
};

// Rows, and what can be said of them by frequency alone, ascending.
struct PurchaseSample {
    std::span<const PurchaseRow> rows;
    std::span<const FrequencyCount> frequencies;
    double customers;
};

// Sorts by frequency and adds up the weights of equal ones, which are whole numbers.
void collapse(Vector<FrequencyCount>& counts, Interrupt& interrupt);

// The log-likelihood without the terms that do not depend on parameters, as the papers have it.
// BG/NBD (Fader, Hardie and Lee 2005) and MBG/NBD (Batislam, Denizel and Filiztekin 2007): r, alpha, a, b.
class BetaGeometricLikelihood final : public LogLikelihood {
  public:
    BetaGeometricLikelihood(PurchaseModel model, const PurchaseSample& sample)
        : modified_(model == PurchaseModel::kMbgNbd), sample_(sample) {}
    int parameters() const override { return kPurchaseParameters; }
    double weight() const override { return sample_.customers; }
    Derivatives at(const Parameters& parameters, Interrupt& interrupt) const override;

  private:
    void add_rows(const Parameters& parameters, Derivatives& sum, Interrupt& interrupt) const;

    bool modified_;
    PurchaseSample sample_;
};

// Pareto/NBD (Schmittlein, Morrison and Colombo 1987): r, alpha, s, beta.
class ParetoLikelihood final : public LogLikelihood {
  public:
    explicit ParetoLikelihood(const PurchaseSample& sample) : sample_(sample) {}
    int parameters() const override { return kPurchaseParameters; }
    double weight() const override { return sample_.customers; }
    Derivatives at(const Parameters& parameters, Interrupt& interrupt) const override;

  private:
    PurchaseSample sample_;
};

}  // namespace seg::core::clv
