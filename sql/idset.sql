-- Sets of ids: text and binary forms, algebra, comparison, aggregates. Facts are compared, not only printed.
SET search_path = segment, public;

-- ---- text form
SELECT '{}'::idset AS nothing, '{7}'::idset AS one, '{5-9,1,12,2,9-10}'::idset AS any_order, ' { -3 - -1 , 4 } '::idset AS spaces;
SELECT '{-9223372036854775808,9223372036854775807}'::idset AS ends;
SELECT '{1,2}'::idset AS two_neighbours, '{1,2,3}'::idset AS three;
SELECT '{1-3}@17'::idset AS of_dictionary, '{}@17'::idset AS empty_of_dictionary;

CREATE FUNCTION pg_temp.state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT value, pg_temp.state_of(format('SELECT %L::segment.idset', value))
FROM unnest(ARRAY['', '{', '}', '{1', '{1,}', '{,1}', '{1 2}', '{a}', '{1}x', '{1-}', '{5-1}', '{1.5}', '{+1}', '{1}@0', '{1}@x',
                  '{9223372036854775808}', '{1}@4294967296', '{-9223372036854775808-9223372036854775807}']) AS value;

-- ---- making sets
SELECT idset('{3,1,2,2}'::bigint[]), idset('{}'::bigint[]), idset(NULL) IS NULL AS null_in, ARRAY[5, 6, 7]::bigint[]::idset AS cast_from;
SELECT '{1-3,9}'::idset::bigint[] AS cast_to, to_array('{}');
SELECT pg_temp.state_of('SELECT segment.idset(ARRAY[1, NULL]::bigint[])');
SELECT pg_temp.state_of('SELECT segment.idset(ARRAY[[1, 2], [3, 4]]::bigint[])');
SELECT idset_range(3, 6), idset_range(6, 3), idset_range(-2, -2), cardinality(idset_range(-4611686018427387904, 4611686018427387902));
SELECT pg_temp.state_of('SELECT segment.idset_range(-9223372036854775808, 9223372036854775807)');
SELECT pg_temp.state_of('SELECT segment.to_array(segment.idset_range(1, 1000000000))');

-- Sizes: a long range, ids at random, a few ids.
SELECT pg_column_size(idset_range(1, 5000000)) <= 100 AS range_fits,
       pg_column_size(idset('{1}')) AS one, pg_column_size(idset('{1,1000000,2000000}')) AS three;
SELECT pg_column_size(idset_agg(hashint8extended(g, 0) & 9223372036854775807)) <= 9 * 500000 AS random_fits
FROM generate_series(1, 500000) g;

-- ---- one set
SELECT cardinality(s), isempty(s), lower(s), upper(s) FROM unnest(ARRAY['{}', '{-5}', '{1-10,100}']::idset[]) s;
SELECT ids('{-1-1,5}');
SELECT count(*), sum(id) FROM ids(idset_range(1, 100000)) id;
SELECT ids(idset_range(-4611686018427387904, 4611686018427387902)) LIMIT 2;
SELECT n, nth('{10,20-22,30}', n) FROM unnest(ARRAY[0, 1, 2, 5, 6, -1, -5, -6]) n;
SELECT id, segment.rank('{10,20-22,30}'::idset, id) FROM unnest(ARRAY[9, 10, 21, 22, 23, 1000]) id;
SELECT slice('{1-100}', 5, 7), slice('{1-100}', NULL, 3), slice('{1-100}', 98, NULL), slice('{1-100}', 7, 5),
       slice('{1-100}', NULL, NULL) = '{1-100}' AS whole, slice(NULL, 1, 2) IS NULL AS null_in;

-- A sample: of the right size, part of the set, repeatable, different with another seed, fair.
SELECT cardinality(sample(s, 1000)) AS n, sample(s, 1000) <@ s AS part, sample(s, 1000, 5) = sample(s, 1000, 5) AS repeatable,
       sample(s, 1000, 5) = sample(s, 1000, 6) AS same, sample(s, 200000) = s AS whole, cardinality(sample(s, 99999)) AS most
FROM idset_range(-50000, 49999) s;
SELECT sample('{1-5}', 0), pg_temp.state_of('SELECT segment.sample(''{1}'', -1)');
SELECT min(n) > 330 AND max(n) < 470 AS fair
FROM (SELECT id, count(*) AS n FROM generate_series(1, 1000) seed, ids(sample('{1-10}', 4, seed)) id GROUP BY id) hits;

-- ---- membership
SELECT id, id <@ '{-3,5-7}'::idset AS is_in, '{-3,5-7}'::idset @> id AS has
FROM unnest(ARRAY[-4, -3, 4, 5, 7, 8, NULL]::bigint[]) id;
CREATE TEMP TABLE sets (name text, members idset);
INSERT INTO sets VALUES ('none', '{}'), ('few', '{3,5,200000}'), ('range', '{1-150000}'), ('half', NULL), ('thirds', NULL), ('far', NULL);
UPDATE sets SET members = (SELECT idset_agg(g) FROM generate_series(2, 200000, 2) g) WHERE name = 'half';
UPDATE sets SET members = (SELECT idset_agg(g) FROM generate_series(3, 200000, 3) g) WHERE name = 'thirds';
UPDATE sets SET members = (SELECT idset_agg(g::bigint * 4611686018427) FROM generate_series(-20000, 20000) g) WHERE name = 'far';
-- Against a table of sets (another one at each row), and one set for all rows.
SELECT name, count(*) FROM sets, generate_series(-5, 200005) id WHERE id <@ members GROUP BY name ORDER BY name;
SELECT count(*) FROM generate_series(-5, 200005) id WHERE id <@ (SELECT members FROM sets WHERE name = 'thirds');
SELECT count(*) FROM generate_series(-300, 300) g WHERE g::bigint * 4611686018427 <@ (SELECT members FROM sets WHERE name = 'far');
SELECT count(*) FROM generate_series(1, 300) id, LATERAL (SELECT idset_agg(g) AS s FROM generate_series(1, 2000 + id, 3) g) made WHERE 2000 + id <@ s;
SELECT count(*) FROM generate_series(1, 600) id, LATERAL (SELECT CASE WHEN id % 2 = 0 THEN '{1-1000}'::idset ELSE '{}' END AS s) made WHERE id <@ s;

-- ---- algebra
SELECT a | b AS either, a & b AS both, a - b AS difference, a # b AS one FROM (SELECT '{1-10,20}'::idset a, '{5-15,30}'::idset b) v;
SELECT a.name, b.name, a.members @> b.members AS has, a.members <@ b.members AS part, a.members && b.members AS overlap,
       intersection_cardinality(a.members, b.members) AS n_both, round(jaccard(a.members, b.members)::numeric, 6) AS jaccard,
       cardinality(a.members | b.members) = cardinality(a.members) + cardinality(b.members) - intersection_cardinality(a.members, b.members) AS adds_up,
       (a.members | b.members) - (a.members & b.members) = a.members # b.members AS consistent,
       (a.members - b.members) | (a.members & b.members) = a.members AS splits
FROM sets a, sets b WHERE a.name <= b.name ORDER BY a.name, b.name;

-- Sets of different dictionaries do not mix; an empty set without one goes with any.
SELECT '{1}@5'::idset | '{2}@5' AS same, '{1}@5'::idset | '{}' AS with_empty, '{1}@5'::idset = '{1}' AS equal;
SELECT pg_temp.state_of('SELECT ''{1}@5''::segment.idset OPERATOR(segment.|) ''{2}''');
SELECT pg_temp.state_of('SELECT ''{1}@5''::segment.idset OPERATOR(segment.&&) ''{2}@6''');
SELECT pg_temp.state_of('SELECT segment.union_agg(s) FROM unnest(ARRAY[''{1}@5'', ''{1}@6'']::segment.idset[]) s');
SELECT pg_temp.state_of('SELECT segment.intersect_agg(s) FROM unnest(ARRAY[''{1}@5'', ''{1}'']::segment.idset[]) s');

-- ---- comparison: as lists of ids compare
SELECT s FROM unnest(ARRAY['{2}', '{1,3}', '{}', '{1}', '{1-2}', '{1-2,5}', '{-1}', '{1-3}', '{1}@5']::idset[]) s ORDER BY s;
SELECT bool_and(sign(bttextcmp(array_to_string(to_array(a), ' '), array_to_string(to_array(b), ' '))) = sign(idset_cmp(a, b))) AS same_order
FROM unnest(ARRAY['{1}', '{1,2}', '{1,3}', '{2}', '{1-5}', '{3,4}']::idset[]) a,
     unnest(ARRAY['{1}', '{1,2}', '{1,3}', '{2}', '{1-5}', '{3,4}']::idset[]) b;
SELECT s, count(*) FROM unnest(ARRAY['{1-2}', '{1,2}', '{2,1}', '{3}']::idset[]) s GROUP BY s ORDER BY s;
SET enable_hashagg = off;
SELECT count(DISTINCT s) FROM unnest(ARRAY['{1-2}', '{1,2}', '{2,1}', '{3}']::idset[]) s;
RESET enable_hashagg;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT a.name FROM sets a JOIN sets b ON a.members = b.members ORDER BY 1;
RESET enable_mergejoin; RESET enable_nestloop;
SELECT bool_and(hash_array(ARRAY[s]) = hash_array(ARRAY[s::text::idset])) AS equal_hashes FROM (SELECT members AS s FROM sets) v;

-- ---- aggregates
SELECT idset_agg(id) AS ids, count_distinct(id) AS n, idset_agg(id) FILTER (WHERE id > 2) AS filtered
FROM unnest(ARRAY[3, 1, NULL, 3, 2]::bigint[]) id;
SELECT idset_agg(id) IS NULL AS no_rows, count_distinct(id) AS n FROM unnest('{}'::bigint[]) id;
SELECT idset_agg(id) IS NULL AS nulls_only, count_distinct(id) AS n FROM unnest(ARRAY[NULL]::bigint[]) id;
SELECT union_agg(s), intersect_agg(s), symdiff_agg(s), union_cardinality_agg(s), intersection_cardinality_agg(s)
FROM unnest(ARRAY['{1-10}', NULL, '{5-20}', '{6,9,100}']::idset[]) s;
SELECT union_agg(s) IS NULL AS no_union, intersect_agg(s) IS NULL AS no_intersection, symdiff_agg(s) IS NULL AS no_difference,
       union_cardinality_agg(s), intersection_cardinality_agg(s)
FROM unnest('{}'::idset[]) s;
SELECT intersect_agg(s) FROM unnest(ARRAY['{}', '{1}', '{1-2}']::idset[]) s;
-- Groups of every size from one id to many chunks.
SELECT bool_and(n = expected) AS right_count, bool_and(made = range) AS right_ids, count(*)
FROM (SELECT size, count_distinct(id) AS n, size AS expected, idset_agg(id) AS made, idset_range(1, size) AS range
      FROM unnest(ARRAY[1, 2, 5, 6, 7, 14, 15, 30, 31, 64, 65, 1000, 70000, 140000]) size, generate_series(1, size) id, generate_series(1, 2)
      GROUP BY size) g;
-- As a window aggregate, growing and moving.
SELECT g, idset_agg(g) OVER (ORDER BY g) AS so_far, count_distinct(g / 2) OVER (ORDER BY g ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS moving
FROM generate_series(1, 6) g;
SELECT bool_and(cardinality(so_far) = g) FROM (SELECT g, idset_agg(g * 7) OVER (ORDER BY g) AS so_far FROM generate_series(1, 2000) g) w;
-- Many sets: the ids in all, any, and an odd number of them.
SELECT intersect_agg(s) = '{150}' AS in_all, union_agg(s) = '{1-299}' AS in_any,
       cardinality(symdiff_agg(s)) AS in_odd, intersection_cardinality_agg(s)
FROM (SELECT idset_range(g, 149 + g) AS s FROM generate_series(1, 150) g) v;
SELECT union_agg(members) = (SELECT idset_agg(id) FROM sets, ids(members) id) AS same FROM sets;

-- ---- stored and sent: the same bits
CREATE TEMP TABLE copy (LIKE sets);
\copy sets TO 'results/idset.copy' (FORMAT binary)
\copy copy FROM 'results/idset.copy' (FORMAT binary)
SELECT count(*) AS rows, bool_and(a.members = b.members AND idset_send(a.members) = idset_send(b.members)) AS same
FROM sets a JOIN copy b USING (name);
SELECT bool_and(members::text::idset = members) FROM sets;
-- Cardinality and ends come from the start of a stored value: no page of the rest is read.
SELECT pg_column_size(members) > 8000 AS large, cardinality(members), lower(members), upper(members) FROM sets WHERE name = 'thirds';
DROP TABLE sets, copy;

-- Sets of one size, one after the other, kept by address or by copy: stored inline and compressed.
CREATE TABLE packed (k int, members idset) WITH (toast_tuple_target = 8160);
ALTER TABLE packed ALTER members SET STORAGE main;
INSERT INTO packed SELECT k, idset_agg(j * 2) | idset_agg(1000000 + j * j * (k % 3 + 1)) FROM generate_series(1, 12) k, generate_series(1, 600) j GROUP BY k;
SELECT count(*) FILTER (WHERE 1000004::bigint <@ members) AS packed,
       count(*) FILTER (WHERE 1000004::bigint <@ (members | '{}')) AS in_memory FROM packed;
SELECT count(*) FROM packed, LATERAL (VALUES (members), (members | '{}'), (members)) v(s), generate_series(1000000, 1000010) id WHERE id <@ s;
DROP TABLE packed;

-- Two sets in turn, each met often, and more sets than are remembered.
SELECT count(*) FROM (SELECT k, idset_agg(j * k) AS s FROM generate_series(1, 200) k, generate_series(1, 200) j GROUP BY k OFFSET 0) made, generate_series(1, 50) id WHERE id <@ s;

-- The first set of a union waits as it is, and a dictionary is seen in every form of a state.
SET pg_segment.max_memory = '8MB';
CREATE TEMP TABLE striped AS SELECT ('{' || string_agg(g * 65536 || '-' || g * 65536 + 1999, ',') || '}')::idset AS s FROM generate_series(1::bigint, 5000) g;
SELECT pg_column_size(s) < 100000 AS small, s::text::idset = s AS reads_back FROM striped;
SELECT union_agg(s) = (SELECT s FROM striped) AS one_set FROM striped;
SELECT pg_temp.state_of('SELECT segment.union_agg(s) FROM (SELECT s FROM striped UNION ALL SELECT ''{1}'') two');
RESET pg_segment.max_memory;
SELECT '{65536-131071,0-5,131072}'::idset AS a_full_chunk;
CREATE AGGREGATE pg_temp.part_union(idset) (SFUNC = idset_union_transition, STYPE = idset, COMBINEFUNC = idset_union_transition, PARALLEL = SAFE);
CREATE TEMP TABLE parts AS SELECT 1 AS k, pg_temp.part_union(s) AS s FROM (VALUES ('{1-100}@5'::idset)) v(s)
UNION ALL SELECT 2, pg_temp.part_union(s) FROM (VALUES ('{7,9}'::idset)) v(s);
SELECT pg_temp.state_of('SELECT segment.union_agg(s ORDER BY k) FROM parts'), pg_temp.state_of('SELECT segment.union_agg(s ORDER BY -k) FROM parts');
SELECT pg_temp.state_of('SELECT 1::bigint OPERATOR(segment.<@) s FROM parts WHERE k = 2');
CREATE AGGREGATE pg_temp.from_set(bigint) (SFUNC = idset_transition, STYPE = idset, FINALFUNC = idset_union_final, INITCOND = '{1,2,3}');
SELECT pg_temp.from_set(id) FROM unnest('{10,20}'::bigint[]) id;
