# What belongs to tables beside rows, on a branch: extended statistics, rules; and materialized
# views.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('objects');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nfsync = off\nautovacuum = off\n");
$node->start;

sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }

sub fails
{
	my ($name, $pattern, @sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', '\set VERBOSITY verbose' . "\n" . join('; ', @sql));
	like($error, $pattern, $name);
	return;
}

$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE ROLE member LOGIN;
	GRANT CREATE ON SCHEMA public TO member});

# ---- Extended statistics ----

$node->safe_psql('postgres', q{
	CREATE SCHEMA other;
	CREATE TABLE cities (id int PRIMARY KEY, city int, land int, gone int, note text);
	ALTER TABLE cities DROP COLUMN gone;
	INSERT INTO cities SELECT i, i % 100, i % 10, 'x' FROM generate_series(1, 10000) i;
	CREATE STATISTICS known (dependencies, mcv) ON city, land FROM cities;
	CREATE STATISTICS other.known (ndistinct) ON land, note FROM cities;
	CREATE STATISTICS lengths ON (length(note) + id) FROM cities;
	ALTER STATISTICS known SET STATISTICS 50;
	ANALYZE cities;
	CREATE TABLE parts (id int, a int, b int) PARTITION BY RANGE (id);
	CREATE TABLE part PARTITION OF parts DEFAULT;
	INSERT INTO parts SELECT i, i % 20, i % 20 FROM generate_series(1, 1000) i;
	CREATE STATISTICS whole ON a, b FROM parts;
	ANALYZE parts;
	CREATE BRANCH s});
my $estimate = q{SELECT (regexp_match(string_agg(l, ' '), 'rows=(\d+)'))[1] FROM explained('SELECT * FROM cities WHERE city = 3 AND land = 3') l};
sql(q{CREATE FUNCTION explained(q text) RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY EXECUTE ''EXPLAIN '' || q; END'});
is(sql($estimate), '100', 'main knows that columns depend on each other');
my $objects = q{SELECT string_agg(x.stxname || ' ' || x.stxkind::text || ' ' || x.stxstattarget || ' ' || pg_get_statisticsobjdef_columns(x.oid) || ' ' || count, ', ' ORDER BY x.oid) FROM pg_statistic_ext x, LATERAL (SELECT count(*) FROM pg_statistic_ext_data d WHERE d.stxoid = x.oid) d WHERE x.stxrelid = };
my $main = sql("$objects 'cities'::regclass");
like($main, qr/^known \{f,m\} 50 city, land 1, known/, 'statistics of main');
on('s', 'UPDATE cities SET note = note WHERE id = 1', 'UPDATE parts SET a = a WHERE id = 1');
my $copy = q{(SELECT r.local_relid FROM heliosdb.branch_relations r WHERE r.main_relid = 'cities'::regclass)};
is(sql("$objects $copy"), $main, 'a copy has them, with their data');
is(sql("SELECT count(*) FROM pg_statistic_ext_data d JOIN pg_statistic_ext x ON x.oid = d.stxoid WHERE x.stxname = 'whole' AND stxdinherit"), '2', 'also of a partitioned table');
is(on('s', $estimate), '100', 'and the same estimates');
is(on('s', 'ANALYZE cities', $estimate), '100', 'ANALYZE keeps them');

on('s', 'ALTER STATISTICS known SET STATISTICS 60', 'DROP STATISTICS other.known', 'ALTER STATISTICS lengths RENAME TO long');
is(sql("$objects 'cities'::regclass"), $main, 'ALTER and DROP on the branch leave main alone');
is(sql("SELECT string_agg(stxname || stxstattarget, ',' ORDER BY stxname) FROM pg_statistic_ext WHERE stxrelid = $copy"), 'known60,long-1', 'and change the branch');
fails('one that was dropped there', qr/ERROR:  42704: statistics object "other\.known" does not exist on branch "s"/, 'USE BRANCH s', 'DROP STATISTICS other.known');
like(sql("$objects 'cities'::regclass"), qr/ndistinct|known \{d\}/, 'that of main stays');
fails('one that nobody has', qr/ERROR:  42704/, 'USE BRANCH s', 'ALTER STATISTICS nobody SET STATISTICS 5');
on('s', 'DROP STATISTICS IF EXISTS nobody');
on('s', 'ALTER STATISTICS long RENAME TO lengths');
on('s', 'CREATE STATISTICS added (ndistinct) ON id, note FROM cities', 'ALTER STATISTICS added SET STATISTICS 70');
fails('a name twice', qr/ERROR:  42710: statistics object "added" already exists/, 'USE BRANCH s', 'CREATE STATISTICS added ON id, city FROM cities');
on('s', 'CREATE STATISTICS IF NOT EXISTS added ON id, city FROM cities');
fails('a name of main', qr/ERROR:  42710: statistics object "known" already exists/, 'USE BRANCH s', 'CREATE STATISTICS known ON id, city FROM cities');
sql('CREATE BRANCH t');
fails('by a role that does not own it', qr/ERROR:  42501: must be owner of statistics object known/, 'SET ROLE member', 'USE BRANCH t', 'DROP STATISTICS known');
on('t', 'ALTER STATISTICS lengths SET STATISTICS 10');
is(sql(q{SELECT count(*) FROM pg_statistic_ext WHERE stxname = 'lengths' AND stxstattarget = 10}), '1', 'the first use makes the copy');
fails('nor the copy', qr/ERROR:  42501: must be owner of statistics object \S*known/, 'SET ROLE member', 'USE BRANCH t', 'DROP STATISTICS known');
on('t', 'CREATE TABLE own (a int, b int)', 'CREATE STATISTICS own_ab ON a, b FROM own', 'ALTER TABLE cities ADD COLUMN more int', 'CREATE STATISTICS more ON more, city FROM cities', 'DROP STATISTICS known', 'CREATE STATISTICS known ON more, note FROM cities', 'CREATE TABLE alike (LIKE own INCLUDING ALL)');
is(sql(q{SELECT string_agg(stxname, ',' ORDER BY stxname) FROM pg_statistic_ext WHERE stxnamespace::regnamespace::text LIKE 'heliosdb%' AND stxrelid::regclass::text ~ 'own|alike'}), 'alike_a_b_stat,own_ab', 'of tables of the branch');
is(sql(q{SELECT count(*) FROM pg_statistic_ext WHERE stxname IN ('added', 'more', 'own_ab') AND stxnamespace = 'public'::regnamespace}), '0', 'main has none of these');

sql('MERGE BRANCH s INTO main');
is(sql(q{SELECT string_agg(stxname || stxstattarget, ',' ORDER BY stxname) FROM pg_statistic_ext WHERE stxrelid = 'cities'::regclass}), 'added70,known-1,known50,lengths-1', 'a merge adds those that are new');
sql('DROP STATISTICS known', 'MERGE BRANCH t INTO main WITH (delete_branch_after = true)');
is(sql(q{SELECT string_agg(stxname || ' ' || stxrelid::regclass || ' ' || pg_get_statisticsobjdef_columns(oid), ', ' ORDER BY stxname) FROM pg_statistic_ext WHERE stxname IN ('more', 'own_ab') OR (stxname = 'known' AND stxnamespace = 'public'::regnamespace)}),
	'known cities note, more, more cities city, more, own_ab own a, b', 'of new columns and tables too');
sql('DROP BRANCH s');
is(sql(q{SELECT count(*) FROM pg_statistic_ext WHERE stxnamespace::regnamespace::text LIKE 'heliosdb%'}), '0', 'and they go with their branch');

# ---- Rules ----

$node->safe_psql('postgres', q{
	CREATE TABLE things (id int PRIMARY KEY, n int, gone boolean DEFAULT false);
	CREATE TABLE history (what text, id int, image jsonb);
	CREATE TABLE big (LIKE things);
	CREATE RULE soft AS ON DELETE TO things DO INSTEAD UPDATE things SET gone = true WHERE id = OLD.id AND NOT gone;
	CREATE RULE noted AS ON UPDATE TO things WHERE NEW.n <> OLD.n DO ALSO INSERT INTO history VALUES ('update', NEW.id, to_jsonb(OLD));
	CREATE RULE inserted AS ON INSERT TO things WHERE NEW.n > 100 DO INSTEAD INSERT INTO big VALUES (NEW.id, NEW.n, false);
	CREATE FUNCTION triple(t things) RETURNS int LANGUAGE sql AS 'SELECT t.n * 3';
	CREATE RULE tripled AS ON UPDATE TO things WHERE NEW.n < 0 DO ALSO INSERT INTO history VALUES ('tripled', triple(NEW), NULL);
	CREATE RULE off AS ON INSERT TO things DO ALSO INSERT INTO history VALUES ('never', NEW.id, NULL);
	ALTER TABLE things DISABLE RULE off;
	INSERT INTO things SELECT i, i FROM generate_series(1, 4) i;
	CREATE BRANCH r;
	CREATE BRANCH plain});
my $state = q{SELECT (SELECT string_agg(id || ':' || n || ':' || gone, ',' ORDER BY id) FROM things), (SELECT string_agg(concat(what, id, image), ',' ORDER BY id) FROM history), (SELECT count(*) FROM big)};
my @work = ('UPDATE things SET n = n + 10 WHERE id = 1', 'DELETE FROM things WHERE id = 2', 'INSERT INTO things VALUES (5, 5), (6, 600)');
my $expected = '1:11:false,2:2:true,3:3:false,4:4:false,5:5:false|update1{"n": 1, "id": 1, "gone": false}|1';
is(on('plain', @work, $state), $expected, 'a table that was not altered');
$expected =~ s/false}/false, "more": 3}/;
is(on('r', 'ALTER TABLE things ADD COLUMN more int DEFAULT 3', @work, $state), $expected, 'one that was, whole rows with its columns');
is(sql($state), '1:1:false,2:2:false,3:3:false,4:4:false||0', 'main has seen nothing');
is(on('r', 'BEGIN', 'UPDATE things SET n = -1 WHERE id = 1', q{SELECT id, image FROM history WHERE what IN ('tripled', 'update') AND id <= 1 ORDER BY image::text}, 'ROLLBACK'), qq{1|{"n": 1, "id": 1, "gone": false, "more": 3}\n1|{"n": 11, "id": 1, "gone": false, "more": 3}\n-3|}, 'a function that takes rows of main');
fails('a column that a rule needs', qr/ERROR:  2BP01/, 'USE BRANCH r', 'ALTER TABLE things DROP COLUMN gone');
fails('ON SELECT', qr/ERROR:  0A000: CREATE RULE ON SELECT is not supported on branch "r"/, 'USE BRANCH r', 'CREATE RULE "_RETURN" AS ON SELECT TO things DO INSTEAD SELECT 1, 2, true');
is(on('r', 'ALTER TABLE things ENABLE RULE off', 'ALTER RULE off ON things RENAME TO on_now', 'INSERT INTO things VALUES (7, 7)', q{SELECT count(*) FROM history WHERE what = 'never'}), '1', 'ALTER RULE and ALTER TABLE');
is(on('r', 'DROP RULE on_now ON things', 'DROP RULE soft ON things', 'DELETE FROM things WHERE id IN (2, 7)', 'INSERT INTO things VALUES (8, 8)', 'SELECT count(*) FROM things', q{SELECT count(*) FROM history WHERE what = 'never'}), "5\n1", 'DROP RULE');
is(on('r', 'CREATE RULE more AS ON UPDATE TO things WHERE NEW.more <> OLD.more DO ALSO INSERT INTO history VALUES (\'more\', NEW.more, NULL)', 'UPDATE things SET more = 9 WHERE id = 3', q{SELECT id FROM history WHERE what = 'more'}), '9', 'CREATE RULE');
is(on('plain', 'CREATE OR REPLACE RULE soft AS ON DELETE TO public.things DO INSTEAD NOTHING', 'DELETE FROM things', 'SELECT count(*) FROM things'), '5', 'CREATE OR REPLACE RULE');
is(sql('SELECT string_agg(rulename || ev_enabled::text, \',\' ORDER BY rulename) FROM pg_rewrite WHERE ev_class = \'things\'::regclass'), 'insertedO,notedO,offD,softO,tripledO', 'main keeps its rules');
fails('by a role that does not own it', qr/ERROR:  42501/, 'SET ROLE member', 'USE BRANCH r', 'CREATE RULE x AS ON DELETE TO things DO INSTEAD NOTHING');
fails('on a view of main', qr/ERROR:  0A000: changing a view of main/, 'CREATE VIEW thing AS SELECT * FROM things', 'USE BRANCH r', 'CREATE RULE x AS ON DELETE TO thing DO INSTEAD NOTHING');
is(on('r', 'CREATE VIEW seen AS SELECT id FROM things', 'CREATE RULE x AS ON DELETE TO seen DO INSTEAD DELETE FROM things WHERE id = OLD.id', 'DELETE FROM seen WHERE id = 8', 'SELECT count(*) FROM things'), '4', 'on one of the branch');
fails('a merge of a table with rules', qr/WARNING:  01000: rule "more" of table "things" on branch "r" is not merged.*ERROR:  0A000: table public.things cannot be merged: it has rule "inserted".*HINT/s, 'MERGE BRANCH r INTO main');
sql(map { "ALTER TABLE things DISABLE RULE $_" } qw(soft noted inserted tripled));
sql('MERGE BRANCH r INTO main');
is(sql($state), '1:11:false,3:3:false,4:4:false,5:5:false|update1{"n": 1, "id": 1, "gone": false, "more": 3},never7,more9|1', 'a merge while they are disabled');
sql('UPDATE things SET gone = gone', 'ALTER TABLE things ENABLE RULE soft');
on('r', q{UPDATE history SET what = 'x' WHERE id = 9});
sql('MERGE BRANCH r INTO main');
is(sql(q{SELECT what FROM history WHERE id = 9}), 'x', 'a table that the branch has left alone since may have rules');

# ---- Materialized views ----

$node->safe_psql('postgres', q{
	CREATE TABLE sales (id int PRIMARY KEY, shop int, n int);
	INSERT INTO sales SELECT i, i % 3, i FROM generate_series(1, 9) i;
	CREATE VIEW sold AS SELECT shop, n FROM sales;
	CREATE MATERIALIZED VIEW per_shop AS SELECT shop, sum(n) AS total FROM sold GROUP BY shop;
	CREATE UNIQUE INDEX ON per_shop (shop);
	CREATE MATERIALIZED VIEW overall (total) AS SELECT sum(total) FROM per_shop;
	CREATE VIEW shops AS SELECT shop FROM per_shop;
	CREATE BRANCH m;
	CREATE BRANCH untouched;
	UPDATE sales SET n = n + 100;
	REFRESH MATERIALIZED VIEW per_shop;
	REFRESH MATERIALIZED VIEW overall});
my $shops = q{SELECT string_agg(shop || ':' || total, ',' ORDER BY shop) FROM per_shop};
is(sql($shops), '0:318,1:312,2:315', 'main, refreshed since');
is(on('untouched', $shops, 'SELECT total FROM public.overall', 'SELECT count(*) FROM shops'), "0:18,1:12,2:15\n45\n3", 'a branch never shows what was refreshed since');
is(on('m', 'SELECT total FROM overall', $shops), "45\n0:18,1:12,2:15", 'nor one that is made from another one');
is(on('m', 'UPDATE sales SET n = 0 WHERE shop = 0', $shops, 'REFRESH MATERIALIZED VIEW per_shop', $shops, 'SELECT total FROM overall', 'REFRESH MATERIALIZED VIEW public.overall', 'SELECT total FROM overall'), "0:18,1:12,2:15\n0:0,1:12,2:15\n45\n27", 'REFRESH');
is(on('m', 'UPDATE sales SET n = 1 WHERE shop = 0', 'REFRESH MATERIALIZED VIEW CONCURRENTLY per_shop', $shops), '0:3,1:12,2:15', 'REFRESH … CONCURRENTLY');
is(on('m', 'REFRESH MATERIALIZED VIEW overall WITH NO DATA', 'SELECT relispopulated FROM pg_class WHERE oid = \'public.overall\'::regclass'), 't', 'REFRESH … WITH NO DATA leaves main alone');
fails('then it has no rows', qr/ERROR:  55000: materialized view "overall" has not been populated/, 'USE BRANCH m', 'SELECT * FROM overall');
is(sql($shops, 'SELECT total FROM overall'), "0:318,1:312,2:315\n945", 'main has its own rows');
is(on('untouched', $shops), '0:18,1:12,2:15', 'other branches too');
like(on('m', 'SET enable_seqscan = off', 'EXPLAIN SELECT * FROM per_shop WHERE shop = 1'), qr/Index Scan using per_shop_shop_idx/, 'indexes are there');
is(on('m', 'CREATE INDEX totals ON per_shop (total)', 'ANALYZE per_shop', 'ALTER MATERIALIZED VIEW per_shop ALTER COLUMN total SET STATISTICS 7', q{SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND indexname = 'totals'}), '0', 'CREATE INDEX, ANALYZE, ALTER');
fails('COPY', qr/ERROR:  \w+: cannot copy from materialized view/, 'USE BRANCH m', 'COPY per_shop TO STDOUT');
fails('one of another branch', qr/ERROR:  0A000: "mine_too" cannot be used on branch "m"/, 'USE BRANCH untouched', 'CREATE MATERIALIZED VIEW mine_too AS SELECT 1', 'USE BRANCH m', q{DO $$ BEGIN EXECUTE 'REFRESH MATERIALIZED VIEW ' || (SELECT oid::regclass FROM pg_class WHERE relname = 'mine_too'); END $$});
fails('changing rows', qr/ERROR:  \w+: cannot change materialized view/, 'USE BRANCH m', 'DELETE FROM per_shop');

# The first use: in functions, in transactions, with whose rights.
sql('CREATE BRANCH first', q{CREATE FUNCTION total() RETURNS numeric STABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT total FROM overall); END'}, 'GRANT SELECT ON per_shop TO member');
fails('in a read-only transaction', qr/ERROR:  25006: cannot execute the first use of a materialized view on a branch/, 'USE BRANCH first', 'BEGIN READ ONLY', 'SELECT * FROM per_shop');
fails('without the privilege on main', qr/ERROR:  42501: permission denied for materialized view overall/, 'SET ROLE member', 'USE BRANCH first', 'SELECT * FROM overall');
fails('REFRESH by another role', qr/ERROR:  42501: must be owner of materialized view per_shop/, 'SET ROLE member', 'USE BRANCH first', 'REFRESH MATERIALIZED VIEW per_shop');
is(on('first', 'BEGIN', 'SET ROLE member', $shops, 'ROLLBACK', q{SELECT count(*) FROM heliosdb.branch_relations WHERE main_relid = 'per_shop'::regclass AND branch = (SELECT branch_id FROM pg_branches WHERE branch_name = 'first')}), "0:318,1:312,2:315\n0", 'rolled back');
is(on('first', 'SET ROLE member', $shops), '0:318,1:312,2:315', 'with the privilege, which is for reading only');
is(on('first', 'SELECT total()', 'PREPARE p AS SELECT total FROM overall', 'EXECUTE p', 'USE BRANCH main', 'EXECUTE p'), "945\n945\n945", 'in a function, and prepared');
sql(q{INSERT INTO sales VALUES (10, 4, 1000)}, 'CREATE TABLE later (a int)', 'CREATE MATERIALIZED VIEW of_later AS SELECT * FROM later');
fails('of a table that the branch has not', qr/ERROR:  42P01: relation "later" does not exist on branch "first"/, 'USE BRANCH first', 'SELECT * FROM of_later');

# Two sessions need it at the same time: the second waits, and makes it if the first one's transaction is rolled back.
sql('CREATE BRANCH race');
foreach my $end (qw(ROLLBACK COMMIT))
{
	my $first = $node->background_psql('postgres', on_error_stop => 0);
	$first->query_safe('USE BRANCH race');
	$first->query_safe('BEGIN; SELECT count(*) FROM shops');
	my $out = '';
	my $second = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'USE BRANCH race', '-c', $end eq 'COMMIT' ? 'SELECT total FROM overall' : 'SELECT count(*) FROM per_shop' ], '>&', \$out);
	ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}), 'the second one waits') if $end eq 'ROLLBACK';
	$first->query_safe($end);
	$second->finish;
	is($out, $end eq 'ROLLBACK' ? "4\n" : "1945\n", "and goes on after $end");
	$first->quit;
}
is(sql(q{SELECT count(*) FROM heliosdb.branch_relations r JOIN pg_branches b ON b.branch_id = r.branch WHERE b.branch_name = 'race' AND r.main_relid IN ('per_shop'::regclass, 'overall'::regclass)}), '2', 'one of each');
sql('DROP BRANCH race');

# Created and dropped on the branch.
is(on('m', 'CREATE MATERIALIZED VIEW mine AS SELECT count(*) AS n FROM sales WITH DATA', 'INSERT INTO sales VALUES (20, 5, 5)', 'SELECT n FROM mine', 'REFRESH MATERIALIZED VIEW mine', 'SELECT n FROM mine', 'ALTER MATERIALIZED VIEW mine RENAME TO ours', 'SELECT n FROM ours'), "9\n10\n10", 'CREATE MATERIALIZED VIEW');
fails('main does not have it', qr/ERROR:  42P01/, 'SELECT * FROM ours');
fails('a name of main', qr/ERROR:  42P07: relation "per_shop" already exists/, 'USE BRANCH m', 'CREATE MATERIALIZED VIEW per_shop AS SELECT 1');
on('m', 'CREATE MATERIALIZED VIEW IF NOT EXISTS per_shop AS SELECT 1');
fails('a drop that others depend on', qr/ERROR:  2BP01: cannot drop "per_shop" because view "(overall|shops)" depends on it/, 'USE BRANCH m', 'DROP MATERIALIZED VIEW per_shop');
on('m', 'DROP VIEW shops', 'DROP MATERIALIZED VIEW overall', 'DROP MATERIALIZED VIEW per_shop', 'DROP MATERIALIZED VIEW ours');
fails('what was dropped', qr/ERROR:  42P01: relation "per_shop" does not exist on branch "m"/, 'USE BRANCH m', 'SELECT * FROM per_shop');
fails('one that was never used', qr/ERROR:  42P01/, 'CREATE BRANCH d', 'USE BRANCH d', 'DROP MATERIALIZED VIEW overall', 'SELECT * FROM overall');
is(on('m', 'CREATE MATERIALIZED VIEW per_shop AS SELECT 7 AS seven', 'SELECT * FROM per_shop'), '7', 'created anew');
is(on('untouched', $shops), '0:18,1:12,2:15', 'others have it still');

my (undef, undef, $told) = $node->psql('postgres', 'MERGE BRANCH m INTO main WITH (conflict_resolution = branch_wins)');
like($told, qr/WARNING:  materialized view "per_shop" of branch "m" is not merged/, 'a merge leaves them out');
unlike($told, qr/ERROR/, 'and does the rest');
is(sql('SELECT sum(n) FROM sales WHERE shop IN (0, 5)', $shops), "8\n0:318,1:312,2:315", 'with main refreshed by nobody') or diag($told);

# What main drops is dropped on branches, as views are.
sql('DROP MATERIALIZED VIEW overall', 'CREATE MATERIALIZED VIEW overall AS SELECT 1 AS one');
is(on('untouched', 'SELECT one FROM overall'), '1', 'dropped and created anew on main');
is(sql(q{SELECT count(*) FROM pg_class WHERE relname = 'overall' AND relkind = 'm'}), '2', 'nothing is left');
sql('DROP BRANCH untouched', 'DROP BRANCH m', 'DROP BRANCH first');
is(sql(q{SELECT count(*) FROM pg_class WHERE relkind = 'm' AND relnamespace::regnamespace::text LIKE 'heliosdb%'}), '0', 'dropped with the branch');

done_testing();
