-- What needs the objects of several rooms.

CREATE VIEW heliosdb.features (feature, available, why_not) AS
  VALUES ('vector types and distances'::text, true, NULL::text),
         ('hnsw index access method', true, NULL),
         ('scalar, product and RaBitQ quantization', true, NULL),
         ('heliosdb.flux_to_sql() and heliosdb.flux()', true, NULL),
         ('FROM-first queries, pipes and forms as statements',
          (SELECT installed FROM heliosdb.syntax_status()),
          (SELECT CASE WHEN NOT installed THEN detail END FROM heliosdb.syntax_status())),
         ('AS OF SCN: tracked tables at a recorded snapshot', true, NULL),
         ('AS OF, VERSIONS BETWEEN: tracked tables at an instant', current_setting('track_commit_timestamp')::boolean,
          CASE WHEN NOT current_setting('track_commit_timestamp')::boolean
               THEN 'set track_commit_timestamp = on, or shared_preload_libraries = ''heliosdb'', and restart' END),
         ('hybrid tables: access method heliosdb', true, NULL),
         ('materialized views refreshed incrementally', true, NULL),
         ('materialized views kept up to date in the background', heliosdb.preloaded(),
          CASE WHEN NOT heliosdb.preloaded()
               THEN 'add to postgresql.conf: shared_preload_libraries = ''heliosdb'' and restart' END),
         ('database branches', heliosdb.preloaded() AND current_setting('track_commit_timestamp')::boolean,
          CASE WHEN NOT (heliosdb.preloaded() AND current_setting('track_commit_timestamp')::boolean)
               THEN 'set shared_preload_libraries = ''heliosdb'' and track_commit_timestamp = on, and restart' END),
         ('background work under a CPU budget', heliosdb.preloaded(),
          CASE WHEN NOT heliosdb.preloaded()
               THEN 'add to postgresql.conf: shared_preload_libraries = ''heliosdb'' and restart' END),
         ('settings hnsw.* and heliosdb.* from the start of every session', heliosdb.preloaded(),
          CASE WHEN NOT heliosdb.preloaded()
               THEN 'add to postgresql.conf: shared_preload_libraries = ''heliosdb'' and restart' END);
COMMENT ON VIEW heliosdb.features IS 'what works in this server, and why not otherwise';
GRANT SELECT ON heliosdb.features TO PUBLIC;
