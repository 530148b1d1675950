# A statement can be stopped at any time, a job that would need too much memory is refused, and neither costs the
# session anything: no crash, no leak.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'jit = off'); # compiling a query is not interruptible
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE TABLE customers AS
SELECT i AS id, ARRAY[hashint4(i) / 1e9, hashint4(i + 1000000) / 1e9, hashint4(-i) / 1e9] AS features
FROM generate_series(1, 200000) i;
CREATE TABLE states AS
SELECT id % 4 AS part, segment.kmeans_state(features, 500, '{"n_init": 1000, "tol": 0}') AS long,
       segment.kmeans_state(features, 5, '{"n_init": 1}') AS short
FROM customers GROUP BY 1;
ANALYZE customers;
});

# Minutes of work, in every phase that a training has.
my $long = q{SELECT segment.kmeans(features, 500, '{"n_init": 1000, "tol": 0}') FROM customers};
my %long = (
	'kmeans' => $long,
	'kmeans on standardized rows' =>
	  q{SELECT segment.kmeans(features, 300, '{"n_init": 1000, "tol": 0, "standardize": "zscore"}') FROM customers},
	'finalize' => 'SELECT segment.finalize(segment.rollup(long)) FROM states',
	'window aggregate' => q{SELECT count(m) FROM (SELECT segment.kmeans(features, 5, '{"tol": 0}') OVER (ORDER BY id % 10) m FROM customers) w},
	'kmeans window function' => q{SELECT count(l) FROM (SELECT segment.kmeans_cluster(features, 500, '{"n_init": 1000, "tol": 0}') OVER () l FROM customers) w},
	'scoring' => q{SELECT sum(segment.cluster_id(m, c.features))
		FROM customers c, generate_series(1, 1000),
		     (SELECT segment.kmeans(features, 50, '{"n_init": 1}') m FROM customers WHERE id < 2000) s},);

# Runs a statement in a session with a timeout. Says "prompt", or what was wrong.
sub stopped_after
{
	my ($timeout, $query) = @_;
	my ($stdout, $stderr, $timed_out);
	$node->psql(
		'postgres',
		"\\set VERBOSITY sqlstate\n\\o /dev/null\n"
		  . "LOAD 'pg_segment';\nSET statement_timeout = $timeout;\n"
		  . "\\timing on\n$query;\n\\timing off\n\\o\nSET statement_timeout = 0;\n"
		  . "SELECT 'still here', (segment.model_info(segment.kmeans(features, 3))).rows FROM customers WHERE id <= 9;\n",
		stdout => \$stdout,
		stderr => \$stderr,
		timeout => 30,
		timed_out => \$timed_out,
		on_error_stop => 0);
	if ($timed_out)
	{
		$node->stop('immediate');
		$node->start;
		return 'no answer in 30 seconds';
	}
	return "no error: $stderr" unless $stderr =~ /^(?:psql:.*)?ERROR:\s+(\w{5})$/m;
	return "SQLSTATE $1" if $1 ne '57014';
	return "session is gone: $stderr" unless $stdout =~ /^still here\|9$/m;
	my $late = ($stdout =~ /^Time: ([0-9.]+) ms/m)[0] - $timeout;
	return $late < 100 ? 'prompt' : "$late ms late";
}

# The machine may be busy with something else for a moment, hence the attempts.
subtest 'statement_timeout' => sub {
	for my $name (sort keys %long)
	{
		for my $timeout (50, 300, 1500)
		{
			my $verdict;
			for my $attempt (1 .. 3)
			{
				$verdict = stopped_after($timeout, $long{$name});
				last unless $verdict =~ /late/;
				note("$name after $timeout ms: $verdict");
			}
			is($verdict, 'prompt', "$name is stopped after $timeout ms");
		}
	}
};

sub wait_until_running
{
	my ($pattern) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
		  . " AND query LIKE '$pattern' AND now() - query_start > '200 ms'");
}

my $who = q{FROM pg_stat_activity WHERE query LIKE 'SELECT segment.kmeans%' AND pid <> pg_backend_pid()};

subtest 'pg_cancel_backend and pg_terminate_backend' => sub {
	my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/begin/, "\\echo begin\n$long;\n\\echo after cancel\n");
	ok(wait_until_running('SELECT segment.kmeans%'), 'the training runs');
	is($node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) $who"), 't', 'cancelled');
	$session->query_until(qr/after cancel/, '');
	like($session->{stderr}, qr/canceling statement due to user request/, 'the training was cancelled');

	$session->query_until(qr/again/, "\\echo again\n$long;\n");
	ok(wait_until_running('SELECT segment.kmeans%'), 'the session trains again');
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) $who"), 't',
		'terminated, and the session is gone within five seconds');
	eval { $session->quit };
	is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
};

# SQLSTATE, message, detail and hint of a failing statement
sub error_of
{
	my ($setting, $query) = @_;
	my $stderr;
	$node->psql(
		'postgres',
		"SET pg_segment.max_memory = '$setting';\n\\set VERBOSITY verbose\n$query;\n",
		stdout => \my $stdout,
		stderr => \$stderr,
		on_error_stop => 0);
	return $stderr;
}

subtest 'pg_segment.max_memory' => sub {
	my %too_big = (
		'bounds on sizes' =>
		  [ '4MB', q{SELECT segment.kmeans(features, 5, '{"max_size": 30000}') FROM customers WHERE id <= 100000} ],
		'many centres' => [
			'1MB', 'SELECT segment.kmeans(ARRAY[id]::float8[] || array_fill(0::float8, ARRAY[5000]), 50) FROM customers'
			  . ' WHERE id <= 50'
		],);
	for my $name (sort keys %too_big)
	{
		my ($limit, $query) = @{ $too_big{$name} };
		my $error = error_of($limit, $query);
		like($error, qr/ERROR:  54000: /, "$name: SQLSTATE");
		like($error, qr/pg_segment\.max_memory/, "$name: names the setting");
		like($error, qr/needs about [0-9]+ [kMGT]B, the limit is @{[ $limit =~ s{MB}{ MB}r ]}/,
			"$name: names what it needs and the limit");
	}
	unlike(error_of('1GB', $too_big{$_}[1]), qr/54000/, "$_: fits into more") for sort keys %too_big;
};

# Too many rows are no error: a part of them is kept, and which does not depend on how they came.
subtest 'samples' => sub {
	my %ways = (
		'serial' => 'SELECT segment.kmeans(features, 5) AS model FROM customers',
		'another order' => 'SELECT segment.kmeans(features, 5 ORDER BY md5(id::text)) AS model FROM customers',
		'stored states' => 'SELECT segment.finalize(segment.rollup(state)) AS model
		    FROM (SELECT segment.kmeans_state(features, 5) AS state FROM customers WHERE id % 3 = 0
		          UNION ALL SELECT segment.kmeans_state(features, 5) FROM customers WHERE id % 3 > 0) AS s',);
	for my $limit ('4MB', '64MB')
	{
		my %models;
		for my $way (sort keys %ways)
		{
			$node->psql(
				'postgres', qq{SET pg_segment.max_memory = '$limit'; SET max_parallel_workers_per_gather = 0;
				SELECT md5(model::text), info.sampled_rows < info.rows, info.rows = (SELECT count(*) FROM customers)
				FROM ($ways{$way}) AS q, segment.model_info(model) AS info},
				stdout => \my $stdout);
			$models{$way} = $stdout;
			like($stdout, qr/\|@{[ $limit eq '4MB' ? 't' : '' ]}\|t$/, "$way, $limit: a sample of all rows");
		}
		is($models{$_}, $models{serial}, "$_, $limit: the same model") for sort keys %ways;
		my $parallel = $node->safe_psql(
			'postgres', qq{SET pg_segment.max_memory = '$limit'; SET max_parallel_workers_per_gather = 2;
			SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
			SELECT md5(model::text), info.sampled_rows < info.rows, info.rows = (SELECT count(*) FROM customers)
			FROM ($ways{serial}) AS q, segment.model_info(model) AS info});
		is($parallel, $models{serial}, "two workers, $limit: the same model");
	}
	# Groups share the memory: none fails, each has a model of all its rows.
	is( $node->safe_psql(
			'postgres', q{SET pg_segment.max_memory = '2MB'; SET enable_sort = off; SET max_parallel_workers_per_gather = 0;
			SELECT count(*), sum(info.rows), bool_or(info.sampled_rows < info.rows)
			FROM (SELECT segment.kmeans(features, 3) AS model FROM customers GROUP BY id % 7) AS q,
			     segment.model_info(model) AS info}),
		'7|200000|t',
		'groups that exceed the memory together');
};

# Errors unwind C++ frames and memory contexts: whatever one leaves behind, ten thousand make visible. The resident
# size shows what malloc keeps, which the server's own accounting does not.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION fail_often(statement text, times int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    states text[] := '{}';
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            EXECUTE statement;
            RAISE 'it did not fail';
        EXCEPTION WHEN OTHERS THEN
            IF NOT SQLSTATE = ANY (states) THEN states := states || SQLSTATE; END IF;
        END;
    END LOOP;
    RETURN array_to_string(states, ',');
END $$;
CREATE FUNCTION memory_used(OUT contexts bigint, OUT resident bigint) LANGUAGE sql AS $$
SELECT (SELECT sum(total_bytes) FROM pg_backend_memory_contexts)::bigint,
       split_part(pg_read_file('/proc/self/statm'), ' ', 2)::bigint * 4096
$$;
CREATE TABLE models AS
SELECT segment.kmeans(features, 5) AS model, segment.kmeans_state(features, 5) AS state,
       (segment.kmeans(features, 5))::text AS json,
       (segment.kmeans_state(features, 5) FILTER (WHERE id <= 10))::text AS short_text
FROM customers WHERE id <= 1000;
});

my %failing = (
	'transition, other length' =>
	  [ '2202E', q{SELECT segment.kmeans(f, 2) FROM (VALUES ('{1,2}'::float8[]), ('{3,4}'), ('{5}')) v(f)} ],
	'transition, NaN' => [ '22000', q{SELECT segment.kmeans(f, 2) FROM (VALUES ('{1}'::float8[]), ('{NaN}')) v(f)} ],
	'options, first row' => [ '22023', q{SELECT segment.kmeans('{1}'::float8[], 2, '{"n_init": "many"}')} ],
	'options, unknown' => [ '22023', q{SELECT segment.kmeans('{1}'::float8[], 2, '{"speed": 1}')} ],
	'training, too few rows' => [ '22023', q{SELECT segment.kmeans(ARRAY[i % 7]::float8[], 8) FROM generate_series(1, 100) i} ],
	'combine, other options' => [
		'22023',
		q{SELECT segment.rollup(s) FROM (SELECT segment.kmeans_state('{1}'::float8[], 2) s
		  UNION ALL SELECT segment.kmeans_state('{1}'::float8[], 3)) u}
	],
	'scoring, other length' => [ '2202E', q{SELECT segment.cluster_id(model, '{1}') FROM models} ],
	'scoring, rows before the error' =>
	  [ '22000', q{SELECT segment.cluster_id(model, f) FROM models, (VALUES ('{1,2,3}'::float8[]), ('{1,2,NaN}')) v(f)} ],
	'text input of a model' => [ '22023', q{SELECT replace(json, '"radius"', '"diameter"')::segment.clustering FROM models} ],
	'text input that is no JSON' => [ '22P02', q{SELECT left(json, -1)::segment.clustering FROM models} ],
	'text input of a state' => [ '22P03', q{SELECT left(short_text, -2)::segment.kmeans_state FROM models} ],
	'memory limit' =>
	  [ '54000', q{SELECT segment.kmeans(features, 5, '{"max_size": 9000}') FROM customers WHERE id <= 30000} ],
	'server error inside' => [ '22012', q{SELECT segment.kmeans(ARRAY[1 / (20 - i)]::float8[], 1) FROM generate_series(1, 30) i} ],);

subtest 'failing calls leave nothing behind' => sub {
	for my $name (sort keys %failing)
	{
		my ($state, $statement) = @{ $failing{$name} };
		my $times = $name eq 'memory limit' ? 200 : 10000;
		my $result = $node->safe_psql(
			'postgres', qq{
SET pg_segment.max_memory = '1MB';
CREATE TEMP TABLE statement AS SELECT \$q\$$statement\$q\$::text AS q;
SELECT fail_often(q, $times / 10) FROM statement;
SELECT * FROM memory_used() \\gset before_
SELECT fail_often(q, $times) FROM statement;
SELECT * FROM memory_used() \\gset after_
SELECT :after_contexts - :before_contexts, :after_resident - :before_resident;
});
		my ($warm, $states, $growth) = split /\n/, $result;
		my ($contexts, $resident) = split /\|/, $growth;
		is($states, $state, "$name: SQLSTATE, $times times");
		cmp_ok($contexts, '<', 256 * 1024, "$name: memory contexts");
		cmp_ok($resident, '<', 4 * 1024 * 1024, "$name: resident memory");
	}
};

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the server log');
done_testing();
