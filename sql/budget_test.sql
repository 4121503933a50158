-- Jobs of the tests (DEV=1); no release has them.

CREATE TABLE heliosdb.test_jobs (kind text, relid oid, action text, units integer, priority integer DEFAULT 1);
CREATE FUNCTION heliosdb.test_action(relid oid, OUT action text, OUT units integer) RETURNS SETOF record
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
  AS 'SELECT j.action, j.units FROM heliosdb.test_jobs j WHERE j.relid = $1';
