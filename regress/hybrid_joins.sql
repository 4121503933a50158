-- Joins that fetch many cold rows by an index: from several chunks in turn, rows that are gone among them.
CREATE TABLE cold (id int PRIMARY KEY, n int, price numeric(10,2), note text) USING heliosdb;
INSERT INTO cold SELECT i, i % 10, i / 100.0, repeat('x', 30) || i FROM generate_series(1, 30000) i;
SELECT heliosdb.move_to_cold('cold', 'id <= 8000'), heliosdb.move_to_cold('cold', 'id <= 16000'),
       heliosdb.move_to_cold('cold', 'id <= 29000');
-- Keys in no order, some of them twice.
CREATE TABLE keys AS SELECT i, 1 + (i * 7919::bigint % 30000)::int AS id FROM generate_series(1, 33000) i;
VACUUM ANALYZE cold, keys;

-- How rows are read decides nothing about what is read.
CREATE FUNCTION by(scan text) RETURNS TABLE (count bigint, ids bigint, prices numeric, notes bigint) LANGUAGE plpgsql
  SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off AS $$
BEGIN
  IF scan = 'seqscan' THEN
    SET LOCAL enable_hashjoin = on;
    SET LOCAL enable_indexscan = off;
    SET LOCAL enable_bitmapscan = off;
  ELSE
    SET LOCAL enable_seqscan = off;
    IF scan = 'bitmapscan' THEN SET LOCAL enable_indexscan = off; END IF;
  END IF;
  RETURN QUERY SELECT count(*), sum(c.id), sum(c.price), sum(length(c.note)) FROM keys k JOIN cold c ON c.id = k.id;
END $$;
SELECT * FROM by('seqscan');
SELECT * FROM by('indexscan');

-- Stand-ins of all kinds: rows that are deleted, hot again, locked, kept by a deletion that came to nothing.
DELETE FROM cold WHERE id % 7 = 0 OR id BETWEEN 5000 AND 5100;
UPDATE cold SET price = price + 1 WHERE id % 11 = 0;
BEGIN;
DELETE FROM cold WHERE id % 13 = 0;
SELECT count(*) FROM (SELECT FROM cold WHERE id % 17 = 0 FOR UPDATE) locked;
ROLLBACK;
SELECT * FROM by('seqscan');
SELECT * FROM by('indexscan');
SELECT * FROM by('bitmapscan');

-- A cursor sees rows as they were, those that are gone meanwhile in front of it and behind it, and its transaction too.
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
DECLARE d CURSOR FOR
  SELECT c.id, c.price FROM (VALUES (29000), (1), (8001), (2), (28999), (3), (8002), (6), (8003)) k (id) JOIN cold c ON c.id = k.id;
FETCH 4 FROM d;
DELETE FROM cold WHERE id IN (1, 3, 28999);
UPDATE cold SET price = -1 WHERE id IN (6, 8002);
FETCH 3 FROM d;
SAVEPOINT s;
DELETE FROM cold WHERE id IN (6, 8003);
ROLLBACK TO s;
FETCH ALL FROM d;
SELECT c.id, c.price FROM (VALUES (29000), (1), (8001), (2), (28999), (3), (8002), (6), (8003)) k (id) JOIN cold c ON c.id = k.id;
ROLLBACK;

-- A statement does not see what it changes itself.
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
CREATE FUNCTION take(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM cold WHERE id = $1 + 1; RETURN $1; END $$;
SELECT count(*), count(take(c.id)) FROM generate_series(1, 40) k (id) JOIN cold c ON c.id = k.id;
SELECT count(*) FROM generate_series(1, 40) k (id) JOIN cold c ON c.id = k.id;
ROLLBACK;

-- Chunks with holes.
VACUUM cold;
SELECT heliosdb.recompress('cold', 0.01);
SELECT sum(holes) > 0 AS has_holes FROM heliosdb.table_chunks('cold') WHERE "column" = 'id';
SELECT * FROM by('seqscan');
SELECT * FROM by('indexscan');

-- Columns that only the index looks at are not read from the chunk, unless its answer has to be looked at.
CREATE INDEX by_note ON cold USING hash (note);
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT id FROM cold WHERE note = repeat('x', 30) || 17;
SELECT n FROM cold WHERE id = 17;
SELECT id, n FROM cold WHERE id = 17;
SELECT cold FROM cold WHERE id = 17;
COMMIT;
DROP TABLE cold, keys;
DROP FUNCTION by;

-- What decoding costs decides whether a table is read as a whole.
CREATE TABLE lines (k int, line int, n int, price numeric(10,2), a int, b int, c int, PRIMARY KEY (k, line)) USING heliosdb;
INSERT INTO lines SELECT i / 4, i % 4, i % 1000, i % 777 / 100.0, i, i, i FROM generate_series(1, 200000) i;
SELECT heliosdb.move_to_cold('lines');
CREATE TABLE orders AS SELECT i AS k, i % 20 AS part FROM generate_series(1, 50000) i;
VACUUM FULL lines;
VACUUM ANALYZE lines, orders;
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT sum(n), sum(price) FROM orders JOIN lines USING (k) WHERE part = 0;
EXPLAIN (COSTS OFF) SELECT sum(n), sum(price) FROM orders JOIN lines USING (k) WHERE part < 10;
EXPLAIN (COSTS OFF) SELECT sum(n) FROM lines;
DROP TABLE lines, orders;
