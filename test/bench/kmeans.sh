# shellcheck shell=bash
# k-means: segment.kmeans over a table beside scikit-learn over an array that is in memory already. To be sourced by
# run.sh. Needs Debian's python3-sklearn and libopenblas0-pthread.

kmeans_rows=2000000 kmeans_rounds=${rounds:-7}
[ -z "$quick" ] || kmeans_rows=400000 kmeans_rounds=${rounds:-3}

# The peer works in a process of its own that keeps the data: a line with variant and seed in, a line of figures out.
# OpenBLAS itself is to choose its kernels.
kmeans_start_peer() {
    coproc env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 \
        /usr/bin/python3 "$BENCH/kmeans_sklearn.py" "$kmeans_rows" "$WORK/points.bin"
    kmeans_peer_in=${COPROC[1]} kmeans_peer_out=${COPROC[0]}
    kmeans_ask_peer versions
    kmeans_versions=$kmeans_answer
}

kmeans_ask_peer() {
    echo "$*" >&"$kmeans_peer_in"
    read -r kmeans_answer <&"$kmeans_peer_out" || die 'scikit-learn gave no answer'
}

kmeans_peer() { # ROUND VARIANT
    kmeans_ask_peer "$2" "$1"
    # shellcheck disable=SC2086 # three figures
    [ "$1" = 0 ] || record kmeans "$1" "$2" $kmeans_answer
}

# One statement from the table to the model, timed as the client sees it, in a new session.
kmeans_ours() { # ROUND VARIANT WORKERS
    # A literal: an expression of the options would be computed for every row.
    sql -v options="{\"n_init\": 1, \"max_iter\": 300, \"tol\": 1e-4, \"seed\": $1}" -v workers="$3" \
        >"$WORK/ours.out" <<'SQL'
SET max_parallel_workers_per_gather = :workers;
\timing on
SELECT segment.kmeans(ARRAY[f1, f2, f3, f4, f5, f6, f7, f8], 8, :'options') AS model
FROM points \gset
\timing off
SELECT 'model', iterations, inertia, converged FROM segment.model_info(:'model');
SQL
    local info
    info=$(grep '^model|' "$WORK/ours.out")
    IFS='|' read -r _ iterations inertia converged <<<"$info"
    [ "$converged" = t ] || die 'segment.kmeans did not converge'
    [ "$1" = 0 ] || record kmeans "$1" "$2" "$(milliseconds <"$WORK/ours.out")" "$iterations" "$inertia"
}

# A plan with fewer workers than asked for would be measured under a wrong name.
kmeans_check_plan() { # WORKERS
    local planned
    planned=$(sql -v workers="$1" <<'SQL' | sed -nE 's/.*Workers Launched: ([0-9]+).*/\1/p'
SET max_parallel_workers_per_gather = :workers;
EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT segment.kmeans_state(ARRAY[f1, f2, f3, f4, f5, f6, f7, f8], 8) FROM points;
SQL
    )
    [ "${planned:-0}" = "$1" ] || die "the plan has ${planned:-0} workers instead of $1"
}

bench_kmeans() {
    local round
    kmeans_start_peer
    sql <<SQL
CREATE TABLE points (f1 float8, f2 float8, f3 float8, f4 float8, f5 float8, f6 float8, f7 float8, f8 float8);
\copy points FROM '$WORK/points.bin' WITH (FORMAT binary)
VACUUM ANALYZE points;
SQL
    rm "$WORK/points.bin"
    for round in 0 1 2; do kmeans_check_plan "$round"; done
    # Round 0 warms up. Each round has a seed of its own, so that a lucky start decides nothing.
    for ((round = 0; round <= kmeans_rounds; round++)); do
        kmeans_ours "$round" serial 0
        kmeans_peer "$round" float32
        kmeans_ours "$round" workers2 2
        kmeans_peer "$round" float64
        kmeans_ours "$round" workers1 1
    done
    echo quit >&"$kmeans_peer_in"
    sql -c 'DROP TABLE points'
    kmeans_check_inertia
}

# Different seeds find different optima; over the rounds both must find the same quality.
kmeans_check_inertia() {
    awk -v a="$(median kmeans serial 5)" -v b="$(median kmeans float64 5)" \
        'BEGIN { d = a / b - 1; if (d < 0) d = -d; exit d > 0.01 }' || die 'the inertias differ by more than 1 %'
}

kmeans_row() { # LABEL VARIANT
    local time iterations
    time=$(median kmeans "$2") iterations=$(median kmeans "$2" 4)
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(seconds "$time")" "$(ratio kmeans "$2" float32)" "$iterations" \
        "$(awk -v t="$time" -v i="$iterations" 'BEGIN { printf "%.1f", t / i }')" \
        "$(thousands "$(awk -v x="$(median kmeans "$2" 5)" 'BEGIN { printf "%.0f", x }')")"
}

table_kmeans() {
    cat <<MARKDOWN
$(thousands "$kmeans_rows") rows of 8 features, k = 8, one start, tol 1e-4; $kmeans_rounds rounds, each with another seed; medians.
$(machine); $kmeans_versions.

| | seconds | beside scikit-learn float32 | iterations | ms an iteration, all in | inertia |
|---|---:|---:|---:|---:|---:|
$(kmeans_row 'segment.kmeans, no workers' serial)
$(kmeans_row 'segment.kmeans, 1 worker' workers1)
$(kmeans_row 'segment.kmeans, 2 workers (the default)' workers2)
$(kmeans_row 'scikit-learn, float32, 2 threads' float32)
$(kmeans_row 'scikit-learn, float64, 2 threads' float64)

Reproduce: \`make bench-kmeans\`
MARKDOWN
}
