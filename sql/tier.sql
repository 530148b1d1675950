-- Loyalty tiers: where a customer stands, and how it came to that
\set VERBOSITY terse
SET TimeZone = 'Europe/Berlin';
CREATE TABLE bought (customer_id integer, ordered_at timestamptz, amount numeric(10, 2));
INSERT INTO bought VALUES
    (1, '2024-01-10 12:00', 400), (1, '2024-03-01 12:00', 200), (1, '2024-05-01 12:00', 1000), (1, '2025-04-01 12:00', 700),
    (2, '2024-02-29 09:00', 1500),
    (3, '2024-06-01 10:00', 300), (3, '2024-06-20 10:00', 200), (3, '2024-06-25 10:00', -100), (3, NULL, 5000), (3, '2024-07-01', NULL),
    (4, '2024-08-01 10:00', 20), (NULL, '2024-08-01 10:00', 2000), (5, '2027-01-01', 9000);
CREATE VIEW logs AS
SELECT customer_id, array_agg(ordered_at) AS at, array_agg(amount) AS amount FROM bought WHERE customer_id IS NOT NULL GROUP BY customer_id;

-- The whole history of customer 1, in real time.
SELECT h.* FROM logs, segment.tier_history(at, amount, '{"Silver": 500, "Gold": 1500}', '2027-01-01') AS h WHERE customer_id = 1;
-- At any moment it says what it would have said then.
SELECT moment::date, s.* FROM logs, generate_series('2024-01-10 12:00'::timestamptz, '2026-06-01', '5 months') AS moment,
       segment.tier_at(at, amount, '{"Silver": 500, "Gold": 1500}', moment) AS s
WHERE customer_id = 1;
-- The ways down.
SELECT downgrade, review, grace, h.tier, h.starts, h.reason, h.balance, h.threshold, h.short_since
FROM logs, (VALUES (1, 'none', 'real_time', '0'), (2, 'one_down', 'real_time', '0'), (3, 'balance', 'real_time', '1 month'),
                   (4, 'one_down', 'membership_anniversary', '0'), (5, 'one_down', 'tier_anniversary', '0'),
                   (6, 'balance', 'tier_anniversary', '90 days'), (7, 'balance', 'calendar', '0')) AS way (n, downgrade, review, grace),
     segment.tier_history(at, amount, '{"Bronze": 0, "Silver": 500, "Gold": 1500}', '2029-01-01', downgrade => downgrade,
                          review => review, grace => grace::interval) AS h
WHERE customer_id = 2 ORDER BY n, h.starts;
-- Which orders count.
SELECT coalesce(period::text, 'all') AS period, period_start, h.tier, h.starts, h.change, h.balance
FROM logs, (VALUES (1, interval '12 months', 'rolling'), (2, '12 months', 'calendar'), (3, '12 months', 'membership'), (4, NULL, 'rolling'),
                   (5, '1 month', 'calendar')) AS way (n, period, period_start),
     segment.tier_history(at, amount, '{"Silver": 500, "Gold": 1500}', '2029-01-01', period => period, period_start => period_start) AS h
WHERE customer_id = 1 ORDER BY n, h.starts;
-- What counts: amounts, orders, days.
SELECT metric, s.* FROM logs, unnest(ARRAY['amount', 'orders', 'days']) AS metric,
       segment.tier_at(at, amount, '{"One": 1, "Two": 2, "Three": 3}', '2024-09-01', metric => metric) AS s
WHERE customer_id = 3;
SELECT s.* FROM segment.tier_at('{2024-01-01 00:10, 2024-01-01 23:50}', NULL, '{"Two": 2}', '2024-02-01', metric => 'days') AS s;
SELECT s.* FROM segment.tier_at('{2024-01-01 00:10, 2024-01-01 23:50}', NULL, '{"Two": 2}', '2024-02-01', metric => 'orders') AS s;

-- One call.
SELECT * FROM segment.tier('bought', customer => 'customer_id', at => 'ordered_at', amount => 'amount',
                           tiers => '{"Silver": 500, "Gold": 1500}', as_of => '2024-09-01') ORDER BY customer_id;
-- Neither the order of the rows nor the plan matters, and the one call is the sum of the single ones.
CREATE TABLE shuffled AS SELECT * FROM bought ORDER BY md5(ordered_at::text || amount);
SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b) AS differing, count(*)
FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500, "Gold": 1500}', '2026-01-01') AS a
     FULL JOIN segment.tier('shuffled', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500, "Gold": 1500}', '2026-01-01') AS b USING (customer_id);
SELECT count(*) FILTER (WHERE (a.tier, a.since, a.balance, a.next_tier, a.missing, a.short_since, a.expires_at, a.expires_to)
                              IS DISTINCT FROM (b.tier, b.since, b.balance, b.next_tier, b.missing, b.short_since, b.expires_at, b.expires_to)) AS differing, count(*)
FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500, "Gold": 1500}', '2026-01-01', grace => '14 days') AS a
     JOIN logs USING (customer_id), segment.tier_at(at, amount, '{"Silver": 500, "Gold": 1500}', '2026-01-01', grace => '14 days') AS b;
-- Doubled money and doubled thresholds: the same tiers.
CREATE VIEW doubled AS SELECT customer_id, ordered_at, amount * 2 AS amount FROM bought;
SELECT count(*) FILTER (WHERE (a.tier, a.since, a.expires_at, 2 * a.balance) IS DISTINCT FROM (b.tier, b.since, b.expires_at, b.balance)) AS differing, count(*)
FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500, "Gold": 1500}', '2025-02-01') AS a
     FULL JOIN segment.tier('doubled', 'customer_id', 'ordered_at', 'amount', '{"Silver": 1000, "Gold": 3000}', '2025-02-01') AS b USING (customer_id);
-- Members: those without orders, those who join later, and orders before joining.
CREATE TABLE members (id bigint, joined date);
INSERT INTO members VALUES (1, '2024-02-01'), (6, '2024-03-01'), (7, '2030-01-01'), (8, NULL), (NULL, '2024-01-01');
SELECT * FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Bronze": 0, "Silver": 500, "Gold": 1500}', '2024-09-01',
                           customers => 'members', customers_key => 'id', joined => 'joined') ORDER BY customer_id;
-- A condition, other keys, other types, odd names.
SELECT customer_id, tier, balance FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500}', '2024-09-01',
                                                    "where" => 'amount > 0 AND o.customer_id <> 2 -- only sales') ORDER BY customer_id;
CREATE TABLE "Odd ""Shop" AS
SELECT md5(customer_id::text)::uuid AS "the customer", ordered_at::date AS "when", amount::float8 AS "total, gross" FROM bought;
SELECT count(*), count(tier), sum(balance), min(pg_typeof(customer_id)::text)
FROM segment.tier_uuid('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '{"Silver": 500}', '2024-09-01');
SELECT count(*), count(tier), sum(balance), min(pg_typeof(customer_id)::text)
FROM segment.tier_text('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '{"Silver": 500}', '2024-09-01');
SELECT count(*), count(tier), sum(balance) FROM segment.tier('bought', 'customer_id', 'ordered_at', NULL, '{"Often": 2}', '2024-09-01', metric => 'days');

-- A real counts with its digits, not with the six of its cast to numeric.
CREATE DOMAIN price AS real;
CREATE TABLE priced AS SELECT 1 AS customer_id, timestamptz '2024-01-01' AS at, 123456.75::price AS amount;
SELECT tier, balance FROM segment.tier('priced', 'customer_id', 'at', 'amount', '{"Gold": 123456.75}', '2024-09-01');
DROP TABLE priced;
DROP DOMAIN price;
-- Who is listed twice is one member, since the earlier of the two.
INSERT INTO members VALUES (1, '2024-04-01'), (1, NULL), (6, '2024-02-01'), (8, NULL);
SELECT customer_id, tier, since, balance FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Bronze": 0, "Silver": 500, "Gold": 1500}', '2024-09-01',
                           customers => 'members', customers_key => 'id', joined => 'joined') WHERE customer_id IN (1, 6, 8) ORDER BY customer_id;
-- One tier down at a time, also for who never buys again.
SELECT h.tier, h.starts::date, h.reason, h.threshold, h.short_since::date
FROM segment.tier_history('{2024-01-31 12:00}', '{2000}', '{"Bronze": 0, "Silver": 500, "Gold": 1500}', '2030-01-01', downgrade => 'one_down', review_every => '3 months') AS h;
SELECT h.tier, h.starts::date, h.reason, h.threshold, h.short_since::date
FROM segment.tier_history('{2024-01-31 12:00, 2025-02-28}', '{2000, 1}', '{"Bronze": 0, "Silver": 500, "Gold": 1500, "Ruby": 2000}', '2030-01-01', downgrade => 'one_down',
                          review_every => '3 months') AS h;
SELECT s.tier, s.short_since, s.expires_at, s.expires_to
FROM segment.tier_at('{2024-01-31 12:00}', '{2000}', '{"Silver": 500, "Gold": 1500}', '2025-02-01', downgrade => 'one_down') AS s;
-- An order counts up to its time plus the period, and then still: at the end of a month, and on a leap day.
SELECT at, period, s.expires_at
FROM (VALUES (timestamptz '2024-01-31 12:00', interval '1 month'), ('2024-02-29 12:00', '12 months'), ('2023-02-28 12:00', '12 months')) AS o (at, period),
     segment.tier_at(ARRAY[at], '{5}', '{"Gold": 5}', at + interval '1 day', period => period) AS s;
-- Long numbers can be cancelled.
SET statement_timeout = '200ms';
SELECT segment.tier_at(array_agg('2024-01-01'::timestamptz + n * interval '1 second'), array_agg(1e131000), '{"Gold": 5}', '2024-09-01') FROM generate_series(1, 2000) AS n;
SELECT segment.tier_at('{}', '{}', jsonb_object_agg(n::text, 1e131000 + n), '2024-09-01') FROM generate_series(1, 100) AS n;
RESET statement_timeout;

-- Calendars: a leap day, the night that clocks change, and dates far away.
SELECT h.tier, h.starts, h.reason FROM segment.tier_history('{2024-02-29 12:00}', '{100}', '{"Gold": 100}', '2030-01-01', period => '1 month',
                                                            review => 'membership_anniversary') AS h;
SELECT s.expires_at FROM segment.tier_at('{2024-03-31 02:30}', '{100}', '{"Gold": 100}', '2024-04-01', period => '1 day') AS s;
SELECT s.expires_at FROM segment.tier_at('{2024-10-26 02:30}', '{100}', '{"Gold": 100}', '2024-10-26 12:00', period => '1 day') AS s;
SELECT s.expires_at FROM segment.tier_at('{2024-10-26 02:30}', '{100}', '{"Gold": 100}', '2024-10-26 12:00', period => '24 hours') AS s;
SELECT at, s.tier, s.since, s.expires_at
FROM unnest(ARRAY['4713-01-01 BC', '1901-12-13 20:45:52+00', '2261-12-31 23:59:59+00', '294276-12-31'::timestamptz]) AS at,
     segment.tier_at(ARRAY[at], '{5}', '{"Gold": 5}', at + interval '1 minute' * CASE WHEN at > '294000-01-01' THEN 0 ELSE 1 END,
                     period_start => 'calendar', review => 'calendar') AS s;
SELECT s.tier, s.since, s.expires_at FROM segment.tier_at('{2024-01-01}', '{5}', '{"Gold": 5}', '294276-12-31', period => '100000 years',
                                                          review => 'membership_anniversary', review_every => '1 day') AS s;
SELECT s.tier, s.since, s.expires_at FROM segment.tier_at('{2024-01-01}', '{5}', '{"Gold": 5}', '294276-12-31',
                                                          review => 'calendar', review_every => '1 day', grace => '178000000 years') AS s;
-- Money to the last digit.
SELECT s.tier, s.balance, s.missing FROM segment.tier_at('{2024-01-01, 2024-01-02, 2024-01-03, 2024-01-04}', '{0.1, 1e300, 0.2, -1e300}', '{"Gold": 0.3}', '2024-02-01') AS s;
SELECT s.tier, s.missing FROM segment.tier_at('{2024-01-01}', ARRAY[0.3 - 1e-40], '{"Gold": 0.3}', '2024-02-01') AS s;
-- No orders; nobody has joined.
SELECT segment.tier_at('{}', '{}', '{"Gold": 5}', '2024-01-01') IS NULL AS not_joined, segment.tier_at(NULL, NULL, '{"Gold": 5}', '2024-01-01') IS NULL AS nothing,
       segment.tier_at('{2024-01-01}', '{9}', '{"Gold": 5}', '2024-01-01') IS NULL AS not_yet;
SELECT s.* FROM segment.tier_at('{}', '{}', '{"Bronze": 0, "Gold": 5}', '2024-01-01', joined => '2023-06-01') AS s;
SELECT count(*) FROM segment.tier_history('{}', '{}', '{"Gold": 5}', '2024-01-01');
SELECT count(*) FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500}', '1999-01-01');

-- Errors.
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT segment.tier_at('{}', '{}', '[500]');
SELECT segment.tier_at('{}', '{}', '{"Silver": "500"}');
SELECT segment.tier_at('{}', '{}', '{"Silver": {"at": 500}}');
SELECT segment.tier_at('{}', '{}', '{}');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500, "Gold": 500.0}');
SELECT segment.tier_at('{}', '{}', '{"Silver": -1}');
SELECT segment.tier_at('{}', '{}', jsonb_object_agg('tier ' || n, n)) FROM generate_series(1, 101) AS n;
SELECT segment.tier_at('{}', '{}', NULL);
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', NULL);
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', 'infinity');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', metric => 'points');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', period => '0');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', period => '1 month -1 day');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', period_start => 'weekly');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', downgrade => 'two_down');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', review => 'never');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', review_every => '1 hour');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', grace => '-1 day');
SELECT segment.tier_at('{}', '{}', '{"Silver": 500}', joined => '-infinity');
SELECT segment.tier_at('{2024-01-01}', '{}', '{"Silver": 500}');
SELECT segment.tier_at('{{2024-01-01}}', '{{5}}', '{"Silver": 500}');
SELECT segment.tier_at('{2024-01-01}', '{NaN}', '{"Silver": 500}');
SELECT segment.tier_at('{-infinity}', '{1}', '{"Silver": 500}');
SELECT segment.tier_at('{2024-01-01}', NULL, '{"Silver": 500}');
SELECT * FROM segment.tier('bought', 'nobody', 'ordered_at', 'amount', '{"Silver": 500}');
SELECT * FROM segment.tier('bought', 'customer_id', 'never', 'amount', '{"Silver": 500}');
SELECT * FROM segment.tier('bought', 'customer_id', 'ordered_at', NULL, '{"Silver": 500}');
SELECT * FROM segment.tier('bought', 'amount', 'ordered_at', 'amount', '{"Silver": 500}');
SELECT * FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{}', '1999-01-01');
SELECT * FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500}', joined => 'joined');

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
             FROM pg_proc AS p WHERE p.pronamespace = 'segment'::regnamespace AND p.proname = ANY ('{tier_at, tier_query, tier_rows, column_type, check_key_type, qualified_name}') LOOP
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
SELECT count(*) > 50 AS many_traps FROM pg_proc WHERE pronamespace = 'segment'::regnamespace AND proowner = 'segment_owner'::regrole;
SELECT customer_id, tier FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500}', '2024-09-01', "where" => 'true',
                                          customers => 'members', customers_key => 'id', joined => 'joined') ORDER BY customer_id;
SELECT count(*) FROM segment.tier_text('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500}', '2024-09-01');
SELECT count(*) FROM segment.tier_uuid('"Odd ""Shop"', 'the customer', 'when', 'total, gross', '{"Silver": 500}', '2024-09-01');
ROLLBACK;
REVOKE ALL ON SCHEMA segment FROM segment_owner;
DROP ROLE segment_owner;

-- The caller's rights.
CREATE ROLE segment_clerk;
SET ROLE segment_clerk;
SELECT count(*) FROM segment.tier('bought', 'customer_id', 'ordered_at', 'amount', '{"Silver": 500}');
RESET ROLE;
DROP ROLE segment_clerk;
DROP VIEW logs, doubled;
DROP TABLE bought, shuffled, members, "Odd ""Shop";
