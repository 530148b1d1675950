-- RFM segments in figures
\set VERBOSITY terse
SET TimeZone = 'UTC';
CREATE TABLE shop (invoice integer, customer_id integer, ordered_at timestamptz, amount numeric(10, 2));
INSERT INTO shop
SELECT c * 10 + n / 2, c, timestamptz '2025-01-01 12:00' + ((c * 37 + n / 2 * 11) % 180) * interval '1 day', (c * 7 + n * 3) % 50 + 0.5
FROM generate_series(1, 40) AS c, generate_series(1, 1 + c % 4) AS n;
INSERT INTO shop VALUES (999, 3, '2025-06-01', -20), (1000, NULL, '2025-06-01', 100);
CREATE TABLE everyone AS SELECT id FROM generate_series(1, 45) AS id;

SELECT segment, customers, share, revenue, round(revenue_share::numeric, 6) AS revenue_share, orders, round(mean_order_value, 4) AS mean_order_value,
       median_recency_days, median_frequency, median_monetary
FROM segment.rfm_summary('shop', customer => 'customer_id', at => 'ordered_at', amount => 'amount', as_of => '2025-07-01', map => 'r_rfm',
                         customers => 'everyone', customers_key => 'id');
-- The same by hand, over the rows.
CREATE FUNCTION by_hand(monetary text, frequency text, order_id name) RETURNS TABLE (segment text, customers bigint, revenue numeric, orders bigint, monetary_middle numeric)
LANGUAGE sql AS $$
    SELECT a.segment, count(*), sum(b.revenue), sum(b.orders)::bigint,
           ((array_agg(a.monetary ORDER BY a.monetary))[(count(*) + 1) / 2] + (array_agg(a.monetary ORDER BY a.monetary))[count(*) / 2 + 1]) / 2
    FROM segment.rfm('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01', monetary => $1, frequency => $2, order_id => $3) AS a
         JOIN (SELECT customer_id, sum(amount) AS revenue, CASE WHEN $3 IS NULL THEN count(*) ELSE count(DISTINCT invoice) END AS orders
               FROM shop GROUP BY customer_id) AS b USING (customer_id)
    GROUP BY a.segment
$$;
SELECT way.*, count(*) AS segments, count(*) FILTER (WHERE h.segment IS NULL) AS missing,
       bool_and(s.customers = h.customers) AS customers, bool_and(s.revenue = h.revenue) AS revenue, bool_and(s.orders = h.orders) AS orders,
       bool_and(s.mean_order_value = s.revenue / s.orders) AS mean, bool_and(abs(s.median_monetary - h.monetary_middle) < 1e-12) AS median,
       sum(s.share) BETWEEN 0.999999 AND 1.000001 AND sum(s.revenue_share) BETWEEN 0.999999 AND 1.000001 AS shares, sum(s.revenue)
FROM (VALUES ('sum', 'days', NULL), ('sum', 'orders', NULL), ('mean', 'orders', NULL), ('max', 'days', NULL),
             ('sum', 'order_ids', 'invoice'), ('mean', 'days', 'invoice'), ('max', 'order_ids', 'invoice')) AS way (monetary, frequency, order_id),
     segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01', monetary => way.monetary, frequency => way.frequency,
                         order_id => way.order_id::name) AS s
     LEFT JOIN LATERAL by_hand(way.monetary, way.frequency, way.order_id::name) AS h ON h.segment = s.segment
GROUP BY way.monetary, way.frequency, way.order_id ORDER BY 1, 2, 3;
-- Refunds as told, also where the revenue takes a second look.
SELECT refunds, sum(revenue) AS revenue, sum(orders) AS orders
FROM unnest(ARRAY['net', 'ignore', 'drop_order']) AS refunds,
     segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01', monetary => 'max', refunds => refunds, order_id => 'invoice')
GROUP BY refunds ORDER BY refunds;
-- Segments in the order of the map; uncovered cells last.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m) VALUES
    ('some', 1, 'rich', '(,)', '(,)', '[5,)'), ('some', 2, 'loyal', '(,)', '[4,)', '(,)'), ('some', 3, 'rich', '[5,)', '(,)', '(,)'), ('some', 4, 'late', '[1,1]', '(,)', '(,)');
SELECT segment, customers FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01', map => 'some', customers => 'everyone', customers_key => 'id');
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, fallback) VALUES ('some', 0, 'others', '(,)', '(,)', '(,)', true);
SELECT segment, customers FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01', map => 'some', customers => 'everyone', customers_key => 'id');
-- Other keys and types, and conditions.
CREATE TABLE keyed AS SELECT md5(customer_id::text)::uuid AS u, 'c' || customer_id AS t, ordered_at::date AS at, amount::float8 AS amount FROM shop;
SELECT count(*) AS segments, bool_and(a = b) AS same, sum((a).customers) AS customers, sum((a).revenue) AS revenue
FROM segment.rfm_summary('keyed', 'u', 'at', 'amount', '2025-07-01') AS a JOIN segment.rfm_summary('keyed', 't', 'at', 'amount', '2025-07-01') AS b USING (segment);
CREATE FUNCTION is_large(numeric) RETURNS boolean LANGUAGE sql AS 'SELECT $1 > 30';
SELECT sum(revenue) = (SELECT sum(amount) FROM shop WHERE amount > 30 AND customer_id IS NOT NULL) AS same
FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01', monetary => 'mean', "where" => 'is_large(amount)');
-- Nothing, and all the money gone.
SELECT * FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '1999-01-01');
CREATE TABLE even AS SELECT c AS customer_id, date '2025-01-01' AS ordered_at, (c - 2)::numeric AS amount FROM generate_series(1, 3) AS c;
SELECT sum(customers) AS customers, sum(revenue) AS revenue, count(revenue_share) AS shares FROM segment.rfm_summary('even', 'customer_id', 'ordered_at', 'amount', '2025-07-01');
-- More refunds than sales: a part of that is no share.
SELECT sum(customers) AS customers, sum(revenue) AS revenue, count(revenue_share) AS shares
FROM segment.rfm_summary('even', 'customer_id', 'ordered_at', 'amount', '2025-07-01', "where" => 'amount < 1');
-- Whoever owns the schema can add functions whose arguments fit better. None of ours calls them.
CREATE ROLE segment_owner;
GRANT CREATE, USAGE ON SCHEMA segment TO segment_owner;
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL ROLE segment_owner;
DO $$
DECLARE
    f record;
    other text;
BEGIN
    FOR f IN SELECT p.proname, p.pronargs AS n, p.pronargdefaults AS defaults, p.proargtypes::oid[]::regtype[]::text[] AS types,
                    p.proargnames AS names
             FROM pg_proc AS p WHERE p.pronamespace = 'segment'::regnamespace AND p.proname = ANY ('{rfm, rfm_uuid, rfm_text, rfm_summary_query, column_type}') LOOP
        -- One argument of another type, or fewer arguments.
        FOR i IN 1..f.n LOOP
            FOREACH other IN ARRAY ARRAY['text', 'anyelement', 'integer', 'fewer'] LOOP
                IF other = 'fewer' AND i <= f.n - f.defaults THEN
                    CONTINUE;
                END IF;
                BEGIN
                    EXECUTE format('CREATE FUNCTION segment.%I(%s) RETURNS text LANGUAGE plpgsql AS %L', f.proname,
                                   (SELECT string_agg(format('%I %s%s', f.names[k], CASE WHEN k = i THEN other ELSE f.types[k - 1] END,
                                                             CASE WHEN k > f.n - f.defaults THEN ' DEFAULT NULL' END), ', ' ORDER BY k)
                                    FROM generate_series(1, CASE WHEN other = 'fewer' THEN i - 1 ELSE f.n END) AS k),
                                   'BEGIN RAISE EXCEPTION ''captured''; END');
                EXCEPTION WHEN duplicate_function THEN
                    NULL;
                END;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
RESET ROLE;
SELECT count(*) > 100 AS many_traps FROM pg_proc WHERE pronamespace = 'segment'::regnamespace AND proowner = 'segment_owner'::regrole;
SELECT count(*) AS segments, sum(customers) AS customers FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', '2025-07-01');
SELECT count(*) AS segments, sum(customers) AS customers FROM segment.rfm_summary('keyed', 'u', 'at', 'amount', '2025-07-01', monetary => 'mean');
SELECT count(*) AS segments, sum(customers) AS customers FROM segment.rfm_summary('keyed', 't', 'at', 'amount', '2025-07-01', frequency => 'orders', monetary => 'max');
ROLLBACK;
REVOKE ALL ON SCHEMA segment FROM segment_owner;
DROP ROLE segment_owner;
-- Errors.
SELECT * FROM segment.rfm_summary('shop', 'nobody', 'ordered_at', 'amount');
SELECT * FROM segment.rfm_summary('shop', NULL, 'ordered_at', 'amount');
SELECT * FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', map => 'nowhere');
SELECT * FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', monetary => 'total');
SELECT * FROM segment.rfm_summary('shop', 'customer_id', 'ordered_at', 'amount', monetary => NULL);
DELETE FROM segment.rfm_map WHERE NOT builtin;
DROP FUNCTION by_hand(text, text, name), is_large(numeric);
DROP TABLE shop, everyone, keyed, even;
