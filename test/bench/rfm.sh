# shellcheck shell=bash
# RFM: every customer of an orders table, from the rows to scores and names, beside the SQL that people write for it:
# GROUP BY and three times NTILE(5). The peer gives no names to the customers and parts equal values into different
# scores; ours does not. To be sourced by run.sh.

rfm_orders=10000000 rfm_customers=1670000 rfm_rounds=${rounds:-5}
[ -z "$quick" ] || rfm_orders=200000 rfm_customers=33400 rfm_rounds=${rounds:-3}
rfm_as_of=2026-01-01

# rfm_measure ROUND VARIANT WORKERS <statement: reads every row of its result, so that no plan can leave work out;
# the first column is the number of customers, the second the sum of their money.
rfm_measure() {
    local facts
    {
        printf "SET work_mem = '2GB';\nSET max_parallel_workers_per_gather = %s;\n\\\\timing on\n" "$3"
        cat
    } | sql >"$WORK/rfm.out"
    facts=$(head -n 1 "$WORK/rfm.out" | cut -d '|' -f 1,2)
    [ "$1" = 0 ] || record rfm "$1" "$2" "$(milliseconds <"$WORK/rfm.out")" "$facts"
}

rfm_ours() { # ROUND VARIANT WORKERS [ARGUMENTS]
    rfm_measure "$1" "$2" "$3" <<SQL
SELECT count(*), sum(monetary), sum(r + f + m), sum(frequency), max(segment)
FROM segment.rfm('orders', 'customer_id', 'ordered_at', 'amount', as_of => '$rfm_as_of'${4:-});
SQL
}

# The pieces in the analyst's own hands: figures, a scale, scores.
rfm_composed() { # ROUND VARIANT WORKERS
    rfm_measure "$1" "$2" "$3" <<SQL
WITH customers AS MATERIALIZED (
    SELECT customer_id, segment.rfm_agg(ordered_at, amount) AS facts
    FROM orders
    WHERE ordered_at < '$rfm_as_of'
    GROUP BY customer_id
), measures AS MATERIALIZED (
    SELECT customer_id, date '$rfm_as_of' - (facts).last_at::date AS recency_days, (facts).orders AS frequency,
           (facts).revenue AS monetary
    FROM customers
), scale AS MATERIALIZED (
    SELECT segment.rfm_scale(recency_days, frequency, monetary) AS scale FROM measures
), scored AS MATERIALIZED (
    SELECT frequency, monetary, segment.rfm_score(scale, recency_days, frequency, monetary) AS scores FROM measures, scale
)
SELECT count(*), sum(monetary), sum((scores).r + (scores).f + (scores).m), sum(frequency) FROM scored;
SQL
}

rfm_peer() { # ROUND VARIANT WORKERS FREQUENCY
    rfm_measure "$1" "$2" "$3" <<SQL
WITH customers AS (
    SELECT customer_id, date '$rfm_as_of' - max(ordered_at)::date AS recency_days, $4 AS frequency, sum(amount) AS monetary
    FROM orders
    WHERE ordered_at < '$rfm_as_of'
    GROUP BY customer_id
), scored AS (
    SELECT customers.*, ntile(5) OVER (ORDER BY recency_days DESC) AS r, ntile(5) OVER (ORDER BY frequency) AS f,
           ntile(5) OVER (ORDER BY monetary) AS m
    FROM customers
)
SELECT count(*), sum(monetary), sum(r + f + m), sum(frequency) FROM scored;
SQL
}

rfm_scan() { # ROUND VARIANT WORKERS
    rfm_measure "$1" "$2" "$3" <<<'SELECT count(*), sum(amount) FROM orders;'
}

# Scores may differ; customers and money may not.
rfm_check_facts() {
    [ "$(_column rfm ours 4; _column rfm ours_orders 4; _column rfm composed 4; _column rfm peer 4)" = \
        "$(for _ in $(seq $((4 * rfm_rounds))); do _column rfm peer 4 | head -n 1; done)" ] || die 'the variants have other customers'
}

bench_rfm() {
    local round
    sql <<SQL
CREATE TABLE orders AS
SELECT abs(hashint8extended(i, 1)) % $rfm_customers AS customer_id,
       timestamptz '2023-04-07' + abs(hashint8extended(i, 2)) % 86400000 * interval '1 second' AS ordered_at,
       (abs(hashint8extended(i, 3)) % 20000)::numeric(10, 2) / 100 AS amount
FROM generate_series(1, $rfm_orders) AS i;
ALTER TABLE orders ALTER amount TYPE numeric(10, 2);
VACUUM ANALYZE orders;
SQL
    for ((round = 0; round <= rfm_rounds; round++)); do
        rfm_scan "$round" scan 0
        rfm_ours "$round" ours 0
        rfm_ours "$round" ours_orders 0 ", frequency => 'orders'"
        rfm_composed "$round" composed 0
        rfm_peer "$round" peer 0 'count(*)'
        rfm_peer "$round" peer_days 0 'count(DISTINCT ordered_at::date)'
        rfm_ours "$round" ours_parallel 2
        rfm_peer "$round" peer_parallel 2 'count(*)'
    done
    rfm_check_facts
    sql -c 'DROP TABLE orders'
}

rfm_row() { # LABEL VARIANT PEER
    printf '| %s | %s | %s |\n' "$1" "$(seconds "$(median rfm "$2")")" "$(ratio rfm "$2" "$3")"
}

table_rfm() {
    cat <<MARKDOWN
$(thousands "$rfm_orders") orders of $(thousands "$rfm_customers") customers; work_mem 2 GB; $rfm_rounds rounds; medians. $(machine).

| | seconds | beside plain SQL |
|---|---:|---:|
$(rfm_row 'segment.rfm, all defaults (frequency in days)' ours peer)
$(rfm_row "segment.rfm, frequency => 'orders'" ours_orders peer)
$(rfm_row 'rfm_agg, rfm_scale and rfm_score, composed' composed peer)
$(rfm_row 'plain SQL: GROUP BY with count(\*), three NTILE(5)' peer peer)
$(rfm_row 'plain SQL with count(DISTINCT day)' peer_days peer)
$(rfm_row 'a bare sum(amount) of the table' scan peer)
| with 2 workers: | | |
$(rfm_row 'segment.rfm, all defaults' ours_parallel peer_parallel)
$(rfm_row 'plain SQL: GROUP BY with count(\*), three NTILE(5)' peer_parallel peer_parallel)

Reproduce: \`make bench-rfm\`
MARKDOWN
}
