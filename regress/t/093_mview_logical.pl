# Maintained materialized views over a table that logical replication writes, also while it copies what there is.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', "fsync = off\njit = off");
$publisher->start;
$publisher->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, g int, x int);
	CREATE TABLE names (g int PRIMARY KEY, name text);
	INSERT INTO t SELECT i, i % 10, i FROM generate_series(1, 3000) i;
	INSERT INTO names SELECT g, 'name ' || g FROM generate_series(0, 9) g;
	CREATE PUBLICATION p FOR TABLE t, names});

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.max_cpu_background = 0
fsync = off
jit = off
});
$subscriber->start;
my %queries = (
	groups => 'SELECT g, count(*) AS n, sum(x) AS s, min(x) AS low FROM t GROUP BY g',
	joined => 'SELECT t.id, t.x, names.name FROM t LEFT JOIN names USING (g)',
);
$subscriber->safe_psql('postgres', 'CREATE EXTENSION heliosdb; CREATE TABLE t (id int PRIMARY KEY, g int, x int); CREATE TABLE names (g int PRIMARY KEY, name text)');
$subscriber->safe_psql('postgres', "CREATE MATERIALIZED VIEW deferred_$_ AS $queries{$_} WITH (auto_refresh = true); CREATE MATERIALIZED VIEW immediate_$_ AS $queries{$_} WITH (refresh_mode = 'immediate')")
	for sort keys %queries;

# What differs between a view and its query.
sub differences
{
	my ($view, $query) = @_;
	return $subscriber->safe_psql('postgres', "(TABLE $view EXCEPT ALL ($query)) UNION ALL (($query) EXCEPT ALL TABLE $view)");
}

# Compares all views once the subscriber has what the publisher has.
sub compare
{
	my ($what) = @_;
	$publisher->wait_for_catchup('s');
	for my $name (sort keys %queries)
	{
		is(differences("immediate_$name", $queries{$name}), '', "immediate, $name: $what");
		$subscriber->safe_psql('postgres', "REFRESH MATERIALIZED VIEW deferred_$name INCREMENTALLY");
		is(differences("deferred_$name", $queries{$name}), '', "deferred, $name: $what");
	}
}

(my $from = $publisher->connstr('postgres')) =~ s/'/''/g;
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$from' PUBLICATION p");
$subscriber->wait_for_subscription_sync($publisher, 's');
is($subscriber->safe_psql('postgres', 'SELECT sum(n) FROM immediate_groups'), '3000', 'the copy of what there is');
compare('the copy of what there is');

$publisher->safe_psql('postgres', 'UPDATE t SET x = x + 1 WHERE id <= 20; DELETE FROM t WHERE id BETWEEN 30 AND 40; INSERT INTO t VALUES (5000, 11, 1)');
$publisher->wait_for_catchup('s');
isnt(differences('deferred_groups', $queries{groups}), '', 'a deferred view waits');
compare('rows');
is($subscriber->safe_psql('postgres', "SELECT strategy FROM pg_mv_refresh_history(1)"), 'incremental', 'by its changes');
$publisher->safe_psql('postgres', "BEGIN; UPDATE names SET name = 'another' WHERE g = 3; DELETE FROM names WHERE g = 4; SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; UPDATE t SET g = 4 WHERE id = 5000; COMMIT");
compare('both tables, and a savepoint');
$publisher->safe_psql('postgres', 'BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 1, 1), (2, 1, 1); COMMIT');
compare('TRUNCATE');
is($subscriber->safe_psql('postgres', 'TABLE immediate_groups'), '1|2|2|1', 'the rows behind it');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$subscriber->stop;
$publisher->stop;
done_testing();
