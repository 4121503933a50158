-- Options of hybrid tables: how cold columns are compressed.
\set VERBOSITY terse
CREATE TABLE readings (id int PRIMARY KEY, place text, value float8, price numeric(10,2), at timestamptz, code int)
  USING heliosdb;
INSERT INTO readings
  SELECT g, 'place ' || g % 40, g / 8.0, g % 10 / 100.0, '2024-01-01 00:00+00'::timestamptz + g * interval '1 s', g % 5
  FROM generate_series(1, 4000) g;
CREATE VIEW codecs AS
  SELECT DISTINCT first_row, "column", codec FROM heliosdb.chunks WHERE relation = 'readings'::regclass;
CREATE VIEW options AS
  SELECT "column", attribute, compression, compression_level FROM heliosdb.hybrid_options
  WHERE relation = 'readings'::regclass;

-- By functions: what is not named goes back to the default.
SELECT heliosdb.set_table_options('readings', 'small', 19);
SELECT heliosdb.set_column_options('readings', 'place', compression => 'fsst');
SELECT heliosdb.set_column_options('readings', 'value', 'ALP');
SELECT heliosdb.set_column_options('readings', 'id', 'none', 5);
SELECT heliosdb.set_column_options('readings', 'code', 'rle+zstd', 7);
SELECT * FROM options ORDER BY attribute;
SELECT heliosdb.move_to_cold('readings', 'id <= 2000');
SELECT "column", codec FROM codecs WHERE "column" IN ('id', 'place', 'value') ORDER BY 1;
SELECT heliosdb.set_column_options('readings', 'id', compression_level => 9);
SELECT heliosdb.set_column_options('readings', 'code');
SELECT heliosdb.set_table_options('readings');
SELECT * FROM options ORDER BY attribute;

-- By statements, several at once; what is PostgreSQL's stays so.
ALTER TABLE readings ALTER COLUMN place SET COMPRESSION dictionary, ALTER value SET COMPRESSION zstd,
  ADD COLUMN note text COMPRESSION fsst DEFAULT 'none yet', ALTER id SET STATISTICS 10;
ALTER TABLE readings ALTER code SET COMPRESSION "delta+zstd", ALTER price SET COMPRESSION "for";
ALTER TABLE readings ALTER price SET COMPRESSION lz4, ALTER note SET COMPRESSION pglz;
ALTER TABLE IF EXISTS nothing ALTER x SET COMPRESSION fsst;
ALTER TABLE ONLY readings ALTER id SET COMPRESSION lz4;
SELECT * FROM options ORDER BY attribute;
SELECT attname, attcompression FROM pg_attribute
  WHERE attrelid = 'readings'::regclass AND attcompression <> '' ORDER BY attnum;
SELECT heliosdb.move_to_cold('readings');
SELECT "column", codec FROM codecs WHERE first_row > 0 AND "column" IN ('place', 'value', 'price') ORDER BY 1;
SELECT count(*), sum(id), count(DISTINCT place), sum(value), sum(price), count(DISTINCT note) FROM readings;

-- In the other direction.
ALTER TABLE readings ALTER id SET COMPRESSION default, ALTER price SET COMPRESSION default,
  ALTER value SET COMPRESSION default;
SELECT * FROM options ORDER BY attribute;
SELECT attname FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attcompression <> '';
SELECT heliosdb.recompress('readings');

-- Settings are the default of all.
SET heliosdb.default_compression = 'zstd';
SET heliosdb.compression_level = 12;
SELECT heliosdb.recompress('readings');
SELECT DISTINCT "column", codec FROM codecs WHERE "column" IN ('place', 'value', 'price', 'at', 'note') ORDER BY 1;
SET heliosdb.default_compression = 'best';
SET heliosdb.compression_level = 30;
RESET heliosdb.default_compression;
RESET heliosdb.compression_level;
SELECT name, value, takes_effect FROM heliosdb.settings
  WHERE name IN ('heliosdb.default_compression', 'heliosdb.compression_level') ORDER BY 1;

-- Options follow their columns and tables.
ALTER TABLE readings RENAME COLUMN place TO site;
ALTER TABLE readings RENAME TO measurements;
CREATE SCHEMA elsewhere;
ALTER TABLE measurements SET SCHEMA elsewhere;
SELECT relation, "column", attribute, compression FROM heliosdb.hybrid_options ORDER BY attribute;
ALTER TABLE elsewhere.measurements DROP COLUMN site CASCADE;
SELECT relation, "column", attribute, compression FROM heliosdb.hybrid_options ORDER BY attribute;
CREATE TABLE elsewhere.child () INHERITS (elsewhere.measurements) USING heliosdb;
ALTER TABLE elsewhere.child ALTER note SET COMPRESSION letters;
ALTER TABLE elsewhere.measurements RENAME COLUMN note TO remark;
SELECT relation, "column", compression FROM heliosdb.hybrid_options ORDER BY relation::text, attribute;
CREATE TYPE pair AS (a int, b text);
CREATE TABLE pairs OF pair USING heliosdb;
ALTER TABLE pairs ALTER b SET COMPRESSION fsst;
ALTER TYPE pair RENAME ATTRIBUTE b TO c CASCADE;
SELECT "column" FROM heliosdb.hybrid_options WHERE relation = 'pairs'::regclass;
DROP SCHEMA elsewhere CASCADE;
DROP TABLE pairs;
SELECT count(*) FROM heliosdb.hybrid_options;

-- As a table is created.
CREATE TABLE made (a text COMPRESSION fsst, b int COMPRESSION delta, c text COMPRESSION lz4, d int COMPRESSION lz4, e text)
  USING heliosdb;
SET default_table_access_method = heliosdb;
CREATE TABLE IF NOT EXISTS made (e text COMPRESSION zstd);
CREATE TABLE also_made (a text COMPRESSION zstd);
RESET default_table_access_method;
SELECT relation, "column", compression FROM heliosdb.hybrid_options ORDER BY relation::text, attribute;
SELECT attname, attcompression FROM pg_attribute WHERE attrelid = 'made'::regclass AND attcompression <> '';

-- Among the options of tables and columns.
CREATE TABLE sized (a int, b text) USING heliosdb WITH (fillfactor = 90, compression = small, compression_level = 5);
ALTER TABLE sized ALTER b SET (compression = 'fsst+zstd', compression_level = 9, n_distinct = 5), SET (fillfactor = 80);
ALTER TABLE sized ALTER a SET (compression = "for"), SET (compression = 'fast');
SELECT "column", compression, compression_level FROM heliosdb.hybrid_options WHERE relation = 'sized'::regclass ORDER BY attribute;
SELECT reloptions, 'n_distinct=5' = ANY (attoptions) AS attoptions, array_to_string(attoptions, ' ') ~ 'compression' AS ours FROM pg_class c, pg_attribute a WHERE c.oid = 'sized'::regclass AND attrelid = c.oid AND attname = 'b';
ALTER TABLE sized RESET (compression, fillfactor), ALTER b RESET (compression, compression_level), ALTER a SET (compression = default);
ALTER TABLE sized SET (heliosdb.compression = 'zstd');
SELECT "column", compression, compression_level FROM heliosdb.hybrid_options WHERE relation = 'sized'::regclass ORDER BY attribute;
ALTER TABLE sized SET (compression_level = 'high');
ALTER TABLE sized SET (compression_level = 0);
ALTER TABLE sized SET (compression = 'gzip');
ALTER TABLE sized SET (heliosdb.other = 1);
CREATE TABLE sized_heap (a int) WITH (compression = small);
CREATE TABLE sized_heap (a int);
ALTER TABLE sized_heap SET (compression = small);
ALTER TABLE sized_heap SET (heliosdb.compression = small);
ALTER TABLE sized_heap ALTER a SET (heliosdb.compression = small);
DROP TABLE sized, sized_heap;

-- A change that is rolled back, and access methods that change.
BEGIN;
ALTER TABLE made ALTER a SET COMPRESSION zstd;
SELECT heliosdb.set_table_options('made', 'fast');
ROLLBACK;
SELECT "column", compression FROM heliosdb.hybrid_options WHERE relation = 'made'::regclass ORDER BY attribute;
ALTER TABLE made SET ACCESS METHOD heap;
ALTER TABLE made ALTER a SET COMPRESSION zstd;
SELECT heliosdb.set_table_options('made', 'fast');
ALTER TABLE made ALTER a SET COMPRESSION pglz;
ALTER TABLE made SET ACCESS METHOD heliosdb;
SELECT "column", compression FROM heliosdb.hybrid_options WHERE relation = 'made'::regclass ORDER BY attribute;

-- What is refused.
\set VERBOSITY default
SELECT heliosdb.set_column_options('made', 'a', 'alp');
SELECT heliosdb.set_column_options('made', 'b', 'gorilla');
SELECT heliosdb.set_table_options('made', 'brotli');
SELECT heliosdb.set_table_options('made', compression_level => 0);
SELECT heliosdb.set_column_options('made', 'a', 'zstd', 23);
SELECT heliosdb.set_column_options('made', 'z', 'zstd');
SELECT heliosdb.set_column_options('made', 'ctid', 'zstd');
SELECT heliosdb.set_column_options('made', NULL, 'zstd');
SELECT heliosdb.set_table_options(NULL, 'zstd');
ALTER TABLE made ALTER b SET COMPRESSION fsst;
ALTER TABLE made ALTER z SET COMPRESSION fsst;
CREATE TABLE wrong (a int COMPRESSION fsst) USING heliosdb;
CREATE TEMP TABLE short (a text COMPRESSION fsst) USING heliosdb;
CREATE TABLE plain (a text COMPRESSION fsst);
CREATE ROLE regress_hybrid_reader;
GRANT SELECT ON made TO regress_hybrid_reader;
SET ROLE regress_hybrid_reader;
SELECT heliosdb.set_table_options('made', 'zstd');
ALTER TABLE made ALTER a SET COMPRESSION zstd;
DELETE FROM heliosdb.hybrid_options;
RESET ROLE;
DROP TABLE made, also_made;
DROP ROLE regress_hybrid_reader;
SELECT count(*) FROM heliosdb.hybrid_options;
