# Queries of every shape that materialized views are kept up to date for, over tables a, b, c and p, and how that is done.
package Shapes;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(shape_tables shapes);

# a and b have keys, c is a bag, p is partitioned; b.a refers to a with cascades.
sub shape_tables
{
	return q{
	CREATE TABLE a (gone text, id int PRIMARY KEY, g int, x int, t text COLLATE "C", n numeric, f float8);
	ALTER TABLE a DROP COLUMN gone;
	CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE, y int, s text);
	CREATE TABLE c (k int, v numeric(10,2));
	CREATE TABLE p (id int PRIMARY KEY, g int, x int) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (MINVALUE) TO (50);
	CREATE TABLE p2 (x int, gone text, g int, id int NOT NULL);
	ALTER TABLE p2 DROP COLUMN gone;
	ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (50) TO (MAXVALUE);
	CREATE INDEX ON a (g); CREATE INDEX ON a (x); CREATE INDEX ON b (y); CREATE INDEX ON b (a); CREATE INDEX ON b (s); CREATE INDEX ON c (k); CREATE INDEX ON p (g);
	CREATE VIEW av AS SELECT id, g, x FROM a WHERE x > 2;};
}

# Lists (name, how, query).
sub shapes
{
	my $rows = 'changed rows';
	my $groups = 'counters of groups';
	my $matching = 'rows with what matches them';
	my $parts = 'affected partitions';
	return (
		[ 'filter', $rows, 'SELECT id, x + 1 AS x1, upper(t) AS u FROM a WHERE x > 3 AND t IS NOT NULL' ],
		[ 'bag', $rows, 'SELECT k, v * 2 AS w FROM c WHERE v > 1' ],
		[ 'whole_bag', $rows, 'SELECT * FROM c' ],
		[ 'partitioned', $rows, 'SELECT id, g, x FROM p WHERE x % 3 <> 0' ],
		[ 'through_view', $rows, 'SELECT av.id, b.s FROM av JOIN b ON b.a = av.id' ],
		[ 'set_returning', $rows, 'SELECT id, unnest(ARRAY[g, x]) AS u FROM a' ],
		[ 'equi_join', $rows, 'SELECT a.t, b.s, b.y FROM a JOIN b ON a.g = b.y' ],
		[ 'using_join', $rows, 'SELECT id, a.g AS ag, p.g AS pg FROM a JOIN p USING (id)' ],
		[ 'other_join', $rows, 'SELECT a.id, b.id AS bid FROM a JOIN b ON a.x < b.y AND a.g > b.y' ],
		[ 'self_join', $rows, 'SELECT a1.id, a2.id AS id2 FROM a a1 JOIN a a2 ON a1.x = a2.x AND a1.id < a2.id' ],
		[ 'five_tables', $rows, 'SELECT a.id, b.id AS bid, c.v, p.x, a2.n FROM a, b, c, p, a a2 WHERE b.a = a.id AND c.k = a.g AND p.id = a.id AND a2.id = b.y' ],
		[ 'six_tables', $rows, 'SELECT a.id, b.id AS bid, c.v, p.x, a2.n, b2.s FROM a, b, c, p, a a2, b b2 WHERE b.a = a.id AND c.k = a.g AND p.id = a.id AND a2.id = b.y AND b2.id = a.id' ],
		[ 'lateral_row', $rows, 'SELECT a.id, l.z FROM a, LATERAL (SELECT a.x + b.y AS z FROM b WHERE b.a = a.id) l' ],
		[ 'union_all', $rows, 'SELECT g, x FROM a UNION ALL SELECT y, id FROM b WHERE id > 3 UNION ALL SELECT k, v::int FROM c' ],
		[ 'join_of_union_all', $rows, 'SELECT u.g, c.v FROM (SELECT g FROM a WHERE x > 6 UNION ALL SELECT y FROM b) u JOIN c ON c.k = u.g' ],
		[ 'with', $rows, 'WITH q AS (SELECT id, g FROM a WHERE x > 4), r AS (SELECT * FROM q WHERE g IS NOT NULL) SELECT q.id, r.id AS rid FROM q JOIN r ON q.g = r.g AND q.id <= r.id' ],
		[ 'group_sums', $groups, 'SELECT g, count(*) AS c, count(x) AS cx, sum(x) AS sx, avg(x) AS ax, sum(n) AS sn, avg(n) AS an FROM a GROUP BY g' ],
		[ 'group_bag', $groups, 'SELECT k, sum(v) AS s, avg(v) AS a, stddev(v) AS d FROM c GROUP BY k' ],
		[ 'group_extremes', $groups, 'SELECT g, min(x) AS a, max(x) AS b, min(t) AS c, max(n) AS d, min(f) AS e FROM a GROUP BY g' ],
		[ 'group_spread', $groups, 'SELECT g, stddev(x) AS a, var_pop(x) AS b, stddev_pop(n) AS c, variance(n) AS d FROM a GROUP BY g' ],
		[ 'group_bools', $groups, 'SELECT g, bool_and(x > 2) AS a, bool_or(x > 11) AS b, every(t > $$t1$$) AS c FROM a GROUP BY g' ],
		[ 'group_filter', $groups, 'SELECT g, count(*) FILTER (WHERE x > 4) AS a, sum(x) FILTER (WHERE t = $$t1$$) AS b, max(x) FILTER (WHERE x < 9) AS c FROM a GROUP BY g' ],
		[ 'group_expressions', $groups, 'SELECT x % 3 AS m, sum(x) * 2 + count(*) AS e, sum(n) / nullif(count(n), 0) AS q FROM a GROUP BY x % 3' ],
		[ 'group_hidden_key', $groups, 'SELECT count(*) AS c FROM a GROUP BY g, t' ],
		[ 'group_having', $groups, 'SELECT g, sum(x) AS s FROM a GROUP BY g HAVING count(*) > 9 AND min(x) < 3' ],
		[ 'group_whole_key', $groups, 'SELECT a.id, a.t, count(b.id) AS c FROM a JOIN b ON b.a = a.id GROUP BY a.id' ],
		[ 'no_group', $groups, 'SELECT count(*) AS c, sum(x) AS s, min(n) AS m FROM a' ],
		[ 'no_group_having', $groups, 'SELECT sum(x) AS s FROM a HAVING count(*) % 2 = 0' ],
		[ 'group_join', $groups, 'SELECT b.s, count(*) AS c, sum(a.x) AS s1, max(a.n) AS m FROM a JOIN b ON a.g = b.y GROUP BY b.s' ],
		[ 'group_partitioned', $groups, 'SELECT g, count(*) AS c, max(x) AS m FROM p GROUP BY g' ],
		[ 'count_distinct', $groups, 'SELECT g, count(DISTINCT t) AS d, sum(DISTINCT x) AS s FROM a GROUP BY g' ],
		[ 'arrays', $groups, 'SELECT g, array_agg(x ORDER BY id) AS a, string_agg(t, $$,$$ ORDER BY id DESC) AS s FROM a GROUP BY g' ],
		[ 'percentiles', $groups, 'SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS p, mode() WITHIN GROUP (ORDER BY x) AS m, avg(x::float8) AS f FROM a GROUP BY g' ],
		[ 'distinct', $groups, 'SELECT DISTINCT g, t FROM a' ],
		[ 'distinct_groups', $groups, 'SELECT DISTINCT count(*) AS c FROM a GROUP BY g, t' ],
		[ 'union', $groups, 'SELECT g FROM a UNION SELECT y FROM b' ],
		[ 'intersect', $groups, 'SELECT g FROM a INTERSECT SELECT y FROM b' ],
		[ 'intersect_all', $groups, 'SELECT g FROM a INTERSECT ALL SELECT k FROM c' ],
		[ 'except', $groups, 'SELECT g FROM a EXCEPT SELECT k FROM c' ],
		[ 'except_all', $groups, 'SELECT g, x FROM a EXCEPT ALL (SELECT g, x FROM p UNION SELECT y, id FROM b)' ],
		[ 'grouping_sets', $groups, 'SELECT g, t, count(*) AS c, sum(g) AS s, grouping(g, t) AS b FROM a GROUP BY GROUPING SETS ((g), (t), ())' ],
		[ 'rollup', $groups, 'SELECT g, x + 1 AS y, max(id) AS m FROM a GROUP BY ROLLUP (g, x + 1) HAVING count(*) > 2' ],
		[ 'distinct_cube', $groups, 'SELECT DISTINCT g FROM a GROUP BY CUBE (g, t)' ],
		[ 'nested_groups', $groups, 'SELECT c, count(*) AS n, max(s) AS m FROM (SELECT g, t, count(*) AS c, sum(x) AS s FROM a GROUP BY g, t) q GROUP BY c' ],
		[ 'join_of_groups', $groups, 'SELECT a.id, q.c FROM a JOIN (SELECT g, count(*) AS c FROM a GROUP BY g) q USING (g) WHERE a.x > 6' ],
		[ 'with_twice', $groups, 'WITH q AS (SELECT g, sum(x) AS s FROM a GROUP BY g) SELECT q1.g, q2.s FROM q q1 JOIN q q2 ON q1.s <= q2.s' ],
		[ 'left_join', "$groups, $matching", 'SELECT a.id, a.t, b.s FROM a LEFT JOIN b ON a.g = b.y AND b.id > 5' ],
		[ 'left_join_hidden', $matching, 'SELECT a.t, b.s FROM a LEFT JOIN b ON a.x > b.y + b.id' ],
		[ 'right_join', $matching, 'SELECT a.id, p.id AS pid FROM a RIGHT JOIN p ON a.id = p.id AND p.x > a.x WHERE p.g > 1' ],
		[ 'full_join', "$groups, $matching", 'SELECT a.id, p.id AS pid, a.t FROM a FULL JOIN p ON a.id = p.id' ],
		[ 'left_left_join', "$groups, $matching", 'SELECT a.id, b.id AS bid, c.v FROM a LEFT JOIN b ON a.id = b.a LEFT JOIN c ON c.k = b.y' ],
		[ 'left_of_joined', "$groups, $matching", 'SELECT a.id, q.v FROM a LEFT JOIN (b JOIN c ON c.k = b.y) q ON q.a = a.id WHERE q.v IS NULL OR q.v > 2' ],
		[ 'anti_by_left_join', "$groups, $matching", 'SELECT a.id FROM a LEFT JOIN b ON b.a = a.id WHERE b.id IS NULL' ],
		[ 'group_of_left_join', "$groups, $matching", 'SELECT a.g, count(b.id) AS c, sum(b.y) AS s, count(*) AS n FROM a LEFT JOIN b ON b.a = a.id GROUP BY a.g' ],
		[ 'group_by_nullable', "$groups, $matching", 'SELECT b.s, count(*) AS c, max(a.x) AS m FROM a LEFT JOIN b ON b.a = a.id GROUP BY b.s HAVING count(*) > 1' ],
		[ 'left_join_groups', "$groups, $matching", 'SELECT a.id, q.c FROM a LEFT JOIN (SELECT k, count(*) AS c FROM c GROUP BY k) q ON q.k = a.g' ],
		[ 'exists', $matching, 'SELECT id, x FROM a WHERE EXISTS (SELECT FROM b WHERE b.y = a.g AND b.id > a.x)' ],
		[ 'not_exists', "$groups, $matching", 'SELECT id, x FROM a WHERE NOT EXISTS (SELECT FROM b WHERE b.a = a.id)' ],
		[ 'in', "$groups, $matching", 'SELECT id, x FROM a WHERE g IN (SELECT k FROM c WHERE v > 3) AND x > 2' ],
		[ 'not_in', $matching, 'SELECT id, x FROM a WHERE x NOT IN (SELECT y + 3 FROM b WHERE y IS NOT NULL)' ],
		[ 'not_in_nulls', $matching, 'SELECT id FROM p WHERE x NOT IN (SELECT g FROM a WHERE x > 10)' ],
		[ 'in_groups', "$groups, $matching", 'SELECT id FROM a WHERE g IN (SELECT k FROM c GROUP BY k HAVING count(*) > 5)' ],
		[ 'or_of_subqueries', "$groups, $matching", 'SELECT id FROM a WHERE x > 9 OR EXISTS (SELECT FROM b WHERE b.a = a.id AND b.y > 2) OR g IN (SELECT k FROM c WHERE v > 5)' ],
		[ 'scalar_subquery', $matching, 'SELECT a.id, (SELECT max(v) FROM c WHERE c.k = a.g) AS m, (SELECT count(*) FROM b WHERE b.a = a.id) AS n FROM a' ],
		[ 'scalar_of_all', "$groups, $matching", 'SELECT id FROM a WHERE x > (SELECT avg(x) FROM a)' ],
		[ 'union_of_exists', "$groups, $matching", 'SELECT g, x FROM a WHERE x > 4 UNION ALL SELECT y, id FROM b WHERE EXISTS (SELECT FROM c WHERE c.k = b.y)' ],
		[ 'lateral_top', $matching, 'SELECT b.id, l.x, l.id AS aid FROM b, LATERAL (SELECT x, id FROM a WHERE a.g = b.y ORDER BY x DESC, id LIMIT 3) l' ],
		[ 'left_lateral', $matching, 'SELECT b.id, l.s FROM b LEFT JOIN LATERAL (SELECT sum(x) AS s FROM a WHERE a.g = b.y HAVING count(*) > 3) l ON l.s > 9' ],
		[ 'window', $parts, 'SELECT id, g, row_number() OVER (PARTITION BY g ORDER BY x, id) AS r, sum(x) OVER (PARTITION BY g, t) AS s FROM a' ],
		[ 'top_per_group', $parts, 'SELECT id, g, r FROM (SELECT id, g, rank() OVER (PARTITION BY g ORDER BY x, id) AS r FROM a) q WHERE r <= 3' ],
		[ 'distinct_on', $parts, 'SELECT DISTINCT ON (g) g, x, id FROM a ORDER BY g, x, id' ],
		[ 'window_of_join', $parts, 'SELECT b.id, b.y, lag(a.x) OVER (PARTITION BY b.y ORDER BY b.id, a.id) AS l FROM a JOIN b ON b.a = a.id' ],
		[ 'window_of_groups', "$groups, $parts", 'SELECT g, t, sum(x) AS s, rank() OVER (PARTITION BY g ORDER BY sum(x), t) AS r FROM a GROUP BY g, t' ],
		[ 'window_of_rollup', "$groups, $parts", 'SELECT g, t, rank() OVER (PARTITION BY grouping(g), g ORDER BY count(*), t) AS r FROM a GROUP BY ROLLUP (g, t)' ],
		[ 'groups_of_window', "$groups, $parts", 'SELECT r, count(*) AS c FROM (SELECT rank() OVER (PARTITION BY g ORDER BY x, id) AS r FROM a) q GROUP BY r' ],
		[ 'distinct_window', "$groups, $parts", 'SELECT DISTINCT g, dense_rank() OVER (PARTITION BY g ORDER BY x) AS r FROM a' ],
	);
}

1;
