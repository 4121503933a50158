-- Values that are stored out of line, compressed or not.
CREATE TABLE wide (id int, short text, long text) USING heliosdb;
ALTER TABLE wide ALTER long SET STORAGE EXTERNAL;
INSERT INTO wide SELECT g, repeat('s', g), repeat(md5(g::text), g * 200) FROM generate_series(0, 5) g;
INSERT INTO wide SELECT 6, repeat('compressed', 10000), string_agg(md5(g::text), '') FROM generate_series(1, 1000) g;
CREATE TABLE before AS TABLE wide;
SELECT heliosdb.move_to_cold('wide');
TABLE wide EXCEPT ALL TABLE before;
SELECT sum(length(long)) FROM wide;
DROP TABLE wide, before;
