# A branch keeps the logs of main's tables back to its fork, however short the retention is, and one of a branch those of
# that branch; when it is dropped they are trimmed as ever.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('trim');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.time_travel_retention = '0'
heliosdb.background_naptime = 1s
heliosdb.max_background_workers = 0
autovacuum = off
fsync = off
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	CREATE TABLE p (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
	INSERT INTO t SELECT i, 0 FROM generate_series(1, 10) i;
	INSERT INTO p TABLE t;
	SELECT heliosdb.track('t'), heliosdb.track('p')});

# Changes every row, and trims what may go; how many records went.
sub change_and_trim
{
	$node->safe_psql('postgres', 'UPDATE t SET n = n + 1; UPDATE p SET n = n + 1');
	return $node->safe_psql('postgres', 'SELECT heliosdb.trim_log()');
}
my $sums = 'SELECT (SELECT sum(n) FROM t), (SELECT sum(n) FROM p)';
sub on { my ($branch, $sql) = @_; return $node->safe_psql('postgres', "SET heliosdb.branch = '$branch'; $sql"); }

change_and_trim();
cmp_ok(change_and_trim(), '>=', 20, 'without branches records go');
my $between = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
$node->safe_psql('postgres', 'CREATE BRANCH b');
change_and_trim() for 1 .. 2;
is(change_and_trim(), 0, 'a branch keeps them');
is(on('b', $sums), '20|20', 'it reads what was there');
$node->safe_psql('postgres', "CREATE BRANCH earlier AS OF TIMESTAMP '$between'");
is(on('earlier', $sums), '20|20', 'a branch of the past too');
$node->safe_psql('postgres', 'DROP BRANCH b');
is(change_and_trim(), 0, 'the older fork counts');
is(on('earlier', $sums), '20|20', 'and can be read');
$node->safe_psql('postgres', 'DROP BRANCH earlier');
cmp_ok(change_and_trim(), '>=', 80, 'when the last branch is gone they go');
is($node->safe_psql('postgres', 'SELECT count(*) FROM heliosdb_log.pins'), 0, 'nobody holds them');
$node->safe_psql('postgres', q{CREATE BRANCH b; USE BRANCH b; UPDATE t SET n = 7; UPDATE p SET n = 7; CREATE BRANCH c});
foreach (1 .. 3)
{
	on('b', 'UPDATE t SET n = n + 1; UPDATE p SET n = n + 1');
	is(change_and_trim(), 0, 'a branch of a branch keeps the logs of that');
}
is(on('c', $sums), '70|70', 'and reads what was there');
on('c', 'UPDATE t SET n = 0 WHERE id = 1; UPDATE p SET n = 0 WHERE id = 1');
is(on('c', $sums), '63|63', 'also when it changes it');
$node->safe_psql('postgres', 'DROP BRANCH c; DROP BRANCH b');
$node->safe_psql('postgres', 'BEGIN; CREATE BRANCH never; ROLLBACK');
is($node->safe_psql('postgres', 'SELECT count(*) FROM heliosdb_log.pins'), 0, 'a branch that was rolled back holds nothing');

# In the background a branch goes when its time is over and nobody is on it.
$node->safe_psql('postgres', q{CREATE BRANCH brief WITH (ttl = '1 second'); CREATE BRANCH lasting WITH (ttl = '1 day')});
on('brief', 'UPDATE t SET n = 0');
my ($shown, $complaint) = ('', '');
my $user = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', "BEGIN; SET heliosdb.branch = 'brief'; UPDATE t SET n = 1; SELECT pg_sleep(6); COMMIT" ],
	'<', \undef, '>', \$shown, '2>', \$complaint);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) or BAIL_OUT('no session on the branch');
$node->safe_psql('postgres', 'ALTER SYSTEM SET heliosdb.max_background_workers = 2; SELECT pg_reload_conf()');
my $branches = q{SELECT string_agg(branch_name, ' ' ORDER BY branch_id) FROM pg_database_branches()};
$node->safe_psql('postgres', 'SELECT pg_sleep(3)');
is($node->safe_psql('postgres', $branches), 'main brief lasting', 'a branch that is used stays');
$user->finish;
is($complaint, '', 'its session is not disturbed');
ok($node->poll_query_until('postgres', "SELECT ($branches) = 'main lasting'"), 'and is dropped later');

done_testing();
