// The kernels' bodies; kernels.cpp includes this once per instruction set, with PGSEG_VECTOR_BYTES set. A tile is
// two vectors of rows, and four centres share its loads.

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
    for (std::size_t c = 0; c < Centres; ++c) sums[c][0] = sums[c][1] = typename S::Vector{};
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

template <typename T, std::size_t Centres>
inline void improve(Nearest<T>& nearest, const T* tile, std::size_t dimensions, const T* centres, std::size_t first) {
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
            for (int half = 0; half < 2; ++half) {
                nearest.distance[half] = std::numeric_limits<T>::infinity() - typename S::Vector{};
                nearest.label[half] = typename S::Mask{};
            }
            std::size_t c = 0;
            for (; c + 4 <= k; c += 4) improve<T, 4>(nearest, tile, dimensions, centres, c);
            for (; c < k; ++c) improve<T, 1>(nearest, tile, dimensions, centres, c);
            for (std::size_t half = 0; half < 2; ++half) {
                const std::size_t row = b * kLanes + lane + half * S::kWidth;
                S::store(distances + row, nearest.distance[half]);
                for (std::size_t i = 0; i < S::kWidth; ++i)
                    labels[row + i] = static_cast<std::int32_t>(nearest.label[half][i]);
            }
        }
    }
}

template <typename T>
void potentials(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* candidates,
                std::size_t candidate_count, const T* distances, const T* weights, double* totals) {
    using S = Simd<T>;
    for (std::size_t c = 0; c < candidate_count; ++c) {
        double lanes[kLanes] = {};
        for (std::size_t b = 0; b < block_count; ++b) {
            T weighted[kLanes];
            for (std::size_t lane = 0; lane < kLanes; lane += S::kTile) {
                typename S::Vector sums[1][2];
                tile_distances<T, 1>(blocks + b * dimensions * kLanes + lane, dimensions,
                                     candidates + c * dimensions, sums);
                for (std::size_t half = 0; half < 2; ++half) {
                    const std::size_t row = b * kLanes + lane + half * S::kWidth;
                    const auto old = S::load(distances + row);
                    const auto least = sums[0][half] < old ? sums[0][half] : old;
                    S::store(weighted + lane + half * S::kWidth, least * S::load(weights + row));
                }
            }
            for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(weighted[lane]);
        }
        double total = 0;
        for (double lane : lanes) total += lane;
        totals[c] += total;
    }
}

template <typename T>
void lower(const T* blocks, std::size_t block_count, std::size_t dimensions, const T* centre, T* distances,
           const T* weights, double* block_sums) {
    using S = Simd<T>;
    for (std::size_t b = 0; b < block_count; ++b) {
        double sum = 0;
        for (std::size_t lane = 0; lane < kLanes; lane += S::kTile) {
            typename S::Vector sums[1][2];
            tile_distances<T, 1>(blocks + b * dimensions * kLanes + lane, dimensions, centre, sums);
            for (std::size_t half = 0; half < 2; ++half) {
                const std::size_t row = b * kLanes + lane + half * S::kWidth;
                const auto old = S::load(distances + row);
                const auto least = sums[0][half] < old ? sums[0][half] : old;
                S::store(distances + row, least);
                const auto weighted = least * S::load(weights + row);
                for (std::size_t i = 0; i < S::kWidth; ++i) sum += static_cast<double>(weighted[i]);
            }
        }
        block_sums[b] = sum;
    }
}

template <typename T>
constexpr Kernels<T> kVariant = {PGSEG_VARIANT, assign<T>, potentials<T>, lower<T>};
