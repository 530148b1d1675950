-- segment.rfm in every form: methods, frequency, monetary value, refunds, keys, parts
\set VERBOSITY terse
SET TimeZone = 'Europe/Berlin';

CREATE TABLE shop_orders AS
SELECT (i * 7919) % 997 % (1 + i % 400) AS customer_id, i / 3 AS order_id,
       timestamptz '2024-01-01 00:30+01' + (i * 104729 % 31536000) * interval '1 second' AS ordered_at,
       CASE WHEN i % 17 = 0 THEN -1 ELSE 1 END * ((i * 31337 % 20011)::numeric / 100) AS amount
FROM generate_series(1, 20000) AS i;

-- What the scores are made from, by hand.
CREATE TEMPORARY VIEW measures AS
SELECT customer_id::bigint, date '2025-06-01' - max(ordered_at)::date AS recency_days,
       count(DISTINCT ordered_at::date) AS days, count(*) AS orders, sum(amount) AS total, max(amount) AS largest
FROM shop_orders GROUP BY customer_id;

SELECT count(*) AS customers,
       count(*) FILTER (WHERE row(a.recency_days, a.frequency, a.monetary) IS DISTINCT FROM row(b.recency_days, b.days, b.total)) AS wrong
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01') AS a FULL JOIN measures AS b USING (customer_id);
SELECT count(*) FILTER (WHERE row(a.frequency, a.monetary) IS DISTINCT FROM row(b.orders, b.largest)) AS wrong
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', frequency => 'orders', monetary => 'max') AS a
     FULL JOIN measures AS b USING (customer_id);
SELECT count(*) FILTER (WHERE a.monetary IS DISTINCT FROM b.total / b.orders) AS wrong
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', monetary => 'mean') AS a
     FULL JOIN measures AS b USING (customer_id);

-- Each method beside SQL's own functions.
SELECT method, count(*) FILTER (WHERE row(a.r, a.f, a.m) IS DISTINCT FROM
        CASE method
            WHEN 'ntile' THEN row(b.ntile_r, b.ntile_f, b.ntile_m)
            WHEN 'percent_rank' THEN row(b.percent_r, b.percent_f, b.percent_m)
            WHEN 'cume_dist' THEN row(b.cume_r, b.cume_f, b.cume_m)
        END) AS wrong
FROM unnest(ARRAY['ntile', 'percent_rank', 'cume_dist']) AS method,
     LATERAL segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', method => method) AS a
     FULL JOIN (
        SELECT customer_id,
               ntile(5) OVER (ORDER BY recency_days DESC, customer_id) AS ntile_r,
               ntile(5) OVER (ORDER BY days, customer_id) AS ntile_f, ntile(5) OVER (ORDER BY total, customer_id) AS ntile_m,
               least(floor((percent_rank() OVER (ORDER BY recency_days DESC))::numeric * 5)::integer + 1, 5) AS percent_r,
               least(floor((percent_rank() OVER (ORDER BY days))::numeric * 5)::integer + 1, 5) AS percent_f,
               least(floor((percent_rank() OVER (ORDER BY total))::numeric * 5)::integer + 1, 5) AS percent_m,
               ceil((cume_dist() OVER (ORDER BY recency_days DESC))::numeric * 5)::integer AS cume_r,
               ceil((cume_dist() OVER (ORDER BY days))::numeric * 5)::integer AS cume_f,
               ceil((cume_dist() OVER (ORDER BY total))::numeric * 5)::integer AS cume_m
        FROM measures) AS b USING (customer_id)
GROUP BY method ORDER BY method;
-- The composable pieces give the same: facts, a scale, scores.
WITH facts AS (
    SELECT customer_id, (segment.rfm_agg(ordered_at, amount)).* FROM shop_orders GROUP BY customer_id
), measured AS (
    SELECT customer_id, date '2025-06-01' - last_at::date AS recency_days, days, revenue FROM facts
), scale AS (
    SELECT segment.rfm_scale(recency_days, days, revenue) AS scale FROM measured
)
SELECT count(*) AS customers, count(*) FILTER (WHERE (s.scores).r <> a.r OR (s.scores).f <> a.f OR (s.scores).m <> a.m) AS wrong
FROM (SELECT customer_id, segment.rfm_score(scale, recency_days, days, revenue) AS scores FROM measured, scale) AS s
     FULL JOIN segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01') AS a USING (customer_id);
-- A stored scale, applied a month later.
CREATE TABLE scales AS
SELECT segment.rfm_scale(recency_days, frequency, monetary) AS scale
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01');
SELECT count(*) AS customers, bool_and(a.r = (s.scores).r AND a.f = (s.scores).f AND a.m = (s.scores).m) AS same
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-07-01',
                 scale => (SELECT scale FROM scales)) AS a,
     LATERAL (SELECT segment.rfm_score((SELECT scale FROM scales), a.recency_days, a.frequency, a.monetary) AS scores) AS s;
-- Bins, one number for all or one each; breaks; thirds.
SELECT max(r) AS r, max(f) AS f, max(m) AS m
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', bins => 10);
SELECT max(r) AS r, max(f) AS f, max(m) AS m
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', options => '{"bins": [2, 3, 4]}');
SELECT r, min(recency_days), max(recency_days)
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', method => 'fixed',
                 options => '{"breaks": {"recency": [160, 200], "frequency": [10, 20], "monetary": [0, 1000]}}')
GROUP BY r ORDER BY r;
SELECT r, min(recency_days), max(recency_days), count(segment) = count(*) AS named
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', method => 'klaviyo', map => 'klaviyo27')
GROUP BY r ORDER BY r;

-- Refunds.
SELECT refunds, sum(monetary), sum(frequency), count(*)
FROM unnest(ARRAY['net', 'ignore', 'drop_order']) AS refunds,
     LATERAL segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', refunds => refunds,
                         order_id => 'order_id', frequency => 'order_ids')
GROUP BY refunds ORDER BY refunds;
SELECT sum(amount) AS net, sum(amount) FILTER (WHERE amount >= 0) AS ignore,
       count(DISTINCT (customer_id, order_id)) AS orders,
       count(DISTINCT (customer_id, order_id)) FILTER (WHERE amount >= 0) AS orders_without
FROM shop_orders;
SELECT sum(total) AS drop_order, count(*) AS orders, count(DISTINCT customer_id) AS customers
FROM (SELECT customer_id, sum(amount) AS total FROM shop_orders GROUP BY customer_id, order_id HAVING min(amount) >= 0) AS orders;
-- Order lines without an order id are orders of their own.
CREATE TABLE some_ids (customer_id smallint, order_id text, at date, amount double precision);
INSERT INTO some_ids VALUES (1, 'a', '2025-01-01', 0.1), (1, 'a', '2025-01-02', 0.2), (1, NULL, '2025-01-03', 4), (1, NULL, '2025-01-03', 5),
                            (2, 'a', '2025-01-01', 1e-9), (2, 'b', '2025-01-01', -1);
SELECT * FROM segment.rfm('some_ids', 'customer_id', 'at', 'amount', '2025-02-01', frequency => 'order_ids', monetary => 'max',
                          order_id => 'order_id') ORDER BY 1;
SELECT customer_id, frequency, monetary FROM segment.rfm('some_ids', 'customer_id', 'at', 'amount', '2025-02-01', frequency => 'order_ids', refunds => 'drop_order',
                          order_id => 'order_id') ORDER BY 1;

-- Customers who never bought; a condition of one's own; other keys.
CREATE TABLE everyone AS SELECT id FROM generate_series(395, 402) AS id;
SELECT customer_id, frequency, r, f, m, segment
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01', customers => 'everyone', customers_key => 'id')
WHERE customer_id >= 394 ORDER BY customer_id;
SELECT count(*), min(segment) FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '1999-06-01',
                                              customers => 'everyone', customers_key => 'id');
SELECT count(*) AS wrong
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01',
                 "where" => 'shop_orders.amount > 100 -- the large ones') AS a
     FULL JOIN (SELECT customer_id, sum(amount) AS total FROM shop_orders WHERE amount > 100 GROUP BY customer_id) AS b
     USING (customer_id)
WHERE a.monetary IS DISTINCT FROM b.total;
CREATE TABLE other_keys AS
SELECT md5(customer_id::text)::uuid AS uuid_key, repeat('k', customer_id % 200) || customer_id AS text_key, ordered_at, amount
FROM shop_orders;
SELECT count(*) AS customers, count(*) FILTER (WHERE row(u.r, u.f, u.m, u.monetary) IS DISTINCT FROM row(a.r, a.f, a.m, a.monetary)
                                              OR row(t.r, t.f, t.m, t.monetary) IS DISTINCT FROM row(a.r, a.f, a.m, a.monetary)) AS wrong
FROM segment.rfm('shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01') AS a
     FULL JOIN segment.rfm_uuid('other_keys', 'uuid_key', 'ordered_at', 'amount', '2025-06-01') AS u
        ON u.customer_id = md5(a.customer_id::text)::uuid
     FULL JOIN segment.rfm_text('other_keys', 'text_key', 'ordered_at', 'amount', '2025-06-01') AS t
        ON t.customer_id = repeat('k', (a.customer_id % 200)::integer) || a.customer_id;
SELECT count(*) FROM segment.rfm_uuid('other_keys', 'text_key', 'ordered_at', 'amount', '2025-06-01');

-- The same bits whatever the order of the rows; doubles of any size.
CREATE TABLE floats AS
SELECT i % 50 AS customer_id, timestamptz '2025-01-01' + i * interval '1 hour' AS at,
       (CASE i % 5 WHEN 0 THEN 1e300 WHEN 1 THEN -1e300 WHEN 2 THEN 0.1 * i WHEN 3 THEN 1e-300 ELSE -i / 3.0 END)::float8 AS amount
FROM generate_series(1, 3000) AS i;
CREATE TABLE shuffled_floats AS SELECT * FROM floats ORDER BY md5(at::text);
SELECT count(*) AS customers, count(*) FILTER (WHERE a.* IS DISTINCT FROM b.*) AS wrong
FROM segment.rfm('floats', 'customer_id', 'at', 'amount', '2026-01-01') AS a
     FULL JOIN segment.rfm('shuffled_floats', 'customer_id', 'at', 'amount', '2026-01-01') AS b USING (customer_id);
SELECT count(*) FILTER (WHERE a.monetary IS DISTINCT FROM b.revenue) AS wrong
FROM segment.rfm('floats', 'customer_id', 'at', 'amount', '2026-01-01') AS a
     FULL JOIN (SELECT customer_id, (segment.rfm_agg(at, amount)).revenue FROM floats GROUP BY customer_id) AS b USING (customer_id);
-- Numerics of any size.
CREATE TABLE numerics AS
SELECT i % 7 AS customer_id, timestamptz '2025-01-01' AS at,
       CASE i % 4 WHEN 0 THEN 10::numeric ^ (i % 60) WHEN 1 THEN -(10::numeric ^ -(i % 40)) WHEN 2 THEN 0.01 ELSE i / 7.0 END AS amount
FROM generate_series(1, 700) AS i;
SELECT a.customer_id, a.monetary = sum(b.amount) AS exact
FROM segment.rfm('numerics', 'customer_id', 'at', 'amount', '2026-01-01') AS a JOIN numerics AS b USING (customer_id)
GROUP BY a.customer_id, a.monetary ORDER BY a.customer_id;
SELECT count(*) FROM segment.rfm('numerics', 'customer_id', 'at', 'amount', '2026-01-01', monetary => 'max');

-- Who is worth more never scores less, and equal customers score alike, however their sums came about.
CREATE TABLE close_calls (i serial, customer_id integer, at timestamptz DEFAULT '2025-01-01', amount numeric);
INSERT INTO close_calls (customer_id, amount) VALUES
    (1, 180363024.01450305), (2, 180363024.01450306),
    (3, 1e17), (3, -1e17), (3, 0.17), (4, 0.17), (4, 0), (4, 0), (5, 0.00000000000000000001);
SELECT customer_id, m FROM segment.rfm('close_calls', 'customer_id', 'at', 'amount', '2025-07-01', bins => 2,
                                       "where" => 'customer_id < 3') ORDER BY 1;
CREATE VIEW backwards AS SELECT * FROM close_calls ORDER BY i DESC;
SELECT a.customer_id, a.m AS mean_score, a.m = b.m AS same_backwards, c.m AS sum_score, c.m = d.m AS same_backwards
FROM segment.rfm('close_calls', 'customer_id', 'at', 'amount', '2025-07-01', monetary => 'mean') AS a
     JOIN segment.rfm('backwards', 'customer_id', 'at', 'amount', '2025-07-01', monetary => 'mean') AS b USING (customer_id)
     JOIN segment.rfm('close_calls', 'customer_id', 'at', 'amount', '2025-07-01') AS c USING (customer_id)
     JOIN segment.rfm('backwards', 'customer_id', 'at', 'amount', '2025-07-01') AS d USING (customer_id)
ORDER BY 1;
SELECT count(*) FROM segment.rfm('close_calls', 'customer_id', 'at', 'amount', '2025-07-01', monetary => 'max');
SELECT count(*) FROM segment.rfm('backwards', 'customer_id', 'at', 'amount', '2025-07-01', monetary => 'max');
-- real and money.
CREATE TABLE other_amounts (customer_id integer, at date DEFAULT '2025-01-01', amount real, price money);
INSERT INTO other_amounts (customer_id, amount, price) VALUES (1, 16777216, 12.5), (1, 1234567, -3), (2, 1e-40, 0);
SELECT customer_id, monetary FROM segment.rfm('other_amounts', 'customer_id', 'at', 'amount', '2025-07-01') WHERE customer_id = 1;
SELECT customer_id, monetary FROM segment.rfm('other_amounts', 'customer_id', 'at', 'price', '2025-07-01', refunds => 'ignore') ORDER BY 1;
CREATE VIEW tiny AS SELECT 1 AS customer_id, date '2025-01-01' AS at, 1e-400 AS amount;
SELECT r, f, m, monetary = 1e-400 AS exact FROM segment.rfm('tiny', 'customer_id', 'at', 'amount', '2025-07-01');
DROP VIEW tiny, backwards;
DROP TABLE close_calls, other_amounts;

-- With little memory the customers are gathered part by part; nothing changes.
CREATE TABLE many AS
SELECT (i * 7919) % 50021 AS customer_id, md5(((i * 7919) % 50021)::text) AS name, timestamptz '2024-01-01' + i * interval '1 minute' AS at, (i % 1000) / 4.0 AS amount
FROM generate_series(1, 120000) AS i;
CREATE TEMPORARY TABLE at_ease AS
SELECT * FROM segment.rfm('many', 'customer_id', 'at', 'amount', '2025-06-01', customers => 'everyone', customers_key => 'id');
CREATE TEMPORARY TABLE at_ease_by_name AS SELECT * FROM segment.rfm_text('many', 'name', 'at', 'amount', '2025-06-01', method => 'nested');
SET pg_segment.max_memory = '1MB';
SELECT count(*) AS customers, count(*) FILTER (WHERE a.* IS DISTINCT FROM b.*) AS wrong
FROM segment.rfm('many', 'customer_id', 'at', 'amount', '2025-06-01', customers => 'everyone', customers_key => 'id') AS a
     FULL JOIN at_ease AS b USING (customer_id);
SELECT count(*) AS customers, count(*) FILTER (WHERE a.* IS DISTINCT FROM b.*) AS wrong
FROM segment.rfm_text('many', 'name', 'at', 'amount', '2025-06-01', method => 'nested') AS a
     FULL JOIN at_ease_by_name AS b USING (customer_id);
SELECT count(*) FROM segment.rfm('many', 'customer_id', 'at', 'amount', '2025-06-01', method => 'ntile');
-- Also where every sum has too many digits for the table's unit.
CREATE VIEW thirds AS SELECT customer_id, at, amount / 7.0 * (1 / 3.0) / 0.00000000000000000000001 AS amount FROM many;
SELECT count(*) AS customers, sum(monetary) = (SELECT sum(amount) FROM thirds) AS exact
FROM segment.rfm('thirds', 'customer_id', 'at', 'amount', '2025-06-01');
RESET pg_segment.max_memory;
DROP VIEW thirds;

-- Days: a night without 2 o'clock, one with two, a leap day, dates far apart.
CREATE TABLE nights (customer_id integer, at timestamptz, amount numeric);
INSERT INTO nights VALUES
    (1, '2025-03-29 23:59:59+01', 1), (1, '2025-03-30 00:00+01', 1), (1, '2025-03-30 23:59:59+02', 1),
    (2, '2024-10-27 02:30+02', 1), (2, '2024-10-27 02:30+01', 1), (2, '2024-10-27 23:59+01', 1),
    (3, '2024-02-29 12:00+01', 1), (3, '2024-03-01 00:00+01', 1),
    (4, '1901-12-13 20:45:52+00', 1), (4, '2261-12-31 23:00+01', 1), (4, '2261-12-31 01:00+01', 1),
    (5, '0044-03-15 12:00+00 BC', 1);
SELECT customer_id, recency_days, frequency FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01') ORDER BY 1;
SELECT customer_id, date '2262-01-01' - max(at)::date AS recency_days, count(DISTINCT at::date) AS frequency FROM nights GROUP BY 1 ORDER BY 1;
SELECT customer_id, recency_days, frequency FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2025-03-30 12:00') ORDER BY 1;

-- One customer, equal customers, nobody.
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', "where" => 'customer_id = 1');
SELECT DISTINCT r, f, m FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', "where" => 'at < ''2024-01-01'' AND customer_id = 5');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', "where" => 'false');

-- Errors.
\set VERBOSITY default
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', method => 'best');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', method => NULL);
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', method => 'fixed', "where" => 'false');
SELECT count(*) FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2025-01-01', "where" => 'true) OR (true');
SELECT count(*) FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2025-01-01', "where" => ' ');
SELECT * FROM segment.rfm_scored('SELECT segment.rfm_gather(1::bigint, now(), 1::numeric, $1, $2) FROM generate_series(1, 2) AS i GROUP BY i', now(), 1, false, '{}', NULL, 'cells125');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', bins => 11);
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', method => 'ntile', bins => 1);
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', options => '{"bin": 3}');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', frequency => 'order_ids');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', refunds => 'drop_order');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', refunds => 'keep');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', "where" => 'nothing > 1');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', customers => 'everyone');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', "where" => 'amount / 0 > 1');
INSERT INTO nights VALUES (6, '2025-01-01', 'NaN');
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01');
INSERT INTO nights VALUES (7, '-infinity', 1);
SELECT * FROM segment.rfm('nights', 'customer_id', 'at', 'amount', '2262-01-01', "where" => 'customer_id = 7');
SELECT * FROM segment.rfm_scored('SELECT 1', now(), 1, false, '{}', NULL, 'cells125');
SELECT segment.rfm_gather(1, now(), 1.0, 'infinity', 1);
SELECT segment.rfm_gather(1, now(), 1.0, now(), 4);
\set VERBOSITY terse

-- A name that the caller's search path shadows does not reach our queries.
CREATE SCHEMA shadow;
CREATE FUNCTION shadow.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR shadow.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = shadow.less);
SET search_path = shadow, public, pg_catalog;
SELECT count(*) FROM segment.rfm('public.shop_orders', 'customer_id', 'ordered_at', 'amount', '2025-06-01');
RESET search_path;
DROP SCHEMA shadow CASCADE;

-- Stored tables of customers: bytes in, bytes out, merged by nobody else.
SELECT length(segment.rfm_customers_send(segment.rfm_gather(customer_id, at, amount, '2262-01-01', 1))) FROM nights WHERE customer_id < 5;
SELECT segment.rfm_gather(customer_id, at, amount, '2262-01-01', 1)::text::segment.rfm_customers IS NOT NULL AS read_back
FROM nights WHERE customer_id < 5;
SELECT '\x'::segment.rfm_customers;
SELECT '\xc701'::segment.rfm_customers;

DROP VIEW measures;
DROP TABLE shop_orders, scales, some_ids, everyone, other_keys, floats, shuffled_floats, numerics, many, nights;
