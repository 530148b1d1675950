-- ---------------------------------------------------------------------------------------------------------------
-- Dictionaries: bigint ids for uuid and text keys, so that sets of ids can stand for them
-- ---------------------------------------------------------------------------------------------------------------

-- segment.dictionary: which dictionaries there are. Availability: 0.1.0
CREATE TABLE segment.dictionary (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z_][a-z0-9_]{0,49}$'),
    number bigint NOT NULL UNIQUE CHECK (number BETWEEN 1 AND 4294967295),
    key_type text NOT NULL CHECK (key_type IN ('uuid', 'text')),
    relation regclass NOT NULL
);
GRANT SELECT ON segment.dictionary TO PUBLIC;
-- The extension is trusted: whoever creates it need not be a superuser, who would own the table.
GRANT INSERT, DELETE ON segment.dictionary TO @extowner@ WITH GRANT OPTION;
SELECT pg_catalog.pg_extension_config_dump('segment.dictionary', '');

COMMENT ON TABLE segment.dictionary IS
'The dictionaries: tables segment.dict_<name> that give keys their ids. Made by segment.create_dictionary, removed by segment.drop_dictionary.';
COMMENT ON COLUMN segment.dictionary.name IS 'name of the dictionary';
COMMENT ON COLUMN segment.dictionary.number IS
'what sets carry to say where their ids come from; random, so that a dictionary made anew does not match old sets';
COMMENT ON COLUMN segment.dictionary.key_type IS 'uuid or text';
COMMENT ON COLUMN segment.dictionary.relation IS 'the table segment.dict_<name>';

-- ---- the number in a set

CREATE FUNCTION segment.dictionary_number(members segment.idset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'pgseg_idset_dictionary' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segment.with_dictionary(members segment.idset, number bigint) RETURNS segment.idset
    AS 'MODULE_PATHNAME', 'pgseg_idset_with_dictionary' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION segment.dictionary_number(segment.idset) IS
'The number of the dictionary that the ids come from (segment.dictionary has its name); 0 for a set without one. Constant time: of a large stored set only the start is read.';
COMMENT ON FUNCTION segment.with_dictionary(segment.idset, bigint) IS
'The same ids, said to come from the dictionary of this number whatever they came from before; 0 takes the mark away. Nothing is looked up: segment.dict_tag does. 22023 for a number outside 0 to 2^32 - 1. Copies the set.';

-- ---- making and removing dictionaries

-- Dropping the extension stops at the dictionaries because their triggers need this function.
CREATE FUNCTION segment.keep_dictionary_ids() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'cannot truncate "%": stored sets may hold its ids', TG_TABLE_NAME
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Use segment.drop_dictionary and segment.create_dictionary: old sets then do not match new ids.';
    END IF;
    RAISE EXCEPTION 'cannot change ids of "%": stored sets may hold them', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;
COMMENT ON FUNCTION segment.keep_dictionary_ids() IS 'keeps the ids of a dictionary as they were handed out';

CREATE FUNCTION segment.create_dictionary(name text, key_type text) RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation_name text := 'dict_' || name;
    key_definition text := CASE key_type WHEN 'uuid' THEN 'uuid' WHEN 'text' THEN 'text COLLATE "C"' END;
    chosen bigint;
    created regclass;
BEGIN
    IF name IS NULL OR key_type IS NULL THEN
        RAISE EXCEPTION 'arguments of segment.create_dictionary must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF name COLLATE "C" !~ '^[a-z_][a-z0-9_]{0,49}$' THEN
        RAISE EXCEPTION '"%" cannot be the name of a dictionary', left(name, 100)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Use lower-case letters, digits and underscores, no digit at the start, and at most 50 characters.';
    END IF;
    IF key_definition IS NULL THEN
        RAISE EXCEPTION 'unrecognized value for "key_type": "%"', left(key_type, 100)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Valid values are "uuid" and "text".';
    END IF;
    IF EXISTS (SELECT FROM segment.dictionary AS entry WHERE entry.name = create_dictionary.name) THEN
        RAISE EXCEPTION 'dictionary "%" already exists', name USING ERRCODE = 'duplicate_object';
    END IF;

    EXECUTE format('CREATE TABLE segment.%I (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,'
                   ' key %s NOT NULL UNIQUE)', relation_name, key_definition);
    EXECUTE format('CREATE TRIGGER keep_ids BEFORE UPDATE OF id OR TRUNCATE ON segment.%I'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION segment.keep_dictionary_ids()', relation_name);
    EXECUTE format('COMMENT ON TABLE segment.%I IS %L', relation_name, format('dictionary "%s" of pg_segment', name));
    created := format('segment.%I', relation_name)::regclass;

    -- Not random(), which setseed() would make the same everywhere.
    LOOP
        chosen := ('x' || left(gen_random_uuid()::text, 8))::bit(32)::bigint;
        EXIT WHEN chosen > 0 AND NOT EXISTS (SELECT FROM segment.dictionary AS entry WHERE entry.number = chosen);
    END LOOP;
    INSERT INTO segment.dictionary (name, number, key_type, relation)
    VALUES (create_dictionary.name, chosen, create_dictionary.key_type, created);
    RETURN created;
END
$$;
COMMENT ON FUNCTION segment.create_dictionary(text, text) IS
'Makes a dictionary: the table segment.dict_<name>, which gives each key an id, from 1 on. key_type: uuid or text. The caller owns the table and needs CREATE on schema segment and INSERT on segment.dictionary. Returns the table. 22023 for a name other than up to 50 lower-case letters, digits and underscores; 42710 when the dictionary exists.';

CREATE FUNCTION segment.drop_dictionary(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped text;
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION 'the argument of segment.drop_dictionary must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    DELETE FROM segment.dictionary AS entry
    WHERE entry.name = drop_dictionary.name
    RETURNING entry.relation::text INTO dropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'dictionary "%" does not exist', left(name, 100) USING ERRCODE = 'undefined_object';
    END IF;
    -- Nothing else is dropped, should the table have gone or got another name.
    IF dropped = 'segment.dict_' || name THEN
        EXECUTE 'DROP TABLE ' || dropped;
    END IF;
END
$$;
COMMENT ON FUNCTION segment.drop_dictionary(text) IS
'Removes a dictionary and its table, which nothing else may depend on. Sets keep their ids and its number, and combine with each other as before. The caller owns the table and needs DELETE on segment.dictionary. 42704 when there is no such dictionary.';

CREATE FUNCTION segment.dictionary_entry(dict text, key_type text DEFAULT NULL) RETURNS segment.dictionary
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_entry segment.dictionary;
BEGIN
    SELECT * INTO found_entry FROM segment.dictionary AS entry WHERE entry.name = dict;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'dictionary "%" does not exist', left(dict, 100)
            USING ERRCODE = 'undefined_object', HINT = 'The dictionaries are the rows of segment.dictionary.';
    END IF;
    -- A table that was dropped prints as a number.
    IF found_entry.relation::text <> 'segment.dict_' || dict THEN
        RAISE EXCEPTION 'table "segment.dict_%" of dictionary "%" does not exist', dict, dict
            USING ERRCODE = 'undefined_table';
    END IF;
    IF found_entry.key_type <> dictionary_entry.key_type THEN
        RAISE EXCEPTION 'dictionary "%" has keys of type %, not %', dict, found_entry.key_type, key_type
            USING ERRCODE = 'datatype_mismatch', HINT = format('Cast the key to %s.', found_entry.key_type);
    END IF;
    RETURN found_entry;
END
$$;
COMMENT ON FUNCTION segment.dictionary_entry(text, text) IS
'The row of segment.dictionary for a dictionary whose table exists (42704, 42P01), and whose keys have this type unless that is NULL (42804).';

-- ---- keys and ids

CREATE FUNCTION segment.dict_id(dict text, key uuid) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_id bigint;
BEGIN
    EXECUTE format('SELECT entry.id FROM %s AS entry WHERE entry.key = $1',
                   (segment.dictionary_entry(dict, 'uuid'::text)).relation)
    INTO found_id USING key;
    RETURN found_id;
END
$$;
CREATE FUNCTION segment.dict_id(dict text, key text) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_id bigint;
BEGIN
    EXECUTE format('SELECT entry.id FROM %s AS entry WHERE entry.key = $1',
                   (segment.dictionary_entry(dict, 'text'::text)).relation)
    INTO found_id USING key;
    RETURN found_id;
END
$$;
COMMENT ON FUNCTION segment.dict_id(text, uuid) IS
'The id of a key in a dictionary; NULL for a key that it does not have. For one key: many are looked up by a join with segment.dict_<name>. 42704 for an unknown dictionary, 42804 for keys of another type.';
COMMENT ON FUNCTION segment.dict_id(text, text) IS
'The id of a key in a dictionary; NULL for a key that it does not have. For one key: many are looked up by a join with segment.dict_<name>. 42704 for an unknown dictionary, 42804 for keys of another type.';

-- New keys go in by their order, so that sessions with the same ones wait for each other in turn and never in a circle.
-- A key whose row another session holds costs an id even where that row stays; who was kept waiting therefore looks
-- again after each thousand keys.
CREATE FUNCTION segment.dict_add(dict text, key_type text, keys text[]) RETURNS void
LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation regclass := (segment.dictionary_entry(dict, key_type)).relation;
    typed text := CASE key_type WHEN 'uuid' THEN 'given.key::uuid' ELSE 'given.key COLLATE "C"' END;
    batch text[];
BEGIN
    FOR batch IN EXECUTE format($query$
        SELECT array_agg(fresh.key::text ORDER BY fresh.place)
        FROM (
            SELECT candidate.key, row_number() OVER (ORDER BY candidate.key) AS place
            FROM (SELECT DISTINCT %2$s AS key FROM unnest($1) AS given (key) WHERE given.key IS NOT NULL) AS candidate
            WHERE NOT EXISTS (SELECT FROM %1$s AS entry WHERE entry.key = candidate.key)
        ) AS fresh
        GROUP BY (fresh.place - 1) / 1000
        ORDER BY min(fresh.place)
        $query$, relation, typed) USING keys
    LOOP
        EXECUTE format($query$
            INSERT INTO %1$s (key)
            SELECT %2$s FROM unnest($1) AS given (key)
            WHERE (SELECT entry.id FROM %1$s AS entry WHERE entry.key = %2$s) IS NULL
            ORDER BY %2$s
            ON CONFLICT DO NOTHING
            $query$, relation, typed) USING batch;
    END LOOP;
END
$$;
COMMENT ON FUNCTION segment.dict_add(text, text, text[]) IS 'puts the keys that are new into a dictionary';

CREATE FUNCTION segment.dict_intern_keys(dict text, key_type text, keys text[]) RETURNS bigint[]
LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation regclass := (segment.dictionary_entry(dict, key_type)).relation;
    lookup text := format($query$
        SELECT COALESCE(array_agg(entry.id ORDER BY given.place), '{}'), count(given.key) - count(entry.id)
        FROM unnest($1) WITH ORDINALITY AS given (key, place) LEFT JOIN %s AS entry ON entry.key = given.key::%s
        $query$, relation, key_type);
    ids bigint[];
    missing bigint;
BEGIN
    IF array_ndims(keys) > 1 THEN
        RAISE EXCEPTION '"keys" must have one dimension, not %', array_ndims(keys)
            USING ERRCODE = 'array_subscript_error';
    END IF;
    EXECUTE lookup INTO ids, missing USING keys;
    IF missing = 0 THEN
        RETURN ids;
    END IF;
    PERFORM segment.dict_add(dict, key_type, keys);
    EXECUTE lookup INTO ids, missing USING keys;
    IF missing > 0 THEN
        RAISE EXCEPTION 'could not read back % of the keys from dictionary "%"', missing, dict
            USING ERRCODE = 'serialization_failure',
                  DETAIL = 'Another transaction added or removed them at the same time.',
                  HINT = 'The transaction might succeed if retried.';
    END IF;
    RETURN ids;
END
$$;
COMMENT ON FUNCTION segment.dict_intern_keys(text, text, text[]) IS 'the work of segment.dict_intern';

CREATE FUNCTION segment.dict_intern(dict text, keys uuid[]) RETURNS bigint[]
LANGUAGE sql STRICT COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT segment.dict_intern_keys(dict, 'uuid'::text, keys::text[])
$$;
CREATE FUNCTION segment.dict_intern(dict text, keys text[]) RETURNS bigint[]
LANGUAGE sql STRICT COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT segment.dict_intern_keys(dict, 'text'::text, keys)
$$;
COMMENT ON FUNCTION segment.dict_intern(text, uuid[]) IS
'The ids of the keys, in their order; a key that the dictionary does not have yet gets the next id, a NULL stays one. Safe when many sessions do it at once. The caller needs SELECT on segment.dict_<name>, and INSERT where keys are new. 42704 for an unknown dictionary, 42804 for keys of another type, 2202E for more than one dimension, 40001 under REPEATABLE READ for a key that another transaction has added since.';
COMMENT ON FUNCTION segment.dict_intern(text, text[]) IS
'The ids of the keys, in their order; a key that the dictionary does not have yet gets the next id, a NULL stays one. Safe when many sessions do it at once. The caller needs SELECT on segment.dict_<name>, and INSERT where keys are new. 42704 for an unknown dictionary, 42804 for keys of another type, 2202E for more than one dimension, 40001 under REPEATABLE READ for a key that another transaction has added since.';

-- ---- sets of a dictionary

CREATE FUNCTION segment.dict_set(dict text, keys uuid[]) RETURNS segment.idset
LANGUAGE sql STRICT COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT segment.with_dictionary(segment.idset(array_remove(segment.dict_intern(dict, keys), NULL)),
                                   (segment.dictionary_entry(dict, 'uuid'::text)).number)
$$;
CREATE FUNCTION segment.dict_set(dict text, keys text[]) RETURNS segment.idset
LANGUAGE sql STRICT COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT segment.with_dictionary(segment.idset(array_remove(segment.dict_intern(dict, keys), NULL)),
                                   (segment.dictionary_entry(dict, 'text'::text)).number)
$$;
COMMENT ON FUNCTION segment.dict_set(text, uuid[]) IS
'The set of the ids of the keys, marked with the dictionary; keys that are new are added as by segment.dict_intern, NULLs are left out.';
COMMENT ON FUNCTION segment.dict_set(text, text[]) IS
'The set of the ids of the keys, marked with the dictionary; keys that are new are added as by segment.dict_intern, NULLs are left out.';

CREATE FUNCTION segment.dictionary_of(members segment.idset) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted bigint := segment.dictionary_number(members);
    found_name text;
BEGIN
    IF wanted = 0 THEN
        RETURN NULL;
    END IF;
    SELECT entry.name INTO found_name FROM segment.dictionary AS entry WHERE entry.number = wanted;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'dictionary number % does not exist', wanted
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'It was dropped, or the set comes from another database.',
                  HINT = 'segment.dictionary_number gives the number without looking it up.';
    END IF;
    RETURN found_name;
END
$$;
COMMENT ON FUNCTION segment.dictionary_of(segment.idset) IS
'Name of the dictionary that the ids of a set come from; NULL for a set without one. 42704 when there is no such dictionary any more.';

CREATE FUNCTION segment.check_dictionary(members segment.idset, dict text, number bigint) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    actual bigint := segment.dictionary_number(members);
BEGIN
    IF actual <> number THEN
        RAISE EXCEPTION 'the set has ids of dictionary %, not of "%"', COALESCE(
                (SELECT format('"%s"', other.name) FROM segment.dictionary AS other WHERE other.number = actual),
                'number ' || actual), dict
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
COMMENT ON FUNCTION segment.check_dictionary(segment.idset, text, bigint) IS
'Raises 22023 when a set does not have this number, which is that of this dictionary.';

CREATE FUNCTION segment.dict_tag(dict text, members segment.idset) RETURNS segment.idset
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry segment.dictionary := segment.dictionary_entry(dict, NULL::text);
BEGIN
    IF segment.dictionary_number(members) = 0 THEN
        RETURN segment.with_dictionary(members, entry.number);
    END IF;
    PERFORM segment.check_dictionary(members, dict, entry.number);
    RETURN members;
END
$$;
COMMENT ON FUNCTION segment.dict_tag(text, segment.idset) IS
'The set, marked with the dictionary that its ids come from; that they do is not checked. 22023 for a set of another dictionary, 42704 for an unknown dictionary.';

CREATE FUNCTION segment.dict_keys(dict text, members segment.idset) RETURNS TABLE (id bigint, key text)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE COST 1000 ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry segment.dictionary := segment.dictionary_entry(dict, NULL::text);
BEGIN
    IF segment.dictionary_number(members) = 0 THEN
        IF segment.isempty(members) THEN
            RETURN;
        END IF;
        RAISE EXCEPTION 'the set has no dictionary'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('If its ids come from dictionary "%s", mark it with segment.dict_tag.', dict);
    END IF;
    PERFORM segment.check_dictionary(members, dict, entry.number);
    -- An array tells the planner how many there are.
    RETURN QUERY EXECUTE format($query$
        SELECT member.id, known.key::text
        FROM unnest(segment.to_array($1)) AS member (id) LEFT JOIN %s AS known ON known.id = member.id
        $query$, entry.relation) USING members;
END
$$;
COMMENT ON FUNCTION segment.dict_keys(text, segment.idset) IS
'The ids of a set of this dictionary, with their keys, in no particular order; the key is NULL where the dictionary has lost it. 22023 for a set of another dictionary, or without one unless it is empty; 42704 for an unknown dictionary. Linear; segment.to_array must be able to hold the ids.';
