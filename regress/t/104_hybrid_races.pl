# Many sessions at once on a hybrid table whose rows move there and back, while chunks are made anew and vacuumed: no change is lost or
# done twice, no row is seen twice or not at all, foreign keys hold.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib $FindBin::RealBin;
use Session;

my $seconds = $ENV{HELIOS_SECONDS} // 15;
my $node = PostgreSQL::Test::Cluster->new('races');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
fsync = off
log_statement = none
deadlock_timeout = 200ms
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql('CREATE EXTENSION heliosdb');

# ---- A load straight into chunks, which stops before its end: who comes with a key of it waits without keeping it from going on ----
sql('CREATE TABLE loaded (id int PRIMARY KEY, v text) USING heliosdb');
for my $end (qw(COMMIT ROLLBACK))
{
	my ($gate, $loader) = (Session->new($node), Session->new($node));
	my @late = map { Session->new($node) } 0 .. 2;
	$gate->ok('SELECT pg_advisory_lock(1)');
	$loader->ok("TRUNCATE loaded; SET heliosdb.hybrid_storage = 'column'; BEGIN");
	$loader->send("INSERT INTO loaded SELECT g, CASE WHEN g = 15000 THEN pg_advisory_lock_shared(1)::text ELSE 'loaded' END FROM generate_series(1, 20000) g");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
	$late[0]->send(q{INSERT INTO loaded VALUES (14999, 'late')});
	$late[1]->send(q{INSERT INTO loaded VALUES (14998, 'late') ON CONFLICT (id) DO UPDATE SET v = loaded.v || ' and late'});
	$late[2]->send(q{INSERT INTO loaded VALUES (14997, 'late') ON CONFLICT DO NOTHING});
	$node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted});
	$gate->ok('SELECT pg_advisory_unlock(1)');
	$loader->finish;
	$loader->ok($end);
	my @errors = map { ($_->finish)[1] } @late;
	my $committed = $end eq 'COMMIT';
	like($errors[0], $committed ? qr/duplicate key/ : qr/^$/, "$end of a load: the key is taken, or not");
	is("$errors[1]$errors[2]", '', 'who gives way has no error');
	is(sql(q{SELECT string_agg(v, ', ' ORDER BY id) FROM loaded WHERE id BETWEEN 14997 AND 14999}), $committed ? 'loaded, loaded and late, loaded' : 'late, late, late', 'and sees what came of the load');
	$_->quit for $gate, $loader, @late;
}

# ---- FOR KEY SHARE follows a cold row into an update, which commits before it has looked; the next update stands ----
sql(q{CREATE TABLE followed (id int PRIMARY KEY, v text) USING heliosdb; INSERT INTO followed VALUES (1, 'cold')});
sql(q{SELECT heliosdb.move_to_cold('followed')});
{
	my ($first, $locker, $gate) = map { Session->new($node) } 0 .. 2;
	$first->ok(q{BEGIN; UPDATE followed SET v = 'first'});
	my $pid = $locker->ok(q{SET heliosdb.pause_point = 'hybrid_lock_pending'; SELECT pg_backend_pid()});
	my $offset = -s $node->logfile;
	$locker->send(q{BEGIN; SELECT v FROM followed FOR KEY SHARE});
	$node->wait_for_log(qr/pause point reached: hybrid_lock_pending/, $offset);
	$first->ok('COMMIT');
	sql(q{UPDATE followed SET v = 'second'});
	$gate->ok("SELECT pg_advisory_lock($pid)");
	is(join('', $locker->finish), 'cold', 'nobody keeps it from locking what its snapshot sees');
	is(sql('SELECT v FROM followed'), 'second', 'the update of the version that it came to stands');
	$locker->ok('COMMIT');
	$_->quit for $first, $locker, $gate;
}

# ---- Everything at once ----
sql(q{
	CREATE TABLE accounts (id int PRIMARY KEY, balance bigint, changes int, note text) USING heliosdb;
	CREATE INDEX accounts_note ON accounts (note);
	CREATE TABLE history (account int REFERENCES accounts, amount int) USING heliosdb;
	INSERT INTO accounts SELECT i, 0, 0, md5(i::text) FROM generate_series(1, 600) i;
	CREATE FUNCTION check_sums() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE seen text; first text; BEGIN
		FOR i IN 0 .. 3 LOOP
			PERFORM set_config('enable_seqscan', (i = 0)::text, true), set_config('enable_indexscan', (i = 1 OR i = 3)::text, true), set_config('enable_bitmapscan', (i = 2)::text, true);
			SELECT concat(count(*), ' rows, ', sum(balance), ', ', count(DISTINCT id)) INTO seen FROM accounts WHERE id <= 400 AND (i < 3 OR note > '');
			IF seen <> '400 rows, 0, 400' THEN RAISE 'way %: %', i, seen; END IF;
			SELECT concat(count(*), ' ', sum(changes), ' ', max(note)) INTO seen FROM accounts WHERE id > 0;
			first := coalesce(first, seen);
			IF seen <> first THEN RAISE 'way %: %, not %', i, seen, first; END IF;
		END LOOP;
		PERFORM pg_sleep(0.02);
		SELECT concat(count(*), ' ', sum(changes), ' ', max(note)) INTO seen FROM accounts WHERE id > 0;
		IF seen <> first THEN RAISE 'later: %, not %', seen, first; END IF;
	END $$});

my $dir = $node->basedir;
my %scripts = (
	transfer => q{
\set a random(1, 400)
\set b random(1, 400)
\set d random(1, 100)
BEGIN;
UPDATE accounts SET balance = balance - :d, changes = changes + 1 WHERE id = least(:a::int, :b::int);
INSERT INTO history VALUES (:a, :d);
UPDATE accounts SET balance = balance + :d, changes = changes + 1, note = md5(random()::text) WHERE id = greatest(:a::int, :b::int);
COMMIT;
},
	locked => q{
\set a random(1, 400)
\set b random(1, 400)
BEGIN;
SELECT count(*) FROM (SELECT 1 FROM accounts WHERE id IN (:a::int, :b::int) ORDER BY id FOR UPDATE) l;
SAVEPOINT s;
UPDATE accounts SET balance = balance + 1000 WHERE id = :a;
ROLLBACK TO s;
UPDATE accounts SET balance = balance - 7, changes = changes + 1 WHERE id = :a;
UPDATE accounts SET balance = balance + 7, changes = changes + 1 WHERE id = :b;
COMMIT;
},
	repeatable => q{
\set a random(1, 400)
\set b random(1, 400)
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE accounts SET balance = balance - 3, changes = changes + 1 WHERE id = least(:a::int, :b::int);
UPDATE accounts SET balance = balance + 3, changes = changes + 1 WHERE id = greatest(:a::int, :b::int);
COMMIT;
},
	serializable => q{
\set a random(1, 400)
\set b random(1, 400)
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE accounts SET balance = balance - 3, changes = changes + 1 WHERE id = least(:a::int, :b::int);
UPDATE accounts SET balance = balance + 3, changes = changes + 1 WHERE id = greatest(:a::int, :b::int);
COMMIT;
},
	others => q{
\set c random(401, 600)
\set e random(401, 600)
INSERT INTO accounts VALUES (:c, 1, 1, 'other') ON CONFLICT (id) DO UPDATE SET balance = accounts.balance + 1, changes = accounts.changes + 1;
DELETE FROM accounts WHERE id = :e;
},
	reader => 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT check_sums(); COMMIT;',
	mover => q{
\set n random(1, 300)
\set part random(0, 3)
SELECT heliosdb.set_table_options('accounts', order_by => CASE WHEN :part > 1 THEN 'note DESC, id' END);
SELECT heliosdb.move_to_cold('accounts', 'id % 4 <> ' || :part, :n);
\sleep 20 ms
},
	keeper => q{
SELECT heliosdb.recompress('accounts', 0.1);
SELECT heliosdb.move_to_cold('history');
VACUUM accounts;
\sleep 100 ms
SELECT heliosdb.move_to_hot('accounts', 'id % 10 = 3');
});
my %weight = (transfer => 8, locked => 4, repeatable => 2, serializable => 1, others => 3, reader => 2);
append_to_file("$dir/$_", $scripts{$_}) for keys %scripts;

my @runs;
for my $arguments ([ 5, map { "-f$dir/$_\@$weight{$_}" } sort keys %weight ], [ 1, "-f$dir/mover" ], [ 1, "-f$dir/keeper" ])
{
	my ($clients, @files) = @$arguments;
	my ($in, $out, $err) = ('', '', '');
	# A thread for each client: one that waits for a lock to prepare a statement would keep those from going on that have it.
	push @runs, { out => \$out, err => \$err, name => "@files" };
	$runs[-1]{run} = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-c', $clients, '-j', $clients, '-T', $seconds, '--max-tries=200', @files, $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
}
for my $run (@runs)
{
	$run->{run}->finish;
	note(${ $run->{out} } =~ /(number of transactions actually processed.*)/);
	my $errors = join "\n", grep { /ERROR|FATAL|aborted|terminat/ } split /\n/, ${ $run->{err} };
	is($errors, '', "no error: $run->{name}");
}
sql('SELECT check_sums()');
is(sql('SELECT count(*) FROM history h WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = h.account)'), '0', 'foreign keys hold');
is(sql('SELECT count(*) - count(DISTINCT id) FROM accounts'), '0', 'keys are unique');
# Who came last may have made every row hot; indexes are compared with rows of both kinds.
sql(q{SELECT heliosdb.move_to_cold('accounts', 'id % 4 <> 0')});
cmp_ok(sql('SELECT count(*) FROM accounts WHERE (ctid::text::point)[0] >= 2147483648'), '>', 0, 'rows are cold');
if (sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'}))
{
	sql('CREATE EXTENSION amcheck');
	is(sql(q{SELECT count(bt_index_check(indexrelid, true)) FROM pg_index WHERE indrelid = 'accounts'::regclass}), '2', 'indexes have all rows');
}
sql('VACUUM FULL accounts');
sql('SELECT check_sums()');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'the server has never gone down');
$node->stop;
done_testing();
