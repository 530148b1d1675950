#include "core/clustering/nearest_two.hpp"

#include <algorithm>
#include <limits>

namespace seg::core::clustering {
namespace {

constexpr std::size_t kSideBySide = 8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Squared distances are sums of squares of the features as they come.
bool is_plain(const ClusteringView& model) {
    const auto is = [](double wanted) { return [wanted](double value) { return value == wanted; }; };
    return !model.is_cosine() && !model.is_prototypes() && !model.has_offsets() &&
           std::all_of(model.shift().begin(), model.shift().end(), is(0)) &&
           std::all_of(model.scale().begin(), model.scale().end(), is(1));
}

void take(const Nearest& next, TwoNearest& best) {
    if (next.squared_distance < best.first.squared_distance) {
        best.second = best.first;
        best.first = next;
    } else if (next.squared_distance < best.second.squared_distance) {
        best.second = next;
    }
}

}  // namespace

NearestTwo::NearestTwo(const ClusteringView& model, MemoryResource* memory)
    : model_(model), plain_(is_plain(model)), k_(static_cast<std::size_t>(model.k())), columns_(memory) {
    if (!plain_)
        return;
    const auto d = static_cast<std::size_t>(model.dimensions());
    columns_.assign((k_ + kSideBySide - 1) / kSideBySide * kSideBySide * d, 0.0);
    for (std::size_t c = 0; c < k_; ++c)
        for (std::size_t f = 0; f < d; ++f)
            columns_[(c / kSideBySide * d + f) * kSideBySide + c % kSideBySide] =
                model.centre(static_cast<std::int32_t>(c + 1))[f];
}

TwoNearest NearestTwo::find(std::span<const double> features) {
    TwoNearest best = {{0, kInfinity}, {0, kInfinity}};
    if (plain_ && compare(features, best))
        return best;
    return model_.two_nearest(features);
}

// False when no distance is finite: the row is one that the model refuses.
bool NearestTwo::compare(std::span<const double> features, TwoNearest& best) {
    const double* column = columns_.data();
    for (std::size_t first = 0; first < k_; first += kSideBySide) {
        double squares[kSideBySide] = {};
        for (double feature : features) {
            for (std::size_t c = 0; c < kSideBySide; ++c) {
                const double difference = feature - column[c];
                squares[c] += difference * difference;
            }
            column += kSideBySide;
        }
        for (std::size_t c = 0; c < std::min(kSideBySide, k_ - first); ++c)
            take({static_cast<std::int32_t>(first + c + 1), squares[c]}, best);
    }
    return best.first.cluster != 0;
}

}  // namespace seg::core::clustering
