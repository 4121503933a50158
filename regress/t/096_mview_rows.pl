# What an incremental refresh reads grows with the change and not with the tables: the same few changes in tables of
# two sizes, for every shape that an index can serve.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Shapes;
use Test::More;

my ($small, $large) = (4000, 32000);
# Any row may touch any other one here: conditions without an equality, or a single value that all depend on.
my %reads_all = map { $_ => 1 } qw(other_join left_join_hidden not_in not_in_nulls or_of_subqueries scalar_of_all with_twice);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.max_cpu_background = 0
autovacuum = off
fsync = off
jit = off
random_page_cost = 1.1
});
$node->start;

# Makes a database with tables of a size and all views, changes some rows, and returns how many rows of tables, logs and
# states each refresh read.
sub rows_read
{
	my ($size) = @_;
	my $database = "of_$size";
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my $sql = sub { return $node->safe_psql($database, $_[0]); };
	$sql->('CREATE EXTENSION heliosdb;' . shape_tables());
	$sql->(qq{
		INSERT INTO a SELECT i, i / 10, i / 7, 't' || i % 5, (i % 100) / 4.0, i % 9 FROM generate_series(1, $size) i;
		INSERT INTO b SELECT i, i, i / 10, 's' || i / 10 FROM generate_series(1, $size) i;
		INSERT INTO c SELECT i / 5, i % 40 FROM generate_series(1, $size) i;
		INSERT INTO p SELECT i, i / 10, i % 8 FROM generate_series(1, $size) i;
		VACUUM ANALYZE;});
	for (shapes())
	{
		my ($name, $how, $query) = @$_;
		$sql->("CREATE MATERIALIZED VIEW \"$name\" WITH (auto_refresh = true) AS $query") if !$reads_all{$name};
	}
	$sql->('VACUUM ANALYZE');
	$sql->(q{
		UPDATE a SET x = x + 1, n = n + 1 WHERE id IN (1010, 1011, 2510);
		INSERT INTO a VALUES (-1, 100, 140, 't9', 1, 1); DELETE FROM a WHERE id = 1511;
		UPDATE b SET y = y + 1, s = 's1' WHERE id IN (1100, 2600); DELETE FROM b WHERE id = 1200;
		INSERT INTO c VALUES (120, 3), (250, 2); UPDATE c SET v = v + 1 WHERE k = 130;
		UPDATE p SET x = x + 1 WHERE id IN (1300, 2700); INSERT INTO p VALUES (-5, 7, 7);});
	my %read;
	for (shapes())
	{
		my $name = $_->[0];
		next if $reads_all{$name};
		$read{$name} = $sql->(qq{
			BEGIN;
			REFRESH MATERIALIZED VIEW "$name" INCREMENTALLY;
			SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_all_tables
			WHERE schemaname IN ('public', 'heliosdb_log', 'heliosdb_mview') AND relname <> '$name';
			COMMIT;});
		is($sql->(qq{SELECT strategy, coalesce(reason, '') FROM heliosdb.mview_history WHERE relid = '"$name"'::regclass ORDER BY id DESC LIMIT 1}), 'incremental|', "$name of $size rows: incremental");
	}
	return %read;
}

my %of_small = rows_read($small);
my %of_large = rows_read($large);
for (sort keys %of_small)
{
	# Eight times the rows: a refresh that reads a table would read eight times as much, and more than 4,000 rows.
	cmp_ok($of_large{$_}, '<', 2 * $of_small{$_} + 500, "$_: $of_small{$_} rows read of $small, $of_large{$_} of $large");
}

$node->stop;
done_testing();
