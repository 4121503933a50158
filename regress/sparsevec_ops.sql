-- Functions and operators of sparsevec.

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
FROM (VALUES (1, $$'{}/2'::sparsevec <-> '{1:3,2:4}/2'$$),
             (2, $$'{1:3}/9'::sparsevec <-> '{5:4}/9'$$),
             (3, $$'{1:1,2:2}/3'::sparsevec <-> '{1:1,2:2}/3'$$),
             (4, $$l2_distance('{1:1,3:5}/3'::sparsevec, '{1:4,3:1}/3')$$),
             (5, $$sparsevec_l2_squared_distance('{1:3}/2'::sparsevec, '{2:4}/2')$$),
             (6, $$'{1:1,2:2}/3'::sparsevec <#> '{2:3,3:4}/3'$$),
             (7, $$inner_product('{1:1,2:2,5:3}/5'::sparsevec, '{1:4,2:5,5:6}/5')$$),
             (8, $$inner_product('{1:1}/2'::sparsevec, '{2:1}/2')$$),
             (9, $$sparsevec_negative_inner_product('{1:2}/1'::sparsevec, '{1:-3}/1')$$),
             (10, $$'{1:1}/2'::sparsevec <=> '{2:1}/2'$$),
             (11, $$'{1:1,2:1}/2'::sparsevec <=> '{1:2,2:2}/2'$$),
             (12, $$'{3:1}/3'::sparsevec <=> '{3:-2}/3'$$),
             (13, $$cosine_distance('{1:3,2:4}/2'::sparsevec, '{1:3}/2')$$),
             (14, $$'{1:1,2:2}/4'::sparsevec <+> '{1:4,4:-2}/4'$$),
             (15, $$l1_distance('{}/2'::sparsevec, '{1:3,2:-4}/2')$$)) v(n, e)
ORDER BY n;

-- Extremes: a zero vector has no direction; sums are taken in single precision and may overflow.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'{}/2'::sparsevec <=> '{1:1}/2'$$), (2, $$'{}/2'::sparsevec <=> '{}/2'$$),
             (3, $$'{}/2'::sparsevec <-> '{}/2'$$),
             (4, $$'{1:3e38}/1'::sparsevec <-> '{1:-3e38}/1'$$),
             (5, $$'{1:3e38}/2'::sparsevec <-> '{2:3e38}/2'$$),
             (6, $$'{1:3e38}/1'::sparsevec <#> '{1:3e38}/1'$$),
             (7, $$'{1:3e38}/2'::sparsevec <+> '{2:3e38}/2'$$),
             (8, $$'{1:3e38}/1'::sparsevec <=> '{1:3e38}/1'$$)) v(n, e)
ORDER BY n;

-- Operands of different dimensions.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$'{1:1}/2'::sparsevec <-> '{1:1}/3'$$),
             (2, $$'{1:1}/2'::sparsevec <#> '{1:1}/3'$$),
             (3, $$'{1:1}/2'::sparsevec <=> '{1:1}/3'$$),
             (4, $$'{1:1}/2'::sparsevec <+> '{1:1}/3'$$),
             (5, $$sparsevec_l2_squared_distance('{}/2'::sparsevec, '{}/1')$$),
             (6, $$sparsevec_negative_inner_product('{}/2'::sparsevec, '{}/1')$$),
             (7, $$inner_product('{}/2'::sparsevec, '{}/1')$$)) v(n, e)
ORDER BY n;

-- Norm and normalization; what becomes zero is not kept.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$l2_norm('{1:3,7:4}/9'::sparsevec)$$), (2, $$l2_norm('{}/9'::sparsevec)$$),
             (3, $$l2_norm('{1:3e38}/1'::sparsevec)$$),
             (4, $$l2_normalize('{1:3,7:4}/9'::sparsevec)$$),
             (5, $$l2_normalize('{}/9'::sparsevec)$$),
             (6, $$l2_normalize('{2:3e38}/2'::sparsevec)$$),
             (7, $$l2_normalize('{1:1e-45}/2'::sparsevec)$$),
             (8, $$l2_normalize('{1:1e-45,2:3e38,3:1e-45}/3'::sparsevec)$$)) v(n, e)
ORDER BY n;

-- What dense vectors can do and sparse ones cannot.
SELECT '{}/1'::sparsevec + '{}/1'::sparsevec;
SELECT avg('{}/1'::sparsevec);

-- Random vectors, full to empty, of numbers that add exactly: the results of their dense forms.
CREATE TABLE pairs AS
SELECT a::sparsevec AS a, b::sparsevec AS b, a AS x, b AS y
FROM (SELECT (SELECT array_agg(CASE WHEN random() < p + 0 * k THEN floor(random() * 17) / 4 - 2 ELSE 0 END)
              FROM generate_series(1, dim) k)::vector AS a,
        (SELECT array_agg(CASE WHEN random() < q + 0 * k THEN floor(random() * 17) / 4 - 2 ELSE 0 END)
         FROM generate_series(1, dim) k)::vector AS b
      FROM unnest(ARRAY[1, 2, 3, 5, 8, 30, 100, 500]) dim,
        unnest(ARRAY[0, 0.02, 0.3, 1]) p, unnest(ARRAY[0.02, 0.5, 1]) q, generate_series(1, 3)) r;
SELECT count(*),
  count(*) FILTER (WHERE (a <-> b) = (x <-> y) AND (b <-> a) = (x <-> y)) AS l2,
  count(*) FILTER (WHERE sparsevec_l2_squared_distance(a, b) = vector_l2_squared_distance(x, y)) AS l2_squared,
  count(*) FILTER (WHERE (a <#> b) = (x <#> y) AND (b <#> a) = (x <#> y)) AS negative_dot,
  count(*) FILTER (WHERE inner_product(a, b) = inner_product(x, y)) AS dot,
  count(*) FILTER (WHERE (a <=> b) = (x <=> y) AND (b <=> a) = (x <=> y)) AS cosine,
  count(*) FILTER (WHERE (a <+> b) = (x <+> y) AND (b <+> a) = (x <+> y)) AS l1,
  count(*) FILTER (WHERE l2_norm(a) = vector_norm(x)) AS norm,
  count(*) FILTER (WHERE l2_normalize(a)::vector = l2_normalize(x)) AS normalized,
  count(*) FILTER (WHERE sparsevec_cmp(a, b) = vector_cmp(x, y)) AS cmp,
  count(*) FILTER (WHERE a::text::sparsevec = a AND a::vector = x) AS same
FROM pairs;

DROP TABLE pairs;
DROP FUNCTION attempt;
