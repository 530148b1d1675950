# shellcheck shell=bash
# k-means: segment.kmeans over a table beside scikit-learn over an array that is in memory already; ten times the rows;
# scoring beside the bare scan. To be sourced by run.sh. Needs Debian's python3-sklearn and libopenblas0-pthread.

kmeans_rows=1670000 kmeans_rounds=${rounds:-7} kmeans_features=8 kmeans_clusters=8
[ -z "$quick" ] || kmeans_rows=400000 kmeans_rounds=${rounds:-3}

# shellcheck source=test/bench/kmeans_peer.bash
source "$BENCH/kmeans_peer.bash"

kmeans_peer() { # ROUND VARIANT DTYPE N_INIT
    kmeans_ask_peer fit "$3" lloyd "$kmeans_clusters" "$4" "$1"
    # shellcheck disable=SC2086 # three figures
    [ "$1" = 0 ] || record kmeans "$1" "$2" $kmeans_answer
}

# One statement from a table to the model, timed as the client sees it, in a new session.
kmeans_ours() { # ROUND VARIANT FORM WORKERS OPTIONS [TABLE]
    # A literal: an expression of the options would be computed for every row.
    kmeans_train "${6:-points}" "$3" "$kmeans_features" "$kmeans_clusters" "{\"seed\": $1, $5}" "$4"
    [ "$1" = 0 ] || record kmeans "$1" "$2" "$kmeans_time" "$kmeans_iterations" "$kmeans_inertia"
}

# A plan with fewer workers than asked for would be measured under a wrong name.
kmeans_check_plan() { # WORKERS EXPRESSION TABLE
    local planned
    planned=$(sql -v workers="$1" <<SQL | sed -nE 's/.*Workers Launched: ([0-9]+).*/\1/p'
SET max_parallel_workers_per_gather = :workers;
EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT $2 FROM $3;
SQL
    )
    [ "${planned:-0}" = "$1" ] || die "the plan has ${planned:-0} workers instead of $1"
}

kmeans_array=$(kmeans_array_of "$kmeans_features")

# ---- training

kmeans_one='"n_init": 1, "tol": 1e-4' kmeans_ten='"n_init": 10, "tol": 1e-4'

kmeans_measure_training() {
    local round
    for round in 0 2; do
        kmeans_check_plan "$round" "segment.kmeans_state($kmeans_array, 8)" points
        kmeans_check_plan "$round" "segment.kmeans_state(8, NULL, $(kmeans_columns_of "$kmeans_features"))" doubles
    done
    # Round 0 warms up. Each round has a seed of its own, so that a lucky start decides nothing. Each statement comes
    # after a fit of the peer: what was freed just before it is cheaper to take, where the machine is a virtual one.
    for ((round = 0; round <= kmeans_rounds; round++)); do
        kmeans_ours "$round" columns columns 0 "$kmeans_one"
        kmeans_peer "$round" float32 float32 1
        kmeans_ours "$round" serial array 0 "$kmeans_one"
        kmeans_peer "$round" float64 float64 1
        kmeans_ours "$round" columns2 columns 2 "$kmeans_one"
        kmeans_peer 0 between float32 1
        kmeans_ours "$round" workers2 array 2 "$kmeans_one"
        kmeans_peer 0 between float32 1
        kmeans_ours "$round" doubles columns 0 "$kmeans_one" doubles
        kmeans_peer 0 between float32 1
        kmeans_ours "$round" doubles2 columns 2 "$kmeans_one" doubles
        kmeans_peer 0 between float32 1
        kmeans_ours "$round" serial_ten columns 0 "$kmeans_ten"
        [ "$round" = 0 ] || kmeans_peer "$round" float32_ten float32 10
    done
    kmeans_check_inertia columns float64
    kmeans_check_inertia serial_ten float32_ten
}

# Different seeds find different optima; over the rounds both must find the same quality.
kmeans_check_inertia() { # OURS PEER
    awk -v a="$(median kmeans "$1" 5)" -v b="$(median kmeans "$2" 5)" \
        'BEGIN { d = a / b - 1; if (d < 0) d = -d; exit d > 0.01 }' || die "the inertias of $1 and $2 differ by more than 1 %"
}

# ---- ten times the rows: as many iterations, from the start to a fixed end

kmeans_measure_growth() {
    local round options='"n_init": 1, "tol": 0, "max_iter": 20'
    sql -c "CREATE TABLE tenth AS SELECT * FROM points LIMIT $((kmeans_rows / 10))" -c 'VACUUM ANALYZE tenth'
    for ((round = 0; round <= kmeans_rounds; round++)); do
        kmeans_ours "$round" tenth array 0 "$options" tenth
        kmeans_ours "$round" whole array 0 "$options"
    done
}

# ---- scoring

kmeans_score() { # ROUND VARIANT WORKERS EXPRESSION
    local time
    time=$(sql <<SQL | milliseconds
SET jit = off;
SET max_parallel_workers_per_gather = $3;
\timing on
SELECT count($4) FROM points;
SQL
    )
    [ "$1" = 0 ] || record kmeans "$1" "$2" "$time"
}

kmeans_measure_scoring() {
    local round score="segment.cluster_id((SELECT model FROM models), $kmeans_array)"
    sql -c "CREATE TABLE models AS SELECT segment.kmeans($kmeans_array, $kmeans_clusters, '{$kmeans_one}') AS model FROM points"
    kmeans_check_plan 2 "count($score)" points
    kmeans_check_plan 2 "count($kmeans_array)" points
    for ((round = 0; round <= kmeans_rounds; round++)); do
        kmeans_score "$round" scan 0 "$kmeans_array"
        kmeans_score "$round" score 0 "$score"
        kmeans_score "$round" scan2 2 "$kmeans_array"
        kmeans_score "$round" score2 2 "$score"
    done
}

bench_kmeans() {
    kmeans_start_peer "$kmeans_rows" "$kmeans_features" "$kmeans_clusters" 2
    kmeans_load points "$kmeans_features" float32
    kmeans_load doubles "$kmeans_features" float64
    kmeans_measure_training
    kmeans_stop_peer
    kmeans_measure_growth
    kmeans_measure_scoring
    sql -c 'DROP TABLE points, doubles, tenth, models'
}

# ---- tables

kmeans_row() { # LABEL VARIANT PEER
    local time iterations
    time=$(median kmeans "$2") iterations=$(median kmeans "$2" 4)
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(seconds "$time")" "$(ratio kmeans "$2" "$3")" "$iterations" \
        "$(awk -v t="$time" -v i="$iterations" 'BEGIN { printf "%.1f", t / i }')" \
        "$(thousands "$(awk -v x="$(median kmeans "$2" 5)" 'BEGIN { printf "%.0f", x }')")"
}

kmeans_plain_row() { # LABEL VARIANT PEER
    printf '| %s | %s | %s |\n' "$1" "$(awk -v t="$(median kmeans "$2")" 'BEGIN { printf "%.0f", t }')" \
        "$(ratio kmeans "$2" "$3")"
}

table_kmeans() {
    local rows tenth
    rows=$(thousands "$kmeans_rows") tenth=$(thousands $((kmeans_rows / 10)))
    cat <<MARKDOWN
$rows rows of 8 features, those of the peer's float32 array, k = 8, tol 1e-4; $kmeans_rounds rounds, each with another seed; medians.
$(machine); $kmeans_versions.

| one start | seconds | beside scikit-learn float32 | iterations | ms an iteration, all in | inertia |
|---|---:|---:|---:|---:|---:|
$(kmeans_row 'segment.kmeans(8, options, f1, ...), no workers' columns float32)
$(kmeans_row 'segment.kmeans(8, options, f1, ...), 2 workers (the default)' columns2 float32)
$(kmeans_row 'segment.kmeans(ARRAY[f1, ...], 8, options), no workers' serial float32)
$(kmeans_row 'segment.kmeans(ARRAY[f1, ...], 8, options), 2 workers (the default)' workers2 float32)
$(kmeans_row 'values of double precision: segment.kmeans(8, options, f1, ...), no workers' doubles float32)
$(kmeans_row 'values of double precision: segment.kmeans(8, options, f1, ...), 2 workers (the default)' doubles2 float32)
$(kmeans_row 'scikit-learn, float32, 2 threads' float32 float32)
$(kmeans_row 'scikit-learn, float64, 2 threads' float64 float32)

| ten starts | seconds | beside scikit-learn float32 | iterations of the best | ms an iteration of the best | inertia |
|---|---:|---:|---:|---:|---:|
$(kmeans_row 'segment.kmeans(8, options, f1, ...), no workers' serial_ten float32_ten)
$(kmeans_row 'scikit-learn, float32, 2 threads' float32_ten float32_ten)

| ten times the rows, 20 iterations, no workers | ms | beside a tenth |
|---|---:|---:|
$(kmeans_plain_row "segment.kmeans, $tenth rows" tenth tenth)
$(kmeans_plain_row "segment.kmeans, $rows rows" whole tenth)

| $rows rows scored, jit off | ms | beside the scan |
|---|---:|---:|
$(kmeans_plain_row 'count(segment.cluster_id(model, ARRAY[...])), no workers' score scan)
$(kmeans_plain_row 'count(ARRAY[...]), no workers' scan scan)
$(kmeans_plain_row 'count(segment.cluster_id(model, ARRAY[...])), 2 workers' score2 scan2)
$(kmeans_plain_row 'count(ARRAY[...]), 2 workers' scan2 scan2)

Reproduce: \`make bench-kmeans\`
MARKDOWN
}
