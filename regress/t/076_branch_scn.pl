# Branches of recorded snapshots: what they read, that the logs are kept for them, and merges whose base is one.
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

done_testing();
