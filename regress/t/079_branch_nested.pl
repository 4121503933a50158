# Branches of branches: what they have from their parents, what nobody takes from them, past states of branches, names,
# sequences, privileges, and all that under concurrency, after kills and on a standby.
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
	CREATE ROLE member LOGIN;
	CREATE SCHEMA other;
	CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text);
	CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, note text UNIQUE, n int DEFAULT 7 CHECK (n > 0));
	CREATE TABLE notes (a int, b text);
	CREATE TABLE untouched (id int PRIMARY KEY, v text);
	CREATE TABLE other.far (id int PRIMARY KEY, v text);
	CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE parts_high PARTITION OF parts DEFAULT;
	CREATE VIEW named AS SELECT o.note, c.name FROM orders o JOIN customers c ON c.id = o.customer;
	CREATE SEQUENCE counter;
	INSERT INTO customers VALUES (1, 'ann', 'x'), (2, 'bob', 'y'), (3, 'cyd', 'z');
	INSERT INTO orders (customer, note) VALUES (1, 'a'), (2, 'b');
	INSERT INTO notes VALUES (1, 'x'), (1, 'x'), (2, 'y');
	INSERT INTO untouched VALUES (1, 'main');
	INSERT INTO other.far VALUES (1, 'main');
	INSERT INTO parts SELECT i, 'p' || i FROM generate_series(5, 14) i});

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }
sub session { my $s = $node->background_psql('postgres', on_error_stop => 0); $s->query_safe("USE BRANCH $_[0]"); return $s; }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}

# Starts a statement that will wait, in a psql of its own.
sub start
{
	my ($sql) = @_;
	my %run = (out => '');
	$run{handle} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=sqlstate', map { ('-c', $_) } split /; /, $sql ], '>&', \$run{out});
	return \%run;
}
sub await_lock { return $node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}); }
sub finish { my ($run) = @_; $run->{handle}->finish; return $run->{out} =~ s/\s+$//r; }

# ---- What a branch has from its parent ----

sql('CREATE BRANCH p');
on('p', q{UPDATE customers SET city = 'p' WHERE id = 1}, q{UPDATE parts SET v = 'P' WHERE id IN (5, 12)}, 'ALTER TABLE notes ADD COLUMN c int DEFAULT 5', 'ALTER TABLE notes RENAME b TO text',
	'CREATE TABLE own (id serial PRIMARY KEY, t text, customer int REFERENCES customers)', q{INSERT INTO own (t, customer) VALUES ('one', 1), ('two', 2)}, 'CREATE INDEX own_t ON own (lower(t))',
	'CREATE VIEW shown AS SELECT o.id, o.t, n.c, n AS whole FROM own o JOIN notes n ON n.a = o.id', 'CREATE VIEW above AS SELECT id, t FROM shown',
	'SELECT nextval(\'counter\')', 'CREATE SEQUENCE steps INCREMENT 10', q{SELECT nextval('steps')});
my $between = sql('SELECT clock_timestamp()');
sql(q{UPDATE untouched SET v = 'later'}, 'CREATE TABLE late (a int)');
on('p', 'CREATE BRANCH c');
is(sql(q{SELECT branch_name, parent_name FROM pg_branches ORDER BY 1}), "c|p\nmain|\np|main", 'FROM omitted means the branch of the session');
is(on('c', 'SHOW BRANCHES') =~ s/\|\d{4}-[^|]*//gr, "main|1||Active\np|2|main|Active\nc|3|p|Active", 'SHOW BRANCHES');
# From now on the parent goes its own way.
on('p', q{UPDATE customers SET city = 'after' WHERE id = 2}, 'DELETE FROM own WHERE id = 1', 'ALTER TABLE notes ADD COLUMN d int DEFAULT 9', 'UPDATE notes SET c = 0', 'CREATE TABLE unseen (a int)',
	'CREATE OR REPLACE VIEW above AS SELECT id, upper(t) AS t FROM shown', q{SELECT nextval('steps')}, q{UPDATE other.far SET v = 'p'}, q{DELETE FROM parts WHERE id = 6}, q{UPDATE untouched SET v = 'p'});
is(on('c', 'SELECT * FROM customers ORDER BY id'), "1|ann|p\n2|bob|y\n3|cyd|z", 'rows that the parent had changed');
is(on('c', 'SELECT * FROM notes ORDER BY a'), "1|x|5\n1|x|5\n2|y|5", 'a table that it had altered');
is(on('c', 'SELECT n FROM notes n ORDER BY a LIMIT 1', 'SELECT n.text FROM notes n WHERE a = 2'), "(1,x,5)\ny", 'whole rows of it, and names of columns');
is(on('c', 'SELECT t, customer FROM own ORDER BY id'), "one|1\ntwo|2", 'a table that it had created');
is(on('c', 'SELECT id, t, c, whole FROM shown ORDER BY id, c', 'SELECT * FROM above ORDER BY id'), "1|one|5|(1,x,5)\n1|one|5|(1,x,5)\n2|two|5|(2,y,5)\n1|one\n1|one\n2|two", 'views, and views of views');
is(on('c', 'SELECT string_agg(v, \',\' ORDER BY id) FROM parts'), 'P,p6,p7,p8,p9,p10,p11,P,p13,p14', 'partitions');
is(on('c', 'SELECT v FROM other.far', 'SELECT v FROM untouched', 'SELECT string_agg(note || name, \',\' ORDER BY note) FROM named'), "main\nmain\naann,bbob", 'what it had not changed is that of its own fork');
fails('a table that the parent creates later', qr/ERROR:  42P01: relation "unseen" does not exist/, 'USE BRANCH c', 'SELECT * FROM unseen');
fails('a table that main creates after the fork of the parent', qr/ERROR:  42P01: relation "late" does not exist on branch "c"/, 'USE BRANCH c', 'SELECT * FROM late');
is(on('c', q{SELECT nextval('steps')}, q{SELECT nextval('counter')}, q{INSERT INTO own (t) VALUES ('new') RETURNING id}, q{INSERT INTO orders (customer, note) VALUES (1, 'k') RETURNING id}), "11\n2\n3\n3", 'sequences go on from where they were');
is(on('c', 'SELECT id FROM own ORDER BY id', q{SELECT count(*) FROM own WHERE lower(t) = 'two'}), "1\n2\n3\n1", 'a table that is changed has all rows and indexes');
fails('a foreign key to a table that is not changed yet', qr/ERROR:  23503.*own_customer_fkey/, 'USE BRANCH c', q{INSERT INTO own (t, customer) VALUES ('x', 9)});
fails('a check', qr/ERROR:  23514.*orders_n_check/, 'USE BRANCH c', 'UPDATE orders SET n = 0');
is(on('c', 'DELETE FROM customers WHERE id = 2 RETURNING city', 'SELECT count(*) FROM orders', 'SELECT count(*) FROM named') . '|' . on('p', 'SELECT count(*) FROM orders', 'SELECT count(*) FROM customers'), "y\n2\n2|2\n3", 'ON DELETE CASCADE stays on the branch')
	if on('c', 'UPDATE own SET customer = NULL WHERE customer = 2 RETURNING id') eq '2';
is(on('c', q{UPDATE parts SET id = id + 100 WHERE id = 5 RETURNING v}, 'SELECT count(*) FROM parts', 'SELECT count(*) FROM parts_low'), "P\n10\n4", 'a change of a partition fills all');
is(on('c', 'COPY notes TO STDOUT', 'BEGIN', 'DECLARE x CURSOR FOR SELECT * FROM notes ORDER BY a FOR UPDATE', 'FETCH x', 'COMMIT', 'PREPARE q AS SELECT a FROM notes WHERE a = 2 FOR UPDATE', 'EXECUTE q'),
	"1\tx\t5\n1\tx\t5\n2\ty\t5\n1|x|5\n2", 'COPY, cursors and prepared statements');
is(on('c', 'ALTER TABLE notes DROP COLUMN c CASCADE', 'ALTER TABLE notes ADD COLUMN e int DEFAULT 1', 'SELECT * FROM notes ORDER BY a LIMIT 1') . on('p', 'SELECT * FROM notes ORDER BY a LIMIT 1'), '1|x|11|x|0|9', 'DDL on it');

is(on('p', 'BEGIN', 'CREATE BRANCH same', q{UPDATE customers SET city = 'same' WHERE id = 3}, 'COMMIT', 'USE BRANCH same', 'SELECT city FROM customers WHERE id = 3'), 'same', 'it begins when its transaction commits');
fails('no more tables in that transaction', qr/ERROR:  25001: tables of branch "same" cannot be changed for the first time/, 'USE BRANCH same', 'BEGIN', 'CREATE BRANCH x', 'UPDATE untouched SET v = v');
fails('no inherited ones', qr/ERROR:  25001/, 'USE BRANCH same', 'BEGIN', 'CREATE BRANCH x', 'UPDATE own SET t = t');
fails('and no DDL', qr/ERROR:  25001/, 'USE BRANCH same', 'BEGIN', 'CREATE BRANCH x', 'CREATE TABLE x (a int)');
is(on('same', 'BEGIN', 'CREATE BRANCH x', 'COMMIT', q{UPDATE untouched SET v = 'same' RETURNING v}), 'same', 'later that is possible');
sql('DROP BRANCH x', 'DROP BRANCH same');

# ---- To any depth ----

sql('CREATE BRANCH g FROM c', 'CREATE BRANCH gg FROM g');
is(on('gg', 'SELECT count(*) FROM customers', 'SELECT v FROM untouched', 'SELECT id FROM own ORDER BY id LIMIT 1'), "2\nmain\n1", 'a branch of a branch of a branch');
is(on('gg', q{UPDATE untouched SET v = 'gg' RETURNING v}, 'DELETE FROM own WHERE id = 1', 'SELECT count(*) FROM own') . on('g', 'SELECT v FROM untouched', 'SELECT count(*) FROM own'), "gg\n2main\n3", 'has changes of its own');
on('gg', 'CREATE TABLE deep (id int PRIMARY KEY)', 'INSERT INTO deep VALUES (1), (2)');
sql('CREATE BRANCH last FROM gg');
is(on('last', 'INSERT INTO deep VALUES (3)', 'SELECT count(*) FROM deep', 'SELECT v FROM untouched') . on('gg', 'SELECT count(*) FROM deep'), "3\ngg2", 'and so on');

# ---- Nobody takes away what it reads ----

sql('CREATE BRANCH r FROM p');
fails('TRUNCATE on the parent', qr/ERROR:  55006: table "own" is read by branch "r"/, 'USE BRANCH p', 'TRUNCATE own');
fails('DROP TABLE', qr/ERROR:  55006: table "own" is read by branch "r"/, 'USE BRANCH p', 'DROP TABLE own CASCADE');
fails('another type', qr/ERROR:  55006: table "own" is read by branch "r"/, 'USE BRANCH p', 'ALTER TABLE own ALTER customer TYPE bigint');
fails('a dropped column', qr/ERROR:  55006: table "notes" is read by branch "r"/, 'USE BRANCH p', 'ALTER TABLE notes DROP COLUMN d');
fails('main, too', qr/ERROR:  55006: table "untouched" is read by branch/, 'TRUNCATE untouched');
on('r', 'UPDATE own SET t = t');
is(on('p', 'TRUNCATE own', 'SELECT count(*) FROM own') . on('r', 'SELECT count(*) FROM own'), '01', 'what the branch has changed is free');
fails('DROP of a parent', qr/ERROR:  2BP01: cannot drop branch "p": other branches come from it.*DETAIL:  They are "c", "r"/s, 'DROP BRANCH p');
fails('with IF EXISTS', qr/ERROR:  2BP01/, 'DROP BRANCH IF EXISTS p');
sql(q{CREATE BRANCH brief FROM main WITH (ttl = '1 microsecond')}, 'CREATE BRANCH lasting FROM brief');
is(sql('SELECT heliosdb.drop_expired_branches()'), '0', 'an expired one stays while another comes from it');
sql('DROP BRANCH lasting');
is(sql('SELECT heliosdb.drop_expired_branches()'), '1', 'no longer');
sql('DROP BRANCH r');
my $pins = sql('SELECT count(*) FROM heliosdb_log.pins');
sql('BEGIN', 'CREATE BRANCH never FROM p', 'ROLLBACK');
is(sql('SELECT count(*) FROM heliosdb_log.pins', q{SELECT count(*) FROM pg_namespace n WHERE n.nspname ~ '^heliosdb_[bc]' AND NOT EXISTS (SELECT FROM heliosdb.branches b WHERE n.nspname ~ ('^heliosdb_[bc]' || b.id || '_'))}),
	"$pins\n0", 'a rolled back one leaves nothing');

# ---- Past states of a branch ----

sql('CREATE BRANCH h');
my $fork = sql(q{SELECT fork_at FROM pg_branches WHERE branch_name = 'h'});
on('h', q{UPDATE customers SET name = 'h1' WHERE id = 1});
my $one = sql('SELECT clock_timestamp()');
on('h', q{UPDATE customers SET name = 'h2' WHERE id = 1}, q{UPDATE untouched SET v = 'h2'});
my $two = sql('SELECT clock_timestamp()');
sql("CREATE BRANCH h_one FROM h AS OF TIMESTAMP '$one'", "CREATE BRANCH h_two FROM h AS OF TIMESTAMP '$two'", "CREATE BRANCH h_fork FROM h AS OF TIMESTAMP '$fork'");
is(join(' ', map { on($_, 'SELECT name FROM customers WHERE id = 1', 'SELECT v FROM untouched') =~ s/\n/ /r } qw(h_fork h_one h_two)), 'ann later h1 later h2 h2', 'AS OF, before and after copies were made');
is(on('h_one', q{UPDATE untouched SET v = v || '!' RETURNING v}, q{UPDATE customers SET city = name WHERE id = 1 RETURNING city}), "later!\nh1", 'and changes there');
fails('before the branch', qr/ERROR:  72000: branch "h" does not reach back to .*HINT:  The earliest/s, "CREATE BRANCH x FROM h AS OF TIMESTAMP '$between'");
my $defined = on('h', 'ALTER TABLE notes ADD COLUMN z int', 'SELECT clock_timestamp()');
fails('before its definitions were changed', qr/ERROR:  72000: branch "h" cannot be had as of .*Definitions/s, "CREATE BRANCH x FROM h AS OF TIMESTAMP '$two'");
sql("CREATE BRANCH x FROM h AS OF TIMESTAMP '$defined'");
is(on('x', 'SELECT count(z) FROM notes'), '0', 'after that');
sql('CREATE BRANCH y FROM x AS OF NOW', "CREATE BRANCH past AS OF TIMESTAMP '$one'", 'CREATE BRANCH of_past FROM past');
is(on('y', 'SELECT count(z) FROM notes', 'SELECT v FROM untouched') . "\n" . on('of_past', 'SELECT v FROM untouched', q{UPDATE untouched SET v = 'of' RETURNING v}), "0\nh2\nlater\nof", 'of a branch of the past');
sql(map { "DROP BRANCH $_" } qw(y x of_past past h_fork h_one h_two));
is(on('h', 'DROP TABLE notes', 'CREATE BRANCH without', 'USE BRANCH without', 'SELECT count(*) FROM orders'), '2', 'a dropped table');
fails('is dropped on the branch of the branch', qr/ERROR:  42P01/, 'USE BRANCH without', 'SELECT * FROM notes');
sql('DROP BRANCH without');

# ---- Differences ----

is(sql(q{SELECT * FROM heliosdb.branch_diff('p', 'c', 'customers') ORDER BY 1}), "(2)|deleted||(2,bob,after)|\n(3)|modified|city|same|z", 'branch_diff of parent and branch');
is(sql(q{SELECT * FROM heliosdb.branch_diff('gg', 'main', 'untouched')}, q{SELECT * FROM heliosdb.branch_diff('main', 'g', 'untouched')}), "(1)|modified|v|gg|later\n(1)|modified|v|later|main", 'of others');
is(on('g', q{SELECT * FROM heliosdb.branch_diff('c', 'gg', 'own') ORDER BY 1}), '(1)|deleted||(1,one,1)|', 'of a table that a branch created');
is(sql(q{SELECT key, difference_type FROM pg_compare_branches('g', 'gg')}), "public.deep|added\npublic.own(1)|deleted\npublic.untouched(1)|modified", 'pg_compare_branches');
is(sql(q{SELECT modified_keys > 0, storage_bytes > 0 FROM pg_branch_stats() WHERE branch_name = 'c'}), 't|t', 'pg_branch_stats');

# ---- Privileges ----

sql('CREATE TABLE guarded (id int PRIMARY KEY, who text)', q{INSERT INTO guarded VALUES (1, 'member'), (2, 'postgres')}, 'ALTER TABLE guarded ENABLE ROW LEVEL SECURITY', 'CREATE POLICY own ON guarded USING (who = current_user)',
	'CREATE BRANCH q', 'USE BRANCH q', 'INSERT INTO guarded VALUES (3, \'member\')', 'ALTER TABLE guarded ADD COLUMN x int', 'CREATE BRANCH qq', 'ALTER TABLE guarded ADD COLUMN y int');
sub as_member { my ($status, $out, $error) = $node->psql('postgres', join('; ', @_), extra_params => [ '-U', 'member' ]); return $status ? $error : $out; }
like(as_member('USE BRANCH qq', 'SELECT * FROM guarded'), qr/permission denied for table guarded/, 'no privilege');
sql('GRANT SELECT, INSERT ON guarded TO member');
is(as_member('USE BRANCH qq', 'SELECT id, x FROM guarded ORDER BY id'), "1|\n3|", 'what is granted on main, and policies');
like(as_member('USE BRANCH qq', q{INSERT INTO guarded VALUES (4, 'postgres')}), qr/violates row-level security/, 'also for changes');
is(as_member('USE BRANCH qq', q{INSERT INTO guarded VALUES (5, 'member') RETURNING id}, 'SELECT count(*) FROM guarded'), "5\n3", 'by the first change too');
like(as_member('USE BRANCH qq', 'UPDATE guarded SET id = 9'), qr/permission denied/, 'and what is not');
like(as_member('CREATE BRANCH mine FROM qq'), qr/permission denied to create a branch/, 'creating takes a privilege');
sql('DROP BRANCH qq', 'DROP BRANCH q');

sql('CREATE SCHEMA gone', 'CREATE BRANCH o', 'SET search_path = gone, public', 'USE BRANCH o', 'CREATE TABLE gone.o (a int)', 'INSERT INTO o VALUES (1)');
fails('DROP SCHEMA on main', qr/ERROR:  2BP01: the schema of relation "o" of a branch cannot be dropped/, 'DROP SCHEMA gone');
is(sql('CREATE BRANCH oo FROM o', 'USE BRANCH oo', 'SET search_path = gone', 'INSERT INTO o VALUES (2)', 'SELECT count(*) FROM o'), '2', 'a table in another schema');
sql('DROP BRANCH oo', 'DROP BRANCH o', 'DROP SCHEMA gone');

# Reading a constant of an array of a domain runs its check: as the owner of the view or table, never as superuser.
sql('GRANT CREATE ON SCHEMA public TO member');
is(as_member(q{CREATE FUNCTION nobody_else(i int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN IF current_user <> 'member' THEN RAISE 'run as %', current_user; END IF; RETURN true; END$$},
	'CREATE DOMAIN watched AS int CHECK (nobody_else(VALUE))', 'CREATE TABLE its (id int PRIMARY KEY)', q{CREATE POLICY p ON its USING ('{1}'::watched[] IS NOT NULL)},
	'CREATE TABLE its_parts (id watched) PARTITION BY RANGE (id)', 'CREATE TABLE its_part PARTITION OF its_parts FOR VALUES FROM (1) TO (9)'), '', 'a role with a domain');
sql('CREATE BRANCH n');
is(as_member('USE BRANCH n', q{CREATE VIEW its_view AS SELECT '{1}'::watched[] AS w}, 'INSERT INTO its VALUES (1)', 'SELECT * FROM its', 'INSERT INTO its_parts VALUES (2) RETURNING id'), "1\n2", 'uses it on a branch');
sql('REVOKE CREATE ON SCHEMA public FROM member', 'CREATE BRANCH nn FROM n');
is(as_member('USE BRANCH nn', 'SELECT w FROM its_view', 'SELECT * FROM its', 'SELECT id FROM its_parts'), "{1}\n1\n2", 'and on the branch of that');
is(sql(q{SELECT has_schema_privilege('member', oid, 'CREATE') FROM pg_namespace WHERE nspname ~ '^heliosdb_b' ORDER BY oid DESC LIMIT 1}), 'f', 'without a privilege that it has not on main');
sql('DROP BRANCH nn', 'DROP BRANCH n', 'ALTER TABLE its_part OWNER TO postgres', 'CREATE BRANCH n');
fails('not for partitions of others', qr/ERROR:  0A000: partitioned table "its_parts" cannot be had on a branch/, 'USE BRANCH n', 'INSERT INTO its_parts VALUES (3)');
sql('DROP BRANCH n', 'DROP TABLE its, its_parts');

# ---- Corners ----

sql('CREATE TABLE a (id int PRIMARY KEY, v text)', q{INSERT INTO a VALUES (1, 'x'), (2, 'y')}, q{CREATE TABLE wide (id int PRIMARY KEY, big text)}, q{INSERT INTO wide SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 5) i},
	q{CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO made VALUES (NEW.id, NEW.t); RETURN NEW; END$$}, 'CREATE BRANCH i');
on('i', q{UPDATE a SET v = 'i' WHERE id = 1}, q{UPDATE wide SET big = big WHERE id = 1}, 'CREATE TABLE made (id int PRIMARY KEY, t text)', q{INSERT INTO made VALUES (1, 'one')},
	'CREATE VIEW whole AS SELECT m, array_agg(m) OVER () AS every, id FROM made m', 'CREATE VIEW put WITH (security_barrier) AS SELECT id, t FROM made', 'CREATE TRIGGER put INSTEAD OF INSERT ON put FOR EACH ROW EXECUTE FUNCTION put()',
	'CREATE SEQUENCE sq', q{CREATE VIEW typed AS SELECT 'sq'::regclass AS s, (SELECT last_value FROM sq) AS l, NULL::made AS n}, 'CREATE BRANCH j', 'ALTER TABLE made RENAME t TO renamed');
sql('ALTER TABLE a ADD COLUMN w int DEFAULT 3', 'ALTER TABLE a RENAME v TO vv');
is(on('j', 'SELECT * FROM a ORDER BY id', 'TABLE whole', 'TABLE put', 'TABLE typed'), qq{1|i\n2|y\n(1,one)|{"(1,one)"}|1\n1|one\nsq|1|}, 'views with row types, sequences and options; main alters a table');
is(on('j', q{INSERT INTO put VALUES (2, 'two')}, 'SELECT * FROM whole ORDER BY id', 'SELECT t FROM made ORDER BY id'), qq{(1,one)|{"(1,one)","(2,two)"}|1\n(2,two)|{"(1,one)","(2,two)"}|2\none\ntwo}, 'triggers of views; a column that the parent has renamed');
is(on('j', 'BEGIN', 'SAVEPOINT s', q{UPDATE wide SET big = 'c'}, 'SELECT sum(length(big)) FROM wide', 'ROLLBACK TO s', 'SELECT sum(length(big)) FROM wide', q{UPDATE wide SET big = 'd' WHERE id = 2}, 'SELECT sum(length(big)) FROM wide', 'COMMIT'), "5\n32000\n25601", 'a first change that is rolled back in part');
is(on('j', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM a', q{UPDATE a SET v = 'j' WHERE id = 2}, 'SELECT v FROM a ORDER BY id', 'COMMIT', q{INSERT INTO a VALUES (1, 'dup') ON CONFLICT (id) DO UPDATE SET v = 'upsert' RETURNING v}), "2\ni\nj\nupsert", 'one snapshot; ON CONFLICT');
sql('CREATE BRANCH l FROM i');
sql('CREATE FUNCTION raise() RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE a SET v = v || 1; RETURN (SELECT count(*) FROM a); END$$', 'CREATE FUNCTION first_v() RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN (SELECT v FROM a WHERE id = 1); END$$');
fails('a function that reads with the snapshot of a statement in which another one makes the first change', qr/ERROR:  55000: table "a" was changed on branch "l" for the first time by a function/, 'USE BRANCH l', 'SELECT raise(), first_v()');
is(on('l', 'BEGIN', 'SELECT raise()', 'SELECT raise(), first_v()', 'ROLLBACK', 'UPDATE a SET v = first_v() || 2 WHERE id = 1 RETURNING v, first_v()'), "2\n2|i1\ni2|i", 'but by one that changes it itself, or after that');
is(on('l', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'DELETE FROM made RETURNING id', 'COMMIT'), '1', 'changes in a SERIALIZABLE transaction');
sql('DROP BRANCH l', 'CREATE BRANCH l FROM i');
fails('SERIALIZABLE', qr/ERROR:  0A000: table "a" cannot be read on branch "l" in a SERIALIZABLE transaction/, 'USE BRANCH l', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'SELECT * FROM a');
fails('ANALYZE of what has no rows', qr/ERROR:  0A000: ANALYZE of this table/, 'USE BRANCH l', 'ANALYZE made');
is(on('l', 'BEGIN', 'LOCK TABLE made IN ACCESS SHARE MODE', 'LOCK TABLE made', 'COMMIT', 'ANALYZE made', 'TRUNCATE a, made', 'SELECT count(*) FROM made', 'DROP VIEW whole, put, typed', 'DROP TABLE made'), '0', 'what is locked or emptied has them');
fails('what is dropped', qr/ERROR:  42P01/, 'USE BRANCH l', 'SELECT * FROM made');
is(on('i', 'SELECT count(*) FROM made'), '1', 'is still on the parent');
sql('DROP BRANCH l', 'DROP BRANCH j', 'DROP BRANCH i');

# ---- Sessions that meet ----

sql('CREATE BRANCH s');
on('s', 'UPDATE orders SET n = 1', 'CREATE TABLE fresh (id int PRIMARY KEY, v int)', 'INSERT INTO fresh SELECT i, 0 FROM generate_series(1, 3) i');
sql('CREATE BRANCH t FROM s');
my ($first, $second) = (session('t'), session('t'));
is($_->query_safe('BEGIN; SELECT sum(v) FROM fresh'), '0', 'a reader') foreach $first, $second;
$first->query_safe('UPDATE fresh SET v = 1 WHERE id = 1');
is($second->query_safe('SELECT sum(v) FROM fresh'), '0', 'readers do not hinder the first change, nor it them');
my $third = start('USE BRANCH t; UPDATE fresh SET v = v + 10 WHERE id < 3; SELECT sum(v) FROM fresh');
ok(await_lock(), 'another one that changes the table waits');
$first->query_safe('COMMIT');
is(finish($third), '21', 'and loses nothing');
is($second->query_safe('SELECT sum(v) FROM fresh; COMMIT'), '21', 'a reader that goes on sees it');
sql('CREATE BRANCH u FROM s');
my $old = session('u');
is($old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT sum(v) FROM fresh; PREPARE f AS SELECT sum(v) FROM fresh; EXECUTE f'), "0\n0", 'one snapshot');
on('u', 'UPDATE fresh SET v = 5');
is($old->query_safe('SELECT sum(v) FROM fresh; EXECUTE f'), "0\n0", 'goes on reading what there was');
like(($old->query('UPDATE fresh SET v = 7'))[0] . $old->{stderr}, qr/changed on branch "u" for the first time meanwhile/, 'and cannot change it');
$old->{stderr} = '';
is($old->query_safe('ROLLBACK; EXECUTE f'), '15', 'the next one sees all');
my $cursor = session('u');
$cursor->query_safe('BEGIN; DECLARE k CURSOR FOR SELECT n FROM orders ORDER BY id');
on('u', 'UPDATE orders SET n = 99');
is($cursor->query_safe('FETCH ALL FROM k; COMMIT'), "1\n1", 'an open cursor');
$_->quit foreach $first, $second, $old, $cursor;

my $changer = session('s');
$changer->query_safe('BEGIN; UPDATE untouched SET v = \'s\'');
$third = start('CREATE BRANCH v FROM s; USE BRANCH v; SELECT v FROM untouched');
ok(await_lock(), 'a fork waits for copies that are being made');
$changer->query_safe('COMMIT');
is(finish($third), 's', 'and has them');
$changer->quit;

my $forker = $node->background_psql('postgres', on_error_stop => 0);
$forker->query_safe('BEGIN; CREATE BRANCH z FROM s');
$third = start('ALTER TABLE orders ADD COLUMN main_has int DEFAULT 1');
ok(await_lock(), 'main waits with ALTER TABLE for a fork');
$forker->query_safe('COMMIT');
is(finish($third) . on('z', 'SELECT * FROM orders ORDER BY id LIMIT 1', 'INSERT INTO orders (customer, note) VALUES (1, \'z\') RETURNING n'), "1|1|a|1\n7", 'so that the branch keeps its columns');
sql('DROP BRANCH z', 'ALTER TABLE orders DROP COLUMN main_has');
$forker->quit;

# Whatever sums are moved between tables while branches are made, each of those has all or nothing of a transaction; and
# so it is while several sessions change it for the first time.
sql((map { ("CREATE TABLE $_ (id int PRIMARY KEY, n int)", "INSERT INTO $_ SELECT i, 100 FROM generate_series(1, 10) i") } qw(left_side right_side rest)), 'CREATE BRANCH load');
my $scripts = $node->basedir;
foreach my $from (qw(left_side rest))
{
	append_to_file("$scripts/$from.sql", "\\set i random(1, 10)\n\\set j random(1, 10)\nBEGIN;\nUPDATE $from SET n = n - 1 WHERE id = :i;\nUPDATE right_side SET n = n + 1 WHERE id = :j;\nCOMMIT;\n");
}
sub load
{
	my ($branch, @how) = @_;
	local $ENV{PGOPTIONS} = "-c heliosdb.branch=$branch";
	return IPC::Run::start([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', 2, '--max-tries', 20, @how, '-f', "$scripts/left_side.sql", '-f', "$scripts/rest.sql", 'postgres' ], '>', \my $shown, '2>', \my $complaint);
}
my $total = 'SELECT (SELECT sum(n) FROM left_side) + (SELECT sum(n) FROM right_side) + (SELECT sum(n) FROM rest)';
my @loads = (load('load', '-T', 8));
my %totals;
foreach my $i (1 .. 6)
{
	sql("CREATE BRANCH load_$i FROM " . ($i % 3 ? 'load' : 'load_' . ($i - 1)));
	push @loads, load("load_$i", '-t', 15);
	foreach (1 .. 2)
	{
		my ($status, $out, $error) = $node->psql('postgres', "USE BRANCH load_$i; $total");
		redo if $error =~ /for the first time meanwhile/;
		$totals{$out}++;
	}
}
is(join(' ', grep { !$_ } map { $_->finish } @loads), '', 'no transaction failed');
$totals{ on("load_$_", $total) }++ for 1 .. 6;
is_deeply(\%totals, { 3000 => 18 }, 'branches that are made under load');
sql(map { "DROP BRANCH load_$_" } 3, 6, 2, 5, 4, 1);
sql('DROP BRANCH load');

# ---- Kills ----

my $log = -s $node->logfile;
sql('CREATE BRANCH k FROM s');
my $victim = session('k');
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
$victim->query_safe('BEGIN; UPDATE fresh SET v = 3');
kill 'KILL', $pid;
$node->wait_for_log(qr/database system is ready to accept connections/, $log);
$node->poll_query_until('postgres', 'SELECT true');
is(on('k', 'SELECT sum(v), count(*) FROM fresh', 'UPDATE fresh SET v = 4 WHERE id = 1', 'SELECT sum(v), count(*) FROM fresh'), "0|3\n4|3", 'a kill while a table gets its rows');
$log = -s $node->logfile;
$victim = $node->background_psql('postgres', on_error_stop => 0);
$pid = $victim->query_safe('SELECT pg_backend_pid()');
$victim->query_safe('BEGIN; CREATE BRANCH dead FROM s');
kill 'KILL', $pid;
$node->wait_for_log(qr/database system is ready to accept connections/, $log);
$node->poll_query_until('postgres', 'SELECT true');
is(sql(q{SELECT count(*) FROM pg_branches WHERE branch_name = 'dead'}, 'CREATE BRANCH dead FROM s', 'USE BRANCH dead', 'SELECT sum(n) FROM orders'), "0\n2", 'a kill while a branch is created');

# ---- A standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql('CREATE BRANCH w FROM s', 'USE BRANCH s', 'UPDATE fresh SET v = 50', 'USE BRANCH w', 'UPDATE orders SET n = 2 WHERE id = 1');
# A standby answers only for what was a second before the last commit that it has replayed.
sql('SELECT pg_sleep(1.1)', 'INSERT INTO late VALUES (1)');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'USE BRANCH w; SELECT sum(v) FROM fresh; SELECT sum(n) FROM orders; SELECT v FROM untouched; USE BRANCH gg; SELECT count(*) FROM own'), "0\n3\ns\n2", 'reads on a standby');
my ($status, $out, $error) = $standby->psql('postgres', 'USE BRANCH w; UPDATE fresh SET v = 1');
like($error, qr/cannot execute/, 'changes are refused there');
$standby->stop;

# ---- The end ----

sql(map { "DROP BRANCH $_" } qw(last gg g c p h t u v k dead w s));
is(sql('SELECT count(*) FROM heliosdb.branch_relations', 'SELECT count(*) FROM heliosdb.branch_ddl', 'SELECT count(*) FROM heliosdb_log.pins', q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^heliosdb_[bc]'}), "0\n0\n0\n0", 'nothing is left');

done_testing();
