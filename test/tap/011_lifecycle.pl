# Lifecycle and concentration on real data with published answers, and against queries that do without the extension.
# PGSEG_DATA names the folder that holds the data; without it the test is skipped.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{PGSEG_DATA};
plan skip_all => 'PGSEG_DATA names no folder with the data' unless $data && -d "$data/cdnow";

my $node = PostgreSQL::Test::Cluster->new('lifecycle');
$node->init;
$node->append_conf('postgresql.conf', "TimeZone = 'Europe/London'\njit = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_segment');

sub load_csv
{
	my ($table, $columns, $command) = @_;
	$node->safe_psql('postgres', "CREATE TABLE $table ($columns);\n\\copy $table FROM PROGRAM '$command' (FORMAT csv, HEADER)");
	return;
}

sub answer { return $node->safe_psql('postgres', $_[0]) }

load_csv('cdnow', 'customer_id integer, date date, cds integer, dollar_value numeric',
	"zcat $data/cdnow/cdnow_master.csv.gz");
load_csv('retail',
	'invoice text, stock_code text, description text, quantity integer, at timestamp, price numeric, customer_id numeric, country text',
	"zcat $data/online_retail/online_retail.csv.gz");

# ---- CDNOW: stages and moves. "On" a day means at its end: orders of that day count.
my %at = (1997 => '1997-12-31 23:59:59', 1998 => '1998-06-30 23:59:59');
# Who is active counts with whoever is so for the first time, or again.
my $coarse = q{CASE WHEN %s IN ('first-time', 'active', 'reactivated') THEN 'active' ELSE %s END};

sub stages
{
	my ($moment, $call) = @_;
	my $stage = sprintf $coarse, 'stage', 'stage';
	return answer("SELECT string_agg(stage || ' ' || n, ', ' ORDER BY stage)"
		  . " FROM (SELECT $stage AS stage, count(*) AS n FROM $call GROUP BY 1) AS q");
}
my %published = (1997 => 'active 4189, defecting 19381', 1998 => 'active 3317, defecting 5033, inactive 15220');
for my $year (sort keys %at)
{
	is(stages($at{$year}, "segment.lifecycle_stages('cdnow', 'customer_id', 'date', '$at{$year}')"),
		$published{$year}, "stages at $at{$year}, one call");
	is( stages($at{$year}, "(SELECT segment.lifecycle((fact).first_at, (fact).last_at, (fact).days, '$at{$year}',
			last_gap => (fact).last_gap) AS stage
			FROM (SELECT segment.rfm_agg(date, dollar_value) AS fact FROM cdnow WHERE date < timestamptz '$at{$year}'
			      GROUP BY customer_id) AS q) AS pieces"),
		$published{$year}, "stages at $at{$year}, from the pieces");
}
# The data end on that day, so that its date will do where nothing is left to exclude.
is( stages('1998-06-30', "(SELECT segment.lifecycle(min(date), max(date), count(*), '1998-06-30') AS stage
		FROM cdnow GROUP BY customer_id) AS pieces"),
	$published{1998}, 'stages from min, max and count');

my ($from, $to) = map { sprintf $coarse, $_, $_ } qw(from_stage to_stage);
is( answer("SELECT string_agg(a || '->' || b || ' ' || n, ', ' ORDER BY a, b)
	FROM (SELECT $from AS a, $to AS b, sum(customers) AS n
	      FROM segment.lifecycle_migration('cdnow', 'customer_id', 'date', '$at{1997}', '$at{1998}') GROUP BY 1, 2) AS q"),
	'active->active 1721, active->defecting 2468, defecting->active 1596, defecting->defecting 2565, defecting->inactive 15220',
	'moves');
is( answer("SELECT rate, customers, of_customers FROM segment.lifecycle_rates('cdnow', 'customer_id', 'date',
		'$at{1997}', '$at{1998}')"),
	"retention|1721|4189\nchurn|2468|4189\nloss|15220|19381\nwin-back|1596|19381\nnew|0|23570", 'rates');
is( answer("SELECT customers, of_customers FROM segment.lifecycle_rates('cdnow', 'customer_id', 'date', '1997-02-01', '$at{1998}')
		WHERE rate = 'new'"),
	answer("SELECT count(*) FILTER (WHERE first >= '1997-02-01'), count(*)
		FROM (SELECT min(date) AS first FROM cdnow GROUP BY customer_id) AS q"),
	'new customers');
is( answer("SELECT sum(revenue) FROM segment.lifecycle_migration('cdnow', 'customer_id', 'date', '$at{1997}', '$at{1998}', 'dollar_value')"),
	answer("SELECT sum(dollar_value) FROM cdnow WHERE date >= '1998-01-01'"), 'revenue of the moves');

# ---- CDNOW: gaps between purchase days
my $states = 'SELECT segment.rfm_state(date, dollar_value) AS state FROM cdnow GROUP BY customer_id';
is( answer("SELECT segment.gap_total(g), segment.gap_percentile(g, 40), segment.gap_percentile(g, 50), segment.gap_percentile(g, 80),
		segment.lifecycle_limits(g) FROM (SELECT segment.gap_counts(state) AS g FROM ($states) AS s) AS q"),
	'44021|23|34|119|(23,119)', 'gaps');
my $gaps = 'SELECT date - lag(date) OVER (PARTITION BY customer_id ORDER BY date) AS gap FROM (SELECT DISTINCT customer_id, date FROM cdnow) AS d';
is( answer("SELECT string_agg(gap_days || ' ' || gaps, ',' ORDER BY gap_days)
	FROM (SELECT segment.gap_counts(state) AS g FROM ($states) AS s) AS q, segment.gaps(g)"),
	answer("SELECT string_agg(gap || ' ' || n, ',' ORDER BY gap) FROM (SELECT gap, count(*) AS n FROM ($gaps) AS g
		WHERE gap IS NOT NULL GROUP BY gap) AS q"),
	'every gap, against a window function');
is( answer("SELECT count(*) FROM segment.lifecycle_stages('cdnow', 'customer_id', 'date', '$at{1998}') AS s
	JOIN (SELECT DISTINCT ON (customer_id) customer_id, gap FROM (SELECT customer_id, date, date - lag(date) OVER
	      (PARTITION BY customer_id ORDER BY date) AS gap FROM (SELECT DISTINCT customer_id, date FROM cdnow) AS d) AS g
	      ORDER BY customer_id, date DESC) AS last USING (customer_id)
	WHERE s.last_gap IS DISTINCT FROM last.gap"),
	'0', "everybody's last gap");
# Presets, against the rule written out.
for my $preset (qw(retail gaps own_gap))
{
	my ($active, $inactive) =
	    $preset eq 'retail' ? (90, 365)
	  : $preset eq 'gaps' ? (23, 119)
	  : ('coalesce(1.5 * mean_gap, 90)', 'coalesce(3 * mean_gap, 365)');
	is( answer("SELECT count(*), count(*) FILTER (WHERE stage <> CASE
			WHEN recency_days > $inactive THEN 'inactive' WHEN recency_days > $active THEN 'defecting'
			WHEN orders = 1 THEN 'first-time' ELSE CASE stage WHEN 'reactivated' THEN stage ELSE 'active' END END)
		FROM segment.lifecycle_stages('cdnow', 'customer_id', 'date', '$at{1998}', '$preset')"),
		'23570|0', "preset $preset");
}

# ---- concentration, against queries that do without the extension
for (
	[ 'CDNOW', 'cdnow', 'date', 'dollar_value', 'true' ],
	[ 'Online Retail', 'retail_lines', 'at', 'amount', 'true' ],
	[ 'Online Retail with returns', 'retail_all', 'at', 'amount', 'true' ])
{
	my ($name, $table, $at, $amount) = @$_;
	$node->safe_psql('postgres', "CREATE TABLE retail_all AS SELECT invoice, customer_id, at, quantity * price AS amount FROM retail
		WHERE customer_id IS NOT NULL") if $table eq 'retail_all';
	$node->safe_psql('postgres', "CREATE TABLE retail_lines AS SELECT invoice, customer_id, at, quantity * price AS amount FROM retail
		WHERE customer_id IS NOT NULL AND invoice NOT LIKE 'C%' AND quantity > 0 AND price > 0") if $table eq 'retail_lines';
	my $totals = "SELECT customer_id, sum($amount) AS revenue, count(DISTINCT $at\:\:date) AS days FROM $table GROUP BY customer_id";
	my $concentration = "segment.concentration('$table', 'customer_id', '$at', '$amount', '2020-01-01')";
	is( answer("SELECT string_agg(value::text, ' ' ORDER BY metric) FROM $concentration
		WHERE metric IN ('customers', 'orders', 'repeat_customers', 'customers_without_revenue')"),
		answer("SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE revenue <= 0), sum(days), count(*) FILTER (WHERE days > 1)) FROM ($totals) AS q"),
		"$name: counts");
	is( answer("SELECT round(value, 6) FROM $concentration WHERE metric = 'mean_order_value'"),
		answer("SELECT round(sum(revenue) / sum(days), 6) FROM ($totals) AS q"), "$name: mean order value");
	my ($difference) = answer("SELECT abs(segment.gini(revenue) - (SELECT 2 * sum(i * revenue) / (max(n) * sum(revenue)) - (max(n) + 1.0) / max(n)
			FROM (SELECT revenue, row_number() OVER (ORDER BY revenue) AS i, count(*) OVER () AS n FROM ($totals) AS t) AS r)::float8)
		FROM ($totals) AS q");
	cmp_ok($difference, '<', 1e-14, "$name: Gini coefficient");
	is( answer("SELECT count(*), count(*) FILTER (WHERE curve.revenue <> best.revenue OR curve.customers <> best.n
			OR abs(curve.revenue_share - best.share) > 1e-15)
		FROM segment.pareto_curve('$table', 'customer_id', '$at', '$amount', '2020-01-01', '{0.01, 0.05, 0.1, 0.2, 0.5, 1}') AS curve,
		LATERAL (SELECT count(*) AS n, sum(revenue) AS revenue, sum(revenue) / max(total) AS share
			FROM (SELECT revenue, row_number() OVER (ORDER BY revenue DESC) AS i, count(*) OVER () AS n, sum(revenue) OVER () AS total
			      FROM ($totals) AS t) AS r
			WHERE i <= ceil(n * curve.top_fraction\:\:numeric)) AS best"),
		'6|0', "$name: Pareto curve");
}
is( answer("SELECT value FROM segment.concentration('retail_lines', 'customer_id', 'at', 'amount', '2020-01-01',
		frequency => 'order_ids', order_id => 'invoice') WHERE metric IN ('orders', 'revenue') ORDER BY metric"),
	"18532\n8911407.904", 'invoices and revenue of Online Retail');

# ---- parallel plans give the same bits
my $parallel = 'SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET max_parallel_workers_per_gather = 4;';
my $serial = 'SET max_parallel_workers_per_gather = 0;';
$node->safe_psql('postgres', "CREATE TABLE totals AS SELECT customer_id, sum(amount) AS revenue FROM retail_all GROUP BY 1;
	CREATE TABLE states AS $states; ANALYZE");
my $figures = 'SELECT segment.gini(revenue), segment.top_share(revenue, 0.2), md5(segment.value_pool_send(segment.value_pool(revenue))) FROM totals';
my $counted = 'SELECT md5(segment.gap_counts_send(segment.gap_counts(state))) FROM states';
for my $query ($figures, $counted)
{
	like(answer("$parallel EXPLAIN (COSTS off) $query"), qr/Partial Aggregate/, 'a parallel plan');
	is(answer("$parallel $query"), answer("$serial $query"), 'the same bits in parallel');
}
my $rows = "SELECT md5(string_agg(s::text, ',' ORDER BY customer_id)) FROM segment.lifecycle_stages('cdnow', 'customer_id', 'date', '$at{1998}', 'gaps') AS s";
is(answer("$parallel $rows"), answer("$serial $rows"), 'the same stages in parallel');

$node->stop;
done_testing();
