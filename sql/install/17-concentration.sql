-- ---------------------------------------------------------------------------------------------------------------
-- Concentration: how unevenly revenue is spread over customers
-- ---------------------------------------------------------------------------------------------------------------

-- segment.value_pool: the values that Gini coefficients and shares come from. Availability: 0.1.0
CREATE TYPE segment.value_pool;

CREATE FUNCTION segment.value_pool_in(cstring) RETURNS segment.value_pool
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.value_pool_out(segment.value_pool) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.value_pool_recv(internal) RETURNS segment.value_pool
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.value_pool_send(segment.value_pool) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.value_pool (
    INPUT = segment.value_pool_in,
    OUTPUT = segment.value_pool_out,
    RECEIVE = segment.value_pool_recv,
    SEND = segment.value_pool_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);
COMMENT ON TYPE segment.value_pool IS
'Values, one a customer, in ascending order: made by segment.value_pool, merged by segment.rollup, read by segment.gini and segment.top_share.';
COMMENT ON FUNCTION segment.value_pool_in(cstring) IS 'input of segment.value_pool: hexadecimal bytes';
COMMENT ON FUNCTION segment.value_pool_out(segment.value_pool) IS 'output of segment.value_pool: hexadecimal bytes';
COMMENT ON FUNCTION segment.value_pool_recv(internal) IS 'binary input of segment.value_pool';
COMMENT ON FUNCTION segment.value_pool_send(segment.value_pool) IS 'binary output of segment.value_pool';

CREATE FUNCTION segment.value_pool_transition(pool segment.value_pool, value double precision) RETURNS segment.value_pool
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.value_pool_transition(pool segment.value_pool, value double precision, fraction double precision)
    RETURNS segment.value_pool
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_transition_fraction' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.value_pool_combine(segment.value_pool, segment.value_pool) RETURNS segment.value_pool
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.value_pool_final(segment.value_pool) RETURNS segment.value_pool
    AS 'MODULE_PATHNAME', 'pgseg_value_pool_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.gini_final(segment.value_pool) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_gini' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.top_share_final(segment.value_pool) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_top_share_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.value_pool_transition(segment.value_pool, double precision) IS
'transition function of segment.gini and segment.value_pool';
COMMENT ON FUNCTION segment.value_pool_transition(segment.value_pool, double precision, double precision) IS
'transition function of segment.top_share';
COMMENT ON FUNCTION segment.value_pool_combine(segment.value_pool, segment.value_pool) IS
'combine function of segment.gini, segment.top_share and segment.value_pool';
COMMENT ON FUNCTION segment.value_pool_final(segment.value_pool) IS 'final function of segment.value_pool';
COMMENT ON FUNCTION segment.gini_final(segment.value_pool) IS 'final function of segment.gini';
COMMENT ON FUNCTION segment.top_share_final(segment.value_pool) IS 'final function of segment.top_share';

CREATE AGGREGATE segment.gini(value double precision) (
    SFUNC = segment.value_pool_transition,
    STYPE = segment.value_pool,
    SSPACE = 1024,
    COMBINEFUNC = segment.value_pool_combine,
    FINALFUNC = segment.gini_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.top_share(value double precision, fraction double precision) (
    SFUNC = segment.value_pool_transition,
    STYPE = segment.value_pool,
    SSPACE = 1024,
    COMBINEFUNC = segment.value_pool_combine,
    FINALFUNC = segment.top_share_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.value_pool(value double precision) (
    SFUNC = segment.value_pool_transition,
    STYPE = segment.value_pool,
    SSPACE = 1024,
    COMBINEFUNC = segment.value_pool_combine,
    FINALFUNC = segment.value_pool_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.value_pool) (
    SFUNC = segment.value_pool_combine,
    STYPE = segment.value_pool,
    SSPACE = 1024,
    COMBINEFUNC = segment.value_pool_combine,
    FINALFUNC = segment.value_pool_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.gini(double precision) IS
'Gini coefficient of the values, one a customer: half the mean absolute difference of two values (all n * n pairs) over the mean; equally, twice the area between the Lorenz curve and the diagonal. 0 when all are equal, (n - 1) / n when one has all. NULLs are left out; zeros count; negative values are taken as they are, and the result can then exceed 1. NULL when there is no value or their sum is not positive. 22000 for NaN and infinity, 22003 when values so cancel that the sum is nothing beside them. The same bits whatever the order of rows, the plan or the number of workers. O(values), 8 bytes a value and 16 more at the end, within pg_segment.max_memory (54000). C. Gini, Variabilita e mutabilita, 1912.';
COMMENT ON AGGREGATE segment.top_share(double precision, double precision) IS
'What part of the sum of the values the largest of them hold: those of the best fraction (0 to 1, the same in every row) of the customers, rounded up to whole ones, as segment.top_count has it. NULLs, negative values, bits, memory, 22000 and 22003 as segment.gini; NULL when there is no value or their sum is not positive; 22004 for a fraction that is NULL, 22023 for one outside 0 to 1.';
COMMENT ON AGGREGATE segment.value_pool(double precision) IS
'The values themselves, to be stored and merged, and read by segment.gini and segment.top_share. 22000 for NaN and infinity.';
COMMENT ON AGGREGATE segment.rollup(segment.value_pool) IS
'Merges pools of values: of different customers, for the values of one customer are not added up. NULLs are ignored.';

CREATE FUNCTION segment.gini(pool segment.value_pool) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_gini' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
CREATE FUNCTION segment.top_share(pool segment.value_pool, fraction double precision) RETURNS double precision
    AS 'MODULE_PATHNAME', 'pgseg_top_share' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
CREATE FUNCTION segment.top_count(fraction double precision, customers bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_top_count' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.gini(segment.value_pool) IS 'What segment.gini gives for the pool''s values.';
COMMENT ON FUNCTION segment.top_share(segment.value_pool, double precision) IS
'What segment.top_share gives for the pool''s values and this fraction; 22023 for one outside 0 to 1.';
COMMENT ON FUNCTION segment.top_count(double precision, bigint) IS
'How many of so many customers are the best fraction of them: fraction * customers rounded up to a whole number, where a product that differs from a whole number by at most 1e-9, or a 1e-9th part of that number if that is more, is that number. 22023 for a fraction outside 0 to 1 or a negative number.';

-- ---- an orders table in one call

CREATE FUNCTION segment.amount_condition(relation regclass, amount_column name, refunds text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF amount_column IS NULL OR refunds IS NULL THEN
        RAISE EXCEPTION '"amount" and "refunds" must not be null' USING ERRCODE = 'null_value_not_allowed';
    ELSIF refunds NOT IN ('net', 'ignore') THEN
        RAISE EXCEPTION 'unrecognized value for "refunds": "%"', left(refunds, 100)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Valid values are "net" and "ignore".';
    END IF;
    RETURN format(' AND o.%I IS NOT NULL', amount_column)
        || CASE refunds WHEN 'ignore' THEN format(' AND %s OPERATOR(pg_catalog.>=) 0', segment.amount_expression(relation, amount_column)) ELSE '' END;
END
$$;
COMMENT ON FUNCTION segment.amount_condition(regclass, name, text) IS
'What amounts and the treatment of refunds add to the WHERE of a query over orders; 22004 for NULL, 22023 for a treatment that is none, 42703 for a missing column.';

CREATE FUNCTION segment.concentration_query(relation regclass, customer_column name, at_column name, amount_column name,
    moment timestamptz, filter text, frequency_of text, order_id_column name, refunds_mode text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source text := segment.order_source(relation, customer_column, at_column, filter);
    order_count text := segment.order_count(relation, at_column, frequency_of, order_id_column);
BEGIN
    PERFORM segment.check_moment(moment, 'as_of'::text);
    source := source || segment.amount_condition(relation, amount_column, refunds_mode);
    -- The caller's search path holds, as in segment.order_source, and all arguments have exactly the declared types.
    RETURN format($query$
        WITH facts AS MATERIALIZED (
            SELECT segment.rfm_state(o.%1$I::pg_catalog.timestamptz, %2$s) AS state, %3$s AS order_ids
            FROM %4$s
            GROUP BY o.%5$I
        ), finals AS MATERIALIZED (
            SELECT segment.finalize(state) AS fact, order_ids FROM facts
        ), customers AS MATERIALIZED (
            SELECT (fact).revenue, (fact).refunds, %6$s AS orders FROM finals WHERE (fact).orders OPERATOR(pg_catalog.>) 0
        ), sums AS MATERIALIZED (
            SELECT pg_catalog.count(*)::pg_catalog.numeric AS customers,
                   (CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 THEN pg_catalog.count(*) END)::pg_catalog.numeric AS divisor,
                   COALESCE(pg_catalog.sum(orders), 0) AS orders, COALESCE(pg_catalog.sum(revenue), 0) AS revenue,
                   COALESCE(pg_catalog.sum(refunds), 0) AS refunds,
                   pg_catalog.count(*) FILTER (WHERE orders OPERATOR(pg_catalog.>) 1) AS repeat_customers,
                   pg_catalog.count(*) FILTER (WHERE revenue OPERATOR(pg_catalog.<=) 0) AS nonpositive,
                   pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY revenue) AS median_revenue,
                   segment.value_pool(revenue::pg_catalog.float8) AS pool
            FROM customers
        ), gaps AS MATERIALIZED (
            SELECT segment.gap_counts(state) AS gaps FROM facts
        )
        SELECT figure.metric, figure.value
        FROM sums, gaps, LATERAL (VALUES
            (1, 'customers'::pg_catalog.text, customers),
            (2, 'orders', orders),
            (3, 'revenue', revenue),
            (4, 'refunds', refunds),
            (5, 'mean_order_value', revenue OPERATOR(pg_catalog./) CASE WHEN orders OPERATOR(pg_catalog.>) 0 THEN orders END),
            (6, 'mean_revenue', revenue OPERATOR(pg_catalog./) divisor),
            (7, 'median_revenue', median_revenue),
            (8, 'mean_orders', orders OPERATOR(pg_catalog./) divisor),
            (9, 'repeat_customers', repeat_customers::pg_catalog.numeric),
            (10, 'repeat_purchase_rate', repeat_customers OPERATOR(pg_catalog./) divisor),
            (11, 'customers_without_revenue', nonpositive::pg_catalog.numeric),
            (12, 'gini', segment.gini(pool)::pg_catalog.numeric),
            (13, 'top_1_share', segment.top_share(pool, 0.01::pg_catalog.float8)::pg_catalog.numeric),
            (14, 'top_5_share', segment.top_share(pool, 0.05::pg_catalog.float8)::pg_catalog.numeric),
            (15, 'top_10_share', segment.top_share(pool, 0.1::pg_catalog.float8)::pg_catalog.numeric),
            (16, 'top_20_share', segment.top_share(pool, 0.2::pg_catalog.float8)::pg_catalog.numeric),
            (17, 'top_50_share', segment.top_share(pool, 0.5::pg_catalog.float8)::pg_catalog.numeric),
            (18, 'gaps', COALESCE(segment.gap_total(gaps), 0)::pg_catalog.numeric),
            (19, 'gap_mean', (SELECT pg_catalog.sum(gap.gap_days OPERATOR(pg_catalog.*) gap.gaps)
                                     OPERATOR(pg_catalog./) pg_catalog.sum(gap.gaps)
                              FROM segment.gaps(gaps.gaps) AS gap)),
            (20, 'gap_p10', segment.gap_percentile(gaps, 10::pg_catalog.float8)::pg_catalog.numeric),
            (21, 'gap_p25', segment.gap_percentile(gaps, 25::pg_catalog.float8)::pg_catalog.numeric),
            (22, 'gap_p40', segment.gap_percentile(gaps, 40::pg_catalog.float8)::pg_catalog.numeric),
            (23, 'gap_p50', segment.gap_percentile(gaps, 50::pg_catalog.float8)::pg_catalog.numeric),
            (24, 'gap_p75', segment.gap_percentile(gaps, 75::pg_catalog.float8)::pg_catalog.numeric),
            (25, 'gap_p80', segment.gap_percentile(gaps, 80::pg_catalog.float8)::pg_catalog.numeric),
            (26, 'gap_p90', segment.gap_percentile(gaps, 90::pg_catalog.float8)::pg_catalog.numeric)
        ) AS figure (place, metric, value)
        ORDER BY figure.place
    $query$,
        at_column, segment.amount_expression(relation, amount_column),
        segment.order_ids_expression(frequency_of, order_id_column, NULL::text), source, customer_column, order_count);
END
$$;
COMMENT ON FUNCTION segment.concentration_query(regclass, name, name, name, timestamptz, text, text, name, text) IS
'The query of segment.concentration; checks the arguments.';

CREATE FUNCTION segment.concentration(orders regclass, customer name, at name, amount name,
    as_of timestamptz DEFAULT now(), "where" text DEFAULT NULL, frequency text DEFAULT 'days', order_id name DEFAULT NULL,
    refunds text DEFAULT 'net')
RETURNS TABLE (metric text, value numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 26
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.concentration_query($1, $2, $3, $4, $5, $6, $7, $8, $9) USING $5;
END
$$;
COMMENT ON FUNCTION segment.concentration(regclass, name, name, name, timestamptz, text, text, name, text) IS
'How revenue is spread over the customers of an orders table, and how often they come back, a row a figure, with the caller''s rights and search path. orders: table or view; customer, at, amount: its columns, the customer one of any type. Only orders before as_of (default now) count, and of them those for which the SQL condition "where" is true; rows without customer, time or amount do not. frequency: days (distinct days with an order), orders (rows) or order_ids (distinct values of order_id, a row without one being an order of its own) are the orders of a customer. refunds: net (revenue is the sum of all amounts) or ignore (rows with a negative amount do not count). Figures: customers, orders, revenue, refunds, mean_order_value (revenue / orders), mean_revenue, median_revenue and mean_orders (a customer), repeat_customers (more than one order), repeat_purchase_rate (their part of customers), customers_without_revenue (zero or less), gini, top_1_share to top_50_share (segment.gini and segment.top_share of revenue, to 15 significant digits), gaps (between days with an order), gap_mean, gap_p10 to gap_p90 (their percentiles, in days). Counts and sums of no orders are 0; a figure that is not defined is NULL. 22004 and 22023 for arguments that cannot be, 42703 for a missing column, 22000 for NaN and infinite amounts. O(orders + customers log customers).';

CREATE FUNCTION segment.pareto_curve_query(relation regclass, customer_column name, at_column name, amount_column name,
    moment timestamptz, points double precision[], filter text, refunds_mode text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source text := segment.order_source(relation, customer_column, at_column, filter);
BEGIN
    PERFORM segment.check_moment(moment, 'as_of'::text);
    IF array_ndims(points) > 1 THEN
        RAISE EXCEPTION '"points" must have one dimension, not %', array_ndims(points)
            USING ERRCODE = 'array_subscript_error';
    ELSIF points IS NULL OR array_position(points, NULL) IS NOT NULL THEN
        RAISE EXCEPTION '"points" and its elements must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    source := source || segment.amount_condition(relation, amount_column, refunds_mode);
    PERFORM segment.top_count(point, 0::bigint) FROM unnest(points) AS given (point);
    RETURN format($query$
        WITH facts AS MATERIALIZED (
            SELECT segment.rfm_agg(o.%1$I::pg_catalog.timestamptz, %2$s) AS fact
            FROM %3$s
            GROUP BY o.%4$I
        ), customers AS MATERIALIZED (
            SELECT (fact).revenue FROM facts WHERE (fact).orders OPERATOR(pg_catalog.>) 0
        ), sums AS MATERIALIZED (
            SELECT pg_catalog.count(*) AS customers, pg_catalog.sum(revenue) AS revenue FROM customers
        ), points AS (
            SELECT DISTINCT point, segment.top_count(point, sums.customers) AS customers,
                   CASE WHEN sums.revenue OPERATOR(pg_catalog.>) 0 THEN sums.revenue END AS revenue
            FROM sums, pg_catalog.unnest($2) AS given (point)
        ), ranked AS (
            SELECT pg_catalog.row_number() OVER best AS place, revenue, pg_catalog.sum(revenue) OVER best AS running
            FROM customers
            WINDOW best AS (ORDER BY revenue DESC ROWS UNBOUNDED PRECEDING)
        )
        SELECT points.point, points.customers, COALESCE(ranked.running, 0),
               (COALESCE(ranked.running, 0) OPERATOR(pg_catalog./) points.revenue)::pg_catalog.float8, ranked.revenue
        FROM points LEFT JOIN ranked ON ranked.place OPERATOR(pg_catalog.=) points.customers
        ORDER BY points.point
    $query$,
        at_column, segment.amount_expression(relation, amount_column), source, customer_column);
END
$$;
COMMENT ON FUNCTION segment.pareto_curve_query(regclass, name, name, name, timestamptz, double precision[], text, text) IS
'The query of segment.pareto_curve; checks the arguments.';

CREATE FUNCTION segment.pareto_curve(orders regclass, customer name, at name, amount name,
    as_of timestamptz DEFAULT now(), points double precision[] DEFAULT '{0.01,0.05,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1}',
    "where" text DEFAULT NULL, refunds text DEFAULT 'net')
RETURNS TABLE (top_fraction double precision, customers bigint, revenue numeric, revenue_share double precision,
               smallest_revenue numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.pareto_curve_query($1, $2, $3, $4, $5, $6, $7, $8) USING $5, $6;
END
$$;
COMMENT ON FUNCTION segment.pareto_curve(regclass, name, name, name, timestamptz, double precision[], text, text) IS
'How much of the revenue the best customers bring: a row for each of the points (fractions of the customers, 0 to 1), ascending. customers: how many they are, as segment.top_count rounds; revenue: what they bring together, exact; revenue_share: its part of all revenue, NULL unless that is positive; smallest_revenue: of the last of them. The other arguments, and errors, as segment.concentration; 22023 for a point outside 0 to 1, 2202E for an array of several dimensions. O(orders + customers log customers).';
