-- Type sparsevec: text form, type modifiers, errors.

-- Runs a statement that returns one value; gives the value, or what the client would be told.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
  detail text;
BEGIN
  EXECUTE statement INTO result;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN sqlstate || ' ' || sqlerrm || coalesce(' / ' || nullif(detail, ''), '');
END
$$;

-- The text form: indices count from 1 and may come in any order; zeros are not kept.
SELECT t AS input, attempt(format('SELECT %L::sparsevec::text', t)) AS output
FROM (VALUES (1, '{1:1,3:2}/5'), (2, '{3:2,1:1.5}/5'), (3, '{}/3'), (4, '{1:0,2:-0,3:1}/3'),
             (5, '{0:0}/3'), (6, ' { 1 : 1 , +2 : -2.5 } / 3 '),
             (7, '{1000000000:1}/1000000000'), (8, '{1:0.1,2:1e-45,3:3.4028235e38}/3'),
             (9, '{1:0x10}/1')) v(n, t)
ORDER BY n;
SELECT E'\t{\n1\r:\x0b2\f}\n/\t3\n'::sparsevec;

-- Errors.
SELECT t AS input, attempt(format('SELECT %L::sparsevec::text', t)) AS outcome
FROM (VALUES (1, ''), (2, '[1,2]'), (3, '1:1/2'), (4, '{'), (5, '{1'), (6, '{1:'), (7, '{1:1'),
             (8, '{1:1,'), (9, '{1:1,}/2'), (10, '{,}/2'), (11, '{1 1}/2'), (12, '{x:1}/2'),
             (13, '{1:x}/2'), (14, '{:1}/2'), (15, '{1.5:1}/2'), (16, '{1:1;2:1}/2'),
             (17, '{1:1}'), (18, '{1:1}2'), (19, '{1:1}/'), (20, '{1:1}/x'), (21, '{1:1}/2x'),
             (22, '{1:1}/2 3'), (23, '{0:1}/2'), (24, '{-1:1}/2'), (25, '{3:1}/2'),
             (26, '{1:1}/0'), (27, '{}/0'), (28, '{}/-1'), (29, '{}/1000000001'),
             (30, '{}/99999999999999999999'), (31, '{99999999999999999999:1}/2'),
             (32, '{-99999999999999999999:1}/2'), (33, '{1:1,1:2}/2'), (34, '{2:1,1:1,2:3}/2'),
             (35, '{1:nan}/2'), (36, '{1:inf}/2'), (37, '{1:-Infinity}/2'), (38, '{1:1e39}/2'),
             (39, '{1:1e-46}/2'), (40, '{1:-1e400}/2'), (41, '{9:1,1:nan}/2')) v(n, t)
ORDER BY n;

-- Type modifiers.
CREATE TABLE three (v sparsevec(3));
INSERT INTO three VALUES ('{1:1}/3'), (NULL);
INSERT INTO three VALUES ('{1:1}/2');
INSERT INTO three SELECT '{}/4'::sparsevec;
SELECT v FROM three;
SELECT format_type(atttypid, atttypmod), attstorage FROM pg_attribute
WHERE attrelid = 'three'::regclass AND attnum = 1;
SELECT m AS modifier, attempt('SELECT ''{1:1}/3''::sparsevec' || m) AS outcome
FROM (VALUES (1, '(3)'), (2, '(2)'), (3, '(1000000000)'), (4, '(0)'), (5, '(-1)'),
             (6, '(1000000001)'), (7, '(3,3)')) v(n, m)
ORDER BY n;

-- The largest number of elements, and one more.
CREATE TABLE wide (v sparsevec);
INSERT INTO wide
SELECT ('{' || string_agg(i || ':' || i, ',' ORDER BY i DESC) || '}/1000000000')::sparsevec
FROM generate_series(1, 16000) i;
SELECT l2_norm(v) = sqrt(16000.0::float8 * 16001 * 32001 / 6) AS norm, pg_column_size(v),
  v = v::text::sparsevec AS same FROM wide;
SELECT attempt('SELECT ''{' || string_agg(i || ':1', ',') || '}/20000''::sparsevec')
FROM generate_series(1, 16001) i;
-- The count goes by the commas, before anything else is looked at.
SELECT attempt(format('SELECT %L::sparsevec', '{' || repeat(',', 16000)));

-- A value whose length disagrees with its header is refused, not read (the bytes are little-endian).
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
SELECT b AS bytes, attempt(format('SELECT %L::bytea::sparsevec::text', b)) AS outcome
FROM (VALUES (1, '\x02000000 01000000 00000000 01000000 0000803f'),
             (2, '\x02000000 02000000 00000000 01000000 0000803f'),
             (3, '\x02000000 ffffffff 00000000'), (4, '\x00000000 00000000 00000000'),
             (5, '\x02000000 00000000 000000'), (6, '\x')) v(n, b)
ORDER BY n;
DROP CAST (bytea AS sparsevec);

DROP TABLE three, wide;
DROP FUNCTION attempt;
