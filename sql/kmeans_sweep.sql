-- Choosing the number of clusters.

-- three groups of 60 rows
CREATE TEMP TABLE three AS
SELECT i AS id, 20 * (i % 3) + hashint4(i) / 1e9 AS x, 15 * ((i % 3) % 2) + hashint4(i + 1000) / 1e9 AS y
FROM generate_series(1, 180) AS i;
CREATE TEMP TABLE sweeps AS SELECT segment.kmeans_sweep(ARRAY[x, y], 1, 6) AS quality FROM three;

SELECT k, round(inertia::numeric, 1) AS inertia, round(silhouette::numeric, 3) AS silhouette,
       round(calinski_harabasz::numeric) AS calinski_harabasz, round(davies_bouldin::numeric, 3) AS davies_bouldin,
       round(bic::numeric) AS bic, round(gap::numeric, 2) AS gap, gap_error BETWEEN 0 AND 0.1 AS gap_error,
       round(stability::numeric, 1) AS stability
FROM sweeps, unnest(quality);
SELECT choice.* FROM sweeps, segment.choose_k(quality) AS choice;

-- the measures are those of the functions
SELECT q.k,
       q.inertia = segment.inertia(m.model) AS inertia,
       abs(q.silhouette - s.silhouette) < 1e-12 AS silhouette,
       abs(q.calinski_harabasz / segment.calinski_harabasz(m.model) - 1) < 1e-12 AS calinski_harabasz,
       abs(q.davies_bouldin / segment.davies_bouldin(m.model) - 1) < 1e-12 AS davies_bouldin
FROM sweeps, unnest(quality) AS q,
     LATERAL (SELECT segment.kmeans(ARRAY[x, y], q.k) AS model FROM three) AS m,
     LATERAL (SELECT segment.silhouette(m.model, ARRAY[x, y]) AS silhouette FROM three) AS s
WHERE q.k > 1;

-- order and partial states do not matter
SELECT segment.kmeans_sweep(ARRAY[x, y], 1, 6 ORDER BY md5(id::text)) = quality AS same FROM three, sweeps GROUP BY quality;
CREATE TEMP TABLE parts AS
SELECT id % 4 AS part, segment.kmeans_sweep_state(ARRAY[x, y], 1, 6) AS state FROM three GROUP BY 1;
SELECT segment.finalize(segment.rollup(state::text::segment.kmeans_sweep_state)) = (SELECT quality FROM sweeps) AS same FROM parts;

-- options
SELECT k, gap IS NULL AND gap_error IS NULL AS no_gap, stability IS NULL AS no_stability, silhouette IS NOT NULL AS silhouette
FROM unnest((SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"references": 0, "replicates": 0}') FROM three));
SELECT choice.* FROM segment.choose_k((SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 6, '{"references": 0, "replicates": 0}') FROM three)) AS choice;
SELECT (segment.choose_k(segment.kmeans_sweep(ARRAY[x, 1000 * y], 2, 6, '{"seed": 3, "standardize": "zscore", "n_init": 2}'))).k FROM three;
-- a sample of the rows: sums still stand for all
SELECT k, inertia BETWEEN all_rows / 1.3 AND all_rows * 1.3 AND inertia <> all_rows AS scaled
FROM sweeps, LATERAL (SELECT inertia AS all_rows FROM unnest(quality) WHERE k = 3) AS whole,
     unnest((SELECT segment.kmeans_sweep(ARRAY[x, y], 3, 3, '{"train_rows": 100}') FROM three));
-- no more clusters than different rows
SELECT k, inertia, silhouette FROM unnest((SELECT segment.kmeans_sweep(ARRAY[i % 3], 1, 10) FROM generate_series(1, 9) AS i));

-- noise has one cluster
SELECT (segment.choose_k(segment.kmeans_sweep(ARRAY[hashint4(i) / 1e9, hashint4(i + 7777) / 1e9], 1, 8))).k
FROM generate_series(1, 400) AS i;

-- the rule, on measures put together by hand
CREATE FUNCTION pg_temp.q(k int, silhouette float8, ch float8, gap float8, stability float8) RETURNS segment.kmeans_quality
LANGUAGE sql AS 'SELECT ROW(k, 1, silhouette, ch, NULL, NULL, gap, 0.01, stability)::segment.kmeans_quality';
SELECT * FROM segment.choose_k(ARRAY[pg_temp.q(2, 0.7, 100, 0.5, 1), pg_temp.q(3, 0.6, 200, 0.9, 1), pg_temp.q(4, 0.5, 150, 0.8, 1)]);
SELECT * FROM segment.choose_k(ARRAY[pg_temp.q(4, 0.5, 150, 0.8, 1), NULL, pg_temp.q(3, 0.6, 200, 0.9, 0.4), pg_temp.q(2, 0.7, 100, 0.5, 0.9)]);
SELECT * FROM segment.choose_k(ARRAY[pg_temp.q(1, NULL, NULL, 0.30, NULL), pg_temp.q(2, 0.7, 100, 0.35, 1)]);
SELECT * FROM segment.choose_k('{}');
SELECT * FROM segment.choose_k(NULL);

-- nothing to measure
SELECT segment.kmeans_sweep(ARRAY[i], 1, 3) FROM generate_series(1, 0) AS i;
SELECT segment.kmeans_sweep(ARRAY[NULL, i], 1, 3) FROM generate_series(1, 3) AS i;
SELECT segment.kmeans_sweep(ARRAY[7.0], 1, 3) FROM generate_series(1, 3) AS i;

-- errors
\set VERBOSITY terse
SELECT segment.kmeans_sweep(ARRAY[x, y], 0, 3) FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 3, 2) FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 1, 2147483647) FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], NULL, 2) FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 2 + id % 2) FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"references": -1}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"replicates": 1e9}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"sample": 3}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"sample": [3]}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"train_rows": 3}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"algorithm": "kprototypes"}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"init": [[1, 2], [3, 4]]}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '{"elbow": true}') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, y], 2, 3, '[]') FROM three;
SELECT segment.kmeans_sweep(ARRAY[x, float8 'NaN'], 2, 3) FROM three;
SELECT segment.choose_k(ARRAY[ROW(NULL, 1, 1, 1, 1, 1, 1, 1, 1)::segment.kmeans_quality]);
SELECT '\x00'::segment.kmeans_sweep_state;
\set VERBOSITY default
