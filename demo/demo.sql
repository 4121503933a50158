-- A tour of heliosdb over the packages of this Debian: tools/demo.sh runs it in a private cluster.
\set QUIET on
\pset footer off
\pset linestyle unicode
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET maintenance_work_mem = '256MB';
SET jit = off;
SELECT setseed(0.5) \g /dev/null

\echo '── 1. What is here ────────────────────────────────────────────────────────────────────'
\echo
SELECT 'PostgreSQL ' || current_setting('server_version') AS server, 'heliosdb ' || heliosdb.version() AS extension,
       heliosdb.simd_target() AS "distances computed with";
SELECT feature, available FROM heliosdb.features;

\echo '── 2. Debian packages become vectors, in SQL alone ────────────────────────────────────'
\echo
CREATE TABLE listed (name text, section text, summary text, description text);
\copy listed FROM PROGRAM 'demo/packages.sh'
-- At most 20,000 packages: the chosen ones first, then at random.
CREATE TABLE packages AS
  SELECT row_number() OVER () AS id, name, section, summary, description
  FROM (SELECT * FROM listed ORDER BY name IN ('nginx', 'bash', 'gimp') DESC, hashtext(name) LIMIT 20000) AS chosen;

\echo 'Each word of a description becomes four of 256 dimensions by its hash, with a sign, weighted by'
\echo 'how rare the word is. A sparsevec adds them up; the unit vector is what gets searched.'
\echo
CREATE FUNCTION words(name text, summary text, description text) RETURNS TABLE (word text)
  LANGUAGE sql IMMUTABLE AS $$
  SELECT lexeme FROM unnest(to_tsvector('english', replace(name, '-', ' ') || ' ' || summary || ' ' || description));
$$;
CREATE TABLE weights AS
  SELECT word, ln((SELECT count(*) FROM packages)::float8 / count(*)) + 0.1 AS weight
  FROM packages, words(name, summary, description) GROUP BY word;
ALTER TABLE weights ADD PRIMARY KEY (word);

CREATE FUNCTION embed(name text, summary text, description text) RETURNS vector(256) LANGUAGE sql STABLE AS $$
  SELECT l2_normalize(('{' || string_agg(dimension || ':' || value, ',') || '}/256')::sparsevec::vector)
  FROM (SELECT 1 + (hash & 255) AS dimension, sum(weight * (1 - 2 * ((hash >> 20) & 1)))::real AS value
        FROM words($1, $2, $3) JOIN weights USING (word), generate_series(1, 4) AS n, hashtextextended(word, n) AS hash
        GROUP BY 1) AS parts
  WHERE value <> 0;
$$;
ALTER TABLE packages ADD embedding vector(256);
UPDATE packages SET embedding = embed(name, summary, description);
DELETE FROM packages WHERE embedding IS NULL;
ALTER TABLE packages ADD PRIMARY KEY (id);
VACUUM FULL ANALYZE packages;
SELECT (SELECT count(*) FROM listed) AS "packages known", count(*) AS "in the table", min(vector_dims(embedding)) AS dimensions,
       pg_size_pretty(pg_table_size('packages')) AS "table", pg_size_pretty(sum(pg_column_size(embedding))) AS "of it vectors"
FROM packages;

\echo '── 3. Exact search, without an index ──────────────────────────────────────────────────'
\echo
SELECT coalesce((SELECT name FROM packages WHERE name = 'nginx'), 'bash') AS model \gset
\echo 'Packages like' :model:
SELECT name, left(summary, 60) AS summary, round((embedding <=> (SELECT embedding FROM packages WHERE name = :'model'))::numeric, 3) AS distance
FROM packages ORDER BY distance LIMIT 6;
\echo 'Packages like the words "edit photos and images":'
SELECT name, left(summary, 60) AS summary, round((embedding <=> embed('', '', 'edit photos and images'))::numeric, 3) AS distance
FROM packages ORDER BY distance LIMIT 5;

\echo '── 4. Build an index, watched from another session ────────────────────────────────────'
\echo
CREATE TABLE seen (phase text, at timestamptz);
\! psql -X -q -d postgres -f demo/watch.sql </dev/null &
SELECT pg_sleep(0.3) \g /dev/null
SET client_min_messages = notice;
\echo 'CREATE INDEX by_auto ON packages USING hnsw (embedding vector_cosine_ops) WITH (quantization = ''auto'');'
CREATE INDEX by_auto ON packages USING hnsw (embedding vector_cosine_ops) WITH (quantization = 'auto');
SET client_min_messages = warning;
\echo
\echo 'CREATE INDEX by_product … WITH (quantization = ''product''), as pg_stat_progress_create_index showed it:'
SELECT clock_timestamp() AS began \gset
CREATE INDEX by_product ON packages USING hnsw (embedding vector_cosine_ops) WITH (quantization = 'product');
SELECT pg_advisory_lock(1) \g /dev/null
SELECT phase, round(extract(epoch FROM max(at) - min(at))::numeric, 2) AS seconds
FROM seen WHERE at > :'began' GROUP BY phase ORDER BY min(at);
\echo 'What auto measured before it chose:'
SELECT quantization, auto_sample AS "rows sampled", round(auto_recall_rabitq::numeric, 3) AS "rabitq, 10 in 40",
       round(auto_recall_product::numeric, 3) AS "product, 10 in 40", code_bytes AS "bytes of a code"
FROM heliosdb.vector_index_info('by_auto');

\echo '── 5. Size against recall ─────────────────────────────────────────────────────────────'
\echo
CREATE INDEX by_none ON packages USING hnsw (embedding vector_cosine_ops);
CREATE INDEX by_scalar ON packages USING hnsw (embedding vector_cosine_ops) WITH (quantization = 'scalar');
CREATE INDEX by_rabitq ON packages USING hnsw (embedding vector_cosine_ops) WITH (quantization = 'rabitq');
CREATE INDEX by_rabitq_4 ON packages USING hnsw (embedding vector_cosine_ops) WITH (quantization = 'rabitq', rabitq_bits = 4);
CREATE TABLE measured (index regclass, ef int, recall float8);
SET hnsw.ef_search = 40;
INSERT INTO measured SELECT indexrelid, 40, heliosdb.vector_index_recall(indexrelid, 200) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'packages'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'hnsw');
SET hnsw.ef_search = 200;
INSERT INTO measured SELECT index, 200, heliosdb.vector_index_recall(index, 200) FROM measured;
SET hnsw.ef_search = 40;
\echo 'Share of the 10 nearest packages that each index finds; the vectors'' sparse words make this a hard set:'
SELECT index, quantization, pg_size_pretty(pg_relation_size(index)) AS size, code_bytes AS "bytes of a code",
       round(max(recall) FILTER (WHERE ef = 40)::numeric, 3) AS "recall, ef_search 40",
       round(max(recall) FILTER (WHERE ef = 200)::numeric, 3) AS "ef_search 200"
FROM measured, heliosdb.vector_index_info(index) GROUP BY 1, 2, 3, 4 ORDER BY pg_relation_size(index) DESC;
SELECT index_name, num_vectors, dimensions, quantization, memory_bytes FROM pg_vector_index_stats() ORDER BY memory_bytes DESC;

\echo '── 6. A filter does not run dry ───────────────────────────────────────────────────────'
\echo
DROP INDEX by_none, by_auto, by_product, by_rabitq, by_rabitq_4;
SELECT section AS rare FROM packages GROUP BY section HAVING count(*) >= 10
ORDER BY section = 'games' DESC, abs(count(*) - 0.01 * (SELECT count(*) FROM packages)) LIMIT 1 \gset
SET enable_seqscan = off;
\echo 'Ten packages of section' :rare 'that are nearest to "network server". One batch of candidates (iterative_scan = off):'
SET hnsw.iterative_scan = off;
WITH q AS MATERIALIZED (SELECT embed('', '', 'network server') AS v)
SELECT count(*) AS "rows found" FROM (SELECT 1 FROM packages WHERE section = :'rare' ORDER BY embedding <=> (SELECT v FROM q) LIMIT 10) AS found;
\echo 'The scan goes on until ten rows passed (strict_order, the default):'
SET hnsw.iterative_scan = strict_order;
WITH q AS MATERIALIZED (SELECT embed('', '', 'network server') AS v)
SELECT count(*) AS "rows found" FROM (SELECT 1 FROM packages WHERE section = :'rare' ORDER BY embedding <=> (SELECT v FROM q) LIMIT 10) AS found;
SELECT embed('', '', 'network server') AS asked \gset
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT name FROM packages WHERE section = :'rare' ORDER BY embedding <=> :'asked' LIMIT 10 \g (format=unaligned tuples_only=on) | cut -c1-95
SELECT name, left(summary, 60) AS summary FROM packages WHERE section = :'rare' ORDER BY embedding <=> :'asked' LIMIT 4;
RESET enable_seqscan;

\echo '── 7. Rows come and go ────────────────────────────────────────────────────────────────'
\echo
INSERT INTO packages (id, name, section, summary, description, embedding)
  VALUES (0, 'heliosdb', 'database', 'vector search inside PostgreSQL', '', embed('heliosdb', 'vector search inside PostgreSQL', ''));
\echo 'Inserted a package; asked for "PostgreSQL vector search":'
SELECT name, left(summary, 60) AS summary FROM packages ORDER BY embedding <=> embed('', '', 'PostgreSQL vector search') LIMIT 3;
DELETE FROM packages WHERE id % 5 = 1;
VACUUM packages;
\echo 'Deleted every fifth package, then VACUUM:'
SELECT vectors, dead, free_slots, round(heliosdb.vector_index_recall('by_scalar', 200)::numeric, 3) AS "recall, ef_search 40"
FROM heliosdb.vector_index_info('by_scalar');

\echo '── 8. Flux: the same in reading order ─────────────────────────────────────────────────'
\echo
\set ECHO queries
FROM packages
|> WHERE name LIKE 'postgresql%'
|> EXTEND length(description) AS letters
|> AGGREGATE count(*) AS packages, max(letters) AS longest GROUP BY section
|> WHERE packages > 3
|> ORDER BY packages DESC, section;

FROM packages p
|> JOIN (FROM packages SELECT embedding AS wanted WHERE name = 'gimp') g ON p.embedding <> g.wanted
|> ORDER BY p.embedding <=> g.wanted
|> LIMIT 3
|> SELECT p.name, p.section;

SELECT heliosdb.flux_to_sql('FROM packages |> WHERE id < 3 |> AGGREGATE count(*) GROUP BY section');
\set ECHO none

\echo '── 9. Time travel: a table as it was ──────────────────────────────────────────────────'
\echo
SELECT heliosdb.track('packages') \g /dev/null
SELECT clock_timestamp() AS noon \gset
\set ECHO queries
UPDATE packages SET summary = 'gone wrong' WHERE section = 'database';
DELETE FROM packages WHERE name LIKE 'nginx%';

FROM packages now JOIN packages AS OF TIMESTAMP :'noon' before USING (id)
|> WHERE now.summary <> before.summary
|> AGGREGATE count(*) AS "rows gone wrong";

SELECT name, versions_operation AS op, summary
FROM packages VERSIONS BETWEEN TIMESTAMP :'noon' AND NOW
WHERE name LIKE 'nginx%' OR name = 'redis' ORDER BY name, versions_starttime NULLS FIRST;

SELECT * FROM heliosdb.flashback_table('packages', :'noon');
\set ECHO none

\echo '── 10. Branches: the database beside the database ─────────────────────────────────────'
\echo
CREATE TABLE ratings (id int PRIMARY KEY, name text, stars int);
INSERT INTO ratings SELECT row_number() OVER (ORDER BY name), name, 3 FROM packages WHERE name LIKE 'postgresql%';
\set ECHO queries
CREATE DATABASE BRANCH staging FROM CURRENT AS OF NOW;
USE BRANCH staging;
UPDATE ratings SET stars = 5 WHERE id <= 2;
ALTER TABLE ratings ADD COLUMN note text DEFAULT 'none';
USE BRANCH main;
UPDATE ratings SET name = upper(name) WHERE id = 1;

SELECT relation, key, action, conflict FROM heliosdb.merge_preview('staging');
MERGE DATABASE BRANCH staging INTO main;
SELECT * FROM ratings ORDER BY id LIMIT 3;
DROP DATABASE BRANCH staging;
\set ECHO none

\echo '── 11. A materialized view that keeps up to date ──────────────────────────────────────'
\echo
\set ECHO queries
CREATE MATERIALIZED VIEW sections AS
  SELECT section, count(*) AS packages, max(length(summary)) AS longest FROM packages GROUP BY section
  WITH (auto_refresh = true);
SELECT incremental, method FROM heliosdb.mv_explain('sections');
DELETE FROM packages WHERE section = 'database' AND id % 2 = 0;
SELECT view_name, pending_changes > 0 AS is_behind FROM pg_mv_staleness();
REFRESH MATERIALIZED VIEW sections INCREMENTALLY;
SELECT strategy, trigger, rows_affected FROM pg_mv_refresh_history(1);
\set ECHO none

\echo '── 12. A table of rows and compressed columns ─────────────────────────────────────────'
\echo
\set ECHO queries
CREATE TABLE archive (LIKE packages INCLUDING ALL) USING heliosdb;
INSERT INTO archive TABLE packages;
SELECT pg_size_pretty(pg_table_size('archive')) AS as_rows;
SELECT heliosdb.move_to_cold('archive') > 0 AS moved;
VACUUM FULL archive;
SELECT pg_size_pretty(pg_table_size('archive')) AS as_columns;
UPDATE archive SET summary = upper(summary) WHERE id = (SELECT min(id) FROM archive);
SELECT chunks, cold_rows, gone_rows, round(ratio::numeric, 1) AS ratio FROM heliosdb.tier_stats('archive');
SELECT "column", codec, rows, raw_bytes, stored_bytes FROM heliosdb.table_chunks('archive') ORDER BY first_row, raw_bytes DESC LIMIT 4;
\set ECHO none
