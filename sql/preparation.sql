-- Preparation: what is done to columns, and rows through it
\set VERBOSITY terse
SET TimeZone = 'UTC';
CREATE TYPE plan AS ENUM ('free', 'basic', 'gold');
CREATE DOMAIN euro AS numeric(12, 2);
CREATE TABLE shop (
    id integer, age integer, gone text, revenue euro, orders smallint, score real, city text, plan plan, member boolean,
    opted boolean, since date, seen timestamptz, waited interval, always text DEFAULT 'x');
INSERT INTO shop
SELECT i, 20 + (i * 7919) % 50, 'gone', round((exp(((i * 104729) % 1000) / 125.0))::numeric, 2), (i * 31) % 7,
       CASE WHEN i % 40 = 0 THEN NULL ELSE ((i * 7) % 100) / 10.0 END,
       (ARRAY['Paris', 'Paris', 'Paris', 'Rome', 'Rome', 'Oslo'])[1 + i % 6],
       (ARRAY['free', 'basic', 'gold'])[1 + i % 3]::plan, i % 2 = 0,
       CASE WHEN i % 10 > 0 THEN i % 3 = 0 END,
       date '2025-12-31' - (i * 37) % 700, timestamptz '2026-01-01' - (i % 90) * interval '12 hours',
       (i % 12) * interval '36 hours'
FROM generate_series(1, 1000) AS i;
UPDATE shop SET city = 'Vaduz' WHERE id <= 4;
UPDATE shop SET city = NULL WHERE id BETWEEN 5 AND 20;
ALTER TABLE shop DROP COLUMN gone;

-- What is done, and why.
CREATE TABLE kept AS
SELECT segment.preparation_fit(s, '{"as_of": "2026-01-01", "columns": {"id": {"type": "ignore"}}}') AS p FROM shop AS s;
SELECT i.column_name, i.type, i.treatment, i.reason FROM kept, segment.prepare_info(p) AS i;
SELECT i.column_name, i.first_feature, i.features, i.transform, i.lower, round(i.upper::numeric, 6) AS upper, i.scaling,
       round(i.shift::numeric, 6) AS shift, round(i.scale::numeric, 6) AS scale, i.null_treatment,
       round(i.null_value::numeric, 6) AS null_value, i.indicator, i.weight, i.as_of, i.nulls, i.levels, i.other_rows
FROM kept, segment.prepare_info(p) AS i;

-- Rows through it; by name, whatever else they have.
SELECT id, f.number, round(f.feature::numeric, 6) AS feature
FROM kept, (SELECT * FROM shop WHERE id IN (1, 40)) AS s,
     unnest(segment.prepare(p, s)) WITH ORDINALITY AS f (feature, number)
ORDER BY id, f.number;
SELECT count(*), count(DISTINCT segment.prepare(p, s)) = 1 AS same
FROM kept, LATERAL (
    SELECT city, 'x' AS always, waited::interval, seen, since, opted, member, plan::text, score::float8, orders::bigint,
           revenue::float8, age::numeric, 'more' AS more
    FROM shop WHERE id = 1) AS s;
SELECT segment.prepare(p, s) = segment.prepare(p, t) AS same
FROM kept, shop AS t, LATERAL (
    SELECT city::char(10), 'x'::varchar AS always, waited, seen, since, opted, member, plan::text, score, orders::text,
           revenue::numeric, age::float8
    FROM shop AS u WHERE u.id = t.id) AS s
WHERE t.id = 77;

-- A mismatch costs 1: against another level, a pooled one, one never seen, and NULL.
CREATE FUNCTION apart(a float8[], b float8[]) RETURNS numeric LANGUAGE sql IMMUTABLE AS
$$ SELECT round(sum((x - y) ^ 2)::numeric, 9) FROM unnest(a, b) AS u (x, y) $$;
CREATE TABLE city AS SELECT segment.preparation_fit(s) AS p FROM (SELECT city FROM shop) AS s;
SELECT b.city, apart(segment.prepare(p, a), segment.prepare(p, b)), segment.prepare(p, b)
FROM city, (VALUES ('Paris')) AS a (city), (VALUES ('Paris'), ('Rome'), ('Vaduz'), ('Atlantis'), (NULL)) AS b (city);

-- The value prints as JSON, and text and back gives the same bits.
SELECT jsonb_pretty(p::text::jsonb) FROM city;
SELECT bool_and(segment.preparation_send(p) = segment.preparation_send(p::text::segment.preparation))
FROM (SELECT p FROM kept UNION ALL SELECT p FROM city) AS q;
CREATE TYPE named AS (name text, n integer);
SELECT p::text AS quoted, segment.prepare(p::text::segment.preparation, ROW(E'a"b\\c\t€', 1)::named)
FROM (SELECT segment.preparation_fit(q) AS p FROM (VALUES (E'a"b\\c\t€', 1), ('d', 2)) AS q (name, n)) AS fitted;

-- The same rows in another order, in parts, and as stored states: the same bits.
SELECT count(DISTINCT p::text)
FROM (SELECT segment.preparation_fit(s ORDER BY md5((s.id * salt)::text)) AS p
      FROM shop AS s, generate_series(1, 3) AS salt GROUP BY salt) AS shuffled;
CREATE TABLE states AS SELECT id % 7 AS part, segment.preparation_state(s) AS state FROM shop AS s GROUP BY id % 7;
SELECT segment.finalize(segment.rollup(state))::text = (SELECT segment.preparation_fit(s)::text FROM shop AS s) AS same
FROM states;
SELECT segment.finalize(segment.rollup(state::text::segment.preparation_state))::text
       = (SELECT segment.preparation_fit(s)::text FROM shop AS s) AS same FROM states;
SELECT segment.rollup(state)::text = (SELECT segment.preparation_state(s)::text FROM shop AS s) AS same_state FROM states;
SELECT segment.rollup(NULL::segment.preparation_state) IS NULL, segment.finalize(NULL::segment.preparation_state) IS NULL;

-- Every option.
SELECT i.column_name, i.treatment, i.reason, i.levels
FROM (SELECT segment.preparation_fit(s, '{"null": "median", "indicator": false, "scale": "robust",
        "columns": {"revenue": {"transform": "none", "winsorise": [0.05, 0.95], "scale": "minmax", "weight": 2},
                    "orders": {"type": "category", "max_levels": 2, "min_share": 0.1}, "score": {"null": "skip"},
                    "age": {"transform": "log1p", "winsorise": false, "scale": "none", "null": "zero", "indicator": true},
                    "city": {"null": "error"}, "opted": {"null": "mean"}, "since": {"type": "numeric"},
                    "member": {"type": "numeric", "scale": "zscore"}, "plan": {"type": "ignore"}}}') AS p
      FROM (SELECT revenue, orders, score, age, city, opted, since, member, plan FROM shop) AS s) AS q,
     segment.prepare_info(p) AS i;

-- NULL: a level, an indicator, a row left out, an error.
SELECT v.x, segment.prepare(p, v)
FROM (SELECT segment.preparation_fit(t, '{"scale": "none"}') AS p FROM (VALUES (1), (3), (NULL)) AS t (x)) AS q,
     (VALUES (2), (NULL)) AS v (x);
SELECT v.x, segment.prepare(p, v)
FROM (SELECT segment.preparation_fit(t, '{"scale": "none", "null": "skip"}') AS p
      FROM (VALUES (1), (3), (NULL)) AS t (x)) AS q, (VALUES (2), (NULL)) AS v (x);
SELECT segment.prepare(p, v)
FROM (SELECT segment.preparation_fit(t, '{"null": "error"}') AS p FROM (VALUES (1), (3)) AS t (x)) AS q,
     (VALUES (2), (NULL)) AS v (x);
SELECT segment.prepare(p, NULL::shop) IS NULL, segment.prepare(NULL, ROW(1)) IS NULL FROM kept;

-- Rows without names, of composite types, from outer joins, and none at all.
SELECT i.column_name, i.treatment FROM (SELECT segment.preparation_fit(ROW(i, i % 3 = 0)) AS p
                                        FROM generate_series(1, 5) AS i) AS q, segment.prepare_info(p) AS i;
SELECT segment.prepare(p, ROW(3, true))
FROM (SELECT segment.preparation_fit(ROW(i, i % 3 = 0)) AS p FROM generate_series(1, 5) AS i) AS q;
SELECT (p::text::jsonb ->> 'rows')::integer AS rows
FROM (SELECT segment.preparation_fit(s) AS p FROM generate_series(1, 10) AS i
      LEFT JOIN (SELECT age, revenue FROM shop WHERE id <= 5) AS s ON s.age = 20 + (i * 7919) % 50) AS q;
SELECT segment.preparation_fit(s) IS NULL AS no_rows FROM shop AS s WHERE false;
SELECT city, (segment.preparation_fit(ROW(age))::text::jsonb ->> 'rows')::integer AS rows
FROM shop GROUP BY city ORDER BY city;

-- A table that changes, and the preparation that changes from row to row.
PREPARE scores AS SELECT sum(f) FROM kept, shop AS s, unnest(segment.prepare(p, s)) AS f WHERE s.id = 3;
CREATE TABLE before AS EXECUTE scores;
ALTER TABLE shop ALTER COLUMN age TYPE numeric, ADD COLUMN more text DEFAULT 'more';
CREATE TABLE after AS EXECUTE scores;
SELECT before.sum = after.sum AS same FROM before, after;
SELECT array_length(segment.prepare(p, s), 1) FROM (SELECT p FROM kept UNION ALL SELECT p FROM city) AS ps, shop AS s
WHERE s.id IN (1, 2) ORDER BY s.id, 1;

-- Long and toasted values.
CREATE TABLE long (t text, u text);
ALTER TABLE long ALTER COLUMN t SET STORAGE EXTERNAL;
INSERT INTO long SELECT repeat(c, 900), repeat(c, 1000) FROM unnest(ARRAY['a', 'b', 'a', 'c']) AS c;
SELECT count(DISTINCT segment.prepare(p, l)), max(array_length(segment.prepare(p, l), 1))
FROM (SELECT segment.preparation_fit(l) AS p FROM long AS l) AS q, long AS l;
INSERT INTO long SELECT string_agg(md5(i::text), ''), 'a' FROM generate_series(1, 300) AS i;
SELECT segment.preparation_fit(l) FROM long AS l;

-- Money, and numbers in text.
SELECT segment.prepare(p, v) FROM (SELECT segment.preparation_fit(t, '{"scale": "none", "type": "numeric"}') AS p
                                   FROM (VALUES ('$1.50'::money, '1e2 ', 10::bigint), ('$2.50', ' -2.5', 20)) AS t (a, b, c)) AS q,
     (VALUES ('$1,000.25'::money, '+7', 123456789012345678)) AS v (a, b, c);
-- numeric: exact where a cast to double precision is.
SELECT bool_and(segment.prepare(p, v) = ARRAY[v.x::float8]), count(*)
FROM (SELECT segment.preparation_fit(t, '{"scale": "none", "winsorise": false, "transform": "none"}') AS p
      FROM (VALUES (1.0), (2)) AS t (x)) AS q,
     (SELECT (sign * mantissa * 10::numeric ^ exponent)::numeric AS x
      FROM unnest(ARRAY[0, 1, 7, 12.34, 9999, 10000, 10001, 123456789, 9007199254740993, 0.1, 3.3333333333333333333,
                        99999999999999999999, 1234567890.0987654321]) AS mantissa,
           unnest(ARRAY[-30, -21, -20, -17, -9, -4, -1, 0, 1, 4, 13, 20, 40]) AS exponent, unnest(ARRAY[-1, 1]) AS sign) AS v;

-- Errors.
\set VERBOSITY default
SELECT segment.preparation_fit(s, '{"scales": "none"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"columns": {"agee": {}}}') FROM (SELECT age, city FROM shop) AS s;
SELECT segment.preparation_fit(s, '{"columns": {"age": {"as_of": "2026-01-01"}}}') FROM shop AS s;
\set VERBOSITY terse
SELECT segment.preparation_fit(s, '{"scale": "big"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"transform": "sqrt"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"null": "drop"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"type": "text"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"winsorise": [0.9, 0.1]}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"winsorise": [0.1]}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"winsorise": true}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"weight": 0}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"max_levels": 0}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"min_share": 1.5}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"as_of": "yesterday"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"as_of": "2026-13-01"}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"as_of": 7}') FROM shop AS s;
SELECT segment.preparation_fit(s, '[]') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"columns": {"city": {"scale": "zscore"}}}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"columns": {"city": {"null": "mean"}}}') FROM shop AS s;
SELECT segment.preparation_fit(s, '{"columns": {"age": {"max_levels": 3}}}') FROM shop AS s;
SELECT segment.preparation_fit(ROW(i), '{"transform": "log1p"}') FROM generate_series(-1, 3) AS i;
SELECT segment.preparation_fit(s, '{"type": "ignore"}') FROM shop AS s;
SELECT segment.preparation_fit(ROW('C' || i)) FROM generate_series(1, 21) AS i;
SELECT segment.preparation_fit(ROW('C' || i)) FROM generate_series(1, 65537) AS i;
SELECT segment.preparation_fit(ROW(x)) FROM (VALUES (1), ('NaN'::float8)) AS v (x);
SELECT segment.preparation_fit(ROW(x)) FROM (VALUES (1), ('-Infinity'::numeric)) AS v (x);
SELECT segment.preparation_fit(ROW(x)) FROM (VALUES (1), (1e141)) AS v (x);
SELECT segment.preparation_fit(ROW(x)) FROM (VALUES ('infinity'::date)) AS v (x);
SELECT segment.preparation_fit(ROW(x)) FROM (VALUES ('-infinity'::timestamptz)) AS v (x);
SELECT segment.preparation_fit(ROW(x), '{"type": "numeric"}') FROM (VALUES ('1'), ('two')) AS v (x);
SELECT segment.preparation_fit(s) FROM (SELECT 1 AS a, 2 AS a) AS s;
SELECT segment.preparation_fit(s) FROM (SELECT) AS s;
SELECT segment.preparation_fit(CASE WHEN i = 1 THEN ROW(i) ELSE ROW(i, i) END) FROM generate_series(1, 2) AS i;
SELECT segment.preparation_fit(ROW(i), CASE i WHEN 1 THEN '{}'::jsonb ELSE '{"weight": 2}' END)
FROM generate_series(1, 2) AS i;
SELECT segment.prepare(p, s) FROM kept, (SELECT age, city FROM shop) AS s;
SELECT segment.prepare(p, s) FROM city, (SELECT 'Rome' AS city, 'Rome' AS city) AS s;
SELECT segment.prepare(p, ROW(date '2026-01-01'))
FROM (SELECT segment.preparation_fit(ROW(i)) AS p FROM generate_series(1, 3) AS i) AS q;
SELECT segment.prepare(p, ROW(1))
FROM (SELECT segment.preparation_fit(ROW(date '2026-01-01' + i)) AS p FROM generate_series(1, 3) AS i) AS q;
SELECT segment.prepare(p, ROW('NaN'::float8))
FROM (SELECT segment.preparation_fit(ROW(i)) AS p FROM generate_series(1, 3) AS i) AS q;
SELECT segment.rollup(state) FROM (SELECT segment.preparation_state(ROW(1)) AS state
                                   UNION ALL SELECT segment.preparation_state(ROW('a'))) AS s;
SELECT segment.rollup(state) FROM (SELECT segment.preparation_state(ROW(1)) AS state
                                   UNION ALL SELECT segment.preparation_state(ROW(1), '{"weight": 2}')) AS s;
SELECT segment.preparation_transition(NULL, ROW(1));
SELECT '{}'::segment.preparation;
SELECT '{"rows": 1, "columns": []}'::segment.preparation;
SELECT '{"rows": 1, "columns": [{"name": "a", "kind": "number"}]}'::segment.preparation;
SELECT '{"rows": 1, "columns": [{"name": "a", "kind": "numeric", "scale": 0}]}'::segment.preparation;
SELECT '{"rows": 1, "columns": [{"name": "a", "kind": "category", "levels": [{"level": "x", "rows": 2}]}]}'::segment.preparation;
SELECT '{"rows": 1, "columns": [{"name": "a", "size": 0}]}'::segment.preparation;
SELECT 'x'::segment.preparation;
SELECT '\x70'::segment.preparation_state;
SELECT ''::segment.preparation_state;

-- Clustering on it.
SELECT count(*), sum(size)
FROM (SELECT segment.kmeans(segment.prepare(p, s), 3) AS model FROM kept, shop AS s) AS q, segment.clusters(model);
DROP TABLE shop, kept, city, states, long, before, after;
DROP FUNCTION apart;
DROP TYPE plan, named;
DROP DOMAIN euro;
