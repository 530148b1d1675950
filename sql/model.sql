-- Models by name: training, scoring, versions
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
CREATE TABLE customers (
    customer_id integer PRIMARY KEY, age integer, city text, revenue numeric, active boolean, joined date, seen timestamptz,
    key text);
INSERT INTO customers
SELECT i, CASE WHEN i % 13 <> 0 THEN 20 + i % 3 * 15 + i * 7 % 10 END,
       CASE WHEN i % 17 <> 0 THEN (ARRAY['Berlin', 'Bonn', 'Köln'])[1 + i % 3] END,
       round((20 * 7 ^ (i % 3) * (1 + i * 13 % 10 / 10.0))::numeric, 2), i % 3 = 1,
       date '2025-01-01' - (i % 3 * 100 + i % 7), timestamptz '2025-01-01' - (i % 5) * interval '1 hour', 'k' || i
FROM generate_series(1, 300) AS i;

-- Every type of column, and NULLs.
SELECT name, version, algorithm, k, k_reason, rows, skipped, sampled_rows, refined, converged,
       explained > 0.5 AS explained, silhouette > 0.3 AS silhouette
FROM segment.train('all', 'customers', '{age,city,revenue,active,joined,seen}', k => 3);
SELECT name, version, relation, features, "where", algorithm, options, rows, trained_at = now() AS now, owner = current_user AS mine,
       (SELECT array_agg(key ORDER BY key) FROM jsonb_object_keys(quality) AS key) AS quality
FROM segment.model;
SELECT segment.model_columns(segment.model_get('all'));
-- Groups are found again, and scoring gives the model's sizes, by name, by value and for all rows at once.
SELECT customer_id % 3 AS made, segment.predict('all', c) AS cluster, count(*) FROM customers AS c GROUP BY 1, 2 ORDER BY 1, 2;
SELECT bool_and(n = size) FROM segment.clusters(segment.model_get('all')) JOIN
       (SELECT segment.predict(segment.model_get('all'), c) AS cluster_id, count(*) AS n FROM customers AS c GROUP BY 1) AS p USING (cluster_id);
SELECT count(*), bool_and(a.cluster_id = segment.predict('all', c, 1)), bool_and(a.margin BETWEEN 0 AND 1),
       bool_and(a.second_id BETWEEN 1 AND 3 AND a.second_id <> a.cluster_id)
FROM segment.assign('all') AS a JOIN customers AS c ON c.customer_id = a.key;
SELECT bool_and(abs(distance - segment.cluster_distance(m, segment.prepare(segment.preparation_of(m), c))) < 1e-12)
FROM segment.assign('all') AS a JOIN customers AS c ON c.customer_id = a.key, segment.model_get('all') AS m;
-- Columns by name; what is more does not matter; a new level is one of the others.
SELECT segment.predict('all', r) = segment.predict('all', c)
FROM customers AS c, LATERAL (SELECT c.seen, c.joined, 1 AS more, c.active, c.revenue, c.city, c.age) AS r WHERE customer_id = 5;
SELECT segment.predict('all', r) IS NOT NULL FROM (SELECT 30 AS age, 'Atlantis' AS city, 100 AS revenue, NULL::boolean AS active,
       NULL::date AS joined, now() AS seen) AS r;
SELECT segment.predict('all', r) FROM (SELECT 30 AS age) AS r;
SELECT segment.predict('all', r) FROM (SELECT 'x' AS age, 'Bonn' AS city, 100 AS revenue, true AS active, 1 AS joined, now() AS seen) AS r;
SELECT segment.predict('all', NULL::customers), segment.predict(NULL::segment.clustering, c) FROM customers AS c LIMIT 1;
SELECT segment.predict(NULL::text, c) FROM customers AS c LIMIT 1;
SELECT segment.predict('none', c) FROM customers AS c LIMIT 1;
SELECT segment.predict('all', c, 7) FROM customers AS c LIMIT 1;
SELECT segment.predict('all', c, 0) FROM customers AS c LIMIT 1;
SELECT segment.predict((SELECT segment.kmeans(ARRAY[age, 1], 2) FROM customers), c) FROM customers AS c LIMIT 1;

-- A warm start on the same rows changes nothing, neither clusters nor numbers.
SELECT version, k, iterations, converged
FROM segment.train('all', 'customers', '{age,city,revenue,active,joined,seen}', options => '{"warm_start": true}');
SELECT count(*) FILTER (WHERE a.cluster_id = b.cluster_id AND a.distance = b.distance), count(*)
FROM segment.assign('all', version => 1) AS a JOIN segment.assign('all', version => 2) AS b USING (key);
SELECT segment.train('all', 'customers', '{age,city}', options => '{"warm_start": true}');
SELECT segment.train('all', 'customers', '{age,city,revenue,active,joined,seen}', k => 4, options => '{"warm_start": true}');
SELECT segment.train('all', 'customers', '{age,city}', options => '{"warm_start": true, "prepare": {}}');
SELECT segment.train('all', 'customers', '{age,city}', 'bisecting', options => '{"warm_start": true}');
SELECT version, k FROM segment.train('new', 'customers', '{age}', k => 2, options => '{"warm_start": true}');

-- Algorithms, order, measures, bounds.
SELECT k, algorithm FROM segment.train('mixed', 'customers', '{age,city,revenue,active}', 'kprototypes', 3);
SELECT options -> 'categories' AS categories FROM (SELECT segment.model_get('mixed')::text::jsonb -> 'options') AS o (options);
SELECT customer_id % 3 AS made, segment.predict('mixed', c) AS cluster, count(*) FROM customers AS c GROUP BY 1, 2 ORDER BY 1, 2;
SELECT k, algorithm FROM segment.train('halves', 'customers', '{revenue,age}', 'bisecting', 4, options => '{"order_by": "-revenue"}');
SELECT bool_and(value <= before) FROM (SELECT value, lag(value) OVER (ORDER BY cluster_id) AS before
       FROM segment.centroids(segment.model_get('halves')) WHERE name = 'revenue') AS c;
SELECT k FROM segment.train('cosines', 'customers', '{revenue,age}', k => 2, options => '{"measure": "cosine", "order_by": "size", "seed": 3}');
SELECT k FROM segment.train('bounded', 'customers', '{age}', k => 3, options => '{"min_size": 90}');
SELECT min(size) >= 90 FROM (SELECT count(*) AS size FROM segment.assign('bounded') GROUP BY cluster_id) AS s;
SELECT k, k_reason IS NOT NULL AS reason FROM segment.train('chosen', 'customers', '{age,revenue}', options => '{"k_max": 4, "sweep": {"references": 2}}');

-- What cannot be.
SELECT segment.train('x', 'customers', '{}');
SELECT segment.train('x', 'customers', '{{age,city}}');
SELECT segment.train('x', 'customers', '{age,NULL}');
SELECT segment.train('x', 'customers', '{age,age}');
SELECT segment.train('x', 'customers', '{ages}');
SELECT segment.train('x', 'customers', '{ctid}');
SELECT segment.train('x', 'no_such_relation', '{age}');
SELECT segment.train('x', 0::oid::regclass, '{age}');
SELECT segment.train(NULL, 'customers', '{age}');
SELECT segment.train('', 'customers', '{age}');
SELECT segment.train('x', 'customers', NULL);
SELECT segment.train('x', 'customers', '{age}', 'dbscan');
SELECT segment.train('x', 'customers', '{age}', k => 0);
SELECT segment.train('x', 'customers', '{age}', k => 1000);
SELECT segment.train('x', 'customers', '{age}', k => 2, "where" => 'false');
SELECT segment.train('x', 'customers', '{age}', "where" => 'false');
\set VERBOSITY terse
SELECT segment.train('x', 'customers', '{age}', k => 2, "where" => 'no_such_column > 1');
\set VERBOSITY default
SELECT segment.train('x', 'customers', '{age}', options => '[]');
SELECT segment.train('x', 'customers', '{age}', options => '{"k_min": 5, "k_max": 3}');
SELECT segment.train('x', 'customers', '{age}', options => '{"k_min": "few"}');
SELECT segment.train('x', 'customers', '{age}', options => '{"standardize": "zscore"}');
SELECT segment.train('x', 'customers', '{age}', options => '{"prepare": 1}');
SELECT segment.train('x', 'customers', '{age}', options => '{"order_by": 1}');
SELECT segment.train('x', 'customers', '{age}', k => 2, options => '{"order_by": "city"}');
SELECT segment.train('x', 'customers', '{age}', k => 2, options => '{"seeds": 1}');
SELECT segment.train('x', 'customers', '{age}', options => '{"warm_start": "yes"}');
SELECT segment.train('x', '(SELECT 1)', '{age}');
SELECT count(*) FROM segment.model WHERE name = 'x';
-- Constant columns, one row.
CREATE TABLE constant AS SELECT 1 AS a, 'x' AS b FROM generate_series(1, 5);
SELECT k, explained, silhouette FROM segment.train('constant', 'constant', '{a,b}', k => 1);
SELECT * FROM segment.assign('constant', key => 'a') LIMIT 1;
SELECT segment.train('constant', 'constant', '{a,b}');
SELECT segment.train('constant', 'constant', '{a,b}', k => 2);

-- Names that need quotes; temporary tables; other keys.
CREATE SCHEMA "Odd ""Schema""";
CREATE TABLE "Odd ""Schema"""."T""able; --" ("Key" uuid, "a ""b""" float8, "select" int, "key" int, r int);
INSERT INTO "Odd ""Schema"""."T""able; --"
SELECT ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, i % 2 * 10 + i % 5, i, i, i FROM generate_series(1, 20) AS i;
SELECT version, rows FROM segment.train('odd "name"', '"Odd ""Schema"""."T""able; --"', ARRAY['a "b"', 'select', 'key', 'r']::name[], k => 2,
                                        "where" => '"select" > 2 -- the first two');
SELECT relation FROM segment.model WHERE name = 'odd "name"';
SELECT * FROM segment.assign_uuid('odd "name"', key => 'Key') ORDER BY key LIMIT 2;
SELECT key, cluster_id FROM segment.assign_text('odd "name"', key => 'Key', "where" => '"select" = 3');
SELECT key, cluster_id FROM segment.assign('odd "name"', key => 'select', "where" => '"select" = 3');
SELECT segment.assign('odd "name"');
SELECT segment.assign('odd "name"', key => 'Key');
SELECT segment.assign_uuid('odd "name"', key => 'select');
SELECT segment.assign('odd "name"', key => 'nothing');
SELECT segment.assign('odd "name"', 'customers');
SELECT segment.assign('all', key => 'customer_id', "where" => 'false');
SELECT segment.assign('none');
SELECT segment.assign(NULL);
CREATE TEMP TABLE passing AS SELECT i AS id, i % 4 AS x FROM generate_series(1, 40) AS i;
SELECT version FROM segment.train('temporary', 'passing', '{x}', k => 2);
SELECT relation FROM segment.model WHERE name = 'temporary';
SELECT count(cluster_id) FROM segment.assign('temporary', key => 'id');
DROP TABLE passing;
SELECT segment.assign('temporary', key => 'id');
-- Rows that are skipped.
SELECT rows, skipped FROM segment.train('strict', 'customers', '{age,revenue}', k => 2, options => '{"prepare": {"null": "skip"}}');
SELECT count(*), count(cluster_id), count(distance), count(second_id), count(margin) FROM segment.assign('strict');
SELECT segment.predict('strict', c) IS NULL FROM customers AS c WHERE customer_id = 13;

-- Passes over rows.
CREATE TABLE points AS SELECT ARRAY[i % 2 * 10 + i % 3, i % 5]::float8[] AS f FROM generate_series(1, 60) AS i;
CREATE TABLE start AS SELECT segment.kmeans(f, 2, '{"init": [[0, 0], [3, 4]], "max_iter": 1}') AS model FROM points;
SELECT info.iterations, info.converged, info.refined, info.rows
FROM (SELECT segment.kmeans_step(model, f) AS moved FROM points, start) AS m, segment.model_info(moved) AS info;
SELECT abs((segment.model_info(m)).inertia - (segment.model_info(model)).inertia) < 1e-9 AS inertia,
       ARRAY(SELECT size FROM segment.clusters(m)) = ARRAY(SELECT size FROM segment.clusters(model)) AS sizes
FROM start, LATERAL (SELECT segment.kmeans_measure(model, f) AS m FROM points) AS measured;
SELECT segment.finalize(segment.rollup(state))::text = (SELECT segment.kmeans_step(model, f)::text FROM points, start) AS same
FROM (SELECT segment.kmeans_step_state(model, f) AS state FROM points, start GROUP BY f[2]) AS parts;
SELECT segment.finalize(segment.rollup(state::text::segment.kmeans_step_state))::text
       = (SELECT segment.kmeans_measure(model, f)::text FROM points, start) AS same
FROM (SELECT segment.kmeans_measure_state(model, f) AS state FROM points, start GROUP BY f[1]) AS parts;
SELECT segment.rollup(state)
FROM (SELECT segment.kmeans_measure_state(model, f) AS state FROM points, start UNION ALL
      SELECT segment.kmeans_step_state(model, f) FROM points, start) AS parts;
SELECT segment.kmeans_step(model, NULL::float8[]) FROM start;
SELECT segment.kmeans_step(model, f) FROM start, points WHERE false;
SELECT segment.kmeans_step(NULL, f) FROM points;
SELECT segment.kmeans_step(model, ARRAY[1]::float8[]) FROM start;
SELECT segment.kmeans_step(model, ARRAY[1, 'NaN']::float8[]) FROM start;
SELECT (segment.model_info(segment.kmeans_step(model, f))).skipped FROM start, (VALUES (ARRAY[1, NULL]::float8[]), (NULL), ('{1,2}')) AS r (f);
SELECT segment.kmeans_step(m, f) FROM (SELECT segment.kmeans(f, 1 + i) AS m FROM points, generate_series(0, 1) AS i GROUP BY i) AS models, points;
SELECT segment.kmeans_step((SELECT segment.kmeans(f, 2, '{}', 2.0) FROM points), f) FROM points;
SELECT '\x00'::segment.kmeans_step_state;

-- Removing.
SELECT segment.drop_model('all', 1);
SELECT name, version FROM segment.model WHERE name = 'all';
SELECT segment.drop_model('all', 1);
SELECT version FROM segment.train('all', 'customers', '{age}', k => 2);
SELECT segment.drop_model('all');
SELECT segment.drop_model('all');
SELECT segment.drop_model(NULL);
SELECT version FROM segment.train('all', 'customers', '{age}', k => 2);
DELETE FROM segment.model_name;
SELECT count(*) FROM segment.model;

-- Rows that come through partitions, or from workers; a column that is the same everywhere.
CREATE TABLE parts (id integer, g integer, x double precision, c text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50);
CREATE TABLE parts_2 (c text, x double precision, g integer, id integer);
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (50) TO (200);
INSERT INTO parts SELECT i, i % 7, i % 11, 'same' FROM generate_series(0, 149) AS i;
SELECT k FROM segment.train('parts', 'parts', '{x,g}', k => 3);
SELECT count(*), bool_and(a.cluster_id = segment.predict('parts', p)) AS same
FROM segment.assign('parts', key => 'id') AS a JOIN parts AS p ON p.id = a.key;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT count(*), count(DISTINCT cluster_id) AS clusters FROM segment.assign_text('parts', key => 'c', "where" => 'x > 2');
COMMIT;
SELECT k FROM segment.train('parts', 'parts', '{x,c}', 'kprototypes', k => 2);

-- A category's levels do not depend on settings, nor on the scale of a numeric.
CREATE TABLE days AS SELECT i AS id, date '2024-01-01' + i % 3 AS d, (i % 3)::numeric(10, 2) AS n FROM generate_series(1, 90) AS i;
SELECT k FROM segment.train('days', 'days', '{d,n}', k => 3, options => '{"prepare": {"type": "category"}}');
SET datestyle = 'German, DMY';
SELECT max(distance) AS distance FROM segment.assign('days', key => 'id');
RESET datestyle;
SELECT count(DISTINCT segment.predict('days', q)) AS clusters, max(segment.cluster_distance(m, segment.prepare(segment.preparation_of(m), q))) AS distance
FROM (SELECT d, n::integer AS n FROM days) AS q, segment.model_get('days') AS m;
-- A text that reads NULL is not NULL, and shares of a category add up.
CREATE TABLE nulls AS SELECT i AS id, (ARRAY['other', 'a', 'NULL', NULL])[1 + i % 4] AS c, i % 10 AS x FROM generate_series(1, 100) AS i;
SELECT k FROM segment.train('nulls', 'nulls', '{c,x}', k => 2);
SELECT cluster_id, round((SELECT sum(value::text::numeric) FROM jsonb_each(shares)), 6) AS shares
FROM segment.centroids(segment.model_get('nulls')) WHERE name = 'c' ORDER BY cluster_id;
DROP SCHEMA "Odd ""Schema""" CASCADE;
DROP TABLE customers, constant, points, start, parts, days, nulls;

-- labels say of dates how long ago they are, of booleans whether they are so
CREATE TABLE visits AS
SELECT date '2026-01-01' - CASE WHEN i % 4 < 2 THEN i % 20 ELSE 300 + i % 20 END AS last_order, i % 2 = 0 AS member
FROM generate_series(1, 200) AS i;
SELECT k FROM segment.train('visits', 'visits', '{last_order,member}', k => 4, options => '{"prepare": {"as_of": "2026-01-02"}}');
SELECT label, size FROM segment.clusters(segment.model_get('visits')) ORDER BY cluster_id;
-- and of dates to come, whether they are soon
SELECT k FROM segment.train('visits', 'visits', '{last_order,member}', k => 4, options => '{"prepare": {"as_of": "2024-01-02"}}');
SELECT label, size FROM segment.clusters(segment.model_get('visits')) ORDER BY cluster_id;
BEGIN READ ONLY;
SELECT k FROM segment.train('visits', 'visits', '{last_order,member}', k => 4);
ROLLBACK;
SELECT segment.drop_model('visits');
DROP TABLE visits;
