-- What this server offers.

CREATE FUNCTION heliosdb.version() RETURNS text
  AS 'MODULE_PATHNAME', 'helios_version' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.version() IS 'version of the loaded heliosdb library';

CREATE FUNCTION heliosdb.preloaded() RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_preloaded' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.preloaded() IS 'whether the library came with shared_preload_libraries';

CREATE FUNCTION heliosdb.simd_target() RETURNS text
  AS 'MODULE_PATHNAME', 'helios_simd_target' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.simd_target() IS 'instruction set that distance kernels use on this machine';

CREATE VIEW heliosdb.features (feature, available, why_not) AS
  VALUES ('vector types and distances'::text, true, NULL::text),
         ('hnsw index access method', true, NULL),
         ('scalar, product and RaBitQ quantization', true, NULL),
         ('settings hnsw.* and heliosdb.* from the start of every session', heliosdb.preloaded(),
          CASE WHEN NOT heliosdb.preloaded()
               THEN 'add to postgresql.conf: shared_preload_libraries = ''heliosdb'' and restart' END);
COMMENT ON VIEW heliosdb.features IS 'what works in this server, and why not otherwise';
GRANT SELECT ON heliosdb.features TO PUBLIC;
