# Models that are stored by name: who may see and change them, what a dump keeps, what a training sees, when scoring
# looks again, and that passes over all rows give what training in memory gives.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 16\nmax_parallel_workers = 16");
$node->start;

sub run_as
{
	my ($role, $query, $database) = @_;
	my ($code, $out, $err) = $node->psql($database // 'postgres', "SET SESSION AUTHORIZATION $role;\n$query",
		on_error_stop => 1, extra_params => ['-q', '-v', 'VERBOSITY=sqlstate']);
	chomp $out;
	return $code == 0 ? $out : $err =~ s/^.*ERROR: +(\S+).*$/$1/sr;
}

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_segment;
CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE carol; CREATE ROLE analysts; CREATE ROLE guest NOINHERIT;
GRANT analysts TO carol; GRANT analysts TO guest;
GRANT CREATE ON SCHEMA public TO alice, bob, analysts;
CREATE SCHEMA crm AUTHORIZATION alice;
SET ROLE alice;
CREATE TABLE crm.facts (id bigint PRIMARY KEY, age int, city text, revenue float8, joined date);
INSERT INTO crm.facts
SELECT i, CASE WHEN i % 11 <> 0 THEN 20 + i % 50 END, (ARRAY['Berlin', 'Bonn', 'Köln'])[1 + i % 3],
       exp((i * 7919 % 1000) / 200.0), date '2024-01-01' + i % 700
FROM generate_series(1, 2000) i;
CREATE TABLE public.facts AS SELECT * FROM crm.facts;
ALTER TABLE public.facts ADD PRIMARY KEY (id);
RESET ROLE;
ANALYZE;
});

subtest 'who may see and change models' => sub {
	my $train = q{SELECT version FROM segment.train('%s', '%s', '{age,city,revenue,joined}', k => 3)};
	is(run_as('alice', sprintf($train, 'secret', 'crm.facts')), 1, 'the owner of a relation trains');
	is(run_as('alice', sprintf($train, 'shared', 'public.facts')), 1, 'and once more');
	is(run_as('bob', 'SELECT count(*) FROM segment.model'), 0, 'nobody else sees the models');
	is(run_as('bob', sprintf($train, 'mine', 'crm.facts')), '42501', 'a training needs rights on the relation');
	is(run_as('bob', q{SELECT segment.model_get('secret')}), '42704', 'a model that is not visible does not exist');
	is(run_as('bob', sprintf($train, 'secret', 'crm.facts')), '42501', 'not even its name can be taken');

	$node->safe_psql('postgres', 'GRANT SELECT ON public.facts, crm.facts TO bob, carol');
	is(run_as('bob', q{SELECT string_agg(name, ',') FROM segment.model}), 'shared',
		'SELECT on the relation shows the model, but not without the right to use its schema');
	is(run_as('bob', q{SELECT count(*) FROM segment.assign('shared')}), 2000, 'and lets score with it');
	is(run_as('bob', sprintf($train, 'shared', 'public.facts')), '42501', 'the name stays its owner\'s');
	for my $change (
		q{DELETE FROM segment.model WHERE name = 'shared'}, q{DELETE FROM segment.model_name WHERE name = 'shared'},
		q{UPDATE segment.model SET relation = 'a.b' WHERE name = 'shared'},
		q{UPDATE segment.model_name SET owner = 'bob' WHERE name = 'shared'},
		q{UPDATE segment.model_name SET last_version = 7 WHERE name = 'shared'},
		q{SELECT segment.drop_model('shared')}, q{SELECT segment.drop_model('shared', 1)}, q{SELECT segment.drop_model('secret')},
		q{INSERT INTO segment.model_name VALUES ('forged', 'alice', 1)},
		q{INSERT INTO segment.model SELECT 'shared', 2, clustering, 'public.facts', features, "where", algorithm, options,
		  rows, quality, trained_at, 'alice' FROM segment.model},
		q{SELECT * FROM segment.model_version}, q{INSERT INTO segment.model_version (name) VALUES ('x')},
		q{DELETE FROM segment.model_version}, q{TRUNCATE segment.model_name})
	{
		is(run_as('bob', $change), '42501', "not for others: $change");
	}
	# A name is one role's: a version of one's own under it would be taken for the owner's newest.
	is( run_as('bob', q{INSERT INTO segment.model SELECT 'shared', 1000, clustering, 'public.facts', features, "where", algorithm,
		  options, rows, quality, trained_at, 'bob' FROM segment.model}), '22023', 'no version of one\'s own under it');
	is( run_as('bob', q{INSERT INTO segment.model_name VALUES ('shared', 'bob', 1)}), '23505', 'and no second owner');
	is(run_as('alice', q{SELECT count(*) FROM segment.model}), 2, 'the owner has all of hers still');

	# A function that is cheap must not be asked about rows that are hidden.
	is( run_as('bob', q{
CREATE FUNCTION public.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END';
SELECT string_agg(name, ',') FROM segment.model WHERE public.leak(name)}), 'shared', 'a leaky condition');
	my ($code, $out, $err) = $node->psql('postgres',
		q{SET SESSION AUTHORIZATION bob; SELECT count(*) FROM segment.model WHERE public.leak(name)});
	unlike($err, qr/secret/, 'sees no hidden row');

	# Row security: who sees some rows does not see means over all of them.
	$node->safe_psql('postgres', 'ALTER TABLE public.facts ENABLE ROW LEVEL SECURITY;
		CREATE POLICY young ON public.facts TO bob USING (age < 30)');
	is(run_as('bob', 'SELECT count(*) FROM segment.model'), 0, 'row security on the relation hides the model');
	is(run_as('alice', 'SELECT count(*) FROM segment.model'), 2, 'from others only');
	$node->safe_psql('postgres', 'ALTER TABLE public.facts DISABLE ROW LEVEL SECURITY');

	# Members of the owner.
	$node->safe_psql('postgres', 'GRANT SELECT ON public.facts TO analysts');
	is(run_as('carol', "SET ROLE analysts; " . sprintf($train, 'team', 'public.facts')), 1, 'a role trains');
	is(run_as('carol', sprintf($train, 'team', 'public.facts')), 2, 'a member trains the next version');
	is(run_as('carol', q{SELECT string_agg(DISTINCT owner, ',') FROM segment.model WHERE name = 'team'}), 'analysts',
		'which is the role\'s, too');
	is(run_as('guest', sprintf($train, 'team', 'public.facts')), '42501', 'not who has to SET ROLE first');
	is(run_as('carol', q{SELECT segment.drop_model('team', 1); SELECT count(*) FROM segment.model WHERE name = 'team'}), "\n1",
		'a member removes a version');
	is(run_as('carol', q{UPDATE segment.model_name SET owner = 'bob' WHERE name = 'team'}), '42501',
		'and cannot give it to a role that is not hers');
	is(run_as('carol', q{UPDATE segment.model_name SET owner = 'carol' WHERE name = 'team';
		SELECT string_agg(owner, ',') FROM segment.model WHERE name = 'team'}), 'carol', 'but to herself, all versions');
	is(run_as('carol', q{SELECT segment.drop_model('team')}), '', 'removes all');
	is(run_as('bob', sprintf($train, 'team', 'public.facts')), 1, 'then the name is free');

	# Roles, relations and schemas that are gone.
	$node->safe_psql('postgres', q{
CREATE ROLE passing; GRANT CREATE ON SCHEMA public TO passing;
CREATE TABLE public.short AS SELECT i AS x FROM generate_series(1, 10) i; GRANT SELECT ON public.short TO passing;
SET ROLE passing; SELECT segment.train('orphan', 'public.short', '{x}', k => 2); RESET ROLE;
DROP OWNED BY passing; DROP ROLE passing; DROP TABLE public.short});
	is(run_as('bob', q{SELECT count(*) FROM segment.model}), 2, 'a role that was dropped harms nobody');
	is($node->safe_psql('postgres', q{SELECT owner, relation FROM segment.model WHERE name = 'orphan'}), 'passing|public.short',
		'and a superuser sees what is left');
	is(run_as('bob', q{SELECT segment.drop_model('orphan')}), '42501', 'nobody takes it');
	$node->safe_psql('postgres', q{SELECT segment.drop_model('orphan')});
	is($node->psql('postgres', q{SELECT * FROM segment.assign('team', relation => 999999)}), 3, 'an unknown relation is an error');
	is(run_as('bob', q{INSERT INTO segment.model_name VALUES ('odd', 'bob', 5); INSERT INTO segment.model
		SELECT 'odd', 1, clustering, 'no name at all', features, "where", algorithm, options, rows, quality, trained_at, 'bob' FROM segment.model LIMIT 1}),
		'23514', 'a relation without a proper name cannot be stored');
};

subtest 'search paths and shadows' => sub {
	# What the caller's path brings is the caller's; bodies of ours do not meet it.
	$node->safe_psql('postgres', q{
CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC;
CREATE FUNCTION trap.raise() RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE FUNCTION trap.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT trap.raise() IS NULL';
CREATE OPERATOR trap.= (FUNCTION = trap.eq, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION trap.arrow(jsonb, text) RETURNS jsonb LANGUAGE sql AS 'SELECT trap.raise()::text::jsonb';
CREATE OPERATOR trap.-> (FUNCTION = trap.arrow, LEFTARG = jsonb, RIGHTARG = text);
CREATE FUNCTION trap.length(text) RETURNS int LANGUAGE sql AS 'SELECT trap.raise()::text::int';
CREATE FUNCTION trap.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
CREATE FUNCTION trap.coalesce_trap(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE trap.pg_class (x int); CREATE TABLE trap.facts AS SELECT 1 AS id;
});
	my $path = 'SET search_path = trap, pg_catalog, public;';
	is($node->safe_psql('postgres', "$path SELECT version FROM segment.train('pathless', 'public.facts', '{age,city}', k => 2)"), 1,
		'training under a hostile path');
	is($node->safe_psql('postgres', "$path SELECT count(*) FROM segment.assign('pathless')"), 2000, 'assigning');
	is($node->safe_psql('postgres', "$path SELECT count(segment.predict('pathless', f)) FROM public.facts f"), 2000, 'predicting');
	is($node->safe_psql('postgres', "$path SELECT count(*) FROM segment.model"), 4, 'reading');
	$node->safe_psql('postgres', "$path SELECT segment.drop_model('pathless', 1); SELECT segment.drop_model('pathless')");
	# A condition may use what the caller's path has.
	is( $node->safe_psql('postgres', q{
CREATE FUNCTION trap.is_young(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 30';
SET search_path = public, trap;
SELECT rows FROM segment.train('young', 'facts', '{age,revenue}', k => 2, "where" => 'is_young(age)')}), 365,
		'the condition runs under the caller\'s path');
};

subtest 'dump and restore' => sub {
	$node->safe_psql('postgres', q{
CREATE ROLE dba LOGIN; GRANT pg_read_all_data TO dba;
CREATE DATABASE owned OWNER dba});
	$node->safe_psql('owned', q{
SET SESSION AUTHORIZATION dba; CREATE EXTENSION pg_segment;
CREATE TABLE facts AS SELECT i AS id, sin(i) AS x, i % 3 AS y FROM generate_series(1, 500) i;
SELECT segment.train('one', 'facts', '{x,y}', k => 3); SELECT segment.train('one', 'facts', '{x,y}', k => 2)});
	my $bits = q{SELECT name, version, md5(segment.clustering_send(clustering)), relation, features, owner, trained_at FROM segment.model ORDER BY 1, 2};
	my $sizes = q{SELECT cluster_id, count(*) FROM segment.assign('one', key => 'id') GROUP BY 1 ORDER BY 1};
	for my $case ([ 'postgres', 'owned', 'dba' ], [ 'dba', 'owned', 'dba' ], [ 'postgres', 'postgres', 'postgres' ])
	{
		my ($role, $database, $owner) = @$case;
		my $file = $node->basedir . "/$role.$database.dump";
		$node->command_ok([ 'pg_dump', '-U', $role, '-Fc', '-f', $file, $database ], "$role dumps $database");
		$node->safe_psql('postgres', "CREATE DATABASE restored_${role}_$database OWNER $owner");
		$node->command_ok(
			[ 'pg_restore', '-U', $role, ($role eq 'dba' ? ('--no-owner', '--no-acl', '--no-comments') : ()), '--exit-on-error', '-d', "restored_${role}_$database", $file ],
			"$role restores it");
		is($node->safe_psql("restored_${role}_$database", $bits), $node->safe_psql($database, $bits), 'every model is there');
		next if $database eq 'postgres';
		is($node->safe_psql("restored_${role}_$database", $sizes), $node->safe_psql($database, $sizes), 'and scores the same');
		is($node->safe_psql("restored_${role}_$database", q{SELECT version FROM segment.train('one', 'facts', '{x,y}', k => 2)}), 3,
			'and versions count on');
	}
};

subtest 'one state of the relation' => sub {
	# Rows that come while a training runs are in none of its scans.
	is( $node->safe_psql('postgres', q{
CREATE TABLE growing AS SELECT i AS id, i % 7 AS x FROM generate_series(1, 100) i;
CREATE FUNCTION grow(int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
'BEGIN INSERT INTO growing SELECT 1000 + $1, 50; RETURN true; END';
SELECT rows FROM segment.train('grown', 'growing', '{x}', k => 2, "where" => 'grow(x)');
SELECT rows, (SELECT count(*) FROM growing) FROM segment.preparation_of(segment.model_get('grown')) AS p, jsonb_to_record(p::text::jsonb) AS r (rows int)}),
		"100\n100|300",
		'both scans of a training see the same rows');
};

subtest 'predict looks again when it could see another model' => sub {
	$node->safe_psql('postgres', q{
CREATE TABLE ruler AS SELECT i AS id, i::float8 AS x FROM generate_series(1, 100) i;
SELECT segment.train('moving', 'ruler', '{x}', k => 2, options => '{"order_by": "x"}')});
	is( $node->safe_psql('postgres', q{
DO $$
DECLARE
    r ruler := (1, 1); seen int[]; found int;
BEGIN
    FOR i IN 1..4 LOOP
        found := segment.predict('moving', r);
        seen := seen || found;
        IF i = 2 THEN
            PERFORM segment.train('moving', 'ruler', '{x}', k => 2, options => '{"order_by": "-x"}');
        END IF;
    END LOOP;
    CREATE TEMP TABLE told AS SELECT seen;
END $$;
SELECT * FROM told}), '{1,1,2,2}', 'in a loop of PL/pgSQL');
	is( $node->safe_psql('postgres', q{
DO $$
DECLARE
    r ruler := (1, 1); seen int[]; found int;
BEGIN
    FOR i IN 1..4 LOOP
        BEGIN
            IF i % 2 = 0 THEN
                PERFORM segment.train('moving', 'ruler', '{x}', k => 2, options => '{"order_by": "x"}');
            END IF;
            found := segment.predict('moving', r);
            seen := seen || found;
            IF i = 2 THEN
                RAISE EXCEPTION 'undo';
            END IF;
        EXCEPTION WHEN raise_exception THEN
            seen := seen || 0;
        END;
    END LOOP;
    CREATE TEMP TABLE told AS SELECT seen;
END $$;
SELECT * FROM told}), '{2,1,0,2,1}', 'after a rollback to a savepoint');
	is( $node->safe_psql('postgres', q{
GRANT SELECT ON ruler TO bob;
CREATE FUNCTION reader() RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    r ruler := (1, 1); seen int[]; found int; who text;
BEGIN
    FOREACH who IN ARRAY ARRAY['postgres', 'carol', 'postgres'] LOOP
        EXECUTE 'SET LOCAL ROLE ' || who;
        BEGIN
            found := segment.predict('moving', r);
        EXCEPTION WHEN undefined_object THEN
            found := 0;
        END;
        seen := seen || found;
    END LOOP;
    RETURN seen;
END $$;
SELECT reader()}), '{1,0,1}', 'for another user');
	my $plan = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
		SET max_parallel_workers_per_gather = 3;};
	like($node->safe_psql('postgres', $plan . q{EXPLAIN SELECT count(segment.predict('moving', l)) FROM ruler l}), qr/Partial Aggregate/,
		'the plan can be parallel');
	is($node->safe_psql('postgres', $plan . q{SELECT sum(segment.predict('moving', l)) FROM ruler l}),
		$node->safe_psql('postgres', q{SELECT sum(cluster_id) FROM segment.assign('moving', key => 'id')}), 'and gives the same');
};

subtest 'passes over all rows' => sub {
	$node->safe_psql('postgres', q{
CREATE TABLE points WITH (parallel_workers = 4) AS
SELECT i AS id, ARRAY[hashint4(i) / 1e9, exp(hashint4(i + 1000000) / 3e8), (i % 5) * 1e3 + hashint4(-i) / 7e12]::float8[] AS features
FROM generate_series(1, 20000) i;
CREATE TABLE shuffled WITH (parallel_workers = 4) AS SELECT * FROM points ORDER BY md5(id::text);
CREATE TABLE start AS SELECT segment.kmeans(features, 5, '{"n_init": 1, "max_iter": 1}') AS model FROM points WHERE id <= 200;
ANALYZE});
	my $serial = 'SET max_parallel_workers_per_gather = 0;';
	my $parallel = q{SET max_parallel_workers_per_gather = 4; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
		SET min_parallel_table_scan_size = 0;};
	for my $pass ('kmeans_step', 'kmeans_measure')
	{
		my $query = "SELECT md5(segment.$pass((SELECT model FROM start), features)::text) FROM";
		my $expected = $node->safe_psql('postgres', "$serial $query points");
		like($node->safe_psql('postgres', "$parallel EXPLAIN $query points"), qr/Partial Aggregate/, "$pass: the plan is parallel");
		is($node->safe_psql('postgres', "$parallel $query points"), $expected, "$pass: the same bits with workers");
		is($node->safe_psql('postgres', "$parallel $query shuffled"), $expected, "$pass: in another order");
		is($node->safe_psql('postgres', "$serial $query shuffled"), $expected, "$pass: without workers");
	}
	# What a pass measures is what scoring gives.
	is( $node->safe_psql('postgres', q{
SELECT bool_and(c.size = scored.size)
FROM (SELECT segment.kmeans_measure((SELECT model FROM start), features) AS model FROM points) AS m,
     segment.clusters(m.model) AS c
     LEFT JOIN (SELECT segment.cluster_id((SELECT model FROM start), features) AS id, count(*) AS size FROM points GROUP BY 1) AS scored
     ON scored.id = c.cluster_id}), 't', 'sizes are those of scoring');
	# A model as training left it is measured as training measured it.
	is( $node->safe_psql('postgres', q{
SELECT abs((segment.model_info(n)).inertia / (segment.model_info(m)).inertia - 1) < 1e-12
       AND abs((segment.model_info(n)).total_ss / (segment.model_info(m)).total_ss - 1) < 1e-12
       AND abs(segment.silhouette(n) - segment.silhouette(m)) < 1e-12
       AND (SELECT bool_and(abs(a.scatter / b.scatter - 1) < 1e-12 AND abs(a.radius / b.radius - 1) < 1e-12)
            FROM segment.clusters(m) a JOIN segment.clusters(n) b USING (cluster_id, size))
FROM (SELECT m, (SELECT segment.kmeans_measure(m, features) FROM points) AS n
      FROM (SELECT segment.kmeans(features, 6) AS m FROM points) AS trained) AS both_models}), 't', 'statistics are those of training');
	is( $node->safe_psql('postgres', q{
SELECT abs((segment.model_info(n)).inertia / (segment.model_info(m)).inertia - 1) < 1e-9
       AND abs((segment.model_info(n)).total_ss / (segment.model_info(m)).total_ss - 1) < 1e-9
FROM (SELECT m, (SELECT segment.kmeans_measure(m, features) FROM points) AS n
      FROM (SELECT segment.kmeans(features, 4, '{"measure": "cosine"}') AS m FROM points) AS trained) AS both_models}), 't',
		'also of cosines');
};

subtest 'a sample, refined' => sub {
	$node->safe_psql('postgres', q{
CREATE TABLE many WITH (parallel_workers = 2) AS
SELECT i AS id, g * 10 + hashint4(i) / 1e9 AS x, g / 3 * 20 + hashint4(-i) / 1e9 AS y, hashint4(i * 31) / 1e9 AS z
FROM generate_series(1, 800000) i, LATERAL (SELECT (ARRAY[0,0,0,0,0,0,1,1,1,1,1,2,2,2,2,3,3,3,4,4,5])[1 + i % 21] AS g) AS grouped;
ANALYZE many});
	my $train = q{SELECT rows, sampled_rows < rows, refined, converged FROM segment.train('%s', 'many', '{x,y,z}', k => 6, options => '{"seed": 1, "n_init": 2}')};
	is($node->safe_psql('postgres', sprintf($train, 'whole')), '800000|f|f|t', 'all rows fit');
	is($node->safe_psql('postgres', q{SET pg_segment.max_memory = '24MB'; } . sprintf($train, 'part')), '800000|t|t|t', 'a sample was refined over all rows');
	is( $node->safe_psql('postgres', q{
SELECT (p.quality ->> 'inertia')::float8 <= (w.quality ->> 'inertia')::float8 * 1.0001
       AND (SELECT sum(size) FROM segment.clusters(p.clustering)) = 800000
       AND (SELECT bool_and(c.size = n.size) FROM segment.clusters(p.clustering) c
            JOIN (SELECT cluster_id, count(*) AS size FROM segment.assign('part', key => 'id') GROUP BY 1) n USING (cluster_id))
FROM segment.model p, segment.model w WHERE p.name = 'part' AND w.name = 'whole'}), 't', 'as good as in memory, and scoring gives its sizes');
	is( $node->safe_psql('postgres', q{
SELECT count(*) FILTER (WHERE a.cluster_id = b.cluster_id) > 790000 FROM segment.assign('whole', key => 'id') a JOIN segment.assign('part', key => 'id') b USING (key)}), 't',
		'numbers are by size in both, and nearly all rows agree');
	is($node->safe_psql('postgres', q{SET pg_segment.max_memory = '24MB';
SELECT refined FROM segment.train('coarse', 'many', '{x,y,z}', k => 6, options => '{"seed": 1, "n_init": 2, "refine": false}')}), 'f', 'unless it is not to be');
};

subtest 'warm start' => sub {
	is( $node->safe_psql('postgres', q{
SELECT segment.train('nightly', 'crm.facts', '{age,city,revenue,joined}', k => 5, options => '{"warm_start": true}');
SELECT segment.train('nightly', 'crm.facts', '{age,city,revenue,joined}', options => '{"warm_start": true}');
SELECT count(*) FILTER (WHERE a.cluster_id = b.cluster_id), count(*)
FROM segment.assign('nightly', version => 1) a JOIN segment.assign('nightly', version => 2) b USING (key)}) =~ s/.*\n//sr, '2000|2000',
		'on unchanged data every row keeps its cluster and number');
	is( $node->safe_psql('postgres', q{
UPDATE crm.facts SET revenue = revenue * 1.02 WHERE id % 10 = 0;
SELECT segment.train('nightly', 'crm.facts', '{age,city,revenue,joined}', options => '{"warm_start": true}');
SELECT count(*) FILTER (WHERE a.cluster_id = b.cluster_id) >= 1900
FROM segment.assign('nightly', version => 2) a JOIN segment.assign('nightly', version => 3) b USING (key)}) =~ s/.*\n//sr, 't',
		'on data that have changed a little nearly every row');
};

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the log');
done_testing();
