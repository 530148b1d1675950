-- k-means: models, scoring, errors
\set VERBOSITY terse
CREATE TABLE points (id integer, x double precision, y double precision);
INSERT INTO points VALUES (1, 1, 2), (2, 1, 4), (3, 1, 0), (4, 10, 2), (5, 10, 4), (6, 10, 0);

-- A model is a value that prints as JSON.
SELECT jsonb_pretty(segment.kmeans(ARRAY[x, y], 2)::text::jsonb) FROM points;
CREATE TABLE models AS SELECT 'two' AS name, segment.kmeans(ARRAY[x, y], 2, '{"seed": 7}') AS model FROM points;
\x on
SELECT info.* FROM models, segment.model_info(model) AS info;
\x off
SELECT c.* FROM models, segment.centroids(model) AS c;
SELECT c.* FROM models, segment.clusters(model) AS c;
SELECT id, segment.cluster_id(model, ARRAY[x, y]), segment.cluster_distance(model, ARRAY[x, y])
FROM points, models ORDER BY id;

-- Text and back gives the same bits.
SELECT bool_and(segment.clustering_send(model) = segment.clustering_send(model::text::segment.clustering)) FROM models;

-- The same rows in another order, and the same seed: the same model. Another seed may find another one.
SELECT count(DISTINCT model::text)
FROM (SELECT segment.kmeans(ARRAY[sin(i * 12.9898), cos(i * 78.233)], 6 ORDER BY md5((i * salt)::text)) AS model
      FROM generate_series(1, 2000) AS i, generate_series(1, 5) AS salt GROUP BY salt) AS shuffled;

-- Options: each of them, and standardized units.
SELECT info.seed, info.n_init, info.max_iter, info.tol, info.standardize
FROM (SELECT segment.kmeans(ARRAY[x, y], 2,
        '{"seed": 9223372036854775807, "n_init": 3, "max_iter": 50, "tol": 1e-4, "standardize": "zscore"}') AS model
      FROM points) AS q, segment.model_info(model) AS info;
SELECT round(info.inertia::numeric, 9) AS inertia, round(info.total_ss::numeric, 9) AS total_ss, centroid.*
FROM (SELECT segment.kmeans(ARRAY[x, y], 2, '{"standardize": "zscore"}') AS model FROM points) AS q,
     segment.model_info(model) AS info,
     LATERAL (SELECT array_agg(round(value::numeric, 9) ORDER BY cluster_id, feature) AS centroids
              FROM segment.centroids(model)) AS centroid;
SET pg_segment.default_seed = 42;
SELECT info.seed FROM (SELECT segment.kmeans(ARRAY[x, y], 2) AS model FROM points) AS q, segment.model_info(model) AS info;
RESET pg_segment.default_seed;

-- One model a group, and NULLs: a row with one is skipped and counted.
SELECT y, info.k, info.rows, info.skipped
FROM (SELECT y, segment.kmeans(ARRAY[x], 2) AS model FROM points GROUP BY y) AS q, segment.model_info(model) AS info
ORDER BY y;
SELECT info.rows, info.skipped
FROM (SELECT segment.kmeans(features, 2) AS model
      FROM (VALUES (ARRAY[1.0, 2.0]), (NULL), (ARRAY[1.0, NULL]), (ARRAY[3.0, 4.0])) AS v (features)) AS q,
     segment.model_info(model) AS info;
SELECT segment.kmeans(ARRAY[x, y], 2) IS NULL AS no_rows FROM points WHERE false;
SELECT segment.kmeans(NULL::float8[], 2) IS NULL AS no_usable_row FROM points;
SELECT segment.cluster_id(NULL, ARRAY[1.0]), segment.cluster_id(model, NULL), segment.cluster_id(model, ARRAY[1, NULL])
FROM models;

-- Partial states are stored, merged and finalized to the same model.
CREATE TABLE daily AS SELECT id % 3 AS part, segment.kmeans_state(ARRAY[x, y], 2) AS state FROM points GROUP BY id % 3;
SELECT segment.finalize(segment.rollup(state))::text = (SELECT segment.kmeans(ARRAY[x, y], 2)::text FROM points) AS same
FROM daily;
SELECT segment.finalize(segment.rollup(state::text::segment.kmeans_state))::text
       = (SELECT segment.kmeans(ARRAY[x, y], 2)::text FROM points) AS same FROM daily;
SELECT segment.rollup(state) IS NULL AS nothing FROM daily WHERE false;
SELECT segment.rollup(NULL::segment.kmeans_state) IS NULL AS nothing FROM daily;

-- As a window aggregate, growing and moving frames.
SELECT id, info.rows, round(info.inertia::numeric, 6) AS inertia
FROM (SELECT id, segment.kmeans(ARRAY[x, y], 1) OVER (ORDER BY id) AS model FROM points) AS w,
     segment.model_info(model) AS info ORDER BY id;
SELECT id, info.rows, round(info.inertia::numeric, 6) AS inertia
FROM (SELECT id, segment.kmeans(ARRAY[x, y], 1) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS model
      FROM points) AS w, segment.model_info(model) AS info ORDER BY id;

-- With FILTER, DISTINCT and grouping sets.
SELECT y, info.rows
FROM (SELECT y, segment.kmeans(DISTINCT ARRAY[x], 1) FILTER (WHERE id < 6) AS model FROM points
      GROUP BY GROUPING SETS ((y), ())) AS q, segment.model_info(model) AS info ORDER BY y NULLS LAST;

-- Weights: a row of weight 2 counts as two, one of weight 0 not at all, NULL skips the row.
SELECT info.rows, info.skipped, round(info.inertia::numeric, 6) AS inertia, sizes.*
FROM (SELECT segment.kmeans(ARRAY[x, y], 2, NULL, CASE id WHEN 1 THEN 2 WHEN 2 THEN 0 WHEN 3 THEN NULL ELSE 1.5 END) AS model
      FROM points) AS q, segment.model_info(model) AS info,
     LATERAL (SELECT array_agg(size ORDER BY cluster_id) AS size, array_agg(round(share::numeric, 4) ORDER BY cluster_id) AS share
              FROM segment.clusters(model)) AS sizes;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"seed": 3}', 2)::text::jsonb -> 'clusters' -> 0 -> 'centre' AS centre,
       (SELECT segment.finalize(segment.rollup(state))
        FROM (SELECT segment.kmeans_state(ARRAY[x, y], 2, '{"seed": 3}', 2) AS state FROM points GROUP BY id) AS s)::text
       = segment.kmeans(ARRAY[x, y], 2, '{"seed": 3}', 2)::text AS same
FROM points;

-- Arrays of other numbers.
SELECT segment.kmeans(ARRAY[x, y]::real[], 2)::text = segment.kmeans(ARRAY[x, y], 2)::text AS real,
       segment.kmeans(ARRAY[x, y]::integer[], 2)::text = segment.kmeans(ARRAY[x, y], 2)::text AS integer,
       segment.kmeans(ARRAY[x, y]::numeric[], 2)::text = segment.kmeans(ARRAY[x, y], 2)::text AS numeric FROM points;

-- Features as columns: the model that an array of doubles gives, whatever numbers they are.
CREATE DOMAIN score AS smallint CHECK (VALUE < 100);
CREATE TABLE numbers AS
SELECT i AS id, (i * 7 % 100)::score AS a, i * i % 97 AS b, (i::bigint << 40) AS c, (sin(i) * 3)::real AS d,
       cos(i) AS e, (i % 13)::numeric / 7 AS f, NULLIF(i % 10, 3)::float8 AS g
FROM generate_series(1, 300) AS i;
SELECT segment.kmeans(4, NULL, a, b, c, d, e, f)::text
       = segment.kmeans(ARRAY[a, b, c, d, e, f]::float8[], 4)::text AS any_numbers,
       segment.kmeans(4, '{"seed": 3, "standardize": "zscore"}', e, g)::text
       = segment.kmeans(ARRAY[e, g], 4, '{"seed": 3, "standardize": "zscore"}')::text AS nulls_skipped FROM numbers;
SELECT (segment.model_info(segment.kmeans(2, NULL, g, e))).skipped FROM numbers;
SELECT segment.kmeans(2, NULL, g) IS NULL AS no_usable_row FROM numbers WHERE g IS NULL;
SELECT bool_and(columns::text = arrays::text) AS groups_too
FROM (SELECT segment.kmeans(2, NULL, e, id) AS columns, segment.kmeans(ARRAY[e, id], 2) AS arrays
      FROM numbers GROUP BY id % 7) AS q;
SELECT segment.finalize(segment.rollup(state))::text = (SELECT segment.kmeans(3, NULL, a, e)::text FROM numbers) AS same
FROM (SELECT segment.kmeans_state(3, NULL, a, e) AS state FROM numbers GROUP BY id % 3) AS q;
SELECT count(*), bool_and(columns::text = arrays::text) AS windows_too
FROM (SELECT segment.kmeans(1, NULL, e, d) OVER w AS columns, segment.kmeans(ARRAY[e, d], 1) OVER w AS arrays
      FROM numbers WINDOW w AS (ORDER BY id ROWS 2 PRECEDING)) AS q;
SELECT segment.kmeans(2, NULL, NULL, e) IS NULL AS no_usable_row FROM numbers;
-- An array of integers and reals is one of reals.
SELECT segment.kmeans(2, NULL, a, c + id, d)::text = segment.kmeans(ARRAY[a, c + id, d], 2)::text AS of_reals,
       segment.kmeans(2, NULL, a, c + id, d)::text = segment.kmeans(ARRAY[a, c + id, d]::float8[], 2)::text AS of_doubles FROM numbers;
-- Calls whose arguments have no types.
SELECT segment.kmeans('{1,2}', 1)::text = segment.kmeans('{1,2}', 1, NULL)::text AS same,
       segment.kmeans('{1,2}', 1, NULL, 1) IS NOT NULL AS weighted,
       segment.kmeans(NULL, 2, NULL) IS NULL AS arrays FROM numbers WHERE id < 3;
-- As many as a call can have.
SELECT string_agg('e * ' || i, ', ') AS most FROM generate_series(1, 97) AS i \gset
SELECT count(*) FROM (SELECT segment.kmeans(1, NULL, :most) AS model FROM numbers) AS q, segment.centroids(model);

-- Where to start, and how clusters are numbered.
SELECT array_agg(c.value ORDER BY cluster_id, feature)
FROM (SELECT segment.kmeans(ARRAY[x, y], 2, '{"init": [[9, 1], [2, 2]]}') AS model FROM points) AS q, segment.centroids(model) AS c;
SELECT array_agg(c.value ORDER BY cluster_id, feature)
FROM (SELECT segment.kmeans(ARRAY[x, y], 2, '{"order_by": -1}') AS model FROM points) AS q, segment.centroids(model) AS c;
SELECT segment.kmeans(ARRAY[p.x, p.y], 2, init)::text::jsonb -> 'clusters' = model::text::jsonb -> 'clusters' AS unchanged
FROM points AS p, models, LATERAL (SELECT jsonb_build_object('init', model::text::jsonb) AS init) AS o GROUP BY model::text;
SELECT segment.kmeans(ARRAY[x, y], 2,
         jsonb_build_object('init', (SELECT segment.kmeans(ARRAY[x, y], 2, '{"standardize": "robust"}')::text::jsonb FROM points),
                            'standardize', 'robust'))::text::jsonb -> 'clusters'
       = (segment.kmeans(ARRAY[x, y], 2, '{"standardize": "robust"}')::text::jsonb -> 'clusters') AS unchanged FROM points;

-- Directions, halves, other units.
SELECT array_agg(size ORDER BY cluster_id) AS sizes, bool_and(radius < 0.01) AS narrow
FROM (SELECT segment.kmeans(ARRAY[i * cos(i % 3), i * sin(i % 3)], 3, '{"measure": "cosine"}') AS model
      FROM generate_series(1, 30) AS i) AS q, segment.clusters(model);
SELECT segment.cluster_id(model, ARRAY[5, 5]) = segment.cluster_id(model, ARRAY[500, 500]) AS same,
       round(segment.cluster_distance(model, ARRAY[0, 3])::numeric, 6) AS one_less_cosine
FROM (SELECT segment.kmeans(ARRAY[i, i % 2], 1, '{"measure": "cosine"}') AS model FROM generate_series(1, 2) AS i) AS q;
SELECT array_agg(size ORDER BY cluster_id) AS sizes
FROM (SELECT segment.kmeans(ARRAY[i / 10 * 100 + i], 8, '{"algorithm": "bisecting"}') AS model
      FROM generate_series(0, 79) AS i) AS q, segment.clusters(model);
SELECT standardize, array_agg(round(value::numeric, 6) ORDER BY cluster_id, feature) AS centroids
FROM (VALUES ('robust'), ('minmax')) AS v (standardize),
     LATERAL (SELECT segment.kmeans(ARRAY[x, y], 2, jsonb_build_object('standardize', standardize)) AS model FROM points) AS q,
     segment.centroids(model, standardized => true) GROUP BY standardize ORDER BY standardize;

-- Bounds on sizes are kept, and scoring repeats them.
CREATE TABLE bounded AS SELECT segment.kmeans(ARRAY[i * i], 3, '{"min_size": 30, "max_size": 40}') AS model
FROM generate_series(1, 100) AS i;
SELECT info.bounded, array_agg(size ORDER BY cluster_id) AS sizes,
       (SELECT array_agg(n ORDER BY id) FROM (SELECT segment.cluster_id(model, ARRAY[i * i]) AS id, count(*) AS n
                                              FROM generate_series(1, 100) AS i, bounded GROUP BY 1) AS scored) AS scored
FROM bounded, segment.model_info(model) AS info, segment.clusters(model) GROUP BY info.bounded;
SELECT model::text = model::text::segment.clustering::text AS same FROM bounded;

-- k-prototypes: one number and one category of two levels.
SELECT info.algorithm, round(info.gamma::numeric, 4) AS gamma, array_agg(size ORDER BY cluster_id) AS sizes,
       bool_and(model::text = model::text::segment.clustering::text) AS same
FROM (SELECT segment.kmeans(ARRAY[i % 2, (i % 2) * 0.5, (1 - i % 2) * 0.5], 2,
                            '{"algorithm": "kprototypes", "categories": [[2, 2]]}') AS model
      FROM generate_series(1, 11) AS i) AS q, segment.model_info(model) AS info, segment.clusters(model)
GROUP BY info.algorithm, info.gamma;

-- Soft membership and explanations.
SELECT s.* FROM models, segment.cluster_set(model, ARRAY[4, 3]) AS s;
SELECT s.* FROM models, segment.cluster_set(model, ARRAY[1, 2], 1) AS s;
SELECT count(*) AS none FROM models, segment.cluster_set(model, ARRAY[1, NULL]) AS s;
SELECT d.* FROM models, segment.cluster_details(model, ARRAY[4, 3]) AS d;
SELECT cluster_id, label FROM models, segment.clusters(segment.with_labels(model, ARRAY['left "1"', NULL])) ORDER BY 1;
SELECT segment.with_labels(model, ARRAY['left', 'right'])::text = segment.with_labels(model, ARRAY['left', 'right'])::text::segment.clustering::text AS same FROM models;
SELECT segment.preparation_of(model) IS NULL AS none FROM models;

-- More rows than memory: a sample, the same one in any order; equal rows are no burden.
SET pg_segment.max_memory = '1MB';
SELECT info.rows, info.sampled_rows < info.rows AS sampled, count(DISTINCT model::text) AS models
FROM (SELECT segment.kmeans(ARRAY[i, i * 7919 % 100003]::float8[], 3 ORDER BY md5((i * salt)::text)) AS model
      FROM generate_series(1, 40000) AS i, generate_series(1, 2) AS salt GROUP BY salt) AS q,
     segment.model_info(model) AS info GROUP BY info.rows, info.sampled_rows;
SELECT info.rows, info.sampled_rows, info.distinct_rows
FROM (SELECT segment.kmeans(ARRAY[i % 5, i % 25], 3) AS model FROM generate_series(1, 100000) AS i) AS q,
     segment.model_info(model) AS info;
SELECT segment.kmeans(ARRAY[i], 3, '{"max_size": 20000}') FROM generate_series(1, 40000) AS i;
-- Whether rows are kept in single or double precision does not show: the one that is not exact in single precision is
-- left out in the end, but when it comes early the others are doubles by then.
CREATE VIEW mixed AS
SELECT i, CASE i WHEN 7 THEN 0.2 ELSE i END::float8 AS x, i % 11 AS y,
       CASE i % 2 WHEN 0 THEN -1 ELSE 1 END * 0.0::float8 AS zero FROM generate_series(1, 40000) AS i;
SELECT count(DISTINCT model::text) AS models, bool_and(info.sampled_rows < 8000) AS thinned
FROM (SELECT segment.kmeans(3, NULL, x, y, zero ORDER BY i) AS model FROM mixed
      UNION ALL SELECT segment.kmeans(3, NULL, x, y, zero ORDER BY i DESC) FROM mixed
      UNION ALL SELECT segment.finalize(segment.rollup(state ORDER BY part))
      FROM (SELECT i < 9 AS part, segment.kmeans_state(3, NULL, x, y, 0) AS state FROM mixed GROUP BY i < 9) AS s) AS q,
     segment.model_info(model) AS info;
DROP VIEW mixed;
RESET pg_segment.max_memory;

-- Ties go by content, in large inputs, too: centres that attract nothing take one of many rows as far away.
SELECT count(DISTINCT model::text) AS models
FROM (SELECT segment.kmeans(f, 2, '{"init": [[299.5, 299.5], [1e6, 1e6]], "max_iter": 3}') AS model
      FROM (SELECT salt, ARRAY[i % 600, i / 600] AS f FROM generate_series(0, 359999) AS i, generate_series(0, 1) AS salt
            ORDER BY salt, i * (1 - 2 * salt)) AS lattice GROUP BY salt) AS q;
-- A far outlier must not hide the rest, with little memory neither.
SET pg_segment.max_memory = '20MB';
SELECT info.sampled_rows IS NOT NULL AS sampled, info.converged, count(*) FILTER (WHERE size > 20000) AS large
FROM (SELECT segment.kmeans(CASE i WHEN 0 THEN ARRAY[1e18, 1e18, 0] ELSE ARRAY[i % 3 * 10, i % 7, i / 1e5] END, 4,
                            '{"seed": 1}') AS model FROM generate_series(0, 299999) AS i) AS q,
     segment.model_info(model) AS info, segment.clusters(model) GROUP BY 1, 2;
SET pg_segment.max_memory = '2MB';
SELECT segment.kmeans(ARRAY[i, i * i, i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17], 3, '{"min_size": 1500}')
FROM generate_series(1, 20000) AS i;
SELECT model::text::jsonb -> 'shift' AS median
FROM (SELECT segment.kmeans(ARRAY[CASE WHEN i % 2 = 0 THEN i % 1000 ELSE 2000 + i % 1000 END], 2, '{"standardize": "robust"}') AS model
      FROM generate_series(1, 60000) AS i) AS q;
SELECT segment.kmeans(ARRAY[5], 1, NULL, 1)::text::jsonb -> 'rows' AS rows FROM generate_series(1, 60000);
SELECT segment.kmeans(ARRAY[5], 1, NULL, i) FROM generate_series(1, 60000) AS i;
RESET pg_segment.max_memory;
SELECT s.* FROM (SELECT segment.kmeans(ARRAY[i], 2) AS model FROM generate_series(0, 1) AS i) AS q,
     segment.cluster_set(model, ARRAY[1e-155]) AS s;

-- Errors name what is wrong.
\set VERBOSITY default
SELECT segment.kmeans(ARRAY[x, 1], 3, '{"standardize": "robust"}')
FROM (SELECT 1e140 AS x FROM generate_series(1, 5) UNION ALL SELECT 1e-140 * i FROM generate_series(1, 60) AS i) AS q;
SELECT segment.kmeans(ARRAY[x, y], 2, NULL, -1) FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, NULL, 'NaN') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, NULL, 1e13) FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"init": [[1, 2]]}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"init": [[1, 2], [3]]}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"init": {}}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"init": [[1, 2, 3], [4, 5, 6]]}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"order_by": 3}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"order_by": "name"}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"measure": "manhattan"}') FROM points;
SELECT segment.kmeans(ARRAY[x * 0, y], 2, '{"measure": "cosine"}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"measure": "cosine", "standardize": "zscore"}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"min_size": 4}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"max_size": 2}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"min_size": 3, "max_size": 2}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"categories": [[1, 1]]}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"algorithm": "kprototypes", "categories": [[2, 2]]}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"algorithm": "kprototypes", "categories": [[1, 2]]}') FROM points;
SELECT segment.cluster_set(model, ARRAY[1, 2], 0) FROM models;
SELECT segment.with_labels(model, ARRAY['one']) FROM models;
SELECT segment.with_labels(model, ARRAY[repeat('x', 1001), 'two']) FROM models;
SELECT segment.kmeans(ARRAY[x, y], 7) FROM points;
SELECT segment.kmeans(ARRAY[x], 3) FROM points;
SELECT segment.kmeans(ARRAY[x, y], 0) FROM points;
SELECT segment.kmeans(ARRAY[x, y], -2147483648) FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2147483647) FROM points;
SELECT segment.kmeans(ARRAY[x, y], NULL) FROM points;
SELECT segment.kmeans(ARRAY[x, y], id) FROM points;
SELECT segment.kmeans(ARRAY[x, 'NaN'], 2) FROM points;
SELECT segment.kmeans(ARRAY['-Infinity', y], 2) FROM points;
SELECT segment.kmeans(ARRAY[1e200, y], 2) FROM points;
SELECT segment.kmeans('{}', 2) FROM points;
SELECT segment.kmeans(ARRAY[[x], [y]], 2) FROM points;
SELECT segment.kmeans(CASE id WHEN 3 THEN ARRAY[x] ELSE ARRAY[x, y] END, 2) FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"n_inits": 3}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"n_init": 0}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"n_init": 99999999999}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"n_init": "3"}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"tol": -1}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"tol": 1e999}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"max_iter": 0}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"seed": 1.5}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"seed": null}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '{"standardize": "robust"}') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '[1]') FROM points;
SELECT segment.kmeans(ARRAY[x, y], 2, '7') FROM points;
SELECT segment.kmeans(2, NULL, x, 'y') FROM points;
SELECT segment.kmeans(2, NULL, x, y > 2) FROM points;
SELECT segment.kmeans(2, NULL, ARRAY[x, y]) FROM points;
SELECT segment.kmeans(2, NULL, VARIADIC ARRAY[x, y]) FROM points;
SELECT segment.kmeans(NULL, NULL, x, y) FROM points;
SELECT segment.kmeans(id, NULL, x, y) FROM points;
SELECT segment.kmeans(2, '{"n_inits": 3}', x, y) FROM points;
SELECT segment.kmeans(2, NULL, x, '-Infinity'::real) FROM points;
SELECT segment.kmeans(2, NULL, x, 'NaN'::numeric) FROM points;
SELECT segment.kmeans(2, NULL, x, ('1e' || 300 + id)::numeric) FROM points;
SELECT segment.kmeans(2, NULL, x, ('1e' || 400 + id)::numeric) FROM points;
SELECT segment.kmeans(2, NULL) FROM points;
SELECT segment.kmeans(1, NULL, :most, e) FROM numbers;
SELECT segment.kmeans_transition(NULL, 2, NULL, 1.0);
SELECT segment.cluster_id(model, ARRAY[1.0]) FROM models;
SELECT segment.cluster_id(model, ARRAY[1.0, 'NaN']) FROM models;
SELECT segment.cluster_id(model, '{}') FROM models;
SELECT segment.rollup(state) FROM (SELECT segment.kmeans_state(ARRAY[x], 2) AS state FROM points
                                   UNION ALL SELECT segment.kmeans_state(ARRAY[x, y], 2) FROM points) AS q;
SELECT segment.rollup(state) FROM (SELECT segment.kmeans_state(ARRAY[x], 2) AS state FROM points
                                   UNION ALL SELECT segment.kmeans_state(ARRAY[x], 3) FROM points) AS q;
SELECT segment.kmeans_transition(NULL, ARRAY[1.0], 2);
SELECT segment.kmeans_combine(state, state) FROM daily;

-- Malformed values are refused.
\set VERBOSITY terse
SELECT '\x00'::segment.kmeans_state;
SELECT 'x'::segment.kmeans_state;
SELECT ''::segment.clustering;
SELECT '{}'::segment.clustering;
SELECT '{"k": 1}'::segment.clustering;
SELECT '[]'::segment.clustering;
SELECT '{"foo": 1}'::segment.clustering;
SELECT replace(model::text, '"size":3', '"size":4')::segment.clustering FROM models;
SELECT replace(model::text, '"inertia":16', '"inertia":-16')::segment.clustering FROM models;
SELECT replace(model::text, '"scale":[1,1]', '"scale":[1,0]')::segment.clustering FROM models;
SELECT replace(model::text, '"scale":[1,1]', '"scale":[1]')::segment.clustering FROM models;

SELECT replace(replace(model::text, '[1,2]', '[1,2,3]'), '[10,2]', '[10]')::segment.clustering FROM models;
-- An error message keeps whole characters, so that every client can read it.
\set VERBOSITY sqlstate
SELECT segment.kmeans(ARRAY[x], 1, jsonb_build_object('standardize', 'a' || repeat('é', 300))) FROM points;
SELECT segment.kmeans(ARRAY[x], 1, jsonb_build_object(repeat('é', 300), 1)) FROM points;
\set VERBOSITY terse
-- Reading and printing a model does not depend on a setting.
CREATE TABLE large AS SELECT segment.kmeans(ARRAY[i, sqrt(i)], 2000, '{"n_init": 1, "max_iter": 1}') AS model
FROM generate_series(1, 2000) AS i;
SET pg_segment.max_memory = '1MB';
SELECT length(model::text::segment.clustering::text) > 50000 AS long FROM large;
RESET pg_segment.max_memory;
-- Rows that differ by too little.
SELECT segment.kmeans(ARRAY[x * 1e-200], 2) FROM points;

DROP TABLE points, models, daily, bounded, large, numbers;
DROP DOMAIN score;
