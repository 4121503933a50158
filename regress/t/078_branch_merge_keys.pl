# Merges where rows depend on each other: exchanged values of unique columns, foreign keys, sequences; and what locks a
# branch takes of main's tables.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('keys');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nfsync = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb');

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}

# ---- Exchanged values of unique columns ----

sql(q{CREATE TABLE places (id int PRIMARY KEY, place int NOT NULL UNIQUE, name text, a int, b int, doubled int GENERATED ALWAYS AS (place * 2) STORED UNIQUE, UNIQUE (a, b))},
	'CREATE UNIQUE INDEX ON places (lower(name)) WHERE name IS NOT NULL',
	q{INSERT INTO places SELECT i, i, 'n' || i, i % 3, i FROM generate_series(1, 8) i},
	'CREATE TABLE seats (id int PRIMARY KEY, place int REFERENCES places)', 'INSERT INTO seats SELECT i, i FROM generate_series(1, 4) i',
	'CREATE BRANCH x');
my $places = q{SELECT string_agg(id || ':' || place || ':' || name || ':' || a || ':' || b || ':' || doubled, ',' ORDER BY id) FROM places};
on('x', 'UPDATE places SET place = -place', 'UPDATE places SET place = CASE id WHEN 1 THEN 2 WHEN 2 THEN 1 WHEN 3 THEN 9 WHEN 4 THEN 3 ELSE id END',
	q{UPDATE places SET name = 'x' || name WHERE id IN (5, 6)}, q{UPDATE places SET name = CASE id WHEN 5 THEN 'N6' ELSE 'N5' END WHERE id IN (5, 6)},
	'UPDATE places SET a = 100 WHERE id IN (7, 8)', 'UPDATE places SET a = CASE id WHEN 7 THEN 2 ELSE 1 END, b = CASE id WHEN 7 THEN 8 ELSE 7 END WHERE id IN (7, 8)');
sql(q{ALTER TABLE places ADD COLUMN only_main text DEFAULT 'm'}, q{UPDATE places SET only_main = 'kept' WHERE id = 1});
my $wanted = on('x', $places);
is(sql(q{SELECT inserted, updated, deleted FROM heliosdb.merge_branch('x')}), '0|8|0', 'rows that exchange values are merged, and counted as updated');
is(sql($places), $wanted, 'as they are on the branch');
is(sql('SELECT only_main FROM places WHERE id IN (1, 2) ORDER BY id', 'SELECT count(*) FROM seats'), "kept\nm\n4", 'with columns that only main has, and what refers to them');
on('x', 'UPDATE places SET place = 20 WHERE id = 1', 'INSERT INTO places (id, place) VALUES (9, 2)', 'DELETE FROM places WHERE id = 5', q{UPDATE places SET name = 'n6' WHERE id = 7}, q{UPDATE places SET name = 'n7' WHERE id = 8});
sql('MERGE BRANCH x INTO main WITH (delete_branch_after = true)');
is(sql('SELECT id, place, name FROM places WHERE id IN (1, 7, 8, 9) ORDER BY id'), "1|20|n1\n7|7|n6\n8|8|n7\n9|2|", 'values that are free once others have gone');

sql('CREATE BRANCH y', 'ALTER TABLE seats DROP CONSTRAINT seats_place_fkey, ADD FOREIGN KEY (place) REFERENCES places ON DELETE CASCADE');
on('y', 'UPDATE places SET place = 100 WHERE id = 1', 'UPDATE places SET place = 20 WHERE id = 2', 'UPDATE places SET place = 1 WHERE id = 1');
fails('not where a foreign key would act on it', qr/ERROR:  55000: rows of table public\.places have exchanged values of unique columns, and table public\.seats refers to them.*seats_place_fkey.*DEFERRABLE/s, 'MERGE BRANCH y INTO main');
sql('ALTER TABLE places DROP CONSTRAINT places_place_key, DROP CONSTRAINT places_doubled_key, ADD UNIQUE (place) DEFERRABLE', 'MERGE BRANCH y INTO main WITH (delete_branch_after = true)');
is(sql('SELECT id, place FROM places WHERE id < 3 ORDER BY id', 'SELECT count(*) FROM seats'), "1|1\n2|20\n4", 'but where the constraint is deferrable');

# ---- Rows deleted on the branch that others refer to ----

foreach my $action ('CASCADE', 'SET NULL', 'NO ACTION')
{
	my $setup = sub {
		sql('DROP TABLE IF EXISTS bag, leaf, child, parent',
			'CREATE TABLE parent (id int PRIMARY KEY, n int)', "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE $action, n int)",
			"CREATE TABLE leaf (id int PRIMARY KEY, child int REFERENCES child ON DELETE $action)", "CREATE TABLE bag (parent int REFERENCES parent ON DELETE $action)",
			'INSERT INTO parent SELECT i, 0 FROM generate_series(1, 9) i', 'INSERT INTO child SELECT i, i, 0 FROM generate_series(1, 7) i', 'INSERT INTO leaf SELECT i, i FROM generate_series(1, 5) i',
			'INSERT INTO bag SELECT generate_series(1, 3)', 'CREATE BRANCH c'); };
	my $rows = q{SELECT (SELECT string_agg(id::text, ',' ORDER BY id) FROM parent), (SELECT string_agg(id || ':' || COALESCE(parent::text, '-'), ',' ORDER BY id) FROM child), (SELECT string_agg(id || ':' || COALESCE(child::text, '-'), ',' ORDER BY id) FROM leaf), (SELECT string_agg(COALESCE(parent::text, '-'), ',' ORDER BY parent) FROM bag)};

	$setup->();
	on('c', 'DELETE FROM leaf WHERE child IN (1, 2)', 'DELETE FROM child WHERE parent IN (1, 2)', 'DELETE FROM bag WHERE parent = 1', 'DELETE FROM bag WHERE parent = 2', 'DELETE FROM parent WHERE id IN (1, 2)');
	$wanted = on('c', $rows);
	sql('MERGE BRANCH c INTO main WITH (delete_branch_after = true)');
	is(sql($rows), $wanted, "$action: rows that go with those that refer to them");

	$setup->();
	on('c', 'UPDATE child SET parent = 9 WHERE id = 4', 'INSERT INTO parent VALUES (10)', 'UPDATE child SET parent = 10 WHERE id = 5', 'UPDATE leaf SET child = 5 WHERE id = 6', 'DELETE FROM parent WHERE id IN (4, 5)', 'UPDATE leaf SET child = 3 WHERE id = 2', 'DELETE FROM bag WHERE parent = 2', 'DELETE FROM child WHERE id = 2', 'DELETE FROM parent WHERE id = 2');
	$wanted = on('c', $rows);
	sql('MERGE BRANCH c INTO main WITH (delete_branch_after = true)');
	is(sql($rows), $wanted, "$action: rows that others referred to before they were changed");

	$setup->();
	on('c', 'DELETE FROM parent WHERE id IN (8, 9)', 'UPDATE parent SET n = 1 WHERE id = 6');
	sql('INSERT INTO child VALUES (20, 8), (21, 7)');
	is(sql(q{SELECT relation, key, action FROM heliosdb.merge_preview('c') WHERE conflict}), 'parent|(8)|delete', "$action: a preview shows a row that main refers to since");
	fails("$action: a merge fails", qr/ERROR:  23000: branch "c" cannot be merged: 1 row was changed on both sides.*public\.parent: \(8\) deleted on the branch, referenced from public\.child/s, 'MERGE BRANCH c INTO main');
	is(sql('SELECT count(*) FROM child', 'SELECT count(*) FROM parent'), "9\n9", "$action: nothing is changed");
	if ($action eq 'CASCADE')
	{
		sql('BEGIN', 'MERGE BRANCH c INTO main WITH (conflict_resolution = branch_wins)', 'COMMIT', 'DROP BRANCH c');
		is(sql('SELECT count(*) FROM child', 'SELECT count(*) FROM parent'), "8\n7", "$action: the branch wins, and the row goes along");
		$setup->();
		on('c', 'DELETE FROM parent WHERE id IN (8, 9)');
		sql('INSERT INTO child VALUES (20, 8), (21, 7)');
	}
	sql('MERGE BRANCH c INTO main WITH (conflict_resolution = target_wins, delete_branch_after = true)');
	is(sql('SELECT count(*) FROM child', q{SELECT string_agg(id::text, ',' ORDER BY id) FROM parent}), "9\n1,2,3,4,5,6,7,8", "$action: the target wins, and it stays");

	# What stays keeps what it refers to; what main has changed refers there as well.
	$setup->();
	on('c', 'DELETE FROM leaf WHERE id = 1', 'DELETE FROM child WHERE id = 1', 'DELETE FROM bag WHERE parent IN (1, 2)', 'DELETE FROM parent WHERE id = 1', 'DELETE FROM parent WHERE id = 9');
	sql('INSERT INTO leaf VALUES (30, 1)', 'UPDATE child SET parent = 9 WHERE id = 7');
	is(sql(q{SELECT string_agg(relation || key, ' ' ORDER BY relation::text, key) FROM heliosdb.merge_preview('c') WHERE conflict}), 'child(1) parent(1) parent(9)', "$action: what stays keeps others");
	sql('MERGE BRANCH c INTO main WITH (conflict_resolution = target_wins, delete_branch_after = true)');
	is(sql('SELECT count(*) FROM parent', 'SELECT count(*) FROM child', 'SELECT string_agg(id::text, \',\' ORDER BY id) FROM leaf', 'SELECT count(*) FROM bag'), "9\n7\n2,3,4,5,30\n1", "$action: all of them");

	$setup->();
	on('c', 'DELETE FROM parent WHERE id = 9');
	sql('INSERT INTO bag VALUES (9)', 'CREATE TABLE late (parent int REFERENCES parent)', 'INSERT INTO late VALUES (8)');
	on('c', 'DELETE FROM parent WHERE id = 8');
	is(sql(q{SELECT string_agg(key, ' ' ORDER BY key) FROM heliosdb.merge_preview('c') WHERE conflict}), '(8) (9)', "$action: tables without a primary key, and later ones");
	sql('DROP BRANCH c', 'DROP TABLE late');
}

# Tables that the merging role may not read.
sql('CREATE ROLE merger LOGIN', 'GRANT CREATE ON DATABASE postgres TO merger', 'CREATE TABLE open_parent (id int PRIMARY KEY)', 'INSERT INTO open_parent VALUES (1), (2), (3)',
	'GRANT ALL ON open_parent TO merger', q{SELECT heliosdb.track('open_parent')}, 'CREATE BRANCH first', 'SET ROLE merger', 'CREATE BRANCH g');
on('g', 'SET ROLE merger', 'DELETE FROM open_parent WHERE id < 3');
sql('CREATE TABLE closed (parent int REFERENCES open_parent ON DELETE CASCADE)', 'INSERT INTO closed VALUES (1)');
fails('a table that the role may not read', qr/ERROR:  42501: rows of table public\.closed may refer to rows of public\.open_parent that the branch has deleted/, 'SET ROLE merger', 'MERGE BRANCH g INTO main');
sql('ALTER TABLE closed DROP CONSTRAINT closed_parent_fkey, ADD FOREIGN KEY (parent) REFERENCES open_parent');
fails('where the foreign key refuses', qr/ERROR:  23503/, 'SET ROLE merger', 'MERGE BRANCH g INTO main');
sql('DELETE FROM closed', 'SET ROLE merger', 'MERGE BRANCH g INTO main', 'DROP BRANCH g', 'RESET ROLE', 'DROP BRANCH first', 'DROP TABLE closed');
is(sql('SELECT string_agg(id::text, \',\') FROM open_parent'), '3', 'and where nothing refers there');

sql('CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE)', 'INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, NULL)', 'CREATE BRANCH t');
on('t', 'UPDATE tree SET up = 5 WHERE id = 4', 'DELETE FROM tree WHERE id = 1');
sql('MERGE BRANCH t INTO main');
is(sql('SELECT id, up FROM tree ORDER BY id'), "4|5\n5|", 'a tree, of which a part was moved');
on('t', 'DELETE FROM tree WHERE id = 5');
sql('INSERT INTO tree VALUES (6, 4)');
is(sql(q{SELECT string_agg(key, ' ' ORDER BY key) FROM heliosdb.merge_preview('t') WHERE conflict}), '(4) (5)', 'a tree that main has let grow');
sql('MERGE BRANCH t INTO main WITH (conflict_resolution = target_wins, delete_branch_after = true)');
is(sql('SELECT id, up FROM tree ORDER BY id'), "4|5\n5|\n6|4", 'stays up to its root');

# ---- Random changes on the branch alone: main becomes what the branch is ----

my $seed = $ENV{HELIOS_SEED} // 78;
srand($seed);
sub any { return int(rand($_[0])); }
my %random = (
	p => [ sub { 'INSERT INTO p SELECT ' . any(30) . ', ' . (100 + any(1000)) . ' ON CONFLICT DO NOTHING' }, sub { my ($a, $b) = (any(20), any(20)); "UPDATE p SET u = -u WHERE id IN ($a, $b); UPDATE p SET u = CASE id WHEN $a THEN -(SELECT u FROM p WHERE id = $b) ELSE -(SELECT u FROM p WHERE id = $a) END WHERE id IN ($a, $b) AND u < 0" },
		sub { 'UPDATE p SET u = 2000 + (SELECT max(u) FROM p) WHERE id = ' . any(30) }, sub { 'DELETE FROM p WHERE id = ' . any(30) } ],
	c => [ sub { 'INSERT INTO c SELECT ' . any(60) . ', (SELECT id FROM p ORDER BY random() LIMIT 1), ' . any(500) . ' ON CONFLICT DO NOTHING' }, sub { 'UPDATE c SET p = (SELECT id FROM p WHERE id >= ' . any(25) . ' ORDER BY id LIMIT 1) WHERE id % 7 = ' . any(7) },
		sub { my $shift = 1000 + any(1000); "UPDATE c SET v = v + $shift; UPDATE c SET v = v - $shift - 1" }, sub { 'DELETE FROM c WHERE id % 9 = ' . any(9) }, sub { 'UPDATE c SET id = id + 100 WHERE id = ' . any(60) } ],
	tree => [ sub { 'INSERT INTO tree SELECT ' . any(40) . ', (SELECT id FROM tree ORDER BY random() LIMIT 1) ON CONFLICT DO NOTHING' }, sub { 'UPDATE tree SET up = (SELECT min(id) FROM tree) WHERE id = ' . any(40) }, sub { 'DELETE FROM tree WHERE id = ' . any(40) } ]);
my $all = q{SELECT (SELECT string_agg(id || ':' || u, ',' ORDER BY id) FROM p), (SELECT string_agg(id || ':' || COALESCE(p::text, '-') || ':' || v, ',' ORDER BY id) FROM c), (SELECT string_agg(id || ':' || COALESCE(up::text, '-'), ',' ORDER BY id) FROM tree)};
my ($wrong, $exchanged, $rounds) = (0, 0, $ENV{HELIOS_ROUNDS} // 8);
foreach my $round (1 .. $rounds)
{
	my $action = ('CASCADE', 'SET NULL', 'NO ACTION')[ any(3) ];
	sql('DROP TABLE IF EXISTS tree, c, p', 'CREATE TABLE p (id int PRIMARY KEY, u int NOT NULL UNIQUE)', "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE $action, v int UNIQUE)",
		"CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE $action DEFERRABLE INITIALLY DEFERRED)",
		'INSERT INTO p SELECT i, i FROM generate_series(0, 19) i', 'INSERT INTO c SELECT i, i % 20, i FROM generate_series(0, 39) i', 'INSERT INTO tree SELECT i, NULLIF(i / 2, i) FROM generate_series(0, 19) i', 'CREATE BRANCH r');
	foreach my $merge (1 .. 3)
	{
		foreach (1 .. 6)
		{
			my @pool = @{ $random{ (sort keys %random)[ any(3) ] } };
			$node->psql('postgres', 'USE BRANCH r; BEGIN; ' . $pool[ any(scalar @pool) ]->() . '; COMMIT');
		}
		my $expected = on('r', $all);
		my ($status, $output, $error) = $node->psql('postgres', 'MERGE BRANCH r INTO main');
		$exchanged++ if $error =~ /have exchanged values/;
		next if $error =~ /have exchanged values/ && $action ne 'NO ACTION';
		my $result = sql($all);
		next if $result eq $expected && $error !~ /ERROR/;
		$wrong++;
		diag("seed $seed, round $round, merge $merge, $action:\n$error\nexpected $expected\nis       $result");
	}
	sql('DROP BRANCH r');
}
is($wrong, 0, 'main is what the branch is');
cmp_ok($exchanged, '<', 2 * $rounds, 'mostly');

# ---- Sequences of main move on while others take values ----

sql('CREATE SEQUENCE up', 'CREATE SEQUENCE down INCREMENT -1', 'CREATE SEQUENCE unused', 'CREATE SEQUENCE ahead', q{SELECT nextval('up'), nextval('down'), nextval('ahead')}, 'CREATE BRANCH s');
on('s', q{SELECT setval('up', 100), setval('down', -100), nextval('unused'), nextval('ahead')});
sql(q{SELECT setval('ahead', 700)});
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; ALTER SEQUENCE up OWNED BY NONE');
my $out = '';
my $merging = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'MERGE BRANCH s INTO main' ], '>&', \$out);
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}), 'the merge waits');
$other->query_safe(q{SELECT setval('up', 500); COMMIT});
$merging->finish;
$other->quit;
is($out, '', 'and goes on');
is(sql(q{SELECT nextval('up'), nextval('down'), nextval('unused'), nextval('ahead')}), '501|-101|2|701', 'values that others have taken meanwhile are not taken again');
on('s', q{SELECT nextval('up')});
$node->stop('immediate');
$node->start;
is(sql(q{SELECT nextval('down') < -101, nextval('unused') > 2}), 't|t', 'nor after a crash');
on('s', 'ALTER SEQUENCE up MAXVALUE 10000000000', q{SELECT setval('up', 9999999999)});
sql('ALTER SEQUENCE up MAXVALUE 1000');
fails('values that main cannot have', qr/ERROR:  22003: sequence "up" cannot go on behind value 9999999999/, 'MERGE BRANCH s INTO main');

# ---- Locks of main's tables ----

sql('CREATE TABLE locked (id int PRIMARY KEY, n int)', 'INSERT INTO locked SELECT i, 0 FROM generate_series(1, 5) i',
	'CREATE TABLE whole (id int PRIMARY KEY, n int) PARTITION BY RANGE (id)', 'CREATE TABLE part PARTITION OF whole DEFAULT', 'INSERT INTO whole SELECT i, 0 FROM generate_series(1, 5) i', 'CREATE BRANCH l');
my $held = q{SELECT string_agg(DISTINCT l.mode, ',' ORDER BY l.mode) FROM pg_locks l WHERE l.relation IN ('locked'::regclass, 'whole'::regclass, 'part'::regclass) AND l.pid <> pg_backend_pid()};
my $copies = q{SELECT string_agg(DISTINCT l.mode, ',' ORDER BY l.mode) FROM pg_locks l JOIN heliosdb.branch_relations r ON r.local_relid = l.relation WHERE r.main_relid IN ('locked'::regclass, 'whole'::regclass, 'part'::regclass) AND l.pid <> pg_backend_pid()};
on('l', 'UPDATE locked SET n = n', 'UPDATE whole SET n = n');
foreach my $statement ('UPDATE locked SET n = 1 WHERE id = 1', 'INSERT INTO locked VALUES (1) ON CONFLICT (id) DO UPDATE SET n = excluded.n', 'DELETE FROM locked WHERE id = 9',
	'MERGE INTO locked USING whole ON whole.id = locked.id WHEN MATCHED THEN UPDATE SET n = 2', 'WITH w AS (UPDATE locked SET n = 3 RETURNING id) SELECT count(*) FROM w', 'EXPLAIN ANALYZE UPDATE locked SET n = 4',
	'EXECUTE changed(1)', 'UPDATE whole SET n = 1', q{DO 'BEGIN UPDATE locked SET n = 6; END'})
{
	my $session = $node->background_psql('postgres');
	$session->query_safe('USE BRANCH l');
	$session->query_safe('SET plan_cache_mode = force_generic_plan; PREPARE changed AS UPDATE locked SET n = 5 WHERE id = $1; EXECUTE changed(2)');
	$session->query_safe("BEGIN; $statement");
	is(sql($held), 'AccessShareLock', "main is not locked for writing: $statement");
	like(sql($copies), qr/RowExclusiveLock/, 'but the copy is');
	is(sql(q{SET lock_timeout = '1s'}, 'BEGIN', 'CREATE INDEX ON locked (n)', 'CREATE INDEX ON whole (n)', 'SELECT 1', 'ROLLBACK'), '1', 'an index can be created');
	$session->query_safe('ROLLBACK');
	$session->quit;
}
my $reader = $node->background_psql('postgres');
$reader->query_safe('USE BRANCH l');
$reader->query_safe('BEGIN; SELECT * FROM locked WHERE id = 1 FOR UPDATE');
is(sql($held) . sql($copies), 'AccessShareLockAccessShareLock,RowShareLock', 'FOR UPDATE');
$reader->query_safe('UPDATE locked SET n = 7 WHERE id = 1');
my $out_of_merge = '';
$merging = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'MERGE BRANCH l INTO main' ], '>&', \$out_of_merge);
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}), 'a merge waits for who writes the copy');
$reader->query_safe('COMMIT');
$merging->finish;
is($out_of_merge . sql('SELECT n FROM locked WHERE id = 1'), '7', 'and has what was written');
is($reader->query_safe('BEGIN; USE BRANCH main; UPDATE locked SET n = 8; USE BRANCH l; UPDATE locked SET n = 9'), '', 'main and a branch in one transaction');
like(sql($held), qr/RowExclusiveLock/, 'what is written on main is locked for it');
$reader->quit;

done_testing();
