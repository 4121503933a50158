# Branches of recorded snapshots: what they read, that the logs are kept for them, and merges whose base is one. Branches
# of now and merges record one with all that their own transaction does.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WireClient;

my $node = PostgreSQL::Test::Cluster->new('scn');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nfsync = off\n");
$node->start;

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}

$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE rows (id int PRIMARY KEY, n int);
	CREATE TABLE parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
	CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE high PARTITION OF parts DEFAULT;
	CREATE TABLE bag (a int);
	SELECT heliosdb.track('rows'), heliosdb.track('parts'), heliosdb.track('bag');
	INSERT INTO rows SELECT i, 0 FROM generate_series(1, 5) i;
	INSERT INTO parts SELECT i, 0 FROM generate_series(1, 20) i;
	INSERT INTO bag VALUES (1), (1), (2)});

# A transaction that runs when the snapshot is recorded is not in it, whenever it commits.
my $running = WireClient->new($node, 'postgres');
$running->simple('BEGIN');
$running->simple('UPDATE rows SET n = 100 WHERE id = 1');
$running->simple('INSERT INTO rows VALUES (6, 100)');
my $scn = sql('SELECT pg_current_scn()');
$running->simple('COMMIT');
sql('CREATE TABLE later (id int PRIMARY KEY)', 'UPDATE rows SET n = 1 WHERE id = 2', 'DELETE FROM rows WHERE id = 3', 'UPDATE parts SET n = 1', 'INSERT INTO bag VALUES (3)');

my $wire = WireClient->new($node, 'postgres');
foreach my $protocol (qw(simple extended prepared))
{
	is_deeply($wire->$protocol("CREATE BRANCH s_$protocol AS OF SCN $scn")->{error}, {}, "$protocol: CREATE BRANCH … AS OF SCN");
	is(on("s_$protocol", 'SELECT count(*), sum(n) FROM rows'), '5|0', "$protocol: the state that was recorded");
}
cmp_ok(sql("SELECT heliosdb.create_branch('f', as_of_scn => $scn)"), '>', 1, 'as a function');
is(sql("SELECT fork_scn = $scn, fork_at = (SELECT created_at FROM pg_snapshots WHERE scn = $scn) FROM pg_branches WHERE branch_name = 'f'"), 't|t', 'pg_branches');
fails('an SCN that is not recorded', qr/ERROR:  22023: branch "x" cannot begin at SCN @{[ $scn + 1 ]}, which is not recorded.*HINT/s, "CREATE BRANCH x AS OF SCN @{[ $scn + 1 ]}");
fails('an SCN and an instant', qr/ERROR:  42601/, "SELECT heliosdb.create_branch('x', as_of => now(), as_of_scn => $scn)");
fails('no number', qr/ERROR:  22P02/, q{CREATE DATABASE x WITH branch_from = 'current' as_of_scn = 'soon'});
fails('a table that was created later', qr/ERROR:  72000: history of table "later" does not reach back to SCN $scn/, 'USE BRANCH f', 'SELECT * FROM later');

is(on('f', 'SELECT count(*), sum(n) FROM parts'), '20|0', 'a partitioned table');
is(on('f', 'UPDATE parts SET n = n + 5 WHERE id = 15', 'SELECT sum(n) FROM parts', 'SELECT sum(n) FROM high'), "5\n5", 'its copy');
is(on('f', 'INSERT INTO bag VALUES (7)', 'SELECT string_agg(a::text, \',\' ORDER BY a) FROM bag'), '1,1,2,7', 'a copy without a primary key');
is(on('f', 'UPDATE rows SET n = n + 10 WHERE id IN (4, 5)', 'DELETE FROM rows WHERE id = 2', 'SELECT string_agg(id || \':\' || n, \',\' ORDER BY id) FROM rows'), '1:0,3:0,4:10,5:10', 'a copy');
is(sql(q{SELECT string_agg(key || difference, ',' ORDER BY key) FROM heliosdb.branch_diff('s_simple', 'f', 'rows')}), '(2)deleted,(4)modified,(5)modified', 'branch_diff() from the fork');
is(sql(q{SELECT string_agg(key, ',' ORDER BY key) FROM heliosdb.merge_preview('f') WHERE conflict}), '(15),(2),(7)', 'main has changed what differs from the snapshot');
fails('a merge with conflicts', qr/ERROR:  55000: table public.bag has no primary key and was changed on both sides/, 'MERGE BRANCH f INTO main');
sql('DELETE FROM bag WHERE a = 3', 'UPDATE rows SET n = 0 WHERE id = 2', 'UPDATE parts SET n = 0', 'MERGE BRANCH f INTO main');
is(sql(q{SELECT string_agg(id || ':' || n, ',' ORDER BY id) FROM rows}), '1:100,4:10,5:10,6:100', 'a merge with a snapshot as base');
is(sql('SELECT sum(n) FROM parts', 'SELECT string_agg(a::text, \',\' ORDER BY a) FROM bag'), "5\n1,1,2,7", 'of all kinds of tables');
is(on('f', 'UPDATE rows SET n = 11 WHERE id = 4', 'USE BRANCH main', 'UPDATE rows SET n = 50 WHERE id = 5', 'MERGE BRANCH f INTO main', 'SELECT string_agg(id || \':\' || n, \',\' ORDER BY id) FROM rows'), '1:100,4:11,5:50,6:100', 'the next merge takes what is new');

# The snapshot and the logs back to it are kept as long as a branch begins there.
sql(q{SELECT heliosdb.set_retention('rows', '0'), heliosdb.set_retention('parts', '0'), heliosdb.set_retention('bag', '0')}, q{SET heliosdb.time_travel_retention = '0'}, 'SELECT pg_current_scn()', 'SELECT heliosdb.trim_log()');
is(on('s_simple', 'SELECT count(*), sum(n) FROM rows'), '5|0', 'trimming leaves what a branch needs');
is(sql("SELECT count(*) FROM pg_snapshots WHERE scn = $scn"), '1', 'and the snapshot');
fails('TRUNCATE of a table that it reads', qr/ERROR:  55006: table "rows" is read by branch "s_/, 'TRUNCATE rows');
sql('TRUNCATE later');
sql("DROP BRANCH s_$_") foreach qw(simple extended prepared);
sql('DROP BRANCH f', q{SET heliosdb.time_travel_retention = '0'}, 'SELECT pg_current_scn()', 'SELECT heliosdb.trim_log()');
is(sql("SELECT count(*) FROM pg_snapshots WHERE scn = $scn"), '0', 'until the last one is dropped');
fails('then it is none any more', qr/ERROR:  22023: branch "x" cannot begin at SCN $scn/, "CREATE BRANCH x AS OF SCN $scn");

# ---- Branches of now: the end of the transaction that creates them ----

sql('CREATE TABLE own (id int PRIMARY KEY)', q{SELECT heliosdb.track('own')});
my $ids = q{SELECT string_agg(id::text, ',' ORDER BY id) FROM own};
my $creator = $node->background_psql('postgres', on_error_stop => 0);
$creator->query_safe('BEGIN; INSERT INTO own VALUES (1); SAVEPOINT a; INSERT INTO own VALUES (2); RELEASE a; SAVEPOINT b; INSERT INTO own VALUES (3); ROLLBACK TO b;'
	. 'SAVEPOINT c; CREATE TABLE made (id int PRIMARY KEY); INSERT INTO made VALUES (1); RELEASE c; CREATE BRANCH now_on');
sql('INSERT INTO own VALUES (10)');
$creator->query_safe('INSERT INTO own VALUES (4); SAVEPOINT d; INSERT INTO own VALUES (5); SAVEPOINT e; INSERT INTO own VALUES (6); RELEASE e; RELEASE d; SAVEPOINT f; INSERT INTO own VALUES (7); ROLLBACK TO f');
my $early = sql('SELECT max(scn) FROM pg_snapshots');
fails('such a snapshot before its transaction has committed', qr/ERROR:  40001: SCN $early is later than the snapshot of this statement/, "SELECT * FROM own AS OF SCN $early");
$creator->query_safe("SAVEPOINT g");
$creator->query("SELECT * FROM own AS OF SCN $early");
like($creator->{stderr}, qr/SCN $early is later than the snapshot/, 'by itself neither');
$creator->{stderr} = '';
$creator->query_safe('ROLLBACK TO g; COMMIT');
is(on('now_on', $ids, 'SELECT count(*) FROM made'), "1,2,4,5,6\n1", 'all that its transaction did, before and after, also in savepoints');
is(sql($ids, "SELECT string_agg(id::text, ',' ORDER BY id) FROM own AS OF SCN $early"), "1,2,4,5,6,10\n1,2,4,5,6", 'and nothing of others that came after');
is(on('now_on', 'DELETE FROM own WHERE id = 6', $ids), '1,2,4,5', 'its copy');
$creator->query_safe('BEGIN; INSERT INTO own VALUES (20); CREATE BRANCH never; INSERT INTO own VALUES (21); ROLLBACK');
is(sql('SELECT count(*) FROM own AS OF SCN ' . sql('SELECT max(scn) FROM pg_snapshots')), '6', 'one that was rolled back did nothing');

# The first branch tracks tables, for which it waits for writers: what these did is in no log, but in the branch.
sql('CREATE TABLE fresh (id int PRIMARY KEY, n int)', 'INSERT INTO fresh VALUES (1, 0)');
my $writer = $node->background_psql('postgres');
$writer->query_safe('BEGIN; UPDATE fresh SET n = 1');
my $creating = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CREATE BRANCH waited' ], '>&', \(my $waited = ''));
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}), 'a branch waits for writers of tables that are not tracked');
$writer->query_safe('COMMIT');
$creating->finish;
is($waited . on('waited', 'SELECT n FROM fresh'), '1', 'and has what they did');

my $old = $node->background_psql('postgres', on_error_stop => 0);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql('CREATE BRANCH newer');
$old->query('USE BRANCH newer; SELECT * FROM own');
like($old->{stderr}, qr/SCN \d+ is later than the snapshot of this statement/, 'an older snapshot does not reach a newer branch');
$_->quit foreach $creator, $writer, $old;

# ---- Merges: the end of their transaction ----

sql('CREATE TABLE heap (a int)', 'CREATE TABLE keyed (id int PRIMARY KEY, n int)', 'INSERT INTO heap VALUES (1), (2)', 'INSERT INTO keyed VALUES (1, 0), (2, 0), (3, 0)', 'CREATE BRANCH m');
my $both = q{SELECT (SELECT string_agg(a::text, ',' ORDER BY a) FROM heap), (SELECT string_agg(id || ':' || n, ',' ORDER BY id) FROM keyed)};
sql('BEGIN', 'SAVEPOINT a', 'USE BRANCH m', 'INSERT INTO heap VALUES (3)', 'UPDATE keyed SET n = 1 WHERE id = 1', 'RELEASE a', 'SAVEPOINT b', 'UPDATE keyed SET n = 2 WHERE id = 2', 'ROLLBACK TO b',
	'USE BRANCH main', q{DO 'BEGIN PERFORM heliosdb.merge_branch(''m''); EXCEPTION WHEN division_by_zero THEN NULL; END'}, 'SAVEPOINT c', 'INSERT INTO heap VALUES (4)', 'RELEASE c', 'COMMIT');
is(sql($both), '1,2,3,4|1:1,2:0,3:0', 'a merge of what its transaction did on the branch');
sql('MERGE BRANCH m INTO main');
is(sql($both), '1,2,3,4|1:1,2:0,3:0', 'is not done again');
on('m', 'UPDATE keyed SET n = 5 WHERE id = 2', 'DELETE FROM heap WHERE a = 1');
sql('UPDATE keyed SET n = 7 WHERE id = 1', 'MERGE BRANCH m INTO main');
is(sql($both), '2,3,4|1:7,2:5,3:0', 'what came after is');
sql('BEGIN', 'USE BRANCH m', 'UPDATE keyed SET n = 9 WHERE id = 3', 'USE BRANCH main', 'MERGE BRANCH m INTO main', 'ROLLBACK');
on('m', 'UPDATE keyed SET n = 8 WHERE id = 3');
sql('MERGE BRANCH m INTO main');
is(sql($both), '2,3,4|1:7,2:5,3:8', 'a merge that was rolled back is none');

done_testing();
