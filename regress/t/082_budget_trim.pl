# The background job that trims change logs: they stay within their retention while tables are written, what somebody
# still needs stays, and the past that is kept is answered truly.
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
heliosdb.max_cpu_background = 40
heliosdb.incremental_mv_cpu = 0
heliosdb.time_travel_retention = '3 seconds'
autovacuum_naptime = 1s
fsync = off
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE ROLE owner;
	CREATE TABLE short (id int PRIMARY KEY, n int); ALTER TABLE short OWNER TO owner;
	CREATE TABLE long (id int PRIMARY KEY, n int);
	CREATE TABLE parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
	CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
	CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (500) TO (5000);
	INSERT INTO short SELECT i, 0 FROM generate_series(1, 2000) i;
	INSERT INTO long SELECT i, 0 FROM generate_series(1, 2000) i;
	INSERT INTO parts SELECT i, 0 FROM generate_series(1, 2000) i;});
$node->safe_psql('postgres', q{SELECT heliosdb.track('short'), heliosdb.track('long'), heliosdb.track('parts'), heliosdb.set_retention('long', '1 day')});
sub log_of { return $node->safe_psql('postgres', "SELECT log::regclass FROM heliosdb.tracked WHERE relid = '$_[0]'::regclass"); }
sub records { return $node->safe_psql('postgres', 'SELECT count(*) FROM ' . log_of($_[0])); }
my $short_log = log_of('short');

# Ten updates of all rows a second for 15 seconds: 300,000 records in each log, were it not for the trimming.
my ($most, $bytes, $middle) = (0, 0, 0);
my ($rounds, $begin) = (0, time);
my @states;
while (time - $begin < 15)
{
	my $round = time;
	$rounds++;
	$node->safe_psql('postgres', 'UPDATE short SET n = n + 1; UPDATE long SET n = n + 1; UPDATE parts SET n = n + 1');
	push @states, $node->safe_psql('postgres', 'SELECT clock_timestamp()') . "|$rounds" if $rounds % 10 == 0;
	my $count = records('short');
	$most = $count if $count > $most;
	$bytes = $node->safe_psql('postgres', "SELECT pg_table_size('$short_log')");
	$middle = $bytes if time - $begin < 10;
	sleep 0.1 - (time - $round) if time - $round < 0.1;
}
my $written = $rounds * 2000;
# Three seconds of retention, ten more to the next recorded snapshot, and the slices.
cmp_ok($written, '>', 60000, "records written: $written");
is($node->safe_psql('postgres', q{SELECT count(*) FROM } . log_of('long')), $written, 'a log with a longer retention keeps all');
cmp_ok($most, '<', $written, "records in the log: at most $most");
my ($at, $n) = split /\|/, $states[-1];
is($node->safe_psql('postgres', "SELECT DISTINCT n FROM short TABLESAMPLE as_of('$at'::timestamptz)"), $n, 'the past that is kept is right');
my $early = (split /\|/, $states[0])[0];
is($node->safe_psql('postgres', "SELECT DISTINCT n FROM long TABLESAMPLE as_of('$early'::timestamptz)"), 10, 'the whole past where it is kept');
ok($node->poll_query_until('postgres', "SELECT (SELECT count(*) FROM $short_log) = 0"), 'all records go when nothing more is written');
ok($node->poll_query_until('postgres', 'SELECT (SELECT count(*) FROM ' . log_of('part1') . ') + (SELECT count(*) FROM ' . log_of('part2') . ') = 0'), 'those of partitions too');
like($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT reason, ' ') FROM heliosdb.tracked_tables WHERE relation <> 'long'::regclass}), qr/^trimmed$/, 'and the history is known to begin later');
isnt($node->psql('postgres', "SELECT count(*) FROM short TABLESAMPLE as_of('$early'::timestamptz)"), 0, 'the past that is gone is refused');
is(records('long'), $written, 'the long one has lost nothing');
is($node->safe_psql('postgres', q{SELECT string_agg(object, ' ' ORDER BY object) FROM heliosdb.background_activity WHERE job = 'trim_log' AND cpu_seconds > 0}), 'public.long public.part1 public.part2 public.short', 'the view lists the tables')
  if $node->safe_psql('postgres', q{SELECT count(*) FROM heliosdb.background_activity WHERE object = 'public.long'});
is($node->safe_psql('postgres', q{SELECT count(*) FROM heliosdb.background_activity WHERE failures > 0 OR last_error IS NOT NULL}), 0, 'without an error');

# It does not wait for VACUUM, which holds this lock for hours, nor does VACUUM pass a table by because of it.
$node->safe_psql('postgres', 'UPDATE short SET n = n + 1; SELECT pg_current_scn()');
my $vacuum = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'BEGIN', '-c', 'LOCK TABLE short IN SHARE UPDATE EXCLUSIVE MODE', '-c', 'SELECT pg_sleep(60)' ]);
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM $short_log"), 'a table that is vacuumed is trimmed');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'});
eval { $vacuum->finish };

# Together with trim_log(), and with writers: the beginning of the history never goes back, whoever moves it.
my $script = $node->basedir . '/trim.sql';
append_to_file($script, q{SELECT heliosdb.trim_log('parts');} . "\n" . q{UPDATE parts SET n = n + 1 WHERE id % 20 = :client_id;} . "\n" . '\sleep 20 ms' . "\n");
my $load = IPC::Run::start([ 'pgbench', '-n', '-T', '8', '-c', '3', '-f', $script, $node->connstr('postgres') ], '>', \my $load_out, '2>', \my $load_err);
my ($back, $moves, %since) = (0, 0);
my $until = time + 7;
while (time < $until)
{
	for my $row (split /\n/, $node->safe_psql('postgres', q{SELECT relid, since_scn FROM heliosdb.tracked}))
	{
		my ($relid, $scn) = split /\|/, $row;
		$moves++ if defined $since{$relid} && $scn > $since{$relid};
		$back++ if defined $since{$relid} && $scn < $since{$relid};
		$since{$relid} = $scn;
	}
	sleep 0.02;
}
ok($load->finish, 'load beside trim_log()') or diag $load_err;
cmp_ok($moves, '>', 0, "the beginning moved: $moves");
is($back, 0, 'and never back');

# What a consumer has not read stays.
$node->safe_psql('postgres', q{SELECT heliosdb.create_consumer('c', 'short')});
$node->safe_psql('postgres', 'UPDATE short SET n = n + 1');
sleep 6;
is(records('short'), 2000, 'a consumer keeps records');
$node->safe_psql('postgres', q{SELECT heliosdb.drop_consumer('c')});
$node->safe_psql('postgres', q{SELECT heliosdb.run_now('trim_log', 'short')});
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM $short_log"), 'without it they go');

# What a running transaction wrote stays, and a slice does not wait for it, nor it for a slice.
my $psql = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'BEGIN', '-c', 'UPDATE short SET n = n + 1 WHERE id <= 100', '-c', 'SELECT pg_sleep(6)', '-c', 'COMMIT' ]);
sleep 5;
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE NOT granted}), 0, 'nobody waits');
$psql->finish;
is(records('short'), 100, 'records of a long transaction are not lost');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM $short_log"), 'until their time comes');

# Recorded snapshots do not pile up either where only short retentions are.
$node->safe_psql('postgres', q{SELECT heliosdb.untrack('long')});
ok($node->poll_query_until('postgres', q{SELECT count(*) < 10 FROM pg_snapshots}), 'old snapshots are forgotten');
# The function still does the same at once.
$node->safe_psql('postgres', q{SELECT heliosdb.pause_background()});
$node->safe_psql('postgres', 'UPDATE short SET n = n + 1; SELECT pg_current_scn()');
sleep 4;
is($node->safe_psql('postgres', q{SELECT heliosdb.trim_log('short')}), 2000, 'trim_log()');
# In a server where nothing happens nothing is written.
$node->safe_psql('postgres', q{SELECT heliosdb.resume_background()});
sleep 6;
my $position = $node->safe_psql('postgres', q{SELECT pg_snapshot_xmax(pg_current_snapshot())});
sleep 3;
is($node->safe_psql('postgres', q{SELECT pg_snapshot_xmax(pg_current_snapshot())}), $position, 'an idle database is left alone');
$node->stop;
done_testing();
