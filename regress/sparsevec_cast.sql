-- Casts from and to sparsevec.

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
FROM (VALUES (1, $$'{1,0,-3}'::int4[]::sparsevec$$), (2, $$'{1,0,-3}'::real[]::sparsevec$$),
             (3, $$'{1,0,-3}'::float8[]::sparsevec$$),
             (4, $$'{1,0,-3}'::numeric[]::sparsevec$$), (5, 'ARRAY[1,2]::sparsevec'),
             (6, 'ARRAY[0.5,-2]::sparsevec'), (7, $$'[5:7]={1,2,3}'::int[]::sparsevec(3)$$),
             (8, $$'{1,2}'::real[]::sparsevec(3)$$), (9, $$'{}'::int[]::sparsevec$$),
             (10, $$'{{1,2}}'::int[]::sparsevec$$), (11, $$'{1,NULL}'::int[]::sparsevec$$),
             (12, $$'{1,NULL}'::numeric[]::sparsevec$$),
             (13, '(ARRAY[1,2,NULL])[1:2]::sparsevec'), (14, $$'{NaN}'::real[]::sparsevec$$),
             (15, $$'{1,Infinity}'::float8[]::sparsevec$$),
             (16, $$'{-Infinity}'::numeric[]::sparsevec$$),
             (17, $$'{NaN}'::numeric[]::sparsevec$$), (18, $$'{1e39}'::float8[]::sparsevec$$),
             (19, $$'{1e39}'::numeric[]::sparsevec$$),
             (20, $$'{1e-46,-1e-46}'::float8[]::sparsevec$$),
             (21, $$'{1e-46}'::numeric[]::sparsevec$$),
             (22, $$'{16777217,2147483647}'::int[]::sparsevec$$)) v(n, e)
ORDER BY n;

-- To and from the other types.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'{1:1.5,3:2}/4'::sparsevec::vector$$), (2, $$'{}/3'::sparsevec::vector$$),
             (3, $$'{1:1.5,3:2}/4'::sparsevec::halfvec$$),
             (4, $$'{1:65520}/1'::sparsevec::halfvec$$),
             (5, $$'{1:1e-8}/1'::sparsevec::halfvec$$), (6, $$'{}/16001'::sparsevec::vector$$),
             (7, $$'{}/16001'::sparsevec::halfvec$$), (8, $$'{}/3'::sparsevec::vector(2)$$),
             (9, $$'{}/3'::sparsevec::halfvec(2)$$), (10, $$'{}/3'::sparsevec::sparsevec(3)$$),
             (11, $$'{}/3'::sparsevec::sparsevec(2)$$)) v(n, e)
ORDER BY n;

-- A sparse vector may have any number of dimensions, but not of elements.
SELECT array_fill(0, ARRAY[100000])::sparsevec;
SELECT attempt('SELECT length(array_fill(1, ARRAY[16000])::sparsevec::text)');
SELECT attempt('SELECT array_fill(1, ARRAY[16001])::sparsevec');

-- Which casts happen by themselves: i implicit, a in assignments, e only when written.
SELECT castsource::regtype AS source, casttarget::regtype AS target, castcontext AS context
FROM pg_cast WHERE 'sparsevec'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text, casttarget::regtype::text;
-- Stored indices that do not fit the dimension are noticed when they would address memory.
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
SELECT b AS bytes, attempt(format('SELECT %L::bytea::sparsevec::vector::text', b)) AS outcome
FROM (VALUES (1, '\x020000000100000000000000010000000000803f'),
             (2, '\x020000000100000000000000020000000000803f'),
             (3, '\x020000000100000000000000ffffffff0000803f')) v(n, b)
ORDER BY n;
DROP CAST (bytea AS sparsevec);
DROP FUNCTION attempt;
