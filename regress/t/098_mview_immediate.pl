# Views with refresh_mode = 'immediate': each snapshot shows them as their query, beside writers, views over views,
# transactions prepared for two-phase commit, savepoints, TRUNCATE, ALTER, errors, and on a standby.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{HELIOS_ORACLE_SECONDS} // 20;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.max_cpu_background = 0
max_prepared_transactions = 10
deadlock_timeout = 100ms
fsync = off
jit = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }
# Runs what fails; returns the error.
sub failure
{
	my ($status, $out, $err) = $node->psql('postgres', $_[0], on_error_stop => 1, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	isnt($status, 0, "fails: $_[0]");
	return $err;
}
sub deadlocks { return scalar(() = slurp_file($node->logfile) =~ /deadlock detected/g); }

sql(q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE a (id int PRIMARY KEY, g int, x int);
	CREATE TABLE b (id int PRIMARY KEY, a int, y int);
	CREATE TABLE c (k int, v int);
	CREATE TABLE p (id int PRIMARY KEY, g int, x int) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (MINVALUE) TO (500);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (500) TO (MAXVALUE);
	INSERT INTO a SELECT i, i % 7, i % 13 FROM generate_series(1, 1000) i;
	INSERT INTO b SELECT i, i * 3, i % 6 FROM generate_series(1, 300) i;
	INSERT INTO c SELECT i % 9, i % 5 FROM generate_series(1, 100) i;
	INSERT INTO p SELECT i, i % 5, i % 8 FROM generate_series(1, 1000) i;});
my @views = (
	[ 'flat', 'SELECT id, g, x + 1 AS x1 FROM a WHERE x % 3 <> 0' ],
	[ 'sums', 'SELECT g, count(*) AS c, sum(x) AS s, max(x) AS m FROM a GROUP BY g' ],
	[ 'joined', 'SELECT a.g, count(*) AS c, sum(b.y) AS s FROM a JOIN b ON b.a = a.id GROUP BY a.g' ],
	[ 'outer_joined', 'SELECT a.id, b.y FROM a LEFT JOIN b ON b.a = a.id WHERE a.id < 500' ],
	[ 'bag', 'SELECT k, v FROM c WHERE v > 1' ],
	[ 'lacking', 'SELECT k, v FROM c WHERE NOT EXISTS (SELECT FROM a WHERE a.id = c.k)' ],
	[ 'parts', 'SELECT g, sum(x) AS s, count(*) AS c FROM p GROUP BY g' ],
	[ 'ranked', 'SELECT id, g, rank() OVER (PARTITION BY g ORDER BY y, id) AS r FROM b JOIN (SELECT DISTINCT id AS i, g FROM a) q ON q.i = b.a' ],
	[ 'above', 'SELECT s.c, s.s, j.c AS jc FROM sums s JOIN joined j USING (g)' ],
	[ 'top', 'SELECT count(*) AS n, sum(s) AS t FROM above' ]);
for (@views)
{
	my ($name, $query) = @$_;
	sql("CREATE MATERIALIZED VIEW $name WITH (refresh_mode = 'immediate') AS $query");
}
# A query that gives the names of views that differ from what they are to show.
sub differing
{
	return join ' UNION ALL ', map { my ($n, $q) = @$_; "SELECT '$n' WHERE EXISTS ((TABLE $n EXCEPT ALL ($q)) UNION ALL (($q) EXCEPT ALL TABLE $n))" } @views;
}
my $differing = differing();
is(sql($differing), '', 'created');

# ---- One transaction: what it sees, savepoints, rollback, own refreshes ----
is(sql(q{BEGIN; INSERT INTO a VALUES (2001, 77, 2); SELECT count(*) FROM sums WHERE g = 77; COMMIT; SELECT count(*) FROM sums WHERE g = 77}), "0\n1", 'a transaction does not see its own changes in a view, the next one does');
sql('BEGIN; INSERT INTO a VALUES (2002, 78, 2); SAVEPOINT s; DELETE FROM a WHERE id < 50; ROLLBACK TO s; SAVEPOINT t; UPDATE a SET x = x + 1 WHERE id < 20; RELEASE t; UPDATE a SET x = x + 1 WHERE id < 10; DELETE FROM b WHERE id = 3; INSERT INTO c VALUES (1, 4), (1, 4); COMMIT');
is(sql($differing), '', 'savepoints');
my $before = sql('TABLE sums; TABLE top');
sql('BEGIN; DELETE FROM a WHERE id < 500; ROLLBACK');
is(sql('TABLE sums; TABLE top'), $before, 'a transaction that is rolled back changes nothing');
sql('CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE a SET x = x + 5 WHERE id = 700; RETURN NULL; END$$; CREATE CONSTRAINT TRIGGER late AFTER INSERT ON c DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()');
sql('INSERT INTO c VALUES (2, 3)');
is(sql($differing), '', 'what deferred triggers write is in the views');
sql('DROP TRIGGER late ON c');
sql('DO $$BEGIN FOR i IN 1 .. 3 LOOP UPDATE a SET x = x + 1 WHERE id = i; COMMIT; END LOOP; END$$');
is(sql($differing), '', 'COMMIT in a procedure');
sql('BEGIN; UPDATE a SET x = 3 WHERE id = 4; SET TRANSACTION READ ONLY; COMMIT');
is(sql($differing), '', 'a transaction that becomes a read-only one');
is(sql(q{SELECT count(*) FROM heliosdb.materialized_view_refreshes WHERE strategy = 'full' AND trigger <> 'create'}), '0', 'nothing was computed anew');
sql('BEGIN; UPDATE a SET x = 4 WHERE id = 4; REFRESH MATERIALIZED VIEW sums; UPDATE a SET x = 5 WHERE id = 4; REFRESH MATERIALIZED VIEW CONCURRENTLY flat; UPDATE a SET x = 6 WHERE id = 4; COMMIT');
is(sql($differing), '', 'REFRESH between own changes');
sql('TRUNCATE c; TRUNCATE p1');
is(sql($differing), '', 'TRUNCATE');
sql('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM c; TRUNCATE c; INSERT INTO c VALUES (1, 3); COMMIT');
is(sql($differing), '', 'TRUNCATE in REPEATABLE READ');
sql('ALTER TABLE p DETACH PARTITION p2; INSERT INTO p VALUES (7, 1, 1)');
is(sql($differing), '', 'a partition that goes');
sql('ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (500) TO (MAXVALUE); UPDATE p2 SET x = 9 WHERE id = 600; CREATE TABLE p0 PARTITION OF p DEFAULT');
is(sql($differing), '', 'and comes back');
sql('INSERT INTO c SELECT i % 9, i % 5 FROM generate_series(1, 100) i; INSERT INTO p SELECT i, i % 5, i % 8 FROM generate_series(10, 400) i');
is(sql(q{SELECT string_agg(view::text, ',') FROM heliosdb.materialized_views WHERE NOT is_current OR pending_changes > 0}), '', 'nothing is pending');

# ---- What is refused ----
like(failure('BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE a SET x = 1 WHERE id = 1; COMMIT'), qr/0A000: materialized view public\.flat cannot be maintained: SERIALIZABLE/, 'SERIALIZABLE');
like(failure(q{CREATE MATERIALIZED VIEW bad WITH (refresh_mode = immediate) AS SELECT id, now() FROM a}), qr/0A000: materialized view public\.bad cannot have refresh_mode = 'immediate'.*now is not immutable/s, 'a query that cannot be followed');
like(failure(q{CREATE MATERIALIZED VIEW bad WITH (refresh_mode = immediate) AS SELECT relname FROM pg_class}), qr/0A000: .*cannot be tracked/s, 'tables that cannot be tracked');
like(failure(q{BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE MATERIALIZED VIEW bad WITH (refresh_mode = immediate) AS SELECT id FROM a}), qr/25001: .*READ COMMITTED/s, 'created in an old snapshot');
like(failure('BEGIN ISOLATION LEVEL REPEATABLE READ; REFRESH MATERIALIZED VIEW flat'), qr/25001: .*READ COMMITTED/s, 'computed in an old snapshot');

# ---- Errors of a view are those of its writer, and name it ----
sql('CREATE MATERIALIZED VIEW quotients WITH (refresh_mode = immediate) AS SELECT id, 100 / (x + 100) AS q FROM a');
like(failure('UPDATE a SET x = -100 WHERE id = 5'), qr/22012: materialized view public\.quotients cannot be maintained: division by zero/, 'an error names the view');
is(sql('SELECT count(*) FROM a WHERE x = -100'), '0', 'and nothing was written');
sql('DROP MATERIALIZED VIEW quotients');
sql('CREATE ROLE writer; GRANT ALL ON a TO writer');
sql('SET ROLE writer; UPDATE a SET x = 2 WHERE id = 6');
is(sql($differing), '', 'writers need no rights on the views');

# ---- A view becomes an immediate one, and ceases to be ----
sql('CREATE MATERIALIZED VIEW later WITH (auto_refresh = false) AS SELECT id, x FROM a WHERE x > 5; UPDATE a SET x = 12 WHERE id < 30');
my $open = $node->background_psql('postgres');
$open->query_safe('BEGIN; UPDATE a SET x = 7 WHERE id = 31');
my $alter = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', q{ALTER MATERIALIZED VIEW later SET (refresh_mode = 'immediate')} ]);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'}), 'ALTER waits for writers');
$open->query_safe('COMMIT');
$alter->finish;
push @views, [ 'later', 'SELECT id, x FROM a WHERE x > 5' ];
$differing = differing();
is(sql($differing), '', 'ALTER brings the view up to date');
sql('UPDATE a SET x = 8 WHERE id = 31');
is(sql($differing), '', 'and it is maintained from then on');
$open->quit;
my $old = $node->background_psql('postgres', on_error_stop => 0);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM a');
sql('CREATE MATERIALIZED VIEW newer WITH (refresh_mode = immediate) AS SELECT count(*) AS n FROM a');
$old->query('INSERT INTO a VALUES (3001, 1, 1)');
$old->query('COMMIT');
like(slurp_file($node->logfile), qr/materialized view public\.newer cannot be maintained: materialized view public\.newer was created after the snapshot/, 'a snapshot from before a view fails');
is(sql('SELECT n = (SELECT count(*) FROM a) FROM newer'), 't', 'leaves it right');
sql(q{ALTER MATERIALIZED VIEW later SET (refresh_mode = 'deferred'); UPDATE a SET x = 9 WHERE id = 32});
is(sql(q{SELECT count(*) FROM later WHERE id = 32 AND x = 9}), '0', 'a deferred one is left alone');
sql(q{ALTER MATERIALIZED VIEW later SET (refresh_mode = 'Immediate'); DROP MATERIALIZED VIEW newer});
is(sql($differing), '', 'and again');

# ---- Without data, and over a deferred view ----
sql(q{CREATE MATERIALIZED VIEW empty WITH (refresh_mode = immediate) AS SELECT count(*) AS n FROM b WITH NO DATA; INSERT INTO b VALUES (901, 1, 1); REFRESH MATERIALIZED VIEW empty; INSERT INTO b VALUES (902, 1, 1)});
is(sql('SELECT n = (SELECT count(*) FROM b) FROM empty'), 't', 'a view gets data later');
sql(q{REFRESH MATERIALIZED VIEW empty WITH NO DATA; INSERT INTO b VALUES (903, 1, 1); REFRESH MATERIALIZED VIEW empty; INSERT INTO b VALUES (904, 1, 1)});
is(sql('SELECT n = (SELECT count(*) FROM b) FROM empty'), 't', 'and again');
sql(q{CREATE MATERIALIZED VIEW low WITH (auto_refresh = false) AS SELECT a, y FROM b; CREATE MATERIALIZED VIEW high WITH (refresh_mode = immediate) AS SELECT count(*) AS n FROM low; INSERT INTO b VALUES (905, 1, 1)});
is(sql('SELECT n = (SELECT count(*) FROM low) FROM high'), 't', 'over a deferred view, which is behind');
sql('REFRESH MATERIALIZED VIEW low INCREMENTALLY');
is(sql('SELECT n = (SELECT count(*) FROM low), n = (SELECT count(*) FROM b) FROM high'), 't|t', 'its refresh maintains the view above');
sql('REFRESH MATERIALIZED VIEW low');
is(sql('SELECT n = (SELECT count(*) FROM low) FROM high'), 't', 'a full one too');
sql('DROP MATERIALIZED VIEW high, low, empty');

# ---- Two-phase commit ----
$old->quit;
sql(q{BEGIN; UPDATE a SET x = 11 WHERE id = 100; INSERT INTO c VALUES (1, 1); PREPARE TRANSACTION 'one'});
is(sql($differing), '', 'a prepared transaction is not seen');
like(failure(q{SET lock_timeout = '200ms'; UPDATE a SET x = 11 WHERE id = 101}), qr/55P03: materialized view public\.flat cannot be maintained/, 'but keeps writers out');
$node->restart;
sql(q{COMMIT PREPARED 'one'});
is(sql($differing), '', 'it counts when it is committed');
sql(q{BEGIN; UPDATE a SET x = 1 WHERE id = 100; PREPARE TRANSACTION 'two'});
sql(q{ROLLBACK PREPARED 'two'; UPDATE a SET x = 12 WHERE id = 102});
is(sql($differing), '', 'and not when it is rolled back');

# ---- Merging a branch ----
sql('CREATE DATABASE BRANCH br FROM main; USE BRANCH br; INSERT INTO a VALUES (6001, 3, 1); UPDATE a SET x = 6 WHERE id = 300; USE BRANCH main; MERGE DATABASE BRANCH br INTO main');
is(sql('SELECT count(*) FROM flat WHERE id = 6001') . sql($differing), '1', 'a merge maintains the views');
like(failure('USE BRANCH br; INSERT INTO a VALUES (6002, 3, 1); MERGE DATABASE BRANCH br INTO main'), qr/55000: materialized view public\.flat cannot be maintained: the session is on a branch/, 'not from the branch');
is(sql($differing), '', 'which changes nothing');
sql('DROP DATABASE BRANCH br');

# ---- REPEATABLE READ ----
$old = $node->background_psql('postgres', on_error_stop => 0);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM a; UPDATE a SET x = 3 WHERE id = 200');
sql('UPDATE a SET x = 4 WHERE id = 201');
$old->query('COMMIT');
$old->quit;
is(sql('SELECT x FROM a WHERE id = 200') . sql($differing), sql('SELECT 200 % 13'), 'a snapshot that does not see where the view is fails');
like(slurp_file($node->logfile), qr/materialized view public\.flat cannot be maintained: could not serialize access/, 'with an error that names the view');
sql('BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE a SET x = 3 WHERE id = 200; COMMIT');
is(sql($differing), '', 'run again it succeeds');

# ---- Writers beside readers: every view is its query in every snapshot ----
my $script = $node->basedir . '/write.sql';
append_to_file($script, q{
\set id random(1, 1000)
\set other random(1, 330)
\set k random(0, 9)
\set what random(1, 60)
BEGIN;
INSERT INTO a VALUES (:id, :k, :other) ON CONFLICT (id) DO UPDATE SET x = a.x + 1, g = EXCLUDED.g;
SAVEPOINT s;
DELETE FROM b WHERE id = :other;
\if :what < 20
ROLLBACK TO s;
\elif :what < 40
INSERT INTO c VALUES (:k, :id % 5);
DELETE FROM c WHERE ctid = (SELECT ctid FROM c WHERE k = :k LIMIT 1 FOR UPDATE SKIP LOCKED);
\else
INSERT INTO b VALUES (:other, :id, :k) ON CONFLICT DO NOTHING;
UPDATE p SET x = x + 1, id = CASE WHEN id < 500 THEN id + 1000 ELSE id - 1000 END WHERE id = :id AND NOT EXISTS (SELECT FROM p q WHERE q.id IN (:id + 1000, :id - 1000));
\endif
\if :what < 55
COMMIT;
\else
ROLLBACK;
\endif
});
my ($rounds, $wrong) = (0, '');
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	my $report;
	my $writers = IPC::Run::start(
		[ 'pgbench', '-n', '-T', $seconds / 2, '-c', '3', '--max-tries=1000', '-f', $script, $node->connstr('postgres') ],
		'>', \$report, '2>&1', init => sub { $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . ($level =~ s/ /\\ /r); });
	my $end = time + $seconds / 2;
	while (time < $end)
	{
		sql("BEGIN; UPDATE b SET y = y + 1 WHERE id = 901; INSERT INTO a VALUES (5000 + $rounds, 1, 1); PREPARE TRANSACTION 'p'; " . ($rounds % 2 ? 'COMMIT' : 'ROLLBACK') . q{ PREPARED 'p'}) if $rounds % 5 == 0;
		$wrong .= sql("BEGIN ISOLATION LEVEL REPEATABLE READ; $differing; COMMIT");
		$rounds++;
	}
	$writers->finish;
	like($report, qr/actually processed: [1-9]\d.*failed transactions: 0 /s, "writers in $level succeeded");
	note("$level: $1 transactions a second") if $report =~ /tps = ([\d.]+)/;
}
is($wrong, '', "every view was its query in $rounds snapshots");
cmp_ok($rounds, '>', 10, 'enough of them');
is(sql($differing), '', 'and in the end');
is(sql(q{SELECT string_agg(view::text, ',') FROM heliosdb.materialized_views WHERE NOT is_current OR pending_changes > 0}), '', 'nothing is pending');

# ---- No deadlocks: eight views of two tables, four writers that write these in any order ----
sql('DROP TABLE a, b, c, p CASCADE; CREATE TABLE l (id serial PRIMARY KEY, g int); CREATE TABLE r (id serial PRIMARY KEY, g int)');
for my $i (1 .. 4)
{
	sql("CREATE MATERIALIZED VIEW v$i WITH (refresh_mode = immediate) AS SELECT g, count(*) AS n FROM " . ($i % 2 ? 'l' : 'r') . " WHERE g % $i = 0 GROUP BY g");
	sql("CREATE MATERIALIZED VIEW w$i WITH (refresh_mode = immediate) AS SELECT l.g, count(*) AS n FROM l JOIN r USING (g) WHERE g % $i = 0 GROUP BY l.g");
}
my $earlier = deadlocks();
my $pairs = $node->basedir . '/pairs.sql';
append_to_file($pairs, q{
\set g random(1, 50)
\set first random(0, 1)
BEGIN;
\if :first
INSERT INTO l (g) VALUES (:g);
INSERT INTO r (g) VALUES (:g + 1);
\else
INSERT INTO r (g) VALUES (:g);
INSERT INTO l (g) VALUES (:g + 1);
\endif
COMMIT;
});
my ($report, $errors) = ('', '');
IPC::Run::run([ 'pgbench', '-n', '-T', '8', '-c', '4', '-f', $pairs, $node->connstr('postgres') ], '>', \$report, '2>', \$errors);
like($report, qr/failed transactions: 0/, 'no transaction failed');
like($report, qr/actually processed: [1-9]\d/, 'and there were some');
is(deadlocks() - $earlier, 0, 'no deadlocks');
note($1) if $report =~ /(tps = [\d.]+)/;
is(sql('SELECT count(*) FROM ((TABLE w1 EXCEPT ALL SELECT l.g, count(*) FROM l JOIN r USING (g) GROUP BY l.g) UNION ALL (SELECT l.g, count(*) FROM l JOIN r USING (g) GROUP BY l.g EXCEPT ALL TABLE w1)) d'), '0', 'the views are right');

# ---- A dump, and a standby ----
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'restored');
is($node->safe_psql('copy', 'INSERT INTO l (g) VALUES (48); SELECT (SELECT sum(n) FROM v1) = (SELECT count(*) FROM l)'), 't', 'and maintained from then on');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
sql('INSERT INTO l (g) VALUES (1), (2)');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT (SELECT sum(n) FROM v1) = (SELECT count(*) FROM l)'), 't', 'a standby shows the same');
$node->stop;
$standby->promote;
is($standby->safe_psql('postgres', 'INSERT INTO l (g) VALUES (3); SELECT (SELECT sum(n) FROM v1) = (SELECT count(*) FROM l)'), 't', 'promoted it goes on');
unlike(slurp_file($_->logfile), qr/PANIC|TRAP|terminated by signal/, 'the log') for $node, $standby;
$standby->stop;
done_testing();
