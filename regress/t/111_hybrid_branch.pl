# The random statements of 071 on a branch of hybrid tables, copied up as a whole and hybrid themselves, against a database
# of ordinary tables.
use strict;
use warnings;
use File::Basename;
use FindBin;
use lib $FindBin::RealBin;
use Hybrid;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

everywhere();
$ENV{HELIOS_ROUNDS} //= 3;
do(dirname(__FILE__) . '/071_branch_differential.pl') or die $@ || $!;
