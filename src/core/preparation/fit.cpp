#include "core/preparation/fit.hpp"

#include <algorithm>
#include <cmath>

#include "core/preparation/distribution.hpp"
#include "core/preparation/logarithm.hpp"

namespace seg::core::preparation {
namespace {

constexpr double kSkewed = 2;  // skewness beyond which a logarithm is tried
constexpr double kHeavy = 3;   // excess kurtosis beyond which tails count as heavy
constexpr Quantiles kUsualLimits = {0.01, 0.99};
constexpr double kNormalIqr = 0.7413;  // standard deviations in an interquartile range of a normal sample
constexpr double kLeastRobustShare = 1 / 3.0;  // of the standard deviation
constexpr double kManyNulls = 0.01;
constexpr std::int32_t kUsualMaxLevels = 20;
constexpr double kUsualMinShare = 0.01;
constexpr std::int64_t kFewRows = 20;  // among so few, different values mean nothing

using LevelEntry = LevelCounts::Entry;

int shown(std::string_view name) {
    return static_cast<int>(name.size() < 128 ? name.size() : 128);
}

// Every bin between the extremes is as full as it has integers.
bool numbers_rows(const ColumnProfile& profile, MemoryResource* memory) {
    const Histogram& histogram = profile.histogram();
    if (profile.source() != Source::kInteger || histogram.size() == 0)
        return false;
    std::int64_t rows = 0;
    for (const Histogram::Bin& bin : histogram.bins(memory)) {
        const double integers =
            std::floor(histogram.greatest_of(bin.prefix)) - std::ceil(histogram.least_of(bin.prefix)) + 1;
        if (static_cast<double>(bin.count) != integers)
            return false;
        rows += bin.count;
    }
    return rows > kFewRows && histogram.maximum() - histogram.minimum() + 1 == static_cast<double>(rows);
}

// What is done to a number before it is scaled.
struct Shape {
    bool winsorised = false;
    double lower = 0, upper = 0;
    Transform transform = Transform::kNone;

    double limited(double x) const { return winsorised ? std::clamp(x, lower, upper) : x; }
    double operator()(double x) const {
        x = limited(x);
        return transform == Transform::kLog1p ? log1p_of(x) : x;
    }
};

// Numbers in words: one decimal, and no sign on zero.
double rounded(double x) {
    return std::round(x * 10) / 10 + 0.0;
}

}  // namespace

class Fitting {
  public:
    Fitting(const PreparationState& state, MemoryResource* memory, Interrupt& interrupt)
        : state_(state),
          memory_(memory),
          meter_(interrupt),
          options_reader_(state.options().bytes, "segment.preparation_state"),
          options_(PreparationOptions::decode(options_reader_, memory)),
          result_(memory),
          reason_(memory) {}

    FittedPreparation run() {
        result_.rows_ = state_.rows();
        for (const ColumnProfile& profile : state_.columns()) {
            if (profile.gathered() == Gathered::kNothing)
                continue;
            column_ = Column{};
            column_.name = profile.name();
            column_.nulls = profile.nulls();
            rules_ = options_.rules_of(profile.name());
            column_.weight = rules_.weight.value_or(1);
            reason_.clear();
            fit(profile);
            result_.reasons_.push_back(reason_);
            result_.columns_.push_back(column_);
        }
        if (result_.columns_.empty())
            throw Error(Errc::kInvalidArgument, "no column is left to prepare", {},
                        "The options leave out every column of the row.");
        for (std::size_t c = 0; c < result_.columns_.size(); ++c)
            result_.columns_[c].reason = {result_.reasons_[c].data(), result_.reasons_[c].size()};
        return std::move(result_);
    }

  private:
    void fit(const ColumnProfile& profile) {
        const Rules* own = options_.own_rules(profile.name());
        if (profile.gathered() == Gathered::kLevels)
            return fit_category(profile, own);
        if (profile.source() == Source::kBoolean && rules_.type != ColumnType::kNumeric)
            return fit_boolean(profile, own);
        if (own != nullptr && (own->max_levels || own->min_share))
            refuse(own->max_levels ? "max_levels" : "min_share", "number");
        if (own != nullptr && own->null == NullTreatment::kLevel)
            refuse("null\": \"level", "number");
        fit_number(profile);
    }

    [[noreturn]] void refuse(const char* option, const char* kind) const {
        throw Error(Errc::kInvalidArgument,
                    format("option \"%s\" does not apply to column \"%.*s\", which is a %s", option,
                           shown(column_.name), column_.name.data(), kind),
                    {}, "A column is made a category or a number by its option \"type\".");
    }

    void refuse_scaling(const Rules* own, const char* kind) const {
        if (own == nullptr)
            return;
        const char* option = own->transform   ? "transform"
                             : own->winsorise ? "winsorise"
                             : own->scaling   ? "scale"
                                              : nullptr;
        if (option != nullptr)
            refuse(option, kind);
    }

    // ---- words

    void say(const std::string& words) {
        const std::string_view separator = reason_.empty() ? "" : "; ";
        reason_.insert(reason_.end(), separator.begin(), separator.end());
        reason_.insert(reason_.end(), words.begin(), words.end());
    }

    double share(std::int64_t rows) const {
        return static_cast<double>(rows) / static_cast<double>(state_.rows());
    }

    // ---- numbers

    Distribution distribution_of(const ColumnProfile& profile) {
        const Histogram& histogram = profile.histogram();
        Distribution values(memory_, histogram.size());
        for (const Histogram::Bin& bin : histogram.bins(memory_)) {
            values.append(histogram.value_of(bin.prefix), bin.count);
            meter_.done(1);
        }
        if (profile.source() == Source::kDay || profile.source() == Source::kInstant) {
            column_.kind = ColumnKind::kAge;
            const std::optional<double>& as_of =
                profile.source() == Source::kDay ? options_.as_of : options_.as_of_instant;
            column_.as_of = as_of.value_or(histogram.maximum());
            if (!as_of)
                say("no as_of given, so its greatest value is taken");
            values.reverse_with_origin(column_.as_of);
        }
        return values;
    }

    void fit_number(const ColumnProfile& profile) {
        const Distribution values = distribution_of(profile);
        if (values.empty()) {
            say("holds NULL only");
            column_.constant = true;
            return fit_null(values, Shape{}, false);
        }
        const Moments raw = values.moments(Shape{}, meter_);
        if (raw.deviation == 0) {
            say("has one value only");
            make_constant(values.minimum());
            return fit_null(values, Shape{}, false);
        }
        Shape shape;
        shape.transform = transform_of(values, raw);
        Moments shaped = values.moments(shape, meter_);
        limit(values, shaped, shape);
        if (shape.winsorised)
            shaped = values.moments(shape, meter_);
        if (shaped.deviation == 0) {
            say("between these limits it has one value only");
            make_constant(shape.limited(values.minimum()));
            return fit_null(values, shape, false);
        }
        column_.transform = shape.transform;
        column_.winsorised = shape.winsorised;
        column_.lower = shape.lower;
        column_.upper = shape.upper;
        scale(values, shaped, shape);
        if (reason_.empty())
            say(format("neither skewed (skewness %g) nor heavy-tailed (excess kurtosis %g)",
                       rounded(raw.skewness), rounded(raw.excess_kurtosis)));
        if (numbers_rows(profile, memory_))
            say("numbers the rows one after another, as an identifier does: leave it out if it is one");
        fit_null(values, shape, shape.transform != Transform::kNone || std::fabs(raw.skewness) > kSkewed);
    }

    void make_constant(double value) {
        column_.constant = true;
        column_.shift = value;
        column_.scale = 1;
    }

    Transform transform_of(const Distribution& values, const Moments& raw) {
        if (rules_.transform == Transform::kLog1p && values.minimum() < 0)
            throw Error(
                Errc::kInvalidArgument,
                format("\"transform\": \"log1p\" does not suit column \"%.*s\", which goes down to %g",
                       shown(column_.name), column_.name.data(), values.minimum()),
                {}, "The logarithm of 1 + value is for values that are not negative.");
        if (rules_.transform) {
            say(format("transform %s as asked", name_of(*rules_.transform)));
            return *rules_.transform;
        }
        if (raw.skewness <= kSkewed || values.minimum() < 0)
            return Transform::kNone;
        const double after = values.moments([](double x) { return log1p_of(x); }, meter_).skewness;
        if (std::fabs(after) > raw.skewness / 2) {
            say(format("skewed (skewness %g), but hardly less so as a logarithm (%g)", rounded(raw.skewness),
                       rounded(after)));
            return Transform::kNone;
        }
        say(format("skewed and not negative (skewness %g, %g as a logarithm)", rounded(raw.skewness),
                   rounded(after)));
        return Transform::kLog1p;
    }

    void limit(const Distribution& values, const Moments& shaped, Shape& shape) {
        const bool asked = rules_.winsorise.has_value();
        if (rules_.winsorise == kNotWinsorised) {
            say("not winsorised, as asked");
            return;
        }
        if (!asked && shaped.excess_kurtosis <= kHeavy)
            return;
        const Quantiles wanted = rules_.winsorise.value_or(kUsualLimits);
        const double lower = values.quantile(wanted.lower);
        const double upper = values.quantile(wanted.upper);
        const std::string quantiles =
            format("the %g %% and %g %% quantiles", wanted.lower * 100, wanted.upper * 100);
        if (asked) {
            say("limited to " + quantiles + " as asked");
        } else if (lower == upper || (lower == values.minimum() && upper == values.maximum())) {
            say(format("heavy tails (excess kurtosis %g), but ", rounded(shaped.excess_kurtosis)) +
                (lower == upper ? "one value fills nearly all rows" : quantiles + " cut nothing off"));
            return;
        } else {
            say(format("heavy tails (excess kurtosis %g), so limited to ", rounded(shaped.excess_kurtosis)) +
                quantiles);
        }
        shape.winsorised = true;
        shape.lower = lower;
        shape.upper = upper;
    }

    void scale(const Distribution& values, const Moments& shaped, const Shape& shape) {
        const double iqr = kNormalIqr * (shape(values.quantile(0.75)) - shape(values.quantile(0.25)));
        column_.scaling = scaling_of(shaped, iqr);
        switch (column_.scaling) {
            case Scaling::kNone:
                break;
            case Scaling::kZscore:
                column_.shift = shaped.mean;
                column_.scale = shaped.deviation;
                break;
            case Scaling::kRobust:
                column_.shift = shape(values.quantile(0.5));
                column_.scale = iqr;
                break;
            case Scaling::kMinmax:
                column_.shift = shape(values.minimum());
                column_.scale = shape(values.maximum()) - column_.shift;
                break;
        }
    }

    Scaling scaling_of(const Moments& shaped, double iqr) {
        if (rules_.scaling == Scaling::kRobust && !std::isnormal(iqr)) {
            say("scale zscore where robust was asked for, because the interquartile range is 0");
            return Scaling::kZscore;
        }
        if (rules_.scaling) {
            say(format("scale %s as asked", name_of(*rules_.scaling)));
            return *rules_.scaling;
        }
        // A narrow middle would blow the tails up rather than tame them.
        if (shaped.excess_kurtosis <= kHeavy || iqr < kLeastRobustShare * shaped.deviation)
            return Scaling::kZscore;
        say(format("tails still heavy (excess kurtosis %g), so a robust scale",
                   rounded(shaped.excess_kurtosis)));
        return Scaling::kRobust;
    }

    void fit_null(const Distribution& values, const Shape& shape, bool skewed) {
        std::optional<NullTreatment> asked = rules_.null;
        if (asked == NullTreatment::kLevel)
            asked = std::nullopt;
        column_.null = asked.value_or(skewed ? NullTreatment::kMedian : NullTreatment::kMean);
        if (asked)
            say(format("null %s as asked", name_of(*asked)));
        if (!values.empty() && column_.null == NullTreatment::kMean)
            column_.fill = values.moments([&](double x) { return shape.limited(x); }, meter_).mean;
        else if (!values.empty() && column_.null == NullTreatment::kMedian)
            column_.fill = values.quantile(0.5);
        if (column_.null == NullTreatment::kSkip || column_.null == NullTreatment::kError)
            return;
        column_.indicator = rules_.indicator.value_or(!values.empty() && share(column_.nulls) > kManyNulls);
        if (rules_.indicator)
            say(column_.indicator ? "indicator as asked" : "no indicator, as asked");
        else if (column_.indicator)
            say(format("%.3g %% are NULL, so an indicator", share(column_.nulls) * 100));
    }

    // ---- booleans and categories

    void fit_boolean(const ColumnProfile& profile, const Rules* own) {
        refuse_scaling(own, "boolean");
        if (own != nullptr && (own->max_levels || own->min_share))
            refuse(own->max_levels ? "max_levels" : "min_share", "boolean");
        Vector<LevelEntry> levels(memory_);
        for (const Histogram::Bin& bin : profile.histogram().bins(memory_)) {
            const std::string_view text = profile.histogram().value_of(bin.prefix) == 0 ? "false" : "true";
            levels.push_back({text.data(), static_cast<std::uint32_t>(text.size()), 0, bin.count});
        }
        const bool imputed = rules_.null && *rules_.null != NullTreatment::kLevel;
        if (column_.nulls > 0 && !imputed) {
            say("a boolean with NULLs, so a category");
            if (own != nullptr && own->indicator)
                refuse("indicator", "boolean with a level for NULL");
            column_.null_level = true;
            return keep_levels(levels, levels.size());
        }
        column_.kind = ColumnKind::kBoolean;
        const Distribution values = distribution_of(profile);
        say(levels.empty() ? "holds NULL only" : levels.size() == 1 ? "has one value only" : "a boolean");
        if (levels.empty())
            column_.constant = true;
        else if (levels.size() == 1)
            make_constant(values.minimum());
        fit_null(values, Shape{}, false);
    }

    void fit_category(const ColumnProfile& profile, const Rules* own) {
        refuse_scaling(own, "category");
        if (own != nullptr && own->indicator)
            refuse("indicator", "category");
        if (own != nullptr && own->null && *own->null < NullTreatment::kSkip)
            refuse(format("null\": \"%s", name_of(*own->null)).c_str(), "category");
        const auto known = static_cast<std::int64_t>(profile.levels().size());
        if (known > kFewRows && known == state_.rows() - profile.nulls() &&
            !(own != nullptr && own->type == ColumnType::kCategory))
            refuse_identifier(known);
        Vector<LevelEntry> levels = profile.levels().sorted(memory_);
        std::sort(levels.begin(), levels.end(), [](const LevelEntry& a, const LevelEntry& b) {
            return a.count != b.count ? a.count > b.count : a.view() < b.view();
        });
        column_.other = true;
        column_.null_level = profile.nulls() > 0 && (!rules_.null || *rules_.null == NullTreatment::kLevel ||
                                                     *rules_.null < NullTreatment::kSkip);
        const std::size_t kept = frequent(levels);
        explain_levels(levels, kept);
        keep_levels(levels, kept);
    }

    [[noreturn]] void refuse_identifier(std::int64_t known) const {
        throw Error(Errc::kInvalidArgument,
                    format("column \"%.*s\" looks like an identifier: its %lld values are all different",
                           shown(column_.name), column_.name.data(), static_cast<long long>(known)),
                    {},
                    "Leave the column out, set its option \"type\" to \"ignore\", or to \"category\" to use "
                    "it all the same.");
    }

    // A level that is called like the pooled ones, or like NULL where that is a level, is pooled, too: two of
    // one name could not be told apart.
    bool is_named_like_ours(const LevelEntry& level) const {
        return level.view() == kOtherLevel || (column_.null_level && level.view() == "NULL");
    }

    // Moves levels that must be pooled to the end; returns how many are kept.
    std::size_t frequent(Vector<LevelEntry>& levels) const {
        const double least = rules_.min_share.value_or(kUsualMinShare) * static_cast<double>(state_.rows());
        std::stable_partition(levels.begin(), levels.end(),
                              [this](const LevelEntry& level) { return !is_named_like_ours(level); });
        const auto most = static_cast<std::size_t>(rules_.max_levels.value_or(kUsualMaxLevels));
        std::size_t kept = 0;
        while (kept < levels.size() && kept < most && !is_named_like_ours(levels[kept]) &&
               static_cast<double>(levels[kept].count) >= least)
            ++kept;
        return kept;
    }

    void explain_levels(const Vector<LevelEntry>& levels, std::size_t kept) {
        std::int64_t pooled = 0;
        for (std::size_t l = kept; l < levels.size(); ++l)
            pooled += levels[l].count;
        if (levels.empty())
            return say("holds NULL only");
        say(levels.size() == 1 ? std::string("has one value") : format("has %zu values", levels.size()));
        if (kept == levels.size())
            return;
        say(format(
            "%zu with %.3g %% of the rows are pooled, being rarer than %.3g %% or not among the %d most "
            "frequent",
            levels.size() - kept, share(pooled) * 100, rules_.min_share.value_or(kUsualMinShare) * 100,
            rules_.max_levels.value_or(kUsualMaxLevels)));
    }

    void keep_levels(Vector<LevelEntry>& levels, std::size_t kept) {
        column_.kind = ColumnKind::kCategory;
        column_.null = NullTreatment::kLevel;
        if (rules_.null == NullTreatment::kSkip || rules_.null == NullTreatment::kError) {
            column_.null = *rules_.null;
            say(format("null %s as asked", name_of(*rules_.null)));
        }
        std::sort(levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(kept),
                  [](const LevelEntry& a, const LevelEntry& b) {
                      return a.count != b.count ? a.count > b.count : a.view() < b.view();
                  });
        column_.levels = static_cast<std::int32_t>(kept);
        std::int64_t left = state_.rows() - column_.nulls;
        for (std::size_t l = 0; l < kept; ++l) {
            result_.levels_.push_back({levels[l].view(), levels[l].count});
            left -= levels[l].count;
        }
        column_.constant = static_cast<int>(kept) + (left > 0) + (column_.nulls > 0) < 2;
    }

    const PreparationState& state_;
    MemoryResource* memory_;
    WorkMeter meter_;
    Reader options_reader_;
    PreparationOptions options_;
    FittedPreparation result_;
    Column column_;
    Rules rules_;
    Vector<char> reason_;
};

FittedPreparation fit_preparation(const PreparationState& state, MemoryResource* memory,
                                  Interrupt& interrupt) {
    return Fitting(state, memory, interrupt).run();
}

}  // namespace seg::core::preparation
