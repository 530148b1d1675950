# Sets of ids in the server as a whole: parallel plans give the same bits as serial ones, statements can be stopped, memory is
# limited, a large stored value is not read for what its start says, and dumps, binary copies and replication keep every bit.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('publisher');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "max_worker_processes = 16\nmax_parallel_workers = 16\njit = off");
$node->start;

# Ids of every kind: crowded, spread, far apart, negative, repeated, NULL; groups from one id to many.
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE TABLE visits (id bigint, page int, small int) WITH (parallel_workers = 4);
INSERT INTO visits
SELECT CASE i % 5 WHEN 0 THEN i % 7000 WHEN 1 THEN hashint4(i) WHEN 2 THEN hashint8extended(i, 0) WHEN 3 THEN 10000000 + i END,
       i % 11, hashint4(i) % 20000
FROM generate_series(1, 200000) i;
ANALYZE visits;
CREATE TABLE sets (name text PRIMARY KEY, members segment.idset);
INSERT INTO sets SELECT 'page ' || page, segment.idset_agg(id) FROM visits GROUP BY page;
INSERT INTO sets SELECT 'range ' || g, segment.idset_range(g * 1000, g * 100000) FROM generate_series(1, 60) g;
INSERT INTO sets VALUES ('empty', '{}'), ('null', NULL), ('ends', '{-9223372036854775808,9223372036854775807}'),
                        ('tagged', '{1-3,70000-90000}@4294967295');
ALTER TABLE sets SET (parallel_workers = 4);
ANALYZE sets;
});

sub with_workers
{
	my ($workers, $query, $more) = @_;
	return $node->safe_psql('postgres',
		    "SET max_parallel_workers_per_gather = $workers; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
		  . 'SET min_parallel_table_scan_size = 0;'
		  . ($more // '')
		  . $query);
}

subtest 'parallel plans' => sub {
	my $plain = q{FROM sets WHERE name <> 'tagged'};
	my %queries = (
		'idset_agg' => 'SELECT md5(segment.idset_send(segment.idset_agg(id))) FROM visits',
		'count_distinct' => 'SELECT segment.count_distinct(id) FROM visits',
		'groups' => q{SELECT md5(string_agg(page || s::text, ',' ORDER BY page)) FROM
			(SELECT page, segment.idset_agg(id) AS s FROM visits GROUP BY page) g},
		'small groups' => q{SELECT md5(string_agg(small || s::text, ',' ORDER BY small)) FROM
			(SELECT small, segment.idset_agg(id) AS s FROM visits GROUP BY small) g},
		'union_agg' => "SELECT md5(segment.idset_send(segment.union_agg(members))) $plain",
		'intersect_agg' => "SELECT segment.intersect_agg(members) $plain AND name LIKE 'range%'",
		'symdiff_agg' => "SELECT md5(segment.idset_send(segment.symdiff_agg(members))) $plain",
		'no row' => 'SELECT segment.idset_agg(id) IS NULL, segment.count_distinct(id) FROM visits WHERE page < 0',
		'membership' => q{SELECT count(*) FROM visits WHERE id OPERATOR(segment.<@) (SELECT members FROM sets WHERE name = 'page 3')},);
	is(with_workers(0, 'SELECT segment.count_distinct(id) = count(DISTINCT id) FROM visits'), 't', 'count(DISTINCT)');
	for my $name (sort keys %queries)
	{
		my $serial = with_workers(0, $queries{$name});
		isnt($serial, '', "$name: has a result");
		like(with_workers(3, "EXPLAIN (COSTS OFF) $queries{$name}"), qr/Gather/, "$name: has a parallel plan");
		is(with_workers($_, $queries{$name}), $serial, "$name: $_ workers") for 1 .. 4;
		is(with_workers(3, $queries{$name}, 'SET enable_hashagg = off;'), $serial, "$name: sorted");
		is(with_workers(3, $queries{$name}, q{SET work_mem = '64kB';}), $serial, "$name: little work_mem");
		is(with_workers(2, $queries{$name}, 'SET parallel_leader_participation = off;'), $serial, "$name: workers alone");
	}
};

# Blocks of the value's own table that a statement read.
subtest 'the start of a value is enough' => sub {
	$node->safe_psql(
		'postgres', q{
CREATE TABLE large AS SELECT segment.idset_agg(hashint8extended(i, 1)) AS members FROM generate_series(1, 200000) i;
INSERT INTO sets SELECT 'wide', segment.idset_agg(i * 3) FROM generate_series(1, 100000) i;});
	my $toast = $node->safe_psql('postgres', q{SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'large'});
	for my $case (
		[ 'segment.cardinality(members)', 3 ],
		[ 'segment.lower(members)', 3 ],
		[ 'segment.isempty(members)', 3 ],
		[ 'segment.idset_hash(members)', 3 ],
		[ '4711 OPERATOR(segment.<@) segment.slice(members, 1, 2)', 100000 ],
		[ q{members OPERATOR(segment.&&) '{}'}, 3 ],
		[ q{members OPERATOR(segment.=) '{1-3}'}, 3 ])
	{
		my ($expression, $most) = @$case;
		# The first time also reads the catalogs.
		my $explain = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT $expression FROM large;";
		my @plans = split /Seq Scan/, $node->safe_psql('postgres', "$explain $explain");
		my $blocks = 0;
		$blocks += $_ for (split /\n/, $plans[2])[1] =~ /(?:hit|read)=(\d+)/g;
		$most > 1000
		  ? cmp_ok($blocks, '>', 100, "$expression reads all of it ($toast)")
		  : cmp_ok($blocks, '<', 20, "$expression reads little ($toast)");
	}
};

# Says "prompt", or what was wrong.
sub stopped_after
{
	my ($timeout, $query) = @_;
	my ($stdout, $stderr);
	$node->psql(
		'postgres',
		"\\set VERBOSITY sqlstate\n\\o /dev/null\nLOAD 'pg_segment';\nSET statement_timeout = $timeout;\n\\timing on\n$query;\n"
		  . "\\timing off\n\\o\nSET statement_timeout = 0;\nSELECT 'still here';\n",
		stdout => \$stdout,
		stderr => \$stderr,
		timeout => 60,
		on_error_stop => 0);
	return "no error: $stderr" unless $stderr =~ /^(?:psql:.*)?ERROR:\s+(\w{5})$/m;
	return "SQLSTATE $1" if $1 ne '57014';
	return "session is gone: $stderr" unless $stdout =~ /^still here/m;
	my $late = ($stdout =~ /^Time: ([0-9.]+) ms/m)[0] - $timeout;
	return $late < 100 ? 'prompt' : "$late ms late";
}

subtest 'statement_timeout' => sub {
	$node->safe_psql(
		'postgres', q{
CREATE TABLE huge AS SELECT segment.idset_agg(hashint8extended(i, s)) AS members FROM generate_series(1, 1000000) i, generate_series(1, 2) s GROUP BY s;
});
	my $both = 'FROM huge a, huge b, generate_series(1, 100000)';
	my %long = (
		'idset_agg' => 'SELECT segment.idset_agg(hashint8extended(i, 0)) FROM generate_series(1, 100000000) i',
		'union' => "SELECT count(segment.idset_union(a.members, b.members)) $both",
		'symmetric difference' => "SELECT count(segment.idset_symmetric_difference(a.members, b.members)) $both",
		'intersection_cardinality' => "SELECT sum(segment.intersection_cardinality(a.members, b.members)) $both",
		'union_agg' => "SELECT segment.union_agg(a.members) $both",
		'symdiff_agg' => "SELECT segment.symdiff_agg(a.members) $both",
		'text' => "SELECT sum(length(a.members::text)) $both",
		'sample' => "SELECT count(segment.sample(a.members, 900000)) $both",
		'ids' => 'SELECT count(*) FROM (SELECT segment.ids(segment.idset_range(0, 1000000000000))) i',
		'rank' => "SELECT sum(segment.rank(a.members, 0)) $both",);
	for my $name (sort keys %long)
	{
		my $verdict;
		for my $attempt (1 .. 3)
		{
			$verdict = stopped_after(300, $long{$name});
			last unless $verdict =~ /late/;
			note("$name: $verdict");
		}
		is($verdict, 'prompt', "$name is stopped");
	}
};

subtest 'pg_segment.max_memory' => sub {
	for my $case (
		[ 'idset_agg', 'SELECT segment.idset_agg(hashint8extended(i, 0)) FROM generate_series(1, 1000000) i' ],
		[ 'union_agg', 'SELECT segment.union_agg(members) FROM huge' ],
		[ 'intersect_agg', 'SELECT segment.intersect_agg(members) FROM huge' ])
	{
		my ($name, $query) = @$case;
		my $stderr;
		$node->psql('postgres', "SET pg_segment.max_memory = '2MB';\n\\set VERBOSITY verbose\n$query;\n", stderr => \$stderr);
		like($stderr, qr/ERROR:  54000: .*pg_segment\.max_memory/, "$name is refused");
		$node->psql('postgres', "SELECT 1 FROM ($query) q", stderr => \$stderr);
		is($stderr, '', "$name fits into more");
	}
	my $run = q{SELECT fail_often(s, 5000) FROM unnest(ARRAY['SELECT ''{1-5,x}''::segment.idset',
    'SELECT segment.union_agg(members) FROM sets WHERE name IN (''tagged'', ''range 1'')',
    'SELECT segment.idset_agg(1 / (40 - i)) FROM generate_series(1, 60) i']) s;};
	# The first run is for what the server itself keeps.
	my $growth = $node->safe_psql(
		'postgres', qq{
CREATE FUNCTION fail_often(statement text, times int) RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE
    failed int := 0;
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN
            failed := failed + 1;
        END;
    END LOOP;
    RETURN failed;
END \$\$;
CREATE FUNCTION contexts() RETURNS bigint LANGUAGE sql AS 'SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts';
$run
SELECT contexts() AS before \\gset
SELECT contexts() AS before \\gset
$run
SELECT contexts() - :before;});
	my @lines = split /\n/, $growth;
	is(join(' ', @lines[ 3 .. 5 ]), '5000 5000 5000', 'all of them failed');
	cmp_ok($lines[6], '<', 256 * 1024, 'failing calls leave nothing behind');
};

# ---- every bit

my $bits = q{SELECT name, md5(segment.idset_send(members)), length(segment.idset_send(members)) FROM sets ORDER BY name};
my $expected = $node->safe_psql('postgres', $bits);
my $directory = $node->basedir;

subtest 'dump and copy' => sub {
	$node->command_ok([ 'pg_dump', '-F', 'custom', '-t', 'sets', '-f', "$directory/sets.dump", '-d', 'postgres' ], 'pg_dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->safe_psql('restored', 'CREATE EXTENSION pg_segment');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', "$directory/sets.dump" ], 'pg_restore');
	is($node->safe_psql('restored', $bits), $expected, 'every bit is there');
	for my $format ('text', 'binary')
	{
		$node->safe_psql(
			'postgres', qq{
COPY sets TO '$directory/sets.$format' (FORMAT $format);
CREATE TABLE kept AS TABLE sets;
TRUNCATE sets;
COPY sets FROM '$directory/sets.$format' (FORMAT $format);
DROP TABLE kept;});
		is($node->safe_psql('postgres', $bits), $expected, "COPY, $format");
	}
};

subtest 'logical replication' => sub {
	my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
	$subscriber->init;
	$subscriber->start;
	$node->safe_psql('postgres', 'CREATE PUBLICATION sets FOR TABLE sets');
	my $connection = $node->connstr . ' dbname=postgres';
	for my $binary ('false', 'true')
	{
		my $database = "binary_$binary";
		$subscriber->safe_psql('postgres', "CREATE DATABASE $database");
		$subscriber->safe_psql(
			$database, qq{
CREATE EXTENSION pg_segment; CREATE TABLE sets (name text PRIMARY KEY, members segment.idset);
CREATE SUBSCRIPTION $database CONNECTION '$connection' PUBLICATION sets WITH (binary = $binary)});
		$subscriber->wait_for_subscription_sync($node, $database, $database);
		is($subscriber->safe_psql($database, $bits), $expected, "initial copy, binary = $binary");
	}
	$node->safe_psql(
		'postgres', q{
INSERT INTO sets SELECT 'later', segment.idset_agg(i * i) FROM generate_series(1, 30000) i;
UPDATE sets SET members = members OPERATOR(segment.|) '{5,77777777}' WHERE name IN ('page 1', 'empty');
DELETE FROM sets WHERE name = 'ends';});
	my $changed = $node->safe_psql('postgres', $bits);
	for my $binary ('false', 'true')
	{
		$node->wait_for_catchup("binary_$binary");
		is($subscriber->safe_psql("binary_$binary", $bits), $changed, "changes, binary = $binary");
	}
	$subscriber->stop;
};

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the server log');
done_testing();
