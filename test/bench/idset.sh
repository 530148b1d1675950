# shellcheck shell=bash
# Sets of ids: segment.idset beside pg_roaringbitmap (https://github.com/ChenHuajun/pg_roaringbitmap), where the server
# has that extension, and beside plain SQL. To be sourced by run.sh.
#
# In: PEER_DESTDIR  the DESTDIR of a pg_roaringbitmap's "make install"; empty: as it is installed in the system, if it
#                   is. Without the peer its rows and its column are left out.
#     IDSET_SLOW    not empty: also what takes a minute, in the first round only: plain SQL's overlap matrix, and all
#                   rows rather than a twentieth for the peer's membership test as one writes it first.
#
# The peer has two types, one of 32 bits for integer and one of 64 bits for bigint; ours is held against the faster.

idset_rows=10000000 idset_ids=1670000 idset_shops=5001 idset_draws=97800 idset_chosen=60000 idset_random=500000
idset_range=5000000 idset_few=1000000 idset_rounds=${rounds:-5}
[ -z "$quick" ] || idset_rows=2000000 idset_ids=334000 idset_shops=1001 idset_draws=19560 idset_chosen=12000 \
    idset_random=100000 idset_range=1000000 idset_few=50000 idset_rounds=${rounds:-3}
idset_sets=100 idset_part=20 # the part of the rows that the peer's slow test reads: one in so many

# ---- the peer

idset_find_peer() {
    local config directory
    if [ -n "${PEER_DESTDIR:-}" ]; then
        config=$(server_pg_config)
        for directory in "$("$config" --pkglibdir)" "$("$config" --sharedir)/extension"; do
            install -m 644 "$PEER_DESTDIR$directory"/roaringbitmap* "$WORK/dest$directory" ||
                die "no pg_roaringbitmap in $PEER_DESTDIR$directory"
        done
    fi
    # pg_available_extensions does not list what is in another place than the system's.
    sql <<'SQL'
CREATE SCHEMA peer;
DO $$
BEGIN
    CREATE EXTENSION roaringbitmap SCHEMA peer;
EXCEPTION WHEN undefined_file OR feature_not_supported THEN
    RAISE DEBUG 'not installed';
END
$$;
SQL
    idset_peer=$(sql -c "SELECT extversion FROM pg_extension WHERE extname = 'roaringbitmap'")
    if [ -z "$idset_peer" ]; then
        [ -z "${PEER_DESTDIR:-}" ] || die "the server does not find the pg_roaringbitmap of PEER_DESTDIR"
        echo 'bench: no pg_roaringbitmap (see PEER_DESTDIR): its rows are left out' >&2
    elif [ -z "$(sql -c "SELECT to_regtype('peer.roaringbitmap64')")" ]; then
        die "pg_roaringbitmap $idset_peer has no 64-bit type"
    fi
}

# ---- measuring

idset_has() { [ -f "$WORK/idset.tsv" ] && [ -n "$(_column idset "$1" 3)" ]; }

# Times the statement as the client sees it, in a new session; its one row is the fact to compare.
idset_run() { # ROUND VARIANT STATEMENT [SETTING...]
    local round=$1 variant=$2 statement=$3
    shift 3
    {
        printf 'SET %s;\n' 'jit = off' "$@"
        printf '\\timing on\n%s;\n' "$statement"
    } | sql >"$WORK/idset.out"
    [ "$round" = 0 ] ||
        record idset "$round" "$variant" "$(milliseconds <"$WORK/idset.out")" "$(head -n 1 "$WORK/idset.out")"
}

idset_run_peer() { [ -z "$idset_peer" ] || idset_run "$@"; }

# What takes long, and says enough at once.
idset_run_once() { [ "$1" != 1 ] || idset_run "$@"; }

# Variants that have not run agree with all.
idset_check_facts() { # VARIANT...
    local variant facts
    facts=$(for variant; do _column idset "$variant" 4; done | sort -u)
    [ "$(wc -l <<<"$facts")" = 1 ] || die "not the same from each of $*:"$'\n'"$facts"
}

# A plan with fewer workers than asked for would be measured under a wrong name.
idset_check_workers() { # WORKERS STATEMENT
    local launched
    launched=$(sql -c 'SET jit = off' -c "EXPLAIN (ANALYZE, COSTS off, TIMING off) $2" |
        sed -nE 's/.*Workers Launched: ([0-9]+).*/\1/p')
    [ "${launched:-0}" = "$1" ] || die "the plan has ${launched:-0} workers instead of $1: $2"
}

# Into the server's memory, past the small ring of buffers that the scan of a large table would use.
idset_settle() { # TABLE...
    local table
    for table; do
        sql -c "VACUUM ANALYZE $table"
        [ -z "$idset_prewarm" ] || sql -c "SELECT pg_prewarm('$table')" >"$WORK/idset.out"
    done
}

# ---- the distinct ids of many rows, all at once and by group

idset_make_orders() {
    sql <<SQL
CREATE TABLE orders AS
SELECT abs(hashint8extended(i, 1) % $idset_ids) + 1 AS id, abs(hashint8extended(i, 2) % $idset_shops)::int AS shop,
       (abs(hashint8extended(i, 3)) % 100000)::int AS cents
FROM generate_series(1, $idset_rows) AS i;
SQL
    idset_settle orders
}

idset_measure_distinct() {
    local round ours='SELECT segment.cardinality(segment.idset_agg(id)) FROM orders'
    local count_distinct='SELECT segment.count_distinct(id) FROM orders'
    local peer64='SELECT peer.rb64_cardinality(peer.rb64_build_agg(id)) FROM orders'
    local peer32='SELECT peer.rb_cardinality(peer.rb_build_agg(id::int)) FROM orders'
    idset_check_workers 2 "$ours"
    idset_check_workers 2 "$count_distinct"
    [ -z "$idset_peer" ] || idset_check_workers 2 "$peer64"
    [ -z "$idset_peer" ] || idset_check_workers 2 "$peer32"
    for ((round = 0; round <= idset_rounds; round++)); do
        idset_run "$round" distinct_ours "$ours"
        idset_run_peer "$round" distinct_peer64 "$peer64"
        idset_run "$round" distinct_count "$count_distinct"
        idset_run_peer "$round" distinct_peer32 "$peer32"
        idset_run "$round" distinct_plain 'SELECT count(DISTINCT id) FROM orders'
        idset_run "$round" distinct_sum 'SELECT sum(id) FROM orders'
    done
    idset_check_facts distinct_ours distinct_peer64 distinct_count distinct_peer32 distinct_plain
    idset_distinct=$(_column idset distinct_plain 4 | head -n 1)
}

idset_by_shop() { # CARDINALITY EXPRESSION
    echo "SELECT count(*), sum($1(value)) FROM (SELECT shop, $2 AS value FROM orders GROUP BY shop) AS shops"
}

# With the default work_mem, which makes the plans spill rows, and with enough for all groups.
idset_measure_groups() {
    local round memory="work_mem = '256MB'" ours peer64 peer32
    ours=$(idset_by_shop segment.cardinality 'segment.idset_agg(id)')
    peer64=$(idset_by_shop peer.rb64_cardinality 'peer.rb64_build_agg(id)')
    peer32=$(idset_by_shop peer.rb_cardinality 'peer.rb_build_agg(id::int)')
    for ((round = 0; round <= idset_rounds; round++)); do
        idset_run "$round" groups_ours "$ours"
        idset_run_peer "$round" groups_peer64 "$peer64"
        idset_run_peer "$round" groups_peer32 "$peer32"
        idset_run "$round" groups_plain "$(idset_by_shop '' 'count(DISTINCT id)')"
        idset_run "$round" groups_memory_ours "$ours" "$memory"
        idset_run_peer "$round" groups_memory_peer64 "$peer64" "$memory"
        idset_run_peer "$round" groups_memory_peer32 "$peer32" "$memory"
    done
    idset_check_facts groups_{ours,peer64,peer32,plain} groups_memory_{ours,peer64,peer32}
}

# ---- overlaps of stored sets, each pair once

idset_make_sets() {
    sql <<SQL
CREATE TABLE draws AS
SELECT 'set ' || to_char(s, 'FM000') AS name, abs(hashint8extended(i, s) % $idset_ids) + 1 AS id
FROM generate_series(1, $idset_sets) AS s, generate_series(1, $idset_draws) AS i;
ANALYZE draws;
CREATE TABLE sets AS SELECT name, segment.idset_agg(id) AS members FROM draws GROUP BY name;
SQL
    idset_settle sets
    if [ -n "$idset_peer" ]; then
        sql <<SQL
CREATE TABLE peer64_sets AS SELECT name, peer.rb64_build_agg(id) AS members FROM draws GROUP BY name;
CREATE TABLE peer32_sets AS SELECT name, peer.rb_build_agg(id::int) AS members FROM draws GROUP BY name;
SQL
        idset_settle peer64_sets peer32_sets
    fi
    if [ -n "${IDSET_SLOW:-}" ]; then
        sql -c "SET work_mem = '1GB'" -c 'CREATE TABLE members AS SELECT name, id FROM draws GROUP BY name, id'
        idset_settle members
    fi
    sql -c 'DROP TABLE draws'
    idset_set_size=$(sql -c 'SELECT round(avg(segment.cardinality(members))) FROM sets')
}

idset_measure_overlap() {
    local round
    for ((round = 0; round <= idset_rounds; round++)); do
        idset_run "$round" overlap_ours 'SELECT count(*), sum(n_ab)
FROM segment.overlap_pairs((SELECT segment.overlap(name, members) FROM sets)) AS pairs
WHERE a < b'
        idset_run_peer "$round" overlap_peer64 'SELECT count(*), sum(peer.rb64_and_cardinality(a.members, b.members))
FROM peer64_sets AS a JOIN peer64_sets AS b ON a.name < b.name'
        idset_run_peer "$round" overlap_peer32 'SELECT count(*), sum(peer.rb_and_cardinality(a.members, b.members))
FROM peer32_sets AS a JOIN peer32_sets AS b ON a.name < b.name'
        [ -z "${IDSET_SLOW:-}" ] || idset_run_once "$round" overlap_plain 'SELECT count(*), sum(n_ab)
FROM (SELECT a.name, b.name AS other, count(*) AS n_ab FROM members AS a JOIN members AS b USING (id)
      WHERE a.name < b.name GROUP BY a.name, b.name) AS pairs' "work_mem = '256MB'"
    done
    idset_check_facts overlap_{ours,peer64,peer32,plain}
}

# ---- the rows whose id is in a stored set

idset_make_visits() {
    sql <<SQL
CREATE TABLE visits AS SELECT id, cents FROM orders LIMIT $((idset_rows / 2));
CREATE TABLE some_visits AS SELECT id, cents FROM visits LIMIT $((idset_rows / 2 / idset_part));
CREATE TABLE chosen AS
SELECT i AS id FROM generate_series(1, $idset_ids::bigint) AS i
WHERE abs(hashint8extended(i, 4) % $idset_ids) < $idset_chosen;
CREATE TABLE saved AS SELECT segment.idset_agg(id) AS members FROM chosen;
DROP TABLE orders;
SQL
    idset_settle visits some_visits chosen saved
    if [ -n "$idset_peer" ]; then
        sql -c 'CREATE TABLE peer_saved AS SELECT peer.rb64_build_agg(id) AS members FROM chosen'
        idset_settle peer_saved
    fi
    idset_chosen=$(sql -c 'SELECT count(*) FROM chosen')
    idset_saved_bytes=$(sql -c 'SELECT pg_column_size(members) FROM saved')
}

# As one writes it first, the peer reads the stored set anew for every row; an operation on the set before it makes a
# value that is in memory.
idset_peer_test='(SELECT members FROM peer_saved) OPERATOR(peer.@>) id'
idset_peer_test_in_memory='(SELECT members OPERATOR(peer.|) members FROM peer_saved) OPERATOR(peer.@>) id'

idset_measure_membership() {
    local round ours='SELECT count(*) FROM visits WHERE id OPERATOR(segment.<@) (SELECT members FROM saved)'
    local join='SELECT count(*) FROM visits WHERE id IN (SELECT id FROM chosen)'
    local serial='max_parallel_workers_per_gather = 0'
    idset_check_workers 2 "$ours"
    idset_check_workers 2 "$join"
    for ((round = 0; round <= idset_rounds; round++)); do
        idset_run "$round" serial_ours "$ours" "$serial"
        idset_run "$round" serial_plain "$join" "$serial"
        idset_run_peer "$round" serial_peer "SELECT count(*) FROM visits WHERE $idset_peer_test_in_memory" "$serial"
        idset_run "$round" parallel_ours "$ours"
        idset_run "$round" parallel_plain "$join"
        idset_run_peer "$round" parallel_peer "SELECT count(*) FROM visits WHERE $idset_peer_test_in_memory"
        if [ -n "$idset_peer" ] && [ -n "${IDSET_SLOW:-}" ]; then
            idset_run_once "$round" serial_peer_slow "SELECT count(*) FROM visits WHERE $idset_peer_test" "$serial"
        else
            idset_run_peer "$round" serial_peer_some "SELECT count(*) FROM some_visits WHERE $idset_peer_test" "$serial"
        fi
    done
    idset_check_facts {serial,parallel}_{ours,plain,peer} serial_peer_slow
}

# ---- sizes

idset_size() { # NAME EXPRESSION FROM
    record idset 1 "$1" 0 "$(sql -c "SELECT pg_column_size($2) FROM $3")"
}

idset_measure_sizes() {
    local range="generate_series(1, $idset_range::bigint) AS id"
    sql -c "CREATE TABLE random_ids AS
SELECT hashint8extended(i, 5) & 9223372036854775807 AS id FROM generate_series(1, $idset_random) AS i"
    idset_size random_ours 'segment.idset_agg(id)' random_ids
    idset_size random_plain 'array_agg(id)' random_ids
    idset_size range_ours 'segment.idset_agg(id)' "$range"
    idset_size range_plain 'array_agg(id)' "$range"
    [ -n "$idset_peer" ] || return 0
    idset_size random_peer64 'peer.rb64_runoptimize(peer.rb64_build_agg(id))' random_ids
    idset_size range_peer64 'peer.rb64_runoptimize(peer.rb64_build_agg(id))' "$range"
    idset_size range_peer32 'peer.rb_runoptimize(peer.rb_build_agg(id::int))' "$range"
}

# ---- many small groups

# No id comes twice in a group, so that an array holds as much as a set.
idset_make_few() {
    sql <<SQL
CREATE TABLE few AS
SELECT g::int AS customer, abs(hashint8extended(g, n) % $((idset_ids / 10))) * 10 + n AS id
FROM generate_series(1, $idset_few::bigint) AS g, generate_series(1, 1 + abs(hashint8extended(g, 0) % 10)) AS n
ORDER BY hashint8extended(g, 10 + n);
SQL
    idset_settle few
    idset_few_rows=$(sql -c 'SELECT count(*) FROM few')
}

idset_by_customer() { # CARDINALITY EXPRESSION
    echo "SELECT count(*), sum($1(value)) FROM (SELECT customer, $2 AS value FROM few GROUP BY customer) AS customers"
}

# All groups at once in memory, whatever the planner thinks that a group takes.
idset_few_settings=("work_mem = '2GB'" 'hash_mem_multiplier = 64' 'enable_sort = off'
    'max_parallel_workers_per_gather = 0')

# The kilobytes at the HashAggregate's peak
idset_measure_memory() { # VARIANT STATEMENT
    local kilobytes
    kilobytes=$({
        printf 'SET %s;\n' 'jit = off' "${idset_few_settings[@]}"
        echo "EXPLAIN (ANALYZE, COSTS off, TIMING off) $2;"
    } | sql | sed -nE 's/.* Batches: 1  Memory Usage: ([0-9]+)kB$/\1/p')
    [ -n "$kilobytes" ] || die "not a HashAggregate in memory: $2"
    record idset 1 "$1_memory" 0 "$kilobytes"
}

idset_measure_few() {
    local round ours plain peer64 peer32
    ours=$(idset_by_customer segment.cardinality 'segment.idset_agg(id)')
    plain=$(idset_by_customer cardinality 'array_agg(id)')
    peer64=$(idset_by_customer peer.rb64_cardinality 'peer.rb64_build_agg(id)')
    peer32=$(idset_by_customer peer.rb_cardinality 'peer.rb_build_agg(id::int)')
    idset_measure_memory few_ours "$ours"
    idset_measure_memory few_plain "$plain"
    [ -z "$idset_peer" ] || idset_measure_memory few_peer64 "$peer64"
    [ -z "$idset_peer" ] || idset_measure_memory few_peer32 "$peer32"
    for ((round = 0; round <= idset_rounds; round++)); do
        idset_run "$round" few_ours "$ours" "${idset_few_settings[@]}"
        idset_run "$round" few_plain "$plain" "${idset_few_settings[@]}"
        [ -z "$idset_peer" ] || idset_run_once "$round" few_peer64 "$peer64" "${idset_few_settings[@]}"
        [ -z "$idset_peer" ] || idset_run_once "$round" few_peer32 "$peer32" "${idset_few_settings[@]}"
    done
    idset_check_facts few_{ours,plain,peer64,peer32}
}

bench_idset() {
    idset_find_peer
    idset_prewarm=$(sql -c "SELECT name FROM pg_available_extensions WHERE name = 'pg_prewarm'")
    [ -z "$idset_prewarm" ] || sql -c 'CREATE EXTENSION IF NOT EXISTS pg_prewarm'
    idset_make_orders
    idset_measure_distinct
    idset_measure_groups
    idset_make_visits
    idset_measure_membership
    sql -c 'DROP TABLE visits, some_visits, chosen, saved'
    idset_make_sets
    idset_measure_overlap
    sql -c 'DROP TABLE sets'
    idset_measure_sizes
    idset_make_few
    idset_measure_few
    sql -c 'DROP TABLE random_ids, few' -c 'DROP TABLE IF EXISTS members, peer64_sets, peer32_sets, peer_saved'
}

# ---- the tables

idset_faster() { # VARIANT VARIANT
    idset_has "$1" || return 0
    awk -v a="$(median idset "$1")" -v b="$(median idset "$2")" -v x="$1" -v y="$2" 'BEGIN { print a <= b ? x : y }'
}

# Of the medians only, where one of the two has run once
idset_ratio() { # VARIANT VARIANT
    if [ "$(_column idset "$1" 3 | wc -l)" = "$(_column idset "$2" 3 | wc -l)" ]; then
        ratio idset "$1" "$2"
    else
        idset_median_ratio "$1" "$2" 3
    fi
}

idset_fact_ratio() { idset_median_ratio "$1" "$2" 4; }

idset_median_ratio() { # VARIANT VARIANT COLUMN
    awk -v a="$(median idset "$1" "$3")" -v b="$(median idset "$2" "$3")" \
        'BEGIN { q = a / b; printf q < 0.01 ? "%.6f" : q < 100 ? "%.2f" : "%.0f", q }'
}

# A row's last cells: beside the peer, where there is one, and beside plain SQL
idset_cells() { # CELL-FUNCTION VARIANT PEER PLAIN
    local cells='' base
    for base in ${idset_peer:+"$3"} "$4"; do
        cells+=" $([ -z "$base" ] || ! idset_has "$base" || "$1" "$2" "$base") |"
    done
    echo "$cells"
}

idset_head() { # LABEL UNIT...
    local label=$1 line='|---|' unit
    shift
    for unit in "$@" ${idset_peer:+'beside the peer'} 'beside plain SQL'; do
        label+=" | $unit" line+='---:|'
    done
    printf '\n| %s |\n%s\n' "$label" "$line"
}

idset_ms() { thousands "$(awk -v t="$(median idset "$1")" -v f="${2:-1}" 'BEGIN { printf "%.0f", t * f }')"; }

# This and the following: nothing where the variant has not run
idset_row() { # LABEL VARIANT PEER PLAIN
    ! idset_has "$2" || printf '| %s | %s |%s\n' "$1" "$(idset_ms "$2")" "$(idset_cells idset_ratio "${@:2}")"
}

idset_scaled_row() { # LABEL VARIANT FACTOR
    ! idset_has "$2" || printf '| %s | %s | | |\n' "$1" "$(idset_ms "$2" "$3")"
}

idset_size_row() { # LABEL VARIANT IDS PEER PLAIN
    ! idset_has "$2" || printf '| %s | %s | %s |%s\n' "$1" "$(thousands "$(median idset "$2" 4)")" \
        "$(awk -v b="$(median idset "$2" 4)" -v n="$3" 'BEGIN { printf b / n < 0.1 ? "%.5f" : "%.1f", b / n }')" \
        "$(idset_cells idset_fact_ratio "$2" "$4" "$5")"
}

idset_memory_row() { # LABEL VARIANT
    ! idset_has "$2" || printf '| %s | %s | %s | %s | %s |\n' "$1" "$(idset_ms "$2")" "$(idset_ratio "$2" few_plain)" \
        "$(awk -v k="$(median idset "$2_memory" 4)" 'BEGIN { printf "%.0f", k / 1024 }')" \
        "$(idset_fact_ratio "$2_memory" few_plain_memory)"
}

table_idset_distinct() {
    local peer
    peer=$(idset_faster distinct_peer64 distinct_peer32)
    idset_head "$(thousands "$idset_rows") rows with $(thousands "$idset_distinct") distinct ids, 2 workers" ms
    idset_row 'cardinality(segment.idset_agg(id))' distinct_ours "$peer" distinct_plain
    idset_row 'segment.count_distinct(id)' distinct_count "$peer" distinct_plain
    idset_row 'peer, 64 bits' distinct_peer64 "$peer" distinct_plain
    idset_row 'peer, 32 bits' distinct_peer32 "$peer" distinct_plain
    idset_row 'count(DISTINCT id), which has no parallel plan' distinct_plain "$peer" distinct_plain
    idset_row 'sum(id), for comparison' distinct_sum "$peer" distinct_plain
}

table_idset_groups() {
    local peer peer_memory
    peer=$(idset_faster groups_peer64 groups_peer32)
    peer_memory=$(idset_faster groups_memory_peer64 groups_memory_peer32)
    idset_head "the same rows by $(thousands "$idset_shops") groups" ms
    idset_row 'segment.idset_agg(id)' groups_ours "$peer" groups_plain
    idset_row 'peer, 64 bits' groups_peer64 "$peer" groups_plain
    idset_row 'peer, 32 bits' groups_peer32 "$peer" groups_plain
    idset_row 'count(DISTINCT id)' groups_plain "$peer" groups_plain
    idset_row 'segment.idset_agg(id), work_mem 256 MB' groups_memory_ours "$peer_memory" groups_plain
    idset_row 'peer, 64 bits, work_mem 256 MB' groups_memory_peer64 "$peer_memory" groups_plain
    idset_row 'peer, 32 bits, work_mem 256 MB' groups_memory_peer32 "$peer_memory" groups_plain
}

table_idset_overlap() {
    local peer sizes
    peer=$(idset_faster overlap_peer64 overlap_peer32)
    sizes="about $(thousands "$idset_set_size") ids out of $(thousands "$idset_ids")"
    idset_head "overlaps of $idset_sets stored sets, each of $sizes" ms
    idset_row 'segment.overlap and segment.overlap_pairs' overlap_ours "$peer" overlap_plain
    idset_row 'peer, 64 bits: self-join, each pair once' overlap_peer64 "$peer" overlap_plain
    idset_row 'peer, 32 bits: self-join, each pair once' overlap_peer32 "$peer" overlap_plain
    idset_row 'self-join of (name, id) rows, each pair once; one run' overlap_plain "$peer" overlap_plain
}

table_idset_membership() {
    local rows set
    rows=$(thousands $((idset_rows / 2)))
    set="a stored set of $(thousands "$idset_chosen") ids ($(thousands "$idset_saved_bytes") bytes)"
    idset_head "rows of $rows with an id in $set" ms
    idset_row 'id <@ set, no workers' serial_ours serial_peer serial_plain
    idset_row 'peer, set put into memory by hand, no workers' serial_peer serial_peer serial_plain
    idset_row 'hash semi-join: id IN (SELECT id ...), no workers' serial_plain serial_peer serial_plain
    idset_row 'id <@ set, 2 workers' parallel_ours parallel_peer parallel_plain
    idset_row 'peer, set put into memory by hand, 2 workers' parallel_peer parallel_peer parallel_plain
    idset_row 'hash semi-join: id IN (SELECT id ...), 2 workers' parallel_plain parallel_peer parallel_plain
    idset_row 'peer, set @> id, no workers; one run' serial_peer_slow serial_peer serial_plain
    idset_scaled_row "peer, set @> id, no workers: $idset_part times what one in $idset_part of the rows took" \
        serial_peer_some "$idset_part"
}

table_idset_sizes() {
    idset_head 'size of a set' bytes 'bytes an id'
    idset_size_row "$(thousands "$idset_random") random ids of 63 bits: segment.idset" random_ours "$idset_random" \
        random_peer64 random_plain
    idset_size_row 'peer, 64 bits' random_peer64 "$idset_random" random_peer64 random_plain
    idset_size_row 'bigint[]' random_plain "$idset_random" random_peer64 random_plain
    idset_size_row "1 to $(thousands "$idset_range"): segment.idset" range_ours "$idset_range" range_peer32 range_plain
    idset_size_row 'peer, 64 bits, after rb64_runoptimize' range_peer64 "$idset_range" range_peer32 range_plain
    idset_size_row 'peer, 32 bits, after rb_runoptimize' range_peer32 "$idset_range" range_peer32 range_plain
    idset_size_row 'bigint[]' range_plain "$idset_range" range_peer32 range_plain
}

table_idset_few() {
    printf '\n| %s | ms | beside array_agg | MB | beside array_agg |\n|---|---:|---:|---:|---:|\n' \
        "$(thousands "$idset_few_rows") rows by $(thousands "$idset_few") groups of 1 to 10 ids, no workers"
    idset_memory_row 'segment.idset_agg(id)' few_ours
    idset_memory_row 'array_agg(id)' few_plain
    idset_memory_row 'peer, 64 bits; one run' few_peer64
    idset_memory_row 'peer, 32 bits; one run' few_peer32
}

table_idset() {
    echo "$idset_rounds rounds; medians. $(machine), jit off${idset_peer:+; the peer is pg_roaringbitmap $idset_peer}."
    table_idset_distinct
    table_idset_groups
    table_idset_overlap
    table_idset_membership
    table_idset_sizes
    table_idset_few
    # shellcheck disable=SC2016 # Markdown
    printf '\nReproduce: `make bench-idset`%s\n' \
        "${idset_peer:+, with PEER_DESTDIR set where pg_roaringbitmap is not installed in the system}"
}
