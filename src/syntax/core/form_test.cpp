// Forms: each entry of the table with its parts in and out, near misses, kinds of captures.
#include "syntax/core/form.hpp"

#include <set>

#include "syntax/core/expect_test.hpp"

namespace helios::syntax {
namespace {

// Also by forms that are not accepted yet.
void ExpectForms(std::initializer_list<Case> cases) {
  ExpectAll(cases, TranslateOptions{.all_forms = true});
}

TEST(Forms, IndexMethodLast) {
  ExpectForms(
      {{"CREATE INDEX i ON t (c) USING hnsw", "CREATE INDEX i ON t USING hnsw (c)"},
       {"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t (c vector_l2_ops, (a + "
        "1)) USING HNSW WITH (m = 16) TABLESPACE x WHERE a",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING hnsw (c "
        "vector_l2_ops, (a + 1)) WITH (m = 16) TABLESPACE x WHERE a"},
       {"CREATE INDEX ON t (c) USING hnsw", "CREATE INDEX ON t USING hnsw (c)"},
       {"CREATE INDEX i ON t USING hnsw (c)", "same"},
       {"CREATE INDEX i ON t (c) USING gist", "same"},
       {"CREATE INDEX i ON t (c) USING \"hnsw\"", "same"},
       {"CREATE INDEX i ON t c USING hnsw", "same"}});
}

TEST(Forms, MaterializedViewOptionsLast) {
  ExpectForms(
      {{"CREATE MATERIALIZED VIEW v AS SELECT a FROM t WITH (auto_refresh = true)",
        "CREATE MATERIALIZED VIEW v WITH (auto_refresh = true) AS SELECT a FROM t"},
       {"CREATE MATERIALIZED VIEW IF NOT EXISTS s.v (a, b) TABLESPACE x AS SELECT a FROM t WITH "
        "(auto_refresh = true, x = 'y') WITH NO DATA",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS s.v (a, b) WITH (auto_refresh = true, x = 'y') "
        "TABLESPACE x AS SELECT a FROM t WITH NO DATA"},
       {"CREATE MATERIALIZED VIEW v USING heap AS SELECT a FROM t WITH (x = 1) WITH DATA",
        "CREATE MATERIALIZED VIEW v USING heap WITH (x = 1) AS SELECT a FROM t WITH DATA"},
       {"CREATE MATERIALIZED VIEW v AS WITH q AS (SELECT 1) SELECT a AS b FROM q WITH (x = 1)",
        "CREATE MATERIALIZED VIEW v WITH (x = 1) AS WITH q AS (SELECT 1) SELECT a AS b FROM q"},
       {"CREATE MATERIALIZED VIEW v WITH (fillfactor = 10) AS SELECT a FROM t", "same"},
       {"CREATE MATERIALIZED VIEW v AS FROM t SELECT a WITH (x = 1)",
        "CREATE MATERIALIZED VIEW v WITH (x = 1) AS SELECT a FROM t"},
       {"CREATE MATERIALIZED VIEW v AS FROM t SELECT a WITH (x = 1) WITH NO DATA",
        "CREATE MATERIALIZED VIEW v WITH (x = 1) AS SELECT a FROM t WITH NO DATA"},
       {"CREATE MATERIALIZED VIEW v AS FROM t |> WHERE a WITH (x = 1)",
        "CREATE MATERIALIZED VIEW v WITH (x = 1) AS SELECT * FROM t WHERE a"},
       {"CREATE MATERIALIZED VIEW v AS SELECT a FROM t WITH (x = 1) GARBAGE", "same"},
       {"EXPLAIN ANALYZE CREATE MATERIALIZED VIEW v AS SELECT a FROM t WITH (x = 1)",
        "EXPLAIN ANALYZE CREATE MATERIALIZED VIEW v WITH (x = 1) AS SELECT a FROM t"}});
}

TEST(Forms, MaterializedViews) {
  ExpectForms(
      {{"REFRESH MATERIALIZED VIEW v INCREMENTALLY",
        "ALTER MATERIALIZED VIEW v SET (heliosdb.refresh = 'incrementally')"},
       {"REFRESH MATERIALIZED VIEW CONCURRENTLY s.\"V\" INCREMENTALLY",
        "ALTER MATERIALIZED VIEW s.\"V\" SET (heliosdb.refresh = 'incrementally')"},
       {"REFRESH MATERIALIZED VIEW v", "same"},
       {"REFRESH MATERIALIZED VIEW v INCREMENTALLY WITH NO DATA", "same"},
       {"ALTER MATERIALIZED VIEW s.v SET auto_refresh = true",
        "ALTER MATERIALIZED VIEW s.v SET (auto_refresh = true)"},
       {"ALTER MATERIALIZED VIEW IF EXISTS v SET priority = 2",
        "ALTER MATERIALIZED VIEW IF EXISTS v SET (priority = 2)"},
       {"ALTER MATERIALIZED VIEW v SET (priority = 2)", "same"},
       {"ALTER MATERIALIZED VIEW v SET SCHEMA s", "same"}});
}

TEST(Forms, TableCompression) {
  ExpectForms(
      {{"ALTER TABLE t SET COMPRESSION zstd", "ALTER TABLE t SET (heliosdb.compression = 'zstd')"},
       {"ALTER TABLE IF EXISTS ONLY s.\"T\" SET COMPRESSION 'alp+zstd'",
        "ALTER TABLE IF EXISTS ONLY s.\"T\" SET (heliosdb.compression = 'alp+zstd')"},
       {"ALTER TABLE t SET COMPRESSION DEFAULT",
        "ALTER TABLE t SET (heliosdb.compression = 'default')"},
       {"ALTER TABLE t ALTER c SET COMPRESSION for",
        "ALTER TABLE t ALTER c SET (heliosdb.compression = 'for')"},
       {"ALTER TABLE t SET COMPRESSION", "same"},
       {"ALTER TABLE t SET COMPRESSION zstd, ADD c int", "same"}});
}

TEST(Forms, CreateBranch) {
  ExpectForms(
      {{"CREATE BRANCH b", "CREATE DATABASE b WITH branch_from = 'current'"},
       {"CREATE DATABASE BRANCH b", "CREATE DATABASE b WITH branch_from = 'current'"},
       {"CREATE DATABASE BRANCH IF NOT EXISTS 'b' FROM CURRENT AS OF NOW",
        "CREATE DATABASE \"b\" WITH branch_from = 'current' branch_if_not_exists = true"},
       {"CREATE DATABASE BRANCH b FROM \"P\" AS OF TIMESTAMP '2025-01-01' WITH (a = 1, b = 'x')",
        "CREATE DATABASE b WITH branch_from = 'P' as_of_timestamp = '2025-01-01' a = 1 b = 'x'"},
       {"CREATE BRANCH b FROM main AS OF TRANSACTION 123",
        "CREATE DATABASE b WITH branch_from = 'main' as_of_transaction = '123'"},
       {"CREATE BRANCH b AS OF SCN 5",
        "CREATE DATABASE b WITH branch_from = 'current' as_of_scn = '5'"},
       {"CREATE DATABASE BRANCH", "same"},
       {"CREATE DATABASE \"BRANCH\" b", "same"},
       {"CREATE DATABASE branch WITH OWNER x", "same"},
       {"CREATE BRANCH b FROM", "same"},
       {"CREATE BRANCH b c", "same"}});
}

TEST(Forms, DropBranch) {
  ExpectForms({{"DROP BRANCH b", "ALTER DATABASE b WITH drop_branch = true"},
               {"DROP DATABASE BRANCH IF EXISTS 'it''s'",
                "ALTER DATABASE \"it's\" WITH drop_branch = true branch_if_exists = true"},
               {"DROP DATABASE BRANCH", "same"},
               {"DROP DATABASE branch (FORCE)", "same"},
               {"DROP DATABASE IF EXISTS branch", "same"}});
}

TEST(Forms, MergeBranch) {
  ExpectForms({{"MERGE BRANCH a INTO b", "ALTER DATABASE b WITH merge_branch = 'a'"},
               {"MERGE DATABASE BRANCH 'a' INTO \"B\" WITH (strategy = x, dry = true)",
                "ALTER DATABASE \"B\" WITH merge_branch = 'a' strategy = x dry = true"},
               {"MERGE INTO branch USING x ON true WHEN MATCHED THEN DELETE", "same"}});
}

TEST(Forms, UseAndShowBranch) {
  ExpectForms({{"USE BRANCH b", "SET heliosdb.branch = 'b'"},
               {"USE DATABASE BRANCH 'b c'", "SET heliosdb.branch = 'b c'"},
               {"USE b", "same"},
               {"SHOW DATABASE BRANCHES", "SHOW branches"},
               {"SHOW BRANCHES", "same"}});
}

TEST(Forms, AsOf) {
  ExpectForms(
      {{"SELECT * FROM orders AS OF TIMESTAMP '2025-01-01'",
        "SELECT * FROM orders TABLESAMPLE heliosdb.as_of ('2025-01-01')"},
       {"SELECT * FROM orders AS OF TIMESTAMP now() - interval '1 day' o WHERE a",
        "SELECT * FROM orders AS o TABLESAMPLE heliosdb.as_of (now() - interval '1 day') WHERE a"},
       {"SELECT * FROM orders AS OF TIMESTAMP $1 AS o (a, b) JOIN c AS OF SCN 5 x ON true",
        "SELECT * FROM orders AS o (a, b) TABLESAMPLE heliosdb.as_of ($1) JOIN c AS x TABLESAMPLE "
        "heliosdb.as_of_scn (5) ON true"},
       {"SELECT * FROM orders AS OF TRANSACTION 5 + 6, t AS OF NOW",
        "SELECT * FROM orders TABLESAMPLE heliosdb.as_of_transaction (5 + 6), t"},
       {"SELECT * FROM orders AS OF '2025-01-01' o",
        "SELECT * FROM orders AS o TABLESAMPLE heliosdb.as_of ('2025-01-01')"},
       {"SELECT * FROM orders AS OF", "same"},
       {"SELECT * FROM orders AS of", "same"},
       {"SELECT * FROM orders AS of WHERE of.a", "same"},
       {"SELECT a AS OF FROM t", "same"},
       {"FROM orders AS OF NOW SELECT a", "SELECT a FROM orders"},
       {"FROM orders AS OF TIMESTAMP '2025' o |> DISTINCT |> WHERE o.a",
        "SELECT * FROM (SELECT DISTINCT * FROM orders AS o TABLESAMPLE heliosdb.as_of ('2025')) "
        "AS o WHERE o.a"},
       {"SELECT * FROM orders AS \"OF\" NOW", "same"},
       {"SELECT * FROM orders AS OF TIMESTAMP CASE WHEN a THEN b ELSE c END x",
        "SELECT * FROM orders AS x TABLESAMPLE heliosdb.as_of (CASE WHEN a THEN b ELSE c END)"},
       {"SELECT * FROM orders AS OF TIMESTAMP a::timestamp(3) at time zone 'utc' LIMIT 5",
        "SELECT * FROM orders TABLESAMPLE heliosdb.as_of (a::timestamp(3) at time zone 'utc') "
        "LIMIT 5"},
       {"SELECT * FROM orders AS OF TIMESTAMP (SELECT now()) AS o",
        "SELECT * FROM orders AS o TABLESAMPLE heliosdb.as_of ((SELECT now()))"},
       {"SELECT * FROM orders AS OF TIMESTAMP -f(1)[2]::s.t[3] || 'x' < 3 left join x ON true",
        "SELECT * FROM orders TABLESAMPLE heliosdb.as_of (-f(1)[2]::s.t[3] || 'x' < 3) left join "
        "x ON true"},
       {"SELECT * FROM (t) AS OF NOW", "same"},
       {"SELECT 1 AS OF NOW", "same"}});
}

// Names are what users see in heliosdb.syntax_forms().
TEST(Forms, HaveNamesAndMeanings) {
  std::set<std::string_view> names;
  for (const Form &form : Forms()) {
    EXPECT_TRUE(names.insert(form.name).second) << form.name;
    EXPECT_NE(std::string_view(form.meaning), "") << form.name;
  }
}

// What one form makes of a text; "no match" if it does not match.
std::string Apply(const char *pattern, const char *target, std::string text,
                  FormPlace place = FormPlace::kStatement) {
  const TestText lexed(std::move(text));
  Translation result;
  Tokens statement(lexed.tokens().begin(), lexed.tokens().end() - 1);
  const bool matched = ApplyForm({"test", place, true, pattern, target, ""}, &statement, &result);
  EXPECT_EQ(matched, result.changed);
  if (!matched) return "no match";
  result.tokens = std::move(statement);
  result.tokens.push_back(lexed.tokens().back());
  return Print(result, lexed.tokens(), lexed.text());
}

TEST(ApplyForm, Literals) {
  EXPECT_EQ(Apply("GO ( , = . )", "DONE", "go ( , = . )"), "DONE");
  EXPECT_EQ(Apply("GO", "DONE", "\"go\""), "no match");
  EXPECT_EQ(Apply("GO", "DONE", "'go'"), "no match");
  EXPECT_EQ(Apply("GO", "DONE", "go on"), "no match");
  EXPECT_EQ(Apply("GO", "DONE", ""), "no match");
  EXPECT_EQ(Apply("GO", "A 'b' = 1 ( , )", "go"), "A 'b' = 1 (,)");
}

TEST(ApplyForm, Captures) {
  EXPECT_EQ(Apply("GO <x:name>", "$x '$x'", "go \"It's\""), "\"It's\" 'It''s'");
  EXPECT_EQ(Apply("GO <x:name>", "$x", "go select"), "select");
  EXPECT_EQ(Apply("GO <x:name>", "$x", "go 'a'"), "no match");
  EXPECT_EQ(Apply("GO <x:alias>", "$x", "go data"), "data");
  EXPECT_EQ(Apply("GO <x:alias>", "$x", "go select"), "no match");
  EXPECT_EQ(Apply("GO <x:label>", "$x", "go 'a \"b'"), "\"a \"\"b\"");
  EXPECT_EQ(Apply("GO <x:label>", "$x", "go 1"), "no match");
  EXPECT_EQ(Apply("GO <x:string>", "$x '$x'", "go 'a'"), "'a' 'a'");
  EXPECT_EQ(Apply("GO <x:string>", "$x", "go a"), "no match");
  EXPECT_EQ(Apply("GO <x:number>", "$x '$x'", "go 1.5"), "1.5 '1.5'");
  EXPECT_EQ(Apply("GO <x:number>", "$x", "go"), "no match");
  EXPECT_EQ(Apply("GO <x:group>", "$x", "go (a, (b))"), "(a, (b))");
  EXPECT_EQ(Apply("GO <x:group>", "[ @x ]", "go (a = 1, b = (c, d))"), "a = 1 b = (c d)");
  EXPECT_EQ(Apply("GO <x:group>", "$x", "go (a"), "no match");
  EXPECT_EQ(Apply("GO <x:group>", "$x", "go [a]"), "no match");
  EXPECT_EQ(Apply("GO <x:first> ON <y:rest>", "$x / $y", "go a (on) b on c on d"),
            "a (on) b / c on d");
  EXPECT_EQ(Apply("GO <x:last> ON <y:rest>", "$x / $y", "go a on b on c"), "a on b / c");
  EXPECT_EQ(Apply("GO <x:last> ON <y:group>", "$x / $y", "go a on (b) on c"), "no match");
  EXPECT_EQ(Apply("GO <x:rest>", "A $x", "go"), "A");
}

TEST(ApplyForm, ChoicesAndMarks) {
  constexpr const char *kPattern = "GO [ FAST <fast:mark> ] { A | B <x:name> }";
  constexpr const char *kTarget = "[ ?fast FAST ] [ !fast SLOW ] [ X $x ]";
  EXPECT_EQ(Apply(kPattern, kTarget, "go a"), "SLOW");
  EXPECT_EQ(Apply(kPattern, kTarget, "go fast b c"), "FAST X c");
  EXPECT_EQ(Apply(kPattern, kTarget, "go fast"), "no match");
  EXPECT_EQ(Apply("GO [ <x:name> ] [ ON <y:name> ]", "X [ $x ] [ $y ]", "go on on"), "X on");
  EXPECT_EQ(Apply("GO [ <x:name> ] END", "X [ $x ]", "go end"), "X");
}

TEST(ApplyForm, Tables) {
  const auto apply = [](std::string text) {
    return Apply("AT <x:number>", "$table = $x", std::move(text), FormPlace::kTable);
  };
  EXPECT_EQ(apply("FROM a at 1, b at 2 c"), "FROM a = 1, b = 2 c");
  EXPECT_EQ(apply("FROM (a at 1)"), "FROM (a = 1)");
  EXPECT_EQ(apply("SELECT a at 1 FROM b WHERE c at 1"), "no match");
  EXPECT_EQ(apply("DELETE FROM x USING a at 1 WHERE true"), "DELETE FROM x USING a = 1 WHERE true");
  EXPECT_EQ(apply("MERGE INTO x USING s.a at 1 b ON true"), "MERGE INTO x USING s.a = 1 b ON true");
  EXPECT_EQ(apply("SELECT x IS DISTINCT FROM a at 1"), "no match");
  EXPECT_EQ(apply("SELECT 1 FROM t JOIN s.a at 1 ON p, ONLY b at 2"),
            "SELECT 1 FROM t JOIN s.a = 1 ON p, ONLY b = 2");
  EXPECT_EQ(apply("at 1"), "no match");
  EXPECT_EQ(apply("1 at 1"), "no match");
}

// The part of a text that SkipExpression takes.
std::string Expression(const std::string &text) {
  const TestText lexed(text);
  const Tokens &tokens = lexed.tokens();
  const int end = SkipExpression(tokens, MatchParentheses(tokens), 0);
  return end == 0 ? "" : text.substr(0, tokens[end - 1].end);
}

TEST(SkipExpression, TakesOperandsAndOperators) {
  for (const char *whole : {"a",
                            "1",
                            "'x'",
                            "$1",
                            "-1",
                            "+ - a",
                            "a.b.c",
                            "a.b(c, d)",
                            "(a, b)",
                            "f()",
                            "a[1][2:3]",
                            "a::int",
                            "a::s.t",
                            "a::numeric(3, 4)",
                            "interval '1 day'",
                            "timestamp '2025-01-01'",
                            "a + b * c",
                            "a || b || 'c'",
                            "a <= b",
                            "a <> -b",
                            "a @> b",
                            "case when a then b else c end",
                            "case a when b then case c when d then e end end + 1",
                            "a at time zone 'utc'",
                            "a at time zone 'utc' + interval '1' at time zone b"}) {
    EXPECT_EQ(Expression(whole), whole);
    EXPECT_EQ(Expression(std::string(whole) + " x"), whole);
    EXPECT_EQ(Expression(std::string(whole) + " AS x"), whole);
    EXPECT_EQ(Expression(std::string(whole) + ", b"), whole);
    EXPECT_EQ(Expression(std::string(whole) + ") b"), whole);
  }
}

TEST(SkipExpression, StopsAtWhatIsIncomplete) {
  for (const char *none : {"", ",", ")", "(a", "-", "case when a then b", "*"}) {
    EXPECT_EQ(Expression(none), "") << none;
  }
  EXPECT_EQ(Expression("a +"), "a");
  EXPECT_EQ(Expression("a + , b"), "a");
  EXPECT_EQ(Expression("a :: 1"), "a");
  EXPECT_EQ(Expression("a at time b"), "a");
  EXPECT_EQ(Expression("a at time zone"), "a");
  EXPECT_EQ(Expression("a . 1"), "a");
}

std::string Repeat(const std::string &text, int times) {
  std::string all;
  for (int i = 0; i < times; i++) all += text;
  return all;
}

// Squares of these lengths would take minutes, and one frame of the stack for each would be fatal.
TEST(Forms, TakeLinearTime) {
  constexpr int kMany = 50000;
  const TranslateOptions all{.all_forms = true};
  EXPECT_EQ(Outcome("CREATE MATERIALIZED VIEW v" + Repeat(" AS a", kMany), all), "same");
  EXPECT_EQ(Outcome("CREATE MATERIALIZED VIEW v" + Repeat(" AS a WITH (b)", kMany), all),
            "CREATE MATERIALIZED VIEW v WITH (b) AS a" + Repeat(" WITH (b) AS a", kMany - 1));
  EXPECT_EQ(Outcome("CREATE INDEX " + Repeat("ON t (c) USING ", kMany), all), "same");
  EXPECT_EQ(Outcome("SELECT * FROM t" + Repeat(" AS OF NOW, t", kMany), all),
            "SELECT * FROM t" + Repeat(", t", kMany));
  for (const char *operand : {" AT TIME ZONE a", " + a", "::a", ".a", "[a]"}) {
    const std::string text = "a" + Repeat(operand, kMany);
    EXPECT_EQ(Expression(text), text);
  }
}

}  // namespace
}  // namespace helios::syntax
