-- The hnsw access method and its operator classes.

CREATE FUNCTION hnswhandler(internal) RETURNS index_am_handler
  AS 'MODULE_PATHNAME', 'helios_hnswhandler' LANGUAGE C;
COMMENT ON FUNCTION hnswhandler(internal) IS 'hnsw index access method handler';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnswhandler;
COMMENT ON ACCESS METHOD hnsw IS 'hnsw index access method';

CREATE FUNCTION heliosdb.hnsw_space_vector_l2() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_vector_l2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_vector_l2() IS 'element type and distance of operator class vector_l2_ops';

CREATE FUNCTION heliosdb.hnsw_space_vector_ip() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_vector_ip' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_vector_ip() IS 'element type and distance of operator class vector_ip_ops';

CREATE FUNCTION heliosdb.hnsw_space_vector_cosine() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_vector_cosine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_vector_cosine() IS 'element type and distance of operator class vector_cosine_ops';

CREATE FUNCTION heliosdb.hnsw_space_vector_l1() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_vector_l1' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_vector_l1() IS 'element type and distance of operator class vector_l1_ops';

CREATE FUNCTION heliosdb.hnsw_space_halfvec_l2() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_halfvec_l2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_halfvec_l2() IS 'element type and distance of operator class halfvec_l2_ops';

CREATE FUNCTION heliosdb.hnsw_space_halfvec_ip() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_halfvec_ip' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_halfvec_ip() IS 'element type and distance of operator class halfvec_ip_ops';

CREATE FUNCTION heliosdb.hnsw_space_halfvec_cosine() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_halfvec_cosine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_halfvec_cosine() IS 'element type and distance of operator class halfvec_cosine_ops';

CREATE FUNCTION heliosdb.hnsw_space_halfvec_l1() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_halfvec_l1' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_halfvec_l1() IS 'element type and distance of operator class halfvec_l1_ops';

CREATE FUNCTION heliosdb.hnsw_space_sparsevec_l2() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_sparsevec_l2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_sparsevec_l2() IS 'element type and distance of operator class sparsevec_l2_ops';

CREATE FUNCTION heliosdb.hnsw_space_sparsevec_ip() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_sparsevec_ip' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_sparsevec_ip() IS 'element type and distance of operator class sparsevec_ip_ops';

CREATE FUNCTION heliosdb.hnsw_space_sparsevec_cosine() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_sparsevec_cosine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_sparsevec_cosine() IS 'element type and distance of operator class sparsevec_cosine_ops';

CREATE FUNCTION heliosdb.hnsw_space_sparsevec_l1() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_sparsevec_l1' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_sparsevec_l1() IS 'element type and distance of operator class sparsevec_l1_ops';

CREATE FUNCTION heliosdb.hnsw_space_bit_hamming() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_bit_hamming' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_bit_hamming() IS 'element type and distance of operator class bit_hamming_ops';

CREATE FUNCTION heliosdb.hnsw_space_bit_jaccard() RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_hnsw_space_bit_jaccard' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.hnsw_space_bit_jaccard() IS 'element type and distance of operator class bit_jaccard_ops';

CREATE OPERATOR CLASS vector_l2_ops
  DEFAULT FOR TYPE vector USING hnsw AS
  OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_vector_l2();

CREATE OPERATOR CLASS vector_ip_ops
  FOR TYPE vector USING hnsw AS
  OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_vector_ip();

CREATE OPERATOR CLASS vector_cosine_ops
  FOR TYPE vector USING hnsw AS
  OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_vector_cosine();

CREATE OPERATOR CLASS vector_l1_ops
  FOR TYPE vector USING hnsw AS
  OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_vector_l1();

CREATE OPERATOR CLASS halfvec_l2_ops
  DEFAULT FOR TYPE halfvec USING hnsw AS
  OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_halfvec_l2();

CREATE OPERATOR CLASS halfvec_ip_ops
  FOR TYPE halfvec USING hnsw AS
  OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_halfvec_ip();

CREATE OPERATOR CLASS halfvec_cosine_ops
  FOR TYPE halfvec USING hnsw AS
  OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_halfvec_cosine();

CREATE OPERATOR CLASS halfvec_l1_ops
  FOR TYPE halfvec USING hnsw AS
  OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_halfvec_l1();

CREATE OPERATOR CLASS sparsevec_l2_ops
  DEFAULT FOR TYPE sparsevec USING hnsw AS
  OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_sparsevec_l2();

CREATE OPERATOR CLASS sparsevec_ip_ops
  FOR TYPE sparsevec USING hnsw AS
  OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_sparsevec_ip();

CREATE OPERATOR CLASS sparsevec_cosine_ops
  FOR TYPE sparsevec USING hnsw AS
  OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_sparsevec_cosine();

CREATE OPERATOR CLASS sparsevec_l1_ops
  FOR TYPE sparsevec USING hnsw AS
  OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_sparsevec_l1();

CREATE OPERATOR CLASS bit_hamming_ops
  DEFAULT FOR TYPE bit USING hnsw AS
  OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_bit_hamming();

CREATE OPERATOR CLASS bit_jaccard_ops
  FOR TYPE bit USING hnsw AS
  OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
  FUNCTION 1 heliosdb.hnsw_space_bit_jaccard();


-- What the indexes hold, and how well they find.

CREATE FUNCTION pg_vector_index_stats()
  RETURNS TABLE (index_name text, num_vectors bigint, dimensions integer, quantization text, memory_bytes bigint,
                 recall_at_10 double precision)
  AS 'MODULE_PATHNAME', 'helios_vector_index_stats' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION pg_vector_index_stats() IS 'hnsw indexes of this database whose tables you may read';

CREATE FUNCTION heliosdb.vector_index_info(index regclass)
  RETURNS TABLE (dimensions integer, distance text, element text, quantization text, requested text, trained boolean,
                 rerank_source text, m integer, ef_construction integer, pq_subquantizers integer, pq_centroids integer,
                 rabitq_bits integer, code_bytes integer, nodes bigint, vectors bigint, dead bigint, free_slots bigint,
                 entry_level integer, auto_sample integer, auto_recall_rabitq double precision,
                 auto_recall_product double precision)
  AS 'MODULE_PATHNAME', 'helios_vector_index_info' LANGUAGE C VOLATILE STRICT ROWS 1;
COMMENT ON FUNCTION heliosdb.vector_index_info(regclass) IS 'parameters and contents of an hnsw index';

CREATE FUNCTION heliosdb.vector_index_recall(index regclass, sample_size integer DEFAULT 100) RETURNS double precision
  AS 'MODULE_PATHNAME', 'helios_vector_index_recall' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION heliosdb.vector_index_recall(regclass, integer)
  IS 'recall of the 10 nearest, measured with random rows of the table under the present hnsw settings';
