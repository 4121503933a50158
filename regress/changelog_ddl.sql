-- DDL of tracked tables: what restarts history, what does not, what is refused, and that logs go with their tables.
\set VERBOSITY default
SET jit = off;
CREATE VIEW history AS
  SELECT t.relid::regclass AS tab, NULLIF(t.root, 0)::regclass AS root, t.key, t.reason,
         (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
          FROM pg_attribute WHERE attrelid = t.log AND attnum > 4 AND NOT attisdropped) AS columns
  FROM heliosdb.tracked t ORDER BY t.relid::regclass::text COLLATE "C";
CREATE FUNCTION records(tab regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', (SELECT log::regclass FROM heliosdb.tracked WHERE relid = tab)) INTO n;
  RETURN n;
END $$;

-- What cannot be tracked.
CREATE TEMP TABLE of_session (id int);
CREATE UNLOGGED TABLE unlogged (id int);
CREATE TABLE mother (id int);
CREATE TABLE child () INHERITS (mother);
CREATE MATERIALIZED VIEW matview AS SELECT 1 AS one;
SELECT heliosdb.track('of_session');
SELECT heliosdb.track('unlogged');
SELECT heliosdb.track('mother');
SELECT heliosdb.track('child');
SELECT heliosdb.track('matview');
SELECT heliosdb.track('history');
SELECT heliosdb.track('pg_class');
SELECT heliosdb.track('heliosdb.tracked');
SELECT heliosdb.track('heliosdb_log.subxacts');
SELECT heliosdb.untrack('mother');

-- Columns.
CREATE TABLE t (id int PRIMARY KEY, v varchar(10), n int);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 3) i;
SELECT heliosdb.track('t');
UPDATE t SET n = 0;
ALTER TABLE t ADD COLUMN added text DEFAULT 'old';
ALTER TABLE t ADD COLUMN other numeric(5, 2), ADD COLUMN plain int;
UPDATE t SET n = 1;
TABLE history;
SELECT records('t');
SELECT log::regclass AS log FROM heliosdb.tracked WHERE relid = 't'::regclass \gset
SELECT op, c1, c2, c3, c4 FROM :log ORDER BY c3, c1;
CREATE TYPE mood AS ENUM ('sad', 'glad');
ALTER TABLE t ADD COLUMN m mood;
UPDATE t SET m = 'glad';
ALTER TABLE t DROP COLUMN m;
DROP TYPE mood;
UPDATE t SET n = 2;
ALTER TABLE t RENAME COLUMN n TO number;
ALTER TABLE t ALTER number SET DEFAULT 5, ALTER v SET STATISTICS 10;
CREATE INDEX ON t (number);
VACUUM FULL t;
CLUSTER t USING t_pkey;
CREATE SCHEMA elsewhere;
ALTER TABLE t SET SCHEMA elsewhere;
ALTER TABLE elsewhere.t SET SCHEMA public;
TABLE history;
SELECT records('t');
ALTER TABLE t ALTER v TYPE varchar(20);
TABLE history;
ALTER TABLE t ALTER number TYPE bigint;
TABLE history;
ALTER TABLE t DROP CONSTRAINT t_pkey;
TABLE history;
ALTER TABLE t ADD PRIMARY KEY (number, id);
TABLE history;
UPDATE t SET v = 'x';
SELECT records('t');
TRUNCATE t;
TABLE history;
SELECT records('t');
BEGIN;
INSERT INTO t VALUES (1, 'in', 1);
ALTER TABLE t ADD COLUMN temporary int;
TRUNCATE t;
ROLLBACK;
TABLE history;
ALTER TABLE t SET UNLOGGED;
CREATE TABLE heir () INHERITS (t);
CREATE TABLE heir (LIKE t);
ALTER TABLE heir INHERIT t;
DROP TABLE heir;

-- Triggers of the change log.
SELECT tgname AS trigger FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname LIKE 'heliosdb\_capture\_%' \gset
\set VERBOSITY sqlstate
DROP TRIGGER :"trigger" ON t;
\set VERBOSITY default
ALTER TABLE t DISABLE TRIGGER USER;
TABLE history;
ALTER TABLE t DISABLE TRIGGER ALL;
INSERT INTO t VALUES (1, 'missed', 1);
SELECT heliosdb.create_consumer('c', 't');
SELECT * FROM heliosdb.read_changes('c', NULL::t);
ALTER TABLE t ENABLE TRIGGER ALL;
SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass;
TABLE history;
SELECT * FROM heliosdb.read_changes('c', NULL::t);
SELECT heliosdb.untrack('t');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT count(*) FROM pg_class WHERE relnamespace = 'heliosdb_log'::regnamespace AND relname LIKE 'log\_%';
SELECT heliosdb.track('t');
DROP TABLE t;
TABLE history;

-- Partitions.
CREATE TABLE p (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
SELECT heliosdb.track('p');
TABLE history;
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (40) PARTITION BY RANGE (id);
CREATE TABLE p31 PARTITION OF p3 FOR VALUES FROM (20) TO (30);
TABLE history;
CREATE TABLE p32 (v text, id int);
INSERT INTO p32 VALUES ('here', 33);
ALTER TABLE p3 ATTACH PARTITION p32 FOR VALUES FROM (30) TO (40);
TABLE history;
INSERT INTO p VALUES (1, 'a'), (11, 'b');
UPDATE p SET id = id + 20 WHERE id < 20;
SELECT records('p1'), records('p2'), records('p31'), records('p32');
SELECT heliosdb.untrack('p2');
ALTER TABLE p DETACH PARTITION p2;
TABLE history;
ALTER TABLE p ADD COLUMN w int;
TABLE history;
DROP TABLE p32;
TABLE history;
ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;
TABLE history;
TRUNCATE p;
TABLE history;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE p4 PARTITION OF p FOR VALUES FROM (60) TO (70) SERVER nowhere;
DROP TABLE p1, p2;
DROP TABLE p;
TABLE history;

-- Schemas, owners, and the extension itself.
CREATE SCHEMA s;
CREATE TYPE s.pair AS (a int, b int);
CREATE TABLE s.t (id int PRIMARY KEY, p s.pair);
SELECT heliosdb.track('s.t');
SET client_min_messages = warning;
DROP SCHEMA s CASCADE;
TABLE history;
CREATE TABLE t (id int PRIMARY KEY);
SELECT heliosdb.track('t');
DROP VIEW history;
DROP FUNCTION records;
DROP EXTENSION heliosdb;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'heliosdb%';
INSERT INTO t VALUES (1);
CREATE EXTENSION heliosdb;
SELECT heliosdb.track('t');
UPDATE t SET id = 2;
