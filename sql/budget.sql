-- Background work within a share of the machine's CPU time.

CREATE FUNCTION heliosdb.background_jobs(OUT job text, OUT budget text, OUT database text, OUT object text,
    OUT state text, OUT phase text, OUT progress double precision,
    OUT cpu_10s double precision, OUT allowed_10s double precision,
    OUT cpu_10min double precision, OUT allowed_10min double precision, OUT cpu_seconds double precision,
    OUT backlog bigint, OUT next_run timestamptz, OUT failures integer, OUT last_error text,
    OUT last_error_at timestamptz, OUT pid integer, OUT relid oid)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_background_jobs' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 50;
COMMENT ON FUNCTION heliosdb.background_jobs() IS 'jobs that the scheduler remembers; see the view heliosdb.background_activity';

CREATE VIEW heliosdb.background_activity AS
  SELECT job, budget, database, object, state, phase, progress, cpu_10s, allowed_10s, cpu_10min, allowed_10min,
         cpu_seconds, backlog, next_run, failures, last_error, last_error_at, pid
  FROM heliosdb.background_jobs()
  ORDER BY database COLLATE "C", job COLLATE "C", object COLLATE "C" NULLS FIRST;
COMMENT ON VIEW heliosdb.background_activity IS 'background jobs of all databases: what they do, what they use, and why not';
COMMENT ON COLUMN heliosdb.background_activity.budget IS 'setting that limits the CPU time of the job';
COMMENT ON COLUMN heliosdb.background_activity.object IS 'what the job works on; null: the database as a whole';
COMMENT ON COLUMN heliosdb.background_activity.state IS 'running, waiting (for CPU time), idle, failed, paused, off';
COMMENT ON COLUMN heliosdb.background_activity.progress IS 'from 0 to 1';
COMMENT ON COLUMN heliosdb.background_activity.cpu_10s IS 'used in the last 10 seconds, percent of the machine';
COMMENT ON COLUMN heliosdb.background_activity.allowed_10s IS 'what the budget allowed all its jobs together in that time';
COMMENT ON COLUMN heliosdb.background_activity.cpu_10min IS 'used in the last 10 minutes, percent of the machine';
COMMENT ON COLUMN heliosdb.background_activity.cpu_seconds IS 'used since the start of the server';
COMMENT ON COLUMN heliosdb.background_activity.backlog IS 'what is still to be done, in units of the job';
COMMENT ON COLUMN heliosdb.background_activity.next_run IS 'earliest time at which it is looked after again';
COMMENT ON COLUMN heliosdb.background_activity.failures IS 'in a row; each doubles the time until the next attempt';
GRANT SELECT ON heliosdb.background_activity TO PUBLIC;

CREATE FUNCTION heliosdb.background_budgets(OUT budget text, OUT percent double precision,
    OUT cpu_10s double precision, OUT allowed_10s double precision,
    OUT cpu_10min double precision, OUT allowed_10min double precision,
    OUT cpu_seconds double precision, OUT debt_seconds double precision)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'helios_background_budgets' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 4;
COMMENT ON FUNCTION heliosdb.background_budgets() IS 'the budgets of background work: percent of the machine allowed and used, CPU seconds, and what was used beyond the budget';

CREATE FUNCTION heliosdb.background_cores() RETURNS double precision
  AS 'MODULE_PATHNAME', 'helios_background_cores' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION heliosdb.background_cores() IS 'cores that 100 percent of the machine stand for in budgets';

CREATE FUNCTION heliosdb.pause_background() RETURNS void
  AS 'MODULE_PATHNAME', 'helios_pause_background' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.pause_background() IS 'stops background work in all databases until resume_background() or a restart';
REVOKE EXECUTE ON FUNCTION heliosdb.pause_background() FROM PUBLIC;

CREATE FUNCTION heliosdb.resume_background() RETURNS void
  AS 'MODULE_PATHNAME', 'helios_resume_background' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.resume_background() IS 'lets background work go on after pause_background()';
REVOKE EXECUTE ON FUNCTION heliosdb.resume_background() FROM PUBLIC;

CREATE FUNCTION heliosdb.run_now(job text) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_run_now' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.run_now(text) IS 'has a background job of this database done for all its objects as soon as its budget allows';
REVOKE EXECUTE ON FUNCTION heliosdb.run_now(text) FROM PUBLIC;

CREATE FUNCTION heliosdb.run_now(job text, object regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'helios_run_now' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION heliosdb.run_now(text, regclass) IS 'the same for one object that you own';
