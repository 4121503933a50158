# Damaged index pages: an ERROR that says so, or an ordinary answer, but never a crash; REINDEX heals.
use strict;
use warnings;

use Fcntl;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { PAGE => 8192, CONTENT => 24, TRAILER => 8192 - 16 };
# Offsets of page.hpp: Meta, Node and PageTrailer.
my %META = (magic => 0, version => 4, type => 8, distance => 9, quantization => 10, dim => 24, m => 28, ef_construction => 30, entry => 72);
my %TRAILER = (magic => 0, kind => 2, format => 3, slot_bytes => 4, slots => 6, used => 8);
my ($KIND_META, $KIND_MODEL, $KIND_NODE, $KIND_UPPER, $KIND_PAYLOAD) = (1 .. 5);

my $node = PostgreSQL::Test::Cluster->new('corruption');
$node->init;
$node->append_conf('postgresql.conf', q{
restart_after_crash = on
autovacuum = off
jit = off
statement_timeout = 20s
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE FUNCTION random_vector(dim int) RETURNS vector LANGUAGE sql VOLATILE AS
	  $$ SELECT array_agg((random() - 0.5)::real)::vector FROM generate_series(1, dim) $$;
	SELECT setseed(0.7);
	CREATE TABLE plain (id int, v vector(16));
	CREATE TABLE product (id int, v vector(16));
	CREATE TABLE copies (id int, v vector(16));
	CREATE TABLE wide (id int, v vector(2000));
	CREATE TABLE sparse (id int, v sparsevec(50));
	INSERT INTO plain SELECT i, random_vector(16) FROM generate_series(1, 600) i;
	INSERT INTO plain SELECT i, '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' FROM generate_series(601, 640) i;
	INSERT INTO product TABLE plain;
	INSERT INTO copies TABLE plain;
	INSERT INTO wide SELECT i, random_vector(2000) FROM generate_series(1, 60) i;
	INSERT INTO sparse SELECT i, random_vector(50)::sparsevec FROM generate_series(1, 300) i;
	CREATE TABLE kept_plain AS TABLE plain;
	CREATE TABLE kept_product AS TABLE product;
	CREATE TABLE kept_copies AS TABLE copies;
	CREATE TABLE kept_wide AS TABLE wide;
	CREATE TABLE kept_sparse AS TABLE sparse;
	CREATE INDEX plain_index ON plain USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
	CREATE INDEX product_index ON product USING hnsw (v vector_cosine_ops) WITH (quantization = product, pq_subquantizers = 8, pq_centroids = 32);
	CREATE INDEX copies_index ON copies USING hnsw (v vector_l2_ops) WITH (quantization = rabitq, rerank_source = index);
	CREATE INDEX wide_index ON wide USING hnsw (v vector_l2_ops) WITH (m = 8);
	CREATE INDEX sparse_index ON sparse USING hnsw (v sparsevec_l2_ops);
});
my %tables = (plain => '<->', product => '<=>', copies => '<->', wide => '<->', sparse => '<->');
my (%path, %whole);
for my $table (sort keys %tables)
{
	$path{$table} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${table}_index')");
}
$node->stop;
$whole{$_} = slurp_file($path{$_}) for keys %path;

# Blocks of an index with a kind of page.
sub blocks_of
{
	my ($table, $kind) = @_;
	return grep { unpack('C', substr($whole{$table}, $_ * PAGE + TRAILER + $TRAILER{kind}, 1)) == $kind } 0 .. length($whole{$table}) / PAGE - 1;
}

sub write_file
{
	my ($table, $bytes) = @_;
	open my $file, '+<', $path{$table} or die "$path{$table}: $!";
	binmode $file;
	truncate $file, 0;
	print $file $bytes;
	close $file;
	return;
}

# Runs statements one by one, without stopping at errors; returns what went wrong otherwise than by an error of a damaged index.
sub use_index
{
	my ($table) = @_;
	my $operator = $tables{$table};
	my $sql = "SET enable_seqscan = off;\n\\set VERBOSITY verbose\n";
	$sql .= "SELECT count(*) FROM (SELECT id FROM $table ORDER BY v $operator (SELECT v FROM $table WHERE id = $_) LIMIT 20) found;\n" for 1, 22, 50;
	$sql .= "INSERT INTO $table SELECT -id, v FROM $table WHERE id BETWEEN 1 AND 5;\n";
	$sql .= "INSERT INTO $table SELECT id + 10000, v FROM $table WHERE id BETWEEN 20 AND 25;\n";
	$sql .= "DELETE FROM $table WHERE id % 7 = 2 OR id < 0 OR id > 1000;\nVACUUM $table;\n";
	$sql .= "SELECT num_vectors FROM pg_vector_index_stats() WHERE index_name = '${table}_index';\n";
	$sql .= "SELECT vectors FROM heliosdb.vector_index_info('${table}_index');\n";
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0, on_error_die => 0);
	# PostgreSQL itself reports what it cannot read: a page without header (XX001), a block beyond the end.
	my @wrong = grep { !/ERROR:  (XX002|XX001|0A000): |could not open file .* \(target block/ } grep { /ERROR|FATAL|PANIC|connection|server closed/ } split /\n/, $err;
	return join "\n", @wrong;
}

my $log_size = 0;
sub crashed
{
	my $log = slurp_file($node->logfile, $log_size);
	$log_size = -s $node->logfile;
	return $log =~ /(.*(?:terminated by signal|PANIC|TRAP).*)/ ? $1 : '';
}

# Damages a copy of one index and uses it; the file is whole again afterwards.
sub damage
{
	my ($name, $table, $expected, @edits) = @_;
	my $bytes = $whole{$table};
	substr($bytes, $_->[0], length $_->[1]) = $_->[1] for @edits;
	write_file($table, $bytes);
	$node->start;
	my $wrong = use_index($table);
	is($wrong, '', "$name: no other error");
	is(crashed(), '', "$name: no crash");
	if ($expected)
	{
		my ($status, $out, $err) = $node->psql('postgres', "SET enable_seqscan = off; SELECT id FROM $table ORDER BY v $tables{$table} (SELECT v FROM $table WHERE id = 1) LIMIT 1");
		like($err, $expected, "$name: says so");
	}
	restore($table);
	return;
}

# Heals the index with REINDEX, then puts back table and index as they were, and stops the server.
sub restore
{
	my ($table) = @_;
	my $operator = $tables{$table};
	$node->safe_psql('postgres', "REINDEX INDEX ${table}_index");
	is( $node->safe_psql('postgres', "SET enable_seqscan = off; SELECT id FROM $table ORDER BY v $operator (SELECT v FROM $table WHERE id = 25) LIMIT 1"),
		'25', "$table: REINDEX heals");
	$node->safe_psql('postgres', "BEGIN; TRUNCATE $table; INSERT INTO $table TABLE kept_$table; COMMIT; REINDEX INDEX ${table}_index");
	$path{$table} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('${table}_index')");
	$node->stop;
	$whole{$table} = slurp_file($path{$table});
	return;
}

my $nowhere = pack 'L', 0xFFFFFFF0;

# ---- Meta page ----

damage('meta magic', 'plain', qr/is corrupted at block 0/, [ CONTENT + $META{magic}, pack 'L', 1 ]);
damage('version', 'plain', qr/on-disk format 99/, [ CONTENT + $META{version}, pack 'L', 99 ]);
for my $field ([ 'type', pack 'C', 77 ], [ 'distance', pack 'C', 0 ], [ 'distance', pack 'C', 200 ], [ 'quantization', pack 'C', 9 ],
	[ 'dim', pack 'L', 0 ], [ 'dim', pack 'L', 15 ], [ 'dim', pack 'L', 17 ], [ 'dim', pack 'L', 0x7FFFFFFF ], [ 'm', pack 'S', 0 ], [ 'm', pack 'S', 99 ],
	[ 'ef_construction', pack 'S', 0 ])
{
	damage("meta $field->[0] " . unpack('H*', $field->[1]), 'plain', undef, [ CONTENT + $META{ $field->[0] }, $field->[1] ]);
}
damage('entry beyond the end', 'plain', undef, [ CONTENT + $META{entry}, $nowhere ]);
damage('meta all ones', 'plain', qr/ERROR/, [ CONTENT, "\xFF" x 136 ]);
damage('meta all zeros', 'product', qr/ERROR/, [ CONTENT, "\0" x 136 ]);

# ---- Node pages ----

for my $table ('plain', 'product', 'copies')
{
	my ($first) = blocks_of($table, $KIND_NODE);
	my @all = blocks_of($table, $KIND_NODE);
	my $m = $table eq 'plain' ? 4 : 16;
	my $slot_bytes = unpack 'S', substr $whole{$table}, $first * PAGE + TRAILER + $TRAILER{slot_bytes}, 2;
	my @slots = map { my $block = $_; map { $block * PAGE + CONTENT + $_ * $slot_bytes } 0 .. 9 } @all;
	damage("$table: links beyond the end", $table, undef, map { [ $_ + 24, $nowhere x 4 ] } @slots);
	damage("$table: links to the meta page", $table, undef, map { [ $_ + 24, (pack 'L', 1) x 4 ] } @slots);
	damage("$table: too many links", $table, qr/ERROR/, map { [ $_ + 22, "\xFF" ] } @slots);
	damage("$table: level", $table, qr/ERROR/, map { [ $_ + 7, "\xFF" ] } @slots);
	damage("$table: state", $table, undef, map { [ $_ + 6, "\xFF" ] } @slots);
	damage("$table: upper slot", $table, undef, map { [ $_ + 8, $nowhere ], [ $_ + 7, "\1" ], [ $_ + 23, "\1" ] } @slots);
	damage("$table: duplicate beyond the end", $table, undef, map { [ $_ + 12, $nowhere ] } @slots);
	damage("$table: circle of duplicates", $table, undef, map { [ $_ + 12, pack 'L', $first * int(8152 / $slot_bytes) + 1 ] } @slots);
	damage("$table: tid", $table, undef, map { [ $_, "\xFF\xFF\xFF\x7F\xFF\x7F" ] } @slots);
	damage("$table: trailer magic", $table, undef, [ $first * PAGE + TRAILER, "\0\0" ]);
	damage("$table: trailer kind", $table, undef, [ $first * PAGE + TRAILER + $TRAILER{kind}, "\x05" ]);
	damage("$table: page format", $table, undef, [ $first * PAGE + TRAILER + $TRAILER{format}, "\x01" ]);
	damage("$table: slot size", $table, undef, [ $first * PAGE + TRAILER + $TRAILER{slot_bytes}, pack 'S', 8 ]);
	damage("$table: used slots", $table, undef, [ $first * PAGE + TRAILER + $TRAILER{used}, pack 'S', 0xFFFF ]);
	damage("$table: a page of zeros", $table, undef, [ $first * PAGE, "\0" x PAGE ]);
}

# ---- Upper, model and payload pages ----

for my $block (blocks_of('plain', $KIND_UPPER))
{
	damage("upper links in block $block", 'plain', undef, [ $block * PAGE + CONTENT + 4, $nowhere x 200 ]);
	damage("upper counts in block $block", 'plain', undef, [ $block * PAGE + CONTENT, "\xFF" x 400 ]);
	last;
}
my ($model) = blocks_of('product', $KIND_MODEL);
damage('model: header', 'product', qr/ERROR/, [ $model * PAGE + CONTENT, "\xFF" x 32 ]);
damage('model: middle', 'product', undef, [ $model * PAGE + CONTENT + 600, "\xFF" x 600 ]);
damage('model: zeros', 'product', qr/ERROR/, [ $model * PAGE, "\0" x PAGE ]);
for my $table ('wide', 'copies', 'sparse')
{
	my ($first) = blocks_of($table, $KIND_NODE);
	my ($payload) = blocks_of($table, $KIND_PAYLOAD);
	next unless defined $payload;
	my $slot_bytes = unpack 'S', substr $whole{$table}, $first * PAGE + TRAILER + $TRAILER{slot_bytes}, 2;
	my @slots = map { $first * PAGE + CONTENT + $_ * $slot_bytes } 0 .. 9;
	damage("$table: payload pointer beyond the end", $table, undef, map { [ $_ + 16, "\xFF\x7F\xFF\xFF\x01\0" ] } @slots);
	damage("$table: payload pointer to the meta page", $table, undef, map { [ $_ + 16, "\0\0\0\0\x01\0" ] } @slots);
	damage("$table: payload item number", $table, undef, map { [ $_ + 20, "\xFF\x7F" ] } @slots);
	damage("$table: payload line pointers", $table, undef, [ $payload * PAGE + 24, "\xFF" x 4 ]);
	damage("$table: payload bytes", $table, undef, [ $payload * PAGE + 4000, "\xFF" x 3000 ]);
}

# ---- Random bytes at 200 places ----

srand 4711;
for my $round (1 .. 20)
{
	my $table = ('plain', 'product', 'copies', 'wide', 'sparse')[ $round % 5 ];
	my @edits;
	for (1 .. 10)
	{
		my $block = int rand length($whole{$table}) / PAGE;
		my $bytes = join '', map { chr int rand 256 } 1 .. 1 + int rand 8;
		push @edits, [ $block * PAGE + CONTENT + int(rand(PAGE - CONTENT - 8)), $bytes ];
	}
	damage("random bytes, round $round", $table, undef, @edits);
}

done_testing();
