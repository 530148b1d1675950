# shellcheck shell=bash
# k-means with many clusters: segment.kmeans over a table, no workers, beside scikit-learn's two algorithms over an array
# that is in memory already, with one thread. To be sourced by run.sh. Needs Debian's python3-sklearn and
# libopenblas0-pthread.

kmeans_many_rows=200000 kmeans_many_rounds=${rounds:-5} kmeans_many_centres=256
[ -z "$quick" ] || kmeans_many_rows=40000 kmeans_many_rounds=${rounds:-2}

# shellcheck source=test/bench/kmeans_peer.bash
source "$BENCH/kmeans_peer.bash"

kmeans_many_ours() { # ROUND FEATURES K
    kmeans_train points array "$2" "$3" "{\"seed\": $1, \"n_init\": 1, \"tol\": 1e-4, \"max_iter\": 300}" 0
    [ "$1" = 0 ] || record kmeans_many "$1" "ours_$2_$3" "$kmeans_time" "$kmeans_iterations" "$kmeans_inertia"
}

kmeans_many_peer() { # ROUND FEATURES K ALGORITHM
    kmeans_ask_peer fit float32 "$4" "$3" 1 "$1"
    # shellcheck disable=SC2086 # three figures
    [ "$1" = 0 ] || record kmeans_many "$1" "$4_$2_$3" $kmeans_answer
}

kmeans_many_measure() { # FEATURES
    local round k
    kmeans_start_peer "$kmeans_many_rows" "$1" "$kmeans_many_centres" 1
    kmeans_load points "$1" float32
    for k in 64 256; do
        for ((round = 0; round <= kmeans_many_rounds; round++)); do
            kmeans_many_ours "$round" "$1" "$k"
            kmeans_many_peer "$round" "$1" "$k" lloyd
            kmeans_many_peer "$round" "$1" "$k" elkan
        done
        kmeans_many_check_inertia "$1" "$k"
    done
    kmeans_stop_peer
    sql -c 'DROP TABLE points'
}

# Different seeds find different optima; over the rounds ours must be no worse.
kmeans_many_check_inertia() { # FEATURES K
    awk -v a="$(median kmeans_many "ours_$1_$2" 5)" -v b="$(median kmeans_many "lloyd_$1_$2" 5)" \
        'BEGIN { exit a / b > 1.01 }' || die "the inertia of ours is worse than scikit-learn's by more than 1 %: d = $1, k = $2"
}

bench_kmeans_many() {
    kmeans_many_measure 8
    kmeans_many_measure 32
}

kmeans_many_rows_of() { # FEATURES K
    local variant label
    for variant in ours lloyd elkan; do
        case $variant in
        ours) label='segment.kmeans' ;;
        *) label="scikit-learn, $variant" ;;
        esac
        printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$label" \
            "$(seconds "$(median kmeans_many "${variant}_$1_$2")")" \
            "$(ratio kmeans_many "${variant}_$1_$2" "lloyd_$1_$2")" \
            "$(ratio kmeans_many "${variant}_$1_$2" "elkan_$1_$2")" "$(median kmeans_many "${variant}_$1_$2" 4)" \
            "$(thousands "$(awk -v x="$(median kmeans_many "${variant}_$1_$2" 5)" 'BEGIN { printf "%.0f", x }')")"
    done
}

table_kmeans_many() {
    cat <<MARKDOWN
$(thousands "$kmeans_many_rows") rows, one start, tol 1e-4, at most 300 iterations, no workers; $kmeans_many_rounds rounds, each with another seed; medians.
$(machine); $kmeans_versions, float32.

| features | k | | seconds | beside lloyd | beside elkan | iterations | inertia |
|---:|---:|---|---:|---:|---:|---:|---:|
$(kmeans_many_rows_of 8 64)
$(kmeans_many_rows_of 8 256)
$(kmeans_many_rows_of 32 64)
$(kmeans_many_rows_of 32 256)

Reproduce: \`make bench-kmeans_many\`
MARKDOWN
}
