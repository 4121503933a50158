# Statements of stock PostgreSQL, of all kinds: what the mutants are made of.
SELECT 1
SELECT id, note FROM orders WHERE id = 1
SELECT DISTINCT customer FROM orders ORDER BY customer DESC NULLS LAST
SELECT DISTINCT ON (customer) customer, id FROM orders ORDER BY customer, id
SELECT o.id, c.name AS "from" FROM orders o JOIN customers c ON c.id = o.customer WHERE o.amount > 2.5
SELECT o.id FROM orders AS o LEFT OUTER JOIN customers AS c USING (id) WHERE c.id IS NULL
SELECT * FROM orders NATURAL JOIN customers
SELECT * FROM orders CROSS JOIN customers LIMIT 3 OFFSET 1
SELECT * FROM orders o FULL JOIN customers c ON o.customer = c.id
SELECT * FROM orders, customers WHERE orders.customer = customers.id
SELECT customer, count(*), sum(amount) FILTER (WHERE id > 2) FROM orders GROUP BY customer HAVING count(*) > 1
SELECT customer, id, sum(amount) FROM orders GROUP BY ROLLUP (customer, id)
SELECT customer, id FROM orders GROUP BY GROUPING SETS ((customer), (id), ())
SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id) FROM orders
SELECT id, sum(amount) OVER w FROM orders WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM orders
SELECT string_agg(note, ',' ORDER BY id) FROM orders
SELECT id FROM orders WHERE id IN (1, 2, 3) AND note NOT LIKE 'a%' ESCAPE '!'
SELECT id FROM orders WHERE id IN (SELECT id FROM customers) OR amount BETWEEN 1 AND 2
SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = orders.customer)
SELECT id FROM orders WHERE id = ANY (ARRAY[1, 2]) AND customer <> ALL (SELECT id FROM customers)
SELECT (SELECT max(id) FROM customers) AS top, id FROM orders
SELECT id FROM (SELECT id FROM orders WHERE id > 1) AS s (id) WHERE s.id < 5
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (x, y)
SELECT id FROM orders UNION SELECT id FROM customers ORDER BY 1
SELECT id FROM orders UNION ALL (SELECT id FROM customers LIMIT 1) INTERSECT SELECT 1
SELECT id FROM orders EXCEPT ALL SELECT id FROM customers
SELECT id FROM orders ORDER BY id FETCH FIRST 2 ROWS ONLY
SELECT id FROM orders ORDER BY id FETCH FIRST 2 ROWS WITH TIES
SELECT id FROM orders WHERE id = 1 FOR UPDATE OF orders SKIP LOCKED
SELECT id FROM orders FOR SHARE NOWAIT
SELECT * FROM orders AS of
SELECT of.id FROM orders AS of WHERE of.id = 1
SELECT * FROM orders TABLESAMPLE system (10) REPEATABLE (1)
SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) WITH ORDINALITY AS r (a, b, n)
SELECT * FROM generate_series(1, 2) WITH ORDINALITY AS g (a, n)
SELECT * FROM orders o, LATERAL (SELECT name FROM customers c WHERE c.id = o.customer) l
SELECT * FROM ONLY orders
SELECT unnest(tags), doc -> 'k', doc ->> 'k', doc @> '{"k": 1}' FROM orders
SELECT tags[1], tags[1:2], (ROW(1, 2)::pair).a FROM orders
SELECT CASE WHEN id > 1 THEN 'x' WHEN id IS NULL THEN 'y' ELSE note END FROM orders
SELECT CASE customer WHEN 1 THEN 2 END AS "case" FROM orders
SELECT CAST(id AS text), id::bigint::numeric(10, 2), note COLLATE "C" FROM orders
SELECT EXTRACT(year FROM placed), placed AT TIME ZONE 'UTC', placed + interval '1 day' FROM orders
SELECT SUBSTRING(note FROM 1 FOR 2), TRIM(BOTH 'n' FROM note), TRIM(FROM note), OVERLAY(note PLACING 'x' FROM 1) FROM orders
SELECT POSITION('n' IN note), note SIMILAR TO 'n%', note ~* 'N.' FROM orders
SELECT id IS DISTINCT FROM customer, id IS NOT DISTINCT FROM NULL, note IS NOT NULL FROM orders
SELECT COALESCE(note, 'x'), NULLIF(id, 1), GREATEST(1, 2), LEAST(id, customer) FROM orders
SELECT id |> customer, |> id FROM orders WHERE id |> 2 > 100
SELECT 1 |> 2 |> 3 AS piped
SELECT 1 OPERATOR(public.|>) 2, 3 OPERATOR(pg_catalog.+) 4
SELECT date '2024-01-01', timestamp with time zone '2024-01-01 00:00+00', interval '1' day, interval(3) '1.5 s'
SELECT E'a\nb', U&'\0061', $$dollar 'text'$$, $tag$FROM orders$tag$, B'101', X'1F', 'it''s'
SELECT 1.5e3, .5, -1, +2, 2 ^ 3, 5 % 2, 7 / 2, ~ 1, @ -5, 2 != 3
SELECT NOT true OR false AND NULL IS UNKNOWN
SELECT ARRAY[[1, 2], [3, 4]], ARRAY(SELECT id FROM orders), ROW(1, 'a') = (1, 'a')
SELECT current_date, current_user, localtimestamp(2), session_user
SELECT add_one(1), lower(upper('a')), concat_ws(',', VARIADIC ARRAY['a', 'b'])
SELECT make_interval(days => 10), make_date(year := 2024, month := 1, day := 1)
SELECT count(DISTINCT customer), count(ALL id), array_agg(id ORDER BY id DESC) FROM orders
SELECT GROUPING(customer), customer FROM orders GROUP BY CUBE (customer)
SELECT xmlelement(name a, 'b'), xmlforest(1 AS x), normalize('a', NFC)
SELECT größe FROM (SELECT 1 AS größe, '日本語' AS "日本語") s
SELECT id AS select, note AS where FROM orders AS "group"
SELECT ALL id FROM orders WHERE (id, customer) IN ((1, 1), (2, 2))
SELECT (orders).id, orders.*, public.orders.note FROM public.orders
SELECT id INTO TEMP kept FROM orders WHERE id = 1
SELECT $1::int + $2::int
SELECT id FROM orders WHERE id = $1 LIMIT $2
TABLE orders
TABLE customers ORDER BY id LIMIT 1
VALUES (1, 'a'), (2, 'b') ORDER BY 1 LIMIT 1
WITH x AS (SELECT id FROM orders), y (k) AS MATERIALIZED (SELECT 1) SELECT * FROM x, y
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n
WITH d AS (DELETE FROM orders WHERE false RETURNING id) SELECT * FROM d
WITH RECURSIVE g AS (SELECT 1 AS a UNION SELECT a FROM g) SEARCH DEPTH FIRST BY a SET s CYCLE a SET c USING p SELECT a FROM g
SELECT 1; SELECT 2
SELECT id FROM orders; UPDATE orders SET note = 'x' WHERE false; SELECT 3
INSERT INTO customers VALUES (10, 'x')
INSERT INTO customers (id, name) VALUES (10, 'x'), (11, DEFAULT) RETURNING id, name AS n
INSERT INTO customers (id) SELECT id + 100 FROM orders WHERE id > 1
INSERT INTO customers AS c (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE c.id > 0
INSERT INTO customers DEFAULT VALUES
INSERT INTO customers (id) VALUES (1) ON CONFLICT ON CONSTRAINT customers_pkey DO NOTHING
INSERT INTO orders (id) OVERRIDING SYSTEM VALUE VALUES (50)
WITH x AS (SELECT 1 AS id) INSERT INTO customers (id) TABLE x
UPDATE orders SET amount = amount * 2, note = DEFAULT WHERE id = 1
UPDATE orders AS o SET (amount, note) = (SELECT 1, name FROM customers c WHERE c.id = o.customer) FROM customers c2 WHERE c2.id = o.id RETURNING o.*
UPDATE ONLY orders SET tags[1] = 'z' WHERE false
DELETE FROM orders WHERE id > 100
DELETE FROM orders o USING customers c WHERE o.customer = c.id AND false RETURNING o.id
DELETE FROM orders WHERE CURRENT OF c
MERGE INTO customers c USING orders o ON c.id = o.customer WHEN MATCHED AND o.id > 5 THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (o.customer, 'new')
MERGE INTO customers USING orders ON customers.id = orders.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING
COPY orders (id, note) TO STDOUT WITH (FORMAT csv, HEADER true, DELIMITER ';')
COPY (SELECT id FROM orders) TO STDOUT
COPY customers FROM '/nonexistent/file' WITH (FORMAT csv, NULL '')
CREATE TABLE x (id int PRIMARY KEY, name text NOT NULL DEFAULT 'a', CHECK (id > 0))
CREATE TABLE IF NOT EXISTS x (LIKE orders INCLUDING ALL, extra varchar(10) COLLATE "C" UNIQUE)
CREATE TEMP TABLE x (id int REFERENCES customers (id) ON DELETE CASCADE, g int GENERATED ALWAYS AS (id * 2) STORED) ON COMMIT DROP
CREATE TABLE x (id int GENERATED BY DEFAULT AS IDENTITY (START WITH 5), CONSTRAINT c UNIQUE (id)) WITH (fillfactor = 50)
CREATE UNLOGGED TABLE x () INHERITS (customers)
CREATE TABLE x (id int, d date) PARTITION BY RANGE (d)
CREATE TABLE x PARTITION OF y FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)
CREATE TABLE x PARTITION OF y FOR VALUES WITH (MODULUS 4, REMAINDER 0)
CREATE TABLE x PARTITION OF y DEFAULT
CREATE TABLE x AS SELECT id, note FROM orders WITH NO DATA
CREATE TABLE x (a, b) WITH (fillfactor = 70) AS VALUES (1, 2)
CREATE TABLE x AS EXECUTE p (1)
CREATE VIEW x AS SELECT id FROM orders WHERE id > 1 WITH LOCAL CHECK OPTION
CREATE OR REPLACE TEMP VIEW x (a) WITH (security_barrier) AS SELECT id FROM orders
CREATE RECURSIVE VIEW x (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3
CREATE MATERIALIZED VIEW x AS SELECT customer, count(*) AS n FROM orders GROUP BY customer WITH NO DATA
CREATE MATERIALIZED VIEW IF NOT EXISTS x WITH (fillfactor = 60) AS TABLE orders
CREATE INDEX i ON orders (customer)
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON orders USING btree (lower(note) DESC NULLS LAST, id) INCLUDE (amount) WHERE id > 1
CREATE INDEX ON orders USING gin (doc jsonb_path_ops) WITH (fastupdate = off)
CREATE INDEX i ON orders ((id + 1), note COLLATE "C" text_pattern_ops)
CREATE SEQUENCE IF NOT EXISTS s AS bigint START WITH 1 INCREMENT BY 2 NO MAXVALUE CACHE 5 OWNED BY orders.id
CREATE SCHEMA s AUTHORIZATION CURRENT_USER CREATE TABLE t (id int)
CREATE DATABASE d WITH OWNER = postgres TEMPLATE = template0 ENCODING = 'UTF8'
CREATE DATABASE branch
CREATE ROLE r WITH LOGIN PASSWORD 'x' VALID UNTIL '2030-01-01' IN ROLE pg_monitor
CREATE TYPE t AS (a int, b text)
CREATE TYPE t AS ENUM ('a', 'b')
CREATE TYPE t AS RANGE (subtype = int4)
CREATE DOMAIN d AS int NOT NULL CHECK (VALUE > 0)
CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog
CREATE TRIGGER t BEFORE INSERT OR UPDATE OF note ON orders FOR EACH ROW WHEN (NEW.id > 1) EXECUTE FUNCTION note_change()
CREATE TRIGGER t AFTER DELETE ON orders REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_change()
CREATE RULE r AS ON INSERT TO recent DO INSTEAD INSERT INTO orders (id) VALUES (NEW.id)
CREATE RULE r AS ON UPDATE TO recent DO ALSO (SELECT 1; UPDATE orders SET id = 1 WHERE false)
CREATE POLICY p ON orders FOR SELECT TO PUBLIC USING (id > 0)
CREATE FUNCTION f(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a + b'
CREATE OR REPLACE FUNCTION f(OUT x int, VARIADIC y int[]) RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql
CREATE FUNCTION f() RETURNS TABLE (a int, b text) LANGUAGE sql AS $$ SELECT id, note FROM orders $$
CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql RETURN a + 1
CREATE FUNCTION f() RETURNS SETOF orders LANGUAGE sql BEGIN ATOMIC SELECT * FROM orders; SELECT * FROM orders WHERE id = 1; END
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$
CREATE PROCEDURE p(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; END $$
CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = ===)
CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int, int)
CREATE CAST (int AS mood) WITH FUNCTION f(int) AS ASSIGNMENT
CREATE COLLATION c FROM "C"
CREATE COLLATION c (provider = icu, locale = 'de')
CREATE STATISTICS s (dependencies) ON id, customer FROM orders
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))
CREATE PUBLICATION p FOR TABLE orders (id) WHERE (id > 1), customers
CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p WITH (connect = false)
CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'x')
CREATE FOREIGN TABLE x (id int) SERVER s OPTIONS (table_name 'y')
CREATE TEXT SEARCH CONFIGURATION c (COPY = pg_catalog.english)
CREATE EVENT TRIGGER e ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION f()
ALTER TABLE orders ADD COLUMN IF NOT EXISTS extra int DEFAULT 1, DROP COLUMN note CASCADE
ALTER TABLE orders ALTER COLUMN amount TYPE float8 USING amount::float8, ALTER id SET STATISTICS 100
ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer) REFERENCES customers (id) NOT VALID
ALTER TABLE orders RENAME COLUMN note TO remark
ALTER TABLE ONLY orders ENABLE ROW LEVEL SECURITY
ALTER TABLE orders SET (autovacuum_enabled = false, fillfactor = 80)
ALTER TABLE x ATTACH PARTITION y FOR VALUES IN (1, 2)
ALTER INDEX orders_pkey RENAME TO k
ALTER VIEW recent ALTER COLUMN id SET DEFAULT 1
ALTER MATERIALIZED VIEW totals SET (fillfactor = 90)
ALTER SEQUENCE numbers RESTART WITH 5 OWNED BY NONE
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'mid' BEFORE 'high'
ALTER FUNCTION add_one(int) IMMUTABLE STRICT COST 5 SET search_path FROM CURRENT
ALTER ROLE postgres SET work_mem = '8MB'
ALTER DATABASE postgres SET search_path TO public
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC
ALTER SYSTEM SET work_mem = '4MB'
ALTER DOMAIN d DROP CONSTRAINT IF EXISTS c
ALTER EXTENSION plpgsql UPDATE TO '1.0'
DROP TABLE IF EXISTS x, y CASCADE
DROP FUNCTION IF EXISTS f(int), g(text) RESTRICT
DROP INDEX CONCURRENTLY IF EXISTS i
DROP DATABASE IF EXISTS branch WITH (FORCE)
DROP TRIGGER IF EXISTS t ON orders
DROP OPERATOR IF EXISTS === (int, int)
DROP CAST IF EXISTS (int AS mood)
DROP OWNED BY CURRENT_USER
TRUNCATE TABLE ONLY orders, customers RESTART IDENTITY CASCADE
COMMENT ON COLUMN orders.id IS 'the number'
COMMENT ON FUNCTION add_one(int) IS NULL
SECURITY LABEL FOR x ON TABLE orders IS 'y'
IMPORT FOREIGN SCHEMA s LIMIT TO (a, b) FROM SERVER x INTO public
GRANT SELECT (id), UPDATE ON orders TO PUBLIC WITH GRANT OPTION
GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO postgres
REVOKE GRANT OPTION FOR SELECT ON orders FROM PUBLIC CASCADE
REVOKE pg_monitor FROM postgres GRANTED BY CURRENT_USER
SET LOCAL search_path TO public, pg_catalog
SET TIME ZONE INTERVAL '1' HOUR TO MINUTE
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
SHOW work_mem
SHOW ALL
RESET ALL
DISCARD PLANS
LOCK TABLE ONLY orders IN ACCESS EXCLUSIVE MODE NOWAIT
EXPLAIN SELECT id FROM orders WHERE id = 1
EXPLAIN (ANALYZE false, VERBOSE, COSTS off, FORMAT json) UPDATE orders SET id = 1
EXPLAIN ANALYZE VERBOSE SELECT 1
EXPLAIN CREATE TABLE x AS SELECT id FROM orders
VACUUM (ANALYZE, PARALLEL 0) orders (id), customers
ANALYZE VERBOSE orders
CLUSTER VERBOSE orders USING orders_pkey
REINDEX (VERBOSE) TABLE CONCURRENTLY orders
REFRESH MATERIALIZED VIEW CONCURRENTLY totals WITH DATA
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT id FROM orders FOR READ ONLY
FETCH FORWARD 5 FROM c
FETCH NEXT FROM c
FETCH ALL IN c
MOVE BACKWARD ALL FROM c
CLOSE c
PREPARE p (int, text) AS SELECT id FROM orders WHERE id = $1 AND note = $2
PREPARE p AS UPDATE orders SET note = $1 FROM customers c WHERE c.id = orders.id RETURNING c.name
EXECUTE p (1, 'x')
DEALLOCATE PREPARE ALL
LISTEN channel
NOTIFY channel, 'text'
LOAD 'plpgsql'
CALL nothing()
DO $$ BEGIN PERFORM 1; END $$
DO LANGUAGE plpgsql $$ BEGIN NULL; END $$
REASSIGN OWNED BY CURRENT_USER TO postgres
CHECKPOINT
