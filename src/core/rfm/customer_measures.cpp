#include "core/rfm/customer_measures.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace seg::core::rfm {
namespace {

// Whether a's key comes before b's.
bool key_before(const CustomerTable& table, std::uint32_t a, std::uint32_t b) {
    const Customer first = table.customer(a);
    const Customer second = table.customer(b);
    if (table.options().keys == KeyKind::kInteger)
        return first.number < second.number;
    return std::lexicographical_compare(first.bytes.begin(), first.bytes.end(), second.bytes.begin(),
                                        second.bytes.end());
}

// With less as worse.
double oriented(const Measures& measures, Measure measure) {
    switch (measure) {
        case Measure::kRecency:
            return -measures.recency;
        case Measure::kFrequency:
            return measures.frequency;
        default:
            return measures.monetary;
    }
}

int ntile_bins(const ScaleOptions& options, Measure measure) {
    const int given = options.bins[index_of(measure)];
    const int bins = given == ScaleOptions::kUnset ? kDefaultBins : given;
    if (bins < kMinBins || bins > kMaxBins)
        throw Error(Errc::kInvalidArgument,
                    format("number of scores must be from %d to %d, not %d", kMinBins, kMaxBins, bins));
    if (options.breaks[index_of(measure)].count() != 0)
        throw Error(Errc::kInvalidArgument, "method \"ntile\" takes no breaks", {}, "Use method \"fixed\".");
    return bins;
}

}  // namespace

CustomerMeasures::CustomerMeasures(const CustomerTable& table, bool mean, Interrupt& interrupt)
    : table_(table), mean_(mean), interrupt_(interrupt) {
    WorkMeter meter(interrupt);
    for (std::uint64_t i = 0; i < table.size(); ++i) {
        size_ += table.customer(i).orders > 0;
        meter.done(1);
    }
}

void CustomerMeasures::visit(MeasureConsumer& consumer) const {
    WorkMeter meter(interrupt_);
    std::array<Measures, 1024> batch;
    std::size_t count = 0;
    for (std::uint64_t i = 0; i < table_.size(); ++i) {
        const Customer customer = table_.customer(i);
        if (customer.orders == 0)
            continue;
        batch[count++] = of(customer);
        if (count == batch.size()) {
            consumer.take({batch.data(), count});
            meter.done(count);
            count = 0;
        }
    }
    if (count > 0)
        consumer.take({batch.data(), count});
}

std::uint64_t ntile_memory(std::uint64_t customers) {
    constexpr std::uint64_t kBytes = 16 + kMeasures;
    return customers * kBytes;
}

NtileScores::NtileScores(const CustomerMeasures& customers, const ScaleOptions& options,
                         MemoryResource& memory, Interrupt& interrupt)
    : scores_(&memory) {
    scores_.resize(customers.table().size() * kMeasures);
    Vector<Ranked> order(&memory);
    order.reserve(customers.size());
    for (const Measure measure : kEveryMeasure)
        rank(customers, measure, ntile_bins(options, measure), order, interrupt);
}

void NtileScores::rank(const CustomerMeasures& customers, Measure measure, int bins, Vector<Ranked>& order,
                       Interrupt& interrupt) {
    const CustomerTable& table = customers.table();
    WorkMeter meter(interrupt);
    order.clear();
    for (std::uint64_t i = 0; i < table.size(); ++i) {
        const Customer customer = table.customer(i);
        if (customer.orders > 0)
            order.push_back({oriented(customers.of(customer), measure), static_cast<std::uint32_t>(i)});
        meter.done(1);
    }
    std::sort(order.begin(), order.end(), [&](const Ranked& a, const Ranked& b) {
        meter.done(1);
        return a.value != b.value ? a.value < b.value : key_before(table, a.number, b.number);
    });
    // The first buckets take one more each of what is left over.
    const std::uint64_t each = order.size() / static_cast<std::uint64_t>(bins);
    const std::uint64_t larger = order.size() % static_cast<std::uint64_t>(bins);
    for (std::uint64_t i = 0; i < order.size(); ++i) {
        const std::uint64_t in_larger = larger * (each + 1);
        const std::uint64_t bucket = i < in_larger ? i / (each + 1) : larger + (i - in_larger) / each;
        scores_[order[i].number * kMeasures + index_of(measure)] = static_cast<std::uint8_t>(bucket + 1);
    }
}

Scores NtileScores::score(std::uint64_t number) const {
    const std::uint8_t* scores = &scores_[number * kMeasures];
    return {scores[0], scores[1], scores[2]};
}

}  // namespace seg::core::rfm
