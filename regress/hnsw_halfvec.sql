-- hnsw indexes on halfvec columns.

SET jit = off;
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
  hint text;
BEGIN
  EXECUTE statement INTO result;
  RETURN coalesce(result, '(null)');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || sqlerrm || coalesce(' / ' || nullif(hint, ''), '');
END
$$;

SET enable_seqscan = off;

-- Every operator class orders as its operator does.
CREATE TABLE points (id int, v halfvec(3));
INSERT INTO points VALUES (1, '[1,1,1]'), (2, '[0,0,0]'), (3, '[1,1,2]'), (4, NULL), (5, '[-1,2,0.5]'), (6, '[3,-3,3]'), (7, '[2,2,2]');
CREATE INDEX points_index ON points USING hnsw (v);
SELECT pg_get_indexdef('points_index'::regclass);
SELECT id, v <-> '[1,1,1.25]' AS distance FROM points ORDER BY v <-> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <-> '[1,1,1.25]';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <-> (SELECT NULL::halfvec)) found;
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v halfvec_ip_ops);
SELECT id, v <#> '[1,1,1.25]' AS distance FROM points ORDER BY v <#> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <#> '[1,1,1.25]';
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v halfvec_cosine_ops);
SELECT round((v <=> '[1,1,1.25]')::numeric, 3) AS distance FROM points ORDER BY v <=> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <=> '[1,1,1.25]';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <=> '[0,0,0]') found;
INSERT INTO points VALUES (8, '[0,0,0]'), (9, '[-1,-1,-1]');
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <=> '[0,0,0]') found;
SELECT id FROM points ORDER BY v <=> '[-1,-1,-2]' LIMIT 1;
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v halfvec_l1_ops);
SELECT id, v <+> '[1,1,1.25]' AS distance FROM points ORDER BY v <+> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <+> '[1,1,1.25]';
SELECT attempt($$SELECT id FROM points ORDER BY v <+> '[1,1]' LIMIT 1$$);
SELECT attempt($$INSERT INTO points VALUES (10, '[1,1,1,1]')$$);
DROP TABLE points;
CREATE TABLE loose (v halfvec);
SELECT attempt('CREATE INDEX ON loose USING hnsw (v halfvec_l2_ops)');
DROP TABLE loose;

-- The largest values do not overflow.
CREATE TABLE points (id int, v halfvec(3));
CREATE INDEX ON points USING hnsw (v halfvec_l2_ops);
INSERT INTO points VALUES (1, '[65504,65504,65504]'), (2, '[-65504,-65504,-65504]'), (3, '[65504,0,0]'), (4, '[6e-8,6e-8,6e-8]');
SELECT id, round((v <-> '[65504,65504,65504]')::numeric) AS distance FROM points ORDER BY v <-> '[65504,65504,65504]';
DROP TABLE points;

-- Share of the k nearest that an index finds, over all queries; what is as near as the k-th counts as found.
CREATE FUNCTION recall(operator text, k int DEFAULT 10) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  search text := format('SELECT q.id, d.distance FROM queries q, LATERAL (SELECT v %s q.q AS distance FROM items ORDER BY 1 LIMIT %s) d', operator, k);
  result numeric;
BEGIN
  SET LOCAL enable_indexscan = off;
  SET LOCAL enable_seqscan = on;
  EXECUTE 'CREATE TEMPORARY TABLE exact AS ' || search;
  SET LOCAL enable_indexscan = on;
  SET LOCAL enable_seqscan = off;
  EXECUTE 'CREATE TEMPORARY TABLE found AS ' || search;
  SELECT count(*)::numeric / (SELECT count(*) FROM exact) INTO result
  FROM found JOIN (SELECT id, max(distance) AS farthest FROM exact GROUP BY id) edge USING (id)
  WHERE distance <= farthest + 1e-6 * abs(farthest);
  DROP TABLE exact, found;
  RETURN result;
END
$$;

CREATE FUNCTION random_value() RETURNS halfvec LANGUAGE sql VOLATILE AS
  $$ SELECT array_agg((random() - 0.3)::real)::halfvec FROM generate_series(1, 20) $$;

-- Recall: after build, insertions, deletions with vacuum, and anew.
CREATE TABLE items (id int, v halfvec(20));
SELECT setseed(0.5);
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i;
CREATE TABLE spare AS SELECT i AS id, random_value()::halfvec(20) AS v FROM generate_series(1, 1000) i;
CREATE TABLE queries AS SELECT i AS id, random_value()::halfvec(20) AS q FROM generate_series(1, 30) i;

CREATE INDEX items_index ON items USING hnsw (v halfvec_l2_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<->') >= 0.95 AS finds, recall('<->', 100) >= 0.95 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<->') >= 0.95 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<->') >= 0.95 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<->') >= 0.95 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v halfvec_ip_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <#> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<#>') >= 0.9 AS finds, recall('<#>', 100) >= 0.9 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<#>') >= 0.9 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<#>') >= 0.9 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<#>') >= 0.9 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v halfvec_cosine_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <=> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<=>') >= 0.95 AS finds, recall('<=>', 100) >= 0.95 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<=>') >= 0.95 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<=>') >= 0.95 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<=>') >= 0.95 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v halfvec_l1_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <+> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<+>') >= 0.95 AS finds, recall('<+>', 100) >= 0.95 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<+>') >= 0.95 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<+>') >= 0.95 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<+>') >= 0.95 AS finds_after_reindex;
DROP INDEX items_index;

DROP TABLE items, spare, queries;
DROP FUNCTION recall(text, int), attempt(text), random_value();
