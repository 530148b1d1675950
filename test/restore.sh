#!/usr/bin/env bash
# Stored values across major versions of PostgreSQL: a dump made with one is restored with another, and everything in
# it must score as it did.
#
#   test/restore.sh dump DIR       builds the extension, trains, and puts dump.sql and scores.csv into DIR
#   test/restore.sh restore DIR    with another PG_CONFIG, or on another machine: restores and compares
#
# test/matrix.sh does the first here and the second in each change root.
set -euo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/server.sh
source "$ROOT/test/server.sh"

die() { echo "restore.sh: $*" >&2; exit 1; }

[[ $# = 2 && $1 =~ ^(dump|restore)$ ]] || die 'usage: test/restore.sh dump|restore DIR'
mkdir -p "$2"
DIR=$(cd "$2" && pwd)

WORK=$(mktemp -d -t pgseg_restore.XXXXXX)
trap 'server_stop; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
chmod 711 "$WORK"

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

train() {
    sql <<'SQL'
CREATE EXTENSION pg_segment;
CREATE TABLE shopper AS
SELECT i AS id, CASE WHEN i % 11 <> 0 THEN 18 + i * 7 % 60 END AS age, exp(i * 37 % 101 / 12.0) AS revenue,
       CASE i % 4 WHEN 0 THEN 'web' WHEN 1 THEN 'shop' WHEN 2 THEN 'phone' END AS channel,
       date '2024-01-01' + i * 5 % 700 AS last_order, i % 3 = 0 AS member
FROM generate_series(1, 3000) AS i;
SELECT segment.train('mixed', 'shopper', '{age,revenue,channel,last_order,member}', k => 4,
                     options => '{"prepare": {"as_of": "2026-01-01"}}');
SELECT segment.train('prototypes', 'shopper', '{age,revenue,channel}', algorithm => 'kprototypes', k => 3);
CREATE TABLE plain AS
SELECT options, segment.kmeans(ARRAY[age, revenue, id], 5, options::jsonb) AS model
FROM shopper,
     unnest('{"{}", "{\"standardize\": \"robust\"}", "{\"measure\": \"cosine\", \"seed\": 3}", "{\"max_size\": 700}"}'::text[])
         AS options
WHERE age IS NOT NULL GROUP BY options;
CREATE TABLE state AS
SELECT id % 2 AS part, segment.kmeans_state(ARRAY[age, revenue], 3) AS state FROM shopper GROUP BY id % 2;
CREATE TABLE scale AS SELECT segment.rfm_scale(id % 90, id % 17 + 1, revenue) AS scale FROM shopper;
CREATE TABLE members AS SELECT channel, segment.idset_agg(id) AS ids FROM shopper GROUP BY channel;
SQL
}

# Every digit of what the stored values say. Training again must give the stored models, too.
scores() {
    sql --csv <<'SQL'
SELECT name, a.* FROM segment.model AS m, segment.assign(m.name, key => 'id') AS a ORDER BY name, key;
SELECT options, id, segment.cluster_id(model, f), segment.cluster_distance(model, f)
FROM plain, shopper, LATERAL (SELECT ARRAY[age, revenue, id]::float8[]) AS features (f)
WHERE age IS NOT NULL ORDER BY options COLLATE "C", id;
SELECT options, md5(segment.clustering_send(model)) FROM plain ORDER BY options COLLATE "C";
SELECT options, segment.clustering_send(p.model) = segment.clustering_send(a.model) AS trains_to_the_same
FROM plain AS p
JOIN (SELECT options, segment.kmeans(ARRAY[age, revenue, id], 5, options::jsonb) AS model
      FROM plain, shopper WHERE age IS NOT NULL GROUP BY options) AS a USING (options)
ORDER BY options COLLATE "C";
SELECT segment.rollup(state)::text FROM state;
SELECT id, segment.rfm_score(scale, id % 90, id % 17 + 1, revenue) FROM scale, shopper ORDER BY id;
SELECT channel, segment.cardinality(ids), md5(segment.idset_send(ids)) FROM members ORDER BY channel COLLATE "C";
SQL
}

server_build "$ROOT" "$WORK" || die 'the build failed'
SERVER_DESTDIR=$WORK/dest server_start "$WORK/server" -c timezone=UTC
case $1 in
dump)
    train
    scores >"$DIR/scores.csv"
    pg_dump --no-owner -f "$DIR/dump.sql"
    echo "dumped with $(pg_dump --version | sed 's/.*) //'): $(wc -l <"$DIR/scores.csv") lines of scores"
    ;;
restore)
    sql -f "$DIR/dump.sql" >/dev/null
    scores >"$WORK/scores.csv"
    diff "$DIR/scores.csv" "$WORK/scores.csv" >"$WORK/diff" ||
        { head -20 "$WORK/diff" >&2; die 'stored values score differently here'; }
    echo "restored with $(pg_dump --version | sed 's/.*) //'): the same $(wc -l <"$WORK/scores.csv") lines of scores"
    ;;
esac
