# Random queries, nested a few levels deep, as views: after random changes each is refreshed incrementally and compared
# with its query. HELIOS_SEED chooses others.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $views = $ENV{HELIOS_VIEWS} // 60;
my $rounds = 5;
my $seed = $ENV{HELIOS_SEED} // 1;
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.max_cpu_background = 0
heliosdb.mv_full_refresh_fraction = 1
fsync = off
jit = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }
sub pick { return $_[ int rand @_ ]; }

sql(q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE keyed (id int PRIMARY KEY, k int, v int);
	CREATE TABLE pairs (k int, v int, PRIMARY KEY (k, v));
	CREATE TABLE bag (k int, v int);
	CREATE TABLE parts (k int PRIMARY KEY, v int) PARTITION BY RANGE (k);
	CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (5);
	CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (5) TO (MAXVALUE);
	INSERT INTO keyed SELECT i, nullif(i % 6, 4), i % 5 FROM generate_series(1, 40) i;
	INSERT INTO pairs SELECT i % 9, i % 5 FROM generate_series(1, 30) i ON CONFLICT DO NOTHING;
	INSERT INTO bag SELECT nullif(i % 5, 2), i % 3 FROM generate_series(1, 25) i;
	INSERT INTO parts SELECT i, i % 4 FROM generate_series(1, 9) i;});

my $aliases = 0;

# A random query of two integer columns, k and v.
sub query
{
	my ($depth) = @_;
	return pick('SELECT k, v FROM keyed', 'SELECT id AS k, k AS v FROM keyed', 'SELECT k, v FROM pairs', 'SELECT v AS k, k AS v FROM pairs WHERE v > 1', 'SELECT k, v FROM bag', 'SELECT k, v FROM parts') if $depth <= 0;
	my ($a, $b) = map { 'q' . ++$aliases } 1 .. 2;
	my $left = '(' . query($depth - 1) . ") $a";
	my $right = '(' . query($depth - 1 - int rand 2) . ") $b";
	my $on = pick("$a.k = $b.k", "$a.k = $b.k AND $a.v = $b.v", "$a.k = $b.k AND $a.v < $b.v", "$a.v = $b.k AND $b.v > 1", "$a.k + 1 = $b.k", "$a.k = $b.k AND $a.v > 2");
	my $equal = pick("$a.k = $b.k", "$a.k = $b.k AND $a.v = $b.v");
	return pick(
		"SELECT $a.k, $a.v + 1 AS v FROM $left WHERE $a.v <> 3",
		"SELECT $a.k, $b.v FROM $left JOIN $right ON $on",
		"SELECT $a.k, $b.v FROM $left LEFT JOIN $right ON $on",
		"SELECT coalesce($a.k, $b.k) AS k, coalesce($b.v, $a.v) AS v FROM $left FULL JOIN $right ON $equal",
		"SELECT $a.k, count(*)::int AS v FROM $left GROUP BY $a.k",
		"SELECT $a.v AS k, " . pick('min', 'max', 'sum', 'count') . "($a.k)::int AS v FROM $left GROUP BY $a.v HAVING count(*) > 1",
		"SELECT DISTINCT $a.k, $a.v FROM $left",
		'(' . query($depth - 1) . ') ' . pick('UNION', 'UNION ALL', 'EXCEPT', 'EXCEPT ALL', 'INTERSECT', 'INTERSECT ALL') . ' (' . query($depth - 1) . ')',
		"SELECT $a.k, $a.v FROM $left WHERE " . pick('', 'NOT ') . "EXISTS (SELECT FROM $right WHERE $on)",
		"SELECT $a.k, $a.v FROM $left WHERE $a.k " . pick('IN', 'NOT IN') . " (SELECT $b.v FROM $right WHERE $b.v IS NOT NULL)",
		"SELECT $a.k, (SELECT max($b.v) FROM $right WHERE $b.k = $a.k) AS v FROM $left",
		"SELECT $a.k, (rank() OVER (PARTITION BY $a.k ORDER BY $a.v))::int AS v FROM $left",
		"SELECT $a.k, $b.v FROM $left, LATERAL (SELECT $b.v FROM $right WHERE $b.k = $a.k ORDER BY $b.v DESC LIMIT 2) $b",
		"SELECT $a.k, $b.v FROM $left LEFT JOIN LATERAL (SELECT count(*)::int AS v FROM $right WHERE $b.v = $a.v) $b ON $b.v > 1",
		"SELECT $a.k, count(DISTINCT $a.v)::int AS v FROM $left GROUP BY $a.k",
		"SELECT $a.k, $a.v FROM $left WHERE $a.v > 4 OR EXISTS (SELECT FROM $right WHERE $b.k = $a.v)",
		"SELECT max($a.k) AS k, count(*)::int AS v FROM $left");
}

my %query;
while (keys %query < $views)
{
	my $text = query(pick(2, 2, 3));
	next if sql("SELECT count(*) FROM ($text) q") > 10000;
	my $name = 'v' . keys %query;
	sql("CREATE MATERIALIZED VIEW $name WITH (auto_refresh = true) AS $text");
	$query{$name} = $text;
}
is(sql("SELECT string_agg(v || ': ' || why_not, '; ') FROM unnest('{" . join(',', sort keys %query) . "}'::text[]) v, heliosdb.mv_explain(v::regclass) WHERE NOT incremental"), '', "all of $views views are incremental (seed $seed)");

my $next = 100;
for my $round (1 .. $rounds)
{
	sql("SELECT setseed(0.$round)");
	for (1 .. pick(1, 2, 4))
	{
		sql("SELECT setseed(" . rand() . ');' . pick(
			"INSERT INTO keyed SELECT i, (random() * 6)::int, (random() * 5)::int FROM generate_series($next, $next + 3) i",
			'UPDATE keyed SET v = (random() * 5)::int, k = nullif((random() * 6)::int, 4) WHERE random() < 0.2',
			'DELETE FROM keyed WHERE random() < 0.2',
			'INSERT INTO pairs SELECT (random() * 9)::int, (random() * 5)::int FROM generate_series(1, 4) ON CONFLICT DO NOTHING',
			'DELETE FROM pairs WHERE random() < 0.3',
			'INSERT INTO bag SELECT nullif((random() * 5)::int, 2), (random() * 3)::int FROM generate_series(1, 3)',
			'DELETE FROM bag WHERE random() < 0.25',
			'UPDATE bag SET v = v + 1 WHERE random() < 0.2',
			'UPDATE parts SET v = (random() * 4)::int WHERE random() < 0.3',
			'DELETE FROM parts WHERE random() < 0.3',
			'INSERT INTO parts SELECT (random() * 10)::int, 2 FROM generate_series(1, 3) ON CONFLICT DO NOTHING'));
		$next += 4;
	}
	my $script = join '', map { "REFRESH MATERIALIZED VIEW $_ INCREMENTALLY; SELECT '$_: $query{$_}' WHERE EXISTS ((TABLE $_ EXCEPT ALL ($query{$_})) UNION ALL (($query{$_}) EXCEPT ALL TABLE $_));\n" } sort keys %query;
	is(sql($script), '', "round $round: every view equals its query");
}
is(sql("SELECT string_agg(DISTINCT name || ': ' || reason, '; ') FROM heliosdb.mview_history WHERE trigger = 'manual' AND strategy <> 'incremental'"), '', 'incrementally');
cmp_ok(sql("SELECT sum(rows_inserted + rows_deleted) FROM heliosdb.mview_history WHERE trigger = 'manual'"), '>', 500, 'rows of the views have changed');

$node->stop;
done_testing();
