# Merges of branches of hybrid tables, by the rules that 073 computes.
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
do(dirname(__FILE__) . '/073_branch_merge.pl') or die $@ || $!;
