# segment.rfm as a whole: the same bits with any number of workers and for shuffled rows, published scores, cancel, memory.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('rfm');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
max_parallel_workers = 8
max_parallel_workers_per_gather = 4
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
CONF
$node->start;
sub sql { return $node->safe_psql('postgres', join("\n", @_)) }

sql(q{
CREATE EXTENSION pg_segment;
CREATE TABLE orders AS
SELECT hashint8(i) % 20011 AS customer_id, timestamptz '2023-01-01' + abs(hashint8(-i)::bigint) % 63072000 * interval '1 second' AS at,
       (hashint8(i * 3) % 100000)::numeric / 100 AS amount, (hashint8(i * 5) / 977.0)::float8 AS weight
FROM generate_series(1, 200000) AS i;
CREATE TABLE shuffled AS SELECT * FROM orders ORDER BY md5(at::text || customer_id);
ALTER TABLE orders SET (parallel_workers = 4);
ALTER TABLE shuffled SET (parallel_workers = 4);
ANALYZE;
});

# A digest of every row, in the order of the customers.
sub digest
{
	my ($arguments, @settings) = @_;
	my $result = sql((map { "SET $_;" } @settings),
		"SELECT count(*), md5(string_agg(c::text, ' ' ORDER BY customer_id)) FROM segment.rfm($arguments) AS c");
	die "too few customers: $result" unless $result =~ /^(\d+)\|/ && $1 > 30000;
	return $result;
}

for my $case (
	[ 'sums of numeric', q{} ],
	[ 'sums of double precision', q{}, 'weight' ],
	[ 'means', q{, monetary => 'mean'} ],
	[ 'maxima, in orders', q{, monetary => 'max', frequency => 'orders'} ],
	[ 'ntile', q{, method => 'ntile'} ],
	[ 'nested', q{, method => 'nested'} ])
{
	my ($name, $options, $amount) = @$case;
	$amount //= 'amount';
	my $arguments = "'orders', 'customer_id', 'at', '$amount', '2025-01-01'$options";
	my $serial = digest($arguments, 'max_parallel_workers_per_gather = 0');
	is(digest($arguments, "max_parallel_workers_per_gather = $_"), $serial, "$name: $_ workers") for 1, 2, 4;
	is(digest($arguments =~ s/orders/shuffled/r), $serial, "$name: shuffled rows");
	next if $name eq 'ntile';
	is(digest($arguments, "pg_segment.max_memory = '1MB'", "max_parallel_workers_per_gather = $_"), $serial,
		"$name: part by part, $_ workers")
	  for 0, 3;
}
my $plan = sql(q{EXPLAIN (COSTS OFF) SELECT segment.rfm_gather(customer_id::bigint, at, amount, '2025-01-01', 1) FROM orders});
like($plan, qr/Partial Aggregate/, 'the gathering half runs in workers');

# Doubling the currency changes no score.
for my $method (qw(quantile ntile percent_rank cume_dist nested))
{
	is( sql(qq{
CREATE OR REPLACE VIEW doubled AS SELECT customer_id, at, amount * 2 AS amount FROM orders;
SELECT count(*) FROM segment.rfm('orders', 'customer_id', 'at', 'amount', '2025-01-01', method => '$method') AS a
FULL JOIN segment.rfm('doubled', 'customer_id', 'at', 'amount', '2025-01-01', method => '$method') AS b USING (customer_id)
WHERE row(a.r, a.f, a.m, a.monetary * 2) IS DISTINCT FROM row(b.r, b.f, b.m, b.monetary)}),
		'0', "$method: a doubled currency changes no score");
}

# Cancelling: soon after the timeout, while reading, scoring and writing rows.
sql(q{
CREATE TABLE many AS SELECT i AS customer_id, timestamptz '2024-01-01' + i * interval '1 second' AS at, (i % 977)::numeric AS amount
FROM generate_series(1, 1500000) AS i;
ANALYZE many;
});
for my $case ([ 150, q{} ], [ 400, q{} ], [ 700, q{} ], [ 900, q{, method => 'ntile'} ], [ 1300, q{, method => 'ntile'} ])
{
	my ($timeout, $options) = @$case;
	my ($out, $error);
	my $begin = time;
	$node->psql('postgres',
		"SET max_parallel_workers_per_gather = 0; SET statement_timeout = $timeout; SELECT count(*) FROM segment.rfm('many', 'customer_id', 'at', 'amount', '2025-01-01'$options)",
		stdout => \$out, stderr => \$error);
	my $late = (time - $begin) * 1000 - $timeout;
  SKIP:
	{
		skip 'finished in time', 1 if $error eq '';
		like($error, qr/statement timeout/, "cancelled after $timeout ms");
		note("$late ms late, the session's start included");
	}
}

# Published scores. PGSEG_DATA names the folder that holds the data.
my $data = $ENV{PGSEG_DATA};
SKIP:
{
	skip 'PGSEG_DATA names no folder with the data', 1 unless $data && -d "$data/rfm";
	sql(q{CREATE TABLE r_orders (customer_id text, order_date date, revenue numeric, first_name text, last_name text, email text);
CREATE TABLE r_expected (customer_id text, recency_days integer, transaction_count integer, amount numeric,
    r integer, f integer, m integer, rfm_score integer, segment text);},
		"\\copy r_orders FROM PROGRAM 'zcat $data/rfm/rfm_data_orders.csv.gz' (FORMAT csv, HEADER)",
		"\\copy r_expected FROM '$data/rfm/expected_orders_rfm.csv' (FORMAT csv, HEADER)\n");
	my $call =
	  q{segment.rfm_text('r_orders', 'customer_id', 'order_date', 'revenue', '2006-12-31', method => 'r_rfm', frequency => 'orders', map => 'putler')};
	is( sql(qq{SELECT count(*), count(*) FILTER (WHERE row(a.recency_days, a.frequency, a.monetary, a.r, a.f, a.m) IS DISTINCT FROM
        row(b.recency_days, b.transaction_count, b.amount, b.r, b.f, b.m)) FROM $call AS a FULL JOIN r_expected AS b USING (customer_id)}),
		'995|0', 'R rfm: every customer as published');
	is( sql(qq{SELECT string_agg(concat_ws(' ', segment, customers, orders, revenue), ', ' ORDER BY customers DESC, segment)
FROM (SELECT segment, count(*) AS customers, sum(frequency) AS orders, sum(monetary) AS revenue FROM $call GROUP BY segment) AS q}),
		'Loyal 278 1708 166712, Potential 229 801 65873, Champions 158 1234 120178, Lost 111 244 20955, '
		  . 'At Risk 86 438 44178, About To Sleep 50 127 10914, Others 48 210 22061, Need Attention 35 144 13287',
		'R rfm: segments as published');
	is( sql(qq{SELECT count(*) FROM segment.rfm_text('r_orders', 'customer_id', 'order_date', 'revenue', '2006-12-31', frequency => 'orders', method => 'ntile') AS a
JOIN r_expected AS b USING (customer_id) WHERE a.f <> b.f}),
		'239', 'NTILE(5) changes the frequency score of 239 customers');
}

done_testing();
