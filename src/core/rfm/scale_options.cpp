#include "core/rfm/scale_options.hpp"

#include <cmath>
#include <string>

#include "core/base/error.hpp"

namespace seg::core::rfm {
namespace {

struct MethodName {
    Method method;
    const char* name;
};
constexpr MethodName kMethodNames[] = {
    {Method::kQuantile, "quantile"},  {Method::kNtile, "ntile"},    {Method::kPercentRank, "percent_rank"},
    {Method::kCumeDist, "cume_dist"}, {Method::kRRfm, "r_rfm"},     {Method::kFixed, "fixed"},
    {Method::kNested, "nested"},      {Method::kKlaviyo, "klaviyo"}};

constexpr int kKlaviyoBins = 3;

void check_ascending(Measure measure, const Breaks& breaks) {
    const std::span<const double> values = breaks.values();
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i]))
            throw Error(Errc::kInvalidArgument, format("a break of \"%s\" is not a finite number: %s",
                                                       name_of(measure), nonfinite_name(values[i])));
        if (i > 0 && !(values[i] > values[i - 1]))
            throw Error(Errc::kInvalidArgument,
                        format("breaks of \"%s\" are not in ascending order: %g after %g", name_of(measure),
                               values[i], values[i - 1]));
    }
}

// The number of scores that the breaks make; it may also have been given, but must agree.
int bins_of_breaks(Measure measure, const Breaks& breaks, int given) {
    if (breaks.count() == 0)
        throw Error(
            Errc::kInvalidArgument, format("method \"fixed\" needs breaks of \"%s\"", name_of(measure)), {},
            "Give \"breaks\" as an object with an ascending array each for \"recency\", \"frequency\" "
            "and \"monetary\".");
    check_ascending(measure, breaks);
    if (given != ScaleOptions::kUnset && given != breaks.count() + 1)
        throw Error(Errc::kInvalidArgument, format("number of bins of \"%s\" is %d, but its breaks make %d",
                                                   name_of(measure), given, breaks.count() + 1));
    return breaks.count() + 1;
}

void refuse_breaks(Method method, const Breaks& breaks) {
    if (breaks.count() != 0)
        throw Error(Errc::kInvalidArgument, format("method \"%s\" takes no breaks", name_of(method)), {},
                    "Use method \"fixed\".");
}

int checked_bins(Method method, Measure measure, int given) {
    const int bins = given != ScaleOptions::kUnset ? given
                     : method == Method::kKlaviyo  ? kKlaviyoBins
                                                   : kDefaultBins;
    if (bins < kMinBins || bins > kMaxBins)
        throw Error(Errc::kInvalidArgument,
                    format("number of bins of \"%s\" must be between %d and %d, not %d", name_of(measure),
                           kMinBins, kMaxBins, bins));
    if (method == Method::kKlaviyo && bins != kKlaviyoBins)
        throw Error(Errc::kInvalidArgument,
                    format("method \"klaviyo\" has %d bins, not %d", kKlaviyoBins, bins));
    return bins;
}

}  // namespace

Method method_named(std::string_view name) {
    for (const MethodName& known : kMethodNames)
        if (name == known.name)
            return known.method;
    throw Error(
        Errc::kInvalidArgument,
        format("unrecognized value for \"method\": \"%.*s\"", static_cast<int>(name.size()), name.data()), {},
        "Valid values are \"quantile\", \"ntile\", \"percent_rank\", \"cume_dist\", \"r_rfm\", "
        "\"fixed\", \"nested\" and \"klaviyo\".");
}

const char* name_of(Method method) {
    for (const MethodName& known : kMethodNames)
        if (method == known.method)
            return known.name;
    return "unknown";
}

const char* name_of(Measure measure) {
    constexpr const char* kNames[kMeasures] = {"recency", "frequency", "monetary"};
    return kNames[index_of(measure)];
}

void Breaks::push_back(double value) {
    if (count_ == kMaxCuts)
        throw Error(Errc::kInvalidArgument, format("more than %d breaks for one measure", kMaxCuts));
    values_[static_cast<std::size_t>(count_++)] = value == 0 ? 0.0 : value;  // one zero, not two
}

ScaleOptions resolved(const ScaleOptions& options) {
    if (options.method == Method::kNtile)
        throw Error(Errc::kInvalidArgument, "method \"ntile\" needs the customers' ids",
                    "It deals out equal values by id, so there are no thresholds to keep.",
                    "Use segment.rfm, or another method.");
    ScaleOptions result = options;
    for (Measure measure : kEveryMeasure) {
        const std::size_t i = index_of(measure);
        if (options.method == Method::kFixed) {
            result.bins[i] = bins_of_breaks(measure, options.breaks[i], options.bins[i]);
        } else {
            refuse_breaks(options.method, options.breaks[i]);
            result.bins[i] = checked_bins(options.method, measure, options.bins[i]);
        }
    }
    return result;
}

}  // namespace seg::core::rfm
