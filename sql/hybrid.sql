-- Hybrid tables: the table access method heliosdb.

CREATE FUNCTION heliosdb_handler(internal) RETURNS table_am_handler
  AS 'MODULE_PATHNAME', 'helios_hybrid_handler' LANGUAGE C;
COMMENT ON FUNCTION heliosdb_handler(internal) IS 'heliosdb table access method handler';

CREATE ACCESS METHOD heliosdb TYPE TABLE HANDLER heliosdb_handler;
COMMENT ON ACCESS METHOD heliosdb IS 'hybrid tables: rows while hot, compressed columns when cold';

CREATE FUNCTION heliosdb.move_to_cold("table" regclass, condition text DEFAULT NULL, max_rows bigint DEFAULT NULL,
    older_than interval DEFAULT NULL)
  RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_hybrid_move_to_cold' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.move_to_cold(regclass, text, bigint, interval) IS
  'moves rows of a hybrid table that everybody sees, and that fit the condition and are old enough by its tier_column, into compressed columns';

CREATE FUNCTION heliosdb.recompress("table" regclass, dead_fraction double precision DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_hybrid_recompress' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.recompress(regclass, double precision) IS
  'makes the chunks of a hybrid table anew (those of which at least the fraction of rows is gone), and counts them';

CREATE FUNCTION heliosdb.move_to_hot("table" regclass, condition text DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_hybrid_move_to_hot' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.move_to_hot(regclass, text) IS
  'makes cold rows of a hybrid table that fit the condition rows again';

-- Options of tables and columns. Dumps carry the names of columns, from which their numbers follow again.
CREATE FUNCTION heliosdb.hybrid_attribute(relation regclass, "column" name) RETURNS smallint
  AS 'MODULE_PATHNAME', 'helios_hybrid_attribute' LANGUAGE C IMMUTABLE CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.hybrid_attribute(regclass, name) IS
  'number of a column, 0 for null; of heliosdb.hybrid_options, whose rows are renamed together with columns';

CREATE FUNCTION heliosdb.hybrid_order_keys(relation regclass, order_by text) RETURNS smallint[]
  AS 'MODULE_PATHNAME', 'helios_hybrid_order_keys' LANGUAGE C IMMUTABLE STRICT;
COMMENT ON FUNCTION heliosdb.hybrid_order_keys(regclass, text) IS
  'numbers and directions of the columns in a list; of heliosdb.hybrid_options, likewise';

CREATE TABLE heliosdb.hybrid_options (
  relation regclass NOT NULL,
  "column" name,
  attribute smallint GENERATED ALWAYS AS (heliosdb.hybrid_attribute(relation, "column")) STORED,
  compression text,
  compression_level integer,
  order_by text,
  order_keys smallint[] GENERATED ALWAYS AS (heliosdb.hybrid_order_keys(relation, order_by)) STORED,
  tier_column name,
  tier_attribute smallint GENERATED ALWAYS AS (nullif(heliosdb.hybrid_attribute(relation, tier_column), 0::smallint)) STORED,
  PRIMARY KEY (relation, attribute)
);
COMMENT ON TABLE heliosdb.hybrid_options IS 'options of hybrid tables and their columns; see heliosdb.set_table_options() and heliosdb.set_column_options()';
COMMENT ON COLUMN heliosdb.hybrid_options."column" IS 'null: the table';
COMMENT ON COLUMN heliosdb.hybrid_options.attribute IS 'number of the column; 0: the table';
COMMENT ON COLUMN heliosdb.hybrid_options.compression IS 'null: the default';
COMMENT ON COLUMN heliosdb.hybrid_options.compression_level IS 'of zstd; null: the default';
COMMENT ON COLUMN heliosdb.hybrid_options.order_by IS 'of the table: the order in which chunks are made; null: as rows come';
COMMENT ON COLUMN heliosdb.hybrid_options.order_keys IS 'number of each column in order_by, and its bits as in pg_index.indoption';
COMMENT ON COLUMN heliosdb.hybrid_options.tier_column IS 'of the table: the column that tells the age of a row; null: none';
COMMENT ON COLUMN heliosdb.hybrid_options.tier_attribute IS 'number of tier_column';
GRANT SELECT ON heliosdb.hybrid_options TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('heliosdb.hybrid_options', '');

CREATE FUNCTION heliosdb.set_table_options("table" regclass, compression text DEFAULT NULL,
    compression_level integer DEFAULT NULL, order_by text DEFAULT NULL, tier_column name DEFAULT NULL)
  RETURNS void
  AS 'MODULE_PATHNAME', 'helios_hybrid_set_table_options' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.set_table_options(regclass, text, integer, text, name) IS
  'sets how cold rows of a hybrid table are kept and ordered, from the next chunk on, and which column tells their age; null: the default';

CREATE FUNCTION heliosdb.set_column_options("table" regclass, "column" name, compression text DEFAULT NULL,
    compression_level integer DEFAULT NULL)
  RETURNS void
  AS 'MODULE_PATHNAME', 'helios_hybrid_set_column_options' LANGUAGE C CALLED ON NULL INPUT;
COMMENT ON FUNCTION heliosdb.set_column_options(regclass, name, text, integer) IS
  'sets how a cold column of a hybrid table is kept, from the next chunk on; null: as the table says';

CREATE FUNCTION heliosdb.hybrid_options_drop() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_hybrid_options_drop' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.hybrid_options_drop() IS 'event trigger: forgets options of what is dropped';
CREATE EVENT TRIGGER heliosdb_hybrid_options_drop ON sql_drop
  EXECUTE FUNCTION heliosdb.hybrid_options_drop();
COMMENT ON EVENT TRIGGER heliosdb_hybrid_options_drop IS 'options of hybrid tables of heliosdb';
ALTER EVENT TRIGGER heliosdb_hybrid_options_drop ENABLE ALWAYS;

CREATE FUNCTION heliosdb.hybrid_options_follow() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_hybrid_options_follow' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.hybrid_options_follow() IS 'event trigger: options follow columns that are altered';
CREATE EVENT TRIGGER heliosdb_hybrid_options_follow ON ddl_command_end
  WHEN TAG IN ('ALTER TABLE', 'ALTER MATERIALIZED VIEW', 'ALTER VIEW', 'ALTER FOREIGN TABLE', 'ALTER TYPE')
  EXECUTE FUNCTION heliosdb.hybrid_options_follow();
COMMENT ON EVENT TRIGGER heliosdb_hybrid_options_follow IS 'options of hybrid tables of heliosdb';
ALTER EVENT TRIGGER heliosdb_hybrid_options_follow ENABLE ALWAYS;

-- What the cold part of tables looks like.
CREATE FUNCTION heliosdb.table_chunks("table" regclass, OUT first_row bigint, OUT rows integer, OUT gone_rows integer,
    OUT holes integer, OUT "column" name, OUT codec text, OUT nulls integer, OUT raw_bytes bigint,
    OUT stored_bytes bigint, OUT min text, OUT max text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_hybrid_table_chunks' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION heliosdb.table_chunks(regclass) IS 'chunks of a hybrid table, a row for each column; see the view heliosdb.chunks';

CREATE VIEW heliosdb.chunks AS
  SELECT c.oid::regclass AS relation, k.*
  FROM pg_class c JOIN pg_am a ON a.oid = c.relam, heliosdb.table_chunks(c.oid) k
  WHERE a.amname = 'heliosdb' AND c.relkind IN ('r', 'm');
COMMENT ON VIEW heliosdb.chunks IS 'chunks of cold rows in all hybrid tables, a row for each column';
COMMENT ON COLUMN heliosdb.chunks.first_row IS 'number of the first row of the chunk, by which it is known in its table';
COMMENT ON COLUMN heliosdb.chunks.gone_rows IS 'rows that are deleted, or hot again, and still take room';
COMMENT ON COLUMN heliosdb.chunks.holes IS 'rows that are gone and take no room any more';
COMMENT ON COLUMN heliosdb.chunks.codec IS 'null: no row has a value';
COMMENT ON COLUMN heliosdb.chunks.raw_bytes IS 'of the values, as a heap table stores them without compression';
COMMENT ON COLUMN heliosdb.chunks.min IS 'least value, gone rows included; null: not kept, or the user may not read the column';
COMMENT ON COLUMN heliosdb.chunks.max IS 'greatest value, likewise';
GRANT SELECT ON heliosdb.chunks TO PUBLIC;

CREATE FUNCTION heliosdb.tier_stats("table" regclass, OUT hot_rows bigint, OUT hot_bytes bigint, OUT cold_rows bigint,
    OUT gone_rows bigint, OUT chunks bigint, OUT raw_bytes bigint, OUT stored_bytes bigint,
    OUT ratio double precision, OUT side_bytes bigint)
  RETURNS record
  AS 'MODULE_PATHNAME', 'helios_hybrid_tier_stats' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION heliosdb.tier_stats(regclass) IS 'hot and cold part of a hybrid table; hot rows by what ANALYZE last counted, null: it never did';

CREATE FUNCTION pg_compression_stats(OUT schemaname name, OUT tablename name, OUT compression_type text,
    OUT uncompressed_bytes bigint, OUT compressed_bytes bigint, OUT compression_ratio double precision,
    OUT num_chunks bigint, OUT avg_chunk_size bigint)
  RETURNS SETOF record LANGUAGE sql STABLE STRICT
  BEGIN ATOMIC
    SELECT n.nspname, c.relname, k.codec, sum(k.raw_bytes)::bigint, sum(k.stored_bytes)::bigint,
           sum(k.raw_bytes)::double precision / nullif(sum(k.stored_bytes), 0)::double precision,
           count(*), (sum(k.stored_bytes) / count(*))::bigint
    FROM heliosdb.chunks k JOIN pg_class c ON c.oid = k.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.codec IS NOT NULL
    GROUP BY n.nspname, c.relname, k.codec
    ORDER BY n.nspname, c.relname, sum(k.stored_bytes) DESC, k.codec;
  END;
COMMENT ON FUNCTION pg_compression_stats() IS 'compressed columns of hybrid tables by table and codec: bytes before and after, segments (chunks of a column)';
