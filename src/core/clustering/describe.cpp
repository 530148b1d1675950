#include "core/clustering/describe.hpp"

#include <charconv>
#include <cmath>

#include "core/preparation/preparation.hpp"

namespace seg::core::clustering {
namespace {

using preparation::Feature;
using preparation::FeatureKind;
using preparation::PreparationView;

constexpr int kMostWords = 3;
constexpr double kLeastShare = 0.1;

void append(std::string_view text, Vector<char>& out) {
    out.insert(out.end(), text.begin(), text.end());
}

// Whether a high value of the feature says all, as for the level of a category.
bool is_share(const ClusteringView& model, std::int32_t feature) {
    return !model.preparation().empty() &&
           PreparationView(model.preparation()).feature(feature - 1).kind != FeatureKind::kValue;
}

double mean_of_centres(const ClusteringView& model, std::size_t feature) {
    double sum = 0;
    double weight = 0;
    for (std::int32_t c = 1; c <= model.k(); ++c) {
        sum += model.weight(c) * model.centre(c)[feature];
        weight += model.weight(c);
    }
    return weight > 0 ? sum / weight : 0;
}

}  // namespace

void append_feature_name(const ClusteringView& model, std::int32_t feature, Vector<char>& out) {
    if (model.preparation().empty()) {
        char text[16];
        append("feature ", out);
        append({text, std::to_chars(text, text + sizeof text, feature).ptr}, out);
        return;
    }
    const PreparationView preparation(model.preparation());
    const Feature place = preparation.feature(feature - 1);
    append(preparation.column(place.column).name, out);
    if (place.kind == FeatureKind::kIndicator) {
        append(" is null", out);
    } else if (place.kind != FeatureKind::kValue) {
        append(" = ", out);
        append(place.level, out);
    }
}

void append_description(const ClusteringView& model, std::int32_t cluster, Vector<char>& out) {
    const auto d = static_cast<std::size_t>(model.dimensions());
    MemoryResource* memory = out.get_stored_allocator().resource();
    Vector<double> difference(d, 0.0, memory);
    double squares = 0;
    for (std::size_t f = 0; f < d; ++f) {
        difference[f] = model.centre(cluster)[f] - mean_of_centres(model, f);
        squares += difference[f] * difference[f];
    }
    const std::size_t start = out.size();
    for (int word = 0; word < kMostWords && squares > 0; ++word) {
        std::size_t most = 0;
        for (std::size_t f = 1; f < d; ++f)
            if (std::fabs(difference[f]) > std::fabs(difference[most]))
                most = f;
        if (!(difference[most] * difference[most] >= kLeastShare * squares))
            break;
        const auto feature = static_cast<std::int32_t>(most + 1);
        const bool share = is_share(model, feature);
        append(word == 0 ? "" : ", ", out);
        append(share && difference[most] < 0 ? "rarely " : "", out);
        append_feature_name(model, feature, out);
        if (!share)
            append(difference[most] > 0 ? " high" : " low", out);
        difference[most] = 0;
    }
    if (out.size() == start)
        append("average", out);
}

}  // namespace seg::core::clustering
