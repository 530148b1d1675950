-- Dictionaries: ids for uuid and text keys
\set SHOW_CONTEXT never
-- Numbers of dictionaries are random.
CREATE FUNCTION shown(members segment.idset) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(members::text, '@[0-9]+', '@n') $$;

SELECT segment.create_dictionary('customer', 'uuid'), segment.create_dictionary('word', key_type => 'text');
SELECT name, number BETWEEN 1 AND 4294967295 AS in_range, key_type, relation FROM segment.dictionary ORDER BY name;
\d segment.dict_customer
\d segment.dict_word
SELECT obj_description('segment.dict_word'::regclass);

-- Names and types.
SELECT segment.create_dictionary('_1', 'text'), segment.create_dictionary(repeat('n', 50), 'uuid');
SELECT segment.dict_intern(repeat('n', 50), ARRAY[NULL, '00000000-0000-0000-0000-00000000000a']::uuid[]);
SELECT segment.drop_dictionary('_1'), segment.drop_dictionary(repeat('n', 50));
SELECT segment.create_dictionary('word', 'uuid');
SELECT segment.create_dictionary('Word', 'text');
SELECT segment.create_dictionary('', 'text');
SELECT segment.create_dictionary('1a', 'text');
SELECT segment.create_dictionary('a"; DROP TABLE segment.dictionary; --', 'text');
SELECT segment.create_dictionary(E'a\n', 'text');
SELECT segment.create_dictionary('é', 'text');
SELECT segment.create_dictionary(repeat('n', 51), 'text');
SELECT segment.create_dictionary('numbers', 'bigint');
SELECT segment.create_dictionary('numbers', 'text; SELECT 1');
SELECT segment.create_dictionary(NULL, 'text');
SELECT segment.create_dictionary('numbers', NULL);
SELECT segment.drop_dictionary('numbers');
SELECT segment.drop_dictionary(NULL);
CREATE TABLE segment.dict_taken ();
SELECT segment.create_dictionary('taken', 'text');
DROP TABLE segment.dict_taken;
INSERT INTO segment.dictionary VALUES ('Word', 1, 'text', 'segment.dict_word');
INSERT INTO segment.dictionary VALUES ('numbers', 4294967296, 'text', 'segment.dict_word');

-- New keys are numbered by their order and answered in the order of the array; known ones keep their ids and cost none.
SELECT segment.dict_intern('word', ARRAY['pear', 'apple', NULL, 'pear', 'fig']);
SELECT segment.dict_intern('word', ARRAY['fig', 'date', 'pear']);
SELECT segment.dict_intern('word', ARRAY['fig', 'Zebra', 'äpfel', '', 'zebra']::varchar[]);
SELECT id, key FROM segment.dict_word ORDER BY id;
SELECT segment.dict_intern('word', '{}'::text[]), segment.dict_intern('word', '[5:6]={fig,pear}'::text[]);
SELECT segment.dict_intern('word', ARRAY[NULL, NULL]);
SELECT segment.dict_intern('word', NULL::text[]) IS NULL AS nothing, segment.dict_intern(NULL, ARRAY['new']) IS NULL AS nothing;
SELECT segment.dict_intern('word', ARRAY[['new', 'newer']]);
SELECT segment.dict_intern('customer', ARRAY['ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000001',
                                             'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF']::uuid[]);
SELECT segment.dict_id('word', 'fig'), segment.dict_id('word', 'Fig'), segment.dict_id('word', NULL::text),
       segment.dict_id('customer', '00000000-0000-0000-0000-000000000001'::uuid),
       segment.dict_id('customer', '00000000-0000-0000-0000-000000000002'::uuid);

-- Several thousand keys, some of them known, in no order.
WITH word AS (SELECT i, to_char(i, 'FM00000') AS key FROM generate_series(1, 7500) AS i),
     first AS MATERIALIZED (SELECT segment.dict_intern('word', array_agg(key ORDER BY md5(key))) AS ids FROM word WHERE i % 2 = 0)
SELECT cardinality(ids) AS keys, (SELECT max(id) FROM unnest(ids) AS id) AS highest FROM first;
WITH word AS (SELECT i, to_char(i, 'FM00000') AS key FROM generate_series(1, 7500) AS i),
     all_words AS MATERIALIZED (SELECT segment.dict_intern('word', array_agg(key ORDER BY i)) AS ids FROM word)
SELECT cardinality(ids) AS keys, ids[1:6], (SELECT max(id) FROM unnest(ids) AS id) AS highest FROM all_words;
SELECT count(*) AS keys, count(DISTINCT id) AS ids, max(id) AS highest FROM segment.dict_word;

-- A key may go, its id never comes back.
BEGIN;
DELETE FROM segment.dict_word WHERE id > 1;
SELECT segment.dict_intern('word', ARRAY['fig', 'apple']);
ROLLBACK;
UPDATE segment.dict_word SET id = DEFAULT WHERE key = 'fig';
UPDATE segment.dict_word SET key = 'kiwi' WHERE key = 'fig' RETURNING id, key;
TRUNCATE segment.dict_word;
-- Rows that somebody else's trigger swallows.
BEGIN;
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER swallow BEFORE INSERT ON segment.dict_word FOR EACH ROW EXECUTE FUNCTION swallow();
SELECT segment.dict_intern('word', ARRAY['pear', 'lost', 'too']);
ROLLBACK;

-- Unknown dictionaries, keys of the other type.
SELECT segment.dict_id('words', 'pear');
SELECT segment.dict_intern('words', ARRAY['pear']);
SELECT segment.dict_set('words', ARRAY['pear']);
SELECT segment.dict_tag('words', '{1}');
SELECT segment.dict_keys('words', '{1}');
SELECT segment.dict_id('customer', '00000000-0000-0000-0000-000000000001');
SELECT segment.dict_id('word', '00000000-0000-0000-0000-000000000001'::uuid);
SELECT segment.dict_intern('customer', ARRAY['x']);
SELECT segment.dict_set('word', ARRAY['00000000-0000-0000-0000-000000000001'::uuid]);

-- Sets of ids say where they come from.
SELECT shown(segment.dict_set('word', ARRAY['pear', NULL, 'apple', 'new', 'pear']));
SELECT shown(segment.dict_set('customer', ARRAY['00000000-0000-0000-0000-000000000001', NULL]::uuid[]));
SELECT shown(segment.dict_set('word', '{}'::text[])), shown(segment.dict_set('word', '{NULL}'::text[])), segment.dict_set('word', NULL::text[]) IS NULL AS nothing;
SELECT segment.dict_set('word', ARRAY['pear', 'apple']) OPERATOR(segment.=) segment.dict_tag('word', segment.idset_agg(segment.dict_id('word', key))) AS same
FROM (VALUES ('apple'), ('pear'), ('unheard of')) AS v (key);
SELECT segment.dict_tag('word', segment.dict_set('word', ARRAY['pear'])) OPERATOR(segment.=) segment.dict_set('word', ARRAY['pear']) AS same;
SELECT shown(segment.dict_tag('word', '{}')), segment.dict_tag('word', NULL) IS NULL AS nothing;
SELECT segment.dict_tag('customer', segment.dict_set('word', ARRAY['pear']));
SELECT segment.dict_tag('customer', '{1}@1');
SELECT segment.dictionary_of(segment.dict_set('word', '{}'::text[])), segment.dictionary_of('{1}'), segment.dictionary_of(NULL);
SELECT segment.dictionary_of('{1}@1');
SELECT segment.dictionary_number('{1}@4294967295'), segment.dictionary_number('{1}'), segment.with_dictionary('{1,3}@7', 0),
       segment.with_dictionary('{1,3}@7', 4294967295);
SELECT segment.with_dictionary('{1}', 4294967296);
SELECT segment.with_dictionary('{1}', -1);

SELECT id, key FROM segment.dict_keys('word', segment.dict_set('word', ARRAY['pear', 'apple'])) ORDER BY id;
SELECT key FROM segment.dict_keys('customer', segment.dict_set('customer', ARRAY['00000000-0000-0000-0000-000000000001']::uuid[]));
SELECT id, key FROM segment.dict_keys('word', segment.dict_tag('word', '{0-2,1000000}')) ORDER BY id;
SELECT id, key FROM segment.dict_keys('word', '{}'), segment.dict_keys('word', segment.dict_tag('word', '{}')) AS also (also, too);
SELECT segment.dict_keys('word', '{1}');
SELECT segment.dict_keys('word', segment.dict_set('customer', ARRAY['00000000-0000-0000-0000-000000000001']::uuid[]));

-- Two dictionaries do not mix, nor does an old set with a dictionary made anew.
CREATE TABLE kept AS SELECT segment.dict_set('word', ARRAY['pear', 'apple']) AS members;
\set VERBOSITY sqlstate
SELECT members OPERATOR(segment.|) segment.dict_set('customer', ARRAY['00000000-0000-0000-0000-000000000001']::uuid[]) FROM kept;
SELECT members OPERATOR(segment.&) segment.dict_set('customer', ARRAY['00000000-0000-0000-0000-000000000001']::uuid[]) FROM kept;
SELECT members OPERATOR(segment.&) '{1}' FROM kept;
\set VERBOSITY default
SELECT shown(members OPERATOR(segment.|) '{}'), shown(members OPERATOR(segment.&) segment.dict_set('word', ARRAY['pear'])) FROM kept;
SELECT setseed(0.5);
SELECT segment.drop_dictionary('word');
SELECT segment.create_dictionary('word', 'text');
SELECT segment.dict_intern('word', ARRAY['pear', 'apple']);
\set VERBOSITY sqlstate
SELECT segment.dict_keys('word', members) FROM kept;
SELECT segment.dictionary_of(members) FROM kept;
SELECT members OPERATOR(segment.&) segment.dict_set('word', ARRAY['pear']) FROM kept;
\set VERBOSITY default
CREATE TEMP TABLE number AS SELECT number FROM segment.dictionary WHERE name = 'word';
SELECT segment.drop_dictionary('word');
SELECT setseed(0.5);
SELECT segment.create_dictionary('word', 'text');
SELECT count(*) AS same FROM segment.dictionary AS entry JOIN number USING (number) WHERE entry.name = 'word';

-- Many at once: by a join.
CREATE TABLE orders AS
SELECT ('00000000-0000-0000-0000-0000000' || 10000 + i % 700)::uuid AS customer, i AS amount FROM generate_series(1, 5000) AS i;
INSERT INTO segment.dict_customer (key)
SELECT DISTINCT customer FROM orders AS o
WHERE NOT EXISTS (SELECT FROM segment.dict_customer AS d WHERE d.key = o.customer)
ORDER BY customer ON CONFLICT DO NOTHING;
SELECT shown(segment.dict_tag('customer', segment.idset_agg(d.id))) FROM orders AS o JOIN segment.dict_customer AS d ON d.key = o.customer;
SELECT segment.dict_tag('customer', segment.idset_agg(d.id)) OPERATOR(segment.=) segment.dict_set('customer', array_agg(o.customer)) AS same
FROM orders AS o JOIN segment.dict_customer AS d ON d.key = o.customer;

-- Rights: those of the tables.
CREATE ROLE regress_dictionary_user;
SET ROLE regress_dictionary_user;
\set VERBOSITY sqlstate
SELECT segment.create_dictionary('mine', 'text');
\set VERBOSITY default
SELECT segment.dict_id('word', 'pear');
SELECT segment.drop_dictionary('word');
SELECT name FROM segment.dictionary ORDER BY name;
RESET ROLE;
GRANT SELECT ON segment.dict_word TO regress_dictionary_user;
SELECT segment.dict_intern('word', ARRAY['pear']);
SET ROLE regress_dictionary_user;
SELECT segment.dict_id('word', 'pear'), segment.dict_intern('word', ARRAY['pear']), shown(segment.dict_set('word', ARRAY['pear']));
SELECT key FROM segment.dict_keys('word', segment.dict_set('word', ARRAY['pear']));
SELECT segment.dict_intern('word', ARRAY['plum']);
RESET ROLE;
GRANT INSERT ON segment.dict_word TO regress_dictionary_user;
SET ROLE regress_dictionary_user;
SELECT segment.dict_intern('word', ARRAY['plum']);
RESET ROLE;
GRANT CREATE ON SCHEMA segment TO regress_dictionary_user;
SET ROLE regress_dictionary_user;
SELECT segment.create_dictionary('mine', 'text');
RESET ROLE;
GRANT INSERT, DELETE ON segment.dictionary TO regress_dictionary_user;
SET ROLE regress_dictionary_user;
SELECT segment.create_dictionary('mine', 'text');
SELECT segment.dict_intern('mine', ARRAY['plum']);
SELECT segment.drop_dictionary('word');
SELECT segment.drop_dictionary('mine');
RESET ROLE;
REVOKE CREATE ON SCHEMA segment FROM regress_dictionary_user;
REVOKE INSERT, DELETE ON segment.dictionary FROM regress_dictionary_user;
DROP OWNED BY regress_dictionary_user;
DROP ROLE regress_dictionary_user;

-- Whoever has known keys only may look them up where nothing can be written.
BEGIN READ ONLY;
SELECT segment.dict_intern('word', ARRAY['pear', 'plum']);
SELECT segment.dict_intern('word', ARRAY['quince']);
ROLLBACK;

-- A table that went its own way: nothing of somebody else's is read or dropped in its place.
BEGIN;
DROP TABLE segment.dict_word;
SELECT segment.dict_id('word', 'pear');
ROLLBACK;
BEGIN;
ALTER TABLE segment.dict_word RENAME TO dict_verb;
SELECT segment.drop_dictionary('word');
SELECT count(*) FROM segment.dict_verb;
ROLLBACK;
CREATE VIEW depends AS SELECT * FROM segment.dict_word;
SELECT segment.drop_dictionary('word');
DROP VIEW depends;

-- The extension does not go from under its dictionaries; made to, it leaves their keys.
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
WHERE refobjid = 'segment.keep_dictionary_ids()'::regprocedure AND deptype = 'n' ORDER BY 1;
BEGIN;
SET LOCAL client_min_messages = error;
DROP EXTENSION pg_segment CASCADE;
SELECT key FROM segment.dict_word ORDER BY id;
ROLLBACK;

DROP TABLE kept, orders, number;
DROP FUNCTION shown;
SELECT segment.drop_dictionary('word'), segment.drop_dictionary('customer');
SELECT count(*) FROM segment.dictionary;
