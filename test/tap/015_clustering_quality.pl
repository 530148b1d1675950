# Measures of clusterings: the same bits from any plan, published values on real data, and prompt cancellation.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\nmax_parallel_workers = 16\njit = off");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE TABLE customers (id int, features float8[], cluster int) WITH (parallel_workers = 4);
INSERT INTO customers
SELECT i,
       CASE WHEN i % 997 = 0 THEN NULL
            WHEN i % 499 = 0 THEN ARRAY[1, NULL]
            ELSE ARRAY[hashint4(i) / 1e9 + i % 4, exp(hashint4(i + 1000000) / 3e8)] END,
       CASE WHEN i % 101 > 0 THEN i % 4 END
FROM generate_series(1, 6000) i;
CREATE TABLE shuffled WITH (parallel_workers = 4) AS SELECT * FROM customers ORDER BY md5(id::text);
CREATE TABLE model AS SELECT segment.kmeans(features, 4, '{"seed": 3, "standardize": "zscore"}') AS model FROM customers;
ANALYZE customers;
ANALYZE shuffled;
});

sub with_workers
{
	my ($workers, $query) = @_;
	return $node->safe_psql('postgres',
		"SET max_parallel_workers_per_gather = $workers; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
		  . "SET min_parallel_table_scan_size = 0; $query");
}

# Text shows every bit: floats print in their shortest exact form.
my %measures = (
	'labels' => 'segment.silhouette(features, cluster), segment.simplified_silhouette(features, cluster),'
	  . 'segment.calinski_harabasz(features, cluster), segment.davies_bouldin(features, cluster), segment.inertia(features, cluster)',
	'model' => 'segment.silhouette((SELECT model FROM model), features), segment.inertia((SELECT model FROM model), features),'
	  . 'segment.simplified_silhouette((SELECT model FROM model), features)',
	'sweep' => q{segment.kmeans_sweep(features, 1, 4, '{"train_rows": 3000, "sample": 1000}')});
for my $name (sort keys %measures)
{
	my $query = "SELECT $measures{$name} FROM";
	my $expected = with_workers(0, "$query customers");
	like($expected, qr/[0-9]\.[0-9]{8}/, "$name: serial plan measures");
	like(
		with_workers(4, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $query customers"),
		qr/Partial Aggregate.*Workers Launched: [1-4]|Workers Launched: [1-4].*Partial Aggregate/s,
		"$name: the plan is parallel");
	for my $workers (0, 1, 2, 4)
	{
		is(with_workers($workers, "$query customers"), $expected, "$name: $workers workers");
		is(with_workers($workers, "$query shuffled"), $expected, "$name: $workers workers, shuffled rows");
	}
	is(with_workers(4, "$query customers WHERE id < 0"), $name eq 'labels' ? '||||' : $name eq 'model' ? '||' : '',
		"$name: no row gives NULL");
}

subtest 'stored partial states' => sub {
	for (
		[ 'segment.labelled_state(features, cluster)', 'segment.labelled_state' ],
		[ 'segment.model_fit((SELECT model FROM model), features)', 'segment.model_fit' ],
		[ q{segment.kmeans_sweep_state(features, 1, 3, '{"references": 2, "replicates": 2}')}, 'segment.kmeans_sweep_state' ])
	{
		my ($aggregate, $type) = @$_;
		my $read = { 'segment.labelled_state' => 'segment.silhouette', 'segment.model_fit' => 'segment.simplified_silhouette',
			'segment.kmeans_sweep_state' => 'segment.finalize' }->{$type};
		my $expected = $node->safe_psql('postgres', "SELECT $read($aggregate) FROM customers");
		is( $node->safe_psql('postgres',
				"SELECT $read(segment.rollup(state::text::$type)) FROM (SELECT $aggregate AS state FROM customers GROUP BY id % 7) parts"),
			$expected, $type);
	}
};

subtest 'real data' => sub {
	my $data = $ENV{PGSEG_DATA};
	plan skip_all => 'PGSEG_DATA names no folder with the data' unless $data && -d "$data/sklearn_toy";

	# scikit-learn 1.2.1: silhouette_score, calinski_harabasz_score, davies_bouldin_score of the known classes
	for (
		[ 'iris', 4, 0.503477440693296, 487.33087637489984, 0.7513707094756737 ],
		[ 'wine', 13, 0.20008297882823028, 206.6781164482878, 1.5154862521642123 ])
	{
		my ($set, $features, @expected) = @$_;
		$node->safe_psql('postgres',
			"CREATE TABLE $set (line text);\n\\copy $set FROM PROGRAM 'tail -n +2 $data/sklearn_toy/$set.csv' (DELIMITER E'\\x01')");
		my $row = "(string_to_array(line, ','))[1:$features]::float8[], (string_to_array(line, ','))[" . ($features + 1) . ']::integer';
		my @got = split /\|/,
		  $node->safe_psql('postgres',
			"SELECT segment.silhouette($row), segment.calinski_harabasz($row), segment.davies_bouldin($row) FROM $set");
		cmp_ok(abs($got[$_] / $expected[$_] - 1), '<', 1e-12, "$set: $got[$_]") for 0 .. 2;
	}
	my $sweep = q{segment.kmeans_sweep((string_to_array(line, ','))[1:%d]::float8[], 1, 10, '{"standardize": "zscore"}')};
	is($node->safe_psql('postgres', sprintf("SELECT (segment.choose_k($sweep)).k FROM wine", 13)), '3', 'wine has three classes');
	like($node->safe_psql('postgres', sprintf("SELECT (segment.choose_k($sweep)).k FROM iris", 4)), qr/^[23]$/,
		'iris has two or three classes: two of three touch');
};

# Minutes of work each.
$node->safe_psql('postgres', q{CREATE TABLE many AS SELECT ARRAY[hashint4(i) / 1e9, hashint4(-i) / 1e9] AS features, i % 3 AS cluster FROM generate_series(1, 300000) i});
my %long = (
	'silhouette' => 'SELECT segment.silhouette(features, cluster) FROM many',
	'silhouette, rows alone' => 'SELECT segment.silhouette(features, CASE WHEN cluster > 0 THEN row_number ELSE 0 END)'
	  . ' FROM (SELECT *, row_number() OVER ()::int FROM many) rows',
	'simplified silhouette, many clusters' => 'SELECT segment.simplified_silhouette(features, n / 2) FROM (SELECT *, row_number() OVER ()::int AS n FROM many) rows',
	'Davies-Bouldin, many clusters' => 'SELECT segment.davies_bouldin(features, n) FROM (SELECT *, row_number() OVER ()::int AS n FROM many) rows',
	'sweep' => q{SELECT segment.kmeans_sweep(features, 1, 900, '{"replicates": 1000, "references": 1000}') FROM many},);

# Says "prompt", or what was wrong.
sub stopped_after
{
	my ($timeout, $query) = @_;
	my ($stdout, $stderr);
	$node->psql(
		'postgres',
		"\\set VERBOSITY sqlstate\n\\o /dev/null\nLOAD 'pg_segment';\nSET statement_timeout = $timeout;\n"
		  . "\\timing on\n$query;\n\\timing off\n\\o\nSET statement_timeout = 0;\nSELECT 'still here';\n",
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 0);
	return "no error: $stderr" unless $stderr =~ /^(?:psql:.*)?ERROR:\s+(\w{5})$/m;
	return "SQLSTATE $1" if $1 ne '57014';
	return "session is gone: $stderr" unless $stdout =~ /^still here/m;
	my $late = ($stdout =~ /^Time: ([0-9.]+) ms/m)[0] - $timeout;
	return $late < 100 ? 'prompt' : "$late ms late";
}

# The machine may be busy with something else for a moment, hence the attempts.
for my $name (sort keys %long)
{
	for my $timeout (600, 1500)
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

$node->stop;
done_testing();
