# Every rule of the boundary between the server's C and our C++, with functions that break it on purpose.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $hooks = $ENV{PGSEG_HOOKS_SQL};
plan skip_all => 'the module has no test hooks' unless $hooks;

my $node = PostgreSQL::Test::Cluster->new('boundary');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_segment');
$node->safe_psql('postgres', slurp_file($hooks));

sub raised
{
	my ($statement) = @_;
	$statement =~ s/'/''/g;
	return $node->safe_psql('postgres', "SELECT raised('$statement')");
}

# An exception of each kind becomes its SQLSTATE, with message, detail and hint.
my %sqlstate = (
	invalid_argument => '22023', null_not_allowed => '22004', bad_data => '22000', array_shape => '2202E',
	out_of_range => '22003', too_big => '54000', bad_binary => '22P03', corrupted => 'XX001',
	not_supported => '0A000');
for my $kind (sort keys %sqlstate)
{
	is(raised("SELECT test_throw('$kind')"), "$sqlstate{$kind} | message of $kind | Detail. | Hint.", $kind);
}
is(raised("SELECT test_throw('bad_alloc')"), '53200 | out of memory', 'bad_alloc');
like(raised("SELECT test_throw('length_error')"), qr/^54000 \| .* \| longer than possible/, 'length_error');
like(raised("SELECT test_throw('logic_error')"), qr/^XX000 \| a bug \| /, 'logic_error');
like(raised("SELECT test_throw('int')"), qr/^XX000 \| unrecognized C\+\+ exception/, 'anything else');

# A server error passes live C++ objects: their destructors run, and nothing of the error is lost.
is(raised('SELECT test_server_error(50)'), '22012 | server message | Server detail. | Server hint.',
	'a server error keeps SQLSTATE, detail and hint');
is( $node->safe_psql('postgres', <<'SQL'), '0', 'no destructor is skipped');
DO $$ BEGIN
	FOR i IN 1..100 LOOP
		PERFORM raised('SELECT test_server_error(20)');
		PERFORM raised('SELECT test_throw(''bad_data'')');
	END LOOP;
END $$;
SELECT test_live_objects();
SQL
is( $node->safe_psql('postgres', <<'SQL'), 'caught', 'PL/pgSQL catches it by name');
DO $$ BEGIN
	PERFORM test_server_error(3);
EXCEPTION WHEN division_by_zero THEN
	PERFORM set_config('test.outcome', 'caught', false);
END $$;
SELECT current_setting('test.outcome');
SQL

# Allocation: sizes that no machine has are 53200 or, past the setting, 54000; alignment is kept.
like(raised("SET pg_segment.max_memory = '1TB'; SELECT test_allocate(1::bigint << 61, 8)"),
	qr/^54000 /, 'more than the setting allows');
like(raised("SET pg_segment.max_memory = '2147483647kB'; SELECT test_allocate(1::bigint << 40, 8)"),
	qr/^53200 \| out of memory/, 'more than the machine has');
like(raised("SET pg_segment.max_memory = '1MB'; SELECT test_allocate(2000000, 8)"),
	qr/^54000 \| the job needs more memory than pg_segment.max_memory allows \| It needs about 2 MB, the limit is 1 MB\./,
	'over the budget names need, limit and setting');
like(raised("SELECT test_budget(1::bigint << 40, 1::bigint << 40)"), qr/^54000 \| .*addressed/,
	'a price that overflows 64 bits');
like(raised("SELECT test_budget(1::bigint << 20, 1::bigint << 20)"), qr/^54000 \| .*max_memory/,
	'a price over the budget');
is(raised("SELECT test_budget(1000, 1000)"), '00000', 'a price within it');
is( $node->safe_psql('postgres',
		'SELECT bool_and(test_allocate(bytes, alignment)) FROM generate_series(1, 5000, 37) AS bytes, '
		  . 'unnest(ARRAY[1, 8, 16, 64, 4096]) AS alignment'),
	't', 'allocations are aligned');

# A statement_timeout interrupts a core loop, promptly, and the session goes on.
my $start = time;
my ($status, $stdout, $stderr) =
  $node->psql('postgres', "SET statement_timeout = '200ms'; SELECT test_loop();", on_error_stop => 1);
my $elapsed = time - $start;
like($stderr, qr/canceling statement due to statement timeout/, 'a core loop can be cancelled');
cmp_ok($elapsed, '<', 3, "within moments ($elapsed s)");
is( $node->safe_psql('postgres', <<'SQL'), "57014\n0", 'no object is left behind by a cancel');
\set VERBOSITY sqlstate
\set ON_ERROR_STOP 0
SET statement_timeout = '100ms';
SELECT test_loop();
SELECT :'LAST_ERROR_SQLSTATE';
SELECT test_live_objects();
SQL

# Memory comes back: 10,000 failing calls of every kind in one session.
is( $node->safe_psql('postgres', <<'SQL'), 't', 'memory is given back after 10,000 failing calls');
CREATE FUNCTION fail_often(times integer) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1..times LOOP
		BEGIN PERFORM test_server_error(5); EXCEPTION WHEN division_by_zero THEN NULL; END;
		BEGIN PERFORM test_throw('bad_data'); EXCEPTION WHEN data_exception THEN NULL; END;
		BEGIN PERFORM test_allocate(1::bigint << 50, 64); EXCEPTION WHEN program_limit_exceeded THEN NULL; END;
		BEGIN PERFORM segment.kmeans(ARRAY[1.0, 'NaN'::float8], 2); EXCEPTION WHEN data_exception THEN NULL; END;
		BEGIN PERFORM segment.kmeans(ARRAY[x], 9) FROM generate_series(1.0, 3.0) AS x;
		EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
	END LOOP;
END $$;
DO 'BEGIN PERFORM fail_often(100); END';
CREATE TEMP TABLE before AS SELECT sum(total_bytes) AS bytes FROM pg_backend_memory_contexts;
DO 'BEGIN PERFORM fail_often(2000); END';
SELECT sum(total_bytes) < max(before.bytes) + 1000000 FROM pg_backend_memory_contexts, before;
SQL

# The day that rfm_agg counts is the session's local date, across clock changes and far from today.
is( $node->safe_psql('postgres', <<'SQL'), '0', 'local days are at::date');
DO $$
DECLARE
	zone text;
	wrong bigint := 0;
	found bigint;
BEGIN
	FOREACH zone IN ARRAY ARRAY['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu',
		'Pacific/Apia', 'Africa/Casablanca', 'America/St_Johns', 'Antarctica/Troll', '+05:45', 'Europe/Dublin'] LOOP
		PERFORM set_config('TimeZone', zone, false);
		SELECT count(*) INTO found
		FROM (SELECT timestamptz '1899-12-31 00:00+00' + i * interval '7 hours 13 minutes 7.000001 seconds' AS at
		      FROM generate_series(1, 200000) AS i
		      UNION ALL SELECT timestamptz '4713-01-02 00:00+00 BC' + i * interval '1 day' FROM generate_series(1, 100) AS i
		      UNION ALL SELECT timestamptz '2261-01-01 23:59:59.999999+00' + i * interval '1 hour' FROM generate_series(1, 10000) AS i
		      UNION ALL SELECT timestamptz '200000-01-01 00:00+00' + i * interval '1 hour' FROM generate_series(1, 1000) AS i
		      UNION ALL SELECT timestamptz '2024-10-27 00:00+00' + i * interval '1 minute' FROM generate_series(-3000, 3000) AS i
		      UNION ALL SELECT timestamptz '2011-12-29 00:00+00' + i * interval '1 minute' FROM generate_series(1, 6000) AS i
		     ) AS instants
		WHERE test_local_day(at) <> at::date - date '2000-01-01';
		wrong := wrong + found;
	END LOOP;
	PERFORM set_config('test.wrong', wrong::text, false);
END $$;
SELECT current_setting('test.wrong');
SQL

unlike(slurp_file($node->logfile), qr/terminated by signal/, 'the server stayed up');
$node->stop;
done_testing();
