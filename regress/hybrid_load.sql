-- Large batches go straight into chunks where hybrid_storage is column.
CREATE TABLE l (id int PRIMARY KEY, v text) USING heliosdb;
CREATE VIEW tiers AS
  SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648) AS cold,
         count(*) FILTER (WHERE (ctid::text::point)[0] < 2147483648) AS hot, sum(id) FROM l;
INSERT INTO l SELECT g, 'r' || g FROM generate_series(1, 20000) g;
SELECT * FROM tiers;
TRUNCATE l;
SET hybrid_storage = 'column';
SHOW hybrid_storage;
INSERT INTO l SELECT g, 'r' || g FROM generate_series(1, 20000) g;
SELECT * FROM tiers;
SELECT * FROM l WHERE id IN (5, 19999) ORDER BY id;
-- Few rows stay rows, however many statements bring them.
DO $$ BEGIN FOR i IN 20001 .. 30000 LOOP INSERT INTO l VALUES (i, 'single'); END LOOP; END $$;
SELECT * FROM tiers;
-- Duplicates are found, in what is there and in the batch itself.
INSERT INTO l SELECT g, 'dup' FROM generate_series(30001, 60000) g UNION ALL SELECT 19999, 'dup';
INSERT INTO l SELECT 30001 + g % 15000, 'dup' FROM generate_series(0, 29999) g;
SELECT * FROM tiers;
INSERT INTO l SELECT 30001 + g % 15000, 'once' FROM generate_series(0, 29999) g ON CONFLICT DO NOTHING;
SELECT * FROM tiers;
-- Savepoints, and a statement that reads while it writes.
BEGIN;
INSERT INTO l SELECT g, 'kept' FROM generate_series(100001, 120000) g;
SAVEPOINT s;
INSERT INTO l SELECT g, 'lost' FROM generate_series(200001, 220000) g;
SELECT count(*) FROM l WHERE v = 'lost';
ROLLBACK TO s;
INSERT INTO l SELECT id + 1000000, 'copy' FROM l WHERE v = 'kept';
COMMIT;
SELECT v, count(*) FROM l WHERE v IN ('kept', 'lost', 'copy') GROUP BY v ORDER BY v;
BEGIN;
INSERT INTO l SELECT g, 'gone' FROM generate_series(300001, 320000) g;
ROLLBACK;
SELECT count(*) FROM l WHERE id > 300000 AND id < 400000;
-- Triggers and foreign keys see the rows.
CREATE TABLE child (id int REFERENCES l, n int DEFAULT 1) USING heliosdb;
CREATE FUNCTION count_row() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF NEW.id % 10000 = 0 THEN RAISE NOTICE 'row %', NEW.id; END IF; RETURN NULL; END $$;
CREATE TRIGGER after_row AFTER INSERT ON child FOR EACH ROW EXECUTE FUNCTION count_row();
INSERT INTO child SELECT g FROM generate_series(1, 20000) g;
INSERT INTO child SELECT g FROM generate_series(400001, 420000) g;
SELECT count(*) FROM child;
-- COPY; a function that stops over errors in the middle.
COPY (SELECT g + 500000, 'copied' FROM generate_series(1, 20000) g) TO PROGRAM 'cat > /tmp/heliosdb_load.csv' WITH (FORMAT csv);
COPY l FROM PROGRAM 'cat /tmp/heliosdb_load.csv && rm /tmp/heliosdb_load.csv' WITH (FORMAT csv);
SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648) AS cold, count(*) FROM l WHERE v = 'copied';
CREATE FUNCTION careful(i int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN IF i % 1000 = 0 THEN PERFORM 1 / (i - i); END IF; RETURN i + (SELECT count(*) FROM l WHERE id = -1);
     EXCEPTION WHEN division_by_zero THEN RETURN i; END $$;
INSERT INTO l SELECT careful(g), 'careful' FROM generate_series(600001, 620000) g;
SELECT count(*) FROM l WHERE v = 'careful';
SET hybrid_storage = off;
SELECT heliosdb.move_to_cold('l');
RESET hybrid_storage;
SELECT count(*), count(DISTINCT id) FROM l;
DROP VIEW tiers;
DROP TABLE child, l;
DROP FUNCTION count_row(), careful(int);
