-- hnsw indexes on vector columns: what they return, and how they live with the rest of SQL.

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

-- Every operator class orders as its operator does; NULL comes last or not at all, as without index.
CREATE TABLE points (id int, v vector(3));
INSERT INTO points VALUES (1, '[1,1,1]'), (2, '[0,0,0]'), (3, '[1,1,2]'), (4, NULL), (5, '[-1,2,0.5]'), (6, '[3,-3,3]'), (7, '[2,2,2]');
CREATE INDEX points_l2 ON points USING hnsw (v);
SELECT id, v <-> '[1,1,1.25]' AS distance FROM points ORDER BY v <-> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <-> '[1,1,1.25]';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <-> (SELECT NULL::vector)) all_at_no_distance;
SELECT id FROM points ORDER BY v <-> '[0,0,0]' LIMIT 3;
DROP INDEX points_l2;

CREATE INDEX points_ip ON points USING hnsw (v vector_ip_ops);
SELECT id, v <#> '[1,1,1.25]' AS distance FROM points ORDER BY v <#> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <#> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <-> '[1,1,1.25]';
DROP INDEX points_ip;

-- A zero vector has no direction: the index leaves it out, and a query of zeros has every row at no distance.
CREATE INDEX points_cosine ON points USING hnsw (v vector_cosine_ops);
SELECT id, round((v <=> '[1,1,1.25]')::numeric, 6) AS distance FROM points ORDER BY v <=> '[1,1,1.25]';
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <=> '[0,0,0]') found;
SELECT count(*) FROM (SELECT * FROM points ORDER BY v <=> (SELECT NULL::vector)) found;
INSERT INTO points VALUES (8, '[0,0,0]'), (9, '[-1,-1,-1]');
UPDATE points SET v = '[0,1,0]' WHERE id = 2;
SELECT id FROM points ORDER BY v <=> '[1,1,1.25]';
DROP INDEX points_cosine;

CREATE INDEX points_l1 ON points USING hnsw (v vector_l1_ops);
SELECT id, v <+> '[1,1,1.25]' AS distance FROM points ORDER BY v <+> '[1,1,1.25]';
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <+> '[1,1,1.25]';

-- Dimensions must agree.
SELECT attempt($$SELECT id FROM points ORDER BY v <+> '[1,1]' LIMIT 1$$);
SELECT attempt($$INSERT INTO points VALUES (10, '[1,1,1,1]')$$);
SELECT attempt($$SELECT id FROM points ORDER BY v <+> '[]' LIMIT 1$$);
DROP TABLE points;
CREATE TABLE loose (v vector);
INSERT INTO loose VALUES ('[1,2]'), ('[1,2,3]');
SELECT attempt('CREATE INDEX ON loose USING hnsw (v vector_l2_ops)');
SELECT attempt('CREATE INDEX ON loose USING hnsw ((v::vector(2)) vector_l2_ops)');
CREATE INDEX loose_index ON loose USING hnsw ((v::vector(2)) vector_l2_ops) WHERE vector_dims(v) = 2;
SELECT v FROM loose WHERE vector_dims(v) = 2 ORDER BY v::vector(2) <-> '[1,1]';
EXPLAIN (COSTS OFF) SELECT v FROM loose WHERE vector_dims(v) = 2 ORDER BY v::vector(2) <-> '[1,1]';
INSERT INTO loose VALUES ('[5,5]'), ('[5,5,5]');
SELECT v FROM loose WHERE vector_dims(v) = 2 ORDER BY v::vector(2) <-> '[1,1]';
DROP TABLE loose;

-- What an hnsw index is not.
CREATE TABLE docs (id int PRIMARY KEY, kind int, embedding vector(16));
SELECT attempt('CREATE UNIQUE INDEX ON docs USING hnsw (embedding vector_l2_ops)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops, embedding vector_ip_ops)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops) INCLUDE (id)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops DESC)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (embedding vector_l2_ops NULLS FIRST)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (id)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (embedding vector_no_ops)');
SELECT attempt('CREATE INDEX ON docs USING hnsw (embedding halfvec_l2_ops)');
SELECT attempt('ALTER TABLE docs ADD EXCLUDE USING hnsw (embedding WITH =)');
SELECT amname, pg_indexam_has_property(oid, 'can_order') AS can_order, pg_indexam_has_property(oid, 'can_unique') AS can_unique,
       pg_indexam_has_property(oid, 'can_multi_col') AS can_multi_col, pg_indexam_has_property(oid, 'can_include') AS can_include
FROM pg_am WHERE amname = 'hnsw';

-- Rows around 50 centres.
CREATE FUNCTION near_centre(seed int) RETURNS vector LANGUAGE sql VOLATILE AS
  $$ SELECT array_agg((sin(seed % 50 * 7 + i * (1 + seed % 50 % 3)) * 2 + random())::real ORDER BY i)::vector FROM generate_series(1, 16) i $$;
SELECT setseed(0.25);
INSERT INTO docs SELECT i, i / 50 % 10, near_centre(i) FROM generate_series(1, 3000) i;
CREATE TABLE queries AS SELECT i AS id, near_centre(i * 3)::vector(16) AS q FROM generate_series(1, 40) i;

-- Share of the k nearest that an index finds, over all queries.
CREATE FUNCTION recall(target text, operator text, k int DEFAULT 10, filter text DEFAULT 'true', value text DEFAULT 'embedding') RETURNS numeric
LANGUAGE plpgsql SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
  search text := format('SELECT %s::text || q.id || '':'' || d.id FROM queries q, LATERAL (SELECT id FROM %s WHERE %s ORDER BY %s %s q.q LIMIT %s) d',
                        '''''', target, filter, value, operator, k);
  exact text[];
  found text[];
BEGIN
  SET LOCAL enable_indexscan = off;
  SET LOCAL enable_seqscan = on;
  EXECUTE format('SELECT array_agg(x) FROM (%s) t(x)', search) INTO exact;
  SET LOCAL enable_indexscan = on;
  SET LOCAL enable_seqscan = off;
  EXECUTE format('SELECT array_agg(x) FROM (%s) t(x)', search) INTO found;
  RETURN (SELECT count(*) FROM (SELECT unnest(exact) INTERSECT SELECT unnest(found)) common)::numeric / cardinality(exact);
END
$$;

CREATE INDEX test_vec ON docs USING hnsw (embedding vector_cosine_ops);
SELECT recall('docs', '<=>') >= 0.95 AS finds;
CREATE INDEX vec_idx ON docs USING hnsw (embedding vector_cosine_ops) WITH (quantization = 'product', pq_subquantizers = 8, pq_centroids = 256);
DROP INDEX test_vec;
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY embedding <=> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
SELECT recall('docs', '<=>') >= 0.95 AS finds;
\d docs
SELECT pg_get_indexdef('vec_idx'::regclass);
DROP INDEX vec_idx;

-- Options as given survive in the definition.
CREATE INDEX docs_l2 ON docs USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 40);
SELECT pg_get_indexdef('docs_l2'::regclass);
SELECT recall('docs', '<->') >= 0.95 AS finds;

-- Which plans: an order and the operator of the class are needed; without LIMIT the planner prefers to sort.
SET enable_seqscan = on;
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1);
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY embedding <#> (SELECT q FROM queries WHERE id = 1) LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) DESC LIMIT 5;
EXPLAIN (COSTS OFF) SELECT count(*) FROM docs WHERE embedding <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' < 5;
EXPLAIN (COSTS OFF) SELECT id FROM docs WHERE id = 7 ORDER BY embedding <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY 2 * (embedding <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]') LIMIT 5;
SELECT count(*) FROM (SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1)) everything;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM docs WHERE kind = 3 ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 5;

-- Rescans.
EXPLAIN (COSTS OFF) SELECT q.id, d.id FROM queries q CROSS JOIN LATERAL (SELECT id FROM docs ORDER BY embedding <-> q.q LIMIT 3) d;
SELECT count(*), count(DISTINCT d.id) > 60 AS different
FROM queries q CROSS JOIN LATERAL (SELECT id FROM docs ORDER BY embedding <-> q.q LIMIT 3) d;
SELECT count(*) AS wrong FROM (
  SELECT distance < lag(distance) OVER (PARTITION BY id ORDER BY n) AS before FROM (
    SELECT q.id, d.distance, row_number() OVER (PARTITION BY q.id) AS n
    FROM queries q CROSS JOIN LATERAL (SELECT embedding <-> q.q AS distance FROM docs ORDER BY 1 LIMIT 50) d) ordered) pairs WHERE before;

-- Iterative scans: a filter that discards most rows.
SHOW hnsw.iterative_scan;
SET hnsw.ef_search = 20;
SET hnsw.iterative_scan = off;
SELECT count(*) < 10 AS fewer FROM (SELECT 1 FROM docs WHERE kind = 3 ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 10) found;
SELECT count(*) FROM (SELECT 1 FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 100) found;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT 1 FROM docs WHERE kind = 3 ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 10) found;
SELECT recall('docs', '<->', 10, 'kind = 3') >= 0.9 AS finds;
SET hnsw.iterative_scan = strict_order;
SELECT count(*) FROM (SELECT 1 FROM docs WHERE kind = 3 ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 10) found;
SELECT recall('docs', '<->', 10, 'kind = 3') >= 0.9 AS finds;
SELECT bool_and(coalesce(distance >= before, true)) AS ordered, count(*) > 2000 AS far FROM (
  SELECT distance, lag(distance) OVER (ORDER BY n) AS before FROM (
    SELECT row_number() OVER () AS n, distance FROM (
      SELECT embedding <-> (SELECT q FROM queries WHERE id = 2) AS distance FROM docs ORDER BY 1 LIMIT 2500) found) numbered) pairs;
SELECT count(*) = count(DISTINCT id) AS each_once FROM (SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 2) LIMIT 2500) found;
SET hnsw.max_scan_tuples = 1;
SELECT count(*) FROM (SELECT 1 FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 100) found;
SET hnsw.max_scan_tuples = 1000;
SELECT count(*) BETWEEN 100 AND 2999 AS stopped FROM (SELECT 1 FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 3000) found;
RESET hnsw.max_scan_tuples;
SET work_mem = '64kB';
SELECT count(*) BETWEEN 20 AND 2999 AS stopped FROM (SELECT 1 FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 3000) found;
RESET work_mem;
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT 1 FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 1) LIMIT 100) found;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;
SELECT attempt('SET hnsw.ef_search = 0');
SELECT attempt('SET hnsw.ef_search = 1001');
SELECT attempt('SET hnsw.iterative_scan = on');
SELECT attempt('SET hnsw.max_scan_tuples = 0');
SELECT attempt('SET hnsw.scan_mem_multiplier = 0.5');
SELECT attempt('SET heliosdb.hnsw_rerank_candidates = 1001');

-- Cursors.
BEGIN;
DECLARE nearest NO SCROLL CURSOR FOR SELECT id, embedding <-> (SELECT q FROM queries WHERE id = 5) AS distance FROM docs ORDER BY 2;
MOVE 100 nearest;
CREATE TEMPORARY TABLE fetched (n serial, id int, distance float8);
DO $$
DECLARE
  c refcursor := 'nearest';
  r record;
BEGIN
  FOR i IN 1 .. 50 LOOP
    FETCH c INTO r;
    INSERT INTO fetched (id, distance) VALUES (r.id, r.distance);
  END LOOP;
END $$;
SELECT count(DISTINCT id), bool_and(distance >= before) AS ordered FROM (SELECT id, distance, lag(distance, 1, 0.0::float8) OVER (ORDER BY n) AS before FROM fetched) f;
CLOSE nearest;
DECLARE backward SCROLL CURSOR FOR SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 5);
MOVE 2 backward;
MOVE BACKWARD 1 backward;
CREATE TEMPORARY TABLE twice AS SELECT 1 AS n;
COMMIT;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM docs ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 5) LIMIT 7;
COMMIT;
MOVE ALL held;
CLOSE held;
DROP TABLE fetched, twice;

-- A cursor keeps its snapshot while rows come and go.
BEGIN;
DECLARE before_changes CURSOR FOR SELECT id FROM docs WHERE id <= 200 ORDER BY embedding <-> (SELECT q FROM queries WHERE id = 5);
MOVE 1 before_changes;
DELETE FROM docs WHERE id <= 100;
INSERT INTO docs SELECT -i, 0, near_centre(i) FROM generate_series(1, 100) i;
MOVE ALL before_changes;
ROLLBACK;

-- Changes: updates of the vector, updates of other columns, deletions, duplicates.
CREATE TABLE changing (id int PRIMARY KEY, note int, v vector(4)) WITH (fillfactor = 50, autovacuum_enabled = off);
INSERT INTO changing SELECT i, 0, ARRAY[i, i % 7, i % 5, 0]::real[]::vector FROM generate_series(1, 400) i;
CREATE INDEX changing_index ON changing USING hnsw (v vector_l2_ops);
UPDATE changing SET note = note + 1;
SELECT vectors FROM heliosdb.vector_index_info('changing_index');
UPDATE changing SET note = note + 1;
SELECT id, note FROM changing ORDER BY v <-> '[100,2,0,0]' LIMIT 3;
UPDATE changing SET v = ARRAY[id, 50, 0, 0]::real[]::vector WHERE id BETWEEN 90 AND 110;
SELECT id FROM changing ORDER BY v <-> '[100,2,0,0]' LIMIT 3;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM changing ORDER BY v <-> '[100,49,0,0]' LIMIT 3) found;
DELETE FROM changing WHERE id > 100;
SELECT id FROM changing ORDER BY v <-> '[100,49,0,0]' LIMIT 3;
VACUUM changing;
SELECT id FROM changing ORDER BY v <-> '[100,49,0,0]' LIMIT 3;
SELECT dead, vectors, free_slots > 0 AS has_free FROM heliosdb.vector_index_info('changing_index');
SELECT pg_relation_size('changing_index') AS size \gset
INSERT INTO changing SELECT i, 0, ARRAY[i, i % 7, i % 5, 0]::real[]::vector FROM generate_series(101, 400) i;
SELECT pg_relation_size('changing_index') <= :size AS slots_are_used_again;
SELECT id FROM changing ORDER BY v <-> '[300,6,0,0]' LIMIT 1;
SELECT count(*) FROM (SELECT id FROM changing ORDER BY v <-> '[300,6,0,0]' LIMIT 400) found;
DELETE FROM changing;
VACUUM changing;
SELECT id FROM changing ORDER BY v <-> '[300,6,0,0]' LIMIT 1;
SELECT nodes, vectors, dead, entry_level FROM heliosdb.vector_index_info('changing_index');
INSERT INTO changing VALUES (1, 1, '[1,2,3,4]');
SELECT id FROM changing ORDER BY v <-> '[300,6,0,0]' LIMIT 1;
DROP TABLE changing;

CREATE TABLE same (id int, v vector(3));
INSERT INTO same SELECT i, '[1,2,3]' FROM generate_series(1, 500) i;
CREATE INDEX same_index ON same USING hnsw (v vector_l2_ops);
INSERT INTO same SELECT i, '[1,2,3]' FROM generate_series(501, 1000) i;
INSERT INTO same VALUES (1001, '[1,2,4]');
SELECT nodes, vectors FROM heliosdb.vector_index_info('same_index');
SELECT count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <-> '[1,2,3]' LIMIT 1000) found;
SELECT count(DISTINCT id), max(id) FROM (SELECT id FROM same ORDER BY v <-> '[3,2,1]' LIMIT 1001) found;
SELECT id FROM same ORDER BY v <-> '[1,2,5]' LIMIT 1;
DELETE FROM same WHERE id % 2 = 0;
VACUUM same;
SELECT count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <-> '[1,2,3]' LIMIT 1001) found;
DELETE FROM same WHERE id = 1 OR id BETWEEN 100 AND 1000;
VACUUM same;
SELECT count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <-> '[1,2,3]' LIMIT 1001) found;
DROP TABLE same;

-- Transactions.
BEGIN;
CREATE INDEX rolled_back ON docs USING hnsw (embedding vector_l1_ops);
ROLLBACK;
SELECT to_regclass('rolled_back');
BEGIN;
INSERT INTO docs VALUES (-1, 0, array_fill(50, ARRAY[16])::vector);
SAVEPOINT one;
INSERT INTO docs VALUES (-2, 0, array_fill(51, ARRAY[16])::vector);
SELECT id FROM docs ORDER BY embedding <-> array_fill(51, ARRAY[16])::vector LIMIT 2;
ROLLBACK TO one;
SELECT id FROM docs WHERE id < 0 ORDER BY embedding <-> array_fill(51, ARRAY[16])::vector LIMIT 2;
SELECT attempt($$SELECT id FROM docs ORDER BY embedding <-> '[1]' LIMIT 1$$);
SELECT id FROM docs WHERE id < 0 ORDER BY embedding <-> array_fill(51, ARRAY[16])::vector LIMIT 2;
ROLLBACK;
SELECT count(*) FROM (SELECT id FROM docs ORDER BY embedding <-> array_fill(51, ARRAY[16])::vector LIMIT 3) found WHERE id < 0;

-- Maintenance commands.
CREATE INDEX CONCURRENTLY docs_ip ON docs USING hnsw (embedding vector_ip_ops);
SELECT recall('docs', '<#>') >= 0.9 AS finds;
REINDEX INDEX docs_ip;
REINDEX INDEX CONCURRENTLY docs_ip;
REINDEX TABLE CONCURRENTLY docs;
SELECT recall('docs', '<#>') >= 0.9 AS finds;
DROP INDEX CONCURRENTLY docs_ip;
VACUUM FULL docs;
CLUSTER docs USING docs_pkey;
SELECT recall('docs', '<->') >= 0.95 AS finds;
SELECT attempt('CLUSTER docs USING docs_l2');
ALTER TABLE docs ALTER COLUMN embedding TYPE vector(16) USING embedding * array_fill(2, ARRAY[16])::vector;
SELECT id FROM docs ORDER BY embedding <-> (SELECT embedding FROM docs WHERE id = 77) LIMIT 1;
ANALYZE docs;
TRUNCATE docs;
SELECT id FROM docs ORDER BY embedding <-> array_fill(51, ARRAY[16])::vector LIMIT 3;
INSERT INTO docs SELECT i, i / 50 % 10, near_centre(i) FROM generate_series(1, 1500) i;
SELECT recall('docs', '<->') >= 0.9 AS finds;
DROP INDEX docs_l2;

-- An empty table that fills later; a partial index; an index on a cast.
TRUNCATE docs;
CREATE INDEX docs_l2 ON docs USING hnsw (embedding vector_l2_ops);
CREATE INDEX docs_partial ON docs USING hnsw (embedding vector_cosine_ops) WHERE kind = 3;
CREATE INDEX docs_cast ON docs USING hnsw ((embedding::halfvec(16)) halfvec_l1_ops);
SELECT id FROM docs ORDER BY embedding <-> array_fill(51, ARRAY[16])::vector LIMIT 3;
INSERT INTO docs SELECT i, i / 50 % 10, near_centre(i) FROM generate_series(1, 2000) i;
SELECT recall('docs', '<->') >= 0.9 AS finds;
SELECT recall('docs', '<=>', 10, 'kind = 3') >= 0.9 AS finds_partial;
SELECT recall('docs', '<+>', 10, 'true', 'embedding::halfvec(16)') >= 0.9 AS finds_cast;
EXPLAIN (COSTS OFF) SELECT id FROM docs WHERE kind = 3 ORDER BY embedding <=> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM docs ORDER BY embedding::halfvec(16) <+> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 5;
UPDATE docs SET kind = 3 WHERE kind = 4;
UPDATE docs SET kind = 4 WHERE kind = 3 AND id % 2 = 0;
SELECT recall('docs', '<=>', 10, 'kind = 3') >= 0.9 AS finds_partial;
DROP INDEX docs_partial, docs_cast;

-- Unlogged and temporary tables; partitions.
CREATE UNLOGGED TABLE unlogged_docs (id int, embedding vector(16));
CREATE INDEX unlogged_index ON unlogged_docs USING hnsw (embedding vector_l2_ops);
INSERT INTO unlogged_docs SELECT id, embedding FROM docs;
SELECT recall('unlogged_docs', '<->') >= 0.9 AS finds;
DELETE FROM unlogged_docs WHERE id % 3 = 0;
VACUUM unlogged_docs;
SELECT recall('unlogged_docs', '<->') >= 0.9 AS finds;
ALTER TABLE unlogged_docs SET LOGGED;
SELECT recall('unlogged_docs', '<->') >= 0.9 AS finds;
DROP TABLE unlogged_docs;
CREATE TEMPORARY TABLE temporary_docs (id int, embedding vector(16)) ON COMMIT PRESERVE ROWS;
CREATE INDEX temporary_index ON temporary_docs USING hnsw (embedding vector_l2_ops);
INSERT INTO temporary_docs SELECT id, embedding FROM docs;
SELECT recall('temporary_docs', '<->') >= 0.9 AS finds;
DELETE FROM temporary_docs WHERE id % 3 = 0;
VACUUM temporary_docs;
REINDEX TABLE temporary_docs;
SELECT recall('temporary_docs', '<->') >= 0.9 AS finds;
DROP TABLE temporary_docs;
CREATE TABLE split (id int, embedding vector(16)) PARTITION BY RANGE (id);
CREATE TABLE split_low PARTITION OF split FOR VALUES FROM (0) TO (1000);
CREATE INDEX split_index ON split USING hnsw (embedding vector_l2_ops);
CREATE TABLE split_high PARTITION OF split FOR VALUES FROM (1000) TO (3000);
INSERT INTO split SELECT id, embedding FROM docs;
EXPLAIN (COSTS OFF) SELECT id FROM split ORDER BY embedding <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 5;
SELECT recall('split', '<->') >= 0.9 AS finds;
DROP TABLE split;

-- Rights hold through the index.
CREATE ROLE regress_hnsw_limited;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_threes ON docs USING (kind = 3);
GRANT SELECT ON queries TO regress_hnsw_limited;
GRANT SELECT (id, kind) ON docs TO regress_hnsw_limited;
SET ROLE regress_hnsw_limited;
SELECT attempt($$SELECT id FROM docs ORDER BY embedding <-> array_fill(1, ARRAY[16])::vector LIMIT 3$$);
RESET ROLE;
GRANT SELECT (embedding) ON docs TO regress_hnsw_limited;
SET ROLE regress_hnsw_limited;
EXPLAIN (COSTS OFF) SELECT id, kind FROM docs ORDER BY embedding <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10;
SELECT count(*), min(kind), max(kind) FROM (SELECT kind FROM docs ORDER BY embedding <-> array_fill(1, ARRAY[16])::vector LIMIT 10) found;
RESET ROLE;
DROP TABLE docs, queries;
DROP ROLE regress_hnsw_limited;
DROP FUNCTION recall(text, text, int, text, text), near_centre(int), attempt(text);
