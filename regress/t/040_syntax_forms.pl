# Queries in Flux in every protocol and in every place where a query may stand: results must be those of standard SQL that
# is run with the syntax off. Further: parameters, statements that only some places take, client encodings.
use strict;
use warnings;
use utf8;

use Encode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use WireClient;

my $node = PostgreSQL::Test::Cluster->new('forms');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'heliosdb'");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION heliosdb;
	CREATE TABLE orders (id int PRIMARY KEY, customer int, x int, label text, "Odd Name" text, "from" text);
	INSERT INTO orders SELECT i, i % 4, i % 6, CASE WHEN i % 5 > 0 THEN 'l' || i % 3 END, 'odd' || i, 'from' || i FROM generate_series(1, 14) i;
	CREATE TABLE customers (id int PRIMARY KEY, name text);
	INSERT INTO customers VALUES (0, 'ann'), (1, 'bob'), (2, 'cyd'), (9, 'nobody');
	CREATE TABLE seen (line text);
	ANALYZE;
});

# Name, Flux, the same in standard SQL; the translation by heliosdb.flux_to_sql is added below.
my @forms = (
	[ 'from', 'FROM orders', 'SELECT * FROM orders' ],
	[ 'from select', 'FROM orders SELECT id, x WHERE x > 2', 'SELECT id, x FROM orders WHERE x > 2' ],
	[ 'from where', 'FROM orders WHERE x > 2', 'SELECT * FROM orders WHERE x > 2' ],
	[ 'reading order',
		'FROM orders WHERE x > 0 GROUP BY customer HAVING count(*) > 1 SELECT customer, count(*) AS n ORDER BY n DESC, 1 LIMIT 2 OFFSET 1',
		'SELECT customer, count(*) AS n FROM orders WHERE x > 0 GROUP BY customer HAVING count(*) > 1 ORDER BY n DESC, 1 LIMIT 2 OFFSET 1' ],
	[ 'distinct', 'FROM orders SELECT DISTINCT customer', 'SELECT DISTINCT customer FROM orders' ],
	[ 'distinct on', 'FROM orders SELECT DISTINCT ON (customer) customer, id ORDER BY customer, id DESC',
		'SELECT DISTINCT ON (customer) customer, id FROM orders ORDER BY customer, id DESC' ],
	[ 'window', 'FROM orders WINDOW w AS (PARTITION BY customer ORDER BY id) SELECT id, sum(x) OVER w AS s',
		'SELECT id, sum(x) OVER w AS s FROM orders WINDOW w AS (PARTITION BY customer ORDER BY id)' ],
	[ 'fetch', 'FROM orders SELECT id ORDER BY id OFFSET 1 FETCH FIRST 2 ROWS ONLY', 'SELECT id FROM orders ORDER BY id OFFSET 1 FETCH FIRST 2 ROWS ONLY' ],
	[ 'join', 'FROM orders o JOIN customers c ON c.id = o.customer SELECT o.id, c.name', 'SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer' ],
	[ 'comma', 'FROM orders o, customers c WHERE c.id = o.customer SELECT o.id, c.name', 'SELECT o.id, c.name FROM orders o, customers c WHERE c.id = o.customer' ],
	[ 'lateral', 'FROM customers c, LATERAL (FROM orders o SELECT max(o.x) AS m WHERE o.customer = c.id) l SELECT c.name, l.m',
		'SELECT c.name, l.m FROM customers c, LATERAL (SELECT max(o.x) AS m FROM orders o WHERE o.customer = c.id) l' ],
	[ 'function', 'FROM generate_series(1, 3) g', 'SELECT * FROM generate_series(1, 3) g' ],
	[ 'rows from', 'FROM ROWS FROM (generate_series(1, 2), generate_series(5, 7)) r (a, b) SELECT b, a', 'SELECT b, a FROM ROWS FROM (generate_series(1, 2), generate_series(5, 7)) r (a, b)' ],
	[ 'values', "FROM (VALUES (1, 'a'), (2, 'b')) v (n, t) SELECT t, n", "SELECT t, n FROM (VALUES (1, 'a'), (2, 'b')) v (n, t)" ],
	[ 'sample', 'FROM ONLY orders AS o TABLESAMPLE system (100) REPEATABLE (1) SELECT o.id', 'SELECT o.id FROM ONLY orders AS o TABLESAMPLE system (100) REPEATABLE (1)' ],
	[ 'cte', 'WITH big AS (FROM orders WHERE x > 2) FROM big SELECT id', 'WITH big AS (SELECT * FROM orders WHERE x > 2) SELECT id FROM big' ],
	[ 'recursion', 'WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL FROM n SELECT i + 1 WHERE i < 4) FROM n', 'WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT * FROM n' ],
	[ 'scalar subquery', 'SELECT (FROM orders SELECT max(x)) AS m, ARRAY(FROM orders SELECT id ORDER BY id) AS a', 'SELECT (SELECT max(x) FROM orders) AS m, ARRAY(SELECT id FROM orders ORDER BY id) AS a' ],
	[ 'exists and in', 'SELECT name FROM customers c WHERE EXISTS (FROM orders o WHERE o.customer = c.id) OR id IN (FROM orders SELECT id)',
		'SELECT name FROM customers c WHERE EXISTS (SELECT * FROM orders o WHERE o.customer = c.id) OR id IN (SELECT id FROM orders)' ],
	[ 'set operations', 'FROM orders SELECT id UNION ALL FROM customers SELECT id EXCEPT SELECT 3', 'SELECT id FROM orders UNION ALL SELECT id FROM customers EXCEPT SELECT 3' ],
	[ 'parentheses', '(FROM orders SELECT id ORDER BY id LIMIT 1) UNION ALL (FROM customers SELECT id)', '(SELECT id FROM orders ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM customers)' ],
	[ 'from in functions', "FROM orders SELECT id, extract(year FROM DATE '2020-01-01') AS y, trim(FROM label) AS t, substring(label FROM 2) AS s, x IS DISTINCT FROM 2 AS d",
		"SELECT id, extract(year FROM DATE '2020-01-01') AS y, trim(FROM label) AS t, substring(label FROM 2) AS s, x IS DISTINCT FROM 2 AS d FROM orders" ],
	[ 'quoted names', 'FROM orders AS "select" SELECT "select"."Odd Name" AS "where", "from", U&"l\0061bel" AS "a""b" WHERE "from" > U&\'\0061\'',
		'SELECT "select"."Odd Name" AS "where", "from", label AS "a""b" FROM orders AS "select" WHERE "from" > \'a\'' ],
	[ 'constants', q{FROM orders SELECT id, 'it''s|>;FROM' AS a, E'\'|>\\\\' AS b, $$c;'|>$$ AS c, $t$|>$$FROM$t$ AS d, B'101' AS e, X'1F' AS f, 1.5e3 AS g WHERE label <> $$a;b$$},
		q{SELECT id, 'it''s|>;FROM' AS a, '''|>\\' AS b, 'c;''|>' AS c, '|>$$FROM' AS d, B'101' AS e, B'00011111' AS f, 1.5e3 AS g FROM orders WHERE label <> 'a;b'} ],
	[ 'operators', q{FROM orders SELECT id, x # 3 AS h, -x AS m, label || '!' AS l, x::text AS t, CAST(x AS numeric(5,2)) AS c, (ARRAY[1,2,3])[2] AS e, x BETWEEN 1 AND 2 AS b},
		q{SELECT id, x # 3 AS h, -x AS m, label || '!' AS l, x::text AS t, CAST(x AS numeric(5,2)) AS c, (ARRAY[1,2,3])[2] AS e, x BETWEEN 1 AND 2 AS b FROM orders} ],
	[ 'pipe where', 'FROM orders |> WHERE x > 2 |> WHERE label IS NOT NULL', 'SELECT * FROM orders WHERE x > 2 AND label IS NOT NULL' ],
	[ 'pipe select', 'FROM orders |> SELECT id, x + 1 AS y, |> WHERE y > 3', 'SELECT * FROM (SELECT id, x + 1 AS y FROM orders) s WHERE y > 3' ],
	[ 'pipe select distinct', 'FROM orders |> SELECT DISTINCT customer', 'SELECT DISTINCT customer FROM orders' ],
	[ 'pipe extend', 'FROM orders |> EXTEND x * 2 AS twice |> WHERE twice > 4', 'SELECT *, x * 2 AS twice FROM orders WHERE x * 2 > 4' ],
	[ 'pipe extend window', 'FROM orders |> EXTEND row_number() OVER (PARTITION BY customer ORDER BY id) AS nth |> WHERE nth = 1',
		'SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY customer ORDER BY id) AS nth FROM orders) s WHERE nth = 1' ],
	[ 'pipe aggregate', 'FROM orders |> AGGREGATE count(*) AS n, sum(x) AS s GROUP BY customer', 'SELECT customer, count(*) AS n, sum(x) AS s FROM orders GROUP BY customer' ],
	[ 'pipe aggregate all', 'FROM orders |> AGGREGATE count(*) AS n, max(x) FILTER (WHERE x < 4) AS m', 'SELECT count(*) AS n, max(x) FILTER (WHERE x < 4) AS m FROM orders' ],
	[ 'pipe aggregate order', 'FROM orders |> AGGREGATE sum(x) AS s GROUP AND ORDER BY customer', 'SELECT customer, sum(x) AS s FROM orders GROUP BY customer ORDER BY customer' ],
	[ 'pipe aggregate sets', 'FROM orders |> AGGREGATE count(*) AS n GROUP BY ROLLUP (customer, x)', 'SELECT customer, x, count(*) AS n FROM orders GROUP BY ROLLUP (customer, x)' ],
	[ 'pipe join', 'FROM orders AS o |> JOIN customers AS c ON c.id = o.customer |> WHERE o.x > 1 |> SELECT o.id, c.name',
		'SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.x > 1' ],
	[ 'pipe left join', 'FROM customers AS c |> LEFT JOIN orders AS o ON c.id = o.customer |> SELECT c.name, o.id', 'SELECT c.name, o.id FROM customers c LEFT JOIN orders o ON c.id = o.customer' ],
	[ 'pipe right join', 'FROM orders AS o |> RIGHT OUTER JOIN customers AS c ON c.id = o.customer |> SELECT c.name, o.id', 'SELECT c.name, o.id FROM customers c LEFT JOIN orders o ON c.id = o.customer' ],
	[ 'pipe full join', 'FROM orders AS o |> FULL JOIN customers AS c USING (id) |> SELECT id, c.name', 'SELECT id, c.name FROM orders o FULL JOIN customers c USING (id)' ],
	[ 'pipe cross join', 'FROM customers AS c |> CROSS JOIN (FROM orders SELECT id WHERE id < 3) AS o |> INNER JOIN customers AS d USING (name) |> SELECT name, o.id',
		'SELECT c.name, o.id FROM customers c, orders o WHERE o.id < 3' ],
	[ 'pipe natural join', 'FROM orders |> NATURAL JOIN customers |> SELECT id, name', 'SELECT id, name FROM orders NATURAL JOIN customers' ],
	[ 'pipe order limit', 'FROM orders |> ORDER BY x DESC, id |> LIMIT 3 OFFSET 1 |> SELECT id', 'SELECT id FROM orders ORDER BY x DESC, id LIMIT 3 OFFSET 1' ],
	[ 'pipe distinct', 'FROM orders |> SELECT x, customer |> DISTINCT |> WHERE x < 3', 'SELECT DISTINCT x, customer FROM orders WHERE x < 3' ],
	[ 'pipe union', 'FROM orders |> SELECT id |> UNION ALL (FROM customers SELECT id), (SELECT 77) |> WHERE id > 2',
		'SELECT * FROM (SELECT id FROM orders UNION ALL SELECT id FROM customers UNION ALL SELECT 77) s WHERE id > 2' ],
	[ 'pipe intersect', 'FROM orders |> SELECT id |> INTERSECT DISTINCT (FROM customers |> SELECT id)', 'SELECT id FROM orders INTERSECT SELECT id FROM customers' ],
	[ 'pipe except', 'FROM orders |> SELECT id |> EXCEPT ALL (FROM customers |> SELECT id)', 'SELECT id FROM orders EXCEPT ALL SELECT id FROM customers' ],
	[ 'pipe as', 'FROM orders |> WHERE x > 1 |> AS big |> JOIN customers AS c ON c.id = big.customer |> SELECT big.id, c.name',
		'SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.x > 1' ],
	[ 'pipe behind select', 'SELECT customer, x FROM orders |> AGGREGATE max(x) AS m GROUP BY customer', 'SELECT customer, max(x) AS m FROM orders GROUP BY customer' ],
	[ 'pipe behind values', 'VALUES (1), (2), (3) |> WHERE column1 > 1', 'SELECT * FROM (VALUES (1), (2), (3)) v WHERE column1 > 1' ],
	[ 'pipe behind table', 'TABLE customers |> WHERE id > 0 |> SELECT name', 'SELECT name FROM customers WHERE id > 0' ],
	[ 'pipe in cte', 'WITH big AS (FROM orders |> WHERE x > 2) FROM big |> AGGREGATE count(*) AS n', 'SELECT count(*) AS n FROM orders WHERE x > 2' ],
	[ 'pipe in subquery', 'SELECT s.id FROM (FROM orders |> WHERE x > 2 |> SELECT id) s WHERE s.id IN (FROM customers |> SELECT id)', 'SELECT id FROM orders WHERE x > 2 AND id IN (SELECT id FROM customers)' ],
);

my $body = '$place$';
# A place makes a script of a query; both queries of a form must give the same there.
my %places = (
	'simple protocol' => sub { "$_[0];" },
	'without a semicolon' => sub { "$_[0]\n\\g" },
	'lower case' => sub { my ($sql) = @_; $sql = lc $sql if $sql !~ /["'\$]/; "$sql;" },
	'comments' => sub { my ($sql) = @_; $sql =~ s{ }{ /* ; FROM t |> "' /* nested */ */ }g if $sql !~ /"Odd Name"/; "$sql /* end */;" },
	'lines' => sub { my ($sql) = @_; $sql =~ s{ }{ -- ; FROM |> '"\$\$\n\t}g if $sql !~ /"Odd Name"/; "$sql;" },
	'described only' => sub { "$_[0] \\gdesc" },
	'multi-statement string' => sub { "SELECT 1 AS a\\; $_[0]\\; SELECT ';' AS b\\; $_[0];" },
	'PREPARE' => sub { "PREPARE p AS $_[0]; EXECUTE p; EXECUTE p; DEALLOCATE p;" },
	'PREPARE with types' => sub { "PREPARE p (int) AS $_[0]; EXECUTE p (1); DEALLOCATE p;" },
	'EXPLAIN' => sub { "EXPLAIN $_[0]; EXPLAIN (COSTS off) $_[0]; EXPLAIN VERBOSE $_[0];" },
	'EXPLAIN ANALYZE' => sub { "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, FORMAT JSON) $_[0]; EXPLAIN (TIMING off, ANALYZE, SUMMARY off) $_[0];" },
	'view' => sub { "CREATE TEMP VIEW v AS $_[0]; TABLE v; DROP VIEW v;" },
	'view with options' => sub { "CREATE OR REPLACE TEMPORARY VIEW v WITH (security_barrier) AS $_[0]; TABLE v; DROP VIEW v;" },
	'materialized view' => sub { "CREATE MATERIALIZED VIEW m AS $_[0] WITH NO DATA; REFRESH MATERIALIZED VIEW m; TABLE m; DROP MATERIALIZED VIEW m;" },
	'materialized view, trailing options' => sub { my ($sql, $flux) = @_;
		"CREATE MATERIALIZED VIEW m " . ($flux ? "AS $sql WITH (fillfactor = 71)" : "WITH (fillfactor = 71) AS $sql") . ';
		SELECT reloptions FROM pg_class WHERE relname = \'m\'; TABLE m; DROP MATERIALIZED VIEW m;' },
	'CREATE TABLE AS' => sub { "CREATE TEMP TABLE c AS $_[0]; TABLE c; DROP TABLE c;" },
	'INSERT' => sub { "CREATE TEMP TABLE c ON COMMIT PRESERVE ROWS AS $_[0] WITH NO DATA; INSERT INTO c $_[0] RETURNING *; INSERT INTO c ($_[0]); TABLE c; DROP TABLE c;" },
	'COPY' => sub { "COPY ($_[0]) TO STDOUT (FORMAT csv, HEADER);" },
	'cursor' => sub { "BEGIN; DECLARE c SCROLL CURSOR FOR $_[0]; FETCH FORWARD ALL FROM c; FETCH FIRST FROM c; COMMIT;" },
	'common table expression' => sub { "WITH w AS MATERIALIZED ($_[0]) TABLE w;" },
	'subquery' => sub { "SELECT q FROM ($_[0]) q;" },
	'expressions' => sub { "SELECT EXISTS ($_[0]), (SELECT count(*) FROM ($_[0]) q), CASE WHEN NOT EXISTS ($_[0]) THEN 0 END;" },
	'set operation' => sub { "($_[0]) UNION ALL ($_[0]);" },
	'DO EXECUTE' => sub { "DO \$do\$ DECLARE r record; BEGIN FOR r IN EXECUTE $body$_[0]$body LOOP INSERT INTO seen VALUES (r::text); END LOOP; END \$do\$; TABLE seen; DELETE FROM seen;" },
	'static FOR' => sub { "DO \$do\$ DECLARE r record; BEGIN FOR r IN $_[0] LOOP INSERT INTO seen VALUES (r::text); END LOOP; END \$do\$; TABLE seen; DELETE FROM seen;" },
	'static cursors' => sub { "DO \$do\$ DECLARE bound_ CURSOR FOR $_[0]; open_ refcursor; row_ record; BEGIN
		OPEN open_ FOR $_[0]; LOOP FETCH open_ INTO row_; EXIT WHEN NOT FOUND; INSERT INTO seen VALUES (row_::text); END LOOP; CLOSE open_;
		FOR row_ IN bound_ LOOP INSERT INTO seen VALUES (row_::text); END LOOP;
		OPEN open_ FOR EXECUTE $body$_[0]$body; FETCH open_ INTO row_; INSERT INTO seen VALUES (row_::text); END \$do\$; TABLE seen; DELETE FROM seen;" },
	'PL/pgSQL expressions' => sub { "DO \$do\$ DECLARE count_ int := (SELECT count(*) FROM ($_[0]) q); BEGIN
		IF EXISTS ($_[0]) AND count_ = (SELECT count(*) FROM ($_[0]) q) THEN count_ := count_ * ((SELECT count(*) FROM ($_[0]) q) + 1); END IF;
		INSERT INTO seen VALUES (count_); END \$do\$; TABLE seen; DELETE FROM seen;" },
	'RETURN QUERY' => sub { "CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE plpgsql AS \$do\$ BEGIN RETURN QUERY WITH q AS ($_[0]) SELECT q::text FROM q;
		RETURN QUERY EXECUTE $body SELECT q::text FROM ($_[0]) q $body; END \$do\$; SELECT pg_temp.f(); DROP FUNCTION pg_temp.f;" },
	'SQL function, string' => sub { "CREATE FUNCTION pg_temp.f() RETURNS SETOF record LANGUAGE sql AS \$do\$ SELECT 1; $_[0]; \$do\$; SELECT pg_temp.f(); DROP FUNCTION pg_temp.f;" },
	'SQL function, quoted string' => sub { my ($sql) = @_; $sql =~ s/(['\\])/$1$1/g; "CREATE FUNCTION pg_temp.f() RETURNS SETOF record AS E'$sql' LANGUAGE sql; SELECT pg_temp.f(); DROP FUNCTION pg_temp.f;" },
	'SQL function, atomic' => sub { "CREATE FUNCTION pg_temp.f() RETURNS SETOF record LANGUAGE sql BEGIN ATOMIC INSERT INTO seen VALUES (1); $_[0]; DELETE FROM seen; $_[0]; END; SELECT pg_temp.f(); DROP FUNCTION pg_temp.f;" },
	'procedure, atomic, in a string' => sub { "CREATE PROCEDURE pg_temp.p() BEGIN ATOMIC $_[0]; INSERT INTO seen SELECT q FROM ($_[0]) q; END\\; CALL pg_temp.p()\\; $_[0]\\; TABLE seen\\; DELETE FROM seen\\; DROP PROCEDURE pg_temp.p;" },
	'parallel worker' => sub { "CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE plpgsql PARALLEL SAFE AS \$do\$ BEGIN RETURN QUERY EXECUTE $body SELECT q::text FROM ($_[0]) q $body; END \$do\$;
		EXPLAIN (COSTS off) SELECT string_agg(l, ';') FROM pg_temp.f() l; SELECT string_agg(l, ';') FROM pg_temp.f() l; DROP FUNCTION pg_temp.f;" },
);

# Runs a script for each form in one session; returns what each printed, lines sorted, and all errors.
sub run_forms
{
	my ($script, $preamble) = @_;
	my $sql = "$preamble\n" . join('', map { "\\echo === $_->[0]\n" . $script->($_) . "\n" } @forms);
	my ($status, $out, $err) = $node->psql('postgres', encode_utf8($sql), on_error_stop => 0);
	my (undef, %sections) = split /^=== (.*)\n?/m, $out;
	$_ = join("\n", sort split /\n/) for values %sections;
	return (\%sections, $err);
}

my $off = 'SET heliosdb.syntax = off;';
my ($translations) = run_forms(sub { "SELECT heliosdb.flux_to_sql(\$place\$$_[0][1]\$place\$);" }, '');
push @$_, $translations->{ $_->[0] } for @forms;
foreach my $name (sort keys %places)
{
	my $place = $places{$name};
	my $parallel = $name eq 'parallel worker' ? 'SET force_parallel_mode = on;' : '';
	my ($flux, $errors) = run_forms(sub { $place->($_[0][1], 1) }, $parallel);
	# Of plans, those of the translation are the measure.
	my $text = $name =~ /^EXPLAIN/ ? 3 : 2;
	my ($stock, $stock_errors) = run_forms(sub { $place->($_[0][$text], 0) }, $off . $parallel);
	is(scalar(keys %$stock), scalar(@forms), "$name: standard SQL ran");
	is_deeply($flux, $stock, "$name: every form gives what standard SQL gives");
	is("$errors$stock_errors", '', "$name: no messages");
	like($flux->{from}, qr/Gather/, 'it is a parallel worker') if $parallel;
}

# ---- The extended protocol ----

my $wire = WireClient->new($node, 'postgres');
my $stock_wire = WireClient->new($node, 'postgres');
$stock_wire->simple($off);

# The whole of a result, rows sorted.
sub summary
{
	my ($result) = @_;
	return { %$result, rows => [ sort @{ $result->{rows} } ] };
}

foreach my $form (@forms)
{
	my ($name, $flux, $stock) = @$form;
	my $expected = summary($stock_wire->simple($stock));
	is_deeply($expected->{error}, {}, "$name: standard SQL runs");
	is_deeply(summary($wire->$_($flux)), $expected, "$name: $_ protocol, with columns and tag") for qw(simple extended prepared);
}

# Flux, standard SQL, parameters.
my @parametrized = (
	[ 'FROM orders SELECT id, $2::text AS l WHERE x = $1 ORDER BY id LIMIT $3', 'SELECT id, $2::text AS l FROM orders WHERE x = $1 ORDER BY id LIMIT $3', 2, "it's", 2 ],
	[ 'FROM orders WHERE x = $1 AND $1 > 0 SELECT id, $2 || label AS l', 'SELECT id, $2 || label AS l FROM orders WHERE x = $1 AND $1 > 0', 2, 'FROM' ],
	[ 'FROM orders |> WHERE x > $1 |> EXTEND x + $2 AS y |> AGGREGATE sum(y) AS s GROUP BY customer |> WHERE s > $3 |> ORDER BY s |> LIMIT $4',
		'SELECT customer, sum(x + $2) AS s FROM orders WHERE x > $1 GROUP BY customer HAVING sum(x + $2) > $3 ORDER BY s LIMIT $4', 1, 10, 5, 2 ],
	[ 'FROM generate_series($1::int, $2) g |> JOIN customers AS c ON c.id = g.g AND c.name <> $3', 'SELECT g, c.id, c.name FROM generate_series($1::int, $2) g JOIN customers c ON c.id = g AND c.name <> $3', 0, 5, 'bob' ],
	[ 'SELECT id FROM customers WHERE id IN (FROM orders SELECT customer WHERE x = $1)', 'SELECT id FROM customers WHERE id IN (SELECT customer FROM orders WHERE x = $1)', 5 ],
	[ 'INSERT INTO seen FROM orders SELECT label || $1 WHERE id = $2 RETURNING line', 'INSERT INTO seen SELECT label || $1 FROM orders WHERE id = $2 RETURNING line', '!', 3 ],
	[ 'FROM orders |> WHERE id = ANY ($1) |> SELECT id, label', 'SELECT id, label FROM orders WHERE id = ANY ($1)', '{1,2,3}' ],
);
foreach (@parametrized)
{
	my ($flux, $stock, @values) = @$_;
	my $expected = summary($stock_wire->extended($stock, @values));
	is_deeply($expected->{error}, {}, "standard SQL runs: $stock");
	cmp_ok(scalar @{ $expected->{rows} }, '>', 0, 'and has rows');
	is_deeply(summary($wire->$_($flux, @values)), $expected, "$_ protocol with parameters: $flux") for qw(extended prepared);

	my $literals = join(', ', map { "'" . s/'/''/gr . "'" } @values);
	my ($run, $stock_run) = map { $_->[0]->simple("PREPARE p AS $_->[1]; EXECUTE p ($literals); DEALLOCATE p") } [ $wire, $flux ], [ $stock_wire, $stock ];
	is_deeply(summary($run), summary($stock_run), "PREPARE and EXECUTE with parameters: $flux");
}

# Errors have the SQLSTATE of standard SQL and point into the text as it was written.
foreach (
	[ 'FROM orders SELECT id, nope WHERE x = $1', '42703', 'nope' ],
	[ 'FROM orders WHERE x = $1 SELECT id + label', '42883', '+ label' ],
	[ 'FROM orders |> EXTEND x + $1 AS y |> WHERE z > 1', '42703', 'z > 1' ],
	[ 'FROM nowhere |> WHERE $1 = 1', '42P01', 'nowhere' ],
	[ 'FROM orders |> AGGREGATE summ(x) AS s GROUP BY customer, $1::int', '42883', 'summ' ],
	[ 'FROM orders SELECT id, WHERE x = $1', '42601', 'WHERE' ],
	[ 'FROM orders |> WHERE x = $1 LIMIT 1', '42601', 'LIMIT' ],
	[ 'FROM orders |> WHERE x = $1 |> PIVOT (x)', '0A000', 'PIVOT' ],
	[ q{FROM orders SELECT $1, 'open}, '42601', q{'open} ])
{
	my ($sql, $state, $place) = @$_;
	my $literal = $sql =~ s/\$1/'1'/r;
	my %errors = (simple => $wire->simple($literal)->{error}, extended => $wire->extended($sql, 1)->{error});
	is("$errors{simple}{C} at $errors{simple}{P}", "$state at " . (index($literal, $place) + 1), "simple protocol, error of: $sql");
	is("$errors{extended}{C} at $errors{extended}{P}", "$state at " . (index($sql, $place) + 1), "extended protocol, error of: $sql");
}
is($wire->simple('BEGIN; SELECT 1/0')->{error}{C}, '22012', 'a transaction is aborted');
is($wire->$_('FROM orders')->{error}{C}, '25P02', "$_ protocol: an aborted transaction refuses Flux as it refuses all else") for qw(simple extended);
is_deeply($wire->simple('ROLLBACK; FROM customers SELECT id WHERE id = 1')->{rows}, ['1'], 'and ends');

# ---- pgbench, whose variables become parameters ----

$node->safe_psql('postgres', 'TRUNCATE seen');
my $script = $node->basedir . '/flux.sql';
append_to_file(
	$script, q{\set low 2
\set more 10
FROM orders |> WHERE x > :low |> AGGREGATE count(*) AS n, sum(x + :more) AS s \gset
INSERT INTO seen FROM orders SELECT label || :n::bigint || ' ' || :s::bigint WHERE x = :low ORDER BY id LIMIT 1;
CREATE INDEX IF NOT EXISTS orders_x ON orders (x);
});
foreach my $mode (qw(simple extended prepared))
{
	$node->command_ok([ 'pgbench', '-n', '-M', $mode, '-t', '1', '-f', $script, 'postgres', '-p', $node->port, '-h', $node->host ], "pgbench, $mode");
}
is( $node->safe_psql('postgres', 'TABLE seen'),
	$node->safe_psql('postgres', "$off SELECT 'l2' || count(*) || ' ' || sum(x + 10) FROM orders, generate_series(1, 3) i WHERE x > 2 GROUP BY i"),
	'pgbench wrote the same three times');

done_testing();
