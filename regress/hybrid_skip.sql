-- Chunks that cannot have a row that is asked for are not read.
CREATE TABLE parted (id int, small int2, big int8, price numeric(10,2), free numeric, f float8, r float4, d date, at timestamptz,
  flag bool, name text, code varchar(10) COLLATE "C", padded char(8), nothing int, part int) USING heliosdb;
CREATE TABLE twin (LIKE parted);
-- Chunk n has what lies between n * 1000 and n * 1000 + 999, the last one nulls too; what follows is hot.
CREATE FUNCTION fill(n int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO twin SELECT i, i, i * 10000000000, i / 100.0, CASE WHEN i = 3500 THEN 'NaN' ELSE (i / 7.0)::numeric(20, 5) END, CASE WHEN i = 2500 THEN 'NaN' ELSE i / 8.0 END, i / 4.0, '2024-01-01'::date + i,
    '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour', n % 2 = 0, 'n' || lpad(i::text, 6, '0'), 'c' || lpad(i::text, 6, '0'),
    'p' || n, NULL, CASE WHEN n < 3 THEN i WHEN i % 2 = 0 THEN i END
  FROM generate_series(n * 1000, n * 1000 + 999) i;
$$;
DO $$ BEGIN
  FOR n IN 0 .. 3 LOOP
    PERFORM fill(n);
    INSERT INTO parted SELECT * FROM twin WHERE id >= n * 1000;
    COMMIT;
    PERFORM heliosdb.move_to_cold('parted');
    COMMIT;
  END LOOP;
  PERFORM fill(4);
END $$;
INSERT INTO parted SELECT * FROM twin WHERE id >= 4000;
-- Rows that have left their chunks.
UPDATE parted SET name = 'n000500 again', id = -5 WHERE id = 500;
UPDATE twin SET name = 'n000500 again', id = -5 WHERE id = 500;
DELETE FROM parted WHERE id = 2000;
DELETE FROM twin WHERE id = 2000;

CREATE FUNCTION explained(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ 'Hybrid' THEN RETURN substring(line FROM 'Chunks Read: .*'); END IF;
  END LOOP;
  RETURN 'nothing';
END $$;
-- What a condition has read, and whether it finds what it finds in a heap.
CREATE FUNCTION asked(condition text, OUT asks text, OUT read text, OUT rows bigint, OUT same bool)
LANGUAGE plpgsql AS $$
DECLARE expected bigint;
BEGIN
  asks := $1;
  read := explained('SELECT * FROM parted WHERE ' || $1);
  EXECUTE 'SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM twin t WHERE t IS NOT DISTINCT FROM p)) = 0 FROM parted p WHERE '
    || $1 INTO rows, same;
  EXECUTE 'SELECT count(*) FROM twin WHERE ' || $1 INTO expected;
  same := same AND rows = expected;
END $$;
SET timezone = 'UTC';
SELECT a.* FROM unnest(ARRAY[
  'id < 1000', 'id <= 1000', 'id = 1000', 'id >= 3000', 'id > 2999', 'id > 3999', '1500 < id AND id < 1600', '999 >= id',
  'id BETWEEN 2500 AND 3500', 'id = ANY (ARRAY[3, 3003, NULL])', 'id IN (-5, 17)', 'id = ANY (NULL::int[])', 'id <> ALL (ARRAY[3])',
  'id < NULL', 'id <> 3', 'id + 0 = 3', 'id = small', 'id < 10 OR id > 3990', 'id < 10 OR price > 39.9', 'id < 10 OR f(id)',
  'NOT id > 100', 'id = 5::bigint', 'id < 1000.5', 'small = 1700::int8', 'big >= 30000000000000', 'big = 5',
  'price = 12.34', 'price < 0', 'price >= 39.99::numeric', 'free > 500', 'free = ''NaN''', 'f < 10', 'f = 250', 'f > 499.8', 'f = ''NaN''',
  'r < 10', 'r = 300.25::float8', 'd = ''2024-01-02''', 'd < timestamp ''2024-02-01''', 'at < timestamptz ''2024-02-01''',
  'at > date ''2024-05-20''', 'flag', 'flag = false', 'name = ''n002500''', 'name < ''n000100''', 'name < ''n000100'' COLLATE "C"', 'name < ''n000100'' COLLATE "und-x-icu"',
  'name IN (''n000001'', ''zz'')', 'code = ''c002500''', 'code > ''c003''', 'padded = ''p2''', 'nothing = 1', 'nothing IS NULL',
  'nothing IS NOT NULL', 'part IS NULL', 'part IS NOT NULL', 'part > 3000', 'part IS NULL AND id < 2000',
  'd >= (SELECT max(d) - 5 FROM twin)', 'd > CURRENT_DATE - 100000', 'd > CURRENT_DATE + 100000']) c, asked(replace(c, 'f(id)', 'abs(id) = 3999')) a;

-- A collation for which other bytes may be equal.
CREATE COLLATION regress_any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE cases (name text COLLATE regress_any_case, other text, code text COLLATE "C") USING heliosdb;
INSERT INTO cases VALUES ('Ab', 'Ab', 'Ab'), ('CD', 'CD', 'CD');
SELECT heliosdb.move_to_cold('cases');
SELECT * FROM cases WHERE name = 'ab';
SELECT * FROM cases WHERE name = 'ab' COLLATE "C";
SELECT * FROM cases WHERE other = 'ab' COLLATE regress_any_case;
SELECT explained('SELECT * FROM cases WHERE name = ''ab'''), explained('SELECT * FROM cases WHERE other = ''ab''');
-- Of two collations none is taken: that is the operator's to say, when it comes to a row.
SELECT count(*) FROM cases WHERE code = (SELECT max(name) FROM cases);
EXPLAIN (COSTS OFF) SELECT count(*) FROM cases WHERE code = (SELECT max(name) FROM cases);
DROP TABLE cases;
DROP COLLATION regress_any_case;

-- Parameters: each execution, and each scan of a join, asks for others.
PREPARE by_id(int) AS SELECT count(*) FROM parted WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_id(7);
EXECUTE by_id(3007);
EXECUTE by_id(9999);
EXECUTE by_id(NULL);
RESET plan_cache_mode;
DEALLOCATE by_id;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT v, n FROM (VALUES (5), (1005), (3005), (4005), (-5), (NULL)) v (v), LATERAL (SELECT count(*) AS n FROM parted WHERE id = v.v OFFSET 0) x;
SELECT explained('SELECT * FROM (VALUES (5), (1005), (4005)) v (v), LATERAL (SELECT count(*) FROM parted WHERE id = v.v OFFSET 0) x');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;

-- Cursors that turn, workers, writers.
BEGIN;
DECLARE turning SCROLL CURSOR FOR SELECT id FROM parted WHERE id BETWEEN 998 AND 1001 OR id BETWEEN 3998 AND 3999;
FETCH 3 FROM turning;
FETCH BACKWARD 2 FROM turning;
FETCH ALL FROM turning;
FETCH BACKWARD ALL FROM turning;
FETCH 1 FROM turning;
COMMIT;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*), min(id), max(id) FROM parted WHERE id >= 2900;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
UPDATE parted SET part = -1 WHERE id > 3990 AND id < 4010;
SELECT count(*) FROM parted WHERE part = -1;
DELETE FROM parted WHERE id >= 3500;
SELECT count(*) FROM parted WHERE id >= 3000;

-- Columns that came later, changed their type or went.
ALTER TABLE parted ADD COLUMN later int DEFAULT 7;
SELECT count(*) FROM parted WHERE later = 7;
SELECT count(*) FROM parted WHERE later IS NULL;
ALTER TABLE parted ALTER COLUMN code TYPE text COLLATE "C";
SELECT id FROM parted WHERE code = 'c002500';
ALTER TABLE parted ALTER COLUMN code TYPE varchar COLLATE "C";
SELECT id FROM parted WHERE code = 'c002500';
ALTER TABLE parted DROP COLUMN small;
SELECT count(*) FROM parted WHERE big = 5;

-- Policies and views add conditions like any other.
ALTER TABLE parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY first ON parted USING (id < 1000);
CREATE ROLE regress_hybrid_skip;
GRANT SELECT ON parted TO regress_hybrid_skip;
SET ROLE regress_hybrid_skip;
SELECT count(*) FROM parted;
SELECT explained('SELECT * FROM parted');
RESET ROLE;
DROP FUNCTION asked, explained, fill;
DROP TABLE parted, twin;
DROP ROLE regress_hybrid_skip;
