-- What is shown about hybrid tables.
CREATE TABLE shown (id int, name text COLLATE "C", price numeric(10,2), f float8, r float4, d date, empty text, gone int)
  USING heliosdb;
SELECT * FROM heliosdb.tier_stats('shown');
INSERT INTO shown
  SELECT g, 'n' || lpad(g::text, 5, '0'), -g / 100.0, g / 4.0, g / 2.0, '2024-01-01'::date + g % 100,
         NULL, g
  FROM generate_series(1, 5000) g;
ALTER TABLE shown DROP COLUMN gone;
SELECT heliosdb.move_to_cold('shown', 'id <= 3000');
SELECT hot_rows, cold_rows FROM heliosdb.tier_stats('shown');
UPDATE shown SET price = NULL WHERE id = 2999;
DELETE FROM shown WHERE id BETWEEN 11 AND 20;
ALTER TABLE shown ADD COLUMN later int DEFAULT 1;
VACUUM ANALYZE shown;

SELECT first_row, rows, gone_rows, holes, "column", nulls, raw_bytes, min, max
  FROM heliosdb.chunks WHERE relation = 'shown'::regclass;
SELECT bool_and(codec IS NOT NULL AND stored_bytes > 0) FROM heliosdb.table_chunks('shown') WHERE "column" <> 'empty';
SELECT codec, stored_bytes, raw_bytes FROM heliosdb.table_chunks('shown') WHERE "column" = 'empty';
SELECT hot_rows, hot_bytes = pg_relation_size('shown') AS hot_bytes, cold_rows, gone_rows, chunks, raw_bytes,
       stored_bytes < raw_bytes AS smaller, round(ratio::numeric, 3) = round(raw_bytes::numeric / stored_bytes, 3) AS ratio,
       hot_bytes + stored_bytes + side_bytes <= pg_total_relation_size('shown') AS side_bytes
  FROM heliosdb.tier_stats('shown');
SELECT schemaname, tablename, sum(uncompressed_bytes), bool_and(compressed_bytes > 0 AND num_chunks > 0) AS all_sizes,
       bool_and(avg_chunk_size = round(compressed_bytes::numeric / num_chunks)) AS averages,
       bool_and(compression_ratio > 0) AS ratios
  FROM pg_compression_stats() WHERE tablename = 'shown' GROUP BY 1, 2;
SELECT sum(num_chunks) FROM pg_compression_stats() WHERE tablename = 'shown';

-- Rows that have left take no room once the chunk is made anew.
SELECT heliosdb.recompress('shown');
SELECT DISTINCT rows, gone_rows, holes FROM heliosdb.table_chunks('shown');
SELECT cold_rows, gone_rows FROM heliosdb.tier_stats('shown');

-- Values are shown to those who may read them.
CREATE ROLE regress_hybrid_some;
SET ROLE regress_hybrid_some;
SELECT "column", rows, min, max FROM heliosdb.chunks WHERE relation = 'shown'::regclass AND "column" IN ('id', 'd');
RESET ROLE;
GRANT SELECT (d) ON shown TO regress_hybrid_some;
SET ROLE regress_hybrid_some;
SELECT "column", min, max FROM heliosdb.chunks WHERE relation = 'shown'::regclass AND "column" IN ('id', 'd');
RESET ROLE;
GRANT SELECT ON shown TO regress_hybrid_some;
SET ROLE regress_hybrid_some;
SELECT "column", min, max FROM heliosdb.chunks WHERE relation = 'shown'::regclass AND "column" IN ('id', 'd');
RESET ROLE;
ALTER TABLE shown ENABLE ROW LEVEL SECURITY;
SET ROLE regress_hybrid_some;
SELECT "column", min, max FROM heliosdb.chunks WHERE relation = 'shown'::regclass AND "column" IN ('id', 'd');
RESET ROLE;
ALTER TABLE shown DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON shown FROM regress_hybrid_some;
DROP ROLE regress_hybrid_some;
CREATE TABLE plain AS SELECT g AS id FROM generate_series(1, 3) g;
SELECT heliosdb.table_chunks('plain');
SELECT heliosdb.tier_stats('plain');

-- EXPLAIN (ANALYZE) tells what was read.
CREATE FUNCTION explained(query text, options text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF%s) %s', options, query) LOOP
    IF line ~ 'Hybrid|Chunks' THEN RETURN NEXT line; END IF;
  END LOOP;
END $$;
SELECT explained('SELECT count(*) FROM shown');
SELECT explained('SELECT count(*) FROM shown', ', VERBOSE');
SELECT explained('SELECT count(*) FROM shown WHERE id > 4990');
SELECT explained('SELECT * FROM shown LIMIT 5');
SELECT explained('SELECT count(*) FROM shown TABLESAMPLE system (100)');
SELECT explained('SELECT count(*) FROM pg_class');
CREATE INDEX shown_id ON shown (id);
SET enable_seqscan = off;
SELECT explained('SELECT count(name) FROM shown WHERE id IN (5, 6, 4000)');
SET enable_indexscan = off;
SELECT explained('SELECT count(name) FROM shown WHERE id IN (5, 6, 4000)');
RESET enable_indexscan;
RESET enable_seqscan;
SELECT explained('SELECT count(*) FROM plain');
SELECT explained('SELECT count(*) FROM shown a JOIN shown b USING (id) JOIN plain USING (id)');
SELECT explained('UPDATE shown SET name = name WHERE id < 0');
CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM shown';
SELECT explained('SELECT counted()');
EXPLAIN (COSTS OFF) SELECT count(*) FROM shown;

-- In all formats.
CREATE FUNCTION explained_json(query text) RETURNS json LANGUAGE plpgsql AS $$
DECLARE result json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json) ' || query INTO result;
  RETURN result -> 0 -> 'Hybrid Tables';
END $$;
SELECT explained_json('SELECT count(*) FROM shown');
SELECT explained_json('SELECT count(*) FROM plain');
CREATE FUNCTION explained_as(format text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT ' || format || ') SELECT count(*) FROM shown' INTO result;
  RETURN result;
END $$;
SELECT regexp_replace(substring(explained_as('yaml') FROM 'Hybrid Tables:.*'), '\s+', ' ', 'g');
SELECT regexp_replace(substring(explained_as('xml') FROM '<Hybrid-Tables>.*</Hybrid-Tables>'), '\s+', ' ', 'g');
DROP FUNCTION explained, explained_json, explained_as, counted;
DROP TABLE shown, plain;
