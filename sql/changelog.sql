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
  since_scn bigint NOT NULL,
  reason text NOT NULL,
  started_at timestamptz NOT NULL,
  key smallint[] NOT NULL,
  retention interval CHECK (retention >= interval '0'),
  automatic boolean NOT NULL
);
COMMENT ON TABLE heliosdb.tracked IS 'tables whose changes are recorded; see the view heliosdb.tracked_tables';
COMMENT ON COLUMN heliosdb.tracked.log IS 'relation with the dead versions; 0 for a partitioned table';
COMMENT ON COLUMN heliosdb.tracked.root IS 'partitioned table that the table is tracked through, or 0';
COMMENT ON COLUMN heliosdb.tracked.since_xid IS 'history holds for instants at or after the commit of this transaction';
COMMENT ON COLUMN heliosdb.tracked.floor IS 'every transaction below it had ended when history started';
COMMENT ON COLUMN heliosdb.tracked.since_at IS 'clock when history was started';
COMMENT ON COLUMN heliosdb.tracked.since_scn IS 'of a trimmed log: the SCN from which history holds; else 0';
COMMENT ON COLUMN heliosdb.tracked.reason IS 'why history starts there';
COMMENT ON COLUMN heliosdb.tracked.started_at IS 'when recording began, or began anew; trimming does not move it';
COMMENT ON COLUMN heliosdb.tracked.key IS 'columns of the primary key; none: the table is a bag';
COMMENT ON COLUMN heliosdb.tracked.automatic IS 'only for consumers, by nobody''s order: recording ends with the last one';
COMMENT ON COLUMN heliosdb.tracked.retention IS 'age up to which records are kept; null: heliosdb.time_travel_retention';

CREATE TABLE heliosdb_log.subxacts (sub xid8 PRIMARY KEY, top xid8 NOT NULL);
CREATE INDEX subxacts_top ON heliosdb_log.subxacts (top, sub);
COMMENT ON TABLE heliosdb_log.subxacts IS 'top-level transactions of subtransactions that wrote tracked tables';

CREATE TABLE heliosdb_log.snapshots (
  scn bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  xid xid8 NOT NULL,
  until xid8 NOT NULL,
  seen pg_snapshot NOT NULL,
  automatic boolean NOT NULL,
  description text,
  with_own boolean NOT NULL DEFAULT false
);
CREATE INDEX snapshots_at ON heliosdb_log.snapshots (at);
CREATE INDEX snapshots_until ON heliosdb_log.snapshots (until, scn);
COMMENT ON TABLE heliosdb_log.snapshots IS 'recorded states of the database; see the view pg_snapshots';
COMMENT ON COLUMN heliosdb_log.snapshots.scn IS 'position of the WAL when the snapshot was taken';
COMMENT ON COLUMN heliosdb_log.snapshots.at IS 'clock after the snapshot was taken';
COMMENT ON COLUMN heliosdb_log.snapshots.xid IS 'transaction that recorded it';
COMMENT ON COLUMN heliosdb_log.snapshots.seen IS 'which transactions had ended';
COMMENT ON COLUMN heliosdb_log.snapshots.with_own IS 'the transaction that recorded it counts as ended too, although not in "seen"';

CREATE TABLE heliosdb_log.pins (scn bigint NOT NULL, holder text NOT NULL, PRIMARY KEY (holder));
CREATE INDEX pins_scn ON heliosdb_log.pins (scn);
COMMENT ON TABLE heliosdb_log.pins IS 'who needs the log back to which recorded snapshot';

CREATE TABLE heliosdb_log.clock_steps (low timestamptz NOT NULL, high timestamptz NOT NULL);
COMMENT ON TABLE heliosdb_log.clock_steps IS 'instants that name no single state, because the clock was set back';

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

CREATE FUNCTION heliosdb.trim_log(relation regclass DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_trim_log' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.trim_log(regclass) IS 'deletes records that no retention and no consumer needs, of one table or of all that you own';

CREATE FUNCTION heliosdb.set_retention(relation regclass, retention interval) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_set_retention' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.set_retention(regclass, interval) IS 'sets how long the changes of a table are kept; null: heliosdb.time_travel_retention';

CREATE VIEW heliosdb.tracked_tables AS
  SELECT t.relid::regclass AS relation, NULLIF(t.root, 0)::regclass AS root,
         COALESCE(CASE WHEN current_setting('track_commit_timestamp') = 'on' AND t.since_scn = 0
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

CREATE FUNCTION pg_current_scn() RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_current_scn' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION pg_current_scn() IS 'records the present state of the database and returns its number, for AS OF SCN';

CREATE FUNCTION heliosdb.create_snapshot(description text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_current_scn' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.create_snapshot(text) IS 'the same with a description, which pg_snapshots shows';

CREATE FUNCTION heliosdb.transaction_scn(transaction xid8) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_transaction_scn' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.transaction_scn(xid8) IS 'the first recorded SCN that includes a transaction';

CREATE FUNCTION heliosdb.transactions_of(relation regclass) RETURNS SETOF xid8
  AS 'MODULE_PATHNAME', 'helios_transactions_of' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.transactions_of(regclass) IS 'the transactions that changed a tracked table which you may read';

CREATE VIEW pg_snapshots AS
  SELECT s.scn AS snapshot_id, s.at AS created_at, s.scn, s.until::text::bigint - 1 AS transaction_id,
         s.description, pg_column_size(s.*)::bigint AS size_bytes, s.automatic AS is_automatic
  FROM heliosdb_log.snapshots s;
COMMENT ON VIEW pg_snapshots IS 'recorded states of the database';
COMMENT ON COLUMN pg_snapshots.transaction_id IS 'the newest transaction that had ended';
GRANT SELECT ON pg_snapshots TO PUBLIC;

CREATE VIEW pg_scn_map AS
  SELECT s.scn, s.at AS snapshot_timestamp, s.until::text::bigint - 1 AS transaction_id, s.at AS created_at
  FROM heliosdb_log.snapshots s;
COMMENT ON VIEW pg_scn_map IS 'system change numbers and their instants';
GRANT SELECT ON pg_scn_map TO PUBLIC;

CREATE VIEW pg_transaction_map AS
  SELECT x.transaction_id, s.at AS snapshot_timestamp, s.scn,
         CASE WHEN current_setting('track_commit_timestamp') = 'on'
              THEN pg_xact_commit_timestamp(x.xid::xid) END AS created_at
  FROM (SELECT DISTINCT t.xid, t.xid::text::bigint AS transaction_id
        FROM heliosdb.tracked r, LATERAL heliosdb.transactions_of(r.relid) AS t (xid)
        WHERE r.log <> 0 AND has_table_privilege(r.relid, 'SELECT')) x
    LEFT JOIN heliosdb_log.snapshots s ON s.scn = heliosdb.transaction_scn(x.xid);
COMMENT ON VIEW pg_transaction_map IS 'transactions that changed tracked tables, and the first recorded snapshot that includes each';
COMMENT ON COLUMN pg_transaction_map.created_at IS 'when the transaction committed';
GRANT SELECT ON pg_transaction_map TO PUBLIC;
