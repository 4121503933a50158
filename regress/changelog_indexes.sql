-- Logs have the indexes of their tables: which ones, how DDL keeps them in line, that they find every record, and that
-- plans of AS OF use them.
\set VERBOSITY default
SET jit = off;
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION log_of(tab regclass) RETURNS regclass LANGUAGE sql AS
  $$ SELECT log::regclass FROM heliosdb.tracked WHERE relid = tab $$;
CREATE FUNCTION log_indexes(tab regclass) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT replace(replace(pg_get_indexdef(indexrelid), 'heliosdb_log.', ''), 'log_' || tab::oid, 'log_T')
  FROM pg_index WHERE indrelid = log_of(tab) AND pg_get_indexdef(indexrelid) !~ 'USING brin' ORDER BY 1 $$;
CREATE FUNCTION plan(query text, tab regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    RETURN NEXT regexp_replace(replace(line, tab::oid::text, 'T'), 'Filter: .*', 'Filter');
  END LOOP;
END $$;
-- Counts the btree indexes of a log; an error if one lacks an entry of a record, by contrib's amcheck.
CREATE EXTENSION amcheck;
CREATE FUNCTION complete(tab regclass) RETURNS bigint LANGUAGE sql AS $$
  SELECT count(bt_index_check(indexrelid, true)) FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am m ON m.oid = relam
  WHERE indrelid = log_of(tab) AND amname = 'btree' $$;

-- What is mirrored: btree on plain columns with classes, collations and order; once if two are alike.
CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, note text, other text, gone int);
INSERT INTO t SELECT i, i % 100, 'note ' || i, 'x', i FROM generate_series(1, 1000) i;
CREATE INDEX ON t (k);
CREATE INDEX again ON t (k);
CREATE UNIQUE INDEX ON t (note COLLATE "C" text_pattern_ops DESC NULLS LAST, id) INCLUDE (other);
CREATE UNIQUE INDEX on_key ON t (id);
CREATE INDEX ON t (lower(note));
CREATE INDEX ON t (k) WHERE id > 5;
CREATE INDEX ON t USING hash (k);
CREATE INDEX ON t USING gin (to_tsvector('simple', note));
SELECT heliosdb.track('t');
SELECT log_indexes('t');
-- Ranges of blocks get summaries from autovacuum after a number of records, however large the log is.
SELECT reloptions FROM pg_class WHERE oid = log_of('t');

-- Capture writes to all, and not where no row version ended.
UPDATE t SET k = k + 1 WHERE id % 3 = 0;
DELETE FROM t WHERE id > 900;
INSERT INTO t SELECT i, 7, 'new ' || i, NULL, NULL FROM generate_series(2001, 2010) i;
SELECT complete('t');
SELECT count(*) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE indrelid = log_of('t') AND indpred IS NOT NULL
  AND pg_relation_size(c.oid) = 0;

-- DDL: indexes come and go with those of the table, also while it has a history.
CREATE INDEX late ON t (gone, k DESC);
SELECT log_indexes('t');
SELECT complete('t');
UPDATE t SET gone = gone + 1 WHERE id < 50;
SELECT complete('t');
DROP INDEX t_k_idx;
SELECT log_indexes('t');
DROP INDEX again;
SELECT log_indexes('t');
ALTER TABLE t ADD CONSTRAINT other UNIQUE (other, id);
ALTER TABLE t ADD UNIQUE (k, id) DEFERRABLE;
SELECT log_indexes('t');
ALTER TABLE t DROP CONSTRAINT other, DROP CONSTRAINT t_k_id_key;
ALTER TABLE t DROP COLUMN gone;
SELECT log_indexes('t');
CREATE INDEX CONCURRENTLY at_once ON t (k);
SELECT log_indexes('t');
REINDEX INDEX CONCURRENTLY at_once;
REINDEX TABLE CONCURRENTLY t;
UPDATE t SET k = k + 1 WHERE id < 30;
SELECT log_indexes('t');
SELECT complete('t');
DROP INDEX CONCURRENTLY at_once;
SELECT log_indexes('t');
ALTER INDEX t_note_id_other_idx RENAME TO renamed;
ALTER TABLE t ALTER other TYPE varchar(50);
SELECT log_indexes('t');
BEGIN;
CREATE INDEX ON t (k);
UPDATE t SET k = k + 1 WHERE id < 30;
SAVEPOINT s;
DROP INDEX t_k_idx;
UPDATE t SET k = k + 1 WHERE id < 30;
ROLLBACK TO s;
UPDATE t SET k = k + 1 WHERE id < 30;
SELECT log_indexes('t');
SELECT complete('t');
ROLLBACK;
UPDATE t SET k = k + 1 WHERE id < 30;
SELECT log_indexes('t');
SELECT complete('t');
ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (k, id);
SELECT log_indexes('t');
CREATE TYPE mood AS ENUM ('sad', 'glad');
ALTER TABLE t ADD COLUMN m mood;
CREATE INDEX ON t (m, k);
UPDATE t SET m = 'glad' WHERE id < 30;
SELECT log_indexes('t');
ALTER TABLE t DROP COLUMN m;
DROP TYPE mood;
SELECT log_indexes('t');
UPDATE t SET other = 'y' WHERE id < 30;
SELECT complete('t');
CREATE INDEX t_k ON t (k);
TRUNCATE t;
SELECT log_indexes('t');

-- Who changes the indexes of a log by hand: capture goes on with what is there, track() makes them anew.
INSERT INTO t (id, k, note) SELECT i, i % 10, i FROM generate_series(1, 1000) i;
DO $$ BEGIN
  EXECUTE (SELECT format('DROP INDEX %s', string_agg(indexrelid::regclass::text, ', ')) FROM pg_index WHERE indrelid = log_of('t'));
END $$;
UPDATE t SET note = 'x' || note WHERE id < 500;
SELECT log_indexes('t');
SELECT heliosdb.track('t');
SELECT log_indexes('t');
SELECT count(*) FROM pg_index WHERE indrelid = log_of('t') AND pg_get_indexdef(indexrelid) ~ 'USING brin';
UPDATE t SET note = 'x' || note WHERE id < 500;
SELECT complete('t');
SELECT log_of('t') AS log \gset
REINDEX TABLE CONCURRENTLY :log;
CREATE INDEX by_hand ON :log (c2, xid);
UPDATE t SET note = 'x' || note WHERE id < 500;
SELECT complete('t');
SET enable_seqscan = off;
SELECT count(*) FROM :log WHERE c2 >= 0;
RESET enable_seqscan;
SELECT count(*) FROM :log WHERE c2 >= 0;
DROP INDEX heliosdb_log.by_hand;
CREATE UNIQUE INDEX by_hand ON :log (c1, c2, xid, op);
\set VERBOSITY sqlstate
UPDATE t SET note = 'x' WHERE id = 1;
\set VERBOSITY default
DROP INDEX heliosdb_log.by_hand;
UPDATE t SET note = 'x' WHERE id = 1;

-- Plans: conditions and order by indexes of the present and of the log.
ANALYZE t;
ANALYZE :log;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') WHERE k = 3$$, 't');
SELECT plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') WHERE id BETWEEN 5 AND 6$$, 't');
CREATE INDEX o ON t (other COLLATE "C" DESC NULLS LAST);
SELECT plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') ORDER BY other COLLATE "C" DESC NULLS LAST LIMIT 3$$, 't');
CREATE INDEX n ON t (note);
SELECT plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') ORDER BY note LIMIT 3$$, 't');
SELECT plan($$SELECT max(note) FROM t TABLESAMPLE as_of ('2001-01-01')$$, 't');
PREPARE p(int, timestamptz) AS SELECT * FROM t TABLESAMPLE as_of ($2) WHERE note = $1::text;
SET plan_cache_mode = force_generic_plan;
SELECT plan('EXECUTE p(1, NULL)', 't');
RESET plan_cache_mode;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- Partitions: each has a log, whose indexes come with those of the whole.
CREATE TABLE p (id int, k int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (k int, id int NOT NULL);
SELECT heliosdb.track('p');
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
CREATE INDEX ON p (k);
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30);
INSERT INTO p SELECT i, i FROM generate_series(1, 25) i;
UPDATE p SET k = k + 1;
SELECT log_indexes('p1');
SELECT log_indexes('p2');
SELECT log_indexes('p3');
SELECT complete('p1'), complete('p2'), complete('p3');
DROP INDEX p_k_idx;
SELECT log_indexes('p2');
CREATE INDEX ON p2 (k);
SELECT log_indexes('p2');
DROP TABLE p;

-- The owner of a table need not own its log.
CREATE ROLE index_owner;
CREATE TABLE owned (id int PRIMARY KEY, k int);
ALTER TABLE owned OWNER TO index_owner;
GRANT CREATE ON SCHEMA public TO index_owner;
SET ROLE index_owner;
SELECT heliosdb.track('owned');
INSERT INTO owned VALUES (1, 1);
UPDATE owned SET k = 2;
CREATE INDEX owned_k ON owned (k);
UPDATE owned SET k = 3;
RESET ROLE;
SELECT log_indexes('owned');
SELECT complete('owned');
SET ROLE index_owner;
DROP INDEX owned_k;
TRUNCATE owned;
RESET ROLE;
SELECT log_indexes('owned');
DROP TABLE owned;
REVOKE CREATE ON SCHEMA public FROM index_owner;
DROP ROLE index_owner;

-- A table without a key, an index with too long a value, and one that is dropped with its index.
CREATE TABLE bag (k int, long text);
SELECT heliosdb.track('bag');
SELECT log_indexes('bag');
INSERT INTO bag SELECT i, (SELECT string_agg(md5(j::text), '') FROM generate_series(1, 200) j) FROM generate_series(1, 2) i;
UPDATE bag SET long = 'short';
CREATE INDEX ON bag (k);
SELECT log_indexes('bag');
\set VERBOSITY sqlstate
CREATE INDEX ON bag (long);
\set VERBOSITY default
UPDATE bag SET k = k + 1;
SELECT complete('bag');
DROP TABLE bag, t;
SELECT count(*) FROM pg_class WHERE relnamespace = 'heliosdb_log'::regnamespace AND relname LIKE 'log\_%';
