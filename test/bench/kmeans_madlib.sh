# shellcheck shell=bash
# k-means beside Apache MADlib (https://madlib.apache.org) in the same server: twenty iterations from k-means++ seeds,
# scoring, and the simplified silhouette. To be sourced by run.sh. Needs Debian's python3-sklearn, whose data it uses.
#
# In: MADLIB_HOME  where MADlib 2.1 is installed (its CMAKE_INSTALL_PREFIX). It needs plpython3u. Without it
#                  the peer's rows and columns are left out.
#
# The peer takes minutes, so it runs once, in the first round.

kmeans_madlib_rows=1670000 kmeans_madlib_rounds=${rounds:-5} kmeans_madlib_features=8 kmeans_madlib_k=8
[ -z "$quick" ] || kmeans_madlib_rows=100000 kmeans_madlib_rounds=${rounds:-2}

# shellcheck source=test/bench/kmeans_peer.bash
source "$BENCH/kmeans_peer.bash"

kmeans_madlib_find_peer() {
    kmeans_madlib_version=
    if [ -z "${MADLIB_HOME:-}" ]; then
        echo 'bench: no MADlib (see MADLIB_HOME): its rows are left out' >&2
        return
    fi
    sql -c 'CREATE EXTENSION plpython3u'
    # Its own bin/madpack looks for Python 2, and it does not like to be root.
    (cd / && server_run /usr/bin/python3 "$MADLIB_HOME/Current/madpack/madpack.py" -p postgres \
        -c "$PGUSER@:$PGPORT/$PGDATABASE" install) >"$WORK/madpack.log" 2>&1 ||
        { tail -20 "$WORK/madpack.log" >&2; die 'madpack failed'; }
    kmeans_madlib_version=$(sql -c "SELECT substring(madlib.version() FROM 'MADlib version: ([0-9.]+)')")
}

# Times the last statement as the client sees it, in a new session.
kmeans_madlib_run() { # ROUND VARIANT STATEMENT
    local time
    time=$(sql <<SQL | milliseconds
SET jit = off;
\timing on
$3;
SQL
    )
    [ "$1" = 0 ] || record kmeans_madlib "$1" "$2" "$time"
}

kmeans_madlib_run_peer() { # ROUND VARIANT STATEMENT
    [ "$1" != 1 ] || [ -z "$kmeans_madlib_version" ] || kmeans_madlib_run "$@"
}

bench_kmeans_madlib() {
    local round array k=$kmeans_madlib_k
    array=$(kmeans_array_of "$kmeans_madlib_features")
    kmeans_madlib_find_peer
    kmeans_start_peer "$kmeans_madlib_rows" "$kmeans_madlib_features" "$k" 1
    kmeans_load points "$kmeans_madlib_features" float64
    kmeans_stop_peer
    sql -c "CREATE TABLE models AS SELECT segment.kmeans($array, $k, '{\"n_init\": 1}') AS model FROM points"
    # The same centroids for both, as each of them takes them.
    sql <<SQL
CREATE TABLE centres AS
SELECT array_agg(centre ORDER BY cluster_id) AS centres
FROM (SELECT cluster_id, array_agg(value ORDER BY feature) AS centre
      FROM models, segment.centroids(model) GROUP BY cluster_id) AS centroids;
SQL
    for ((round = 0; round <= kmeans_madlib_rounds; round++)); do
        kmeans_madlib_run "$round" train \
            "SELECT segment.kmeans($array, $k, '{\"n_init\": 1, \"max_iter\": 20, \"tol\": 0, \"seed\": $round}') FROM points"
        kmeans_madlib_run "$round" score \
            "SELECT count(segment.cluster_id((SELECT model FROM models), $array)) FROM points"
        kmeans_madlib_run "$round" silhouette \
            "SELECT segment.simplified_silhouette((SELECT model FROM models), $array) FROM points"
        kmeans_madlib_run_peer "$round" train_peer \
            "SELECT madlib.kmeanspp('points', '$array', $k, 'madlib.squared_dist_norm2', 'madlib.avg', 20, 0)"
        kmeans_madlib_run_peer "$round" score_peer \
            "SELECT count((madlib.closest_column((SELECT centres FROM centres), $array)).column_id) FROM points"
        kmeans_madlib_run_peer "$round" silhouette_peer \
            "SELECT madlib.simple_silhouette('points', '$array', (SELECT centres FROM centres), 'madlib.dist_norm2')"
    done
    sql -c 'DROP TABLE points, models, centres'
    [ -z "$kmeans_madlib_version" ] || sql -c 'DROP SCHEMA madlib CASCADE' -c 'DROP EXTENSION plpython3u' >/dev/null
}

kmeans_madlib_row() { # LABEL VARIANT
    local peer='' beside=''
    if [ -n "$kmeans_madlib_version" ]; then
        peer=$(seconds "$(median kmeans_madlib "$2_peer")")
        beside=$(awk -v a="$(median kmeans_madlib "$2")" -v b="$(median kmeans_madlib "$2_peer")" \
            'BEGIN { printf "%.4f", a / b }')
    fi
    printf '| %s | %s | %s | %s |\n' "$1" "$(seconds "$(median kmeans_madlib "$2")")" "$peer" "$beside"
}

table_kmeans_madlib() {
    cat <<MARKDOWN
$(thousands "$kmeans_madlib_rows") rows of $kmeans_madlib_features features, k = $kmeans_madlib_k; $kmeans_madlib_rounds rounds, medians; of the peer one run.
$(machine), jit off, 2 workers${kmeans_madlib_version:+; MADlib $kmeans_madlib_version}.

| | seconds | MADlib | ratio |
|---|---:|---:|---:|
$(kmeans_madlib_row 'training, at most 20 iterations: segment.kmeans; kmeanspp' train)
$(kmeans_madlib_row 'scoring: segment.cluster_id; closest_column' score)
$(kmeans_madlib_row 'simplified silhouette: segment.simplified_silhouette; simple_silhouette' silhouette)

Reproduce: \`make bench-kmeans_madlib\`, with MADLIB_HOME set
MARKDOWN
}
