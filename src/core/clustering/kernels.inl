// The kernels' bodies; kernels.cpp includes this once per instruction set, with PGSEG_VECTOR_BYTES set. A
// tile is two vectors of rows, and four centres share its loads.

template <typename T>
struct Simd {
    static constexpr std::size_t kWidth = PGSEG_VECTOR_BYTES / sizeof(T);
    static constexpr std::size_t kTile = 2 * kWidth;
    using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef T Vector __attribute__((vector_size(PGSEG_VECTOR_BYTES)));
    typedef Int Mask __attribute__((vector_size(PGSEG_VECTOR_BYTES)));

    static Vector load(const T* p) {
        Vector v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    template <typename Value, typename Element>
    static void store(Element* p, const Value& v) {
        std::memcpy(p, &v, sizeof v);
    }
};

// Squared distances of a tile to Centres consecutive centres.
template <typename T, std::size_t Centres>
inline void tile_distances(const T* tile, std::size_t dimensions, const T* centres,
                           typename Simd<T>::Vector (&sums)[Centres][2]) {
    using S = Simd<T>;
    for (std::size_t c = 0; c < Centres; ++c)
        sums[c][0] = sums[c][1] = typename S::Vector{};
    for (std::size_t f = 0; f < dimensions; ++f) {
        const auto x0 = S::load(tile + f * kLanes);
        const auto x1 = S::load(tile + f * kLanes + S::kWidth);
        for (std::size_t c = 0; c < Centres; ++c) {
            const T centre = centres[c * dimensions + f];
            const auto d0 = x0 - centre;
            const auto d1 = x1 - centre;
            sums[c][0] += d0 * d0;
            sums[c][1] += d1 * d1;
        }
    }
}

template <typename T>
struct Nearest {
    typename Simd<T>::Vector distance[2];
    typename Simd<T>::Mask label[2];
};

template <typename T>
inline void start(Nearest<T>& nearest) {
    for (int half = 0; half < 2; ++half) {
        nearest.distance[half] = std::numeric_limits<T>::infinity() - typename Simd<T>::Vector{};
        nearest.label[half] = typename Simd<T>::Mask{};
    }
}

template <typename T>
inline void put_labels(const Nearest<T>& nearest, std::int32_t* labels) {
    for (std::size_t half = 0; half < 2; ++half)
        for (std::size_t i = 0; i < Simd<T>::kWidth; ++i)
            labels[half * Simd<T>::kWidth + i] = static_cast<std::int32_t>(nearest.label[half][i]);
}

template <typename T>
inline void put_distances(const Nearest<T>& nearest, T* distances) {
    for (std::size_t half = 0; half < 2; ++half)
        Simd<T>::store(distances + half * Simd<T>::kWidth, nearest.distance[half]);
}

template <typename T, std::size_t Centres>
inline void improve(Nearest<T>& nearest, const T* tile, std::size_t dimensions, const T* centres,
                    std::size_t first) {
    typename Simd<T>::Vector sums[Centres][2];
    tile_distances<T, Centres>(tile, dimensions, centres + first * dimensions, sums);
    for (std::size_t c = 0; c < Centres; ++c) {
        const auto label = static_cast<typename Simd<T>::Int>(first + c);
        for (int half = 0; half < 2; ++half) {
            const auto closer = sums[c][half] < nearest.distance[half];
            nearest.distance[half] = closer ? sums[c][half] : nearest.distance[half];
            nearest.label[half] = closer ? label - typename Simd<T>::Mask{} : nearest.label[half];
        }
    }
}

template <typename T>
void assign(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centres, std::size_t k,
            std::int32_t* labels, T* distances) {
    using S = Simd<T>;
    for (std::size_t b = 0; b < block_count; ++b) {
        for (std::size_t lane = 0; lane < kLanes; lane += S::kTile) {
            const T* tile = blocks + b * dimensions * kLanes + lane;
            Nearest<T> nearest;
            start(nearest);
            std::size_t c = 0;
            for (; c + 4 <= k; c += 4)
                improve<T, 4>(nearest, tile, dimensions, centres, c);
            for (; c < k; ++c)
                improve<T, 1>(nearest, tile, dimensions, centres, c);
            put_labels(nearest, labels + b * kLanes + lane);
            if (distances != nullptr)
                put_distances(nearest, distances + b * kLanes + lane);
        }
    }
}

// Half the squared length of each of so many centres, less its products with a tile: half the squared
// distance, less what is the same for all centres.
template <typename T, std::size_t Centres>
inline void improve_by_products(Nearest<T>& nearest, const T* tile, std::size_t dimensions, const T* centres,
                                const T* half_squares, std::size_t first) {
    using S = Simd<T>;
    typename S::Vector products[Centres][2];
    for (std::size_t c = 0; c < Centres; ++c)
        products[c][0] = products[c][1] = typename S::Vector{};
    const T* values = centres + first * dimensions;
    for (std::size_t f = 0; f < dimensions; ++f) {
        const auto x0 = S::load(tile + f * kLanes);
        const auto x1 = S::load(tile + f * kLanes + S::kWidth);
        for (std::size_t c = 0; c < Centres; ++c) {
            const T centre = values[c * dimensions + f];
            products[c][0] += x0 * centre;
            products[c][1] += x1 * centre;
        }
    }
    for (std::size_t c = 0; c < Centres; ++c) {
        const auto label = static_cast<typename S::Int>(first + c);
        for (int half = 0; half < 2; ++half) {
            const auto rest = half_squares[first + c] - products[c][half];
            const auto closer = rest < nearest.distance[half];
            nearest.distance[half] = closer ? rest : nearest.distance[half];
            nearest.label[half] = closer ? label - typename S::Mask{} : nearest.label[half];
        }
    }
}

// Squared distances to the centres of the labels: what is left of products in single precision is no measure.
template <typename T>
inline void labelled_distances(const T* tile, std::size_t dimensions, const T* centres,
                               const std::int32_t* labels, T* distances) {
    using S = Simd<T>;
    for (std::size_t half = 0; half < 2; ++half) {
        typename S::Vector sum{};
        for (std::size_t f = 0; f < dimensions; ++f) {
            typename S::Vector own{};
            for (std::size_t i = 0; i < S::kWidth; ++i)
                own[i] = centres[static_cast<std::size_t>(labels[half * S::kWidth + i]) * dimensions + f];
            const auto difference = S::load(tile + f * kLanes + half * S::kWidth) - own;
            sum += difference * difference;
        }
        S::store(distances + half * S::kWidth, sum);
    }
}

template <typename T>
void assign_by_products(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centres,
                        const T* half_squares, std::size_t k, std::int32_t* labels, T* distances) {
    using S = Simd<T>;
    for (std::size_t b = 0; b < block_count; ++b) {
        for (std::size_t lane = 0; lane < kLanes; lane += S::kTile) {
            const T* tile = blocks + b * dimensions * kLanes + lane;
            Nearest<T> nearest;
            start(nearest);
            std::size_t c = 0;
            // As many as there are registers for, unless fours come out even.
            for (; c + 6 <= k && k - c != 8; c += 6)
                improve_by_products<T, 6>(nearest, tile, dimensions, centres, half_squares, c);
            for (; c + 4 <= k; c += 4)
                improve_by_products<T, 4>(nearest, tile, dimensions, centres, half_squares, c);
            for (; c < k; ++c)
                improve_by_products<T, 1>(nearest, tile, dimensions, centres, half_squares, c);
            const std::size_t row = b * kLanes + lane;
            put_labels(nearest, labels + row);
            if (distances != nullptr)
                labelled_distances(tile, dimensions, centres, labels + row, distances + row);
        }
    }
}

template <typename T>
struct NearestTwo : Nearest<T> {
    typename Simd<T>::Vector second[2];
};

template <typename T, std::size_t Centres>
inline void improve_two(NearestTwo<T>& nearest, const T* tile, std::size_t dimensions, const T* centres,
                        std::size_t first) {
    typename Simd<T>::Vector sums[Centres][2];
    tile_distances<T, Centres>(tile, dimensions, centres + first * dimensions, sums);
    for (std::size_t c = 0; c < Centres; ++c) {
        const auto label = static_cast<typename Simd<T>::Int>(first + c);
        for (int half = 0; half < 2; ++half) {
            const auto sum = sums[c][half];
            const auto closer = sum < nearest.distance[half];
            const auto behind = closer ? nearest.distance[half] : sum;
            nearest.second[half] = behind < nearest.second[half] ? behind : nearest.second[half];
            nearest.distance[half] = closer ? sum : nearest.distance[half];
            nearest.label[half] = closer ? label - typename Simd<T>::Mask{} : nearest.label[half];
        }
    }
}

template <typename T>
void assign_two(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centres,
                std::size_t k, std::int32_t* labels, T* distances, T* seconds) {
    using S = Simd<T>;
    for (std::size_t b = 0; b < block_count; ++b) {
        for (std::size_t lane = 0; lane < kLanes; lane += S::kTile) {
            const T* tile = blocks + b * dimensions * kLanes + lane;
            NearestTwo<T> nearest;
            start(nearest);
            for (int half = 0; half < 2; ++half)
                nearest.second[half] = nearest.distance[half];
            std::size_t c = 0;
            for (; c + 4 <= k; c += 4)
                improve_two<T, 4>(nearest, tile, dimensions, centres, c);
            for (; c < k; ++c)
                improve_two<T, 1>(nearest, tile, dimensions, centres, c);
            const std::size_t row = b * kLanes + lane;
            put_labels(nearest, labels + row);
            put_distances(nearest, distances + row);
            for (std::size_t half = 0; half < 2; ++half)
                S::store(seconds + row + half * S::kWidth, nearest.second[half]);
        }
    }
}

// Adds a tile's part to the 16 lane sums of each of so many candidates.
template <typename T, std::size_t Candidates>
inline void add_potentials(const T* tile, std::size_t dimensions, const T* candidates, const T* distances,
                           const T* weights, std::size_t lane, double* lane_sums) {
    using S = Simd<T>;
    typename S::Vector sums[Candidates][2];
    tile_distances<T, Candidates>(tile, dimensions, candidates, sums);
    for (std::size_t half = 0; half < 2; ++half) {
        const auto old = S::load(distances + half * S::kWidth);
        const auto weight = S::load(weights + half * S::kWidth);
        for (std::size_t c = 0; c < Candidates; ++c) {
            T weighted[S::kWidth];
            S::store(weighted, (sums[c][half] < old ? sums[c][half] : old) * weight);
            double* lanes = lane_sums + c * kLanes + lane + half * S::kWidth;
            for (std::size_t i = 0; i < S::kWidth; ++i)
                lanes[i] += static_cast<double>(weighted[i]);
        }
    }
}

// So many candidates at once share the loads of each tile.
template <typename T, std::size_t Candidates>
void potentials_of(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* candidates,
                   const T* distances, const T* weights, double* totals) {
    double lane_sums[Candidates * kLanes] = {};
    for (std::size_t b = 0; b < block_count; ++b)
        for (std::size_t lane = 0; lane < kLanes; lane += Simd<T>::kTile)
            add_potentials<T, Candidates>(blocks + b * dimensions * kLanes + lane, dimensions, candidates,
                                          distances + b * kLanes + lane, weights + b * kLanes + lane, lane,
                                          lane_sums);
    for (std::size_t c = 0; c < Candidates; ++c) {
        double total = 0;
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            total += lane_sums[c * kLanes + lane];
        totals[c] += total;
    }
}

template <typename T>
void potentials(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* candidates,
                std::size_t candidate_count, const T* distances, const T* weights, double* totals) {
    std::size_t c = 0;
    for (; c + 4 <= candidate_count; c += 4)
        potentials_of<T, 4>(blocks, block_count, dimensions, candidates + c * dimensions, distances, weights,
                            totals + c);
    for (; c < candidate_count; ++c)
        potentials_of<T, 1>(blocks, block_count, dimensions, candidates + c * dimensions, distances, weights,
                            totals + c);
}

// In pairs, pairs of pairs, and so on: the same order for every width of vectors.
template <typename T>
inline double sum_of_lanes(const T* values) {
    double sums[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i)
        sums[i] = static_cast<double>(values[i]);
    for (std::size_t width = kLanes / 2; width > 0; width /= 2)
        for (std::size_t i = 0; i < width; ++i)
            sums[i] += sums[i + width];
    return sums[0];
}

template <typename T>
void lower(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centre, T* distances,
           const T* weights, double* block_sums) {
    using S = Simd<T>;
    for (std::size_t b = 0; b < block_count; ++b) {
        T weighted[kLanes];
        for (std::size_t lane = 0; lane < kLanes; lane += S::kTile) {
            typename S::Vector sums[1][2];
            tile_distances<T, 1>(blocks + b * dimensions * kLanes + lane, dimensions, centre, sums);
            for (std::size_t half = 0; half < 2; ++half) {
                const std::size_t row = b * kLanes + lane + half * S::kWidth;
                const auto old = S::load(distances + row);
                const auto least = sums[0][half] < old ? sums[0][half] : old;
                S::store(distances + row, least);
                S::store(weighted + lane + half * S::kWidth, least * S::load(weights + row));
            }
        }
        block_sums[b] = sum_of_lanes(weighted);
    }
}

// As LaneSum adds.
inline void add_to_lanes(Simd<double>::Vector terms, double high_rounder, double low_rounder,
                         std::uint64_t* high, std::uint64_t* low) {
    typedef std::uint64_t Counts __attribute__((vector_size(PGSEG_VECTOR_BYTES)));
    const auto add = [](std::uint64_t* sums, Simd<double>::Vector rounded) {
        Counts counts, bits;
        std::memcpy(&counts, sums, sizeof counts);
        std::memcpy(&bits, &rounded, sizeof bits);
        counts += bits;
        std::memcpy(sums, &counts, sizeof counts);
    };
    const auto rounded = terms + high_rounder;
    add(high, rounded);
    add(low, (terms - (rounded - high_rounder)) + low_rounder);
}

template <typename T>
void add_moments(const T* block, std::size_t dimensions, const double* weights, const double* middle,
                 const LaneSum<kLanes>::Unit* units, LaneSum<kLanes>* sums, double* squares) {
    using Wide = Simd<double>;
    typedef T Narrow __attribute__((vector_size(Wide::kWidth * sizeof(T))));
    typename Wide::Vector square[kLanes / Wide::kWidth] = {};
    for (std::size_t f = 0; f < dimensions; ++f, block += kLanes) {
        const double high_rounder = units[f].high_rounder();
        const double low_rounder = units[f].low_rounder();
        for (std::size_t lane = 0; lane < kLanes; lane += Wide::kWidth) {
            Narrow values;
            std::memcpy(&values, block + lane, sizeof values);
            auto terms = __builtin_convertvector(values, typename Wide::Vector) - middle[f];
            square[lane / Wide::kWidth] += terms * terms;
            if (weights != nullptr)
                terms *= Wide::load(weights + lane);
            add_to_lanes(terms, high_rounder, low_rounder, sums[f].high() + lane, sums[f].low() + lane);
        }
        sums[f].count_added(units[f]);
    }
    std::memcpy(squares, square, sizeof square);
}

template <typename T, bool Weighted>
inline void add_rows_to(const T* rows, std::size_t count, std::size_t dimensions, const std::int32_t* labels,
                        const double* weights, double* sums) {
    using Wide = Simd<double>;
    typedef T Narrow __attribute__((vector_size(Wide::kWidth * sizeof(T))));
    for (std::size_t row = 0; row < count; ++row, rows += dimensions) {
        double* sum = sums + static_cast<std::size_t>(labels[row]) * dimensions;
        const double weight = Weighted ? weights[row] : 1.0;
        std::size_t f = 0;
        for (; f + Wide::kWidth <= dimensions; f += Wide::kWidth) {
            Narrow values;
            std::memcpy(&values, rows + f, sizeof values);
            auto terms = __builtin_convertvector(values, typename Wide::Vector);
            if constexpr (Weighted)
                terms *= weight;
            Wide::store(sum + f, Wide::load(sum + f) + terms);
        }
        for (; f < dimensions; ++f)
            sum[f] += weight * static_cast<double>(rows[f]);
    }
}

template <typename T>
void add_rows(const T* rows, std::size_t count, std::size_t dimensions, const std::int32_t* labels,
              const double* weights, double* sums) {
    if (weights == nullptr)
        add_rows_to<T, false>(rows, count, dimensions, labels, weights, sums);
    else
        add_rows_to<T, true>(rows, count, dimensions, labels, weights, sums);
}

template <typename T>
void to_grid(const T* values, std::size_t count, const double* origins, double scale,
             float* __restrict points) {
    for (std::size_t i = 0; i < count; ++i) {
        const double exact = (static_cast<double>(values[i]) - origins[i]) * scale;
        points[i] = static_cast<float>((exact + kGridRounder) - kGridRounder);
    }
}

template <typename T>
constexpr Kernels<T> kVariant = {PGSEG_VARIANT, assign<T>,      assign_by_products<T>,
                                 assign_two<T>, potentials<T>,  lower<T>,
                                 add_rows<T>,   add_moments<T>, to_grid<T>};
