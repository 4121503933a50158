# Random queries on a branch that copies its tables row by row, and on one that copies them as a whole: both see the same
# changes, on the branch and on main, and have to give the same rows by whatever plan.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('queries');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
fsync = off
jit = off
parallel_setup_cost = 0
parallel_tuple_cost = 0
min_parallel_table_scan_size = 0
min_parallel_index_scan_size = 0
});
$node->start;

my $seed = $ENV{HELIOS_SEED} // 79;
srand($seed);
sub any { return int(rand($_[0])); }
sub one { return $_[ any(scalar @_) ]; }

my $schema = q{
	CREATE EXTENSION heliosdb;
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TYPE mood AS ENUM ('sad', 'soso', 'fine', 'glad');
	CREATE TABLE items (id int, junk text, k int, u text COLLATE "C" UNIQUE, n numeric, tags int[], note text, twice int GENERATED ALWAYS AS (k * 2) STORED, PRIMARY KEY (id) INCLUDE (n));
	INSERT INTO items (id, junk, k, u, n, tags, note) SELECT i, 'j', i % 50, 'u' || i, i / 4.0, ARRAY[i % 7, i % 11], CASE WHEN i % 100 = 0 THEN (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 100) j) ELSE 'n' || i % 30 END FROM generate_series(1, 2000) i;
	ALTER TABLE items DROP COLUMN junk, ADD COLUMN late int DEFAULT 7;
	CREATE INDEX items_k ON items (k, id DESC);
	CREATE INDEX items_down ON items (id DESC, k);
	CREATE INDEX items_tags ON items USING gin (tags);
	CREATE INDEX items_note ON items (lower(left(note, 20))) WHERE k < 25;
	CREATE TABLE pairs (a text COLLATE nocase, b numeric, v int REFERENCES items ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE, PRIMARY KEY (b, a));
	INSERT INTO pairs SELECT 'Key' || i % 20, i / 20, CASE WHEN i % 3 > 0 THEN i END FROM generate_series(1, 800) i;
	CREATE INDEX pairs_v ON pairs (v);
	CREATE INDEX pairs_up ON pairs (b DESC, a);
	CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE, v int DEFAULT 0);
	INSERT INTO tree SELECT i, NULLIF(i / 3, 0), i FROM generate_series(1, 500) i;
	CREATE INDEX tree_up ON tree (up);
	CREATE TABLE moods (m mood, l int[], v int, PRIMARY KEY (m, l));
	INSERT INTO moods SELECT m, ARRAY[i, i + 1], i FROM unnest(enum_range(NULL::mood)) m, generate_series(1, 20) i WHERE (i + length(m::text)) % 3 > 0;
	CREATE TABLE still (id int PRIMARY KEY, v int);
	INSERT INTO still SELECT i, i % 13 FROM generate_series(1, 300) i;
	CREATE VIEW low AS SELECT id, k, note FROM items WHERE k < 20;
	CREATE FUNCTION sum_of(wanted int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(n) FROM items WHERE k = $1';
	CREATE FUNCTION rows_of(wanted int) RETURNS SETOF items LANGUAGE sql STABLE AS 'SELECT * FROM items WHERE k = $1';
	CREATE FUNCTION now_of(wanted int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM items WHERE k = wanted); END';
	CREATE FUNCTION bump(wanted int) RETURNS int LANGUAGE plpgsql AS 'DECLARE r int; BEGIN UPDATE tree SET v = v + 1 WHERE id = wanted RETURNING v INTO r; RETURN r; END';
	CREATE FUNCTION walk(step int) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE r record; n int := 0; total bigint := 0; BEGIN
			FOR r IN SELECT * FROM items WHERE k % 10 = step ORDER BY id FOR UPDATE LOOP
				UPDATE items SET n = items.n + 1 WHERE id = r.id + 20 AND r.id % 3 = 0;
				UPDATE pairs SET v = r.id + 10 WHERE b = r.id % 40 AND a = 'KEY1';
				n := n + 1; total := total + r.n; END LOOP;
			RETURN n || ' ' || total; END $$;
	VACUUM ANALYZE};
my %copying = (rows => 0, whole => -1);
my @databases = sort keys %copying;
foreach my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database; ALTER DATABASE $database SET heliosdb.branch_row_copy_above = $copying{$database}");
	$node->safe_psql($database, $schema);
}

sub id { return 1 + any(2000); }
sub some { my $from = id(); return "BETWEEN $from AND " . ($from + any(3) * any(400)); }
sub key { return one(q{'KEY}, q{'key}, q{'Key}) . any(22) . q{'}; }
sub mood { return one(q{'sad'}, q{'soso'}, q{'fine'}, q{'glad'}); }
sub list { return "'{" . join(',', map { $_, $_ + 1 } any(22)) . "}'"; }
sub dec { return any(42) . one('', '.0', '.00'); }
sub cond
{
	my ($t) = @_;
	return one("$t.id " . some(), "$t.id = " . id(), "$t.k = " . any(52), "$t.k < " . any(50), "$t.id " . some() . " AND $t.k % 3 = " . any(3), "$t.u = 'u" . id() . "'",
		"$t.id IN (" . join(', ', map { id() } 1 .. 5) . ')', "$t.tags @> ARRAY[" . any(7) . ', ' . any(11) . ']', "lower(left($t.note, 20)) = 'n" . any(30) . "' AND $t.k < 25",
		"($t.k = " . any(50) . " OR $t.id " . some() . ')', "$t.n < " . any(500), "$t.id > " . id(), "$t.k = " . any(50) . " AND $t.id < " . id(), "$t.twice = " . 2 * any(50), 'true');
}
sub order { my ($t) = @_; return one("$t.id", "$t.id DESC", "$t.k, $t.id", "$t.k DESC, $t.id", "$t.k, $t.id DESC", "$t.n DESC, $t.id", "$t.u DESC", "$t.note, $t.id"); }
sub pair_order { return one('p.b, p.a', 'p.b DESC, p.a DESC', 'p.b DESC, p.a', 'p.a, p.b'); }
sub limit { return one('', '', ' LIMIT ' . any(20), ' OFFSET ' . any(20), ' LIMIT 10 OFFSET ' . any(100)); }

my @queries = (
	sub { 'SELECT i.id, i.k, i.u, i.n, i.tags, md5(i.note), i.twice, i.late FROM items i WHERE ' . cond('i') . ' ORDER BY ' . order('i') . limit() },
	sub { 'SELECT i.id FROM items i WHERE ' . cond('i') . ' ORDER BY ' . one('i.id', 'i.id DESC') . limit() },
	sub { 'SELECT count(*), count(DISTINCT id), sum(k), min(n), max(u) FROM items i WHERE ' . cond('i') },
	sub { 'SELECT min(id), max(id) FROM items i WHERE ' . cond('i') },
	sub { 'SELECT md5(string_agg(i::text, chr(10) ORDER BY id)) FROM items i WHERE ' . cond('i') },
	sub { 'SELECT k, count(*), array_agg(id ORDER BY id) FROM items i WHERE ' . cond('i') . ' GROUP BY k ORDER BY k' },
	sub { 'SELECT i.id, j.id FROM items i JOIN items j ON j.' . one('id = i.id + ' . any(9), 'k = i.k AND j.id = i.id + 50', 'id = i.k') . ' WHERE ' . cond('i') . ' AND ' . cond('j') . ' ORDER BY i.id, j.id' . limit() },
	sub { 'SELECT i.id, p.a, p.b FROM items i LEFT JOIN pairs p ON p.v = i.id WHERE ' . cond('i') . ' ORDER BY i.id, p.b, p.a' . limit() },
	sub { 'SELECT i.id, p.a FROM pairs p FULL JOIN (SELECT * FROM items i WHERE ' . cond('i') . ') i ON p.v = i.id ORDER BY i.id, p.b, p.a' . limit() },
	sub { 'SELECT i.id, s.v FROM items i JOIN still s ON s.id = i.id WHERE ' . cond('i') . ' ORDER BY i.id' . one('', ' DESC') . limit() },
	sub { 'SELECT i.id, l.b, l.a FROM items i CROSS JOIN LATERAL (SELECT b, a FROM pairs p WHERE p.b = i.k ORDER BY ' . pair_order() . ' LIMIT 2) l WHERE ' . cond('i') . ' ORDER BY i.id, l.b, l.a' . limit() },
	sub { 'SELECT i.id, (SELECT count(*) FROM pairs p WHERE p.b = i.k), (SELECT max(t.v) FROM tree t WHERE t.up = i.k) FROM items i WHERE ' . cond('i') . ' ORDER BY i.id' . limit() },
	sub { 'SELECT i.id FROM items i WHERE ' . one('EXISTS', 'NOT EXISTS') . ' (SELECT FROM pairs p WHERE p.v = i.id' . one('', ' AND p.b < 20') . ') AND ' . cond('i') . ' ORDER BY ' . order('i') . limit() },
	sub { 'SELECT i.id FROM items i WHERE i.k ' . one('IN', 'NOT IN') . ' (SELECT p.b::int FROM pairs p WHERE p.a = ' . key() . ') AND ' . cond('i') . ' ORDER BY i.id' . limit() },
	sub { 'SELECT p.* FROM pairs p WHERE p.b ' . one('=', '<', '>=') . ' ' . dec() . one('', ' AND p.a = ' . key(), ' AND p.a > ' . key()) . ' ORDER BY ' . pair_order() . limit() },
	sub { 'SELECT p.b, p.a, q.a FROM pairs p JOIN pairs q USING (b) WHERE p.a = ' . key() . ' AND q.a <> p.a ORDER BY p.b, q.a' . limit() },
	sub { 'SELECT lower(p.a), count(*), sum(p.b) FROM pairs p GROUP BY p.a ORDER BY p.a' },
	sub { 'SELECT DISTINCT trim_scale(p.b) FROM pairs p WHERE p.v IS ' . one('NULL', 'NOT NULL') . ' ORDER BY 1' . limit() },
	sub { 'SELECT * FROM moods WHERE m ' . one('=', '>=', '<') . ' ' . mood() . one('', ' AND l = ' . list(), ' AND l < ' . list()) . ' ORDER BY m' . one('', ' DESC') . ', l' . limit() },
	sub { 'WITH RECURSIVE r AS (SELECT id, up, 0 AS depth FROM tree WHERE id = ' . one(1 + any(20), 3) . ' UNION ALL SELECT t.id, t.up, depth + 1 FROM tree t JOIN r ON t.up = r.id) SELECT * FROM r ORDER BY id' . limit() },
	sub { 'SELECT t.id, u.id, u.v FROM tree t LEFT JOIN tree u ON u.id = t.up WHERE t.id ' . some() . ' ORDER BY t.id' . limit() },
	sub { 'SELECT * FROM low WHERE id ' . some() . ' ORDER BY id' . limit() },
	sub { 'SELECT sum_of(' . any(50) . '), now_of(' . any(50) . '), (SELECT sum(id) FROM rows_of(' . any(50) . '))' },
	sub { 'SELECT id, now_of(k) FROM items i WHERE ' . cond('i') . ' ORDER BY id LIMIT 5' },
	sub { 'SELECT id, k, rank() OVER (PARTITION BY k ORDER BY id DESC) FROM items i WHERE ' . cond('i') . ' ORDER BY 1' . limit() },
	sub { '(SELECT id FROM items i WHERE ' . cond('i') . ') ' . one('EXCEPT', 'INTERSECT', 'UNION', 'UNION ALL') . ' (SELECT id FROM items i WHERE ' . cond('i') . ') ORDER BY 1' . limit() },
	sub { 'SELECT id, k FROM items i WHERE ' . cond('i') . ' ORDER BY id' . one('', ' DESC') . one('', ' LIMIT 3') . one(' FOR UPDATE', ' FOR SHARE', ' FOR NO KEY UPDATE', ' FOR KEY SHARE') },
	sub { 'SELECT i.id, p.b, p.a FROM items i JOIN pairs p ON p.v = i.id WHERE i.k = ' . any(50) . ' ORDER BY i.id, p.b, p.a FOR ' . one('UPDATE', 'UPDATE OF i', 'SHARE OF p') },
	sub { 'PREPARE q (int, int) AS SELECT id, k, n FROM items WHERE id BETWEEN $1 AND $2 OR k = $1 ORDER BY id' . one('', ' DESC') . '; EXECUTE q (' . any(50) . ', ' . any(30) . '); EXECUTE q (' . id() . ', ' . id() . '); DEALLOCATE q' },
	sub { my $scroll = any(2); 'BEGIN; DECLARE c ' . ($scroll ? 'SCROLL ' : '') . 'CURSOR FOR SELECT id, k FROM items i WHERE ' . cond('i') . ' ORDER BY id; FETCH 3 FROM c; UPDATE items SET k = k + 1 WHERE ' . cond('items') . '; DELETE FROM items WHERE id % 50 = 3; FETCH 5 FROM c; ' . ($scroll ? 'FETCH BACKWARD 4 FROM c; ' : 'FETCH ALL FROM c; ') . one('ROLLBACK', 'COMMIT') },
);

# Statements that change; what they return comes in order.
sub changed { my ($sql, $order) = @_; return "WITH changed AS ($sql) SELECT * FROM changed ORDER BY $order"; }
my @changes = (
	sub { changed('UPDATE items SET k = k + ' . any(3) . ', note = note || k WHERE ' . cond('items') . ' RETURNING id, k, twice, md5(note)', 'id') },
	sub { changed('UPDATE items SET id = id + 3000 WHERE ' . cond('items') . ' AND id < 3000 AND id % 4 = 0 RETURNING id', 'id') },
	sub { changed("UPDATE items SET u = u || '!' WHERE " . cond('items') . ' RETURNING id, u', 'id') },
	sub { changed('DELETE FROM items WHERE ' . cond('items') . ' AND id % 5 = ' . any(5) . ' RETURNING id', 'id') },
	sub { changed('DELETE FROM items USING pairs p WHERE p.v = items.id AND p.a = ' . key() . ' AND ' . cond('items') . ' RETURNING items.id', 'id') },
	sub { changed('UPDATE items i SET n = i.n + j.n FROM items j WHERE j.id = i.id - ' . any(9) . ' AND ' . cond('i') . ' AND ' . cond('j') . ' RETURNING i.id, i.n', 'id') },
	sub { changed('INSERT INTO items (id, k, u, n, note) VALUES (' . id() . ", 1, 'u" . one(id(), 'x' . any(99)) . "', 1, 'in') ON CONFLICT " . one('DO NOTHING', '(id) DO UPDATE SET n = items.n + 1', '(u) DO UPDATE SET n = items.n - 1, id = items.id + 5000', "(id) DO UPDATE SET u = excluded.u || items.u WHERE items.k < 30") . ' RETURNING *', 'id') },
	sub { 'INSERT INTO items (id, k, u, n, note) SELECT id + ' . one(0, 2000, 7000) . ", k, u || '+', n, note FROM items i WHERE " . cond('i') },
	sub { 'MERGE INTO items i USING (SELECT DISTINCT v, b FROM pairs WHERE b < ' . any(40) . ' AND v IS NOT NULL AND a = ' . key() . ') p ON p.v = i.id WHEN MATCHED AND i.k < ' . any(30) . ' THEN DELETE WHEN MATCHED THEN UPDATE SET n = i.n + p.b WHEN NOT MATCHED THEN INSERT (id, k, u) VALUES (p.v, 0, p.v)' },
	sub { 'MERGE INTO items i USING (VALUES (' . id() . '), (' . id() . '), (' . id() . ")) s (x) ON i.id IN (s.x, s.x + 1) WHEN MATCHED AND i.k % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET k = 0" },
	sub { 'SET enable_hashjoin = off; SET enable_mergejoin = off; MERGE INTO tree t USING (VALUES (' . (1 + any(500)) . '), (1), (' . (1 + any(500)) . ')) s (x) ON t.v >= s.x AND t.v < s.x + 2 WHEN MATCHED THEN ' . one('DELETE', 'UPDATE SET v = v') . ' WHEN NOT MATCHED THEN DO NOTHING; RESET enable_hashjoin; RESET enable_mergejoin' },
	sub { changed('UPDATE pairs SET ' . one('a = upper(a)', 'b = b + 0.00', 'b = b + 100', 'v = NULL', 'a = a || 1', 'v = ' . id()) . ' WHERE b = ' . dec() . one('', ' AND a = ' . key()) . ' RETURNING *', 'b, a') },
	sub { changed('DELETE FROM pairs WHERE b = ' . dec() . ' AND a < ' . key() . ' RETURNING *', 'b, a') },
	sub { changed('INSERT INTO pairs VALUES (' . key() . ', ' . dec() . ', NULL) ON CONFLICT (b, a) DO ' . one('NOTHING', 'UPDATE SET v = NULL, a = excluded.a') . ' RETURNING *', 'b, a') },
	sub { 'INSERT INTO pairs VALUES (' . key() . ', ' . dec() . ', ' . id() . ')' },
	sub { changed('UPDATE moods SET ' . one('v = v + 1', 'm = ' . mood(), 'l = l || 1') . ' WHERE m = ' . mood() . ' AND l > ' . list() . ' RETURNING *', 'm, l') },
	sub { changed('DELETE FROM moods WHERE l = ' . list() . ' RETURNING *', 'm, l') },
	sub { 'INSERT INTO moods VALUES (' . mood() . ', ' . list() . ', 9)' . one('', ' ON CONFLICT (m, l) DO UPDATE SET v = moods.v + excluded.v') },
	sub { changed('DELETE FROM tree WHERE id = ' . (10 + any(490)) . ' RETURNING id', 'id') },
	sub { changed('UPDATE tree SET ' . one('id = id + 1000', 'up = ' . (1 + any(500)), 'v = -v') . ' WHERE ' . one('id = ' . (1 + any(500)), 'up = ' . (1 + any(170))) . ' RETURNING id, up, v', 'id') },
	sub { 'INSERT INTO tree VALUES (' . any(600) . ', ' . any(600) . ')' },
	sub { 'SELECT bump(id) FROM (SELECT id FROM tree WHERE up = ' . any(100) . ' ORDER BY id) x' },
	sub { 'UPDATE tree SET v = bump(' . (1 + any(500)) . ') WHERE id = ' . (1 + any(500)) },
	sub { 'UPDATE tree t SET v = t.v + 1 WHERE up = ' . any(60) . ' AND ' . one('bump(id + 1) > 0', 'bump(id) > 0', '(SELECT count(*) FROM tree u WHERE u.up = t.id) > 0') },
	sub { 'SELECT walk(' . any(10) . ')' },
	sub { 'BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE pairs SET v = 9999 WHERE b = ' . dec() . '; ' . one('UPDATE pairs SET v = NULL WHERE v = 9999; ', '') . 'COMMIT' },
	sub { 'BEGIN; SAVEPOINT s; DELETE FROM items WHERE k = ' . any(50) . '; ROLLBACK TO s; UPDATE items SET n = 0 WHERE k = ' . any(50) . '; SELECT count(*), sum(n) FROM items; ' . one('COMMIT', 'ROLLBACK') },
	sub { 'BEGIN; UPDATE items SET n = n + 1 WHERE ' . cond('items') . '; SELECT count(*), sum(n), sum(k) FROM items; DELETE FROM items WHERE id = ' . id() . "; INSERT INTO items (id, k, u) SELECT 1000, 1, 'again'; SELECT count(*), sum(n) FROM items; " . one('COMMIT', 'ROLLBACK') },
	sub { 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM items; UPDATE items SET n = n + 1 WHERE ' . cond('items') . '; SELECT walk(' . any(10) . '); SELECT count(*), sum(n) FROM items; COMMIT' },
	sub { 'BEGIN; DECLARE c CURSOR FOR SELECT id FROM items i WHERE ' . cond('i') . ' ORDER BY id FOR UPDATE; FETCH 2 FROM c; UPDATE items SET k = k + 1 WHERE CURRENT OF c; DELETE FROM items WHERE id = ' . id() . '; FETCH 2 FROM c; COMMIT' },
	sub { 'COPY pairs FROM PROGRAM $$printf "' . one('key', 'KEY', 'other') . any(22) . '\\t' . dec() . '\\t\\\\N\\n"$$' },
	sub { one('ANALYZE', 'VACUUM') . ' items' },
);

my @on_main = (
	sub { "UPDATE items SET note = 'main', n = n + 1000 WHERE id " . some() },
	sub { 'DELETE FROM items WHERE k = ' . any(50) },
	sub { 'UPDATE items SET id = id + 20000 WHERE id ' . some() . ' AND id % 3 = 0' },
	sub { "INSERT INTO items (id, k, u) SELECT i, 5, 'm' || i FROM generate_series(" . join(', ', map { $_, $_ + 30 } 2001 + 40 * any(1000)) . ') i ON CONFLICT DO NOTHING' },
	sub { 'UPDATE pairs SET a = lower(a), v = NULL WHERE b < ' . any(30) },
	sub { 'DELETE FROM pairs WHERE b = ' . any(40) },
	sub { 'DELETE FROM tree WHERE id = ' . (100 + any(400)) },
	sub { 'UPDATE tree SET v = 0 WHERE up < ' . any(100) },
	sub { 'UPDATE moods SET v = 0; DELETE FROM moods WHERE m = ' . mood() },
	sub { 'VACUUM ANALYZE items' },
	sub { 'ANALYZE' },
);

my @switches = qw(enable_seqscan enable_indexscan enable_bitmapscan enable_indexonlyscan enable_hashjoin enable_mergejoin enable_nestloop enable_memoize enable_sort enable_material enable_hashagg);

# Runs statements in one session; returns what came back, by statement.
sub transcript
{
	my ($database, @script) = @_;
	my $out = '';
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr($database), '-f', '-' ], '<', \join("\\echo ----\n", map { "$_;\n" } @script), '>&', \$out);
	$out =~ s/^psql:<stdin>:\d+: //mg;
	return split /^----\n/m, $out, -1;
}

my @tables = (['items', 'id'], ['pairs', 'b, a'], ['tree', 'id'], ['moods', 'm, l']);
my ($bad, $rows, $errors) = (0, 0, 0);
foreach my $round (1 .. ($ENV{HELIOS_ROUNDS} // 4))
{
	$node->safe_psql($_, "CREATE BRANCH b$round") foreach @databases;
	foreach my $part (1 .. 5)
	{
		if ($part > 1)
		{
			my @script = map { $on_main[ any(scalar @on_main) ]->() } 1 .. 2;
			transcript($_, @script) foreach @databases;
		}
		my @script = ("USE BRANCH b$round", 'SET statement_timeout = 20000');
		push @script, "SET plan_cache_mode = " . one('auto', 'force_generic_plan'), 'SET work_mem = ' . one("'4MB'", 64), 'SET max_parallel_workers_per_gather = ' . one(0, 0, 2);
		push @script, map { "SET $_ = off" } grep { any(4) == 0 } @switches;
		push @script, map { (map { $changes[ any(scalar @changes) ]->() } 1 .. 6), (map { $queries[ any(scalar @queries) ]->() } 1 .. 12) } 1 .. 3;
		push @script, map { "SELECT * FROM $_->[0] ORDER BY $_->[1]" } @tables;
		my ($ours, $theirs) = map { [ transcript($_, @script) ] } qw(rows whole);
		$rows += () = join('', @$ours) =~ /\n/g;
		$errors += () = join('', @$ours) =~ /^ERROR/mg;
		my ($differs) = grep { ($ours->[$_] // '') ne ($theirs->[$_] // '') } 0 .. $#script;
		next unless defined $differs;
		$bad++;
		diag("seed $seed round $round part $part:\n" . join(";\n", @script[ 0 .. $differs ]));
		diag("$_->[0]: " . substr($_->[1][$differs] // '', 0, 2000)) foreach [ 'rows', $ours ], [ 'whole', $theirs ];
		last;
	}
}
is($bad, 0, 'the same rows');
cmp_ok($rows, '>', 20000, 'of many');
cmp_ok($errors, '>', 10, 'with errors');

done_testing();
