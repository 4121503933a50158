# Random statements that meet the uncommitted changes of another session, on a branch that copies its tables row by row
# and on one that copies them as a whole: what they return and leave has to be the same.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('races');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\nfsync = off\njit = off\nstatement_timeout = 60s\n");
$node->start;

my $seed = $ENV{HELIOS_SEED} // 80;
srand($seed);
sub any { return int(rand($_[0])); }
sub one { return $_[ any(scalar @_) ]; }

my $schema = q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE a (id int PRIMARY KEY, k int, v int DEFAULT 0, u text UNIQUE); INSERT INTO a SELECT i, i % 5, 0, 'u' || i FROM generate_series(1, 40) i; CREATE INDEX ON a (k);
	CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE, v int DEFAULT 0); INSERT INTO b SELECT i, 1 + i % 40, 0 FROM generate_series(1, 80) i; CREATE INDEX ON b (a);
	VACUUM ANALYZE};
my %copying = (rows => 0, whole => -1);
my @databases = sort keys %copying;
foreach my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database; ALTER DATABASE $database SET heliosdb.branch_row_copy_above = $copying{$database}");
	$node->safe_psql($database, $schema);
}

sub cond { my ($t) = @_; return one("$t.id = " . (1 + any(6)), "$t.k = " . any(5) . " AND $t.id < 12", "$t.v = 0 AND $t.id < 8", "$t.id BETWEEN " . (1 + any(6)) . ' AND ' . (4 + any(8))); }

# What one session does, and the other one meets.
my @first = (
	sub { 'UPDATE a SET id = id + 200 WHERE ' . cond('a') },
	sub { 'UPDATE b SET id = id + 700 WHERE a < ' . (2 + any(6)) },
	sub { 'UPDATE a SET id = id + 200 WHERE id < 3; INSERT INTO a VALUES (2, 0, 9, \'back\')' },
	sub { 'UPDATE a SET v = v + 1, k = k + ' . any(2) . ' WHERE ' . cond('a') },
	sub { 'DELETE FROM a WHERE ' . cond('a') },
	sub { 'UPDATE b SET v = v + 1, a = ' . (1 + any(6)) . ' WHERE a < ' . (2 + any(6)) },
	sub { 'DELETE FROM b WHERE a = ' . (1 + any(6)) },
	sub { 'INSERT INTO a VALUES (' . (100 + any(3)) . ", 1, 0, 'n" . any(3) . "')" },
	sub { 'SELECT id FROM a WHERE ' . cond('a') . ' ORDER BY id FOR UPDATE' },
	sub { 'INSERT INTO b VALUES (' . (500 + any(3)) . ', ' . (1 + any(6)) . ')' },
	sub { "UPDATE a SET u = 'n" . any(3) . "' WHERE id = " . (1 + any(6)) },
	sub { 'UPDATE a SET v = 7 WHERE id = 1; DELETE FROM a WHERE id = 2; INSERT INTO a VALUES (2, 0, 9, \'back\')' },
);

my @second = (
	sub { 'WITH c AS (UPDATE a SET v = v + 10 WHERE ' . cond('a') . ' RETURNING id, k, v) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (UPDATE a SET v = a.v + 10 + b.v FROM b WHERE b.a = a.id AND b.id % 2 = 0 AND ' . cond('a') . ' RETURNING a.id, a.k, a.v, b.v) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (UPDATE b SET v = b.v + a.k FROM a WHERE b.a = a.id AND ' . cond('a') . ' RETURNING b.id, b.v, a.k) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (DELETE FROM a WHERE ' . cond('a') . ' RETURNING id, v) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (DELETE FROM b USING a WHERE b.a = a.id AND ' . cond('a') . ' RETURNING b.id, b.v) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (SELECT a.id, a.v, b.id AS b, b.v AS w FROM a JOIN b ON b.a = a.id WHERE ' . cond('a') . ' FOR UPDATE' . one('', ' OF a', ' OF b') . ') SELECT * FROM c ORDER BY 1, 3' },
	sub { 'WITH c AS (SELECT id, k, v FROM a WHERE ' . cond('a') . one(' FOR UPDATE', ' FOR SHARE', ' FOR KEY SHARE', ' FOR NO KEY UPDATE') . ') SELECT * FROM c ORDER BY 1' },
	sub { 'MERGE INTO a USING (SELECT DISTINCT a FROM b WHERE a < 9) b ON b.a = a.id AND a.k < ' . any(5) . ' WHEN MATCHED AND a.v > 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = a.v + 100 WHEN NOT MATCHED THEN DO NOTHING' },
	sub { 'MERGE INTO a USING (VALUES (1, 1), (2, 2), (100, 3)) b (x, y) ON b.x = a.id WHEN MATCHED AND a.v > 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = a.v + 100 WHEN NOT MATCHED THEN INSERT VALUES (b.x, 0, 0, b.x)' },
	sub { 'INSERT INTO a VALUES (' . one(1, 2, 100, 101) . ", 1, 0, 'n" . any(3) . "') ON CONFLICT " . one('DO NOTHING', '(id) DO UPDATE SET v = a.v + 1', '(u) DO UPDATE SET v = a.v + 1') . ' RETURNING *' },
	sub { 'INSERT INTO b VALUES (' . (500 + any(3)) . ', ' . (1 + any(6)) . ') RETURNING *' },
	sub { 'WITH c AS (UPDATE a SET v = (SELECT count(*) FROM b WHERE b.a = a.k + 1), k = k + 1 WHERE ' . cond('a') . ' RETURNING id, k) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (UPDATE a SET v = (SELECT max(x.id) FROM (SELECT id FROM b WHERE b.a = a.k + 1 FOR UPDATE) x) WHERE ' . cond('a') . ' RETURNING id, k) SELECT * FROM c ORDER BY id' },
	sub { 'WITH c AS (UPDATE a SET v = v + 1 WHERE EXISTS (SELECT FROM b WHERE b.a = a.id AND b.v = 0) AND ' . cond('a') . ' RETURNING id, v) SELECT * FROM c ORDER BY id' },
);

my @switches = qw(enable_seqscan enable_hashjoin enable_mergejoin enable_nestloop enable_indexscan enable_bitmapscan enable_material);
my ($bad, $waits) = (0, 0);
foreach my $round (1 .. ($ENV{HELIOS_ROUNDS} // 30))
{
	my $before = any(3) ? 'SELECT' : $first[ any(scalar @first) ]->();
	my $theirs = join('; ', map { $first[ any(scalar @first) ]->() } 0 .. any(2));
	my $ours = $second[ any(scalar @second) ]->();
	my $end = one('COMMIT', 'COMMIT', 'ROLLBACK');
	my @off = map { "SET $_ = off" } grep { any(3) == 0 } @switches;
	my %out;
	foreach my $database (@databases)
	{
		$node->psql($database, "CREATE BRANCH r$round");
		$node->psql($database, "USE BRANCH r$round; $before");
		my $session = $node->background_psql($database, on_error_stop => 0);
		$session->query("USE BRANCH r$round");
		$session->query("BEGIN; $theirs");
		my $out = '';
		my $handle = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr($database), map { ('-c', $_) } "USE BRANCH r$round", @off, $ours ], '>&', \$out);
		while ($handle->pumpable)
		{
			$handle->pump_nb;
			next if $node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE NOT granted') eq '0';
			$waits++;
			last;
		}
		$session->query($end);
		$handle->finish;
		$session->quit;
		$out{$database} = $out . $node->safe_psql($database, "USE BRANCH r$round; SELECT * FROM a ORDER BY id; SELECT * FROM b ORDER BY id");
	}
	next if $out{rows} eq $out{whole};
	$bad++;
	diag("seed $seed round $round:\nbefore: $before\ntheirs: $theirs; $end\nours: " . join('; ', @off, $ours));
	diag("$_: $out{$_}") foreach @databases;
}
is($bad, 0, 'the same results');
cmp_ok($waits, '>', 10, 'of statements that had to wait');

done_testing();
