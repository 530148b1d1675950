#include "core/clustering/distinct_rows.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace seg::core::clustering {
namespace {

// Upper half: the first 32 bits of the content hash. Lower half: the row's index in the store.
using Entry = std::uint64_t;

std::uint32_t hash_of(Entry entry) {
    return static_cast<std::uint32_t>(entry >> 32);
}
std::uint32_t index_of(Entry entry) {
    return static_cast<std::uint32_t>(entry);
}

int compare(const double* a, const double* b, std::size_t width) {
    for (std::size_t f = 0; f < width; ++f)
        if (a[f] != b[f])
            return a[f] < b[f] ? -1 : 1;
    return 0;
}

void fill_entries(const RowStore& rows, std::size_t dimensions, Vector<Entry>& entries, WorkMeter& meter) {
    std::uint64_t index = 0;
    rows.for_each_stored_run([&](const auto* run, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i, ++index)
            entries[index] =
                (content_hash(run + i * rows.width(), dimensions) & 0xffffffff00000000ULL) | index;
        meter.done(count * work_of_row(rows.width()));
    });
}

// One stable counting pass over 11 bits, most of the time in cache-resident counters.
void radix_pass(const Vector<Entry>& from, Vector<Entry>& to, int shift, WorkMeter& meter) {
    constexpr std::size_t kBuckets = 2048;
    std::uint64_t starts[kBuckets] = {};
    for (Entry entry : from)
        ++starts[(entry >> shift) % kBuckets];
    std::uint64_t sum = 0;
    for (std::uint64_t& start : starts)
        start = std::exchange(sum, sum + start);
    for (std::size_t begin = 0; begin < from.size(); begin += WorkMeter::kUnitsPerPoll) {
        const std::size_t end = std::min<std::size_t>(begin + WorkMeter::kUnitsPerPoll, from.size());
        for (std::size_t i = begin; i < end; ++i)
            to[starts[(from[i] >> shift) % kBuckets]++] = from[i];
        meter.done(end - begin);
    }
}

void sort_by_hash(Vector<Entry>& entries, Vector<Entry>& spare, WorkMeter& meter) {
    if (entries.size() < 256) {
        std::sort(entries.begin(), entries.end());
        return;
    }
    for (int shift : {32, 43, 54}) {
        radix_pass(entries, spare, shift, meter);
        entries.swap(spare);
    }
}

// Walks runs of equal hashes and keeps each distinct row once, at the front of the entries.
class Collapse {
  public:
    Collapse(const RowTable& table, Vector<Entry>& entries, Vector<double>& weights, MemoryResource* memory,
             WorkMeter& meter)
        : table_(table),
          rows_(table.store),
          dimensions_(table.dimensions()),
          entries_(entries),
          weights_(weights),
          meter_(meter),
          first_(rows_.width(), 0.0, memory),
          second_(rows_.width(), 0.0, memory) {}

    void run() {
        for (std::size_t begin = 0; begin < entries_.size();) {
            std::size_t end = begin + 1;
            while (end < entries_.size() && hash_of(entries_[end]) == hash_of(entries_[begin]))
                ++end;
            collapse(begin, end);
            meter_.done(end - begin);
            begin = end;
        }
        entries_.resize(weights_.size());
    }

  private:
    int compare_rows(Entry a, Entry b, std::size_t width) {
        return compare(rows_.row(index_of(a), first_.data()), rows_.row(index_of(b), second_.data()), width);
    }
    bool same(Entry a, Entry b) { return compare_rows(a, b, dimensions_) == 0; }

    // The kept entries never overtake the ones still to be read. Weights are added up in ascending order.
    void keep(std::size_t begin, std::size_t end) {
        double weight = 0;
        for (std::size_t i = begin; i < end; ++i)
            weight += table_.weight(index_of(entries_[i]), rows_.row(index_of(entries_[i]), first_.data()));
        entries_[weights_.size()] = entries_[begin];
        weights_.push_back(weight);
    }

    void collapse(std::size_t begin, std::size_t end) {
        if (end - begin == 1 || (!table_.weighted && all_same(begin, end))) {
            keep(begin, end);
            return;
        }
        // Different rows with one hash: rare by chance, so a comparison sort will do.
        const auto at = [this](std::size_t i) { return entries_.begin() + static_cast<std::ptrdiff_t>(i); };
        std::sort(at(begin), at(end), [this](Entry a, Entry b) {
            meter_.done(work_of_row(rows_.width()));
            return compare_rows(a, b, rows_.width()) < 0;
        });
        for (std::size_t i = begin; i < end;) {
            std::size_t next = i + 1;
            while (next < end && same(entries_[i], entries_[next]))
                ++next;
            keep(i, next);
            i = next;
        }
    }

    bool all_same(std::size_t begin, std::size_t end) {
        for (std::size_t i = begin + 1; i < end; ++i) {
            meter_.done(work_of_row(rows_.width()));
            if (!same(entries_[begin], entries_[i]))
                return false;
        }
        return true;
    }

    const RowTable& table_;
    const RowStore& rows_;
    std::size_t dimensions_;
    Vector<Entry>& entries_;
    Vector<double>& weights_;
    WorkMeter& meter_;
    Vector<double> first_;  // rows that are compared
    Vector<double> second_;
};

// Copies the kept rows, which lie all over memory, into blocks.
void gather(const RowStore& rows, const Vector<Entry>& entries, Blocks<double>& points,
            MemoryResource* memory, WorkMeter& meter) {
    constexpr std::size_t kAhead = 24;
    Vector<double> row(rows.width(), 0.0, memory);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (i + kAhead < entries.size())
            rows.prefetch(index_of(entries[i + kAhead]));
        points.set_row(i, rows.row(index_of(entries[i]), row.data()));
        meter.done(work_of_row(rows.width()));
    }
    points.pad();
}

}  // namespace

DistinctRows distinct_rows(const RowTable& rows, MemoryResource* memory, Interrupt& interrupt) {
    if (rows.size() > std::numeric_limits<std::uint32_t>::max())
        throw Error(Errc::kTooBig, format("too many rows: %zu", rows.size()));
    WorkMeter meter(interrupt);
    Vector<Entry> entries(rows.size(), boost::container::default_init, memory);
    fill_entries(rows.store, rows.dimensions(), entries, meter);
    {
        Vector<Entry> spare(rows.size(), boost::container::default_init, memory);
        sort_by_hash(entries, spare, meter);
    }

    Vector<double> weights(memory);
    weights.reserve(rows.size() + kLanes);
    Collapse(rows, entries, weights, memory, meter).run();

    Blocks<double> points(weights.size(), rows.dimensions(), memory);
    gather(rows.store, entries, points, memory, meter);
    weights.resize(points.block_count() * kLanes, 0.0);
    return {std::move(points), std::move(weights)};
}

void price_distinct_rows(Bill& bill, std::uint64_t rows, std::size_t dimensions) {
    bill.add(rows, 3 * sizeof(std::uint64_t));
    bill.add((rows + kLanes) * dimensions, sizeof(double));
}

}  // namespace seg::core::clustering
