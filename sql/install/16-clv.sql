-- ---------------------------------------------------------------------------------------------------------------
-- Customer lifetime value: histories in, a model out; the model is a value
-- ---------------------------------------------------------------------------------------------------------------

-- segment.clv_model: a fitted model. Availability: 0.1.0
CREATE TYPE segment.clv_model;

CREATE FUNCTION segment.clv_model_in(cstring) RETURNS segment.clv_model
    AS 'MODULE_PATHNAME', 'pgseg_clv_model_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clv_model_out(segment.clv_model) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_clv_model_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clv_model_recv(internal) RETURNS segment.clv_model
    AS 'MODULE_PATHNAME', 'pgseg_clv_model_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clv_model_send(segment.clv_model) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_clv_model_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.clv_model (
    INPUT = segment.clv_model_in,
    OUTPUT = segment.clv_model_out,
    RECEIVE = segment.clv_model_recv,
    SEND = segment.clv_model_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.clv_model IS
'A fitted customer value model. Prints and reads as JSON; read it with segment.clv_model_info and clv_parameters, score customers with p_alive, expected_purchases, expected_value and clv.';
COMMENT ON FUNCTION segment.clv_model_in(cstring) IS 'input of segment.clv_model: its JSON form';
COMMENT ON FUNCTION segment.clv_model_out(segment.clv_model) IS 'output of segment.clv_model: its JSON form';
COMMENT ON FUNCTION segment.clv_model_recv(internal) IS 'binary input of segment.clv_model';
COMMENT ON FUNCTION segment.clv_model_send(segment.clv_model) IS 'binary output of segment.clv_model';

-- segment.clv_state: what the aggregate has gathered. Availability: 0.1.0
CREATE TYPE segment.clv_state;

CREATE FUNCTION segment.clv_state_in(cstring) RETURNS segment.clv_state
    AS 'MODULE_PATHNAME', 'pgseg_clv_state_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clv_state_out(segment.clv_state) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_clv_state_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clv_state_recv(internal) RETURNS segment.clv_state
    AS 'MODULE_PATHNAME', 'pgseg_clv_state_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.clv_state_send(segment.clv_state) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_clv_state_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.clv_state (
    INPUT = segment.clv_state_in,
    OUTPUT = segment.clv_state_out,
    RECEIVE = segment.clv_state_recv,
    SEND = segment.clv_state_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.clv_state IS
'Customers gathered for a customer value model, not yet fitted: made by segment.clv_state(frequency, recency, t, mean_value), merged by segment.rollup, fitted by segment.finalize.';
COMMENT ON FUNCTION segment.clv_state_in(cstring) IS 'input of segment.clv_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.clv_state_out(segment.clv_state) IS 'output of segment.clv_state: hexadecimal bytes';
COMMENT ON FUNCTION segment.clv_state_recv(internal) IS 'binary input of segment.clv_state';
COMMENT ON FUNCTION segment.clv_state_send(segment.clv_state) IS 'binary output of segment.clv_state';

CREATE FUNCTION segment.clv_transition(state segment.clv_state, frequency bigint, recency double precision,
                                       t double precision, mean_value double precision)
    RETURNS segment.clv_state
    AS 'MODULE_PATHNAME', 'pgseg_clv_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.clv_transition(state segment.clv_state, frequency bigint, recency double precision,
                                       t double precision, mean_value double precision, options jsonb)
    RETURNS segment.clv_state
    AS 'MODULE_PATHNAME', 'pgseg_clv_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.clv_combine(segment.clv_state, segment.clv_state) RETURNS segment.clv_state
    AS 'MODULE_PATHNAME', 'pgseg_clv_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.clv_final(segment.clv_state) RETURNS segment.clv_model
    AS 'MODULE_PATHNAME', 'pgseg_clv_final' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
CREATE FUNCTION segment.clv_state_final(segment.clv_state) RETURNS segment.clv_state
    AS 'MODULE_PATHNAME', 'pgseg_clv_state_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.clv_transition(segment.clv_state, bigint, double precision, double precision,
                                           double precision) IS
'transition function of segment.clv_fit';
COMMENT ON FUNCTION segment.clv_transition(segment.clv_state, bigint, double precision, double precision,
                                           double precision, jsonb) IS
'transition function of segment.clv_fit';
COMMENT ON FUNCTION segment.clv_combine(segment.clv_state, segment.clv_state) IS 'combine function of segment.clv_fit';
COMMENT ON FUNCTION segment.clv_final(segment.clv_state) IS 'final function of segment.clv_fit';
COMMENT ON FUNCTION segment.clv_state_final(segment.clv_state) IS 'final function of segment.clv_state';

CREATE AGGREGATE segment.clv_fit(frequency bigint, recency double precision, t double precision,
                                 mean_value double precision) (
    SFUNC = segment.clv_transition,
    STYPE = segment.clv_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.clv_combine,
    FINALFUNC = segment.clv_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.clv_fit(frequency bigint, recency double precision, t double precision,
                                 mean_value double precision, options jsonb) (
    SFUNC = segment.clv_transition,
    STYPE = segment.clv_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.clv_combine,
    FINALFUNC = segment.clv_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.clv_state(frequency bigint, recency double precision, t double precision,
                                   mean_value double precision) (
    SFUNC = segment.clv_transition,
    STYPE = segment.clv_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.clv_combine,
    FINALFUNC = segment.clv_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.clv_state(frequency bigint, recency double precision, t double precision,
                                   mean_value double precision, options jsonb) (
    SFUNC = segment.clv_transition,
    STYPE = segment.clv_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.clv_combine,
    FINALFUNC = segment.clv_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.clv_state) (
    SFUNC = segment.clv_combine,
    STYPE = segment.clv_state,
    SSPACE = 65536,
    COMBINEFUNC = segment.clv_combine,
    FINALFUNC = segment.clv_state_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.clv_fit(bigint, double precision, double precision, double precision) IS
'Fits a customer value model (BG/NBD and Gamma-Gamma) with default options; see the form with options.';
COMMENT ON AGGREGATE segment.clv_fit(bigint, double precision, double precision, double precision, jsonb) IS
'Fits a customer value model by maximum likelihood, one row a customer, as segment.clv_customers gives them. frequency: purchases after the first one; recency: time between the first and the last one (0 for a customer with one purchase); t: time between the first one and the end of the observation; all times in one unit. mean_value: mean value of the purchases after the first one; counts for customers with frequency above 0 and a value above 0, others are counted as without_value. options: purchases ("bgnbd", default: BG/NBD of Fader, Hardie and Lee 2005; "pareto_nbd": Schmittlein, Morrison and Colombo 1987; "mbgnbd": Batislam, Denizel and Filiztekin 2007), value ("gamma_gamma", default: Fader and Hardie 2013; "none"), unit of the times ("day", "week" (default), "month", "year"), month (units in a month, default those of the average Gregorian month), max_iter (500 Newton steps from one start). A NULL frequency, recency or t: the row is skipped and counted. 22003 for negative or huge numbers, 22000 for NaN, infinity and a recency later than t, 22023 for options that are unknown or not the same in every row. 22000 with the reason where the data do not determine the parameters: no repeat purchases, customers who do not differ. NULL when there is no usable row. The same rows and options give the same bits, whatever the row order, plan or number of workers. Time O(n log n) to group customers, then O(iterations * different histories); memory 24 bytes a customer and 16 more with a value while gathering, then 112 a customer, each held against pg_segment.max_memory (54000 beyond).';
COMMENT ON AGGREGATE segment.clv_state(bigint, double precision, double precision, double precision) IS
'Gathers customers for a value model without fitting; see the form with options.';
COMMENT ON AGGREGATE segment.clv_state(bigint, double precision, double precision, double precision, jsonb) IS
'Gathers customers for a value model without fitting: a partial state to store (per shard, per month of first purchase), merge with segment.rollup and fit with segment.finalize. Arguments as of segment.clv_fit.';
COMMENT ON AGGREGATE segment.rollup(segment.clv_state) IS
'Merges stored customer value states; all must have the same options. NULLs are ignored.';

CREATE FUNCTION segment.finalize(state segment.clv_state) RETURNS segment.clv_model
    AS 'MODULE_PATHNAME', 'pgseg_clv_final' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION segment.finalize(segment.clv_state) IS
'Fits the model of a stored customer value state: the same model that segment.clv_fit gives for the same rows. NULL for NULL, and for a state without a usable row.';

CREATE FUNCTION segment.p_alive(model segment.clv_model, frequency bigint, recency double precision,
                                t double precision)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clv_p_alive' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.p_alive(segment.clv_model, bigint, double precision, double precision) IS
'The chance that a customer with this history has not left for good. Arguments in the units of the fit. Under BG/NBD it is 1 for every customer without repeat purchases, who has had no occasion to leave. NULL for NULL; errors as segment.clv_fit. Constant time.';

CREATE FUNCTION segment.expected_purchases(model segment.clv_model, horizon double precision, frequency bigint,
                                           recency double precision, t double precision)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clv_expected_purchases' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 25;
COMMENT ON FUNCTION segment.expected_purchases(segment.clv_model, double precision, bigint, double precision,
                                               double precision) IS
'Expected number of purchases of a customer with this history in the horizon that follows it, in the unit of the fit. NULL for NULL; errors as segment.clv_fit, 22003 for a negative horizon.';
CREATE FUNCTION segment.expected_purchases(model segment.clv_model, horizon double precision)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clv_expected_purchases_new' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 25;
COMMENT ON FUNCTION segment.expected_purchases(segment.clv_model, double precision) IS
'Expected number of repeat purchases of a new customer in the horizon after the first purchase, in the unit of the fit. NULL for NULL; 22003 for a negative horizon, 22000 for NaN and infinity.';

CREATE FUNCTION segment.expected_value(model segment.clv_model, frequency bigint, mean_value double precision)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clv_expected_value' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 4;
COMMENT ON FUNCTION segment.expected_value(segment.clv_model, bigint, double precision) IS
'Expected value of a future purchase of a customer whose purchases after the first one had this mean value: between it and the mean of all customers, closer to it the more purchases there are. frequency 0: the mean of all customers, whatever mean_value is. NULL for a NULL model or frequency, and for frequency above 0 with a mean_value that is NULL, zero or negative, of which Gamma-Gamma says nothing. Infinity where the model has no mean (p * frequency + q <= 1). 22023 for a model without values, 22003 for a negative frequency, 22000 for NaN and infinity. Constant time.';

CREATE FUNCTION segment.clv(model segment.clv_model, months integer, discount double precision, frequency bigint,
                            recency double precision, t double precision, mean_value double precision)
    RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_clv' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 200;
COMMENT ON FUNCTION segment.clv(segment.clv_model, integer, double precision, bigint, double precision,
                                double precision, double precision) IS
'What a customer with this history is expected to spend in the months after it, discounted: the sum over months 1, 2, ... of expected_value times the purchases expected in that month, divided by (1 + discount)^month. discount: rate of a month, 0.01 for one percent; 0 does not discount. months: 0 to 1200; how long a month is says the model. mean_value and NULLs as in segment.expected_value. 22023 for months or a discount outside its range and for a model without values; other errors as segment.clv_fit. O(months).';

CREATE FUNCTION segment.clv_parameters(model segment.clv_model)
    RETURNS TABLE (part text, parameter text, value double precision, standard_error double precision)
    AS 'MODULE_PATHNAME', 'pgseg_clv_parameters' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 7;
COMMENT ON FUNCTION segment.clv_parameters(segment.clv_model) IS
'The fitted parameters, in the order of the literature: of part "purchases" r, alpha, a, b (BG/NBD, MBG/NBD) or r, alpha, s, beta (Pareto/NBD), alpha and beta in units of time; of part "value" p, q, gamma, gamma in money. standard_error: from the second derivatives of the log-likelihood at its maximum, by the delta method from the logarithms of the parameters.';

CREATE FUNCTION segment.clv_model_info(
    model segment.clv_model,
    OUT purchases text, OUT value text, OUT unit text, OUT month double precision,
    OUT customers bigint, OUT repeat_customers bigint, OUT distinct_customers bigint, OUT skipped bigint,
    OUT log_likelihood double precision, OUT iterations integer, OUT gradient_norm double precision,
    OUT converged boolean,
    OUT value_customers bigint, OUT without_value bigint, OUT value_log_likelihood double precision,
    OUT value_iterations integer, OUT value_gradient_norm double precision,
    OUT frequency_value_correlation double precision)
    AS 'MODULE_PATHNAME', 'pgseg_clv_model_info' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.clv_model_info(segment.clv_model) IS
'How a model came about: the models fitted, the unit of times and how many make a month; customers used, those with repeat purchases, different histories, rows skipped (a NULL); log-likelihood, Newton steps from all starts, largest derivative of the log-likelihood in the logarithm of a parameter; converged is always true, because a fit that does not converge is an error. For values: customers used, repeat customers without a value above zero, and the same figures; frequency_value_correlation is Pearson''s, of frequency and mean value over customers, which Gamma-Gamma assumes to be near zero. NULL for a model without values.';

CREATE FUNCTION segment.clv_customers_query(relation regclass, customer_column name, at_column name,
                                           amount_column name, key_type text, moment timestamptz, unit_name text,
                                           refunds_mode text, filter text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    amount text;
BEGIN
    IF relation IS NULL OR customer_column IS NULL OR at_column IS NULL OR amount_column IS NULL
       OR moment IS NULL OR unit_name IS NULL OR refunds_mode IS NULL THEN
        RAISE EXCEPTION 'arguments of segment.clv_customers must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT pg_catalog.isfinite(moment) THEN
        RAISE EXCEPTION '"as_of" must be finite' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM segment.check_choice('unit'::text, unit_name, ARRAY['day', 'week', 'month', 'year']);
    PERFORM segment.check_choice('refunds'::text, refunds_mode, ARRAY['net', 'ignore']);
    PERFORM segment.column_type(relation, at_column);
    PERFORM segment.check_key_type(relation, customer_column, key_type);
    -- Floating point keeps its own exact sum (real as double precision, which holds it); everything else is summed
    -- as numeric.
    amount := pg_catalog.format('o.%I::pg_catalog.%s', amount_column,
                                CASE WHEN segment.column_type(relation, amount_column)::text IN ('real', 'double precision')
                                     THEN 'float8' ELSE 'numeric' END);

    -- Purchases are days with an amount that is not negative. The value after the first one is that of all rows
    -- less that of those up to its day, which only repeat customers are read again for. A customer's refunds
    -- belong to that value; the ones before the first purchase do not.
    -- The query runs under the caller's search path, as the filter is the caller's: all else in it names its schema.
    RETURN pg_catalog.format($query$
        WITH rows AS NOT MATERIALIZED (
            SELECT o.%1$I::%6$s AS customer_id, o.%2$I::pg_catalog.timestamptz AS at, %3$s AS amount
            FROM %4$s AS o
            WHERE o.%2$I OPERATOR(pg_catalog.<) $1 AND o.%1$I IS NOT NULL AND %3$s IS NOT NULL%5$s
        ), facts AS (
            SELECT customer_id,
                   segment.rfm_agg(at, amount) FILTER (WHERE amount OPERATOR(pg_catalog.>=) 0) AS purchases,
                   (segment.rfm_agg(at, amount) FILTER (WHERE amount OPERATOR(pg_catalog.<) 0)).revenue AS refunded
            FROM rows
            GROUP BY customer_id
        ), customers AS MATERIALIZED (
            SELECT customer_id, (purchases).days OPERATOR(pg_catalog.-) 1 AS frequency,
                   (purchases).first_at::pg_catalog.date AS first_day, (purchases).last_at::pg_catalog.date AS last_day,
                   (purchases).revenue OPERATOR(pg_catalog.+) COALESCE(refunded, 0) AS value
            FROM facts
            WHERE (purchases).days OPERATOR(pg_catalog.>) 0
        ), openings AS (
            SELECT rows.customer_id, (segment.rfm_agg(rows.at, rows.amount)).revenue AS value
            FROM rows JOIN customers ON customers.customer_id OPERATOR(pg_catalog.=) rows.customer_id
            WHERE customers.frequency OPERATOR(pg_catalog.>) 0
                  AND rows.at::pg_catalog.date OPERATOR(pg_catalog.<=) customers.first_day
            GROUP BY rows.customer_id
        )
        SELECT customers.customer_id, customers.frequency::pg_catalog.int8,
               (customers.last_day OPERATOR(pg_catalog.-) customers.first_day) OPERATOR(pg_catalog./) $2,
               (($1 OPERATOR(pg_catalog.-) '1 microsecond'::pg_catalog.interval)::pg_catalog.date
                OPERATOR(pg_catalog.-) customers.first_day) OPERATOR(pg_catalog./) $2,
               ((customers.value OPERATOR(pg_catalog.-) openings.value)
                OPERATOR(pg_catalog./) customers.frequency)::pg_catalog.float8
        FROM customers LEFT JOIN openings ON openings.customer_id OPERATOR(pg_catalog.=) customers.customer_id
    $query$, customer_column, at_column, amount, segment.qualified_name(relation),
        pg_catalog.concat(
            CASE WHEN refunds_mode = 'ignore' THEN pg_catalog.format(' AND %s OPERATOR(pg_catalog.>=) 0', amount) END,
            CASE WHEN pg_catalog.btrim(filter) <> '' THEN pg_catalog.format(E' AND (\n%s\n)', filter) END),
        key_type);
END
$$;
COMMENT ON FUNCTION segment.clv_customers_query(regclass, name, name, name, text, timestamptz, text, text, text) IS
'The query of segment.clv_customers for customers of a type; checks the arguments.';

CREATE FUNCTION segment.clv_days_in(unit text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE unit WHEN 'day' THEN 1 WHEN 'week' THEN 7 WHEN 'month' THEN 365.2425 / 12 WHEN 'year' THEN 365.2425 END::float8
$$;
COMMENT ON FUNCTION segment.clv_days_in(text) IS
'Days in a unit of segment.clv_customers, of months and years on average; NULL for other units.';

-- RESTRICTED: the relation may be a temporary table, or a view over anything.
CREATE FUNCTION segment.clv_customers(orders regclass, customer name, at name, amount name,
                                      as_of timestamptz DEFAULT now(), unit text DEFAULT 'week',
                                      refunds text DEFAULT 'net', "where" text DEFAULT NULL)
RETURNS TABLE (customer_id bigint, frequency bigint, recency double precision, t double precision,
               mean_value double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE
        segment.clv_customers_query($1, $2, $3, $4, 'pg_catalog.int8'::pg_catalog.text, $5, $6, $7, $8)
    USING $5, segment.clv_days_in($6);
END
$$;
CREATE FUNCTION segment.clv_customers_uuid(orders regclass, customer name, at name, amount name,
                                      as_of timestamptz DEFAULT now(), unit text DEFAULT 'week',
                                      refunds text DEFAULT 'net', "where" text DEFAULT NULL)
RETURNS TABLE (customer_id uuid, frequency bigint, recency double precision, t double precision,
               mean_value double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE
        segment.clv_customers_query($1, $2, $3, $4, 'pg_catalog.uuid'::pg_catalog.text, $5, $6, $7, $8)
    USING $5, segment.clv_days_in($6);
END
$$;
CREATE FUNCTION segment.clv_customers_text(orders regclass, customer name, at name, amount name,
                                      as_of timestamptz DEFAULT now(), unit text DEFAULT 'week',
                                      refunds text DEFAULT 'net', "where" text DEFAULT NULL)
RETURNS TABLE (customer_id text, frequency bigint, recency double precision, t double precision,
               mean_value double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE
        segment.clv_customers_query($1, $2, $3, $4, 'pg_catalog.text'::pg_catalog.text, $5, $6, $7, $8)
    USING $5, segment.clv_days_in($6);
END
$$;
COMMENT ON FUNCTION segment.clv_customers(regclass, name, name, name, timestamptz, text, text, text) IS
'The histories that customer value models are fitted to, one row a customer of an orders table, with the caller''s rights and search path. orders: table or view; customer, at, amount: its columns, the customer one of an integer type (see segment.clv_customers_uuid and segment.clv_customers_text for others); as_of: only orders before it count. Orders of one local day (of the session''s time zone) are one purchase. frequency: purchases after the first one. recency: time from the first to the last one. t: time from the first one to the last day before as_of. Both are whole days divided by those of the unit ("day", "week", "month", "year"; months and years of the average Gregorian calendar). mean_value: value of the purchases after the first one divided by their number, NULL without any. refunds: "net" (default) subtracts negative amounts from the value; "ignore" leaves them out; a day of refunds only is no purchase. where: SQL condition on the rows of orders. Rows with a NULL customer, time or amount, and customers without a purchase before as_of are left out. 22023 for other units and refunds, 22004 for NULL arguments, 42703 for a column that does not exist, 42804 for a customer column of another type. O(orders log orders).';
COMMENT ON FUNCTION segment.clv_customers_uuid(regclass, name, name, name, timestamptz, text, text, text) IS
'segment.clv_customers for customers identified by uuid.';
COMMENT ON FUNCTION segment.clv_customers_text(regclass, name, name, name, timestamptz, text, text, text) IS
'segment.clv_customers for customers identified by text.';
