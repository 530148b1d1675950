-- The shop to try things on: same arguments, same rows; plausible in the large
\set VERBOSITY terse
SELECT count(*) AS orders, count(DISTINCT customer_id) AS customers, min(order_id), max(order_id) - count(*) AS gap,
       bool_and(amount > 0) AS paid, bool_and(ordered_at >= '2024-01-01 00:00+00' AND ordered_at < '2026-01-01 00:00+00') AS within,
       count(DISTINCT category) AS categories, count(DISTINCT channel) AS channels, count(DISTINCT country) AS countries
FROM segment.demo_orders(5000, 1);
SELECT (SELECT md5(string_agg(o::text, '' ORDER BY order_id)) FROM segment.demo_orders(300, 1) AS o)
     = (SELECT md5(string_agg(o::text, '' ORDER BY order_id)) FROM segment.demo_orders(300, 1) AS o) AS same_seed_same_rows,
       (SELECT md5(string_agg(o::text, '' ORDER BY order_id)) FROM segment.demo_orders(300, 1) AS o)
     = (SELECT md5(string_agg(o::text, '' ORDER BY order_id)) FROM segment.demo_orders(300, 2) AS o) AS other_seed_same_rows;
SET TimeZone = 'UTC';
SELECT * FROM segment.demo_orders(2, 1) ORDER BY order_id LIMIT 3;
SELECT count(*) FROM segment.demo_orders(0);
SELECT count(*) > 0 AS seeded_by_setting FROM segment.demo_orders(10, NULL);
SELECT count(*) FROM segment.demo_orders(NULL);
SELECT count(*) FROM segment.demo_orders(-1);
SELECT count(*) FROM segment.demo_orders(2147483647);
\set VERBOSITY default
SELECT count(*) FROM segment.demo_orders(1, 1, '2026-01-01', '2025-01-01');
\set VERBOSITY terse
SELECT count(*) FROM segment.demo_orders(1, 1, '-infinity', '2025-01-01');
