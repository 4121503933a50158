# Random query trees, printed as Flux and as standard SQL by two printers that know nothing of each other, must give
# the same columns, types and rows. So must the translation of heliosdb.flux_to_sql, with the redirect off, and the
# Flux text inside another statement: a view and its definition, INSERT, COPY, a cursor and the like.
#
#   HELIOS_FLUX_SEED=n    other trees; a failure tells the seed and the number of its tree
#   HELIOS_FLUX_TREES=n   how many
#   HELIOS_FLUX_FIRST=n   the number of the first, to repeat one
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Flux::Pipes;
use Flux::Standard;
use Flux::Tree;

my $seed = $ENV{HELIOS_FLUX_SEED} // 20;
my $trees = $ENV{HELIOS_FLUX_TREES} // 500;
my $first = $ENV{HELIOS_FLUX_FIRST} // 1;
my $batch = 50;
my @psql_options = ('-F', "\x1f", '-R', "\x1e", '-P', 'null=(null)');

my $node = PostgreSQL::Test::Cluster->new('flux');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\njit = off\nfsync = off\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION heliosdb;
CREATE TABLE people AS
  SELECT i % 50 AS id, (ARRAY['ann', 'Bob', 'Zoë', 'it''s', 'abc', NULL, ''])[1 + i % 7] AS name,
    (ARRAY['x y', 'Bonn', 'FROM', NULL])[1 + i * 3 % 4] AS city, date '2024-01-01' + nullif(i * 11 % 90, 5) AS born,
    nullif(i * 7 % 23, 3)::numeric(10,2) / 1 * 1.00::numeric(10,2) + 0.25 AS score,
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY[i % 4, NULL, i % 9] END AS tags,
    (ARRAY['a', 'B', NULL])[1 + i % 3] AS "Odd Name"
  FROM generate_series(1, 60) AS i;
CREATE TABLE orders AS
  SELECT i AS id, nullif(i * 7 % 45, 0) AS person_id, (ARRAY['Bonn', 'x y', 'abc', NULL])[1 + i % 4] AS city,
    nullif(i * 13 % 31, 7)::numeric + 0.50 AS amount, date '2024-02-01' + nullif(i * 5 % 40, 2) AS day,
    CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '[1, "FROM"]' ELSE jsonb_build_object('k', i % 3) END AS data,
    nullif(i % 6, 4) AS "order"
  FROM generate_series(1, 90) AS i;
CREATE TABLE items AS
  SELECT i / 2 AS id, nullif(i * 3 % 70, 9) AS order_id, (ARRAY['ann', 'pen', 'abc', NULL, '|>'])[1 + i % 5] AS name,
    (i * 17 % 29)::numeric + 0.75 AS amount, nullif(i % 8, 0) AS qty, (ARRAY['from', NULL, 'x y'])[1 + i % 3] AS "from"
  FROM generate_series(1, 80) AS i;
CREATE TABLE notes AS
  SELECT i % 12 AS id, (ARRAY['Bob', NULL, 'select 1'])[1 + i % 3] AS name, date '2024-02-10' + nullif(i % 9, 8) AS day,
    (ARRAY['B', 'a', 'c', NULL])[1 + i % 4] AS "Odd Name", ARRAY[i % 3, i % 5] AS tags, nullif(i % 7, 2) AS "select"
  FROM generate_series(1, 36) AS i;
ALTER TABLE people ALTER score TYPE numeric(10,2);
ALTER TABLE orders ALTER amount TYPE numeric(10,2);
ALTER TABLE items ALTER amount TYPE numeric(10,2);
ANALYZE;
SQL

# ---- The statements of one tree ----

# Statements that hold a query; each says what its output is to be compared with. Views and tables need columns of
# different names, so they are left out where names meet.
my %around = (
	explain => sub { "EXPLAIN (COSTS OFF) $_[0];" },
	explain_analyze => sub { "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $_[0];" },
	copy => sub { "COPY ($_[0]) TO STDOUT;" },
	cursor => sub { "BEGIN; DECLARE c CURSOR FOR $_[0]; FETCH ALL FROM c; ROLLBACK;" },
	prepare => sub { "PREPARE q AS $_[0]; EXECUTE q; DEALLOCATE q;" },
	parentheses => sub { "($_[0]);" },
	create => sub { "BEGIN; CREATE TEMP TABLE r AS $_[0]; TABLE r; ROLLBACK;" },
	insert => sub { "BEGIN; CREATE TEMP TABLE r AS $_[0] WITH NO DATA; INSERT INTO r $_[0]; FROM r; ROLLBACK;" },
	view => sub {
		"BEGIN; CREATE TEMP VIEW v AS $_[0]; SELECT pg_get_viewdef('v') AS body \\gset\n"
		  . "SET heliosdb.syntax = off; :body ROLLBACK;";
	});
my %needs_names = map { $_ => 1 } qw(create insert view);

sub tree_of
{
	my ($number) = @_;
	srand($seed * 1_000_003 + $number);
	my $tree = Flux::Tree->new->statement;
	my %names;
	my $clash = grep { $names{ $_->{name} }++ } @{ $tree->{root}{cols} };
	my @carriers = grep { !$clash || !$needs_names{$_} } sort keys %around;
	return {
		number => $number,
		standard => Flux::Standard->new->statement($tree->{root}),
		flux => Flux::Pipes->new->statement($tree),
		ordered => $tree->{root}{ordered},
		carrier => $carriers[ int rand @carriers ] };
}

# What psql runs for a tree; behind every part a line tells which part it was and whether it failed.
sub script_of
{
	my ($t) = @_;
	my $part = sub { "$_[1]\n\\echo ##$t->{number} $_[0] :ERROR :LAST_ERROR_MESSAGE\n" };
	return join '',
	  "SET heliosdb.syntax = on;\n",
	  $part->('flux_types', "$t->{flux}\\gdesc"),
	  $part->('flux_rows', "$t->{flux};"),
	  $part->($t->{carrier}, $around{ $t->{carrier} }->($t->{flux})),
	  "SET heliosdb.syntax = off;\n",
	  $part->('standard_types', "$t->{standard}\\gdesc"),
	  $part->('standard_rows', "$t->{standard};"),
	  "SELECT heliosdb.flux_to_sql(\$flux\$$t->{flux}\$flux\$) AS translation \\gset\n",
	  $part->('translation', '\echo :translation'),
	  $part->('translation_types', ':translation \gdesc'),
	  $part->('translation_rows', ':translation ;');
}

# The outputs of a batch: { number => { part => output } }; an error is an output too.
sub outputs
{
	my (@batch) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', join('', map { script_of($_) } @batch), on_error_stop => 0, extra_params => [@psql_options]);
	my %outputs;
	while ($out =~ /\G(.*?)^##(\d+) (\w+) (true|false) ?([^\n]*)\n?/gcms)
	{
		$outputs{$2}{$3} = $4 eq 'true' ? "ERROR: $5" : $1;
	}
	return \%outputs;
}

sub rows_of
{
	my ($output, $ordered) = @_;
	$output =~ s/\n\z//;
	my @rows = split /\x1e/, $output, -1;
	@rows = sort @rows if !$ordered;
	return join "\n", map { s/\x1f/|/gr } @rows;
}

# The names of the parts that differ.
sub differences
{
	my ($t, $parts) = @_;
	my @wrong = grep { !defined $parts->{$_} || $parts->{$_} =~ /^ERROR: / }
	  ($t->{carrier}, map { ("${_}_types", "${_}_rows") } qw(flux standard translation));
	return @wrong if @wrong;
	my $types = $parts->{standard_types};
	my $rows = rows_of($parts->{standard_rows}, $t->{ordered});
	push @wrong, grep { $parts->{$_} ne $types } qw(flux_types translation_types);
	push @wrong, grep { rows_of($parts->{$_}, $t->{ordered}) ne $rows } qw(flux_rows translation_rows);
	my $carrier = $parts->{ $t->{carrier} };
	if ($t->{carrier} eq 'copy')
	{
		my $count = $parts->{standard_rows} eq '' ? 0 : 1 + ($parts->{standard_rows} =~ tr/\x1e//);
		push @wrong, 'copy' if ($carrier =~ tr/\n//) != $count;
	}
	elsif ($t->{carrier} !~ /^explain/)
	{
		push @wrong, $t->{carrier} if rows_of($carrier, $t->{ordered}) ne $rows;
	}
	return @wrong;
}

# ---- The run ----

my ($translated, $nonempty) = (0, 0);
for (my $number = $first; $number < $first + $trees; $number += $batch)
{
	my $last = $number + $batch < $first + $trees ? $number + $batch - 1 : $first + $trees - 1;
	my @batch = map { tree_of($_) } $number .. $last;
	my $outputs = outputs(@batch);
	for my $t (@batch)
	{
		my $parts = $outputs->{ $t->{number} } // {};
		my @wrong = differences($t, $parts);
		$translated++ if ($parts->{translation} // '') ne "$t->{flux}\n";
		$nonempty++ if ($parts->{standard_rows} // '') ne '';
		ok(!@wrong, "tree $t->{number}, $t->{carrier}") or diag(join "\n",
			"HELIOS_FLUX_SEED=$seed HELIOS_FLUX_FIRST=$t->{number} HELIOS_FLUX_TREES=1: @wrong differ",
			"-- Flux:\n$t->{flux}", "-- standard:\n$t->{standard}",
			map { "-- $_:\n" . substr(($parts->{$_} // '(none)') =~ s/\x1e/\n/gr =~ s/\x1f/|/gr, 0, 1500) }
			  'translation', 'standard_types', 'standard_rows', grep { !/^standard/ } @wrong);
	}
}
cmp_ok($translated, '>=', 0.8 * $trees, 'most texts are Flux') if $trees >= $batch;
cmp_ok($nonempty, '>=', 0.6 * $trees, 'most trees have rows') if $trees >= $batch;
note("seed $seed: $trees trees, $translated of them Flux, $nonempty with rows");

$node->stop;
done_testing();
