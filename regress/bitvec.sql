-- Distances of type bit: operators <~> and <%>.

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

-- Hamming counts differing bits; Jaccard is 1 - (bits in both) / (bits in either).
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$B'1010' <~> B'1010'$$), (2, $$B'1010' <~> B'0101'$$),
             (3, $$B'1' <~> B'0'$$), (4, $$hamming_distance(B'11110000', B'11111111')$$),
             (5, $$hamming_distance(B'', B'')$$), (6, $$B'1100' <%> B'1100'$$),
             (7, $$B'1100' <%> B'0110'$$), (8, $$B'1000' <%> B'1111'$$),
             (9, $$jaccard_distance(B'1100', B'0011')$$),
             (10, $$jaccard_distance(B'0000', B'0000')$$),
             (11, $$jaccard_distance(B'', B'')$$), (12, $$B'111' <~> '110'$$),
             (13, $$'101'::varbit <~> B'100'$$), (14, $$B'101' <~> B'10'$$),
             (15, $$B'10' <%> B'101'$$), (16, $$NULL::bit <~> B'1'$$)) v(n, e)
ORDER BY n;

-- Random strings of many lengths against the definitions, bit by bit.
CREATE TABLE pairs AS
SELECT len,
  (SELECT string_agg((random() < density + 0 * k)::int::text, '') FROM generate_series(1, len) k)::varbit AS a,
  (SELECT string_agg((random() < 0.5 + 0 * k)::int::text, '') FROM generate_series(1, len + 0 * i) k)::varbit AS b
FROM unnest(ARRAY[1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 1000, 4097]) len,
  unnest(ARRAY[0, 0.1, 0.5, 1]) density, generate_series(1, 3) i;
SELECT count(*),
  count(*) FILTER (WHERE a <~> b = differ AND a::bit(4097) <~> b::bit(4097) = differ) AS hamming,
  count(*) FILTER (WHERE a <%> b = CASE WHEN common = 0 THEN 1
                                        ELSE 1 - common::float8 / (common + differ) END) AS jaccard
FROM pairs, LATERAL (SELECT count(*) FILTER (WHERE get_bit(a, i) <> get_bit(b, i)) AS differ,
                       count(*) FILTER (WHERE get_bit(a, i) = 1 AND get_bit(b, i) = 1) AS common
                     FROM generate_series(0, len - 1) i) d;
SELECT count(*) AS asymmetric FROM pairs WHERE a <~> b <> b <~> a OR a <%> b <> b <%> a;

-- Signs of vectors compare as bits.
SELECT binary_quantize('[1,-1,2]'::vector) <~> binary_quantize('[1,1,-2]'::halfvec) AS differing_signs;

DROP TABLE pairs;
DROP FUNCTION attempt;
