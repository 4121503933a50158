-- What becomes of cold rows that are gone: VACUUM, recompress, and the way back.
CREATE EXTENSION IF NOT EXISTS pageinspect;
CREATE TABLE c (id int PRIMARY KEY, v text) USING heliosdb;
INSERT INTO c SELECT g, 'value ' || g FROM generate_series(1, 10000) g;
CREATE INDEX c_v ON c (v);
SELECT heliosdb.move_to_cold('c');
DELETE FROM c WHERE id % 4 = 0;
UPDATE c SET v = v || '!' WHERE id % 4 = 1;
SELECT count(*), sum(id), count(*) FILTER (WHERE v LIKE '%!') FROM c;
-- Nothing to take away before VACUUM has been to the indexes.
SELECT heliosdb.recompress('c', 0);
VACUUM c;
-- Entries of cold rows: those that are alive. Entries of hot rows: the new versions.
CREATE VIEW entries AS
  SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648) AS cold,
         count(*) FILTER (WHERE (ctid::text::point)[0] < 2147483648) AS hot
  FROM (SELECT coalesce(e.htid, i.htid) AS ctid
        FROM generate_series(1, (SELECT relpages - 1 FROM pg_class WHERE relname = 'c_pkey')) b,
             LATERAL bt_page_items('c_pkey', b) i LEFT JOIN LATERAL unnest(i.tids) e(htid) ON true,
             LATERAL bt_page_stats('c_pkey', b) s
        WHERE s.type = 'l' AND (s.btpo_next = 0 OR i.itemoffset > 1)) x;
SELECT * FROM entries;
SELECT heliosdb.recompress('c', 0.9);
SELECT heliosdb.recompress('c', 0.3);
SELECT count(*), sum(id), count(*) FILTER (WHERE v LIKE '%!') FROM c;
SET enable_seqscan = off;
SELECT count(*) FROM c WHERE id BETWEEN 1 AND 10000;
SELECT * FROM c WHERE v = 'value 4';
SELECT * FROM c WHERE v = 'value 6';
SET enable_indexscan = off;
SELECT count(*) FROM c WHERE id BETWEEN 1 AND 10000;
RESET enable_seqscan;
RESET enable_indexscan;
SELECT count(*) FROM c WHERE ctid = '(2147483648,4)';
SELECT id FROM c WHERE ctid = '(2147483648,3)';
CREATE INDEX c_id ON c ((id + 1));
SELECT id FROM c WHERE id + 1 = 4;
ANALYZE c;
SELECT reltuples FROM pg_class WHERE relname = 'c';
-- All of a chunk is gone.
DELETE FROM c;
VACUUM c;
SELECT heliosdb.recompress('c', 0);
SELECT count(*) FROM c;
INSERT INTO c SELECT g, 'new ' || g FROM generate_series(1, 1000) g;
SELECT heliosdb.move_to_cold('c');
-- Their numbers are new ones.
SELECT min((ctid::text::point)[0]) > 2147483648 FROM c;
SELECT heliosdb.move_to_hot('c', 'id <= 10');
SELECT count(*) FILTER (WHERE (ctid::text::point)[0] < 2147483648) AS hot, count(*), sum(id) FROM c;
SELECT id FROM c WHERE v = 'new 7';
SELECT heliosdb.move_to_hot('c');
SELECT count(*) FILTER (WHERE (ctid::text::point)[0] < 2147483648) AS hot, count(*), sum(id) FROM c;
VACUUM c;
SELECT heliosdb.recompress('c', 0);
SELECT count(*), sum(id) FROM c;
SELECT heliosdb.recompress('c', 2);
DROP VIEW entries;
DROP TABLE c;
DROP EXTENSION pageinspect;
