# Merges of branches into the branches that they come from: tables that are where they are for different reasons,
# definitions, triggers and constraints of the target, refusals, merges of both levels in turn, kills.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('nested');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nrestart_after_crash = on\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE ROLE member LOGIN;
	CREATE TABLE customers (id int PRIMARY KEY, name text, city text);
	CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, n int, note text);
	CREATE TABLE audit (seq serial PRIMARY KEY, what text);
	CREATE TABLE alone (id int PRIMARY KEY, a int, b int);
	CREATE TABLE bag (a int, b text);
	CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE parts_high PARTITION OF parts DEFAULT;
	CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF heliosdb.current_branch() = 'p' THEN INSERT INTO audit (what) VALUES (TG_OP || ' ' || COALESCE(NEW.id, OLD.id)); END IF; RETURN NULL; END$$;
	CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
	INSERT INTO customers SELECT i, 'c' || i, 'x' FROM generate_series(1, 5) i;
	INSERT INTO orders (customer, n) SELECT i, i FROM generate_series(1, 5) i;
	INSERT INTO alone SELECT i, 0, 0 FROM generate_series(1, 5) i;
	INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (2, 'y');
	INSERT INTO parts SELECT i, 'p' FROM generate_series(5, 14) i});

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}
my $everything = q{SELECT (SELECT string_agg(c::text, ' ' ORDER BY id) FROM customers c), (SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o), (SELECT string_agg(what, ' ' ORDER BY seq) FROM audit), (SELECT string_agg(t::text, ' ' ORDER BY id) FROM alone t), (SELECT string_agg(t::text, ' ' ORDER BY a) FROM bag t), (SELECT string_agg(id || v, ' ' ORDER BY id) FROM parts)};

# ---- What may be merged into what ----

sql('CREATE BRANCH p', 'CREATE BRANCH c FROM p', 'CREATE BRANCH g FROM c', 'CREATE BRANCH side');
fails('a branch of a branch into main', qr/ERROR:  0A000: branch "c" cannot be merged into branch "main".*DETAIL:  It comes from branch "p".*HINT:  MERGE BRANCH c INTO p first/s, 'MERGE BRANCH c INTO main');
fails('into another one than the parent', qr/ERROR:  0A000: branch "g" cannot be merged into branch "p".*HINT:  MERGE BRANCH g INTO c first/s, 'MERGE BRANCH g INTO p');
fails('of main into a side branch', qr/ERROR:  0A000: branch main cannot be merged into branch "side"/, 'MERGE BRANCH main INTO side');
fails('of a parent into its child', qr/ERROR:  0A000: branch "p" cannot be merged into branch "c".*HINT:  A branch is merged into the one that it comes from/s, 'MERGE BRANCH p INTO c');
fails('between siblings', qr/ERROR:  0A000: branch "side" cannot be merged into branch "p"/, 'MERGE BRANCH side INTO p');
fails('into itself', qr/ERROR:  22023: branch p cannot be merged into itself/, 'MERGE BRANCH p INTO p');
fails('into none', qr/ERROR:  42704: branch "nobody" does not exist/, 'MERGE BRANCH p INTO nobody');
fails('previews too', qr/ERROR:  0A000: branch "g" cannot be merged into branch "main"/, q{SELECT * FROM heliosdb.merge_preview('g')});
sql('DROP BRANCH side', 'DROP BRANCH g', 'DROP BRANCH c', 'DROP BRANCH p');

# ---- Tables of every history ----

my $main = sql($everything);
sql('CREATE BRANCH p');
# The parent has changed customers, orders and audit before the fork, alone after it, bag and parts never.
on('p', q{UPDATE customers SET city = 'p' WHERE id = 1}, q{INSERT INTO orders (customer, n) VALUES (1, 6)});
sql('CREATE BRANCH c FROM p');
on('p', 'UPDATE alone SET b = 9 WHERE id IN (1, 2)', 'DELETE FROM alone WHERE id = 5', q{UPDATE customers SET city = 'later' WHERE id = 2});
on('c', 'UPDATE alone SET a = 7 WHERE id IN (2, 3)', q{UPDATE customers SET name = 'C' WHERE id IN (2, 3)}, 'DELETE FROM customers WHERE id = 4', q{INSERT INTO orders (customer, n) VALUES (5, 70)},
	q{DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag)}, q{INSERT INTO bag VALUES (3, 'z')}, q{UPDATE parts SET v = 'q' WHERE id IN (5, 12)}, 'UPDATE parts SET id = 20 WHERE id = 6');
is(sql(q{SELECT relation, key, action, conflict FROM heliosdb.merge_preview('c', 'p') ORDER BY relation::text, key}),
	"alone|(2)|update|f\nalone|(3)|update|f\nbag|(1,x)|delete|f\nbag|(3,z)|insert|f\ncustomers|(2)|update|f\ncustomers|(3)|update|f\ncustomers|(4)|delete|f\norders|(4)|delete|f\norders|(7)|insert|f\nparts|(12)|update|f\nparts|(20)|insert|f\nparts|(5)|update|f\nparts|(6)|delete|f",
	'a preview');
is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'heliosdb\_c%' AND relname = 'bag'}), '1', 'makes no copies');
is(sql(q{SELECT * FROM heliosdb.merge_branch('c', 'p')}), '3|6|4', 'the merge');
is(on('p', $everything), '(1,c1,p) (2,C,later) (3,C,x) (5,c5,x)|(1,1,1,) (2,2,2,) (3,3,3,) (5,5,5,) (6,1,6,) (7,5,70,)|INSERT 6 DELETE 4 INSERT 7|(1,0,9) (2,7,9) (3,7,0) (4,0,0)|(1,x) (2,y) (3,z)|5q 7p 8p 9p 10p 11p 12q 13p 14p 20p', 'cells of both sides; triggers of the target run on it')
	or diag(on('p', $everything));
is(sql($everything), $main, 'main is left alone');
is(on('p', 'INSERT INTO orders (customer, n) VALUES (1, 8) RETURNING id'), '8', 'its sequences go on behind those of the branch');
is(sql(q{SELECT * FROM heliosdb.merge_branch('c', 'p')}, q{SELECT count(*) FROM heliosdb.merge_preview('c', 'p')}), "0|0|0\n0", 'again, there is nothing to do');
on('c', 'UPDATE alone SET a = 8 WHERE id = 3', q{UPDATE customers SET city = 'c' WHERE id = 2});
fails('a conflict', qr/ERROR:  23000: branch "c" cannot be merged: 1 row was changed on both sides.*DETAIL:  public.customers: \(2\)/s, 'MERGE BRANCH c INTO p');
is(sql('MERGE BRANCH c INTO p WITH (conflict_resolution = target_wins)') . on('p', 'SELECT a FROM alone WHERE id = 3', 'SELECT city FROM customers WHERE id = 2'), "8\nlater", 'decided');
fails('foreign keys of the target', qr/ERROR:  23503.*orders_customer_fkey/s, 'USE BRANCH p', 'DELETE FROM customers WHERE id = 5', 'USE BRANCH c', 'INSERT INTO orders (id, customer, n) VALUES (900, 5, 9)', 'USE BRANCH main', 'MERGE BRANCH c INTO p');
on('c', 'DELETE FROM orders WHERE n = 9');
fails('a change of the branch behind the merge', qr/ERROR:  25001/, 'BEGIN', 'MERGE BRANCH c INTO p', 'USE BRANCH c', 'UPDATE alone SET a = 1');
fails('a merge into what was merged', qr/ERROR:  25001/, 'USE BRANCH c', 'UPDATE alone SET a = 11', 'USE BRANCH main', 'BEGIN', 'MERGE BRANCH p INTO main', 'MERGE BRANCH c INTO p');
fails('one snapshot', qr/ERROR:  25001/, 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'MERGE BRANCH c INTO p');

# ---- Both levels in turn ----

sql('MERGE BRANCH p INTO main');
my $merged = sql('SELECT string_agg(t::text, \' \' ORDER BY id) FROM alone t');
is($merged, '(1,0,9) (2,7,9) (3,8,0) (4,0,0)', 'the parent into main');
sql('UPDATE alone SET b = 100 WHERE id = 4');
on('c', 'UPDATE alone SET b = 3 WHERE id = 1');
fails('what both have changed', qr/ERROR:  23000/, 'USE BRANCH p', 'UPDATE alone SET b = 4 WHERE id = 1', 'USE BRANCH main', 'MERGE BRANCH c INTO p');
sql('MERGE BRANCH c INTO p WITH (strategy = theirs)', 'MERGE BRANCH p INTO main');
is(sql('SELECT string_agg(t::text, \' \' ORDER BY id) FROM alone t'), '(1,11,3) (2,11,9) (3,11,0) (4,11,100) (5,11,0)', 'everything arrives once');
fails('delete_branch_after with branches that come from it', qr/ERROR:  2BP01/, 'MERGE BRANCH p INTO main WITH (delete_branch_after = true)');
sql('MERGE BRANCH c INTO p WITH (delete_branch_after = true)', 'MERGE BRANCH p INTO main WITH (delete_branch_after = true)');
is(sql('SELECT count(*) FROM pg_branches'), '1', 'delete_branch_after');

# ---- Definitions ----

sql('CREATE BRANCH p');
on('p', 'CREATE TABLE made (id serial PRIMARY KEY, t text)', q{INSERT INTO made (t) VALUES ('a')}, 'ALTER TABLE alone ADD COLUMN p int DEFAULT 1');
sql('CREATE BRANCH c FROM p');
on('p', 'ALTER TABLE made ADD COLUMN later int DEFAULT 5');
on('c', 'ALTER TABLE made ADD COLUMN more text DEFAULT \'m\'', q{INSERT INTO made (t) VALUES ('b')}, 'CREATE INDEX made_t ON made (t)', 'ALTER TABLE made ADD CONSTRAINT short CHECK (length(t) < 9)',
	'CREATE TABLE newer (id serial PRIMARY KEY, made int REFERENCES made, alone int REFERENCES alone)', 'INSERT INTO newer (made, alone) VALUES (2, 1)', 'UPDATE alone SET p = 2 WHERE id = 1',
	'ALTER TABLE customers ADD COLUMN extra int', 'UPDATE customers SET extra = id', 'CREATE VIEW seen AS SELECT * FROM newer', 'CREATE TABLE loose (a int)', 'INSERT INTO loose VALUES (1), (1)');
is(sql(q{SELECT relation, key, action FROM heliosdb.merge_preview('c', 'p') WHERE action NOT IN ('update', 'insert') ORDER BY action DESC, 1} =~ s/relation, /regexp_replace(relation::text, '.*\\.', ''), /r), "loose||create\nnewer||create\ncustomers|extra|add column\nmade|more|add column", 'a preview of definitions');
my ($status, $out, $error) = $node->psql('postgres', 'MERGE BRANCH c INTO p');
like($error, qr/WARNING:  view "seen" of branch "c" is not merged\nHINT:  Create it on branch "p"/, 'views are left out');
unlike($error, qr/ERROR/, 'the rest is merged');
is(on('p', 'SELECT id, t, later, more FROM made ORDER BY id', 'SELECT * FROM newer', 'SELECT p FROM alone WHERE id = 1', 'SELECT extra FROM customers WHERE id = 1', 'SELECT count(*) FROM loose', 'INSERT INTO newer DEFAULT VALUES RETURNING id'), "1|a|5|m\n2|b|5|m\n1|2|1\n2\n1\n2\n2", 'columns and tables');
fails('constraints', qr/ERROR:  23514.*short/, 'USE BRANCH p', q{UPDATE made SET t = 'too long for that'});
fails('foreign keys', qr/ERROR:  23503.*newer_made_fkey/, 'USE BRANCH p', 'UPDATE newer SET made = 77');
is(on('p', q{SELECT count(*) FROM pg_indexes WHERE indexname = 'made_t' AND schemaname LIKE 'heliosdb\_b%'}), '2', 'indexes');
on('c', 'UPDATE newer SET alone = 2', q{INSERT INTO made (t) VALUES ('c')});
is(sql(q{SELECT * FROM heliosdb.merge_branch('c', 'p')}) . '|' . on('p', 'SELECT alone FROM newer WHERE id = 1', 'SELECT max(id) FROM made'), "1|1|0|2\n3", 'and again');
is(sql('MERGE BRANCH p INTO main') . sql('SELECT id, t, later, more FROM made ORDER BY id', 'SELECT count(*) FROM newer', 'SELECT count(*) FROM loose'), "1|a|5|m\n2|b|5|m\n3|c|5|m\n2\n2", 'then into main');
on('c', q{UPDATE made SET t = 'c2' WHERE id = 3});
is(sql('MERGE BRANCH c INTO p', 'MERGE BRANCH p INTO main', 'SELECT t FROM made WHERE id = 3'), 'c2', 'and what comes later');
sql('CREATE BRANCH d FROM p');
on('p', 'CREATE TABLE twice (a int)');
fails('a table that both have created', qr/ERROR:  42P07: table "twice" cannot be merged/, 'USE BRANCH d', 'CREATE TABLE twice (b int)', 'USE BRANCH main', 'MERGE BRANCH d INTO p');
on('d', 'DROP TABLE twice');
on('d', 'ALTER TABLE made DROP COLUMN later');
fails('a dropped column', qr/ERROR:  55000: table public.made cannot be merged: column "later" was dropped on the branch/, 'MERGE BRANCH d INTO p');
sql('DROP BRANCH d', 'CREATE BRANCH d FROM p');
on('d', 'DROP TABLE loose');
fails('a dropped table', qr/ERROR:  55000: branch "d" cannot be merged: it dropped table public.loose/, 'MERGE BRANCH d INTO p');
on('p', 'DROP TABLE loose');
is(sql(q{SELECT * FROM heliosdb.merge_branch('d', 'p')}), '0|0|0', 'dropped on both sides');
on('d', 'UPDATE newer SET alone = 1');
on('p', 'DROP TABLE newer');
fails('a table that the target has dropped', qr/ERROR:  55000: table "newer" of branch "d" cannot be merged: it was dropped on branch "p"/, 'MERGE BRANCH d INTO p');
sql('DROP BRANCH d', 'DROP BRANCH c', 'DROP BRANCH p');

# ---- A parent that has not changed a table, to any depth; privileges ----

sql('CREATE BRANCH p', 'USE BRANCH p', 'UPDATE alone SET a = 1 WHERE id = 1', 'CREATE BRANCH c', 'CREATE BRANCH g FROM c');
on('g', 'UPDATE alone SET a = 2 WHERE id = 2', q{UPDATE parts SET v = 'g' WHERE id = 7});
is(sql('MERGE BRANCH g INTO c') . on('c', 'SELECT a FROM alone WHERE id IN (1, 2) ORDER BY id', 'SELECT v FROM parts WHERE id = 7') . '|' . on('p', 'SELECT v FROM parts WHERE id = 7'), "1\n2\ng|p", 'into one that has inherited the table and not changed it');
is(on('p', 'MERGE BRANCH c INTO p', 'SELECT v FROM parts WHERE id = 7', 'MERGE BRANCH p INTO main', 'USE BRANCH main', 'SELECT v FROM parts WHERE id = 7'), "g\ng", 'and on, from a session on the target');
sub as_member { my ($status, $out, $error) = $node->psql('postgres', join('; ', @_), extra_params => [ '-U', 'member' ]); return $status ? $error : $out; }
sql('GRANT CREATE ON DATABASE postgres TO member', 'GRANT ALL ON alone TO member');
is(as_member('CREATE BRANCH m FROM p', 'USE BRANCH m', 'UPDATE alone SET a = 5 WHERE id = 3 RETURNING a', 'USE BRANCH main', 'MERGE BRANCH m INTO p'), '5', 'a role merges its branch into that of another');
is(on('p', 'SELECT a FROM alone WHERE id = 3'), '5', 'which has the change');
like(as_member('MERGE BRANCH p INTO main'), qr/must be owner of branch "p"/, 'but not that one');
sql('REVOKE UPDATE ON alone FROM member', 'USE BRANCH m', 'UPDATE alone SET a = 6 WHERE id = 3');
like(as_member('MERGE BRANCH m INTO p'), qr/permission denied for table alone/, 'nor without privileges on the tables');

# ---- Kills ----

my $before = on('p', $everything);
on('m', q{INSERT INTO customers SELECT i, 'k', 'k' FROM generate_series(100, 200) i}, 'CREATE TABLE killed (a int)');
my $log = -s $node->logfile;
my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
$victim->query_safe('BEGIN; MERGE BRANCH m INTO p');
kill 'KILL', $pid;
$node->wait_for_log(qr/database system is ready to accept connections/, $log);
$node->poll_query_until('postgres', 'SELECT true');
is(on('p', $everything), $before, 'a kill before the end of a merge');
is(sql(q{SELECT (heliosdb.merge_branch('m', 'p')).inserted}) . on('p', 'SELECT count(*) FROM customers WHERE id >= 100', 'SELECT count(*) FROM killed'), "101101\n0", 'it can be done again');

done_testing();
