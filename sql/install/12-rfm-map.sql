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
