-- Notices, cross-checks and the view of settings.

SELECT heliosdb.version() <> '' AS loaded;
SELECT * FROM heliosdb.settings WHERE takes_effect = 'no effect yet';

-- A setting that awaits its feature says so when somebody sets it, whichever way, and only then.
SET max_cpu_background = 20;
SET heliosdb.max_cpu_background = 20;
SELECT set_config('max_cpu_background', '20', false);
SELECT set_config('heliosdb.max_cpu_background', '20', false);
RESET max_cpu_background;
SELECT set_config('heliosdb.max_cpu_background', NULL, false);
SET incremental_mv_cpu = 5;
SET adaptive_indexing_cpu = 1;
SET deduplication_cpu = 1;
SET hybrid_storage = row;
SET hybrid_storage_hot_threshold = '1 day';
SET hybrid_storage_cold_threshold = '2 days';
SET hybrid_storage_replication_factor = 2;
SET hybrid_storage = on;
BEGIN;
SET LOCAL hybrid_storage = off;
ROLLBACK;
CREATE FUNCTION inside() RETURNS text LANGUAGE sql SET max_cpu_background = 21 AS $$ SELECT current_setting('max_cpu_background') $$;
SELECT inside();
CREATE ROLE regress_settings_view;
ALTER ROLE regress_settings_view SET max_cpu_background = 22;
ALTER ROLE regress_settings_view RESET max_cpu_background;
SET heliosdb.hnsw_exact_order = off;
DISCARD ALL;

-- Parts above the ceiling count less.
SET incremental_mv_cpu = 20;
SELECT name, value, effective FROM heliosdb.settings WHERE name LIKE '%cpu%';
SET max_cpu_background = 25;
SET max_cpu_background = 0;
SELECT name, value, effective FROM heliosdb.settings WHERE name LIKE '%cpu%';
SELECT set_config('adaptive_indexing_cpu', '100', false);
BEGIN;
SET LOCAL max_cpu_background = 100;
SELECT name, value, effective FROM heliosdb.settings WHERE name LIKE '%cpu%';
COMMIT;
RESET adaptive_indexing_cpu;
SET deduplication_cpu = 0;
RESET ALL;
SET max_cpu_background = 15;
SELECT count(*) AS scaled FROM heliosdb.settings WHERE effective <> value;
SELECT inside();
SET client_min_messages = error;
SET max_cpu_background = 7;
SELECT name, value, effective FROM heliosdb.settings WHERE name LIKE '%cpu%';
RESET ALL;

-- Thresholds must leave something between them.
SET hybrid_storage_hot_threshold = '1 month';
SET hybrid_storage_cold_threshold = '31 days';
SET hybrid_storage_cold_threshold = '719:59:59';
SELECT name, value, effective FROM heliosdb.settings WHERE name LIKE '%threshold';
RESET ALL;

-- The view lists what there is, and nothing else.
CREATE TABLE items (v vector(2));
CREATE INDEX ON items USING hnsw (v vector_l2_ops);
SELECT name, bare_name, value, effective, unit, meaning, takes_effect FROM heliosdb.settings WHERE name LIKE '%hnsw%';
SELECT name FROM pg_settings WHERE name ~ '^(heliosdb|hnsw)\.' EXCEPT SELECT name FROM heliosdb.settings;
SELECT name FROM heliosdb.settings EXCEPT SELECT name FROM pg_settings;
SELECT name FROM heliosdb.settings WHERE name LIKE '%pause%';
SELECT s.name FROM heliosdb.settings s JOIN pg_settings p USING (name)
WHERE s.value IS DISTINCT FROM current_setting(s.name) OR s.meaning <> p.short_desc OR s.meaning = '' OR s.takes_effect IS NULL OR s.effective IS NULL;
SELECT s.name FROM heliosdb.settings s WHERE s.bare_name IS NOT NULL AND
  (s.value IS DISTINCT FROM current_setting(s.bare_name) OR s.name <> 'heliosdb.' || s.bare_name OR NOT EXISTS (SELECT FROM pg_settings p WHERE p.name = s.bare_name));
SELECT name, setting, short_desc, extra_desc, context, vartype, min_val, max_val, enumvals, boot_val FROM pg_settings
WHERE name ~ '^heliosdb\.(max_cpu_background|hybrid_storage)' ORDER BY name COLLATE "C";
SELECT name, setting, category, short_desc, extra_desc, context FROM pg_settings
WHERE name ~ '^(max_cpu_background|hybrid_storage)' ORDER BY name COLLATE "C";
SELECT array_agg(name ORDER BY name COLLATE "C") = array_agg(name ORDER BY n) AS ordered FROM (SELECT name, row_number() OVER () AS n FROM heliosdb.settings) s;

SET ROLE regress_settings_view;
SELECT count(*) > 0 AS readable FROM heliosdb.settings;
RESET ROLE;
DROP ROLE regress_settings_view;
DROP FUNCTION inside();
DROP TABLE items;
