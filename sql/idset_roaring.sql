-- Portable Roaring bitmaps: in, out, and refused.
SET search_path = segment, public;
CREATE FUNCTION pg_temp.state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- Every way and back, for ids of every kind.
CREATE TEMP TABLE sets (name text, members idset);
INSERT INTO sets VALUES ('empty', '{}'), ('one', '{7}'), ('negative', '{-70000--60000,-5,5}'),
                        ('ends', '{-9223372036854775808--9223372036854775800,9223372036854775807}'), ('range', '{1-1000000}');
INSERT INTO sets SELECT 'array', idset_agg(g * 100) FROM generate_series(1, 3000) g;
INSERT INTO sets SELECT 'bitmap', idset_agg(g) FROM generate_series(1, 200000) g WHERE hashint4(g) % 2 = 0;
INSERT INTO sets SELECT 'spread', idset_agg(hashint8extended(g, 0)) FROM generate_series(1, 1000) g;
SELECT name, length(to_roaring(members)) AS bytes, from_roaring(to_roaring(members)) = members AS same FROM sets ORDER BY name;
SELECT name, length(to_roaring32(members)) AS bytes, from_roaring(to_roaring32(members)) = members AS same
FROM sets WHERE members <@ idset_range(0, 4294967295) ORDER BY name;
SELECT name, from_roaring(to_roaring32(members, signed => true), signed => true) = members AS same
FROM sets WHERE members <@ idset_range(-2147483648, 2147483647) ORDER BY name;

SELECT to_roaring32('{1,10,100}'), to_roaring('{1,10,100}');
SELECT to_roaring('{1}@5') = to_roaring('{1}') AS without_dictionary;

-- Refused: everything shorter, with something behind it, or with a byte out of order.
SELECT DISTINCT left(pg_temp.state_of(format('SELECT segment.from_roaring(%L)', substr(b, 1, n))), 5)
FROM to_roaring((SELECT members FROM sets WHERE name = 'array')) b, generate_series(0, length(b) - 1, 97) n;
SELECT left(pg_temp.state_of(format('SELECT segment.from_roaring(%L)', to_roaring('{1-3,9}') || '\x00'::bytea)), 5);
SELECT pg_temp.state_of($q$SELECT segment.from_roaring('\x3a30000001000000000002001000000001000a000900')$q$);
SELECT pg_temp.state_of($q$SELECT segment.from_roaring('')$q$);
SELECT pg_temp.state_of('SELECT segment.to_roaring32(''{-1}'')'), pg_temp.state_of('SELECT segment.to_roaring32(''{4294967296}'')');
SELECT pg_temp.state_of('SELECT segment.to_roaring(segment.idset_range(0, 4611686018427387903))');
