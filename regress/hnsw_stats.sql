-- What SQL can ask about hnsw indexes: statistics, parameters, measured recall.

CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
  hint text;
BEGIN
  EXECUTE statement INTO result;
  RETURN coalesce(result, '(null)');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || regexp_replace(sqlerrm, '\d{5,}', 'N') || coalesce(' / ' || nullif(hint, ''), '');
END
$$;

-- Rows with a repeatable pseudo-random vector; every tenth row has none, every hundredth is a duplicate.
CREATE FUNCTION pseudo(seed int, dim int) RETURNS real[] LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg((('x' || substr(md5(seed || ' ' || i), 1, 6))::bit(24)::int / 16777216.0)::real ORDER BY i)
     FROM generate_series(1, dim) i $$;
CREATE TABLE items (id int PRIMARY KEY, kind int, v vector(32));
INSERT INTO items SELECT i, i % 4, CASE WHEN i % 10 <> 0 THEN pseudo(CASE WHEN i % 100 = 1 THEN 1 ELSE i END, 32)::vector END
  FROM generate_series(1, 1500) i;

-- No index, no row.
SELECT * FROM pg_vector_index_stats();

CREATE INDEX items_plain ON items USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX items_scalar ON items USING hnsw (v vector_cosine_ops) WITH (quantization = 'scalar');
CREATE INDEX items_product ON items USING hnsw (v vector_ip_ops)
  WITH (quantization = 'product', pq_subquantizers = 8, pq_centroids = 16);
CREATE INDEX items_rabitq ON items USING hnsw (v vector_l2_ops)
  WITH (quantization = 'rabitq', rabitq_bits = 4, rerank_source = 'index');
CREATE INDEX items_auto ON items USING hnsw (v vector_l2_ops) WITH (quantization = 'auto');
CREATE INDEX items_partial ON items USING hnsw (v vector_l1_ops) WHERE kind = 2;
CREATE INDEX items_expression ON items USING hnsw ((v::halfvec(32)) halfvec_l2_ops);
CREATE INDEX items_bits ON items USING hnsw ((binary_quantize(v)::bit(32)) bit_hamming_ops);
CREATE INDEX items_sparse ON items USING hnsw ((v::sparsevec(32)) sparsevec_l2_ops);

SELECT index_name, num_vectors, dimensions, quantization,
       memory_bytes = pg_relation_size(index_name::regclass) AS size_agrees, recall_at_10
FROM pg_vector_index_stats() ORDER BY index_name COLLATE "C";

SELECT relname, i.dimensions, distance, element, i.quantization, requested, trained, rerank_source, m, ef_construction
FROM pg_class, heliosdb.vector_index_info(oid) i WHERE relname LIKE 'items\_%' AND relam <> 403 ORDER BY relname COLLATE "C";
SELECT relname, pq_subquantizers, pq_centroids, rabitq_bits, code_bytes < 4 * i.dimensions AS smaller, nodes < vectors AS has_duplicates, vectors, dead,
       free_slots, entry_level >= 0 AS has_entry, auto_sample, auto_recall_rabitq, auto_recall_product
FROM pg_class, heliosdb.vector_index_info(oid) i WHERE relname LIKE 'items\_%' AND relam <> 403 ORDER BY relname COLLATE "C";

-- What was measured for "auto".
CREATE TABLE wide (v vector(64));
INSERT INTO wide SELECT pseudo(i, 64)::vector FROM generate_series(1, 1100) i;
-- What auto measures may differ in the last digit between processors.
SET client_min_messages = warning;
CREATE INDEX wide_auto ON wide USING hnsw (v vector_l2_ops) WITH (quantization = 'auto');
RESET client_min_messages;
SELECT requested, quantization <> 'auto' AS chosen, auto_sample, auto_recall_rabitq BETWEEN 0 AND 1 AS measured
FROM heliosdb.vector_index_info('wide_auto');
DROP TABLE wide;

-- Measured recall; a wide search finds nearly everything. Ties of a coarse distance count as found.
SET hnsw.ef_search = 200;
SELECT relname, heliosdb.vector_index_recall(oid, 50) > 0.95 AS finds
FROM pg_class WHERE relname LIKE 'items\_%' AND relam <> 403 ORDER BY relname COLLATE "C";
SELECT heliosdb.vector_index_recall('items_plain') BETWEEN 0.95 AND 1 AS default_sample;
SELECT heliosdb.vector_index_recall('items_plain', 1000000) BETWEEN 0.95 AND 1 AS all_rows;
SELECT heliosdb.vector_index_recall('items_plain', 1) BETWEEN 0 AND 1 AS one_row;

-- It measures the settings of the session: candidates cannot be recalled beyond ef_search without iterative scans.
SET hnsw.ef_search = 5;
SET hnsw.iterative_scan = off;
SELECT heliosdb.vector_index_recall('items_expression', 50) <= 0.6 AS bounded_by_ef_search;
SET hnsw.ef_search = 200;
SET heliosdb.hnsw_exact_order = off;
SELECT heliosdb.vector_index_recall('items_product', 50) < 0.9 AS codes_alone_are_coarse;
RESET heliosdb.hnsw_exact_order;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;

-- Fewer than ten rows, none, only values that are not indexed.
CREATE TABLE small (v vector(3));
CREATE INDEX small_index ON small USING hnsw (v vector_cosine_ops);
SELECT heliosdb.vector_index_recall('small_index') AS empty, entry_level, nodes FROM heliosdb.vector_index_info('small_index');
INSERT INTO small VALUES (NULL), ('[0,0,0]');
SELECT heliosdb.vector_index_recall('small_index') AS nothing_indexed;
INSERT INTO small VALUES ('[1,2,3]'), ('[3,2,1]'), ('[3,2,1]');
SELECT heliosdb.vector_index_recall('small_index') AS three_rows;
SELECT num_vectors FROM pg_vector_index_stats() WHERE index_name = 'small_index';
-- Rows of the own transaction count, rows deleted before vacuum are in the index but not among the exact ones.
BEGIN;
DELETE FROM small WHERE v = '[1,2,3]';
SELECT heliosdb.vector_index_recall('small_index') AS after_delete;
COMMIT;
SELECT nodes, vectors FROM heliosdb.vector_index_info('small_index');

-- Vectors stored out of line, whose sample would not fit maintenance_work_mem.
CREATE TABLE broad (v vector(1500));
ALTER TABLE broad ALTER v SET STORAGE EXTERNAL;
INSERT INTO broad SELECT pseudo(i, 1500)::vector FROM generate_series(1, 220) i;
CREATE INDEX broad_index ON broad USING hnsw (v vector_l2_ops) WITH (quantization = 'scalar');
SET maintenance_work_mem = '1MB';
SELECT heliosdb.vector_index_recall('broad_index', 100000) > 0.95 AS out_of_line;
RESET maintenance_work_mem;
DROP TABLE broad;

-- What is refused.
CREATE TABLE parts (k int, v vector(3)) PARTITION BY LIST (k);
CREATE TABLE parts_one PARTITION OF parts FOR VALUES IN (1);
CREATE INDEX parts_index ON parts USING hnsw (v vector_l2_ops);
CREATE INDEX invalid_index ON small USING hnsw (v vector_l2_ops);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid_index'::regclass;
SELECT t AS target, attempt(format('SELECT heliosdb.vector_index_recall(%L)', t)) AS recall,
       attempt(format('SELECT dimensions FROM heliosdb.vector_index_info(%L)', t)) AS info
FROM unnest(ARRAY['items', 'items_pkey', 'parts_index', 'parts_one_v_idx', 'invalid_index', '4294967295', NULL]) WITH ORDINALITY u(t, n)
ORDER BY n;
SELECT size, attempt(format('SELECT heliosdb.vector_index_recall(''small_index'', %L)', size)) AS outcome
FROM (VALUES (0), (-1), (NULL)) s(size) ORDER BY size;
SELECT index_name FROM pg_vector_index_stats() WHERE index_name LIKE 'invalid%' OR index_name LIKE 'parts%' ORDER BY 1;
DROP TABLE parts;
DROP INDEX invalid_index;

-- Names are qualified when they have to be.
CREATE SCHEMA aside;
CREATE TABLE aside.items (v vector(2));
CREATE INDEX "Odd name" ON aside.items USING hnsw (v vector_l2_ops);
SELECT index_name FROM pg_vector_index_stats() WHERE index_name LIKE '%Odd%';

-- The right to read the table is needed; row-level security hides rows from a measurement.
CREATE ROLE regress_hnsw_reader;
GRANT USAGE ON SCHEMA aside TO regress_hnsw_reader;
SET ROLE regress_hnsw_reader;
SELECT count(*) FROM pg_vector_index_stats();
SELECT attempt($$SELECT heliosdb.vector_index_recall('items_plain')$$) AS recall,
       attempt($$SELECT dimensions FROM heliosdb.vector_index_info('items_plain')$$) AS info;
RESET ROLE;
GRANT SELECT ON small TO regress_hnsw_reader;
SET ROLE regress_hnsw_reader;
SELECT index_name FROM pg_vector_index_stats();
SELECT attempt($$SELECT heliosdb.vector_index_recall('small_index')$$) AS recall;
RESET ROLE;
ALTER TABLE small ENABLE ROW LEVEL SECURITY;
SET ROLE regress_hnsw_reader;
SELECT attempt($$SELECT heliosdb.vector_index_recall('small_index')$$) AS recall;
RESET ROLE;
SELECT heliosdb.vector_index_recall('small_index') AS not_for_the_owner;

-- Expressions of an index run with the rights of the table's owner.
CREATE FUNCTION who(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RAISE NOTICE 'run by %', CASE WHEN current_user = session_user THEN 'the caller' ELSE current_user END; RETURN v; END $$;
CREATE TABLE owned (v vector(2));
INSERT INTO owned VALUES ('[1,2]');
CREATE INDEX owned_index ON owned USING hnsw ((who(v)::vector(2)) vector_l2_ops);
ALTER TABLE owned OWNER TO regress_hnsw_reader;
SELECT heliosdb.vector_index_recall('owned_index');
SELECT current_user = session_user AS caller_again;

-- Vacuum gives slots back.
DELETE FROM items WHERE id % 3 = 0;
VACUUM (INDEX_CLEANUP on) items;
SELECT vectors = (SELECT count(v) FROM items) AS vectors_agree, dead, free_slots > 0 AS has_free
FROM heliosdb.vector_index_info('items_plain');

-- Temporary tables of the session count.
CREATE TEMPORARY TABLE passing (v vector(2));
INSERT INTO passing VALUES ('[1,2]');
CREATE INDEX passing_index ON passing USING hnsw (v vector_l2_ops);
SELECT index_name, num_vectors FROM pg_vector_index_stats() WHERE index_name = 'passing_index';

DROP TABLE owned, small, items, aside.items, passing;
DROP FUNCTION who(vector), pseudo(int, int), attempt(text);
DROP SCHEMA aside;
DROP ROLE regress_hnsw_reader;
