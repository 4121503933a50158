-- AS OF in a server without the library preloaded: what is planned, refused, stored and permitted. Commit times are
-- not recorded here, so nothing is read from the past.
\set VERBOSITY default
SET jit = off;
SELECT current_setting('track_commit_timestamp') AS track_commit_timestamp;
CREATE TABLE t (id int PRIMARY KEY, n int, note text, secret text);
INSERT INTO t SELECT i, i % 200, 'note ' || i, 'hidden' FROM generate_series(1, 1000) i;
CREATE INDEX t_n ON t (n);
ANALYZE t;
CREATE TABLE stranger (id int PRIMARY KEY, at timestamptz);
INSERT INTO stranger VALUES (1, '2020-01-01');

-- Without history.
SELECT * FROM t TABLESAMPLE as_of (now());
EXPLAIN SELECT * FROM t TABLESAMPLE as_of (now());
SELECT * FROM t TABLESAMPLE heliosdb.as_of_transaction (3);
SELECT * FROM pg_class TABLESAMPLE as_of (now());
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM t;
SELECT * FROM counted TABLESAMPLE as_of (now());

-- Tracked: the server does not note when transactions commit.
SELECT heliosdb.track('t');
SELECT count(*) FROM t TABLESAMPLE as_of (now());
SELECT count(*) FROM t TABLESAMPLE as_of ('2001-01-01');
SELECT count(*) FROM t TABLESAMPLE as_of ('infinity');
SELECT count(*) FROM t TABLESAMPLE heliosdb.as_of_transaction (3);
SELECT count(*) FROM t TABLESAMPLE heliosdb.as_of_transaction (-1);
SELECT heliosdb.as_of_instant('t'::regclass, now());
SELECT heliosdb.as_of_instant('stranger'::regclass, now());

-- The instant.
SELECT * FROM t TABLESAMPLE as_of (clock_timestamp());
SELECT * FROM t TABLESAMPLE as_of ('2001-01-01'::timestamptz + random() * interval '1 day');
SELECT * FROM t TABLESAMPLE as_of ('yesterdayish');
SELECT * FROM t TABLESAMPLE as_of (5);
SELECT * FROM t TABLESAMPLE as_of (true);
SELECT * FROM t TABLESAMPLE as_of ();
SELECT * FROM t TABLESAMPLE as_of (now(), now());
SELECT * FROM t TABLESAMPLE heliosdb.as_of_transaction (now());
SELECT * FROM t TABLESAMPLE as_of (now()) REPEATABLE (1);
SELECT * FROM t TABLESAMPLE as_of (count(*));
SELECT * FROM t TABLESAMPLE as_of (NULL);
SELECT * FROM t TABLESAMPLE heliosdb.as_of_transaction (NULL);
SELECT * FROM t TABLESAMPLE as_of (t.note::timestamptz);

-- Where it cannot stand.
SELECT * FROM t TABLESAMPLE as_of (now()) FOR UPDATE;
SELECT * FROM t AS x TABLESAMPLE as_of (now()) FOR KEY SHARE;
SELECT * FROM t p, t x TABLESAMPLE as_of (now()) FOR SHARE OF x;
EXPLAIN (COSTS OFF) SELECT FROM stranger p, t x TABLESAMPLE as_of (now()) WHERE false FOR SHARE OF p;
SELECT * FROM (SELECT * FROM t TABLESAMPLE as_of (now())) x FOR UPDATE;
SELECT xmin FROM t TABLESAMPLE as_of (now());
SELECT id FROM t TABLESAMPLE as_of (now()) WHERE ctid = '(0,1)';
SELECT id FROM t x TABLESAMPLE as_of (now()) ORDER BY x.tableoid;
SELECT (SELECT x.xmax) FROM t x TABLESAMPLE as_of (now());
SELECT x.id, p.ctid IS NULL FROM t x TABLESAMPLE as_of (now()) JOIN t p USING (id) WHERE false;
CREATE VIEW ids AS SELECT id FROM t;
SELECT * FROM ids TABLESAMPLE as_of (now());
SELECT * FROM generate_series(1, 2) TABLESAMPLE as_of (now());
UPDATE t TABLESAMPLE as_of (now()) SET n = 0;
TABLESAMPLE as_of (now());

-- Ordinary samples stay what they were.
SELECT count(*) FROM t TABLESAMPLE system (100);
SELECT count(*), count(xmin) FROM t TABLESAMPLE bernoulli (100) REPEATABLE (1);

-- Plans: the indexes of the present serve, the instant is computed once.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    RETURN NEXT line;
  END LOOP;
END $$;
SET max_parallel_workers_per_gather = 0;
SELECT log::regclass AS log FROM heliosdb.tracked WHERE relid = 't'::regclass \gset
SELECT bool_or(p ~ '^ *Index: t_pkey$') AS key, bool_or(p ~ '^ *Index Cond: \(t.id = 5\)$') AS condition
FROM plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') WHERE id = 5$$) p;
SELECT bool_or(p ~ '^ *Index: t_pkey$') AS key, bool_or(p ~ 'Sort') AS sorts
FROM plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') ORDER BY id LIMIT 3$$) p;
SELECT bool_or(p ~ '(Index: |Bitmap Index Scan on )t_n$') AS index
FROM plan($$SELECT * FROM t TABLESAMPLE as_of ('2001-01-01') WHERE n = 3$$) p;
SELECT count(*) FILTER (WHERE p ~ 'SubPlan') AS per_row, count(*) FILTER (WHERE p ~ 'InitPlan') > 0 AS once
FROM plan($$SELECT * FROM t TABLESAMPLE as_of (now()) WHERE n > 3 AND note = 'x'$$) p;

-- Stored: the clause is stock grammar, and comes back as such.
CREATE VIEW past AS SELECT x.id, x.note FROM t x TABLESAMPLE as_of ('2001-01-01 00:00:00+00'::timestamptz);
CREATE VIEW by_transaction AS SELECT count(*) AS n FROM t TABLESAMPLE heliosdb.as_of_transaction (3);
SET TIME ZONE 'UTC';
SELECT pg_get_viewdef('past'), pg_get_viewdef('by_transaction');
SELECT pg_get_viewdef('past') AS definition \gset
CREATE VIEW again AS :definition
SELECT pg_get_viewdef('past') = pg_get_viewdef('again') AS same;
SELECT * FROM past;
SELECT * FROM by_transaction;
SELECT heliosdb.untrack('t');
SELECT * FROM past;
SELECT * FROM past LIMIT 0;
SELECT heliosdb.track('t');
SELECT log::regclass AS log FROM heliosdb.tracked WHERE relid = 't'::regclass \gset
DROP TABLE t;

-- Functions: inlined ones, stored ones, and those with parsed bodies.
CREATE FUNCTION inlined(x timestamptz) RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM t TABLESAMPLE as_of (x)';
CREATE FUNCTION scalar(x timestamptz) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM t TABLESAMPLE as_of (x)';
CREATE FUNCTION parsed(x timestamptz) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM t TABLESAMPLE as_of (x); END;
CREATE FUNCTION procedural(x timestamptz) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t TABLESAMPLE as_of (x)); END';
SELECT * FROM inlined(now());
SELECT scalar(now());
SELECT parsed(now());
SELECT procedural(now());
DROP FUNCTION inlined, scalar, parsed, procedural;
PREPARE p(timestamptz) AS SELECT count(*) FROM t TABLESAMPLE as_of ($1);
EXECUTE p(now());
PREPARE untyped AS SELECT count(*) FROM t TABLESAMPLE as_of ($1);
EXECUTE untyped('2001-01-01');
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'untyped';
DEALLOCATE ALL;
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM t TABLESAMPLE as_of (now());
INSERT INTO stranger SELECT id, now() FROM t TABLESAMPLE as_of (now());
MERGE INTO stranger s USING t x TABLESAMPLE as_of (now()) ON s.id = x.id WHEN MATCHED THEN DELETE;
COPY (SELECT * FROM t TABLESAMPLE as_of (now())) TO STDOUT;
CREATE TABLE kept AS SELECT * FROM t TABLESAMPLE as_of (now());

-- Privileges: those of the table, and nothing else.
CREATE ROLE asof_reader;
CREATE ROLE asof_columns;
CREATE ROLE asof_nobody;
GRANT SELECT ON t, stranger TO asof_reader;
GRANT SELECT (id, n) ON t TO asof_columns;
SET ROLE asof_nobody;
SELECT count(*) FROM t TABLESAMPLE as_of (now());
SELECT id FROM t TABLESAMPLE as_of (now()) WHERE false;
EXPLAIN ANALYZE SELECT id FROM t TABLESAMPLE heliosdb.as_of_transaction (3);
SELECT 1 FROM stranger TABLESAMPLE as_of (now());
SELECT * FROM past;
SELECT heliosdb.track('stranger');
SELECT heliosdb.untrack('t');
\set VERBOSITY terse
SELECT * FROM :log;
\set VERBOSITY default
SET ROLE asof_columns;
SELECT id, n FROM t TABLESAMPLE as_of (now());
SELECT id FROM t TABLESAMPLE as_of (now()) WHERE note = '';
SELECT secret FROM t TABLESAMPLE as_of (now());
SELECT x FROM t x TABLESAMPLE as_of (now());
SELECT * FROM t TABLESAMPLE as_of (now());
\set VERBOSITY terse
SELECT * FROM :log;
\set VERBOSITY default
SET ROLE asof_reader;
SELECT * FROM t TABLESAMPLE as_of (now());
SELECT * FROM stranger TABLESAMPLE as_of (now());
\set VERBOSITY terse
SELECT * FROM :log;
\set VERBOSITY default
RESET ROLE;
-- Rights of the view's owner, as in the present.
GRANT SELECT ON past TO asof_nobody;
SET ROLE asof_nobody;
SELECT * FROM past;
RESET ROLE;
ALTER VIEW past OWNER TO asof_nobody;
SELECT * FROM past;
ALTER VIEW past SET (security_invoker = true);
SELECT * FROM past;
DROP VIEW past, again, by_transaction;
-- Row-level security: policies on columns stand in the plan of both branches.
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON t TO asof_reader USING (n < 3);
SET ROLE asof_reader;
SELECT count(*) FILTER (WHERE p ~ 'n < 3') AS branches FROM plan('SELECT * FROM t TABLESAMPLE as_of (now())') p;
RESET ROLE;
CREATE POLICY whole ON t TO asof_reader USING (t IS NOT NULL);
SET ROLE asof_reader;
SELECT count(*) FROM t TABLESAMPLE as_of (now());
RESET ROLE;
DROP TABLE t, stranger CASCADE;
DROP ROLE asof_reader, asof_columns, asof_nobody;
