-- Lifecycle: stages, limits from gaps, migration, rates
\set VERBOSITY terse
SET TimeZone = 'Europe/Berlin';
CREATE SCHEMA lifecycle_test;
SET search_path = lifecycle_test;

-- ---- one customer
SELECT days, orders, segment.lifecycle('2024-01-01', as_of - days * interval '1 day', orders, as_of) AS stage
FROM (VALUES (timestamptz '2025-07-01 12:00')) AS moment (as_of), unnest(ARRAY[0, 90, 91, 365, 366]) AS days,
     unnest(ARRAY[1, 2]) AS orders
ORDER BY days, orders;
-- Days are calendar days of the session: a night's sleep away, and over the change of clocks.
SELECT segment.lifecycle('2025-06-30 23:59', '2025-06-30 23:59', 1, '2025-07-01 00:01', active_days => 0),
       segment.lifecycle('2025-07-01 00:00', '2025-07-01 00:00', 1, '2025-07-01 23:59', active_days => 0),
       segment.lifecycle('2025-03-29 23:59', '2025-03-29 23:59', 1, '2025-03-31 00:00', active_days => 1, inactive_days => 1),
       segment.lifecycle('2025-03-29 23:59', '2025-03-29 23:59', 1, '2025-03-31 00:00', active_days => 2);
BEGIN;
SET LOCAL TimeZone = 'America/New_York';
SELECT segment.lifecycle('2025-07-01 00:30+02', '2025-07-01 00:30+02', 1, '2025-07-01 12:00+02', active_days => 0);
COMMIT;
-- Dates far away.
SELECT segment.lifecycle('1901-12-13', '1901-12-13', 1, '2261-12-31'),
       segment.lifecycle('1901-12-13', '2261-12-30', 9, '2261-12-31'),
       segment.lifecycle('4713-01-01 BC', '4713-01-01 BC', 1, '294000-01-01'),
       segment.lifecycle('2024-02-29', '2024-02-29', 1, '2025-02-28', active_days => 364, inactive_days => 364) AS leap_day;
-- No orders, and orders that are still to come.
SELECT segment.lifecycle(NULL, NULL, 0, '2025-07-01'), segment.lifecycle(NULL, NULL, NULL, '2025-07-01'),
       segment.lifecycle('2025-08-01', '2025-08-01', 1, '2025-07-01');
-- An order on the day of as_of is 0 days old.
SELECT segment.lifecycle('2025-07-01 18:00', '2025-07-01 18:00', 1, '2025-07-01 09:00');
-- Reactivated: the last gap was longer than the limit.
SELECT gap, segment.lifecycle('2020-01-01', '2025-06-01', 5, '2025-07-01', last_gap => gap)
FROM unnest(ARRAY[NULL, 1, 365, 366]) AS gap;
SELECT segment.lifecycle('2020-01-01', '2025-01-01', 5, '2025-07-01', last_gap => 1000) AS not_active;
-- Gaps: the limits are given.
SELECT segment.lifecycle('2025-01-01', '2025-06-01', 5, '2025-07-01', 'gaps', 23, 119),
       segment.lifecycle('2025-01-01', '2025-06-08', 5, '2025-07-01', 'gaps', 23, 119),
       segment.lifecycle('2025-01-01', '2025-03-03', 5, '2025-07-01', 'gaps', 23, 119);
-- Own gap: multiples of the customer's own; who bought once is measured in days.
SELECT days, segment.lifecycle('2025-01-01', date '2025-07-01' - days, 5, '2025-07-01', 'own_gap', mean_gap => 10) AS own,
       segment.lifecycle('2025-01-01', date '2025-07-01' - days, 1, '2025-07-01', 'own_gap') AS fallback,
       segment.lifecycle('2025-01-01', date '2025-07-01' - days, 5, '2025-07-01', 'own_gap', mean_gap => 10, active_gaps => 2,
                         inactive_gaps => 2) AS other
FROM unnest(ARRAY[15, 16, 20, 21, 30, 31, 91]) AS days;
-- Away for 40 days where 10 were usual before: that was inactive, though the mean of all gaps is 20 by now.
SELECT segment.lifecycle('2025-01-01', '2025-03-02', 4, '2025-03-05', 'own_gap', last_gap => 40, mean_gap => 20),
       segment.lifecycle('2025-01-01', '2025-03-02', 4, '2025-03-05', 'own_gap', last_gap => 29, mean_gap => 20);

-- Errors.
\set VERBOSITY default
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, NULL);
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', NULL);
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', 'weekly');
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', 'gaps', 10);
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', active_days => 400);
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', active_days => -1);
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', 'own_gap', active_gaps => 'NaN');
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, '2025-02-01', 'own_gap', inactive_gaps => 1);
SELECT segment.lifecycle('2025-01-01', '2025-03-01', 2, '2025-02-01');
SELECT segment.lifecycle('2025-03-01', '2025-01-01', 2, '2025-04-01');
SELECT segment.lifecycle('2025-01-01', '2025-01-01', -1, '2025-02-01');
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 0, '2025-02-01');
SELECT segment.lifecycle('2025-01-01', '2025-01-01', NULL, '2025-02-01');
SELECT segment.lifecycle(NULL, NULL, 1, '2025-02-01');
SELECT segment.lifecycle('2025-01-01', '2025-01-01', 1, 'infinity');
SELECT segment.lifecycle('-infinity', '2025-01-01', 1, '2025-02-01');
SELECT segment.lifecycle('2025-01-01', '2025-01-03', 2, '2025-02-01', last_gap => 0);
SELECT segment.lifecycle('2025-01-01', '2025-01-03', 2, '2025-02-01', 'own_gap', mean_gap => -2);
\set VERBOSITY terse

-- ---- gaps between purchases
CREATE TABLE orders (customer_id integer, ordered_at timestamptz, amount numeric, receipt text);
INSERT INTO orders VALUES
    (1, '2024-01-10 10:00', 10, 'a'), (1, '2024-02-09 10:00', 20, 'b'), (1, '2025-06-20 10:00', 30, 'c'),
    (2, '2025-05-01 10:00', 40, 'd'),
    (3, '2025-01-01 10:00', 50, 'e'), (3, '2025-01-01 11:00', 5, 'e'), (3, '2025-01-11 10:00', 60, 'f'),
    (4, '2023-01-01 10:00', 70, 'g'),
    (5, '2025-06-01 10:00', 80, 'h'), (5, '2025-06-01 12:00', -80, 'i'),
    (6, '2025-06-10 10:00', 90, 'j'), (6, '2025-06-20 10:00', 15, 'k'), (6, '2025-07-05 10:00', 25, 'l'),
    (7, '2025-07-08 10:00', 35, 'm'),
    (NULL, '2025-06-01 10:00', 99, 'n'), (8, NULL, 99, 'o');
CREATE TABLE states AS
SELECT customer_id, segment.rfm_state(ordered_at, amount) AS state FROM orders GROUP BY customer_id;
SELECT segment.gap_total(gaps), segment.gap_percentile(gaps, 0), segment.gap_percentile(gaps, 40),
       segment.gap_percentile(gaps, 50), segment.gap_percentile(gaps, 60.1), segment.gap_percentile(gaps, 100),
       segment.lifecycle_limits(gaps), segment.lifecycle_limits(gaps, 20, 100)
FROM (SELECT segment.gap_counts(state) AS gaps FROM states) AS q;
SELECT segment.gap_percentile(segment.gap_counts(i), 99.9) AS exactly_999 FROM generate_series(1, 1000) AS i;
SELECT * FROM segment.gaps((SELECT segment.gap_counts(state) FROM states));
-- From days, or merged: the same bytes as percentile_disc would count.
SELECT segment.gap_counts(i)::text FROM unnest(ARRAY[5, 3, NULL, 5, 5000, 100000]) AS i;
SELECT count(DISTINCT segment.gap_counts_send(counts)) AS one
FROM (SELECT segment.gap_counts(1 + (i * i) % 9973 ORDER BY md5((i * salt)::text)) AS counts
      FROM generate_series(1, 3000) AS i, generate_series(1, 4) AS salt GROUP BY salt
      UNION ALL
      SELECT segment.rollup(part::text::segment.gap_counts)
      FROM (SELECT segment.gap_counts(1 + (i * i) % 9973) AS part FROM generate_series(1, 3000) AS i GROUP BY i % 7) AS parts
     ) AS q;
SELECT p, segment.gap_percentile(counts, p) = expected AS same
FROM (SELECT segment.gap_counts(1 + (i * i) % 9973) AS counts FROM generate_series(1, 3000) AS i) AS q,
     LATERAL (SELECT p, percentile_disc(p / 100) WITHIN GROUP (ORDER BY 1 + (i * i) % 9973) AS expected
              FROM generate_series(1, 3000) AS i, unnest(ARRAY[0, 1, 40, 50, 80, 99, 100]::float8[]) AS p GROUP BY p) AS e
ORDER BY p;
SELECT segment.gap_counts(i) IS NULL AS no_rows FROM generate_series(1, 0) AS i;
SELECT segment.gap_counts(NULL::integer)::text AS no_gaps, segment.gap_percentile(segment.gap_counts(NULL::integer), 40),
       segment.gap_total(segment.gap_counts(NULL::integer)), segment.lifecycle_limits(segment.gap_counts(NULL::integer));
SELECT i, segment.gap_total(segment.gap_counts(i) OVER (ORDER BY i)) FROM generate_series(1, 3) AS i;
SELECT segment.gap_counts(0);
SELECT segment.gap_percentile('\x67010000', 101);
SELECT segment.gap_percentile('\x67010000', 'NaN');
SELECT '\x6701'::segment.gap_counts;
SELECT '\x67010000050000000000000000000000'::segment.gap_counts;
SELECT '\x670100000500000001000000000000000500000001000000000000000'::segment.gap_counts;
SELECT '\x67010000050000000100000000000000ff'::segment.gap_counts;
SELECT '\x6701000000000000010000000000000005000000ffffffffffffff7f'::segment.gap_counts;
SELECT '\x6701000001000000010000000000000005000000ffffffffffffff7f'::segment.gap_counts;

-- ---- an orders table
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', as_of => '2025-07-01') ORDER BY customer_id;
-- The same from the pieces.
SELECT count(*) AS customers, count(*) FILTER (WHERE call.stage = pieces.stage) AS same
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', as_of => '2025-07-01') AS call
     JOIN (SELECT customer_id, segment.lifecycle((fact).first_at, (fact).last_at, (fact).days, '2025-07-01',
                                                 last_gap => (fact).last_gap) AS stage
           FROM (SELECT customer_id, segment.rfm_agg(ordered_at, amount) AS fact FROM orders
                 WHERE ordered_at < '2025-07-01' GROUP BY customer_id) AS q) AS pieces USING (customer_id);
-- A customers table gives prospects; who is in no customers table stays.
CREATE TABLE people AS SELECT id::bigint FROM unnest(ARRAY[1, 2, 2, 7, 8, 9, NULL]) AS id;
SELECT customer_id, stage, orders, recency_days
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', customers => 'people', customers_key => 'id')
ORDER BY customer_id;
-- What counts as one order, and what is left out.
SELECT customer_id, stage, orders FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01',
    frequency => 'orders', "where" => 'amount > 0 -- no refunds') ORDER BY customer_id;
SELECT customer_id, stage, orders FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-02-01',
    frequency => 'order_ids', order_id => 'receipt') ORDER BY customer_id;
-- A row without an order id is an order of its own.
CREATE VIEW no_receipts AS SELECT customer_id, ordered_at, NULLIF(receipt, 'e') AS receipt FROM orders;
SELECT customer_id, stage, orders FROM segment.lifecycle_stages('no_receipts', 'customer_id', 'ordered_at', '2025-07-01',
    frequency => 'order_ids', order_id => 'receipt') WHERE customer_id = 3;
SELECT * FROM segment.lifecycle_migration('no_receipts', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01',
    "where" => 'customer_id = 3', frequency => 'order_ids', order_id => 'receipt');
-- Presets and options.
SELECT customer_id, stage, recency_days, active_days, inactive_days
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', 'gaps') ORDER BY customer_id;
SELECT customer_id, stage, recency_days, active_days, inactive_days
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', 'own_gap',
                              options => '{"active_days": 30, "inactive_gaps": 4}') ORDER BY customer_id;
SELECT stage, count(*)
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01',
                              options => '{"active_days": 20, "reactivated": false}') GROUP BY stage ORDER BY stage;
-- Without a gap anywhere the limits are those in days.
SELECT customer_id, stage, active_days, inactive_days
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2024-01-20', 'gaps') ORDER BY customer_id;
-- Reactivated is: active now, and inactive on the day of the last purchase, before it.
CREATE TABLE shop AS SELECT * FROM segment.demo_orders(500, seed => 5);
SELECT preset, count(*) FILTER (WHERE stage = 'reactivated') > 10 AS some,
       count(*) FILTER (WHERE stage IN ('active', 'reactivated') AND (stage = 'reactivated') <> (earlier = 'inactive')) AS wrong
FROM unnest(ARRAY['retail', 'own_gap']) AS preset,
     LATERAL (
        SELECT whole.stage,
               (SELECT segment.lifecycle((fact).first_at, (fact).last_at, (fact).days, whole.last_at, preset,
                                         inactive_days => 120, mean_gap => (fact).mean_gap)
                FROM (SELECT segment.rfm_agg(ordered_at, amount) AS fact FROM shop
                      WHERE shop.customer_id = whole.customer_id AND ordered_at::date < whole.last_at::date) AS before) AS earlier
        FROM segment.lifecycle_stages('shop', 'customer_id', 'ordered_at', '2026-01-01', preset,
                                      options => '{"inactive_days": 120}') AS whole
     ) AS q
GROUP BY preset ORDER BY preset;
-- Other keys, other types, odd names.
CREATE TABLE "Odd ""Shop" AS
SELECT md5(customer_id::text)::uuid AS "the customer", ordered_at::date AS "when", amount::float8 AS "total, gross"
FROM orders;
SELECT count(*), min(pg_typeof(customer_id)::text), count(DISTINCT stage)
FROM segment.lifecycle_stages_uuid('"Odd ""Shop"', 'the customer', 'when', '2025-07-01');
SELECT count(*), min(pg_typeof(customer_id)::text), count(DISTINCT stage)
FROM segment.lifecycle_stages_text('"Odd ""Shop"', 'the customer', 'when', '2025-07-01', 'gaps');
SELECT * FROM segment.lifecycle_migration('"Odd ""Shop"', 'the customer', 'when', '2025-01-05', '2025-07-01', 'total, gross');
SELECT count(*) FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '1900-01-01');

-- ---- who moved where
SELECT * FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01', 'amount');
SELECT * FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01',
                                          customers => 'people', customers_key => 'id');
SELECT * FROM segment.lifecycle_rates('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01');
SELECT * FROM segment.lifecycle_rates('orders', 'customer_id', 'ordered_at', '1900-01-01', '1900-01-02');
-- The matrix is the join of two calls, for every preset and way of counting.
SELECT preset, frequency, count(*) AS differing
FROM unnest(ARRAY['retail', 'own_gap']) AS preset, unnest(ARRAY['days', 'orders', 'order_ids']) AS frequency,
     LATERAL (
        (SELECT COALESCE(a.stage, 'prospect') AS from_stage, b.stage AS to_stage, count(*) AS customers
         FROM segment.lifecycle_stages('shop', 'customer_id', 'ordered_at', '2025-06-01', preset, frequency => frequency,
                                       order_id => 'ordered_at') AS a
              RIGHT JOIN segment.lifecycle_stages('shop', 'customer_id', 'ordered_at', '2026-01-01', preset,
                                                  frequency => frequency, order_id => 'ordered_at') AS b USING (customer_id)
         GROUP BY 1, 2
         EXCEPT ALL
         SELECT from_stage, to_stage, customers
         FROM segment.lifecycle_migration('shop', 'customer_id', 'ordered_at', '2025-06-01', '2026-01-01', preset => preset,
                                          frequency => frequency, order_id => 'ordered_at'))) AS difference
GROUP BY preset, frequency;
SELECT sum(customers) = (SELECT count(DISTINCT customer_id) FROM shop WHERE ordered_at < '2026-01-01') AS everybody,
       sum(revenue) = (SELECT sum(amount) FROM shop WHERE ordered_at >= '2025-06-01' AND ordered_at < '2026-01-01') AS money
FROM segment.lifecycle_migration('shop', 'customer_id', 'ordered_at', '2025-06-01', '2026-01-01', 'amount');
SELECT * FROM segment.lifecycle_summary('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01');

-- Rows without an amount are no orders in the figures.
CREATE VIEW unpaid AS SELECT * FROM orders UNION ALL
VALUES (2, timestamptz '2025-06-30', NULL::numeric, NULL::text), (9, '2025-06-30', NULL, NULL);
SELECT count(*) AS differing
FROM (SELECT * FROM segment.lifecycle_summary('unpaid', 'customer_id', 'ordered_at', 'amount', '2025-07-01', frequency => 'orders')
      EXCEPT SELECT * FROM segment.lifecycle_summary('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01', frequency => 'orders')
     ) AS difference;
-- Amounts of type real keep their digits.
CREATE TABLE reals AS
SELECT 1 AS id, timestamptz '2025-06-01' AS at, 16777213::real AS amount UNION ALL SELECT 1, '2025-06-02', 1;
SELECT revenue FROM segment.lifecycle_summary('reals', 'id', 'at', 'amount', '2025-07-01');
-- Who prints the same is one customer.
CREATE TABLE padded AS SELECT id::float4 AS id, timestamptz '2025-06-01' AS at FROM unnest(ARRAY[1.5, 2.5]) AS id;
SET extra_float_digits = -6;
SELECT customer_id, stage, orders FROM segment.lifecycle_stages_text('padded', 'id', 'at', '2025-07-01', frequency => 'orders');
RESET extra_float_digits;
-- Numbers among the options are numbers, however they are written and whatever floats print as.
SELECT DISTINCT active_days
FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"active_days": 90.0}');
SET extra_float_digits = -14;
SELECT count(*) FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', 'own_gap',
    options => '{"active_gaps": 2.6, "inactive_gaps": 2.7}') WHERE active_days = 2.6::float8 * mean_gap;
RESET extra_float_digits;
-- A day that a product ought to include is included.
SELECT segment.lifecycle('2025-01-01', '2025-06-01', 3, date '2025-06-01' + 115, 'own_gap', mean_gap => 100,
                         active_gaps => 1.15, inactive_gaps => 1.15);

-- A condition sees the caller's search path; nothing else in a query can be captured from there.
CREATE SCHEMA lifecycle_trap;
CREATE FUNCTION lifecycle_trap.is_big(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 OPERATOR(pg_catalog.>) 20';
DO $$
DECLARE
    trap record;
BEGIN
    FOR trap IN SELECT oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result FROM pg_operator
                WHERE oprname IN ('+', '-', '*', '/', '<', '<=', '=', '<>', '>=', '>') AND oprleft <> 0
                      AND oprnamespace = 'pg_catalog'::regnamespace AND oprresult::regtype::text NOT LIKE 'any%'
                      AND oprleft::regtype::text NOT LIKE 'any%' AND oprright::regtype::text NOT LIKE 'any%'
    LOOP
        EXECUTE format('CREATE FUNCTION lifecycle_trap.%I(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', 'trap ' || trap.oprname,
                       trap.l, trap.r, trap.result, 'BEGIN RAISE EXCEPTION ''captured''; END');
        EXECUTE format('CREATE OPERATOR lifecycle_trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = lifecycle_trap.%I)',
                       trap.oprname, trap.l, trap.r, 'trap ' || trap.oprname);
    END LOOP;
    CREATE DOMAIN lifecycle_trap.date AS pg_catalog.date CHECK (VALUE IS NULL);
    CREATE DOMAIN lifecycle_trap.timestamptz AS pg_catalog.timestamptz CHECK (VALUE IS NULL);
    CREATE DOMAIN lifecycle_trap.float8 AS pg_catalog.float8 CHECK (VALUE IS NULL);
    CREATE DOMAIN lifecycle_trap.int8 AS pg_catalog.int8 CHECK (VALUE IS NULL);
    CREATE DOMAIN lifecycle_trap.numeric AS pg_catalog.numeric CHECK (VALUE IS NULL);
    CREATE DOMAIN lifecycle_trap.text AS pg_catalog.text CHECK (VALUE IS NULL);
    CREATE AGGREGATE lifecycle_trap.count(*) (SFUNC = int4inc, STYPE = int4, INITCOND = '-1000');
    CREATE AGGREGATE lifecycle_trap.sum(pg_catalog.numeric) (SFUNC = numeric_sub, STYPE = pg_catalog.numeric);
    CREATE AGGREGATE lifecycle_trap.sum(pg_catalog.int8) (SFUNC = int8mi, STYPE = pg_catalog.int8);
END
$$;
CREATE TABLE honest AS
SELECT 'stages' AS part, jsonb_agg(s ORDER BY customer_id) AS seen FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', 'own_gap',
       "where" => 'lifecycle_trap.is_big(amount)', frequency => 'order_ids', order_id => 'receipt', customers => 'people', customers_key => 'id') AS s
UNION ALL SELECT 'moves', jsonb_agg(s) FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01', 'amount', 'gaps',
       'lifecycle_trap.is_big(amount)', 'order_ids', 'receipt', 'people', 'id') AS s
UNION ALL SELECT 'rates', jsonb_agg(s) FROM segment.lifecycle_rates('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01',
       "where" => 'lifecycle_trap.is_big(amount)') AS s
UNION ALL SELECT 'summary', jsonb_agg(s) FROM segment.lifecycle_summary('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       "where" => 'lifecycle_trap.is_big(amount)') AS s
UNION ALL SELECT 'concentration', jsonb_agg(s) FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       'lifecycle_trap.is_big(amount)', refunds => 'ignore') AS s
UNION ALL SELECT 'pareto', jsonb_agg(s) FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       "where" => 'lifecycle_trap.is_big(amount)', refunds => 'ignore') AS s
UNION ALL SELECT 'clv', jsonb_agg(s ORDER BY customer_id) FROM segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       'month', 'ignore', 'lifecycle_trap.is_big(amount)') AS s;
SET search_path = lifecycle_trap, lifecycle_test, pg_catalog;
CREATE TABLE lifecycle_test.trapped AS
SELECT 'stages' AS part, jsonb_agg(s ORDER BY customer_id) AS seen FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', 'own_gap',
       "where" => 'is_big(amount)', frequency => 'order_ids', order_id => 'receipt', customers => 'people', customers_key => 'id') AS s
UNION ALL SELECT 'moves', jsonb_agg(s) FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01', 'amount', 'gaps',
       'is_big(amount)', 'order_ids', 'receipt', 'people', 'id') AS s
UNION ALL SELECT 'rates', jsonb_agg(s) FROM segment.lifecycle_rates('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01',
       "where" => 'is_big(amount)') AS s
UNION ALL SELECT 'summary', jsonb_agg(s) FROM segment.lifecycle_summary('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       "where" => 'is_big(amount)') AS s
UNION ALL SELECT 'concentration', jsonb_agg(s) FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       'is_big(amount)', refunds => 'ignore') AS s
UNION ALL SELECT 'pareto', jsonb_agg(s) FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       "where" => 'is_big(amount)', refunds => 'ignore') AS s
UNION ALL SELECT 'clv', jsonb_agg(s ORDER BY customer_id) FROM segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
       'month', 'ignore', 'is_big(amount)') AS s;
SET search_path = lifecycle_test;
SELECT part, honest.seen = trapped.seen AS same, jsonb_array_length(honest.seen) AS rows
FROM honest JOIN trapped USING (part) ORDER BY part;
SET client_min_messages = warning;
DROP SCHEMA lifecycle_trap CASCADE;
RESET client_min_messages;

-- Errors.
SELECT * FROM segment.lifecycle_stages('nothing', 'customer_id', 'ordered_at');
SELECT * FROM segment.lifecycle_stages('orders', 'nobody', 'ordered_at');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'never');
SELECT * FROM segment.lifecycle_stages('orders', NULL, 'ordered_at');
SELECT * FROM segment.lifecycle_stages('orders', 'receipt', 'ordered_at');
SELECT * FROM segment.lifecycle_stages_uuid('orders', 'receipt', 'ordered_at');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', 'infinity');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', NULL);
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', 'weekly');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', frequency => 'weeks');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', frequency => 'order_ids');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', "where" => 'nobody = 1');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', customers => 'people');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"days": 1}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"active_days": "1"}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"active_days": 1.5}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"active_days": 1000}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"inactive_days": 3000000000}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"inactive_gaps": 1e400}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', customers => 'orders', customers_key => 'receipt');
SELECT * FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-01-05', '2025-07-01', customers => 'orders',
                                          customers_key => 'receipt');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"active_percentile": 90}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '{"inactive_percentile": 900}');
SELECT * FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01', options => '[]');
SELECT * FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-07-01', '2025-07-01');
SELECT * FROM segment.lifecycle_migration('orders', 'customer_id', 'ordered_at', '2025-07-01', '2025-07-02', 'price');
SELECT * FROM segment.lifecycle_summary('orders', 'customer_id', 'ordered_at', NULL);

-- The caller's rights.
CREATE ROLE segment_lifecycle_analyst;
GRANT USAGE ON SCHEMA lifecycle_test TO segment_lifecycle_analyst;
SET ROLE segment_lifecycle_analyst;
SELECT count(*) FROM segment.lifecycle_stages('orders', 'customer_id', 'ordered_at', '2025-07-01');
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA lifecycle_test CASCADE;
DROP ROLE segment_lifecycle_analyst;
