-- ---------------------------------------------------------------------------------------------------------------
-- k-means: rows in, a model out; the model is a value
-- ---------------------------------------------------------------------------------------------------------------

-- segment.clustering: a trained model. Availability: 0.1.0
CREATE TYPE segment.clustering;

CREATE FUNCTION segment.clustering_in(cstring) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_clustering_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clustering_out(segment.clustering) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_clustering_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clustering_recv(internal) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_clustering_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clustering_send(segment.clustering) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_clustering_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.clustering (
    INPUT = segment.clustering_in,
    OUTPUT = segment.clustering_out,
    RECEIVE = segment.clustering_recv,
    SEND = segment.clustering_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.clustering IS
'A trained clustering. Prints and reads as JSON; read it with segment.model_info, clusters and centroids, score rows with cluster_id.';
COMMENT ON FUNCTION segment.clustering_in(cstring) IS 'input of segment.clustering: its JSON form';
COMMENT ON FUNCTION segment.clustering_out(segment.clustering) IS 'output of segment.clustering: its JSON form';
COMMENT ON FUNCTION segment.clustering_recv(internal) IS 'binary input of segment.clustering';
COMMENT ON FUNCTION segment.clustering_send(segment.clustering) IS 'binary output of segment.clustering';

-- segment.kmeans_state: what the aggregate has gathered. Availability: 0.1.0
CREATE TYPE segment.kmeans_state;

CREATE FUNCTION segment.kmeans_state_in(cstring) RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_state_out(segment.kmeans_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_state_recv(internal) RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_state_send(segment.kmeans_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.kmeans_state (
    INPUT = segment.kmeans_state_in,
    OUTPUT = segment.kmeans_state_out,
    RECEIVE = segment.kmeans_state_recv,
    SEND = segment.kmeans_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.kmeans_state IS
'Rows gathered for k-means, not yet trained: made by segment.kmeans_state(features, k), merged by segment.rollup, trained by segment.finalize.';
COMMENT ON FUNCTION segment.kmeans_state_in(cstring) IS 'input of segment.kmeans_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.kmeans_state_out(segment.kmeans_state) IS 'output of segment.kmeans_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.kmeans_state_recv(internal) IS 'binary input of segment.kmeans_state';
COMMENT ON FUNCTION segment.kmeans_state_send(segment.kmeans_state) IS 'binary output of segment.kmeans_state';

-- STABLE: without a seed among the options, the session's default counts.
CREATE FUNCTION segment.kmeans_transition(state segment.kmeans_state, features double precision[], k integer)
    RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_transition(state segment.kmeans_state, features double precision[], k integer,
                                          options jsonb)
    RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_combine(segment.kmeans_state, segment.kmeans_state) RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_final(segment.kmeans_state) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
CREATE FUNCTION segment.kmeans_state_final(segment.kmeans_state) RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.kmeans_transition(segment.kmeans_state, double precision[], integer) IS
'transition function of segment.kmeans';
COMMENT ON FUNCTION segment.kmeans_transition(segment.kmeans_state, double precision[], integer, jsonb) IS
'transition function of segment.kmeans';
COMMENT ON FUNCTION segment.kmeans_combine(segment.kmeans_state, segment.kmeans_state) IS
'combine function of segment.kmeans';
COMMENT ON FUNCTION segment.kmeans_final(segment.kmeans_state) IS 'final function of segment.kmeans';
COMMENT ON FUNCTION segment.kmeans_state_final(segment.kmeans_state) IS 'final function of segment.kmeans_state';

CREATE AGGREGATE segment.kmeans(features double precision[], k integer) (
    SFUNC = segment.kmeans_transition,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans(features double precision[], k integer, options jsonb) (
    SFUNC = segment.kmeans_transition,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_state(features double precision[], k integer) (
    SFUNC = segment.kmeans_transition,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_state(features double precision[], k integer, options jsonb) (
    SFUNC = segment.kmeans_transition,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.kmeans_state) (
    SFUNC = segment.kmeans_combine,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.kmeans(double precision[], integer) IS
'k-means clustering of the rows with default options; see the form with options.';
COMMENT ON AGGREGATE segment.kmeans(double precision[], integer, jsonb) IS
'k-means clustering of the rows. features: one array a row, all of one length, finite, within +-1e140; a row with a NULL is skipped and counted. k: number of clusters, 1 to the number of distinct rows, the same in every row. options: seed (default pg_segment.default_seed), n_init (restarts, 10), max_iter (300), tol (a restart stops when the squared movement of the centroids is at most tol times the mean variance of a feature; default 0 for inputs under 262,144 values, 1e-4 beyond), standardize ("none" or "zscore": population standard deviation). Lloyd''s algorithm (1982) from greedy k-means++ seeds (Arthur and Vassilvitskii 2007). The same rows, options and seed give the same model, whatever the row order, plan or number of workers. NULL when there is no usable row. Time O(n_init * iterations * rows * k * dimensions); memory 8 bytes a value while gathering, then 12 a value and 46 a row while training, each held against pg_segment.max_memory (54000 beyond), the gathered rows of all groups of one aggregate node together.';
COMMENT ON AGGREGATE segment.kmeans_state(double precision[], integer) IS
'Gathers rows for k-means without training; see the form with options.';
COMMENT ON AGGREGATE segment.kmeans_state(double precision[], integer, jsonb) IS
'Gathers rows for k-means without training: a partial state to store (per day, per shard), merge with segment.rollup and train with segment.finalize. Arguments as of segment.kmeans.';
COMMENT ON AGGREGATE segment.rollup(segment.kmeans_state) IS
'Merges stored k-means states; all must have the same k, options and number of features. NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.kmeans_state) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.finalize(segment.kmeans_state) IS
'Trains the model of a stored k-means state: the same model that segment.kmeans gives for the same rows. NULL for NULL, and for a state without a usable row.';

CREATE FUNCTION segment.cluster_id(model segment.clustering, features double precision[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_cluster_id' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
COMMENT ON FUNCTION segment.cluster_id(segment.clustering, double precision[]) IS
'Number of the cluster whose centroid is nearest, 1 for the largest cluster; ties go to the lower number. features: as in training. NULL when an argument or a feature is NULL; 2202E for another number of features, 22000 for NaN and infinity. O(k * dimensions).';

CREATE FUNCTION segment.cluster_distance(model segment.clustering, features double precision[])
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_cluster_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4;
COMMENT ON FUNCTION segment.cluster_distance(segment.clustering, double precision[]) IS
'Euclidean distance to the nearest centroid, in the space in which the model measured distances (standardized units when it standardizes). NULLs and errors as segment.cluster_id.';

CREATE FUNCTION segment.centroids(model segment.clustering)
    RETURNS TABLE (cluster_id integer, feature integer, value double precision)
    AS 'MODULE_PATHNAME', 'pgseg_centroids' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 40;
COMMENT ON FUNCTION segment.centroids(segment.clustering) IS
'The centroids in the units of the input: one row a cluster and feature; feature is the position in the array, from 1.';

CREATE FUNCTION segment.clusters(model segment.clustering)
    RETURNS TABLE (cluster_id integer, size bigint, share double precision, within_ss double precision,
                   radius double precision)
    AS 'MODULE_PATHNAME', 'pgseg_clusters' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 8;
COMMENT ON FUNCTION segment.clusters(segment.clustering) IS
'One row a cluster, largest first: training rows in it, their share of all, the sum of squared distances to the centroid, and the largest distance, both in the space of distances.';

CREATE FUNCTION segment.model_info(
    model segment.clustering,
    OUT algorithm text, OUT k integer, OUT dimensions integer, OUT rows bigint, OUT skipped bigint,
    OUT distinct_rows bigint, OUT iterations integer, OUT converged boolean, OUT relocated integer,
    OUT inertia double precision, OUT total_ss double precision, OUT between_ss double precision,
    OUT seed bigint, OUT n_init integer, OUT max_iter integer, OUT tol double precision, OUT standardize text)
    AS 'MODULE_PATHNAME', 'pgseg_model_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.model_info(segment.clustering) IS
'How a model came about: rows used and skipped (a feature was NULL), distinct rows, Lloyd iterations of the best restart and whether it converged, empty clusters relocated, inertia (sum of squared distances to the nearest centroid, in the space of distances), total_ss (to the mean), between_ss (their difference), and the options.';

