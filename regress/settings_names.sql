-- Bare and dotted names of settings are one value, whichever way it is set.

SELECT heliosdb.version() <> '' AS loaded;
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' / ', sqlstate || ' ' || sqlerrm, nullif(detail, ''), nullif(hint, ''));
END
$$;

-- As the documentation has them.
SET max_cpu_background = 15;
SET incremental_mv_cpu = 10;
SET adaptive_indexing_cpu = 2;
SET deduplication_cpu = 3;
SET hybrid_storage = auto;
SET hybrid_storage_hot_threshold = '7 days';
SET hybrid_storage_cold_threshold = '30 days';
SET hybrid_storage_replication_factor = 3;
SHOW max_cpu_background;
SHOW heliosdb.max_cpu_background;
SHOW hybrid_storage;
SHOW heliosdb.hybrid_storage;
SHOW hybrid_storage_hot_threshold;
SHOW hybrid_storage_replication_factor;
-- A reserved word of SQL needs its quotes.
SET hybrid_storage = column;
SET "Hybrid_Storage" TO 'COLUMN';
SHOW HYBRID_STORAGE;
DISCARD ALL;
SHOW hybrid_storage_replication_factor;

-- Every setting, every way, each name read after the other was set.
SET client_min_messages = error;
CREATE TABLE cases (bare text, initial text, one text, other text);
INSERT INTO cases VALUES
  ('max_cpu_background', '15', '40', '0'), ('incremental_mv_cpu', '10', '7', '100'),
  ('adaptive_indexing_cpu', '2', '1', '99'), ('deduplication_cpu', '3', '4', '5'),
  ('hybrid_storage', 'auto', 'row', 'off'), ('hybrid_storage_hot_threshold', '7 days', '36 hours', 'P1M2DT3H'),
  ('hybrid_storage_cold_threshold', '30 days', '1 year', '90 days'), ('hybrid_storage_replication_factor', '1', '16', '2');
CREATE FUNCTION value_of(bare text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN current_setting(bare) = current_setting('heliosdb.' || bare) THEN current_setting(bare)
              ELSE format('%s but %s', current_setting(bare), current_setting('heliosdb.' || bare)) END $$;
CREATE FUNCTION ways(bare text, one text, other text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  dotted text := 'heliosdb.' || bare;
  seen text[] := ARRAY[value_of(bare)];
BEGIN
  EXECUTE format('SET %s = %L', bare, one); seen := seen || value_of(bare);
  EXECUTE format('SET %s = %L', dotted, other); seen := seen || value_of(bare);
  EXECUTE format('RESET %s', bare); seen := seen || value_of(bare);
  EXECUTE format('SET %s TO %L', dotted, one); seen := seen || value_of(bare);
  EXECUTE format('SET %s TO DEFAULT', bare); seen := seen || value_of(bare);
  EXECUTE format('SET SESSION %s TO %L', bare, one); seen := seen || value_of(bare);
  EXECUTE format('RESET %s', dotted); seen := seen || value_of(bare);
  EXECUTE format('SET LOCAL %s TO %L', bare, other); seen := seen || value_of(bare);
  EXECUTE 'RESET ALL'; SET client_min_messages = error; seen := seen || value_of(bare);
  PERFORM set_config(bare, one, false); seen := seen || value_of(bare);
  PERFORM set_config(dotted, other, true); seen := seen || value_of(bare);
  PERFORM set_config(bare, one, true); seen := seen || value_of(bare);
  EXECUTE 'RESET ALL'; SET client_min_messages = error; seen := seen || value_of(bare);
  BEGIN
    PERFORM set_config(bare, one, false); seen := seen || value_of(bare);
    RAISE EXCEPTION USING errcode = 'ZZ001', message = 'back';
  EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
    seen := seen || value_of(bare);
  END;
  RETURN seen;
END
$$;
SELECT bare,
       ways(bare, one, other) = ARRAY[initial, one, other, initial, one, initial, one, initial, other, initial, one, other, one, initial, one, initial] AS as_expected
FROM cases;
-- A second time, with values of the first behind both entries.
SELECT bool_and(ways(bare, one, other) = ARRAY[initial, one, other, initial, one, initial, one, initial, other, initial, one, other, one, initial, one, initial]) AS as_expected
FROM cases;
SELECT bool_and(value_of(bare) = initial) AS as_before FROM cases;

-- Transactions and savepoints.
BEGIN;
SET LOCAL max_cpu_background = 31;
SET LOCAL hybrid_storage_hot_threshold = '1 day';
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
COMMIT;
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
BEGIN;
SET max_cpu_background = 32;
SET hybrid_storage_hot_threshold = '2 days';
SAVEPOINT s;
SET heliosdb.max_cpu_background = 33;
SET LOCAL heliosdb.hybrid_storage_hot_threshold = '3 days';
SELECT set_config('max_cpu_background', '34', true), set_config('hybrid_storage_hot_threshold', '4 days', false);
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
ROLLBACK TO s;
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
SELECT set_config('max_cpu_background', '35', true), set_config('hybrid_storage_hot_threshold', '5 days', true);
RELEASE s;
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
COMMIT;
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
BEGIN;
SELECT set_config('max_cpu_background', '36', false), set_config('hybrid_storage_hot_threshold', '6 days', false);
ROLLBACK;
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
-- A value that ends with the transaction does not take one with it that stays.
BEGIN;
SELECT set_config('max_cpu_background', '37', true);
SET heliosdb.max_cpu_background = 38;
COMMIT;
SELECT value_of('max_cpu_background');
DISCARD ALL;
SET client_min_messages = error;
SELECT value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');

-- set_config(bare name, NULL) is the one thing that does nothing.
SET max_cpu_background = 39;
SELECT set_config('max_cpu_background', NULL, false);
SELECT set_config('heliosdb.max_cpu_background', NULL, false), value_of('max_cpu_background');

-- SET clauses are stored by the dotted name.
CREATE FUNCTION inside() RETURNS text LANGUAGE sql SET max_cpu_background = 41 SET hybrid_storage_hot_threshold = '41 days' AS
  $$ SELECT value_of('max_cpu_background') || ', ' || value_of('hybrid_storage_hot_threshold') $$;
SELECT proconfig FROM pg_proc WHERE proname = 'inside';
SELECT inside(), value_of('max_cpu_background'), value_of('hybrid_storage_hot_threshold');
ALTER FUNCTION inside() SET max_cpu_background = 42;
SET max_cpu_background = 43;
ALTER FUNCTION inside() SET incremental_mv_cpu FROM CURRENT RESET hybrid_storage_hot_threshold;
SELECT proconfig FROM pg_proc WHERE proname = 'inside';
SELECT inside(), value_of('max_cpu_background');
CREATE PROCEDURE within() LANGUAGE plpgsql SET max_cpu_background = 44 AS
  $$ BEGIN RAISE WARNING '%', value_of('max_cpu_background'); SET max_cpu_background = 45; RAISE WARNING '%', value_of('max_cpu_background'); END $$;
SET client_min_messages = warning;
CALL within();
SELECT value_of('max_cpu_background');
SET client_min_messages = error;
ALTER FUNCTION inside() SET max_cpu_background = 101;
CREATE FUNCTION never() RETURNS int LANGUAGE sql SET hybrid_storage = sideways AS 'SELECT 1';

-- A statement that is planned once and run again.
CREATE FUNCTION again(value int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL max_cpu_background = 46;
  PERFORM set_config('max_cpu_background', value::text, true);
  SET LOCAL hybrid_storage = off;
  RETURN value_of('max_cpu_background') || ', ' || value_of('hybrid_storage');
END
$$;
SELECT again(1), again(2), again(3);
RESET max_cpu_background;

-- Roles and databases.
CREATE ROLE regress_settings_user;
ALTER ROLE regress_settings_user SET max_cpu_background = 47;
ALTER ROLE regress_settings_user SET heliosdb.hybrid_storage = row;
ALTER ROLE regress_settings_user SET hybrid_storage_cold_threshold = '47 days';
SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'regress_settings_user'::regrole;
ALTER ROLE regress_settings_user SET max_cpu_background = 101;
ALTER ROLE regress_settings_user SET hybrid_storage_cold_threshold = 'cold';
ALTER ROLE regress_settings_user RESET heliosdb.max_cpu_background;
ALTER ROLE regress_settings_user RESET hybrid_storage;
SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'regress_settings_user'::regrole;
ALTER ROLE regress_settings_user RESET ALL;
GRANT SET, ALTER SYSTEM ON PARAMETER max_cpu_background TO regress_settings_user;
SELECT parname FROM pg_parameter_acl WHERE parname LIKE '%max_cpu_background';
REVOKE ALL ON PARAMETER max_cpu_background FROM regress_settings_user;
SELECT parname FROM pg_parameter_acl WHERE parname LIKE '%max_cpu_background';

-- Everybody may set them.
SET ROLE regress_settings_user;
SET max_cpu_background = 48;
SELECT set_config('hybrid_storage', 'off', false), value_of('max_cpu_background');
SELECT count(*) > 9 AS readable FROM heliosdb.settings;
RESET ROLE;
RESET ALL;
SET client_min_messages = error;

-- What is refused.
SELECT statement, attempt(statement) FROM unnest(ARRAY[
  'SET max_cpu_background = -1', 'SET max_cpu_background = 101', 'SET max_cpu_background = ten', 'SET max_cpu_background = 1.5',
  'SET max_cpu_background = ''15%''', 'SET max_cpu_background = 1, 2', 'SET heliosdb.max_cpu_background = 101',
  'SELECT set_config(''max_cpu_background'', ''101'', false)', 'SELECT set_config(''max_cpu_background'', ''ten'', true)',
  'SET incremental_mv_cpu = 101', 'SET adaptive_indexing_cpu = -1', 'SET deduplication_cpu = 1000',
  'SET hybrid_storage = on', 'SET hybrid_storage = ''''', 'SELECT set_config(''hybrid_storage'', ''sideways'', false)',
  'SET hybrid_storage_replication_factor = 0', 'SET hybrid_storage_replication_factor = 17',
  'SET hybrid_storage_hot_threshold = ''''', 'SET hybrid_storage_hot_threshold = ''7 dogs''', 'SET hybrid_storage_hot_threshold = ''-7 days''',
  'SET hybrid_storage_hot_threshold = ''7 days ago''', 'SET hybrid_storage_hot_threshold = ''1 month -31 days''',
  'SET hybrid_storage_hot_threshold = ''infinity''', 'SET hybrid_storage_hot_threshold = ''300000 years''',
  'SET hybrid_storage_hot_threshold = ''178956970 years''', 'SET hybrid_storage_hot_threshold = ''999999999999 days''',
  'SET hybrid_storage_hot_threshold = ''P7X''', 'SET hybrid_storage_hot_threshold = ''today''',
  'SELECT set_config(''hybrid_storage_hot_threshold'', ''7 dogs'', false)',
  'SET hybrid_storage_cold_threshold = ''-1 second''', 'SET max_cpu_backgrounds = 1', 'SET heliosdb.max_cpu_backgrounds = 1',
  'ALTER DATABASE postgres SET max_cpu_background = 101']) WITH ORDINALITY u(statement, n) ORDER BY n;
SELECT statement, attempt(statement) FROM unnest(ARRAY[
  'SET hybrid_storage_hot_threshold = 7', 'SET hybrid_storage_hot_threshold = ''0''', 'SET hybrid_storage_hot_threshold = ''1 day -24 hours''',
  'SET hybrid_storage_hot_threshold = ''@ 1 week''', 'SET hybrid_storage_hot_threshold = ''12:30:15.5''', 'SET hybrid_storage_hot_threshold = ''P1Y2M3DT4H5M6.7S''',
  'SET hybrid_storage_hot_threshold = ''1-2''', 'SET max_cpu_background = 0', 'SET max_cpu_background = ''100''', 'SET hybrid_storage = ''Column''']) WITH ORDINALITY u(statement, n) ORDER BY n;
SELECT bool_and(value_of(bare) NOT LIKE '%but%') AS one_value FROM cases;

DROP TABLE cases;
DROP FUNCTION value_of(text), ways(text, text, text), inside(), again(int), attempt(text);
DROP PROCEDURE within();
DROP ROLE regress_settings_user;
