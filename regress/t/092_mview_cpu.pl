# Keeping views up to date within incremental_mv_cpu, measured from outside: more to do than the budget allows, over 30
# seconds (180 with HELIOS_LONG=1).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use FindBin;
use lib $FindBin::RealBin;

use Budget;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.background_naptime = 1s
heliosdb.max_cpu_background = 15
heliosdb.incremental_mv_cpu = 15
heliosdb.adaptive_indexing_cpu = 0
heliosdb.deduplication_cpu = 0
heliosdb.mv_full_refresh_fraction = 1
autovacuum_naptime = 1s
fsync = off
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	SELECT heliosdb.pause_background();
	CREATE TABLE items (id int PRIMARY KEY, kind int, n int);
	INSERT INTO items SELECT i, i % 5000, i FROM generate_series(1, 50000) i;
	ANALYZE items;});
for my $i (1 .. 8)
{
	$node->safe_psql('postgres', "CREATE MATERIALIZED VIEW sums$i AS SELECT (kind + $i) % 5000 AS kind, count(*) AS c, sum(n) AS s, max(n) AS m FROM items GROUP BY 1 WITH (auto_refresh = true, max_cpu_percent = 100); CREATE UNIQUE INDEX ON sums$i (kind)");
}
my $cores = $node->safe_psql('postgres', 'SELECT heliosdb.background_cores()');
my $script = $node->basedir . '/write.sql';
append_to_file($script, q{
\set id random(1, 50000)
UPDATE items SET n = n + 1 WHERE id BETWEEN :id AND :id + 9;
});
my $length = $ENV{HELIOS_LONG} ? 180 : 30;
my $writer = IPC::Run::start([ 'pgbench', '-n', '-T', $length + 8, '-R', '700', '-c', '1', '-f', $script, $node->connstr('postgres') ], '>', '/dev/null', '2>', '/dev/null');
$node->safe_psql('postgres', 'SELECT heliosdb.resume_background()');
sleep 5;
my %seen;
my @samples = watch_cpu($node, $length, \%seen);
my ($worst, $mean) = (worst_window($cores, @samples), mean_cpu($cores, @samples));
$writer->finish;
cmp_ok($worst, '<=', 17, "the worst window of ten seconds: $worst percent of 15");
cmp_ok($mean, '>=', 9, "used: $mean percent of 15");
my $history = q{FROM heliosdb.materialized_view_refreshes WHERE trigger <> 'create'};
is($node->safe_psql('postgres', "SELECT count(DISTINCT name) $history"), '8', 'all views get their turn');
is($node->safe_psql('postgres', "SELECT count(*) $history AND (strategy <> 'incremental' OR NOT success)"), '0', 'incrementally');
note 'refreshes, changes on average and at most, CPU seconds at most and in all: ' . $node->safe_psql('postgres', "SELECT count(*), avg(changes)::int, max(changes), max(cpu_seconds), sum(cpu_seconds) $history");
ok($node->poll_query_until('postgres', 'SELECT bool_and(is_current) FROM heliosdb.materialized_views'), 'in the end all is up to date');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT (kind + 1) % 5000, count(*), sum(n), max(n) FROM items GROUP BY 1 EXCEPT ALL TABLE sums1) x}), '0', 'and right');
$node->stop;
done_testing();
