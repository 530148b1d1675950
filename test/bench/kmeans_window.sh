# shellcheck shell=bash
# Cluster numbers by a window function: segment.kmeans_cluster beside kmeans-postgresql
# (https://github.com/umitanuki/kmeans-postgresql) and PostGIS's ST_ClusterKMeans, where the server has them. To be
# sourced by run.sh. Needs Debian's python3-sklearn, whose data it uses.
#
# In: KMEANS_DESTDIR  the DESTDIR of a kmeans-postgresql's "make install"; empty: as it is installed in the system, if it
#                     is. Without a peer its rows are left out.

# The data are eight clusters; for more of them, iterations are many.
kmeans_window_rows=300000 kmeans_window_rounds=${rounds:-7} kmeans_window_k=8 kmeans_window_more=12
[ -z "$quick" ] || kmeans_window_rows=150000 kmeans_window_rounds=${rounds:-3}

# shellcheck source=test/bench/kmeans_peer.bash
source "$BENCH/kmeans_peer.bash"

# ---- the peers

kmeans_window_find_peers() {
    local config directory
    if [ -n "${KMEANS_DESTDIR:-}" ]; then
        config=$(server_pg_config)
        install -m 755 "$KMEANS_DESTDIR$("$config" --pkglibdir)/kmeans.so" "$WORK/dest$("$config" --pkglibdir)" ||
            die "no kmeans-postgresql in $KMEANS_DESTDIR"
        directory=$("$config" --sharedir)/extension
        install -m 644 "$KMEANS_DESTDIR$directory"/kmeans* "$WORK/dest$directory"
    fi
    # pg_available_extensions does not list what is in another place than the system's.
    sql <<'SQL'
CREATE SCHEMA peer;
DO $$
DECLARE
    extension text;
BEGIN
    FOREACH extension IN ARRAY '{kmeans,postgis}'::text[] LOOP
        BEGIN
            EXECUTE format('CREATE EXTENSION %I SCHEMA peer', extension);
        EXCEPTION WHEN undefined_file OR feature_not_supported THEN
            RAISE DEBUG 'not installed';
        END;
    END LOOP;
END
$$;
SQL
    kmeans_window_peer=$(sql -c "SELECT extversion FROM pg_extension WHERE extname = 'kmeans'")
    kmeans_window_postgis=$(sql -c "SELECT extversion FROM pg_extension WHERE extname = 'postgis'")
    if [ -z "$kmeans_window_peer" ]; then
        [ -z "${KMEANS_DESTDIR:-}" ] || die 'the server does not find the kmeans-postgresql of KMEANS_DESTDIR'
        echo 'bench: no kmeans-postgresql (see KMEANS_DESTDIR): its row is left out' >&2
    fi
    [ -n "$kmeans_window_postgis" ] || echo 'bench: no PostGIS: its row is left out' >&2
}

# ---- measuring

# Times the statement as the client sees it, in a new session. The inertia of its numbers is found apart, once.
kmeans_window_run() { # ROUND VARIANT FEATURES CALL
    local time
    time=$(sql <<SQL | milliseconds
SET jit = off;
\timing on
SELECT count(label) FROM (SELECT $4 OVER () AS label FROM points$3) AS numbered;
SQL
    )
    if [ "$1" = 0 ]; then
        kmeans_window_inertia_of "$2" "$3" "$4"
    else
        record kmeans_window "$1" "$2" "$time"
    fi
}

kmeans_window_inertia_of() { # VARIANT FEATURES CALL
    local sums
    sums=$(printf 'var_pop(f%s) + ' $(seq "$2"))
    record kmeans_window_inertia 1 "$1" "$(sql <<SQL
SELECT sum(inertia) FROM (SELECT count(*) * (${sums% + }) AS inertia
    FROM (SELECT *, $3 OVER () AS label FROM points$2) AS numbered GROUP BY label) AS clusters
SQL
    )" 2>/dev/null
}

kmeans_window_load() { # FEATURES
    kmeans_start_peer "$kmeans_window_rows" "$1" "$kmeans_window_k" 1
    kmeans_load "points$1" "$1" float64
    kmeans_stop_peer
}

bench_kmeans_window() {
    local round array8 array2 single="'{\"n_init\": 1}'"
    local one="$kmeans_window_k, $single"
    array8=$(kmeans_array_of 8) array2=$(kmeans_array_of 2)
    kmeans_window_find_peers
    kmeans_window_load 8
    kmeans_window_load 2
    # As its users have the points: in a column of the peer's own type.
    [ -z "$kmeans_window_postgis" ] || sql -c 'ALTER TABLE points2 ADD point peer.geometry' \
        -c 'UPDATE points2 SET point = peer.ST_MakePoint(f1, f2)' -c 'VACUUM FULL ANALYZE points2'
    for ((round = 0; round <= kmeans_window_rounds; round++)); do
        kmeans_window_run "$round" ours8 8 "segment.kmeans_cluster($array8, $one)"
        [ -z "$kmeans_window_peer" ] ||
            kmeans_window_run "$round" kmeans8 8 "peer.kmeans($array8, $kmeans_window_k)"
        kmeans_window_run "$round" ours8_ten 8 "segment.kmeans_cluster($array8, $kmeans_window_k)"
        kmeans_window_run "$round" more8 8 "segment.kmeans_cluster($array8, $kmeans_window_more, $single)"
        [ -z "$kmeans_window_peer" ] ||
            kmeans_window_run "$round" kmeans8_more 8 "peer.kmeans($array8, $kmeans_window_more)"
        kmeans_window_run "$round" ours2 2 "segment.kmeans_cluster($array2, $one)"
        [ -z "$kmeans_window_postgis" ] ||
            kmeans_window_run "$round" postgis2 2 "peer.ST_ClusterKMeans(point, $kmeans_window_k)"
        kmeans_window_run "$round" ours2_ten 2 "segment.kmeans_cluster($array2, $kmeans_window_k)"
    done
    sql -c 'DROP TABLE points8, points2' -c 'DROP SCHEMA peer CASCADE'
}

# ---- tables

kmeans_window_has() { [ -n "$(_column kmeans_window "$1" 3)" ]; }

kmeans_window_row() { # LABEL VARIANT PEER
    local beside=''
    kmeans_window_has "$2" || return 0
    ! kmeans_window_has "$3" || beside=$(ratio kmeans_window "$2" "$3")
    printf '| %s | %s | %s | %s |\n' "$1" \
        "$(thousands "$(awk -v t="$(median kmeans_window "$2")" 'BEGIN { printf "%.0f", t }')")" "$beside" \
        "$(thousands "$(awk -v x="$(median kmeans_window_inertia "$2")" 'BEGIN { printf "%.0f", x }')")"
}

table_kmeans_window() {
    local rows
    rows=$(thousands "$kmeans_window_rows")
    cat <<MARKDOWN
$rows rows in one partition, $kmeans_window_k clusters; $kmeans_window_rounds rounds; medians. $(machine), jit off${kmeans_window_peer:+; kmeans-postgresql $kmeans_window_peer}${kmeans_window_postgis:+; PostGIS $kmeans_window_postgis}.

| 8 features, k = $kmeans_window_k | ms | beside kmeans-postgresql | inertia |
|---|---:|---:|---:|
$(kmeans_window_row 'segment.kmeans_cluster, one start' ours8 kmeans8)
$(kmeans_window_row 'segment.kmeans_cluster, ten starts (the default)' ours8_ten kmeans8)
$(kmeans_window_row 'kmeans-postgresql: kmeans, one start' kmeans8 kmeans8)

| 8 features, k = $kmeans_window_more | ms | beside kmeans-postgresql | inertia |
|---|---:|---:|---:|
$(kmeans_window_row 'segment.kmeans_cluster, one start' more8 kmeans8_more)
$(kmeans_window_row 'kmeans-postgresql: kmeans, one start' kmeans8_more kmeans8_more)

| 2 features, k = $kmeans_window_k | ms | beside ST_ClusterKMeans | inertia |
|---|---:|---:|---:|
$(kmeans_window_row 'segment.kmeans_cluster, one start' ours2 postgis2)
$(kmeans_window_row 'segment.kmeans_cluster, ten starts (the default)' ours2_ten postgis2)
$(kmeans_window_row 'PostGIS: ST_ClusterKMeans, one start' postgis2 postgis2)

Reproduce: \`make bench-kmeans_window\`${kmeans_window_peer:+, with KMEANS_DESTDIR set where kmeans-postgresql is not installed in the system}
MARKDOWN
}
