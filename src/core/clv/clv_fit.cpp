#include "core/clv/clv_fit.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/clustering/distinct_rows.hpp"
#include "core/clv/gamma_gamma.hpp"
#include "core/clv/purchase_likelihood.hpp"

namespace seg::core::clv {
namespace {

// Rows beyond this many are first searched by a sample of so many: distinct rows are ordered by a hash, so
// the first ones are as good as drawn at random.
constexpr std::size_t kSampleRows = 20000;
constexpr double kFarStart = 400;

template <typename T>
std::span<const T> view(const Vector<T>& vector) {
    return {vector.data(), vector.size()};
}

template <typename Row>
Vector<FrequencyCount> frequencies_of(std::span<const Row> rows, MemoryResource* memory,
                                      Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    Vector<FrequencyCount> counts(memory);
    counts.reserve(rows.size());
    for (const Row& row : rows) {
        counts.push_back({row.frequency, row.weight});
        meter.done(1);
    }
    collapse(counts, interrupt);
    return counts;
}

double total_weight(const Vector<FrequencyCount>& counts) {
    double sum = 0;
    for (const FrequencyCount& count : counts)
        sum += count.weight;
    return sum;
}

// Tries every start and keeps the best end. Of ends equally high, the earlier one.
Maximum best_of(const LogLikelihood& likelihood, std::span<const Parameters> starts, std::int32_t max_iter,
                Interrupt& interrupt) {
    Maximum best;
    bool found = false;
    std::int32_t iterations = 0;
    for (const Parameters& start : starts) {
        const Maximum end = maximize(likelihood, start, max_iter, interrupt);
        iterations += end.iterations;
        const double margin = 1e-6;  // a flat ridge is no better than a top of the same height
        const bool higher = end.log_likelihood > best.log_likelihood + margin;
        const bool level = end.log_likelihood > best.log_likelihood - margin;
        if (!found || higher ||
            (level && end.ending == Ending::kConverged && best.ending != Ending::kConverged))
            best = end;
        found = true;
    }
    best.iterations = iterations;
    return best;
}

// From a sample to all rows: Newton's method then needs a few steps. Where the sample has no top, all rows
// may still have one, and get one chance, from where the sample was led but not so far out.
Maximum search(const LogLikelihood& sample, const LogLikelihood& whole, bool same,
               std::span<const Parameters> starts, std::int32_t max_iter, Interrupt& interrupt) {
    const Maximum first = best_of(sample, starts, max_iter, interrupt);
    if (same)
        return first;
    Parameters start = first.parameters;
    for (int i = 0; i < whole.parameters(); ++i)
        start[i] = std::clamp(start[i], 1 / kFarStart, kFarStart);
    Maximum end = maximize(whole, start, max_iter, interrupt);
    if (first.ending == Ending::kConverged && end.ending != Ending::kConverged)
        return best_of(whole, starts, max_iter, interrupt);
    end.iterations += first.iterations;
    return end;
}

[[noreturn]] void refuse(const char* title, const Maximum& end, const char* parameter, const char* reason,
                         const char* hint = "") {
    std::string message;
    if (end.ending == Ending::kRunsAway)
        message = format("the fit of %s did not converge: %s goes to %s", title, parameter,
                         end.grows ? "infinity" : "zero");
    else if (end.ending == Ending::kFlat)
        message = format("the fit of %s did not converge: the data do not determine its parameters", title);
    else
        throw Error(Errc::kBadData,
                    format("the fit of %s did not converge in %d steps", title, end.iterations),
                    "The option \"max_iter\" limits the steps from each of several starts.", hint);
    throw Error(Errc::kBadData, message, reason, hint);
}

FittedPart part_of(const Maximum& end) {
    return {end.parameters, end.standard_errors, end.log_likelihood, end.gradient_norm, end.iterations};
}

// Times or money in extreme units may take a parameter out of the range of models.
void check_range(const FittedPart& part, int count, const std::function<const char*(int)>& name) {
    for (int i = 0; i < count; ++i)
        if (!(part.parameters[i] >= kSmallestParameter && part.parameters[i] <= kLargestParameter))
            throw Error(Errc::kOutOfRange,
                        format("parameter %s is out of range: %g", name(i), part.parameters[i]), {},
                        "Use another unit of time or money.");
}

// ---- purchases

// How the likelihood is scaled: with times in units of the mean age, parameters are near one.
struct ScaledRows {
    Vector<PurchaseRow> rows;
    double customers = 0;
    double repeat_customers = 0;
    double purchases = 0;  // after the first
    double scale = 1;
};

ScaledRows scaled_rows(const RowStore& store, MemoryResource* memory, Interrupt& interrupt) {
    const clustering::DistinctRows distinct = clustering::distinct_rows({store, {}}, memory, interrupt);
    const std::size_t count = distinct.points.size();
    WorkMeter meter(interrupt);
    ScaledRows result{Vector<PurchaseRow>(memory)};
    result.rows.reserve(count);
    double ages = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const PurchaseRow row{distinct.points.at(i, 0), distinct.points.at(i, 1), distinct.points.at(i, 2),
                              distinct.weights[i]};
        result.rows.push_back(row);
        result.customers += row.weight;
        result.repeat_customers += row.frequency > 0 ? row.weight : 0;
        result.purchases += row.weight * row.frequency;
        ages += row.weight * row.age;
        meter.done(1);
    }
    result.scale = ages > 0 ? ages / result.customers : 1;
    for (PurchaseRow& row : result.rows) {
        row.recency /= result.scale;
        row.age /= result.scale;
        meter.done(1);
    }
    return result;
}

std::array<Parameters, 4> purchase_starts(PurchaseModel model, double rate) {
    // r, the two of leaving; alpha = r / rate
    constexpr double kBeta[4][3] = {{0.3, 0.8, 2.5}, {1, 0.3, 3}, {4, 1, 8}, {0.7, 0.05, 1}};
    constexpr double kPareto[4][3] = {{0.5, 0.5, 0.4}, {1, 1, 1}, {4, 0.3, 2}, {0.7, 2, 8}};
    std::array<Parameters, 4> starts;
    for (int i = 0; i < 4; ++i) {
        const auto& s = model == PurchaseModel::kParetoNbd ? kPareto[i] : kBeta[i];
        starts[i] = {s[0], std::clamp(s[0] / rate, 1e-4, 1e4), s[1], s[2]};
    }
    return starts;
}

const char* purchase_reason(const Maximum& end) {
    if (end.ending == Ending::kRunsAway && end.culprit <= 1)
        return "Buying rates do not differ between customers in a way that the model can describe; it needs "
               "customers who buy more often than others.";
    if (end.ending == Ending::kRunsAway)
        return "The histories show no differences in how customers leave that the model can describe: too "
               "few "
               "customers, too short a time, or nobody leaves.";
    return "Some of them can change together without a change of the likelihood: there are too few different "
           "histories, or customers do not differ.";
}

Maximum maximize_purchases(PurchaseModel model, const ScaledRows& scaled, std::int32_t max_iter,
                           MemoryResource* memory, Interrupt& interrupt) {
    const auto rows = view(scaled.rows);
    const auto first = rows.first(std::min(rows.size(), kSampleRows));
    const auto all = frequencies_of(rows, memory, interrupt);
    const auto some = frequencies_of(first, memory, interrupt);
    const PurchaseSample whole{rows, view(all), total_weight(all)};
    const PurchaseSample sample{first, view(some), total_weight(some)};
    const auto starts = purchase_starts(model, 1.3 * scaled.purchases / scaled.customers);
    const bool same = first.size() == rows.size();
    if (model == PurchaseModel::kParetoNbd)
        return search(ParetoLikelihood(sample), ParetoLikelihood(whole), same, starts, max_iter, interrupt);
    return search(BetaGeometricLikelihood(model, sample), BetaGeometricLikelihood(model, whole), same, starts,
                  max_iter, interrupt);
}

void fit_purchases(const ClvState& state, ClvModel& model, MemoryResource* memory, Interrupt& interrupt) {
    const ScaledRows scaled = scaled_rows(state.histories(), memory, interrupt);
    model.customers = static_cast<std::int64_t>(scaled.customers);
    model.repeat_customers = static_cast<std::int64_t>(scaled.repeat_customers);
    model.distinct_customers = static_cast<std::int64_t>(scaled.rows.size());
    const char* title = title_of(model.purchases);
    if (scaled.repeat_customers == 0)
        throw Error(Errc::kBadData, format("%s cannot be fitted: no customer has a repeat purchase", title),
                    format("There are %lld customers.", static_cast<long long>(model.customers)),
                    "Frequency counts purchases after the first one.");
    const Maximum end =
        maximize_purchases(model.purchases, scaled, state.options().max_iter, memory, interrupt);
    if (end.ending != Ending::kConverged)
        refuse(title, end, parameter_name(model.purchases, end.culprit), purchase_reason(end));
    model.fit = part_of(end);
    // alpha and beta are times, and so is the density of each purchase.
    for (const int i : {1, 3})
        if (i == 1 || model.purchases == PurchaseModel::kParetoNbd) {
            model.fit.parameters[i] *= scaled.scale;
            model.fit.standard_errors[i] *= scaled.scale;
        }
    model.fit.log_likelihood -= scaled.purchases * std::log(scaled.scale);
    check_range(model.fit, kPurchaseParameters, [&](int i) { return parameter_name(model.purchases, i); });
}

// ---- values

struct ScaledValues {
    Vector<ValueRow> rows;
    double customers = 0;
    double scale = 1;
};

ScaledValues scaled_values(const RowStore& store, MemoryResource* memory, Interrupt& interrupt) {
    const clustering::DistinctRows distinct = clustering::distinct_rows({store, {}}, memory, interrupt);
    const std::size_t count = distinct.points.size();
    WorkMeter meter(interrupt);
    ScaledValues result{Vector<ValueRow>(memory)};
    result.rows.reserve(count);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const ValueRow row{distinct.points.at(i, 0), distinct.points.at(i, 1), distinct.weights[i]};
        result.rows.push_back(row);
        result.customers += row.weight;
        sum += row.weight * row.mean_value;
        meter.done(1);
    }
    result.scale = sum / result.customers;
    for (ValueRow& row : result.rows) {
        row.mean_value /= result.scale;
        meter.done(1);
    }
    return result;
}

// Pearson's, of frequency and mean value over customers.
void correlate(const ScaledValues& values, ClvModel& model, Interrupt& interrupt) {
    WorkMeter meter(interrupt);
    double mean_x = 0;
    for (const ValueRow& row : values.rows) {
        mean_x += row.weight * row.frequency;
        meter.done(1);
    }
    mean_x /= values.customers;
    double xx = 0, xm = 0, mm = 0;
    for (const ValueRow& row : values.rows) {
        const double dx = row.frequency - mean_x, dm = row.mean_value - 1;
        xx += row.weight * dx * dx;
        xm += row.weight * dx * dm;
        mm += row.weight * dm * dm;
        meter.done(1);
    }
    model.has_correlation = xx > 0 && mm > 1e-24;
    if (model.has_correlation)
        model.correlation = std::clamp(xm / std::sqrt(xx) / std::sqrt(mm), -1.0, 1.0) + 0.0;
}

const char* value_reason(const Maximum& end) {
    if (end.ending == Ending::kRunsAway)
        return "Mean values do not differ, within and between customers, in a way that the model can "
               "describe.";
    return "Some of them can change together without a change of the likelihood: there are too few different "
           "mean values.";
}

Maximum maximize_values(const ScaledValues& scaled, std::int32_t max_iter, MemoryResource* memory,
                        Interrupt& interrupt) {
    const auto rows = view(scaled.rows);
    const auto first = rows.first(std::min(rows.size(), kSampleRows));
    const auto all = frequencies_of(rows, memory, interrupt);
    const auto some = frequencies_of(first, memory, interrupt);
    // With the mean at one, gamma is (q - 1) / p.
    constexpr std::array<Parameters, 4> kStarts = {
        {{6, 3.7, 0.45, 0}, {1, 2, 1, 0}, {2, 12, 5.5, 0}, {20, 20, 0.95, 0}}};
    return search(GammaGammaLikelihood(first, view(some), total_weight(some)),
                  GammaGammaLikelihood(rows, view(all), total_weight(all)), first.size() == rows.size(),
                  kStarts, max_iter, interrupt);
}

void fit_values(const ClvState& state, ClvModel& model, MemoryResource* memory, Interrupt& interrupt) {
    model.value_customers = static_cast<std::int64_t>(state.values().size());
    model.without_value = state.without_value();
    const char* hint = "With the option {\"value\": \"none\"}, purchases are fitted alone.";
    if (model.value_customers == 0)
        throw Error(
            Errc::kBadData,
            "Gamma-Gamma cannot be fitted: no customer with repeat purchases has a mean value above zero",
            format("There are %lld customers with repeat purchases.",
                   static_cast<long long>(model.repeat_customers)),
            hint);
    const ScaledValues scaled = scaled_values(state.values(), memory, interrupt);
    correlate(scaled, model, interrupt);
    const Maximum end = maximize_values(scaled, state.options().max_iter, memory, interrupt);
    if (end.ending != Ending::kConverged)
        refuse("Gamma-Gamma", end, value_parameter_name(end.culprit), value_reason(end), hint);
    model.value_fit = part_of(end);
    model.value_fit.parameters[2] *= scaled.scale;
    model.value_fit.standard_errors[2] *= scaled.scale;
    model.value_fit.log_likelihood -= scaled.customers * std::log(scaled.scale);
    check_range(model.value_fit, kValueParameters, value_parameter_name);
}

}  // namespace

ClvModel fit_clv(const ClvState& state, MemoryResource* memory, Interrupt& interrupt) {
    ClvModel model;
    model.purchases = state.options().purchases;
    model.value = state.options().value;
    model.unit = state.options().unit;
    model.month = state.options().month;
    model.skipped = state.skipped();
    fit_purchases(state, model, memory, interrupt);
    if (model.value == ValueModel::kGammaGamma)
        fit_values(state, model, memory, interrupt);
    return model;
}

Bill price_clv(const ClvState& state) {
    // The two fits follow each other; grouping is done when the likelihoods are.
    const auto one = [](std::uint64_t rows, std::size_t width) {
        Bill bill;
        clustering::price_distinct_rows(bill, rows, width);
        bill.add(rows, sizeof(PurchaseRow) + 2 * sizeof(FrequencyCount));
        return bill;
    };
    const Bill histories = one(state.histories().size(), ClvState::kHistoryWidth);
    const Bill values = one(state.values().size(), ClvState::kValueWidth);
    return histories.total() > values.total() ? histories : values;
}

}  // namespace seg::core::clv
