-- ---------------------------------------------------------------------------------------------------------------
-- How good a clustering is: measures of rows and labels, of rows and a model, and of a model alone
-- ---------------------------------------------------------------------------------------------------------------

-- segment.labelled_state: rows with their cluster. Availability: 0.1.0
CREATE TYPE segment.labelled_state;

CREATE FUNCTION segment.labelled_state_in(cstring) RETURNS segment.labelled_state
    AS 'MODULE_PATHNAME', 'pgseg_labelled_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.labelled_state_out(segment.labelled_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_labelled_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.labelled_state_recv(internal) RETURNS segment.labelled_state
    AS 'MODULE_PATHNAME', 'pgseg_labelled_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.labelled_state_send(segment.labelled_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_labelled_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.labelled_state (
    INPUT = segment.labelled_state_in,
    OUTPUT = segment.labelled_state_out,
    RECEIVE = segment.labelled_state_recv,
    SEND = segment.labelled_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.labelled_state IS
'Rows with the cluster of each, not yet measured: made by segment.labelled_state, merged by segment.rollup, read by segment.silhouette, simplified_silhouette, calinski_harabasz, davies_bouldin and inertia.';
COMMENT ON FUNCTION segment.labelled_state_in(cstring) IS 'input of segment.labelled_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.labelled_state_out(segment.labelled_state) IS 'output of segment.labelled_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.labelled_state_recv(internal) IS 'binary input of segment.labelled_state';
COMMENT ON FUNCTION segment.labelled_state_send(segment.labelled_state) IS 'binary output of segment.labelled_state';

CREATE FUNCTION segment.labelled_transition(state segment.labelled_state, features double precision[], cluster integer)
    RETURNS segment.labelled_state
    AS 'MODULE_PATHNAME', 'pgseg_labelled_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.labelled_combine(segment.labelled_state, segment.labelled_state) RETURNS segment.labelled_state
    AS 'MODULE_PATHNAME', 'pgseg_labelled_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.labelled_state_final(segment.labelled_state) RETURNS segment.labelled_state
    AS 'MODULE_PATHNAME', 'pgseg_labelled_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.labelled_transition(segment.labelled_state, double precision[], integer) IS
'transition function of segment.labelled_state(features, cluster) and of the measures with these arguments';
COMMENT ON FUNCTION segment.labelled_combine(segment.labelled_state, segment.labelled_state) IS
'combine function of segment.labelled_state and of the measures of labelled rows';
COMMENT ON FUNCTION segment.labelled_state_final(segment.labelled_state) IS 'final function of segment.labelled_state';

CREATE FUNCTION segment.labelled_silhouette_final(segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_silhouette' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION segment.labelled_silhouette_final(segment.labelled_state) IS 'final function of segment.silhouette over labelled rows';

CREATE FUNCTION segment.labelled_simplified_silhouette_final(segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_simplified_silhouette' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.labelled_simplified_silhouette_final(segment.labelled_state) IS 'final function of segment.simplified_silhouette over labelled rows';

CREATE FUNCTION segment.labelled_calinski_harabasz_final(segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_calinski_harabasz' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.labelled_calinski_harabasz_final(segment.labelled_state) IS 'final function of segment.calinski_harabasz over labelled rows';

CREATE FUNCTION segment.labelled_davies_bouldin_final(segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_davies_bouldin' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.labelled_davies_bouldin_final(segment.labelled_state) IS 'final function of segment.davies_bouldin over labelled rows';

CREATE FUNCTION segment.labelled_inertia_final(segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_inertia' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.labelled_inertia_final(segment.labelled_state) IS 'final function of segment.inertia over labelled rows';

CREATE AGGREGATE segment.silhouette(features double precision[], cluster integer) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_silhouette_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.simplified_silhouette(features double precision[], cluster integer) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_simplified_silhouette_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.calinski_harabasz(features double precision[], cluster integer) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_calinski_harabasz_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.davies_bouldin(features double precision[], cluster integer) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_davies_bouldin_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.inertia(features double precision[], cluster integer) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_inertia_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.labelled_state(features double precision[], cluster integer) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.labelled_state) (
    SFUNC = segment.labelled_combine,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.silhouette(double precision[], integer) IS
'Mean silhouette width of a labelling, exact (Rousseeuw 1987, J. Comput. Appl. Math. 20): (b - a) / max(a, b), where a is a row''s mean Euclidean distance to the other rows of its cluster and b the mean distance to the rows of the nearest other one; a row alone in its cluster counts 0. From -1 (wrong) to 1 (well separated); NULL for fewer than two clusters. features: one array a row, all of one length, finite, within +-1e140. cluster: its cluster, any integer. A row with a NULL is skipped; what to do with noise is the querys choice: leave it NULL, give it a number, or give each row one of its own. Time O(rows^2 * dimensions / 2), over distinct rows; memory is linear. The same rows give the same bits, whatever their order, the plan or the number of workers. Memory 8 bytes a value and row, then about twice that; 54000 past pg_segment.max_memory. Errors: 2202E rows of different length, 22000 NaN or infinity, 22003 out of range.';
COMMENT ON AGGREGATE segment.simplified_silhouette(double precision[], integer) IS
'The silhouette with distances to centroids (the means of the clusters) in the place of mean distances to rows (Hruschka, de Castro and Campello 2004): nearly as telling, at O(rows * clusters * dimensions). A row alone in its cluster counts 0. NULL for fewer than two clusters. features: one array a row, all of one length, finite, within +-1e140. cluster: its cluster, any integer. A row with a NULL is skipped; what to do with noise is the querys choice: leave it NULL, give it a number, or give each row one of its own. The same rows give the same bits, whatever their order, the plan or the number of workers. Memory 8 bytes a value and row, then about twice that; 54000 past pg_segment.max_memory. Errors: 2202E rows of different length, 22000 NaN or infinity, 22003 out of range.';
COMMENT ON AGGREGATE segment.calinski_harabasz(double precision[], integer) IS
'Calinski-Harabasz index (1974): between-cluster over within-cluster variance, (B / (k - 1)) / (W / (n - k)); more is better. NULL for fewer than two clusters and for as many clusters as rows; Infinity when every row equals its centroid. features: one array a row, all of one length, finite, within +-1e140. cluster: its cluster, any integer. A row with a NULL is skipped; what to do with noise is the querys choice: leave it NULL, give it a number, or give each row one of its own. O(rows * dimensions). The same rows give the same bits, whatever their order, the plan or the number of workers. Memory 8 bytes a value and row, then about twice that; 54000 past pg_segment.max_memory. Errors: 2202E rows of different length, 22000 NaN or infinity, 22003 out of range.';
COMMENT ON AGGREGATE segment.davies_bouldin(double precision[], integer) IS
'Davies-Bouldin index (1979): the mean over clusters of the largest (S_i + S_j) / M_ij, with S the mean distance of a cluster''s rows to its centroid and M the distance of two centroids; less is better. NULL for fewer than two clusters; Infinity when two centroids coincide. features: one array a row, all of one length, finite, within +-1e140. cluster: its cluster, any integer. A row with a NULL is skipped; what to do with noise is the querys choice: leave it NULL, give it a number, or give each row one of its own. O(rows * dimensions + clusters^2 * dimensions). The same rows give the same bits, whatever their order, the plan or the number of workers. Memory 8 bytes a value and row, then about twice that; 54000 past pg_segment.max_memory. Errors: 2202E rows of different length, 22000 NaN or infinity, 22003 out of range.';
COMMENT ON AGGREGATE segment.inertia(double precision[], integer) IS
'Sum of squared Euclidean distances of the rows to the means of their clusters. features: one array a row, all of one length, finite, within +-1e140. cluster: its cluster, any integer. A row with a NULL is skipped; what to do with noise is the querys choice: leave it NULL, give it a number, or give each row one of its own. O(rows * dimensions). The same rows give the same bits, whatever their order, the plan or the number of workers. Memory 8 bytes a value and row, then about twice that; 54000 past pg_segment.max_memory. Errors: 2202E rows of different length, 22000 NaN or infinity, 22003 out of range.';
COMMENT ON AGGREGATE segment.labelled_state(double precision[], integer) IS
'Gathers rows and their clusters without measuring: a partial state to store (per day, per shard), to merge with segment.rollup, and to read with segment.silhouette, simplified_silhouette, calinski_harabasz, davies_bouldin and inertia. Arguments as of segment.silhouette.';
COMMENT ON AGGREGATE segment.rollup(segment.labelled_state) IS
'Merges stored states of labelled rows; all must have the same number of features and labels of one origin (their own, or one model). NULLs are ignored.';

CREATE FUNCTION segment.silhouette(state segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_silhouette' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION segment.silhouette(segment.labelled_state) IS
'The same value that the aggregate segment.silhouette gives for the rows of the state. NULL for NULL and for a state without a usable row.';
CREATE FUNCTION segment.simplified_silhouette(state segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_simplified_silhouette' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.simplified_silhouette(segment.labelled_state) IS
'The same value that the aggregate segment.simplified_silhouette gives for the rows of the state. NULL for NULL and for a state without a usable row.';
CREATE FUNCTION segment.calinski_harabasz(state segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_calinski_harabasz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.calinski_harabasz(segment.labelled_state) IS
'The same value that the aggregate segment.calinski_harabasz gives for the rows of the state. NULL for NULL and for a state without a usable row.';
CREATE FUNCTION segment.davies_bouldin(state segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_davies_bouldin' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.davies_bouldin(segment.labelled_state) IS
'The same value that the aggregate segment.davies_bouldin gives for the rows of the state. NULL for NULL and for a state without a usable row.';
CREATE FUNCTION segment.inertia(state segment.labelled_state) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_labelled_inertia' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.inertia(segment.labelled_state) IS
'The same value that the aggregate segment.inertia gives for the rows of the state. NULL for NULL and for a state without a usable row.';
-- segment.model_fit: sums over rows that were compared with a model. Availability: 0.1.0
CREATE TYPE segment.model_fit;

CREATE FUNCTION segment.model_fit_in(cstring) RETURNS segment.model_fit
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_out(segment.model_fit) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_recv(internal) RETURNS segment.model_fit
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_send(segment.model_fit) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.model_fit (
    INPUT = segment.model_fit_in,
    OUTPUT = segment.model_fit_out,
    RECEIVE = segment.model_fit_recv,
    SEND = segment.model_fit_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.model_fit IS
'How well a model fits some rows, as exact sums (440 bytes): made by segment.model_fit(model, features), merged by segment.rollup, read by segment.simplified_silhouette and segment.inertia.';
COMMENT ON FUNCTION segment.model_fit_in(cstring) IS 'input of segment.model_fit: hexadecimal bytes';
COMMENT ON FUNCTION segment.model_fit_out(segment.model_fit) IS 'output of segment.model_fit: hexadecimal bytes';
COMMENT ON FUNCTION segment.model_fit_recv(internal) IS 'binary input of segment.model_fit';
COMMENT ON FUNCTION segment.model_fit_send(segment.model_fit) IS 'binary output of segment.model_fit';

CREATE FUNCTION segment.labelled_transition(state segment.labelled_state, model segment.clustering,
                                            features double precision[])
    RETURNS segment.labelled_state
    AS 'MODULE_PATHNAME', 'pgseg_labelled_transition_model' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_transition(state segment.model_fit, model segment.clustering,
                                             features double precision[])
    RETURNS segment.model_fit
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_combine(segment.model_fit, segment.model_fit) RETURNS segment.model_fit
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_final(segment.model_fit) RETURNS segment.model_fit
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_silhouette_final(segment.model_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_silhouette' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.model_fit_inertia_final(segment.model_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_inertia' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.labelled_transition(segment.labelled_state, segment.clustering, double precision[]) IS
'transition function of segment.labelled_state(model, features) and segment.silhouette(model, features)';
COMMENT ON FUNCTION segment.model_fit_transition(segment.model_fit, segment.clustering, double precision[]) IS
'transition function of segment.model_fit, and of segment.simplified_silhouette and inertia of a model and rows';
COMMENT ON FUNCTION segment.model_fit_combine(segment.model_fit, segment.model_fit) IS
'combine function of segment.model_fit, and of segment.simplified_silhouette and inertia of a model and rows';
COMMENT ON FUNCTION segment.model_fit_final(segment.model_fit) IS 'final function of segment.model_fit';
COMMENT ON FUNCTION segment.model_fit_silhouette_final(segment.model_fit) IS
'final function of segment.simplified_silhouette(model, features)';
COMMENT ON FUNCTION segment.model_fit_inertia_final(segment.model_fit) IS
'final function of segment.inertia(model, features)';

CREATE AGGREGATE segment.silhouette(model segment.clustering, features double precision[]) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_silhouette_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.labelled_state(model segment.clustering, features double precision[]) (
    SFUNC = segment.labelled_transition,
    STYPE = segment.labelled_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.labelled_combine,
    FINALFUNC = segment.labelled_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.simplified_silhouette(model segment.clustering, features double precision[]) (
    SFUNC = segment.model_fit_transition,
    STYPE = segment.model_fit,
    SSPACE = 448,
    COMBINEFUNC = segment.model_fit_combine,
    FINALFUNC = segment.model_fit_silhouette_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.inertia(model segment.clustering, features double precision[]) (
    SFUNC = segment.model_fit_transition,
    STYPE = segment.model_fit,
    SSPACE = 448,
    COMBINEFUNC = segment.model_fit_combine,
    FINALFUNC = segment.model_fit_inertia_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.model_fit(model segment.clustering, features double precision[]) (
    SFUNC = segment.model_fit_transition,
    STYPE = segment.model_fit,
    SSPACE = 448,
    COMBINEFUNC = segment.model_fit_combine,
    FINALFUNC = segment.model_fit_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.model_fit) (
    SFUNC = segment.model_fit_combine,
    STYPE = segment.model_fit,
    SSPACE = 448,
    COMBINEFUNC = segment.model_fit_combine,
    FINALFUNC = segment.model_fit_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.silhouette(segment.clustering, double precision[]) IS
'Mean silhouette width, exact (Rousseeuw 1987), of the rows when each is in the model''s cluster for it, in the space in which the model measures distances: standardized when it standardizes, the chord for cosine, categories weighted with the square root of gamma for k-prototypes. A row with a NULL is skipped; a row alone in its cluster counts 0; NULL when all rows are in one cluster. Time O(rows^2 * dimensions / 2), over distinct rows; memory is linear. For many rows see segment.simplified_silhouette. Errors: 22004 a NULL model, 22023 different models in one call, 2202E another number of features than the model has, 22000 NaN or infinity.';
COMMENT ON AGGREGATE segment.labelled_state(segment.clustering, double precision[]) IS
'Gathers rows in the model''s space of distances, with the model''s cluster for each: for any measure of segment.labelled_state. Arguments as of segment.silhouette(model, features).';
COMMENT ON AGGREGATE segment.simplified_silhouette(segment.clustering, double precision[]) IS
'Mean of (b - a) / max(a, b) over the rows, a the distance to the centroid of the model''s cluster for the row and b to the nearest other centroid (Hruschka, de Castro and Campello 2004). One pass, a state of 440 bytes, O(k * dimensions) a row; each row''s value counts to 60 binary digits, so order and workers cannot matter. A row with a NULL is skipped; NULL without rows and for a model of one cluster. Errors: 22004 a NULL model, 22023 different models in one call, 2202E another number of features than the model has, 22000 NaN or infinity.';
COMMENT ON AGGREGATE segment.inertia(segment.clustering, double precision[]) IS
'Sum of squared distances of the rows to the centroid of the model''s cluster for each, in the model''s space of distances, summed exactly (Shewchuk 1997) and rounded once. One pass. A row with a NULL is skipped; NULL without rows. Errors: 22004 a NULL model, 22023 different models in one call, 2202E another number of features than the model has, 22000 NaN or infinity.';
COMMENT ON AGGREGATE segment.model_fit(segment.clustering, double precision[]) IS
'What segment.simplified_silhouette and segment.inertia of a model and rows are read from: a partial state to store (per day, per shard) and to merge with segment.rollup. Arguments as there.';
COMMENT ON AGGREGATE segment.rollup(segment.model_fit) IS
'Merges stored values of segment.model_fit; all must be of one model (22023). NULLs are ignored.';

CREATE FUNCTION segment.simplified_silhouette(fit segment.model_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_silhouette' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.simplified_silhouette(segment.model_fit) IS
'The same value that segment.simplified_silhouette(model, features) gives for the rows of the state. NULL for NULL, without rows and for a model of one cluster.';
CREATE FUNCTION segment.inertia(fit segment.model_fit) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_model_fit_inertia' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.inertia(segment.model_fit) IS
'The same value that segment.inertia(model, features) gives for the rows of the state. NULL for NULL and without rows.';

CREATE FUNCTION segment.silhouette(model segment.clustering) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clustering_silhouette' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.silhouette(segment.clustering) IS
'Mean simplified silhouette of the rows that the model was trained on, as stored in it: distances to centroids in the place of mean distances to rows. NULL for one cluster. O(k).';
CREATE FUNCTION segment.calinski_harabasz(model segment.clustering) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clustering_calinski_harabasz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.calinski_harabasz(segment.clustering) IS
'Calinski-Harabasz index (1974) of the rows that the model was trained on, from the sums of squares stored in it; more is better. NULL for one cluster, and for no more rows than clusters; Infinity when every row equals its centroid. O(1).';
CREATE FUNCTION segment.davies_bouldin(model segment.clustering) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clustering_davies_bouldin' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment.davies_bouldin(segment.clustering) IS
'Davies-Bouldin index (1979) of the rows that the model was trained on, from the mean distances to centroids stored in it; less is better. NULL for one cluster; Infinity when two centroids coincide. O(k^2 * dimensions).';
CREATE FUNCTION segment.inertia(model segment.clustering) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clustering_inertia' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.inertia(segment.clustering) IS
'Sum of squared distances of the rows that the model was trained on to their centroids, in the space of distances; what segment.model_info calls inertia. O(1).';
