-- ---------------------------------------------------------------------------------------------------------------
-- Names of RFM scores
-- ---------------------------------------------------------------------------------------------------------------

-- segment.rfm_map: names of score combinations, as data. Availability: 0.1.0
CREATE TABLE segment.rfm_map (
    map text NOT NULL,
    priority integer NOT NULL,
    name text NOT NULL,
    r int4range NOT NULL,
    f int4range NOT NULL,
    m int4range NOT NULL,
    builtin boolean NOT NULL DEFAULT false,
    fallback boolean NOT NULL DEFAULT false,
    PRIMARY KEY (map, priority),
    CONSTRAINT fallback_is_unbounded
        CHECK (NOT fallback OR r OPERATOR(pg_catalog.=) '(,)'::int4range AND f OPERATOR(pg_catalog.=) '(,)'::int4range
               AND m OPERATOR(pg_catalog.=) '(,)'::int4range)
);
CREATE UNIQUE INDEX rfm_map_fallback ON segment.rfm_map (map) WHERE fallback;
GRANT SELECT ON segment.rfm_map TO PUBLIC;
-- The extension is trusted: whoever creates it need not be a superuser, who would own the table.
GRANT INSERT, UPDATE, DELETE ON segment.rfm_map TO @extowner@ WITH GRANT OPTION;
SELECT pg_catalog.pg_extension_config_dump('segment.rfm_map', 'WHERE NOT builtin');

COMMENT ON TABLE segment.rfm_map IS
'Segment names by RFM scores. A combination belongs to the matching row of its map with the lowest priority, and where none matches to the map''s fallback row, if it has one. Add maps of your own with INSERT, and look them over with segment.rfm_map_check; those that come with the extension (builtin) cannot be changed.';
COMMENT ON COLUMN segment.rfm_map.map IS 'name of the map';
COMMENT ON COLUMN segment.rfm_map.priority IS 'the lowest matching one wins';
COMMENT ON COLUMN segment.rfm_map.name IS 'name of the segment';
COMMENT ON COLUMN segment.rfm_map.r IS 'recency scores';
COMMENT ON COLUMN segment.rfm_map.f IS 'frequency scores';
COMMENT ON COLUMN segment.rfm_map.m IS 'monetary scores; (,) where the map does not look at them';
COMMENT ON COLUMN segment.rfm_map.builtin IS 'came with the extension';
COMMENT ON COLUMN segment.rfm_map.fallback IS
'the name for what no other row matches, whatever its priority; its ranges are (,), and a map has one at most';

-- cells125: the eleven names that part all 125 combinations of three scores from 1 to 5. klaviyo27: six names that
-- part the 27 combinations of scores from 1 to 3. Published cell by cell, and each cell once.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, builtin)
SELECT part.map, (pg_catalog.row_number() OVER (PARTITION BY part.map ORDER BY part.position, cell.position))::integer,
       part.name, pg_catalog.int4range(cell.r, cell.r, '[]'), pg_catalog.int4range(cell.f, cell.f, '[]'),
       pg_catalog.int4range(cell.m, cell.m, '[]'), true
FROM (VALUES
        ('cells125', 1, 'Champions', '555 554 544 545 454 455 445'),
        ('cells125', 2, 'Loyal', '543 444 435 355 354 345 344 335'),
        ('cells125', 3, 'Potential Loyalist', '553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 323'),
        ('cells125', 4, 'New', '512 511 422 421 412 411 311'),
        ('cells125', 5, 'Promising', '525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313'),
        ('cells125', 6, 'Need Attention', '535 534 443 434 343 334 325 324'),
        ('cells125', 7, 'About To Sleep', '331 321 312 221 213 231 241 251'),
        ('cells125', 8, 'At Risk', '255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124'),
        ('cells125', 9, 'Cannot Lose', '155 154 144 214 215 115 114 113'),
        ('cells125', 10, 'Hibernating', '332 322 233 232 223 222 132 123 122 212 211'),
        ('cells125', 11, 'Lost', '111 112 121 131 141 151'),
        ('klaviyo27', 1, 'Champions', '333 332 323'),
        ('klaviyo27', 2, 'Loyal', '321 322 331 232 233'),
        ('klaviyo27', 3, 'Recent', '312 313 311 222 223'),
        ('klaviyo27', 4, 'Needs Attention', '213 221 123 132 133'),
        ('klaviyo27', 5, 'At Risk', '231 212 122 131 211'),
        ('klaviyo27', 6, 'Inactive', '111 112 113 121')
    ) AS part (map, position, name, cells),
    LATERAL (
        SELECT code.position, pg_catalog.substr(code.scores, 1, 1)::integer AS r,
               pg_catalog.substr(code.scores, 2, 1)::integer AS f, pg_catalog.substr(code.scores, 3, 1)::integer AS m
        FROM pg_catalog.string_to_table(part.cells, ' ') WITH ORDINALITY AS code (scores, position)
    ) AS cell;

-- Published as rules, the first match wins. They are kept as published, faults included, so that results elsewhere
-- can be reproduced: r_rfm is the documentation of R's package rfm, putler the map of that package's tests, rf25
-- looks at recency and frequency only, braze has scores from 0 to 3.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, builtin) VALUES
    ('r_rfm', 1, 'Champions', '[5,5]', '[5,5]', '[5,5]', true),
    ('r_rfm', 2, 'Potential Loyalist', '[3,5]', '[3,5]', '[2,5]', true),
    ('r_rfm', 3, 'Loyal', '[2,4]', '[2,4]', '[2,4]', true),
    ('r_rfm', 4, 'Promising', '[3,4]', '[1,3]', '[3,5]', true),
    ('r_rfm', 5, 'New', '[4,5]', '[1,3]', '[1,5]', true),
    ('r_rfm', 6, 'Can''t Lose', '[1,2]', '[3,4]', '[4,5]', true),
    ('r_rfm', 7, 'At Risk', '[1,2]', '[2,5]', '[4,5]', true),
    ('r_rfm', 8, 'Need Attention', '[1,3]', '[3,5]', '[3,5]', true),
    ('r_rfm', 9, 'About To Sleep', '[2,3]', '[1,3]', '[1,4]', true),
    ('r_rfm', 10, 'Lost', '[1,1]', '[1,5]', '[1,5]', true),
    ('putler', 1, 'Champions', '[4,5]', '[4,5]', '[4,5]', true),
    ('putler', 2, 'Loyal', '[2,5]', '[3,5]', '[3,5]', true),
    ('putler', 3, 'Potential', '[3,5]', '[1,3]', '[1,3]', true),
    ('putler', 4, 'New', '[4,5]', '[1,1]', '[1,1]', true),
    ('putler', 5, 'Promising', '[3,4]', '[1,1]', '[1,1]', true),
    ('putler', 6, 'Need Attention', '[2,3]', '[2,3]', '[2,3]', true),
    ('putler', 7, 'About To Sleep', '[2,3]', '[1,2]', '[1,2]', true),
    ('putler', 8, 'At Risk', '[1,2]', '[2,5]', '[2,5]', true),
    ('putler', 9, 'Can''t Lose', '[1,1]', '[4,5]', '[4,5]', true),
    ('putler', 10, 'Lost', '[1,2]', '[1,2]', '[1,2]', true),
    ('rf25', 1, 'Champions', '[5,5]', '[4,5]', '(,)', true),
    ('rf25', 2, 'Loyal', '[3,4]', '[4,5]', '(,)', true),
    ('rf25', 3, 'Potential Loyalist', '[4,5]', '[2,3]', '(,)', true),
    ('rf25', 4, 'New', '[5,5]', '[1,1]', '(,)', true),
    ('rf25', 5, 'Promising', '[4,4]', '[1,1]', '(,)', true),
    ('rf25', 6, 'Need Attention', '[3,3]', '[3,3]', '(,)', true),
    ('rf25', 7, 'About To Sleep', '[3,3]', '[1,2]', '(,)', true),
    ('rf25', 8, 'At Risk', '[1,2]', '[3,4]', '(,)', true),
    ('rf25', 9, 'Can''t Lose', '[1,2]', '[5,5]', '(,)', true),
    ('rf25', 10, 'Hibernating', '[1,2]', '[1,2]', '(,)', true),
    ('braze', 1, 'Champions', '[3,3]', '[2,3]', '[2,3]', true),
    ('braze', 2, 'Loyal', '[2,3]', '[2,3]', '[1,3]', true),
    ('braze', 3, 'Potential', '[3,3]', '[1,3]', '[1,3]', true),
    ('braze', 4, 'Promising', '[3,3]', '[0,3]', '[1,3]', true),
    ('braze', 5, 'New', '[3,3]', '[0,3]', '[0,3]', true),
    ('braze', 6, 'Needing Attention', '[2,3]', '[0,3]', '[0,3]', true),
    ('braze', 7, 'Cannot Lose', '[0,1]', '[2,3]', '[2,3]', true),
    ('braze', 8, 'At Risk', '[0,1]', '[1,3]', '[1,3]', true),
    ('braze', 9, 'About To Sleep', '[1,1]', '[0,3]', '[0,3]', true),
    ('braze', 10, 'Hibernating', '[0,0]', '[0,2]', '[0,3]', true);
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, builtin, fallback) VALUES
    ('r_rfm', 11, 'Others', '(,)', '(,)', '(,)', true, true),
    ('putler', 11, 'Others', '(,)', '(,)', '(,)', true, true);

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
    AS 'MODULE_PATHNAME', 'pgseg_rfm_segment' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segment.rfm_segment(integer, integer, integer, text) IS
'Name of the segment of three scores in a map of segment.rfm_map (default cells125: scores from 1 to 5, 5 best): the matching row with the lowest priority, else the map''s fallback. NULL for a NULL argument and for a combination that a map without a fallback does not cover; 22023 for a map that does not exist. Maps are read once a statement and call site; then constant time for the usual scores.';

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

-- What a map says of scores are the finite ends of its ranges. A dimension without any is not looked at: NULL.
CREATE FUNCTION segment.rfm_map_scores(map text, bins integer)
RETURNS TABLE (dimension integer, low integer, high integer)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT score.dimension,
           CASE WHEN count(score.first) + count(score.last) > 0 AND $2 IS NOT NULL THEN 1
                WHEN count(score.first) + count(score.last) > 0
                THEN least(min(coalesce(score.first, score.last)), 1) END,
           CASE WHEN count(score.first) + count(score.last) > 0
                THEN coalesce($2, greatest(max(coalesce(score.last, score.first)), 1)) END
    FROM segment.rfm_map AS entry,
         LATERAL (VALUES (1, entry.r), (2, entry.f), (3, entry.m)) AS every (dimension, range),
         -- An upper end is the first score beyond.
         LATERAL (SELECT every.dimension, lower(every.range),
                         CASE WHEN upper(every.range) > -2147483648 THEN upper(every.range) - 1 ELSE upper(every.range) END) AS score (dimension, first, last)
    WHERE entry.map = $1
    GROUP BY score.dimension
$$;
COMMENT ON FUNCTION segment.rfm_map_scores(text, integer) IS
'The scores that segment.rfm_map_check goes through, for recency (1), frequency (2) and monetary value (3): 1 to bins, or without bins from 1, or lower where the map has a lower score, to the highest score that the map names. NULL where the map does not look at the score.';

CREATE FUNCTION segment.rfm_map_check(map text, bins integer DEFAULT NULL)
RETURNS TABLE (kind text, r integer, f integer, m integer, names text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most_cells CONSTANT numeric := 100000;
    cells numeric := 1;
    scores record;
BEGIN
    IF rfm_map_check.map IS NULL THEN
        RAISE EXCEPTION '"map" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF bins NOT BETWEEN 1 AND 40 THEN
        RAISE EXCEPTION '"bins" must be between 1 and 40, not %', bins USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM segment.check_rfm_map(rfm_map_check.map);
    FOR scores IN SELECT s.low, s.high FROM segment.rfm_map_scores(rfm_map_check.map, bins) AS s LOOP
        cells := cells * coalesce(scores.high::numeric - scores.low + 1, 1);
    END LOOP;
    IF cells > most_cells THEN
        RAISE EXCEPTION 'RFM map "%" has too many combinations of scores to check', rfm_map_check.map
            USING ERRCODE = 'program_limit_exceeded',
                  DETAIL = format('There are %s, the limit is %s.', cells, most_cells),
                  HINT = 'Say with "bins" which scores there are.';
    END IF;

    RETURN QUERY
    WITH entry AS MATERIALIZED (
        SELECT e.priority, e.name, e.r, e.f, e.m
        FROM segment.rfm_map AS e WHERE e.map = rfm_map_check.map AND NOT e.fallback
    ), score AS MATERIALIZED (
        SELECT s.dimension, s.low IS NOT NULL AS looked_at, value
        FROM segment.rfm_map_scores(rfm_map_check.map, bins) AS s,
             LATERAL generate_series(coalesce(s.low, 1), coalesce(s.high, 1)) AS value
    ), cell AS MATERIALIZED (
        SELECT CASE WHEN r.looked_at THEN r.value END AS r, CASE WHEN f.looked_at THEN f.value END AS f,
               CASE WHEN m.looked_at THEN m.value END AS m,
               coalesce(array_agg(entry.name ORDER BY entry.priority) FILTER (WHERE entry.name IS NOT NULL),
                        '{}') AS names
        FROM score AS r JOIN score AS f ON r.dimension = 1 AND f.dimension = 2 JOIN score AS m ON m.dimension = 3
            LEFT JOIN entry ON entry.r @> r.value AND entry.f @> f.value AND entry.m @> m.value
        GROUP BY r.looked_at, r.value, f.looked_at, f.value, m.looked_at, m.value
    ), finding AS (
        SELECT 1 AS position, 'uncovered' AS kind, cell.r, cell.f, cell.m,
               ARRAY(SELECT e.name FROM segment.rfm_map AS e WHERE e.map = rfm_map_check.map AND e.fallback) AS names
        FROM cell WHERE cardinality(cell.names) = 0
        UNION ALL
        SELECT 2, 'overlapping', cell.r, cell.f, cell.m, cell.names
        FROM cell WHERE cardinality(cell.names) > 1
        UNION ALL
        SELECT 2 + rank() OVER (ORDER BY min(entry.priority)), 'unreachable', NULL, NULL, NULL, ARRAY[entry.name]
        FROM entry
        WHERE entry.name NOT IN (SELECT cell.names[1] FROM cell WHERE cardinality(cell.names) > 0)
        GROUP BY entry.name
    )
    SELECT finding.kind, finding.r, finding.f, finding.m, finding.names
    FROM finding
    ORDER BY finding.position, finding.r, finding.f, finding.m;
END
$$;
COMMENT ON FUNCTION segment.rfm_map_check(text, integer) IS
'Looks a map of segment.rfm_map over. kind "uncovered": a combination of scores that no row matches (names: the fallback that it gets, empty without one); "overlapping": one that several rows match (names: theirs, the winner first); "unreachable": a name that never wins (r, f and m are NULL). No rows: every combination has exactly one name. Goes through the scores 1 to bins (1 to 40), or without bins through those that the map names, from 1 or the lowest. r, f or m is NULL where the map does not look at that score. 22004 when map is NULL, 22023 for a map that does not exist and for bins out of range, 54000 for more than 100,000 combinations. O(combinations * rows of the map).';
