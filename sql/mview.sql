-- Materialized views that are kept up to date.

CREATE SCHEMA heliosdb_mview;
COMMENT ON SCHEMA heliosdb_mview IS 'state of maintained materialized views; nobody is granted anything here';

CREATE TABLE heliosdb.mviews (
  relid oid PRIMARY KEY,
  position pg_snapshot,
  refreshed_at timestamptz,
  recompute text,
  query_hash bigint NOT NULL DEFAULT 0,
  generation bigint NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  last_error text,
  failed_at timestamptz
);
COMMENT ON TABLE heliosdb.mviews IS 'materialized views that are maintained; see the view heliosdb.materialized_views';
COMMENT ON COLUMN heliosdb.mviews.position IS 'the view is its query in this snapshot; null: nobody knows';
COMMENT ON COLUMN heliosdb.mviews.refreshed_at IS 'clock when that snapshot was taken';
COMMENT ON COLUMN heliosdb.mviews.recompute IS 'why the next refresh must be a full one; null: it need not';
COMMENT ON COLUMN heliosdb.mviews.query_hash IS 'tells whether views and policies that its query goes through have changed';
COMMENT ON COLUMN heliosdb.mviews.generation IS 'grows with every change of its rows';
COMMENT ON COLUMN heliosdb.mviews.failures IS 'refreshes in the background that failed, in a row';

CREATE TABLE heliosdb.mview_bases (
  view oid,
  relid oid,
  kind "char" NOT NULL CHECK (kind IN ('t', 'm', 'u')),
  generation bigint NOT NULL,
  PRIMARY KEY (view, relid)
);
CREATE INDEX mview_bases_relid ON heliosdb.mview_bases (relid);
COMMENT ON TABLE heliosdb.mview_bases IS 'what maintained materialized views read, as of their last refresh';
COMMENT ON COLUMN heliosdb.mview_bases.kind IS 't: tracked table, m: maintained materialized view, u: its changes are not known';
COMMENT ON COLUMN heliosdb.mview_bases.generation IS 'of a maintained materialized view: which one has been read';

CREATE TABLE heliosdb.mview_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relid oid NOT NULL,
  name text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  error text,
  strategy text NOT NULL,
  trigger text NOT NULL,
  reason text,
  rows_inserted bigint NOT NULL,
  rows_deleted bigint NOT NULL,
  changes bigint NOT NULL,
  cpu_seconds double precision NOT NULL
);
CREATE INDEX mview_history_relid ON heliosdb.mview_history (relid, id);
COMMENT ON TABLE heliosdb.mview_history IS 'the last refreshes of maintained materialized views; see pg_mv_refresh_history()';
COMMENT ON COLUMN heliosdb.mview_history.reason IS 'why it was a full refresh';
COMMENT ON COLUMN heliosdb.mview_history.changes IS 'changed rows of the tables that an incremental refresh read';

CREATE FUNCTION heliosdb.mview_drop() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_mview_drop' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.mview_drop() IS 'event trigger: forgets maintained materialized views that are dropped';
CREATE EVENT TRIGGER heliosdb_mview_drop ON sql_drop
  EXECUTE FUNCTION heliosdb.mview_drop();
COMMENT ON EVENT TRIGGER heliosdb_mview_drop IS 'maintained materialized views of heliosdb';
ALTER EVENT TRIGGER heliosdb_mview_drop ENABLE ALWAYS;

CREATE FUNCTION heliosdb.mview_refreshed() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'helios_mview_refreshed' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.mview_refreshed() IS 'event trigger: notices that a maintained materialized view was refreshed by a session without the library';
CREATE EVENT TRIGGER heliosdb_mview_refreshed ON ddl_command_end WHEN TAG IN ('REFRESH MATERIALIZED VIEW')
  EXECUTE FUNCTION heliosdb.mview_refreshed();
COMMENT ON EVENT TRIGGER heliosdb_mview_refreshed IS 'maintained materialized views of heliosdb';
ALTER EVENT TRIGGER heliosdb_mview_refreshed ENABLE ALWAYS;

CREATE FUNCTION heliosdb.mview_states(OUT relid oid, OUT auto_refresh boolean, OUT strategy text,
    OUT staleness_threshold bigint, OUT priority integer, OUT max_cpu_percent double precision,
    OUT bases regclass[], OUT pending_changes bigint, OUT is_current boolean, OUT is_refreshing boolean,
    OUT stale_since timestamptz)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_mview_states' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION heliosdb.mview_states() IS 'options and backlog of maintained materialized views; see the view heliosdb.materialized_views';

CREATE FUNCTION heliosdb.mv_explain(view regclass, OUT incremental boolean, OUT method text, OUT why_not text,
    OUT remedy text, OUT missing_indexes text[], OUT tables text[])
  RETURNS record
  AS 'MODULE_PATHNAME', 'helios_mv_explain' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.mv_explain(regclass) IS 'whether and how a materialized view can be refreshed incrementally, what would make it so, and which indexes would help';

CREATE VIEW heliosdb.materialized_views AS
  SELECT m.relid::regclass AS view, s.auto_refresh, s.strategy, s.priority, s.max_cpu_percent, s.staleness_threshold,
         s.bases, m.refreshed_at, s.pending_changes, s.is_current,
         CASE WHEN s.is_current IS NOT TRUE THEN COALESCE(s.stale_since, m.refreshed_at) END AS stale_since,
         s.is_refreshing, m.recompute,
         m.failures, CASE WHEN pg_has_role(c.relowner, 'USAGE') THEN m.last_error END AS last_error, m.failed_at
  FROM heliosdb.mviews m JOIN pg_class c ON c.oid = m.relid JOIN heliosdb.mview_states() s ON s.relid = m.relid;
COMMENT ON VIEW heliosdb.materialized_views IS 'maintained materialized views: options, age, backlog, last error';
COMMENT ON COLUMN heliosdb.materialized_views.refreshed_at IS 'the view shows its query as of that time';
COMMENT ON COLUMN heliosdb.materialized_views.pending_changes IS 'changed rows of its tables since then; null: not known';
COMMENT ON COLUMN heliosdb.materialized_views.is_current IS 'nothing has changed since then; null: not known';
COMMENT ON COLUMN heliosdb.materialized_views.stale_since IS 'first change that it does not show, or its last refresh where that is not known; null: it shows all';
COMMENT ON COLUMN heliosdb.materialized_views.recompute IS 'why the next refresh must be a full one';
COMMENT ON COLUMN heliosdb.materialized_views.failures IS 'refreshes in the background that failed, in a row';
GRANT SELECT ON heliosdb.materialized_views TO PUBLIC;

CREATE VIEW heliosdb.materialized_view_refreshes AS
  SELECT h.id, h.relid, h.name, h.started_at, h.ended_at, h.error IS NULL AS success,
         CASE WHEN c.oid IS NULL OR pg_has_role(c.relowner, 'USAGE') THEN h.error END AS error, h.strategy, h.trigger,
         h.reason, h.rows_inserted, h.rows_deleted, h.changes, h.cpu_seconds
  FROM heliosdb.mview_history h LEFT JOIN pg_class c ON c.oid = h.relid;
COMMENT ON VIEW heliosdb.materialized_view_refreshes IS 'the last thousand refreshes of maintained materialized views';
COMMENT ON COLUMN heliosdb.materialized_view_refreshes.reason IS 'why it was a full refresh';
COMMENT ON COLUMN heliosdb.materialized_view_refreshes.changes IS 'changed rows of the tables that an incremental refresh read';
GRANT SELECT ON heliosdb.materialized_view_refreshes TO PUBLIC;

CREATE FUNCTION pg_mv_staleness(OUT view_name text, OUT base_tables text, OUT last_update timestamp,
    OUT pending_changes bigint, OUT staleness_sec bigint, OUT status text)
  RETURNS SETOF record LANGUAGE sql VOLATILE STRICT AS $$
  SELECT v.view::text, pg_catalog.array_to_json(v.bases::text[])::text,
         v.refreshed_at::timestamp, v.pending_changes, a.seconds,
         CASE WHEN v.refreshed_at IS NULL THEN 'STALE'
              WHEN v.is_current THEN 'FRESH'
              WHEN a.seconds OPERATOR(pg_catalog.>) 3600 THEN 'OUTDATED' ELSE 'FRESH' END
  FROM heliosdb.materialized_views v,
    LATERAL (SELECT CASE WHEN v.is_current THEN 0
                         ELSE pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) v.stale_since))::bigint END) a (seconds)
  ORDER BY v.view::text COLLATE pg_catalog."C"
  $$;
COMMENT ON FUNCTION pg_mv_staleness() IS 'maintained materialized views: how old they are, and how many changes of their tables they do not show yet';

CREATE FUNCTION pg_mv_auto_refresh_status(OUT mv_name text, OUT auto_refresh_enabled boolean, OUT last_refresh text,
    OUT staleness_seconds bigint, OUT threshold_seconds bigint, OUT is_refreshing boolean, OUT refresh_strategy text,
    OUT row_count bigint, OUT base_table_count integer)
  RETURNS SETOF record LANGUAGE sql VOLATILE STRICT AS $$
  SELECT v.view::text, v.auto_refresh, v.refreshed_at::text,
         CASE WHEN v.is_current THEN 0
              ELSE pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) v.stale_since))::bigint END,
         v.staleness_threshold, v.is_refreshing, v.strategy,
         CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) 0 THEN c.reltuples::bigint
              ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) END,
         pg_catalog.cardinality(v.bases)
  FROM heliosdb.materialized_views v JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) v.view
  ORDER BY v.view::text COLLATE pg_catalog."C"
  $$;
COMMENT ON FUNCTION pg_mv_auto_refresh_status() IS 'maintained materialized views: whether and how they are refreshed in the background; rows as the statistics know';

CREATE FUNCTION pg_mv_refresh_history("limit" integer DEFAULT 1000, OUT mv_name text, OUT start_time text, OUT end_time text,
    OUT success boolean, OUT error_message text, OUT rows_affected bigint, OUT strategy text, OUT trigger text)
  RETURNS SETOF record LANGUAGE sql VOLATILE AS $$
  SELECT h.name, h.started_at::text, h.ended_at::text, h.success, h.error,
         h.rows_inserted OPERATOR(pg_catalog.+) h.rows_deleted, h.strategy, h.trigger
  FROM heliosdb.materialized_view_refreshes h ORDER BY h.id DESC LIMIT $1
  $$;
COMMENT ON FUNCTION pg_mv_refresh_history(integer) IS 'the last refreshes of maintained materialized views, newest first';

CREATE FUNCTION pg_mv_cpu_usage(OUT current_cpu_percent double precision, OUT max_cpu_percent double precision,
    OUT is_throttled boolean, OUT active_tasks integer, OUT queued_tasks integer)
  RETURNS SETOF record LANGUAGE sql VOLATILE STRICT AS $$
  SELECT b.cpu_10s, b.percent, a.waiting OPERATOR(pg_catalog.>) 0 AND b.cpu_10s OPERATOR(pg_catalog.>=) b.percent OR b.debt_seconds OPERATOR(pg_catalog.>) 0,
         a.running, a.waiting
  FROM heliosdb.background_budgets() b,
    (SELECT pg_catalog.count(*) FILTER (WHERE j.state OPERATOR(pg_catalog.=) 'running')::integer,
            pg_catalog.count(*) FILTER (WHERE j.state OPERATOR(pg_catalog.=) 'waiting')::integer
     FROM heliosdb.background_jobs() j WHERE j.job OPERATOR(pg_catalog.=) 'refresh_views' AND j.object IS NOT NULL) a (running, waiting)
  WHERE b.budget OPERATOR(pg_catalog.=) 'incremental_mv_cpu'
  $$;
COMMENT ON FUNCTION pg_mv_cpu_usage() IS 'CPU time of the last 10 seconds for keeping views up to date, percent of the machine, in all databases';

CREATE FUNCTION pg_mv_scheduler_stats(OUT queue_size bigint, OUT running_tasks bigint, OUT cpu_usage double precision)
  RETURNS SETOF record LANGUAGE sql VOLATILE STRICT AS $$
  SELECT queued_tasks::bigint, active_tasks::bigint, current_cpu_percent FROM @extschema@.pg_mv_cpu_usage()
  $$;
COMMENT ON FUNCTION pg_mv_scheduler_stats() IS 'refreshes of views that wait and run in the background, in all databases';
