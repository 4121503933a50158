-- Of cold rows that do not fit a comparison of an integer nothing else is read; joins read what they hand on.
CREATE TABLE rows (id int PRIMARY KEY, k int, small int2, big int8, d date, at timestamptz, t time, price numeric(12,2), name text, maybe numeric,
  gap int8);
INSERT INTO rows SELECT i, i % 50, (i * 7919 % 65536 - 32768)::int2, CASE i % 500 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808 ELSE i::int8 * 1000003 END,
  CASE i % 400 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN NULL ELSE date '2024-01-01' + i % 300 END,
  CASE i % 700 WHEN 0 THEN 'infinity' WHEN 1 THEN NULL ELSE timestamptz '2024-01-01 00:00+00' + i * interval '1 minute' END,
  time '00:00' + (i * 37 % 86400) * interval '1 second', (i * 31 % 100000) / 100.0, 'name ' || md5(i::text), CASE WHEN i % 3 > 0 THEN i / 7.0 END,
  CASE i % 8 WHEN 0 THEN i * 4 ELSE i / 8 * 32 + i % 8 END
  FROM generate_series(1, 12000) i;
CREATE TABLE mixed (LIKE rows) USING heliosdb;
INSERT INTO mixed TABLE rows ORDER BY id;
SELECT heliosdb.move_to_cold('mixed', max_rows => 11000);
ALTER TABLE mixed ADD PRIMARY KEY (id);
CREATE INDEX ON mixed (k, id);
CREATE INDEX ON rows (k, id);
-- Rows that have left their places, and some that are hot.
UPDATE mixed SET d = d + 1000 WHERE id % 997 = 3;
UPDATE rows SET d = d + 1000 WHERE id % 997 = 3;
DELETE FROM mixed WHERE id % 499 = 5;
DELETE FROM rows WHERE id % 499 = 5;
ALTER TABLE mixed ADD COLUMN later int DEFAULT 7;
ALTER TABLE rows ADD COLUMN later int DEFAULT 7;
ANALYZE rows;
ANALYZE mixed;
SET timezone = 'UTC';
SET max_parallel_workers_per_gather = 0;

-- Each condition by each kind of scan: whether the rows are those of the heap, and how many a filter has removed.
CREATE FUNCTION removed(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; node text; removed bigint := 0;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ ' Scan ' AND node IS NULL THEN node := substring(line FROM '\w+ (?:Heap )?Scan'); END IF;
    IF line ~ 'Rows Removed by Filter' THEN removed := removed + substring(line FROM '\d+')::bigint; END IF;
  END LOOP;
  RETURN node || ' ' || removed;
END $$;
CREATE FUNCTION asked(condition text, scan text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE query text := ' WHERE k BETWEEN 10 AND 40 AND ' || condition; kind text; differences int; ours text; heaps text;
BEGIN
  FOREACH kind IN ARRAY ARRAY['seqscan', 'indexscan', 'bitmapscan'] LOOP
    PERFORM set_config('enable_' || kind, CASE WHEN kind = scan THEN 'on' ELSE 'off' END, true);
  END LOOP;
  EXECUTE 'WITH a AS MATERIALIZED (SELECT * FROM mixed' || query || '), b AS MATERIALIZED (SELECT * FROM rows' || query
    || ') SELECT count(*) FROM ((TABLE a EXCEPT ALL TABLE b) UNION ALL (TABLE b EXCEPT ALL TABLE a)) x' INTO differences;
  ours := removed('SELECT * FROM mixed' || query);
  heaps := removed('SELECT * FROM rows' || query);
  RETURN concat_ws(', ', NULLIF(differences, 0) || ' rows differ', CASE WHEN ours = heaps THEN ours ELSE ours || ', not ' || heaps END);
END $$;
SELECT c, asked(c, 'seqscan') AS sequential, asked(c, 'indexscan') AS "by index", asked(c, 'bitmapscan') AS "by bitmap" FROM unnest(ARRAY[
  'small < 0', 'small >= 32767', 'small > 32767::int8', 'small <= -32768', 'small < 40000', 'small > -40000::int8 AND small < 3::int4',
  'big = 9223372036854775807', 'big > 9223372036854775807', 'big >= 9223372036854775807', 'big < -9223372036854775808',
  'big <= -9223372036854775808', 'big > 5::int2 AND big < 3000009000', 'big < 0 AND big > 0', 'id = 11510::int8',
  'd < ''2024-02-01''', 'd > ''2024-10-01'' AND d < ''infinity''', 'd = ''infinity''', 'd = ''-infinity''', 'd IS NULL', 'd > NULL',
  'd < timestamp ''2024-02-01''', 'at >= ''2024-01-05'' AND at < ''2024-01-06''', 'at > ''2024-01-08 07:00+00''', 'at = ''infinity''',
  't < ''01:00''', 't BETWEEN ''12:00'' AND ''13:00''', 'price < 10', 'small < 0 AND price > 500', 'small < 0 OR d IS NULL', 'small IN (1, -5, 7)',
  'NOT small < 0', 'abs(small) < 100 AND big > 0', 'later = 7', 'later > 7', 'later IS NULL', 'gap < 1000', 'name < ''name 3'' AND small > 0',
  'd >= (SELECT min(d) FROM rows WHERE id = 200)', '100 > small', 'maybe > 100 AND small > 0']) c;

-- Values change from one scan of a join to the next, or between executions.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET enable_material = off;
SET enable_memoize = off;
CREATE FUNCTION compare(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE ours text; heaps text;
BEGIN
  EXECUTE 'SELECT md5(string_agg(x::text, E''\n'' ORDER BY x::text)) || '' '' || count(*) FROM (' || replace(query, '@', 'mixed') || ') x' INTO ours;
  EXECUTE 'SELECT md5(string_agg(x::text, E''\n'' ORDER BY x::text)) || '' '' || count(*) FROM (' || replace(query, '@', 'rows') || ') x' INTO heaps;
  RETURN CASE WHEN ours IS NOT DISTINCT FROM heaps THEN 'same, ' || split_part(ours, ' ', 2) ELSE ours || ' not ' || heaps END;
END $$;
SELECT compare('SELECT * FROM (VALUES (1, 0), (2, 5000), (3, NULL), (4, -32768)) v (k, s), LATERAL (SELECT id, small FROM @ r WHERE r.k = v.k AND r.small > v.s OFFSET 0) x');
PREPARE least(int) AS SELECT count(*), min(id) FROM mixed WHERE k BETWEEN 3 AND 5 AND small > $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE least(0);
EXECUTE least(32766);
EXECUTE least(NULL);
EXECUTE least(-5);
RESET plan_cache_mode;
DEALLOCATE least;

-- The inner side of a nested loop: its key is read if somebody wants it.
EXPLAIN (COSTS OFF) SELECT r.price FROM rows l JOIN mixed r ON r.id = l.gap WHERE l.k = 3;
SELECT q, compare(q) FROM unnest(ARRAY[
  'SELECT r.price FROM rows l JOIN @ r ON r.id = l.gap WHERE l.k < 9',
  'SELECT r.price, r.id FROM rows l JOIN @ r ON r.id = l.gap WHERE l.k < 9',
  'SELECT r FROM rows l JOIN @ r ON r.id = l.gap WHERE l.k < 9',
  'SELECT r.id + 1 AS n FROM rows l JOIN @ r ON r.id = l.gap WHERE l.k < 9',
  'SELECT r.price FROM rows l JOIN @ r ON r.id = l.gap AND r.id + r.small > l.id WHERE l.k < 9',
  'SELECT l.id, r.price FROM rows l LEFT JOIN @ r ON r.id = l.gap AND r.maybe > 50 WHERE l.k < 9',
  'SELECT l.id FROM rows l LEFT JOIN @ r ON r.id = l.gap WHERE l.k < 9 AND r.id IS NULL',
  'SELECT l.id, (SELECT max(x.price) FROM rows x WHERE x.id = r.id) AS p FROM rows l JOIN @ r ON r.id = l.gap WHERE l.k < 9',
  'SELECT x.price FROM rows l JOIN @ r ON r.id = l.gap JOIN @ x ON x.id = r.id + 1 WHERE l.k < 9',
  'SELECT x.price, x.k FROM rows l JOIN @ r ON r.id = l.gap JOIN @ x ON x.k = r.k AND x.id < 30 WHERE l.k < 3',
  'SELECT l.id FROM rows l WHERE l.k < 9 AND EXISTS (SELECT FROM @ r WHERE r.id = l.gap AND r.price <> l.price)',
  'SELECT count(*), sum(r.price) AS s FROM rows l JOIN @ r ON r.id = l.gap GROUP BY r.k']) q;

-- Few, some and nearly all rows of a stretch of 1,024, in order and not: as values by themselves and all at once.
SELECT q, compare(q) FROM unnest(ARRAY[
  'SELECT * FROM @ WHERE id BETWEEN 2000 AND 2005', 'SELECT * FROM @ WHERE id BETWEEN 2000 AND 2100', 'SELECT * FROM @ WHERE id BETWEEN 1500 AND 4500',
  'SELECT * FROM @ WHERE k = 7', 'SELECT name, maybe, price, gap FROM @ WHERE k BETWEEN 5 AND 45',
  'SELECT * FROM (SELECT name, maybe, price, gap, lag(name) OVER (ORDER BY id DESC) FROM @) o']) q;

-- Writers find the rows by the same conditions.
UPDATE mixed SET price = -1 WHERE k = 4 AND small > 20000;
UPDATE rows SET price = -1 WHERE k = 4 AND small > 20000;
DELETE FROM mixed WHERE k = 9 AND d < '2024-03-01';
DELETE FROM rows WHERE k = 9 AND d < '2024-03-01';
SELECT compare('SELECT * FROM @');
DROP FUNCTION asked, removed, compare;
DROP TABLE rows, mixed;

RESET enable_seqscan;
-- The planner reckons with chunks that are skipped, where the order of values is that of rows.
CREATE TABLE ordered (n int, backward date, mixed int, name text COLLATE "C", code char(7)) USING heliosdb;
INSERT INTO ordered SELECT i, date '2024-01-01' - i, i * 7919 % 10007, 'n' || lpad(i::text, 6, '0'), 'n' || lpad(i::text, 6, '0') FROM generate_series(1, 10000) i;
DO $$ BEGIN
  FOR n IN 1 .. 10 LOOP
    PERFORM heliosdb.move_to_cold('ordered', max_rows => 1000);
    COMMIT;
  END LOOP;
END $$;
VACUUM ANALYZE ordered;
CREATE FUNCTION cost(condition text) RETURNS float LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT JSON) SELECT * FROM ordered WHERE ' || condition INTO plan;
  RETURN (plan->0->'Plan'->>'Total Cost')::float;
END $$;
SELECT c, round((10 * cost(c) / cost('mixed <> 0'))::numeric) AS "tenths of the whole" FROM unnest(ARRAY[
  'n <= 1000', 'n BETWEEN 1001 AND 3000', '5000 < n', 'n IN (1, 9999)', 'n = 17::int8', 'n <> 17', 'backward > ''2023-12-01''', 'name < ''n000900''',
  'name < ''n000900'' COLLATE "und-x-icu"', 'code < ''n000900''', 'n > 20000', 'mixed < 1000', 'n <= 1000 AND mixed < 5000', 'n <= 1000 OR mixed = 0', 'n <= mixed', 'n < random()']) c;
DROP FUNCTION cost;
DROP TABLE ordered;
