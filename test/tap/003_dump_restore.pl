# Models and partial states are plain values: a dump, a binary copy and logical replication keep every bit of them.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('publisher');
$node->init(allows_streaming => 'logical');
$node->start;

# Values that a careless text form would change, values large enough to be compressed and moved out of line, NULLs.
my $table = q{CREATE TABLE models (id int PRIMARY KEY, note text, model segment.clustering, state segment.kmeans_state)};
my $fill = q{
CREATE FUNCTION one_model(id int, note text, rows text, k int, options jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO models SELECT $1, $2, segment.kmeans(f, $3, $4), segment.kmeans_state(f, $3, $4)'
                   ' FROM (%s) AS rows (f)', rows) USING id, note, k, options;
END $$;
SELECT one_model(1, 'fractions', 'SELECT ARRAY[i / 3.0, sqrt(i), exp(i)] FROM generate_series(1, 100) i', 3);
SELECT one_model(2, 'extremes', 'VALUES (''{1e140,-0,5e-324}''::float8[]), (''{-1e140,2.2250738585072014e-308,1}''),
                                        (''{1e-300,0,0.1}''), (NULL)', 2);
SELECT one_model(3, 'standardized', 'SELECT ARRAY[i, 1, i % 7 / 7.0] FROM generate_series(1, 1000) i', 4,
                 '{"standardize": "zscore", "seed": 9007199254740993, "tol": 1e-17}');
SELECT one_model(4, 'large', 'SELECT array_agg(hashint4(i * 1000 + j) / 3.0) FROM generate_series(1, 200) i,
                              generate_series(1, 300) j GROUP BY i', 100);
SELECT one_model(5, 'no row', 'SELECT NULL::float8[] FROM generate_series(1, 3)', 2);
INSERT INTO models VALUES (6, 'null', NULL, NULL);
};

# Every bit of the table: the bytes that the send functions give.
my $bits = q{
SELECT id, md5(segment.clustering_send(model)), length(segment.clustering_send(model)),
       md5(segment.kmeans_state_send(state)), length(segment.kmeans_state_send(state)),
       md5(segment.finalize(state)::text) = md5(model::text)
FROM models ORDER BY id};

$node->safe_psql('postgres', "CREATE EXTENSION pg_segment; $table; $fill");
my $expected = $node->safe_psql('postgres', $bits);
is(scalar(split /\n/, $expected), 6, 'the table has its rows');
like($expected, qr/^4\|[0-9a-f]{32}\|\d{6}\|[0-9a-f]{32}\|\d{6}\|t$/m, 'the large model is large');
like($expected, qr/^5\|\|\|[0-9a-f]{32}\|\d+\|$/m, 'no usable row: a state, but no model');

is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM models
WHERE segment.clustering_send(model) <> segment.clustering_send(model::text::segment.clustering)
   OR segment.kmeans_state_send(state) <> segment.kmeans_state_send(state::text::segment.kmeans_state)}),
	0,
	'text keeps every bit');

my $directory = $node->basedir;
for my $format ('plain', 'custom', 'directory')
{
	my $file = "$directory/dump.$format";
	my $database = "restored_$format";
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $file, '-d', 'postgres' ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my @restore =
	  $format eq 'plain'
	  ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-f', $file)
	  : ('pg_restore', '--exit-on-error', '-d', $database, $file);
	$node->command_ok(\@restore, "restore, $format");
	is($node->safe_psql($database, $bits), $expected, "every bit is there: $format");
}

$node->command_ok([ 'pg_dump', '--inserts', '-t', 'models', '-f', "$directory/inserts.sql", '-d', 'postgres' ],
	'pg_dump --inserts');
$node->safe_psql('postgres', 'CREATE DATABASE inserted');
$node->safe_psql('inserted', 'CREATE EXTENSION pg_segment');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'inserted', '-f', "$directory/inserts.sql" ],
	'restore of INSERTs');
is($node->safe_psql('inserted', $bits), $expected, 'every bit is there: INSERTs');

for my $format ('text', 'binary', 'csv')
{
	my $database = "copied_$format";
	$node->safe_psql('postgres', "COPY models TO '$directory/copy.$format' (FORMAT $format); CREATE DATABASE $database");
	$node->safe_psql($database,
		"CREATE EXTENSION pg_segment; $table; COPY models FROM '$directory/copy.$format' (FORMAT $format)");
	is($node->safe_psql($database, $bits), $expected, "COPY, $format");
}

# One subscription copies and streams text, the other one binary.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$node->safe_psql('postgres', 'CREATE PUBLICATION models FOR TABLE models');
my $connection = $node->connstr . ' dbname=postgres';
for my $binary ('false', 'true')
{
	my $database = "binary_$binary";
	$subscriber->safe_psql('postgres', "CREATE DATABASE $database");
	$subscriber->safe_psql(
		$database, qq{
CREATE EXTENSION pg_segment; $table;
CREATE SUBSCRIPTION $database CONNECTION '$connection' PUBLICATION models WITH (binary = $binary)});
	$subscriber->wait_for_subscription_sync($node, $database, $database);
	is($subscriber->safe_psql($database, $bits), $expected, "initial copy of a subscription, binary = $binary");
}

$node->safe_psql(
	'postgres', q{
SELECT one_model(7, 'later', 'SELECT ARRAY[i, sin(i), 1 / i::float8] FROM generate_series(1, 500) i', 7);
UPDATE models SET model = (SELECT model FROM models WHERE id = 7), state = (SELECT segment.rollup(state) FROM models WHERE id = 7)
WHERE id = 6;
UPDATE models SET note = 'touched' WHERE id = 4; -- a value out of line that did not change is not sent
DELETE FROM models WHERE id = 1;
});
my $changed = $node->safe_psql('postgres', $bits);
isnt($changed, $expected, 'the publisher changed');
for my $binary ('false', 'true')
{
	$node->wait_for_catchup("binary_$binary");
	is($subscriber->safe_psql("binary_$binary", $bits), $changed, "changes of a subscription, binary = $binary");
}

for my $server ($subscriber, $node)
{
	$server->stop;
	unlike(slurp_file($server->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the log of ' . $server->name);
}
done_testing();
