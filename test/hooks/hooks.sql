-- The functions of a module built with PGSEG_TEST_HOOKS=1; see src/functions/test_hooks.cpp.
CREATE FUNCTION test_throw(kind text) RETURNS void
    AS 'pg_segment', 'pgseg_test_throw' LANGUAGE C STRICT;
CREATE FUNCTION test_server_error(depth integer) RETURNS void
    AS 'pg_segment', 'pgseg_test_server_error' LANGUAGE C STRICT;
CREATE FUNCTION test_live_objects() RETURNS integer
    AS 'pg_segment', 'pgseg_test_live_objects' LANGUAGE C STRICT;
CREATE FUNCTION test_allocate(bytes bigint, alignment integer) RETURNS boolean
    AS 'pg_segment', 'pgseg_test_allocate' LANGUAGE C STRICT;
CREATE FUNCTION test_budget(count bigint, bytes_each bigint) RETURNS void
    AS 'pg_segment', 'pgseg_test_budget' LANGUAGE C STRICT;
CREATE FUNCTION test_loop() RETURNS void
    AS 'pg_segment', 'pgseg_test_loop' LANGUAGE C STRICT;
CREATE FUNCTION test_local_day(at timestamptz) RETURNS integer
    AS 'pg_segment', 'pgseg_test_local_day' LANGUAGE C STRICT;

-- What a statement raises: SQLSTATE, message, detail and hint, or 00000 when it succeeds.
CREATE FUNCTION raised(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                            detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END
$$;
