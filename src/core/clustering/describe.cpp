#include "core/clustering/describe.hpp"

#include <charconv>
#include <cmath>

#include "core/preparation/preparation.hpp"

namespace seg::core::clustering {
namespace {

using preparation::ColumnKind;
using preparation::Feature;
using preparation::FeatureKind;
using preparation::PreparationView;

constexpr int kMostWords = 3;
constexpr double kLeastShare = 0.1;

void append_text(std::string_view text, Vector<char>& out) {
    out.insert(out.end(), text.begin(), text.end());
}

// What a label says of a centroid that is above or below the mean.
struct Words {
    const char* before_low;
    const char* high;
    const char* low;
};

Words words_of(const ClusteringView& model, std::int32_t cluster, std::int32_t feature) {
    constexpr Words kNumber = {"", " high", " low"};
    constexpr Words kShare = {"rarely ", "", ""};
    constexpr Words kPast = {"", " long ago", " recent"};
    constexpr Words kFuture = {"", " soon", " far ahead"};
    if (model.preparation().empty())
        return kNumber;
    const PreparationView preparation(model.preparation());
    const Feature place = preparation.feature(feature - 1);
    if (place.kind != FeatureKind::kValue)
        return kShare;
    switch (preparation.column(place.column).kind) {
        case ColumnKind::kBoolean:
            return kShare;
        case ColumnKind::kAge:
            return preparation.original(feature - 1, model.centroid(cluster, feature)) < 0 ? kFuture : kPast;
        default:
            return kNumber;
    }
}

}  // namespace

void append_feature_name(const ClusteringView& model, std::int32_t feature, Vector<char>& out) {
    if (model.preparation().empty()) {
        char text[16];
        append_text("feature ", out);
        append_text({text, std::to_chars(text, text + sizeof text, feature).ptr}, out);
        return;
    }
    const PreparationView preparation(model.preparation());
    const Feature place = preparation.feature(feature - 1);
    append_text(preparation.column(place.column).name, out);
    if (place.kind == FeatureKind::kIndicator) {
        append_text(" is null", out);
    } else if (place.kind != FeatureKind::kValue) {
        append_text(" = ", out);
        append_text(place.level, out);
    }
}

Describer::Describer(const ClusteringView& model, MemoryResource* memory)
    : model_(model),
      mean_(static_cast<std::size_t>(model.dimensions()), 0.0, memory),
      difference_(mean_.size(), 0.0, memory) {
    double weight = 0;
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        weight += model.weight(c);
        for (std::size_t f = 0; f < mean_.size(); ++f)
            mean_[f] += model.weight(c) * model.centre(c)[f];
    }
    for (double& mean : mean_)
        mean = weight > 0 ? mean / weight : 0;
}

void Describer::append(std::int32_t cluster, Vector<char>& out) {
    double squares = 0;
    for (std::size_t f = 0; f < mean_.size(); ++f) {
        difference_[f] = model_.centre(cluster)[f] - mean_[f];
        squares += difference_[f] * difference_[f];
    }
    const std::size_t start = out.size();
    for (int word = 0; word < kMostWords && squares > 0; ++word) {
        std::size_t most = 0;
        for (std::size_t f = 1; f < difference_.size(); ++f)
            if (std::fabs(difference_[f]) > std::fabs(difference_[most]))
                most = f;
        if (!(difference_[most] * difference_[most] >= kLeastShare * squares))
            break;
        const auto feature = static_cast<std::int32_t>(most + 1);
        const Words words = words_of(model_, cluster, feature);
        append_text(word == 0 ? "" : ", ", out);
        append_text(difference_[most] < 0 ? words.before_low : "", out);
        append_feature_name(model_, feature, out);
        append_text(difference_[most] > 0 ? words.high : words.low, out);
        difference_[most] = 0;
    }
    if (out.size() == start)
        append_text("average", out);
}

}  // namespace seg::core::clustering
