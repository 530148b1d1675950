-- Sets of ids and the planner: rewriting, index conditions, estimates, and GIN indexes over sets
SET search_path = public, segment;
SET max_parallel_workers_per_gather = 0;
-- Without bitmaps the choice is between the index and the table, on every version.
SET enable_bitmapscan = off;

-- The plan of a query, sets and lists shortened.
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        RETURN NEXT regexp_replace(line, '\{([^{}]{20})[^{}]{60,}\}', '{\1...}', 'g');
    END LOOP;
END $$;

CREATE FUNCTION count_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE counted bigint;
BEGIN
    EXECUTE 'SELECT count(*) FROM (' || query || ') AS q' INTO counted;
    RETURN counted;
END $$;
CREATE FUNCTION expected_rows(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;
-- Rows that the planner expects, beside the rows there are: "good" within a factor of two.
CREATE FUNCTION estimate(query text, actual bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE expected float8 := expected_rows(query);
BEGIN
    RETURN CASE WHEN greatest(expected, 1) BETWEEN greatest(actual, 1) / 2 AND greatest(actual, 1) * 2 THEN 'good'
                ELSE format('expected %s rows, not %s', expected, actual) END;
END $$;

-- Ids 1 to 1,000,000 without order, and some sets of them.
CREATE TABLE customers AS SELECT g::bigint AS id, g % 1000 AS place FROM generate_series(1, 1000000) AS g ORDER BY hashint4(g);
ALTER TABLE customers ADD PRIMARY KEY (id);
CREATE TABLE sets (name text PRIMARY KEY, ids bigint, members segment.idset);
INSERT INTO sets SELECT 'every ' || step, count(*), segment.idset_agg(id)
FROM (VALUES (10), (100), (1000), (10000), (100000)) AS s (step), generate_series(1, 1000000, step) AS id GROUP BY step;
INSERT INTO sets SELECT 'narrow', count(*), segment.idset_agg(id) FROM generate_series(500001, 503000, 3) AS id;
INSERT INTO sets SELECT 'beyond', count(*), segment.idset_agg(id) FROM generate_series(2000001, 2003000, 3) AS id;
CREATE TABLE visits (customer_id bigint);
VACUUM ANALYZE customers;
ANALYZE sets;
SELECT name, ids FROM sets ORDER BY ids, name;

-- ---- simple sets become comparisons

SELECT plan_of('SELECT * FROM customers WHERE id <@ ''{7}''');
SELECT plan_of('SELECT * FROM customers WHERE id <@ ''{3,7,-9,700000}''');
SELECT plan_of('SELECT * FROM customers WHERE ''{3,7}''::segment.idset @> id');
SELECT plan_of('SELECT * FROM customers WHERE segment.id_in_idset(id, ''{3,7}'')');
SELECT plan_of('SELECT * FROM customers WHERE id <@ ''{1001-1500}''');
SELECT plan_of('SELECT * FROM customers WHERE id <@ segment.idset_range(1001, 1500)');
SELECT plan_of('SELECT * FROM customers WHERE id <@ ''{}''');
SELECT plan_of('SELECT * FROM visits WHERE NOT customer_id <@ ''{}''');
SELECT plan_of('SELECT id <@ ''{}'', id <@ ''{1}'', id <@ ''{1,3}'', id <@ ''{1-20}'' FROM customers');
-- An expression that must not be evaluated twice has no bounds.
SELECT plan_of('SELECT * FROM customers WHERE (random() * 100)::bigint <@ ''{1001-1500}''');
SELECT plan_of('SELECT * FROM customers WHERE (random() * 100)::bigint <@ ''{1,3}''');
SELECT count(*), min(id), max(id) FROM customers WHERE id <@ '{3,7,-9,700000,1000001}';
SELECT count(*), min(id), max(id) FROM customers WHERE id <@ '{999900-1000100}';
SELECT count(*) FROM customers WHERE id <@ '{-9223372036854775808--9223372036854775000}';
-- One id is an equality, and so known of other tables too.
SELECT plan_of('SELECT * FROM customers JOIN visits ON customer_id = id WHERE id <@ ''{7}''');

-- Narrower columns are compared in their own type, with the ids that it can hold.
CREATE TABLE narrow (id integer PRIMARY KEY, small smallint UNIQUE);
INSERT INTO narrow SELECT g - 5000, CASE WHEN g % 100 = 0 THEN g - 5000 END FROM generate_series(1, 10000) AS g;
INSERT INTO narrow VALUES (2147483647, 32767), (-2147483648, -32768);
VACUUM ANALYZE narrow;
SELECT plan_of('SELECT * FROM narrow WHERE id <@ ''{3,7,4294967299}''::idset');
SELECT plan_of('SELECT * FROM narrow WHERE id <@ ''{4294967299,8589934595}''::idset');
SELECT plan_of('SELECT * FROM narrow WHERE id <@ ''{2147483000-2147484000}''::idset');
SELECT plan_of('SELECT * FROM narrow WHERE small <@ ''{-100,0,65536}''::idset');
SELECT * FROM narrow WHERE id <@ '{3,7,4294967299}'::idset ORDER BY id;
SELECT * FROM narrow WHERE id <@ '{2147483000-2147484000}'::idset;
SELECT * FROM narrow WHERE id <@ '{-9223372036854775808--2147483648}'::idset;
SELECT * FROM narrow WHERE small <@ '{-100,0,65536,32767}'::idset ORDER BY id;
SELECT count(*) FROM narrow WHERE small <@ '{32760-32800}'::idset;
SELECT count(*) FROM narrow WHERE NOT small <@ '{4294967299}'::idset;

-- The rewritten test gives the same answer for every id, NULL included.
CREATE TABLE probes (id bigint, narrow integer, small smallint);
INSERT INTO probes SELECT g, g, g FROM generate_series(-30, 30) AS g;
INSERT INTO probes VALUES (NULL, NULL, NULL), (9223372036854775807, 2147483647, 32767), (-9223372036854775808, -2147483648, -32768);
CREATE FUNCTION rewritten_differs(members segment.idset) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE differences bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM probes, (SELECT %1$L::segment.idset AS members OFFSET 0) AS s
        WHERE (id <@ %1$L::segment.idset) IS DISTINCT FROM (id <@ s.members)
           OR (narrow <@ %1$L::segment.idset) IS DISTINCT FROM (narrow <@ s.members)
           OR (%1$L::segment.idset @> small) IS DISTINCT FROM (s.members @> small)
           OR (NOT id <@ %1$L::segment.idset) IS DISTINCT FROM (NOT id <@ s.members)', members) INTO differences;
    RETURN differences;
END $$;
SELECT members, rewritten_differs(members)
FROM unnest('{"{}", "{1}", "{1-2}", "{-20-20}", "{-5--3,0,4,7-9}", "{9223372036854775807}", "{-9223372036854775808--5}",
    "{40000-50000}", "{5000000000}", "{5000000000,5000000005}", "{-9223372036854775808,9223372036854775807}",
    "{0-9223372036854775806}"}'::segment.idset[]) AS members;
SELECT count(*) FILTER (WHERE rewritten_differs(segment.idset(ARRAY[salt, -salt, salt * salt % 31, 7])) <> 0) AS differ
FROM generate_series(0, 40) AS salt;
SELECT id <@ '{}' AS empty, id <@ '{1}' AS one, id <@ '{1,3}' AS two, id <@ '{1-50}' AS range FROM probes WHERE id IS NULL;

-- ---- partitions are pruned

CREATE TABLE ranged (id bigint) PARTITION BY RANGE (id);
CREATE TABLE ranged_1 PARTITION OF ranged FOR VALUES FROM (1) TO (1000);
CREATE TABLE ranged_2 PARTITION OF ranged FOR VALUES FROM (1000) TO (2000);
CREATE TABLE ranged_3 PARTITION OF ranged FOR VALUES FROM (2000) TO (3000);
CREATE TABLE hashed (id bigint) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE hashed_2 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE hashed_3 PARTITION OF hashed FOR VALUES WITH (MODULUS 4, REMAINDER 3);
SELECT plan_of('SELECT * FROM ranged WHERE id <@ ''{7,2500}''');
SELECT plan_of('SELECT * FROM ranged WHERE id <@ ''{1100-1200}''');
SELECT plan_of('SELECT * FROM hashed WHERE id <@ ''{7,8}''');

-- ---- other sets bound an index scan, or are searched one by one

SELECT plan_of(format('SELECT * FROM customers WHERE id <@ %L::segment.idset', members)) FROM sets WHERE name = 'narrow';
SELECT plan_of(format('SELECT * FROM customers WHERE %L::segment.idset @> id', members)) FROM sets WHERE name = 'every 1000';
SELECT plan_of(format('SELECT * FROM customers WHERE id <@ %L::segment.idset', members)) FROM sets WHERE name = 'every 10';
SELECT count(*) FROM customers WHERE id <@ (SELECT members FROM sets WHERE name = 'narrow');
SELECT name, ids, count_of(format('SELECT id FROM customers WHERE id <@ %L::segment.idset', members)) FROM sets ORDER BY ids, name;
-- Also through an index on an expression, and as a condition on a later column.
CREATE INDEX customers_place ON customers (place, id);
CREATE INDEX narrow_wide ON narrow (((id + 0)::bigint));
SET enable_seqscan = off;
SELECT plan_of(format('SELECT * FROM narrow WHERE (id + 0)::bigint <@ %L::segment.idset', members)) FROM sets WHERE name = 'narrow';
SELECT plan_of(format('SELECT * FROM customers WHERE place = 7 AND id <@ %L::segment.idset', members)) FROM sets WHERE name = 'every 10';
RESET enable_seqscan;
DROP INDEX customers_place;
-- BRIN knows bounds too; a hash index knows nothing of them.
CREATE TABLE plain (id bigint);
INSERT INTO plain SELECT generate_series(1, 50000);
CREATE INDEX plain_brin ON plain USING brin (id) WITH (pages_per_range = 4);
VACUUM ANALYZE plain;
SET enable_seqscan = off;
SET enable_bitmapscan = on;
SELECT plan_of('SELECT * FROM plain WHERE id <@ ''{1-200,300-400,500}''');
SELECT count(*) FROM plain WHERE id <@ '{1-200,300-400,500}';
RESET enable_seqscan;
DROP INDEX plain_brin;
CREATE INDEX plain_hash ON plain USING hash (id);
SELECT plan_of('SELECT * FROM plain WHERE id <@ ''{1-200,300-400,500}''');
SET enable_bitmapscan = off;

-- ---- prepared statements: the set is known to custom plans only

PREPARE members_of (segment.idset) AS SELECT count(*) FROM customers WHERE id <@ $1;
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF) EXECUTE members_of('{3,7}');
EXPLAIN (COSTS OFF) EXECUTE members_of('{1001-1500}');
EXECUTE members_of('{1001-1500}');
EXECUTE members_of(NULL);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE members_of('{3,7}');
EXECUTE members_of('{1001-1500}');
EXECUTE members_of('{3,7}');
EXECUTE members_of('{}');
EXECUTE members_of(NULL);
RESET plan_cache_mode;
-- Bounds written out make an index scan of a set that is read when the statement runs.
SELECT plan_of('SELECT c.* FROM sets AS s JOIN customers AS c ON c.id <@ s.members
    AND c.id BETWEEN segment.lower(s.members) AND segment.upper(s.members) WHERE s.name = ''narrow''');

-- ---- estimates

SELECT name, estimate(format('SELECT * FROM customers WHERE id <@ %L::segment.idset', members), ids * (name <> 'beyond')::integer)
FROM sets ORDER BY ids, name;
-- The same without a rewritten test: the set is a stable function's result.
CREATE FUNCTION stored_set(wanted text) RETURNS segment.idset STABLE LANGUAGE sql
AS 'SELECT members FROM public.sets WHERE name = wanted';
SELECT name, estimate(format('SELECT * FROM customers WHERE id <@ stored_set(%L)', name), ids * (name <> 'beyond')::integer)
FROM sets ORDER BY ids, name;
SELECT name, estimate(format('SELECT * FROM customers WHERE segment.id_in_idset(id, stored_set(%L))', name), ids) FROM sets
WHERE ids > 9000 ORDER BY ids;
SELECT estimate('SELECT * FROM customers WHERE NOT id <@ stored_set(''every 10'')', 900000);
-- An unknown set is taken to have one row of a hundred.
SELECT round(expected_rows('SELECT * FROM customers WHERE id <@ (SELECT members FROM sets WHERE name = ''narrow'')') / 1000) AS thousands;

-- Hashed ids leave gaps that no set falls into; orders have frequent customers, NULLs, and only some of the ids.
CREATE TABLE hashed_ids AS SELECT ('x' || substr(md5(g::text), 1, 16))::bit(64)::bigint AS id FROM generate_series(1, 100000) AS g;
CREATE TABLE orders AS SELECT CASE WHEN g % 5 = 0 THEN NULL WHEN g % 2 = 0 THEN g % 10 + 1 ELSE g * 7919::bigint % 1000000 END AS customer_id
FROM generate_series(1, 100000) AS g;
INSERT INTO sets SELECT 'hashed ' || step, count(*), segment.idset_agg(('x' || substr(md5(g::text), 1, 16))::bit(64)::bigint)
FROM (VALUES (3), (200)) AS s (step), generate_series(1, 100000, step) AS g GROUP BY step;
INSERT INTO sets SELECT 'lower half', 500000, segment.idset_range(1, 500000);
INSERT INTO sets SELECT 'with frequent', 3, '{3,7,9}';
ANALYZE hashed_ids;
ANALYZE orders;
SELECT name, estimate(format('SELECT * FROM hashed_ids WHERE id <@ stored_set(%L)', name), ids)
FROM sets WHERE name LIKE 'hashed%' ORDER BY ids;
SELECT name, estimate(format('SELECT * FROM orders WHERE customer_id <@ stored_set(%L)', name),
                      count_of(format('SELECT * FROM orders WHERE customer_id <@ (SELECT members FROM sets WHERE name = %L)', name)))
FROM sets WHERE name IN ('lower half', 'with frequent', 'every 10') ORDER BY ids;
SELECT estimate('SELECT * FROM narrow WHERE id <@ stored_set(''lower half'')', 5001);
-- Without statistics, and where nothing can be known: no error.
CREATE TABLE unknown (id bigint);
INSERT INTO unknown SELECT generate_series(1, 10000);
SELECT name, expected_rows(format('SELECT * FROM unknown WHERE id <@ stored_set(%L)', name)) < 10000 AS sane FROM sets ORDER BY ids, name;
SELECT expected_rows('SELECT * FROM unknown WHERE id <@ stored_set(''missing'')') AS none;
SELECT count(*) FROM probes WHERE id <@ stored_set('missing');

-- segment.ids knows how many rows it returns.
SELECT expected_rows(format('SELECT segment.ids(%L)', members)) = ids AS in_list,
       expected_rows(format('SELECT * FROM segment.ids(%L)', members)) = ids AS in_from,
       expected_rows(format('SELECT * FROM segment.ids(stored_set(%L))', name)) = ids AS of_stable
FROM sets WHERE name = 'every 1000';
SELECT expected_rows('SELECT * FROM segment.ids(''{}'')') AS empty, expected_rows('SELECT * FROM segment.ids(NULL)') AS missing,
       expected_rows('SELECT * FROM segment.ids((SELECT members FROM sets WHERE name = ''narrow''))') AS unknown;

-- ---- GIN: which sets have these ids

RESET enable_bitmapscan;

SELECT opcname, amname, amvalidate(c.oid) FROM pg_opclass AS c JOIN pg_am AS a ON a.oid = c.opcmethod
WHERE c.opcintype = 'segment.idset'::regtype ORDER BY amname;
CREATE TABLE baskets (id integer PRIMARY KEY, members segment.idset);
INSERT INTO baskets SELECT g, segment.idset_agg(('x' || substr(md5(g || ' ' || i), 1, 8))::bit(32)::bigint % 300 - 100)
FROM generate_series(1, 3000) AS g, generate_series(1, 12) AS i WHERE i <= g % 12 GROUP BY g;
INSERT INTO baskets SELECT g, '{}' FROM generate_series(3001, 3040) AS g;
INSERT INTO baskets SELECT g, NULL FROM generate_series(3041, 3060) AS g;
INSERT INTO baskets SELECT g, segment.idset_range(-g, g) FROM generate_series(10000, 10010) AS g;
INSERT INTO baskets VALUES (20000, '{-9223372036854775808,9223372036854775807}'), (20001, '{9223372036854775807}');
CREATE INDEX baskets_members ON baskets USING gin (members);
VACUUM ANALYZE baskets;

-- Rows that a condition selects, by sequential scan and by the index.
CREATE FUNCTION ids_where(condition text, by_index boolean) RETURNS integer[] LANGUAGE plpgsql
SET enable_indexscan = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE plan text; found integer[];
BEGIN
    PERFORM set_config(CASE WHEN by_index THEN 'enable_bitmapscan' ELSE 'enable_seqscan' END, 'on', true);
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT id FROM baskets WHERE ' || condition INTO plan;
    IF (plan LIKE '%baskets_members%') <> by_index THEN
        RAISE 'not the wanted plan for %: %', condition, plan;
    END IF;
    EXECUTE 'SELECT array_agg(id ORDER BY id) FROM baskets WHERE ' || condition INTO found;
    RETURN found;
END $$;
SELECT condition, coalesce(cardinality(ids_where(condition, true)), 0) AS rows,
       ids_where(condition, true) IS NOT DISTINCT FROM ids_where(condition, false) AS same
FROM unnest(ARRAY[
    'members && ''{5,-7,120}''', 'members && ''{}''', 'members && ''{-50-50}''', 'members && ''{9223372036854775807}''',
    'members && ''{-9223372036854775808--101}''', 'members && ''{5000-6000}''', 'members && ''{20000-90000}''',
    'members && (SELECT segment.idset_agg(g * 3) FROM generate_series(-2000, 2000) AS g)',
    'members @> ''{5,-7}''', 'members @> ''{5}''', 'members @> ''{}''', 'members @> ''{-10000-10000}''', 'members @> ''{5,9999}''',
    'members @> 5::bigint', 'members @> (-100)::bigint', 'members @> 199::bigint', 'members @> 9999::bigint',
    'members @> (-9223372036854775808)', 'members @> 5',
    'members = ''{}''', 'members = ''{-10003-10003}''', 'members = ''{9223372036854775807}''', 'members = ''{5}''',
    'members <@ ''{}''', 'members <@ ''{-100-0}''', 'members <@ ''{5}''', 'members <@ ''{-10002-10002}''',
    'members <@ ''{-9223372036854775808,5,9223372036854775807}''',
    'members <@ (SELECT segment.idset_agg(g * 2) FROM generate_series(-2000, 2000) AS g)',
    'members && ''{5,6,7}'' AND members @> 8::bigint', 'members && ''{5}'' OR members = ''{}''']) AS condition;
-- Random queries, among them sets of the table.
SELECT operator, count(*) AS queries, sum(coalesce(cardinality(by_index), 0)) > 0 AS some_rows,
       count(*) FILTER (WHERE by_index IS DISTINCT FROM by_scan) AS differ
FROM unnest(ARRAY['&&', '@>', '=', '<@']) AS operator,
     LATERAL (SELECT members FROM baskets WHERE id % 97 = 1 OR id IN (3001, 10005)
              UNION ALL
              SELECT segment.idset_agg(('x' || substr(md5(g || operator || i), 1, 8))::bit(32)::bigint % 300 - 100)
              FROM generate_series(1, 30) AS g, generate_series(1, 60) AS i WHERE i <= 2 * g GROUP BY g) AS query,
     LATERAL (SELECT format('members %s %L', operator, query.members) AS condition) AS c,
     LATERAL (SELECT ids_where(condition, true) AS by_index, ids_where(condition, false) AS by_scan) AS rows
GROUP BY operator ORDER BY operator;
-- Changed rows are found, vacuumed ones are not.
UPDATE baskets SET members = members | '{777777}' WHERE id % 500 = 1;
DELETE FROM baskets WHERE id % 1000 = 1;
SELECT ids_where('members @> 777777', true), ids_where('members @> 777777', false);
VACUUM baskets;
SELECT ids_where('members @> 777777', true);
-- A join looks each id up.
SET enable_seqscan = off;
SELECT plan_of('SELECT * FROM narrow AS n JOIN baskets AS b ON b.members @> n.id WHERE n.id = 7');
RESET enable_seqscan;

-- Large sets do not belong into such an index.
\set VERBOSITY default
INSERT INTO baskets VALUES (40000, segment.idset_range(1, 1000001));
\set VERBOSITY terse
INSERT INTO baskets VALUES (40000, segment.idset_range(1000001, 1050000));
SELECT ids_where('members @> 1049999', true), ids_where('members && ''{1049999-3000000}''', true);
-- A set of a dictionary is compared as without the index, wherever the index leads to it.
INSERT INTO baskets VALUES (50000, '{88888,88889}@7');
SELECT ids_where('members @> 88888', true), ids_where('members = ''{88888,88889}''', true), ids_where('members = ''{88888,88889}@7''', true);
SELECT ids_where('members && ''{88888}''', true);
SELECT ids_where('members && ''{88888}''', false);
SELECT ids_where('members && ''{88887}''', true);
SELECT ids_where('members && ''{88887}''', false);

DROP TABLE customers, visits, sets, narrow, probes, ranged, hashed, plain, hashed_ids, orders, unknown, baskets;

-- ---- integer and smallint columns: their own comparisons, and sets in quotes
CREATE TABLE narrow AS SELECT g::integer AS i, (g % 30000)::smallint AS s, g::bigint AS b FROM generate_series(1, 100000) g;
CREATE INDEX ON narrow (i);
CREATE INDEX ON narrow (s);
ANALYZE narrow;
SELECT count(*) FILTER (WHERE i <@ '{5-7,99999,5000000000}') AS i, count(*) FILTER (WHERE s <@ '{5-7,40000}') AS s,
       count(*) FILTER (WHERE b <@ '{5-7,99999,5000000000}') AS b
FROM narrow;
EXPLAIN (COSTS OFF) SELECT * FROM narrow WHERE i <@ '{5,7,99999,5000000000}';
EXPLAIN (COSTS OFF) SELECT * FROM narrow WHERE i <@ segment.idset_range(90000, 5000000000);
EXPLAIN (COSTS OFF) SELECT * FROM narrow WHERE s <@ '{5,7,40000}';
EXPLAIN (COSTS OFF) SELECT * FROM narrow WHERE s <@ '{40000}';
-- More ids than a list takes: the index is searched within the bounds, or for each id.
PREPARE wide AS SELECT count(*) FROM narrow WHERE i <@ (SELECT segment.idset_agg(g * 7) FROM generate_series(1, 300) g);
EXECUTE wide;
SELECT segment.idset_agg(g * 7)::text AS sevens FROM generate_series(1, 300) g \gset
SELECT plan_of(format('SELECT count(*) FROM narrow WHERE i <@ %L', :'sevens'));
SELECT count(*) FROM narrow WHERE i <@ :'sevens';
DROP TABLE narrow;
