-- Functions and operators of vector.

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

-- Distances, with results that are easy to check.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'[0,0]'::vector <-> '[3,4]'$$),
             (2, $$l2_distance('[0,0]'::vector, '[3,4]')$$),
             (3, $$'[1,2]'::vector <-> '[1,2]'$$),
             (4, $$vector_l2_squared_distance('[0,0]'::vector, '[3,4]')$$),
             (5, $$'[1,2]'::vector <#> '[3,4]'$$),
             (6, $$inner_product('[1,2]'::vector, '[3,4]')$$),
             (7, $$vector_negative_inner_product('[1,-2]'::vector, '[3,4]')$$),
             (8, $$'[1,0]'::vector <=> '[0,2]'$$), (9, $$'[1,1]'::vector <=> '[2,2]'$$),
             (10, $$'[1,1]'::vector <=> '[-3,-3]'$$),
             (11, $$cosine_distance('[3,4]'::vector, '[3,0]')$$),
             (12, $$'[1,2]'::vector <+> '[4,-2]'$$),
             (13, $$l1_distance('[0,0]'::vector, '[3,-4]')$$),
             (14, $$vector_spherical_distance('[1,0]'::vector, '[0,1]')$$),
             (15, $$vector_spherical_distance('[1,0]'::vector, '[1,0]')$$),
             (16, $$vector_spherical_distance('[2,0]'::vector, '[-3,0]')$$)) v(n, e)
ORDER BY n;

-- Extremes: a zero vector has no direction; sums are taken in single precision and may overflow.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'[0,0]'::vector <=> '[1,2]'$$), (2, $$'[0,0]'::vector <=> '[0,0]'$$),
             (3, $$'[1,2]'::vector <=> '[0,0]'$$), (4, $$'[3e38]'::vector <-> '[-3e38]'$$),
             (5, $$'[3e38]'::vector <#> '[3e38]'$$), (6, $$'[3e38]'::vector <+> '[-3e38]'$$),
             (7, $$'[3e38]'::vector <=> '[3e38]'$$), (8, $$'[1e-30]'::vector <-> '[0]'$$),
             (9, $$'[1e-45]'::vector <=> '[1e-45]'$$),
             (10, $$vector_spherical_distance('[10,0]'::vector, '[10,0]')$$)) v(n, e)
ORDER BY n;

-- Operands of different dimensions.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'[1,2]'::vector <-> '[3]'$$), (2, $$'[1,2]'::vector <#> '[3]'$$),
             (3, $$'[1,2]'::vector <=> '[3]'$$), (4, $$'[1,2]'::vector <+> '[3]'$$),
             (5, $$'[1,2]'::vector + '[3]'$$), (6, $$'[1,2]'::vector - '[3]'$$),
             (7, $$'[1,2]'::vector * '[3]'$$),
             (8, $$vector_spherical_distance('[1]'::vector, '[2,3]')$$),
             (9, $$vector_l2_squared_distance('[1]'::vector, '[2,3]')$$),
             (10, $$inner_product('[1]'::vector, '[2,3]')$$)) v(n, e)
ORDER BY n;

-- Arithmetic.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'[1,2,3]'::vector + '[4,5,-6]'$$), (2, $$'[1,2,3]'::vector - '[4,5,-6]'$$),
             (3, $$'[1,2,3]'::vector * '[4,5,-6]'$$), (4, $$'[1,2]'::vector || '[3]'$$),
             (5, $$'[-0]'::vector + '[0]'$$), (6, $$'[0]'::vector * '[-1]'$$),
             (7, $$'[3e38]'::vector + '[3e38]'$$), (8, $$'[-3e38]'::vector - '[3e38]'$$),
             (9, $$'[1e38]'::vector * '[10]'$$), (10, $$'[1e-30]'::vector * '[1e-30]'$$),
             (11, $$'[0]'::vector * '[1e-30]'$$), (12, $$'[1e-38]'::vector * '[1e-7]'$$)) v(n, e)
ORDER BY n;

-- Concatenation up to the limit.
SELECT vector_dims(array_fill(1, ARRAY[15999])::vector || '[2]');
SELECT array_fill(1, ARRAY[16000])::vector || '[2]';

-- Norm, normalization, signs.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$vector_norm('[3,4]'::vector)$$), (2, $$vector_norm('[0,0]'::vector)$$),
             (3, $$vector_norm('[3e38]'::vector)$$), (4, $$vector_norm('[1e-45]'::vector)$$),
             (5, $$l2_normalize('[3,4]'::vector)$$), (6, $$l2_normalize('[0,0]'::vector)$$),
             (7, $$l2_normalize('[-5]'::vector)$$), (8, $$l2_normalize('[3e38]'::vector)$$),
             (9, $$l2_normalize('[1e-45]'::vector)$$),
             (10, $$l2_normalize('[3e38,1e-45]'::vector)$$),
             (11, $$binary_quantize('[1,0,-1,-0,0.001]'::vector)$$),
             (12, $$binary_quantize('[1,1,1,1,1,1,1,1]'::vector)$$),
             (13, $$binary_quantize('[0,0,0,0,0,0,0,-1,2]'::vector)$$),
             (14, $$vector_dims('[1,2,3]'::vector)$$)) v(n, e)
ORDER BY n;

-- Subvectors: elements count from 1; what lies outside is cut off as in substring().
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$subvector('[1,2,3,4,5]'::vector, 1, 3)$$),
             (2, $$subvector('[1,2,3,4,5]'::vector, 3, 2)$$),
             (3, $$subvector('[1,2,3,4,5]'::vector, 2, 4)$$),
             (4, $$subvector('[1,2,3,4,5]'::vector, 4, 9)$$),
             (5, $$subvector('[1,2,3,4,5]'::vector, 5, 1)$$),
             (6, $$subvector('[1,2,3,4,5]'::vector, -1, 4)$$),
             (7, $$subvector('[1,2,3,4,5]'::vector, 0, 2)$$),
             (8, $$subvector('[1,2,3,4,5]'::vector, 1, 2147483647)$$),
             (9, $$subvector('[1,2,3,4,5]'::vector, -2147483648, 2147483647)$$),
             (10, $$subvector('[1,2,3,4,5]'::vector, 6, 1)$$),
             (11, $$subvector('[1,2,3,4,5]'::vector, 0, 1)$$),
             (12, $$subvector('[1,2,3,4,5]'::vector, 2, 0)$$),
             (13, $$subvector('[1,2,3,4,5]'::vector, 2, -1)$$),
             (14, $$subvector('[1,2,3,4,5]'::vector, -5, 3)$$),
             (15, $$subvector('[1,2,3,4,5]'::vector, 2147483647, 2147483647)$$),
             (16, $$subvector('[1,2,3,4,5]'::vector, -2147483648, -2147483648)$$),
             (17, $$subvector('[1,2,3,4,5]'::vector, 1, -2147483648)$$)) v(n, e)
ORDER BY n;

-- Random vectors of many lengths against the definitions, written in SQL over arrays.
CREATE TABLE pairs AS
SELECT dim, a, b, a::real[] AS x, b::real[] AS y
FROM (SELECT dim,
        (SELECT array_agg((random() * 2 - 1)::real)
         FROM generate_series(1, dim + 0 * i))::vector AS a,
        (SELECT array_agg((random() * 2 - 1)::real)
         FROM generate_series(1, dim + 0 * i))::vector AS b
      FROM generate_series(1, 5) i, unnest(ARRAY[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65,
                                                 100, 128, 200, 257, 1000]) dim) r;

CREATE FUNCTION defined(x real[], y real[],
  OUT l2 float8, OUT dot float8, OUT cosine float8, OUT l1 float8, OUT norm float8)
LANGUAGE sql AS $$
  SELECT sqrt(sum((a - b) ^ 2)), sum(a * b), 1 - sum(a * b) / sqrt(sum(a * a) * sum(b * b)),
    sum(abs(a - b)), sqrt(sum(a * a))
  FROM (SELECT p::float8, q::float8 FROM unnest(x, y) u(p, q)) u(a, b)
$$;
SELECT count(*),
  count(*) FILTER (WHERE abs((a <-> b) - l2) < 1e-6 * dim) AS l2,
  count(*) FILTER (WHERE abs(vector_l2_squared_distance(a, b) - l2 * l2) < 1e-6 * dim) AS l2_squared,
  count(*) FILTER (WHERE abs((a <#> b) + dot) < 1e-6 * dim) AS negative_dot,
  count(*) FILTER (WHERE abs(inner_product(a, b) - dot) < 1e-6 * dim) AS dot,
  count(*) FILTER (WHERE abs((a <=> b) - cosine) < 1e-5) AS cosine,
  count(*) FILTER (WHERE abs((a <+> b) - l1) < 1e-6 * dim) AS l1,
  count(*) FILTER (WHERE abs(vector_norm(a) - norm) < 1e-12 * dim) AS norm
FROM pairs, defined(x, y);
SELECT count(*),
  count(*) FILTER (WHERE (a <-> b) = (b <-> a) AND (a <#> b) = (b <#> a)
                     AND (a <+> b) = (b <+> a)) AS symmetric,
  count(*) FILTER (WHERE (a <-> a) = 0 AND (a <+> a) = 0 AND abs(a <=> a) < 1e-5) AS reflexive
FROM pairs;

-- Arithmetic is that of real, element by element: equal, not merely close.
SELECT count(*),
  count(*) FILTER (WHERE a + b = (SELECT array_agg(p + q ORDER BY o)::vector
                                  FROM unnest(x, y) WITH ORDINALITY u(p, q, o))) AS add,
  count(*) FILTER (WHERE a - b = (SELECT array_agg(p - q ORDER BY o)::vector
                                  FROM unnest(x, y) WITH ORDINALITY u(p, q, o))) AS sub,
  count(*) FILTER (WHERE a * b = (SELECT array_agg(p * q ORDER BY o)::vector
                                  FROM unnest(x, y) WITH ORDINALITY u(p, q, o))) AS mul,
  count(*) FILTER (WHERE (a || b)::real[] = x || y) AS concat,
  count(*) FILTER (WHERE subvector(a || b, dim, 2)::real[] = x[dim:] || y[1]) AS subvector,
  count(*) FILTER (WHERE binary_quantize(a)::text =
    (SELECT string_agg((e > 0)::int::text, '' ORDER BY o) FROM unnest(x) WITH ORDINALITY u(e, o))) AS signs,
  count(*) FILTER (WHERE abs(vector_norm(l2_normalize(a)) - 1) < 1e-6) AS normalized
FROM pairs;

-- Vectors of small integers give exact results, whatever order a CPU adds them in.
SELECT count(*), count(*) FILTER (WHERE
  vector_l2_squared_distance(a, b) = (SELECT sum((p - q) ^ 2) FROM unnest(x, y) u(p, q))
  AND inner_product(a, b) = (SELECT sum(p * q) FROM unnest(x, y) u(p, q))
  AND l1_distance(a, b) = (SELECT sum(abs(p - q)) FROM unnest(x, y) u(p, q))) AS exact
FROM (SELECT x, y, x::vector AS a, y::vector AS b
      FROM (SELECT (SELECT array_agg(i * j % 17 - 8) FROM generate_series(1, i) j) AS x,
                   (SELECT array_agg(j * j % 13 - 6) FROM generate_series(1, i) j) AS y
            FROM generate_series(1, 300) i) s) r;

DROP TABLE pairs;
DROP FUNCTION defined, attempt;
