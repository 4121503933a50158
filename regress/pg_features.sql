-- What the server offers, and the settings of the extension's own prefix.

SELECT heliosdb.version() = (SELECT extversion FROM pg_extension WHERE extname = 'heliosdb') AS library_fits_script;
SELECT heliosdb.version() ~ '^\d+\.\d+' AS has_version;
-- The instruction set is the machine's, preloading the administrator's choice.
SELECT heliosdb.simd_target() <> '' AS has_target;
SELECT feature, CASE WHEN feature ~ '^(settings|FROM-first|AS OF|database branches)' THEN available = heliosdb.preloaded() ELSE available END AS as_expected,
       (why_not IS NULL) = available AS explained
FROM heliosdb.features;
SELECT count(*) FROM heliosdb.features WHERE NOT available AND why_not NOT LIKE '%shared_preload_libraries%';

-- Nothing of the extension is writable or hidden for an ordinary user.
CREATE ROLE regress_features_user;
SET ROLE regress_features_user;
SELECT count(*) > 0 AS readable FROM heliosdb.features;
SELECT heliosdb.version() <> '' AS callable;
\set VERBOSITY terse
INSERT INTO heliosdb.features VALUES ('x', true, NULL);
CREATE TABLE heliosdb.intruder ();
RESET ROLE;

-- A misspelt setting is an error.
\set VERBOSITY default
SET heliosdb.hnsw_exact_ordr = off;
SET heliosdb.nonsense.deep = 1;
SHOW heliosdb.hnsw_exact_ordr;
SET heliosdb.hnsw_exact_order = off;
SHOW heliosdb.hnsw_exact_order;
SET heliosdb.hnsw_exact_order = maybe;
RESET heliosdb.hnsw_exact_order;
SHOW heliosdb.hnsw_exact_order;
SET heliosdb.hnsw_rerank_candidates = -1;
SET heliosdb.hnsw_rerank_candidates = 1001;
SET heliosdb.hnsw_rerank_candidates = 1000;
RESET heliosdb.hnsw_rerank_candidates;

-- Pause points are for superusers.
SET heliosdb.pause_point = 'nowhere';
SHOW heliosdb.pause_point;
RESET heliosdb.pause_point;
SET ROLE regress_features_user;
SET heliosdb.pause_point = 'nowhere';
SELECT set_config('heliosdb.pause_point', 'nowhere', false);
RESET ROLE;
GRANT SET ON PARAMETER heliosdb.pause_point TO regress_features_user;
SET ROLE regress_features_user;
SET heliosdb.pause_point = 'nowhere';
RESET heliosdb.pause_point;
RESET ROLE;
REVOKE SET ON PARAMETER heliosdb.pause_point FROM regress_features_user;
SELECT count(*) FROM pg_settings WHERE name = 'heliosdb.pause_point';

-- Every function has a comment.
SELECT pg_describe_object(classid, objid, objsubid) AS without_comment
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'heliosdb')
  AND deptype = 'e' AND classid = 'pg_proc'::regclass AND obj_description(objid, 'pg_proc') IS NULL
  AND pg_describe_object(classid, objid, objsubid) NOT LIKE 'function heliosdb.test\_%'
ORDER BY 1;

DROP ROLE regress_features_user;
