-- Random transactions against recorded truth: the log gives back every cut, and consumers lose and double nothing.
SET client_min_messages = warning;
SET jit = off;
CREATE TABLE parent (id int PRIMARY KEY, note text);
CREATE TABLE keyed (a int, b text COLLATE "C", n int, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
                    long text, PRIMARY KEY (a, b));
CREATE TABLE bag (a int, n int);
CREATE TABLE late (id int PRIMARY KEY DEFERRABLE, n int);
CREATE TABLE parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (-1000) TO (10);
CREATE TABLE parts_high (n int, gone text, id int NOT NULL);
ALTER TABLE parts_high DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_high FOR VALUES FROM (10) TO (1000);

-- A trigger of the user's that updates the same row again: its change is logged before the statement's own.
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.n % 3 = 0 THEN UPDATE keyed SET n = n + 1 WHERE a = NEW.a AND b = NEW.b; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER a_again AFTER UPDATE ON keyed FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION again();
SELECT heliosdb.track(t) FROM unnest('{parent, keyed, bag, late, parts}'::regclass[]) t;

CREATE TABLE cuts (cut int PRIMARY KEY, at pg_snapshot);
CREATE TABLE truth (cut int, tab text, r text);
CREATE TABLE shadow (tab text, r text);
SELECT heliosdb.create_consumer(t, t::regclass) FROM unnest('{parent, keyed, bag, late, parts}'::text[]) t;

-- One random statement.
CREATE FUNCTION one_statement(k int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  x int := (random() * 20)::int;
BEGIN
  CASE k
    WHEN 0 THEN INSERT INTO parent VALUES (x, 'p') ON CONFLICT (id) DO UPDATE SET note = parent.note || 'u';
    WHEN 1 THEN INSERT INTO keyed SELECT x, chr(97 + i), i, (SELECT min(id) FROM parent WHERE id >= x), NULL
                FROM generate_series(0, 3) i ON CONFLICT DO NOTHING;
    WHEN 2 THEN UPDATE keyed SET n = n + 1 WHERE a % 5 = x % 5;
    WHEN 3 THEN DELETE FROM keyed WHERE a = x AND b < 'c';
    WHEN 4 THEN UPDATE keyed SET a = a + 100 WHERE a = x AND NOT EXISTS (SELECT FROM keyed WHERE a = x + 100);
    WHEN 5 THEN DELETE FROM parent WHERE id = x AND current_setting('session_replication_role') = 'origin';
    WHEN 6 THEN UPDATE parent SET id = id + 1000 WHERE id = x AND NOT EXISTS (SELECT FROM parent WHERE id = x + 1000)
                   AND current_setting('session_replication_role') = 'origin';
    WHEN 7 THEN INSERT INTO bag SELECT x % 3, i % 2 FROM generate_series(1, 3) i;
    WHEN 8 THEN UPDATE bag SET n = n + 1 WHERE a = x % 3 AND n < 2;
    WHEN 9 THEN DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = x % 3);
    WHEN 10 THEN MERGE INTO late USING (SELECT x AS id) s ON late.id = s.id
                 WHEN MATCHED AND n > 3 THEN DELETE WHEN MATCHED THEN UPDATE SET n = n + 1 WHEN NOT MATCHED THEN INSERT VALUES (x, 0);
    WHEN 11 THEN INSERT INTO parts VALUES (x, 0) ON CONFLICT (id) DO UPDATE SET n = parts.n + 1;
    WHEN 12 THEN UPDATE parts SET id = 19 - id WHERE id = x AND NOT EXISTS (SELECT FROM parts WHERE id = 19 - x);
    WHEN 13 THEN DELETE FROM parts WHERE id > 15;
    WHEN 14 THEN UPDATE keyed SET long = (SELECT string_agg(md5((x + i)::text), '') FROM generate_series(1, 200) i) WHERE a = x;
    WHEN 15 THEN WITH gone AS (DELETE FROM bag WHERE a = 0 AND n = 2 RETURNING *) INSERT INTO bag SELECT 1, 1 FROM gone LIMIT 2;
    WHEN 16 THEN UPDATE late SET id = -id;
    ELSE UPDATE keyed SET n = n WHERE a = x;
  END CASE;
END $$;

-- Statements in nested subtransactions, some of which fail.
CREATE FUNCTION some_statements(depth int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 1 + (random() * 3)::int LOOP
    PERFORM one_statement((random() * 17)::int);
    IF depth < 3 AND random() < 0.4 THEN
      BEGIN
        PERFORM some_statements(depth + 1);
        IF random() < 0.4 THEN RAISE EXCEPTION 'undone' USING ERRCODE = 'P0099'; END IF;
      EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION apply(tab text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format($q$CREATE TEMP TABLE delta ON COMMIT DROP AS
    SELECT old::text AS o, new::text AS n FROM heliosdb.read_changes(%L, NULL::%I, true)$q$, tab, tab);
  DELETE FROM shadow s USING (SELECT s.ctid FROM
      (SELECT ctid, r, row_number() OVER (PARTITION BY r) i FROM shadow WHERE shadow.tab = apply.tab) s JOIN
      (SELECT o, row_number() OVER (PARTITION BY o) i FROM delta WHERE o IS NOT NULL) d ON (s.r, s.i) = (d.o, d.i)) doomed
    WHERE s.ctid = doomed.ctid;
  INSERT INTO shadow SELECT apply.tab, n FROM delta WHERE n IS NOT NULL;
  DROP TABLE delta;
END $$;

CREATE TABLE differences (what text, tab text, cut int, n bigint);
CREATE PROCEDURE work(rounds int) LANGUAGE plpgsql AS $$
DECLARE
  c int;
BEGIN
  FOR i IN 1 .. rounds LOOP
    IF random() < 0.1 THEN PERFORM set_config('session_replication_role', 'replica', true); END IF;
    PERFORM some_statements(1);
    IF random() < 0.15 THEN ROLLBACK; ELSE COMMIT; END IF;
    IF random() < 0.3 THEN
      c := 1 + (SELECT count(*) FROM cuts);
      WITH cut AS (INSERT INTO cuts SELECT c, pg_current_snapshot())
      INSERT INTO truth SELECT c, 'parent', t::text FROM parent t UNION ALL SELECT c, 'keyed', t::text FROM keyed t
        UNION ALL SELECT c, 'bag', t::text FROM bag t UNION ALL SELECT c, 'late', t::text FROM late t
        UNION ALL SELECT c, 'parts', t::text FROM parts t;
      COMMIT;
      IF random() < 0.6 THEN
        PERFORM apply(t) FROM unnest('{parent, keyed, bag, late, parts}'::text[]) t;
        COMMIT;
        INSERT INTO differences SELECT 'consumer', t, c, (SELECT count(*) FROM
            ((SELECT r FROM shadow WHERE tab = t EXCEPT ALL SELECT r FROM truth WHERE tab = t AND cut = c) UNION ALL
             (SELECT r FROM truth WHERE tab = t AND cut = c EXCEPT ALL SELECT r FROM shadow WHERE tab = t)) d)
          FROM unnest('{parent, keyed, bag, late, parts}'::text[]) t;
        COMMIT;
      END IF;
    END IF;
  END LOOP;
END $$;

-- The table at a cut, by the rule at the head of changelog.hpp.
CREATE FUNCTION at_cut(leaf regclass, shape regclass, cut pg_snapshot) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  present text;
  past text;
BEGIN
  SELECT string_agg(format('t.%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('l.c%s', l.attnum), ', ' ORDER BY s.attnum) INTO present, past
  FROM pg_attribute s JOIN pg_attribute l ON l.attrelid = leaf AND l.attname = s.attname
  WHERE s.attrelid = shape AND s.attnum > 0 AND NOT s.attisdropped;
  RETURN QUERY EXECUTE format('SELECT ROW(%s)::text FROM ONLY %s t WHERE pg_visible_in_snapshot(heliosdb.changelog_top(t.xmin::text::xid8), $1)
    UNION ALL SELECT ROW(%s)::text FROM %s l WHERE l.op <> ''I'' AND pg_visible_in_snapshot(heliosdb.changelog_top(l.creator), $1)
      AND NOT pg_visible_in_snapshot(l.xid, $1)', present, leaf, past,
    (SELECT log::regclass FROM heliosdb.tracked WHERE relid = leaf)) USING cut;
END $$;
CREATE FUNCTION compare(OUT enough boolean, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
  CREATE TEMP TABLE past AS
    SELECT c.cut, s.tab, at_cut(s.leaf, s.tab::regclass, c.at) AS r
    FROM cuts c, (VALUES ('parent', 'parent'::regclass), ('keyed', 'keyed'), ('bag', 'bag'), ('late', 'late'),
                         ('parts', 'parts_low'), ('parts', 'parts_high')) s (tab, leaf);
  SELECT count(*) INTO wrong FROM ((TABLE past EXCEPT ALL TABLE truth) UNION ALL (TABLE truth EXCEPT ALL TABLE past)) d;
  enough := (SELECT count(*) > 40 FROM cuts) AND (SELECT count(*) > 1000 FROM truth) AND (SELECT count(*) > 50 FROM heliosdb_log.subxacts);
  DROP TABLE past;
END $$;

SELECT setseed(0.42);
CALL work(250);
SELECT * FROM compare();
SELECT count(*) > 50 AS enough, sum(n) AS wrong FROM differences;

-- Nothing depends on pages, hint bits or order of rows.
VACUUM (FREEZE) keyed;
VACUUM FULL bag;
CLUSTER late USING late_pkey;
SELECT * FROM compare();
CALL work(60);
SELECT * FROM compare();
SELECT tab, count(*) FROM differences WHERE n <> 0 GROUP BY tab;


-- More subtransactions than a snapshot has room for.
DO $$
BEGIN
  FOR i IN 1 .. 150 LOOP
    BEGIN
      UPDATE bag SET n = n + i % 2 WHERE a = i % 3;
      INSERT INTO parent VALUES (2000 + i, 'sub') ON CONFLICT DO NOTHING;
      IF i % 7 = 0 THEN RAISE EXCEPTION 'undone' USING ERRCODE = 'P0099'; END IF;
    EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL;
    END;
  END LOOP;
END $$;
CALL work(30);
SELECT * FROM compare();
SELECT tab, count(*) FROM differences WHERE n <> 0 GROUP BY tab;

-- The comparison can fail.
BEGIN;
SELECT log::regclass AS log FROM heliosdb.tracked WHERE relid = 'keyed'::regclass \gset
DELETE FROM :log WHERE op <> 'I' AND xid >= (SELECT pg_snapshot_xmin(at) FROM cuts WHERE cut = 20);
SELECT wrong > 0 AS noticed FROM compare();
ROLLBACK;
