-- Measures of a labelling and of a model.
SET extra_float_digits = 0;

-- The 20 points of ELKI's tests, with published values. Noise has no cluster.
CREATE TEMP TABLE elki (id serial, x float8, y float8, cluster int);
INSERT INTO elki (x, y, cluster) VALUES
    (3, 2, NULL), (2, 5, NULL), (2, 7, 1), (1, 8, 1), (2, 9, 1), (2, 8, 1), (3, 9, 1), (7, 9, NULL), (6, 2, 2), (7, 1, 2),
    (7, 3, 2), (7, 2, 2), (8, 3, 2), (9, 2, 2), (8, 2, 2), (8, 1, 2), (10, 10, 3), (10, 11, 3), (11, 10, 3), (11, 11, 3);

-- noise as one cluster
SELECT round(segment.silhouette(ARRAY[x, y], coalesce(cluster, 0))::numeric, 12) AS silhouette,
       round(segment.simplified_silhouette(ARRAY[x, y], coalesce(cluster, 0))::numeric, 12) AS simplified,
       round(segment.inertia(ARRAY[x, y], coalesce(cluster, 0))::numeric, 10) AS inertia,
       round(segment.calinski_harabasz(ARRAY[x, y], coalesce(cluster, 0))::numeric, 10) AS calinski_harabasz,
       round(segment.davies_bouldin(ARRAY[x, y], coalesce(cluster, 0))::numeric, 12) AS davies_bouldin
FROM elki;

-- noise as singletons
SELECT round(segment.silhouette(ARRAY[x, y], coalesce(cluster, -id))::numeric, 12) AS silhouette,
       round(segment.inertia(ARRAY[x, y], coalesce(cluster, -id))::numeric, 10) AS inertia,
       round(segment.calinski_harabasz(ARRAY[x, y], coalesce(cluster, -id))::numeric, 10) AS calinski_harabasz,
       round(segment.davies_bouldin(ARRAY[x, y], coalesce(cluster, -id))::numeric, 12) AS davies_bouldin
FROM elki;

-- noise left out
SELECT round(segment.silhouette(ARRAY[x, y], cluster)::numeric, 12) AS silhouette,
       round(segment.inertia(ARRAY[x, y], cluster)::numeric, 10) AS inertia
FROM elki;
SELECT segment.silhouette(ARRAY[x, y], cluster) IS NOT DISTINCT FROM
       (SELECT segment.silhouette(ARRAY[x, y], cluster) FROM elki WHERE cluster IS NOT NULL) AS same
FROM elki;

-- labels are names: any integers do
SELECT round(segment.silhouette(ARRAY[x, y], CASE cluster WHEN 1 THEN 2147483647 WHEN 2 THEN -2147483648 ELSE 0 END)::numeric, 12)
           AS silhouette
FROM elki WHERE cluster IS NOT NULL;

-- partial states
CREATE TEMP TABLE parts AS
SELECT id % 3 AS part, segment.labelled_state(ARRAY[x, y], coalesce(cluster, 0)) AS state FROM elki GROUP BY 1;
SELECT segment.silhouette(all_rows) = (SELECT segment.silhouette(ARRAY[x, y], coalesce(cluster, 0)) FROM elki) AS silhouette,
       segment.simplified_silhouette(all_rows) = (SELECT segment.simplified_silhouette(ARRAY[x, y], coalesce(cluster, 0)) FROM elki) AS simplified,
       segment.calinski_harabasz(all_rows) = (SELECT segment.calinski_harabasz(ARRAY[x, y], coalesce(cluster, 0)) FROM elki) AS calinski_harabasz,
       segment.davies_bouldin(all_rows) = (SELECT segment.davies_bouldin(ARRAY[x, y], coalesce(cluster, 0)) FROM elki) AS davies_bouldin,
       segment.inertia(all_rows) = (SELECT segment.inertia(ARRAY[x, y], coalesce(cluster, 0)) FROM elki) AS inertia
FROM (SELECT segment.rollup(state::text::segment.labelled_state) AS all_rows FROM parts) merged;
SELECT segment.silhouette(NULL::segment.labelled_state) IS NULL AS nothing;

-- where a measure is not defined
SELECT segment.silhouette(ARRAY[x], 1) AS silhouette, segment.simplified_silhouette(ARRAY[x], 1) AS simplified,
       segment.calinski_harabasz(ARRAY[x], 1) AS calinski_harabasz, segment.davies_bouldin(ARRAY[x], 1) AS davies_bouldin,
       segment.inertia(ARRAY[x], 1) AS inertia
FROM generate_series(1, 3) x;
SELECT segment.silhouette(ARRAY[x], x) AS silhouette, segment.simplified_silhouette(ARRAY[x], x) AS simplified,
       segment.calinski_harabasz(ARRAY[x], x) AS calinski_harabasz, segment.davies_bouldin(ARRAY[x], x) AS davies_bouldin,
       segment.inertia(ARRAY[x], x) AS inertia
FROM generate_series(1, 3) x;
SELECT segment.silhouette(ARRAY[0.0], x) AS silhouette, segment.calinski_harabasz(ARRAY[0.0], x % 2) AS calinski_harabasz,
       segment.davies_bouldin(ARRAY[0.0], x % 2) AS davies_bouldin
FROM generate_series(1, 4) x;
SELECT segment.silhouette(ARRAY[x], 1), segment.inertia(ARRAY[x], 1) FROM generate_series(1, 0) x;
SELECT segment.silhouette(ARRAY[x, NULL], 1), segment.inertia(NULL, x) FROM generate_series(1, 3) x;

-- errors
\set VERBOSITY sqlstate
SELECT segment.silhouette(ARRAY[1.0] || array_fill(1.0, ARRAY[x]), 1) FROM generate_series(1, 3) x;
SELECT segment.silhouette(ARRAY[float8 'NaN'], 1);
SELECT segment.silhouette(ARRAY[float8 'Infinity'], 1);
SELECT segment.silhouette(ARRAY[1e300], 1);
SELECT segment.silhouette('{}'::float8[], 1);
SELECT segment.silhouette('{{1,2}}'::float8[], 1);
SELECT '\x00'::segment.labelled_state;
SELECT segment.labelled_transition(NULL, ARRAY[1.0], 1);
\set VERBOSITY default

-- measures of a model
CREATE TEMP TABLE model AS SELECT segment.kmeans(ARRAY[x, y], 4) AS model FROM elki;
SELECT round(segment.silhouette(model)::numeric, 10) AS silhouette, round(segment.inertia(model)::numeric, 10) AS inertia,
       round(segment.calinski_harabasz(model)::numeric, 8) AS calinski_harabasz,
       round(segment.davies_bouldin(model)::numeric, 10) AS davies_bouldin
FROM model;
-- the same from rows and the model, and from rows with its labels
SELECT abs(segment.silhouette(any_value) - simplified) < 1e-12 AS silhouette, simplified = simplified_labelled AS simplified,
       abs(exact - exact_labelled) < 1e-12 AS exact, abs(inertia - inertia_labelled) < 1e-10 AS inertia,
       abs(segment.calinski_harabasz(any_value) / calinski_harabasz - 1) < 1e-12 AS calinski_harabasz,
       abs(segment.davies_bouldin(any_value) / davies_bouldin - 1) < 1e-12 AS davies_bouldin
FROM (SELECT model AS any_value FROM model) m,
     (SELECT round(segment.simplified_silhouette(model, ARRAY[x, y])::numeric, 12) AS simplified,
             round(segment.simplified_silhouette(ARRAY[x, y], segment.cluster_id(model, ARRAY[x, y]))::numeric, 12) AS simplified_labelled,
             segment.silhouette(model, ARRAY[x, y]) AS exact,
             segment.silhouette(ARRAY[x, y], segment.cluster_id(model, ARRAY[x, y])) AS exact_labelled,
             segment.inertia(model, ARRAY[x, y]) AS inertia,
             segment.inertia(ARRAY[x, y], segment.cluster_id(model, ARRAY[x, y])) AS inertia_labelled,
             segment.calinski_harabasz(ARRAY[x, y], segment.cluster_id(model, ARRAY[x, y])) AS calinski_harabasz,
             segment.davies_bouldin(ARRAY[x, y], segment.cluster_id(model, ARRAY[x, y])) AS davies_bouldin
      FROM elki, model) rows;

-- standardized units, cosine
CREATE TEMP TABLE others AS
SELECT 'zscore' AS kind, segment.kmeans(ARRAY[x, y], 3, '{"standardize": "zscore"}') AS model FROM elki
UNION ALL
SELECT 'cosine', segment.kmeans(ARRAY[x, y], 3, '{"measure": "cosine"}') FROM elki;
SELECT kind, abs(segment.silhouette(model) - simplified) < 1e-12 AS silhouette, abs(segment.inertia(model) - inertia) < 1e-12 AS inertia,
       exact BETWEEN 0.5 AND 1 AS exact
FROM others, LATERAL (SELECT segment.simplified_silhouette(model, ARRAY[x, y]) AS simplified,
                             segment.inertia(model, ARRAY[x, y]) AS inertia,
                             segment.silhouette(model, ARRAY[x, y]) AS exact FROM elki) AS measured;

-- one cluster; skipped rows; no rows
CREATE TEMP TABLE one AS SELECT segment.kmeans(ARRAY[3, 2], 1) AS model;
SELECT segment.silhouette(model) AS silhouette, segment.calinski_harabasz(model) AS calinski_harabasz, segment.davies_bouldin(model) AS davies_bouldin
FROM one;
SELECT segment.simplified_silhouette(model, ARRAY[1, 2]) AS simplified, segment.silhouette(model, ARRAY[1, 2]) AS exact,
       segment.inertia(model, ARRAY[3, 4]) AS inertia
FROM one;
SELECT segment.inertia(model, CASE WHEN id > 1 THEN ARRAY[x, y] END) =
       (SELECT segment.inertia(model, ARRAY[x, y]) FROM elki, model WHERE id > 1) AS skipped
FROM elki, model;
SELECT segment.simplified_silhouette(model, ARRAY[x, y]) AS simplified, segment.inertia(model, ARRAY[x, y]) AS inertia,
       segment.silhouette(model, ARRAY[x, y]) AS exact
FROM elki, model WHERE id < 0;
SELECT segment.simplified_silhouette(model, ARRAY[NULL, x]) AS simplified, segment.inertia(model, NULL) AS inertia FROM elki, model;

-- partial states
CREATE TEMP TABLE fits AS SELECT id % 3 AS part, segment.model_fit(model, ARRAY[x, y]) AS fit FROM elki, model GROUP BY 1;
SELECT segment.simplified_silhouette(fit) = (SELECT segment.simplified_silhouette(model, ARRAY[x, y]) FROM elki, model) AS simplified,
       segment.inertia(fit) = (SELECT segment.inertia(model, ARRAY[x, y]) FROM elki, model) AS inertia,
       fit::text = (SELECT segment.model_fit(model, ARRAY[x, y])::text FROM elki, model) AS same_bytes
FROM (SELECT segment.rollup(fit::text::segment.model_fit) AS fit FROM fits) merged;
SELECT segment.davies_bouldin(segment.labelled_state(model, ARRAY[x, y])) =
       segment.davies_bouldin(ARRAY[x, y], segment.cluster_id(model, ARRAY[x, y])) AS same
FROM elki, model;

-- errors
\set VERBOSITY sqlstate
SELECT segment.inertia(NULL::segment.clustering, ARRAY[x, y]) FROM elki;
SELECT segment.inertia(model, ARRAY[x]) FROM elki, model;
SELECT segment.simplified_silhouette(model, ARRAY[x, 'NaN']) FROM elki, model;
SELECT segment.inertia(m, ARRAY[x, y]) FROM elki,
       (SELECT segment.kmeans(ARRAY[x, y], k) AS m FROM elki, generate_series(2, 3) k GROUP BY k) models;
SELECT segment.silhouette(m, ARRAY[x, y]) FROM elki,
       (SELECT segment.kmeans(ARRAY[x, y], k) AS m FROM elki, generate_series(2, 3) k GROUP BY k) models;
SELECT segment.rollup(s) FROM (VALUES ((SELECT segment.labelled_state(model, ARRAY[x, y]) FROM elki, model)),
                                      ((SELECT segment.labelled_state(ARRAY[x, y], 1) FROM elki))) v(s);
SELECT '\x00'::segment.model_fit;
SELECT segment.model_fit_transition(NULL, model, ARRAY[1.0, 2]) FROM model;
\set VERBOSITY default
