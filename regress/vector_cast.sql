-- Casts from and to vector.

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

-- From arrays.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'{1,0,-3}'::int4[]::vector$$), (2, $$'{1,0,-3}'::real[]::vector$$),
             (3, $$'{1,0,-3}'::float8[]::vector$$), (4, $$'{1,0,-3}'::numeric[]::vector$$),
             (5, 'ARRAY[1,2]::vector'), (6, 'ARRAY[0.5,-2]::vector'),
             (7, $$'[5:7]={1,2,3}'::int[]::vector(3)$$), (8, $$'{1,2}'::real[]::vector(3)$$),
             (9, $$'{}'::int[]::vector$$), (10, $$'{{1,2}}'::int[]::vector$$),
             (11, $$'{1,NULL}'::int[]::vector$$), (12, $$'{1,NULL}'::numeric[]::vector$$),
             (13, '(ARRAY[1,2,NULL])[1:2]::vector'), (14, $$'{NaN}'::real[]::vector$$),
             (15, $$'{1,Infinity}'::float8[]::vector$$),
             (16, $$'{-Infinity}'::numeric[]::vector$$), (17, $$'{NaN}'::numeric[]::vector$$),
             (18, $$'{1e39}'::float8[]::vector$$), (19, $$'{1e39}'::numeric[]::vector$$),
             (20, $$'{1e-46,-1e-46}'::float8[]::vector$$),
             (21, $$'{1e-46}'::numeric[]::vector$$),
             (22, $$'{16777217,2147483647}'::int[]::vector$$)) v(n, e)
ORDER BY n;

-- To and from the other types.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'[1,-2.5]'::vector::real[]$$), (2, $$'[1,2]'::vector::halfvec$$),
             (3, $$'[0.1,65519.99]'::vector::halfvec$$), (4, $$'[1e-8]'::vector::halfvec$$),
             (5, $$'[65520]'::vector::halfvec$$), (6, $$'[-1e30]'::vector::halfvec$$),
             (7, $$'[1,2]'::vector::halfvec(3)$$), (8, $$'[0,1.5,0]'::vector::sparsevec$$),
             (9, $$'[0,-0]'::vector::sparsevec$$), (10, $$'[1,2]'::vector::sparsevec(3)$$),
             (11, $$'[1,2]'::vector::vector(2)$$), (12, $$'[1,2]'::vector::vector(3)$$)) v(n, e)
ORDER BY n;

-- The limit of dimensions.
SELECT vector_dims(array_fill(1, ARRAY[16000])::vector);
SELECT array_fill(1, ARRAY[16001])::vector;

-- Which casts happen by themselves: i implicit, a in assignments, e only when written.
SELECT castsource::regtype AS source, casttarget::regtype AS target, castcontext AS context
FROM pg_cast WHERE 'vector'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text, casttarget::regtype::text;
CREATE TABLE kinds (v vector(2), h halfvec(2), s sparsevec(2), r real[]);
INSERT INTO kinds SELECT x, x, x, x FROM (SELECT '[1,0]'::vector AS x) v;
INSERT INTO kinds SELECT x, x, x, x FROM (SELECT '[2,0]'::halfvec AS x) h;
INSERT INTO kinds (v, h, s) SELECT x, x, x FROM (SELECT '{1:3}/2'::sparsevec AS x) s;
INSERT INTO kinds (v, h, s) SELECT x, x, x FROM (SELECT '{4,0}'::int[] AS x) a;
INSERT INTO kinds (r) VALUES ('{1:3}/2'::sparsevec);
INSERT INTO kinds (s) VALUES ('{1:3}/3'::sparsevec);
INSERT INTO kinds (h) VALUES ('[1,2,3]'::vector);
SELECT * FROM kinds;
-- Mixed operands meet in the less exact type, where the cast is implicit.
SELECT pg_typeof('[1]'::vector || '[2]'::halfvec), '[1,2]'::vector <-> '[4,6]'::halfvec AS halves,
  '[1,2]'::vector <-> '{2:2}/2'::sparsevec AS sparse;
-- Arrays of numbers keep their own operators.
SELECT ARRAY[1, 2] = ARRAY[1, 2] AS same, ARRAY[1.5] < ARRAY[2.5] AS less;

-- The function behind the array casts, declared for an element type it does not know.
DO $$
BEGIN
  EXECUTE format('CREATE FUNCTION text_to_vector(text[], integer, boolean) RETURNS vector
                  AS %L, %L LANGUAGE C STRICT',
                 (SELECT probin FROM pg_proc WHERE oid = 'vector_in'::regproc), 'helios_array_to_vector');
END
$$;
SELECT text_to_vector('{1}', -1, false);
DROP FUNCTION text_to_vector;

-- Random arrays come back as they were; every path between the types gives the same.
SELECT count(*), count(*) FILTER (WHERE x::vector::real[] = x) AS array,
  count(*) FILTER (WHERE x::vector::sparsevec::vector = x::vector
                     AND x::sparsevec = x::vector::sparsevec) AS sparse,
  count(*) FILTER (WHERE x::halfvec = x::vector::halfvec AND x::halfvec = x::float8[]::halfvec
                     AND x::halfvec::vector::halfvec = x::halfvec
                     AND x::sparsevec::halfvec = x::halfvec) AS half
FROM (SELECT (SELECT array_agg(CASE WHEN random() < 0.4 THEN 0 ELSE random() * 200 - 100 END::real)
              FROM generate_series(1, i) j) AS x FROM generate_series(1, 200) i) r;
DROP TABLE kinds;
DROP FUNCTION attempt;
