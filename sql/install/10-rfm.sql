-- ---------------------------------------------------------------------------------------------------------------
-- RFM: recency, frequency and monetary value
-- ---------------------------------------------------------------------------------------------------------------

-- segment.rfm_state: one customer's orders, gathered. Availability: 0.1.0
CREATE TYPE segment.rfm_state;

CREATE FUNCTION segment.rfm_state_in(cstring) RETURNS segment.rfm_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_state_out(segment.rfm_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_rfm_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_state_recv(internal) RETURNS segment.rfm_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_state_send(segment.rfm_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_rfm_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.rfm_state (
    INPUT = segment.rfm_state_in,
    OUTPUT = segment.rfm_state_out,
    RECEIVE = segment.rfm_state_recv,
    SEND = segment.rfm_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.rfm_state IS
'A customer''s orders gathered for RFM: made by segment.rfm_state(at, amount), merged by segment.rollup, read by segment.finalize.';
COMMENT ON FUNCTION segment.rfm_state_in(cstring) IS 'input of segment.rfm_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_state_out(segment.rfm_state) IS 'output of segment.rfm_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_state_recv(internal) IS 'binary input of segment.rfm_state';
COMMENT ON FUNCTION segment.rfm_state_send(segment.rfm_state) IS 'binary output of segment.rfm_state';

-- segment.rfm_facts: what an aggregated customer looks like. Availability: 0.1.0
CREATE TYPE segment.rfm_facts AS (
    first_at timestamptz,
    last_at timestamptz,
    orders bigint,
    days bigint,
    revenue numeric,
    refunds numeric,
    mean_gap double precision,
    skipped bigint,
    last_gap integer
);
COMMENT ON TYPE segment.rfm_facts IS 'One customer''s orders in figures: the result of segment.rfm_agg.';
COMMENT ON COLUMN segment.rfm_facts.first_at IS 'time of the first order';
COMMENT ON COLUMN segment.rfm_facts.last_at IS 'time of the last order';
COMMENT ON COLUMN segment.rfm_facts.orders IS 'rows with a time and an amount';
COMMENT ON COLUMN segment.rfm_facts.days IS 'distinct days with an order, in the time zone of the session that aggregated';
COMMENT ON COLUMN segment.rfm_facts.revenue IS 'sum of all amounts, negative ones (refunds) included; exact';
COMMENT ON COLUMN segment.rfm_facts.refunds IS 'sum of the negative amounts, as a positive number';
COMMENT ON COLUMN segment.rfm_facts.mean_gap IS 'mean number of days from one day with an order to the next; NULL with fewer than two days';
COMMENT ON COLUMN segment.rfm_facts.skipped IS 'rows left out because their time or amount is NULL';
COMMENT ON COLUMN segment.rfm_facts.last_gap IS 'days from the last day but one with an order to the last; NULL with fewer than two days';

-- STABLE: days are counted in the session's time zone.
CREATE FUNCTION segment.rfm_transition(state segment.rfm_state, at timestamptz, amount numeric)
    RETURNS segment.rfm_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_transition_numeric' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_transition(state segment.rfm_state, at timestamptz, amount double precision)
    RETURNS segment.rfm_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_transition_float8' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_combine(segment.rfm_state, segment.rfm_state) RETURNS segment.rfm_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_final(segment.rfm_state) RETURNS segment.rfm_facts
    AS 'MODULE_PATHNAME', 'pgseg_rfm_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_state_final(segment.rfm_state) RETURNS segment.rfm_state
    AS 'MODULE_PATHNAME', 'pgseg_rfm_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.rfm_transition(segment.rfm_state, timestamptz, numeric) IS
'transition function of segment.rfm_agg';
COMMENT ON FUNCTION segment.rfm_transition(segment.rfm_state, timestamptz, double precision) IS
'transition function of segment.rfm_agg';
COMMENT ON FUNCTION segment.rfm_combine(segment.rfm_state, segment.rfm_state) IS
'combine function of segment.rfm_agg';
COMMENT ON FUNCTION segment.rfm_final(segment.rfm_state) IS 'final function of segment.rfm_agg';
COMMENT ON FUNCTION segment.rfm_state_final(segment.rfm_state) IS 'final function of segment.rfm_state';

CREATE AGGREGATE segment.rfm_agg(at timestamptz, amount numeric) (
    SFUNC = segment.rfm_transition,
    STYPE = segment.rfm_state,
    SSPACE = 128,
    COMBINEFUNC = segment.rfm_combine,
    FINALFUNC = segment.rfm_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_agg(at timestamptz, amount double precision) (
    SFUNC = segment.rfm_transition,
    STYPE = segment.rfm_state,
    SSPACE = 128,
    COMBINEFUNC = segment.rfm_combine,
    FINALFUNC = segment.rfm_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_state(at timestamptz, amount numeric) (
    SFUNC = segment.rfm_transition,
    STYPE = segment.rfm_state,
    SSPACE = 128,
    COMBINEFUNC = segment.rfm_combine,
    FINALFUNC = segment.rfm_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_state(at timestamptz, amount double precision) (
    SFUNC = segment.rfm_transition,
    STYPE = segment.rfm_state,
    SSPACE = 128,
    COMBINEFUNC = segment.rfm_combine,
    FINALFUNC = segment.rfm_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.rfm_state) (
    SFUNC = segment.rfm_combine,
    STYPE = segment.rfm_state,
    SSPACE = 128,
    COMBINEFUNC = segment.rfm_combine,
    FINALFUNC = segment.rfm_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.rfm_agg(timestamptz, numeric) IS
'A customer''s orders in figures: GROUP BY the customer. at: time of the order, finite; amount: money, negative for a refund; a row with a NULL is skipped and counted. Sums are exact and do not depend on the order of rows, the plan or the number of workers. 22000 for NaN, infinite amounts and infinite times. NULL when there is no row. Time O(rows), memory about 128 bytes a customer and 4 a distinct day.';
COMMENT ON AGGREGATE segment.rfm_agg(timestamptz, double precision) IS
'As segment.rfm_agg(timestamptz, numeric) for amounts in double precision: the sum is exact inside, rounded once, and the same bits whatever the order; it is shown as the numeric with the shortest digits that read back as the same double.';
COMMENT ON AGGREGATE segment.rfm_state(timestamptz, numeric) IS
'A partial state of segment.rfm_agg to store (per day, per shard), merge with segment.rollup and read with segment.finalize.';
COMMENT ON AGGREGATE segment.rfm_state(timestamptz, double precision) IS
'A partial state of segment.rfm_agg to store (per day, per shard), merge with segment.rollup and read with segment.finalize.';
COMMENT ON AGGREGATE segment.rollup(segment.rfm_state) IS
'Merges stored RFM states of one customer; numeric and double precision states do not mix (22023). NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.rfm_state) RETURNS segment.rfm_facts
    AS 'MODULE_PATHNAME', 'pgseg_rfm_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.finalize(segment.rfm_state) IS
'The figures of a stored RFM state: what segment.rfm_agg gives for the same rows.';
