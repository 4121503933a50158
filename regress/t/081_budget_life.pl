# Background work through what happens to a server: databases and extensions that come and go, errors, ends of workers,
# crashes, promotion; and who may order it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Budget;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.background_naptime = 1s
heliosdb.max_background_workers = 3
heliosdb.max_cpu_background = 30
heliosdb.incremental_mv_cpu = 20
restart_after_crash = on
autovacuum = off
fsync = off
});
$node->start;

my $workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'heliosdb worker'};
sub activity { return $node->safe_psql('postgres', "SELECT $_[0] FROM heliosdb.background_activity WHERE $_[1]"); }
sub await { my ($what, $where, $name) = @_; return ok($node->poll_query_until('postgres', "SELECT COALESCE((SELECT $what FROM heliosdb.background_activity WHERE $where), false)"), $name); }

# A database with a job that never ends.
sub make_busy
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, q{
		CREATE EXTENSION heliosdb; CREATE TABLE t (n int);
		INSERT INTO heliosdb.test_jobs VALUES ('test_views', 't'::regclass, 'burn', 1000000000)});
	await('cpu_seconds > 0', "database = '$name' AND object = 'public.t'", "work begins in $name");
}

$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb');

# ---- DROP, RENAME, copies and moves of a database in which a worker is ----
# Each of them fails by itself if the worker is still there after five seconds.
make_busy('app');
$node->safe_psql('postgres', 'ALTER DATABASE app RENAME TO app2');
await('pid IS NOT NULL', "database = 'app2' AND object = 'public.t'", 'work goes on after a renaming');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE app2');
await('cpu_seconds > 0', "database = 'copy' AND object = 'public.t'", 'work begins in a copy of a database, which has the extension too');
$node->safe_psql('postgres', 'ALTER DATABASE app2 WITH is_template true allow_connections false');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'app2'"), 'where no connections are allowed no worker stays')
  or diag $node->safe_psql('postgres', 'TABLE pg_stat_activity');
$node->safe_psql('postgres', 'CREATE DATABASE copy2 TEMPLATE app2; ALTER DATABASE app2 WITH is_template false allow_connections true');
await('pid IS NOT NULL', "database = 'app2' AND object = 'public.t'", 'and comes back when they are');
mkdir $node->basedir . '/space';
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '" . $node->basedir . "/space'");
$node->safe_psql('postgres', 'ALTER DATABASE app2 SET TABLESPACE space');
$node->safe_psql('postgres', 'DROP DATABASE copy2');
$node->safe_psql('postgres', 'DROP DATABASE copy');
await('pid IS NOT NULL', "database = 'app2' AND object = 'public.t'", 'work goes on after a move');
# An owner who is no superuser may not end a superuser's processes; ours must have left before that is asked.
$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; ALTER DATABASE app2 OWNER TO owner');
my ($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE app2 WITH (FORCE)', extra_params => [ '-U', 'owner' ]);
is($err, '', 'DROP DATABASE with force by its owner');
$node->safe_psql('postgres', 'DROP TABLESPACE space');
is($node->safe_psql('postgres', q{SELECT count(*) FROM heliosdb.background_activity WHERE database IS DISTINCT FROM 'postgres' AND job <> 'trim_log'}), 0, 'the jobs went with the databases');
make_busy('b1');
for my $round (1 .. 5)
{
	$node->safe_psql('postgres', "CREATE DATABASE c$round TEMPLATE b1");
	$node->safe_psql('postgres', "DROP DATABASE c$round");
}
$node->safe_psql('postgres', 'DROP DATABASE b1');
unlike(slurp_file($node->logfile), qr/FATAL|PANIC|is being accessed by other users/, 'no noise in the log');

# ---- DROP and CREATE EXTENSION while a worker is in a slice ----
make_busy('ext');
for my $round (1 .. 16)
{
	$node->safe_psql('ext', 'DROP EXTENSION heliosdb');
	$node->safe_psql('ext', q{CREATE EXTENSION heliosdb; INSERT INTO heliosdb.test_jobs VALUES ('test_views', 't'::regclass, 'burn', 1000000000)});
	sleep 0.03 * $round;
}
await('cpu_seconds > 0', q{database = 'ext' AND object = 'public.t'}, 'work begins again with the extension');
$node->safe_psql('ext', 'DROP EXTENSION heliosdb');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'ext'"), 'and ends with it');
unlike(slurp_file($node->logfile), qr/background job .* failed/, 'no job failed');
$node->safe_psql('postgres', 'DROP DATABASE ext');

# ---- Errors ----
$node->safe_psql('postgres', q{
	CREATE TABLE bad (n int); CREATE TABLE good (n int);
	INSERT INTO heliosdb.test_jobs VALUES ('test_rest', 'bad'::regclass, 'error', 1, 1), ('test_rest', 'good'::regclass, 'burn', 1000000000, 1)});
await('failures >= 2', q{object = 'public.bad'}, 'a failing job is tried again');
is(activity(q{last_error || '|' || state || '|' || (last_error_at > now() - interval '1 minute') || '|' || (next_run > now())}, q{object = 'public.bad'}), 'the test wants an error|failed|true|true', 'its error is shown');
await('cpu_seconds > 0', q{object = 'public.good'}, 'others of its kind go on');
like(slurp_file($node->logfile), qr/background job test_rest of public.bad failed: the test wants an error/, 'and in the log');
sleep 4;
cmp_ok(activity('failures', q{object = 'public.bad'}), '<=', 5, 'back-off');
$node->safe_psql('postgres', q{UPDATE heliosdb.test_jobs SET action = 'burn' WHERE relid = 'bad'::regclass; SELECT heliosdb.run_now('test_rest', 'bad')});
await(q{failures = 0 AND state = 'idle' AND last_error IS NOT NULL}, q{object = 'public.bad'}, 'run_now does not wait for the back-off');
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'heliosdb launcher'};
my $old = $node->safe_psql('postgres', $launcher);
$node->safe_psql('postgres', q{DELETE FROM heliosdb.test_jobs; INSERT INTO heliosdb.test_jobs VALUES ('test_rest', 'bad'::regclass, 'fatal', 1, 1)});
await('failures >= 1', q{object = 'public.bad' AND last_error = 'the worker was terminated'}, 'a worker that ends in a job takes nothing along');
is($node->safe_psql('postgres', $launcher), $old, 'the launcher is still there');
$node->safe_psql('postgres', q{DROP TABLE bad; DELETE FROM heliosdb.test_jobs; INSERT INTO heliosdb.test_jobs VALUES ('test_rest', 'good'::regclass, 'burn', 1000000000, 1)});

# ---- Identity: the owner's, and no more ----
$node->safe_psql('postgres', q{
	CREATE SCHEMA owned AUTHORIZATION owner; CREATE TABLE secret (n int); CREATE TABLE report (who text, path text, what text); GRANT ALL ON report TO owner;
	SET ROLE owner;
	CREATE TABLE owned.t (n int);
	CREATE FUNCTION owned.job() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	  BEGIN EXECUTE 'SET ROLE postgres'; EXCEPTION WHEN OTHERS THEN INSERT INTO public.report VALUES (current_user, current_setting('search_path'), SQLERRM); END;
	  BEGIN PERFORM 1 FROM public.secret; EXCEPTION WHEN OTHERS THEN INSERT INTO public.report VALUES (current_user, current_setting('search_path'), SQLERRM); END;
	  BEGIN CREATE TEMP TABLE mine (n int); EXCEPTION WHEN OTHERS THEN INSERT INTO public.report VALUES (current_user, current_setting('search_path'), SQLERRM); END;
	END $$;
	RESET ROLE;
	INSERT INTO heliosdb.test_jobs VALUES ('test_views', 'owned.t'::regclass, 'sql', 1, 1)});
ok($node->poll_query_until('postgres', 'SELECT count(*) >= 3 FROM report'), 'code of the owner runs');
$node->safe_psql('postgres', q{DELETE FROM heliosdb.test_jobs WHERE action = 'sql'});
is($node->safe_psql('postgres', 'SELECT DISTINCT who, path, what FROM report ORDER BY what'), join("\n",
	'owner|pg_catalog, pg_temp|cannot create temporary table within security-restricted operation',
	'owner|pg_catalog, pg_temp|cannot set parameter "role" within security-restricted operation',
	'owner|pg_catalog, pg_temp|permission denied for table secret'), 'as the owner, restricted, with a pinned search path');

# ---- A lock that users hold ----
$node->safe_psql('postgres', q{DELETE FROM heliosdb.test_jobs; INSERT INTO heliosdb.test_jobs VALUES ('test_views', 'good'::regclass, 'burn', 1000000000, 1)});
await('cpu_seconds > 0', q{object = 'public.good' AND job = 'test_views'}, 'a job runs');
$node->safe_psql('postgres', q{BEGIN; LOCK TABLE good; SELECT pg_sleep(0.5);
	SELECT count(*) FROM pg_locks WHERE NOT granted}) =~ /^(\d+)$/m;
is($1, 0, 'a worker does not queue for a lock that a user holds');
is(activity('failures', q{object = 'public.good' AND job = 'test_views'}), 0, 'and that is no failure');

# ---- Orders ----
for my $order ('heliosdb.pause_background()', 'heliosdb.resume_background()', q{heliosdb.run_now('trim_log')})
{
	($status, $out, $err) = $node->psql('postgres', "SELECT $order", extra_params => [ '-U', 'owner' ]);
	like($err, qr/permission denied for function/, "$order is not for everybody");
}
($status, $out, $err) = $node->psql('postgres', q{SELECT heliosdb.run_now('test_views', 'good')}, extra_params => [ '-U', 'owner' ]);
like($err, qr/must be owner of table good/, 'run_now for a table of somebody else');
$node->safe_psql('postgres', q{SELECT heliosdb.run_now('test_views', 'owned.t')}, extra_params => [ '-U', 'owner' ]);
($status, $out, $err) = $node->psql('postgres', q{SELECT heliosdb.run_now('no_such')});
like($err, qr/background job "no_such" does not exist\nHINT/, 'run_now of no job');
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE object = 'public.good'), count(*) FILTER (WHERE last_error IS NOT NULL) FROM heliosdb.background_activity}, extra_params => [ '-U', 'owner' ]), '0|0', 'objects and errors of others are not shown');
$node->safe_psql('postgres', 'SELECT heliosdb.pause_background()');
ok($node->poll_query_until('postgres', "SELECT ($workers) = 0"), 'pause');
is($node->safe_psql('postgres', 'SELECT DISTINCT state, next_run FROM heliosdb.background_activity'), 'paused|', 'the view says so');
($status, $out, $err) = $node->psql('postgres', q{SELECT heliosdb.run_now('trim_log')});
like($err, qr/background work is paused\nHINT:  Call heliosdb.resume_background/, 'run_now while paused');
$node->safe_psql('postgres', 'SELECT heliosdb.resume_background()');
ok($node->poll_query_until('postgres', "SELECT ($workers) > 0"), 'resume');
$node->safe_psql('postgres', 'ALTER SYSTEM SET heliosdb.max_background_workers = 0');
$node->reload;
ok($node->poll_query_until('postgres', "SELECT ($workers) = 0"), 'no workers wanted');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET heliosdb.max_background_workers');
$node->reload;
ok($node->poll_query_until('postgres', "SELECT ($workers) > 0"), 'workers wanted again');

# ---- Settings of a database do not bend the worker ----
make_busy('bent');
$node->safe_psql('postgres', "ALTER DATABASE bent SET $_") for 'max_cpu_background = 90', 'default_transaction_read_only = on', 'statement_timeout = 1', 'heliosdb.as_of = \'yesterday\'', 'session_replication_role = replica';
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'heliosdb worker' AND datname = 'bent'});
my $seconds = activity('cpu_seconds', q{database = 'bent' AND object = 'public.t'});
await("cpu_seconds > $seconds + 0.1", q{database = 'bent' AND object = 'public.t'}, 'work goes on after pg_terminate_backend');
is($node->safe_psql('postgres', q{SELECT percent FROM heliosdb.background_budgets() WHERE budget = 'max_cpu_background'}), '30', "the server's budget counts");
$node->safe_psql('postgres', 'DROP DATABASE bent');

# ---- Ends of the launcher, crashes, restart ----
$old = $node->safe_psql('postgres', $launcher);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($old)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($launcher) l WHERE pid <> $old"), 'a terminated launcher comes back');
for my $victim ('worker', 'launcher')
{
	my $pid;
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'heliosdb $victim'");
	$pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'heliosdb $victim' LIMIT 1");
	my $offset = -s $node->logfile;
	kill 'KILL', $pid;
	# A connection while the server goes down would end the test.
	$node->wait_for_log(qr/reinitializing.*ready to accept connections/s, $offset);
	await('cpu_seconds > 0', q{object = 'public.good' AND job = 'test_views'}, "work goes on after kill -9 of a $victim");
}
$node->restart;
await('cpu_seconds > 0', q{object = 'public.good' AND job = 'test_views'}, 'work goes on after a restart');

$node->kill9;
sleep 3;
is(titles(qr/postgres: main: heliosdb/), 0, 'without a postmaster nobody works on');
$node->start;
await('cpu_seconds > 0', q{object = 'public.good' AND job = 'test_views'}, 'work goes on after kill -9 of the postmaster');

# ---- Turns: one worker, two databases ----
make_busy('second');
$node->safe_psql('postgres', 'ALTER SYSTEM SET heliosdb.max_background_workers = 1');
$node->reload;
for my $turn (1, 2)
{
	for my $database ('postgres', 'second')
	{
		await('state = $$running$$ OR pid IS NOT NULL', "database = '$database' AND object IN ('public.t', 'public.good') AND job = 'test_views'", "turn $turn of $database");
	}
}
is($node->safe_psql('postgres', $workers), 1, 'one worker');
$node->safe_psql('postgres', 'DROP DATABASE second');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET heliosdb.max_background_workers');

# ---- No room for workers ----
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
my $size = -s $node->logfile;
$node->restart;
ok($node->poll_query_until('postgres', q{SELECT pg_read_file(current_setting('data_directory') || '/postmaster.pid') IS NOT NULL}), 'the server runs with few worker processes');
sleep 2;
like(substr(slurp_file($node->logfile), $size), qr/cannot start a worker for background work: all max_worker_processes = 2 are in use/, 'it says why no worker runs');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;

# ---- A standby is idle until it is promoted ----
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
sleep 2;
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'heliosdb%'}), 0, 'a standby has no processes');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM heliosdb.background_activity'), 0, 'and no jobs');
($status, $out, $err) = $standby->psql('postgres', q{SELECT heliosdb.run_now('trim_log')});
like($err, qr/cannot execute heliosdb.run_now\(\) during recovery/, 'and takes no orders');
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT count(*) > 0 FROM heliosdb.background_activity WHERE object = 'public.good' AND cpu_seconds > 0}), 'promoted, it works');
$standby->stop;

# ---- Without preloading ----
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('postgres', q{SELECT count(*) FROM heliosdb.background_activity; SELECT heliosdb.background_cores() IS NULL; SELECT why_not FROM heliosdb.features WHERE feature = 'background work under a CPU budget'}),
	"0\nt\nadd to postgresql.conf: shared_preload_libraries = 'heliosdb' and restart", 'not preloaded: no work');
($status, $out, $err) = $node->psql('postgres', 'SELECT heliosdb.pause_background()');
like($err, qr/needs heliosdb to be preloaded\nHINT:  Add to postgresql.conf/, 'and orders say why');
$node->stop;
done_testing();
