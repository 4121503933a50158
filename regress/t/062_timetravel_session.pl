# heliosdb.as_of: a session that reads the past. And a cluster of a later epoch, which is refused.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('session');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE accounts (id int PRIMARY KEY, amount int);
	INSERT INTO accounts SELECT i, i FROM generate_series(1, 5) i;
	CREATE VIEW small AS SELECT id, amount FROM accounts WHERE id < 4;
	CREATE TABLE untracked (x int);
	CREATE MATERIALIZED VIEW fixed AS SELECT 1 AS one;
	CREATE FUNCTION total() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT sum(amount) FROM accounts); END';
	SELECT heliosdb.track('accounts')});
$node->safe_psql('postgres', 'SELECT pg_sleep(0.01)');
my $instant = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
$node->safe_psql('postgres', 'UPDATE accounts SET amount = amount * 10; DELETE FROM accounts WHERE id = 2');

my $set = "SET heliosdb.as_of = '$instant';";

# Runs statements in a session of the past; returns their output.
sub past { return $node->safe_psql('postgres', "$set @_"); }

# Checks the error of a statement in a session of the past.
sub past_fails
{
	my ($sql, $pattern, $name) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "$set $sql");
	isnt($status, 0, "$name: refused");
	like($err, $pattern, "$name: says why");
	return;
}

is(past('SELECT sum(amount) FROM accounts'), '15', 'a table');
is(past('SELECT string_agg(amount::text, \',\' ORDER BY id) FROM small'), '1,2,3', 'a view');
is(past('SELECT total()'), '15', 'a function');
is(past('FROM accounts |> AGGREGATE sum(amount)'), '15', 'Flux');
is(past('WITH a AS (SELECT * FROM accounts) SELECT (SELECT count(*) FROM a), (SELECT max(amount) FROM accounts)'), '5|5', 'CTE and subqueries');
is(past("SELECT count(*) FROM accounts AS OF TIMESTAMP '$instant' WHERE id = 2"), '1', 'a clause of its own');
is(past('SELECT count(*) FROM pg_class WHERE relname = \'accounts\''), '1', 'catalogs are those of the present');
is( $node->safe_psql('postgres', "PREPARE p AS SELECT sum(amount) FROM accounts; EXECUTE p; $set EXECUTE p; RESET heliosdb.as_of; EXECUTE p"),
	"130\n15\n130", 'a prepared statement follows the setting');
is( past("BEGIN; SAVEPOINT s; SET LOCAL heliosdb.as_of = ''; SELECT sum(amount) FROM accounts; ROLLBACK TO s; SELECT sum(amount) FROM accounts; COMMIT"),
	"130\n15", 'savepoints give the instant back');
is($node->safe_psql('postgres', "$set RESET heliosdb.as_of; INSERT INTO accounts VALUES (6, 6); SELECT count(*) FROM accounts"),
	'5', 'back in the present the session writes again');

past_fails('INSERT INTO accounts VALUES (9, 9)', qr/cannot execute INSERT in a read-only transaction/, 'INSERT');
past_fails('UPDATE accounts SET amount = 0', qr/cannot execute UPDATE in a read-only transaction/, 'UPDATE');
past_fails('WITH d AS (DELETE FROM accounts RETURNING 1) SELECT * FROM d', qr/cannot execute SELECT in a read-only transaction/, 'DELETE in a CTE');
past_fails('TRUNCATE accounts', qr/cannot execute TRUNCATE TABLE in a read-only transaction/, 'TRUNCATE');
past_fails('COPY accounts FROM STDIN', qr/cannot execute COPY FROM in a read-only transaction/, 'COPY FROM');
past_fails('CREATE TABLE copied AS SELECT * FROM accounts', qr/cannot execute CREATE TABLE AS in a read-only transaction/, 'CREATE TABLE AS');
past_fails('SELECT * FROM accounts FOR UPDATE', qr/rows of the past cannot be locked/, 'FOR UPDATE');
past_fails('SELECT * FROM untracked', qr/table "untracked" has no history/, 'an untracked table');
past_fails('SELECT * FROM fixed', qr/"fixed" has no past/, 'a materialized view');
past_fails('SELECT * FROM accounts TABLESAMPLE system (50)', qr/"accounts" has no past/, 'a sample');
my ($status, $out, $err) = $node->psql('postgres', q{SET heliosdb.as_of = 'some day'});
like($err, qr/invalid value for parameter "heliosdb.as_of": "some day".*It is not an instant/s, 'no instant');
($status, $out, $err) = $node->psql('postgres', q{SET heliosdb.as_of = '2001-01-01'; SELECT * FROM accounts});
like($err, qr/history of table "accounts" does not reach back to 2001-01-01/, 'before history');

# ---- A later epoch ----

$node->stop;
command_ok([ 'pg_resetwal', '-f', '-e', '1', $node->data_dir ], 'the cluster enters the next epoch');
$node->start;
($status, $out, $err) = $node->psql('postgres', "SELECT * FROM accounts AS OF TIMESTAMP now() - interval '0 s'");
like($err, qr/time travel is not supported yet in a cluster that has used up 2\^32 transactions/, 'AS OF is refused there');
is($node->safe_psql('postgres', 'SELECT sum(amount) FROM accounts'), '136', 'the present is readable');

done_testing();
