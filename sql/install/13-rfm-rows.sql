-- ---------------------------------------------------------------------------------------------------------------
-- RFM of an orders table in one call
-- ---------------------------------------------------------------------------------------------------------------

-- segment.rfm_customers: every customer of an orders table, gathered by one aggregate. Availability: 0.1.0
CREATE TYPE segment.rfm_customers;

CREATE FUNCTION segment.rfm_customers_in(cstring) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_customers_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_customers_out(segment.rfm_customers) RETURNS cstring
    AS 'MODULE_PATHNAME', 'pgseg_rfm_customers_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_customers_recv(internal) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_customers_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.rfm_customers_send(segment.rfm_customers) RETURNS bytea
    AS 'MODULE_PATHNAME', 'pgseg_rfm_customers_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE segment.rfm_customers (
    INPUT = segment.rfm_customers_in,
    OUTPUT = segment.rfm_customers_out,
    RECEIVE = segment.rfm_customers_recv,
    SEND = segment.rfm_customers_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = extended
);

COMMENT ON TYPE segment.rfm_customers IS
'Customers gathered by segment.rfm_gather for segment.rfm: a hash table that parallel workers hand on.';
COMMENT ON FUNCTION segment.rfm_customers_in(cstring) IS 'input of segment.rfm_customers: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_customers_out(segment.rfm_customers) IS 'output of segment.rfm_customers: hexadecimal bytes';
COMMENT ON FUNCTION segment.rfm_customers_recv(internal) IS 'binary input of segment.rfm_customers';
COMMENT ON FUNCTION segment.rfm_customers_send(segment.rfm_customers) IS 'binary output of segment.rfm_customers';

CREATE FUNCTION segment.rfm_gather_transition(state segment.rfm_customers, key bigint, at timestamptz, amount numeric,
                                              as_of timestamptz, mode bigint) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_integer_numeric' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_transition(state segment.rfm_customers, key bigint, at timestamptz, amount double precision,
                                              as_of timestamptz, mode bigint) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_integer_float8' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_transition(state segment.rfm_customers, key uuid, at timestamptz, amount numeric,
                                              as_of timestamptz, mode bigint) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_uuid_numeric' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_transition(state segment.rfm_customers, key uuid, at timestamptz, amount double precision,
                                              as_of timestamptz, mode bigint) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_uuid_float8' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_transition(state segment.rfm_customers, key text, at timestamptz, amount numeric,
                                              as_of timestamptz, mode bigint) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_text_numeric' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_transition(state segment.rfm_customers, key text, at timestamptz, amount double precision,
                                              as_of timestamptz, mode bigint) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_text_float8' LANGUAGE C STABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_combine(segment.rfm_customers, segment.rfm_customers) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segment.rfm_gather_final(segment.rfm_customers) RETURNS segment.rfm_customers
    AS 'MODULE_PATHNAME', 'pgseg_rfm_gather_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION segment.rfm_gather_transition(segment.rfm_customers, bigint, timestamptz, numeric, timestamptz, bigint) IS
'transition function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_transition(segment.rfm_customers, bigint, timestamptz, double precision, timestamptz, bigint) IS
'transition function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_transition(segment.rfm_customers, uuid, timestamptz, numeric, timestamptz, bigint) IS
'transition function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_transition(segment.rfm_customers, uuid, timestamptz, double precision, timestamptz, bigint) IS
'transition function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_transition(segment.rfm_customers, text, timestamptz, numeric, timestamptz, bigint) IS
'transition function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_transition(segment.rfm_customers, text, timestamptz, double precision, timestamptz, bigint) IS
'transition function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_combine(segment.rfm_customers, segment.rfm_customers) IS
'combine function of segment.rfm_gather';
COMMENT ON FUNCTION segment.rfm_gather_final(segment.rfm_customers) IS 'final function of segment.rfm_gather';

CREATE AGGREGATE segment.rfm_gather(key bigint, at timestamptz, amount numeric, as_of timestamptz, mode bigint) (
    SFUNC = segment.rfm_gather_transition,
    STYPE = segment.rfm_customers,
    COMBINEFUNC = segment.rfm_gather_combine,
    FINALFUNC = segment.rfm_gather_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_gather(key bigint, at timestamptz, amount double precision, as_of timestamptz, mode bigint) (
    SFUNC = segment.rfm_gather_transition,
    STYPE = segment.rfm_customers,
    COMBINEFUNC = segment.rfm_gather_combine,
    FINALFUNC = segment.rfm_gather_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_gather(key uuid, at timestamptz, amount numeric, as_of timestamptz, mode bigint) (
    SFUNC = segment.rfm_gather_transition,
    STYPE = segment.rfm_customers,
    COMBINEFUNC = segment.rfm_gather_combine,
    FINALFUNC = segment.rfm_gather_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_gather(key uuid, at timestamptz, amount double precision, as_of timestamptz, mode bigint) (
    SFUNC = segment.rfm_gather_transition,
    STYPE = segment.rfm_customers,
    COMBINEFUNC = segment.rfm_gather_combine,
    FINALFUNC = segment.rfm_gather_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_gather(key text, at timestamptz, amount numeric, as_of timestamptz, mode bigint) (
    SFUNC = segment.rfm_gather_transition,
    STYPE = segment.rfm_customers,
    COMBINEFUNC = segment.rfm_gather_combine,
    FINALFUNC = segment.rfm_gather_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);
CREATE AGGREGATE segment.rfm_gather(key text, at timestamptz, amount double precision, as_of timestamptz, mode bigint) (
    SFUNC = segment.rfm_gather_transition,
    STYPE = segment.rfm_customers,
    COMBINEFUNC = segment.rfm_gather_combine,
    FINALFUNC = segment.rfm_gather_final,
    FINALFUNC_MODIFY = READ_ONLY,
    PARALLEL = SAFE
);

COMMENT ON AGGREGATE segment.rfm_gather(bigint, timestamptz, numeric, timestamptz, bigint) IS
'Groups an orders table by customer for segment.rfm: a hash table of at most 64 bytes a customer in place of the server''s hash aggregation. key: the customer (NULL: left out); at: time of the order, before as_of; amount: money, exact in the sum. A row whose time or amount is NULL tells of a customer who may have no order. mode and as_of are those of the first row. mode: 1 counts distinct days, 2 keeps the largest amount instead of the sum; higher bits choose a part of the customers. 22000 for infinite times and amounts that are not finite. Time O(rows).';
COMMENT ON AGGREGATE segment.rfm_gather(bigint, timestamptz, double precision, timestamptz, bigint) IS
'As segment.rfm_gather(bigint, timestamptz, numeric, timestamptz, bigint) for other keys or amounts.';
COMMENT ON AGGREGATE segment.rfm_gather(uuid, timestamptz, numeric, timestamptz, bigint) IS
'As segment.rfm_gather(bigint, timestamptz, numeric, timestamptz, bigint) for other keys or amounts.';
COMMENT ON AGGREGATE segment.rfm_gather(uuid, timestamptz, double precision, timestamptz, bigint) IS
'As segment.rfm_gather(bigint, timestamptz, numeric, timestamptz, bigint) for other keys or amounts.';
COMMENT ON AGGREGATE segment.rfm_gather(text, timestamptz, numeric, timestamptz, bigint) IS
'As segment.rfm_gather(bigint, timestamptz, numeric, timestamptz, bigint) for other keys or amounts.';
COMMENT ON AGGREGATE segment.rfm_gather(text, timestamptz, double precision, timestamptz, bigint) IS
'As segment.rfm_gather(bigint, timestamptz, numeric, timestamptz, bigint) for other keys or amounts.';

-- The scoring half. RESTRICTED: the query may read temporary tables, or views over anything.
CREATE FUNCTION segment.rfm_scored(query text, as_of timestamptz, mode bigint, mean boolean, options jsonb,
                                   scale segment.rfm_scale, map text)
RETURNS TABLE (customer_id bigint, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scored' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 COST 1000;
CREATE FUNCTION segment.rfm_scored_uuid(query text, as_of timestamptz, mode bigint, mean boolean, options jsonb,
                                   scale segment.rfm_scale, map text)
RETURNS TABLE (customer_id uuid, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scored' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 COST 1000;
CREATE FUNCTION segment.rfm_scored_text(query text, as_of timestamptz, mode bigint, mean boolean, options jsonb,
                                   scale segment.rfm_scale, map text)
RETURNS TABLE (customer_id text, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
    AS 'MODULE_PATHNAME', 'pgseg_rfm_scored' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 COST 1000;
COMMENT ON FUNCTION segment.rfm_scored(text, timestamptz, bigint, boolean, jsonb, segment.rfm_scale, text) IS
'The scoring half of segment.rfm: runs the query, one row of segment.rfm_gather with $1 as as_of and $2 as mode, with the caller''s rights.';
COMMENT ON FUNCTION segment.rfm_scored_uuid(text, timestamptz, bigint, boolean, jsonb, segment.rfm_scale, text) IS
'The scoring half of segment.rfm: runs the query, one row of segment.rfm_gather with $1 as as_of and $2 as mode, with the caller''s rights.';
COMMENT ON FUNCTION segment.rfm_scored_text(text, timestamptz, bigint, boolean, jsonb, segment.rfm_scale, text) IS
'The scoring half of segment.rfm: runs the query, one row of segment.rfm_gather with $1 as as_of and $2 as mode, with the caller''s rights.';

CREATE FUNCTION segment.column_type(relation regclass, column_name name) RETURNS regtype
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    type_of regtype;
BEGIN
    -- A domain counts as what it is made of.
    WITH RECURSIVE types (type) AS (
        SELECT attribute.atttypid
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = relation AND attribute.attname = column_name AND NOT attribute.attisdropped
        UNION ALL
        SELECT domain.typbasetype
        FROM types JOIN pg_catalog.pg_type AS domain ON domain.oid = types.type AND domain.typtype = 'd'
    )
    SELECT types.type INTO type_of
    FROM types JOIN pg_catalog.pg_type AS base ON base.oid = types.type AND base.typtype <> 'd';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of relation "%" does not exist', column_name, relation
            USING ERRCODE = 'undefined_column';
    END IF;
    RETURN type_of;
END
$$;
COMMENT ON FUNCTION segment.column_type(regclass, name) IS
'Type of a column, of a domain the one beneath; 42703 naming column and relation when there is none.';

CREATE FUNCTION segment.check_choice(argument text, choice text, choices text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF choice = ANY (choices) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'unrecognized value for "%": "%"', argument, choice
        USING ERRCODE = 'invalid_parameter_value',
              HINT = pg_catalog.format('Valid values are "%s" and "%s".',
                                       pg_catalog.array_to_string(pg_catalog.trim_array(choices, 1), '", "'),
                                       choices[pg_catalog.cardinality(choices)]);
END
$$;
COMMENT ON FUNCTION segment.check_choice(text, text, text[]) IS
'Raises 22023 with the valid values when the choice is none of them.';

CREATE FUNCTION segment.check_key_type(relation regclass, column_name name, key_type text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    type_of text := segment.column_type(relation, column_name)::text;
BEGIN
    IF key_type = 'pg_catalog.int8' AND type_of NOT IN ('smallint', 'integer', 'bigint') THEN
        RAISE EXCEPTION 'column "%" of relation "%" is not of an integer type but %', column_name, relation, type_of
            USING ERRCODE = 'datatype_mismatch', HINT = 'Use the function for keys of type text or uuid.';
    ELSIF key_type = 'pg_catalog.uuid' AND type_of <> 'uuid' THEN
        RAISE EXCEPTION 'column "%" of relation "%" is not of type uuid but %', column_name, relation, type_of
            USING ERRCODE = 'datatype_mismatch', HINT = 'Use the function for keys of type text or bigint.';
    END IF;
END
$$;
COMMENT ON FUNCTION segment.check_key_type(regclass, name, text) IS
'Raises 42804 when the column cannot be a key of the type: pg_catalog.int8 takes integers, pg_catalog.uuid takes uuid, pg_catalog.text everything.';

CREATE FUNCTION segment.qualified_name(relation regclass) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format('%I.%I', namespace.nspname, class.relname)
    FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = relation
$$;
COMMENT ON FUNCTION segment.qualified_name(regclass) IS
'Name of a relation with its schema, quoted where need be: the same under every search path. NULL for one that does not exist.';

CREATE FUNCTION segment.rfm_orders_query(lines text, drop_refunded boolean, amount_type text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format($query$
        SELECT key, (fact).last_at AS at, (fact).revenue::pg_catalog.%2$s AS amount
        FROM (SELECT key, segment.rfm_agg(at, amount) AS fact
              FROM (%1$s) AS line WHERE order_id IS NOT NULL GROUP BY key, order_id) AS whole%3$s
        UNION ALL SELECT key, at, amount FROM (%1$s) AS line WHERE order_id IS NULL%4$s$query$,
        lines, amount_type,
        CASE WHEN drop_refunded THEN ' WHERE (fact).refunds OPERATOR(pg_catalog.=) 0' END,
        CASE WHEN drop_refunded THEN ' AND amount OPERATOR(pg_catalog.>=) 0' END)
$$;
COMMENT ON FUNCTION segment.rfm_orders_query(text, boolean, text) IS
'Query that makes whole orders of order lines, for segment.rfm: an order has the time of its last line and the sum of its lines; a line without an order id is an order of its own.';

CREATE FUNCTION segment.rfm_query(orders regclass, customer name, at name, amount name, key_type text,
                                  as_of timestamptz, frequency text, monetary text, refunds text, filter text,
                                  order_id name, customers regclass, customers_key name)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    amount_type text;
    source text;
    condition text;
BEGIN
    IF orders IS NULL OR customer IS NULL OR at IS NULL OR amount IS NULL OR as_of IS NULL OR frequency IS NULL
       OR monetary IS NULL OR refunds IS NULL THEN
        RAISE EXCEPTION 'arguments of segment.rfm must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT pg_catalog.isfinite(as_of) THEN
        RAISE EXCEPTION '"as_of" must be finite' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM segment.check_choice('frequency'::text, frequency, ARRAY['days', 'orders', 'order_ids']);
    PERFORM segment.check_choice('monetary'::text, monetary, ARRAY['sum', 'mean', 'max']);
    PERFORM segment.check_choice('refunds'::text, refunds, ARRAY['net', 'ignore', 'drop_order']);
    IF order_id IS NULL AND (frequency = 'order_ids' OR refunds = 'drop_order') THEN
        RAISE EXCEPTION '% needs "order_id"', CASE WHEN frequency = 'order_ids' THEN 'frequency "order_ids"'
                                                   ELSE 'refunds "drop_order"' END
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the column that tells which rows are one order.';
    END IF;
    PERFORM segment.column_type(orders, at);
    PERFORM segment.check_key_type(orders, customer, key_type);
    -- Floating point keeps its own exact sum (real as double precision, which holds it; numeric would not hold all
    -- its digits); everything else is summed as numeric.
    amount_type := CASE WHEN segment.column_type(orders, amount)::text IN ('real', 'double precision')
                        THEN 'float8' ELSE 'numeric' END;
    IF order_id IS NOT NULL THEN
        PERFORM segment.column_type(orders, order_id);
    END IF;

    -- What the caller may not see shadowed is qualified: this runs under the caller's search path.
    condition := pg_catalog.concat(
        pg_catalog.format('%I::pg_catalog.timestamptz OPERATOR(pg_catalog.<) $1 AND %I IS NOT NULL AND %I IS NOT NULL',
                          at, customer, amount),
        CASE WHEN refunds = 'ignore'
             THEN pg_catalog.format(' AND %I::pg_catalog.%s OPERATOR(pg_catalog.>=) 0', amount, amount_type) END,
        CASE WHEN pg_catalog.btrim(filter) <> '' THEN pg_catalog.format(E' AND (\n%s\n)', filter) END);
    source := pg_catalog.format('SELECT %I::%s AS key, %I::pg_catalog.timestamptz AS at, %I::pg_catalog.%s AS amount%s FROM %s WHERE %s',
                                customer, key_type, at, amount,
                                amount_type,
                                CASE WHEN order_id IS NOT NULL THEN pg_catalog.format(', %I AS order_id', order_id) END,
                                segment.qualified_name(orders), condition);
    IF order_id IS NOT NULL THEN
        source := segment.rfm_orders_query(source, refunds = 'drop_order', amount_type);
    END IF;
    IF customers IS NOT NULL THEN
        customers_key := coalesce(customers_key, customer);
        PERFORM segment.check_key_type(customers, customers_key, key_type);
        source := pg_catalog.format('%s UNION ALL SELECT %I::%s, NULL, NULL FROM %s', source, customers_key, key_type,
                                    segment.qualified_name(customers));
    END IF;
    RETURN pg_catalog.format('SELECT segment.rfm_gather(key, at, amount, $1, $2) FROM (%s) AS row', source);
END
$$;
COMMENT ON FUNCTION segment.rfm_query(regclass, name, name, name, text, timestamptz, text, text, text, text, name, regclass, name) IS
'The gathering half of segment.rfm: checks the arguments and makes the query.';

CREATE FUNCTION segment.rfm_mode(frequency text, monetary text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN frequency = 'days' THEN 1::bigint ELSE 0 END + CASE WHEN monetary = 'max' THEN 2 ELSE 0 END
$$;
COMMENT ON FUNCTION segment.rfm_mode(text, text) IS 'The mode of segment.rfm_gather for arguments of segment.rfm.';

CREATE FUNCTION segment.rfm_options(method text, bins integer, options jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF method IS NULL THEN
        RAISE EXCEPTION 'arguments of segment.rfm must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    RETURN pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('method', method, 'bins', bins))
           || coalesce(options, '{}');
END
$$;
COMMENT ON FUNCTION segment.rfm_options(text, integer, jsonb) IS
'Arguments of segment.rfm as options of segment.rfm_scale. 22004 when method is NULL.';

CREATE FUNCTION segment.rfm(orders regclass, customer name, at name, amount name,
                            as_of timestamptz DEFAULT now(), bins integer DEFAULT NULL, method text DEFAULT 'quantile',
                            frequency text DEFAULT 'days', monetary text DEFAULT 'sum', refunds text DEFAULT 'net',
                            map text DEFAULT 'cells125', "where" text DEFAULT NULL, order_id name DEFAULT NULL,
                            customers regclass DEFAULT NULL, customers_key name DEFAULT NULL,
                            scale segment.rfm_scale DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (customer_id bigint, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT *
    FROM segment.rfm_scored(
        segment.rfm_query($1, $2, $3, $4, 'pg_catalog.int8'::pg_catalog.text, $5, $8, $9, $10, $12, $13, $14, $15), $5,
        segment.rfm_mode($8, $9), $9 OPERATOR(pg_catalog.=) 'mean'::pg_catalog.text, segment.rfm_options($7, $6, $17), $16, $11)
$$;
CREATE FUNCTION segment.rfm_uuid(orders regclass, customer name, at name, amount name,
                                 as_of timestamptz DEFAULT now(), bins integer DEFAULT NULL, method text DEFAULT 'quantile',
                                 frequency text DEFAULT 'days', monetary text DEFAULT 'sum', refunds text DEFAULT 'net',
                                 map text DEFAULT 'cells125', "where" text DEFAULT NULL, order_id name DEFAULT NULL,
                                 customers regclass DEFAULT NULL, customers_key name DEFAULT NULL,
                                 scale segment.rfm_scale DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (customer_id uuid, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT *
    FROM segment.rfm_scored_uuid(
        segment.rfm_query($1, $2, $3, $4, 'pg_catalog.uuid'::pg_catalog.text, $5, $8, $9, $10, $12, $13, $14, $15), $5,
        segment.rfm_mode($8, $9), $9 OPERATOR(pg_catalog.=) 'mean'::pg_catalog.text, segment.rfm_options($7, $6, $17), $16, $11)
$$;
CREATE FUNCTION segment.rfm_text(orders regclass, customer name, at name, amount name,
                                 as_of timestamptz DEFAULT now(), bins integer DEFAULT NULL, method text DEFAULT 'quantile',
                                 frequency text DEFAULT 'days', monetary text DEFAULT 'sum', refunds text DEFAULT 'net',
                                 map text DEFAULT 'cells125', "where" text DEFAULT NULL, order_id name DEFAULT NULL,
                                 customers regclass DEFAULT NULL, customers_key name DEFAULT NULL,
                                 scale segment.rfm_scale DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS TABLE (customer_id text, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT *
    FROM segment.rfm_scored_text(
        segment.rfm_query($1, $2, $3, $4, 'pg_catalog.text'::pg_catalog.text, $5, $8, $9, $10, $12, $13, $14, $15), $5,
        segment.rfm_mode($8, $9), $9 OPERATOR(pg_catalog.=) 'mean'::pg_catalog.text, segment.rfm_options($7, $6, $17), $16, $11)
$$;
COMMENT ON FUNCTION segment.rfm(regclass, name, name, name, timestamptz, integer, text, text, text, text, text, text, name, regclass, name, segment.rfm_scale, jsonb) IS
'RFM scores and segments of every customer of an orders table, with the caller''s rights. orders: table or view; customer, at, amount: its columns, the customer one of an integer type (see segment.rfm_uuid and segment.rfm_text for others). as_of: only orders before it count; recency_days are calendar days from the last of them to as_of in the session''s time zone. method: how scores are made, see segment.rfm_scale; also "ntile" (equal values in the order of their ids). bins: number of scores of each measure, 2 to 10 (default: what the method says, else 5); options: as of segment.rfm_scale, for bins of each measure and breaks. scale: a stored scale to apply instead. frequency: "days" counts distinct days with an order, "orders" rows, "order_ids" distinct orders. monetary: "sum", "mean" an order, or "max". refunds (negative amounts): "net" counts them as they are, "ignore" leaves the rows out, "drop_order" leaves out orders that have one. order_id: column that unites rows to orders. where: condition on the rows. customers, customers_key: table and column (default: named like customer) of all customers; those without an order come out as "Prospects" with NULL scores. map: names, see segment.rfm_map. Scores run from 1 to bins, the most best. Rows without customer, time or amount are left out. Sums of numeric are exact; double precision gives the same bits in any order. 22004 for NULL arguments, 22023 for unknown choices, 42703 and 42804 for columns, 22000 for infinite times and amounts that are not finite. One pass over the orders and about 55 bytes a customer; past pg_segment.max_memory as many passes as it takes. O(orders + customers).';
COMMENT ON FUNCTION segment.rfm_uuid(regclass, name, name, name, timestamptz, integer, text, text, text, text, text, text, name, regclass, name, segment.rfm_scale, jsonb) IS
'segment.rfm for customers identified by uuid.';
COMMENT ON FUNCTION segment.rfm_text(regclass, name, name, name, timestamptz, integer, text, text, text, text, text, text, name, regclass, name, segment.rfm_scale, jsonb) IS
'segment.rfm for customers identified by text, or by anything that can be shown as text.';
