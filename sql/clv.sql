-- Customer lifetime value: histories, fits, forecasts
\set VERBOSITY terse
SET TimeZone = 'Europe/Berlin';
SET extra_float_digits = 0;
CREATE TABLE orders (customer_id integer, ordered_at timestamptz, amount numeric);
INSERT INTO orders VALUES
    (1, '2025-01-01 10:00', 10), (1, '2025-01-01 23:30', 5), (1, '2025-01-15 09:00', 20), (1, '2025-02-05 09:00', 40),
    (2, '2025-01-10 12:00', 99),
    -- a refund on a day of its own, one on a day with a purchase, one before the first purchase
    (3, '2025-01-01 08:00', -7), (3, '2025-01-02 08:00', 50), (3, '2025-01-20 08:00', 30), (3, '2025-01-20 09:00', -10),
    (3, '2025-01-25 08:00', -5), (3, '2025-02-01 08:00', 25),
    (4, '2025-01-03 08:00', -1), -- nothing but a refund
    (5, '2025-02-28 23:59', 0), (5, '2025-03-01 00:00', 1), -- the last moment, and past it
    (6, NULL, 1), (6, '2025-01-01', NULL), (NULL, '2025-01-01', 1),
    -- the night that clocks change, a leap day, far dates
    (7, '2024-02-29 12:00', 1), (7, '2024-03-30 23:30', 2), (7, '2024-03-31 03:30', 4),
    (8, '1901-12-13 20:00', 1), (8, '1901-12-20 20:00', 3);

SELECT * FROM segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-03-01') ORDER BY 1;
SELECT * FROM segment.clv_customers('orders', customer => 'customer_id', at => 'ordered_at', amount => 'amount',
                                    as_of => '2025-03-01', unit => 'day', refunds => 'ignore',
                                    "where" => 'customer_id < 5 AND ordered_at >= ''2025-01-01''') ORDER BY 1;
SELECT customer_id, t FROM segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2261-12-31 12:00', 'year')
ORDER BY 1;
SELECT count(*) FROM segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '1900-01-01');
-- Days are the session's.
BEGIN;
SET LOCAL TimeZone = 'America/New_York';
SELECT * FROM segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-03-01', 'day')
WHERE customer_id IN (1, 7) ORDER BY 1;
COMMIT;
-- Other keys and types, odd names.
CREATE TABLE "Odd ""Shop" AS
SELECT md5(customer_id::text)::uuid AS "the customer", customer_id::text AS "name", ordered_at::date AS "when",
       amount::float8 AS "total, gross"
FROM orders;
SELECT frequency, mean_value, pg_typeof(customer_id)
FROM segment.clv_customers_uuid('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '2025-03-01') ORDER BY 1 DESC, 2 LIMIT 2;
SELECT customer_id, frequency, mean_value
FROM segment.clv_customers_text('"Odd ""Shop"', 'name', 'when', 'total, gross', '2025-03-01') ORDER BY 1 LIMIT 3;
-- Errors.
SELECT segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', 'infinity');
SELECT segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-03-01', 'fortnight');
SELECT segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-03-01', refunds => 'x');
SELECT segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', NULL);
SELECT segment.clv_customers('orders', 'customer', 'ordered_at', 'amount', '2025-03-01');
SELECT segment.clv_customers('"Odd ""Shop"', 'name', 'when', 'total, gross', '2025-03-01');
\set VERBOSITY sqlstate
SELECT segment.clv_customers('orders', 'customer_id', 'ordered_at', 'amount', '2025-03-01', "where" => 'nothing > 1');
\set VERBOSITY terse

-- A shop of 3,000 imagined customers.
CREATE TABLE shop AS SELECT customer_id, ordered_at, amount FROM segment.demo_orders(3000, 1);
CREATE TABLE customers AS
SELECT * FROM segment.clv_customers('shop', 'customer_id', 'ordered_at', 'amount', '2026-01-01');
CREATE TABLE models AS
SELECT purchases, segment.clv_fit(frequency, recency, t, mean_value, options) AS model
FROM customers, (VALUES ('bgnbd', jsonb '{}'), ('pareto_nbd', '{"purchases": "pareto_nbd"}'),
                        ('mbgnbd', '{"purchases": "mbgnbd", "value": "none"}')) AS o (purchases, options)
GROUP BY purchases;
SELECT purchases, p.part, p.parameter, round(p.value::numeric, 4) AS value, round(p.standard_error::numeric, 4) AS error
FROM models, segment.clv_parameters(model) WITH ORDINALITY AS p (part, parameter, value, standard_error, n)
ORDER BY purchases, p.n;
SELECT i.purchases, i.value, unit, month, customers, repeat_customers, distinct_customers, skipped,
       round(log_likelihood::numeric, 3) AS log_likelihood, iterations > 0 AS iterated, gradient_norm < 1e-5 AS level,
       converged, value_customers, without_value, round(value_log_likelihood::numeric, 3) AS value_log_likelihood,
       value_iterations > 0 AS value_iterated, value_gradient_norm < 1e-5 AS value_level,
       round(frequency_value_correlation::numeric, 4) AS correlation
FROM models, segment.clv_model_info(model) AS i ORDER BY 1 \gx
SELECT purchases, frequency, round(segment.p_alive(model, frequency, recency, t)::numeric, 4) AS p_alive,
       round(segment.expected_purchases(model, 26, frequency, recency, t)::numeric, 4) AS expected,
       round(segment.expected_purchases(model, 26)::numeric, 4) AS of_a_new_one
FROM models, (VALUES (0::bigint, 0::float8, 50::float8), (3, 40, 50), (3, 10, 50), (40, 49, 50)) AS h (frequency, recency, t)
ORDER BY 1, 2, 3;
SELECT frequency, mean_value, round(segment.expected_value(model, frequency, mean_value)::numeric, 2) AS expected,
       round(segment.clv(model, 12, 0.01, frequency, 40, 50, mean_value)::numeric, 2) AS clv
FROM models, (VALUES (1::bigint, 10::float8), (1, 100), (20, 100), (5, NULL), (5, 0), (5, -3)) AS v (frequency, mean_value)
WHERE purchases = 'bgnbd';
-- One purchase: the mean of all customers, whatever the value is.
SELECT count(DISTINCT segment.expected_value(model, 0, v)) AS one, count(*) AS of
FROM models, unnest(ARRAY[1, NULL, -5]) AS v WHERE purchases = 'bgnbd';
-- The discount of a month, twice, is that of two; months without a discount add up to the purchases.
SELECT abs(segment.clv(model, 12, 0, 3, 40, 50, 20) / segment.expected_value(model, 3, 20)
           / segment.expected_purchases(model, 12 * 365.2425 / 84, 3, 40, 50) - 1) < 1e-12 AS adds_up,
       abs(segment.clv(model, 1, 1, 3, 40, 50, 20) * 2 / segment.clv(model, 1, 0, 3, 40, 50, 20) - 1) < 1e-12 AS halves
FROM models WHERE purchases <> 'mbgnbd';

-- Text and binary forms; a model with published parameters.
SELECT count(*) AS same FROM models WHERE segment.clv_model_send(model::text::segment.clv_model) = segment.clv_model_send(model);
SELECT round(segment.expected_purchases(jsonb_set(model::text::jsonb, '{purchases,parameters}',
           '{"r": 0.2425945, "alpha": 4.4136019, "a": 0.7929199, "b": 2.4258881}')::text::segment.clv_model, 52)::numeric, 4)
FROM models WHERE purchases = 'bgnbd';

-- Partial states: per shard, merged, by text.
CREATE TABLE states AS
SELECT customer_id % 7 AS shard, segment.clv_state(frequency, recency, t, mean_value) AS state FROM customers GROUP BY 1;
SELECT segment.clv_model_send(segment.finalize(segment.rollup(state::text::segment.clv_state ORDER BY -shard)))
           = (SELECT segment.clv_model_send(model) FROM models WHERE purchases = 'bgnbd') AS same
FROM states;
SELECT count(DISTINCT segment.clv_model_send(model)) AS one
FROM (SELECT segment.clv_fit(frequency, recency, t, mean_value ORDER BY md5(customer_id::text || salt)) AS model
      FROM customers, generate_series(1, 4) AS salt GROUP BY salt) AS shuffled;
-- Workers: the same bits.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT segment.clv_fit(frequency, recency, t, mean_value) FROM customers;
SELECT segment.clv_model_send(segment.clv_fit(frequency, recency, t, mean_value))
           = (SELECT segment.clv_model_send(model) FROM models WHERE purchases = 'bgnbd') AS same
FROM customers;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT segment.rollup(NULL::segment.clv_state) IS NULL AS nothing FROM states;
SELECT segment.clv_fit(frequency, recency, t, mean_value) IS NULL AS no_rows FROM customers WHERE false;
SELECT segment.clv_fit(NULL, recency, t, mean_value) IS NULL AS no_usable_row FROM customers;
-- NULLs are counted; days give what weeks give.
SELECT i.customers, i.skipped, i.value_customers, i.without_value, i.unit, round(i.month::numeric, 6) AS month
FROM (SELECT segment.clv_fit(NULLIF(frequency, 2), recency, t, NULLIF(mean_value, -1) * CASE WHEN frequency = 1 THEN -1 ELSE 1 END,
                             '{"unit": "day", "month": 30}') AS model FROM customers) AS q, segment.clv_model_info(model) AS i;
SELECT p.parameter, abs(p.value / q.value / CASE WHEN p.parameter IN ('alpha', 'beta') THEN 7 ELSE 1 END - 1) < 1e-6 AS same
FROM (SELECT segment.clv_fit(frequency, 7 * recency, 7 * t, mean_value, '{"purchases": "pareto_nbd", "unit": "day"}') AS days
      FROM customers) AS d, models, segment.clv_parameters(days) AS p, segment.clv_parameters(model) AS q
WHERE purchases = 'pareto_nbd' AND p.parameter = q.parameter ORDER BY 1;
-- As a window aggregate.
SELECT count(DISTINCT segment.clv_model_send(model)) AS models
FROM (SELECT segment.clv_fit(frequency, recency, t, mean_value) OVER (PARTITION BY customer_id % 2) AS model FROM customers) AS w;

-- Bad values.
\set VERBOSITY default
SELECT segment.clv_fit(-1, 0, 5, 1);
SELECT segment.clv_fit(1, 6, 5, 1);
SELECT segment.clv_fit(0, 1, 5, 1);
SELECT segment.clv_fit(1, -1, 5, 1);
SELECT segment.clv_fit(1, 'NaN', 5, 1);
SELECT segment.clv_fit(1, 1, 'Infinity', 1);
SELECT segment.clv_fit(1, 1, 5, 'NaN');
SELECT segment.clv_fit(1, 1, 5, 1, '{"model": "bgnbd"}');
SELECT segment.clv_fit(1, 1, 5, 1, '{"purchases": "bg"}');
SELECT segment.clv_fit(1, 1, 5, 1, '{"month": 0}');
SELECT segment.clv_fit(1, 1, 5, 1, options) FROM (VALUES (jsonb '{"unit": "day"}'), ('{"unit": "week"}')) AS o (options);
SELECT segment.rollup(state) FROM (SELECT segment.clv_state(1, 1, 5, 1) AS state
                                   UNION ALL SELECT segment.clv_state(1, 1, 5, 1, '{"unit": "day"}')) AS q;
SELECT segment.p_alive(model, 1, 6, 5) FROM models WHERE purchases = 'bgnbd';
SELECT segment.expected_purchases(model, -1) FROM models WHERE purchases = 'bgnbd';
SELECT segment.expected_value(model, 1, 'NaN') FROM models WHERE purchases = 'bgnbd';
SELECT segment.expected_value(model, 1, 5) FROM models WHERE purchases = 'mbgnbd';
SELECT segment.clv(model, 12, -0.1, 1, 1, 5, 5) FROM models WHERE purchases = 'bgnbd';
SELECT segment.clv(model, 1201, 0, 1, 1, 5, 5) FROM models WHERE purchases = 'bgnbd';
SELECT '{"purchases": {"model": "bgnbd"}}'::segment.clv_model;
SELECT '{"purchases": {"model": "bgnbd", "parameters": {"s": 1}}}'::segment.clv_model;
SELECT '\x5601'::segment.clv_state;
-- Data that do not determine a model.
SELECT segment.clv_fit(0, 0, t, NULL) FROM generate_series(1, 50) AS t;
SELECT segment.clv_fit(3, 20, 30, 10) FROM generate_series(1, 50);
SELECT segment.clv_fit(n, n, n + 0.5, 10, '{"value": "none"}') FROM generate_series(1, 200) AS n;
SELECT segment.clv_fit(frequency, recency, t, NULL) FROM customers;
SELECT segment.clv_fit(frequency, recency, t, 20) FROM customers;
SELECT segment.clv_fit(frequency, recency, t, mean_value, '{"max_iter": 1}') FROM customers;
SET pg_segment.max_memory = '1MB';
SELECT segment.clv_fit(n % 7, n % 7, 10 + n % 90, 1 + n % 50) FROM generate_series(1, 30000) AS n;
RESET pg_segment.max_memory;
SELECT segment.clv_transition(NULL, 1, 1, 5, 1);
\set VERBOSITY terse

DROP TABLE orders, "Odd ""Shop", shop, customers, models, states;
