# Maintained views when processes end at the worst moments, when several refresh at once, under writers at every isolation
# level, with transactions prepared for two-phase commit, and on a standby. The rows and the position they belong to are
# one: whatever happens, the next refresh is right, and incremental.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.background_naptime = 1s
heliosdb.max_cpu_background = 80
heliosdb.incremental_mv_cpu = 60
heliosdb.mv_full_refresh_fraction = 1
max_prepared_transactions = 5
restart_after_crash = on
autovacuum = off
fsync = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }

my $plain = 'SELECT id, kind, n FROM items WHERE n % 3 <> 0';
my $grouped = 'SELECT kind, count(*) AS c, sum(n) AS s, max(n) AS m FROM items GROUP BY kind';
sql(qq{
	CREATE EXTENSION heliosdb;
	CREATE TABLE items (id int PRIMARY KEY, kind int, n int);
	INSERT INTO items SELECT i, i % 20, i FROM generate_series(1, 3000) i;
	CREATE MATERIALIZED VIEW flat WITH (auto_refresh = false) AS $plain;
	CREATE MATERIALIZED VIEW sums WITH (auto_refresh = false) AS $grouped;
	CREATE UNIQUE INDEX ON flat (id);
	CREATE UNIQUE INDEX ON sums (kind);});
my $differences = qq{SELECT (SELECT count(*) FROM (($plain EXCEPT ALL TABLE flat) UNION ALL (TABLE flat EXCEPT ALL $plain)) x), (SELECT count(*) FROM (($grouped EXCEPT ALL TABLE sums) UNION ALL (TABLE sums EXCEPT ALL $grouped)) x)};
my $refresh = 'REFRESH MATERIALIZED VIEW flat INCREMENTALLY; REFRESH MATERIALIZED VIEW sums INCREMENTALLY';
sub change { return sql('UPDATE items SET n = n + 1 WHERE id % 50 = 0; DELETE FROM items WHERE id = (SELECT min(id) FROM items); INSERT INTO items SELECT max(id) + 1, 7, 1 FROM items'); }
sub fulls { return sql(q{SELECT count(*) FROM heliosdb.materialized_view_refreshes WHERE strategy = 'full' AND trigger <> 'create'}); }

# Starts a session that runs SQL up to a pause point; returns its handle and backend.
sub pause_at
{
	my ($point, $sql) = @_;
	my $offset = -s $node->logfile;
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', "SET heliosdb.pause_point = '$point'", '-c', $sql ],
		'<', \$in, '>', \$out, '2>', \$err);
	for (1 .. 600)
	{
		last if slurp_file($node->logfile, $offset) =~ /pause point reached: \Q$point\E/;
		$session->pump_nb;
		sleep 0.05;
	}
	like(slurp_file($node->logfile, $offset), qr/pause point reached: \Q$point\E/, "$point: reached");
	return ($session, sql(q{SELECT pid FROM pg_stat_activity WHERE wait_event = 'Extension' AND backend_type = 'client backend'}));
}

sub wait_for_recovery
{
	my ($offset) = @_;
	for (1 .. 600)
	{
		last if slurp_file($node->logfile, $offset) =~ /database system is ready to accept connections/;
		sleep 0.1;
	}
	return;
}

# ---- kill -9 of the session between the difference, the rows and the position; of the postmaster ----
for my $view (qw(flat sums))
{
	for my $point (qw(mview_delta mview_applied mview_saved))
	{
		change();
		my ($session, $pid) = pause_at($point, "REFRESH MATERIALIZED VIEW $view INCREMENTALLY");
		my $offset = -s $node->logfile;
		if ($point eq 'mview_applied')
		{
			$node->kill9;
			for (1 .. 300) { last unless kill 0, $pid; sleep 0.1; }
			$node->start;
		}
		else
		{
			kill 'KILL', $pid;
			wait_for_recovery($offset);
		}
		eval { $session->finish };
		change();
		sql($refresh);
		is(sql($differences), '0|0', "$view, $point: the next refresh is right");
	}
}
is(fulls(), '0', 'and all were incremental');

# ---- kill -9 of the worker ----
for my $point (qw(mview_applied mview_saved))
{
	change();
	my $offset = -s $node->logfile;
	sql("ALTER DATABASE postgres SET heliosdb.pause_point = '$point'");
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'heliosdb worker'});
	sql('ALTER MATERIALIZED VIEW sums SET auto_refresh = true');
	for (1 .. 600) { last if slurp_file($node->logfile, $offset) =~ /pause point reached: $point/; sleep 0.1; }
	my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'heliosdb worker' AND wait_event = 'Extension' LIMIT 1});
	is(sql(q{SELECT is_refreshing FROM pg_mv_auto_refresh_status() WHERE mv_name = 'sums'}), 't', "$point: the worker is at it");
	is(sql('SELECT count(*) FROM sums') > 0, 1, 'readers do not wait for it');
	sql('UPDATE items SET n = n WHERE id = 100');
	$offset = -s $node->logfile;
	sql('ALTER DATABASE postgres RESET heliosdb.pause_point');
	kill 'KILL', $pid;
	wait_for_recovery($offset);
	ok($node->poll_query_until('postgres', q{SELECT is_current FROM heliosdb.materialized_views WHERE view = 'sums'::regclass}), "$point: the next worker does it again");
	sql('ALTER MATERIALIZED VIEW sums SET auto_refresh = false');
	sql($refresh);
	is(sql($differences), '0|0', "$point: and right");
}
is(fulls(), '0', 'incrementally');

# ---- Two at once: the second waits, and then has only what is left ----
change();
my ($session, $pid) = pause_at('mview_applied', 'REFRESH MATERIALIZED VIEW sums INCREMENTALLY');
change();
my $second = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'REFRESH MATERIALIZED VIEW sums INCREMENTALLY' ]);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'}), 'the second one waits');
is(sql('SELECT count(*) FROM sums'), '20', 'readers do not');
sql("SELECT pg_cancel_backend($pid)");
eval { $session->finish };
$second->finish;
is(sql($differences) =~ s/^\d+\|//r, '0', 'after the first one was cancelled the second one is right');
sql($refresh);

# ---- Writers of every kind beside refreshes; compared in the snapshot of the refresh itself ----
my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
my (@writers, %reports);
my $script = $node->basedir . '/write.sql';
append_to_file($script, q{
\set id random(1, 4000)
\set other random(1, 4000)
\set kind random(0, 25)
BEGIN;
INSERT INTO items VALUES (:id, :kind, :other) ON CONFLICT (id) DO UPDATE SET n = items.n + 1, kind = EXCLUDED.kind;
SAVEPOINT s;
DELETE FROM items WHERE id = :other;
SAVEPOINT t;
UPDATE items SET n = n + 1 WHERE kind = :kind AND id % 10 = 0;
ROLLBACK TO t;
UPDATE items SET n = n - 1 WHERE id BETWEEN :id AND :id + 5;
COMMIT;
});
for my $level (@levels)
{
	push @writers, IPC::Run::start(
		[ 'pgbench', '-n', '-T', '10', '-R', '100', '-c', '1', '--max-tries=1000', '-f', $script, $node->connstr('postgres') ],
		'>', \$reports{$level}, '2>', '/dev/null', init => sub { $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . ($level =~ s/ /\\ /r); });
}
my $held = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', q{BEGIN; INSERT INTO items VALUES (100001, 1, 1); SELECT pg_sleep(6); COMMIT} ], '>', '/dev/null');
sql(q{BEGIN; INSERT INTO items VALUES (100002, 2, 2); PREPARE TRANSACTION 'two'});
my ($rounds, $wrong) = (0, 0);
my $end = time + 11;
while (time < $end)
{
	my $row = sql("BEGIN ISOLATION LEVEL REPEATABLE READ; $refresh; $differences; COMMIT");
	$rounds++;
	$wrong++ if $row ne '0|0';
}
$_->finish for @writers;
$held->finish;
sql(q{COMMIT PREPARED 'two'});
sql($refresh);
like($reports{$_}, qr/actually processed: [1-9]\d\d/, "writers at $_") for @levels;
is($wrong, 0, "no difference in $rounds refreshes");
cmp_ok($rounds, '>', 5, 'enough of them');
is(sql($differences), '0|0', 'nor in the end');
is(sql('SELECT count(*) FROM flat WHERE id > 100000'), '2', 'transactions that took long, and prepared ones, are not lost');
my $incremental = sql(q{SELECT count(*) FROM heliosdb.materialized_view_refreshes WHERE strategy = 'incremental'});
is(fulls(), '0', "all were incremental: $incremental") or diag sql(q{SELECT name, reason FROM heliosdb.materialized_view_refreshes WHERE strategy = 'full' AND trigger <> 'create'});

# ---- A refresh in a transaction that is prepared ----
change();
sql(q{BEGIN; REFRESH MATERIALIZED VIEW sums INCREMENTALLY; PREPARE TRANSACTION 'refresh'});
change();
is($node->psql('postgres', q{SET lock_timeout = '200ms'; REFRESH MATERIALIZED VIEW sums INCREMENTALLY}, on_error_stop => 1) != 0, 1, 'a prepared refresh keeps others out');
$node->restart;
sql(q{COMMIT PREPARED 'refresh'});
sql($refresh);
is(sql($differences), '0|0', 'and counts once it is committed');
change();
sql(q{BEGIN; REFRESH MATERIALIZED VIEW sums INCREMENTALLY; PREPARE TRANSACTION 'refresh'});
sql(q{ROLLBACK PREPARED 'refresh'});
sql($refresh);
is(sql($differences), '0|0', 'or not if it is not');
is(fulls(), '0', 'incrementally');

# ---- A standby shows the views and how old they are; promoted it goes on ----
sql('ALTER MATERIALIZED VIEW sums SET auto_refresh = true; ALTER MATERIALIZED VIEW flat SET auto_refresh = true');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
sql('SELECT heliosdb.pause_background()');
change();
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT pending_changes > 0 FROM pg_mv_staleness() WHERE view_name = 'sums'}), 't', 'a standby counts what is pending');
my ($status, $out, $err) = $standby->psql('postgres', 'REFRESH MATERIALIZED VIEW sums INCREMENTALLY');
like($err, qr/cannot execute REFRESH MATERIALIZED VIEW in a read-only transaction|cannot execute REFRESH MATERIALIZED VIEW during recovery/, 'and refreshes nothing');
is($standby->safe_psql('postgres', q{SELECT incremental FROM heliosdb.mv_explain('sums')}), 't', 'it can explain');
$node->stop;
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT bool_and(is_current) FROM heliosdb.materialized_views}), 'a promoted standby brings the views up to date');
is($standby->safe_psql('postgres', $differences), '0|0', 'rightly');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM heliosdb.materialized_view_refreshes WHERE strategy = 'full' AND trigger <> 'create'}), '0', 'and incrementally');
unlike(slurp_file($standby->logfile), qr/PANIC|TRAP|terminated by signal/, 'the log of the standby');
$standby->stop;
done_testing();
