-- ---------------------------------------------------------------------------------------------------------------
-- How many clusters: k-means for a range of k, measured, and a choice with its reason
-- ---------------------------------------------------------------------------------------------------------------

-- segment.kmeans_quality: measures of one clustering of a sweep. Availability: 0.1.0
CREATE TYPE segment.kmeans_quality AS (
    k integer,
    inertia double precision,
    silhouette double precision,
    calinski_harabasz double precision,
    davies_bouldin double precision,
    bic double precision,
    gap double precision,
    gap_error double precision,
    stability double precision
);
COMMENT ON TYPE segment.kmeans_quality IS
'Measures of the k-means clustering with k clusters, one of those that segment.kmeans_sweep tries.';
COMMENT ON COLUMN segment.kmeans_quality.k IS 'number of clusters';
COMMENT ON COLUMN segment.kmeans_quality.inertia IS
'sum of squared distances to the nearest centroid; falls with k whatever the data, so it says nothing by itself';
COMMENT ON COLUMN segment.kmeans_quality.silhouette IS
'mean silhouette width of a sample, exact; more is better; NULL for k = 1';
COMMENT ON COLUMN segment.kmeans_quality.calinski_harabasz IS
'Calinski-Harabasz index; more is better; NULL for k = 1 and when every row equals its centroid';
COMMENT ON COLUMN segment.kmeans_quality.davies_bouldin IS 'Davies-Bouldin index; less is better; NULL for k = 1';
COMMENT ON COLUMN segment.kmeans_quality.bic IS
'Bayesian information criterion of k spherical Gaussians of one variance, as log likelihood less penalty: more is better; NULL when every row equals its centroid';
COMMENT ON COLUMN segment.kmeans_quality.gap IS
'gap statistic: how much less the log inertia is than that of uniform noise; NULL without references';
COMMENT ON COLUMN segment.kmeans_quality.gap_error IS 'its standard error, s_k; NULL without references';
COMMENT ON COLUMN segment.kmeans_quality.stability IS
'mean adjusted Rand index between the clustering and those of halves of the rows, at most 1; NULL for k = 1 and without replicates';

-- segment.kmeans_sweep_state: what the aggregate has gathered. Availability: 0.1.0
CREATE TYPE segment.kmeans_sweep_state;

CREATE FUNCTION segment.kmeans_sweep_state_in(cstring) RETURNS segment.kmeans_sweep_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_sweep_state_out(segment.kmeans_sweep_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_sweep_state_recv(internal) RETURNS segment.kmeans_sweep_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_sweep_state_send(segment.kmeans_sweep_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.kmeans_sweep_state (
    INPUT = segment.kmeans_sweep_state_in,
    OUTPUT = segment.kmeans_sweep_state_out,
    RECEIVE = segment.kmeans_sweep_state_recv,
    SEND = segment.kmeans_sweep_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);
COMMENT ON TYPE segment.kmeans_sweep_state IS
'Rows gathered for a sweep over numbers of clusters, not yet measured: made by segment.kmeans_sweep_state, merged by segment.rollup, measured by segment.finalize.';
COMMENT ON FUNCTION segment.kmeans_sweep_state_in(cstring) IS 'input of segment.kmeans_sweep_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.kmeans_sweep_state_out(segment.kmeans_sweep_state) IS 'output of segment.kmeans_sweep_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.kmeans_sweep_state_recv(internal) IS 'binary input of segment.kmeans_sweep_state';
COMMENT ON FUNCTION segment.kmeans_sweep_state_send(segment.kmeans_sweep_state) IS 'binary output of segment.kmeans_sweep_state';

-- STABLE: without a seed among the options, the session's default counts.
CREATE FUNCTION segment.kmeans_sweep_transition(state segment.kmeans_sweep_state, features double precision[],
                                                k_min integer, k_max integer)
    RETURNS segment.kmeans_sweep_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_sweep_transition(state segment.kmeans_sweep_state, features double precision[],
                                                k_min integer, k_max integer, options jsonb)
    RETURNS segment.kmeans_sweep_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_sweep_combine(segment.kmeans_sweep_state, segment.kmeans_sweep_state)
    RETURNS segment.kmeans_sweep_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.kmeans_sweep_final(segment.kmeans_sweep_state) RETURNS segment.kmeans_quality[]
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000;
CREATE FUNCTION segment.kmeans_sweep_state_final(segment.kmeans_sweep_state) RETURNS segment.kmeans_sweep_state
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.kmeans_sweep_transition(segment.kmeans_sweep_state, double precision[], integer, integer) IS
'transition function of segment.kmeans_sweep';
COMMENT ON FUNCTION segment.kmeans_sweep_transition(segment.kmeans_sweep_state, double precision[], integer, integer, jsonb) IS
'transition function of segment.kmeans_sweep';
COMMENT ON FUNCTION segment.kmeans_sweep_combine(segment.kmeans_sweep_state, segment.kmeans_sweep_state) IS
'combine function of segment.kmeans_sweep';
COMMENT ON FUNCTION segment.kmeans_sweep_final(segment.kmeans_sweep_state) IS 'final function of segment.kmeans_sweep';
COMMENT ON FUNCTION segment.kmeans_sweep_state_final(segment.kmeans_sweep_state) IS
'final function of segment.kmeans_sweep_state';

CREATE AGGREGATE segment.kmeans_sweep(features double precision[], k_min integer, k_max integer) (
    SFUNC = segment.kmeans_sweep_transition,
    STYPE = segment.kmeans_sweep_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_sweep_combine,
    FINALFUNC = segment.kmeans_sweep_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_sweep(features double precision[], k_min integer, k_max integer, options jsonb) (
    SFUNC = segment.kmeans_sweep_transition,
    STYPE = segment.kmeans_sweep_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_sweep_combine,
    FINALFUNC = segment.kmeans_sweep_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_sweep_state(features double precision[], k_min integer, k_max integer) (
    SFUNC = segment.kmeans_sweep_transition,
    STYPE = segment.kmeans_sweep_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_sweep_combine,
    FINALFUNC = segment.kmeans_sweep_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.kmeans_sweep_state(features double precision[], k_min integer, k_max integer, options jsonb) (
    SFUNC = segment.kmeans_sweep_transition,
    STYPE = segment.kmeans_sweep_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_sweep_combine,
    FINALFUNC = segment.kmeans_sweep_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.kmeans_sweep_state) (
    SFUNC = segment.kmeans_sweep_combine,
    STYPE = segment.kmeans_sweep_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.kmeans_sweep_combine,
    FINALFUNC = segment.kmeans_sweep_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.kmeans_sweep(double precision[], integer, integer) IS
'Measures of the k-means clusterings with k_min to k_max clusters with default options; see the form with options.';
COMMENT ON AGGREGATE segment.kmeans_sweep(double precision[], integer, integer, jsonb) IS
'Trains k-means for every k from k_min (at least 1) to k_max (at most 999 more), or to the number of distinct rows if that is less, and measures each: SELECT * FROM unnest((SELECT segment.kmeans_sweep(ARRAY[x, y], 1, 10) FROM t)). features: as of segment.kmeans; a row with a NULL is skipped. options: those of segment.kmeans that fit any k (seed, n_init, max_iter, tol, standardize, measure, algorithm "kmeans" or "bisecting"), and train_rows (50000: rows to train with, drawn from a larger table; sums are scaled to all rows), sample (5000: rows for the silhouette), references (10: sets of noise for the gap; 0: no gap), replicates (10: halves of the rows for stability; 0: none). Silhouette: Rousseeuw 1987. bic: Pelleg and Moore 2000, sum n_i ln(n_i / n) - n d / 2 ln(2 pi s2) - d (n - k) / 2 - (k - 1 + k d + 1) / 2 ln n, s2 = inertia / (d (n - k)). gap: Tibshirani, Walther and Hastie 2001, uniform over the range of each feature, on at most 1,000 rows. stability: adjusted Rand index (Hubert and Arabie 1985), after Ben-Hur, Elisseeff and Guyon 2002, on at most 1,000 rows. What is not defined is NULL. The same rows and options give the same array, whatever the row order, plan or number of workers; samples are drawn by content. NULL without a usable row. Errors: 22023 for k and options out of range, else as segment.kmeans. Time about O((k_max - k_min + 1) * one training with train_rows rows).';
COMMENT ON AGGREGATE segment.kmeans_sweep_state(double precision[], integer, integer) IS
'Gathers rows for a sweep without measuring; see the form with options.';
COMMENT ON AGGREGATE segment.kmeans_sweep_state(double precision[], integer, integer, jsonb) IS
'Gathers rows for a sweep without measuring: a partial state to store (per day, per shard), merge with segment.rollup and measure with segment.finalize. Arguments as of segment.kmeans_sweep.';
COMMENT ON AGGREGATE segment.rollup(segment.kmeans_sweep_state) IS
'Merges stored states of a sweep; all must have the same options and number of features. NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.kmeans_sweep_state) RETURNS segment.kmeans_quality[]
    AS 'MODULE_PATHNAME', 'pgseg_kmeans_sweep_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION segment.finalize(segment.kmeans_sweep_state) IS
'Measures the clusterings of a stored sweep: what segment.kmeans_sweep gives for the same rows. NULL for NULL, and for a state without a usable row.';

CREATE FUNCTION segment.choose_k(quality segment.kmeans_quality[], OUT k integer, OUT reason text)
    AS 'MODULE_PATHNAME', 'pgseg_choose_k' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.choose_k(segment.kmeans_quality[]) IS
'One number of clusters for what segment.kmeans_sweep has measured, and why; never the elbow of the inertia. 1, if k = 1 was measured and the gap of no other k is above that of k = 1 by more than 0.1 and its error. Else the k that most of three name: the largest silhouette, the largest Calinski-Harabasz index, and the gap''s rule (the least k whose gap is at least the next one less its error). A k whose stability is below 0.75 is not taken while another of the three is stable; ties go to the smaller k. Measures that are NULL have no vote; elements that are NULL are left out. NULL for NULL and for an empty array; 22004 for a NULL k, 22023 for one below 1.';
