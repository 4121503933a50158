# Replication: a standby answers as its primary does after builds, insertions, updates, deletions, vacuum and training,
# pages replay to the same bytes, and a promoted standby goes on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', q{
autovacuum = off
jit = off
max_wal_size = 4GB
wal_consistency_checking = 'generic'
});
$primary->start;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# name => [ type, expression of a random value, operator, operator class, options ]
my $dense = '(SELECT array_agg((random() - 0.5 + (i + j) * 0)::real) FROM generate_series(1, 24) j)';
my %kinds = (
	none => [ 'vector(24)', "$dense\::vector", '<->', 'vector_l2_ops', 'm = 8, ef_construction = 32' ],
	half => [ 'halfvec(24)', "$dense\::halfvec", '<=>', 'halfvec_cosine_ops', 'm = 16' ],
	bits => [ 'bit(60)', '(random() * (1::bigint << 60) + i * 0)::bigint::bit(60)', '<~>', 'bit_hamming_ops', 'm = 16' ],
	sparse => [ 'sparsevec(24)', "$dense\::vector::sparsevec", '<+>', 'sparsevec_l1_ops', 'm = 16' ],
	scalar => [ 'vector(24)', "$dense\::vector", '<#>', 'vector_ip_ops', 'quantization = scalar' ],
	product => [ 'vector(24)', "$dense\::vector", '<->', 'vector_l2_ops', 'quantization = product, pq_subquantizers = 8, pq_centroids = 32' ],
	rabitq => [ 'vector(24)', "$dense\::vector", '<->', 'vector_l2_ops', 'quantization = rabitq, rerank_source = index' ],
	trained => [ 'vector(24)', "$dense\::vector", '<=>', 'vector_cosine_ops', 'quantization = product, pq_subquantizers = 8, pq_centroids = 16, rerank_source = index, m = 8' ],
	trained_bits => [ 'vector(24)', "$dense\::vector", '<->', 'vector_l2_ops', 'quantization = rabitq, rabitq_bits = 4, m = 8' ]);
my @names = sort keys %kinds;

sub on_all
{
	my ($sql) = @_;
	my $all = '';
	for my $name (@names)
	{
		(my $one = $sql) =~ s/TABLE_NAME/$name/g;
		$one =~ s/RANDOM_VALUE/$kinds{$name}[1]/g;
		$all .= $one;
	}
	$primary->safe_psql('postgres', $all);
	return;
}

# Compares the answers of both servers, and the primary's with exact ones.
sub compare
{
	my ($step) = @_;
	$primary->wait_for_catchup($standby);
	for my $name (@names)
	{
		my $operator = $kinds{$name}[2];
		my $search = qq{SELECT q.id, array_agg(d.id) FROM queries q, LATERAL (SELECT id FROM $name ORDER BY v $operator q.$name LIMIT 15) d GROUP BY q.id ORDER BY q.id};
		my $expected = $primary->safe_psql('postgres', "SET enable_seqscan = off; $search");
		is($standby->safe_psql('postgres', "SET enable_seqscan = off; $search"), $expected, "$step: $name: the standby answers alike");
		is($standby->safe_psql('postgres', "SELECT * FROM heliosdb.vector_index_info('${name}_index')"),
			$primary->safe_psql('postgres', "SELECT * FROM heliosdb.vector_index_info('${name}_index')"), "$step: $name: the index holds the same");
	}
	return;
}

# Recall on a server, where ties count as found.
sub check_recall
{
	my ($node, $step) = @_;
	for my $name (@names)
	{
		my $operator = $kinds{$name}[2];
		my $search = qq{SELECT q.id AS query, d.distance FROM queries q, LATERAL (SELECT v $operator q.$name AS distance FROM $name ORDER BY 1 LIMIT 10) d};
		my $recall = $node->safe_psql('postgres', qq{
			SET hnsw.ef_search = 100;
			SET enable_seqscan = off;
			WITH found AS MATERIALIZED ($search), everything AS MATERIALIZED (
			  SELECT q.id AS query, v $operator q.$name AS distance, row_number() OVER (PARTITION BY q.id ORDER BY v $operator q.$name) AS n FROM queries q, $name),
			edge AS (SELECT query, max(distance) AS farthest FROM everything WHERE n <= 10 GROUP BY query)
			SELECT count(*) / 200.0 FROM found JOIN edge USING (query) WHERE distance <= farthest + 1e-6 * abs(farthest)});
		cmp_ok($recall, '>=', 0.9, "$step: $name: recall");
	}
	return;
}

$primary->safe_psql('postgres', 'CREATE EXTENSION heliosdb');
$primary->safe_psql('postgres', 'CREATE TABLE queries AS SELECT i AS id, ' . join(', ', map { "$kinds{$_}[1]::$kinds{$_}[0] AS $_" } @names) . ' FROM generate_series(1, 20) i');
$primary->safe_psql('postgres', "CREATE TABLE $_ (id int PRIMARY KEY, note int, v $kinds{$_}[0])") for @names;
on_all('INSERT INTO TABLE_NAME SELECT i, 0, RANDOM_VALUE FROM generate_series(1, 2000) i;');
$primary->safe_psql('postgres', 'DELETE FROM trained; DELETE FROM trained_bits; VACUUM trained; VACUUM trained_bits');
$primary->safe_psql('postgres', "CREATE INDEX ${_}_index ON $_ USING hnsw (v $kinds{$_}[3]) WITH ($kinds{$_}[4])") for @names;
$primary->safe_psql('postgres', "INSERT INTO $_ SELECT i, 0, $kinds{$_}[1] FROM generate_series(1, 3000) i") for 'trained', 'trained_bits';
compare('build');
is($primary->safe_psql('postgres', "SELECT trained FROM heliosdb.vector_index_info('${_}_index')"), 'f', "build: $_ has no model yet") for 'trained', 'trained_bits';
like($standby->safe_psql('postgres', "SET enable_seqscan = off; EXPLAIN SELECT id FROM $_ ORDER BY v $kinds{$_}[2] (SELECT q.$_ FROM queries q WHERE q.id = 1) LIMIT 15"),
	qr/Index Scan using ${_}_index/, "build: $_: the standby uses the index") for @names;

on_all('INSERT INTO TABLE_NAME SELECT i, 0, RANDOM_VALUE FROM generate_series(3001, 3200) i; INSERT INTO TABLE_NAME SELECT i, 0, (SELECT v FROM TABLE_NAME WHERE id = 7) FROM generate_series(3201, 3220) i;');
compare('insertions');
on_all('UPDATE TABLE_NAME SET v = (SELECT RANDOM_VALUE FROM (VALUES (TABLE_NAME.id)) one(i)) WHERE id % 10 = 1; UPDATE TABLE_NAME SET note = 1 WHERE id % 10 = 2;');
compare('updates');
on_all('DELETE FROM TABLE_NAME WHERE id % 4 = 3;');
compare('deletions');
$primary->safe_psql('postgres', "VACUUM $_") for @names;
is($primary->safe_psql('postgres', "SELECT trained FROM heliosdb.vector_index_info('${_}_index')"), 't', "vacuum: $_ is trained") for @names;
compare('vacuum');
check_recall($primary, 'primary');
on_all('INSERT INTO TABLE_NAME SELECT i, 0, RANDOM_VALUE FROM generate_series(4001, 4150) i;');
compare('insertions into freed slots');

# A standby that replays while it is asked.
$primary->safe_psql('postgres', "REINDEX INDEX ${_}_index; DELETE FROM $_ WHERE id % 4 = 1; VACUUM $_") for @names;
compare('anew');

# Restarting replays from the last restart point.
$standby->stop('immediate');
on_all('INSERT INTO TABLE_NAME SELECT i, 0, RANDOM_VALUE FROM generate_series(4201, 4250) i;');
$standby->start;
compare('standby crashed');

$primary->stop;
$standby->promote;
check_recall($standby, 'promoted');
$standby->safe_psql('postgres', "INSERT INTO $_ SELECT i, 0, $kinds{$_}[1] FROM generate_series(5001, 5100) i; DELETE FROM $_ WHERE id % 4 = 2; VACUUM $_") for @names;
check_recall($standby, 'promoted and changed');
unlike(slurp_file($standby->logfile), qr/inconsistent page found|PANIC|terminated by signal/, 'pages replayed to the same bytes');
$standby->stop;
done_testing();
