-- RFM: facts, scores, names
\set VERBOSITY terse
SET TimeZone = 'Europe/Berlin';
CREATE TABLE orders (customer_id integer, ordered_at timestamptz, amount numeric);
INSERT INTO orders VALUES
    (1, '2025-01-01 10:00', 10.50), (1, '2025-01-01 18:00', 4.5), (1, '2025-01-11 09:00', -2.25),
    (2, '2025-03-29 23:30', 100), (2, '2025-03-30 03:30', 1), -- the night that clocks change
    (3, '2024-02-29 12:00', 0), (3, NULL, 5), (3, '2024-03-01 12:00', NULL),
    (4, NULL, 1),
    (NULL, '2025-01-01 10:00', 99),
    (5, '2026-01-01 00:00', 7);

SELECT customer_id, (segment.rfm_agg(ordered_at, amount)).* FROM orders GROUP BY customer_id ORDER BY 1;
SELECT customer_id, (segment.rfm_agg(ordered_at, amount::float8)).* FROM orders GROUP BY customer_id ORDER BY 1;
SELECT segment.rfm_agg(ordered_at, amount) IS NULL AS no_rows FROM orders WHERE false;

-- Money adds up exactly, whatever the order and the scale.
SELECT (segment.rfm_agg('2025-01-01', amount)).revenue
FROM (VALUES (0.1), (0.2), (1e30), (-1e30), (0.00000000000000000001), (-0.3)) AS v (amount);
SELECT (segment.rfm_agg('2025-01-01', amount)).revenue = sum(amount) AS exact
FROM (SELECT (i * 7919 % 100003)::numeric / 100 * CASE WHEN i % 7 = 0 THEN -1 ELSE 1 END AS amount
      FROM generate_series(1, 20000) AS i) AS v;
SELECT (segment.rfm_agg('2025-01-01', amount)).revenue = sum(amount) AS exact
FROM (VALUES (repeat('9', 2000)::numeric), (('0.' || repeat('7', 2000))::numeric), (-1)) AS v (amount);
SELECT (segment.rfm_agg('2025-01-01', amount ORDER BY i)).revenue,
       (segment.rfm_agg('2025-01-01', amount ORDER BY -i)).revenue
FROM (VALUES (1, 1e300::float8), (2, 0.1), (3, -1e300), (4, 0.2)) AS v (i, amount);
SELECT DISTINCT (segment.rfm_agg('2025-01-01', 1.0 / i ORDER BY md5((i * salt)::text))).revenue
FROM generate_series(1, 1000) AS i, generate_series(1, 5) AS salt GROUP BY salt;

-- Days are the session's.
SELECT (segment.rfm_agg(ordered_at, amount)).days FROM orders WHERE customer_id = 2;
BEGIN;
SET LOCAL TimeZone = 'America/New_York';
SELECT (segment.rfm_agg(ordered_at, amount)).days FROM orders WHERE customer_id = 2;
COMMIT;

-- Dates far away.
SELECT (segment.rfm_agg(at, 1)).* FROM (VALUES (timestamptz '1901-12-13 20:45:52+00'), ('2261-12-31 23:59:59+00'),
                                              ('0044-03-15 12:00:00+00 BC')) AS v (at);

-- Partial states: stored, merged, finalized; also by text.
CREATE TABLE daily AS
SELECT customer_id, ordered_at::date AS day, segment.rfm_state(ordered_at, amount) AS state
FROM orders GROUP BY customer_id, ordered_at::date;
SELECT whole.customer_id, whole.facts IS NOT DISTINCT FROM parts.facts AS same
FROM (SELECT customer_id, segment.rfm_agg(ordered_at, amount) AS facts FROM orders GROUP BY customer_id) AS whole
     JOIN (SELECT customer_id, segment.finalize(segment.rollup(state::text::segment.rfm_state)) AS facts
           FROM daily GROUP BY customer_id) AS parts
     ON parts.customer_id IS NOT DISTINCT FROM whole.customer_id
ORDER BY 1;
SELECT segment.rollup(NULL::segment.rfm_state) IS NULL AS nothing FROM daily;
SELECT count(DISTINCT segment.rfm_state_send(state)) AS one
FROM (SELECT segment.rfm_state(ordered_at, amount ORDER BY md5(ordered_at::text || salt)) AS state
      FROM orders, generate_series(1, 6) AS salt GROUP BY salt) AS shuffled;

-- As a window aggregate.
SELECT ordered_at, (segment.rfm_agg(ordered_at, amount) OVER (ORDER BY ordered_at)).revenue
FROM orders WHERE customer_id = 1 ORDER BY 1;

-- Bad values.
\set VERBOSITY default
SELECT segment.rfm_agg('2025-01-01', 'NaN'::numeric);
SELECT segment.rfm_agg('2025-01-01', '-Infinity'::numeric);
SELECT segment.rfm_agg('2025-01-01', 'Infinity'::float8);
SELECT segment.rfm_agg('infinity', 1);
SELECT segment.rfm_agg('2025-01-01', x) FROM (VALUES (1.7e308::float8), (1.7e308)) AS v (x);
SELECT segment.rollup(state) FROM (SELECT segment.rfm_state('2025-01-01', 1::numeric) AS state
                                   UNION ALL SELECT segment.rfm_state('2025-01-01', 1::float8)) AS q;
SELECT segment.rfm_transition(NULL, '2025-01-01', 1.0);
SELECT segment.rfm_combine(state, state) FROM daily LIMIT 1;
SELECT '\x5201'::segment.rfm_state;
\set VERBOSITY terse

-- The map: 125 cells, each once.
SELECT map, count(*), count(DISTINCT name) AS names FROM segment.rfm_map WHERE map = 'cells125' GROUP BY map;
SELECT count(*) AS uncovered
FROM generate_series(1, 5) AS r, generate_series(1, 5) AS f, generate_series(1, 5) AS m
WHERE segment.rfm_segment(r, f, m) IS NULL;
SELECT count(*) AS covered_twice
FROM segment.rfm_map AS a JOIN segment.rfm_map AS b USING (map, r, f, m) WHERE a.priority <> b.priority;
SELECT segment.rfm_segment(5, 5, 5), segment.rfm_segment(1, 5, 5), segment.rfm_segment(1, 1, 1),
       segment.rfm_segment(0, 1, 1), segment.rfm_segment(NULL, 1, 1);
SELECT segment.rfm_segment(1, 1, 1, 'nowhere');
-- A map of one's own; the lowest priority wins.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m) VALUES
    ('two', 1, 'best', '[4,5]', '[4,5]', '[1,5]'), ('two', 2, 'rest', '[1,5]', '[1,5]', '[1,5]');
SELECT segment.rfm_segment(5, 4, 1, 'two'), segment.rfm_segment(5, 3, 1, 'two');

-- Built-in maps are fixed: a dump holds the users' maps only, and must be restorable.
UPDATE segment.rfm_map SET name = 'VIP' WHERE map = 'cells125' AND priority = 1;
UPDATE segment.rfm_map SET map = 'cells125', priority = 999 WHERE map = 'two' AND priority = 1;
DELETE FROM segment.rfm_map WHERE map = 'cells125';
INSERT INTO segment.rfm_map VALUES ('cells125', 999, 'x', '[1,5]', '[1,5]', '[1,5]');
INSERT INTO segment.rfm_map VALUES ('mine', 1, 'x', '[1,5]', '[1,5]', '[1,5]', true);

-- Scores: quintiles of 10 customers, recency the other way round, equal values share a score.
CREATE TABLE shop AS
SELECT c AS customer_id, timestamp '2025-06-30 12:00' - c * interval '10 days' AS ordered_at, (c * 10)::numeric AS amount
FROM generate_series(1, 10) AS c;
INSERT INTO shop SELECT c, timestamp '2024-01-01' + i * interval '1 day', 0
FROM generate_series(7, 10) AS c, generate_series(1, c) AS i;
SELECT * FROM segment.rfm('shop', customer => 'customer_id', at => 'ordered_at', amount => 'amount',
                          as_of => '2025-07-01') ORDER BY customer_id;
SELECT * FROM segment.rfm('shop', customer => 'customer_id', at => 'ordered_at', amount => 'amount',
                          as_of => '2025-07-01', map => 'two') ORDER BY customer_id LIMIT 2;
-- Only orders before as_of count, and rows that lack something do not.
SELECT * FROM segment.rfm('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-01') ORDER BY customer_id;
SELECT customer_id, frequency FROM segment.rfm('orders', 'customer_id', 'ordered_at', 'amount', '2026-01-02',
                                               frequency => 'orders') ORDER BY customer_id;
SELECT count(*) FROM segment.rfm('orders', 'customer_id', 'ordered_at', 'amount', '1900-01-01');
-- A doubled currency changes no score.
CREATE VIEW doubled AS SELECT customer_id, ordered_at, amount * 2 AS amount FROM shop;
SELECT count(*) AS differing
FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01') AS a
     JOIN segment.rfm('doubled', 'customer_id', 'ordered_at', 'amount', '2025-07-01') AS b USING (customer_id)
WHERE (a.r, a.f, a.m) <> (b.r, b.f, b.m) OR b.monetary <> 2 * a.monetary;
-- Other keys, other types, odd names.
CREATE TABLE "Odd ""Shop" AS
SELECT md5(customer_id::text)::uuid AS "the customer", ordered_at::date AS "when", amount::float8 AS "total, gross" FROM shop;
SELECT count(*), sum(monetary), min(pg_typeof(customer_id)::text)
FROM segment.rfm_uuid('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '2025-07-01');
SELECT count(*), min(pg_typeof(customer_id)::text)
FROM segment.rfm_text('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '2025-07-01');
SELECT count(*), sum(monetary) FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'customer_id', '2025-07-01');
-- Domains count as what they are made of.
CREATE DOMAIN customer_number AS integer;
CREATE DOMAIN member_number AS customer_number;
CREATE TABLE members AS SELECT customer_id::member_number, ordered_at, amount FROM shop;
SELECT count(*), sum(monetary) FROM segment.rfm('members', 'customer_id', 'ordered_at', 'amount', '2025-07-01');
DROP TABLE members;
DROP DOMAIN member_number, customer_number;
-- Errors.
SELECT * FROM segment.rfm('nothing', 'customer_id', 'ordered_at', 'amount');
SELECT * FROM segment.rfm('shop', 'nobody', 'ordered_at', 'amount');
SELECT * FROM segment.rfm('shop', 'customer_id', 'never', 'amount');
SELECT * FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'nothing');
SELECT * FROM segment.rfm('shop', 'customer_id', 'ordered_at', NULL);
SELECT * FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'amount', 'infinity');
SELECT * FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'amount', frequency => 'weeks');
SELECT * FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'amount', map => 'nowhere');
SELECT * FROM segment.rfm('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '2025-07-01');
SELECT * FROM segment.rfm('shop', 'amount', 'customer_id', 'ordered_at', '2025-07-01');

-- The caller's rights: no reading of tables that are not the caller's.
CREATE ROLE segment_analyst;
SET ROLE segment_analyst;
SELECT segment.rfm_segment(5, 5, 5);
SELECT count(*) FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01');
INSERT INTO segment.rfm_map VALUES ('mine', 1, 'x', '[1,1]', '[1,1]', '[1,1]', false);
RESET ROLE;
DROP ROLE segment_analyst;

DELETE FROM segment.rfm_map WHERE NOT builtin;
DROP VIEW doubled;
DROP TABLE orders, daily, shop, "Odd ""Shop";
