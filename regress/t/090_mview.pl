# Maintained materialized views in a server with background work: kept up to date by themselves, within their options;
# errors, rights, dependencies; dumps; sessions without the library.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.background_naptime = 1s
heliosdb.max_background_workers = 2
heliosdb.max_cpu_background = 90
heliosdb.incremental_mv_cpu = 60
autovacuum = off
fsync = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0], @_[ 1 .. $#_ ]); }
sub await { my ($query, $name) = @_; return ok($node->poll_query_until('postgres', $query), $name); }
sub is_current { return "SELECT is_current FROM heliosdb.materialized_views WHERE view = '$_[0]'::regclass"; }
sub last_of { return sql("SELECT strategy, trigger, reason FROM heliosdb.materialized_view_refreshes WHERE relid = '$_[0]'::regclass ORDER BY id DESC LIMIT 1"); }

sql(q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE orders (id int PRIMARY KEY, customer int, amount numeric);
	INSERT INTO orders SELECT i, i % 10, i FROM generate_series(1, 5000) i;});

# ---- Both places of the options, and the statements of ours ----
sql(q{CREATE MATERIALIZED VIEW test_mv AS SELECT * FROM orders WITH (auto_refresh = true)});
sql(q{CREATE MATERIALIZED VIEW by_customer WITH (auto_refresh = true) AS SELECT customer, sum(amount) AS total, count(*) AS n FROM orders GROUP BY customer});
like(sql(q{SELECT array_to_string(reloptions, ',') FROM pg_class WHERE relname = 'test_mv'}), qr/auto_refresh=true/, 'options lie with the view');
my ($status, $out, $err);
sql('ALTER MATERIALIZED VIEW test_mv SET priority = 2');
$node->command_like([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', '\d+ test_mv' ], qr/Options: auto_refresh=true, priority=2/, 'one option without parentheses; \d+ shows it');
sql('UPDATE orders SET amount = amount + 1 WHERE id <= 10; DELETE FROM orders WHERE id = 11; INSERT INTO orders VALUES (10001, 3, 1)');
await(is_current('test_mv'), 'a view is brought up to date in the background');
await(is_current('by_customer'), 'and the other one');
is(sql(q{SELECT count(*) FROM ((TABLE orders EXCEPT ALL TABLE test_mv) UNION ALL (TABLE test_mv EXCEPT ALL TABLE orders)) x}), '0', 'its rows are right');
is(sql(q{SELECT count(*) FROM (SELECT customer, sum(amount), count(*) FROM orders GROUP BY 1 EXCEPT ALL TABLE by_customer) x}), '0', 'of both');
is(last_of('test_mv'), 'incremental|auto|', 'incrementally');
is(last_of('by_customer'), 'incremental|auto|', 'both');
sql('SELECT heliosdb.pause_background()');
sleep 2.1;
sql('UPDATE orders SET amount = amount + 1 WHERE id <= 3');
is(sql(q{SELECT stale_since > refreshed_at + interval '2 seconds' FROM heliosdb.materialized_views WHERE view = 'test_mv'::regclass}), 't', 'a view is as old as the first change that it does not show');
is(sql(q{SELECT view_name, base_tables, pending_changes, status FROM pg_mv_staleness() WHERE view_name = 'test_mv'}), 'test_mv|["orders"]|3|FRESH', 'pending changes are counted');
sql('REFRESH MATERIALIZED VIEW CONCURRENTLY public.test_mv INCREMENTALLY');
is(last_of('test_mv'), 'incremental|manual|', 'REFRESH … INCREMENTALLY');
is(sql(q{SELECT strategy, trigger, success, rows_affected FROM pg_mv_refresh_history(1)}), 'incremental|manual|t|6', 'the history');
sql('SELECT heliosdb.resume_background()');
is(sql('SELECT max_cpu_percent, is_throttled IS NOT NULL, active_tasks >= 0, queued_tasks >= 0 FROM pg_mv_cpu_usage()'), '60|t|t|t', 'CPU');
is(sql('SELECT queue_size >= 0, running_tasks >= 0, cpu_usage >= 0 FROM pg_mv_scheduler_stats()'), 't|t|t', 'the scheduler');

# ---- TRUNCATE: computed once in full ----
sql('CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 100)');
sql('CREATE MATERIALIZED VIEW of_small AS SELECT * FROM small WITH (auto_refresh = true)');
sql('TRUNCATE small; INSERT INTO small SELECT generate_series(1, 5)');
await(is_current('of_small'), 'a truncated table');
is(sql('SELECT count(*) FROM of_small'), '5', 'its view');
like(last_of('of_small'), qr/^full\|auto\|it was not computed since its tables are tracked/, 'computed in full');
sql('INSERT INTO small VALUES (6)');
await(is_current('of_small'), 'goes on');
is(last_of('of_small'), 'incremental|auto|', 'incrementally after that');

# ---- Created in the transaction that fills the table ----
sql(q{BEGIN; CREATE TABLE fresh (id int PRIMARY KEY); INSERT INTO fresh SELECT generate_series(1, 10);
	CREATE MATERIALIZED VIEW of_fresh AS SELECT * FROM fresh WITH (auto_refresh = true); INSERT INTO fresh VALUES (11); COMMIT});
await(is_current('of_fresh'), 'a table that was filled in the transaction that created the view');
is(sql('SELECT count(*) FROM of_fresh'), '11', 'is shown whole');

# ---- Views over views: in order ----
sql(q{CREATE MATERIALIZED VIEW middle AS SELECT customer % 2 AS odd, total FROM by_customer WITH (auto_refresh = true);
	CREATE MATERIALIZED VIEW top AS SELECT odd, sum(total) AS total FROM middle GROUP BY odd WITH (auto_refresh = true)});
sql('UPDATE orders SET amount = amount + 1 WHERE id < 20');
await(is_current($_), "$_ follows") for qw(by_customer middle top);
is(sql('SELECT count(*) FROM (SELECT customer % 2 AS odd, sum(amount) FROM orders GROUP BY 1 EXCEPT ALL TABLE top) x'), '0', 'and is right');
is(last_of('top'), 'incremental|auto|', 'incrementally');
is(last_of('middle'), 'incremental|auto|', 'all of them');

# ---- Errors: shown, tried again, less and less often, without harm to others ----
sql(q{CREATE TABLE numbers (id int PRIMARY KEY, n int); INSERT INTO numbers VALUES (1, 1);
	CREATE MATERIALIZED VIEW inverse AS SELECT id, 100 / n AS x FROM numbers WITH (auto_refresh = true);
	INSERT INTO numbers VALUES (2, 0)});
await(q{SELECT failures >= 2 FROM heliosdb.materialized_views WHERE view = 'inverse'::regclass}, 'a view that fails is tried again');
is(sql(q{SELECT last_error, is_current FROM heliosdb.materialized_views WHERE view = 'inverse'::regclass}), 'division by zero|f', 'its error is shown');
is(sql(q{SELECT state, last_error, failures >= 2 FROM heliosdb.background_activity WHERE job = 'refresh_views' AND object = 'public.inverse'}), 'failed|division by zero|t', 'by the scheduler too');
is(sql(q{SELECT success, error_message, strategy FROM pg_mv_refresh_history(1)}), 'f|division by zero|none', 'and in the history');
sql('CREATE ROLE nobody LOGIN');
is(sql(q{SELECT DISTINCT error_message IS NULL FROM pg_mv_refresh_history() WHERE mv_name = 'public.inverse'}, extra_params => [ '-U', 'nobody' ]), 't', 'to those who may see it');
is(sql('TABLE inverse'), '1|100', 'it keeps its rows');
sql('UPDATE orders SET amount = amount + 1 WHERE id = 1');
await(is_current('test_mv'), 'others go on');
sql('DELETE FROM numbers WHERE n = 0');
sql(q{SELECT heliosdb.run_now('refresh_views', 'inverse')});
await(is_current('inverse'), 'once the cause is gone it is right again');
is(sql(q{SELECT failures, last_error IS NULL FROM heliosdb.materialized_views WHERE view = 'inverse'::regclass}), '0|t', 'and nothing is left of the errors');

# ---- As the owner, in a security-restricted operation ----
sql(q{CREATE ROLE owner; GRANT CREATE ON SCHEMA public TO owner; CREATE TABLE secret (n int); SET ROLE owner;
	CREATE TABLE owned (id int PRIMARY KEY, n int); INSERT INTO owned VALUES (1, 1);
	CREATE FUNCTION who() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	  BEGIN PERFORM 1 FROM public.secret; RETURN 'reads secrets'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	  BEGIN PERFORM set_config('role', 'postgres', false); RETURN 'escapes'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	  RETURN current_user || ' ' || current_setting('search_path'); END $$;
	CREATE MATERIALIZED VIEW of_owned AS SELECT id, n, public.who() FROM owned WHERE n > 0 WITH (auto_refresh = true);
	CREATE INDEX ON of_owned ((who || public.who()));
	INSERT INTO owned VALUES (2, 2)});
await(is_current('of_owned'), 'a view of somebody else');
is(sql('SELECT who FROM of_owned WHERE id = 2'), 'owner pg_catalog, pg_temp', 'runs with the rights of its owner');

# ---- Nobody waits for a lock that somebody holds on a table, neither the job nor who asks how old views are ----
my $holder = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'BEGIN; LOCK TABLE numbers; SELECT pg_sleep(4); COMMIT' ], '>', '/dev/null');
await(q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'numbers'::regclass AND mode = 'AccessExclusiveLock'}, 'a table is locked');
is(sql(q{SELECT pending_changes IS NULL, is_current IS NULL FROM heliosdb.materialized_views WHERE view = 'inverse'::regclass}), 't|t', 'its view: not known for now');
sql('UPDATE orders SET amount = amount + 1 WHERE id = 2');
await(is_current('test_mv'), 'other views are refreshed meanwhile');
is(sql(q{SELECT count(*) FROM pg_locks WHERE NOT granted}), '0', 'nobody waits');
is(sql(q{SELECT count(*) FROM pg_locks WHERE relation = 'numbers'::regclass AND mode = 'AccessExclusiveLock'}), '1', 'all the while');
$holder->finish;

# ---- Policies and views in the query ----
sql(q{CREATE VIEW between AS SELECT * FROM small WHERE id < 4; CREATE MATERIALIZED VIEW of_between AS SELECT * FROM between WITH (auto_refresh = true)});
is(sql('SELECT count(*) FROM of_between'), '3', 'a view in the query');
sql('CREATE OR REPLACE VIEW between AS SELECT * FROM small WHERE id < 3');
await('SELECT count(*) = 2 FROM of_between', 'when it is replaced the materialized view follows');
like(last_of('of_between'), qr/^full\|auto\|a view or policy that its query goes through has changed/, 'in full');

# ---- Options of the background ----
sql(q{ALTER MATERIALIZED VIEW of_small SET (auto_refresh = false)});
sql('INSERT INTO small VALUES (7)');
sql(q{ALTER MATERIALIZED VIEW of_fresh SET (refresh_strategy = manual)});
sql('INSERT INTO fresh VALUES (12)');
sql(q{ALTER MATERIALIZED VIEW inverse SET (refresh_strategy = incremental)});
sql('TRUNCATE numbers');
await(q{SELECT failures > 0 FROM heliosdb.materialized_views WHERE view = 'inverse'::regclass}, 'refresh_strategy = incremental: no full refresh by itself');
like(sql(q{SELECT last_error FROM heliosdb.materialized_views WHERE view = 'inverse'::regclass}), qr/cannot be refreshed incrementally/, 'but an error');
sleep 3;
is(sql('SELECT count(*) FROM of_small'), '6', 'auto_refresh = false: left alone');
is(sql('SELECT count(*) FROM of_fresh'), '11', 'refresh_strategy = manual: left alone');
sql('REFRESH MATERIALIZED VIEW inverse; REFRESH MATERIALIZED VIEW of_small INCREMENTALLY; REFRESH MATERIALIZED VIEW of_fresh INCREMENTALLY');
is(sql('SELECT count(*) FROM of_small') . sql('SELECT count(*) FROM of_fresh'), '712', 'but not by users');
is(last_of('of_small'), 'incremental|manual|', 'incrementally');

# lazy_update: never idle, so the window decides.
$node->append_conf('postgresql.conf', 'heliosdb.mv_idle_load = 0');
$node->reload;
sql(q{ALTER MATERIALIZED VIEW of_small SET (auto_refresh = true, lazy_update = true, lazy_catchup_window = '6 seconds')});
sql('REFRESH MATERIALIZED VIEW of_small');
my $begin = time;
sql('INSERT INTO small VALUES (8)');
await(is_current('of_small'), 'lazy_update: not before the window is over');
cmp_ok(time - $begin, '>', 4, 'but then');
$node->append_conf('postgresql.conf', 'heliosdb.mv_idle_load = 100');
$node->reload;
sql(q{ALTER MATERIALIZED VIEW of_small SET (lazy_catchup_window = '1 hour')});
sql('INSERT INTO small VALUES (9)');
await(is_current('of_small'), 'lazy_update: at once on an idle machine');

# staleness_threshold: where changes are not known the age decides.
sql(q{CREATE UNLOGGED TABLE loose (n int); INSERT INTO loose VALUES (1);
	CREATE MATERIALIZED VIEW of_loose AS SELECT * FROM loose WITH (auto_refresh = true, staleness_threshold = 2); INSERT INTO loose VALUES (2)});
await('SELECT count(*) = 2 FROM of_loose', 'a table whose changes are not known: by age');
like(last_of('of_loose'), qr/^full\|staleness\|table public.loose cannot be tracked/, 'in full');

# max_cpu_percent: a view with little of it is refreshed less often.
sql(q{CREATE TABLE busy (id int PRIMARY KEY, n int); INSERT INTO busy SELECT i, 0 FROM generate_series(1, 20000) i;
	CREATE MATERIALIZED VIEW often AS SELECT n, count(*), string_agg(id::text, ',' ORDER BY id) AS ids FROM busy GROUP BY n WITH (auto_refresh = true, incremental_enabled = false, max_cpu_percent = 100);
	CREATE MATERIALIZED VIEW seldom AS SELECT n, count(*), string_agg(id::text, ',' ORDER BY id) AS ids FROM busy GROUP BY n WITH (auto_refresh = true, incremental_enabled = false, max_cpu_percent = 0.1)});
for (1 .. 16) { sql('UPDATE busy SET n = n + 1 WHERE id % 1000 = 0'); sleep 0.5; }
my ($often, $seldom) = map { sql("SELECT count(*) FROM heliosdb.materialized_view_refreshes WHERE relid = '$_'::regclass AND trigger <> 'create'") } qw(often seldom);
cmp_ok($often, '>=', 3, "max_cpu_percent = 100: $often refreshes");
cmp_ok($seldom, '<', $often, "max_cpu_percent = 0.1: $seldom refreshes");
sql('DROP MATERIALIZED VIEW often, seldom');

# ---- A session without the library ----
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(sql('SELECT count(*) FROM test_mv') > 0, 1, 'a server without the library: views can be read');
($status, $out, $err) = $node->psql('postgres', q{CREATE MATERIALIZED VIEW none WITH (auto_refresh = true) AS SELECT 1 AS a});
like($err, qr/unrecognized parameter "auto_refresh"/, 'its options are those of PostgreSQL');
sql('UPDATE orders SET amount = amount + 1 WHERE id < 5');
sql('REFRESH MATERIALIZED VIEW test_mv');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'");
$node->restart;
sql('DELETE FROM orders WHERE id < 3');
await(is_current('test_mv'), 'after a REFRESH that passed us by');
is(sql(q{SELECT count(*) FROM heliosdb.materialized_view_refreshes WHERE relid = 'test_mv'::regclass AND strategy = 'full' AND reason = 'it was refreshed in a session without heliosdb'}), '1', 'computed in full once');
is(sql(q{SELECT count(*) FROM ((TABLE orders EXCEPT ALL TABLE test_mv) UNION ALL (TABLE test_mv EXCEPT ALL TABLE orders)) x}), '0', 'and right');

# ---- Dump and restore ----
my $dump = $node->basedir . '/dump.sql';
sql('DROP MATERIALIZED VIEW of_owned; DROP OWNED BY owner');
sql('SELECT heliosdb.pause_background()');
sql('UPDATE orders SET amount = amount + 1 WHERE id = 40');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
like(slurp_file($dump), qr/CREATE MATERIALIZED VIEW public.test_mv\s+WITH \(auto_refresh='true', priority='2'\) AS/, 'the options are in the dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restore');
sub restored { return $node->safe_psql('restored', $_[0]); }
is(restored(q{SELECT count(*) FROM ((TABLE orders EXCEPT ALL TABLE test_mv) UNION ALL (TABLE test_mv EXCEPT ALL TABLE orders)) x}), '0', 'the views are computed by the restore');
is(restored(q{SELECT string_agg(view::text || ' ' || is_current, ', ' ORDER BY view::text) FROM heliosdb.materialized_views WHERE view IN ('test_mv'::regclass, 'by_customer'::regclass)}), 'by_customer true, test_mv true', 'and maintained');
restored('INSERT INTO orders VALUES (20001, 1, 1)');
restored('REFRESH MATERIALIZED VIEW test_mv INCREMENTALLY');
is(restored(q{SELECT strategy FROM pg_mv_refresh_history(1)}), 'incremental', 'incrementally from then on');
is(restored(q{SELECT string_agg(strategy || ' ' || n, ', ' ORDER BY strategy) FROM (SELECT strategy, count(*) AS n FROM heliosdb.materialized_view_refreshes WHERE relid = 'test_mv'::regclass GROUP BY 1) x}), 'full 1, incremental 1', 'computed once');
my $archive = $node->basedir . '/dump.custom';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $archive, $node->connstr('postgres') ], 'pg_dump -Fc');
$node->safe_psql('postgres', 'CREATE DATABASE parallel');
$node->command_ok([ 'pg_restore', '-j', '2', '--exit-on-error', '-d', $node->connstr('parallel'), $archive ], 'pg_restore -j');
is($node->safe_psql('parallel', q{SELECT count(*) FROM ((TABLE orders EXCEPT ALL TABLE test_mv) UNION ALL (TABLE test_mv EXCEPT ALL TABLE orders)) x}), '0', 'by several sessions');
$node->safe_psql('parallel', 'INSERT INTO orders VALUES (20001, 1, 1)');
sql('SELECT heliosdb.resume_background()');
ok($node->poll_query_until('parallel', is_current('test_mv')), 'and maintained there too');

# ---- Plans that a session keeps ----
$node->safe_psql('postgres', 'CREATE DATABASE plans');
my $maintain = q{
	CREATE TABLE base (id int PRIMARY KEY, g int);
	INSERT INTO base SELECT i, i % 3 FROM generate_series(1, 9) i;
	CREATE MATERIALIZED VIEW counted AS SELECT g, count(*) AS n FROM base GROUP BY g WITH (auto_refresh = true);
};
my $refresh = q{
	INSERT INTO base SELECT max(id) + 1, 1 FROM base;
	REFRESH MATERIALIZED VIEW counted INCREMENTALLY;
};
is($node->safe_psql('plans', qq{
	CREATE EXTENSION heliosdb; $maintain $refresh
	-- What they read is altered, and is another relation.
	CREATE INDEX ON heliosdb.mviews (generation); ALTER TABLE heliosdb.mview_history ADD COLUMN note text; ANALYZE heliosdb.mviews; $refresh
	ALTER TABLE base ADD COLUMN more int DEFAULT 5; CREATE INDEX ON base (g); CREATE UNIQUE INDEX ON counted (g); $refresh
	REFRESH MATERIALIZED VIEW counted; $refresh
	INSERT INTO base SELECT i, 1 FROM generate_series(100, 9000) i; $refresh
	DROP TABLE base CASCADE; DROP EXTENSION heliosdb CASCADE; CREATE EXTENSION heliosdb; $maintain $refresh
	-- The search path of the session does not matter.
	SET search_path = nowhere, public; $refresh
	SELECT string_agg(g || ' ' || n, ', ' ORDER BY g) FROM counted;
	SELECT string_agg(DISTINCT strategy, ', ') FROM heliosdb.mview_history WHERE trigger = 'manual';
}), "0 3, 1 5, 2 3\nincremental", 'are made anew after changes of what they depend on');

# ---- Nothing is left of what is dropped ----
sql(q{DROP TABLE orders, small, fresh, numbers, loose, busy CASCADE});
is(sql(q{SELECT count(*) FROM heliosdb.mviews}) . sql('SELECT count(*) FROM heliosdb.consumers') . sql('SELECT count(*) FROM heliosdb.mview_bases'), '000', 'all views are forgotten');
is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace IN ('heliosdb_mview'::regnamespace) AND relkind = 'r'}), '0', 'and their state');
sql('CREATE TABLE kept (id int); CREATE MATERIALIZED VIEW of_kept AS SELECT * FROM kept WITH (auto_refresh = true, priority = 2)');
sql('DROP EXTENSION heliosdb CASCADE');
is(sql('REFRESH MATERIALIZED VIEW of_kept; ALTER MATERIALIZED VIEW of_kept SET (fillfactor = 90); ALTER MATERIALIZED VIEW of_kept RESET (priority); SELECT count(*) FROM of_kept'), '0', 'without the extension a view is an ordinary one');
($status, $out, $err) = $node->psql('postgres', 'ALTER MATERIALIZED VIEW of_kept SET (priority = 1)');
like($err, qr/options of extension heliosdb, which is not created in this database/, 'that takes no options of ours');
sql('CREATE EXTENSION heliosdb; ALTER MATERIALIZED VIEW of_kept SET (priority = 1)');
await(is_current('of_kept'), 'until the extension is there again');
sql('DROP EXTENSION heliosdb CASCADE');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|cache lookup/, 'the log of the server');
$node->stop;
done_testing();
