#include "core/clustering/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/base/random.hpp"
#include "core/clustering/distinct_rows.hpp"
#include "core/clustering/kmeans.hpp"
#include "core/clustering/quality.hpp"
#include "core/clustering/search.hpp"
#include "core/clustering/space.hpp"

namespace seg::core::clustering {
namespace {

// Streams of random numbers beside those of the restarts of one training, which are numbered from 0.
constexpr std::uint64_t kSampleStream = std::uint64_t{1} << 40;
constexpr std::uint64_t kReferenceStream = std::uint64_t{2} << 40;
constexpr std::uint64_t kReplicateStream = std::uint64_t{3} << 40;
constexpr std::uint64_t kTrainingStream = std::uint64_t{4} << 40;

// The repeated trainings: on few rows and only to compare with each other, so they need not be exhaustive.
constexpr std::int32_t kRepeatedRestarts = 3;
constexpr double kRepeatedTol = 1e-4;

struct Points {
    Points(std::size_t size, std::size_t dimensions, MemoryResource* memory)
        : blocks(size, dimensions, memory), weights(blocks.block_count() * kLanes, 0.0, memory) {
        std::fill_n(weights.begin(), size, 1.0);
    }
    WeightedPoints<double> view() const { return {blocks, weights}; }

    Blocks<double> blocks;
    Vector<double> weights;
};

class Sweep {
  public:
    Sweep(const GatheredRows& gathered, const SweepOptions& options, std::uint64_t budget,
          MemoryResource* memory, Interrupt& interrupt)
        : gathered_(gathered),
          options_(options),
          budget_(budget),
          memory_(memory),
          interrupt_(interrupt),
          meter_(interrupt),
          d_(gathered.rows.dimensions()),
          store_(memory),
          counts_(memory),
          sampled_(memory) {}

    Vector<KmeansQuality> run() {
        Vector<KmeansQuality> result(memory_);
        const std::size_t distinct = select_rows();
        const auto last = static_cast<std::int32_t>(
            std::min<std::uint64_t>(static_cast<std::uint64_t>(options_.k_max), distinct));
        for (std::int32_t k = options_.k_min; k <= last; ++k)
            result.push_back(measure(k));
        if (options_.references > 0)
            measure_gaps(result);
        return result;
    }

  private:
    std::uint64_t seed() const { return static_cast<std::uint64_t>(options_.kmeans.seed); }

    // ---- rows

    // Which rows to train with and which to measure on. Returns how many different ones there are to train
    // with.
    std::size_t select_rows() {
        const DistinctRows data = distinct_rows(gathered_.rows, memory_, interrupt_);
        weight_ = std::accumulate(data.weights.begin(), data.weights.end(), 0.0);
        draw(data, options_.sample, kSampleStream, [this](const Vector<double>& row, std::int64_t count) {
            for (; count > 0; --count)
                sampled_.insert(sampled_.end(), row.begin(), row.end());
        });
        if (rows_in(gathered_.rows) <= options_.train_rows)
            return data.points.size();
        store_.set_width(d_);
        draw(data, options_.train_rows, kTrainingStream,
             [this](const Vector<double>& row, std::int64_t count) {
                 store_.append(row.data());
                 counts_.push_back(count);
             });
        return static_cast<std::size_t>(store_.size());
    }

    GatheredRows trained() const {
        if (store_.size() == 0)
            return gathered_;
        return {{store_, {counts_.data(), counts_.size()}}, gathered_.seen, gathered_.skipped};
    }

    static std::int64_t rows_in(const RowTable& rows) {
        std::int64_t count = 0;
        for (std::size_t i = 0; i < rows.size(); ++i)
            count += rows.count(i);
        return count;
    }

    // Every (rows / wanted)-th row of the canonical order, from a random one on: visit(row, how often). That
    // order is that of a hash, so this is a random sample that neither order of arrival nor equal rows
    // disturb. All rows when there are no more.
    template <typename Visit>
    void draw(const DistinctRows& data, std::int32_t wanted, std::uint64_t stream, const Visit& visit) {
        const auto rows = static_cast<double>(rows_in(gathered_.rows));
        const double step = weight_ / std::min<double>(wanted, rows);
        Random random(seed(), stream);
        double next = step * (rows <= wanted ? 0.5 : random.uniform());
        double passed = 0;
        Vector<double> row(d_, 0.0, memory_);
        for (std::size_t i = 0; i < data.points.size(); ++i) {
            passed += data.weights[i];
            std::int64_t count = 0;
            for (; next < passed; next += step)
                ++count;
            meter_.done(work_of_row(d_) + static_cast<std::uint64_t>(count));
            if (count == 0)
                continue;
            for (std::size_t f = 0; f < d_; ++f)
                row[f] = data.points.at(i, f);
            visit(row, count);
        }
    }
    std::size_t sample_size() const { return sampled_.size() / d_; }
    std::size_t repeated_size() const { return std::min<std::size_t>(sample_size(), kRepeatedRows); }

    // Brings the sample to the space of distances, which is the same for every k.
    void place_sample(const TrainedKmeans& model) {
        if (placed_)
            return;
        placed_ = true;
        const Space space = {
            {model.shift.data(), d_}, {model.scale.data(), d_}, options_.kmeans.measure == Measure::kCosine};
        Vector<double> row(d_, 0.0, memory_);
        for (std::size_t i = 0; i < sample_size(); ++i) {
            double* values = &sampled_[i * d_];
            row.assign(values, values + d_);
            space.transform(row, [values](std::size_t f, double value) { values[f] = value; });
            meter_.done(work_of_row(d_));
        }
    }

    // Rows of the sample, spread over it: its order is random, but a stretch is not.
    Points points_of(std::size_t count) const {
        Points points(count, d_, memory_);
        for (std::size_t i = 0; i < count; ++i)
            points.blocks.set_row(i, &sampled_[i * sample_size() / count * d_]);
        points.blocks.pad();
        return points;
    }

    // ---- one k

    KmeansQuality measure(std::int32_t k) {
        KmeansOptions options = options_.kmeans;
        options.k = k;
        const TrainedKmeans model = train_kmeans(trained(), options, budget_, memory_, interrupt_);
        place_sample(model);
        KmeansQuality quality;
        quality.k = k;
        quality.inertia = inertia(model);
        quality.bic = bic(model);
        if (k == 1)
            return quality;
        quality.calinski_harabasz = calinski_harabasz(model);
        quality.davies_bouldin = davies_bouldin(model);
        quality.silhouette = silhouette(model);
        if (options_.replicates > 0)
            quality.stability = stability(model);
        return quality;
    }

    // Sums over a sample stand for all rows.
    double scale(const TrainedKmeans& model) const { return weight_ / model.facts.weight; }
    double inertia(const TrainedKmeans& model) const { return model.facts.inertia * scale(model); }

    double bic(const TrainedKmeans& model) const {
        const double n = weight_;
        const auto d = static_cast<double>(d_);
        const double k = model.facts.options.k;
        if (!(n > k) || !(inertia(model) > 0))
            return KmeansQuality::kUndefined;
        const double variance = inertia(model) / (d * (n - k));
        double likelihood = -n * d / 2 * std::log(2 * std::numbers::pi * variance) - d * (n - k) / 2;
        for (double weight : model.weight)
            if (weight > 0)
                likelihood += weight * scale(model) * std::log(weight / model.facts.weight);
        return likelihood - (k - 1 + k * d + 1) / 2 * std::log(n);
    }

    double calinski_harabasz(const TrainedKmeans& model) const {
        const double k = model.facts.options.k;
        const double within = inertia(model);
        const double between = std::max(0.0, model.facts.total_ss * scale(model) - within);
        if (!(weight_ > k) || !(within > 0))
            return KmeansQuality::kUndefined;
        return between / (k - 1) / (within / (weight_ - k));
    }

    double davies_bouldin(const TrainedKmeans& model) {
        const auto k = static_cast<std::size_t>(model.facts.options.k);
        double sum = 0;
        for (std::size_t c = 0; c < k; ++c) {
            double worst = 0;
            for (std::size_t other = 0; other < k; ++other) {
                if (other == c)
                    continue;
                const double distance =
                    std::sqrt(squared_distance(&model.centres[c * d_], &model.centres[other * d_]));
                const double ratio = distance > 0 ? (model.scatter[c] + model.scatter[other]) / distance
                                                  : std::numeric_limits<double>::infinity();
                worst = std::max(worst, ratio);
                meter_.done(work_of_row(d_));
            }
            sum += worst;
        }
        return sum / static_cast<double>(k);
    }

    double squared_distance(const double* a, const double* b) const {
        double sum = 0;
        for (std::size_t f = 0; f < d_; ++f)
            sum += (a[f] - b[f]) * (a[f] - b[f]);
        return sum;
    }

    // The 0-based nearest centre of a row of the sample.
    std::int32_t label_of(const double* row, const double* centres, std::size_t k) {
        std::int32_t label = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < k; ++c) {
            const double distance = squared_distance(row, centres + c * d_);
            if (distance < least) {
                least = distance;
                label = static_cast<std::int32_t>(c);
            }
        }
        meter_.done(k * work_of_row(d_));
        return label;
    }

    double silhouette(const TrainedKmeans& model) {
        RowStore labelled(memory_);
        labelled.set_width(d_ + 1);
        Vector<double> row(d_ + 1, 0.0, memory_);
        for (std::size_t i = 0; i < sample_size(); ++i) {
            const double* values = &sampled_[i * d_];
            std::copy_n(values, d_, row.begin());
            row[d_] = label_of(values, model.centres.data(), model.sizes.size());
            labelled.append(row.data());
        }
        return LabelledPoints(labelled, memory_, interrupt_).silhouette().value_or(KmeansQuality::kUndefined);
    }

    // ---- repeated trainings

    // Centres for the points; the best of a few restarts.
    SearchResult cluster(const Points& points, std::int32_t k, std::uint64_t stream) {
        KmeansOptions options = options_.kmeans;
        options.k = k;
        options.n_init = kRepeatedRestarts;
        options.seed = static_cast<std::int64_t>(mix64(seed() ^ mix64(stream)));
        const double length = options.measure == Measure::kCosine ? 1 : 0;
        const double tol = kRepeatedTol / static_cast<double>(d_ * points.blocks.size());
        constexpr double kNoTotal = std::numeric_limits<double>::infinity();
        const SearchTask task = {options, tol, tol, kNoTotal, length, Effort::kRestarts};
        return search_centres(points.view(), task, memory_, interrupt_);
    }

    // How alike clusterings of halves of the rows are to the model.
    double stability(const TrainedKmeans& model) {
        const std::size_t size = repeated_size();
        const auto k = static_cast<std::size_t>(model.facts.options.k);
        const Points all = points_of(size);
        const std::size_t half = (size + 1) / 2;
        if (half < k)
            return KmeansQuality::kUndefined;
        Vector<std::size_t> order(size, std::size_t{0}, memory_);
        Vector<std::int32_t> expected(half, 0, memory_), found(half, 0, memory_);
        Vector<double> row(d_, 0.0, memory_);
        double sum = 0;
        for (std::int32_t r = 0; r < options_.replicates; ++r) {
            Random random(seed(), kReplicateStream + static_cast<std::uint64_t>(r));
            std::iota(order.begin(), order.end(), std::size_t{0});
            Points part(half, d_, memory_);
            for (std::size_t i = 0; i < half; ++i) {
                std::swap(order[i], order[i + random.below(size - i)]);
                for (std::size_t f = 0; f < d_; ++f)
                    row[f] = all.blocks.at(order[i], f);
                part.blocks.set_row(i, row);
                expected[i] = label_of(row.data(), model.centres.data(), k);
            }
            part.blocks.pad();
            const SearchResult result =
                cluster(part, model.facts.options.k, kReplicateStream + static_cast<std::uint64_t>(r));
            for (std::size_t i = 0; i < half; ++i) {
                for (std::size_t f = 0; f < d_; ++f)
                    row[f] = part.blocks.at(i, f);
                found[i] = label_of(row.data(), result.best.centres.data(), k);
            }
            sum += adjusted_rand_index({expected.data(), half}, {found.data(), half}, memory_);
        }
        return sum / options_.replicates;
    }

    // A row for each reference, in it ln W for each k; the last row is that of the rows themselves.
    void measure_gaps(Vector<KmeansQuality>& result) {
        const std::size_t count = result.size();
        const Points own = points_of(repeated_size());
        Vector<double> logs(memory_);
        for (const KmeansQuality& quality : result)
            logs.push_back(log_inertia(own, quality.k, kReferenceStream));
        Vector<double> noise(memory_);
        for (std::int32_t b = 0; b < options_.references; ++b) {
            const Points reference = uniform(own, kReferenceStream + 1 + static_cast<std::uint64_t>(b));
            for (const KmeansQuality& quality : result)
                noise.push_back(
                    log_inertia(reference, quality.k, kReferenceStream + 1 + static_cast<std::uint64_t>(b)));
        }
        const double references = options_.references;
        for (std::size_t i = 0; i < count; ++i) {
            double mean = 0;
            for (std::size_t at = i; at < noise.size(); at += count)
                mean += noise[at] / references;
            double variance = 0;
            for (std::size_t at = i; at < noise.size(); at += count)
                variance += (noise[at] - mean) * (noise[at] - mean) / references;
            result[i].gap = mean - logs[i];
            result[i].gap_error = std::sqrt(variance * (1 + 1 / references));
        }
    }

    double log_inertia(const Points& points, std::int32_t k, std::uint64_t stream) {
        if (static_cast<std::size_t>(k) > points.blocks.size())
            return KmeansQuality::kUndefined;
        const double inertia = cluster(points, k, stream).best.inertia;
        return inertia > 0 ? std::log(inertia) : KmeansQuality::kUndefined;
    }

    // Where cosines are compared, rows have length 1, and so has noise.
    void bring_to_length(Vector<double>& row) const {
        if (options_.kmeans.measure != Measure::kCosine)
            return;
        const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
        if (length > 0)
            for (double& value : row)
                value /= length;
    }

    Points uniform(const Points& own, std::uint64_t stream) {
        Points noise(own.blocks.size(), d_, memory_);
        Random random(seed(), stream);
        Vector<double> least(d_, std::numeric_limits<double>::infinity(), memory_);
        Vector<double> greatest(d_, -std::numeric_limits<double>::infinity(), memory_);
        for (std::size_t i = 0; i < own.blocks.size(); ++i)
            for (std::size_t f = 0; f < d_; ++f) {
                least[f] = std::min(least[f], own.blocks.at(i, f));
                greatest[f] = std::max(greatest[f], own.blocks.at(i, f));
            }
        Vector<double> row(d_, 0.0, memory_);
        for (std::size_t i = 0; i < noise.blocks.size(); ++i) {
            for (std::size_t f = 0; f < d_; ++f)
                row[f] = least[f] + (greatest[f] - least[f]) * random.uniform();
            bring_to_length(row);
            noise.blocks.set_row(i, row);
        }
        noise.blocks.pad();
        meter_.done(noise.blocks.size() * work_of_row(d_));
        return noise;
    }

    const GatheredRows& gathered_;
    const SweepOptions& options_;
    std::uint64_t budget_;
    MemoryResource* memory_;
    Interrupt& interrupt_;
    WorkMeter meter_;
    std::size_t d_;
    double weight_ = 0;  // of all rows
    RowStore store_;     // the sample that is trained with, if it is one
    Vector<std::int64_t> counts_;
    Vector<double> sampled_;  // rows one after the other, in the space of distances once placed
    bool placed_ = false;
};

}  // namespace

void validate(const SweepOptions& options) {
    const auto require = [](bool condition, const std::string& message) {
        if (!condition)
            throw Error(Errc::kInvalidArgument, message);
    };
    require(options.k_min >= 1 && options.k_min <= kMaxClusters,
            format("\"k_min\" must be between 1 and %d, not %d", kMaxClusters, options.k_min));
    require(options.k_max >= options.k_min && options.k_max - options.k_min < kMaxSweepWidth,
            format("\"k_max\" must be between %d and %d, not %d", options.k_min,
                   options.k_min + kMaxSweepWidth - 1, options.k_max));
    require(options.references >= 0 && options.references <= kMaxRepetitions,
            format("\"references\" must be between 0 and %d, not %d", kMaxRepetitions, options.references));
    require(options.replicates >= 0 && options.replicates <= kMaxRepetitions,
            format("\"replicates\" must be between 0 and %d, not %d", kMaxRepetitions, options.replicates));
    require(options.train_rows >= kLeastSweepSample,
            format("\"train_rows\" must be at least %d, not %d", kLeastSweepSample, options.train_rows));
    require(options.sample >= kLeastSweepSample && options.sample <= kMostSweepSample,
            format("\"sample\" must be between %d and %d, not %d", kLeastSweepSample, kMostSweepSample,
                   options.sample));
    require(options.kmeans.algorithm != Algorithm::kPrototypes,
            "a sweep over numbers of clusters cannot use the algorithm \"kprototypes\"");
    require(options.kmeans.init.empty() && options.kmeans.min_size == 0 && options.kmeans.max_size == 0,
            "a sweep over numbers of clusters takes neither \"init\" nor \"min_size\" or \"max_size\"");
    KmeansOptions kmeans = options.kmeans;
    kmeans.k = options.k_min;
    validate(kmeans);
}

Bill price_sweep(std::uint64_t rows, std::size_t dimensions, const SweepOptions& options) {
    KmeansOptions most = options.kmeans;
    most.k =
        static_cast<std::int32_t>(std::min<std::uint64_t>(static_cast<std::uint64_t>(options.k_max), rows));
    Bill bill = price_kmeans(rows, dimensions, most);
    const auto sample = static_cast<std::uint64_t>(options.sample);
    bill.add(sample, 4 * (dimensions + 8) * sizeof(double));
    bill.add(static_cast<std::uint64_t>(options.references + 2), kMaxSweepWidth * sizeof(double));
    return bill;
}

Vector<KmeansQuality> sweep_kmeans(const GatheredRows& gathered, const SweepOptions& options,
                                   std::uint64_t budget, MemoryResource* memory, Interrupt& interrupt) {
    validate(options);
    return Sweep(gathered, options, budget, memory, interrupt).run();
}

double adjusted_rand_index(std::span<const std::int32_t> a, std::span<const std::int32_t> b,
                           MemoryResource* memory) {
    const auto pairs = [](double count) { return count * (count - 1) / 2; };
    const auto groups = [](std::span<const std::int32_t> labels) {
        return labels.empty() ? 0
                              : static_cast<std::size_t>(*std::max_element(labels.begin(), labels.end())) + 1;
    };
    const std::size_t columns = groups(b);
    Vector<double> table(groups(a) * columns, 0.0, memory);
    Vector<double> of_a(groups(a), 0.0, memory);
    Vector<double> of_b(columns, 0.0, memory);
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto row = static_cast<std::size_t>(a[i]);
        const auto column = static_cast<std::size_t>(b[i]);
        ++table[row * columns + column];
        ++of_a[row];
        ++of_b[column];
    }
    const auto sum_of_pairs = [&](const Vector<double>& counts) {
        double sum = 0;
        for (double count : counts)
            sum += pairs(count);
        return sum;
    };
    const double in_a = sum_of_pairs(of_a);
    const double in_b = sum_of_pairs(of_b);
    const double expected = in_a * in_b / std::max(1.0, pairs(static_cast<double>(a.size())));
    const double most = (in_a + in_b) / 2;
    return most == expected ? 1.0 : (sum_of_pairs(table) - expected) / (most - expected);
}

namespace {

// What a measure votes for, and how the reason says so.
struct Vote {
    const char* name;
    std::int32_t k;  // 0: the measure is not there
};

template <typename Value>
std::int32_t largest(std::span<const KmeansQuality> quality, const Value& value) {
    std::int32_t k = 0;
    double best = -std::numeric_limits<double>::infinity();
    for (const KmeansQuality& one : quality) {
        if (one.k > 1 && value(one) > best) {
            best = value(one);
            k = one.k;
        }
    }
    return k;
}

// The least k whose gap is at least the next one less its error; 1 is decided elsewhere.
std::int32_t by_gap(std::span<const KmeansQuality> quality) {
    std::int32_t last = 0;
    for (std::size_t i = 0; i < quality.size(); ++i) {
        if (quality[i].k < 2 || std::isnan(quality[i].gap))
            continue;
        last = quality[i].k;
        if (i + 1 < quality.size() && quality[i].gap >= quality[i + 1].gap - quality[i + 1].gap_error)
            return last;
    }
    return last;
}

const KmeansQuality* find(std::span<const KmeansQuality> quality, std::int32_t k) {
    for (const KmeansQuality& one : quality)
        if (one.k == k)
            return &one;
    return nullptr;
}

bool is_stable(std::span<const KmeansQuality> quality, std::int32_t k) {
    const KmeansQuality* one = find(quality, k);
    return one != nullptr && !(one->stability < kLeastStability);
}

// Says in the reason that nothing fits better than one cluster; empty if something does.
std::string reason_for_one(std::span<const KmeansQuality> quality) {
    const KmeansQuality* one = find(quality, 1);
    if (one == nullptr)
        return {};
    if (quality.size() == 1)
        return "no other number of clusters was measured";
    if (std::isnan(one->gap))
        return {};
    double rise = -std::numeric_limits<double>::infinity();
    for (const KmeansQuality& other : quality) {
        if (other.k == 1 || std::isnan(other.gap))
            continue;
        rise = std::max(rise, other.gap - one->gap);
        if (other.gap - one->gap > std::max(kLeastRise, other.gap_error))
            return {};
    }
    return std::isfinite(rise)
               ? format(
                     "no division fits clearly better than it would fit noise: the gap statistic rises by "
                     "at most %.2f above that of one cluster",
                     std::max(0.0, rise))
               : std::string();
}

std::string listed(std::span<const Vote> votes, std::int32_t k) {
    std::string list;
    for (const Vote& vote : votes)
        if (vote.k == k)
            list += (list.empty() ? "" : ", ") + std::string(vote.name);
    return list;
}

std::string reason_for(std::span<const KmeansQuality> quality, std::span<const Vote> votes, std::int32_t k) {
    std::string reason = "named by " + listed(votes, k);
    std::int32_t said = k;
    for (const Vote& vote : votes) {
        if (vote.k == 0 || vote.k == k || vote.k == said)
            continue;
        said = vote.k;
        reason += "; " + listed(votes, said) + format(" would have %d", said);
        if (!is_stable(quality, said))
            reason += format(", which is not stable (%.2f)", find(quality, said)->stability);
    }
    const double stability = find(quality, k)->stability;
    if (!std::isnan(stability))
        reason += format("; stability %.2f%s", stability, is_stable(quality, k) ? "" : ", which is low");
    return reason;
}

}  // namespace

std::optional<ChosenK> choose_k(std::span<const KmeansQuality> quality) {
    if (quality.empty())
        return std::nullopt;
    if (std::string reason = reason_for_one(quality); !reason.empty())
        return ChosenK{1, reason};
    const Vote votes[] = {
        {"silhouette", largest(quality, [](const KmeansQuality& one) { return one.silhouette; })},
        {"Calinski-Harabasz",
         largest(quality, [](const KmeansQuality& one) { return one.calinski_harabasz; })},
        {"gap", by_gap(quality)}};
    const auto count = [&](std::int32_t k) {
        return std::count_if(std::begin(votes), std::end(votes),
                             [k](const Vote& vote) { return vote.k == k; });
    };
    std::int32_t chosen = 0;
    for (const Vote& vote : votes) {
        if (vote.k == 0 || vote.k == chosen)
            continue;
        const bool stable = is_stable(quality, vote.k);
        if (chosen == 0 || stable > is_stable(quality, chosen) ||
            (stable == is_stable(quality, chosen) &&
             (count(vote.k) > count(chosen) || (count(vote.k) == count(chosen) && vote.k < chosen))))
            chosen = vote.k;
    }
    if (chosen == 0)
        return ChosenK{quality[0].k, "no measure is defined for any number of clusters"};
    return ChosenK{chosen, reason_for(quality, votes, chosen)};
}

std::optional<ChosenK> choose_k_for(const GatheredRows& gathered, const SweepOptions& options,
                                    std::uint64_t budget, MemoryResource* memory, Interrupt& interrupt) {
    const Vector<KmeansQuality> quality = sweep_kmeans(gathered, options, budget, memory, interrupt);
    return choose_k({quality.data(), quality.size()});
}

}  // namespace seg::core::clustering
