-- Type halfvec: text form, type modifiers, errors.

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
SELECT t AS input, attempt(format('SELECT %L::halfvec::text', t)) AS output
FROM (VALUES (1, '[1,2,3]'), (2, '[-1,-2.5,+3]'), (3, '  [ 1 , 2,3 ]'),
             (4, '[1.,.5,1e2,1E-2]'), (5, '[-0,0]'), (6, '[0x10,0x1p-2]'),
             (7, '[0.1,2049,2051,65504]'), (8, '[65519.99,6.1035156e-05,6e-08]')) v(n, t)
ORDER BY n;
SELECT E'\t[\n1\r,\x0b2\f]\n'::halfvec;

-- Half of the smallest number rounds to even, zero; numbers that no float holds are zero as well.
SELECT '[2.9802322e-08,2.9802326e-08,-1e-8,1e-46,-1e-99999]'::halfvec;

-- Errors.
SELECT t AS input, attempt(format('SELECT %L::halfvec::text', t)) AS outcome
FROM (VALUES (1, ''), (2, '1,2,3'), (3, '{1,2}'), (4, '['), (5, '[1,2'), (6, '[1,2,'),
             (7, '[1,2,]'), (8, '[,1]'), (9, '[1,,2]'), (10, '[1 2]'), (11, '[1;2]'),
             (12, '[one]'), (13, '[1a]'), (14, '[--1]'), (15, '[+-1]'), (16, '[1e]'),
             (17, '[.]'), (18, '[0x]'), (19, '[1]x'), (20, '[1]]'), (21, '[]'), (22, '[ ]'),
             (23, '[]x'), (24, '[nan]'), (25, '[NaN,1]'), (26, '[inf]'), (27, '[-Infinity]'),
             (28, '[1e39]'), (29, '[1, -65520 ,2]'), (30, '[65519.999]'),
             (31, '[1e99999999999999999999]'), (32, '[0x1p16]'), (33, '[100000,nan]')) v(n, t)
ORDER BY n;

-- Type modifiers.
CREATE TABLE three (v halfvec(3));
INSERT INTO three VALUES ('[1,2,3]'), (NULL);
INSERT INTO three VALUES ('[1,2]');
INSERT INTO three SELECT '[1,2,3,4]'::halfvec;
SELECT v, vector_dims(v) FROM three;
SELECT format_type(atttypid, atttypmod), attstorage FROM pg_attribute
WHERE attrelid = 'three'::regclass AND attnum = 1;
SELECT m AS modifier, attempt('SELECT ''[1,2,3]''::halfvec' || m) AS outcome
FROM (VALUES (1, '(3)'), (2, '(2)'), (3, '(16000)'), (4, '(0)'), (5, '(-1)'), (6, '(16001)'),
             (7, '(3,3)'), (8, '(a)')) v(n, m)
ORDER BY n;

-- The largest halfvec, and one element more.
CREATE TABLE wide (v halfvec);
INSERT INTO wide
SELECT ('[' || string_agg((i % 2000)::text, ',' ORDER BY i) || ']')::halfvec FROM generate_series(1, 16000) i;
SELECT vector_dims(v), l2_norm(v) = sqrt(8 * (1999.0::float8 * 2000 * 3999 / 6)) AS norm, pg_column_size(v)
FROM wide;
SELECT count(*) FROM wide WHERE v = v::text::halfvec;
SELECT attempt('SELECT ''[' || string_agg('1', ',') || ']''::halfvec') FROM generate_series(1, 16001);
-- An error before the limit is reported as such.
SELECT left(attempt('SELECT ''[x,' || string_agg('1', ',') || ']''::halfvec'), 51) AS outcome
FROM generate_series(1, 16001);

-- Every binary16 number, 16 bits wide less infinities and NaNs, survives a round trip through text.
CREATE TABLE halves AS
SELECT (sign * CASE WHEN e = 0 THEN m * 2.0::float8 ^ -24
                    ELSE (1024 + m) * 2.0::float8 ^ (e - 25) END)::real AS x
FROM generate_series(0, 30) e, generate_series(0, 1023) m, (VALUES (1), (-1)) s(sign);
SELECT count(*), count(*) FILTER (WHERE (ARRAY[x]::halfvec::real[])[1] = x) AS exact,
  count(*) FILTER (WHERE ARRAY[x]::halfvec::text::halfvec = ARRAY[x]::halfvec) AS same
FROM halves;
-- A number between two neighbours goes to the nearer one, from the middle to the even one.
SELECT count(*), count(*) FILTER (WHERE h = CASE
    WHEN abs(x - lower) < abs(upper - x) THEN lower WHEN abs(x - lower) > abs(upper - x) THEN upper
    WHEN rank % 2 = 1 THEN lower ELSE upper END) AS nearest
FROM (SELECT x, lower, upper, rank, (ARRAY[x]::halfvec::real[])[1]::float8 AS h
      FROM (SELECT x::float8 AS lower, lead(x::float8) OVER w AS upper, row_number() OVER w AS rank
            FROM halves WHERE x > 0 OR x = 0 AND x::text = '0' WINDOW w AS (ORDER BY x)) n,
           LATERAL (VALUES ((lower + (upper - lower) / 4)::real), ((lower + (upper - lower) / 2)::real),
                           ((lower + (upper - lower) * 5 / 8)::real)) m(x)
      WHERE upper IS NOT NULL) r;
DROP TABLE halves;

-- Large values move out of line and come back; defaults, arrays and NULLs work as for any type.
CREATE TABLE mixed (id int PRIMARY KEY, v halfvec DEFAULT '[0,0]', a halfvec[]);
INSERT INTO mixed (id) VALUES (1);
INSERT INTO mixed SELECT 2, v, ARRAY[v, '[1]'] FROM wide;
INSERT INTO mixed VALUES (3, NULL, '{"[1,2]",NULL,"[3]"}');
SELECT id, vector_dims(v), cardinality(a), vector_dims(a[1]), a[3] FROM mixed ORDER BY id;
SELECT v FROM mixed WHERE v IS NOT NULL AND vector_dims(v) < 10;

-- A value whose length disagrees with its header is refused, not read (the bytes are little-endian).
CREATE CAST (bytea AS halfvec) WITHOUT FUNCTION;
SELECT b AS bytes, attempt(format('SELECT %L::bytea::halfvec::text', b)) AS outcome
FROM (VALUES (1, '\x01000000003c'), (2, '\x02000000003c'), (3, '\x00000000'),
             (4, '\xffff0000'), (5, '\x01'), (6, '\x')) v(n, b)
ORDER BY n;
SELECT '\x02000000003c'::bytea::halfvec <-> '[1,2]';
DROP CAST (bytea AS halfvec);

DROP TABLE three, wide, mixed;
DROP FUNCTION attempt;
