# The change log under load, through crashes, on a standby, in a dump, and with prepared transactions.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
restart_after_crash = on
max_prepared_transactions = 5
autovacuum = on
autovacuum_naptime = 1s
jit = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb');

# Writers of all kinds, among them long transactions; a reader that applies what it is told to a copy and compares the
# two in its snapshot; and one who reads the same log by the highest transaction seen.
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, n int);
	CREATE TABLE bag (a int, n int);
	INSERT INTO t SELECT i, 0 FROM generate_series(1, 200) i;
});
$node->safe_psql('postgres', q{SELECT heliosdb.track('t'), heliosdb.track('bag')});
$node->safe_psql('postgres', q{
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT heliosdb.create_consumer('t', 't'), heliosdb.create_consumer('bag', 'bag');
	CREATE TABLE t_copy AS TABLE t;
	CREATE TABLE bag_copy AS TABLE bag;
	COMMIT;
	ALTER TABLE t_copy ADD PRIMARY KEY (id);
	CREATE TABLE rounds (wrong bigint, changes bigint);
	CREATE TABLE watermark (seen xid8, taken bigint);
	INSERT INTO watermark VALUES ('0', 0);
	CREATE PROCEDURE refresh() LANGUAGE plpgsql AS $$
	DECLARE w bigint; c bigint;
	BEGIN
	  CREATE TEMP TABLE IF NOT EXISTS d (op "char", old t, new t);
	  CREATE TEMP TABLE IF NOT EXISTS e (op "char", old bag, new bag);
	  TRUNCATE d, e;
	  INSERT INTO d SELECT * FROM heliosdb.read_changes('t', NULL::t);
	  INSERT INTO e SELECT * FROM heliosdb.read_changes('bag', NULL::bag);
	  DELETE FROM t_copy USING d WHERE id = (old).id;
	  INSERT INTO t_copy SELECT (new).* FROM d WHERE op <> 'D';
	  INSERT INTO bag_copy SELECT (new).* FROM e WHERE op = 'I';
	  DELETE FROM bag_copy WHERE ctid IN (SELECT c.ctid FROM
	    (SELECT ctid, a, n, row_number() OVER (PARTITION BY a, n) i FROM bag_copy) c JOIN
	    (SELECT (old).a, (old).n, row_number() OVER (PARTITION BY old) i FROM e WHERE op = 'D') o USING (a, n, i));
	  SELECT count(*) INTO w FROM ((TABLE t EXCEPT ALL TABLE t_copy) UNION ALL (TABLE t_copy EXCEPT ALL TABLE t)
	    UNION ALL (TABLE bag EXCEPT ALL TABLE bag_copy) UNION ALL (TABLE bag_copy EXCEPT ALL TABLE bag)) x;
	  c := (SELECT count(*) FROM d) + (SELECT count(*) FROM e);
	  INSERT INTO rounds VALUES (w, c);
	  PERFORM heliosdb.advance_consumer('t'), heliosdb.advance_consumer('bag');
	END $$;
});
my $log = $node->safe_psql('postgres', q{SELECT log::regclass FROM heliosdb.tracked WHERE relid = 't'::regclass});
my $bag_log = $node->safe_psql('postgres', q{SELECT log::regclass FROM heliosdb.tracked WHERE relid = 'bag'::regclass});

my $scripts = $node->basedir;
my %script = (
	short => q{\set id random(1, 200)
		UPDATE t SET n = n + 1 WHERE id = :id;
	},
	several => q{\set id random(1, 200)
		\set new random(201, 400)
		BEGIN;
		DELETE FROM t WHERE id = :id;
		SAVEPOINT s;
		INSERT INTO t VALUES (:id, 0) ON CONFLICT (id) DO UPDATE SET n = t.n + 1;
		INSERT INTO bag VALUES (:id % 5, :new % 3);
		RELEASE s;
		SAVEPOINT u;
		UPDATE bag SET n = n + 1 WHERE a = :id % 5 AND n < 2;
		ROLLBACK TO u;
		INSERT INTO t VALUES (:new, 0) ON CONFLICT (id) DO NOTHING;
		COMMIT;
	},
	long => q{\set id random(401, 100000)
		BEGIN;
		INSERT INTO t VALUES (:id, 0) ON CONFLICT (id) DO UPDATE SET n = t.n + 1;
		DELETE FROM bag WHERE ctid = (SELECT ctid FROM bag ORDER BY random() LIMIT 1);
		\sleep 200 ms
		INSERT INTO bag VALUES (9, 9);
		COMMIT;
	},
	refresh => q{BEGIN ISOLATION LEVEL REPEATABLE READ;
		CALL refresh();
		COMMIT;
		SELECT heliosdb.trim_log('bag');
	},
	watermark => qq{BEGIN ISOLATION LEVEL REPEATABLE READ;
		UPDATE watermark SET taken = taken + (SELECT count(*) FROM $log WHERE xid > seen),
		  seen = GREATEST(seen, (SELECT max(xid) FROM $log));
		COMMIT;
	});

for my $name (sort keys %script)
{
	append_to_file("$scripts/$name.sql", $script{$name});
}

# Deadlocks and the like end single transactions, not the test.
my @load = map { [ 'pgbench', '-n', '-T', '8', '-c', $_->[1], '-f', "$scripts/$_->[0].sql", '--max-tries=100', $node->connstr('postgres') ] }
  ([ 'short', 2 ], [ 'several', 2 ], [ 'long', 2 ], [ 'refresh', 1 ], [ 'watermark', 1 ]);
my @runs;
for my $command (@load)
{
	my ($out, $err) = ('', '');
	push @runs, { handle => IPC::Run::start($command, '>', \$out, '2>', \$err), command => $command };
}
for my $run (@runs)
{
	ok($run->{handle}->finish, "load: " . (split m{/}, $run->{command}[7])[-1]);
}
$node->safe_psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ; CALL refresh(); COMMIT;");
$node->safe_psql('postgres', "UPDATE watermark SET taken = taken + (SELECT count(*) FROM $log WHERE xid > seen)");
my ($rounds, $wrong, $changes) = split /\|/, $node->safe_psql('postgres', 'SELECT count(*), sum(wrong), sum(changes) FROM rounds');
cmp_ok($rounds, '>', 5, "rounds: $rounds");
cmp_ok($changes, '>', 500, "changes: $changes");
is($wrong, 0, 'the copy was right after every round');
my $lost = $node->safe_psql('postgres', "SELECT (SELECT count(*) FROM $log) - taken FROM watermark");
cmp_ok($lost, '>', 0, "negative control: reading by the highest transaction seen lost $lost records");

# Two-phase commit: prepared before the position, committed after it.
$node->safe_psql('postgres', q{
	BEGIN; UPDATE t SET n = -1 WHERE id = 1; SAVEPOINT s; INSERT INTO t VALUES (-5, 0); PREPARE TRANSACTION 'p';});
$node->safe_psql('postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; CALL refresh(); COMMIT;');
$node->restart;
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
$node->safe_psql('postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; CALL refresh(); COMMIT;');
is($node->safe_psql('postgres', 'SELECT (SELECT sum(wrong) FROM rounds), n FROM t_copy WHERE id = 1'), '0|-1', 'prepared transaction');

# Crash: what was committed is in the log, what was not is not.
$node->safe_psql('postgres', 'CHECKPOINT');
my $before = $node->safe_psql('postgres', "SELECT count(*) FROM $log");
my ($out, $err) = ('', '');
my $session = IPC::Run::start(
	[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'UPDATE t SET n = n + 1 WHERE id <= 50', '-c', 'BEGIN',
	  '-c', 'UPDATE t SET n = n + 100 WHERE id > 50', '-c', 'SELECT pg_sleep(600)' ], '>', \$out, '2>', \$err);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'})
  or die 'no session sleeps';
$node->stop('immediate');
eval { $session->finish };
$node->start;
my $few = $node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id <= 50');
is($node->safe_psql('postgres', "SELECT count(*) - $before FROM $log"), $few, 'records of the committed transaction only');
$node->safe_psql('postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; CALL refresh(); COMMIT;');
is($node->safe_psql('postgres', 'SELECT sum(wrong) FROM rounds'), 0, 'the consumer goes on after a crash');
is($node->safe_psql('postgres', "SELECT count(*) FROM $log WHERE xid <= (SELECT max(xid) FROM $log) AND xid >= '0'"),
	$node->safe_psql('postgres', "SET enable_bitmapscan = off; SELECT count(*) FROM $log"), 'index and log agree');

# A standby reads logs, and cannot write them.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', 'UPDATE t SET n = n + 1 WHERE id < 10');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT count(*) FROM $log"), $node->safe_psql('postgres', "SELECT count(*) FROM $log"), 'standby has the log');
is($standby->safe_psql('postgres', 'SELECT relation, reason FROM heliosdb.tracked_tables ORDER BY 1 LIMIT 1'), 't|tracked', 'standby lists it');
$node->safe_psql('postgres', q{SELECT heliosdb.create_consumer('s', 't')});
$node->safe_psql('postgres', 'UPDATE t SET n = 77 WHERE id = 1');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT op, (new).n FROM heliosdb.read_changes('s', NULL::t)}), 'U|77', 'standby reads changes');
my ($status, $stdout, $stderr) = $standby->psql('postgres', q{SELECT heliosdb.trim_log('t')});
like($stderr, qr/cannot execute heliosdb.trim_log\(\) during recovery|read-only/, 'standby does not trim');
isnt($standby->psql('postgres', q{SELECT * FROM heliosdb.read_changes('s', NULL::t, true)}), 0, 'standby does not advance');
$standby->stop;

# A dump holds no logs; restored tables are not tracked until somebody says so again.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
my $text = slurp_file($dump);
unlike($text, qr/log_\d|heliosdb_capture|TRIGGER/, 'no log and no trigger in the dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
is($node->safe_psql('restored', 'SELECT count(*) FROM heliosdb.tracked'), 0, 'nothing is tracked');
isnt($node->psql('restored', q{SELECT * FROM heliosdb.read_changes('t', NULL::t)}), 0, 'no consumer');
is($node->safe_psql('restored', q{
	SELECT heliosdb.track('t'); UPDATE t SET n = 0 WHERE id = 1;
	SELECT count(*) > 0 FROM heliosdb.tracked WHERE relid = 't'::regclass;}), "\nt", 'tracked again');
$node->command_ok([ 'pg_dump', '-Fc', '--data-only', '--disable-triggers', '-t', 'bag', '-f', "$dump.data", '-d', $node->connstr('postgres') ], 'data only');
$node->safe_psql('restored', q{TRUNCATE bag; SELECT heliosdb.track('bag')});
$node->command_ok([ 'pg_restore', '--data-only', '--disable-triggers', '-d', $node->connstr('restored'), "$dump.data" ], 'restored with triggers off');
is($node->safe_psql('restored', q{SELECT reason FROM heliosdb.tracked WHERE relid = 'bag'::regclass}), 'trigger was disabled', 'the gap is noticed');

# Logical replication fires the triggers of the subscriber.
{
	my $publisher = PostgreSQL::Test::Cluster->new('publisher');
	$publisher->init(allows_streaming => 'logical');
	$publisher->start;
	$publisher->safe_psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0); CREATE PUBLICATION p FOR TABLE t');
	$node->safe_psql('postgres', 'CREATE DATABASE subscriber');
	$node->safe_psql('subscriber', 'CREATE EXTENSION heliosdb; CREATE TABLE t (id int PRIMARY KEY, n int);');
	$node->safe_psql('subscriber', q{SELECT heliosdb.track('t')});
	(my $from = $publisher->connstr('postgres')) =~ s/'/''/g;
	$node->safe_psql('subscriber', qq{CREATE SUBSCRIPTION s CONNECTION '$from' PUBLICATION p});
	$node->wait_for_subscription_sync($publisher, 's', 'subscriber');
	$publisher->safe_psql('postgres', 'UPDATE t SET n = 5 WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, 3)');
	$publisher->wait_for_catchup('s');
	my $there = $node->safe_psql('subscriber', q{SELECT log::regclass FROM heliosdb.tracked});
	is($node->safe_psql('subscriber', "SELECT op, c1, c2 FROM $there WHERE op <> 'I' OR c1 = 3 ORDER BY c1"), "U|1|0\nD|2|0\nI|3|", 'logical apply is recorded');
	$node->safe_psql('subscriber', 'DROP SUBSCRIPTION s');
	$publisher->stop;
}

$node->stop;
done_testing();
