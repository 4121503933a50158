-- Functions of the tests (DEV=1); no release has them.

CREATE FUNCTION heliosdb.test_throw(kind text) RETURNS void AS 'MODULE_PATHNAME', 'helios_test_throw' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_call(function regprocedure, frames integer) RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_test_call' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_watch(function regprocedure) RETURNS integer
  AS 'MODULE_PATHNAME', 'helios_test_watch' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_nest(kind text) RETURNS void AS 'MODULE_PATHNAME', 'helios_test_nest' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_return() RETURNS boolean AS 'MODULE_PATHNAME', 'helios_test_return' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_own(fail boolean) RETURNS void AS 'MODULE_PATHNAME', 'helios_test_own' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_spin(how text) RETURNS void AS 'MODULE_PATHNAME', 'helios_test_spin' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_other_interrupt() RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_test_other_interrupt' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_alive() RETURNS integer AS 'MODULE_PATHNAME', 'helios_test_alive' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_memory() RETURNS bigint AS 'MODULE_PATHNAME', 'helios_test_memory' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_hooks_install() RETURNS void AS 'MODULE_PATHNAME', 'helios_test_hooks_install' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_hooks_calls() RETURNS integer AS 'MODULE_PATHNAME', 'helios_test_hooks_calls' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_spi(sql text) RETURNS text AS 'MODULE_PATHNAME', 'helios_test_spi' LANGUAGE C STRICT;
CREATE FUNCTION heliosdb.test_blocks(relation oid) RETURNS bigint AS 'MODULE_PATHNAME', 'helios_test_blocks' LANGUAGE C STRICT;
