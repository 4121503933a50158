-- Hybrid tables: the table access method heliosdb.

CREATE FUNCTION heliosdb_handler(internal) RETURNS table_am_handler
  AS 'MODULE_PATHNAME', 'helios_hybrid_handler' LANGUAGE C;
COMMENT ON FUNCTION heliosdb_handler(internal) IS 'heliosdb table access method handler';

CREATE ACCESS METHOD heliosdb TYPE TABLE HANDLER heliosdb_handler;
COMMENT ON ACCESS METHOD heliosdb IS 'hybrid tables: rows while hot, compressed columns when cold';

CREATE FUNCTION heliosdb.move_to_cold("table" regclass, condition text DEFAULT NULL, max_rows bigint DEFAULT NULL)
  RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_hybrid_move_to_cold' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.move_to_cold(regclass, text, bigint) IS
  'moves rows of a hybrid table that everybody sees, and that fit the condition, into compressed columns';

CREATE FUNCTION heliosdb.recompress("table" regclass, dead_fraction double precision DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_hybrid_recompress' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.recompress(regclass, double precision) IS
  'makes the chunks of a hybrid table anew (those of which at least the fraction of rows is gone), and counts them';

CREATE FUNCTION heliosdb.move_to_hot("table" regclass, condition text DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_hybrid_move_to_hot' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.move_to_hot(regclass, text) IS
  'makes cold rows of a hybrid table that fit the condition rows again';
