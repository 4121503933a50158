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
