-- hnsw indexes on bit columns.

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
CREATE TABLE points (id int, v bit(12));
INSERT INTO points VALUES (1, B'111100001111'), (2, B'000000000000'), (3, B'111111111111'), (4, NULL), (5, B'111100000000'), (6, B'000000001111');
CREATE INDEX points_index ON points USING hnsw (v);
SELECT pg_get_indexdef('points_index'::regclass);
SELECT id, v <~> B'111100001101' AS distance FROM points ORDER BY v <~> B'111100001101';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <~> B'111100001101';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <~> (SELECT NULL::bit(12))) found;
DROP INDEX points_index;
CREATE INDEX points_index ON points USING hnsw (v bit_jaccard_ops);
SELECT id, round((v <%> B'111100001101')::numeric, 6) AS distance FROM points ORDER BY v <%> B'111100001101', id;
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <%> B'111100001101';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <~> B'111100001101';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <%> B'000000000000') found;
SELECT attempt($$SELECT id FROM points ORDER BY v <%> B'1111' LIMIT 1$$);
SELECT attempt($$INSERT INTO points VALUES (10, B'1111')$$);
DROP TABLE points;
CREATE TABLE loose (v bit varying, w varbit(8));
SELECT attempt('CREATE INDEX ON loose USING hnsw (v bit_hamming_ops)');
SELECT attempt('CREATE INDEX ON loose USING hnsw (v)');
CREATE INDEX ON loose USING hnsw ((v::bit(8)));
INSERT INTO loose VALUES (B'11'), (B'1111'), (B'11111111');
SELECT v FROM loose ORDER BY v::bit(8) <~> B'11111110' LIMIT 2;
DROP TABLE loose;
CREATE TABLE one (v bit);
CREATE INDEX ON one USING hnsw (v bit_hamming_ops);
INSERT INTO one SELECT (i % 2)::bit FROM generate_series(1, 100) i;
SELECT count(*), sum((v = B'1')::int) FROM (SELECT v FROM one ORDER BY v <~> B'1' LIMIT 50) found;
DROP TABLE one;

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

CREATE FUNCTION random_value() RETURNS bit(52) LANGUAGE sql VOLATILE AS
  $$ SELECT (random() * (1::bigint << 52))::bigint::bit(52) $$;

-- Recall: after build, insertions, deletions with vacuum, and anew.
CREATE TABLE items (id int, v bit(52));
SELECT setseed(0.5);
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i;
CREATE TABLE spare AS SELECT i AS id, random_value()::bit(52) AS v FROM generate_series(1, 1000) i;
CREATE TABLE queries AS SELECT i AS id, random_value()::bit(52) AS q FROM generate_series(1, 30) i;

CREATE INDEX items_index ON items USING hnsw (v bit_hamming_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <~> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<~>') >= 0.9 AS finds, recall('<~>', 100) >= 0.9 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<~>') >= 0.9 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<~>') >= 0.9 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<~>') >= 0.9 AS finds_after_reindex;
DROP INDEX items_index;

CREATE INDEX items_index ON items USING hnsw (v bit_jaccard_ops);
SELECT pg_get_indexdef('items_index'::regclass);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <%> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('<%>') >= 0.9 AS finds, recall('<%>', 100) >= 0.9 AS finds_many;
UPDATE items SET v = more.v FROM (SELECT id, v FROM spare WHERE id <= 500) more WHERE items.id = more.id;
INSERT INTO items SELECT id + 10000, v FROM spare;
SELECT recall('<%>') >= 0.9 AS finds_after_insert;
DELETE FROM items WHERE id > 10000 OR id % 3 = 0;
VACUUM items;
SELECT dead, vectors = (SELECT count(*) FROM items WHERE true) AS all_there FROM heliosdb.vector_index_info('items_index');
SELECT recall('<%>') >= 0.9 AS finds_after_vacuum;
INSERT INTO items SELECT i, random_value() FROM generate_series(1, 1800) i WHERE i % 3 = 0;
REINDEX INDEX items_index;
SELECT recall('<%>') >= 0.9 AS finds_after_reindex;
DROP INDEX items_index;

-- Binary quantization: an index on the signs of a vector, and the exact order afterwards.
CREATE TABLE docs (id int, embedding vector(52));
INSERT INTO docs SELECT i, array_agg(random() - 0.5)::vector FROM generate_series(1, 1000) i, generate_series(1, 52) GROUP BY i;
CREATE INDEX docs_signs ON docs USING hnsw ((binary_quantize(embedding)::bit(52)) bit_hamming_ops);
EXPLAIN (COSTS OFF) SELECT id FROM (SELECT id, embedding FROM docs ORDER BY binary_quantize(embedding)::bit(52) <~> binary_quantize((SELECT embedding FROM docs WHERE id = 3)) LIMIT 40) near
  ORDER BY embedding <-> (SELECT embedding FROM docs WHERE id = 3) LIMIT 5;
SELECT id FROM (SELECT id, embedding FROM docs ORDER BY binary_quantize(embedding)::bit(52) <~> binary_quantize((SELECT embedding FROM docs WHERE id = 3)) LIMIT 40) near
  ORDER BY embedding <-> (SELECT embedding FROM docs WHERE id = 3) LIMIT 1;
DROP TABLE docs;

DROP TABLE items, spare, queries;
DROP FUNCTION recall(text, int), attempt(text), random_value();
