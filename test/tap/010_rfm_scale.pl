# RFM scales on real data: R's package rfm to the last digit, and SQL's own windows. PGSEG_DATA names the folder
# with the data; without it the test is skipped.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{PGSEG_DATA};
plan skip_all => 'PGSEG_DATA names no folder with the data' unless $data && -d "$data/rfm";

my $node = PostgreSQL::Test::Cluster->new('scale');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_segment');

sub load_csv
{
	my ($table, $columns, $command) = @_;
	$node->safe_psql('postgres', "CREATE TABLE $table ($columns);\n\\copy $table FROM PROGRAM '$command' (FORMAT csv, HEADER)");
	return;
}

# R's table of customers with the scores it gave them, from the orders themselves.
load_csv('orders',
	'customer_id text, order_date date, revenue numeric, first_name text, last_name text, email text',
	"zcat $data/rfm/rfm_data_orders.csv.gz");
load_csv('published',
	'customer_id text, recency_days integer, frequency integer, monetary numeric, r integer, f integer, m integer, rfm integer, segment text',
	"cat $data/rfm/expected_orders_rfm.csv");
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE customers AS
SELECT customer_id, '2006-12-31'::date - (fact).last_at::date AS recency_days, (fact).orders AS frequency,
       (fact).revenue AS monetary
FROM (SELECT customer_id, segment.rfm_agg(order_date, revenue) AS fact FROM orders GROUP BY customer_id) AS facts;
CREATE TABLE scale AS SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "r_rfm"}') AS scale FROM customers;
SQL
is($node->safe_psql('postgres', <<'SQL'), '995|0', 'the measures are the published ones');
SELECT count(*), count(*) FILTER (WHERE (c.recency_days, c.frequency, c.monetary) <> (p.recency_days, p.frequency, p.monetary))
FROM customers AS c FULL JOIN published AS p USING (customer_id)
SQL
# R prints 297.4 and 506.4: it shows seven digits. Its third probability, 3 * (1 / 5), is 0.6000000000000001.
is($node->safe_psql('postgres', <<'SQL'), <<'CUTS' =~ s/\n\z//r, 'cuts of R to the last digit');
SELECT measure, string_agg(cut::text, ' ' ORDER BY cut)
FROM (SELECT measure, CASE WHEN measure = 'recency_days' THEN upper ELSE lower END AS cut
      FROM scale, segment.rfm_thresholds(scale)) AS cuts
WHERE cut IS NOT NULL
GROUP BY measure ORDER BY measure
SQL
frequency|4 5 6 8
monetary|255.8 382 506.4000000000001 666
recency_days|115 181 297.4000000000001 482
CUTS
is($node->safe_psql('postgres', <<'SQL'), '995|995', 'every customer has the scores of R');
SELECT count(*), count(*) FILTER (WHERE segment.rfm_score(scale, c.recency_days, c.frequency, c.monetary)
                                        = ROW(p.r, p.f, p.m)::segment.rfm_scores)
FROM customers AS c JOIN published AS p USING (customer_id), scale
SQL

# R's table of customers, 39,999 of them: type-7 quantiles as percentile_cont has them, but for the last bit.
load_csv('many',
	'customer_id text, revenue numeric, most_recent_visit date, number_of_orders integer, recency_days integer, first_name text, last_name text, email text',
	"zcat $data/rfm/rfm_data_customer.csv.gz");
is($node->safe_psql('postgres', <<'SQL'), '12|0', 'type-7 quantiles + 1 of the table of customers');
WITH cuts AS (
    SELECT measure, CASE WHEN measure = 'recency_days' THEN upper ELSE lower END AS cut
    FROM (SELECT segment.rfm_scale(recency_days, number_of_orders, revenue, '{"method": "r_rfm"}') AS scale FROM many) AS s,
        segment.rfm_thresholds(scale)
), expected AS (
    SELECT unnest(percentile_cont(p) WITHIN GROUP (ORDER BY recency_days)) + 1 AS recency_days,
           unnest(percentile_cont(p) WITHIN GROUP (ORDER BY number_of_orders)) + 1 AS frequency,
           unnest(percentile_cont(p) WITHIN GROUP (ORDER BY revenue::float8)) + 1 AS monetary
    FROM many, (VALUES (ARRAY[0.2, 0.4, 0.6, 0.8])) AS parts (p) GROUP BY p
), pairs AS (
    SELECT row_number() OVER (PARTITION BY measure ORDER BY cut) AS number, measure, cut FROM cuts WHERE cut IS NOT NULL
), answers AS (
    SELECT row_number() OVER (PARTITION BY measure ORDER BY cut) AS number, measure, cut
    FROM expected, LATERAL (VALUES ('recency_days', recency_days), ('frequency', frequency), ('monetary', monetary)) AS v (measure, cut)
)
SELECT count(*), count(*) FILTER (WHERE abs(pairs.cut - answers.cut) > 1e-12 * answers.cut OR answers.cut IS NULL)
FROM pairs FULL JOIN answers USING (measure, number)
SQL

# CDNOW: ties as real customers have them. Half of them bought on one day only, and share one score.
load_csv('cdnow', 'customer_id integer, date date, cds integer, dollar_value numeric',
	"zcat $data/cdnow/cdnow_master.csv.gz");
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE shoppers AS
SELECT customer_id, '1998-07-01'::date - (fact).last_at::date AS recency_days, (fact).days AS frequency, (fact).revenue AS monetary
FROM (SELECT customer_id, segment.rfm_agg(date, dollar_value) AS fact FROM cdnow GROUP BY customer_id) AS facts;
SQL
my %frequency_of_one_day = (quantile => 1, percent_rank => 1, cume_dist => 3, r_rfm => 1, nested => 1, klaviyo => 1);
for my $method (sort keys %frequency_of_one_day)
{
	is( $node->safe_psql('postgres', <<SQL), "12054|$frequency_of_one_day{$method}|1", "$method: one day, one score");
SELECT count(*), max((segment.rfm_score(scale, recency_days, frequency, monetary)).f),
       count(DISTINCT (segment.rfm_score(scale, recency_days, frequency, monetary)).f)
FROM shoppers, (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "$method"}') AS scale FROM shoppers) AS s
WHERE frequency = 1
SQL
}
my %model = (
	quantile => '1 + count(*) OVER (ORDER BY %s GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) * 5 / count(*) OVER ()',
	percent_rank => 'least((rank() OVER (ORDER BY %s) - 1) * 5 / (count(*) OVER () - 1) + 1, 5)',
	cume_dist => 'ceil(cume_dist() OVER (ORDER BY %s) * 5)');
for my $method (sort keys %model)
{
	my ($r, $f, $m) = map { sprintf $model{$method}, $_ } '-recency_days', 'frequency', 'monetary';
	is($node->safe_psql('postgres', <<SQL), '23570|0', "$method as SQL's windows have it");
SELECT count(*), count(*) FILTER (WHERE segment.rfm_score(scale, recency_days, frequency, monetary)
                                        <> ROW(r, f, m)::segment.rfm_scores)
FROM (SELECT *, ($r)::integer AS r, ($f)::integer AS f, ($m)::integer AS m FROM shoppers) AS model,
    (SELECT segment.rfm_scale(recency_days, frequency, monetary, '{"method": "$method"}') AS scale FROM shoppers) AS s
SQL
}

$node->stop;
done_testing();
