# Forms that are whole statements, in every protocol and place; statements with Flux inside; client and server encodings;
# dump and restore into a server without the library preloaded.
use strict;
use warnings;
use utf8;

use Encode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WireClient;

my $node = PostgreSQL::Test::Cluster->new('statements');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE items (id int, v vector(3));
	INSERT INTO items SELECT i, ARRAY[i, i % 3, 1]::real[]::vector FROM generate_series(1, 9) i;
	CREATE TABLE orders (id int PRIMARY KEY, x int, label text);
	INSERT INTO orders SELECT i, i % 6, 'l' || i FROM generate_series(1, 12) i;
	CREATE TABLE seen (line text);
});
my $wire = WireClient->new($node, 'postgres');

# ---- Whole statements ----

# Ways to run a statement; each gives a result of the wire.
my %ways = (
	(map { my $protocol = $_; ("$protocol protocol" => sub { $wire->$protocol($_[0]) }) } qw(simple extended prepared)),
	'multi-statement string' => sub { $wire->simple("SELECT 1; $_[0]; FROM orders SELECT id") },
	'behind a stock statement' => sub { $wire->simple("BEGIN; SELECT ';'; $_[0] ; COMMIT;") },
	'comments' => sub { $wire->simple($_[0] =~ s{ }{ /* ; USING hnsw WITH (a) */ -- " '\n}gr) },
	'lower case' => sub { $wire->simple(lc $_[0]) },
	'DO EXECUTE' => sub { $wire->simple("DO \$do\$ BEGIN EXECUTE \$place\$$_[0]\$place\$; END \$do\$") },
	'EXECUTE format' => sub { $wire->extended("DO \$do\$ BEGIN EXECUTE format('%s', \$place\$$_[0];\$place\$); END \$do\$") },
	'static PL/pgSQL' => sub { $wire->simple("DO \$do\$ BEGIN $_[0]; END \$do\$") },
	'SQL function' => sub { $wire->simple("CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS \$body\$ SELECT 1; $_[0] \$body\$; SELECT pg_temp.f(); DROP FUNCTION pg_temp.f") },
	'procedure' => sub { $wire->simple("CREATE PROCEDURE pg_temp.p() LANGUAGE sql AS \$body\$ $_[0]; SELECT 1 \$body\$; CALL pg_temp.p(); DROP PROCEDURE pg_temp.p") },
);

# All that the statements below may have made, and removes it.
my $made = q{
	SELECT indexdef FROM pg_indexes WHERE tablename = 'items' UNION ALL
	SELECT concat_ws(' ', relname, reloptions, relispopulated, reltablespace, pg_get_viewdef(oid)) FROM pg_class WHERE relkind = 'm' UNION ALL
	SELECT setting FROM pg_settings WHERE name = 'heliosdb.hybrid_storage' AND setting <> reset_val ORDER BY 1};
my $clean = q{DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT oid::regclass AS name, relkind FROM pg_class WHERE relkind = 'm' OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'items'::regclass) LOOP
		EXECUTE CASE r.relkind WHEN 'm' THEN 'DROP MATERIALIZED VIEW ' ELSE 'DROP INDEX ' END || r.name;
	END LOOP; RESET hybrid_storage; END $$};

# What a statement makes, or its error.
sub outcome
{
	my ($way, $sql) = @_;
	my $error = $ways{$way}->($sql)->{error};
	$wire->simple('ROLLBACK') if %$error;
	my $rows = $wire->simple($made)->{rows};
	$wire->simple($clean);
	return %$error ? "$error->{C} $error->{M}" : join("\n", @$rows);
}

# Ours, stock grammar.
my $columns = '(v vector_l2_ops)';
my $query = 'SELECT id, id + 1 AS next FROM items WHERE id > 2';
my @statements = (
	[ "CREATE INDEX i ON items $columns USING hnsw", "CREATE INDEX i ON items USING hnsw $columns" ],
	[ "CREATE INDEX ON items $columns USING hnsw", "CREATE INDEX ON items USING hnsw $columns" ],
	[ "CREATE INDEX IF NOT EXISTS i ON items $columns USING hnsw", "CREATE INDEX IF NOT EXISTS i ON items USING hnsw $columns" ],
	[ "CREATE INDEX i ON items $columns USING hnsw WITH (m = 8, ef_construction = 40)", "CREATE INDEX i ON items USING hnsw $columns WITH (m = 8, ef_construction = 40)" ],
	[ "CREATE INDEX i ON items $columns USING hnsw WHERE id > 2", "CREATE INDEX i ON items USING hnsw $columns WHERE id > 2" ],
	[ "CREATE INDEX IF NOT EXISTS i ON ONLY public.items $columns USING hnsw WITH (m = 8) TABLESPACE pg_default WHERE id > 2",
		"CREATE INDEX IF NOT EXISTS i ON ONLY public.items USING hnsw $columns WITH (m = 8) TABLESPACE pg_default WHERE id > 2" ],
	[ q{CREATE INDEX "using" ON "items" ("v" vector_l2_ops) USING hnsw}, q{CREATE INDEX "using" ON "items" USING hnsw ("v" vector_l2_ops)} ],
	[ q{CREATE INDEX U&"\0069" ON items ((v::vector(3)) vector_l2_ops) USING hnsw}, q{CREATE INDEX i ON items USING hnsw ((v::vector(3)) vector_l2_ops)} ],
	[ "CREATE UNIQUE INDEX i ON items $columns USING hnsw", "CREATE UNIQUE INDEX i ON items USING hnsw $columns" ],
	[ "CREATE INDEX i ON nowhere $columns USING hnsw", "CREATE INDEX i ON nowhere USING hnsw $columns" ],
	[ "CREATE MATERIALIZED VIEW mv AS $query WITH (fillfactor = 71)", "CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) AS $query" ],
	[ "CREATE MATERIALIZED VIEW mv TABLESPACE pg_default AS $query WITH (fillfactor = 71)", "CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) TABLESPACE pg_default AS $query" ],
	[ "CREATE MATERIALIZED VIEW mv AS $query WITH (fillfactor = 71) WITH NO DATA", "CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) AS $query WITH NO DATA" ],
	[ "CREATE MATERIALIZED VIEW IF NOT EXISTS mv (a, b) USING heap TABLESPACE pg_default AS $query WITH (fillfactor = 71, autovacuum_enabled = off) WITH DATA",
		"CREATE MATERIALIZED VIEW IF NOT EXISTS mv (a, b) USING heap WITH (fillfactor = 71, autovacuum_enabled = off) TABLESPACE pg_default AS $query WITH DATA" ],
	[ "CREATE MATERIALIZED VIEW mv AS WITH w AS ($query) TABLE w WITH (fillfactor = 71)", "CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) AS WITH w AS ($query) TABLE w" ],
	[ 'CREATE MATERIALIZED VIEW mv AS SELECT * FROM generate_series(1, 3) WITH ORDINALITY WITH (fillfactor = 71)', 'CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) AS SELECT * FROM generate_series(1, 3) WITH ORDINALITY' ],
	[ 'CREATE MATERIALIZED VIEW mv AS FROM items WHERE id > 2 SELECT id WITH (fillfactor = 71) WITH NO DATA', 'CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) AS SELECT id FROM items WHERE id > 2 WITH NO DATA' ],
	[ 'CREATE MATERIALIZED VIEW mv AS FROM items |> WHERE id > 2 |> SELECT id WITH (fillfactor = 71)', 'CREATE MATERIALIZED VIEW mv WITH (fillfactor = 71) AS SELECT id FROM items WHERE id > 2' ],
	[ 'SET hybrid_storage = column', q{SET hybrid_storage = 'column'} ],
	[ 'SET SESSION heliosdb.hybrid_storage TO COLUMN', q{SET SESSION heliosdb.hybrid_storage TO 'column'} ],
	[ 'CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH (nonsense = 1)', 'CREATE MATERIALIZED VIEW mv WITH (nonsense = 1) AS SELECT 1 AS a' ],
);
foreach (@statements)
{
	my ($ours, $stock) = @$_;
	my $expected = outcome('simple protocol', "SET heliosdb.syntax = off; $stock");
	$wire->simple('RESET heliosdb.syntax');
	unlike($expected, qr/^(42601.*|)$/, "standard SQL makes something: $stock");
	is(outcome($_, $ours), $expected, "$_: $ours") for sort keys %ways;
}

foreach my $option (qw(auto_refresh max_cpu_percent threshold_table_size threshold_dml_rate lazy_update))
{
	my $refused = $option eq 'threshold_table_size' ? '22023 invalid size: "no"' : qq{22023 invalid value "maybe" for option "$option" of materialized view "mv"};
	my $value = $option eq 'threshold_table_size' ? 'no' : 'maybe';
	my @texts = ("CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH ($option = $value)", "CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH (fillfactor = 70, $option = '$value') WITH NO DATA",
		"CREATE MATERIALIZED VIEW mv AS FROM items WITH ($option = '$value')");
	foreach my $way (sort keys %ways)
	{
		is(outcome($way, $_), $refused, "$way: $_") for $way eq 'simple protocol' ? @texts : $texts[0];
	}
	is(outcome('simple protocol', "EXPLAIN $texts[0]"), $refused, "EXPLAIN: $option");
}
like(join("\n", @{ $wire->simple("EXPLAIN (COSTS off) $statements[10][0]")->{rows} }), qr/^Seq Scan on items/, 'EXPLAIN of trailing options');
like($wire->simple("EXPLAIN (ANALYZE, FORMAT JSON) $statements[10][0]")->{rows}[0], qr/"Actual Rows": 7/, 'EXPLAIN ANALYZE of trailing options');
$wire->simple($clean);

foreach my $protocol (qw(simple extended prepared))
{
	my $result = $wire->$protocol("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON items $columns USING hnsw");
	is_deeply([ $result->{error}, $result->{tags} ], [ {}, ['CREATE INDEX'] ], "$protocol protocol: CONCURRENTLY");
	like($wire->simple($made)->{rows}[0], qr/^CREATE INDEX i ON public.items USING hnsw/, 'it is there');
	$wire->simple($clean);
	is($wire->extended("CREATE UNIQUE INDEX CONCURRENTLY i ON items $columns USING hnsw")->{error}{C}, '0A000', 'UNIQUE CONCURRENTLY: refused');
}

# ---- Branches: each form comes to its feature, which says what is wrong (t/070_branch.pl has what is right) ----

my $absent = 'branch "s" does not exist';
foreach my $form (
	[ 'CREATE DATABASE BRANCH s FROM CURRENT AS OF NOW WITH (a = 1)', 'unknown option "a" of a branch' ],
	[ q{CREATE BRANCH IF NOT EXISTS s FROM 'dev' AS OF TIMESTAMP '2025-01-01'}, 'branch "dev" does not exist' ],
	[ 'CREATE BRANCH s AS OF TRANSACTION 2', 'transaction 2 is not known to have committed' ],
	[ 'MERGE DATABASE BRANCH s INTO main WITH (a = 1)', 'unknown option "a" of a merge' ],
	[ 'MERGE BRANCH "s" INTO main', $absent ],
	[ 'DROP DATABASE BRANCH s', $absent ],
	[ 'DROP BRANCH s', $absent ],
	[ 'USE BRANCH s', $absent ],
	[ q{RECOVER DATABASE TO TIMESTAMP 'tomorrowish'}, 'invalid input syntax for type timestamp with time zone: "tomorrowish"' ])
{
	my ($sql, $message) = @$form;
	is($ways{$_}->($sql)->{error}{M}, $message, "$_: $sql") foreach 'simple protocol', 'extended protocol', 'prepared protocol', 'DO EXECUTE', 'multi-statement string', 'comments', 'SQL function';
}
is_deeply([ map { s/\|.*//r } @{ $ways{$_}->('SHOW DATABASE BRANCHES')->{rows} } ], ['main'], "$_: SHOW DATABASE BRANCHES") foreach 'simple protocol', 'extended protocol', 'prepared protocol';

# ---- Forms in places of their own ----

is($wire->extended('SELECT id FROM orders AS OF SCN $1 WHERE id = $2', 7, 1)->{error}{M}, 'table "orders" has no history', 'AS OF with a parameter');
is($wire->extended('SELECT id FROM orders VERSIONS BETWEEN SCN $1 AND TIMESTAMP $2', 7, 'now')->{error}{M}, 'table "orders" has no history', 'VERSIONS BETWEEN with parameters');
is($wire->simple('SELECT of.id FROM orders AS of WHERE of.id = 3')->{rows}[0], '3', 'an alias "of" stays one');
like($ways{'static PL/pgSQL'}->('MERGE DATABASE BRANCH a INTO b')->{error}{M}, qr/"b" is not a known variable/, 'limit: PL/pgSQL takes INTO of a static MERGE');
like($ways{'static PL/pgSQL'}->('FROM orders')->{error}{M}, qr/syntax error at or near "FROM"/, 'limit: no static statement of PL/pgSQL begins with FROM');

# ---- Flux inside statements ----

my $off = WireClient->new($node, 'postgres');
$off->simple('SET heliosdb.syntax = off');

# Both statements run in a transaction that is rolled back; results and their effect on `seen` and `orders` are one.
sub same_effect
{
	my ($flux, $stock, $name) = @_;
	my @results = map {
		my ($client, $sql) = @$_;
		my $result = $client->simple("BEGIN; $sql; TABLE seen; TABLE orders");
		$client->simple('ROLLBACK');
		$result;
	} [ $wire, $flux ], [ $off, $stock ];
	is_deeply($results[1]{error}, {}, "$name: standard SQL runs");
	is_deeply($results[0], $results[1], $name);
	return;
}

same_effect(
	'INSERT INTO orders AS o (id, x, label) FROM orders SELECT id + 10, x, label WHERE id < 4 ON CONFLICT (id) DO UPDATE SET x = (FROM orders SELECT max(x)) WHERE o.id > 0 RETURNING id, x',
	'INSERT INTO orders AS o (id, x, label) SELECT id + 10, x, label FROM orders WHERE id < 4 ON CONFLICT (id) DO UPDATE SET x = (SELECT max(x) FROM orders) WHERE o.id > 0 RETURNING id, x',
	'INSERT … ON CONFLICT … RETURNING');
same_effect('INSERT INTO seen FROM orders |> WHERE x = 2 |> SELECT label ON CONFLICT DO NOTHING RETURNING *', 'INSERT INTO seen SELECT label FROM orders WHERE x = 2 ON CONFLICT DO NOTHING RETURNING *', 'INSERT of a pipe');
same_effect('WITH d AS (DELETE FROM orders WHERE id IN (FROM orders SELECT id WHERE x = 1) RETURNING *), i AS (INSERT INTO seen FROM d SELECT label RETURNING line) FROM i',
	'WITH d AS (DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE x = 1) RETURNING *), i AS (INSERT INTO seen SELECT label FROM d RETURNING line) SELECT * FROM i', 'data-modifying CTEs');
same_effect('WITH big AS (FROM orders |> WHERE x > 3) UPDATE orders o SET x = -1 FROM big WHERE big.id = o.id RETURNING o.id', 'WITH big AS (SELECT * FROM orders WHERE x > 3) UPDATE orders o SET x = -1 FROM big WHERE big.id = o.id RETURNING o.id', 'a CTE before UPDATE');
same_effect('WITH big AS (FROM orders |> WHERE x > 3) INSERT INTO seen FROM big SELECT label', 'WITH big AS (SELECT * FROM orders WHERE x > 3) INSERT INTO seen SELECT label FROM big', 'a CTE before INSERT');
same_effect('UPDATE orders SET (x, label) = (FROM orders SELECT max(x), min(label)) WHERE id = 1', 'UPDATE orders SET (x, label) = (SELECT max(x), min(label) FROM orders) WHERE id = 1', 'UPDATE … = (FROM …)');
same_effect('DELETE FROM orders USING (FROM orders |> WHERE x = 2) d WHERE d.id = orders.id RETURNING orders.id', 'DELETE FROM orders USING (SELECT * FROM orders WHERE x = 2) d WHERE d.id = orders.id RETURNING orders.id', 'DELETE … USING (FROM …)');
same_effect('MERGE INTO orders o USING (FROM orders |> WHERE x = 2) d ON o.id = d.id WHEN MATCHED THEN UPDATE SET x = 9 WHEN NOT MATCHED THEN DO NOTHING',
	'MERGE INTO orders o USING (SELECT * FROM orders WHERE x = 2) d ON o.id = d.id WHEN MATCHED THEN UPDATE SET x = 9 WHEN NOT MATCHED THEN DO NOTHING', 'MERGE … USING (FROM …)');
same_effect('FROM orders SELECT id WHERE x = 1 ORDER BY id FOR UPDATE', 'SELECT id FROM orders WHERE x = 1 ORDER BY id FOR UPDATE', 'FOR UPDATE');
same_effect('FROM orders SELECT id INTO TEMP copied WHERE x = 1; FROM copied', 'SELECT id INTO TEMP copied FROM orders WHERE x = 1; SELECT * FROM copied', 'SELECT INTO');
same_effect('PREPARE p (int) AS INSERT INTO seen FROM orders SELECT label WHERE x = $1; EXECUTE p (3); DEALLOCATE p', 'PREPARE p (int) AS INSERT INTO seen SELECT label FROM orders WHERE x = $1; EXECUTE p (3); DEALLOCATE p', 'PREPARE of an INSERT');
same_effect('EXPLAIN (COSTS off) INSERT INTO seen FROM orders SELECT label WHERE x = 1', 'EXPLAIN (COSTS off) INSERT INTO seen SELECT label FROM orders WHERE x = 1', 'EXPLAIN of an INSERT');
same_effect('CREATE TABLE c (a) AS FROM orders |> SELECT id WITH NO DATA; INSERT INTO c FROM orders SELECT id; TABLE c', 'CREATE TABLE c (a) AS SELECT id FROM orders WITH NO DATA; INSERT INTO c SELECT id FROM orders; TABLE c', 'CREATE TABLE AS … WITH NO DATA');
same_effect('CREATE VIEW w AS FROM orders SELECT id, x WHERE x > 2 WITH LOCAL CHECK OPTION; INSERT INTO w VALUES (50, 5)', 'CREATE VIEW w AS SELECT id, x FROM orders WHERE x > 2 WITH LOCAL CHECK OPTION; INSERT INTO w VALUES (50, 5)', 'a view with check option');
same_effect(q{CREATE RULE r AS ON INSERT TO orders DO ALSO (INSERT INTO seen FROM (SELECT NEW.label AS l) n SELECT l; INSERT INTO seen SELECT 'two'); INSERT INTO orders VALUES (90, 1, 'ruled')},
	q{CREATE RULE r AS ON INSERT TO orders DO ALSO (INSERT INTO seen SELECT l FROM (SELECT NEW.label AS l) n; INSERT INTO seen SELECT 'two'); INSERT INTO orders VALUES (90, 1, 'ruled')}, 'rules');
my $trigger = q{CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE n int; r record; BEGIN
	SELECT count(*) INTO n FROM (%1$s) q; EXECUTE 'INSERT INTO seen %2$s' USING NEW.x; EXECUTE $q$%3$s$q$ INTO r USING NEW.x; PERFORM * FROM (%1$s) q;
	FOR r IN %1$s LOOP n := n + r.id; END LOOP; INSERT INTO seen VALUES (n), (r::text); NEW.label := (SELECT max(label) FROM (%1$s) q); RETURN NEW; END $$;
	CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.x > 0) EXECUTE FUNCTION t(); INSERT INTO orders VALUES (91, 2, ''), (92, 0, 'untouched')};
same_effect(sprintf($trigger, 'FROM orders |> WHERE x >= NEW.x', 'FROM orders SELECT label WHERE x = $1', 'FROM orders |> AGGREGATE max(id) AS m, $1 AS p'),
	sprintf($trigger, 'SELECT * FROM orders WHERE x >= NEW.x', 'SELECT label FROM orders WHERE x = $1', 'SELECT max(id) AS m, $1 AS p FROM orders'), 'triggers, with variables in static queries');
same_effect('CREATE FUNCTION f(low int) RETURNS SETOF orders LANGUAGE sql AS $$ FROM orders |> WHERE x >= low AND x >= $1 $$; SELECT * FROM f(4)',
	'CREATE FUNCTION f(low int) RETURNS SETOF orders LANGUAGE sql AS $$ SELECT * FROM orders WHERE x >= low AND x >= $1 $$; SELECT * FROM f(4)', 'arguments of an SQL function');
same_effect('CREATE FUNCTION f(low int) RETURNS SETOF orders LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY FROM orders WHERE x >= low; RETURN QUERY FROM orders |> WHERE x >= $1; END $$; SELECT * FROM f(4)',
	'CREATE FUNCTION f(low int) RETURNS SETOF orders LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT * FROM orders WHERE x >= low; RETURN QUERY SELECT * FROM orders WHERE x >= $1; END $$; SELECT * FROM f(4)', 'RETURN QUERY FROM …');
same_effect('CREATE FUNCTION f(low int) RETURNS int BEGIN ATOMIC INSERT INTO seen FROM orders SELECT label WHERE x > low; FROM orders SELECT id WHERE x > low ORDER BY id LIMIT 1; END; SELECT f(2); FROM orders |> WHERE x = 1; CREATE FUNCTION g() RETURNS int RETURN (FROM orders SELECT max(id)); SELECT g()',
	'CREATE FUNCTION f(low int) RETURNS int BEGIN ATOMIC INSERT INTO seen SELECT label FROM orders WHERE x > low; SELECT id FROM orders WHERE x > low ORDER BY id LIMIT 1; END; SELECT f(2); SELECT * FROM orders WHERE x = 1; CREATE FUNCTION g() RETURNS int RETURN (SELECT max(id) FROM orders); SELECT g()',
	'atomic bodies in a string of several statements');

# ---- Encodings: literals, names and error positions count characters ----

# SJIS has characters whose second byte is a backslash or a bar, EUC_JP none below 128.
my %literals = (UTF8 => "é ソ|>ポ", LATIN1 => "é|>ñ", SJIS => "ソ|>ポ表", EUC_JP => "ソ|>ポ表", WIN1252 => "é|>€");
my %encodings = (UTF8 => 'UTF-8', LATIN1 => 'iso-8859-1', SJIS => 'cp932', EUC_JP => 'euc-jp', WIN1252 => 'cp1252');
my %servers = (UTF8 => [ sort keys %literals ], EUC_JP => [qw(EUC_JP SJIS UTF8)], LATIN1 => [qw(LATIN1 UTF8)]);
foreach my $server (sort keys %servers)
{
	my $database = lc "encoded_$server";
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$server' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, 'CREATE TABLE t (id int)');
	$node->safe_psql($database, 'INSERT INTO t VALUES (7)');
	foreach my $encoding (@{ $servers{$server} })
	{
		my $literal = $encoding eq 'UTF8' ? $literals{$server} : $literals{$encoding};
		my $client = WireClient->new($node, $database);
		$client->simple("SET client_encoding = '$encoding'");
		my $encoded = sub { encode($encodings{$encoding}, $_[0]) };
		my $sql = qq{FROM t AS "$literal" SELECT id, '$literal' AS "a$literal" /* $literal */ WHERE '$literal' <> 'x'};
		my $pipes = qq{FROM t |> EXTEND '$literal' AS "a$literal" -- $literal\n|> WHERE "a$literal" = E'$literal'};
		foreach my $protocol (qw(simple extended))
		{
			my $to = "server $server, client $encoding, $protocol protocol";
			foreach my $text ($sql, $pipes)
			{
				my $result = $client->$protocol($encoded->($text));
				is_deeply([ $result->{columns}, $result->{rows} ], [ $encoded->("id|a$literal"), [ $encoded->("7|$literal") ] ], "$to: literals, names, comments");
			}
			my $wrong = qq{FROM t SELECT '$literal' AS "$literal", nope WHERE true};
			is($client->$protocol($encoded->($wrong))->{error}{P}, index($wrong, 'nope') + 1, "$to: cursor of an unknown column");
			$wrong = qq{FROM t |> WHERE '$literal' = 'x' LIMIT 1};
			is($client->$protocol($encoded->($wrong))->{error}{P}, index($wrong, 'LIMIT') + 1, "$to: cursor of an error inside a form");
			is($client->$protocol('FROM t |> PIVOT (id)')->{error}{C}, '0A000', "$to: a message of ours");
			$wrong = qq{FROM t SELECT '$literal',, id};
			is($client->$protocol($encoded->($wrong))->{error}{P}, index($wrong, ', id') + 1, "$to: cursor of the grammar's error");
		}
	}
}

# ---- Dump, and restore into a server without the library preloaded ----

$node->safe_psql(
	'postgres', q{
	CREATE VIEW flux_view AS FROM orders |> WHERE x > 2 |> EXTEND x * 2 AS twice |> JOIN items AS i ON i.id = orders.id |> SELECT orders.id, twice;
	CREATE MATERIALIZED VIEW flux_matview AS FROM orders |> AGGREGATE count(*) AS n GROUP BY x WITH (fillfactor = 71);
	CREATE FUNCTION flux_atomic(low int) RETURNS SETOF int BEGIN ATOMIC FROM orders |> WHERE x > low |> SELECT id; END;
	CREATE FUNCTION flux_string(low int) RETURNS SETOF int LANGUAGE sql AS 'FROM orders |> WHERE x > low |> SELECT id';
	CREATE RULE flux_rule AS ON DELETE TO orders DO ALSO INSERT INTO seen FROM (SELECT OLD.label AS l) o SELECT l;
	CREATE INDEX flux_index ON items (v vector_l2_ops) USING hnsw WITH (m = 9);
});
my $look = q{SELECT * FROM flux_view ORDER BY 1; SELECT * FROM flux_matview ORDER BY 1; SELECT flux_atomic(3); BEGIN; DELETE FROM orders WHERE id = 3; TABLE seen; ROLLBACK;
	SELECT pg_get_viewdef('flux_view'), reloptions FROM pg_class WHERE relname = 'flux_matview'; SELECT indexdef FROM pg_indexes WHERE tablename = 'items'};
my $before = $node->safe_psql('postgres', $look);
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-h', $node->host, '-p', $node->port, 'postgres' ], 'pg_dump');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', '-h', $node->host, '-p', $node->port, $dump ], 'pg_restore, not preloaded');
is($node->safe_psql('restored', $look), $before, 'views, atomic functions, rules and indexes work without the syntax');
my (undef, undef, $err) = $node->psql('restored', 'SELECT flux_string(3)');
like($err, qr/syntax error at or near "FROM"/, 'limit: the text of a function needs the syntax');

done_testing();
