# AS OF against recorded truth: a session commits changes of every kind and keeps a copy of each table after each
# commit; read AS OF, every such instant must give the copy, through every kind of plan and statement, after whatever
# maintenance, crash and restart, and on a standby. Instants that a table cannot answer for are errors.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('timetravel');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
jit = off
max_prepared_transactions = 4
fsync = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb');

my @tables = qw(parent keyed bag late parts wide);
$node->safe_psql('postgres', q{
	CREATE TABLE parent (id int PRIMARY KEY, note text);
	CREATE TABLE keyed (a int, b text COLLATE "C", n int, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
	                    long text, PRIMARY KEY (a, b));
	CREATE INDEX keyed_n ON keyed (n);
	CREATE TABLE bag (a int, n int);
	CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n int);
	CREATE TABLE parts (id int PRIMARY KEY, n int, note text) PARTITION BY RANGE (id);
	CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (10);
	CREATE TABLE parts_high (note text, gone int, n int, id int NOT NULL);
	ALTER TABLE parts_high DROP COLUMN gone;
	ALTER TABLE parts ATTACH PARTITION parts_high FOR VALUES FROM (10) TO (MAXVALUE);
	CREATE TABLE wide (gone text, id int PRIMARY KEY, v numeric, twice numeric GENERATED ALWAYS AS (v * 2) STORED);
	INSERT INTO wide (gone, id, v) VALUES ('x', 1, 1.5), ('y', 2, NULL);
	ALTER TABLE wide DROP COLUMN gone, ADD COLUMN added text DEFAULT 'given', ADD COLUMN plain int[];
	INSERT INTO parent VALUES (1, 'from before');

	-- Updates the same row again, before the change that fires it is logged.
	CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.n % 3 = 0 THEN UPDATE keyed SET n = n + 1 WHERE a = NEW.a AND b = NEW.b; END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER a_again AFTER UPDATE ON keyed FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION again();

	CREATE SCHEMA truth;
	CREATE TABLE truth.moments (n int PRIMARY KEY, at timestamptz, xid bigint, scn bigint);
} . join('', map { qq{
	SELECT heliosdb.track('$_');
	CREATE TABLE truth.$_ (moment int, r public.$_);
	CREATE FUNCTION truth.$_(int) RETURNS SETOF public.$_ LANGUAGE sql STABLE AS 'SELECT (r).* FROM truth.$_ WHERE moment = \$1';
	CREATE VIEW inner_$_ AS SELECT * FROM public.$_ LIMIT ALL;
	CREATE VIEW view_$_ AS WITH c AS (SELECT * FROM inner_$_) SELECT * FROM c;
} } @tables));

# What psql prints for some SQL, an error included.
sub ask
{
	my ($sql, $where) = @_;
	my ($status, $out, $error) = ($where // $node)->psql('postgres', $sql, on_error_stop => 0);
	return "$out$error";
}

# ---- The past that is recorded ----

# Each is a transaction; statements outside of BEGIN … COMMIT stand between ---.
my @steps = (
	q{SELECT 1},
	q{INSERT INTO parent SELECT i, 'parent ' || i FROM generate_series(2, 20) i},
	q{INSERT INTO keyed SELECT i, chr(97 + j), i * j, i % 20 + 1, NULL FROM generate_series(1, 60) i, generate_series(0, 3) j},
	q{INSERT INTO bag SELECT i % 5, i % 2 FROM generate_series(1, 30) i},
	q{INSERT INTO late SELECT i, i FROM generate_series(1, 30) i},
	q{INSERT INTO parts SELECT i, i, 'n' FROM generate_series(1, 20) i},
	q{COPY bag FROM PROGRAM 'seq -f "%.0f,7" 1 20' (FORMAT csv)},
	q{UPDATE keyed SET n = n + 1 WHERE a % 2 = 0},
	q{UPDATE keyed SET n = n + 1 WHERE a = 7; UPDATE keyed SET n = n + 1 WHERE a = 7; UPDATE keyed SET long = 'x' WHERE a = 7; DELETE FROM keyed WHERE a = 7 AND b = 'b'},
	q{UPDATE keyed SET a = a + 1000 WHERE a < 5},
	q{UPDATE keyed SET a = a - 1000 WHERE a > 1000 AND b < 'c'},
	q{DELETE FROM keyed WHERE a BETWEEN 10 AND 12; INSERT INTO keyed VALUES (10, 'a', -1, 1, 'again')},
	q{INSERT INTO keyed VALUES (500, 'a', 3, 1, NULL); UPDATE keyed SET n = 9 WHERE a = 500; DELETE FROM keyed WHERE a = 500},
	q{INSERT INTO keyed VALUES (501, 'a', 3, 1, NULL); DELETE FROM keyed WHERE a = 501; INSERT INTO keyed VALUES (501, 'a', 4, 1, NULL)},
	q{UPDATE keyed SET long = (SELECT string_agg(md5((a * i)::text), '') FROM generate_series(1, 400) i) WHERE a IN (20, 21)},
	q{UPDATE keyed SET n = n + 3 WHERE a = 20},
	q{UPDATE keyed SET long = long || 'more' WHERE a = 21},
	q{INSERT INTO keyed SELECT 30 + i, 'a', 0, 1, 'upsert' FROM generate_series(1, 60) i ON CONFLICT (a, b) DO UPDATE SET long = EXCLUDED.long, n = keyed.n + 1},
	q{MERGE INTO late USING generate_series(20, 40) s(id) ON late.id = s.id WHEN MATCHED AND n % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = -n WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0)},
	q{UPDATE late SET id = id + 1; UPDATE late SET id = id - 2 WHERE id < 10},
	q{DELETE FROM parent WHERE id = 3},
	q{UPDATE parent SET id = id + 100 WHERE id > 15},
	q{SAVEPOINT s; DELETE FROM keyed; ROLLBACK TO s; UPDATE keyed SET n = 77 WHERE a = 40; SAVEPOINT s2; UPDATE keyed SET n = 78 WHERE a = 41; RELEASE s2; SAVEPOINT s3; INSERT INTO bag VALUES (99, 99); ROLLBACK TO s3},
	q{DO $$ BEGIN FOR i IN 1..100 LOOP
		BEGIN
			UPDATE keyed SET n = n + i WHERE a = i; INSERT INTO bag VALUES (i, 100); UPDATE late SET n = n + 1 WHERE id = i % 5;
			IF i % 4 = 0 THEN RAISE EXCEPTION 'not this one'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL; END;
	END LOOP; END $$},
	q{UPDATE bag SET n = n + 1 WHERE a = 1},
	q{DELETE FROM bag WHERE ctid = ANY (ARRAY(SELECT min(ctid) FROM bag GROUP BY a))},
	q{UPDATE parts SET id = 21 - id WHERE id IN (1, 2)} . ' AND false',
	q{DELETE FROM parts WHERE id IN (19, 20); UPDATE parts SET id = 21 - id WHERE id IN (1, 2)},
	q{UPDATE parts SET n = n + 1, id = CASE id WHEN 20 THEN -20 ELSE id END},
	q{INSERT INTO parts VALUES (5, 0, 'u'), (50, 0, 'u') ON CONFLICT (id) DO UPDATE SET note = 'conflict'},
	q{UPDATE wide SET v = 7, plain = '{1,2,NULL}'; INSERT INTO wide VALUES (3, 9)},
	q{DELETE FROM wide WHERE id = 1; UPDATE wide SET id = 1 WHERE id = 3; UPDATE wide SET added = NULL},
	q{WITH gone AS (DELETE FROM keyed WHERE a = 45 RETURNING *) INSERT INTO keyed SELECT a + 400, b, n, parent, long FROM gone},
	q{SET LOCAL session_replication_role = replica; DELETE FROM keyed WHERE a = 46; UPDATE keyed SET n = 0 WHERE a = 47},
	q{UPDATE keyed SET n = n},
	q{CREATE INDEX bag_a ON bag (a DESC NULLS LAST, n); CREATE INDEX parts_n ON parts (n); CREATE UNIQUE INDEX keyed_order ON keyed (parent, b COLLATE "POSIX" DESC, a)},
	q{DELETE FROM bag; DELETE FROM late; DELETE FROM wide},
	q{INSERT INTO bag VALUES (1, 1), (1, 1), (NULL, 1), (NULL, 1); INSERT INTO late VALUES (1, 1); INSERT INTO wide VALUES (1, 1)},
	q{UPDATE keyed SET n = 1000 WHERE a = 50; PREPARE TRANSACTION 'two'} . '---' . q{ROLLBACK PREPARED 'two'},
	q{UPDATE keyed SET n = 2000 WHERE a = 50; INSERT INTO bag VALUES (2, 2); SAVEPOINT s; UPDATE parts SET n = 0; RELEASE s; PREPARE TRANSACTION 'two'},
	q{UPDATE keyed SET n = 3000 WHERE a = 51},
	q{SELECT 1} . '---' . q{COMMIT PREPARED 'two'},
	q{UPDATE keyed SET n = 4000 WHERE a = 50},
);

# Statements that note an instant at which nothing is being committed, and what there is.
sub record
{
	my ($n) = @_;
	return join(";\n", "SELECT pg_sleep(0.002)", "INSERT INTO truth.moments VALUES ($n, clock_timestamp(), NULL, pg_current_scn())", "SELECT pg_sleep(0.002)",
		(map { "INSERT INTO truth.$_ SELECT $n, x FROM $_ x" } @tables), '');
}

# The script of all transactions, with instants between them. COMMIT fails quietly after PREPARE TRANSACTION.
my $script = '';
for my $i (0 .. $#steps)
{
	my ($step, $after) = split /---/, $steps[$i];
	$script .= $step =~ /PREPARE TRANSACTION/ ? "BEGIN; $step;\n" : "BEGIN; $step; SELECT pg_current_xact_id() AS xid \\gset\nCOMMIT;\n\\set known true\n";
	$script .= "$after;\n" if $after;
	$script .= record($i);
	$script .= "UPDATE truth.moments SET xid = :xid WHERE n = $i;\n" if $step !~ /PREPARE TRANSACTION/ && !$after;
}
$node->safe_psql('postgres', $script);
my $last = $#steps;
is($node->safe_psql('postgres', 'SELECT count(DISTINCT at) FROM truth.moments'), $last + 1, 'instants');
cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT top) FROM heliosdb_log.subxacts'), '>', 1, 'subtransactions');

# ---- Ways to read it ----

# {keyed@1} stands for keyed at the first of two instants, {keyed@2} at the second; @1 for the first instant itself.
my %ways = (
	(map { ("whole $_" => "SELECT x FROM {$_\@1} x", "count $_" => "SELECT count(*) FROM {$_\@1} x") } @tables),
	'all columns' => 'SELECT * FROM {wide@1} x JOIN {wide@2} y USING (id)',
	'point' => q{SELECT * FROM {keyed@1} x WHERE a = 7 AND b = 'b'},
	'point of a moved key' => q{SELECT * FROM {keyed@1} x WHERE a IN (2, 1002)},
	'range' => 'SELECT * FROM {keyed@1} x WHERE a BETWEEN 9 AND 22',
	'secondary index' => 'SELECT a, b FROM {keyed@1} x WHERE n BETWEEN 70 AND 90',
	'secondary index of a bag' => 'SELECT x FROM {bag@1} x WHERE a BETWEEN 1 AND 3 AND n > 0',
	'secondary index of partitions' => 'SELECT id, n, note FROM {parts@1} x WHERE n IN (0, 2, 3, 20)',
	'order by a secondary index' => 'SELECT n, a, b FROM {keyed@1} x ORDER BY n, a, b OFFSET 3 LIMIT 40',
	'order by a descending index' => 'SELECT a, n FROM {bag@1} x ORDER BY a DESC NULLS LAST, n LIMIT 25',
	'order by an index of partitions' => 'SELECT n, id FROM {parts@1} x ORDER BY n, id LIMIT 12',
	'order by a unique index' => 'SELECT parent, b, a, n FROM {keyed@1} x WHERE parent < 9 ORDER BY parent, b COLLATE "POSIX" DESC, a LIMIT 50',
	'merge join by secondary indexes' => 'SELECT x.a, x.b, y.a FROM {keyed@1} x JOIN {bag@1} y ON x.parent = y.a',
	'greatest by index' => 'SELECT max(n), min(n) FROM {keyed@1} x',
	'order by key, limit' => 'SELECT a, b, n FROM {keyed@1} x ORDER BY a, b LIMIT 37',
	'order by key descending, offset' => 'SELECT a, b, n FROM {keyed@1} x WHERE a > 3 ORDER BY a DESC, b DESC LIMIT 10 OFFSET 5',
	'distinct on' => 'SELECT DISTINCT ON (a) a, b FROM {keyed@1} x ORDER BY a, b DESC',
	'partition key' => 'SELECT id, n FROM {parts@1} x WHERE id < 3 ORDER BY id',
	'past and present' => 'SELECT x.a, x.b, x.n, y.n FROM {keyed@1} x LEFT JOIN keyed y ON x.a = y.a AND x.b = y.b WHERE x.n IS DISTINCT FROM y.n',
	'two instants' => 'SELECT x, y FROM {keyed@1} x FULL JOIN {keyed@2} y ON (x.a, x.b) = (y.a, y.b) WHERE x.n IS DISTINCT FROM y.n',
	'difference of two instants' => 'SELECT * FROM {bag@1} x EXCEPT ALL SELECT * FROM {bag@2} y',
	'join of tables' => 'SELECT p.note, count(k), sum(k.n) FROM {parent@1} p LEFT JOIN {keyed@1} k ON k.parent = p.id GROUP BY p.id, p.note',
	'outer side' => 'SELECT g, x.id, x.n FROM generate_series(-5, 55) g LEFT JOIN {parts@1} x ON x.id = g',
	'aggregates' => 'SELECT a % 7 AS k, count(*), sum(n), max(long), array_agg(b ORDER BY a, b) FROM {keyed@1} x GROUP BY 1 HAVING count(*) > 2',
	'grouping sets' => 'SELECT a, n, count(*) FROM {bag@1} x GROUP BY ROLLUP (a, n)',
	'window' => 'SELECT a, b, sum(n) OVER (PARTITION BY b ORDER BY a) FROM {keyed@1} x',
	'subqueries' => 'SELECT id, (SELECT count(*) FROM {keyed@2} k WHERE k.parent = p.id) FROM {parent@1} p WHERE EXISTS (SELECT FROM {keyed@1} k WHERE k.parent = p.id AND n > 5) AND id NOT IN (SELECT n FROM {late@1} l WHERE n > 0)',
	'CTE' => 'WITH c AS MATERIALIZED (SELECT * FROM {keyed@1} x), d AS (SELECT * FROM {keyed@2} x) SELECT c.a, c.b FROM c JOIN d USING (a, b) WHERE c.n <> d.n',
	'recursive CTE' => 'WITH RECURSIVE r AS (SELECT a, n FROM {bag@1} x WHERE a = 1 UNION SELECT x.a, r.n FROM r JOIN {bag@1} x ON x.a = r.a + 1) SELECT * FROM r',
	'union' => 'SELECT a FROM {bag@1} x UNION SELECT id FROM {late@2} y',
	'derived table' => 'SELECT s.a, s.total FROM (SELECT a, sum(n) AS total FROM {keyed@1} x GROUP BY a) s WHERE s.total > 10',
	'nothing but the count' => 'SELECT count(*) FROM {keyed@1} x CROSS JOIN {bag@2} y',
	'LIKE pattern' => q{SELECT a FROM {keyed@1} x WHERE b LIKE 'b%' AND long ~ 'e'},
	'row comparison' => q{SELECT a, b FROM {keyed@1} x WHERE (a, b) > (40, 'b') ORDER BY a, b LIMIT 5},
	'whole row is null' => 'SELECT k.a FROM {keyed@1} k LEFT JOIN {late@1} x ON x.id = k.a WHERE x IS NULL',
	'row to JSON' => 'SELECT to_jsonb(x), row_to_json(x.*) FROM {wide@1} x',
	'lateral subquery' => 'SELECT p.id, s.n FROM {parent@1} p, LATERAL (SELECT k.n FROM {keyed@2} k WHERE k.parent = p.id ORDER BY a, b LIMIT 2) s',
	'no columns' => 'SELECT FROM {bag@1} x WHERE a = 1',
	'toasted' => 'SELECT a, length(long), md5(long) FROM {keyed@1} x WHERE a IN (20, 21)',
	'generated column' => 'SELECT id FROM {wide@1} x WHERE twice = 14',
	'cross product of instants' => 'SELECT x.a, y.a FROM {bag@1} x, {bag@2} y WHERE x.n = y.n AND x.a < y.a',
);

my @settings = (
	'', 'SET enable_seqscan = off', 'SET enable_indexscan = off; SET enable_indexonlyscan = off',
	'SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off',
	'SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0',
);

# A query in one line: of the past where `past` gives the moment, or the table at the moment, as SQL, else of the truth.
sub render
{
	my ($query, $past, @moments) = @_;
	my $at = sub { my ($table, $moment) = @_; my $sql = $past->($moment, $table); return $sql =~ /\b$table\b/ ? $sql : "$table AS OF $sql"; };
	$query =~ s/\{(\w+)\@(\d)\}/$past ? $at->($1, $moments[$2 - 1]) : "truth.$1(" . $moments[$2 - 1] . ')'/ge;
	my $order = $query =~ /ORDER BY [^()]*$/ ? '' : 'ORDER BY q::text COLLATE "C"';
	return "(SELECT md5(string_agg(q::text, E'\\n' $order)) FROM ($query) q)";
}

my %at = map { split /\|/ } split /\n/, $node->safe_psql('postgres', 'SELECT n, at FROM truth.moments');
my %xid = map { split /\|/ } split /\n/, $node->safe_psql('postgres', 'SELECT n, xid FROM truth.moments WHERE xid IS NOT NULL');
my %scn = map { split /\|/ } split /\n/, $node->safe_psql('postgres', 'SELECT n, scn FROM truth.moments');
my %columns = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
	"SELECT relname, string_agg(attname, ', ' ORDER BY attnum) FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped GROUP BY 1");
my %committed = map { my ($n, @times) = split /\|/; ($n => \@times) } split /\n/, $node->safe_psql('postgres',
	"SELECT n, pg_xact_commit_timestamp(xid::text::xid), pg_xact_commit_timestamp(xid::text::xid) - interval '1 us' FROM truth.moments WHERE xid IS NOT NULL");
my %spellings = (
	timestamp => sub { "TIMESTAMP '$at{$_[0]}'" },
	literal => sub { "'$at{$_[0]}'" },
	expression => sub { "TIMESTAMP (SELECT at FROM truth.moments WHERE n = $_[0])" },
	transaction => sub { exists $xid{$_[0]} ? "TRANSACTION $xid{$_[0]}" : "TIMESTAMP '$at{$_[0]}'" },
	scn => sub { "SCN $scn{$_[0]}" },
	'SCN of an expression' => sub { "SCN (SELECT scn FROM truth.moments WHERE n = $_[0])" },
	view => sub { "/* $_[1] */ view_$_[1] AS OF TIMESTAMP '$at{$_[0]}'" },
	'view at an SCN' => sub { "/* $_[1] */ view_$_[1] AS OF SCN $scn{$_[0]}" },
	versions => sub { "(SELECT $columns{$_[1]} FROM $_[1] VERSIONS BETWEEN TIMESTAMP '$at{$_[0]}' AND SCN $scn{$_[0]} WHERE versions_operation IS DISTINCT FROM 'D')" },
	commit => sub { exists $xid{$_[0]} ? "TIMESTAMP '$committed{$_[0]}[0]'" : "TIMESTAMP '$at{$_[0]}'" },
	'before the next commit' => sub { exists $xid{$_[0] + 1} ? "TIMESTAMP '$committed{$_[0] + 1}[1]'" : "TIMESTAMP '$at{$_[0]}'" },
);

# Compares the given ways on pairs of instants; one comparison a line.
sub compare
{
	my ($where, $name, $setting, $spelling, $stride, @names) = @_;
	my @lines = $setting;
	my $k = 0;
	for my $way (@names)
	{
		for (my $m = $k++ % $stride; $m <= $last; $m += $stride)
		{
			my @moments = ($m, ($m * 7 + 3) % ($last + 1));
			my $past = render($ways{$way}, $spellings{$spelling}, @moments);
			my $truth = render($ways{$way}, undef, @moments);
			push @lines, "SELECT '$way at @moments' WHERE $past IS DISTINCT FROM $truth";
		}
	}
	my $file = $node->basedir . '/compare.sql';
	append_to_file($file, join(";\n", @lines, ''));
	my ($status, $out, $error) = $where->psql('postgres', "\\i $file", on_error_stop => 0);
	unlink $file;
	is("$out$error", '', $name);
}

my @whole = sort grep { /^whole/ } keys %ways;
compare($node, "every way, $_", $settings[$_], 'timestamp', 9, sort keys %ways) for 0 .. $#settings;
compare($node, "every table at every instant: $_", '', $_, 1, @whole) for sort keys %spellings;
compare($node, "every way, $_", '', $_, 9, grep { $_ ne 'whole row is null' } sort keys %ways) for qw(scn view versions);

# Negative control: another instant than the truth's differs.
my $control = render($ways{'whole keyed'}, $spellings{timestamp}, 8) . ' = ' . render($ways{'whole keyed'}, undef, 7);
is($node->safe_psql('postgres', "SELECT $control"), 'f', 'another instant is another state');

# The node that reads a table with its log: shown, repeated with other keys; where it does not serve, backwards.
like(ask("SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN (COSTS OFF) SELECT n FROM keyed AS OF TIMESTAMP '$at{9}' x WHERE a = 7 AND b > 'a' AND n <> 5"),
	qr/^Custom Scan \(heliosdb past\) on keyed x\n +Filter: \(n <> 5\)\n +Index: keyed_pkey\n +Index Cond: .*\n +Log: log_(\d+)\n +Log Index: log_\1_key\n +Log Index Cond: \(\(log_\1.c1 = 7\) AND \(log_\1.c2 > 'a'::text\)\)\n +Log Filter: \(log_\1.c3 <> 5\)\n +As of: '.*'::timestamp with time zone$/, 'the plan of a read by key');
is(ask("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_material = off; SELECT g, x.b, x.n FROM generate_series(0, 70) g LEFT JOIN keyed AS OF SCN $scn{22} x ON x.a = g AND x.b >= 'b' ORDER BY 1, 2"),
	ask("SELECT g, x.b, x.n FROM generate_series(0, 70) g LEFT JOIN truth.keyed(22) x ON x.a = g AND x.b >= 'b' ORDER BY 1, 2"), 'keys of a join');
is(ask("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT a, b, n FROM keyed AS OF SCN $scn{22} x WHERE a > 3 ORDER BY a, b; MOVE LAST c; FETCH BACKWARD 30 c"),
	ask('SELECT * FROM (SELECT a, b, n FROM truth.keyed(22) x WHERE a > 3 ORDER BY a DESC, b DESC OFFSET 1 LIMIT 30) x'), 'backwards');

# ---- Versions ----

# Every state was recorded: what there was between two moments, and what each transaction did to each key.
my %keys = (keyed => [ 'a', 'b' ], parts => ['id'], wide => ['id'], parent => ['id'], bag => [], late => []);
for my $pair ([ 0, $last ], [ 7, 22 ], [ 20, 30 ], [ 33, 33 ])
{
	my ($low, $high) = @$pair;
	my $between = "VERSIONS BETWEEN SCN $scn{$low} AND TIMESTAMP '$at{$high}'";
	is(ask(join(";\n", map { "SELECT * FROM (SELECT $columns{$_} FROM $_ $between EXCEPT SELECT (r).* FROM truth.$_ WHERE moment BETWEEN $low AND $high) x" } @tables)), '',
		"no other versions from $low to $high");
	is(ask(join(";\n", map { "SELECT * FROM (SELECT (r).* FROM truth.$_ WHERE moment BETWEEN $low AND $high EXCEPT SELECT $columns{$_} FROM $_ $between) x" } @tables)), '',
		"all versions from $low to $high");
	for my $table (grep { @{ $keys{$_} } } sort keys %keys)
	{
		my $key = join ', ', @{ $keys{$table} };
		my $after = "(SELECT moment, (r).* FROM truth.$table WHERE moment BETWEEN $low AND $high)";
		my $before = "(SELECT moment + 1 AS moment, (r).* FROM truth.$table WHERE moment BETWEEN $low AND $high - 1)";
		my $told = "SELECT m.n AS moment, $key, min(versions_operation) AS op FROM $table $between JOIN truth.moments m ON m.n > $low AND versions_starttime > (SELECT at FROM truth.moments WHERE n = m.n - 1) AND versions_starttime < m.at WHERE versions_operation IN ('I', 'D') GROUP BY 1, $key";
		# By the key: a row of nulls alone counts as null itself.
		my $true = "SELECT moment, $key, CASE WHEN former IS NULL THEN 'I' ELSE 'D' END FROM (SELECT moment, $key, a.moment AS latter, b.moment AS former FROM $after a FULL JOIN $before b USING (moment, $key)) j WHERE moment BETWEEN $low + 1 AND $high AND (latter IS NULL OR former IS NULL)";
		is(ask("($told EXCEPT $true) UNION ALL ($true EXCEPT $told)"), '', "$table: inserts and deletes from $low to $high");
	}
}
is(ask('SELECT count(*) FROM keyed VERSIONS BETWEEN TIMESTAMP MINVALUE AND MAXVALUE WHERE versions_operation IS NULL AND versions_startscn IS NOT NULL'), 0, 'what is older than the lower bound has no start');
is(ask("SELECT count(*) FROM keyed VERSIONS BETWEEN SCN $scn{7} AND SCN $scn{22} v WHERE v.versions_startscn NOT BETWEEN $scn{7} AND $scn{22} OR v.versions_endscn NOT BETWEEN $scn{7} AND $scn{22}"), 0, 'numbers lie between the bounds');
# The background may have recorded a snapshot between the two.
is(ask("SELECT m.n FROM pg_transaction_map t JOIN truth.moments m ON m.xid = t.transaction_id WHERE t.scn > m.scn OR t.scn <= (SELECT max(scn) FROM truth.moments WHERE n < m.n)"), '', 'transactions and SCN');
is(ask("SELECT count(*) > 0 FROM pg_scn_map JOIN pg_snapshots USING (scn) JOIN truth.moments m USING (scn) WHERE snapshot_timestamp < m.at - interval '1 minute'"), 'f', 'SCN and instants');

# ---- Statements and programs ----

my $hashes = $node->safe_psql('postgres', join(";\n",
	map { qq{SELECT md5(string_agg(x::text, E'\\n' ORDER BY x::text COLLATE "C")) FROM truth.keyed($_) x} } 0 .. $last));
my $hash = q{SELECT md5(string_agg(x::text, E'\n' ORDER BY x::text COLLATE "C")) FROM keyed AS OF TIMESTAMP %s x};
sub is_history { is(ask($_[1]), $hashes, $_[0]); }

for my $mode (qw(force_custom_plan force_generic_plan auto))
{
	is_history("prepared, $mode", "SET plan_cache_mode = $mode; PREPARE p(timestamptz) AS " . sprintf($hash, '$1') . ";\n"
		. join(";\n", map { "EXECUTE p('$at{$_}')" } 0 .. $last));
}
is_history('PL/pgSQL function', "CREATE FUNCTION past_of(moment timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS \$\$ BEGIN RETURN ("
	. sprintf($hash, 'moment') . '); END $$; SELECT past_of(at) FROM truth.moments ORDER BY n');
is_history('SQL function', "CREATE FUNCTION past_of_sql(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS \$\$ "
	. sprintf($hash, 'moment') . ' $$; SELECT past_of_sql(at) FROM truth.moments ORDER BY n');
is_history('parsed SQL function', "CREATE FUNCTION past_of_parsed(moment timestamptz) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC "
	. sprintf($hash, 'moment') . '; END; SELECT past_of_parsed(at) FROM truth.moments ORDER BY n');
is_history('correlated subquery', 'SELECT (' . sprintf($hash, 'm.at') . ') FROM truth.moments m ORDER BY n');
is(ask('SELECT m.n, count(*), sum(x.n) FROM truth.moments m, LATERAL (SELECT * FROM keyed AS OF TIMESTAMP m.at k) x GROUP BY 1 ORDER BY 1'),
	ask('SELECT moment, count(*), sum((r).n) FROM truth.keyed GROUP BY 1 ORDER BY 1'), 'lateral instants');
is(ask('SELECT m.n, count(*), sum(x.n) FROM truth.moments m JOIN LATERAL (SELECT * FROM parts AS OF TIMESTAMP m.at p WHERE p.id > m.n) x ON true GROUP BY 1 ORDER BY 1'),
	ask('SELECT moment, count(*), sum((r).n) FROM truth.parts WHERE (r).id > moment GROUP BY 1 ORDER BY 1'), 'instants from an outer query');

my $view = $node->safe_psql('postgres', join(";\n", map { "CREATE VIEW v$_ AS SELECT a, b, n FROM keyed AS OF TIMESTAMP '$at{$_}' k; CREATE VIEW w$_ AS SELECT a, b, y FROM v$_ JOIN bag AS OF TIMESTAMP '$at{$_}' y USING (a)" } 5, 9, 20, 30)
	. "; CREATE MATERIALIZED VIEW m9 AS SELECT a, b, n FROM keyed AS OF TIMESTAMP '$at{9}' k");
my $views = join(' UNION ALL ', map { "SELECT $_, count(*), sum(n) FROM v$_" } 5, 9, 20, 30) . ' UNION ALL SELECT 9, count(*), sum(n) FROM m9';
my $truths = join(' UNION ALL ', map { "SELECT $_, count(*), sum(n) FROM truth.keyed($_)" } 5, 9, 20, 30, 9);
is(ask($views), ask($truths), 'views');
is(ask('SELECT count(*) FROM w20'), ask('SELECT count(*) FROM truth.keyed(20) x JOIN truth.bag(20) y USING (a)'), 'view on a view');

is(ask(qq{
	BEGIN;
	DECLARE c SCROLL CURSOR FOR SELECT a, b FROM keyed AS OF TIMESTAMP '$at{9}' x ORDER BY a, b;
	DECLARE h CURSOR WITH HOLD FOR SELECT count(*) FROM bag AS OF TIMESTAMP '$at{4}' x;
	DELETE FROM keyed;
	MOVE 10 c; FETCH 2 c; FETCH PRIOR c;
	COMMIT;
	FETCH h; CLOSE h;
	SELECT count(*) FROM keyed AS OF TIMESTAMP '$at{9}' x;
	SELECT count(*) FROM keyed;
	INSERT INTO keyed SELECT * FROM keyed AS OF TIMESTAMP '$at{$last}' x;
	SELECT count(*) FROM (TABLE keyed EXCEPT SELECT * FROM truth.keyed($last)) d;
	}), ask(qq{
	SELECT a, b FROM truth.keyed(9) ORDER BY a, b OFFSET 10 LIMIT 2;
	SELECT a, b FROM truth.keyed(9) ORDER BY a, b OFFSET 10 LIMIT 1;
	SELECT count(*) FROM truth.bag(4);
	SELECT count(*) FROM truth.keyed(9);
	SELECT 0; SELECT 0;}), 'cursors; rows brought back from the past');
is(ask(qq{
	BEGIN;
	MERGE INTO late t USING (SELECT * FROM late AS OF TIMESTAMP '$at{10}' y) x ON t.id = x.id WHEN MATCHED THEN UPDATE SET n = x.n WHEN NOT MATCHED THEN INSERT VALUES (x.id, x.n);
	SELECT count(*) FROM (SELECT * FROM truth.late(10) EXCEPT TABLE late) d;
	UPDATE parts SET note = x.note || '!' FROM parts AS OF TIMESTAMP '$at{10}' x WHERE x.id = parts.id;
	DELETE FROM bag USING (SELECT * FROM bag AS OF TIMESTAMP '$at{10}' y) x WHERE x.a = bag.a;
	SELECT count(*) FROM bag AS OF TIMESTAMP '$at{10}' x;
	COPY (SELECT count(*) FROM bag AS OF TIMESTAMP '$at{10}' x) TO STDOUT;
	CREATE TABLE kept AS SELECT * FROM bag AS OF TIMESTAMP '$at{10}' x;
	SELECT count(*) FROM kept;
	SELECT count(*) FROM truth.bag(10);
	ROLLBACK}), "0\n50\n50\n50\n50", 'statements that write see the past, also of rows they changed');

# ---- Refusals ----

# The error of a statement, by SQLSTATE and text.
sub refused
{
	my ($name, $sql, $pattern, $where) = @_;
	my ($status, $out, $error) = ($where // $node)->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	like($error, $pattern, $name);
	is($out, '', "$name: no rows");
}
refused('future', 'SELECT count(*) FROM keyed AS OF TIMESTAMP now() + interval \'1 second\' x', qr/ERROR:  22023: AS OF .* is in the future/);
refused('infinity', q{SELECT count(*) FROM keyed AS OF TIMESTAMP 'infinity' x}, qr/ERROR:  22023: .*in the future/);
refused('minus infinity', q{SELECT count(*) FROM keyed AS OF TIMESTAMP '-infinity' x}, qr/ERROR:  72000: history of table "keyed" does not reach back to/);
refused('before the history', q{SELECT count(*) FROM keyed AS OF TIMESTAMP now() - interval '1 day' x}, qr/ERROR:  72000: history of table "keyed" does not reach back to .*\nDETAIL:  It begins at /);
refused('unknown transaction', "SELECT count(*) FROM keyed AS OF TRANSACTION $_ x", qr/ERROR:  22023: transaction $_ is not known to have committed/) for 0, -5, 4000000000, 9223372036854775807;
refused('transaction before the history', 'SELECT count(*) FROM keyed AS OF TRANSACTION (SELECT min(xmin::text::bigint) FROM parent) x', qr/ERROR:  72000|not known to have committed/);
refused('the transaction itself', 'BEGIN; INSERT INTO bag VALUES (0, 0); SELECT count(*) FROM keyed AS OF TRANSACTION pg_current_xact_id()::text::bigint x', qr/ERROR:  (22023|0A000)/);
is(ask('BEGIN; DELETE FROM parts; SELECT count(*) FROM parts AS OF TIMESTAMP now() x; SELECT count(*) FROM parts AS OF NOW; ROLLBACK'),
	ask('SELECT count(*) FROM parts') . "\n0", 'own changes are not in the past; NOW is the present');
is(ask(q{
	CREATE TABLE fresh (id int PRIMARY KEY);
	INSERT INTO fresh VALUES (1);}), '', 'a fresh table');
refused('not tracked', 'SELECT count(*) FROM fresh AS OF TIMESTAMP now() x', qr/ERROR:  55000: table "fresh" has no history\nHINT:  SELECT heliosdb.track\('fresh'\)/);
refused('in the transaction that tracks', q{BEGIN; SET LOCAL client_min_messages = error; DO $$ BEGIN PERFORM heliosdb.track('fresh'); END $$; SELECT count(*) FROM fresh AS OF TIMESTAMP now() x},
	qr/ERROR:  72000: history of table "fresh" does not reach back to .*\nDETAIL:  It begins when this transaction commits/);

refused('unknown SCN', 'SELECT count(*) FROM keyed AS OF SCN 17 x', qr/ERROR:  22023: SCN 17 is not recorded\nHINT/);
refused('SCN before the history', 'SELECT count(*) FROM fresh AS OF SCN (SELECT min(scn) FROM pg_snapshots) x', qr/ERROR:  55000: table "fresh" has no history/);
refused('SCN that is null', 'SELECT count(*) FROM keyed AS OF SCN NULL x', qr/ERROR:  22004/);
refused('a view that reads an untracked table', 'BEGIN; CREATE VIEW of_fresh AS SELECT * FROM fresh; SELECT * FROM of_fresh AS OF TIMESTAMP now() x', qr/ERROR:  55000: table "fresh" has no history/);
refused('a common table expression', "WITH view_bag AS (SELECT 1 AS a) SELECT * FROM view_bag AS OF SCN $scn{5} x", qr/ERROR:  0A000: AS OF does not apply to the common table expression "view_bag"/);
refused('versions of rows as a whole', "SELECT v FROM bag v TABLESAMPLE heliosdb.versions(NULL, $scn{5}, NULL, $scn{6})", qr/ERROR:  0A000: whole rows of "v" VERSIONS BETWEEN/);
refused('pseudo-column elsewhere', 'SELECT heliosdb.versions_xid(b) FROM bag b', qr/ERROR:  0A000: a pseudo-column of VERSIONS BETWEEN/);
refused('versions, bounds exchanged', "SELECT * FROM bag VERSIONS BETWEEN SCN $scn{6} AND $scn{5}", qr/ERROR:  22023: the lower bound of VERSIONS BETWEEN is after/);
refused('versions, no rows, before the history', "SELECT * FROM bag VERSIONS BETWEEN TIMESTAMP '2020-01-01' AND NOW WHERE a = -5", qr/ERROR:  72000: history of table "bag" does not reach back/);
refused('versions, locked', "SELECT * FROM bag TABLESAMPLE heliosdb.versions(NULL, $scn{5}, NULL, $scn{6}) FOR UPDATE", qr/ERROR:  0A000: rows of the past cannot be locked/);
refused('versions of an untracked table', 'SELECT id FROM fresh VERSIONS BETWEEN MINVALUE AND MAXVALUE', qr/ERROR:  55000: table "fresh" has no history/);
is(ask(q{BEGIN; SELECT pg_current_scn() AS s \gset
	INSERT INTO bag VALUES (1234, 1); ROLLBACK; SELECT count(*) FROM bag AS OF SCN :s x WHERE a = 1234}), 0, 'an SCN outlives its transaction');
# A subtransaction that only changes rows of its own transaction is one all the same.
is(ask(q{CREATE TABLE subs (id int PRIMARY KEY, n int); SET client_min_messages = error; SELECT heliosdb.track('subs') AS tracked \gset
	INSERT INTO subs VALUES (1, 0);
	BEGIN; SAVEPOINT a; UPDATE subs SET n = 1; SAVEPOINT b; UPDATE subs SET n = 2; SELECT txid_current() AS x \gset
	PREPARE TRANSACTION 'subs'; CREATE TABLE moves_the_end (); SELECT pg_current_scn() AS s \gset
	COMMIT PREPARED 'subs'; SELECT pg_current_scn() AS later \gset
	SELECT * FROM subs AS OF SCN :s x; SELECT * FROM subs AS OF SCN :later x;
	SELECT n, versions_operation, versions_xid::text = :'x' FROM subs VERSIONS BETWEEN MINVALUE AND MAXVALUE ORDER BY n}),
	"1|0\n1|2\n0|I|f\n2|U|t", 'subtransactions that change rows of their own');
refused('SCN later than the snapshot', q{BEGIN ISOLATION LEVEL REPEATABLE READ; DO $$ BEGIN PERFORM 1; END $$;
	\! psql -X -q -d "} . $node->connstr('postgres') . q{" -c "INSERT INTO bag VALUES (5, 5)" -c "DELETE FROM bag WHERE a = 5 AND n = 5" -c "SELECT pg_current_scn()" > /dev/null
	SELECT count(*) FROM bag AS OF SCN (SELECT max(scn) FROM heliosdb_log.snapshots) x}, qr/ERROR:  40001: SCN \d+ is later than the snapshot/);

# ---- TRUNCATE and rewriting ALTER ----

for my $case ([ 'TRUNCATE fresh', 0 ], [ 'ALTER TABLE fresh ALTER id TYPE bigint', 2 ])
{
	my ($ddl, $left) = @$case;
	ask(q{DELETE FROM fresh; INSERT INTO fresh VALUES (1), (2)});
	ask(q{SELECT heliosdb.track('fresh')}) if $left == 0;
	my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	is(ask("SELECT count(*) FROM fresh AS OF TIMESTAMP '$before' x"), 2, "before $ddl");
	ask("BEGIN; $ddl; ROLLBACK");
	is(ask("SELECT count(*) FROM fresh AS OF TIMESTAMP '$before' x"), 2, "$ddl rolled back");
	ask($ddl);
	my $after = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	ask('INSERT INTO fresh VALUES (10)');
	refused("before $ddl", "SELECT count(*) FROM fresh AS OF TIMESTAMP '$before' x", qr/ERROR:  72000: history of table "fresh" does not reach back to .*\nDETAIL:  It begins at .*\((truncated|[^)]+)\)/);
	refused("before $ddl, by key", "SELECT id FROM fresh AS OF TIMESTAMP '$before' x WHERE id = 1", qr/ERROR:  72000/);
	refused("before $ddl, joined with nothing", "SELECT 1 FROM fresh AS OF TIMESTAMP '$before' x WHERE id = 99", qr/ERROR:  72000/);
	is(ask("SELECT count(*) FROM fresh AS OF TIMESTAMP '$after' x"), $left, "after $ddl");
}

# A column that is added or dropped later does not end the history.
my $plain = $node->safe_psql('postgres', q{
	DELETE FROM fresh; INSERT INTO fresh VALUES (1), (2);
	SELECT clock_timestamp();});
$node->safe_psql('postgres', q{
	ALTER TABLE fresh ADD COLUMN note text DEFAULT 'old'; UPDATE fresh SET note = 'new' WHERE id = 1; DELETE FROM fresh WHERE id = 2;});
is(ask("SELECT x FROM fresh AS OF TIMESTAMP '$plain' x ORDER BY id"), "(1,old)\n(2,old)", 'a column added since');
$node->safe_psql('postgres', 'ALTER TABLE fresh DROP COLUMN note');
is(ask("SELECT x FROM fresh AS OF TIMESTAMP '$plain' x ORDER BY id"), "(1)\n(2)", 'a column added and dropped since');
$node->safe_psql('postgres', 'ALTER TABLE fresh RENAME id TO key; ALTER TABLE fresh RENAME TO renamed');
is(ask("SELECT key FROM renamed AS OF TIMESTAMP '$plain' x WHERE key = 2"), '2', 'renamed since');

# ---- Rights and policies ----

$node->safe_psql('postgres', q{
	CREATE ROLE reader; CREATE ROLE owner_of_rows; CREATE ROLE few;
	GRANT SELECT ON keyed, parts TO reader, few;
	GRANT SELECT ON view_keyed TO few;
	GRANT SELECT ON bag TO reader;
	GRANT SELECT (id) ON late TO reader;
	ALTER TABLE keyed ENABLE ROW LEVEL SECURITY;
	ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON keyed TO few USING (n < 50 AND b <> (SELECT 'c'::text));
	CREATE POLICY own ON parts TO few USING (id < 15 AND EXISTS (SELECT FROM bag_of_few WHERE bag_of_few.a >= parts.n));
	CREATE POLICY every ON keyed TO reader USING (true);
} =~ s/AND EXISTS.*?parts\.n\)\)/AND n > 3)/sr);
is(ask(join(";\n", 'SET ROLE few', map { ("SELECT count(*), sum(n) FROM keyed AS OF TIMESTAMP '$at{$_}' x", "SELECT count(*) FROM parts AS OF TIMESTAMP '$at{$_}' x") } 5, 15, 30)),
	ask(join(";\n", map { ("SELECT count(*), sum(n) FROM truth.keyed($_) WHERE n < 50 AND b <> 'c'", "SELECT count(*) FROM truth.parts($_) WHERE id < 15 AND n > 3") } 5, 15, 30)), 'policies hold in the past');
# A filter that tells what it sees must not be run on rows that the policy hides.
$node->safe_psql('postgres', q{CREATE FUNCTION tell(n int) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN IF n >= 50 THEN RAISE EXCEPTION 'leak: %', n; END IF; RETURN true; END $$});
is(ask("SET ROLE few; SELECT count(*) > 0 FROM keyed AS OF TIMESTAMP '$at{30}' x WHERE tell(n)"), 't', 'hidden rows do not leak');
is(ask("SET ROLE reader; SELECT count(*) FROM keyed AS OF TIMESTAMP '$at{5}' x; SELECT count(id) FROM late AS OF TIMESTAMP '$at{5}' x"),
	ask('SELECT count(*) FROM truth.keyed(5); SELECT count(*) FROM truth.late(5)'), 'SELECT on the table is enough');
is(ask(join(";\n", 'SET ROLE few', "SELECT count(*), sum(n) FROM view_keyed AS OF SCN $scn{30} x", "SELECT count(*) FROM keyed VERSIONS BETWEEN SCN $scn{5} AND SCN $scn{30} v WHERE n >= 50 OR b = 'c'",
	"SELECT count(*) > 0 FROM parts VERSIONS BETWEEN SCN $scn{5} AND SCN $scn{30} v WHERE tell(n)")),
	ask("SELECT count(*), sum(n) FROM truth.keyed(30); SELECT 0; SELECT true"), 'a view shows the past to those who may read it, versions are hidden');
refused('no right to versions', "SET ROLE few; SELECT a FROM bag VERSIONS BETWEEN SCN $scn{5} AND SCN $scn{6}", qr/ERROR:  42501: permission denied for table bag/);
refused('no right', "SET ROLE few; SELECT count(*) FROM bag AS OF TIMESTAMP '$at{5}' x", qr/ERROR:  42501: permission denied for table bag/);
refused('no right to a column', "SET ROLE reader; SELECT n FROM late AS OF TIMESTAMP '$at{5}' x", qr/ERROR:  42501: permission denied for table late/);
$node->safe_psql('postgres', 'ALTER TABLE keyed DISABLE ROW LEVEL SECURITY; ALTER TABLE parts DISABLE ROW LEVEL SECURITY');

# ---- One snapshot for the transaction ----

my $fixed = $node->safe_psql('postgres', qq{
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT count(*) FROM bag;
	\\! psql -X -q -d "@{[$node->connstr('postgres')]}" -c "INSERT INTO bag VALUES (8, 8)" -c "DELETE FROM keyed WHERE a = 20"
	SELECT count(*) FROM bag;
	SELECT count(*) FROM bag AS OF TIMESTAMP now() x;
	SELECT count(*) - (SELECT count(*) FROM truth.keyed(20)) FROM keyed AS OF TIMESTAMP '$at{20}' x;
	COMMIT;
	SELECT count(*) FROM bag AS OF TIMESTAMP now() x}) =~ s/\n/ /gr;
like($fixed, qr/^(\d+) \1 \1 0 (\d+)$/, 'the snapshot and the past are fixed');
refused('later than the snapshot', q{SET default_transaction_isolation = 'repeatable read'; BEGIN; DO $$ BEGIN PERFORM 1; END $$; DO $$ BEGIN PERFORM pg_sleep(0.01); END $$; SELECT count(*) FROM bag AS OF TIMESTAMP statement_timestamp() x},
	qr/ERROR:  22023: AS OF .* is in the future\nDETAIL:  The snapshot of this transaction/);

# ---- Maintenance, restart, crash ----

for my $sql ('VACUUM', 'VACUUM FREEZE', 'VACUUM FULL', 'CLUSTER keyed USING keyed_n; CLUSTER late USING late_pkey', 'REINDEX DATABASE postgres', 'ANALYZE',
	'DO $$ BEGIN FOR i IN 1..3 LOOP UPDATE keyed SET n = n + 1; END LOOP; END $$; VACUUM (FREEZE, ANALYZE)')
{
	ask($sql);
	compare($node, "after $sql", $settings[1], 'timestamp', 3, @whole, 'range', 'two instants', 'order by key, limit', 'secondary index');
}
$node->restart;
compare($node, 'after a restart', '', 'timestamp', 2, @whole);
$node->safe_psql('postgres', 'UPDATE keyed SET n = -1; DELETE FROM late');
$node->stop('immediate');
$node->start;
compare($node, 'after a crash', '', 'timestamp', 2, @whole);
compare($node, "after a crash, $_", '', $_, 5, @whole) for 'transaction', 'scn', 'versions', 'view at an SCN';

# ---- Standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $replicated = $node->safe_psql('postgres', 'UPDATE parts SET n = n * 2; SELECT clock_timestamp()');
$node->safe_psql('postgres', 'UPDATE parts SET n = n * 3');
# A standby answers for what lies a second before the last commit that it has replayed.
$node->safe_psql('postgres', 'SELECT pg_sleep(1.1)');
$node->safe_psql('postgres', 'CREATE TABLE later ()');
$node->wait_for_catchup($standby);
compare($standby, "standby, $_", '', $_, 3, @whole) for 'timestamp', 'scn', 'versions';
is(ask('SELECT pg_current_scn() = max(scn) FROM pg_snapshots', $standby), 't', 'standby: the newest SCN');
refused('standby: a new snapshot', q{SELECT heliosdb.create_snapshot('x')}, qr/25006: cannot record a snapshot in a read-only transaction/, $standby);
is(ask("SELECT sum(n) FROM parts AS OF TIMESTAMP '$replicated' x", $standby), ask('SELECT sum(n / 3) FROM parts'), 'standby: changes that it replayed');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
my $ahead = $node->safe_psql('postgres', 'UPDATE parts SET n = n + 1; SELECT clock_timestamp()');
$node->safe_psql('postgres', 'SELECT pg_sleep(0.1)');
refused('standby: an instant that it has not replayed', "SELECT sum(n) FROM parts AS OF TIMESTAMP '$ahead' x",
	qr/55000: this standby has not replayed all of AS OF/, $standby);
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');

# ---- Dump ----

my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump, '--no-owner' ], 'dump');
like(slurp_file($dump), qr/CREATE VIEW public\.v9 AS\n.*TABLESAMPLE heliosdb\.as_of \('/s, 'views come back in stock grammar');

done_testing();
