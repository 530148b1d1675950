// Rows of equal length, appended one at a time, never moved: what an aggregate gathers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "core/base/interrupt.hpp"
#include "core/base/memory.hpp"

namespace seg::core {

// Units of work (see WorkMeter) that touching a row of so many values is worth.
constexpr std::uint64_t work_of_row(std::size_t width) {
    return 1 + width / 8;
}

// Chunks of 16, 32, ... rows until one takes 16 MB, then of that size: little slack for small groups, no
// copying for large ones, and a row's place is arithmetic. Needs no destructor when its memory resource frees
// at once.
//
// Counts, days, scores and money in whole units lose nothing in single precision: a store that is told so is
// narrow, half as large, until a value comes that is not exactly a float. Then it is widened, once.
class RowStore {
  public:
    static constexpr std::uint64_t kLargestChunkBytes = 16 * 1024 * 1024;

    explicit RowStore(MemoryResource* memory) : chunks_(memory) {}
    ~RowStore() {
        for (std::size_t c = 0; c < chunks_.size(); ++c)
            free_chunk(c);
    }
    RowStore(const RowStore&) = delete;
    RowStore& operator=(const RowStore&) = delete;

    enum class Values : std::uint8_t { kDoubles, kFloatsWhileExact };

    // Values in a row, and how they are kept; set once, before the first append.
    void set_width(std::size_t width, Values values = Values::kDoubles) {
        width_ = width;
        narrow_ = values == Values::kFloatsWhileExact && width <= kBufferValues;
        const std::uint64_t rows = std::bit_floor(kLargestChunkBytes / (width * sizeof(double)));
        growing_chunks_ =
            rows > kFirstChunk ? static_cast<std::size_t>(std::bit_width(rows / kFirstChunk) - 1) : 0;
    }
    std::size_t width() const { return width_; }
    std::uint64_t size() const { return size_; }

    // Whether every value is kept as a float.
    bool is_narrow() const { return narrow_ && wide_chunks_ == 0; }

    // Appends the row if the last chunk has room for it and it can stay as the others are.
    bool append_beside(const double* row) {
        if (room_ == 0)
            return false;
        if (narrow_)
            return append_narrow(row);
        std::memcpy(end_, row, width_ * sizeof(double));
        advance();
        return true;
    }

    // The interrupt is polled while the store is widened.
    void append(const double* row, Interrupt* interrupt = nullptr) {
        if (room_ == 0)
            add_chunk();
        if (append_beside(row))
            return;
        widen(interrupt);
        append_beside(row);
    }

    // Appends as many of these rows as the last chunk has room for, at least one, if the store keeps such
    // values as they are: doubles in a wide store, floats in a narrow one. Returns how many; 0 if it does
    // not.
    template <typename T>
    std::uint64_t append_some(const T* rows, std::uint64_t count) {
        if (narrow_ != (sizeof(T) == sizeof(float)) || count == 0)
            return 0;
        if (room_ == 0)
            add_chunk();
        const std::uint64_t taken = std::min(count, room_);
        std::memcpy(end_, rows, taken * width_ * sizeof(T));
        end_ += taken * width_ * sizeof(T);
        room_ -= taken;
        size_ += taken;
        return taken;
    }

    // The values of a row: where they are, or copied to a buffer of width() values.
    const double* row(std::uint64_t index, double* buffer) const {
        const Place place = place_of(index);
        if (is_wide(place.chunk))
            return static_cast<const double*>(static_cast<const void*>(address(place)));
        copy_narrow(address(place), width_, buffer);
        return buffer;
    }

    // A row and those behind it in its chunk (16 and more, where there are as many), as doubles or floats.
    template <typename Visit>
    void visit_rows(std::uint64_t first, Visit&& visit) const {
        const Place place = place_of(first);
        if (is_wide(place.chunk))
            visit(static_cast<const double*>(static_cast<const void*>(address(place))));
        else
            visit(static_cast<const float*>(static_cast<const void*>(address(place))));
    }

    void prefetch(std::uint64_t index) const {
        const Place place = place_of(index);
        const std::byte* first = address(place);
        __builtin_prefetch(first);
        __builtin_prefetch(first + row_bytes(place.chunk) - 1);
    }

    // Overwrites a row with one that stands behind it.
    void move_row(std::uint64_t from, std::uint64_t to) {
        const Place source = place_of(from);
        const Place target = place_of(to);
        if (is_wide(source.chunk) == is_wide(target.chunk))
            std::memmove(address(target), address(source), row_bytes(source.chunk));
        else  // chunks are widened from the first one on
            copy_narrow(address(source), width_, static_cast<double*>(static_cast<void*>(address(target))));
    }

    // Keeps the first rows and gives back the chunks behind them.
    void truncate(std::uint64_t size) {
        while (!chunks_.empty()) {
            const std::size_t last = chunks_.size() - 1;
            const std::uint64_t before = size_ + room_ - chunk_capacity(last);
            if (size > before)
                break;
            free_chunk(last);
            chunks_.pop_back();
            wide_chunks_ = std::min(wide_chunks_, chunks_.size());
            size_ = before;
            room_ = 0;
        }
        room_ += size_ - size;
        size_ = size;
        if (!chunks_.empty() && wide_chunks_ == chunks_.size())
            narrow_ = false;
        set_end();
    }

    // Visits the rows in order, as runs of consecutive rows: visit(first, count).
    template <typename Visit>
    void for_each_run(Visit&& visit) const {
        std::uint64_t left = size_;
        for (std::size_t c = 0; left > 0; ++c) {
            const std::uint64_t count = std::min(left, chunk_capacity(c));
            if (is_wide(c))
                visit(static_cast<const double*>(static_cast<const void*>(chunks_[c])), count);
            else
                visit_narrow(chunks_[c], count, visit);
            left -= count;
        }
    }

    // The same with the values as they are kept: doubles or floats.
    template <typename Visit>
    void for_each_stored_run(Visit&& visit) const {
        std::uint64_t left = size_;
        for (std::size_t c = 0; left > 0; ++c) {
            const std::uint64_t count = std::min(left, chunk_capacity(c));
            if (is_wide(c))
                visit(static_cast<const double*>(static_cast<const void*>(chunks_[c])), count);
            else
                visit(static_cast<const float*>(static_cast<const void*>(chunks_[c])), count);
            left -= count;
        }
    }

  private:
    static constexpr std::uint64_t kFirstChunk = 16;
    static constexpr std::size_t kBufferValues = 1024;  // longer rows are never narrow

    struct Place {
        std::size_t chunk;
        std::uint64_t row;  // in the chunk
    };

    std::uint64_t chunk_capacity(std::size_t chunk) const {
        return kFirstChunk << (chunk < growing_chunks_ ? chunk : growing_chunks_);
    }
    // Of a chunk up to the first one of full size.
    static std::uint64_t first_row(std::size_t chunk) {
        return kFirstChunk * ((std::uint64_t{1} << chunk) - 1);
    }
    Place place_of(std::uint64_t index) const {
        const auto chunk = static_cast<std::size_t>(std::bit_width(index / kFirstChunk + 1) - 1);
        if (chunk < growing_chunks_)
            return {chunk, index - first_row(chunk)};
        const std::uint64_t beyond = index - first_row(growing_chunks_);
        const std::uint64_t capacity = chunk_capacity(growing_chunks_);
        return {growing_chunks_ + static_cast<std::size_t>(beyond / capacity), beyond % capacity};
    }
    bool is_wide(std::size_t chunk) const { return chunk < wide_chunks_; }
    std::size_t row_bytes(std::size_t chunk) const {
        return width_ * (is_wide(chunk) ? sizeof(double) : sizeof(float));
    }
    std::byte* address(Place place) const {
        return chunks_[place.chunk] + place.row * row_bytes(place.chunk);
    }
    MemoryResource* memory() const { return chunks_.get_stored_allocator().resource(); }

    static void copy_narrow(const std::byte* from, std::size_t count, double* to) {
        const auto* values = static_cast<const float*>(static_cast<const void*>(from));
        for (std::size_t i = 0; i < count; ++i)
            to[i] = static_cast<double>(values[i]);
    }

    // False when a value is not exactly a float. What was written then is beyond the end. Bits are compared,
    // not numbers, so that one test is enough.
    bool append_narrow(const double* row) {
        typedef double Doubles __attribute__((vector_size(2 * sizeof(double))));
        typedef float Floats __attribute__((vector_size(2 * sizeof(float))));
        typedef std::uint64_t Bits __attribute__((vector_size(2 * sizeof(double))));
        auto* to = static_cast<float*>(static_cast<void*>(end_));
        const std::size_t width = width_;  // for all the compiler knows, what is written might change it
        Bits differences = {};
        std::size_t i = 0;
        for (; i + 2 <= width; i += 2) {
            Doubles values;
            std::memcpy(&values, row + i, sizeof values);
            const Floats narrow = __builtin_convertvector(values, Floats);
            std::memcpy(to + i, &narrow, sizeof narrow);
            differences |=
                std::bit_cast<Bits>(__builtin_convertvector(narrow, Doubles)) ^ std::bit_cast<Bits>(values);
        }
        if (i < width) {
            to[i] = static_cast<float>(row[i]);
            differences[0] |= std::bit_cast<std::uint64_t>(static_cast<double>(to[i])) ^
                              std::bit_cast<std::uint64_t>(row[i]);
        }
        if ((differences[0] | differences[1]) != 0)
            return false;
        advance();
        return true;
    }

    // Chunk by chunk. When memory gives out or it is cancelled, those that are wide already stay so.
    void widen(Interrupt* interrupt) {
        for (; wide_chunks_ < chunks_.size(); ++wide_chunks_) {
            if (interrupt != nullptr)
                interrupt->poll();
            const std::size_t c = wide_chunks_;
            const bool last = c + 1 == chunks_.size();
            const std::uint64_t rows = chunk_capacity(c) - (last ? room_ : 0);
            std::byte* wide = allocate_chunk(c, sizeof(double));
            copy_narrow(chunks_[c], rows * width_, static_cast<double*>(static_cast<void*>(wide)));
            free_chunk(c);
            chunks_[c] = wide;
        }
        narrow_ = false;
        set_end();
    }

    // Where the next row goes.
    void set_end() {
        if (chunks_.empty())
            return;
        const std::size_t last = chunks_.size() - 1;
        end_ = address({last, chunk_capacity(last) - room_});
    }
    void advance() {
        end_ += width_ * (narrow_ ? sizeof(float) : sizeof(double));
        --room_;
        ++size_;
    }

    std::byte* allocate_chunk(std::size_t chunk, std::size_t value_bytes) {
        return static_cast<std::byte*>(
            memory()->allocate(chunk_capacity(chunk) * width_ * value_bytes, alignof(double)));
    }
    void free_chunk(std::size_t chunk) {
        memory()->deallocate(chunks_[chunk], chunk_capacity(chunk) * row_bytes(chunk), alignof(double));
    }
    void add_chunk() {
        if (chunks_.size() == chunks_.capacity())
            chunks_.reserve(2 * chunks_.size() + 4);
        std::byte* chunk = allocate_chunk(chunks_.size(), narrow_ ? sizeof(float) : sizeof(double));
        if (!narrow_)
            ++wide_chunks_;
        chunks_.push_back(chunk);
        room_ = chunk_capacity(chunks_.size() - 1);
        end_ = chunk;
    }

    template <typename Visit>
    void visit_narrow(const std::byte* chunk, std::uint64_t rows, Visit& visit) const {
        double buffer[kBufferValues];
        const std::uint64_t most = kBufferValues / width_;
        for (std::uint64_t first = 0; first < rows; first += most) {
            const std::uint64_t count = std::min(most, rows - first);
            copy_narrow(chunk + first * width_ * sizeof(float), count * width_, buffer);
            visit(static_cast<const double*>(buffer), count);
        }
    }
    Vector<std::byte*> chunks_;
    std::size_t wide_chunks_ = 0;  // the first ones; all, or none but while it is being widened
    bool narrow_ = false;
    std::size_t width_ = 0;
    std::size_t growing_chunks_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t room_ = 0;
    std::byte* end_ = nullptr;
};

}  // namespace seg::core
