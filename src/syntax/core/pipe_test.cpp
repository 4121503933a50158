// Every pipe stage alone and behind others, and what is wrong in one.
#include "syntax/core/expect_test.hpp"

namespace helios::syntax {
namespace {

TEST(Pipe, Where) {
  ExpectAll({{"FROM t |> WHERE a", "SELECT * FROM t WHERE a"},
             {"FROM t |> WHERE a |> WHERE b OR c |> WHERE d",
              "SELECT * FROM t WHERE ((a) AND (b OR c)) AND (d)"}});
}

TEST(Pipe, Select) {
  ExpectAll({{"FROM t |> SELECT a, b,", "SELECT a, b FROM t"},
             {"FROM t |> SELECT DISTINCT a", "SELECT DISTINCT a FROM t"},
             {"FROM t |> SELECT a |> SELECT b", "SELECT b FROM (SELECT a FROM t) AS \"|>1\""},
             {"FROM t |> SELECT row_number() OVER w WINDOW w AS (ORDER BY a)",
              "SELECT row_number() OVER w FROM t WINDOW w AS (ORDER BY a)"}});
}

TEST(Pipe, Extend) {
  ExpectAll({{"FROM t |> EXTEND a + 1 AS b, c AS d,",
              "SELECT * FROM t CROSS JOIN LATERAL (SELECT a + 1 AS b, c AS d) AS \"|>1\""},
             {"FROM t |> EXTEND a + 1 AS b |> EXTEND b + 1 AS c |> WHERE c > 2",
              "SELECT * FROM t CROSS JOIN LATERAL (SELECT a + 1 AS b) AS \"|>1\" CROSS JOIN "
              "LATERAL (SELECT b + 1 AS c) AS \"|>2\" WHERE c > 2"},
             {"FROM t |> EXTEND sum(a) OVER (ORDER BY b) AS s",
              "SELECT *, sum(a) OVER (ORDER BY b) AS s FROM t"},
             {"FROM t |> WHERE a |> EXTEND b AS c |> WHERE d",
              "SELECT * FROM t JOIN (SELECT) AS \"|>1\" ON a CROSS JOIN LATERAL (SELECT b AS c) AS "
              "\"|>2\" WHERE d"},
             {"FROM t |> WHERE a |> EXTEND sum(b) OVER () AS c",
              "SELECT *, sum(b) OVER () AS c FROM t WHERE a"},
             // A window of a subquery is none of the stage, whatever stands around the subquery.
             {"FROM t |> EXTEND ((SELECT 1) UNION SELECT sum(a) OVER ()) AS b",
              "SELECT * FROM t CROSS JOIN LATERAL (SELECT ((SELECT 1) UNION SELECT sum(a) OVER ()) "
              "AS b) AS \"|>1\""},
             {"FROM t |> EXTEND (((FROM u) |> SELECT sum(a) OVER ())) AS b",
              "SELECT * FROM t CROSS JOIN LATERAL (SELECT ((SELECT sum(a) OVER () FROM ((SELECT * "
              "FROM u)) AS \"|>1\")) AS b) AS \"|>1\""},
             {"FROM t |> EXTEND ((SELECT 1) + sum(a) OVER ()) AS b",
              "SELECT *, ((SELECT 1) + sum(a) OVER ()) AS b FROM t"},
             {"FROM t |> EXTEND trim(FROM max(a) OVER ()) AS b",
              "SELECT *, trim(FROM max(a) OVER ()) AS b FROM t"}});
}

TEST(Pipe, Aggregate) {
  ExpectAll(
      {{"FROM t |> AGGREGATE count(*)", "SELECT count(*) FROM t"},
       {"FROM t |> AGGREGATE count(*) AS n, sum(a) AS s GROUP BY b, c + 1 AS d",
        "SELECT b, c + 1 AS d, count(*) AS n, sum(a) AS s FROM t GROUP BY 1, 2"},
       {"FROM t |> AGGREGATE GROUP BY a", "SELECT a FROM t GROUP BY 1"},
       {"FROM t |> AGGREGATE count(*) DESC GROUP BY a ASC NULLS LAST, b",
        "SELECT a, b, count(*) FROM t GROUP BY 1, 2 ORDER BY 1 ASC NULLS LAST, 3 DESC"},
       {"FROM t |> AGGREGATE count(*) AS n GROUP AND ORDER BY a DESC, b",
        "SELECT a, b, count(*) AS n FROM t GROUP BY 1, 2 ORDER BY 1 DESC, 2"},
       {"FROM t |> AGGREGATE count(*), GROUP BY a,", "SELECT a, count(*) FROM t GROUP BY 1"},
       {"FROM t |> AGGREGATE sum(x) GROUP BY ROLLUP (a, b)",
        "SELECT a, b, sum(x) FROM t GROUP BY ROLLUP (1, 2)"},
       {"FROM t |> AGGREGATE sum(x) GROUP BY CUBE (a, b), c",
        "SELECT a, b, c, sum(x) FROM t GROUP BY CUBE (1, 2), 3"},
       {"FROM t |> AGGREGATE sum(x) GROUP BY GROUPING SETS ((a, b), (a), ())",
        "SELECT a, b, sum(x) FROM t GROUP BY GROUPING SETS ((1, 2), (1), ())"},
       {"FROM t |> AGGREGATE sum(x) GROUP AND ORDER BY ROLLUP (a, (b, c))",
        "SELECT a, b, c, sum(x) FROM t GROUP BY ROLLUP (1, (2, 3)) ORDER BY 1, 2, 3"},
       {"FROM t |> AGGREGATE sum(x) GROUP BY (a, b)", "SELECT a, b, sum(x) FROM t GROUP BY (1, 2)"},
       {"FROM t |> AGGREGATE sum(x) GROUP BY (FROM u SELECT z) AS y",
        "SELECT (SELECT z FROM u) AS y, sum(x) FROM t GROUP BY 1"},
       {"FROM t |> AGGREGATE sum(x) GROUP BY a, a", "SELECT a, sum(x) FROM t GROUP BY 1, 1"},
       {"FROM t |> AGGREGATE percentile_cont(0.5) WITHIN GROUP (ORDER BY a) AS m GROUP BY b",
        "SELECT b, percentile_cont(0.5) WITHIN GROUP (ORDER BY a) AS m FROM t GROUP BY 1"},
       {"FROM t |> WHERE p |> AGGREGATE sum(x) AS s GROUP BY k |> WHERE s > 10 |> ORDER BY s DESC "
        "|> LIMIT 10 OFFSET 2",
        "SELECT * FROM (SELECT k, sum(x) AS s FROM t WHERE p GROUP BY 1) AS \"|>1\" WHERE s > 10 "
        "ORDER BY s DESC LIMIT 10 OFFSET 2"}});
}

TEST(Pipe, Join) {
  ExpectAll(
      {{"FROM t |> JOIN u USING (id)", "SELECT * FROM t JOIN u USING (id)"},
       {"FROM t |> LEFT JOIN u ON t.id = u.id |> RIGHT OUTER JOIN v ON true |> FULL JOIN w USING "
        "(id) |> CROSS JOIN z |> NATURAL JOIN y |> INNER JOIN x ON true",
        "SELECT * FROM t LEFT JOIN u ON t.id = u.id RIGHT OUTER JOIN v ON true FULL JOIN w USING "
        "(id) CROSS JOIN z NATURAL JOIN y INNER JOIN x ON true"},
       {"FROM t |> JOIN (FROM u |> WHERE a) AS s ON true",
        "SELECT * FROM t JOIN (SELECT * FROM u WHERE a) AS s ON true"},
       {"FROM a, b |> JOIN c ON a.id = c.id", "SELECT * FROM a CROSS JOIN b JOIN c ON a.id = c.id"},
       {"FROM a, b JOIN c ON true |> JOIN d ON a.x = d.x",
        "SELECT * FROM a CROSS JOIN (b JOIN c ON true) JOIN d ON a.x = d.x"},
       {"FROM t |> WHERE a |> JOIN u ON true",
        "SELECT * FROM t JOIN (SELECT) AS \"|>1\" ON a JOIN u ON true"},
       {"FROM t |> WHERE a |> RIGHT JOIN u ON true",
        "SELECT * FROM t JOIN (SELECT) AS \"|>1\" ON a RIGHT JOIN u ON true"},
       {"FROM t |> WHERE a |> LEFT JOIN u ON true",
        "SELECT * FROM t JOIN (SELECT) AS \"|>1\" ON a LEFT JOIN u ON true"},
       {"FROM t |> ORDER BY a |> JOIN u ON true",
        "SELECT * FROM (SELECT * FROM t ORDER BY a) AS t JOIN u ON true"}});
}

TEST(Pipe, OrderAndLimit) {
  ExpectAll(
      {{"FROM t |> ORDER BY a", "SELECT * FROM t ORDER BY a"},
       {"FROM t |> ORDER BY a |> ORDER BY b",
        "SELECT * FROM (SELECT * FROM t ORDER BY a) AS t ORDER BY b"},
       {"FROM t |> ORDER BY a |> LIMIT 5 |> SELECT b",
        "SELECT b FROM (SELECT * FROM t ORDER BY a LIMIT 5) AS t"},
       {"FROM t |> ORDER BY a |> SELECT b, c AS d",
        "SELECT b, c AS d FROM (SELECT * FROM t ORDER BY a) AS t"},
       {"FROM t |> ORDER BY a |> SELECT b + 1 AS a",
        "SELECT b + 1 AS a FROM (SELECT * FROM t ORDER BY a) AS t"},
       {"FROM t |> ORDER BY 1 |> SELECT b", "SELECT b FROM (SELECT * FROM t ORDER BY 1) AS t"},
       {"FROM t |> ORDER BY a |> SELECT DISTINCT b",
        "SELECT DISTINCT b FROM (SELECT * FROM t ORDER BY a) AS t"},
       {"FROM t, u |> ORDER BY t.a |> SELECT u.b", "SELECT u.b FROM t, u ORDER BY t.a"},
       {"FROM t, u |> ORDER BY t.a |> LIMIT 3 |> SELECT u.b, t.c AS x",
        "SELECT u.b, t.c AS x FROM t, u ORDER BY t.a LIMIT 3"},
       {"FROM t, u |> ORDER BY t.a |> LIMIT 3 |> SELECT f(u.b)",
        "SELECT f(u.b) FROM (SELECT * FROM t, u ORDER BY t.a LIMIT 3) AS \"|>1\""},
       {"FROM t, u |> ORDER BY t.a |> SELECT b + 1 AS a",
        "SELECT b + 1 AS a FROM (SELECT * FROM t, u ORDER BY t.a) AS \"|>1\""},
       {"FROM t, u |> ORDER BY 1 |> SELECT b",
        "SELECT b FROM (SELECT * FROM t, u ORDER BY 1) AS \"|>1\""},
       {"FROM t, u |> ORDER BY t.a |> SELECT DISTINCT u.b",
        "SELECT DISTINCT u.b FROM (SELECT * FROM t, u ORDER BY t.a) AS \"|>1\""},
       {"FROM t, u |> ORDER BY t.a |> SELECT sum(a) OVER ()",
        "SELECT sum(a) OVER () FROM (SELECT * FROM t, u ORDER BY t.a) AS \"|>1\""},
       {"FROM t |> LIMIT 5 |> LIMIT 3", "SELECT * FROM (SELECT * FROM t LIMIT 5) AS t LIMIT 3"},
       {"FROM t |> LIMIT 5 |> WHERE a", "SELECT * FROM (SELECT * FROM t LIMIT 5) AS t WHERE a"},
       {"FROM t |> LIMIT 5 |> ORDER BY a",
        "SELECT * FROM (SELECT * FROM t LIMIT 5) AS t ORDER BY a"},
       {"FROM t |> ORDER BY a |> WHERE b", "SELECT * FROM t WHERE b ORDER BY a"}});
}

TEST(Pipe, Distinct) {
  ExpectAll({{"FROM t |> DISTINCT", "SELECT DISTINCT * FROM t"},
             {"FROM t |> DISTINCT |> WHERE t.a",
              "SELECT * FROM (SELECT DISTINCT * FROM t) AS t WHERE t.a"}});
}

TEST(Pipe, SetOperations) {
  ExpectAll({{"FROM t |> UNION ALL (FROM u), (FROM v)",
              "(SELECT * FROM t) UNION ALL (SELECT * FROM u) UNION ALL (SELECT * FROM v)"},
             {"FROM t |> UNION (FROM u) |> WHERE a",
              "SELECT * FROM ((SELECT * FROM t) UNION (SELECT * FROM u)) AS \"|>1\" WHERE a"},
             {"FROM t |> INTERSECT DISTINCT (SELECT 1)",
              "(SELECT * FROM t) INTERSECT DISTINCT (SELECT 1)"},
             {"FROM t |> EXCEPT ALL (FROM u |> WHERE a)",
              "(SELECT * FROM t) EXCEPT ALL (SELECT * FROM u WHERE a)"}});
}

TEST(Pipe, KeepsTheRangeVariable) {
  ExpectAll(
      {{"FROM t |> AS x |> WHERE x.a", "SELECT * FROM (SELECT * FROM t) AS x WHERE x.a"},
       {"FROM t |> WHERE a |> AS x |> JOIN y ON x.a = y.a",
        "SELECT * FROM (SELECT * FROM t WHERE a) AS x JOIN y ON x.a = y.a"},
       {"FROM t x |> SELECT x.a |> WHERE a",
        "SELECT * FROM (SELECT x.a FROM t x) AS \"|>1\" WHERE a"},
       {"FROM t AS x |> DISTINCT |> WHERE x.a",
        "SELECT * FROM (SELECT DISTINCT * FROM t AS x) AS x WHERE x.a"},
       {"FROM s.t |> DISTINCT |> JOIN u ON t.a = u.a",
        "SELECT * FROM (SELECT DISTINCT * FROM s.t) AS t JOIN u ON t.a = u.a"},
       {"FROM ONLY t |> DISTINCT |> WHERE t.a",
        "SELECT * FROM (SELECT DISTINCT * FROM ONLY t) AS t WHERE t.a"},
       {"FROM f(1) |> DISTINCT |> WHERE f.a",
        "SELECT * FROM (SELECT DISTINCT * FROM f(1)) AS f WHERE f.a"},
       {"FROM f(1) g |> DISTINCT |> WHERE g.a",
        "SELECT * FROM (SELECT DISTINCT * FROM f(1) g) AS g WHERE g.a"},
       {"FROM (FROM t) s |> DISTINCT |> WHERE s.a",
        "SELECT * FROM (SELECT DISTINCT * FROM (SELECT * FROM t) s) AS s WHERE s.a"},
       {"FROM f(1) WITH ORDINALITY AS g (a, n) |> DISTINCT |> WHERE g.a",
        "SELECT * FROM (SELECT DISTINCT * FROM f(1) WITH ORDINALITY AS g (a, n)) AS g WHERE g.a"},
       {"FROM t TABLESAMPLE system (10) |> DISTINCT |> WHERE t.a",
        "SELECT * FROM (SELECT DISTINCT * FROM t TABLESAMPLE system (10)) AS t WHERE t.a"}});
}

TEST(Pipe, Heads) {
  ExpectAll(
      {{"FROM t WHERE a |> WHERE b", "SELECT * FROM (SELECT * FROM t WHERE a) AS t WHERE b"},
       {"FROM t WHERE a SELECT b |> WHERE c",
        "SELECT * FROM (SELECT b FROM t WHERE a) AS \"|>1\" WHERE c"},
       {"FROM t ORDER BY a LIMIT 3 |> WHERE t.b",
        "SELECT * FROM (SELECT * FROM t ORDER BY a LIMIT 3) AS t WHERE t.b"},
       {"FROM t GROUP BY a |> WHERE b",
        "SELECT * FROM (SELECT * FROM t GROUP BY a) AS \"|>1\" WHERE b"},
       {"FROM t UNION FROM u |> WHERE a",
        "SELECT * FROM (SELECT * FROM t UNION SELECT * FROM u) AS \"|>1\" WHERE a"},
       {"SELECT * FROM t |> WHERE a", "SELECT * FROM (SELECT * FROM t) AS \"|>1\" WHERE a"},
       {"(SELECT * FROM t) |> WHERE a", "SELECT * FROM ((SELECT * FROM t)) AS \"|>1\" WHERE a"},
       {"VALUES (1) |> WHERE a", "SELECT * FROM (VALUES (1)) AS \"|>1\" WHERE a"},
       {"TABLE t |> WHERE a", "SELECT * FROM (TABLE t) AS \"|>1\" WHERE a"}});
}

TEST(Pipe, InStatements) {
  ExpectAll(
      {{"WITH x AS (FROM t |> WHERE a) FROM x |> SELECT b",
        "WITH x AS (SELECT * FROM t WHERE a) SELECT b FROM x"},
       {"SELECT (FROM t |> AGGREGATE count(*)) FROM u", "SELECT (SELECT count(*) FROM t) FROM u"},
       {"CREATE VIEW v AS FROM t |> AGGREGATE count(*) AS n GROUP BY a WITH CHECK OPTION",
        "CREATE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY 1 WITH CHECK OPTION"},
       {"INSERT INTO t FROM u |> AGGREGATE count(*) ON CONFLICT DO NOTHING",
        "INSERT INTO t SELECT count(*) FROM u ON CONFLICT DO NOTHING"},
       {"FROM t |> WHERE a; FROM u |> SELECT b", "SELECT * FROM t WHERE a; SELECT b FROM u"}});
}

TEST(Pipe, LeavesOperatorsAlone) {
  ExpectAll({{"FROM t |> WHERE (a |> b) > 1 |> SELECT c", "SELECT c FROM t WHERE (a |> b) > 1"},
             {"FROM t |> where x |> left(b)", "SELECT * FROM t WHERE x |> left(b)"}});
}

TEST(Pipe, NamesMissingStages) {
  ExpectAll({{"FROM t |> DROP a",
              "unsupported at 3 drop: there is no pipe stage \"drop\"; The stages are WHERE, "
              "SELECT, EXTEND, AGGREGATE, JOIN, ORDER BY, LIMIT, DISTINCT, UNION, "
              "INTERSECT, EXCEPT and AS."},
             {"FROM t |> SET a = 1",
              "unsupported at 3 set: there is no pipe stage \"set\"; The stages are WHERE, SELECT, "
              "EXTEND, AGGREGATE, JOIN, ORDER BY, LIMIT, DISTINCT, UNION, INTERSECT, "
              "EXCEPT and AS."},
             {"FROM t |> WHERE a |> PIVOT (x)",
              "unsupported at 6 pivot: there is no pipe stage \"pivot\"; The stages are WHERE, "
              "SELECT, EXTEND, AGGREGATE, JOIN, ORDER BY, LIMIT, DISTINCT, UNION, "
              "INTERSECT, EXCEPT and AS."},
             {"FROM t |> foo", "SELECT * FROM t |> foo"},
             {"FROM t |>", "SELECT * FROM t |>"}});
}

TEST(Pipe, PointsAtTheError) {
  ExpectAll(
      {{"FROM t |> WHERE a SELECT b", "error at 5 select; Every stage of a pipe begins with |>."},
       {"FROM t |> WHERE a GROUP BY b", "error at 5 group; Every stage of a pipe begins with |>."},
       {"FROM t |> SELECT a WHERE b", "error at 5 where; Every stage of a pipe begins with |>."},
       {"FROM t |> SELECT a FROM u", "error at 5 from; Every stage of a pipe begins with |>."},
       {"FROM t |> AGGREGATE", "error at 4 "},
       {"FROM t |> AGGREGATE count(*) GROUP a", "error at 9 a"},
       {"FROM t |> AGGREGATE count(*) GROUP", "error at 9 "},
       {"FROM t |> AGGREGATE count(*) GROUP BY", "error at 10 "},
       {"FROM t |> AGGREGATE count(*) WHERE a",
        "error at 8 where; Every stage of a pipe begins with |>."},
       {"FROM t |> AGGREGATE count(*),, sum(a)", "error at 9 ,"},
       {"FROM t |> AGGREGATE count(*) GROUP BY a HAVING b",
        "error at 11 having; Every stage of a pipe begins with |>."},
       {"FROM t |> DISTINCT a", "error at 4 a; Every stage of a pipe begins with |>."},
       {"FROM t |> AS", "error at 4 "},
       {"FROM t |> AS x y", "error at 5 y; Every stage of a pipe begins with |>."},
       {"FROM t |> UNION FROM u",
        "error at 4 from; Put the queries behind the stage in parentheses."},
       {"FROM t |> UNION ALL", "error at 5 "},
       {"FROM t |> UNION (FROM u) x",
        "error at 4 (; Put the queries behind the stage in parentheses."},
       {"FROM t |> ORDER BY a WHERE b", "error at 6 where; Every stage of a pipe begins with |>."},
       {"FROM t |> LIMIT 5 WHERE b", "error at 5 where; Every stage of a pipe begins with |>."},
       {"FROM t |> EXTEND a WHERE b", "error at 5 where; Every stage of a pipe begins with |>."},
       {"FROM t |> JOIN u ON true WHERE b",
        "error at 7 where; Every stage of a pipe begins with |>."},
       {"FROM t |> WHERE |> SELECT a", "error at 4 |>"},
       {"SELECT 1; FROM t |> UNION ALL", "error at 8 "},
       {"FROM t |> SELECT |> WHERE a", "SELECT * FROM (SELECT FROM t) AS \"|>1\" WHERE a"},
       {"FROM t |> EXTEND", "error at 4 "},
       {"FROM t |> WHERE", "error at 4 "},
       {"FROM t |> LIMIT", "SELECT * FROM t LIMIT"},
       {"FROM t |> ORDER", "SELECT * FROM t ORDER"},
       {"FROM t |> EXTEND count(*) AS n",
        "error at 6 *: aggregate functions are not allowed in EXTEND; Use the stage AGGREGATE, or "
        "add OVER ()."},
       {"FROM t |> WHERE a = (FROM u |> DROP b)",
        "unsupported at 10 drop: there is no pipe stage \"drop\"; The stages are WHERE, SELECT, "
        "EXTEND, AGGREGATE, JOIN, ORDER BY, LIMIT, DISTINCT, UNION, INTERSECT, EXCEPT "
        "and AS."}});
}

// What a form has moved or made is no place to point at.
TEST(Pipe, PointsAtTheUsersTextBehindForms) {
  ExpectAll({
      {"CREATE MATERIALIZED VIEW v AS FROM t |> UNION ALL WITH (a = 1) WITH NO DATA",
       "error at 10 with"},
      {"CREATE MATERIALIZED VIEW v AS FROM t |> UNION ALL WITH (a = 1)", "error at 10 with"},
      {"CREATE MATERIALIZED VIEW v AS FROM t |> SELECT a WHERE b WITH (a = 1)",
       "error at 10 where; Every stage of a pipe begins with |>."},
  });
}

TEST(Pipe, Combinations) {
  ExpectAll(
      {{"FROM t |> SELECT a |> SELECT b |> SELECT c",
        "SELECT c FROM (SELECT b FROM (SELECT a FROM t) AS \"|>1\") AS \"|>2\""},
       {"FROM t |> SELECT a |> AGGREGATE count(*) GROUP BY GROUPING SETS ((a), ROLLUP (a, b))",
        "SELECT a, b, count(*) FROM (SELECT a FROM t) AS \"|>1\" GROUP BY GROUPING SETS ((1), "
        "ROLLUP (1, 2))"},
       {"FROM a JOIN b ON true |> SELECT a.x |> WHERE x",
        "SELECT * FROM (SELECT a.x FROM a JOIN b ON true) AS \"|>1\" WHERE x"},
       {"FROM a JOIN b ON true |> DISTINCT |> WHERE a.x",
        "SELECT * FROM (SELECT DISTINCT * FROM a JOIN b ON true) AS \"|>1\" WHERE a.x"},
       {"FROM t |> AGGREGATE count(*) GROUP BY f('a'), f(a)",
        "SELECT f('a'), f(a), count(*) FROM t GROUP BY 1, 2"},
       {"FROM t |> AGGREGATE count(*) GROUP BY x.\"desc\" DESC",
        "SELECT x.\"desc\", count(*) FROM t GROUP BY 1 ORDER BY 1 DESC"},
       {"FROM t |> EXTEND a IS DISTINCT FROM b AS c",
        "SELECT * FROM t CROSS JOIN LATERAL (SELECT a IS DISTINCT FROM b AS c) AS \"|>1\""},
       {"FROM t |> AGGREGATE array_agg(a ORDER BY b DESC) AS l",
        "SELECT array_agg(a ORDER BY b DESC) AS l FROM t"}});
}

}  // namespace
}  // namespace helios::syntax
