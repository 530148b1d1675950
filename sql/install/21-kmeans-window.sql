-- k-means as a window function.

-- STABLE: without a seed among the options, the session's default counts.
CREATE FUNCTION segment.kmeans_cluster(features double precision[], k integer) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_cluster' LANGUAGE C WINDOW STABLE PARALLEL SAFE COST 4;
CREATE FUNCTION segment.kmeans_cluster(features double precision[], k integer, options jsonb) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_cluster' LANGUAGE C WINDOW STABLE PARALLEL SAFE COST 4;

COMMENT ON FUNCTION segment.kmeans_cluster(double precision[], integer) IS
'Cluster numbers of the rows of each partition of a window, with default options; see the form with options.';
COMMENT ON FUNCTION segment.kmeans_cluster(double precision[], integer, jsonb) IS
'Window function: trains k-means on the rows of the partition and returns the row''s cluster, 1 for the largest: the number that segment.cluster_id(segment.kmeans(features, k, options), features) gives, without keeping the model. Arguments as of segment.kmeans: features one array a row, k and options the same in all rows of a partition. NULL for a row with a NULL among its features, which is left out. The partition counts; the window''s ORDER BY and frame change nothing. Errors as of segment.kmeans, for any partition: 22004 (k is NULL), 2202E (features of several lengths), 22000 and 22003 (NaN, infinity, beyond +-1e140), 22023 (an option out of range, k or options that differ, fewer distinct rows than k). All work is done at the first row of a partition, in time O(n_init * iterations * rows * k * dimensions). Memory: what segment.kmeans needs and 4 bytes a row; where the rows would pass pg_segment.max_memory, the model comes from a sample, as the aggregate''s, and each row is scored in its turn. The server itself keeps the rows of a partition in work_mem and beyond that on disk. 54000 for a partition of more than 2147483647 rows. Lloyd (1982), Arthur and Vassilvitskii (2007).';
