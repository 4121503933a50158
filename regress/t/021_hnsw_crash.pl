# Crashes in the middle of builds, insertions, vacuum and training: after recovery every committed row is found, and
# the index goes on without REINDEX.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', q{
restart_after_crash = on
autovacuum = off
jit = off
checkpoint_timeout = 1h
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE FUNCTION random_vector() RETURNS vector LANGUAGE sql VOLATILE AS
	  $$ SELECT array_agg((random() - 0.5)::real)::vector FROM generate_series(1, 16) $$;
	SELECT setseed(0.3);
	CREATE TABLE source AS SELECT i AS id, random_vector()::vector(16) AS v FROM generate_series(1, 2000) i;
	CREATE TABLE queries AS SELECT i AS id, random_vector()::vector(16) AS q FROM generate_series(1, 20) i;
});

# Starts a session that runs SQL up to a pause point; returns its handle and backend.
sub pause_at
{
	my ($point, $sql) = @_;
	my $offset = -s $node->logfile;
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', "SET heliosdb.pause_point = '$point'", '-c', $sql ],
		'<', \$in, '>', \$out, '2>', \$err);
	for (1 .. 1800)
	{
		last if slurp_file($node->logfile, $offset) =~ /pause point reached: \Q$point\E/;
		$session->pump_nb;
		usleep(100_000);
	}
	my $log = slurp_file($node->logfile, $offset);
	like($log, qr/pause point reached: \Q$point\E/, "$point: reached");
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE wait_event = 'Extension' AND backend_type = 'client backend'});
	return ($session, $pid);
}

# Brings the server down in one of three ways and waits until it serves again.
sub crash
{
	my ($session, $pid, $way) = @_;
	if ($way eq 'backend')
	{
		my $offset = -s $node->logfile;
		kill 'KILL', $pid;
		for (1 .. 1800)
		{
			last if slurp_file($node->logfile, $offset) =~ /database system is ready to accept connections/;
			usleep(100_000);
		}
	}
	elsif ($way eq 'postmaster')
	{
		$node->kill9;
		for (1 .. 300)
		{
			last unless kill 0, $pid;
			usleep(100_000);
		}
		$node->start;
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	$session->finish;
	return;
}

# The recall of the 10 nearest is high, every row is found by its own vector, and no row is found twice.
sub check_index
{
	my ($name) = @_;
	my $answers = $node->safe_psql('postgres', q{
		SET hnsw.ef_search = 100;
		SET enable_indexscan = off;
		CREATE TEMPORARY TABLE exact AS SELECT q.id AS query, d.id FROM queries q, LATERAL (SELECT id FROM items ORDER BY v <-> q.q LIMIT 10) d;
		RESET enable_indexscan;
		SET enable_seqscan = off;
		CREATE TEMPORARY TABLE found AS SELECT q.id AS query, d.id FROM queries q, LATERAL (SELECT id FROM items ORDER BY v <-> q.q LIMIT 10) d;
		SELECT (SELECT count(*) FROM exact JOIN found USING (query, id)) >= 0.95 * count(*) FROM exact;
		SELECT count(*) FROM (SELECT query, id FROM found GROUP BY 1, 2 HAVING count(*) > 1) twice;
		SELECT count(*) <= 0.01 * (SELECT count(*) FROM items) FROM items i WHERE id <> (SELECT id FROM items ORDER BY v <-> i.v LIMIT 1);
	});
	is($answers, "t\n0\nt", $name);
	return;
}

sub is_sound
{
	my ($name) = @_;
	check_index("$name: all rows are found after recovery");
	is($node->safe_psql('postgres', q{SELECT vectors >= n, vectors + dead <= 1.5 * n FROM heliosdb.vector_index_info('items_index'), (SELECT count(*) AS n FROM items) rows}),
		't|t', "$name: the counts hold the rows");
	$node->safe_psql('postgres', 'INSERT INTO items SELECT id + 10000, random_vector() FROM source WHERE id % 10 = 9');
	check_index("$name: insertions go on");
	$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 5 = 2; VACUUM items');
	is($node->safe_psql('postgres', q{SELECT dead, vectors = (SELECT count(*) FROM items) FROM heliosdb.vector_index_info('items_index')}),
		'0|t', "$name: vacuum goes on");
	check_index("$name: all rows are found after vacuum");
	return;
}

sub make_items
{
	my ($rows, $options) = @_;
	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS items;
		CREATE TABLE items (id int, v vector(16));
		INSERT INTO items SELECT id, v FROM source WHERE id <= $rows;
		CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops) WITH ($options);
		CHECKPOINT;
	});
	return;
}

my $plain = 'quantization = none';
my $product = 'quantization = product, pq_subquantizers = 8, pq_centroids = 32';
my $rabitq = 'quantization = rabitq, rabitq_bits = 4, rerank_source = index';

# ---- Build ----

for my $case ([ $plain, 'backend' ], [ $product, 'immediate' ])
{
	my ($options, $way) = @$case;
	make_items(1500, $options);
	my $build = "CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops) WITH ($options)";
	$node->safe_psql('postgres', 'DROP INDEX items_index');
	my ($session, $pid) = pause_at('hnsw-build-flush', $build);
	crash($session, $pid, $way);
	is($node->safe_psql('postgres', q{SELECT to_regclass('items_index') IS NULL, count(*) FROM items}), 't|1500', "build ($way): the index is gone, the rows are not");
	$node->safe_psql('postgres', $build);
	is_sound("build, $options ($way)");
}

# ---- Insertion ----

for my $case ([ 'hnsw-insert-stored', $plain, 'backend' ], [ 'hnsw-insert-stored', $product, 'immediate' ], [ 'hnsw-insert-stored', $rabitq, 'postmaster' ],
	[ 'hnsw-insert-linked', $plain, 'immediate' ], [ 'hnsw-insert-linked', $product, 'backend' ])
{
	my ($point, $options, $way) = @$case;
	make_items(1200, $options);
	$node->safe_psql('postgres', 'INSERT INTO items SELECT id, v FROM source WHERE id BETWEEN 1201 AND 1300');
	my ($session, $pid) = pause_at($point, "INSERT INTO items SELECT 5000, v FROM source WHERE id = 1999");
	crash($session, $pid, $way);
	is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM source WHERE id = 1999) LIMIT 5) found WHERE id = 5000'),
		'0', "$point ($way): the row is not there");
	is_sound("$point, $options ($way)");
}

# The first row of an index, whose entry point is not set yet.
make_items(0, $plain);
my ($session, $pid) = pause_at('hnsw-insert-linked', 'INSERT INTO items SELECT id, v FROM source WHERE id = 1');
crash($session, $pid, 'backend');
$node->safe_psql('postgres', 'INSERT INTO items SELECT id, v FROM source WHERE id <= 500');
is_sound('first row');

# ---- Vacuum ----

for my $case ([ 'hnsw-vacuum-marked', $plain, 'backend' ], [ 'hnsw-vacuum-marked', $product, 'postmaster' ],
	[ 'hnsw-vacuum-marked', $product, 'immediate' ], [ 'hnsw-vacuum-repaired', $product, 'backend' ], [ 'hnsw-vacuum-repaired', $plain, 'immediate' ], [ 'hnsw-vacuum-repaired', $rabitq, 'backend' ])
{
	my ($point, $options, $way) = @$case;
	make_items(1200, $options);
	$node->safe_psql('postgres', 'INSERT INTO items SELECT id + 20000, random_vector() FROM source WHERE id <= 100; DELETE FROM items WHERE id % 4 = 0');
	my ($session, $pid) = pause_at($point, 'VACUUM items');
	check_index("$point, $options: all rows are found meanwhile");
	crash($session, $pid, $way);
	is_sound("$point, $options ($way)");
}

# ---- Training ----

for my $case ([ $product, 'backend' ], [ $rabitq, 'immediate' ])
{
	my ($options, $way) = @$case;
	make_items(5, $options);
	$node->safe_psql('postgres', 'INSERT INTO items SELECT id, v FROM source WHERE id BETWEEN 6 AND 1500');
	my ($session, $pid) = pause_at('hnsw-vacuum-trained', 'VACUUM items');
	check_index("training, $options: all rows are found meanwhile");
	$node->safe_psql('postgres', 'INSERT INTO items SELECT id, v FROM source WHERE id BETWEEN 1501 AND 1600');
	check_index("training, $options: both formats are found together");
	crash($session, $pid, $way);
	is($node->safe_psql('postgres', q{SELECT trained FROM heliosdb.vector_index_info('items_index')}), 't', "training, $options ($way): the model is there");
	is_sound("training, $options ($way)");
}

# ---- An unlogged table is empty afterwards, and usable ----

$node->safe_psql('postgres', q{
	DROP TABLE items;
	CREATE UNLOGGED TABLE items (id int, v vector(16));
	INSERT INTO items SELECT id, v FROM source WHERE id <= 800;
	CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops) WITH (quantization = scalar);
	CHECKPOINT;
});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT q FROM queries LIMIT 1) LIMIT 5) found}),
	'0', 'unlogged: empty after a crash');
$node->safe_psql('postgres', 'INSERT INTO items SELECT id, v FROM source WHERE id <= 800');
is_sound('unlogged');

unlike(slurp_file($node->logfile), qr/PANIC|signal 11|signal 6/, 'nothing crashed by itself');
$node->stop;
done_testing();
