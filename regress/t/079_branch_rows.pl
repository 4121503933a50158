# Tables that a branch copies row by row: what is copied, what meets rows that are not, who waits for whom, and what
# statements need all rows.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('rows');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\nheliosdb.branch_row_copy_above = 0\njit = off\nfsync = off\nstatement_timeout = 60s\nrestart_after_crash = on\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE big (id int PRIMARY KEY, k int, u text COLLATE "C" UNIQUE, note text);
	INSERT INTO big SELECT i, i % 100, 'u' || i, repeat('n', 50) FROM generate_series(1, 10000) i;
	CREATE INDEX big_k ON big (k);
	CREATE TABLE parent (id int PRIMARY KEY, v int);
	CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, v int);
	INSERT INTO parent SELECT i, 0 FROM generate_series(1, 1000) i;
	INSERT INTO child SELECT i, 1 + i % 1000, 0 FROM generate_series(1, 3000) i;
	CREATE INDEX ON child (parent);
	CREATE TABLE late (id int PRIMARY KEY, v int);
	CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.id + 1; RETURN NEW; END';
	CREATE TRIGGER "~~~" BEFORE INSERT ON late FOR EACH ROW EXECUTE FUNCTION shift();
	CREATE TABLE looked (id int PRIMARY KEY, v int);
	INSERT INTO looked SELECT i, i * 10 FROM generate_series(1, 100) i;
	CREATE TABLE pairs (a text COLLATE "C", b numeric, v int, PRIMARY KEY (b, a));
	INSERT INTO pairs SELECT 'a' || i % 10, i / 10, 0 FROM generate_series(0, 99) i;
	CREATE TABLE wide (id int PRIMARY KEY, v text);
	ALTER TABLE wide ALTER v SET STORAGE EXTERNAL;
	INSERT INTO wide SELECT i, repeat('wide', i * 4000) FROM generate_series(1, 5) i;
	CREATE TYPE mood AS ENUM ('good', 'bad');
	CREATE TABLE typed (m mood, a int[], r int4range, PRIMARY KEY (m, a, r));
	INSERT INTO typed SELECT m, '{1}', '[1,2)' FROM unnest(enum_range(NULL::mood)) m;
	CREATE TABLE down (id int PRIMARY KEY, v int);
	INSERT INTO down SELECT i, 1 FROM generate_series(1, 20000) i;
	CREATE INDEX down_id ON down (id DESC, v);
	ALTER TABLE pairs ENABLE ROW LEVEL SECURITY;
	CREATE POLICY mine ON pairs USING (a <> 'a3');
	CREATE ROLE reader;
	GRANT SELECT, UPDATE, DELETE, INSERT ON pairs TO reader;
	VACUUM ANALYZE;
	CREATE BRANCH b});

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }
sub failure { my ($branch, @sql) = @_; my ($out, $err); $node->psql('postgres', join('; ', "USE BRANCH $branch", @sql), stdout => \$out, stderr => \$err); return $err; }
sub session { my $s = $node->background_psql('postgres', on_error_stop => 0); $s->query_safe("USE BRANCH $_[0]"); return $s; }
sub error_of { my ($s, $sql) = @_; $s->{stderr} = ''; $s->query($sql); my $e = $s->{stderr}; $s->{stderr} = ''; return $e; }

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

# What a branch has copied of a table: rows, and keys of deleted ones.
sub copied
{
	my ($table, $branch) = (@_, 'b');
	my ($local, $deleted) = split /\|/, sql("SELECT r.local_relid::regclass, r.deleted_relid::regclass FROM heliosdb.branch_relations r JOIN pg_branches b ON b.branch_id = r.branch WHERE b.branch_name = '$branch' AND r.main_relid = '$table'::regclass");
	return sql("SELECT (SELECT count(*) FROM $local), (SELECT count(*) FROM $deleted)");
}

# ---- What is copied ----

like(on('b', q{EXPLAIN (COSTS OFF) UPDATE big SET k = 7 WHERE id = 5}), qr/Custom Scan \(heliosdb branch\) on big\n.*Rows of: big\n.*Index Scan using big_pkey/s, 'EXPLAIN shows the scan');
is(on('b', 'UPDATE big SET k = -7 WHERE id = 5 RETURNING id, k, u'), '5|-7|u5', 'a row is changed');
is(copied('big'), '1|0', 'that one is copied');
cmp_ok(sql("SELECT storage_bytes FROM pg_branch_stats() WHERE branch_name = 'b'"), '<', 100 * 1024, 'and little space taken');
is(on('b', 'SELECT count(*), sum(k), min(k) FROM big'), '10000|494988|-7', 'a read sees the others as well');
is(on('b', 'SELECT id, k FROM big WHERE id BETWEEN 4 AND 6 ORDER BY id DESC'), "6|6\n5|-7\n4|4", 'in order');
like(on('b', 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE big SET note = note WHERE k = 50'), qr/Rows Copied: 100/, 'EXPLAIN ANALYZE counts the copies');
is(on('b', 'DELETE FROM big WHERE id IN (5, 6, 7) RETURNING id'), "5\n6\n7", 'rows are deleted, copied ones too');
is(copied('big'), '100|3', 'their keys are kept');
is(on('b', 'SELECT count(*) FROM big WHERE id BETWEEN 4 AND 8'), '2', 'and they are not seen any more');
is(on('b', "INSERT INTO big VALUES (6, 0, 'u6', 'back') RETURNING id", 'SELECT note FROM big WHERE id = 6', 'DELETE FROM big WHERE id = 6', 'SELECT count(*) FROM big WHERE id = 6'), "6\nback\n0", 'a row comes back, and goes');
is(on('b', 'UPDATE big SET id = id + 100000 WHERE id = 8', 'SELECT id FROM big WHERE id IN (8, 100008)'), '100008', 'another key');
is(sql('SELECT count(*), sum(k) FROM big'), '10000|495000', 'main is left alone');

# Rows that main has changed since come from the log, rows of the branch stand in their place, and some are both.
sql('UPDATE big SET note = upper(note) WHERE id BETWEEN 900 AND 910', 'ANALYZE heliosdb_log.log_' . sql("SELECT 'big'::regclass::oid"));
on('b', 'UPDATE big SET k = 1900 WHERE id IN (899, 900, 901, 905, 910, 911)', 'DELETE FROM big WHERE id IN (903, 904)', 'ANALYZE big');
for my $order ('id', 'id DESC')
{
	is(on('b', 'SET enable_seqscan = off', "SELECT string_agg(id || CASE WHEN k = 1900 THEN '*' ELSE note END, ' ' ORDER BY place) FROM (SELECT id, k, left(note, 1) AS note, row_number() OVER () AS place FROM (SELECT * FROM big WHERE id BETWEEN 898 AND 912 ORDER BY $order) o) n"),
		join(' ', $order eq 'id' ? qw(898n 899* 900* 901* 902n 905* 906n 907n 908n 909n 910* 911* 912n) : qw(912n 911* 910* 909n 908n 907n 906n 905* 902n 901* 900* 899* 898n)), "rows of both sides by $order");
}
is(on('b', 'SELECT count(*), count(DISTINCT id) FROM big WHERE id BETWEEN 898 AND 912') . '|' . on('b', 'SELECT count(*) FROM big WHERE id = 905') . on('b', 'SELECT count(*) FROM big WHERE id = 904'), '13|13|10', 'each once');
on('b', 'UPDATE big SET k = id % 100 WHERE k = 1900', "INSERT INTO big SELECT i, i % 100, 'u' || i, repeat('n', 50) FROM generate_series(903, 904) i");
sql('UPDATE big SET note = lower(note) WHERE id BETWEEN 900 AND 910');

# ---- What a statement reads is what was there when it began ----

is(on('b', 'UPDATE big b SET note = o.note FROM big o WHERE o.id = b.id AND b.k = 51 AND o.k = 51', "SELECT count(*) FROM big WHERE k = 51"), '100', 'a table joined with itself');
is(on('b', 'INSERT INTO big SELECT id + 200000, k, u || md5(u), note FROM big WHERE k = 52', 'SELECT count(*) FROM big WHERE k = 52'), '200', 'INSERT from itself');
is(on('b', "BEGIN", "DECLARE c CURSOR FOR SELECT count(*) OVER (), id FROM big WHERE k = 53 ORDER BY id", 'FETCH 1 FROM c', "UPDATE big SET k = 1053 WHERE k = 53", 'FETCH 1 FROM c', 'SELECT count(*) FROM big WHERE k = 53', 'COMMIT'), "100|53\n100|153\n0", 'a cursor that is open');
is(on('b', "BEGIN", "DECLARE c CURSOR FOR SELECT id FROM big WHERE k = 54 ORDER BY id FOR UPDATE", 'FETCH 2 FROM c', "UPDATE big SET note = 'here' WHERE CURRENT OF c RETURNING id", 'COMMIT'), "54\n154\n154", 'WHERE CURRENT OF');
is(on('b', "WITH gone AS (DELETE FROM big WHERE k = 55 RETURNING id) SELECT count(*), (SELECT count(*) FROM big WHERE k = 55) FROM gone"), '100|100', 'WITH … DELETE: the main query sees the rows');
is(on('b', "WITH x AS (UPDATE big SET k = 1056 WHERE k = 56 AND random() < 2 RETURNING 1) SELECT count(*) FROM x"), '100', 'volatile conditions');
is(on('b', "MERGE INTO big b USING (VALUES (57, 1), (57000, 2)) v (id, n) ON v.id = b.id WHEN MATCHED THEN UPDATE SET k = 1057 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1057, v.id::text)", 'SELECT id FROM big WHERE k = 1057 ORDER BY id'), "57\n57000", 'MERGE');
is(on('b', 'PREPARE p (int) AS UPDATE big SET note = $1::text WHERE id = $1 RETURNING id', 'SET plan_cache_mode = force_generic_plan', 'EXECUTE p (301)', 'EXECUTE p (302)', 'EXECUTE p (301)', 'SELECT note FROM big WHERE id = 302'), "301\n302\n301\n302", 'prepared');
is(on('b', "DO \$\$ BEGIN FOR i IN 401..410 LOOP UPDATE big SET note = 'loop' WHERE id = i; END LOOP; END \$\$", "SELECT count(*) FROM big WHERE note = 'loop'"), '10', 'PL/pgSQL');
is(on('b', 'SELECT id FROM big WHERE k = 58 ORDER BY id DESC LIMIT 2 FOR UPDATE'), "9958\n9858", 'FOR UPDATE in order');
is(on('b', 'BEGIN', 'SAVEPOINT s', 'UPDATE big SET k = 1 WHERE k = 59', 'ROLLBACK TO s', 'UPDATE big SET k = 1059 WHERE k = 59', 'COMMIT', 'SELECT count(*) FROM big WHERE k = 1059'), '100', 'savepoints');
is(on('b', "BEGIN", "DELETE FROM big WHERE id = 60", 'ROLLBACK', 'SELECT count(*) FROM big WHERE id = 60'), '1', 'rollback of a deletion');

# What a command within a statement copies, or one between two rows of a cursor, the statement meets as on main.
is(on('b', "DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT id FROM big WHERE k = 31 FOR UPDATE LOOP UPDATE big SET note = 'met' WHERE id = r.id + 1500; END LOOP; END \$\$", "SELECT count(*), min(id), max(id) FROM big WHERE note = 'met'"), '45|1531|8931', 'rows that were changed since are left out of FOR UPDATE');
is(on('b', "DO \$\$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id FROM parent WHERE id <= 80 FOR UPDATE LOOP n := n + 1; INSERT INTO child VALUES (6000 + n, r.id + 60); END LOOP; RAISE EXCEPTION '%', n; EXCEPTION WHEN raise_exception THEN IF SQLERRM <> '80' THEN RAISE; END IF; END \$\$", 'SELECT count(*) FROM child WHERE id > 6000'), '0', 'but not those that were only locked');
for my $condition ('k = 61', 'k = 62 AND id < 1000', 'k = 63 ORDER BY id')
{
	my @declared = ("DECLARE a CURSOR FOR SELECT id FROM big WHERE $condition FOR UPDATE", "DECLARE c CURSOR FOR SELECT id FROM big WHERE $condition");
	my $rows = () = on('b', 'BEGIN', $declared[0], 'MOVE ALL FROM a', $declared[1], 'FETCH ALL FROM c', 'ROLLBACK') =~ /^\d+$/mg;
	is($rows, $condition =~ /AND/ ? 10 : 100, "a cursor after another one: $condition");
	my @in_turn = ('BEGIN', @declared, 'FETCH 1 FROM c', 'MOVE 8 FROM a');
	if ($condition eq 'k = 61')
	{
		like(failure('b', @in_turn, 'FETCH ALL FROM c'), qr/an older cursor has locked rows of table "big" meanwhile/, 'in turn: an error rather than too few rows');
	}
	else
	{
		my $more = () = on('b', @in_turn, 'FETCH ALL FROM c', 'ROLLBACK') =~ /^\d+$/mg;
		is($more, $rows, 'in turn: the rows are in order');
	}
}
sql('CREATE FUNCTION others(int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM big WHERE k = $1); END $$');
is(on('b', 'SELECT n, count(*) FROM (SELECT others(k) AS n FROM big WHERE k = 64 FOR UPDATE) s GROUP BY n'), '100|100', 'a function sees all rows while they are locked');
sql('CREATE FUNCTION touch(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE big SET note = note WHERE id = $1; RETURN 1; END $$', 'CREATE FUNCTION lock(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM FROM big WHERE id = $1 FOR UPDATE; RETURN 1; END $$');
like(failure('b', 'UPDATE big SET k = 32 + touch(id + 100) WHERE id IN (32, 132)'), qr/already modified by an operation triggered by the current command/, 'a row that a function has changed');
is(on('b', 'UPDATE big SET k = 32 + lock(id + 100) WHERE id IN (32, 132) RETURNING k'), "33\n33", 'a row that a function has locked');
is(on('b', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'UPDATE big SET k = 33 + lock(id + 100) WHERE id IN (233, 333) RETURNING k', 'COMMIT'), "34\n34", 'that is no conflict');
like(failure('b', 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; MERGE INTO big b USING (VALUES (34), (33)) v (x) ON b.id BETWEEN v.x AND v.x + 1 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING'), qr/cannot affect row a second time/, 'a row that MERGE has deleted');

# Values outside of the row, in which the copying command would be the deleting one.
is(on('b', "DELETE FROM wide WHERE id = 1", "UPDATE wide SET v = v || 'x' WHERE id IN (2, 3) RETURNING length(v)", "INSERT INTO wide VALUES (4, 'new') ON CONFLICT (id) DO UPDATE SET v = excluded.v || right(wide.v, 1)", 'SELECT id, length(v) FROM wide ORDER BY id'), "32001\n48001\n2|32001\n3|48001\n4|4\n5|80000", 'large values');

# Keys of types that have their operators from others.
like(failure('b', "INSERT INTO typed VALUES ('good', '{1}', '[1,2)')"), qr/violates unique constraint "typed_pkey"/, 'keys of enumerations, arrays and ranges');
is(on('b', "UPDATE typed SET a = '{2}' WHERE m = 'good'", "INSERT INTO typed VALUES ('good', '{1}', '[1,2)')", 'SELECT * FROM typed ORDER BY m, a'), "good|{1}|[1,2)\ngood|{2}|[1,2)\nbad|{1}|[1,2)", 'and changes of them');

# A log whose index is in another order than the key.
on('b', 'UPDATE down SET v = 0 WHERE id % 100 = 0');
my $reader = session('b');
$reader->query_safe('SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT count(*), count(DISTINCT id), sum(v) FROM (SELECT * FROM down WHERE id BETWEEN 100 AND 900 OFFSET 0) d');
is($reader->query_safe('EXECUTE p'), '801|801|792', 'an index that descends');
sql('UPDATE down SET v = 7 WHERE id BETWEEN 200 AND 700');
is($reader->query_safe('EXECUTE p'), '801|801|792', 'also in the log');
$reader->quit;

# ---- Unique keys of rows that are not copied ----

like(failure('b', "INSERT INTO big VALUES (70, 0, 'x', '')"), qr/duplicate key value violates unique constraint "big_pkey"/, 'INSERT of a primary key of main');
like(failure('b', "INSERT INTO big VALUES (70000, 0, 'u70', '')"), qr/duplicate key value violates unique constraint "big_u_key"\nDETAIL:  Key \(u\)=\(u70\) already exists/, 'and of another unique key');
like(failure('b', "UPDATE big SET u = 'u71' WHERE id = 72"), qr/big_u_key/, 'UPDATE to a unique key of main');
like(failure('b', "COPY big FROM STDIN;\n73\t1\tx\ty\n\\.\n"), qr/big_pkey/, 'COPY of a primary key of main');
is(on('b', "INSERT INTO big VALUES (74, 0, 'x', 'new') ON CONFLICT (id) DO UPDATE SET note = excluded.note || big.k RETURNING id, note"), '74|new74', 'ON CONFLICT DO UPDATE');
is(on('b', "INSERT INTO big VALUES (70001, 0, 'u75', 'new') ON CONFLICT (u) DO UPDATE SET note = 'met' RETURNING id, note"), '75|met', 'ON CONFLICT on another key');
is(on('b', "INSERT INTO big VALUES (76, 0, 'x', ''), (70002, 0, 'x', '') ON CONFLICT DO NOTHING RETURNING id"), '70002', 'ON CONFLICT DO NOTHING');
is(on('b', 'BEGIN', 'DELETE FROM big WHERE id = 77', "INSERT INTO big VALUES (77, 1, 'u77', 'again')", 'COMMIT', 'SELECT note FROM big WHERE id = 77'), 'again', 'a key that was deleted is free');
like(failure('b', "INSERT INTO late VALUES (1, 1)") . on('b', 'SELECT count(*) FROM late'), qr/^1$/, 'a trigger that could change keys behind ours');
is(sql("SELECT deleted_relid FROM heliosdb.branch_relations WHERE main_relid = 'late'::regclass"), '0', 'means a copy of the whole');

# ---- Foreign keys ----

is(on('b', 'INSERT INTO child VALUES (5000, 500, 1)', 'SELECT count(*) FROM child WHERE parent = 500'), '4', 'a reference to a row that is not copied');
is(copied('parent'), '1|0', 'which is then');
like(failure('b', 'INSERT INTO child VALUES (5001, 5000, 1)'), qr/violates foreign key constraint "child_parent_fkey"/, 'a reference to nothing');
is(on('b', 'DELETE FROM parent WHERE id = 600', 'SELECT count(*) FROM child WHERE parent = 600'), '0', 'CASCADE takes children that are not copied');
is(on('b', 'UPDATE parent SET id = 7000 WHERE id = 700', 'SELECT count(*) FROM child WHERE parent = 7000'), '3', 'and changes them');
is(sql('SELECT count(*) FROM child WHERE parent IN (600, 700)'), '6', 'not on main');

# ---- Other sessions ----

sql('CREATE BRANCH c');
my $one = session('c');
$one->query_safe('UPDATE big SET k = k WHERE id = 1');
$one->query_safe('BEGIN; UPDATE big SET k = k + 1 WHERE id = 10');
my $two = start('USE BRANCH c; UPDATE big SET k = k + 10 WHERE id IN (10, 11) RETURNING id, k');
ok(await_lock(), 'who changes a row that somebody is copying waits');
is(on('c', 'SELECT k FROM big WHERE id = 10'), '10', 'a reader does not, and sees it as it was');
is(on('c', 'SELECT id FROM big WHERE id IN (10, 12) FOR UPDATE SKIP LOCKED'), '12', 'SKIP LOCKED does not');
like(failure('c', 'SELECT id FROM big WHERE id = 10 FOR UPDATE NOWAIT'), qr/could not obtain lock on row in relation "big"/, 'NOWAIT does not');
$one->query_safe('COMMIT');
is(finish($two), "10|21\n11|21", 'and then changes what that one has made of it');
$one->query_safe('BEGIN; DELETE FROM big WHERE id = 13');
$two = start('USE BRANCH c; UPDATE big SET k = 0 WHERE id = 13 RETURNING id; SELECT count(*) FROM big WHERE id = 13');
await_lock();
$one->query_safe('COMMIT');
is(finish($two), '0', 'a row that was deleted meanwhile is gone');
$one->query_safe('BEGIN; UPDATE big SET k = 0 WHERE id = 14');
$two = start("USE BRANCH c; UPDATE big SET k = k + 1 WHERE id = 14 RETURNING k; INSERT INTO big VALUES (15, 1, 'y', '')");
await_lock();
$one->query_safe('ROLLBACK');
is(finish($two), "15\nERROR:  23505", 'a rollback leaves it to the next');

$one->query_safe('BEGIN; UPDATE big SET id = 300017 WHERE id = 17');
$two = start("USE BRANCH c; UPDATE big SET note = 'followed' WHERE k = 17 AND id IN (17, 300017) RETURNING id; SELECT id, note FROM big WHERE k = 17 AND id IN (17, 300017)");
await_lock();
$one->query_safe('COMMIT');
is(finish($two), "300017\n300017|followed", 'a row that has got another key meanwhile');

$one->query_safe("BEGIN; UPDATE big SET id = 300018 WHERE id = 18; INSERT INTO big VALUES (18, 18, 'x18', 'another')");
$two = start("USE BRANCH c; UPDATE big SET note = note || '!' WHERE k = 18 AND id IN (18, 300018) RETURNING id, left(note, 7)");
await_lock();
$one->query_safe('COMMIT');
is(finish($two), "300018|nnnnnnn", 'and whose key another row has');
on('c', 'DELETE FROM big WHERE id = 18');

# A subquery that locks rows finds others when the row is looked at again.
$one->query_safe('BEGIN; UPDATE big SET k = 97 WHERE id = 16');
$two = start("USE BRANCH c; UPDATE big b SET note = (SELECT v::text FROM looked l WHERE l.id = b.k FOR UPDATE) WHERE id = 16 RETURNING k, note");
await_lock();
$one->query_safe('COMMIT');
is(finish($two), '97|970', 'EvalPlanQual of a subquery');

my $old = session('c');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM big');
on('c', 'UPDATE big SET k = 0 WHERE id = 20', 'DELETE FROM big WHERE id = 21', "INSERT INTO big VALUES (20020, 0, 'z', '')");
is($old->query_safe('SELECT id, k FROM big WHERE id IN (20, 21, 20020) ORDER BY id'), "20|20\n21|21", 'an old snapshot sees rows as they were');
like(error_of($old, 'UPDATE big SET k = 1 WHERE id = 20'), qr/could not serialize access/, 'and cannot change what was changed');
$old->query('ROLLBACK');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM big');
like(error_of($old, 'DELETE FROM big WHERE id = 21'), qr/^$/, 'a deleted row that it does not see is no conflict');
$old->query('ROLLBACK');

# ---- What needs all rows ----

$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pairs');
is(on('c', 'ALTER TABLE big ADD COLUMN extra int DEFAULT 3', 'SELECT count(*), sum(extra), max(k) FROM big'), '9999|29997|99', 'ALTER TABLE');
like(error_of($old, 'SELECT count(*) FROM big'), qr/altered on branch "c" meanwhile/, 'a snapshot from before');
$old->query('ROLLBACK');
is(on('c', 'CREATE INDEX ON parent (v)', 'SELECT count(*) FROM parent', 'UPDATE parent SET v = 1 WHERE id = 1', 'DELETE FROM parent WHERE id = 2', 'SELECT count(*), sum(v) FROM parent'), "1000\n999|1", 'CREATE INDEX, and changes afterwards');
is(on('c', 'UPDATE child SET v = 1 WHERE id = 1', 'BEGIN', 'TRUNCATE child', 'SELECT count(*) FROM child', 'ROLLBACK', 'SELECT count(*) FROM child'), "0\n2997", 'TRUNCATE, rolled back');
is(on('c', 'TRUNCATE child', "INSERT INTO child VALUES (1, 1, 1)", 'SELECT count(*) FROM child'), '1', 'TRUNCATE');
is(on('c', 'COPY (SELECT v FROM child) TO STDOUT', 'DROP TABLE child', 'SELECT count(*) FROM parent'), "1\n999", 'DROP TABLE');
is(sql('ALTER TABLE big ADD COLUMN more int DEFAULT 1', 'SELECT count(*) FROM big') . '|' . on('b', 'SELECT count(*) FROM big') . '|' . on('c', 'SELECT count(*) FROM big'), '10000|9999|9999', 'a column that main adds');
like(failure('main', 'TRUNCATE pairs'), qr/table "pairs" is read by branch "b"/, 'main keeps what branches read');
on('b', 'UPDATE pairs SET v = 1 WHERE b = 3');
like(failure('main', 'TRUNCATE pairs'), qr/table "pairs" is read by branch "b"/, 'also for a branch that has copied some rows');

# ---- Privileges ----

is(sql("SET ROLE reader", 'USE BRANCH b', "UPDATE pairs SET v = v + 1 WHERE b = 4", "SELECT count(*), sum(v) FROM pairs"), '90|18', 'policies hold for rows that are not copied');
is(copied('pairs'), '19|0', 'and what they hide is not copied');
like(sql(q{SELECT format('SELECT * FROM pairs TABLESAMPLE heliosdb.as_of_overlaid(now(), NULL, %s::oid, %s::oid, ''a'')', local_relid, deleted_relid) FROM heliosdb.branch_relations WHERE main_relid = 'pairs'::regclass LIMIT 1}), qr/^SELECT/, 'a read by hand');
my ($big, $gone) = split /\|/, sql("SELECT local_relid, deleted_relid FROM heliosdb.branch_relations WHERE main_relid = 'parent'::regclass AND branch = (SELECT branch_id FROM pg_branches WHERE branch_name = 'b')");
sql("CREATE TABLE theirs (id int PRIMARY KEY, v int)", "SELECT heliosdb.track('theirs')", "ALTER TABLE theirs OWNER TO reader");
like(failure('main', 'SET ROLE reader', "SELECT * FROM theirs TABLESAMPLE heliosdb.as_of_overlaid(now(), NULL, $big, $gone, 'a')"), qr/permission denied for table parent/, 'no way around privileges');
like(failure('main', "SELECT * FROM theirs TABLESAMPLE heliosdb.as_of_overlaid(now(), NULL, $big, 'theirs'::regclass::oid, 'a')"), qr/has no index|cannot be laid over/, 'nor with tables that do not belong together');
like(failure('main', "SELECT * FROM theirs TABLESAMPLE heliosdb.as_of_overlaid(now(), NULL, $big, $gone, 'q')"), qr/has no part "q"/, 'nor for other parts');
like(failure('main', "DELETE FROM heliosdb_c2_public.parent"), qr/can only be changed on that branch/, 'the copy is not changed from main');

# ---- Merges of keys that are equal and look different ----

sql('CREATE BRANCH e');
on('e', "UPDATE pairs SET b = b + 0.00 WHERE b = 1 AND a < 'a5'");
sql('MERGE BRANCH e INTO main');
is(sql("SELECT b, count(*) FROM pairs WHERE b = 1 GROUP BY b::text, b ORDER BY b::text"), "1|5\n1.00|5", 'the new form is merged');
on('e', "DELETE FROM pairs WHERE b = 1 AND a < 'a3'", "UPDATE pairs SET v = 5, b = 1.0 WHERE b = 1 AND a = 'a4'");
sql('MERGE BRANCH e INTO main');
is(sql("SELECT a, b, v FROM pairs WHERE b = 1 AND a < 'a5' ORDER BY a"), "a3|1.00|0\na4|1.0|5", 'and is no change of main afterwards');
sql('DROP BRANCH e');

# ---- A table that the branch has changed and then dropped ----

sql('CREATE TABLE dropped (id int PRIMARY KEY, v int)', 'INSERT INTO dropped VALUES (1, 1)', 'CREATE BRANCH e');
on('e', 'UPDATE dropped SET v = 2', 'DROP TABLE dropped', 'CREATE BRANCH f');
like(failure('f', 'SELECT FROM dropped'), qr/relation "dropped" does not exist/, 'does not keep others from coming from it');
sql('DROP BRANCH f', 'DROP BRANCH e');

# ---- Crashes and standbys ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql('CREATE BRANCH d');
$node->safe_psql('postgres', 'USE BRANCH d; UPDATE parent SET v = 1 WHERE id = 1');
$one = session('d');
my $pid = $one->query_safe('SELECT pg_backend_pid()');
$one->query_safe('BEGIN; UPDATE parent SET v = 2 WHERE id BETWEEN 2 AND 20; DELETE FROM parent WHERE id = 30');
kill 'KILL', $pid;
$node->poll_query_until('postgres', 'SELECT true');
is(on('d', 'SELECT count(*), sum(v) FROM parent'), '1000|1', 'what a killed session has copied is not there');
is(on('d', 'UPDATE parent SET v = 3 WHERE id BETWEEN 2 AND 20', 'DELETE FROM parent WHERE id = 30', 'SELECT count(*), sum(v) FROM parent'), '999|58', 'the next one copies it');
# A standby knows an instant from a commit a second later.
sql('SELECT pg_sleep(1.1)', 'CREATE TABLE tick ()');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'USE BRANCH d; SELECT count(*), sum(v) FROM parent; SELECT v FROM parent WHERE id IN (2, 40) ORDER BY id'), "999|58\n3\n0", 'a standby reads the branch');
$standby->stop;
sql('DROP BRANCH b', 'DROP BRANCH c', 'DROP BRANCH d');
is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'deleted\\_%'"), '0', 'nothing is left of dropped branches');

done_testing();
