# The server's clock is set back while branches are created, changed and merged: what they begin with and what was merged
# does not depend on it. The clock is that of libfaketime.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library) = grep { -e } glob('/usr/lib/*/faketime/libfaketime.so.1');
plan skip_all => 'needs libfaketime (package faketime)' if !$library;

my $node = PostgreSQL::Test::Cluster->new('clock');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\nautovacuum = off\nfsync = off\n");

# All processes of the server take their clock from a file, which is read at each look.
my $clock = $node->basedir . '/clock';
sub set_clock { open my $file, '>', "$clock.new" or die; print $file "$_[0]\n"; close $file; rename "$clock.new", $clock or die; return; }
set_clock('+0');
{
	local %ENV = (%ENV, FAKETIME_TIMESTAMP_FILE => $clock, FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1, LD_PRELOAD => $library);
	$node->start;
}
sub sql { return $node->safe_psql('postgres', join('; ', @_)); }
sub on { my ($branch, @sql) = @_; return sql("USE BRANCH $branch", @sql); }

$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	CREATE TABLE bag (a int);
	INSERT INTO t SELECT i, 0 FROM generate_series(1, 4) i;
	INSERT INTO bag VALUES (0)});
my $rows = q{SELECT (SELECT string_agg(id || ':' || n, ',' ORDER BY id) FROM t), (SELECT string_agg(a::text, ',' ORDER BY a) FROM bag)};

set_clock('+3600');
sql('CREATE BRANCH b', 'UPDATE t SET n = 1 WHERE id = 1');
set_clock('+0');
sql('UPDATE t SET n = 2 WHERE id = 2');
like(slurp_file($node->logfile), qr/the clock was set back from .* to /, 'the clock was set back');
like(($node->psql('postgres', q{SELECT count(*) FROM t AS OF TIMESTAMP now() + interval '30 minutes'}))[2] // '', qr/names no single state|is in the future/, 'instants in between name nothing');
is(on('b', $rows), '1:0,2:0,3:0,4:0|0', 'a branch begins where it did');
on('b', 'UPDATE t SET n = 3 WHERE id = 3', 'INSERT INTO bag VALUES (3)');
sql('MERGE BRANCH b INTO main');
is(sql($rows), '1:1,2:2,3:3,4:0|0,3', 'a merge with the fork as base');

set_clock('+7200');
on('b', 'UPDATE t SET n = 4 WHERE id = 4', 'DELETE FROM bag WHERE a = 0');
sql('MERGE BRANCH b INTO main');
set_clock('+1800');
on('b', 'UPDATE t SET n = 5 WHERE id = 1', 'INSERT INTO bag VALUES (5)');
sql('UPDATE t SET n = 6 WHERE id = 4', 'CREATE BRANCH late');
is(on('late', $rows), '1:1,2:2,3:3,4:6|3', 'a branch of a time that came twice');
is($node->safe_psql('postgres', q{SELECT string_agg(key, ',' ORDER BY key) FROM heliosdb.merge_preview('b') WHERE conflict}), '(1)', 'a preview with a merge of that time as base');
sql('MERGE BRANCH b INTO main WITH (conflict_resolution = branch_wins)');
is(sql($rows), '1:5,2:2,3:3,4:6|3,5', 'and the merge');

done_testing();
