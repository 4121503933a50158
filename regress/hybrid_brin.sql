-- Indexes that summarize ranges of pages are refused, also where the table comes to them.
CREATE TABLE ranges AS SELECT g AS id FROM generate_series(1, 10) g;
CREATE INDEX ranges_id ON ranges USING brin (id);
ALTER TABLE ranges SET ACCESS METHOD heliosdb;
DROP INDEX ranges_id;
ALTER TABLE ranges SET ACCESS METHOD heliosdb;
CREATE INDEX ranges_id ON ranges USING brin (id);
DROP TABLE ranges;
