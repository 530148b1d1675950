#include "core/clustering/kmeans.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "core/clustering/assessment.hpp"
#include "core/clustering/constraints.hpp"
#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/grid.hpp"
#include "core/clustering/prototypes.hpp"
#include "core/clustering/search.hpp"
#include "core/clustering/space.hpp"
#include "core/clustering/streamed_lloyd.hpp"

namespace seg::core::clustering {
namespace {

// Below this, squared distances are lost among the numbers that double precision holds in part only.
constexpr double kLeastTotal = 1e-290;

// Rounding the points to single precision moves them by a total squared distance Q. By the triangle
// inequality the square root of any partition's cost changes by at most sqrt(Q), so with Q under this share
// of the inertia no partition's cost is off by more than about 2e-4 of itself; as rounding has no direction,
// it is Q itself, 1e-8, in practice.
constexpr double kLargestRoundingShare = 1e-8;

// After so many iterations over rows where they are, more will follow, and copying them pays.
constexpr std::int32_t kStreamedIterations = 8;

// Searching takes a sample of at least so many rows, and so many for each cluster. Fewer than twice as many,
// or four times for a single start, are searched as they are.
constexpr std::uint64_t kSampleRows = 65'536;
constexpr std::uint64_t kSampleRowsPerCluster = 256;

// Searching need not be more precise than this: iterations over all rows follow.
constexpr double kSearchTol = 1e-4;

// Sums of so many points on the grid are exact in double precision.
constexpr double kMostExact = 0x1p30;

std::uint64_t sample_size(const KmeansOptions& options) {
    return std::max(kSampleRows, kSampleRowsPerCluster * static_cast<std::uint64_t>(options.k));
}

// The fewest rows of which a sample is taken.
std::uint64_t fewest_sampled(const KmeansOptions& options) {
    return (options.n_init > 1 ? 2 : 4) * sample_size(options);
}

// By how much to thin out so many rows for the search; 1: not at all.
std::uint64_t search_divisor(std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    const bool sampled = is_large(rows, dimensions) && rows >= fewest_sampled(options);
    return sampled ? std::bit_floor(rows / sample_size(options)) : 1;
}

// Of the points that a search may have, an upper limit.
std::uint64_t most_searched(std::size_t dimensions, const KmeansOptions& options) {
    return std::max(fewest_sampled(options), kLargeInput / dimensions);
}

bool has_bounds(const KmeansOptions& options) {
    return options.min_size > 0 || options.max_size > 0;
}

// Whether rows can be worked through in their order of arrival, without collapsing equal ones: sums over the
// grid are exact only for weights that are whole numbers.
bool can_stream(std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    return search_divisor(rows, dimensions, options) > 1 && !options.weighted && !has_bounds(options) &&
           options.algorithm != Algorithm::kPrototypes;
}

void price_collapsed(Bill& bill, std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    const auto k = static_cast<std::size_t>(options.k);
    price_distinct_rows(bill, rows, dimensions);
    if (options.algorithm == Algorithm::kPrototypes) {
        price_prototypes(bill, rows, dimensions, options.groups, k);
        return;
    }
    Lloyd<double>::price(bill, rows, dimensions, k);
    if (is_large(rows, dimensions))
        bill.add(rows + kLanes, (dimensions + 1) * sizeof(float));
    if (options.algorithm != Algorithm::kBisecting && options.init.empty())
        price_recombination(bill, std::min(rows, most_searched(dimensions, options)), dimensions, k);
    if (options.algorithm == Algorithm::kBisecting)
        bill.add(rows + kLanes, (dimensions + 4) * sizeof(double));
    if (has_bounds(options))
        price_constraints(bill, rows, dimensions, k);
}

void price_streamed(Bill& bill, std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    StreamedLloyd::price(bill, dimensions, static_cast<std::size_t>(options.k));
    // The sample and its rows, at most twice the expected number by chance.
    const std::uint64_t sampled = std::min(rows, 4 * sample_size(options));
    bill.add(sampled, dimensions * sizeof(double));
    price_collapsed(bill, sampled, dimensions, options);
}

// What does not grow with the rows.
void price_model(Bill& bill, std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    const auto k = static_cast<std::size_t>(options.k);
    bill.add(k, 8 * dimensions * sizeof(double) + 384);
    bill.add(dimensions, 80 * kLanes);
    if (options.standardize == Standardize::kRobust)
        bill.add(rows, 2 * sizeof(double));
}

class Trainer {
  public:
    Trainer(const GatheredRows& gathered, const KmeansOptions& options, std::uint64_t budget,
            MemoryResource* memory, Interrupt& interrupt)
        : gathered_(gathered),
          options_(options),
          budget_(budget),
          memory_(memory),
          interrupt_(interrupt),
          k_(static_cast<std::size_t>(options.k)),
          d_(gathered.rows.dimensions()),
          model_(memory),
          spread_(d_, memory),
          origin_(d_, 0.0, memory) {
        validate(options, d_);
        model_.facts.options = options;
        model_.facts.options.init = {};
        model_.facts.options.gamma = 0;
        model_.facts.dimensions = static_cast<std::int32_t>(d_);
        model_.facts.rows = gathered.seen;
        model_.facts.skipped = gathered.skipped;
        model_.offset.assign(k_, 0.0);
    }

    TrainedKmeans train() {
        select();
        measure();
        if (options_.algorithm == Algorithm::kPrototypes)
            train_prototypes();
        else
            train_kmeans();
        return std::move(model_);
    }

  private:
    // ---- which rows

    // The rows that centres are made of: all, or as many as the budget allows.
    void select() {
        if (gathered_.rows.size() == 0 || (has_bounds(options_) && gathered_.divisor > 1))
            refuse_budget(static_cast<std::uint64_t>(gathered_.seen));
        take_rows([this](std::uint64_t rows) { return price_kmeans(rows, d_, options_); });
    }

    // As many rows as this price allows.
    template <typename Price>
    void take_rows(const Price& price) {
        own_.reset();
        const std::uint64_t rows = gathered_.rows.size();
        if (price(rows).total() <= budget_) {
            set_rows(gathered_.rows, gathered_.divisor);
            return;
        }
        if (has_bounds(options_))
            refuse_budget(rows);
        std::uint64_t divisor = gathered_.divisor;
        std::uint64_t left = rows;
        while (price(left).add(left, row_bytes()).total() > budget_) {
            divisor *= 2;
            left = count_sample(gathered_.rows, divisor, interrupt_);
            if (left < 2 * k_)
                refuse_budget(rows);
        }
        own_.emplace(memory_).take(gathered_.rows, divisor, interrupt_);
        set_rows(own_->table(options_.weighted), divisor);
    }

    // Of a row of one's own, with the slack of its store.
    std::size_t row_bytes() const { return (gathered_.rows.store.width() + 1) * 2 * sizeof(double); }

    void set_rows(const RowTable& rows, std::uint64_t divisor) {
        rows_.emplace(rows);
        divisor_ = divisor;
        model_.facts.sampled_rows = 0;
        for (std::size_t i = 0; i < rows.size(); ++i)
            model_.facts.sampled_rows += rows.count(i);
        if (options_.tol == kAutomaticTol)
            model_.facts.options.tol = is_large(rows.size(), d_) ? kLargeInputTol : 0.0;
    }

    [[noreturn]] void refuse_budget(std::uint64_t rows) const {
        throw Error(
            Errc::kTooBig, "the job needs more memory than pg_segment.max_memory allows",
            format(
                "It needs about %llu MB, the limit is %llu MB.",
                static_cast<unsigned long long>(price_kmeans(rows, d_, options_).total() / 1024 / 1024 + 1),
                static_cast<unsigned long long>(budget_ / 1024 / 1024)),
            has_bounds(options_) ? "Bounds on sizes need all rows at once; raise pg_segment.max_memory."
                                 : "Raise pg_segment.max_memory, or use fewer clusters or features.");
    }

    void check_distinct(std::size_t distinct) const {
        if (k_ <= distinct)
            return;
        throw Error(Errc::kInvalidArgument,
                    format("number of clusters must be between 1 and %zu, not %zu", distinct, k_),
                    format("There are %lld rows, of which %zu are distinct.",
                           static_cast<long long>(model_.facts.sampled_rows), distinct));
    }

    // ---- the space of distances

    Space space() const {
        return {{model_.shift.data(), d_}, {model_.scale.data(), d_}, options_.measure == Measure::kCosine};
    }
    RowBlocks blocks(const RowTable& rows) const { return {rows, space(), memory_}; }

    void measure() {
        fit_space(gathered_.rows, options_, model_.shift, model_.scale, memory_, interrupt_);
        RowBlocks all = blocks(gathered_.rows);
        spread_ = measure_spread(all, memory_, interrupt_);
        model_.facts.weight = spread_.weight;
        model_.facts.total_ss = spread_.total_ss;
        const bool differ = spread_.least != spread_.greatest;
        if (differ && !(spread_.total_ss >= kLeastTotal))
            throw Error(Errc::kOutOfRange, "the rows differ by too little for their distances to be computed",
                        format("The sum of squared distances to the mean is %g.", spread_.total_ss),
                        "Multiply the features by a constant.");
        // Centres of cosine keep the length of the rows only if the origin stays where it is.
        if (options_.measure != Measure::kCosine)
            origin_ = spread_.mean;
    }

    void to_space(DistinctRows& rows) const {
        WorkMeter meter(interrupt_);
        Vector<double> row(d_, 0.0, memory_);
        for (std::size_t i = 0; i < rows.points.size(); ++i) {
            for (std::size_t f = 0; f < d_; ++f)
                row[f] = rows.points.at(i, f);
            space().transform(row, [&](std::size_t f, double value) { rows.points.at(i, f) = value + 0.0; });
            meter.done(work_of_row(d_));
        }
        rows.points.pad();
    }

    DistinctRows collapsed(const RowTable& rows) const {
        DistinctRows distinct = distinct_rows(rows, memory_, interrupt_);
        if (options_.standardize != Standardize::kNone || options_.measure == Measure::kCosine)
            to_space(distinct);
        return distinct;
    }

    // ---- k-means

    void train_kmeans() {
        const double scale =
            is_large(rows_->size(), d_) && !options_.weighted ? grid_scale(spread_, {origin_.data(), d_}) : 0;
        const bool exact = spread_.weight <= kMostExact;
        if (scale == 0 || !exact || !can_stream(rows_->size(), d_, options_) || !stream(scale))
            collapse(scale);
        finish();
        if (!rounding_matters())
            return;
        take_rows([this](std::uint64_t rows) {
            Bill bill;
            price_model(bill, gathered_.rows.size(), d_, options_);
            price_collapsed(bill, rows, d_, options_);
            return bill;
        });
        collapse(0);
        finish();
    }

    // Beside the inertia of the rows that were rounded: what far outliers that are not among them add says
    // nothing.
    bool rounding_matters() {
        if (rounding_ == 0)
            return false;
        return rounding_ > kLargestRoundingShare * (own_ ? assessed(*rows_).inertia : model_.facts.inertia);
    }

    template <typename Price>
    bool affords(const Price& price) const {
        Bill bill;
        price_model(bill, gathered_.rows.size(), d_, options_);
        if (own_)
            bill.add(rows_->size(), row_bytes());
        price(bill);
        return bill.total() <= budget_;
    }

    // Searches in a sample and goes on with all rows in their order of arrival. False when so many rows are
    // equal that collapsing them pays.
    bool stream(double scale) {
        const std::uint64_t divisor = search_divisor(rows_->size(), d_, options_);
        std::optional<DistinctRows> part;
        {
            RowSample sample(memory_);
            sample.take(*rows_, divisor_ * divisor, interrupt_);
            const RowTable table = sample.table(options_.weighted);
            if (table.size() > 0)
                part.emplace(collapsed(table));
        }
        if (!part || part->points.size() < std::max<std::uint64_t>(rows_->size() / divisor / 2, k_)) {
            if (affords([this](Bill& bill) { price_collapsed(bill, rows_->size(), d_, options_); }))
                return false;
            check_distinct(part ? part->points.size() : 0);
        }
        const Grid grid = {{origin_.data(), d_}, scale};
        find(part->points.size(), grid, *part);
        part.reset();
        StreamedLloyd lloyd(*rows_, space(), grid, k_, length(scale), memory_, interrupt_);
        if (!go_on(lloyd,
                   affords_copy() ? std::min(options_.max_iter, kStreamedIterations) : options_.max_iter,
                   grid))
            go_on_with_copy(lloyd, grid);
        rounding_ = most_rounding(static_cast<double>(model_.facts.sampled_rows), d_) / scale / scale;
        return true;
    }

    // Counts are floats there.
    bool affords_copy() const {
        constexpr double kMostExactFloat = 0x1p24;
        return spread_.largest_weight <= kMostExactFloat && affords([this](Bill& bill) {
                   StreamedLloyd::price(bill, d_, k_);
                   Lloyd<float>::price(bill, rows_->size(), d_, k_);
                   bill.add(rows_->size() + kLanes, (d_ + 1) * sizeof(float));
               });
    }

    // From where the streamed iterations ended, on the grid. Others may have the memory by now; then it goes
    // on as it did, to the same bits.
    void go_on_with_copy(StreamedLloyd& streamed, const Grid& grid) {
        const std::int32_t left = options_.max_iter - kStreamedIterations;
        try {
            GridPoints points(rows_->size(), d_, memory_);
            streamed.copy_to(points);
            Lloyd<float> lloyd(points.view(), k_, length(grid.scale), memory_, interrupt_);
            const Vector<double> start(streamed.centres().begin(), streamed.centres().end(), memory_);
            lloyd.set_centres(start.data());
            iterate(lloyd, left, grid);
            take_centres(lloyd, grid);
        } catch (const Error& error) {
            if (error.code() != Errc::kTooBig)
                throw;
            iterate(streamed, left, grid);
            take_centres(streamed, grid);
        }
    }

    // Works on distinct rows; with a scale in single precision.
    void collapse(double scale) {
        DistinctRows rows = collapsed(*rows_);
        const std::size_t distinct = rows.points.size();
        check_distinct(distinct);
        model_.facts.distinct_rows = static_cast<std::int64_t>(distinct);
        if (options_.tol == kAutomaticTol)
            model_.facts.options.tol = is_large(distinct, d_) ? kLargeInputTol : 0.0;
        effort_ = is_large(distinct, d_) ? Effort::kRecombined : Effort::kThorough;
        if (scale == 0 || !is_large(distinct, d_)) {
            find_double(rows);
        } else {
            const Grid grid = {{origin_.data(), d_}, scale};
            find(distinct / search_divisor(distinct, d_, options_), grid, rows);
            const GridPoints points = to_grid(rows, distinct, grid, memory_, interrupt_);
            Lloyd<float> lloyd(points.view(), k_, length(scale), memory_, interrupt_);
            go_on(lloyd, options_.max_iter, grid);
            rounding_ = points.rounding / scale / scale;
        }
        if (has_bounds(options_))
            keep_bounds(rows);
    }

    // The centres' squared movement may be tol times the mean variance of a feature.
    double tolerance(double weight) const {
        return model_.facts.options.tol / static_cast<double>(d_) / weight;
    }

    double length(double scale) const { return options_.measure == Measure::kCosine ? scale : 0; }

    // Looks for centres among the points, whose space is that of distances times scale.
    template <typename T>
    void search(WeightedPoints<T> points, double scale) {
        double weight = 0;
        for (T of_point : points.weights)
            weight += static_cast<double>(of_point);
        const double total = spread_.total_ss * scale * scale / spread_.weight * weight;
        const double tol = std::max(kSearchTol / static_cast<double>(d_) / weight, tolerance(weight));
        const SearchTask task = {options_, tol, tolerance(weight), total, length(scale), effort_};
        const SearchResult result = options_.algorithm == Algorithm::kBisecting
                                        ? halve(points, task, memory_, interrupt_)
                                        : search_centres(points, task, memory_, interrupt_);
        model_.centres.assign(result.best.centres.begin(), result.best.centres.end());
        note(result.outcome);
        movement_ = tolerance(weight) * movement_unit(total, result.best.inertia, k_ * d_) / scale / scale;
    }

    void note(const LloydOutcome& outcome) {
        model_.facts.iterations = outcome.iterations;
        model_.facts.relocated = outcome.relocated;
        model_.facts.converged = outcome.converged;
    }

    // Centres from the first `count` of the rows, in single precision, or those that were given.
    void find(std::size_t count, const Grid& grid, const DistinctRows& rows) {
        if (!options_.init.empty()) {
            take_init();
            return;
        }
        const GridPoints part = to_grid(rows, count, grid, memory_, interrupt_);
        search(part.view(), grid.scale);
        for (std::size_t i = 0; i < model_.centres.size(); ++i)
            model_.centres[i] = model_.centres[i] / grid.scale + origin_[i % d_];
    }

    void take_init() {
        model_.centres.assign(k_ * d_, 0.0);
        for (std::size_t c = 0; c < k_; ++c) {
            double* centre = &model_.centres[c * d_];
            space().transform(options_.init.data() + c * d_,
                              [centre](std::size_t f, double value) { centre[f] = value + 0.0; });
        }
        note({});
        // Twice what ends a search, so that going on from its outcome finds nothing to move.
        movement_ =
            2 * tolerance(spread_.weight) * movement_unit(spread_.total_ss, assessed().inertia, k_ * d_);
    }

    // Iterates over all points from the centres found; those stay as they are when nothing moves them.
    // Returns whether that is the end of it: the iterations converged, or are as many as there may be.
    template <typename AnyLloyd>
    bool go_on(AnyLloyd& lloyd, std::int32_t max_iter, const Grid& grid) {
        Vector<double> start(model_.centres.size(), 0.0, memory_);
        for (std::size_t i = 0; i < start.size(); ++i)
            start[i] = (model_.centres[i] - origin_[i % d_]) * grid.scale;
        lloyd.set_centres(start.data());
        const LloydOutcome outcome = iterate(lloyd, max_iter, grid);
        if (outcome.iterations > 1 || !outcome.converged)
            take_centres(lloyd, grid);
        return outcome.converged || max_iter == options_.max_iter;
    }

    template <typename AnyLloyd>
    LloydOutcome iterate(AnyLloyd& lloyd, std::int32_t max_iter, const Grid& grid) {
        const LloydOutcome outcome = lloyd.iterate(max_iter, movement_ * grid.scale * grid.scale);
        add_outcome(outcome);
        return outcome;
    }

    template <typename AnyLloyd>
    void take_centres(const AnyLloyd& lloyd, const Grid& grid) {
        for (std::size_t i = 0; i < model_.centres.size(); ++i)
            model_.centres[i] = static_cast<double>(lloyd.centres()[i]) / grid.scale + origin_[i % d_];
    }

    void add_outcome(const LloydOutcome& outcome) {
        model_.facts.iterations += outcome.iterations;
        model_.facts.relocated += outcome.relocated;
        model_.facts.converged = outcome.converged;
    }

    void find_double(const DistinctRows& rows) {
        const WeightedPoints<double> points = {rows.points, rows.weights};
        if (!options_.init.empty())
            take_init();
        else if (const std::uint64_t divisor = search_divisor(rows.points.size(), d_, options_); divisor > 1)
            search_first(rows, rows.points.size() / divisor);
        else
            search(points, 1);
        rounding_ = 0;
        settle_double(points);
    }

    // Searches in the first rows.
    void search_first(const DistinctRows& rows, std::size_t count) {
        Blocks<double> points(count, d_, memory_);
        std::copy_n(rows.points.block(0), points.block_count() * d_ * kLanes, points.block(0));
        points.pad();
        Vector<double> weights(points.block_count() * kLanes, 0.0, memory_);
        std::copy_n(rows.weights.begin(), count, weights.begin());
        search(WeightedPoints<double>{points, weights}, 1);
    }

    // Iterates over all points until sums made afresh move nothing.
    void settle_double(WeightedPoints<double> points) {
        constexpr int kPasses = 4;
        Lloyd<double> lloyd(points, k_, length(1), memory_, interrupt_);
        for (int pass = 0; pass < kPasses; ++pass) {
            lloyd.set_centres(model_.centres.data());
            const LloydOutcome outcome = lloyd.iterate(options_.max_iter, movement_);
            if (pass == 0)
                add_outcome(outcome);
            if (outcome.iterations == 1 && outcome.converged)
                return;
            model_.centres.assign(lloyd.centres().begin(), lloyd.centres().end());
            if (!outcome.converged)
                return;
        }
    }

    // ---- bounds on sizes

    void keep_bounds(const DistinctRows& rows) {
        const SizeBounds bounds = {options_.min_size, options_.max_size};
        const ConstrainedClusters result = constrain_sizes(
            rows, {model_.centres.data(), model_.centres.size()}, bounds, memory_, interrupt_);
        model_.centres.assign(result.centres.begin(), result.centres.end());
        model_.offset.assign(result.offsets.begin(), result.offsets.end());
        model_.facts.constrained = result.satisfied;
        model_.facts.converged = result.stable;
    }

    // ---- k-prototypes

    void train_prototypes() {
        const DistinctRows rows = collapsed(*rows_);
        check_distinct(rows.points.size());
        model_.facts.distinct_rows = static_cast<std::int64_t>(rows.points.size());
        PrototypesOptions options;
        options.k = options_.k;
        options.n_init = options_.n_init;
        options.max_iter = options_.max_iter;
        options.tol = model_.facts.options.tol * spread_.total_ss / spread_.weight / static_cast<double>(d_);
        options.gamma = options_.gamma;
        options.seed = options_.seed;
        const Prototypes found =
            clustering::train_prototypes(rows, options_.groups, options, memory_, interrupt_);
        model_.groups.assign(found.groups.begin(), found.groups.end());
        model_.centres.assign(found.centres.begin(), found.centres.end());
        model_.facts.options.gamma = found.gamma;
        note({found.iterations, found.relocated, found.converged});
        model_.facts.total_ss = cost_of_one();
        if (!std::isfinite(model_.facts.total_ss))
            throw Error(Errc::kOutOfRange,
                        "the rows are too far from each other for their distances to be computed", {},
                        "Use a smaller \"gamma\".");
        finish();
    }

    // What a single cluster of all rows would cost.
    double cost_of_one() {
        const Centres one = {{spread_.mean.data(), d_},
                             {},
                             {model_.groups.data(), model_.groups.size()},
                             model_.facts.options.gamma,
                             true};
        RowBlocks all = blocks(gathered_.rows);
        return assess(all, space(), one, spread_, memory_, interrupt_).inertia;
    }

    // ---- result

    bool has_offsets() const {
        return std::any_of(model_.offset.begin(), model_.offset.end(), [](double x) { return x != 0; });
    }

    // Sizes and sums from the nearest centre of every row: what scoring the same rows with the model gives.
    void finish() {
        Assessment assessment = assessed();
        // Rows as near to two clusters go to the lower number, so what was found holds for one numbering
        // only.
        for (int pass = 0; pass < 2 && number(assessment) && assessment.ties; ++pass)
            assessment = assessed();
        model_.within_ss.swap(assessment.within_ss);
        model_.radius.swap(assessment.radius);
        model_.scatter.swap(assessment.scatter);
        model_.silhouette.swap(assessment.silhouette);
        model_.weight.swap(assessment.weight);
        model_.sizes.swap(assessment.sizes);
        model_.facts.inertia = assessment.inertia;
    }

    Assessment assessed() { return assessed(gathered_.rows); }

    Assessment assessed(const RowTable& rows) {
        RowBlocks all = blocks(rows);
        const Centres centres = {
            {model_.centres.data(), model_.centres.size()},
            has_offsets() ? std::span<const double>(model_.offset.data(), k_) : std::span<const double>(),
            {model_.groups.data(), model_.groups.size()},
            model_.facts.options.gamma,
            options_.algorithm == Algorithm::kPrototypes};
        return assess(all, space(), centres, spread_, memory_, interrupt_);
    }

    // Orders the clusters; false when they already were in order.
    bool number(Assessment& assessment) {
        if (!options_.init.empty() && options_.order_by == 0)
            return false;
        Vector<std::size_t> order(k_, std::size_t{0}, memory_);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::sort(order.begin(), order.end(),
                  [&](std::size_t a, std::size_t b) { return comes_first(a, b, assessment); });
        if (std::is_sorted(order.begin(), order.end()))
            return false;
        reorder(model_.centres, order, d_);
        reorder(model_.offset, order, 1);
        reorder(assessment.within_ss, order, 1);
        reorder(assessment.radius, order, 1);
        reorder(assessment.scatter, order, 1);
        reorder(assessment.silhouette, order, 1);
        reorder(assessment.weight, order, 1);
        reorder(assessment.sizes, order, 1);
        return true;
    }

    // By the feature that was asked for, then by weight (largest first), then by centre.
    bool comes_first(std::size_t a, std::size_t b, const Assessment& assessment) const {
        const double* first = &model_.centres[a * d_];
        const double* second = &model_.centres[b * d_];
        if (options_.order_by != 0) {
            const auto f = static_cast<std::size_t>(std::abs(options_.order_by) - 1);
            if (first[f] != second[f])
                return (first[f] < second[f]) == (options_.order_by > 0);
        }
        if (assessment.weight[a] != assessment.weight[b])
            return assessment.weight[a] > assessment.weight[b];
        return std::lexicographical_compare(first, first + d_, second, second + d_);
    }

    template <typename T>
    void reorder(Vector<T>& values, const Vector<std::size_t>& order, std::size_t width) const {
        Vector<T> ordered(values.size(), T(0), memory_);
        for (std::size_t c = 0; c < order.size(); ++c)
            std::copy_n(values.data() + order[c] * width, width, ordered.data() + c * width);
        values.swap(ordered);
    }

    const GatheredRows& gathered_;
    const KmeansOptions& options_;
    std::uint64_t budget_;
    MemoryResource* memory_;
    Interrupt& interrupt_;
    std::size_t k_;
    std::size_t d_;
    TrainedKmeans model_;
    Spread spread_;          // of all rows, in the space of distances
    Vector<double> origin_;  // of the grid
    std::optional<RowSample> own_;
    std::optional<RowTable> rows_;  // those that centres are made of
    std::uint64_t divisor_ = 1;
    Effort effort_ = Effort::kRecombined;
    double movement_ = 0;  // of all centres, squared: what ends the iterations over all rows
    double rounding_ = 0;  // sum of weight * squared rounding error of single precision
};

}  // namespace

ClusteringParts TrainedKmeans::parts() const {
    const auto view = [](const auto& values) { return std::span(values.data(), values.size()); };
    TrainingFacts all = facts;
    all.options.groups = view(groups);
    return {all,
            view(shift),
            view(scale),
            view(centres),
            view(within_ss),
            view(radius),
            view(scatter),
            view(silhouette),
            view(offset),
            view(weight),
            view(sizes),
            {},
            {}};
}

Bill price_kmeans(std::uint64_t rows, std::size_t dimensions, const KmeansOptions& options) {
    Bill bill;
    price_model(bill, rows, dimensions, options);
    if (can_stream(rows, dimensions, options))
        price_streamed(bill, rows, dimensions, options);
    else
        price_collapsed(bill, rows, dimensions, options);
    return bill;
}

TrainedKmeans train_kmeans(const GatheredRows& gathered, const KmeansOptions& options, std::uint64_t budget,
                           MemoryResource* memory, Interrupt& interrupt) {
    validate(options);
    return Trainer(gathered, options, budget, memory, interrupt).train();
}

}  // namespace seg::core::clustering
