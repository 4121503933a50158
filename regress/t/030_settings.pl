# Settings where a server is needed: files, ALTER SYSTEM, roles and databases, PGOPTIONS, reloads, parallel workers,
# dump and restore, loading on demand, and long random histories against a setting of the server itself.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $preload = "shared_preload_libraries = 'heliosdb'\n";
my $show_both = q{SELECT current_setting('max_cpu_background') || ' ' || current_setting('heliosdb.max_cpu_background')};
my $node = PostgreSQL::Test::Cluster->new('settings');
$node->init;
$node->append_conf('postgresql.conf', "include_if_exists 'more.conf'");
write_file($preload);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb; CREATE ROLE reader LOGIN');

sub write_file
{
	my ($lines) = @_;
	my $file = $node->data_dir . '/more.conf';
	unlink $file;
	append_to_file($file, $lines);
	return;
}

# Reloads with these lines beside the fixed ones; waits until the postmaster has read them, returns what it logged.
sub reload_with
{
	my ($lines, $pattern) = @_;
	my $offset = -s $node->logfile;
	write_file("$preload$lines");
	$node->reload;
	$node->wait_for_log($pattern // qr/received SIGHUP/, $offset);
	$node->poll_query_until('postgres', 'SELECT true');
	return substr(slurp_file($node->logfile), $offset);
}

# Waits until a new session has this value.
sub new_value_is
{
	my ($value, $name) = @_;
	$node->poll_query_until('postgres', "SELECT current_setting('heliosdb.max_cpu_background') = '$value'");
	is($node->safe_psql('postgres', $show_both), "$value $value", $name);
	return;
}

sub fails_like
{
	my ($sql, $pattern, $name, %options) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, %options);
	isnt($status, 0, "$name: refused");
	like($err, $pattern, "$name: says why");
	return;
}

# ---- Files and reloads ----

is($node->safe_psql('postgres', $show_both), '15 15', 'defaults');
reload_with("heliosdb.max_cpu_background = 40\nheliosdb.hybrid_storage_hot_threshold = '3 days'\n");
new_value_is(40, 'a dotted name in a file');
is($node->safe_psql('postgres', 'SHOW hybrid_storage_hot_threshold'), '3 days', 'an interval in a file');
is( $node->safe_psql('postgres', "SET max_cpu_background = 50; $show_both; RESET max_cpu_background; $show_both;
		SET heliosdb.max_cpu_background = 51; RESET max_cpu_background; $show_both;
		SELECT set_config('max_cpu_background', '52', false); RESET ALL; $show_both;
		SELECT set_config('max_cpu_background', '53', false); DISCARD ALL; $show_both"),
	"50 50\n40 40\n40 40\n52\n40 40\n53\n40 40", 'reset gives the value of the file through both names');
is( $node->safe_psql('postgres', q{SELECT source FROM pg_settings WHERE name = 'heliosdb.max_cpu_background'}),
	'configuration file', 'the dotted name tells its source');
my ($status, $out, $err) = $node->psql('postgres', 'SELECT 1');
is($err, '', 'values of files give no notice');

my $log = reload_with("heliosdb.max_cpu_background = 20\nheliosdb.incremental_mv_cpu = 30\nheliosdb.deduplication_cpu = 18\n", qr/add up to/);
new_value_is(20, 'reload');
is(scalar(() = $log =~ /add up to 50 percent, above max_cpu_background = 20/g), 1, 'reload: one line about the sum');
is(scalar(() = $log =~ /LOG: .*add up to/g), 1, 'reload: it is a LOG line, and the only one');
is( $node->safe_psql('postgres', q{SELECT string_agg(effective, ' ' ORDER BY name) FROM heliosdb.settings WHERE name LIKE '%cpu' }),
	'0.8 7.2 12', 'reload: the parts are scaled');
$log = reload_with("heliosdb.incremental_mv_cpu = 50\nheliosdb.max_cpu_background = 60\n");
new_value_is(60, 'reload: values that fit only together');
unlike($log, qr/add up to/, 'reload: nothing to say about the values between');
$log = reload_with("heliosdb.hybrid_storage_cold_threshold = '7 days'\n", qr/is not below/);
is(scalar(() = $log =~ /LOG: .*hot_threshold = '7 days' is not below .*cold_threshold = '7 days'/g), 1, 'reload: one line about thresholds');
$log = reload_with("heliosdb.max_cpu_background = 101\n", qr/101 is outside the valid range/);
is($node->safe_psql('postgres', $show_both), '15 15', 'reload: a value out of range is not taken');
$log = reload_with("heliosdb.hybrid_storage_hot_threshold = 'dogs'\n", qr/It is not an interval/);
is($node->safe_psql('postgres', 'SHOW hybrid_storage_hot_threshold'), '7 days', 'reload: a malformed interval is not taken');

$log = reload_with("max_cpu_background = 44\n", qr/cannot be in a configuration file/);
like($log, qr/The server would not start with it.*Write "heliosdb.max_cpu_background"/s, 'reload: a bare name in a file is refused, with the way out');
is($node->safe_psql('postgres', $show_both), '15 15', 'reload: it changes nothing');
$node->stop;
my $offset = -s $node->logfile;
is($node->start(fail_ok => 1), 0, 'a bare name in a file stops the server from starting');
like(substr(slurp_file($node->logfile), $offset), qr/unrecognized configuration parameter "max_cpu_background" in file ".*more.conf"/, 'it says where');

write_file("${preload}heliosdb.max_cpu_background = 5\nheliosdb.hybrid_storage_hot_threshold = '1 year'\n");
$offset = -s $node->logfile;
$node->start;
$log = substr(slurp_file($node->logfile), $offset);
is(scalar(() = $log =~ /add up to 15 percent, above max_cpu_background = 5/g), 1, 'start: one line about the sum');
is(scalar(() = $log =~ /is not below/g), 1, 'start: one line about thresholds');
write_file($preload);
$node->restart;

# ---- ALTER SYSTEM ----

($status, $out, $err) = $node->psql('postgres', q{ALTER SYSTEM SET max_cpu_background = 10;});
unlike($err, qr/NOTICE/, 'ALTER SYSTEM: no notice, it has an effect');
($status, $out, $err) = $node->psql('postgres', q{ALTER SYSTEM SET deduplication_cpu = 3;});
like($err, qr/NOTICE: .*setting "deduplication_cpu" has no effect yet/, 'ALTER SYSTEM: notice');
$node->safe_psql('postgres', q{ALTER SYSTEM SET "HYBRID_STORAGE" = 'row'});
$node->safe_psql('postgres', q{ALTER SYSTEM SET heliosdb.deduplication_cpu = 1});
my $auto = slurp_file($node->data_dir . '/postgresql.auto.conf');
like($auto, qr/^heliosdb.max_cpu_background = '10'$/m, 'ALTER SYSTEM writes the dotted name');
unlike($auto, qr/^(max_cpu_background|hybrid_storage)/mi, 'ALTER SYSTEM never writes the bare one');
$node->restart;
is($node->safe_psql('postgres', "$show_both; SHOW hybrid_storage; SHOW deduplication_cpu"), "10 10\nrow\n1", 'the server starts with it');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET max_cpu_background');
unlike(slurp_file($node->data_dir . '/postgresql.auto.conf'), qr/max_cpu_background/, 'ALTER SYSTEM RESET by the bare name');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
fails_like('ALTER SYSTEM SET max_cpu_background = 101', qr/outside the valid range/, 'ALTER SYSTEM out of range');
fails_like(q{ALTER SYSTEM SET hybrid_storage_hot_threshold = 'dogs'}, qr/It is not an interval/, 'ALTER SYSTEM malformed');
$node->safe_psql('postgres', 'GRANT ALTER SYSTEM ON PARAMETER max_cpu_background TO reader');
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_cpu_background = 11', extra_params => [ '-U', 'reader' ]);
fails_like('ALTER SYSTEM SET incremental_mv_cpu = 11', qr/permission denied/, 'ALTER SYSTEM by others', extra_params => [ '-U', 'reader' ]);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL; REVOKE ALL ON PARAMETER max_cpu_background FROM reader');
$node->restart;

# ---- Roles, databases, PGOPTIONS ----

$node->safe_psql('postgres', q{ALTER DATABASE postgres SET max_cpu_background = 21; ALTER ROLE reader SET max_cpu_background = 22;
	ALTER ROLE reader IN DATABASE template1 SET hybrid_storage_hot_threshold = '22 days'});
is( $node->safe_psql('postgres', q{SELECT string_agg(array_to_string(setconfig, ','), ' ' ORDER BY setconfig::text) FROM pg_db_role_setting}),
	'heliosdb.hybrid_storage_hot_threshold=22 days heliosdb.max_cpu_background=21 heliosdb.max_cpu_background=22', 'stored by the dotted name')
  or diag($node->safe_psql('postgres', 'TABLE pg_db_role_setting'));
is($node->safe_psql('postgres', $show_both), '21 21', 'value of the database');
is($node->safe_psql('postgres', "$show_both; SET max_cpu_background = 5; RESET max_cpu_background; $show_both", extra_params => [ '-U', 'reader' ]),
	"22 22\n22 22", 'value of the role');
($status, $out, $err) = $node->psql('postgres', 'SELECT 1', extra_params => [ '-U', 'reader' ]);
is($err, '', 'values of roles give no notice at login');
for my $name ('max_cpu_background', 'heliosdb.max_cpu_background')
{
	local $ENV{PGOPTIONS} = "-c $name=23";
	is( $node->safe_psql('postgres', "$show_both; SET heliosdb.max_cpu_background = 5; RESET ALL; $show_both; SET max_cpu_background = 6; RESET max_cpu_background; $show_both"),
		"23 23\n23 23\n23 23", "PGOPTIONS with $name");
	($status, $out, $err) = $node->psql('postgres', 'SELECT 1');
	is($err, '', "PGOPTIONS with $name: no notice");
	local $ENV{PGOPTIONS} = "-c $name=101";
	fails_like('SELECT 1', qr/FATAL: .*101 is outside the valid range/, "PGOPTIONS with $name out of range");
}
{
	local $ENV{PGOPTIONS} = q{-c hybrid_storage_hot_threshold=2\ days -c heliosdb.hybrid_storage_cold_threshold=3\ days -c hybrid_storage=row};
	is($node->safe_psql('postgres', 'SHOW heliosdb.hybrid_storage_hot_threshold; SHOW hybrid_storage_cold_threshold; SHOW heliosdb.hybrid_storage'),
		"2 days\n3 days\nrow", 'PGOPTIONS with intervals');
}

# A dump has them too (for databases that it creates), and gives them back.
$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('postgres', 'ALTER DATABASE app SET max_cpu_background = 24; ALTER ROLE reader IN DATABASE app SET max_cpu_background = 25');
my $roles = $node->data_dir . '/../roles.sql';
$node->command_ok([ 'pg_dumpall', '-h', $node->host, '-p', $node->port, '-f', $roles ], 'pg_dumpall');
like(slurp_file($roles), qr/ALTER ROLE reader SET "?heliosdb.max_cpu_background"? TO '22'/, 'pg_dumpall writes the dotted name');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL; ALTER ROLE reader RESET ALL; ALTER ROLE reader IN DATABASE template1 RESET ALL');
$node->safe_psql('postgres', 'ALTER DATABASE app RESET ALL; ALTER ROLE reader IN DATABASE app RESET ALL');
my @settings = grep { /^ALTER (ROLE|DATABASE) .* SET "?heliosdb/ } split /\n/, slurp_file($roles);
is(scalar @settings, 3, 'pg_dumpall has all of them');
$node->safe_psql('postgres', join("\n", @settings));
is($node->safe_psql('postgres', $show_both, extra_params => [ '-U', 'reader' ]), '22 22', 'a dump restores that of a role');
is($node->safe_psql('app', $show_both), '24 24', 'a dump restores that of a database');
is($node->safe_psql('app', $show_both, extra_params => [ '-U', 'reader' ]), '25 25', 'a dump restores that of a role in a database');
$node->safe_psql('postgres', 'ALTER ROLE reader RESET ALL');
$node->safe_psql('postgres', 'DROP DATABASE app');

# ---- Parallel workers ----

my $force = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
for my $set ("SET max_cpu_background = 61", "SET heliosdb.max_cpu_background = 61", "SELECT set_config('max_cpu_background', '61', false)",
	"SELECT set_config('max_cpu_background', '60', false); SET heliosdb.max_cpu_background = 61",
	"SET heliosdb.max_cpu_background = 60; SELECT set_config('max_cpu_background', '61', false)")
{
	($status, $out, $err) = $node->psql('postgres', "$set; SET client_min_messages = notice; SET $force = on; $show_both; SELECT value FROM heliosdb.settings WHERE bare_name = 'max_cpu_background'");
	like($out, qr/61 61\n61$/, "a parallel worker after $set");
	is(scalar(() = $err =~ /by the server's value only/g), scalar(() = $set =~ /6[01]/g), "only the leader gives notice");
}
is( $node->safe_psql('postgres', "SELECT set_config('max_cpu_background', '60', false); RESET max_cpu_background; SET $force = on; $show_both"),
	"60\n15 15", 'a parallel worker does not revive a value that was reset');
is( $node->safe_psql('postgres', "SELECT set_config('hybrid_storage_hot_threshold', '1 day', false); SET $force = on; SELECT current_setting('heliosdb.hybrid_storage_hot_threshold'), current_setting('hybrid_storage_hot_threshold')"),
	"1 day\n1 day|1 day", 'a parallel worker and an interval');
$node->safe_psql('postgres', q{CREATE FUNCTION in_worker() RETURNS text LANGUAGE sql PARALLEL SAFE SET max_cpu_background = 62 AS $$ SELECT current_setting('max_cpu_background') $$});
is($node->safe_psql('postgres', "SET $force = on; SELECT in_worker(); $show_both"), "62\n15 15", 'a SET clause inside a parallel worker');

# ---- Random histories ----
# Each operation happens to the setting by either name, and by one name to a placeholder that the server keeps alone.

sub random_history
{
	my ($seed, $name, $initial, @values) = @_;
	srand($seed);
	my $reference = "mirror.$name";
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET $reference = '$initial'");
	my ($script, $open, @savepoints) = ("SET client_min_messages = error;\n", 0);
	for my $step (1 .. 3000)
	{
		my $mine = rand() < 0.5 ? $name : "heliosdb.$name";
		my $value = $values[ int rand @values ];
		my $what = int rand 16;
		my ($sql, $other);
		if    ($what < 3) { $sql = "SET % = '$value'"; }
		elsif ($what < 5) { $sql = "SET LOCAL % = '$value'"; }
		elsif ($what < 7) { $sql = "SELECT set_config('%', '$value', false)"; }
		elsif ($what < 9) { $sql = "SELECT set_config('%', '$value', true)"; }
		elsif ($what < 10) { $sql = 'RESET %'; }
		elsif ($what < 11) { $sql = rand() < 0.2 ? 'RESET ALL; SET client_min_messages = error' : 'SET % TO DEFAULT'; }
		elsif ($open && $what < 13) { $sql = 'SAVEPOINT s' . $step; push @savepoints, $step; }
		elsif ($open && $what < 15 && @savepoints)
		{
			splice @savepoints, 1 + int rand @savepoints;
			$sql = (rand() < 0.5 ? 'ROLLBACK TO s' : 'RELEASE s') . $savepoints[-1];
			pop @savepoints if $sql =~ /RELEASE/;
		}
		elsif ($open) { $sql = rand() < 0.5 ? 'COMMIT' : 'ROLLBACK'; $open = 0; @savepoints = (); }
		elsif (rand() < 0.1) { $sql = 'DISCARD ALL; SET client_min_messages = error'; }
		else { $sql = 'BEGIN'; $open = 1; }
		($other = $sql) =~ s/%/$reference/g;
		$sql =~ s/%/$mine/g;
		$script .= "$sql;\n" . ($other eq $sql ? '' : "$other;\n");
		$script .= "SELECT '$step differs: ' || a || ', ' || b || ', ' || c FROM (SELECT current_setting('$name') a, current_setting('heliosdb.$name') b, current_setting('$reference') c) x WHERE NOT (a = b AND b = c);\n";
	}
	my ($result, $out, $err) = $node->psql('postgres', $script, on_error_stop => 1);
	is($result, 0, "random history $seed of $name: runs") or diag(substr($err, 0, 1000));
	unlike($out, qr/differs/, "random history $seed of $name: one value, as the server keeps it");
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
	return;
}
for my $seed (1 .. 3)
{
	random_history($seed, 'max_cpu_background', '15', 0 .. 100);
	random_history($seed, 'adaptive_indexing_cpu', '2', 0 .. 100);
	random_history($seed, 'hybrid_storage', 'auto', qw(off row column auto));
	random_history($seed, 'flux_sql', 'on', qw(on off));
	random_history($seed, 'hybrid_storage_hot_threshold', '7 days', map { "$_ hours" } 0 .. 30);
}

# ---- On demand ----

write_file("heliosdb.max_cpu_background = 71\nheliosdb.hybrid_storage_hot_threshold = '71 hours'\n");
$node->restart;
fails_like('SET max_cpu_background = 10', qr/unrecognized configuration parameter "max_cpu_background"/, 'on demand: a bare name before the library');
is($node->safe_psql('postgres', "SELECT heliosdb.preloaded(); $show_both; SHOW hybrid_storage_hot_threshold"), "f\n71 71\n71 hours", 'on demand: values of the file are adopted');
is($node->safe_psql('postgres', "SET heliosdb.max_cpu_background = 72; SELECT heliosdb.preloaded(); $show_both; RESET max_cpu_background; $show_both"),
	"f\n72 72\n71 71", 'on demand: so is a value that was set before');
$node->safe_psql('postgres', 'ALTER ROLE reader SET heliosdb.max_cpu_background = 73');
is($node->safe_psql('postgres', "SELECT heliosdb.preloaded(); $show_both", extra_params => [ '-U', 'reader' ]), "f\n73 73", 'on demand: and that of a role');
($status, $out, $err) = $node->psql('postgres', "SET heliosdb.max_cpu_background = 101; SELECT heliosdb.preloaded(); $show_both");
like($err, qr/WARNING: .*101 is outside the valid range/, 'on demand: a value out of range is dropped with a warning');
is($out, "f\n71 71", 'on demand: and the one of the file stays');
($status, $out, $err) = $node->psql('postgres', "SET heliosdb.max_cpu_backgrund = 1; SELECT heliosdb.preloaded()");
like($err, qr/WARNING: .*invalid configuration parameter name "heliosdb.max_cpu_backgrund", removing it/, 'on demand: a misspelt one goes with a warning');

write_file("session_preload_libraries = 'heliosdb'\nheliosdb.max_cpu_background = 74\n");
$node->restart;
is($node->safe_psql('postgres', "$show_both; SET max_cpu_background = 75; $show_both"), "74 74\n75 75", 'session_preload_libraries: bare names at once');
{
	local $ENV{PGOPTIONS} = '-c max_cpu_background=76';
	fails_like('SELECT 1', qr/unrecognized configuration parameter/, 'session_preload_libraries: too late for PGOPTIONS');
	local $ENV{PGOPTIONS} = '-c heliosdb.max_cpu_background=76';
	is($node->safe_psql('postgres', $show_both), '76 76', 'session_preload_libraries: PGOPTIONS with a dotted name');
}
$node->stop;

done_testing();
