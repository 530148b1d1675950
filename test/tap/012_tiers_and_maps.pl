# RFM maps and loyalty tiers on real data, against published answers and against plain SQL. PGSEG_DATA names the
# folder that holds the data; without it the test is skipped.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{PGSEG_DATA};
plan skip_all => 'PGSEG_DATA names no folder with the data' unless $data && -d "$data/rfm" && -d "$data/cdnow";

my $node = PostgreSQL::Test::Cluster->new('tiers');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_segment');

sub load_csv
{
	my ($table, $columns, $command) = @_;
	$node->safe_psql('postgres', "CREATE TABLE $table ($columns);\n\\copy $table FROM PROGRAM '$command' (FORMAT csv, HEADER)");
	return;
}

# R's package rfm: its orders, its scores, and the map of its tests, name by name.
load_csv('scores', 'customer text, recency_days integer, orders bigint, revenue numeric, r integer, f integer, m integer, cell text, segment text',
	"cat $data/rfm/expected_orders_rfm.csv");
my $published = <<'END';
Champions|158|1234|120178
Loyal|278|1708|166712
Potential|229|801|65873
Lost|111|244|20955
At Risk|86|438|44178
About To Sleep|50|127|10914
Others|48|210|22061
Need Attention|35|144|13287
END
my $by_segment = $node->safe_psql('postgres', <<'SQL');
SELECT segment.rfm_segment(r, f, m, 'putler'), count(*), sum(orders), sum(revenue) FROM scores GROUP BY 1
SQL
is(join("\n", sort split /\n/, $by_segment), join("\n", sort split /\n/, $published),
	"customers, orders and revenue of each segment, as R's package counts them");
is($node->safe_psql('postgres', "SELECT count(*) FROM scores WHERE segment.rfm_segment(r, f, m, 'r_rfm') IS NULL"), '0',
	'a fallback leaves nobody without a name');

# The whole way from the orders: scores by the package's method, names by its map.
load_csv('orders', 'customer text, ordered_on date, revenue numeric, first_name text, last_name text, email text',
	"zcat $data/rfm/rfm_data_orders.csv.gz");
my $summary = $node->safe_psql('postgres', <<'SQL');
SELECT segment, customers, orders, revenue::integer
FROM segment.rfm_summary('orders', 'customer', 'ordered_on', 'revenue', '2006-12-31', method => 'r_rfm', frequency => 'orders', map => 'putler')
SQL
is(join("\n", sort split /\n/, $summary), join("\n", sort split /\n/, $published), 'the same from the orders in one call');

# The check knows the faults of the published maps.
my %faults = (
	cells125 => '0|0|0', klaviyo27 => '0|0|0', rf25 => '0|0|0', r_rfm => '10|58|0', putler => '36|39|3', braze => '1|39|0');
for my $map (sort keys %faults)
{
	is( $node->safe_psql('postgres', <<"SQL"), $faults{$map}, "$map: uncovered, overlapping, unreachable");
SELECT count(*) FILTER (WHERE kind = 'uncovered'), count(*) FILTER (WHERE kind = 'overlapping'),
       count(*) FILTER (WHERE kind = 'unreachable')
FROM segment.rfm_map_check('$map')
SQL
}

# CDNOW: tiers of every customer against plain SQL over the same window.
load_csv('cdnow', 'customer_id integer, date date, cds integer, dollar_value numeric', "zcat $data/cdnow/cdnow_master.csv.gz");
my $tiers = q('{"Bronze": 0, "Silver": 100, "Gold": 250, "Platinum": 1000}');
my $tier = "segment.tier('cdnow', 'customer_id', 'date', 'dollar_value', $tiers, period => '6 months', as_of =>";
is($node->safe_psql('postgres', "SELECT count(*) FROM $tier '1998-07-01')"), '23570', 'every customer has a tier');
for my $as_of ('1997-04-01', '1997-10-15', '1998-02-28', '1998-07-01')
{
	my ($customers, $differing) = split /\|/, $node->safe_psql('postgres', <<"SQL");
WITH plain AS (
    SELECT customer_id, coalesce(sum(dollar_value) FILTER (WHERE date >= '$as_of'::timestamptz - interval '6 months'), 0) AS balance
    FROM cdnow WHERE date < '$as_of' GROUP BY customer_id
)
SELECT count(*), count(*) FILTER (WHERE t.balance <> plain.balance OR t.tier IS DISTINCT FROM
           CASE WHEN plain.balance >= 1000 THEN 'Platinum' WHEN plain.balance >= 250 THEN 'Gold'
                WHEN plain.balance >= 100 THEN 'Silver' ELSE 'Bronze' END)
FROM plain FULL JOIN $tier '$as_of') AS t USING (customer_id)
SQL
	cmp_ok($customers, '>', 1000, "$as_of: $customers customers");
	is($differing, '0', "$as_of: in real time the tier is what the balance earns");
}
# A tier that is never lost is the best there ever was.
is( $node->safe_psql('postgres', <<"SQL"), '23570|0', 'without downgrades');
WITH best AS (
    SELECT customer_id, max(balance) AS balance
    FROM (SELECT customer_id, sum(dollar_value) OVER (PARTITION BY customer_id ORDER BY date) AS balance FROM cdnow) AS running
    GROUP BY customer_id
)
SELECT count(*), count(*) FILTER (WHERE t.tier IS DISTINCT FROM
           CASE WHEN best.balance >= 1000 THEN 'Platinum' WHEN best.balance >= 250 THEN 'Gold'
                WHEN best.balance >= 100 THEN 'Silver' ELSE 'Bronze' END)
FROM best FULL JOIN segment.tier('cdnow', 'customer_id', 'date', 'dollar_value', $tiers, '1998-07-01', period => NULL,
                                 downgrade => 'none') AS t USING (customer_id)
SQL
# Parallel plans and other orders of the rows give the same.
my $all = "SELECT md5(string_agg(t::text, ' ' ORDER BY customer_id)) FROM $tier '1998-03-01', review => 'tier_anniversary', "
  . "review_every => '3 months', grace => '10 days', downgrade => 'one_down') AS t";
my $serial = $node->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; $all");
is( $node->safe_psql(
		'postgres',
		"SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET enable_hashagg = off; $all"),
	$serial, 'whatever the plan');
$node->safe_psql('postgres', 'CREATE TABLE other AS SELECT * FROM cdnow ORDER BY md5(cdnow::text)');
is($node->safe_psql('postgres', $all =~ s/'cdnow'/'other'/r), $serial, 'whatever the order of the rows');

$node->stop;
done_testing();
