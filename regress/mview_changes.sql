-- Changes of tables as refreshes read them: rows that have moved since, that come back, that cancel each other; keys of
-- every kind; logs whose block range index has no summaries.
SET jit = off;
SET heliosdb.mv_full_refresh_fraction = 1;
CREATE FUNCTION differing(view regclass, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE result bigint;
BEGIN
  EXECUTE format('ALTER MATERIALIZED VIEW %s SET (heliosdb.refresh = ''incrementally'')', view);
  EXECUTE format('SELECT count(*) FROM ((TABLE %1$s EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$s)) d', view, query) INTO result;
  RETURN result;
END $$;
CREATE VIEW history AS
  SELECT replace(name, 'public.', '') AS name, strategy, rows_inserted AS ins, rows_deleted AS del, changes
  FROM heliosdb.materialized_view_refreshes WHERE trigger = 'manual' ORDER BY id;
CREATE TABLE items (id int PRIMARY KEY, kind int, note text);
INSERT INTO items SELECT i, i % 5, 'n' || i FROM generate_series(1, 2000) i;
CREATE MATERIALIZED VIEW copies WITH (auto_refresh = true) AS SELECT id, kind, note FROM items;
-- Rows that a rewrite of the table has moved, to places where other rows were.
UPDATE items SET note = 'moved' WHERE id % 400 = 0;
DELETE FROM items WHERE id < 1000 AND id % 400 <> 0;
VACUUM FULL items;
SELECT differing('copies', 'SELECT id, kind, note FROM items');
-- Places behind the end of the table.
UPDATE items SET note = 'last' WHERE id > 1990;
DELETE FROM items WHERE id > 50 AND id <= 1990;
VACUUM FULL items;
SELECT differing('copies', 'SELECT id, kind, note FROM items');
-- Twice in a transaction, in several, gone and back, with another key, exchanged keys; what is as it was is no change.
BEGIN;
UPDATE items SET note = 'first' WHERE id = 1991;
UPDATE items SET note = 'second' WHERE id = 1991;
COMMIT;
UPDATE items SET kind = 9 WHERE id = 1991;
DELETE FROM items WHERE id = 1992;
INSERT INTO items VALUES (1992, 2, 'back');
UPDATE items SET id = 3000 WHERE id = 1993;
UPDATE items SET id = 1993 WHERE id = 1994;
UPDATE items SET id = 1994 WHERE id = 3000;
UPDATE items SET note = 'else' WHERE id = 1995;
UPDATE items SET note = 'last' WHERE id = 1995;
INSERT INTO items VALUES (4000, 1, 'short');
DELETE FROM items WHERE id = 4000;
SELECT differing('copies', 'SELECT id, kind, note FROM items');
TABLE history;
-- Values out of line, columns that came and went.
CREATE MATERIALIZED VIEW notes WITH (auto_refresh = true) AS SELECT id, note FROM items;
DROP MATERIALIZED VIEW copies;
ALTER TABLE items ADD COLUMN more text DEFAULT 'none', DROP COLUMN kind;
CREATE MATERIALIZED VIEW longer WITH (auto_refresh = true) AS SELECT id, note, more FROM items;
UPDATE items SET note = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i) WHERE id = 1996;
UPDATE items SET more = 'some' WHERE id = 1996;
UPDATE items SET more = note WHERE id = 1997;
SELECT differing('longer', 'SELECT id, note, more FROM items');
SELECT differing('notes', 'SELECT id, note FROM items');
UPDATE items SET note = upper(note) WHERE id = 1996;
DELETE FROM items WHERE id = 1997;
SELECT differing('longer', 'SELECT id, note, more FROM items');
-- Keys that are equal and look different, of several columns, in another order than the columns.
CREATE TABLE keyed (v int, n numeric, t text COLLATE "C", PRIMARY KEY (t, n));
INSERT INTO keyed SELECT i, i / 2.0, 't' || i % 7 FROM generate_series(1, 50) i;
CREATE MATERIALIZED VIEW of_keyed WITH (auto_refresh = true) AS SELECT v, n, t FROM keyed;
UPDATE keyed SET n = n + 0.000 WHERE v % 5 = 0;
UPDATE keyed SET v = -v WHERE v % 5 = 1;
UPDATE keyed SET t = t || 'x' WHERE v % 5 = 2;
SELECT differing('of_keyed', 'SELECT v, n, t FROM keyed');
-- No key: rows that are alike, and cancel each other.
CREATE TABLE bag (a int, b text);
INSERT INTO bag SELECT i % 3, 'b' FROM generate_series(1, 9) i;
CREATE MATERIALIZED VIEW of_bag WITH (auto_refresh = true) AS SELECT a, b FROM bag;
INSERT INTO bag VALUES (1, 'b'), (1, 'b'), (7, NULL);
DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE a = 1 LIMIT 1);
UPDATE bag SET b = 'c' WHERE a = 2;
UPDATE bag SET b = 'b' WHERE a = 2;
SELECT differing('of_bag', 'SELECT a, b FROM bag');
SELECT * FROM history WHERE name = 'of_bag';
-- Partitions whose columns lie otherwise, rows that change theirs.
CREATE TABLE parts (id int, place int, note text, PRIMARY KEY (id, place)) PARTITION BY LIST (place);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE part_2 (note text, gone int, place int NOT NULL, id int NOT NULL);
ALTER TABLE part_2 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION part_2 FOR VALUES IN (2);
INSERT INTO parts SELECT i, 1 + i % 2, 'p' || i FROM generate_series(1, 20) i;
CREATE MATERIALIZED VIEW of_parts WITH (auto_refresh = true) AS SELECT note, id, place FROM parts;
UPDATE parts SET place = 3 - place WHERE id <= 4;
UPDATE parts SET note = note || '!' WHERE id IN (3, 4, 5, 6);
DELETE FROM parts WHERE id = 6;
SELECT differing('of_parts', 'SELECT note, id, place FROM parts');
-- A refresh lets the index tell of full ranges that it has read for nothing.
INSERT INTO items (id, note) SELECT i, 'filling ' || i FROM generate_series(10001, 20000) i;
SELECT differing('longer', 'SELECT id, note, more FROM items');
UPDATE items SET more = 'y' WHERE id > 10000;
SELECT differing('longer', 'SELECT id, note, more FROM items');
SELECT format('SELECT brin_summarize_new_values(%L)', format('heliosdb_log.log_%s_xid', 'items'::regclass::oid)) AS summarize \gset
UPDATE items SET more = 'z' WHERE id = 1996;
SELECT differing('longer', 'SELECT id, note, more FROM items');
-- The last one is not full.
:summarize;
UPDATE items SET more = 'zz' WHERE id = 1996;
SELECT differing('longer', 'SELECT id, note, more FROM items');
DROP TABLE items, keyed, bag, parts CASCADE;
DROP VIEW history;
DROP FUNCTION differing;
