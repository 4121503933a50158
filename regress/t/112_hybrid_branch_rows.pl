# The same with tables that are copied row by row.
use strict;
use warnings;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

$ENV{HELIOS_BRANCH_ROWS} = 0;
do(dirname(__FILE__) . '/111_hybrid_branch.pl') or die $@ || $!;
