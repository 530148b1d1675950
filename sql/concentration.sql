-- Concentration: Gini, shares, Pareto curve, figures of a customer base
\set VERBOSITY terse
SET TimeZone = 'UTC';
CREATE SCHEMA concentration_test;
SET search_path = concentration_test;

-- ---- Gini coefficient
SELECT name, segment.gini(v) AS gini
FROM (VALUES ('equal', ARRAY[5, 5, 5, 5]), ('one has all', ARRAY[0, 0, 0, 7]), ('one to four', ARRAY[1, 2, 3, 4]),
             ('one alone', ARRAY[3]), ('with NULL', ARRAY[1, NULL, 3]), ('nothing', ARRAY[0, 0]), ('below', ARRAY[1, -5]),
             ('some below', ARRAY[-1, 4])) AS q (name, values), unnest(values) AS v
GROUP BY name ORDER BY name;
SELECT segment.gini(NULL::numeric) IS NULL AS nobody, segment.gini(v) IS NULL AS no_rows FROM generate_series(1, 0) AS v;
-- The definition, pair by pair.
CREATE TABLE spenders AS
SELECT i AS customer_id, round((1000.0 / i + (i * 7919 % 101))::numeric, 2) AS revenue FROM generate_series(1, 700) AS i;
SELECT abs(segment.gini(a.revenue)
           - (SELECT sum(abs(x.revenue - y.revenue)) / (2 * sum(x.revenue))
              FROM spenders AS x, spenders AS y)::float8) < 1e-14 AS same
FROM spenders AS a;
SELECT segment.gini(revenue) = segment.gini(revenue * 1024) AS no_unit FROM spenders;
-- The same bits in any order, and from parts.
SELECT count(DISTINCT figure) AS one
FROM (SELECT segment.gini(revenue / 3 ORDER BY md5((customer_id * salt)::text)) AS figure
      FROM spenders, generate_series(1, 5) AS salt GROUP BY salt
      UNION ALL
      SELECT segment.gini(segment.rollup(pool::text::segment.value_pool))
      FROM (SELECT segment.value_pool(revenue / 3) AS pool FROM spenders GROUP BY customer_id % 11) AS parts) AS q;
SELECT count(DISTINCT segment.value_pool_send(pool)) AS one
FROM (SELECT segment.value_pool(revenue ORDER BY md5((customer_id * salt)::text)) AS pool
      FROM spenders, generate_series(1, 5) AS salt GROUP BY salt) AS q;
-- The ends of the range.
SELECT segment.gini(v) FROM unnest(ARRAY[0, 1.7e308, 1.7e308, 1.7e308]::float8[]) AS v;
SELECT segment.gini(v) FROM unnest(ARRAY[0, 0, 0, 5e-324]::float8[]) AS v;
SELECT segment.gini(v) FROM unnest(ARRAY[-1.7e308, 1.7e308, 1e-300]::float8[]) AS v;
SELECT v, segment.gini(v) OVER (ORDER BY v) FROM unnest(ARRAY[1, 2, 3]) AS v;

-- ---- what the best bring
SELECT fraction, segment.top_share(v, fraction)
FROM unnest(ARRAY[1, 2, 3, 4, 10]) AS v, unnest(ARRAY[0, 0.2, 0.20001, 0.4, 0.5, 1]) AS fraction
GROUP BY fraction ORDER BY fraction;
SELECT segment.top_share(segment.value_pool(v), 0.2) = segment.top_share(v, 0.2) AS same FROM unnest(ARRAY[1, 2, 3]) AS v;
SELECT segment.top_share(v, 0.5) IS NULL AS undefined FROM unnest(ARRAY[-1, 1]) AS v;
SELECT segment.top_share(v, 0.5) IS NULL AS no_rows FROM generate_series(1, 0) AS v;
-- Fractions that a double cannot hold still count whole customers.
SELECT segment.top_count(0.07, 100), segment.top_count(0.1, 30), segment.top_count(0.29, 100), segment.top_count(0.2, 7),
       segment.top_count(0, 5), segment.top_count(1e-12, 5), segment.top_count(1, 9223372036854775807 / 4096);

-- Bad values.
\set VERBOSITY default
SELECT segment.gini('NaN'::float8);
SELECT segment.top_share('-Infinity', 0.5);
SELECT segment.top_share(1, 1.5);
SELECT segment.top_share(1, NULL);
SELECT segment.top_share(v, v / 10.0) FROM generate_series(1, 2) AS v;
SELECT segment.top_share(segment.value_pool(1), 'NaN');
SELECT segment.top_count(0.5, -1);
SELECT '\x7601'::segment.value_pool;
SELECT '\x76010000000000000000f87f000000000000f07f'::segment.value_pool;
SELECT '\x76010000000000000000f87f00'::segment.value_pool;
SELECT '\x760100000000000000000040'::segment.value_pool;
SELECT segment.value_pool_transition(NULL, 1.0);
\set VERBOSITY terse

-- ---- an orders table
CREATE TABLE orders (customer_id integer, ordered_at timestamptz, amount numeric(10, 2), receipt text);
INSERT INTO orders VALUES
    (1, '2025-01-01 10:00', 100, 'a'), (1, '2025-01-01 11:00', 50, 'a'), (1, '2025-01-11 10:00', 50, 'b'),
    (2, '2025-02-01 10:00', 60, 'c'), (2, '2025-02-21 10:00', 40, 'd'),
    (3, '2025-03-01 10:00', 50, 'e'),
    (4, '2025-04-01 10:00', 30, 'f'), (4, '2025-04-02 10:00', -30, 'g'),
    (5, '2025-05-01 10:00', NULL, 'h'), (NULL, '2025-05-01 10:00', 99, 'i'), (6, '2026-01-01', 1000, 'j');
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01');
SELECT a.metric, a.value AS days, b.value AS orders, c.value AS order_ids, d.value AS gross
FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01') AS a
     JOIN segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01', frequency => 'orders') AS b USING (metric)
     JOIN segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01', frequency => 'order_ids',
                                order_id => 'receipt') AS c USING (metric)
     JOIN segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01', refunds => 'ignore') AS d USING (metric)
WHERE metric IN ('orders', 'revenue', 'mean_order_value', 'repeat_purchase_rate', 'customers_without_revenue', 'gini')
ORDER BY metric;
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '1900-01-01') WHERE value IS NOT NULL;
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01',
                                   points => '{1, 0.25, 0.5, 0.26, 0, 0.5}');
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01', '{0.5}',
                                   "where" => 'amount > 40', refunds => 'ignore');
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', '1900-01-01', '{0.5, 1}');
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01', '{}');
-- The curve is the shares, and the area between it and the diagonal half the Gini coefficient.
CREATE TABLE shop AS SELECT * FROM segment.demo_orders(400, seed => 3);
SELECT count(*) AS points, count(*) FILTER (WHERE abs(revenue_share - share) < 1e-15) AS same
FROM segment.pareto_curve('shop', 'customer_id', 'ordered_at', 'amount', '2027-01-01') AS curve,
     LATERAL (SELECT segment.top_share(revenue, curve.top_fraction) AS share
              FROM (SELECT sum(amount) AS revenue FROM shop GROUP BY customer_id) AS q) AS q;
SELECT abs(2 * (sum(revenue_share) - 0.5) / 400 - 1 - (SELECT value FROM segment.concentration('shop', 'customer_id', 'ordered_at', 'amount', '2027-01-01')
                                                      WHERE metric = 'gini')::float8) < 1e-12 AS same
FROM segment.pareto_curve('shop', 'customer_id', 'ordered_at', 'amount', '2027-01-01',
                          (SELECT array_agg(i / 400.0) FROM generate_series(1, 400) AS i)::float8[]);
-- Other keys, other types, odd names.
CREATE TABLE "Odd ""Shop" AS
SELECT md5(customer_id::text) AS "the customer", ordered_at::date AS "when", amount::float8 AS "total, gross" FROM shop;
SELECT count(*) FILTER (WHERE round(a.value, 9) = round(b.value, 9)) = count(*) AS same
FROM segment.concentration('shop', 'customer_id', 'ordered_at', 'amount', '2027-01-01') AS a
     JOIN segment.concentration('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '2027-01-01') AS b USING (metric)
WHERE metric IN ('customers', 'orders', 'revenue', 'refunds', 'repeat_customers', 'gini', 'gaps', 'gap_p50');

-- Errors.
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'price');
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', NULL);
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', '-infinity');
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', refunds => 'keep');
SELECT * FROM segment.concentration('orders', 'customer_id', 'ordered_at', 'amount', refunds => NULL);
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', points => '{2}');
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', points => '{NULL}');
SELECT * FROM segment.pareto_curve('orders', 'customer_id', 'ordered_at', 'amount', points => '{{0.1, 0.2}, {0.3, 0.4}}');
SET client_min_messages = warning;
DROP SCHEMA concentration_test CASCADE;
