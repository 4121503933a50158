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

CREATE FUNCTION heliosdb.as_of_scn(internal) RETURNS tsm_handler
  AS 'MODULE_PATHNAME', 'helios_as_of_scn_sample' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.as_of_scn(internal) IS 'carrier of FROM t AS OF SCN';
CREATE FUNCTION heliosdb.as_of_overlaid(internal) RETURNS tsm_handler
  AS 'MODULE_PATHNAME', 'helios_as_of_overlaid_sample' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.as_of_overlaid(internal) IS 'table as of the past with rows of another one in place of some: (instant, SCN, table, its deleted keys, part), one of the first two null; part a: all, u: rows of the past that nothing stands for, c: those that something does';
CREATE FUNCTION heliosdb.versions(internal) RETURNS tsm_handler
  AS 'MODULE_PATHNAME', 'helios_versions_sample' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.versions(internal) IS 'carrier of FROM t VERSIONS BETWEEN: (low instant, low SCN, high instant, high SCN), one of each pair null';
-- Volatile, so that the planner keeps the subquery around them and asks their support function, if it was not told
-- what they mean.
CREATE FUNCTION heliosdb.view_as_of_support(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'helios_view_as_of_support' LANGUAGE C STRICT;
COMMENT ON FUNCTION heliosdb.view_as_of_support(internal) IS 'planner support of view_as_of: refuses to read the present instead of the past';
CREATE FUNCTION heliosdb.view_as_of(at timestamptz) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_view_as_of' LANGUAGE C VOLATILE PARALLEL SAFE SUPPORT heliosdb.view_as_of_support;
COMMENT ON FUNCTION heliosdb.view_as_of(timestamptz) IS 'carrier of FROM v AS OF TIMESTAMP, where v is a view: (SELECT v.* FROM v, (SELECT heliosdb.view_as_of(at)) moment)';
CREATE FUNCTION heliosdb.view_as_of_transaction(transaction bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_view_as_of_transaction' LANGUAGE C VOLATILE PARALLEL SAFE SUPPORT heliosdb.view_as_of_support;
COMMENT ON FUNCTION heliosdb.view_as_of_transaction(bigint) IS 'carrier of FROM v AS OF TRANSACTION, where v is a view';
CREATE FUNCTION heliosdb.view_as_of_scn(scn bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_view_as_of_scn' LANGUAGE C VOLATILE PARALLEL SAFE SUPPORT heliosdb.view_as_of_support;
COMMENT ON FUNCTION heliosdb.view_as_of_scn(bigint) IS 'carrier of FROM v AS OF SCN, where v is a view';

CREATE FUNCTION heliosdb.commit_time(transaction bigint) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'helios_commit_time' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.commit_time(bigint) IS 'when a transaction committed; an error if that is not known';
CREATE FUNCTION heliosdb.as_of_scn("table" oid, scn bigint) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_as_of_scn' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.as_of_scn(oid, bigint) IS 'the SCN, once the table can answer for it';
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
-- Of filters the planner runs the cheap ones first: these must come before those of the user, which may fail on rows
-- that were not there.
CREATE FUNCTION heliosdb.in_past("table" oid, xmin xid, at timestamptz) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_in_past' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.1 SUPPORT heliosdb.past_selectivity;
COMMENT ON FUNCTION heliosdb.in_past(oid, xid, timestamptz) IS 'whether a row of the table was there already';
CREATE FUNCTION heliosdb.was_alive("table" oid, creator xid8, ender xid8, at timestamptz) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_was_alive' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.1 SUPPORT heliosdb.past_selectivity;
COMMENT ON FUNCTION heliosdb.was_alive(oid, xid8, xid8, timestamptz) IS 'whether a row version in the change log was there';

CREATE FUNCTION heliosdb.overlay_of(local oid, deleted oid) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_overlay_of' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.01;
COMMENT ON FUNCTION heliosdb.overlay_of(oid, oid) IS 'two tables in one number, for is_overlaid';
CREATE FUNCTION heliosdb.is_overlaid(tables internal, VARIADIC key "any") RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_is_overlaid' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.1;
COMMENT ON FUNCTION heliosdb.is_overlaid(internal, "any") IS 'whether a table has a row, or a table of deleted keys an entry, in place of a row of the past';
CREATE FUNCTION heliosdb.past_floor("table" oid, scn bigint) RETURNS xid8
  AS 'MODULE_PATHNAME', 'helios_past_floor_scn' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.past_floor(oid, bigint) IS 'a transaction below which all had ended at an SCN';
CREATE FUNCTION heliosdb.in_past("table" oid, xmin xid, scn bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_in_past_scn' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.1 SUPPORT heliosdb.past_selectivity;
COMMENT ON FUNCTION heliosdb.in_past(oid, xid, bigint) IS 'whether a row of the table was there already at an SCN';
CREATE FUNCTION heliosdb.was_alive("table" oid, creator xid8, ender xid8, scn bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'helios_was_alive_scn' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.1 SUPPORT heliosdb.past_selectivity;
COMMENT ON FUNCTION heliosdb.was_alive(oid, xid8, xid8, bigint) IS 'whether a row version in the change log was there at an SCN';

-- VERSIONS BETWEEN: what the query asks that stands in place of the table. The bounds are (low instant, low SCN, high
-- instant, high SCN), one of each pair null.
CREATE FUNCTION heliosdb.version_place("table" oid, transaction xid8, low timestamptz, low_scn bigint, high timestamptz, high_scn bigint)
  RETURNS integer AS 'MODULE_PATHNAME', 'helios_version_place' LANGUAGE C STABLE PARALLEL SAFE COST 0.1;
COMMENT ON FUNCTION heliosdb.version_place(oid, xid8, timestamptz, bigint, timestamptz, bigint) IS '-1: up to the lower bound, 0: in between, 1: after the upper bound';
CREATE FUNCTION heliosdb.version_floor("table" oid, low timestamptz, low_scn bigint, high timestamptz, high_scn bigint)
  RETURNS xid8 AS 'MODULE_PATHNAME', 'helios_version_floor' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.version_floor(oid, timestamptz, bigint, timestamptz, bigint) IS 'a transaction below which all had ended at the lower bound';
CREATE FUNCTION heliosdb.version_answerable("table" oid, low timestamptz, low_scn bigint, high timestamptz, high_scn bigint)
  RETURNS boolean AS 'MODULE_PATHNAME', 'helios_version_answerable' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.version_answerable(oid, timestamptz, bigint, timestamptz, bigint) IS 'true, or an error if the table cannot answer for the bounds';
CREATE FUNCTION heliosdb.version_creator(xmin xid) RETURNS xid8
  AS 'MODULE_PATHNAME', 'helios_version_creator' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 0.1;
COMMENT ON FUNCTION heliosdb.version_creator(xid) IS 'the top-level transaction that created a row';
CREATE FUNCTION heliosdb.version_time(transaction xid8) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'helios_version_time' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.version_time(xid8) IS 'when a transaction committed, null if it has not';

CREATE FUNCTION heliosdb.versions_startscn("row" record) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_versions_pseudo_column' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.versions_startscn(record) IS 'pseudo-column of VERSIONS BETWEEN: the first recorded SCN that has the version; null if it is older than the lower bound';
CREATE FUNCTION heliosdb.versions_starttime("row" record) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'helios_versions_pseudo_column' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.versions_starttime(record) IS 'pseudo-column of VERSIONS BETWEEN: when the version was committed';
CREATE FUNCTION heliosdb.versions_endscn("row" record) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_versions_pseudo_column' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.versions_endscn(record) IS 'pseudo-column of VERSIONS BETWEEN: the first recorded SCN that has the version no more; null if the upper bound still has it';
CREATE FUNCTION heliosdb.versions_endtime("row" record) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'helios_versions_pseudo_column' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.versions_endtime(record) IS 'pseudo-column of VERSIONS BETWEEN: when the version was replaced or deleted';
CREATE FUNCTION heliosdb.versions_xid("row" record) RETURNS xid8
  AS 'MODULE_PATHNAME', 'helios_versions_pseudo_column' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.versions_xid(record) IS 'pseudo-column of VERSIONS BETWEEN: the transaction that made the version';
CREATE FUNCTION heliosdb.versions_operation("row" record) RETURNS text
  AS 'MODULE_PATHNAME', 'helios_versions_pseudo_column' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.versions_operation(record) IS 'pseudo-column of VERSIONS BETWEEN: I, U or D';

-- One statement, so that foreign keys are checked when all is back; what it counts makes deletes run before
-- updates and these before inserts, so that values of unique columns are free when they are needed.
CREATE FUNCTION heliosdb.flashback_table(relation regclass, at timestamptz, OUT inserted bigint, OUT updated bigint, OUT deleted bigint)
  LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $body$
DECLARE
  name text;       -- qualified
  targets text;    -- "a", "b": the columns that are stored
  now_row text;    -- ROW(c."a", c."b")
  past_row text;   -- ROW(p."a", p."b")
  past_columns text;
  numbered text;   -- c1, c2: the columns where other names stand beside them
  assignments text;
  same text;       -- whether c and p are versions of the same row; null without a primary key
BEGIN
  IF relation IS NULL THEN
    RAISE EXCEPTION 'the table to bring back must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  SELECT pg_catalog.format('%I.%I', n.nspname, r.relname) INTO name
    FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE r.oid = relation::oid;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'table with OID % does not exist', relation USING ERRCODE = 'undefined_table';
  END IF;
  IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'table % cannot be brought back in a transaction with one snapshot', name
      USING ERRCODE = 'active_sql_transaction',
            DETAIL = 'Its snapshot may lack changes that were committed before the table was locked.',
            HINT = 'Use a READ COMMITTED transaction.';
  END IF;

  EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', name);
  IF pg_catalog.row_security_active(relation::oid) THEN
    RAISE EXCEPTION 'table % has row-level security for this role', name
      USING ERRCODE = 'insufficient_privilege',
            DETAIL = 'A row that the role may not see now, or could not see then, would be taken for missing.',
            HINT = 'Let a role do it that bypasses row-level security.';
  END IF;

  SELECT pg_catalog.string_agg(pg_catalog.format('%I', a.attname), ', ' ORDER BY a.attnum),
         pg_catalog.format('ROW(%s)', pg_catalog.string_agg(pg_catalog.format('c.%I', a.attname), ', ' ORDER BY a.attnum)),
         pg_catalog.format('ROW(%s)', pg_catalog.string_agg(pg_catalog.format('p.%I', a.attname), ', ' ORDER BY a.attnum)),
         pg_catalog.string_agg(pg_catalog.format('p.%I AS c%s', a.attname, a.attnum), ', ' ORDER BY a.attnum),
         pg_catalog.string_agg(pg_catalog.format('c%s', a.attnum), ', ' ORDER BY a.attnum),
         -- An identity column that is GENERATED ALWAYS cannot be updated.
         pg_catalog.string_agg(pg_catalog.format('%1$I = p.%1$I', a.attname), ', ' ORDER BY a.attnum)
           FILTER (WHERE a.attidentity <> 'a')
    INTO targets, now_row, past_row, past_columns, numbered, assignments
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = relation::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
  IF targets IS NULL THEN
    RAISE EXCEPTION 'table % has no columns', name USING ERRCODE = 'feature_not_supported';
  END IF;

  SELECT pg_catalog.string_agg(pg_catalog.format('c.%1$I OPERATOR(%2$I.%3$s) p.%1$I', a.attname, n.nspname, o.oprname), ' AND ')
    INTO same
    FROM pg_catalog.pg_index i
      CROSS JOIN ROWS FROM (pg_catalog.unnest(i.indkey), pg_catalog.unnest(i.indclass)) k (attnum, opclass)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = relation::oid AND a.attnum = k.attnum
      JOIN pg_catalog.pg_opclass f ON f.oid = k.opclass
      JOIN pg_catalog.pg_amop m ON m.amopfamily = f.opcfamily AND m.amoplefttype = f.opcintype
                               AND m.amoprighttype = f.opcintype AND m.amopstrategy = 3
      JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr
      JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = relation::oid AND i.indisprimary;
  SELECT pg_catalog.concat_ws(' AND ', same, pg_catalog.string_agg(
           pg_catalog.format('c.%1$I OPERATOR(pg_catalog.=) p.%1$I', a.attname), ' AND '))
    INTO same
    FROM pg_catalog.pg_attribute a
    WHERE same IS NOT NULL AND a.attrelid = relation::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = 'a';

  IF same <> '' THEN
    EXECUTE pg_catalog.format($sql$
      WITH gone AS (
        DELETE FROM %1$s c
        WHERE NOT EXISTS (SELECT FROM %1$s p TABLESAMPLE heliosdb.as_of($1) WHERE %2$s)
        RETURNING 1
      ), changed AS (%3$s), back AS (
        INSERT INTO %1$s (%4$s) OVERRIDING SYSTEM VALUE
        SELECT %4$s FROM %1$s p TABLESAMPLE heliosdb.as_of($1)
        WHERE NOT EXISTS (SELECT FROM %1$s c WHERE %2$s) AND (SELECT pg_catalog.count(*) FROM changed) IS NOT NULL
        RETURNING 1
      )
      SELECT (SELECT pg_catalog.count(*) FROM back), (SELECT pg_catalog.count(*) FROM changed),
             (SELECT pg_catalog.count(*) FROM gone)$sql$,
      name, same,
      CASE WHEN assignments IS NULL THEN 'SELECT FROM gone WHERE false' ELSE pg_catalog.format($sql$
        UPDATE %1$s c SET %2$s FROM %1$s p TABLESAMPLE heliosdb.as_of($1)
        WHERE %3$s AND NOT pg_catalog.record_image_eq(%4$s, %5$s)
          AND (SELECT pg_catalog.count(*) FROM gone) IS NOT NULL
        RETURNING 1$sql$, name, assignments, same, now_row, past_row) END,
      targets)
      USING at INTO inserted, updated, deleted;
  ELSE
    EXECUTE pg_catalog.format($sql$
      WITH present AS (
        SELECT c.tableoid AS leaf, c.ctid AS place, pg_catalog.record_send(%2$s) AS image,
               pg_catalog.row_number() OVER (PARTITION BY pg_catalog.record_send(%2$s)) AS number
        FROM %1$s c
      ), past AS (
        SELECT %4$s, pg_catalog.record_send(%3$s) AS image,
               pg_catalog.row_number() OVER (PARTITION BY pg_catalog.record_send(%3$s)) AS number
        FROM %1$s p TABLESAMPLE heliosdb.as_of($1)
      ), gone AS (
        DELETE FROM %1$s c USING present n
        WHERE c.tableoid OPERATOR(pg_catalog.=) n.leaf AND c.ctid OPERATOR(pg_catalog.=) n.place
          AND NOT EXISTS (SELECT FROM past p WHERE p.image OPERATOR(pg_catalog.=) n.image
                                               AND p.number OPERATOR(pg_catalog.=) n.number)
        RETURNING 1
      ), back AS (
        INSERT INTO %1$s (%5$s) OVERRIDING SYSTEM VALUE
        SELECT %6$s FROM past p
        WHERE NOT EXISTS (SELECT FROM present n WHERE p.image OPERATOR(pg_catalog.=) n.image
                                                  AND p.number OPERATOR(pg_catalog.=) n.number)
          AND (SELECT pg_catalog.count(*) FROM gone) IS NOT NULL
        RETURNING 1
      )
      SELECT (SELECT pg_catalog.count(*) FROM back), 0, (SELECT pg_catalog.count(*) FROM gone)$sql$,
      name, now_row, past_row, past_columns, targets, numbered)
      USING at INTO inserted, updated, deleted;
  END IF;
END
$body$;
COMMENT ON FUNCTION heliosdb.flashback_table(regclass, timestamptz) IS 'brings a tracked table back to what it was at an instant';

-- What one transaction did to tracked tables, and its reverse.

CREATE FUNCTION heliosdb.undo_transaction(transaction bigint, tables regclass[] DEFAULT NULL,
    OUT relation regclass, OUT inserted bigint, OUT updated bigint, OUT deleted bigint) RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_undo_transaction' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.undo_transaction(bigint, regclass[]) IS 'undoes what a transaction did to tracked tables, unless rows have been changed since';

CREATE FUNCTION heliosdb.transaction_changes(transaction bigint, tables regclass[] DEFAULT NULL,
    OUT relation regclass, OUT op text, OUT key jsonb, OUT old jsonb, OUT new jsonb, OUT conflict boolean) RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_transaction_changes' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.transaction_changes(bigint, regclass[]) IS 'net changes of a transaction in tracked tables that you may read; conflict: changed since';
