-- Aggregates avg and sum over halfvec.

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

-- Small sets; NULLs do not count.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$avg(v) FROM (VALUES ('[1,2,3]'::halfvec), ('[3,5,8]')) t(v)$$),
             (2, $$sum(v) FROM (VALUES ('[1,2,3]'::halfvec), ('[3,5,8]')) t(v)$$),
             (3, $$avg(v) FROM (VALUES ('[1,2]'::halfvec), (NULL), ('[2,4]')) t(v)$$),
             (4, $$sum(v) FROM (VALUES (NULL), ('[1,2]'::halfvec), (NULL)) t(v)$$),
             (5, 'avg(v) FROM (VALUES (NULL::halfvec)) t(v)'),
             (6, 'sum(v) FROM (VALUES (NULL::halfvec)) t(v)'),
             (7, $$avg(v) FROM (SELECT '[1]'::halfvec WHERE false) t(v)$$),
             (8, $$avg(v) FROM (VALUES ('[1,2]'::halfvec), ('[3]')) t(v)$$),
             (9, $$sum(v) FROM (VALUES ('[1,2]'::halfvec), ('[3]')) t(v)$$),
             (10, $$avg(v) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) t(v)$$),
             (11, $$sum(v) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) t(v)$$),
             (12, $$avg(DISTINCT v) FROM (VALUES ('[1]'::halfvec), ('[1]'), ('[4]')) t(v)$$),
             (13, $$sum(v ORDER BY v) FROM (VALUES ('[2]'::halfvec), ('[1]')) t(v)$$)) v(n, e)
ORDER BY n;

-- The functions behind them, with states that no aggregate makes.
SELECT e AS expression, attempt('SELECT ' || e) AS outcome
FROM (VALUES (1, $$halfvec_accum('{0}', '[1,2]'::halfvec)$$),
             (2, $$halfvec_accum('{1,2,3}', '[1,2]'::halfvec)$$),
             (3, $$halfvec_accum('{1,2,3}', '[1]'::halfvec)$$),
             (4, $$halfvec_accum('{}', '[1]'::halfvec)$$),
             (5, $$halfvec_accum('{{1,2}}', '[1]'::halfvec)$$),
             (6, $$halfvec_accum('{1,NULL}', '[1]'::halfvec)$$),
             (7, $$halfvec_accum('{1,Infinity}', '[1]'::halfvec)$$),
             (8, $$halfvec_accum(ARRAY[1,1.7e308], '[1]'::halfvec)$$),
             (9, $$halfvec_combine('{0}', '{0}')$$), (10, $$halfvec_combine('{0}', '{1,2}')$$),
             (11, $$halfvec_combine('{1,2}', '{0}')$$),
             (12, $$halfvec_combine('{1,2,3}', '{2,4,5}')$$),
             (13, $$halfvec_combine('{1,2,3}', '{1,2}')$$),
             (14, $$halfvec_combine('{1,1.7e308}', '{1,1.7e308}')$$),
             (15, $$halfvec_combine('{}', '{0}')$$), (16, $$halfvec_combine('{0}', '{{1}}')$$),
             (17, $$halfvec_avg('{0}')$$), (18, $$halfvec_avg('{0,1}')$$),
             (19, $$halfvec_avg('{2,1,4}')$$), (20, $$halfvec_avg('{1}')$$),
             (21, $$halfvec_avg('{1,1e39}')$$), (22, $$halfvec_avg('{1,NaN}')$$),
             (23, $$halfvec_avg('{NULL}')$$), (24, $$halfvec_avg('{1,65520}')$$),
             (25, $$halfvec_avg('{2,131000}')$$)) v(n, e)
ORDER BY n;

-- Whole numbers, small enough for halfvec, so that every order of adding gives the same.
CREATE TABLE numbers (id int, g int, v halfvec);
INSERT INTO numbers
SELECT i, i % 5, ARRAY[i % 3 - 1, -(i % 2), 1, i % 2]::halfvec FROM generate_series(1, 1500) i;
INSERT INTO numbers VALUES (0, 0, NULL);
CREATE VIEW means AS
SELECT g, ARRAY[avg(id % 3 - 1), -avg(id % 2), 1, avg(id % 2)]::halfvec AS mean,
  ARRAY[sum(id % 3 - 1), -sum(id % 2), count(*), sum(id % 2)]::int[]::halfvec AS total
FROM numbers WHERE v IS NOT NULL GROUP BY g;
SELECT g, avg(v) = mean AS avg, sum(v) = total AS sum
FROM numbers JOIN means USING (g) GROUP BY g, mean, total ORDER BY g;
ANALYZE numbers;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v) FROM numbers;
SELECT avg(v), sum(v) FROM numbers;
SELECT g, a.avg = mean AS avg, a.sum = total AS sum
FROM (SELECT g, avg(v), sum(v) FROM numbers GROUP BY g) a JOIN means USING (g) ORDER BY g;
-- Most workers, or all, have nothing to combine.
SELECT avg(v), sum(v) FROM numbers WHERE id = 5;
SELECT avg(v), sum(v) FROM numbers WHERE id < 0;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
SELECT avg(v), sum(v) FROM numbers;

-- Adding in place must not touch rows or other results: window frames, rollups, large values out of line.
SELECT id, v, sum(v) OVER w AS sum, avg(v) OVER w AS avg FROM numbers WHERE id BETWEEN 1 AND 5
WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) ORDER BY id;
SELECT id, sum(v) OVER (ORDER BY id) AS running FROM numbers WHERE id BETWEEN 1 AND 5 ORDER BY id;
SELECT g, sum(v), avg(v) FROM numbers WHERE id < 10 GROUP BY ROLLUP (g) ORDER BY g;
CREATE TABLE wide (v halfvec);
INSERT INTO wide SELECT array_fill(1, ARRAY[16000])::halfvec FROM generate_series(1, 4);
SELECT sum(v) = array_fill(4, ARRAY[16000])::halfvec AS sum,
  avg(v) = array_fill(1, ARRAY[16000])::halfvec AS avg FROM wide;
SELECT count(*) FILTER (WHERE v = array_fill(1, ARRAY[16000])::halfvec) AS unchanged FROM wide;

DROP VIEW means;
DROP TABLE numbers, wide;
DROP FUNCTION attempt;
