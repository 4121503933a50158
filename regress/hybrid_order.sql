-- Chunks in an order, moves by age: options order_by and tier_column.
CREATE TABLE t (id int, place text COLLATE "C", at timestamptz, day date, doc json, note text) USING heliosdb;
CREATE VIEW options AS
  SELECT relation, "column", compression, order_by, order_keys, tier_column, tier_attribute FROM heliosdb.hybrid_options;
-- Cold rows by their place in the table.
CREATE FUNCTION rows_cold(t regclass, c text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE out text; BEGIN
  EXECUTE format('SELECT string_agg(coalesce(%I::text, ''-''), '' '' ORDER BY ctid) FROM %s WHERE (ctid::text::point)[0] >= 2147483648', c, t) INTO out;
  RETURN out; END $$;

-- Setting.
SELECT heliosdb.set_table_options('t', order_by => 'place, id DESC, "at" asc nulls first', tier_column => 'at', compression => 'small');
SELECT * FROM options;
ALTER TABLE t SET (order_by = 'day desc nulls last, place DESC', compression_level = 5), ALTER note SET (compression = fsst);
SELECT * FROM options ORDER BY "column" NULLS FIRST;
ALTER TABLE t RESET (order_by, compression, compression_level), SET (tier_column = day);
SELECT * FROM options ORDER BY "column" NULLS FIRST;
ALTER TABLE t RESET (tier_column), ALTER note RESET (compression);
SELECT * FROM options;
CREATE TABLE made (a int, "B b" int, "order" date) USING heliosdb WITH (order_by = '"B b" DESC, a', tier_column = "order", fillfactor = 90);
SELECT * FROM options;

-- Options follow what becomes of their columns.
ALTER TABLE made RENAME "B b" TO "b""c";
ALTER TABLE made RENAME "order" TO day;
SELECT * FROM options;
ALTER TABLE made DROP COLUMN a;
SELECT * FROM options;
ALTER TABLE made SET (order_by = day), ALTER "b""c" TYPE bigint;
SELECT * FROM options;
ALTER TABLE made ALTER day TYPE text;
SELECT * FROM options;
ALTER TABLE made ALTER day TYPE json USING NULL;
SELECT * FROM options;
ALTER TABLE made SET (order_by = '"b""c"');
BEGIN;
ALTER TABLE made DROP COLUMN "b""c";
SELECT * FROM options;
ROLLBACK;
SELECT order_by FROM options;
DROP TABLE made;
SELECT * FROM options;

-- What is refused.
ALTER TABLE t SET (order_by = 'nothing');
ALTER TABLE t SET (order_by = 'ctid');
ALTER TABLE t SET (order_by = 'id, place, id DESC');
ALTER TABLE t SET (order_by = 'doc');
ALTER TABLE t SET (order_by = 'id + 1');
ALTER TABLE t SET (order_by = 'id USING >');
ALTER TABLE t SET (order_by = 't.id');
ALTER TABLE t SET (order_by = 'id LIMIT 5');
ALTER TABLE t SET (order_by = 'id, DESC');
ALTER TABLE t SET (order_by = 'id; DROP TABLE t');
ALTER TABLE t SET (order_by = '');
ALTER TABLE t SET (tier_column = 'id');
ALTER TABLE t SET (tier_column = 'nothing');
ALTER TABLE t SET (tier_column = 'tableoid');
ALTER TABLE t ALTER id SET (order_by = 'id');
CREATE TABLE wrong (a json) USING heliosdb WITH (order_by = a);
CREATE TABLE heaped (a int) WITH (order_by = a);
CREATE TEMP TABLE short (a int) USING heliosdb WITH (order_by = a);
SELECT heliosdb.set_table_options('t', order_by => 'id, missing');
SELECT heliosdb.move_to_cold('t', older_than => '1 day');
SELECT heliosdb.move_to_cold('t', 'id = = 1');
SELECT * FROM options;

-- A move in order: directions, nulls, values out of line, dropped and added columns.
ALTER TABLE t ALTER note SET STORAGE EXTERNAL;
INSERT INTO t SELECT i, nullif(chr(65 + i * 7 % 11), 'F'), NULL, NULL, NULL, repeat(i::text, 3000) FROM generate_series(1, 30) i;
ALTER TABLE t DROP COLUMN day;
ALTER TABLE t ADD COLUMN late int DEFAULT 7;
UPDATE t SET late = id WHERE id % 4 = 0;
ALTER TABLE t SET (order_by = 'place DESC, id');
SELECT heliosdb.move_to_cold('t', 'id <= 25');
SELECT rows_cold('t', 'place');
SELECT rows_cold('t', 'id');
SELECT count(*) FILTER (WHERE note = repeat(id::text, 3000)), count(*) FILTER (WHERE late = CASE WHEN id % 4 = 0 THEN id ELSE 7 END), count(*) FROM t;
SELECT heliosdb.move_to_cold('t');
SELECT rows_cold('t', 'id');
-- Values that are no longer needed outside the chunks are gone.
CREATE FUNCTION pieces(t regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; BEGIN
  EXECUTE format('SELECT count(DISTINCT chunk_id) FROM %s WHERE chunk_id >= 16384', (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = t)) INTO n;
  RETURN n; END $$;
SELECT pieces('t');
TRUNCATE t;
-- An order of values that lie out of line themselves.
INSERT INTO t (id, note) SELECT i, repeat(chr(97 + i * 5 % 13), 5000) FROM generate_series(0, 12) i;
ALTER TABLE t SET (order_by = 'note');
SELECT heliosdb.move_to_cold('t');
SELECT rows_cold('t', 'id');

-- Chunks hold ranges.
CREATE TABLE ranged (id int PRIMARY KEY, k int) USING heliosdb WITH (order_by = 'k, id');
INSERT INTO ranged SELECT i, hashint4(i) & 1023 FROM generate_series(1, 150000) i;
CREATE TABLE copy AS TABLE ranged;
SET maintenance_work_mem = '1MB';
SELECT heliosdb.move_to_cold('ranged');
RESET maintenance_work_mem;
SELECT first_row, rows, min::int - coalesce(lag(max::int) OVER (ORDER BY first_row), 0) BETWEEN 0 AND 1 AS follows
  FROM heliosdb.table_chunks('ranged') WHERE "column" = 'k' ORDER BY 1;
SELECT count(*) FROM (SELECT k, lag(k) OVER (ORDER BY ctid) AS before, id, lag(id) OVER (ORDER BY ctid) AS id_before FROM ranged) s
  WHERE (k, id) < (before, id_before);
SELECT count(*) FROM (TABLE ranged EXCEPT TABLE copy) d;
SET enable_seqscan = off;
SELECT count(*), sum(k) = (SELECT sum(k) FROM copy) AS same FROM ranged WHERE id BETWEEN 1 AND 150000;
RESET enable_seqscan;
SELECT heliosdb.recompress('ranged');
VACUUM FULL ranged;
SELECT count(*) FROM (SELECT k, lag(k) OVER (ORDER BY ctid) AS before FROM ranged) s WHERE k < before;
-- Portions go on in the order, whichever pages the rows are on.
TRUNCATE ranged;
INSERT INTO ranged SELECT i, hashint4(i) & 1023 FROM generate_series(1, 2000) i;
SELECT heliosdb.move_to_cold('ranged', max_rows => 0), heliosdb.move_to_cold('ranged', max_rows => 700);
CREATE VIEW tiers AS
  SELECT count(*) FILTER (WHERE cold) AS cold, count(*) FILTER (WHERE NOT cold) AS hot,
         max(ARRAY[k, id]) FILTER (WHERE cold) < min(ARRAY[k, id]) FILTER (WHERE NOT cold) AS cold_before_hot
  FROM (SELECT *, (ctid::text::point)[0] >= 2147483648 AS cold FROM ranged) r;
SELECT * FROM tiers;
SELECT heliosdb.move_to_cold('ranged', 'k % 3 > 0', 500);
SELECT count(*) FILTER (WHERE k % 3 > 0) AS fit FROM (SELECT * FROM ranged ORDER BY ctid OFFSET 2000 - 500) r;
SELECT heliosdb.move_to_cold('ranged', max_rows => 100000);
SELECT cold, hot FROM tiers;
-- Of rows that are alike in the order as many move as may.
TRUNCATE ranged;
INSERT INTO ranged SELECT i, 5 FROM generate_series(1, 1000) i;
ALTER TABLE ranged SET (order_by = 'k DESC');
SELECT heliosdb.move_to_cold('ranged', max_rows => 300), heliosdb.move_to_cold('ranged', max_rows => 300);
SELECT cold, hot FROM tiers;
INSERT INTO ranged SELECT i, 7 - i % 2 FROM generate_series(1001, 1100) i;
SELECT heliosdb.move_to_cold('ranged', max_rows => 150);
SELECT k, count(*) FROM ranged WHERE (ctid::text::point)[0] < 2147483648 GROUP BY k;
DROP VIEW tiers;

-- Moves by age; a time that is not known is not old.
CREATE TABLE aged (id int, d date, ts timestamp, tz timestamptz) USING heliosdb;
INSERT INTO aged SELECT i, now() - i * interval '1 day', now() - i * interval '1 day', now() - i * interval '1 day'
  FROM generate_series(0, 20) i;
INSERT INTO aged VALUES (21), (22);
INSERT INTO aged VALUES (23, '-infinity', '-infinity', '-infinity'), (24, 'infinity', 'infinity', 'infinity');
ALTER TABLE aged SET (tier_column = d);
SELECT heliosdb.move_to_cold('aged', older_than => now() - (current_date - 18)::timestamptz);
ALTER TABLE aged SET (tier_column = ts);
SELECT heliosdb.move_to_cold('aged', 'id % 2 = 0', older_than => '15 days 12 hours');
ALTER TABLE aged SET (tier_column = tz, order_by = 'tz DESC');
SELECT heliosdb.move_to_cold('aged', 'id % 2 = 0 OR id % 2 = 1', 2, '10 days 12 hours');
SELECT rows_cold('aged', 'id');
SELECT heliosdb.move_to_cold('aged', older_than => NULL);
SELECT rows_cold('aged', 'id');
ALTER TABLE aged DROP COLUMN tz;
SELECT heliosdb.move_to_cold('aged', older_than => '1 day');
DROP TABLE aged;

-- INSERT … SELECT brings rows as columns in order.
SET hybrid_storage = 'column';
TRUNCATE ranged;
ALTER TABLE ranged SET (order_by = 'k, id');
EXPLAIN (COSTS OFF) INSERT INTO ranged TABLE copy;
INSERT INTO ranged TABLE copy;
SELECT count(*) FROM (SELECT k, lag(k) OVER (ORDER BY ctid) AS before, id, lag(id) OVER (ORDER BY ctid) AS id_before FROM ranged) s
  WHERE (k, id) < (before, id_before);
SELECT count(*), (SELECT count(*) FROM (TABLE ranged EXCEPT TABLE copy) d) AS others FROM ranged;
-- An order that is there is not made again; which rows a LIMIT takes does not change.
EXPLAIN (COSTS OFF) INSERT INTO ranged SELECT id, k FROM copy ORDER BY k, id;
EXPLAIN (COSTS OFF) INSERT INTO ranged SELECT id, k FROM copy ORDER BY id DESC LIMIT 5;
EXPLAIN (COSTS OFF) INSERT INTO ranged SELECT id, 5 FROM copy;
EXPLAIN (COSTS OFF) WITH w AS (INSERT INTO ranged TABLE copy RETURNING id) SELECT count(*) FROM w;
TRUNCATE ranged;
INSERT INTO ranged SELECT id, k FROM copy ORDER BY id DESC LIMIT 20000;
SELECT min(id), count(*) FROM ranged;
-- Without columns, or an order, there is no sort; the plan follows the option.
SET plan_cache_mode = force_generic_plan;
PREPARE load AS INSERT INTO ranged SELECT id + 1000000, k FROM copy WHERE id <= 3;
EXPLAIN (COSTS OFF) EXECUTE load;
ALTER TABLE ranged SET (order_by = 'id DESC');
EXPLAIN (COSTS OFF) EXECUTE load;
ALTER TABLE ranged RESET (order_by);
EXPLAIN (COSTS OFF) EXECUTE load;
ALTER TABLE ranged SET (order_by = 'k, id');
EXPLAIN (COSTS OFF) INSERT INTO ranged VALUES (-1, 1);
EXPLAIN (COSTS OFF) INSERT INTO ranged VALUES (-1, 1), (-2, 0);
EXPLAIN (COSTS OFF) INSERT INTO ranged TABLE copy ON CONFLICT DO NOTHING;
SET hybrid_storage = 'row';
EXPLAIN (COSTS OFF) INSERT INTO ranged TABLE copy;
SET hybrid_storage = 'column';
-- Collations and defaults: an ORDER BY of one's own goes before where it tells which row gets which number.
CREATE TABLE numbered (n int GENERATED ALWAYS AS IDENTITY, place text COLLATE "C", k int, twice int GENERATED ALWAYS AS (k * 2) STORED)
  USING heliosdb WITH (order_by = 'place, k');
EXPLAIN (COSTS OFF, VERBOSE) INSERT INTO numbered (place, k) SELECT id::text, k FROM copy;
EXPLAIN (COSTS OFF) INSERT INTO numbered (place, k) SELECT id::text, k FROM copy ORDER BY k;
ALTER TABLE numbered SET (order_by = 'k, twice, place');
EXPLAIN (COSTS OFF) INSERT INTO numbered (place, k) SELECT id::text, k FROM copy;
ALTER TABLE numbered SET (order_by = 'n DESC, k');
EXPLAIN (COSTS OFF) INSERT INTO numbered (place, k) SELECT id::text, k FROM copy;
DROP TABLE numbered;

-- COPY cannot wait for all rows: it says so once, if it matters.
TRUNCATE ranged;
COPY copy TO PROGRAM 'cat > /tmp/heliosdb_order.csv' WITH (FORMAT csv);
COPY ranged FROM PROGRAM 'cat /tmp/heliosdb_order.csv' WITH (FORMAT csv);
COPY (SELECT id, k FROM copy WHERE id <= 20000 ORDER BY k, id) TO PROGRAM 'cat > /tmp/heliosdb_order.csv' WITH (FORMAT csv);
TRUNCATE ranged;
COPY ranged FROM PROGRAM 'cat /tmp/heliosdb_order.csv && rm /tmp/heliosdb_order.csv' WITH (FORMAT csv);
-- Each statement for itself; and with the columns that the table has by then.
BEGIN;
INSERT INTO ranged SELECT i + 200000, -i FROM generate_series(1, 9000) i;
ALTER TABLE ranged ADD COLUMN v text, ADD COLUMN w text DEFAULT 'w';
INSERT INTO ranged SELECT i + 300000, -i, 'v' || i FROM generate_series(1, 9000) i;
COMMIT;
SELECT count(*), count(v), count(w), max(v) FROM ranged WHERE id > 200000;
RESET hybrid_storage;
DROP VIEW options;
DROP FUNCTION rows_cold(regclass, text), pieces(regclass);
DROP TABLE t, ranged, copy;
