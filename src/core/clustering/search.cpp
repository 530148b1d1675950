#include "core/clustering/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

namespace seg::core::clustering {
namespace {

// How many children are made: it takes some to try every centre.
std::int32_t children_of(const KmeansOptions& options) {
    return 20 * options.n_init + 4 * options.k;
}

// Multiplications that are made in about a second.
constexpr double kSecondOfWork = 0x1p32;

// A population may settle where others would not. Where a round costs little, several are made, until two end
// in clusterings of the same inertia.
constexpr std::int32_t kMostRounds = 5;
constexpr double kRoundsOfWork = kSecondOfWork / 8;
constexpr double kSame = 1e-6;

template <typename T>
void keep(const Lloyd<T>& lloyd, const LloydOutcome& outcome, double inertia, SearchResult& result) {
    result.best.inertia = inertia;
    std::copy(lloyd.centres().begin(), lloyd.centres().end(), result.best.centres.begin());
    result.outcome = outcome;
}

template <typename T>
SearchResult empty_result(std::size_t values, MemoryResource* memory) {
    return {{Vector<double>(values, 0.0, memory), std::numeric_limits<double>::infinity()}, {}};
}

// Restarts, and what recombining them brings.
template <typename T>
class Round {
  public:
    Round(WeightedPoints<T> points, const SearchTask& task, Lloyd<T>& lloyd, MemoryResource* memory,
          Interrupt& interrupt)
        : task_(task),
          lloyd_(lloyd),
          result_(empty_result<T>(lloyd.centres().size(), memory)),
          iteration_(static_cast<double>(points.points.size() * lloyd.centres().size())) {
        const auto k = static_cast<std::size_t>(task.options.k);
        if (task.effort != Effort::kRestarts && pays_to_recombine(points.points.size(), k))
            recombination_.emplace(points, lloyd, memory, interrupt);
    }

    // Rounds of different numbers differ in chance only.
    SearchResult run(std::int32_t number) {
        const std::int32_t first = number * (task_.options.n_init + 1);
        for (std::int32_t i = 0; i < task_.options.n_init; ++i)
            restart(random(first + i));
        if (recombination_)
            recombine(random(first + task_.options.n_init));
        return std::move(result_);
    }

    // In multiplications.
    double work() const { return work_; }

  private:
    Random random(std::int32_t stream) const {
        return Random(static_cast<std::uint64_t>(task_.options.seed), static_cast<std::uint64_t>(stream));
    }

    void restart(Random random) {
        const double seeded = lloyd_.seed(random);
        const LloydOutcome outcome = lloyd_.iterate(
            task_.options.max_iter, task_.tol * movement_unit(task_.total, seeded, lloyd_.centres().size()));
        const double inertia = lloyd_.inertia();
        work_ += outcome.iterations * iteration_;
        if (inertia < result_.best.inertia)
            keep(lloyd_, outcome, inertia, result_);
        if (recombination_)
            recombination_->offer(inertia);
    }

    void recombine(Random random) {
        const bool thorough = task_.effort == Effort::kThorough;
        if (recombination_->is_empty() || (!thorough && !recombination_->has_parents()))
            return;
        const double unit = movement_unit(task_.total, result_.best.inertia, lloyd_.centres().size());
        work_ += recombination_->run(
            {children_of(task_.options), thorough ? std::max(2 * work_, kSecondOfWork) : work_,
             task_.options.max_iter, task_.tol * unit},
            random);
        if (thorough)
            recombination_->polish(task_.options.max_iter, task_.settled_tol * unit);
        const Candidate& best = recombination_->best();
        std::copy(best.centres.begin(), best.centres.end(), result_.best.centres.begin());
        result_.best.inertia = best.inertia;
    }

    const SearchTask& task_;
    Lloyd<T>& lloyd_;
    std::optional<Recombination<T>> recombination_;
    SearchResult result_;
    double iteration_;
    double work_ = 0;
};

}  // namespace

template <typename T>
SearchResult search_centres(WeightedPoints<T> points, const SearchTask& task, MemoryResource* memory,
                            Interrupt& interrupt) {
    const auto k = static_cast<std::size_t>(task.options.k);
    Lloyd<T> lloyd(points, k, task.length, memory, interrupt);
    SearchResult result = empty_result<T>(lloyd.centres().size(), memory);
    const std::int32_t rounds = task.effort == Effort::kThorough && task.options.n_init > 1 ? kMostRounds : 1;
    double work = 0;
    for (std::int32_t number = 0; number < rounds && work < kRoundsOfWork; ++number) {
        Round<T> round(points, task, lloyd, memory, interrupt);
        SearchResult found = round.run(number);
        work += round.work();
        const bool agrees = std::fabs(found.best.inertia - result.best.inertia) <= kSame * found.best.inertia;
        if (number == 0 || found.best.inertia < result.best.inertia)
            std::swap(result, found);
        if (agrees)
            break;
    }
    return result;
}

namespace {

// The tree of clusters while it is made: which points each leaf has, and how far they spread.
template <typename T>
class Halving {
  public:
    Halving(WeightedPoints<T> points, const SearchTask& task, MemoryResource* memory, Interrupt& interrupt)
        : points_(points),
          task_(task),
          halves_(task.options),
          memory_(memory),
          interrupt_(interrupt),
          d_(points.points.dimensions()),
          order_(points.points.size(), std::size_t{0}, memory),
          leaves_(memory) {
        halves_.k = 2;
        std::iota(order_.begin(), order_.end(), std::size_t{0});
    }

    SearchResult run() {
        const auto k = static_cast<std::size_t>(task_.options.k);
        leaves_.reserve(k);
        leaves_.push_back({0, order_.size(), std::numeric_limits<double>::infinity()});
        SearchResult result = empty_result<T>(k * d_, memory_);
        while (leaves_.size() < k)
            divide(widest(), result);
        result.outcome.converged = true;
        return result;
    }

  private:
    struct Leaf {
        std::size_t begin;  // of its points in order_
        std::size_t end;
        double within;  // sum of squares to its centre; 0 for a single point, which cannot be divided
    };

    std::size_t widest() const {
        std::size_t best = leaves_.size();
        for (std::size_t i = 0; i < leaves_.size(); ++i) {
            if (leaves_[i].end - leaves_[i].begin < 2)
                continue;
            if (best == leaves_.size() || leaves_[i].within > leaves_[best].within)
                best = i;
        }
        return best;
    }

    // Two clusters of a leaf's points: its own place and a new one at the end.
    void divide(std::size_t number, SearchResult& result) {
        const Leaf leaf = leaves_[number];
        const std::size_t size = leaf.end - leaf.begin;
        Blocks<T> members(size, d_, memory_);
        Vector<T> weights(members.block_count() * kLanes, T(0), memory_);
        for (std::size_t i = 0; i < size; ++i) {
            const std::size_t point = order_[leaf.begin + i];
            for (std::size_t f = 0; f < d_; ++f)
                members.at(i, f) = points_.points.at(point, f);
            weights[i] = points_.weights[point];
        }
        members.pad();
        const WeightedPoints<T> part = {members, weights};
        const SearchTask task = {halves_, task_.tol, task_.tol, task_.total, task_.length, Effort::kRestarts};
        const SearchResult found = search_centres(part, task, memory_, interrupt_);
        result.outcome.iterations += found.outcome.iterations;
        result.outcome.relocated += found.outcome.relocated;
        split(number, leaf, part, found, result);
    }

    // Parts the leaf's points, keeping their order on both sides.
    void split(std::size_t number, const Leaf& leaf, WeightedPoints<T> part, const SearchResult& found,
               SearchResult& result) {
        Lloyd<T> lloyd(part, 2, task_.length, memory_, interrupt_);
        lloyd.set_centres(found.best.centres.data());
        Vector<std::size_t> second(memory_);
        double within[2] = {};
        std::size_t next = leaf.begin;
        lloyd.for_each_nearest([&](std::size_t i, std::int32_t label, T distance) {
            within[label] += static_cast<double>(part.weights[i]) * static_cast<double>(distance);
            const std::size_t point = order_[leaf.begin + i];
            if (label == 0)
                order_[next++] = point;
            else
                second.push_back(point);
        });
        std::copy(second.begin(), second.end(), &order_[next]);
        const double* centres = found.best.centres.data();
        std::copy_n(centres, d_, &result.best.centres[number * d_]);
        std::copy_n(centres + d_, d_, &result.best.centres[leaves_.size() * d_]);
        leaves_[number] = {leaf.begin, next, within[0]};
        leaves_.push_back({next, leaf.end, within[1]});
    }

    WeightedPoints<T> points_;
    const SearchTask& task_;
    KmeansOptions halves_;
    MemoryResource* memory_;
    Interrupt& interrupt_;
    std::size_t d_;
    Vector<std::size_t> order_;
    Vector<Leaf> leaves_;
};

}  // namespace

template <typename T>
SearchResult halve(WeightedPoints<T> points, const SearchTask& task, MemoryResource* memory,
                   Interrupt& interrupt) {
    if (task.options.k == 1)
        return search_centres(points, task, memory, interrupt);
    return Halving<T>(points, task, memory, interrupt).run();
}

template SearchResult search_centres(WeightedPoints<float>, const SearchTask&, MemoryResource*, Interrupt&);
template SearchResult search_centres(WeightedPoints<double>, const SearchTask&, MemoryResource*, Interrupt&);
template SearchResult halve(WeightedPoints<float>, const SearchTask&, MemoryResource*, Interrupt&);
template SearchResult halve(WeightedPoints<double>, const SearchTask&, MemoryResource*, Interrupt&);

}  // namespace seg::core::clustering
