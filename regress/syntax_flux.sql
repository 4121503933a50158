-- Flux without the library preloaded: the translation as text, its errors, heliosdb.flux, and what the server says of
-- the syntax; options of incremental materialized views.
SET jit = off;
SET client_encoding = 'UTF8';
CREATE TABLE orders (id int, customer int, x int, label text, "Odd Name" text);
INSERT INTO orders SELECT i, i % 3, i % 5, 'l' || i, 'odd' || i FROM generate_series(1, 8) i;
CREATE TABLE customers (id int, name text);
INSERT INTO customers VALUES (0, 'ann'), (1, 'bob'), (9, 'nobody');

-- Not preloaded: the stock error, and why.
SELECT installed, in_use, detail FROM heliosdb.syntax_status();
FROM orders;
SELECT name, meaning FROM heliosdb.syntax_forms() ORDER BY name;
SELECT pattern, carrier FROM heliosdb.syntax_forms() WHERE name = 'index_method_last';
SELECT heliosdb.flux_to_sql(NULL) IS NULL AS null_gives_null, heliosdb.flux_to_sql('') = '' AS empty_stays_empty;

-- FROM first.
CREATE TABLE flux (nr int GENERATED ALWAYS AS IDENTITY, query text);
INSERT INTO flux (query) VALUES
  ('FROM orders SELECT count(*)'),
  ('FROM orders SELECT id, label WHERE id < 3'),
  ('from orders where x > 1 group by customer select customer, count(*) as n having count(*) > 1 order by n desc, customer limit 2'),
  ('FROM orders SELECT DISTINCT customer ORDER BY customer'),
  ('FROM orders o JOIN customers c ON c.id = o.customer SELECT o.id, c.name ORDER BY o.id OFFSET 1 FETCH FIRST 2 ROWS ONLY'),
  ('FROM customers c, LATERAL (FROM orders o SELECT max(o.x) AS m WHERE o.customer = c.id) l SELECT c.name, l.m ORDER BY 1'),
  ('FROM orders WINDOW w AS (ORDER BY id) SELECT id, sum(x) OVER w AS s WHERE id < 4 ORDER BY id'),
  ('WITH big AS (FROM orders WHERE x > 3) FROM big SELECT id ORDER BY id'),
  ('WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL FROM n SELECT i + 1 WHERE i < 3) FROM n'),
  ('FROM orders SELECT id WHERE id < 3 UNION ALL FROM customers SELECT id ORDER BY 1'),
  ('SELECT (FROM orders SELECT max(x)) AS m, EXISTS (FROM customers WHERE id = 5) AS e'),
  ('FROM orders SELECT "Odd Name" AS "from", trim(both FROM label) AS t, extract(day FROM DATE ''2020-01-02'') AS d, x IS DISTINCT FROM 2 AS i WHERE id = 2'),
  ('FROM /* ; |> */ orders -- comment
SELECT id, ''it''''s ; |> FROM'' AS s, $$a;b$$ AS d, E''\''\\'' AS e WHERE id = 1'),
  ('FROM (VALUES (1, ''a''), (2, ''b'')) v (n, t) SELECT t, n;');

-- Pipes.
INSERT INTO flux (query) VALUES
  ('FROM orders |> WHERE x > 2 |> WHERE id < 5 |> SELECT id, x'),
  ('FROM orders |> SELECT id, x + 1 AS y, |> WHERE y > 3 |> ORDER BY id'),
  ('FROM orders |> WHERE id < 3 |> EXTEND x * 2 AS twice |> WHERE twice > 2 |> SELECT id, twice'),
  ('FROM orders |> EXTEND row_number() OVER (PARTITION BY customer ORDER BY id) AS nth |> WHERE nth = 1 |> SELECT id |> ORDER BY id'),
  ('FROM orders |> AGGREGATE count(*) AS n, sum(x) AS s'),
  ('FROM orders |> AGGREGATE sum(x) AS s DESC, count(*) GROUP BY customer'),
  ('FROM orders |> AGGREGATE sum(x) AS s GROUP AND ORDER BY customer'),
  ('FROM orders |> AGGREGATE count(*) AS n GROUP BY ROLLUP (customer) |> ORDER BY customer'),
  ('FROM orders AS o |> JOIN customers AS c ON c.id = o.customer |> WHERE o.x > 1 |> SELECT o.id, c.name |> ORDER BY id'),
  ('FROM customers |> LEFT JOIN (FROM orders |> WHERE x = 4 |> SELECT customer, label) AS o ON o.customer = customers.id |> SELECT name, label |> ORDER BY name'),
  ('FROM customers AS a |> CROSS JOIN customers AS b |> AGGREGATE count(*) AS n'),
  ('FROM orders |> ORDER BY x DESC, id |> LIMIT 2 OFFSET 1 |> SELECT id, x'),
  ('FROM orders |> SELECT customer |> DISTINCT |> ORDER BY customer'),
  ('FROM orders |> SELECT id |> UNION ALL (FROM customers SELECT id), (SELECT 77) |> WHERE id > 7 |> ORDER BY id'),
  ('FROM customers |> SELECT id |> INTERSECT DISTINCT (FROM orders SELECT id)'),
  ('FROM customers |> SELECT id |> EXCEPT ALL (FROM orders SELECT id) |> ORDER BY id'),
  ('FROM orders |> WHERE x > 3 |> AS big |> JOIN customers AS c ON c.id = big.customer |> SELECT big.id, c.name'),
  ('SELECT customer, x FROM orders |> AGGREGATE max(x) AS m GROUP AND ORDER BY customer'),
  ('VALUES (1), (2), (3) |> WHERE column1 > 1');
-- Each translation, and what it gives.
\pset tuples_only on
\pset format unaligned
SELECT heliosdb.flux_to_sql(query) FROM flux ORDER BY nr \gexec
\pset format aligned
\pset tuples_only off
-- A translation has nothing of Flux left.
SELECT count(*) AS of_all, count(*) FILTER (WHERE heliosdb.flux_to_sql(heliosdb.flux_to_sql(query)) = heliosdb.flux_to_sql(query)) AS stay FROM flux;

-- Other statements with Flux inside, and texts that stay as they are.
SELECT heliosdb.flux_to_sql(query) AS sql, heliosdb.flux_to_sql(query) = query AS same FROM (VALUES
  (1, 'INSERT INTO orders (id) FROM customers SELECT id ON CONFLICT DO NOTHING RETURNING id'),
  (2, 'CREATE VIEW v AS FROM orders |> WHERE x = 1 WITH CHECK OPTION'),
  (3, 'CREATE MATERIALIZED VIEW m AS FROM orders WITH (fillfactor = 70) WITH NO DATA'),
  (4, 'CREATE TABLE c AS FROM orders WITH NO DATA'),
  (5, 'COPY (FROM orders) TO STDOUT'),
  (6, 'EXPLAIN (ANALYZE, FORMAT json) FROM orders'),
  (7, 'DECLARE c CURSOR FOR FROM orders FOR UPDATE'),
  (8, 'PREPARE p (int) AS FROM orders WHERE x = $1'),
  (9, 'WITH d AS (DELETE FROM orders RETURNING *), i AS (INSERT INTO orders FROM d RETURNING *) FROM i'),
  (10, 'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; FROM orders SELECT id; END'),
  (11, 'CREATE RULE r AS ON INSERT TO orders DO ALSO (INSERT INTO customers FROM orders SELECT id; DELETE FROM orders)'),
  (12, 'SELECT 1; FROM orders ; TABLE orders;'),
  (13, 'CREATE INDEX i ON orders (v vector_l2_ops) USING hnsw WITH (m = 8)'),
  (14, 'DELETE FROM orders'),
  (15, 'SELECT extract(day FROM now()), trim(FROM label), substring(label FROM 2), position(''a'' IN label) FROM orders'),
  (16, 'FETCH FORWARD 2 FROM c'),
  (17, 'COPY orders FROM STDIN'),
  (18, 'no sql at all ('),
  (19, 'SELECT ''FROM orders'' AS "FROM", $$ |> WHERE $$ /* FROM */'),
  (20, 'DROP DATABASE BRANCHES s')) q (nr, query) ORDER BY nr;

-- Rows.
SELECT * FROM heliosdb.flux('FROM orders |> WHERE id < 3 |> SELECT id, label') AS q (id int, label text);
SELECT sum(id) FROM heliosdb.flux('FROM orders SELECT id WHERE x = 1') AS q (id int);
SELECT * FROM heliosdb.flux('SELECT 1') AS q (one int);
SELECT * FROM heliosdb.flux('FROM orders SELECT id') AS q (id text);

-- Errors of the translation: SQLSTATE and place.
\set SHOW_CONTEXT never
DO $$
DECLARE
  query text;
  state text; message text; hint text;
BEGIN
  FOREACH query IN ARRAY ARRAY[
    'FROM orders |> PIVOT (x)', 'FROM orders |> SET x = 1', 'FROM orders |> DROP x', 'FROM orders |> WHERE x = 1 |> GROUP BY x',
    'FROM orders |> AGGREGATE', 'FROM orders |> AGGREGATE count(*) GROUP BY', 'FROM orders |> AS', 'FROM orders |> AS a b',
    'FROM orders |> DISTINCT x', 'FROM orders |> UNION ALL SELECT 1', 'FROM orders |> SELECT id FROM x', 'FROM orders SELECT ''open',
    'FROM orders SELECT "open', 'FROM orders SELECT $a$ open', 'FROM orders /* open', 'FROM orders SELECT U&''\00zz''', 'FROM orders |> EXTEND x AS y WHERE y = 1']
  LOOP
    BEGIN
      RAISE NOTICE '%: gives %', query, heliosdb.flux_to_sql(query);
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
      RAISE NOTICE '%: % % (%)', query, state, message, hint;
    END;
  END LOOP;
END $$;
-- psql draws the place.
SELECT heliosdb.flux_to_sql('FROM orders |> WHERE x = 1 |> PIVOT (x)');
SELECT heliosdb.flux_to_sql('FROM "öäü" |> WHERE x = ''ß'' LIMIT 2');
SELECT heliosdb.flux_to_sql('FROM orders SELECT ''open');
SELECT * FROM heliosdb.flux('FROM orders |> WHERE nope = 1') AS q (id int);

-- Settings.
SHOW heliosdb.syntax;
SHOW flux_sql;
SET flux_sql = off;
SHOW heliosdb.flux_sql;
SET heliosdb.syntax = off;
-- They are about statements: functions translate as before.
SELECT heliosdb.flux_to_sql('FROM orders');
SET heliosdb.flux_sql = nonsense;
RESET flux_sql;
RESET heliosdb.syntax;
SET heliosdb.extended_syntax = off;
SELECT name, vartype, boot_val, context FROM pg_settings WHERE name IN ('heliosdb.syntax', 'heliosdb.flux_sql', 'flux_sql') ORDER BY name;

-- Options of maintained materialized views, wherever they may stand.
CREATE MATERIALIZED VIEW mv WITH (auto_refresh = true) AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW IF NOT EXISTS public.mv WITH (fillfactor = 70, max_cpu_percent = 20) AS SELECT 1 AS a WITH NO DATA;
EXPLAIN (COSTS off) CREATE MATERIALIZED VIEW mv2 WITH (threshold_table_size = '1GB') AS SELECT 1 AS a;
EXPLAIN ANALYZE CREATE MATERIALIZED VIEW mv WITH (lazy_update) AS SELECT 1 AS a;
PREPARE p AS CREATE MATERIALIZED VIEW mv WITH (auto_refresh) AS SELECT 1;
DROP MATERIALIZED VIEW mv;
DO $$ BEGIN CREATE MATERIALIZED VIEW mv WITH (threshold_dml_rate = 100) AS SELECT 1 AS a; END $$;
DROP MATERIALIZED VIEW mv;
CREATE MATERIALIZED VIEW mv WITH (fillfactor = 70) AS SELECT 1 AS a;
ALTER MATERIALIZED VIEW mv SET (max_cpu_percent = 25);
ALTER MATERIALIZED VIEW IF EXISTS mv SET (fillfactor = 71, "priority" = 1);
ALTER MATERIALIZED VIEW mv SET (fillfactor = 72);
ALTER TABLE mv SET (auto_refresh = true);
-- Names of other objects and of nobody get the stock errors.
CREATE MATERIALIZED VIEW other WITH (nonsense = 1) AS SELECT 1 AS a;
CREATE TABLE other WITH (auto_refresh = true) AS SELECT 1 AS a;
CREATE TABLE other (a int) WITH (auto_refresh = true);
CREATE MATERIALIZED VIEW other WITH (toast.auto_refresh = true) AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW other AS SELECT 1 AS a WITH (fillfactor = 70);
SELECT relname, reloptions FROM pg_class WHERE relname IN ('mv', 'other');
