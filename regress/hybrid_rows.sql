-- Hot and cold rows give the same answers as a heap table.
CREATE TABLE cold (id int PRIMARY KEY, a text, n numeric(10,2), f float8, r float4, d date, ts timestamptz,
                   j jsonb, u uuid, b bool, arr int[], fixed char(5), c "char") USING heliosdb;
INSERT INTO cold
  SELECT g, CASE WHEN g % 7 = 0 THEN NULL ELSE 'x' || g END, g / 100.0, g * 1.5, g / 3.0, '2020-01-01'::date + g % 1000,
         '2024-01-01 00:00+00'::timestamptz + g * interval '1 second', jsonb_build_object('k', g, 'l', repeat('v', g % 9)),
         md5(g::text)::uuid, g % 2 = 0, ARRAY[g, NULL, g % 5], (g % 50)::text, chr(65 + g % 20)::"char"
  FROM generate_series(1, 5000) g;
CREATE INDEX cold_a ON cold (a);
CREATE INDEX cold_expr ON cold (lower(a)) WHERE b;
CREATE INDEX cold_gin ON cold USING gin (j);
CREATE INDEX cold_hash ON cold USING hash (u);
CREATE TABLE hot AS TABLE cold;

-- The difference of both, which has to be empty.
CREATE VIEW difference AS
  (TABLE cold EXCEPT ALL TABLE hot) UNION ALL (TABLE hot EXCEPT ALL TABLE cold);

SELECT heliosdb.move_to_cold('cold', 'id <= 3000');
SELECT count(*) FROM difference;
SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648) AS cold, count(*) FROM cold;

-- By every index, and by none.
SELECT id, a, n, f, r, d, b, arr, fixed, c FROM cold WHERE id IN (14, 2999, 3001) ORDER BY id;
SELECT id FROM cold WHERE a = 'x17';
SELECT id FROM cold WHERE lower(a) = 'x18' AND b;
SELECT id FROM cold WHERE j @> '{"k": 19}';
SELECT id FROM cold WHERE u = md5('20')::uuid;
SET enable_seqscan = off;
SET enable_indexscan = off;
SELECT count(*), sum(id) FROM cold WHERE id BETWEEN 100 AND 4000;
RESET enable_seqscan;
RESET enable_indexscan;

-- Changes of cold rows.
BEGIN;
UPDATE cold SET a = a || 'y', n = n + 1 WHERE id % 3 = 0;
UPDATE cold SET a = a || 'z' WHERE id % 6 = 0;
DELETE FROM cold WHERE id % 10 = 0;
SAVEPOINT s;
DELETE FROM cold WHERE id % 11 = 0;
ROLLBACK TO s;
COMMIT;
UPDATE hot SET a = a || 'y', n = n + 1 WHERE id % 3 = 0;
UPDATE hot SET a = a || 'z' WHERE id % 6 = 0;
DELETE FROM hot WHERE id % 10 = 0;
SELECT count(*) FROM difference;
BEGIN;
DELETE FROM cold;
SELECT count(*) FROM cold;
ROLLBACK;
SELECT count(*) FROM difference;
INSERT INTO cold (id, a) VALUES (7, 'again') ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING id, a, n;
UPDATE hot SET a = 'again' WHERE id = 7;
INSERT INTO cold (id, a) VALUES (8, 'again');
MERGE INTO cold USING (VALUES (11, 'm'), (10, 'n')) v (id, a) ON cold.id = v.id
  WHEN MATCHED THEN UPDATE SET a = v.a
  WHEN NOT MATCHED THEN INSERT (id, a) VALUES (v.id, v.a);
UPDATE hot SET a = 'm' WHERE id = 11;
INSERT INTO hot (id, a) VALUES (10, 'n');
SELECT count(*) FROM difference;

-- Row locks, identifiers, cursors both ways.
BEGIN;
SELECT id FROM cold WHERE id = 13 FOR UPDATE;
SELECT id FROM cold WHERE id = 13 FOR KEY SHARE;
UPDATE cold SET a = 'locked' WHERE id = 13;
ROLLBACK;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM cold WHERE id IN (1, 2, 4001);
FETCH ALL FROM c;
FETCH BACKWARD ALL FROM c;
FETCH 2 FROM c;
COMMIT;
SELECT id FROM cold WHERE ctid = (SELECT ctid FROM cold WHERE id = 17);

-- Old columns, new columns, dropped ones.
DROP VIEW difference;
ALTER TABLE cold ADD COLUMN extra int DEFAULT 5, DROP COLUMN f;
ALTER TABLE hot ADD COLUMN extra int DEFAULT 5, DROP COLUMN f;
CREATE VIEW difference AS
  (TABLE cold EXCEPT ALL TABLE hot) UNION ALL (TABLE hot EXCEPT ALL TABLE cold);
SELECT count(*) FROM difference;

-- Maintenance.
VACUUM cold;
ANALYZE cold;
SELECT reltuples FROM pg_class WHERE relname = 'cold';
SELECT heliosdb.move_to_cold('cold') > 1000;
SELECT count(*) FROM difference;
REINDEX TABLE cold;
SELECT id FROM cold WHERE a = 'x17';
VACUUM FULL cold;
SELECT count(*) FROM difference;
SELECT id FROM cold WHERE a = 'x17';
CLUSTER cold USING cold_pkey;
SELECT count(*) FROM difference;
CREATE INDEX CONCURRENTLY cold_n ON cold (n);
SET enable_seqscan = off;
SELECT count(*) FROM cold WHERE n < 20;
RESET enable_seqscan;
SELECT count(*) FROM hot WHERE n < 20;
SELECT count(*) BETWEEN 1500 AND 3000 FROM cold TABLESAMPLE bernoulli (50) REPEATABLE (1);
SELECT count(*) > 0 FROM cold TABLESAMPLE system (50) REPEATABLE (1);
DROP VIEW difference;
ALTER TABLE cold ALTER COLUMN n TYPE text;
ALTER TABLE hot ALTER COLUMN n TYPE text;
ALTER TABLE cold SET ACCESS METHOD heap;
ALTER TABLE cold SET ACCESS METHOD heliosdb;
SELECT count(*) FROM (TABLE cold EXCEPT ALL TABLE hot) d;
TRUNCATE cold;
SELECT count(*) FROM cold;
DROP TABLE cold, hot;

-- What cannot be moved.
CREATE TABLE plain (id int);
SELECT heliosdb.move_to_cold('plain');
CREATE TABLE h (id int) USING heliosdb;
SELECT heliosdb.move_to_cold('h', 'id');
SELECT heliosdb.move_to_cold('h', 'true), (false');
SELECT heliosdb.move_to_cold('h', '(SELECT true)');
SELECT heliosdb.move_to_cold('h', max_rows => -1);
DROP TABLE plain, h;

-- Indexes of blocks know nothing of cold rows.
CREATE TABLE h (id int) USING heliosdb;
CREATE INDEX h_brin ON h USING brin (id);
DROP TABLE h;
-- Values that are stored out of line, compressed or not.
CREATE TABLE long (id int, v text, plain text) USING heliosdb;
ALTER TABLE long ALTER plain SET STORAGE EXTERNAL;
INSERT INTO long SELECT i, repeat(md5(i::text), 200), repeat(md5(i::text), 300) FROM generate_series(1, 5) i;
SELECT heliosdb.move_to_cold('long');
SELECT count(*) FROM long WHERE v = repeat(md5(id::text), 200) AND plain = repeat(md5(id::text), 300);
DROP TABLE long;
