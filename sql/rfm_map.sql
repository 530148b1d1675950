-- Maps of RFM scores: names, looking them up, looking them over
\set VERBOSITY terse

SELECT map, count(*) AS rows, count(DISTINCT name) AS names, count(*) FILTER (WHERE fallback) AS fallbacks
FROM segment.rfm_map GROUP BY map ORDER BY map;

-- The faults of the published maps, and no others.
SELECT every.map, kind, count(kind)
FROM (SELECT DISTINCT map FROM segment.rfm_map) AS every
    LEFT JOIN LATERAL segment.rfm_map_check(every.map) AS fault ON true
GROUP BY every.map, kind ORDER BY every.map, kind;
SELECT string_agg(format('%s%s%s', r, f, m), ' ' ORDER BY r, f, m), min(names), max(names)
FROM segment.rfm_map_check('r_rfm') WHERE kind = 'uncovered';
SELECT string_agg(format('%s%s%s', r, f, m), ' ' ORDER BY r, f, m)
FROM segment.rfm_map_check('putler') WHERE kind = 'uncovered';
SELECT * FROM segment.rfm_map_check('putler') WHERE kind = 'unreachable';
SELECT * FROM segment.rfm_map_check('braze') WHERE kind = 'uncovered';
SELECT * FROM segment.rfm_map_check('r_rfm') WHERE kind = 'overlapping' LIMIT 3;
-- What the check says is what the look-up does.
SELECT count(*) AS cells, count(*) FILTER (WHERE fault.names[1] IS DISTINCT FROM segment.rfm_segment(r, f, m, 'putler')) AS differing
FROM segment.rfm_map_check('putler') AS fault WHERE kind <> 'unreachable';

-- First match wins, then the fallback, then nothing.
SELECT segment.rfm_segment(2, 1, 5, 'r_rfm'), segment.rfm_segment(5, 5, 1, 'r_rfm'), segment.rfm_segment(9, 9, 9, 'r_rfm'),
       segment.rfm_segment(0, 3, 0, 'braze') IS NULL AS no_name, segment.rfm_segment(0, 0, 0, 'braze'),
       segment.rfm_segment(3, 3, 3, 'klaviyo27'), segment.rfm_segment(5, 1, 3, 'klaviyo27') IS NULL AS beyond,
       segment.rfm_segment(3, 3, 2147483647, 'rf25'), segment.rfm_segment(-1, 3, 1, 'rf25') IS NULL AS below;
-- The same as the rows of the table say, for every map and more scores than they name.
SELECT count(*) AS cells, count(name), count(*) FILTER (WHERE segment.rfm_segment(x, y, z, map) IS DISTINCT FROM name) AS differing
FROM (SELECT DISTINCT map FROM segment.rfm_map) AS every, generate_series(-1, 7) AS x, generate_series(-1, 7) AS y,
     generate_series(-1, 12, 3) AS z
     LEFT JOIN LATERAL (SELECT entry.name FROM segment.rfm_map AS entry
                        WHERE entry.map = every.map AND entry.r @> x AND entry.f @> y AND entry.m @> z
                        ORDER BY entry.fallback, entry.priority LIMIT 1) AS winner ON true;

-- Maps of one's own.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m) VALUES
    ('two', 1, 'best', '[4,)', '[4,)', '(,)'), ('two', 2, 'rest', '(,4)', '(,)', '(,)'),
    ('two', 3, 'never', '(,2)', '(,)', '(,)'), ('two', 4, 'nothing', 'empty', '(,)', '(,)');
SELECT * FROM segment.rfm_map_check('two');
SELECT count(*) FILTER (WHERE kind = 'uncovered') AS uncovered, count(DISTINCT m) AS m FROM segment.rfm_map_check('two', 5);
SELECT segment.rfm_segment(1000000, 4, -5, 'two'), segment.rfm_segment(-1000000, 4, 0, 'two'), segment.rfm_segment(4, 3, 0, 'two');
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, fallback) VALUES ('two', 0, 'others', '(,)', '(,)', '(,)', true);
SELECT segment.rfm_segment(4, 3, 0, 'two'), segment.rfm_segment(4, 4, 0, 'two');
SELECT kind, names, count(*) FROM segment.rfm_map_check('two', 5) GROUP BY 1, 2 ORDER BY 1, 2;
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, fallback) VALUES ('two', 9, 'more', '(,)', '(,)', '(,)', true);
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, fallback) VALUES ('three', 9, 'more', '[1,5]', '(,)', '(,)', true);
-- A map of a fallback alone names everything.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m, fallback) VALUES ('one', 1, 'all', '(,)', '(,)', '(,)', true);
SELECT segment.rfm_segment(1, 2, 3, 'one'), fault.* FROM segment.rfm_map_check('one') AS fault;
-- Ranges as wide as can be are refused, or checked as far as there are scores.
INSERT INTO segment.rfm_map (map, priority, name, r, f, m) VALUES
    ('wide', 1, 'all', '[1,2147483646]', '[-2147483648,2147483646]', '[1,5]'), ('wide', 2, 'low', '(,-2147483648)', '[1,5]', '[1,5]');
SELECT segment.rfm_segment(2147483646, 5, 5, 'wide'), segment.rfm_segment(2147483647, 5, 5, 'wide') IS NULL AS none;
\set VERBOSITY default
SELECT * FROM segment.rfm_map_check('wide');
\set VERBOSITY terse
DELETE FROM segment.rfm_map WHERE map = 'wide' AND priority = 2;
SELECT count(*) FROM segment.rfm_map_check('wide', 5);
SELECT * FROM segment.rfm_map_check('nowhere');
SELECT * FROM segment.rfm_map_check(NULL);
SELECT * FROM segment.rfm_map_check('two', 0);
SELECT * FROM segment.rfm_map_check('two', 41);
SELECT segment.rfm_segment(1, 1, 1, 'nowhere');
SELECT segment.rfm_segment(1, 1, NULL), segment.rfm_segment(1, 1, 1, NULL);

-- A statement sees the maps as they are now: what this transaction has changed, and what it has taken back.
CREATE FUNCTION name_now() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN segment.rfm_segment(1, 1, 1, 'mine'); END $$;
CREATE FUNCTION rename_map(new_name text) RETURNS void LANGUAGE sql AS $$ UPDATE segment.rfm_map SET name = new_name WHERE map = 'mine' $$;
INSERT INTO segment.rfm_map (map, priority, name, r, f, m) VALUES ('mine', 1, 'first', '[1,5]', '[1,5]', '[1,5]');
BEGIN;
SELECT name_now();
SELECT rename_map('second');
SELECT name_now();
SAVEPOINT before;
SELECT rename_map('third');
SELECT name_now();
ROLLBACK TO before;
SELECT name_now();
ROLLBACK;
SELECT name_now();
DO $$
DECLARE
    said text := name_now();
BEGIN
    FOR i IN 1..3 LOOP
        BEGIN
            PERFORM rename_map('within ' || i);
            said := said || ', ' || name_now();
            IF i = 2 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN division_by_zero THEN
            said := said || ', ' || name_now();
        END;
    END LOOP;
    RAISE NOTICE '%, %', said, name_now();
END $$;
-- Many maps at one call site.
SELECT map, segment.rfm_segment(3, 3, 3, map) FROM (SELECT DISTINCT map FROM segment.rfm_map WHERE map <> 'wide') AS maps ORDER BY map;
-- With the caller's path, and whatever it finds there.
CREATE SCHEMA rfm_trap;
CREATE FUNCTION rfm_trap.lower(int4range) RETURNS integer LANGUAGE sql AS 'SELECT 4711';
SET search_path = rfm_trap, pg_catalog;
\c -
SET search_path = rfm_trap, pg_catalog;
SELECT segment.rfm_segment(5, 5, 5), (SELECT count(*) FROM segment.rfm_map_check('r_rfm'));
RESET search_path;

-- Whoever owns the schema can add functions whose arguments fit better. None of ours calls them.
CREATE ROLE segment_owner;
GRANT CREATE, USAGE ON SCHEMA segment TO segment_owner;
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL ROLE segment_owner;
DO $$
DECLARE
    f record;
    other text;
BEGIN
    FOR f IN SELECT p.proname, p.pronargs AS n, p.pronargdefaults AS defaults, p.proargtypes::oid[]::regtype[]::text[] AS types,
                    p.proargnames AS names
             FROM pg_proc AS p WHERE p.pronamespace = 'segment'::regnamespace AND p.proname = ANY ('{check_rfm_map, rfm_map_scores}') LOOP
        -- One argument of another type, or fewer arguments.
        FOR i IN 1..f.n LOOP
            FOREACH other IN ARRAY ARRAY['text', 'anyelement', 'integer', 'fewer'] LOOP
                IF other = 'fewer' AND i <= f.n - f.defaults THEN
                    CONTINUE;
                END IF;
                BEGIN
                    EXECUTE format('CREATE FUNCTION segment.%I(%s) RETURNS text LANGUAGE plpgsql AS %L', f.proname,
                                   (SELECT string_agg(format('%I %s%s', f.names[k], CASE WHEN k = i THEN other ELSE f.types[k - 1] END,
                                                             CASE WHEN k > f.n - f.defaults THEN ' DEFAULT NULL' END), ', ' ORDER BY k)
                                    FROM generate_series(1, CASE WHEN other = 'fewer' THEN i - 1 ELSE f.n END) AS k),
                                   'BEGIN RAISE EXCEPTION ''captured''; END');
                EXCEPTION WHEN duplicate_function THEN
                    NULL;
                END;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
RESET ROLE;
SELECT count(*) > 5 AS many_traps FROM pg_proc WHERE pronamespace = 'segment'::regnamespace AND proowner = 'segment_owner'::regrole;
SELECT kind, count(*) FROM segment.rfm_map_check('r_rfm') GROUP BY kind ORDER BY kind;
ROLLBACK;
REVOKE ALL ON SCHEMA segment FROM segment_owner;
DROP ROLE segment_owner;

\set VERBOSITY terse
DROP SCHEMA rfm_trap CASCADE;
DROP FUNCTION name_now(), rename_map(text);
DELETE FROM segment.rfm_map WHERE NOT builtin;
