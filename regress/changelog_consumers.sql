-- Consumers, retention, trimming and rights.
SET jit = off;
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE other (id int);
INSERT INTO t SELECT i, i FROM generate_series(1, 5) i;
SELECT heliosdb.create_consumer('c', 't');
SELECT heliosdb.track('t');
SELECT heliosdb.create_consumer('c', 't');
SELECT heliosdb.create_consumer('c', 't');
SELECT heliosdb.create_consumer('d', 't');
SELECT * FROM heliosdb.read_changes('c', NULL::t);
UPDATE t SET v = 'one' WHERE id = 1;
UPDATE t SET v = 'uno' WHERE id = 1;
INSERT INTO t VALUES (6, 'new'), (7, 'gone');
DELETE FROM t WHERE id IN (2, 7);
UPDATE t SET id = 30 WHERE id = 3;
UPDATE t SET id = 40 WHERE id = 4;
UPDATE t SET id = 4 WHERE id = 40;
DELETE FROM t WHERE id = 5;
INSERT INTO t VALUES (5, '5 again');
SELECT op, old, new, (old).id, (new).v FROM heliosdb.read_changes('c', NULL::t) ORDER BY COALESCE(old, new);
SELECT op, old, new FROM heliosdb.read_changes('c', NULL::t, advance => true) ORDER BY COALESCE(old, new);
SELECT * FROM heliosdb.read_changes('c', NULL::t);
SELECT count(*) FROM heliosdb.read_changes('d', NULL::t);

-- Reading and advancing belong to one snapshot.
SELECT heliosdb.advance_consumer('d');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM heliosdb.read_changes('d', NULL::t);
SELECT heliosdb.advance_consumer('d');
COMMIT;
SELECT count(*) FROM heliosdb.read_changes('d', NULL::t);

-- A transaction's own changes are read by nobody in it, and by the next one in full.
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE t SET v = 'own' WHERE id = 1;
SELECT * FROM heliosdb.read_changes('c', NULL::t);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT heliosdb.advance_consumer('c');
UPDATE t SET v = 'after' WHERE id = 1;
COMMIT;
SELECT * FROM heliosdb.read_changes('c', NULL::t, true);
BEGIN;
UPDATE t SET v = 'before' WHERE id = 6;
SELECT heliosdb.create_consumer('e', 't');
COMMIT;
SELECT * FROM heliosdb.read_changes('e', NULL::t);

-- Mistakes.
SELECT * FROM heliosdb.read_changes('nobody', NULL::t);
SELECT * FROM heliosdb.read_changes('c', NULL::other);
SELECT heliosdb.drop_consumer('nobody');
SELECT heliosdb.track(0);

-- A history that starts anew leaves no consumer in doubt.
TRUNCATE t;
SELECT * FROM heliosdb.read_changes('c', NULL::t);
SELECT heliosdb.drop_consumer('c'), heliosdb.drop_consumer('d'), heliosdb.drop_consumer('e');
BEGIN;
SELECT heliosdb.track('other'), heliosdb.create_consumer('o', 'other');
INSERT INTO other VALUES (1);
COMMIT;
SELECT * FROM heliosdb.read_changes('o', NULL::other);
BEGIN;
TRUNCATE other;
SELECT heliosdb.create_consumer('late', 'other');
ROLLBACK;
BEGIN;
SELECT heliosdb.untrack('other'), heliosdb.track('other'), heliosdb.create_consumer('p', 'other');
TRUNCATE other;
COMMIT;
SELECT heliosdb.create_consumer('p', 'other');
BEGIN;
SELECT heliosdb.drop_consumer('p'), heliosdb.create_consumer('p', 'other');
TRUNCATE other;
COMMIT;
SELECT * FROM heliosdb.read_changes('p', NULL::other);
SELECT heliosdb.drop_consumer('p');
SELECT heliosdb.drop_consumer('o');

-- Trimming.
SELECT relation, reason, bytes > 0 AS has_bytes, consumers, retention FROM heliosdb.tracked_tables ORDER BY 1;
INSERT INTO t SELECT i, i FROM generate_series(1, 50) i;
SELECT heliosdb.create_consumer('c', 't');
UPDATE t SET v = 'x';
SELECT heliosdb.trim_log('t');
SELECT heliosdb.set_retention('t', '0');
SELECT heliosdb.trim_log('t') AS inserts;
SELECT heliosdb.trim_log('t');
SELECT count(*) FROM heliosdb.read_changes('c', NULL::t, true);
SELECT heliosdb.trim_log() AS updates;
SELECT relation, reason, consumers, retention FROM heliosdb.tracked_tables ORDER BY 1;
UPDATE t SET v = 'y' WHERE id = 1;
SELECT * FROM heliosdb.read_changes('c', NULL::t, true);
BEGIN;
UPDATE t SET v = 'z' WHERE id = 1;
SELECT heliosdb.trim_log() AS not_the_own, count(*) FROM heliosdb.read_changes('c', NULL::t) WHERE false;
ROLLBACK;
SELECT heliosdb.set_retention('t', '-1 day');
SELECT heliosdb.set_retention('t', NULL);
SET heliosdb.time_travel_retention = '2 hours';
SELECT relation, retention FROM heliosdb.tracked_tables ORDER BY 1;
SET heliosdb.time_travel_retention = 'soon';
RESET heliosdb.time_travel_retention;

-- What trimming goes by is bounded itself.
SET heliosdb.time_travel_retention = '0';
SELECT heliosdb.trim_log() >= 0 AS trimmed;
SELECT heliosdb.trim_log() >= 0 AS trimmed;
SELECT count(*) AS snapshots FROM heliosdb_log.snapshots;
RESET heliosdb.time_travel_retention;

-- Rights: owners decide, nobody reads a log.
CREATE ROLE regress_log_owner;
CREATE ROLE regress_log_other;
GRANT CREATE ON SCHEMA public TO regress_log_owner;
SET ROLE regress_log_owner;
CREATE TABLE mine (id int PRIMARY KEY, secret text);
GRANT ALL ON mine TO regress_log_other;
SELECT heliosdb.track('mine');
INSERT INTO mine VALUES (1, 'a');
SET ROLE regress_log_other;
UPDATE mine SET secret = 'b';
SELECT heliosdb.track('mine');
SELECT heliosdb.untrack('mine');
SELECT heliosdb.create_consumer('m', 'mine');
SELECT heliosdb.set_retention('mine', '1 day');
SELECT heliosdb.trim_log('mine');
SELECT heliosdb.trim_log();
SELECT relation FROM heliosdb.tracked_tables ORDER BY 1;
SELECT * FROM heliosdb.tracked;
SELECT * FROM heliosdb.consumers;
DELETE FROM heliosdb_log.subxacts;
RESET ROLE;
SELECT log::regclass AS log FROM heliosdb.tracked WHERE relid = 'mine'::regclass \gset
SELECT count(*) FROM :log;
SET ROLE regress_log_owner;
\set VERBOSITY sqlstate
SELECT * FROM :log;
INSERT INTO :log DEFAULT VALUES;
DROP TABLE :log;
SELECT heliosdb.changelog_capture();
CREATE TRIGGER own AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION heliosdb.changelog_capture();
ALTER TABLE mine DISABLE TRIGGER ALL;
\set VERBOSITY default
SELECT heliosdb.create_consumer('m', 'mine');
UPDATE mine SET secret = 'c';
SET ROLE regress_log_other;
SELECT * FROM heliosdb.read_changes('m', NULL::mine);
SELECT heliosdb.drop_consumer('m');
SET ROLE regress_log_owner;
SELECT * FROM heliosdb.read_changes('m', NULL::mine, true);
-- Operators of the user's do not run as the owner of the extension.
CREATE FUNCTION spy(xid8, xid8) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'as %', current_user; RETURN true; END $$;
CREATE OPERATOR >= (FUNCTION = spy, LEFTARG = xid8, RIGHTARG = xid8);
CREATE OPERATOR < (FUNCTION = spy, LEFTARG = xid8, RIGHTARG = xid8);
SET search_path = public, pg_catalog;
SELECT xid8 '1' < xid8 '2' AS spied;
UPDATE mine SET secret = 'd';
SELECT * FROM heliosdb.read_changes('m', NULL::mine, true);
SELECT heliosdb.trim_log('mine');
RESET search_path;
DROP OPERATOR public.>= (xid8, xid8);
DROP OPERATOR public.< (xid8, xid8);
DROP FUNCTION spy;
ALTER TABLE mine ADD COLUMN more int DEFAULT 3, DROP COLUMN secret;
UPDATE mine SET more = 4;
SELECT * FROM heliosdb.read_changes('m', NULL::mine, true);
TRUNCATE mine;
DROP TABLE mine;
RESET ROLE;
SELECT count(*) FROM heliosdb.consumers WHERE name = 'm';
REVOKE CREATE ON SCHEMA public FROM regress_log_owner;
DROP ROLE regress_log_owner, regress_log_other;
