-- Order and equality of halfvec: operators, btree indexes, sorting, grouping.

CREATE TABLE t (v halfvec);
INSERT INTO t VALUES
  ('[0]'), ('[1]'), ('[1,0]'), ('[1,-1]'), ('[1,2]'), ('[-1,5]'), ('[2]'),
  ('[0,0]'), ('[1,2,3]'), ('[-1]'), ('[-0,1]'), (NULL);
-- Elements decide first, then the number of dimensions, as in arrays.
SELECT v FROM t ORDER BY v;
SELECT v FROM t ORDER BY v DESC NULLS LAST LIMIT 3;

CREATE INDEX t_v ON t (v);
SET enable_seqscan = off;
SET enable_sort = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT v FROM t WHERE v >= '[1]' ORDER BY v;
SELECT v FROM t WHERE v >= '[1]' ORDER BY v;
SELECT v FROM t WHERE v < '[1]' ORDER BY v DESC;
SELECT v FROM t WHERE v = '[1,2]';
SELECT v FROM t WHERE v > '[1,2]' AND v <= '[2]' ORDER BY v;
SELECT count(*) FROM t WHERE v <> '[1,2]';
RESET enable_seqscan;
RESET enable_sort;
RESET enable_bitmapscan;

-- Both zeros are equal.
SELECT '[-0]'::halfvec = '[0]' AS equal, halfvec_cmp('[-0]', '[0]') AS cmp;
CREATE UNIQUE INDEX t_unique ON t (v);
INSERT INTO t VALUES ('[1,2]');
SELECT v, count(*) FROM (SELECT v FROM t UNION ALL SELECT v FROM t WHERE v < '[1]') u
GROUP BY v ORDER BY v;
SELECT DISTINCT v FROM (SELECT v FROM t UNION ALL SELECT v FROM t) u ORDER BY v LIMIT 2;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) FROM t a JOIN t b USING (v);
RESET enable_hashjoin;
RESET enable_nestloop;

-- All pairs of many small vectors: the operators agree with each other and with the order of real[].
CREATE TABLE many AS
SELECT x, x::halfvec AS v FROM (SELECT ARRAY[p] AS x FROM generate_series(-1, 1) p
  UNION ALL SELECT ARRAY[p, q] FROM generate_series(-1, 1) p, generate_series(-1, 1) q
  UNION ALL SELECT ARRAY[p, q, r]
            FROM generate_series(-1, 1) p, generate_series(-1, 1) q, generate_series(-1, 1) r
  UNION ALL SELECT ARRAY[p, q, 0, r]
            FROM generate_series(-1, 1) p, generate_series(-1, 1) q, generate_series(-1, 1) r) s;
SELECT count(*),
  count(*) FILTER (WHERE halfvec_cmp(a.v, b.v) = (a.x > b.x)::int - (a.x < b.x)::int) AS cmp,
  count(*) FILTER (WHERE (a.v < b.v) = (a.x < b.x)) AS lt,
  count(*) FILTER (WHERE (a.v <= b.v) = (a.x <= b.x)) AS le,
  count(*) FILTER (WHERE (a.v = b.v) = (a.x = b.x)) AS eq,
  count(*) FILTER (WHERE (a.v <> b.v) = (a.x <> b.x)) AS ne,
  count(*) FILTER (WHERE (a.v >= b.v) = (a.x >= b.x)) AS ge,
  count(*) FILTER (WHERE (a.v > b.v) = (a.x > b.x)) AS gt
FROM many a, many b;
-- Sorting many of them.
SELECT count(*), bool_and(x >= before) AS ordered
FROM (SELECT x, lag(x) OVER (ORDER BY v) AS before FROM many, generate_series(1, 100)) s;

-- What the optimizer is told about the operators.
SELECT oprname, oprcom::regoperator AS commutator, oprnegate::regoperator AS negator, oprrest, oprjoin
FROM pg_operator WHERE oprleft = 'halfvec'::regtype AND oprright = 'halfvec'::regtype
ORDER BY oprname COLLATE "C";
SELECT amname, opcname, opcdefault FROM pg_opclass JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype = 'halfvec'::regtype AND amname = 'btree';

DROP TABLE t, many;
