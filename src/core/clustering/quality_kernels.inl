// The kernels' bodies; quality_kernels.cpp includes this once per instruction set, with PGSEG_VECTOR_BYTES
// set. A tile is two vectors of rows, and four queries or centres share its loads.

constexpr std::size_t kWidth = PGSEG_VECTOR_BYTES / sizeof(double);
constexpr std::size_t kTile = 2 * kWidth;
typedef double Lanes __attribute__((vector_size(PGSEG_VECTOR_BYTES)));

inline Lanes load(const double* p) {
    Lanes v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store(double* p, const Lanes& v) {
    std::memcpy(p, &v, sizeof v);
}

template <std::size_t Centres>
inline void squared_distances(const double* tile, std::size_t dimensions, const double* centres,
                              Lanes (&sums)[Centres][2]) {
    for (std::size_t c = 0; c < Centres; ++c)
        sums[c][0] = sums[c][1] = Lanes{};
    for (std::size_t f = 0; f < dimensions; ++f) {
        const Lanes x0 = load(tile + f * kLanes);
        const Lanes x1 = load(tile + f * kLanes + kWidth);
        for (std::size_t c = 0; c < Centres; ++c) {
            const double centre = centres[c * dimensions + f];
            const Lanes d0 = x0 - centre;
            const Lanes d1 = x1 - centre;
            sums[c][0] += d0 * d0;
            sums[c][1] += d1 * d1;
        }
    }
}

// Through memory of the vector's own alignment: compilers make one instruction of the loop.
inline Lanes square_root(const Lanes& v) {
    Lanes roots = v;
    auto* values = reinterpret_cast<double*>(&roots);
    for (std::size_t i = 0; i < kWidth; ++i)
        values[i] = __builtin_sqrt(values[i]);
    return roots;
}

void distance_sums(const double* queries, const double* query_weights, const double* blocks,
                   std::size_t block_count, std::size_t dimensions, const double* weights, double* query_sums,
                   double* row_sums) {
    constexpr std::size_t kQueries = QualityKernels::kQueries;
    for (std::size_t b = 0; b < block_count; ++b) {
        for (std::size_t lane = 0; lane < kLanes; lane += kTile) {
            Lanes sums[kQueries][2];
            squared_distances<kQueries>(blocks + b * dimensions * kLanes + lane, dimensions, queries, sums);
            for (std::size_t half = 0; half < 2; ++half) {
                const std::size_t at = lane + half * kWidth;
                const Lanes weight = load(weights + b * kLanes + at);
                Lanes to_queries = {};
                for (std::size_t q = 0; q < kQueries; ++q) {
                    const Lanes distance = square_root(sums[q][half]);
                    double* sum = query_sums + q * kLanes + at;
                    store(sum, load(sum) + weight * distance);
                    to_queries += query_weights[q] * distance;
                }
                if (row_sums != nullptr) {
                    double* sum = row_sums + b * kLanes + at;
                    store(sum, load(sum) + to_queries);
                }
            }
        }
    }
}

template <std::size_t Centres>
inline void lower_tile(const double* tile, std::size_t dimensions, const double* centres, Lanes (&least)[2]) {
    Lanes sums[Centres][2];
    squared_distances<Centres>(tile, dimensions, centres, sums);
    for (std::size_t c = 0; c < Centres; ++c)
        for (std::size_t half = 0; half < 2; ++half)
            least[half] = sums[c][half] < least[half] ? sums[c][half] : least[half];
}

void least(const double* blocks, std::size_t block_count, std::size_t dimensions, const double* centres,
           std::size_t centre_count, double* distances) {
    for (std::size_t b = 0; b < block_count; ++b) {
        for (std::size_t lane = 0; lane < kLanes; lane += kTile) {
            const double* tile = blocks + b * dimensions * kLanes + lane;
            double* out = distances + b * kLanes + lane;
            Lanes nearest[2] = {load(out), load(out + kWidth)};
            std::size_t c = 0;
            for (; c + 4 <= centre_count; c += 4)
                lower_tile<4>(tile, dimensions, centres + c * dimensions, nearest);
            for (; c < centre_count; ++c)
                lower_tile<1>(tile, dimensions, centres + c * dimensions, nearest);
            store(out, nearest[0]);
            store(out + kWidth, nearest[1]);
        }
    }
}

constexpr QualityKernels kVariant = {PGSEG_VARIANT, distance_sums, least};
