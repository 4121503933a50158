# Hybrid tables beside the rest of PostgreSQL: logical replication and decoding, dumps, pg_amcheck, partitions, temporary
# tables, parallel scans and index builds.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
fsync = off
wal_level = logical
max_worker_processes = 20
};
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', $conf);
$node->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', $conf);
$subscriber->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }

# ---- Logical replication ----
my $table = 'CREATE TABLE t (id int PRIMARY KEY, n int, long text) USING heliosdb';
$_->safe_psql('postgres', "CREATE EXTENSION heliosdb; $table") for $node, $subscriber;
my $rows = q{SELECT count(*), sum(n), md5(string_agg(id || '/' || n || long, ',' ORDER BY id)) FROM t};
sql(q{INSERT INTO t SELECT i, i, CASE WHEN i % 100 = 0 THEN (SELECT string_agg(md5(i || '-' || j), '') FROM generate_series(1, 200) j) ELSE 'x' END FROM generate_series(1, 1000) i});
sql(q{SELECT heliosdb.move_to_cold('t', 'id <= 300'); CREATE PUBLICATION p FOR TABLE t});
sql(q{SELECT pg_create_logical_replication_slot('look', 'test_decoding')});
my $connect = $node->connstr . ' dbname=postgres application_name=s';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$connect' PUBLICATION p");
$subscriber->wait_for_subscription_sync($node, 's');
is($subscriber->safe_psql('postgres', $rows), sql($rows), 'the first copy has hot and cold rows');

sub same
{
	my ($what) = @_;
	$node->wait_for_catchup('s');
	is($subscriber->safe_psql('postgres', $rows), sql($rows), "subscriber: $what");
	return;
}
sub decoded { return sql(q{SELECT count(*) FROM pg_logical_slot_get_changes('look', NULL, NULL, 'skip-empty-xacts', '1')}); }
decoded();
sql(q{INSERT INTO t SELECT i, i, repeat('long', 5000) FROM generate_series(2001, 2010) i; UPDATE t SET n = n + 1 WHERE id > 900; DELETE FROM t WHERE id BETWEEN 800 AND 810});
same('inserts, updates and deletes of hot rows');
isnt(decoded(), '0', 'they are decoded');
sql(q{SELECT heliosdb.move_to_cold('t', 'id % 2 = 0')});
is(decoded(), '0', 'nothing is decoded of a move');
same('a move is nothing');
for my $statement ('UPDATE t SET n = 0 WHERE id = 2', 'DELETE FROM t WHERE id = 2', "INSERT INTO t VALUES (2, 0, '') ON CONFLICT (id) DO UPDATE SET n = 0")
{
	my ($status, $out, $err) = $node->psql('postgres', $statement);
	like($err, qr/ERROR:  cannot (update|delete) a cold row of table "t", which is published\nDETAIL:.*\nHINT:.*move_to_hot/, "refused: $statement");
}
sql('UPDATE t SET n = n + 5 WHERE id % 2 = 1 AND id > 400');
same('hot rows beside cold ones');
decoded();
sql(q{SELECT heliosdb.move_to_hot('t', 'id < 100')});
is(decoded(), '0', 'nothing is decoded of rows that become hot');
sql('UPDATE t SET n = n + 7 WHERE id < 100; DELETE FROM t WHERE id = 2');
same('rows that were made hot can be changed');
sql('ALTER PUBLICATION p DROP TABLE t');
sql('UPDATE t SET n = n + 1 WHERE id = 400');
is(sql('SELECT n FROM t WHERE id = 400'), '401', 'a table that is published no more is free');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$subscriber->stop;
sql(q{SELECT pg_drop_replication_slot('look'); DROP PUBLICATION p});

# ---- Partitions of both kinds, rows that go from one to the other ----
sql(q{
	CREATE TABLE parts (id int, day int, n int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
	CREATE TABLE part_cold PARTITION OF parts FOR VALUES FROM (0) TO (10) USING heliosdb;
	CREATE TABLE part_hot PARTITION OF parts FOR VALUES FROM (10) TO (20);
	CREATE TABLE part_list PARTITION OF parts FOR VALUES FROM (20) TO (30) USING heliosdb;
	INSERT INTO parts SELECT i, i % 30, i FROM generate_series(1, 3000) i;
	CREATE TABLE plain AS TABLE parts});
sql(q{SELECT heliosdb.move_to_cold('part_cold'), heliosdb.move_to_cold('part_list', 'id % 2 = 0')});
for my $statement ('UPDATE %T SET day = (day + 13) % 30 WHERE id % 7 = 0', 'UPDATE %T SET n = n + day WHERE id % 5 = 0', 'DELETE FROM %T WHERE day % 4 = 1 AND id % 3 = 0', 'UPDATE %T SET day = 29 - day',
	'MERGE INTO %T USING generate_series(1, 4000, 50) i ON id = i WHEN MATCHED AND n % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET day = 5 WHEN NOT MATCHED THEN INSERT VALUES (i, 3, 0)')
{
	for my $name (qw(parts plain)) { (my $text = $statement) =~ s/%T/$name/g; sql($text); }
	is(sql('SELECT count(*) FROM ((TABLE parts EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE parts)) d'), '0', "partitions: $statement");
	sql(q{SELECT heliosdb.move_to_cold('part_cold', 'n % 3 = 0')});
}
my ($status, $out, $err) = $node->psql('postgres', q{SELECT heliosdb.move_to_cold('parts')});
like($err, qr/not a hybrid table.*HINT:.*partitions/s, 'partitions are moved one by one');

# ---- Temporary tables ----
is(sql(q{
	CREATE TEMP TABLE mine (id int PRIMARY KEY, v text) USING heliosdb;
	INSERT INTO mine SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 500) i;
	SELECT heliosdb.move_to_cold('mine');
	UPDATE mine SET v = 'short' WHERE id % 2 = 0; DELETE FROM mine WHERE id % 5 = 0;
	BEGIN; DELETE FROM mine; ROLLBACK;
	SET enable_seqscan = off; VACUUM mine;
	SELECT count(*), count(*) FILTER (WHERE v = 'short'), sum(length(v)) FROM mine WHERE id > 0}), "500\n400|200|" . (200 * 5 + 200 * 6400), 'a temporary table');

# ---- Parallel scans and index builds ----
sql(q{CREATE TABLE wide (id int, k int, v text) USING heliosdb; CREATE TABLE wide_twin (id int, k int, v text)});
sql(qq{INSERT INTO $_ SELECT i, i % 1000, md5(i::text) FROM generate_series(1, 40000) i}) for qw(wide wide_twin);
sql(qq{SELECT heliosdb.move_to_cold('wide', 'id / 5000 = $_')}) for 0 .. 5;
sql(q{DELETE FROM wide WHERE id % 77 = 0; UPDATE wide SET k = 5 WHERE id % 91 = 0; DELETE FROM wide_twin WHERE id % 77 = 0; UPDATE wide_twin SET k = 5 WHERE id % 91 = 0; ANALYZE wide});
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET max_parallel_workers_per_gather = 3; SET max_parallel_maintenance_workers = 3; SET maintenance_work_mem = 200000;';
like(sql("$parallel EXPLAIN SELECT count(*), sum(k) FROM wide"), qr/Parallel Seq Scan/, 'a parallel scan');
my $sums = 'SELECT count(*), sum(k), sum(id), min(v), max(v) FROM %T';
is(sql($parallel . ($sums =~ s/%T/wide/r)), sql($sums =~ s/%T/wide_twin/r), 'a parallel scan sees every row once');
is(sql($parallel . ($sums =~ s/%T/wide/r) . ' WHERE k < 10'), sql(($sums =~ s/%T/wide_twin/r) . ' WHERE k < 10'), 'with a condition');
sql("$parallel CREATE INDEX wide_k ON wide (k); CREATE UNIQUE INDEX wide_id ON wide (id); CREATE INDEX wide_v ON wide (v) WHERE k > 500");
for my $where ('k = 5', 'k > 990', 'id BETWEEN 100 AND 900', "v < '1' AND k > 500")
{
	for my $way ('SET enable_bitmapscan = off', 'SET enable_indexscan = off; SET effective_io_concurrency = 10')
	{
		is(sql("$parallel SET enable_seqscan = off; $way; " . ($sums =~ s/%T/wide/r) . " WHERE $where"), sql(($sums =~ s/%T/wide_twin/r) . " WHERE $where"), "an index that was built in parallel: $where, $way");
	}
}
like(sql("$parallel SET enable_seqscan = off; SET enable_indexscan = off; EXPLAIN SELECT count(v) FROM wide WHERE k < 100"), qr/Parallel Bitmap Heap Scan/, 'a parallel bitmap scan');
is(sql("$parallel SET enable_seqscan = off; SET enable_indexscan = off; SELECT count(v), sum(id) FROM wide WHERE k < 100"), sql('SELECT count(v), sum(id) FROM wide_twin WHERE k < 100'), 'sees every row once');

# Statistics count rows once, however often VACUUM comes.
for my $round (1 .. 3)
{
	sql('VACUUM wide');
	my $tuples = sql(q{SELECT reltuples FROM pg_class WHERE relname = 'wide'});
	my $count = sql('SELECT count(*) FROM wide');
	cmp_ok(abs($tuples - $count) / $count, '<', 0.05, "VACUUM, round $round: $tuples rows of $count");
}

# Pages of pieces are pruned before the entry that leads to them: they are full.
my $again = $sums =~ s/%T/wide/r;
my $seen = sql($again);
for my $command ('VACUUM FULL wide', 'CLUSTER wide USING wide_id', 'ALTER TABLE wide ADD COLUMN more int DEFAULT 7; VACUUM FULL wide')
{
	sql(q{SELECT heliosdb.recompress('wide')});
	sql("SELECT count(*) FROM $_; SELECT count(*) FROM $_") for sql(q{SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'wide'});
	sql($_) for split /; /, $command;
	is(sql($again), $seen, "recompressed: $command");
	is(sql("SET enable_seqscan = off; SELECT count(*), sum(id) FROM wide WHERE id > 0"), sql('SELECT count(*), sum(id) FROM wide_twin'), 'and by index');
}

# ---- pg_amcheck and dumps ----
if (sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'}))
{
	sql('CREATE EXTENSION amcheck');
	$node->command_ok([ 'pg_amcheck', '--heapallindexed', '-d', 'postgres' ], 'pg_amcheck finds nothing');
	is(sql(q{SELECT count(bt_index_check(indexrelid, true)) FROM pg_index WHERE indrelid = 'wide'::regclass}), '3', 'nor does amcheck in indexes of hybrid tables');
}
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', 'postgres' ], 'pg_dump');
sql('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', $dump ], 'pg_restore');
for my $name (qw(t wide parts))
{
	my $all = "SELECT count(*), md5(string_agg(x::text, ',' ORDER BY id)) FROM $name x";
	is($node->safe_psql('restored', $all), sql($all), "dump: the rows of $name");
}
is($node->safe_psql('restored', q{SELECT string_agg(relname || ' ' || amname, ', ' ORDER BY relname) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname IN ('t', 'wide', 'part_cold', 'part_hot')}),
	'part_cold heliosdb, part_hot heap, t heliosdb, wide heliosdb', 'dump: access methods');
is($node->safe_psql('restored', q{SELECT heliosdb.move_to_cold('wide') > 30000}), 't', 'dump: rows move there');

unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'the server has never gone down');
$node->stop;
done_testing();
