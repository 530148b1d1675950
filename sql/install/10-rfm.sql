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
    skipped bigint
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

-- segment.rfm_map: names of score combinations, as data. Availability: 0.1.0
CREATE TABLE segment.rfm_map (
    map text NOT NULL,
    priority integer NOT NULL,
    name text NOT NULL,
    r int4range NOT NULL,
    f int4range NOT NULL,
    m int4range NOT NULL,
    builtin boolean NOT NULL DEFAULT false,
    PRIMARY KEY (map, priority)
);
GRANT SELECT ON segment.rfm_map TO PUBLIC;
-- The extension is trusted: whoever creates it need not be a superuser, who would own the table.
GRANT INSERT, UPDATE, DELETE ON segment.rfm_map TO @extowner@ WITH GRANT OPTION;
SELECT pg_catalog.pg_extension_config_dump('segment.rfm_map', 'WHERE NOT builtin');

COMMENT ON TABLE segment.rfm_map IS
'Segment names by RFM scores. A combination belongs to the matching row of its map with the lowest priority. Add maps of your own with INSERT; those that come with the extension (builtin) cannot be changed.';
COMMENT ON COLUMN segment.rfm_map.map IS 'name of the map';
COMMENT ON COLUMN segment.rfm_map.priority IS 'the lowest matching one wins';
COMMENT ON COLUMN segment.rfm_map.name IS 'name of the segment';
COMMENT ON COLUMN segment.rfm_map.r IS 'recency scores';
COMMENT ON COLUMN segment.rfm_map.f IS 'frequency scores';
COMMENT ON COLUMN segment.rfm_map.m IS 'monetary scores';
COMMENT ON COLUMN segment.rfm_map.builtin IS 'came with the extension';

-- The eleven names that part all 125 combinations of three scores from 1 to 5.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, builtin)
SELECT 'cells125', (pg_catalog.row_number() OVER (ORDER BY part.position, cell.position))::integer, part.name,
       pg_catalog.int4range(cell.r, cell.r, '[]'), pg_catalog.int4range(cell.f, cell.f, '[]'),
       pg_catalog.int4range(cell.m, cell.m, '[]'), true
FROM (VALUES
        (1, 'Champions', '555 554 544 545 454 455 445'),
        (2, 'Loyal', '543 444 435 355 354 345 344 335'),
        (3, 'Potential Loyalist', '553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323'),
        (4, 'New', '512 511 422 421 412 411 311'),
        (5, 'Promising', '525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313'),
        (6, 'Need Attention', '535 534 443 434 343 334 325 324'),
        (7, 'About To Sleep', '331 321 312 221 213 231 241 251'),
        (8, 'At Risk', '255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124'),
        (9, 'Cannot Lose', '155 154 144 214 215 115 114 113'),
        (10, 'Hibernating', '332 322 233 232 223 222 132 123 122 212 211'),
        (11, 'Lost', '111 112 121 131 141 151')
    ) AS part (position, name, cells),
    LATERAL (
        SELECT code.position, pg_catalog.substr(code.scores, 1, 1)::integer AS r,
               pg_catalog.substr(code.scores, 2, 1)::integer AS f, pg_catalog.substr(code.scores, 3, 1)::integer AS m
        FROM pg_catalog.string_to_table(part.cells, ' ') WITH ORDINALITY AS code (scores, position)
    ) AS cell;

-- Own rows are dumped, built-in rows are not, so the two must never share a map: a dump could not be restored.
CREATE FUNCTION segment.protect_builtin_maps() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    touched text;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.builtin THEN
        touched := OLD.map;
    ELSIF TG_OP <> 'DELETE' AND (NEW.builtin OR EXISTS (
        SELECT FROM segment.rfm_map AS entry WHERE entry.map = NEW.map AND entry.builtin)) THEN
        touched := NEW.map;
    ELSE
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'RFM map "%" came with the extension and cannot be changed', touched
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Copy its rows under a name of your own.';
END
$$;
COMMENT ON FUNCTION segment.protect_builtin_maps() IS 'keeps rows of users out of the built-in RFM maps';
CREATE TRIGGER protect_builtin_maps BEFORE INSERT OR UPDATE OR DELETE ON segment.rfm_map
    FOR EACH ROW EXECUTE FUNCTION segment.protect_builtin_maps();

CREATE FUNCTION segment.rfm_segment(r integer, f integer, m integer, map text DEFAULT 'cells125') RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_name text;
BEGIN
    SELECT entry.name INTO found_name
    FROM segment.rfm_map AS entry
    WHERE entry.map = rfm_segment.map AND entry.r @> rfm_segment.r AND entry.f @> rfm_segment.f
      AND entry.m @> rfm_segment.m
    ORDER BY entry.priority
    LIMIT 1;
    IF NOT FOUND THEN
        PERFORM segment.check_rfm_map(map);
    END IF;
    RETURN found_name;
END
$$;
COMMENT ON FUNCTION segment.rfm_segment(integer, integer, integer, text) IS
'Name of the segment of three scores in a map of segment.rfm_map (default cells125: scores from 1 to 5, 5 best). NULL for a NULL argument and for a combination that the map does not cover; 22023 for a map that does not exist.';

CREATE FUNCTION segment.check_rfm_map(map text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM segment.rfm_map AS entry WHERE entry.map = check_rfm_map.map) THEN
        RAISE EXCEPTION 'RFM map "%" does not exist', map
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The maps are the rows of segment.rfm_map.';
    END IF;
END
$$;
COMMENT ON FUNCTION segment.check_rfm_map(text) IS 'Raises 22023 when segment.rfm_map has no such map.';

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

