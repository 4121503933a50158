# Statements with one of our forms: rejected by stock PostgreSQL, and taken by us (perhaps with another error).
FROM orders
FROM orders;
from Orders WHERE id = 1
/* a */ FROM orders -- b
FROM orders SELECT id WHERE id = 1
FROM orders SELECT a, WHERE id = 1
FROM orders WHERE
FROM orders, WHERE id = 1
FROM (FROM orders) o SELECT id
FROM orders JOIN customers USING (id) SELECT name ORDER BY name LIMIT 1
FROM orders |> WHERE id > 1 |> SELECT id
FROM orders |> WHERE id > |> SELECT id
FROM orders |> AGGREGATE count(*) AS n GROUP BY customer |> ORDER BY n
FROM orders |> WHERE id > 1 SELECT id
FROM orders |> DROP id
SELECT id FROM orders |> WHERE id > 1
SELECT 1 AS x |> EXTEND 2 AS y,
SELECT 1; FROM orders
FROM orders; SELECT a, FROM t
EXPLAIN (COSTS off) FROM orders
INSERT INTO customers FROM customers WHERE false
WITH x AS (FROM orders) SELECT count(*) FROM x
SELECT 1 UNION ALL FROM orders SELECT id WHERE id = 1
SELECT (FROM orders SELECT count(*))
PREPARE f AS FROM orders WHERE id = $1; EXECUTE f(1)
PREPARE f2 AS FROM orders SELECT a, b,
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH (auto_refresh = true)
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH (fillfactor = 50) WITH NO DATA; DROP MATERIALIZED VIEW mv
REFRESH MATERIALIZED VIEW totals INCREMENTALLY
ALTER MATERIALIZED VIEW totals SET fillfactor = 80
CREATE INDEX i ON orders (id) USING hnsw
FROM nosuch
FROM
FROM;
FROM orders AS
SELECT id; FROM orders; SELECT )
FROM orders SELECT größe, WHERE 日本語 = 1
FROM orders SELECT 'abc
FROM orders |> AGGREGATE GROUP AND "customer
SELECT * FROM orders AS OF TIMESTAMP '2024-01-01'
SELECT * FROM orders AS OF NOW
SELECT * FROM orders AS OF TRANSACTION 5
SELECT * FROM orders AS OF '2024-01-01'
