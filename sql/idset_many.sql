-- Many sets at once: overlap, upset, flow, expressions, at least k
CREATE TABLE segments (name text, members segment.idset);
INSERT INTO segments VALUES
    ('vip', '{1-10}'), ('loyal', '{6-20}'), ('newsletter', '{2,4,6,8,10,12,14}'), ('churned', '{8-9,20-25}'),
    ('nobody', '{}');

-- Overlap: each pair once, a before b.
SELECT a, b, n_a, n_b, n_ab, round(jaccard::numeric, 4) AS jaccard, round(lift::numeric, 4) AS lift
FROM segment.overlap_pairs((SELECT segment.overlap(name, members) FROM segments));
-- The measures again, from their definitions.
SELECT bool_and(p.n_ab = segment.intersection_cardinality(a.members, b.members)
                AND p.jaccard IS NOT DISTINCT FROM segment.jaccard(a.members, b.members)
                AND p.n_a = segment.cardinality(a.members) AND p.n_b = segment.cardinality(b.members)) AS right,
       count(*) AS pairs
FROM segment.overlap_pairs((SELECT segment.overlap(name, members) FROM segments)) AS p
    JOIN segments AS a ON a.name = p.a JOIN segments AS b ON b.name = p.b;
SELECT * FROM segment.overlap_pairs((SELECT segment.overlap(n, '{}') FROM unnest(ARRAY['x', 'y']) AS n));
SELECT count(*) FROM segment.overlap_pairs((SELECT segment.overlap('one', '{1}')));

-- One name in several rows, as in a table of (segment, bucket, members), is one set; so is a repeated row.
SELECT * FROM segment.overlap_pairs((
    SELECT segment.overlap(name, members)
    FROM (VALUES ('a', '{1,2}'::segment.idset), ('b', '{2-9}'), ('a', '{100000-300000}'), ('a', '{1,2}'),
                 ('b', '{100000}')) AS v (name, members)));

-- NULL names and sets are skipped; no rows, or none left: NULL.
SELECT a, b, n_ab FROM segment.overlap_pairs((
    SELECT segment.overlap(name, members)
    FROM (VALUES ('a', '{1,2}'::segment.idset), (NULL, '{2}'), ('b', NULL), ('c', '{2,3}')) AS v (name, members)));
SELECT segment.overlap(name, members) IS NULL AS nothing FROM segments WHERE false;
SELECT segment.overlap(NULL, members) IS NULL AS nothing FROM segments;
SELECT count(*) FROM segment.overlap_pairs(NULL);

-- Upset: each id in one row, largest first; with full stretches of very many ids.
SELECT * FROM segment.upset_intersections((SELECT segment.upset(name, members) FROM segments));
SELECT sum(n) = (SELECT segment.cardinality(segment.union_agg(members)) FROM segments) AS every_id_once
FROM segment.upset_intersections((SELECT segment.upset(name, members) FROM segments));
SELECT * FROM segment.upset_intersections((
    SELECT segment.upset(name, members)
    FROM (VALUES ('z', segment.idset_range(-1000000000000000000, 1000000000000000000)),
                 ('a', segment.idset_range(0, 2000000000000000000)), ('m', '{-5,5,1000000000000000001}'))
         AS v (name, members)));
SELECT count(*), sum(n), max(array_length(names, 1)) FROM segment.upset_intersections((
    SELECT segment.upset('s' || s, (SELECT segment.idset_agg(i) FROM generate_series(s, 999, s + 1) AS i))
    FROM generate_series(0, 99) AS s));

-- Flow: entered has no before, left has no after.
CREATE TABLE february (name text, members segment.idset);
INSERT INTO february VALUES ('vip', '{1-7,30}'), ('loyal', '{8-20}'), ('sleeping', '{21-22}');
SELECT * FROM segment.flow_links((
    SELECT segment.flow(b.name, b.members, a.name, a.members)
    FROM segments AS b FULL JOIN february AS a ON a.name = b.name));
-- A cross product gives the same; so do two halves.
SELECT (SELECT segment.flow(b.name, b.members, a.name, a.members)
        FROM segments AS b FULL JOIN february AS a ON a.name = b.name)::text
       = (SELECT segment.flow(b.name, b.members, a.name, a.members) FROM segments AS b, february AS a)::text AS same;
SELECT * FROM segment.flow_links((SELECT segment.flow(NULL, NULL, name, members) FROM february));
SELECT * FROM segment.flow_links((SELECT segment.flow(name, members, 'ignored', NULL) FROM february));
SELECT segment.flow(NULL, '{1}', 'x', NULL) IS NULL AS nothing;

-- Expressions.
SELECT segment.evaluate('(vip | loyal) & newsletter - churned', name, members) FROM segments;
SELECT e, segment.evaluate(e, name, members)
FROM segments, unnest(ARRAY['vip', 'vip & loyal', 'vip - loyal', 'vip # loyal', 'vip | loyal - vip & churned',
                            'vip - loyal - newsletter', 'vip - (loyal - newsletter)', '((("vip")))', 'nobody',
                            'churned - nobody # vip']) AS e
GROUP BY e ORDER BY e COLLATE "C";
-- & binds tightest, then -, then #, then |.
SELECT loose, segment.evaluate(loose, name, members) AS members,
       segment.evaluate(loose, name, members)::text = segment.evaluate(explicit, name, members)::text AS same
FROM segments, (VALUES ('vip | loyal & churned', 'vip | (loyal & churned)'),
                       ('vip - loyal & churned', 'vip - (loyal & churned)'),
                       ('vip # loyal - churned', 'vip # (loyal - churned)'),
                       ('vip | loyal # churned', 'vip | (loyal # churned)')) AS v (loose, explicit)
GROUP BY loose, explicit ORDER BY loose COLLATE "C";
-- Any name, in double quotes.
SELECT segment.evaluate('"not a word" & "say ""hi""" | größe.1:x | ""', name, members)
FROM (VALUES ('not a word', '{1-9}'::segment.idset), ('say "hi"', '{5-20}'), ('größe.1:x', '{100}'), ('', '{7000}'),
             ('not named', '{8000}')) AS v (name, members);
-- Rows of one name are united, rows with NULL are skipped.
SELECT segment.evaluate('a', name, members)
FROM (VALUES ('a', '{1}'::segment.idset), ('a', '{70000-200000}'), ('a', NULL), (NULL, '{5}')) AS v (name, members);
SELECT segment.evaluate('vip', name, members) IS NULL AS nothing FROM segments WHERE false;
-- Errors show the place, in characters.
SELECT segment.evaluate('vip & & loyal', name, members) FROM segments;
SELECT segment.evaluate('größe | (vip', name, members) FROM segments;
SELECT segment.evaluate('vip loyal', name, members) FROM segments;
SELECT segment.evaluate('vip - !churned', name, members) FROM segments;
SELECT segment.evaluate('vip + loyal', name, members) FROM segments;
SELECT segment.evaluate('', name, members) FROM segments;
SELECT segment.evaluate('vip & "loyal', name, members) FROM segments;
SELECT segment.evaluate('vip & ghost', name, members) FROM segments;
SELECT segment.evaluate(NULL, name, members) FROM segments;
SELECT segment.evaluate(name, name, members) FROM segments WHERE name IN ('vip', 'loyal');
-- A million parentheses are no danger.
SELECT segment.evaluate(repeat('(', 1000000) || 'vip' || repeat(')', 1000000), name, members) FROM segments;
\set VERBOSITY terse
SELECT segment.evaluate(repeat('(', 1000000), name, members) FROM segments;
\set VERBOSITY default

-- At least k of the sets.
SELECT k, segment.at_least_agg(members, k) FROM segments, generate_series(1, 5) AS k GROUP BY k ORDER BY k;
SELECT segment.at_least_agg(segment.idset_range(-s * 1000000000000000::bigint, s * 1000000000000000::bigint), 2)
FROM generate_series(1, 3) AS s;
SELECT segment.cardinality(segment.at_least_agg(segment.idset(ARRAY[i, i + 1, i * 1000]), 2))
FROM generate_series(1, 20000) AS i;
SELECT segment.at_least_agg(members, 1) IS NULL AS nothing FROM segments WHERE false;
SELECT segment.at_least_agg(NULL::segment.idset, 1) IS NULL AS nothing FROM segments;
SELECT segment.at_least_agg(members, 0) FROM segments;
SELECT segment.at_least_agg(members, -2147483648) FROM segments;
SELECT segment.at_least_agg(members, NULL) FROM segments;
SELECT segment.at_least_agg(members, length(name)) FROM segments WHERE name IN ('vip', 'loyal');

-- Collections are values: in any order of rows, with any split, the same bytes; stored, printed and merged.
CREATE TABLE collections AS
SELECT 'all' AS part, segment.overlap(name, members) AS sets FROM segments
UNION ALL SELECT 'backwards', segment.upset(name, members ORDER BY name DESC) FROM segments
UNION ALL SELECT 'some', segment.overlap(name, members) FROM segments WHERE name < 'm'
UNION ALL SELECT 'others', segment.overlap(name, members) FROM segments WHERE name >= 'm';
SELECT part, sets::text = (SELECT sets::text FROM collections WHERE part = 'all') AS same
FROM collections ORDER BY part;
SELECT segment.rollup(sets)::text = (SELECT sets::text FROM collections WHERE part = 'all') AS same
FROM collections WHERE part IN ('some', 'others');
SELECT bool_and(segment.idset_collection_send(sets)
                = segment.idset_collection_send(sets::text::segment.idset_collection)) AS same
FROM collections;
SELECT segment.rollup(sets) IS NULL AS nothing FROM collections WHERE false;
SELECT segment.rollup(sets)
FROM (SELECT sets FROM collections WHERE part = 'all'
      UNION ALL SELECT segment.flow(name, members, NULL, NULL) FROM segments) AS q;
SELECT * FROM segment.overlap_pairs((SELECT segment.flow(name, members, name, members) FROM segments));
SELECT * FROM segment.upset_intersections((SELECT segment.flow(name, members, name, members) FROM segments));
SELECT * FROM segment.flow_links((SELECT segment.overlap(name, members) FROM segments));

-- Sets of one dictionary give sets of it; sets of different ones do not go together.
SELECT segment.dictionary_number(segment.at_least_agg(tagged, 2)) AS twice,
       segment.dictionary_number(segment.evaluate('vip - loyal', name, tagged)) AS difference,
       segment.dictionary_number(segment.evaluate('nobody', name, tagged)) AS empty
FROM segments, segment.with_dictionary(members, 7) AS tagged;
SELECT segment.overlap(name, CASE name WHEN 'vip' THEN segment.with_dictionary(members, 7) ELSE members END)
FROM segments WHERE name IN ('vip', 'loyal');
-- What the expression does not name does not matter, nor does an empty set without a dictionary.
SELECT segment.cardinality(segment.evaluate('vip | nobody', name,
           CASE name WHEN 'vip' THEN segment.with_dictionary(members, 7) ELSE members END))
FROM segments;

-- As window aggregates, with growing and moving frames.
SELECT name, segment.evaluate('churned | churned', 'churned', members) OVER (ORDER BY name) AS united,
       segment.at_least_agg(members, 2) OVER (ORDER BY name) AS growing,
       segment.at_least_agg(members, 2) OVER (ORDER BY name ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS moving
FROM segments ORDER BY name;
SELECT name, (SELECT sum(n_ab) FROM segment.overlap_pairs(sets)) AS shared
FROM (SELECT name, segment.overlap(name, members) OVER (ORDER BY name) AS sets FROM segments) AS w ORDER BY name;

-- Workers see parts of the rows, and the results are the same.
CREATE TABLE scattered AS
SELECT 's' || i % 7 AS name, segment.idset_range(i * 1000, i * 1000 + i * i % 3000) AS members, i
FROM generate_series(1, 3000) AS i;
CREATE TABLE serial AS
SELECT segment.overlap(name, members)::text AS overlap,
       segment.flow(name, members, name, members)::text AS flow,
       segment.at_least_agg(members, 2)::text AS twice,
       segment.evaluate('(s0 | s1) & s2 - s3 # s4', name, members)::text AS evaluated
FROM scattered;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT segment.overlap(name, members) FROM scattered;
SELECT segment.overlap(name, members)::text = (SELECT overlap FROM serial) AS same_overlap,
       segment.flow(name, members, name, members)::text = (SELECT flow FROM serial) AS same_flow,
       segment.at_least_agg(members, 2)::text = (SELECT twice FROM serial) AS same_twice,
       segment.evaluate('(s0 | s1) & s2 - s3 # s4', name, members)::text = (SELECT evaluated FROM serial) AS same_set
FROM scattered;
SELECT segment.evaluate('s1', name, members) IS NULL AS nothing FROM scattered WHERE i < 0;
SELECT segment.evaluate('s1 & ghost', name, members) FROM scattered;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
RESET parallel_leader_participation;

-- Groups share their memory.
SELECT count(*), sum(segment.cardinality(twice))
FROM (SELECT segment.at_least_agg(members, 2) AS twice FROM scattered GROUP BY i % 1000) AS q;

-- Bytes from outside are checked.
SELECT ''::segment.idset_collection;
SELECT '\x00'::segment.idset_collection;
SELECT '\x43010100000000000000000000000000000000000000'::segment.idset_collection;
CREATE FUNCTION try_bytes(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM segment.overlap_pairs(bytes::text::segment.idset_collection);
    RETURN 'accepted';
EXCEPTION WHEN others THEN
    RETURN sqlstate;
END $$;
-- One bit of any byte: refused, but for letters of names and ids that stay in order.
SELECT DISTINCT try_bytes(set_byte(bytes, at, get_byte(bytes, at) # 1)) AS answer
FROM (SELECT segment.idset_collection_send(sets) AS bytes FROM collections WHERE part = 'all') AS q,
     LATERAL generate_series(0, length(bytes) - 1) AS at
ORDER BY answer;
SELECT DISTINCT try_bytes(substring(bytes FOR at)) AS answer
FROM (SELECT segment.idset_collection_send(sets) AS bytes FROM collections WHERE part = 'all') AS q,
     LATERAL generate_series(0, length(bytes) - 1) AS at;

-- Too many pairs: known before anything is counted.
CREATE TABLE many_sets AS SELECT segment.overlap('s' || i, segment.idset(ARRAY[i])) AS sets
FROM generate_series(1, 20000) AS i;
SELECT count(*) FROM many_sets, segment.overlap_pairs(sets);
SET pg_segment.max_memory = '1MB';
SELECT segment.overlap('s' || i, segment.idset_range(i, i + 10)) FROM generate_series(1, 20000) AS i;
SELECT segment.at_least_agg(segment.idset_range(i, i + 10), 2) FROM generate_series(1, 20000) AS i;
RESET pg_segment.max_memory;

-- State functions are for aggregates.
SELECT segment.idset_collection_combine(sets, sets) FROM collections LIMIT 1;

DROP FUNCTION try_bytes;
DROP TABLE segments, february, collections, many_sets, scattered, serial;

-- A collection as version 0.1.0 stored it: it stays readable for ever.
SELECT a, b, n_a, n_b, n_ab
FROM segment.overlap_pairs('\x4301010002000000000000000000000000000000010000000000000000000000280000000200000000000000280000005c0000006162000000000000000000004901000004000000000000000500000000000000060000000000000075110100000000000000000049010100020000000100000011000000000000000100000000000000400d030000000000dbde007d2859751d04000000000000800a00010000000080400d030000000000010001000400010070110a00010000000d00000000000000');
SELECT * FROM segment.flow_links('\x430102000200000000000000000000000000000001000000000000000000000020000000020000000100000020000000440000007879000000000000000000004901000001000000000000000200000000000000030000000000000000000000490101000100000000000000080000000000000002000000000000000900000000000000d15e0a4a06b35edf070000000000008001000200070000000100000000000000');
