-- The change log: which versions of rows ended, and by which transaction.

CREATE SCHEMA heliosdb_log;
COMMENT ON SCHEMA heliosdb_log IS 'logs of tracked tables; nobody is granted anything here';

CREATE OPERATOR CLASS heliosdb.xid8_minmax_ops FOR TYPE xid8 USING brin AS
  OPERATOR 1 < (xid8, xid8), OPERATOR 2 <= (xid8, xid8), OPERATOR 3 = (xid8, xid8),
  OPERATOR 4 >= (xid8, xid8), OPERATOR 5 > (xid8, xid8),
  FUNCTION 1 brin_minmax_opcinfo(internal),
  FUNCTION 2 brin_minmax_add_value(internal, internal, internal, internal),
  FUNCTION 3 brin_minmax_consistent(internal, internal, internal),
  FUNCTION 4 brin_minmax_union(internal, internal, internal);
COMMENT ON OPERATOR CLASS heliosdb.xid8_minmax_ops USING brin IS 'ranges of transactions in a log';

CREATE TABLE heliosdb.tracked (
  relid oid PRIMARY KEY,
  log oid NOT NULL,
  root oid NOT NULL,
  since_xid xid8 NOT NULL,
  floor xid8 NOT NULL,
  since_at timestamptz NOT NULL,
  reason text NOT NULL,
  key smallint[] NOT NULL,
  retention interval
);
COMMENT ON TABLE heliosdb.tracked IS 'tables whose changes are recorded; see the view heliosdb.tracked_tables';
COMMENT ON COLUMN heliosdb.tracked.log IS 'relation with the dead versions; 0 for a partitioned table';
COMMENT ON COLUMN heliosdb.tracked.root IS 'partitioned table that the table is tracked through, or 0';
COMMENT ON COLUMN heliosdb.tracked.since_xid IS 'history holds for instants at or after the commit of this transaction';
COMMENT ON COLUMN heliosdb.tracked.since_at IS 'clock when history was started';
COMMENT ON COLUMN heliosdb.tracked.reason IS 'why history starts there';
COMMENT ON COLUMN heliosdb.tracked.key IS 'columns of the primary key; none: the table is a bag';
COMMENT ON COLUMN heliosdb.tracked.retention IS 'age up to which records are kept; null: heliosdb.time_travel_retention';

CREATE TABLE heliosdb_log.subxacts (sub xid8 PRIMARY KEY, top xid8 NOT NULL);
COMMENT ON TABLE heliosdb_log.subxacts IS 'top-level transactions of subtransactions that wrote tracked tables';

CREATE FUNCTION heliosdb.changelog_capture() RETURNS trigger
  AS 'MODULE_PATHNAME', 'helios_changelog_capture' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.changelog_capture() IS 'internal triggers of tracked tables: appends to the log';
REVOKE EXECUTE ON FUNCTION heliosdb.changelog_capture() FROM PUBLIC;

CREATE FUNCTION heliosdb.track(relation regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_track' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.track(regclass) IS 'begins to record what changes in a table, or in a partitioned table and its partitions';

CREATE FUNCTION heliosdb.untrack(relation regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_untrack' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.untrack(regclass) IS 'ends the recording of a table and drops its history';
