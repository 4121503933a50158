# Options of hybrid tables in dumps, in servers that do not preload the library, and parallel plans in EXPLAIN.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('hybrid_options');
$node->init;
$node->append_conf('postgresql.conf', "include_if_exists 'more.conf'\nautovacuum = off\n");
append_to_file($node->data_dir . '/more.conf', "shared_preload_libraries = 'heliosdb'\n");
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE SCHEMA "Other Place";
	CREATE TABLE "Other Place"."Odd ""table" (gone int, "odd column" text, n int, t text COMPRESSION lz4, "a day" date) USING heliosdb;
	ALTER TABLE "Other Place"."Odd ""table" DROP COLUMN gone;
	INSERT INTO "Other Place"."Odd ""table" SELECT 'x' || g % 9, g, 't' || g % 9, '2024-01-01'::date + g FROM generate_series(1, 3000) g;
	SELECT heliosdb.set_table_options('"Other Place"."Odd ""table"', 'fast', 7, '"odd column" DESC, n', 'a day');
	ALTER TABLE "Other Place"."Odd ""table" ALTER "odd column" SET COMPRESSION fsst, ALTER n SET COMPRESSION "for";
	CREATE MATERIALIZED VIEW summary USING heliosdb AS SELECT g AS id, 'v' || g % 5 AS v FROM generate_series(1, 2000) g;
	SELECT heliosdb.set_column_options('summary', 'v', 'zstd', 11);
	ALTER MATERIALIZED VIEW summary SET (order_by = 'v, id');
	SELECT heliosdb.move_to_cold('"Other Place"."Odd ""table"', 'n < 1000');
});

my $options = q{
	SELECT relation, "column", attribute - (SELECT count(*) FROM pg_attribute WHERE attrelid = relation AND attnum < attribute AND attisdropped AND attnum > 0),
	       compression, compression_level, order_by, (SELECT string_agg(attname, ' ' ORDER BY k) FROM generate_series(1, array_length(order_keys, 1), 2) k
	         JOIN pg_attribute ON attrelid = relation AND attnum = order_keys[k]), tier_column, (SELECT attname FROM pg_attribute WHERE attrelid = relation AND attnum = tier_attribute)
	FROM heliosdb.hybrid_options ORDER BY relation::text, attribute};
my $before = $node->safe_psql('postgres', $options);
is($before, <<'END' =~ s/\n\z//r, 'what is stored');
"Other Place"."Odd ""table"||0|fast|7|"odd column" DESC, n|odd column n|a day|a day
"Other Place"."Odd ""table"|odd column|1|fsst|||||
"Other Place"."Odd ""table"|n|2|for|||||
summary||0|||v, id|v id||
summary|v|2|zstd|11||||
END

my $order = q{
	SELECT count(*) FROM (SELECT n, lag(n) OVER w AS last_n, "odd column" AS o, lag("odd column") OVER w AS last_o FROM "Other Place"."Odd ""table"
	  WHERE (ctid::text::point)[0] >= 2147483648 WINDOW w AS (ORDER BY ctid)) r WHERE o > last_o OR o = last_o AND n < last_n};
my $codecs = q{
	SELECT heliosdb.move_to_cold('"Other Place"."Odd ""table"', older_than => '1 s') > 0;
	SELECT DISTINCT "column", codec FROM heliosdb.chunks WHERE relation = '"Other Place"."Odd ""table"'::regclass
	  AND "column" IN ('odd column', 't') ORDER BY 1};

# Restores a dump in a new database and looks at what came back.
sub restores
{
	my ($name, $dump, $restore) = @_;
	my $file = $node->data_dir . "/../$name.dump";
	$node->command_ok([ 'pg_dump', '-f', $file, @$dump, 'postgres' ], "$name: dump");
	$node->safe_psql('template1', "CREATE DATABASE $name");
	if (@$restore)
	{
		$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $name, @$restore, $file ], "$name: restore");
	}
	else
	{
		$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $name, '-f', $file ], "$name: restore");
	}
	is($node->safe_psql($name, $options), $before, "$name: options are back");
	is($node->safe_psql($name, $codecs), "t\nodd column|fsst\nt|lz4", "$name: and are heeded");
	is($node->safe_psql($name, $order), '0', "$name: rows are in order");
	return;
}

restores('plain', [], []);
restores('inserts', ['--column-inserts'], []);
restores('custom', ['-Fc'], ['-j2']);

# Forms beyond the stock grammar.
is( $node->safe_psql('custom', q{
		CREATE TABLE formed (a int, b text) USING heliosdb;
		ALTER TABLE formed SET COMPRESSION 'fsst+zstd';
		ALTER TABLE IF EXISTS ONLY public.formed ALTER a SET COMPRESSION for;
		SELECT "column", compression FROM heliosdb.hybrid_options WHERE relation = 'formed'::regclass ORDER BY attribute;
		ALTER TABLE formed SET COMPRESSION DEFAULT;
		SELECT "column" FROM heliosdb.hybrid_options WHERE relation = 'formed'::regclass}), "|fsst+zstd\na|for\na", 'forms');
my ($status, $out, $err) = $node->psql('custom', 'CREATE TABLE heaped (a int); ALTER TABLE heaped SET COMPRESSION zstd');
like($err, qr/"heaped" is not a hybrid table\nHINT:.*SET ACCESS METHOD heliosdb/, 'of a heap table');

# Without preloading, the first use of a hybrid table loads the library.
unlink $node->data_dir . '/more.conf';
$node->restart;
restores('unloaded', ['-Fc'], ['-j2']);
is( $node->safe_psql('plain', q{
		SELECT heliosdb.set_column_options('summary', 'v', 'dictionary');
		ALTER TABLE summary ALTER v SET COMPRESSION rle;
		SELECT compression FROM heliosdb.hybrid_options WHERE relation = 'summary'::regclass ORDER BY attribute}), "\n\nrle", 'statements without preloading');

# What workers have read is not known.
my $parallel = q{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = on;
	EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM summary};
$node->safe_psql('plain', q{CREATE TABLE many (id int, v text) USING heliosdb;
	INSERT INTO many SELECT g, 'v' FROM generate_series(1, 300000) g; SELECT heliosdb.move_to_cold('many'); ANALYZE many});
$parallel =~ s/summary/many/;
my $plan = $node->safe_psql('plain', $parallel);
like($plan, qr/Workers Launched: [12]/, 'a parallel plan');
unlike($plan, qr/Hybrid Table(?!.*leader only)/, 'counts of the leader are called so');

# Options go with what is dropped.
$node->safe_psql('plain', 'CREATE ROLE owner; ALTER TABLE many OWNER TO owner; ALTER TABLE many ALTER v SET COMPRESSION fsst');
is($node->safe_psql('plain', q{SELECT count(*) FROM heliosdb.hybrid_options WHERE relation = 'many'::regclass}), '1', 'an option');
$node->safe_psql('plain', 'DROP OWNED BY owner; DROP MATERIALIZED VIEW summary');
is($node->safe_psql('plain', 'SELECT count(*) FROM heliosdb.hybrid_options'), '3', 'dropped with their tables');
$node->safe_psql('plain', 'DROP EXTENSION heliosdb CASCADE');

$node->stop;
done_testing();
