# The same random statements as in 071, with tables that are copied row by row.
use strict;
use warnings;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

$ENV{HELIOS_BRANCH_ROWS} = 0;
do(dirname(__FILE__) . '/071_branch_differential.pl') or die $@ || $!;
