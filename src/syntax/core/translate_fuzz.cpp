// Translates texts of random words under every combination of options and checks what holds of any
// text; the corpus is regress/fuzz/translate. The first byte chooses the options, each other one a
// word of the vocabulary.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "syntax/core/test_lexer.hpp"

namespace {

using helios::syntax::IsSymbol;
using helios::syntax::IsWord;
using helios::syntax::SameTokens;
using helios::syntax::TestText;
using helios::syntax::Token;
using helios::syntax::TokenKind;
using helios::syntax::Tokens;
using helios::syntax::TranslateOptions;
using helios::syntax::Translation;

// Printable bytes choose by place, so that the corpus can be written with any editor: words of Flux
// twice, for they are what is to be met.
constexpr const char* kVocabulary[] = {"FROM",
                                       "SELECT",
                                       "WHERE",
                                       "|>",
                                       "|>",
                                       "(",
                                       ")",
                                       ",",
                                       "a",
                                       "b",
                                       "t",
                                       "t.a",
                                       "1",
                                       "'s'",
                                       "$1",
                                       "JOIN",
                                       "ON",
                                       "USING",
                                       "AS",
                                       "GROUP",
                                       "BY",
                                       "ORDER",
                                       "LIMIT",
                                       "OFFSET",
                                       "HAVING",
                                       "WINDOW",
                                       "OVER",
                                       "AGGREGATE",
                                       "EXTEND",
                                       "DISTINCT",
                                       "UNION",
                                       "ALL",
                                       "EXCEPT",
                                       "INTERSECT",
                                       "AND",
                                       "DESC",
                                       "NULLS",
                                       "LAST",
                                       "ROLLUP",
                                       "GROUPING",
                                       "SETS",
                                       "LEFT",
                                       "CROSS",
                                       "LATERAL",
                                       "WITH",
                                       "RECURSIVE",
                                       "INSERT",
                                       "INTO",
                                       "CONFLICT",
                                       "RETURNING",
                                       "CREATE",
                                       "VIEW",
                                       "TABLE",
                                       "MATERIALIZED",
                                       "DATA",
                                       "NO",
                                       "FUNCTION",
                                       "BEGIN",
                                       "ATOMIC",
                                       "RULE",
                                       "DO",
                                       ";",
                                       "EXPLAIN",
                                       "ANALYZE",
                                       "PREPARE",
                                       "DECLARE",
                                       "FOR",
                                       "TRIM",
                                       "|> DROP",
                                       "|> AS",
                                       "VALUES",
                                       "UPDATE",
                                       "CASE",
                                       "END",
                                       "OF",
                                       "NOW",
                                       "TIMESTAMP",
                                       "SCN",
                                       "BRANCH",
                                       "DATABASE",
                                       "DROP",
                                       "MERGE",
                                       "USE",
                                       "SHOW",
                                       "BRANCHES",
                                       "IF",
                                       "EXISTS",
                                       "INDEX",
                                       "HNSW",
                                       "\"from\"",
                                       "[",
                                       "]",
                                       "*",
                                       "+",
                                       "=",
                                       "::",
                                       ".",
                                       "AT TIME ZONE",
                                       "count(*)",
                                       "-- c\n",
                                       "/* c */",
                                       "FROM t",
                                       "FROM t |>",
                                       "|> WHERE a",
                                       "|> EXTEND a AS b",
                                       "|> LIMIT 1",
                                       "|> ORDER BY a",
                                       "|> SELECT a",
                                       "|> JOIN t",
                                       "|> AGGREGATE GROUP BY a",
                                       "|> DISTINCT",
                                       "|> UNION (",
                                       "AS OF",
                                       "WITH (",
                                       "AS (",
                                       "ORDINALITY",
                                       "TABLESAMPLE",
                                       "ONLY",
                                       "TRANSACTION",
                                       "CURRENT",
                                       "WITHIN",
                                       "FILTER",
                                       "ROWS",
                                       "FIRST",
                                       "FETCH",
                                       "ASC",
                                       "CUBE",
                                       "SET"};
constexpr size_t kWords = sizeof kVocabulary / sizeof kVocabulary[0];
constexpr size_t kMaxWords = 4096;

// Ends the process, which leaves the input in a file, when something does not hold.
void Require(bool holds, const char* what, const std::string& text, const std::string& outcome) {
  if (holds) return;
  std::fprintf(stderr, "%s\n%s\n%s\n", what, text.c_str(), outcome.c_str());
  std::abort();
}

bool Balanced(const Tokens& tokens) {
  std::string open;
  for (const Token& token : tokens) {
    if (IsSymbol(token, "(") || IsSymbol(token, "[")) open += token.text;
    const bool round = IsSymbol(token, ")");
    if (!round && !IsSymbol(token, "]")) continue;
    if (open.empty() || open.back() != (round ? '(' : '[')) return false;
    open.pop_back();
  }
  return open.empty();
}

// Words, commas and pipes that stages replace by made ones; what else the user wrote must stay.
bool MayGo(const Token& token) {
  for (const char* word : {"from", "where", "extend", "aggregate", "as", "group", "by", "and",
                           "order", "asc", "desc", "nulls"}) {
    if (IsWord(token, word)) return true;
  }
  return IsSymbol(token, ",") || (token.kind == TokenKind::kOperator && token.text == "|>");
}

bool HasPipe(const Tokens& tokens) {
  for (const Token& token : tokens) {
    if (token.kind == TokenKind::kOperator && token.text == "|>") return true;
  }
  return false;
}

// Texts that are no SQL and whose translation may have a query that they had not: `a, FROM b |> …`
// becomes `a CROSS JOIN (FROM b) …`, what moves past a semicolon in parentheses starts anew, and
// AGGREGATE lets a set operator out of parentheses.
bool MayBecomeQuery(const Tokens& tokens) {
  int depth = 0;
  bool aggregates = false, combines = false;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (IsSymbol(tokens[i - 1], "(")) depth++;
    if (IsSymbol(tokens[i - 1], ")")) depth--;
    if (IsSymbol(tokens[i - 1], ",") && IsWord(tokens[i], "from")) return true;
    if (IsSymbol(tokens[i], ";") && depth > 0) return true;
    aggregates |= IsWord(tokens[i], "aggregate");
    combines |=
        IsWord(tokens[i], "union") || IsWord(tokens[i], "intersect") || IsWord(tokens[i], "except");
  }
  return aggregates && combines;
}

// Without pipes every token of the user's is there once; with pipes some repeat, and of a repeated
// item of GROUP BY only the first stays.
bool KeepsTokens(const Tokens& lexed, const Tokens& translated) {
  std::map<int, int> times;
  std::set<std::string_view> texts;
  for (const Token& token : translated) {
    if (token.source < 0) continue;
    times[token.source]++;
    texts.insert(token.text);
  }
  const bool pipes = HasPipe(lexed);
  for (const Token& token : lexed) {
    const int found = times[token.source];
    if (pipes ? found == 0 && !MayGo(token) && !texts.contains(token.text) : found != 1)
      return false;
  }
  return true;
}

void Check(const TestText& lexed, const TranslateOptions& options) {
  const Tokens& tokens = lexed.tokens();
  Translation result;
  Translate(tokens, options, &result);
  const std::string printed = Print(result, tokens, lexed.text());
  const auto require = [&](bool holds, const char* what) {
    Require(holds, what, lexed.text(), printed);
  };
  const int size = static_cast<int>(tokens.size());
  const int bytes = static_cast<int>(lexed.text().size());
  require(!result.tokens.empty() && result.tokens.back().kind == TokenKind::kEnd, "no end");
  for (const Token& token : result.tokens) {
    require(token.source >= -1 && token.source < size, "source out of range");
    require(token.begin >= 0 && token.begin <= token.end && token.end <= bytes, "place");
    require(token.source < 0 || token.text == tokens[token.source].text, "changed token");
  }
  if (result.problem) {
    require(result.changed, "problem without change");
    require(result.problem->source >= 0 && result.problem->source < size, "place of the problem");
    return;
  }
  if (!result.changed) {
    require(SameTokens(result.tokens, tokens), "changed without telling");
    return;
  }
  require(options.flux || options.forms, "changed with everything off");
  if (!Balanced(tokens)) return;
  require(Balanced(result.tokens), "parentheses lost");
  if (options.forms) return;
  require(KeepsTokens(tokens, result.tokens), "tokens lost");
  if (MayBecomeQuery(tokens) || HasPipe(result.tokens)) return;
  // Standard SQL, as far as it goes: nothing more to translate.
  const TestText again(printed);
  Translation second;
  Translate(again.tokens(), options, &second);
  require(!second.changed, "translated twice");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr int kFlux = 1, kForms = 2, kAllForms = 4, kExpression = 8;
  std::string text;
  for (size_t i = 1; i < size && i <= kMaxWords; ++i)
    text.append(kVocabulary[data[i] % kWords]).push_back(' ');
  Check(TestText(text), {.flux = (data[0] & kFlux) != 0,
                         .forms = (data[0] & kForms) != 0,
                         .all_forms = (data[0] & kAllForms) != 0,
                         .statements = (data[0] & kExpression) == 0});
  return 0;
}
