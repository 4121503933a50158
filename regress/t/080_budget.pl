# Background work keeps within its share of the machine: measured from outside, under a backlog.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Budget;

my $node = PostgreSQL::Test::Cluster->new('budget');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.background_naptime = 1s
heliosdb.max_background_workers = 4
autovacuum = off
fsync = off
});
$node->start;

# Without the extension in any database.
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'heliosdb launcher'}), 'the launcher runs');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'heliosdb worker'}), 'no worker stays');
sleep 1;
my %seen;
my @idle = watch_cpu($node, 3, \%seen);
cmp_ok($idle[-1][1] - $idle[0][1], '<', 0.015, 'idle costs nothing');

$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE views (n int); CREATE TABLE other_views (n int); CREATE TABLE equal (n int); CREATE TABLE rest (n int);
	INSERT INTO heliosdb.test_jobs VALUES ('test_views', 'views'::regclass, 'lock', 1000000000)});
my $cores = $node->safe_psql('postgres', 'SELECT heliosdb.background_cores()');
cmp_ok($cores, '>', 0, "cores: $cores");

# Whoever sleeps holds neither locks nor a snapshot: what was idle when the statement began, and still is, was idle when
# the locks were read.
my $held = 0;
my $slowest = 0;
sub look
{
	my $begin = time;
	$held += $node->safe_psql('postgres', q{
		WITH held AS MATERIALIZED (SELECT pid FROM pg_locks WHERE locktype <> 'virtualxid' OR mode <> 'ExclusiveLock')
		SELECT count(*) FROM pg_stat_activity a WHERE backend_type = 'heliosdb worker' AND state = 'idle'
		  AND state_change < statement_timestamp() AND (backend_xmin IS NOT NULL OR pid IN (SELECT pid FROM held))});
	# The job takes this table exclusively in each of its slices.
	my $wait = $node->safe_psql('postgres', q{
		SET client_min_messages = error; CREATE TEMP TABLE IF NOT EXISTS mark AS SELECT clock_timestamp() AS at;
		SELECT count(*) FROM views; SELECT extract(epoch FROM clock_timestamp() - at) FROM mark});
	$wait = (split /\n/, $wait)[-1];
	$slowest = $wait if $wait > $slowest;
}

# One budget: incremental_mv_cpu = 10.
ok($node->poll_query_until('postgres', q{SELECT cpu_seconds > 0 FROM heliosdb.background_activity WHERE object = 'public.views'}), 'the job runs');
my @samples = watch_cpu($node, 13, \%seen, sub { look() });
my $worst = worst_window($cores, @samples);
my $mean = mean_cpu($cores, @samples);
cmp_ok($worst, '<=', 12, sprintf('one budget of 10: at most %.2f percent in 10 seconds', $worst));
cmp_ok($mean, '>=', 6, sprintf('one budget of 10: %.2f percent used', $mean));
is($held, 0, 'nobody sleeps with a lock or a snapshot');
cmp_ok($slowest, '<', 1, sprintf('a statement that needs the same lock waits for a slice at most (%.3f s)', $slowest));
my $shown = $node->safe_psql('postgres', q{SELECT cpu_10s FROM heliosdb.background_activity WHERE object = 'public.views'});
cmp_ok(abs($shown - $mean), '<', 2, sprintf('the view says %.2f', $shown));
is($node->safe_psql('postgres', q{SELECT allowed_10s, allowed_10min, budget, phase, backlog > 0, progress BETWEEN 0 AND 1 FROM heliosdb.background_activity WHERE object = 'public.views'}),
	'10|10|incremental_mv_cpu|burning|t|t', 'and what is allowed, and what is left to do');

# Two jobs of one budget by priority, another budget, and the rest.
$node->safe_psql('postgres', q{
	INSERT INTO heliosdb.test_jobs VALUES ('test_views', 'other_views'::regclass, 'burn', 1000000000, 2),
	  ('test_deduplication', 'equal'::regclass, 'burn', 1000000000, 1), ('test_rest', 'rest'::regclass, 'burn', 1000000000, 1)});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 4 FROM heliosdb.background_activity WHERE cpu_seconds > 0 AND object IS NOT NULL}), 'all jobs run');
my $used = q{SELECT string_agg(cpu_seconds::text, ' ' ORDER BY object) FROM heliosdb.background_activity WHERE object IS NOT NULL};
my @before = split / /, $node->safe_psql('postgres', $used);
@samples = watch_cpu($node, 15, \%seen);
my @after = split / /, $node->safe_psql('postgres', $used);
my ($equal, $other, $rest, $views) = map { ($after[$_] - $before[$_]) / 15 / $cores * 100 } 0 .. 3;
$worst = worst_window($cores, @samples);
$mean = mean_cpu($cores, @samples);
cmp_ok($worst, '<=', 17, sprintf('ceiling of 15: at most %.2f percent in 10 seconds', $worst));
cmp_ok($mean, '>=', 9, sprintf('ceiling of 15: %.2f percent used', $mean));
cmp_ok($equal, '<=', 5, sprintf('deduplication: %.2f percent', $equal));
cmp_ok($equal, '>=', 1.8, 'and 60 percent of its budget');
cmp_ok($other + $views, '<=', 12, sprintf('views: %.2f percent', $other + $views));
cmp_ok($other / $views, '>', 1.4, sprintf('priorities: %.2f and %.2f percent', $other, $views));
cmp_ok($other / $views, '<', 2.8, 'twice as much');
cmp_ok($rest, '>', 0.3, sprintf('the rest gets what is left: %.2f percent', $rest));

# Another ceiling, without a restart: parts are scaled.
$node->safe_psql('postgres', q{ALTER SYSTEM SET max_cpu_background = 4});
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT percent < 3 FROM heliosdb.background_budgets() WHERE budget = 'incremental_mv_cpu'}), 'reload');
sleep 1;
@samples = watch_cpu($node, 11, \%seen);
$worst = worst_window($cores, @samples);
$mean = mean_cpu($cores, @samples);
cmp_ok($worst, '<=', 6, sprintf('ceiling of 4: at most %.2f percent in 10 seconds', $worst));
cmp_ok($mean, '>=', 2.4, sprintf('ceiling of 4: %.2f percent used', $mean));
$node->safe_psql('postgres', q{ALTER SYSTEM SET max_cpu_background = 0});
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'heliosdb worker'}), 'ceiling of 0: no workers');
is($node->safe_psql('postgres', q{SELECT DISTINCT state FROM heliosdb.background_activity}), 'off', 'and the view says so');

# More than one core's worth: workers help each other, each with a job of its own.
SKIP:
{
	skip 'one core only', 2 if $cores < 1.5;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $_") for 'max_cpu_background = 100', 'incremental_mv_cpu = 0', 'deduplication_cpu = 0';
	$node->safe_psql('postgres', q{INSERT INTO heliosdb.test_jobs VALUES ('test_rest', 'equal'::regclass, 'burn', 1000000000, 1)});
	$node->reload;
	ok($node->poll_query_until('postgres', q{SELECT count(DISTINCT pid) = 2 AND count(*) = 2 FROM heliosdb.background_activity WHERE job = 'test_rest' AND object IS NOT NULL AND state = 'running'}), 'two workers in one database');
	sleep 1;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM heliosdb.background_activity WHERE last_error IS NOT NULL}), 0, 'none does what another one does');
}

$node->stop;
done_testing();
