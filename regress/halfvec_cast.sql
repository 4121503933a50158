-- Casts from and to halfvec.

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
FROM (VALUES (1, $$'{1,0,-3}'::int4[]::halfvec$$), (2, $$'{1,0,-3}'::real[]::halfvec$$),
             (3, $$'{1,0,-3}'::float8[]::halfvec$$), (4, $$'{1,0,-3}'::numeric[]::halfvec$$),
             (5, 'ARRAY[1,2]::halfvec'), (6, 'ARRAY[0.5,-2]::halfvec'),
             (7, $$'[5:7]={1,2,3}'::int[]::halfvec(3)$$), (8, $$'{1,2}'::real[]::halfvec(3)$$),
             (9, $$'{}'::int[]::halfvec$$), (10, $$'{{1,2}}'::int[]::halfvec$$),
             (11, $$'{1,NULL}'::int[]::halfvec$$), (12, $$'{1,NULL}'::numeric[]::halfvec$$),
             (13, '(ARRAY[1,2,NULL])[1:2]::halfvec'), (14, $$'{NaN}'::real[]::halfvec$$),
             (15, $$'{1,Infinity}'::float8[]::halfvec$$),
             (16, $$'{-Infinity}'::numeric[]::halfvec$$),
             (17, $$'{NaN}'::numeric[]::halfvec$$), (18, $$'{1e39}'::float8[]::halfvec$$),
             (19, $$'{1e39}'::numeric[]::halfvec$$),
             (20, $$'{1e-46,-1e-46}'::float8[]::halfvec$$),
             (21, $$'{1e-46}'::numeric[]::halfvec$$),
             (22, $$'{65504,65519.99}'::float8[]::halfvec$$),
             (23, $$'{65520}'::float8[]::halfvec$$), (24, $$'{-70000}'::int[]::halfvec$$),
             (25, $$'{65520}'::real[]::halfvec$$), (26, $$'{1e5}'::numeric[]::halfvec$$),
             (27, $$'{1e-8}'::real[]::halfvec$$)) v(n, e)
ORDER BY n;

-- To and from the other types.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'[1,-2.5]'::halfvec::real[]$$), (2, $$'[1,0.1]'::halfvec::vector$$),
             (3, $$'[1,2]'::halfvec::vector(3)$$), (4, $$'[0,1.5,0]'::halfvec::sparsevec$$),
             (5, $$'[-0,6e-8]'::halfvec::sparsevec$$), (6, $$'[1,2]'::halfvec::sparsevec(3)$$),
             (7, $$'[1,2]'::halfvec::halfvec(2)$$), (8, $$'[1,2]'::halfvec::halfvec(3)$$)) v(n, e)
ORDER BY n;

-- The limit of dimensions.
SELECT vector_dims(array_fill(1, ARRAY[16000])::halfvec);
SELECT array_fill(1, ARRAY[16001])::halfvec;

-- Which casts happen by themselves: i implicit, a in assignments, e only when written.
SELECT castsource::regtype AS source, casttarget::regtype AS target, castcontext AS context
FROM pg_cast WHERE 'halfvec'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text, casttarget::regtype::text;
DROP FUNCTION attempt;
