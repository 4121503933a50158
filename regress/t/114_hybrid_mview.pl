# Materialized views over hybrid tables: every shape against its query beside writers, as in 095, while rows move.
use strict;
use warnings;
use File::Basename;
use FindBin;
use lib $FindBin::RealBin;
use Hybrid;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

everywhere();
$ENV{HELIOS_ORACLE_SECONDS} //= 15;
do(dirname(__FILE__) . '/095_mview_oracle.pl') or die $@ || $!;
