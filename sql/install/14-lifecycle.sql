-- ---------------------------------------------------------------------------------------------------------------
-- Lifecycle: where a customer stands between the first order and having left
-- ---------------------------------------------------------------------------------------------------------------

-- STABLE: days are those of the session's time zone. Availability: 0.1.0
CREATE FUNCTION segment.lifecycle(first_at timestamptz, last_at timestamptz, orders bigint, as_of timestamptz,
                                  preset text DEFAULT 'retail',
                                  active_days integer DEFAULT NULL, inactive_days integer DEFAULT NULL,
                                  last_gap integer DEFAULT NULL, mean_gap double precision DEFAULT NULL,
                                  active_gaps double precision DEFAULT 1.5,
                                  inactive_gaps double precision DEFAULT 3) RETURNS text
    AS 'MODULE_PATHNAME', 'pgseg_lifecycle' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.lifecycle(timestamptz, timestamptz, bigint, timestamptz, text, integer, integer, integer,
                                      double precision, double precision, double precision) IS
'Lifecycle stage of one customer: prospect, first-time, active, reactivated, defecting or inactive. first_at, last_at, orders: of the orders before as_of, as segment.rfm_agg gives them. Days since the last order are calendar days in the session''s time zone, as_of::date - last_at::date: up to active_days active, beyond inactive_days inactive, defecting between. Active with one order is first-time; active whose last_gap (days between the last two days with an order) had made them inactive is reactivated. prospect: last_at is NULL and orders 0 or NULL, or first_at is on a day after as_of. preset: retail (active_days 90, inactive_days 365), gaps (active_days and inactive_days from segment.lifecycle_limits), own_gap (active_gaps and inactive_gaps times mean_gap; for a customer without mean_gap the limits in days; a day past a product by no more than its 1e-9th part is not past it). 22004 for a NULL as_of or preset, and for one of last_at and orders without the other; 22023 for unknown presets, limits that are negative or do not ascend, and histories that cannot be, among them a last order on a day after as_of; 22000 for infinite times. Constant time.';

-- ---- gaps between purchases

-- segment.gap_counts: how many gaps of how many days. Availability: 0.1.0
CREATE TYPE segment.gap_counts;

CREATE FUNCTION segment.gap_counts_in(cstring) RETURNS segment.gap_counts
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.gap_counts_out(segment.gap_counts) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.gap_counts_recv(internal) RETURNS segment.gap_counts
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.gap_counts_send(segment.gap_counts) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.gap_counts (
    INPUT = segment.gap_counts_in,
    OUTPUT = segment.gap_counts_out,
    RECEIVE = segment.gap_counts_recv,
    SEND = segment.gap_counts_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);
COMMENT ON TYPE segment.gap_counts IS
'How many gaps of how many days lie between the purchases of many customers: made by segment.gap_counts, merged by segment.rollup, read by segment.gap_percentile, segment.gap_total, segment.gaps and segment.lifecycle_limits.';
COMMENT ON FUNCTION segment.gap_counts_in(cstring) IS 'input of segment.gap_counts: hexadecimal bytes';
COMMENT ON FUNCTION segment.gap_counts_out(segment.gap_counts) IS 'output of segment.gap_counts: hexadecimal bytes';
COMMENT ON FUNCTION segment.gap_counts_recv(internal) IS 'binary input of segment.gap_counts';
COMMENT ON FUNCTION segment.gap_counts_send(segment.gap_counts) IS 'binary output of segment.gap_counts';

CREATE FUNCTION segment.gap_counts_transition(counts segment.gap_counts, state segment.rfm_state)
    RETURNS segment.gap_counts
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_transition_state' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.gap_counts_transition(counts segment.gap_counts, gap_days integer) RETURNS segment.gap_counts
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_transition_days' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.gap_counts_combine(segment.gap_counts, segment.gap_counts) RETURNS segment.gap_counts
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.gap_counts_final(segment.gap_counts) RETURNS segment.gap_counts
    AS 'MODULE_PATHNAME', 'pgseg_gap_counts_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment.gap_counts_transition(segment.gap_counts, segment.rfm_state) IS
'transition function of segment.gap_counts';
COMMENT ON FUNCTION segment.gap_counts_transition(segment.gap_counts, integer) IS
'transition function of segment.gap_counts';
COMMENT ON FUNCTION segment.gap_counts_combine(segment.gap_counts, segment.gap_counts) IS
'combine function of segment.gap_counts';
COMMENT ON FUNCTION segment.gap_counts_final(segment.gap_counts) IS 'final function of segment.gap_counts';

CREATE AGGREGATE segment.gap_counts(state segment.rfm_state) (
    SFUNC = segment.gap_counts_transition,
    STYPE = segment.gap_counts,
    SSPACE = 8192,
    COMBINEFUNC = segment.gap_counts_combine,
    FINALFUNC = segment.gap_counts_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.gap_counts(gap_days integer) (
    SFUNC = segment.gap_counts_transition,
    STYPE = segment.gap_counts,
    SSPACE = 8192,
    COMBINEFUNC = segment.gap_counts_combine,
    FINALFUNC = segment.gap_counts_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rollup(segment.gap_counts) (
    SFUNC = segment.gap_counts_combine,
    STYPE = segment.gap_counts,
    SSPACE = 8192,
    COMBINEFUNC = segment.gap_counts_combine,
    FINALFUNC = segment.gap_counts_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segment.gap_counts(segment.rfm_state) IS
'Counts the gaps between purchases of many customers: one row a customer, whose segment.rfm_state has the days with an order; a gap is the number of days from one of them to the next, so each customer has one fewer than days. NULLs are ignored; no row gives NULL. The same bits whatever the order of rows. O(days); 12 bytes for each different length of a gap.';
COMMENT ON AGGREGATE segment.gap_counts(integer) IS
'Counts gaps between purchases, one a row, in days: 1 or more (22023). NULLs are ignored; no row gives NULL.';
COMMENT ON AGGREGATE segment.rollup(segment.gap_counts) IS 'Merges counts of gaps. NULLs are ignored.';

CREATE FUNCTION segment.gap_percentile(counts segment.gap_counts, percentile double precision) RETURNS integer
    AS 'MODULE_PATHNAME', 'pgseg_gap_percentile' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.gap_total(counts segment.gap_counts) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_gap_total' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
CREATE FUNCTION segment.gaps(counts segment.gap_counts, OUT gap_days integer, OUT gaps bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'pgseg_gaps' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 ROWS 200;
COMMENT ON FUNCTION segment.gap_percentile(segment.gap_counts, double precision) IS
'The shortest gap, in days, that percentile percent of the gaps do not exceed: as percentile_disc, except that a product of share and number that differs from a whole number by at most 1e-9, or a 1e-9th part of that number if that is more, is that number. NULL when there is no gap or an argument is NULL; 22023 for a percentile outside 0 to 100.';
COMMENT ON FUNCTION segment.gap_total(segment.gap_counts) IS 'How many gaps were counted.';
COMMENT ON FUNCTION segment.gaps(segment.gap_counts) IS 'The counted gaps, a row for each length in days, ascending.';

CREATE FUNCTION segment.lifecycle_limits(counts segment.gap_counts,
                                         active_percentile double precision DEFAULT 40,
                                         inactive_percentile double precision DEFAULT 80,
                                         OUT active_days integer, OUT inactive_days integer) RETURNS record
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 20
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT segment.gap_percentile(counts, active_percentile), segment.gap_percentile(counts, inactive_percentile)
$$;
COMMENT ON FUNCTION segment.lifecycle_limits(segment.gap_counts, double precision, double precision) IS
'Limits for segment.lifecycle with preset gaps: percentiles, from 0 to 100, of everybody''s gaps between purchases. NULLs when there is no gap or an argument is NULL; 22023 for a percentile outside 0 to 100.';

-- ---- an orders table in one call

-- What the one-call functions read: the relation as o, its rows before $1 that have a customer and pass the filter.
CREATE FUNCTION segment.order_source(relation regclass, customer_column name, at_column name, filter text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF relation IS NULL OR customer_column IS NULL OR at_column IS NULL THEN
        RAISE EXCEPTION '"orders", "customer" and "at" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM segment.column_type(relation, customer_column), segment.column_type(relation, at_column);
    -- The query runs under the caller's search path, as the filter is the caller's: all else in it names its schema.
    -- The line breaks keep a comment at the end of the filter from swallowing what follows.
    RETURN format('%s AS o WHERE o.%I OPERATOR(pg_catalog.<) $1 AND o.%I IS NOT NULL',
                  segment.qualified_name(relation), at_column, customer_column)
        || CASE WHEN btrim(filter) <> '' THEN format(E' AND (\n%s\n)', filter) ELSE '' END;
END
$$;
COMMENT ON FUNCTION segment.order_source(regclass, name, name, text) IS
'The FROM and WHERE of a query over the orders before $1. 22004 for a NULL relation or column, 42703 for a column that does not exist.';

CREATE FUNCTION segment.order_count(relation regclass, at_column name, frequency_of text, order_id_column name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF frequency_of IS NULL THEN
        RAISE EXCEPTION '"frequency" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    CASE frequency_of
        WHEN 'days' THEN RETURN '(fact).days';
        WHEN 'orders' THEN RETURN '(fact).orders';
        WHEN 'order_ids' THEN
            IF order_id_column IS NULL THEN
                RAISE EXCEPTION 'frequency "order_ids" needs "order_id"' USING ERRCODE = 'invalid_parameter_value';
            END IF;
            PERFORM segment.column_type(relation, order_id_column);
            RETURN 'order_ids';
        ELSE
            RAISE EXCEPTION 'unrecognized value for "frequency": "%"', left(frequency_of, 100)
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Valid values are "days", "orders" and "order_ids".';
    END CASE;
END
$$;
COMMENT ON FUNCTION segment.order_count(regclass, name, text, name) IS
'The expression that counts a customer''s orders. 22004 and 22023 for a frequency that is none.';

CREATE FUNCTION segment.order_ids_expression(frequency_of text, order_id_column name, condition text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE frequency_of
        WHEN 'order_ids' THEN
            format('(pg_catalog.count(DISTINCT o.%1$I)%2$s OPERATOR(pg_catalog.+)'
                   ' pg_catalog.count(*) FILTER (WHERE o.%1$I IS NULL%3$s))', order_id_column,
                   ' FILTER (WHERE ' || condition || ')', ' AND ' || condition)
        ELSE 'NULL::pg_catalog.int8'
    END
$$;
COMMENT ON FUNCTION segment.order_ids_expression(text, name, text) IS
'The aggregate that counts a customer''s order ids, where a row without one is an order of its own; NULL for other frequencies.';

-- segment.lifecycle_settings: what the options of the one-call functions say. Availability: 0.1.0
CREATE TYPE segment.lifecycle_settings AS (
    active_days integer,
    inactive_days integer,
    active_percentile double precision,
    inactive_percentile double precision,
    active_gaps double precision,
    inactive_gaps double precision,
    reactivated boolean
);
COMMENT ON TYPE segment.lifecycle_settings IS 'The options of segment.lifecycle_stages, read.';

CREATE FUNCTION segment.lifecycle_number(option text, given numeric) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF option NOT LIKE '%days' THEN
        IF given <> 0 AND abs(given) NOT BETWEEN 1e-300 AND 1e300 THEN
            RAISE EXCEPTION 'option "%" is out of range', option USING ERRCODE = 'invalid_parameter_value';
        END IF;
        RETURN to_jsonb(given);
    END IF;
    IF given <> trunc(given) THEN
        RAISE EXCEPTION 'option "%" must be a whole number', option USING ERRCODE = 'invalid_parameter_value';
    ELSIF given NOT BETWEEN -2147483648 AND 2147483647 THEN
        RAISE EXCEPTION 'option "%" is out of range', option USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- 90.0 is a whole number, and the type integer does not read it.
    RETURN to_jsonb(trunc(given));
END
$$;
COMMENT ON FUNCTION segment.lifecycle_number(text, numeric) IS
'A number among the options as the settings can hold it; 22023 when they cannot.';

CREATE FUNCTION segment.lifecycle_options(preset text, options jsonb) RETURNS segment.lifecycle_settings
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    settings segment.lifecycle_settings;
    option record;
    wanted text;
BEGIN
    IF preset IS NULL OR options IS NULL THEN
        RAISE EXCEPTION '"preset" and "options" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF preset NOT IN ('retail', 'gaps', 'own_gap') THEN
        RAISE EXCEPTION 'unrecognized value for "preset": "%"', left(preset, 100)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Valid values are "retail", "gaps" and "own_gap".';
    END IF;
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION '"options" must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    settings := ROW(90, 365, 40, 80, 1.5, 3, true);
    FOR option IN SELECT * FROM jsonb_each(options) LOOP
        wanted := CASE option.key
            WHEN 'active_days' THEN 'number' WHEN 'inactive_days' THEN 'number'
            WHEN 'active_percentile' THEN 'number' WHEN 'inactive_percentile' THEN 'number'
            WHEN 'active_gaps' THEN 'number' WHEN 'inactive_gaps' THEN 'number'
            WHEN 'reactivated' THEN 'boolean' END;
        IF wanted IS NULL THEN
            RAISE EXCEPTION 'unrecognized option "%"', left(option.key, 100)
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'Valid options are "active_days", "inactive_days", "active_percentile", "inactive_percentile", "active_gaps", "inactive_gaps" and "reactivated".';
        ELSIF jsonb_typeof(option.value) <> wanted THEN
            RAISE EXCEPTION 'option "%" must be a %', option.key, wanted
                USING ERRCODE = 'invalid_parameter_value';
        ELSIF wanted = 'number' THEN
            options := jsonb_set(options, ARRAY[option.key],
                                 segment.lifecycle_number(option.key::text, option.value::numeric));
        END IF;
    END LOOP;
    settings := jsonb_populate_record(settings, options);
    IF settings.active_percentile > settings.inactive_percentile THEN
        RAISE EXCEPTION 'option "active_percentile" must not be greater than "inactive_percentile"'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- The limits are those of segment.lifecycle, and it knows which ones cannot be.
    -- Every argument has exactly the declared type, in all calls here and in the queries below: another function of
    -- the same name could not come between.
    PERFORM segment.lifecycle(NULL::timestamptz, NULL::timestamptz, 0::bigint, 'epoch'::timestamptz, 'retail'::text,
                              settings.active_days, settings.inactive_days, NULL::integer, NULL::double precision,
                              settings.active_gaps, settings.inactive_gaps);
    PERFORM segment.gap_percentile('\x67010000'::segment.gap_counts, settings.active_percentile);
    PERFORM segment.gap_percentile('\x67010000'::segment.gap_counts, settings.inactive_percentile);
    RETURN settings;
END
$$;
COMMENT ON FUNCTION segment.lifecycle_options(text, jsonb) IS
'The settings that a preset and options amount to. 22004 for NULL, 22023 for presets and options that are unknown or out of range.';

CREATE FUNCTION segment.check_moment(moment timestamptz, argument text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF moment IS NULL THEN
        RAISE EXCEPTION '"%" must not be null', argument USING ERRCODE = 'null_value_not_allowed';
    ELSIF NOT isfinite(moment) THEN
        RAISE EXCEPTION '"%" must be finite', argument USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN moment;
END
$$;
COMMENT ON FUNCTION segment.check_moment(timestamptz, text) IS 'The moment; 22004 when it is NULL, 22023 when it is infinite.';

-- The queries below have as $1 the moment, and as $2 the settings.

-- The stage of the customer whose fact, orders and limits (limits is a row of days) are columns of these names.
CREATE FUNCTION segment.lifecycle_call(fact text, orders text, moment text, preset text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('segment.lifecycle((%1$s).first_at, (%1$s).last_at, %2$s, %3$s, %4$L::pg_catalog.text,'
                  ' limits.active_days, limits.inactive_days,'
                  ' CASE WHEN ($2).reactivated THEN (%1$s).last_gap END, (%1$s).mean_gap,'
                  ' ($2).active_gaps, ($2).inactive_gaps)',
                  fact, orders, moment, preset)
$$;
COMMENT ON FUNCTION segment.lifecycle_call(text, text, text, text) IS
'The expression for the stage of a customer whose figures are columns of a query.';

CREATE FUNCTION segment.lifecycle_limits_query(preset text, facts text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE preset
        WHEN 'gaps' THEN
            -- Without a gap there is nothing to measure by, and nobody has bought on two days.
            format('SELECT COALESCE((found.days).active_days, ($2).active_days) AS active_days,'
                   ' COALESCE((found.days).inactive_days, ($2).inactive_days) AS inactive_days'
                   ' FROM (SELECT segment.lifecycle_limits(segment.gap_counts(state), ($2).active_percentile,'
                   ' ($2).inactive_percentile) AS days FROM %s) AS found', facts)
        ELSE 'SELECT ($2).active_days AS active_days, ($2).inactive_days AS inactive_days'
    END
$$;
COMMENT ON FUNCTION segment.lifecycle_limits_query(text, text) IS
'The query for the limits in days of a preset, over customers whose segment.rfm_state is the column state.';

CREATE FUNCTION segment.lifecycle_everybody(members regclass, members_key name, key_type text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF members IS NULL THEN
        RETURN 'figures';
    END IF;
    PERFORM segment.check_key_type(members, members_key, key_type);
    RETURN format('figures FULL JOIN (SELECT DISTINCT member.%1$I::%2$s AS member_id FROM %3$s AS member'
                  ' WHERE member.%1$I IS NOT NULL) AS members'
                  ' ON members.member_id OPERATOR(pg_catalog.=) figures.customer_id',
                  members_key, key_type, segment.qualified_name(members));
END
$$;
COMMENT ON FUNCTION segment.lifecycle_everybody(regclass, name, text) IS
'The customers of the CTE figures, and those of a table of customers as member_id. 42703 for a key that does not exist, 42804 for one of another type.';

-- The work of segment.lifecycle_stages, whose result columns have the names of its arguments.
CREATE FUNCTION segment.lifecycle_query(relation regclass, customer_column name, at_column name, key_type text,
                                        moment timestamptz, preset text, filter text, frequency_of text,
                                        order_id_column name, members regclass, members_key name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source text := segment.order_source(relation, customer_column, at_column, filter);
    order_count text := segment.order_count(relation, at_column, frequency_of, order_id_column);
BEGIN
    PERFORM segment.check_moment(moment, 'as_of'::text);
    PERFORM segment.check_key_type(relation, customer_column, key_type);
    RETURN format($query$
        WITH facts AS MATERIALIZED (
            SELECT o.%1$I::%2$s AS customer_id,
                   segment.rfm_state(o.%3$I::pg_catalog.timestamptz, 0::pg_catalog.float8) AS state, %4$s AS order_ids
            FROM %5$s
            GROUP BY o.%1$I::%2$s
        ), figures AS MATERIALIZED (
            SELECT customer_id, segment.finalize(state) AS fact, order_ids FROM facts
        ), limits AS MATERIALIZED (
            %6$s
        )
        SELECT %12$s, %7$s, (fact).first_at, (fact).last_at, COALESCE(%8$s, 0),
               $1::pg_catalog.date OPERATOR(pg_catalog.-) (fact).last_at::pg_catalog.date,
               (fact).last_gap, (fact).mean_gap,
               COALESCE(%9$s, limits.active_days), COALESCE(%10$s, limits.inactive_days)
        FROM limits, %11$s
    $query$,
        customer_column, key_type, at_column, segment.order_ids_expression(frequency_of, order_id_column, NULL::text),
        source, segment.lifecycle_limits_query(preset, 'facts'::text),
        segment.lifecycle_call('fact'::text, order_count, '$1'::text, preset), order_count,
        CASE preset WHEN 'own_gap' THEN '($2).active_gaps OPERATOR(pg_catalog.*) (fact).mean_gap' ELSE 'NULL::pg_catalog.float8' END,
        CASE preset WHEN 'own_gap' THEN '($2).inactive_gaps OPERATOR(pg_catalog.*) (fact).mean_gap' ELSE 'NULL::pg_catalog.float8' END,
        segment.lifecycle_everybody(members, COALESCE(members_key, customer_column), key_type),
        CASE WHEN members IS NULL THEN 'customer_id' ELSE 'COALESCE(customer_id, member_id)' END);
END
$$;
COMMENT ON FUNCTION segment.lifecycle_query(regclass, name, name, text, timestamptz, text, text, text, name, regclass, name) IS
'The query of segment.lifecycle_stages for customers of a type; checks the arguments.';

-- RESTRICTED: the relation may be a temporary table, or a view over anything.
-- The functions that run the queries: PL/pgSQL, and so apart from those below, whose results have names of arguments.
-- They have no search path of their own, as the filter in the query is to see the caller's.
CREATE FUNCTION segment.lifecycle_run(query text, moment timestamptz, settings segment.lifecycle_settings)
RETURNS TABLE (customer_id bigint, stage text, first_at timestamptz, last_at timestamptz, orders bigint,
               recency_days integer, last_gap integer, mean_gap double precision,
               active_days double precision, inactive_days double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE $1 USING $2, $3;
END
$$;
CREATE FUNCTION segment.lifecycle_run_uuid(query text, moment timestamptz, settings segment.lifecycle_settings)
RETURNS TABLE (customer_id uuid, stage text, first_at timestamptz, last_at timestamptz, orders bigint,
               recency_days integer, last_gap integer, mean_gap double precision,
               active_days double precision, inactive_days double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE $1 USING $2, $3;
END
$$;
CREATE FUNCTION segment.lifecycle_run_text(query text, moment timestamptz, settings segment.lifecycle_settings)
RETURNS TABLE (customer_id text, stage text, first_at timestamptz, last_at timestamptz, orders bigint,
               recency_days integer, last_gap integer, mean_gap double precision,
               active_days double precision, inactive_days double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
BEGIN
    RETURN QUERY EXECUTE $1 USING $2, $3;
END
$$;
CREATE FUNCTION segment.lifecycle_migration_run(query text, moment timestamptz, settings segment.lifecycle_settings,
                                                from_moment timestamptz)
RETURNS TABLE (from_stage text, to_stage text, customers bigint, share double precision, revenue numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 36
AS $$
BEGIN
    RETURN QUERY EXECUTE $1 USING $2, $3, $4;
END
$$;
CREATE FUNCTION segment.lifecycle_summary_run(query text, moment timestamptz, settings segment.lifecycle_settings)
RETURNS TABLE (stage text, customers bigint, share double precision, orders bigint, revenue numeric,
               revenue_share double precision, mean_order_value numeric, median_recency_days integer)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 6
AS $$
BEGIN
    RETURN QUERY EXECUTE $1 USING $2, $3;
END
$$;
COMMENT ON FUNCTION segment.lifecycle_run(text, timestamptz, segment.lifecycle_settings) IS
'Runs the query of segment.lifecycle_stages, with the caller''s rights.';
COMMENT ON FUNCTION segment.lifecycle_run_uuid(text, timestamptz, segment.lifecycle_settings) IS
'Runs the query of segment.lifecycle_stages_uuid, with the caller''s rights.';
COMMENT ON FUNCTION segment.lifecycle_run_text(text, timestamptz, segment.lifecycle_settings) IS
'Runs the query of segment.lifecycle_stages_text, with the caller''s rights.';
COMMENT ON FUNCTION segment.lifecycle_migration_run(text, timestamptz, segment.lifecycle_settings, timestamptz) IS
'Runs the query of segment.lifecycle_migration, with the caller''s rights.';
COMMENT ON FUNCTION segment.lifecycle_summary_run(text, timestamptz, segment.lifecycle_settings) IS
'Runs the query of segment.lifecycle_summary, with the caller''s rights.';

CREATE FUNCTION segment.lifecycle_stages(orders regclass, customer name, at name, as_of timestamptz DEFAULT now(),
    preset text DEFAULT 'retail', "where" text DEFAULT NULL, frequency text DEFAULT 'days', order_id name DEFAULT NULL,
    customers regclass DEFAULT NULL, customers_key name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (customer_id bigint, stage text, first_at timestamptz, last_at timestamptz, orders bigint,
               recency_days integer, last_gap integer, mean_gap double precision,
               active_days double precision, inactive_days double precision)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT *
    FROM segment.lifecycle_run(
        segment.lifecycle_query($1, $2, $3, 'pg_catalog.int8'::pg_catalog.text, $4, $5, $6, $7, $8, $9, $10), $4,
        segment.lifecycle_options($5, $11))
$$;
CREATE FUNCTION segment.lifecycle_stages_uuid(orders regclass, customer name, at name, as_of timestamptz DEFAULT now(),
    preset text DEFAULT 'retail', "where" text DEFAULT NULL, frequency text DEFAULT 'days', order_id name DEFAULT NULL,
    customers regclass DEFAULT NULL, customers_key name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (customer_id uuid, stage text, first_at timestamptz, last_at timestamptz, orders bigint,
               recency_days integer, last_gap integer, mean_gap double precision,
               active_days double precision, inactive_days double precision)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT *
    FROM segment.lifecycle_run_uuid(
        segment.lifecycle_query($1, $2, $3, 'pg_catalog.uuid'::pg_catalog.text, $4, $5, $6, $7, $8, $9, $10), $4,
        segment.lifecycle_options($5, $11))
$$;
CREATE FUNCTION segment.lifecycle_stages_text(orders regclass, customer name, at name, as_of timestamptz DEFAULT now(),
    preset text DEFAULT 'retail', "where" text DEFAULT NULL, frequency text DEFAULT 'days', order_id name DEFAULT NULL,
    customers regclass DEFAULT NULL, customers_key name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (customer_id text, stage text, first_at timestamptz, last_at timestamptz, orders bigint,
               recency_days integer, last_gap integer, mean_gap double precision,
               active_days double precision, inactive_days double precision)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT *
    FROM segment.lifecycle_run_text(
        segment.lifecycle_query($1, $2, $3, 'pg_catalog.text'::pg_catalog.text, $4, $5, $6, $7, $8, $9, $10), $4,
        segment.lifecycle_options($5, $11))
$$;
COMMENT ON FUNCTION segment.lifecycle_stages(regclass, name, name, timestamptz, text, text, text, name, regclass, name, jsonb) IS
'Lifecycle stage of every customer of an orders table at as_of (default now), with the caller''s rights and search path. orders: table or view; customer, at: its columns, the customer one of an integer type (see segment.lifecycle_stages_uuid and segment.lifecycle_stages_text). Only orders before as_of count, and of them those for which the SQL condition "where" is true. frequency: days (distinct days with an order), orders (rows), order_ids (distinct values of order_id, a row without one being an order of its own) are the orders of a customer. customers, customers_key: a table of all customers, where those without an order come from, as prospects. preset and options: as segment.lifecycle, options being active_days, inactive_days (also the limits that own_gap uses for customers who bought on one day), active_percentile, inactive_percentile (of gaps, over the same orders), active_gaps, inactive_gaps, reactivated (false: no such stage). active_days and inactive_days of a row are the limits that its stage comes from. 22004 and 22023 for arguments that cannot be, 42703 for a missing column, 42804 for a customer column or customers_key of another type. O(orders + customers).';
COMMENT ON FUNCTION segment.lifecycle_stages_uuid(regclass, name, name, timestamptz, text, text, text, name, regclass, name, jsonb) IS
'segment.lifecycle_stages for customers identified by uuid.';
COMMENT ON FUNCTION segment.lifecycle_stages_text(regclass, name, name, timestamptz, text, text, text, name, regclass, name, jsonb) IS
'segment.lifecycle_stages for customers identified by text: whose identifiers print the same are one customer.';

-- What an amount is added up as: floating point keeps its own exact sum (real as double precision, which holds it;
-- numeric would not hold all its digits), everything else is numeric.
CREATE FUNCTION segment.amount_expression(relation regclass, amount_column name) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('o.%I::pg_catalog.%s', amount_column,
                  CASE WHEN segment.column_type(relation, amount_column)::text IN ('real', 'double precision')
                       THEN 'float8' ELSE 'numeric' END)
$$;
COMMENT ON FUNCTION segment.amount_expression(regclass, name) IS
'The expression for the amount of an order; 42703 when there is no such column.';

CREATE FUNCTION segment.key_type(relation regclass, customer_column name) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN type_of IN ('smallint', 'integer', 'bigint') THEN 'pg_catalog.int8'
                WHEN type_of = 'uuid' THEN 'pg_catalog.uuid' ELSE 'pg_catalog.text' END
    FROM (SELECT segment.column_type(relation, customer_column)::text) AS found (type_of)
$$;
COMMENT ON FUNCTION segment.key_type(regclass, name) IS
'The type that tells customers apart: integers and uuid as such, everything else as text. 42703 when there is no such column.';

-- The work of segment.lifecycle_migration. $3 is the moment that the moves start from.
CREATE FUNCTION segment.lifecycle_migration_query(relation regclass, customer_column name, at_column name,
    amount_column name, from_moment timestamptz, to_moment timestamptz, preset text, filter text, frequency_of text,
    order_id_column name, members regclass, members_key name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source text := segment.order_source(relation, customer_column, at_column, filter);
    order_count text := segment.order_count(relation, at_column, frequency_of, order_id_column);
    key_type text := segment.key_type(relation, customer_column);
    before text := format('o.%I OPERATOR(pg_catalog.<) $3', at_column);
BEGIN
    IF segment.check_moment(from_moment, 'from_as_of'::text) >= segment.check_moment(to_moment, 'to_as_of'::text) THEN
        RAISE EXCEPTION '"from_as_of" must be before "to_as_of"' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN format($query$
        WITH facts AS MATERIALIZED (
            SELECT o.%1$I::%13$s AS customer_id,
                   segment.rfm_state(o.%2$I::pg_catalog.timestamptz, 0::pg_catalog.float8) FILTER (WHERE %3$s) AS state,
                   segment.rfm_state(o.%2$I::pg_catalog.timestamptz, 0::pg_catalog.float8) AS later,
                   %4$s AS order_ids, %5$s AS later_ids, (%6$s).revenue AS revenue
            FROM %7$s
            GROUP BY o.%1$I::%13$s
        ), figures AS MATERIALIZED (
            SELECT customer_id, segment.finalize(state) AS fact, segment.finalize(later) AS later_fact, order_ids,
                   later_ids, revenue
            FROM facts
        ), limits AS MATERIALIZED (
            %8$s
        ), moves AS (
            SELECT %9$s AS from_stage, %10$s AS to_stage, pg_catalog.count(*) AS customers,
                   pg_catalog.sum(revenue) AS revenue
            FROM limits, %11$s
            GROUP BY 1, 2
        )
        SELECT from_stage, to_stage, customers,
               customers::pg_catalog.float8 OPERATOR(pg_catalog./)
               (pg_catalog.sum(customers) OVER (PARTITION BY from_stage))::pg_catalog.float8 AS share,
               CASE WHEN %12$L THEN COALESCE(revenue, 0) END AS revenue
        FROM moves
        ORDER BY %14$s, %15$s
    $query$,
        customer_column, at_column, before, segment.order_ids_expression(frequency_of, order_id_column, before),
        segment.order_ids_expression(frequency_of, order_id_column, NULL::text),
        CASE WHEN amount_column IS NULL THEN 'NULL::segment.rfm_facts'
             ELSE format('segment.rfm_agg(o.%1$I::pg_catalog.timestamptz, %2$s)'
                         ' FILTER (WHERE o.%1$I OPERATOR(pg_catalog.>=) $3)', at_column,
                         segment.amount_expression(relation, amount_column)) END,
        source, segment.lifecycle_limits_query(preset, 'facts'::text),
        segment.lifecycle_call('fact'::text, order_count, '$3'::text, preset),
        segment.lifecycle_call('later_fact'::text,
                               replace(replace(order_count, '(fact)', '(later_fact)'), 'order_ids', 'later_ids'),
                               '$1'::text, preset),
        segment.lifecycle_everybody(members, COALESCE(members_key, customer_column), key_type),
        amount_column IS NOT NULL, key_type,
        segment.lifecycle_place('from_stage'::text), segment.lifecycle_place('to_stage'::text));
END
$$;
COMMENT ON FUNCTION segment.lifecycle_migration_query(regclass, name, name, name, timestamptz, timestamptz, text, text, text,
                                                      name, regclass, name) IS
'The query of segment.lifecycle_migration; checks the arguments.';

CREATE FUNCTION segment.lifecycle_place(stage text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('pg_catalog.array_position(%L::pg_catalog.text[], %s)',
                  '{prospect,first-time,active,reactivated,defecting,inactive}', stage)
$$;
COMMENT ON FUNCTION segment.lifecycle_place(text) IS 'The expression that puts stages in the order of the lifecycle.';

CREATE FUNCTION segment.lifecycle_migration(orders regclass, customer name, at name, from_as_of timestamptz,
    to_as_of timestamptz DEFAULT now(), amount name DEFAULT NULL, preset text DEFAULT 'retail', "where" text DEFAULT NULL,
    frequency text DEFAULT 'days', order_id name DEFAULT NULL, customers regclass DEFAULT NULL,
    customers_key name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (from_stage text, to_stage text, customers bigint, share double precision, revenue numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 36
AS $$
    SELECT *
    FROM segment.lifecycle_migration_run(
        segment.lifecycle_migration_query($1, $2, $3, $6, $4, $5, $7, $8, $9, $10, $11, $12), $5,
        segment.lifecycle_options($7, $13), $4)
$$;
COMMENT ON FUNCTION segment.lifecycle_migration(regclass, name, name, timestamptz, timestamptz, name, text, text, text, name,
                                                regclass, name, jsonb) IS
'Who moved where between two moments: a row for each pair of lifecycle stages that some customer had at from_as_of and at to_as_of (default now), in the order of the lifecycle. customers: how many; share: their part of all who were in from_stage; revenue: the sum of amount over their orders at or after from_as_of and before to_as_of, NULL without amount. New customers come from prospect. The limits of preset gaps are those of the gaps before from_as_of, for both moments. Customers of any type: integers, uuid, or what prints the same. The other arguments, and errors, as segment.lifecycle_stages; 22023 unless from_as_of is before to_as_of. One pass over the orders.';

CREATE FUNCTION segment.lifecycle_rates_query(relation regclass, customer_column name, at_column name,
    from_moment timestamptz, to_moment timestamptz, preset text, filter text, frequency_of text, order_id_column name)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format($query$
    WITH moves AS (
        SELECT move.from_stage, move.to_stage, move.customers,
               move.from_stage OPERATOR(pg_catalog.=) ANY ('{first-time,active,reactivated}'::pg_catalog.text[]) AS was_active,
               move.to_stage OPERATOR(pg_catalog.=) ANY ('{first-time,active,reactivated}'::pg_catalog.text[]) AS is_active,
               move.from_stage OPERATOR(pg_catalog.=) ANY ('{defecting,inactive}'::pg_catalog.text[]) AS was_leaving,
               move.from_stage OPERATOR(pg_catalog.=) 'defecting'::pg_catalog.text AS was_defecting,
               move.from_stage OPERATOR(pg_catalog.=) 'prospect'::pg_catalog.text AS was_prospect,
               move.to_stage OPERATOR(pg_catalog.=) 'inactive'::pg_catalog.text AS is_inactive
        FROM (%s) AS move
    ), rates (place, rate, customers, of_customers) AS (
        SELECT 1, 'retention'::pg_catalog.text, pg_catalog.sum(customers) FILTER (WHERE was_active AND is_active),
               pg_catalog.sum(customers) FILTER (WHERE was_active) FROM moves
        UNION ALL
        SELECT 2, 'churn', pg_catalog.sum(customers) FILTER (WHERE was_active AND NOT is_active),
               pg_catalog.sum(customers) FILTER (WHERE was_active) FROM moves
        UNION ALL
        SELECT 3, 'loss', pg_catalog.sum(customers) FILTER (WHERE was_defecting AND is_inactive),
               pg_catalog.sum(customers) FILTER (WHERE was_defecting) FROM moves
        UNION ALL
        SELECT 4, 'win-back', pg_catalog.sum(customers) FILTER (WHERE was_leaving AND is_active),
               pg_catalog.sum(customers) FILTER (WHERE was_leaving) FROM moves
        UNION ALL
        SELECT 5, 'new', pg_catalog.sum(customers) FILTER (WHERE was_prospect), pg_catalog.sum(customers) FROM moves
    )
    SELECT rate, COALESCE(customers, 0)::pg_catalog.int8, COALESCE(of_customers, 0)::pg_catalog.int8,
           COALESCE(customers, 0)::pg_catalog.float8 OPERATOR(pg_catalog./) of_customers::pg_catalog.float8
    FROM rates
    ORDER BY place
    $query$,
        segment.lifecycle_migration_query(relation, customer_column, at_column, NULL::name, from_moment, to_moment, preset,
                                          filter, frequency_of, order_id_column, NULL::regclass, NULL::name))
$$;
COMMENT ON FUNCTION segment.lifecycle_rates_query(regclass, name, name, timestamptz, timestamptz, text, text, text, name) IS
'The query of segment.lifecycle_rates; checks the arguments.';

CREATE FUNCTION segment.lifecycle_rates(orders regclass, customer name, at name, from_as_of timestamptz,
    to_as_of timestamptz DEFAULT now(), preset text DEFAULT 'retail', "where" text DEFAULT NULL,
    frequency text DEFAULT 'days', order_id name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (rate text, customers bigint, of_customers bigint, share double precision)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 5
AS $$
BEGIN
    RETURN QUERY EXECUTE segment.lifecycle_rates_query($1, $2, $3, $4, $5, $6, $7, $8, $9)
    USING $5, segment.lifecycle_options($6, $10), $4;
END
$$;
COMMENT ON FUNCTION segment.lifecycle_rates(regclass, name, name, timestamptz, timestamptz, text, text, text, name, jsonb) IS
'Rates of segment.lifecycle_migration, where first-time, active and reactivated count as active. retention: of those active at from_as_of, who are active at to_as_of; churn: of the same, who are defecting or inactive; loss: of those defecting, who are inactive; win-back: of those defecting or inactive, who are active again; new: of all customers at to_as_of, who had no order before from_as_of. share is NULL where of_customers is 0. Arguments and errors as segment.lifecycle_migration.';

CREATE FUNCTION segment.lifecycle_summary_query(relation regclass, customer_column name, at_column name,
    amount_column name, moment timestamptz, preset text, filter text, frequency_of text, order_id_column name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source text := segment.order_source(relation, customer_column, at_column, filter);
    order_count text := segment.order_count(relation, at_column, frequency_of, order_id_column);
    key_type text := segment.key_type(relation, customer_column);
BEGIN
    PERFORM segment.check_moment(moment, 'as_of'::text);
    IF amount_column IS NULL THEN
        RAISE EXCEPTION '"amount" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    RETURN format($query$
        WITH facts AS MATERIALIZED (
            SELECT segment.rfm_state(o.%1$I::pg_catalog.timestamptz, 0::pg_catalog.float8) AS state,
                   (segment.rfm_agg(o.%1$I::pg_catalog.timestamptz, %2$s)).revenue AS revenue, %3$s AS order_ids
            FROM %4$s AND o.%9$I IS NOT NULL
            GROUP BY o.%5$I::%10$s
        ), figures AS MATERIALIZED (
            SELECT segment.finalize(state) AS fact, revenue, order_ids FROM facts
        ), limits AS MATERIALIZED (
            %6$s
        ), stages AS (
            SELECT %7$s AS stage, %8$s AS orders,
                   $1::pg_catalog.date OPERATOR(pg_catalog.-) (fact).last_at::pg_catalog.date AS recency_days, revenue
            FROM limits, figures
        ), sums AS (
            SELECT stage, pg_catalog.count(*) AS customers, pg_catalog.sum(orders)::pg_catalog.int8 AS orders,
                   COALESCE(pg_catalog.sum(revenue), 0) AS revenue,
                   pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY recency_days) AS recency_days
            FROM stages
            GROUP BY stage
        ), shares AS (
            SELECT *, (pg_catalog.sum(customers) OVER ())::pg_catalog.float8 AS everybody,
                   pg_catalog.sum(revenue) OVER () AS all_revenue
            FROM sums
        )
        SELECT stage, customers, customers::pg_catalog.float8 OPERATOR(pg_catalog./) everybody, orders, revenue,
               (CASE WHEN all_revenue OPERATOR(pg_catalog.>) 0
                     THEN revenue OPERATOR(pg_catalog./) all_revenue END)::pg_catalog.float8,
               CASE WHEN orders OPERATOR(pg_catalog.>) 0 THEN revenue OPERATOR(pg_catalog./) orders END, recency_days
        FROM shares
        ORDER BY %11$s
    $query$,
        at_column, segment.amount_expression(relation, amount_column),
        segment.order_ids_expression(frequency_of, order_id_column, NULL::text),
        source, customer_column, segment.lifecycle_limits_query(preset, 'facts'::text),
        segment.lifecycle_call('fact'::text, order_count, '$1'::text, preset), order_count, amount_column, key_type,
        segment.lifecycle_place('stage'::text));
END
$$;
COMMENT ON FUNCTION segment.lifecycle_summary_query(regclass, name, name, name, timestamptz, text, text, text, name) IS
'The query of segment.lifecycle_summary; checks the arguments.';

CREATE FUNCTION segment.lifecycle_summary(orders regclass, customer name, at name, amount name,
    as_of timestamptz DEFAULT now(), preset text DEFAULT 'retail', "where" text DEFAULT NULL,
    frequency text DEFAULT 'days', order_id name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (stage text, customers bigint, share double precision, orders bigint, revenue numeric,
               revenue_share double precision, mean_order_value numeric, median_recency_days integer)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 6
AS $$
    SELECT *
    FROM segment.lifecycle_summary_run(segment.lifecycle_summary_query($1, $2, $3, $4, $5, $6, $7, $8, $9), $5,
                                       segment.lifecycle_options($6, $10))
$$;
COMMENT ON FUNCTION segment.lifecycle_summary(regclass, name, name, name, timestamptz, text, text, text, name, jsonb) IS
'What each lifecycle stage is worth: a row for each stage that some customer has at as_of (default now), in the order of the lifecycle: customers, their share, their orders, revenue (sum of amount over all their orders before as_of, refunds included), its share of all revenue (NULL unless that is positive), mean value of an order, median days since the last order. Rows whose amount is NULL are left out, and with them customers who have no other. Customers of any type, as in segment.lifecycle_migration; arguments and errors as segment.lifecycle_stages, and 22000 for NaN and infinite amounts.';
