-- k-means as a window function: cluster numbers without a model
\set VERBOSITY terse
CREATE TABLE points (id integer, country text, x double precision, y double precision);
INSERT INTO points VALUES
    (1, 'de', 1, 2), (2, 'de', 1, 4), (3, 'de', 1, 0), (4, 'de', 10, 2), (5, 'de', 10, 4), (6, 'de', 10, 0),
    (7, 'de', 11, 2), (8, 'fr', 5, 5), (9, 'fr', 5, 6), (10, 'fr', 50, 50), (11, 'fr', NULL, 50);

-- The whole table as one partition, and a clustering of each partition; a NULL among the features: no number.
SELECT id, segment.kmeans_cluster(ARRAY[x, y], 2) OVER () AS overall,
       segment.kmeans_cluster(ARRAY[x, y], 2) OVER (PARTITION BY country) AS within_country
FROM points ORDER BY id;

-- The numbers are those of scoring with the model that the aggregate trains, whatever options.
CREATE TABLE cloud AS
SELECT i AS id, i % 7 AS part, ARRAY[sin(i * 12.9898), cos(i * 78.233), sin(i * 0.37) * 3] AS features
FROM generate_series(1, 3000) AS i;
UPDATE cloud SET features = NULL WHERE id % 500 = 3;
UPDATE cloud SET features[2] = NULL WHERE id % 500 = 4;
SELECT count(*) AS rows, count(label) AS labels,
       count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, features)) AS differing
FROM (SELECT part, features, segment.kmeans_cluster(features, 5) OVER (PARTITION BY part) AS label FROM cloud) AS l
JOIN (SELECT part, segment.kmeans(features, 5) AS model FROM cloud GROUP BY part) AS m USING (part);
SELECT count(*) AS rows, count(label) AS labels,
       count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, features)) AS differing
FROM (SELECT features, segment.kmeans_cluster(features, 9,
             '{"seed": 3, "n_init": 2, "standardize": "zscore", "max_iter": 7}') OVER (ORDER BY id DESC) AS label
      FROM cloud) AS l,
     (SELECT segment.kmeans(features, 9, '{"seed": 3, "n_init": 2, "standardize": "zscore", "max_iter": 7}') AS model
      FROM cloud) AS m;
SET pg_segment.default_seed = 11;
SELECT count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, features)) AS differing
FROM (SELECT features, segment.kmeans_cluster(features, 9, '{"n_init": 1}') OVER () AS label FROM cloud) AS l,
     (SELECT segment.kmeans(features, 9, '{"n_init": 1}') AS model FROM cloud) AS m;
RESET pg_segment.default_seed;

-- A partition that the server keeps on disk.
SET work_mem = '64kB';
SELECT count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, features)) AS differing
FROM (SELECT features, segment.kmeans_cluster(features, 4) OVER () AS label FROM cloud) AS l,
     (SELECT segment.kmeans(features, 4) AS model FROM cloud) AS m;
RESET work_mem;

-- Rows beyond the memory that they may take: numbers from a model of a sample, as of the aggregate; and equal rows, which
-- collapse.
SET pg_segment.max_memory = '1MB';
CREATE TABLE many AS
SELECT CASE WHEN i % 1000 > 0 THEN ARRAY[sin(i * 12.9898) + i % 3, cos(i * 78.233)] END AS features,
       ARRAY[i % 10, i % 7 - 0.5]::float8[] AS equal_features
FROM generate_series(1, 100000) AS i;
SELECT count(*) AS rows, count(label) AS labels, min(sampled_rows) < count(label) AS is_sample,
       count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, features)) AS differing
FROM (SELECT features, segment.kmeans_cluster(features, 3, '{"n_init": 1}') OVER () AS label FROM many) AS l,
     (SELECT segment.kmeans(features, 3, '{"n_init": 1}') AS model FROM many) AS m, segment.model_info(model);
SELECT count(*) AS rows, count(label) AS labels,
       count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, equal_features)) AS differing
FROM (SELECT equal_features, segment.kmeans_cluster(equal_features, 3) OVER () AS label FROM many) AS l,
     (SELECT segment.kmeans(equal_features, 3) AS model FROM many) AS m;
RESET pg_segment.max_memory;

-- Options that decide more than the search: bounds, order of the numbers, cosines.
SELECT label, count(*), round(avg(features[3])::numeric, 2) AS mean
FROM (SELECT features, segment.kmeans_cluster(features, 3, '{"order_by": -3, "max_size": 1100}') OVER () AS label
      FROM cloud) AS q GROUP BY label ORDER BY label;
SELECT count(*) FILTER (WHERE label IS DISTINCT FROM segment.cluster_id(model, features)) AS differing
FROM (SELECT features, segment.kmeans_cluster(features, 4, '{"measure": "cosine"}') OVER () AS label FROM cloud) AS l,
     (SELECT segment.kmeans(features, 4, '{"measure": "cosine"}') AS model FROM cloud) AS m;

-- Order and frame of the window change nothing; two functions over one window do not disturb one another.
SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b OR a IS DISTINCT FROM c) AS differing, max(other) AS other
FROM (SELECT segment.kmeans_cluster(features, 3) OVER () AS a,
             segment.kmeans_cluster(features, 3) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS b,
             segment.kmeans_cluster(features, 3) OVER (ORDER BY md5(id::text)) AS c,
             segment.kmeans_cluster(features[1:1], 2) OVER () AS other
      FROM cloud) AS q;

-- Arrays that are stored compressed and out of line, of one width beyond what scoring buffers.
CREATE TABLE wide (id integer, features double precision[]);
INSERT INTO wide SELECT i, array_agg((i % 3) * 10 + j % 2) FROM generate_series(1, 9) AS i,
                                                            generate_series(1, 2500) AS j GROUP BY i;
ALTER TABLE wide ALTER features SET STORAGE EXTERNAL;
INSERT INTO wide SELECT id + 9, features FROM wide;
SELECT count(DISTINCT label) AS labels, count(DISTINCT (id % 3, label)) AS pairs
FROM (SELECT id, segment.kmeans_cluster(features, 3) OVER () AS label FROM wide) AS q;

-- The number of clusters and the options may be any expression, as long as they do not change.
SELECT string_agg(label::text, ' ' ORDER BY id)
FROM (SELECT id, segment.kmeans_cluster(ARRAY[x, y], length(country), jsonb_build_object('tol',
             CASE WHEN id = 2 THEN 0.0 ELSE 0.00 END)) OVER (PARTITION BY country) AS label FROM points) AS q;
SELECT string_agg(label::text, ' ' ORDER BY id)
FROM (SELECT id, segment.kmeans_cluster(ARRAY[x, y], 2, NULL) OVER (PARTITION BY country) AS label FROM points) AS q;
PREPARE labels (integer, jsonb) AS
SELECT string_agg(label::text, ' ' ORDER BY id)
FROM (SELECT id, segment.kmeans_cluster(ARRAY[x, y], $1, $2) OVER (ORDER BY id) AS label FROM points) AS q;
EXECUTE labels (2, '{"n_init": 1}');
EXECUTE labels (1, NULL);
-- Another number for another partition is fine.
SELECT country, count(DISTINCT label)
FROM (SELECT country, segment.kmeans_cluster(ARRAY[x, y], CASE country WHEN 'de' THEN 3 ELSE 1 END)
                      OVER (PARTITION BY country) AS label FROM points) AS q GROUP BY country ORDER BY country;

-- Once more for each row of another table.
SELECT k, string_agg(label::text, ' ' ORDER BY id)
FROM generate_series(1, 3) AS k,
     LATERAL (SELECT id, segment.kmeans_cluster(ARRAY[x, y], k) OVER () AS label FROM points WHERE id > k) AS l
GROUP BY k ORDER BY k;

-- One row, equal rows, no usable row, no row.
SELECT segment.kmeans_cluster(ARRAY[1.5], 1) OVER ();
SELECT segment.kmeans_cluster(ARRAY[2], 1) OVER () FROM generate_series(1, 3);
SELECT segment.kmeans_cluster(NULL, 2) OVER () FROM generate_series(1, 3);
SELECT segment.kmeans_cluster(ARRAY[NULL, i], 2) OVER () FROM generate_series(1, 2) AS i;
SELECT segment.kmeans_cluster(ARRAY[x, y], 0) OVER () FROM points WHERE false;

-- Errors are the aggregate's.
\set VERBOSITY default
SELECT segment.kmeans_cluster(ARRAY[x, y], 11) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], 4) OVER (PARTITION BY country) FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], NULL) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], CASE WHEN id <> 5 THEN 2 END) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], CASE WHEN id < 4 THEN 2 ELSE 3 END) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], 2, CASE WHEN id > 5 THEN '{"seed": 5}'::jsonb END) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], 0) OVER () FROM points;
SELECT segment.kmeans_cluster(NULL, -1) OVER ();
SELECT segment.kmeans_cluster(ARRAY[x, y], 2, '{"sed": 5}') OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], 2, '[]') OVER () FROM points;
SELECT segment.kmeans_cluster(CASE WHEN id < 6 THEN ARRAY[x, y] ELSE ARRAY[x] END, 2) OVER () FROM points;
SELECT segment.kmeans_cluster('{}', 2) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[ARRAY[x, y]], 2) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, CASE id WHEN 4 THEN 'NaN' WHEN 5 THEN 'Infinity' ELSE y END], 2) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, CASE id WHEN 4 THEN -1e141 ELSE y END], 2) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y / (id - 5)], 2) OVER () FROM points;
SELECT segment.kmeans_cluster(ARRAY[x, y], 2) FROM points;
DROP TABLE points, cloud, wide, many;
