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
CREATE FUNCTION segment.kmeans_transition(state segment.kmeans_state, features double precision[], k integer,
                                          options jsonb, weight double precision)
    RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_transition(state segment.kmeans_state, k integer, options jsonb, VARIADIC features "any")
    RETURNS segment.kmeans_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_columns_transition' LANGUAGE C STABLE PARALLEL SAFE;
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
COMMENT ON FUNCTION segment.kmeans_transition(segment.kmeans_state, double precision[], integer, jsonb,
                                              double precision) IS
'transition function of segment.kmeans';
COMMENT ON FUNCTION segment.kmeans_transition(segment.kmeans_state, integer, jsonb, VARIADIC "any") IS
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
CREATE AGGREGATE segment.kmeans(features double precision[], k integer, options jsonb, weight double precision) (
    SFUNC = segment.kmeans_transition,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans(k integer, options jsonb, VARIADIC features "any") (
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
CREATE AGGREGATE segment.kmeans_state(features double precision[], k integer, options jsonb,
                                      weight double precision) (
    SFUNC = segment.kmeans_transition,
    STYPE = segment.kmeans_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_combine,
    FINALFUNC = segment.kmeans_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_state(k integer, options jsonb, VARIADIC features "any") (
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
'k-means clustering of the rows. features: one array a row, all of one length, finite, within +-1e140; a row with a NULL is skipped and counted. k: number of clusters, 1 to the number of distinct rows, the same in every row. options (also NULL): seed (default pg_segment.default_seed), n_init (restarts, 10), max_iter (300), tol (iterations stop when the squared movement of the centroids would be at most tol times the mean variance of a feature, or, where less, a multiple of that within clusters; restarts already at 1e-4; default 0 for inputs up to 262,144 values, 1e-4 beyond), init (centroids to start from: k arrays in units of the rows, or a model''s JSON; its cluster numbers are kept), algorithm ("kmeans"; "bisecting": clusters are halved until there are k; "kprototypes": numbers and categories, see docs), measure ("euclidean"; "cosine": rows are brought to length 1), standardize ("none", "zscore": population standard deviation, "robust": median and interquartile range, "minmax"), order_by ("size": cluster 1 is the largest; or a feature''s number, negative for descending), min_size and max_size (rows of a cluster, 0: any), gamma and categories (kprototypes). Lloyd''s algorithm (1982) from greedy k-means++ seeds (Arthur and Vassilvitskii 2007); the results of restarts are recombined (Gribel and Vidal 2019). The same rows, options and seed give the same model, whatever the row order, plan or number of workers. NULL when there is no usable row. 22023 for options outside their range or not the same in every row and for k above the distinct rows, 2202E for arrays of another length, 22000 for NaN and infinity, 22003 beyond +-1e140. Time O(n_init * iterations * rows * k * dimensions), for large inputs O(iterations * rows * k * dimensions), the restarts being made in a sample; memory 8 bytes a value while gathering (4 where single precision holds all of them exactly), then 4 to 12 a value and 15 to 46 a row while training. Rows that would pass pg_segment.max_memory are collapsed when they are equal, and else those with the largest content hash are left out: a sample that does not depend on their order either (see segment.model_info).';
COMMENT ON AGGREGATE segment.kmeans(double precision[], integer, jsonb, double precision) IS
'k-means clustering of rows with weights: a row of weight 2 counts as two. weight: 0 (leaves the row out) or 1e-12 to 1e12; NULL skips the row, 22000 for NaN, infinity and negative ones. Otherwise as the form without weights; options may be NULL.';
COMMENT ON AGGREGATE segment.kmeans(integer, jsonb, VARIADIC "any") IS
'k-means clustering of the rows whose features are columns: the model that segment.kmeans(ARRAY[features]::double precision[], k, options) gives, without an array made for each row. features: smallint, integer, bigint, real, double precision or numeric, and domains over them; at most 97 (an aggregate has at most 99 arguments); a row with a NULL is skipped and counted. options may be NULL. Errors as of the form with an array, and 22023 for a feature that is no number.';
COMMENT ON AGGREGATE segment.kmeans_state(double precision[], integer) IS
'Gathers rows for k-means without training; see the form with options.';
COMMENT ON AGGREGATE segment.kmeans_state(double precision[], integer, jsonb) IS
'Gathers rows for k-means without training: a partial state to store (per day, per shard), merge with segment.rollup and train with segment.finalize. Arguments as of segment.kmeans.';
COMMENT ON AGGREGATE segment.kmeans_state(double precision[], integer, jsonb, double precision) IS
'Gathers weighted rows for k-means without training. Arguments as of segment.kmeans.';
COMMENT ON AGGREGATE segment.kmeans_state(integer, jsonb, VARIADIC "any") IS
'Gathers rows whose features are columns for k-means without training. Arguments as of segment.kmeans.';
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
'Euclidean distance to the centroid of the cluster that segment.cluster_id gives, in the space in which the model measured distances (standardized units when it standardizes); for the measure "cosine" 1 less the cosine, for k-prototypes the root of its distance. NULLs and errors as segment.cluster_id.';

CREATE FUNCTION segment.cluster_set(model segment.clustering, features double precision[], top_n integer DEFAULT NULL)
    RETURNS TABLE (cluster_id integer, distance double precision, weight double precision)
    AS 'MODULE_PATHNAME', 'pgseg_cluster_set' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 8;
COMMENT ON FUNCTION segment.cluster_set(segment.clustering, double precision[], integer) IS
'The nearest clusters of a row, nearest first: all, or the top_n nearest. distance as segment.cluster_distance; weight: soft membership, inversely proportional to the squared distance, 1 in sum over all clusters (fuzzy c-means with exponent 2, Bezdek 1981). No rows when the model or a feature is NULL; 22023 for top_n below 1, else errors as segment.cluster_id. O(k * dimensions).';

CREATE FUNCTION segment.cluster_details(model segment.clustering, features double precision[])
    RETURNS TABLE (cluster_id integer, second_id integer, distance double precision, second_distance double precision,
                   silhouette double precision, feature integer, name text, value double precision,
                   centroid double precision, second_centroid double precision, share double precision)
    AS 'MODULE_PATHNAME', 'pgseg_cluster_details' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 8;
COMMENT ON FUNCTION segment.cluster_details(segment.clustering, double precision[]) IS
'Why a row is in its cluster and not in the next nearest one: a row a feature, those that decided first. share: the feature''s part of the difference between the two squared distances, 1 in sum, negative where it speaks for the other cluster. silhouette: (second_distance - distance) / the larger of them. value and the centroids in the units of the features given. The columns of the second cluster are NULL for k = 1. No rows when a feature is NULL; errors as segment.cluster_id. O(k * dimensions).';

CREATE FUNCTION segment.centroids(model segment.clustering, standardized boolean DEFAULT false)
    RETURNS TABLE (cluster_id integer, feature integer, name text, value double precision, shares jsonb)
    AS 'MODULE_PATHNAME', 'pgseg_centroids' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 40;
COMMENT ON FUNCTION segment.centroids(segment.clustering, boolean) IS
'The centroids: one row a cluster and feature; feature is the position in the array, from 1. A model with a preparation gives one row a cluster and column in the column''s own units: for a number its value (where a logarithm was taken, the geometric mean of 1 + x, less 1), for a category the shares of its levels, for an indicator of NULLs the share of rows with one. standardized: the features between which distances were measured instead.';

CREATE FUNCTION segment.clusters(model segment.clustering)
    RETURNS TABLE (cluster_id integer, label text, size bigint, share double precision, within_ss double precision,
                   radius double precision, scatter double precision, silhouette double precision)
    AS 'MODULE_PATHNAME', 'pgseg_clusters' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 8;
COMMENT ON FUNCTION segment.clusters(segment.clustering) IS
'One row a cluster: its label (given with segment.with_labels, else the features in which its centroid differs most from the mean), training rows in it, their share of all (of the weight, where rows have one), the sum of squared distances to the centroid, the largest and the mean distance, and the mean simplified silhouette of its rows (NULL for k = 1), all in the space of distances.';

CREATE FUNCTION segment.with_labels(model segment.clustering, labels text[]) RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_with_labels' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.with_labels(segment.clustering, text[]) IS
'The model with names for its clusters, in the order of their numbers; NULL and the empty text stand for the description that segment.clusters makes. 2202E for another number of labels than clusters, 22023 for one of more than 1,000 bytes.';

CREATE FUNCTION segment.with_preparation(model segment.clustering, preparation segment.preparation)
    RETURNS segment.clustering
    AS 'MODULE_PATHNAME', 'pgseg_with_preparation' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.with_preparation(segment.clustering, segment.preparation) IS
'The model with the preparation that made its features, so that centroids come in the units of the columns and segment.predict scores whole rows. 22023 for a preparation that makes another number of features.';

CREATE FUNCTION segment.preparation_of(model segment.clustering) RETURNS segment.preparation
    AS 'MODULE_PATHNAME', 'pgseg_preparation_of' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.preparation_of(segment.clustering) IS
'The preparation that the model has, or NULL.';

CREATE FUNCTION segment.model_info(
    model segment.clustering,
    OUT algorithm text, OUT k integer, OUT dimensions integer, OUT rows bigint, OUT skipped bigint,
    OUT distinct_rows bigint, OUT sampled_rows bigint, OUT iterations integer, OUT converged boolean,
    OUT relocated integer, OUT inertia double precision, OUT total_ss double precision,
    OUT between_ss double precision, OUT seed bigint, OUT n_init integer, OUT max_iter integer,
    OUT tol double precision, OUT standardize text, OUT measure text, OUT bounded boolean, OUT refined boolean,
    OUT gamma double precision)
    AS 'MODULE_PATHNAME', 'pgseg_model_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.model_info(segment.clustering) IS
'How a model came about: rows used and skipped (a feature was NULL), distinct rows (NULL where they were not counted, nearly all being different), sampled_rows (how many of the rows training kept; NULL: all), Lloyd iterations of the best restart and of all rows after the search, and whether the last ones converged, empty clusters relocated, inertia (sum of squared distances to the own centroid, in the space of distances), total_ss (to the mean), between_ss (their difference), the options, bounded (whether min_size and max_size hold; NULL without bounds), refined (a sample''s model was iterated further over all rows), gamma of k-prototypes.';

CREATE FUNCTION segment.prepare_info(model segment.clustering)
    RETURNS TABLE (column_name text, type text, treatment text, reason text, first_feature integer, features integer,
                   transform text, lower double precision, upper double precision, scaling text,
                   shift double precision, scale double precision, null_treatment text, null_value double precision,
                   indicator boolean, weight double precision, as_of timestamp without time zone, nulls bigint,
                   levels text[], other_rows bigint)
    AS 'MODULE_PATHNAME', 'pgseg_prepare_info_of_model' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION segment.prepare_info(segment.clustering) IS
'What the model''s preparation does to each column and why, as segment.prepare_info(preparation) says it. No rows for a model without a preparation.';
