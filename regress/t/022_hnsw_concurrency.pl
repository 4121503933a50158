# Many sessions on one index, parallel builds, builds beyond their memory, cancelling, progress.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $node = PostgreSQL::Test::Cluster->new('concurrency');
$node->init;
$node->append_conf('postgresql.conf', q{
autovacuum = off
jit = off
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
maintenance_work_mem = 64MB
log_statement = none
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE FUNCTION random_vector(dim int) RETURNS vector LANGUAGE sql VOLATILE AS
	  $$ SELECT array_agg((random() - 0.5)::real)::vector FROM generate_series(1, dim) $$;
	CREATE TABLE source AS SELECT i AS id, random_vector(16)::vector(16) AS v FROM generate_series(1, 5000) i;
	ALTER TABLE source ADD PRIMARY KEY (id);
	CREATE TABLE queries AS SELECT i AS id, random_vector(16)::vector(16) AS q FROM generate_series(1, 50) i;
});

# Recall of the 10 nearest over all queries.
sub recall
{
	my ($table, $queries) = @_;
	return $node->safe_psql('postgres', qq{
		SET enable_indexscan = off;
		CREATE TEMPORARY TABLE exact AS SELECT q.id AS query, d.id FROM $queries q, LATERAL (SELECT id FROM $table ORDER BY v <-> q.q LIMIT 10) d;
		RESET enable_indexscan;
		SET enable_seqscan = off;
		SET hnsw.ef_search = 80;
		CREATE TEMPORARY TABLE found AS SELECT q.id AS query, d.id FROM $queries q, LATERAL (SELECT id FROM $table ORDER BY v <-> q.q LIMIT 10) d;
		SELECT (SELECT count(*) FROM exact JOIN found USING (query, id))::float8 / count(*) FROM exact;
	});
}

# ---- Mixed work with vacuum ----

my $dir = PostgreSQL::Test::Utils::tempdir;
my %scripts = (
	insert => [ 4, '\set id random(1, 5000)' . "\nINSERT INTO items SELECT nextval('ids'), v FROM source WHERE id = :id;\n" ],
	fresh => [ 4, "INSERT INTO items SELECT nextval('ids'), random_vector(16);\n" ],
	delete => [ 6, "DELETE FROM items WHERE ctid IN (SELECT ctid FROM items TABLESAMPLE SYSTEM (2) LIMIT 2 FOR UPDATE SKIP LOCKED);\n" ],
	update => [ 3, "UPDATE items SET v = random_vector(16) WHERE ctid IN (SELECT ctid FROM items TABLESAMPLE SYSTEM (2) LIMIT 1 FOR UPDATE SKIP LOCKED);\n" ],
	search => [ 6, '\set id random(1, 50)' . "\nSELECT id FROM items ORDER BY v <-> (SELECT q FROM queries WHERE id = :id) LIMIT 10;\n" ],
	vacuum => [ 1, "VACUUM items;\n" ]);
append_to_file("$dir/$_.sql", $scripts{$_}[1]) for keys %scripts;

for my $options ('quantization = none, m = 8', 'quantization = scalar', 'quantization = product, pq_subquantizers = 8, pq_centroids = 64, rerank_source = index')
{
	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS items;
		DROP SEQUENCE IF EXISTS ids;
		CREATE SEQUENCE ids START 10000;
		CREATE TABLE items (id int, v vector(16));
		INSERT INTO items SELECT id, v FROM source WHERE id <= 300;
		CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops) WITH ($options);
		INSERT INTO items SELECT id, v FROM source WHERE id BETWEEN 301 AND 1500;
	});
	my $offset = -s $node->logfile;
	$node->command_ok(
		[ 'pgbench', '-n', '-c', '6', '-j', '2', '-T', '5', (map { ('-f', "$dir/$_.sql\@$scripts{$_}[0]") } sort keys %scripts), $node->connstr('postgres') ],
		"$options: pgbench");
	my $log = slurp_file($node->logfile, $offset);
	unlike($log, qr/ERROR|FATAL|PANIC|terminated by signal/, "$options: no error");
	cmp_ok(recall('items', 'queries'), '>=', 0.95, "$options: recall afterwards");
	$node->safe_psql('postgres', 'VACUUM items');
	is($node->safe_psql('postgres', q{SELECT dead, vectors = (SELECT count(*) FROM items) FROM heliosdb.vector_index_info('items_index')}),
		'0|t', "$options: exactly the rows of the table are there after vacuum");
	cmp_ok(recall('items', 'queries'), '>=', 0.95, "$options: recall after vacuum");
}

# ---- Builds: serial, parallel, beyond their memory ----

$node->safe_psql('postgres', q{
	CREATE TABLE many (id int, v vector(32));
	INSERT INTO many SELECT i, random_vector(32) FROM generate_series(1, 20000) i;
	CREATE TABLE many_queries AS SELECT i AS id, random_vector(32)::vector(32) AS q FROM generate_series(1, 30) i;
	ANALYZE many;
	ALTER SYSTEM SET log_min_messages = debug1;
	SELECT pg_reload_conf();
});
my %recalls;
for my $case ([ 'serial', '64MB', 0 ], [ 'parallel', '64MB', 2 ], [ 'serial, little memory', '1MB', 0 ], [ 'parallel, little memory', '1MB', 2 ],
	[ 'parallel, some memory', '2MB', 2 ])
{
	my ($name, $memory, $workers) = @$case;
	for my $options ($memory eq '64MB' ? ('quantization = none', 'quantization = product, pq_subquantizers = 16')
		: $workers ? 'quantization = scalar, m = 8, ef_construction = 32'
		: 'm = 8, ef_construction = 32')
	{
		my $offset = -s $node->logfile;
		my ($status, $out, $err) = $node->psql('postgres', qq{
			ALTER TABLE many SET (parallel_workers = $workers);
			SET maintenance_work_mem = '$memory';
			DROP INDEX IF EXISTS many_index;
			CREATE INDEX many_index ON many USING hnsw (v vector_l2_ops) WITH ($options);
		});
		is($status, 0, "$name, $options: built");
		my $log = slurp_file($node->logfile, $offset);
		my $started = () = $log =~ /starting background worker process "parallel worker/g;
		is($started, $workers, "$name, $options: workers started");
		if ($memory eq '64MB') { unlike($err, qr/no longer fits/, "$name, $options: fits"); }
		else { like($err, qr/NOTICE:  hnsw graph no longer fits into maintenance_work_mem after \d+ tuples/, "$name, $options: says that memory is used up"); }
		is($node->safe_psql('postgres', q{SELECT vectors FROM heliosdb.vector_index_info('many_index')}), '20000', "$name, $options: all rows");
		$recalls{$name}{$options} = recall('many', 'many_queries');
		cmp_ok($recalls{$name}{$options}, '>=', $options =~ /m = 8/ ? 0.75 : 0.85, "$name, $options: recall");
	}
}
cmp_ok(abs($recalls{serial}{$_} - $recalls{parallel}{$_}), '<=', 0.05, "$_: parallel and serial builds are equally good") for keys %{ $recalls{serial} };
$node->safe_psql('postgres', 'ALTER SYSTEM RESET log_min_messages; SELECT pg_reload_conf()');

# ---- Progress and cancelling ----

# Starts SQL in a session of its own; returns its handle and backend.
sub start_session
{
	my ($name, $sql) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $session = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres') . " application_name=$name", '-c', $sql ],
		'<', \$in, '>', \$out, '2>', \$err);
	for (1 .. 600)
	{
		my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = '$name' AND state = 'active' AND backend_type = 'client backend'");
		return ($session, $pid, \$err) if $pid;
		usleep(50_000);
	}
	die "$name did not start";
}

# Seconds from the cancel request until the backend is idle or gone.
sub seconds_to_cancel
{
	my ($session, $pid) = @_;
	my $start = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$session->finish;
	return time - $start;
}

$node->safe_psql('postgres', 'DROP INDEX many_index; ALTER TABLE many SET (parallel_workers = 0)');
my ($session, $pid, $err) = start_session('builder', 'CREATE INDEX many_index ON many USING hnsw (v vector_l2_ops) WITH (m = 64, ef_construction = 1000)');
my $seen = '';
for (1 .. 200)
{
	$seen = $node->safe_psql('postgres', "SELECT phase, tuples_done > 0, tuples_total > 0 FROM pg_stat_progress_create_index WHERE pid = $pid");
	last if $seen =~ /\|t\|t/;
	usleep(50_000);
}
like($seen, qr/^building index: .+\|t\|t$/, 'progress: phase and rows');
note("phase: $seen");
cmp_ok(seconds_to_cancel($session, $pid), '<', 1, 'build: cancelled at once');
like($$err, qr/canceling statement due to user request/, 'build: says so');
is($node->safe_psql('postgres', q{SELECT to_regclass('many_index') IS NULL}), 't', 'build: nothing is left');

for my $case ([ 'training', 'quantization = product, pq_subquantizers = 32, pq_rotation = on' ], [ 'graph', 'm = 64, ef_construction = 1000' ])
{
	my $start = time;
	my ($status, $out, $errors) = $node->psql('postgres', "SET statement_timeout = '300ms'; CREATE INDEX ON many USING hnsw (v vector_l2_ops) WITH ($case->[1])");
	like($errors, qr/canceling statement due to statement timeout/, "$case->[0]: statement_timeout");
	cmp_ok(time - $start, '<', 1.5, "$case->[0]: honoured at once");
}
$node->safe_psql('postgres', 'ALTER TABLE many SET (parallel_workers = 2)');
($session, $pid, $err) = start_session('parallel_builder', 'CREATE INDEX many_index ON many USING hnsw (v vector_l2_ops) WITH (m = 64, ef_construction = 1000)');
usleep(500_000);
cmp_ok(seconds_to_cancel($session, $pid), '<', 1, 'parallel build: cancelled at once');
is($node->safe_psql('postgres', q{SELECT to_regclass('many_index') IS NULL}), 't', 'parallel build: nothing is left');

$node->safe_psql('postgres', 'CREATE INDEX many_index ON many USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32)');
($session, $pid, $err) = start_session('inserter', 'INSERT INTO many SELECT id + 100000, random_vector(32) FROM many, generate_series(1, 100)');
usleep(500_000);
cmp_ok(seconds_to_cancel($session, $pid), '<', 1, 'insertion: cancelled at once');
like($$err, qr/canceling statement due to user request/, 'insertion: says so');
cmp_ok(recall('many', 'many_queries'), '>=', 0.75, 'insertion: the index is usable afterwards');
($session, $pid, $err) = start_session('searcher', 'SET enable_seqscan = off; SET hnsw.ef_search = 1000; SELECT count(d.id) FROM many q, LATERAL (SELECT id FROM many ORDER BY v <-> q.v LIMIT 5000) d');
usleep(300_000);
cmp_ok(seconds_to_cancel($session, $pid), '<', 1, 'search: cancelled at once');
my ($status, $out, $errors) = $node->psql('postgres', "DELETE FROM many WHERE id % 2 = 0; SET statement_timeout = '50ms'; VACUUM many");
note("vacuum: $errors");
$node->safe_psql('postgres', 'VACUUM many');
is($node->safe_psql('postgres', q{SELECT dead, vectors = (SELECT count(*) FROM many) FROM heliosdb.vector_index_info('many_index')}), '0|t', 'vacuum: finishes after an interrupted one');
cmp_ok(recall('many', 'many_queries'), '>=', 0.75, 'vacuum: recall');

unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'no crash');
$node->stop;
done_testing();
