# AS OF while others write: transfers, long transactions, savepoints, aborts, two-phase commits and batches keep sums
# constant; every instant read meanwhile must have these sums, and give the same rows when it is read again.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $instants = $ENV{HELIOS_INSTANTS} || 200;
my $node = PostgreSQL::Test::Cluster->new('writers');
$node->init;
# Few buffers for WAL make commits slow between taking their time and being seen.
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
jit = off
max_prepared_transactions = 10
fsync = off
wal_buffers = 32kB
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL, filler text DEFAULT repeat('x', 300)) WITH (fillfactor = 50);
	INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 60) i;
	CREATE TABLE journal (account int, amount int);
	CREATE TABLE batches (batch int, line int, amount int) PARTITION BY LIST (line);
	CREATE TABLE batches_even PARTITION OF batches FOR VALUES IN (0, 2);
	CREATE TABLE batches_odd PARTITION OF batches FOR VALUES IN (1, 3);
	CREATE TABLE seen (n int PRIMARY KEY, at timestamptz, sums text, rows text);
	SELECT heliosdb.track(t) FROM unnest('{accounts, journal, batches}'::regclass[]) t;

	-- Locks in order, so that there are no deadlocks.
	CREATE FUNCTION transfer(a int, b int, amount int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM FROM accounts WHERE id IN (a, b) ORDER BY id FOR UPDATE;
		UPDATE accounts SET balance = balance - amount WHERE id = a;
		INSERT INTO journal VALUES (a, -amount), (b, amount);
		UPDATE accounts SET balance = balance + amount WHERE id = b;
	END $$;
	CREATE FUNCTION transfers(a int, b int, times int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. times LOOP
			BEGIN
				PERFORM transfer(a, b, i);
				IF i % 3 = 0 THEN RAISE EXCEPTION 'not this one'; END IF;
			EXCEPTION WHEN raise_exception THEN NULL;
			END;
		END LOOP;
	END $$;

	-- The sums at an instant, and a digest of the rows.
	CREATE FUNCTION sums(moment timestamptz) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC
		SELECT concat_ws(' ', (SELECT count(*) FROM accounts x TABLESAMPLE as_of (moment)), (SELECT sum(balance) FROM accounts x TABLESAMPLE as_of (moment)),
			(SELECT coalesce(sum(amount), 0) FROM journal x TABLESAMPLE as_of (moment)), (SELECT coalesce(sum(amount), 0) FROM batches x TABLESAMPLE as_of (moment)),
			-- What the journal says of an account is what it has.
			(SELECT count(*) FROM accounts x TABLESAMPLE as_of (moment) LEFT JOIN (SELECT account, sum(amount) AS total FROM journal y TABLESAMPLE as_of (moment) GROUP BY 1) j
			 ON j.account = x.id WHERE x.balance <> 100 + coalesce(j.total, 0)));
	END;
	CREATE FUNCTION rows(moment timestamptz) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC
		SELECT concat_ws(' ', (SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM accounts x TABLESAMPLE as_of (moment)),
			(SELECT count(*) || ':' || coalesce(sum(hashtext(x::text)), 0) FROM journal x TABLESAMPLE as_of (moment)),
			(SELECT count(*) || ':' || coalesce(sum(hashtext(x::text)), 0) FROM batches x TABLESAMPLE as_of (moment)));
	END;
	CREATE FUNCTION rows_of_scn(moment bigint) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC
		SELECT concat_ws(' ', (SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM accounts x TABLESAMPLE heliosdb.as_of_scn (moment)),
			(SELECT count(*) || ':' || coalesce(sum(hashtext(x::text)), 0) FROM journal x TABLESAMPLE heliosdb.as_of_scn (moment)),
			(SELECT count(*) || ':' || coalesce(sum(hashtext(x::text)), 0) FROM batches x TABLESAMPLE heliosdb.as_of_scn (moment)));
	END;
	CREATE FUNCTION rows_now() RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC
		SELECT concat_ws(' ', (SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM accounts x),
			(SELECT count(*) || ':' || coalesce(sum(hashtext(x::text)), 0) FROM journal x),
			(SELECT count(*) || ':' || coalesce(sum(hashtext(x::text)), 0) FROM batches x));
	END;
	CREATE TABLE seen_by_scn (scn bigint PRIMARY KEY, rows text);
});

# ---- Writers ----

my %scripts = (
	'transfer@8' => q{
\set a random(1, 40)
\set b (:a + random(1, 39) - 1) % 40 + 1
SELECT transfer(:a, :b, 1);
},
	'batch@4' => q{
\set batch random(1, 30)
\set old random(1, 30)
BEGIN;
INSERT INTO batches VALUES (:batch, 0, :batch), (:batch, 1, -1), (:batch, 2, -:batch), (:batch, 3, 1);
DELETE FROM batches WHERE batch = :old;
END;
},
	'aborted@2' => q{
\set a random(1, 40)
BEGIN;
UPDATE accounts SET balance = 0 WHERE id = :a;
INSERT INTO journal VALUES (:a, 1000);
ROLLBACK;
},
	'savepoints@1' => q{
\set a random(1, 40)
BEGIN;
SELECT transfers(:a, :a % 40 + 1, 80);
SAVEPOINT s;
UPDATE accounts SET balance = 0 WHERE id = :a;
INSERT INTO journal VALUES (:a, 1000);
ROLLBACK TO s;
END;
},
	# Each client has accounts of its own here: others need not wait.
	'long@1' => q{
\set a 41 + :client_id * 2
BEGIN;
SELECT transfer(:a, :a + 1, 5);
\sleep 80 ms
SELECT transfer(:a + 1, :a, 3);
END;
},
	'prepared@2' => q{
\set a 41 + :client_id * 2
\set gid :client_id
BEGIN;
SELECT transfer(:a, :a + 1, 7);
PREPARE TRANSACTION 'p:gid';
\sleep 20 ms
COMMIT PREPARED 'p:gid';
},
	'order@1' => q{
\set a 41 + :client_id * 2
BEGIN;
SELECT pg_current_xact_id();
\sleep 10 ms
SELECT transfer(:a, :a + 1, 1);
END;
},
);
my @files;
for my $name (sort keys %scripts)
{
	my ($file, $weight) = split /@/, $name;
	append_to_file($node->basedir . "/$file.sql", $scripts{$name});
	push @files, '-f', $node->basedir . "/$file.sql\@$weight";
}
my ($in, $out) = ('', '');
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 5, '-j', 1, '-T', 600, '--max-tries', 3, @files, $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>&1');

# ---- Reader ----

$node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM journal') or BAIL_OUT('no writer writes');

# An instant is read at once, also that of the statement itself; where it is not settled yet, soon again.
my $script = '';
for my $n (1 .. $instants)
{
	my $moment = $n % 2 ? ':\'at\'' : 'statement_timestamp()';
	$script .= "\\unset sums\n";
	$script .= "SELECT clock_timestamp() AS at \\gset\n" if $n % 2;
	$script .= "SELECT $moment AS at, sums($moment), rows($moment) \\gset\n";
	$script .= "\\if :{?sums}\n\\else\nSELECT pg_sleep(0.005) \\gset\nSELECT clock_timestamp() AS at \\gset\nSELECT :'at' AS at, sums(:'at'), rows(:'at') \\gset\n\\endif\n" for 1 .. 8;
	$script .= "\\if :{?sums}\nINSERT INTO seen VALUES ($n, :'at', :'sums', :'rows');\n\\endif\n";
	# Not yet read instants are as good.
	$script .= "INSERT INTO seen VALUES (-$n, clock_timestamp());\n" if $n % 4 == 0;
}
# What a transaction sees has a number, unless another one was recorded in between; then it cannot be read yet.
for my $n (1 .. $instants)
{
	$script .= "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT pg_current_scn() AS scn, rows_now() AS rows \\gset\n";
	$script .= "INSERT INTO seen_by_scn SELECT :scn, :'rows' FROM (SELECT count(*) AS n FROM accounts AS OF SCN :scn x) c WHERE n > 0;\nEND;\n";
}
my $file = $node->basedir . '/reader.sql';
append_to_file($file, $script);
my ($status, $printed, $error) = $node->psql('postgres', "\\i $file", on_error_stop => 0);
my $unsettled = () = $error =~ /is not settled yet/g;
$error =~ s/^.*ERROR:  AS OF .* is not settled yet\n(DETAIL|HINT|CONTEXT): .*\n(HINT: .*\n)?(CONTEXT: .*\n)*//mg;
$error =~ s/^.*ERROR:  SCN \d+ is later than the snapshot of this statement\n(DETAIL|HINT): .*\n(HINT: .*\n)?//mg;
unlike($error, qr/ERROR/, 'no other error than that an instant is not settled yet');
note("$unsettled instants were not settled at once");
like($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), qr/\d/, 'writers are still there');
ok($writers->pumpable, 'writers run');
$writers->signal('TERM');
$writers->finish;
unlike($out, qr/aborted|error/i, 'no writer failed') or diag($out);
$node->safe_psql('postgres', $_) for split /\n/, $node->safe_psql('postgres', q{SELECT format('COMMIT PREPARED %L', gid) FROM pg_prepared_xacts});

cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM seen WHERE n > 0'), '>=', $instants * 0.9, 'instants that were read');
cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT rows) FROM seen'), '>', $instants / 4, 'states that were read');
cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT rows) FROM seen_by_scn'), '>', $instants / 4, 'numbered states');
is($node->safe_psql('postgres', q{SELECT DISTINCT sums FROM seen WHERE n > 0}), '60 6000 0 0 0', 'the sums are constant');
cmp_ok($node->safe_psql('postgres', q{
	SELECT count(*) FROM heliosdb_log.subxacts}), '>', 64, 'subtransactions');
# Transactions committed in another order than they began.
cmp_ok($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT pg_xact_commit_timestamp(x) < lag(pg_xact_commit_timestamp(x)) OVER (ORDER BY x::text::bigint) AS earlier
	                      FROM (SELECT DISTINCT xmin AS x FROM journal) d) o WHERE earlier}), '>', 5, 'reversed transactions');

# ---- The same again ----

$node->safe_psql('postgres', 'UPDATE seen SET rows = rows(at) WHERE n < 0');
for my $maintenance ('SELECT 1', 'VACUUM FREEZE', 'DELETE FROM journal; DELETE FROM batches; UPDATE accounts SET balance = 0', 'VACUUM FULL', 'crash')
{
	if ($maintenance eq 'crash')
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		$node->safe_psql('postgres', $maintenance);
	}
	is($node->safe_psql('postgres', 'SELECT n, at FROM seen WHERE rows IS DISTINCT FROM rows(at) ORDER BY at'), '', "the same rows after: $maintenance");
	is($node->safe_psql('postgres', 'SELECT scn FROM seen_by_scn WHERE rows IS DISTINCT FROM rows_of_scn(scn)'), '', "what was seen by SCN after: $maintenance");
	is($node->safe_psql('postgres', 'SELECT DISTINCT sums(at) FROM seen'), '60 6000 0 0 0', "the same sums after: $maintenance");
}

# Negative control: the sums tell a state that never was.
$node->safe_psql('postgres', 'UPDATE accounts SET balance = 7 WHERE id = 1');
isnt($node->safe_psql('postgres', 'SELECT sums(now())'), '60 6000 0 0 0', 'an inconsistent state is found');

done_testing();
