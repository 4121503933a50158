-- Quantized hnsw indexes: recall and exact order for every kind of code, training while the table grows, and `auto`.

SET jit = off;
SET enable_seqscan = off;

CREATE FUNCTION random_vector(dim int, low float8 DEFAULT -0.5) RETURNS vector LANGUAGE sql VOLATILE AS
  $$ SELECT array_agg((random() + low)::real)::vector FROM generate_series(1, dim) $$;

-- Recall of the k nearest over all queries, and whether the distances ascend.
CREATE FUNCTION measure(operator text, cast_to text DEFAULT 'vector', k int DEFAULT 10, OUT recall numeric, OUT ordered boolean) LANGUAGE plpgsql AS $$
DECLARE
  search text := format('SELECT q.id, d.distance, row_number() OVER () AS n FROM queries q,
    LATERAL (SELECT v %s q.q::%s AS distance FROM items ORDER BY 1 LIMIT %s) d', operator, cast_to, k);
BEGIN
  SET LOCAL enable_indexscan = off;
  SET LOCAL enable_seqscan = on;
  EXECUTE 'CREATE TEMPORARY TABLE exact AS ' || search;
  SET LOCAL enable_indexscan = on;
  SET LOCAL enable_seqscan = off;
  EXECUTE 'CREATE TEMPORARY TABLE found AS ' || search;
  SELECT count(*)::numeric / (SELECT count(*) FROM exact) INTO recall
  FROM found JOIN (SELECT id, max(distance) AS farthest FROM exact GROUP BY id) edge USING (id)
  WHERE distance <= farthest + 1e-6 * abs(farthest);
  SELECT coalesce(bool_and(distance >= before - 1e-6 * abs(before)), true) INTO ordered
  FROM (SELECT distance, lag(distance) OVER (PARTITION BY id ORDER BY n) AS before FROM found) pairs;
  DROP TABLE exact, found;
END
$$;

-- Every kind of code under every distance and type.
CREATE TABLE source (id int, v vector(24));
CREATE TABLE queries (id int, q vector(24));
SELECT setseed(0.1);
INSERT INTO source SELECT i, random_vector(24) FROM generate_series(1, 2000) i;
INSERT INTO queries SELECT i, random_vector(24) FROM generate_series(1, 20) i;

CREATE FUNCTION try(type text, metric text, options text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  operator text := CASE metric WHEN 'l2' THEN '<->' WHEN 'ip' THEN '<#>' WHEN 'cosine' THEN '<=>' ELSE '<+>' END;
  built record;
  changed record;
  cleaned record;
  info record;
BEGIN
  EXECUTE format('CREATE TABLE items (id int, v %s(24))', type);
  INSERT INTO items SELECT id, v FROM source WHERE id <= 1500;
  EXECUTE format('CREATE INDEX items_index ON items USING hnsw (v %s_%s_ops) WITH (%s)', type, metric, options);
  SELECT * INTO built FROM measure(operator, type);
  INSERT INTO items SELECT id, v FROM source WHERE id > 1500;
  DELETE FROM items WHERE id % 4 = 0;
  SELECT * INTO changed FROM measure(operator, type);
  SELECT * INTO info FROM heliosdb.vector_index_info('items_index');
  DROP TABLE items;
  RETURN CASE WHEN built.recall >= 0.9 AND built.ordered THEN 'finds, ' ELSE 'built ' || built::text || ', ' END
    || CASE WHEN changed.recall >= 0.9 AND changed.ordered THEN 'finds after changes' ELSE 'changed ' || changed::text END
    || format(', %s by %s, trained %s', info.quantization, info.rerank_source, info.trained);
END
$$;
SET hnsw.ef_search = 120;
SELECT type, metric, options, try(type, metric, options)
FROM unnest(ARRAY['vector', 'halfvec']) WITH ORDINALITY t(type, a),
     unnest(ARRAY['quantization = scalar', 'quantization = product, pq_subquantizers = 12, pq_centroids = 128',
                  'quantization = product, pq_subquantizers = 12, pq_centroids = 64, rerank_source = index',
                  'quantization = product, pq_subquantizers = 12, pq_centroids = 100, pq_rotation = on',
                  'quantization = rabitq', 'quantization = rabitq, rerank_source = index', 'quantization = rabitq, rabitq_bits = 4',
                  'quantization = rabitq, rabitq_bits = 4, rerank_source = index']) WITH ORDINALITY o(options, b),
     unnest(ARRAY['l2', 'ip', 'cosine', 'l1']) WITH ORDINALITY m(metric, c)
WHERE metric <> 'l1' OR options !~ 'rabitq|rotation' ORDER BY a, b, c;
RESET hnsw.ef_search;

-- Tiny tables are answered exactly: same rows in the same order as without index, whatever the codes.
CREATE TABLE tiny (id int, v vector(4));
INSERT INTO tiny SELECT i, random_vector(4) FROM generate_series(1, 300) i;
INSERT INTO tiny VALUES (301, '[0,0,0,0]'), (302, NULL);
CREATE FUNCTION all_ids(query vector) RETURNS int[] LANGUAGE plpgsql AS
  $$ BEGIN RETURN ARRAY(SELECT id FROM tiny WHERE v IS NOT NULL ORDER BY v <-> query); END $$;
SET enable_indexscan = off;
CREATE TABLE answers AS SELECT q.id, q.q, all_ids(q.q) AS ids FROM (SELECT i AS id, random_vector(4) AS q FROM generate_series(1, 10) i) q;
RESET enable_indexscan;
SET hnsw.ef_search = 1000;
CREATE INDEX tiny_index ON tiny USING hnsw (v vector_l2_ops) WITH (quantization = scalar);
SELECT bool_and(ids = all_ids(q)) AS same FROM answers;
DROP INDEX tiny_index;
CREATE INDEX tiny_index ON tiny USING hnsw (v vector_l2_ops) WITH (quantization = product, pq_subquantizers = 2, pq_centroids = 2);
SELECT bool_and(ids = all_ids(q)) AS same FROM answers;
DROP INDEX tiny_index;
CREATE INDEX tiny_index ON tiny USING hnsw (v vector_l2_ops) WITH (quantization = rabitq);
SELECT bool_and(ids = all_ids(q)) AS same FROM answers;
DROP INDEX tiny_index;
CREATE INDEX tiny_index ON tiny USING hnsw (v vector_l2_ops) WITH (quantization = rabitq, rerank_source = index);
SELECT bool_and(ids = all_ids(q)) AS same FROM answers;

-- Without exact order, codes decide; the rows are the same.
SET heliosdb.hnsw_exact_order = off;
SELECT bool_and(ids @> all_ids(q) AND ids <@ all_ids(q)) AS same_rows FROM answers;
DROP INDEX tiny_index;
CREATE INDEX tiny_index ON tiny USING hnsw (v vector_l2_ops) WITH (quantization = product, pq_subquantizers = 2, pq_centroids = 2);
SELECT bool_and(ids @> all_ids(q) AND ids <@ all_ids(q)) AS same_rows, bool_or(ids <> all_ids(q)) AS another_order FROM answers;
RESET heliosdb.hnsw_exact_order;
SELECT bool_and(ids = all_ids(q)) AS same FROM answers;

-- Fewer candidates are compared exactly.
SET heliosdb.hnsw_rerank_candidates = 5;
SELECT bool_and(ids @> all_ids(q)) AS same_rows FROM answers;
RESET heliosdb.hnsw_rerank_candidates;
RESET hnsw.ef_search;
SELECT count(*) FROM (SELECT id FROM tiny ORDER BY v <-> (SELECT NULL::vector)) found;
DROP TABLE tiny, answers;

-- An index on an empty table stores scalar codes; VACUUM trains it once there are enough rows.
CREATE FUNCTION state() RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RETURN (SELECT format('trained %s, vectors %s, dead %s', trained, vectors, dead) FROM heliosdb.vector_index_info('items_index')); END $$;
CREATE FUNCTION grow(first int, last int) RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO items SELECT id, v FROM source WHERE id BETWEEN first AND last; END $$;

CREATE TABLE items (id int, v vector(24)) WITH (autovacuum_enabled = off);
CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops) WITH (quantization = product, pq_subquantizers = 12, pq_centroids = 64);
SELECT state();
SELECT id FROM items ORDER BY v <-> (SELECT q FROM queries WHERE id = 1) LIMIT 1;
SELECT grow(1, 100);
VACUUM items;
SELECT state();
SELECT recall >= 0.95 AS finds, ordered FROM measure('<->');
DELETE FROM items WHERE id % 10 = 0;
VACUUM items;
SELECT state();
SELECT grow(101, 1000);
SELECT recall >= 0.95 AS finds, ordered FROM measure('<->');
DELETE FROM items WHERE id % 10 = 1;
VACUUM items;
SELECT trained, vectors, dead FROM heliosdb.vector_index_info('items_index');
SELECT grow(1001, 1800);
VACUUM items;
SELECT state();
SELECT recall >= 0.9 AS finds, ordered FROM measure('<->');
DELETE FROM items WHERE id % 10 = 2;
SELECT grow(1801, 2000);
VACUUM items;
SELECT state();
SELECT recall >= 0.9 AS finds, ordered FROM measure('<->');
DELETE FROM items;
VACUUM items;
SELECT state();
SELECT grow(1, 500);
SELECT recall >= 0.9 AS finds, ordered FROM measure('<->');
DROP TABLE items;

CREATE TABLE items (id int, v vector(24)) WITH (autovacuum_enabled = off);
SELECT grow(1, 10);
CREATE INDEX items_index ON items USING hnsw (v vector_cosine_ops) WITH (quantization = rabitq, rabitq_bits = 4, rerank_source = index);
SELECT state();
SELECT grow(11, 2000);
SELECT recall >= 0.95 AS finds, ordered FROM measure('<=>');
VACUUM items;
SELECT state();
SELECT recall >= 0.95 AS finds, ordered FROM measure('<=>');
DELETE FROM items WHERE id % 5 = 0;
VACUUM items;
SELECT grow(1, 100);
SELECT state();
SELECT recall >= 0.95 AS finds, ordered FROM measure('<=>');
REINDEX INDEX items_index;
SELECT state();
SELECT recall >= 0.95 AS finds, ordered FROM measure('<=>');
DROP TABLE items, source, queries;

-- `auto` measures: the neighbours of isotropic rows are too alike for coarse codes, which suffice for rows made of few
-- different pieces.
CREATE TABLE isotropic (id int, v vector(128));
CREATE TABLE few_valued (id int, v vector(128));
INSERT INTO isotropic SELECT i, random_vector(128) FROM generate_series(1, 1500) i;
INSERT INTO few_valued SELECT i, (SELECT array_agg((sin(part * 100 + choice * 7 + k) * 3)::real ORDER BY part, k)::vector
  FROM (SELECT part, (random() * 5 + i * 0)::int AS choice FROM generate_series(1, 8) part) c, generate_series(1, 16) k) FROM generate_series(1, 1500) i;
SET client_min_messages = warning; -- the notices show measured recalls
CREATE INDEX isotropic_index ON isotropic USING hnsw (v vector_l2_ops) WITH (quantization = auto);
CREATE INDEX few_valued_index ON few_valued USING hnsw (v vector_l2_ops) WITH (quantization = auto);
SELECT c.relname, requested, quantization, trained, auto_sample, auto_recall_rabitq > 0.9 AS rabitq_suffices
FROM (VALUES ('isotropic_index'), ('few_valued_index')) c(relname), heliosdb.vector_index_info(relname::regclass);
DROP TABLE isotropic, few_valued;

RESET client_min_messages;
CREATE TABLE none (v vector(128));
CREATE INDEX none_index ON none USING hnsw (v vector_l2_ops) WITH (quantization = auto);
SELECT requested, quantization, trained FROM heliosdb.vector_index_info('none_index');
DROP TABLE none;
DROP FUNCTION try(text, text, text), measure(text, text, int), state(), grow(int, int), all_ids(vector), random_vector(int, float8);
