# Where the redirect of the parser is installed and where not, what switches it off, and what statements look like from
# outside: command tags, logs, pg_stat_statements, pg_stat_activity, a standby.
use strict;
use warnings;

use Config;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WireClient;

my $preload = "shared_preload_libraries = 'heliosdb'\n";
my $status = 'SELECT installed, in_use, detail FROM heliosdb.syntax_status()';
my $installed = 't|t|installed: raw_parser and base_yylex are redirected';
my $stock_error = qr/ERROR:  syntax error at or near "FROM"\nLINE 1: FROM orders/;

my $node = PostgreSQL::Test::Cluster->new('install');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "include_if_exists 'more.conf'");
write_file($preload);
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE EXTENSION pg_stat_statements;
	CREATE ROLE reader LOGIN;
	CREATE ROLE stock LOGIN;
	CREATE TABLE orders (id int, x int, label text);
	INSERT INTO orders SELECT i, i % 4, 'l' || i FROM generate_series(1, 12) i;
	CREATE TABLE items (v vector(3));
	GRANT SELECT ON orders TO reader, stock;
});

sub write_file
{
	my ($lines) = @_;
	my $file = $node->data_dir . '/more.conf';
	unlink $file;
	append_to_file($file, $lines);
	return;
}

# Restarts with these lines; returns what the server logged.
sub restart_with
{
	my ($lines) = @_;
	my $offset = -s $node->logfile;
	write_file($lines);
	$node->restart;
	return substr(slurp_file($node->logfile), $offset);
}

sub value { return $node->safe_psql('postgres', @_); }

sub fails_like
{
	my ($sql, $pattern, $name, %options) = @_;
	my ($exit, $out, $err) = $node->psql('postgres', $sql, %options);
	isnt($exit, 0, "$name: refused");
	like($err, $pattern, "$name: says why");
	return;
}

# What works in every server that has the library, redirect or not.
sub works_without
{
	my ($name, $preamble) = @_;
	is(value("${preamble}SELECT heliosdb.flux_to_sql('FROM orders |> WHERE x = 3 |> AGGREGATE sum(id) AS s')"), 'SELECT sum(id) AS s FROM orders WHERE x = 3', "$name: flux_to_sql works");
	is(value("${preamble}SELECT s FROM heliosdb.flux('FROM orders |> WHERE x = 3 |> AGGREGATE sum(id) AS s') AS t (s bigint)"), '21', "$name: heliosdb.flux works");
	is(value("${preamble}BEGIN; CREATE INDEX ON items USING hnsw (v vector_l2_ops); ROLLBACK; SELECT count(*) FROM orders; DO 'BEGIN PERFORM 1; END'"), '12', "$name: stock statements work");
	is(value("${preamble}SELECT '[1,2,3]'::vector <-> '[1,2,5]'"), '2', "$name: the rest of the library works");
	is(value("${preamble}BEGIN; CREATE MATERIALIZED VIEW mv WITH (auto_refresh = true) AS SELECT 1 AS a; TABLE mv; ROLLBACK"), '1', "$name: maintained views in the stock grammar");
	return;
}

# ---- Preloaded ----

my $log = slurp_file($node->logfile);
is(scalar(() = $log =~ /LOG:  heliosdb extended syntax is on/g), 1, 'preloaded: one line in the log');
like($log, qr/HINT:  "heliosdb.extended_syntax = off" leaves the server's code alone/, 'it tells the way out');
is(value($status), $installed, 'preloaded: status');
is(value('FROM orders |> AGGREGATE count(*) AS n'), '12', 'preloaded: a pipe');
works_without('preloaded', '');

is(value("SET heliosdb.syntax = off; $status"), 't|f|installed: raw_parser and base_yylex are redirected', 'off in a session: status');
fails_like("SET heliosdb.syntax = off;\nFROM orders", $stock_error, 'off in a session');
fails_like("SET heliosdb.syntax = off;\nCREATE INDEX ON items (v vector_l2_ops) USING hnsw", qr/ERROR:  syntax error at or near "USING"/, 'off in a session: other forms');
works_without('off in a session', 'SET heliosdb.syntax = off; ');
is(value("BEGIN; SET LOCAL heliosdb.syntax = off; ROLLBACK; FROM orders SELECT count(*)"), '12', 'off in a transaction, behind it');
is(value("SET heliosdb.syntax = off; RESET heliosdb.syntax; FROM orders SELECT count(*)"), '12', 'off and on again');
$node->safe_psql('postgres', 'ALTER ROLE stock SET heliosdb.syntax = off');
fails_like('FROM orders', $stock_error, 'off for a role', extra_params => [ '-U', 'stock' ]);
is(value('FROM orders SELECT count(*)', extra_params => [ '-U', 'reader' ]), '12', 'on for another role');
is(value('SET heliosdb.syntax = on; FROM orders SELECT count(*)', extra_params => [ '-U', 'stock' ]), '12', 'a role may switch it on again');
$node->safe_psql('postgres', 'CREATE DATABASE plain; ALTER DATABASE plain SET heliosdb.syntax = off');
is(($node->psql('plain', 'FROM pg_class'))[0], 3, 'off for a database');

fails_like("SET $_ = off;\nFROM orders", $stock_error, "$_ = off: FROM") for qw(flux_sql heliosdb.flux_sql);
fails_like("SET flux_sql = off;\nSELECT id FROM orders |> WHERE x = 1", qr/syntax error at or near "\|>"/, 'flux_sql = off: pipes');
is(value('SET flux_sql = off; BEGIN; CREATE INDEX ON items (v vector_l2_ops) USING hnsw; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH (fillfactor = 71); TABLE mv; ROLLBACK'), '1', 'flux_sql = off: other forms stay');
works_without('flux_sql = off', 'SET flux_sql = off; ');

{
	local $ENV{PGOPTIONS} = '-c exit_on_error=on';
	is(value('SELECT count(*) FROM orders'), '12', 'exit_on_error: stock statements');
	fails_like('FROM orders', qr/FATAL:  syntax error at or near "FROM"/, 'exit_on_error: the stock error ends the session');
}

my $offset = -s $node->logfile;
write_file("${preload}heliosdb.extended_syntax = off\n");
$node->reload;
$node->wait_for_log(qr/parameter "heliosdb.extended_syntax" cannot be changed without restarting the server/, $offset);
is(value(q{SELECT setting, pending_restart FROM pg_settings WHERE name = 'heliosdb.extended_syntax'}), 'on|t', 'a reload does not change extended_syntax');
is(value($status), $installed, 'nor the redirect');
is(value('FROM orders SELECT count(*)'), '12', 'which works');
fails_like('SET heliosdb.extended_syntax = off', qr/cannot be changed without restarting the server/, 'SET heliosdb.extended_syntax');

$log = restart_with("${preload}heliosdb.extended_syntax = off\n");
unlike($log, qr/extended syntax/, 'extended_syntax = off: nothing in the log');
is(value($status), 'f|f|not installed: heliosdb.extended_syntax is off; set it to on and restart the server', 'extended_syntax = off: status');
fails_like('FROM orders', $stock_error, 'extended_syntax = off');
works_without('extended_syntax = off', '');

# ---- Loaded later ----

my $late = 'f|f|not installed: the library is not in shared_preload_libraries; add it and restart the server';
restart_with("session_preload_libraries = 'heliosdb'\n");
is(value($status), $late, 'session_preload_libraries: status');
fails_like('FROM orders', $stock_error, 'session_preload_libraries');
works_without('session_preload_libraries', '');
restart_with('');
is(value("LOAD 'heliosdb'; $status"), $late, 'LOAD: status');
is(value("LOAD 'heliosdb'; SET heliosdb.syntax = on; SHOW heliosdb.extended_syntax"), 'on', 'LOAD: the settings are there');
fails_like("LOAD 'heliosdb';\nFROM orders", $stock_error, 'LOAD');
works_without('LOAD', "LOAD 'heliosdb'; ");
is(value($status), $late, 'on demand: status');

# ---- A platform that refuses ----

# Ends with 77 if the kernel does not know the policy that no memory becomes executable which was writable.
my %prctl = (x86_64 => 157, aarch64 => 167);
my ($architecture) = $Config{archname} =~ /^(\w+?)-/;
my @under_policy = ($^X, '-e', 'syscall(shift, 65, 1, 0, 0, 0) == 0 or exit 77; exec @ARGV', $prctl{$architecture} // 0);
SKIP:
{
	skip "prctl is not known for $architecture", 1 if !$prctl{$architecture};
	skip 'the kernel has no memory-deny-write-execute policy', 1 if system(@under_policy, $^X, '-e', '0') != 0;

	$node->stop;
	write_file($preload);
	$offset = -s $node->logfile;
	command_ok([ @under_policy, 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, 'start' ], 'the server starts under the policy');
	$node->_update_pid(1);
	$log = substr(slurp_file($node->logfile), $offset);
	is(scalar(() = $log =~ /LOG:  heliosdb extended syntax is unavailable: \w/g), 1, 'refused: one line in the log says why');
	like($log, qr/DETAIL:  Functions and stock statements keep working/, 'and what it means');
	like(value($status), qr/^f\|f\|refused: \w/, 'refused: status');
	fails_like('FROM orders', $stock_error, 'refused');
	works_without('refused', '');
}

# ---- How statements look from outside ----

foreach my $libraries ('heliosdb, pg_stat_statements', 'pg_stat_statements, heliosdb')
{
	restart_with("shared_preload_libraries = '$libraries'\n");
	is(value($status), $installed, "$libraries: status");
	value('SELECT pg_stat_statements_reset()');
	value("FROM orders SELECT id, $_ AS l WHERE x = $_ LIMIT $_") for 1 .. 3;
	value("FROM orders |> WHERE x > $_ |> EXTEND $_ + x AS y |> AGGREGATE sum(y) AS s, 'a$_' AS a |> LIMIT $_") for 1 .. 2;
	value("  FROM orders WHERE id = $_ ;  SELECT $_ AS one; /* two */ FROM orders\nWHERE id < $_ GROUP BY x SELECT x, count(*);;") for 1 .. 2;
	value("BEGIN; INSERT INTO orders FROM orders SELECT id, 1 WHERE label = 'l$_'; ROLLBACK") for 1 .. 2;
	my $wire = WireClient->new($node, 'postgres');
	$wire->$_('FROM orders SELECT label WHERE x = $1 AND id = 5', 3) for qw(extended prepared);
	is( value(q{SELECT calls, query FROM pg_stat_statements WHERE query LIKE '%orders%' OR query LIKE '%one' ORDER BY query COLLATE "C"}),
		join("\n",
			'2|/* two */ FROM orders', 'WHERE id < $1 GROUP BY x SELECT x, count(*)',
			'3|FROM orders SELECT id, $1 AS l WHERE x = $2 LIMIT $3',
			'2|FROM orders SELECT label WHERE x = $1 AND id = $2',
			'2|FROM orders WHERE id = $1',
			'2|FROM orders |> WHERE x > $1 |> EXTEND $2 + x AS y |> AGGREGATE sum(y) AS s, $3 AS a |> LIMIT $4',
			'2|INSERT INTO orders FROM orders SELECT id, $1 WHERE label = $2',
			'2|SELECT $1 AS one'),
		"$libraries: each statement has its text, with folded constants");
}

my $wire = WireClient->new($node, 'postgres');
foreach (
	[ 'FROM orders', 'SELECT 12' ],
	[ 'FROM orders |> LIMIT 3', 'SELECT 3' ],
	[ 'INSERT INTO orders FROM orders SELECT -id WHERE id < 4', 'INSERT 0 3' ],
	[ 'CREATE TABLE copied AS FROM orders |> LIMIT 2', 'SELECT 2' ],
	[ 'CREATE VIEW v AS FROM orders', 'CREATE VIEW' ],
	[ 'CREATE INDEX ON items (v vector_l2_ops) USING hnsw', 'CREATE INDEX' ],
	[ 'CREATE MATERIALIZED VIEW m AS SELECT 1 AS a WITH (fillfactor = 71)', 'SELECT 1' ],
	[ 'CREATE MATERIALIZED VIEW n AS SELECT 1 AS a WITH (fillfactor = 71) WITH NO DATA', 'CREATE MATERIALIZED VIEW' ],
	[ 'PREPARE p AS FROM orders', 'PREPARE' ],
	[ 'EXPLAIN FROM orders', 'EXPLAIN' ],
	[ 'BEGIN; DECLARE c CURSOR FOR FROM orders; FETCH 2 FROM c; COMMIT', 'BEGIN', 'DECLARE CURSOR', 'FETCH 2', 'COMMIT' ],
	[ 'WITH d AS (FROM orders) DELETE FROM orders WHERE id IN (FROM d SELECT id WHERE x IS NULL)', 'DELETE 3' ],
	[ 'SELECT 1; FROM orders; BEGIN; ROLLBACK', 'SELECT 1', 'SELECT 12', 'BEGIN', 'ROLLBACK' ])
{
	my ($sql, @tags) = @$_;
	is_deeply($wire->simple($sql)->{tags}, \@tags, "command tag: $sql");
}

is_deeply($wire->simple('FROM pg_stat_activity SELECT query WHERE pid = pg_backend_pid()')->{rows}, ['FROM pg_stat_activity SELECT query WHERE pid = pg_backend_pid()'], 'pg_stat_activity shows what was typed');
is_deeply($wire->extended('FROM pg_stat_activity |> WHERE pid = pg_backend_pid() |> SELECT query')->{rows}, ['FROM pg_stat_activity |> WHERE pid = pg_backend_pid() |> SELECT query'], 'pg_stat_activity, extended protocol');
$offset = -s $node->logfile;
$wire->simple("LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET log_statement = 'all'; SET log_min_duration_statement = 0");
$wire->simple('FROM orders |> WHERE x = 2 |> SELECT id');
$wire->extended('FROM orders |> WHERE x = $1 |> SELECT nope', 2);
$log = substr(slurp_file($node->logfile), $offset);
like($log, qr/LOG:  statement: FROM orders \|> WHERE x = 2 \|> SELECT id$/m, 'log_statement shows what was typed');
like($log, qr/LOG:  duration: .* plan:\n\tQuery Text: FROM orders \|> WHERE x = 2 \|> SELECT id$/m, 'auto_explain shows what was typed');
like($log, qr/STATEMENT:  FROM orders \|> WHERE x = \$1 \|> SELECT nope$/m, 'the log of an error shows what was typed');

# ---- A standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$status; FROM orders |> AGGREGATE count(*) AS n, bool_and(pg_is_in_recovery()) AS r; FROM v SELECT count(*)"), "$installed\n12|t\n12", 'a standby runs Flux');
is(($standby->psql('postgres', 'INSERT INTO orders FROM orders'))[2] =~ s/^.*ERROR/ERROR/r, "ERROR:  cannot execute INSERT in a read-only transaction", 'and stays read-only');

done_testing();
