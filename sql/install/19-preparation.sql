-- ---------------------------------------------------------------------------------------------------------------
-- Preparation: what is done to the columns of a row before it is clustered, as a value
-- ---------------------------------------------------------------------------------------------------------------

-- segment.preparation: what is done to each column. Availability: 0.1.0
CREATE TYPE segment.preparation;

CREATE FUNCTION segment.preparation_in(cstring) RETURNS segment.preparation
    AS 'MODULE_PATHNAME', 'pgseg_preparation_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.preparation_out(segment.preparation) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_preparation_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.preparation_recv(internal) RETURNS segment.preparation
    AS 'MODULE_PATHNAME', 'pgseg_preparation_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.preparation_send(segment.preparation) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_preparation_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.preparation (
    INPUT = segment.preparation_in,
    OUTPUT = segment.preparation_out,
    RECEIVE = segment.preparation_recv,
    SEND = segment.preparation_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.preparation IS
'What is done to each column of a row before it is clustered. Prints and reads as JSON; made by segment.preparation_fit, applied by segment.prepare, read with segment.prepare_info.';
COMMENT ON FUNCTION segment.preparation_in(cstring) IS 'input of segment.preparation: its JSON form';
COMMENT ON FUNCTION segment.preparation_out(segment.preparation) IS 'output of segment.preparation: its JSON form';
COMMENT ON FUNCTION segment.preparation_recv(internal) IS 'binary input of segment.preparation';
COMMENT ON FUNCTION segment.preparation_send(segment.preparation) IS 'binary output of segment.preparation';

-- segment.preparation_state: what the aggregate has gathered. Availability: 0.1.0
CREATE TYPE segment.preparation_state;

CREATE FUNCTION segment.preparation_state_in(cstring) RETURNS segment.preparation_state
    AS 'MODULE_PATHNAME', 'pgseg_preparation_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.preparation_state_out(segment.preparation_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_preparation_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.preparation_state_recv(internal) RETURNS segment.preparation_state
    AS 'MODULE_PATHNAME', 'pgseg_preparation_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.preparation_state_send(segment.preparation_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_preparation_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.preparation_state (
    INPUT = segment.preparation_state_in,
    OUTPUT = segment.preparation_state_out,
    RECEIVE = segment.preparation_state_recv,
    SEND = segment.preparation_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.preparation_state IS
'Profiles of columns, not yet made into a preparation: made by segment.preparation_state(row), merged by segment.rollup, finished by segment.finalize.';
COMMENT ON FUNCTION segment.preparation_state_in(cstring) IS 'input of segment.preparation_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.preparation_state_out(segment.preparation_state) IS
'output of segment.preparation_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.preparation_state_recv(internal) IS 'binary input of segment.preparation_state';
COMMENT ON FUNCTION segment.preparation_state_send(segment.preparation_state) IS
'binary output of segment.preparation_state';

-- STABLE: as_of of columns with a time zone is read in the session's, and texts come from output functions.
CREATE FUNCTION segment.preparation_transition(state segment.preparation_state, "row" record)
    RETURNS segment.preparation_state
    AS 'MODULE_PATHNAME', 'pgseg_preparation_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.preparation_transition(state segment.preparation_state, "row" record, options jsonb)
    RETURNS segment.preparation_state
    AS 'MODULE_PATHNAME', 'pgseg_preparation_transition' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.preparation_combine(segment.preparation_state, segment.preparation_state)
    RETURNS segment.preparation_state
    AS 'MODULE_PATHNAME', 'pgseg_preparation_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.preparation_final(segment.preparation_state) RETURNS segment.preparation
    AS 'MODULE_PATHNAME', 'pgseg_preparation_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
CREATE FUNCTION segment.preparation_state_final(segment.preparation_state) RETURNS segment.preparation_state
    AS 'MODULE_PATHNAME', 'pgseg_preparation_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.preparation_transition(segment.preparation_state, record) IS
'transition function of segment.preparation_fit';
COMMENT ON FUNCTION segment.preparation_transition(segment.preparation_state, record, jsonb) IS
'transition function of segment.preparation_fit';
COMMENT ON FUNCTION segment.preparation_combine(segment.preparation_state, segment.preparation_state) IS
'combine function of segment.preparation_fit';
COMMENT ON FUNCTION segment.preparation_final(segment.preparation_state) IS
'final function of segment.preparation_fit';
COMMENT ON FUNCTION segment.preparation_state_final(segment.preparation_state) IS
'final function of segment.preparation_state';

CREATE AGGREGATE segment.preparation_fit("row" record) (
    SFUNC = segment.preparation_transition,
    STYPE = segment.preparation_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.preparation_combine,
    FINALFUNC = segment.preparation_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.preparation_fit("row" record, options jsonb) (
    SFUNC = segment.preparation_transition,
    STYPE = segment.preparation_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.preparation_combine,
    FINALFUNC = segment.preparation_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.preparation_state("row" record) (
    SFUNC = segment.preparation_transition,
    STYPE = segment.preparation_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.preparation_combine,
    FINALFUNC = segment.preparation_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.preparation_state("row" record, options jsonb) (
    SFUNC = segment.preparation_transition,
    STYPE = segment.preparation_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.preparation_combine,
    FINALFUNC = segment.preparation_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.preparation_state) (
    SFUNC = segment.preparation_combine,
    STYPE = segment.preparation_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.preparation_combine,
    FINALFUNC = segment.preparation_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.preparation_fit(record) IS
'Decides what is done to each column of the rows before they are clustered, with default options; see the form with options.';
COMMENT ON AGGREGATE segment.preparation_fit(record, jsonb) IS
'Decides what is done to each column of the rows before they are clustered: SELECT segment.preparation_fit(t) FROM t. row: a table''s alias, a subquery''s, or ROW(...), whose columns are f1, f2, ...; all rows of one type; a NULL row is left out. By itself, column by column: numbers (also numeric, money, and interval as days) that are not negative and have a skewness over 2 become log(1 + value) where that halves the skewness; with an excess kurtosis over 3 they are limited to the 1 % and 99 % quantiles; then less the mean over the standard deviation, or, with an excess kurtosis still over 3, less the median over 0.7413 times the interquartile range; NULL counts as the mean, or the median where skewed, with an indicator as a further feature when over 1 % are NULL. Dates and timestamps become days before as_of and then a number. Booleans are 0 and 1, with NULLs a category. Any other type is a category by its text form: a feature for each of the 20 most frequent levels with at least 1 % of the rows, one for other, one for NULL where there is one, each 0 or 1/sqrt(2), so that a mismatch costs 1 in squared distance. A constant column gives 0. options: as_of (the greatest value of each column), columns (an object: column -> its own options), and, for all columns or within columns, type ("category", "numeric", "ignore"), transform ("log1p", "none"), winsorise ([lower, upper] quantiles or false), scale ("zscore", "robust", "minmax", "none"), null ("mean", "median", "zero", "skip", "error", "level"), indicator (boolean), max_levels (1 to 1000), min_share (0 to 1), weight (of the column in squared distances, 1). The same rows and options give the same preparation, whatever the row order, plan or number of workers. Profiles are exact up to 65,536 different values of a column and of bounded memory: 2 MB a column of numbers. NULL when there is no row. 22000 for NaN and infinity, 22003 beyond 1e140, 22023 for options that are unknown, out of range, or do not suit their column, for a category with more than 65,536 values, or with more than 20 that are all different, as those of identifiers are. Time O(rows * columns). The thresholds are those of the usual moment statistics (Joanes and Gill 1998); 0.7413 makes the interquartile range a standard deviation under normality (Rousseeuw and Croux 1993).';
COMMENT ON AGGREGATE segment.preparation_state(record) IS
'Gathers the profiles of columns without deciding; see segment.preparation_fit.';
COMMENT ON AGGREGATE segment.preparation_state(record, jsonb) IS
'Gathers the profiles of columns without deciding: a partial state to store (per day, per shard), merge with segment.rollup and finish with segment.finalize. Arguments and errors as of segment.preparation_fit.';
COMMENT ON AGGREGATE segment.rollup(segment.preparation_state) IS
'Merges stored preparation states; all must have the same columns and options (22023). NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.preparation_state) RETURNS segment.preparation
    AS 'MODULE_PATHNAME', 'pgseg_preparation_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION segment.finalize(segment.preparation_state) IS
'The preparation of a stored state: the same that segment.preparation_fit gives for the same rows. NULL for NULL.';

-- STABLE: texts of categories may come from output functions.
CREATE FUNCTION segment.prepare(preparation segment.preparation, "row" record) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'pgseg_prepare' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.prepare(segment.preparation, record) IS
'The features of a row, ready for segment.kmeans and its like: SELECT segment.kmeans(segment.prepare(p, t), 5) FROM t. Columns are found by their names; others are ignored. NULL when an argument is NULL, and when a column is NULL whose option "null" is "skip". 42703 when a column is missing, 42804 when its type does not do, 22004 for NULL where "null" is "error", 22000 for NaN and infinity, 22003 beyond 1e140, 22P02 for a text that is to be a number and is none. A level that training did not have counts as other. O(columns + features).';

CREATE FUNCTION segment.prepare_info(preparation segment.preparation)
    RETURNS TABLE (column_name text, type text, treatment text, reason text, first_feature integer, features integer,
                   transform text, lower double precision, upper double precision, scaling text,
                   shift double precision, scale double precision, null_treatment text, null_value double precision,
                   indicator boolean, weight double precision, as_of timestamp without time zone, nulls bigint,
                   levels text[], other_rows bigint)
    AS 'MODULE_PATHNAME', 'pgseg_prepare_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION segment.prepare_info(segment.preparation) IS
'What is done to each column and why: one row a column. type: numeric, age, boolean or category. treatment and reason in words. first_feature and features: which elements of segment.prepare''s array are the column''s, counted from 1. A value becomes a feature so: an age is as_of (UTC where the column has a time zone) less the value, in days; limited to lower and upper; the transform (log1p: logarithm of 1 + value, none below 0); less shift, over scale; times the root of weight (0 for a constant column). null_treatment, null_value: what NULL counts as. nulls: how many there were. levels: those of a category with a feature of their own, most frequent first; other_rows: rows of the rest.';
