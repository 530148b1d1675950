#include "core/clustering/recombination.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg::core::clustering {
namespace {

// Matching the centres of more than these takes longer than iterating.
constexpr std::size_t kMostCentres = 512;

// Two clusterings whose inertias differ by less than this share are taken for the same one, which must not
// fill the population.
constexpr double kSameInertia = 1e-5;

// What sorting costs a pair, in multiplications.
constexpr double kSortingWork = 350;

// Passes over the points for each child beside iterations: drawing the newcomer and the inertia.
constexpr double kFurtherPasses = 2;

constexpr std::size_t kPopulation = 20;

}  // namespace

bool pays_to_recombine(std::uint64_t points, std::size_t k) {
    return k > 1 && k < points && k <= kMostCentres;
}

void price_recombination(Bill& bill, std::uint64_t points, std::size_t dimensions, std::size_t k) {
    if (!pays_to_recombine(points, k))
        return;
    bill.add(points, sizeof(double));
    bill.add(k * dimensions, (kPopulation + 1) * sizeof(double));
    bill.add(k, k * sizeof(CentrePair) + 2);
}

template <typename T>
Recombination<T>::Recombination(WeightedPoints<T> data, Lloyd<T>& lloyd, MemoryResource* memory,
                                Interrupt& interrupt)
    : points_(data.points),
      weights_(data.weights),
      lloyd_(lloyd),
      memory_(memory),
      meter_(interrupt),
      d_(data.points.dimensions()),
      k_(lloyd.centres().size() / d_),
      population_(memory),
      child_(lloyd.centres().size(), 0.0, memory),
      far_(points_.size(), 0.0, memory),
      pairs_(k_ * k_, CentrePair(), memory),
      matched_(2 * k_, char(0), memory) {
    population_.reserve(kPopulation);
}

// Where a clustering of this inertia belongs: the place of one that is the same, a new one, that of the
// worst.
template <typename T>
std::size_t Recombination<T>::place_of(double inertia) const {
    std::size_t worst = 0;
    for (std::size_t i = 0; i < population_.size(); ++i) {
        if (std::fabs(population_[i].inertia - inertia) <= kSameInertia * inertia)
            return i;
        if (population_[i].inertia > population_[worst].inertia)
            worst = i;
    }
    return population_.size() < kPopulation ? population_.size() : worst;
}

template <typename T>
bool Recombination<T>::offer(double inertia) {
    if (!std::isfinite(inertia))
        return false;
    const std::size_t place = place_of(inertia);
    if (place == population_.size())
        population_.push_back(
            {Vector<double>(child_.size(), 0.0, memory_), std::numeric_limits<double>::infinity()});
    Candidate& candidate = population_[place];
    if (!(inertia < candidate.inertia))
        return false;
    const bool is_best = inertia < best().inertia;
    const bool is_news = inertia < best().inertia * (1 - kSameInertia);
    std::copy(lloyd_.centres().begin(), lloyd_.centres().end(), candidate.centres.begin());
    candidate.inertia = inertia;
    if (is_best)
        best_ = place;
    return is_news;
}

template <typename T>
double Recombination<T>::run(const RecombinationLimits& limits, Random& random) {
    const double iteration = static_cast<double>(points_.size() * k_ * d_);
    const double crossing = static_cast<double>(k_ * k_) * (static_cast<double>(d_) + kSortingWork);
    double work = 0;
    std::int32_t in_vain = 0;
    for (std::int32_t i = 0; i < limits.children && in_vain < limits.children / 2 && work < limits.work;
         ++i) {
        const Candidate& one = parent(random);
        cross(one, parent(random), random);
        replace_one(random);
        lloyd_.set_centres(child_.data());
        work +=
            crossing + iteration * (kFurtherPasses + lloyd_.iterate(limits.max_iter, limits.tol).iterations);
        in_vain = offer(lloyd_.inertia()) ? 0 : in_vain + 1;
    }
    return work;
}

template <typename T>
void Recombination<T>::polish(std::int32_t max_iter, double tol) {
    constexpr std::size_t kPolished = 3;
    std::sort(population_.begin(), population_.end(),
              [](const Candidate& a, const Candidate& b) { return a.inertia < b.inertia; });
    best_ = 0;
    for (std::size_t i = 0; i < std::min(kPolished, population_.size()); ++i) {
        Candidate& candidate = population_[i];
        lloyd_.set_centres(candidate.centres.data());
        lloyd_.iterate(max_iter, tol);
        std::copy(lloyd_.centres().begin(), lloyd_.centres().end(), candidate.centres.begin());
        candidate.inertia = lloyd_.inertia();
        if (candidate.inertia < best().inertia)
            best_ = i;
    }
}

// The better of two drawn at random.
template <typename T>
const Candidate& Recombination<T>::parent(Random& random) const {
    const Candidate& one = population_[static_cast<std::size_t>(random.below(population_.size()))];
    const Candidate& other = population_[static_cast<std::size_t>(random.below(population_.size()))];
    return other.inertia < one.inertia ? other : one;
}

// All pairs of the parents' centres, the closest first.
template <typename T>
void Recombination<T>::match(const Candidate& one, const Candidate& other) {
    for (std::size_t c = 0; c < k_; ++c) {
        const double* centre = one.centres.data() + c * d_;
        for (std::size_t m = 0; m < k_; ++m) {
            double sum = 0;
            for (std::size_t f = 0; f < d_; ++f) {
                const double difference = centre[f] - other.centres[m * d_ + f];
                sum += difference * difference;
            }
            // Weights that cancelled out may have left a centre that is no number.
            pairs_[c * k_ + m] = {sum >= 0 ? sum : std::numeric_limits<double>::infinity(),
                                  static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(m)};
        }
        meter_.done(k_ * d_);
    }
    std::sort(pairs_.begin(), pairs_.end());
}

// One centre of each pair of centres that have not found a closer partner.
template <typename T>
void Recombination<T>::cross(const Candidate& one, const Candidate& other, Random& random) {
    match(one, other);
    std::fill(matched_.begin(), matched_.end(), char(0));
    for (const CentrePair& pair : pairs_) {
        char& first = matched_[pair.of_one];
        char& second = matched_[k_ + pair.of_other];
        if (first != 0 || second != 0)
            continue;
        first = second = 1;
        const double* from = random.below(2) == 0 ? one.centres.data() + pair.of_one * d_
                                                  : other.centres.data() + pair.of_other * d_;
        std::copy_n(from, d_, child_.data() + pair.of_one * d_);
    }
}

// Gives one centre of the child to a point that is far from the others.
template <typename T>
void Recombination<T>::replace_one(Random& random) {
    const auto loser = static_cast<std::size_t>(random.below(k_));
    std::copy_n(child_.data() + (loser + 1) % k_ * d_, d_, child_.data() + loser * d_);
    const std::size_t newcomer = draw_far(random);
    for (std::size_t f = 0; f < d_; ++f)
        child_[loser * d_ + f] = static_cast<double>(points_.at(newcomer, f));
}

template <typename T>
std::size_t Recombination<T>::draw_far(Random& random) {
    lloyd_.set_centres(child_.data());
    double total = 0;
    lloyd_.for_each_nearest([&](std::size_t i, std::int32_t, T distance) {
        far_[i] = static_cast<double>(weights_[i]) * static_cast<double>(distance);
        total += far_[i];
    });
    double left = random.uniform() * total;
    std::size_t last = 0;  // rounding may leave a sliver beyond the last point
    for (std::size_t i = 0; i < points_.size(); ++i) {
        if (!(far_[i] > 0))
            continue;
        last = i;
        left -= far_[i];
        if (left < 0)
            break;
    }
    return last;
}

template class Recombination<float>;
template class Recombination<double>;

}  // namespace seg::core::clustering
