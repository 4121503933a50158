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
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  merges bigint NOT NULL DEFAULT 0,
  merged_at timestamptz,
  options jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE heliosdb.branches IS 'branches of this database; see the view pg_branches';
COMMENT ON COLUMN heliosdb.branches.fork_at IS 'instant of the parent that the branch began with; null: the commit of fork_xid';
COMMENT ON COLUMN heliosdb.branches.fork_xid IS 'transaction that created the branch; null: fork_at says all';
COMMENT ON COLUMN heliosdb.branches.expires_at IS 'when heliosdb.drop_expired_branches() drops it';
COMMENT ON COLUMN heliosdb.branches.merges IS 'how often it was merged';
INSERT INTO heliosdb.branches (id, name, owner)
  SELECT 1, 'main', r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER;

CREATE TABLE heliosdb.branch_relations (
  branch bigint NOT NULL,
  main_relid oid NOT NULL,
  local_relid oid NOT NULL,
  schema oid NOT NULL,
  base_xid xid8
);
CREATE INDEX branch_relations_main ON heliosdb.branch_relations (branch, main_relid);
CREATE INDEX branch_relations_local ON heliosdb.branch_relations (local_relid);
COMMENT ON TABLE heliosdb.branch_relations IS 'what branches have in place of relations of main';
COMMENT ON COLUMN heliosdb.branch_relations.main_relid IS 'the relation of main; 0: created on the branch';
COMMENT ON COLUMN heliosdb.branch_relations.local_relid IS 'the relation of the branch; 0: dropped on the branch';
COMMENT ON COLUMN heliosdb.branch_relations.schema IS 'schema that the relation belongs to on main';
COMMENT ON COLUMN heliosdb.branch_relations.base_xid IS 'transaction that merged it last; null: never';

CREATE FUNCTION heliosdb.create_branch(name text, parent text DEFAULT NULL, as_of timestamptz DEFAULT NULL, as_of_transaction bigint DEFAULT NULL,
                                       options jsonb DEFAULT '{}', if_not_exists boolean DEFAULT false) RETURNS bigint
  AS 'MODULE_PATHNAME', 'helios_create_branch' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.create_branch(text, text, timestamptz, bigint, jsonb, boolean) IS 'creates a branch; returns its id';

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
         COALESCE(b.fork_at, CASE WHEN current_setting('track_commit_timestamp') = 'on' THEN pg_xact_commit_timestamp(b.fork_xid::xid) END) AS fork_at,
         pg_get_userbyid(b.owner) AS owner, b.expires_at, b.options
  FROM heliosdb.branches b LEFT JOIN heliosdb.branches p ON p.id = b.parent;
COMMENT ON VIEW pg_branches IS 'branches of this database';
COMMENT ON COLUMN pg_branches.size_bytes IS 'bytes of what was changed on the branch; null for main';
COMMENT ON COLUMN pg_branches.num_commits IS 'how often the branch was merged';
COMMENT ON COLUMN pg_branches.fork_at IS 'instant of the parent that the branch began with';
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
  SELECT b.id, b.name, b.expires_at FROM heliosdb.branches b WHERE b.expires_at < now();
COMMENT ON VIEW heliosdb.expired_branches IS 'branches whose ttl is over';
GRANT SELECT ON heliosdb.expired_branches TO PUBLIC;

CREATE FUNCTION heliosdb.drop_expired_branches() RETURNS bigint
  LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
    SELECT pg_catalog.count(*) FROM (
      SELECT heliosdb.drop_branch(b.name::text) FROM heliosdb.expired_branches b ORDER BY b.id DESC OFFSET 0) d
  $$;
COMMENT ON FUNCTION heliosdb.drop_expired_branches() IS 'drops the branches whose ttl is over; call it from a scheduler';

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

CREATE FUNCTION heliosdb.branch_space(branch bigint, schema name) RETURNS text
  AS 'MODULE_PATHNAME', 'helios_branch_space' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION heliosdb.branch_space(bigint, name) IS 'schema of a branch with what was created or altered there in another schema, quoted';
