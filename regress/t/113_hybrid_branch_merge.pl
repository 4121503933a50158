# What copies of hybrid tables are like; merges of branches of hybrid tables, by the rules that 073 computes.
use strict;
use warnings;
use File::Basename;
use FindBin;
use lib $FindBin::RealBin;
use Hybrid;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('copies');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'\nfsync = off");
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION heliosdb; CREATE TABLE g (id int PRIMARY KEY, t text) USING heliosdb; INSERT INTO g VALUES (1, 't');
	SELECT heliosdb.set_table_options('g', 'zstd', order_by => 't DESC'); SELECT heliosdb.set_column_options('g', 't', 'lz4'); CREATE BRANCH b; USE BRANCH b; UPDATE g SET t = 'u'");
is($node->safe_psql('postgres', q{SELECT amname, o.attribute, o.compression, o.order_by FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN heliosdb.hybrid_options o ON o.relation = c.oid WHERE c.relname = 'g' AND c.oid <> 'g'::regclass ORDER BY 2}),
	"heliosdb|0|zstd|t DESC\nheliosdb|2|lz4|", 'a copy is hybrid and has the options of the table');
$node->safe_psql('postgres', 'DROP BRANCH b');
is($node->safe_psql('postgres', 'SELECT DISTINCT relation FROM heliosdb.hybrid_options'), 'g', 'which go with it');
$node->stop;

everywhere();
$ENV{HELIOS_ROUNDS} //= 3;
do(dirname(__FILE__) . '/073_branch_merge.pl') or die $@ || $!;
