# heliosdb.mv_rewrite: queries are answered from views that are fresh in their snapshot, and from no other ones. Random
# queries, matching and not, with the setting on and off in one snapshot, while others write and views are refreshed.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{HELIOS_ORACLE_SECONDS} // 25;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.max_cpu_background = 0
heliosdb.mv_full_refresh_fraction = 1
deadlock_timeout = 100ms
fsync = off
jit = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE o (id int PRIMARY KEY, c int, k text, d date, q int, a numeric(10,2), f float8);
	CREATE TABLE u (c int PRIMARY KEY, region text);
	CREATE TABLE z (n int);
	INSERT INTO u SELECT i, 'r' || i % 3 FROM generate_series(0, 9) i;
	INSERT INTO o SELECT i, i % 12, nullif('k' || i % 5, 'k3'), '2024-01-01'::date + i % 20, nullif(i % 17, 5), i % 100 / 4.0, i / 3.0
		FROM generate_series(1, 3000) i;
	INSERT INTO z VALUES (1);
	CREATE MATERIALIZED VIEW m_filter WITH (auto_refresh = true) AS SELECT id, c, k, q, a, q * 2 AS twice FROM o WHERE q > 8;
	CREATE MATERIALIZED VIEW m_groups WITH (auto_refresh = true) AS
		SELECT c, k, count(*) AS n, count(q) AS nq, sum(q) AS s, sum(a) AS sa, min(q) AS lo, max(k) AS hi, avg(q) AS av
		FROM o GROUP BY c, k;
	CREATE MATERIALIZED VIEW m_join WITH (auto_refresh = true) AS
		SELECT u.region, o.d, sum(o.q) AS s, count(*) AS n FROM o JOIN u ON o.c = u.c WHERE o.q IS NOT NULL GROUP BY u.region, o.d;
	CREATE MATERIALIZED VIEW m_left WITH (auto_refresh = true) AS SELECT o.id, o.q, u.region FROM o LEFT JOIN u ON u.c = o.c;
	CREATE MATERIALIZED VIEW m_total WITH (auto_refresh = true) AS SELECT count(*) AS n, sum(q) AS s FROM o;
	CREATE MATERIALIZED VIEW m_having WITH (auto_refresh = true) AS SELECT d, count(*) AS n FROM o GROUP BY d HAVING count(*) > 140;
	CREATE MATERIALIZED VIEW m_float WITH (auto_refresh = true) AS SELECT c, sum(f) AS s FROM o GROUP BY c;
	VACUUM ANALYZE;
});
my @views = qw(m_filter m_groups m_join m_left m_total m_having m_float);

# Returns the views that a query reads, in a session with the setting.
sub views_of
{
	my ($query, $before) = @_;
	my $plan = sql('SET heliosdb.mv_rewrite = on;' . ($before // '') . "EXPLAIN (COSTS OFF) $query");
	my %seen = map { $_ => 1 } $plan =~ /\b(m_\w+)/g;
	return join(' ', sort keys %seen);
}

# What is answered, and what is not.
my @answered = (
	[ m_filter => 'SELECT id, c, k, q, a, q * 2 AS twice FROM o WHERE q > 8' ],
	[ m_filter => 'SELECT a, q * 2 + 1 FROM o WHERE c = 3 AND 8 < q ORDER BY id LIMIT 7' ],
	[ m_filter => 'SELECT x.k, count(*), sum(x.a) FROM (SELECT * FROM (SELECT k, a FROM o WHERE q > 8) y) x GROUP BY x.k' ],
	[ m_filter => 'SELECT k, sum(a), max(q) FROM o WHERE q > 8 AND c <> 4 GROUP BY k HAVING count(*) > 3' ],
	[ m_filter => 'SELECT count(DISTINCT c) FROM o AS other WHERE other.q > 8' ],
	[ m_filter => 'SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM o WHERE q > 8) x' ],
	[ m_groups => 'SELECT k, c, count(*), sum(q) FROM o GROUP BY k, c' ],
	[ m_groups => 'SELECT c, k, avg(q) + 1 FROM o WHERE c IN (1, 2) GROUP BY c, k HAVING sum(q) > 10 ORDER BY count(*) DESC, 1, 2' ],
	[ m_groups => 'SELECT c, count(*), count(q), sum(q), sum(a), min(q), max(k) FROM o GROUP BY c' ],
	[ m_groups => 'SELECT c % 2, sum(q) FROM o WHERE k IS NOT NULL GROUP BY c % 2 HAVING min(q) < 3' ],
	[ m_groups => q{WITH w AS MATERIALIZED (SELECT k, count(*) AS n FROM o GROUP BY k) SELECT * FROM w, w AS v WHERE w.k = v.k} ],
	[ m_groups => q{SELECT count(q), min(q) FROM o WHERE k = 'none'} ],
	[ m_join => 'SELECT region, sum(q) FROM u, o WHERE u.c = o.c AND q IS NOT NULL GROUP BY region' ],
	[ m_join => 'SELECT d, u.region, count(*) FROM u JOIN o USING (c) WHERE o.q IS NOT NULL GROUP BY d, u.region' ],
	[ m_left => 'SELECT q, region FROM o LEFT JOIN u ON u.c = o.c WHERE region IS NULL' ],
	[ m_left => 'SELECT region, sum(q) FROM o LEFT JOIN u ON u.c = o.c GROUP BY region' ],
	[ m_total => 'SELECT sum(q) FROM o HAVING count(*) > 5' ],
	[ m_having => 'SELECT count(*), d FROM o GROUP BY d HAVING count(*) > 140 AND count(*) < 152' ],
	[ 'm_filter m_total' => 'SELECT c, (SELECT count(*) FROM o) FROM o WHERE q > 8' ]);
my @refused = (
	'SELECT id FROM o WHERE q > 7', 'SELECT id, d FROM o WHERE q > 8', 'SELECT id FROM o WHERE q > 8 AND d IS NULL',
	'SELECT c, avg(q) FROM o GROUP BY c', 'SELECT c, max(q) FROM o GROUP BY c', 'SELECT c, sum(f) FROM o GROUP BY c',
	'SELECT c, count(DISTINCT q) FROM o GROUP BY c', 'SELECT k, sum(q) FROM o WHERE id > 3 GROUP BY k',
	'SELECT count(*) FROM o GROUP BY d', 'SELECT d, count(*) FROM o GROUP BY d HAVING count(*) > 139',
	'SELECT o.id, u.region FROM o JOIN u ON u.c = o.c', 'SELECT o.id, u.region FROM u LEFT JOIN o ON u.c = o.c',
	'SELECT q, region FROM o LEFT JOIN u ON u.c = o.c AND u.region IS NOT NULL',
	'SELECT c, row_number() OVER () FROM o WHERE q > 8', 'SELECT id FROM o WHERE q > 8 AND random() < 2',
	'SELECT id FROM o WHERE q > 8 FOR UPDATE', 'SELECT o FROM o WHERE q > 8', 'SELECT ctid FROM o WHERE q > 8',
	'SELECT k, string_agg(c::text, NULL) FROM o WHERE q > 8 GROUP BY k', 'SELECT sum(q) FROM o, z',
	'SELECT sum(a / 3) FROM (SELECT a FROM o WHERE q > 8) x', 'SELECT array_agg(id) FROM (SELECT id FROM o WHERE q > 8) x',
	'SELECT id FROM o TABLESAMPLE system (100) WHERE q > 8', 'SELECT c, k, grouping(c) FROM o GROUP BY ROLLUP (c, k)');

is(views_of($_->[1]), $_->[0], "answered: $_->[1]") for @answered;
is(views_of($_), '', "refused: $_") for @refused;
is(sql("EXPLAIN (COSTS OFF) $answered[0][1]") =~ /m_filter/ ? 1 : 0, 0, 'off by default');

# Whether the setting is on must not be seen.
my $wrap = sub {
	my ($query) = @_;
	return qq{SELECT md5(string_agg(r, ',' ORDER BY r)) FROM (SELECT answer::text AS r FROM ($query) answer) t};
};
is(sql('SET heliosdb.mv_rewrite = on;' . $wrap->($_)), sql($wrap->($_)), "same: $_") for map { $_->[1] } @answered;

# Names, types and origin of columns.
is(sql("SET heliosdb.mv_rewrite = on; CREATE TABLE made AS SELECT c AS one, sum(a) AS two, count(*) FROM o GROUP BY c;
	SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0"),
	'one integer, two numeric, count bigint', 'columns are the same');

# Own changes, in every state of the transaction.
my $total = 'SELECT count(*), sum(q) FROM o';
my $on = "SET heliosdb.mv_rewrite = on;\n";
is(sql("$on BEGIN; INSERT INTO o (id, q) VALUES (-1, 5); $total; SAVEPOINT s; DELETE FROM o WHERE id < 11; $total; ROLLBACK TO s; $total; ROLLBACK; $total"),
	sql("BEGIN; INSERT INTO o (id, q) VALUES (-1, 5); $total; SAVEPOINT s; DELETE FROM o WHERE id < 11; $total; ROLLBACK TO s; $total; ROLLBACK; $total"),
	'own changes are seen');
is(views_of($total, 'BEGIN; DELETE FROM o WHERE false;'), '', 'a table that the transaction changes is read itself');
sql(q{CREATE TABLE seen (at int, n bigint);
	CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n bigint := (SELECT count(*) FROM o); BEGIN INSERT INTO seen VALUES (NEW.id, n); RETURN NULL; END $$;
	CREATE TRIGGER " first" AFTER INSERT ON o FOR EACH ROW EXECUTE FUNCTION look();});
sql("$on BEGIN; INSERT INTO o (id) VALUES (-1), (-2); COMMIT");
is(sql('SELECT string_agg(n::text, \' \' ORDER BY at DESC) FROM seen'), '3002 3002', 'triggers see what their statement has done');
sql('DROP TRIGGER " first" ON o; DELETE FROM o WHERE id < 0');
sql("REFRESH MATERIALIZED VIEW CONCURRENTLY $_ INCREMENTALLY") for @views;
is(views_of($total), 'm_total', 'fresh again');

# Cached plans: one session executes, another one changes.
my $session = $node->background_psql('postgres', on_error_stop => 0);
sub ask { my $rows = $session->query($_[0]); $rows =~ s/\s+$//; return $rows; }
ask("$on SET plan_cache_mode = force_generic_plan; PREPARE p AS $total; PREPARE g(int) AS SELECT count(*), sum(q) FROM o WHERE c = \$1 GROUP BY c");
like(ask('EXPLAIN EXECUTE p'), qr/m_total/, 'a generic plan reads the view');
like(ask('EXPLAIN EXECUTE g(3)'), qr/m_groups/, 'so does one with a parameter');
my @before = (ask('EXECUTE p'), ask('EXECUTE g(3)'));
is_deeply(\@before, [ sql($total), sql('SELECT count(*), sum(q) FROM o WHERE c = 3') ], 'generic plans while fresh');
sql('INSERT INTO o (id, c, q) VALUES (-3, 3, 11)');
is_deeply([ ask('EXECUTE p'), ask('EXECUTE g(3)') ], [ sql($total), sql('SELECT count(*), sum(q) FROM o WHERE c = 3') ], 'generic plans while stale');
unlike(ask('EXPLAIN EXECUTE p'), qr/m_total/, 'the same plan reads the table then');
ask("BEGIN; DECLARE s SCROLL CURSOR FOR $answered[6][1] ORDER BY 1, 2; DECLARE t CURSOR FOR SELECT id FROM o WHERE q > 8 ORDER BY id");
ask('MOVE 3 IN s; MOVE 3 IN t');
is(ask('FETCH BACKWARD 1 FROM s'), sql("$answered[6][1] ORDER BY 1, 2 LIMIT 1 OFFSET 1"), 'cursors move backwards');
ask('COMMIT');
sql("REFRESH MATERIALIZED VIEW CONCURRENTLY $_ INCREMENTALLY") for @views;
like(ask('EXPLAIN EXECUTE p'), qr/m_total/, 'and the view after a refresh');

# A snapshot that is older than a refresh: in place it has rows of its own, of a swapped heap it has not.
for my $refresh ('REFRESH MATERIALIZED VIEW CONCURRENTLY m_total INCREMENTALLY', 'REFRESH MATERIALIZED VIEW m_total')
{
	ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM z');
	my $expected = sql($total);
	sql('DELETE FROM o WHERE id IN (SELECT min(id) FROM o)');
	sql($refresh);
	is(ask($total), $expected, "older than $refresh");
	is(ask('EXECUTE p'), $expected, 'the same in a cached plan');
	ask('COMMIT');
	is(ask($total), sql($total), 'and after it');
}
# TRUNCATE takes rows from older snapshots too.
ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM z');
sql('CREATE TABLE keep AS SELECT * FROM o; TRUNCATE o');
is(ask('SELECT count(*) FROM o'), '0', 'an older snapshot than TRUNCATE');
ask('COMMIT');
sql('INSERT INTO o SELECT * FROM keep');
sql("REFRESH MATERIALIZED VIEW $_") for @views;
is(views_of($total), 'm_total', 'fresh again');

# Isolation, branches, the past: a branch and an instant of their own, though nothing has changed since.
is(views_of($total, 'BEGIN ISOLATION LEVEL SERIALIZABLE;'), '', 'not in a SERIALIZABLE transaction');
ask('BEGIN ISOLATION LEVEL SERIALIZABLE');
unlike(ask('EXPLAIN EXECUTE p'), qr/m_total/, 'nor with a plan from before');
ask('COMMIT');

sql("SELECT heliosdb.track('o'); CREATE BRANCH side");
is(views_of($total, "SET heliosdb.branch = 'side';"), '', 'not on a branch');
ask("SET heliosdb.branch = 'side'");
unlike(ask('EXPLAIN EXECUTE p'), qr/m_total/, 'nor with a plan from before');
ask("RESET heliosdb.branch");
sleep 0.1;
is(views_of($total, 'SET heliosdb.as_of = \'' . sql('SELECT clock_timestamp()') . '\';'), '', 'not in the past');
is(views_of($total), 'm_total', 'but in the present');

# Privileges are those of the query as written.
sql('CREATE ROLE reader; GRANT SELECT (q) ON o TO reader; CREATE ROLE viewer; GRANT SELECT ON m_total TO viewer');
is(sql("$on SET ROLE reader; SELECT sum(q) FROM o"), sql('SELECT sum(q) FROM o'), 'the view itself needs no privilege');
like(views_of('SELECT sum(q) FROM o', 'SET ROLE reader;'), qr/m_total/, 'and is read');
my ($ret, $out, $err) = $node->psql('postgres', "$on SET ROLE viewer; SELECT sum(q) FROM o");
like($err, qr/permission denied for table o/, 'a privilege on the view is not enough');
($ret, $out, $err) = $node->psql('postgres', "$on SET ROLE reader; SELECT count(*) FROM o WHERE q > 8 AND a > 1");
like($err, qr/permission denied for table o/, 'columns count as well');
sql('ALTER TABLE o ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON o TO reader USING (q = 1)');
is(sql("$on SET ROLE reader; SELECT sum(q) FROM o"), sql('SELECT sum(q) FROM o WHERE q = 1'), 'row-level security');
is(views_of($total), '', 'no view is read then, by nobody');
sql('DROP POLICY few ON o; ALTER TABLE o DISABLE ROW LEVEL SECURITY');
sql("REFRESH MATERIALIZED VIEW $_") for @views;

# Random queries beside writers and refreshes. Each is asked for twice in one snapshot, with a prepared plan as well.
sql(q{
	CREATE TABLE asked (how text, answered boolean, wrong text);
	CREATE FUNCTION part(list text[]) RETURNS text LANGUAGE sql AS 'SELECT list[1 + floor(random() * cardinality(list))::int]';
	CREATE FUNCTION make() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE groups text; conditions text; having text;
	BEGIN
		CASE floor(random() * 5)::int
		WHEN 0 THEN
			RETURN format('SELECT %s, %s FROM o WHERE q > %s%s', part('{id,c,k,q * 2,a + 1,d}'), part('{a,q,k,id % 7}'), part('{8,8,8,9}'),
				part('{""," AND c = 3"," AND k IS NULL"," AND q * 2 < 24"," AND a > 10 OR c = 1"}'));
		WHEN 1 THEN
			groups := part('{c,k,"c, k","k, c",c % 3,d,"c, k, d"}');
			RETURN format('SELECT %s, %s, %s FROM o %s GROUP BY %s %s', groups, part('{count(*),count(q),sum(q),sum(a),min(q),max(k),avg(q),sum(f)::int}'),
				part('{sum(q) + 1,count(*),min(q),max(q)}'), part('{"","WHERE c < 6","WHERE k = ''k1''","WHERE k IS NOT NULL AND c <> 2","WHERE q > 8"}'), groups,
				part('{"","HAVING count(*) > 40","HAVING sum(q) % 2 = 0"}'));
		WHEN 2 THEN
			groups := part('{region,d,"region, d","d, region"}');
			RETURN format('SELECT %s, %s, count(*) FROM %s q IS NOT NULL%s GROUP BY %s', groups, part('{sum(q),sum(q) * 2,min(q)}'),
				part('{"o JOIN u ON o.c = u.c WHERE","u JOIN o USING (c) WHERE","o, u WHERE u.c = o.c AND","o LEFT JOIN u ON u.c = o.c WHERE"}'),
				part('{""," AND region = ''r1''"," AND d > ''2024-01-09''"," AND id > 5"}'), groups);
		WHEN 3 THEN
			RETURN format('SELECT %s, %s FROM o LEFT JOIN u ON u.c = o.c%s', part('{region,id,q,upper(region)}'), part('{q,region,o.c}'),
				part('{""," WHERE q > 3"," WHERE region IS NULL"," AND q > 3"}'));
		ELSE
			RETURN format('SELECT %s, x.n FROM o, (%s) x WHERE q > 8', part('{id,c}'),
				part('{"SELECT count(*) AS n FROM o","SELECT sum(q) AS n FROM o WHERE k = ''k2''","SELECT d, count(*) AS n FROM o GROUP BY d HAVING count(*) > 140","SELECT max(q) AS n FROM o"}'));
		END CASE;
	END $$;
	CREATE FUNCTION digest(query text) RETURNS text LANGUAGE plpgsql STABLE AS $$
	DECLARE d text;
	BEGIN EXECUTE format('SELECT count(*) || md5(coalesce(string_agg(r, '','' ORDER BY r), '''')) FROM (SELECT answer::text AS r FROM (%s) answer) t', query) INTO d; RETURN d; END $$;
	-- Its plans are cached in the session, and made with the setting on.
	CREATE FUNCTION cached() RETURNS text LANGUAGE plpgsql STABLE SET heliosdb.mv_rewrite = on AS $$
	BEGIN RETURN (SELECT (count(*), sum(q))::text FROM o) || (SELECT count(*) FROM o WHERE q > 8) ||
		(SELECT sum(n) FROM (SELECT region, count(*) AS n FROM o JOIN u USING (c) WHERE q IS NOT NULL GROUP BY region) x); END $$;
	CREATE FUNCTION uncached() RETURNS text LANGUAGE plpgsql STABLE SET heliosdb.mv_rewrite = off AS $$
	DECLARE r text;
	BEGIN EXECUTE 'SELECT (SELECT (count(*), sum(q))::text FROM o) || (SELECT count(*) FROM o WHERE q > 8) ||
		(SELECT sum(n) FROM (SELECT region, count(*) AS n FROM o JOIN u USING (c) WHERE q IS NOT NULL GROUP BY region) x)' INTO r; RETURN r; END $$;
	CREATE FUNCTION reads_view(query text) RETURNS boolean LANGUAGE plpgsql AS $$
	DECLARE line text; found boolean := false;
	BEGIN FOR line IN EXECUTE 'EXPLAIN ' || query LOOP found := found OR line ~ '\mm_'; END LOOP; RETURN found; END $$;
	CREATE FUNCTION change() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE r int := (random() * 3200)::int;
	BEGIN
		CASE (random() * 5)::int
		WHEN 0 THEN INSERT INTO o SELECT r, r % 12, 'k' || r % 6, '2024-01-01'::date + r % 20, r % 17, r / 8.0, r ON CONFLICT (id) DO UPDATE SET q = o.q + 1;
		WHEN 1 THEN UPDATE o SET k = nullif('k' || r % 7, 'k5'), a = a + 0.25 WHERE id BETWEEN r AND r + 9;
		WHEN 2 THEN DELETE FROM o WHERE id BETWEEN r AND r + 2;
		WHEN 3 THEN UPDATE u SET region = 'r' || r % 4 WHERE c = r % 10;
		WHEN 4 THEN UPDATE o SET c = r % 13, d = d + 1 WHERE id = r;
		ELSE UPDATE o SET q = nullif(r % 19, 6) WHERE id BETWEEN r AND r + 4;
		END CASE;
	END $$;
	CREATE PROCEDURE write(until timestamptz) LANGUAGE plpgsql AS $$
	BEGIN
		WHILE clock_timestamp() < until LOOP
			FOR i IN 1 .. 1 + (random() * 2)::int LOOP PERFORM change(); END LOOP;
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
			PERFORM pg_sleep(random() * 1.2);
		END LOOP;
	END $$;
	-- Both answers come from the snapshot of one statement: the functions are stable.
	CREATE PROCEDURE ask(until timestamptz, how text) LANGUAGE plpgsql AS $$
	DECLARE query text; plain text; other text; was boolean;
	BEGIN
		WHILE clock_timestamp() < until LOOP
			query := make();
			IF how = 'own' AND random() < 0.3 THEN PERFORM change(); END IF;
			FOR i IN 1 .. 3 LOOP
				SELECT a.d, b.d INTO plain, other FROM
					(SELECT set_config('heliosdb.mv_rewrite', 'off', true) AS s OFFSET 0) x,
					LATERAL (SELECT digest(query || left(x.s, 0)) AS d OFFSET 0) a,
					LATERAL (SELECT set_config('heliosdb.mv_rewrite', left('on' || a.d, 2), true) AS s OFFSET 0) y,
					LATERAL (SELECT digest(query || left(y.s, 0)) AS d OFFSET 0) b;
				was := reads_view(query);
				INSERT INTO asked SELECT 'cached', NULL, 'cached' WHERE cached() <> uncached();
				INSERT INTO asked VALUES (how, was, CASE WHEN plain <> other THEN query END);
				IF how = 'snapshot' THEN PERFORM pg_sleep(random() * 0.05); END IF;
			END LOOP;
			IF how = 'own' AND random() < 0.3 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END $$;
});
my @runs;
my $run = sub {
	my ($stdout, $stderr) = ('', '');
	my $handle = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), map { ('-c', $_) } @_ ], '>', \$stdout, '2>', \$stderr);
	push @runs, [ $handle, \$stderr ];
};
my $until = sql("SELECT clock_timestamp() + interval '$seconds seconds'");
$run->("CALL write('$until');") for 1 .. 2;
$run->("CALL ask('$until', '$_')") for qw(each own);
$run->("SET default_transaction_isolation = 'repeatable read'", "CALL ask('$until', 'snapshot')");
my $end = time + $seconds;
my $n = 0;
while (time < $end)
{
	my $view = $views[$n++ % @views];
	$node->psql('postgres', $n % 11 == 0 ? "REFRESH MATERIALIZED VIEW $view" : "REFRESH MATERIALIZED VIEW CONCURRENTLY $view INCREMENTALLY");
	sleep 0.01;
}
for (@runs)
{
	IPC::Run::finish($_->[0]);
	is(${ $_->[1] }, '', 'no errors');
}
is(sql('SELECT how, wrong FROM asked WHERE wrong IS NOT NULL LIMIT 5'), '', 'no answer differs');
for my $how (qw(each snapshot own))
{
	my ($all, $answered) = split /\|/, sql("SELECT count(*), count(*) FILTER (WHERE answered) FROM asked WHERE how = '$how'");
	cmp_ok($answered, '>', 0, "$how: $answered of $all queries were answered from views");
}
$session->quit;
$node->stop;
done_testing();
