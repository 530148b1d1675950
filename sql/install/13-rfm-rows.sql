-- ---------------------------------------------------------------------------------------------------------------
-- RFM of an orders table in one call
-- ---------------------------------------------------------------------------------------------------------------

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

-- RESTRICTED: the relation may be a temporary table, or a view over anything.
-- The work of segment.rfm, whose result columns have the names of its arguments, which PL/pgSQL cannot have.
CREATE FUNCTION segment.rfm_rows(relation regclass, customer_column name, at_column name, amount_column name,
                                 moment timestamptz, frequency_of text, map_name text, key anyelement)
RETURNS TABLE (customer_id anyelement, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key_type text := pg_catalog.format_type(pg_catalog.pg_typeof(key), NULL);
    customer_type regtype;
    amount_type text;
    frequency_column text;
BEGIN
    IF relation IS NULL OR customer_column IS NULL OR at_column IS NULL OR amount_column IS NULL
       OR moment IS NULL OR frequency_of IS NULL OR map_name IS NULL THEN
        RAISE EXCEPTION 'arguments of segment.rfm must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT pg_catalog.isfinite(moment) THEN
        RAISE EXCEPTION '"as_of" must be finite' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    frequency_column := CASE frequency_of WHEN 'days' THEN 'days' WHEN 'orders' THEN 'orders' END;
    IF frequency_column IS NULL THEN
        RAISE EXCEPTION 'unrecognized value for "frequency": "%"', frequency_of
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Valid values are "days" and "orders".';
    END IF;
    PERFORM segment.check_rfm_map(map_name);
    PERFORM segment.column_type(relation, at_column);
    customer_type := segment.column_type(relation, customer_column);
    IF pg_catalog.pg_typeof(key) OPERATOR(pg_catalog.=) 'bigint'::pg_catalog.regtype
       AND customer_type::text NOT IN ('smallint', 'integer', 'bigint') THEN
        RAISE EXCEPTION 'column "%" of relation "%" is not of an integer type but %', customer_column, relation, customer_type
            USING ERRCODE = 'datatype_mismatch', HINT = 'Use segment.rfm_text or segment.rfm_uuid.';
    END IF;
    -- Double precision keeps its own exact sum; everything else is summed as numeric.
    amount_type := CASE WHEN segment.column_type(relation, amount_column)::text = 'double precision'
                        THEN 'double precision' ELSE 'numeric' END;

    -- Scores count how many of four cuts a customer is better than; the cuts are the values at the quintiles, from
    -- the worst customer up. With every measure turned so that more is worse, that is the number of bins less the
    -- number of cuts at or below the customer, and equal values share a score.
    RETURN QUERY EXECUTE pg_catalog.format($query$
        WITH facts AS (
            SELECT o.%1$I AS customer_id, segment.rfm_agg(o.%2$I::timestamptz, o.%3$I::%4$s) AS fact
            FROM %5$s AS o
            WHERE o.%2$I < $1 AND o.%1$I IS NOT NULL
            GROUP BY o.%1$I
        ), measures AS MATERIALIZED (
            SELECT customer_id, $1::date - (fact).last_at::date AS recency_days, (fact).%6$s AS frequency,
                   (fact).revenue AS monetary
            FROM facts
            WHERE (fact).orders > 0
        ), cuts AS MATERIALIZED (
            SELECT percentile_disc(ARRAY[0.8, 0.6, 0.4, 0.2]) WITHIN GROUP (ORDER BY recency_days DESC) AS r,
                   percentile_disc(ARRAY[0.8, 0.6, 0.4, 0.2]) WITHIN GROUP (ORDER BY -frequency DESC) AS f,
                   percentile_disc(ARRAY[0.8, 0.6, 0.4, 0.2]) WITHIN GROUP (ORDER BY -monetary DESC) AS m
            FROM measures
        ), scored AS (
            SELECT measures.*, 5 - width_bucket(recency_days, cuts.r) AS r,
                   5 - width_bucket(-frequency, cuts.f) AS f, 5 - width_bucket(-monetary, cuts.m) AS m
            FROM measures, cuts
        ), names AS MATERIALIZED (
            SELECT DISTINCT ON (cell.r, cell.f, cell.m) cell.*, entry.name
            FROM (SELECT r, f, m FROM generate_series(1, 5) AS r, generate_series(1, 5) AS f,
                                      generate_series(1, 5) AS m) AS cell
                JOIN segment.rfm_map AS entry ON entry.r @> cell.r AND entry.f @> cell.f AND entry.m @> cell.m
            WHERE entry.map = $2
            ORDER BY cell.r, cell.f, cell.m, entry.priority
        )
        SELECT customer_id::%7$s, recency_days, frequency, monetary, r, f, m, names.name
        FROM scored LEFT JOIN names USING (r, f, m)
    $query$, customer_column, at_column, amount_column, amount_type, relation, frequency_column, key_type)
    USING moment, map_name;
END
$$;
COMMENT ON FUNCTION segment.rfm_rows(regclass, name, name, name, timestamptz, text, text, anyelement) IS
'the work of segment.rfm';

CREATE FUNCTION segment.rfm(orders regclass, customer name, at name, amount name,
                            as_of timestamptz DEFAULT now(),
                            frequency text DEFAULT 'days', map text DEFAULT 'cells125')
RETURNS TABLE (customer_id bigint, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT * FROM segment.rfm_rows($1, $2, $3, $4, $5, $6, $7, NULL::pg_catalog.int8)
$$;
CREATE FUNCTION segment.rfm_uuid(orders regclass, customer name, at name, amount name,
                                 as_of timestamptz DEFAULT now(),
                                 frequency text DEFAULT 'days', map text DEFAULT 'cells125')
RETURNS TABLE (customer_id uuid, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT * FROM segment.rfm_rows($1, $2, $3, $4, $5, $6, $7, NULL::pg_catalog.uuid)
$$;
CREATE FUNCTION segment.rfm_text(orders regclass, customer name, at name, amount name,
                                 as_of timestamptz DEFAULT now(),
                                 frequency text DEFAULT 'days', map text DEFAULT 'cells125')
RETURNS TABLE (customer_id text, recency_days integer, frequency bigint, monetary numeric,
               r integer, f integer, m integer, segment text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10000
AS $$
    SELECT * FROM segment.rfm_rows($1, $2, $3, $4, $5, $6, $7, NULL::pg_catalog.text)
$$;
COMMENT ON FUNCTION segment.rfm(regclass, name, name, name, timestamptz, text, text) IS
'RFM scores and segments of every customer of an orders table, with the caller''s rights. orders: table or view; customer, at, amount: its columns, the customer one of an integer type (see segment.rfm_uuid and segment.rfm_text for others); as_of: only orders before it count, and recency_days are calendar days from the last of them to as_of, in the session''s time zone (default now). frequency: "days" counts distinct days with an order (a table of order lines and one of orders give the same), "orders" counts rows. monetary: sum of the amounts, refunds included. Scores run from 1 to 5, 5 best, cut at the quintiles; equal values share a score. segment: the name in the map (NULL where the map has none). Customers that are NULL, and customers without an order before as_of, are left out; so are rows whose time or amount is NULL. 22000 for NaN and infinite amounts. O(orders + customers log customers).';
COMMENT ON FUNCTION segment.rfm_uuid(regclass, name, name, name, timestamptz, text, text) IS
'segment.rfm for customers identified by uuid.';
COMMENT ON FUNCTION segment.rfm_text(regclass, name, name, name, timestamptz, text, text) IS
'segment.rfm for customers identified by text.';

