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
  started_at timestamptz NOT NULL,
  key smallint[] NOT NULL,
  retention interval CHECK (retention >= interval '0')
);
COMMENT ON TABLE heliosdb.tracked IS 'tables whose changes are recorded; see the view heliosdb.tracked_tables';
COMMENT ON COLUMN heliosdb.tracked.log IS 'relation with the dead versions; 0 for a partitioned table';
COMMENT ON COLUMN heliosdb.tracked.root IS 'partitioned table that the table is tracked through, or 0';
COMMENT ON COLUMN heliosdb.tracked.since_xid IS 'history holds for instants at or after the commit of this transaction';
COMMENT ON COLUMN heliosdb.tracked.floor IS 'every transaction below it had ended when history started';
COMMENT ON COLUMN heliosdb.tracked.since_at IS 'clock when history was started';
COMMENT ON COLUMN heliosdb.tracked.reason IS 'why history starts there';
COMMENT ON COLUMN heliosdb.tracked.started_at IS 'when recording began, or began anew; trimming does not move it';
COMMENT ON COLUMN heliosdb.tracked.key IS 'columns of the primary key; none: the table is a bag';
COMMENT ON COLUMN heliosdb.tracked.retention IS 'age up to which records are kept; null: heliosdb.time_travel_retention';

CREATE TABLE heliosdb_log.subxacts (sub xid8 PRIMARY KEY, top xid8 NOT NULL);
COMMENT ON TABLE heliosdb_log.subxacts IS 'top-level transactions of subtransactions that wrote tracked tables';

CREATE TABLE heliosdb_log.instants (at timestamptz NOT NULL, floor xid8 NOT NULL);
CREATE INDEX instants_at ON heliosdb_log.instants (at);
COMMENT ON TABLE heliosdb_log.instants IS 'instants at which every transaction below the floor had ended';

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

CREATE FUNCTION heliosdb.changelog_ddl_end() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_changelog_ddl_end' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.changelog_ddl_end() IS 'event trigger: brings logs in line with altered tables';
CREATE FUNCTION heliosdb.changelog_rewrite() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_changelog_rewrite' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.changelog_rewrite() IS 'event trigger: starts the history of a rewritten table anew';
CREATE FUNCTION heliosdb.changelog_drop() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_changelog_drop' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.changelog_drop() IS 'event trigger: drops logs with their tables';

CREATE EVENT TRIGGER heliosdb_changelog_ddl_end ON ddl_command_end
  WHEN TAG IN ('ALTER TABLE', 'ALTER TYPE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'CREATE INDEX')
  EXECUTE FUNCTION heliosdb.changelog_ddl_end();
COMMENT ON EVENT TRIGGER heliosdb_changelog_ddl_end IS 'change log of heliosdb';
CREATE EVENT TRIGGER heliosdb_changelog_rewrite ON table_rewrite
  EXECUTE FUNCTION heliosdb.changelog_rewrite();
COMMENT ON EVENT TRIGGER heliosdb_changelog_rewrite IS 'change log of heliosdb';
CREATE EVENT TRIGGER heliosdb_changelog_drop ON sql_drop
  EXECUTE FUNCTION heliosdb.changelog_drop();
COMMENT ON EVENT TRIGGER heliosdb_changelog_drop IS 'change log of heliosdb';
-- Also where the role of replication is replica.
ALTER EVENT TRIGGER heliosdb_changelog_ddl_end ENABLE ALWAYS;
ALTER EVENT TRIGGER heliosdb_changelog_rewrite ENABLE ALWAYS;
ALTER EVENT TRIGGER heliosdb_changelog_drop ENABLE ALWAYS;

CREATE TABLE heliosdb.consumers (
  name text PRIMARY KEY,
  relid oid NOT NULL,
  position pg_snapshot NOT NULL,
  started_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  advanced_at timestamptz
);
CREATE INDEX consumers_relid ON heliosdb.consumers (relid);
COMMENT ON TABLE heliosdb.consumers IS 'who reads the changes of which table, and how far';
COMMENT ON COLUMN heliosdb.consumers.position IS 'what is visible in it has been read';
COMMENT ON COLUMN heliosdb.consumers.started_at IS 'when the recording began that the position belongs to';

CREATE FUNCTION heliosdb.changelog_top(xid xid8) RETURNS xid8
  AS 'MODULE_PATHNAME', 'helios_changelog_top' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.changelog_top(xid8) IS 'top-level transaction of a subtransaction that wrote a tracked table';

CREATE FUNCTION heliosdb.create_consumer(name text, relation regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_create_consumer' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.create_consumer(text, regclass) IS 'begins to remember how far the changes of a tracked table have been read';

CREATE FUNCTION heliosdb.drop_consumer(name text) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_drop_consumer' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.drop_consumer(text) IS 'forgets a consumer, so that the log need not be kept for it';

CREATE FUNCTION heliosdb.advance_consumer(name text) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_advance_consumer' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.advance_consumer(text) IS 'marks as read what this REPEATABLE READ transaction sees';

CREATE FUNCTION heliosdb.read_changes(name text, "row" anyelement, advance boolean DEFAULT false, OUT op "char", OUT old anyelement, OUT new anyelement)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_read_changes' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.read_changes(text, anyelement, boolean) IS 'net changes of a table since the position of a consumer; pass NULL::table as row';

CREATE TABLE heliosdb_log.moments (at timestamptz NOT NULL, xid xid8 NOT NULL, seen pg_snapshot NOT NULL);
CREATE INDEX moments_at ON heliosdb_log.moments (at);
COMMENT ON TABLE heliosdb_log.moments IS 'clock and snapshot, noted at each trimming: what had ended by then';

CREATE FUNCTION heliosdb.trim_log(relation regclass DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_trim_log' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.trim_log(regclass) IS 'deletes records that no retention and no consumer needs, of one table or of all that you own';

CREATE FUNCTION heliosdb.set_retention(relation regclass, retention interval) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_set_retention' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.set_retention(regclass, interval) IS 'sets how long the changes of a table are kept; null: heliosdb.time_travel_retention';

CREATE VIEW heliosdb.tracked_tables AS
  SELECT t.relid::regclass AS relation, NULLIF(t.root, 0)::regclass AS root,
         COALESCE(CASE WHEN current_setting('track_commit_timestamp') = 'on'
                       THEN pg_xact_commit_timestamp(t.since_xid::xid) END, t.since_at) AS history_since,
         t.reason,
         CASE WHEN t.log <> 0 THEN pg_stat_get_live_tuples(t.log) END AS records,
         CASE WHEN t.log <> 0 THEN pg_total_relation_size(t.log) END AS bytes,
         ARRAY(SELECT c.name FROM heliosdb.consumers c WHERE c.relid = t.relid ORDER BY c.name) AS consumers,
         COALESCE(t.retention, current_setting('heliosdb.time_travel_retention')::interval) AS retention
  FROM heliosdb.tracked t;
COMMENT ON VIEW heliosdb.tracked_tables IS 'tables whose changes are recorded, and what that takes';
COMMENT ON COLUMN heliosdb.tracked_tables.history_since IS 'earliest instant that history holds for';
COMMENT ON COLUMN heliosdb.tracked_tables.reason IS 'why history starts there';
COMMENT ON COLUMN heliosdb.tracked_tables.records IS 'records in the log, as the statistics know';
COMMENT ON COLUMN heliosdb.tracked_tables.bytes IS 'size of the log with its indexes';
COMMENT ON COLUMN heliosdb.tracked_tables.consumers IS 'consumers that keep records from being trimmed';
GRANT SELECT ON heliosdb.tracked_tables TO PUBLIC;
