# Statements with forms of ours, for mutants of them.
FROM orders
FROM orders SELECT id, note WHERE id > 1 ORDER BY id LIMIT 2
FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id > 1 GROUP BY c.name SELECT c.name, count(*) HAVING count(*) > 1
FROM (FROM orders SELECT id WHERE id > 1) s WHERE id IN (FROM customers SELECT id)
WITH x AS (FROM orders SELECT id) FROM x SELECT count(*)
FROM orders SELECT id UNION ALL FROM customers SELECT id ORDER BY 1
FROM orders |> WHERE id > 1 |> EXTEND id + 1 AS next |> SELECT id, next |> ORDER BY id DESC |> LIMIT 2 OFFSET 1
FROM orders |> AGGREGATE count(*) AS n, sum(amount) AS s GROUP BY customer |> WHERE n > 1
FROM orders |> AGGREGATE sum(amount) AS s GROUP AND ORDER BY customer DESC, id
FROM orders AS o |> JOIN customers AS c ON c.id = o.customer |> LEFT JOIN recent r USING (id) |> SELECT c.name
FROM orders |> SELECT id |> UNION ALL (SELECT id FROM customers), (FROM recent SELECT id) |> DISTINCT
SELECT id FROM orders |> AS s |> WHERE s.id = 1
FROM orders |> EXTEND row_number() OVER (PARTITION BY customer ORDER BY id) AS r |> WHERE r = 1
INSERT INTO customers (id) FROM orders SELECT id + 100 WHERE id > 1 ON CONFLICT DO NOTHING RETURNING id
CREATE TABLE x AS FROM orders SELECT id WITH NO DATA
CREATE VIEW x AS FROM orders |> WHERE id > 1 WITH CHECK OPTION
CREATE MATERIALIZED VIEW x AS FROM orders |> AGGREGATE count(*) AS n GROUP BY customer WITH NO DATA
CREATE MATERIALIZED VIEW x AS SELECT id FROM orders WITH (fillfactor = 60) WITH NO DATA
CREATE MATERIALIZED VIEW x TABLESPACE pg_default AS SELECT id FROM orders WITH (auto_refresh = true, max_cpu_percent = 15)
CREATE UNIQUE INDEX IF NOT EXISTS i ON orders (id) USING hnsw WITH (m = 8) WHERE id > 1
EXPLAIN (COSTS off) FROM orders WHERE id = 1
COPY (FROM orders SELECT id) TO STDOUT
DECLARE c CURSOR FOR FROM orders WHERE id > 1
PREPARE p (int) AS FROM orders WHERE id = $1
SELECT 1; FROM orders |> SELECT id; SELECT 2
SELECT (FROM orders SELECT max(id)), ARRAY(FROM customers SELECT id), EXISTS (FROM orders)
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC FROM orders SELECT id; END
CREATE RULE r AS ON DELETE TO recent DO ALSO (SELECT 1; INSERT INTO customers (id) FROM orders SELECT id)
FROM orders SELECT EXTRACT(year FROM placed), TRIM(FROM note), id IS DISTINCT FROM customer WHERE SUBSTRING(note FROM 2) = 'x'
FROM generate_series(1, 3) AS g (n), ROWS FROM (generate_series(1, 2)) AS h SELECT n FETCH FIRST 1 ROWS ONLY
