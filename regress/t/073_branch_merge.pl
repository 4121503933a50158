# Random changes on a branch and on main, merged again and again: what comes out must be what a merge in Perl makes of
# the rows before, by key and by cell. In every second round the target is a branch itself, which is merged into main in
# between.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Size of a table from which on it is copied row by row.
my $rows = $ENV{HELIOS_BRANCH_ROWS} // -1;
my $node = PostgreSQL::Test::Cluster->new('merge');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\nheliosdb.branch_row_copy_above = $rows\njit = off\nfsync = off\n");
$node->start;

my $seed = $ENV{HELIOS_SEED} // 73;
srand($seed);
sub any { return int(rand($_[0])); }
sub sql { return $node->safe_psql('postgres', join('; ', @_)); }

$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE keyed (gone int, a int, b text, n numeric, j json, t text DEFAULT 'd', twice numeric GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (b, a));
	ALTER TABLE keyed DROP COLUMN gone;
	CREATE TABLE parts (id int PRIMARY KEY, n int, t text) PARTITION BY RANGE (id);
	CREATE TABLE parts_low (t text, id int NOT NULL, n int);
	ALTER TABLE parts ATTACH PARTITION parts_low FOR VALUES FROM (MINVALUE) TO (10);
	CREATE TABLE parts_high PARTITION OF parts DEFAULT;
	CREATE TABLE bag (a int, j json)});

# Tables with the number of columns of the key, which come first, and the columns that are merged.
my %tables = (keyed => [ 2, 'b, a, n, j, t' ], parts => [ 1, 'id, n, t' ]);
my %changes = (
	keyed => [
		sub { 'INSERT INTO keyed (a, b, n, j) SELECT i, \'k\' || i % 2, ' . any(3) . ", ('{\"i\": ' || i || '}')::json FROM generate_series(" . (1 + any(10)) . ', ' . (5 + any(12)) . ') i ON CONFLICT DO NOTHING' },
		sub { 'UPDATE keyed SET n = ' . (any(4) ? any(3) : 'NULL') . ' WHERE a % 4 = ' . any(4) },
		sub { "UPDATE keyed SET j = '" . (any(2) ? '{ "x": 1 }' : '{"x": 1}') . "' WHERE a % 5 = " . any(5) },
		sub { 'UPDATE keyed SET t = ' . (any(3) ? "'t" . any(3) . "'" : 'NULL') . ' WHERE a % 3 = ' . any(3) },
		sub { 'DELETE FROM keyed WHERE a % 6 = ' . any(6) },
		sub { 'UPDATE keyed SET a = a + 20 WHERE a = ' . any(12) },
		sub { 'UPDATE keyed SET n = n WHERE a < 5' },
	],
	parts => [
		sub { 'INSERT INTO parts SELECT i, ' . any(3) . ", 'p' FROM generate_series(" . any(15) . ', ' . any(25) . ') i ON CONFLICT DO NOTHING' },
		sub { 'UPDATE parts SET n = ' . any(3) . ' WHERE id % 4 = ' . any(4) },
		sub { "UPDATE parts SET t = 'u" . any(2) . "' WHERE id % 3 = " . any(3) },
		sub { 'UPDATE parts SET id = id + 10 WHERE id = ' . any(10) . ' AND NOT EXISTS (SELECT FROM parts p WHERE p.id = parts.id + 10)' },
		sub { 'DELETE FROM parts WHERE id % 5 = ' . any(5) },
	]);

# Reads a table: key => row.
sub rows
{
	my ($branch, $table) = @_;
	my ($count, $columns) = @{ $tables{$table} };
	my %rows;
	foreach (split /\n/, $node->safe_psql('postgres', "USE BRANCH $branch; \\pset null <null>\nSELECT $columns FROM $table", extra_params => [ '-F', "\t" ]))
	{
		my @cells = split /\t/, $_, -1;
		$rows{ join("\t", @cells[ 0 .. $count - 1 ]) } = \@cells;
	}
	return \%rows;
}

sub equal { my ($x, $y) = @_; return defined $x && defined $y ? join("\t", @$x) eq join("\t", @$y) : !defined $x && !defined $y; }

# Merges one row: of the branch now and at the last merge, and of main. Returns the row and whether both sides contradict
# each other.
sub merge_row
{
	my ($s, $b, $t, $branch_wins) = @_;
	return ($t, 0) if equal($s, $b) || equal($s, $t);
	return ($branch_wins ? undef : $t, 1) if !$s && !equal($t, $b);
	return (undef, 0) if !$s;
	return (!$t && !$b || $branch_wins ? $s : $t, $b || $t ? 1 : 0) if !$b || !$t;
	my @merged = @$t;
	my $conflict = 0;
	foreach my $i (0 .. $#merged)
	{
		next if $s->[$i] eq $b->[$i] || $s->[$i] eq $t->[$i];
		my $clash = $t->[$i] ne $b->[$i];
		$conflict ||= $clash;
		$merged[$i] = $s->[$i] if !$clash || $branch_wins;
	}
	return (\@merged, $conflict);
}

my ($bad, $conflicts, $clean, $refused) = (0, 0, 0, 0);
foreach my $round (1 .. ($ENV{HELIOS_ROUNDS} // 6))
{
	sql(map { $changes{keyed}[0]->(), $changes{parts}[0]->() } 1 .. 2);
	my $target = $round % 2 ? 'main' : "t$round";
	if ($target ne 'main')
	{
		sql("CREATE BRANCH $target");
		$node->psql('postgres', "USE BRANCH $target; " . $changes{$_}[any(scalar @{ $changes{$_} })]->()) foreach sort keys %tables;
		$node->psql('postgres', "USE BRANCH $target; " . (any(2) ? 'ALTER TABLE keyed ADD COLUMN extra int DEFAULT 1' : 'ALTER TABLE parts ADD COLUMN extra int')) if any(2);
	}
	sql("CREATE BRANCH b$round FROM $target");
	my %base;
	$base{$_} = rows($target, $_) foreach sort keys %tables;
	foreach my $merge (1 .. 4)
	{
		sql("MERGE BRANCH $target INTO main WITH (strategy = theirs)") if $target ne 'main' && $merge == 3;
		foreach my $branch ("b$round", $target)
		{
			foreach my $table (sort keys %tables)
			{
				my @pool = @{ $changes{$table} };
				my @script = map { $pool[any(scalar @pool)]->() } 1 .. any(4);
				$node->psql('postgres', "USE BRANCH $branch; $_") foreach @script;
			}
			sql('VACUUM FREEZE') if $branch eq $target && $merge == 3;
		}
		my $strategy = ('fail', 'branch_wins', 'target_wins')[ any(3) ];
		my (%expected, %source);
		my $found = 0;
		foreach my $table (sort keys %tables)
		{
			my ($s, $b, $t) = ($source{$table} = rows("b$round", $table), $base{$table}, rows($target, $table));
			foreach my $key (keys %{ { map { $_ => 1 } keys %$s, keys %$b, keys %$t } })
			{
				my ($row, $conflict) = merge_row($s->{$key}, $b->{$key}, $t->{$key}, $strategy eq 'branch_wins');
				$found += $conflict;
				$expected{"$table $key"} = join("\t", @$row) if $row;
			}
		}
		my $previewed = sql("SELECT count(*) FROM heliosdb.merge_preview('b$round', '$target') WHERE conflict");
		my ($status, $out, $error) = $node->psql('postgres', "MERGE BRANCH b$round INTO $target WITH (conflict_resolution = $strategy)");
		my $must_fail = $found > 0 && $strategy eq 'fail';
		$must_fail ? $refused++ : $found ? $conflicts++ : $clean++;
		my @differences = $previewed == $found ? () : "preview: $previewed conflicts instead of $found";
		if ($must_fail)
		{
			push @differences, "instead of $found conflicts: $error" unless $error =~ /cannot be merged: $found rows? (was|were) changed on both sides/;
			($status, $out, $error) = $node->psql('postgres', "MERGE BRANCH b$round INTO $target WITH (conflict_resolution = target_wins)");
			push @differences, $error if $error =~ /ERROR/;
		}
		else
		{
			push @differences, $error if $error =~ /ERROR/;
			my %result;
			foreach my $table (sort keys %tables)
			{
				my $rows = rows($target, $table);
				$result{"$table $_"} = join("\t", @{ $rows->{$_} }) foreach keys %$rows;
			}
			foreach (sort keys %{ { %expected, %result } })
			{
				push @differences, "$_: expected " . ($expected{$_} // 'none') . ', is ' . ($result{$_} // 'none') if ($expected{$_} // '') ne ($result{$_} // '');
			}
		}
		%base = %source;
		next unless @differences;
		$bad++;
		diag("seed $seed, round $round, merge $merge, $strategy:\n" . join("\n", @differences[ 0 .. ($#differences > 5 ? 5 : $#differences) ]));
	}
	sql("DROP BRANCH b$round");
	sql("DROP BRANCH $target") if $target ne 'main';
}
is($bad, 0, 'every merge made of the rows what it should');
cmp_ok($_->[0], '>', 0, $_->[1]) foreach [ $conflicts, 'with conflicts decided' ], [ $clean, 'without conflicts' ], [ $refused, 'refused' ];

# Bags: only one side changes, then the other.
sql(q{INSERT INTO bag SELECT i % 3, '[1]' FROM generate_series(1, 9) i}, 'CREATE BRANCH bags', 'CREATE BRANCH more');
my $bags_equal = 1;
foreach my $turn (1 .. 12)
{
	my $target = $turn > 6 ? 'bags' : 'main';
	sql('DROP BRANCH more', 'CREATE BRANCH more FROM bags') if $turn == 7;
	my $branch = $turn % 2 ? ($turn > 6 ? 'more' : 'bags') : $target;
	sql("USE BRANCH $branch", 'DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag LIMIT ' . any(4) . ')', "INSERT INTO bag SELECT i % 2, '[ $turn]' FROM generate_series(1, " . (1 + any(4)) . ') i');
	my $expected = sql("USE BRANCH $branch", 'SELECT a, j FROM bag ORDER BY a, j::text');
	sql($turn > 6 ? 'MERGE BRANCH more INTO bags' : 'MERGE BRANCH bags INTO main');
	$bags_equal &&= sql("USE BRANCH $target", 'SELECT a, j FROM bag ORDER BY a, j::text') eq $expected if $turn % 6 == 1 || $turn % 2 == 0;
}
ok($bags_equal, 'bags');

done_testing();
