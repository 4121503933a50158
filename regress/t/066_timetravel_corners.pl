# Corners of time travel: where a wrong state, the present or somebody else's rows could be taken for the past.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('corners');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
heliosdb.max_cpu_background = 0
jit = off
fsync = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb');

# What psql prints for some SQL, an error included.
sub ask
{
	my ($sql, $where) = @_;
	my ($status, $out, $error) = ($where // $node)->psql('postgres', $sql, on_error_stop => 0);
	return "$out$error";
}

# psql of another session, for \!.
sub beside
{
	my (@sql) = @_;
	return '\\! psql -X -q -d "' . $node->connstr('postgres') . '" ' . join(' ', map { qq{-c "$_"} } @sql) . " > /dev/null\n";
}


# ---- A commit that has its time and is not seen yet ----

$node->safe_psql('postgres', q{
	CREATE TABLE held (id int PRIMARY KEY, n int);
	INSERT INTO held VALUES (1, 1);
	SELECT heliosdb.track('held');
	ALTER SYSTEM SET synchronous_standby_names = 'nobody';
	SELECT pg_reload_conf()});
# It waits for a standby that does not exist between the two, and is younger than all that has ended.
my $writer = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'SET synchronous_commit = on', '-c', 'UPDATE held SET n = 2' ],
	'<', \undef, '>', \my $out, '2>', \my $error);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}) or BAIL_OUT('nobody waits');
my $at = ask(q{SET synchronous_commit = local; SELECT clock_timestamp()});
is(ask('SELECT pg_snapshot_xmax(s) = pg_snapshot_xmin(s) FROM pg_current_snapshot() s'), 't', 'the snapshot lists no transaction');
like(ask("SELECT n FROM held AS OF TIMESTAMP '$at'"), qr/^psql:.*ERROR:  AS OF .* is not settled yet\n.*DETAIL:  Transaction \d+ has committed but is not visible/s, 'an instant that a hidden commit belongs to');
like(ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT n FROM held AS OF TIMESTAMP '$at'"), qr/is not settled yet/, 'in a transaction with one snapshot');
is(ask("SELECT n FROM held AS OF TIMESTAMP (SELECT timestamptz '$at' - interval '1 hour')"), ask("SELECT n FROM held AS OF TIMESTAMP (timestamptz '$at' - interval '1 hour')"), 'before the history');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
$writer->finish;
is(ask("SELECT n FROM held AS OF TIMESTAMP '$at'"), '2', 'the same instant, once it is seen');

# A cursor is read with the snapshot of its beginning, at an instant after that.
my $cursors = q{
	BEGIN;
	DECLARE c CURSOR FOR SELECT n FROM held AS OF TIMESTAMP statement_timestamp();
	DECLARE d CURSOR FOR SELECT n FROM held AS OF TIMESTAMP now();
} . beside('UPDATE held SET n = 3');
like(ask("$cursors FETCH d; FETCH c"), qr/^2psql.*ERROR:  AS OF .* is not settled yet/s, 'an instant after the snapshot of a cursor');

# ---- Its own subtransactions ----

is(ask(q{
	CREATE TABLE own (id int PRIMARY KEY, n int);
	INSERT INTO own VALUES (1, 1);
	SELECT heliosdb.track('own') IS NULL;
	BEGIN;
	UPDATE own SET n = 2;
	SAVEPOINT s;
	INSERT INTO own VALUES (2, 2);
} . beside('CREATE TABLE another ()') . q{
	SELECT pg_current_scn() AS scn \gset
	SELECT * FROM own AS OF SCN :scn;
	RELEASE s;
	SELECT * FROM own AS OF SCN :scn;
	COMMIT;
	SELECT * FROM own AS OF SCN :scn}), "f\n1|1\n1|1\n1|1", 'nothing of the transaction that records is in an SCN');

# ---- ONLY a partitioned table ----

$node->safe_psql('postgres', q{
	CREATE TABLE parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
	INSERT INTO parts VALUES (1, 1), (2, 2);
	CREATE VIEW none AS SELECT * FROM ONLY parts;
	SELECT heliosdb.track('parts')});
my $scn = $node->safe_psql('postgres', 'SELECT pg_current_scn()');
$node->safe_psql('postgres', 'UPDATE parts SET n = n + 1');
is(ask("SELECT count(*) FROM ONLY parts AS OF SCN $scn; SELECT count(*) FROM none AS OF SCN $scn; SELECT count(*) FROM parts AS OF SCN $scn"), "0\n0\n2", 'ONLY a partitioned table is empty');
like(ask("SELECT v.id FROM ONLY parts v TABLESAMPLE heliosdb.versions(NULL, $scn, 'infinity', NULL)"), qr/VERSIONS BETWEEN is not available for ONLY "parts"/, 'versions of ONLY it');

# ---- Policies ----

$node->safe_psql('postgres', q{
	CREATE ROLE alice;
	CREATE TABLE members (who text, n int);
	INSERT INTO members VALUES ('alice', 1);
	CREATE TABLE keyed (id int PRIMARY KEY, n int);
	CREATE TABLE bag (id int, n int);
	INSERT INTO keyed VALUES (1, 1), (2, 2), (3, 3);
	INSERT INTO bag SELECT * FROM keyed;
	CREATE VIEW shown WITH (security_invoker = true) AS SELECT * FROM keyed;
	CREATE TABLE split (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
	CREATE TABLE split_1 (n int, gone int, id int NOT NULL);
	ALTER TABLE split_1 DROP COLUMN gone;
	ALTER TABLE split ATTACH PARTITION split_1 FOR VALUES FROM (0) TO (10);
	INSERT INTO split SELECT * FROM keyed;
	SELECT heliosdb.track(t) FROM unnest('{members, keyed, bag, split}'::regclass[]) t;
	GRANT SELECT ON members, keyed, bag, shown, split TO alice;
} . join('', map { qq{
	ALTER TABLE $_ ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON $_ USING (EXISTS (SELECT FROM members m WHERE m.who = current_user AND m.n = $_.n));
} } qw(keyed bag split)));
($scn, $at) = split /\|/, $node->safe_psql('postgres', q{
	SELECT pg_current_scn(), clock_timestamp()});
$node->safe_psql('postgres', 'SELECT pg_sleep(0.01); UPDATE keyed SET id = id + 3; UPDATE bag SET id = id + 3; UPDATE split SET id = id + 3; UPDATE members SET n = 2');
for my $table (qw(keyed bag split))
{
	is(ask("SET ROLE alice; SELECT id FROM $table AS OF SCN $scn"), '2', "$table: a policy with a subquery, by what holds now");
	is(ask("SET ROLE alice; SELECT x.id FROM generate_series(1, 1) g, $table AS OF SCN $scn x"), '2', "$table: not the first table");
	is(ask("SET ROLE alice; SELECT x.id, y.id FROM members m, $table AS OF TIMESTAMP '$at' x JOIN keyed y USING (n)"), '2|5', "$table: among others");
	is(ask("SET ROLE alice; SELECT x.id FROM generate_series(1, 1) g, $table VERSIONS BETWEEN SCN $scn AND NOW x ORDER BY 1, versions_operation"), $table eq 'bag' ? "2\n5" : "2\n2\n5", "$table: versions");
	is(ask("SET ROLE alice; SELECT x.id FROM $table VERSIONS BETWEEN TIMESTAMP '$at' AND NOW x WHERE id < 4 AND versions_operation IS NULL"), '2', "$table: versions, by columns");
}
is(ask("SET ROLE alice; SELECT id FROM shown AS OF SCN $scn"), '2', 'behind a view');
is(ask("SET ROLE alice; SET heliosdb.as_of = '$at'; SELECT id FROM keyed; SELECT id FROM shown; SELECT n FROM members"), "2\n2\n1", 'in a session in the past');

# ---- Names ----

is(ask(q{
	CREATE TABLE odd (creator int, xid int, op text, v int, o int, a1 int, versions_xid int, versions int, "From" int, PRIMARY KEY (creator, v));
	SELECT heliosdb.track('odd') IS NULL;
	INSERT INTO odd VALUES (1, 1, 'I', 1, 1, 1, 1, 1, 1);
	UPDATE odd SET op = 'D', xid = 0;
	UPDATE odd SET creator = 2;
	DELETE FROM odd;
	SELECT creator, xid, op, versions, "From", versions_operation FROM odd VERSIONS BETWEEN MINVALUE AND MAXVALUE ORDER BY versions_starttime, versions_operation}),
	"f\n1|1|I|1|1|I\n1|0|D|1|1|U\n1|0|D|1|1|D\n2|0|D|1|1|I\n2|0|D|1|1|D", 'columns that are called like parts of the clause');
is(ask(q{
	CREATE SCHEMA other;
	CREATE FUNCTION other.never(xid8, xid8) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
	CREATE FUNCTION other.never(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
	CREATE OPERATOR other.= (LEFTARG = xid8, RIGHTARG = xid8, FUNCTION = other.never);
	CREATE OPERATOR other.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = other.never);
	CREATE TABLE plain (id int PRIMARY KEY, n int);
	SELECT heliosdb.track('plain') IS NULL;
	INSERT INTO plain VALUES (1, 1); UPDATE plain SET n = 2; DELETE FROM plain;
	SET search_path = other, pg_catalog;
	SELECT n, versions_operation FROM public.plain VERSIONS BETWEEN MINVALUE AND MAXVALUE ORDER BY versions_starttime, n;
	SHOW search_path}), "f\n1|I\n2|U\n2|D\nother, pg_catalog", 'operators in front of those of the catalog');

# ---- Rows that others change meanwhile ----

$node->safe_psql('postgres', q{
	CREATE TABLE source (id int PRIMARY KEY, n int);
	CREATE TABLE target (id int PRIMARY KEY, n int);
	INSERT INTO source SELECT i, i FROM generate_series(1, 100) i;
	INSERT INTO target VALUES (1, 0), (2, 0), (3, 0);
	CREATE VIEW of_source AS SELECT * FROM source;
	SELECT heliosdb.track('source')});
$scn = $node->safe_psql('postgres', 'SELECT pg_current_scn()');
$node->safe_psql('postgres', 'UPDATE source SET n = 0 WHERE id IN (1, 3); ANALYZE');
for my $past ("source AS OF SCN $scn", "of_source AS OF SCN $scn", "(SELECT * FROM source AS OF SCN $scn) AS", "source VERSIONS BETWEEN SCN $scn AND SCN $scn")
{
	my $settings = 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off;';
	my $join = "target AS t JOIN $past x USING (id)";
	for my $case ([ "UPDATE target t SET n = t.n + x.n FROM $past x WHERE x.id = t.id", "1|101\n2|102\n3|103" ], [ "WITH locked AS (SELECT t.n FROM $join FOR UPDATE OF t) SELECT count(*), sum(n) FROM locked", "3|300\n1|100\n2|100\n3|100" ],
		[ "DELETE FROM target t USING $past x WHERE x.id = t.id AND x.id < 3", '3|100' ],
		[ "MERGE INTO target t USING $past x ON x.id = t.id WHEN MATCHED AND x.id < 4 THEN UPDATE SET n = t.n - x.n", "1|99\n2|98\n3|97" ])
	{
		my ($sql, $expected) = @$case;
		my $other = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', 'BEGIN', '-c', 'UPDATE target SET n = 100', '-c', "SELECT set_config('application_name', 'holds', false)",
			'-c', 'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$', '-c', 'COMMIT' ], '<', \undef, '>', \my $ignored);
		$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'holds'}) or BAIL_OUT('no row is changed');
		is(ask("$settings BEGIN; $sql; SELECT * FROM target ORDER BY id; ROLLBACK; UPDATE target SET n = 0"), $expected, $sql);
		$other->finish;
	}
}

# ---- A merge join over nothing but a log ----

$node->safe_psql('postgres', q{
	CREATE TABLE marked (id int PRIMARY KEY, n int);
	INSERT INTO marked SELECT i, i FROM generate_series(1, 2000) i;
	CREATE TABLE twice AS SELECT i AS id FROM generate_series(1, 2000) i UNION ALL VALUES (50), (51);
	SELECT heliosdb.track('marked')});
my $marked = $node->safe_psql('postgres', 'SELECT pg_current_scn()');
$node->safe_psql('postgres', 'UPDATE marked SET n = -1; ALTER TABLE marked ADD CHECK (n < 5)');
$node->safe_psql('postgres', 'UPDATE marked SET n = -2') for 1 .. 4;
$node->safe_psql('postgres', 'ANALYZE');
my $merge = "SET constraint_exclusion = on; SET enable_hashjoin = off; SET enable_nestloop = off; SET enable_bitmapscan = off; SET enable_material = off; SET enable_seqscan = off; %s SELECT count(*), count(x.id) FROM twice t LEFT JOIN (SELECT * FROM marked AS OF SCN $marked WHERE n > 10) x ON x.id = t.id";
like(ask(sprintf $merge, 'EXPLAIN (COSTS OFF)'), qr/Merge Left Join\n.*\n(?: .*\n)*   +->  Index Scan using log_\d+_key on log_\d+/, 'the log is on the inner side');
is(ask(sprintf $merge, ''), '2002|1992', 'rows of it are joined twice');

# ---- Filters that fail on rows that were not there ----

is(ask(join(";\n", map { "SELECT count(*) FROM $_ WHERE 10 / x.n >= 0; SELECT count(*) FROM $_ WHERE 10 / x.n >= 0 AND id = 3" }
		"source AS OF SCN $scn x", "of_source AS OF SCN $scn x", "source VERSIONS BETWEEN SCN $scn AND SCN $scn x")), join("\n", (100, 1) x 3), 'zeros that came later divide nothing');

# ---- What the moment itself reads ----

$node->safe_psql('postgres', q{
	CREATE TABLE moments (scn bigint);
	SELECT heliosdb.track('moments')});
$node->safe_psql('postgres', "INSERT INTO moments VALUES ($scn)");
$at = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
$node->safe_psql('postgres', 'SELECT pg_sleep(0.01); UPDATE moments SET scn = 7; UPDATE source SET n = 5');
is(ask("SELECT max(n) FROM $_ AS OF SCN (SELECT scn FROM moments m TABLESAMPLE as_of ('$at'))"), '100', "$_: a moment from the past") for qw(source of_source);
is(ask("SET heliosdb.as_of = '$at'; SELECT max(n) FROM $_ AS OF SCN (SELECT scn FROM moments)"), '100', "$_: in a session in the past") for qw(source of_source);

# ---- A library that is loaded too late ----

my $late = PostgreSQL::Test::Cluster->new('late');
$late->init;
$late->append_conf('postgresql.conf', q{
track_commit_timestamp = on
fsync = off
});
$late->start;
$late->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	CREATE VIEW v AS SELECT * FROM t;
	SELECT heliosdb.track('t')});
my $before = $late->safe_psql('postgres', 'SELECT clock_timestamp()');
$late->safe_psql('postgres', "INSERT INTO t VALUES (1, 1); CREATE VIEW past AS SELECT v.* FROM v, (SELECT heliosdb.view_as_of('$before')) moment");
for my $sql ('SELECT count(*) FROM past', 'SELECT * FROM past WHERE id = 5', 'EXPLAIN SELECT * FROM past')
{
	my $answer = ask("$sql; SELECT count(*) FROM past", $late);
	like($answer, qr/ERROR:  AS OF was not seen when this statement was planned/, "$sql: an error, not the present");
	like($answer, qr/^0/, "$sql: then the past");
}

done_testing();
