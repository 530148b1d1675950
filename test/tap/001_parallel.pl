# The same rows give the same model, bit for bit: whatever the number of workers, the order of the rows, the plan,
# and however the rows were split into stored partial states.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\nmax_parallel_workers = 16");
$node->start;

# Values that depend on the row alone, of magnitudes whose sum depends on the order of addition. Some rows are skipped.
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE TABLE customers (id int, bucket int, features float8[]) WITH (parallel_workers = 4);
INSERT INTO customers
SELECT i, i % 13,
       CASE WHEN i % 997 = 0 THEN NULL
            WHEN i % 499 = 0 THEN ARRAY[1, NULL, 3]
            ELSE ARRAY[hashint4(i) / 1e9, exp(hashint4(i + 1000000) / 3e8), (i % 5) * 1e6 + hashint4(-i) / 7e12] END
FROM generate_series(1, 20000) i;
CREATE TABLE shuffled WITH (parallel_workers = 4) AS SELECT * FROM customers ORDER BY md5(id::text);
ANALYZE customers;
ANALYZE shuffled;
});

my $model = q{segment.kmeans(features, 5, '{"seed": 7, "standardize": "zscore"}')};
my $state = q{segment.kmeans_state(features, 5, '{"seed": 7, "standardize": "zscore"}')};

my $columns = q{segment.kmeans(5, '{"seed": 7, "standardize": "zscore"}', features[1], features[2], features[3])};

# Text shows every bit: floats print in their shortest exact form.
sub fingerprint
{
	my ($what) = @_;
	return "md5($what\:\:text)";
}

# Runs a query with a number of workers; a parallel plan is taken whenever there is one.
sub with_workers
{
	my ($workers, $query, $more) = @_;
	return $node->safe_psql('postgres', settings($workers) . ($more // '') . $query);
}

sub settings
{
	my ($workers) = @_;
	return "SET max_parallel_workers_per_gather = $workers;"
	  . 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;';
}

my $expected = with_workers(0, 'SELECT ' . fingerprint($model) . ' FROM customers');
like($expected, qr/^[0-9a-f]{32}$/, 'serial plan trains a model');

is(with_workers(0, "SELECT (segment.model_info($model)).rows FROM customers"), 20000 - 20 - 40,
	'rows with a NULL feature are left out');

my $other = q{segment.kmeans(features, 5, '{"seed": 8, "n_init": 1, "standardize": "zscore"}')};
isnt(with_workers(0, 'SELECT ' . fingerprint($other) . ' FROM customers'),
	$expected, 'the fingerprint tells models apart');

subtest 'workers' => sub {
	for my $workers (1 .. 4)
	{
		for my $aggregate ($model, $columns)
		{
			my $plan = with_workers($workers,
				"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT $aggregate FROM customers");
			like($plan, qr/Partial Aggregate/, "$workers workers: the plan is parallel");
			like($plan, qr/Workers Launched: $workers\b/, "$workers workers: all of them ran");
		}
		for my $table ('customers', 'shuffled')
		{
			is(with_workers($workers, 'SELECT ' . fingerprint($model) . " FROM $table"),
				$expected, "$workers workers: $table");
			is(with_workers($workers, 'SELECT ' . fingerprint($columns) . " FROM $table"),
				$expected, "$workers workers: $table, features as columns");
		}
	}
	is( with_workers(
			3, 'SELECT ' . fingerprint($model) . ' FROM customers', 'SET parallel_leader_participation = off;'),
		$expected,
		'workers alone');
	is(with_workers(4, "SELECT $model IS NULL FROM customers WHERE id < 0"), 't', 'no row gives NULL');
	is(with_workers(4, "SELECT $model IS NULL FROM customers WHERE id = 997"), 't', 'no usable row gives NULL');
};

subtest 'row order' => sub {
	for my $order ('id DESC', 'features', 'md5(id::text)', 'features[3] NULLS FIRST')
	{
		is(with_workers(0, 'SELECT ' . fingerprint($model) . " FROM (SELECT * FROM customers ORDER BY $order) ordered"),
			$expected, "rows by $order");
	}
	my $ordered = $model =~ s/\)$/ ORDER BY -id)/r;
	is(with_workers(0, 'SELECT ' . fingerprint($ordered) . ' FROM customers'), $expected, 'ORDER BY in the aggregate');
};

subtest 'groups' => sub {
	my $by_bucket =
	  'SELECT md5(string_agg(g.f, \'\' ORDER BY g.bucket)) FROM (SELECT bucket, '
	  . fingerprint($model)
	  . ' f FROM %s GROUP BY bucket) g';
	my $serial = with_workers(0, sprintf($by_bucket, 'customers'));
	is(with_workers(4, sprintf($by_bucket, 'shuffled')), $serial, 'a model a group: parallel');
	is(with_workers(4, sprintf($by_bucket, 'shuffled'), 'SET enable_hashagg = off;'),
		$serial, 'a model a group: parallel and sorted');
	is(with_workers(0, sprintf($by_bucket, 'shuffled'), 'SET enable_hashagg = off;'),
		$serial, 'a model a group: serial and sorted');
	is(with_workers(0, sprintf($by_bucket, 'shuffled'), q{SET work_mem = '64kB';}),
		$serial, 'a model a group: little work_mem');
};

subtest 'stored partial states' => sub {
	with_workers(
		2, qq{
CREATE TABLE states WITH (parallel_workers = 3) AS SELECT bucket, $state AS state FROM shuffled GROUP BY bucket;
CREATE TABLE states_by_text AS SELECT bucket, state::text::segment.kmeans_state AS state FROM states;
INSERT INTO states VALUES (NULL, NULL);
ANALYZE states;});
	my $merged = 'SELECT ' . fingerprint('segment.finalize(segment.rollup(state))');
	is(with_workers(0, "$merged FROM states"), $expected, 'rollup of a state a bucket');
	is(with_workers(0, "$merged FROM (SELECT state FROM states ORDER BY bucket DESC) s"),
		$expected, 'rollup in another order');
	is(with_workers(0, "$merged FROM states_by_text"), $expected, 'rollup of states that were text');
	is(with_workers(0, "$merged FROM (SELECT segment.rollup(state) state FROM states GROUP BY bucket % 4) s"),
		$expected, 'rollup of rollups');
	my $plan = with_workers(3, 'EXPLAIN (COSTS OFF) SELECT segment.rollup(state) FROM states');
	like($plan, qr/Partial Aggregate/, 'rollup has a parallel plan');
	is(with_workers(3, "$merged FROM states"), $expected, 'rollup in parallel');
	is(with_workers(0, 'SELECT ' . fingerprint("segment.finalize($state)") . ' FROM customers'),
		$expected, 'one state, finalized');
	is(with_workers(3, 'SELECT ' . fingerprint("segment.finalize($state)") . ' FROM customers'),
		$expected, 'one state gathered in parallel, finalized');
	is(with_workers(0, 'SELECT count(DISTINCT state::text) FROM states'), 13, 'rollup left the stored states alone');
};

# The final function runs again and again on a state that goes on growing.
subtest 'window aggregate' => sub {
	is(with_workers(0, 'SELECT DISTINCT ' . fingerprint("$model OVER ()") . ' FROM customers WHERE id > 0'),
		$expected, 'over everything');
	# Every frame holds the three rows that three clusters need.
	my %frames = (
		'UNBOUNDED PRECEDING AND 9 FOLLOWING' => '1 AND w.id + 9',
		'9 PRECEDING AND 9 FOLLOWING' => 'w.id - 9 AND w.id + 9',
		'2 PRECEDING AND UNBOUNDED FOLLOWING' => 'w.id - 2 AND 60');
	for my $frame (sort keys %frames)
	{
		my $window = "OVER (ORDER BY id ROWS BETWEEN $frame)";
		my $result = with_workers(
			0, qq{
WITH few AS MATERIALIZED (SELECT * FROM customers WHERE id <= 60),
     w AS (SELECT id, segment.kmeans(features, 3) $window model, segment.kmeans_state(features, 3) $window state
           FROM few),
     e AS (SELECT w.*, (SELECT segment.kmeans(features, 3)::text FROM few WHERE few.id BETWEEN $frames{$frame}) expected
           FROM w)
SELECT count(*), count(*) FILTER (WHERE model::text = expected),
       count(*) FILTER (WHERE segment.finalize(state)::text = expected)
FROM e});
		is($result, '60|60|60', "rows between $frame");
	}
};

# RFM facts are small flat states: the same checks over customers with few and with very many orders.
subtest 'rfm' => sub {
	$node->safe_psql(
		'postgres', q{
CREATE TABLE orders (customer_id int, at timestamptz, amount numeric, approximate float8) WITH (parallel_workers = 4);
INSERT INTO orders
SELECT abs(hashint4(i)) % 2000 * (i % 3), timestamptz '2024-01-01' + (abs(hashint4(-i)) % 63072000) * interval '1 second',
       (hashint4(i + 7) % 100000)::numeric / 100 / (1 + i % 3), exp(hashint4(i + 9) / 1e8)
FROM generate_series(1, 60000) AS i;
ANALYZE orders;
});
	my $facts = q{
SELECT md5(string_agg(concat_ws('|', customer_id, numeric_facts, float_facts, state), ',' ORDER BY customer_id))
FROM (SELECT customer_id, segment.rfm_agg(at, amount) AS numeric_facts, segment.rfm_agg(at, approximate) AS float_facts,
             segment.rfm_state(at, approximate) AS state
      FROM ORDERS GROUP BY customer_id) AS customers};
	my $serial = with_workers(0, $facts);
	like($serial, qr/^[0-9a-f]{32}$/, 'serial');
	like(with_workers(2, "EXPLAIN (COSTS OFF) $facts"), qr/Partial (Hash|Group)Aggregate/, 'the plan is parallel');
	is(with_workers($_, $facts), $serial, "$_ workers") for 1 .. 4;
	is(with_workers(2, $facts, 'SET enable_hashagg = off;'), $serial, 'sorted groups');
	is(with_workers(2, $facts, 'SET parallel_leader_participation = off;'), $serial, 'workers alone');
	is(with_workers(0, $facts =~ s/FROM ORDERS/FROM (SELECT * FROM orders ORDER BY md5(at::text)) AS shuffled/r),
		$serial, 'rows in another order');
	is( with_workers(
			2, q{
SELECT md5(string_agg(concat_ws('|', customer_id, numeric_facts, float_facts, state), ',' ORDER BY customer_id))
FROM (SELECT customer_id, segment.finalize(segment.rollup(exact)) AS numeric_facts,
             segment.finalize(segment.rollup(rounded)) AS float_facts, segment.rollup(rounded) AS state
      FROM (SELECT customer_id, segment.rfm_state(at, amount) AS exact, segment.rfm_state(at, approximate) AS rounded
            FROM orders GROUP BY customer_id, date_trunc('month', at)) AS monthly
      GROUP BY customer_id) AS customers}),
		$serial, 'stored partial states of months');
};

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the server log');
done_testing();
