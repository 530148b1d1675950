// Fitting a scale: which ranks each method cuts at, and the passes that find their values.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/rfm/rank_select.hpp"
#include "core/rfm/scale.hpp"

namespace seg::core::rfm {
namespace {

std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) {
    return a / b + (a % b != 0);
}

// A position between two ranks of an ascending list.
struct Position {
    std::uint64_t low;
    std::uint64_t high;
    double weight;  // of high
};

// R's quantile(type = 7) at k of n parts: seq(0, 1, length.out = n + 1) holds k * (1 / n), which is not
// always k / n, and the position is a double, too.
Position type7_position(std::uint64_t rows, int k, int bins) {
    const double probability = k * (1.0 / bins);
    const double position = 1.0 + static_cast<double>(rows - 1) * probability;
    const double low = std::floor(position);
    return {static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(std::ceil(position)), position - low};
}

// How to find one measure's cuts among the rows of one list of a selection.
class CutFinder {
  public:
    CutFinder(Method method, Measure measure, int bins, std::uint32_t list, std::uint64_t rows)
        : method_(method), measure_(measure), bins_(bins), list_(list), rows_(rows) {}

    void want(RankSelect& select) const {
        for (int k = 1; k < bins_; ++k) {
            if (method_ == Method::kRRfm) {
                const Position position = type7_position(rows_, k, bins_);
                select.want(list_, position.low);
                select.want(list_, position.high);
            } else {
                select.want(list_, ascending_rank(k));
            }
        }
    }

    // cuts: from the worst score's upwards.
    void read(const RankSelect& select, std::span<double> cuts) const {
        if (method_ == Method::kRRfm) {
            read_type7(select, cuts);
            return;
        }
        for (int k = 1; k < bins_; ++k)
            cuts[static_cast<std::size_t>(k - 1)] = select.value(list_, ascending_rank(k));
    }

  private:
    // Rank of the k-th cut, counted from the worst customer up. The score of a customer must not be less than
    // k + 1 if and only if
    //   percent_rank: (customers worse) * N / (rows - 1) >= k, so ceil(k * (rows - 1) / N) customers are
    //   worse; cume_dist: (customers not better) * N / rows > k, so floor(k * rows / N) + 1 customers are not
    //   better; others: they are better than the customer at rank ceil(k * rows / N), as percentile_disc(k /
    //   N) has it.
    // In whole numbers, because k / N is no double.
    std::uint64_t rank_from_worst(int k) const {
        const auto parts = static_cast<std::uint64_t>(bins_);
        const auto cut = static_cast<std::uint64_t>(k);
        switch (method_) {
            case Method::kPercentRank:
                return rows_ == 1 ? 1 : ceil_divide(cut * (rows_ - 1), parts);
            case Method::kCumeDist:
                return cut * rows_ / parts + 1;
            default:
                return ceil_divide(cut * rows_, parts);
        }
    }
    std::uint64_t ascending_rank(int k) const {
        return measure_ == Measure::kRecency ? rows_ + 1 - rank_from_worst(k) : rank_from_worst(k);
    }

    void read_type7(const RankSelect& select, std::span<double> cuts) const {
        for (int k = 1; k < bins_; ++k) {
            const Position position = type7_position(rows_, k, bins_);
            double quantile = select.value(list_, position.low);
            const double high = select.value(list_, position.high);
            if (position.weight > 0 && high != quantile)
                quantile = (1 - position.weight) * quantile + position.weight * high;
            const int place = measure_ == Measure::kRecency ? bins_ - k : k;
            cuts[static_cast<std::size_t>(place - 1)] = quantile + 1;
        }
        // Rounding may put two interpolated cuts in the wrong order; R's later interval then wins.
        const auto ascending_from = [&](auto begin, auto end) {
            for (auto cut = begin; cut != end && cut + 1 != end; ++cut)
                cut[1] = std::min(cut[0], cut[1]);
        };
        if (measure_ == Measure::kRecency)
            ascending_from(cuts.begin(), cuts.end());
        else
            ascending_from(cuts.rbegin(), cuts.rend());
    }

    Method method_;
    Measure measure_;
    int bins_;
    std::uint32_t list_;
    std::uint64_t rows_;
};

// One visit of the customers, as a lambda; counts the work.
template <typename Take>
void visit_all(const MeasureSource& customers, WorkMeter& meter, const Take& take) {
    class Consumer final : public MeasureConsumer {
      public:
        Consumer(WorkMeter& work, const Take& taker) : meter_(work), take_(taker) {}
        void take(std::span<const Measures> batch) override {
            take_(batch);
            meter_.done(batch.size());
        }

      private:
        WorkMeter& meter_;
        const Take& take_;
    };
    Consumer consumer(meter, take);
    customers.visit(consumer);
}

void check_all_finite(std::span<const Measures> batch) {
    constexpr double kLargest = std::numeric_limits<double>::max();
    bool fine = true;  // one test a batch, so that the loop has no branch
    for (const Measures& customer : batch)
        fine &= (std::fabs(customer.recency) <= kLargest) & (std::fabs(customer.frequency) <= kLargest) &
                (std::fabs(customer.monetary) <= kLargest);
    if (fine)
        return;
    for (const Measures& customer : batch)
        check_finite(customer);
}

class Fit {
  public:
    Fit(const MeasureSource& customers, const ScaleOptions& options, MemoryResource& memory,
        Interrupt& interrupt, std::int64_t skipped)
        : customers_(customers),
          options_(resolved(options)),
          memory_(memory),
          meter_(interrupt),
          rows_(customers.size()),
          scale_(options_.method, options_.bins, static_cast<std::int64_t>(rows_), skipped) {
        if (rows_ == 0)
            throw Error(Errc::kInvalidArgument, "a scale cannot be fitted to no customers");
    }

    Scale scale() {
        if (options_.method == Method::kFixed)
            take_breaks();
        else
            fit_measures();
        if (options_.method == Method::kNested) {
            fit_frequency_cells();
            fit_monetary_cells();
        }
        return scale_;
    }

  private:
    static constexpr double kKlaviyoDays[] = {365, 180};

    // How the cuts of a measure over all customers are found.
    Method method_of(Measure measure) const {
        if (options_.method == Method::kKlaviyo)
            return measure == Measure::kRecency ? Method::kFixed : Method::kQuantile;
        return options_.method;
    }
    CutFinder finder(Measure measure) const {
        return {method_of(measure), measure, scale_.bins(measure), static_cast<std::uint32_t>(measure),
                rows_};
    }

    void take_breaks() {
        visit_all(customers_, meter_, check_all_finite);
        for (Measure measure : kEveryMeasure) {
            const std::span<const double> breaks = options_.breaks[index_of(measure)].values();
            const std::span<double> cuts = scale_.cuts(measure);
            if (measure == Measure::kRecency)
                std::copy(breaks.rbegin(), breaks.rend(), cuts.begin());
            else
                std::copy(breaks.begin(), breaks.end(), cuts.begin());
        }
    }

    // The cuts over all customers; in a nested scale those of frequency and monetary value are kept for cells
    // that nobody is in.
    void fit_measures() {
        const std::uint64_t sizes[kMeasures] = {rows_, rows_, rows_};
        RankSelect select(sizes, memory_);
        for (Measure measure : kEveryMeasure)
            if (method_of(measure) != Method::kFixed)
                finder(measure).want(select);
        if (scale_.nested())
            for (std::uint32_t list = 1; list < kMeasures; ++list) {
                select.want(list, 1);
                select.want(list, rows_);
            }
        bool checked = false;
        for (select.begin(); !select.finished(); select.finish_pass(), checked = true)
            visit_all(customers_, meter_, [&](std::span<const Measures> batch) {
                if (!checked)
                    check_all_finite(batch);
                select.add(0, batch.size(), [&](std::size_t i) { return sort_key(batch[i].recency); });
                select.add(1, batch.size(), [&](std::size_t i) { return sort_key(batch[i].frequency); });
                select.add(2, batch.size(), [&](std::size_t i) { return sort_key(batch[i].monetary); });
            });
        read_measures(select);
    }

    void read_measures(const RankSelect& select) {
        for (Measure measure : kEveryMeasure) {
            const std::span<double> cuts = scale_.cuts(measure);
            if (method_of(measure) == Method::kFixed)
                std::copy(std::begin(kKlaviyoDays), std::end(kKlaviyoDays), cuts.begin());
            else
                finder(measure).read(select, cuts);
        }
        if (!scale_.nested())
            return;
        for (std::uint32_t list = 1; list < kMeasures; ++list)
            range_[list] = {sort_key(select.value(list, 1)), sort_key(select.value(list, rows_))};
        spread_cuts();
    }

    // Gives every cell the cuts of all customers.
    void spread_cuts() {
        std::array<double, kMaxCuts> frequency{};
        std::array<double, kMaxCuts> monetary{};
        std::ranges::copy(std::as_const(scale_).cuts(Measure::kFrequency), frequency.begin());
        std::ranges::copy(std::as_const(scale_).cuts(Measure::kMonetary), monetary.begin());
        for (int r = 1; r <= scale_.bins(Measure::kRecency); ++r) {
            std::ranges::copy(std::span(frequency).first(scale_.cuts(Measure::kFrequency).size()),
                              scale_.cuts(Measure::kFrequency, r).begin());
            for (int f = 1; f <= scale_.bins(Measure::kFrequency); ++f)
                std::ranges::copy(std::span(monetary).first(scale_.cuts(Measure::kMonetary).size()),
                                  scale_.cuts(Measure::kMonetary, r, f).begin());
        }
    }

    // Finds the cuts of a measure within each cell: cell_of(customer) is its number, value_of(customer) the
    // measure, cuts_of(cell) where the cuts go.
    template <typename CellOf, typename ValueOf, typename CutsOf>
    void fit_cells(Measure measure, std::size_t cells, const CellOf& cell_of, const ValueOf& value_of,
                   const CutsOf& cuts_of) {
        std::array<std::uint64_t, Scale::kMaxCells> sizes{};
        visit_all(customers_, meter_, [&](std::span<const Measures> batch) {
            for (const Measures& customer : batch)
                ++sizes[cell_of(customer)];
        });
        RankSelect select({sizes.data(), cells}, memory_);
        const auto finder_of = [&](std::size_t cell) {
            return CutFinder(Method::kNested, measure, scale_.bins(measure), static_cast<std::uint32_t>(cell),
                             sizes[cell]);
        };
        for (std::size_t cell = 0; cell < cells; ++cell)
            if (sizes[cell] > 0)
                finder_of(cell).want(select);
        const KeyRange range = range_[index_of(measure)];
        for (select.begin(range.lowest, range.highest); !select.finished(); select.finish_pass())
            visit_all(customers_, meter_, [&](std::span<const Measures> batch) {
                for (const Measures& customer : batch)
                    select.add(static_cast<std::uint32_t>(cell_of(customer)), 1,
                               [&](std::size_t) { return sort_key(value_of(customer)); });
            });
        for (std::size_t cell = 0; cell < cells; ++cell)
            if (sizes[cell] > 0)
                finder_of(cell).read(select, cuts_of(cell));
    }

    void fit_frequency_cells() {
        fit_cells(
            Measure::kFrequency, static_cast<std::size_t>(scale_.bins(Measure::kRecency)),
            [&](const Measures& customer) {
                return static_cast<std::size_t>(scale_.recency_score(customer.recency) - 1);
            },
            [](const Measures& customer) { return customer.frequency; },
            [&](std::size_t cell) { return scale_.cuts(Measure::kFrequency, static_cast<int>(cell) + 1); });
    }

    void fit_monetary_cells() {
        const int f_bins = scale_.bins(Measure::kFrequency);
        fit_cells(
            Measure::kMonetary, static_cast<std::size_t>(scale_.bins(Measure::kRecency) * f_bins),
            [&](const Measures& customer) {
                const int r = scale_.recency_score(customer.recency);
                return static_cast<std::size_t>((r - 1) * f_bins +
                                                scale_.frequency_score(customer.frequency, r) - 1);
            },
            [](const Measures& customer) { return customer.monetary; },
            [&](std::size_t cell) {
                return scale_.cuts(Measure::kMonetary, static_cast<int>(cell) / f_bins + 1,
                                   static_cast<int>(cell) % f_bins + 1);
            });
    }

    struct KeyRange {
        std::uint64_t lowest = 0;
        std::uint64_t highest = 0;
    };

    const MeasureSource& customers_;
    const ScaleOptions options_;
    MemoryResource& memory_;
    WorkMeter meter_;
    const std::uint64_t rows_;
    Scale scale_;
    KeyRange range_[kMeasures];
};

}  // namespace

Scale fit_scale(const MeasureSource& customers, const ScaleOptions& options, MemoryResource& memory,
                Interrupt& interrupt, std::int64_t skipped) {
    return Fit(customers, options, memory, interrupt, skipped).scale();
}

}  // namespace seg::core::rfm
