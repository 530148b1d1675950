# shellcheck shell=bash
# shellcheck disable=SC2034 # results are for the caller
# What the k-means benchmarks share: scikit-learn as a process, the data as a table, one timed training of ours. To be
# sourced by their files.

# The peer works in a process of its own that keeps the data: a line with a question in, a line of figures out.
# OpenBLAS itself is to choose its kernels.
kmeans_start_peer() { # ROWS FEATURES CENTRES THREADS
    coproc env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_NUM_THREADS="$4" OPENBLAS_NUM_THREADS="$4" \
        /usr/bin/python3 "$BENCH/kmeans_sklearn.py" "$1" "$2" "$3"
    kmeans_peer_in=${COPROC[1]} kmeans_peer_out=${COPROC[0]}
    kmeans_ask_peer versions
    kmeans_versions=$kmeans_answer
}

kmeans_ask_peer() {
    echo "$*" >&"$kmeans_peer_in"
    read -r kmeans_answer <&"$kmeans_peer_out" || die 'scikit-learn gave no answer'
}

kmeans_stop_peer() {
    local pid=$COPROC_PID
    echo quit >&"$kmeans_peer_in"
    wait "$pid"
}

kmeans_columns_of() { # FEATURES
    local columns
    columns=$(seq -s ', ' -f 'f%.0f' "$1")
    echo "$columns"
}

kmeans_array_of() { echo "ARRAY[$(kmeans_columns_of "$1")]"; } # FEATURES

# The peer's array of a type as a table of one column a feature.
kmeans_load() { # TABLE FEATURES float32|float64
    local columns
    columns=$(kmeans_columns_of "$2")
    kmeans_ask_peer write "$3" "$WORK/points.bin"
    sql <<SQL
CREATE TABLE $1 (${columns//,/ float8,} float8);
\copy $1 FROM '$WORK/points.bin' WITH (FORMAT binary)
VACUUM ANALYZE $1;
SQL
    rm "$WORK/points.bin"
}

# The arguments of segment.kmeans: features as an array or as columns.
kmeans_arguments() { # array | columns FEATURES K
    if [ "$1" = array ]; then
        echo "$(kmeans_array_of "$2"), $3, :'options'"
    else
        echo "$3, :'options', $(kmeans_columns_of "$2")"
    fi
}

# Sets kmeans_time, kmeans_iterations and kmeans_inertia.
kmeans_train() { # TABLE array|columns FEATURES K OPTIONS WORKERS
    sql -v options="$5" -v workers="$6" >"$WORK/ours.out" <<SQL
SET max_parallel_workers_per_gather = :workers;
\timing on
SELECT segment.kmeans($(kmeans_arguments "$2" "$3" "$4")) AS model FROM $1 \gset
\timing off
SELECT 'model', iterations, inertia FROM segment.model_info(:'model');
SQL
    IFS='|' read -r _ kmeans_iterations kmeans_inertia < <(grep '^model|' "$WORK/ours.out")
    kmeans_time=$(milliseconds <"$WORK/ours.out")
}
