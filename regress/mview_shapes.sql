-- Which queries views follow incrementally and why others not, and the corners of those that they do.
SET jit = off;
LOAD 'heliosdb';
CREATE TABLE a (id int PRIMARY KEY, g int, x int, t text, n numeric, f float8, j json, at timestamptz);
CREATE TABLE b (id int PRIMARY KEY, a int, s text);
INSERT INTO a SELECT i, i % 4, i % 6, 't' || i % 3, i / 4.0, i, '{}', '2026-01-01' FROM generate_series(1, 24) i;
INSERT INTO b SELECT i, i * 2, 's' || i % 3 FROM generate_series(1, 12) i;

CREATE TABLE kept (name text, query text);
-- Makes a view, and says what mv_explain says.
CREATE FUNCTION explain_view(name text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE e record;
BEGIN
  EXECUTE format('CREATE MATERIALIZED VIEW %I WITH (auto_refresh = true) AS %s', name, query);
  SELECT * INTO e FROM heliosdb.mv_explain(name::regclass);
  IF NOT e.incremental THEN
    EXECUTE format('DROP MATERIALIZED VIEW %I', name);
    RETURN e.why_not || coalesce('; ' || e.remedy, '');
  END IF;
  INSERT INTO kept VALUES (name, query);
  RETURN e.method;
END $$;
-- Refreshes all views incrementally, and lists those that differ from their query or were not refreshed that way.
CREATE FUNCTION follow() RETURNS TABLE (view_name text, differing bigint, way text) LANGUAGE plpgsql AS $$
BEGIN
  FOR view_name, differing IN SELECT k.name, 0 FROM kept k LOOP
    EXECUTE format('ALTER MATERIALIZED VIEW %I SET (heliosdb.refresh = ''incrementally'')', view_name);
    SELECT h.strategy INTO way FROM heliosdb.mview_history h WHERE relid = view_name::regclass ORDER BY id DESC LIMIT 1;
    EXECUTE format('SELECT count(*) FROM ((SELECT * FROM %1$I EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL SELECT * FROM %1$I)) d',
                   view_name, (SELECT k.query FROM kept k WHERE k.name = view_name)) INTO differing;
    IF differing > 0 OR way <> 'incremental' THEN RETURN NEXT; END IF;
  END LOOP;
END $$;

-- What is computed anew each time, and why.
SELECT explain_view('r1', 'SELECT id FROM a ORDER BY id LIMIT 3');
SELECT explain_view('r2', 'SELECT id, now() AS n FROM a');
SELECT explain_view('r3', 'SELECT id, random() AS r FROM a');
SELECT explain_view('r4', 'SELECT id, date_trunc(''day'', at) AS d FROM a');
SELECT explain_view('r5', 'SELECT id, row_number() OVER (ORDER BY x) AS r FROM a');
SELECT explain_view('r7', 'WITH RECURSIVE r AS (SELECT id FROM a WHERE id = 1 UNION SELECT b.a FROM r JOIN b ON b.id = r.id) SELECT * FROM r');
SELECT explain_view('r8', 'SELECT a AS whole FROM a');
SELECT explain_view('r9', 'SELECT ctid AS place FROM a');
SELECT explain_view('r10', 'SELECT g, (SELECT count(*) FROM b WHERE b.a = a.g) AS c FROM a GROUP BY g');
SELECT explain_view('r11', 'SELECT id FROM a TABLESAMPLE BERNOULLI (50)');
SELECT explain_view('r12', 'SELECT a.id FROM a LEFT JOIN b ON b.id = (SELECT max(id) FROM b WHERE b.a = a.id)');
SELECT explain_view('r13', 'SELECT g, rank() OVER (PARTITION BY g ORDER BY x) AS r, rank() OVER (PARTITION BY x ORDER BY g) AS s FROM a');

-- What is followed.
SELECT explain_view('plain', 'SELECT id, x * 2 AS y FROM a WHERE t <> ''t1''');
SELECT explain_view('no_table', 'SELECT 1 AS one');
SELECT explain_view('ordered', 'SELECT id, g FROM a ORDER BY x, g');
SELECT explain_view('values_join', 'SELECT a.id, v.name FROM a JOIN (VALUES (0, ''zero''), (1, ''one'')) v (k, name) ON v.k = a.g');
SELECT explain_view('function_join', 'SELECT a.id, i FROM a LEFT JOIN LATERAL generate_series(1, a.g) i ON true');
SELECT explain_view('text_dates', 'SELECT date_trunc(''day'', at AT TIME ZONE ''UTC'') AS d, count(*) AS c FROM a GROUP BY 1');
SELECT explain_view('numbers', 'SELECT g, sum(n) AS s, avg(n) AS a, variance(n) AS v FROM a GROUP BY g');
SELECT explain_view('floats', 'SELECT g, sum(f) AS s, avg(f) AS a FROM a GROUP BY g');
SELECT explain_view('array_of', 'SELECT g, array_agg(x ORDER BY id) AS xs FROM a GROUP BY g');
SELECT explain_view('long_keys', 'SELECT repeat(t, 3000) AS k, max(x) AS m FROM a GROUP BY repeat(t, 3000)');
SELECT explain_view('union_of_types', 'SELECT id::bigint AS v FROM a UNION SELECT n FROM a UNION ALL SELECT 7');
SELECT explain_view('srf_over_groups', 'SELECT g, unnest(ARRAY[min(x), max(x)]) AS e FROM a GROUP BY g');
SELECT explain_view('two_without_from', 'SELECT (SELECT max(x) FROM a) AS m, (SELECT count(*) FROM b) AS c');
SELECT explain_view('not_all', 'SELECT id FROM a WHERE x > ALL (SELECT a / 4 FROM b WHERE b.s = a.t)');
SELECT explain_view('array_subquery', 'SELECT id, ARRAY(SELECT b.s FROM b WHERE b.a = a.id ORDER BY b.s) AS ss FROM a');
SELECT explain_view('cube', 'SELECT g, x, count(*) AS c FROM a GROUP BY CUBE (g, x)');
SELECT explain_view('rolled', 'SELECT g, NULL::int AS x, count(*) AS c FROM a GROUP BY g UNION ALL SELECT NULL, x, count(*) FROM a GROUP BY x');
SELECT name, missing_indexes FROM kept, heliosdb.mv_explain(name::regclass) WHERE missing_indexes <> '{}' ORDER BY name;

-- The largest scale among numbers goes and comes; not-a-number and infinity come and go.
INSERT INTO a VALUES (100, 1, 3, 't1', 0.123456789, 1e150, '{}', '2026-02-01'), (101, 2, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT * FROM follow();
UPDATE a SET n = 'NaN', f = 'NaN' WHERE id IN (1, 2);
UPDATE a SET n = 'Infinity', f = '-Infinity' WHERE id = 3;
SELECT * FROM follow();
DELETE FROM a WHERE id = 100;
UPDATE a SET n = 1, f = 1 WHERE id IN (1, 3);
SELECT * FROM follow();
SELECT g, s, a, scale(a) FROM numbers WHERE g = 1;
UPDATE b SET s = 't' || id % 3, a = a + 1;
DELETE FROM b WHERE id > 9;
SELECT * FROM follow();
DELETE FROM a WHERE g = 3;
UPDATE a SET t = 't0';
SELECT * FROM follow();

-- Rows that tie: which of them is first is not determined, but groups are replaced as a whole, and incrementally.
CREATE MATERIALIZED VIEW tied WITH (auto_refresh = true) AS
  SELECT id, x, row_number() OVER (PARTITION BY x) AS r FROM a;
UPDATE a SET x = 1 WHERE id < 9;
ALTER MATERIALIZED VIEW tied SET (heliosdb.refresh = 'incrementally');
SELECT strategy FROM heliosdb.mview_history WHERE relid = 'tied'::regclass ORDER BY id DESC LIMIT 1;
SELECT count(*) = (SELECT count(*) FROM a) AS complete, bool_and(r BETWEEN 1 AND c) AS numbered,
       count(DISTINCT (x, r)) = count(*) AS unambiguous
FROM (SELECT *, count(*) OVER (PARTITION BY x) AS c FROM tied) q;

-- Values that are equal and look different.
CREATE TABLE alike (id int PRIMARY KEY, n numeric);
INSERT INTO alike VALUES (1, 1.0), (2, 1.00), (3, 2);
CREATE MATERIALIZED VIEW of_alike WITH (auto_refresh = true) AS SELECT n, count(*) AS c, array_agg(id ORDER BY id) AS ids FROM alike GROUP BY n;
CREATE MATERIALIZED VIEW all_alike WITH (auto_refresh = true) AS SELECT n FROM alike;
DELETE FROM alike WHERE id = 1;
INSERT INTO alike VALUES (4, 1.000), (5, 2.0);
ALTER MATERIALIZED VIEW of_alike SET (heliosdb.refresh = 'incrementally');
ALTER MATERIALIZED VIEW all_alike SET (heliosdb.refresh = 'incrementally');
SELECT n = 1 AS is_one, c, ids FROM of_alike ORDER BY n;
SELECT n FROM all_alike ORDER BY n::text;
SELECT DISTINCT strategy FROM heliosdb.mview_history WHERE relid IN ('of_alike'::regclass, 'all_alike'::regclass) AND trigger = 'manual';

-- The state goes with the view.
SELECT count(*) > 0 AS there FROM pg_class WHERE relnamespace = 'heliosdb_mview'::regnamespace;
DO $$ DECLARE v text; BEGIN FOR v IN SELECT oid::regclass FROM pg_class WHERE relkind = 'm' LOOP EXECUTE 'DROP MATERIALIZED VIEW ' || v; END LOOP; END $$;
SELECT count(*) FROM pg_class WHERE relnamespace = 'heliosdb_mview'::regnamespace;
DROP TABLE a, b, alike, kept;
DROP FUNCTION explain_view, follow;

-- The owner needs no right on the state, and a state that is damaged is made anew.
CREATE ROLE viewer;
CREATE SCHEMA own AUTHORIZATION viewer;
SET ROLE viewer;
CREATE TABLE own.t (id int PRIMARY KEY, g int, x int);
INSERT INTO own.t SELECT i, i % 3, i FROM generate_series(1, 9) i;
CREATE MATERIALIZED VIEW own.nested WITH (auto_refresh = true) AS
  SELECT t.id, q.s FROM own.t LEFT JOIN (SELECT g, sum(x) AS s FROM own.t GROUP BY g HAVING max(x) > 7) q USING (g);
UPDATE own.t SET x = 1 WHERE id = 8;
ALTER MATERIALIZED VIEW own.nested SET (heliosdb.refresh = 'incrementally');
SELECT * FROM own.nested ORDER BY id;
RESET ROLE;
-- Takes the rows of a view's state away.
CREATE FUNCTION damage(view regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE state text;
BEGIN
  FOR state IN SELECT c.oid::regclass FROM pg_class c WHERE relkind = 'r' AND relname LIKE 'state_' || view::oid || '_%' LOOP
    EXECUTE 'DELETE FROM ' || state;
  END LOOP;
END $$;
SELECT damage('own.nested');
SET ROLE viewer;
DELETE FROM own.t WHERE id = 7;
ALTER MATERIALIZED VIEW own.nested SET (heliosdb.refresh = 'incrementally');
DELETE FROM own.t WHERE id = 6;
ALTER MATERIALIZED VIEW own.nested SET (heliosdb.refresh = 'incrementally');
SELECT * FROM own.nested ORDER BY id;
RESET ROLE;
SELECT strategy, reason FROM heliosdb.mview_history WHERE relid = 'own.nested'::regclass ORDER BY id;
DROP FUNCTION damage;
SET client_min_messages = warning;
DROP SCHEMA own CASCADE;
DROP ROLE viewer;

-- More changes than fit into memory at once are summed up in parts.
CREATE TABLE wide (id int PRIMARY KEY, t text);
INSERT INTO wide SELECT i, repeat(md5((i / 2)::text), 8) FROM generate_series(1, 9000) i;
CREATE MATERIALIZED VIEW of_wide WITH (auto_refresh = true) AS SELECT t FROM wide;
CREATE MATERIALIZED VIEW distinct_wide WITH (auto_refresh = true) AS SELECT DISTINCT t FROM wide;
UPDATE wide SET t = t || 'x' WHERE id % 3 > 0;
SET maintenance_work_mem = '1MB';
SET heliosdb.mv_full_refresh_fraction = 1;
ALTER MATERIALIZED VIEW of_wide SET (heliosdb.refresh = 'incrementally');
ALTER MATERIALIZED VIEW distinct_wide SET (heliosdb.refresh = 'incrementally');
SELECT (SELECT count(*) FROM (SELECT t FROM wide EXCEPT ALL TABLE of_wide) d) AS missing,
       (SELECT count(*) FROM (TABLE of_wide EXCEPT ALL SELECT t FROM wide) d) AS extra,
       (SELECT count(*) FROM (SELECT DISTINCT t FROM wide EXCEPT ALL TABLE distinct_wide) d) AS missing_distinct,
       (SELECT count(*) FROM (TABLE distinct_wide EXCEPT ALL SELECT DISTINCT t FROM wide) d) AS extra_distinct;
SELECT DISTINCT strategy FROM heliosdb.mview_history WHERE relid IN ('of_wide'::regclass, 'distinct_wide'::regclass) AND trigger = 'manual';
DROP TABLE wide CASCADE;

-- What is read twice is kept once.
CREATE TABLE t (id int PRIMARY KEY, g int, x int);
INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 50) i;
CREATE MATERIALIZED VIEW twice WITH (auto_refresh = true) AS
  WITH q AS (SELECT g, sum(x) AS s FROM t GROUP BY g) SELECT q1.g, q2.s FROM q q1 JOIN q q2 ON q1.s <= q2.s;
CREATE MATERIALIZED VIEW both_ends WITH (auto_refresh = true) AS
  SELECT a.g, a.m, b.m AS n FROM (SELECT g, min(x) AS m FROM t GROUP BY g) a JOIN (SELECT g, max(x) AS m FROM t GROUP BY g) b USING (g);
SELECT v, (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'state\_' || v::regclass::oid || '\_%') AS states
FROM unnest('{twice, both_ends}'::text[]) v;
UPDATE t SET x = x + 7 WHERE id % 7 = 0;
DELETE FROM t WHERE id IN (2, 50);
ALTER MATERIALIZED VIEW twice SET (heliosdb.refresh = 'incrementally');
ALTER MATERIALIZED VIEW both_ends SET (heliosdb.refresh = 'incrementally');
SELECT count(*) FROM (TABLE twice EXCEPT ALL
  (WITH q AS (SELECT g, sum(x) AS s FROM t GROUP BY g) SELECT q1.g, q2.s FROM q q1 JOIN q q2 ON q1.s <= q2.s)) d;
SELECT * FROM both_ends ORDER BY g;
DROP TABLE t CASCADE;

-- Functions and operators of a caller's search path are none of a refresh.
CREATE SCHEMA trap;
CREATE FUNCTION trap.wrong(bigint, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR trap.> (LEFTARG = bigint, RIGHTARG = int, FUNCTION = trap.wrong);
CREATE TABLE t (id int PRIMARY KEY, x int);
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE MATERIALIZED VIEW sums WITH (auto_refresh = true) AS SELECT id % 2 AS odd, avg(x) AS a FROM t GROUP BY id % 2;
SET search_path = trap, public, pg_catalog;
UPDATE t SET x = 3 WHERE id = 1;
ALTER MATERIALIZED VIEW sums SET (heliosdb.refresh = 'incrementally');
SELECT * FROM sums ORDER BY odd;
RESET search_path;
DROP TABLE t CASCADE;
DROP SCHEMA trap CASCADE;
