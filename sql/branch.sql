-- Branches: the tables of the database as of a fork, with changes of their own.

CREATE SEQUENCE heliosdb.branch_ids START WITH 2;
COMMENT ON SEQUENCE heliosdb.branch_ids IS 'ids of branches; main is 1';

CREATE TABLE heliosdb.branches (
  id bigint PRIMARY KEY,
  name name NOT NULL UNIQUE,
  parent bigint REFERENCES heliosdb.branches,
  owner oid NOT NULL,
  fork_at timestamptz,
  fork_xid xid8,
  fork_lsn pg_lsn,
  fork_scn bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  merges bigint NOT NULL DEFAULT 0,
  merged_at timestamptz,
  options jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE heliosdb.branches IS 'branches of this database; see the view pg_branches';
COMMENT ON COLUMN heliosdb.branches.fork_at IS 'instant of the parent that the branch began with; null: fork_scn says it';
COMMENT ON COLUMN heliosdb.branches.fork_xid IS 'transaction that created the branch, if it began then; null: it began in the past';
COMMENT ON COLUMN heliosdb.branches.fork_scn IS 'recorded snapshot of the parent that the branch began with; null: fork_at says it';
COMMENT ON COLUMN heliosdb.branches.expires_at IS 'when heliosdb.drop_expired_branches() drops it';
COMMENT ON COLUMN heliosdb.branches.merges IS 'how often it was merged';
INSERT INTO heliosdb.branches (id, name, owner)
  SELECT 1, 'main', r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER;

CREATE TABLE heliosdb.branch_relations (
  branch bigint NOT NULL,
  main_relid oid NOT NULL,
  local_relid oid NOT NULL,
  schema oid NOT NULL,
  columns smallint NOT NULL,
  base_xid xid8,
  base_scn bigint,
  deleted_relid oid NOT NULL DEFAULT 0,
  whole_xid xid8,
  origin oid NOT NULL,
  made_xid xid8,
  shared smallint NOT NULL,
  source_relid oid NOT NULL,
  source_fork bigint NOT NULL
);
CREATE INDEX branch_relations_source ON heliosdb.branch_relations (source_relid);
CREATE INDEX branch_relations_main ON heliosdb.branch_relations (branch, main_relid);
CREATE INDEX branch_relations_local ON heliosdb.branch_relations (local_relid);
COMMENT ON TABLE heliosdb.branch_relations IS 'what branches have in place of relations of main';
COMMENT ON COLUMN heliosdb.branch_relations.main_relid IS 'the relation of main; 0: created on the branch';
COMMENT ON COLUMN heliosdb.branch_relations.local_relid IS 'the relation of the branch; 0: dropped on the branch';
COMMENT ON COLUMN heliosdb.branch_relations.schema IS 'schema that the relation belongs to on main';
COMMENT ON COLUMN heliosdb.branch_relations.columns IS 'columns that both had when the copy was made, dropped ones too';
COMMENT ON COLUMN heliosdb.branch_relations.base_xid IS 'transaction that merged it last; null: never';
COMMENT ON COLUMN heliosdb.branch_relations.base_scn IS 'recorded snapshot of the last merge, with that transaction';
COMMENT ON COLUMN heliosdb.branch_relations.deleted_relid IS 'of a table that is copied row by row: keys of rows that the branch does not have any more; 0: copied as a whole';
COMMENT ON COLUMN heliosdb.branch_relations.whole_xid IS 'transaction that copied the rest of such a table; null: the rest is main''s';
COMMENT ON COLUMN heliosdb.branch_relations.origin IS 'the relation as which a branch created it, the same for all branches that have it from there; 0: it is one of main';
COMMENT ON COLUMN heliosdb.branch_relations.made_xid IS 'transaction since which it is of the branch itself; null: it is as the parent had it at the fork';
COMMENT ON COLUMN heliosdb.branch_relations.shared IS 'columns in common with that of the parent, dropped ones too';
COMMENT ON COLUMN heliosdb.branch_relations.source_relid IS 'table of another branch with the rows at the fork, which are read there until made_xid; 0: none';
COMMENT ON COLUMN heliosdb.branch_relations.source_fork IS 'branch as of whose fork source_relid is read';

CREATE TABLE heliosdb.branch_ddl (
  branch bigint,
  xid xid8,
  PRIMARY KEY (branch, xid)
);
COMMENT ON TABLE heliosdb.branch_ddl IS 'transactions that changed definitions on a branch: other branches cannot begin before them';

CREATE TABLE heliosdb.branch_sequences (
  branch bigint,
  sequence oid,
  last_value bigint NOT NULL,
  is_called boolean NOT NULL DEFAULT true,
  PRIMARY KEY (branch, sequence)
);
COMMENT ON TABLE heliosdb.branch_sequences IS 'last values of the sequences of main when a branch was created, of those that did not stand at their start';
COMMENT ON COLUMN heliosdb.branch_sequences.is_called IS 'false: the value is the next one';

CREATE FUNCTION heliosdb.create_branch(name text, parent text DEFAULT NULL, as_of timestamptz DEFAULT NULL, as_of_transaction bigint DEFAULT NULL,
                                       options jsonb DEFAULT '{}', if_not_exists boolean DEFAULT false, as_of_scn bigint DEFAULT NULL) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_create_branch' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.create_branch(text, text, timestamptz, bigint, jsonb, boolean, bigint) IS 'creates a branch; returns its id';

CREATE FUNCTION heliosdb.drop_branch(name text, if_exists boolean DEFAULT false) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_drop_branch' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.drop_branch(text, boolean) IS 'drops a branch with all that was changed on it';

CREATE FUNCTION heliosdb.use_branch(name text) RETURNS void
  LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$SELECT pg_catalog.set_config('heliosdb.branch', $1, false)$$;
COMMENT ON FUNCTION heliosdb.use_branch(text) IS 'leads the session to a branch, like USE BRANCH';

CREATE FUNCTION heliosdb.current_branch() RETURNS text
  AS 'MODULE_PATHNAME', 'helios_current_branch' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION heliosdb.current_branch() IS 'branch of the session';

CREATE FUNCTION heliosdb.branch_bytes(branch bigint) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_branch_bytes' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.branch_bytes(bigint) IS 'bytes on disk of what was changed on a branch, with its change log';

CREATE VIEW pg_branches AS
  SELECT b.id AS branch_id, b.name::text AS branch_name, b.parent AS parent_id, p.name::text AS parent_name, b.created_at,
         b.fork_lsn AS fork_point_lsn,
         CASE WHEN b.expires_at < now() THEN 'expired' WHEN b.merges > 0 THEN 'merged' ELSE 'active' END AS state,
         CASE WHEN b.id <> 1 THEN heliosdb.branch_bytes(b.id) END AS size_bytes,
         b.merges AS num_commits,
         COALESCE(b.fork_at, CASE WHEN current_setting('track_commit_timestamp') = 'on' THEN pg_xact_commit_timestamp(b.fork_xid::xid) END,
                  (SELECT s.at FROM heliosdb_log.snapshots s WHERE s.scn = b.fork_scn)) AS fork_at,
         pg_get_userbyid(b.owner) AS owner, b.expires_at, b.options, b.fork_scn
  FROM heliosdb.branches b LEFT JOIN heliosdb.branches p ON p.id = b.parent;
COMMENT ON VIEW pg_branches IS 'branches of this database';
COMMENT ON COLUMN pg_branches.size_bytes IS 'bytes of what was changed on the branch; null for main';
COMMENT ON COLUMN pg_branches.num_commits IS 'how often the branch was merged';
COMMENT ON COLUMN pg_branches.fork_at IS 'instant of the parent that the branch began with; of an SCN when that was recorded';
COMMENT ON COLUMN pg_branches.fork_scn IS 'recorded snapshot that the branch began with; null: an instant of the past';
GRANT SELECT ON pg_branches TO PUBLIC;

CREATE VIEW heliosdb.branch_list AS
  SELECT b.name::text AS branch_name, b.id AS branch_id, p.name::text AS parent_branch, b.created_at::timestamp AS created_at,
         CASE WHEN b.expires_at < now() THEN 'Expired' WHEN b.merges > 0 THEN 'Merged' ELSE 'Active' END AS state
  FROM heliosdb.branches b LEFT JOIN heliosdb.branches p ON p.id = b.parent
  ORDER BY b.id;
COMMENT ON VIEW heliosdb.branch_list IS 'what SHOW BRANCHES shows';
GRANT SELECT ON heliosdb.branch_list TO PUBLIC;

DO $$
BEGIN
  EXECUTE pg_catalog.format($sql$
    CREATE FUNCTION pg_database_branches(OUT branch_name text, OUT branch_id bigint, OUT parent_id bigint, OUT created_at timestamp, OUT fork_point_lsn bigint,
                                         OUT size_mb bigint, OUT status text, OUT parent_name text, OUT is_current boolean) RETURNS SETOF record
      LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $body$
        SELECT b.branch_name, b.branch_id, b.parent_id, b.created_at::timestamp, (b.fork_point_lsn OPERATOR(pg_catalog.-) '0/0'::pg_lsn)::bigint,
               (CASE b.branch_id WHEN 1 THEN pg_catalog.pg_database_size(pg_catalog.current_database()) ELSE b.size_bytes END OPERATOR(pg_catalog./) 1048576)::bigint,
               b.state, b.parent_name, b.branch_name OPERATOR(pg_catalog.=) heliosdb.current_branch()
        FROM %I.pg_branches b ORDER BY b.branch_id
      $body$
    $sql$, (SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = 'pg_branches'::regclass));
END
$$;
COMMENT ON FUNCTION pg_database_branches() IS 'branches of this database, main first';

CREATE VIEW heliosdb.expired_branches AS
  WITH RECURSIVE needed (id) AS (
    SELECT b.parent FROM heliosdb.branches b WHERE COALESCE(b.expires_at >= now(), true)
    UNION
    SELECT b.parent FROM needed n JOIN heliosdb.branches b ON b.id = n.id)
  SELECT b.id, b.name, b.expires_at FROM heliosdb.branches b WHERE b.expires_at < now() AND NOT EXISTS (SELECT FROM needed n WHERE n.id = b.id);
COMMENT ON VIEW heliosdb.expired_branches IS 'branches whose ttl is over, and that of those that come from them';
GRANT SELECT ON heliosdb.expired_branches TO PUBLIC;

CREATE FUNCTION heliosdb.drop_expired_branches() RETURNS bigint
  LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
    SELECT pg_catalog.count(*) FROM (
      SELECT heliosdb.drop_branch(b.name::text) FROM heliosdb.expired_branches b ORDER BY b.id DESC OFFSET 0) d
  $$;
COMMENT ON FUNCTION heliosdb.drop_expired_branches() IS 'drops the branches whose ttl is over, which happens in the background too';

CREATE FUNCTION heliosdb.check_branch_options(options jsonb) RETURNS interval
  LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  option record;
  ttl interval;
BEGIN
  IF jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION 'the options of a branch are a JSON object' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR option IN SELECT o.key, o.value FROM jsonb_each_text(options) o ORDER BY o.key LOOP
    IF option.key = 'ttl' THEN
      ttl := option.value::interval;
      IF ttl <= interval '0' THEN
        RAISE EXCEPTION 'ttl of a branch must be positive' USING ERRCODE = 'invalid_parameter_value';
      END IF;
    ELSIF option.key = 'replication_factor' THEN
      IF option.value !~ '^[1-9][0-9]{0,3}$' THEN
        RAISE EXCEPTION 'replication_factor of a branch must be a positive number' USING ERRCODE = 'invalid_parameter_value';
      END IF;
    ELSIF option.key <> 'region' AND option.key NOT LIKE 'metadata\_%' THEN
      RAISE EXCEPTION 'unknown option "%" of a branch', option.key
        USING ERRCODE = 'invalid_parameter_value', HINT = 'Options are ttl, replication_factor, region and metadata_….';
    END IF;
  END LOOP;
  RETURN ttl;
END
$body$;
COMMENT ON FUNCTION heliosdb.check_branch_options(jsonb) IS 'refuses unknown options of a branch; returns its ttl';

CREATE FUNCTION heliosdb.recover_database(at timestamptz, OUT operation text, OUT branch text, OUT epoch bigint, OUT tables bigint) RETURNS record
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  operation := 'RECOVER';
  epoch := floor(extract(epoch FROM at));
  branch := 'pitr_' || epoch;
  PERFORM heliosdb.create_branch(branch, 'main', at);
  SELECT count(*) INTO tables FROM heliosdb.tracked_tables t WHERE t.root IS NULL AND t.history_since <= at;
END
$body$;
COMMENT ON FUNCTION heliosdb.recover_database(timestamptz) IS 'creates the branch pitr_<epoch> of main as of an instant, like RECOVER DATABASE TO TIMESTAMP';

CREATE FUNCTION heliosdb.branch_sequence(sequence regclass) RETURNS regclass
  AS 'MODULE_PATHNAME', 'helios_branch_sequence' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.branch_sequence(regclass) IS 'sequence of the branch in place of one of main';

CREATE FUNCTION heliosdb.branch_check_keys() RETURNS trigger
  AS 'MODULE_PATHNAME', 'helios_branch_check_keys' LANGUAGE C;
COMMENT ON FUNCTION heliosdb.branch_check_keys() IS 'trigger of tables of branches that are copied row by row';

CREATE FUNCTION heliosdb.branch_space(branch bigint, schema name) RETURNS text
  AS 'MODULE_PATHNAME', 'helios_branch_space' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.branch_space(bigint, name) IS 'schema of a branch with what was created or altered there in another schema, quoted';

CREATE FUNCTION heliosdb.branch_policies(model oid, copy oid, OUT name name, OUT command "char", OUT permissive boolean, OUT roles oid[], OUT visible text, OUT accepted text)
  RETURNS SETOF record LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT p.polname, p.polcmd, p.polpermissive, p.polroles,
           CASE WHEN p.polqual IS NOT NULL THEN CASE WHEN k.known THEN pg_get_expr(p.polqual, copy) ELSE 'false' END END,
           CASE WHEN p.polwithcheck IS NOT NULL THEN CASE WHEN k.known THEN pg_get_expr(p.polwithcheck, copy) ELSE 'false' END END
    FROM pg_policy p CROSS JOIN LATERAL (
      SELECT model = copy OR NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = model AND d.refobjsubid > 0
          AND (NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = copy AND a.attnum = d.refobjsubid AND NOT a.attisdropped)
               OR EXISTS (SELECT FROM heliosdb.branch_relations r WHERE r.local_relid = copy AND r.columns < d.refobjsubid))) AS known
      OFFSET 0) k
    WHERE p.polrelid = model
  $body$;
COMMENT ON FUNCTION heliosdb.branch_policies(oid, oid) IS 'policies of a table as a copy of it is to have them: by the names of its columns, and false where it lacks one';

-- Differences and merging.

CREATE FUNCTION heliosdb.branch_moment(at timestamptz, scn bigint, recorder xid8) RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $body$
    SELECT CASE WHEN pg_xact_status(recorder) = 'in progress' THEN NULL
                WHEN scn IS NOT NULL THEN format('heliosdb.as_of_scn(%s)', scn) ELSE format('heliosdb.as_of(%L::timestamptz)', at::text) END
  $body$;
COMMENT ON FUNCTION heliosdb.branch_moment(timestamptz, bigint, xid8) IS 'a moment as TABLESAMPLE takes it; null while the transaction that it is the end of runs';

CREATE FUNCTION heliosdb.branch_overlay(at timestamptz, scn bigint, local oid, deleted oid) RETURNS text
  LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $body$
    SELECT format('heliosdb.as_of_overlaid(%s, %s, %s::oid, %s::oid, ',
                  CASE WHEN scn IS NULL THEN quote_literal(at::text) || '::timestamptz' ELSE 'NULL' END,
                  COALESCE(scn::text, 'NULL'), local, deleted)
  $body$;
COMMENT ON FUNCTION heliosdb.branch_overlay(timestamptz, bigint, oid, oid) IS 'the beginning of what TABLESAMPLE takes to read a table that is copied row by row; the part is to follow';

CREATE FUNCTION heliosdb.branch_relation_name(relation oid) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
  $body$;
COMMENT ON FUNCTION heliosdb.branch_relation_name(oid) IS 'qualified name of a relation';

CREATE FUNCTION heliosdb.branch_statistics(statistics oid, schema oid, relation oid) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT format('CREATE STATISTICS %I.%I%s ON %s FROM %s', n.nspname, s.stxname,
                  -- On a single expression there is nothing to choose.
                  (SELECT ' (' || string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END, ', ') || ')'
                   FROM unnest(s.stxkind) k WHERE k <> 'e'),
                  pg_get_statisticsobjdef_columns(s.oid), heliosdb.branch_relation_name(relation))
    FROM pg_statistic_ext s, pg_namespace n WHERE s.oid = statistics AND n.oid = schema
  $body$;
COMMENT ON FUNCTION heliosdb.branch_statistics(oid, oid, oid) IS 'the statement that gives a relation extended statistics like others, in a schema';

CREATE VIEW heliosdb.branch_forks AS
  WITH RECURSIVE root (id, at, scn, fork) AS (
    SELECT b.id, b.fork_at, b.fork_scn, heliosdb.branch_moment(b.fork_at, b.fork_scn, b.fork_xid) FROM heliosdb.branches b WHERE b.parent = 1
    UNION ALL
    SELECT b.id, r.at, r.scn, r.fork FROM root r JOIN heliosdb.branches b ON b.parent = r.id)
  SELECT b.name::text AS name, b.id, heliosdb.branch_moment(b.fork_at, b.fork_scn, b.fork_xid) AS fork, r.fork AS main_fork, r.at AS main_at, r.scn AS main_scn
  FROM heliosdb.branches b JOIN root r ON r.id = b.id;
COMMENT ON VIEW heliosdb.branch_forks IS 'what branches begin with, and as of when they read main, as TABLESAMPLE takes it; null: not ready';
GRANT SELECT ON heliosdb.branch_forks TO PUBLIC;

CREATE FUNCTION heliosdb.branch_contents(branch text, OUT branch_id bigint, OUT main oid, OUT local oid, OUT schema oid, OUT columns smallint, OUT merged text,
                                         OUT merged_now boolean, OUT origin oid, OUT is_made boolean, OUT shared smallint, OUT source oid, OUT source_fork text,
                                         OUT carrier text, OUT is_partial boolean) RETURNS SETOF record
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT b.id, r.main_relid, r.local_relid, r.schema, r.columns, CASE WHEN r.base_xid IS NOT NULL THEN heliosdb.branch_moment(NULL, r.base_scn, r.base_xid) END,
           COALESCE(r.base_xid = pg_current_xact_id_if_assigned(), false), r.origin, r.made_xid IS NOT NULL, r.shared, r.source_relid, f.fork,
           CASE WHEN r.deleted_relid <> 0 THEN heliosdb.branch_overlay(m.main_at, m.main_scn, r.local_relid, r.deleted_relid) END, r.deleted_relid <> 0 AND r.whole_xid IS NULL
    FROM heliosdb.branches b JOIN heliosdb.branch_relations r ON r.branch = b.id JOIN heliosdb.branch_forks m ON m.id = b.id
      LEFT JOIN heliosdb.branch_forks f ON f.id = r.source_fork
    WHERE b.name = branch_contents.branch::name
  $body$;
COMMENT ON FUNCTION heliosdb.branch_contents(text) IS 'what a branch has in place of relations of main, and where the rows of what it has inherited are read until is_made; moments as TABLESAMPLE takes them, carrier: the beginning of what reads a table that is copied row by row';

CREATE FUNCTION heliosdb.branch_identity(relation oid, OUT main oid, OUT origin oid) RETURNS record
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT COALESCE(NULLIF(r.main_relid, 0), CASE WHEN r.local_relid IS NULL THEN relation ELSE 0 END), COALESCE(r.origin, 0)
    FROM (VALUES (1)) v LEFT JOIN heliosdb.branch_relations r ON r.local_relid = relation
  $body$;
COMMENT ON FUNCTION heliosdb.branch_identity(oid) IS 'what is the same for a relation of main and those of branches that stand for it, or for one that a branch created and those of other branches that come from it';

CREATE FUNCTION heliosdb.branch_rows(source oid, names oid, shared smallint, wanted oid, moment text) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT format('(SELECT %s FROM %s TABLESAMPLE %s) AS "$source"',
                  string_agg(CASE WHEN s.attname IS NULL THEN format('NULL::%s AS %I', format_type(w.atttypid, w.atttypmod), w.attname)
                                  ELSE format('%I AS %I', s.attname, w.attname) END, ', ' ORDER BY w.attnum),
                  heliosdb.branch_relation_name(source), moment)
    FROM pg_attribute w LEFT JOIN (pg_attribute n JOIN pg_attribute s ON s.attrelid = source AND s.attnum = n.attnum AND NOT s.attisdropped)
      ON n.attrelid = names AND n.attname = w.attname AND n.attnum BETWEEN 1 AND shared AND NOT n.attisdropped
    WHERE w.attrelid = wanted AND w.attnum > 0 AND NOT w.attisdropped
  $body$;
COMMENT ON FUNCTION heliosdb.branch_rows(oid, oid, smallint, oid, text) IS 'what to write into FROM to read the columns of table wanted as of a moment where another table has them; the first ones have the names that table names gives them, others are null';

CREATE FUNCTION heliosdb.branch_source(branch text, relation regclass, OUT source text, OUT is_local boolean, OUT definition oid) RETURNS record
  LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  known record;
  same record := heliosdb.branch_identity(relation);
  fork text;
  main_fork text;
BEGIN
  IF branch = 'main' THEN
    source := heliosdb.branch_relation_name(same.main);
    is_local := true;
    definition := same.main;
    RETURN;
  END IF;
  SELECT b.fork, b.main_fork INTO fork, main_fork FROM heliosdb.branch_forks b WHERE b.name = branch_source.branch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'branch "%" does not exist', branch USING ERRCODE = 'undefined_object', HINT = 'SHOW BRANCHES lists the branches of this database.';
  END IF;
  IF fork IS NULL THEN
    RAISE EXCEPTION 'branch "%" is not ready', branch
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It begins when the transaction that creates it has committed.';
  END IF;
  SELECT c.* INTO known FROM heliosdb.branch_contents(branch) c WHERE (c.main <> 0 AND c.main = same.main) OR (c.origin <> 0 AND c.origin = same.origin);
  definition := COALESCE(known.local, same.main);
  IF definition = 0 THEN
    is_local := known.local IS NOT NULL;
  ELSIF known.local IS NULL THEN
    is_local := false;
    source := format('%s TABLESAMPLE %s', heliosdb.branch_relation_name(same.main), main_fork);
  ELSIF known.is_partial THEN
    is_local := false;
    source := format('%s TABLESAMPLE %s''a'')', heliosdb.branch_relation_name(same.main), known.carrier);
  ELSIF known.source <> 0 AND NOT known.is_made THEN
    is_local := false;
    source := heliosdb.branch_rows(known.source, known.local, 32767::smallint, known.local, known.source_fork);
  ELSE
    is_local := true;
    source := heliosdb.branch_relation_name(known.local);
  END IF;
END
$body$;
COMMENT ON FUNCTION heliosdb.branch_source(text, regclass) IS 'what to write into FROM to read a table of a branch, and the relation that has its columns; null if the branch does not have it';

CREATE FUNCTION heliosdb.branch_common_columns(relation oid, a oid, b oid) RETURNS TABLE (name name, number smallint)
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT c.attname, c.attnum FROM pg_attribute c
      JOIN pg_attribute x ON x.attrelid = a AND x.attname = c.attname AND x.attnum > 0 JOIN pg_attribute y ON y.attrelid = b AND y.attname = c.attname AND y.attnum > 0
    WHERE c.attrelid = relation AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum
  $body$;
COMMENT ON FUNCTION heliosdb.branch_common_columns(oid, oid, oid) IS 'columns of a table that two others have as well, by name';

CREATE FUNCTION heliosdb.branch_same_row(relation regclass, a text, b text) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT string_agg(format('%1$s.%3$I OPERATOR(%4$I.%5$s) %2$s.%3$I', a, b, c.attname, n.nspname, o.oprname), ' AND ')
    FROM pg_index i
      CROSS JOIN LATERAL unnest(i.indkey::smallint[], i.indclass::oid[]) WITH ORDINALITY k (attnum, opclass, place)
      JOIN pg_attribute c ON c.attrelid = i.indrelid AND c.attnum = k.attnum
      JOIN pg_opclass f ON f.oid = k.opclass
      JOIN pg_amop m ON m.amopfamily = f.opcfamily AND m.amoplefttype = f.opcintype AND m.amoprighttype = f.opcintype AND m.amopstrategy = 3
      JOIN pg_operator o ON o.oid = m.amopopr
      JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = relation::oid AND i.indisprimary AND k.place <= i.indnkeyatts
  $body$;
COMMENT ON FUNCTION heliosdb.branch_same_row(regclass, text, text) IS 'condition that two rows have the same primary key; null without one';

CREATE FUNCTION heliosdb.branch_key(relation regclass) RETURNS smallint[]
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT (i.indkey::smallint[])[0:i.indnkeyatts - 1] FROM pg_index i WHERE i.indrelid = relation::oid AND i.indisprimary AND i.indimmediate
  $body$;
COMMENT ON FUNCTION heliosdb.branch_key(regclass) IS 'columns of the primary key';

CREATE FUNCTION heliosdb.branch_diff(a text, b text, relation regclass, OUT key text, OUT difference text, OUT "column" text, OUT a_value text, OUT b_value text)
  RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET heliosdb.branch = '' SET datestyle = 'ISO' SET timezone = 'UTC' AS $body$
DECLARE
  a_side record := heliosdb.branch_source(a, relation);
  b_side record := heliosdb.branch_source(b, relation);
  same text := heliosdb.branch_same_row(relation, 'x', 'y');
  columns text;  -- quoted, of the table, that both have
  cells text;
  keys text;
BEGIN
  IF a_side.source IS NULL OR b_side.source IS NULL THEN
    RAISE EXCEPTION 'table % does not exist on branch "%"', relation, CASE WHEN a_side.source IS NULL THEN a ELSE b END USING ERRCODE = 'undefined_table';
  END IF;
  SELECT string_agg(quote_ident(c.name), ', '),
         string_agg(format('(%1$L, x.%1$I::text, y.%1$I::text, record_image_ne(ROW(x.%1$I), ROW(y.%1$I)))', c.name), ', '),
         string_agg(format('COALESCE(x.%1$I, y.%1$I)', c.name), ', ') FILTER (WHERE c.number = ANY (heliosdb.branch_key(relation)))
    INTO columns, cells, keys
    FROM heliosdb.branch_common_columns(relation, a_side.definition, b_side.definition) c;
  IF same IS NULL THEN
    RETURN QUERY EXECUTE format($sql$
      WITH x AS (SELECT ROW(%1$s)::text AS r FROM %2$s), y AS (SELECT ROW(%1$s)::text AS r FROM %3$s)
      SELECT NULL::text, 'deleted'::text, NULL::text, d.r, NULL::text FROM (SELECT r FROM x EXCEPT ALL SELECT r FROM y) d
      UNION ALL
      SELECT NULL, 'added', NULL, NULL, d.r FROM (SELECT r FROM y EXCEPT ALL SELECT r FROM x) d$sql$, columns, a_side.source, b_side.source);
  ELSE
    RETURN QUERY EXECUTE format($sql$
      SELECT ROW(%4$s)::text, CASE WHEN x.there IS NULL THEN 'added' WHEN y.there IS NULL THEN 'deleted' ELSE 'modified' END,
             c.name, CASE WHEN c.name IS NULL THEN x.image ELSE c.a END, CASE WHEN c.name IS NULL THEN y.image ELSE c.b END
      FROM (SELECT true AS there, ROW(%1$s)::text AS image, %1$s FROM %2$s) x
        FULL JOIN (SELECT true AS there, ROW(%1$s)::text AS image, %1$s FROM %3$s) y ON %5$s
        CROSS JOIN LATERAL (SELECT NULL, NULL, NULL, true WHERE x.there IS NULL OR y.there IS NULL
                            UNION ALL SELECT * FROM (VALUES %6$s) v WHERE x.there AND y.there) c (name, a, b, differs)
      WHERE c.differs$sql$, columns, a_side.source, b_side.source, keys, same, cells);
  END IF;
END
$body$;
COMMENT ON FUNCTION heliosdb.branch_diff(text, text, regclass) IS 'differences of a table between two branches, from the first to the second: rows, and cells of modified rows';

CREATE FUNCTION heliosdb.merge_strategy(options jsonb) RETURNS text
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  option record;
  chosen text;
  strategy text := 'fail';
  given boolean := false;
BEGIN
  IF jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION 'the options of a merge are a JSON object' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR option IN SELECT o.key, lower(o.value) AS value FROM jsonb_each_text(options) o ORDER BY o.key LOOP
    IF option.key IN ('conflict_resolution', 'strategy') THEN
      chosen := CASE WHEN option.value IN ('branch_wins', 'theirs') THEN 'branch_wins' WHEN option.value IN ('target_wins', 'ours') THEN 'target_wins'
                     WHEN option.value = 'fail' THEN 'fail' END;
      IF chosen IS NULL THEN
        RAISE EXCEPTION '% of a merge cannot be "%"', option.key, option.value
          USING ERRCODE = 'invalid_parameter_value', HINT = 'It is fail, branch_wins (theirs) or target_wins (ours).';
      ELSIF given AND chosen <> strategy THEN
        RAISE EXCEPTION 'conflict_resolution and strategy of a merge contradict each other' USING ERRCODE = 'invalid_parameter_value';
      END IF;
      strategy := chosen;
      given := true;
    ELSIF option.key = 'delete_branch_after' THEN
      PERFORM option.value::boolean;
    ELSE
      RAISE EXCEPTION 'unknown option "%" of a merge', option.key
        USING ERRCODE = 'invalid_parameter_value', HINT = 'Options are conflict_resolution or strategy, and delete_branch_after.';
    END IF;
  END LOOP;
  RETURN strategy;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_strategy(jsonb) IS 'refuses unknown options of a merge; returns what decides conflicts';

CREATE FUNCTION heliosdb.merge_deleted(branch bigint, local oid) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_merge_deleted' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.merge_deleted(bigint, oid) IS 'step of a merge: creates the temporary table heliosdb_deleted of the keys that a table which is copied row by row had lost at the last merge';

-- The base after a merge of a table that was copied row by row, for FROM: what the copy was at that merge, and of what it
-- came from, `past`, the rows that it did not stand for then.
CREATE FUNCTION heliosdb.merge_copied_base(main oid, local oid, past text, copied text) RETURNS text
  LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  RETURN format('(SELECT %1$s FROM %2$s UNION ALL SELECT %1$s FROM (SELECT * FROM %3$s) p WHERE NOT EXISTS (SELECT FROM (SELECT * FROM %2$s) l WHERE %4$s) '
                'AND NOT EXISTS (SELECT FROM pg_temp.heliosdb_deleted d CROSS JOIN LATERAL (SELECT %5$s) k WHERE %6$s)) u',
                heliosdb.merge_common_columns(main, local, true), copied, past, heliosdb.branch_same_row(main, 'l', 'p'),
                (SELECT string_agg(format('d.k%s AS %I', k.place, a.attname), ', ') FROM unnest(heliosdb.branch_key(main)) WITH ORDINALITY k (number, place)
                   JOIN pg_attribute a ON a.attrelid = main AND a.attnum = k.number),
                heliosdb.branch_same_row(main, 'k', 'p'));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_copied_base(oid, oid, text, text) IS 'step of a merge: what to write into FROM to read the base of a table that was copied row by row and merged';

-- Compares a table of a branch with that of the target, here called main, and writes what is to be done into a temporary
-- table. target and base are what to write into FROM to read the rows of the target, and those of the base:
--
--   act       I, U or D; null: nothing
--   conflict  both sides have changed the row in different ways; act is then what the strategy decides
--   k<n>      column n of main, of the primary key: the row;  v<n>  column n of main: its new values
--
-- Rows s of the branch now, b of the branch at the base, t of main now. Main has changed what differs from the base: also
-- what it changed before the last merge, and the branch has never seen.
CREATE FUNCTION heliosdb.merge_compare(main oid, local oid, target text, base text, added name[], strategy text) RETURNS void
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  source text := heliosdb.branch_relation_name(local);
  key smallint[] := heliosdb.branch_key(main);
  c record;
  columns text[] := '{}';
  keys text[] := '{}';
  numbered text[] := '{}';
  s_kept text[] := ARRAY['s."$there" AS s0'];  -- into the table of modified rows, and out of it
  b_kept text[] := ARRAY['b."$there" AS b0'];
  s_back text[] := ARRAY['d.s0 AS "$there"'];
  b_back text[] := ARRAY['d.b0 AS "$there"'];
  s_row text[] := '{}';
  b_row text[] := '{}';
  t_from_b text[] := '{}';
  t_from_s text[] := '{}';
  clashes text[] := '{false}';
  news text[] := '{}';
BEGIN
  FOR c IN SELECT a.attname AS name, a.attnum AS number, a.attgenerated <> '' AS generated, a.attnum = ANY (key) AS is_key, a.attname = ANY (added) AS is_added
           FROM pg_attribute a JOIN pg_attribute l ON l.attrelid = local AND l.attname = a.attname AND l.attnum > 0 AND NOT l.attisdropped
           WHERE a.attrelid = main AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum LOOP
    columns := columns || quote_ident(c.name);
    s_kept := s_kept || format('s.%I AS s%s', c.name, c.number);
    b_kept := b_kept || format('b.%I AS b%s', c.name, c.number);
    s_back := s_back || format('d.s%s AS %I', c.number, c.name);
    b_back := b_back || format('d.b%s AS %I', c.number, c.name);
    IF c.is_key THEN
      keys := keys || format('COALESCE(s.%1$I, b.%1$I) AS %1$I', c.name);
      numbered := numbered || format('k.%I AS k%s', c.name, c.number);
    END IF;
    CONTINUE WHEN c.generated;
    s_row := s_row || format('s.%I', c.name);
    b_row := b_row || format('b.%I', c.name);
    t_from_s := t_from_s || format('record_image_ne(ROW(t.%1$I), ROW(s.%1$I))', c.name);
    IF c.is_added THEN
      news := news || format('s.%I AS v%s', c.name, c.number);
      CONTINUE;
    END IF;
    t_from_b := t_from_b || format('record_image_ne(ROW(t.%1$I), ROW(b.%1$I))', c.name);
    IF NOT c.is_key THEN
      clashes := clashes || format('(record_image_ne(ROW(s.%1$I), ROW(b.%1$I)) AND record_image_ne(ROW(t.%1$I), ROW(b.%1$I)) AND record_image_ne(ROW(t.%1$I), ROW(s.%1$I)))', c.name);
    END IF;
    news := news || format(
      'CASE WHEN t."$there" IS NULL OR b."$there" IS NULL THEN s.%1$I WHEN record_image_eq(ROW(s.%1$I), ROW(b.%1$I)) THEN t.%1$I '
      'WHEN %3$L = ''branch_wins'' OR record_image_eq(ROW(t.%1$I), ROW(b.%1$I)) THEN s.%1$I ELSE t.%1$I END AS v%2$s', c.name, c.number, strategy);
  END LOOP;
  -- Once the number of modified rows is known, those of main are found by index where they are few.
  EXECUTE format($sql$
    CREATE TEMPORARY TABLE heliosdb_modified ON COMMIT DROP AS
    SELECT %1$s, %2$s
    FROM (SELECT true AS "$there", %3$s FROM %4$s) s
      FULL JOIN (SELECT true AS "$there", %3$s FROM %5$s) b ON %6$s
    WHERE s."$there" IS NULL OR b."$there" IS NULL OR record_image_ne(ROW(%7$s), ROW(%8$s))$sql$,
    array_to_string(s_kept, ', '), array_to_string(b_kept, ', '), array_to_string(columns, ', '), source, base,
    heliosdb.branch_same_row(main, 's', 'b'), array_to_string(s_row, ', '), array_to_string(b_row, ', '));
  ANALYZE pg_temp.heliosdb_modified;
  EXECUTE format($sql$
    CREATE TEMPORARY TABLE %1$I ON COMMIT DROP AS
    SELECT CASE WHEN NOT d.conflict OR %2$L = 'branch_wins' OR (d.by_cell AND %2$L = 'target_wins') THEN d.wanted END AS act, d.*
    FROM (
      SELECT %3$s, %4$s, s."$there" AND b."$there" AND t."$there" AS by_cell,
             CASE WHEN s."$there" IS NULL THEN CASE WHEN t."$there" THEN 'D' END WHEN t."$there" IS NULL THEN 'I' WHEN %5$s THEN 'U' END AS wanted,
             COALESCE(CASE WHEN s."$there" IS NULL THEN t."$there" AND (%6$s)
                           WHEN b."$there" IS NULL THEN t."$there" AND (%5$s)
                           WHEN t."$there" IS NULL THEN true
                           ELSE %7$s END, false) AS conflict
      FROM pg_temp.heliosdb_modified d
        CROSS JOIN LATERAL (SELECT %8$s) s
        CROSS JOIN LATERAL (SELECT %9$s) b
        CROSS JOIN LATERAL (SELECT %10$s) k
        LEFT JOIN (SELECT true AS "$there", %11$s FROM %12$s) t ON %13$s) d$sql$,
    'heliosdb_merge_' || main, strategy, array_to_string(numbered, ', '), array_to_string(news, ', '), array_to_string(t_from_s, ' OR '),
    array_to_string(t_from_b, ' OR '), array_to_string(clashes, ' OR '), array_to_string(s_back, ', '), array_to_string(b_back, ', '),
    array_to_string(keys, ', '), array_to_string(columns, ', '), target, heliosdb.branch_same_row(main, 't', 'k'));
  DROP TABLE pg_temp.heliosdb_modified;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_compare(oid, oid, text, text, name[], text) IS 'step of a merge: what is to be done in a table';

CREATE FUNCTION heliosdb.merge_label(relation oid) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    SELECT CASE WHEN r.main_relid = 0 THEN format('%I.%I', n.nspname, c.relname) ELSE COALESCE(r.main_relid, relation)::regclass::text END
    FROM (VALUES (1)) v LEFT JOIN heliosdb.branch_relations r ON r.local_relid = relation
      LEFT JOIN pg_class c ON c.oid = r.local_relid LEFT JOIN pg_namespace n ON n.oid = r.schema
  $body$;
COMMENT ON FUNCTION heliosdb.merge_label(oid) IS 'step of a merge: what messages call a table, by its schema on main';

CREATE FUNCTION heliosdb.merge_name(target text) RETURNS text
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$SELECT CASE target WHEN 'main' THEN target ELSE format('branch "%s"', target) END$body$;
COMMENT ON FUNCTION heliosdb.merge_name(text) IS 'step of a merge: what messages call its target';

CREATE FUNCTION heliosdb.merge_columns(main oid, local oid, common smallint, target text) RETURNS name[]
  LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  c record;
  added name[] := '{}';
BEGIN
  FOR c IN SELECT m.attname AS main_name, l.attname AS local_name, COALESCE(m.attisdropped, true) AS main_dropped, COALESCE(l.attisdropped, true) AS local_dropped,
                  (m.atttypid, m.atttypmod, m.attcollation) IS DISTINCT FROM (l.atttypid, l.atttypmod, l.attcollation) AS other_type
           FROM generate_series(1, common) n LEFT JOIN pg_attribute m ON m.attrelid = main AND m.attnum = n
             LEFT JOIN pg_attribute l ON l.attrelid = local AND l.attnum = n LOOP
    CONTINUE WHEN c.main_dropped AND c.local_dropped;
    IF c.main_dropped OR c.local_dropped OR c.other_type OR c.main_name <> c.local_name THEN
      RAISE EXCEPTION 'table % cannot be merged: column "%" was %', heliosdb.merge_label(main), CASE WHEN c.main_dropped THEN c.local_name ELSE c.main_name END,
        CASE WHEN c.local_dropped THEN 'dropped on the branch' WHEN c.main_dropped THEN 'dropped on ' || heliosdb.merge_name(target) WHEN c.main_name <> c.local_name THEN 'renamed' ELSE 'given another type' END
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('MERGE BRANCH adds tables and columns; make the other changes on %s first.', heliosdb.merge_name(target));
    END IF;
  END LOOP;
  FOR c IN SELECT l.attname AS name, m.attname IS NULL AS is_new, (m.atttypid, m.atttypmod, m.attcollation) IS DISTINCT FROM (l.atttypid, l.atttypmod, l.attcollation) AS other_type
           FROM pg_attribute l LEFT JOIN pg_attribute m ON m.attrelid = main AND m.attname = l.attname AND NOT m.attisdropped
           WHERE l.attrelid = local AND l.attnum > common AND NOT l.attisdropped ORDER BY l.attnum LOOP
    IF c.is_new THEN
      added := added || c.name;
    ELSIF c.other_type THEN
      RAISE EXCEPTION 'table % cannot be merged: column "%" was added on both sides with different types', heliosdb.merge_label(main), c.name
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
  END LOOP;
  IF heliosdb.branch_same_row(main, 'a', 'b') IS DISTINCT FROM heliosdb.branch_same_row(local, 'a', 'b') AND heliosdb.branch_same_row(main, 'a', 'b') IS NOT NULL THEN
    RAISE EXCEPTION 'table % cannot be merged: its primary key was changed on the branch', heliosdb.merge_label(main) USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  RETURN added;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_columns(oid, oid, smallint, text) IS 'step of a merge: columns that the branch added; an error if definitions contradict each other';

CREATE FUNCTION heliosdb.merge_add_columns(main oid, local oid, added name[], target text) RETURNS void
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  c record;
BEGIN
  FOR c IN SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attgenerated <> '' AS generated, pg_get_expr(d.adbin, d.adrelid) AS value,
                  a.attidentity <> '' OR EXISTS (SELECT FROM pg_depend p JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
                                                 WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass) AS counts,
                  (SELECT format(' COLLATE %I.%I', n.nspname, o.collname) FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
                   WHERE o.oid = a.attcollation AND a.attcollation <> t.typcollation) AS collation
           FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
           WHERE a.attrelid = local AND a.attname = ANY (added) ORDER BY a.attnum LOOP
    IF c.counts THEN
      RAISE EXCEPTION 'column "%" of table % cannot be merged: it takes its values from a sequence', c.name, heliosdb.merge_label(main)
        USING ERRCODE = 'feature_not_supported', HINT = format('Add the column on %s first.', heliosdb.merge_name(target));
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s%s%s', heliosdb.branch_relation_name(main), c.name, c.type, c.collation,
                   CASE WHEN c.generated THEN format(' GENERATED ALWAYS AS (%s) STORED', c.value) WHEN c.value IS NOT NULL THEN ' DEFAULT ' || c.value END);
  END LOOP;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_add_columns(oid, oid, name[], text) IS 'step of a merge: adds the columns that the branch has added';

CREATE FUNCTION heliosdb.merge_add_rest(main oid, local oid, added name[], source text, target text) RETURNS void
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  name text := heliosdb.branch_relation_name(main);
  c record;
BEGIN
  FOR c IN SELECT a.attname AS name FROM pg_attribute a WHERE a.attrelid = local AND a.attname = ANY (added) AND a.attnotnull ORDER BY a.attnum LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', name, c.name);
  END LOOP;
  FOR c IN SELECT replace(pg_get_indexdef(i.indexrelid), format(' ON %s USING ', heliosdb.branch_relation_name(local)), format(' ON %s USING ', name)) AS definition
           FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
           WHERE i.indrelid = local AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
             AND NOT EXISTS (SELECT FROM pg_index j JOIN pg_class m ON m.oid = j.indexrelid WHERE j.indrelid = main AND m.relname = r.relname) ORDER BY r.relname LOOP
    EXECUTE c.definition;
  END LOOP;
  FOR c IN SELECT k.conname AS name, CASE WHEN k.contype = 'f' THEN
                    replace(pg_get_constraintdef(k.oid), format(' REFERENCES %s(', heliosdb.branch_relation_name(k.confrelid)),
                            format(' REFERENCES %s(', heliosdb.branch_relation_name((SELECT o.goal FROM heliosdb.merge_pairs(source, target) o WHERE o.local = k.confrelid))))
                  ELSE pg_get_constraintdef(k.oid) END AS definition
           FROM pg_constraint k
           WHERE k.conrelid = local AND k.contype IN ('c', 'u', 'x', 'p', 'f') AND k.conparentid = 0
             AND NOT EXISTS (SELECT FROM pg_constraint m WHERE m.conrelid = main AND m.conname = k.conname) ORDER BY k.contype = 'f', k.conname LOOP
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', name, c.name, c.definition);
  END LOOP;
  FOR c IN SELECT heliosdb.branch_statistics(s.oid, b.oid, main) AS definition, s.stxstattarget AS target, b.nspname AS schema, s.stxname AS name
           FROM pg_statistic_ext s JOIN pg_namespace o ON o.oid = s.stxnamespace
             JOIN heliosdb.branch_forks k ON k.name = merge_add_rest.source
             JOIN pg_namespace b ON heliosdb.branch_space(k.id, b.nspname) = quote_ident(regexp_replace(o.nspname, '^heliosdb_c', 'heliosdb_b'))
           WHERE s.stxrelid = local AND NOT EXISTS (SELECT FROM pg_statistic_ext m WHERE m.stxrelid = main AND m.stxname = s.stxname AND (target <> 'main' OR m.stxnamespace = b.oid))
           ORDER BY s.stxname LOOP
    EXECUTE c.definition;
    IF c.target >= 0 THEN
      EXECUTE format('ALTER STATISTICS %I.%I SET STATISTICS %s', c.schema, c.name, c.target);
    END IF;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_add_rest(oid, oid, name[], text, text) IS 'step of a merge: adds the indexes, statistics and constraints that the branch has added';

CREATE FUNCTION heliosdb.merge_begin(source text, target text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_merge_begin' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.merge_begin(text, text) IS 'step of a merge: checks who merges what, and keeps others away';
CREATE FUNCTION heliosdb.merge_goal(relation oid) RETURNS oid
  AS 'MODULE_PATHNAME', 'helios_merge_goal' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.merge_goal(oid) IS 'step of a merge into a branch: the table of the session''s branch for one of main or one that it inherited, with rows of its own';
CREATE FUNCTION heliosdb.merge_table(branch bigint, local oid) RETURNS oid
  AS 'MODULE_PATHNAME', 'helios_merge_table' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.merge_table(bigint, oid) IS 'step of a merge: creates on the branch of the session a table that was created on the branch to be merged';
CREATE FUNCTION heliosdb.merge_end(branch bigint) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_merge_end' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.merge_end(bigint) IS 'step of a merge: notes the new base';
CREATE FUNCTION heliosdb.merge_sequences(branch bigint) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_merge_sequences' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.merge_sequences(bigint) IS 'step of a merge: moves sequences of the branch of the session on';

-- What a merge has to look at. A copy that both sides have made of a table of main has its first columns in common, one that
-- was inherited those that there were at the fork.
CREATE FUNCTION heliosdb.merge_pairs(source text, target text, OUT main oid, OUT local oid, OUT goal oid, OUT is_new boolean, OUT is_gone boolean, OUT kind "char", OUT name name,
                                     OUT is_part boolean, OUT is_made boolean, OUT common smallint, OUT merged text, OUT merged_now boolean,
                                     OUT origin_relid oid, OUT origin_columns smallint, OUT origin_fork text, OUT carrier text, OUT is_partial boolean) RETURNS SETOF record
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT c.main, c.local, COALESCE(g.local, NULLIF(c.main, 0)), COALESCE(g.local, NULLIF(c.main, 0)) IS NULL AND c.shared = 0, COALESCE(g.local = 0, c.main = 0 AND c.shared > 0 AND target <> 'main'),
           r.relkind, r.relname, COALESCE(r.relispartition, false), c.is_made OR (c.source = 0 AND r.relkind IS DISTINCT FROM 'v'),
           CASE WHEN target = 'main' THEN c.columns WHEN c.shared > 0 THEN c.shared ELSE LEAST(c.columns, g.columns) END, c.merged, c.merged_now,
           COALESCE(NULLIF(c.source, 0), c.main), CASE WHEN c.source <> 0 THEN c.shared ELSE c.columns END, CASE WHEN c.source <> 0 THEN c.source_fork ELSE f.main_fork END, c.carrier, c.is_partial
    FROM heliosdb.branch_contents(merge_pairs.source) c JOIN heliosdb.branch_forks f ON f.name = merge_pairs.source
      LEFT JOIN heliosdb.branch_contents(merge_pairs.target) g ON (c.main <> 0 AND g.main = c.main) OR (c.origin <> 0 AND g.origin = c.origin)
      LEFT JOIN pg_class r ON r.oid = NULLIF(c.local, 0)
  $body$;
COMMENT ON FUNCTION heliosdb.merge_pairs(text, text) IS 'step of a merge: what a branch has, with what the target has in its place, and where its rows came from';

CREATE FUNCTION heliosdb.merge_levels(tables oid[], OUT relation oid, OUT level integer) RETURNS SETOF record
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    WITH RECURSIVE step (relation, level) AS (
      SELECT t, 0 FROM unnest(tables) t
      UNION
      SELECT c.conrelid, s.level + 1 FROM step s JOIN pg_constraint c ON c.contype = 'f' AND c.confrelid = s.relation AND c.conrelid <> c.confrelid
      WHERE c.conrelid = ANY (tables) AND s.level < cardinality(tables))
    SELECT s.relation, max(s.level) FROM step s GROUP BY s.relation
  $body$;
COMMENT ON FUNCTION heliosdb.merge_levels(oid[]) IS 'step of a merge: tables, those that foreign keys refer to below those that have them';

-- The same for a table without a primary key, whose rows are counted: wanted is how many of a row are to be added or
-- taken away, other what main itself has done.
CREATE FUNCTION heliosdb.merge_compare_bag(main oid, local oid, target text, base text, former text) RETURNS void
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  source text := heliosdb.branch_relation_name(local);
  columns text := heliosdb.merge_common_columns(main, local, true);
BEGIN
  EXECUTE format($sql$
    CREATE TEMPORARY TABLE %1$I ON COMMIT DROP AS
    SELECT r.image, min(r.key) AS key, sum(r.s - r.b) AS wanted, sum(r.t - r.o) AS other
    FROM (SELECT record_send(ROW(%2$s)) AS image, ROW(%2$s)::text AS key, 1 AS s, 0 AS b, 0 AS t, 0 AS o FROM %3$s
          UNION ALL SELECT record_send(ROW(%2$s)), ROW(%2$s)::text, 0, 1, 0, 0 FROM %4$s
          UNION ALL SELECT record_send(ROW(%2$s)), ROW(%2$s)::text, 0, 0, 1, 0 FROM %5$s
          UNION ALL SELECT record_send(ROW(%2$s)), ROW(%2$s)::text, 0, 0, 0, 1 FROM %6$s) r
    GROUP BY r.image HAVING sum(r.s - r.b) <> 0 OR sum(r.t - r.o) <> 0$sql$,
    'heliosdb_merge_' || main, columns, source, base, target, former);
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_compare_bag(oid, oid, text, text, text) IS 'step of a merge: what is to be done in a table without a primary key';

-- On the target the tables of the branch cannot be read.
CREATE FUNCTION heliosdb.merge_keep_rows(local oid) RETURNS void
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  EXECUTE format('CREATE TEMPORARY TABLE %I ON COMMIT DROP AS SELECT * FROM %s', 'heliosdb_rows_' || local, heliosdb.branch_relation_name(local));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_keep_rows(oid) IS 'step of a merge: copies the rows of a table of the branch into a temporary one';

CREATE FUNCTION heliosdb.merge_common_columns(main oid, local oid, generated boolean, prefix text DEFAULT '') RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT string_agg(prefix || quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_attribute a JOIN pg_attribute l ON l.attrelid = local AND l.attname = a.attname AND l.attnum > 0 AND NOT l.attisdropped
    WHERE a.attrelid = main AND a.attnum > 0 AND NOT a.attisdropped AND (generated OR a.attgenerated = '')
  $body$;
COMMENT ON FUNCTION heliosdb.merge_common_columns(oid, oid, boolean, text) IS 'step of a merge: columns that both tables have';

CREATE FUNCTION heliosdb.merge_caller() RETURNS text[]
  LANGUAGE sql STABLE PARALLEL SAFE AS $body$
    SELECT ARRAY[pg_catalog.current_setting('search_path'), pg_catalog.current_setting('datestyle'), pg_catalog.current_setting('timezone')]
  $body$;
COMMENT ON FUNCTION heliosdb.merge_caller() IS 'step of a merge: settings of the caller, for triggers';

-- Triggers of main run with the settings of the caller; the statement itself names operators by their schema.
CREATE FUNCTION heliosdb.merge_run(caller text[], statement text) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $body$
DECLARE
  counted bigint;
BEGIN
  PERFORM set_config('timezone', caller[3], true), set_config('datestyle', caller[2], true), set_config('search_path', caller[1], true);
  EXECUTE statement INTO counted;
  RETURN counted;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_run(text[], text) IS 'step of a merge: runs a statement with the settings of the caller; returns the number that it selects';

-- Statements that change no row are left out: triggers of statements and rules of main have nothing to do with them.
CREATE FUNCTION heliosdb.merge_has(main oid, condition text) RETURNS boolean
  LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  found_any boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM pg_temp.%I WHERE %s)', 'heliosdb_merge_' || main, condition) INTO found_any;
  RETURN found_any;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_has(oid, text) IS 'step of a merge: whether something of a kind is to be done in a table';

CREATE FUNCTION heliosdb.merge_bag_delete(main oid, local oid, caller text[]) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  IF NOT heliosdb.merge_has(main, 'wanted < 0') THEN
    RETURN 0;
  END IF;
  RETURN heliosdb.merge_run(caller, format($sql$
    WITH gone AS (
      DELETE FROM %1$s t USING (
        SELECT tableoid AS leaf, ctid AS place, pg_catalog.record_send(ROW(%2$s)) AS image,
               pg_catalog.row_number() OVER (PARTITION BY pg_catalog.record_send(ROW(%2$s))) AS number FROM %1$s
      ) n, pg_temp.%3$I m
      WHERE t.tableoid OPERATOR(pg_catalog.=) n.leaf AND t.ctid OPERATOR(pg_catalog.=) n.place AND n.image OPERATOR(pg_catalog.=) m.image
        AND n.number OPERATOR(pg_catalog.<=) (OPERATOR(pg_catalog.-) m.wanted) RETURNING 1)
    SELECT pg_catalog.count(*) FROM gone$sql$,
    heliosdb.branch_relation_name(main), heliosdb.merge_common_columns(main, local, true), 'heliosdb_merge_' || main));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_bag_delete(oid, oid, text[]) IS 'step of a merge: deletes rows of a table without a primary key';

CREATE FUNCTION heliosdb.merge_bag_insert(main oid, local oid, caller text[]) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  IF NOT heliosdb.merge_has(main, 'wanted > 0') THEN
    RETURN 0;
  END IF;
  RETURN heliosdb.merge_run(caller, format($sql$
    WITH back AS (
      INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE
      SELECT %3$s FROM (SELECT %4$s, pg_catalog.record_send(ROW(%4$s)) AS "$image",
                               pg_catalog.row_number() OVER (PARTITION BY pg_catalog.record_send(ROW(%4$s))) AS "$number" FROM %5$s) n
        JOIN pg_temp.%6$I m ON m.image OPERATOR(pg_catalog.=) n."$image" WHERE n."$number" OPERATOR(pg_catalog.<=) m.wanted RETURNING 1)
    SELECT pg_catalog.count(*) FROM back$sql$,
    heliosdb.branch_relation_name(main), heliosdb.merge_common_columns(main, local, false), heliosdb.merge_common_columns(main, local, false, 'n.'),
    heliosdb.merge_common_columns(main, local, true), format('pg_temp.%I', 'heliosdb_rows_' || local), 'heliosdb_merge_' || main));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_bag_insert(oid, oid, text[]) IS 'step of a merge: inserts rows into a table without a primary key';

CREATE FUNCTION heliosdb.merge_keys(relation oid, alias text) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT string_agg(format('%s.k%s AS %I', alias, a.attnum, a.attname), ', ')
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = ANY (heliosdb.branch_key(relation))
  $body$;
COMMENT ON FUNCTION heliosdb.merge_keys(oid, text) IS 'step of a merge: the primary key of what is to be done, by the names of its columns';

CREATE FUNCTION heliosdb.merge_row(main oid, local oid, alias text, rest text) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT format('SELECT %s FROM (SELECT %s) n',
                  string_agg(CASE WHEN a.attgenerated = '' THEN quote_ident(a.attname) ELSE format('(%s) AS %I', pg_get_expr(d.adbin, d.adrelid), a.attname) END, ', '),
                  string_agg(CASE WHEN l.attname IS NULL THEN format('%s.%I', rest, a.attname) ELSE format('%s.v%s AS %I', alias, a.attnum, a.attname) END, ', ')
                    FILTER (WHERE a.attgenerated = ''))
    FROM pg_attribute a LEFT JOIN pg_attribute l ON l.attrelid = local AND l.attname = a.attname AND l.attnum > 0 AND NOT l.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = main AND a.attnum > 0 AND NOT a.attisdropped
  $body$;
COMMENT ON FUNCTION heliosdb.merge_row(oid, oid, text, text) IS 'step of a merge: the row that a modified one becomes; columns that only main has are those of the row "rest"';

CREATE FUNCTION heliosdb.merge_refers(reference oid, parent text, child text) RETURNS text
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT string_agg(format('%s.%I OPERATOR(%I.%s) %s.%I', parent, p.attname, n.nspname, o.oprname, child, c.attname), ' AND ')
    FROM pg_constraint f CROSS JOIN LATERAL unnest(f.conkey, f.confkey, f.conpfeqop) k (referring, referred, equal)
      JOIN pg_attribute c ON c.attrelid = f.conrelid AND c.attnum = k.referring JOIN pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = k.referred
      JOIN pg_operator o ON o.oid = k.equal JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE f.oid = reference
  $body$;
COMMENT ON FUNCTION heliosdb.merge_refers(oid, text, text) IS 'condition that a row refers to another one by a foreign key';

-- Rows that the branch deleted, and others refer to when the merge has done what it has to do with those:
--
--   a row that stays as it is    a conflict: main has added it, or let it refer there
--   one that is modified         L instead of D: deleted when that one refers elsewhere
--   one that is L itself         L
--
-- Until nothing changes any more, for what is decided for one row decides for those that it refers to.
CREATE FUNCTION heliosdb.merge_check_references(tables oid[], locals oid[], strategy text) RETURNS text[]
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  f record;
  place integer;
  referring text;  -- rows of main that refer to a row d of the parent's
  stays text;
  list text;
  found bigint;
  changed bigint;
  sample text;
  details text[] := '{}';
BEGIN
  LOOP
    changed := 0;
    FOR f IN SELECT k.oid, k.conrelid, k.confrelid, k.confdeltype, r.child, r.parent FROM pg_constraint k
               CROSS JOIN LATERAL (SELECT COALESCE(pg_partition_root(k.conrelid)::oid, k.conrelid) AS child, COALESCE(pg_partition_root(k.confrelid)::oid, k.confrelid) AS parent) r
               JOIN heliosdb.merge_levels(tables) l ON l.relation = r.parent
             WHERE k.contype = 'f' AND k.conparentid = 0 AND heliosdb.branch_key(r.parent) IS NOT NULL ORDER BY l.level DESC, k.oid LOOP
      CONTINUE WHEN NOT heliosdb.merge_has(f.parent, 'act = ''D''');
      place := array_position(tables, f.child);
      -- What the role may not see, the foreign key itself refuses, unless it acts on it.
      IF place IS NULL AND (NOT has_table_privilege(f.conrelid, 'SELECT') OR row_security_active(f.conrelid)) THEN
        CONTINUE WHEN f.confdeltype IN ('a', 'r');
        RAISE EXCEPTION 'rows of table % may refer to rows of % that the branch has deleted', heliosdb.merge_label(f.conrelid), heliosdb.merge_label(f.parent)
          USING ERRCODE = 'insufficient_privilege', DETAIL = 'This role does not see all of them, and a foreign key would change them.',
                HINT = 'Let a role merge that may read the table and bypasses its row-level security.';
      END IF;
      referring := format('FROM pg_temp.%I d CROSS JOIN LATERAL (SELECT %s) k JOIN %s p ON %s JOIN %s c ON %s', 'heliosdb_merge_' || f.parent,
                          heliosdb.merge_keys(f.parent, 'd'), heliosdb.branch_relation_name(f.confrelid), heliosdb.branch_same_row(f.parent, 'p', 'k'),
                          heliosdb.branch_relation_name(f.conrelid), heliosdb.merge_refers(f.oid, 'p', 'c'));
      stays := CASE
        WHEN place IS NULL THEN 'true'
        WHEN heliosdb.branch_key(f.child) IS NULL THEN
          format('NOT EXISTS (SELECT FROM pg_temp.%I m WHERE m.wanted < 0 AND m.image = record_send(ROW(%s)))', 'heliosdb_merge_' || f.child,
                 heliosdb.merge_common_columns(f.child, locals[place], true, 'c.'))
        ELSE
          format('NOT EXISTS (SELECT FROM pg_temp.%I m CROSS JOIN LATERAL (SELECT %s) k CROSS JOIN LATERAL (%s) n WHERE %s AND (m.act IN (''D'', ''L'') OR m.act = ''U'' AND (%s) IS NOT TRUE))',
                 'heliosdb_merge_' || f.child, heliosdb.merge_keys(f.child, 'm'), heliosdb.merge_row(f.child, locals[place], 'm', 'c'),
                 heliosdb.branch_same_row(f.child, 'c', 'k'), heliosdb.merge_refers(f.oid, 'p', 'n')) END;
      SELECT string_agg(format('g.k%s', k), ', ') INTO list FROM unnest(heliosdb.branch_key(f.parent)) k;
      EXECUTE format($sql$
        WITH hit AS (
          UPDATE pg_temp.%1$I g SET conflict = true, act = CASE WHEN %2$L = 'branch_wins' THEN g.act END
          FROM (SELECT d.ctid AS place %3$s WHERE d.act = 'D' AND NOT d.conflict AND %4$s) r WHERE g.ctid = r.place RETURNING ROW(%5$s)::text AS key)
        SELECT count(*), (SELECT string_agg(s.key, ', ') FROM (SELECT key FROM hit ORDER BY key LIMIT 10) s) FROM hit$sql$,
        'heliosdb_merge_' || f.parent, strategy, referring, stays, list) INTO found, sample;
      changed := changed + found;
      IF found > 0 THEN
        details := details || format('%s: %s deleted on the branch, referenced from %s', heliosdb.merge_label(f.parent), sample, heliosdb.merge_label(f.child));
      END IF;
      CONTINUE WHEN place IS NULL OR heliosdb.branch_key(f.child) IS NULL;
      EXECUTE format($sql$
        WITH hit AS (
          UPDATE pg_temp.%1$I g SET act = 'L'
          FROM (SELECT d.ctid AS place %2$s JOIN (SELECT %3$s FROM pg_temp.%4$I m WHERE m.act IN ('U', 'L')) m ON %5$s WHERE d.act = 'D') r
          WHERE g.ctid = r.place RETURNING 1)
        SELECT count(*) FROM hit$sql$,
        'heliosdb_merge_' || f.parent, referring, heliosdb.merge_keys(f.child, 'm'), 'heliosdb_merge_' || f.child, heliosdb.branch_same_row(f.child, 'c', 'm')) INTO found;
      changed := changed + found;
    END LOOP;
    EXIT WHEN changed = 0;
  END LOOP;
  RETURN details;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_check_references(oid[], oid[], text) IS 'step of a merge: conflicts of deleted rows with those that refer to them, and which are deleted late';

CREATE FUNCTION heliosdb.merge_delete(main oid, what text, caller text[]) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  IF NOT heliosdb.merge_has(main, format('act = %L', what)) THEN
    RETURN 0;
  END IF;
  RETURN heliosdb.merge_run(caller, format(
    'WITH gone AS (DELETE FROM %s t USING pg_temp.%I m CROSS JOIN LATERAL (SELECT %s) k WHERE m.act OPERATOR(pg_catalog.=) %L AND %s RETURNING 1) '
    'SELECT pg_catalog.count(*) FROM gone', heliosdb.branch_relation_name(main), 'heliosdb_merge_' || main, heliosdb.merge_keys(main, 'm'), what,
    heliosdb.branch_same_row(main, 't', 'k')));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_delete(oid, text, text[]) IS 'step of a merge: deletes rows, all or those that are deleted late';

-- Rows that get values of a unique index which another row has still:
--
--   one that is modified                    X instead of U: both are deleted and inserted anew
--   one that is deleted late, or after it   Z instead of U, J instead of I: done when that has gone
CREATE FUNCTION heliosdb.merge_find_exchanged(main oid, local oid) RETURNS void
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  target text := heliosdb.branch_relation_name(main);
  i record;
  takers text;  -- rows m that get what a row h has on main
  found bigint;
  changed bigint;
BEGIN
  LOOP
    changed := 0;
    FOR i IN SELECT string_agg(format('(%s) AS e%s', pg_get_indexdef(x.indexrelid, k.place::integer, true), k.place), ', ') AS entry,
                    string_agg(format('n.e%1$s OPERATOR(%2$I.%3$s) h.e%1$s', k.place, s.nspname, o.oprname), ' AND ') AS same
             FROM pg_index x CROSS JOIN LATERAL unnest(x.indclass::oid[]) WITH ORDINALITY k (opclass, place)
               JOIN pg_opclass f ON f.oid = k.opclass
               JOIN pg_amop m ON m.amopfamily = f.opcfamily AND m.amoplefttype = f.opcintype AND m.amoprighttype = f.opcintype AND m.amopstrategy = 3
               JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace s ON s.oid = o.oprnamespace
             WHERE x.indrelid = main AND x.indisunique AND x.indimmediate AND NOT x.indisprimary AND k.place <= x.indnkeyatts GROUP BY x.indexrelid LOOP
      takers := format($sql$
        FROM pg_temp.%1$I m CROSS JOIN LATERAL (SELECT %2$s) k LEFT JOIN %3$s t ON %4$s CROSS JOIN LATERAL (SELECT %5$s FROM (%6$s) r) n
          JOIN (SELECT o.ctid AS place, o.act, e.* FROM pg_temp.%1$I o CROSS JOIN LATERAL (SELECT %7$s) k JOIN %3$s t ON %4$s
                  CROSS JOIN LATERAL (SELECT %5$s FROM (SELECT t.*) r) e WHERE o.act IN ('U', 'X', 'L', 'Z')) h ON %8$s AND h.place <> m.ctid$sql$,
        'heliosdb_merge_' || main, heliosdb.merge_keys(main, 'm'), target, heliosdb.branch_same_row(main, 't', 'k'), i.entry,
        heliosdb.merge_row(main, local, 'm', 't'), heliosdb.merge_keys(main, 'o'), i.same);
      EXECUTE format($sql$
        WITH hit AS (
          UPDATE pg_temp.%1$I g SET act = CASE WHEN NOT r.late THEN 'X' WHEN g.act = 'I' THEN 'J' ELSE 'Z' END
          FROM (SELECT m.ctid AS place, bool_or(h.act IN ('L', 'Z')) AS late %2$s WHERE m.act IN ('U', 'X', 'I') GROUP BY m.ctid) r
          WHERE g.ctid = r.place AND (r.late OR g.act = 'U') RETURNING 1)
        SELECT count(*) FROM hit$sql$, 'heliosdb_merge_' || main, takers) INTO found;
      changed := changed + found;
    END LOOP;
    EXIT WHEN changed = 0;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_find_exchanged(oid, oid) IS 'step of a merge: rows that would meet others half-way in a unique index';

CREATE FUNCTION heliosdb.merge_insert(main oid, local oid, what text, caller text[]) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  columns text;
  news text;
BEGIN
  IF NOT heliosdb.merge_has(main, format('act = %L', what)) THEN
    RETURN 0;
  END IF;
  SELECT string_agg(quote_ident(a.attname), ', '), string_agg(format('m.v%s', a.attnum), ', ') INTO columns, news
    FROM pg_attribute a JOIN pg_attribute l ON l.attrelid = local AND l.attname = a.attname AND NOT l.attisdropped
    WHERE a.attrelid = main AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
  RETURN heliosdb.merge_run(caller, format(
    'WITH back AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pg_temp.%I m WHERE m.act OPERATOR(pg_catalog.=) %L RETURNING 1) '
    'SELECT pg_catalog.count(*) FROM back', heliosdb.branch_relation_name(main), columns, news, 'heliosdb_merge_' || main, what));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_insert(oid, oid, text, text[]) IS 'step of a merge: inserts rows, all or those that are inserted late';

CREATE FUNCTION heliosdb.merge_loose_keys(main oid) RETURNS smallint[]
  LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
  RETURN ARRAY(
    SELECT k.attnum FROM pg_index i
      CROSS JOIN LATERAL unnest(i.indkey::smallint[], i.indclass::oid[], i.indcollation::oid[]) WITH ORDINALITY k (attnum, opclass, collated, place)
      JOIN pg_opclass o ON o.oid = k.opclass
    WHERE i.indrelid = main AND i.indisprimary AND k.place <= i.indnkeyatts
      AND (NOT EXISTS (SELECT FROM pg_amproc p WHERE p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype AND p.amprocrighttype = o.opcintype AND p.amprocnum = 4)
           OR EXISTS (SELECT FROM pg_collation c WHERE c.oid = k.collated AND NOT c.collisdeterministic)));
COMMENT ON FUNCTION heliosdb.merge_loose_keys(oid) IS 'columns of the primary key whose values can be equal and look different, as 1.0 and 1.00';

CREATE FUNCTION heliosdb.merge_update(main oid, local oid, caller text[]) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  changes text;
BEGIN
  SELECT string_agg(format('%I = m.v%s', a.attname, a.attnum), ', ') INTO changes
    FROM pg_attribute a JOIN pg_attribute l ON l.attrelid = local AND l.attname = a.attname AND NOT l.attisdropped
    WHERE a.attrelid = main AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
      AND (a.attnum <> ALL (heliosdb.branch_key(main)) OR a.attnum = ANY (heliosdb.merge_loose_keys(main)));
  IF changes IS NULL OR NOT heliosdb.merge_has(main, 'act = ''U''') THEN
    RETURN 0;
  END IF;
  RETURN heliosdb.merge_run(caller, format(
    'WITH changed AS (UPDATE %1$s t SET %2$s FROM pg_temp.%3$I m CROSS JOIN LATERAL (SELECT %4$s) k WHERE m.act OPERATOR(pg_catalog.=) ''U'' AND %5$s RETURNING 1) '
    'SELECT pg_catalog.count(*) FROM changed', heliosdb.branch_relation_name(main), changes, 'heliosdb_merge_' || main,
    heliosdb.merge_keys(main, 'm'), heliosdb.branch_same_row(main, 't', 'k')));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_update(oid, oid, text[]) IS 'step of a merge: updates rows';

CREATE FUNCTION heliosdb.merge_exchange(main oid, local oid, what text, caller text[]) RETURNS bigint
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  target text := heliosdb.branch_relation_name(main);
  f record;
  keys text := heliosdb.merge_keys(main, 'm');
  same text := heliosdb.branch_same_row(main, 't', 'k');
  hit boolean;
  columns text;
  numbered text;
  news text;
BEGIN
  IF NOT heliosdb.merge_has(main, format('act = %L', what)) THEN
    RETURN 0;
  END IF;
  FOR f IN SELECT k.oid, k.conname, k.conrelid FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = main AND k.conparentid = 0 AND k.confdeltype <> 'a' LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM pg_temp.%I m CROSS JOIN LATERAL (SELECT %s) k JOIN %s t ON %s JOIN %s c ON %s WHERE m.act = %L)',
                   'heliosdb_merge_' || main, keys, target, same, heliosdb.branch_relation_name(f.conrelid), heliosdb.merge_refers(f.oid, 't', 'c'), what) INTO hit;
    IF hit THEN
      RAISE EXCEPTION 'rows of table % have exchanged values of unique columns, and table % refers to them', heliosdb.merge_label(main), heliosdb.merge_label(f.conrelid)
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = format('They would have to be deleted and inserted anew, on which foreign key "%s" acts.', f.conname),
              HINT = 'Let the unique constraint be DEFERRABLE on main, or the foreign key ON DELETE NO ACTION.';
    END IF;
  END LOOP;
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), string_agg(format('g.c%s', a.attnum), ', ' ORDER BY a.attnum),
         string_agg(CASE WHEN l.attname IS NULL OR a.attidentity = 'a' THEN format('t.%I', a.attname) ELSE format('m.v%s', a.attnum) END || format(' AS c%s', a.attnum), ', ' ORDER BY a.attnum)
    INTO columns, numbered, news
    FROM pg_attribute a LEFT JOIN pg_attribute l ON l.attrelid = local AND l.attname = a.attname AND l.attnum > 0 AND NOT l.attisdropped
    WHERE a.attrelid = main AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
  -- All are deleted before the first one is inserted, for that counts them.
  RETURN heliosdb.merge_run(caller, format($sql$
    WITH gone AS (
      DELETE FROM %1$s t USING pg_temp.%2$I m CROSS JOIN LATERAL (SELECT %3$s) k WHERE m.act OPERATOR(pg_catalog.=) %8$L AND %4$s RETURNING %5$s
    ), back AS (
      INSERT INTO %1$s (%6$s) OVERRIDING SYSTEM VALUE SELECT %7$s FROM gone g WHERE (SELECT pg_catalog.count(*) FROM gone) IS NOT NULL RETURNING 1)
    SELECT pg_catalog.count(*) FROM back$sql$, target, 'heliosdb_merge_' || main, keys, same, news, columns, numbered, what));
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_exchange(oid, oid, text, text[]) IS 'step of a merge: deletes rows that exchange values of unique columns, and inserts them anew';

CREATE FUNCTION heliosdb.merge_check_count(main oid, condition text, counted bigint) RETURNS bigint
  LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  wanted bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM pg_temp.%I WHERE %s', 'heliosdb_merge_' || main, condition) INTO wanted;
  IF counted <> wanted THEN
    RAISE EXCEPTION 'rows of table % were taken away while the branch was merged', heliosdb.merge_label(main)
      USING ERRCODE = 'triggered_data_change_violation', DETAIL = 'A trigger or ON DELETE CASCADE did that.';
  END IF;
  RETURN counted;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_check_count(oid, text, bigint) IS 'step of a merge: the number of rows that were updated; an error if some were not there';

-- What stands in the way is found before the first row is changed.
CREATE FUNCTION heliosdb.merge_into(source text, target text, options jsonb, preview boolean, caller text[], OUT inserted bigint, OUT updated bigint, OUT deleted bigint) RETURNS record
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
  SET search_path = pg_catalog, pg_temp SET heliosdb.branch = '' SET datestyle = 'ISO' SET timezone = 'UTC' AS $body$
DECLARE
  strategy text := heliosdb.merge_strategy(options);
  branch bigint;
  pair record;
  tables oid[] := '{}';
  locals oid[] := '{}';
  mergeds text[] := '{}';
  origins oid[] := '{}';
  origin_columns smallint[] := '{}';
  origin_forks text[] := '{}';
  carriers text[] := '{}';  -- null: copied as a whole
  are_partial boolean[] := '{}';
  is_new boolean[] := '{}';
  commons smallint[] := '{}';
  place integer;
  added name[];
  relation oid;
  found bigint;
  conflicts bigint := 0;
  details text[] := '{}';
  references_lost text[];
  sample text;
  lost name;
  goal text;
  base text;
  copied text;
  former text;
  keys text;
  columns text;
  counted bigint;
BEGIN
  inserted := 0;
  updated := 0;
  deleted := 0;
  branch := heliosdb.merge_begin(source, target);
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'branch "%" cannot be merged in a transaction with one snapshot', source
      USING ERRCODE = 'active_sql_transaction', DETAIL = 'Its snapshot may lack changes that were committed before the tables were locked.',
            HINT = 'Use a READ COMMITTED transaction.';
  END IF;
  IF NOT preview AND target <> 'main' THEN
    PERFORM set_config('heliosdb.branch', target, true);
    PERFORM heliosdb.merge_goal(p.goal) FROM heliosdb.merge_pairs(source, target) p
      WHERE p.goal <> 0 AND p.local <> 0 AND p.is_made AND p.kind IN ('r', 'p') AND NOT p.is_part ORDER BY p.goal;
    PERFORM set_config('heliosdb.branch', '', true);
  END IF;
  -- Locks come in the order of OIDs, those of the target first. What a branch only reads is main's and stays as it was.
  FOR pair IN SELECT p.* FROM heliosdb.merge_pairs(source, target) p JOIN pg_class r ON r.oid = p.goal AND r.relkind IN ('r', 'p')
              WHERE p.local <> 0 AND p.is_made AND (target = 'main' OR p.goal <> p.main) ORDER BY p.goal LOOP
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', heliosdb.branch_relation_name(pair.goal));
  END LOOP;
  FOR pair IN SELECT p.* FROM heliosdb.merge_pairs(source, target) p ORDER BY p.main, p.local LOOP
    CONTINUE WHEN NOT pair.is_made OR (pair.local = 0 AND pair.is_gone);
    CONTINUE WHEN pair.kind = 'S' OR pair.is_part OR (pair.local = 0 AND NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = pair.goal AND r.relkind IN ('r', 'p')));
    IF pair.local = 0 THEN
      RAISE EXCEPTION 'branch "%" cannot be merged: it dropped table %', source, heliosdb.merge_label(pair.goal)
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'MERGE BRANCH adds tables and columns; it drops nothing.';
    ELSIF pair.kind = 'v' THEN
      RAISE WARNING 'view "%" of branch "%" is not merged', pair.name, source USING HINT = format('Create it on %s.', heliosdb.merge_name(target));
      CONTINUE;
    ELSIF pair.kind = 'm' THEN
      IF pair.main = 0 THEN
        RAISE WARNING 'materialized view "%" of branch "%" is not merged', pair.name, source USING HINT = format('Create it on %s.', heliosdb.merge_name(target));
      END IF;
      CONTINUE;
    ELSIF pair.is_gone THEN
      RAISE EXCEPTION 'table "%" of branch "%" cannot be merged: it was dropped on %', pair.name, source, heliosdb.merge_name(target)
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Drop it on both sides, or create it anew on the branch.';
    ELSIF pair.kind = 'p' AND pair.is_new THEN
      RAISE EXCEPTION 'table "%" of branch "%" cannot be merged: it is partitioned, and new', pair.name, source
        USING ERRCODE = 'feature_not_supported', HINT = format('Create it on %s first.', heliosdb.merge_name(target));
    ELSIF pair.merged_now THEN
      RAISE EXCEPTION 'branch "%" was merged by this transaction already', source USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    FOR sample IN SELECT w.rulename FROM pg_rewrite w WHERE w.ev_class = pair.local
                    AND NOT EXISTS (SELECT FROM pg_rewrite m WHERE m.ev_class = pair.goal AND m.rulename = w.rulename) ORDER BY 1 LOOP
      RAISE WARNING 'rule "%" of table "%" on branch "%" is not merged', sample, pair.name, source USING HINT = format('Create it on %s.', heliosdb.merge_name(target));
    END LOOP;
    IF NOT pair.is_new AND row_security_active(pair.goal) THEN
      RAISE EXCEPTION 'table % has row-level security for this role', heliosdb.merge_label(pair.goal)
        USING ERRCODE = 'insufficient_privilege', HINT = 'Let a role merge that bypasses row-level security.';
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', heliosdb.branch_relation_name(pair.local));
    SELECT n.attname INTO lost FROM pg_attribute n JOIN pg_attribute s ON s.attrelid = pair.origin_relid AND s.attnum = n.attnum AND s.attisdropped
      WHERE n.attrelid = pair.local AND n.attnum BETWEEN 1 AND pair.origin_columns AND NOT n.attisdropped AND pair.merged IS NULL AND pair.origin_relid <> pair.goal;
    IF FOUND THEN
      RAISE EXCEPTION 'table % cannot be merged: column "%" was dropped from %, where both sides have it from', heliosdb.merge_label(pair.goal), lost, pair.origin_relid::regclass
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    tables := tables || COALESCE(pair.goal, 0);
    locals := locals || pair.local;
    mergeds := mergeds || pair.merged;
    origins := origins || pair.origin_relid;
    origin_columns := origin_columns || pair.origin_columns;
    origin_forks := origin_forks || pair.origin_fork;
    carriers := carriers || pair.carrier;
    are_partial := are_partial || pair.is_partial;
    is_new := is_new || pair.is_new;
    commons := commons || pair.common;
  END LOOP;

  FOR place IN 1 .. cardinality(tables) LOOP
    IF is_new[place] AND NOT preview THEN
      PERFORM heliosdb.merge_keep_rows(locals[place]);
    END IF;
    CONTINUE WHEN is_new[place];
    added := heliosdb.merge_columns(tables[place], locals[place], commons[place], target);
    IF NOT preview AND cardinality(added) > 0 THEN
      PERFORM set_config('heliosdb.branch', target, true);
      PERFORM heliosdb.merge_add_columns(tables[place], locals[place], added, target);
      PERFORM set_config('heliosdb.branch', '', true);
    END IF;
    goal := heliosdb.branch_relation_name(tables[place]);
    copied := format('%s TABLESAMPLE %s', heliosdb.branch_relation_name(locals[place]), mergeds[place]);
    base := CASE WHEN are_partial[place] THEN carriers[place] || quote_literal('c') || ')' ELSE origin_forks[place] END;
    base := CASE WHEN origins[place] = tables[place] THEN format('%s TABLESAMPLE %s', goal, base)
                 ELSE heliosdb.branch_rows(origins[place], locals[place], origin_columns[place], tables[place], base) END;
    IF mergeds[place] IS NOT NULL AND carriers[place] IS NOT NULL THEN
      PERFORM heliosdb.merge_deleted(branch, locals[place]);
      base := heliosdb.merge_copied_base(tables[place], locals[place], base, copied);
    ELSIF mergeds[place] IS NOT NULL THEN
      base := copied;
    END IF;
    former := CASE WHEN mergeds[place] IS NULL THEN base ELSE format('%s TABLESAMPLE %s', goal, mergeds[place]) END;
    IF preview AND target <> 'main' THEN
      -- The target may be without rows of its own.
      goal := (heliosdb.branch_source(target, tables[place])).source;
    END IF;
    IF heliosdb.branch_key(tables[place]) IS NULL THEN
      IF NOT preview THEN
        PERFORM heliosdb.merge_keep_rows(locals[place]);
      END IF;
      PERFORM heliosdb.merge_compare_bag(tables[place], locals[place], goal, base, former);
      EXECUTE format('SELECT count(*) FILTER (WHERE wanted <> 0), count(*) FILTER (WHERE other <> 0) FROM pg_temp.%I', 'heliosdb_merge_' || tables[place]) INTO found, counted;
      IF found > 0 AND counted > 0 AND NOT preview THEN
        RAISE EXCEPTION 'table % has no primary key and was changed on both sides', heliosdb.merge_label(tables[place])
          USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('Add a primary key on %s, or undo the changes of one side.', heliosdb.merge_name(target));
      END IF;
      CONTINUE;
    END IF;
    PERFORM heliosdb.merge_compare(tables[place], locals[place], goal, base, added, strategy);
    IF carriers[place] IS NOT NULL AND mergeds[place] IS NOT NULL THEN
      DROP TABLE pg_temp.heliosdb_deleted;
    END IF;
  END LOOP;
  -- What refers to rows of a target that is a branch can be read there once it has rows of its own.
  IF NOT preview OR target = 'main' THEN
    references_lost := heliosdb.merge_check_references(tables, locals, strategy);
  END IF;
  FOR place IN 1 .. cardinality(tables) LOOP
    CONTINUE WHEN is_new[place] OR heliosdb.branch_key(tables[place]) IS NULL;
    SELECT string_agg(format('k%s', k), ', ') INTO keys FROM unnest(heliosdb.branch_key(tables[place])) k;
    EXECUTE format('SELECT count(*), (SELECT string_agg(s.key, '', '') FROM (SELECT ROW(%1$s)::text AS key FROM pg_temp.%2$I WHERE conflict ORDER BY %1$s LIMIT 10) s) '
                   'FROM pg_temp.%2$I WHERE conflict', keys, 'heliosdb_merge_' || tables[place]) INTO found, sample;
    conflicts := conflicts + found;
    IF found > 0 THEN
      details := details || format('%s: %s%s', heliosdb.merge_label(tables[place]), sample, CASE WHEN found > 10 THEN format(' and %s more', found - 10) END);
    END IF;
  END LOOP;
  IF preview THEN
    RETURN;
  END IF;
  IF conflicts > 0 AND strategy = 'fail' THEN
    RAISE EXCEPTION 'branch "%" cannot be merged: % on both sides', source, CASE conflicts WHEN 1 THEN '1 row was changed' ELSE conflicts || ' rows were changed' END
      USING ERRCODE = 'integrity_constraint_violation', DETAIL = array_to_string(details || references_lost, E'\n'),
            HINT = 'heliosdb.merge_preview() lists them. MERGE … WITH (conflict_resolution = branch_wins), or target_wins, decides for one side.';
  END IF;

  -- Triggers and constraints are those of the target, on the target.
  PERFORM set_config('heliosdb.branch', target, true);
  FOR place IN 1 .. cardinality(tables) LOOP
    sample := (SELECT min(w.rulename::text) FROM pg_rewrite w WHERE w.ev_class = tables[place] AND w.ev_enabled IN ('O', 'A'));
    CONTINUE WHEN sample IS NULL OR is_new[place];
    IF heliosdb.merge_has(tables[place], CASE WHEN heliosdb.branch_key(tables[place]) IS NULL THEN 'wanted <> 0' ELSE 'act IS NOT NULL' END) THEN
      RAISE EXCEPTION 'table % cannot be merged: it has rule "%"', heliosdb.merge_label(tables[place]), sample
        USING ERRCODE = 'feature_not_supported', DETAIL = 'The rule would do again, or instead, what was done on the branch.',
              HINT = format('ALTER TABLE … DISABLE RULE on %s while the branch is merged.', heliosdb.merge_name(target));
    END IF;
  END LOOP;
  FOR place IN 1 .. cardinality(tables) LOOP
    IF is_new[place] THEN
      tables[place] := heliosdb.merge_table(branch, locals[place]);
    END IF;
  END LOOP;
  -- Before the rows: triggers of the target may take values.
  PERFORM heliosdb.merge_sequences(branch);
  FOR relation IN SELECT l.relation FROM heliosdb.merge_levels(tables) l ORDER BY l.level DESC, l.relation LOOP
    place := array_position(tables, relation);
    CONTINUE WHEN is_new[place];
    deleted := deleted + CASE WHEN heliosdb.branch_key(relation) IS NULL THEN heliosdb.merge_bag_delete(relation, locals[place], caller)
                              ELSE heliosdb.merge_delete(relation, 'D', caller) END;
  END LOOP;
  FOR relation IN SELECT l.relation FROM heliosdb.merge_levels(tables) l ORDER BY l.level, l.relation LOOP
    place := array_position(tables, relation);
    IF is_new[place] THEN
      columns := heliosdb.merge_common_columns(relation, locals[place], false);
      inserted := inserted + heliosdb.merge_run(caller, format(
        'WITH back AS (INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM %3$s RETURNING 1) SELECT pg_catalog.count(*) FROM back',
        heliosdb.branch_relation_name(relation), columns, format('pg_temp.%I', 'heliosdb_rows_' || locals[place])));
    ELSIF heliosdb.branch_key(relation) IS NULL THEN
      inserted := inserted + heliosdb.merge_bag_insert(relation, locals[place], caller);
    ELSE
      PERFORM heliosdb.merge_find_exchanged(relation, locals[place]);
      updated := updated + heliosdb.merge_check_count(relation, 'act IN (''U'', ''X'')',
        heliosdb.merge_update(relation, locals[place], caller) + heliosdb.merge_exchange(relation, locals[place], 'X', caller));
      inserted := inserted + heliosdb.merge_insert(relation, locals[place], 'I', caller);
    END IF;
  END LOOP;
  -- What had to wait until rows referred elsewhere.
  FOR relation IN SELECT l.relation FROM heliosdb.merge_levels(tables) l ORDER BY l.level DESC, l.relation LOOP
    CONTINUE WHEN is_new[array_position(tables, relation)] OR heliosdb.branch_key(relation) IS NULL;
    deleted := deleted + heliosdb.merge_delete(relation, 'L', caller);
  END LOOP;
  FOR relation IN SELECT l.relation FROM heliosdb.merge_levels(tables) l ORDER BY l.level, l.relation LOOP
    place := array_position(tables, relation);
    CONTINUE WHEN is_new[place] OR heliosdb.branch_key(relation) IS NULL;
    updated := updated + heliosdb.merge_check_count(relation, 'act = ''Z''', heliosdb.merge_exchange(relation, locals[place], 'Z', caller));
    inserted := inserted + heliosdb.merge_insert(relation, locals[place], 'J', caller);
  END LOOP;
  FOR place IN 1 .. cardinality(tables) LOOP
    added := ARRAY(SELECT l.attname FROM pg_attribute l WHERE l.attrelid = locals[place] AND l.attnum > commons[place] AND NOT l.attisdropped AND NOT is_new[place]);
    PERFORM heliosdb.merge_add_rest(tables[place], locals[place], added, source, target);
  END LOOP;
  IF target <> 'main' THEN
    -- At the end of the transaction they would be checked on the branch of the session.
    SET CONSTRAINTS ALL IMMEDIATE;
  END IF;
  PERFORM heliosdb.merge_end(branch);
  PERFORM set_config('heliosdb.branch', '', true);
  FOR place IN 1 .. cardinality(tables) LOOP
    IF NOT is_new[place] THEN
      EXECUTE format('DROP TABLE pg_temp.%I', 'heliosdb_merge_' || tables[place]);
    END IF;
    IF is_new[place] OR heliosdb.branch_key(tables[place]) IS NULL THEN
      EXECUTE format('DROP TABLE pg_temp.%I', 'heliosdb_rows_' || locals[place]);
    END IF;
  END LOOP;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_into(text, text, jsonb, boolean, text[]) IS 'step of a merge: all of it, or only the comparison';

CREATE FUNCTION heliosdb.merge_branch(source text, target text DEFAULT 'main', options jsonb DEFAULT '{}', OUT inserted bigint, OUT updated bigint, OUT deleted bigint)
  RETURNS record
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE AS $body$
DECLARE
  finally_drop boolean := COALESCE((options OPERATOR(pg_catalog.->>) 'delete_branch_after')::boolean, false);
BEGIN
  IF finally_drop AND heliosdb.current_branch() OPERATOR(pg_catalog.=) source THEN
    RAISE EXCEPTION 'cannot drop branch "%", which this session is on', source USING ERRCODE = 'object_in_use', HINT = 'USE BRANCH main first.';
  END IF;
  SELECT m.inserted, m.updated, m.deleted INTO inserted, updated, deleted FROM heliosdb.merge_into(source, target, options, false, heliosdb.merge_caller()) m;
  IF finally_drop THEN
    PERFORM heliosdb.drop_branch(source);
  END IF;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_branch(text, text, jsonb) IS 'merges a branch into the one that it comes from, like MERGE BRANCH; returns how many rows it changed there';

CREATE FUNCTION heliosdb.merge_preview(source text, target text DEFAULT 'main', OUT relation regclass, OUT key text, OUT action text, OUT conflict boolean) RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  step record;
  keys text;
BEGIN
  PERFORM heliosdb.merge_into(source, target, '{}', true, '{}');
  FOR step IN SELECT p.goal, COALESCE(NULLIF(p.main, 0), p.goal)::regclass AS name, p.local, p.common, p.is_new FROM heliosdb.merge_pairs(source, target) p
              WHERE p.local <> 0 AND p.is_made AND p.kind IN ('r', 'p') AND NOT p.is_part ORDER BY p.goal NULLS FIRST LOOP
    IF step.is_new THEN
      relation := step.local;
      action := 'create';
      conflict := false;
      key := NULL;
      RETURN NEXT;
      CONTINUE;
    END IF;
    RETURN QUERY SELECT step.name, c::text, 'add column', false FROM unnest(heliosdb.merge_columns(step.goal, step.local, step.common, target)) c;
    SELECT string_agg(format('k%s', k), ', ') INTO keys FROM unnest(heliosdb.branch_key(step.goal)) k;
    IF keys IS NULL THEN
      RETURN QUERY EXECUTE format('SELECT %1$L::regclass, key, CASE WHEN wanted > 0 THEN ''insert'' ELSE ''delete'' END, '
                                  'EXISTS (SELECT FROM pg_temp.%2$I o WHERE o.other <> 0) FROM pg_temp.%2$I CROSS JOIN LATERAL generate_series(1, abs(wanted)) '
                                  'WHERE wanted <> 0 ORDER BY key', step.name, 'heliosdb_merge_' || step.goal);
      EXECUTE format('DROP TABLE pg_temp.%I', 'heliosdb_merge_' || step.goal);
      CONTINUE;
    END IF;
    RETURN QUERY EXECUTE format('SELECT %1$L::regclass, ROW(%2$s)::text, CASE wanted WHEN ''I'' THEN ''insert'' WHEN ''U'' THEN ''update'' ELSE ''delete'' END, conflict '
                                'FROM pg_temp.%3$I WHERE wanted IS NOT NULL OR conflict ORDER BY %2$s', step.name, keys, 'heliosdb_merge_' || step.goal);
    EXECUTE format('DROP TABLE pg_temp.%I', 'heliosdb_merge_' || step.goal);
  END LOOP;
END
$body$;
COMMENT ON FUNCTION heliosdb.merge_preview(text, text) IS 'what MERGE BRANCH would do to the target, row by row; changes nothing';

CREATE FUNCTION heliosdb.branch_activity(branch bigint, OUT modified_keys bigint, OUT transactions bigint, OUT last_modified timestamptz) RETURNS record
  LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET heliosdb.branch = '' AS $body$
DECLARE
  log record;
  keys text;
  xids xid8[] := '{}';
  counted bigint;
  found xid8[];
BEGIN
  modified_keys := 0;
  FOR log IN SELECT t.log::regclass AS name, t.key FROM heliosdb.branch_relations r JOIN heliosdb.tracked t ON t.relid = r.local_relid
             WHERE r.branch = branch_activity.branch AND t.log <> 0 LOOP
    SELECT COALESCE(string_agg('c' || k, ', '), 'xid, op, ctid') INTO keys FROM unnest(log.key) k;
    EXECUTE format('SELECT (SELECT count(*) FROM (SELECT DISTINCT %1$s FROM %2$s) d), ARRAY(SELECT DISTINCT xid FROM %2$s)', keys, log.name) INTO counted, found;
    modified_keys := modified_keys + counted;
    xids := xids || found;
  END LOOP;
  -- A table that is copied row by row is tracked from its first merge on: before, its rows tell.
  FOR log IN SELECT heliosdb.branch_relation_name(r.local_relid) AS name, heliosdb.branch_relation_name(r.deleted_relid) AS deleted FROM heliosdb.branch_relations r
             WHERE r.branch = branch_activity.branch AND r.deleted_relid <> 0 AND NOT EXISTS (SELECT FROM heliosdb.tracked t WHERE t.relid = r.local_relid) LOOP
    EXECUTE format('SELECT (SELECT count(*) FROM %1$s) + (SELECT count(*) FROM %2$s), ARRAY(SELECT DISTINCT heliosdb.version_creator(xmin) FROM %1$s UNION SELECT xid FROM %2$s)',
                   log.name, log.deleted) INTO counted, found;
    modified_keys := modified_keys + counted;
    xids := xids || found;
  END LOOP;
  SELECT count(DISTINCT x), max(pg_xact_commit_timestamp(x::xid)) INTO transactions, last_modified FROM unnest(xids) x;
END
$body$;
COMMENT ON FUNCTION heliosdb.branch_activity(bigint) IS 'what the change log knows about the tables of a branch';

CREATE FUNCTION pg_branch_stats(OUT branch_name text, OUT modified_keys bigint, OUT storage_bytes bigint, OUT commit_count bigint, OUT last_modified timestamp,
                                OUT compression_ratio float8) RETURNS SETOF record
  LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT f.name, a.modified_keys, heliosdb.branch_bytes(f.id), a.transactions, a.last_modified::timestamp, NULL::float8
    FROM heliosdb.branch_forks f CROSS JOIN LATERAL heliosdb.branch_activity(f.id) a ORDER BY f.id
  $body$;
COMMENT ON FUNCTION pg_branch_stats() IS 'what was changed on each branch: rows, bytes and transactions in its change log; nothing is compressed, so that ratio is null';

CREATE FUNCTION pg_compare_branches(source text, target text, OUT key text, OUT source_value text, OUT target_value text, OUT difference_type text,
                                    OUT source_timestamp bigint, OUT target_timestamp bigint) RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET heliosdb.branch = '' SET datestyle = 'ISO' SET timezone = 'UTC' AS $body$
DECLARE
  t record;
  a record;
  b record;
  columns text;
  keys text;
  at constant text := 'floor(extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::bigint';
BEGIN
  FOR t IN SELECT r.oid::regclass AS name, (SELECT format('%I.%I', n.nspname, r.relname) FROM pg_namespace n WHERE n.oid = o.schema) AS text
           FROM (SELECT max(c.schema) AS schema, COALESCE(NULLIF(c.main, 0), max(c.local)) AS relation FROM unnest(ARRAY[source, target]) n
                   CROSS JOIN LATERAL heliosdb.branch_contents(n) c GROUP BY c.main, c.origin) o
             JOIN pg_class r ON r.oid = o.relation AND r.relkind IN ('r', 'p') AND NOT r.relispartition ORDER BY 2 LOOP
    a := heliosdb.branch_source(source, t.name);
    b := heliosdb.branch_source(target, t.name);
    IF a.source IS NULL OR b.source IS NULL THEN
      CONTINUE WHEN a.source IS NULL AND b.source IS NULL;
      key := t.text;
      source_value := a.source;
      target_value := b.source;
      difference_type := CASE WHEN a.source IS NULL THEN 'added' ELSE 'deleted' END;
      RETURN NEXT;
      CONTINUE;
    END IF;
    SELECT string_agg(quote_ident(c.name), ', '), string_agg(format('COALESCE(x.%1$I, y.%1$I)', c.name), ', ') FILTER (WHERE c.number = ANY (heliosdb.branch_key(t.name)))
      INTO columns, keys
      FROM heliosdb.branch_common_columns(t.name, a.definition, b.definition) c;
    IF keys IS NULL THEN
      RETURN QUERY SELECT t.text, d.a_value, d.b_value, d.difference, NULL::bigint, NULL::bigint FROM heliosdb.branch_diff(source, target, t.name) d;
      CONTINUE;
    END IF;
    RETURN QUERY EXECUTE format($sql$
      SELECT %1$L || ROW(%2$s)::text, x.image, y.image, CASE WHEN x.there IS NULL THEN 'added' WHEN y.there IS NULL THEN 'deleted' ELSE 'modified' END, x.at, y.at
      FROM (SELECT true AS there, ROW(%3$s)::text AS image, %4$s AS at, %3$s FROM %5$s) x
        FULL JOIN (SELECT true AS there, ROW(%3$s)::text AS image, %6$s AS at, %3$s FROM %7$s) y ON %8$s
      WHERE x.there IS NULL OR y.there IS NULL OR x.image <> y.image$sql$,
      t.text, keys, columns, CASE WHEN a.is_local THEN at ELSE 'NULL::bigint' END, a.source, CASE WHEN b.is_local THEN at ELSE 'NULL::bigint' END, b.source,
      heliosdb.branch_same_row(t.name, 'x', 'y'));
  END LOOP;
END
$body$;
COMMENT ON FUNCTION pg_compare_branches(text, text) IS 'rows that differ between two branches, from the first to the second; timestamps are milliseconds of the epoch, null where a row is read as of a fork';
