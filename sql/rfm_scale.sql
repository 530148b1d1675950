-- Scales: thresholds as a value.

-- Customers with many ties: days, counts and money as tables have them.
CREATE TABLE scale_customers AS
SELECT i AS id, (i * 7919 % 400)::integer AS recency_days, (1 + i * 104729 % 97 % 12)::bigint AS frequency,
       (i * 15485863 % 20011 / 100.0)::numeric(12, 2) AS monetary, i % 3 AS region
FROM generate_series(1::bigint, 3000) AS i;

-- Six customers, by hand.
CREATE TABLE six (name text, recency_days integer, frequency bigint, monetary numeric);
INSERT INTO six VALUES ('Ann', 5, 12, 900), ('Bob', 10, 8, 420.5), ('Cho', 30, 8, 250), ('Dee', 90, 3, 120),
                       ('Eve', 200, 1, 99.99), ('Fay', 400, 1, 10);
SELECT scale_info.* FROM (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": 3}') AS scale FROM six) AS s,
    segment.scale_info(scale);
SELECT t.* FROM (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": 3}') AS scale FROM six) AS s,
    segment.rfm_thresholds(scale) AS t;
SELECT name, (segment.rfm_score(scale, recency_days, frequency, monetary)).*
FROM six, (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": 3}') AS scale FROM six) AS s
ORDER BY name;

-- Integers, numeric, double precision and the facts of rfm_agg need no casts.
SELECT pg_typeof(segment.rfm_scale(recency_days, frequency, monetary)),
       segment.rfm_scale(recency_days, frequency, monetary)::text
           = segment.rfm_scale(recency_days, frequency, monetary::float8)::text AS same_with_float8,
       segment.rfm_scale(recency_days::smallint, frequency::integer, monetary)::text
           = segment.rfm_scale(recency_days::numeric, frequency::numeric, monetary::numeric, NULL)::text AS same_with_others
FROM six;
WITH orders (customer, at, amount) AS (
    VALUES (1, '2026-01-03 12:00+00'::timestamptz, 10.5), (1, '2026-02-03 12:00+00', 20), (2, '2026-03-03 12:00+00', 5)
), facts AS (
    SELECT customer, segment.rfm_agg(at, amount) AS fact FROM orders GROUP BY customer
)
SELECT t.measure, t.score, t.condition
FROM (SELECT segment.rfm_scale('2026-04-01'::date - (fact).last_at::date, (fact).days, (fact).revenue, '{"bins": 2}') AS scale
      FROM facts) AS s, segment.rfm_thresholds(scale) AS t;

-- Each method against windows. quantile: cuts are percentile_disc from the worst customer up.
CREATE FUNCTION scale_differences(options jsonb, expected text) RETURNS TABLE (differences bigint, customers bigint)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        WITH s AS MATERIALIZED (
            SELECT segment.rfm_scale(recency_days, frequency, monetary, %L) AS scale FROM scale_customers
        ), expected AS (%s)
        SELECT count(*) FILTER (WHERE segment.rfm_score(scale, recency_days, frequency, monetary)
                                      IS DISTINCT FROM ROW(expected.r, expected.f, expected.m)::segment.rfm_scores),
               count(*)
        FROM scale_customers JOIN expected USING (id), s
    $query$, options, expected);
END
$$;
CREATE FUNCTION percentile_scores(bins integer) RETURNS text LANGUAGE sql AS $$
    SELECT format($query$
        SELECT id, %1$s - width_bucket(recency_days, cuts.r) AS r, %1$s - width_bucket(-frequency, cuts.f) AS f,
               %1$s - width_bucket(-monetary, cuts.m) AS m
        FROM scale_customers,
            (SELECT percentile_disc(p) WITHIN GROUP (ORDER BY recency_days DESC) AS r,
                    percentile_disc(p) WITHIN GROUP (ORDER BY -frequency DESC) AS f,
                    percentile_disc(p) WITHIN GROUP (ORDER BY -monetary DESC) AS m
             FROM scale_customers,
                 (SELECT array_agg(k / %1$s::float8 ORDER BY k DESC) AS p FROM generate_series(1, %1$s - 1) AS k) AS parts
             GROUP BY p) AS cuts
    $query$, bins)
$$;
SELECT bins, d.* FROM generate_series(2, 10) AS bins,
    scale_differences(jsonb_build_object('bins', bins), percentile_scores(bins)) AS d;
SELECT d.* FROM scale_differences('{}', percentile_scores(5)) AS d;
SELECT bins, d.* FROM generate_series(2, 10) AS bins,
    scale_differences(jsonb_build_object('method', 'percent_rank', 'bins', bins), format($$
        SELECT id, least((rank() OVER (ORDER BY recency_days DESC) - 1) * %1$s / (count(*) OVER () - 1) + 1, %1$s)::integer AS r,
               least((rank() OVER (ORDER BY frequency) - 1) * %1$s / (count(*) OVER () - 1) + 1, %1$s)::integer AS f,
               least((rank() OVER (ORDER BY monetary) - 1) * %1$s / (count(*) OVER () - 1) + 1, %1$s)::integer AS m
        FROM scale_customers
    $$, bins)) AS d;
SELECT d.* FROM scale_differences('{"method": "percent_rank", "bins": 7}', $$
    SELECT id, least(floor(percent_rank() OVER (ORDER BY recency_days DESC) * 7) + 1, 7)::integer AS r,
           least(floor(percent_rank() OVER (ORDER BY frequency) * 7) + 1, 7)::integer AS f,
           least(floor(percent_rank() OVER (ORDER BY monetary) * 7) + 1, 7)::integer AS m
    FROM scale_customers
$$) AS d;
SELECT d.* FROM scale_differences('{"method": "cume_dist", "bins": 8}', $$
    SELECT id, ceil(cume_dist() OVER (ORDER BY recency_days DESC) * 8)::integer AS r,
           ceil(cume_dist() OVER (ORDER BY frequency) * 8)::integer AS f,
           ceil(cume_dist() OVER (ORDER BY monetary) * 8)::integer AS m
    FROM scale_customers
$$) AS d;
SELECT d.* FROM scale_differences('{"method": "klaviyo"}', $$
    SELECT id, CASE WHEN recency_days <= 180 THEN 3 WHEN recency_days <= 365 THEN 2 ELSE 1 END AS r, f, m
    FROM scale_customers JOIN ($$ || percentile_scores(3) || $$) AS thirds USING (id)
$$) AS d;
SELECT d.* FROM scale_differences(
    '{"method": "fixed", "breaks": {"recency": [30, 90, 365], "frequency": [2, 5], "monetary": [50, 100, 150]}}', $$
    SELECT id, CASE WHEN recency_days <= 30 THEN 4 WHEN recency_days <= 90 THEN 3 WHEN recency_days <= 365 THEN 2 ELSE 1 END AS r,
           CASE WHEN frequency >= 5 THEN 3 WHEN frequency >= 2 THEN 2 ELSE 1 END AS f,
           CASE WHEN monetary >= 150 THEN 4 WHEN monetary >= 100 THEN 3 WHEN monetary >= 50 THEN 2 ELSE 1 END AS m
    FROM scale_customers
$$) AS d;
-- nested: quantiles within what was scored before. A cut is strictly worse than a customer if the share of customers
-- at or below the worse ones reaches it.
CREATE FUNCTION score_within(measure text, parts text, bins integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('1 + count(*) OVER (PARTITION BY %2$s ORDER BY %1$s GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                        * %3$s / count(*) OVER (PARTITION BY %2$s)', measure, parts, bins)
$$;
SELECT bins, d.* FROM (VALUES (ARRAY[5, 5, 5]), (ARRAY[2, 10, 3]), (ARRAY[10, 4, 10])) AS v (bins),
    scale_differences(jsonb_build_object('method', 'nested', 'bins', bins), format($$
        SELECT id, r::integer, f::integer, (%s)::integer AS m
        FROM (SELECT *, %s AS f FROM (SELECT *, %s AS r FROM scale_customers) AS a) AS b
    $$, score_within('monetary', 'r, f', bins[3]), score_within('frequency', 'r', bins[2]), score_within('-recency_days', 'true', bins[1]))) AS d;
SELECT t.r, t.f, t.condition
FROM (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "nested", "bins": 2}') AS scale FROM scale_customers) AS s,
    segment.rfm_thresholds(scale) AS t
WHERE t.score = 2;

-- The conditions rebuild the scores.
SELECT method, count(*) AS scores,
       count(*) FILTER (WHERE scores.r = ranges.r AND scores.f = ranges.f AND scores.m = ranges.m) AS rebuilt
FROM unnest(ARRAY['quantile', 'percent_rank', 'cume_dist', 'r_rfm', 'nested', 'klaviyo']) AS method,
    LATERAL (SELECT segment.rfm_scale(recency_days, frequency, monetary, jsonb_build_object('method', method)) AS scale
             FROM scale_customers) AS s,
    scale_customers AS c,
    LATERAL segment.rfm_score(scale, c.recency_days, c.frequency, c.monetary) AS scores,
    LATERAL (SELECT max(t.score) FILTER (WHERE measure = 'recency_days') AS r, max(t.score) FILTER (WHERE measure = 'frequency') AS f,
                    max(t.score) FILTER (WHERE measure = 'monetary') AS m, count(*) AS rows
             FROM segment.rfm_thresholds(scale) AS t,
                 LATERAL (VALUES (CASE measure WHEN 'recency_days' THEN c.recency_days WHEN 'frequency' THEN c.frequency ELSE c.monetary END)) AS x (x)
             WHERE (t.r IS NULL OR t.r = scores.r) AND (t.f IS NULL OR t.f = scores.f)
               AND (lower IS NULL OR x > lower OR (lower_inclusive AND x = lower))
               AND (upper IS NULL OR x < upper OR (upper_inclusive AND x = upper))) AS ranges
WHERE c.id <= 100 AND ranges.rows = 3
GROUP BY method
ORDER BY method;

-- r_rfm: quantiles (type 7, as percentile_cont) + 1, intervals closed at their lower end.
SELECT t.measure, t.score, t.lower, t.lower_inclusive, t.upper_inclusive
FROM (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "r_rfm"}') AS scale FROM scale_customers) AS s,
    segment.rfm_thresholds(scale) AS t
WHERE t.measure <> 'recency_days' AND lower IS NOT NULL;
SELECT percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY frequency::float8) AS frequency,
       percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY monetary::float8) AS monetary
FROM scale_customers;

-- The currency unit changes no score, except with r_rfm.
SELECT method, count(*) FILTER (WHERE one.scores IS DISTINCT FROM two.scores) AS changed
FROM unnest(ARRAY['quantile', 'percent_rank', 'cume_dist', 'nested', 'klaviyo', 'r_rfm']) AS method,
    LATERAL (SELECT segment.rfm_scale(recency_days, frequency, monetary, jsonb_build_object('method', method)) AS euros,
                    segment.rfm_scale(recency_days, frequency, monetary * 2, jsonb_build_object('method', method)) AS halves
             FROM scale_customers) AS s,
    scale_customers AS c,
    LATERAL (SELECT segment.rfm_score(euros, recency_days, frequency, monetary) AS scores) AS one,
    LATERAL (SELECT segment.rfm_score(halves, recency_days, frequency, monetary * 2) AS scores) AS two
GROUP BY method ORDER BY changed, method;

-- Any order, any split, stored or not: the same bytes.
SELECT method,
       (SELECT segment.rfm_scale(recency_days, frequency, monetary, options ORDER BY monetary, id) FROM scale_customers)::text
           = (SELECT segment.rfm_scale(recency_days, frequency, monetary, options ORDER BY id DESC) FROM scale_customers)::text AS any_order,
       (SELECT segment.rfm_scale(recency_days, frequency, monetary, options) FROM scale_customers)::text
           = (SELECT segment.finalize(segment.rollup(state::text::segment.rfm_scale_state))
              FROM (SELECT segment.rfm_scale_state(recency_days, frequency, monetary, options) AS state
                    FROM scale_customers GROUP BY region) AS parts)::text AS any_split
FROM unnest(ARRAY['quantile', 'percent_rank', 'cume_dist', 'r_rfm', 'nested', 'klaviyo']) AS method,
    LATERAL (SELECT jsonb_build_object('method', method) AS options) AS o;
\set breaks '{"method": "fixed", "breaks": {"recency": [30], "frequency": [2, 5], "monetary": [0]}}'
SELECT segment.finalize(segment.rollup(state))::text
           = (SELECT segment.rfm_scale(recency_days, frequency, monetary, :'breaks') FROM scale_customers)::text AS fixed_split
FROM (SELECT segment.rfm_scale_state(recency_days, frequency, monetary, :'breaks') AS state
      FROM scale_customers GROUP BY region) AS parts;

-- Any number of workers.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial_scale AS SELECT segment.rfm_scale(recency_days, frequency, monetary) AS scale FROM scale_customers;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE scale_customers SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT segment.rfm_scale(recency_days, frequency, monetary) FROM scale_customers;
CREATE TABLE parallel_scale AS SELECT segment.rfm_scale(recency_days, frequency, monetary) AS scale FROM scale_customers;
SELECT serial_scale.scale::text = parallel_scale.scale::text AS same FROM serial_scale, parallel_scale;
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_tuple_cost;
RESET parallel_setup_cost;
DROP TABLE serial_scale, parallel_scale;

-- A scale by group, stored, read back and applied to others.
CREATE TABLE scales AS
SELECT region, segment.rfm_scale(recency_days, frequency, monetary) AS scale FROM scale_customers GROUP BY region;
SELECT region, info.customers FROM scales, segment.scale_info(scale) AS info ORDER BY region;
SELECT count(*) AS customers, sum((score).r) AS r, sum((score).f) AS f, sum((score).m) AS m
FROM (SELECT segment.rfm_score(scale, recency_days, frequency, monetary) AS score FROM scale_customers JOIN scales USING (region)) AS c;
SELECT scale::text::segment.rfm_scale::text = scale::text AS text_form,
       segment.rfm_scale_send(scale) = decode(substr(scale::text, 3), 'hex') AS binary_form
FROM scales;
SELECT segment.rfm_score(scale, -10, 1e9, 1e300) AS beyond_the_best, segment.rfm_score(scale, 1e9, -1, -1e300) AS beyond_the_worst
FROM scales WHERE region = 0;

-- NULLs.
SELECT info.customers, info.skipped
FROM (SELECT segment.rfm_scale(nullif(recency_days, 5), nullif(frequency, 3), nullif(monetary, 120)) AS scale FROM six) AS s,
    segment.scale_info(scale) AS info;
SELECT segment.rfm_scale(recency_days, frequency, monetary) IS NULL AS none FROM six WHERE false;
SELECT segment.rfm_scale(NULL, frequency, monetary) IS NULL AS none FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, NULL) IS NOT NULL AS defaults FROM six;
SELECT method, segment.rfm_score(scale, NULL, 8, 420.5) AS no_r, segment.rfm_score(scale, 10, NULL, 420.5) AS no_f,
       segment.rfm_score(scale, 10, 8, NULL) AS no_m, segment.rfm_score(NULL, 10, 8, 420.5) IS NULL AS no_scale
FROM unnest(ARRAY['quantile', 'nested']) AS method,
    LATERAL (SELECT segment.rfm_scale(recency_days, frequency, monetary, jsonb_build_object('method', method, 'bins', 2)) AS scale FROM six) AS s;
SELECT segment.finalize(NULL::segment.rfm_scale_state) IS NULL AS null_state,
       segment.finalize(segment.rfm_scale_state(NULL, 1, 1)) IS NULL AS no_customers;

-- One customer, equal customers, fewer customers than scores.
SELECT method, segment.rfm_score(one, 5, 5, 5) AS one, segment.rfm_score(equal, 5, 5, 5) AS equal,
       segment.rfm_score(two, 5, 5, 5) AS worse_of_two, segment.rfm_score(two, 4, 6, 7) AS better_of_two
FROM unnest(ARRAY['quantile', 'percent_rank', 'cume_dist', 'r_rfm', 'nested', 'klaviyo']) AS method,
    LATERAL (SELECT jsonb_build_object('method', method) AS options) AS o,
    LATERAL (SELECT segment.rfm_scale(x, x, x, options) AS one FROM (VALUES (5)) AS v (x)) AS a,
    LATERAL (SELECT segment.rfm_scale(x, x, x, options) AS equal FROM (SELECT 5 FROM generate_series(1, 100)) AS v (x)) AS b,
    LATERAL (SELECT segment.rfm_scale(r, f, m, options) AS two FROM (VALUES (5, 5, 5), (4, 6, 7)) AS v (r, f, m)) AS c;

-- What is refused.
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "ntile"}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "median"}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"quantiles": 5}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '[]') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": 11}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": 0}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": "5"}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": [5, 4]}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"bins": 2.5}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "klaviyo", "bins": 5}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "fixed"}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"breaks": {"recency": [1]}}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "fixed", "breaks": {"recency": [90, 30], "frequency": [2], "monetary": [5]}}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "fixed", "breaks": {"days": [30]}}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "fixed", "bins": 5, "breaks": {"recency": [30], "frequency": [2], "monetary": [5]}}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "fixed", "breaks": {"recency": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}') FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, jsonb_build_object('bins', 2 + frequency % 4)) FROM six;
SELECT segment.rfm_scale('NaN', frequency, monetary) FROM six;
SELECT segment.rfm_scale(recency_days, frequency, 'Infinity'::numeric) FROM six;
SELECT segment.rfm_score(scale, 1, '-Infinity', 1) FROM scales;
SELECT segment.rollup(state)
FROM (SELECT segment.rfm_scale_state(1, 1, 1, '{"bins": 5}') AS state
      UNION ALL SELECT segment.rfm_scale_state(1, 1, 1, '{"bins": [5, 4, 3], "method": "nested"}')) AS s;
SELECT '\x53'::segment.rfm_scale;
SELECT '\x73'::segment.rfm_scale_state;
SELECT segment.rfm_scale_transition(NULL, 1, 1, 1);
\set VERBOSITY sqlstate
SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "ntile"}') FROM six;
SELECT segment.rfm_scale('NaN', frequency, monetary) FROM six;
SELECT segment.rfm_scale(recency_days, frequency, 1e400) FROM six;
SELECT segment.rfm_scale(recency_days, frequency, monetary, 'null') FROM six;
SELECT ''::segment.rfm_scale;
SELECT '5'::segment.rfm_scale_state;
SET pg_segment.max_memory = '1MB';
SELECT segment.rfm_scale(i, i, i) FROM generate_series(1, 100000) AS i;
RESET pg_segment.max_memory;
\set VERBOSITY default
DROP FUNCTION scale_differences, percentile_scores, score_within;
DROP TABLE scale_customers, six, scales;
