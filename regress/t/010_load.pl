# Loading: preloaded and on demand, settings in either mode, schemas, dependencies, dump and restore, and pgvector
# beside it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $fill = q{
	CREATE TABLE items (id int PRIMARY KEY, v vector(8));
	INSERT INTO items SELECT i, ARRAY[i, i % 7, i % 11, i % 13, 1, 2, 3, 4]::real[]::vector FROM generate_series(1, 400) i;
	CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops);
};
# Uses the index: the first use of the access method in its session.
my $search = q{SET enable_seqscan = off; SELECT id FROM items ORDER BY v <-> '[200,4,2,5,1,2,3,4]' LIMIT 1;};
my $force_parallel;
my $invalid_setting = qr/unrecognized configuration parameter "hnsw.ef_search"/;

my $node = PostgreSQL::Test::Cluster->new('load');
$node->init;
$node->append_conf('postgresql.conf', "include_if_exists 'more.conf'");

# Runs SQL that must fail; checks its error.
sub fails_like
{
	my ($database, $sql, $pattern, $name) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql);
	isnt($status, 0, "$name: refused");
	like($err, $pattern, "$name: says why");
	return;
}

# Restarts with these configuration lines beside the fixed ones.
sub restart_with
{
	my ($lines) = @_;
	my $file = $node->data_dir . '/more.conf';
	unlink $file;
	append_to_file($file, $lines);
	$node->restart;
	return;
}

# Checks that hold in both modes, in database "app".
sub check_settings
{
	my ($mode) = @_;

	is($node->safe_psql('app', "SET hnsw.ef_search = 77; $search SHOW hnsw.ef_search;"),
		"200\n77", "$mode: the first use adopts what was set before");
	is( $node->safe_psql(
			'app', "SET hnsw.ef_search = 77; $search SELECT setting, boot_val, min_val, max_val FROM pg_settings WHERE name = 'hnsw.ef_search'"),
		"200\n77|40|1|1000", "$mode: the setting is a real one then");
	is( $node->safe_psql(
			'app', q{SET hnsw.ef_search = 3; SET hnsw.iterative_scan = off; SET enable_seqscan = off;
			SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[9,9,9,9,9,9,9,9]' LIMIT 20) found}),
		'3', "$mode: the adopted value is in force");
	is($node->safe_psql('app', "BEGIN; SET LOCAL hnsw.ef_search = 78; $search COMMIT; SHOW hnsw.ef_search"),
		"200\n40", "$mode: a local value ends with its transaction");
	is($node->safe_psql('app', "SET hnsw.ef_search = 78; $search RESET hnsw.ef_search; SHOW hnsw.ef_search"),
		"200\n40", "$mode: reset gives the default");

	my ($status, $out, $err) = $node->psql('app', "SET hnsw.ef_search = 5000; $search SHOW hnsw.ef_search");
	is($out, "200\n40", "$mode: a value out of range is dropped at the first use");
	like($err, qr/WARNING: .*5000 is outside the valid range for parameter "hnsw.ef_search"/, "$mode: with a warning");
	($status, $out, $err) = $node->psql('app', "SET hnsw.iterative_scan = sideways; $search SHOW hnsw.iterative_scan");
	is($out, "200\nstrict_order", "$mode: so is an unknown word");
	fails_like('app', "$search SET hnsw.ef_search = 5000", qr/ERROR: .*5000 is outside the valid range/, "$mode: out of range later");
	fails_like('app', "$search SET hnsw.ef_search = 0", qr/ERROR: .*0 is outside the valid range/, "$mode: zero");

	$node->safe_psql('postgres', 'ALTER DATABASE app SET hnsw.ef_search = 66');
	is($node->safe_psql('app', "$search SHOW hnsw.ef_search"), "200\n66", "$mode: ALTER DATABASE SET");
	$node->safe_psql('postgres', 'ALTER ROLE reader SET hnsw.ef_search = 55');
	is($node->safe_psql('app', "$search SHOW hnsw.ef_search", extra_params => [ '-U', 'reader' ]), "200\n55", "$mode: ALTER ROLE SET");
	is( $node->safe_psql('app', "SET hnsw.ef_search = 54; $search RESET hnsw.ef_search; SHOW hnsw.ef_search", extra_params => [ '-U', 'reader' ]),
		"200\n55", "$mode: reset gives the value of the role");
	$node->safe_psql('postgres', 'ALTER ROLE reader RESET ALL; ALTER DATABASE app RESET ALL');

	is( $node->safe_psql(
			'app', qq{SET hnsw.ef_search = 3; SET hnsw.iterative_scan = off; SET enable_seqscan = off; SET $force_parallel = on;
			SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[9,9,9,9,9,9,9,9]' LIMIT 20) found}),
		'3', "$mode: a parallel worker adopts the value too");
	is( $node->safe_psql(
			'app', q{SET min_parallel_table_scan_size = 0; SET max_parallel_maintenance_workers = 1; SET hnsw.ef_search = 3; SET client_min_messages = error;
			REINDEX INDEX items_index; SELECT num_vectors FROM pg_vector_index_stats() WHERE index_name = 'items_index'}),
		'400', "$mode: parallel build");
	return;
}

# ---- On demand ----

$node->start;
$force_parallel = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('postgres', 'CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader');
$node->safe_psql('app', "CREATE EXTENSION heliosdb; $fill");
is($node->safe_psql('app', 'SELECT heliosdb.preloaded()'), 'f', 'on demand: not preloaded');
like($node->safe_psql('app', 'SELECT why_not FROM heliosdb.features WHERE NOT available'),
	qr/shared_preload_libraries/, 'on demand: the features say what is missing');
fails_like('app', 'SHOW hnsw.ef_search', $invalid_setting, 'on demand: nothing is loaded before it is used');
check_settings('on demand');

my ($status, $out, $err) = $node->psql('app', q{SET heliosdb.nonsense = 1; SELECT '[1]'::vector; SHOW heliosdb.nonsense});
isnt($status, 0, 'on demand: a misspelt setting goes when the library comes');
like($err, qr/WARNING: .*invalid configuration parameter name "heliosdb.nonsense", removing it/, 'on demand: with a warning');
($status, $out, $err) = $node->psql(
	'app', q{SET heliosdb.pause_point = 'nowhere'; SELECT '[1]'::vector; SHOW heliosdb.pause_point},
	extra_params => [ '-U', 'reader' ]);
is($out, "[1]\n", 'on demand: a setting of superusers cannot be planted before the library comes');
like($err, qr/WARNING: .*permission denied to set parameter "heliosdb.pause_point"/, 'on demand: with a warning');

restart_with("hnsw.ef_search = 88\nhnsw.iterative_scan = off\nheliosdb.hnsw_exact_order = off\n");
is($node->safe_psql('app', "$search SHOW hnsw.ef_search; SHOW hnsw.iterative_scan; SHOW heliosdb.hnsw_exact_order"),
	"200\n88\noff\noff", 'on demand: settings in postgresql.conf');
is($node->safe_psql('app', "SET hnsw.ef_search = 1; $search RESET hnsw.ef_search; SHOW hnsw.ef_search"),
	"200\n88", 'on demand: reset gives the value of postgresql.conf');

# ---- Preloaded ----

restart_with("shared_preload_libraries = 'heliosdb'\n");
fails_like('postgres', 'SHOW hnsw.ef_search', $invalid_setting, 'preloaded: hnsw.* is left alone where the extension is not');
is($node->safe_psql('postgres', 'SET hnsw.ef_search = 80; SHOW hnsw.ef_search'), '80', 'preloaded: its names are free there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_settings WHERE name LIKE 'hnsw.%'}), '0', 'preloaded: none is registered');
is($node->safe_psql('postgres', 'SHOW heliosdb.hnsw_exact_order'), 'on', 'preloaded: heliosdb.* is there from the start');
fails_like('postgres', 'SET heliosdb.nonsense = 1', qr/invalid configuration parameter name "heliosdb.nonsense"/, 'preloaded: a misspelt setting');
is($node->safe_psql('app', 'SELECT heliosdb.preloaded()'), 't', 'preloaded: it says so');
is($node->safe_psql('app', 'SELECT count(*) FROM heliosdb.features WHERE NOT available'), '0', 'preloaded: every feature is there');
check_settings('preloaded');

restart_with("shared_preload_libraries = 'heliosdb'\nhnsw.ef_search = 88\nheliosdb.hnsw_exact_order = off\nheliosdb.nonsense = 1\n");
is($node->safe_psql('app', "$search SHOW hnsw.ef_search; SHOW heliosdb.hnsw_exact_order"),
	"200\n88\noff", 'preloaded: settings in postgresql.conf');
like(slurp_file($node->logfile), qr/invalid configuration parameter name "heliosdb.nonsense", removing it/,
	'preloaded: the log names a misspelt setting in postgresql.conf');
restart_with("shared_preload_libraries = 'heliosdb'\nhnsw.ef_search = 9999\n");
($status, $out, $err) = $node->psql('app', "$search SHOW hnsw.ef_search");
is($out, "200\n40", 'preloaded: a value out of range in postgresql.conf is dropped');
restart_with("shared_preload_libraries = 'heliosdb'\n");

# ---- Schemas and dependencies ----

$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE SCHEMA other; CREATE EXTENSION heliosdb SCHEMA other');
fails_like('elsewhere', 'CREATE TABLE t (v vector(3))', qr/type "vector" does not exist/, 'another schema: not visible');
$node->safe_psql('elsewhere', "SET search_path = public, other; $fill");
is($node->safe_psql('elsewhere', "SET search_path = public, other; $search"), '200', 'another schema: visible by search_path');
is( $node->safe_psql('elsewhere', q{SET enable_seqscan = off; SELECT id FROM items ORDER BY v OPERATOR(other.<->) '[200,4,2,5,1,2,3,4]' LIMIT 1}),
	'200', 'another schema: visible by qualified names');
like($node->safe_psql('elsewhere', q{SET enable_seqscan = off; EXPLAIN SELECT id FROM items ORDER BY v OPERATOR(other.<->) '[1,1,1,1,1,1,1,1]' LIMIT 1}),
	qr/Index Scan using items_index/, 'another schema: the index is used');
is($node->safe_psql('elsewhere', 'SELECT index_name, num_vectors FROM other.pg_vector_index_stats()'), 'items_index|400', 'another schema: statistics');
is($node->safe_psql('elsewhere', q{SELECT heliosdb.vector_index_recall('items_index', 20) > 0.9}), 't', 'another schema: recall');

fails_like('elsewhere', 'DROP EXTENSION heliosdb', qr/cannot drop extension heliosdb because other objects depend on it/, 'an index depends on the extension');
$node->safe_psql('elsewhere', 'DROP EXTENSION heliosdb CASCADE');
is($node->safe_psql('elsewhere', q{SELECT count(*), to_regclass('items_index') IS NULL FROM items}), '400|t', 'cascading drops index and column, not the rows');
is($node->safe_psql('elsewhere', q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname = 'v'}), '0', 'the column has gone');
$node->safe_psql('elsewhere', 'DROP TABLE items; CREATE EXTENSION heliosdb');
is($node->safe_psql('elsewhere', "SET client_min_messages = error; $fill $search"), '200', 'created again');

# ---- Dump and restore ----

$node->safe_psql('app', q{
	CREATE TABLE codes (id int PRIMARY KEY, kind text, v vector(16), h halfvec(16), s sparsevec(16), b bit(16));
	INSERT INTO codes SELECT i, 'k' || i % 3, x::vector, x::vector::halfvec, x::vector::sparsevec, i::bit(16)
	FROM generate_series(1, 600) i, LATERAL (SELECT array_agg(((i * (j * 37 + 11)) % 101)::real) AS x FROM generate_series(1, 16) j) y;
	INSERT INTO codes (id) VALUES (0);
	CREATE INDEX codes_none ON codes USING hnsw (v vector_l2_ops) WITH (m = 10, ef_construction = 50);
	CREATE INDEX codes_scalar ON codes USING hnsw (v vector_cosine_ops) WITH (quantization = scalar);
	CREATE INDEX codes_product ON codes USING hnsw (v vector_ip_ops)
		WITH (quantization = product, pq_subquantizers = 4, pq_centroids = 16, pq_rotation = on);
	CREATE INDEX codes_rabitq ON codes USING hnsw (v vector_l2_ops) WITH (quantization = rabitq, rabitq_bits = 4, rerank_source = 'index');
	CREATE INDEX codes_auto ON codes USING hnsw (h halfvec_l2_ops) WITH (quantization = auto);
	CREATE INDEX codes_partial ON codes USING hnsw (s sparsevec_l2_ops) WHERE kind = 'k1';
	CREATE INDEX codes_expression ON codes USING hnsw ((v::halfvec(16)) halfvec_l1_ops);
	CREATE INDEX codes_bits ON codes USING hnsw (b bit_jaccard_ops);
	CREATE MATERIALIZED VIEW near AS SELECT id FROM codes ORDER BY v <-> (SELECT v FROM codes WHERE id = 5), id LIMIT 5;
});
my $definitions = q{SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'codes'::regclass ORDER BY 1};
my $infos = q{SELECT relname, dimensions, distance, element, quantization, requested, trained, rerank_source, m, ef_construction,
	pq_subquantizers, pq_centroids, rabitq_bits, code_bytes, vectors
	FROM pg_class, heliosdb.vector_index_info(oid) WHERE relname LIKE 'codes\_%' AND relam = (SELECT oid FROM pg_am WHERE amname = 'hnsw') ORDER BY 1};
my $rows = q{SELECT md5(string_agg(codes::text, E'\n' ORDER BY id)) FROM codes};
like($node->safe_psql('app', $definitions), qr/quantization='?product'?, pq_subquantizers='?4'?/, 'the definitions carry the options');
my $dump = $node->backup_dir;
mkdir $dump;
$node->command_ok([ 'pg_dump', '--format=custom', "--file=$dump/app.dump", $node->connstr('app') ], 'dump');
$node->command_ok([ 'pg_dump', '--format=plain', "--file=$dump/app.sql", $node->connstr('app') ], 'dump as SQL');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0; CREATE DATABASE replayed TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname=' . $node->connstr('restored'), "$dump/app.dump" ], 'restore');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump/app.sql", '-d', $node->connstr('replayed') ], 'restore from SQL');
for my $database ('restored', 'replayed')
{
	is($node->safe_psql($database, $definitions), $node->safe_psql('app', $definitions), "$database: index definitions");
	is($node->safe_psql($database, $infos), $node->safe_psql('app', $infos), "$database: what the indexes are");
	is($node->safe_psql($database, $rows), $node->safe_psql('app', $rows), "$database: rows");
	is($node->safe_psql($database, 'SELECT * FROM near'), $node->safe_psql('app', 'SELECT * FROM near'), "$database: materialized view");
	is($node->safe_psql($database, $search), '200', "$database: search");
}

# ---- pgvector in the same server ----

SKIP:
{
	skip 'pgvector is not installed', 10
	  unless $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'});
	$node->safe_psql('postgres', 'CREATE DATABASE theirs');
	$node->safe_psql('theirs', "CREATE EXTENSION vector; $fill");
	is($node->safe_psql('theirs', $search), '200', 'pgvector: works in a database of its own');
	is($node->safe_psql('theirs', "SET hnsw.ef_search = 77; $search SHOW hnsw.ef_search"), "200\n77", 'pgvector: keeps its settings');
	fails_like('theirs', "$search SET hnsw.ef_search = 5000", qr/outside the valid range/, 'pgvector: its settings are its own');
	my ($state, $output, $errors) = $node->psql('theirs', 'CREATE EXTENSION heliosdb');
	like($errors, qr/cannot be created in a database that has extension "vector".*HINT:.*pgvector/s, 'pgvector: both cannot share a database');
	is($node->safe_psql('app', $search), '200', 'pgvector: ours works beside it');
	fails_like('app', 'CREATE EXTENSION vector', qr/already exists/, 'pgvector: nor the other way round');

	restart_with("shared_preload_libraries = 'vector, heliosdb'\n");
	is( $node->safe_psql(
			'app', q{SET hnsw.ef_search = 3; SET hnsw.iterative_scan = off; SET enable_seqscan = off;
			SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[9,9,9,9,9,9,9,9]' LIMIT 20) found}),
		'3', 'pgvector: preloaded too, its settings rule our scans');
	is($node->safe_psql('theirs', $search), '200', 'pgvector: preloaded too, it works');
}

$node->stop;
done_testing();
