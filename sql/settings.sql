-- Settings of the extension
\set VERBOSITY terse
LOAD 'pg_segment';
SELECT name, setting, unit, vartype, min_val, max_val, context FROM pg_settings WHERE name LIKE 'pg\_segment.%' ORDER BY name;
SET pg_segment.max_memory = '64MB';
SHOW pg_segment.max_memory;
\set VERBOSITY sqlstate
SET pg_segment.max_memory = '1kB';
SET pg_segment.default_seed = -1;
\set VERBOSITY terse
-- The prefix is reserved: a misspelt setting is an error.
SET pg_segment.max_memroy = '1GB';
-- Anybody may use the schema, nobody else may add to it.
SELECT has_schema_privilege('public', 'segment', 'usage') AS usage, has_schema_privilege('public', 'segment', 'create') AS creation;
