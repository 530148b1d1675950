# shellcheck shell=bash
# RFM: segment.rfm beside the SQL that people write for it, GROUP BY and three times NTILE(5), over one orders table.
# The peer gives no names to the customers and parts equal values into different scores; ours does not.
# To be sourced by run.sh.

rfm_customers=400000 rfm_rounds=${rounds:-5}
[ -z "$quick" ] || rfm_customers=20000 rfm_rounds=${rounds:-3}

# Both read every row of the result, so that neither plan can leave work out.
rfm_ours() { # ROUND VARIANT FREQUENCY
    sql -v frequency="$3" >"$WORK/ours.out" <<'SQL'
\timing on
SELECT count(*), sum(r + f + m), sum(frequency), sum(monetary), max(segment)
FROM segment.rfm('orders', 'customer_id', 'ordered_at', 'amount', as_of => '2026-01-01', frequency => :'frequency');
SQL
    rfm_record "$1" "$2"
}

rfm_peer() { # ROUND VARIANT FREQUENCY-EXPRESSION
    sql -v frequency="$3" >"$WORK/ours.out" <<'SQL'
\timing on
WITH customers AS (
    SELECT customer_id, date '2026-01-01' - max(ordered_at)::date AS recency_days, :frequency AS frequency,
           sum(amount) AS monetary
    FROM orders
    WHERE ordered_at < '2026-01-01'
    GROUP BY customer_id
), scored AS (
    SELECT customers.*, ntile(5) OVER (ORDER BY recency_days DESC) AS r, ntile(5) OVER (ORDER BY frequency) AS f,
           ntile(5) OVER (ORDER BY monetary) AS m
    FROM customers
)
SELECT count(*), sum(r + f + m), sum(frequency), sum(monetary), NULL
FROM scored;
SQL
    rfm_record "$1" "$2"
}

rfm_record() { # ROUND VARIANT
    local facts
    facts=$(head -n 1 "$WORK/ours.out" | cut -d '|' -f 1,3,4)
    [ "$1" = 0 ] || record rfm "$1" "$2" "$(milliseconds <"$WORK/ours.out")" "$facts"
}

# Scores may differ; customers, frequencies and money may not.
rfm_check_facts() { # VARIANT VARIANT
    [ "$(_column rfm "$1" 4 | sort -u)" = "$(_column rfm "$2" 4 | sort -u)" ] || die "$1 and $2 have other customers"
}

bench_rfm() {
    local round
    sql <<SQL
CREATE TABLE orders AS SELECT customer_id, ordered_at, amount FROM segment.demo_orders($rfm_customers, 1) ORDER BY ordered_at;
VACUUM ANALYZE orders;
SQL
    rfm_rows=$(sql -c 'SELECT count(*) FROM orders')
    for ((round = 0; round <= rfm_rounds; round++)); do
        rfm_ours "$round" ours_days days
        rfm_peer "$round" peer_days 'count(DISTINCT ordered_at::date)'
        rfm_ours "$round" ours_orders orders
        rfm_peer "$round" peer_orders 'count(*)'
    done
    sql -c 'DROP TABLE orders'
    rfm_check_facts ours_days peer_days
    rfm_check_facts ours_orders peer_orders
}

rfm_row() { # LABEL VARIANT PEER
    printf '| %s | %s | %s |\n' "$1" "$(seconds "$(median rfm "$2")")" "$(ratio rfm "$2" "$3")"
}

table_rfm() {
    cat <<MARKDOWN
$(thousands "$rfm_rows") orders of $(thousands "$rfm_customers") customers; $rfm_rounds rounds; medians. $(machine).

| | seconds | beside plain SQL |
|---|---:|---:|
$(rfm_row 'segment.rfm, frequency in days' ours_days peer_days)
$(rfm_row 'GROUP BY with count(DISTINCT day), three NTILE(5)' peer_days peer_days)
$(rfm_row 'segment.rfm, frequency in orders' ours_orders peer_orders)
$(rfm_row 'GROUP BY with count(\*), three NTILE(5)' peer_orders peer_orders)

Reproduce: \`make bench-rfm\`
MARKDOWN
}
