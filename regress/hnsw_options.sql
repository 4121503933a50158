-- Options of hnsw indexes: what is refused, the limits of dimensions, and extreme values that are allowed.

SET jit = off;
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || sqlerrm || coalesce(' / ' || nullif(hint, ''), '');
END
$$;
SET client_min_messages = warning;

CREATE TABLE items (id int, v vector(8), h halfvec(8), s sparsevec(8), b bit(8));

-- Each option alone and with others.
SELECT options, attempt(format('CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (%s)', options)) FROM unnest(ARRAY[
  'm = 1', 'm = 101', 'm = 2', 'm = 32', 'm = 33', 'm = 100', 'm = 100, ef_construction = 199', 'm = 100, ef_construction = 200',
  'ef_construction = 3', 'ef_construction = 1001', 'ef_construction = 31', 'ef_construction = 1000', 'm = 2, ef_construction = 4',
  'lists = 10', 'fillfactor = 70',
  'quantization = none', 'quantization = ''scalar''', 'quantization = SCALAR', 'quantization = ''binary''', 'quantization = 1', 'quantization',
  'rerank_source = heap', 'rerank_source = index', 'rerank_source = disk', 'quantization = scalar, rerank_source = index',
  'quantization = none, rerank_source = index', 'quantization = product, rerank_source = index', 'quantization = rabitq, rerank_source = index',
  'quantization = auto, rerank_source = index',
  'pq_subquantizers = 4', 'quantization = scalar, pq_subquantizers = 4', 'quantization = rabitq, pq_subquantizers = 4',
  'quantization = product, pq_subquantizers = -1', 'quantization = product, pq_subquantizers = 0', 'quantization = product, pq_subquantizers = 8',
  'quantization = product, pq_subquantizers = 9', 'quantization = product, pq_subquantizers = 16001', 'quantization = auto, pq_subquantizers = 8',
  'pq_centroids = 16', 'quantization = rabitq, pq_centroids = 16', 'quantization = product, pq_centroids = 0', 'quantization = product, pq_centroids = 257',
  'quantization = product, pq_centroids = 1', 'quantization = product, pq_centroids = 100',
  'pq_rotation = on', 'quantization = scalar, pq_rotation = on', 'quantization = product, pq_rotation = on', 'quantization = product, pq_rotation = perhaps',
  'rabitq_bits = 4', 'quantization = product, rabitq_bits = 4', 'quantization = rabitq, rabitq_bits = 0', 'quantization = rabitq, rabitq_bits = 2',
  'quantization = rabitq, rabitq_bits = 3', 'quantization = rabitq, rabitq_bits = 5', 'quantization = rabitq, rabitq_bits = 4',
  'quantization = auto, rabitq_bits = 2']) WITH ORDINALITY u(options, n) ORDER BY n;

-- Operator classes.
SELECT options, opclass, attempt(format('CREATE INDEX ON items USING hnsw (%s) WITH (%s)', opclass, options)) FROM
  unnest(ARRAY['quantization = scalar', 'quantization = product', 'quantization = rabitq', 'quantization = rabitq, rabitq_bits = 4',
               'quantization = auto', 'quantization = product, pq_rotation = on']) WITH ORDINALITY o(options, n),
  unnest(ARRAY['v vector_l1_ops', 'h halfvec_cosine_ops', 'h halfvec_l1_ops', 's sparsevec_l2_ops', 'b bit_hamming_ops']) WITH ORDINALITY c(opclass, k)
ORDER BY n, k;
DROP TABLE items;

-- Changed options wait for REINDEX.
CREATE TABLE changing (id int, v vector(8));
INSERT INTO changing SELECT i, ARRAY[i, i % 7, i % 11, i % 13, i % 17, 1, 2, 3]::real[]::vector FROM generate_series(1, 600) i;
CREATE INDEX changing_index ON changing USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
SELECT m, ef_construction, quantization FROM heliosdb.vector_index_info('changing_index');
ALTER INDEX changing_index SET (m = 12, quantization = scalar);
SELECT pg_get_indexdef('changing_index'::regclass);
SELECT m, ef_construction, quantization FROM heliosdb.vector_index_info('changing_index');
INSERT INTO changing VALUES (601, '[601,1,1,1,1,1,2,3]');
SET enable_seqscan = off;
SELECT id FROM changing ORDER BY v <-> '[610,1,1,1,1,1,2,3]' LIMIT 1;
REINDEX INDEX changing_index;
SELECT m, ef_construction, quantization FROM heliosdb.vector_index_info('changing_index');
SELECT id FROM changing ORDER BY v <-> '[610,1,1,1,1,1,2,3]' LIMIT 1;
SELECT attempt('ALTER INDEX changing_index SET (m = 50)');
SELECT attempt('ALTER INDEX changing_index SET (pq_centroids = 16)');
SELECT attempt('ALTER INDEX changing_index SET (quantization = product, pq_subquantizers = 9)');
SELECT attempt('REINDEX INDEX changing_index');
ALTER INDEX changing_index RESET (quantization, pq_subquantizers, m);
REINDEX INDEX changing_index;
SELECT m, ef_construction, quantization FROM heliosdb.vector_index_info('changing_index');
SELECT id FROM changing ORDER BY v <-> '[610,1,1,1,1,1,2,3]' LIMIT 1;
DROP TABLE changing;

-- The types refuse what has no distance.
CREATE TABLE odd (v vector(2), h halfvec(2));
CREATE INDEX ON odd USING hnsw (v vector_l2_ops) WITH (quantization = scalar);
SELECT attempt($$INSERT INTO odd (v) VALUES ('[NaN,1]')$$), attempt($$INSERT INTO odd (v) VALUES ('[Infinity,1]')$$);
SELECT attempt($$INSERT INTO odd (h) VALUES ('[NaN,1]')$$), attempt($$INSERT INTO odd (h) VALUES ('[65520,1]')$$);
SELECT attempt($$INSERT INTO odd (v) SELECT ARRAY['NaN', 1]::real[]::vector$$);
INSERT INTO odd (v) VALUES ('[3e38,3e38]'), ('[-3e38,-3e38]'), ('[1e-45,1]'), ('[0,0]'), (NULL);
SELECT v FROM odd ORDER BY v <-> '[1,1]' LIMIT 2;
SELECT count(*) FROM (SELECT v FROM odd ORDER BY v <-> '[3e38,-3e38]' LIMIT 5) found;
DROP TABLE odd;

-- Limits of dimensions.
SELECT type, dims, opclass, options, attempt(format('CREATE TABLE limited (v %s(%s)); CREATE INDEX ON limited USING hnsw (v %s) WITH (%s); DROP TABLE limited',
                                                    type, dims, opclass, options))
FROM (VALUES (1, 'vector', 2000, 'vector_l2_ops', 'm = 16'), (2, 'vector', 2001, 'vector_l2_ops', 'm = 16'),
             (3, 'halfvec', 4000, 'halfvec_l2_ops', 'm = 16'), (4, 'halfvec', 4001, 'halfvec_l2_ops', 'm = 16'),
             (5, 'bit', 64000, 'bit_hamming_ops', 'm = 16'), (6, 'bit', 64001, 'bit_hamming_ops', 'm = 16'),
             (7, 'sparsevec', 1000000000, 'sparsevec_l2_ops', 'm = 16'), (8, 'vector', 16000, 'vector_l2_ops', 'quantization = scalar'),
             (9, 'vector', 16000, 'vector_l2_ops', 'quantization = product'), (10, 'vector', 16000, 'vector_l2_ops', 'quantization = product, pq_rotation = on'),
             (11, 'vector', 16000, 'vector_l2_ops', 'quantization = product, pq_subquantizers = 16000'), (12, 'vector', 16000, 'vector_l2_ops', 'quantization = rabitq'),
             (13, 'halfvec', 16000, 'halfvec_l2_ops', 'quantization = rabitq, rabitq_bits = 4'), (14, 'halfvec', 16000, 'halfvec_l2_ops', 'quantization = auto'))
  c(n, type, dims, opclass, options) ORDER BY n;

-- Real rows at these limits: each is its own nearest neighbour before and after deletions, vacuum and insertions.
CREATE FUNCTION pseudo(seed int, dim int) RETURNS real[] LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg((sin(seed * 12.9898 + i * 78.233) * 43758.5453 - floor(sin(seed * 12.9898 + i * 78.233) * 43758.5453))::real ORDER BY i)
     FROM generate_series(1, dim) i $$;
CREATE FUNCTION lives_through(type text, opclass text, operator text, options text, rows int, build boolean DEFAULT true) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  missing int[] := '{}';
  one record;
  query text := format('SELECT id FROM big ORDER BY v %s $1::%s LIMIT 1', operator, type);
  found int;
BEGIN
  EXECUTE format('CREATE TABLE big (id int, v %s)', type);
  IF NOT build THEN
    EXECUTE format('CREATE INDEX big_index ON big USING hnsw (v %s) WITH (%s)', opclass, options);
  END IF;
  EXECUTE format('INSERT INTO big SELECT id, v FROM source WHERE id <= %s', rows);
  IF build THEN
    EXECUTE format('CREATE INDEX big_index ON big USING hnsw (v %s) WITH (%s)', opclass, options);
  END IF;
  DELETE FROM big WHERE id % 3 = 0;
  EXECUTE format('INSERT INTO big SELECT id, v FROM source WHERE id > %s', rows);
  FOR one IN SELECT id, v::text AS v FROM big WHERE id % 5 = 1 LOOP
    EXECUTE query USING one.v INTO found;
    IF found IS DISTINCT FROM one.id THEN
      missing := missing || one.id;
    END IF;
  END LOOP;
  RETURN CASE WHEN cardinality(missing) <= 1 THEN 'finds' ELSE 'misses ' || missing::text END;
END
$$;
CREATE FUNCTION after_vacuum() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  missing int := 0;
  one record;
  info record;
  found int;
  operator text;
BEGIN
  SELECT '<' || CASE distance WHEN 'l2' THEN '->' WHEN 'cosine' THEN '=>' WHEN 'l1' THEN '+>' WHEN 'hamming' THEN '~>' ELSE '#>' END INTO operator FROM heliosdb.vector_index_info('big_index');
  operator := replace(operator, '<<', '<');
  FOR one IN SELECT id FROM big LOOP
    EXECUTE format('SELECT id FROM big ORDER BY v %s (SELECT v FROM big WHERE id = %s) LIMIT 1', operator, one.id) INTO found;
    missing := missing + (found IS DISTINCT FROM one.id)::int;
  END LOOP;
  SELECT * INTO info FROM heliosdb.vector_index_info('big_index');
  RETURN CASE WHEN missing <= 1 THEN 'finds' ELSE 'misses ' || missing END ||
    format(', %s, trained %s, %s bytes, dead %s, all there %s', info.quantization, info.trained, info.code_bytes, info.dead, info.vectors = (SELECT count(*) FROM big));
END
$$;

CREATE TABLE source (id int, v vector(16000));
INSERT INTO source SELECT i, pseudo(i, 16000)::vector FROM generate_series(1, 40) i;
SELECT lives_through('vector(16000)', 'vector_l2_ops', '<->', 'quantization = scalar', 30);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(16000)', 'vector_cosine_ops', '<=>', 'quantization = product, pq_subquantizers = 100, pq_centroids = 2', 30);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(16000)', 'vector_l2_ops', '<->', 'quantization = product, pq_subquantizers = 16000, pq_centroids = 2, rerank_source = index', 20, false);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(16000)', 'vector_l2_ops', '<->', 'quantization = rabitq', 30);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(16000)', 'vector_cosine_ops', '<=>', 'quantization = rabitq, rabitq_bits = 4', 30);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('halfvec(16000)', 'halfvec_l2_ops', '<->', 'quantization = rabitq, rabitq_bits = 4, rerank_source = index', 30, false);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('halfvec(16000)', 'halfvec_l1_ops', '<+>', 'quantization = scalar', 30, false);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big, source;

CREATE TABLE source (id int, v vector(2000));
INSERT INTO source SELECT i, pseudo(i, 2000)::vector FROM generate_series(1, 200) i;
SELECT lives_through('vector(2000)', 'vector_l2_ops', '<->', 'm = 100, ef_construction = 200', 150);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(2000)', 'vector_cosine_ops', '<=>', 'm = 100, ef_construction = 200', 100, false);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(2000)', 'vector_l2_ops', '<->', 'm = 100, ef_construction = 200, quantization = scalar', 150);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SET hnsw.ef_search = 200;
SELECT lives_through('vector(2000)', 'vector_l1_ops', '<+>', 'm = 3, ef_construction = 100', 150);
RESET hnsw.ef_search;
DROP TABLE big, source;

CREATE TABLE source (id int, v halfvec(4000));
INSERT INTO source SELECT i, pseudo(i, 4000)::halfvec FROM generate_series(1, 100) i;
SELECT lives_through('halfvec(4000)', 'halfvec_l2_ops', '<->', 'm = 16', 60);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big, source;

CREATE TABLE source (id int, v bit(64000));
INSERT INTO source SELECT i, (('x' || string_agg(md5(i || '/' || j), ''))::bit(64000)) FROM generate_series(1, 100) i, generate_series(1, 500) j GROUP BY i;
SELECT lives_through('bit(64000)', 'bit_hamming_ops', '<~>', 'm = 16', 60);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big, source;

-- Subspaces of uneven width, and every number of centroids.
CREATE TABLE source (id int, v vector(29));
INSERT INTO source SELECT i, pseudo(i, 29)::vector FROM generate_series(1, 900) i;
SELECT lives_through('vector(29)', 'vector_l2_ops', '<->', 'quantization = product, pq_subquantizers = 5', 800);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(29)', 'vector_cosine_ops', '<=>', 'quantization = product, pq_subquantizers = 28, pq_centroids = 16', 400);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(29)', 'vector_l2_ops', '<->', 'quantization = product, pq_subquantizers = 29, pq_centroids = 2', 400);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
SELECT lives_through('vector(29)', 'vector_l1_ops', '<+>', 'quantization = product, pq_subquantizers = 7, pq_centroids = 17', 400, false);
VACUUM big;
SELECT after_vacuum();
DROP TABLE big;
-- One centroid tells nothing apart: every row has the same code, yet each is compared by its vector.
SELECT lives_through('vector(29)', 'vector_l2_ops', '<->', 'quantization = product, pq_subquantizers = 1, pq_centroids = 1', 200);
SET hnsw.ef_search = 1000;
VACUUM big;
SELECT after_vacuum();
RESET hnsw.ef_search;
DROP TABLE big, source;
DROP FUNCTION after_vacuum(), lives_through(text, text, text, text, int, boolean), pseudo(int, int), attempt(text);
