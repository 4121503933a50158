# Corners of branches: whose code runs with whose rights, statements that change the branch under way, sequences that no
# planner sees, definitions that differ on both sides.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('corners');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nfsync = off\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE ROLE member LOGIN;
	GRANT CREATE ON SCHEMA public TO member;
	GRANT CREATE ON DATABASE postgres TO member});

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }
sub as_member { return $node->safe_psql('postgres', join('; ', @_), extra_params => [ '-U', 'member' ]); }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}

# ---- Code of users, while tables are copied ----

as_member(q{CREATE FUNCTION part_key(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN IF current_user <> ''member'' THEN RAISE EXCEPTION ''key as %'', current_user; END IF; RETURN i; END'},
	'CREATE TABLE whole (i int) PARTITION BY RANGE (part_key(i))', 'CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (100)', 'CREATE TABLE rest PARTITION OF whole DEFAULT',
	'CREATE INDEX ON whole (i)', 'INSERT INTO whole VALUES (1), (2), (200)',
	q{CREATE TYPE letter AS ENUM ('a', 'b')},
	q{CREATE FUNCTION letter_text(l letter) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN IF current_user <> ''member'' THEN RAISE EXCEPTION ''cast as %'', current_user; END IF; RETURN ''a''; END'},
	'CREATE CAST (letter AS text) WITH FUNCTION letter_text(letter) AS IMPLICIT', 'CREATE TABLE texts (t text PRIMARY KEY)', q{INSERT INTO texts VALUES ('a')},
	'CREATE TABLE letters (l letter REFERENCES texts)', q{INSERT INTO letters VALUES ('a')},
	'CREATE TABLE texts_2 (t text PRIMARY KEY)', q{INSERT INTO texts_2 VALUES ('a')},
	'CREATE TABLE letters_2 (l letter REFERENCES texts_2, n int) PARTITION BY LIST (n)', 'CREATE TABLE letters_2_rest PARTITION OF letters_2 DEFAULT', q{INSERT INTO letters_2 VALUES ('a', 1)},
	q{CREATE FUNCTION rescued(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN BEGIN RAISE EXCEPTION ''x''; EXCEPTION WHEN raise_exception THEN NULL; END; RETURN i; END'},
	'CREATE TABLE indexed (id int PRIMARY KEY, v int)', 'CREATE INDEX ON indexed (rescued(v))', 'INSERT INTO indexed VALUES (1, 1), (2, 2)');
sql('CREATE BRANCH code');
is(as_member('USE BRANCH code', 'INSERT INTO whole VALUES (3), (201)', 'SELECT string_agg(i::text, \',\' ORDER BY i) FROM whole', 'SELECT count(*) FROM rest'), "1,2,3,200,201\n2", 'keys of partitions are not computed by a superuser');
is(as_member('USE BRANCH code', q{SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace::regnamespace::text ~ '^heliosdb_c'}), '2', 'and indexes of partitions belong to that of the whole');
is(as_member('USE BRANCH code', 'INSERT INTO letters VALUES (\'b\')', 'TABLE letters', q{SELECT convalidated FROM pg_constraint WHERE conrelid::regclass::text ~ '^heliosdb_c.*letters'}), "a\nb\nt", 'nor casts of foreign keys');
fails('which are refused where they cannot be avoided', qr/ERROR:  0A000: foreign key "letters_2_l_fkey" of partitioned table "letters_2"/, 'USE BRANCH code', 'DELETE FROM letters_2');
is(on('code', 'DELETE FROM indexed WHERE id = 1', 'TABLE indexed'), '2|2', 'an index function that catches an error');
is(sql('SELECT count(*) FROM indexed'), '2', 'main has its own');

# ---- Schemas of branches ----

foreach my $name (qw(heliosdb_b77_public heliosdb_c77_public))
{
	my ($status, $out, $error) = $node->psql('postgres', "CREATE SCHEMA $name", extra_params => [ '-U', 'member' ]);
	like($error, qr/ERROR:  a schema cannot be named "$name"/, "no role takes the name $name");
	($status, $out, $error) = $node->psql('postgres', "BEGIN; CREATE SCHEMA mine; ALTER SCHEMA mine RENAME TO $name", extra_params => [ '-U', 'member' ]);
	like($error, qr/ERROR:  a schema cannot be named "$name"/, 'nor by renaming');
}
my $shadow = sql('USE BRANCH code', 'CREATE TABLE made (a int)', 'SELECT relnamespace::regnamespace FROM pg_class WHERE relname = \'made\'');
fails('a role that may create in the schema may in that of the branch', qr/^$/, 'SET ROLE member', "CREATE TABLE $shadow.of_member (a int)", "DROP TABLE $shadow.of_member");
sql('REVOKE CREATE ON SCHEMA public FROM member');
fails('until that is revoked', qr/ERROR:  42501: permission denied for schema $shadow/, 'SET ROLE member', "CREATE TABLE $shadow.of_member (a int)");
sql('GRANT CREATE ON SCHEMA public TO member', 'ALTER SCHEMA public OWNER TO member');
is(sql("SELECT DISTINCT nspowner::regrole FROM pg_namespace WHERE nspname ~ '^heliosdb_[bc]'"), 'member', 'owners go along');
sql('ALTER SCHEMA public OWNER TO pg_database_owner');
fails('LOCK of a view', qr/ERROR:  0A000: LOCK of a view/, 'CREATE VIEW looked AS TABLE indexed', 'USE BRANCH code', 'BEGIN', 'LOCK TABLE looked');
sql('DROP VIEW looked');
my $copies = sql(q{SELECT nspname FROM pg_namespace WHERE nspname ~ '^heliosdb_c\d+_public$'});
sql("CREATE TABLE $copies.foreigner (a int)");
fails('what somebody put among the copies', qr/ERROR:  55000: "foreigner" was not created on branch "code"/, 'USE BRANCH code', "ALTER TABLE $copies.foreigner ADD COLUMN b int");
sql("DROP TABLE $copies.foreigner");

my $last = sql('SELECT last_value FROM heliosdb.branch_ids');
sql(sprintf('CREATE SCHEMA heliosdb_b%d_public', $last + 1), sprintf('CREATE TABLE heliosdb_b%d_public.indexed (a text)', $last + 1), 'CREATE BRANCH clear');
is(sql(q{SELECT id FROM heliosdb.branches WHERE name = 'clear'}) . on('clear', 'SELECT count(*) FROM indexed'), ($last + 2) . '2', 'schemas that a dump has left are not those of a new branch');
sql('DROP BRANCH clear', sprintf('DROP SCHEMA heliosdb_b%d_public CASCADE', $last + 1));

# ---- Sequences ----

sql('CREATE SEQUENCE s', q{CREATE TABLE counted (id bigint DEFAULT nextval(('s' || '')::regclass), v int)}, 'CREATE PROCEDURE take(i bigint) LANGUAGE plpgsql AS \'BEGIN END\'',
	'CREATE TABLE filled (id serial PRIMARY KEY, v text)', 'CREATE BRANCH seq');
on('seq', q{CALL take(nextval('s'))}, 'PREPARE p(bigint) AS SELECT $1', q{EXECUTE p(nextval('s'))}, q{CREATE TEMPORARY TABLE t AS EXECUTE p(nextval('public.s'))}, q{COPY counted (v) FROM PROGRAM 'echo 5'}, 'INSERT INTO counted (v) VALUES (6)');
is(sql('SELECT last_value, is_called FROM s'), '1|f', 'CALL, EXECUTE and COPY leave those of main alone');
is(on('seq', 'TABLE counted', 'SELECT last_value FROM s', q{SELECT currval('s'::regclass) FROM nextval('s')}), "4|5\n5|6\n5\n6", 'and take those of the branch');
is(on('seq', 'PREPARE p(bigint) AS SELECT $1', 'EXPLAIN (COSTS OFF) EXECUTE p(1)'), 'Result', 'EXPLAIN EXECUTE');
fails('a default that finds its sequence when it is evaluated', qr/ERROR:  0A000: a default of table "found"/, 'USE BRANCH seq', q{CREATE TABLE found (id int DEFAULT nextval(('s' || '')::regclass))});
sql(q{SELECT nextval('s') FROM generate_series(1, 50)});
sql('CREATE BRANCH later', q{SELECT nextval('s') FROM generate_series(1, 50)});
is(on('later', 'SELECT last_value FROM s'), '50', 'a sequence is read as of the fork');
on('seq', q{INSERT INTO filled (v) VALUES ('branch')});
sql('DROP BRANCH code', 'MERGE BRANCH seq INTO main WITH (delete_branch_after = true)');
is(sql(q{INSERT INTO filled (v) VALUES ('main') RETURNING id}), '2', 'the first value of a sequence is merged, too');

sql('CREATE SEQUENCE moved', 'ALTER SEQUENCE moved RESTART WITH 1000', 'CREATE SEQUENCE stays', 'CREATE SCHEMA heliosdb_app', 'CREATE SEQUENCE heliosdb_app.s', q{SELECT nextval('heliosdb_app.s') FROM generate_series(1, 7)}, 'CREATE BRANCH stand');
sql(q{SELECT nextval('moved'), nextval('stays')});
is(on('stand', q{SELECT nextval('moved'), nextval('stays'), nextval('heliosdb_app.s')}), '1000|1|8', 'sequences that were moved and not used, and those of any schema');
sql('DROP BRANCH stand');

# ---- Changing the branch under way ----

sql('CREATE TABLE plain (id int PRIMARY KEY)', 'CREATE TABLE parent (id int PRIMARY KEY)', 'CREATE TABLE child (id int, parent int REFERENCES parent)', 'INSERT INTO plain VALUES (1)', 'CREATE BRANCH other', 'INSERT INTO plain VALUES (2)');
on('other', 'INSERT INTO parent VALUES (9)');
sql(q{CREATE FUNCTION elsewhere() RETURNS bigint LANGUAGE sql AS $$SELECT heliosdb.use_branch('other'); SELECT count(*) FROM plain$$},
	q{CREATE FUNCTION back() RETURNS bigint LANGUAGE sql AS $$SELECT heliosdb.use_branch('main'); SELECT count(*) FROM plain$$},
	q{CREATE FUNCTION well() RETURNS bigint LANGUAGE plpgsql AS $$BEGIN PERFORM heliosdb.use_branch('other'); RETURN (SELECT count(*) FROM plain); END$$},
	q{CREATE FUNCTION there() RETURNS bigint LANGUAGE sql SET heliosdb.branch = 'other' AS $$SELECT count(*) FROM plain$$});
fails('statements of a function in SQL are planned before they run', qr/ERROR:  55000: the branch was changed after a statement about "plain" was planned/, 'SELECT elsewhere()');
fails('and when it leads back', qr/ERROR:  55000: the branch was changed after a statement about "plain" was planned/, 'USE BRANCH other', 'SELECT back()');
is(sql('SELECT well(), heliosdb.current_branch()', 'USE BRANCH main', 'SELECT there(), (SELECT count(*) FROM plain), heliosdb.current_branch()'), "1|other\n1|2|main", 'other functions may change it');
fails('foreign keys are not checked on another branch', qr/ERROR:  25001: a statement that changes rows has changed the branch/,
	q{WITH x AS MATERIALIZED (SELECT set_config('heliosdb.branch', 'other', false)) INSERT INTO child SELECT 1, 9 FROM x});
is(sql('SELECT count(*) FROM child'), '0', 'nothing was inserted');
sql('CREATE TABLE noted (id int)', 'CREATE TABLE heard (branch text)', q{CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO heard VALUES (heliosdb.current_branch()); RETURN NULL; END'},
	'CREATE CONSTRAINT TRIGGER hear AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hear()', 'CREATE BRANCH third',
	q{CREATE FUNCTION note() RETURNS void LANGUAGE sql SET heliosdb.branch = 'third' AS 'INSERT INTO noted VALUES (1)'},
	q{CREATE FUNCTION note_now() RETURNS void LANGUAGE plpgsql SET heliosdb.branch = 'third' AS 'BEGIN SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO noted VALUES (1); END'});
fails('a trigger that would fire behind the function that set the branch', qr/ERROR:  25001: function "note" leaves deferred constraints of branch "third"/, 'SELECT note()');
is(sql('SELECT note_now()', 'TABLE heard', 'USE BRANCH third', 'TABLE heard', 'BEGIN', 'INSERT INTO noted VALUES (2)', 'COMMIT', 'SELECT count(*) FROM heard'), "\nthird\n2", 'others fire on its branch');
{
	local $ENV{PGOPTIONS} = '-c heliosdb.branch=ghost';
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('SELECT 1');
	{ local $ENV{PGOPTIONS} = ''; sql('CREATE BRANCH ghost'); }
	$session->query('INSERT INTO noted VALUES (3); SELECT count(*) FROM noted');
	like($session->{stderr}, qr/branch "ghost" does not exist/, 'a session keeps to what its branch was not');
	is($session->query(q{SET heliosdb.branch = 'ghost'; SELECT count(*) FROM noted}), '0', 'until it names it again');
	$session->quit;
}
sql('SET force_parallel_mode = on', 'PREPARE p AS SELECT count(*) FROM plain', 'EXECUTE p', 'USE BRANCH other', 'EXECUTE p', 'EXECUTE p');
is(on('other', 'SET force_parallel_mode = on', 'SELECT count(*) FROM plain', 'SELECT count(*) FROM parent'), "1\n1", 'parallel workers');

sql('CREATE TABLE shared (id int PRIMARY KEY, v int)', 'INSERT INTO shared VALUES (1, 1)', 'CREATE BRANCH one', 'CREATE BRANCH two');
on($_, 'UPDATE shared SET v = 2') foreach qw(one two);
foreach my $statement ('INSERT INTO shared VALUES (2, 2)', q{COPY shared FROM PROGRAM 'echo 2 2' (DELIMITER ' ')}, 'TRUNCATE shared')
{
	fails("what is changed behind a merge would be lost: $statement", qr/ERROR:  25001: branch "one" cannot be changed in a transaction that has merged it/,
		'BEGIN', 'MERGE BRANCH two INTO main', 'MERGE BRANCH one INTO main WITH (strategy = theirs)', 'USE BRANCH one', $statement);
}
sql('BEGIN', 'MERGE BRANCH one INTO main', 'USE BRANCH two', 'UPDATE shared SET v = 3', 'COMMIT', 'USE BRANCH one', 'INSERT INTO shared VALUES (2, 2)');
is(sql(q{SELECT inserted FROM heliosdb.merge_branch('one')}, q{SELECT updated FROM heliosdb.merge_branch('two', options => '{"strategy": "theirs"}')}, 'SELECT * FROM shared ORDER BY id'), "1\n1\n1|3\n2|2", 'other branches can be, and this one later');

# Main adds a column while the table is being copied.
{
	my $copier = $node->background_psql('postgres', on_error_stop => 0);
	sql('CREATE BRANCH racing');
	$copier->query('USE BRANCH racing; BEGIN; UPDATE shared SET v = 9 WHERE id = 1');
	my $alterer = $node->background_psql('postgres', on_error_stop => 0);
	$alterer->query_until(qr/go/, "\\echo go\nALTER TABLE shared ADD COLUMN w int DEFAULT 1;\n");
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted});
	$copier->query('COMMIT');
	$alterer->query('SELECT 1');
	is($copier->query('SELECT * FROM shared ORDER BY id'), "1|9\n2|2", 'the branch keeps its columns');
	$_->quit foreach $copier, $alterer;
	is(sql('SELECT * FROM shared ORDER BY id'), "1|3|1\n2|2|1", 'main has its own');
}

# ---- Definitions ----

sql('CREATE TABLE base (id int PRIMARY KEY)', 'CREATE VIEW over AS SELECT * FROM base', 'CREATE BRANCH wide');
on('wide', q{ALTER TABLE base ADD COLUMN s text DEFAULT 'x', ADD COLUMN g int GENERATED ALWAYS AS (id + 1) STORED});
sql(q{ALTER TABLE base ADD COLUMN m text DEFAULT 'main'});
is(on('wide', 'INSERT INTO over VALUES (1)', 'INSERT INTO public.base (id) VALUES (2), (3)', 'MERGE INTO public.base b USING (VALUES (4)) x (i) ON b.id = x.i WHEN NOT MATCHED THEN INSERT (id) VALUES (x.i)', 'SELECT * FROM base ORDER BY id'),
	"1|x|2\n2|x|3\n3|x|4\n4|x|5", 'the defaults of columns that only the branch has');
fails('a column that only main has is no other one of the branch', qr/ERROR:  55000: column "m" of table "base" is another one on branch "wide"/, 'USE BRANCH wide', 'SELECT m FROM public.base');
fails('nor is it written', qr/ERROR:  55000: column "m"/, 'USE BRANCH wide', q{INSERT INTO public.base (id, m) VALUES (7, 'y')});

sql('CREATE TABLE guarded (id int PRIMARY KEY, name text, n int)', 'ALTER TABLE guarded ENABLE ROW LEVEL SECURITY', 'CREATE POLICY own ON guarded USING (name = current_user)', 'CREATE POLICY none ON guarded FOR DELETE USING (false)', 'GRANT ALL ON guarded TO member',
	q{INSERT INTO guarded VALUES (1, 'member', 1), (2, 'postgres', 2)}, 'CREATE BRANCH named');
on('named', 'ALTER TABLE guarded RENAME COLUMN name TO whose', 'ALTER TABLE guarded ADD COLUMN b int DEFAULT 1');
sql('GRANT SELECT ON plain TO member');
pass('main grants whatever branches have renamed');
is(as_member('USE BRANCH named', 'SELECT id, whose FROM guarded'), '1|member', 'policies go by the new name');
sql('ALTER TABLE guarded ADD COLUMN later int DEFAULT 1', 'CREATE POLICY narrow ON guarded AS RESTRICTIVE USING (later = 1)');
is(as_member('SELECT id FROM guarded', 'USE BRANCH named', 'SELECT count(*) FROM guarded'), "1\n0", 'one that needs a column which the branch lacks lets nothing through');
sql('DROP POLICY narrow ON guarded');
is(as_member('USE BRANCH named', 'SELECT count(*) FROM guarded'), '1', 'until it is dropped');
on('named', 'ALTER TABLE guarded DROP COLUMN whose CASCADE');
sql('GRANT SELECT ON parent TO member');
is(as_member('USE BRANCH named', 'SELECT count(*) FROM guarded'), '0', 'nor does one whose column the branch has dropped');

# ---- The extension goes, with its branches ----

fails('DROP EXTENSION with branches', qr/ERROR:  2BP01/, 'DROP EXTENSION heliosdb');
fails('on a branch', qr/ERROR:  0A000/, 'USE BRANCH named', 'DROP EXTENSION heliosdb CASCADE');
sql('DROP EXTENSION heliosdb CASCADE');
is(sql(q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^heliosdb(_[bc][0-9]|_log|$)'}, 'SELECT count(*) FROM plain'), "0\n2", 'CASCADE takes the branches along');

done_testing();
