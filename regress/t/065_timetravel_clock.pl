# The server's clock is set back while transactions commit: instants that came twice are refused, those before and
# after are answered truly, and SCN go on as if nothing had happened. The clock is that of libfaketime.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library) = grep { -e } glob('/usr/lib/*/faketime/libfaketime.so.1');
plan skip_all => 'needs libfaketime (package faketime)' if !$library;

my $node = PostgreSQL::Test::Cluster->new('clock');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
fsync = off
});

# All processes of the server take their clock from a file, which is read at each look.
my $clock = $node->basedir . '/clock';
sub set_clock { open my $file, '>', "$clock.new" or die; print $file "$_[0]\n"; close $file; rename "$clock.new", $clock or die; }
sub start
{
	local %ENV = (%ENV, FAKETIME_TIMESTAMP_FILE => $clock, FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1, LD_PRELOAD => $library);
	$node->start;
}
set_clock('+0');
start();
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	SELECT heliosdb.track('t');
	INSERT INTO t SELECT i, 0 FROM generate_series(1, 10) i});

# Changes the table and remembers the state, its SCN and the time.
my @states;
sub step
{
	my $n = @states + 1;
	$node->safe_psql('postgres', "UPDATE t SET n = $n WHERE id <= $n");
	push @states, [ split /\|/, $node->safe_psql('postgres', 'SELECT clock_timestamp(), (SELECT sum(n) FROM t)') ];
	push @{ $states[-1] }, $node->safe_psql('postgres', 'SELECT pg_current_scn()');
}
sub at { return $node->psql('postgres', "SELECT sum(n) FROM t AS OF TIMESTAMP '$_[0]' x", stdout => $_[1], stderr => $_[2]); }

step() for 1 .. 2;
cmp_ok(abs($node->safe_psql('postgres', "SELECT extract(epoch FROM now())") - time), '<', 60, 'the clock is right at first');
set_clock('+3600');
step();
set_clock('-1800');
step();
like(slurp_file($node->logfile), qr/the clock was set back from .* to /, 'the step is noticed');
set_clock('-1790');
step();

# Before the clock was set forward, and back: the truth.
my ($out, $error);
set_clock('+7200');
step();
for my $n (0, 1, 5)
{
	at($states[$n][0], \$out, \$error);
	my $ambiguous = $n < 2;
	# Half an hour before the first states is where the clock went back to.
	if ($n == 5) { is($out, $states[$n][1], "state $n, after all steps"); }
	else { like($error, qr/AS OF .* names no single state\n.*\n?HINT:  Use AS OF SCN/, "state $n has been overtaken"); }
}
at($states[$_][0], \$out, \$error), like($error, qr/names no single state/, "state $_ came while the clock was wrong") for 2 .. 4;
is($node->safe_psql('postgres', "SELECT sum(n) FROM t AS OF SCN $states[$_][2] x"), $states[$_][1], "state $_ by its SCN") for 0 .. $#states;
my @numbers = map { $_->[2] } @states;
is_deeply(\@numbers, [ sort { $a <=> $b } @numbers ], 'SCN never go back');

# Small steps count too: a second back while others commit.
set_clock('+7300');
step();
my $whole = @states - 1;
set_clock('+7299');
step();
at($states[$whole][0], \$out, \$error);
like($error, qr/names no single state/, 'a step of a second');

# While the server is down.
set_clock('+9000');
step();
$node->stop;
set_clock('+8000');
start();
step();
at($states[-2][0], \$out, \$error);
like($error, qr/names no single state/, 'a step while the server was down');
is($node->safe_psql('postgres', "SELECT sum(n) FROM t AS OF SCN $states[-2][2] x"), $states[-2][1], 'the state before it by its SCN');

done_testing();
