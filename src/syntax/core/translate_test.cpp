// FROM-first queries in every statement, what stays alone, places of errors, hostile texts.
#include "syntax/core/expect_test.hpp"

namespace helios::syntax {
namespace {

TEST(FromFirst, SortsClauses) {
  ExpectAll({{"FROM t", "SELECT * FROM t"},
             {"FROM t SELECT a", "SELECT a FROM t"},
             {"FROM t SELECT a WHERE p", "SELECT a FROM t WHERE p"},
             {"FROM t WHERE p SELECT a", "SELECT a FROM t WHERE p"},
             {"FROM t WHERE p GROUP BY a HAVING h WINDOW w AS (ORDER BY a) SELECT a, count(*) "
              "ORDER BY 1 LIMIT 5 OFFSET 2",
              "SELECT a, count(*) FROM t WHERE p GROUP BY a HAVING h WINDOW w AS (ORDER BY a) "
              "ORDER BY 1 LIMIT 5 OFFSET 2"},
             {"FROM t LIMIT 5 ORDER BY a SELECT a", "SELECT a FROM t ORDER BY a LIMIT 5"},
             {"FROM t SELECT DISTINCT ON (a) b ORDER BY a FOR UPDATE",
              "SELECT DISTINCT ON (a) b FROM t ORDER BY a FOR UPDATE"},
             {"FROM t FETCH FIRST 3 ROWS ONLY", "SELECT * FROM t FETCH FIRST 3 ROWS ONLY"},
             {"FROM t SELECT a INTO x", "SELECT a INTO x FROM t"}});
}

TEST(FromFirst, Joins) {
  ExpectAll({{"FROM a JOIN b USING (id) LEFT JOIN c ON c.id = a.id WHERE a.x > 1 SELECT a.*, c.y",
              "SELECT a.*, c.y FROM a JOIN b USING (id) LEFT JOIN c ON c.id = a.id WHERE a.x > 1"},
             {"FROM a, LATERAL (FROM b WHERE b.id = a.id) s SELECT s.x",
              "SELECT s.x FROM a, LATERAL (SELECT * FROM b WHERE b.id = a.id) s"}});
}

TEST(FromFirst, SetOperations) {
  ExpectAll({{"FROM a SELECT x UNION ALL FROM b SELECT y ORDER BY 1",
              "SELECT x FROM a UNION ALL SELECT y FROM b ORDER BY 1"},
             {"SELECT 1 UNION FROM b EXCEPT DISTINCT FROM c",
              "SELECT 1 UNION SELECT * FROM b EXCEPT DISTINCT SELECT * FROM c"},
             {"(FROM a) UNION (FROM b LIMIT 1) ORDER BY 1",
              "(SELECT * FROM a) UNION (SELECT * FROM b LIMIT 1) ORDER BY 1"},
             {"FROM a INTERSECT SELECT 1", "SELECT * FROM a INTERSECT SELECT 1"}});
}

TEST(FromFirst, CommonTableExpressions) {
  ExpectAll(
      {{"WITH x AS (FROM t SELECT a), y (b) AS MATERIALIZED (FROM x) FROM y SELECT b",
        "WITH x AS (SELECT a FROM t), y (b) AS MATERIALIZED (SELECT * FROM x) SELECT b FROM y"},
       {"WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL FROM x SELECT n + 1 WHERE n < 5) FROM x",
        "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 5) SELECT * "
        "FROM x"},
       {"WITH x AS (FROM t) SELECT * FROM x", "WITH x AS (SELECT * FROM t) SELECT * FROM x"},
       {"WITH x AS (FROM t) INSERT INTO u FROM x RETURNING a",
        "WITH x AS (SELECT * FROM t) INSERT INTO u SELECT * FROM x RETURNING a"},
       {"WITH x AS (FROM t) UPDATE u SET a = (FROM x SELECT max(b))",
        "WITH x AS (SELECT * FROM t) UPDATE u SET a = (SELECT max(b) FROM x)"},
       {"WITH x AS (FROM t) (FROM x)", "WITH x AS (SELECT * FROM t) (SELECT * FROM x)"},
       {"WITH x AS (FROM t) VALUES (1)", "WITH x AS (SELECT * FROM t) VALUES (1)"}});
}

TEST(FromFirst, Subqueries) {
  ExpectAll({{"SELECT * FROM t WHERE a IN (FROM u SELECT b) AND EXISTS (FROM v) AND c = ANY (FROM "
              "w SELECT c) AND ARRAY(FROM z SELECT q) = x",
              "SELECT * FROM t WHERE a IN (SELECT b FROM u) AND EXISTS (SELECT * FROM v) AND c = "
              "ANY (SELECT c FROM w) AND ARRAY(SELECT q FROM z) = x"},
             {"SELECT (FROM t SELECT max(a)), array_agg(x) FROM (FROM u) s",
              "SELECT (SELECT max(a) FROM t), array_agg(x) FROM (SELECT * FROM u) s"},
             {"UPDATE t SET a = (FROM u SELECT max(b)) WHERE c",
              "UPDATE t SET a = (SELECT max(b) FROM u) WHERE c"},
             {"DELETE FROM t USING (FROM u) s WHERE t.a = s.a",
              "DELETE FROM t USING (SELECT * FROM u) s WHERE t.a = s.a"},
             {"MERGE INTO t USING (FROM u) s ON true WHEN MATCHED THEN DELETE",
              "MERGE INTO t USING (SELECT * FROM u) s ON true WHEN MATCHED THEN DELETE"}});
}

TEST(FromFirst, Explain) {
  ExpectAll({{"EXPLAIN FROM t", "EXPLAIN SELECT * FROM t"},
             {"EXPLAIN ANALYZE VERBOSE FROM t", "EXPLAIN ANALYZE VERBOSE SELECT * FROM t"},
             {"EXPLAIN (ANALYZE, COSTS OFF) FROM t SELECT a",
              "EXPLAIN (ANALYZE, COSTS OFF) SELECT a FROM t"},
             {"EXPLAIN (FROM t)", "EXPLAIN (SELECT * FROM t)"},
             {"EXPLAIN (COSTS OFF) (FROM t) UNION FROM u",
              "EXPLAIN (COSTS OFF) (SELECT * FROM t) UNION SELECT * FROM u"},
             {"EXPLAIN EXPLAIN FROM t", "EXPLAIN EXPLAIN SELECT * FROM t"},
             {"EXPLAIN CREATE TABLE x AS FROM t", "EXPLAIN CREATE TABLE x AS SELECT * FROM t"}});
}

TEST(FromFirst, Create) {
  ExpectAll(
      {{"CREATE VIEW v AS FROM t", "CREATE VIEW v AS SELECT * FROM t"},
       {"CREATE OR REPLACE TEMP RECURSIVE VIEW v (a) AS FROM t SELECT a WITH CASCADED CHECK OPTION",
        "CREATE OR REPLACE TEMP RECURSIVE VIEW v (a) AS SELECT a FROM t WITH CASCADED CHECK "
        "OPTION"},
       {"CREATE VIEW v WITH (security_barrier) AS FROM t SELECT a WHERE b WITH LOCAL CHECK OPTION",
        "CREATE VIEW v WITH (security_barrier) AS SELECT a FROM t WHERE b WITH LOCAL CHECK OPTION"},
       {"CREATE VIEW v AS FROM t WHERE a SELECT b WITH CHECK OPTION",
        "CREATE VIEW v AS SELECT b FROM t WHERE a WITH CHECK OPTION"},
       {"CREATE TABLE x AS FROM t", "CREATE TABLE x AS SELECT * FROM t"},
       {"CREATE TABLE x (a, b) WITH (fillfactor = 10) TABLESPACE y AS FROM t SELECT a, b WITH NO "
        "DATA",
        "CREATE TABLE x (a, b) WITH (fillfactor = 10) TABLESPACE y AS SELECT a, b FROM t WITH NO "
        "DATA"},
       {"CREATE UNLOGGED TABLE IF NOT EXISTS x AS WITH data AS (FROM t) FROM data WITH DATA",
        "CREATE UNLOGGED TABLE IF NOT EXISTS x AS WITH data AS (SELECT * FROM t) SELECT * FROM "
        "data WITH DATA"},
       {"CREATE MATERIALIZED VIEW v AS FROM t LIMIT 3 SELECT a WITH NO DATA",
        "CREATE MATERIALIZED VIEW v AS SELECT a FROM t LIMIT 3 WITH NO DATA"},
       {"CREATE TABLE x AS FROM t |> WHERE a |> SELECT b WITH NO DATA",
        "CREATE TABLE x AS SELECT b FROM t WHERE a WITH NO DATA"}});
}

TEST(FromFirst, Insert) {
  ExpectAll(
      {{"INSERT INTO t FROM u", "INSERT INTO t SELECT * FROM u"},
       {"INSERT INTO t (a, b) FROM u SELECT a, b ON CONFLICT (a) DO UPDATE SET b = (FROM w SELECT "
        "max(z)) RETURNING a",
        "INSERT INTO t (a, b) SELECT a, b FROM u ON CONFLICT (a) DO UPDATE SET b = (SELECT max(z) "
        "FROM w) RETURNING a"},
       {"INSERT INTO s.t AS x (a) OVERRIDING SYSTEM VALUE FROM u ON CONFLICT DO NOTHING",
        "INSERT INTO s.t AS x (a) OVERRIDING SYSTEM VALUE SELECT * FROM u ON CONFLICT DO NOTHING"},
       {"INSERT INTO t (FROM u) RETURNING *", "INSERT INTO t (SELECT * FROM u) RETURNING *"},
       {"INSERT (FROM t) ORDER BY 1", "INSERT (SELECT * FROM t) ORDER BY 1"},
       {"INSERT INTO t ((FROM u) UNION FROM w)",
        "INSERT INTO t ((SELECT * FROM u) UNION SELECT * FROM w)"},
       {"INSERT INTO t WITH x AS (FROM u) FROM x",
        "INSERT INTO t WITH x AS (SELECT * FROM u) SELECT * FROM x"},
       {"INSERT INTO t VALUES (1, (FROM u SELECT a))",
        "INSERT INTO t VALUES (1, (SELECT a FROM u))"},
       {"INSERT INTO t FROM u |> WHERE a |> SELECT b ON CONFLICT DO NOTHING",
        "INSERT INTO t SELECT b FROM u WHERE a ON CONFLICT DO NOTHING"}});
}

TEST(FromFirst, PrepareDeclareCopy) {
  ExpectAll(
      {{"PREPARE p AS FROM t", "PREPARE p AS SELECT * FROM t"},
       {"PREPARE p (int, text) AS FROM t WHERE a = $1 SELECT b",
        "PREPARE p (int, text) AS SELECT b FROM t WHERE a = $1"},
       {"PREPARE p AS INSERT INTO t FROM u WHERE a SELECT b RETURNING c",
        "PREPARE p AS INSERT INTO t SELECT b FROM u WHERE a RETURNING c"},
       {"DECLARE c CURSOR FOR FROM t", "DECLARE c CURSOR FOR SELECT * FROM t"},
       {"DECLARE c NO SCROLL CURSOR WITH HOLD FOR FROM t WHERE a SELECT b FOR UPDATE",
        "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT b FROM t WHERE a FOR UPDATE"},
       {"COPY (FROM t SELECT a WHERE b) TO STDOUT", "COPY (SELECT a FROM t WHERE b) TO STDOUT"}});
}

TEST(FromFirst, Rules) {
  ExpectAll({{"CREATE RULE r AS ON INSERT TO t DO INSTEAD FROM u",
              "CREATE RULE r AS ON INSERT TO t DO INSTEAD SELECT * FROM u"},
             {"CREATE RULE r AS ON INSERT TO t WHERE new.a > 1 DO ALSO INSERT INTO w FROM x WHERE "
              "a SELECT b",
              "CREATE RULE r AS ON INSERT TO t WHERE new.a > 1 DO ALSO INSERT INTO w SELECT b FROM "
              "x WHERE a"},
             {"CREATE RULE r AS ON INSERT TO t DO INSTEAD (FROM u WHERE a SELECT b; DELETE FROM w; "
              "FROM z)",
              "CREATE RULE r AS ON INSERT TO t DO INSTEAD (SELECT b FROM u WHERE a; DELETE FROM w; "
              "SELECT * FROM z)"}});
}

TEST(FromFirst, FunctionBodies) {
  ExpectAll(
      {{"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC FROM t SELECT a; FROM u WHERE b "
        "SELECT c; INSERT INTO w FROM z; END",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a FROM t; SELECT c FROM "
        "u WHERE b; INSERT INTO w SELECT * FROM z; END"},
       {"CREATE OR REPLACE FUNCTION f() RETURNS int RETURN (FROM t SELECT max(a))",
        "CREATE OR REPLACE FUNCTION f() RETURNS int RETURN (SELECT max(a) FROM t)"},
       {"CREATE PROCEDURE f() LANGUAGE sql BEGIN ATOMIC INSERT INTO w FROM z; END",
        "CREATE PROCEDURE f() LANGUAGE sql BEGIN ATOMIC INSERT INTO w SELECT * FROM z; END"}});
}

TEST(FromFirst, LeavesOtherFromsAlone) {
  ExpectAll(
      {{"SELECT trim(FROM a), trim(BOTH FROM a), trim(LEADING 'x' FROM a), trim(a FROM (FROM t "
        "SELECT b)), extract(year FROM a), substring(a FROM 2 FOR 3), overlay(a PLACING b FROM 1)",
        "SELECT trim(FROM a), trim(BOTH FROM a), trim(LEADING 'x' FROM a), trim(a FROM (SELECT b "
        "FROM t)), extract(year FROM a), substring(a FROM 2 FOR 3), overlay(a PLACING b FROM 1)"},
       {"FROM t WHERE a IS DISTINCT FROM b SELECT c", "SELECT c FROM t WHERE a IS DISTINCT FROM b"},
       {"FROM t WHERE a IS NOT DISTINCT FROM b |> WHERE c IS DISTINCT FROM d",
        "SELECT * FROM (SELECT * FROM t WHERE a IS NOT DISTINCT FROM b) AS t WHERE c IS DISTINCT "
        "FROM d"},
       {"FROM ROWS FROM (f(1), g(2)) AS x SELECT a", "SELECT a FROM ROWS FROM (f(1), g(2)) AS x"},
       {"FROM t SELECT a AS where, t.order, t.group, b AS limit WHERE c ORDER BY t.limit",
        "SELECT a AS where, t.order, t.group, b AS limit FROM t WHERE c ORDER BY t.limit"},
       {"FROM t SELECT count(*) FILTER (WHERE a), percentile_cont(0.5) WITHIN GROUP (ORDER BY b) "
        "GROUP BY c",
        "SELECT count(*) FILTER (WHERE a), percentile_cont(0.5) WITHIN GROUP (ORDER BY b) FROM t "
        "GROUP BY c"},
       {"FROM t TABLESAMPLE system (10) REPEATABLE (1) SELECT a",
        "SELECT a FROM t TABLESAMPLE system (10) REPEATABLE (1)"},
       {"FROM ONLY t x (a, b) SELECT a", "SELECT a FROM ONLY t x (a, b)"},
       {"FROM t SELECT \"from\", 'from', \"select\" WHERE x = 'where'",
        "SELECT \"from\", 'from', \"select\" FROM t WHERE x = 'where'"},
       {"SELECT 1; FROM t; SELECT 2", "SELECT 1; SELECT * FROM t; SELECT 2"},
       {"FROM t;", "SELECT * FROM t;"},
       {";;FROM t;;", ";; SELECT * FROM t;;"}});
}

TEST(FromFirst, KeepsCommentsBetweenNeighbours) {
  ExpectAll({{"FROM t -- x", "SELECT * FROM t -- x"},
             {"/* lead */ FROM t /* mid */ SELECT a /* tail */ WHERE b -- end",
              "SELECT a FROM t WHERE b -- end"}});
}

TEST(FromFirst, LeavesMostErrorsToTheGrammar) {
  ExpectAll({{"FROM", "SELECT * FROM"},
             {"FROM t SELECT", "SELECT FROM t"},
             {"FROM t SELECT a SELECT b", "error at 4 select"},
             {"FROM t SELECT a FROM u", "error at 4 from"},
             {"FROM t WHERE a WHERE b SELECT c", "error at 4 where"},
             {"FROM t LIMIT 1 LIMIT 2", "SELECT * FROM t LIMIT 1 LIMIT 2"},
             {"FROM ROWS FROM (f(1)) AS x WHERE a IS DISTINCT FROM b",
              "SELECT * FROM ROWS FROM (f(1)) AS x WHERE a IS DISTINCT FROM b"},
             {"FROM t SELECT a,", "SELECT a, FROM t"},
             {"(((FROM t)))", "(((SELECT * FROM t)))"},
             {"VALUES (1), ((FROM t SELECT a))", "VALUES (1), ((SELECT a FROM t))"}});
}

TEST(FromFirst, ElementsOfASchema) {
  EXPECT_EQ(
      Outcome("CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS FROM t GRANT SELECT ON v "
              "TO u CREATE VIEW w AS FROM v SELECT a"),
      "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT * FROM t GRANT SELECT ON v "
      "TO u CREATE VIEW w AS SELECT a FROM v");
}

// Statements of the stock grammar keep every token.
TEST(FromFirst, LeavesStatementsAlone) {
  for (const char* text :
       {"CREATE TABLE x AS EXECUTE p",
        "CREATE TABLE x (a int DEFAULT 1, b int GENERATED ALWAYS AS (a + 1) STORED)",
        "INSERT INTO t DEFAULT VALUES",
        "COPY t FROM STDIN",
        "COPY t TO STDOUT",
        "CREATE RULE r AS ON INSERT TO t DO NOTHING",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'FROM t'",
        "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION f(x), TO SQL WITH FUNCTION "
        "g(y))",
        "CREATE TABLE p PARTITION OF q FOR VALUES FROM (1) TO (2)",
        "SELECT a IS DISTINCT FROM b, c IS NOT DISTINCT FROM d FROM t",
        "SELECT * FROM ROWS FROM (f(1), g(2)) AS x",
        "FETCH NEXT FROM c",
        "FETCH FORWARD 5 FROM c",
        "SELECT a AS from, b AS select, t.order FROM t",
        "\"from\" t",
        "SELECT 1",
        "select trim(FROM",
        "TABLE t",
        "DELETE FROM t",
        "REVOKE ALL ON t FROM u",
        "GRANT ALL ON t TO u",
        "SELECT public.trim(FROM t)",
        "SELECT a |> b FROM t",
        "SELECT a |> left(b, 1) FROM t"}) {
    EXPECT_EQ(Outcome(text), "same") << text;
  }
}

// Options of the session turn passes off.
TEST(Options, TurnPassesOff) {
  constexpr const char* kIndex = "CREATE INDEX i ON t (c) USING hnsw";
  EXPECT_EQ(Outcome("FROM t", {.flux = false}), "same");
  EXPECT_EQ(Outcome("FROM t", {.forms = false}), "SELECT * FROM t");
  EXPECT_EQ(Outcome(kIndex, {.forms = false}), "same");
  EXPECT_EQ(Outcome(kIndex, {.flux = false}), "CREATE INDEX i ON t USING hnsw (c)");
}

// An expression is no statement: only what stands in parentheses is a query.
TEST(Options, Expressions) {
  EXPECT_EQ(Outcome("FROM t", {.statements = false}), "same");
  EXPECT_EQ(Outcome("x := (FROM t |> SELECT a)", {.statements = false}), "x := (SELECT a FROM t)");
  EXPECT_EQ(Outcome("DROP BRANCH b", {.all_forms = true, .statements = false}), "same");
}

// The place of every token of a translation, as the text that an error would point at.
std::string Places(const std::string& text, const TranslateOptions& options = {}) {
  const TestText lexed(text);
  Translation result;
  Translate(lexed.tokens(), options, &result);
  std::string places;
  for (const Token& token : result.tokens) {
    if (token.kind == TokenKind::kEnd) break;
    if (!places.empty()) places += ' ';
    places += std::string(token.text) + '@' + std::to_string(token.begin);
  }
  return places;
}

// Made tokens and clause words that moved point at where the user's text goes on; others keep their
// own place, which parse nodes remember.
TEST(Places, PointAtTheUsersText) {
  EXPECT_EQ(Places("FROM t"), "SELECT@0 *@0 from@0 t@5");
  EXPECT_EQ(Places("FROM t SELECT a, WHERE b"), "select@0 a@14 ,@15 from@17 t@5 where@7 b@23");
  EXPECT_EQ(Places("FROM t |> WHERE a"), "SELECT@0 *@0 FROM@0 t@5 WHERE@7 a@16");
  EXPECT_EQ(Places("FROM t |> AGGREGATE count(*) GROUP BY a"),
            "SELECT@0 a@38 ,@39 count@20 (@25 *@26 )@27 FROM@29 t@5 GROUP@7 BY@7 1@7");
  EXPECT_EQ(Places("SELECT 1; FROM t SELECT a"), "select@0 1@7 ;@8 select@10 a@24 from@25 t@15");
  EXPECT_EQ(Places("CREATE INDEX i ON t (c) USING hnsw"),
            "CREATE@0 INDEX@0 i@13 ON@15 t@18 USING@20 hnsw@20 (@20 c@21 )@22");
}

// Tokens that a pass makes are marked as made, and the end token stays.
TEST(Places, MarkMadeTokens) {
  const TestText lexed("FROM t");
  Translation result;
  Translate(lexed.tokens(), {}, &result);
  ASSERT_EQ(result.tokens.size(), 5u);
  EXPECT_EQ(result.tokens[0].source, -1);
  EXPECT_EQ(result.tokens[1].source, -1);
  EXPECT_EQ(result.tokens[2].source, 0);
  EXPECT_EQ(result.tokens[3].source, 1);
  EXPECT_EQ(result.tokens[4].kind, TokenKind::kEnd);
}

TEST(Print, QuotesMadeNamesAndStrings) {
  const TestText lexed("");
  Translation result;
  result.tokens = {MakeWord("A"),   MakeName("b\"c"), MakeString("it's"), MakeString("\\"),
                   MakeSymbol("("), MakeNumber("1"),  MakeSymbol(","),    MakeNumber("2"),
                   MakeSymbol(")"), lexed.tokens()[0]};
  EXPECT_EQ(Print(result, lexed.tokens(), lexed.text()), "A \"b\"\"c\" 'it''s' E'\\\\' (1, 2)");
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; i++) all += text;
  return all;
}

constexpr int kMany = 100000;

// What nests deeper than the translator follows is left to the stock parser.
TEST(Hostile, DeepNesting) {
  constexpr int kFollowed = 400;
  EXPECT_EQ(Outcome(Repeat("(", kFollowed) + "FROM t" + Repeat(")", kFollowed)),
            Repeat("(", kFollowed) + "SELECT * FROM t" + Repeat(")", kFollowed));
  EXPECT_EQ(Outcome(Repeat("(", kMany) + "FROM t" + Repeat(")", kMany)), "same");
  EXPECT_EQ(Outcome("FROM t SELECT " + Repeat("(", kMany)), "same");
  EXPECT_EQ(Outcome(Repeat("EXPLAIN ", kMany) + "FROM t"), "same");
  EXPECT_EQ(Outcome(Repeat("PREPARE p AS ", kMany) + "FROM t"), "same");
  EXPECT_EQ(Outcome(Repeat("CREATE FUNCTION ATOMIC ", kMany) + "FROM t"), "same");
  EXPECT_EQ(Outcome(Repeat("CREATE RULE DO ", kMany) + "FROM t"), "same");
  EXPECT_EQ(Outcome(Repeat("CREATE RULE DO (", kMany) + "FROM t"), "same");
  EXPECT_EQ(Outcome(Repeat("WITH INSERT ", kMany) + "FROM t"), "same");
  EXPECT_EQ(
      Outcome("FROM t |> AGGREGATE GROUP BY " + Repeat("(", kMany) + "a" + Repeat(")", kMany)),
      "same");
}

// Time grows with the length of the text: squares of these lengths would take minutes.
TEST(Hostile, LongTexts) {
  EXPECT_EQ(Outcome(Repeat(";", kMany) + "FROM t"), Repeat(";", kMany) + " SELECT * FROM t");
  EXPECT_EQ(Outcome("FROM t" + Repeat(" UNION FROM t", kMany)),
            "SELECT * FROM t" + Repeat(" UNION SELECT * FROM t", kMany));
  EXPECT_EQ(Outcome("FROM t" + Repeat(" LIMIT a", kMany)),
            "SELECT * FROM t" + Repeat(" LIMIT a", kMany));
  std::string items, order;
  for (int i = 0; i < kMany; i++) {
    items += (i == 0 ? "" : ", ") + std::string("a") + std::to_string(i);
    order += (i == 0 ? "b" : ", b") + std::string(" + c") + std::to_string(i);
  }
  EXPECT_TRUE(Outcome("FROM t |> AGGREGATE GROUP BY " + items).starts_with("SELECT a0, a1,"));
  EXPECT_EQ(Outcome("FROM t, u |> ORDER BY " + items + " |> SELECT " + order),
            "SELECT " + order + " FROM t, u ORDER BY " + items);
}

TEST(Hostile, ManyStages) {
  constexpr int kStages = 1000;
  EXPECT_EQ(Outcome("FROM t" + Repeat(" |> LIMIT 1", kStages)),
            Repeat("SELECT * FROM (", kStages - 1) + "SELECT * FROM t LIMIT 1" +
                Repeat(") AS t LIMIT 1", kStages - 1));
  EXPECT_EQ(Outcome("FROM t" + Repeat(" |> WHERE a", kStages + 1)),
            "unsupported at 3002 |>: a query has at most 1000 pipe stages");
  const std::string extended =
      Outcome("FROM " + Repeat("a, ", kMany) + "b" + Repeat(" |> EXTEND 1 AS c", kStages));
  EXPECT_TRUE(extended.ends_with("CROSS JOIN LATERAL (SELECT 1 AS c) AS \"|>1000\""));
}

}  // namespace
}  // namespace helios::syntax
