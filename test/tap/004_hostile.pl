# Whatever SQL can hand to a function of ours is answered with a result or with a proper SQLSTATE: never with XX000, never
# with a crash. Functions and types are listed from the catalog, so that new ones are covered from their first day.
#
# PGSEG_LONG=1 tries ten times as much.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

srand(20240131);
my $effort = $ENV{PGSEG_LONG} ? 10 : 1;

# ---- values

# A value that any function should accept; n is the number of the row, from 1.
my %sane = (
	'integer' => '2',
	'bigint' => '3::bigint',
	'smallint' => '2::smallint',
	'boolean' => 'true',
	'double precision' => '(n / 4.0)::float8',
	'real' => '0.5::real',
	'numeric' => 'n * 1.25',
	'text' => q{'x'::text},
	'name' => q{'id'::name},
	'cstring' => q{'x'::cstring},
	'bytea' => q{'\x01'::bytea},
	'uuid' => q{'00000000-0000-0000-0000-000000000001'::uuid},
	'jsonb' => q{'{}'::jsonb},
	'json' => q{'{}'::json},
	'date' => q{('2024-05-05'::date + n)},
	'interval' => q{'1 day'::interval},
	'timestamp with time zone' => q{('2024-05-05 00:00+00'::timestamptz + n * '1 day'::interval)},
	'timestamp without time zone' => q{('2024-05-05'::timestamp + n * '1 day'::interval)},
	'regclass' => q{'hostile.orders'::regclass},
	'oid' => '20::oid',
	'"char"' => q{'x'::"char"},
	'double precision[]' => 'ARRAY[n, n % 3]::float8[]',
	'anyelement' => 'n',
	'anynonarray' => 'n',
	'anycompatible' => 'n',
	'"any"' => 'n',
	'anyarray' => 'ARRAY[n]',
	'record' => 'ROW(n, 2)',
	'internal' => 'NULL',);

# Arguments by name, before those by type: columns of hostile.orders, and words that a function knows.
my %sane_by_name = (
	'name customer' => q{'customer'::name}, 'name customer_column' => q{'customer'::name},
	'name at' => q{'at'::name}, 'name at_column' => q{'at'::name},
	'name amount' => q{'amount'::name}, 'name amount_column' => q{'amount'::name},
	'text frequency' => q{'days'::text}, 'text frequency_of' => q{'days'::text},
	'text map' => q{'cells125'::text}, 'text map_name' => q{'cells125'::text},
	'text dict' => q{'hostile_text'::text}, 'text key_type' => q{'text'::text},
	'anyelement key' => 'n::bigint',
	'text preset' => q{'retail'::text}, 'text where' => q{'true'::text}, 'text filter' => q{'true'::text},
	'name order_id' => q{'id'::name}, 'name order_id_column' => q{'id'::name},
	'name customers_key' => q{'customer'::name}, 'name members_key' => q{'customer'::name},
	'text refunds' => q{'net'::text}, 'text refunds_mode' => q{'net'::text},
	'text method' => q{'quantile'::text}, 'text monetary' => q{'sum'::text}, 'integer bins' => '5', 'bigint mode' => '1::bigint',
	'name column_name' => q{'customer'::name}, 'text choice' => q{'x'::text}, 'text[] choices' => q{'{x,y}'::text[]},
	'jsonb tiers' => q{'{"Silver": 2, "Gold": 30}'::jsonb}, 'text metric' => q{'amount'::text}, 'text period_start' => q{'rolling'::text},
	'text downgrade' => q{'one_down'::text}, 'text review' => q{'tier_anniversary'::text}, 'name joined' => q{'at'::name},
	'bigint frequency' => q{(ARRAY[0,2,0,1,0,3,0,1,7,0,2,0,1,0,15,0,4,0,1,0])[n]::bigint},
	'double precision recency' => q{(ARRAY[0,12,0,3,0,30,0,9,36,0,2,0,1,0,20,0,7,0,31,0])[n]::float8},
	'double precision t' => '(37 + n * 0.1)::float8',
	'double precision mean_value' => q{(ARRAY[1,25,1,400,1,14,1,9,12,1,50,1,18,1,27,1,7,1,3,1])[n]::float8},
	'text model_name' => q{'hostile'::text}, 'name key' => q{'id'::name}, 'name[] features' => q{'{customer,amount}'::name[]},
	'text algorithm' => q{'kmeans'::text}, 'integer version' => '1',
	'text unit' => q{'week'::text}, 'text unit_name' => q{'week'::text},
	'text lines' => q{'SELECT 1'::text}, 'text amount_type' => q{'numeric'::text},
	'timestamp with time zone from_as_of' => q{'2024-01-10'::timestamptz}, 'timestamp with time zone from_moment' => q{'2024-01-10'::timestamptz},
	'timestamp with time zone to_as_of' => q{'2024-02-01'::timestamptz}, 'timestamp with time zone to_moment' => q{'2024-02-01'::timestamptz},
	'integer k_min' => '2', 'integer k_max' => '4', 'integer cluster' => '(n % 3)',
	'segment.kmeans_quality[] quality' =>
	  'ARRAY[ROW(2, 1, 0.5, 9, 1, 1, 0.5, 0.1, 1)::segment.kmeans_quality]',
	'double precision fraction' => '0.5::float8', 'double precision[] points' => q{'{0.5,1}'::float8[]},);
sub gathering
{
	my ($column) = @_;
	return qq{'SELECT segment.rfm_gather($column, at, amount, \$1, \$2) FROM hostile.orders'::text};
}
# The same function for customers of another type reads another column.
my %sane_for_function = (
	'rfm_uuid name customer' => q{'customer_uuid'::name}, 'rfm_uuid name customers_key' => q{'customer_uuid'::name},
	'rfm_text name customer' => q{'customer_text'::name}, 'rfm_text name customers_key' => q{'customer_text'::name},
	'check_key_type text key_type' => q{'pg_catalog.int8'::text}, 'rfm_query text key_type' => q{'pg_catalog.int8'::text},
	'clv_customers_uuid name customer' => q{'customer_uuid'::name}, 'clv_customers_text name customer' => q{'customer_text'::name},
	'tier_uuid name customer' => q{'customer_uuid'::name}, 'tier_text name customer' => q{'customer_text'::name},
	'tier_uuid name customers_key' => q{'customer_uuid'::name}, 'tier_text name customers_key' => q{'customer_text'::name},
	'tier_query text key_type' => q{'pg_catalog.int8'::text},
	(map { my ($function, $key) = @$_; ("$function text query" => qq{'SELECT NULL::$key, NULL::text, \$1, \$1, 0::bigint, 0, 0, 0::float8, 0::float8, 0::float8'::text}) }
		[ 'lifecycle_run', 'bigint' ], [ 'lifecycle_run_uuid', 'uuid' ], [ 'lifecycle_run_text', 'text' ]),
	'lifecycle_migration_run text query' => q{'SELECT NULL::text, NULL::text, 0::bigint, 0::float8, 0::numeric'::text},
	'lifecycle_summary_run text query' => q{'SELECT NULL::text, 0::bigint, 0::float8, 0::bigint, 0::numeric, 0::float8, 0::numeric, 0'::text},
	'rfm_scored text query' => gathering('customer'), 'rfm_scored_uuid text query' => gathering('customer_uuid'),
	'rfm_scored_text text query' => gathering('customer_text'),
	(map { ("$_ jsonb plan" => q{segment.train_plan('hostile'::text, 'hostile.orders'::regclass, '{customer,amount}'::name[], 'kmeans'::text, 2, NULL::text, '{}'::jsonb)}) }
		'train_run', 'store_model'),
	(map { my ($function, $key) = @$_; ("$function text query" => qq{'SELECT $key AS key, customer, amount FROM hostile.orders'::text},
			"$function segment.clustering model" => q{segment.model_get('hostile')}) }
		[ 'assigned', 'id::bigint' ], [ 'assigned_uuid', 'customer_uuid' ], [ 'assigned_text', 'customer_text' ]),
	'assign_uuid name key' => q{'customer_uuid'::name}, 'assign_text name key' => q{'customer_text'::name},
	'assign_query text key_type' => q{'pg_catalog.int8'::text}, 'model_columns segment.clustering model' => q{segment.model_get('hostile')},
	'lifecycle_stages_uuid name customer' => q{'customer_uuid'::name}, 'lifecycle_stages_uuid name customers_key' => q{'customer_uuid'::name},
	'lifecycle_stages_text name customer' => q{'customer_text'::name}, 'lifecycle_stages_text name customers_key' => q{'customer_text'::name},);

my @integers = qw(0 -1 1 3 100000);
my @floats = qw('NaN' 'Infinity' '-Infinity' 0 '-0' 1e308 -1e308 5e-324 1e140);
my @words = (
	q{''}, q{'x'}, q{'id; DROP TABLE hostile.orders'}, q{'"'}, q{'%s%n'}, q['{'], q{'null'}, q{'días'}, q{E'\x01\n'},
	q{repeat('x', 100000)}, q{'hostile_uuid'});
my @times = map { "'$_'" } 'infinity', '-infinity', '4714-11-24 BC', '294000-01-01', 'epoch';
my %hostile = (
	'integer' => [ @integers, 2147483647, -2147483648 ],
	'bigint' => [ @integers, '9223372036854775807', "'-9223372036854775808'" ],
	'smallint' => [ 0, -1, 32767, -32768 ],
	'boolean' => ['false'],
	'double precision' => \@floats,
	'real' => [qw('NaN' 'Infinity' '-Infinity' 0 3e38)],
	'numeric' => [ qw('NaN' 'Infinity' '-Infinity' 0 -1 1e-16000), '1e131000', "repeat('9', 1000)" ],
	'text' => \@words,
	'name' => [ grep { !/repeat/ } @words, q{'ctid'}, q{'customer'}, q{'at'} ],
	'cstring' => \@words,
	'bytea' => [ q{''}, q{'\x00'} ],
	'uuid' => [q{'ffffffff-ffff-ffff-ffff-ffffffffffff'}],
	'jsonb' => [
		map { "'$_'" } 'null', '[]', '1', '"x"', '{"seed": -1}', '{"seed": 1e400}', '{"seed": 1.5}', '{"seed": "x"}',
		'{"seed": 18446744073709551616}', '{"n_init": 0}', '{"n_init": 2147483647}', '{"max_iter": -1}', '{"tol": -1}',
		'{"tol": 1e400}', '{"tol": null}', '{"standardize": "zscore"}', '{"standardize": "x"}', '{"standardize": {}}',
		'{"unknown": 1}', '{"seed": [[[[]]]]}', '{"bins": [5, 4]}', '{"bins": 1e9}',
		'{"method": "nested"}', '{"method": "ntile"}', '{"breaks": []}',
		'{"method": "fixed", "breaks": {"recency": [1], "frequency": [1], "monetary": [1e400]}}', '{"": ""}', '{"init": [[1e308, 1], [2]]}', '{"init": [[1e308, -1e308], [1, 2]]}', '{"categories": [[1, 2147483647]]}',
		'{"algorithm": "kprototypes", "categories": [[1, 1]], "gamma": 1e308}', '{"measure": "cosine"}', '{"algorithm": "bisecting"}',
		'{"min_size": 9223372036854775807}', '{"max_size": 1}', '{"order_by": -2147483648}', '{"order_by": 2}',
		'{"as_of": "infinity"}', '{"columns": {"f1": {"type": "category"}}}', '{"winsorise": [0, 0]}', '{"null": "skip"}', '{"seed": 1, "n_init": 1, "max_iter": 1, "tol": 0}'
	],
	'json' => [ map { "'$_'" } 'null', '[]', '{"unknown": 1}' ],
	'date' => [ grep { !/294000/ } @times ],
	'timestamp with time zone' => \@times,
	'timestamp without time zone' => \@times,
	'interval' => [ map { "'$_'" } '0', '-1 day', '1 microsecond', '100000 years' ],
	'oid' => [ 0, 4294967295 ],
	'regclass' => [ 0, 4294967295, q{'pg_class'}, q{'hostile.empty'}, q{'hostile.view'}, q{'hostile.index'} ],
	'record' => [],);

my %hostile_pseudo = (
	'anyelement' => [ q{'x'::text}, q{'NaN'::float8}, 'NULL::integer', 'ROW(1)' ],
	'anynonarray' => [ q{'x'::text}, 'NULL::integer' ],
	'anycompatible' => [ q{'x'::text}, 'NULL::integer' ],
	'anyarray' => [ q{'{}'::float8[]}, q{'{NULL}'::int[]}, 'NULL::integer[]' ],
	'"any"' => [
		q{'x'::text}, q{'x'}, 'NULL', 'NULL::numeric', 'true', 'ARRAY[n]', '9223372036854775807', '1e400', '-1e131000',
		q{'NaN'::numeric}, q{'NaN'::float8}, q{'-Infinity'::real}, '32767::smallint', q{'1'::money}
	],
	'internal' => ['NULL'],);

# Arrays of anything: none, NULL inside, two dimensions, another lower bound, long, and each hostile element.
sub hostile_arrays
{
	my ($element) = @_;
	my $one = $sane{$element} // 'NULL';
	my @values = (
		'ARRAY[]', 'ARRAY[NULL]', "ARRAY[$one, NULL]", "ARRAY[[$one, $one], [$one, $one]]", "ARRAY[$one]",
		"ARRAY[$one, $one, $one]", "array_fill($one, ARRAY[2], ARRAY[5])", "array_fill($one, ARRAY[70000])");
	push @values, map { "ARRAY[$_\:\:$element, $one]" } @{ $hostile{$element} // [] };
	return map { "($_)\:\:$element\[]" } map { s/^ARRAY\[\]$/'{}'/r } @values;
}

# Values of our own types: filled from what our functions return.
my %own;

sub hostile_values
{
	my ($type) = @_;
	return @{ $hostile_pseudo{$type} } if $hostile_pseudo{$type};
	return ("NULL\:\:$type", hostile_arrays($1)) if $type =~ /^(.*)\[\]$/;
	return ("NULL\:\:$type", map { quote($_) . "\:\:$type" } @{ $own{$type} }) if $own{$type};
	return ("NULL\:\:$type", map { "($_)\:\:$type" } @{ $hostile{$type} // [] });
}

sub sane_value
{
	my ($function, $argument) = @_;
	my ($name, $type) = @{$argument}{qw(name type)};
	return
	     $sane_for_function{"$function $type $name"}
	  // $sane_by_name{"$type $name"}
	  // $sane{$type}
	  // ($own{$type} && @{ $own{$type} } ? quote($own{$type}[0]) . "\:\:$type" : undef)
	  // ($type =~ /^(.*)\[\]$/ && $sane{$1} ? "ARRAY[$sane{$1}]" : undef);
}

sub quote
{
	my ($text) = @_;
	return "'" . ($text =~ s/'/''/gr) . "'";
}

sub pick { return $_[ int(rand(@_)) ] }

# ---- the server

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\njit = off\nlog_min_messages = fatal");
$node->start;

# attempt() says how a statement ended, and undoes what it did.
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE SCHEMA hostile;
CREATE TABLE hostile.orders AS
SELECT n AS id, n % 5 AS customer, (n % 5)::text AS customer_text,
       ('00000000-0000-0000-0000-00000000000' || n % 5)::uuid AS customer_uuid,
       '2024-01-01'::timestamptz + n * '1 day'::interval AS at, n * 1.5 AS amount
FROM generate_series(1, 50) n;
ALTER TABLE hostile.orders ALTER customer TYPE bigint;
CREATE TABLE hostile.empty (LIKE hostile.orders);
CREATE VIEW hostile.view AS SELECT * FROM hostile.orders;
CREATE INDEX index ON hostile.orders (at);
SELECT segment.train('hostile', 'hostile.orders', '{customer,amount}', k => 2);
SELECT segment.create_dictionary('hostile_text', 'text'), segment.create_dictionary('hostile_uuid', 'uuid');
CREATE TABLE hostile.result (function text, statement text, state text, message text);
CREATE FUNCTION hostile.attempt(statement text, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE SQLSTATE 'ZZ000';
EXCEPTION WHEN OTHERS OR query_canceled THEN
    state := CASE SQLSTATE WHEN 'ZZ000' THEN '00000' ELSE SQLSTATE END;
    message := SQLERRM;
END $$;
-- Text that holds a value: what the statement returns, or nothing where it fails.
CREATE FUNCTION hostile.harvest(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    value text;
BEGIN
    EXECUTE statement INTO value;
    RETURN value;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    RETURN NULL;
END $$;
});
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# Rows of a query as lists; no value may hold the separator.
sub rows
{
	my ($query) = @_;
	return map { [ split /\x1f/, $_, -1 ] }
	  split /\x1e/, $node->safe_psql('postgres', $query, extra_params => [ '-F', "\x1f", '-R', "\x1e" ]);
}

my @functions = map {
	my ($oid, $signature, $name, $kind, $result, $support, $names, $types) = @$_;
	my @names = split /,/, $names, -1;
	my @types = split /,/, $types, -1;
	{   signature => $signature,
		name => $name,
		kind => $kind,
		result => $result,
		support => $support eq 't',
		arguments => [ map { { name => $names[$_] // '', type => $types[$_] } } 0 .. $#types ] }
} rows(
	q{
SELECT p.oid, p.oid::regprocedure, proname, prokind, prorettype::regtype,
       -- called by the server only, or from inside an aggregate only
       'internal'::regtype = ANY (proargtypes) OR prorettype IN ('internal'::regtype, 'trigger'::regtype)
           OR p.oid IN (SELECT unnest(ARRAY[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn,
                                            aggminvtransfn, aggmfinalfn]::oid[]) FROM pg_aggregate),
       (SELECT string_agg(coalesce(n, ''), ',' ORDER BY i) FROM unnest(proargnames) WITH ORDINALITY a (n, i)
        WHERE proargmodes IS NULL OR proargmodes[i] IN ('i', 'b', 'v')),
       (SELECT string_agg(t::regtype::text, ',' ORDER BY i) FROM unnest(proargtypes) WITH ORDINALITY a (t, i))
FROM pg_proc p WHERE pronamespace = 'segment'::regnamespace ORDER BY p.oid::regprocedure::text});
my @types = map { { type => $_->[0], send => $_->[1] } } rows(
	q{
SELECT oid::regtype, typsend::regproc FROM pg_type
WHERE typnamespace = 'segment'::regnamespace AND typtype = 'b' AND typcategory <> 'A' AND typreceive <> 0 AND typsend <> 0
ORDER BY 1});
my %is_own = map { $_->[0] => 1 } rows(
	q{SELECT oid::regtype FROM pg_type WHERE typnamespace = 'segment'::regnamespace AND typcategory <> 'A'
  AND typrelid NOT IN (SELECT oid FROM pg_class WHERE relkind <> 'c')}); # tables are no types of ours
cmp_ok(scalar(@functions), '>', 20, 'the catalog lists the functions');
cmp_ok(scalar(@types), '>', 1, 'the catalog lists the types');

# The ways in which a function can be called with these arguments, as statements.
sub calls
{
	my ($function, $arguments, $sane) = @_;
	my $list = join ', ', @$arguments;
	my $call = "segment.$function->{name}($list)";
	my $text = $function->{result} =~ /^(void|internal|trigger|event_trigger|.*_handler)$/ ? '' : '::text';
	my $from = 'FROM generate_series(1, 20) n';
	return "CALL $call" if $function->{kind} eq 'p';
	return "SELECT ($call)$text FROM generate_series(1, 1) n" if $function->{kind} eq 'f';
	my $window = "SELECT (x)$text FROM (SELECT $call OVER (ORDER BY n) x $from) w";
	return $window if $function->{kind} eq 'w';
	return ("SELECT ($call)$text $from", $window) unless $sane;
	# The hostile arguments come first, or in the midst of others.
	return map {
		my $row = $_;
		my @mixed = map { "CASE WHEN n = $row THEN $arguments->[$_] ELSE $sane->[$_] END" } 0 .. $#$arguments;
		"SELECT (segment.$function->{name}(" . join(', ', @mixed) . "))$text $from"
	} (1, 13);
}

sub sane_arguments
{
	my ($function) = @_;
	my @values = map { sane_value($function->{name}, $_) } @{ $function->{arguments} };
	return (grep { !defined } @values) ? undef : \@values;
}

# What functions of ours return are values of our types; those may be the arguments of others.
for my $round (1 .. 3)
{
	for my $function (grep { $is_own{ $_->{result} } } @functions)
	{
		my $type = $function->{result};
		my $arguments = sane_arguments($function) or next;
		next if @{ $own{$type} // [] } >= 4;
		my ($statement) = calls($function, $arguments);
		my $value = $node->safe_psql('postgres', 'SELECT hostile.harvest(' . quote($statement) . ')');
		next if $value eq '' || grep { $_ eq $value } @{ $own{$type} // [] };
		push @{ $own{$type} }, $value;
	}
}
ok(@{ $own{ $_->{type} } // [] } > 0, "a function of ours gives a value of $_->{type}") for @types;

# ---- mutated values

sub mutate
{
	my ($bytes) = @_;
	for (1 .. 1 + int(rand(3)))
	{
		my $length = length $bytes or return $bytes;
		# Headers are at the start, and matter most.
		my $at = rand() < 0.6 ? int(rand($length < 64 ? $length : 64)) : int(rand($length));
		my $how = int(rand(8));
		if ($how < 3) { substr($bytes, $at, 1) ^= chr(1 << int(rand(8))) }
		elsif ($how == 3) { substr($bytes, $at, 1) = chr(int(rand(256))) }
		elsif ($how == 4) { $bytes = substr($bytes, 0, $at) }
		elsif ($how == 5) { $bytes .= join '', map { chr(int(rand(256))) } 1 .. 1 + int(rand(16)) }
		elsif ($how == 6) { substr($bytes, $at & ~3, 4) = pack('l<', pick(0, -1, 1, 2**31 - 1, -2**31, 65536)) }
		else { substr($bytes, $at & ~7, 8) = pack('q<', pick(0, -1, 1, 2**62, 9218868437227405312, 9221120237041090560)) }
	}
	return $bytes;
}

# How the statements ended: SQLSTATE => how often.
sub histogram
{
	my ($function) = @_;
	return map { $_->[0] => $_->[1] }
	  rows('SELECT state, count(*) FROM hostile.result WHERE function = ' . quote($function) . ' GROUP BY 1 ORDER BY 1');
}

sub check_histogram
{
	my ($what, $allowed, %count) = @_;
	note("$what: " . join(', ', map { "$_ $count{$_} times" } sort keys %count));
	is(join(' ', grep { !/$allowed/ } sort keys %count), '', "$what: success or a proper SQLSTATE");
	cmp_ok($count{'00000'} // 0, '>', 0, "$what: some are values");
	cmp_ok(scalar(grep { $_ ne '00000' } keys %count), '>', 0, "$what: some are not");
}

my $binary_states = qr/^(00000|22P03|22023)$/;

subtest 'mutated binary values, as text' => sub {
	for my $type (map { $_->{type} } @types)
	{
		my ($seed) = grep { /^\\x/ } sort { length($a) <=> length($b) } @{ $own{$type} };
		next unless $seed; # this type prints something else
		my $bytes = pack 'H*', substr($seed, 2);
		my $count = 5000 * $effort;
		my $file = $node->basedir . '/mutations';
		open my $out, '>', $file or die $!;
		print $out '\\\\x', unpack('H*', mutate($bytes)), "\n" for 1 .. $count;
		close $out;
		$node->safe_psql(
			'postgres', qq{
CREATE TABLE hostile.text_input (value text);
COPY hostile.text_input FROM '$file';
INSERT INTO hostile.result
SELECT 'text of $type', value, a.* FROM hostile.text_input,
       LATERAL hostile.attempt(format('SELECT %L\:\:$type\:\:text', value)) a;
DROP TABLE hostile.text_input});
		my %count = histogram("text of $type");
		check_histogram("$type, $count times", $binary_states, %count);
		push @{ $own{$type} }, map { $_->[0] } rows(
			qq{SELECT statement FROM hostile.result WHERE function = 'text of $type' AND state = '00000' ORDER BY md5(statement)
			   LIMIT 12});
	}
};

# A file that COPY BINARY reads as one row of one column.
sub write_copy_file
{
	my ($file, $bytes) = @_;
	open my $out, '>:raw', $file or die $!;
	print $out "PGCOPY\n\377\r\n\0", pack('NN', 0, 0), pack('n', 1), pack('N', length $bytes), $bytes, pack('n', 0xffff);
	close $out;
}

subtest 'mutated binary values, as binary' => sub {
	for my $own_type (@types)
	{
		my ($type, $send) = @{$own_type}{qw(type send)};
		my $count = 2000 * $effort;
		my @seeds = map { pack 'H*', $_->[0] } map {
			rows('SELECT encode(' . $send . '(' . quote($_) . "\:\:$type), 'hex')")
		} @{ $own{$type} };
		my $directory = $node->basedir . '/' . ($type =~ s/\W/_/gr);
		mkdir $directory or die $!;
		write_copy_file("$directory/$_", mutate(pick(@seeds))) for 1 .. $count;
		$node->safe_psql(
			'postgres', qq{
CREATE TABLE hostile.sink (value $type);
INSERT INTO hostile.result
SELECT 'binary of $type', '', a.* FROM generate_series(1, $count) n,
       LATERAL hostile.attempt(format('COPY hostile.sink FROM %L (FORMAT binary)', '$directory/' || n)) a;
});
		check_histogram("$type, $count times", $binary_states, histogram("binary of $type"));
		# What was accepted must print, and be accepted again.
		$node->safe_psql(
			'postgres', qq{
SET client_min_messages = error;
DO \$\$BEGIN FOR n IN 1 .. $count LOOP
    BEGIN EXECUTE format('COPY hostile.sink FROM %L (FORMAT binary)', '$directory/' || n); EXCEPTION WHEN OTHERS THEN END;
END LOOP; END\$\$});
		is( $node->safe_psql(
				'postgres', "SELECT count(*) FROM hostile.sink WHERE $send(value) <> $send(value\:\:text\:\:$type)"),
			0,
			"$type: what was accepted keeps its bits as text");
		push @{ $own{$type} },
		  map { $_->[0] } rows("SELECT value\:\:text FROM hostile.sink ORDER BY md5(value\:\:text) LIMIT 12");
		$node->safe_psql('postgres', 'DROP TABLE hostile.sink');
	}
};

subtest 'garbage text' => sub {
	my @garbage = (
		'', ' ', '{', '{}', '[]', 'null', '0', '"', '\\x', '\\xzz', '\\x0', '\\x00', '()', '(,,,)', "\x01", 'x' x 100000,
		'[' x 100000, '{"k":' x 10000, '{"k": 1}', '{"k": 1e999}', '{"k": 1, "k": 2}', '{"algorithm": "kmeans"}');
	for my $type (sort keys %is_own)
	{
		my @texts = (@garbage, map { my $t = $_; map { mutate_text($t) } 1 .. 100 * $effort } @{ $own{$type} // [] }[ 0 .. 0 ]);
		my $script = join '', map {
			"INSERT INTO hostile.result SELECT 'input of $type', '', a.* FROM hostile.attempt("
			  . quote('SELECT ' . quote($_) . "\:\:$type\:\:text")
			  . ") a;\n"
		} grep { defined } @texts;
		$node->safe_psql('postgres', $script);
		my %count = histogram("input of $type");
		note("$type: " . join(', ', map { "$_ $count{$_} times" } sort keys %count));
		is(join(' ', grep { !/^(00000|22\w{3}|54001)$/ } sort keys %count), '', "$type: a proper SQLSTATE");
		cmp_ok(scalar(grep { $_ ne '00000' } keys %count), '>', 0, "$type: some are refused");
	}
};

sub mutate_text
{
	my ($text) = @_;
	return unless defined $text;
	for (1 .. 1 + int(rand(2)))
	{
		my $at = int(rand(length $text));
		my $how = int(rand(4));
		if ($how == 0) { substr($text, $at, 1) = '' }
		elsif ($how == 1) { substr($text, $at, 1) = pick(split //, '0123456789-+.eE"{}[]:, xntf\\') }
		elsif ($how == 2) { substr($text, $at) = '' }
		else { substr($text, $at, 0) = substr($text, int(rand(length $text)), 5) }
	}
	return $text;
}

# ---- hostile calls

# Proper answers: not supported, cardinality, data, integrity, transaction state, permission, syntax or access of the names
# that were handed over, limits, object state, the timeout of this test, and RAISE.
my $proper = qr/^(00000|0A000|21\w{3}|22\w{3}|23\w{3}|25\w{3}|28\w{3}|42\w{3}|54\w{3}|55\w{3}|57014|P0001)$/;
# The statement itself would be wrong: a mistake of this file, which would hide that a function is not reached.
my $our_mistake = qr/^(42601|42725)$/;

subtest 'hostile calls' => sub {
	my @statements;
	for my $function (@functions)
	{
		my $sane = sane_arguments($function);
		ok($sane, "$function->{signature}: knows values for its arguments") or next;
		my @arguments = @{ $function->{arguments} };
		my @values = map { [ hostile_values($_->{type}) ] } @arguments;
		my @statements_here = calls($function, $sane);
		push @statements_here, calls($function, [ map { "NULL\:\:$_->{type}" =~ s/::(any|internal)\w*$//r } @arguments ])
		  unless grep { $_->{type} =~ /^"?any/ } @arguments;
		for my $i (0 .. $#arguments)
		{
			for my $value (@{ $values[$i] })
			{
				my @call = @$sane;
				$call[$i] = $value;
				push @statements_here, calls($function, \@call);
				push @statements_here, calls($function, \@call, $sane) if $function->{kind} eq 'a';
			}
		}
		for (1 .. (@arguments > 1 ? 30 * $effort : 0))
		{
			my @call = map { rand() < 0.5 ? pick(@{ $values[$_] }) : $sane->[$_] } 0 .. $#arguments;
			push @statements_here, calls($function, \@call);
		}
		push @statements, map { [ $function->{signature}, $_ ] } @statements_here;
	}

	# One statement each: a timeout ends a statement.
	my $script = "SET statement_timeout = '250ms';\n" . join '', map {
		"INSERT INTO hostile.result SELECT "
		  . quote("call of $_->[0]") . ', s, a.* FROM (VALUES (' . quote($_->[1])
		  . ')) v (s), hostile.attempt(s) a;' . "\n"
	} @statements;
	my ($stdout, $stderr);
	my $status = $node->psql('postgres', $script, on_error_stop => 0, stdout => \$stdout, stderr => \$stderr);
	is($status, 0, scalar(@statements) . ' statements, and the session lives');

	my %bad;
	# SQL conditions may be wrong, too.
	my %reads_sql = map { ("call of $_->{signature}" => 1) } grep { grep { $_->{name} =~ /^(where|filter|query)$/ } @{ $_->{arguments} } } @functions;
	# A syntax error of an expression that a function read is an answer.
	push @{ $bad{ $_->[0] } }, $_
	  for grep { $_->[1] !~ $proper || $_->[1] =~ $our_mistake && $_->[3] !~ /^syntax error at character \d+ of the expression/ && !$reads_sql{$_->[0]} } rows(
		q{SELECT function, state, left(statement, 300), left(message, 200) FROM hostile.result WHERE function LIKE 'call of %'});
	my %succeeded = map { $_->[0] => 1 } rows(q{SELECT DISTINCT function FROM hostile.result WHERE state = '00000'});
	for my $function (@functions)
	{
		my $name = "call of $function->{signature}";
		my %count = histogram($name);
		note("$name: " . join(', ', map { "$_ $count{$_} times" } sort keys %count));
		my @bad = @{ $bad{$name} // [] };
		ok(!@bad, "$name: results or proper SQLSTATEs");
		diag(join "\n", map { "$_->[1] $_->[3]\n    $_->[2]" } @bad[ 0 .. ($#bad > 4 ? 4 : $#bad) ]) if @bad;
		# Else the values above do not reach the function.
		ok($succeeded{$name}, "$name: some calls succeed") unless $function->{support};
	}
};

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the server log');
done_testing();
