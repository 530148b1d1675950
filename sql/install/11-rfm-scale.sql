-- ---------------------------------------------------------------------------------------------------------------
-- RFM scales: the thresholds between the scores as a value, fitted once and applied to any customer
-- ---------------------------------------------------------------------------------------------------------------

-- segment.rfm_scale: thresholds of recency, frequency and monetary value. Availability: 0.1.0
CREATE TYPE segment.rfm_scale;

CREATE FUNCTION segment.rfm_scale_in(cstring) RETURNS segment.rfm_scale
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_out(segment.rfm_scale) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_recv(internal) RETURNS segment.rfm_scale
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_send(segment.rfm_scale) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.rfm_scale (
    INPUT = segment.rfm_scale_in,
    OUTPUT = segment.rfm_scale_out,
    RECEIVE = segment.rfm_scale_recv,
    SEND = segment.rfm_scale_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.rfm_scale IS
'Thresholds between RFM scores: made by segment.rfm_scale(recency_days, frequency, monetary), read with segment.rfm_thresholds and segment.scale_info, applied with segment.rfm_score. Equal scales are equal bytes.';
COMMENT ON FUNCTION segment.rfm_scale_in(cstring) IS 'input of segment.rfm_scale: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_scale_out(segment.rfm_scale) IS 'output of segment.rfm_scale: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_scale_recv(internal) IS 'binary input of segment.rfm_scale';
COMMENT ON FUNCTION segment.rfm_scale_send(segment.rfm_scale) IS 'binary output of segment.rfm_scale';

-- segment.rfm_scale_state: what the aggregate has gathered. Availability: 0.1.0
CREATE TYPE segment.rfm_scale_state;

CREATE FUNCTION segment.rfm_scale_state_in(cstring) RETURNS segment.rfm_scale_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_state_out(segment.rfm_scale_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_state_recv(internal) RETURNS segment.rfm_scale_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_state_send(segment.rfm_scale_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.rfm_scale_state (
    INPUT = segment.rfm_scale_state_in,
    OUTPUT = segment.rfm_scale_state_out,
    RECEIVE = segment.rfm_scale_state_recv,
    SEND = segment.rfm_scale_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.rfm_scale_state IS
'Customers gathered for an RFM scale, not yet fitted: made by segment.rfm_scale_state(recency_days, frequency, monetary), merged by segment.rollup, fitted by segment.finalize.';
COMMENT ON FUNCTION segment.rfm_scale_state_in(cstring) IS 'input of segment.rfm_scale_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_scale_state_out(segment.rfm_scale_state) IS
'output of segment.rfm_scale_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_scale_state_recv(internal) IS 'binary input of segment.rfm_scale_state';
COMMENT ON FUNCTION segment.rfm_scale_state_send(segment.rfm_scale_state) IS 'binary output of segment.rfm_scale_state';

-- segment.rfm_scores: the scores of one customer. Availability: 0.1.0
CREATE TYPE segment.rfm_scores AS (r integer, f integer, m integer);
COMMENT ON TYPE segment.rfm_scores IS 'RFM scores of one customer, 1 the worst: the result of segment.rfm_score.';
COMMENT ON COLUMN segment.rfm_scores.r IS 'score of recency: the fewer days, the higher';
COMMENT ON COLUMN segment.rfm_scores.f IS 'score of frequency';
COMMENT ON COLUMN segment.rfm_scores.m IS 'score of monetary value';

CREATE FUNCTION segment.rfm_scale_transition(state segment.rfm_scale_state, recency_days double precision,
                                             frequency double precision, monetary double precision)
    RETURNS segment.rfm_scale_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_transition(state segment.rfm_scale_state, recency_days double precision,
                                             frequency double precision, monetary double precision, options jsonb)
    RETURNS segment.rfm_scale_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_combine(segment.rfm_scale_state, segment.rfm_scale_state)
    RETURNS segment.rfm_scale_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_scale_final(segment.rfm_scale_state) RETURNS segment.rfm_scale
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
CREATE FUNCTION segment.rfm_scale_state_final(segment.rfm_scale_state) RETURNS segment.rfm_scale_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.rfm_scale_transition(segment.rfm_scale_state, double precision, double precision,
                                                 double precision) IS
'transition function of segment.rfm_scale';
COMMENT ON FUNCTION segment.rfm_scale_transition(segment.rfm_scale_state, double precision, double precision,
                                                 double precision, jsonb) IS
'transition function of segment.rfm_scale';
COMMENT ON FUNCTION segment.rfm_scale_combine(segment.rfm_scale_state, segment.rfm_scale_state) IS
'combine function of segment.rfm_scale';
COMMENT ON FUNCTION segment.rfm_scale_final(segment.rfm_scale_state) IS 'final function of segment.rfm_scale';
COMMENT ON FUNCTION segment.rfm_scale_state_final(segment.rfm_scale_state) IS
'final function of segment.rfm_scale_state';

-- Integers and numeric come as double precision by their implicit casts, each rounded correctly once.
CREATE AGGREGATE segment.rfm_scale(recency_days double precision, frequency double precision,
                                   monetary double precision) (
    SFUNC = segment.rfm_scale_transition,
    STYPE = segment.rfm_scale_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.rfm_scale_combine,
    FINALFUNC = segment.rfm_scale_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_scale(recency_days double precision, frequency double precision,
                                   monetary double precision, options jsonb) (
    SFUNC = segment.rfm_scale_transition,
    STYPE = segment.rfm_scale_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.rfm_scale_combine,
    FINALFUNC = segment.rfm_scale_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_scale_state(recency_days double precision, frequency double precision,
                                         monetary double precision) (
    SFUNC = segment.rfm_scale_transition,
    STYPE = segment.rfm_scale_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.rfm_scale_combine,
    FINALFUNC = segment.rfm_scale_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_scale_state(recency_days double precision, frequency double precision,
                                         monetary double precision, options jsonb) (
    SFUNC = segment.rfm_scale_transition,
    STYPE = segment.rfm_scale_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.rfm_scale_combine,
    FINALFUNC = segment.rfm_scale_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.rfm_scale_state) (
    SFUNC = segment.rfm_scale_combine,
    STYPE = segment.rfm_scale_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.rfm_scale_combine,
    FINALFUNC = segment.rfm_scale_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.rfm_scale(double precision, double precision, double precision) IS
'RFM scale of the customers, at their quintiles; see the form with options.';
COMMENT ON AGGREGATE segment.rfm_scale(double precision, double precision, double precision, jsonb) IS
'RFM scale of the customers, one a row: the thresholds that divide them into scores from 1 (worst) to N (best). recency_days: days since the last order, the fewer the better; frequency, monetary: the more the better; a row with a NULL is skipped and counted. options, the same in every row: method, bins (2 to 10, default 5; one number, or [recency, frequency, monetary]), breaks. Methods: "quantile" (default: cuts are percentile_disc(k/N) from the worst up, a score is 1 + the cuts that are strictly worse; equal values share a score), "percent_rank" (floor(percent_rank * N) + 1, at most N), "cume_dist" (ceil(cume_dist * N)), "r_rfm" (R''s package rfm: type-7 quantiles + 1, intervals [lower, upper), so the currency unit matters), "fixed" (breaks: {"recency": [...], "frequency": [...], "monetary": [...]}, ascending; a value at a break has the better score), "nested" (quantiles of frequency within each recency score, of monetary within each pair), "klaviyo" (3 bins: recency up to 180 and 365 days, frequency and monetary by thirds). "ntile" needs ids and has no thresholds (22023; see segment.rfm). The same bits whatever the order of rows, the plan or the number of workers. NULL when there is no usable row; 22000 for NaN and infinity; 22023 for options out of range. Time O(rows); memory 24 bytes a customer, held against pg_segment.max_memory (54000 beyond), the customers of all groups of one aggregate node together.';
COMMENT ON AGGREGATE segment.rfm_scale_state(double precision, double precision, double precision) IS
'Gathers customers for an RFM scale without fitting; see the form with options.';
COMMENT ON AGGREGATE segment.rfm_scale_state(double precision, double precision, double precision, jsonb) IS
'Gathers customers for an RFM scale without fitting: a partial state to store (per shard, per region), merge with segment.rollup and fit with segment.finalize. Arguments as of segment.rfm_scale.';
COMMENT ON AGGREGATE segment.rollup(segment.rfm_scale_state) IS
'Merges stored states of RFM scales, which must have the same options (22023) and different customers. NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.rfm_scale_state) RETURNS segment.rfm_scale
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scale_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION segment.finalize(segment.rfm_scale_state) IS
'Fits the RFM scale of a stored state: the same scale that segment.rfm_scale gives for the same customers. NULL for NULL, and for a state without a usable row.';

CREATE FUNCTION segment.rfm_score(scale segment.rfm_scale, recency_days double precision, frequency double precision,
                                  monetary double precision)
    RETURNS segment.rfm_scores
    AS 'MODULE_PATHNAME', 'pgseg_rfm_score' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION segment.rfm_score(segment.rfm_scale, double precision, double precision, double precision) IS
'RFM scores (r, f, m) of a customer on a scale, also of one that the scale was not made from: values beyond the outermost threshold have the outermost score. A measure that is NULL has a NULL score, and on a nested scale so have the measures within it; a NULL scale gives NULL. 22000 for NaN and infinity. O(bins).';

CREATE FUNCTION segment.rfm_thresholds(scale segment.rfm_scale)
    RETURNS TABLE (measure text, r integer, f integer, score integer,
                   lower double precision, lower_inclusive boolean,
                   upper double precision, upper_inclusive boolean, condition text)
    AS 'MODULE_PATHNAME', 'pgseg_rfm_thresholds' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 15;
COMMENT ON FUNCTION segment.rfm_thresholds(segment.rfm_scale) IS
'What a scale does, one row a measure and score: the values from lower to upper have the score; a bound that is NULL is open, lower_inclusive and upper_inclusive tell whether the bound itself belongs to it; condition says the same in SQL. r and f: the recency and frequency score within which the row applies, for nested scales, else NULL. A score that nobody can have, because too many customers share one value, has a range that is empty.';

CREATE FUNCTION segment.scale_info(
    scale segment.rfm_scale,
    OUT method text, OUT r_bins integer, OUT f_bins integer, OUT m_bins integer,
    OUT customers bigint, OUT skipped bigint)
    AS 'MODULE_PATHNAME', 'pgseg_scale_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.scale_info(segment.rfm_scale) IS
'How a scale came about: its method, the number of scores of each measure, the customers it was fitted to, and the rows skipped because a measure was NULL.';
