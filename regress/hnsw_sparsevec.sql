-- hnsw indexes on sparsevec columns.

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
CREATE TABLE points (id int, v sparsevec(1000));
INSERT INTO points VALUES (1, '{1:1,2:1,900:1}/1000'), (2, '{}/1000'), (3, '{1:1,2:1,900:2}/1000'), (4, NULL), (5, '{1:-1,2:2,900:0.5}/1000'),
  (6, '{1:3,2:-3,900:3}/1000'), (7, '{1:2,2:2,900:2}/1000'), (8, '{500:10}/1000');
CREATE INDEX points_index ON points USING hnsw (v);
SELECT pg_get_indexdef('points_index'::regclass);
SELECT id, v <-> '{1:1,2:1,900:1.25}/1000' AS distance FROM points ORDER BY v <-> '{1:1,2:1,900:1.25}/1000';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <-> '{1:1,2:1,900:1.25}/1000';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <-> (SELECT NULL::sparsevec)) found;
SELECT id FROM points ORDER BY v <-> '{}/1000' LIMIT 1;
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v sparsevec_ip_ops);
SELECT id, v <#> '{1:1,2:1,900:1.25}/1000' AS distance FROM points WHERE id <> 8 ORDER BY v <#> '{1:1,2:1,900:1.25}/1000';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <#> '{1:1,2:1,900:1.25}/1000';
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v sparsevec_cosine_ops);
SELECT round((v <=> '{1:1,2:1,900:1.25}/1000')::numeric, 6) AS distance FROM points ORDER BY v <=> '{1:1,2:1,900:1.25}/1000';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <=> '{1:1,2:1,900:1.25}/1000';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <=> '{}/1000') found;
INSERT INTO points VALUES (9, '{}/1000'), (10, '{1:-1,2:-1}/1000');
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <=> '{}/1000') found;
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v sparsevec_l1_ops);
SELECT id, v <+> '{1:1,2:1,900:1.25}/1000' AS distance FROM points ORDER BY v <+> '{1:1,2:1,900:1.25}/1000', id;
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <+> '{1:1,2:1,900:1.25}/1000';
SELECT attempt($$SELECT id FROM points ORDER BY v <+> '{1:1}/999' LIMIT 1$$);
SELECT attempt($$INSERT INTO points VALUES (11, '{1:1}/1001')$$);
DROP TABLE points;
CREATE TABLE loose (v sparsevec);
SELECT attempt('CREATE INDEX ON loose USING hnsw (v sparsevec_l2_ops)');
DROP TABLE loose;

-- The dimension may be large, the number of elements may not.
CREATE TABLE wide (id int, v sparsevec(1000000000));
CREATE INDEX wide_index ON wide USING hnsw (v sparsevec_l2_ops);
INSERT INTO wide VALUES (1, '{1:1,1000000000:1}/1000000000'), (2, '{999999999:1}/1000000000');
SELECT id FROM wide ORDER BY v <-> '{999999999:2}/1000000000' LIMIT 1;
SELECT attempt(format('INSERT INTO wide SELECT 3, %L', (SELECT '{' || string_agg(i || ':1', ',') || '}/1000000000' FROM generate_series(1, 1001) i)));
INSERT INTO wide SELECT 4, ('{' || string_agg(i || ':1', ',') || '}/1000000000')::sparsevec FROM generate_series(1, 1000) i;
SELECT id FROM wide ORDER BY v <-> (SELECT v FROM wide WHERE id = 4) LIMIT 1;
SELECT attempt(format('SELECT id FROM wide ORDER BY v <-> %L LIMIT 1', (SELECT '{' || string_agg(i || ':1', ',') || '}/1000000000' FROM generate_series(1, 1001) i)));
DROP INDEX wide_index;
INSERT INTO wide SELECT 5, ('{' || string_agg(i || ':1', ',') || '}/1000000000')::sparsevec FROM generate_series(1, 1001) i;
SELECT attempt('CREATE INDEX ON wide USING hnsw (v sparsevec_l2_ops)');
DROP TABLE wide;

-- Slots whose vector was short take a long one.
CREATE TABLE growing (id int, v sparsevec(5000)) WITH (autovacuum_enabled = off);
CREATE INDEX growing_index ON growing USING hnsw (v sparsevec_l2_ops);
INSERT INTO growing SELECT i, format('{%s:1}/5000', i)::sparsevec FROM generate_series(1, 300) i;
DELETE FROM growing;
VACUUM growing;
INSERT INTO growing SELECT i, ('{' || string_agg(i + 3 * j || ':' || j, ',') || '}/5000')::sparsevec FROM generate_series(1, 300) i, generate_series(1, 800) j GROUP BY i;
SELECT count(*) FROM growing g WHERE id % 10 = 0 AND
  id = (SELECT id FROM growing ORDER BY v <-> g.v LIMIT 1);
DROP TABLE growing;

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

CREATE FUNCTION random_value() RETURNS sparsevec LANGUAGE sql VOLATILE AS
  $$ SELECT array_agg(CASE WHEN random() < 0.4 THEN random() - 0.2 ELSE 0 END::real)::vector::sparsevec FROM generate_series(1, 32) $$;

-- Recall: after build, insertions, deletions with vacuum, and anew.
CREATE TABLE items (id int, v sparsevec(32));
SELECT setseed(0.5);
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i;
CREATE TABLE spare AS SELECT i AS id, random_value()::sparsevec(32) AS v FROM generate_series(1, 1000) i;
CREATE TABLE queries AS SELECT i AS id, random_value()::sparsevec(32) AS q FROM generate_series(1, 30) i;

CREATE INDEX items_index ON items USING hnsw (v sparsevec_l2_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<->') >= 0.93 AS finds, recall('<->', 100) >= 0.93 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<->') >= 0.93 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<->') >= 0.93 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<->') >= 0.93 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v sparsevec_ip_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <#> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<#>') >= 0.85 AS finds, recall('<#>', 100) >= 0.85 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<#>') >= 0.85 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<#>') >= 0.85 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<#>') >= 0.85 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v sparsevec_cosine_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <=> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<=>') >= 0.93 AS finds, recall('<=>', 100) >= 0.93 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<=>') >= 0.93 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE v <> '{}/32'::sparsevec) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<=>') >= 0.93 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<=>') >= 0.93 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v sparsevec_l1_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <+> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<+>') >= 0.93 AS finds, recall('<+>', 100) >= 0.93 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<+>') >= 0.93 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<+>') >= 0.93 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<+>') >= 0.93 AS finds_after_reindex;
DROP INDEX items_index;

DROP TABLE items, spare, queries;
DROP FUNCTION recall(text, int), attempt(text), random_value();
