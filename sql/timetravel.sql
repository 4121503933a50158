-- Tables as they were: FROM t TABLESAMPLE as_of(instant), which FROM t AS OF TIMESTAMP instant stands for.

CREATE FUNCTION as_of(internal) RETURNS tsm_handler
  AS 'MODULE_PATHNAME', 'helios_as_of' LANGUAGE C STRICT;
COMMENT ON FUNCTION as_of(internal) IS 'table as of an instant: FROM t TABLESAMPLE as_of(now() - interval ''1 hour'')';
CREATE FUNCTION heliosdb.as_of(internal) RETURNS tsm_handler
  AS 'MODULE_PATHNAME', 'helios_as_of' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.as_of(internal) IS 'carrier of FROM t AS OF TIMESTAMP';
CREATE FUNCTION heliosdb.as_of_transaction(internal) RETURNS tsm_handler
  AS 'MODULE_PATHNAME', 'helios_as_of_transaction_sample' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.as_of_transaction(internal) IS 'carrier of FROM t AS OF TRANSACTION';

CREATE FUNCTION heliosdb.as_of_instant("table" oid, at timestamptz) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'helios_as_of_instant' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.as_of_instant(oid, timestamptz) IS 'the instant, once the table can answer for it';
CREATE FUNCTION heliosdb.as_of_transaction("table" oid, transaction bigint) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'helios_as_of_transaction' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.as_of_transaction(oid, bigint) IS 'the instant right after a transaction committed';
CREATE FUNCTION heliosdb.past_floor("table" oid, at timestamptz) RETURNS xid8
  AS 'MODULE_PATHNAME', 'helios_past_floor' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.past_floor(oid, timestamptz) IS 'a transaction below which all had ended by then';
CREATE FUNCTION heliosdb.past_selectivity(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'helios_past_selectivity' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.past_selectivity(internal) IS 'planner support of in_past and was_alive';
CREATE FUNCTION heliosdb.in_past("table" oid, xmin xid, at timestamptz) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_in_past' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5 SUPPORT heliosdb.past_selectivity;
COMMENT ON FUNCTION heliosdb.in_past(oid, xid, timestamptz) IS 'whether a row of the table was there already';
CREATE FUNCTION heliosdb.was_alive("table" oid, creator xid8, ender xid8, at timestamptz) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_was_alive' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10 SUPPORT heliosdb.past_selectivity;
COMMENT ON FUNCTION heliosdb.was_alive(oid, xid8, xid8, timestamptz) IS 'whether a row version in the change log was there';
