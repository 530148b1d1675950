# A preparation does not depend on how its rows arrived, survives a dump, and does to real data what the server's own
# statistics say.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"max_worker_processes = 16\nmax_parallel_workers = 16\nbytea_output = hex\nTimeZone = 'UTC'");
$node->start;

# Far more different amounts than a profile has bins; texts long enough to be moved out of line; NULLs; dates.
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE TYPE plan AS ENUM ('free', 'basic', 'gold');
CREATE TABLE customers (id int, gone text, amount float8, exact numeric, city text, plan plan, since date,
                        seen timestamptz, member boolean, opted boolean, note text) WITH (parallel_workers = 4);
ALTER TABLE customers ALTER note SET STORAGE EXTERNAL;
INSERT INTO customers
SELECT i, 'gone', CASE WHEN i % 50 > 0 THEN exp(hashint4(i) / 4e8) END, hashint4(i + 1)::numeric / 1000,
       'city ' || abs(hashint4(i + 2)) % 40, (ARRAY['free', 'basic', 'gold'])[1 + i % 3]::plan,
       date '2025-12-31' - abs(hashint4(i + 3)) % 2000, timestamptz '2026-01-01' - abs(hashint4(i + 4)) * interval '1 ms',
       i % 2 = 0, CASE WHEN i % 7 > 0 THEN i % 3 = 0 END, repeat(chr(97 + i % 3), 1000)
FROM generate_series(1, 120000) AS i;
ALTER TABLE customers DROP COLUMN gone;
CREATE TABLE shuffled WITH (parallel_workers = 4) AS SELECT * FROM customers ORDER BY md5(id::text);
ANALYZE customers;
ANALYZE shuffled;
});

sub with_workers
{
	my ($workers, $query, $more) = @_;
	return $node->safe_psql('postgres',
		    "SET max_parallel_workers_per_gather = $workers;"
		  . 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
		  . ($more // '')
		  . $query);
}

my $options = q{'{"as_of": "2026-01-01", "columns": {"id": {"type": "ignore"}, "exact": {"weight": 2}}}'};

sub fit
{
	my ($table) = @_;
	return "segment.preparation_fit($table, $options)";
}
my $fingerprint = sub { 'SELECT md5(' . fit($_[0]) . "::text) FROM $_[0]" };
my $expected = with_workers(0, $fingerprint->('customers'));

subtest 'parallel plans' => sub {
	like($expected, qr/^[0-9a-f]{32}$/, 'serial');
	isnt(with_workers(0, 'SELECT md5(segment.preparation_fit(customers)::text) FROM customers'),
		$expected, 'the fingerprint tells preparations apart');
	for my $workers (1, 4)
	{
		like(
			with_workers(
				$workers,
				'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT ' . fit('customers') . ' FROM customers'),
			qr/Workers Launched: $workers\b/,
			"$workers workers run");
		is(with_workers($workers, $fingerprint->($_)), $expected, "$workers workers: $_") for 'customers', 'shuffled';
	}
	is(with_workers(3, $fingerprint->('customers'), 'SET parallel_leader_participation = off;'),
		$expected, 'workers alone');
	# Rows without a named type are known to the workers by a number.
	is( with_workers(4, q{SELECT md5(segment.preparation_fit(ROW(amount, city, since))::text) FROM shuffled}),
		with_workers(0, q{SELECT md5(segment.preparation_fit(ROW(amount, city, since))::text) FROM customers}),
		'rows without a type');
	is(with_workers(4, q{SELECT segment.preparation_fit(customers) IS NULL FROM customers WHERE id < 0}), 't', 'no row');
};

subtest 'partial states' => sub {
	my $state = "segment.preparation_state(shuffled, $options)";
	with_workers(
		2, qq{
CREATE TABLE states WITH (parallel_workers = 3) AS
SELECT id % 13 AS bucket, $state AS state FROM shuffled GROUP BY id % 13;
CREATE TABLE states_by_text AS SELECT bucket, state::text::segment.preparation_state AS state FROM states;
INSERT INTO states VALUES (NULL, NULL);
ANALYZE states;});
	my $merged = 'SELECT md5(segment.finalize(segment.rollup(state))::text)';
	is(with_workers(0, "$merged FROM states"), $expected, 'rollup of a state a bucket');
	is(with_workers(0, "$merged FROM (SELECT * FROM states_by_text ORDER BY bucket DESC) AS s"),
		$expected, 'rollup of states that were text, in another order');
	is(with_workers(0, "$merged FROM (SELECT segment.rollup(state) AS state FROM states GROUP BY bucket % 4) AS s"),
		$expected, 'rollup of rollups');
	like(with_workers(3, 'EXPLAIN (COSTS OFF) SELECT segment.rollup(state) FROM states'),
		qr/Partial Aggregate/, 'rollup has a parallel plan');
	is(with_workers(3, "$merged FROM states"), $expected, 'rollup in parallel');
	is( with_workers(0, 'SELECT md5(segment.preparation_state_send(segment.rollup(state))) FROM states'),
		with_workers(0, "SELECT md5(segment.preparation_state_send($state)) FROM shuffled"),
		'the merged state is the state of all rows');
	is(with_workers(0, 'SELECT max(pg_column_size(state)) < 4 * 1024 * 1024 FROM states'), 't', 'states are bounded');
};

subtest 'rows through it' => sub {
	with_workers(0, 'CREATE TABLE kept AS SELECT 1 AS id, ' . fit('customers') . ' AS p FROM customers');
	my $sum = q{
SELECT md5(string_agg(segment.prepare(p, c)::text, ',' ORDER BY c.id)) FROM customers AS c, kept};
	my $serial = with_workers(0, $sum);
	is(with_workers(4, $sum), $serial, 'in parallel');
	is( with_workers(
			0, q{
SELECT md5(string_agg(segment.prepare(p, c)::text, ',' ORDER BY id))
FROM (SELECT c.*, kept.p FROM customers AS c, kept) AS c}),
		$serial, 'with other columns beside');
	is(with_workers(0, 'SELECT count(*) FROM customers AS c, kept WHERE segment.prepare(p, c) IS NULL'),
		0, 'no row is left out');
	is( with_workers(
			0, q{
SELECT bool_and(abs(mean) < 1e-4 AND abs(deviation - CASE WHEN number = 3 THEN sqrt(2) ELSE 1 END) < 1e-4)
FROM (SELECT number, avg(f) AS mean, stddev_pop(f) AS deviation
      FROM customers AS c, kept, unnest(segment.prepare(p, c)) WITH ORDINALITY AS u (f, number)
      WHERE number = 3 GROUP BY number) AS statistics}),
		't', 'zscore within the resolution of a profile');
};

subtest 'plpgsql' => sub {
	is( $node->safe_psql(
			'postgres', q{
CREATE FUNCTION by_hand() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE c customers; prepared float8[]; n bigint := 0; q segment.preparation;
BEGIN
    SELECT p INTO q FROM kept;
    FOR c IN SELECT * FROM customers ORDER BY id LIMIT 500 LOOP
        prepared := segment.prepare(q, c);
        n := n + (prepared = (SELECT segment.prepare(p, d) FROM customers AS d, kept WHERE d.id = c.id))::int;
        BEGIN
            prepared := segment.prepare(q, ROW(1));
        EXCEPTION WHEN undefined_column THEN n := n + 1;
        END;
    END LOOP;
    RETURN n;
END $$;
CREATE INDEX ON customers (id);
SELECT by_hand()}), 1000, 'records of variables, and errors between them');
};

subtest 'dump and restore' => sub {
	my $bits = q{SELECT string_agg(md5(segment.preparation_send(p)), ',') FROM kept};
	my $state_bits = q{SELECT md5(string_agg(md5(segment.preparation_state_send(state)), ',' ORDER BY bucket)) FROM states};
	my $row = q{SELECT segment.prepare(p, c) FROM customers AS c, kept WHERE c.id = 77};
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
	$node->command_ok([ 'pg_dump', '--file', $dump, 'postgres' ], 'pg_dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'restored' ], 'restore');
	is($node->safe_psql('restored', $_), $node->safe_psql('postgres', $_), $_) for $bits, $state_bits, $row;
	my $binary = PostgreSQL::Test::Utils::tempdir() . '/states.bin';
	$node->safe_psql('postgres', "COPY states TO '$binary' (FORMAT binary)");
	$node->safe_psql('restored', "CREATE TABLE copied (LIKE states); COPY copied FROM '$binary' (FORMAT binary)");
	is($node->safe_psql('restored', $state_bits =~ s/FROM states/FROM copied/r),
		$node->safe_psql('postgres', $state_bits), 'binary copy');
};

# Bytes that are no text must not come in by the binary road.
subtest 'encoding' => sub {
	# Whatever the locale of this machine.
	$node->safe_psql('postgres', q{CREATE DATABASE utf8 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'});
	$node->safe_psql('utf8', 'CREATE EXTENSION pg_segment');
	my $send = $node->safe_psql(
		'postgres', q{
SELECT encode(segment.preparation_send(segment.preparation_fit(t)), 'hex') FROM (VALUES ('xyz'), ('abc')) AS t (city)});
	my $bad = $send =~ s/78797a/ff797a/r;
	isnt($bad, $send, 'a level is damaged');
	my $file = PostgreSQL::Test::Utils::tempdir() . '/value.bin';
	for ([ $send, qr/^$/ ], [ $bad, qr/not valid in the database's encoding/ ])
	{
		my ($hex, $error) = @$_;
		open(my $out, '>:raw', $file) or die $!;
		print $out "PGCOPY\n\xff\r\n\0", pack('NNnN', 0, 0, 1, length($hex) / 2), pack('H*', $hex), pack('n', 0xffff);
		close($out);
		my ($code, $stdout, $stderr) = $node->psql('utf8',
			"CREATE TEMP TABLE v (p segment.preparation); COPY v FROM '$file' (FORMAT binary)");
		like($stderr, $error, $error);
	}
	my $state = $node->safe_psql(
		'postgres', q{SELECT segment.preparation_state(t) FROM (VALUES ('xyz'), ('abc')) AS t (city)});
	my ($code, $stdout, $stderr) =
	  $node->psql('utf8', "SELECT '" . ($state =~ s/78797a/ff797a/r) . "'::segment.preparation_state");
	like($stderr, qr/not valid in the database's encoding/, 'nor as a state');
};

subtest 'cancel' => sub {
	my ($code, $stdout, $stderr) = $node->psql(
		'postgres', q{
SET statement_timeout = 100;
SELECT segment.rollup(state) FROM states, generate_series(1, 100000)});
	like($stderr, qr/canceling statement due to statement timeout/, 'rollup can be cancelled');
};

SKIP:
{
	my $data = $ENV{PGSEG_DATA};
	skip 'PGSEG_DATA names no folder with the data', 3 unless $data && -d "$data/wholesale";
	$node->safe_psql(
		'postgres', qq{
CREATE TABLE wholesale (channel int, region int, fresh int, milk int, grocery int, frozen int, detergents int, delicassen int);
\\copy wholesale FROM '$data/wholesale/wholesale_customers.csv' (FORMAT csv, HEADER)
});
	# Spending is skewed to the right, and its logarithm is not, but that of fresh, which is as much so to the left.
	my $spending = q{SELECT fresh, milk, grocery, frozen, detergents, delicassen FROM wholesale};
	is( $node->safe_psql('postgres', qq{
SELECT string_agg(concat_ws(' ', column_name, transform, scaling, CASE WHEN lower IS NOT NULL THEN 'winsorised' END), ', ')
FROM (SELECT segment.preparation_fit(w) AS p FROM ($spending) AS w) AS q, segment.prepare_info(p)}),
		'fresh none zscore winsorised, milk log1p zscore, grocery log1p zscore winsorised, frozen log1p zscore, detergents log1p zscore, delicassen log1p zscore',
		'wholesale: decisions');
	is( $node->safe_psql('postgres', qq{
SELECT bool_and(abs(f - z) < 1e-12), count(*)
FROM (SELECT segment.prepare(p, w) AS features, w.*
      FROM ($spending) AS w, (SELECT segment.preparation_fit(w, '{"winsorise": false}') AS p FROM ($spending) AS w) AS q) AS w,
     (SELECT avg(ln(1 + milk::float8)) AS m2, stddev_pop(ln(1 + milk::float8)) AS s2,
             avg(ln(1 + delicassen::float8)) AS m6, stddev_pop(ln(1 + delicassen::float8)) AS s6 FROM wholesale) AS s,
     LATERAL (VALUES (features[2], (ln(1 + milk::float8) - m2) / s2),
                     (features[6], (ln(1 + delicassen::float8) - m6) / s6)) AS v (f, z)}),
		't|880', 'wholesale: logarithm and zscore');
	is( $node->safe_psql('postgres', qq{
SELECT i.lower = l.lower AND i.upper = l.upper AND i.shift = l.middle AND abs(i.scale - 0.7413 * l.iqr) < 1e-9
FROM (SELECT segment.preparation_fit(w, '{"transform": "none", "winsorise": [0.05, 0.95], "scale": "robust"}') AS p
      FROM (SELECT milk FROM wholesale) AS w) AS q, segment.prepare_info(p) AS i,
     (SELECT percentile_cont(0.05) WITHIN GROUP (ORDER BY milk) AS lower,
             percentile_cont(0.95) WITHIN GROUP (ORDER BY milk) AS upper,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY milk) AS middle,
             percentile_cont(0.75) WITHIN GROUP (ORDER BY milk) - percentile_cont(0.25) WITHIN GROUP (ORDER BY milk) AS iqr
      FROM wholesale) AS l}),
		't', 'wholesale: quantiles');
}

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the server log');
done_testing();
