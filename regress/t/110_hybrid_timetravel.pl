# Time travel on hybrid tables against ordinary twins. Each random transaction changes both in the same way, and between
# them rows of the hybrid ones move: to chunks and back, by VACUUM, VACUUM FULL and recompression, also while an old
# snapshot reads. Whatever is asked of the past, both must answer alike; bringing it back must do the same to both.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Hybrid;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{HELIOS_SEED} // 110;
srand($seed);
sub any { return int(rand($_[0])); }

my $node = PostgreSQL::Test::Cluster->new('twins');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
default_table_access_method = heap
max_prepared_transactions = 2
autovacuum = off
fsync = off
jit = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', join(";\n", @_)); }

my @tables = qw(keyed bag parts wide);
sql('CREATE EXTENSION heliosdb', hybrid_sql(), (map { my ($schema, $method) = @$_; (
	"CREATE SCHEMA $schema", "SET search_path = $schema, public", "SET default_table_access_method = $method", q{
	CREATE TABLE keyed (gone text, a int, b text COLLATE "C", n int, long text, PRIMARY KEY (a, b));
	ALTER TABLE keyed DROP COLUMN gone;
	CREATE INDEX keyed_n ON keyed (n);
	INSERT INTO keyed SELECT i, chr(97 + j), i * j, CASE WHEN i % 20 = 0 THEN (SELECT string_agg(md5((i * k)::text), '') FROM generate_series(1, 300) k) END FROM generate_series(1, 150) i, generate_series(0, 1) j;
	CREATE TABLE bag (a int, n int);
	CREATE INDEX bag_a ON bag (a DESC NULLS LAST, n);
	INSERT INTO bag SELECT i % 7, i % 3 FROM generate_series(1, 60) i;
	CREATE TABLE parts (id int PRIMARY KEY, n int, note text) PARTITION BY RANGE (id);
	CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (60);
	CREATE TABLE parts_high (note text, gone int, n int, id int NOT NULL);
	ALTER TABLE parts_high DROP COLUMN gone;
	ALTER TABLE parts ATTACH PARTITION parts_high FOR VALUES FROM (60) TO (MAXVALUE);
	INSERT INTO parts SELECT i, i % 5, 'n' || i FROM generate_series(1, 120) i;
	CREATE TABLE wide (id int PRIMARY KEY, v numeric, twice numeric GENERATED ALWAYS AS (v * 2) STORED);
	INSERT INTO wide SELECT i, i / 3.0 FROM generate_series(1, 40) i;
	ALTER TABLE wide ADD COLUMN added text DEFAULT 'given', ADD COLUMN plain int[]}) } [ 'h', 'heliosdb' ], [ 'w', 'heap' ]));
sql('SET client_min_messages = error', map { my $s = $_; map { ("SELECT heliosdb.track('$s.$_')", "SELECT heliosdb.create_consumer('$s.$_', '$s.$_')") } @tables } qw(h w));
is(move_rows($node, 'postgres', 0, 1), '', 'rows are moved');
is(sql('SELECT cold = rows FROM hybrid.cold()'), 't', 'all are cold');

# ---- Random changes of both twins, and random moves of one ----

my @changes = (
	sub { 'INSERT INTO S.keyed SELECT i, chr(97 + i % 3), i, NULL FROM generate_series(' . (1 + any(300)) . ', ' . (1 + any(300)) . ') i ON CONFLICT (a, b) DO UPDATE SET n = keyed.n + 1' },
	sub { 'UPDATE S.keyed SET n = n + 1 WHERE a % 9 = ' . any(9) },
	sub { "UPDATE S.keyed SET long = left(long, -5) || 'more' WHERE a BETWEEN " . any(150) . ' AND ' . any(150) },
	sub { 'UPDATE S.keyed SET a = a + 1000 WHERE a % 31 = ' . any(31) . ' AND a < 900 AND NOT EXISTS (SELECT FROM S.keyed k WHERE k.a = keyed.a + 1000 AND k.b = keyed.b)' },
	sub { my $a = any(300); "DELETE FROM S.keyed WHERE a BETWEEN $a AND $a + 4" },
	sub { 'DELETE FROM S.keyed WHERE a = 20; INSERT INTO S.keyed VALUES (20, \'a\', 1, NULL); UPDATE S.keyed SET n = 2 WHERE a = 20' },
	sub { 'INSERT INTO S.bag SELECT i % 7, i % 3 FROM generate_series(1, ' . any(9) . ') i' },
	sub { 'UPDATE S.bag SET n = n + 1 WHERE a = ' . any(7) },
	sub { 'DELETE FROM S.bag WHERE n > 5 OR a = 1 AND n = ' . any(5) },
	sub { 'UPDATE S.parts SET n = n + 1, id = 121 - id WHERE id IN (' . any(120) . ', ' . any(120) . ') AND NOT EXISTS (SELECT FROM S.parts p WHERE p.id = 121 - parts.id)' },
	sub { 'DELETE FROM S.parts WHERE id % 17 = ' . any(17) },
	sub { 'MERGE INTO S.parts USING generate_series(' . any(120) . ', ' . any(120) . ") s(id) ON parts.id = s.id WHEN MATCHED AND n % 4 = 3 THEN DELETE WHEN MATCHED THEN UPDATE SET n = n + 1 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0, 'new')" },
	sub { 'UPDATE S.wide SET v = v + 1, plain = ARRAY[id, NULL] WHERE id % 4 = ' . any(4) },
	sub { 'UPDATE S.wide SET id = -id WHERE id = ' . any(40) . ' AND NOT EXISTS (SELECT FROM S.wide w WHERE w.id = -wide.id); INSERT INTO S.wide (id, v) VALUES (' . any(80) . ', 7) ON CONFLICT DO NOTHING' },
	sub { 'WITH gone AS (DELETE FROM S.keyed WHERE a % 50 = ' . any(50) . ' RETURNING *) INSERT INTO S.bag SELECT n % 9, 4 FROM gone' },
);
sub change { my $change = $changes[any(scalar @changes)]->(); return map { my $s = $_; (my $c = $change) =~ s/S\./$s./g; $c } qw(h w); }

my (%at, %scn, %xid);
my ($last, $cold, $rows, $stand_ins, $errors) = ($ENV{HELIOS_ROUNDS} // 30, 0, 0, 0, '');
for my $i (0 .. $last)
{
	my @transaction = map { any(5) == 0 ? ('SAVEPOINT s', change(), any(2) ? 'ROLLBACK TO s' : 'RELEASE s', change()) : change() } 1 .. 1 + any(3);
	# What a snapshot sees that is older than the moves; what it has read before, VACUUM FULL must leave alone.
	my $old = any(4);
	my %reads = map { my $s = $_; $s => join ' || ', map { "(SELECT md5(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\")) FROM $s.$_ t)" } @tables } qw(h w);
	my $psql = 'psql -X -q -d "' . $node->connstr('postgres') . '"';
	my $out = sql('SET client_min_messages = warning', 'BEGIN', @transaction, 'SELECT pg_current_xact_id()', 'COMMIT',
		'SELECT pg_sleep(0.002)', 'SELECT clock_timestamp()', 'SELECT pg_current_scn()', 'SELECT pg_sleep(0.002)');
	my @told = grep { $_ ne '' } split /\n/, $out;
	($xid{$i}, $at{$i}, $scn{$i}) = @told[ -3 .. -1 ];
	if ($old < 2)
	{
		my $file = $node->basedir . '/moves.sql';
		append_to_file($file, "SET lock_timeout = '100ms';\nSELECT * FROM hybrid.moves(" . any(1000) . ") \\gexec\n");
		my $seen = sql('BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT ' . ($old ? $reads{h} : $reads{w}), "\\! $psql -f $file > /dev/null 2>&1\nSELECT $reads{h}", "SELECT $reads{w}", 'COMMIT');
		unlink $file;
		my @seen = split /\n/, $seen;
		$errors .= "an old snapshot saw rows move in round $i\n" if $seen[0] ne $seen[1] || $seen[0] ne $seen[2];
	}
	$errors .= move_rows($node, 'postgres', any(1000)) if any(3);
	my ($c, $r) = split /\|/, sql('SELECT * FROM hybrid.cold()');
	$cold += $c; $rows += $r;
	$stand_ins += sql('SELECT hybrid.stand_ins()');
}
is($errors, '', 'rows move');
cmp_ok($cold / $rows, '>=', 0.3, 'many rows were cold: ' . int(100 * $cold / $rows) . ' %');
cmp_ok($stand_ins, '>', 100, 'and some of those deleted');

# ---- Both twins answer alike ----

# Queries of the past; T is the table with the clause, of either schema.
my %ways = (
	'whole' => 'SELECT x FROM {TABLE} x',
	'point' => "SELECT * FROM {keyed} x WHERE a = 20 AND b = 'a'",
	'toasted' => 'SELECT a, b, md5(long) FROM {keyed} x WHERE long IS NOT NULL',
	'range by key' => 'SELECT * FROM {keyed} x WHERE a BETWEEN 9 AND 60 ORDER BY a DESC, b DESC LIMIT 70',
	'secondary index' => 'SELECT a, b, n FROM {keyed} x WHERE n BETWEEN 20 AND 90',
	'by an index of a bag' => 'SELECT a, n FROM {bag} x ORDER BY a DESC NULLS LAST, n LIMIT 30',
	'partitions' => 'SELECT id, n FROM {parts} x WHERE id BETWEEN 50 AND 70',
	'join' => 'SELECT k.a, w.v FROM {keyed} k JOIN {wide} w ON w.id = k.a',
	'past and present' => 'SELECT x.a, x.b, x.n, y.n FROM {keyed} x JOIN S.keyed y USING (a, b)',
	'generated and added columns' => 'SELECT twice, added, plain FROM {wide} x',
);
my @settings = ('', 'SET enable_seqscan = off; SET enable_bitmapscan = off', 'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off',
	'SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
my %spellings = (TIMESTAMP => sub { "TIMESTAMP '$at{$_[0]}'" }, TRANSACTION => sub { "TRANSACTION $xid{$_[0]}" }, SCN => sub { "SCN $scn{$_[0]}" });
my $columns = join ', ', map { "versions_$_" } qw(operation xid startscn endscn starttime endtime);
my %columns = (keyed => 'a, b, n, long', bag => 'a, n', parts => 'id, n, note', wide => 'id, v, twice, added, plain');

# Statements that print what differs between two queries of both twins, S. being the schema.
sub differing
{
	my ($name, $query) = @_;
	my ($h, $w) = map { my $s = $_; (my $q = $query) =~ s/\bS\./$s./g; $q } qw(h w);
	return "SELECT '$name' WHERE (SELECT count(*) || md5(string_agg(q::text, '\n' ORDER BY q::text COLLATE \"C\")) FROM ($h) q) IS DISTINCT FROM (SELECT count(*) || md5(string_agg(q::text, '\n' ORDER BY q::text COLLATE \"C\")) FROM ($w) q)";
}

sub compare
{
	my ($name) = @_;
	my @script;
	my $k = 0;
	for my $setting (@settings)
	{
		push @script, 'RESET ALL', 'SET client_min_messages = warning', $setting;
		for my $way (sort keys %ways)
		{
			for my $spelling (sort keys %spellings)
			{
				my $i = ($k++ * 7) % ($last + 1);
				for my $table ($way eq 'whole' ? @tables : ($tables[0]))
				{
					(my $query = $ways{$way}) =~ s/TABLE/$table/;
					$query =~ s/\{(\w+)\}/"S.$1 AS OF " . $spellings{$spelling}->($i)/ge;
					push @script, differing("$way $table at $spelling $i", $query);
				}
			}
		}
	}
	push @script, 'RESET ALL', map { my $i = $_; map { differing("$_ at $i", "SELECT x FROM S.$_ AS OF SCN $scn{$i} x") } @tables } 0 .. $last;
	for my $pair ([ 0, $last ], [ any($last), $last ], [ 3, int($last / 2) ])
	{
		my ($low, $high) = @$pair;
		push @script, map { differing("versions of $_ from $low to $high", "SELECT $columns{$_}, $columns FROM S.$_ VERSIONS BETWEEN SCN $scn{$low} AND TIMESTAMP '$at{$high}'") } @tables;
	}
	push @script, map { differing("changes of $_", "SELECT op, old::text, new::text FROM heliosdb.read_changes('S.$_', NULL::S.$_)") } @tables;
	my $all = join ', ', map { "'S.$_'" } @tables;
	push @script, map { differing("transaction $_", "SELECT split_part(relation::text, '.', 2), op, key, old, new, conflict FROM heliosdb.transaction_changes($xid{$_}, ARRAY[$all]::regclass[])") } grep { $_ % 4 == 0 || $_ == $last } 0 .. $last;
	my $file = $node->basedir . '/compare.sql';
	append_to_file($file, join(";\n", @script, ''));
	my ($status, $out, $error) = $node->psql('postgres', "\\i $file", on_error_stop => 0);
	unlink $file;
	is("$out$error", '', $name);
}

compare('both twins have the same past');
(my $same = differing('same', 'SELECT x FROM S.keyed AS OF ' . "SCN $scn{$last} x")) =~ s/w\.keyed AS OF SCN $scn{$last}/w.keyed AS OF SCN $scn{0}/;
is(sql($same), 'same', 'another instant is another state');

# ---- Bringing it back ----

# Runs a statement on both twins; what it says, errors too, and what is there then must be alike.
sub do_to_both
{
	my ($name, $statement) = @_;
	my @said = map { my $s = $_; (my $q = $statement) =~ s/\bS\./$s./g; my ($status, $out, $error) = $node->psql('postgres', "SET client_min_messages = error; $q"); "$out$error" =~ s/\b[hw]\././gr } qw(h w);
	is($said[0], $said[1], $name);
	is(sql(map { differing($_, "SELECT x FROM S.$_ x") } @tables), '', "$name: the same rows");
}

my $list = join ', ', map { "'S.$_'" } @tables;
sub undo { return "SELECT split_part(relation::text, '.', 2), inserted, updated, deleted FROM heliosdb.undo_transaction($_[0], ARRAY[$list]::regclass[]) ORDER BY 1"; }
do_to_both("transaction $_ is undone", undo($xid{$_})) for $last, $last - 1, $last - 2, 5;
my $undone = sql('SET client_min_messages = warning', 'BEGIN', map({ my $s = $_; "UPDATE $s.keyed SET n = -n WHERE a % 3 = 0", "DELETE FROM $s.parts WHERE id % 3 = 0" } qw(h w)), 'SELECT pg_current_xact_id()', 'COMMIT');
is(move_rows($node, 'postgres', 7, 1), '', 'all rows become cold');
do_to_both('a transaction whose rows became cold is undone', undo($undone));
for my $i (int($last / 2), 3)
{
	do_to_both("$_ is brought back to $i", "SELECT * FROM heliosdb.flashback_table('S.$_', '$at{$i}')") for @tables;
	is(move_rows($node, 'postgres', $i, 1), '', 'and moved');
}
compare('the past is as it was');

# ---- Rows that are loaded straight into chunks ----

sql(map { my ($s, $method) = @$_; ("CREATE TABLE $s.loaded (id int PRIMARY KEY, n int) USING $method", "SET client_min_messages = error", "SELECT heliosdb.track('$s.loaded')", "SELECT heliosdb.create_consumer('$s.loaded', '$s.loaded')") } [ 'h', 'heliosdb' ], [ 'w', 'heap' ]);
my $before = sql('SELECT pg_current_scn()');
my $load = sql('SET heliosdb.hybrid_storage = column', 'BEGIN', map({ my $s = $_; ("INSERT INTO $s.loaded SELECT i, i % 10 FROM generate_series(1, 12000) i", "UPDATE $s.loaded SET n = n + 1 WHERE id % 1000 = 0", "DELETE FROM $s.loaded WHERE id % 1500 = 0") } qw(h w)), 'SELECT pg_current_xact_id()', 'COMMIT');
cmp_ok(sql('SELECT count(*) FROM h.loaded WHERE (ctid::text::point)[0] >= 2147483648'), '>', 3000, 'rows are loaded into chunks');
my $after = sql('SELECT pg_current_scn()');
sql(map { my $s = $_; ("UPDATE $s.loaded SET n = n + 1 WHERE id % 7 = 0", "DELETE FROM $s.loaded WHERE id > 11000") } qw(h w));
is(sql(map { differing("loaded as of $_", "SELECT x FROM S.loaded AS OF SCN $_ x") } $before, $after), '', 'the past of loaded rows');
is(sql("SELECT count(*) FROM h.loaded AS OF SCN $before x", "SELECT count(*) FROM h.loaded AS OF SCN $after x"), "0\n11992", 'and how many there were');
is(sql(differing('changes', "SELECT op, old::text, new::text FROM heliosdb.read_changes('S.loaded', NULL::S.loaded)"),
	differing('loading', "SELECT op, key, old, new, conflict FROM heliosdb.transaction_changes($load, ARRAY['S.loaded']::regclass[])")), '', 'changes of loaded rows');

# Another access method makes all rows anew.
$node->safe_psql('postgres', 'ALTER TABLE w.keyed SET ACCESS METHOD heliosdb');
my ($status, $out, $error) = $node->psql('postgres', "SELECT count(*) FROM w.keyed AS OF SCN $scn{$last} x");
like($error, qr/history of table "keyed" does not reach back/, 'history begins anew with another access method');

$node->stop;
done_testing();
