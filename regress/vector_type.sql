-- Type vector: text form, type modifiers, errors.

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

-- The text form: what is written is the shortest decimal that reads back the same.
SELECT t AS input, attempt(format('SELECT %L::vector::text', t)) AS output
FROM (VALUES (1, '[1,2,3]'), (2, '[-1,-2.5,+3]'), (3, '  [ 1 , 2,3 ]'),
             (4, '[1.,.5,1e2,1E-2]'), (5, '[-0,0]'), (6, '[0x10,0x1p-2]'),
             (7, '[0.1,1.23456789,16777217,1e38]'), (8, '[3.4028235e38,1.17549435e-38,1e-45]')) v(n, t)
ORDER BY n;
SELECT E'\t[\n1\r,\x0b2\f]\n'::vector;

-- A number that is too small for a float becomes zero.
SELECT '[1e-46,-1e-46,1e-99999,0.00000000000000000000000000000000000000000000000001]'::vector;

-- Errors.
SELECT t AS input, attempt(format('SELECT %L::vector::text', t)) AS outcome
FROM (VALUES (1, ''), (2, '1,2,3'), (3, '{1,2}'), (4, '['), (5, '[1,2'), (6, '[1,2,'),
             (7, '[1,2,]'), (8, '[,1]'), (9, '[1,,2]'), (10, '[1 2]'), (11, '[1;2]'),
             (12, '[one]'), (13, '[1a]'), (14, '[--1]'), (15, '[+-1]'), (16, '[1e]'),
             (17, '[.]'), (18, '[0x]'), (19, '[1]x'), (20, '[1]]'), (21, '[]'), (22, '[ ]'),
             (23, '[]x'), (24, '[nan]'), (25, '[NaN,1]'), (26, '[inf]'), (27, '[-Infinity]'),
             (28, '[1e39]'), (29, '[1, -3.5e38 ,2]'), (30, '[1e99999999999999999999]'),
             (31, '[0x1p128]'), (32, '[1000000000000000000000000000000000000000]')) v(n, t)
ORDER BY n;

-- Type modifiers.
CREATE TABLE three (v vector(3));
INSERT INTO three VALUES ('[1,2,3]'), (NULL);
INSERT INTO three VALUES ('[1,2]');
INSERT INTO three SELECT '[1,2,3,4]'::vector;
SELECT v, vector_dims(v) FROM three;
SELECT format_type(atttypid, atttypmod), attstorage FROM pg_attribute
WHERE attrelid = 'three'::regclass AND attnum = 1;
SELECT m AS modifier, attempt('SELECT ''[1,2,3]''::vector' || m) AS outcome
FROM (VALUES (1, '(3)'), (2, '(2)'), (3, '(16000)'), (4, '(0)'), (5, '(-1)'), (6, '(16001)'),
             (7, '(3,3)'), (8, '(a)')) v(n, m)
ORDER BY n;

-- The largest vector, and one element more.
CREATE TABLE wide (v vector);
INSERT INTO wide
SELECT ('[' || string_agg((i)::text, ',' ORDER BY i) || ']')::vector FROM generate_series(1, 16000) i;
SELECT vector_dims(v), vector_norm(v) = sqrt(16000.0::float8 * 16001 * 32001 / 6) AS norm, pg_column_size(v)
FROM wide;
SELECT count(*) FROM wide WHERE v = v::text::vector;
SELECT attempt('SELECT ''[' || string_agg('1', ',') || ']''::vector') FROM generate_series(1, 16001);
-- An error before the limit is reported as such.
SELECT left(attempt('SELECT ''[x,' || string_agg('1', ',') || ']''::vector'), 51) AS outcome
FROM generate_series(1, 16001);

-- Any float survives a round trip through text.
SELECT count(*), count(*) FILTER (WHERE v::text = v::text::vector::text AND v = v::text::vector) AS same
FROM (SELECT ARRAY[(random() - 0.5) * 10 ^ (random() * 70 - 35), random(), i]::real[]::vector AS v
      FROM generate_series(1, 1000) i) r;

-- Large values move out of line and come back; defaults, arrays and NULLs work as for any type.
CREATE TABLE mixed (id int PRIMARY KEY, v vector DEFAULT '[0,0]', a vector[]);
INSERT INTO mixed (id) VALUES (1);
INSERT INTO mixed SELECT 2, v, ARRAY[v, '[1]'] FROM wide;
INSERT INTO mixed VALUES (3, NULL, '{"[1,2]",NULL,"[3]"}');
SELECT id, vector_dims(v), cardinality(a), vector_dims(a[1]), a[3] FROM mixed ORDER BY id;
SELECT v FROM mixed WHERE v IS NOT NULL AND vector_dims(v) < 10;

-- A value whose length disagrees with its header is refused, not read (the bytes are little-endian).
CREATE CAST (bytea AS vector) WITHOUT FUNCTION;
SELECT b AS bytes, attempt(format('SELECT %L::bytea::vector::text', b)) AS outcome
FROM (VALUES (1, '\x010000000000803f'), (2, '\x020000000000803f'), (3, '\x00000000'),
             (4, '\xffff0000'), (5, '\x01'), (6, '\x')) v(n, b)
ORDER BY n;
SELECT '\x020000000000803f'::bytea::vector <-> '[1,2]';
DROP CAST (bytea AS vector);

DROP TABLE three, wide, mixed;
DROP FUNCTION attempt;
