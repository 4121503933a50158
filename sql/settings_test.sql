-- Functions of the tests (DEV=1); no release has them.

CREATE FUNCTION heliosdb.test_interval(interval_text text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_test_interval' LANGUAGE C STRICT;
