# Every shape of materialized view against its query, in the same snapshot, while others write: random statements in
# transactions of every isolation level that are long, abort, have savepoints or are prepared; cascades, COPY, MERGE,
# replicated changes. HELIOS_ORACLE_SECONDS makes it run longer.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Shapes;
use Test::More;
use Time::HiRes qw(sleep time);

my $writers = 3;
my $seconds = $ENV{HELIOS_ORACLE_SECONDS} // 40;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
heliosdb.max_cpu_background = 0
heliosdb.mv_full_refresh_fraction = 1
max_prepared_transactions = 10
deadlock_timeout = 100ms
fsync = off
jit = off
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql('CREATE EXTENSION heliosdb;' . shape_tables());
sql(q{
	INSERT INTO a SELECT i, nullif(i % 7, 3), i % 13, 't' || i % 5, round((i % 11) / 7.0, i % 4), i % 6 FROM generate_series(1, 200) i;
	INSERT INTO b SELECT i, i * 3, i % 6, 's' || i % 3 FROM generate_series(1, 40) i;
	INSERT INTO c SELECT i % 9, i / 3.0 FROM generate_series(1, 60) i;
	INSERT INTO p SELECT i, i % 5, i % 8 FROM generate_series(1, 100) i;
	CREATE TABLE views (name text PRIMARY KEY, query text);

	-- One random statement.
	CREATE FUNCTION act(kind int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE r int := (random() * 220)::int; d int := (random() * 9)::int;
	BEGIN
		CASE kind
		WHEN 0 THEN INSERT INTO a VALUES (r, nullif(d, 3), r % 13, 't' || d % 5, round(r / 7.0, d % 4), d) ON CONFLICT (id) DO UPDATE SET x = a.x + 1, t = excluded.t;
		WHEN 1 THEN UPDATE a SET x = (x + 1) % 15 WHERE id BETWEEN r AND r + 5;
		WHEN 2 THEN UPDATE a SET g = nullif((coalesce(g, 0) + 1) % 8, 3), n = n + 0.25 WHERE id BETWEEN r AND r + 3;
		WHEN 3 THEN DELETE FROM a WHERE id = r;
		WHEN 4 THEN INSERT INTO a SELECT i, i % 7, i % 13, NULL, NULL, 1 FROM generate_series(r, r + 4) i ON CONFLICT DO NOTHING;
		WHEN 5 THEN INSERT INTO b SELECT r, min(id), d, 's' || d % 3 FROM a WHERE id >= r ON CONFLICT (id) DO UPDATE SET y = excluded.y;
		WHEN 6 THEN UPDATE b SET y = nullif(d, 7), s = CASE WHEN s > 's1' THEN NULL ELSE 's2' END WHERE id BETWEEN r AND r + 9;
		WHEN 7 THEN DELETE FROM b WHERE id BETWEEN r AND r + 2;
		WHEN 8 THEN INSERT INTO c SELECT nullif(i % 9, 4), d FROM generate_series(d, d + 2) i;
		WHEN 9 THEN DELETE FROM c WHERE ctid IN (SELECT ctid FROM c WHERE k = d LIMIT 9);
		WHEN 10 THEN UPDATE c SET v = v + 0.5 WHERE k = d AND v < 40;
		WHEN 11 THEN MERGE INTO p USING (SELECT r % 110 AS id) n ON p.id = n.id WHEN MATCHED AND p.x > 6 THEN DELETE
			WHEN MATCHED THEN UPDATE SET x = p.x + 1 WHEN NOT MATCHED THEN INSERT VALUES (n.id, d % 5, d);
		WHEN 12 THEN UPDATE p SET id = id + 1000 WHERE id = r AND NOT EXISTS (SELECT FROM p WHERE id = r + 1000);
		WHEN 13 THEN DELETE FROM p WHERE id > 900;
		WHEN 14 THEN UPDATE a SET id = id + 300 WHERE id = r AND NOT EXISTS (SELECT FROM a WHERE id = r + 300);
		WHEN 15 THEN WITH gone AS (DELETE FROM a WHERE id > 300 AND id % 3 = d % 3 RETURNING *) INSERT INTO c SELECT g, x FROM gone;
		WHEN 16 THEN UPDATE a SET n = CASE WHEN n = 'NaN' THEN 1.5 ELSE 'NaN' END, f = CASE WHEN d = 1 THEN 'NaN' ELSE d::float8 END WHERE id = r;
		WHEN 17 THEN SET LOCAL session_replication_role = replica; UPDATE a SET x = d WHERE id = r; DELETE FROM b WHERE id = r; SET LOCAL session_replication_role = origin;
		WHEN 18 THEN DELETE FROM a WHERE g = d AND random() < 0.1;
		ELSE INSERT INTO c SELECT k, v FROM c WHERE k = d AND v < 3 LIMIT 2;
		END CASE;
	END $$;

	-- Random transactions.
	CREATE PROCEDURE act_for(seconds float8) LANGUAGE plpgsql AS $$
	DECLARE stop timestamptz := clock_timestamp() + seconds * interval '1 second';
	BEGIN
		WHILE clock_timestamp() < stop LOOP
			BEGIN
				FOR i IN 1 .. 1 + (random() * 3)::int LOOP
					BEGIN
						PERFORM act((random() * 19)::int);
						IF random() < 0.1 THEN RAISE EXCEPTION 'savepoint rolled back'; END IF;
					EXCEPTION WHEN raise_exception OR unique_violation OR foreign_key_violation OR serialization_failure THEN NULL;
					END;
					IF random() < 0.02 THEN PERFORM pg_sleep(0.3); END IF;
				END LOOP;
			EXCEPTION WHEN deadlock_detected THEN NULL;
			END;
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
			-- So many changes that a full refresh is cheaper are not wanted here.
			PERFORM pg_sleep(0.05);
		END LOOP;
	END $$;

	CREATE FUNCTION differing(v text) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE q text; result bigint;
	BEGIN
		SELECT query INTO q FROM views WHERE name = v;
		EXECUTE format('SELECT count(*) FROM ((SELECT * FROM %1$I EXCEPT ALL SELECT * FROM (%2$s) q) UNION ALL (SELECT * FROM (%2$s) q EXCEPT ALL SELECT * FROM %1$I)) d', v, q) INTO result;
		RETURN result;
	END $$;});

my @shapes = shapes();
for (@shapes)
{
	my ($name, $how, $query) = @$_;
	sql("CREATE MATERIALIZED VIEW \"$name\" WITH (auto_refresh = true) AS $query; INSERT INTO views VALUES ('$name', \$q\$$query\$q\$)");
	is(sql("SELECT incremental, method, why_not FROM heliosdb.mv_explain('\"$name\"')"), "t|$how|", "$name is incremental");
}

# Refreshes and compares views in one snapshot each; returns those that differ.
sub refresh_all
{
	my @names = @_;
	my $script = join '', map { "BEGIN ISOLATION LEVEL REPEATABLE READ; REFRESH MATERIALIZED VIEW \"$_\" INCREMENTALLY; SELECT '$_', differing('$_') WHERE differing('$_') > 0; COMMIT;\n" } @names;
	return sql($script);
}

# ---- Writers of every isolation level and refreshes at once ----
my (@running, @errors);
my @levels = ('read committed', 'repeatable read', 'serializable');
for my $writer (1 .. $writers)
{
	my ($in, $out, $err) = ('', '', '');
	my $level = $levels[ ($writer - 1) % @levels ];
	# A transaction that cannot be serialized ends its session; there are many short ones.
	my $sessions = $level eq 'serializable' ? $seconds : 1;
	my $length = $seconds / $sessions;
	my @commands = map { "-c '$_'" } "SELECT setseed(0.$writer)", 'SET client_min_messages = error', "SET default_transaction_isolation = \"$level\"", "CALL act_for($length)";
	push @errors, \$err;
	push @running, IPC::Run::start([ 'sh', '-c', "for i in \$(seq $sessions); do psql -X -q -d '" . $node->connstr('postgres') . "' @commands; done; true" ], '<', \$in, '>', \$out, '2>', \$err);
}
my ($rounds, $wrong, $begin, $prepared) = (0, '', time, 0);
while (time - $begin < $seconds)
{
	# A transaction that is prepared before a refresh and committed behind it.
	my $id = 5000 + $rounds;
	$node->psql('postgres', "BEGIN; INSERT INTO a VALUES ($id, 2, 5, 't1', 0.5, 1); INSERT INTO c VALUES (1, 1); PREPARE TRANSACTION 'p$rounds'");
	$wrong .= refresh_all(map { $_->[0] } @shapes);
	$prepared++ if $node->psql('postgres', $rounds % 3 == 2 ? "ROLLBACK PREPARED 'p$rounds'" : "COMMIT PREPARED 'p$rounds'") == 0;
	sql("COPY c (k) FROM PROGRAM 'seq 1 3'") if $rounds % 4 == 1;
	$rounds++;
}
$_->finish for @running;
is(join('', grep { $_ !~ /could not serialize|^(CONTEXT|DETAIL|HINT|SQL statement|PL\/pgSQL)/ } map { split /^/m, $$_ } @errors), '', 'writers went on to the end');
is($wrong, '', "$rounds rounds beside $writers writers: every view equals its query");
cmp_ok($rounds, '>=', 3, 'several rounds');
cmp_ok($prepared, '>=', 1, 'with prepared transactions');
is(refresh_all(map { $_->[0] } @shapes), '', 'and in the end');
my $full = sql("SELECT string_agg(DISTINCT name || ': ' || reason, '; ') FROM heliosdb.mview_history WHERE trigger = 'manual' AND strategy <> 'incremental'");
is($full, '', 'no refresh was a full one');
note(sql("SELECT count(*), sum(changes), sum(rows_inserted + rows_deleted) FROM heliosdb.mview_history WHERE strategy = 'incremental'"));
cmp_ok(sql("SELECT sum(changes) FROM heliosdb.mview_history WHERE strategy = 'incremental'"), '>', 1000, 'rows had changed');

# ---- Empty tables, and TRUNCATE ----
sql('DELETE FROM b; DELETE FROM a; DELETE FROM c; DELETE FROM p');
is(refresh_all(map { $_->[0] } @shapes), '', 'all tables are empty');
sql(q{INSERT INTO a SELECT i, i % 4, i % 3, 't' || i % 2, 1, 1 FROM generate_series(1, 20) i; INSERT INTO c SELECT i % 3, 1 FROM generate_series(1, 9) i; INSERT INTO b VALUES (1, 1, 1, 's'); INSERT INTO p VALUES (1, 1, 1)});
is(refresh_all(map { $_->[0] } @shapes), '', 'and filled again');
is(sql("SELECT count(*) FROM heliosdb.mview_history WHERE trigger = 'manual' AND strategy <> 'incremental'"), '0', 'incrementally');
sql('TRUNCATE c; INSERT INTO c VALUES (1, 1)');
is(refresh_all(map { $_->[0] } @shapes), '', 'after TRUNCATE');
sql('UPDATE c SET v = 2; DELETE FROM a WHERE id < 9');
is(refresh_all(map { $_->[0] } @shapes), '', 'and after that');
is(sql("SELECT count(DISTINCT relid) FROM heliosdb.mview_history h WHERE strategy = 'incremental' AND id = (SELECT max(id) FROM heliosdb.mview_history WHERE relid = h.relid)"), scalar @shapes, 'incrementally again');

$node->stop;
done_testing();
