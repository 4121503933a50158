# The same random merges as in 073, with tables that are copied row by row.
use strict;
use warnings;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

$ENV{HELIOS_BRANCH_ROWS} = 0;
do(dirname(__FILE__) . '/073_branch_merge.pl') or die $@ || $!;
