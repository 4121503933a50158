# Branches: their statements by every protocol, what a session on one sees and changes, DDL there and on main, who may
# do what, merges.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WireClient;

my $node = PostgreSQL::Test::Cluster->new('branch');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text);
	CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers, note text UNIQUE, n int DEFAULT 7);
	CREATE TABLE notes (a int, b text);
	CREATE VIEW named AS SELECT o.note, c.name FROM orders o JOIN customers c ON c.id = o.customer;
	INSERT INTO customers VALUES (1, 'ann', 'x'), (2, 'bob', 'y'), (3, 'cyd', 'z');
	INSERT INTO orders (customer, note) VALUES (1, 'a'), (2, 'b');
	INSERT INTO notes VALUES (1, 'x'), (1, 'x'), (2, 'y')});

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}

# ---- Statements ----

my $before = sql('SELECT clock_timestamp()');
sql(q{UPDATE customers SET city = 'moved' WHERE id = 3});
sql('CREATE DATABASE BRANCH staging FROM CURRENT AS OF NOW');
is(sql('SELECT branch_name, branch_id, parent_id, status FROM pg_database_branches()'), "main|1||active\nstaging|2|1|active", 'pg_database_branches()');
is(sql('SELECT fork_point_lsn > 0, size_mb, is_current FROM pg_database_branches() WHERE branch_id = 2'), 't|0|f', 'its other columns');
fails('a duplicate', qr/ERROR:  42710: branch "staging" already exists/, 'CREATE BRANCH staging');
sql('CREATE BRANCH IF NOT EXISTS staging');
fails('the name main', qr/ERROR:  42939/, 'CREATE BRANCH main');
fails('an empty name', qr/ERROR:  42602/, q{SELECT heliosdb.create_branch('')});
fails('no name', qr/ERROR:  22004/, 'SELECT heliosdb.create_branch(NULL)');
fails('an unknown parent', qr/ERROR:  42704: branch "nobody" does not exist/, 'CREATE BRANCH x FROM nobody');
fails('an unknown option', qr/ERROR:  22023: unknown option "colour"/, 'CREATE BRANCH x WITH (colour = red)');
fails('an option twice', qr/ERROR:  42601: option "region" is given twice/, 'CREATE BRANCH x WITH (region = a, region = b)');
fails('a wrong ttl', qr/ERROR:  22023: ttl/, q{CREATE BRANCH x WITH (ttl = '-1 hour')});
fails('the future', qr/ERROR:  22023.*cannot begin at/, q{CREATE BRANCH x AS OF TIMESTAMP '2999-01-01'});
fails('an unknown SCN', qr/ERROR:  22023: branch "x" cannot begin at SCN 5, which is not recorded/, 'CREATE BRANCH x AS OF SCN 5');
fails('USE of an unknown one', qr/ERROR:  42704: branch "nobody" does not exist/, 'USE BRANCH nobody');
fails('DROP of an unknown one', qr/ERROR:  42704/, 'DROP BRANCH nobody');
sql('DROP BRANCH IF EXISTS nobody');
fails('DROP of main', qr/ERROR:  55000: branch main cannot be dropped/, 'DROP BRANCH main');
fails('DROP of the current one', qr/ERROR:  55006/, 'USE BRANCH staging', 'DROP BRANCH staging');
fails('EXPLAIN names no branch', qr/ERROR/, 'EXPLAIN CREATE BRANCH x');
is(on('staging', 'SELECT heliosdb.current_branch()', 'SHOW search_path', 'USE BRANCH main', 'SELECT heliosdb.current_branch()'), "staging\n\"\$user\", public\nmain", 'USE and the search path as the user set it');

my $wire = WireClient->new($node, 'postgres');
foreach my $protocol (qw(simple extended prepared))
{
	is_deeply($wire->$protocol("CREATE BRANCH w_$protocol WITH (ttl = '1 hour', region = 'eu', metadata_owner = 'me')")->{tags}, ['CREATE DATABASE'], "$protocol: CREATE BRANCH");
	is_deeply($wire->$protocol("USE BRANCH w_$protocol")->{error}, {}, "$protocol: USE BRANCH");
	like(join(' ', @{ $wire->$protocol('SHOW BRANCHES')->{rows} }), qr/^main\|1\|.*w_$protocol\|\d+\|main\|.*\|Active$/, "$protocol: SHOW BRANCHES");
	is_deeply($wire->$protocol('SHOW BRANCHES')->{rows}, $wire->$protocol('SHOW DATABASE BRANCHES')->{rows}, "$protocol: SHOW DATABASE BRANCHES");
	is($wire->extended('UPDATE orders SET n = $1 WHERE id = $2 RETURNING n', 40, 1)->{rows}[0], '40', "$protocol: a change with parameters");
	is($wire->$protocol('SELECT sum(n) FROM orders')->{rows}[0], '47', "$protocol: is seen");
	$wire->$protocol('USE BRANCH main');
	is($wire->$protocol('SELECT sum(n) FROM orders')->{rows}[0], '14', "$protocol: not on main");
	is_deeply($wire->$protocol("DROP DATABASE BRANCH w_$protocol")->{error}, {}, "$protocol: DROP BRANCH");
}
is(sql(q{DO $$ BEGIN EXECUTE 'CREATE BRANCH from_do'; EXECUTE 'USE BRANCH from_do'; END $$}, 'SELECT heliosdb.current_branch()', 'USE BRANCH main', 'DROP BRANCH from_do'), 'from_do', 'in a function');
sql('BEGIN', 'CREATE BRANCH inside', 'SAVEPOINT s', 'DROP BRANCH inside', 'ROLLBACK TO s', 'COMMIT');
is(on('inside', 'SELECT count(*) FROM orders'), '2', 'created in a transaction');
fails('not before that has committed', qr/ERROR:  55000: branch "early" is not ready/, 'BEGIN', 'CREATE BRANCH early', 'USE BRANCH early', 'SELECT * FROM orders');
sql('BEGIN', 'DROP BRANCH inside', 'ROLLBACK');
is(on('inside', 'SELECT count(*) FROM orders'), '2', 'a drop that was rolled back');
is(sql('BEGIN', 'USE BRANCH inside', 'ROLLBACK', 'SELECT heliosdb.current_branch()'), 'main', 'USE is rolled back');
is(sql('BEGIN', q{SET LOCAL heliosdb.branch = 'inside'}, 'SELECT heliosdb.current_branch()', 'COMMIT', 'SELECT heliosdb.current_branch()'), "inside\nmain", 'for one transaction');
is(sql(q{SELECT heliosdb.create_branch('f', 'main', options => '{"ttl": "1 microsecond"}') > 1}, 'SELECT state FROM pg_branches WHERE branch_name = \'f\''), "t\nexpired", 'functions; ttl');
is(sql('SELECT heliosdb.drop_expired_branches()', 'SELECT count(*) FROM pg_branches WHERE branch_name = \'f\''), "1\n0", 'expired branches are dropped');
sql('DROP BRANCH inside');

sql('CREATE ROLE guest LOGIN', 'GRANT ALL ON customers, orders, orders_id_seq, notes TO guest', 'ALTER ROLE guest SET heliosdb.branch = \'staging\'');
is($node->safe_psql('postgres', 'SELECT heliosdb.current_branch()', extra_params => [ '-U', 'guest' ]), 'staging', 'ALTER ROLE … SET');
{
	local $ENV{PGOPTIONS} = '-c heliosdb.branch=staging';
	is(sql('SELECT heliosdb.current_branch(), (SELECT count(*) FROM orders)'), 'staging|2', 'a connection option');
	local $ENV{PGOPTIONS} = '-c heliosdb.branch=nobody';
	fails('one that names nothing leaves the tables alone', qr/ERROR:  42704: branch "nobody" does not exist/, 'SELECT * FROM orders');
	fails('for changes too', qr/ERROR:  42704: branch "nobody" does not exist/, 'DELETE FROM orders');
	fails('and for DDL', qr/ERROR:  42704: branch "nobody" does not exist/, 'DROP TABLE orders');
}
is(sql('SELECT count(*) FROM orders'), '2', 'nothing was changed');

# ---- Reading and changing ----

sql(q{INSERT INTO orders (customer, note) VALUES (3, 'after')}, q{UPDATE customers SET name = 'main' WHERE id = 1});
my $both = q{SELECT string_agg(note || ' ' || name, ',' ORDER BY note) FROM named};
is(on('staging', $both), 'a ann,b bob', 'a view of untouched tables is that of the fork');
is(on('staging', 'BEGIN', q{UPDATE orders SET note = 'A' WHERE id = 1}, $both, 'ROLLBACK', $both), "A ann,b bob\na ann,b bob", 'a first change that is rolled back');
is(on('staging', q{UPDATE orders SET note = 'A' WHERE id = 1}, $both), 'A ann,b bob', 'a change');
is(sql($both), 'a main,after cyd,b bob', 'main has its own state');
is(on('staging', q{INSERT INTO orders (customer, note) VALUES (2, 'new') RETURNING id}), '3', 'a sequence of its own');
is(sql(q{SELECT nextval('orders_id_seq')}), '4', 'that of main goes on by itself');
is(on('staging', q{SELECT currval('orders_id_seq') FROM nextval('public.orders_id_seq')}, q{SELECT nextval(('public.' || 'orders_id_seq')::regclass)}), "4\n5", 'by whatever name');
fails('a foreign key', qr/ERROR:  23503.*orders_customer_fkey/, 'USE BRANCH staging', q{INSERT INTO orders (customer, note) VALUES (9, 'x')});
fails('a unique key', qr/ERROR:  23505.*orders_note_key/, 'USE BRANCH staging', q{INSERT INTO orders (customer, note) VALUES (1, 'b')});
fails('TABLESAMPLE', qr/ERROR:  0A000/, 'USE BRANCH staging', 'SELECT * FROM orders TABLESAMPLE system (50)');
fails('SERIALIZABLE reads of an untouched table', qr/ERROR:  0A000.*SERIALIZABLE/, 'USE BRANCH staging', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'SELECT * FROM notes');
is(on('staging', 'BEGIN READ ONLY', 'SELECT count(*) FROM notes', 'COMMIT'), '3', 'a read-only transaction');
fails('the first change in one', qr/ERROR:  25006/, 'USE BRANCH staging', 'BEGIN READ ONLY', 'DELETE FROM notes');
is(sql('PREPARE p AS SELECT count(*) FROM orders', 'EXECUTE p', 'USE BRANCH staging', 'EXECUTE p', 'USE BRANCH main', 'EXECUTE p'), "3\n3\n3", 'a prepared statement');
is(sql('BEGIN', 'DECLARE c CURSOR FOR SELECT note FROM orders ORDER BY note', 'FETCH c', 'USE BRANCH staging', 'FETCH c', 'SELECT min(note) FROM orders', 'COMMIT'), "a\nafter\nA", 'a cursor stays where it was opened');
is(on('staging', 'SET search_path = pg_catalog', 'SELECT sum(n) FROM public.orders', 'DELETE FROM public.notes', 'SELECT count(*) FROM public.notes'), "21\n0", 'names with schemas');
is(sql('SELECT count(*) FROM notes'), '3', 'which left main alone');
sql(q{CREATE FUNCTION count_notes() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS 'SELECT count(*) FROM notes'},
	q{CREATE FUNCTION all_notes() RETURNS SETOF notes LANGUAGE sql STABLE AS 'SELECT * FROM notes'});
is(on('staging', 'SELECT count_notes(), (SELECT count(*) FROM all_notes())'), '0|0', 'functions with a search path of their own, or inlined elsewhere');
is(on('staging', q{INSERT INTO notes VALUES (5, 'five')}, 'SELECT count_notes(), (SELECT count(*) FROM all_notes())', 'SELECT n, pg_typeof(n) FROM notes n'), "1|1\n(5,five)|notes", 'they see a change; the row type stays');
is(join(',', sort split /\n/, on('staging', 'COPY orders (id, note) TO STDOUT', 'COPY customers TO STDOUT')), "1\tA,1\tann\tx,2\tb,2\tbob\ty,3\tcyd\tmoved,3\tnew", 'COPY TO');
fails('a foreign table', qr/ERROR:  0A000: "f" cannot be used on branch "staging"/, 'CREATE FOREIGN DATA WRAPPER w', 'CREATE SERVER s FOREIGN DATA WRAPPER w', 'CREATE FOREIGN TABLE f (a int) SERVER s', 'USE BRANCH staging', 'SELECT * FROM f');
sql('DROP FOREIGN DATA WRAPPER w CASCADE');
sql('CREATE TABLE late (a int)', 'CREATE UNLOGGED TABLE fleeting (a int)');
fails('a table younger than the branch', qr/ERROR:  42P01: relation "late" does not exist on branch "staging"/, 'USE BRANCH staging', 'SELECT * FROM late');
fails('also for changes', qr/ERROR:  42P01: relation "late" does not exist on branch "staging"/, 'USE BRANCH staging', 'INSERT INTO late VALUES (1)');
is(on('staging', 'CREATE TABLE late (b int)', 'INSERT INTO late VALUES (2)', 'TABLE late', 'DROP TABLE late'), '2', 'so the name is free');
is(on('staging', 'CREATE TEMPORARY TABLE t AS SELECT * FROM orders', 'DELETE FROM t WHERE id = 1', 'SELECT count(*) FROM t'), '2', 'temporary tables');
fails('heliosdb.as_of', qr/ERROR:  0A000/, 'USE BRANCH staging', qq{SET heliosdb.as_of = '$before'}, 'SELECT * FROM orders');

fails('deferred constraints that wait', qr/ERROR:  25001.*SET CONSTRAINTS/s, 'CREATE TABLE d (id int PRIMARY KEY, d int REFERENCES d DEFERRABLE INITIALLY DEFERRED)', 'BEGIN', 'INSERT INTO d VALUES (1, 2)', 'USE BRANCH staging');
fails('an unfulfilled one', qr/ERROR:  23503/, 'BEGIN', 'INSERT INTO d VALUES (1, 2)', 'SET CONSTRAINTS ALL IMMEDIATE');
sql('BEGIN', 'INSERT INTO d VALUES (1, 1)', 'SET CONSTRAINTS ALL IMMEDIATE', 'USE BRANCH staging', 'COMMIT', 'USE BRANCH main', 'DROP TABLE d');
fails('a default from a sequence of main', qr/ERROR:  0A000: a default of table "counted"/, 'CREATE SEQUENCE counter', 'CREATE BRANCH seq', 'USE BRANCH seq', q{CREATE TABLE counted (id int DEFAULT nextval('counter'))});
is(on('seq', q{SELECT nextval('counter')}, q{CREATE TABLE counted (id int DEFAULT nextval('counter'))}, q{COPY counted FROM PROGRAM 'true'}, 'INSERT INTO counted DEFAULT VALUES RETURNING id'), "1\n2", 'from one of the branch');
is(sql(q{SELECT nextval('counter')}, 'DROP BRANCH seq'), '1', 'which has its own values');

# ---- The past ----

sql("CREATE BRANCH earlier AS OF TIMESTAMP '$before'");
fails('before the history of the tables', qr/ERROR:  72000: history of table "customers" does not reach back/, 'USE BRANCH earlier', 'SELECT * FROM customers');
my $now = sql('SELECT clock_timestamp()');
my $xid = sql(q{UPDATE customers SET city = 'later' WHERE id = 3 RETURNING pg_current_xact_id()});
sql('DELETE FROM customers WHERE id = 99', "CREATE BRANCH at_time AS OF TIMESTAMP '$now'", "CREATE BRANCH at_xid AS OF TRANSACTION $xid");
sql(q{UPDATE customers SET city = 'latest' WHERE id = 3});
is(on('at_time', 'SELECT city FROM customers WHERE id = 3') . ' ' . on('at_xid', 'SELECT city FROM customers WHERE id = 3'), 'moved later', 'AS OF TIMESTAMP and TRANSACTION');
my $recovered = sql("RECOVER DATABASE TO TIMESTAMP '$now'");
like($recovered, qr/^RECOVER\|pitr_\d+\|\d+\|\d+$/, 'RECOVER DATABASE');
my $pitr = (split /\|/, $recovered)[1];
is(on($pitr, 'SELECT city FROM customers WHERE id = 3') . sql("DROP BRANCH $pitr"), 'moved', 'into a branch');
sql("DROP BRANCH $_") foreach qw(earlier at_time at_xid);

# ---- DDL on main, and on a branch ----

sql('CREATE SCHEMA store', 'CREATE TABLE store.t (a int)', 'CREATE TABLE kept (id int PRIMARY KEY, v text)', q{INSERT INTO kept VALUES (1, 'one')}, 'CREATE BRANCH ddl');
foreach my $statement ('TRUNCATE kept', 'DROP TABLE kept', 'ALTER TABLE kept DROP COLUMN v', 'ALTER TABLE kept ALTER v TYPE varchar(50)', 'ALTER TABLE kept DROP CONSTRAINT kept_pkey', 'DROP SCHEMA store CASCADE')
{
	fails("on main: $statement", qr/ERROR:  55006: table "\w+" is read by branch/, $statement);
	fails("in a function: $statement", qr/ERROR:  55006/, "DO \$\$ BEGIN $statement; END \$\$");
}
fails('a schema keeps its name', qr/ERROR:  55006/, 'ALTER SCHEMA public RENAME TO private');
sql('VACUUM FULL kept', 'CLUSTER kept USING kept_pkey', 'VACUUM FREEZE kept');
is(on('ddl', 'TABLE kept'), '1|one', 'VACUUM FULL, CLUSTER and FREEZE change nothing');
is(on('ddl', q{ALTER TABLE kept ADD COLUMN w int DEFAULT 3}, 'CREATE INDEX kept_w ON kept (w)', 'TABLE kept', 'SELECT * FROM public.kept', q{INSERT INTO kept (id) VALUES (2) ON CONFLICT (id) DO NOTHING RETURNING w}),
	"1|one|3\n1|one\n3", 'ALTER TABLE; with its schema the table has main\'s columns');
is(sql('SELECT * FROM kept', 'SELECT count(*) FROM pg_indexes WHERE schemaname = \'public\' AND indexname = \'kept_w\''), "1|one\n0", 'main has nothing of it');
sql('ALTER TABLE kept ALTER v TYPE varchar(50)', 'ALTER TABLE kept ADD x int DEFAULT 9');
is(on('ddl', 'TABLE kept'), "1|one|3\n2||3", 'then main may change the type, and the branch does not notice');
is(on('ddl', 'SELECT id, w FROM kept ORDER BY id'), "1|3\n2|3", 'by any statement');
fails('with the schema, the new type', qr/ERROR:  55000: column "v" of table "kept" is another one/, 'USE BRANCH ddl', 'SELECT v FROM public.kept');
foreach my $statement ('CREATE ROLE r', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\'', 'CREATE TYPE t AS (a int)', 'CREATE SCHEMA s', 'CREATE EXTENSION plpgsql', 'GRANT SELECT ON orders TO guest',
	'CREATE UNLOGGED TABLE u (a int)', 'ALTER TABLE orders OWNER TO guest', 'ALTER TABLE orders RENAME TO o', 'VACUUM', 'CREATE INDEX CONCURRENTLY ON orders (n)',
	'COMMENT ON TABLE orders IS \'x\'', 'REINDEX TABLE orders', 'CREATE DATABASE d', 'ALTER SYSTEM SET work_mem = 1000', 'REASSIGN OWNED BY guest TO postgres', 'CREATE PUBLICATION p FOR TABLE orders')
{
	fails("refused on a branch: $statement", qr/ERROR:  0A000: .* is not supported on branch "ddl"/, 'USE BRANCH ddl', $statement);
}

# ---- Privileges ----

sub as_guest
{
	my ($pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql), extra_params => [ '-U', 'guest' ]);
	like($out . $error, $pattern, "guest: $sql[-1]");
	return;
}
sql('REVOKE UPDATE ON customers FROM guest', 'GRANT UPDATE (city) ON customers TO guest');
as_guest(qr/^guest$/m, q{UPDATE customers SET city = 'guest' WHERE id = 1 RETURNING city});
as_guest(qr/42501: permission denied for table customers/, q{UPDATE customers SET name = 'guest'});
sql('REVOKE SELECT ON orders FROM guest');
as_guest(qr/42501: permission denied for table orders/, 'SELECT * FROM orders');
sql('GRANT SELECT ON orders TO guest', 'ALTER TABLE orders ENABLE ROW LEVEL SECURITY', 'CREATE POLICY p ON orders USING (n > 7 OR note = \'b\')');
as_guest(qr/^2\|2\|b\|7$/, 'SELECT * FROM orders');
sql('DROP POLICY p ON orders', 'ALTER TABLE orders DISABLE ROW LEVEL SECURITY');
as_guest(qr/42501: permission denied to create a branch/, 'CREATE BRANCH guests');
as_guest(qr/42501: must be owner of branch "ddl"/, 'DROP BRANCH ddl');
as_guest(qr/42501: must be owner of branch "ddl"/, 'SET heliosdb.branch = main', 'MERGE BRANCH ddl INTO main');
as_guest(qr/42501: permission denied for table branches/, 'SELECT * FROM heliosdb.branches');
as_guest(qr/42501: must be owner of table customers/, 'ALTER TABLE customers ADD COLUMN z int');
as_guest(qr/42501: permission denied for schema public/, 'CREATE TABLE guests (a int)');
sql('GRANT CREATE ON SCHEMA public TO guest', 'ALTER TABLE notes OWNER TO guest');
as_guest(qr/^1\|2$/, 'CREATE TABLE guests (a int PRIMARY KEY, b int DEFAULT 2)', 'INSERT INTO guests VALUES (1)', 'TABLE guests');
as_guest(qr/^5\|five\|3$/, 'CREATE INDEX notes_a ON notes (a)', 'ALTER TABLE notes ADD COLUMN c int DEFAULT 3', 'CREATE UNIQUE INDEX notes_c ON notes (c)', 'TABLE notes');
as_guest(qr/0A000: schema "guest" is not in search_path/, 'CREATE TABLE mine (a int)') if sql('CREATE SCHEMA guest AUTHORIZATION guest') eq '';
as_guest(qr/^7$/, 'SET search_path = guest, public', 'CREATE TABLE mine (a int)', 'INSERT INTO mine VALUES (7)', 'TABLE mine');
sql('GRANT CREATE ON DATABASE postgres TO guest', 'CREATE TABLE fresh (a int)');
as_guest(qr/42501: table "fresh" is not tracked/, 'USE BRANCH main', 'CREATE BRANCH guests');
sql(q{SELECT heliosdb.track('fresh')}, q{SELECT heliosdb.track('late')});
as_guest(qr/^guest$/, 'USE BRANCH main', 'CREATE BRANCH guests', q{SELECT owner FROM pg_branches WHERE branch_name = 'guests'});
as_guest(qr/^0$/, 'DROP BRANCH guests', q{SELECT count(*) FROM pg_branches WHERE branch_name = 'guests'});
sql('DROP BRANCH ddl', 'ALTER ROLE guest RESET heliosdb.branch');
is(sql(q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^heliosdb_[bc]' AND nspname !~ '^heliosdb_[bc]2_'}), '0', 'dropped branches leave nothing');

# ---- Merging ----

sql('DROP BRANCH staging', 'TRUNCATE orders, customers, notes RESTART IDENTITY', q{INSERT INTO customers SELECT i, 'c' || i, 'x' FROM generate_series(1, 9) i},
	q{INSERT INTO orders (customer, note) SELECT i, 'o' || i FROM generate_series(1, 5) i}, q{INSERT INTO notes VALUES (1, 'x'), (1, 'x'), (2, 'y')}, 'CREATE BRANCH m');
is(sql('SELECT * FROM heliosdb.merge_branch(\'m\')'), '0|0|0', 'an untouched branch');
on('m', q{UPDATE customers SET city = 'branch' WHERE id = 1}, 'DELETE FROM customers WHERE id IN (8, 9)', q{INSERT INTO customers VALUES (20, 'new', 'x')}, q{INSERT INTO orders (customer, note) VALUES (20, 'o20')},
	'DELETE FROM orders WHERE id = 5', q{UPDATE orders SET note = 'o1' WHERE id = 1}, q{UPDATE customers SET name = 'same' WHERE id = 3}, 'DELETE FROM notes WHERE a = 2', q{INSERT INTO notes VALUES (1, 'x'), (3, 'z')},
	'CREATE TABLE made (id serial PRIMARY KEY, customer int REFERENCES customers, t text)', q{INSERT INTO made (customer, t) VALUES (20, 'm'), (1, 'n')}, 'CREATE INDEX made_t ON made (t)',
	'ALTER TABLE customers ADD COLUMN zip int DEFAULT 5, ADD CHECK (zip > 0)', 'UPDATE customers SET zip = 6 WHERE id = 2', 'CREATE INDEX customers_city ON customers (city)');
sql(q{UPDATE customers SET name = 'main' WHERE id = 1}, q{UPDATE customers SET name = 'same' WHERE id = 3}, q{INSERT INTO customers VALUES (30, 'main', 'x')}, 'DELETE FROM customers WHERE id = 9');
is(sql(q{SELECT relation::regclass::text ~ 'made', key, action, conflict FROM heliosdb.merge_preview('m') ORDER BY 1, 2, 3}),
	join("\n", 'f|(1)|update|f', 'f|(1,x)|insert|f', 'f|(2,y)|delete|f', 'f|(20)|insert|f', 'f|(3,z)|insert|f', 'f|(5)|delete|f', 'f|(6)|insert|f', 'f|(8)|delete|f', 'f|zip|add column|f', 't||create|f'), 'merge_preview()');
is(sql(q{SELECT * FROM heliosdb.branch_diff('main', 'm', 'customers') ORDER BY 1, 2, 3}),
	join("\n", '(1)|modified|city|x|branch', '(1)|modified|name|main|c1', '(20)|added|||(20,new,x)', '(30)|deleted||(30,main,x)|', '(8)|deleted||(8,c8,x)|'), 'branch_diff()');
is(sql(q{SELECT key, source_value, target_value, difference_type, source_timestamp > 0, target_timestamp > 0 FROM pg_compare_branches('main', 'm') WHERE key LIKE '%customers(_)' ORDER BY 1}),
	"public.customers(1)|(1,main,x)|(1,c1,branch)|modified|t|t\npublic.customers(8)|(8,c8,x)||deleted|t|", 'pg_compare_branches()');
is(sql(q{SELECT branch_name, modified_keys > 5, storage_bytes > 10000, commit_count > 5, last_modified > now()::timestamp - interval '1 hour' FROM pg_branch_stats()}), 'm|t|t|t|t', 'pg_branch_stats()');
sql('MERGE DATABASE BRANCH m INTO main');
is(sql('SELECT id, name, city, zip FROM customers WHERE id NOT IN (4, 5, 6, 7) ORDER BY id'), "1|main|branch|5\n2|c2|x|6\n3|same|x|5\n20|new|x|5\n30|main|x|5", 'rows and cells of both, and a new column');
is(sql('SELECT string_agg(note, \',\' ORDER BY id) FROM orders', 'SELECT string_agg(a || b, \',\' ORDER BY a, b) FROM notes', 'SELECT * FROM made ORDER BY id'), "o1,o2,o3,o4,o20\n1x,1x,1x,3z\n1|20|m\n2|1|n", 'other tables, one without a key, and a new one');
is(sql(q{INSERT INTO made (t) VALUES ('main') RETURNING id}, q{INSERT INTO orders (note) VALUES ('main') RETURNING id}, q{SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ('made', 'customers')}),
	"3\n7\ncustomers_city,customers_pkey,made_pkey,made_t", 'sequences and indexes');
fails('new constraints', qr/ERROR:  23514.*customers_zip_check/, 'UPDATE customers SET zip = 0');
fails('new foreign keys', qr/ERROR:  23503.*made_customer_fkey/, 'UPDATE made SET customer = 77');
is(sql('SELECT * FROM heliosdb.merge_branch(\'m\')'), '0|0|0', 'a second merge repeats nothing');
is(sql('SELECT status FROM pg_database_branches() WHERE branch_name = \'m\''), 'merged', 'its state');

# Triggers of main fire, with the settings of the caller; names of the caller are not what the merge goes by.
sql('CREATE TABLE heard (what text)', q{CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO heard VALUES (concat_ws('' '', TG_OP, OLD.id, NEW.id, current_setting(''timezone''))); RETURN NULL; END'},
	'CREATE TRIGGER hear AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH ROW EXECUTE FUNCTION hear()',
	'CREATE SCHEMA hostile', q{CREATE FUNCTION hostile.never(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false'}, 'CREATE OPERATOR hostile.= (FUNCTION = hostile.never, LEFTARG = int, RIGHTARG = int)',
	q{CREATE FUNCTION hostile.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'}, 'CREATE OPERATOR hostile.= (FUNCTION = hostile.never, LEFTARG = text, RIGHTARG = text)',
	q{CREATE FUNCTION hostile.count() RETURNS bigint LANGUAGE sql AS 'SELECT 7::bigint'});
on('m', q{INSERT INTO customers VALUES (50, 'fifty')}, q{UPDATE customers SET name = 'thirty' WHERE id = 3}, 'DELETE FROM customers WHERE id = 7');
is(sql('SET search_path = hostile, pg_catalog, public', q{SET timezone = 'Asia/Tokyo'}, q{SELECT * FROM heliosdb.merge_branch('m')}, 'SELECT what FROM heard ORDER BY what COLLATE "C"'),
	"1|1|1\nDELETE 7 Asia/Tokyo\nINSERT 50 Asia/Tokyo\nUPDATE 3 3 Asia/Tokyo", 'triggers and hostile names');
sql('DROP SCHEMA hostile CASCADE', 'DROP TRIGGER hear ON customers', q{INSERT INTO customers VALUES (7, 'c7', 'x')});
on('m', q{INSERT INTO customers VALUES (7, 'c7', 'x')});
sql(q{SELECT * FROM heliosdb.merge_branch('m')});

on('m', q{UPDATE customers SET city = 'again' WHERE id = 1}, q{UPDATE customers SET city = 'b2', name = 'n2' WHERE id = 2}, 'DELETE FROM customers WHERE id = 6', 'UPDATE customers SET zip = 7 WHERE id = 7', q{INSERT INTO customers VALUES (40, 'branch')});
sql(q{UPDATE customers SET city = 'm2' WHERE id = 2}, q{UPDATE customers SET name = 'm6' WHERE id = 6}, 'DELETE FROM customers WHERE id = 7', q{INSERT INTO customers VALUES (40, 'main')});
my $everything = q{SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM customers t};
my $untouched = sql($everything);
fails('conflicts', qr/ERROR:  23000: branch "m" cannot be merged: 4 rows were changed on both sides.*customers: \(2\), \(6\), \(7\), \(40\).*conflict_resolution/s, 'MERGE BRANCH m INTO main');
is(sql($everything), $untouched, 'nothing is changed then');
is(sql(q{SELECT key, action FROM heliosdb.merge_preview('m') WHERE conflict}), "(2)|update\n(6)|delete\n(7)|insert\n(40)|update", 'they are listed');
my $fourth = 'SELECT id, name, city, zip FROM customers WHERE id IN (1, 2, 6, 7, 40) ORDER BY id';
is(sql('BEGIN', 'MERGE BRANCH m INTO main WITH (strategy = ours)', $fourth, 'ROLLBACK'), "1|main|again|5\n2|n2|m2|6\n6|m6|x|5\n40|main||5", 'the target wins');
fails('strategies that contradict', qr/ERROR:  22023/, 'MERGE BRANCH m INTO main WITH (strategy = ours, conflict_resolution = branch_wins)');
fails('an unknown strategy', qr/ERROR:  22023/, 'MERGE BRANCH m INTO main WITH (strategy = mine)');
fails('another target', qr/ERROR:  0A000/, 'MERGE BRANCH main INTO m');
fails('one snapshot', qr/ERROR:  25001/, 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'MERGE BRANCH m INTO main');
fails('dropping the current branch', qr/ERROR:  55006/, 'USE BRANCH m', 'MERGE BRANCH m INTO main WITH (strategy = theirs, delete_branch_after = true)');
sql('MERGE BRANCH m INTO main WITH (conflict_resolution = branch_wins, delete_branch_after = true)');
is(sql($fourth, 'SELECT count(*) FROM pg_branches'), "1|main|again|5\n2|n2|b2|6\n7|c7|x|7\n40|branch||5\n1", 'the branch wins, and is dropped');

# Partitioned tables, with and without a key.
sql('CREATE TABLE events (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)', 'CREATE TABLE events_1 (v text, gone int, day int NOT NULL, id int NOT NULL)', 'ALTER TABLE events_1 DROP COLUMN gone',
	'ALTER TABLE events ATTACH PARTITION events_1 FOR VALUES FROM (0) TO (10)', 'CREATE TABLE events_2 PARTITION OF events DEFAULT PARTITION BY LIST (id)', 'CREATE TABLE events_2_rest PARTITION OF events_2 DEFAULT',
	'CREATE TABLE tags (a int, b text) PARTITION BY LIST (a)', 'CREATE TABLE tags_1 PARTITION OF tags FOR VALUES IN (1)', 'CREATE TABLE tags_rest PARTITION OF tags DEFAULT',
	q{INSERT INTO events SELECT i, i, 'v' || i FROM generate_series(1, 20) i}, q{INSERT INTO tags VALUES (1, 'x'), (2, 'y'), (1, 'x')}, 'CREATE BRANCH parts');
is(on('parts', 'SELECT count(*) FROM events', 'SELECT count(*) FROM events_2_rest'), "20\n11", 'untouched partitions');
on('parts', q{UPDATE events SET v = 'branch' WHERE day = 3}, 'UPDATE events SET day = 15 WHERE id = 4', q{UPDATE events_1 SET v = 'leaf' WHERE id = 6}, 'DELETE FROM events WHERE id = 5', q{UPDATE tags SET a = 3 WHERE b = 'y'}, q{DELETE FROM tags WHERE ctid = '(0,1)' AND tableoid::regclass::text ~ 'tags_1'});
sql(q{UPDATE events SET v = 'main' WHERE id = 7});
fails('a partition cannot come', qr/ERROR:  55006/, 'CREATE BRANCH whole', 'CREATE TABLE events_3 PARTITION OF events_2 FOR VALUES IN (100)');
sql('DROP BRANCH whole', 'MERGE BRANCH parts INTO main WITH (delete_branch_after = true)');
is(sql('SELECT tableoid::regclass, * FROM events WHERE id IN (3, 4, 5, 6, 7) ORDER BY id', 'SELECT tableoid::regclass, * FROM tags ORDER BY a'),
	join("\n", 'events_1|3|3|branch', 'events_2_rest|4|15|v4', 'events_1|6|6|leaf', 'events_1|7|7|main', 'tags_1|1|x', 'tags_rest|3|y'), 'are merged');

# What stands in the way of a merge as a whole.
sql('CREATE TABLE parent (id int PRIMARY KEY, v text)', 'CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE)', q{INSERT INTO parent VALUES (1, 'p'), (2, 'q')}, 'INSERT INTO child VALUES (1, 1), (2, 2)');
my $merge_fails = sub {
	my ($name, $pattern, $branch_sql, $main_sql) = @_;
	sql('CREATE BRANCH bad');
	on('bad', $branch_sql);
	sql($main_sql) if $main_sql;
	fails($name, $pattern, 'MERGE BRANCH bad INTO main');
	sql('DROP BRANCH bad');
};
$merge_fails->('a child of a parent that went', qr/ERROR:  23503/, 'INSERT INTO child VALUES (3, 2)', 'DELETE FROM child WHERE id = 2; DELETE FROM parent WHERE id = 2');
$merge_fails->('a dropped table', qr/ERROR:  55000.*it dropped table public.child/, 'DROP TABLE child');
$merge_fails->('a dropped column', qr/ERROR:  55000.*column "v" was dropped on the branch/, 'ALTER TABLE parent DROP COLUMN v');
$merge_fails->('a renamed column', qr/ERROR:  55000.*column "v" was renamed/, 'ALTER TABLE parent RENAME COLUMN v TO w');
$merge_fails->('another type', qr/ERROR:  55000.*column "v" was given another type/, 'ALTER TABLE parent ALTER v TYPE varchar');
$merge_fails->('a table created on both sides', qr/ERROR:  42P07.*it was created on both sides/, 'CREATE TABLE twin (a int)', 'CREATE TABLE twin (a int)');
$merge_fails->('a table without a key, changed on both sides', qr/ERROR:  55000.*no primary key/, 'DELETE FROM notes WHERE a = 3', q{INSERT INTO notes VALUES (9, 'main')});
$merge_fails->('a check that both break together', qr/ERROR:  23514/, 'UPDATE pair SET low = 5 WHERE id = 1', 'UPDATE pair SET high = 3 WHERE id = 1') if sql('CREATE TABLE pair (id int PRIMARY KEY, low int, high int, CHECK (low < high))', 'INSERT INTO pair VALUES (1, 1, 9)') eq '';
sql('CREATE BRANCH swap');
on('swap', 'UPDATE child SET id = id + 10');
sql('MERGE BRANCH swap INTO main');
is(sql('SELECT * FROM child ORDER BY id'), "11|1", 'other primary keys: deleted and inserted');

done_testing();
