# Branches under concurrency, after kills of backends and of the server, and on a standby.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nrestart_after_crash = on\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE parent (id int PRIMARY KEY, v int);
	CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, v int);
	CREATE TABLE other (id int PRIMARY KEY, v int);
	INSERT INTO parent SELECT i, 0 FROM generate_series(1, 5) i;
	INSERT INTO child SELECT i, i, 0 FROM generate_series(1, 5) i;
	INSERT INTO other SELECT i, 0 FROM generate_series(1, 5) i;
	CREATE BRANCH b});

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }
sub session { my $s = $node->background_psql('postgres', on_error_stop => 0); $s->query_safe("USE BRANCH $_[0]"); return $s; }

# Starts a statement that will wait, in a psql of its own.
my @running;
sub start
{
	my ($sql) = @_;
	my %run = (out => '');
	$run{handle} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=sqlstate', map { ('-c', $_) } split /; /, $sql ], '>&', \$run{out});
	return \%run;
}
sub await_lock { return $node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}); }
sub finish { my ($run) = @_; $run->{handle}->finish; return $run->{out} =~ s/\s+$//r; }

# ---- The first change of a table by two sessions ----

my $first = session('b');
$first->query_safe('BEGIN; UPDATE child SET v = v + 1 WHERE id = 1');
my $second = start('USE BRANCH b; UPDATE parent SET v = v + 10 WHERE id = 1; UPDATE child SET v = v + 10 WHERE id IN (1, 2); SELECT id, v FROM child WHERE v > 0 ORDER BY id');
ok(await_lock(), 'the second to change connected tables waits');
is(on('b', 'SELECT sum(v) FROM child'), '0', 'a reader does not');
$first->query_safe('COMMIT');
is(finish($second), "1|11\n2|10", 'and then changes the copies of the first');
is(on('b', 'SELECT sum(v) FROM child', 'SELECT sum(v) FROM parent') . "\n" . sql('SELECT sum(v) FROM child'), "21\n10\n0", 'nothing is lost, nothing on main');

$first->query_safe('BEGIN; UPDATE other SET v = 1 WHERE id = 1');
$second = start('USE BRANCH b; UPDATE other SET v = 2 WHERE id = 2; SELECT id, v FROM other ORDER BY id LIMIT 3');
await_lock();
$first->query_safe('ROLLBACK');
is(finish($second), "1|0\n2|2\n3|0", 'after a rollback the second makes the copies');

# ---- A snapshot from before the copy ----

sql('CREATE BRANCH r');
my $old = session('r');
is($old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT sum(v) FROM other'), '0', 'a snapshot');
my $prepared = session('r');
$prepared->query_safe('SET plan_cache_mode = force_generic_plan; PREPARE q AS SELECT sum(v) FROM other');
is($prepared->query_safe('EXECUTE q'), '0', 'a plan for the untouched table');
on('r', 'UPDATE other SET v = 7 WHERE id = 3', 'INSERT INTO other VALUES (6, 1)', 'DELETE FROM other WHERE id = 5');
is($old->query_safe('SELECT sum(v), count(*) FROM other'), '0|5', 'sees the table as it was, in the copy made since');
is($prepared->query_safe('EXECUTE q'), '8', 'a plan made before is made anew');
$old->query('UPDATE other SET v = 9 WHERE id = 3');
like($old->{stderr}, qr/could not serialize access/, 'and cannot change what others have changed');
$old->{stderr} = '';
$old->query('ROLLBACK');
is($old->query_safe('SELECT sum(v) FROM other'), '8', 'the next transaction sees all');

# ---- Dropping and merging against writers ----

$first->quit;
$first = session('r');
$first->query_safe('BEGIN; UPDATE parent SET v = 1 WHERE id = 1');
my $drop = start('DROP BRANCH r; SELECT count(*) FROM pg_branches');
await_lock();
$first->query_safe('COMMIT');
is(finish($drop), '2', 'DROP BRANCH waits for a writer');
$first->query('SELECT sum(v) FROM parent');
like($first->{stderr}, qr/branch "r" does not exist/, 'whose session then has no branch');
$first->{stderr} = '';
$first->query_safe('USE BRANCH main');
is($first->query_safe('SELECT sum(v) FROM parent'), '0', 'and never wrote main');

my $main = session('main');
$main->query_safe('BEGIN; UPDATE other SET v = 100 WHERE id = 2; UPDATE parent SET v = 5 WHERE id = 5');
my $merge = start('MERGE BRANCH b INTO main');
await_lock();
$main->query_safe('COMMIT');
like(finish($merge), qr/ERROR:  23000/, 'a merge waits for writers of main, and sees what they did');
sql('UPDATE other SET v = 0 WHERE id = 2');
my $writer = session('b');
$writer->query_safe('BEGIN; UPDATE child SET v = 50 WHERE id = 4');
$merge = start('MERGE BRANCH b INTO main; SELECT id, v FROM child ORDER BY id');
await_lock();
$writer->query_safe('COMMIT');
is(finish($merge), "1|11\n2|10\n3|0\n4|50\n5|0", 'and for writers of the branch');
is(sql('SELECT * FROM parent ORDER BY id'), "1|10\n2|0\n3|0\n4|0\n5|5", 'both sides are there');

# ---- Kills ----

sub state
{
	my $tables = join('; ', map { "SELECT '$_', string_agg(t::text, ',' ORDER BY id) FROM $_ t" } qw(parent child other));
	return sql($tables) . "\n" . on('b', $tables) . "\n" . sql(q{SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text ~ '^heliosdb_[bc]'}, 'SELECT count(*) FROM heliosdb.branch_relations', 'SELECT count(*) FROM heliosdb.tracked');
}
sub kill_at
{
	my ($point, $sql) = @_;
	my $offset = -s $node->logfile;
	my $run = start("SELECT pg_backend_pid(); SET heliosdb.pause_point = '$point'; $sql");
	$node->wait_for_log(qr/pause point reached: $point/, $offset);
	$run->{handle}->pump_nb;
	my ($pid) = $run->{out} =~ /^(\d+)/;
	kill KILL => $pid;
	$run->{handle}->finish;
	# A connection while the server goes down would end the test.
	$node->wait_for_log(qr/reinitializing.*ready to accept connections/s, $offset);
	return;
}
$_->quit foreach $old, $prepared, $first, $main;
eval { $writer->quit };
sql('CREATE BRANCH k', 'CREATE TABLE later (id int PRIMARY KEY)');
my $before = state();
kill_at('branch_copy', 'USE BRANCH k; UPDATE parent SET v = 77');
is(state(), $before, 'a backend killed in a copy leaves nothing');
is(on('k', 'SELECT sum(v) FROM parent', 'BEGIN', 'UPDATE parent SET v = 77', 'SELECT sum(v) FROM parent', 'ROLLBACK'), "15\n385", 'and the branch is as it was');
on('b', 'UPDATE child SET v = 60 WHERE id = 5', 'DELETE FROM child WHERE id = 3', 'CREATE TABLE made (id int PRIMARY KEY)', 'INSERT INTO made VALUES (1)', 'ALTER TABLE other ADD COLUMN w int DEFAULT 1');
$before = state();
foreach my $point (qw(branch_merge branch_merge_end))
{
	kill_at($point, 'MERGE BRANCH b INTO main');
	is(state(), $before, "a backend killed in a merge ($point) leaves both sides as they were");
}
$node->stop('immediate');
$node->start;
is(state(), $before, 'after a crash of the server');
sql('MERGE BRANCH b INTO main');
is(sql('SELECT id, v FROM child ORDER BY id', 'SELECT * FROM made', 'SELECT sum(w) FROM other'), "1|11\n2|10\n4|50\n5|60\n1\n5", 'then the merge');

# ---- A standby ----

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
on('k', 'UPDATE child SET v = -1 WHERE id = 1', 'DELETE FROM parent WHERE id = 3 AND false');
sql('UPDATE other SET v = 1000');
sleep 2;
sql('UPDATE parent SET v = v WHERE id = 1');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'USE BRANCH k; SELECT sum(v) FROM child; SELECT sum(v) FROM other WHERE id <= 5; SELECT count(*) FROM pg_branches'), on('k', 'SELECT sum(v) FROM child', 'SELECT sum(v) FROM other WHERE id <= 5') . "\n3",
	'copies and untouched tables on a standby');
my ($status, $out, $error) = $standby->psql('postgres', 'USE BRANCH k; UPDATE other SET v = 1');
like($error, qr/cannot execute the first change of a table on a branch in a read-only transaction/, 'which changes nothing');
($status, $out, $error) = $standby->psql('postgres', 'CREATE BRANCH s');
like($error, qr/cannot execute CREATE BRANCH in a read-only transaction/, 'and creates nothing');

done_testing();
