# Real data with published answers. PGSEG_DATA names the folder that holds it; without it the test is skipped.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{PGSEG_DATA};
plan skip_all => 'PGSEG_DATA names no folder with the data' unless $data && -d "$data/cdnow";

my $node = PostgreSQL::Test::Cluster->new('reference');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_segment');

sub load_csv
{
	my ($table, $columns, $command) = @_;
	$node->safe_psql('postgres', "CREATE TABLE $table ($columns);\n\\copy $table FROM PROGRAM '$command' (FORMAT csv, HEADER)");
	return;
}

sub within
{
	my ($got, $expected, $tolerance, $name) = @_;
	cmp_ok(abs($got - $expected), '<=', $tolerance * abs($expected), "$name: $got, published $expected");
	return;
}

# CDNOW: the music shop of the customer-base literature.
load_csv('cdnow', 'customer_id integer, date date, cds integer, dollar_value numeric',
	"zcat $data/cdnow/cdnow_master.csv.gz");
my $rfm = "segment.rfm('cdnow', 'customer_id', 'date', 'dollar_value', '1998-07-01')";
is($node->safe_psql('postgres', "SELECT count(*), sum(monetary) FROM $rfm"), '23570|2500315.63',
	'every customer, and money to the cent');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT f) FROM $rfm WHERE frequency = 1"), '12054|1',
	'customers who bought on one day share one frequency score');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM (SELECT FROM $rfm GROUP BY frequency HAVING count(DISTINCT f) > 1) AS split"),
	'0', 'no frequency is split');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM (SELECT FROM $rfm GROUP BY recency_days HAVING count(DISTINCT r) > 1) AS split"),
	'0', 'no recency is split');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM (SELECT FROM $rfm GROUP BY monetary HAVING count(DISTINCT m) > 1) AS split"),
	'0', 'no monetary value is split');
is($node->safe_psql('postgres', "SELECT count(*) FROM $rfm WHERE segment IS NULL"), '0', 'everybody has a segment');
is( $node->safe_psql('postgres', <<'SQL'), '44021', 'gaps between purchase days');
SELECT sum((facts).days - 1)
FROM (SELECT segment.rfm_agg(date, dollar_value) AS facts FROM cdnow GROUP BY customer_id) AS customers
SQL

# UCI Online Retail, with returns and order lines.
load_csv('retail',
	'invoice text, stock_code text, description text, quantity integer, at timestamp, price numeric, customer_id numeric, country text',
	"zcat $data/online_retail/online_retail.csv.gz");
is( $node->safe_psql('postgres', <<'SQL'), '4338|8911407.904|0.000', 'cleaned order lines');
SELECT count(*), sum((facts).revenue), sum((facts).refunds)
FROM (SELECT segment.rfm_agg(at, quantity * price) AS facts FROM retail
      WHERE customer_id IS NOT NULL AND invoice NOT LIKE 'C%' AND quantity > 0 AND price > 0
      GROUP BY customer_id) AS customers
SQL
is($node->safe_psql('postgres', 'SELECT (segment.rfm_agg(at, quantity * price)).revenue FROM retail'), '9747747.934',
	'returns included');

# k-means with default options finds the published optima.
load_csv('wholesale', 'channel integer, region integer, f1 float8, f2 float8, f3 float8, f4 float8, f5 float8, f6 float8',
	"cat $data/wholesale/wholesale_customers.csv");
my %wholesale = (2 => 113217528520.91, 3 => 80332413843.02, 4 => 64855545528.21, 5 => 52928148942.58);
for my $k (sort keys %wholesale)
{
	my $inertia = $node->safe_psql('postgres',
		"SELECT (segment.model_info(segment.kmeans(ARRAY[f1, f2, f3, f4, f5, f6], $k))).inertia FROM wholesale");
	cmp_ok($inertia, '<=', $wholesale{$k} * (1 + 1e-9), "wholesale, k = $k: $inertia, published $wholesale{$k}");
}
load_csv('iris', 'f1 float8, f2 float8, f3 float8, f4 float8, label integer', "cat $data/sklearn_toy/iris.csv");
within(
	$node->safe_psql('postgres', 'SELECT (segment.model_info(segment.kmeans(ARRAY[f1, f2, f3, f4], 3))).inertia FROM iris'),
	78.85144142614601, 1e-12, 'iris, k = 3');
for (
	[ 'wine', 3, 13, 2370689.686782968 ],
	[ 'breast_cancer', 2, 30, 77943099.878 ])
{
	my ($set, $k, $features, $expected) = @$_;
	$node->safe_psql('postgres',
		"CREATE TABLE $set (line text);\n\\copy $set FROM PROGRAM 'tail -n +2 $data/sklearn_toy/$set.csv' (DELIMITER E'\\x01')");
	within(
		$node->safe_psql('postgres',
			"SELECT (segment.model_info(segment.kmeans((string_to_array(line, ','))[1:$features]::float8[], $k))).inertia FROM $set"),
		$expected, 1e-9, "$set, k = $k");
}

$node->stop;
done_testing();
