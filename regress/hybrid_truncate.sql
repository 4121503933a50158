-- TRUNCATE, in a transaction of its own and where the table has been made in the same one.
CREATE TABLE emptied (id int PRIMARY KEY) USING heliosdb;
INSERT INTO emptied SELECT generate_series(1, 100);
SELECT heliosdb.move_to_cold('emptied');
TRUNCATE emptied;
INSERT INTO emptied SELECT generate_series(1, 100);
SELECT heliosdb.move_to_cold('emptied');
BEGIN;
CLUSTER emptied USING emptied_pkey;
TRUNCATE emptied;
INSERT INTO emptied SELECT generate_series(51, 200);
COMMIT;
SELECT heliosdb.move_to_cold('emptied');
SET enable_seqscan = off;
SELECT count(*) FROM emptied WHERE id < 100;
SELECT id FROM emptied WHERE id = 1;
RESET enable_seqscan;
DROP TABLE emptied;
